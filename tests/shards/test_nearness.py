"""Duplicates and memorised images: what a shard is by definition, and that nothing else decides."""

import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from synthgen.datasets.digits import Digits
from synthgen.errors import DataError, ResumeError, ScreeningExhausted
from synthgen.metrics.neighbours import NearestTrain
from synthgen.shards.content import ShardContent
from synthgen.shards.generate import Networks, draw_shard, run_batch, seeds_and_slots
from synthgen.shards.job import prepare
from synthgen.shards.nearness import Nearness, NearnessLimits, take_limits
from synthgen.shards.on_cluster import make_shard, prepare_worker
from synthgen.shards.partitions import make_partition, merge, parse_partition
from synthgen.shards.plan import plan_set
from synthgen.shards.run_record import describe_nearness
from synthgen.shards.show import rebuild
from synthgen.shards.verify import verify
from tests.shards.conftest import (
    CLASSES,
    FakeSampler,
    FakeScreener,
    UnaskedSampler,
    drawings,
    fake_networks,
    files,
    make,
    make_checkpoint,
    make_settings,
)

ALL = "mislabels,duplicates,memorised"
NAMES = ("zero", "one", "two")
LIMITS = (0.8, 0.7, 0.9)  # so wide that some of the draws are too near


def nearness(limits: tuple[float, ...] = LIMITS) -> Nearness:
    return Nearness(NearnessLimits(limits, drawings(2)), NearestTrain(drawings(1)))


def drawn(number: int = 0, limits: tuple[float, ...] = LIMITS, **changes: Any) -> ShardContent:
    settings = make_settings(**({"screen": ALL, "per_class": 25, "shard_size": 45} | changes))
    sampler = UnaskedSampler if settings.labels == "classifier" else FakeSampler
    networks = Networks(sampler(settings.batch), FakeScreener())
    plan = plan_set(settings, NAMES)
    return draw_shard(plan.shard(number), plan, settings, networks, nearness=nearness(limits))


def distance(image: np.ndarray, other: np.ndarray) -> float:
    difference = image.astype(np.float64) - other.astype(np.float64)
    return round(float(np.sqrt((difference**2).sum())) / 255, 4)


@pytest.mark.parametrize("number", [0, 1])
@pytest.mark.parametrize("screen", [ALL, "duplicates", "memorised,mislabels"])
def test_a_shard_is_what_its_definition_says(number: int, screen: str) -> None:
    """Index by index: the first draw that is neither mislabelled, nor near to one before it."""
    settings = make_settings(screen=screen, per_class=25, shard_size=45)
    train = drawings(1)
    found = drawn(number, screen=screen)
    rejected = {"mislabels": 0, "duplicates": 0, "memorised": 0}
    for label in range(CLASSES):
        kept: list[np.ndarray] = []
        rows = np.flatnonzero(found.labels == label)
        for row, index in zip(rows, found.indices[rows], strict=True):
            for attempt in range(20):
                asked = (np.array([label]), np.array([index]), np.array([attempt]))
                seeds, slots = seeds_and_slots(settings, CLASSES, *asked)
                batch = run_batch(FakeSampler(16), seeds, asked[0], slots, 16)
                image = batch[slots[0]]
                own = train.images[train.labels == label]
                reasons = {
                    "mislabels": FakeScreener().probabilities(image[None]).argmax() != label,
                    "memorised": min(distance(image, one) for one in own) < LIMITS[label],
                    "duplicates": any(distance(image, one) < LIMITS[label] for one in kept),
                }
                reason = [name for name, is_so in reasons.items() if is_so and name in screen]
                if not reason:
                    break
                rejected[reason[0]] += 1
            kept.append(image)
            np.testing.assert_array_equal(found.images[row], image)
            assert found.attempts[row] == attempt
            assert found.seeds[row] == seeds[0]
    assert found.nearness is not None
    for name, counts in found.nearness.rejected.items():
        assert sum(counts) == rejected[name] > 0
    assert sum(found.draws()) == len(found.labels) + sum(rejected.values())


@pytest.mark.parametrize("labels", ["condition", "classifier"])
def test_no_image_is_near_to_another_or_a_training_image(labels: str) -> None:
    found = drawn(labels=labels)
    assert found.nearness is not None
    assert min(map(sum, found.nearness.rejected.values())) > 0
    np.testing.assert_array_equal(
        found.nearness.distances, NearestTrain(drawings(1)).distances(found.images, found.labels)
    )
    for label, limit in enumerate(LIMITS):
        own = found.images[found.labels == label]
        assert found.nearness.distances[found.labels == label].min() >= limit
        assert min(distance(a, b) for i, a in enumerate(own) for b in own[:i]) >= limit
    assert (FakeScreener().probabilities(found.images).argmax(axis=1) == found.labels).all()


@pytest.mark.parametrize("labels", ["condition", "classifier"])
def test_images_stay_as_more_follow_in_their_shard(labels: str) -> None:
    small = drawn(1, labels=labels, per_class=25)
    large = drawn(1, labels=labels, per_class=30)
    of_small = np.isin(large.shard.ids(), small.shard.ids())
    np.testing.assert_array_equal(large.images[of_small], small.images)
    np.testing.assert_array_equal(large.attempts[of_small], small.attempts)


def test_nothing_is_drawn_again_where_nothing_is_near() -> None:
    plain = drawn(screen="mislabels", limits=(0.0, 0.0, 0.0))
    found = drawn(limits=(0.0, 0.0, 0.0))
    np.testing.assert_array_equal(found.images, plain.images)
    assert found.nearness is not None
    assert found.nearness.rejected == {"duplicates": (0, 0, 0), "memorised": (0, 0, 0)}
    before, after = found.nearness.coverage
    assert 0.5 < before == after <= 1


def test_equal_images_are_duplicates_at_any_distance() -> None:
    class OneImage(FakeSampler):
        def images(self, latents: np.ndarray, labels: np.ndarray) -> np.ndarray:
            return super().images(np.zeros_like(latents), labels)

    settings = make_settings(screen="duplicates")
    plan = plan_set(settings, NAMES)
    networks = Networks(OneImage(16), None)
    with pytest.raises(
        ScreeningExhausted, match=r"9 of them are still rejected as duplicates .*--screen mislabels"
    ):
        draw_shard(plan.shard(0), plan, settings, networks, nearness=nearness((0.0, 0.0, 0.0)))


def test_limits_are_the_quantile_of_unseen_digits() -> None:
    train, unseen = drawings(1), drawings(2, per_class=300)
    limits = take_limits(NearestTrain(train), unseen).limits
    for label, limit in enumerate(limits):
        own = unseen.images[unseen.labels == label]
        distances = NearestTrain(train).distances_in_class(own, label)
        assert limit == np.sort(distances)[3]  # three of 300 are nearer
    with pytest.raises(DataError, match=r"at least 50 validation digits .* received 49 of class"):
        take_limits(NearestTrain(train), drawings(2, per_class=49))


@pytest.fixture
def built(tmp_path: Path) -> Path:
    """A set that was screened for all reasons."""
    make(tmp_path, reference=drawings(1), held_out=drawings(2), screen=ALL, per_class=40)
    return tmp_path


def test_record_and_summary_say_what_was_drawn_again(built: Path) -> None:
    again = make(built, reference=drawings(1), held_out=drawings(2), screen=ALL, per_class=40)
    assert again.unchanged
    record = json.loads((built / "manifests/tiny.json").read_text())
    table = pd.read_csv(built / "manifests/tiny.csv")
    found = record["nearness"]
    assert list(found["limits"].values()) == record["nearness_limits"]
    assert set(found["rejected"]) == {"duplicates", "memorised"}
    for number, name in enumerate(NAMES):
        own = table[table["label"] == number]
        assert own["nearest_train_distance"].min() >= found["limits"][name]
        draws = (own["attempt"] + 1).sum()
        for reason, shares in found["rejected"].items():
            counted = sum(entry["rejected"][reason][number] for entry in record["shards"])
            assert shares[name] == round(counted / draws, 6)
    words = describe_nearness(again.record)
    assert "of all draws were duplicates within their shard (most of class" in words
    assert f"{found['coverage_before']:.1%} before" in words
    assert "were memorised" in (built / "data/tiny/README.md").read_text()
    assert not verify(str(built / "manifests/tiny.csv")).problems


def test_any_image_of_such_a_set_is_rebuilt(built: Path) -> None:
    table = pd.read_csv(built / "manifests/tiny.csv")
    for image_id in table["id"][table["attempt"].nlargest(3).index]:
        shown = rebuild(
            str(built / "manifests/tiny.csv"), image_id, make_checkpoint(), networks=fake_networks
        )
        assert shown.identical


def test_partitions_and_a_grown_set_have_the_same_bytes(built: Path, tmp_path: Path) -> None:
    settings = make_settings(screen=ALL, per_class=40)
    parts = tmp_path / "parts"
    for text in ("2/3", "1/3", "3/3"):
        job = prepare(settings, str(parts), make_checkpoint(), drawings(1), held_out=drawings(2))
        make_partition(parse_partition(text), job, networks=fake_networks, progress=False)
    merge("tiny", str(parts), progress=False)

    grown = tmp_path / "grown"
    for per_class in (13, 40):
        make(
            grown,
            reference=drawings(1),
            held_out=drawings(2),
            screen="memorised,mislabels,duplicates",
            per_class=per_class,
        )
    for folder in (parts, grown):
        for kind in ("data/tiny", "manifests"):
            assert files(folder / kind) == files(built / kind), kind


def test_other_unseen_digits_are_another_set(built: Path) -> None:
    with pytest.raises(ResumeError, match=r"distances that are too near was .*, is "):
        make(built, reference=drawings(1), held_out=drawings(3), screen=ALL, per_class=40)


@pytest.mark.parametrize("missing", ["reference", "held_out"])
def test_nearness_needs_the_training_images(tmp_path: Path, missing: str) -> None:
    given: dict[str, Digits | None] = {"reference": drawings(1), "held_out": drawings(2)}
    with pytest.raises(DataError, match="--screen memorised: expected the digits that the gener"):
        make(tmp_path, screen="memorised", **(given | {missing: None}))
    assert not list(tmp_path.iterdir())


def test_sets_without_have_records_without(tmp_path: Path) -> None:
    made = make(tmp_path, reference=drawings(1), held_out=drawings(2))
    record = json.loads((tmp_path / "manifests/tiny.json").read_text())
    assert not {"nearness", "nearness_limits"} & set(record)
    assert not {"rejected", "coverage"} & set(record["shards"][0])
    assert describe_nearness(made.record) == ""


def test_a_worker_of_a_cluster_makes_the_same_shard(built: Path, tmp_path: Path) -> None:
    settings = make_settings(screen=ALL, per_class=40)
    job = prepare(settings, str(tmp_path), make_checkpoint(), drawings(1), held_out=drawings(2))
    job.unfinished.begin(job.identity)
    worker = prepare_worker(pickle.loads(pickle.dumps((job, fake_networks))))
    (entry,) = make_shard(job.plan.shard(1), worker)
    made = files(tmp_path / "data/tiny")
    assert {path: files(built / "data/tiny")[path] for path in made} == made
    known = json.loads((built / "manifests/tiny.json").read_text())["shards"][1]
    assert {reason: list(counts) for reason, counts in entry.rejected.items()} == known["rejected"]


def test_what_finds_distances_goes_to_other_processes() -> None:
    images = drawings(5)
    expected = NearestTrain(drawings(1)).distances(images.images, images.labels)
    job = prepare(
        make_settings(screen=ALL),
        "memory://nowhere",
        make_checkpoint(),
        drawings(1),
        held_out=drawings(2),
    )
    nearest = pickle.loads(pickle.dumps(job)).nearest_train()
    np.testing.assert_array_equal(nearest.distances(images.images, images.labels), expected)
