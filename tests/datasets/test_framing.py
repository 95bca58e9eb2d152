"""Digits are framed as MNIST's were (LeCun et al. 1998), and back as a user's pictures are."""

import dataclasses

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from synthgen.datasets.digits import Digits, Images, Pictures, Reading
from synthgen.datasets.framing import (
    FramingSettings,
    centre_by_mass,
    count_polarities,
    find_box,
    find_ink,
    fit_again,
    fit_image,
    fit_reading,
    like_data,
    measure_framing,
)
from synthgen.datasets.splits import RealDigits
from synthgen.errors import DataError, SettingsError

MNIST = FramingSettings(fit="mnist")


def stroke(height: int, width: int, box: tuple[int, int, int, int], level: int = 255) -> Images:
    """A filled box of ink on black."""
    image = np.zeros((height, width, 1), np.uint8)
    image[box[0] : box[1], box[2] : box[3]] = level
    return image


def box_of(image: Images) -> tuple[int, int, int, int]:
    box = find_box(find_ink(image, invert=False))
    assert box is not None
    return box


@pytest.mark.parametrize(
    ("image", "height", "width"),
    [
        (stroke(16, 16, (0, 16, 6, 10)), 20, 5),
        (stroke(100, 60, (10, 50, 5, 25)), 20, 10),
        (stroke(8, 8, (3, 5, 0, 8)), 5, 20),
        (stroke(28, 28, (4, 24, 9, 19)), 20, 10),
        (stroke(200, 300, (150, 154, 250, 254)), 20, 20),
    ],
)
def test_the_longer_side_of_the_ink_becomes_20_of_28(
    image: Images, height: int, width: int
) -> None:
    fitted = fit_image(image, "mnist", invert=False, shape=(28, 28, 1))
    top, bottom, left, right = box_of(fitted)
    assert (fitted.shape, bottom - top, right - left) == ((28, 28, 1), height, width)
    assert (fitted.min(), fitted.max()) == (0, 255)


def test_the_centre_of_mass_comes_to_the_middle() -> None:
    ink = np.zeros((40, 40), np.float32)
    ink[5:25, 5:8] = 1  # an L: its mass is left and low of the middle of its box
    ink[22:25, 5:20] = 1
    placed = centre_by_mass(ink, (28, 28))
    row, column = ndimage.center_of_mass(placed)
    assert abs(row - 14) <= 0.5
    assert abs(column - 14) <= 0.5


@pytest.mark.mnist
def test_mnist_is_framed_as_it_is(mnist: RealDigits) -> None:
    """What frames MNIST's own digits must hardly move them."""
    moved = []
    for image in mnist.train.images[:300]:
        fitted = fit_image(image, "mnist", invert=False, shape=(28, 28, 1)).astype(int)
        moved.append(np.abs(fitted - image).mean())
    assert np.median(moved) < 4
    assert np.mean(np.array(moved) < 12) > 0.95


def test_ink_is_found_on_paper_with_shadow_and_noise() -> None:
    rng = np.random.default_rng(0)
    rows, columns = np.mgrid[:90, :70]
    paper = 215 + 20 * np.sin(columns / 35) - 25 * rows / 90 + rng.normal(0, 5, (90, 70))
    paper[30:60, 20:40] = 40
    paper[85, 65] = 10  # a speck
    image = paper.clip(0, 255).astype(np.uint8)[..., None]
    assert find_box(find_ink(image, invert=True)) == (30, 60, 20, 40)


def test_ink_that_fills_the_border_is_still_ink() -> None:
    ring = np.full((16, 16, 1), 255, np.uint8)
    ring[3:13, 3:13] = 0
    assert find_ink(ring, invert=False)[..., None].tolist() == (ring / 255).tolist()


def test_a_picture_of_one_level_has_no_ink() -> None:
    assert find_ink(np.full((9, 9, 1), 200, np.uint8), invert=False).max() == 0
    assert find_box(np.zeros((9, 9), np.float32)) is None
    blank = fit_image(np.zeros((9, 9, 1), np.uint8), "mnist", invert=False, shape=(28, 28, 1))
    assert blank.max() == 0


def inverted(digits: Digits) -> Digits:
    return Digits(255 - digits.images, digits.labels, digits.class_names)


def test_polarity_is_decided_for_the_whole_set(tiny_digits: Digits) -> None:
    plain, framing = fit_reading(Reading(tiny_digits, None), MNIST)
    turned, turned_framing = fit_reading(Reading(inverted(tiny_digits), None), MNIST)
    assert (framing.polarity, turned_framing.polarity) == ("light-on-dark", "dark-on-light")
    assert (plain.train.images == turned.train.images).all()
    kept, _ = fit_reading(
        Reading(inverted(tiny_digits), None), FramingSettings(fit="pad", polarity="light-on-dark")
    )
    assert (kept.train.images == 255 - tiny_digits.images).all()


def test_polarities_are_counted(tiny_digits: Digits) -> None:
    both = np.concatenate([tiny_digits.images, 255 - tiny_digits.images[:30]])
    assert count_polarities(both) == (30, 200)
    assert count_polarities(list(both)) == (30, 200)
    assert count_polarities(np.zeros((3, 4, 4, 1), np.uint8)) == (0, 0)


@pytest.mark.parametrize("shape", [None, (28, 28, 1)])
def test_digits_that_fit_already_are_the_same_bytes(
    shape: tuple[int, int, int] | None, tiny_digits: Digits
) -> None:
    parts, framing = fit_reading(Reading(tiny_digits, tiny_digits), FramingSettings(shape=shape))
    assert framing.fit == "none"
    assert parts.train.sha256() == tiny_digits.sha256()
    assert parts.test is not None
    assert parts.test.sha256() == tiny_digits.sha256()


def resized(digits: Digits, side: int) -> Digits:
    images = [
        np.asarray(Image.fromarray(image[..., 0]).resize((side, side))) for image in digits.images
    ]
    return Digits(np.stack(images)[..., None], digits.labels, digits.class_names)


def test_auto_fits_what_a_generator_could_not_take(tiny_digits: Digits) -> None:
    """Without a generator, pictures of one size are left as they are: one is trained for them."""
    small = Reading(resized(tiny_digits, 16), None)
    to_mnist = FramingSettings(shape=(28, 28, 1))
    assert fit_reading(small, FramingSettings())[1].fit == "none"
    assert fit_reading(small, to_mnist)[1].fit == "mnist"
    assert fit_reading(small, to_mnist)[0].train.image_shape == (28, 28, 1)
    dim = Digits(tiny_digits.images // 16, tiny_digits.labels)
    washed_out = Digits(127 + tiny_digits.images // 2, tiny_digits.labels)
    for digits in (inverted(tiny_digits), dim, washed_out):
        assert fit_reading(Reading(digits, None), to_mnist)[1].fit == "mnist"
        kept, framing = fit_reading(Reading(digits, None), FramingSettings())
        assert (framing.fit, kept.train.sha256()) == ("none", digits.sha256())


def several_sizes() -> Reading:
    images = [stroke(20, 30, (5, 15, 10, 14)), stroke(40, 40, (10, 30, 18, 26))]
    return Reading(Pictures(images, np.array([0, 1], np.uint8), ("a", "b")), None)


def test_pictures_of_several_sizes_are_fitted_or_refused() -> None:
    parts, framing = fit_reading(several_sizes(), FramingSettings())
    assert (framing.fit, framing.several_sizes, framing.size) == ("mnist", True, (30, 35))
    assert [box_of(image) for image in parts.train.images] == [(4, 24, 10, 18)] * 2
    assert str(framing) == (
        "several sizes (median 30 x 35 x 1), light on dark, fitted to 28 x 28 x 1: ink scaled and "
        "centred as in MNIST"
    )
    with pytest.raises(DataError, match="of one size, received 2 sizes from 20 x 30 to 40 x 40"):
        fit_reading(several_sizes(), FramingSettings(fit="none"))


def test_pad_keeps_and_stretch_loses_the_proportions() -> None:
    image = stroke(56, 28, (14, 42, 7, 21))
    padded = fit_image(image, "pad", invert=False, shape=(28, 28, 1))
    stretched = fit_image(image, "stretch", invert=False, shape=(28, 28, 1))
    assert box_of(padded) == (7, 21, 10, 18)
    assert box_of(stretched) == (7, 21, 7, 21)
    paper = fit_image(255 - image, "pad", invert=True, shape=(28, 28, 1))
    assert (paper == padded).all()


def test_colours_and_channels() -> None:
    red = np.zeros((28, 28, 3), np.uint8)
    red[4:24, 9:19] = (200, 0, 0)
    assert fit_image(red, "mnist", invert=False, shape=(28, 28, 1)).max() == 255
    kept = fit_image(red, "pad", invert=False, shape=(14, 14, 3))
    assert kept[7, 7].tolist() == [200, 0, 0]
    assert fit_image(red[..., :1], "none", invert=False, shape=(28, 28, 3)).shape == (28, 28, 3)


def test_dim_sets_become_bright() -> None:
    image = stroke(28, 28, (4, 24, 9, 19), level=16)
    assert fit_image(image, "pad", invert=False, shape=(28, 28, 1), white=16).max() == 255


@pytest.mark.parametrize("invert", [False, True])
def test_a_set_of_zeros_and_ones_is_fitted_like_black_and_white(
    tiny_digits: Digits, invert: bool
) -> None:
    ones = (tiny_digits.images > 127) ^ invert
    settings = FramingSettings(fit="mnist")
    expected, _ = fit_reading(
        Reading(Digits(ones * np.uint8(255), tiny_digits.labels), None), settings
    )
    fitted, framing = fit_reading(
        Reading(Digits(ones.astype(np.uint8), tiny_digits.labels), None), settings
    )
    assert expected.train.images.max() == 255
    assert (fitted.train.images == expected.train.images).all()
    assert (framing.ground, framing.ink) == (((float(invert),), (float(not invert),)))
    # in a set of 0..255 a picture of two neighbouring levels shows nothing
    assert find_ink(ones[0].astype(np.uint8), invert).max() == 0


def test_settings_are_checked() -> None:
    with pytest.raises(SettingsError, match="Expected --fit auto, mnist, pad, stretch, none, rec"):
        FramingSettings(fit="crop")
    with pytest.raises(SettingsError, match="Expected --polarity auto, light-on-dark"):
        FramingSettings(polarity="white")


SEEDS = np.arange(200, dtype=np.uint64)


def users_pictures(size: tuple[int, int], count: int = 200) -> list[Images]:
    """Dark brown ink on light yellow paper, 30 to 40 pixels long, 8 pixels right of the middle."""
    rng = np.random.default_rng(4)
    pictures = []
    for _ in range(count):
        image = np.full((*size, 3), (250, 240, 200), np.uint8)
        height, width = int(rng.integers(30, 41)), int(rng.integers(10, 20))
        top = size[0] // 2 - height // 2 + int(rng.integers(-4, 5))
        left = size[1] // 2 - width // 2 + 8
        image[top : top + height, left : left + width] = (60, 40, 30)
        pictures.append(image)
    return pictures


def test_the_users_framing_is_measured() -> None:
    framing = measure_framing(users_pictures((64, 80)), "mnist", "dark-on-light", (28, 28, 1))
    assert (framing.size, framing.channels, framing.levels) == ((64, 80), 3, 6)
    assert (framing.ground, framing.ink) == ((250, 240, 200), (60, 40, 30))
    assert framing.long_side == pytest.approx(35, abs=0.7)
    assert framing.long_side_spread == pytest.approx(np.sqrt((11**2 - 1) / 12), abs=0.3)
    assert framing.position == pytest.approx((0.25, 8.25), abs=0.4)
    assert framing.position_spread[0] == pytest.approx(np.sqrt((9**2 - 1) / 12), abs=0.4)
    assert not framing.stretched


def test_synthetic_digits_look_like_the_users(tiny_digits: Digits) -> None:
    """The framing that is measured on them is the framing that was asked for."""
    framing = measure_framing(users_pictures((64, 80)), "mnist", "dark-on-light", (28, 28, 1))
    images = like_data(tiny_digits.images, framing, SEEDS)
    assert images.shape == (200, 64, 80, 3)
    assert images[0, 0, 0].tolist() == [250, 240, 200]
    again = measure_framing(images, "mnist", "dark-on-light", (28, 28, 1))
    assert again.ground == framing.ground
    assert np.abs(np.subtract(again.ink, framing.ink)).max() <= 12
    assert again.long_side == pytest.approx(framing.long_side, abs=1)
    assert again.long_side_spread == pytest.approx(framing.long_side_spread, abs=0.7)
    assert again.position == pytest.approx(framing.position, abs=1)
    assert again.position_spread == pytest.approx(framing.position_spread, abs=0.7)


def test_the_place_of_an_image_depends_on_its_seed_only(tiny_digits: Digits) -> None:
    framing = measure_framing(users_pictures((64, 80), 50), "mnist", "dark-on-light", (28, 28, 1))
    seeds = np.arange(2**63 - 20, 2**63, dtype=np.uint64)
    images = like_data(tiny_digits.images[:20], framing, seeds)
    rows = [17, 3, 8]
    assert (like_data(tiny_digits.images[rows], framing, seeds[rows]) == images[rows]).all()
    assert (like_data(tiny_digits.images[:20], framing, seeds - 20) != images).any()


def test_black_and_white_stays_black_and_white(tiny_digits: Digits) -> None:
    two = resized(tiny_digits, 16).images
    two = np.where(two > 99, 255, 0).astype(np.uint8)
    framing = measure_framing(two, "mnist", "light-on-dark", (28, 28, 1))
    assert framing.levels == 2
    assert np.unique(like_data(tiny_digits.images, framing, SEEDS)).tolist() == [0, 255]
    grey = dataclasses.replace(framing, levels=0)
    assert len(np.unique(like_data(tiny_digits.images, grey, SEEDS))) > 20


def test_ink_that_was_stretched_to_a_box_is_stretched() -> None:
    """As in Semeion, where every digit fills the frame; a thin 1 does not become a block."""
    full = np.stack([stroke(16, 16, (0, 16, 0, 16)) for _ in range(9)])
    full[:, 4:12, 4:12] = 0
    framing = measure_framing(full, "mnist", "light-on-dark", (28, 28, 1))
    assert (framing.stretched, framing.box) == (True, (16, 16))
    wide = stroke(28, 28, (4, 24, 7, 21))
    wide[9:19, 11:17] = 0
    thin = stroke(28, 28, (4, 24, 13, 15))
    images = like_data(np.stack([wide, thin]), framing, SEEDS[:2])
    assert box_of(images[0])[:2] == (0, 16)
    assert box_of(images[0])[2:] == (0, 16)
    assert box_of(images[1])[3] - box_of(images[1])[2] <= 4


def test_images_without_ink_become_ground() -> None:
    framing = measure_framing(users_pictures((64, 80), 9), "mnist", "dark-on-light", (28, 28, 1))
    blank = like_data(np.zeros((1, 28, 28, 1), np.uint8), framing, SEEDS[:1])
    assert (blank == np.array([250, 240, 200])).all()


def test_numbers_of_no_picture_are_refused() -> None:
    framing = measure_framing(users_pictures((64, 80), 9), "mnist", "dark-on-light", (28, 28, 1))
    for change in ({"size": (0, 80)}, {"ink": (300, 0, 0)}, {"channels": 1}, {"long_side": -1.0}):
        with pytest.raises(DataError, match="Expected the framing of pictures"):
            dataclasses.replace(framing, **change)


def test_images_like_the_users_are_fitted_again(tiny_digits: Digits) -> None:
    """What comes back is framed as MNIST, light on dark: the generated digit, scaled."""
    framing = measure_framing(users_pictures((64, 80)), "mnist", "dark-on-light", (28, 28, 1))
    images = like_data(tiny_digits.images, framing, SEEDS)
    again = fit_again(images, framing)
    assert again.shape == (200, 28, 28, 1)
    boxes = np.array([box_of(image) for image in again])
    assert set(np.maximum(boxes[:, 1] - boxes[:, 0], boxes[:, 3] - boxes[:, 2]).tolist()) <= {
        19,
        20,
        21,
    }
    assert (again[:, 0] == 0).all()
