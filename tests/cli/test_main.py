"""The command itself: help without heavy imports, versions, unknown words."""

import logging
import os
import subprocess
import sys
from contextlib import suppress
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

import superfine
from superfine.cli.main import main
from superfine.cli.progress import bar
from superfine.cli.say import say
from superfine.images import Picture, write

HEAVY = {"torch", "openvino", "numpy", "pyvips", "rich.progress", "safetensors"}


def test_help_imports_nothing_heavy() -> None:
    code = """
import sys
from superfine.cli.main import main
for command in sys.argv[1:]:
    main([*command.split(), "--help"])
print(*sys.modules, file=sys.stderr)
"""
    commands = ["", "upscale", "compare", "models", "data", "train", "evaluate", "metrics"]
    done = subprocess.run([sys.executable, "-c", code, *commands], capture_output=True, text=True, check=True)
    for command in commands:
        assert f"Usage: {' '.join(['superfine', *command.split()])} " in done.stdout
    assert HEAVY.isdisjoint(done.stderr.split())


def test_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    main(["--help"])
    printed = capsys.readouterr().out
    for command in ("upscale", "models", "data", "train", "evaluate"):
        assert command in printed


def test_what_the_package_logs_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    logging.getLogger("superfine.pretrained").info("fetching %s", "weights")
    logging.getLogger("another").warning("its own business")
    assert capsys.readouterr().err == "superfine: fetching weights\n"


@pytest.mark.skipif(os.name == "nt", reason="needs POSIX pipes")
def test_a_reader_that_goes_away() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    run = subprocess.run(
        [sys.executable, "-m", "superfine", "models"], stdout=writing, stderr=subprocess.PIPE, text=True
    )
    os.close(writing)
    assert (run.returncode, run.stderr) == (1, "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
@pytest.mark.parametrize("arguments", [["models"], ["--version"]])
def test_a_full_disk_for_what_is_printed(arguments: list[str]) -> None:
    with Path("/dev/full").open("wb") as full:
        run = subprocess.run(
            [sys.executable, "-m", "superfine", *arguments], stdout=full, stderr=subprocess.PIPE, text=True
        )
    assert run.returncode == 1
    assert run.stderr.startswith("superfine: what is printed cannot be written: No space left on device; free some")
    assert run.stderr.count("\n") == 1


@pytest.mark.skipif(os.name == "nt", reason="needs a POSIX shell")
@pytest.mark.parametrize("closed", [">&-", "2>&-", ">&- 2>&-"])
def test_closed_streams(closed: str, tmp_path: Path) -> None:
    write(Picture(np.zeros((4, 4, 3), np.float32)), tmp_path / "a.png")
    command = f"exec {sys.executable} -m superfine upscale a.png {closed}"
    run = subprocess.run(["sh", "-c", command], capture_output=True, text=True, cwd=tmp_path)
    assert run.returncode == 0, run.stderr
    assert "Traceback" not in run.stderr
    assert (tmp_path / "a@4x.png").exists()


def test_what_is_said_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    say("a\nb\x1b[2J\udce9 猫 [bold].png: é")
    assert capsys.readouterr().err == "superfine: a\\nb\\x1b[2J\\udce9 猫 [bold].png: é\n"


def _all_of(terminal: int) -> bytes:
    """What was written to the other, closed end; a read returns only a part of it, and fails at its end on Linux."""
    shown = b""
    with os.fdopen(terminal, "rb", buffering=0) as reading, suppress(OSError):
        while piece := reading.read(4096):
            shown += piece
    return shown


def test_what_is_said_beside_a_progress_bar_is_not_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    reading, writing = pytest.importorskip("pty").openpty()
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setenv("TERM", "xterm")
    with os.fdopen(writing, "w") as terminal, monkeypatch.context() as replaced:
        replaced.setattr(sys, "stderr", terminal)
        with bar("working", "files") as progress:
            progress(1, 2)
            say("a line [red] " + 15 * "word ")
            terminal.flush()
    shown = _all_of(reading).decode()
    assert "superfine: a line [red] " + 15 * "word " in shown
    assert "working" in shown


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.strip() == superfine.__version__


def test_brackets_are_letters_of_a_name(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "list", "[x]"]) == 1
    assert capsys.readouterr().err.startswith("superfine: [x]: no such model;")


@pytest.mark.parametrize(
    ("arguments", "option", "value"),
    [
        (["upscale", "a.png", "--tile", "30.5"], "--tile", "30.5"),
        (["evaluate", "bicubic", "--sets", "Set5", "--jobs", "1.5"], "--jobs", "1.5"),
        (["data", "preview", "absent", "-o", "sheet.png", "--count", "2.5"], "--count", "2.5"),
    ],
)
def test_a_fraction_is_no_whole_number(
    arguments: list[str], option: str, value: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 1
    assert f"{option}: give a whole number, not {value}." in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["upscale", ""], ""),
        (["upscale", "photo.png", "-o", ""], "Invalid value for -o: "),
        (["upscale", "photo.png", "--model", ""], "Invalid value for --model: "),
        (["data", "pack", "photos", ""], ""),
        (["data", "pages", "--count", "1", "--side", "64", "-o", ""], "Invalid value for -o: "),
        (["evaluate", "bicubic", "--sets", ""], "Invalid value for --sets: "),
        (["models", "show", ""], ""),
    ],
)
def test_an_empty_name_is_not_the_current_folder(
    arguments: list[str],
    named: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 1
    assert capsys.readouterr().err.startswith(f"superfine: {named}an argument is empty; ")
    assert not [*tmp_path.iterdir()]


def test_a_description_may_be_empty(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "publish", f"{tmp_path / 'absent'}", "-o", f"{tmp_path / 'new'}", "--description", ""]) == 1
    assert "absent" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "command"),
    [
        (["upscal"], "superfine"),
        (["train"], "superfine train"),
        (["evaluate", "bicubic"], "superfine evaluate"),
        (["train", "x", "--data", "y", "--stepz", "3"], "superfine train"),
        (["data", "pack", "x", "--qq", "3"], "superfine data pack"),
    ],
)
def test_what_is_mistyped_is_refused(arguments: list[str], command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 1
    said = capsys.readouterr().err
    assert said.startswith("superfine: ")
    assert said.endswith(f" See {command} --help.\n")
    assert said.count("\n") == 1


def test_words_that_nothing_takes_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "lst", "more"]) == 1
    assert capsys.readouterr().err == "superfine: Not understood: lst more. See superfine models --help.\n"


@pytest.mark.parametrize("command", ["upscale", "train", "evaluate", "data pack", "models publish", "models list"])
def test_help_fills_its_lines(
    command: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The docstrings are wrapped for the source; a narrower terminal wraps the paragraphs anew."""
    monkeypatch.setenv("COLUMNS", "80")
    main([*command.split(), "--help"])
    lines = [line.rstrip() for line in capsys.readouterr().out.split("╭")[0].splitlines()]
    ragged = [
        line
        for line, following in pairwise(lines)
        if line and following and len(line) + 1 + len(following.split()[0]) <= 80
    ]
    assert len(lines) > 3
    assert ragged == []
