"""What goes along with the pixels, from every format into every format."""

import struct
import sys
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import pyvips

from superfine.images import Metadata, Picture, exif, read, write

SUFFIXES = (".png", ".jpg", ".webp", ".tif", ".avif")
XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"/></x:xmpmeta>'
ASCII, SHORT, LONG, RATIONAL, UNDEFINED = 2, 3, 4, 5, 7


def camera_block(order: str = ">", orientation: int = 6) -> bytes:
    """An EXIF block as a camera writes it, packed by hand: descriptive, structural, photo, GPS and a thumbnail's directory."""

    def directory(start: int, entries: list[tuple[int, int, int, bytes]], following: int = 0) -> bytes:
        table, values = struct.pack(order + "H", len(entries)), b""
        beyond = start + 2 + 12 * len(entries) + 4
        for tag, type, number, data in entries:
            field = data if len(data) <= 4 else struct.pack(order + "I", beyond + len(values))
            values += data + bytes(len(data) % 2) if len(data) > 4 else b""
            table += struct.pack(order + "HHI4s", tag, type, number, field)
        return table + struct.pack(order + "I", following) + values

    def short(value: int) -> bytes:
        return struct.pack(order + "H", value)

    def long(*values: int) -> bytes:
        return struct.pack(f"{order}{len(values)}I", *values)

    header = {"<": b"II", ">": b"MM"}[order] + short(42) + long(8)
    photo_at, gps_at, thumbnail_at = 300, 500, 700
    main = directory(
        8,
        [
            (256, LONG, 1, long(4000)),
            (271, ASCII, 6, b"Maker\0"),
            (272, ASCII, 3, b"X1\0"),
            (274, SHORT, 1, short(orientation)),
            (315, ASCII, 13, "Jörg Müller".encode() + b"\0"[:0]),
            (34665, LONG, 1, long(photo_at)),
            (34853, LONG, 1, long(gps_at)),
        ],
        thumbnail_at,
    )
    photo = directory(
        photo_at,
        [
            (33434, RATIONAL, 1, long(1, 125)),
            (34855, SHORT, 1, short(400)),
            (37500, UNDEFINED, 9, b"makernote"),
            (40962, LONG, 1, long(4000)),
            (40963, LONG, 1, long(3000)),
        ],
    )
    gps = directory(gps_at, [(1, ASCII, 2, b"N\0"), (2, RATIONAL, 3, long(52, 1, 31, 1, 25, 2))])
    thumbnail = directory(thumbnail_at, [(259, SHORT, 1, short(6)), (274, SHORT, 1, short(orientation))])
    block = bytearray(900)
    for at, part in ((0, header), (8, main), (photo_at, photo), (gps_at, gps), (thumbnail_at, thumbnail)):
        block[at : at + len(part)] = part
    return bytes(block)


def grey_profile() -> bytes:
    """A grey ICC profile with gamma 1.8, made by hand: the smallest that a colour engine takes."""
    curve = b"curv" + bytes(4) + struct.pack(">IH", 1, 461) + bytes(2)
    white = b"XYZ " + bytes(4) + struct.pack(">3i", 63190, 65536, 54061)
    tags = struct.pack(">I4sII4sII", 2, b"kTRC", 156, len(curve), b"wtpt", 172, len(white))
    body = tags + curve + white
    header = struct.pack(">I4sI4s4s4s", 128 + len(body), b"", 0x02400000, b"mntr", b"GRAY", b"XYZ ") + bytes(12)
    header += b"acsp" + bytes(28) + struct.pack(">3i", 63190, 65536, 54061)
    return header.ljust(128, b"\0") + body


def picture(metadata: Metadata, grey: bool = False) -> Picture:
    y, x = np.mgrid[0:40, 0:64]
    channels = [(x + c * y) / 200 for c in (1, 1, 1)] if grey else [(x + c * y) / 200 for c in range(3)]
    return Picture(np.dstack(channels).astype(np.float32), metadata=metadata, grey=grey)


def exif_fields(path: Path) -> dict[str, str]:
    """What libvips itself finds in a file; of TIFF, what our own reader finds."""
    if path.suffix == ".tif":
        with path.open("rb") as file:
            block = exif.from_file(file)
        assert block is not None
        image = pyvips.Image.black(8, 8).copy()
        image.set_type(pyvips.GValue.blob_type, "exif-data", exif.HEADER + block)
        image = pyvips.Image.new_from_buffer(image.jpegsave_buffer(), "")
    else:
        image = pyvips.Image.new_from_file(str(path))
    return {name: image.get(name) for name in image.get_fields() if name.startswith("exif-")}


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("order", ["<", ">"])
def test_exif_is_written(tmp_path: Path, suffix: str, order: str) -> None:
    write(picture(Metadata(exif=camera_block(order))), tmp_path / f"a{suffix}")
    fields = exif_fields(tmp_path / f"a{suffix}")
    assert fields["exif-ifd0-Make"].startswith("Maker")
    assert fields["exif-ifd0-Model"].startswith("X1")
    assert fields.get("exif-ifd0-Orientation", "1 ").startswith("1 ")
    assert fields["exif-ifd2-ExposureTime"].startswith("1/125")
    assert fields["exif-ifd2-ISOSpeedRatings"].startswith("400")
    assert fields["exif-ifd3-GPSLatitude"].startswith("52/1 31/1 25/2")
    assert not any(name.startswith("exif-ifd1") for name in fields)  # the thumbnail of the smaller picture
    for name, side in (("X", "64"), ("Y", "40")) if suffix != ".tif" else ():
        assert fields.get(f"exif-ifd2-Pixel{name}Dimension", side).startswith(side)


@pytest.mark.parametrize("suffix", [".png", ".tif"])
@pytest.mark.parametrize("see_through", [False, True])
def test_a_grey_profile_is_kept_beside_alpha(tmp_path: Path, suffix: str, see_through: bool) -> None:
    grey = picture(Metadata(icc=grey_profile()), grey=True)
    alpha = np.full((40, 64), 0.5, np.float32) if see_through else None
    write(replace(grey, alpha=alpha), tmp_path / f"a{suffix}")
    assert read(tmp_path / f"a{suffix}").metadata.icc == grey_profile()


@pytest.mark.parametrize(
    "form", [b' tiff:Orientation="%d"/>', b"><tiff:Orientation>%d</tiff:Orientation></rdf:Description>"]
)
def test_xmp_says_no_more_how_the_stored_rows_lay(tmp_path: Path, form: bytes) -> None:
    head = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    description = b'<rdf:Description xmlns:tiff="http://ns.adobe.com/tiff/1.0/" tiff:Make="6"'
    block = head + description + form + b"</rdf:RDF></x:xmpmeta>"
    image = pyvips.Image.black(24, 16).copy()
    image.set_type(pyvips.GValue.gint_type, "orientation", 6)
    image.set_type(pyvips.GValue.blob_type, "xmp-data", block % 6)
    image.write_to_file(str(tmp_path / "a.jpg"))
    turned = read(tmp_path / "a.jpg")
    assert turned.pixels.shape[:2] == (24, 16)
    assert turned.metadata.xmp == block % 1


def test_xmp_speaks_no_more_of_what_stays_behind(tmp_path: Path) -> None:
    """A gain map, a video, the old picture's sizes, the panorama that it was cut from."""
    head = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    gone = (
        b' hdrgm:Version="1.0"',
        b" GCamera:MotionPhoto='1'",
        b'\nexif:PixelXDimension="40"',
        b"<GPano:FullPanoWidthPixels>40</GPano:FullPanoWidthPixels>",
        b'<Container:Directory><rdf:Seq><rdf:li rdf:parseType="Resource"><Container:Item Item:Mime="image/jpeg"/></rdf:li>'
        b'<rdf:li><Container:Item Item:Mime="video/mp4"/></rdf:li></rdf:Seq></Container:Directory>',
    )
    block = (
        head
        + b'<rdf:Description xmlns:dc="http://purl.org/dc/elements/1.1/"%b%b%b dc:format="a/b">%b<dc:rights>me</dc:rights>%b'
    )
    block += b"</rdf:Description></rdf:RDF></x:xmpmeta>"
    image = pyvips.Image.black(24, 16).copy()
    image.set_type(pyvips.GValue.blob_type, "xmp-data", block % gone)
    image.write_to_file(str(tmp_path / "a.jpg"))
    assert read(tmp_path / "a.jpg").metadata.xmp == block % ((b"",) * 5)


@pytest.mark.parametrize("source", SUFFIXES)
@pytest.mark.parametrize("target", SUFFIXES)
def test_everything_survives_two_files(tmp_path: Path, source: str, target: str) -> None:
    profile = pyvips.Image.profile_load("p3")
    write(picture(Metadata(profile, camera_block(), XMP, (300.0, 200.0))), tmp_path / f"a{source}")
    first = read(tmp_path / f"a{source}")
    write(first, tmp_path / f"b{target}")
    second = read(tmp_path / f"b{target}")
    for metadata in (first.metadata, second.metadata):
        assert metadata.icc == profile
        assert metadata.xmp == XMP
        assert metadata.dpi == pytest.approx((300.0, 200.0), rel=1e-3)
        assert metadata.exif is not None
        kept = exif._read(BytesIO(metadata.exif))
        assert kept.main[271].data == b"Maker\0"
        assert struct.pack("<HHI4s", 274, SHORT, 1, b"\1") in metadata.exif
        assert kept.photo[37500].data == b"makernote"
        assert kept.gps[2].data == struct.pack("<6I", 52, 1, 31, 1, 25, 2)


def test_resolution_turns_with_the_picture(tmp_path: Path) -> None:
    image = pyvips.Image.black(30, 20, bands=3).copy(xres=300 / 25.4, yres=150 / 25.4)
    image.set_type(pyvips.GValue.gint_type, "orientation", 6)
    image.write_to_file(str(tmp_path / "a.jpg"))
    assert read(tmp_path / "a.jpg").metadata.dpi == pytest.approx((150, 300), rel=1e-3)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_nothing_is_invented(tmp_path: Path, suffix: str) -> None:
    write(picture(Metadata()), tmp_path / f"a{suffix}")
    assert read(tmp_path / f"a{suffix}").metadata == Metadata()
    assert b"Exif" not in (tmp_path / f"a{suffix}").read_bytes()


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_grey_profile_goes_with_one_channel_only(tmp_path: Path, suffix: str) -> None:
    grey = picture(Metadata(icc=grey_profile()), grey=True)
    write(grey, tmp_path / f"a{suffix}", quality=100)
    again = read(tmp_path / f"a{suffix}")
    if suffix in (".webp", ".avif"):  # three channels there: the values are converted to sRGB
        linear = (np.rint(grey.pixels * 255) / 255) ** 1.8
        expected = np.where(linear < 0.0031308, linear * 12.92, 1.055 * np.maximum(linear, 1e-9) ** (1 / 2.4) - 0.055)
        assert again.metadata.icc is not None
        assert again.metadata.icc[16:20] == b"RGB "
        assert np.abs(again.pixels - expected).max() < 0.02
    else:
        assert again.metadata.icc == grey_profile()
        assert np.abs(again.pixels - grey.pixels).max() < 0.02


def test_a_profile_of_other_channels_is_not_written(tmp_path: Path) -> None:
    write(picture(Metadata(icc=grey_profile())), tmp_path / "a.png")
    write(picture(Metadata(icc=pyvips.Image.profile_load("p3")), grey=True), tmp_path / "b.png")
    for name in ("a.png", "b.png"):
        assert not pyvips.Image.new_from_file(str(tmp_path / name)).get_typeof("icc-profile-data")


def test_the_grafted_tiff_still_decodes(tmp_path: Path) -> None:
    """EXIF is added to a finished TIFF: the pixels, and what libtiff reads beside them, stay as they were."""
    pixels = np.random.default_rng(0).integers(0, 256, (500, 300, 3)).astype(np.float32) / np.float32(255)
    write(Picture(pixels, metadata=Metadata(exif=camera_block(), xmp=XMP, dpi=(240.0, 240.0))), tmp_path / "a.tif")
    image = pyvips.Image.new_from_file(str(tmp_path / "a.tif"), fail_on="warning")
    assert np.array_equal(image.numpy(), np.rint(pixels * 255))
    assert image.get("xmp-data") == XMP
    assert image.xres * 25.4 == pytest.approx(240)
    assert image.get("n-pages") == 1


def test_bigtiff(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pictures beyond 4 GB are written as BigTIFF, here from the first byte on."""
    monkeypatch.setattr(sys.modules["superfine.images.write"], "BIG_TIFF_FROM", 0)
    write(picture(Metadata(exif=camera_block())), tmp_path / "a.tif")
    assert (tmp_path / "a.tif").read_bytes()[:4] == b"II+\0"
    again = read(tmp_path / "a.tif")
    assert again.metadata.exif == exif.from_block(camera_block())
    assert np.abs(again.pixels - picture(Metadata()).pixels).max() < 0.003


def test_damaged_exif_is_left_out(tmp_path: Path) -> None:
    block = camera_block()
    looping = block[:4] + struct.pack(">I", 900) + block[8:]
    huge = bytearray(block)
    huge[8:10] = b"\xff\xff"
    far = b"II+\0\x08\0\0\0" + b"\xff" * 40  # an offset that no file has
    # A directory's offset of four numbers, which together are one of 16 bytes.
    entry = struct.pack("<HHIIHHIII4I", 34665, 4, 4, 26, 0, 0, 0, 0, 0, *[0xFFFFFFFF] * 4)
    many = b"II*\0" + struct.pack("<IH", 8, 1) + entry
    for damaged in (b"", b"Exif\0\0", b"MM\0*", block[:40], looping, bytes(huge), b"II*\0" + b"\xff" * 40, far, many):
        assert exif.from_block(damaged) is None
        write(picture(Metadata(exif=damaged)), tmp_path / "a.jpg")
        assert read(tmp_path / "a.jpg").metadata.exif is None


def test_cleaning_twice_changes_nothing() -> None:
    block = exif.from_block(camera_block())
    assert block is not None
    assert exif.from_block(exif.HEADER + block) == block


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_large_packets(tmp_path: Path, suffix: str) -> None:
    """JPEG's segments end at 64 KB: a larger XMP packet is left out there, and kept by the others."""
    packet = XMP + b" " * 100_000
    write(picture(Metadata(xmp=packet)), tmp_path / f"a{suffix}")
    assert read(tmp_path / f"a{suffix}").metadata.xmp == (None if suffix == ".jpg" else packet)


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("size", [63_000, 65_300, 66_000, 200_000])
def test_exif_larger_than_a_segment_keeps_what_is_small(tmp_path: Path, suffix: str, size: int) -> None:
    """JPEG's segments, and libexif's blocks, end at 64 KB: the maker's notes are left out, not everything."""
    maker, comment, date = (UNDEFINED, size, bytes(size)), (UNDEFINED, 500, bytes(500)), (ASCII, 4, b"now\0")
    photo = {37500: exif.Entry(*maker), 37510: exif.Entry(*comment), 36867: exif.Entry(*date)}
    tail, start = exif._chain(exif.Exif({271: exif.Entry(ASCII, 5, b"Acme\0")}, photo, {}), 8, exif.LITTLE)
    block = struct.pack("<2sHI", b"II", 42, start) + tail
    write(picture(Metadata(exif=block)), tmp_path / f"a{suffix}")
    kept = read(tmp_path / f"a{suffix}").metadata.exif
    assert kept is not None
    found = exif._read(BytesIO(kept))
    assert found.main[271].data == b"Acme\0"
    assert found.photo[36867].data == b"now\0"
    assert 37510 in found.photo
    assert (37500 in found.photo) == (suffix == ".tif" or size == 63_000)


def test_exif_of_large_comments_loses_the_largest() -> None:
    values = {
        tag: exif.Entry(UNDEFINED, size, bytes(size)) for tag, size in ((37510, 50_000), (37500, 100), (1, 30_000))
    }
    tail, start = exif._chain(exif.Exif({}, values, {}), 8, exif.LITTLE)
    block = struct.pack("<2sHI", b"II", 42, start) + tail
    assert set(exif._read(BytesIO(exif.within(block, 81_000))).photo) == {37510, 37500, 1}
    assert set(exif._read(BytesIO(exif.within(block, 80_150))).photo) == {37510, 1}
    assert set(exif._read(BytesIO(exif.within(block, 60_000))).photo) == {1}
