import io
import zlib

import numpy as np
import pytest
from PIL import Image

from synthgen.datasets.pixels import decode_png, encode_png
from synthgen.errors import DataError
from synthgen.shards.png_codec import decode_picture, encode_unfiltered, png_chunk, text_chunk

RANDOM = np.random.default_rng(0)


@pytest.mark.parametrize("channels", [1, 3])
def test_pillow_and_we_read_what_we_write(channels: int) -> None:
    image = RANDOM.integers(0, 256, (5, 7, channels)).astype(np.uint8)
    content = encode_unfiltered(image, text_chunk("seed", "7"))
    with Image.open(io.BytesIO(content)) as picture:
        assert picture.mode == {1: "L", 3: "RGB"}[channels]
        np.testing.assert_array_equal(np.asarray(picture).reshape(image.shape), image)
    np.testing.assert_array_equal(decode_picture(content), image)


def test_harmed_files_are_seen_as_pillow_sees_them() -> None:
    """Each byte changed, and cut off after each: the pixels that Pillow reads, or refused."""
    image = RANDOM.integers(0, 256, (4, 3, 1)).astype(np.uint8)
    whole = encode_unfiltered(image, text_chunk("seed", "7"))
    harmed = [whole[:length] for length in range(len(whole))]
    for place in range(len(whole)):
        harmed.append(whole[:place] + bytes([whole[place] ^ 0x21]) + whole[place + 1 :])
    refused = 0
    for content in harmed:
        try:
            expected = decode_png(content)
        except DataError:
            refused += 1
            with pytest.raises(DataError):
                decode_picture(content)
        else:
            np.testing.assert_array_equal(decode_picture(content), expected)
    assert refused > len(whole)


def test_other_png_files_are_read_by_pillow() -> None:
    image = np.arange(64, dtype=np.uint8).reshape(8, 8, 1)
    np.testing.assert_array_equal(decode_picture(encode_png(image)), image)  # rows with filters

    whole = encode_unfiltered(image)
    gamma = whole.replace(png_chunk(b"IEND", b""), b"") + png_chunk(b"tIME", bytes(7))
    np.testing.assert_array_equal(decode_picture(gamma + png_chunk(b"IEND", b"")), image)

    # the pixels are those of IDAT, whatever stands behind them
    rows = np.pad(255 - image[..., 0], ((0, 0), (1, 0)))
    behind = png_chunk(b"tEXt", zlib.compress(rows.tobytes())) + png_chunk(b"IEND", b"")
    content = whole.replace(png_chunk(b"IEND", b""), behind)
    np.testing.assert_array_equal(decode_picture(content), image)
