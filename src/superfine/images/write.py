"""Write a picture to a file: PNG, JPEG, WebP, TIFF or AVIF, by the suffix, whole or not at all.

The encoder runs in a thread of its own while the caller's thread computes the next strip. PNG, JPEG and TIFF need memory for a
few strips only; WebP and AVIF encoders gather the whole picture at 8 or 16 bits.
"""

import errno
import os
from collections.abc import Generator, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from dataclasses import replace as changed
from os import PathLike
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
import pyvips
from numpy.typing import NDArray

from superfine.errors import UserError
from superfine.files import whole_file
from superfine.images import exif
from superfine.images.formats import LOSSLESS, Format, format_of
from superfine.images.picture import MM_PER_INCH, USUAL_DPI, Metadata, Picture, profile_channels, usable_dpi
from superfine.images.strips import StripSource

ROWS_AT_A_TIME = 64
BIG_TIFF_FROM = 3_900_000_000  # bytes; classic TIFF ends at 2³²
Strip = NDArray[np.float32 | np.uint8]
MOST_EXIF = 64_000  # bytes; JPEG ends at 2¹⁶, and libexif, which libvips writes all other formats by, a little before
DISK_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)


@dataclass(frozen=True)
class Layout:
    """The samples as the encoder gets them.

    Parameters
    ----------
    grey, alpha : bool
        One colour channel rather than three; opacity as the last channel.
    matte : bool
        Transparency is to be laid on white, because the format has none.
    depth : int
        Bits that count: 8, 10 or 16. More than 8 stand in the upper bits of 16, where libvips takes them from.
    """

    grey: bool
    alpha: bool
    matte: bool
    depth: int

    @property
    def channels(self) -> int:
        return (1 if self.grey else 3) + self.alpha

    @property
    def bits(self) -> int:
        return 8 if self.depth == 8 else 16


def write(picture: Picture, path: str | PathLike[str], *, quality: int | None = None) -> None:
    """Write a picture; the suffix chooses the format.

    Parameters
    ----------
    picture : Picture
        Values outside [0, 1] are clipped. Grey, alpha, 16 bits and the metadata are kept where the format can: of EXIF above
        64 KB all formats but TIFF lose the largest values, the maker's notes first, and JPEG loses XMP above 60 KB.
    path : path
        An existing file is replaced. A symbolic link is replaced too, not what it points to.
    quality : int, optional
        1 to 100, for JPEG, WebP and AVIF; 100 keeps WebP and AVIF lossless. PNG and TIFF always are, whatever it says.

    Raises
    ------
    UserError
        As :func:`write_strips`.
    ValueError
        If the arrays of the picture have wrong shapes.
    """
    pixels, alpha = picture.pixels, picture.alpha
    if pixels.ndim != 3 or pixels.shape[2] != 3 or (alpha is not None and alpha.shape != pixels.shape[:2]):
        shapes = f"{pixels.shape} with alpha {None if alpha is None else alpha.shape}"
        raise ValueError(f"a picture is height × width × 3 with alpha height × width, not {shapes}")
    height, width, _ = pixels.shape

    def strips() -> Iterator[NDArray[np.float32]]:
        for y in range(0, height, ROWS_AT_A_TIME):
            rows = slice(y, y + ROWS_AT_A_TIME)
            yield pixels[rows] if alpha is None else np.dstack([pixels[rows], alpha[rows]])

    write_strips(
        path,
        strips(),
        width=width,
        height=height,
        grey=picture.grey,
        alpha=alpha is not None,
        bits=picture.bits,
        metadata=picture.metadata,
        quality=quality,
    )


def write_strips(
    path: str | PathLike[str],
    strips: Iterable[Strip],
    *,
    width: int,
    height: int,
    grey: bool,
    alpha: bool,
    bits: int,
    metadata: Metadata,
    quality: int | None = None,
    replace: bool = True,
) -> None:
    """Write a picture that comes in strips, encoding the ones that are there while the next is computed.

    Parameters
    ----------
    path : path
        As for :func:`write`.
    strips : iterable of float32 arrays, rows × width × channels
        From top to bottom, RGB in [0, 1], then opacity if ``alpha``; values outside are clipped. It is run through in the
        calling thread, and what it raises is raised from here unchanged, with no file left behind. Where the file gets
        these very channels with 8 bits, strips may also be uint8, as :func:`round_to_bytes` makes them.
    width, height : int
        Of the whole picture, in pixels.
    grey : bool
        Write one channel, the mean of the three, where the format can.
    alpha : bool
        There is a fourth channel. JPEG has none: there the picture is laid on white.
    bits : int
        8 or 16 bits a sample; JPEG and WebP always get 8, and AVIF 10 for 16.
    metadata : Metadata
        Colour profile, EXIF, XMP and resolution to write.
    quality : int, optional
        As for :func:`write`.
    replace : bool
        Without it, what is at ``path`` stays, also if it came there while the picture was computed.

    Raises
    ------
    FileExistsError
        Without ``replace``: there is something at ``path``.
    UserError
        If the suffix or the quality is unknown, the picture too large for the format, the folder missing or not writable,
        the disk full, or a strip holds NaN or infinity.
    ValueError
        If the strips have wrong shapes or do not add up to ``height`` rows.
    """
    path = Path(path)
    format = format_of(path)
    if quality is not None and not 1 <= quality <= 100:
        raise UserError(f"{path}: quality {quality} is out of range; choose 1 (smallest file) to 100 (best)")
    if width < 1 or height < 1 or bits not in (8, 16):
        raise ValueError(f"cannot write {width} × {height} pixels of {bits} bits")
    if max(width, height) > format.side:
        raise UserError(
            f"{path}: {width} × {height} pixels are too many for this format, whose sides end at {format.side}; "
            "write PNG or TIFF instead"
        )
    layout = Layout(grey, alpha and format.alpha, alpha and not format.alpha, min(format.depth, bits))
    block = exif.from_block(metadata.exif) if metadata.exif is not None else None
    metadata = changed(metadata, exif=block, dpi=usable_dpi(metadata.dpi))
    raised: list[BaseException] = []
    try:
        if path.is_dir():
            raise UserError(f"{path}: is a folder; give the name of a file")
        with whole_file(path, replace=replace) as part, closing(_watched(strips, raised)) as watched:
            _encode(part, path, watched, format, layout, width, height, metadata, quality)
            if block is not None and format.saver == "tiffsave_target":
                exif.graft(part, block)
    except OSError as error:
        if error in raised or isinstance(error, FileExistsError):
            raise
        raise UserError(f"{path}: cannot be written: {error.strerror}; {_way_out(error)}") from error


def _watched(strips: Iterable[Strip], raised: list[BaseException]) -> Generator[Strip, None, None]:
    """Pass the strips on, and note what they raise, to tell it from the errors of writing."""
    try:
        yield from strips
    except BaseException as error:
        raised.append(error)
        raise


def _encode(
    part: Path,
    path: Path,
    strips: Iterable[Strip],
    format: Format,
    layout: Layout,
    width: int,
    height: int,
    metadata: Metadata,
    quality: int | None,
) -> None:
    source = StripSource(width, height, layout.channels, layout.bits)
    options = _options(format, quality, layout, metadata, width * height * layout.channels * layout.bits // 8)
    descriptor = os.open(part, os.O_RDWR | os.O_CREAT | os.O_TRUNC | getattr(os, "O_BINARY", 0), 0o666)
    failures: list[Exception] = []

    def encode() -> None:
        try:
            image = _dress(source.image(), format, layout, metadata)
            pyvips.Operation.call(format.saver, image, pyvips.Target.new_to_descriptor(descriptor), **options)
        except Exception as error:
            # Its traceback would lead back here in a circle, and keep the file open until the next garbage collection.
            failures.append(error.with_traceback(None))
        finally:
            source.close()
            os.close(descriptor)

    encoder = Thread(target=encode, name=f"encoder of {path.name}")
    try:
        encoder.start()
        rows = 0
        for strip in strips:
            rows += _checked(strip, rows, layout, width, height)
            pieces = (strip[y : y + ROWS_AT_A_TIME] for y in range(0, len(strip), ROWS_AT_A_TIME))
            if not all(source.put(_samples(piece, layout, path)) for piece in pieces):
                break
        else:
            if rows != height:
                raise ValueError(f"the strips make up {rows} rows of {height}")
        encoder.join()
    finally:
        source.close()
        if encoder.ident is not None:
            encoder.join()
    if failures:
        raise _explained(failures[0], path)


def _checked(strip: Strip, rows: int, layout: Layout, width: int, height: int) -> int:
    """Return a strip's number of rows; refuse one that does not fit below the ``rows`` there are."""
    channels = 4 if layout.alpha or layout.matte else 3
    if strip.ndim != 3 or strip.shape[1:] != (width, channels) or rows + len(strip) > height:
        raise ValueError(
            f"a strip of shape {strip.shape} does not fit {height} × {width} × {channels} after {rows} rows"
        )
    as_stored = layout.depth == 8 and not layout.grey and not layout.matte
    if not np.issubdtype(strip.dtype, np.floating) and not (as_stored and strip.dtype == np.uint8):
        raise ValueError(f"a strip is float32 in [0, 1], not {strip.dtype}")
    return len(strip)


def round_to_bytes(values: NDArray[np.float32], out: Strip) -> None:
    """Clip finite values to [0, 1] and round them to the nearest of the levels 0 to 255, in an array that they broadcast to."""
    # In pieces that stay in the cache: a float32 copy of the whole would cost more, in fresh memory, than the arithmetic.
    for y in range(0, len(values), ROWS_AT_A_TIME):
        piece = np.clip(values[y : y + ROWS_AT_A_TIME], 0, 1)
        piece *= 255
        out[y : y + ROWS_AT_A_TIME] = np.rint(piece, out=piece)


def _samples(strip: Strip, layout: Layout, path: Path) -> memoryview:
    """Return a strip as the encoder's bytes: channels as in the layout, clipped, rounded to the nearest integer."""
    if strip.dtype == np.uint8:
        return np.ascontiguousarray(strip).data.cast("B")
    if not np.isfinite(strip.min(initial=0.0)) or not np.isfinite(strip.max(initial=0.0)):
        raise UserError(f"{path}: the computed pixels hold NaN or infinity; nothing is written, try another device")
    clipped: NDArray[np.float32] = np.clip(strip, 0.0, 1.0, dtype=np.float32)
    colour = clipped[..., :3]
    if layout.matte:
        opacity = clipped[..., 3:]
        colour = colour * opacity + (1.0 - opacity)
    if layout.grey:
        colour = (colour[..., :1] + colour[..., 1:2] + colour[..., 2:3]) / 3.0
    if layout.alpha:
        colour = clipped if not layout.grey else np.concatenate([colour, clipped[..., 3:]], axis=2)
    colour *= 2**layout.depth - 1
    np.rint(colour, out=colour)
    samples: NDArray[np.uint8 | np.uint16] = colour.astype(np.uint8 if layout.bits == 8 else "<u2", order="C")
    samples <<= layout.bits - layout.depth
    return samples.data.cast("B")


def _dress(image: Any, format: Format, layout: Layout, metadata: Metadata) -> Any:
    """Give the image its metadata, and three channels where the format has no grey."""
    across, down = metadata.dpi or (USUAL_DPI, USUAL_DPI)
    image = image.copy(xres=across / MM_PER_INCH, yres=down / MM_PER_INCH)
    block = metadata.exif and exif.HEADER + exif.within(metadata.exif, MOST_EXIF)
    fields = {"exif-data": block, "xmp-data": metadata.xmp}
    if metadata.icc is not None and profile_channels(metadata.icc) == (1 if layout.grey else 3):
        fields["icc-profile-data"] = metadata.icc
    for name, value in fields.items():
        if value is not None:
            image.set_type(pyvips.GValue.blob_type, name, value)
    image.set_type(pyvips.GValue.gint_type, "orientation", 1)
    if layout.grey and not format.grey:
        if "icc-profile-data" in fields:
            return image.icc_transform("srgb", embedded=True, intent="relative", depth=layout.bits)
        return image.colourspace("srgb" if layout.bits == 8 else "rgb16")
    return image


def _options(format: Format, quality: int | None, layout: Layout, metadata: Metadata, size: int) -> dict[str, Any]:
    """Return the saver's options."""
    # Of the formats without a place of their own for the resolution, libvips puts it into EXIF, if it may write any.
    says_more = metadata.exif is not None or metadata.dpi is not None
    options = {**format.options, "keep": "icc|xmp|exif" if says_more else "icc|xmp"}
    if format.quality is not None:
        options["Q"] = quality or format.quality
        if options["Q"] == LOSSLESS and "effort" in options:
            options["lossless"] = True
            if format.saver == "webpsave_target":
                options["exact"] = True  # the colours under full transparency too
    if format.saver == "heifsave_target":
        options["bitdepth"] = layout.depth
    if format.saver == "tiffsave_target":
        options["bigtiff"] = size > BIG_TIFF_FROM
    return options


def _explained(failure: Exception, path: Path) -> Exception:
    """Return what to raise for an encoder's failure: the disk's error if that was the cause."""
    text = failure.detail if isinstance(failure, pyvips.Error) else str(failure)
    for number in DISK_ERRORS:
        if os.strerror(number) in text:
            return OSError(number, os.strerror(number), str(path))
    cause = " ".join(text.split()) or type(failure).__name__
    return UserError(f"{path}: cannot be encoded ({cause}); try another format")


def _way_out(error: OSError) -> str:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return "free some space or write to another disk"
    if error.errno == errno.ENAMETOOLONG:
        return "choose a shorter name"
    if error.errno in (errno.ENOENT, errno.ENOTDIR):
        return "make the folder first, or choose another"
    return "choose another folder"
