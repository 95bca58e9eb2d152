import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import synthgen
from synthgen.errors import DataError, ManifestError, StorageError
from synthgen.shards.load import load, load_rows
from synthgen.shards.run_record import TrainingData
from tests.shards.conftest import draw, make, make_checkpoint


@pytest.fixture
def built(tmp_path: Path) -> Path:
    """A published set."""
    make(tmp_path)
    return tmp_path


def rewrite(root: Path, change: object) -> None:
    path = root / "manifests/tiny.csv"
    table = pd.read_csv(path, dtype=str, keep_default_na=False)
    change(table).to_csv(path, index=False)  # type: ignore[operator]


def test_images_labels_and_names_come_back_in_order(built: Path) -> None:
    digits = synthgen.load(str(built / "manifests/tiny.csv"))
    np.testing.assert_array_equal(
        digits.images, np.concatenate([draw(k)[0].images for k in range(3)])
    )
    assert digits.labels.tolist() == [0, 1, 2] * 25
    assert digits.class_names == ("zero", "one", "two")


def test_png_files_stand_in_for_missing_hdf5_shards(built: Path) -> None:
    whole = load(str(built / "manifests/tiny.csv"))
    shutil.rmtree(built / "data/tiny/hdf5")
    np.testing.assert_array_equal(load(str(built / "manifests/tiny.csv")).images, whole.images)


def test_any_selection_of_rows_in_any_order(built: Path) -> None:
    whole = load(str(built / "manifests/tiny.csv"))
    rewrite(built, lambda table: table.iloc[[70, 3, 31, 3]])
    for missing in ("nothing", "hdf5"):
        shutil.rmtree(built / "data/tiny" / missing, ignore_errors=True)
        np.testing.assert_array_equal(
            load(str(built / "manifests/tiny.csv")).images, whole.images[[70, 3, 31, 3]]
        )


def test_a_selection_saved_beside_the_manifest(built: Path) -> None:
    whole, table = (
        load(str(built / "manifests/tiny.csv")),
        pd.read_csv(built / "manifests/tiny.csv"),
    )
    table.iloc[[70, 3, 31]].to_csv(built / "manifests/sure.csv", index=False)
    some = load_rows(str(built / "manifests/sure.csv"))
    np.testing.assert_array_equal(some.digits.images, whole.images[[70, 3, 31]])
    assert some.digits.class_names == ("zero", "one", "two")
    assert some.rows["id"].tolist() == table["id"][[70, 3, 31]].tolist()
    assert some.generator.sha256 == make_checkpoint().sha256
    assert some.generator.training_data == TrainingData(source="drawings", sha256="0" * 64)


def test_a_selection_of_one_format_only_and_of_no_set(tmp_path: Path) -> None:
    make(tmp_path, formats=("png",), name="first")
    make(tmp_path, formats=("png",), name="second")
    first, second = (
        pd.read_csv(tmp_path / f"manifests/{name}.csv") for name in ("first", "second")
    )
    first.iloc[:4].to_csv(tmp_path / "manifests/sure.csv", index=False)
    assert load(str(tmp_path / "manifests/sure.csv")).labels.tolist() == [0, 1, 2, 0]
    for rows, named in (
        (pd.concat([first, second]), "first, second"),
        (first.assign(png=""), "none"),
    ):
        rows.to_csv(tmp_path / "manifests/sure.csv", index=False)
        with pytest.raises(
            ManifestError,
            match=rf"at .*/manifests/sure\.json, or rows that all name .*, received files of {named}\.",
        ):
            load(str(tmp_path / "manifests/sure.csv"))


def test_a_selection_of_a_set_without_a_record(built: Path) -> None:
    shutil.copy(built / "manifests/tiny.csv", built / "manifests/sure.csv")
    (built / "manifests/tiny.json").unlink()
    with pytest.raises(ManifestError, match=r"Expected the run record of manifests/tiny\.csv"):
        load(str(built / "manifests/sure.csv"))


def test_the_first_images_of_each_class_with_their_rows_and_the_counts_of_all(built: Path) -> None:
    path, whole = str(built / "manifests/tiny.csv"), load(str(built / "manifests/tiny.csv"))
    some = load_rows(path, per_class=12)
    assert some.digits.counts().tolist() == [12, 12, 12]
    assert some.counts.tolist() == [25, 25, 25]
    assert some.rows["id"].tolist()[-3:] == ["0-0000011", "1-0000011", "2-0000011"]
    np.testing.assert_array_equal(some.digits.images, whole.images[:36])
    assert load(path, per_class=1000).counts().tolist() == [25, 25, 25]


def test_only_the_shards_that_are_needed_are_read(built: Path) -> None:
    shutil.rmtree(built / "data/tiny/png")
    (built / "data/tiny/hdf5/00002.h5").unlink()
    assert len(load(str(built / "manifests/tiny.csv"), per_class=20)) == 60
    with pytest.raises(StorageError, match="Images of shard 2"):
        load(str(built / "manifests/tiny.csv"), per_class=21)


def test_a_limit_holds_whatever_the_order_of_the_rows(built: Path) -> None:
    whole = load(str(built / "manifests/tiny.csv"))
    rewrite(built, lambda table: table.iloc[::-1])
    np.testing.assert_array_equal(
        load(str(built / "manifests/tiny.csv"), per_class=2).images, whole.images[::-1][:6]
    )


def test_a_relative_path_and_another_root(built: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(built)
    assert len(load("manifests/tiny.csv")) == 75
    monkeypatch.chdir(built / "manifests")
    assert len(load("tiny.csv")) == 75
    monkeypatch.chdir("/")
    assert len(load("manifests/tiny.csv", root=str(built))) == 75
    assert len(load(str(built / "manifests/tiny.csv"), root=str(built))) == 75


def test_missing_files_and_manifests(built: Path) -> None:
    with pytest.raises(
        ManifestError, match=r"Expected a manifest at .*/manifests/other\.csv, found none\."
    ):
        load(str(built / "manifests/other.csv"))
    shutil.rmtree(built / "data")
    with pytest.raises(StorageError, match="Images of shard 0 are there in no format"):
        load(str(built / "manifests/tiny.csv"))


def test_damaged_content(built: Path) -> None:
    (built / "data/tiny/hdf5/00000.h5").write_bytes(b"")
    with pytest.raises(
        DataError,
        match=r"^data/tiny/hdf5/00000\.h5: Expected an HDF5 shard .*damaged.*`synthgen verify` .* `synthgen build` again",
    ):
        load(str(built / "manifests/tiny.csv"))
    rewrite(built, lambda table: table.assign(label="3"))
    with pytest.raises(DataError, match=r"labels from 0 to 2 in the manifest, received 3 to 3"):
        load(str(built / "manifests/tiny.csv"))


def test_images_of_another_shape_than_the_run_record_says(built: Path) -> None:
    path = built / "manifests/tiny.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"image_shape": [8, 9, 1]}))
    with pytest.raises(
        DataError,
        match=r"run record's shape, \(8, 9, 1\), received \(8, 8, 1\) in shard 0\. `synthgen verify` says",
    ):
        load(str(built / "manifests/tiny.csv"))


def test_a_manifest_without_rows(built: Path) -> None:
    rewrite(built, lambda table: table.iloc[:0])
    with pytest.raises(ManifestError, match="at least one row"):
        load(str(built / "manifests/tiny.csv"))
