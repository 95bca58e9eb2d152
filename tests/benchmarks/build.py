"""Generating and writing images: `synthgen build` against the plain way, same generator.

    python -m tests.benchmarks.build [--per-class 5000] [--batch 250]

The plain way is Keras predict, Pillow, h5py and pandas. It makes a tenth of the images; both are
given in images/s. It has no seeds, screening, hashes or resume.
"""

import argparse
import os
import tempfile
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
import h5py
import numpy as np
import pandas as pd
from PIL import Image

from synthgen.config import BuildSettings
from synthgen.datasets.sources import load_real
from synthgen.gan.checkpoint import read_checkpoint, shipped_checkpoint
from synthgen.networks.gan import build_generator
from synthgen.networks.layers import set_weights
from synthgen.shards.build import build


def plain(folder: Path, count: int) -> None:
    checkpoint = read_checkpoint(shipped_checkpoint())
    model = build_generator(checkpoint.settings, checkpoint.image_shape, 10)
    set_weights(model, checkpoint.generator)
    labels, latents = (
        np.repeat(np.arange(10), count // 10),
        np.random.default_rng(0).standard_normal((count, checkpoint.settings.latent), np.float32),
    )
    images = ((model.predict([latents, labels], batch_size=256, verbose=0) + 1) * 127.5).astype(
        np.uint8
    )
    for number, image in enumerate(images):
        Image.fromarray(image[..., 0]).save(folder / f"{number}.png")
    with h5py.File(folder / "plain.h5", "w") as file:
        file.create_dataset("images", data=images, compression="gzip")
        file.create_dataset("labels", data=labels)
    pd.DataFrame({"id": range(count), "label": labels}).to_csv(folder / "plain.csv")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--per-class", type=int, default=5000)
    parser.add_argument("--batch", type=int, default=BuildSettings().batch)
    options = parser.parse_args()
    per_class = options.per_class
    speeds = {}
    reference = load_real("mnist").train
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        build(
            BuildSettings(per_class=per_class, batch=options.batch),
            folder,
            read_checkpoint(shipped_checkpoint()),
            reference=reference,
        )
        seconds = time.perf_counter() - began
        speeds["synthgen build"] = 10 * per_class / seconds
        print(
            f"synthgen build: {10 * per_class:,} images in {seconds:.1f} s, "
            f"{speeds['synthgen build']:,.0f} images/s"
        )
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        plain(Path(folder), per_class)
        speeds["plain"] = per_class / (time.perf_counter() - began)
        print(
            f"plain way: {per_class:,} images, {speeds['plain']:,.0f} images/s; "
            f"ratio {speeds['synthgen build'] / speeds['plain']:.2f}"
        )


if __name__ == "__main__":
    main()
