"""Is a generator that is adapted to somebody's few digits worth more than the shipped one as it is?

    python -m tests.benchmarks.adaptation --data FILE.npz|digits --name semeion [--per-class 5]
        [--designs raw,moments,norm,freeze] [--draws 3] [--finished]

A trial on validation digits: those of the half that `tests.benchmarks.transfer` draws from are
split once more, and its test half is not looked at. In every draw each design makes 1,000 digits of
each class; a classifier learns from these and the own ones, half of each batch each, distorted at
strength 1, for 1,500 steps. The designs:

    raw      the shipped generator's digits as they are: what is to be beaten
    moments  the same digits with the slant, the grey levels and the stroke width of the own ones;
             nothing is trained. The control of the others
    norm     of the generator only scale and shift of the normalisation, the label embedding and the
             last layer are trained (Noguchi and Harada 2019, https://arxiv.org/abs/1904.01774).
             All classes move by the same shift: what is learnt of the hand is shared by them
    freeze   the whole generator is trained; of the discriminator the first two layers are not
             (FreezeD, Mo et al. 2020, https://arxiv.org/abs/2002.10964)

At 0 digits a class there are 20 pictures a class without labels: moments are measured on them, a
generator is adapted to them with the labels that the shipped screening classifier reads, and the
classifier learns from generated digits alone. Each result is a line of
tests/benchmarks/results/adaptation-NAME.jsonl; what stands there is not trained again.
"""

import argparse
import dataclasses
import functools
import json
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_NUM_INTRAOP_THREADS", "1")
os.environ.setdefault("TF_NUM_INTEROP_THREADS", "1")
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from synthgen.classifiers.distortions import distortion
from synthgen.classifiers.judge import JudgeTraining, default_judge
from synthgen.classifiers.screener import load_screener
from synthgen.classifiers.settings import DistortionSettings
from synthgen.datasets.digits import Digits, Images
from synthgen.datasets.sources import load_real
from synthgen.datasets.splits import split_test
from synthgen.evaluation.arms import training_set
from synthgen.evaluation.generators import draw_synthetic
from synthgen.evaluation.scenarios import Draw, paired_seeds
from synthgen.evaluation.tuning import DEFAULT_DOSE
from synthgen.gan.checkpoint import Checkpoint, read_checkpoint, shipped_checkpoint
from synthgen.gan.losses import bce_discriminator, bce_generator, r1_penalty
from synthgen.metrics.intervals import paired_difference, verdict
from synthgen.networks.backend import keras, keras_defaults, tf
from synthgen.networks.gan import build_discriminator, build_generator
from synthgen.networks.layers import get_weights, set_weights
from synthgen.records import versions
from synthgen.weights import Weights
from tests.benchmarks.augmentation import RESULTS
from tests.benchmarks.transfer import small_set

STEPS = 1500  # of the classifier
PER_CLASS = 1000  # digits that a design makes
UNLABELLED = 20  # pictures of each class at a budget of 0
VALIDATION = 0.5  # share of the digits that transfer draws from
STRENGTH = 1.0
BATCH = 64
FIRST_STEPS = 400  # of a discriminator, on MNIST's digits
WARM_STEPS = 150  # of the discriminator on the own digits, the generator frozen
ADAPTED_STEPS = 200
EMA = 0.99
R1_GAMMA = 0.2
VIEW = DistortionSettings().scaled(0.5)  # what the discriminator sees of any image
FAINT = 25  # grey levels below this are no ink
SHARED = ("gamma", "beta", "embeddings")  # tables of the generator, a row a class
LAST_LAYER = "output/"
FROZEN_STAGES = 2  # of the discriminator
RATES = {"norm": 1e-3, "freeze": 2e-4}  # of the generator
DISCRIMINATOR_RATE = 5e-4


# Moments: what a hand looks like, and digits that look like it


def slants(images: Images) -> NDArray[np.float64]:
    """The slant of each image: columns to the right for each row down, weighted by ink."""
    ink = images[..., 0].astype(np.float64)
    total = ink.sum(axis=(1, 2))
    rows, columns = np.indices(ink.shape[1:])
    row = rows - ((ink * rows).sum(axis=(1, 2)) / total)[:, None, None]
    column = columns - ((ink * columns).sum(axis=(1, 2)) / total)[:, None, None]
    return (ink * row * column).sum(axis=(1, 2)) / np.maximum((ink * row**2).sum(axis=(1, 2)), 1)


def stroke_width(images: Images) -> float:
    """Mean width of the strokes in pixels: twice the distance of their middle lines to the edge."""
    widths = []
    for image in images[:500, ..., 0]:
        depth = ndimage.distance_transform_edt(image > 127)
        middle = (depth > 0) & (depth == ndimage.maximum_filter(depth, 3))
        widths.append(2 * depth[middle].mean() if middle.any() else 0.0)
    return float(np.mean(widths))


def match_moments(made: Digits, own: Images) -> Digits:
    """Give digits the slant, the grey levels and the stroke width of others, as sets.

    Args:
        made: digits to be changed.
        own: (n, 28, 28, 1) uint8 to look like.
    """
    # slant: mean and spread
    now = slants(made.images)
    wanted = slants(own)
    scale = wanted.std() / now.std() if len(own) > 2 else 1.0
    shears = (now - now.mean()) * scale + wanted.mean() - now
    middle = (np.array(made.images.shape[1:3]) - 1) / 2
    sheared = np.empty(made.images.shape[:3], np.float32)
    for row, (image, shear) in enumerate(zip(made.images[..., 0], shears, strict=True)):
        matrix = np.array([[1, 0], [-shear, 1]])
        offset = middle - matrix @ middle
        ndimage.affine_transform(
            image.astype(np.float32), matrix, offset, output=sheared[row], order=1
        )

    # grey levels: those of the own ink at the same ranks
    ranks = np.linspace(0, 1, 257)
    levels = np.quantile(sheared[sheared > FAINT], ranks)
    wanted_levels = np.quantile(own[own > FAINT], ranks)
    graded = np.interp(sheared, [0, *levels], [0, *wanted_levels]).astype(np.float32)

    # stroke width: towards the brightest or the darkest of each pixel's neighbours
    target = stroke_width(own)
    is_thin = stroke_width(graded[..., None]) < target
    filtered = ndimage.maximum_filter if is_thin else ndimage.minimum_filter
    extreme = filtered(graded, size=(1, 3, 3))
    low = 0.0
    high = 1.0
    for _ in range(8):
        share = (low + high) / 2
        mixed = graded + share * (extreme - graded)
        if (stroke_width(mixed[..., None]) < target) == is_thin:
            low = share
        else:
            high = share
    images = np.rint(graded + low * (extreme - graded))
    return Digits(images[..., None].astype(np.uint8), made.labels, made.class_names)


# Adaptation of the generator


class Adaptation:
    """The shipped generator and a discriminator that is trained beside it.

    Args:
        checkpoint: of the generator.
        discriminator: its first weights; None: random ones.
        seed: of whatever is random.
    """

    def __init__(self, checkpoint: Checkpoint, discriminator: Weights | None, seed: int) -> None:
        classes = len(checkpoint.class_names)
        shape = checkpoint.image_shape
        self.checkpoint = checkpoint
        self.generator = build_generator(checkpoint.settings, shape, classes)
        set_weights(self.generator, checkpoint.generator)
        self.discriminator = build_discriminator(checkpoint.settings, shape, classes, seed)
        if discriminator is not None:
            set_weights(self.discriminator, discriminator)
        self.view = distortion(VIEW, shape, seed)
        self.random = tf.random.Generator.from_seed(seed)

    @keras_defaults()
    def run(self, real: Digits, steps: int, design: str | None, rate: float) -> Weights:
        """Train the discriminator, and the generator by a design; None: it is frozen.

        Returns:
            The moving average of the generator's weights.
        """
        learnt = [
            variable
            for variable in self.generator.trainable_variables
            if design == "freeze" or variable.path.endswith(SHARED) or LAST_LAYER in variable.path
        ]
        judged = list(self.discriminator.trainable_variables)
        if design == "freeze":
            stages = [layer.path for layer in judged if layer.path.endswith("kernel")]
            frozen = tuple(path.rpartition("/")[0] for path in stages[:FROZEN_STAGES])
            judged = [variable for variable in judged if not variable.path.startswith(frozen)]
        first = keras.optimizers.Adam(RATES.get(design or "", rate), beta_1=0.0, beta_2=0.99)
        second = keras.optimizers.Adam(rate, beta_1=0.0, beta_2=0.99)
        first.build(learnt)
        second.build(judged)
        images = tf.constant(real.images.astype(np.float32))
        labels = tf.constant(real.labels.astype(np.int32))
        average = [tf.Variable(variable.value) for variable in learnt]
        settings = self.checkpoint.settings
        classes = len(self.checkpoint.class_names)

        def seen(batch: Any, number: Any) -> Any:
            return self.view(batch, number) / 127.5 - 1

        @tf.function
        def step(number: Any) -> None:
            rows = self.random.uniform((BATCH,), 0, len(real), tf.int32)
            asked = self.random.uniform((BATCH,), 0, classes, tf.int32)
            latents = self.random.normal((BATCH, settings.latent))
            with tf.GradientTape(persistent=True) as tape:
                drawn = self.generator([latents, asked], training=design is not None)
                fakes = seen((drawn + 1) * 127.5, 2 * number)
                reals = seen(tf.gather(images, rows), 2 * number + 1)
                both = tf.concat([reals, fakes], 0)
                of_both = tf.concat([tf.gather(labels, rows), asked], 0)
                scores = self.discriminator([both, of_both], training=True)
                real_scores, fake_scores = tf.split(scores, 2)
                with tf.GradientTape() as inner:
                    inner.watch(reals)
                    again = self.discriminator([reals, of_both[:BATCH]], training=True)
                penalty = r1_penalty(inner.gradient(again, reals), R1_GAMMA)
                loss = bce_discriminator(real_scores, fake_scores) + penalty
                wanted = bce_generator(fake_scores)
            second.apply_gradients(zip(tape.gradient(loss, judged), judged, strict=True))
            if design is None:
                return
            gradients = []
            for gradient, variable in zip(tape.gradient(wanted, learnt), learnt, strict=True):
                dense = tf.convert_to_tensor(gradient)
                if design == "norm" and variable.path.endswith(SHARED):
                    dense = tf.broadcast_to(tf.reduce_mean(dense, 0, keepdims=True), dense.shape)
                gradients.append(dense)
            first.apply_gradients(zip(gradients, learnt, strict=True))
            for kept, variable in zip(average, learnt, strict=True):
                kept.assign(EMA * kept + (1 - EMA) * variable)

        for number in range(steps):
            step(tf.constant(number, tf.int64))
        weights = get_weights(self.generator)
        return weights | {
            variable.path: kept.numpy() for kept, variable in zip(average, learnt, strict=True)
        }


def first_discriminator(checkpoint: Checkpoint) -> Weights:
    """A discriminator of MNIST's digits and the shipped generator's, kept between runs."""
    kept = Path(tempfile.gettempdir()) / f"discriminator-{checkpoint.sha256[:12]}-{FIRST_STEPS}.npz"
    if kept.exists():
        return dict(np.load(kept))
    mnist = load_real("mnist").train
    adaptation = Adaptation(checkpoint, None, 0)
    adaptation.run(mnist, FIRST_STEPS, None, checkpoint.settings.discriminator_rate)
    weights = get_weights(adaptation.discriminator)
    np.savez(kept, **weights)  # type: ignore[arg-type]
    return weights


def adapt(design: str, checkpoint: Checkpoint, own: Digits, seed: int) -> Digits:
    """Adapt the shipped generator to somebody's digits, and draw from it."""
    adaptation = Adaptation(checkpoint, first_discriminator(checkpoint), seed)
    adaptation.run(own, WARM_STEPS, None, DISCRIMINATOR_RATE)
    weights = adaptation.run(own, ADAPTED_STEPS, design, DISCRIMINATOR_RATE)
    adapted = dataclasses.replace(checkpoint, generator=weights)
    return draw_synthetic(adapted, PER_CLASS, seed)[0]


Design = Callable[[Checkpoint, Digits, int], Digits]


def raw(checkpoint: Checkpoint, own: Digits, seed: int) -> Digits:
    """The shipped generator's digits as they are."""
    return draw_synthetic(checkpoint, PER_CLASS, seed)[0]


def moments(checkpoint: Checkpoint, own: Digits, seed: int) -> Digits:
    """The shipped generator's digits with the moments of the own ones."""
    return match_moments(raw(checkpoint, own, seed), own.images)


DESIGNS: dict[str, Design] = {
    "raw": raw,
    "moments": moments,
    "norm": functools.partial(adapt, "norm"),
    "freeze": functools.partial(adapt, "freeze"),
}


def trial(design: str, pool: Digits, validation: Digits, budget: int, seed: int) -> dict[str, Any]:
    """Make digits by a design beside one draw of own ones, and ask a classifier of both."""
    started = time.monotonic()
    checkpoint = read_checkpoint(shipped_checkpoint())
    count = budget or UNLABELLED
    own = Draw(counts=(count,) * pool.classes, seed=seed).digits(pool)
    if not budget:
        screener = load_screener(checkpoint.screener, own.image_shape, own.classes)
        seen_as = screener.probabilities(own.images).argmax(axis=1).astype(np.uint8)
        own = Digits(own.images, seen_as, own.class_names)
    made = DESIGNS[design](checkpoint, own, seed)
    made_seconds = time.monotonic() - started
    digits = made
    if budget:
        digits, _ = training_set("source", own, made, dose=DEFAULT_DOSE)
    judge = default_judge()
    training = JudgeTraining(digits=digits, steps=STEPS, seed=seed, strength=STRENGTH)
    read = judge.predict(judge.fit(training, None), validation.images).argmax(axis=1)
    right = read == validation.labels
    return {
        "design": design,
        "per_class": budget,
        "seed": seed,
        "accuracy": round(float(right.mean()), 6),
        "images": len(right),
        "right": np.packbits(right).tobytes().hex(),
        "seconds_made": round(made_seconds, 1),
        "seconds": round(time.monotonic() - started, 1),
        "versions": versions(),
    }


def table(rows: list[dict[str, Any]]) -> list[str]:
    """Each design at each budget, over raw digits and over their moments, as Markdown."""
    lines = ["| own digits a class | design | draws | accuracy | over raw | over moments |"]
    lines.append("|---" * 6 + "|")
    right = {
        (row["per_class"], row["design"], row["seed"]): np.unpackbits(
            np.frombuffer(bytes.fromhex(row["right"]), np.uint8), count=row["images"]
        ).astype(np.bool_)
        for row in rows
    }
    for budget in sorted({row["per_class"] for row in rows}):
        for design in DESIGNS:
            seeds = sorted(seed for per, name, seed in right if (per, name) == (budget, design))
            if not seeds:
                continue
            arm = np.stack([right[budget, design, seed] for seed in seeds])
            words = []
            for control in ("raw", "moments"):
                paired = [seed for seed in seeds if (budget, control, seed) in right]
                if control == design or len(paired) < 2:
                    words.append("")
                    continue
                found = paired_difference(
                    np.stack([right[budget, design, seed] for seed in paired]),
                    np.stack([right[budget, control, seed] for seed in paired]),
                )
                words.append(
                    f"{100 * found.mean:+.2f} ({100 * (found.low or 0):+.2f} to "
                    f"{100 * (found.high or 0):+.2f}) {verdict(found)}"
                )
            accuracy = f"{100 * arm.mean():.2f} %"
            lines.append(
                f"| {budget} | {design} | {len(seeds)} | {accuracy} | {' | '.join(words)} |"
            )
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", required=True)
    parser.add_argument("--name", required=True)
    parser.add_argument("--per-class", default="5")
    parser.add_argument("--designs", default=",".join(DESIGNS))
    parser.add_argument("--draws", type=int, default=3)
    parser.add_argument("--finished", action="store_true")
    options = parser.parse_args()
    kept = RESULTS / f"adaptation-{options.name}.jsonl"
    rows = [json.loads(line) for line in kept.read_text().splitlines()] if kept.exists() else []
    there = {(row["per_class"], row["design"], row["seed"]) for row in rows}
    pool, validation = split_test(small_set(options.data).train, VALIDATION)
    for budget in map(int, options.per_class.split(",")):
        for seed in paired_seeds(options.draws):
            for design in options.designs.split(","):
                if options.finished or (budget, design, seed) in there:
                    continue
                row = trial(design, pool, validation, budget, seed)
                rows.append(row)
                with kept.open("a") as file:
                    file.write(json.dumps(row) + "\n")
                print(budget, seed, design, row["accuracy"], row["seconds"], flush=True)
    print("\n".join(table(rows)))


if __name__ == "__main__":
    main()
