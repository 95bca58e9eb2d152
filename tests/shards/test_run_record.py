import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from synthgen.errors import ManifestError
from synthgen.shards.run_record import RunRecord, read_record, write_record
from synthgen.storage import open_storage
from tests.shards.conftest import FRAMING, make, make_settings

PATH = "manifests/tiny.csv"


def read(root: Path) -> RunRecord:
    return read_record(open_storage(str(root)), PATH)


def change(root: Path, edit: Callable[[dict[str, Any]], object]) -> None:
    """Edit the JSON of a run record."""
    path = root / "manifests/tiny.json"
    plain = json.loads(path.read_text())
    edit(plain)
    path.write_text(json.dumps(plain))


def test_a_record_gives_the_settings_back(tmp_path: Path) -> None:
    make(tmp_path)
    record = read(tmp_path)
    assert record.settings == make_settings(labels="condition")
    assert record.plan.count == record.count == 75
    assert record.image_shape == (8, 8, 1)
    assert record.checkpoint.training_data is not None
    assert record.checkpoint.training_data.source == "drawings"
    assert [entry.rows for entry in record.shards] == [30, 30, 15]


def test_what_was_read_is_written_again_byte_by_byte(tmp_path: Path) -> None:
    make(tmp_path)
    before = (tmp_path / "manifests/tiny.json").read_bytes()
    write_record(open_storage(str(tmp_path)), PATH, read(tmp_path))
    assert (tmp_path / "manifests/tiny.json").read_bytes() == before


def test_a_record_has_the_keys_of_its_format(tmp_path: Path) -> None:
    """What is not known is left out; that there was no reference is said."""
    make(tmp_path)
    plain = json.loads((tmp_path / "manifests/tiny.json").read_text())
    expected = (
        "format settings fingerprint class_names image_shape count counts label_source acceptance "
        "checkpoint reference_sha256 versions precision machine manifest seconds shards "
        "png_folders contact_sheet_sha256 record_sha256"
    )
    assert list(plain) == expected.split()
    assert plain["reference_sha256"] is None
    assert list(plain["checkpoint"]) == ["sha256", "preset", "step", "training_data"]
    assert list(plain["checkpoint"]["training_data"]) == ["source", "sha256"]
    assert list(plain["shards"][0]) == [
        "shard",
        "rows",
        "sha256",
        "draws",
        "seconds",
        "rows_sha256",
    ]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[]", "format: expected 'synthgen-run/2'"),
        ("{", "Expected JSON, received something else"),
        ("[" * 100_000, "nested at most"),
        ('{"format": "synthgen-run/2"}', "Expected the key 'settings', which is missing"),
        ('{"format": "synthgen-run/1"}', r"received 'synthgen-run/1'.*--overwrite"),
    ],
)
def test_files_that_are_no_records(tmp_path: Path, content: str, message: str) -> None:
    make(tmp_path)
    (tmp_path / "manifests/tiny.json").write_text(content)
    with pytest.raises(ManifestError, match=message):
        read(tmp_path)


@pytest.mark.parametrize(
    ("place", "value", "message"),
    [
        (["count"], [75], r"count: expected a whole number, received \[75\]"),
        (["image_shape"], 8, "image_shape: expected a list"),
        (["image_shape"], [8, 8, 10**9], "Expected an image_shape of 1 to 4096 pixels"),
        (["shards"], {}, "shards: expected a list"),
        (["shards", 1, "rows"], None, r"shards\[1\]\.rows: expected a whole number"),
        (["shards", 1, "shard"], -1, r"shards\[1\]: expected a shard .* received shard -1"),
        (["shards", 1, "sha256"], [], r"shards\[1\]\.sha256: expected an object"),
        (["settings", "per_class"], [], "settings.per_class: expected a whole number"),
        (["settings", "per_class"], 0, "settings: --per-class: expected"),
        (["settings", "added"], 0, "settings: expected only the keys .* received 'added'"),
        (["class_names"], ["a", "../b", "c"], "Expected class names that can name a folder"),
        (["settings", "per_class"], 1, "Expected shards 0 to 0, as the settings say, received"),
        (["label_source"], "x", "Expected a label_source among condition"),
        (
            ["settings", "batch"],
            2,
            "Expected a label_source .* and a batch of 3 or more, received 'condition' and 2",
        ),
        (["shards", 1, "draws"], [], "Expected the draws of 3 classes and a hash of each format"),
        (
            ["shards", 1, "sha256"],
            {"hdf5": ""},
            "Expected the draws .* of shard 1, received 3 and none of png",
        ),
        (["shards", 1, "rows"], 10**29, r"expected a shard and a number of rows .* below 2\*\*63"),
        (["acceptance"], {"x": 1.0}, "Expected the acceptance of classes among zero, one, two"),
        (["checkpoint", "sha256"], 7, "checkpoint.sha256: expected a text"),
        (
            ["checkpoint", "training_data", "images"],
            [7],
            "checkpoint.training_data.images: expected a",
        ),
        (["manifest"], "x", "manifest: expected an object"),
        (
            ["nearness"],
            {
                "limits": {"zero": 1.0},
                "rejected": {"duplicates": {}},
                "coverage_before": 0.5,
                "coverage_after": 0.5,
            },
            "nearness: expected, for each reason .* shares of 0 to 1 of the classes",
        ),
    ],
)
def test_values_that_do_not_fit_are_named(
    tmp_path: Path, place: list[Any], value: Any, message: str
) -> None:
    make(tmp_path)

    def edit(plain: Any) -> None:
        for key in place[:-1]:
            plain = plain[key]
        plain[place[-1]] = value

    change(tmp_path, edit)
    with pytest.raises(ManifestError, match=f"is not a run record of format .*: {message}"):
        read(tmp_path)


def test_settings_that_are_left_out_are_not_guessed(tmp_path: Path) -> None:
    make(tmp_path)
    change(tmp_path, lambda plain: plain["settings"].pop("screen"))
    with pytest.raises(
        ManifestError, match=r"settings: expected the key 'screen', which is missing"
    ):
        read(tmp_path)


def test_a_record_that_is_not_there(tmp_path: Path) -> None:
    make(tmp_path)
    (tmp_path / "manifests/tiny.json").unlink()
    with pytest.raises(ManifestError, match=r"Expected the run record of manifests/tiny.csv at"):
        read(tmp_path)


def test_a_framing_is_read_back_and_fits_the_images(tmp_path: Path) -> None:
    make(tmp_path, framing=FRAMING, like="data")
    assert read(tmp_path).framing == FRAMING
    change(tmp_path, lambda plain: plain.update(image_shape=[12, 10, 1]))
    with pytest.raises(ManifestError, match="image_shape of the framing"):
        read(tmp_path)
    change(tmp_path, lambda plain: plain["framing"].update(size=[0, 10]))
    with pytest.raises(ManifestError, match="framing: Expected the framing of pictures"):
        read(tmp_path)


def test_settings_that_came_later_are_left_out_by_default(tmp_path: Path) -> None:
    """Records of sets that need none of them are as they always were."""
    make(tmp_path / "a", like="generator")
    assert read(tmp_path / "a").settings.like == "generator"
    make(tmp_path / "b")
    assert "like" not in json.loads((tmp_path / "b/manifests/tiny.json").read_text())["settings"]
