"""Settings: frozen, keyword-only dataclasses that are checked when they are made.

    GanSettings          a training recipe: networks, loss, optimisation
    TrainSettings        how a training is run and watched
    BuildSettings        what a build makes
    EvaluationSettings   how the worth of a set is measured
    BenchmarkSettings    what the augmentation benchmark measures

Each default and each help text stands here and nowhere else: the command line derives its options
from these fields, and docs/cli.md is the commands' own help.
"""

import dataclasses
import numbers
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from synthgen.errors import SettingsError

SHARD_FORMAT_NAMES = ("hdf5", "png", "webdataset", "tfrecord", "parquet", "npz")
SCREENINGS = ("mislabels", "duplicates", "memorised")  # or "none"
LABEL_CHOICES = ("auto", "condition", "per-class", "classifier")
LIKE_CHOICES = ("data", "generator")
ENGINE_CHOICES = ("local", "ray")
CONDITIONS = ("none", "concat", "projection")
LOSSES = ("bce", "hinge", "wasserstein")
UPDATE_ORDERS = ("alternating", "simultaneous")
KERNEL_SIDES = {"same": "357", "up": "45", "down": "45", "pixels": "357"}  # by kind of stage

# what `evaluate` trains classifiers on, see evaluation/arms.py
EVALUATION_ARMS = ("real", "real_synthetic", "synthetic", "classical", "both")
# what `build` trains them on: all five would take longer than building
DEFAULT_PRESET = "cdcgan"
BUILD_ARMS = EVALUATION_ARMS[:3]
LEAST_PER_CLASS = 10  # images of an evaluation: a share of fewer is not a figure
MOST_OWN_DIGITS = 1000  # of a user; with more there are enough to set a test part aside

# what the benchmark compares
CLOSED_SCENARIOS = ("grid", "imbalance", "long-tail", "stand-in")  # own images are all there is
BENCHMARK_SCENARIOS = (*CLOSED_SCENARIOS, "transfer")
GRID_ARMS = ("real_half_steps", "real", "classical", "real_synthetic", "both", "synthetic")
ALL = "all"  # the images of a class that there are


# A check returns None for a value that is allowed, else what was expected, in words.
Check = Callable[[Any], str | None]


def setting(default: Any, help: str, check: Check | None = None) -> Any:
    """Makes a dataclass field that carries its help text and its check.

    Args:
        default: of the field.
        help: a sentence for users.
        check: applied to every value; None for a switch, which needs none.
    """
    return dataclasses.field(default=default, metadata={"help": help, "check": check})


def check_settings(settings: Any) -> None:
    """Applies each field's check; a settings class calls it in its `__post_init__`.

    Raises:
        SettingsError: naming the option, what was expected and what was received.
    """
    for field in dataclasses.fields(settings):
        check = field.metadata.get("check")
        value = getattr(settings, field.name)
        if check is None:
            continue
        expected = check(value)
        is_whole = isinstance(value, numbers.Integral) and not isinstance(value, bool)
        if field.type is int and not is_whole:  # such as 2.5
            expected = "a whole number"
        if expected is not None:
            option = f"--{field.name.replace('_', '-')}"
            raise SettingsError(f"{option}: expected {expected}, received {_as_named(value)}.")


def _as_named(value: Any) -> str:
    """Says a value as a command line names it: that of several ones without Python's brackets."""
    if not isinstance(value, tuple | list):
        return repr(value)
    return repr(",".join(map(str, value))) if value else "none"


def between(low: float, high: float) -> Check:
    """Returns a check that a number lies in [low, high]."""
    return _expect(f"a number from {low:,} to {high:,}", lambda value: low <= value <= high)


def one_of(choices: tuple[str, ...]) -> Check:
    """Returns a check that a value is one of the choices."""
    return _expect("one of " + ", ".join(choices), lambda value: value in choices)


def channel_counts(count: int) -> Check:
    """Returns a check that a value is this many channel counts."""
    return _expect(
        f"{count} channel counts from 1 to 4096, separated by commas",
        lambda values: len(values) == count and all(1 <= value <= 4096 for value in values),
    )


def _expect(expected: str, allowed: Callable[[Any], Any]) -> Check:
    def check(value: Any) -> str | None:
        try:
            return None if allowed(value) else expected
        except (TypeError, AttributeError):  # a value of another type
            return expected

    return check


def _each_once(values: tuple[Any, ...]) -> bool:
    return len(values) > 0 and len(set(values)) == len(values)


def _some_of(choices: tuple[str, ...]) -> Check:
    return _expect(
        "one or more of " + ", ".join(choices) + ", separated by commas, each once",
        lambda values: _each_once(values) and set(values) <= set(choices),
    )


def _numbers(low: float, high: float) -> Check:
    return _expect(
        f"numbers from {low:,} to {high:,}, separated by commas, each once",
        lambda values: _each_once(values) and all(low <= value <= high for value in values),
    )


def _some_channels() -> Check:
    return _expect(
        "channel counts from 1 to 4096, separated by commas",
        lambda values: values and all(1 <= value <= 4096 for value in values),
    )


def _stages(*kinds: str) -> Check:
    names = ["dense"]
    for kind in kinds:
        names += [f"{kind}{side}" for side in KERNEL_SIDES[kind]]
    return _expect(
        "stages out of " + ", ".join(names) + ", separated by commas",
        lambda values: values and set(values) <= set(names),
    )


def _file_name() -> Check:
    return _expect(
        "a file name of letters, digits, '-', '_' and '.', beginning with a letter or digit",
        lambda value: (
            value
            and value[0].isalnum()
            and all(character.isalnum() or character in "-_." for character in value)
        ),
    )


def _is_image_count(value: str) -> bool:
    return value == ALL or (value.isdecimal() and int(value) > 0)


def _is_class_count(value: str) -> bool:
    name, _, number = value.rpartition("=")
    return bool(name) and number.isdecimal() and 1 <= int(number) <= 2**40


@dataclass(frozen=True, kw_only=True)
class GanSettings:
    """A training recipe: networks, loss and optimisation. A preset is a value of this type.

    A network is a list of stages with the channels they have. The generator projects its input to
    the first of `generator_channels`, and each of `generator_stages` leads to the next, the last
    one to the image; each of `discriminator_stages` ends in the channels of its place in
    `discriminator_channels`. The stages:

        dense     a fully connected layer (then all stages are dense)
        same3     a convolution of stride 1; the figure is the side of its kernel
        up5       a transposed convolution of stride 2 (generator), side 4 or 5
        down5     a convolution of stride 2 (discriminator), side 4 or 5
        pixels3   a convolution of stride 1 whose channels become 2 x 2 pixels (generator), or that
                  sees 2 x 2 pixels as channels (discriminator)
    """

    # data and length
    steps: int = setting(4600, "Training steps (updates of the generator).", between(1, 10_000_000))
    batch: int = setting(
        64,
        "Real images (and as many generated ones) per update of the discriminator.",
        between(2, 65_536),
    )
    class_balance: bool = setting(
        False,
        "Show the real images of every class equally often, those of rarer classes again and "
        "again.",
    )
    latent: int = setting(64, "Size of the latent vector.", between(1, 4096))
    condition: str = setting(
        "projection",
        "How the class is told: 'none', 'concat' (one-hot beside latent, image) or 'projection' "
        "(conditional BatchNorm, projection discriminator).",
        one_of(CONDITIONS),
    )
    label_embedding: int = setting(
        32, "With projection: size of the class embedding that joins the latent.", between(1, 1024)
    )

    # the generator
    generator_channels: tuple[int, ...] = setting(
        (80, 64, 32), "Generator channels, input side first.", _some_channels()
    )
    generator_stages: tuple[str, ...] = setting(
        ("same3", "up4", "pixels3"),
        "Generator stages: dense, same3, up4, pixels3, ...",
        _stages("same", "up", "pixels"),
    )
    generator_norm: str = setting(
        "batch", "Normalisation in the generator: 'batch' or 'none'.", one_of(("batch", "none"))
    )
    norm_momentum: float = setting(
        0.99,
        "Momentum of the moving moments of BatchNorm in training; a checkpoint takes its own "
        "statistics.",
        between(0, 0.999999),
    )
    norm_last: bool = setting(False, "Normalise after the activation instead of before it.")
    norm_units: bool = setting(
        False, "Normalise the projection unit by unit, before it becomes a map of channels."
    )
    generator_slope: float = setting(
        0.0, "Slope of the generator's ReLU below 0 (0.2: LeakyReLU).", between(0, 1)
    )
    generator_bias: bool = setting(False, "Biases in the generator's layers before normalisation.")
    output_bias: bool = setting(True, "A bias in the generator's last layer.")

    # the discriminator
    discriminator_channels: tuple[int, ...] = setting(
        (32, 64, 80), "Discriminator channels, image side first.", _some_channels()
    )
    discriminator_stages: tuple[str, ...] = setting(
        ("pixels3", "down4", "same3"),
        "Discriminator stages: dense, same3, down4, pixels3, ...",
        _stages("same", "down", "pixels"),
    )
    discriminator_dense: int = setting(
        128,
        "Width of a dense layer that joins the pooled features; 0: all features, flat.",
        between(0, 8192),
    )
    discriminator_norm: str = setting(
        "none",
        "Normalisation in the discriminator: 'none', 'batch' or 'layer'.",
        one_of(("none", "batch", "layer")),
    )
    dropout: float = setting(
        0.0, "Share of the discriminator's activations dropped after each stage.", between(0, 0.99)
    )
    spectral_norm: bool = setting(
        False, "Divide the discriminator's kernels by their largest singular value."
    )
    minibatch: str = setting(
        "none",
        "What the discriminator sees of its whole batch: 'none', 'discrimination' or 'deviation'.",
        one_of(("none", "discrimination", "deviation")),
    )
    probability: bool = setting(
        False, "End the discriminator in a probability (a sigmoid) instead of a logit."
    )

    # the loss
    loss: str = setting(
        "bce",
        "'bce' (binary cross-entropy, non-saturating), 'hinge' or 'wasserstein'.",
        one_of(LOSSES),
    )
    label_smoothing: float = setting(
        0.0,
        "With bce: real targets uniform in [1 - s, 1], generated ones in [0, s].",
        between(0, 0.5),
    )
    r1_gamma: float = setting(
        0.5, "Strength of the R1 gradient penalty on real images; 0: none.", between(0, 1000)
    )
    r1_every: int = setting(
        16, "Steps between two applications of R1 (lazy regularisation).", between(1, 1000)
    )
    gradient_penalty: float = setting(
        0.0, "Strength of the gradient penalty of WGAN-GP; 0: none.", between(0, 1000)
    )
    weight_clip: float = setting(
        0.0,
        "Clip the discriminator's weights to +- this after every step; 0: do not.",
        between(0, 100),
    )

    # the updates
    updates: str = setting(
        "simultaneous",
        "Whether the generator learns from the discriminator after its last update "
        "('alternating') or from before it ('simultaneous'): in the same "
        "pass, but with hinge loss, label smoothing, a minibatch layer or discriminator BatchNorm.",
        one_of(UPDATE_ORDERS),
    )
    critic_steps: int = setting(
        1, "Updates of the discriminator per update of the generator.", between(1, 100)
    )
    translation: float = setting(
        0.0,
        "Shift what the discriminator sees by up to this share of the side, a pixel at least "
        "(differentiable); 0: do not.",
        between(0, 0.5),
    )
    cutout: float = setting(
        0.0,
        "Black out a square of this share of the side in what the discriminator sees.",
        between(0, 1),
    )
    optimizer: str = setting(
        "adam", "'adam', 'rmsprop' or 'sgd'.", one_of(("adam", "rmsprop", "sgd"))
    )
    generator_rate: float = setting(1e-3, "Learning rate of the generator.", between(1e-8, 1))
    discriminator_rate: float = setting(
        1e-3, "Learning rate of the discriminator.", between(1e-8, 1)
    )
    beta_1: float = setting(0.0, "Adam beta 1 of both networks.", between(0, 0.999999))
    beta_2: float = setting(0.99, "Adam beta 2 of both networks.", between(0, 0.999999))
    decay_from: float = setting(
        0.5,
        "Share of the steps after which the rates fall linearly to 1 %; 1: never.",
        between(0, 1),
    )
    ema: float = setting(
        0.999,
        "Decay of the exponential moving average of the generator; 0: none.",
        between(0, 0.999999),
    )

    def __post_init__(self) -> None:
        check_settings(self)

        # networks
        for network, stages, channels in (
            ("generator", self.generator_stages, self.generator_channels),
            ("discriminator", self.discriminator_stages, self.discriminator_channels),
        ):
            named = ",".join(stages)
            if len(stages) != len(channels):
                raise SettingsError(
                    f"--{network}-channels: expected one count for each of the {len(stages)} "
                    f"stages {named}, received {len(channels)}. Name as many, or change "
                    f"--{network}-stages."
                )
            if "dense" in stages and set(stages) != {"dense"}:
                raise SettingsError(
                    f"--{network}-stages: expected either all dense or none, received {named}."
                )
        if self.discriminator_dense and self.dense_discriminator:
            raise SettingsError(
                "--discriminator-dense: expected 0 with dense stages (they are dense layers "
                "already), received another number."
            )

        # loss
        if self.label_smoothing and self.loss != "bce":
            raise SettingsError(
                "--label-smoothing goes with --loss bce alone: the other losses have no targets."
            )
        if self.probability and self.loss != "bce":
            raise SettingsError(
                "--probability goes with --loss bce alone: the other losses need a score without "
                "bounds. Add --no-probability."
            )
        if self.gradient_penalty and self.mixes_images:
            raise SettingsError(
                "--gradient-penalty needs the gradient of each image by itself, and BatchNorm and "
                "minibatch layers mix images: use --discriminator-norm layer or none, and "
                "--minibatch none."
            )
        if self.weight_clip and self.spectral_norm:
            raise SettingsError(
                "--weight-clip and --spectral-norm exclude each other: clipped weights are scaled "
                "up again by the norm."
            )

    @property
    def conditional(self) -> bool:
        """Whether the networks are given the class."""
        return self.condition != "none"

    @property
    def dense_generator(self) -> bool:
        """Whether the generator is fully connected."""
        return "dense" in self.generator_stages

    @property
    def dense_discriminator(self) -> bool:
        """Whether the discriminator is fully connected."""
        return "dense" in self.discriminator_stages

    @property
    def mixes_images(self) -> bool:
        """Whether the score of an image depends on the other images of its batch, too."""
        return self.minibatch != "none" or self.discriminator_norm == "batch"

    @property
    def one_pass(self) -> bool:
        """Whether one pass through the discriminator serves both updates.

        For that the score of an image must depend on it alone, and both losses must have the same
        gradients but for the sign: hinge loss is flat beyond its margin, and smoothed labels give
        each side targets of its own.
        """
        return (
            self.updates == "simultaneous"
            and self.loss != "hinge"
            and not self.label_smoothing
            and not self.mixes_images
        )


@dataclass(frozen=True, kw_only=True)
class TrainSettings:
    """How a training is run and watched; what is trained is in GanSettings."""

    seed: int = setting(
        0,
        "Seed of the whole training: initial weights, data order, latents.",
        between(0, 2**31 - 2),
    )
    samples_every: int = setting(200, "Steps between two sample grids.", between(1, 10_000_000))
    grid: int = setting(
        10,
        "Columns of a sample grid: one row a class; without classes as many rows as columns.",
        between(1, 100),
    )
    save_minutes: float = setting(
        3.0,
        "Minutes between two checkpoints; 0: one after every line of the log.",
        between(0, 1440),
    )
    log_every: int = setting(
        10, "Steps per line of log.csv (and per compiled call).", between(1, 100_000)
    )
    watch_every: int = setting(
        200,
        "Steps between two looks at the samples: label agreement, variety, mode collapse.",
        between(1, 10_000_000),
    )
    score_minutes: float = setting(
        3.0,
        "Minutes between two scores of usefulness on validation digits, which choose FOLDER/best; "
        "0: never.",
        between(0, 1440),
    )

    def __post_init__(self) -> None:
        check_settings(self)


@dataclass(frozen=True, kw_only=True)
class BuildSettings:
    """What a build makes; all that decides the content of its files is in their fingerprint."""

    per_class: int = setting(5000, "Images of each class.", between(1, 2**40))
    counts: tuple[str, ...] = setting(
        (),
        "Images of single classes in the place of --per-class, such as 3=8000,7=500; a class that "
        "is not named gets none.",
        _expect(
            "NAME=NUMBER of one or more classes, separated by commas, each class once, such as "
            "3=8000,7=500",
            lambda values: (
                len({value.rpartition("=")[0] for value in values}) == len(values)
                and all(_is_class_count(value) for value in values)
            ),
        ),
    )
    name: str = setting("digits", "Name of the set: data/NAME, manifests/NAME.csv.", _file_name())
    formats: tuple[str, ...] = setting(
        ("hdf5", "png"),
        f"Shard formats, separated by commas: {', '.join(SHARD_FORMAT_NAMES)}.",
        _some_of(SHARD_FORMAT_NAMES),
    )
    seed: int = setting(
        0,
        "Run seed: with it, label, index and attempt make the seed of each image.",
        between(0, 2**63 - 1),
    )
    shard_size: int = setting(
        10_000,
        "Images per shard, rounded down to a multiple of the number of classes.",
        between(1, 10_000_000),
    )
    batch: int = setting(
        250,
        "Images per pass through the generator, as many of each class; what is left over is "
        "padded.",
        between(1, 65_536),
    )
    labels: str = setting(
        "auto",
        "Where labels come from: a 'condition', generators 'per-class' (with --train as many "
        "trainings), a 'classifier', or 'auto': "
        "what the generator was trained for.",
        one_of(LABEL_CHOICES),
    )
    screen: str = setting(
        "mislabels",
        "Which images are drawn again, separated by commas: 'mislabels' (the screening classifier "
        "is sure of another class), 'duplicates' (as near to an image before it in its shard as "
        "one in a hundred unseen real digits is to a training image), 'memorised' (as near to a "
        "training image as that), or 'none'.",
        _expect(
            f"one or more of {', '.join(SCREENINGS)}, separated by commas, each once, or none",
            lambda value: (
                value == "none"
                or (
                    _each_once(tuple(value.split(","))) and set(value.split(",")) <= set(SCREENINGS)
                )
            ),
        ),
    )
    screen_confidence: float = setting(
        0.6,
        "Confidence in another class from which an image counts as mislabelled; with --labels "
        "classifier: in its own, to be kept.",
        between(0, 1),
    )
    like: str = setting(
        "data",
        "What the images look like: 'data' (size, polarity, margins and colours of the pictures of "
        "--data, where that is not MNIST) or 'generator' (as it draws them).",
        one_of(LIKE_CHOICES),
    )
    manifest_rows: int = setting(
        5_000_000,
        "Rows of one file of the manifest, at most; of a larger set manifests/NAME.csv lists "
        "several, manifests/NAME/00000.csv and so on.",
        between(1, 2**40),
    )
    max_attempts: int = setting(
        0,
        "Draws for one image before the build gives up on its class; 0: 20, with --labels "
        "classifier 2000.",
        between(0, 100_000),
    )

    def __post_init__(self) -> None:
        check_settings(self)

    def class_counts(self, class_names: Sequence[str]) -> tuple[int, ...]:
        """Returns the images of each class.

        Args:
            class_names: of the generator.

        Raises:
            SettingsError: if `counts` names another class.
        """
        if not self.counts:
            return (self.per_class,) * len(class_names)
        of_class = dict(value.rpartition("=")[::2] for value in self.counts)
        unknown = [name for name in of_class if name not in class_names]
        if unknown:
            raise SettingsError(
                f"--counts: expected classes of the generator, {', '.join(class_names)}, "
                f"received {', '.join(unknown)}."
            )
        return tuple(int(of_class.get(name, 0)) for name in class_names)

    def rejects(self, reason: str) -> bool:
        """Returns whether images are drawn again for one of SCREENINGS."""
        return reason in self.screen.split(",")

    @property
    def screens_nearness(self) -> bool:
        """Whether images are drawn again because of what they are near to."""
        return self.rejects("duplicates") or self.rejects("memorised")

    @property
    def attempts(self) -> int:
        """Draws allowed for one image.

        With 2000, a class that one draw in 100 shows lacks none of 5,000 images but for once in
        100,000 sets.
        """
        if self.max_attempts:
            return self.max_attempts
        return 2000 if self.labels == "classifier" else 20


@dataclass(frozen=True, kw_only=True)
class EvaluationSettings:
    """How the worth of a set is measured."""

    seeds: int = setting(3, "Paired repetitions of each arm.", between(1, 1000))
    arms: tuple[str, ...] = setting(
        EVALUATION_ARMS,
        f"What classifiers are trained on: {', '.join(EVALUATION_ARMS)}; 'real' is needed.",
        _some_of(EVALUATION_ARMS),
    )
    epochs: float = setting(
        2.0,
        "Training length of every arm: passes over the real training digits, 300 steps at least.",
        between(0.01, 1000),
    )
    max_synthetic: int = setting(
        200_000,
        "Synthetic images read at most: the first ones of each class, equally many.",
        between(1, 10_000_000),
    )
    sample: int = setting(
        10_000,
        "Images of each side, at most, that fidelity and memorisation are measured on.",
        between(1, 1_000_000),
    )
    neighbours: int = setting(
        5, "Neighbours that precision, recall, density and coverage reach to.", between(1, 100)
    )
    resamplings: int = setting(
        100, "Bootstrap resamplings for the intervals of fidelity.", between(2, 10_000)
    )
    workers: int = setting(
        0,
        "Processes that train side by side on this machine; 0: as many as there are cores, as far "
        "as the memory goes. The figures do not depend on it.",
        between(0, 1000),
    )

    def __post_init__(self) -> None:
        check_settings(self)
        if "real" not in self.arms:
            raise SettingsError(
                "--arms: expected 'real' among the arms: the others are compared with it, "
                f"received {_as_named(self.arms)}."
            )


@dataclass(frozen=True, kw_only=True)
class BenchmarkSettings:
    """What the augmentation benchmark measures. The defaults are those of --quick."""

    name: str = setting("digits", "Name of the benchmark: data/benchmark-NAME.", _file_name())
    scenarios: tuple[str, ...] = setting(
        ("grid",),
        "Questions: grid, imbalance, long-tail, stand-in, transfer, separated by commas.",
        _some_of(BENCHMARK_SCENARIOS),
    )
    per_class: tuple[str, ...] = setting(
        ("20",),
        "Real images of each class (grid, stand-in, transfer), or 'all', separated by commas.",
        _expect(
            f"numbers of images of each class, or '{ALL}', separated by commas, each once",
            lambda values: _each_once(values) and all(map(_is_image_count, values)),
        ),
    )
    ratios: tuple[int, ...] = setting(
        (5,), "Synthetic images for one real image (grid), separated by commas.", _numbers(1, 1000)
    )
    arms: tuple[str, ...] = setting(
        GRID_ARMS[1:], "Arms of the grid, separated by commas.", _some_of(GRID_ARMS)
    )
    seeds: tuple[int, ...] = setting(
        (3,),
        "Paired repetitions: one number, or one for each of --per-class, separated by commas.",
        _expect(
            "numbers from 1 to 1,000, separated by commas",
            lambda values: values and all(1 <= value <= 1000 for value in values),
        ),
    )
    majority: str = setting(
        ALL,
        "Imbalance: real images of each class that is not cut, or 'all'.",
        _expect(f"a number of images, or '{ALL}'", _is_image_count),
    )
    shares: tuple[float, ...] = setting(
        (2.5, 5.0, 10.0),
        "Imbalance: per cent left of the class that is cut, separated by commas.",
        _numbers(0.01, 100),
    )
    long_tail: tuple[int, ...] = setting(
        (4000, 2000, 1000, 750, 500, 350, 200, 100, 60, 40),
        "Long tail: real images of each class, the most frequent first; the classes take turns.",
        _expect(
            "numbers of images, one for each class, separated by commas",
            lambda values: values and min(values) > 0,
        ),
    )
    rotations: int = setting(
        3,
        "Imbalance, long tail: paired repetitions; each one cuts the next class.",
        between(1, 1000),
    )
    steps: int = setting(
        350,
        "Gradient steps of every arm with 100 real images; 32 times the images take twice the "
        "steps.",
        between(2, 10_000_000),
    )
    transfer_steps: int = setting(
        1500,
        "Transfer: gradient steps of every arm, however many images there are.",
        between(2, 10_000_000),
    )
    source_images: int = setting(
        1000,
        "Transfer: digits of each class that the generator draws, and real ones of its training "
        "data beside them.",
        between(1, 100_000),
    )
    folds: int = setting(
        1,
        "Trainings, of three, that the strength of distortions is tuned with for up to 1,000 "
        "images.",
        between(1, 3),
    )
    synthetic_weight: float = setting(
        1.0, "Weight of a synthetic image in the loss; a real one has 1.", between(0.001, 1000)
    )
    max_synthetic: int = setting(
        200_000, "Cells with more synthetic images than this are left out.", between(1, 10_000_000)
    )
    gan_images: int = setting(
        25_000,
        "Images that each generator is trained on, with repetitions (steps x batch); 0: those of "
        "its recipe.",
        between(0, 10**9),
    )
    engine: str = setting(
        "local",
        "'local': on this machine; 'ray': over the machines of a Ray cluster.",
        one_of(ENGINE_CHOICES),
    )
    workers: int = setting(
        0,
        "Processes that train side by side on this machine; 0: as many as there are cores, as far "
        "as the memory goes. The figures do not depend on it.",
        between(0, 1000),
    )

    def __post_init__(self) -> None:
        check_settings(self)
        if len(self.seeds) not in (1, len(self.per_class)):
            raise SettingsError(
                f"--seeds: expected one number, or one for each of the {len(self.per_class)} "
                f"values of --per-class, received {len(self.seeds)}."
            )

    def seeds_of(self, budget: str) -> int:
        """Returns the number of paired repetitions of one of `per_class`."""
        if len(self.seeds) == 1:
            return self.seeds[0]
        return self.seeds[self.per_class.index(budget)]


FULL_BENCHMARK = BenchmarkSettings(
    scenarios=CLOSED_SCENARIOS,
    per_class=("10", "20", "50", "100", "500", "1000", ALL),
    ratios=(1, 5, 20),
    arms=GRID_ARMS,
    seeds=(5,),
    rotations=10,
    steps=600,
    folds=3,
    gan_images=0,
)
