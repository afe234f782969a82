"""The loop over files: real pictures in, real files out, and every failure said without harm to the others."""

import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import pyvips

import superfine
from superfine.engine import batch
from superfine.engine.batch import Summary
from superfine.engine.jobs import Job, plan_jobs
from superfine.engine.result_size import ResultSize
from superfine.errors import UserError
from superfine.images import Metadata, Picture, read, write


@pytest.fixture(scope="session")
def model(compact: Path) -> superfine.Model:
    return superfine.load(compact, device="cpu")


@pytest.fixture
def said() -> list[str]:
    return []


def picture(height: int = 12, width: int = 17, seed: int = 0, **others: object) -> Picture:
    pixels = np.random.default_rng(seed).random((height, width, 3), dtype=np.float32)
    return Picture(pixels=pixels, **others)  # type: ignore[arg-type]


def go(model: superfine.Model, inputs: list[Path], output: Path | None, said: list[str], **options: object) -> Summary:
    jobs = plan_jobs(inputs, output, label=f"{model.scale}x")
    return batch.run(model, jobs, say=said.append, **options)  # type: ignore[arg-type]


def leftovers(folder: Path) -> list[str]:
    return [path.name for path in folder.rglob("*") if path.name.endswith(".part")]


def test_a_folder_of_everything(model: superfine.Model, tmp_path: Path, said: list[str]) -> None:
    alpha = np.linspace(0, 1, 12 * 17, dtype=np.float32).reshape(12, 17)
    grey = picture(grey=True)
    pictures = {
        "plain.png": picture(),
        "deep.tif": picture(bits=16),
        "sub/alpha.webp": picture(alpha=alpha),
        "sub/grey.png": Picture(pixels=np.repeat(grey.pixels[..., :1], 3, axis=2), grey=True),
        "one.png": picture(1, 1),
        "dpi.jpg": picture(metadata=Metadata(dpi=(300.0, 300.0))),
    }
    for name, one in pictures.items():
        (tmp_path / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        write(one, tmp_path / "in" / name)
    shown: list[tuple[int, int]] = []
    done: list[str] = []
    summary = go(
        model,
        [tmp_path / "in"],
        tmp_path / "out",
        said,
        progress=lambda *pair: shown.append(pair),
        finished=lambda job: done.append(job.target.name),
    )
    assert (summary, said) == (Summary(done=6), [])
    assert sorted(done) == sorted(Path(name).name for name in pictures)
    total = 5 * 12 * 17 + 1
    assert shown[-1] == (total, total)
    assert shown == sorted(shown)
    for name in pictures:
        source, result = read(tmp_path / "in" / name), read(tmp_path / "out" / name)
        height, width, _ = source.pixels.shape
        assert result.pixels.shape == (4 * height, 4 * width, 3)
        assert (result.grey, result.bits, result.alpha is None) == (source.grey, source.bits, source.alpha is None)
        assert result.metadata.dpi == pytest.approx(source.metadata.dpi)
        if name in ("plain.png", "deep.tif"):
            steps = 2**result.bits - 1
            np.testing.assert_array_equal(result.pixels * steps, np.rint(model.upscale(source.pixels) * steps))
    assert not leftovers(tmp_path)


def test_again_goes_on_where_it_stopped(model: superfine.Model, tmp_path: Path, said: list[str]) -> None:
    for i in range(3):
        write(picture(seed=i), tmp_path / f"{i}.png")
    assert go(model, [tmp_path / "1.png"], None, said) == Summary(done=1)
    before = (tmp_path / "1@4x.png").stat().st_mtime_ns
    summary = go(model, [tmp_path], None, said)
    assert (summary, summary.status) == (Summary(done=2, skipped=1), 0)
    assert said == ["1 skipped, as their results exist; give --overwrite to replace them"]
    assert (tmp_path / "1@4x.png").stat().st_mtime_ns == before


def test_results_of_another_size(model: superfine.Model, tmp_path: Path, said: list[str]) -> None:
    alpha = np.linspace(0, 1, 12 * 17, dtype=np.float32).reshape(12, 17)
    for name, one in {"a.png": picture(), "b.tif": picture(bits=16, alpha=alpha), "c.png": picture(40, 30)}.items():
        (tmp_path / "in").mkdir(exist_ok=True)
        write(one, tmp_path / "in" / name)
    size = ResultSize(width=34)
    assert go(model, [tmp_path / "in"], tmp_path / "out", said, size=size) == Summary(done=3)
    shapes = {path.name: read(path).pixels.shape[:2] for path in (tmp_path / "out").iterdir()}
    assert shapes == {"a.png": (24, 34), "b.tif": (24, 34), "c.png": (45, 34)}
    source, result = read(tmp_path / "in" / "a.png"), read(tmp_path / "out" / "a.png")
    np.testing.assert_array_equal(result.pixels * 255, np.rint(model.upscale(source.pixels, size=(24, 34)) * 255))
    deep = read(tmp_path / "out" / "b.tif")
    assert deep.bits == 16
    assert deep.alpha is not None
    assert said == []


def test_what_is_larger_already_is_left_alone(model: superfine.Model, tmp_path: Path, said: list[str]) -> None:
    for name, one in {"a.png": picture(), "wide.png": picture(12, 40)}.items():
        write(one, tmp_path / name)
    wide = tmp_path / "wide.png"
    text = f"{wide}: has 40 × 12 pixels already, more than 34 × 10, and is left alone"
    summary = go(model, [tmp_path], tmp_path / "out", said, size=ResultSize(width=34))
    assert (summary, summary.status, said) == (Summary(done=1, skipped=1), 0, [text])
    said.clear()
    summary = go(model, [wide], tmp_path / "large.png", said, size=ResultSize(width=34))
    assert (summary, summary.status, said) == (Summary(refused=1), 1, [text])
    assert go(model, [wide], tmp_path / "same.png", said, size=ResultSize(width=40)) == Summary(done=1)


def test_a_named_file_is_refused_and_overwritten_when_told(
    model: superfine.Model, tmp_path: Path, said: list[str]
) -> None:
    write(picture(), tmp_path / "a.png")
    (tmp_path / "a@4x.png").write_bytes(b"precious")
    summary = go(model, [tmp_path / "a.png"], None, said)
    assert (summary, summary.status) == (Summary(refused=1), 1)
    assert "a@4x.png: exists already; give --overwrite" in said[0]
    assert (tmp_path / "a@4x.png").read_bytes() == b"precious"
    assert go(model, [tmp_path / "a.png"], None, said, overwrite=True) == Summary(done=1)
    assert read(tmp_path / "a@4x.png").pixels.shape == (48, 68, 3)


def test_what_came_while_a_picture_was_computed_is_kept(
    model: superfine.Model, tmp_path: Path, said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    write(picture(), tmp_path / "a.png")
    real = batch.write_strips

    def write_late(path: Path, *rest: object, **options: object) -> None:
        path.write_bytes(b"precious")
        real(path, *rest, **options)

    monkeypatch.setattr(batch, "write_strips", write_late)
    assert go(model, [tmp_path / "a.png"], None, said) == Summary(refused=1)
    assert said == [f"{tmp_path / 'a@4x.png'}: exists already; give --overwrite to replace it, or another -o"]
    assert (tmp_path / "a@4x.png").read_bytes() == b"precious"
    assert not leftovers(tmp_path)
    (tmp_path / "a@4x.png").unlink()
    assert go(model, [tmp_path], None, said) == Summary(skipped=1)
    assert said[1:] == [f"{tmp_path / 'a@4x.png'}: exists by now, and is skipped"]
    assert go(model, [tmp_path / "a.png"], None, said, overwrite=True) == Summary(done=1)


@pytest.mark.parametrize("below", ["", "new", "new/newer"])
def test_a_file_where_a_folder_is_wanted(model: superfine.Model, tmp_path: Path, said: list[str], below: str) -> None:
    write(picture(), tmp_path / "a.png")
    (tmp_path / "notes").write_text("precious")
    assert go(model, [tmp_path / "a.png"], tmp_path / "notes" / below, said) == Summary(failed=1)
    told = f"{tmp_path / 'notes'}: is no folder, so no results can be put into it; give another -o"
    assert said == [f"{tmp_path / 'a.png'}: {told}"]
    assert (tmp_path / "notes").read_text() == "precious"


def test_two_at_once_share_a_folder(model: superfine.Model, tmp_path: Path, said: list[str]) -> None:
    """What another process has done since the batch began is neither computed again nor a failure."""
    for i in range(4):
        write(picture(seed=i), tmp_path / f"{i}.png")
    computed: list[str] = []

    def other(job: Job) -> None:
        computed.append(job.target.name)
        (tmp_path / "2@4x.png").touch()
        (tmp_path / "3@4x.png").touch()

    summary = go(model, [tmp_path], None, said, finished=other)
    assert (summary, summary.status) == (Summary(done=2, skipped=2), 0)
    assert computed == ["0@4x.png", "1@4x.png"]
    assert said == [f"{tmp_path / name}: exists by now, and is skipped" for name in ("2@4x.png", "3@4x.png")]


def test_a_bad_file_does_not_stop_the_others(model: superfine.Model, tmp_path: Path, said: list[str]) -> None:
    write(picture(), tmp_path / "a.png")
    (tmp_path / "b.png").write_text("not a picture")
    (tmp_path / "c.png").touch()
    write(picture(), tmp_path / "d.png")
    summary = go(model, [*(tmp_path / f"{name}.png" for name in "abcd"), tmp_path / "missing.png"], None, said)
    assert (summary, summary.status) == (Summary(done=2, failed=3), 1)
    assert [next(n for n in ("b.png", "c.png", "missing.png") if n in line) for line in said] == [
        "b.png",
        "c.png",
        "missing.png",
    ]
    assert sorted(path.name for path in tmp_path.glob("*@4x*")) == ["a@4x.png", "d@4x.png"]


def test_too_little_memory_is_said_once_for_all_pictures(compact: Path, tmp_path: Path, said: list[str]) -> None:
    model = superfine.load(compact, device="cpu")
    run = model.backend.run

    def scarce(windows: np.ndarray) -> np.ndarray:
        if windows.shape[1] > 40:
            raise MemoryError
        return run(windows)

    model.backend.run = scarce  # type: ignore[method-assign]
    for name in "ab":
        write(picture(60, 30), tmp_path / f"{name}.png")
    assert go(model, [tmp_path], tmp_path / "out", said, tile=60) == Summary(done=2)
    assert len(said) == 1
    assert "a.png: CPU has no memory for 30 × 60 pixels at once; going on with 30 × " in said[0]
    assert not leftovers(tmp_path)


def test_clashing_results_do_not_stop_the_others(model: superfine.Model, tmp_path: Path, said: list[str]) -> None:
    for name in ("a.jpg", "a.png", "b.png"):
        (tmp_path / "in").mkdir(exist_ok=True)
        write(picture(), tmp_path / "in" / name)
    jobs = plan_jobs([tmp_path / "in"], tmp_path / "out", label="4x", format="png")
    summary = batch.run(model, jobs, say=said.append)
    assert (summary, summary.status) == (Summary(done=2, failed=1), 1)
    assert len(said) == 1
    assert "a.png: would be the result of both" in said[0]


def test_pages_that_are_left_out_are_said(model: superfine.Model, tmp_path: Path, said: list[str]) -> None:
    pages = pyvips.Image.new_from_array(np.zeros((24, 10, 3), np.uint8)).copy()
    pages.set_type(pyvips.GValue.gint_type, "page-height", 12)
    pages.tiffsave(str(tmp_path / "a.tif"))
    assert go(model, [tmp_path / "a.tif"], None, said) == Summary(done=1)
    assert said == [f"{tmp_path / 'a.tif'}: has 2 pages or frames, of which the first is read"]


def test_jpeg_has_no_alpha_and_that_is_said(model: superfine.Model, tmp_path: Path, said: list[str]) -> None:
    write(picture(alpha=np.zeros((12, 17), np.float32)), tmp_path / "a.png")
    assert go(model, [tmp_path / "a.png"], tmp_path / "a.jpg", said) == Summary(done=1)
    assert len(said) == 1
    assert "a.png: its transparency is laid on white" in said[0]
    assert read(tmp_path / "a.jpg").pixels.min() > 0.95


class _Failing:
    """A model whose second strip fails."""

    scale = 4

    def __init__(self, model: superfine.Model, error: BaseException) -> None:
        self.model, self.error, self.failing = model, error, True

    def strips(self, pixels: np.ndarray, **options: object) -> Iterator[np.ndarray]:
        strips = self.model.strips(pixels, **{**options, "tile": 16})  # type: ignore[arg-type]
        yield next(strips)
        if self.failing and pixels.shape[1] == 20:
            raise self.error
        yield from strips


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (UserError("device: no memory; give a smaller --tile"), "b.png: device: no memory; give a smaller --tile"),
        (MemoryError(), "b.png: not enough memory; give a smaller --tile"),
        (RuntimeError("Exception from\n  the engine"), "b.png: Exception from the engine; try --device cpu"),
    ],
)
def test_failing_in_the_middle_leaves_nothing(
    model: superfine.Model, tmp_path: Path, said: list[str], error: Exception, line: str
) -> None:
    for name, width in (("a", 17), ("b", 20), ("c", 17)):
        write(picture(40, width), tmp_path / f"{name}.png")
    summary = go(_Failing(model, error), [tmp_path], None, said)  # type: ignore[arg-type]
    assert summary == Summary(done=2, failed=1)
    assert len(said) == 1
    assert line in said[0]
    assert not (tmp_path / "b@4x.png").exists()
    assert not leftovers(tmp_path)


def test_an_interrupt_keeps_what_is_done_and_leaves_nothing_half_done(
    model: superfine.Model, tmp_path: Path, said: list[str]
) -> None:
    for name, width in (("a", 17), ("b", 20), ("c", 17)):
        write(picture(40, width), tmp_path / f"{name}.png")
    summary = go(_Failing(model, KeyboardInterrupt()), [tmp_path], None, said)  # type: ignore[arg-type]
    assert summary == Summary(done=1, interrupted=True)
    assert summary.status == 130
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.png", "a@4x.png", "b.png", "c.png"]


def test_a_result_of_the_wrong_size_is_not_passed_off_as_done(
    model: superfine.Model, tmp_path: Path, said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    write(picture(), tmp_path / "a.png")
    monkeypatch.setattr(batch, "write_strips", lambda path, strips, **_: (list(strips), write(picture(), path)))
    assert go(model, [tmp_path / "a.png"], None, said) == Summary(failed=1)
    assert "came out as (17, 12), not (68, 48)" in said[0]
    assert not (tmp_path / "a@4x.png").exists()


def test_reading_computing_and_encoding_overlap(
    model: superfine.Model, tmp_path: Path, said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second is read, and its first strip computed, before the first is encoded: else this waits in vain."""
    for name in "ab":
        write(picture(40), tmp_path / f"{name}.png")
    second_computed = threading.Event()
    waited: list[bool] = []
    whole = batch.write_strips

    def slow(path: Path, strips: Iterator[np.ndarray], **others: object) -> None:
        whole(path, strips, **others)  # type: ignore[arg-type]
        waited.append(second_computed.wait(20) if path.name == "a@4x.png" else True)

    def watch(done: int, total: int) -> None:
        if done > 40 * 17:
            second_computed.set()

    monkeypatch.setattr(batch, "write_strips", slow)
    assert go(model, [tmp_path], None, said, tile=16, progress=watch) == Summary(done=2)
    assert waited == [True, True]


def test_a_failure_leaves_no_empty_folders(model: superfine.Model, tmp_path: Path, said: list[str]) -> None:
    write(picture(1, 5_000), tmp_path / "wide.webp")  # enlarged, it is too wide for WebP
    assert go(model, [tmp_path / "wide.webp"], tmp_path / "new" / "out", said) == Summary(failed=1)
    assert [path.name for path in tmp_path.iterdir()] == ["wide.webp"]


def test_a_dangling_link_in_the_way_is_not_replaced(model: superfine.Model, tmp_path: Path, said: list[str]) -> None:
    write(picture(), tmp_path / "a.png")
    (tmp_path / "a@4x.png").symlink_to("nowhere")
    assert go(model, [tmp_path / "a.png"], None, said) == Summary(refused=1)
    assert (tmp_path / "a@4x.png").is_symlink()


def test_a_quality_out_of_range_is_refused_once(model: superfine.Model, tmp_path: Path, said: list[str]) -> None:
    with pytest.raises(UserError, match="quality 0: out of range; choose 1"):
        go(model, [tmp_path / "a.png", tmp_path / "b.png"], None, said, quality=0)
    assert said == []


def test_a_small_tile_is_refused_before_anything_is_done(
    model: superfine.Model, tmp_path: Path, said: list[str]
) -> None:
    write(picture(), tmp_path / "a.png")
    with pytest.raises(UserError, match="tile 3: too small"):
        go(model, [tmp_path], None, said, tile=3)
