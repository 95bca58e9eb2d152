"""Inference on CPUs with NumPy alone: what generators and screening classifiers are made of.

A process that draws images this way needs no TensorFlow, starts in a fraction of the time, and
keeps every core busy with a pass of its own. Maps are stored with the images last, (height, width,
channels, images): each layer is then a few large matrix products, and the pixels that a row of a
kernel meets lie side by side.
"""

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from synthgen.weights import Weights

# Raised when this file makes other pixels of the same weights: sets are not grown with others.
ARITHMETIC_REVISION = 1
Maps = NDArray[np.float32]  # (height, width, channels, images), or (units, images)

# Images that go through a network together: few enough for what lies between two layers to stay in
# the cache, and a multiple of what the vector units of processors hold.
PASS_IMAGES = 64
VECTOR = 16
# Larger maps are convolved directly: the transforms grow with the square of the pixels, and lose
# digits with the length of the side.
LARGEST_TRANSFORMED_SIDE = 8
FEWEST_TRANSFORMED_CHANNELS = 16
EPSILON = 1e-3  # added to the variance by every batch normalisation of the project


@dataclass(frozen=True, eq=False)
class Normalisation:
    """Batch normalisation with its moving moments: a scale and a shift for each channel.

    Args:
        scale: (channels,) float32, or (classes, channels).
        shift: of the same shape.
    """

    scale: NDArray[np.float32]
    shift: NDArray[np.float32]

    @classmethod
    def of(cls, weights: Weights, name: str) -> "Normalisation":
        """Take the weights NAME/gamma, NAME/beta, NAME/moving_mean, NAME/moving_variance."""
        deviation = np.sqrt(weights[f"{name}/moving_variance"].astype(np.float64) + EPSILON)
        scale = weights[f"{name}/gamma"] / deviation
        shift = weights[f"{name}/beta"] - weights[f"{name}/moving_mean"] * scale
        return cls(scale.astype(np.float32), shift.astype(np.float32))

    def __call__(self, maps: Maps, labels: NDArray[Any]) -> Maps:
        """Normalise maps in their place, and return them.

        Args:
            maps: (..., channels, images) float32.
            labels: (images,) integers; looked at where scale and shift are looked up by class.
        """
        for combine, values in ((np.multiply, self.scale), (np.add, self.shift)):
            if values.ndim == 2:
                by_image = np.ascontiguousarray(values[labels].T)  # (channels, images)
            else:
                by_image = np.repeat(values[:, None], len(labels), axis=1)
            combine(maps, by_image, out=maps)
        return maps


def pass_images(batch: int) -> int:
    """Return how many images go through a network together where so many are drawn at a time."""
    return min(PASS_IMAGES, -(-batch // VECTOR) * VECTOR)


def rectify(maps: Maps, slope: float = 0.0) -> Maps:
    """Apply (leaky) ReLU to maps in their place, and return them."""
    below: Maps = maps * np.float32(slope) if slope else np.zeros((), np.float32)
    return np.maximum(maps, below, out=maps)


class PreparedConvolution:
    """A convolution whose kernel is prepared for maps of one size.

    It has one result ("same" padding, stride 1 or 2) or, transposed with stride 2, four: the pixels
    of even or odd rows and even or odd columns. Each is a convolution of its own, whose taps meet
    pixels from `first` rows or columns away on.

    Args:
        size: (height, width) of the maps.
        kernels: of each result, (k, k, c, d) float32, all of one shape.
        firsts: of each result, how far up and left the first tap reaches, (rows, columns) <= 0.
        stride: 1, or 2.
    """

    def __init__(
        self,
        size: tuple[int, int],
        kernels: Sequence[NDArray[np.float32]],
        firsts: Sequence[tuple[int, int]],
        stride: int = 1,
    ) -> None:
        self._size = size
        self._firsts = firsts
        self._stride = stride
        self._side, _, channels, results = kernels[0].shape
        self._transformed = (
            max(size) <= LARGEST_TRANSFORMED_SIDE
            and min(channels, results) >= FEWEST_TRANSFORMED_CHANNELS
            and stride == 1
        )
        if self._transformed:
            _, of_kernel, _ = toom_cook_matrices(*size, self._side, firsts[0])
            self._kernels = [
                # (products, d, c)
                (of_kernel @ kernel.reshape(-1, channels * results))
                .reshape(-1, channels, results)
                .transpose(0, 2, 1)
                .astype(np.float32, order="C")
                for kernel in kernels
            ]
        else:
            self._kernels = [
                # (k, d, k c): a row of the kernel meets k pixels side by side
                np.ascontiguousarray(kernel.transpose(0, 3, 1, 2)).reshape(self._side, results, -1)
                for kernel in kernels
            ]

    @classmethod
    def same(
        cls, size: tuple[int, int], kernel: NDArray[np.float32], stride: int = 1
    ) -> "PreparedConvolution":
        """Prepare a convolution with "same" padding; with stride 2 of maps with even sides."""
        side = len(kernel)
        first = -(side // 2) if stride == 1 else -((side - stride) // 2)
        return cls(size, [kernel], [(first, first)], stride)

    @classmethod
    def up(cls, size: tuple[int, int], kernel: NDArray[np.float32]) -> "PreparedConvolution":
        """Prepare a transposed one of stride 2, of a kernel (4 or 5, 4 or 5, c, d), d channels in.

        What it makes of maps is (2h, 2w, c, n) in four parts.
        """
        side = len(kernel)
        taps = [_taps_of_phase(side, phase) for phase in (0, 1)]
        most = max(len(of_phase) for of_phase in taps)
        firsts = [min(of_phase) for of_phase in taps]
        kernels = []
        for row in (0, 1):
            for column in (0, 1):
                part = np.zeros((most, most, *kernel.shape[:1:-1]), np.float32)  # (.., d, c)
                for down, a in taps[row].items():
                    for right, b in taps[column].items():
                        part[down - firsts[row], right - firsts[column]] = kernel[a, b].T
                kernels.append(part)
        return cls(size, kernels, [(r, c) for r in firsts for c in firsts])

    def __call__(self, maps: Maps) -> list[Maps]:
        """Convolve (h, w, c, n) float32 to (h / stride, w / stride, d, n), one or four of them."""
        return self._between_transforms(maps) if self._transformed else self._directly(maps)

    def _between_transforms(self, maps: Maps) -> list[Maps]:
        height, width, channels, images = maps.shape
        of_maps, _, _ = toom_cook_matrices(height, width, self._side, self._firsts[0])
        products = of_maps @ maps.reshape(height * width, -1)
        products = products.reshape(-1, channels, images)
        found = []
        for kernel, first in zip(self._kernels, self._firsts, strict=True):
            _, _, back = toom_cook_matrices(height, width, self._side, first)
            of_result = back @ (kernel @ products).reshape(len(products), -1)
            found.append(of_result.reshape(height, width, -1, images))
        return found

    def _directly(self, maps: Maps) -> list[Maps]:
        height, width, channels, images = maps.shape
        side = self._side
        stride = self._stride
        rim = side - 1
        found = []
        for kernel, (up, left) in zip(self._kernels, self._firsts, strict=True):
            padded = np.zeros((height + rim, width + rim, channels, images), np.float32)
            padded[-up : height - up, -left : width - left] = maps
            # views of k pixels side by side, (rows, w', k c, n)
            row, column, value, image = padded.strides
            windows = np.lib.stride_tricks.as_strided(
                padded,
                (height + rim, width // stride, side * channels, images),
                (row, stride * column, value, image),
            )
            result = kernel[0] @ windows[:height:stride]
            for down in range(1, side):
                result += kernel[down] @ windows[down : down + height : stride]
            found.append(result)
        return found


@functools.cache
@np.errstate(under="ignore")
def toom_cook_matrices(
    height: int, width: int, side: int, first: tuple[int, int]
) -> tuple[NDArray[np.float32], NDArray[np.float64], NDArray[np.float32]]:
    """Compute matrices A, B, C with which a convolution of small maps is C((A x)(B w)).

    The map and the kernel are the coefficients of polynomials, whose product is known from its
    values at as many points as it has coefficients (Toom 1963, Cook 1966; Lavin & Gray 2016,
    https://arxiv.org/abs/1509.09308, call it Winograd's): 81 multiplications in the place of 441
    for a 3 x 3 kernel on a 7 x 7 map, 64 in the place of 196 for 2 x 2. The points lie evenly on
    the projective line (t = tan of evenly spaced angles), which loses fewest digits: the result is
    within some 2e-5 of its size for 3 taps a side, 1e-4 for 5.

    Args:
        height: of the map.
        width: of the map.
        side: k of the kernel.
        first: how far up and left its first tap reaches, (rows, columns) <= 0.

    Returns:
        A (m, height * width), B (m, k * k) and C (height * width, m).
    """
    axes = [
        _toom_cook(size, side, reach) for size, reach in zip((height, width), first, strict=True)
    ]
    of_maps, of_kernel, back = (np.kron(*pair) for pair in zip(*axes, strict=True))
    return of_maps.astype(np.float32), of_kernel, back.astype(np.float32)


def _toom_cook(
    size: int, taps: int, first: int
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Compute the three matrices of one axis."""
    points = size + taps - 1
    angles = np.pi * np.arange(points) / points

    def values(coefficients: int) -> NDArray[np.float64]:
        powers = np.arange(coefficients)
        of_point: NDArray[np.float64] = np.cos(angles)[:, None] ** powers[::-1]
        return of_point * np.sin(angles)[:, None] ** powers

    # pixel i meets tap t in the coefficient i + taps - 1 - t; result h is made where i = h + first
    # + t; both sides are scaled to rows of length 1
    of_map = values(size)
    of_kernel = values(taps)[:, ::-1]
    back = np.linalg.inv(values(points))[np.arange(size) + first + taps - 1]
    map_norms = np.linalg.norm(of_map, axis=1)
    kernel_norms = np.linalg.norm(of_kernel, axis=1)
    return (
        of_map / map_norms[:, None],
        of_kernel / kernel_norms[:, None],
        back * map_norms * kernel_norms,
    )


def _taps_of_phase(side: int, phase: int) -> dict[int, int]:
    """Find which tap of a transposed kernel of stride 2 meets the pixel so far away.

    Args:
        side: of the kernel, 4 or 5.
        phase: 0 for even rows (or columns) of the result, 1 for odd ones.
    """
    return {(phase + 1 - tap) // 2: tap for tap in range(side) if (tap - phase) % 2}


def interleave(parts: Sequence[Maps]) -> Maps:
    """Put four maps together: pixels of even and odd rows, and of even and odd columns of these.

    Args:
        parts: four of (h, w, c, n): even rows even columns, even odd, odd even, odd odd.

    Returns:
        (2h, 2w, c, n).
    """
    height, width, channels, images = parts[0].shape
    whole = np.empty((2 * height, 2 * width, channels, images), np.float32)
    for k, part in enumerate(parts):
        whole[k // 2 :: 2, k % 2 :: 2] = part
    return whole
