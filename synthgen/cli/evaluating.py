"""`synthgen evaluate` and `synthgen benchmark`."""

from typing import Any

import click

from synthgen.cli.options import DATA, FAIL_IF, ROOT, override, settings_options, shown, take
from synthgen.cli.terminal import notice, say
from synthgen.config import FULL, BenchmarkSettings, EvaluationSettings


@click.command(short_help="Measure what a set is worth.")
@click.argument("manifest", metavar="MANIFEST")
@DATA
@settings_options(EvaluationSettings)
@FAIL_IF
def evaluate(manifest: str, data: str, fail_if: tuple[str, ...], **options: Any) -> None:
    """Measure what a set is worth: labels, and a classifier trained with and without it."""
    from synthgen.datasets.sources import load_real
    from synthgen.evaluation.evaluation_figures import EVALUATION_FIGURES, figures
    from synthgen.evaluation.gates import check_gates, parse_gates
    from synthgen.shards.manifest import find_manifest

    gates = parse_gates(
        fail_if, {name: figure.meaning for name, figure in EVALUATION_FIGURES.items()}
    )
    storage, relative = find_manifest(manifest)
    check_gates(
        gates,
        figures(
            evaluate_set(
                relative,
                storage.url,
                load_real(data, log=notice),
                take(EvaluationSettings, options),
            )
        ),
    )


def evaluate_set(
    manifest: str, root: str, real: Any, settings: EvaluationSettings, or_fuller: bool = False
) -> Any:
    """Evaluate a set, print what came out, and hand it on; see `evaluate_manifest`."""
    from synthgen.evaluation.evaluate import evaluate_manifest

    evaluated = evaluate_manifest(manifest, root, real, settings, or_fuller=or_fuller)
    say(*evaluated.lines())
    return evaluated.evaluation


def _quick_or_full(name: str) -> str:
    """The default of an option of `benchmark` in both of its modes."""
    quick, full = (shown(getattr(settings, name)) for settings in (BenchmarkSettings(), FULL))
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
    generator: str | None,
    fail_if: tuple[str, ...],
    dry_run: bool,
    **options: Any,
) -> None:
    """Does synthetic data help, with how many real images, over the augmentation you have already?"""
    from synthgen.datasets.sources import load_real
    from synthgen.evaluation.benchmark_summary import FIGURES
    from synthgen.evaluation.gates import check_gates, parse_gates
    from synthgen.evaluation.generators import named_generator
    from synthgen.evaluation.run_benchmark import forecast, prepare, run

    gates = parse_gates(fail_if, FIGURES)
    given = {name: value for name, value in options.items() if value is not None}
    settings = override(BenchmarkSettings() if quick else FULL, given)
    real = load_real(data, log=notice)
    job = prepare(
        settings,
        root,
        real,
        generator=named_generator(generator, real.train) if generator else None,
    )
    if dry_run:
        say(*forecast(job).lines())
        return
    if not quick:
        notice(forecast(job).line())
    done = run(job, gates)
    say(*done.lines())
    check_gates(gates, done.summary.figures, done.summary.places)
