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

from synthgen.config import EvaluationSettings
from synthgen.datasets.digits import Digits
from synthgen.datasets.splits import RealDigits
from synthgen.errors import DataError
from synthgen.evaluation.arms import ARMS
from synthgen.evaluation.evaluate import (
    LEAST_STEPS,
    Evaluated,
    SyntheticSet,
    evaluate,
    evaluate_manifest,
)
from synthgen.evaluation.results import Evaluation, read_evaluation
from synthgen.metrics.intervals import HURTS
from synthgen.metrics.memorisation import OTHERS, SEEN, UNKNOWN
from synthgen.reports.page.blocks import Report
from synthgen.shards.load import Loaded
from synthgen.shards.run_record import GeneratorOrigin, TrainingData
from synthgen.storage import Storage

FOLDER = "data/digits"
SETTINGS = EvaluationSettings(arms=("real", "real_synthetic", "synthetic"))
ONE = dataclasses.replace(SETTINGS, seeds=1)
Run = Callable[..., Evaluated]


@pytest.fixture
def run(
    fake: Any,
    fake_network: Any,
    synthetic: Digits,
    real: RealDigits,
    storage: Storage,
    monkeypatch: pytest.MonkeyPatch,
) -> Run:
    """Evaluate the synthetic digits, or others, with the fake classifier, the fake network and a page that draws nothing."""
    monkeypatch.setattr(
        "synthgen.evaluation.evaluate.render_evaluation",
        lambda *_: Report(html="<!doctype html>", markdown="", csv="", lines=()),
    )
    tools = {"judge": fake.judge(), "network": fake_network.network}

    def evaluate_digits(
        settings: EvaluationSettings = SETTINGS,
        digits: Digits = synthetic,
        data: RealDigits = real,
        folder: str = FOLDER,
    ) -> Any:
        return evaluate(SyntheticSet(digits=digits), data, settings, storage, folder, **tools)

    return evaluate_digits


def test_every_arm_takes_the_same_steps_with_the_same_seeds(run: Run, fake: Any) -> None:
    run(EvaluationSettings())
    assert {training.steps for training in fake.trainings} == {LEAST_STEPS}
    assert [training.seed for training in fake.trainings] == [1000] * 5 + [1001] * 5 + [1002] * 5
    assert [len(training.digits) for training in fake.trainings] == [60, 210, 150, 60, 210] * 3
    assert [training.strength > 0 for training in fake.trainings] == [
        False,
        False,
        False,
        True,
        True,
    ] * 3


def test_the_least_number_of_steps_is_that_of_the_options_help(run: Run, fake: Any) -> None:
    run(dataclasses.replace(ONE, epochs=0.02))
    assert {training.steps for training in fake.trainings} == {LEAST_STEPS}
    (epochs,) = (
        field for field in dataclasses.fields(EvaluationSettings) if field.name == "epochs"
    )
    assert f", {LEAST_STEPS} steps at least." in epochs.metadata["help"]


def test_steps_are_passes_over_the_real_training_digits(run: Run, fake: Any) -> None:
    found = run(dataclasses.replace(ONE, epochs=200)).evaluation
    # 200 passes over 60 digits, 16 at a time
    assert {training.steps for training in fake.trainings} == {750}
    assert {cell["steps"] for cell in found.cells} == {750}


def test_the_figures_are_written_beside_the_set(evaluation: Evaluation, storage: Storage) -> None:
    assert read_evaluation(storage.read_bytes(f"{FOLDER}/evaluation.json")) == evaluation
    assert storage.read_bytes(f"{FOLDER}/report.html").lower().startswith(b"<!doctype html>")
    assert storage.exists(f"{FOLDER}/report.md")
    assert storage.exists(f"{FOLDER}/evaluation.csv")
    assert evaluation.real["test"] == 120
    assert evaluation.synthetic["per_class"] == [15] * 10
    assert evaluation.settings["seeds"] == [1000, 1001, 1002]
    assert [arm.arm for arm in evaluation.arms] == list(ARMS)
    assert evaluation.beyond_classical is not None
    assert evaluation.features["name"] == "fakenet"
    assert evaluation.pixels[0].name == "mean"
    assert set(evaluation.versions) >= {"python", "synthgen", "tensorflow"}


def test_a_second_evaluation_of_the_same_trains_and_measures_nothing(
    run: Run, fake: Any, fake_network: Any
) -> None:
    first, asked = run(), list(fake_network.asked)
    second = run()
    assert len(fake.trainings) == 9
    assert fake_network.asked == asked
    assert not first.reused
    assert second.reused
    assert second.evaluation == first.evaluation
    assert second.lines()[-1].startswith("This evaluation was there already")


@pytest.mark.parametrize("damage", [b"", b"{}"])
def test_a_damaged_result_is_made_again_from_what_was_finished(
    run: Run, fake: Any, fake_network: Any, storage: Storage, damage: bytes
) -> None:
    first, asked = run().evaluation, list(fake_network.asked)
    storage.write_bytes(f"{FOLDER}/evaluation.json", damage)
    second = run()
    assert len(fake.trainings) == 9
    assert fake_network.asked == asked
    assert dataclasses.replace(second.evaluation, created=first.created) == first
    assert not second.reused


def test_damaged_measures_are_measured_again(
    run: Run, fake: Any, fake_network: Any, storage: Storage
) -> None:
    first, asked = run().evaluation, list(fake_network.asked)
    for file in ("evaluation.json", "evaluation.measures.json"):
        storage.write_bytes(f"{FOLDER}/{file}", b"{}")
    second = run().evaluation
    assert len(fake.trainings) == 9
    assert fake_network.asked == 2 * asked
    assert second.fidelity == first.fidelity


def test_a_killed_evaluation_goes_on_where_it_stopped(
    run: Run, fake: Any, storage: Storage
) -> None:
    fake.fail_at = 4
    with pytest.raises(KeyboardInterrupt):
        run()
    assert not storage.exists(f"{FOLDER}/evaluation.json")
    fake.fail_at = None
    resumed = run().evaluation
    assert len(fake.trainings) == 9
    whole = run(folder="data/other").evaluation
    assert (resumed.arms, resumed.comparisons, resumed.agreement, resumed.fidelity) == (
        whole.arms,
        whole.comparisons,
        whole.agreement,
        whole.fidelity,
    )


def test_more_seeds_and_more_arms_reuse_what_is_there(
    run: Run, fake: Any, fake_network: Any
) -> None:
    run(dataclasses.replace(SETTINGS, seeds=2))
    asked = list(fake_network.asked)
    run(dataclasses.replace(SETTINGS, seeds=3))
    found = run(EvaluationSettings(seeds=3)).evaluation
    assert len(fake.trainings) == len(found.cells) == 15
    assert fake_network.asked == asked


def test_other_sample_sizes_measure_anew_and_train_nothing(
    run: Run, fake: Any, fake_network: Any
) -> None:
    run(ONE)
    asked = list(fake_network.asked)
    assert run(dataclasses.replace(ONE, sample=50)).evaluation.fidelity[0].images == 50
    assert len(fake.trainings) == 3
    assert len(fake_network.asked) == 2 * len(asked)


def test_another_set_other_settings_or_another_classifier_starts_anew(
    run: Run, fake: Any, fake_network: Any, synthetic: Digits, real: RealDigits, storage: Storage
) -> None:
    run(ONE)
    run(ONE, synthetic.take(slice(10, 150)))
    run(dataclasses.replace(ONE, epochs=4))
    other = dataclasses.replace(fake.judge(), recipe={"kind": "another"})
    evaluate(
        SyntheticSet(digits=synthetic),
        real,
        ONE,
        storage,
        FOLDER,
        judge=other,
        network=fake_network.network,
    )
    run(ONE, data=dataclasses.replace(real, sha256="b" * 64))
    assert len(fake.trainings) == 15


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
    assert any("undecided" in line for line in found.lines())


def test_a_large_set_is_cut_to_the_first_of_each_class(run: Run, fake: Any) -> None:
    found = run(dataclasses.replace(ONE, max_synthetic=100)).evaluation
    assert (found.synthetic["images"], found.synthetic["used"]) == (150, 100)
    assert [len(training.digits) for training in fake.trainings] == [60, 160, 100]


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
def test_a_set_that_does_not_fit_is_refused_before_anything_is_done(
    run: Run,
    fake: Any,
    fake_network: Any,
    synthetic: Digits,
    storage: Storage,
    change: Any,
    message: str,
) -> None:
    with pytest.raises(DataError, match=message):
        run(SETTINGS, change(synthetic))
    assert fake.trainings == []
    assert fake_network.asked == []
    assert storage.files("") == []


def test_too_few_test_digits_are_refused(run: Run, real: RealDigits) -> None:
    with pytest.raises(DataError, match="at least 10 real test digits of each class"):
        run(data=dataclasses.replace(real, test=real.test.take(slice(0, 0))))


def test_reading_and_reporting_load_no_tensorflow() -> None:
    code = "import sys, synthgen.evaluation.evaluate; sys.exit('tensorflow' in sys.modules or 'keras' in sys.modules)"
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
            GeneratorOrigin(
                sha256="0" * 64, training_data=TrainingData(source="Mine", images=7)
            ),
        )

    monkeypatch.setattr("synthgen.evaluation.evaluate.load_rows", load_rows)
    storage.write_bytes("manifests/mine.csv", b"id,label\n")
    return calls


def test_a_manifest_is_loaded_only_when_there_is_something_to_do_and_no_more_of_it_than_needed(
    run: Run,
    fake: Any,
    fake_network: Any,
    real: RealDigits,
    storage: Storage,
    manifest: list[dict[str, Any]],
) -> None:
    tools = {"judge": fake.judge(), "network": fake_network.network}
    first, second = (
        evaluate_manifest("manifests/mine.csv", storage.url, real, SETTINGS, **tools)
        for _ in range(2)
    )
    assert manifest == [
        {"manifest": "manifests/mine.csv", "root": storage.url, "per_class": 20_000}
    ]
    assert (first.reused, second.reused) == (False, True)
    assert first.report == f"{storage.url}/data/mine/report.html"
    assert first.evaluation.synthetic["sha256"] == hashlib.sha256(b"id,label\n").hexdigest()
    assert first.evaluation.synthetic["generator_trained_on"] == {"source": "Mine", "images": 7}
    assert (first.evaluation.synthetic["images"], first.evaluation.synthetic["used"]) == (
        150_000,
        150,
    )
    storage.write_bytes("manifests/mine.csv", b"id,label\n1,2\n")
    assert not evaluate_manifest("manifests/mine.csv", storage.url, real, SETTINGS, **tools).reused
    assert len(fake.trainings) == 18


def test_a_fuller_evaluation_is_left_alone_where_it_will_do(
    run: Run,
    fake: Any,
    fake_network: Any,
    real: RealDigits,
    storage: Storage,
    manifest: list[dict[str, Any]],
) -> None:
    def evaluated(settings: EvaluationSettings, or_fuller: bool) -> Evaluated:
        tools = {"judge": fake.judge(), "network": fake_network.network}
        return evaluate_manifest(
            "manifests/mine.csv", storage.url, real, settings, **tools, or_fuller=or_fuller
        )

    full = evaluated(EvaluationSettings(seeds=2), or_fuller=True).evaluation
    written = storage.read_bytes("data/mine/evaluation.json")
    kept = evaluated(ONE, or_fuller=True)
    assert (kept.reused, kept.evaluation) == (True, full)
    assert kept.lines()[-1].startswith(
        "This evaluation was there already (arms: 5, seeds: 2), of the same data, settings and versions"
    )
    assert storage.read_bytes("data/mine/evaluation.json") == written
    # not the same measures
    assert not evaluated(dataclasses.replace(ONE, sample=50), or_fuller=True).reused
    # more seeds than are there
    assert not evaluated(dataclasses.replace(ONE, seeds=2), or_fuller=True).reused
    # what was asked for, and no more
    assert len(evaluated(ONE, or_fuller=False).evaluation.cells) == 3
    # not the same cells
    assert not evaluated(dataclasses.replace(ONE, epochs=200), or_fuller=True).reused


def test_doubtful_images_are_shown_with_their_rows(
    fake: Any, fake_network: Any, real: RealDigits, storage: Storage, manifest: list[dict[str, Any]]
) -> None:
    tools = {"judge": fake.judge(), "network": fake_network.network}
    found = evaluate_manifest("manifests/mine.csv", storage.url, real, ONE, **tools).evaluation
    first = found.agreement.doubtful[0]
    assert (
        f"{first.label}-{first.position:07d}"
        in storage.read_bytes("data/mine/report.html").decode()
    )


def test_doubtful_images_are_found_again_in_a_set_that_is_sorted_by_class(
    run: Run, fake: Any, synthetic: Digits, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("synthgen.evaluation.evaluate.MOST_ASKED", 100)
    ordered = synthetic.take(np.argsort(synthetic.labels, kind="stable"))
    # a 0 as the second 4
    wrong = Digits(
        np.where(np.arange(150)[:, None, None, None] == 61, synthetic.images[:1], ordered.images),
        ordered.labels,
    )
    first = run(ONE, wrong).evaluation.agreement.doubtful[0]
    assert (first.position, first.label, first.seen_as) == (61, 4, 0)


@pytest.mark.parametrize(
    ("sha256", "saw"), [(None, UNKNOWN), ("of others", OTHERS), ("of these", SEEN)]
)
def test_what_the_generator_saw_is_said(
    run: Run,
    fake: Any,
    fake_network: Any,
    mnist_like: RealDigits,
    synthetic: Digits,
    storage: Storage,
    sha256: str | None,
    saw: str,
) -> None:
    trained_on = (
        {"sha256": mnist_like.train.sha256() if saw == SEEN else sha256, "source": "X", "images": 9}
        if sha256
        else {}
    )
    tools = {"judge": fake.judge(), "network": fake_network.network}
    found = evaluate(
        SyntheticSet(digits=synthetic, trained_on=trained_on),
        mnist_like,
        ONE,
        storage,
        FOLDER,
        **tools,
    ).evaluation
    assert found.memorisation is not None
    assert found.memorisation.generator_saw == saw
    assert found.synthetic["generator_saw_only_real_train"] == (saw == SEEN)
