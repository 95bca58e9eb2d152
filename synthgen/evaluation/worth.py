"""What the shipped generator was measured to be worth to people with few digits of their own.

The figures come with the package, in the folder of the generator; `tests.benchmarks.transfer`
writes them there from its results.
"""

from dataclasses import dataclass
from pathlib import Path

from synthgen.evaluation.results import BenchmarkSummary
from synthgen.evaluation.scenarios import TRANSFER
from synthgen.gan.checkpoint import shipped_checkpoint
from synthgen.records import from_json

WORTH_FORMAT = "synthgen-worth/1"
WORTH_FILE = "worth.json"


@dataclass(frozen=True, kw_only=True)
class Worth:
    """What a generator's digits are worth beside so many digits of one set of other hands.

    Args:
        name: of the set.
        per_class: own digits of each class.
        repetitions: paired ones.
        alone: accuracy of own digits with distortions, 0..1.
        together: accuracy with the generator's digits beside them.
        verdict: "helps", "no effect", "hurts", or "undecided" of one repetition.
    """

    name: str
    per_class: int
    repetitions: int
    alone: float
    together: float
    verdict: str


@dataclass(frozen=True, kw_only=True)
class WorthTable:
    """What was measured of one generator.

    Args:
        checkpoint_sha256: identity of the generator.
        rows: set by set, each with ascending numbers of own digits.
    """

    checkpoint_sha256: str
    rows: tuple[Worth, ...]


def worth_of(checkpoint_sha256: str) -> tuple[Worth, ...]:
    """Return what was measured of a generator; nothing of others than the shipped one.

    Args:
        checkpoint_sha256: identity of the generator.
    """
    file = Path(shipped_checkpoint()) / WORTH_FILE
    if not file.exists():
        return ()
    table = from_json(WorthTable, file.read_bytes(), format=WORTH_FORMAT)
    return table.rows if table.checkpoint_sha256 == checkpoint_sha256 else ()


def worth_rows(name: str, summary: BenchmarkSummary) -> tuple[Worth, ...]:
    """Return the rows of one set.

    Args:
        name: of the set.
        summary: of a benchmark with the scenario transfer.
    """
    accuracy = {
        (arm.arm, arm.budget): arm.accuracy.mean for arm in summary.arms if arm.scenario == TRANSFER
    }
    return tuple(
        Worth(
            name=name,
            per_class=int(row.budget),
            repetitions=row.seeds,
            alone=round(accuracy["classical", row.budget], 6),
            together=round(accuracy["source", row.budget], 6),
            verdict=row.verdict,
        )
        for row in summary.comparisons
        if row.scenario == TRANSFER and row.primary
    )
