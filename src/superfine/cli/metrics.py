"""``superfine metrics``: what can be measured, and NIQE's model of pristine photographs."""

from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from superfine.cli.say import columns

app = App(name="metrics", help="List the metrics, fit NIQE's model of pristine photographs.")


@app.default
def default() -> int:
    """List the metrics."""
    return list_metrics()


@app.command(name="list")
def list_metrics() -> int:
    """List the metrics: name, label, which direction is better, what it looks at, what it needs."""
    from superfine.metrics import METRICS

    rows = [("name", "label", "better", "compares with", "needs")]
    for metric in METRICS.values():
        better = "higher" if metric.higher_is_better else "lower"
        against = "original" if metric.reference else "input" if metric.name == "lr_consistency" else "nothing"
        rows.append((metric.name, metric.label, better, against, ", ".join(sorted(metric.needs))))
    print(*columns(rows), sep="\n")
    return 0


@app.command
def fit_niqe(
    folder: Path,
    /,
    *,
    out: Annotated[Path, Parameter(name=["--out", "-o"])],
    every: int = 1,
    description: str = "",
) -> int:
    """Fit NIQE's model to photographs without visible faults, from their sharp blocks.

    Parameters
    ----------
    folder
        The photographs; folders in it are searched too.
    out
        The model to write, a .safetensors file; an existing one is replaced.
    every
        N to take every Nth photograph only.
    description
        What the photographs are, kept in the model.
    """
    from superfine.cli.progress import bar
    from superfine.errors import UserError
    from superfine.files import is_folder
    from superfine.metrics import fit_niqe as fit
    from superfine.metrics import write_pristine

    if out.suffix != ".safetensors":
        raise UserError(f"{out}: a model is a .safetensors file; give such a name")
    if not is_folder(out.parent):
        raise UserError(f"{out.parent}: is not a folder; make it first, or give another place")
    with bar("fitting", "photographs") as progress:
        model = fit(folder, every=every, description=description or folder.resolve().name, progress=progress)
    write_pristine(model, out)
    print(f"{out}: {model.about['blocks']} sharp blocks of {model.about['photographs']} photographs")
    return 0
