"""Arrays of other people's files -> images and labels, where there is one meaning; else refused.

What is read, and what it becomes:

    images   uint8                       as they are
             bool                        0 and 255
             other integers of 0..255    as they are
             integers up to 65,535       scaled to 0..255
             floats of 0..1 or -1..1     scaled to 0..255
             floats of 0..255            rounded
             (n, pixels), (n, pixels, 1) rows of square images
             (n, 1 or 3, height, width)  channels moved to the end
    labels   integers, whole floats      as they are
             (n, 1)                      (n,)
             one-hot (n, classes)        the class of the one
             text or bytes               the class of that name
"""

import math
import re
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from synthgen.datasets.class_names import (
    MISSING_LABELS,
    REST_CLASSES,
    VALIDATION_NAMES,
    class_name,
    is_like_a_class,
    natural_order,
)
from synthgen.datasets.digits import DIGIT_NAMES, Digits, Images
from synthgen.errors import DataError
from synthgen.text import counted, few_of

MOST_CLASSES = 256  # labels are uint8
WHOLE_NUMBER = re.compile(r"([0-9]+)([.,]0+)?")  # as text: '7', or '7.0' of a column of floats
PIXEL_ROUNDING = 1e-6  # that scaling in floating point may leave beyond a range
BLOCK_ROWS = 4096  # images converted at a time, so that floats take no second copy of their size

# Names of the arrays of a part: images and labels belong together line by line.
ARRAY_PAIRS = (
    ("x", "y"),
    ("images", "labels"),
    ("data", "target"),
    ("data", "labels"),
    ("data", "label"),
    ("images", "target"),
    ("image", "label"),
    ("set_x", "set_y"),
)
TRAIN_FORMS = ("{}_train", "{}", "train_{}", "{}_training", "training_{}")
TEST_FORMS = ("{}_test", "test_{}", "{}_testing", "testing_{}")
VALIDATION_FORMS = tuple(
    form for word in VALIDATION_NAMES for form in (f"{{}}_{word}", f"{word}_{{}}")
)
CLASS_NAME_KEYS = ("class_names", "list_classes", "target_names", "label_names")
POSITIONAL = ("arr_0", "arr_1", "arr_2", "arr_3")  # of numpy.savez(file, images, labels)


class ArrayKeys(NamedTuple):
    """The keys of the arrays in a file; None where it has no such array."""

    train: tuple[str, str] | None
    test: tuple[str, str] | None
    class_names: str | None

    @property
    def used(self) -> list[str]:
        """The keys of all arrays that there are."""
        names = [self.class_names] if self.class_names else []
        return [*(self.train or ()), *(self.test or ()), *names]


def find_keys(names: Collection[str], where: str, layout: str) -> ArrayKeys:
    """Find the images and labels among the arrays of a file.

    Args:
        names: the keys of its arrays; '/' parts groups.
        where: the file, for messages.
        layout: what a file of this format should hold, for messages.

    Raises:
        DataError: if there are no images, no labels for them, or validation images, which would
            have to be either learnt from or left out.
    """
    known: dict[str, str] = {}
    for name in sorted(names):
        first = known.setdefault(name.lower().replace("/", "_"), name)
        if first != name:
            raise DataError(
                f"{where}: Expected a name of its own for each array, received {first!r} and "
                f"{name!r}, which read alike. Rename or leave out one of them."
            )
    validation = _find_pair(known, VALIDATION_FORMS, where)
    if validation:
        raise DataError(
            f"{where}: Expected training and test images only, found validation images "
            f"{validation[0]!r} beside them. Append them to the training images, of which "
            "validation images are set aside, or leave them out."
        )
    train = _find_pair(known, TRAIN_FORMS, where)
    test = _find_pair(known, TEST_FORMS, where)
    if train is None and test is None and {*known} >= {*POSITIONAL[:2]}:
        train = (known["arr_0"], known["arr_1"])
        if {*known} >= {*POSITIONAL}:
            test = (known["arr_2"], known["arr_3"])
    if train is None and test is None:
        train = ("images", "labels")  # to be named as missing
    for key in (*(train or ()), *(test or ())):
        if key not in names:
            raise DataError(
                f"{where}: Expected an array {key!r}, found "
                f"{', '.join(sorted(names)) or 'none'}. Expected is {layout}."
            )
    class_names = next((known[key] for key in CLASS_NAME_KEYS if key in known), None)
    return ArrayKeys(train, test, class_names)


def _find_pair(
    known: Mapping[str, str], forms: Sequence[str], where: str
) -> tuple[str, str] | None:
    """Return the first pair of keys that a file has both of, or else the first it has one of.

    Raises:
        DataError: if there are two pairs that share nothing.
    """
    pairs = [(form.format(x), form.format(y)) for form in forms for x, y in ARRAY_PAIRS]
    whole = [pair for pair in pairs if pair[0] in known and pair[1] in known]
    apart = [pair for pair in whole if not {*pair} & {*whole[0]}]
    if apart:
        first = " and ".join(repr(known[key]) for key in whole[0])
        second = " and ".join(repr(known[key]) for key in apart[0])
        raise DataError(
            f"{where}: Expected images and labels once, found {first} beside {second}. Leave out "
            "those that are not meant."
        )
    halves = [pair for pair in pairs if pair[0] in known or pair[1] in known]
    for images, labels in whole + halves:
        return known.get(images, images), known.get(labels, labels)
    return None


def left_arrays(shapes: Mapping[str, Sequence[int]], used: Collection[str]) -> str:
    """Say in a sentence which arrays of a file might have been meant and were not read.

    Args:
        shapes: the shape of each array in the file.
        used: the keys of those that were read.

    Returns:
        The sentence; "" if all others have a single axis and no more than a number an image.
    """
    left = [key for key in shapes if key not in used and len(shapes[key]) > 1]
    if not left:
        return ""
    return f"Passed over: {counted(len(left), 'array')} ({few_of(sorted(left))})."


class PixelScale(NamedTuple):
    """The range that pixels are stored in, and how it becomes 0..255."""

    name: str
    least: float
    most: float
    convert: Callable[[NDArray[Any]], NDArray[Any]]


PIXEL_SCALES = {
    scale.name: scale
    for scale in (
        PixelScale("0..255", 0, 255, lambda values: values),
        PixelScale("0..1", 0, 1, lambda values: values * 255.0),
        PixelScale("-1..1", -1, 1, lambda values: (values + 1.0) * 127.5),
        PixelScale("0..65535", 0, 65_535, lambda values: values / 257.0),
    )
}


def to_images(values: Any, where: str, scale: str | None = None) -> Images:
    """Make uint8 images of an array.

    Args:
        values: (n, height, width), (n, height, width, 1 or 3), (n, 1 or 3, height, width) or
            (n, pixels of a square image) with or without an axis of 1, of one of the ranges in the
            head of this module.
        where: the file, for messages.
        scale: the name of the range in `PIXEL_SCALES`; None to find it out.

    Returns:
        (n, height, width, 1 or 3) uint8.

    Raises:
        DataError: if the shape or the range has no meaning, or more than one.
    """
    images = _channels_last(np.asarray(values), where)
    if images.dtype == np.uint8:
        return images
    if images.dtype == np.bool_:
        return images.astype(np.uint8) * np.uint8(255)
    if images.dtype.kind not in "iuf":
        raise DataError(
            f"{where}: Expected images of numbers, preferably uint8, received {images.dtype}."
        )
    if not images.size:
        return images.astype(np.uint8)
    least = float(images.min())
    most = float(images.max())
    if not math.isfinite(least + most):
        broken = int((~np.isfinite(images)).sum())
        raise DataError(
            f"{where}: Expected pixels that are numbers, received {broken:,} that are not (NaN or "
            "infinite). Replace them or drop these images."
        )
    expected = f"{scale}, as of the training images" if scale else "0..255, 0..1 or -1..1"
    scale = scale or pixel_scale(images)
    known = PIXEL_SCALES.get(scale or "")
    if known is None or least < known.least - PIXEL_ROUNDING or most > known.most + PIXEL_ROUNDING:
        raise DataError(
            f"{where}: Expected pixels of {expected}, received {images.dtype} of {least:g}.."
            f"{most:g}. Scale them to 0..255 (uint8)."
        )
    converted = np.empty(images.shape, np.uint8)
    for start in range(0, len(images), BLOCK_ROWS):
        block = images[start : start + BLOCK_ROWS]
        converted[start : start + BLOCK_ROWS] = np.rint(known.convert(block)).clip(0, 255)
    return converted


def pixel_scale(values: Any) -> str | None:
    """Return the name of the one range that pixels can be of; None if there is none."""
    pixels = np.asarray(values)
    least = float(pixels.min())
    most = float(pixels.max())
    is_float = pixels.dtype.kind == "f"
    if is_float and most == least + 1 and least in (-1, -0.5):
        return None  # all of -1..0 or -0.5..0.5, which would be half of -1..1
    if is_float and -1 - PIXEL_ROUNDING <= least <= -0.5 and most <= 1 + PIXEL_ROUNDING:
        return "-1..1"
    if is_float and least >= -PIXEL_ROUNDING and most <= 1 + PIXEL_ROUNDING:
        return "0..1"
    if least >= 0 and most <= 255:
        return "0..255"
    if least >= 0 and 32_767 < most <= 65_535:
        return "0..65535"  # 4,095 of 65,535 would be meant in another way
    return None


def _channels_last(images: NDArray[Any], where: str) -> NDArray[Any]:
    """Bring an array to (n, height, width, 1 or 3) without changing a value."""
    is_flat = images.ndim == 2 or (images.ndim == 3 and 1 in images.shape[1:])
    pixels = math.prod(images.shape[1:]) if is_flat else 0
    side = math.isqrt(pixels)
    if side > 1 and side * side == pixels:
        return images.reshape(len(images), side, side, 1)
    if images.ndim == 3 and (images.shape[1] > 4 or images.shape[2] < 16):
        return images[..., None]
    if images.ndim == 4 and images.shape[3] in (1, 3):
        return images
    if images.ndim == 4 and images.shape[1] in (1, 3):
        return np.moveaxis(images, 1, 3)
    raise DataError(
        f"{where}: Expected images of shape (n, height, width, 1 or 3) and dtype uint8, received "
        f"{images.shape} {images.dtype}. Reshape them so that each axis has one meaning."
    )


def to_names(values: Any, where: str) -> tuple[str, ...]:
    """Make class names of an array of text, bytes or numbers.

    Raises:
        DataError: if there are more than 256, or two alike.
    """
    flat = np.asarray(values).ravel().tolist()
    names = tuple(class_name(_text(value)) for value in flat)
    if len(names) > MOST_CLASSES:
        raise DataError(
            f"{where}: Expected at most {MOST_CLASSES} classes (labels are uint8), received "
            f"{len(names)}."
        )
    twice = sorted({name for name in names if names.count(name) > 1 or not name.strip()})
    if twice:
        raise DataError(
            f"{where}: Expected a name of its own for each class, received {twice[0]!r} "
            f"{names.count(twice[0])} times. Rename the classes."
        )
    return names


def to_labels(
    values: Any, where: str, class_names: Sequence[str] | None = None
) -> tuple[NDArray[np.uint8], tuple[str, ...]]:
    """Make labels of an array.

    Args:
        values: (n,) or (n, 1) integers, whole floats, text or bytes; or (n, classes) one-hot.
        where: the file, for messages.
        class_names: one name a class; None where the file names none: then "0" to "9" or, for
            other text, the texts in natural order.

    Returns:
        ((n,) uint8, one name a class).

    Raises:
        DataError: if a label is of no class, or the array has another meaning.
    """
    labels = np.asarray(values)
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    is_one_hot = (
        labels.ndim == 2
        and labels.dtype.kind in "biuf"
        and 2 <= labels.shape[1] <= MOST_CLASSES
        and ((labels == 0) | (labels == 1)).all()
        and (labels.sum(axis=1) == 1).all()
    )
    if is_one_hot:
        names = class_names or [str(k) for k in range(labels.shape[1])]
        labels = labels.argmax(axis=1)
    elif labels.ndim == 1 and labels.dtype.kind in "USO":
        return _labels_by_name([_text(value) for value in labels.tolist()], where, class_names)
    else:
        names = class_names or DIGIT_NAMES
    if labels.ndim == 1 and labels.dtype.kind == "f":
        missing = np.flatnonzero(~np.isfinite(labels))
        if len(missing):
            raise DataError(
                f"{where}: Expected a label for each image, received {labels[missing[0]]} for "
                f"image {missing[0]} ({len(missing)} in all). Correct or drop such images."
            )
        if (labels == np.rint(labels)).all():
            labels = labels.clip(-1, MOST_CLASSES).astype(np.int64)  # no class lies beyond
    if labels.ndim != 1 or labels.dtype.kind not in "iu":
        raise DataError(
            f"{where}: Expected labels of shape (n,) and an integer dtype, received "
            f"{labels.shape} {labels.dtype}."
        )
    outside = np.flatnonzero((labels < 0) | (labels >= len(names)))
    if len(outside):
        row = int(outside[0])
        raise DataError(
            f"{where}: Expected labels from 0 to {len(names) - 1}, received {labels[row]} for "
            f"image {row} ({len(outside)} in all). Correct or drop such images; if labels count "
            "from 1, subtract 1; if there are more classes, name them (class_names)."
        )
    return labels.astype(np.uint8), tuple(names)


def _labels_by_name(
    values: Sequence[str], where: str, class_names: Sequence[str] | None
) -> tuple[NDArray[np.uint8], tuple[str, ...]]:
    texts = [class_name(value) for value in values]
    missing = [row for row, text in enumerate(texts) if text in MISSING_LABELS]
    if missing and (class_names is None or texts[missing[0]] not in class_names):
        raise DataError(
            f"{where}: Expected a label for each image, received {texts[missing[0]]!r} for image "
            f"{missing[0]} ({len(missing):,} in all). Correct or drop such images; if that is a "
            "class, call it otherwise."
        )
    if class_names is None:
        wholes = [WHOLE_NUMBER.fullmatch(text) for text in texts]
        if all(wholes):
            texts = [whole[1] for whole in wholes if whole]
        class_names = _names_of(texts, where)
    found = set(texts)
    names = to_names(list(class_names), where)
    unknown = sorted(found - {*names}, key=natural_order)
    if unknown:
        raise DataError(
            f"{where}: Expected labels that are class names ({', '.join(names[:12])}), received "
            f"{unknown[0]!r} ({texts.count(unknown[0]):,} times). Correct or drop such images."
        )
    number = {name: k for k, name in enumerate(names)}
    return np.array([number[text] for text in texts], np.uint8), names


def _names_of(texts: Sequence[str], where: str) -> Sequence[str]:
    """Return the classes that labels name.

    Raises:
        DataError: if a single image has another label than the numbers of all others, as the last
            line of a table with totals has.
    """
    counts = Counter(texts)
    if {*counts} <= {*DIGIT_NAMES}:
        return DIGIT_NAMES
    numbers = [text for text in counts if text.isdecimal()]
    odd = [
        text
        for text, count in counts.items()
        if count == 1
        and not (text.isdecimal() or is_like_a_class(text) or text.lower() in REST_CLASSES)
    ]
    if odd and len(numbers) >= 2 and 2 * len(numbers) > len(counts):
        few = ", ".join(sorted(numbers, key=natural_order)[:5])
        raise DataError(
            f"{where}: Expected labels such as {few}, received {odd[0]!r} for image "
            f"{texts.index(odd[0])} alone. Drop that image or line; if it is a class, add more "
            "images of it."
        )
    return sorted(counts, key=natural_order)


def to_digits(
    images: Any,
    labels: Any,
    where: str,
    class_names: Sequence[str] | None = None,
    labels_where: str = "",
    scale: str | None = None,
) -> Digits:
    """Make `Digits` of the arrays in a file; the head of this module says what is read.

    Args:
        images: the images, of one of the shapes and ranges that have one meaning.
        labels: the labels, one an image.
        where: the file, for messages.
        class_names: one name a class; None where the file names none.
        labels_where: the file of the labels, if it is another one.
        scale: the name of the images' range in `PIXEL_SCALES`; None to find it out.

    Raises:
        DataError: naming the file, what was expected and what was received.
    """
    images = np.asarray(images)
    numbers, names = to_labels(labels, labels_where or where, class_names)
    if images.ndim and len(images) != len(numbers):
        raise DataError(
            f"{where}: Expected one label for each image, received {len(images)} images and "
            f"{len(numbers)} labels."
        )
    return Digits(to_images(images, where, scale), numbers, to_names(list(names), where))


def to_parts(
    train: tuple[Any, Any] | None,
    test: tuple[Any, Any] | None,
    where: str,
    class_names: Any = None,
) -> tuple[Digits | None, Digits | None]:
    """Make `Digits` of the arrays of both parts, of one pixel range and the same classes.

    Args:
        train: images and labels; None where there is no training part.
        test: images and labels; None where there is no test part.
        where: the file, for messages.
        class_names: an array of one name a class; None where the file names none.

    Returns:
        (training digits, test digits), None for a part that is not there.

    Raises:
        DataError: naming the file, what was expected and what was received.
    """
    names = None if class_names is None else to_names(class_names, where)
    if train is None:
        test_digits = to_digits(*test, f"{where}, test part", names) if test else None
        return None, test_digits
    train_digits = to_digits(*train, where, names)
    if test is None:
        return train_digits, None
    both_floats = np.asarray(train[0]).dtype.kind == np.asarray(test[0]).dtype.kind == "f"
    test_digits = to_digits(
        *test,
        f"{where}, test part",
        train_digits.class_names,
        scale=pixel_scale(train[0]) if both_floats else None,
    )
    return train_digits, test_digits


def _text(value: Any) -> str:
    return decode_text(value).strip("\0") if isinstance(value, bytes) else str(value)


def decode_text(content: bytes) -> str:
    """Return the text that bytes are: UTF-8 or, where they are not, Latin-1."""
    try:
        return content.decode()
    except UnicodeDecodeError:
        return content.decode("latin-1")
