import ast
import dataclasses
import hashlib
import inspect
import json
from pathlib import Path

import numpy as np
import pytest

from synthgen.config import GanSettings
from synthgen.errors import CheckpointError
from synthgen.gan import presets
from synthgen.gan.checkpoint import (
    Checkpoint,
    read_checkpoint,
    remove_former_weights,
    shipped_checkpoint,
    write_checkpoint,
)
from synthgen.gan.presets import BASELINE_SETTINGS
from synthgen.records import fingerprint
from synthgen.storage import open_storage
from synthgen.weights import pack_weights


def example(step: int = 7) -> Checkpoint:
    return Checkpoint(
        settings=GanSettings(steps=9),
        class_names=("a", "b"),
        image_shape=(8, 8, 1),
        generator={"up/kernel": np.arange(6, dtype=np.float32).reshape(2, 3)},
        screener={"logits/bias": np.ones(2, np.float32)},
        record={"step": step, "preset": "cdcgan"},
    )


def test_what_was_written_is_read(tmp_path: Path) -> None:
    write_checkpoint(str(tmp_path), example())
    back = read_checkpoint(str(tmp_path))
    assert (back.settings, back.class_names, back.image_shape) == (
        example().settings,
        ("a", "b"),
        (8, 8, 1),
    )
    np.testing.assert_array_equal(back.generator["up/kernel"], example().generator["up/kernel"])
    assert back.record["preset"] == "cdcgan"
    assert back.sha256 == example().sha256 == back.record["sha256"]


def test_identity_is_weights_and_settings_not_the_record() -> None:
    assert example(step=1).sha256 == example(step=2).sha256
    other = example()
    other.generator["up/kernel"][0, 0] = 5
    assert other.sha256 != example().sha256


def test_the_baseline_names_every_setting() -> None:
    """A setting that is not named would follow its default, and change the identity of old ones."""
    tree = ast.parse(inspect.getsource(presets))
    (baseline,) = (
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "BASELINE_SETTINGS"
    )
    named = {keyword.arg for keyword in baseline.keywords}
    assert named == {field.name for field in dataclasses.fields(GanSettings)}


def test_identity_leaves_out_the_baseline_and_no_later_default() -> None:
    assert (
        example().sha256
        != dataclasses.replace(example(), settings=GanSettings(steps=9, ema=0.5)).sha256
    )
    weights = [
        hashlib.sha256(pack_weights(weights)).hexdigest()
        for weights in (example().generator, example().screener)
    ]
    chosen = {"steps": 9, "batch": 64}
    settings = dataclasses.replace(BASELINE_SETTINGS, **chosen)
    checkpoint = dataclasses.replace(example(), settings=settings)
    assert checkpoint.sha256 == fingerprint([chosen, ["a", "b"], [8, 8, 1], weights])


@pytest.mark.parametrize(
    ("condition", "per_class", "labels"),
    [("projection", False, "condition"), ("none", False, "none"), ("none", True, "per-class")],
)
def test_it_knows_how_its_images_get_their_labels(
    tmp_path: Path, condition: str, per_class: bool, labels: str
) -> None:
    checkpoint = dataclasses.replace(
        example(), settings=GanSettings(condition=condition), per_class=per_class
    )
    assert checkpoint.labels == labels
    write_checkpoint(str(tmp_path), checkpoint)
    assert json.loads((tmp_path / "checkpoint.json").read_text())["labels"] == labels
    assert read_checkpoint(str(tmp_path)).labels == labels
    with pytest.raises(CheckpointError, match="Train it again"):
        dataclasses.replace(example(), per_class=True)


def test_early_checkpoints_without_later_settings_are_read(
    tmp_path: Path,
) -> None:
    write_checkpoint(
        str(tmp_path),
        dataclasses.replace(example(), settings=GanSettings(steps=9, condition="none")),
    )
    record = json.loads((tmp_path / "checkpoint.json").read_text())
    del record["labels"], record["settings"]["cutout"], record["settings"]["norm_momentum"]
    (tmp_path / "checkpoint.json").write_text(json.dumps(record))
    back = read_checkpoint(str(tmp_path))
    assert (back.settings, back.labels, back.sha256) == (
        GanSettings(steps=9, condition="none"),
        "none",
        record["sha256"],
    )


def test_one_that_was_changed_is_written_with_its_own_identity(tmp_path: Path) -> None:
    write_checkpoint(str(tmp_path), example())
    changed = dataclasses.replace(
        read_checkpoint(str(tmp_path)), generator={"up/kernel": np.zeros(3, np.float32)}
    )
    write_checkpoint(str(tmp_path), changed)
    back = read_checkpoint(str(tmp_path))
    assert back.record["sha256"] == back.sha256 == changed.sha256 != example().sha256


def test_a_later_checkpoint_replaces_the_earlier_and_its_files(tmp_path: Path) -> None:
    write_checkpoint(str(tmp_path), example(step=7))
    write_checkpoint(str(tmp_path), example(step=8))
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "checkpoint.json",
        "generator-000008.safetensors",
        "screener.safetensors",
    ]
    assert read_checkpoint(str(tmp_path)).record["step"] == 8


def test_beside_a_damaged_record_no_weights_are_removed(tmp_path: Path) -> None:
    write_checkpoint(str(tmp_path), example(step=7))
    for content in (b"", b"{}"):
        (tmp_path / "checkpoint.json").write_bytes(content)
        remove_former_weights(open_storage(str(tmp_path)), "checkpoint.json")
        assert (tmp_path / "generator-000007.safetensors").exists()


def truncate(folder: Path) -> None:
    file = folder / "generator-000007.safetensors"
    file.write_bytes(file.read_bytes()[:-3])


def edit(key: str, value: object) -> object:
    def change(folder: Path) -> None:
        record = json.loads((folder / "checkpoint.json").read_text())
        (folder / "checkpoint.json").write_text(json.dumps(record | {key: value}))

    return change


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (truncate, "generator-000007.safetensors is damaged"),
        (
            lambda folder: (folder / "generator-000007.safetensors").unlink(),
            "lacks its weights generator-000007",
        ),
        (lambda folder: (folder / "checkpoint.json").unlink(), "no readable checkpoint.json"),
        (lambda folder: (folder / "checkpoint.json").write_text("{"), "Expected JSON"),
        (lambda folder: (folder / "checkpoint.json").write_text("[]"), "found 'list'"),
        (edit("format", "other/9"), "found 'other/9'"),
        (edit("settings", {"steps": 0}), "--steps"),
        (edit("settings", {"unheard_of": 1}), "does not know: unheard_of.*made by a later version"),
        (edit("settings", []), "settings: expected an object"),
        (
            edit("labels", "per-class"),
            "says that labels come from 'per-class', its settings make 'condition'|Train it again",
        ),
        (
            edit("labels", "unheard-of"),
            "says that labels come from 'unheard-of', its settings make 'condition'",
        ),
        (edit("weights", {}), "generator"),
        (edit("weights", {"generator": {"file": "generator-000007.safetensors"}}), "sha256"),
        (edit("image_shape", [28, 28]), "image_shape: expected a list of 3"),
        (edit("image_shape", [28, 28, 0]), "Expected an image_shape of 1 to 4096 pixels a side"),
        (edit("class_names", []), "received 0 classes"),
        (edit("class_names", ["a", "c"]), "the file was changed since it was written"),
        (edit("settings", {"steps": 9, "generator_slope": 0.3}), "the file was changed since it"),
        (edit("step", "last"), "step: expected a whole number"),
        (edit("training_data", []), "training_data: expected an object"),
        (
            edit("training_data", {"sha256": 7}),
            "training_data: sha256: expected a text, received 7",
        ),
        (edit("alarms", [{"step": 5}]), "Expected a step, a name and a message of each alarm"),
        (edit("alarms", 5), "alarms: expected a list"),
        (
            edit(
                "weights",
                {role: {"file": "../x", "sha256": ""} for role in ("generator", "screener")},
            ),
            "expected the name of a file beside it, received '../x'",
        ),
    ],
)
def test_a_damaged_checkpoint_is_refused_with_its_fault(
    tmp_path: Path, damage: object, message: str
) -> None:
    write_checkpoint(str(tmp_path), example())
    damage(tmp_path)  # type: ignore[operator]
    with pytest.raises(CheckpointError, match=message):
        read_checkpoint(str(tmp_path))


def test_weights_that_are_not_finite_are_refused(tmp_path: Path) -> None:
    broken = example()
    broken.screener["logits/bias"][1] = np.inf
    write_checkpoint(str(tmp_path), broken)
    with pytest.raises(CheckpointError, match=r"screener.safetensors: expected finite weights"):
        read_checkpoint(str(tmp_path))


def test_a_checkpoint_leaves_those_in_other_folders_alone(tmp_path: Path) -> None:
    write_checkpoint(f"{tmp_path}/best", example(step=7))
    write_checkpoint(str(tmp_path), example(step=8))
    assert read_checkpoint(f"{tmp_path}/best").record["step"] == 7


def test_a_folder_that_is_not_there_is_refused() -> None:
    with pytest.raises(CheckpointError, match="Expected a checkpoint folder at /nowhere"):
        read_checkpoint("/nowhere/at/all")


def test_the_shipped_generator_is_whole_and_small() -> None:
    folder = Path(shipped_checkpoint())
    shipped = read_checkpoint(str(folder))
    assert shipped.image_shape == (28, 28, 1)
    assert shipped.class_names == tuple("0123456789")
    assert sum(path.stat().st_size for path in folder.iterdir()) <= 5_000_000
    assert shipped.record["training_data"]["images"] == 55_000
    assert shipped.record["step"] == shipped.settings.steps
    assert shipped.record["sha256"] == shipped.sha256
    assert shipped.labels == "condition"
    assert {
        "command",
        "seed",
        "seconds",
        "machine",
        "measured",
        "versions",
    } <= shipped.record.keys()
