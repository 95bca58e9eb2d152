"""What a newcomer is told of the worth of the shipped generator."""

from synthgen.evaluation.worth import Worth, worth_of, worth_rows
from synthgen.gan.checkpoint import read_checkpoint, shipped_checkpoint
from synthgen.reports.worth import worth_lines
from tests.evaluation.benchmark_example import transfer_summary


def test_the_rows_of_a_set_are_those_of_its_benchmark() -> None:
    rows = worth_rows("Semeion", transfer_summary())
    assert rows[:2] == (
        Worth(
            name="Semeion",
            per_class=1,
            repetitions=3,
            alone=0.78,
            together=0.92,
            verdict="helps",
        ),
        Worth(
            name="Semeion",
            per_class=5,
            repetitions=3,
            alone=0.93,
            together=0.96,
            verdict="helps",
        ),
    )
    assert (rows[2].per_class, rows[2].verdict) == (20, "no effect")
    lines = worth_lines(rows)
    assert lines[0].startswith("The accuracies above are of someone who has all of MNIST.")
    assert "  1 a class of Semeion                 78.0%       92.0%   helps" in lines
    assert all(len(line) <= 80 for line in lines)
    assert worth_lines(()) == ()


def test_the_table_in_the_package_is_of_the_shipped_generator() -> None:
    rows = worth_of(read_checkpoint(shipped_checkpoint()).sha256)
    assert rows
    assert all(0 < row.alone < 1 and 0 < row.together < 1 for row in rows)
    assert worth_of("0" * 64) == ()
