"""Reading and writing the PNG files of shards: rows without filters, texts before the pixels.

Format: https://www.w3.org/TR/png-3/
"""

import struct
import zlib
from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from synthgen.datasets.digits import Images
from synthgen.datasets.pixels import SHEET_PIXELS, decode_png
from synthgen.errors import DataError

SIGNATURE = b"\x89PNG\r\n\x1a\n"
CHUNK_HEAD = struct.Struct(">I4s")  # length and kind
CRC = struct.Struct(">I")
HEADER = struct.Struct(">IIBBBBB")  # width, height, depth, colour type, three methods
COLOUR_TYPE = {1: 0, 3: 2}  # channels -> PNG colour type
CHANNELS = {colour: channels for channels, colour in COLOUR_TYPE.items()}
TEXTS = (b"tEXt", b"iTXt")


def png_chunk(kind: bytes, content: bytes) -> bytes:
    """Return a chunk of a PNG file: length, kind, content, checksum."""
    checksum = zlib.crc32(content, zlib.crc32(kind))
    return CHUNK_HEAD.pack(len(content), kind) + content + CRC.pack(checksum)


def text_chunk(keyword: str, text: str) -> bytes:
    """Return the chunk of a PNG file that holds a text in Latin-1."""
    return png_chunk(b"tEXt", keyword.encode("latin-1") + b"\0" + text.encode("latin-1"))


END = png_chunk(b"IEND", b"")


def encode_unfiltered(image: Images, texts: bytes = b"") -> bytes:
    """Return one image as a PNG file without row filters.

    For digits on black this is smaller than what Pillow's choice of filters gives (255 against 275
    bytes), and three times as fast.

    Args:
        image: (height, width, 1 or 3) uint8.
        texts: chunks that go before the pixels.
    """
    return encode_pictures(image[None], [texts])[0]


def encode_pictures(images: Images, texts: Iterable[bytes]) -> list[bytes]:
    """Return images as PNG files; see `encode_unfiltered`.

    Args:
        images: (n, height, width, 1 or 3) uint8.
        texts: of each, chunks that go before the pixels.
    """
    _, height, width, channels = images.shape
    header = HEADER.pack(width, height, 8, COLOUR_TYPE[channels], 0, 0, 0)
    begin = SIGNATURE + png_chunk(b"IHDR", header)
    rows = np.zeros((height, 1 + width * channels), np.uint8)  # a leading 0 in each row: no filter
    pixels = rows[:, 1:]
    files = []
    for image, text in zip(images.reshape(-1, height, width * channels), texts, strict=True):
        pixels[:] = image
        files.append(begin + text + png_chunk(b"IDAT", zlib.compress(rows.data, 3)) + END)
    return files


def decode_picture(content: bytes) -> Images:
    """Decode a PNG (or JPEG) file.

    One that `encode_unfiltered` wrote is read several times as fast as by Pillow, which reads all
    others.

    Args:
        content: of the file.

    Returns:
        (height, width, 1 or 3) uint8.

    Raises:
        DataError: as `decode_png` does.
    """
    image = _decode_unfiltered(content)
    return decode_png(content) if image is None else image


def _decode_unfiltered(content: bytes) -> Images | None:
    """Decode a whole PNG file such as `encode_unfiltered` writes; None if it is any other."""
    begin = len(SIGNATURE) + CHUNK_HEAD.size
    if content[: len(SIGNATURE)] != SIGNATURE or len(content) < begin + HEADER.size:
        return None
    width, height, *others = HEADER.unpack_from(content, begin)
    channels = CHANNELS.get(others[1], 0)
    size = height * (1 + width * channels)
    if others != [8, COLOUR_TYPE.get(channels), 0, 0, 0] or not 0 < width * height <= SHEET_PIXELS:
        return None

    # The chunks are a header, texts, the pixels, the end, and each has its checksum.
    kinds = []
    for kind, begin, end in _chunks(content):
        checksum = zlib.crc32(content[begin - len(kind) : end])
        if content[end : end + CRC.size] != CRC.pack(checksum):
            return None
        kinds.append(kind)
        if kind == b"IDAT":
            break
    in_order = kinds[:1] == [b"IHDR"] and kinds[-1:] == [b"IDAT"] and {*kinds[1:-1]} <= {*TEXTS}
    if not in_order or content[end + CRC.size :] != END:
        return None

    # No more is unpacked than the header promises; each row begins with 0, for no filter.
    unpacker = zlib.decompressobj()
    try:
        unpacked = unpacker.decompress(content[begin:end], size + 1)
    except zlib.error:
        return None
    if len(unpacked) != size or not unpacker.eof or unpacker.unused_data:
        return None
    rows = np.frombuffer(unpacked, np.uint8).reshape(height, 1 + width * channels)
    if rows[:, 0].any():
        return None
    return rows[:, 1:].reshape(height, width, channels)


def decode_pictures(pictures: Sequence[bytes]) -> Images:
    """Decode the PNG files of a shard.

    Args:
        pictures: bytes of the files, one or more.

    Returns:
        (n, height, width, channels) uint8.

    Raises:
        DataError: if one is damaged or they differ in shape.
    """
    images = [decode_picture(content) for content in pictures]
    shapes = {image.shape for image in images}
    if len(shapes) != 1:
        raise DataError(f"Expected images of one shape, received {sorted(shapes) or 'none'}.")
    return np.stack(images)


def read_texts(content: bytes) -> dict[str, str]:
    """Return the texts of a PNG file by keyword, as far as the file is whole.

    Args:
        content: of the file.
    """
    texts: dict[str, str] = {}
    for kind, begin, end in _chunks(content):
        if kind == b"IDAT":
            break  # the marks stand before the pixels
        if kind in TEXTS:
            keyword, _, text = content[begin:end].partition(b"\0")
            texts[keyword.decode("latin-1")] = text.decode("latin-1").lstrip("\0")
    return texts


def _chunks(content: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Yield the kind of each chunk of a PNG file, and where what it holds begins and ends."""
    place = len(SIGNATURE)
    while place + CHUNK_HEAD.size <= len(content):
        length, kind = CHUNK_HEAD.unpack_from(content, place)
        begin = place + CHUNK_HEAD.size
        yield kind, begin, begin + length
        place = begin + length + CRC.size
