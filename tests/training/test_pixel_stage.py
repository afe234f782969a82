"""The pixel stage: it learns, it resumes bit for bit after kill -9, and it says clearly what it cannot do."""

import json
import math
import os
import resource
import runpy
import signal
import subprocess
import sys
import time
from collections.abc import Iterable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from superfine import losses
from superfine.checkpoints.interpolation import interpolate
from superfine.checkpoints.publish import publish
from superfine.data import Batches, Pack
from superfine.errors import UserError
from superfine.networks import build
from superfine.training import course
from superfine.training.average import Average
from superfine.training.distributed import World
from superfine.training.pixel_stage import train
from superfine.training.recipes import PixelRecipe
from superfine.training.runs import Run
from superfine.training.schedules import learning_rate
from superfine.training.setup import Options


def records(run: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("loss", ["l1", "mse"])
@pytest.mark.parametrize("precision", ["bf16", "f32"])
def test_the_loss_falls(small_pack: Pack, small_recipe: PixelRecipe, tmp_path: Path, loss: str, precision: str) -> None:
    recipe = replace(small_recipe, loss=loss, precision=precision, steps=60)
    run = train("small", recipe, small_pack, tmp_path / "run", options=Options(log_every=10))
    values = [record[loss] for record in records(run.path)]
    assert run.finished
    assert len(values) == 6
    assert values[-1] < 0.9 * values[0]
    assert {"step", "rate", "waiting_for_data", "patches_per_second"} <= records(run.path)[-1].keys()
    assert list((run.path / "tensorboard").iterdir())


KILLED = """
import os
import sys
from pathlib import Path
import torch
import torch._dynamo, torch.utils.tensorboard  # which optimiser and monitor import, and which take longer than all else
torch.set_num_threads(1)
from superfine.data import Pack
from superfine.networks.compact import CompactConfig
from superfine.training.pixel_stage import train
from superfine.training.recipes import PixelRecipe, Schedule
from superfine.training.setup import Options
recipe = PixelRecipe(
    CompactConfig(channels=8, convs=2), steps=200, batch=4, patch=6, schedule=Schedule(rate=2e-3, warmup=2)
)

def attempt():
    train("small", recipe, Pack(Path(sys.argv[1])), Path(sys.argv[2]), options=Options(save_every=10, log_every=5))

if __name__ != "__main__":
    attempt()
else:
    for _ in sys.stdin:
        child = os.fork()
        if not child:
            attempt()
            os._exit(0)
        print(child, flush=True)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


def test_kill_9_and_the_same_command_again_end_with_the_same_bits(
    small_pack: Pack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = tmp_path / "train.py"
    script.write_text(KILLED)
    monkeypatch.setattr(sys, "argv", [str(script), str(small_pack.path), str(tmp_path / "whole")])
    runpy.run_path(str(script))

    run = tmp_path / "killed"
    steps = [0]
    # Each attempt is a process of its own, forked off one that has imported torch.
    command = [sys.executable, str(script), str(small_pack.path), str(run)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as forking:
        assert forking.stdin is not None
        assert forking.stdout is not None
        for _ in range(2):
            print(file=forking.stdin, flush=True)
            child = int(forking.stdout.readline())
            awaited = f'"step": {steps[-1] + 20},'
            while not (run / "log.jsonl").exists() or awaited not in (run / "log.jsonl").read_text():
                os.kill(child, 0)  # which fails where it ended by itself
                time.sleep(0.002)
            os.kill(child, signal.SIGKILL)
            assert int(forking.stdout.readline()) == -signal.SIGKILL
            steps.append(torch.load(run / "checkpoint.pt", weights_only=True)["step"])
    assert 0 < steps[1] < steps[2] < 200, "both attempts were cut short, and the second went on from the first"
    monkeypatch.setattr(sys, "argv", [str(script), str(small_pack.path), str(run)])
    runpy.run_path(str(script))

    file = "weights.safetensors"
    assert (run / file).read_bytes() == (tmp_path / "whole" / file).read_bytes()
    ends = [torch.load(folder / "checkpoint.pt", weights_only=True) for folder in (run, tmp_path / "whole")]
    torch.testing.assert_close(*ends, rtol=0, atol=0)
    timeless = [
        [
            {key: value for key, value in record.items() if "second" not in key and "waiting" not in key}
            for record in log
        ]
        for log in (records(run), records(tmp_path / "whole"))
    ]
    assert timeless[0] == timeless[1], "the log has neither gaps nor repeated steps"
    assert not list(run.glob(".*")), "no half-written file is left after the next attempt"


def test_ctrl_c_keeps_the_step_at_hand(small_pack: Pack, small_recipe: PixelRecipe, tmp_path: Path) -> None:
    recipe = replace(small_recipe, steps=100_000)
    original = Pack.lr
    calls = 0

    def interrupting(self: Pack, i: int) -> object:
        nonlocal calls
        calls += 1
        if calls == 40:
            os.kill(os.getpid(), signal.SIGINT)
        return original(self, i)

    with pytest.MonkeyPatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Pack, "lr", interrupting)
        train("small", recipe, small_pack, tmp_path / "run", options=Options(save_every=100_000))
    assert torch.load(tmp_path / "run" / "checkpoint.pt", weights_only=True)["step"] > 0
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGHUP")
def test_a_terminal_that_closes_pauses_the_run(
    small_pack: Pack, small_recipe: PixelRecipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    follow = course.averaging.follow

    def closing(average: Average, network: nn.Module, decay: float, step: int) -> None:
        follow(average, network, decay, step)
        if step == 5:
            signal.raise_signal(signal.SIGHUP)
            signal.raise_signal(signal.SIGHUP)

    monkeypatch.setattr(course.averaging, "follow", closing)
    before = signal.signal(signal.SIGHUP, lambda number, frame: None)
    try:
        run = train("small", small_recipe, small_pack, tmp_path / "run")
    finally:
        signal.signal(signal.SIGHUP, before)
    assert not run.finished
    assert torch.load(run.path / "checkpoint.pt", weights_only=True)["step"] == 5
    monkeypatch.undo()
    assert train("small", small_recipe, small_pack, tmp_path / "run").finished


def test_a_run_from_before_a_setting_existed_goes_on(
    small_pack: Pack, small_recipe: PixelRecipe, tmp_path: Path
) -> None:
    run = train("small", small_recipe, small_pack, tmp_path / "run", options=Options(minutes=0.0))
    description = json.loads((run.path / "run.json").read_text())
    del description["recipe"]["consistency"], description["recipe"]["content"], description["config"]["scale"]
    del description["recipe"]["schedule"]["factor"], description["recipe"]["teacher_weight"], description["teacher"]
    (run.path / "run.json").write_text(json.dumps(description))
    with pytest.raises(UserError, match="holds a run with another recipe"):
        train("small", replace(small_recipe, consistency=1.0), small_pack, run.path)
    with pytest.raises(UserError, match="holds a run with another recipe"):
        schedule = replace(small_recipe.schedule, factor=0.1)
        train("small", replace(small_recipe, schedule=schedule), small_pack, run.path)
    assert train("small", small_recipe, small_pack, run.path).finished


def test_weights_that_are_gone_are_not_finished(small_pack: Pack, small_recipe: PixelRecipe, tmp_path: Path) -> None:
    run = train("small", small_recipe, small_pack, tmp_path / "run")
    file = run.path / "weights.safetensors"
    # Whoever may read the folder may publish from it.
    assert file.stat().st_mode == (run.path / "run.json").stat().st_mode
    made = file.read_bytes()
    file.unlink()
    assert train("small", small_recipe, small_pack, run.path).finished
    assert file.read_bytes() == made, "the last checkpoint has them"
    file.unlink()
    (run.path / "checkpoint.pt").unlink()
    with pytest.raises(UserError, match=r"run: is finished, but its weights\.safetensors is gone; name a new folder"):
        train("small", small_recipe, small_pack, run.path)


def test_two_at_once_do_not_train_in_one_folder(small_pack: Pack, small_recipe: PixelRecipe, tmp_path: Path) -> None:
    run = train("small", small_recipe, small_pack, tmp_path / "run", options=Options(minutes=0.0))
    before = {file.name: file.read_bytes() for file in run.path.iterdir() if file.is_file()}
    with run.alone(), pytest.raises(UserError, match="run: another process trains there; wait for it"):
        train("small", small_recipe, small_pack, run.path)
    assert {file.name: file.read_bytes() for file in run.path.iterdir() if file.is_file()} == before
    # Neither is one written where the other process has none yet.
    (run.path / "checkpoint.pt").unlink()
    with run.alone(), pytest.raises(UserError, match="run: another process trains there; wait for it"):
        train("small", small_recipe, small_pack, run.path)
    assert not (run.path / "checkpoint.pt").exists()
    assert train("small", small_recipe, small_pack, run.path).finished


def test_a_log_that_a_crash_has_damaged_goes_on(small_pack: Pack, small_recipe: PixelRecipe, tmp_path: Path) -> None:
    options = Options(log_every=1, save_every=4)
    train("small", small_recipe, small_pack, tmp_path / "whole", options=options)
    run = train("small", small_recipe, small_pack, tmp_path / "run", options=replace(options, minutes=0.0))
    with (run.path / "log.jsonl").open("ab") as log:
        log.write(b'{"step": 1, "l1\n' + bytes(9) + b'\n5\n{"step": "1"}\n{"step": 1, "l')
    assert train("small", small_recipe, small_pack, run.path, options=options).finished
    assert [record["step"] for record in records(run.path)] == list(range(1, 13))


def test_it_starts_from_a_model_folder(small_pack: Pack, small_recipe: PixelRecipe, tmp_path: Path) -> None:
    first = train("small", small_recipe, small_pack, tmp_path / "first")
    model = publish(first.path, tmp_path / "model")
    still = replace(small_recipe, steps=1, schedule=replace(small_recipe.schedule, rate=0.0))
    run = train("small", still, small_pack, tmp_path / "run", options=Options(init=model.path))
    published = {key: torch.from_numpy(value.astype(np.float32)) for key, value in model.weights("fidelity").items()}
    torch.testing.assert_close(load_file(run.path / "weights.safetensors"), published, rtol=0, atol=1e-7)
    assert run.description["start"]["training"]["name"] == "small"


def test_it_tells_when_its_weights_have_seen_the_same_crops_before(
    small_pack: Pack, small_recipe: PixelRecipe, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = replace(small_recipe, steps=1)

    def told(name: str, init: Path | None, seed: int = 1, patch: int = 6) -> bool:
        train("x", replace(recipe, patch=patch), small_pack, tmp_path / name, seed=seed, options=Options(init=init))
        return "very crops" in capsys.readouterr().err

    first = tmp_path / "first"
    assert not told("first", None)
    assert told("again", first)
    assert not told("again", first)  # it is finished
    assert not told("other", first, seed=2)
    assert told("at two removes", tmp_path / "other")
    assert not told("larger", first, patch=7)
    publish(first, tmp_path / "a")
    publish(tmp_path / "other", tmp_path / "b")
    between = interpolate((tmp_path / "a", None), (tmp_path / "b", None), 0.5, tmp_path / "between")
    assert told("from a mixture", between.path, seed=2)
    assert not told("from a mixture, other", between.path, seed=3)


def test_a_time_budget_pauses_with_a_checkpoint(small_pack: Pack, small_recipe: PixelRecipe, tmp_path: Path) -> None:
    run = train("small", small_recipe, small_pack, tmp_path / "run", options=Options(minutes=0.0))
    assert not run.finished
    assert torch.load(run.path / "checkpoint.pt", weights_only=True)["step"] == 1
    assert train("small", small_recipe, small_pack, tmp_path / "run").finished
    whole = train("small", small_recipe, small_pack, tmp_path / "whole")
    assert (run.path / "weights.safetensors").read_bytes() == (whole.path / "weights.safetensors").read_bytes()


def test_the_published_weights_are_the_moving_average(
    small_pack: Pack, small_recipe: PixelRecipe, tmp_path: Path
) -> None:
    run = train("small", replace(small_recipe, average=0.0), small_pack, tmp_path / "off")
    state = torch.load(run.path / "checkpoint.pt", weights_only=True)
    weights = load_file(run.path / "weights.safetensors")
    assert all(torch.equal(weights[key], state["network"][key]) for key in weights)

    # After the first update, by hand: average = d · start + (1 − d) · weights, with d = min(0.999, 1 / 11).
    paused = train("small", small_recipe, small_pack, tmp_path / "on", options=Options(minutes=0.0))
    state = torch.load(paused.path / "checkpoint.pt", weights_only=True)
    torch.manual_seed(1)
    for key, start in build("compact", asdict(small_recipe.network)).state_dict().items():
        torch.testing.assert_close(state["average"][key], start / 11 + state["network"][key] * 10 / 11)


def test_another_run_in_the_folder_is_refused(small_pack: Pack, small_recipe: PixelRecipe, tmp_path: Path) -> None:
    train("small", small_recipe, small_pack, tmp_path / "run")
    before = (tmp_path / "run" / "weights.safetensors").read_bytes()
    with pytest.raises(UserError, match="holds a run with another recipe"):
        train("small", replace(small_recipe, batch=5), small_pack, tmp_path / "run")
    with pytest.raises(UserError, match="another seed"):
        train("small", small_recipe, small_pack, tmp_path / "run", seed=2)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.tex").write_text("")
    with pytest.raises(UserError, match="other things"):
        train("small", small_recipe, small_pack, tmp_path / "full")
    assert train("small", small_recipe, small_pack, tmp_path / "run").finished
    assert (tmp_path / "run" / "weights.safetensors").read_bytes() == before


def test_a_damaged_checkpoint_is_one_line(small_pack: Pack, small_recipe: PixelRecipe, tmp_path: Path) -> None:
    run = train("small", small_recipe, small_pack, tmp_path / "run", options=Options(minutes=0.0))
    file = run.path / "checkpoint.pt"
    for content in (file.read_bytes()[: file.stat().st_size // 2], b"", b"\x80\x02"):
        file.write_bytes(content)
        with pytest.raises(UserError, match=r"checkpoint\.pt: cannot be continued from .*; delete it"):
            train("small", small_recipe, small_pack, tmp_path / "run")


@pytest.mark.parametrize("content", [b"{", b"\xff\xfe", b"5", b'{"recipe": {}, "data": null, "finished": true}'])
def test_a_damaged_record_is_one_line(
    small_pack: Pack, small_recipe: PixelRecipe, tmp_path: Path, content: bytes
) -> None:
    run = train("small", replace(small_recipe, steps=1), small_pack, tmp_path / "run")
    (run.path / "run.json").write_bytes(content)
    with pytest.raises(UserError, match=r"run: (is damaged|its run\.json names no architecture)"):
        train("small", small_recipe, small_pack, tmp_path / "x", options=Options(init=run.path))
    with pytest.raises(UserError, match=r"run\.json: is damaged .*; name a new folder with -o"):
        train("small", small_recipe, small_pack, tmp_path / "run")


def test_a_run_goes_on_without_the_folder_it_started_from(
    small_pack: Pack, small_recipe: PixelRecipe, tmp_path: Path
) -> None:
    train("small", replace(small_recipe, steps=1), small_pack, tmp_path / "base")
    whole = train("small", small_recipe, small_pack, tmp_path / "a", options=Options(init=tmp_path / "base"))
    train("small", small_recipe, small_pack, tmp_path / "b", options=Options(init=tmp_path / "base", minutes=0.0))
    (tmp_path / "base").rename(tmp_path / "elsewhere")
    resumed = train("small", small_recipe, small_pack, tmp_path / "b", options=Options(init=tmp_path / "base"))
    first, second = (load_file(run.path / "weights.safetensors") for run in (whole, resumed))
    assert all(torch.equal(first[key], second[key]) for key in first)
    with pytest.raises(UserError, match="base: is neither a run nor a model folder"):
        train("small", small_recipe, small_pack, tmp_path / "c", options=Options(init=tmp_path / "base"))


@pytest.mark.parametrize("room", [2_000, 12_000])
def test_a_full_disk_is_one_line_and_the_run_goes_on(
    small_pack: Pack, small_recipe: PixelRecipe, tmp_path: Path, room: int
) -> None:
    """The system's limit of a file's size stands for the disk: writing fails as it does on a full one."""
    started = replace(small_recipe, steps=4)
    as_it_was = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, as_it_was[1]))
    try:
        with pytest.raises(UserError, match=r"run: cannot be written to \(.*File too large.*make room"):
            train("small", started, small_pack, tmp_path / "run", options=Options(save_every=2, log_every=1))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, as_it_was)
    assert not list((tmp_path / "run").glob(".*.part"))
    assert train("small", started, small_pack, tmp_path / "run", options=Options(save_every=2, log_every=1)).finished


@pytest.fixture
def ill_once(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """The sixth time that the loss L1 is computed, it is not a number; grows by an element each time."""
    calls: list[bool] = []

    def l1(result: Tensor, target: Tensor) -> Tensor:
        calls.append(len(calls) == 5)
        return losses.l1(result, target) * (math.nan if calls[-1] else 1)

    monkeypatch.setitem(losses.PIXEL_LOSSES, "l1", l1)
    return calls


def test_a_passing_illness_is_survived_with_half_the_rate(
    small_pack: Pack, small_recipe: PixelRecipe, tmp_path: Path, ill_once: list[bool]
) -> None:
    run = train("small", small_recipe, small_pack, tmp_path / "run", options=Options(log_every=2, save_every=4))
    assert run.finished
    assert len(ill_once) == 14, "steps 5 and 6 are done twice"
    log = [record["step"] for record in records(run.path)]
    assert log == [2, 4, 6, 8, 10, 12]
    assert records(run.path)[-1]["rate"] == pytest.approx(learning_rate(small_recipe.schedule, 11, 12) / 2)
    assert all(value.isfinite().all() for value in load_file(run.path / "weights.safetensors").values())
    with np.load(run.path / "failures" / "step-0000006.npz") as dump:
        assert str(dump["term"]) == "l1"
        np.testing.assert_array_equal(dump["hr"], Batches(small_pack, seed=1, batch=4, patch=6)(5)[1])


def test_a_full_disk_in_a_rollback_is_one_line(
    small_pack: Pack, small_recipe: PixelRecipe, tmp_path: Path, ill_once: list[bool]
) -> None:
    recipe = replace(small_recipe, batch=200)  # whose dump is larger than a checkpoint
    options = Options(log_every=2, save_every=4)
    as_it_was = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, as_it_was[1]))
    try:
        with pytest.raises(UserError, match=r"run: cannot be written to \(File too large.*make room"):
            train("small", recipe, small_pack, tmp_path / "run", options=options)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, as_it_was)
    assert ill_once[-1], "it ends in the rollback"
    assert not list((tmp_path / "run" / "failures").iterdir())
    assert train("small", recipe, small_pack, tmp_path / "run", options=options).finished


def test_slow_steps_are_saved_sooner(
    small_pack: Pack,
    small_recipe: PixelRecipe,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    ill_once: list[bool],
) -> None:
    monkeypatch.setattr(course, "SAVE_WITHIN", -1.0)
    run = train("small", small_recipe, small_pack, tmp_path / "run", options=Options(log_every=2))
    assert run.finished
    assert len(ill_once) == 14, "it goes back to step 4, where a line of the log is"


def test_what_was_best_on_a_way_that_was_given_up_is_gone(
    small_pack: Pack,
    small_recipe: PixelRecipe,
    tmp_path: Path,
    photos: Path,
    monkeypatch: pytest.MonkeyPatch,
    ill_once: list[bool],
) -> None:
    seen: list[tuple[dict[str, Any] | None, bool]] = []
    forget = Run.forget_validations

    def forgetting(self: Run, step: int) -> None:
        forget(self, step)
        record = json.loads((self.path / "run.json").read_text())
        seen.append((record["validation"], (self.path / "best-psnr.safetensors").exists()))

    monkeypatch.setattr(Run, "forget_validations", forgetting)
    options = Options(log_every=6, save_every=12, validation=photos, validate_every=5)
    run = train("small", small_recipe, small_pack, tmp_path / "run", options=options)
    assert seen == [({"set": "photos", "psnr_y": None, "step": None, "best": {}}, False)]
    assert run.validation is not None
    assert run.validation["step"] == 12
    assert (run.path / "best-psnr.safetensors").exists()


def test_what_was_measured_before_the_checkpoint_stays(
    small_pack: Pack, small_recipe: PixelRecipe, tmp_path: Path
) -> None:
    run = train("small", small_recipe, small_pack, tmp_path / "run", options=Options(minutes=0.0))
    run.note_validation("photos", 3, 25.0, 0.5)
    run.best("psnr").touch()
    run.note_validation("photos", 7, 24.0, 0.4)
    run.best("perceptual").touch()
    run.forget_validations(7)
    assert run.validation is not None
    assert (run.validation["psnr_y"], run.validation["step"]) == (24.0, 7)
    assert run.validation["best"]["perceptual"] == {"value": 0.4, "step": 7}
    assert run.best("perceptual").exists()
    run.forget_validations(5)
    assert run.validation == {
        "set": "photos",
        "psnr_y": None,
        "step": None,
        "best": {"psnr": {"value": 25.0, "step": 3}},
    }
    assert run.best("psnr").exists()
    assert not run.best("perceptual").exists()
    run.forget_validations(2)
    assert not run.best("psnr").exists()


@pytest.mark.skipif(sys.platform != "linux", reason="other systems' names are text")
def test_names_that_are_no_text(small_pack: Pack, small_recipe: PixelRecipe, tmp_path: Path, photos: Path) -> None:
    name = os.fsdecode(b"caf\xe9")
    with pytest.raises(UserError, match="is no text, as the names of TensorBoard's folders must be; name another"):
        train("small", small_recipe, small_pack, tmp_path / name)
    assert not (tmp_path / name).exists()
    pack = Pack(small_pack.path.rename(tmp_path / f"{name}.pack"))
    command = f"superfine train --validation {photos.rename(tmp_path / name)}"
    options = Options(validation=tmp_path / name, validate_every=6)
    paused = replace(options, minutes=0.0)
    train("small", small_recipe, pack, tmp_path / "run", command=command, options=paused)
    run = train("small", small_recipe, pack, tmp_path / "run", command=command, options=options)
    assert run.finished
    assert run.description["command"] == command
    assert run.description["data"]["name"] == name
    assert run.validation is not None
    assert run.validation["set"] == name


def test_an_illness_just_before_a_validation_is_survived(
    small_pack: Pack, small_recipe: PixelRecipe, tmp_path: Path, photos: Path, ill_once: list[bool]
) -> None:
    options = Options(log_every=4, save_every=4, validation=photos, validate_every=3)
    run = train("small", small_recipe, small_pack, tmp_path / "run", options=options)
    assert run.finished
    assert len(ill_once) == 14, "it goes back to step 4 at once"
    log = records(run.path)
    assert [record["step"] for record in log if "psnr_y/photos" in record] == [3, 6, 9, 12]
    assert [record["step"] for record in log if "l1" in record] == [4, 8, 12]
    assert (run.path / "failures" / "step-0000006.npz").exists()


def test_weights_that_an_update_ruined_are_not_saved(
    small_pack: Pack, small_recipe: PixelRecipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The loss of that update was a good one: it is of the weights before."""
    average_gradients = World.average_gradients
    calls = 0

    def ruining(self: World, parameters: Iterable[nn.Parameter]) -> None:
        nonlocal calls
        calls += 1
        given = list(parameters)
        average_gradients(self, given)
        if calls == 8:
            assert given[0].grad is not None
            given[0].grad.fill_(math.inf)

    monkeypatch.setattr(World, "average_gradients", ruining)
    run = train("small", small_recipe, small_pack, tmp_path / "run", options=Options(log_every=2, save_every=4))
    assert run.finished
    assert calls == 16, "steps 5 to 8 are done twice"
    assert all(value.isfinite().all() for value in load_file(run.path / "weights.safetensors").values())
    with np.load(run.path / "failures" / "step-0000008.npz") as dump:
        assert str(dump["term"]) == "weights"


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"), True),
        (
            RuntimeError("[enforce fail at alloc_cpu.cpp:124] err == 0. DefaultCPUAllocator: can't allocate memory"),
            True,
        ),
        (MemoryError("Unable to allocate 9.00 TiB for an array"), True),
        (RuntimeError("CUDA error: an illegal memory access was encountered"), False),
    ],
)
def test_too_little_memory_is_one_line_and_the_run_goes_on(
    small_pack: Pack, small_recipe: PixelRecipe, tmp_path: Path, error: Exception, told: bool
) -> None:
    def failing(self: World, parameters: Iterable[nn.Parameter]) -> None:
        raise error

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(World, "average_gradients", failing)
        with pytest.raises(UserError if told else RuntimeError) as raised:
            train("small", small_recipe, small_pack, tmp_path / "run")
    if told:
        assert "run: cpu has no memory for a step; close other programs and give the same command" in str(raised.value)
    assert train("small", small_recipe, small_pack, tmp_path / "run").finished


def test_killed_before_its_record_was_whole_it_begins(
    small_pack: Pack, small_recipe: PixelRecipe, tmp_path: Path
) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / ".run.json.0-1.0.part").write_text('{"name": ')
    assert train("small", small_recipe, small_pack, tmp_path / "run").finished
    assert not list((tmp_path / "run").glob(".*"))


def test_a_loss_that_stays_ill_gives_up(small_pack: Pack, small_recipe: PixelRecipe, tmp_path: Path) -> None:
    wild = replace(small_recipe, steps=40, schedule=replace(small_recipe.schedule, rate=1e30))
    message = (
        r"l1 is (nan|inf) at step \d+, after 3 times of going back .*; its batch is in .*npz; start anew with a lower"
    )
    with pytest.raises(UserError, match=message):
        train("small", wild, small_pack, tmp_path / "run", options=Options(log_every=5))
    assert not (tmp_path / "run" / "weights.safetensors").exists()


def test_unknown_devices_and_scales_are_refused(small_pack: Pack, small_recipe: PixelRecipe, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="--device abacus"):
        train("small", small_recipe, small_pack, tmp_path / "run", options=Options(device="abacus"))
    with pytest.raises(UserError, match="is packed for ×4, the recipe is ×2"):
        train(
            "small", replace(small_recipe, network=replace(small_recipe.network, scale=2)), small_pack, tmp_path / "r"
        )
    assert not (tmp_path / "r").exists()
