import dataclasses
import hashlib
import json
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from synthgen.config import EVALUATION_ARMS, EvaluationSettings
from synthgen.datasets.digits import Digits
from synthgen.datasets.splits import RealDigits
from synthgen.errors import DataError, ResumeError
from synthgen.evaluation.cells import exclusive_cells
from synthgen.evaluation.evaluate import (
    Evaluated,
    EvaluationPlace,
    SyntheticSet,
    evaluate,
    evaluate_manifest,
    publish_evaluation,
)
from synthgen.evaluation.results import Evaluation, read_evaluation
from synthgen.evaluation.scenarios import LEAST_EVALUATION_STEPS
from synthgen.gan.checkpoint import TrainingData
from synthgen.metrics.intervals import HURTS
from synthgen.metrics.memorisation import OTHERS, SEEN, UNKNOWN
from synthgen.shards.load import Loaded
from synthgen.shards.run_record import GeneratorOrigin
from synthgen.storage import Storage
from tests.evaluation.conftest import FakeJudge, FakeNetwork

FOLDER = "data/digits/evaluation"
SETTINGS = EvaluationSettings(arms=("real", "real_synthetic", "synthetic"))
ONE = dataclasses.replace(SETTINGS, seeds=1)
Run = Callable[..., Evaluated]


@pytest.fixture
def run(
    judge: FakeJudge,
    fake_network: FakeNetwork,
    synthetic: Digits,
    real: RealDigits,
    storage: Storage,
) -> Run:
    """Evaluates the synthetic digits, or others, with fakes, and publishes what was found."""

    def evaluate_digits(
        settings: EvaluationSettings = SETTINGS,
        digits: Digits = synthetic,
        data: RealDigits = real,
        folder: str = FOLDER,
        judge: FakeJudge = judge,
        **known: Any,
    ) -> Evaluated:
        evaluated = evaluate(
            SyntheticSet(name="digits", digits=digits, **known),
            data,
            settings,
            EvaluationPlace(storage=storage, folder=folder),
            judge=judge.judge(),
            network=fake_network.network,
        )
        if not evaluated.reused:
            publish_evaluation(evaluated, {"report.html": "<!doctype html>"})
        return evaluated

    return evaluate_digits


def test_every_arm_takes_the_same_steps_with_the_same_seeds(run: Run, judge: FakeJudge) -> None:
    run(EvaluationSettings())
    assert {training.steps for training in judge.trainings} == {LEAST_EVALUATION_STEPS}
    assert [training.seed for training in judge.trainings] == [1000] * 5 + [1001] * 5 + [1002] * 5
    assert [len(training.digits) for training in judge.trainings] == [60, 210, 150, 60, 210] * 3
    assert [training.strength > 0 for training in judge.trainings] == [
        False,
        False,
        False,
        True,
        True,
    ] * 3


def test_a_short_evaluation_has_the_least_number_of_steps(run: Run, judge: FakeJudge) -> None:
    run(dataclasses.replace(ONE, epochs=0.02))
    assert {training.steps for training in judge.trainings} == {LEAST_EVALUATION_STEPS}


def test_steps_are_passes_over_the_real_training_digits(run: Run, judge: FakeJudge) -> None:
    found = run(dataclasses.replace(ONE, epochs=200)).evaluation
    # 200 passes over 60 digits, 16 at a time
    assert {training.steps for training in judge.trainings} == {750}
    assert {cell.steps for cell in found.cells} == {750}


def test_the_figures_are_written_beside_the_set(run: Run, storage: Storage) -> None:
    evaluated = run()
    found = read_evaluation(storage.read_bytes(f"{FOLDER}/evaluation.json"))
    assert found == evaluated.evaluation
    assert storage.read_bytes(f"{FOLDER}/report.html") == b"<!doctype html>"
    assert {path.rpartition("/")[2] for path in storage.files(FOLDER)} == {
        "cells.jsonl",
        "evaluation.json",
        "measures.json",
        "report.html",
    }
    assert evaluated.place.report == f"{storage.url}/{FOLDER}/report.html"


def test_an_evaluation_holds_what_it_is_of(evaluation: Evaluation) -> None:
    assert (evaluation.real.train, evaluation.real.test) == (60, 120)
    assert evaluation.synthetic.per_class == (15,) * 10
    assert evaluation.seeds == (1000, 1001, 1002)
    assert (evaluation.steps, evaluation.batch) == (LEAST_EVALUATION_STEPS, 16)
    assert tuple(arm.arm for arm in evaluation.arms) == EVALUATION_ARMS
    assert evaluation.comparison("both", "classical") is not None
    assert evaluation.measures.features["name"] == "fakenet"
    assert evaluation.measures.pixels[0].name == "mean"
    assert set(evaluation.versions) >= {"python", "synthgen", "tensorflow"}


def test_a_second_evaluation_trains_and_measures_nothing(
    run: Run, judge: FakeJudge, fake_network: FakeNetwork
) -> None:
    first, asked = run(), list(fake_network.asked)
    second = run()
    assert len(judge.trainings) == 9
    assert fake_network.asked == asked
    assert not first.reused
    assert second.reused
    assert second.evaluation == first.evaluation


@pytest.mark.parametrize("damage", [b"", b"{}"])
def test_a_damaged_result_is_made_again_from_what_was_finished(
    run: Run, judge: FakeJudge, fake_network: FakeNetwork, storage: Storage, damage: bytes
) -> None:
    first, asked = run().evaluation, list(fake_network.asked)
    storage.write_bytes(f"{FOLDER}/evaluation.json", damage)
    second = run()
    assert len(judge.trainings) == 9
    assert fake_network.asked == asked
    assert dataclasses.replace(second.evaluation, created=first.created) == first
    assert not second.reused


def test_damaged_measures_are_measured_again(
    run: Run, judge: FakeJudge, fake_network: FakeNetwork, storage: Storage
) -> None:
    first, asked = run().evaluation, list(fake_network.asked)
    for file in ("evaluation.json", "measures.json"):
        storage.write_bytes(f"{FOLDER}/{file}", b"{}")
    second = run().evaluation
    assert len(judge.trainings) == 9
    assert fake_network.asked == 2 * asked
    assert second.measures.fidelity == first.measures.fidelity


def test_a_killed_evaluation_goes_on_where_it_stopped(
    run: Run, judge: FakeJudge, storage: Storage
) -> None:
    judge.fail_at = 4
    with pytest.raises(KeyboardInterrupt):
        run()
    assert not storage.exists(f"{FOLDER}/evaluation.json")
    judge.fail_at = None
    resumed = run().evaluation
    assert len(judge.trainings) == 9
    whole = run(folder="data/other").evaluation
    assert resumed.comparisons == whole.comparisons
    assert resumed.agreement == whole.agreement
    assert resumed.measures.fidelity == whole.measures.fidelity
    assert [arm.by_seed for arm in resumed.arms] == [arm.by_seed for arm in whole.arms]


def test_more_seeds_and_more_arms_reuse_what_is_there(
    run: Run, judge: FakeJudge, fake_network: FakeNetwork
) -> None:
    run(dataclasses.replace(SETTINGS, seeds=2))
    asked = list(fake_network.asked)
    run(dataclasses.replace(SETTINGS, seeds=3))
    found = run(EvaluationSettings(seeds=3)).evaluation
    assert len(judge.trainings) == len(found.cells) == 15
    assert fake_network.asked == asked


def test_other_sample_sizes_measure_anew_and_train_nothing(
    run: Run, judge: FakeJudge, fake_network: FakeNetwork
) -> None:
    run(ONE)
    asked = list(fake_network.asked)
    assert run(dataclasses.replace(ONE, sample=50)).evaluation.measures.fidelity[0].images == 50
    assert len(judge.trainings) == 3
    assert len(fake_network.asked) == 2 * len(asked)


def test_a_later_feature_network_measures_anew_and_trains_nothing(
    run: Run, judge: FakeJudge, fake_network: FakeNetwork, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(ONE)
    asked = list(fake_network.asked)
    monkeypatch.setattr("synthgen.evaluation.evaluate.DIGITNET_REVISION", 99)
    assert not run(ONE).reused
    assert len(judge.trainings) == 3
    assert len(fake_network.asked) == 2 * len(asked)


def test_another_set_setting_or_classifier_starts_anew(
    run: Run, judge: FakeJudge, synthetic: Digits, real: RealDigits
) -> None:
    run(ONE)
    run(ONE, synthetic.take(slice(10, 150)))
    run(dataclasses.replace(ONE, epochs=200))
    other = FakeJudge(name="another")
    run(ONE, judge=other)
    run(ONE, data=dataclasses.replace(real, sha256="b" * 64))
    assert (len(judge.trainings), len(other.trainings)) == (12, 3)


def test_shuffled_labels_are_found_out(run: Run, tiny_digits: Digits) -> None:
    shuffled = Digits(tiny_digits.images, np.random.default_rng(0).permutation(tiny_digits.labels))
    found = run(SETTINGS, shuffled).evaluation
    # 200 labels: one standard error is 0.02
    assert found.agreement.share.mean == pytest.approx(0.1, abs=0.06)
    assert found.agreement.failed_classes == tuple(range(10))
    assert {comparison.arm: comparison.verdict for comparison in found.comparisons}[
        "synthetic"
    ] == HURTS


def test_faithful_labels_are_agreed_with(evaluation: Evaluation) -> None:
    assert evaluation.agreement.share.mean > 0.99
    assert evaluation.agreement.failed_classes == ()
    assert np.trace(np.array(evaluation.agreement.confusion)) > 0.99 * 3 * 150


def test_one_seed_is_undecided(run: Run, storage: Storage) -> None:
    found = run(ONE)
    assert {comparison.verdict for comparison in found.evaluation.comparisons} == {"undecided"}
    assert (
        json.loads(storage.read_bytes(f"{FOLDER}/evaluation.json"))["comparisons"][0]["difference"][
            "low"
        ]
        is None
    )


def test_a_large_set_is_cut_to_the_first_of_each_class(run: Run, judge: FakeJudge) -> None:
    found = run(dataclasses.replace(ONE, max_synthetic=100)).evaluation
    assert (found.synthetic.images, found.synthetic.used) == (150, 100)
    assert [len(training.digits) for training in judge.trainings] == [60, 160, 100]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda d: Digits(d.images[:, :24], d.labels),
            r"shape \(28, 28, 1\), received \(24, 28, 1\)",
        ),
        (
            lambda d: Digits(d.images, d.labels, tuple("abcdefghij")),
            "classes 0, 1, 2, .* received a, b, c",
        ),
        (
            lambda d: d.take(slice(0, 60)),
            "at least 10 synthetic digits of each class .* received 6 of class 0. Build more",
        ),
        (lambda d: d.take(d.labels != 7), "received 0 of class 7"),
    ],
)
def test_a_set_that_does_not_fit_is_refused_beforehand(
    run: Run,
    judge: FakeJudge,
    fake_network: FakeNetwork,
    synthetic: Digits,
    storage: Storage,
    change: Any,
    message: str,
) -> None:
    with pytest.raises(DataError, match=message):
        run(SETTINGS, change(synthetic))
    assert judge.trainings == []
    assert fake_network.asked == []
    assert storage.files("") == []


def test_too_few_test_digits_are_refused(run: Run, real: RealDigits) -> None:
    with pytest.raises(DataError, match="at least 10 real test digits of each class"):
        run(data=dataclasses.replace(real, test=real.test.take(slice(0, 0))))


def test_reading_and_reporting_load_no_tensorflow() -> None:
    code = (
        "import sys, synthgen.evaluation.evaluate\n"
        "sys.exit('tensorflow' in sys.modules or 'keras' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


@pytest.fixture
def manifest(
    synthetic: Digits, storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> list[dict[str, Any]]:
    """A manifest that stands for the synthetic digits; the calls that read its images."""
    calls: list[dict[str, Any]] = []

    def load_rows(manifest: str, **options: Any) -> Loaded:
        calls.append({"manifest": manifest} | options)
        rows = pd.DataFrame(
            {"id": [f"{label}-{row:07d}" for row, label in enumerate(synthetic.labels)]}
        )
        return Loaded(
            synthetic,
            rows,
            1000 * synthetic.counts(),
            GeneratorOrigin(sha256="0" * 64, training_data=TrainingData(source="Mine", images=7)),
        )

    monkeypatch.setattr("synthgen.evaluation.evaluate.load_rows", load_rows)
    storage.write_bytes("manifests/mine.csv", b"id,label\n")
    return calls


@pytest.fixture
def run_manifest(
    judge: FakeJudge, fake_network: FakeNetwork, real: RealDigits, storage: Storage
) -> Run:
    """Evaluates the set of `manifest` with fakes; nothing is published."""

    def evaluate_mine(settings: EvaluationSettings = ONE, or_fuller: bool = False) -> Evaluated:
        return evaluate_manifest(
            "manifests/mine.csv",
            storage.url,
            real,
            settings,
            judge=judge.judge(),
            network=fake_network.network,
            or_fuller=or_fuller,
        )

    return evaluate_mine


def published(evaluated: Evaluated) -> Evaluated:
    publish_evaluation(evaluated, {"report.html": "<!doctype html>"})
    return evaluated


def test_a_manifest_is_loaded_only_where_something_is_to_do(
    run_manifest: Run, judge: FakeJudge, storage: Storage, manifest: list[dict[str, Any]]
) -> None:
    first = published(run_manifest(SETTINGS))
    second = run_manifest(SETTINGS)
    assert manifest == [
        {
            "manifest": "manifests/mine.csv",
            "root": storage.url,
            "per_class": 20_000,
            "fit_to_generator": True,
        }
    ]
    assert (first.reused, second.reused) == (False, True)
    assert first.place.report == f"{storage.url}/data/mine/evaluation/report.html"
    synthetic = first.evaluation.synthetic
    assert synthetic.sha256 == hashlib.sha256(b"id,label\n").hexdigest()
    assert synthetic.generator_trained_on == {"source": "Mine", "images": 7}
    assert (synthetic.images, synthetic.used) == (150_000, 150)
    storage.write_bytes("manifests/mine.csv", b"id,label\n1,2\n")
    assert not run_manifest(SETTINGS).reused
    # the same images: what the real digits alone teach is not learnt again
    assert len(judge.trainings) == 9 + 6


def test_a_fuller_evaluation_is_left_alone_where_it_will_do(
    run_manifest: Run, manifest: list[dict[str, Any]]
) -> None:
    full = published(run_manifest(EvaluationSettings(seeds=2))).evaluation
    kept = run_manifest(ONE, or_fuller=True)
    assert (kept.reused, kept.evaluation) == (True, full)
    # not the same measures
    assert not run_manifest(dataclasses.replace(ONE, sample=50), or_fuller=True).reused
    # not the same cells
    assert not run_manifest(dataclasses.replace(ONE, epochs=200), or_fuller=True).reused
    # what was asked for, and no more
    assert len(run_manifest(ONE).evaluation.cells) == 3
    assert not run_manifest(EvaluationSettings(seeds=3), or_fuller=True).reused


def test_nothing_is_published_beside_a_changed_set(
    run_manifest: Run, storage: Storage, manifest: list[dict[str, Any]]
) -> None:
    folder = "data/mine/evaluation"
    evaluated = run_manifest()
    storage.write_bytes("manifests/mine.csv", b"id,label\n1,2\n")
    with pytest.raises(ResumeError, match=r"received another one: .* Nothing was published"):
        published(evaluated)
    storage.remove("manifests/mine.csv")
    with pytest.raises(ResumeError, match=r"mine\.csv to stay the same .*, received none"):
        published(evaluated)
    assert not storage.exists(f"{folder}/report.html")
    assert not storage.exists(f"{folder}/evaluation.json")
    storage.write_bytes("manifests/mine.csv", b"id,label\n")
    published(evaluated)
    assert storage.exists(f"{folder}/evaluation.json")


def test_a_second_process_does_not_evaluate_the_same_set(
    run: Run, storage: Storage, judge: FakeJudge
) -> None:
    with (
        exclusive_cells(storage, FOLDER, "An evaluation of this set"),
        pytest.raises(ResumeError, match="An evaluation of this set is running"),
    ):
        run()
    assert judge.trainings == []


def test_suspect_labels_come_with_the_rows_of_the_manifest(
    run_manifest: Run, manifest: list[dict[str, Any]]
) -> None:
    found = run_manifest()
    first = found.evaluation.agreement.suspects[0]
    assert found.used is not None
    assert found.used.labels[first.position] == first.label
    assert found.rows.iloc[first.position]["id"] == f"{first.label}-{first.position:07d}"


def test_suspect_labels_are_found_in_a_set_sorted_by_class(
    run: Run, synthetic: Digits, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("synthgen.evaluation.evaluate.MOST_READ", 100)
    ordered = synthetic.take(np.argsort(synthetic.labels, kind="stable"))
    # a 0 as the second 4
    wrong = Digits(
        np.where(np.arange(150)[:, None, None, None] == 61, synthetic.images[:1], ordered.images),
        ordered.labels,
    )
    first = run(ONE, wrong).evaluation.agreement.suspects[0]
    assert (first.position, first.label, first.seen_as) == (61, 4, 0)


@pytest.mark.parametrize("saw", [UNKNOWN, OTHERS, SEEN])
def test_what_the_generator_saw_is_said(run: Run, mnist_like: RealDigits, saw: str) -> None:
    trained_on = {
        UNKNOWN: {},
        OTHERS: {"sha256": "of others", "source": "X", "images": 9},
        SEEN: {"sha256": mnist_like.train.sha256(), "source": "X", "images": 60},
    }[saw]
    found = run(ONE, data=mnist_like, trained_on=trained_on).evaluation
    assert found.measures.memorisation is not None
    assert found.measures.memorisation.generator_saw == saw
    assert found.synthetic.generator_saw_only_real_train == (saw == SEEN)
    marks = {arm.arm: arm.mark for arm in found.arms}
    assert marks == {
        "real": "",
        "real_synthetic": {
            UNKNOWN: "has seen nobody knows what",
            OTHERS: "has seen 9",
            SEEN: "",
        }[saw],
        "synthetic": marks["real_synthetic"],
    }
