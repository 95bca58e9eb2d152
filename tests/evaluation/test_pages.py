from synthgen.datasets.digits import Digits
from synthgen.datasets.splits import RealDigits
from synthgen.evaluation.results import Evaluation
from synthgen.reports.evaluation import render_evaluation
from synthgen.reports.images import ShownImages
from tests.reports.page.structure import check_page


def test_a_report_of_a_real_evaluation_is_whole(
    evaluation: Evaluation, synthetic: Digits, real: RealDigits
) -> None:
    images = ShownImages(synthetic=synthetic, train=real.train, rows={})
    structure = check_page(render_evaluation(evaluation, images).html)
    assert all(comparison.verdict in structure.words for comparison in evaluation.comparisons)
    assert real.source in structure.words
