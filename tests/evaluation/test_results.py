import json

import pytest

from synthgen.errors import DataError
from synthgen.evaluation.results import Comparison, Evaluation, read_evaluation
from synthgen.metrics.intervals import Estimate
from synthgen.records import restored


def test_an_evaluation_survives_json(evaluation: Evaluation) -> None:
    again = read_evaluation(evaluation.to_json())
    assert again == evaluation
    assert again.to_json() == evaluation.to_json()


def test_one_seed_survives_json_too(evaluation: Evaluation) -> None:
    plain = json.loads(evaluation.to_json())
    plain["comparisons"][0]["difference"] |= {"low": None, "high": None}
    assert read_evaluation(json.dumps(plain).encode()).comparisons[0].difference.low is None


@pytest.mark.parametrize(
    "content",
    [b"", b"[]", b"{}", b'{"format": "synthgen-evaluation/1"}', b'{"format": "else"}', b"\xff"],
)
def test_what_is_not_an_evaluation_is_refused(content: bytes) -> None:
    with pytest.raises(DataError, match=r"Expected an evaluation\.json"):
        read_evaluation(content)


def test_values_are_restored_by_their_types() -> None:
    plain = {"mean": 0.5, "low": None, "high": 1.0}
    estimate = Estimate(mean=0.5, low=None, high=1.0)
    assert restored(Estimate, plain) == estimate
    assert restored(tuple[Estimate, ...], [plain, plain]) == (estimate, estimate)
    assert restored(tuple[Estimate | None, ...], [None, plain]) == (None, estimate)
    assert restored(tuple[float, str], [1.0, "x"]) == (1.0, "x")
    assert restored(Comparison | None, None) is None
    with pytest.raises(ValueError, match="zip"):
        restored(tuple[float, str], [1.0])
