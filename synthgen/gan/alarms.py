"""Trouble in a training, found in its log: mode collapse, a vanishing discriminator, divergence. Plain Python, no networks.

An alarm is a function of the rows of the log alone: a resumed training finds the same ones at the
same steps.
"""

import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from synthgen.config import GanSettings

Row = Mapping[str, float]
Rows = Sequence[Row]

WINDOW = 200  # steps over which trouble must last
LEAST_ROWS = 3  # and rows of the log, or looks at the samples
CERTAIN = 0.99  # accuracy on both sides from which a discriminator makes no mistake
# cross-entropy of the generator: the discriminator gives its images a chance under 0.1 %
LOST = 7.0
IDLE = 0.01  # hinge loss of a discriminator that has nothing left to learn
VANISHED = 1e-3  # of the gradient's usual norm
FEW = 0.3  # distinct share of the samples: real digits have over 0.9
GRACE = 0.2  # share of the training in which samples may be alike: a generator begins with one blot
VARIED, SOME = 0.6, 0.05  # distinct share and coverage that end the grace
BROAD = 0.2  # coverage that can be lost
# times the usual value, and at least this; or from the beginning
EXPLODED, LARGE, HUGE = 1e3, 1e3, 1e6
USUAL_ROWS = 300  # earlier rows that say what is usual


@dataclass(frozen=True, kw_only=True)
class Alarm:
    """Trouble, in plain words.

    Args:
        name: which.
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


def find_alarms(rows: Rows, settings: GanSettings) -> dict[str, Alarm]:
    """The trouble that a training is in.

    Args:
        rows: of the log up to now, in order: `step`, the losses, accuracies and gradients of each
            row and, in some rows, `distinct` and `coverage` of the samples.
        settings: the recipe, for the remedy.

    Returns:
        Alarms by name; none in a healthy training.
    """
    found = {}
    for name, (choose, find) in ALARMS.items():
        recent = choose(rows)
        message = find(recent, rows, settings) if recent else None
        if message:
            since, step = int(recent[0]["step"]), int(rows[-1]["step"])
            found[name] = Alarm(
                name=name, step=step, message=message, since=since, stops=name == "divergence"
            )
    return found


def brewing(rows: Rows, settings: GanSettings) -> bool:
    """Whether the last row by itself, or a look of the last WINDOW steps, shows what is an alarm when it lasts."""
    look = [row for row in _looks(rows)[-1:] if row["step"] > rows[-1]["step"] - WINDOW]
    return any(
        recent and find(recent, rows, settings)
        for recent, find in ((look, _collapse), (rows[-1:], _vanishing))
    )


def _looks(rows: Rows) -> Rows:
    return [row for row in rows if "distinct" in row]


def _collapse(recent: Rows, rows: Rows, settings: GanSettings) -> str | None:
    """Samples that are nearly all alike, or that cover less than half of what they covered."""
    looks = _looks(rows)
    begun = any(row["distinct"] >= VARIED and row["coverage"] >= SOME for row in looks)
    if recent[0]["step"] < GRACE * settings.steps and not begun:
        return None
    distinct, coverage = recent[-1]["distinct"], recent[-1]["coverage"]
    best = max(row["coverage"] for row in looks)
    if all(row["distinct"] < FEW for row in recent):
        seen = f"only {distinct:.0%} of the samples differ from one another"
    elif best >= BROAD and all(row["coverage"] < best / 2 for row in recent):
        seen = f"the samples cover {coverage:.0%} of the real digits and have covered {best:.0%}"
    else:
        return None
    # there already, or not to be had together
    mixes = settings.minibatch != "none" or settings.gradient_penalty
    helps = (
        "" if mixes else "let the discriminator see its whole batch with --minibatch deviation, "
    )
    regularised = settings.r1_gamma or settings.gradient_penalty or settings.spectral_norm
    helps += "" if regularised else "regularise it with --r1-gamma 0.5, "
    return f"{seen}: the generator makes the same few images again and again. To get more kinds, {helps}lower {_rate(settings, 'generator')}."


def _vanishing(recent: Rows, rows: Rows, settings: GanSettings) -> str | None:
    """A discriminator that is always right, or whose verdict no longer tells the generator where to go."""
    real, fake, loss, idle, slope = (
        statistics.fmean(row[name] for row in recent)
        for name in (
            "real_accuracy",
            "fake_accuracy",
            "generator_loss",
            "discriminator_loss",
            "generator_gradient",
        )
    )
    certain = settings.loss != "wasserstein" and min(real, fake) > CERTAIN
    if slope <= VANISHED * _usual(rows[: -len(recent)], "generator_gradient", 0.0):
        seen = f"the generator's gradient has all but vanished (norm {slope:.2g})"
    elif certain and (loss > LOST if settings.loss == "bce" else idle < IDLE):
        losses = f"generator loss {loss:.1f}, discriminator loss {idle:.2g}"
        seen = f"the discriminator tells real from generated without fail ({real:.1%} and {fake:.1%} right, {losses})"
    else:
        return None
    smooth = (
        ""
        if settings.loss != "bce" or settings.label_smoothing
        else ", smooth its targets with --label-smoothing 0.1"
    )
    noisy = "" if settings.dropout else ", make it forget with --dropout 0.3"
    gentle = "" if settings.r1_gamma else ", keep its slopes gentle with --r1-gamma 0.5"
    return f"{seen}: the generator has nothing to learn from. Lower {_rate(settings, 'discriminator')}{smooth}{noisy}{gentle}."


def _divergence(recent: Rows, rows: Rows, settings: GanSettings) -> str | None:
    """A loss or gradient that is no number any more, or that exploded and stays so."""
    last = rows[-1]
    bad = [name for name in _watched(last) if not math.isfinite(last[name])]
    if bad:
        return divergence(f"{', '.join(bad)} not finite", settings)
    exploded = (
        set.intersection(*(exploding([*rows[: -len(recent)], row]) for row in recent))
        if len(recent) == LEAST_ROWS
        else ()
    )
    return (
        divergence(
            " and ".join(f"{name} exploded to {last[name]:.2g}" for name in sorted(exploded)),
            settings,
        )
        if exploded
        else None
    )


def exploding(rows: Rows) -> set[str]:
    """Losses and gradients of the last row that are far beyond what was usual before it: it may have diverged."""
    last, before = rows[-1], rows[:-1]
    limits = {
        name: min(HUGE, max(LARGE, EXPLODED * _usual(before, name, math.inf)))
        for name in _watched(last)
    }
    return {name for name, limit in limits.items() if not abs(last[name]) <= limit}


def divergence(seen: str, settings: GanSettings) -> str:
    """What is seen of a divergence, and the remedy."""
    rates = " and ".join(_rate(settings, network) for network in ("generator", "discriminator"))
    bounds = [option for option, possible in _bounds(settings).items() if possible]
    bound = f", or bound the discriminator with {' or '.join(bounds)}" if bounds else ""
    return f"{seen}. Lower {rates}{bound}, and train into another --out."


def _bounds(settings: GanSettings) -> dict[str, bool]:
    """Options that bound a discriminator of this loss, and whether they are free to be taken."""
    normed, clipped = settings.spectral_norm, bool(settings.weight_clip)
    if settings.loss != "wasserstein":
        return {
            "--r1-gamma 0.5": not settings.r1_gamma,
            "--spectral-norm": not normed and not clipped,
        }
    return {
        "--gradient-penalty 10": not settings.gradient_penalty and not settings.mixes_images,
        "--weight-clip 0.01": not clipped and not normed,
    }


def _watched(row: Row) -> list[str]:
    return [name for name in row if name.endswith(("_loss", "_gradient")) or name == "penalty"]


def _last_looks(rows: Rows) -> Rows:
    """The rows of the last LEAST_ROWS looks; none if there were fewer."""
    looks = _looks(rows)
    return looks[-LEAST_ROWS:] if len(looks) >= LEAST_ROWS else []


def _last_rows(rows: Rows) -> Rows:
    return rows[-LEAST_ROWS:]


def _last_steps(rows: Rows) -> Rows:
    """The rows of the last WINDOW steps, and LEAST_ROWS at least; none if the training is younger."""
    if len(rows) < LEAST_ROWS or rows[-1]["step"] < WINDOW:
        return []
    lasting = sum(row["step"] > rows[-1]["step"] - WINDOW for row in rows[-WINDOW:])
    return rows[-max(lasting, LEAST_ROWS) :]


# the rows that show it, what they show
ALARMS: dict[
    str, tuple[Callable[[Rows], Rows], Callable[[Rows, Rows, GanSettings], str | None]]
] = {
    "mode collapse": (_last_looks, _collapse),
    "vanishing discriminator": (_last_steps, _vanishing),
    "divergence": (_last_rows, _divergence),
}


def _usual(rows: Rows, name: str, unknown: float) -> float:
    """The median size of a figure in earlier rows, or `unknown` where these are too few to tell."""
    return (
        statistics.median(abs(row[name]) for row in rows[-USUAL_ROWS:])
        if len(rows) >= LEAST_ROWS
        else unknown
    )


def _rate(settings: GanSettings, network: str) -> str:
    return f"--{network}-rate (now {getattr(settings, f'{network}_rate'):g})"
