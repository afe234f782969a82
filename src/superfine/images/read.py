"""Read a picture file: PNG, JPEG, WebP, TIFF, AVIF or the first frame of a GIF, by what it holds and not by its name."""

import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from io import FileIO
from os import PathLike
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyvips
from numpy.typing import NDArray

from superfine.errors import UserError
from superfine.images import exif, headers, signatures
from superfine.images.picture import MM_PER_INCH, Metadata, Picture, profile_channels, usable_dpi, whole_profile

BUILT_IN_CMYK = "cmyk"  # libvips' profile for CMYK pictures that have none
# Without waiting: a named pipe that nobody writes to would otherwise be opened for ever.
READING = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
EXIF_ALONE = frozenset({"webpload_source", "heifload_source"})  # formats that state a resolution in EXIF only
SIDEWAYS = frozenset({5, 6, 7, 8})
LAB = frozenset({"lab", "labs"})  # whose numbers mean the same in any type
# TIFF's tags, and some values of theirs
SUBFILE, BITS, COMPRESSION, PHOTOMETRIC, EXTRA_SAMPLES = 254, 258, 259, 262, 338
REDUCED, JPEG, CMYK, YCBCR, CIELAB, UNSPECIFIED = 1, 7, 5, 6, 8, 0
USUAL_GAMMA = 1 / 2.2
# H.273's code points: BT.709's, those near it and none; their curves, which all are shown as sRGB's.
SRGB_PRIMARIES, SRGB_TRANSFERS, DISPLAY_P3 = frozenset({1, 2, 5, 6, 7}), frozenset({1, 2, 4, 6, 13, 14, 15}), (12, 13)
GREY_OR_RGB = frozenset({"b-w", "srgb", "grey16", "rgb16"})
# XMP of what does not come along: a gain map, a video, the sizes of the old picture and of the panorama that it was cut from.
_OUTDATED = (
    rb"(?:(?:hdrgm|GPano|GCamera|GContainer|Container|Item):\w+|exif:Pixel[XY]Dimension|tiff:Image(?:Width|Length))"
)
OUTDATED_ATTRIBUTE = re.compile(rb"\s" + _OUTDATED + rb"\s*=\s*(?:\"[^\"]*\"|'[^']*')")
OUTDATED_ELEMENT = re.compile(rb"<(" + _OUTDATED + rb")(?:\s[^>]*)?(?:/>|(?<!/)>.*?</\1\s*>)", re.DOTALL)


class _Opened(NamedTuple):
    """An image of which only the header is read, a TIFF's EXIF, and what is to be told of the file."""

    image: Any
    tiff_exif: bytes | None
    notes: list[str]


def read(path: str | PathLike[str], *, max_pixels: int = 400_000_000) -> Picture:
    """Read a picture.

    Parameters
    ----------
    path : path
        PNG, JPEG, WebP, TIFF, AVIF or GIF, of 1 to 16 bits a sample: grey, RGB, with alpha, with a palette, CMYK, or Lab of
        16 bits. Of several pages or frames the first is read, and ``notes`` say so.
    max_pixels : int
        The most pixels a picture may have; checked before any of them is decoded.

    Returns
    -------
    Picture
        Upright, RGB in [0, 1]. The values of RGB and grey pictures are as in the file, and their profile goes with them; CMYK
        and Lab are converted to sRGB by their profile.

    Raises
    ------
    UserError
        If the file is missing, not readable, empty, cut short, damaged, too large, for the memory too, or no picture of these
        formats; if its colours would be read wrong: a TIFF's YCbCr or 8-bit Lab, HDR in AVIF and PNG; if a TIFF's first page
        is a thumbnail.
    """
    with _opened(Path(path)) as (image, tiff_exif, notes):
        samples, greatest = _decoded(image, Path(path), max_pixels)
        return replace(_picture(samples, greatest, _metadata(image, tiff_exif)), notes=tuple(notes))


def read_levels(path: str | PathLike[str], *, max_pixels: int = 400_000_000) -> tuple[NDArray[np.uint8], bool]:
    """Read a picture's colours in 8 bits, to measure them: what :func:`read` gives, rounded to 0–255, without its transparency.

    Returns
    -------
    uint8 array, height × width × 3
        RGB, upright.
    bool
        Whether the file has one channel (and perhaps alpha); the array's three are equal then.

    Raises
    ------
    UserError
        As :func:`read`.
    """
    with _opened(Path(path)) as (image, _, _):
        _refuse_too_large(image, Path(path), max_pixels)
        if (levels := _lossless_webp(Path(path), image)) is not None:
            return levels, False
        samples, greatest = _decoded(image, Path(path), max_pixels)
    colour, grey = _colour(samples)
    if greatest != 255:
        colour = np.rint(in_unit(colour, greatest) * np.float32(255)).astype(np.uint8)
    return (np.repeat(colour, 3, axis=2) if grey else np.ascontiguousarray(colour)), grey


def size(path: str | PathLike[str]) -> tuple[int, int]:
    """Return the width and height of a picture as :func:`read` would return it, from the file's header alone.

    Raises
    ------
    UserError
        As :func:`read`, for what shows in the header.
    """
    with _opened(Path(path)) as (image, _, _):
        return (image.height, image.width) if _orientation(image) in SIDEWAYS else (image.width, image.height)


@contextmanager
def _opened(path: Path) -> Iterator[_Opened]:
    """Open a picture; what goes wrong until the end becomes a UserError."""
    try:
        with os.fdopen(os.open(path, READING), "rb", buffering=0) as file:
            loader = _loader(file, path)
            tiff_exif, tags, header = None, {}, headers.Header()
            if loader == "tiffload_source":
                tags = _tiff_tags(file, path)
                tiff_exif = exif.from_file(file)
            elif loader == "pngload_source":
                header = headers.of_png(file)
            elif loader == "heifload_source":
                header = headers.of_avif(file)
            file.seek(0)
            source = pyvips.Source.new_from_descriptor(file.fileno())
            image = pyvips.Operation.call(loader, source, access="sequential", fail_on="error")
            frames = _field(image, "n-pages") or 1
            notes = _notes(header, header.frames if frames == 1 else frames)
            if header.code_points and not _field(image, "icc-profile-data"):
                image = _with_profile(image, header.code_points, path)
            colours = 4 if tags.get(PHOTOMETRIC) == CMYK else 1 if image.bands < 3 else 3
            if tags.get(EXTRA_SAMPLES) == UNSPECIFIED and image.bands > colours:
                notes.append("a channel that is no opacity, of a meaning that the file does not tell, is left out")
                image = image.extract_band(0, n=colours)
            yield _Opened(image, tiff_exif, notes)
    except IsADirectoryError as error:
        raise UserError(f"{path}: is a folder; give a picture in it") from error
    except FileNotFoundError as error:
        raise UserError(f"{path}: does not exist; check the name") from error
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}; check the file and its permissions") from error
    except (MemoryError, pyvips.Error) as error:
        if isinstance(error, MemoryError) or "out of memory" in str(error):
            raise UserError(
                f"{path}: there is too little memory to read it; close other programs, or shrink it"
            ) from error
        # libvips' own words are not told: all threads share them, so they may be about another file.
        raise UserError(f"{path}: is damaged or cut short; get the file again") from error


def _loader(file: FileIO, path: Path) -> str:
    """The libvips loader for what the file holds."""
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        raise UserError(f"{path}: is no ordinary file; save the picture to one first")
    head = file.read(signatures.HEAD)
    if not head:
        raise UserError(f"{path}: is empty; get the picture again")
    if signatures.is_camera_raw(path):
        raise UserError(f"{path}: is a camera's raw file; develop it to TIFF, PNG or JPEG first")
    loader = signatures.loader_of(head)
    if loader is None:
        kind = signatures.seems_to_be(head)
        raise UserError(f"{path}: is {kind}; superfine reads PNG, JPEG, WebP, TIFF, AVIF and GIF: convert it first")
    return loader


def _tiff_tags(file: FileIO, path: Path) -> dict[int, int]:
    """What a TIFF's first directory says of its samples; refused is what libvips would take for RGB, or for damaged.

    Source: TIFF 6.0, sections 8, 18 (ExtraSamples), 21 and 23.
    """
    tags = exif.shorts(file, frozenset({SUBFILE, BITS, COMPRESSION, PHOTOMETRIC, EXTRA_SAMPLES}))
    if tags.get(PHOTOMETRIC) == YCBCR and tags.get(COMPRESSION) != JPEG:
        raise UserError(f"{path}: has YCbCr samples that are not JPEG's; convert it to RGB first")
    if tags.get(PHOTOMETRIC) == CIELAB and tags.get(BITS) == 8:
        raise UserError(f"{path}: has Lab samples of 8 bits; convert it to RGB, or to Lab of 16 bits, first")
    if tags.get(SUBFILE, 0) & REDUCED:
        raise UserError(f"{path}: its first page is a thumbnail of another; save that other as a file of its own first")
    return tags


def _notes(header: headers.Header, frames: int) -> list[str]:
    notes = []
    if frames != 1:
        notes.append(f"has {frames or 'several'} pages or frames, of which the first is read")
    if header.gamma and abs(header.gamma / USUAL_GAMMA - 1) > 0.05:
        notes.append(f"was encoded with a gamma of {header.gamma:.4g}, and is taken for sRGB; convert it to sRGB first")
    return notes


def _with_profile(image: Any, code_points: tuple[int, int], path: Path) -> Any:
    """An image with the profile that code points stand for, which libvips passes over. Source: ITU-T H.273, tables 2 and 3."""
    primaries, transfer = code_points
    if primaries in SRGB_PRIMARIES and transfer in SRGB_TRANSFERS:
        return image
    if code_points == DISPLAY_P3:
        image = image.copy()
        image.set_type(pyvips.GValue.blob_type, "icc-profile-data", pyvips.Image.profile_load("p3"))
        return image
    raise UserError(
        f"{path}: has colours of another kind (H.273 primaries {primaries}, transfer {transfer}), such as HDR's; convert it to "
        "sRGB first"
    )


def _refuse_too_large(image: Any, path: Path, max_pixels: int) -> None:
    if image.width * image.height > max_pixels:
        raise UserError(
            f"{path}: has {image.width} × {image.height} = {image.width * image.height / 1e6:,.0f} megapixels, "
            f"more than the {max_pixels / 1e6:,.0f} allowed; crop or shrink it first"
        )


def _decoded(image: Any, path: Path, max_pixels: int) -> tuple[NDArray[Any], int]:
    """The upright samples of a picture, and the value that means 1."""
    _refuse_too_large(image, path, max_pixels)
    samples = _samples(image, path)
    return _upright(samples, _orientation(image)), _greatest(image, samples)


def _samples(image: Any, path: Path) -> NDArray[Any]:
    """Decode to height × width × (1, 2, 3 or more) samples, uint8 or uint16, grey or RGB and then alpha."""
    if image.format not in ("uchar", "ushort") and image.interpretation not in LAB:
        raise UserError(f"{path}: has samples of the type {image.format}; convert it to 8 or 16 bits first")
    if image.interpretation not in GREY_OR_RGB and image.interpretation != "multiband":
        depth = 8 if image.format == "uchar" else 16
        if image.interpretation == "cmyk" or _field(image, "icc-profile-data"):
            image = image.icc_transform(
                "srgb", embedded=True, input_profile=BUILT_IN_CMYK, intent="relative", depth=depth
            )
        else:
            image = image.colourspace("srgb" if depth == 8 else "rgb16")
    samples: NDArray[Any] = image.numpy()
    return samples.reshape(image.height, image.width, image.bands)


def _lossless_webp(path: Path, image: Any) -> NDArray[np.uint8] | None:
    """The colours of a WebP file that is one lossless picture and nothing else, by Pillow, where that is installed.

    libvips' wheels are built to be small, and their decoder takes 2.4 times as long. None for all other files, and for those
    with which Pillow has trouble: libvips then says what it is.
    """
    if image.get("vips-loader") != "webpload_source":
        return None
    with path.open("rb") as file:
        simple = file.read(16).endswith(b"VP8L")  # no container: neither metadata nor frames
    try:
        from PIL import Image
    except ModuleNotFoundError:
        return None
    if not simple or image.width * image.height > (Image.MAX_IMAGE_PIXELS or 0):
        return None
    try:
        with Image.open(path, formats=["WEBP"]) as opened:
            return np.ascontiguousarray(np.asarray(opened)[..., :3])
    except (OSError, ValueError):
        return None


def _greatest(image: Any, samples: NDArray[Any]) -> int:
    """Return the sample value that means 1."""
    if samples.dtype == np.uint8:
        return 255
    depth = _field(image, "bits-per-sample") or 16
    # libvips shifts AVIF's 10 and 12 bits up to 16, which leaves the lowest bits zero.
    return (2**depth - 1) << (16 - depth) if _field(image, "heif-compression") else 65535


def _metadata(image: Any, tiff_exif: bytes | None) -> Metadata:
    """Collect what goes along with the pixels; a profile only if the pixels are still meant in it."""
    profile, block = _field(image, "icc-profile-data"), _field(image, "exif-data")
    as_stored = (
        image.interpretation in GREY_OR_RGB and profile and profile_channels(profile) == (1 if image.bands < 3 else 3)
    )
    # libvips looks into the EXIF of JPEG and PNG by itself.
    stated = exif.resolution(block) if block and image.get("vips-loader") in EXIF_ALONE else None
    across, down = stated or (image.xres * MM_PER_INCH, image.yres * MM_PER_INCH)
    return Metadata(
        icc=whole_profile(profile) if as_stored else None,
        exif=tiff_exif or (exif.from_block(block) if block else None),
        xmp=_true_xmp(_field(image, "xmp-data")),
        dpi=usable_dpi((down, across) if _orientation(image) in SIDEWAYS else (across, down)),
    )


def _field(image: Any, name: str) -> Any:
    """Return an item of libvips' metadata, None where there is none."""
    return image.get(name) if image.get_typeof(name) else None


def _orientation(image: Any) -> int:
    return _field(image, "orientation") or 1


def _true_xmp(block: bytes | None) -> bytes | None:
    """What stays true of XMP: tiff:Orientation is 1, as the samples are turned upright, and no gain map, video or panorama."""
    if block is None:
        return None
    block = re.sub(rb"(tiff:Orientation\s*(?:=\s*[\"']|>\s*))[2-8]", rb"\g<1>1", block)
    return OUTDATED_ELEMENT.sub(b"", OUTDATED_ATTRIBUTE.sub(b"", block))


def _upright(samples: NDArray[Any], orientation: int) -> NDArray[Any]:
    """Undo an EXIF orientation: which side of the stored rows is up. Source: Exif 2.32, section 4.6.4, tag Orientation."""
    if orientation in SIDEWAYS:
        samples = samples.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        samples = samples[::-1]
    if orientation in (2, 3, 6, 7):
        samples = samples[:, ::-1]
    return samples


def _picture(samples: NDArray[Any], greatest: int, metadata: Metadata) -> Picture:
    channels = samples.shape[2]
    samples_of_colour, grey = _colour(samples)
    colour = in_unit(samples_of_colour, greatest)
    opacity = samples[..., 1 if grey else 3] if channels in (2, 4) or channels > 4 else None
    return Picture(
        pixels=np.repeat(colour, 3, axis=2) if grey else colour,
        alpha=None if opacity is None else in_unit(opacity, greatest),
        grey=grey,
        bits=8 if samples.dtype == np.uint8 else 16,
        metadata=metadata,
    )


def _colour(samples: NDArray[Any]) -> tuple[NDArray[Any], bool]:
    """The samples that are no opacity, and whether they are of one channel."""
    grey = samples.shape[2] < 3
    return samples[..., : 1 if grey else 3], grey


def in_unit(samples: NDArray[Any], greatest: int = 255) -> NDArray[np.float32]:
    """Samples of 0 to ``greatest`` as contiguous float32 in [0, 1].

    In two steps, as a division that converts takes four times as long.
    """
    values = samples.astype(np.float32, order="C")
    values /= np.float32(greatest)
    return values
