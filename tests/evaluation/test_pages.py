import pandas as pd

from synthgen.config import EvaluationSettings
from synthgen.datasets.digits import Digits
from synthgen.datasets.splits import RealDigits
from synthgen.evaluation.evaluate import EvaluationPlace, SyntheticSet, evaluate
from synthgen.evaluation.results import Evaluation
from synthgen.pipeline import evaluation_pages
from synthgen.reports.evaluation import render_evaluation
from synthgen.reports.images import ShownImages
from tests.evaluation.conftest import FakeJudge, FakeNetwork
from tests.reports.page.structure import check_page


def test_a_report_of_a_real_evaluation_is_whole(
    evaluation: Evaluation, synthetic: Digits, real: RealDigits
) -> None:
    images = ShownImages(synthetic=synthetic, train=real.train, rows={})
    structure = check_page(render_evaluation(evaluation, images).html)
    assert all(comparison.verdict in structure.words for comparison in evaluation.comparisons)
    assert real.source in structure.words


def test_a_page_shows_the_manifest_row_of_a_suspect_label(
    synthetic: Digits,
    real: RealDigits,
    place: EvaluationPlace,
    judge: FakeJudge,
    fake_network: FakeNetwork,
) -> None:
    rows = pd.DataFrame(
        {"id": [f"{label}-{row:07d}" for row, label in enumerate(synthetic.labels)]}
    )
    evaluated = evaluate(
        SyntheticSet(name="digits", digits=synthetic, rows=rows),
        real,
        EvaluationSettings(seeds=1, arms=("real",)),
        place,
        judge=judge.judge(),
        network=fake_network.network,
    )
    pages = evaluation_pages(evaluated, real.train)
    assert set(pages) == {"report.html", "report.md", "evaluation.csv"}
    first = evaluated.evaluation.agreement.suspects[0]
    assert f"{first.label}-{first.position:07d}" in pages["report.html"]
