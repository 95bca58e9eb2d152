"""Picture files of any usual format and mode -> grey or colour values.

What decides the values of a picture:

    1-bit, palette       their colours; grey where all colours are grey
    16-bit               scaled to 0..255
    transparent          laid on black or white, whichever leaves a plain picture of the ink
    CMYK, YCbCr          converted to RGB
    EXIF orientation     turned as the camera was held
    8-bit grey and RGB   taken as they are
"""

import io
import warnings
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile, ImageOps, UnidentifiedImageError

from synthgen.datasets.digits import Images
from synthgen.datasets.files import suffix_of
from synthgen.errors import DataError
from synthgen.text import counted

PICTURE_PIXELS = 20_000_000  # of one picture: 4,000 x 5,000
PICTURE_FORMATS = {  # suffix -> the formats that files of that name may hold
    ".png": ("PNG", "JPEG", "MPO"),
    ".jpg": ("JPEG", "MPO", "PNG"),
    ".jpeg": ("JPEG", "MPO", "PNG"),
    ".jpe": ("JPEG", "MPO"),
    ".jfif": ("JPEG", "MPO"),
    ".bmp": ("BMP",),
    ".dib": ("BMP", "DIB"),
    ".gif": ("GIF",),
    ".webp": ("WEBP",),
    ".tif": ("TIFF",),
    ".tiff": ("TIFF",),
    ".pbm": ("PPM",),
    ".pgm": ("PPM",),
    ".ppm": ("PPM",),
    ".pnm": ("PPM",),
}
PHOTOMETRIC_TAG = 262  # of TIFF
WHITE_IS_ZERO = 0
SAMPLE_FORMAT_TAG = 339
SIGNED = 2
RGB_KEPT = ("PNG", "JPEG", "MPO")  # others store grey pictures as RGB for want of a grey mode
READABLE_FORMATS = tuple({kind for kinds in PICTURE_FORMATS.values() for kind in kinds} - {"MPO"})
LUMA = (19595, 38470, 7471)  # of ITU-R BT.601 times 65,536, as Pillow converts RGB to grey


def is_picture(path: str) -> bool:
    """Whether a file is called like a picture that can be read."""
    return suffix_of(path) in PICTURE_FORMATS


def read_picture(content: bytes, path: str) -> Images:
    """Decode a picture file.

    Args:
        content: the bytes of the file.
        path: its path, whose suffix says what it should be; for messages, too.

    Returns:
        (height, width, 1 or 3) uint8; 3 channels if the picture has colours, or is a PNG or JPEG
        with 8-bit RGB.

    Raises:
        DataError: if it is damaged, of another format than its name says, larger than
            `PICTURE_PIXELS`, of several frames, or of values without one meaning.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow warns of what is checked here
            with Image.open(io.BytesIO(content), formats=READABLE_FORMATS) as picture:
                # what is known before a pixel is decoded
                expected = PICTURE_FORMATS.get(suffix_of(path), READABLE_FORMATS)
                if picture.format not in expected:
                    raise DataError(
                        f"{path}: Expected {' or '.join(expected[:1])}, as its name says, received "
                        f"a picture in {picture.format} format. Rename or convert the file."
                    )
                width, height = picture.size
                if width * height > PICTURE_PIXELS or not width * height:
                    raise DataError(
                        f"{path}: Expected a picture of 1 to {PICTURE_PIXELS:,} pixels, received "
                        f"{width:,} x {height:,}. Make it smaller: 28 x 28 is enough for a digit."
                    )
                may_move = picture.format in ("GIF", "PNG", "TIFF", "WEBP")
                if may_move and getattr(picture, "is_animated", False):
                    raise DataError(
                        f"{path}: Expected one picture in a file, received several frames. Save "
                        "them as files of their own."
                    )

                tags = getattr(picture, "tag_v2", {})  # of a TIFF
                if SIGNED in tags.get(SAMPLE_FORMAT_TAG, ()):
                    raise DataError(
                        f"{path}: Expected a picture of values from 0 up, received one of signed "
                        "values. Save it with 8 bits a channel."
                    )
                values = _values(picture, path, _is_deep(picture))
                if picture.mode.startswith("I;16") and tags.get(PHOTOMETRIC_TAG) == WHITE_IS_ZERO:
                    return 255 - values  # as Pillow does with fewer bits
                return values
    except UnidentifiedImageError as error:
        suffixes = ", ".join(suffix[1:] for suffix in PICTURE_FORMATS)
        raise DataError(
            f"{path}: Expected a picture ({suffixes}), received {len(content)} bytes that do "
            f"not begin like one{_beginning(content)}. Replace or remove the file."
        ) from error
    except Image.DecompressionBombError as error:
        raise DataError(
            f"{path}: Expected a picture of at most {PICTURE_PIXELS:,} pixels, received a larger "
            "one. Make it smaller: 28 x 28 is enough for a digit."
        ) from error
    except DataError:
        raise
    except Exception as error:  # damaged bytes make Pillow's decoders raise nearly anything
        raise DataError(
            f"{path}: Expected a whole picture, received {len(content)} bytes that do not decode "
            f"({error}). Replace or remove the file."
        ) from error


def one_kind(images: Sequence[Images]) -> tuple[Images | list[Images], str]:
    """Bring pictures to one number of channels and, where all have one size, into one array.

    Args:
        images: one (height, width, 1 or 3) uint8 array a picture.

    Returns:
        (the pictures, what was done to them in a sentence or ""). The pictures are
        (n, height, width, channels) where all have one size, a list otherwise. Colour stays where
        every picture has it.
    """
    note = ""
    if len({image.shape[2] for image in images}) > 1:
        colour = sum(image.shape[2] == 3 and not _is_grey(image) for image in images)
        if colour:
            note = f"{colour:,} of {counted(len(images), 'picture')} had colour and became grey."
        images = [to_grey(image) for image in images]
    if len({image.shape for image in images}) == 1:
        return np.stack(images), note
    return list(images), note


def to_grey(image: Images) -> Images:
    """Turn colour into grey (luma of ITU-R BT.601): (..., 1 or 3) uint8 -> (..., 1) uint8."""
    if image.shape[-1] == 1:
        return image
    weighted = image.astype(np.uint32) @ np.array(LUMA, np.uint32)
    return ((weighted + 0x8000) >> 16).astype(np.uint8)[..., None]


def _values(picture: Image.Image, path: str, deep: bool) -> Images:
    turned = ImageOps.exif_transpose(picture)
    mode = turned.mode
    if mode == "L":
        return np.asarray(turned)[..., None]
    if mode == "RGB" and not deep and picture.format in RGB_KEPT:
        return np.asarray(turned)
    if mode.startswith("I"):
        return _from_16_bit(np.asarray(turned).astype(np.int64), path)[..., None]
    if mode == "F":
        raise DataError(
            f"{path}: Expected a picture of whole numbers, received one of floating-point values. "
            "Save it with 8 bits a channel."
        )
    if "A" in mode or "a" in mode or (mode == "P" and "transparency" in turned.info):
        colours = _on_plain_ground(np.asarray(turned.convert("RGBA")))
    else:
        colours = np.asarray(turned.convert("RGB"))
    if deep and colours.max() <= 1:
        raise DataError(
            f"{path}: Expected values up to 65,535 in a picture of 16 bits a channel, received "
            "none above 511: as it stands it is black. Save it with 8 bits a channel."
        )
    return colours[..., :1] if _is_grey(colours) else colours


def _is_deep(picture: ImageFile.ImageFile) -> bool:
    """Whether a picture has 16 bits a channel of colour or alpha, of which Pillow keeps 8."""
    how = picture.tile[0].args if picture.tile else ()
    if picture.format == "PPM":
        return isinstance(how, tuple) and isinstance(how[-1], int) and how[-1] > 255
    mode = how if isinstance(how, str) else str(how[0] if how else "")
    return picture.format in ("PNG", "TIFF") and not mode.startswith("I") and ";16" in mode


def _is_grey(colours: Images) -> bool:
    """Whether all channels are equal."""
    return bool((colours[..., :1] == colours).all())


def _from_16_bit(values: NDArray[np.int64], path: str) -> NDArray[np.uint8]:
    least = int(values.min())
    most = int(values.max())
    if least < 0 or most > 65_535 or 0 < most <= 255:
        raise DataError(
            f"{path}: Expected values up to 65,535 in a picture of 16 bits, received {least}.."
            f"{most}, which may be meant as they are or be nearly black. Save it with 8 bits."
        )
    return ((values + 128) // 257).astype(np.uint8)


def _on_plain_ground(rgba: Images) -> Images:
    """Lay a transparent picture on black or white.

    Of the two, the ground is right on which the ink stands out with the least variation: white ink
    vanishes on white, and dark-edged white ink on white gets an outline that nobody drew.

    Args:
        rgba: (height, width, 4) uint8.

    Returns:
        (height, width, 3) uint8.
    """
    colours = rgba[..., :3].astype(np.uint32)
    alpha = rgba[..., 3:].astype(np.uint32)
    laid = [
        ((colours * alpha + ground * (255 - alpha) + 127) // 255).astype(np.uint8)
        for ground in (0, 255)
    ]
    return min(laid, key=_variation_for_contrast)  # the first, black, if both are plain


def _variation_for_contrast(image: Images) -> float:
    """Total variation of a picture over its contrast; infinite for a picture of one value."""
    step = max(1, max(image.shape[:2]) // 512)
    grey = to_grey(image[::step, ::step])[..., 0].astype(np.float64)
    contrast = float(grey.max() - grey.min())
    variation = float(np.abs(np.diff(grey, axis=0)).sum() + np.abs(np.diff(grey, axis=1)).sum())
    return variation / contrast if contrast else float("inf")


def _beginning(content: bytes) -> str:
    """How a file begins that is no picture, if that is readable text or a known other format."""
    if content[:4] in (b"II*\0", b"MM\0*"):
        return " but like a TIFF file of values that are not read here: save it as an 8-bit PNG"
    if content[4:12] in (b"ftypheic", b"ftypheix", b"ftypmif1", b"ftypavif"):
        return " but like a HEIC or AVIF file: convert it to PNG"
    start = content[:24].decode("ascii", errors="replace")
    return f" but like text: {start!r}" if start.isprintable() and start else ""
