"""The whole job as Python calls: what the rooms below make is put together here."""

from collections.abc import Sequence
from typing import Any

from synthgen.classifiers.digitnet import Network, feature_network
from synthgen.classifiers.judge import Judge
from synthgen.config import EvaluationSettings
from synthgen.datasets.digits import Digits
from synthgen.datasets.splits import RealDigits
from synthgen.evaluation.benchmark import (
    BenchmarkJob,
    BenchmarkRun,
    publish_benchmark,
    run_benchmark,
)
from synthgen.evaluation.evaluate import Evaluated, evaluate_manifest, publish_evaluation
from synthgen.evaluation.gates import Gate
from synthgen.evaluation.results import REPORT_FILE
from synthgen.reports.benchmark import render_benchmark
from synthgen.reports.evaluation import render_evaluation
from synthgen.reports.images import ShownImages, shown_positions


def evaluate_set(
    manifest: str,
    root: str,
    real: RealDigits,
    settings: EvaluationSettings,
    *,
    judge: Judge | None = None,
    network: Network = feature_network,
    or_fuller: bool = False,
) -> Evaluated:
    """Evaluates the set that a manifest lists and writes its report, unless both are there already.

    The arguments and errors are those of `evaluation.evaluate.evaluate_manifest`.
    """
    evaluated = evaluate_manifest(
        manifest, root, real, settings, judge=judge, network=network, or_fuller=or_fuller
    )
    if not evaluated.reused:
        publish_evaluation(evaluated, evaluation_pages(evaluated, real.train))
    return evaluated


def evaluation_pages(evaluated: Evaluated, train: Digits) -> dict[str, str]:
    """Renders an evaluation that was just made.

    Args:
        evaluated: what `evaluate` or `evaluate_manifest` returned.
        train: the real training digits.

    Returns:
        The content of each page by its file name.
    """
    evaluation = evaluated.evaluation
    assert evaluated.used is not None  # pages of an evaluation that was there are there, too
    rows: dict[int, Any] = {}
    if evaluated.rows is not None:
        for position in shown_positions(evaluation, evaluated.used):
            rows[position] = evaluated.rows.iloc[position].to_dict()
    shown = ShownImages(synthetic=evaluated.used, train=train, rows=rows)
    report = render_evaluation(evaluation, shown)
    return {
        REPORT_FILE: report.html,
        "report.md": report.markdown,
        "evaluation.csv": report.csv,
    }


def benchmark(job: BenchmarkJob, gates: Sequence[Gate] = ()) -> BenchmarkRun:
    """Runs the missing cells of a benchmark and writes its summary and its pages.

    Args:
        job: see `evaluation.benchmark.prepare_benchmark`.
        gates: whose figures the summary shows; `evaluation.gates.check_gates` then decides.

    Raises:
        Interrupted: after Ctrl-C, or if a worker was killed; every finished cell is kept, and the
            summary is of these.
        TrainingDiverged: if a generator cannot be trained; every finished cell is kept, and the
            summary is of these.
        ScreeningExhausted: if a generator cannot make a class; every finished cell is kept, and the
            summary is of these.
        ResumeError: if the same benchmark is running already.
        StorageError: if something cannot be read or written.
    """
    run = run_benchmark(job, gates)
    if run.summary:
        report = render_benchmark(run.summary)
        pages = {
            "benchmark.md": report.markdown,
            "benchmark.csv": report.csv,
            REPORT_FILE: report.html,
        }
        publish_benchmark(job, run.summary, pages)
    if run.error:
        raise run.error
    return run
