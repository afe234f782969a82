"""What a file really holds, told by its first bytes and not by its name."""

from pathlib import PurePath

HEAD = 512
"""How many bytes :func:`loader_of` and :func:`seems_to_be` want to see."""

# Only these loaders are ever called: libvips' own search would also take SVG, CSV, matrices and its gain-map JPEG reader.
LOADERS: tuple[tuple[bytes, str], ...] = (
    (b"\x89PNG\r\n\x1a\n", "pngload_source"),
    (b"\xff\xd8\xff", "jpegload_source"),
    (b"II*\0", "tiffload_source"),
    (b"MM\0*", "tiffload_source"),
    (b"II+\0", "tiffload_source"),
    (b"MM\0+", "tiffload_source"),
    (b"GIF8", "gifload_source"),
)

FOREIGN: tuple[tuple[bytes, str], ...] = (
    (b"BM", "a BMP picture"),
    (b"8BPS", "a Photoshop document"),
    (b"%PDF", "a PDF document"),
    (b"PK\x03\x04", "a ZIP archive or an office document"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"\xff\x0a", "a JPEG XL picture"),
    (b"\0\0\0\x0cJXL ", "a JPEG XL picture"),
    (b"\0\0\0\x0cjP  ", "a JPEG 2000 picture"),
    (b"\x76\x2f\x31\x01", "an OpenEXR picture"),
    (b"DDS ", "a DDS texture"),
    (b"\x1aE\xdf\xa3", "a Matroska or WebM video"),
    (b"\x7fELF", "a program"),
    (b"MZ", "a program"),
)

# Most camera raw files are TIFF files whose first picture is a thumbnail: reading that would be a silent disappointment.
RAW_SUFFIXES = frozenset(
    {".dng", ".nef", ".nrw", ".cr2", ".cr3", ".arw", ".sr2", ".srw", ".pef", ".orf", ".raf", ".rw2", ".3fr", ".iiq"}
)


def brands(head: bytes) -> set[bytes]:
    """Return the brands of an ISO media file (AVIF, HEIC, MP4); empty for any other file."""
    if head[4:8] != b"ftyp":
        return set()
    end = min(int.from_bytes(head[:4], "big"), len(head))
    return {head[i : i + 4] for i in (8, *range(16, end - 3, 4))}


def loader_of(head: bytes) -> str | None:
    """Return the libvips loader for a file that begins with ``head``, or None where superfine does not read such files."""
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "webpload_source"
    if brands(head) & {b"avif", b"avis"}:
        return "heifload_source"
    return next((loader for magic, loader in LOADERS if head.startswith(magic)), None)


def seems_to_be(head: bytes) -> str:
    """Say in words what a file that begins with ``head`` seems to be, when it is no picture that superfine reads."""
    if brands(head):
        return "a HEIC picture" if brands(head) & {b"heic", b"heix", b"hevc", b"mif1"} else "a video"
    if not head.strip(b"\0"):
        return "nothing but zeros"
    for magic, words in FOREIGN:
        if head.startswith(magic):
            return words
    start = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if start.startswith((b"<!doctype html", b"<html")):
        return "a web page"
    if b"<svg" in start:
        return "an SVG drawing"
    return "text" if is_text(head) else "no picture format known here"


def is_text(head: bytes) -> bool:
    """Tell whether the bytes read as UTF-8 text; the last character may be cut through."""
    try:
        text = head.decode("utf-8")
    except UnicodeDecodeError as error:
        if error.start < len(head) - 3:
            return False
        text = head[: error.start].decode("utf-8")
    return all(character.isprintable() or character in "\t\r\n\f" for character in text)


def is_camera_raw(path: PurePath) -> bool:
    """Tell whether the name is one of a camera's raw file."""
    return path.suffix.lower() in RAW_SUFFIXES
