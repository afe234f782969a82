"""The command that records keep."""

import sys

import pytest

from superfine.cli import typed
from superfine.cli.main import main


def test_of_a_process_and_of_a_call(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["/usr/bin/superfine", "models", "list"])
    main(["metrics", "list", "a b"])
    assert typed.command() == "superfine metrics list 'a b'"
    monkeypatch.setattr("superfine.cli.main.app", lambda *_, **__: 0)
    main()
    assert typed.command() == "superfine models list"
