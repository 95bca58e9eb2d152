"""What looks wrong with labelled pictures, said before anything is learnt from them."""

from collections import Counter

import numpy as np
from numpy.typing import NDArray

from synthgen.datasets.digits import DIGIT_NAMES, Digits, Pictures, PictureSeries, Reading
from synthgen.datasets.framing import (
    DIM,
    WASHED_OUT,
    all_images,
    count_polarities,
    find_box,
    find_ink,
)
from synthgen.text import counted, few_of

EQUAL_IMAGES = 10  # so many equal images are no coincidence
REPEATED_SHARE = 0.05  # of the images, which repeat an earlier one
THIN_SIDE = 5  # pixels
UNSEEN = 2  # levels that pictures are not fitted by
FAINT = 32  # levels between the darkest and the brightest pixel of an image that shows something
CENTRE_OFF = 3  # pixels of 28 between the centre of the ink and that of the image
CLASSES_NAMED = 10
INK_SIDE = (16, 24)  # of 28 pixels: the longer side of the ink in MNIST's framing is 20


def find_faults(
    reading: Reading,
    is_fitted: bool,
    polarity_is_named: bool = False,
    scaled: Reading | None = None,
    in_python: bool = False,
) -> tuple[str, ...]:
    """Find what looks wrong.

    Args:
        reading: the pictures as they were read.
        is_fitted: whether the pictures are fitted to a generator afterwards, which takes care of
            their range, polarity and margins.
        polarity_is_named: whether the user has said what polarity the pictures are of.
        scaled: the pictures as they were fitted, where that was done as a whole and not to their
            ink: their range is looked at then.
        in_python: whether a program reads them, which has no options of a command to name.

    Returns:
        A sentence for each finding, with what to do.
    """
    images = all_images(reading)
    if not len(images):
        return ()
    findings = []
    is_evened = is_fitted and scaled is None  # to the ink of each picture
    darkest, brightest = _levels(images if scaled is None else all_images(scaled))
    least = int(darkest.min())
    most = int(brightest.max())

    # Pixels that cannot be what was meant
    if least == most:
        findings.append(
            f"All pixels of all images are {least}: there is nothing to learn. Check how the file "
            "was written."
        )
    elif most < DIM and not is_evened:
        findings.append(
            f"The pixels are {least}..{most} of 0..255: nearly black. Multiply them by "
            f"{255 / most:.3g}, or fit the images (--fit mnist)."
        )
    elif least >= WASHED_OUT and not is_evened:
        findings.append(
            f"The pixels are {least}..{most} of 0..255: none is dark. Subtract {least} and scale "
            "the rest to 0..255, or fit the images (--fit mnist)."
        )
    contrasts = brightest - darkest
    blank = int((contrasts == 0).sum())
    if blank and least < most:
        findings.append(f"{counted(blank, 'image')} of {len(images):,} show nothing. Drop them.")
    limit = UNSEEN if is_evened else FAINT
    faint = int(((contrasts > 0) & (contrasts < limit)).sum())
    if faint and most >= DIM and most - least >= FAINT:
        findings.append(
            f"{counted(faint, 'image')} of {len(images):,} hardly show anything: their pixels "
            f"differ by less than {limit} of 255, as those of 0..1 or 0..16 do. Scale them as the "
            "others are, or drop them."
        )
    dark, light = count_polarities(images)
    if dark and light and min(dark, light) >= max(1, 0.005 * (dark + light)):
        fewer = _classes_of_polarity(reading, is_dark=dark < light)
        findings.append(
            f"{counted(dark, 'image')} dark on light, {light:,} light on dark. Invert those that "
            f"are fewer (of {fewer}), or drop them."
        )
    elif dark > light and not is_fitted and not polarity_is_named:
        remedy = (
            "`build` with the shipped generator inverts them by itself. To train a generator of "
            "your own, name --polarity dark-on-light or --fit mnist."
        )
        if in_python:
            remedy = (
                "They are left as they are, which only matters to one who trains a generator on "
                "them: pass fitting=FramingSettings(polarity='dark-on-light') for that."
            )
        findings.append(
            "The images are dark ink on a light ground; generators draw light on dark. " + remedy
        )
    if min(min(image.shape[:2]) for image in images) < THIN_SIDE:
        smallest = min((image.shape[:2] for image in images), key=min)
        findings.append(
            f"Some images are only {smallest[0]} x {smallest[1]} pixels. Check which axes are "
            "height and width."
        )

    # Images that repeat
    if least < most:
        findings += _copy_findings(reading, images, contrasts == 0)
    findings += _class_findings(reading.train, reading.test)
    are_digits = set(map(str, reading.train.class_names)) <= set(DIGIT_NAMES)
    if not is_fitted and least < most and are_digits:
        findings += _framing_findings(images, invert=dark > light)
    return tuple(findings)


def _levels(images: PictureSeries) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the darkest and the brightest level of each image, both (n,) int64."""
    if isinstance(images, np.ndarray):
        rows = images.reshape(len(images), -1)
        return rows.min(axis=1).astype(np.int64), rows.max(axis=1).astype(np.int64)
    darkest = [int(image.min()) for image in images]
    brightest = [int(image.max()) for image in images]
    return np.array(darkest, np.int64), np.array(brightest, np.int64)


def _copy_findings(
    reading: Reading, images: PictureSeries, is_blank: NDArray[np.bool_]
) -> list[str]:
    """Say which images repeat another one: under another label, in the other part, or at all."""
    parts = [part for part in (reading.train, reading.test) if part is not None]
    labels = np.concatenate([part.labels for part in parts])
    names = [str(name) for name in reading.train.class_names]
    first: dict[bytes, int] = {}
    times: Counter[int] = Counter()
    repeated = 0
    leaked = 0
    confused: list[tuple[str, str]] = []
    for row, image in enumerate(images):
        original = first.setdefault(image.tobytes(), row)
        times[original] += 1
        if original == row:
            continue
        if labels[original] != labels[row] and not is_blank[row]:
            confused.append((names[labels[original]], names[labels[row]]))
        elif original < len(reading.train) <= row and not is_blank[row]:
            leaked += 1
        else:
            repeated += 1
    findings = []
    if confused:
        one, other = confused[0]
        findings.append(
            f"{counted(len(confused), 'image')} of {len(images):,} repeat an image of another "
            f"class (first one of '{one}' as '{other}'): one of the two labels is wrong."
        )
    if leaked:
        findings.append(
            f"{counted(leaked, 'test image')} of {len(images) - len(reading.train):,} are training "
            "images, too. Drop them from one part: what was learnt from is no test."
        )
    if max(times.values()) >= EQUAL_IMAGES or repeated > REPEATED_SHARE * len(images):
        findings.append(
            f"{counted(repeated, 'image')} of {len(images):,} repeat another one, which occurs up "
            f"to {max(times.values()):,} times. Drop copies: what was learnt from is no test."
        )
    return findings


def _classes_of_polarity(reading: Reading, is_dark: bool) -> str:
    """Name the classes of which there are images dark on light, or light on dark."""
    images = all_images(reading)
    parts = [part for part in (reading.train, reading.test) if part is not None]
    labels = np.concatenate([part.labels for part in parts])
    names = []
    for label in np.unique(labels):
        dark, light = count_polarities(
            [images[row] for row in np.flatnonzero(labels == label).tolist()]
        )
        if dark if is_dark else light:
            names.append(str(reading.train.class_names[label]))
    return few_of(names, CLASSES_NAMED)


def _class_findings(train: Digits | Pictures, test: Digits | Pictures | None) -> list[str]:
    """Say which classes are thin: one image, none in the test part, or one class alone."""
    findings = []
    names = [str(name) for name in train.class_names]
    counts = np.bincount(train.labels, minlength=len(names))
    if len(train) and counts.max() == len(train) > 1:
        findings.append(
            f"All labels are '{names[int(counts.argmax())]}': there is nothing to tell apart. "
            "Check the labels."
        )
    single = [name for name, count in zip(names, counts, strict=True) if count == 1]
    if single:
        findings.append(
            f"One image only of {', '.join(single)}: it is learnt from, and never tested. Add more."
        )
    if test is not None and len(test):
        test_counts = np.bincount(test.labels, minlength=len(names))
        missing = [name for name, count in zip(names, test_counts, strict=True) if not count]
        if missing:
            findings.append(
                f"The test part has no images of {', '.join(missing)}: figures say nothing about "
                "them. Add some."
            )
    return findings


def _framing_findings(images: PictureSeries, invert: bool) -> list[str]:
    """Say whether images of 28 x 28 are framed in another way than MNIST's digits."""
    if {image.shape[:2] for image in images} != {(28, 28)}:
        return []
    boxes = [find_box(find_ink(image, invert)) for image in images[:: len(images) // 500 + 1]]
    found = np.array([box for box in boxes if box is not None])
    if not len(found):
        return []
    long_side = float(np.median(np.maximum(found[:, 1] - found[:, 0], found[:, 3] - found[:, 2])))
    centre = np.median([found[:, :2].mean(axis=1), found[:, 2:].mean(axis=1)], axis=1) - 14
    if INK_SIDE[0] <= long_side <= INK_SIDE[1] and np.abs(centre).max() <= CENTRE_OFF:
        return []
    return [
        f"The ink is {long_side:.0f} pixels long and {np.abs(centre).max():.0f} off the centre; in "
        "MNIST it is 20 long and centred. A generator of MNIST's digits fits better to images "
        "framed like its own (--fit mnist)."
    ]
