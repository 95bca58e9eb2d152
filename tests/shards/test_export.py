import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from synthgen import pipeline
from synthgen.cli import cli
from synthgen.errors import DataError, Interrupted, ManifestError, ResumeError, SettingsError
from synthgen.shards import npz
from synthgen.shards.export import ExportResult, export_set
from synthgen.shards.verify import verify
from tests.shards.conftest import FRAMING, fail_after, files, make, stop

MANIFEST = "manifests/tiny.csv"


def export(root: Path | str, *formats: str) -> ExportResult:
    return export_set(f"{root}/{MANIFEST}", formats, progress=False)


def record(root: Path) -> dict[str, Any]:
    return dict(json.loads((root / "manifests/tiny.json").read_text()))


@pytest.mark.parametrize("framing", [None, FRAMING])
def test_an_exported_set_is_one_built_in_these_formats(tmp_path: Path, framing: Any) -> None:
    """Byte for byte, but for the manifest, which stays: evaluations of the set hold."""
    later = ("png", "webdataset", "tfrecord", "parquet", "npz")
    make(tmp_path / "built", formats=("hdf5", *later), framing=framing)
    make(tmp_path / "exported", formats=("hdf5",), framing=framing)
    before = files(tmp_path / "exported")
    done = export(tmp_path / "exported", *later)
    after = files(tmp_path / "exported")
    assert after.pop(MANIFEST) == before.pop(MANIFEST)
    expected = files(tmp_path / "built")
    del expected[MANIFEST]
    assert after == expected

    built = record(tmp_path / "built")["shards"]
    exported = record(tmp_path / "exported")["shards"]
    assert [entry["sha256"] for entry in exported] == [entry["sha256"] for entry in built]
    assert done.written == 75
    assert not (tmp_path / "exported/manifests/.tiny.export").exists()
    assert verify(f"{tmp_path}/exported/{MANIFEST}").problems == []


def test_a_second_export_changes_nothing(root: str) -> None:
    make(root)
    assert not export(root, "npz").unchanged
    assert export(root, "npz").unchanged
    again = export(root, "npz", "hdf5")
    assert again.lines()[0].startswith("Nothing to do: 75 images as npz, hdf5, are in place")
    assert verify(f"{root}/{MANIFEST}").problems == []


def test_an_exported_set_grows_and_is_mended_in_all_formats(tmp_path: Path) -> None:
    made = make(tmp_path)
    export(tmp_path, "npz")
    assert make(tmp_path).unchanged
    path = tmp_path / "data/tiny/npz/00001.npz"
    whole = path.read_bytes()
    path.unlink()
    assert "shard 1, npz: 1 file missing" in verify(made.manifest_path).problems[0]
    assert make(tmp_path).repaired == ("shard 1",)
    assert path.read_bytes() == whole

    grown = make(tmp_path, per_class=40)
    assert grown.skipped == (0, 1)
    assert grown.record.formats == ("hdf5", "png", "npz")
    assert len(list(path.parent.iterdir())) == 4
    assert verify(made.manifest_path).problems == []
    with pytest.raises(ResumeError, match="`synthgen export` makes further formats"):
        make(tmp_path, formats=("hdf5", "png", "npz", "webdataset"))

    assert make(tmp_path, overwrite=True, seed=5).record.formats == ("hdf5", "png")
    assert not path.exists()


def test_damaged_files_are_read_in_another_format_and_mended(tmp_path: Path) -> None:
    make(tmp_path)
    path = tmp_path / "data/tiny/hdf5/00001.h5"
    whole = path.read_bytes()
    path.write_bytes(whole[:-1] + b"?")
    export(tmp_path, "npz")
    assert export(tmp_path, "hdf5").written == 30
    assert path.read_bytes() == whole
    assert verify(f"{tmp_path}/{MANIFEST}").problems == []


def test_nothing_is_published_of_a_set_that_is_damaged_in_all_formats(tmp_path: Path) -> None:
    make(tmp_path, formats=("hdf5",))
    path = tmp_path / "data/tiny/hdf5/00002.h5"
    path.write_bytes(path.read_bytes() + b"?")
    before = (tmp_path / "manifests/tiny.json").read_bytes()
    with pytest.raises(DataError, match="files of shard 2 with the hashes of the run record"):
        export(tmp_path, "npz")
    assert (tmp_path / "manifests/tiny.json").read_bytes() == before


def test_a_stopped_export_does_no_harm_and_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = make(tmp_path)
    with monkeypatch.context() as patch:
        fail_after(patch, npz, "encode", 1, KeyboardInterrupt())
        with pytest.raises(Interrupted, match="1 of 3 shards finished and kept"):
            export(tmp_path, "npz")
    report = verify(made.manifest_path)
    assert report.problems == []
    assert "--formats npz` completes it" in report.lines()[-1]
    assert make(tmp_path).unchanged
    assert export(tmp_path, "npz").written == 45
    assert verify(made.manifest_path).unfinished == ()


def test_an_export_killed_before_it_forgot_its_notes_is_finished(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr("synthgen.shards.export.write_record", stop)
        with pytest.raises(RuntimeError):
            export(tmp_path, "npz")
    assert "exported" not in record(tmp_path)
    done = export(tmp_path, "npz")
    assert done.written == 0
    assert record(tmp_path)["exported"] == ["npz"]
    assert verify(f"{tmp_path}/{MANIFEST}").problems == []


def test_what_cannot_be_exported_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(tmp_path, per_class=20)  # full shards, which a larger set keeps
    with pytest.raises(SettingsError, match="--formats: expected one or more of hdf5"):
        export(tmp_path, "gif")
    manifest = tmp_path / MANIFEST
    rows = manifest.read_text()
    manifest.write_text(rows.replace("condition", "classifier", 1))
    with pytest.raises(ManifestError, match="another path, content or record"):
        export(tmp_path, "npz")
    manifest.write_text(rows)
    with monkeypatch.context() as patch:
        patch.setattr("synthgen.shards.build.publish", stop)
        with pytest.raises(RuntimeError):
            make(tmp_path, per_class=40)
    with pytest.raises(ResumeError, match=r"A build of .tiny. .* is not finished"):
        export(tmp_path, "npz")


def test_an_evaluation_of_an_earlier_version_stops_no_export(tmp_path: Path) -> None:
    make(tmp_path)
    (tmp_path / "data/tiny/evaluation").mkdir()
    (tmp_path / "data/tiny/evaluation/evaluation.json").write_text('{"format": "earlier"}')
    done = pipeline.export(f"{tmp_path}/{MANIFEST}", ["npz"], progress=False)
    assert done.record.exported == ("npz",)
    assert "verdict" not in (tmp_path / "data/tiny/README.md").read_text()


def test_the_command_says_what_it_made(tmp_path: Path) -> None:
    make(tmp_path)
    result = CliRunner().invoke(cli, ["export", f"{tmp_path}/{MANIFEST}", "--formats", "npz"])
    assert result.exit_code == 0
    assert result.output.startswith("Exported 75 images as npz, in ")
    assert f"Shards   {tmp_path}/data/tiny: hdf5, png, npz" in result.output
