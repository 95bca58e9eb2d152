from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from synthgen.errors import ManifestError
from synthgen.shards.manifest import (
    MANIFEST_COLUMNS,
    find_manifest,
    format_rows,
    locate,
    read_rows,
)
from synthgen.storage import open_storage
from tests.shards.conftest import draw, make, make_settings, sha256


def test_columns_are_those_of_the_contract() -> None:
    expected = "id label index seed attempt shard offset hdf5 png sha256 predicted confidence nearest_train_distance label_source"
    assert expected.split() == list(MANIFEST_COLUMNS)


def test_a_row_in_full() -> None:
    drawn, plan = draw(1)
    line = (
        format_rows(drawn, plan, make_settings(labels="per-class"), np.full(30, 1.5))
        .decode()
        .splitlines()[4]
    )
    image = sha256(drawn.images[4].tobytes())
    start = f"1-0000011,1,11,{drawn.seeds[4]},{drawn.attempts[4]},1,4,data/tiny/hdf5/00001.h5,data/tiny/png/one/00000/1-0000011.png,{image}"
    assert line == f"{start},1,0.960000,1.5000,per-class"


def test_what_was_not_made_or_measured_is_empty() -> None:
    drawn, plan = draw()
    drawn.screening.predicted[:] = -1
    drawn.screening.confidence[:] = np.nan
    assert format_rows(
        drawn, plan, make_settings(labels="condition", formats=("hdf5",)), None
    ).decode().splitlines()[0].split(",")[7:] == [
        "data/tiny/hdf5/00000.h5",
        "",
        sha256(drawn.images[0].tobytes()),
        "",
        "",
        "",
        "condition",
    ]


def test_rows_are_read_piece_by_piece(tmp_path: Path) -> None:
    make(tmp_path)
    pieces = list(read_rows(open_storage(str(tmp_path)), "manifests/tiny.csv", rows_at_once=20))
    assert [len(piece) for piece in pieces] == [20, 20, 20, 15]
    assert pd.concat(pieces)["offset"].tolist() == [*range(30), *range(30), *range(15)]


@pytest.mark.parametrize(
    ("path", "root", "found"),
    [
        ("/a/b/manifests/x.csv", None, ("/a/b", "manifests/x.csv")),
        ("s3://bucket/sets/manifests/x.csv", None, ("s3://bucket/sets", "manifests/x.csv")),
        ("/manifests/x.csv", None, ("/", "manifests/x.csv")),
        ("manifests/x.csv", "/a", ("/a", "manifests/x.csv")),
        ("/a/manifests/x.csv", "/a", ("/a", "manifests/x.csv")),
        ("memory://a/manifests/x.csv", "memory://a", ("memory://a", "manifests/x.csv")),
    ],
)
def test_where_a_manifest_lies(path: str, root: str | None, found: tuple[str, str]) -> None:
    assert locate(path, root) == found


@pytest.mark.parametrize("path", ["data/tiny/hdf5/00000.h5", "manifests", "manifests/tiny.json"])
def test_a_path_that_is_not_that_of_a_manifest(path: str, tmp_path: Path) -> None:
    make(tmp_path)
    with pytest.raises(
        ManifestError, match=rf"received '{tmp_path}/{path}'\. Pass manifests/NAME\.csv\."
    ):
        find_manifest(str(tmp_path / path))
    storage, relative = find_manifest(str(tmp_path / "manifests/tiny.csv"))
    assert (storage.url, relative) == (str(tmp_path), "manifests/tiny.csv")
