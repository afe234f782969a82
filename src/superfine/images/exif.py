"""EXIF as plain entries: read it from a block or a TIFF file, keep what stays true of an enlarged picture, write it again.

libvips carries EXIF through every format but TIFF, where it reads and writes none; there :func:`from_file` and :func:`graft`
do it. What is kept is the description (who, when, with what, where); what speaks about the old pixels (orientation, sizes,
thumbnail, where the strips lie) is not.

Source: TIFF 6.0 (Adobe, 1992), section 2; BigTIFF (AWare Systems, 2007); Exif 2.32 (CIPA DC-008), section 4.
"""

import struct
from io import BytesIO
from operator import truediv
from pathlib import Path
from typing import IO, NamedTuple

import numpy as np

EXIF_POINTER, GPS_POINTER, INTEROPERABILITY_POINTER = 34665, 34853, 40965
ORIENTATION, MAKER_NOTE = 274, 37500
# Of the main directory: description, make, model, orientation, software, date, artist, host, rating (2), copyright,
# and the title, comment, author, keywords and subject that Windows writes.
DESCRIPTIVE = frozenset({270, 271, 272, 305, 306, 315, 316, 18246, 18249, 33432, *range(40091, 40096)})
RESOLUTION = frozenset({282, 283, 296})
PIXEL_SIZES = frozenset({40962, 40963})
BOILERPLATE = frozenset({36864, 37121, 40960, 40961})  # version numbers and the like, which encoders add by themselves

# TIFF type -> (bytes of a value, bytes of the units in which its byte order is turned)
TYPES = {1: (1, 1), 2: (1, 1), 3: (2, 2), 4: (4, 4), 5: (8, 4), 6: (1, 1), 7: (1, 1), 8: (2, 2), 9: (4, 4), 10: (8, 4)}
TYPES |= {11: (4, 4), 12: (8, 8), 13: (4, 4), 16: (8, 8), 17: (8, 8), 18: (8, 8)}
ASCII, SHORT, LONG, LONG8 = 2, 3, 4, 16

MOST_BYTES = 1 << 24  # of one value: more is a damaged count
HEADER = b"Exif\0\0"  # stands before the TIFF part in JPEG files and in libvips' metadata


class Entry(NamedTuple):
    """One value of a directory: its TIFF type, how many, and the bytes in little-endian order."""

    type: int
    number: int
    data: bytes


Directory = dict[int, Entry]


class Layout(NamedTuple):
    """How a TIFF file is laid out: byte order (``<`` or ``>``) and classic (4-byte offsets) or big (8-byte offsets)."""

    order: str
    big: bool

    @property
    def length(self) -> str:
        return self.order + ("Q" if self.big else "H")

    @property
    def offset(self) -> str:
        return self.order + ("Q" if self.big else "I")

    @property
    def entry(self) -> str:
        return self.order + ("HHQ8s" if self.big else "HHI4s")

    @property
    def inline(self) -> int:
        return 8 if self.big else 4


LITTLE = Layout("<", big=False)


class Exif(NamedTuple):
    """The three directories that are kept."""

    main: Directory
    photo: Directory
    gps: Directory


def from_block(block: bytes) -> bytes | None:
    """Clean an EXIF block, with or without its ``Exif`` header: what is still true of the pixels once they are upright.

    Returns
    -------
    bytes or None
        A little-endian TIFF with the descriptive entries, the photo and GPS directories, and orientation 1; None if the
        block is damaged or says nothing.
    """
    return from_file(BytesIO(block.removeprefix(HEADER)))


def from_file(file: IO[bytes]) -> bytes | None:
    """Like :func:`from_block`, for the first picture of a TIFF file."""
    try:
        exif = _read(file)
    except (struct.error, ValueError, OverflowError):
        return None
    if not (exif.main or exif.photo.keys() - BOILERPLATE or exif.gps):
        return None
    exif.main[ORIENTATION] = Entry(SHORT, 1, struct.pack("<H", 1))
    return _packed(exif)


def resolution(block: bytes) -> tuple[float, float] | None:
    """Return the horizontal and vertical pixels per inch that an EXIF block, with or without its header, states."""
    try:
        file = BytesIO(block.removeprefix(HEADER))
        layout, start = _open(file)
        main = _directory(file, layout, start, keep=RESOLUTION)
        across, down = (truediv(*struct.unpack("<2I", main[tag].data)) for tag in (282, 283))
    except (struct.error, ValueError, OverflowError, KeyError, ZeroDivisionError):
        return None
    per_inch = 2.54 if 296 in main and main[296].data == b"\3\0" else 1.0  # or per centimetre
    return across * per_inch, down * per_inch


def shorts(file: IO[bytes], tags: frozenset[int]) -> dict[int, int]:
    """The first number of each of the ``tags``, of the type SHORT, that a TIFF file's main directory has; none if damaged."""
    try:
        layout, start = _open(file)
        main = _directory(file, layout, start, keep=tags)
    except (struct.error, ValueError, OverflowError):
        return {}
    return {tag: int.from_bytes(entry.data[:2], "little") for tag, entry in main.items()}


def within(exif: bytes, most: int) -> bytes:
    """EXIF, as :func:`from_block` returns it, of at most ``most`` bytes: without its largest values, maker's notes first."""
    kept = _read(BytesIO(exif))
    while len(exif) > most:
        directory = max(kept, key=lambda part: max((len(entry.data) for entry in part.values()), default=0))
        del directory[max(directory, key=lambda tag: (tag == MAKER_NOTE, len(directory[tag].data)))]
        exif = _packed(kept)
    return exif


def graft(path: Path, exif: bytes) -> None:
    """Add EXIF to a little-endian TIFF file that has none, by a new main directory at its end.

    Parameters
    ----------
    path : Path
        A TIFF file written by libvips.
    exif : bytes
        As :func:`from_block` returns it.
    """
    added = _read(BytesIO(exif))
    with path.open("r+b") as file:
        layout, start = _open(file)
        main = _directory(file, layout, start) | added.main
        end = file.seek(0, 2)
        padding = b"\0" * (-end % 16)
        tail, offset = _chain(added._replace(main=main), end + len(padding), layout)
        file.write(padding + tail)
        file.seek(layout.inline)  # the header ends with the main directory's offset, as wide as an inline value
        file.write(struct.pack(layout.offset, offset))


def _packed(exif: Exif) -> bytes:
    """A little-endian TIFF of the directories alone."""
    tail, offset = _chain(exif, 8, LITTLE)
    return struct.pack("<2sHI", b"II", 42, offset) + tail


def _read(file: IO[bytes]) -> Exif:
    layout, start = _open(file)
    main = _directory(file, layout, start, keep=DESCRIPTIVE | {EXIF_POINTER, GPS_POINTER})
    parts: dict[int, Directory] = {}
    for pointer in (EXIF_POINTER, GPS_POINTER):
        entry = main.pop(pointer, None)
        parts[pointer] = _directory(file, layout, int.from_bytes(entry.data, "little")) if entry else {}
    photo = parts[EXIF_POINTER]
    for tag in (INTEROPERABILITY_POINTER, *PIXEL_SIZES):
        photo.pop(tag, None)
    return Exif(main, photo, parts[GPS_POINTER])


def _open(file: IO[bytes]) -> tuple[Layout, int]:
    """Return the layout and the offset of the main directory."""
    file.seek(0)
    head = file.read(16)
    order = {b"II": "<", b"MM": ">"}.get(head[:2])
    if order is None:
        raise ValueError("not a TIFF header")
    (version,) = struct.unpack_from(order + "H", head, 2)
    if version not in (42, 43):
        raise ValueError("not a TIFF header")
    layout = Layout(order, big=version == 43)
    (start,) = struct.unpack_from(layout.offset, head, layout.inline)
    return layout, start


def _directory(file: IO[bytes], layout: Layout, start: int, keep: frozenset[int] | None = None) -> Directory:
    """Read the directory at an offset; entries of unknown type are left out, and all but ``keep`` where it is given."""
    file.seek(start)
    (count,) = struct.unpack(layout.length, file.read(struct.calcsize(layout.length)))
    if count > 4096:
        raise ValueError("a directory with more than 4096 entries")
    size = struct.calcsize(layout.entry)
    table = file.read(count * size)
    directory: Directory = {}
    for i in range(count):
        tag, type, number, field = struct.unpack_from(layout.entry, table, i * size)
        if type not in TYPES or (keep is not None and tag not in keep):
            continue
        width, unit = TYPES[type]
        if number * width > MOST_BYTES:
            raise ValueError("a value larger than EXIF values are")
        data = field[: number * width]
        if number * width > layout.inline:
            file.seek(struct.unpack(layout.offset, field)[0])
            data = file.read(number * width)
        if len(data) != number * width:
            raise ValueError("a value beyond the end")
        if layout.order == ">":
            data = np.frombuffer(data, f"V{unit}").view(f">u{unit}").astype(f"<u{unit}").tobytes()
        if type == ASCII and not data.endswith(b"\0"):  # cameras forget it, and libtiff complains
            data, number = data + b"\0", number + 1
        directory[tag] = Entry(type, number, data)
    return directory


def _chain(exif: Exif, start: int, layout: Layout) -> tuple[bytes, int]:
    """Lay the directories out from an offset on, the main one last; return the bytes and the main one's offset."""
    out = b""
    main = dict(exif.main)
    pointer_type = LONG8 if layout.big else LONG
    for pointer, directory in ((EXIF_POINTER, exif.photo), (GPS_POINTER, exif.gps)):
        if directory:
            main[pointer] = Entry(pointer_type, 1, struct.pack(layout.offset, start + len(out)))
            out += _dump(directory, start + len(out), layout)
    return out + _dump(main, start + len(out), layout), start + len(out)


def _dump(directory: Directory, start: int, layout: Layout) -> bytes:
    """Return one directory as it stands at an offset, with the values that do not fit into it behind it."""
    fixed = (
        struct.calcsize(layout.length) + len(directory) * struct.calcsize(layout.entry) + struct.calcsize(layout.offset)
    )
    table, values = struct.pack(layout.length, len(directory)), b"\0" * (-fixed % 8)
    for tag, entry in sorted(directory.items()):
        field = entry.data
        if len(field) > layout.inline:
            field = struct.pack(layout.offset, start + fixed + len(values))
            values += entry.data + b"\0" * (-len(entry.data) % 8)
        table += struct.pack(layout.entry, tag, entry.type, entry.number, field)
    return table + struct.pack(layout.offset, 0) + values
