"""Evaluations: known values, what is computed again and what is not, and pictures that cannot be scored."""

import dataclasses
import math
import shutil
import threading
import weakref
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from superfine import zoo
from superfine.cores import cores
from superfine.errors import UserError
from superfine.evaluation import (
    BenchmarkSet,
    Cache,
    Evaluation,
    Interpolation,
    Method,
    benchmark,
    evaluate,
    open_methods,
    open_set,
    open_sets,
    producing,
)
from superfine.evaluation.methods import Produce, Result
from superfine.images import Picture, in_unit, read, write
from superfine.metrics import Pair, measure
from superfine.metrics.pairs import Item
from superfine.modelfile import GRAPH, open_model, write_model

WriteNoise = Callable[..., None]


@dataclasses.dataclass(frozen=True)
class Counted(Interpolation):
    """Bicubic, that notes what it computes, and may stop at a picture as a user would."""

    computed: list[str] = dataclasses.field(default_factory=list)
    stop_at: str = ""

    def ready(self, callers: int) -> Produce:
        produce = super().ready(callers)

        def counted(bench: BenchmarkSet, item: Item, pair: Pair) -> Result:
            if item.name == self.stop_at:
                raise KeyboardInterrupt
            self.computed.append(item.name)
            return produce(bench, item, pair)

        return counted


@pytest.fixture
def bench(photos: Path) -> BenchmarkSet:
    return open_set(photos, 4)


@pytest.fixture
def known(tmp_path: Path) -> Cache:
    return Cache(tmp_path / "cache")


def test_values_are_those_of_measure(bench: BenchmarkSet, known: Cache) -> None:
    evaluation = evaluate([Interpolation("bicubic")], [bench], metrics=["psnr_y", "psnr_rgb", "ssim_y"], known=known)
    (score,) = evaluation.scores
    assert (score.method, score.set, score.scale, score.protocol) == ("bicubic", "photos", 4, "standard")
    assert list(score.pictures) == ["0", "1", "2", "3"]
    item = bench.items[1]
    pair = bench.pair(item)
    result = Interpolation("bicubic").ready(1)(bench, item, pair).pixels
    expected = measure(result, pair.hr, pair.lr, metrics=score.metrics, protocol="standard", scale=4, grey=False)
    assert score.pictures["1"] == expected
    assert score.notes == {}
    assert score.failed == ()


@pytest.mark.parametrize(("kernel", "psnr", "ssim"), [("nearest", 26.25, 0.7372), ("bicubic", 28.42, 0.8102)])
def test_the_baselines_of_set5(kernel: str, psnr: float, ssim: float, shared: Path, known: Cache) -> None:
    (score,) = evaluate([Interpolation(kernel)], open_sets([shared / "data/benchmarks/Set5"], 4), known=known).scores
    assert score.mean("psnr_y") == pytest.approx(psnr, abs=0.01)
    assert score.mean("ssim_y") == pytest.approx(ssim, abs=0.0005)


def test_the_bundled_model_scores_what_its_card_says(shared: Path, known: Cache) -> None:
    (model,) = open_methods(["compact-x4"])
    (score,) = evaluate([model], open_sets([shared / "data/benchmarks/Set5"], 4), known=known).scores
    recorded = open_model(zoo.find("compact-x4")).card.variants["fidelity"].measured
    (expected,) = [entry["psnr_y"] for entry in recorded if entry["set"] == "Set5"]
    assert score.mean("psnr_y") == pytest.approx(expected, abs=0.02)


def run(method: Method, bench: BenchmarkSet, known: Cache, **options: object) -> Evaluation:
    return evaluate([method], [bench], known=known, **options)  # type: ignore[arg-type]


def test_what_is_known_is_not_computed_again(bench: BenchmarkSet, known: Cache) -> None:
    first, again = Counted("bicubic"), Counted("bicubic")
    assert run(first, bench, known) == run(again, bench, known)
    assert sorted(first.computed) == ["0", "1", "2", "3"]
    assert again.computed == []


def test_an_interrupted_run_goes_on_where_it_was(bench: BenchmarkSet, known: Cache) -> None:
    stopped, again = Counted("bicubic", stop_at="2"), Counted("bicubic")
    with pytest.raises(KeyboardInterrupt):
        run(stopped, bench, known, jobs=1)
    run(again, bench, known)
    assert stopped.computed[:2] == ["0", "1"]
    assert "2" in again.computed
    # What was begun when the stop came is kept too.
    assert sorted([*stopped.computed, *again.computed]) == ["0", "1", "2", "3"]


def test_a_further_metric_is_added_to_what_is_known(bench: BenchmarkSet, known: Cache) -> None:
    run(Counted("bicubic"), bench, known, metrics=["psnr_y"])
    more, both = Counted("bicubic"), Counted("bicubic")
    (score,) = run(more, bench, known, metrics=["ssim_y"]).scores
    assert sorted(more.computed) == ["0", "1", "2", "3"]
    assert list(score.pictures["0"]) == ["ssim_y"]
    run(both, bench, known, metrics=["psnr_y", "ssim_y"])
    assert both.computed == []


def test_only_what_has_changed_is_computed_again(photos: Path, known: Cache, write_noise: WriteNoise) -> None:
    run(Counted("bicubic"), open_set(photos, 4), known)
    write_noise(photos / "2.png", 40, 40, 99)
    again = Counted("bicubic")
    run(again, open_set(photos, 4), known)
    assert again.computed == ["2"]


def test_another_twin_is_another_value(tmp_path: Path, known: Cache, write_noise: WriteNoise) -> None:
    folder = tmp_path / "set"
    for seed, name in enumerate("ab"):
        write_noise(folder / "HR" / f"{name}.png", 32, 32, seed)
        write_noise(folder / "LR" / f"{name}.png", 8, 8, seed)
    run(Counted("bicubic"), open_set(folder, 4), known, out=tmp_path / "out")
    write_noise(folder / "LR" / "a.png", 8, 8, 99)
    again = Counted("bicubic")
    evaluation = run(again, open_set(folder, 4), known, out=tmp_path / "out")
    assert again.computed == ["a"]  # and b is the one that is timed
    np.testing.assert_array_equal(
        read(evaluation.picture("set", "LR", "a")).pixels, read(folder / "LR" / "a.png").pixels
    )


@pytest.mark.parametrize("change", [{"protocol": "srgan2017"}, {"kernel": "nearest"}, {"scale": 2}])
def test_another_protocol_method_or_scale_is_another_value(
    change: dict[str, object], photos: Path, known: Cache, write_noise: WriteNoise
) -> None:
    run(Counted("bicubic"), open_set(photos, 4), known, metrics=["psnr_y"])
    other = Counted(str(change.get("kernel", "bicubic")))
    protocol = change.get("protocol", "standard")
    scale = 2 if "scale" in change else 4
    run(other, open_set(photos, scale), known, protocol=protocol, metrics=["psnr_y"])
    assert sorted(other.computed) == ["0", "1", "2", "3"]


@dataclasses.dataclass(frozen=True)
class Watched(Interpolation):
    """Bicubic, that notes how many pictures it is given at once."""

    at_once: list[int] = dataclasses.field(default_factory=list)
    allowed: list[int] = dataclasses.field(default_factory=list)

    def ready(self, callers: int) -> Produce:
        self.allowed.append(callers)
        produce = super().ready(callers)
        lock, now = threading.Lock(), [0]

        def watched(bench: BenchmarkSet, item: Item, pair: Pair) -> Result:
            with lock:
                now[0] += 1
                self.at_once.append(now[0])
            try:
                return produce(bench, item, pair)
            finally:
                with lock:
                    now[0] -= 1

        return watched


@pytest.mark.parametrize("allowed", [3, 2, 1])
def test_small_pictures_are_enlarged_side_by_side(
    bench: BenchmarkSet, known: Cache, monkeypatch: pytest.MonkeyPatch, allowed: int
) -> None:
    largest = max(read(item.hr).pixels[..., 0].size for item in bench.items if item.hr)
    monkeypatch.setattr(producing, "SIDE_BY_SIDE", largest * allowed)
    method = Watched("bicubic")
    run(method, bench, known, jobs=3)
    assert method.allowed == [allowed]
    assert max(method.at_once) <= allowed


def test_pictures_wait_for_room(bench: BenchmarkSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there is room for none of them, they come one after the other."""
    monkeypatch.setattr(producing, "IN_FLIGHT", 1)
    method = Watched("bicubic")
    alone = run(method, bench, Cache(tmp_path / "a"), jobs=4)
    assert set(method.at_once) == {1}
    monkeypatch.undo()
    assert alone == run(Interpolation("bicubic"), bench, Cache(tmp_path / "b"), jobs=4)


def test_a_stopped_run_begins_nothing_more(bench: BenchmarkSet, known: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    """Though others wait already for their turn: the first picture stops it, the second is under way."""
    stopped = threading.Event()
    monkeypatch.setattr(benchmark, "Event", lambda: stopped)
    monkeypatch.setattr(producing, "SIDE_BY_SIDE", 1)
    given: list[str] = []

    class Stopping(Interpolation):
        def ready(self, callers: int) -> Produce:
            produce = super().ready(callers)

            def stopping(bench: BenchmarkSet, item: Item, pair: Pair) -> Result:
                given.append(item.name)
                if len(given) == 1:
                    raise KeyboardInterrupt
                assert stopped.wait(60)
                return produce(bench, item, pair)

            return stopping

    with pytest.raises(KeyboardInterrupt):
        evaluate([Stopping("bicubic")], [bench], known=known, jobs=4)
    assert 1 <= len(given) <= 2


def test_pictures_that_fail_are_let_go(tmp_path: Path, known: Cache, write_noise: WriteNoise) -> None:
    (tmp_path / "theirs").mkdir()
    (tmp_path / "set").mkdir()
    for i in range(12):
        write_noise(tmp_path / "set" / f"{i}.png", 32, 32, 1)
        write_noise(tmp_path / "theirs" / f"{i}.png", 16, 16, 1)
    seen: list[weakref.ref[object]] = []

    class Watching(BenchmarkSet):
        def pair(self, item: Item) -> Pair:
            pair = super().pair(item)
            seen.append(weakref.ref(pair.hr))
            return pair

    whole = open_set(tmp_path / "set", 4)
    watched = Watching(whole.name, whole.scale, whole.items)
    alive: list[int] = []

    def count(done: int, total: int) -> None:
        alive.append(sum(ref() is not None for ref in seen))

    (score,) = evaluate(open_methods([str(tmp_path / "theirs")]), [watched], known=known, jobs=2, progress=count).scores
    assert len(score.failed) == 12
    assert max(alive) <= 4


def test_two_at_once_find_the_same(bench: BenchmarkSet, tmp_path: Path) -> None:
    """Two evaluations with one cache and one folder, as two processes would have them."""

    def one(_: int) -> Evaluation:
        return run(Counted("bicubic"), bench, Cache(tmp_path / "cache"), out=tmp_path / "out")

    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(one, range(2))
    assert first.scores[0].pictures == second.scores[0].pictures
    after = Counted("bicubic")
    assert run(after, bench, Cache(tmp_path / "cache"), out=tmp_path / "out").scores[0].notes == {}
    assert after.computed == []


def test_results_are_kept_where_asked(bench: BenchmarkSet, known: Cache, tmp_path: Path) -> None:
    out = tmp_path / "out"
    evaluation = run(Counted("bicubic"), bench, known, out=out)
    (score,) = evaluation.scores
    pair = bench.pair(bench.items[2])
    assert evaluation.pictures == out / "pictures"
    np.testing.assert_array_equal(read(evaluation.picture("photos", "HR", "2")).pixels, in_unit(pair.hr))
    np.testing.assert_array_equal(read(evaluation.picture("photos", "LR", "2")).pixels, pair.lr)
    kept = read(evaluation.picture("photos", "bicubic", "2")).pixels
    values = measure(kept, pair.hr, pair.lr, metrics=score.metrics, protocol="standard", scale=4, grey=False)
    assert values == score.pictures["2"]
    assert score.seconds_per_megapixel is not None
    assert score.seconds_per_megapixel > 0


def test_kept_results_are_made_again_only_where_they_are_not_right(
    bench: BenchmarkSet, known: Cache, tmp_path: Path
) -> None:
    run(Counted("bicubic"), bench, known)
    first = Counted("bicubic")
    evaluation = run(first, bench, known, out=tmp_path / "out")
    assert set(first.computed) == {"0", "1", "2", "3"}
    evaluation.picture("photos", "bicubic", "1").unlink()
    shutil.copy(evaluation.picture("photos", "bicubic", "2"), evaluation.picture("photos", "bicubic", "3"))
    evaluation.picture("photos", "HR", "0").write_bytes(b"")
    again = Counted("bicubic")
    run(again, bench, known, out=tmp_path / "out")
    assert sorted(again.computed) == ["1", "3"]
    np.testing.assert_array_equal(
        read(evaluation.picture("photos", "HR", "0")).pixels, in_unit(bench.pair(bench.items[0]).hr)
    )


def set_clock(monkeypatch: pytest.MonkeyPatch, *taken: float) -> None:
    """Let the next runs that are timed take so many seconds; a further one fails."""
    ticks = (tick for seconds in taken for tick in (0.0, seconds))
    monkeypatch.setattr(benchmark, "time", SimpleNamespace(perf_counter=lambda: next(ticks)))


@pytest.mark.parametrize(
    ("taken", "expected"), [((0.16, 0.64, 0.32), 100), ((2.0, 0.32, 0.64), 100), ((9.6, 3.2), 1000), ((9.6, 0.32), 100)]
)
def test_the_faster_of_two_runs_after_a_first_counts_or_a_single_one_where_that_is_long(
    taken: Sequence[float],
    expected: float,
    bench: BenchmarkSet,
    known: Cache,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Of the picture of middling size, which is scored as 80×40 pixels."""
    set_clock(monkeypatch, *taken)
    method = Counted("bicubic")
    (score,) = run(method, bench, known, out=tmp_path / "out").scores
    assert method.computed[: len(taken)] == ["3"] * len(taken)
    assert score.seconds_per_megapixel == pytest.approx(expected)


def test_seconds_are_known_of_each_method(
    bench: BenchmarkSet, known: Cache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    methods = [Interpolation("nearest"), Interpolation("bicubic")]
    set_clock(monkeypatch, 9.6, 3.2, 9.6, 6.4)
    for _ in range(2):
        scores = evaluate(methods, [bench], known=known, out=tmp_path / "out").scores
        assert [score.seconds_per_megapixel for score in scores] == pytest.approx([1000, 2000])


@pytest.mark.parametrize("changed", ["platform.node", "platform.machine", "cores"])
def test_seconds_are_measured_again_on_another_machine(
    changed: str, bench: BenchmarkSet, known: Cache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_clock(monkeypatch, 9.6, 3.2)
    run(Interpolation("bicubic"), bench, known, out=tmp_path / "out")
    other = benchmark.cores() + 1 if changed == "cores" else "another"
    monkeypatch.setattr(f"superfine.evaluation.benchmark.{changed}", lambda: other)
    set_clock(monkeypatch, 9.6, 6.4)
    (score,) = run(Interpolation("bicubic"), bench, known, out=tmp_path / "out").scores
    assert score.seconds_per_megapixel == pytest.approx(2000)


def test_the_nearest_to_the_middle_that_can_be_read_is_timed(
    tmp_path: Path, known: Cache, write_noise: WriteNoise, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two pictures have whole headers and nothing behind them."""
    for place, name in enumerate(("a", "b", "c", "d", "e")):
        write_noise(tmp_path / "set" / f"{name}.png", 32 + 8 * place, 40, place)
    for name in ("b", "c"):
        file = tmp_path / "set" / f"{name}.png"
        file.write_bytes(file.read_bytes()[:100])
    set_clock(monkeypatch, 9.6, 2.24)
    method = Counted("bicubic")
    (score,) = run(method, open_set(tmp_path / "set", 4), known, out=tmp_path / "out").scores
    assert score.failed == ("b", "c")
    assert method.computed[:2] == ["d", "d"]
    assert score.seconds_per_megapixel == pytest.approx(1000)


def test_nothing_is_timed_of_a_set_that_cannot_be_read(tmp_path: Path, known: Cache, write_noise: WriteNoise) -> None:
    for seed, name in enumerate(("a", "b")):
        file = tmp_path / "set" / f"{name}.png"
        write_noise(file, 32, 32, seed)
        file.write_bytes(file.read_bytes()[:100])
    (score,) = run(Counted("bicubic"), open_set(tmp_path / "set", 4), known, out=tmp_path / "out").scores
    assert score.failed == ("a", "b")
    assert score.seconds_per_megapixel is None


def test_a_grey_result_is_kept_as_it_was_scored(tmp_path: Path, known: Cache, write_noise: WriteNoise) -> None:
    write_noise(tmp_path / "set" / "grey.png", 64, 64, 1, channels=1)
    bench = open_set(tmp_path / "set", 4)
    evaluation = evaluate(open_methods(["compact-x4"]), [bench], known=known, out=tmp_path / "out")
    kept = read(evaluation.picture("set", "compact-x4", "grey"))
    assert kept.grey
    pair = bench.pair(bench.items[0])
    values = measure(kept.pixels, pair.hr, pair.lr, metrics=["psnr_y"], protocol="standard", scale=4, grey=True)
    assert values["psnr_y"] == pytest.approx(evaluation.scores[0].pictures["grey"]["psnr_y"], abs=1e-6)


def test_what_cannot_be_scored_is_noted_and_the_rest_is_scored(
    tmp_path: Path, known: Cache, write_noise: WriteNoise
) -> None:
    folder, tool = tmp_path / "set", tmp_path / "tool"
    for number, name in enumerate(("a", "b", "cut", "missing", "same", "size", "tiny")):
        side = 16 if name == "tiny" else 48
        write_noise(folder / f"{name}.png", side, side, number)
        write_noise(tool / f"{name}_out.png", side, 44 if name == "size" else side, number + 10)
    (tool / "missing_out.png").unlink()
    shutil.copy(folder / "same.png", tool / "same_out.png")
    (folder / "cut.png").write_bytes(b"no picture")

    tool_score, bicubic = evaluate(open_methods([str(tool), "bicubic"]), open_sets([folder], 4), known=known).scores

    assert list(tool_score.pictures) == ["a", "b", "same"]
    assert tool_score.failed == ("cut", "missing", "size", "tiny")
    assert tool_score.pictures["same"]["psnr_y"] == math.inf
    assert tool_score.mean("psnr_y") == np.mean([tool_score.pictures[name]["psnr_y"] for name in "ab"])
    assert list(tool_score.notes) == ["cut", "missing", "same", "size", "tiny"]
    assert tool_score.notes["same"] == "no error that PSNR-Y sees: infinite, left out of the mean"
    assert "has no picture of missing" in tool_score.notes["missing"]
    assert "size_out.png: is 44×48, its original 48×48" in tool_score.notes["size"]
    assert "cut.png" in tool_score.notes["cut"]
    assert bicubic.failed == ("cut", "tiny")
    assert list(bicubic.pictures) == ["a", "b", "missing", "same", "size"]


def test_an_infinite_lr_psnr_is_no_identity(tmp_path: Path, known: Cache, write_noise: WriteNoise) -> None:
    write_noise(tmp_path / "set" / "a.png", 48, 48, 1)
    original = read(tmp_path / "set" / "a.png").pixels
    original[20, 20] += np.float32(np.where(original[20, 20] < 0.5, 1, -1) / 255)  # too little to show at a quarter
    (tmp_path / "tool").mkdir()
    write(Picture(original), tmp_path / "tool" / "a.png")
    methods, sets = open_methods([str(tmp_path / "tool")]), open_sets([tmp_path / "set"], 4)
    (score,) = evaluate(methods, sets, metrics=["psnr_rgb", "lr_consistency"], known=known).scores
    assert score.pictures["a"]["lr_consistency"] == math.inf
    assert math.isfinite(score.pictures["a"]["psnr_rgb"])
    assert score.notes == {"a": "no error that LR-PSNR sees: infinite, left out of the mean"}


def test_what_is_measured_is_kept_though_the_picture_cannot_be(
    bench: BenchmarkSet, known: Cache, tmp_path: Path
) -> None:
    (tmp_path / "out" / "pictures").mkdir(parents=True)
    (tmp_path / "out" / "pictures" / bench.name).write_text("in the way")
    first, again = Counted("bicubic"), Counted("bicubic")
    with pytest.warns(UserWarning, match="12 of the pictures could not be written: .*cannot be made"):
        (score,) = run(first, bench, known, out=tmp_path / "out").scores
    assert score.failed == ()
    (score,) = run(again, bench, known).scores
    assert score.failed == ()
    assert again.computed == []


def test_a_damaged_model_of_niqe_is_told_once(bench: BenchmarkSet, known: Cache, tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(b"no model")
    counted = Counted("bicubic")
    with pytest.raises(UserError, match=r"model\.safetensors: damaged, or no model of NIQE"):
        run(counted, bench, known, metrics=["psnr_y", "niqe"], weights={"niqe": tmp_path / "model.safetensors"})
    assert counted.computed == []


def test_a_model_that_gives_no_numbers_is_noted(bench: BenchmarkSet, known: Cache, tmp_path: Path) -> None:
    bundled = open_model(zoo.find("compact-x4"))
    broken = {name: np.full_like(tensor, np.nan) for name, tensor in bundled.weights("fidelity").items()}
    card = dataclasses.replace(bundled.card, dial="0", variants={"fidelity": bundled.card.variants["fidelity"]})
    write_model(tmp_path / "broken", card, bundled.read(GRAPH), {"fidelity": broken})
    (score,) = evaluate(open_methods([str(tmp_path / "broken")]), [bench], known=known, out=tmp_path / "out").scores
    assert score.failed == ("0", "1", "2", "3")
    assert all("not finite" in note for note in score.notes.values())
    assert math.isnan(score.mean("psnr_y"))


def test_progress_counts_every_picture_of_every_method(tmp_path: Path, photos: Path, known: Cache) -> None:
    (photos / "1.png").write_bytes(b"no picture")
    seen: list[tuple[int, int]] = []
    methods = [Interpolation("nearest"), Interpolation("bicubic")]
    evaluate(methods, [open_set(photos, 4)], known=known, progress=lambda done, total: seen.append((done, total)))
    assert seen == [(done, 8) for done in range(9)]


@pytest.mark.parametrize(
    ("metrics", "protocol", "reason"),
    [
        (["psnr_y", "beauty"], "standard", "metric beauty: unknown; choose among psnr_y"),
        (["psnr_y"], "mine", "protocol mine: unknown; choose one of standard, srgan2017"),
        ([], "standard", "metrics: none given"),
    ],
)
def test_unknown_names_are_told_before_anything_is_computed(
    metrics: Sequence[str], protocol: str, reason: str, bench: BenchmarkSet, known: Cache
) -> None:
    counted = Counted("bicubic")
    with pytest.raises(UserError, match=reason):
        run(counted, bench, known, metrics=metrics, protocol=protocol)
    assert counted.computed == []


def test_weights_are_part_of_what_is_known(shared: Path, tmp_path: Path, known: Cache, write_noise: WriteNoise) -> None:
    pytest.importorskip("torch")
    write_noise(tmp_path / "set" / "a.png", 96, 96, 1)
    bench = open_set(tmp_path / "set", 4)
    file = shared / "data/weights/vgg19_conv3_1.safetensors"
    first, again, renamed = Counted("bicubic"), Counted("bicubic"), Counted("bicubic")
    evaluation = run(first, bench, known, metrics=["vgg_distance"], weights={"vgg_distance": file})
    assert evaluation.scores[0].mean("vgg_distance") > 0
    assert evaluation.weights == {"vgg_distance": str(file)}
    run(again, bench, known, metrics=["vgg_distance"], weights={"vgg_distance": file})
    assert again.computed == []
    (tmp_path / "damaged.safetensors").write_bytes(file.read_bytes()[:1000])
    with pytest.raises(UserError, match=r"damaged\.safetensors"):
        damaged = {"vgg_distance": tmp_path / "damaged.safetensors"}
        run(renamed, bench, known, metrics=["vgg_distance"], weights=damaged)
    assert renamed.computed == []


@pytest.mark.parametrize(
    ("metric", "file", "reason"),
    [
        ("vgg_distance", "x", "weights of vgg_distance: it is not measured"),
        ("psnr_y", "x", "weights of psnr_y: it has none"),
        ("niqe", "missing", "missing: does not exist"),
    ],
)
def test_weights_that_are_of_no_use_are_told(
    metric: str, file: str, reason: str, bench: BenchmarkSet, known: Cache, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match=reason):
        run(Counted("bicubic"), bench, known, metrics=["psnr_y", "niqe"], weights={metric: tmp_path / file})


def test_a_set_of_another_scale_is_refused(photos: Path, known: Cache) -> None:
    with pytest.raises(UserError, match="compact-x4: enlarges 4 times, photos is for 2"):
        evaluate(open_methods(["compact-x4"]), [open_set(photos, 2)], known=known)


def test_a_folder_that_cannot_be_made_is_told(bench: BenchmarkSet, known: Cache, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot be made"):
        run(Counted("bicubic"), bench, known, out=tmp_path / "file" / "out")


def test_an_evaluation_tells_what_made_it(bench: BenchmarkSet, known: Cache) -> None:
    methods = open_methods(["bicubic", "compact-x4"])
    evaluation = evaluate(methods, [bench], known=known, command="superfine evaluate ...")
    assert evaluation.command == "superfine evaluate ..."
    assert {"superfine", "python", "numpy", "openvino"} <= set(evaluation.versions)
    assert evaluation.versions["machine"].endswith(f"{cores()} cores")
    assert not evaluation.versions["machine"].startswith(",")
    assert evaluation.hashes == {method.name: method.hash([bench]) for method in methods}
    assert evaluation.recipes == {"bicubic": "bicubic", "compact-x4": "compact-fidelity"}


def test_results_never_take_the_place_of_what_is_read(tmp_path: Path, known: Cache, write_noise: WriteNoise) -> None:
    original, tool = tmp_path / "pictures" / "set" / "HR" / "a.png", tmp_path / "pictures" / "set" / "tool"
    write_noise(original, 33, 35, 0)
    write_noise(tool / "a.png", 32, 32, 1)
    before = original.read_bytes(), (tool / "a.png").read_bytes()
    sets = open_sets([original.parents[1]], 4)
    with pytest.raises(
        UserError, match=r"results are written there, and .*a\.png is to be read; choose another folder"
    ):
        evaluate(open_methods(["bicubic"]), sets, out=tmp_path, known=known)

    write_noise(tmp_path / "set" / "a.png", 32, 32, 0)
    methods = open_methods([str(tool)])
    with pytest.raises(UserError, match=r"results are written there, and .*tool is to be read"):
        evaluate(methods, open_sets([tmp_path / "set"], 4), out=tmp_path, known=known)
    assert (original.read_bytes(), (tool / "a.png").read_bytes()) == before
    assert evaluate(methods, open_sets([tmp_path / "set"], 4), out=tmp_path / "out", known=known).scores[0].pictures


def test_a_result_that_was_not_cropped_as_its_original_is(
    tmp_path: Path, known: Cache, write_noise: WriteNoise
) -> None:
    write_noise(tmp_path / "set" / "a.png", 33, 35, 0)
    for side, way_out in (
        (33, "crop it to that"),
        (64, "make it 4 times as large as its input"),
        (8, "make it 4 times as large as its input"),
    ):
        write_noise(tmp_path / f"{side}" / "a.png", side, side + 2, 1)
        methods = open_methods([str(tmp_path / f"{side}")])
        (score,) = evaluate(methods, open_sets([tmp_path / "set"], 4), known=known).scores
        assert score.notes["a"].endswith(f"is {side + 2}×{side}, its original 32×32; {way_out}")


def test_links_that_lead_nowhere_are_noted_beside_what_is_kept(
    tmp_path: Path, known: Cache, write_noise: WriteNoise
) -> None:
    write_noise(tmp_path / "set" / "a.png", 32, 32, 0)
    (tmp_path / "set" / "loop.png").symlink_to("loop.png")
    sets = open_sets([tmp_path / "set"], 4)
    (score,) = evaluate(open_methods(["bicubic"]), sets, out=tmp_path / "out", known=known).scores
    assert list(score.pictures) == ["a"]
    assert score.failed == ("loop",)


def test_scores_are_not_lost_where_pictures_cannot_be_written(
    tmp_path: Path, known: Cache, write_noise: WriteNoise
) -> None:
    for name in ("a", "b"):
        write_noise(tmp_path / "set" / f"{name}.png", 32, 32, 0)
    folder = tmp_path / "out" / "pictures" / "set"
    folder.mkdir(parents=True)
    (folder / "nearest").write_bytes(b"")
    said: list[str] = []
    methods, sets = open_methods(["nearest", "bicubic"]), open_sets([tmp_path / "set"], 4)
    evaluation = evaluate(methods, sets, out=tmp_path / "out", known=known, say=said.append)
    assert [len(score.pictures) for score in evaluation.scores] == [2, 2]
    assert not any(score.notes for score in evaluation.scores)
    (line,) = said
    assert line.startswith("2 of the pictures could not be written: ")
    assert "nearest: cannot be made: File exists; give another folder" in line
    assert sorted(file.name for file in (folder / "bicubic").iterdir()) == ["a.png", "b.png"]
    (folder / "nearest").unlink()
    evaluate(methods, sets, out=tmp_path / "out", known=known, say=said.append)
    assert sorted(file.name for file in (folder / "nearest").iterdir()) == ["a.png", "b.png"]
    assert len(said) == 1


def test_damaged_weights_are_told_before_other_work(tmp_path: Path, known: Cache, write_noise: WriteNoise) -> None:
    write_noise(tmp_path / "set" / "a.png", 64, 64, 0)
    weights = tmp_path / "vgg19.safetensors"
    weights.write_bytes(b"{}")
    called: list[tuple[int, int]] = []
    with pytest.raises(UserError, match="vgg19"):
        evaluate(
            open_methods(["bicubic"]),
            open_sets([tmp_path / "set"], 4),
            metrics=("psnr_y", "vgg_distance"),
            weights={"vgg_distance": weights},
            out=tmp_path / "out",
            known=known,
            progress=lambda done, total: called.append((done, total)),
        )
    assert not list((tmp_path / "out").rglob("*.png"))
    assert called == [(0, 1)]
