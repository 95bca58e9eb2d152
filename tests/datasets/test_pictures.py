"""Every mode is written here with Pillow and must come back as the values that were meant."""

import io
import struct
import zlib
from typing import Any

import numpy as np
import pytest
from PIL import Image

from synthgen.datasets.digits import Digits
from synthgen.datasets.pictures import one_kind, read_picture, to_grey
from synthgen.errors import DataError

RAMP = np.linspace(0, 255, 12 * 16).astype(np.uint8).reshape(12, 16)


@pytest.fixture(scope="module")
def value(tiny_digits: Digits) -> np.ndarray:
    """A digit with soft edges on black, (28, 28) uint8."""
    image = np.repeat(np.repeat(tiny_digits.images[3, ..., 0], 4, 0), 4, 1)
    return np.asarray(Image.fromarray(image).rotate(11).resize((28, 28), Image.Resampling.BOX))


def encoded(picture: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


def chunk(name: bytes, content: bytes) -> bytes:
    check = struct.pack(">I", zlib.crc32(name + content))
    return struct.pack(">I", len(content)) + name + content + check


def png_of(width: int, height: int, depth: int, colour: int, rows: bytes) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )


def test_8_bit_grey_and_rgb_are_taken_as_they_are() -> None:
    colour = np.stack([RAMP, RAMP[::-1], RAMP.T.reshape(12, 16)], -1)
    assert (read_picture(encoded(Image.fromarray(RAMP)), "a.png") == RAMP[..., None]).all()
    assert (read_picture(encoded(Image.fromarray(colour)), "a.png") == colour).all()
    grey = Image.fromarray(np.stack([RAMP] * 3, -1))
    assert read_picture(encoded(grey), "a.png").shape == (12, 16, 3)


@pytest.mark.parametrize(
    ("kind", "suffix"),
    [
        ("PNG", "png"),
        ("BMP", "bmp"),
        ("GIF", "gif"),
        ("TIFF", "tif"),
        ("TIFF", "TIFF"),
        ("PPM", "pgm"),
        ("PNG", "jpg"),
    ],
)
def test_every_lossless_format_gives_the_same_values(kind: str, suffix: str) -> None:
    content = encoded(Image.fromarray(RAMP), kind)
    assert (read_picture(content, f"a.{suffix}") == RAMP[..., None]).all()


def test_webp_has_no_grey_mode_and_grey_pictures_come_back_grey() -> None:
    content = encoded(Image.fromarray(RAMP), "WEBP", lossless=True)
    assert (read_picture(content, "a.webp") == RAMP[..., None]).all()


def test_one_bit() -> None:
    content = encoded(Image.fromarray(RAMP > 127))
    expected = np.where(RAMP > 127, 255, 0)
    assert (read_picture(content, "a.png")[..., 0] == expected).all()


def test_palettes_give_their_colours() -> None:
    swapped = Image.fromarray(255 - RAMP).convert("P")
    swapped.putpalette([255 - k for k in range(256) for _ in range(3)])
    assert (read_picture(encoded(swapped), "a.png") == RAMP[..., None]).all()
    red = Image.fromarray(RAMP).convert("P")
    red.putpalette([value for k in range(256) for value in (k, 0, 0)])
    assert read_picture(encoded(red), "a.png")[..., 0].tolist() == RAMP.tolist()
    assert read_picture(encoded(red), "a.png")[..., 1:].max() == 0


def test_transparent_pictures_show_their_ink(value: np.ndarray) -> None:
    """White ink lies on black and black ink on white, however the ink is stored."""
    alpha = Image.fromarray(value)
    full = Image.new("L", alpha.size, 255)
    none = Image.new("L", alpha.size, 0)
    white_ink = Image.merge("LA", (full, alpha))
    black_ink = Image.merge("RGBA", (none, none, none, alpha))
    opaque = Image.merge("RGBA", (alpha, alpha, alpha, full))
    cut_out = Image.fromarray(255 - value).convert("P")
    cut_out.putpalette([255 - k for k in range(256) for _ in range(3)])
    hole = {"transparency": bytes([255] * 255 + [0])}  # where the value is 0
    assert (read_picture(encoded(white_ink), "a.png")[..., 0] == value).all()
    assert (read_picture(encoded(black_ink), "a.png")[..., 0] == 255 - value).all()
    assert (read_picture(encoded(opaque), "a.png")[..., 0] == value).all()
    assert (read_picture(encoded(cut_out, **hole), "a.png")[..., 0] == value).all()
    assert (read_picture(encoded(alpha, transparency=0), "a.png")[..., 0] == value).all()


def test_nothing_on_nothing_is_black() -> None:
    empty = Image.new("RGBA", (4, 3), (9, 9, 9, 0))
    assert read_picture(encoded(empty), "a.png").tolist() == np.zeros((3, 4, 1)).tolist()


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_16_bits_are_scaled_to_8(kind: str) -> None:
    suffix = "png" if kind == "PNG" else "tif"
    deep = Image.fromarray(RAMP.astype(np.uint16) * 257)
    assert (read_picture(encoded(deep, kind), f"a.{suffix}") == RAMP[..., None]).all()
    black = Image.fromarray(RAMP.astype(np.uint16) * 0)
    assert read_picture(encoded(black, kind), f"a.{suffix}").max() == 0
    dark = Image.fromarray(RAMP.astype(np.uint16))
    with pytest.raises(DataError, match=r"^a\.\w+: .* received 0\.\.255, which may be meant as"):
        read_picture(encoded(dark, kind), f"a.{suffix}")


def tiff_of_rgb(values: np.ndarray) -> bytes:
    """Write (height, width, 3) uint16 as a TIFF, which Pillow reads but does not write."""
    height, width = values.shape[:2]
    tags = [(256, 3, 1, width), (257, 3, 1, height), (258, 3, 3, 122), (262, 3, 1, 2)]
    tags += [(273, 4, 1, 128), (277, 3, 1, 3), (278, 3, 1, height), (279, 4, 1, values.size * 2)]
    entries = b"".join(struct.pack("<HHII", *tag) for tag in tags)
    directory = struct.pack("<4sIH", b"II*\0", 8, len(tags)) + entries + bytes(4)
    depths = struct.pack("<HHH", 16, 16, 16)
    return directory.ljust(122, b"\0") + depths + values.astype("<u2").tobytes()


@pytest.mark.parametrize("suffix", ["png", "tif", "ppm"])
def test_16_bits_of_colour(suffix: str) -> None:
    """Pillow keeps the upper half of 16 bits of colour: values of 0..255 would become black."""

    def content(values: np.ndarray) -> bytes:
        deep = values.astype(">u2")
        if suffix == "tif":
            return tiff_of_rgb(values)
        if suffix == "ppm":
            return b"P6 16 12 65535\n" + deep.tobytes()
        return png_of(16, 12, 16, 2, b"".join(b"\0" + row.tobytes() for row in deep))

    values = np.stack([RAMP.astype(np.uint16)] * 3, -1)
    assert (read_picture(content(values * 257), f"a.{suffix}") == RAMP[..., None]).all()
    with pytest.raises(DataError, match="received none above 511: as it stands it is black"):
        read_picture(content(values), f"a.{suffix}")


def test_cmyk_is_converted() -> None:
    grey = Image.fromarray(np.stack([RAMP] * 3, -1)).convert("CMYK")
    image = read_picture(encoded(grey, "JPEG", quality=100), "a.jpg")
    assert np.abs(to_grey(image)[..., 0].astype(int) - RAMP).max() < 12


def test_pictures_are_turned_as_the_camera_was_held() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned to the right
    content = encoded(Image.fromarray(RAMP), "TIFF", exif=exif)
    assert (read_picture(content, "a.tif")[..., 0] == np.rot90(RAMP, -1)).all()


def frames(kind: str) -> bytes:
    pictures = [Image.fromarray(RAMP), Image.fromarray(255 - RAMP)]
    return encoded(pictures[0], kind, save_all=True, append_images=pictures[1:])


NOISE = encoded(Image.fromarray(np.random.default_rng(0).integers(0, 256, (28, 28), np.uint8)))


@pytest.mark.parametrize(
    ("content", "path", "message"),
    [
        (
            b"<html>404</html>",
            "a.png",
            "received 16 bytes that do not begin like one but like text",
        ),
        (b"", "a.png", "received 0 bytes that do not begin like one. Replace"),
        (b"\0\0\0\x18ftypheic" + bytes(50), "a.jpg", "like a HEIC or AVIF file: convert it"),
        (encoded(Image.fromarray(RAMP), "GIF"), "a.png", "Expected PNG, as its name says, rec"),
        (encoded(Image.fromarray(RAMP), "PNG"), "a.gif", "received a picture in PNG format. Ren"),
        (NOISE[:300], "a.png", "received 300 bytes that do not decode (image file is truncated"),
        (frames("GIF"), "a.gif", "received several frames"),
        (frames("TIFF"), "a.tif", "received several frames"),
        (frames("PNG"), "a.png", "received several frames"),
        (
            encoded(Image.fromarray(RAMP.astype(np.float32)), "TIFF"),
            "a.tif",
            "received one of floating-point values",
        ),
        (
            png_of(8000, 5000, 8, 0, b""),
            "a.png",
            "a picture of 1 to 20,000,000 pixels, received 8,000 x 5,000. Make it smaller",
        ),
        (png_of(60_000, 60_000, 8, 0, b""), "a.png", "of at most 20,000,000 pixels, received a"),
    ],
    ids=[
        "text",
        "empty",
        "HEIC",
        "GIF as PNG",
        "PNG as GIF",
        "cut off",
        "film",
        "pages",
        "animated PNG",
        "floats",
        "40 megapixels",
        "3,600 megapixels",
    ],
)
def test_what_is_no_picture_of_a_digit(content: bytes, path: str, message: str) -> None:
    with pytest.raises(DataError) as caught:
        read_picture(content, path)
    assert str(caught.value).startswith(f"{path}: Expected ")
    assert message in str(caught.value)
    assert " at 0x" not in str(caught.value)


def test_grey_is_that_of_bt_601() -> None:
    colours = np.random.default_rng(0).integers(0, 256, (5, 7, 3), np.uint8)
    expected = np.asarray(Image.fromarray(colours).convert("L"))
    assert (to_grey(colours)[..., 0] == expected).all()
    assert to_grey(colours[None]).shape == (1, 5, 7, 1)


def test_pictures_of_one_size_become_one_array() -> None:
    grey = RAMP[..., None]
    colour = np.stack([RAMP, RAMP, 255 - RAMP], -1)
    same, note = one_kind([grey, grey])
    assert isinstance(same, np.ndarray)
    assert (same.shape, note) == ((2, 12, 16, 1), "")
    mixed, note = one_kind([grey, np.repeat(grey, 3, 2), colour])
    assert isinstance(mixed, np.ndarray)
    assert note == "1 of 3 pictures had colour and became grey."
    assert (mixed[0] == mixed[1]).all()
    several, note = one_kind([grey, grey[:5]])
    assert isinstance(several, list)
    assert [image.shape for image in several] == [(12, 16, 1), (5, 16, 1)]
    all_colour, _ = one_kind([colour, colour])
    assert np.shape(all_colour) == (2, 12, 16, 3)


def tiff_of(image: np.ndarray, photometric: int, sample_format: int = 1) -> bytes:
    """One strip of grey values or RGB, little-endian."""
    height, width = image.shape[:2]
    channels = image.shape[2] if image.ndim == 3 else 1
    data = image.tobytes()
    bits = image.dtype.itemsize * 8
    after = 8 + len(data) + 2 + 9 * 12 + 4
    tags = [
        (256, 1, width),
        (257, 1, height),
        (258, channels, bits if channels == 1 else after),
        (259, 1, 1),
        (262, 1, photometric),
        (273, 1, 8),
        (277, 1, channels),
        (278, 1, height),
        (339, 1, sample_format),
    ]
    entries = b"".join(struct.pack("<HHII", tag, 3, count, value) for tag, count, value in tags)
    table = struct.pack("<H", len(tags)) + entries + struct.pack("<I", 0)
    many = struct.pack("<3H", bits, bits, bits)
    return b"II*\0" + struct.pack("<I", 8 + len(data)) + data + table + many


def test_tiff_of_16_bits_and_white_as_zero() -> None:
    wide = RAMP.astype("<u2") * 257
    assert (read_picture(tiff_of(wide, 1), "a.tif")[..., 0] == RAMP).all()
    assert (read_picture(tiff_of(65_535 - wide, 0), "a.tif")[..., 0] == RAMP).all()
    assert (read_picture(tiff_of(255 - RAMP, 0), "a.tif")[..., 0] == RAMP).all()


def test_tiff_of_values_without_one_meaning() -> None:
    low = np.repeat(RAMP.astype("<u2")[..., None], 3, 2)
    with pytest.raises(DataError, match="none above 511: as it stands it is black"):
        read_picture(tiff_of(low, 2), "a.tif")
    assert (read_picture(tiff_of(low * 257, 2), "a.tif")[..., 0] == RAMP).all()
    for signed in (RAMP.astype("<i2") * 128, (RAMP.astype("<i2") - 128).astype(np.int8)):
        with pytest.raises(DataError, match="values from 0 up, received one of signed values"):
            read_picture(tiff_of(signed, 1, sample_format=2), "a.tif")
