"""Gates for continuous integration: a figure, a comparison, a number. Nothing else is understood, and nothing is evaluated."""

import operator
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from synthgen.errors import CheckFailed, SettingsError

COMPARISONS: dict[str, Callable[[float, float], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
}
_GATE = re.compile(
    r"\s*([a-z_]+)\s*(<=|>=|==|!=|<|>)\s*([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)\s*"
)


@dataclass(frozen=True, kw_only=True)
class Gate:
    """A condition under which a run has failed.

    Args:
        text: as the user wrote it.
        name: of the figure.
        comparison: a key of COMPARISONS.
        limit: the number to compare with; shares are 0..1.
    """

    text: str
    name: str
    comparison: str
    limit: float

    def fails(self, figure: float | None) -> bool:
        """Whether the condition holds; a figure that could not be measured fails every gate."""
        return figure is None or COMPARISONS[self.comparison](figure, self.limit)


def parse_gates(texts: Sequence[str], known: Mapping[str, str]) -> tuple[Gate, ...]:
    """Understand --fail-if before any work is done.

    Args:
        texts: such as "delta < 0".
        known: names of the figures, each with what it is.

    Raises:
        SettingsError: naming the figures that are known.
    """
    return tuple(_parse(text, known) for text in texts)


def _parse(text: str, known: Mapping[str, str]) -> Gate:
    found = _GATE.fullmatch(text)
    names = "".join(f"\n  {name:<20} {meaning}" for name, meaning in known.items())
    if not found:
        raise SettingsError(
            f"--fail-if: expected a figure, one of {' '.join(COMPARISONS)} and a number, received {text!r}. The figures:{names}"
        )
    if found[1] not in known:
        raise SettingsError(
            f"--fail-if: expected one of these figures, received {found[1]!r}:{names}"
        )
    return Gate(text=text, name=found[1], comparison=found[2], limit=float(found[3]))


def check_gates(
    gates: Sequence[Gate],
    figures: Mapping[str, float | None],
    places: Mapping[str, str] = MappingProxyType({}),
) -> None:
    """Make sure that no gate fails.

    Args:
        gates: see `parse_gates`.
        figures: by name; None or missing: could not be measured.
        places: where a figure stands, by name, for the message.

    Raises:
        CheckFailed: naming each gate that fails and its figure.
    """
    failed = [
        f"{gate.text}: {gate.name} is {_shown(gate.name, figures, places)}"
        for gate in gates
        if gate.fails(figures.get(gate.name))
    ]
    if failed:
        raise CheckFailed(f"{len(failed)} of {len(gates)} gates failed: " + "; ".join(failed) + ".")


def _shown(name: str, figures: Mapping[str, float | None], places: Mapping[str, str]) -> str:
    figure = figures.get(name)
    if figure is None:
        return "not known: it could not be measured"
    return f"{figure:.6g}" + (f" ({places[name]})" if name in places else "")
