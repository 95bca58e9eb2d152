import dataclasses

from synthgen.reports.evaluation_method import evaluation_facts, evaluation_method_section
from synthgen.reports.page.blocks import Table
from synthgen.text import GAP
from tests.evaluation.example import make_evaluation

KNOWN = make_evaluation()


def test_everything_that_is_needed_to_do_it_again_is_there() -> None:
    plain = {name: text.replace(GAP, " ") for name, text in evaluation_facts(KNOWN).items()}
    assert plain["training"] == "1,719 steps of 64 images; seeds 1000, 1001, 1002"
    assert plain["classifier"] == "kind small; channels 16, 32"
    assert plain["settings"].startswith("arms real, real_synthetic, synthetic, classical, both;")
    assert plain["synthetic set"] == f"digits: 50,000 images, SHA-256 `{'b' * 64}`"
    assert plain["feature network"] == f"digitnet, 64 features, SHA-256 `{'d' * 64}`"
    assert plain["time"].startswith(
        "9 min for 15 trainings and their predictions; features 12 s, fidelity 31 s; "
        "finished 2026-01-02"
    )


def test_a_part_of_a_set_is_named() -> None:
    part = dataclasses.replace(KNOWN.synthetic, used=10_000)
    text = evaluation_facts(dataclasses.replace(KNOWN, synthetic=part))["synthetic set"]
    assert "of which the first 10,000 (equally many of each class) were used" in text


def test_every_training_is_a_row() -> None:
    table = evaluation_method_section(KNOWN).blocks[-1]
    assert isinstance(table, Table)
    assert len(table.rows) == 15
    assert table.rows[0] == ["real", "1000", 55_000, 1719, 0.9948, 57.2]
