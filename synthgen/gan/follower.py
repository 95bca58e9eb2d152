"""A machine that trains along with the chief: the same steps on its share of the batch. It writes nothing and watches nothing."""

import time
from typing import Any

import tensorflow as tf
from tqdm import tqdm

from synthgen.gan.run import Job
from synthgen.gan.run_state import SavedRun
from synthgen.gan.step import GanState, make_runner


class Follower:
    """A training under way on another machine than the chief, which does the rest (see `Run`).

    Args:
        job: the chief's.
        saved: the state that the chief goes on from, too.
    """

    def __init__(self, job: Job, saved: SavedRun | None) -> None:
        self._job, self._started = job, time.monotonic()
        self._state = GanState(job.gan, job.digits, job.run.seed, job.strategy)
        if saved:
            self._state.restore(saved.arrays)
        self.step = int(self._state.step.numpy())
        self._runner = make_runner(self._state, job.digits)

    @property
    def seconds(self) -> float:
        """Time since the beginning of this run."""
        return time.monotonic() - self._started

    def progress(self) -> Any:
        """No progress bar: that is the chief's."""
        return tqdm(disable=True)

    def advance(self, _: Any) -> None:
        """Run as many steps as the chief does up to the next line of its log."""
        goal = self._job.next_goal(self.step)
        # waits, so that a stop signal and a lost machine are seen here
        self._runner(tf.constant(goal - self.step)).numpy()
        self.step = goal
