"""Training speed: every preset, and the DCGAN with the tutorials' loops, in one run.

    python -m tests.benchmarks.training [--rounds 3] [--seconds 5] [--presets dcgan,cdcgan,...]

Prints images/s (the median of rounds that take turns), the share of the floor that is reached, and
the ratio to the `train_on_batch` loop. The floor is the multiplications that a step needs with
direct convolutions (`synthgen.networks.cost`) at the matrix product's speed, measured in the same
run;
`dcgan` beats it, for its layers on 7 x 7 maps are not computed directly. The loops:

    train_on_batch   generator.predict, discriminator.train_on_batch twice, the whole once
    two tapes        one tf.function with two gradient tapes
"""

import argparse
import os
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
import keras
import numpy as np
import tensorflow as tf
from keras import layers

from synthgen.datasets.digits import Digits
from synthgen.datasets.sources import load_real
from synthgen.gan.presets import PRESETS
from synthgen.gan.state import GanState
from synthgen.gan.step import make_runner
from synthgen.networks.cost import cost_of

Advance = Callable[[], int]  # trains a little and says on how many images
DCGAN = PRESETS["dcgan"].settings


@dataclass(frozen=True)
class Contender:
    """Something to be timed: a name, the preset whose work it does, and the training itself."""

    name: str
    preset: str
    advance: Advance


def plain_networks() -> tuple[keras.Model, keras.Model]:
    """The networks of `dcgan` as the tutorials write them."""
    generator = keras.Sequential(
        [
            keras.Input((100,)),
            layers.Dense(7 * 7 * 256),
            layers.BatchNormalization(),
            layers.LeakyReLU(0.2),
            layers.Reshape((7, 7, 256)),
            layers.Conv2DTranspose(128, 5, padding="same"),
            layers.BatchNormalization(),
            layers.LeakyReLU(0.2),
            layers.Conv2DTranspose(64, 5, strides=2, padding="same"),
            layers.BatchNormalization(),
            layers.LeakyReLU(0.2),
            layers.Conv2DTranspose(1, 5, strides=2, padding="same", activation="tanh"),
        ]
    )
    discriminator = keras.Sequential([keras.Input((28, 28, 1))])
    for channels in (64, 128):
        discriminator.add(layers.Conv2D(channels, 5, strides=2, padding="same"))
        discriminator.add(layers.LeakyReLU(0.2))
        discriminator.add(layers.Dropout(0.3))
    discriminator.add(layers.Flatten())
    discriminator.add(layers.Dense(1, activation="sigmoid"))
    return generator, discriminator


def adam() -> keras.optimizers.Optimizer:
    return keras.optimizers.Adam(DCGAN.generator_rate, DCGAN.beta_1)


def batches(digits: Digits) -> Callable[[], np.ndarray]:
    random = np.random.default_rng(0)
    images = digits.images.astype(np.float32) / 127.5 - 1
    return lambda: images[random.integers(0, len(images), DCGAN.batch)]


def train_on_batch_loop(
    digits: Digits, generator: keras.Model, discriminator: keras.Model
) -> Advance:
    """The loop of the first Keras tutorials."""
    draw, random = batches(digits), np.random.default_rng(1)
    ones, zeros = np.ones((DCGAN.batch, 1), np.float32), np.zeros((DCGAN.batch, 1), np.float32)
    discriminator.compile(adam(), "binary_crossentropy")
    discriminator.train_on_batch(draw(), ones)  # compiled while its weights are trainable
    discriminator.trainable = False
    combined = keras.Sequential([generator, discriminator])
    combined.compile(adam(), "binary_crossentropy")

    def advance() -> int:
        noise = random.standard_normal((DCGAN.batch, DCGAN.latent)).astype(np.float32)
        fakes = generator.predict(noise, batch_size=DCGAN.batch, verbose=0)
        discriminator.train_on_batch(draw(), ones)
        discriminator.train_on_batch(fakes, zeros)
        combined.train_on_batch(noise, ones)
        return DCGAN.batch

    return advance


def two_tape_loop(digits: Digits) -> Advance:
    """The compiled custom step of TensorFlow's tutorial."""
    (generator, discriminator), draw = plain_networks(), batches(digits)
    generator_adam, discriminator_adam = adam(), adam()
    loss = keras.losses.BinaryCrossentropy()

    @tf.function
    def step(images: tf.Tensor) -> None:
        noise = tf.random.normal((DCGAN.batch, DCGAN.latent))
        with tf.GradientTape() as generator_tape, tf.GradientTape() as discriminator_tape:
            real, fake = (
                discriminator(images, training=True),
                discriminator(generator(noise, training=True), training=True),
            )
            generator_loss = loss(tf.ones_like(fake), fake)
            discriminator_loss = loss(tf.ones_like(real), real) + loss(tf.zeros_like(fake), fake)
        for tape, value, model, optimizer in (
            (generator_tape, generator_loss, generator, generator_adam),
            (discriminator_tape, discriminator_loss, discriminator, discriminator_adam),
        ):
            optimizer.apply(
                tape.gradient(value, model.trainable_variables), model.trainable_variables
            )

    def advance() -> int:
        step(draw())
        return DCGAN.batch

    return advance


def own_step(name: str, digits: Digits) -> Advance:
    """The project's step, as `synthgen train` calls it."""
    settings = PRESETS[name].settings
    run = make_runner(GanState(settings, digits, seed=0), digits)
    steps = max(1, 512 // settings.batch)

    def advance() -> int:
        run(tf.constant(steps))
        return steps * settings.batch

    return advance


def peak(seconds: float) -> float:
    """Pairs of multiplication and addition a second in a large float32 matrix product."""
    side = 2048
    matrix = tf.random.stateless_uniform((side, side), (1, 2))
    return side**3 * _rate(lambda: int(tf.matmul(matrix, matrix).shape[0] > 0), seconds)


def _rate(advance: Advance, seconds: float) -> float:
    """What `advance` returns, a second."""
    began, done = time.perf_counter(), 0
    while time.perf_counter() - began < seconds:
        done += advance()
    return done / (time.perf_counter() - began)


def measure(
    contenders: list[Contender], rounds: int, seconds: float
) -> tuple[dict[str, float], float]:
    """Median images/s of each contender, and the median peak; all take turns."""
    for contender in contenders:
        contender.advance()  # compiles
    rates: dict[str, list[float]] = {contender.name: [] for contender in contenders}
    peaks = []
    for _ in range(rounds):
        peaks.append(peak(seconds / 2))
        for contender in contenders:
            rates[contender.name].append(_rate(contender.advance, seconds))
    return {name: statistics.median(values) for name, values in rates.items()}, statistics.median(
        peaks
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--presets", default=",".join(PRESETS))
    options = parser.parse_args()
    tf.random.set_seed(0)  # on a GPU, where synthgen asks for determinism, there must be one
    digits = load_real("mnist").train
    baseline = "dcgan, train_on_batch"
    contenders = [
        Contender(baseline, "dcgan", train_on_batch_loop(digits, *plain_networks())),
        Contender("dcgan, two tapes", "dcgan", two_tape_loop(digits)),
    ]
    contenders += [
        Contender(name, name, own_step(name, digits)) for name in options.presets.split(",")
    ]
    rates, fastest = measure(contenders, options.rounds, options.seconds)
    print(f"matrix product: {2 * fastest / 1e9:.0f} GFLOP/s (float32), {os.cpu_count()} cores\n")
    print(
        "| what | batch | GFLOP an image | floor, images/s | images/s | of the floor | ratio |\n"
        "|---|---|---|---|---|---|---|"
    )
    for contender in contenders:
        settings, rate = PRESETS[contender.preset].settings, rates[contender.name]
        pairs = cost_of(settings).trained
        floor, ratio = fastest / pairs, rate / rates[baseline]
        print(
            f"| {contender.name} | {settings.batch} | {2 * pairs / 1e9:.2f} | {floor:.0f} "
            f"| {rate:.0f} | {rate / floor:.0%} | {ratio:.1f} |"
        )


if __name__ == "__main__":
    main()
