"""Writing: round trips, strips encoded while they are computed, and everything that can go wrong on the way to the disk."""

import faulthandler
import gc
import os
import re
import resource
import threading
import time
import tracemalloc
from collections.abc import Iterator
from itertools import count, pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
import pyvips
from hypothesis import given, settings
from hypothesis import strategies as st

from superfine.errors import UserError
from superfine.files import part_name
from superfine.images import FORMATS, Metadata, Picture, read, write, write_strips
from superfine.images.write import round_to_bytes

SUFFIXES = (".png", ".jpg", ".webp", ".tif", ".avif")


@pytest.fixture(autouse=True)
def no_deadlock() -> Iterator[None]:
    """A writer and a reader that wait for each other would hang the whole run: end it, showing where."""
    faulthandler.dump_traceback_later(60, exit=True)
    yield
    faulthandler.cancel_dump_traceback_later()
    assert not [thread.name for thread in threading.enumerate() if thread.name.startswith("encoder")]


def noise(height: int = 50, width: int = 60, channels: int = 3, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).random((height, width, channels), dtype=np.float32)


def smooth(height: int = 150, width: int = 200) -> np.ndarray:
    y, x = np.mgrid[0:height, 0:width]
    return np.dstack([0.5 + 0.4 * np.sin(x / 15 + c) * np.cos(y / 20 - c) for c in range(3)]).astype(np.float32)


def strips_to(path: Path, strips: Any, width: int, height: int, **changes: Any) -> None:
    options = {"grey": False, "alpha": False, "bits": 8, "metadata": Metadata()} | changes
    write_strips(path, strips, width=width, height=height, **options)


def names(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.iterdir())


# ------------------------------------------------------------------------------------------------------ round trips


@settings(max_examples=60)
@given(
    st.sampled_from([".png", ".tif"]),
    st.integers(1, 40),
    st.integers(1, 40),
    st.sampled_from([8, 16]),
    st.booleans(),
    st.booleans(),
    st.integers(0, 99),
)
def test_lossless_formats_are_exact(
    suffix: str, height: int, width: int, bits: int, grey: bool, alpha: bool, seed: int
) -> None:
    greatest = np.float32(2**bits - 1)
    samples = np.random.default_rng(seed).integers(0, 2**bits, (height, width, 4)).astype(np.float32) / greatest
    pixels = np.repeat(samples[..., :1], 3, axis=2) if grey else samples[..., :3]
    with TemporaryDirectory() as folder:
        path = Path(folder) / f"a{suffix}"
        write(Picture(pixels, samples[..., 3] if alpha else None, grey, bits), path)
        picture = read(path)
    assert (picture.grey, picture.bits) == (grey, bits)
    assert np.array_equal(picture.pixels, pixels)
    assert np.array_equal(picture.alpha, samples[..., 3]) if alpha else picture.alpha is None


@pytest.mark.parametrize(("suffix", "depth"), [(".webp", 8), (".avif", 8), (".avif", 10)])
@pytest.mark.parametrize("alpha", [False, True])
@pytest.mark.parametrize("grey", [False, True])
def test_quality_100_is_lossless(tmp_path: Path, suffix: str, depth: int, alpha: bool, grey: bool) -> None:
    greatest = np.float32(2**depth - 1)
    samples = np.rint(noise(channels=4) * greatest) / greatest
    pixels = np.repeat(samples[..., :1], 3, axis=2) if grey else samples[..., :3]
    opacity = np.where(samples[..., 3] < 0.5, np.float32(0), samples[..., 3])
    picture = Picture(pixels, opacity if alpha else None, grey, 8 if depth == 8 else 16)
    write(picture, tmp_path / f"a{suffix}", quality=100)
    again = read(tmp_path / f"a{suffix}")
    assert np.abs(again.pixels - pixels).max() < 1e-6  # the colours under full transparency too
    if alpha:
        assert again.alpha is not None
        assert np.abs(again.alpha - opacity).max() < 1e-6


@pytest.mark.parametrize("suffix", [".jpg", ".webp", ".avif"])
def test_quality(tmp_path: Path, suffix: str) -> None:
    sizes, errors = [], []
    for quality in (20, None, 97):
        write(Picture(smooth()), tmp_path / f"a{suffix}", quality=quality)
        sizes.append((tmp_path / f"a{suffix}").stat().st_size)
        errors.append(np.abs(read(tmp_path / f"a{suffix}").pixels - smooth()).mean())
    assert sizes == sorted(sizes)
    assert errors == sorted(errors, reverse=True)
    assert errors[1] < 0.006


def test_jpeg_keeps_the_colour_resolution(tmp_path: Path) -> None:
    for quality, chroma in ((None, "4:4:4"), (80, "4:2:0")):
        write(Picture(smooth()), tmp_path / "a.jpg", quality=quality)
        assert pyvips.Image.new_from_file(str(tmp_path / "a.jpg")).get("jpeg-chroma-subsample") == chroma


def test_rounded_and_clipped(tmp_path: Path) -> None:
    pixels = np.zeros((1, 6, 3), np.float32)
    pixels[0, :, :] = np.array([-0.2, 0.4999 / 255, 0.5001 / 255, 254.51 / 255, 1.0, 7.0])[:, None]
    before = pixels.copy()
    write(Picture(pixels), tmp_path / "a.png")
    assert np.rint(read(tmp_path / "a.png").pixels[0, :, 0] * 255).tolist() == [0, 0, 1, 255, 255, 255]
    assert np.array_equal(pixels, before)


@pytest.mark.parametrize("dtype", [np.float16, np.float64])
def test_other_floats(tmp_path: Path, dtype: type) -> None:
    write(Picture(np.full((3, 3, 3), 0.2, dtype), bits=16), tmp_path / "a.png")
    assert read(tmp_path / "a.png").pixels[0, 0, 0] == pytest.approx(0.2, abs=1e-4)


def test_grey_is_the_mean(tmp_path: Path) -> None:
    write(Picture(np.full((4, 4, 3), (0.2, 0.4, 0.9), np.float32), grey=True, bits=16), tmp_path / "a.png")
    picture = read(tmp_path / "a.png")
    assert picture.grey
    assert picture.pixels[0, 0].tolist() == pytest.approx([0.5] * 3, abs=1e-4)


def test_jpeg_lays_transparency_on_white(tmp_path: Path) -> None:
    pixels, alpha = np.zeros((16, 48, 3), np.float32), np.ones((16, 48), np.float32)
    alpha[:, 16:32], alpha[:, 32:] = 0.0, 0.5
    write(Picture(pixels, alpha), tmp_path / "a.jpg")
    picture = read(tmp_path / "a.jpg")
    assert picture.alpha is None
    assert picture.pixels[8, [8, 24, 40], 0] == pytest.approx([0.0, 1.0, 0.5], abs=0.02)


def test_samples_lie_where_they_belong(tmp_path: Path) -> None:
    """Wider than a strip of the hand-over is high, and not a multiple of anything."""
    pixels = np.rint(noise(333, 71) * 255) / np.float32(255)
    heights = [1, 100, 0, 15, 17, 200]
    edges = np.cumsum([0, *heights])
    strips = [pixels[a:b] for a, b in pairwise(edges)]
    strips_to(tmp_path / "a.png", strips, 71, 333)
    assert np.array_equal(read(tmp_path / "a.png").pixels, pixels)


# --------------------------------------------------------------------------------------- while they are being computed


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".tif"])
def test_encodes_while_strips_are_computed_and_in_bounded_memory(tmp_path: Path, suffix: str) -> None:
    width, height, rows = 20_000, 800, 32
    strip = noise(rows, width)
    on_disk = 0

    def strips() -> Iterator[np.ndarray]:
        nonlocal on_disk
        for _ in range(height // rows - 1):
            yield strip
        deadline = time.monotonic() + 30
        while on_disk < width * height and time.monotonic() < deadline:  # a third of the samples' bytes
            time.sleep(0.01)
            on_disk = sum(file.stat().st_size for file in tmp_path.iterdir())
        yield strip

    tracemalloc.start()
    try:
        strips_to(tmp_path / f"a{suffix}", strips(), width, height)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert on_disk >= width * height  # encoded before the last strip was there
    assert peak < width * height * 12 / 8


class BrokenError(Exception):
    pass


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize(
    "error", [BrokenError(), KeyboardInterrupt(), OSError(28, "full"), UserError("x: y; z"), MemoryError()]
)
@pytest.mark.parametrize("after", [0, 1, 5])
def test_what_the_strips_raise_comes_out_unchanged(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], suffix: str, error: BaseException, after: int
) -> None:
    def strips() -> Iterator[np.ndarray]:
        for _ in range(after):
            yield noise(40, 300)
        raise error

    with pytest.raises(type(error)) as caught:
        strips_to(tmp_path / f"a{suffix}", strips(), 300, 400)
    assert caught.value is error
    assert names(tmp_path) == []
    assert capfd.readouterr() == ("", "")


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="needs /proc")
def test_failures_leave_no_file_open(tmp_path: Path) -> None:
    def strips() -> Iterator[np.ndarray]:
        yield noise(20, 300)
        raise BrokenError

    def fail() -> None:
        with pytest.raises(BrokenError):
            strips_to(tmp_path / "a.png", strips(), 300, 400)

    fail()
    gc.disable()
    try:
        before = len(names(Path("/proc/self/fd")))
        for _ in range(20):
            fail()
        assert len(names(Path("/proc/self/fd"))) <= before + 1
    finally:
        gc.enable()


def test_the_file_that_was_there_survives_a_failure(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    write(Picture(smooth()), path)
    before = path.read_bytes()
    with pytest.raises(ValueError, match="rows"):
        strips_to(path, [noise(10, 60)], 60, 50)
    assert path.read_bytes() == before
    assert names(tmp_path) == ["a.png"]


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize(
    ("shapes", "problem"),
    [
        ([], "make up 0 rows of 50"),
        ([(49, 60, 3)], "make up 49 rows of 50"),
        ([(50, 60, 3), (1, 60, 3)], "does not fit 50 × 60 × 3 after 50 rows"),
        ([(50, 59, 3)], "does not fit"),
        ([(50, 60, 4)], "does not fit"),
        ([(50, 60)], "does not fit"),
    ],
)
def test_strips_that_do_not_make_the_picture(
    tmp_path: Path, suffix: str, shapes: list[tuple[int, ...]], problem: str
) -> None:
    with pytest.raises(ValueError, match=problem):
        strips_to(tmp_path / f"a{suffix}", [np.zeros(shape, np.float32) for shape in shapes], 60, 50)
    assert names(tmp_path) == []


@pytest.mark.parametrize("suffix", [".png", ".tif"])
@pytest.mark.parametrize("channels", [3, 4])
def test_strips_that_are_rounded_already(tmp_path: Path, suffix: str, channels: int) -> None:
    strip = noise(150, 60, channels) * 1.2 - 0.1
    levels = np.empty(strip.shape, np.uint8)
    round_to_bytes(strip, levels)
    alpha = channels == 4
    strips_to(tmp_path / f"floats{suffix}", [strip], 60, 150, alpha=alpha)
    strips_to(tmp_path / f"levels{suffix}", [levels[:70], levels[70:]], 60, 150, alpha=alpha)
    assert (tmp_path / f"floats{suffix}").read_bytes() == (tmp_path / f"levels{suffix}").read_bytes()


@pytest.mark.parametrize(
    ("name", "dtype", "channels", "changes"),
    [
        ("a.png", np.uint16, 3, {}),
        ("a.png", np.uint8, 3, {"bits": 16}),
        ("a.png", np.uint8, 3, {"grey": True}),
        ("a.jpg", np.uint8, 4, {"alpha": True}),
    ],
)
def test_integers_are_refused_unless_they_are_what_is_stored(
    tmp_path: Path, name: str, dtype: type, channels: int, changes: dict[str, Any]
) -> None:
    with pytest.raises(ValueError, match=f"not {np.dtype(dtype)}"):
        strips_to(tmp_path / name, [np.zeros((5, 6, channels), dtype)], 6, 5, **changes)
    assert names(tmp_path) == []


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("channel", [0, 2, 3])
def test_what_is_not_a_number_never_becomes_a_pixel(tmp_path: Path, value: float, channel: int) -> None:
    strip = noise(50, 60, 4)
    strip[49, 59, channel] = value
    with pytest.raises(UserError, match=r"a\.png: the computed pixels hold NaN or infinity"):
        strips_to(tmp_path / "a.png", [strip], 60, 50, alpha=True)
    assert names(tmp_path) == []


# --------------------------------------------------------------------------------------------------- to the disk


def message(path: Path, picture: Picture | None = None, **options: Any) -> str:
    with pytest.raises(UserError) as caught:
        write(picture or Picture(smooth()), path, **options)
    text = str(caught.value)
    assert text.startswith(f"{path}: ")
    assert "\n" not in text
    return text


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("limit", [0, 100, 20_000])
def test_a_full_disk(tmp_path: Path, capfd: pytest.CaptureFixture[str], suffix: str, limit: int) -> None:
    """A real refusal by the system in the middle of a file; only the error's name differs from a full disk's."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    picture = Picture(noise(300, 400))
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limits[1]))
    try:
        text = message(tmp_path / f"a{suffix}", picture)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert "cannot be written: File too large" in text
    assert names(tmp_path) == []
    assert capfd.readouterr() == ("", "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_no_space_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str) -> None:
    monkeypatch.setattr("superfine.files._count", count(7))
    path = tmp_path / f"a{suffix}"
    (tmp_path / part_name(path.name, os.getpid(), 7)).symlink_to("/dev/full")
    assert "cannot be written: No space left on device; free some space" in message(path)
    assert names(tmp_path) == []


def test_folders_that_cannot_be_written_to(tmp_path: Path) -> None:
    assert "No such file or directory; make the folder first" in message(tmp_path / "none" / "a.png")
    (tmp_path / "file").touch()
    assert "Not a directory" in message(tmp_path / "file" / "a.png")
    assert "is a folder" in message(_made(tmp_path / "folder.png"))
    if Path("/proc").is_dir():
        assert "cannot be written" in message(Path("/proc/a.png"))
    assert "choose a shorter name" in message(tmp_path / ("a" * 300 + ".png"))


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


def test_unwritable_folders_are_noticed_before_anything_is_computed(tmp_path: Path) -> None:
    def strips() -> Iterator[np.ndarray]:
        pytest.fail("asked for a strip")
        yield noise()

    for path in (tmp_path / "none" / "a.png", tmp_path / ("a" * 300 + ".png")):
        with pytest.raises(UserError):
            strips_to(path, strips(), 60, 50)


def test_a_symbolic_link_is_replaced_and_not_followed(tmp_path: Path) -> None:
    (tmp_path / "original.png").write_bytes(b"precious")
    (tmp_path / "a.png").symlink_to("original.png")
    write(Picture(smooth()), tmp_path / "a.png")
    assert (tmp_path / "original.png").read_bytes() == b"precious"
    assert not (tmp_path / "a.png").is_symlink()


@pytest.mark.parametrize("name", ["a.bmp", "a", "a.png.part", ".png"])
def test_unknown_suffixes(tmp_path: Path, name: str) -> None:
    assert "end the name in one of .png, .jpg" in message(tmp_path / name)


def test_suffixes_in_capitals(tmp_path: Path) -> None:
    for format in FORMATS.values():
        for suffix in format.suffixes:
            write(Picture(smooth(8, 9)), tmp_path / f"A{suffix.upper()}")
            assert read(tmp_path / f"A{suffix.upper()}").pixels.shape == (8, 9, 3)


@pytest.mark.parametrize("quality", [0, 101, -5])
def test_quality_out_of_range(tmp_path: Path, quality: int) -> None:
    assert "choose 1 (smallest file) to 100" in message(tmp_path / "a.jpg", quality=quality)


@pytest.mark.parametrize("name", ["webp", "jpeg", "avif"])
def test_sides_that_the_format_cannot_hold(tmp_path: Path, name: str) -> None:
    suffix, side = FORMATS[name].suffixes[0], FORMATS[name].side
    write(Picture(np.zeros((1, side, 3), np.float32)), tmp_path / f"a{suffix}")
    assert read(tmp_path / f"a{suffix}").pixels.shape == (1, side, 3)
    for shape in ((1, side + 1, 3), (side + 1, 1, 3)):
        text = message(tmp_path / f"b{suffix}", Picture(np.zeros(shape, np.float32)))
        assert re.search(rf"too many .* end at {side}; write PNG or TIFF", text)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_warnings_stay_quiet(tmp_path: Path, capfd: pytest.CaptureFixture[str], suffix: str) -> None:
    metadata = Metadata(icc=b"no profile at all", exif=b"nonsense", xmp=b"<x/>", dpi=(1e-3, 1e9))
    write(Picture(smooth(), metadata=Metadata(xmp=b"\xff\0<")), tmp_path / f"a{suffix}")
    write(Picture(smooth(), metadata=metadata), tmp_path / f"b{suffix}")
    read(tmp_path / f"b{suffix}")
    assert capfd.readouterr() == ("", "")


def test_wrong_pictures(tmp_path: Path) -> None:
    for picture in (Picture(noise(channels=4)), Picture(noise()[..., 0]), Picture(noise(), noise(5, 5)[..., 0])):
        with pytest.raises(ValueError, match="a picture is height × width × 3"):
            write(picture, tmp_path / "a.png")
    with pytest.raises(ValueError, match="12 bits"):
        write(Picture(noise(), bits=12), tmp_path / "a.png")
