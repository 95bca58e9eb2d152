"""A set whose manifest has several files is the set whose manifest has one."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from synthgen.errors import DataError, ManifestError, ResumeError, StorageError
from synthgen.shards.build import BuildResult
from synthgen.shards.digit_set import open_set
from synthgen.shards.export import export_set
from synthgen.shards.job import prepare
from synthgen.shards.load import load, load_rows
from synthgen.shards.manifest import find_row
from synthgen.shards.manifest_parts import (
    PART_COLUMNS,
    kept_rows,
    numbered_files,
    part_is_whole,
    read_parts,
    split_manifest,
)
from synthgen.shards.partitions import Partition, make_partition, merge
from synthgen.shards.plan import plan_set
from synthgen.shards.show import rebuild
from synthgen.shards.verify import verify
from synthgen.storage import open_storage
from tests.shards.conftest import (
    fake_networks,
    files,
    make,
    make_checkpoint,
    make_settings,
    sha256,
)

MANIFEST = "manifests/tiny.csv"


def make_parts(root: Path | str, **changes: Any) -> BuildResult:
    """A set of three shards, with the rows of two of them in the first part of its manifest."""
    return make(root, **({"manifest_rows": 60} | changes))


def index_of(root: Path) -> pd.DataFrame:
    return pd.read_csv(root / MANIFEST)


def test_shards_are_split_into_whole_parts() -> None:
    settings = make_settings()
    plan = plan_set(settings, ("zero", "one", "two"))  # shards of 30, 30 and 15
    assert split_manifest(plan, 75) == []
    assert split_manifest(plan, 74) == [range(2), range(2, 3)]
    assert split_manifest(plan, 59) == [range(1), range(1, 2), range(2, 3)]
    assert split_manifest(plan, 1) == split_manifest(plan, 59)


def test_the_index_tells_what_lies_where(tmp_path: Path) -> None:
    made = make_parts(tmp_path)
    index = index_of(tmp_path)
    assert tuple(index.columns) == PART_COLUMNS
    assert index["path"].tolist() == ["manifests/tiny/00000.csv", "manifests/tiny/00001.csv"]
    assert index[["first_shard", "shards", "rows"]].to_numpy().tolist() == [[0, 2, 60], [2, 1, 15]]
    contents = [(tmp_path / path).read_bytes() for path in index["path"]]
    assert index["bytes"].tolist() == [len(content) for content in contents]
    assert index["sha256"].tolist() == [sha256(content) for content in contents]
    assert made.record.manifest.sha256 == sha256((tmp_path / MANIFEST).read_bytes())
    assert made.record.manifest.rows == 75


def test_rows_images_and_order_are_those_of_one_file(tmp_path: Path) -> None:
    make(tmp_path / "one")
    make_parts(tmp_path / "parts")
    table = pd.read_csv(tmp_path / "one" / MANIFEST, dtype=str, keep_default_na=False)
    parts = [
        pd.read_csv(tmp_path / "parts" / path, dtype=str, keep_default_na=False)
        for path in index_of(tmp_path / "parts")["path"]
    ]
    pd.testing.assert_frame_equal(pd.concat(parts, ignore_index=True), table)
    pictures = {
        path: content for path, content in files(tmp_path / "one").items() if "/png/" in path
    }
    shards = files(tmp_path / "parts/data/tiny/hdf5")
    assert {path: files(tmp_path / "parts")[path] for path in pictures} == pictures
    assert shards == files(tmp_path / "one/data/tiny/hdf5")
    one = open_set(str(tmp_path / "one" / MANIFEST))
    several = open_set(str(tmp_path / "parts" / MANIFEST))
    order = [70, 3, 61, 3]
    np.testing.assert_array_equal(several[order].images, one[order].images)
    assert several.take(order).rows()["id"].tolist() == table["id"].iloc[order].tolist()
    np.testing.assert_array_equal(several.rows()["id"], table["id"])
    digits = load(str(tmp_path / "parts" / MANIFEST))
    np.testing.assert_array_equal(digits.images, load(str(tmp_path / "one" / MANIFEST)).images)
    loaded = load_rows(str(tmp_path / "parts" / MANIFEST), per_class=22)
    assert loaded.counts.tolist() == [25, 25, 25]
    assert loaded.rows["id"].tolist()[-1] == "2-0000021"


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_mlcroissant_reads_the_records_of_a_part(tmp_path: Path) -> None:
    mlcroissant = pytest.importorskip("mlcroissant", reason="pip install 'synthgen[ecosystem]'")
    make_parts(tmp_path)
    dataset = mlcroissant.Dataset(str(tmp_path / "data/tiny/croissant.json"))
    assert not dataset.metadata.ctx.issues.errors
    records = list(dataset.records("images-00001"))
    rows = pd.read_csv(tmp_path / "manifests/tiny/00001.csv", dtype={"id": str})
    assert [record["images-00001/id"].decode() for record in records] == rows["id"].tolist()


def test_every_command_reads_it(root: str) -> None:
    made = make_parts(root)
    manifest = made.manifest_path
    report = verify(manifest, progress=False)
    assert (report.problems, report.rows, report.shards) == ([], 75, 3)
    for image in ("1-0000024", "0-0000000"):
        shown = rebuild(manifest, image, make_checkpoint(), networks=fake_networks)
        assert shown.as_recorded
    for asked, answer in (
        ("1-0000025", "'1-0000025', which is that of no image there"),
        ("1-25", r"such as 3-0000017 \(label-index\), received '1-25'"),
    ):
        with pytest.raises(ManifestError, match=answer):
            find_row(open_storage(root), MANIFEST, asked, made.record)
    assert export_set(manifest, ["npz"], progress=False).written == 75
    assert verify(manifest, progress=False).problems == []
    assert make_parts(root).unchanged


def test_a_part_by_itself_is_a_selection(root: str) -> None:
    make_parts(root)
    digits = open_set(f"{root}/manifests/tiny/00001.csv")
    assert len(digits) == 15
    assert digits.rows()["id"].iloc[0] == "0-0000020"
    with pytest.raises(ManifestError, match="A selection of a manifest's rows has none"):
        verify(f"{root}/manifests/tiny/00001.csv")


def test_a_selection_of_parts_is_read(tmp_path: Path) -> None:
    make_parts(tmp_path)
    mine = tmp_path / "manifests/mine.csv"
    index_of(tmp_path).iloc[1:].to_csv(mine, sep=";", index=False, encoding="utf-8-sig")
    assert load(str(mine)).counts().tolist() == [5, 5, 5]
    mine.write_text("sep=;\n" + mine.read_text(encoding="utf-8-sig"))  # as Excel writes
    assert load(str(mine)).counts().tolist() == [5, 5, 5]


@pytest.mark.parametrize(
    ("before", "now"),
    [
        ({}, {"per_class": 60}),  # one shard that is not full is made again
        ({"per_class": 20}, {"per_class": 60}),  # shards are only added
        ({"manifest_rows": 10**6}, {"per_class": 40}),  # over the threshold
        ({}, {"manifest_rows": 30}),
        ({"manifest_rows": 30}, {}),
        ({}, {"manifest_rows": 10**6}),
        ({"manifest_rows": 10**6}, {}),
    ],
)
def test_a_set_grows_and_is_split_otherwise(
    root: str, tmp_path: Path, before: dict[str, Any], now: dict[str, Any]
) -> None:
    make_parts(root, **before)
    made = make_parts(root, **now)
    assert not made.unchanged
    assert verify(made.manifest_path, progress=False).problems == []
    fresh = tmp_path / "fresh"
    make_parts(fresh, **now)
    storage = open_storage(root)
    expected = files(fresh)
    assert storage.files("manifests") == sorted(
        [path for path in expected if path.startswith("manifests")] + ["manifests/tiny.json"]
    )
    assert {path: storage.read_bytes(path) for path in expected} == expected
    if "per_class" not in now:
        assert made.made == 0


def test_a_growing_set_is_whole_until_the_index_is_new(tmp_path: Path) -> None:
    """A build that grows it was killed as the parts were there and the index was not."""
    make_parts(tmp_path, per_class=30)
    old = {path: (tmp_path / path).read_bytes() for path in (MANIFEST, "manifests/tiny.json")}
    make_parts(tmp_path, per_class=60)
    for path, content in old.items():
        (tmp_path / path).write_bytes(content)
    storage = open_storage(str(tmp_path))
    parts = read_parts(storage, MANIFEST)
    assert [part_is_whole(storage, part) for part in parts] == [True, False]
    assert [part_is_whole(storage, part, or_longer=True) for part in parts] == [True, True]
    assert load(str(tmp_path / MANIFEST)).counts().tolist() == [30, 30, 30]
    assert len(verify(str(tmp_path / MANIFEST), progress=False).problems) > 0
    notes = tmp_path / "manifests/.tiny.parts"
    notes.mkdir()
    (notes / "identity.json").write_text("{}")
    report = verify(str(tmp_path / MANIFEST), progress=False)
    assert report.problems[1:] == []  # croissant.json is renewed before the manifest
    assert report.growing


def test_a_lost_part_costs_its_own_shards(tmp_path: Path) -> None:
    make_parts(tmp_path)
    before = files(tmp_path)
    (tmp_path / "manifests/tiny/00001.csv").unlink()
    (problem, *_) = verify(str(tmp_path / MANIFEST), progress=False).problems
    assert problem == "manifests/tiny/00001.csv is not the file that manifests/tiny.csv describes."
    with pytest.raises(ManifestError, match=r"00001\.csv"):
        load(str(tmp_path / MANIFEST))
    made = make_parts(tmp_path)
    assert (made.made, made.skipped) == (15, (0, 1))
    assert made.repaired == (
        "manifests/tiny/00001.csv (and with it the shards whose rows it held)",
    )
    assert files(tmp_path) == before


def test_an_index_is_never_taken_for_rows(tmp_path: Path) -> None:
    record = make_parts(tmp_path).record
    storage = open_storage(str(tmp_path))
    assert [number for number, _ in kept_rows(storage, MANIFEST, record.plan)] == [0, 1, 2]
    index = tmp_path / MANIFEST
    index.write_text(index.read_text().replace("00000.csv", "../../00000.csv"))
    assert list(kept_rows(storage, MANIFEST, record.plan)) == []
    index.unlink()
    index.mkdir()  # is there, and cannot be read
    with pytest.raises(StorageError):
        list(kept_rows(storage, MANIFEST, record.plan))


@pytest.mark.parametrize(
    ("damage", "problem"),
    [
        (lambda text: text.replace("0-0000001,0,1,", "0-0000001,0,2,"), "00000.csv is not the"),
        (lambda text: text + text.splitlines()[-1] + "\n", "00000.csv is not the file"),
        (lambda text: text[:-40], "00000.csv is not the file"),
    ],
)
def test_a_changed_part_is_found_and_made_again(tmp_path: Path, damage: Any, problem: str) -> None:
    make_parts(tmp_path)
    before = files(tmp_path)
    part = tmp_path / "manifests/tiny/00000.csv"
    part.write_text(damage(part.read_text()))
    assert problem in verify(str(tmp_path / MANIFEST), progress=False).problems[0]
    with pytest.raises(ManifestError, match="as a build wrote"):
        export_set(str(tmp_path / MANIFEST), ["npz"], progress=False)
    make_parts(tmp_path)
    assert files(tmp_path) == before


def test_rows_that_were_sorted_apart_within_a_part_are_refused(tmp_path: Path) -> None:
    """The index is the one of the build; that says nothing of the rows."""
    make_parts(tmp_path)
    path = tmp_path / read_parts(open_storage(str(tmp_path)), MANIFEST)[0].path
    table = pd.read_csv(path, dtype=str, keep_default_na=False)
    table.assign(sha256=sorted(table["sha256"])).to_csv(path, index=False)
    with pytest.raises(DataError, match="Expected the pixels that the manifest gives"):
        load(str(tmp_path / MANIFEST))


def test_rows_of_a_stranger_are_not_overwritten(tmp_path: Path) -> None:
    folder = tmp_path / "manifests/tiny"
    folder.mkdir(parents=True)
    (folder / "00007.csv").write_text("mine")
    (folder / "notes.csv").write_text("mine")
    with pytest.raises(ResumeError, match=r"manifests/tiny/00007\.csv in .* belong to no run"):
        make_parts(tmp_path)
    make(tmp_path)
    assert (folder / "00007.csv").read_text() == "mine"
    make_parts(tmp_path, seed=5, overwrite=True)
    assert numbered_files(open_storage(str(tmp_path)), "tiny") == [
        "manifests/tiny/00000.csv",
        "manifests/tiny/00001.csv",
    ]
    assert (folder / "notes.csv").read_text() == "mine"
    assert verify(str(tmp_path / MANIFEST), progress=False).problems == []


def test_overwriting_leaves_no_part(root: str) -> None:
    make_parts(root)
    make(root, seed=5, overwrite=True)
    assert open_storage(root).files("manifests") == [MANIFEST, "manifests/tiny.json"]


def test_parts_of_a_build_that_was_killed_are_named_and_removed(tmp_path: Path) -> None:
    make_parts(tmp_path)
    folder = tmp_path / "manifests/tiny"
    rows = (folder / "00000.csv").read_bytes()
    make(tmp_path, seed=5, overwrite=True)
    folder.mkdir()
    (folder / "00003.csv").write_bytes(rows)
    (problem,) = verify(str(tmp_path / MANIFEST), progress=False).problems
    assert "1 file of rows beside those that manifests/tiny.csv lists" in problem
    (tmp_path / "manifests/tiny.csv.0123abcd.part").write_bytes(rows)
    make(tmp_path, seed=6, overwrite=True)
    assert open_storage(str(tmp_path)).files("manifests") == [MANIFEST, "manifests/tiny.json"]


def test_partitions_write_the_same_files(tmp_path: Path) -> None:
    job = prepare(make_settings(manifest_rows=60), str(tmp_path / "jobs"), make_checkpoint())
    for number in (1, 2):
        make_partition(Partition(number=number, of=2), job, networks=fake_networks, progress=False)
    merge("tiny", str(tmp_path / "jobs"), progress=False)
    make_parts(tmp_path / "one")
    assert files(tmp_path / "jobs") == files(tmp_path / "one")


def test_descriptions_name_index_and_parts(tmp_path: Path) -> None:
    made = make_parts(tmp_path)
    about = json.loads((tmp_path / "data/tiny/croissant.json").read_text())
    described = {entry["@id"]: entry for entry in about["distribution"]}
    assert described["index"]["sha256"] == made.record.manifest.sha256
    parts = made.record.manifest.parts
    assert [described[f"manifest-0000{n}"]["sha256"] for n in range(2)] == [
        part.sha256 for part in parts
    ]
    card = (tmp_path / "data/tiny/README.md").read_text()
    assert "`../../manifests/tiny/*.csv`" in card


@pytest.mark.parametrize(
    ("index", "message"),
    [
        ("", "names none"),
        ("manifests/a/0.csv,0,1,many,9,0\n", "received other values: invalid literal"),
        ("manifests/a/0.csv,0,1\n", "received other values"),
        ("manifests/a/0.csv,0,1,-3,9,0\n", "numbers of 0 or more"),
        ("../outside.csv,0,1,3,9,0\n", "leads out of it"),
        ("manifests/a/0.csv,0,1,3,9,0\n", "No such file"),
    ],
)
def test_an_index_that_no_build_writes(tmp_path: Path, index: str, message: str) -> None:
    make(tmp_path)
    path = tmp_path / "manifests/tiny.csv"
    path.write_text(",".join(PART_COLUMNS) + "\n" + index)
    with pytest.raises(ManifestError, match=message):
        load(str(path))
    assert len(verify(str(path), progress=False).problems) > 1
