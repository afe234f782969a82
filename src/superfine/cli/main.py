"""The command line: registers the commands, and turns an error for the user into one line and status 1."""

import errno
import logging
import os
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from io import TextIOWrapper
from pathlib import Path
from typing import Any

from cyclopts import App, CycloptsError, Parameter, Token, UnusedCliTokensError, convert

from superfine.cli import compare, data, evaluate, metrics, models, train, typed, upscale
from superfine.cli.say import say
from superfine.errors import UserError
from superfine.version import __version__


def _converted(hint: Any, tokens: Sequence[Token]) -> Any:
    """What was typed, as cyclopts reads it; but a fraction is no whole number, where cyclopts would round it, and nothing is no
    name: as a path it would be the current folder."""
    if hint is int and "." in tokens[0].value:
        raise ValueError(f"give a whole number, not {tokens[0].value}.")
    if "" in (token.value for token in tokens) and tokens[0].keyword != "--description":
        raise ValueError("an argument is empty; give it, or leave it out (is a variable of the shell unset?).")
    return convert(hint, tokens)


class _Said(logging.Handler):
    """What the package logs, said as all else is."""

    def emit(self, record: logging.LogRecord) -> None:
        say(record.getMessage())


logger = logging.getLogger("superfine")
logger.setLevel(logging.INFO)
logger.addHandler(_Said())

app = App(
    name="superfine",
    help="Turn small pictures into large photo-realistic ones, and train and measure the networks that do it.",
    version=__version__,
    result_action="return_value",
    suppress_keyboard_interrupt=False,
    help_format="markdown",
    default_parameter=Parameter(json_list=False, json_dict=False, converter=_converted),  # "[x]" is a name
)
app.command(upscale.upscale)
app.command(compare.compare)
app.command(models.app)
app.command(data.app)
app.command(train.train)
app.command(evaluate.evaluate)
app.command(metrics.app)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status: 0 all done, 1 something failed and was said, 130 interrupted."""
    typed.arguments.set(arguments)
    try:
        status = app(arguments, exit_on_error=False, print_error=False)
    except UserError as error:
        say(str(error))
        return 1
    except CycloptsError as error:
        command = " ".join(("superfine", *(error.command_chain or ())))
        text = " ".join(str(error).split())
        if isinstance(error, UnusedCliTokensError):
            text = f"Not understood: {' '.join(error.unused_tokens or ())}."
        say(f"{text} See {command} --help.")
        return 1
    except KeyboardInterrupt:
        say("interrupted")
        return 130
    return status if isinstance(status, int) else 0


def run() -> None:
    """Entry point of the ``superfine`` command."""
    # Python has none for a stream that whoever called has closed.
    sys.stdout, sys.stderr = (stream or Path(os.devnull).open("w") for stream in (sys.stdout, sys.stderr))  # noqa: SIM115
    # Where the output goes to a file or a pipe it may be in an encoding that lacks some letters of a name.
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    # What asks a program to end, asks it like Ctrl-C to leave nothing behind.
    for name in ("SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)  # Windows has no SIGHUP
        if number is not None and signal.getsignal(number) == signal.SIG_DFL:
            signal.signal(number, signal.default_int_handler)
    try:
        status = main()
        sys.stdout.flush()
    except OSError as error:
        # Of what is printed: whoever read it has seen enough, as `head` does, or it goes to a disk that is full.
        if error.errno not in (errno.EPIPE, errno.ENOSPC, errno.EDQUOT) or error.filename is not None:
            raise
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if error.errno != errno.EPIPE:
            with suppress(OSError):  # where errors are said to the same disk
                say(f"what is printed cannot be written: {error.strerror}; free some space or print to another disk")
        status = 1
    sys.exit(status)
