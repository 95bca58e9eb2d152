"""Pixels: between uint8 and the networks' range, and pictures of many images."""

import io
import math

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from synthgen.datasets.digits import Images
from synthgen.errors import DataError

SHEET_PIXELS = 60_000_000  # of one picture: a sheet of 60,000 digits of 28 x 28 has 54 million


def to_uint8(values: NDArray[np.float32]) -> Images:
    """float32 -1..1 -> uint8 0..255, rounded to the nearest (`rint`), not cut off."""
    levels: NDArray[np.float32] = np.rint((values + np.float32(1.0)) * np.float32(127.5))
    return levels.clip(0, 255).astype(np.uint8)


def grid(images: Images, columns: int, gap: int = 2, shade: int = 40) -> Images:
    """Lay images out row by row on a dark sheet.

    Args:
        images: (n, height, width, channels) uint8.
        columns: images per row.
        gap: pixels between two images and around the sheet.
        shade: grey level of the gaps.

    Returns:
        (sheet height, sheet width, channels) uint8.
    """
    count, height, width, channels = images.shape
    rows = math.ceil(count / columns)
    sheet = np.full(
        (rows * (height + gap) + gap, columns * (width + gap) + gap, channels), shade, np.uint8
    )
    for k, image in enumerate(images):
        top, left = gap + k // columns * (height + gap), gap + k % columns * (width + gap)
        sheet[top : top + height, left : left + width] = image
    return sheet


def encode_png(image: Images, zoom: int = 1) -> bytes:
    """One image (height, width, 1 or 3) uint8 as the bytes of a PNG file, enlarged `zoom` times."""
    enlarged = image.repeat(zoom, axis=0).repeat(zoom, axis=1) if zoom > 1 else image
    buffer = io.BytesIO()
    Image.fromarray(enlarged[..., 0] if image.shape[-1] == 1 else enlarged).save(buffer, "PNG")
    return buffer.getvalue()


def decode_png(content: bytes) -> Images:
    """Decode the bytes of a PNG (or JPEG) file, such as synthgen writes.

    Returns:
        (height, width, 1 or 3) uint8.

    Raises:
        DataError: if it cannot be decoded, is not an 8-bit grey or RGB picture, or has more than
            `SHEET_PIXELS`.
    """
    try:
        with Image.open(io.BytesIO(content), formats=("PNG", "JPEG")) as picture:
            mode = picture.mode
            width, height = picture.size
            if width * height > SHEET_PIXELS:
                raise ValueError(f"{width:,} x {height:,} pixels are too many")
            pixels = np.asarray(picture)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        reason = str(error)
        if isinstance(error, UnidentifiedImageError):  # Pillow names the object in memory
            reason = "they do not begin like one"
        raise DataError(
            f"Expected a whole PNG or JPEG file, received {len(content)} bytes that do not "
            f"decode: {reason}."
        ) from error
    if mode not in ("L", "RGB"):
        raise DataError(
            f"Expected an 8-bit grey or RGB picture (mode L or RGB), received mode {mode}. "
            "Convert it first."
        )
    return pixels[..., None] if mode == "L" else pixels
