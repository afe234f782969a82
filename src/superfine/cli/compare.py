"""``superfine compare``: a contact sheet for choosing a model."""

import sys
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from superfine.errors import UserError
from superfine.text import one_line


def compare(
    photo: Path,
    /,
    *,
    models: Annotated[list[str] | None, Parameter(consume_multiple=True, negative="")] = None,
    dial: str | None = None,
    crop: str | None = None,
    output: Annotated[Path | None, Parameter(name=["--output", "-o"])] = None,
    device: str = "auto",
    overwrite: Annotated[bool, Parameter(negative="")] = False,
) -> int:
    """Lay what each model makes of one crop of a photograph side by side, to choose one.

    photo.jpg gets photo-compare.png beside it: the photograph with the crop framed, the crop itself, bicubic, and each model at
    each position of its dial. Only the crop is computed, so it takes seconds.

    Parameters
    ----------
    photo
        The picture to choose a model for.
    models
        Names that superfine models lists, and model folders; all of the list if left out.
    dial
        Positions from 0 (fidelity) to 1 (texture), for each dial of a model: 0.5 is photo-0.5 too, where there is one.
        0,0.25,0.5,0.75,1 if left out, and each model's default in place of the nearest.
    crop
        X,Y,W,H in pixels of the photograph; the most detailed 80×64 if left out.
    output
        The sheet; its suffix chooses the format.
    device
        auto (a GPU if torch finds one, else cpu), cpu (OpenVINO), torch (its best device), torch:cpu, cuda, mps.
    overwrite
        Replace a sheet that exists.
    """
    # OpenVINO's converters are imported along with it, unless they cannot be: 0.07 s for what enlarging never uses.
    sys.modules.setdefault("openvino.tools.ovc", None)  # type: ignore[arg-type]
    from os.path import lexists

    from superfine.cli.progress import bar
    from superfine.evaluation.compare import compare as make
    from superfine.evaluation.figures.crops import parse_box
    from superfine.files import is_folder, resolved
    from superfine.images import format_of, write

    sheet = photo.parent / f"{photo.stem}-compare.png" if output is None else output
    format_of(sheet)
    if resolved(sheet) == resolved(photo):
        raise UserError(f"{sheet}: would replace the photograph itself; give another -o")
    if lexists(sheet) and not overwrite:
        raise UserError(f"{sheet}: exists already; give --overwrite to replace it, or another -o")
    if not is_folder(sheet.parent):
        raise UserError(f"{sheet.parent}: is not a folder; make it first, or give another -o")
    box = None if crop is None else parse_box(crop)
    with bar("comparing", "enlargements") as progress:
        made = make(photo, models or (), dials=_dials(dial), crop=box, device=device, progress=progress)
    write(made.sheet, sheet)
    print(one_line(f"{sheet}: crop {made.crop} of {photo}, results: {made.enlargements}"))
    return 0


def _dials(text: str | None) -> list[float]:
    if text is None:
        return []
    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        raise UserError(f"dial {text}: not numbers with commas between; give it as 0,0.5,1") from None
