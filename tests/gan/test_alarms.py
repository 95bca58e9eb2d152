import math
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from synthgen.config import GanSettings, TrainSettings
from synthgen.datasets.digits import Digits
from synthgen.errors import TrainingDiverged
from synthgen.gan.alarms import Alarm, LogRow, early_signs, find_alarms
from synthgen.gan.checkpoint import read_checkpoint
from synthgen.gan.job import SampleFigures, TrainingJob, TrainingResult
from synthgen.gan.monitor import Monitor
from synthgen.gan.presets import PRESETS
from synthgen.gan.resume import STATE_RECORD
from synthgen.gan.train import train
from synthgen.weights import Weights

HEALTHY = {
    "discriminator_loss": 1.1,
    "generator_loss": 1.0,
    "real_accuracy": 0.8,
    "fake_accuracy": 0.75,
    "penalty": 0.1,
    "discriminator_gradient": 5.0,
    "generator_gradient": 1.5,
}


def rows(steps: int, every: int = 10, **changes: Callable[[int], float]) -> list[LogRow]:
    """A log up to a step: healthy but for the figures that are given as functions of the step."""
    return [
        {"step": s} | HEALTHY | {name: value(s) for name, value in changes.items()}
        for s in range(every, steps + 1, every)
    ]


def looks(distinct: list[float], coverage: list[float], every: int = 200) -> list[LogRow]:
    """A log with one look at the samples every 200 steps."""
    seen = {
        every * (k + 1): {"distinct": d, "coverage": c}
        for k, (d, c) in enumerate(zip(distinct, coverage, strict=True))
    }
    return [dict(row) | seen.get(int(row["step"]), {}) for row in rows(every * len(distinct))]


def alarms(log: list[LogRow], settings: GanSettings | None = None) -> dict[str, Alarm]:
    return find_alarms(log, settings or GanSettings(steps=1000))


def first_alarm(log: list[LogRow], settings: GanSettings) -> tuple[str, int] | None:
    """The first alarm of a whole training and its step."""
    found = (
        next(iter(find_alarms(log[: k + 1], settings).values()), None) for k in range(len(log))
    )
    return next(((alarm.name, alarm.step) for alarm in found if alarm), None)


# What the presets did in their first 600 steps on MNIST (fc in full, the others with a quarter of
# the channels and of the batch): step, losses,
# accuracies, gradients, distinct and coverage. Their discriminators win at first, and their first
# samples are one blot.
EARLY = {
    "fc": """
        10 0.72 0.97 0.98 0.69 3.25 3.03 1.00 0.000 | 30 0.214 1.93 1 1 1.09 4.53 1.00 0.000
        100 0.081 2.85 1 1 0.48 5.98 1.00 0.000
        200 0.077 2.99 1 1 0.49 6.66 1.00 0.000 | 300 0.103 2.85 1 1 0.68 6.86 1.00 0.000
        400 0.100 2.90 1 1 0.78 6.97 1.00 0.000
        500 0.100 3.34 1 1 1.11 7.75 1.00 0.000 | 600 0.623 2.57 0.91 0.81 11.8 7.96 1.00 0.000""",
    "dcgan": """
        10 1.43 0.67 0.50 0.35 3.70 0.58 0.00 0.000 | 30 1.11 0.53 1 0 1.93 0.86 0.00 0.000
        100 1.24 0.60 0.98 0.08 1.99 1.02 0.00 0.000
        200 1.09 0.87 0.88 0.76 3.41 1.10 0.12 0.002
        300 1.21 0.84 0.73 0.66 4.32 0.88 0.96 0.084
        400 1.26 0.82 0.65 0.65 4.45 0.88 1.00 0.114
        500 1.29 0.83 0.64 0.63 5.17 1.16 1.00 0.100
        600 1.33 0.78 0.63 0.55 4.05 0.84 1.00 0.121""",
    "cdcgan": """
        10 1.01 0.79 0.93 0.68 2.19 1.82 0.00 0.000
        30 0.57 1.64 0.97 0.82 9.95 7.21 0.00 0.000
        100 0.91 1.12 0.85 0.67 12.2 2.33 0.00 0.000
        200 1.02 0.99 0.79 0.66 13.3 1.54 0.86 0.001
        300 1.01 1.03 0.79 0.73 11.9 1.23 1.00 0.039
        400 0.95 1.10 0.89 0.83 5.26 1.47 1.00 0.085
        500 1.17 0.98 0.73 0.63 8.99 1.35 1.00 0.127
        600 1.20 0.92 0.69 0.68 5.83 1.35 1.00 0.208""",
    "wgan-gp": """
        10 -1.69 -0.10 1 1 14.8 2.70 0.00 0.000 | 30 -17.4 -4.68 1 1 45.5 37.8 0.00 0.000
        100 -29.9 -10.7 1 1 6.50 59.2 0.08 0.000
        200 -24.2 -7.65 1 1 11.3 30.8 0.96 0.000 | 300 -17.2 -1.46 1 1 13.4 18.3 1.00 0.000
        400 -12.3 -1.33 1 1 10.5 13.1 1.00 0.005
        500 -9.11 -3.95 0.99 1 21.1 9.63 1.00 0.025
        600 -6.77 -2.88 0.98 0.99 23.1 7.81 1.00 0.059""",
}
NAMES = (
    "discriminator_loss",
    "generator_loss",
    "real_accuracy",
    "fake_accuracy",
    "discriminator_gradient",
    "generator_gradient",
    "distinct",
    "coverage",
)


@pytest.mark.parametrize("preset", EARLY)
def test_the_beginning_of_a_healthy_training_raises_none(preset: str) -> None:
    measured = [
        [float(figure) for figure in row.split()]
        for row in re.split(r"\||\n", EARLY[preset])
        if row.strip()
    ]
    log: list[LogRow] = []
    for step, *figures in measured:  # each row stands for those since the one before
        held = {"penalty": 0.0} | dict(zip(NAMES, figures, strict=True))
        log += [
            {"step": s} | held
            for s in range(int(log[-1]["step"]) + 10 if log else 10, int(step) + 1, 10)
        ]
    assert len(log) == 60
    assert first_alarm(log, PRESETS[preset].settings) is None


def test_samples_that_stay_alike_are_a_collapse_after_the_grace() -> None:
    few = looks([0.1] * 8, [0.0] * 8)
    # looks at 1000, 1200 and 1400: all after a fifth of the training
    assert first_alarm(few, GanSettings(steps=5000)) == ("mode collapse", 1400)
    assert first_alarm(few, GanSettings(steps=1000)) == ("mode collapse", 600)
    assert first_alarm(few, GanSettings(steps=9000)) is None
    assert alarms(looks([0.1, 0.1, 0.9], [0.0, 0.0, 0.1])) == {}


def test_samples_that_become_alike_again_are_a_collapse() -> None:
    assert first_alarm(
        looks([0.1, 0.9, 0.1, 0.1, 0.1], [0.0, 0.1, 0.0, 0.0, 0.0]), GanSettings(steps=90_000)
    ) == ("mode collapse", 1000)
    # noise is varied, too, and covers nothing
    assert (
        first_alarm(looks([1.0, 1.0, 0.1, 0.1, 0.1], [0.0] * 5), GanSettings(steps=90_000)) is None
    )


def test_coverage_that_is_lost_is_a_collapse() -> None:
    lost = looks([0.9] * 6, [0.1, 0.5, 0.5, 0.2, 0.2, 0.2])
    assert first_alarm(lost, GanSettings(steps=1000)) == ("mode collapse", 1200)
    assert (
        "cover 20% of the real digits and have covered 50%" in alarms(lost)["mode collapse"].message
    )
    assert alarms(looks([0.9] * 6, [0.1, 0.15, 0.01, 0.01, 0.01, 0.01])) == {}
    assert alarms(looks([0.9] * 6, [0.1, 0.5, 0.5, 0.2, 0.2, 0.3])) == {}


def test_a_discriminator_that_always_wins_is_found() -> None:
    wins = rows(
        400,
        real_accuracy=lambda _: 1.0,
        fake_accuracy=lambda _: 1.0,
        generator_loss=lambda _: 9.0,
        discriminator_loss=lambda _: 1e-4,
    )
    assert first_alarm(wins, GanSettings(steps=1000)) == ("vanishing discriminator", 200)
    assert set(alarms(wins, GanSettings(loss="hinge"))) == {"vanishing discriminator"}
    # a critic may be sure: its gradient still leads the generator
    assert alarms(wins, GanSettings(loss="wasserstein")) == {}
    learning = [dict(row) | {"generator_loss": 3.0} for row in wins]
    assert alarms(learning) == {}


def test_a_gradient_that_vanishes_is_found_with_any_loss() -> None:
    fades = rows(600, generator_gradient=lambda s: 2.0 if s <= 300 else 1e-3)
    for loss in ("bce", "hinge", "wasserstein"):
        assert first_alarm(fades, GanSettings(loss=loss)) == ("vanishing discriminator", 500)
    assert first_alarm(rows(300, generator_gradient=lambda _: 0.0), GanSettings()) == (
        "vanishing discriminator",
        200,
    )
    assert (
        first_alarm(rows(600, generator_gradient=lambda s: 2.0 if s <= 300 else 0.1), GanSettings())
        is None
    )


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_not_finite_has_diverged_at_once(value: float) -> None:
    log = rows(20, discriminator_loss=lambda s: value if s == 20 else 1.0)
    (alarm,) = alarms(log).values()
    assert (alarm.name, alarm.step, alarm.stops) == ("divergence", 20, True)
    assert alarm.message.startswith("discriminator_loss not finite")


def test_an_explosion_must_last_three_rows() -> None:
    assert first_alarm(
        rows(200, generator_loss=lambda s: 1.0 if s <= 100 else 5000.0), GanSettings()
    ) == ("divergence", 130)
    assert (
        first_alarm(rows(200, generator_loss=lambda s: 5000.0 if s == 100 else 1.0), GanSettings())
        is None
    )
    assert (
        first_alarm(
            rows(200, discriminator_loss=lambda s: -300.0 - s, generator_loss=lambda s: 5.0 * s),
            GanSettings(loss="wasserstein"),
        )
        is None
    )
    assert first_alarm(rows(200, discriminator_gradient=lambda _: 2e6), GanSettings()) == (
        "divergence",
        30,
    )


def test_trouble_that_ends_is_no_longer_found() -> None:
    back = rows(
        800,
        real_accuracy=lambda s: 1.0 if s <= 400 else 0.8,
        fake_accuracy=lambda _: 1.0,
        generator_loss=lambda _: 9.0,
    )
    assert set(alarms(back[:40])) == {"vanishing discriminator"}
    assert alarms(back) == {}


@pytest.mark.parametrize("preset", PRESETS)
def test_every_remedy_names_options_that_there_are(preset: str) -> None:
    settings = PRESETS[preset].settings
    collapsed, faded, broken = (
        looks([0.0] * 60, [0.0] * 60),
        rows(400, generator_gradient=lambda _: 0.0),
        rows(10, penalty=lambda _: math.nan),
    )
    found = [
        alarm for log in (collapsed, faded, broken) for alarm in find_alarms(log, settings).values()
    ]
    assert [alarm.name for alarm in found] == [
        "mode collapse",
        "vanishing discriminator",
        "divergence",
    ]
    for alarm in found:
        options = {
            name: value
            for name, value in re.findall(
                r"--([a-z0-9-]+)(?: ([0-9.]*[0-9]|deviation))?", alarm.message
            )
            if name != "out"
        }
        assert options
        for option, value in options.items():
            field = option.replace("-", "_")
            advised: Any = value if value == "deviation" else float(value) if value else True
            advised = getattr(settings, field) / 2 if field.endswith("_rate") else advised
            assert replace(settings, **{field: advised}) != settings, alarm.message


def test_rows_that_are_far_apart_do_not_hide_vanishing() -> None:
    wins = rows(
        900,
        100,
        real_accuracy=lambda _: 1.0,
        fake_accuracy=lambda _: 1.0,
        generator_loss=lambda _: 9.0,
    )
    assert first_alarm(wins, GanSettings(steps=1000)) == ("vanishing discriminator", 300)


def test_an_alarm_tells_since_when_and_brews_from_then_on() -> None:
    lost, wins = (
        looks([0.9] * 6, [0.1, 0.5, 0.5, 0.2, 0.2, 0.2]),
        rows(400, fake_accuracy=lambda _: 1.0, generator_loss=lambda _: 9.0),
    )
    wins = [dict(row) | {"real_accuracy": 1.0 if row["step"] > 100 else 0.5} for row in wins]
    for log, name, since in ((lost, "mode collapse", 800), (wins, "vanishing discriminator", 110)):
        assert alarms(log)[name].since == (since if log is lost else 210)  # the last 200 steps
        assert [early_signs(log[: k + 1], GanSettings()) for k in range(len(log))] == [
            row["step"] >= since for row in log
        ]


def test_a_look_of_long_ago_does_not_brew() -> None:
    log = looks([0.9, 0.9, 0.1], [0.5, 0.5, 0.5], every=1000)
    assert early_signs(log, GanSettings())
    later = [*log, *({"step": 3000 + step} | HEALTHY for step in range(10, 300, 10))]
    assert [early_signs(later[: len(log) + k], GanSettings()) for k in (1, 19, 20, 29)] == [
        True,
        True,
        False,
        False,
    ]


def test_no_rows_no_alarm() -> None:
    assert find_alarms([], GanSettings()) == {}


# Trainings that really fail.

TINY: dict[str, Any] = {
    "steps": 400,
    "batch": 16,
    "latent": 4,
    "condition": "none",
    "generator_stages": ("dense",),
    "generator_channels": (16,),
    "generator_norm": "none",
    "discriminator_stages": ("dense",),
    "discriminator_channels": (16,),
    "discriminator_dense": 0,
    "r1_gamma": 0,
    "ema": 0,
    "decay_from": 1,
}
RUN = TrainSettings(samples_every=400, grid=2, watch_every=20)


def run(
    digits: Digits,
    out: Path,
    screener: Weights,
    watch: TrainSettings = RUN,
    **changes: Any,
) -> TrainingResult:
    job = TrainingJob(
        digits=digits,
        out=str(out),
        gan=GanSettings(**TINY | changes),
        run=watch,
        preset="fc",
        source="test",
        screener=screener,
    )
    return train(job)


@pytest.mark.slow
def test_a_generator_that_outruns_its_discriminator_collapses(
    patches: Digits, patch_screener: Weights, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    done = run(
        patches,
        tmp_path,
        patch_screener,
        generator_rate=0.1,
        discriminator_rate=1e-8,
        watch=replace(RUN, save_minutes=0),
    )
    assert [alarm.name for alarm in done.alarms] == ["mode collapse"]
    said, good = capsys.readouterr().err, read_checkpoint(str(tmp_path / "good")).record
    assert said.count("mode collapse: only") == 1  # said once, when it begins
    assert (
        f"The checkpoint of step {good['step']}, saved before, is kept in {tmp_path}/good." in said
    )
    assert good["step"] < done.alarms[0].step
    assert good["alarms"] == []
    record = read_checkpoint(str(tmp_path)).record
    assert record["measured"]["distinct"] < 0.1
    assert [alarm["name"] for alarm in record["alarms"]] == ["mode collapse"]
    assert (
        '"kind": "alarm", "name": "mode collapse"'
        in (tmp_path / "training" / "events.jsonl").read_text()
    )


@pytest.mark.slow
def test_what_is_kept_as_good_is_from_before_the_collapse(
    patches: Digits, patch_screener: Weights, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        Monitor,
        "look",
        lambda _, step: SampleFigures(None, 0.9 if step < 220 else 0.1, 0.5, 0.5),
    )
    rates = {"generator_rate": 1e-3, "discriminator_rate": 1e-3, "generator_norm": "batch"}
    done = run(patches, tmp_path, patch_screener, watch=replace(RUN, save_minutes=0), **rates)
    assert [(alarm.name, alarm.step) for alarm in done.alarms] == [("mode collapse", 260)]
    good = read_checkpoint(str(tmp_path / "good")).record
    assert (good["step"], good["measured"]["distinct"]) == (210, 0.9)


@pytest.mark.slow
def test_a_discriminator_that_outruns_its_generator_vanishes(
    patches: Digits, patch_screener: Weights, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    often = replace(RUN, save_minutes=0)
    done = run(
        patches,
        tmp_path,
        patch_screener,
        generator_rate=1e-8,
        discriminator_rate=0.05,
        probability=True,
        watch=often,
    )
    assert "vanishing discriminator" in [alarm.name for alarm in done.alarms]
    said = capsys.readouterr().err
    assert f"No checkpoint is kept in {tmp_path}/good: none is left from before step 10," in said
    assert not (tmp_path / "good").exists()


@pytest.mark.slow
def test_a_critic_without_bounds_diverges(
    patches: Digits, patch_screener: Weights, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wild: dict[str, Any] = {
        "loss": "wasserstein",
        "optimizer": "sgd",
        "generator_rate": 0.3,
        "discriminator_rate": 0.3,
    }
    often = replace(RUN, log_every=1, save_minutes=0)
    with pytest.raises(
        TrainingDiverged,
        match=r"before step \d+: .*--discriminator-rate.*checkpoint of step \d+ in .* is kept",
    ):
        run(patches, tmp_path, patch_screener, watch=often, **wild)
    good = read_checkpoint(str(tmp_path))
    (alarm,) = good.record["alarms"]
    assert alarm["name"] == "divergence"
    assert good.record["step"] < alarm["step"]
    assert all(math.isfinite(abs(weights).max()) for weights in good.generator.values())
    assert (tmp_path / STATE_RECORD).exists()
    assert capsys.readouterr().err.count("ALARM") == 1


@pytest.mark.slow
def test_networks_that_keep_pace_raise_no_alarm(
    patches: Digits, patch_screener: Weights, tmp_path: Path
) -> None:
    assert (
        run(
            patches,
            tmp_path,
            patch_screener,
            generator_norm="batch",
            generator_rate=1e-3,
            discriminator_rate=1e-3,
        ).alarms
        == ()
    )
