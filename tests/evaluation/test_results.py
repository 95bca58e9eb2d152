import json
from typing import Any

import numpy as np
import pytest

from synthgen.errors import DataError
from synthgen.evaluation.arms import Cell
from synthgen.evaluation.results import Evaluation, compare, read_evaluation, summarise_agreement, summarise_arm

LABELS = np.array([0, 0, 0, 0, 1, 1, 1, 1], np.uint8)


def cell(predictions: list[int], arm: str = "real", seed: int = 1000) -> Cell:
    what: dict[str, Any] = {"steps": 5, "train_images": 60, "seconds": 1.5, "confusion": None, "fingerprint": "f"}
    return Cell(arm=arm, seed=seed, predictions=np.array(predictions, np.uint8), **what)


def test_an_arm_is_summarised_over_seeds_and_classes() -> None:
    found = summarise_arm([cell([0, 0, 0, 0, 1, 1, 1, 0]), cell([0, 0, 0, 1, 1, 1, 0, 0])], LABELS, 2)
    assert found.by_seed == (0.875, 0.625)
    assert found.accuracy.mean == 0.75
    assert found.sampling.low == pytest.approx(0.409, abs=1e-3)  # Wilson, 6 of 8
    assert found.by_seed_and_class == ((1.0, 0.75), (0.75, 0.5))
    assert [estimate.mean for estimate in found.per_class] == [0.875, 0.625]


def test_a_comparison_is_paired_by_seed_and_image() -> None:
    baseline = [cell([0, 0, 0, 0, 1, 1, 1, 0]), cell([0, 0, 0, 0, 1, 1, 0, 0])]
    arm = [cell([0, 0, 0, 0, 1, 1, 1, 1], "synthetic"), cell([0, 0, 0, 0, 1, 1, 1, 0], "synthetic")]
    found = compare(arm, baseline, LABELS, 2)
    assert (found.arm, found.baseline) == ("synthetic", "real")
    assert found.by_seed == (0.125, 0.125)
    assert found.difference.mean == 0.125
    assert [estimate.mean for estimate in found.per_class] == [0.0, 0.25]


def test_agreement_is_the_diagonal() -> None:
    found = summarise_agreement([np.array([[9, 1], [2, 8]]), np.array([[10, 0], [4, 6]])])
    assert found.images == 20
    assert found.by_seed == (0.85, 0.8)
    assert found.share.mean == pytest.approx(0.825)
    assert [estimate.mean for estimate in found.per_class] == pytest.approx([0.95, 0.7])
    assert found.confusion == ((19, 1), (6, 14))


def test_an_evaluation_survives_json(evaluation: Evaluation) -> None:
    again = read_evaluation(evaluation.to_json())
    assert again == evaluation
    assert again.to_json() == evaluation.to_json()


def test_one_seed_survives_json_too(evaluation: Evaluation) -> None:
    plain = json.loads(evaluation.to_json())
    plain["comparisons"][0]["difference"] |= {"low": None, "high": None}
    assert read_evaluation(json.dumps(plain).encode()).comparisons[0].difference.low is None


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b'{"format": "synthgen-evaluation/1"}', b'{"format": "else"}', b"\xff"])
def test_what_is_not_an_evaluation_is_refused(content: bytes) -> None:
    with pytest.raises(DataError, match=r"Expected an evaluation\.json"):
        read_evaluation(content)
