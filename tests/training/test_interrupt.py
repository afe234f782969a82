"""The wish to stop: which signals are one, and what two of them are."""

import signal
import sys
from collections.abc import Iterator

import pytest

from superfine.training.interrupt import stop_signals

if sys.platform == "win32":
    pytest.skip("Windows has no SIGHUP", allow_module_level=True)

ASKING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def missed(number: int, frame: object) -> None:
    """Instead of what ends the tests."""


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    before = {number: signal.signal(number, missed) for number in ASKING}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", ASKING)
def test_a_signal_is_a_wish(number: signal.Signals) -> None:
    with stop_signals() as stop:
        assert stop.asked is None
        signal.raise_signal(number)
        assert stop.asked == number
    assert signal.getsignal(number) is missed


def test_only_a_second_ctrl_c_does_not_wait() -> None:
    """The others come twice by themselves."""
    with stop_signals() as stop:
        try:
            for number in (signal.SIGHUP, signal.SIGHUP, signal.SIGTERM, signal.SIGTERM):
                signal.raise_signal(number)
        except KeyboardInterrupt:
            pytest.fail("the step at hand was not waited for")
        assert stop.asked == signal.SIGTERM
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)


def test_what_is_ignored_under_nohup_stays_ignored() -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    with stop_signals() as stop:
        signal.raise_signal(signal.SIGHUP)
        assert stop.asked is None
    assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
