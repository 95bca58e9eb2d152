from synthgen.gan.alarms import Alarm
from synthgen.gan.job import TrainingResult


def test_the_summary_says_what_came_of_it() -> None:
    lines = TrainingResult(
        folder="f",
        step=1200,
        seconds=60,
        label_agreement=0.5,
        usefulness=0.9,
        best_step=800,
        best_usefulness=0.95,
    ).lines()
    assert lines == [
        "Trained    1,200 steps in 60 s",
        "Labels     50.00% of samples show the class asked for",
        "Usefulness 90.00% of validation digits read by a classifier of samples alone",
        "Best       f/best: step 800, usefulness 95.00%",
        "Alarms     none",
        "Checkpoint f, grids in samples/, log in training/log.csv",
    ]


def test_the_summary_leaves_out_what_was_not_measured() -> None:
    alarm = Alarm(name="divergence", step=1000, message="Gone.")
    result = TrainingResult(folder="f", step=5, seconds=1, label_agreement=None, alarms=(alarm,))
    assert result.lines() == [
        "Trained    5 steps in 1 s",
        "Usefulness not scored",
        "ALARM      at step 1,000, divergence: Gone.",
        "Checkpoint f, grids in samples/, log in training/log.csv",
    ]
