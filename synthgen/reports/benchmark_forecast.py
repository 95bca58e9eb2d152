"""What a benchmark has to do, before it is run: its cells, and the time that they will take."""

from typing import TYPE_CHECKING

from synthgen.evaluation.arms import arm_name
from synthgen.text import GAP, counted, duration, for_terminal

if TYPE_CHECKING:
    from synthgen.evaluation.benchmark import Forecast  # which loads TensorFlow


def forecast_lines(forecast: "Forecast") -> tuple[str, ...]:
    """Lists the cells of a benchmark, budget by budget, and the expected time, for a dry run.

    Args:
        forecast: of the benchmark.
    """
    job = forecast.job
    keys = job.plan.keys
    trained = "all use the generator named, none is trained"
    if job.experiment.source.trains:
        trained = "each group trains one generator"
    groups = f"{len(keys):,} cells in {len(job.plan.groups):,} groups"
    lines = [f"{groups}; {trained}. The cells:"]
    for place in dict.fromkeys(key.place for key in keys):
        scenario, real_images, share = place
        here = [key for key in keys if key.place == place]
        arms = dict.fromkeys(arm_name(key.arm, key.ratio) for key in here)
        cut = f", {share:g} % of one" if share is not None else ""
        seeds = counted(len({key.seed for key in here}), "seed")
        lines.append(f"  {scenario}, {real_images} per class{cut}, {seeds}: {', '.join(arms)}")
    lines += [f"NOTE: {note}" for note in job.plan.notes]
    lines.append(forecast_line(forecast))
    goes = f"without --dry-run the results go to {job.place} (engine {job.settings.engine})"
    lines.append(f"Nothing was run; {goes}.")
    return for_terminal(lines)


def forecast_line(forecast: "Forecast") -> str:
    """Says how many cells are to run and how long they are expected to take.

    Args:
        forecast: of the benchmark.
    """
    finished = len(forecast.job.plan.keys) - forecast.missing
    there = f", {finished:,} are there already" if finished else ""
    takes = duration(forecast.seconds).replace(GAP, " ")
    return (
        f"{forecast.missing:,} cells to run{there}: expected to take about {takes} one after the "
        "other, as measured on this machine."
    )
