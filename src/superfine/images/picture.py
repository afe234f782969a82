"""What a picture is inside superfine: pixels, transparency, and what travels beside them from input to output."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

MM_PER_INCH = 25.4
USUAL_DPI = 72.0
_PROFILE_HEADER = 132  # bytes of an ICC profile with the number of its tags


@dataclass(frozen=True)
class Metadata:
    """What a file says about its picture, carried from the input to the output.

    Parameters
    ----------
    icc : bytes or None
        The colour profile the pixel values are meant in; None means sRGB.
    exif : bytes or None
        EXIF as a little TIFF (it begins ``II*\\0``), as :func:`superfine.images.exif.from_block` leaves it: orientation 1,
        no thumbnail, no sizes.
    xmp : bytes or None
        The XMP packet.
    dpi : (float, float) or None
        Horizontal and vertical pixels per inch; None where the file does not say, or says the usual 72.
    """

    icc: bytes | None = field(default=None, repr=False)
    exif: bytes | None = field(default=None, repr=False)
    xmp: bytes | None = field(default=None, repr=False)
    dpi: tuple[float, float] | None = None


@dataclass(frozen=True, eq=False)
class Picture:
    """One decoded picture.

    Parameters
    ----------
    pixels : float32 array, height × width × 3
        RGB in [0, 1], upright (the EXIF orientation is applied). A grey picture has three equal channels.
    alpha : float32 array, height × width, or None
        Opacity in [0, 1]; the pixels are not multiplied by it.
    grey : bool
        The file had one channel (and perhaps alpha), and is written so again.
    bits : int
        Bits of a sample to write, 8 or 16.
    metadata : Metadata
        Carried along.
    notes : tuple of str
        What to tell the user of the file, such as that it has more frames than this one.
    """

    pixels: NDArray[np.float32]
    alpha: NDArray[np.float32] | None = None
    grey: bool = False
    bits: int = 8
    metadata: Metadata = field(default_factory=Metadata)
    notes: tuple[str, ...] = ()


def profile_channels(profile: bytes) -> int:
    """Return 1 for an ICC profile of grey, 3 for one of RGB, 0 for any other. Source: ICC.1:2022, section 7.2.6."""
    return {b"GRAY": 1, b"RGB ": 3}.get(profile[16:20], 0)


def whole_profile(profile: bytes) -> bytes:
    """An ICC profile of the length that it states, a multiple of four, as libpng wants it; some in photographs are padded.

    Source: ICC.1:2022, sections 7.2.1 and 7.2.2. What a profile has behind its stated end is taken off; one that states more
    than there is, or less than a header, is told its length.
    """
    stated = int.from_bytes(profile[:4])
    if _PROFILE_HEADER <= stated < len(profile):
        profile = profile[:stated]
    profile += bytes(-len(profile) % 4)
    return len(profile).to_bytes(4) + profile[4:]


def usable_dpi(dpi: tuple[float, float] | None) -> tuple[float, float] | None:
    """Return a resolution that says something: within reason, and neither 72 nor what libvips assumes for a silent file.

    A PNG states whole pixels per metre, 2834 or 2835 for 72 dpi, and a silent one is taken for 2834.
    """
    if dpi is None or not all(1.0 <= value <= 100_000.0 for value in dpi):
        return None
    silent = any(all(abs(value - assumed) < 0.05 for value in dpi) for assumed in (MM_PER_INCH, USUAL_DPI))
    return None if silent else dpi
