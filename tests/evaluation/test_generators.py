import dataclasses
import importlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from synthgen.config import BenchmarkSettings, GanSettings
from synthgen.datasets.digits import Digits
from synthgen.datasets.splits import RealDigits
from synthgen.errors import CheckpointError, DataError, Interrupted, TrainingDiverged
from synthgen.evaluation import generators as module
from synthgen.evaluation.generators import (
    check_disjoint,
    check_saw_only,
    draw_synthetic,
    named_generator,
    own_generator,
    ready_set,
    transfer_source,
)
from synthgen.evaluation.synthetic import SyntheticRecord, SyntheticSource
from synthgen.gan.checkpoint import read_checkpoint, shipped_checkpoint, write_checkpoint
from synthgen.gan.job import TrainingJob
from tests.evaluation.conftest import hashes
from tests.shards.conftest import FakeScreener, fake_networks, make_checkpoint

KNOWN = SyntheticRecord(
    kind="a set that is there", saw=30, saw_more_than_cell=False, checkpoint_sha256="d" * 64
)


@pytest.fixture
def patches() -> Digits:
    """30 images of 8 x 8, 10 of each of three classes; class k has a bright row 2k + 1."""
    random = np.random.Generator(np.random.Philox(key=7))
    labels = np.tile(np.arange(3, dtype=np.uint8), 10)
    images = random.integers(0, 60, (30, 8, 8, 1), dtype=np.uint8)
    images[np.arange(30), 2 * labels + 1] = 255
    return Digits(images, labels, ("a", "b", "c"))


@pytest.fixture
def own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> SyntheticSource:
    """Generators that train in seconds, kept in a cache of this test's."""
    small = GanSettings(
        batch=8,
        latent=6,
        label_embedding=3,
        generator_channels=(8, 8, 4),
        discriminator_channels=(4, 8, 8),
        discriminator_dense=8,
        r1_every=4,
    )
    monkeypatch.setenv("SYNTHGEN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(module, "recipe_for", lambda counts, name: small)
    monkeypatch.setattr("synthgen.classifiers.screener.SCREENER_LEAST_STEPS", 5)
    return own_generator(BenchmarkSettings(gan_images=32), "patches")


@pytest.fixture
def trainings(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Digits, dict[str, Any]]]:
    """The calls that trained a GAN or its screening classifier: the images, and the rest."""
    importlib.import_module("synthgen.gan.train")
    calls: list[tuple[Digits, dict[str, Any]]] = []

    def recorded(original: Callable[..., Any]) -> Callable[..., Any]:
        def call(given: TrainingJob | Digits, *rest: Any, **named: Any) -> Any:
            digits = given.digits if isinstance(given, TrainingJob) else given
            calls.append(
                (digits, {"what": original.__name__, "given": given, "rest": rest} | named)
            )
            return original(given, *rest, **named)

        return call

    modules = [found for place, found in sys.modules.items() if place.startswith("synthgen.gan.")]
    for name in ("train", "train_screener"):
        for place in modules:  # under whatever name a module has imported it
            if callable(getattr(place, name, None)):
                monkeypatch.setattr(place, name, recorded(getattr(place, name)))
    return calls


@pytest.mark.slow
def test_a_generator_is_trained_once_on_the_cells_images_alone(
    own: SyntheticSource,
    patches: Digits,
    trainings: list[tuple[Digits, dict[str, Any]]],
    tmp_path: Path,
) -> None:
    made = own.make(patches, 5, 3)
    assert {call["what"] for _, call in trainings} == {"train", "train_screener"}
    assert all(hashes(digits.images) == hashes(patches.images) for digits, _ in trainings)
    (job,) = (call["given"] for _, call in trainings if call["what"] == "train")
    assert job.validation is None
    assert made.digits.counts().tolist() == [5, 5, 5]
    assert made.digits.labels.tolist() == [0, 1, 2] * 5
    assert (made.record.saw, made.record.saw_more_than_cell, made.record.steps) == (30, False, 4)
    left = {file.name for file in (tmp_path / "cache").rglob("*") if file.is_file()}
    assert {"checkpoint.json", "generator-000004.safetensors", "log.csv"} <= left
    # what only an unfinished training needs
    assert not {name for name in left if name.startswith("state")}
    trainings.clear()
    again = own.make(patches, 7, 3)
    assert trainings == []
    # a larger set begins with the smaller one
    assert again.digits.images[:15].tolist() == made.digits.images.tolist()


def test_another_draw_seed_or_recipe_is_another_generator(
    own: SyntheticSource, patches: Digits, monkeypatch: pytest.MonkeyPatch
) -> None:
    folders: list[str] = []

    def noted(job: TrainingJob, *, resume: bool) -> None:
        folders.append(job.out)
        raise Interrupted("enough")

    monkeypatch.setattr("synthgen.gan.train.train", noted)
    longer = own_generator(BenchmarkSettings(gan_images=40), "patches")
    assert longer.trains
    for generator, digits, seed in (
        (own, patches, 0),
        (own, patches, 1),
        (own, patches.take(slice(0, 15)), 0),
        (longer, patches, 0),
    ):
        with pytest.raises(Interrupted, match="within the training of a generator; all is saved"):
            generator.make(digits, 1, seed)
    assert len(set(folders)) == 4
    assert own.describe((10, 10, 10)) != longer.describe((10, 10, 10))


def test_a_training_that_was_stopped_goes_on(
    own: SyntheticSource, patches: Digits, monkeypatch: pytest.MonkeyPatch
) -> None:
    resumed: list[bool] = []

    def stops(job: TrainingJob, *, resume: bool) -> None:
        resumed.append(resume)
        Path(job.out, "training").mkdir(parents=True, exist_ok=True)
        Path(job.out, "training", "state.json").write_text("{}")
        raise Interrupted("stopped")

    monkeypatch.setattr("synthgen.gan.train.train", stops)
    for _ in range(2):
        with pytest.raises(Interrupted):
            own.make(patches, 1, 0)
    assert resumed == [False, True]


def test_a_diverged_training_says_what_to_do(
    own: SyntheticSource, patches: Digits, monkeypatch: pytest.MonkeyPatch
) -> None:
    def diverges(*rest: Any, **named: Any) -> None:
        raise TrainingDiverged("Training diverged.")

    monkeypatch.setattr("synthgen.gan.train.train", diverges)
    with pytest.raises(
        TrainingDiverged, match=r"Remove .*benchmark-.* and name another --gan-images"
    ):
        own.make(patches, 1, 0)


def test_a_generator_that_saw_other_images_is_refused(
    tiny_digits: Digits,
) -> None:
    shipped = read_checkpoint(shipped_checkpoint())
    seen = "exactly the cell's 200 real images, received one that has seen 55000 others"
    remedy = "Name it with --generator to measure it all the same, marked in every table"
    with pytest.raises(CheckpointError, match=f"{seen}.*{remedy}"):
        check_saw_only(shipped, tiny_digits)


def test_a_foreign_checkpoint_in_the_cache_is_refused(
    own: SyntheticSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever put it there: what its record says it has seen is compared with the cell's images."""
    trainings = []

    def foreign(job: TrainingJob, *, resume: bool) -> None:
        trainings.append(job.out)
        write_checkpoint(
            job.out,
            dataclasses.replace(
                make_checkpoint(),
                record={"step": 4, "training_data": {"sha256": "f" * 64, "images": 30}},
            ),
        )

    monkeypatch.setattr("synthgen.gan.train.train", foreign)
    fewer = Digits(
        np.zeros((15, 8, 8, 1), np.uint8),
        np.tile(np.arange(3, dtype=np.uint8), 5),
        ("zero", "one", "two"),
    )
    for _ in range(2):
        with pytest.raises(
            CheckpointError,
            match="exactly the cell's 15 real images, received one that has seen 30 others",
        ):
            own.make(fewer, 1, 0)
    assert len(trainings) == 1  # the second time it was found, and refused again


def test_a_named_generator_is_used_whatever_it_has_seen(tiny_digits: Digits) -> None:
    named = named_generator("shipped", tiny_digits)
    assert not named.trains
    made = named.make(tiny_digits, 2, 0)
    assert made.digits.counts().tolist() == [2] * 10
    assert (made.record.saw, made.record.saw_more_than_cell) == (55_000, True)
    assert made.record.kind == "named by the user"


def test_a_named_generator_must_make_such_images(patches: Digits) -> None:
    expected = r"expected one of images \(8, 8, 1\) of classes a, b, c"
    received = r"received one of \(28, 28, 1\) of 0, 1"
    with pytest.raises(CheckpointError, match=f"{expected}, {received}"):
        named_generator("shipped", patches)


def test_images_are_screened_unless_a_class_cannot_be_made(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Hopeless(FakeScreener):
        """Sure that there is never a class 1."""

        def probabilities(self, images: np.ndarray) -> np.ndarray:
            return np.where(
                np.arange(3) == np.where(images[:, 0, 0, 0] == 1, 2, images[:, 0, 0, 0])[:, None],
                0.96,
                0.02,
            ).astype(np.float32)

    monkeypatch.setattr(module, "load_networks", fake_networks)
    digits, screened, acceptance = draw_synthetic(make_checkpoint(), 40, 0)
    assert digits.counts().tolist() == [40, 40, 40]
    assert screened
    assert 0.5 < acceptance < 1
    assert (
        FakeScreener().probabilities(digits.images).argmax(axis=1).tolist()
        == digits.labels.tolist()
    )
    monkeypatch.setattr(
        module,
        "load_networks",
        lambda *given: dataclasses.replace(fake_networks(*given), screener=Hopeless()),
    )
    digits, screened, acceptance = draw_synthetic(make_checkpoint(), 40, 0)
    assert digits.counts().tolist() == [40, 40, 40]
    assert (screened, acceptance) == (False, 1.0)


def test_the_work_of_a_training_grows_with_its_steps(own: SyntheticSource, patches: Digits) -> None:
    counts = (10, 10, 10)
    once = own.work(counts, patches)
    twice = own_generator(BenchmarkSettings(gan_images=64), "patches").work(counts, patches)
    assert twice.training == pytest.approx(2 * once.training)
    assert twice.image == once.image > 0
    no_digits = Digits(np.zeros((0, 28, 28, 1), np.uint8), np.zeros(0, np.uint8))
    assert named_generator("shipped", no_digits).work(counts, patches).training == 0


def test_a_set_that_is_there_is_handed_out_whole(patches: Digits) -> None:
    source = ready_set(patches, KNOWN)
    assert source.make(patches.take(slice(0, 3)), 1, 5) == source.make(patches, 7, 0)
    assert source.make(patches, 1, 0).digits is patches
    assert source.make(patches, 1, 0).record == KNOWN
    assert source.describe((1, 1, 1)) == source.describe((5, 5, 5))
    other = dataclasses.replace(KNOWN, checkpoint_sha256="e" * 64)
    assert source.describe((1, 1, 1)) != ready_set(patches, other).describe((1, 1, 1))
    assert not source.trains


def target(digits: Digits) -> RealDigits:
    """Somebody's own digits: 100 to draw from, 100 to test on."""
    return RealDigits(
        train=digits.take(slice(0, 100)),
        validation=digits.take(slice(0)),
        test=digits.take(slice(100, 200)),
        source="own digits",
        sha256="e" * 64,
    )


def test_digits_that_the_generator_has_seen_are_refused(unequal_digits: Digits) -> None:
    own = target(unequal_digits)
    check_disjoint("f" * 64, None, own)
    with pytest.raises(DataError, match=r"received those that it was trained on \(own digits\)"):
        check_disjoint(own.train.sha256(), None, own)
    with pytest.raises(DataError, match="the generator has not seen"):
        check_disjoint("e" * 64, None, own)


def test_own_images_among_the_generators_are_refused(unequal_digits: Digits) -> None:
    own = target(unequal_digits)
    others = Digits(255 - unequal_digits.images, unequal_digits.labels)
    check_disjoint("f" * 64, others, own)
    with pytest.raises(DataError, match=r"Expected test digits .* received 3 of 100 that are"):
        check_disjoint("f" * 64, unequal_digits.take(slice(90, 103)), own)
    with pytest.raises(DataError, match=r"Expected training digits .* received 2 of 100 that are"):
        check_disjoint("f" * 64, unequal_digits.take(slice(0, 2)), own)


def test_real_digits_are_used_if_the_generator_was_trained_on_them(
    unequal_digits: Digits, tmp_path: Path
) -> None:
    own = target(unequal_digits)
    other = transfer_source("shipped", own, unequal_digits.take(slice(0, 50)), 7)
    assert (other.real, other.real_sha256, other.per_class) == (None, "", 7)
    shipped = read_checkpoint(shipped_checkpoint())
    assert other.describe() == {
        "generator": {"kind": "named by the user", "checkpoint_sha256": shipped.sha256},
        "real": "",
        "per_class": 7,
    }
