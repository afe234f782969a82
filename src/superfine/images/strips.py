"""A picture that libvips reads while its strips are still being computed.

libvips' Python binding cannot be handed rows one after another, but it reads TIFF files in order from top to bottom through
callbacks. So the strips are presented as an uncompressed BigTIFF file that exists nowhere: the header is made in advance, and
reading its pixel data waits for the next strip. Source: BigTIFF (AWare Systems, 2007); TIFF 6.0 (Adobe, 1992), section 8.
"""

import struct
from math import ceil
from threading import Condition
from typing import Any

import pyvips

ROWS_PER_STRIP = 16
SHORT, LONG, LONG8 = (3, "H"), (4, "I"), (16, "Q")
RGB, BLACK_IS_ZERO = 2, 1
UNASSOCIATED_ALPHA = 2


def header(width: int, height: int, channels: int, bits: int) -> bytes:
    """Return the beginning of a little-endian BigTIFF file whose pixel data follows at once, row by row, interleaved."""
    strips = ceil(height / ROWS_PER_STRIP)
    row = width * channels * bits // 8
    last = row * (height - (strips - 1) * ROWS_PER_STRIP)
    tags: list[tuple[int, tuple[int, str], list[int]]] = [
        (256, LONG, [width]),
        (257, LONG, [height]),
        (258, SHORT, [bits] * channels),
        (259, SHORT, [1]),  # not compressed
        (262, SHORT, [RGB if channels >= 3 else BLACK_IS_ZERO]),
        (273, LONG8, [0] * strips),  # where the strips begin: filled in below
        (277, SHORT, [channels]),
        (278, LONG, [ROWS_PER_STRIP]),
        (279, LONG8, [row * ROWS_PER_STRIP] * (strips - 1) + [last]),
        (284, SHORT, [1]),  # interleaved
    ]
    if channels in (2, 4):
        tags.append((338, SHORT, [UNASSOCIATED_ALPHA]))
    fixed = 16 + 8 + 20 * len(tags) + 8
    sizes = [struct.calcsize(code) * len(values) for _, (_, code), values in tags]
    data = fixed + sum(size for size in sizes if size > 8)
    offsets = [data + i * row * ROWS_PER_STRIP for i in range(strips)]
    table, beyond = struct.pack("<2sHHHQQ", b"II", 43, 8, 0, 16, len(tags)), b""
    for tag, (type, code), values in tags:
        packed = struct.pack(f"<{len(values)}{code}", *(offsets if tag == 273 else values))
        field = packed if len(packed) <= 8 else struct.pack("<Q", fixed + len(beyond))
        beyond += packed if len(packed) > 8 else b""
        table += struct.pack("<HHQ8s", tag, type, len(values), field)
    return table + struct.pack("<Q", 0) + beyond


class StripSource:
    """Rows handed over by the thread that computes them, read as a file by the thread that encodes them.

    At most one hand-over waits to be read, so memory stays bounded and the faster side waits for the slower one.

    Parameters
    ----------
    width, height, channels, bits : int
        Of the whole picture; 8 bits are read as uint8, 16 as little-endian uint16.
    """

    def __init__(self, width: int, height: int, channels: int, bits: int) -> None:
        self._header = header(width, height, channels, bits)
        self._size = len(self._header) + width * height * channels * bits // 8
        self._position = 0  # of the file, which libvips also moves to ask for the size
        self._read_to = len(self._header)  # everything before has been read
        self._rows = memoryview(b"")  # what was handed over last
        self._rows_at = len(self._header)  # where it lies in the file
        self._closed = False
        self._changed = Condition()
        self._source = pyvips.SourceCustom()
        # Not on_read and on_seek: these cannot report an error.
        self._source.signal_connect("read", self._read)
        self._source.signal_connect("seek", self._seek)

    def image(self) -> Any:
        """Return the picture as a libvips image, to be read once from top to bottom, in another thread than :meth:`put`."""
        return pyvips.Image.tiffload_source(self._source, access="sequential", fail_on="error")

    def put(self, rows: memoryview) -> bool:
        """Hand over the next rows as bytes; wait until those before are read. False if nobody will read them."""
        with self._changed:
            while not self._closed and self._read_to < self._rows_at + len(self._rows):
                self._changed.wait()
            if self._closed:
                return False
            self._rows_at += len(self._rows)
            self._rows = rows
            self._changed.notify_all()
            return True

    def close(self) -> None:
        """End the hand-over: a reader that still waits for rows gets an error, and :meth:`put` returns False."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _seek(self, offset: int, whence: int) -> int:
        self._position = {0: 0, 1: self._position, 2: self._size}[whence] + offset
        return self._position

    def _read(self, buffer: Any) -> int:
        """Fill libvips' buffer from the current position on; 0 at the end, −1 for an error."""
        if self._position < len(self._header):
            piece = memoryview(self._header)[self._position : self._position + len(buffer)]
        elif self._position >= self._size:
            return 0
        else:
            with self._changed:
                while self._position >= self._rows_at + len(self._rows):
                    if self._closed:
                        return -1
                    self._changed.wait()
            start = self._position - self._rows_at
            if start < 0:
                return -1
            piece = self._rows[start : start + len(buffer)]
        buffer[: len(piece)] = piece
        with self._changed:
            self._position += len(piece)
            self._read_to = max(self._read_to, self._position)
            self._changed.notify_all()
        return len(piece)
