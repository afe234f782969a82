"""The commands of the pages: the command line takes them, and those of our trainings are the ones that were run."""

import json
import re
import shlex
import shutil
import subprocess
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path

import pytest

from superfine.cli.main import app
from superfine.training.recipes import PixelRecipe

LEFT_OUT = "[...]"
"""Stands for the settings of the first training before it."""

TrainedBy = Callable[[Sequence[str]], tuple[PixelRecipe, int]]

SHELL = """\
PATH=
command_not_found_handle() { :; }
superfine() { printf '%s\\0' superfine "$@" $'\\n'; }
python() { printf '%s\\0' python "$@" $'\\n'; }
"""


def commands(page: Path, folder: Path) -> list[list[str]]:
    """The words of all superfine and python commands in the fences of a page, as a shell expands them; none is run.

    What ``[...]`` stands for is put in its place.
    """
    bash = shutil.which("bash")
    if not bash:
        pytest.skip("needs bash")
    found: list[list[str]] = []
    for language, block in re.findall(r"^```(\w*)\n(.*?)^```$", page.read_text(encoding="utf-8"), re.M | re.S):
        if language not in ("", "bash", "sh"):
            continue
        done = subprocess.run([bash, "-c", SHELL + block], cwd=folder, capture_output=True, text=True, check=False)
        first: list[str] = []
        for line in done.stdout.split("\0\n\0")[:-1]:
            words = line.split("\0")
            if words[1] == "train":
                first = first or words
            if LEFT_OUT in words:
                place = words.index(LEFT_OUT)
                taken = {"--set"} | {"--batch", "--patch", "--validation"} - set(words)
                words[place : place + 1] = [word for pair in pairwise(first) if pair[0] in taken for word in pair]
            found.append(words)
    return found


def test_the_command_line_takes_the_commands_of_the_pages(
    page: Path, root: Path, trained_by: TrainedBy, tmp_path: Path
) -> None:
    for program, *words in commands(page, tmp_path):
        if program == "python":
            assert words[0] == "-c" or (root / words[0]).is_file()
            continue
        app.parse_args(words, exit_on_error=False, print_error=False)
        if words[0] == "train":
            trained_by(words)  # no setting that its recipe lacks


def test_the_trainings_of_the_pages_are_those_that_were_run(
    pages: list[Path], root: Path, trained_by: TrainedBy, tmp_path: Path
) -> None:
    compared = set()
    records = {file.parent.name: file for file in (root / "runs" / "zoo").glob("*/run.json")}
    for page in pages:
        for program, *words in commands(page, tmp_path):
            if (program, words[0]) != ("superfine", "train") or "kodak24" not in words:
                continue
            name = Path(words[words.index("-o") + 1]).name if "-o" in words else words[1]
            if name not in records:
                continue
            run = shlex.split(json.loads(records[name].read_text(encoding="utf-8"))["command"])
            assert trained_by(words) == trained_by(run[1:]), f"{page.name}: {name}"
            compared.add(name)
    assert compared == set(records)
