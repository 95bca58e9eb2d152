import io
import json

import numpy as np

from synthgen.datasets.npz import parse
from synthgen.shards import npz
from tests.shards.conftest import draw


def test_the_arrays_say_what_the_shard_holds() -> None:
    content, plan = draw()
    (file,) = npz.encode(content, plan, {"seed": 3}).values()
    with np.load(io.BytesIO(file), allow_pickle=False) as arrays:
        assert arrays["ids"].tolist() == content.shard.ids()
        assert arrays["class_names"].tolist() == ["zero", "one", "two"]
        assert json.loads(str(arrays["attributes"]))["seed"] == 3


def test_a_shard_is_a_file_of_real_digits_for_others() -> None:
    """`--data` reads such a file, too."""
    content, plan = draw()
    (file,) = npz.encode(content, plan, {}).values()
    parts = parse(io.BytesIO(file), "00000.npz")
    np.testing.assert_array_equal(parts.train.images, content.images)
    np.testing.assert_array_equal(parts.train.labels, content.labels)
