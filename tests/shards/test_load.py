import json
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import synthgen
from synthgen.datasets.framing import fit_again
from synthgen.errors import DataError, ManifestError, StorageError
from synthgen.gan.checkpoint import TrainingData
from synthgen.shards.load import load, load_rows
from synthgen.storage import Storage
from tests.shards.conftest import FRAMING, SHAPE, draw, make, make_checkpoint


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
            match=rf"at .*/manifests/sure\.json, or rows that all name .*, received files of "
            rf"{named}\.",
        ):
            load(str(tmp_path / "manifests/sure.csv"))


def test_a_selection_of_a_set_without_a_record(built: Path) -> None:
    shutil.copy(built / "manifests/tiny.csv", built / "manifests/sure.csv")
    (built / "manifests/tiny.json").unlink()
    with pytest.raises(ManifestError, match=r"Expected the run record of manifests/tiny\.csv"):
        load(str(built / "manifests/sure.csv"))


def test_the_first_images_of_each_class_and_all_counts(built: Path) -> None:
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
        match=r"^data/tiny/hdf5/00000\.h5: Expected an HDF5 shard .*damaged.*`synthgen verify` .* "
        r"`synthgen build` again",
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
        match=r"run record's shape, \(8, 9, 1\), received \(8, 8, 1\) in shard 0\. "
        r"`synthgen verify` says",
    ):
        load(str(built / "manifests/tiny.csv"))


def test_a_manifest_without_rows(built: Path) -> None:
    rewrite(built, lambda table: table.iloc[:0])
    with pytest.raises(ManifestError, match="at least one row"):
        load(str(built / "manifests/tiny.csv"))


def test_rows_in_any_order_read_each_shard_once(
    built: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = load(str(built / "manifests/tiny.csv"))
    order = np.random.default_rng(0).permutation(75)
    rewrite(built, lambda table: table.iloc[order])
    read: list[str] = []
    read_many = Storage.read_many

    def counted(storage: Storage, paths: Any) -> Any:
        read.extend(dict.fromkeys(paths))
        return read_many(storage, paths)

    monkeypatch.setattr(Storage, "read_many", counted)
    found = load(str(built / "manifests/tiny.csv"))
    np.testing.assert_array_equal(found.images, whole.images[order])
    np.testing.assert_array_equal(found.labels, whole.labels[order])
    assert sorted(read) == [f"data/tiny/hdf5/0000{k}.h5" for k in range(3)]


@pytest.mark.parametrize("column", ["offset", "sha256", "label"])
def test_columns_that_were_sorted_apart_are_refused(built: Path, column: str) -> None:
    rewrite(built, lambda table: table.assign(**{column: sorted(table[column])}))
    for missing in ("nothing", "hdf5"):
        shutil.rmtree(built / "data/tiny" / missing, ignore_errors=True)
        if (missing, column) != ("hdf5", "offset"):  # PNG files are found by their name
            with pytest.raises(
                DataError, match=r"that the manifest gives for .*, received another"
            ):
                load(str(built / "manifests/tiny.csv"))


@pytest.mark.parametrize("suffix", ["hdf5/00000.h5", "png/one/00000/one/1-0000003.png"])
def test_files_that_changed_places_are_refused(built: Path, suffix: str) -> None:
    first = built / "data/tiny" / suffix
    second = first.with_name({"00000.h5": "00001.h5"}.get(first.name, "1-0000004.png"))
    content = first.read_bytes()
    first.write_bytes(second.read_bytes())
    second.write_bytes(content)
    if "png" in suffix:
        shutil.rmtree(built / "data/tiny/hdf5")
    with pytest.raises(DataError, match=rf"{first.name}: Expected the pixels that the manifest"):
        load(str(built / "manifests/tiny.csv"))


def test_rows_from_before_an_overwrite_are_refused(built: Path) -> None:
    table = pd.read_csv(built / "manifests/tiny.csv", dtype=str, keep_default_na=False)
    table.iloc[5:20].to_csv(built / "manifests/mine.csv", index=False)
    make(built, overwrite=True, seed=1)
    with pytest.raises(DataError, match=r"for 15 of 15 rows of shard 0\..*--overwrite"):
        load(str(built / "manifests/mine.csv"))


def test_files_outside_the_root_are_not_read(built: Path, tmp_path_factory: Any) -> None:
    outside = tmp_path_factory.mktemp("outside") / "secret.h5"
    shard = built / "data/tiny/hdf5/00000.h5"
    shard.rename(outside)
    shard.symlink_to(outside)
    with pytest.raises(
        ManifestError, match=r"received 'data/tiny/hdf5/00000\.h5', which leads out"
    ):
        load(str(built / "manifests/tiny.csv"))
    relative = os.path.relpath(outside, built)
    rewrite(built, lambda table: table.assign(hdf5=relative))
    with pytest.raises(ManifestError, match=r"received '\.\./.*secret\.h5', which leads out of it"):
        load(str(built / "manifests/tiny.csv"))


def test_a_record_of_huge_images_takes_no_memory(built: Path) -> None:
    path = built / "manifests/tiny.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"image_shape": [4096, 4096, 1024]}))
    with pytest.raises(DataError, match=r"received \(8, 8, 1\) in shard 0"):
        load(str(built / "manifests/tiny.csv"))


def test_images_are_fitted_as_the_users_pictures_were(tmp_path: Path) -> None:
    make(tmp_path, framing=FRAMING)
    path = str(tmp_path / "manifests/tiny.csv")
    fitted = load_rows(path, per_class=9, fit_to_generator=True).digits
    assert fitted.image_shape == SHAPE
    np.testing.assert_array_equal(fitted.images, fit_again(load(path, per_class=9).images, FRAMING))
