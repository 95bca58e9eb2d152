"""The saved state of a training: what is refused, and what earlier versions left out."""

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from synthgen.config import GanSettings, TrainSettings
from synthgen.datasets.framing import FramingSettings
from synthgen.errors import CheckpointError, ResumeError
from synthgen.gan.resume import SavedRun, load_options, load_run, run_options, save_run
from synthgen.gan.run import lock_folder
from synthgen.records import versions
from synthgen.storage import open_storage

GAN = GanSettings(steps=9, r1_gamma=0)
IDENTITY = {"gan": asdict(GAN), "seed": 3, "preset": "fc", "training_data": "a" * 64}
OPTIONS = run_options(TrainSettings(seed=3, grid=7), "digits.npz", FramingSettings(fit="pad"))


def run(step: int = 5) -> SavedRun:
    arrays = {"step": np.array(step), "generator/up/kernel": np.ones((2, 3), np.float32)}
    log: dict[str, Any] = {"log": ["step,loss"], "events": [{"step": 1, "kind": "resumed"}]}
    return SavedRun(arrays, {"logits/bias": np.ones(2, np.float32)}, 1.5, log)


def edit(folder: Path, **changes: Any) -> None:
    """Change keys of state.json; None removes one."""
    file = folder / "training" / "state.json"
    record = json.loads(file.read_text()) | changes
    file.write_text(json.dumps({k: v for k, v in record.items() if v is not None}))


def test_what_was_saved_is_loaded(tmp_path: Path) -> None:
    storage = open_storage(str(tmp_path))
    assert load_run(storage, IDENTITY, resume=False) is None
    assert load_options(storage) is None
    save_run(storage, IDENTITY, run(), OPTIONS)
    loaded = load_run(storage, IDENTITY, resume=True)
    assert loaded is not None
    assert (loaded.seconds, loaded.log) == (1.5, run().log)
    assert loaded.arrays.keys() == run().arrays.keys()
    np.testing.assert_array_equal(loaded.arrays["generator/up/kernel"], np.ones((2, 3)))
    np.testing.assert_array_equal(loaded.screener["logits/bias"], np.ones(2))
    options = load_options(storage)
    assert options is not None
    run_settings = TrainSettings(seed=3, grid=7)
    assert options[:6] == ("fc", GAN, run_settings, None, "digits.npz", FramingSettings(fit="pad"))
    assert options.versions == versions()


def test_a_later_state_replaces_the_earlier_and_its_file(tmp_path: Path) -> None:
    storage = open_storage(str(tmp_path))
    save_run(storage, IDENTITY, run(5))
    save_run(storage, IDENTITY, run(6))
    assert storage.files("training") == ["training/state-000006.safetensors", "training/state.json"]


def test_what_a_kill_left_is_removed_when_a_training_goes_on(tmp_path: Path) -> None:
    storage = open_storage(str(tmp_path))
    save_run(storage, IDENTITY, run(6))
    for folder in ("", "best/", "good/"):
        storage.write_bytes(f"{folder}checkpoint.json", b'{"file": "generator-000006.safetensors"}')
        storage.write_bytes(f"{folder}generator-000006.safetensors", b"named")
    storage.write_bytes("someone-000005.safetensors", b"of someone else")
    expected = sorted(str(path) for path in tmp_path.rglob("*"))

    # each was replaced, and its process killed before it was removed; one is half-written
    storage.write_bytes("training/state-000005.safetensors", b"")
    storage.write_bytes("training/state.json.0123abcd.part", b"")
    for folder in ("", "best/", "good/"):
        storage.write_bytes(f"{folder}generator-000005.safetensors", b"")
    with lock_folder(storage):
        pass
    found = {str(path) for path in tmp_path.rglob("*")} - {str(tmp_path / ".lock")}
    assert sorted(found) == expected


def test_settings_that_are_equal_are_not_other_settings(tmp_path: Path) -> None:
    storage = open_storage(str(tmp_path))
    save_run(storage, IDENTITY, run())
    assert repr(asdict(GAN)["r1_gamma"]) == "0"
    equal = IDENTITY | {"gan": asdict(replace(GAN, r1_gamma=0.0))}
    assert load_run(storage, equal, resume=True) is not None
    other = IDENTITY | {"gan": asdict(replace(GAN, r1_gamma=0.5))}
    with pytest.raises(
        ResumeError, match=r"begun with other settings: r1_gamma was 0, is 0\.5\. Leave"
    ):
        load_run(storage, other, resume=True)


def test_a_state_without_options_is_run_as_its_preset_says(tmp_path: Path) -> None:
    """Early versions saved whose training it is, and nothing else."""
    storage = open_storage(str(tmp_path))
    save_run(storage, IDENTITY, run())
    edit(tmp_path, events=None)
    options = load_options(storage)
    assert options is not None
    assert options.run == TrainSettings(seed=3, samples_every=200, grid=5)  # of fc
    assert options.data == ""
    with pytest.raises(ResumeError, match=r"Pass the same --data, as it was then"):
        load_run(storage, IDENTITY | {"training_data": "f" * 64}, resume=True)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"seconds": "long"}, "state.json is damaged: seconds: expected a number"),
        ({"identity": 5}, "identity: expected an object"),
        ({"file": None}, "Expected the key 'file', which is missing"),
        ({"log": "step"}, "log: expected a list"),
        ({"file": "training/../../x.safetensors"}, "Expected a file such as training/state-00"),
    ],
)
def test_a_record_that_misstates_something_is_refused(
    changes: dict[str, Any], message: str, tmp_path: Path
) -> None:
    storage = open_storage(str(tmp_path))
    save_run(storage, IDENTITY, run())
    edit(tmp_path, **changes)
    with pytest.raises(CheckpointError, match=message):
        load_run(storage, IDENTITY, resume=True)
    with pytest.raises(CheckpointError, match=message):
        load_options(storage)


def test_a_damaged_state_is_refused(tmp_path: Path) -> None:
    storage = open_storage(str(tmp_path))
    save_run(storage, IDENTITY, run())
    (tmp_path / "training" / "state-000005.safetensors").write_bytes(b"cut")
    with pytest.raises(CheckpointError, match=r"state-000005.safetensors is damaged"):
        load_run(storage, IDENTITY, resume=True)
    (tmp_path / "training" / "state.json").write_text("{")
    with pytest.raises(CheckpointError, match=r"state.json is damaged"):
        load_run(storage, IDENTITY, resume=True)


def test_options_that_cannot_be_are_refused(tmp_path: Path) -> None:
    storage = open_storage(str(tmp_path))
    save_run(storage, IDENTITY, run(), OPTIONS)
    edit(tmp_path, run={"grid": 0})
    with pytest.raises(CheckpointError, match="--grid: expected"):
        load_options(storage)
    edit(tmp_path, run={}, identity=IDENTITY | {"gan": {"unheard_of": 1}})
    with pytest.raises(CheckpointError, match="does not know: unheard_of"):
        load_options(storage)


def test_weights_that_are_not_finite_are_refused(tmp_path: Path) -> None:
    storage = open_storage(str(tmp_path))
    broken = run()
    broken.arrays["generator/up/kernel"][0, 0] = np.nan
    save_run(storage, IDENTITY, broken)
    with pytest.raises(CheckpointError, match="expected finite weights"):
        load_run(storage, IDENTITY, resume=True)
