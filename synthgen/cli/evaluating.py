"""`synthgen evaluate` and `synthgen benchmark`."""

import dataclasses
from typing import Any

import click

from synthgen.cli.options import DATA, FAIL_IF, ROOT, override, settings_options, shown, take
from synthgen.cli.terminal import notice, say
from synthgen.config import FULL_BENCHMARK, BenchmarkSettings, EvaluationSettings


@click.command(short_help="Measure what a set is worth.")
@click.argument("manifest", metavar="MANIFEST")
@DATA
@settings_options(EvaluationSettings)
@FAIL_IF
def evaluate(
    manifest: str, data: str, fitting: Any, fail_if: tuple[str, ...], **options: Any
) -> None:
    """Measure what a set is worth: labels, and a classifier trained with and without it."""
    from synthgen.datasets.sources import load_real
    from synthgen.evaluation.gates import (
        EVALUATION_FIGURES,
        check_gates,
        figures_of,
        parse_gates,
    )
    from synthgen.shards.manifest import find_manifest
    from synthgen.shards.run_record import read_record

    gates = parse_gates(fail_if, EVALUATION_FIGURES)
    storage, relative = find_manifest(manifest)
    shape = read_record(storage, relative).image_shape
    real = load_real(data, notice, dataclasses.replace(fitting, shape=shape))
    evaluation = evaluate_and_say(relative, storage.url, real, take(EvaluationSettings, options))
    check_gates(gates, figures_of(evaluation, EVALUATION_FIGURES))


def evaluate_and_say(
    manifest: str, root: str, real: Any, settings: EvaluationSettings, or_fuller: bool = False
) -> Any:
    """Evaluate a set, print what came out, and return the evaluation; see `evaluate_set`."""
    from synthgen.pipeline import evaluate_set
    from synthgen.reports.evaluation import evaluation_lines

    evaluated = evaluate_set(manifest, root, real, settings, or_fuller=or_fuller)
    evaluation = evaluated.evaluation
    say(*evaluation_lines(evaluation), f"  report: {evaluated.place.report}")
    if evaluated.reused:
        size = f"arms: {len(evaluation.settings.arms)}, seeds: {len(evaluation.seeds)}"
        say(
            f"This evaluation was there already ({size}), of the same data, settings and versions: "
            "nothing was trained."
        )
    return evaluation


def _quick_or_full(name: str) -> str:
    """The default of an option of `benchmark` in both of its modes."""
    quick, full = (
        shown(getattr(settings, name)) for settings in (BenchmarkSettings(), FULL_BENCHMARK)
    )
    return quick if quick == full else f"{quick}; with --full {full}"


@click.command(short_help="Does synthetic data help at your data size?")
@click.option(
    "--quick/--full",
    default=True,
    show_default=True,
    help="A coarse answer in minutes, or every cell in many hours.",
)
@settings_options(BenchmarkSettings, defaults=False, otherwise=_quick_or_full)
@ROOT
@DATA
@click.option(
    "--generator",
    metavar="FOLDER|shipped",
    help="Use this generator, whatever it has seen, instead of training one on each cell's own images; marked in every table.",
)
@FAIL_IF
@click.option(
    "--dry-run",
    is_flag=True,
    help="List the cells and the time they are expected to take; write nothing.",
)
def benchmark(
    quick: bool,
    root: str,
    data: str,
    fitting: Any,
    generator: str | None,
    fail_if: tuple[str, ...],
    dry_run: bool,
    **options: Any,
) -> None:
    """Does synthetic data help, with how many real images, over the augmentation you have already?"""
    from synthgen.datasets.sources import load_real
    from synthgen.evaluation.benchmark import forecast_benchmark, prepare_benchmark
    from synthgen.evaluation.gates import BENCHMARK_FIGURES, check_gates, parse_gates
    from synthgen.evaluation.generators import named_generator
    from synthgen.pipeline import benchmark as run_and_publish
    from synthgen.reports.benchmark_lines import benchmark_lines, forecast_line, forecast_lines

    gates = parse_gates(fail_if, BENCHMARK_FIGURES)
    given = {name: value for name, value in options.items() if value is not None}
    settings = override(BenchmarkSettings() if quick else FULL_BENCHMARK, given)
    real = load_real(data, notice, fitting)
    source = named_generator(generator, real.train) if generator else None
    job = prepare_benchmark(settings, root, real, source=source)
    if dry_run:
        say(*forecast_lines(forecast_benchmark(job)))
        return
    if not quick:
        notice(forecast_line(forecast_benchmark(job)))
    run = run_and_publish(job, gates)
    assert run.summary is not None  # without an error every cell is finished
    say(*benchmark_lines(run.summary))
    say(f"  {job.place}: report.html, cells.jsonl, benchmark.json, .csv, .md")
    if not run.ran:
        say(
            "All cells were there already, of the same data, settings and versions: nothing was trained."
        )
    check_gates(gates, run.summary.figures)
