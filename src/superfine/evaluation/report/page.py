"""The page, put together from its parts and written as one file."""

import base64
import hashlib
from collections.abc import Mapping
from pathlib import Path
from string import Template

from superfine.errors import UserError
from superfine.evaluation.figures.crops import Box
from superfine.evaluation.figures.draw import planned
from superfine.evaluation.report import tables
from superfine.evaluation.report.text import text
from superfine.evaluation.report.views import BUDGET, CROP, WINDOW, Purse, Shown, chart, crop_row, slider, views
from superfine.evaluation.score import Evaluation
from superfine.evaluation.table import protocol_line, sources
from superfine.files import whole_file

FILE = "report.html"


def report(evaluation: Evaluation, out: Path, *, crops: Mapping[tuple[str, str], Box] | None = None) -> Path:
    """Write ``out/report.html``: tables, sliders, figures, notes, the command, versions and hashes.

    The file needs no other and asks for none: pictures are in it, and its content security policy forbids requests. Pictures
    are kept without loss (WebP), as it is by their pixels that methods are compared. For the size of the file not all are
    shown: of each set the most telling with sliders, of the others crops, as far as a budget goes (``LARGE``, ``WINDOW``,
    ``CROP`` and ``BUDGET`` in ``report/views.py``); what is left out is said. Figures are those that
    :func:`superfine.evaluation.figures.draw_all` has drawn of this evaluation into ``out``, with the same ``crops``; where
    there are none that is said.

    Raises
    ------
    UserError
        A picture is damaged, or of another size than its original; the file cannot be written.
    """
    out, purse = Path(out), Purse()
    figures = "\n".join(filter(None, (chart(figure, out, purse) for figure in planned(evaluation, crops))))
    shown = views(evaluation, purse)
    sections = [
        ("results", "Results", _results(evaluation)),
        *((f"set-{i}", set, _set(evaluation, set, i, shown[set])) for i, set in enumerate(evaluation.sets)),
        (
            "figures",
            "Figures",
            figures
            or "<p>None were drawn; they need matplotlib (pip install 'superfine[plots]') and room to be written.</p>",
        ),
        ("notes", "Notes", tables.notes(evaluation)),
        ("made", "How it was made", _made(evaluation, purse)),
    ]
    style, script, page = (
        Path(__file__).with_name(f"page.{kind}").read_text("utf-8") for kind in ("css", "js", "html")
    )
    filled = Template(page).substitute(
        title=text(f"Evaluation on {', '.join(evaluation.sets)}"),
        policy=f"default-src 'none'; img-src data:; style-src '{_digest(style)}'; script-src '{_digest(script)}'",
        style=style,
        script=script,
        summary=_summary(evaluation),
        contents="\n".join(f'<li><a href="#{key}">{text(title)}</a></li>' for key, title, _ in sections),
        body="\n".join(
            f'<section id="{key}">\n<h2>{text(title)}</h2>\n{content}\n</section>' for key, title, content in sections
        ),
    )
    file = out / FILE
    try:
        with whole_file(file) as part:
            part.write_bytes(filled.encode("utf-8", "replace"))
    except OSError as error:
        raise UserError(f"{file}: cannot be written: {error.strerror}; check the folder and the space") from None
    return file


def _digest(content: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()


def _summary(evaluation: Evaluation) -> str:
    names = {(score.set, name) for score in evaluation.scores for name in (*score.pictures, *score.failed)}
    failed = sum(len(score.failed) for score in evaluation.scores)
    counts = f"Methods: {len(evaluation.methods)}, sets: {len(evaluation.sets)}, pictures: {len(names)}."
    bad = f' <a class="bad" href="#notes">Not scored: {failed}.</a>' if failed else ""
    return f"<p>{counts}{bad}</p>\n<pre>{text(evaluation.command)}</pre>"


def _results(evaluation: Evaluation) -> str:
    published = ""
    if where := sources(evaluation):
        published = (
            f'<p class="soft">In italics what is published; the small numbers are ours less these. {text(where)}</p>'
        )
    return f'{tables.means(evaluation)}\n<p class="soft">{text(protocol_line(evaluation))}</p>{published}'


def _set(evaluation: Evaluation, set: str, index: int, shown: Shown) -> str:
    parts = []
    if shown.large:
        parts.append(
            "<h3>Side by side</h3>\n<p>The pictures on which the methods' scores differ most, up to "
            f"{WINDOW}×{WINDOW} pixels of each. Drag the line, or move it with the arrow keys. Values are those of the "
            "whole picture.</p>"
        )
        parts += [slider(view, set, f"{index}-{i}") for i, view in enumerate(shown.large)]
    parts.append(f"<h3>Picture by picture</h3>\n{tables.pictures(evaluation, set)}")
    if shown.crops:
        parts.append(
            f"<details><summary>The other pictures, as crops ({len(shown.crops)})</summary>\n<p>Of each up to "
            f"{CROP}×{CROP} pixels, where the methods differ most. Values are those of the whole picture.</p>"
        )
        parts += [crop_row(view, set) for view in shown.crops]
        parts.append("</details>")
    if shown.left_out:
        parts.append(f'<p class="soft">Pictures left out for the size of this file: {shown.left_out}.</p>')
    if not (shown.large or shown.crops or shown.left_out):
        parts.append('<p class="soft">The results were not kept, so no pictures are shown.</p>')
    return "\n".join(parts)


def _made(evaluation: Evaluation, purse: Purse) -> str:
    versions = "".join(f"<li>{text(name)} {text(version)}</li>" for name, version in evaluation.versions.items())
    hashes = "".join(
        f'<tr><th scope="row">{text(method)}</th><td class="text"><code>{text(digest)}</code></td></tr>'
        for method, digest in evaluation.hashes.items()
    )
    return (
        f"<h3>Command</h3>\n<pre>{text(evaluation.command)}</pre>\n"
        f"<h3>Protocol</h3>\n<p>{text(protocol_line(evaluation))}</p>\n"
        f"<h3>Versions</h3>\n<ul>{versions}</ul>\n"
        "<h3>SHA-256</h3>\n<p>Of each method: a model's graph and weights, or the ready-made pictures.</p>\n"
        f'<div class="scroll"><table><tbody>{hashes}</tbody></table></div>\n'
        f'<p class="soft">The pictures in this file are kept without loss (WebP); they take {purse.spent / 1e6:.1f} of '
        f"{BUDGET / 1e6:.0f} megabytes.</p>"
    )
