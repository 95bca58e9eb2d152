import dataclasses
import errno
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
import pytest

from synthgen.datasets.digits import Digits
from synthgen.datasets.framing import like_data
from synthgen.errors import (
    CheckpointError,
    Interrupted,
    ManifestError,
    ResumeError,
    ScreeningExhausted,
    SettingsError,
    StorageError,
)
from synthgen.gan.checkpoint import Checkpoint
from synthgen.metrics.neighbours import NearestTrain
from synthgen.shards import build as build_module
from synthgen.shards import job
from synthgen.shards.build import build, check_before_training
from synthgen.shards.generate import Networks
from synthgen.shards.load import load
from synthgen.shards.manifest import MANIFEST_COLUMNS
from synthgen.shards.run_record import seal
from synthgen.shards.unfinished import UnfinishedBuild
from synthgen.shards.verify import verify
from synthgen.storage import Storage, open_storage
from tests.shards.conftest import (
    FRAMING,
    REPOSITORY,
    FakeSampler,
    fail_after,
    fake_networks,
    files,
    make,
    make_checkpoint,
    make_settings,
    no_networks,
    sha256,
    stop,
)


def record(root: Path) -> dict[str, Any]:
    return dict(json.loads((root / "manifests/tiny.json").read_text()))


def test_a_build_publishes_exactly_what_was_asked_for(tmp_path: Path, reference: Digits) -> None:
    result = make(tmp_path, reference=reference)
    table = pd.read_csv(tmp_path / "manifests/tiny.csv", dtype={"id": str})
    assert tuple(table.columns) == MANIFEST_COLUMNS
    assert table["label"].value_counts().to_dict() == {0: 25, 1: 25, 2: 25}
    assert table["id"].is_unique
    assert (result.count, result.skipped, result.unchanged, result.manifest) == (
        75,
        (),
        False,
        "manifests/tiny.csv",
    )
    shards = [f"data/tiny/hdf5/0000{k}.h5" for k in range(3)]
    assert sorted(files(tmp_path)) == sorted(
        [
            "data/tiny/README.md",
            "data/tiny/contact_sheet.png",
            "manifests/tiny.csv",
            *shards,
            *table["png"],
        ]
    )
    images, labels = load(result.manifest_path).as_numpy()
    assert [sha256(image.tobytes()) for image in images] == table["sha256"].tolist()
    np.testing.assert_array_equal(labels, table["label"])
    np.testing.assert_array_equal(
        NearestTrain(reference).distances(images, labels), table["nearest_train_distance"]
    )


def test_the_run_record_tells_where_the_images_come_from(tmp_path: Path, reference: Digits) -> None:
    make(tmp_path, reference=reference)
    found, origin = record(tmp_path), {"source": "drawings", "sha256": "0" * 64}
    assert found["checkpoint"] == {
        "sha256": make_checkpoint().sha256,
        "preset": "cdcgan",
        "step": 0,
        "training_data": origin,
    }
    assert found["reference_sha256"] == reference.sha256()
    assert found["manifest"] == {
        "path": "manifests/tiny.csv",
        "rows": 75,
        "sha256": sha256((tmp_path / "manifests/tiny.csv").read_bytes()),
    }
    assert found["counts"] == {"zero": 25, "one": 25, "two": 25}
    attempts = pd.read_csv(tmp_path / "manifests/tiny.csv").groupby("label")["attempt"].sum()
    assert list(found["acceptance"].values()) == [round(25 / (25 + extra), 6) for extra in attempts]
    assert [(entry["shard"], entry["rows"]) for entry in found["shards"]] == [
        (0, 30),
        (1, 30),
        (2, 15),
    ]
    assert [entry["sha256"]["hdf5"] for entry in found["shards"]] == [
        sha256((tmp_path / f"data/tiny/hdf5/0000{k}.h5").read_bytes()) for k in range(3)
    ]
    assert {"python", "numpy", "arithmetic"} <= found["versions"].keys()


def test_twice_the_same_build_makes_the_same_bytes(tmp_path: Path, reference: Digits) -> None:
    for folder in ("a", "b"):
        make(tmp_path / folder, reference=reference)
    assert files(tmp_path / "a") == files(tmp_path / "b")


@pytest.mark.parametrize("shard_size", [3, 10, 300])
def test_the_shard_size_changes_neither_pixels_nor_seeds(tmp_path: Path, shard_size: int) -> None:
    tables = []
    for size in (30, shard_size):
        make(tmp_path / str(size), shard_size=size)
        tables.append(
            pd.read_csv(tmp_path / str(size) / "manifests/tiny.csv")
            .set_index(["label", "index"])
            .sort_index()
        )
    for column in ("id", "seed", "attempt", "sha256", "png", "predicted", "confidence"):
        assert tables[0][column].tolist() == tables[1][column].tolist()


def test_a_small_set_is_the_first_part_of_a_large_one(tmp_path: Path) -> None:
    make(tmp_path / "small", per_class=20)
    make(tmp_path / "large", per_class=50)
    small, large = files(tmp_path / "small"), files(tmp_path / "large")
    assert large["manifests/tiny.csv"].startswith(small["manifests/tiny.csv"])
    shards = [path for path in small if "/hdf5/" in path or "/png/" in path]
    assert len(shards) == 2 + 60
    assert all(small[path] == large[path] for path in shards)


@pytest.mark.parametrize("formats", [("hdf5",), ("png",)])
def test_one_format_only_leaves_the_other_column_empty(
    tmp_path: Path, formats: tuple[str, ...]
) -> None:
    result = make(tmp_path, formats=formats)
    table = pd.read_csv(tmp_path / "manifests/tiny.csv", keep_default_na=False)
    assert (table[{"hdf5": "png", "png": "hdf5"}[formats[0]]] == "").all()
    assert (table["nearest_train_distance"] == "").all()
    assert len(load(result.manifest_path)) == 75
    assert verify(result.manifest_path).problems == []


def test_the_same_command_again_does_nothing_and_says_so(tmp_path: Path) -> None:
    make(tmp_path)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file()}
    again = build(make_settings(), str(tmp_path), make_checkpoint(), networks=no_networks)
    assert again.unchanged
    assert again.skipped == (0, 1, 2)
    assert "Nothing to do" in again.lines()[0]
    assert before == {
        path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file()
    }


def test_a_damaged_shard_is_remade_by_the_same_command(tmp_path: Path) -> None:
    make(tmp_path)
    whole = files(tmp_path)
    (tmp_path / "data/tiny/hdf5/00001.h5").write_bytes(b"torn")
    (tmp_path / "data/tiny/png/two/00000/two/2-0000024.png").unlink()
    again = make(tmp_path)
    assert again.skipped == (0,)
    assert (again.made, again.repaired) == (45, ("shard 1", "shard 2"))
    assert "in 3 shards; 1 shard there already, 45 images made now, in " in again.lines()[0]
    assert again.lines()[1] == "Found damaged or missing, and made again: shard 1, shard 2."
    assert files(tmp_path) == whole


@pytest.mark.parametrize("content", [None, b"torn"])
def test_a_damaged_contact_sheet_is_remade_and_no_image_is(
    tmp_path: Path, content: bytes | None
) -> None:
    make(tmp_path)
    whole, sheet = files(tmp_path), tmp_path / "data/tiny/contact_sheet.png"
    sheet.unlink() if content is None else sheet.write_bytes(content)
    assert verify(str(tmp_path / "manifests/tiny.csv")).problems == [
        "data/tiny/contact_sheet.png is missing or damaged."
    ]
    again = make(tmp_path)
    assert (again.made, again.repaired) == (0, ("data/tiny/contact_sheet.png",))
    assert "all there already, in " in again.lines()[0]
    assert "images/s" not in again.lines()[0]
    assert files(tmp_path) == whole


def test_a_lost_manifest_is_remade(tmp_path: Path) -> None:
    make(tmp_path)
    whole = files(tmp_path)
    (tmp_path / "manifests/tiny.csv").unlink()
    again = make(tmp_path)
    assert (again.made, again.skipped) == (75, ())
    assert again.repaired == ("manifests/tiny.csv (and with it every shard, whose rows it held)",)
    assert files(tmp_path) == whole


@pytest.mark.parametrize("before", [7, 20, 25])
def test_growing_reuses_full_shards_and_ends_in_the_same_bytes(tmp_path: Path, before: int) -> None:
    make(tmp_path / "grown", per_class=before)
    grown = make(tmp_path / "grown", per_class=50)
    make(tmp_path / "whole", per_class=50)
    assert grown.skipped == tuple(range(before // 10))
    assert (grown.made, grown.repaired) == (150 - 30 * (before // 10), ())
    assert files(tmp_path / "grown") == files(tmp_path / "whole")


def test_a_published_set_stays_while_it_grows_by_whole_shards(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(tmp_path, per_class=20)
    small = load(str(tmp_path / "manifests/tiny.csv"))
    monkeypatch.setattr(build_module, "publish", stop)
    with pytest.raises(RuntimeError, match="stop"):
        make(tmp_path, per_class=50)
    np.testing.assert_array_equal(load(str(tmp_path / "manifests/tiny.csv")).images, small.images)


def test_a_manifest_is_taken_back_before_a_shard_of_it_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(tmp_path, per_class=25)
    monkeypatch.setattr(build_module, "publish", stop)
    with pytest.raises(RuntimeError, match="stop"):
        make(tmp_path, per_class=50)
    assert not (tmp_path / "manifests/tiny.csv").exists()
    monkeypatch.undo()
    make(tmp_path, per_class=50)
    make(tmp_path / "whole", per_class=50)
    assert {
        path: content for path, content in files(tmp_path).items() if not path.startswith("whole")
    } == files(tmp_path / "whole")


STAGES = {
    "first shard": (FakeSampler, "images", 0),
    "second shard": (FakeSampler, "images", 4),
    "writing files": (Storage, "write_many", 3),
    "noting a shard": (UnfinishedBuild, "finish", 1),
    "contact sheet": (build_module, "draw_sheet", 0),
    "publishing the record": (build_module, "write_record", 0),
    "publishing the manifest": (Storage, "writing", 5),
    "removing the parts": (UnfinishedBuild, "remove", 1),
}


@pytest.mark.parametrize("stage", STAGES)
def test_a_failure_at_any_stage_publishes_nothing_half(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stage: str
) -> None:
    fail_after(monkeypatch, *STAGES[stage], RuntimeError("stop"))
    with pytest.raises(RuntimeError, match="stop"):
        make(tmp_path / "killed")
    monkeypatch.undo()
    assert (tmp_path / "killed/manifests/tiny.csv").exists() == (stage == "removing the parts")
    make(tmp_path / "killed")
    make(tmp_path / "whole")
    assert files(tmp_path / "killed") == files(tmp_path / "whole")


def test_rows_that_change_while_they_wait_are_not_published(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = build_module.read_first_images

    def meddle(storage: Storage, *arguments: Any) -> Any:
        storage.write_bytes("manifests/.tiny.parts/00001.csv", b"other rows\n")
        return read(storage, *arguments)

    monkeypatch.setattr(build_module, "read_first_images", meddle)
    with pytest.raises(
        StorageError,
        match=r"00001\.csv: Expected manifest rows with SHA-256 \w{64}, found \w{64}: .* Run the "
        r"same command again",
    ):
        make(tmp_path / "here")
    monkeypatch.undo()
    assert not (tmp_path / "here/manifests/tiny.csv").exists()
    assert make(tmp_path / "here").skipped == (0, 2)
    make(tmp_path / "there")
    assert files(tmp_path / "here") == files(tmp_path / "there")


def test_control_c_keeps_finished_shards_and_says_how_to_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fail_after(monkeypatch, UnfinishedBuild, "finish", 2, KeyboardInterrupt())
    with pytest.raises(
        Interrupted, match=r"2 of 3 shards finished and kept\. Run the same command again"
    ):
        make(tmp_path)
    monkeypatch.undo()
    assert len(make(tmp_path).skipped) == 2  # of those made side by side, which come first is open


KILLED = """
import os, signal, sys
from synthgen.storage import Storage
from tests.shards.conftest import make
place, name, calls = sys.argv[2], sys.argv[3], int(sys.argv[4])
if place == "os":
    work, owner = getattr(os, name), os
else:
    from synthgen.shards.unfinished import UnfinishedBuild
    owner = UnfinishedBuild; work = UnfinishedBuild.finish
done = []
def deadly(*args):
    done.append(1)
    if len(done) > calls:
        os.kill(os.getpid(), signal.SIGKILL)
    return work(*args)
setattr(owner, name, deadly)
make(sys.argv[1])
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("place", "name", "calls"),
    [("os", "replace", 3), ("os", "write", 20), ("os", "write", 60), ("unfinished", "finish", 1)],
)
def test_kill_9_and_the_same_command_end_in_the_same_bytes(
    tmp_path: Path, place: str, name: str, calls: int
) -> None:
    arguments = [sys.executable, "-c", KILLED, str(tmp_path / "killed"), place, name, str(calls)]
    killed = subprocess.run(
        arguments, cwd=REPOSITORY, env=os.environ | {"PYTHONPATH": str(REPOSITORY)}, check=False
    )
    assert killed.returncode == -signal.SIGKILL
    assert not (tmp_path / "killed/manifests/tiny.csv").exists()
    left = files(tmp_path / "killed")
    if name == "replace":
        assert any(path.endswith(".part") for path in left)
    if name == "write":
        assert any(path.endswith(".png") and not left[path] for path in left)
    make(tmp_path / "killed")
    make(tmp_path / "whole")
    assert files(tmp_path / "killed") == files(tmp_path / "whole")
    assert verify(str(tmp_path / "killed/manifests/tiny.csv")).problems == []


def test_a_shard_torn_by_a_power_cut_is_remade(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fail_after(monkeypatch, UnfinishedBuild, "finish", 2, RuntimeError("power cut"))
    with pytest.raises(RuntimeError, match="power cut"):
        make(tmp_path / "torn")
    monkeypatch.undo()
    next((tmp_path / "torn/data/tiny/png/one").rglob("1-0000003.png")).write_bytes(b"")
    (tmp_path / "torn/manifests/.tiny.parts/00001.json").write_bytes(b'{"shard": 1')
    assert not {0, 1} & set(make(tmp_path / "torn").skipped)  # a third one may have been finished
    make(tmp_path / "whole")
    assert files(tmp_path / "torn") == files(tmp_path / "whole")


CHANGES = [
    ({"seed": 1}, "--seed was 0, is 1"),
    ({"shard_size": 60}, "--shard-size was 30, is 60"),
    ({"per_class": 20}, "--per-class was 25, is 20"),
    ({"formats": ("hdf5",)}, "--formats was hdf5,png, is hdf5"),
    ({"screen": "none", "batch": 8}, "--batch was 16, is 8; --screen was mislabels, is none"),
]


@pytest.mark.parametrize("finished", [True, False])
@pytest.mark.parametrize(("changes", "message"), CHANGES)
def test_other_settings_are_refused_and_replaced_on_request(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    finished: bool,
    changes: dict[str, Any],
    message: str,
) -> None:
    if not finished:
        monkeypatch.setattr(build_module, "publish", stop)
        with pytest.raises(RuntimeError, match="stop"):
            make(tmp_path / "here")
        monkeypatch.undo()
    else:
        make(tmp_path / "here")
    before = files(tmp_path / "here")
    found = (
        "'tiny' in .* was built"
        if finished
        else r"There is an unfinished build of 'tiny' in .* \(manifests/\.tiny\.parts\), begun"
    )
    advice = r"another --name to keep both \(such as --name tiny-2\), or --overwrite"
    with pytest.raises(ResumeError, match=f"^{found} with other settings: .*{message}.*{advice}"):
        make(tmp_path / "here", **changes)
    assert files(tmp_path / "here") == before
    make(tmp_path / "here", overwrite=True, **changes)
    make(tmp_path / "there", **changes)
    assert files(tmp_path / "here") == files(tmp_path / "there")


def test_another_checkpoint_or_reference_is_refused(tmp_path: Path, reference: Digits) -> None:
    make(tmp_path)
    with pytest.raises(ResumeError, match=r"checkpoint was \w{12}\.\.\., is"):
        build(make_settings(), str(tmp_path), make_checkpoint(weight=1), networks=no_networks)


def test_another_reference_is_refused_a_missing_one_is_not(
    tmp_path: Path, reference: Digits
) -> None:
    make(tmp_path / "without")
    assert build(
        make_settings(),
        str(tmp_path / "without"),
        make_checkpoint(),
        reference,
        networks=no_networks,
    ).unchanged
    with pytest.raises(
        ResumeError, match=r"training images was none, is \w{12}.*synthgen data fetch"
    ):
        build(
            make_settings(per_class=50),
            str(tmp_path / "without"),
            make_checkpoint(),
            reference,
            networks=no_networks,
        )
    build(
        make_settings(),
        str(tmp_path / "with"),
        make_checkpoint(),
        reference,
        networks=fake_networks,
    )
    assert make(tmp_path / "with").unchanged
    with pytest.raises(ResumeError, match=r"training images was \w{12}\.\.\., is \w{12}"):
        build(
            make_settings(),
            str(tmp_path / "with"),
            make_checkpoint(),
            reference.take(slice(0, 9)),
            networks=no_networks,
        )


def refuse(checkpoint: Checkpoint, batch: int) -> Networks:
    raise CheckpointError("weights do not fit")


def test_a_checkpoint_that_does_not_work_changes_nothing(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError):
        build(make_settings(), str(tmp_path), make_checkpoint(), networks=refuse)
    assert make(tmp_path).skipped == ()
    before = files(tmp_path)
    with pytest.raises(CheckpointError):
        build(
            make_settings(),
            str(tmp_path),
            make_checkpoint(weight=1),
            overwrite=True,
            networks=refuse,
        )
    assert files(tmp_path) == before


def test_a_kill_as_a_build_begins_or_ends_blocks_no_name(tmp_path: Path) -> None:
    (tmp_path / "manifests" / ".tiny.parts").mkdir(parents=True)
    make(tmp_path)
    (tmp_path / "manifests" / ".tiny.parts").mkdir()
    assert make(tmp_path).unchanged


def test_reports_of_a_smaller_set_go_when_it_grows(tmp_path: Path) -> None:
    make(tmp_path)
    folder = tmp_path / "data" / "tiny"
    reports = [folder / "evaluation" / "report.html", folder / "evaluation.json"]
    (folder / "evaluation").mkdir()
    for report in reports:
        report.write_text("old")
    assert make(tmp_path, say=pytest.fail).unchanged
    assert all(report.exists() for report in reports)
    said: list[str] = []
    make(tmp_path, per_class=50, say=said.append)
    assert not any(report.exists() for report in reports)
    assert not (folder / "evaluation").exists()
    assert said == [
        "NOTICE: 'tiny' grows, so the evaluation of the smaller set was removed: "
        "data/tiny/evaluation, data/tiny/evaluation.json."
    ]


def test_a_set_without_an_evaluation_grows_without_a_notice(tmp_path: Path) -> None:
    make(tmp_path)
    assert make(tmp_path, per_class=50, say=pytest.fail).count == 150


def test_versions_are_never_mixed_but_leave_a_whole_set_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(tmp_path)
    monkeypatch.setattr(job, "drawing_versions", lambda _: {"numpy": "99"})
    assert make(tmp_path).unchanged
    with pytest.raises(ResumeError, match=r"version of numpy was .*, is 99"):
        make(tmp_path, per_class=50)


def use_python(monkeypatch: pytest.MonkeyPatch, version: str) -> None:
    found = {"python": version, "numpy": "2.0.0"}
    monkeypatch.setattr(job, "drawing_versions", lambda _: found)


def test_a_damaged_set_is_mended_under_another_patch_of_python(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_python(monkeypatch, "3.11.7")
    make(tmp_path)
    whole = files(tmp_path)
    (tmp_path / "data/tiny/hdf5/00001.h5").unlink()
    use_python(monkeypatch, "3.11.8")
    assert make(tmp_path).repaired == ("shard 1",)
    assert files(tmp_path) == whole
    assert record(tmp_path)["versions"]["python"] == "3.11.8"


def test_a_damaged_set_of_other_versions_is_refused_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_python(monkeypatch, "3.11.7")
    make(tmp_path)
    for path in ("hdf5/00001.h5", "png/two/00000/two/2-0000024.png", "contact_sheet.png"):
        (tmp_path / "data/tiny" / path).write_bytes(b"torn")
    use_python(monkeypatch, "3.12.0")
    with pytest.raises(ResumeError) as caught:
        make(tmp_path)
    assert str(caught.value) == (
        "Damaged or missing: data/tiny/contact_sheet.png, data/tiny/hdf5/00001.h5, png files "
        "of shard 2. That is not made again, because 'tiny' in "
        f"{tmp_path} was built with other settings: version of python was 3.11.7, is 3.12.0. "
        "Use the same settings and versions to go on with it, another --name to keep both "
        "(such as --name tiny-2), or --overwrite to replace it."
    )


def test_more_attempts_are_no_other_settings(tmp_path: Path) -> None:
    with pytest.raises(ScreeningExhausted, match="Raise --max-attempts and run again"):
        make(tmp_path, max_attempts=1)
    assert make(tmp_path).count == 75


def test_overwriting_with_the_same_settings_keeps_the_set(tmp_path: Path) -> None:
    make(tmp_path)
    assert make(tmp_path, overwrite=True).unchanged


def test_overwriting_takes_the_old_reports_away_and_nothing_else(tmp_path: Path) -> None:
    make(tmp_path)
    (tmp_path / "data/tiny/evaluation").mkdir()
    for name in ("evaluation/report.html", "report.html", "notes.txt"):
        (tmp_path / "data/tiny" / name).write_text("old")
    make(tmp_path, name="other")
    make(tmp_path, overwrite=True, seed=1)
    assert not (tmp_path / "data/tiny/evaluation").exists()
    assert not (tmp_path / "data/tiny/report.html").exists()
    assert (tmp_path / "data/tiny/notes.txt").exists()
    assert verify(str(tmp_path / "manifests/other.csv")).problems == []


def test_files_of_no_record_are_replaced_only_on_request(tmp_path: Path) -> None:
    make(tmp_path)
    for path in ("csv", "json"):
        (tmp_path / f"manifests/tiny.{path}").unlink()
    with pytest.raises(ResumeError, match="belong to no run record"):
        make(tmp_path)
    make(tmp_path, overwrite=True)


def test_a_damaged_run_record(tmp_path: Path) -> None:
    make(tmp_path)
    (tmp_path / "manifests/tiny.json").write_text("{")
    with pytest.raises(ManifestError, match="Expected JSON, received something else"):
        make(tmp_path)
    assert make(tmp_path, overwrite=True).count == 75


def test_a_shard_that_the_record_counts_otherwise_is_remade(tmp_path: Path) -> None:
    make(tmp_path)
    whole = files(tmp_path)
    changed = record(tmp_path)
    changed["shards"][1]["rows"] = 14
    changed["record_sha256"] = seal(changed)
    (tmp_path / "manifests/tiny.json").write_text(json.dumps(changed))
    assert make(tmp_path).made == 30
    assert record(tmp_path)["shards"][1]["rows"] == 30
    assert files(tmp_path) == whole


def test_a_million_million_images_are_refused_at_once(tmp_path: Path) -> None:
    with pytest.raises(
        StorageError, match=r"3,000,000,000,000 images need about .* PB .* are free"
    ):
        make(tmp_path / "root", per_class=10**12)
    assert not (tmp_path / "root").exists()


def test_space_that_finished_shards_take_is_not_asked_for_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(tmp_path, per_class=30)
    monkeypatch.setattr(Storage, "free_bytes", lambda _: 1000)
    assert make(tmp_path, per_class=30).unchanged
    with pytest.raises(StorageError, match=r"1\.0 kB are free"):
        make(tmp_path, per_class=31)


def test_a_full_disk_names_itself_and_the_build_goes_on_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fail_after(monkeypatch, os, "write", 60, OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))
    with pytest.raises(StorageError, match="disk is full"):
        make(tmp_path / "full")
    monkeypatch.undo()
    assert not [
        path
        for path in files(tmp_path / "full")
        if path.endswith(".part") or path == "manifests/tiny.csv"
    ]
    make(tmp_path / "full")
    make(tmp_path / "whole")
    assert files(tmp_path / "full") == files(tmp_path / "whole")


def test_space_and_shards_are_checked_before_a_training(tmp_path: Path, reference: Digits) -> None:
    with pytest.raises(StorageError, match=r"0,000,000,000 images need about"):
        check_before_training(
            make_settings(per_class=10**12), str(tmp_path / "root"), reference, False
        )
    with pytest.raises(SettingsError, match="--shard-size: expected at least 3"):
        check_before_training(make_settings(shard_size=2), str(tmp_path / "root"), reference, False)
    assert not (tmp_path / "root").exists()
    check_before_training(make_settings(), str(tmp_path / "root"), reference, False)


def test_a_checkpoint_without_a_classifier_builds_unscreened(tmp_path: Path) -> None:
    result = build(
        make_settings(screen="none"),
        str(tmp_path),
        make_checkpoint(screener=False),
        networks=fake_networks,
    )
    table = pd.read_csv(tmp_path / "manifests/tiny.csv")
    assert table[["predicted", "confidence"]].isna().all(axis=None)
    assert result.acceptance == {"zero": 1.0, "one": 1.0, "two": 1.0}
    assert verify(result.manifest_path).problems == []


def test_any_root_that_fsspec_knows(root: str, reference: Digits) -> None:
    first = make(root, reference=reference)
    assert make(root, reference=reference).unchanged
    assert make(root, reference=reference, per_class=40).skipped == (0, 1)
    digits = load(first.manifest_path)
    assert digits.counts().tolist() == [40, 40, 40]
    assert verify(first.manifest_path).problems == []
    assert open_storage(root).files("manifests") == ["manifests/tiny.csv", "manifests/tiny.json"]


def test_a_summary_tells_what_was_made(tmp_path: Path) -> None:
    text = "\n".join(make(tmp_path).lines())
    assert "Labels come from the condition of the generator. Screening kept" in text
    assert "75 images, 25 of each of 3 classes, in 3 shards" in text
    assert str(tmp_path / "manifests/tiny.csv") in text


def test_a_summary_warns_of_folders_in_another_order(tmp_path: Path) -> None:
    """Keras numbers folders by name: "10" before "2", or here "one" before "zero"."""
    notice = (
        "NOTICE: readers that number the folders of PNG files by name (Keras, torchvision, Hugging "
        "Face) give other labels than the manifest: their class 0 is 'one', that of the manifest "
        "is 'zero'. Take labels from the manifest."
    )
    assert notice in make(tmp_path / "both").lines()
    assert notice not in make(tmp_path / "hdf5", formats=("hdf5",)).lines()


def test_networks_are_made_once_with_the_batch_of_the_settings(tmp_path: Path) -> None:
    made: list[int] = []

    def networks(checkpoint: Any, batch: int) -> Networks:
        made.append(batch)
        return fake_networks(checkpoint, batch)

    build(make_settings(), str(tmp_path), make_checkpoint(), networks=networks)
    assert made == [16]


def test_a_set_like_the_users_pictures(tmp_path: Path) -> None:
    """Its files hold the framed pixels; all else is that of the set as the generator draws it."""
    make(tmp_path / "plain")
    result = make(tmp_path / "framed", framing=FRAMING)
    assert result.record.image_shape == (12, 10, 3)
    assert record(tmp_path / "framed")["framing"]["ground"] == [250, 240, 200]
    assert not {"framing", "like"} & {
        *record(tmp_path / "plain"),
        *record(tmp_path / "plain")["settings"],
    }

    versions = [set(record(tmp_path / name)["versions"]) for name in ("framed", "plain")]
    assert versions[0] - versions[1] == {"pillow", "scipy"}  # which scale and clean the ink

    plain = load(str(tmp_path / "plain/manifests/tiny.csv"))
    rows = pd.read_csv(tmp_path / "framed/manifests/tiny.csv")
    framed = load(str(tmp_path / "framed/manifests/tiny.csv"))
    seeds = rows["seed"].to_numpy().astype(np.uint64)
    np.testing.assert_array_equal(framed.images, like_data(plain.images, FRAMING, seeds))
    same = ["seed", "attempt", "predicted", "confidence", "offset"]
    assert rows[same].equals(pd.read_csv(tmp_path / "plain/manifests/tiny.csv")[same])
    with h5py.File(tmp_path / "framed/data/tiny/hdf5/00000.h5") as file:
        assert file.attrs["pixels"] == "uint8, 0..255, dark on light"
    assert verify(str(tmp_path / "framed/manifests/tiny.csv"), progress=False).problems == []


def test_a_framed_set_is_never_mixed_with_another(tmp_path: Path) -> None:
    make(tmp_path, framing=FRAMING)
    assert make(tmp_path, framing=FRAMING).unchanged
    with pytest.raises(ResumeError, match=r"other settings: --like was data, is generator\. Use"):
        make(tmp_path)
    other = dataclasses.replace(FRAMING, long_side=5.0)
    with pytest.raises(ResumeError, match=r"your pictures' long_side was 6\.0, is 5\.0\. "):
        make(tmp_path, framing=other)
    assert make(tmp_path, framing=FRAMING, per_class=45).record.count == 135


def test_shards_larger_than_the_memory_are_refused(tmp_path: Path) -> None:
    large = dataclasses.replace(FRAMING, size=(4000, 4000))
    with pytest.raises(SettingsError, match="received 30 images like your pictures of 4000 x 4000"):
        make(tmp_path, framing=large)
    with pytest.raises(SettingsError, match="at most 4096 pixels a side, received 5000 x 9"):
        make(tmp_path, framing=dataclasses.replace(FRAMING, size=(5000, 9)))


# unevenly many images of each class


@pytest.mark.parametrize("labels", ["condition", "classifier"])
def test_an_uneven_set_holds_exactly_what_was_asked_for(tmp_path: Path, labels: str) -> None:
    """Each image is the one that it is in an even set: the counts decide which there are."""
    made = make(tmp_path / "uneven", counts=("two=3", "zero=21"), shard_size=20, labels=labels)
    assert record(tmp_path / "uneven")["counts"] == {"zero": 21, "one": 0, "two": 3}
    assert set(made.record.acceptance) == {"zero", "two"}
    assert [entry.rows for entry in made.record.shards] == [13, 10, 1]
    assert [entry.draws[1] for entry in made.record.shards] == [0, 0, 0]
    assert made.lines()[0].startswith("Made 24 images, 21 of 'zero', 3 of 'two', in 3 shards")
    if labels == "condition":
        draws = sum(sum(entry.draws) for entry in made.record.shards)
        assert f"Screening kept {24 / draws:.2%} of all draws" in made.lines()[1]
    path = str(tmp_path / "uneven/manifests/tiny.csv")
    assert verify(path, progress=False).problems == []
    assert load(path).counts().tolist() == [21, 0, 3]
    assert not (tmp_path / "uneven/data/tiny/png/one").exists()

    make(tmp_path / "even", per_class=21, labels=labels)
    of_even = pd.read_csv(tmp_path / "even/manifests/tiny.csv").set_index("id")
    uneven = pd.read_csv(path).set_index("id")
    columns = ["label", "index", "seed", "attempt", "sha256", "predicted"]
    assert uneven[columns].equals(of_even.loc[uneven.index][columns])


def test_an_uneven_set_grows_and_goes_on(tmp_path: Path) -> None:
    make(tmp_path / "grown", counts=("zero=12", "two=3"), shard_size=20)
    assert make(tmp_path / "grown", counts=("two=3", "zero=12"), shard_size=20).unchanged
    make(tmp_path / "words", per_class=3)
    other_words = ("zero=3", "one=3", "two=03")
    assert make(tmp_path / "words", counts=other_words).unchanged
    larger = make(tmp_path / "grown", counts=("zero=25", "two=13"), shard_size=20)
    assert larger.skipped == ()  # the first shard has more of class two now
    even = make(tmp_path / "grown", counts=("zero=35", "two=13"), shard_size=20)
    assert even.skipped == (0, 1)
    make(tmp_path / "whole", counts=("zero=35", "two=13"), shard_size=20)
    assert files(tmp_path / "grown") == files(tmp_path / "whole")
    with pytest.raises(ResumeError, match="--counts was two=13,zero=35, is two=13,zero=34"):
        make(tmp_path / "grown", counts=("zero=34", "two=13"), shard_size=20)
    with pytest.raises(ResumeError, match="--per-class was none, is 40"):
        make(tmp_path / "grown", per_class=40, shard_size=20)


def test_a_damaged_uneven_set_is_mended(tmp_path: Path) -> None:
    settings: dict[str, Any] = {"counts": ("zero=25", "two=3"), "shard_size": 20}
    make(tmp_path, **settings)
    before = files(tmp_path)
    (tmp_path / "data/tiny/hdf5/00001.h5").write_bytes(b"torn")
    (tmp_path / "data/tiny/png/two/00000/two/2-0000001.png").unlink()
    problems = verify(str(tmp_path / "manifests/tiny.csv"), progress=False).problems
    assert len(problems) >= 2
    assert make(tmp_path, **settings).skipped == (2,)
    assert files(tmp_path) == before


def test_counts_of_unknown_classes_are_refused(tmp_path: Path) -> None:
    with pytest.raises(
        SettingsError, match="expected classes of the generator, zero, one, two, re"
    ):
        make(tmp_path, counts=("three=3",))
    for wrong in (("zero",), ("zero=0",), ("zero=1", "zero=2"), ("=3",)):
        with pytest.raises(SettingsError, match="--counts: expected NAME=NUMBER of one or more"):
            make_settings(counts=wrong)
