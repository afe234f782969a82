"""``superfine evaluate``: score models on benchmark sets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from superfine.cli import typed
from superfine.errors import UserError

if TYPE_CHECKING:
    from superfine.evaluation import Evaluation, Method
    from superfine.evaluation.figures.crops import Box


def evaluate(
    models: list[str],
    /,
    *,
    sets: Annotated[list[Path], Parameter(consume_multiple=True, negative="")],
    metrics: Annotated[list[str], Parameter(consume_multiple=True, negative="")] = ["psnr_y", "ssim_y"],  # noqa: B006
    protocol: str = "standard",
    weights: Annotated[list[str], Parameter(consume_multiple=True, negative="")] = [],  # noqa: B006
    ma: Path | None = None,
    out: Annotated[Path | None, Parameter(name=["--out", "-o"])] = None,
    crops: Annotated[list[str], Parameter(consume_multiple=True, negative="")] = [],  # noqa: B006
    scale: int | None = None,
    device: str = "auto",
    jobs: int | None = None,
    record: Annotated[bool, Parameter(negative="")] = False,
) -> int:
    """Score models on folders of pictures, and print a table with its protocol, beside the published rows.

    What was measured before is found again by its hashes, so a command that was stopped goes on where it was.

    Parameters
    ----------
    models
        Bundled models or model folders, perhaps with a variant or a position of the dial (compact-x4:texture,
        compact-x4:0.6; the dial's 0 if left out), and + for the mean over all eight orientations (compact-x4+); nearest,
        bilinear, bicubic; or folders of pictures that another tool has made.
    sets
        Folders of high-resolution pictures; where one has the folders HR and LRbicx4, these are the pictures and their twins.
    metrics
        Names that superfine metrics list prints, with commas or spaces between.
    protocol
        standard, or srgan2017 for the SRGAN paper's.
    weights
        Files of the networks of metrics, and of NIQE's model, such as vgg_distance=vgg19.safetensors; those that are left out
        are looked for on this machine, and fetched.
    ma
        A CSV file of the scores of Ma et al. with the columns set, method, picture and ma: adds NIQE and PI (pi).
    out
        A folder for the scores, tables, figures, pictures and report.html.
    crops
        Parts for the comparison sheets, such as Set5/baby:120,80,64,64; chosen where the methods differ most if left out.
    scale
        Where no model says it: how many times as large the originals are.
    device
        auto (a GPU if torch finds one, else cpu), cpu (OpenVINO), torch (its best device), torch:cpu, cuda, mps.
    jobs
        Pictures that are worked on side by side; twice as many as there are cores.
    record
        Write the scores to the cards of the models; not with --weights or --ma, as a card tells of no such file.
    """
    from superfine.cli.progress import bar
    from superfine.cli.say import say
    from superfine.evaluation import Cache, cache_folder, common_scale, open_methods, open_sets
    from superfine.evaluation import evaluate as run
    from superfine.evaluation.figures.crops import check_crops, parse_crops
    from superfine.evaluation.perceptual import read_ma, unused, with_pi
    from superfine.evaluation.table import markdown

    if jobs is not None and jobs < 1:
        raise UserError(f"--jobs {jobs}: must be 1 or more")
    names = [name.strip() for text in metrics for name in text.split(",") if name.strip()]
    naturalness = None if ma is None else read_ma(ma)
    if naturalness:
        names = [name for name in names if name != "pi"]  # which is made of the others in the end
        names += [] if "niqe" in names else ["niqe"]
    methods = open_methods(models, device=device)
    files = _named_files(weights)
    if record:
        _check_recordable(methods)
        for option, given in (("--weights", weights), ("--ma", ma)):
            if given:
                raise UserError(
                    f"--record: a card tells of no file that {option} gives; leave {option} out, or record nothing"
                )
    parts = parse_crops(crops)
    benches = open_sets(sets, common_scale(methods, scale))
    check_crops(parts, benches)
    if parts and out is None:
        raise UserError("--crops: are for the comparison sheets, which -o FOLDER makes; add it, or leave them out")
    unwritten: list[str] = []
    with bar("evaluate", "pictures") as progress:
        evaluation = run(
            methods,
            benches,
            metrics=names,
            protocol=protocol,
            weights=files,
            device=device if device in ("cuda", "mps") else "cpu",
            out=out,
            known=Cache(cache_folder(), say),
            jobs=jobs,
            progress=progress,
            say=unwritten.append,
            command=typed.command(),
        )
    strays = unused(evaluation, naturalness) if naturalness else []
    if naturalness:
        evaluation = with_pi(evaluation, naturalness)
    print(markdown(evaluation), end="")
    failed = sum(len(score.failed) for score in evaluation.scores)
    if failed:
        say(f"{failed} of the results could not be scored; the table's notes tell which and why")
    if strays:
        few = ", ".join(strays[:3]) + (f" and {len(strays) - 3} more" if len(strays) > 3 else "")
        say(f"{ma}: has scores of what is not in this evaluation: {few}; correct these lines, or remove them")
    for text in unwritten:
        say(text)
    complete = out is None or _write(evaluation, out, parts)
    if record:
        _record(evaluation, methods)
    return int(bool(failed or strays or unwritten) or not complete)


def _named_files(texts: Sequence[str]) -> dict[str, Path]:
    files: dict[str, Path] = {}
    for text in texts:
        metric, equals, file = text.partition("=")
        if not equals or not file:
            raise UserError(f"--weights {text}: is not of the form METRIC=FILE")
        if metric in files:
            raise UserError(f"--weights {text}: another file of this metric is given; give one for each metric")
        files[metric] = Path(file)
    return files


def _write(evaluation: Evaluation, out: Path, crops: Mapping[tuple[str, str], Box]) -> bool:
    """Write all that is made of an evaluation; False if some of it could not be made, which is said."""
    from superfine.cli.progress import bar
    from superfine.cli.say import say
    from superfine.evaluation.table import FORMATS
    from superfine.files import whole_file

    try:
        out.mkdir(parents=True, exist_ok=True)
        evaluation.save(out)
        for suffix, table in FORMATS.items():
            with whole_file(out / f"table.{suffix}") as part:
                part.write_text(table(evaluation), encoding="utf-8", errors="backslashreplace")
    except OSError as error:
        raise UserError(f"{out}: {error.strerror or error}; free some space or choose another folder") from None

    from superfine.evaluation.figures import draw_all
    from superfine.evaluation.report import report

    complete = True
    try:
        with bar("drawing", "figures") as progress:
            draw_all(evaluation, out, crops=crops, progress=progress)
    except UserError as error:
        say(str(error))
        complete = False
    try:
        report(evaluation, out, crops=crops)
    except UserError as error:
        say(str(error))
        complete = False
    return complete


def _check_recordable(methods: Sequence[Method]) -> None:
    """Refuse, before anything is measured, models without a card of their own to write to."""
    from superfine import zoo
    from superfine.evaluation import Network

    if not any(isinstance(method, Network) for method in methods):
        raise UserError("--record: no model folder is among the models; leave it out")
    for method in methods:
        if not isinstance(method, Network):
            continue
        if method.folder.path in zoo.catalogue().values():
            raise UserError(f"{method.name}: is a bundled model; give the path of a model folder to record its scores")
        if method.variant is None:
            what = "self-ensemble" if method.self_ensemble else "mixture of two variants"
            raise UserError(f"{method.name}: is a {what}, which has no card to record scores in")


def _record(evaluation: Evaluation, methods: Sequence[Method]) -> None:
    """Write the means to the cards. A set with pictures that could not be scored is left out."""
    import math

    from superfine.cli.say import say
    from superfine.evaluation import Network
    from superfine.metrics import METRICS
    from superfine.modelfile import record

    for method in methods:
        if not isinstance(method, Network) or method.variant is None:
            continue
        measured: list[dict[str, object]] = []
        for score in (score for score in evaluation.scores if score.method == method.name):
            means = {name: round(score.mean(name), METRICS[name].decimals + 3) for name in score.metrics}
            if score.failed or not all(math.isfinite(mean) and score.whole(name) for name, mean in means.items()):
                say(f"{method.name}: its score on {score.set} is not whole, and is not recorded")
                continue
            about = {"pictures": len(score.pictures), "protocol": score.protocol}
            measured.append({"set": score.set, **means, **about})
        record(method.folder.path, method.variant, measured)
