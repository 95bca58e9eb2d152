"""What `synthgen build` takes for somebody with few pictures of their own, verdict included.

    python -m tests.benchmarks.own_digits FOLDER [--per-class 1000]

Makes FOLDER/my-digits, 103 pictures of scikit-learn's load_digits, 60 pixels high and 40 wide, dark
on light, with 3 to 25 a class, each in another place and size; then runs the build in FOLDER as a
whole process and prints its seconds. A folder without a set is expected: a second run only finds
what is there.
"""

import argparse
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from PIL import Image

COUNTS = (4, 9, 12, 25, 7, 3, 10, 15, 6, 12)  # pictures of each class
FIRST = 100  # of each class of load_digits that is taken
HEIGHT = 60
WIDTH = 40
PAPER = 235.0  # grey level
INK = 40.0


def draw_pictures(folder: Path, seed: int = 7) -> None:
    """Write pictures as somebody might have them: folder/CLASS/000.png and so on."""
    from sklearn.datasets import load_digits

    found = load_digits()
    random = np.random.default_rng(seed)
    for label, count in enumerate(COUNTS):
        rows = np.flatnonzero(found.target == label)[FIRST : FIRST + count]
        (folder / str(label)).mkdir(parents=True, exist_ok=True)
        for k, row in enumerate(rows):
            small = Image.fromarray(np.rint(found.images[row] * 255 / 16).astype(np.uint8))
            width = int(random.integers(24, 30))
            height = int(random.integers(30, 38))
            ink = np.array(small.resize((width, height), Image.Resampling.BICUBIC), np.float32)
            top = int(random.integers(6, HEIGHT - height - 4))
            left = int(random.integers(2, WIDTH - width - 1))
            page = np.zeros((HEIGHT, WIDTH), np.float32)
            page[top : top + height, left : left + width] = ink / 255
            grey = PAPER - (PAPER - INK) * page + random.normal(0, 2, page.shape)
            picture = Image.fromarray(np.clip(grey, 0, 255).astype(np.uint8))
            picture.save(folder / str(label) / f"{k:03}.png")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--per-class", default="1000")
    options = parser.parse_args()
    draw_pictures(options.folder / "my-digits")
    began = time.monotonic()
    command = [sys.executable, "-m", "synthgen", "build", "--data", "my-digits/"]
    done = subprocess.run(
        [*command, "--per-class", options.per_class], cwd=options.folder, check=False
    )
    print(f"\n{time.monotonic() - began:.0f} s for the whole command")
    sys.exit(done.returncode)


if __name__ == "__main__":
    main()
