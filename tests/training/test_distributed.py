"""Several processes train what one trains, and can take over from each other."""

import json
import runpy
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from superfine.data import Pack
from superfine.errors import UserError
from superfine.training.distributed import World, join

TRAIN = """
import os
import signal
import sys
from dataclasses import replace
from pathlib import Path
import torch
torch.set_num_threads(1)
from superfine.data import Pack
from superfine.networks.compact import CompactConfig
from superfine.networks.discriminators import PatchDiscriminatorConfig, UNetDiscriminatorConfig
from superfine.training import adversarial_stage, course, pixel_stage
from superfine.training.distributed import join
from superfine.training.recipes import AdversarialRecipe, PixelRecipe, Schedule
from superfine.training.setup import Options
pack, out, until = Pack(Path(sys.argv[1])), Path(sys.argv[2]), sys.argv[3]
common = {"batch": 4, "patch": 8, "precision": "f32"}
fidelity = PixelRecipe(CompactConfig(channels=8, convs=2), steps=40, schedule=Schedule(rate=2e-3), **common)
relativistic = AdversarialRecipe(
    CompactConfig(channels=8, convs=2), steps=20, schedule=Schedule(rate=1e-3), **common,
    discriminator=UNetDiscriminatorConfig(channels=4), adversarial="relativistic", adversarial_weight=5e-3,
)
paired = replace(
    relativistic, discriminator=PatchDiscriminatorConfig(channels=4), adversarial="paired",
    discriminator_input="residual", r1=3e-3,
)
options = Options(log_every=1, save_every=5, device="cpu")
follow = course.averaging.follow

def interrupted(average, network, decay, step):
    follow(average, network, decay, step)
    if str(step) == until and os.environ["RANK"] == "1":
        signal.raise_signal(signal.SIGTERM)

with join("cpu"):
    course.averaging.follow = interrupted
    pixel_stage.train("small", fidelity, pack, out / "fidelity", options=options)
    course.averaging.follow = follow
    for recipe in (relativistic, paired):
        adversarial_stage.train("gan", recipe, pack, out / recipe.adversarial, options=options)
threads = [file.read_text() for file in Path("/proc/self/task").glob("*/comm")] if "RANK" in os.environ else []
assert not [name for name in threads if "gloo" in name], "one that outlives its group aborts the process now and then"
"""


@pytest.fixture
def script(tmp_path: Path) -> Path:
    file = tmp_path / "train.py"
    file.write_text(TRAIN)
    return file


def alone(script: Path, *arguments: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", [str(script), *arguments])
        runpy.run_path(str(script))


def together(script: Path, *arguments: str) -> None:
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    done = subprocess.run([*torchrun, str(script), *arguments], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr


def records(run: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]


def test_two_processes_follow_one_and_either_goes_on_with_the_other(
    script: Path, small_pack: Pack, tmp_path: Path
) -> None:
    alone(script, str(small_pack.path), str(tmp_path / "one"), "all")
    # Of the two one is told to stop, so both pause at once; one goes on with what they have done.
    together(script, str(small_pack.path), str(tmp_path / "two"), "17")
    assert [record["step"] for record in records(tmp_path / "two" / "fidelity")] == list(range(1, 18))
    assert not (tmp_path / "two" / "fidelity" / "weights.safetensors").exists()
    alone(script, str(small_pack.path), str(tmp_path / "two"), "all")

    for stage, steps in {"fidelity": 40, "relativistic": 20, "paired": 20}.items():
        one, two = records(tmp_path / "one" / stage), records(tmp_path / "two" / stage)
        assert len(one) == len(two) == steps
        for a, b in zip(one, two, strict=True):
            assert a["step"] == b["step"]
            for term in {"l1", "adversarial", "discriminator"} & a.keys():
                assert abs(a[term] - b[term]) < 1e-4
            # Only the difference: a relativistic loss does not feel a constant added to all logits, so the last bias has
            # no gradient but rounding errors, which Adam makes steps of.
            if "d_real" in a:
                assert abs((a["d_real"] - a["d_fake"]) - (b["d_real"] - b["d_fake"])) < 1e-4
    ends = [load_file(tmp_path / name / "fidelity" / "weights.safetensors") for name in ("one", "two")]
    torch.testing.assert_close(*ends, rtol=0, atol=1e-4)


def test_a_batch_is_divided_evenly_or_not_at_all() -> None:
    worlds = [World(rank, 4, torch.device("cpu")) for rank in range(4)]
    assert [world.part(8) for world in worlds] == [slice(0, 2), slice(2, 4), slice(4, 6), slice(6, 8)]
    with pytest.raises(UserError, match="--batch 6: cannot be divided over 4 processes"):
        worlds[0].part(6)


def test_alone_nothing_is_exchanged() -> None:
    with join("cpu") as world:
        assert (world.rank, world.size, world.is_main) == (0, 1, True)
        assert world.any(True)
        assert not world.any(False)
        assert world.mean(torch.tensor(3.0)) == 3.0
        world.wait()
