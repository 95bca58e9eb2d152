"""For whom the shipped generator is worth what, in words for the terminal."""

from collections.abc import Sequence

from synthgen.evaluation.worth import Worth
from synthgen.metrics.intervals import UNDECIDED
from synthgen.text import counted, for_terminal, wrapped


def worth_lines(rows: Sequence[Worth]) -> tuple[str, ...]:
    """Say what was measured with few own digits of other hands; nothing where nothing was.

    Args:
        rows: of one generator, see `evaluation.worth.worth_of`.
    """
    if not rows:
        return ()
    lines = [
        *wrapped(
            "The accuracies above are of someone who has all of MNIST. For someone with few digits "
            "of their own hand, this generator's digits beside them gave:",
            "",
        ),
        f"  {'own digits':<34}{'alone':>8}{'with these':>12}   verdict",
    ]
    for row in rows:
        verdict = row.verdict
        if verdict == UNDECIDED:
            verdict = "one repetition"
        lines.append(
            f"  {f'{row.per_class} a class of {row.name}':<34}{row.alone:>8.1%}"
            f"{row.together:>12.1%}   {verdict}"
        )
    repetitions = min(row.repetitions for row in rows)
    most = max(row.repetitions for row in rows)
    times = counted(most, "repetition") if repetitions == most else f"{repetitions} to {most}"
    lines += wrapped(
        f"({times}; all distorted; docs/results.md.) Measure it on yours: "
        "synthgen build --data my-digits/",
        "",
    )
    return for_terminal(lines)
