import json

import pytest

from synthgen.errors import DataError
from synthgen.evaluation.results import Evaluation, read_evaluation


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
