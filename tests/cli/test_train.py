"""``superfine data pack`` and ``superfine train``, as they are typed."""

import json
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from superfine.cli.main import main


def test_the_pack_of_the_folder_one_is_in(photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(photos)
    assert main(["data", "pack", "."]) == 0
    assert (photos.parent / "photos.pack" / "pack.json").exists()


def test_photographs_to_a_finished_run(
    photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (photos / "broken.jpg").write_bytes(b"\xff\xd8 and no more")
    made = tmp_path / "my.pack"
    assert main(["data", "pack", str(photos), "-o", str(made)]) == 0
    printed = capsys.readouterr().out
    assert "skipped broken.jpg: " in printed
    assert "5 pictures" in printed

    arguments = [
        *(
            "train",
            "compact-fidelity",
            "--data",
            str(made),
            "-o",
            str(tmp_path / "run"),
            "--steps",
            "3",
            "--batch",
            "2",
        ),
        *("--patch", "6", "--set", "network.channels=8", "--set", "network.convs=1", "--validation", str(photos)),
        *("--validate-every", "2"),
    ]
    (photos / "broken.jpg").unlink()
    assert main(arguments) == 0
    assert "finished; PSNR-Y " in capsys.readouterr().out
    with monkeypatch.context() as patch:
        patch.setenv("RANK", "1")
        assert main(arguments) == 0
        assert capsys.readouterr().out == "", "of several processes one speaks"
    run = json.loads((tmp_path / "run" / "run.json").read_text())
    assert run["config"] == {"channels": 8, "convs": 1, "scale": 4}
    assert run["data"]["name"] == "my"
    assert shlex.split(run["command"]) == ["superfine", *arguments]
    assert (tmp_path / "run" / "weights.safetensors").exists()
    assert sorted(file.name for file in (tmp_path / "run" / "panels").iterdir()) == [
        f"step-000000{n}.png" for n in (2, 3)
    ]


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        (["--set", "steps"], "--set steps: is not NAME=VALUE"),
        (["--set", "widht=3"], "there is no setting 'widht'"),
        (["--patch", "500"], "no picture has 2000×2000 pixels"),
        (["--patch", "6", "--device", "abacus"], "--device abacus: cannot be used"),
        (["--patch", "6", "--validation", "nowhere"], "nowhere: is not a folder"),
        (["--seed", "-1"], "--seed -1: give 0 or more"),
        (["--seed", "99999999999999999999999"], "--seed 99999999999999999999999: give 0 or more"),
        (["--threads", "0"], "--threads 0: give 1 or more"),
        (["--minutes", "nan"], "--minutes nan: give 0 or more"),
        (["--patch", "6", "--features", "nowhere.pth"], "the recipe has no content loss; leave it out"),
        (["--patch", "6", "--validate-every", "0"], "--validate-every 0: is not positive; give 1 or more"),
    ],
)
def test_what_cannot_be_done_is_one_line(
    photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], extra: list[str], message: str
) -> None:
    made = tmp_path / "my.pack"
    main(["data", "pack", str(photos), "-o", str(made)])
    capsys.readouterr()
    status = main(["train", "compact-fidelity", "--data", str(made), "-o", str(tmp_path / "run"), *extra])
    error = capsys.readouterr().err
    assert status == 1
    assert message in error
    assert error.count("\n") == 1
    assert not (tmp_path / "run").exists()


def test_unknown_recipe_and_missing_pack(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "esrgan2", "--data", str(tmp_path / "no.pack")]) == 1
    assert "recipe 'esrgan2': unknown" in capsys.readouterr().err
    assert main(["train", "compact-fidelity", "--data", str(tmp_path / "no.pack")]) == 1
    assert "no.pack: is not a pack; make one with superfine data pack" in capsys.readouterr().err


def test_without_torch_the_way_out_is_named(tmp_path: Path) -> None:
    code = "import sys; sys.modules['torch'] = None; from superfine.cli.main import main; sys.exit(main())"
    command = [sys.executable, "-c", code, "train", "compact-fidelity", "--data", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr == 'superfine: training needs torch; install it with: pip install "superfine[train]"\n'
