import io
import json

import numpy as np
import pandas as pd
import pytest

from synthgen.datasets.pixels import decode_png
from synthgen.shards import parquet
from tests.shards.conftest import draw

pyarrow = pytest.importorskip("pyarrow")


def test_the_schema_names_the_classes_for_hugging_face() -> None:
    content, plan = draw()
    (file,) = parquet.encode(content, plan, {"seed": 3}).values()
    metadata = pyarrow.parquet.read_schema(io.BytesIO(file)).metadata
    features = json.loads(metadata[b"huggingface"])["info"]["features"]
    assert features["image"] == {"_type": "Image"}
    assert features["label"] == {"names": ["zero", "one", "two"], "_type": "ClassLabel"}
    assert json.loads(metadata[b"synthgen"])["seed"] == 3


def test_pandas_reads_a_shard() -> None:
    content, plan = draw()
    (file,) = parquet.encode(content, plan, {}).values()
    table = pd.read_parquet(io.BytesIO(file))
    assert table["id"].tolist() == content.shard.ids()
    assert table["seed"].tolist() == content.seeds.tolist()
    assert table["image"][4]["path"] == "1-0000001.png"
    np.testing.assert_array_equal(decode_png(table["image"][4]["bytes"]), content.images[4])
