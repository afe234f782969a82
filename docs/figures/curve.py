"""The curve of a training: PSNR-Y on the validation photographs, and the loss, against the steps; of one against a
discriminator, its loss instead, and the discriminator's, and what probability it gives a photograph of being one.

    python docs/figures/curve.py RUN... --out docs/figures/compact_curve.webp

RUN is a run folder, or its log.jsonl. Several runs are drawn one after the other, each having begun with the weights of the
one before it. Needs matplotlib (`pip install ".[plots]"`).
"""

import argparse
import json
from itertools import accumulate
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np

from superfine.images import Picture, write

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7")  # Okabe and Ito
SMOOTHED = 10  # values of the log, which are means of 100 steps already; fewer of a short run


def read_log(run: Path) -> list[dict[str, Any]]:
    file = run if run.is_file() else run / "log.jsonl"
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", type=Path, nargs="+")
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()

    logs = [read_log(run) for run in arguments.runs]
    begins = [0, *accumulate(max(line["step"] for line in log) for log in logs)]
    plt.rcParams.update({"font.size": 9, "axes.spines.top": False, "axes.spines.right": False})
    figure, (above, below) = plt.subplots(
        2, 1, figsize=(7, 4.2), sharex=True, height_ratios=(3, 2), layout="constrained"
    )
    colours: dict[str, str] = {}  # of each loss; runs are told apart by the lines between them
    for log, begin in zip(logs, begins, strict=False):
        loss = next(key for key in log[0] if key not in ("step", "rate", "waiting_for_data", "patches_per_second"))
        colour = colours.setdefault(loss, COLOURS[len(colours) % len(COLOURS)])
        measured = [
            (begin + line["step"], value) for line in log for key, value in line.items() if key.startswith("psnr_y/")
        ]
        above.plot(*zip(*measured, strict=True), "o-", color=colour, markersize=3)
        adversarial = "discriminator" in log[0]
        shown = ("adversarial", "discriminator", "d_real") if adversarial else (loss,)
        for key, style in zip(shown, ("-", "--", ":"), strict=False):
            lines = [(begin + line["step"], line[key]) for line in log if key in line]
            steps, values = (np.array(part) for part in zip(*lines, strict=True))
            length = min(SMOOTHED, len(values) // 8 + 1)
            kernel = np.ones(length) / length
            smooth = np.convolve(values, kernel, "valid")
            scaled = smooth if key == "d_real" else (smooth - smooth.min()) / max(np.ptp(smooth), 1e-12)
            label = "probability for photographs" if key == "d_real" else f"{key} loss" if adversarial else key
            below.plot(steps[len(steps) - len(smooth) :], scaled, style, color=colour, linewidth=1, label=label)
    (name,) = {key.removeprefix("psnr_y/") for log in logs for line in log for key in line if key.startswith("psnr_y/")}
    above.set_ylabel(f"PSNR-Y on {name}, dB")
    below.set_ylabel("training losses,\nfrom least to most")
    below.set_xlabel("step")
    entries = dict(zip(*reversed(below.get_legend_handles_labels()), strict=True))  # each label once
    below.legend(
        entries.values(), entries, frameon=False, ncols=len(entries), loc="lower center", bbox_to_anchor=(0.5, 1.0)
    )
    for axes in (above, below):
        axes.grid(alpha=0.3)
        for begin in begins[1:-1]:
            axes.axvline(begin, color="0.6", linewidth=0.8, linestyle=":")

    figure.set_dpi(160)
    figure.canvas.draw()
    pixels = np.asarray(figure.canvas.buffer_rgba())[..., :3]
    write(Picture(pixels.astype(np.float32) / np.float32(255)), arguments.out, quality=90)


if __name__ == "__main__":
    main()
