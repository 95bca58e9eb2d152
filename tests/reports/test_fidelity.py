import dataclasses
from typing import Any

from synthgen.evaluation.results import Evaluation
from synthgen.metrics.pixel_statistics import Histogram
from synthgen.reports.fidelity import (
    fidelity_section,
    grey_level_chart,
    pixel_section,
    precision_recall_charts,
)
from synthgen.reports.page.blocks import Paragraph, Table
from synthgen.text import GAP
from tests.evaluation.example import make_evaluation

KNOWN = make_evaluation()


def changed(**parts: Any) -> Evaluation:
    return dataclasses.replace(KNOWN, measures=dataclasses.replace(KNOWN.measures, **parts))


def test_each_figure_stands_beside_its_floor() -> None:
    blocks = fidelity_section(KNOWN).blocks
    overall, by_class = (block for block in blocks if isinstance(block, Table))
    recall = next(row for row in overall.rows if row[0] == "recall")
    assert recall[1:3] == ["recall_digitnet", "higher"]
    assert [value.mean for value in recall[3:5]] == [0.81, 0.94]  # type: ignore[union-attr]
    missing = next(row for row in by_class.rows if row[0] == "1" and row[1] == "Frechet distance")
    assert missing[2:] == [None, None, 1_000, "too few images"]
    assert by_class.folded


def test_the_name_of_the_network_warns_of_published_scores() -> None:
    first = fidelity_section(KNOWN).blocks[0]
    assert isinstance(first, Paragraph)
    network = (
        "the 64 features of “digitnet”, a small digit classifier trained on 55,000 digits (MNIST), "
        f"99.14{GAP}% right"
    )
    assert network in first.text
    assert "not the published scores" in first.text


def test_without_precision_there_is_no_plot_of_it() -> None:
    figures = KNOWN.measures.fidelity
    bare = changed(fidelity=tuple(figure for figure in figures if figure.metric != "precision"))
    assert len(precision_recall_charts(KNOWN)) == 2
    assert precision_recall_charts(bare) == []


def test_grey_levels_are_named_by_what_a_bin_holds() -> None:
    histogram = Histogram(
        edges=(0, 1, 4, 256),
        synthetic=(0.7, 0.1, 0.2),
        real=(0.8, 0.0, 0.2),
        control=(0.8, 0.0, 0.2),
    )
    drawing = grey_level_chart(histogram).draw()
    assert all(f">{name}</text>" in drawing for name in ("0", "1-3", "4-255"))
    assert f"wholly black: synthetic 70.00{GAP}%; real, train 80.00" in drawing


def test_whether_they_can_be_told_apart_is_put_in_words() -> None:
    first = pixel_section(KNOWN).blocks[0]
    assert isinstance(first, Paragraph)
    words = first.text.replace(GAP, " ")
    assert "learnt from 10,000 images" in words
    told_apart = "right about 73.10 % of 4,000 others (95 % interval 71.90 to 74.30 %)."
    assert f"{told_apart} Guessing is 50 %." in words
    assert words.endswith(
        "to tell real test digits from real training digits is right about 50.20 % "
        "(95 % interval 48.60 to 51.80 %)."
    )
