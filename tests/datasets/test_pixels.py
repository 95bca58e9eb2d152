import io

import numpy as np
import pytest
from PIL import Image

from synthgen.datasets.digits import Digits
from synthgen.datasets.pixels import decode_png, encode_png, grid, to_uint8
from synthgen.errors import DataError


def test_to_uint8_rounds_and_stays_within_0_and_255() -> None:
    levels = np.array([-3.0, 0.0, 0.4, 0.6, 99.6, 254.4, 254.6, 300.0], np.float32)
    assert to_uint8(levels / np.float32(127.5) - np.float32(1)).tolist() == [
        0,
        0,
        0,
        1,
        100,
        254,
        255,
        255,
    ]


def test_grid_places_images_row_by_row() -> None:
    images = np.array([1, 2, 3], np.uint8).reshape(3, 1, 1, 1)
    assert grid(images, columns=2, gap=1, shade=9)[..., 0].tolist() == [
        [9, 9, 9, 9, 9],
        [9, 1, 9, 2, 9],
        [9, 9, 9, 9, 9],
        [9, 3, 9, 9, 9],
        [9, 9, 9, 9, 9],
    ]


def test_grid_of_a_hundred_colour_images() -> None:
    assert grid(np.zeros((100, 28, 28, 3), np.uint8), columns=10).shape == (302, 302, 3)


@pytest.mark.parametrize("channels", [1, 3])
def test_png_keeps_every_pixel(channels: int) -> None:
    image = np.random.default_rng(0).integers(0, 256, (5, 7, channels), np.uint8)
    np.testing.assert_array_equal(decode_png(encode_png(image)), image)


def test_png_bytes_are_the_same_for_the_same_image(tiny_digits: Digits) -> None:
    assert encode_png(tiny_digits.images[0]) == encode_png(tiny_digits.images[0].copy())


def test_zoom_repeats_pixels() -> None:
    image = np.array([[[1], [2]]], np.uint8)
    assert decode_png(encode_png(image, zoom=2))[..., 0].tolist() == [[1, 1, 2, 2], [1, 1, 2, 2]]


def picture(mode: str, kind: str) -> bytes:
    buffer = io.BytesIO()
    Image.new(mode, (4, 3)).save(buffer, kind)
    return buffer.getvalue()


def test_jpeg_is_read_too() -> None:
    assert decode_png(picture("L", "JPEG")).shape == (3, 4, 1)
    assert decode_png(picture("RGB", "JPEG")).shape == (3, 4, 3)


@pytest.mark.parametrize("mode", ["1", "P", "RGBA", "LA", "I;16"])
def test_pictures_that_are_not_8_bit_grey_or_rgb(mode: str) -> None:
    with pytest.raises(
        DataError,
        match=rf"^Expected an 8-bit grey or RGB picture \(mode L or RGB\), received mode {mode}",
    ):
        decode_png(picture(mode, "PNG"))


def test_bytes_that_are_no_picture() -> None:
    whole = encode_png(np.random.default_rng(0).integers(0, 256, (28, 28, 1), np.uint8))
    for content in (
        b"",
        b"not a picture",
        whole[:20],
        whole[: len(whole) // 2],
        picture("L", "GIF"),
    ):
        with pytest.raises(
            DataError,
            match=rf"^Expected a whole PNG or JPEG file, received {len(content)} bytes that do "
            r"not decode",
        ) as raised:
            decode_png(content)
        assert " at 0x" not in str(raised.value)
