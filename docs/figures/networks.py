"""The figures of the networks on the methods' pages, as SVG, from the lists below.

    python docs/figures/networks.py docs/figures

It needs nothing but Python. A figure is some rows; a row is a chain of boxes and sums, with paths that skip over some of them.
"""

import html
import sys
from dataclasses import dataclass
from pathlib import Path

COLOURS = {
    "data": "#f3f3f3",
    "conv": "#cfe2ff",
    "act": "#ffe7ba",
    "norm": "#e6d5f7",
    "up": "#c9efcf",
    "block": "#ffffff",
    "dense": "#ffd6d6",
}
LINE, PAD, SPACE, ABOVE = 15, 9, 20, 34
LETTER = 6.7


@dataclass(frozen=True)
class Box:
    """A step of a chain; an empty ``text`` is a sum."""

    text: str
    kind: str = "conv"

    @property
    def width(self) -> float:
        return max(len(line) for line in self.text.split("\n")) * LETTER + 2 * PAD if self.text else 18

    @property
    def height(self) -> float:
        return len(self.text.split("\n")) * LINE + 2 * PAD if self.text else 18


SUM = Box("")


@dataclass(frozen=True)
class Row:
    """``skips`` lead from behind box i (−1: from the start of the row) into box j, with a label."""

    title: str
    boxes: tuple[Box, ...]
    skips: tuple[tuple[int, int, str], ...] = ()


def data(text: str) -> Box:
    return Box(text, "data")


FIGURES: dict[str, tuple[Row, ...]] = {
    "srcnn": (
        Row(
            "SRCNN 9-1-5",
            (
                data("low\nresolution"),
                Box("bicubic\n×4", "up"),
                data("luma Y"),
                Box("conv 9×9\n64, ReLU"),
                Box("conv 1×1\n32, ReLU"),
                Box("conv 5×5\n1"),
                data("luma Y′"),
                SUM,
                data("result"),
            ),
            ((1, 7, "Cb, Cr of the bicubic picture"),),
        ),
    ),
    "srresnet": (
        Row(
            "SRResNet, the generator of SRGAN",
            (
                data("low\nresolution"),
                Box("conv 9×9\n64, PReLU"),
                Box("16 residual\nblocks", "block"),
                Box("conv 3×3\n64, BN"),
                SUM,
                Box("2 × conv 3×3, 256,\npixel shuffle 2, PReLU", "up"),
                Box("conv 9×9\n3"),
                data("result"),
            ),
            ((1, 4, ""),),
        ),
        Row(
            "A residual block",
            (
                data("x"),
                Box("conv 3×3\n64"),
                Box("BN", "norm"),
                Box("PReLU", "act"),
                Box("conv 3×3\n64"),
                Box("BN", "norm"),
                SUM,
                data("y"),
            ),
            ((0, 6, ""),),
        ),
    ),
    "srgan_discriminator": (
        Row(
            "The discriminator of SRGAN, for crops of 96×96",
            (
                data("crop"),
                *(Box(f"conv 3×3\n{channels}\nstride {stride}") for channels in (64, 128) for stride in (1, 2)),
                data("…"),
            ),
        ),
        Row(
            "",
            (
                data("…"),
                *(Box(f"conv 3×3\n{channels}\nstride {stride}") for channels in (256, 512) for stride in (1, 2)),
                Box("dense\n1024"),
                Box("dense\n1"),
                data("logit"),
            ),
        ),
    ),
    "rrdb": (
        Row(
            "RRDBNet, the generator of ESRGAN",
            (
                data("low\nresolution"),
                Box("conv 3×3\n64"),
                Box("23 RRDBs", "block"),
                Box("conv 3×3\n64"),
                SUM,
                Box("2 × nearest ×2,\nconv 3×3, 64, LReLU", "up"),
                Box("conv 3×3\n64, LReLU"),
                Box("conv 3×3\n3"),
                data("result"),
            ),
            ((1, 4, ""),),
        ),
        Row(
            "An RRDB",
            (
                data("x"),
                Box("dense block", "dense"),
                Box("dense block", "dense"),
                Box("dense block", "dense"),
                Box("× 0.2", "act"),
                SUM,
                data("y"),
            ),
            ((0, 5, ""),),
        ),
        Row(
            "A dense block: each convolution sees x and what all before it made",
            (
                data("x"),
                Box("conv 3×3\n32, LReLU"),
                Box("conv 3×3\n32, LReLU"),
                Box("conv 3×3\n32, LReLU"),
                Box("conv 3×3\n32, LReLU"),
                Box("conv 3×3\n64"),
                Box("× 0.2", "act"),
                SUM,
                data("y"),
            ),
            ((0, 7, ""), (1, 5, ""), (2, 5, ""), (3, 5, "")),
        ),
    ),
    "compact": (
        Row(
            "Compact",
            (
                data("low\nresolution"),
                Box("conv 3×3\n48, PReLU"),
                Box("16 × conv 3×3\n48, PReLU"),
                Box("conv 3×3\n48 = 3·4²"),
                Box("pixel\nshuffle 4", "up"),
                SUM,
                data("result"),
            ),
            ((0, 5, "its pixels repeated 4×4 times"),),
        ),
    ),
    "interpolation": (
        Row(
            "Network interpolation",
            (
                data("θ PSNR\nθ GAN"),
                Box("(1 − α) · θ PSNR + α · θ GAN,\ntensor by tensor", "act"),
                data("one network\nfor each α"),
            ),
        ),
    ),
}


def drawn(rows: tuple[Row, ...]) -> str:
    parts: list[str] = []
    top = 8.0
    width = 0.0
    for row in rows:
        above = ABOVE + 9 * len(row.skips) if row.skips else 8
        title = 20 if row.title else 0
        tall = max(box.height for box in row.boxes)
        middle = top + title + above + tall / 2
        if row.title:
            parts.append(f'<text x="10" y="{top + 14:g}" font-weight="bold">{html.escape(row.title)}</text>')
        x = 10.0
        edges = []
        for i, box in enumerate(row.boxes):
            if i:
                parts.append(f'<path d="M{x - SPACE:g} {middle:g}H{x - 1:g}" marker-end="url(#arrow)"/>')
            edges.append((x, x + box.width))
            parts.append(shape(box, x, middle))
            x += box.width + SPACE
        width = max(width, x - SPACE + 10)
        for n, (start, end, label) in enumerate(row.skips):
            left = edges[start][1] + SPACE / 2 - 2
            right = sum(edges[end]) / 2 - 3 * n * (row.boxes[end].text != "")
            up = middle - tall / 2 - 10 - 9 * (len(row.skips) - 1 - n)
            foot = middle - row.boxes[end].height / 2 - 1
            parts.append(f'<path d="M{left:g} {middle:g}V{up:g}H{right:g}V{foot:g}" marker-end="url(#arrow)"/>')
            if label:
                centre = (left + right) / 2
                parts.append(f'<text x="{centre:g}" y="{up - 5:g}" text-anchor="middle">{html.escape(label)}</text>')
        top = middle + tall / 2 + 16
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {top:g}" width="{width:g}" height="{top:g}" '
        'font-family="sans-serif" font-size="12">\n<defs><marker id="arrow" viewBox="0 0 8 8" refX="7" refY="4" '
        'markerWidth="7" markerHeight="7" orient="auto"><path d="M0 0L8 4L0 8z" stroke="none" fill="#444"/></marker></defs>\n'
        '<rect width="100%" height="100%" fill="white"/>\n'
    )
    texts = [part for part in parts if part.startswith("<text")]
    others = [part for part in parts if not part.startswith("<text")]
    body = "\n".join(['<g fill="none" stroke="#444">', *others, '</g>\n<g fill="#222">', *texts])
    return head + body + "\n</g>\n</svg>\n"


def shape(box: Box, x: float, middle: float) -> str:
    if not box.text:
        cross = f"M{x + 4:g} {middle:g}h10M{x + 9:g} {middle - 5:g}v10"
        return f'<circle cx="{x + 9:g}" cy="{middle:g}" r="9" fill="white"/><path d="{cross}"/>'
    lines = box.text.split("\n")
    y = middle - box.height / 2
    rect = (
        f'<rect x="{x:g}" y="{y:g}" width="{box.width:g}" height="{box.height:g}" rx="4" fill="{COLOURS[box.kind]}"/>'
    )
    spans = "".join(
        f'<text x="{x + box.width / 2:g}" y="{y + PAD + LINE * i + 11:g}" text-anchor="middle" stroke="none" fill="#222">'
        f"{html.escape(line)}</text>"
        for i, line in enumerate(lines)
    )
    return rect + spans


def main() -> None:
    for name, rows in FIGURES.items():
        (Path(sys.argv[1]) / f"{name}.svg").write_text(drawn(rows), encoding="utf-8")


if __name__ == "__main__":
    main()
