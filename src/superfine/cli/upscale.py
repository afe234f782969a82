"""``superfine upscale``: enlarge files and folders."""

import sys
import time
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from superfine.cli.say import say
from superfine.errors import UserError
from superfine.text import one_line
from superfine.zoo import DEFAULT


def upscale(
    inputs: list[str],
    /,
    *,
    output: Annotated[str | None, Parameter(name=["--output", "-o"])] = None,
    model: str = DEFAULT,
    dial: str | None = None,
    scale: float | None = None,
    width: int | None = None,
    height: int | None = None,
    self_ensemble: Annotated[bool, Parameter(negative="")] = False,
    device: str = "auto",
    tile: int | None = None,
    format: str | None = None,
    quality: int | None = None,
    overwrite: Annotated[bool, Parameter(negative="")] = False,
) -> int:
    """Enlarge pictures.

    photo.jpg becomes photo@4x.jpg beside it, four times as wide and high, or as --scale, --width and --height say. Folders
    are searched to any depth. Colour profile, EXIF and resolution are kept, grey stays grey, 16 bits stay 16 bits. What
    exists is not replaced: a folder's finished pictures are passed over, so an interrupted command can be given again; a
    file that was named itself is refused, with status 1.

    Parameters
    ----------
    inputs
        Files and folders.
    output
        A folder, which is made, and in which folders are mirrored; or a file, for a single input.
    model
        A name that superfine models lists, or a model folder.
    dial
        From 0 (fidelity) to 1 (texture), for pictures that are small and clean; from photo-0 to photo-1, for photographs with
        noise, blur or JPEG's traces; or a variant's name. The model's own choice if left out.
    scale
        Times as wide and high, 1 or more, such as 2 or 1.5. The network enlarges by its own scale, four in the bundled models,
        and its result is resized, so that less than four is as good and as slow, and more is no sharper.
    width
        Of the results, in pixels, instead of --scale; proportions are kept. What is wider already is left alone.
    height
        As --width; with both, the results fit into them.
    self_ensemble
        Enlarge in all eight orientations and average, in eight times the time: closer to the truth by a tenth of a decibel
        or two at 0 or photo-0; textures that are made up are blurred.
    device
        auto (a GPU if torch finds one, else cpu), cpu (OpenVINO), torch (its best device), torch:cpu, cuda, mps.
    tile
        Side of the pieces that are computed at once, in input pixels; chosen if left out. Smaller needs less memory.
    format
        Of the results: png, jpeg, webp, tiff, avif; the input's if left out.
    quality
        1 to 100, for JPEG and WebP (92 if left out) and AVIF (85).
    overwrite
        Replace results that exist.
    """
    begun = time.monotonic()
    # OpenVINO's converters are imported along with it, unless they cannot be: 0.07 s for what enlarging never uses.
    sys.modules.setdefault("openvino.tools.ovc", None)  # type: ignore[arg-type]
    from superfine.cli.progress import bar
    from superfine.engine import batch, load
    from superfine.engine.jobs import plan_jobs
    from superfine.engine.result_size import ResultSize
    from superfine.modelfile import parse_dial

    for text in inputs:
        if text.startswith(("http://", "https://")):
            raise UserError(f"{text}: is an address; download the picture and give the file")
    dialled = None if dial is None else parse_dial(dial)
    asked = ResultSize(scale, width, height) if (scale, width, height) != (None, None, None) else None
    loaded = load(model, device=device, dial=dialled, self_ensemble=self_ensemble)
    size = asked or ResultSize(scale=loaded.scale)
    jobs = plan_jobs([Path(text) for text in inputs], output, label=size.label, format=format, say=say)
    terminal = sys.stderr.isatty()
    with bar("enlarging", "kilopixels") as progress:
        summary = batch.run(
            loaded,
            jobs,
            size=size,
            tile=tile,
            quality=quality,
            overwrite=overwrite,
            progress=lambda done, total: progress(done // 1000, total // 1000),
            finished=lambda job: None if terminal else say(f"{job.source} -> {job.target}"),
            say=say,
        )
    if summary.interrupted:
        say(f"interrupted; {summary.done} of {len(jobs)} pictures were done")
    where = "beside the originals, " if output is None else f"in {output}, "
    if len(jobs) == 1:
        where = f"in {jobs[0].target}, "
    backend, stands = loaded.backend, loaded.dial if isinstance(loaded.dial, str) else f"{loaded.dial:g}"
    stands += ", self-ensemble" * self_ensemble
    others = [(summary.skipped, "skipped"), (summary.refused, "refused"), (summary.failed, "failed")]
    summed = (
        f"{summary.done} of {len(jobs)} enlarged {size}, {where if summary.done else ''}"
        + "".join(f"{count} {what}, " for count, what in others if count)
        + f"by {loaded.card.name} (dial {stands}, {backend.name} {backend.device} {backend.precision}), "
        f"{time.monotonic() - begun:.1f} s"
    )
    print(one_line(summed))
    return summary.status
