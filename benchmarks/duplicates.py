"""Which near-duplicates of benchmark pictures a pack leaves out: how many are found when so much is cut off each side.

    python benchmarks/duplicates.py BENCHMARKS

BENCHMARKS is the folder that holds Set5, Set14 and BSD100, each with its originals in HR.
"""

import argparse
from pathlib import Path

from superfine.data.duplicates import near, signs
from superfine.images import read

PERCENT = (2, 3, 4, 5, 10)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("benchmarks", type=Path)
    files = sorted(file for file in parser.parse_args().benchmarks.glob("*/HR/*") if file.is_file())
    pictures = [read(file).pixels for file in files]
    for percent in PERCENT:
        found = 0
        for pixels in pictures:
            height, width = (percent * length // 100 for length in pixels.shape[:2])
            found += near(signs(pixels[height:-height, width:-width])) is not None
        print(f"{percent}% off each side: {found} of {len(pictures)} found")


if __name__ == "__main__":
    main()
