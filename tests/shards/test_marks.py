import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from synthgen.datasets.pixels import decode_png
from synthgen.errors import DataError
from synthgen.shards.formats import SHARD_FORMATS
from synthgen.shards.marks import SOURCE_TYPE, common_attributes, set_chunks
from synthgen.shards.png_codec import encode_unfiltered, read_texts, text_chunk
from synthgen.shards.verify import verify
from tests.shards.conftest import make, make_checkpoint

IMAGE = np.zeros((8, 8, 1), np.uint8)


def test_pillow_reads_the_marks_of_a_png_file(tmp_path: Path) -> None:
    make(tmp_path, formats=("png",))
    with Image.open(tmp_path / "data/tiny/png/one/00000/one/1-0000000.png") as picture:
        texts = dict(picture.text)
        xmp = picture.info["xmp"].decode()
    generator = f"synthgen {make_checkpoint().sha256}"
    assert texts["synthetic"] == "true"
    assert (texts["generator"], texts["label"]) == (generator, "1")
    row = (tmp_path / "manifests/tiny.csv").read_text().splitlines()[2].split(",")
    assert (row[0], row[3]) == ("1-0000000", texts["seed"])
    assert f'Iptc4xmpExt:DigitalSourceType="{SOURCE_TYPE}"' in xmp
    with Image.open(tmp_path / "data/tiny/contact_sheet.png") as picture:
        assert picture.text["generator"] == generator


@pytest.mark.parametrize("kind", SHARD_FORMATS)
def test_each_format_says_that_its_images_are_synthetic(tmp_path: Path, kind: str) -> None:
    made = make(tmp_path, formats=(kind,))
    paths = SHARD_FORMATS[kind].paths(made.record.plan.shard(1), made.record.plan)
    contents = {path: (tmp_path / path).read_bytes() for path in paths}
    found = SHARD_FORMATS[kind].read_attributes(contents)
    assert found["synthetic"] is True
    assert found["digital_source_type"] == SOURCE_TYPE
    assert found["checkpoint_sha256"] == make_checkpoint().sha256


def test_verify_compares_the_marks_with_the_row_and_the_record(tmp_path: Path) -> None:
    made = make(tmp_path, formats=("png",))
    path = tmp_path / "data/tiny/png/one/00000/one/1-0000000.png"
    pixels = decode_png(path.read_bytes())
    common = set_chunks({"synthetic": True, "checkpoint_sha256": make_checkpoint().sha256})
    path.write_bytes(encode_unfiltered(pixels, common + text_chunk("seed", "7")))
    problems = "\n".join(verify(made.manifest_path).problems)
    assert "1 row of shard 0 with another seed than the png file" in problems

    path.write_bytes(encode_unfiltered(pixels, text_chunk("synthetic", "no")))
    problems = "\n".join(verify(made.manifest_path).problems)
    assert "Expected an image with the marks of the others of its shard" in problems


def test_a_file_without_marks_says_nothing() -> None:
    assert set_chunks({}) == b""
    plain = encode_unfiltered(IMAGE)
    assert read_texts(plain) == {}
    assert common_attributes({"a": plain, "b": plain}) == {}
    marked = encode_unfiltered(IMAGE, set_chunks({"synthetic": True, "checkpoint_sha256": "c"}))
    with Image.open(io.BytesIO(marked)) as picture:
        picture.load()
    with pytest.raises(DataError, match="b: Expected an image with the marks of the others"):
        common_attributes({"a": plain, "b": marked})
