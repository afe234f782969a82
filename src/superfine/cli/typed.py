"""The command as it was typed, which the records of runs and of evaluations keep."""

import shlex
import sys
from collections.abc import Sequence
from contextvars import ContextVar

arguments: ContextVar[Sequence[str] | None] = ContextVar("arguments", default=None)
"""Those that :func:`superfine.cli.main.main` was called with; None for the process's own."""


def command() -> str:
    """``superfine`` and its arguments, quoted for a shell."""
    given = arguments.get()
    return shlex.join(["superfine", *(sys.argv[1:] if given is None else given)])
