"""Near-duplicates of benchmark pictures: found in any size and orientation, and photographs are not taken for them."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import pyvips

from superfine.data import pack
from superfine.data.duplicates import lines, near, signs
from superfine.errors import UserError
from superfine.images import imresize, read

Edit = Callable[[np.ndarray], np.ndarray]


def jpeg(pixels: np.ndarray) -> np.ndarray:
    levels = np.rint(pixels * 255).astype(np.uint8)
    encoded = pyvips.Image.new_from_array(levels, interpretation="srgb").jpegsave_buffer(Q=20)
    return pyvips.Image.new_from_buffer(encoded, "").numpy().astype(np.float32) / 255


def cropped(pixels: np.ndarray) -> np.ndarray:
    height, width = (3 * length // 100 for length in pixels.shape[:2])
    return pixels[height:-height, width:-width]


EDITS: dict[str, Edit] = {
    "as it is": lambda pixels: pixels,
    "half": lambda pixels: imresize(pixels, scale=0.5),
    "larger": lambda pixels: imresize(pixels, scale=1.7),
    "jpeg": jpeg,
    "darker": lambda pixels: 0.8 * pixels**1.3,
    "noisy": lambda pixels: pixels + np.random.default_rng(1).normal(0, 0.05, pixels.shape).astype(np.float32),
    "cropped": cropped,
    "grey": lambda pixels: np.repeat(pixels.mean(axis=2, keepdims=True), 3, axis=2),
    "mirrored": lambda pixels: pixels[:, ::-1],
    "upside down": lambda pixels: pixels[::-1],
    "turned": lambda pixels: np.rot90(pixels),
    "turned back and mirrored": lambda pixels: np.rot90(pixels, 3)[:, ::-1],
}


@pytest.fixture(scope="module")
def pictures(shared: Path) -> list[tuple[str, np.ndarray]]:
    chosen = [("Set5", "001"), ("Set5", "003"), ("Set14", "013"), ("Set14", "003"), ("BSD100", None)]
    found = []
    for name, stem in chosen:
        folder = shared / "data" / "benchmarks" / name / "HR"
        (file, *_) = sorted(folder.glob(f"{stem or '*'}.*"))
        found.append((f"{file.stem} of {name}", read(file).pixels))
    return found


@pytest.mark.parametrize("edit", EDITS)
def test_finds_benchmark_pictures(pictures: list[tuple[str, np.ndarray]], edit: str) -> None:
    for name, pixels in pictures:
        assert str(near(signs(EDITS[edit](pixels)))) == name


def test_other_photographs_are_none(shared: Path) -> None:
    corpus = sorted((shared / "data" / "corpus").glob("*.avif"))
    assert len(corpus) > 100
    assert [near(signs(read(file).pixels)) for file in corpus[::60]] == [None] * len(corpus[::60])


def test_the_list_is_that_of_the_sets(shared: Path) -> None:
    listed = Path(pack.__code__.co_filename).with_name("benchmarks.txt").read_text(encoding="utf-8").splitlines()[1:]
    assert list(lines(shared / "data" / "benchmarks" / "Set5")) == [line for line in listed if line.startswith("Set5 ")]
    sets = ("Set5", "Set14", "BSD100", "kodak24")
    assert [sum(line.startswith(f"{name} ") for line in listed) for name in sets] == [5, 14, 100, 24]
    kodak = sorted((shared / "data" / "validation" / "kodak24").iterdir())
    assert [str(near(signs(read(file).pixels))) for file in kodak[::8]] == [
        f"{name} of kodak24" for name in ("01", "09", "17")
    ]


def test_tiny_and_flat_pictures_have_a_hash() -> None:
    for height, width in ((1, 1), (1, 500), (63, 65)):
        assert near(signs(np.full((height, width, 3), 0.3, np.float32))) is None


def test_a_pack_leaves_them_out(
    shared: Path, photos: Path, tmp_path: Path, pictures: list[tuple[str, np.ndarray]]
) -> None:
    from superfine.images import Picture, write

    name, pixels = pictures[0]
    write(Picture(np.ascontiguousarray(pixels[:, ::-1])), photos / "mine.jpg")
    made = pack(photos, tmp_path / "out")
    (skipped,) = made.skipped
    assert (skipped.file, skipped.reason) == (
        "mine.jpg",
        f"is nearly {name}, which is measured on; leave it out of training",
    )
    assert "mine.jpg" not in [entry.file for entry in made.entries]
    (tmp_path / "alone").mkdir()
    (photos / "mine.jpg").rename(tmp_path / "alone" / "mine.jpg")
    with pytest.raises(UserError, match="none of the 1 pictures could be packed"):
        pack(tmp_path / "alone", tmp_path / "nothing")
