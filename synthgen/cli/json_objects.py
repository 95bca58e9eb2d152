"""What `--json` prints: the result of a command as one object, whose keys stay the same.

Each function takes the value that the library returned. Further keys may be added; none is renamed.
"""

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from synthgen.evaluation.benchmark import BenchmarkRun
    from synthgen.evaluation.evaluate import Evaluated
    from synthgen.evaluation.own_digits import OwnDigitsVerdict
    from synthgen.evaluation.results import Results
    from synthgen.gan.presets import Preset
    from synthgen.pipeline import WholeBuild, WholeTraining
    from synthgen.shards.dry_run import DryRun
    from synthgen.shards.export import ExportResult
    from synthgen.shards.partitions import MergeResult, PartitionResult
    from synthgen.shards.run_record import RunRecord
    from synthgen.shards.show import RebuiltImage
    from synthgen.shards.verify import VerifyReport

JsonObject = dict[str, Any]


def set_json(record: "RunRecord", manifest: str) -> JsonObject:
    """A published set."""
    from synthgen.shards.layout import record_path

    return {
        "manifest": manifest,
        "record": record_path(manifest),
        "name": record.settings.name,
        "images": record.count,
        "counts": dict(record.counts),
        "formats": list(record.formats),
        "shards": len(record.shards),
        "fingerprint": record.fingerprint,
        "label_source": record.label_source,
        "acceptance": dict(record.acceptance),
    }


def build_json(done: "WholeBuild", same_shards: bool | None) -> JsonObject:
    """A build: the set, and what it is worth."""
    return {
        **set_json(done.set.record, done.set.manifest_path),
        "unchanged": done.set.unchanged,
        "images_made": done.set.made,
        "repaired": list(done.set.repaired),
        "orphans": list(done.set.orphans),
        "seconds": round(done.set.seconds, 3),
        "generator": done.trained,
        "same_shards_as_record": same_shards,
        "evaluation": evaluation_json(done.evaluation) if done.evaluation else None,
        "own_digits": own_digits_json(done.own_digits) if done.own_digits else None,
    }


def dry_run_json(forecast: "DryRun") -> JsonObject:
    """What a build would be."""
    return dataclasses.asdict(forecast)


def partition_json(part: "PartitionResult") -> JsonObject:
    """The share of a set that one of several jobs made."""
    return {
        "name": part.record.settings.name,
        "partition": str(part.partition),
        "published": part.published,
        "shards": part.shards,
        "shards_there_already": part.skipped,
        "shards_repaired": part.repaired,
        "images_made": part.made,
        "seconds": round(part.seconds, 3),
    }


def merge_json(merged: "MergeResult") -> JsonObject:
    """A set that was published of its partitions."""
    return {
        **set_json(merged.record, merged.manifest_path),
        "unchanged": merged.unchanged,
        "seconds": round(merged.seconds, 3),
    }


def export_json(done: "ExportResult", manifest: str) -> JsonObject:
    """A set in further formats."""
    return {
        "manifest": manifest,
        "formats": list(done.record.formats),
        "images_written": done.written,
        "unchanged": done.unchanged,
        "seconds": round(done.seconds, 3),
    }


def own_digits_json(found: "OwnDigitsVerdict") -> JsonObject:
    """What a set is worth beside few own digits."""
    return {
        "verdict": found.verdict,
        "own": found.own,
        "synthetic": found.synthetic,
        "share": found.share,
        "weight": found.weight,
        "strength": found.strength,
        "accuracy_alone": found.alone,
        "accuracy_together": found.together,
        "difference": _estimate(found.difference),
        "code": found.code,
    }


def evaluation_json(evaluated: "Evaluated") -> JsonObject:
    """An evaluation: arms, comparisons, and the figures that gates may ask for."""
    from synthgen.evaluation.gates import EVALUATION_FIGURES, figures_of

    evaluation = evaluated.evaluation
    figures = figures_of(evaluation, EVALUATION_FIGURES)
    return {
        "report": evaluated.place.report,
        "reused": evaluated.reused,
        **_results(evaluation),
        "figures": {name: figure.value for name, figure in figures.items()},
    }


def benchmark_json(run: "BenchmarkRun", place: str) -> JsonObject:
    """A benchmark: arms, comparisons, and the figures that gates may ask for."""
    assert run.summary is not None
    figures = run.summary.figures
    return {
        "folder": place,
        "cells_run": run.ran,
        **_results(run.summary),
        "figures": {name: figure.value for name, figure in figures.items()},
    }


def training_json(done: "WholeTraining", reports: list[str]) -> JsonObject:
    """A training, and where its checkpoint lies."""
    return {**dataclasses.asdict(done.training), "labels": done.labels, "reports": reports}


def verify_json(report: "VerifyReport") -> JsonObject:
    """What a check of a set found."""
    return {
        "manifest": report.manifest,
        "rows": report.rows,
        "shards": report.shards,
        "problems": list(report.problems),
        "remedies": list(report.remedies),
        "foreign": list(report.foreign),
        "unfinished": list(report.unfinished),
        "seconds": round(report.seconds, 3),
    }


def show_json(shown: "RebuiltImage") -> JsonObject:
    """How an image that was made again compares with its row and the stored ones."""
    return {
        "identical": shown.identical,
        "as_recorded": shown.as_recorded,
        "row": {name: value for name, value in shown.row.items() if value != ""},
        "stored": dict(shown.stored),
        "changed_versions": list(shown.changed),
    }


def presets_json(presets: Mapping[str, "Preset"]) -> JsonObject:
    """The training recipes, with their size and cost at 28 x 28."""
    from synthgen.networks.cost import cost_of

    listed = []
    for name, preset in presets.items():
        cost = cost_of(preset.settings)
        listed.append(
            {
                "name": name,
                "recipe": preset.recipe,
                "reference": preset.reference,
                "settings": dataclasses.asdict(preset.settings),
                "parameters": {
                    "generator": cost.generator_parameters,
                    "discriminator": cost.discriminator_parameters,
                },
                "multiplications": {"generate": cost.generated, "train_step": cost.trained},
            }
        )
    return {"presets": listed}


def _results(results: "Results") -> JsonObject:
    """What an evaluation and a benchmark have in common."""
    return {
        "name": results.name,
        "fingerprint": results.fingerprint,
        "arms": [
            {
                "scenario": arm.scenario,
                "budget": arm.budget,
                "arm": arm.arm,
                "accuracy": _estimate(arm.metrics.get("accuracy")),
            }
            for arm in results.arms
        ],
        "comparisons": [
            {
                "scenario": each.scenario,
                "budget": each.budget,
                "arm": each.arm,
                "baseline": each.baseline,
                "metric": each.metric,
                "difference": _estimate(each.difference),
                "corrected": _estimate(each.corrected),
                "verdict": each.verdict,
            }
            for each in results.comparisons
        ],
    }


def _estimate(estimate: Any) -> JsonObject | None:
    """Mean and interval."""
    if estimate is None:
        return None
    return {"mean": estimate.mean, "low": estimate.low, "high": estimate.high}
