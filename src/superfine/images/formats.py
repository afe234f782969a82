"""The formats that can be written, and which files count as pictures."""

from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

from superfine.errors import UserError
from superfine.images.signatures import RAW_SUFFIXES

LOSSLESS = 100
"""The quality at which WebP and AVIF keep every sample as it is."""


@dataclass(frozen=True)
class Format:
    """One file format: what it can hold, and how libvips is asked to write it.

    Parameters
    ----------
    suffixes : tuple of str
        In lower case, with the dot.
    saver : str
        The libvips operation, writing to a target.
    side : int
        The greatest width or height, in pixels.
    alpha, grey : bool
        Whether transparency and a single channel can be stored.
    depth : int
        The most bits a sample can have: 8, 10 or 16.
    quality : int or None
        The default, 1 to 100; None where the format is always lossless.
    options : dict
        Further options of the saver.
    """

    suffixes: tuple[str, ...]
    saver: str
    side: int
    alpha: bool
    grey: bool
    depth: int
    quality: int | None
    options: dict[str, Any]


# Measured on one Zen 5 core with libvips 8.18: seconds for 16 megapixels, bytes per pixel, dB of RGB PSNR where lossy, for
# "x4", crops of Kodak's photographs enlarged four times and sharpened, then for "native", the photographs themselves.
#
#   PNG, 8 bit     compression, filter        x4              native
#                  1 up                       0.17 s 1.43 B   0.33 s 2.33 B
#                  2 up                       0.29 s 0.99 B   0.57 s 1.79 B
#                  3 up  (chosen)             0.37 s 0.92 B   0.57 s 1.76 B
#                  3 none                     0.56 s 1.96 B   0.75 s 2.18 B
#                  3 paeth                    0.51 s 0.94 B   0.71 s 1.71 B
#                  3 all                      0.71 s 0.94 B   0.89 s 1.71 B
#                  6 none (libvips' default)  0.58 s 1.95 B   0.68 s 2.18 B
#                  6 up                       0.98 s 0.87 B   0.78 s 1.74 B
#                  6 all                      2.22 s 0.89 B   1.08 s 1.69 B
#
#   The rest was measured on "smooth", one photograph enlarged four times, and on "native" again:
#                                             smooth                  native
#   TIFF           deflate 3 (chosen)         0.32 s 0.74 B           0.68 s 1.71 B
#                  deflate 6 (default)        0.99 s 0.64 B           0.75 s 1.69 B
#                  LZW                        0.44 s 0.73 B           0.61 s 1.88 B
#   JPEG           92 (4:4:4)                 0.06 s 0.12 B 51.0 dB   0.11 s 0.38 B 40.2 dB
#   WebP 92        effort 0                   0.37 s 0.06 B 46.0 dB   0.64 s 0.29 B 40.3 dB
#                  effort 2 (chosen)          0.46 s 0.05 B 45.7 dB   0.86 s 0.27 B 40.0 dB
#                  effort 4 (default)         1.09 s 0.05 B 46.4 dB   1.65 s 0.27 B 40.1 dB
#                  effort 2, smart chroma     1.50 s 0.05 B 45.8 dB   2.58 s 0.28 B 40.4 dB
#   AVIF 80        effort 0 (chosen)          0.83 s 0.04 B 48.5 dB   2.29 s 0.21 B 39.2 dB
#    (4:4:4)       effort 2                   3.67 s 0.05 B 48.3 dB   6.46 s 0.21 B 39.4 dB
#                  effort 4 (default)        27.3  s 0.03 B           not measured
#
# The quality of 85 for AVIF is where it meets JPEG's and WebP's 92 on "native", about 40 dB. Its binary writes 8, 10 and 12
# bits; deeper pictures get 10, because 12-bit AVIF is in a profile that Apple's and many hardware decoders do not know.
FORMATS: dict[str, Format] = {
    "png": Format(
        suffixes=(".png",),
        saver="pngsave_target",
        side=10_000_000,
        alpha=True,
        grey=True,
        depth=16,
        quality=None,
        options={"compression": 3, "filter": "up"},
    ),
    "jpeg": Format(
        suffixes=(".jpg", ".jpeg", ".jpe", ".jfif"),
        saver="jpegsave_target",
        side=65_500,  # libjpeg's limit, a little below the format's
        alpha=False,
        grey=True,
        depth=8,
        quality=92,
        options={"subsample_mode": "auto"},  # 4:4:4 from quality 90
    ),
    "webp": Format(
        suffixes=(".webp",),
        saver="webpsave_target",
        side=16_383,
        alpha=True,
        grey=False,
        depth=8,
        quality=92,
        options={"effort": 2},
    ),
    "tiff": Format(
        suffixes=(".tif", ".tiff"),
        saver="tiffsave_target",
        side=10_000_000,
        alpha=True,
        grey=True,
        depth=16,
        quality=None,
        options={"compression": "deflate", "level": 3, "predictor": "horizontal", "resunit": "inch"},
    ),
    "avif": Format(
        suffixes=(".avif",),
        saver="heifsave_target",
        side=16_384,
        alpha=True,
        grey=False,
        depth=10,
        quality=85,
        options={"compression": "av1", "effort": 0, "subsample_mode": "off"},
    ),
}

SUFFIXES = {suffix: format for format in FORMATS.values() for suffix in format.suffixes}
"""The format that each suffix is written in."""

READ_ONLY_SUFFIXES = (".gif",)

UNREAD_SUFFIXES = RAW_SUFFIXES | {
    *(".bmp", ".dib", ".exr", ".hdr", ".heic", ".heif", ".j2k", ".jp2", ".jxl", ".psd", ".svg", ".tga"),
    *(".pbm", ".pfm", ".pgm", ".pnm", ".ppm"),
}
"""Of pictures in formats that superfine does not read."""


def format_of(path: str | PathLike[str]) -> Format:
    """Return the format a file is to be written in, by its suffix.

    Raises
    ------
    UserError
        If no format has that suffix.
    """
    suffix = Path(path).suffix.lower()
    if suffix in SUFFIXES:
        return SUFFIXES[suffix]
    named = f"cannot write the format {suffix!r}" if suffix else "the name has no suffix to tell the format by"
    raise UserError(f"{path}: {named}; end the name in one of {', '.join(SUFFIXES)}")


def is_picture(path: str | PathLike[str]) -> bool:
    """Tell whether a file found in a folder is to be taken for a picture, by its name alone.

    Hidden files are not: among them are the ``._photo.jpg`` that macOS leaves on foreign disks, which hold no picture.
    """
    path = Path(path)
    return path.suffix.lower() in (*SUFFIXES, *READ_ONLY_SUFFIXES) and not path.name.startswith(".")


def pictures_below(folder: Path) -> list[Path]:
    """The files in a folder, and in those below it that are not hidden, which are to be taken for pictures; sorted."""
    return sorted(
        path
        for path in folder.rglob("*")
        if is_picture(path)
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
        and not path.is_dir()
    )


def is_unread(path: str | PathLike[str]) -> bool:
    """Tell whether a file found in a folder seems to be a picture that superfine cannot read, by its name alone.

    Hidden files are not, as for :func:`is_picture`.
    """
    path = Path(path)
    return path.suffix.lower() in UNREAD_SUFFIXES and not path.name.startswith(".")
