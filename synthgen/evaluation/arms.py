"""The arms of a comparison: what a classifier is trained on, as data.

`training_set` makes the images of an arm and their weights. All arms with equally many real images
take the same number of gradient steps, so that none gains from being trained for longer, with one
exception that is there to be seen: `real_half_steps` takes half of them. That is what equal passes
over the data come to where every real digit gets one synthetic digit beside it, and it is the
control that most published gains are measured against. No verdict on synthetic data compares with
it; the row "real against real_half_steps" says what the longer training alone does.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from synthgen.datasets.digits import Digits, Labels


@dataclass(frozen=True, kw_only=True)
class Arm:
    """What a classifier is trained on.

    Args:
        title: name of the arm for people.
        real: whether the classifier sees the real digits.
        added: which synthetic digits it sees: "" none; "set" equally many of each class, or all
            that there are; "balance" as many of each class as it lacks beside the most frequent
            one; "half_balance" half as many; "source" those of a generator that has seen other
            digits; "source_balance" of these as many as "balance"; "source_real" none, but real
            digits of that generator's training data.
        repeated: whether the real digits of rarer classes are repeated until all are equally
            frequent.
        weighted: whether the loss counts each class equally, however frequent it is.
        distorted: whether every image is distorted afresh in each batch, affine and elastic.
        tuned_on: the arm whose training set the strength of the distortions is chosen on: one
            without synthetic digits, because their generator has seen the images that are held
            out. "" for the arm itself.
        length: gradient steps, as a share of the steps of the other arms.
        fine_tuned: whether the classifier learns from the added digits in the first half of the
            steps, and from the real ones in the second.
    """

    title: str
    real: bool = True
    added: str = ""
    repeated: bool = False
    weighted: bool = False
    distorted: bool = False
    tuned_on: str = ""
    length: float = 1.0
    fine_tuned: bool = False

    @property
    def learns_from_source(self) -> bool:
        """Whether it learns from digits of other hands: a generator's, or its training data."""
        return self.added.startswith("source")


BASELINE = "real"

ARMS = {
    "real": Arm(title="real"),
    "real_half_steps": Arm(title="real, half of the steps", length=0.5),
    "classical": Arm(title="real + distortions", distorted=True),
    "real_synthetic": Arm(title="real + synthetic", added="set"),
    "both": Arm(title="both + distortions", added="set", distorted=True, tuned_on="classical"),
    "synthetic": Arm(title="synthetic only", real=False, added="set"),
    "class_weights": Arm(title="class weights", weighted=True),
    "oversampling": Arm(title="oversampling + distortions", repeated=True, distorted=True),
    "top_up": Arm(title="synthetic top-up", added="balance"),
    "top_up_classical": Arm(
        title="top-up + distortions", added="balance", distorted=True, tuned_on="oversampling"
    ),
    "half_top_up": Arm(
        title="half top-up, half repeated + distortions",
        added="half_balance",
        repeated=True,
        distorted=True,
        tuned_on="oversampling",
    ),
    "source_top_up": Arm(
        title="others' top-up + distortions",
        added="source_balance",
        distorted=True,
        tuned_on="oversampling",
    ),
    "source": Arm(title="own + generated", added="source", distorted=True, tuned_on="classical"),
    "source_real": Arm(
        title="own + others' real digits", added="source_real", distorted=True, tuned_on="classical"
    ),
    "fine_tuned": Arm(
        title="generated, then own",
        added="source",
        distorted=True,
        tuned_on="classical",
        fine_tuned=True,
    ),
    "source_only": Arm(title="generated only", real=False, added="source", distorted=True),
    "source_real_only": Arm(
        title="others' real digits only", real=False, added="source_real", distorted=True
    ),
}


def arm_name(arm: str, ratio: int | None) -> str:
    """Returns the key or the title of an arm together with its ratio.

    Args:
        arm: a key of ARMS, or its title.
        ratio: synthetic images for one real image; 0 or None where that says nothing.

    Example:
        >>> arm_name("both", 5), arm_name("classical", 0)
        ('both x5', 'classical')
    """
    return f"{arm} x{ratio}" if ratio else arm


def synthetic_counts(arm: str, ratio: int | None, counts: tuple[int, ...]) -> tuple[int, ...]:
    """Returns how many synthetic images of each class an arm needs.

    Args:
        arm: a key of ARMS.
        ratio: synthetic images for one real image, over all classes; every class gets equally many.
            None where the counts alone decide.
        counts: real images of each class.

    Example:
        >>> synthetic_counts("both", 2, (10, 12)), synthetic_counts("top_up", None, (10, 12))
        ((22, 22), (2, 0))
    """
    if ARMS[arm].added in ("balance", "source_balance"):
        return tuple(max(counts) - count for count in counts)
    if ARMS[arm].added == "half_balance":
        return tuple((max(counts) - count) // 2 for count in counts)
    if ARMS[arm].added and ratio:
        return (round(ratio * sum(counts) / len(counts)),) * len(counts)
    return (0,) * len(counts)


def training_set(
    arm: str,
    real: Digits,
    synthetic: Digits | None,
    synthetic_weight: float = 1.0,
    dose: float | None = None,
) -> tuple[Digits, NDArray[np.float32] | None]:
    """Makes the training set of an arm.

    Args:
        arm: a key of ARMS.
        real: the real digits.
        synthetic: the synthetic digits of the arm (see `synthetic_counts`); None if it has none.
        synthetic_weight: weight of a synthetic image in the loss, where a real image has 1.
        dose: share of the training set, and so of each batch on average, that is synthetic, see
            `dosed_set`; None for all images once.

    Returns:
        The images, and the weight of each of them in the loss: (n,) float32 with mean 1, or None
        where all images count the same.
    """
    recipe = ARMS[arm]
    digits = real
    if recipe.repeated:
        # the real ones fill up what synthetic ones leave open
        made = np.zeros(real.classes, np.int64) if synthetic is None else synthetic.counts()
        digits = real.take(_rows_until(real, real.counts().max() - made))
    if recipe.weighted:
        return digits, class_weights(digits.labels, digits.classes)
    if synthetic is None:
        return digits, None
    if not recipe.real:
        return synthetic, None

    if dose is not None:
        return dosed_set(digits, synthetic, dose), None
    together = _joined(digits, synthetic)
    if synthetic_weight == 1:
        return together, None
    weights = np.ones(len(together), np.float32)
    weights[len(digits) :] = synthetic_weight
    return together, weights / weights.mean()


def dosed_set(real: Digits, added: Digits, dose: float) -> Digits:
    """Makes a training set of which a given share is added digits.

    All images of both kinds are in it. Those of which there are too few for the share are repeated,
    one after the other, again and again.

    Args:
        real: somebody's own digits, one or more.
        added: digits from elsewhere, one or more.
        dose: 0..1 but not 1: the share of `added`; with 0 there are none of them.

    Example:
        >>> def blank(n): return Digits(np.zeros((n, 4, 4, 1), np.uint8), np.zeros(n, np.uint8))
        >>> [len(dosed_set(blank(10), blank(n), 0.8)) for n in (20, 80)]
        [50, 100]
    """
    if not dose:
        return real
    real_count = max(len(real), round(len(added) * (1 - dose) / dose))
    added_count = round(real_count * dose / (1 - dose))
    return _joined(
        real.take(np.resize(np.arange(len(real)), real_count)),
        added.take(np.resize(np.arange(len(added)), added_count)),
    )


def _rows_until(digits: Digits, counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Returns rows that hold so many images of each class; those of few are repeated in turn."""
    return np.concatenate(
        [
            np.resize(np.flatnonzero(digits.labels == label), counts[label])
            for label in np.unique(digits.labels)
        ]
    )


def _joined(real: Digits, added: Digits) -> Digits:
    """Puts digits of the same classes together, the real ones first."""
    return Digits(
        np.concatenate([real.images, added.images]),
        np.concatenate([real.labels, added.labels]),
        real.class_names,
    )


def class_weights(labels: Labels, classes: int) -> NDArray[np.float32]:
    """Returns weights with which every class that has images counts the same in the loss.

    The weight of an image is n / (classes * n_class), the heuristic of King and Zeng 2001,
    "Logistic regression in rare events data"; the mean of all weights is 1.

    Args:
        labels: (n,) uint8.
        classes: number of classes.

    Returns:
        (n,) float32.

    Example:
        >>> class_weights(np.array([0, 0, 0, 1], np.uint8), 2).tolist()
        [0.6666666865348816, 0.6666666865348816, 0.6666666865348816, 2.0]
    """
    counts = np.bincount(labels, minlength=classes)
    return np.asarray(len(labels) / (np.count_nonzero(counts) * counts[labels]), np.float32)
