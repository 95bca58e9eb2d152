import dataclasses
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from synthgen.datasets.digits import Digits
from synthgen.errors import CheckpointError, ScreeningExhausted
from synthgen.gan.latents import draw_latents, image_seed
from synthgen.shards.build import build
from synthgen.shards.generate import (
    NO_LABEL,
    Networks,
    draw_shard,
    recognise,
    reject_mislabelled,
    run_batch,
)
from synthgen.shards.load import load_rows
from synthgen.shards.plan import plan_set
from synthgen.shards.show import rebuild
from synthgen.shards.unfinished import UnfinishedBuild
from synthgen.shards.verify import verify
from tests.shards.conftest import (
    REPOSITORY,
    FakeSampler,
    FakeScreener,
    UnaskedSampler,
    draw,
    fail_after,
    fake_networks,
    files,
    make,
    make_checkpoint,
    make_settings,
    no_networks,
)


class PlaceSampler(FakeSampler):
    """Like compiled networks: pixels depend on the row of the batch."""

    def images(self, latents: np.ndarray, labels: np.ndarray) -> np.ndarray:
        images = super().images(latents, labels)
        images[:, 7, 7, 0] = np.arange(len(images))
        return images


def test_each_image_is_made_from_its_own_seed() -> None:
    drawn, _ = draw(1)
    for row in (0, 7, 29):
        label, index, attempt = (
            int(drawn.labels[row]),
            int(drawn.indices[row]),
            int(drawn.attempts[row]),
        )
        assert drawn.seeds[row] == image_seed(0, label, index, attempt)
        latents = np.zeros((1, 4), np.float32) + draw_latents(drawn.seeds[row : row + 1], 4)
        np.testing.assert_array_equal(
            drawn.images[row], FakeSampler(1).images(latents, np.array([label]))[0]
        )


def test_only_rejected_images_are_drawn_again() -> None:
    kept, _ = draw(screen="none")
    screened, _ = draw()
    first = FakeScreener().probabilities(kept.images).argmax(axis=1) == kept.labels
    assert 0 < first.sum() < len(first)
    np.testing.assert_array_equal(screened.attempts == 0, first)
    np.testing.assert_array_equal(screened.images[first], kept.images[first])
    assert (screened.screening.predicted == screened.labels).all()
    assert screened.screening.accepted.all()
    assert sum(screened.draws()) == (screened.attempts + 1).sum() > len(first)


def test_without_screening_predictions_are_still_noted() -> None:
    drawn, _ = draw(screen="none")
    assert drawn.draws() == [10, 10, 10]
    assert (drawn.screening.predicted != drawn.labels).any()
    np.testing.assert_allclose(drawn.screening.confidence, 0.96)


def test_without_a_classifier_there_are_no_predictions() -> None:
    settings = make_settings(screen="none")
    plan = plan_set(settings, make_checkpoint().class_names)
    drawn = draw_shard(
        plan.shard(0), plan, settings, fake_networks(make_checkpoint(screener=False), 16)
    )
    assert (drawn.screening.predicted == -1).all()
    assert np.isnan(drawn.screening.confidence).all()


@pytest.mark.parametrize("shard_size", [3, 9, 75])
def test_pixels_do_not_depend_on_the_shard_size(
    shard_size: int,
) -> None:
    images = {}
    for size in (30, shard_size):
        settings = make_settings(shard_size=size)
        plan = plan_set(settings, make_checkpoint().class_names)
        shards = [
            draw_shard(shard, plan, settings, Networks(PlaceSampler(16), FakeScreener()))
            for shard in plan.shards()
        ]
        images[size] = (
            np.concatenate([drawn.images for drawn in shards]),
            np.concatenate([drawn.seeds for drawn in shards]),
        )
    for one, other in zip(images[30], images[shard_size], strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_shard_of_many_batches_runs_no_batch_twice() -> None:
    settings = make_settings(screen="none", shard_size=45, per_class=15)
    plan, sampler = plan_set(settings, make_checkpoint().class_names), FakeSampler(16)
    counted: list[int] = []
    draw_shard(plan.shard(0), plan, settings, Networks(sampler, None), counted.append)
    assert sampler.calls == 3
    assert sum(counted) == 45


def test_a_class_that_cannot_be_made_ends_with_remedies() -> None:
    class Never(FakeScreener):
        def probabilities(self, images: np.ndarray) -> np.ndarray:
            right = super().probabilities(images)
            return np.where(images[:, 0, 0, :] == 1, right[:, [1, 2, 0]], right)

    settings = make_settings(max_attempts=3)
    plan = plan_set(settings, make_checkpoint().class_names)
    with pytest.raises(
        ScreeningExhausted,
        match=r"10 images of class 'one' in shard 0 within 3 draws each.*--max-attempts.*--screen "
        r"none",
    ) as caught:
        draw_shard(plan.shard(0), plan, settings, Networks(FakeSampler(16), Never()))
    assert "of the draws of that class were kept" in str(caught.value)


def test_the_rows_of_a_batch_that_hold_no_image_are_zero() -> None:
    class Spy(FakeSampler):
        def images(self, latents: np.ndarray, labels: np.ndarray) -> np.ndarray:
            self.filled = np.flatnonzero(latents.any(axis=1))
            return super().images(latents, labels)

    spy = Spy(16)
    run_batch(spy, np.array([5, 6], np.uint64), np.array([1, 2]), np.array([3, 15]), 16)
    assert spy.filled.tolist() == [3, 15]


def test_settings_of_another_seed_make_other_images() -> None:
    assert not np.array_equal(draw()[0].images, draw(seed=1)[0].images)
    assert dataclasses.asdict(make_settings())["seed"] == 0


PROBABILITIES = np.array([[0.95, 0.05], [0.05, 0.95], [0.11, 0.89], [0.1, 0.9]], np.float32)


LABELS = np.zeros(4, np.uint8)


def test_only_a_classifier_that_is_sure_of_another_class_rejects() -> None:
    screening = reject_mislabelled(PROBABILITIES, LABELS, True, 0.9)
    assert screening.accepted.tolist() == [True, False, True, False]
    assert screening.predicted.tolist() == [0, 1, 1, 1]
    np.testing.assert_allclose(screening.confidence, [0.95, 0.95, 0.89, 0.9], rtol=1e-6)


def test_a_confidence_of_zero_rejects_every_disagreement() -> None:
    assert reject_mislabelled(PROBABILITIES, LABELS, True, 0.0).accepted.tolist() == [
        True,
        False,
        False,
        False,
    ]


def test_none_keeps_all() -> None:
    assert reject_mislabelled(PROBABILITIES, LABELS, False, 0.0).accepted.all()


def test_a_label_from_the_classifier_needs_its_confidence() -> None:
    screening = recognise(PROBABILITIES, True, 0.9)
    assert screening.accepted.tolist() == [True, True, False, True]
    assert screening.predicted.tolist() == [0, 1, 1, 1]
    assert recognise(PROBABILITIES, False, 0.9).accepted.all()


def test_a_probability_that_is_not_a_number_never_counts_as_kept() -> None:
    broken = np.full((4, 2), np.nan, np.float32)
    for confidence in (0.0, 0.9, 1.0):
        assert not reject_mislabelled(broken, LABELS, True, confidence).accepted.any()
        assert not recognise(broken, True, confidence).accepted.any()
    assert not recognise(broken, False, 0.9).accepted.any()


# Labels from the screening classifier, because the generator knows nothing of classes.


UNASKED = make_checkpoint(condition="none")


def make_classified(root: Path, reference: Digits | None = None, **changes: Any) -> Any:
    return make(root, reference=reference, labels="classifier", **changes)


def draw_classified(number: int, networks: Networks, **changes: Any) -> Any:
    settings = make_settings(labels="classifier", **changes)
    plan = plan_set(settings, UNASKED.class_names)
    return draw_shard(plan.shard(number), plan, settings, networks)


def test_counts_are_exact_and_every_image_shows_its_class(
    tmp_path: Path, reference: Digits
) -> None:
    result = make_classified(tmp_path, reference)
    table = pd.read_csv(tmp_path / "manifests/tiny.csv")
    assert table["label"].value_counts().to_dict() == {0: 25, 1: 25, 2: 25}
    assert set(table["label_source"]) == {"classifier"}
    assert (table["predicted"] == table["label"]).all()
    assert (table["confidence"] >= 0.6).all()
    loaded = load_rows(result.manifest_path)
    images = loaded.digits.images
    assert set(loaded.rows["label_source"]) == {"classifier"}
    np.testing.assert_array_equal(
        FakeScreener().probabilities(images).argmax(axis=1), table["label"]
    )
    assert table["seed"].is_unique
    assert verify(result.manifest_path).problems == []


def test_an_image_is_the_first_draw_that_shows_its_class(tmp_path: Path) -> None:
    make_classified(tmp_path)
    table = pd.read_csv(tmp_path / "manifests/tiny.csv").set_index(["label", "index"])
    for index in range(25):
        seeds = np.array(
            [image_seed(0, NO_LABEL, index, attempt) for attempt in range(300)], np.uint64
        )
        images = UnaskedSampler(300).images(draw_latents(seeds, 4), np.zeros(300))
        shown = FakeScreener().probabilities(images).argmax(axis=1)
        for label in range(3):
            attempt = int(np.argmax(shown == label))
            assert (table.loc[(label, index), "attempt"], table.loc[(label, index), "seed"]) == (
                attempt,
                seeds[attempt],
            )


def test_only_a_classifier_that_is_sure_enough_gives_a_label(tmp_path: Path) -> None:
    class Unsure(FakeScreener):
        def probabilities(self, images: np.ndarray) -> np.ndarray:
            sure = super().probabilities(images)
            # 0.584 instead of 0.96
            return np.where(images[:, 7, 7] > 128, sure, (sure + 0.5) / 2.5)

    drawn = {
        screen: draw_classified(0, Networks(UnaskedSampler(16), Unsure()), screen=screen)
        for screen in ("mislabels", "none")
    }
    np.testing.assert_allclose(drawn["mislabels"].screening.confidence, 0.96)
    assert drawn["none"].screening.confidence.min() < 0.6
    assert sum(drawn["none"].draws()) < sum(drawn["mislabels"].draws())


def test_the_record_and_the_summaries_say_so(tmp_path: Path) -> None:
    result = make_classified(tmp_path, per_class=300)
    record = json.loads((tmp_path / "manifests/tiny.json").read_text())
    assert (record["label_source"], record["settings"]["labels"]) == ("classifier", "classifier")
    shares = record["acceptance"]
    assert 0.05 < shares["zero"] < shares["two"] < 0.6
    text = "\n".join(result.lines())
    assert (
        "Labels come from the screening classifier, trained on drawings; it saw each class in"
        in text
    )
    assert (
        f"{shares['zero']:.2%} (class 'zero') to {shares['two']:.2%} (class 'two') of the draws"
        in text
    )
    assert verify(result.manifest_path).lines()[1] == "Labels come from the screening classifier."


def test_twice_the_same_search_makes_the_same_bytes(tmp_path: Path, reference: Digits) -> None:
    for folder in ("a", "b"):
        make_classified(tmp_path / folder, reference)
    assert files(tmp_path / "a") == files(tmp_path / "b")


@pytest.mark.parametrize("shard_size", [3, 10, 300])
def test_the_shard_size_changes_no_recognised_image(tmp_path: Path, shard_size: int) -> None:
    tables = []
    for size in (30, shard_size):
        make_classified(tmp_path / str(size), shard_size=size)
        tables.append(
            pd.read_csv(tmp_path / str(size) / "manifests/tiny.csv")
            .set_index(["label", "index"])
            .sort_index()
        )
    for column in ("id", "seed", "attempt", "sha256", "predicted", "confidence"):
        assert tables[0][column].tolist() == tables[1][column].tolist()


def test_recognised_pixels_do_not_depend_on_the_shard_size() -> None:
    class PlaceSampler(UnaskedSampler):
        def images(self, latents: np.ndarray, labels: np.ndarray) -> np.ndarray:
            images = super().images(latents, labels)
            images[:, 7, 7, 0] = np.arange(len(images))
            return images

    def everything(size: int) -> np.ndarray:
        return np.concatenate(
            [
                draw_classified(
                    k, Networks(PlaceSampler(16), FakeScreener()), shard_size=size, per_class=20
                ).images
                for k in range(60 // size)
            ]
        )

    np.testing.assert_array_equal(everything(15), everything(60))


def test_a_recognised_set_grows_to_the_same_bytes(tmp_path: Path) -> None:
    make_classified(tmp_path / "grown", per_class=20)
    assert make_classified(tmp_path / "grown", per_class=50).skipped == (0, 1)
    make_classified(tmp_path / "whole", per_class=50)
    assert files(tmp_path / "grown") == files(tmp_path / "whole")


KILLED_SEARCH = """
import os, signal, sys, threading
from synthgen.shards.unfinished import UnfinishedBuild
from tests.shards.test_generate import make_classified
work, done, lock = UnfinishedBuild.finish, [], threading.Lock()
def deadly(*args):
    with lock:  # one of the two shards that are made side by side is finished
        done.append(1)
        if len(done) > 1:
            os.kill(os.getpid(), signal.SIGKILL)
        return work(*args)
UnfinishedBuild.finish = deadly
make_classified(sys.argv[1])
"""


@pytest.mark.slow
def test_kill_9_while_searching_ends_in_the_same_bytes(tmp_path: Path) -> None:
    arguments = [sys.executable, "-c", KILLED_SEARCH, str(tmp_path / "killed")]
    killed = subprocess.run(
        arguments, cwd=REPOSITORY, env=os.environ | {"PYTHONPATH": str(REPOSITORY)}, check=False
    )
    assert killed.returncode == -signal.SIGKILL
    assert make_classified(tmp_path / "killed").skipped in [(0,), (1,)]
    make_classified(tmp_path / "whole")
    assert files(tmp_path / "killed") == files(tmp_path / "whole")


def test_a_failure_while_writing_ends_in_the_same_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fail_after(monkeypatch, UnfinishedBuild, "finish", 1, RuntimeError("stop"))
    with pytest.raises(RuntimeError, match="stop"):
        make_classified(tmp_path / "killed")
    monkeypatch.undo()
    make_classified(tmp_path / "killed")
    make_classified(tmp_path / "whole")
    assert files(tmp_path / "killed") == files(tmp_path / "whole")


def test_batches_are_mostly_full_and_all_classes_share_the_draws() -> None:
    networks = Networks(UnaskedSampler(30), FakeScreener())
    drawn = draw_classified(0, networks, shard_size=3000, per_class=1000, batch=30)
    counted: Any = networks.sampler
    made, needed = 30 * counted.calls, int((drawn.attempts.reshape(1000, 3).max(axis=1) + 1).sum())
    assert needed < made < 1.5 * needed
    assert made < sum(drawn.draws())  # what a search for each class by itself would take


@pytest.mark.parametrize("image_id", ["0-0000003", "1-0000017", "2-0000024"])
def test_a_recognised_row_is_rebuilt_to_its_exact_pixels(tmp_path: Path, image_id: str) -> None:
    manifest = make_classified(tmp_path).manifest_path
    shown = rebuild(manifest, image_id, UNASKED, networks=fake_networks)
    assert shown.identical
    assert shown.row["label_source"] == "classifier"
    assert any(line.split() == ["label_source", "classifier"] for line in shown.lines())


def test_a_rare_class_ends_the_build_and_more_attempts_go_on(
    tmp_path: Path,
) -> None:
    with pytest.raises(
        ScreeningExhausted,
        match=r"class 'zero' in shard \d within 9 draws each; after 9 draws \d+ of them are "
        r"still missing",
    ) as caught:
        make_classified(tmp_path / "a", max_attempts=9)
    assert "with confidence 0.6 or more, in " in str(caught.value)
    needed = int(
        str(caught.value)
        .partition("Raise --max-attempts to ")[2]
        .partition(" or more")[0]
        .replace(",", "")
    )
    assert 50 < needed < 500
    make_classified(tmp_path / "a", max_attempts=needed)
    make_classified(tmp_path / "b")
    assert files(tmp_path / "a") == files(tmp_path / "b")


def test_a_class_that_never_comes_is_given_up_early() -> None:
    class Never(UnaskedSampler):
        def images(self, latents: np.ndarray, labels: np.ndarray) -> np.ndarray:
            return super().images(np.abs(latents), labels)  # no image of the first two classes

    sampler = Never(30)
    with pytest.raises(
        ScreeningExhausted,
        match=r"in 0\.00% of the generator's images\. It may never\. Run again, with "
        r"--overwrite.*--labels per-class",
    ):
        draw_classified(
            0, Networks(sampler, FakeScreener()), shard_size=300, per_class=100, batch=30
        )
    assert sampler.calls * 30 < 30_000  # and not 2000 draws of each


def test_shards_before_the_failing_one_are_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_classified(tmp_path / "whole")
    table = pd.read_csv(tmp_path / "whole/manifests/tiny.csv").groupby("shard")["attempt"].max()
    assert table[0] < table[1:].max()
    with pytest.raises(ScreeningExhausted, match=r"in shard [12] within"):
        make_classified(tmp_path / "killed", max_attempts=int(table[0]) + 1)
    assert 0 in make_classified(tmp_path / "killed").skipped
    assert files(tmp_path / "killed") == files(tmp_path / "whole")


def test_without_a_classifier_there_are_no_labels(tmp_path: Path) -> None:
    checkpoint = make_checkpoint(screener=False, condition="none")
    with pytest.raises(CheckpointError, match="screening classifier to take labels from"):
        build(
            make_settings(labels="classifier", screen="none"),
            str(tmp_path),
            checkpoint,
            networks=no_networks,
        )
