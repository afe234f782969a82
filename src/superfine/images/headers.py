"""What the headers of PNG and AVIF files tell and libvips does not pass on: colours by code points, a gamma, how many frames.

Source: PNG, third edition (W3C), sections 5.3 and 11.3; ISO/IEC 14496-12, sections 8.7.3 (``stsz``) and 12.1.5 (``colr``).
"""

import struct
from typing import IO, NamedTuple

from superfine.images.signatures import HEAD, brands

AVIF_HEADER = 2**16  # bytes of an AVIF file in which this is told


class Header(NamedTuple):
    """What a header tells.

    Parameters
    ----------
    code_points : (int, int) or None
        H.273's of the primaries and of the transfer characteristics.
    gamma : float or None
        The exponent that encoded the samples, such as 0.45455, where nothing that goes before it is there: code points, a
        profile, sRGB.
    frames : int
        More than 1 for an animation; 0 for one of which it is not known.
    """

    code_points: tuple[int, int] | None = None
    gamma: float | None = None
    frames: int = 1


def of_png(file: IO[bytes]) -> Header:
    """Read the chunks before the samples; what is damaged tells nothing."""
    chunks: dict[bytes, bytes] = {}
    file.seek(8)
    while len(head := file.read(8)) == 8:
        length, name = struct.unpack(">I4s", head)
        if name in (b"IDAT", b"IEND"):
            break
        chunks[name] = file.read(min(length, 8))
        file.seek(length - len(chunks[name]) + 4, 1)  # the rest, and the checksum
    points, gamma, animation = (chunks.get(name, b"") for name in (b"cICP", b"gAMA", b"acTL"))
    told = {b"cICP", b"iCCP", b"sRGB"} & set(chunks)
    return Header(
        code_points=(points[0], points[1]) if len(points) == 4 else None,
        gamma=int.from_bytes(gamma) / 100_000 if len(gamma) == 4 and not told else None,
        frames=int.from_bytes(animation[:4]) if len(animation) == 8 else 1,
    )


def of_avif(file: IO[bytes]) -> Header:
    """Read the boxes of the colours, and of the sizes of a track's samples, each of which is a frame."""
    file.seek(0)
    head = file.read(AVIF_HEADER)
    _, told, points = head.partition(b"colrnclx")
    sizes = head.partition(b"stsz")[2]
    return Header(
        code_points=(int.from_bytes(points[:2]), int.from_bytes(points[2:4])) if told else None,
        frames=int.from_bytes(sizes[8:12]) if b"avis" in brands(head[:HEAD]) else 1,
    )
