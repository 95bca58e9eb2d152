import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from synthgen.errors import CheckpointError, ManifestError
from synthgen.gan.checkpoint import write_checkpoint
from synthgen.shards.generate import Networks
from synthgen.shards.load import load
from synthgen.shards.show import RebuiltImage, rebuild
from tests.shards.conftest import FRAMING, FakeSampler, fake_networks, make, make_checkpoint


@pytest.fixture
def built(tmp_path: Path) -> Path:
    """A published set."""
    make(tmp_path)
    return tmp_path


def show(root: Path, image_id: str, **options: Any) -> RebuiltImage:
    return rebuild(
        str(root / "manifests/tiny.csv"),
        image_id,
        **({"checkpoint": make_checkpoint(), "networks": fake_networks} | options),
    )


def test_every_row_is_rebuilt_exactly(built: Path) -> None:
    digits, table = (
        load(str(built / "manifests/tiny.csv")),
        pd.read_csv(built / "manifests/tiny.csv"),
    )
    assert table["attempt"].max() > 0
    for row in (0, int(table["attempt"].argmax()), 74):
        shown = show(built, table["id"][row])
        np.testing.assert_array_equal(shown.image, digits.images[row])
        assert shown.identical
        assert shown.stored == {"hdf5": "identical", "png": "identical"}
        assert shown.row["seed"] == table["seed"][row]


def test_a_row_of_a_selection_is_rebuilt_too(built: Path) -> None:
    pd.read_csv(built / "manifests/tiny.csv").iloc[10:20].to_csv(
        built / "manifests/sure.csv", index=False
    )
    assert rebuild(
        str(built / "manifests/sure.csv"), "1-0000003", make_checkpoint(), networks=fake_networks
    ).identical


def test_the_summary_draws_the_image(built: Path) -> None:
    lines = show(built, "1-0000003").lines()
    assert all(len(line) == 16 for line in lines[:8])
    assert any(line.split() == ["sha256", show(built, "1-0000003").row["sha256"]] for line in lines)
    assert lines[-1] == "Rebuilt: identical to the stored image."


def test_another_generator_than_the_recorded_one_is_refused(built: Path) -> None:
    with pytest.raises(
        CheckpointError, match=f"{make_checkpoint().sha256}, received {make_checkpoint(1).sha256}"
    ):
        show(built, "1-0000003", checkpoint=make_checkpoint(1))


@pytest.mark.slow
def test_a_generator_in_the_cache_need_not_be_named(
    built: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SYNTHGEN_CACHE", str(tmp_path / "cache"))
    with pytest.raises(
        CheckpointError,
        match=f"the set, {make_checkpoint().sha256}: it is neither the shipped one nor one of",
    ):
        show(built, "1-0000003", checkpoint=None)
    for weight in (1, 0):
        write_checkpoint(
            str(tmp_path / f"cache/checkpoints/cdcgan-{weight}"), make_checkpoint(weight)
        )
    assert show(built, "1-0000003", checkpoint=None).identical


def test_an_id_that_is_not_there(built: Path) -> None:
    with pytest.raises(ManifestError, match="received '1-0000025'"):
        show(built, "1-0000025")


def test_a_machine_that_computes_otherwise_is_noticed(built: Path) -> None:
    class Other(FakeSampler):
        def images(self, latents: np.ndarray, labels: np.ndarray) -> np.ndarray:
            return np.bitwise_xor(super().images(latents, labels), 1)

    path = built / "manifests/tiny.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"versions": {"tensorflow": "1.0"}}))
    shown = show(built, "1-0000003", networks=lambda _, batch: Networks(Other(batch), None))
    assert not shown.identical
    assert shown.stored["png"] == "differs in 64 of 64 values"
    assert "DIFFERS" in shown.lines()[-2]
    assert "tensorflow 1.0, now" in shown.lines()[-1]


def test_a_missing_file_is_named(built: Path) -> None:
    (built / "data/tiny/png/one/00000/one/1-0000003.png").unlink()
    shown = show(built, "1-0000003")
    assert not shown.identical
    assert shown.stored["hdf5"] == "identical"
    assert "no such file" in shown.stored["png"].lower()
    said = (
        "The stored image cannot be read (png). The rebuilt one has the SHA-256 and seed of "
        "its row in the manifest. "
    )
    assert (
        shown.lines()[-1]
        == said
        + "Running the same `synthgen build` again, with the same versions, makes the stored "
        "image again."
    )


def test_a_file_that_is_no_picture_cannot_be_read(built: Path) -> None:
    (built / "data/tiny/png/one/00000/one/1-0000003.png").write_bytes(b"torn")
    shown = show(built, "1-0000003")
    assert shown.stored["png"].startswith(
        "cannot be read: data/tiny/png/one/00000/one/1-0000003.png: Expected a whole PNG"
    )
    assert "DIFFERS" not in "".join(shown.lines())
    (built / "data/tiny/hdf5/00000.h5").unlink()
    assert "cannot be read (hdf5, png)" in show(built, "1-0000003").verdict


def test_a_row_that_tells_another_hash(built: Path) -> None:
    path, table = built / "manifests/tiny.csv", pd.read_csv(built / "manifests/tiny.csv")
    table.loc[table["id"] == "1-0000003", "sha256"] = "0" * 64
    table.to_csv(path, index=False)
    shown = show(built, "1-0000003")
    assert not shown.identical
    assert (
        shown.verdict
        == "Rebuilt: identical to the stored image, but it does NOT have the SHA-256 and seed of "
        "its row."
    )
    (built / "data/tiny/png/one/00000/one/1-0000003.png").unlink()
    assert (
        "The rebuilt one does NOT have the SHA-256 and seed of its row"
        in show(built, "1-0000003").verdict
    )


def test_a_seed_that_a_spreadsheet_has_rounded_is_named(built: Path) -> None:
    path = built / "manifests/tiny.csv"
    table = pd.read_csv(path)
    seed = int(table["seed"][12])
    unit = 10 ** (len(str(seed)) - 15)
    shown = int(float(f"{seed:.5e}"))  # such as 5.80988E+18
    both = int(float(f"{seed:.14e}"))
    for rounded in (seed // unit * unit, int(float(seed)), shown, both):  # 15 digits, a double
        table["seed"] = table["seed"].where(table.index != 12, rounded)
        table.to_csv(path, index=False)
        shown = show(built, table["id"][12])
        assert shown.unrounded_seed == seed
        assert not shown.identical
        assert set(shown.stored.values()) == {"identical"}
        assert f"it is {rounded}, and was {seed}." in shown.lines()[-1]


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("label", "7", "Expected a label from 0 to 2 for '1-0000003' .*, received 7"),
        ("png", "../outside.png", "which leads out of it"),
        ("hdf5", "", "which leads out of it"),
    ],
)
def test_rows_that_cannot_be_followed(built: Path, column: str, value: str, message: str) -> None:
    path = built / "manifests/tiny.csv"
    table = pd.read_csv(path, dtype=str, keep_default_na=False)
    table.loc[table["id"] == "1-0000003", column] = value
    table.to_csv(path, index=False)
    with pytest.raises(ManifestError, match=message):
        show(built, "1-0000003")


def test_an_image_like_the_users_pictures_is_rebuilt(tmp_path: Path) -> None:
    make(tmp_path, framing=FRAMING)
    shown = show(tmp_path, "1-0000003")
    assert (shown.image.shape, shown.identical) == ((12, 10, 3), True)


def test_a_large_image_is_drawn_smaller(built: Path) -> None:
    shown = show(built, "1-0000003")
    large = dataclasses.replace(shown, image=np.zeros((300, 200, 1), np.uint8))
    lines = large.lines()
    assert lines[59:61] == [" " * 80, "id                     1-0000003"]
