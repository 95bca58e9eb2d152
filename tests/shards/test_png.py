import io

import numpy as np
import pytest
from PIL import Image

from synthgen.errors import DataError
from synthgen.shards import png
from synthgen.shards.plan import SetPlan


@pytest.mark.parametrize("channels", [1, 3])
def test_png_files_are_what_pillow_reads(channels: int) -> None:
    image = np.random.default_rng(0).integers(0, 256, (8, 12, channels), np.uint8)
    with Image.open(io.BytesIO(png.encode_unfiltered(image))) as picture:
        picture.verify()
    with Image.open(io.BytesIO(png.encode_unfiltered(image))) as picture:
        assert picture.mode == {1: "L", 3: "RGB"}[channels]
        np.testing.assert_array_equal(np.asarray(picture).reshape(image.shape), image)


def test_png_folders_hold_ten_thousand_files_at_most() -> None:
    plan = SetPlan(name="a", class_names="01", counts=(20_001, 20_001), shard_size=50_000)
    paths = png.paths(plan.shard(0), plan)
    assert paths[2 * 9_999] == "data/a/png/0/00000/0-0009999.png"
    assert paths[2 * 10_000 + 1] == "data/a/png/1/00001/1-0010000.png"
    assert paths[-1] == "data/a/png/1/00002/1-0020000.png"


def test_png_files_of_different_shapes_do_not_stack() -> None:
    files = {
        str(side): png.encode_unfiltered(np.zeros((side, side, 1), np.uint8)) for side in (4, 8)
    }
    with pytest.raises(DataError, match="one shape"):
        png.decode(files, ["4", "8"], [0, 0])
