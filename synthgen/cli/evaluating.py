"""`synthgen evaluate` and `synthgen benchmark`."""

import dataclasses
from typing import TYPE_CHECKING, Any

import click

from synthgen.cli.config_file import CONFIG
from synthgen.cli.json_objects import benchmark_json, evaluation_json
from synthgen.cli.options import (
    FAIL_IF,
    JSON,
    ROOT,
    as_option,
    changes_options,
    data_options,
    settings_options,
)
from synthgen.cli.output import notice, say, say_evaluation, say_json
from synthgen.config import FULL_BENCHMARK, BenchmarkSettings, EvaluationSettings

if TYPE_CHECKING:
    from synthgen.datasets.sources import DataSource


@click.command(short_help="Measure what a set is worth.")
@click.argument("manifest", metavar="MANIFEST")
@CONFIG
@data_options
@settings_options(EvaluationSettings)
@FAIL_IF
@JSON
def evaluate(
    settings: EvaluationSettings,
    manifest: str,
    data: "DataSource",
    fail_if: tuple[str, ...],
    as_json: bool,
) -> None:
    """Measure what a set is worth: labels, and a classifier trained with and without it."""
    from synthgen import pipeline
    from synthgen.evaluation.gates import (
        EVALUATION_FIGURES,
        check_gates,
        figures_of,
        parse_gates,
    )

    gates = parse_gates(fail_if, EVALUATION_FIGURES)
    evaluated = pipeline.evaluate(manifest, settings, data=data, say=notice)
    if as_json:
        say_json(evaluation_json(evaluated))
    else:
        say_evaluation(evaluated, beside=manifest)
    check_gates(gates, figures_of(evaluated.evaluation, EVALUATION_FIGURES))


def _quick_or_full(name: str) -> str:
    """The default of an option of `benchmark` in both of its modes."""
    quick = as_option(getattr(BenchmarkSettings(), name))
    full = as_option(getattr(FULL_BENCHMARK, name))
    return quick if quick == full else f"{quick}; with --full {full}"


@click.command(short_help="Does synthetic data help at your data size?")
@click.option(
    "--quick/--full",
    default=True,
    show_default=True,
    help="A coarse answer in minutes, or every cell in many hours.",
)
@CONFIG
@changes_options(BenchmarkSettings, otherwise=_quick_or_full)
@ROOT
@data_options
@click.option(
    "--generator",
    metavar="FOLDER|shipped",
    help="Use this generator, whatever it has seen, instead of training one on each cell's own "
    "images; marked in every table.",
)
@FAIL_IF
@click.option(
    "--dry-run",
    is_flag=True,
    help="List the cells and the time they are expected to take; write nothing.",
)
@JSON
def benchmark(
    changes: dict[str, Any],
    quick: bool,
    root: str,
    data: "DataSource",
    generator: str | None,
    fail_if: tuple[str, ...],
    dry_run: bool,
    as_json: bool,
) -> None:
    """Does synthetic data help, with how many real images, over augmentation?"""
    settings = dataclasses.replace(BenchmarkSettings() if quick else FULL_BENCHMARK, **changes)
    from synthgen import pipeline
    from synthgen.evaluation.benchmark import forecast_benchmark
    from synthgen.evaluation.gates import BENCHMARK_FIGURES, check_gates, parse_gates
    from synthgen.reports.benchmark_words import benchmark_lines, forecast_line, forecast_lines

    gates = parse_gates(fail_if, BENCHMARK_FIGURES)
    job = pipeline.plan_benchmark_job(settings, root, data, generator, notice)
    if dry_run:
        forecast = forecast_benchmark(job)
        if as_json:
            say_json(dataclasses.asdict(forecast))
        else:
            say(*forecast_lines(forecast))
        return
    if not quick:
        notice(forecast_line(forecast_benchmark(job)))
    run = pipeline.run_benchmark_job(job, gates)
    assert run.summary is not None  # without an error every cell is finished
    if as_json:
        say_json(benchmark_json(run, job.place))
    else:
        say(*benchmark_lines(run.summary))
        say(f"  {job.place}: report.html, cells.jsonl, benchmark.json, .csv, .md")
        if not run.ran:
            say(
                "All cells were there already, of the same data, settings and versions: nothing "
                "was trained."
            )
    check_gates(gates, run.summary.figures)
