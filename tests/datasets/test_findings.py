import numpy as np
import pytest
from numpy.typing import NDArray

from synthgen.datasets.digits import Digits, Pictures, Reading
from synthgen.datasets.findings import find_faults


def findings(
    images: NDArray[np.uint8], labels: NDArray[np.uint8], fitted: bool = False
) -> tuple[str, ...]:
    return find_faults(Reading(Digits(images, labels), None), fitted)


@pytest.fixture
def centred(tiny_digits: Digits) -> Digits:
    """The drawn digits, which are framed as MNIST's are."""
    return tiny_digits


def test_nothing_is_found_in_good_digits(centred: Digits) -> None:
    assert findings(centred.images, centred.labels) == ()


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (
            lambda x: np.rint(x / 255),
            "The pixels are 0..1 of 0..255: nearly black. Multiply them by 255",
        ),
        (
            lambda x: np.rint(x / 255 * 16),
            "The pixels are 0..16 of 0..255: nearly black. Multiply them by 15.9",
        ),
        (lambda x: 127 + x // 2, "The pixels are 127..254 of 0..255: none is dark. Subtract 127"),
        (
            lambda x: 255 - x,
            "The images are dark ink on a light ground; generators draw light on dark",
        ),
    ],
)
def test_pixels_that_cannot_be_as_they_stand(
    change: object, expected: str, centred: Digits
) -> None:
    images = change(centred.images.astype(int)).astype(np.uint8)  # type: ignore[operator]
    found = findings(images, centred.labels)
    assert len(found) == 1 + ("0..1 " in expected)  # black and white images are often alike
    assert found[0].startswith(expected)
    assert not any(words in found[0] for words in findings(images, centred.labels, fitted=True))


def test_black_images_are_said_once(centred: Digits) -> None:
    found = findings(centred.images * 0, centred.labels)
    assert found == (
        "All pixels of all images are 0: there is nothing to learn. Check how the file was "
        "written.",
    )


def test_two_polarities_are_counted(centred: Digits) -> None:
    images = centred.images.copy()
    images[:50] = 255 - images[:50]
    for fitted in (False, True):
        assert findings(images, centred.labels, fitted) == (
            "50 images dark on light, 150 light on dark. Invert those that are fewer (of 0, 1, 2, "
            "3, 4, 5, 6, 7, 8, 9), or drop them.",
        )
    images = np.where((centred.labels > 7)[:, None, None, None], 255 - centred.images, images * 0)
    names = [f"class {number}" for number in range(10)]
    some = Reading(Digits(images[80:], centred.labels[80:], names), centred.take(slice(0, 80)))
    assert (
        "24 images dark on light, 80 light on dark. Invert those that are fewer (of class 8, "
        in (find_faults(some, is_fitted=True)[-2])
    )


def test_blank_images_are_counted(centred: Digits) -> None:
    images = centred.images.copy()
    images[7:9] = 0
    assert findings(images, centred.labels) == ("2 images of 200 show nothing. Drop them.",)


def test_images_that_repeat(centred: Digits) -> None:
    rows = [*range(200), *[3] * 9]
    some = centred.take(rows)
    assert findings(some.images, some.labels)[0].startswith(
        "9 images of 209 repeat another one, which occurs up to 10 times."
    )
    twice = centred.take([*range(200), *range(20)])
    assert findings(twice.images, twice.labels)[0].startswith("20 images of 220 repeat another")
    few = centred.take([*range(200), *range(5)])
    assert findings(few.images, few.labels) == ()


def test_labels_that_are_constant(centred: Digits) -> None:
    found = findings(centred.images, np.full(200, 3, np.uint8))
    assert found[0].startswith("All labels are '3': there is nothing to tell apart.")


def test_thin_classes_are_named(centred: Digits) -> None:
    rows = np.flatnonzero((centred.labels != 9) | (np.arange(200) < 10))
    train = centred.take(rows)
    test = centred.take(np.flatnonzero(centred.labels < 8)[:20])
    found = find_faults(Reading(train, test), is_fitted=True)
    assert found[-2:] == (
        "One image only of 9: it is learnt from, and never tested. Add more.",
        "The test part has no images of 8, 9: figures say nothing about them. Add some.",
    )


def test_images_that_are_only_a_few_pixels_high() -> None:
    images = np.random.default_rng(0).integers(0, 255, (20, 3, 28, 1), np.uint8)
    found = findings(images, np.arange(20, dtype=np.uint8) % 10)
    assert any(line.startswith("Some images are only 3 x 28 pixels.") for line in found)


def test_ink_that_is_framed_in_another_way(centred: Digits) -> None:
    shifted = np.roll(centred.images, -5, axis=2)
    assert findings(shifted, centred.labels)[0].startswith(
        "The ink is 21 pixels long and 4 off the centre; in MNIST it is 20 long and centred."
    )
    # clothes are not to be framed like digits
    names = [f"garment {number}" for number in range(10)]
    clothes = Digits(shifted, centred.labels, names)
    assert find_faults(Reading(clothes, None), is_fitted=False) == ()


def test_pictures_of_several_sizes_are_looked_at_too() -> None:
    light = np.zeros((12, 12, 1), np.uint8)
    light[4:8, 4:8] = 250
    large = np.full((30, 20, 1), 255, np.uint8)
    large[10:20, 8:12] = 9
    pictures = Pictures([light, large], np.array([0, 1], np.uint8), ("a", "b"))
    assert find_faults(Reading(pictures, None), is_fitted=True)[0].startswith(
        "1 image dark on light, 1 light on dark."
    )


def test_images_of_another_range_are_counted(centred: Digits) -> None:
    images = centred.images.copy()
    images[centred.labels == 4] //= 16
    assert findings(images, centred.labels) == (
        "20 images of 200 hardly show anything: their pixels differ by less than 32 of 255, as "
        "those of 0..1 or 0..16 do. Scale them as the others are, or drop them.",
    )
    assert findings(images, centred.labels, fitted=True) == ()  # evened by their ink
    images[centred.labels == 4] = centred.images[centred.labels == 4] > 127
    assert findings(images, centred.labels, fitted=True)[0].startswith("20 images of 200 hardly")


def test_pictures_that_were_scaled_as_a_whole_are_looked_at_again(centred: Digits) -> None:
    pale = Reading(Digits(200 + centred.images // 8, centred.labels), None)
    assert find_faults(pale, is_fitted=True) == ()
    (found,) = find_faults(pale, is_fitted=True, scaled=pale)
    assert found.startswith("The pixels are 200..231 of 0..255: none is dark. Subtract 200")


def test_copies_under_another_label_or_in_the_other_part(centred: Digits) -> None:
    labels = centred.labels.copy()
    rows = [*range(200), int(np.flatnonzero(labels == 1)[0])]
    wrong = Digits(centred.images[rows], np.append(labels, 7).astype(np.uint8))
    assert findings(wrong.images, wrong.labels) == (
        "1 image of 201 repeat an image of another class (first one of '1' as '7'): one of the two "
        "labels is wrong.",
    )
    leaking = Reading(centred.take(slice(0, 160)), centred.take(slice(140, 200)))
    found = find_faults(leaking, is_fitted=True)
    assert found[0].startswith("20 test images of 60 are training images, too. Drop them")
    assert not any("repeat" in line for line in found)
