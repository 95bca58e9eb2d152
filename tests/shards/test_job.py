import dataclasses
import os
from pathlib import Path

import numpy as np
import pytest

from synthgen.datasets.digits import Digits
from synthgen.errors import (
    CheckpointError,
    DataError,
    ResumeError,
    SettingsError,
    StorageError,
)
from synthgen.shards import generate, job
from synthgen.shards.build import build
from synthgen.shards.job import identity_differences, identity_of_set, prepare
from synthgen.shards.plan import FORMER_PNG_FOLDERS, PNG_FOLDERS
from synthgen.shards.verify import verify
from tests.shards.conftest import (
    make,
    make_checkpoint,
    make_settings,
    no_networks,
)


def test_an_identity_leaves_out_what_changes_no_file() -> None:
    one = identity_of_set(make_settings(), "c", None, {})
    assert (
        identity_of_set(
            make_settings(name="other", max_attempts=99, formats=("png", "hdf5")), "c", None, {}
        )
        == one
    )
    assert identity_of_set(make_settings(seed=1), "c", None, {}) != one


def test_differences_are_said_in_words() -> None:
    before = identity_of_set(make_settings(), "a" * 64, None, {"numpy": "1"})
    now = identity_of_set(make_settings(seed=3), "b" * 64, "c" * 64, {"numpy": "2"})
    assert list(identity_differences(before, now).values()) == [
        "--seed was 0, is 3",
        f"checkpoint was {'a' * 12}..., is {'b' * 12}...",
        f"training images was none, is {'c' * 12}...",
        "version of numpy was 1, is 2",
    ]
    assert identity_differences(now, now) == {}


def test_patches_of_python_differ_in_nothing_that_matters() -> None:
    versions = ("3.11.7", "3.11.8", "3.12.7")
    old, patched, new = (
        identity_of_set(make_settings(), "c", None, {"python": version, "numpy": "2.0.0"})
        for version in versions
    )
    assert identity_differences(old, patched) == {}
    assert old != patched  # each is recorded as it is
    assert identity_differences(old, new) == {
        "version of python": "version of python was 3.11.7, is 3.12.7"
    }
    assert list(identity_differences(old, old | {"version of numpy": "2.0.1"})) == [
        "version of numpy"
    ]


def test_two_builds_of_one_name_at_once(tmp_path: Path) -> None:
    held = job.prepare(make_settings(), str(tmp_path), make_checkpoint(), None)
    with (
        job.locked(held.storage, held.name),
        pytest.raises(ResumeError, match="Another build of 'tiny' is running"),
    ):
        make(tmp_path)
    make(tmp_path)
    assert not (tmp_path / "manifests/.tiny.lock").exists()


@pytest.mark.parametrize("place", ["", "data", "data/tiny", "data/tiny/hdf5", "manifests"])
def test_a_file_where_a_folder_should_be(tmp_path: Path, place: str) -> None:
    path = tmp_path / "root" / place
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("a file")
    with pytest.raises(StorageError, match="Expected a folder at"):
        make(tmp_path / "root")


def test_bad_inputs_write_nothing(tmp_path: Path, reference: Digits) -> None:
    settings, place = make_settings(), str(tmp_path / "root")
    with pytest.raises(SettingsError, match="--shard-size"):
        make(place, shard_size=2)
    with pytest.raises(
        SettingsError, match="--batch: expected at least 3, one image of each class, received 2"
    ):
        make(place, batch=2)
    with pytest.raises(CheckpointError, match="--screen none"):
        build(settings, place, make_checkpoint(screener=False), networks=no_networks)
    with pytest.raises(DataError, match="generator's shape"):
        build(
            settings,
            place,
            make_checkpoint(),
            Digits(np.zeros((3, 4, 4, 1), np.uint8), np.arange(3, dtype=np.uint8)),
            networks=no_networks,
        )
    with pytest.raises(DataError, match="none of class 'two'"):
        make(place, reference=reference.take(reference.labels < 2))
    assert not os.path.exists(place)


def test_a_link_that_leaves_the_root_is_refused(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "root").mkdir()
    (tmp_path / "root/data").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StorageError, match=r"Expected data to lie in .*/root, found a link to"):
        make(tmp_path / "root")
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_a_checkpoint_whose_record_does_not_fit_is_refused(tmp_path: Path) -> None:
    checkpoint = dataclasses.replace(make_checkpoint(), record={"step": ["many"]})
    with pytest.raises(CheckpointError, match="step: expected a whole number, received"):
        build(make_settings(), str(tmp_path), checkpoint, networks=no_networks)


def test_a_set_of_former_png_folders_grows_in_them(tmp_path: Path) -> None:
    """It is begun by a version that says nothing of folders; what replaces it has today's."""
    begun = job.prepare(make_settings(), str(tmp_path), make_checkpoint())
    identity = dict(begun.identity)
    assert identity.pop(job.PNG_FOLDERS_ARE) == PNG_FOLDERS
    begun.unfinished.begin(identity)
    made = make(tmp_path)
    assert made.record.png_folders == FORMER_PNG_FOLDERS
    assert (tmp_path / "data/tiny/png/one/00000/1-0000003.png").exists()
    assert verify(made.manifest_path).problems == []
    assert make(tmp_path).unchanged

    assert make(tmp_path, per_class=40).skipped == (0, 1)
    assert verify(made.manifest_path).problems == []
    assert (tmp_path / "data/tiny/png/one/00000/1-0000039.png").exists()

    assert make(tmp_path, overwrite=True, seed=7).record.png_folders == PNG_FOLDERS
    assert verify(made.manifest_path).problems == []
    assert not (tmp_path / "data/tiny/png/one/00000/1-0000003.png").exists()


def test_a_set_goes_on_with_the_arithmetic_it_was_begun_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sets of earlier versions were drawn by TensorFlow; what replaces them is not."""

    def arithmetic() -> str:
        return prepare(make_settings(), str(tmp_path), make_checkpoint()).arithmetic

    assert arithmetic() == "numpy"
    with monkeypatch.context() as earlier:
        earlier.setattr(job, "drawing_versions", lambda _: {"tensorflow": "2", "numpy": "2"})
        make(tmp_path)
    assert arithmetic() == "tensorflow"
    begun = prepare(make_settings(), str(tmp_path), make_checkpoint())
    fresh = job.without_kept(begun)
    assert fresh.arithmetic == "numpy"
    assert fresh.versions["arithmetic"] == "NumPy, revision 1"
    assert fresh.identity["version of arithmetic"] == "NumPy, revision 1"


def test_what_can_change_a_pixel_depends_on_the_arithmetic() -> None:
    by_numpy = generate.drawing_versions("numpy", "pillow")
    by_tensorflow = generate.drawing_versions("tensorflow")
    assert by_numpy.keys() == {"python", "synthgen", "numpy", "pillow", "arithmetic"}
    assert by_tensorflow.keys() == {"python", "synthgen", "numpy", "tensorflow", "keras"}
    assert generate.arithmetic_of(by_numpy) == "numpy"
    assert generate.arithmetic_of(by_tensorflow) == "tensorflow"
