"""What a training on several machines needs: all take the same steps, the chief does the rest.

Each machine calls `train` in the same way (see `train.train_on_machines`). The chief looks at the
samples, writes the log and saves; the others follow it. After each line of the log the machines
exchange one number each, so that all stop after the same step.
"""

import time
from collections.abc import Callable
from typing import Any

from tqdm import tqdm

from synthgen.errors import TrainingDiverged
from synthgen.gan.devices import Devices
from synthgen.gan.job import TrainingJob, TrainingResult
from synthgen.gan.resume import SavedRun
from synthgen.gan.state import GanState
from synthgen.gan.step import make_runner
from synthgen.networks.backend import tf

# what a machine lets the others know after its part of the work
GO_ON = 0
STOP = 1
DIVERGED = 2


class Follower:
    """A training under way on another machine than the chief: it takes the steps and nothing else.

    Args:
        job: the chief's job.
        saved: the state that the chief goes on from, too; None for a new training.
        strategy: spreads the batch over the devices of all machines.
    """

    def __init__(self, job: TrainingJob, saved: SavedRun | None, strategy: Any) -> None:
        self._job = job
        self._started = time.monotonic()
        state = GanState(job.gan, job.digits, job.run.seed, strategy)
        if saved:
            state.restore(saved.arrays)
        self.step = int(state.step.numpy())
        self._train_steps = make_runner(state, job.digits)

    def progress_bar(self) -> Any:
        """Make a bar that shows nothing: the chief has one."""
        return tqdm(disable=True)

    def advance(self, bar: Any) -> None:
        """Train as many steps as the chief does up to the next line of its log."""
        goal = self._job.next_goal(self.step)
        # waits for the result, so that a stop signal and a lost machine are seen here
        self._train_steps(tf.constant(goal - self.step)).numpy()
        self.step = goal

    def finish(self) -> None:
        """Do nothing: the chief saves."""

    def result(self) -> TrainingResult:
        """Return the steps and the time of this run; the figures are the chief's."""
        return TrainingResult(
            folder=self._job.out,
            step=self.step,
            seconds=time.monotonic() - self._started,
            label_agreement=None,
            chief=False,
        )


def together(
    devices: Devices, work: Callable[[], None], is_to_stop: Callable[[], bool] = lambda: False
) -> bool:
    """Do this machine's part of the work, then wait until all machines have done theirs.

    Args:
        devices: the machines.
        work: this machine's part.
        is_to_stop: whether this machine has been asked to stop; called after the work.

    Returns:
        Whether one of the machines is to stop.

    Raises:
        TrainingDiverged: on all machines, if that is what the chief's part came to.
    """
    try:
        work()
    except TrainingDiverged:
        devices.all_gather(DIVERGED)
        raise
    gathered = devices.all_gather(STOP if is_to_stop() else GO_ON)
    if DIVERGED in gathered:
        raise TrainingDiverged(
            "Training diverged; the chief says how. What was saved before is kept."
        )
    return STOP in gathered
