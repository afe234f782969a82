"""Reading: every kind of sample and format, what goes along with the pixels, and files that are no good."""

import os
import struct
import sys
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pyvips
from PIL import Image

from superfine.errors import UserError
from superfine.images import Metadata, Picture, is_picture, is_unread, read, read_levels, size, write

SUFFIXES = (".png", ".jpg", ".webp", ".tif", ".avif")
BLOB = pyvips.GValue.blob_type


def photograph(height: int = 90, width: int = 130, channels: int = 3, seed: int = 0) -> np.ndarray:
    """Smooth uint8 colours with a little noise, which lossy formats keep well but cannot make small."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width]
    waves = [np.sin(x / (9.0 + c)) * np.cos(y / (7.0 + 2 * c)) for c in range(channels)]
    return np.clip(np.dstack(waves) * 100 + 127 + rng.normal(0, 4, (height, width, channels)), 0, 255).astype(np.uint8)


def saved(path: Path, samples: np.ndarray, **options: Any) -> Path:
    pyvips.Image.new_from_array(samples).write_to_file(str(path), **options)
    return path


def names(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.iterdir())


# ---------------------------------------------------------------------------------------------------------- samples


@pytest.mark.parametrize("suffix", [".png", ".tif", ".webp"])
def test_lossless_rgb_is_exact(tmp_path: Path, suffix: str) -> None:
    samples = photograph()
    path = saved(tmp_path / f"a{suffix}", samples, **({"lossless": True} if suffix == ".webp" else {}))
    picture = read(path)
    assert picture.pixels.dtype == np.float32
    assert picture.pixels.flags.c_contiguous
    assert np.array_equal(picture.pixels, samples / np.float32(255))
    assert (picture.alpha, picture.grey, picture.bits, picture.metadata) == (None, False, 8, Metadata())


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_levels_are_the_rounded_picture(tmp_path: Path, channels: int, dtype: type) -> None:
    samples = photograph(channels=channels).astype(dtype) * dtype(257 if dtype is np.uint16 else 1) // dtype(2) + dtype(
        3
    )
    path = saved(tmp_path / "a.png", samples)
    picture = read(path)
    levels, grey = read_levels(path)
    assert (levels.dtype, levels.flags.c_contiguous, grey) == (np.uint8, True, channels < 3)
    np.testing.assert_array_equal(levels, np.rint(picture.pixels * 255))
    with pytest.raises(UserError, match="megapixels"):
        read_levels(path, max_pixels=100)


@pytest.mark.parametrize("installed", [True, False])
@pytest.mark.parametrize("channels", [3, 4])
def test_levels_of_lossless_webp_with_and_without_pillow(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, channels: int, installed: bool
) -> None:
    samples = photograph(channels=channels)
    path = saved(tmp_path / "a.webp", samples, lossless=True, exact=True, keep="none")
    opened = []
    if installed:
        monkeypatch.setattr(Image, "open", lambda *a, was=Image.open, **k: opened.append(a) or was(*a, **k))
    else:
        monkeypatch.setitem(sys.modules, "PIL", None)
    levels, grey = read_levels(path)
    assert (levels.dtype, levels.flags.c_contiguous, grey) == (np.uint8, True, False)
    assert np.array_equal(levels, samples[..., :3])
    assert len(opened) == (1 if installed else 0)
    with pytest.raises(UserError, match="megapixels"):
        read_levels(path, max_pixels=100)
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(UserError, match="damaged or cut short"):
        read_levels(path)


@pytest.mark.parametrize("suffix", [".jpg", ".webp", ".avif"])
def test_lossy_is_near(tmp_path: Path, suffix: str) -> None:
    samples = photograph()
    picture = read(saved(tmp_path / f"a{suffix}", samples, Q=90))
    assert np.abs(picture.pixels - samples / 255).mean() < 0.02
    assert picture.bits == 8


@pytest.mark.parametrize("suffix", [".png", ".tif"])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_grey_alpha_and_depth(tmp_path: Path, suffix: str, channels: int, dtype: type) -> None:
    greatest = np.iinfo(dtype).max
    samples = np.random.default_rng(1).integers(0, greatest, (11, 7, channels), endpoint=True).astype(dtype)
    image = pyvips.Image.new_from_array(samples)
    kind = ("b-w" if channels < 3 else "srgb") if dtype is np.uint8 else ("grey16" if channels < 3 else "rgb16")
    image.copy(interpretation=kind).write_to_file(str(tmp_path / f"a{suffix}"))
    picture = read(tmp_path / f"a{suffix}")
    expected = samples / np.float32(greatest)
    assert picture.grey == (channels < 3)
    assert picture.bits == (8 if dtype is np.uint8 else 16)
    assert picture.pixels.shape == (11, 7, 3)
    for c in range(3):
        assert np.array_equal(picture.pixels[..., c], expected[..., 0 if picture.grey else c])
    if channels in (2, 4):
        assert picture.alpha is not None
        assert np.array_equal(picture.alpha, expected[..., -1])
    else:
        assert picture.alpha is None


def test_palette_with_transparency(tmp_path: Path) -> None:
    samples = np.zeros((8, 8, 4), np.uint8)
    samples[:4] = (255, 0, 0, 255)
    samples[4:] = (0, 0, 255, 0)
    saved(tmp_path / "a.png", samples, palette=True)
    assert (tmp_path / "a.png").read_bytes()[25] == 3  # the PNG's colour type: palette
    picture = read(tmp_path / "a.png")
    assert picture.alpha is not None
    assert picture.alpha[0, 0] == 1
    assert picture.alpha[7, 7] == 0
    assert picture.pixels[0, 0].tolist() == [1, 0, 0]


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_one_bit(tmp_path: Path, suffix: str) -> None:
    samples = (photograph(channels=1)[..., 0] > 127).astype(np.uint8) * 255
    picture = read(saved(tmp_path / f"a{suffix}", samples, bitdepth=1))
    assert picture.grey
    assert picture.bits == 8
    assert np.array_equal(picture.pixels[..., 1], samples / np.float32(255))


def test_first_frame_of_a_gif(tmp_path: Path) -> None:
    frames = np.concatenate([np.full((5, 6, 3), 255, np.uint8), np.zeros((5, 6, 3), np.uint8)])
    image = pyvips.Image.new_from_array(frames).copy()
    image.set_type(pyvips.GValue.gint_type, "page-height", 5)
    image.write_to_file(str(tmp_path / "a.gif"))
    picture = read(tmp_path / "a.gif")
    assert picture.pixels.shape == (5, 6, 3)
    assert picture.pixels.min() == 1
    assert picture.notes == ("has 2 pages or frames, of which the first is read",)


@pytest.mark.parametrize("suffix", [".png", ".avif"])
def test_animations_whose_frames_libvips_does_not_count(tmp_path: Path, suffix: str) -> None:
    first, *others = (Image.new("RGB", (16, 12), (level, 0, 0)) for level in (0, 120, 250))
    first.save(tmp_path / f"a{suffix}", save_all=True, append_images=others)
    first.save(tmp_path / f"b{suffix}")
    assert read(tmp_path / f"a{suffix}").notes == ("has 3 pages or frames, of which the first is read",)
    assert read(tmp_path / f"b{suffix}").notes == ()


def with_chunks(path: Path, *chunks: tuple[bytes, bytes]) -> Path:
    """A grey PNG with these chunks before its samples."""
    saved(path, np.full((4, 5, 1), 90, np.uint8))
    header, rest = path.read_bytes()[:33], path.read_bytes()[33:]
    packed = (
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data)) for name, data in chunks
    )
    path.write_bytes(header + b"".join(packed) + rest)
    return path


def test_colours_that_a_png_tells_by_code_points(tmp_path: Path) -> None:
    assert read(with_chunks(tmp_path / "a.png", (b"cICP", bytes((1, 13, 0, 1))))).metadata.icc is None
    p3 = read(with_chunks(tmp_path / "b.png", (b"cICP", bytes((12, 13, 0, 1)))))
    np.testing.assert_array_equal(p3.pixels, read(tmp_path / "a.png").pixels)
    image = pyvips.Image.new_from_array(np.zeros((4, 4, 3), np.uint8))
    image.pngsave(str(tmp_path / "c.png"))
    content = (tmp_path / "c.png").read_bytes()
    chunk = b"cICP" + bytes((12, 13, 0, 1))
    (tmp_path / "c.png").write_bytes(
        content[:33] + struct.pack(">I", 4) + chunk + struct.pack(">I", zlib.crc32(chunk)) + content[33:]
    )
    assert read(tmp_path / "c.png").metadata.icc == pyvips.Image.profile_load("p3")
    with pytest.raises(UserError, match=r"d\.png: has colours of another kind \(H\.273 primaries 9, transfer 16\)"):
        read(with_chunks(tmp_path / "d.png", (b"tEXt", b"a\0" + bytes(300)), (b"cICP", bytes((9, 16, 0, 1)))))


@pytest.mark.parametrize(
    ("gamma", "srgb", "told"), [(45455, False, False), (100000, False, True), (100000, True, False)]
)
def test_a_gamma_that_is_not_srgbs_is_told(tmp_path: Path, gamma: int, srgb: bool, told: bool) -> None:
    chunks = [(b"gAMA", struct.pack(">I", gamma)), *([(b"sRGB", b"\0")] if srgb else [])]
    notes = read(with_chunks(tmp_path / "a.png", *chunks)).notes
    assert notes == (
        ("was encoded with a gamma of 1, and is taken for sRGB; convert it to sRGB first",) if told else ()
    )


def with_tag(path: Path, tag: int, value: int, like: int) -> None:
    """Put a tag with one number in the place of another in the first directory of a little-endian TIFF."""
    content = bytearray(path.read_bytes())
    start = struct.unpack_from("<I", content, 4)[0]
    for at in range(start + 2, start + 2 + 12 * struct.unpack_from("<H", content, start)[0], 12):
        if struct.unpack_from("<H", content, at)[0] == like:
            struct.pack_into("<HHII", content, at, tag, 3, 1, value)
            break
    else:
        pytest.fail(f"no tag {like}")
    path.write_bytes(content)


@pytest.mark.parametrize("channels", [2, 4])
@pytest.mark.parametrize("kind", [0, 2])
def test_a_channel_of_a_tiff_that_is_no_opacity(tmp_path: Path, channels: int, kind: int) -> None:
    samples = photograph(channels=channels)
    path = saved(tmp_path / "a.tif", samples)
    with_tag(path, 338, kind, like=338)
    picture = read(path)
    assert np.array_equal(picture.pixels[..., : channels - 1], samples[..., :-1] / np.float32(255))
    assert picture.grey == (channels == 2)
    assert (picture.alpha is None) == (kind == 0)
    left_out = "a channel that is no opacity, of a meaning that the file does not tell, is left out"
    assert picture.notes == ((left_out,) if kind == 0 else ())
    assert np.array_equal(read_levels(path)[0][..., : channels - 1], samples[..., :-1])


def test_a_thumbnail_before_the_picture_is_refused(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.tif", photograph())
    read(path)
    with_tag(path, 254, 1, like=274)
    with pytest.raises(UserError, match=r"a\.tif: its first page is a thumbnail of another; save that other"):
        read(path)


def test_colours_that_an_avif_tells_by_code_points(tmp_path: Path) -> None:
    write(Picture(np.full((16, 16, 3), 0.5, np.float32)), tmp_path / "a.avif", quality=100)  # which tells them
    stored = (tmp_path / "a.avif").read_bytes()
    before, _, after = stored.partition(b"colrnclx")
    assert after

    def told(primaries: int, transfer: int) -> Path:
        (tmp_path / "b.avif").write_bytes(before + b"colrnclx" + bytes([0, primaries, 0, transfer]) + after[4:])
        return tmp_path / "b.avif"

    assert read(told(1, 1)).metadata.icc is None
    p3 = read(told(12, 13))
    np.testing.assert_array_equal(p3.pixels, read(tmp_path / "a.avif").pixels)
    assert p3.metadata.icc == pyvips.Image.profile_load("p3")
    assert size(told(12, 13)) == (16, 16)
    with pytest.raises(UserError, match=r"b\.avif: has colours of another kind \(H\.273 primaries 9, transfer 16\)"):
        read(told(9, 16))


@pytest.mark.parametrize("depth", [10, 12])
def test_white_in_a_deep_avif_is_one(tmp_path: Path, depth: int) -> None:
    white = pyvips.Image.new_from_array(np.full((16, 16, 3), 65535, np.uint16)).copy(interpretation="rgb16")
    white.heifsave(str(tmp_path / "a.avif"), compression="av1", bitdepth=depth, lossless=True)
    picture = read(tmp_path / "a.avif")
    assert picture.bits == 16
    assert picture.pixels.min() == picture.pixels.max() == 1


def test_cmyk_becomes_srgb(tmp_path: Path) -> None:
    samples = np.zeros((30, 60, 3), np.uint8)
    samples[:, :20], samples[:, 20:40], samples[:, 40:] = 255, (180, 60, 60), (60, 90, 150)
    image = pyvips.Image.new_from_array(samples).icc_transform("cmyk", input_profile="srgb", intent="relative")
    assert image.bands == 4
    image.jpegsave(str(tmp_path / "a.jpg"), Q=95)
    picture = read(tmp_path / "a.jpg")
    assert picture.alpha is None
    assert picture.metadata.icc is None
    assert np.abs(picture.pixels[15, [5, 30, 55]] - samples[15, [5, 30, 55]] / 255).max() < 0.03


@pytest.mark.parametrize("space", ["lab", "labs"])
def test_lab_becomes_srgb(tmp_path: Path, space: str) -> None:
    samples = photograph()
    pyvips.Image.new_from_array(samples).colourspace(space).write_to_file(str(tmp_path / "a.tif"))
    assert np.abs(read(tmp_path / "a.tif").pixels - samples / 255).max() < 0.05


@pytest.mark.parametrize("shape", [(4, 4), (4, 4, 3), (4, 4, 4)])
def test_float_samples_are_refused(tmp_path: Path, shape: tuple[int, ...]) -> None:
    image = pyvips.Image.new_from_array(np.zeros(shape, np.float32))
    image.copy(interpretation="scrgb" if len(shape) > 2 else "b-w").tiffsave(str(tmp_path / "a.tif"))
    with pytest.raises(UserError, match=r"a\.tif: has samples of the type float; convert"):
        read(tmp_path / "a.tif")


# --------------------------------------------------------------------------------------------------------- metadata


def test_profile_is_kept_and_values_are_untouched(tmp_path: Path) -> None:
    profile = pyvips.Image.profile_load("p3")
    samples = photograph()
    image = pyvips.Image.new_from_array(samples).copy()
    image.set_type(BLOB, "icc-profile-data", profile)
    image.write_to_file(str(tmp_path / "a.png"))
    picture = read(tmp_path / "a.png")
    assert picture.metadata.icc == profile
    assert np.array_equal(picture.pixels, samples / np.float32(255))


def test_a_profile_for_other_channels_is_dropped(tmp_path: Path) -> None:
    image = pyvips.Image.new_from_array(photograph(channels=1)).copy(interpretation="b-w")
    image.set_type(BLOB, "icc-profile-data", pyvips.Image.profile_load("srgb"))
    image.write_to_file(str(tmp_path / "a.jpg"))
    assert read(tmp_path / "a.jpg").metadata.icc is None


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".tif", ".avif"])
@pytest.mark.parametrize("damage", ["padded", "states too much", "states nothing", "states less, padded"])
def test_a_profile_of_another_length_than_it_states_does_not_end_writing(
    tmp_path: Path, damage: str, suffix: str
) -> None:
    p3 = pyvips.Image.profile_load("p3")
    stored, wanted = {
        "padded": (p3 + b"abc", p3),
        "states too much": ((len(p3) + 4).to_bytes(4) + p3[4:], p3),
        "states nothing": (bytes(4) + p3[4:], p3),
        "states less, padded": ((len(p3) - 3).to_bytes(4) + p3[4:], p3[:-3] + bytes(3)),
    }[damage]
    image = pyvips.Image.new_from_array(photograph()).copy()
    image.set_type(BLOB, "icc-profile-data", stored)
    image.write_to_file(str(tmp_path / "a.jpg"))
    picture = read(tmp_path / "a.jpg")
    assert picture.metadata.icc == wanted
    write(picture, tmp_path / f"b{suffix}")
    assert read(tmp_path / f"b{suffix}").metadata.icc == wanted


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".tif"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation(tmp_path: Path, suffix: str, orientation: int) -> None:
    upright = np.zeros((24, 40, 3), np.uint8)
    upright[:12, :20], upright[:12, 20:], upright[12:, :20] = (255, 0, 0), (0, 255, 0), (0, 0, 255)
    # Exif 2.32: what the stored first row and first column are in the scene.
    first_row, first_column = {
        1: ("top", "left"),
        2: ("top", "right"),
        3: ("bottom", "right"),
        4: ("bottom", "left"),
        5: ("left", "top"),
        6: ("right", "top"),
        7: ("right", "bottom"),
        8: ("left", "bottom"),
    }[orientation]
    stored = upright
    if "bottom" in (first_row, first_column):
        stored = stored[::-1]
    if "right" in (first_row, first_column):
        stored = stored[:, ::-1]
    if first_row in ("left", "right"):
        stored = stored.swapaxes(0, 1)
    image = pyvips.Image.new_from_array(np.ascontiguousarray(stored)).copy()
    image.set_type(pyvips.GValue.gint_type, "orientation", orientation)
    lossless = {".jpg": {"Q": 100, "subsample_mode": "off"}, ".webp": {"lossless": True}}.get(suffix, {})
    image.write_to_file(str(tmp_path / f"a{suffix}"), **lossless)
    picture = read(tmp_path / f"a{suffix}")
    assert np.abs(picture.pixels - upright / 255).max() < 0.05
    assert picture.pixels.flags.c_contiguous
    write(picture, tmp_path / f"b{suffix}")
    again = pyvips.Image.new_from_file(str(tmp_path / f"b{suffix}"))
    assert (again.width, again.height) == (40, 24)
    assert not again.get_typeof("orientation") or again.get("orientation") == 1


# --------------------------------------------------------------------------------------------------------- bad files


def message(path: Path, **options: Any) -> str:
    with pytest.raises(UserError) as caught:
        read(path, **options)
    text = str(caught.value)
    assert text.startswith(f"{path}: ")
    assert "\n" not in text
    return text


def test_missing(tmp_path: Path) -> None:
    assert "does not exist" in message(tmp_path / "no.png")


def test_a_folder(tmp_path: Path) -> None:
    assert "is a folder" in message(tmp_path)


def test_below_a_file(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"x")
    assert "cannot be read: Not a directory" in message(tmp_path / "a" / "b.png")


def test_empty(tmp_path: Path) -> None:
    (tmp_path / "a.png").touch()
    assert "is empty" in message(tmp_path / "a.png")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_pipe_that_nobody_writes_to(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.png")
    assert "no ordinary file" in message(tmp_path / "a.png")


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("share", [0.02, 0.2, 0.5, 0.8, 0.95])
def test_cut_short(tmp_path: Path, capfd: pytest.CaptureFixture[str], suffix: str, share: float) -> None:
    whole = saved(tmp_path / f"whole{suffix}", photograph()).read_bytes()
    path = tmp_path / f"cut{suffix}"
    path.write_bytes(whole[: max(16, int(len(whole) * share))])
    assert "is damaged or cut short" in message(path)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("suffix", [".png", ".webp"])
def test_damaged_in_the_middle(tmp_path: Path, suffix: str) -> None:
    data = bytearray(
        saved(tmp_path / f"a{suffix}", photograph(), **({} if suffix == ".png" else {"Q": 90})).read_bytes()
    )
    if suffix == ".webp":
        data[16:30] = bytes(14)
    else:
        data[len(data) // 2] ^= 0xFF
    (tmp_path / f"a{suffix}").write_bytes(data)
    assert "is damaged" in message(tmp_path / f"a{suffix}")


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        ("Dear diary, ä.\n".encode(), "is text"),
        (("x" * 511 + "ä").encode(), "is text"),  # the first bytes end in the middle of a letter
        (b"<!DOCTYPE html><html></html>", "is a web page"),
        (b"<?xml version='1.0'?><svg xmlns='http://www.w3.org/2000/svg'/>", "is an SVG drawing"),
        (b"%PDF-1.7\n", "is a PDF document"),
        (b"BM" + bytes(60), "is a BMP picture"),
        (b"PK\x03\x04" + bytes(60), "is a ZIP archive"),
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(60), "is a HEIC picture"),
        (b"\0\0\0\x18ftypisom\0\0\0\0isommp42" + bytes(60), "is a video"),
        (b"\0\0\0\x0cJXL \r\n\x87\n", "is a JPEG XL picture"),
        (bytes(2000), "is nothing but zeros"),
        (bytes(range(128, 256)), "is no picture format known here"),
    ],
)
def test_no_picture(tmp_path: Path, content: bytes, kind: str) -> None:
    (tmp_path / "a.png").write_bytes(content)
    text = message(tmp_path / "a.png")
    assert kind in text
    assert "superfine reads PNG" in text


def test_a_raw_file_is_not_taken_for_its_thumbnail(tmp_path: Path) -> None:
    saved(tmp_path / "a.tif", photograph()).rename(tmp_path / "a.NEF")
    assert "raw file" in message(tmp_path / "a.NEF")


@pytest.mark.parametrize(
    ("name", "head"), [("a.CR3", b"\0\0\0\x18ftypcrx \0\0\0\1crx isom"), ("a.raf", b"FUJIFILMCCD-RAW 0201")]
)
def test_raw_files_that_are_no_tiff(tmp_path: Path, name: str, head: bytes) -> None:
    (tmp_path / name).write_bytes(head + bytes(600))
    assert "is a camera's raw file" in message(tmp_path / name)
    assert is_unread(tmp_path / name)


@pytest.mark.parametrize("big", [False, True])
def test_tiff_colours_that_would_be_taken_for_others(tmp_path: Path, big: bool) -> None:
    red = Image.new("RGB", (8, 8), (255, 0, 0))
    options: dict[str, Any] = {"big_tiff": big}
    red.convert("YCbCr").save(tmp_path / "plain.tif", **options)
    assert "YCbCr samples that are not JPEG's" in message(tmp_path / "plain.tif")
    with pytest.raises(UserError, match="convert it to RGB first"):
        read_levels(tmp_path / "plain.tif")
    red.convert("LAB").save(tmp_path / "lab.tif", **options)
    assert "has Lab samples of 8 bits" in message(tmp_path / "lab.tif")
    red.convert("YCbCr").save(tmp_path / "jpeg.tif", compression="jpeg", quality=95, **options)
    np.testing.assert_allclose(read(tmp_path / "jpeg.tif").pixels[0, 0], [1, 0, 0], atol=0.02)


def test_what_it_holds_counts_and_not_its_name(tmp_path: Path) -> None:
    saved(tmp_path / "a.png", photograph()).rename(tmp_path / "b.jpg")
    assert read(tmp_path / "b.jpg").pixels.shape == (90, 130, 3)


def test_too_many_pixels_are_refused_before_decoding(tmp_path: Path) -> None:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 21_000, 21_000, 8, 2, 0, 0, 0)
    path = tmp_path / "a.png"
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b"") + chunk(b"IEND", b""))
    assert "has 21000 × 21000 = 441 megapixels, more than the 400 allowed" in message(path)
    assert "is damaged" in message(path, max_pixels=10**10)  # so it was the size, not the missing data


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_max_pixels(tmp_path: Path, suffix: str) -> None:
    path = saved(tmp_path / f"a{suffix}", photograph())
    assert read(path, max_pixels=90 * 130).pixels.shape == (90, 130, 3)
    assert "megapixels" in message(path, max_pixels=90 * 130 - 1)


@pytest.mark.parametrize(
    "error",
    [
        pyvips.Error("unable to write to memory", "vips_image_write_to_memory: out of memory -- size == 308MB"),
        MemoryError("Unable to allocate 1.21 GiB"),
    ],
)
def test_too_little_memory_is_not_taken_for_damage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def numpy(_: Any) -> None:
        raise error

    path = saved(tmp_path / "a.png", photograph())
    monkeypatch.setattr(pyvips.Image, "numpy", numpy)
    assert "too little memory" in message(path)


NAMES: list[Callable[[str], str]] = [
    lambda suffix: f"Übergröße 猫 фото{suffix}",
    lambda suffix: f"with spaces [n=-1]{suffix}[page=3]{suffix}",
    lambda suffix: f"100% %s %d {{0}}{suffix}",
    lambda suffix: f'it\'s a "quoted" name{suffix}',
    lambda suffix: f"-leading {suffix}",
    lambda suffix: f"line\nbreak{suffix}",
]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_strange_names(tmp_path: Path, name: Callable[[str], str], suffix: str) -> None:
    path = tmp_path / name(suffix)
    picture = Picture((photograph() / 255).astype(np.float32))
    write(picture, path)
    assert names(tmp_path) == [path.name]
    assert np.abs(read(path).pixels - picture.pixels).max() < 1e-6
    assert size(path) == (130, 90)


def test_a_name_that_is_not_utf8(tmp_path: Path) -> None:
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.png"))
    write(Picture((photograph() / 255).astype(np.float32)), path)
    assert read(path).pixels.shape == (90, 130, 3)


def test_through_a_symbolic_link(tmp_path: Path) -> None:
    saved(tmp_path / "a.png", photograph())
    (tmp_path / "b.png").symlink_to(tmp_path / "a.png")
    (tmp_path / "dangling.png").symlink_to(tmp_path / "none.png")
    assert np.array_equal(read(tmp_path / "b.png").pixels, read(tmp_path / "a.png").pixels)
    assert "does not exist" in message(tmp_path / "dangling.png")


def test_a_rewritten_file_is_read_anew(tmp_path: Path) -> None:
    for value in (0, 255, 51):
        saved(tmp_path / "a.png", np.full((8, 8, 3), value, np.uint8))
        assert read(tmp_path / "a.png").pixels[0, 0, 0] == np.float32(value) / np.float32(255)


def test_no_file_stays_open(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.png", photograph())
    before = len(names(Path("/proc/self/fd"))) if Path("/proc/self/fd").is_dir() else pytest.skip("needs /proc")
    for _ in range(20):
        read(path)
        write(read(path), tmp_path / "b.png")
    assert len(names(Path("/proc/self/fd"))) <= before + 2


def test_is_picture() -> None:
    assert all(map(is_picture, ["a.png", "B.JPG", "c/d.jpeg", "e.TIFF", "f.webp", "g.avif", "h.gif"]))
    assert not any(map(is_picture, ["a.txt", "png", "a.png.part", "._a.png", ".hidden.jpg", "a.mp4", "a", ""]))


def test_is_unread() -> None:
    assert all(map(is_unread, ["a.bmp", "B.PPM", "c/d.jp2", "e.heic", "f.nef"]))
    assert not any(map(is_unread, ["a.png", "h.gif", "a.txt", "bmp", "._a.bmp", ".hidden.jp2", ""]))


def test_a_png_that_states_no_resolution(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.png", photograph())
    data = path.read_bytes()
    at = data.index(b"pHYs") - 4
    path.write_bytes(data[:at] + data[at + 21 :])
    assert read(path).metadata == Metadata()


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("orientation", [3, 6])
def test_size_is_that_of_the_upright_picture(tmp_path: Path, suffix: str, orientation: int) -> None:
    image = pyvips.Image.new_from_array(photograph()).copy()
    image.set_type(pyvips.GValue.gint_type, "orientation", orientation)
    path = tmp_path / f"a{suffix}"
    image.write_to_file(str(path))
    height, width, _ = read(path).pixels.shape
    assert size(path) == (width, height)


def test_size_reads_no_more_than_the_header(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.png", photograph())
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    assert size(path) == (130, 90)
    assert "is damaged" in message(path)


def test_size_of_no_picture(tmp_path: Path) -> None:
    for name, content, cause in (
        ("a.png", b"hello", "is text"),
        ("b.png", b"", "is empty"),
        ("c.png", None, "not exist"),
    ):
        if content is not None:
            (tmp_path / name).write_bytes(content)
        with pytest.raises(UserError, match=cause):
            size(tmp_path / name)


def test_real_photographs(shared: Path) -> None:
    paths = (
        sorted((shared / "data/validation/kodak24").iterdir())[:2] + sorted((shared / "data/corpus").glob("gb82*"))[:1]
    )
    for path in paths:
        picture = read(path)
        expected = pyvips.Image.new_from_file(str(path)).numpy()
        assert np.array_equal(picture.pixels, expected / np.float32(255))
