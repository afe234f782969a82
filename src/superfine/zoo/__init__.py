"""The models that come with superfine, each a folder beside this file."""

from contextlib import suppress
from pathlib import Path

from superfine.errors import UserError

DEFAULT = "compact-x4"
"""The model that is used where none is named."""

MODELS = (DEFAULT, "rrdb-x4", "srresnet-x4", "srcnn-x4")


def catalogue() -> dict[str, Path]:
    """The bundled model folders by name, the default first. They are not opened here."""
    return {name: Path(__file__).parent / name for name in MODELS}


def find(model: str | Path) -> Path:
    """The folder of a bundled model's name, else the folder itself; a path of several parts is never taken for a name.

    Raises
    ------
    UserError
        Neither a bundled model nor there.
    """
    path = catalogue().get(str(model), Path(model))
    if not is_there(path) and str(model) not in MODELS:
        head, _, dial = str(model).rpartition(":")
        if head in MODELS:
            raise UserError(f"{model}: is no model's name, but {head} is; give that, and {dial!r} as its dial")
        raise UserError(
            f"{model}: no bundled model ({', '.join(MODELS)}) and no such folder; `superfine models` lists them"
        )
    return path


def find_with_dial(text: str) -> tuple[Path, str | None]:
    """A model, as for :func:`find`, and what stands behind its colon: ``MODEL``, ``MODEL:variant``, ``MODEL:0.6``."""
    # A path may hold a colon itself, as Windows' do.
    model, colon, dial = text.rpartition(":")
    if not colon or text in MODELS or is_there(Path(text)):
        return find(text), None
    return find(model), dial


def is_there(path: Path) -> bool:
    """Whether there is something, as far as one can see."""
    with suppress(OSError):  # from a name that is too long, or in a folder that is closed
        return path.exists()
    return False
