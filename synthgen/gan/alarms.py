"""Trouble in a training, found in its log: mode collapse, vanishing gradients, divergence.

Plain Python, no networks. An alarm is a function of the rows of the log alone: a resumed training
finds the same ones at the same steps.
"""

import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from synthgen.config import GanSettings

LogRow = Mapping[str, float]
LogRows = Sequence[LogRow]

# how long trouble must last before it is an alarm
WINDOW = 200  # steps
LEAST_ROWS = 3  # rows of the log; for mode collapse, rows in which the samples were measured
USUAL_ROWS = 300  # earlier rows whose median is the usual size of a figure

# mode collapse
FEW_DISTINCT = 0.3  # distinct share of the samples: real digits have over 0.9
# share of the training in which samples may be alike: a generator begins with one blot
COLLAPSE_GRACE = 0.2
COLLAPSE_GRACE_DISTINCT = 0.6  # distinct share and coverage that end the grace
COLLAPSE_GRACE_COVERAGE = 0.05
BROAD_COVERAGE = 0.2  # coverage that can be lost

# a discriminator whose gradients vanish
CERTAIN = 0.99  # accuracy on both sides from which a discriminator makes no mistake
# cross-entropy of the generator: the discriminator gives its images a chance under 0.1 %
LOST_LOSS = 7.0
IDLE_LOSS = 0.01  # hinge loss of a discriminator that has nothing left to learn
VANISHED = 1e-3  # of the gradient's usual norm

# divergence: a loss or gradient this many times its usual size, and at least so large; or so large
# from the beginning
EXPLODED_RATIO = 1e3
EXPLODED_LEAST = 1e3
EXPLODED_ALWAYS = 1e6


@dataclass(frozen=True, kw_only=True)
class Alarm:
    """Trouble, in plain words.

    Args:
        name: a key of ALARM_RULES, such as "mode collapse".
        step: at which it was found.
        message: what is seen, what that means, and which options to change.
        since: step of the first row that shows it.
        stops: whether going on is useless.
    """

    name: str
    step: int
    message: str
    since: int = 0
    stops: bool = False


def find_alarms(rows: LogRows, settings: GanSettings) -> dict[str, Alarm]:
    """Find the trouble that a training is in.

    Args:
        rows: of the log up to now, in order: `step`, the losses, accuracies and gradients of each
            row and, in some rows, `distinct` and `coverage` of the samples.
        settings: the recipe, for the remedy.

    Returns:
        Alarms by name; none in a healthy training.
    """
    found = {}
    for name, rule in ALARM_RULES.items():
        recent = rule.recent(rows)
        message = rule.describe(recent, rows, settings) if recent else None
        if message:
            found[name] = Alarm(
                name=name,
                step=int(rows[-1]["step"]),
                message=message,
                since=int(recent[0]["step"]),
                stops=name == "divergence",
            )
    return found


def early_signs(rows: LogRows, settings: GanSettings) -> bool:
    """Return whether there are signs of trouble that would be an alarm if they lasted.

    They are looked for in the last row alone, and in the last row that measured the samples if that
    is not more than WINDOW steps ago.

    Args:
        rows: of the log up to now, in order (see `find_alarms`).
        settings: the recipe.
    """
    last_look = _looks(rows)[-1:]
    is_recent = bool(last_look) and last_look[0]["step"] > rows[-1]["step"] - WINDOW
    if is_recent and _mode_collapse(last_look, rows, settings):
        return True
    return bool(rows and _vanishing(rows[-1:], rows, settings))


def exploding(rows: LogRows) -> set[str]:
    """Name the losses and gradients of the last row that are far beyond what was usual before it.

    The training may have diverged.

    Args:
        rows: of the log up to now, in order (see `find_alarms`); at least one.
    """
    last = rows[-1]
    exploded = set()
    for name in _losses_and_gradients(last):
        usual = _usual(rows[:-1], name, math.inf)
        limit = min(EXPLODED_ALWAYS, max(EXPLODED_LEAST, EXPLODED_RATIO * usual))
        if not abs(last[name]) <= limit:  # NaN is not within it either
            exploded.add(name)
    return exploded


def divergence(seen: str, settings: GanSettings) -> str:
    """Say what is seen of a divergence, and which options to change."""
    rates = f"{_rate(settings, 'generator')} and {_rate(settings, 'discriminator')}"

    # options that bound a discriminator of this loss and can be taken
    bounds = []
    if settings.loss == "wasserstein":
        if not settings.gradient_penalty and not settings.mixes_images:
            bounds.append("--gradient-penalty 10")
        if not settings.weight_clip and not settings.spectral_norm:
            bounds.append("--weight-clip 0.01")
    else:
        if not settings.r1_gamma:
            bounds.append("--r1-gamma 0.5")
        if not settings.spectral_norm and not settings.weight_clip:
            bounds.append("--spectral-norm")

    bound = f", or bound the discriminator with {' or '.join(bounds)}" if bounds else ""
    return f"{seen}. Lower {rates}{bound}, and train into another --out."


def _mode_collapse(recent: LogRows, rows: LogRows, settings: GanSettings) -> str | None:
    """Describe samples that are nearly all alike, or cover less than half of what they covered."""
    looks = _looks(rows)
    varied = any(
        row["distinct"] >= COLLAPSE_GRACE_DISTINCT and row["coverage"] >= COLLAPSE_GRACE_COVERAGE
        for row in looks
    )
    if recent[0]["step"] < COLLAPSE_GRACE * settings.steps and not varied:
        return None

    # what is seen
    best = max(row["coverage"] for row in looks)
    if all(row["distinct"] < FEW_DISTINCT for row in recent):
        distinct = recent[-1]["distinct"]
        seen = f"only {distinct:.0%} of the samples differ from one another"
    elif best >= BROAD_COVERAGE and all(row["coverage"] < best / 2 for row in recent):
        coverage = recent[-1]["coverage"]
        seen = f"the samples cover {coverage:.0%} of the real digits and have covered {best:.0%}"
    else:
        return None

    # what helps, unless it is there already or cannot be had together
    helps = ""
    if settings.minibatch == "none" and not settings.gradient_penalty:
        helps += "let the discriminator see its whole batch with --minibatch deviation, "
    if not (settings.r1_gamma or settings.gradient_penalty or settings.spectral_norm):
        helps += "regularise it with --r1-gamma 0.5, "
    return (
        f"{seen}: the generator makes the same few images again and again. "
        f"To get more kinds, {helps}lower {_rate(settings, 'generator')}."
    )


def _vanishing(recent: LogRows, rows: LogRows, settings: GanSettings) -> str | None:
    """Describe a discriminator that is always right, or gives the generator no gradient."""

    def mean(name: str) -> float:
        return statistics.fmean(row[name] for row in recent)

    # what is seen
    real = mean("real_accuracy")
    fake = mean("fake_accuracy")
    generator_loss = mean("generator_loss")
    discriminator_loss = mean("discriminator_loss")
    gradient = mean("generator_gradient")
    certain = settings.loss != "wasserstein" and min(real, fake) > CERTAIN
    if settings.loss == "bce":
        learnt = generator_loss > LOST_LOSS
    else:
        learnt = discriminator_loss < IDLE_LOSS
    if gradient <= VANISHED * _usual(rows[: -len(recent)], "generator_gradient", 0.0):
        seen = f"the generator's gradient has all but vanished (norm {gradient:.2g})"
    elif certain and learnt:
        seen = (
            "the discriminator tells real from generated without fail "
            f"({real:.1%} and {fake:.1%} right, generator loss {generator_loss:.1f}, "
            f"discriminator loss {discriminator_loss:.2g})"
        )
    else:
        return None

    # what helps, unless it is there already
    helps = ""
    if settings.loss == "bce" and not settings.label_smoothing:
        helps += ", smooth its targets with --label-smoothing 0.1"
    if not settings.dropout:
        helps += ", make it forget with --dropout 0.3"
    if not settings.r1_gamma:
        helps += ", keep its gradients small with --r1-gamma 0.5"
    return (
        f"{seen}: the generator has nothing to learn from. "
        f"Lower {_rate(settings, 'discriminator')}{helps}."
    )


def _divergence(recent: LogRows, rows: LogRows, settings: GanSettings) -> str | None:
    """Describe a loss or gradient that is not finite, or that exploded and stays so."""
    last = rows[-1]
    bad = [name for name in _losses_and_gradients(last) if not math.isfinite(last[name])]
    if bad:
        return divergence(f"{', '.join(bad)} not finite", settings)
    if len(recent) < LEAST_ROWS:
        return None
    before = list(rows[: -len(recent)])
    exploded = set.intersection(*(exploding([*before, row]) for row in recent))
    if not exploded:
        return None
    seen = " and ".join(f"{name} exploded to {last[name]:.2g}" for name in sorted(exploded))
    return divergence(seen, settings)


def _looks(rows: LogRows) -> LogRows:
    """Return the rows that hold a look at the samples."""
    return [row for row in rows if "distinct" in row]


def _last_looks(rows: LogRows) -> LogRows:
    """Return the rows of the last LEAST_ROWS looks; none if there were fewer."""
    looks = _looks(rows)
    return looks[-LEAST_ROWS:] if len(looks) >= LEAST_ROWS else []


def _last_rows(rows: LogRows) -> LogRows:
    """Return the last LEAST_ROWS rows, or fewer if there are not so many."""
    return rows[-LEAST_ROWS:]


def _last_steps(rows: LogRows) -> LogRows:
    """Return the rows of the last WINDOW steps, at least LEAST_ROWS; none of a younger training."""
    if len(rows) < LEAST_ROWS or rows[-1]["step"] < WINDOW:
        return []
    lasting = sum(row["step"] > rows[-1]["step"] - WINDOW for row in rows[-WINDOW:])
    return rows[-max(lasting, LEAST_ROWS) :]


class AlarmRule(NamedTuple):
    """How one kind of trouble is found.

    Args:
        recent: of all rows those that must show it.
        describe: of these rows, all rows and the recipe: what is seen and what helps, or None.
    """

    recent: Callable[[LogRows], LogRows]
    describe: Callable[[LogRows, LogRows, GanSettings], str | None]


ALARM_RULES = {
    "mode collapse": AlarmRule(_last_looks, _mode_collapse),
    "vanishing discriminator": AlarmRule(_last_steps, _vanishing),
    "divergence": AlarmRule(_last_rows, _divergence),
}


def _losses_and_gradients(row: LogRow) -> list[str]:
    return [name for name in row if name.endswith(("_loss", "_gradient")) or name == "penalty"]


def _usual(rows: LogRows, name: str, unknown: float) -> float:
    """Return the median size of a figure in earlier rows; `unknown` where these are too few."""
    if len(rows) < LEAST_ROWS:
        return unknown
    return statistics.median(abs(row[name]) for row in rows[-USUAL_ROWS:])


def _rate(settings: GanSettings, network: str) -> str:
    """Return the option that sets the learning rate of a network, and its value."""
    return f"--{network}-rate (now {getattr(settings, f'{network}_rate'):g})"
