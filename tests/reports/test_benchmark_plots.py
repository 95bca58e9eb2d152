import dataclasses
import io
import re

import numpy as np
import pytest
from PIL import Image

from synthgen.evaluation.results import BenchmarkSummary
from synthgen.reports.benchmark_plots import (
    LEAST_ERROR,
    arm_charts,
    comparison_chart,
    draw_benchmark_curve,
)
from tests.evaluation.benchmark_example import make_summary, transfer_summary


@pytest.fixture(scope="module")
def summary() -> BenchmarkSummary:
    return make_summary()


def texts(drawing: str) -> list[str]:
    return re.findall(r"<text[^>]*>([^<]*)</text>", drawing)


def test_the_curve_of_a_file_is_of_the_ratio_with_most_budgets(
    summary: BenchmarkSummary,
) -> None:
    few = tuple(arm for arm in summary.arms if arm.ratio != 1 or arm.budget in (10, 20))
    drawn = texts(draw_benchmark_curve(dataclasses.replace(summary, arms=few)).decode())
    assert "both + distortions x5" in drawn
    assert "both + distortions x1" not in drawn


def test_a_classifier_without_errors_has_a_place_on_a_log_scale(summary: BenchmarkSummary) -> None:
    arms = [arm for arm in summary.arms if arm.arm == "real"]
    perfect = dataclasses.replace(
        arms[0],
        metrics={
            "accuracy": dataclasses.replace(
                arms[0].metrics["accuracy"], mean=1.0, low=0.99, high=1.01
            )
        },
    )
    (figure,) = arm_charts(summary, [perfect, *arms[1:]], "grid")
    assert "99.9" in texts(figure.draw())
    assert pytest.approx(100 * (1 - 0.9998)) == LEAST_ERROR


def test_budgets_are_written_on_the_axis(summary: BenchmarkSummary) -> None:
    figure = arm_charts(summary, [arm for arm in summary.arms if arm.scenario == "grid"], "grid")[0]
    assert {"10", "20", "100", "1,000", "all"} <= set(texts(figure.draw()))


def test_rows_name_budget_ratio_and_mark_where_they_differ(summary: BenchmarkSummary) -> None:
    rows = [row for row in summary.comparisons if row.arm == "synthetic" and row.budget == 20]
    drawn = texts(comparison_chart(rows, "some").draw())
    assert "20 images per class, x1, has" in drawn
    alone = texts(comparison_chart([dataclasses.replace(rows[0], mark="")], "some").draw())
    assert "20 images per class" in alone


def test_verdicts_stand_beside_intervals_in_words_and_signs(
    summary: BenchmarkSummary,
) -> None:
    rows = [
        row
        for row in summary.comparisons
        if row.primary and row.scenario == "grid" and row.budget == "all"
    ]
    drawn = texts(comparison_chart(rows, "some").draw())
    assert drawn.count("▼ hurts") == 2 * len(rows)  # once for a desktop, once for a phone


def test_the_curve_is_a_file_for_a_readme(summary: BenchmarkSummary) -> None:
    drawing = draw_benchmark_curve(summary).decode()
    assert drawing == draw_benchmark_curve(summary).decode()
    for text in (
        "1,000",
        "all",
        "99.5",
        "both + distortions x1",
        "real images per class, log scale",
    ):
        assert f">{text}</text>" in drawing
    with Image.open(io.BytesIO(draw_benchmark_curve(summary, "png"))) as picture:
        assert np.asarray(picture.convert("L")).max() == 255
        assert picture.width == 1440


def test_an_arm_without_own_images_is_a_level_line() -> None:
    summary = transfer_summary()
    drawn = texts(draw_benchmark_curve(summary).decode())
    assert {"1", "5", "20"} <= set(drawn)
    assert "0" not in drawn
    assert {"own + generated", "others' real digits only"} <= {
        text.replace("&#x27;", "'") for text in drawn
    }
    (chart,) = arm_charts(summary, summary.arms, "transfer")
    assert "at 0 images per class" in chart.draw()
