import itertools
import tempfile
import time
from pathlib import Path
from typing import Any

import pytest

from synthgen.datasets.digits import Digits
from synthgen.datasets.pixels import decode_png
from synthgen.errors import ResumeError, SettingsError
from synthgen.shards.dry_run import DryRun, dry_run_set
from synthgen.storage import Storage
from tests.shards.conftest import fake_networks, make, make_checkpoint, make_settings


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of each test's own."""
    monkeypatch.setenv("SYNTHGEN_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def run(
    root: Path,
    reference: Digits | None = None,
    preview: str | None = None,
    overwrite: bool = False,
    **changes: Any,
) -> DryRun:
    return dry_run_set(
        make_settings(**changes),
        str(root),
        make_checkpoint(),
        reference,
        preview,
        overwrite,
        networks=fake_networks,
    )


def test_it_says_what_would_be_made_and_writes_nothing(tmp_path: Path, reference: Digits) -> None:
    found = run(tmp_path / "root", reference)
    assert (found.count, found.shards) == (75, 3)
    assert found.images == "75 images, 25 of each of 3 classes"
    assert found.seconds > 0
    assert found.bytes_free is not None
    assert not (tmp_path / "root").exists()


def test_the_preview_shows_the_first_images_of_the_build(tmp_path: Path) -> None:
    found = run(tmp_path, preview=str(tmp_path / "preview.png"))
    assert found.preview == str(tmp_path / "preview.png")
    make(tmp_path)
    assert (
        decode_png(Path(found.preview).read_bytes())
        == decode_png((tmp_path / "data/tiny/contact_sheet.png").read_bytes())
    ).all()


def test_the_preview_of_a_name_has_one_place(tmp_path: Path, cache: Path) -> None:
    assert (
        run(tmp_path / "root").preview
        == run(tmp_path / "root", seed=1).preview
        == str(cache / "previews/tiny.png")
    )
    assert [path.name for path in cache.rglob("*.png")] == ["tiny.png"]


def test_without_a_cache_the_preview_lies_in_a_new_folder(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    cache.write_text("a file")
    found = Path(run(tmp_path / "root").preview)
    assert found.parent.parent == tmp_path
    assert decode_png(found.read_bytes()).shape[2] == 1


def test_a_root_that_cannot_be_written_to_is_shown_not_raised(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run(tmp_path).problem == ""
    monkeypatch.setattr(Storage, "seems_writable", lambda _: False)
    assert (
        run(tmp_path).lines()[-1]
        == f"WARNING: {tmp_path} cannot be written to. Name another --root before you build."
    )


def test_the_preview_of_a_set_that_the_classifier_labels(tmp_path: Path) -> None:
    checkpoint, preview = make_checkpoint(condition="none"), str(tmp_path / "preview.png")
    dry_run_set(
        make_settings(labels="classifier"),
        str(tmp_path),
        checkpoint,
        preview=preview,
        networks=fake_networks,
    )
    make(tmp_path, labels="classifier")
    assert (
        decode_png(Path(preview).read_bytes())
        == decode_png((tmp_path / "data/tiny/contact_sheet.png").read_bytes())
    ).all()


def test_too_little_space_is_shown_not_raised(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Storage, "free_bytes", lambda _: 1000)
    assert "NOT ENOUGH" in run(tmp_path).lines()[1]
    assert "of each of 3 classes" in run(tmp_path, per_class=10**12).lines()[0]


def test_bytes_needed_are_more_than_a_build_takes_not_absurd(tmp_path: Path) -> None:
    needed = run(tmp_path, per_class=200, shard_size=600).bytes_needed
    make(tmp_path / "root", per_class=200, shard_size=600)
    blocks = sum(
        path.stat().st_blocks * 512 for path in (tmp_path / "root").rglob("*") if path.is_file()
    )
    assert blocks < needed < 3 * blocks


def test_one_image_of_each_class(tmp_path: Path) -> None:
    assert run(tmp_path, per_class=1).count == 3


def test_what_is_there_already_is_said_or_refused(tmp_path: Path) -> None:
    assert run(tmp_path).lines()[1].startswith("Disk")
    make(tmp_path)
    assert run(tmp_path).lines()[1] == "All of it is there already: a build would change nothing."
    assert (
        run(tmp_path, per_class=30).lines()[1]
        == "A set of this name is there: it would be kept, and grow or be mended."
    )
    with pytest.raises(
        ResumeError, match=r"was built with other settings: .*--overwrite to replace it"
    ):
        run(tmp_path, seed=1)
    assert (
        run(tmp_path, seed=1, overwrite=True).lines()[1]
        == "The set of this name that is there would be replaced."
    )


def test_only_what_is_left_to_make_takes_space_and_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(time, "perf_counter", map(float, itertools.count(step=6)).__next__)
    whole = run(tmp_path)
    assert (whole.left, whole.lines()[0]) == (
        75,
        "Would make 75 images, 25 of each of 3 classes, in 3 shards.",
    )
    make(tmp_path, per_class=24)  # two whole shards, and a third that is made again as it grows
    grown = run(tmp_path)
    assert (grown.left, grown.bytes_needed, grown.state) == (
        15,
        whole.bytes_needed // 5,
        "incomplete",
    )
    assert grown.seconds == pytest.approx(whole.seconds / 5)
    assert grown.lines()[0] == "Would make 15 of 75 images, 25 of each of 3 classes, in 3 shards."
    (tmp_path / "data/tiny/png/two/00000/two/2-0000003.png").unlink()
    assert run(tmp_path).left == 45
    (tmp_path / "manifests/tiny.csv").unlink()
    assert run(tmp_path).left == 75


def test_an_unchanged_set_takes_neither_space_nor_time(tmp_path: Path) -> None:
    make(tmp_path)
    found = run(tmp_path)
    assert (found.left, found.bytes_needed, found.seconds) == (0, 0, 0)
    assert not any(line.startswith("Disk") for line in found.lines())
    replaced = run(tmp_path, seed=1, overwrite=True)
    assert (replaced.left, replaced.lines()[2][:4]) == (75, "Disk")


def test_finished_shards_of_an_unfinished_build_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("synthgen.shards.build.publish", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        make(tmp_path)
    assert (run(tmp_path).state, run(tmp_path).left) == ("unfinished", 0)
    (tmp_path / "data/tiny/hdf5/00002.h5").unlink()
    (tmp_path / "manifests/.tiny.parts/00000.csv").unlink()
    assert run(tmp_path).left == 45


def test_impossible_settings(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="--shard-size"):
        run(tmp_path, shard_size=1)
