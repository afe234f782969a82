"""``superfine evaluate``: score models on benchmark sets."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from superfine.errors import UserError


def evaluate(
    models: list[str],
    /,
    *,
    sets: Annotated[list[Path], Parameter(consume_multiple=True, negative="")],
    device: str = "auto",
    record: Annotated[bool, Parameter(negative="")] = False,
) -> int:
    """Score models on folders of pictures, and print a table with its protocol.

    Parameters
    ----------
    models
        Bundled models, model folders, or nearest, bilinear, bicubic.
    sets
        Folders of high-resolution pictures; where one has the folders HR and LRbicx4, these are the pictures and their twins.
    device
        auto, cpu, torch, cuda, mps.
    record
        Write the scores to the cards of the models.
    """
    from superfine import load
    from superfine.cli.progress import bar
    from superfine.evaluation import INTERPOLATIONS, Interpolation, Score, table
    from superfine.evaluation import evaluate as run

    rows: dict[str, list[Score]] = {}
    for given in models:
        enlarger = Interpolation(given) if given in INTERPOLATIONS else load(given, device=device)
        name = given if isinstance(enlarger, Interpolation) else enlarger.card.name
        row = given if name in rows else name  # two folders may hold models of one name
        with bar(row, "sets") as progress:
            rows[row] = []
            for folder in sets:
                progress(len(rows[row]), len(sets))
                rows[row].append(run(enlarger, folder))
        if record:
            _record(given, [score.record() for score in rows[row]])
    print(table(rows))
    return 0


def _record(name: str, measured: list[dict[str, object]]) -> None:
    from superfine.evaluation import INTERPOLATIONS
    from superfine.modelfile import record

    if name in INTERPOLATIONS:
        return
    if not Path(name).is_dir():
        raise UserError(f"{name}: is a bundled model; give the path of a model folder to record its scores")
    record(Path(name), "fidelity", measured)
