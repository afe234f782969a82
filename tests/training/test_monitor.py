"""The log of a run."""

import json
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
