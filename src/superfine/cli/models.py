"""``superfine models``: what models there are, what is in one, and how they come and go."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import App, Parameter

from superfine.cli.say import columns, say
from superfine.errors import UserError

if TYPE_CHECKING:
    from superfine.modelfile import ModelFolder, Variant

app = App(name="models", help="List and show models, make, mix and export them.")


@app.default
def default() -> int:
    """List the bundled models."""
    return list_models()


@app.command(name="list")
def list_models(*folders: Path) -> int:
    """List the bundled models and those in the folders given; every file is checked against its SHA-256.

    Parameters
    ----------
    folders
        Model folders.
    """
    from superfine import zoo
    from superfine.modelfile import open_model

    rows: list[tuple[str, ...]] = [("name", "scale", "architecture", "parameters", "size", "variants", "measured")]
    status = 0
    for path in [*zoo.catalogue().values(), *folders]:
        try:
            rows.append(_row(open_model(path)))
        except UserError as error:
            say(str(error))
            status = 1
    print(*columns(rows), sep="\n")
    return status


@app.command
def show(model: str, /) -> int:
    """Show a model's card.

    Parameters
    ----------
    model
        A bundled model, or a model folder.
    """
    from superfine import zoo
    from superfine.modelfile import open_model

    for line in _card(open_model(zoo.find(model))):
        print(line)
    return 0


@app.command
def publish(
    run: Path,
    /,
    *,
    out: Annotated[Path, Parameter(name=["--out", "-o"])],
    variant: str = "fidelity",
    name: str | None = None,
    description: str = "",
    licence: str | None = None,
    dial: str | None = None,
) -> int:
    """Make a model folder from a finished training run, or add a variant to one.

    The weights are rounded to float16, batch norm is folded, and OpenVINO must agree with torch before anything is written.

    Parameters
    ----------
    run
        The run folder.
    out
        The model folder to make, or one of the same network.
    variant
        fidelity (the dial's 0), texture (the dial's 1), or another name. One that is there is replaced.
    name
        The model's name; the folder's if left out.
    description
        One sentence about the variant.
    licence
        The licence of the weights, such as CC-BY-4.0.
    dial
        Where the model's dial stands for those who do not turn it, such as 0.5 or photo-0.5.
    """
    with _needing("publishing"):
        from superfine.checkpoints.publish import publish as run_to_model

        model = run_to_model(run, out, name=name, variant=variant, description=description, licence=licence, dial=dial)
    _say_written(model, out, variant)
    return 0


@app.command(name="import")
def import_model(
    file: Path,
    /,
    *,
    out: Annotated[Path, Parameter(name=["--out", "-o"])],
    variant: str = "fidelity",
    name: str | None = None,
    description: str = "",
    licence: str | None = None,
    dial: str | None = None,
) -> int:
    """Make a model folder from another project's checkpoint, or add a variant to one.

    RRDB (ESRGAN, BasicSR, Real-ESRGAN), compact (SRVGGNet) and SRResNet are recognised by their tensors; others by
    spandrel, if it is installed. Nothing in the file is run, and OpenVINO must agree with torch before anything is written.

    Parameters
    ----------
    file
        A .pth or .safetensors file.
    out
        The model folder to make, or one of the same network.
    variant
        fidelity (the dial's 0), texture (the dial's 1), or another name. One that is there is replaced.
    name
        The model's name; the folder's if left out.
    description
        One sentence about the variant.
    licence
        The licence of the weights, such as CC-BY-4.0.
    dial
        Where the model's dial stands for those who do not turn it, such as 0.5 or photo-0.5.
    """
    with _needing("importing"):
        from superfine.checkpoints.importing import import_checkpoint

        model = import_checkpoint(
            file, out, name=name, variant=variant, description=description, licence=licence, dial=dial
        )
    _say_written(model, out, variant)
    return 0


@app.command
def interpolate(
    a: str,
    b: str,
    /,
    *,
    alpha: float,
    out: Annotated[Path, Parameter(name=["--out", "-o"])],
    name: str | None = None,
    licence: str | None = None,
) -> int:
    """Make a model folder of the network between two: (1 - alpha) of A and alpha of B.

    A is usually the fidelity's network, B the GAN's that was made from it (ESRGAN, section 3.4).

    Parameters
    ----------
    a
        A bundled model or a model folder; of its variants the dial's 0, or the one named behind a colon, as in
        compact-x4:texture.
    b
        Another of the same network, or another variant.
    alpha
        From 0 to 1, such as 0.8.
    out
        The model folder to make.
    name
        The model's name; the folder's if left out.
    licence
        The licence of the weights; the one of A and B if left out.
    """
    from superfine import zoo
    from superfine.checkpoints.interpolation import interpolate as between

    model = between(zoo.find_with_dial(a), zoo.find_with_dial(b), alpha, out, name=name, licence=licence)
    variant = next(iter(model.card.variants.values()))
    print(f"{out}: {model.card.name}, {variant.description}")
    return 0


@app.command
def carry(
    texture: str,
    /,
    *,
    origin: Annotated[str, Parameter(name="--from")],
    target: Annotated[str, Parameter(name="--to")],
    out: Annotated[Path, Parameter(name=["--out", "-o"])],
    name: str | None = None,
    licence: str | None = None,
) -> int:
    """Make a model folder with the textures of a GAN on a network that was trained on.

    Its weights are those of --to, and what the GAN has learnt since --from (Ilharco et al. 2023).

    Parameters
    ----------
    texture
        The GAN: a model and its variant, as in compact-x4:texture.
    origin
        The network that the GAN began with, as in compact-x4:fidelity.
    target
        The same network after further training.
    out
        The model folder to make.
    name
        The model's name; the folder's if left out.
    licence
        The licence of the weights; those of the three if left out.
    """
    from superfine import zoo
    from superfine.checkpoints.carrying import carry as carried

    gan, before, after = map(zoo.find_with_dial, (texture, origin, target))
    model = carried(gan, before, after, out, name=name, licence=licence)
    variant = next(iter(model.card.variants.values()))
    print(f"{out}: {model.card.name}, {variant.description}")
    return 0


@app.command
def export(
    model: str,
    /,
    *,
    out: Annotated[Path, Parameter(name=["--out", "-o"])],
    format: Literal["onnx", "pth", "safetensors"] | None = None,
    dial: str | None = None,
    half: Annotated[bool, Parameter(negative="")] = False,
) -> int:
    """Write a model to one file for other tools.

    As ONNX it holds the graph and its weights, with RGB in [0,1] in and out, and is checked against the model. As pth or
    safetensors it holds the weights alone, with BasicSR's names for RRDB and SRVGGNet's for compact.

    Parameters
    ----------
    model
        A bundled model, or a model folder.
    out
        The file.
    format
        onnx, pth or safetensors; the file's suffix if left out.
    dial
        From 0 (fidelity) to 1 (texture); from photo-0 to photo-1 in models for photographs with noise, blur or JPEG's traces;
        or a variant's name. The model's own choice if left out.
    half
        Weights in float16.
    """
    from superfine import zoo
    from superfine.modelfile import open_model, parse_dial

    with _needing("exporting"):
        from superfine.checkpoints.export import export as to_file

        folder = open_model(zoo.find(model))
        chosen = parse_dial(folder.card.dial if dial is None else dial)
        to_file(folder, out, format=format, dial=chosen, half=half)
    print(f"{out}: {out.stat().st_size / 1e6:.1f} MB")
    return 0


@contextmanager
def _needing(what: str) -> Iterator[None]:
    """Say what to install where a package of the extra ``train`` is missing."""
    try:
        yield
    except ModuleNotFoundError as error:
        if error.name not in ("torch", "onnx"):
            raise
        raise UserError(f'{what} needs {error.name}, which is not installed; pip install "superfine[train]"') from None


def _say_written(model: ModelFolder, out: Path, variant: str) -> None:
    differs = model.card.variants[variant].training["openvino_differs_by"]
    differences = ", ".join(f"{difference:.1g} in {precision}" for precision, difference in differs.items())
    print(f"{out}: {model.card.name}, variant {variant}; OpenVINO differs from torch by at most {differences}")


def _row(model: ModelFolder) -> tuple[str, ...]:
    card = model.card
    return (
        card.name,
        f"×{card.scale}",
        card.architecture,
        f"{_parameters(model):,}",
        f"{sum((model.path / file).stat().st_size for file in card.files) / 1e6:.1f} MB",
        ", ".join(card.variants),
        _scores(next(iter(card.variants.values()))) or "–",
    )


def _parameters(model: ModelFolder) -> int:
    """Of one variant; all have the same tensors."""
    return sum(tensor.size for tensor in model.weights(next(iter(model.card.variants))).values())


def _scores(variant: Variant) -> str:
    """The measured PSNR, grouped by protocol, such as ``Set5 30.12, Set14 27.40 (PSNR-Y, standard)``."""
    groups: dict[str, list[str]] = {}
    for entry in variant.measured:
        if "psnr_y" in entry:
            groups.setdefault(entry["protocol"], []).append(f"{entry['set']} {entry['psnr_y']:.2f}")
    return "; ".join(f"{', '.join(scores)} (PSNR-Y, {protocol})" for protocol, scores in groups.items())


_PRECISIONS = {"auto": "the device's choice", "f32": "float32 only, as half precision costs quality"}


def _card(model: ModelFolder) -> list[str]:
    card = model.card
    facts = {
        "folder": str(model.path),
        "network": f"{card.architecture}: {_words(card.config)}",
        "scale": f"×{card.scale}",
        "parameters": f"{_parameters(model):,}",
        "receptive field": f"{card.radius} low-resolution pixels to each side"
        + ("" if card.halo is None else f", of which tiles carry {card.halo}, as was measured"),
        "dial": f"{card.dial}, where it is not turned",
        "precision": _PRECISIONS[card.precision],
        "licence": card.licence,
    }
    lines = [card.name, *_facts(facts)]
    for name, variant in card.variants.items():
        more = {"description": variant.description} if variant.description else {}
        more |= {key: _words(value) for key, value in variant.training.items() if value not in ({}, "")}
        more |= {f"measured, {entry['set']}": _words(entry, but="set") for entry in variant.measured}
        more["sha256"] = card.files[variant.file]
        lines += ["", f"variant {name}", *_facts(more)]
    return lines


def _facts(facts: Mapping[str, str]) -> list[str]:
    width = max(map(len, facts))
    return [f"  {key.ljust(width)}  {value}" for key, value in facts.items()]


def _words(value: object, *, but: str = "") -> str:
    """A value of the card in one line: ``channels 48, convs 16``."""
    if isinstance(value, dict):
        parts = ((key, _words(entry)) for key, entry in value.items() if key != but)
        return ", ".join(f"{key} ({text})" if "," in text else f"{key} {text}" for key, text in parts)
    if isinstance(value, list):
        return ", ".join(map(_words, value))
    return f"{value:.4g}" if isinstance(value, float) and abs(value) < 1 else str(value)
