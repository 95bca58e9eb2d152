import dataclasses
import hashlib
import json
import logging
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from synthgen.config import EvaluationSettings
from synthgen.datasets.digits import Digits
from synthgen.datasets.sources import RealDigits
from synthgen.errors import DataError
from synthgen.evaluation.arms import ARMS
from synthgen.evaluation.evaluate import LEAST_STEPS, default_judge, evaluate, evaluate_manifest, first_of_each_class
from synthgen.evaluation.results import Evaluation, read_evaluation
from synthgen.evaluation.verdict import HURTS
from synthgen.storage import Storage

FOLDER = "data/digits"
SETTINGS = EvaluationSettings()


def test_every_arm_takes_the_same_steps_with_the_same_seeds(fake: Any, synthetic: Digits, real: RealDigits, storage: Storage) -> None:
    evaluate(synthetic, real, SETTINGS, storage, FOLDER, judge=fake.judge())
    assert {training["steps"] for training in fake.trainings} == {LEAST_STEPS}
    assert [training["seed"] for training in fake.trainings] == [1000] * 3 + [1001] * 3 + [1002] * 3
    assert [training["images"] for training in fake.trainings] == [60, 210, 150] * 3


def test_steps_are_passes_over_the_real_training_digits(fake: Any, synthetic: Digits, real: RealDigits, storage: Storage) -> None:
    settings = EvaluationSettings(seeds=1, epochs=200)
    found = evaluate(synthetic, real, settings, storage, FOLDER, judge=fake.judge()).evaluation
    assert {training["steps"] for training in fake.trainings} == {750}  # 200 passes over 60 digits, 16 at a time
    assert {cell["steps"] for cell in found.cells} == {750}


def test_the_figures_are_written_beside_the_set(evaluation: Evaluation, storage: Storage) -> None:
    assert read_evaluation(storage.read_bytes(f"{FOLDER}/evaluation.json")) == evaluation
    assert storage.read_bytes(f"{FOLDER}/report.html").startswith(b"<!doctype html>")
    assert evaluation.real["test"] == 120
    assert evaluation.synthetic["per_class"] == [15] * 10
    assert evaluation.settings["seeds"] == [1000, 1001, 1002]
    assert [arm.arm for arm in evaluation.arms] == list(ARMS)
    assert set(evaluation.versions) >= {"python", "synthgen", "tensorflow"}


def test_a_second_evaluation_of_the_same_trains_nothing(fake: Any, synthetic: Digits, real: RealDigits, storage: Storage) -> None:
    first = evaluate(synthetic, real, SETTINGS, storage, FOLDER, judge=fake.judge())
    second = evaluate(synthetic, real, SETTINGS, storage, FOLDER, judge=fake.judge())
    assert len(fake.trainings) == 9
    assert not first.reused
    assert second.reused
    assert second.evaluation == first.evaluation
    assert second.lines()[-1].startswith("This evaluation was there already")


@pytest.mark.parametrize("damage", [b"", b"{}"])
def test_a_damaged_result_is_made_again_from_the_cells(fake: Any, synthetic: Digits, real: RealDigits, storage: Storage, damage: bytes) -> None:
    first = evaluate(synthetic, real, SETTINGS, storage, FOLDER, judge=fake.judge()).evaluation
    storage.write_bytes(f"{FOLDER}/evaluation.json", damage)
    second = evaluate(synthetic, real, SETTINGS, storage, FOLDER, judge=fake.judge())
    assert len(fake.trainings) == 9
    assert dataclasses.replace(second.evaluation, created=first.created) == first
    assert not second.reused


def test_a_killed_evaluation_goes_on_where_it_stopped(fake: Any, synthetic: Digits, real: RealDigits, storage: Storage, tmp_path: Any) -> None:
    fake.fail_at = 4
    with pytest.raises(KeyboardInterrupt):
        evaluate(synthetic, real, SETTINGS, storage, FOLDER, judge=fake.judge())
    assert not storage.exists(f"{FOLDER}/evaluation.json")
    fake.fail_at = None
    resumed = evaluate(synthetic, real, SETTINGS, storage, FOLDER, judge=fake.judge()).evaluation
    assert len(fake.trainings) == 9
    whole = evaluate(synthetic, real, SETTINGS, storage, "data/other", judge=fake.judge()).evaluation
    assert (resumed.arms, resumed.comparisons, resumed.agreement) == (whole.arms, whole.comparisons, whole.agreement)


def test_more_seeds_reuse_the_cells_of_fewer(fake: Any, synthetic: Digits, real: RealDigits, storage: Storage) -> None:
    evaluate(synthetic, real, EvaluationSettings(seeds=2), storage, FOLDER, judge=fake.judge())
    found = evaluate(synthetic, real, EvaluationSettings(seeds=3), storage, FOLDER, judge=fake.judge())
    assert len(fake.trainings) == 9
    assert len(found.evaluation.cells) == 9


def test_another_set_other_settings_or_another_classifier_starts_anew(fake: Any, synthetic: Digits, real: RealDigits, storage: Storage) -> None:
    one = EvaluationSettings(seeds=1)
    evaluate(synthetic, real, one, storage, FOLDER, judge=fake.judge())
    evaluate(synthetic.take(slice(10, 150)), real, one, storage, FOLDER, judge=fake.judge())
    evaluate(synthetic, real, EvaluationSettings(seeds=1, epochs=4), storage, FOLDER, judge=fake.judge())
    fake.identity = "another"
    evaluate(synthetic, real, EvaluationSettings(seeds=1, epochs=4), storage, FOLDER, judge=fake.judge())
    evaluate(synthetic, dataclasses.replace(real, sha256="b" * 64), one, storage, FOLDER, judge=fake.judge())
    assert len(fake.trainings) == 15


def test_shuffled_labels_are_found_out(fake: Any, tiny_digits: Digits, real: RealDigits, storage: Storage) -> None:
    shuffled = Digits(tiny_digits.images, np.random.default_rng(0).permutation(tiny_digits.labels))
    found = evaluate(shuffled, real, SETTINGS, storage, FOLDER, judge=fake.judge()).evaluation
    assert found.agreement.share.mean == pytest.approx(0.1, abs=0.06)  # 200 labels: one standard error is 0.02
    assert {comparison.arm: comparison.verdict for comparison in found.comparisons}["synthetic"] == HURTS


def test_faithful_labels_are_agreed_with(evaluation: Evaluation) -> None:
    assert evaluation.agreement.share.mean > 0.99
    assert np.trace(np.array(evaluation.agreement.confusion)) > 0.99 * 3 * 150


def test_one_seed_is_undecided(fake: Any, synthetic: Digits, real: RealDigits, storage: Storage) -> None:
    found = evaluate(synthetic, real, EvaluationSettings(seeds=1), storage, FOLDER, judge=fake.judge())
    assert {comparison.verdict for comparison in found.evaluation.comparisons} == {"undecided"}
    assert json.loads(storage.read_bytes(f"{FOLDER}/evaluation.json"))["comparisons"][0]["difference"]["low"] is None
    assert any("undecided" in line for line in found.lines())


def test_a_large_set_is_cut_to_the_first_of_each_class(fake: Any, synthetic: Digits, real: RealDigits, storage: Storage) -> None:
    found = evaluate(synthetic, real, EvaluationSettings(seeds=1, max_synthetic=100), storage, FOLDER, judge=fake.judge()).evaluation
    assert (found.synthetic["images"], found.synthetic["used"]) == (150, 100)
    assert [training["images"] for training in fake.trainings] == [60, 160, 100]


def test_first_of_each_class_keeps_order_and_balance() -> None:
    labels = np.array([1, 0, 0, 1, 0, 1], np.uint8)
    images = np.arange(6, dtype=np.uint8)[:, None, None, None] * np.ones((1, 2, 2, 1), np.uint8)
    kept = first_of_each_class(Digits(images, labels, ("zero", "one")), 4)
    assert kept.images[:, 0, 0, 0].tolist() == [0, 1, 2, 3]
    assert first_of_each_class(kept, 4) is kept


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: Digits(d.images[:, :24], d.labels), r"shape \(28, 28, 1\), received \(24, 28, 1\)"),
        (lambda d: Digits(d.images, d.labels, tuple("abcdefghij")), "classes 0, 1, 2, .* received a, b, c"),
        (lambda d: d.take(slice(0, 60)), "at least 10 synthetic digits of each class .* received 6 of class 0. Build more"),
        (lambda d: d.take(d.labels != 7), "received 0 of class 7"),
    ],
)
def test_a_set_that_does_not_fit_is_refused_before_any_training(
    fake: Any, synthetic: Digits, real: RealDigits, storage: Storage, change: Any, message: str
) -> None:
    with pytest.raises(DataError, match=message):
        evaluate(change(synthetic), real, SETTINGS, storage, FOLDER, judge=fake.judge())
    assert fake.trainings == []
    assert storage.files("") == []


def test_too_few_test_digits_are_refused(fake: Any, synthetic: Digits, real: RealDigits, storage: Storage) -> None:
    with pytest.raises(DataError, match="at least 10 real test digits of each class"):
        evaluate(synthetic, dataclasses.replace(real, test=real.test.take(slice(0, 0))), SETTINGS, storage, FOLDER, judge=fake.judge())


def test_reading_and_reporting_load_no_tensorflow() -> None:
    code = "import sys, synthgen.evaluation.evaluate; sys.exit('tensorflow' in sys.modules or 'keras' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_the_built_in_judge_trains_exactly_the_steps_it_is_told(tiny_digits: Digits) -> None:
    judge, told = default_judge(), []
    level = logging.getLogger("tensorflow").level
    probabilities = judge.predict(judge.fit(tiny_digits, 3, 1000, told.append), tiny_digits.images[:7])
    assert sum(told) == 3
    assert probabilities.shape == (7, 10)
    assert probabilities.sum(axis=1) == pytest.approx(np.ones(7), abs=1e-3)
    assert judge.recipe["batch"] == judge.batch
    assert logging.getLogger("tensorflow").level == level


def test_a_manifest_is_loaded_only_when_there_is_something_to_do(
    fake: Any, synthetic: Digits, real: RealDigits, storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded = []
    monkeypatch.setattr("synthgen.evaluation.evaluate.load", lambda manifest, root: loaded.append((manifest, root)) or synthetic)
    storage.write_bytes("manifests/mine.csv", b"id,label\n")
    first, second = (evaluate_manifest("manifests/mine.csv", storage.url, real, SETTINGS, fake.judge()) for _ in range(2))
    assert loaded == [("manifests/mine.csv", storage.url)]
    assert (first.reused, second.reused) == (False, True)
    assert first.report == f"{storage.url}/data/mine/report.html"
    assert first.evaluation.synthetic["sha256"] == hashlib.sha256(b"id,label\n").hexdigest()
    storage.write_bytes("manifests/mine.csv", b"id,label\n1,2\n")
    assert not evaluate_manifest("manifests/mine.csv", storage.url, real, SETTINGS, fake.judge()).reused
    assert len(fake.trainings) == 18
