"""Fitting pictures to what a generator draws, and generated digits back to what a user has.

MNIST's digits were scaled so that their ink fits into 20 x 20 pixels and placed on 28 x 28 with
the centre of mass in the middle (LeCun, Bottou, Bengio and Haffner, 1998, "Gradient-based learning
applied to document recognition", section III.A). A generator that learnt from them draws only
such digits, so a user's pictures are framed in the same way before they meet it:

    fit_reading       pictures of any size, polarity and margin -> (n, 28, 28, 1)
    measure_framing   what the pictures looked like: size, levels, margins, positions
    like_data         generated (n, 28, 28, 1) -> images that look like the user's pictures
    fit_again         these -> (n, 28, 28, 1), as the user's pictures were fitted
"""

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from synthgen.datasets.digits import Digits, Images, Parts, Pictures, PictureSeries, Reading
from synthgen.datasets.pictures import to_grey
from synthgen.errors import DataError, SettingsError

FITS = ("auto", "mnist", "pad", "stretch", "none")
POLARITIES = ("auto", "light-on-dark", "dark-on-light")
MNIST_SHAPE = (28, 28, 1)
INK_SHARE = 20 / 28  # of the side of an image that the longer side of the ink's box takes
INK_THRESHOLD = 0.2  # of the contrast of a picture: what is darker belongs to the ground
LOW_PERCENTILE = 5  # of the pixels of a picture: certainly no ink
OUTLIER_SHARE = 0.005  # of pixels that may be brighter than the full level of the ink
MOST_OUTLIERS = 10
SPECK_SHARE = 0.01  # of the ink: smaller spots of large pictures are dirt
SPECK_SIDE = 32  # pixels from which on a picture is large
DIM = 128  # a set without a brighter pixel is not of 0..255
WASHED_OUT = 64  # a set without a darker pixel is not of 0..255
BLOCK_IMAGES = 1024  # looked at together
COMMON_BOX_SHARE = 0.8  # of images with ink boxes of one size: they were stretched to it
MOST_STRETCH = 2  # of one direction over the other: a thin 1 does not become a block
FEW_LEVELS = 32  # distinct values up to which the levels of a set are kept
DECIMALS = 3  # of pixels, in a framing
LONGEST_SIDE = 20_000  # pixels of a picture that is framed
JITTER_STREAM = 1  # of an image's seed: stream 0 makes the latent


@dataclass(frozen=True, kw_only=True)
class FramingSettings:
    """How to fit pictures to a generator.

    Args:
        fit: "mnist" scales and centres the ink as MNIST's was, "pad" fits the whole picture with
            its proportions, "stretch" without them, "none" leaves pictures as they are; "auto"
            leaves what fits already and frames the rest as MNIST.
        polarity: "light-on-dark", "dark-on-light", or "auto" to find out which of them the
            pictures are.
        shape: (height, width, channels) that the generator draws; None where one is yet to be
            trained: pictures of one size are then left as they are by "auto".
    """

    fit: str = "auto"
    polarity: str = "auto"
    shape: tuple[int, int, int] | None = None

    def __post_init__(self) -> None:
        if self.fit not in FITS:
            raise SettingsError(f"Expected --fit {', '.join(FITS)}, received {self.fit!r}.")
        if self.polarity not in POLARITIES:
            raise SettingsError(
                f"Expected --polarity {', '.join(POLARITIES)}, received {self.polarity!r}."
            )


@dataclass(frozen=True, kw_only=True)
class Framing:
    """What a user's pictures look like and how they were fitted; enough to draw others like them.

    Args:
        fit: how they were fitted: "mnist", "pad", "stretch" or "none".
        polarity: of the pictures: "light-on-dark" or "dark-on-light".
        shape: (height, width, channels) they were fitted to.
        size: (height, width) of the pictures; the median where they are of several sizes.
        several_sizes: whether they are.
        channels: 1 or 3.
        ground: level of the ground in each channel, 0..255.
        ink: level of the ink in each channel, 0..255.
        levels: distinct levels between ground and ink; 0 for more than 32.
        stretched: whether the ink of nearly all pictures fills a box of one size.
        box: mean height and width of the ink's box, in pixels.
        long_side: mean of the longer side of the ink's box, in pixels.
        long_side_spread: its standard deviation.
        position: mean row and column of the centre of the ink's box, from the centre of the
            picture, in pixels.
        position_spread: their standard deviations.

    Raises:
        DataError: if these are not numbers of pictures, as in a record that was tampered with.
    """

    fit: str
    polarity: str
    shape: tuple[int, int, int]
    size: tuple[int, int]
    several_sizes: bool
    channels: int
    ground: tuple[int, ...]
    ink: tuple[int, ...]
    levels: int
    stretched: bool
    box: tuple[float, float]
    long_side: float
    long_side_spread: float
    position: tuple[float, float]
    position_spread: tuple[float, float]

    def __post_init__(self) -> None:
        lengths = (*self.box, self.long_side, self.long_side_spread, *self.position_spread)
        if (
            self.fit not in FITS
            or self.polarity not in POLARITIES
            or not all(1 <= side <= LONGEST_SIDE for side in (*self.size, *self.shape))
            or self.channels not in (1, 3)
            or not len(self.ground) == len(self.ink) == self.channels
            or not all(0 <= level <= 255 for level in (*self.ground, *self.ink))
            or not 0 <= self.levels <= FEW_LEVELS
            or self.levels == 1
            or not all(0 <= length <= LONGEST_SIDE for length in lengths)
            or not all(-LONGEST_SIDE <= offset <= LONGEST_SIDE for offset in self.position)
        ):
            raise DataError(
                "Expected the framing of pictures: sizes and positions in pixels, levels of 0..255 "
                f"in each channel, received {dataclasses.asdict(self)}."
            )

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(height, width, channels) of images that look like the pictures."""
        return (*self.size, self.channels)

    def __str__(self) -> str:
        height, width = self.size
        sizes = f"{height} x {width} x {self.channels}"
        if self.several_sizes:
            sizes = f"several sizes (median {sizes})"
        if self.fit == "none":
            return f"left as they are, {sizes}"
        how = {
            "mnist": "ink scaled and centred as in MNIST",
            "pad": "padded to a square and scaled",
            "stretch": "stretched",
        }[self.fit]
        turned = " and inverted" if self.polarity == "dark-on-light" else ""
        return f"{sizes}, {self.polarity.replace('-', ' ')}, fitted to " + (
            f"{' x '.join(map(str, self.shape))}: {how}{turned}"
        )


def fit_reading(reading: Reading, settings: FramingSettings) -> tuple[Parts, Framing]:
    """Fit the pictures of all parts to one shape.

    Args:
        reading: the pictures as they were read.
        settings: how to fit them, and to what.

    Returns:
        (training and test digits of one shape, what was done).

    Raises:
        DataError: if pictures of several sizes are to be left as they are.
    """
    # What the pictures are
    everything = all_images(reading)
    polarity = settings.polarity
    if polarity == "auto":
        dark, light = count_polarities(everything)
        polarity = "dark-on-light" if dark > light else "light-on-dark"
    shapes = {image.shape for image in everything}
    white = max((int(block.max()) for block in _blocks(everything)), default=255)
    black = min((int(block.min()) for block in _blocks(everything)), default=0)

    # How to fit them
    fit = settings.fit
    if fit == "auto":
        fits_already = (
            settings.shape is not None
            and {shape[:2] for shape in shapes} == {settings.shape[:2]}
            and polarity == "light-on-dark"
            and white >= DIM
            and black < WASHED_OUT
        )
        as_they_are = len(shapes) < 2 and (settings.shape is None or fits_already)
        fit = "none" if as_they_are else "mnist"
    if fit == "none" and len(shapes) > 1:
        raise DataError(
            f"Expected pictures of one size, received {len(shapes)} sizes from "
            f"{_by(min(shapes))} to {_by(max(shapes))}. Fit them with --fit mnist, pad or stretch."
        )

    # Pictures that are left as they are get inverted only if that is asked for by name
    if fit == "none":
        height, width, channels = next(iter(shapes), MNIST_SHAPE)
        shape = (height, width, settings.shape[2] if settings.shape else channels)
        invert = settings.polarity == "dark-on-light"
    else:
        shape = settings.shape or MNIST_SHAPE
        invert = polarity == "dark-on-light"

    def fitted(part: Digits | Pictures) -> Digits:
        if fit == "none" and isinstance(part, Digits) and part.image_shape == shape and not invert:
            return part
        images = np.zeros((len(part), *shape), np.uint8)
        for row, image in enumerate(part.images):
            images[row] = fit_image(image, fit, invert, shape, white)
        return Digits(images, part.labels, tuple(part.class_names))

    parts = Parts(fitted(reading.train), None if reading.test is None else fitted(reading.test))
    return parts, measure_framing(reading.train.images, fit, polarity, shape)


def all_images(reading: Reading) -> PictureSeries:
    """Return the pictures of all parts: in one array where they have one shape."""
    train = reading.train.images
    if reading.test is None:
        return train
    test = reading.test.images
    same_shape = np.shape(train[:1])[1:] == np.shape(test[:1])[1:]
    if isinstance(train, np.ndarray) and isinstance(test, np.ndarray) and same_shape:
        return np.concatenate([train, test])
    return [*train, *test]


def fit_image(
    image: Images, fit: str, invert: bool, shape: tuple[int, int, int], white: int = 255
) -> Images:
    """Fit one picture.

    Args:
        image: (height, width, 1 or 3) uint8.
        fit: "mnist", "pad", "stretch" or "none".
        invert: whether the picture is dark on light.
        shape: (height, width, channels) to fit it to.
        white: brightest level of the whole set, which becomes 255 where a set is dim.

    Returns:
        An image of that shape, uint8, light on dark.
    """
    if fit == "mnist":
        centred = centre_by_mass(find_ink(image, invert, white), shape[:2])
        return np.repeat(np.rint(centred * 255).astype(np.uint8)[..., None], shape[2], axis=2)
    if image.shape[2] > shape[2]:
        image = to_grey(image)
    elif image.shape[2] < shape[2]:
        image = np.repeat(image, shape[2], axis=2)
    if fit == "none":
        return np.invert(image) if invert else image
    values = image.astype(np.float32) * (255 / white if 0 < white < DIM else 1)
    if invert:
        values = 255 - values
    if fit == "pad":
        height, width = image.shape[:2]
        side = max(height, width)
        top = (side - height) // 2
        left = (side - width) // 2
        square = np.empty((side, side, shape[2]), np.float32)
        square[:] = [np.median(_border(values[..., channel])) for channel in range(shape[2])]
        square[top : top + height, left : left + width] = values
        values = square
    scaled = [_resize(values[..., channel], shape[0], shape[1]) for channel in range(shape[2])]
    return np.rint(np.stack(scaled, axis=-1)).clip(0, 255).astype(np.uint8)


def find_ink(image: Images, invert: bool, white: int = 255) -> NDArray[np.float32]:
    """Return how much ink there is in each pixel.

    The full level of the ink is that of the brightest pixels, without the ten brightest of a large
    picture. The ground is the median of the picture's border or, where ink fills the border, of the
    darker half of its levels. What the ground varies by (three times its median absolute deviation,
    as a standard deviation) is no ink, and in large pictures spots of less than 1 % of the ink are
    none.

    Args:
        image: (height, width, 1 or 3) uint8.
        invert: whether the picture is dark on light.
        white: brightest level of the whole set: in a set of 0..255 a contrast of one level is none.

    Returns:
        (height, width) float32, 0..1; all 0 for a picture of one level.
    """
    values = to_grey(image)[..., 0].astype(np.float32)
    if invert:
        values = 255 - values
    outliers = min(int(OUTLIER_SHARE * values.size), MOST_OUTLIERS)
    full = float(np.partition(values, -1 - outliers, axis=None)[-1 - outliers])
    middle = (float(np.percentile(values, LOW_PERCENTILE)) + full) / 2
    ground = float(np.median(_border(values)))
    if ground > middle:
        ground = float(np.median(values[values <= middle]))
    contrast = full - ground
    of_ground = values[values < ground + contrast / 2]
    if contrast <= (1 if white >= DIM else 0) or not of_ground.size:
        return np.zeros_like(values)
    noise = min(3 * 1.4826 * float(np.median(np.abs(of_ground - ground))), contrast / 2)
    ink: NDArray[np.float32] = ((values - ground - noise) / (contrast - noise)).clip(0, 1)
    if min(ink.shape) > SPECK_SIDE:
        from scipy import ndimage  # takes as long to load as half of the package

        spots, count = ndimage.label(ink > INK_THRESHOLD, structure=np.ones((3, 3)))
        mass = ndimage.sum_labels(ink, spots, np.arange(1, count + 1))
        dirt = 1 + np.flatnonzero(mass < SPECK_SHARE * mass.sum())
        ink[np.isin(spots, dirt)] = 0
    return ink


def centre_by_mass(ink: NDArray[np.float32], size: tuple[int, int]) -> NDArray[np.float32]:
    """Scale and centre ink as MNIST's was.

    Args:
        ink: (height, width) float32, 0..1.
        size: (height, width) of the image to place it in.

    Returns:
        An image of that size, float32, 0..1: the longer side of the ink's box is 20/28 of its
        side, the centre of mass in its middle as far as the box stays within.
    """
    from scipy import ndimage

    placed = np.zeros(size, np.float32)
    box = find_box(ink)
    if box is None:
        return placed
    top, bottom, left, right = box
    scale = round(INK_SHARE * min(size)) / max(bottom - top, right - left)
    height = max(1, round((bottom - top) * scale))
    width = max(1, round((right - left) * scale))
    scaled = _resize(ink[top:bottom, left:right], height, width).clip(0, 1)
    scaled /= scaled.max()
    row, column = ndimage.center_of_mass(scaled)
    top = min(max(0, round(size[0] / 2 - row)), size[0] - height)
    left = min(max(0, round(size[1] / 2 - column)), size[1] - width)
    placed[top : top + height, left : left + width] = scaled
    return placed


def find_box(ink: NDArray[np.float32]) -> tuple[int, int, int, int] | None:
    """Return (top, bottom, left, right) of the ink, ends excluded; None where there is none."""
    rows = np.flatnonzero((ink > INK_THRESHOLD).any(axis=1))
    columns = np.flatnonzero((ink > INK_THRESHOLD).any(axis=0))
    if not len(rows):
        return None
    return int(rows[0]), int(rows[-1]) + 1, int(columns[0]), int(columns[-1]) + 1


def count_polarities(images: PictureSeries) -> tuple[int, int]:
    """Count the pictures that are clearly dark on light and those clearly light on dark.

    A picture is dark on light if both its border and most of its area are in the upper half of its
    levels.

    Args:
        images: n (height, width, 1 or 3) uint8.

    Returns:
        (dark on light, light on dark); pictures of one level and doubtful ones are in neither.
    """
    dark = 0
    light = 0
    for block in _blocks(images):
        values = to_grey(block)[..., 0].astype(np.float32)
        least = values.min(axis=(1, 2))
        contrast = values.max(axis=(1, 2)) - least
        seen = contrast > 0
        border = np.median(_border(values[seen]), axis=1) - least[seen]
        area = values[seen].mean(axis=(1, 2)) - least[seen]
        half = contrast[seen] / 2
        dark += int(((border > half) & (area > half)).sum())
        light += int(((border <= half) & (area <= half)).sum())
    return dark, light


def measure_framing(
    images: PictureSeries, fit: str, polarity: str, shape: tuple[int, int, int]
) -> Framing:
    """Measure what pictures look like, for synthetic ones to look like them.

    Args:
        images: n pictures, (height, width, 1 or 3) uint8.
        fit: how they were fitted.
        polarity: of the pictures: "light-on-dark" or "dark-on-light".
        shape: (height, width, channels) they were fitted to.
    """
    invert = polarity == "dark-on-light"
    white = max((int(block.max()) for block in _blocks(images)), default=255)
    sizes = np.array([image.shape[:2] for image in images] or [shape[:2]])
    height, width = (int(size) for size in np.median(sizes, axis=0))
    channels = images[0].shape[2] if len(images) else shape[2]

    # The ink of each picture: where it is, and how dark
    boxes: list[tuple[float, ...]] = []  # height, width, row, column in pixels of the median size
    grounds = []
    inks = []
    values: set[int] = set()
    for image in _sample(images):
        ink = find_ink(image, invert, white)
        box = find_box(ink)
        if len(values) <= FEW_LEVELS:
            values |= set(np.unique(image).tolist())
        if box is None:
            continue
        top, bottom, left, right = box
        scale = min(height / image.shape[0], width / image.shape[1])
        middle = (image.shape[0] / 2, image.shape[1] / 2)
        offset = ((top + bottom) / 2 - middle[0], (left + right) / 2 - middle[1])
        boxes.append(tuple(scale * x for x in (bottom - top, right - left, *offset)))
        grounds.append(np.median(image[ink <= float(ink.min())], axis=0))
        inks.append(image[ink >= min(0.9, float(ink.max()))].mean(axis=0))

    # What they have in common; pictures without ink have the framing of MNIST
    measured = np.array(boxes or [(INK_SHARE * height, INK_SHARE * width, 0, 0)])
    median_box = np.median(measured[:, :2], axis=0)
    near = (np.abs(measured[:, :2] - median_box) <= 0.04 * median_box).all(axis=1)
    long_sides = measured[:, :2].max(axis=1)
    ground = np.median(grounds or [[255.0 * invert] * channels], axis=0)
    ink_level = np.median(inks or [[255.0 * (not invert)] * channels], axis=0)
    return Framing(
        fit=fit,
        polarity=polarity,
        shape=shape,
        size=(height, width),
        several_sizes=len({*map(tuple, sizes.tolist())}) > 1,
        channels=channels,
        ground=tuple(round(float(level)) for level in ground),
        ink=tuple(round(float(level)) for level in ink_level),
        levels=len(values) if 2 <= len(values) <= FEW_LEVELS else 0,
        stretched=bool(near.mean() >= COMMON_BOX_SHARE and measured.shape[0] > 1),
        box=_pixels(median_box),
        long_side=round(float(long_sides.mean()), DECIMALS),
        long_side_spread=round(float(long_sides.std()), DECIMALS),
        position=_pixels(measured[:, 2:].mean(axis=0)),
        position_spread=_pixels(measured[:, 2:].std(axis=0)),
    )


def like_data(images: Images, framing: Framing, seeds: NDArray[np.uint64]) -> Images:
    """Turn generated digits into images that look like a user's pictures.

    The ink of each is scaled and placed as that of a picture drawn from the user's: size and
    position follow the normal distributions that were measured, within the picture.

    Args:
        images: (n, height, width, 1 or 3) uint8, light on dark.
        framing: what the user's pictures look like.
        seeds: (n,) of each image, which decides its size and position.

    Returns:
        (n, *framing.size, framing.channels) uint8.
    """
    height, width = framing.size
    result = np.empty((len(images), height, width, framing.channels), np.uint8)
    ground = np.array(framing.ground, np.float32)
    ink_level = np.array(framing.ink, np.float32)
    for place, (seed, image) in enumerate(zip(seeds.tolist(), images, strict=True)):
        # Size and position of this image
        chance = np.random.Generator(np.random.Philox(key=[seed, JITTER_STREAM]))
        drawn = chance.standard_normal(3).clip(-2, 2)  # of the longer side, the row, the column

        # Its ink, scaled and placed
        ink = find_ink(image, invert=False)
        box = find_box(ink)
        amount = np.zeros((height, width), np.float32)  # of ink, 0..1
        if box is not None:
            top, bottom, left, right = box
            if framing.stretched:
                factors = np.array(framing.box) / (bottom - top, right - left)
                factors = np.minimum(factors, MOST_STRETCH * factors.min())
                sides = (factors[0] * (bottom - top), factors[1] * (right - left))
            else:
                long_side = framing.long_side + framing.long_side_spread * drawn[0]
                scale = max(1.0, long_side) / max(bottom - top, right - left)
                sides = ((bottom - top) * scale, (right - left) * scale)
            new_height = min(height, max(1, round(sides[0])))
            new_width = min(width, max(1, round(sides[1])))
            scaled = _resize(ink[top:bottom, left:right], new_height, new_width).clip(0, 1)
            centre = [
                size / 2 + middle + spread * chance_number
                for size, middle, spread, chance_number in zip(
                    framing.size, framing.position, framing.position_spread, drawn[1:], strict=True
                )
            ]
            top = min(max(0, round(centre[0] - new_height / 2)), height - new_height)
            left = min(max(0, round(centre[1] - new_width / 2)), width - new_width)
            amount[top : top + new_height, left : left + new_width] = scaled / scaled.max()

        # The user's levels
        if framing.levels:
            steps = np.float32(framing.levels - 1)
            amount = np.rint(amount * steps) / steps
        result[place] = np.rint(ground + amount[..., None] * (ink_level - ground))
    return result


def fit_again(images: Images, framing: Framing) -> Images:
    """Fit images that look like a user's pictures as the pictures themselves were fitted.

    Args:
        images: (n, *framing.image_shape) uint8, as `like_data` made them.
        framing: of the pictures.

    Returns:
        (n, *framing.shape) uint8, light on dark.
    """
    invert = framing.polarity == "dark-on-light"
    white = max(*framing.ground, *framing.ink)
    fitted = np.empty((len(images), *framing.shape), np.uint8)
    for row, image in enumerate(images):
        fitted[row] = fit_image(image, framing.fit, invert, framing.shape, white)
    return fitted


def _pixels(lengths: NDArray[np.float64]) -> tuple[float, float]:
    """Lengths along rows and columns, rounded: a framing is the same on every machine."""
    return round(float(lengths[0]), DECIMALS), round(float(lengths[1]), DECIMALS)


def _border(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """The outermost pixels of pictures: (..., height, width) -> (..., pixels of the border)."""
    inner = values[..., 1:-1, :]
    sides = (values[..., 0, :], values[..., -1, :], inner[..., 0], inner[..., -1])
    return np.concatenate(sides, axis=-1)


def _blocks(images: PictureSeries) -> Iterator[Images]:
    """Pictures as (n, height, width, channels) blocks: many where they lie in one array."""
    if isinstance(images, np.ndarray):
        for start in range(0, len(images), BLOCK_IMAGES):
            yield images[start : start + BLOCK_IMAGES]
    else:
        for image in images:
            yield image[None]


def _resize(values: NDArray[np.float32], height: int, width: int) -> NDArray[np.float32]:
    """Scale a (height, width) picture; averaged where it gets smaller, smooth where larger."""
    picture = Image.fromarray(np.ascontiguousarray(values, np.float32))
    return np.asarray(picture.resize((width, height), Image.Resampling.BICUBIC), np.float32).copy()


def _sample(images: PictureSeries, most: int = 2000) -> Iterator[Images]:
    """At most so many of the images, evenly spread."""
    step = max(1, len(images) // most)
    for row in range(0, len(images), step):
        yield images[row]


def _by(shape: Sequence[int]) -> str:
    return f"{shape[0]} x {shape[1]}"
