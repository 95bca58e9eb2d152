import dataclasses

from synthgen.metrics.pixel_statistics import Histogram
from synthgen.reports.fidelity import fidelity_section, pixel_section
from synthgen.reports.page.content import Chart, Paragraph, Table
from tests.evaluation.example import make_evaluation

KNOWN = make_evaluation()


def test_each_figure_stands_beside_its_floor() -> None:
    overall, by_class = (
        block for block in fidelity_section(KNOWN).blocks if isinstance(block, Table)
    )
    recall = next(row for row in overall.rows if row[0] == "recall")
    assert recall[1:3] == ["recall_digitnet", "higher"]
    assert [value.mean for value in recall[3:5]] == [0.81, 0.94]  # type: ignore[union-attr]
    missing = next(row for row in by_class.rows if row[0] == "1" and row[1] == "Frechet distance")
    assert missing[2:] == [None, None, 1_000, "too few images"]
    assert by_class.folded


def test_the_name_of_the_feature_network_warns_of_comparing_with_published_scores() -> None:
    first = fidelity_section(KNOWN).blocks[0]
    assert isinstance(first, Paragraph)
    assert (
        "the 64 features of “digitnet”, a small digit classifier trained on 55,000 digits (MNIST), 99.14\N{NO-BREAK SPACE}% right"
        in first.text
    )
    assert "not the published scores" in first.text


def test_without_precision_there_is_no_plot_of_it() -> None:
    bare = dataclasses.replace(
        KNOWN, fidelity=tuple(metric for metric in KNOWN.fidelity if metric.metric != "precision")
    )
    assert not [block for block in fidelity_section(bare).blocks if isinstance(block, Chart)]


def test_grey_levels_are_named_by_what_a_bin_holds() -> None:
    known = dataclasses.replace(
        KNOWN,
        background=Histogram(
            edges=(0, 1, 4, 256),
            synthetic=(0.7, 0.1, 0.2),
            real=(0.8, 0.0, 0.2),
            control=(0.8, 0.0, 0.2),
        ),
    )
    figure = next(block for block in pixel_section(known).blocks if isinstance(block, Chart))
    drawing = figure.draw()
    assert all(f">{name}</text>" in drawing for name in ("0", "1-3", "4-255"))
    assert "wholly black: synthetic 70.00\N{NO-BREAK SPACE}%; real, train 80.00" in drawing


def test_the_detector_is_put_in_words() -> None:
    words = pixel_section(KNOWN).blocks[0].text.replace("\N{NO-BREAK SPACE}", " ")  # type: ignore[union-attr]
    assert "learnt from 10,000 images" in words
    assert (
        "right about 73.10 % of 4,000 others (95 % interval 71.90 to 74.30 %). Guessing is 50 %."
        in words
    )
    assert words.endswith(
        "to tell real test digits from real training digits is right about 50.20 % (95 % interval 48.60 to 51.80 %)."
    )
