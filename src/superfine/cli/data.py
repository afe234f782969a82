"""``superfine data``: fetch data sets, make the packs that training reads, look at degradations."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from superfine.text import one_line

app = App(name="data", help="Fetch data sets, make the packs that training reads, look at them.")


@app.command
def pack(
    folders: list[Path],
    /,
    *,
    out: Annotated[Path | None, Parameter(name=["--out", "-o"])] = None,
    scale: int = 4,
    workers: int | None = None,
) -> int:
    """Decode folders of pictures once into one pack, with its low-resolution twin.

    Files that cannot be used are listed and left out. Run again, it only reads what is new or has changed.

    Parameters
    ----------
    folders
        The photographs; folders in them are searched too.
    out
        The pack to make, a folder; FOLDER.pack, of the first folder, if left out.
    scale
        The factor between the pictures and their low-resolution twins.
    workers
        Pictures decoded at a time; as many as there are processors if left out.
    """
    from superfine.cli.progress import bar
    from superfine.data import pack as make

    named = folders[0] if folders[0].name not in ("", "..") else folders[0].resolve()
    out = out or named.with_name(named.name + ".pack")
    with bar("packing", "files") as progress:
        made = make(folders, out, scale=scale, workers=workers, progress=progress)
    for skipped in made.skipped:
        print(one_line(f"skipped {skipped.file}: {skipped.reason}"))
    left_out = f", {len(made.skipped)} files skipped" if made.skipped else ""
    print(
        f"{out}: {len(made)} pictures, {made.megapixels:.1f} megapixels, ×{made.scale}{left_out}; sha256 {made.sha256}"
    )
    return 0


@app.command
def pages(
    *,
    out: Annotated[Path, Parameter(name=["--out", "-o"])],
    count: int = 32,
    side: int = 768,
    seed: int = 1,
    fonts: Annotated[tuple[str, ...] | None, Parameter(consume_multiple=True, negative="")] = None,
) -> int:
    """Make pages of text and drawings by chance, to train on beside photographs.

    Parameters
    ----------
    out
        The folder for the pages, PNG files.
    count
        How many.
    side
        Their width and height in pixels, 4096 at most.
    seed
        Decides what is on them.
    fonts
        Font families of this machine; sans-serif, serif and monospace if left out. One that is not there is
        replaced by another.
    """
    from superfine.cli.progress import bar
    from superfine.data.pages import FONTS
    from superfine.data.pages import pages as make

    with bar("drawing", "pages") as progress:
        make(out, count=count, side=side, seed=seed, fonts=fonts or FONTS, progress=progress)
    print(f"{out}: {count} pages of {side}×{side} pixels")
    return 0


@app.command
def teach(
    data: Path,
    /,
    *,
    model: str,
    out: Annotated[Path, Parameter(name=["--out", "-o"])],
    variant: str = "fidelity",
    only: str = "*",
    self_ensemble: Annotated[bool, Parameter(negative="")] = False,
    device: str = "auto",
) -> int:
    """Enlarge the low-resolution pictures of a pack by a model: what superfine train --teacher learns from, beside photographs.

    Interrupted, the same command goes on.

    Parameters
    ----------
    data
        The pack of the photographs.
    model
        A name that superfine models lists, or a model folder.
    out
        The pack to make, a folder.
    variant
        Of the model.
    only
        Pattern of the names in the pack of what is enlarged, such as 'photos/*'; the other pictures stay what they are.
    self_ensemble
        Enlarge in all eight orientations and average: better, in eight times the time.
    device
        auto (a GPU if torch finds one, else cpu), cpu (OpenVINO), torch (its best device), torch:cpu, cuda, mps.
    """
    import numpy as np

    from superfine.cli.progress import bar
    from superfine.cli.say import say
    from superfine.data import Pack
    from superfine.data.teaching import teach as make
    from superfine.engine import load
    from superfine.errors import UserError

    photographs = Pack(data)
    teacher = load(model, dial=variant, device=device, self_ensemble=self_ensemble)
    if variant not in teacher.card.variants:
        raise UserError(f"--variant {variant}: {model} has {', '.join(teacher.card.variants)}; choose one of these")
    if teacher.scale != photographs.scale:
        raise UserError(
            f"{data}: is packed for ×{photographs.scale}, {model} is ×{teacher.scale}; choose another model"
        )
    told = {
        "name": teacher.card.name,
        "variant": variant,
        "sha256": teacher.card.files[teacher.card.variants[variant].file],
        "self_ensemble": self_ensemble,
    }
    with bar("enlarging", "pictures") as progress:
        made = make(
            photographs,
            lambda small: np.concatenate(list(teacher.strips(small, notice=say))),
            out,
            teacher=told,
            only=only,
            progress=progress,
        )
    print(f"{out}: {len(made)} pictures by {teacher.card.name}, {made.megapixels:.1f} megapixels; sha256 {made.sha256}")
    return 0


@app.command
def preview(
    source: Path,
    /,
    *,
    out: Annotated[Path, Parameter(name=["--out", "-o"])],
    degradation: str = "photo",
    seed: int = 1,
    count: int = 6,
    scale: int = 4,
) -> int:
    """Make a contact sheet: crops of photographs, each beside low-resolution pictures that training makes from it.

    Parameters
    ----------
    source
        A pack, or a folder of pictures.
    out
        The picture to write; an existing one is replaced.
    degradation
        photo (blur, resize, noise and JPEG at random, twice), everyday (a quarter as photo, else some blur, noise and JPEG
        by chance), bicubic, or gaussian (a filter, then every SCALEth pixel).
    seed
        Decides the crops and what happens to them.
    count
        Crops, a row each.
    scale
        How much smaller; a pack brings its own.
    """
    from superfine.data.preview import preview as make

    names = make(source, out, degradation=degradation, seed=seed, count=count, scale=scale)
    print(f"{out}: {len(names)} crops, {degradation}")
    return 0


@app.command
def fetch(names: list[str], /, *, to: Path) -> int:
    """Download data sets of the literature, check and unpack them.

    Interrupted, the same command goes on. Without a connection it says which file to place where, and goes on from there.

    Parameters
    ----------
    names
        div2k, flickr2k (to train on), set5, set14, bsd100, urban100 (to measure on).
    to
        The folder to make their folders in.
    """
    from superfine.cli.progress import bar
    from superfine.data.fetch import SOURCES
    from superfine.data.fetch import fetch as get
    from superfine.errors import UserError

    for name in names:
        if name not in SOURCES:
            raise UserError(f"{name}: is no data set that can be fetched; choose among {', '.join(SOURCES)}")
    for archive in (archive for name in names for archive in SOURCES[name]):
        with bar(archive.file, "MB") as show:
            got = get(archive, to, progress=partial(_megabytes, show))
        checked = "as published" if got.verified else "no hash is published to compare it with"
        there = " (was there)" if got.already else ""
        print(f"{got.folder}: {got.pictures} pictures{there}, {archive.terms}; sha256 {got.sha256}, {checked}")
    return 0


def _megabytes(show: Callable[[int, int], None], done: int, total: int | None) -> None:
    show(done // 10**6, (total or 0) // 10**6)
