"""The tutorials' `train_on_batch` loop against the project's step: seconds and worth of digits.

    python -m tests.benchmarks.loops [--steps 600]

Both train the networks of `dcgan` on MNIST's training digits with batches of 256, one after the
other. Of each generator 20,000 images are drawn and named by a classifier of real digits; a
classifier learns from them alone and is asked for the 5,000 validation digits. One seed.
"""

import argparse
import os
import time
from collections.abc import Callable
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray
from tqdm import trange

from synthgen.classifiers.judge import JudgeTraining, default_judge
from synthgen.datasets.digits import Digits
from synthgen.datasets.pixels import to_uint8
from synthgen.datasets.sources import load_real
from synthgen.gan.monitor import take_statistics
from synthgen.gan.presets import PRESETS
from synthgen.gan.state import GanState
from synthgen.gan.step import make_runner
from synthgen.networks.gan import build_generator
from synthgen.networks.layers import get_weights, set_weights
from tests.benchmarks.judge import JUDGE_STEPS
from tests.benchmarks.quality import worth
from tests.benchmarks.training import plain_networks, train_on_batch_loop

DCGAN = PRESETS["dcgan"].settings
IMAGES, AT_ONCE, PER_CALL = 20_000, 500, 20
Draw = Callable[[NDArray[np.float32]], NDArray[np.float32]]  # latents to images in -1..1


def by_loop(digits: Digits, steps: int) -> tuple[Draw, float]:
    """Train by the tutorials' loop -> the generator with its moving moments, and seconds."""
    generator, discriminator = plain_networks()
    advance = train_on_batch_loop(digits, generator, discriminator)
    advance()  # compiles
    began = time.perf_counter()
    for _ in trange(steps, desc="train_on_batch", disable=None):
        advance()
    return lambda latents: generator(latents, training=False).numpy(), time.perf_counter() - began


def by_step(digits: Digits, steps: int) -> tuple[Draw, float]:
    """Train by the project's step -> the generator as checkpoints have it, and seconds."""
    state = GanState(DCGAN, digits, seed=0)
    run = make_runner(state, digits)
    run(tf.constant(1))  # compiles
    began = time.perf_counter()
    for _ in trange(steps // PER_CALL, desc="synthgen", disable=None):
        run(tf.constant(PER_CALL))
    seconds = time.perf_counter() - began
    generator = build_generator(DCGAN, digits.image_shape, digits.classes)
    set_weights(generator, get_weights(state.average))
    take_statistics(generator, digits.classes)

    def draw(latents: NDArray[np.float32]) -> NDArray[np.float32]:
        labels = np.zeros(len(latents), np.int32)
        return generator([latents, labels], training=False).numpy()

    return draw, seconds


def digits_of(draw: Draw, model: Any) -> Digits:
    """Images of a generator, named by a trained judge."""
    latents = np.random.default_rng(2).standard_normal((IMAGES, DCGAN.latent), np.float32)
    images = np.concatenate([to_uint8(draw(some)) for some in np.split(latents, IMAGES // AT_ONCE)])
    seen = default_judge().predict(model, images).argmax(axis=1)
    return Digits(images, seen.astype(np.uint8))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--steps", type=int, default=600)
    options = parser.parse_args()
    if options.steps % PER_CALL:
        parser.error(f"--steps: expected a multiple of {PER_CALL}, received {options.steps}.")
    real = load_real("mnist")
    model = default_judge().fit(JudgeTraining(digits=real.train, steps=JUDGE_STEPS, seed=0), None)
    print(
        f"| {options.steps:,} steps of 256 | seconds | ratio | validation |\n|---|---|---|---|",
        flush=True,
    )
    slowest = None
    for name, train in (("train_on_batch", by_loop), ("synthgen", by_step)):
        draw, seconds = train(real.train, options.steps)
        slowest = slowest or seconds
        synthetic = digits_of(draw, model)
        print(
            f"| {name} | {seconds:.0f} | {slowest / seconds:.2f} | {worth(synthetic, real):.2%} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
