"""The log of a run."""

import json
import os
import sys
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace

import pytest

from superfine.training import monitor as monitors
from superfine.training.monitor import Monitor


def test_a_validation_does_not_count_in_the_speed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr(monitors, "time", SimpleNamespace(monotonic=lambda: now))
    with Monitor(tmp_path, 0, 20) as monitor:
        now += 5
        with monitor.apart():
            now += 100
        now += 3
        with monitor.waiting():
            now += 2
        monitor.record(10, {"l1": 0.5}, patches=4)
        now += 20
        monitor.record(20, {"l1": 0.5}, patches=4)
    first, second = (json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines())
    assert (first["patches_per_second"], first["waiting_for_data"]) == (4.0, 0.2)
    assert (second["patches_per_second"], second["waiting_for_data"]) == (2.0, 0.0)


def test_a_rollback_forgets_the_time_waited_before_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr(monitors, "time", SimpleNamespace(monotonic=lambda: now))
    with Monitor(tmp_path, 0, 20) as monitor:
        with monitor.waiting():
            now += 10
        monitor.rewind(0, "the loss is nan")
        with monitor.waiting():
            now += 1
        now += 1
        monitor.record(10, {"l1": 0.5}, patches=4)
    assert json.loads((tmp_path / "log.jsonl").read_text())["waiting_for_data"] == 0.5


def test_slow_steps_are_told_of_between_records(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    now = 1000.0
    monkeypatch.setattr(monitors, "time", SimpleNamespace(monotonic=lambda: now))
    with Monitor(tmp_path, 0, 100) as monitor:
        for step in range(1, 12):
            now += 10
            if step % 5:
                monitor.going(step)
            else:
                monitor.record(step, {"l1": 0.5}, patches=4)
    told = [line.split("  ")[0] for line in capsys.readouterr().err.splitlines()]
    assert told == [f"step {step}/100" for step in (3, 5, 8, 10)]
    assert len((tmp_path / "log.jsonl").read_text().splitlines()) == 2


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such terminals")
def test_a_terminal_that_was_closed_stops_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import pty

    screen, terminal = pty.openpty()
    with suppress(OSError), os.fdopen(terminal, "w") as stderr:
        monkeypatch.setattr(sys, "stderr", stderr)
        with Monitor(tmp_path, 0, 20) as monitor:
            monitor.say("somebody reads")
            os.close(screen)
            monitor.say("nobody does")
            monitor.record(20, {"l1": 0.5}, patches=4)
        monkeypatch.undo()
    assert json.loads((tmp_path / "log.jsonl").read_text())["l1"] == 0.5
