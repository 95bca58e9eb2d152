"""A thousand workers: when would a large build end, and how large should its shards be?

    python -m tests.benchmarks.fleet [--images 1e9] [--workers 1000] [--seed 0]

What one core makes is read from tests/benchmarks/results/scale.json (`python -m
tests.benchmarks.scale`). The rest is simulated, event by event, with seeded chance:

- machines differ: the speed of a worker is lognormal, 10 % around the measured one
- stragglers: one shard in 50 takes three times as long (a busy neighbour, a slow disk)
- failures: a worker is lost every 24 hours on average, with the shard that it was at; another one
  is there after two minutes, and starts anew

A queue (Ray) hands the next shard to whoever is free. An array job (`--partition I/N`) hands out
partitions: as many as there are workers, or four times as many, which take their turns. A partition
that is lost is begun again and goes on.
"""

import argparse
import heapq
import json
from dataclasses import dataclass
from typing import Any

import numpy as np

from tests.benchmarks.scale import RESULTS

SHARD_SIZES = (3_000, 10_000, 30_000, 100_000, 300_000, 1_000_000)
HOUR = 3600.0
OBJECTS_A_SHARD = 3  # HDF5 file, manifest rows, entry; the latter two until the set is published


@dataclass(frozen=True, kw_only=True)
class Fleet:
    """Workers and what goes wrong with them.

    Args:
        workers: that run side by side, one core each.
        images_per_second: of a worker of middling speed.
        seconds_per_shard: beside its images.
        seconds_to_start: a worker.
        spread: of the speeds, the standard deviation of their logarithm.
        straggling: share of shards that take `slower` times as long.
        slower: see there.
        hours_between_failures: of one worker, the mean of an exponential distribution.
        seconds_to_replace: a worker that was lost.
    """

    workers: int
    images_per_second: float
    seconds_per_shard: float
    seconds_to_start: float
    spread: float = 0.1
    straggling: float = 0.02
    slower: float = 3.0
    hours_between_failures: float = 24.0
    seconds_to_replace: float = 120.0


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How a build would go.

    Args:
        seconds: until the last shard is there.
        ideal: seconds if all workers were busy with images from the first to the last second.
        lost: shards that were begun in vain.
    """

    seconds: float
    ideal: float
    lost: int

    @property
    def efficiency(self) -> float:
        """The share of the workers' time that went into the images, 0..1."""
        return self.ideal / self.seconds


def simulate(fleet: Fleet, images: int, shard_size: int, seed: int, partitions: int) -> Outcome:
    """Simulate a build.

    Args:
        fleet: the workers.
        images: of the set.
        shard_size: images of a shard.
        seed: of the chance.
        partitions: that the set is divided into; 0: each shard is handed out by itself.
    """
    chance = np.random.default_rng(seed)
    speeds = fleet.images_per_second * chance.lognormal(0, fleet.spread, fleet.workers)
    shards = -(-images // shard_size)
    mean_life = fleet.hours_between_failures * HOUR
    fails_at = chance.exponential(mean_life, fleet.workers)

    # Shards that wait in one queue, or in partitions, of which each worker has one at a time.
    waiting = np.array([shards])
    if partitions:
        waiting = np.full(partitions, shards // partitions)
        waiting[: shards % partitions] += 1
    own = np.arange(fleet.workers) if partitions else np.zeros(fleet.workers, np.int64)
    untouched = fleet.workers  # the first partition that nobody has

    # Events: at a time a worker is free, or is lost with its shard.
    events = [(fleet.seconds_to_start, worker, False) for worker in range(fleet.workers)]
    idle: list[int] = []
    end = 0.0
    lost = 0
    while events:
        now, worker, is_lost = heapq.heappop(events)
        heap = own[worker]
        if is_lost:
            # The shard waits again, for a worker that is free or for the next one in this place.
            lost += 1
            waiting[heap] += 1
            again = now + fleet.seconds_to_replace + fleet.seconds_to_start
            fails_at[worker] = again + chance.exponential(mean_life)
            heapq.heappush(events, (again, worker, False))
            if idle and not partitions:
                heapq.heappush(events, (now, idle.pop(), False))
            continue
        if waiting[heap] == 0 and untouched < partitions:  # the next partition
            own[worker] = heap = untouched
            untouched += 1
            now += fleet.seconds_to_start
        if waiting[heap] == 0:
            idle.append(worker)
            continue

        # The worker begins a shard.
        waiting[heap] -= 1
        seconds = fleet.seconds_per_shard + shard_size / speeds[worker]
        if chance.random() < fleet.straggling:
            seconds *= fleet.slower
        if fails_at[worker] < now:  # it was lost while it was idle, and replaced
            fails_at[worker] = now + chance.exponential(mean_life)
        if now + seconds > fails_at[worker]:
            heapq.heappush(events, (float(fails_at[worker]), worker, True))
        else:
            end = max(end, now + seconds)
            heapq.heappush(events, (now + seconds, worker, False))
    return Outcome(seconds=float(end), ideal=float(images / speeds.sum()), lost=lost)


def plan_lines(facts: dict[str, Any], images: int, workers: int, shard_size: int) -> list[str]:
    """Return what a set needs, each figure with what it is derived from."""
    shards = -(-images // shard_size)
    core_hours = (
        images / facts["images_per_second_and_core"] + shards * facts["seconds_per_shard"]
    ) / HOUR
    verify_hours = images / facts["verified_per_second_and_core"] / HOUR
    manifest = images * facts["manifest_bytes_per_image"]
    rows = [
        (
            "core hours",
            f"{core_hours:,.0f}",
            f"{facts['images_per_second_and_core']:,.0f} images/s a core, "
            f"{facts['seconds_per_shard'] * 1000:.0f} ms a shard",
        ),
        (
            f"minutes of {workers:,} cores, all busy",
            f"{60 * core_hours / workers:.1f}",
            "core hours / cores",
        ),
        (
            "shards",
            f"{images * facts['bytes_per_image'] / 1e9:,.0f} GB",
            f"{facts['bytes_per_image']:.0f} bytes an image",
        ),
        (
            "objects",
            f"{shards:,} for good, {OBJECTS_A_SHARD * shards:,} until it is published",
            f"{images:,} images / {shard_size:,} a shard",
        ),
        (
            "manifest",
            f"{manifest / 1e9:,.0f} GB",
            f"{facts['manifest_bytes_per_image']:.0f} bytes an image",
        ),
        (
            "run record",
            f"{shards * facts['record_bytes_per_shard'] / 1e6:,.0f} MB",
            f"{facts['record_bytes_per_shard']:.0f} bytes a shard",
        ),
        (
            "verify, on one core",
            f"{verify_hours:,.0f} hours",
            f"{facts['verified_per_second_and_core']:,.0f} images/s a core",
        ),
    ]
    return [
        f"| what | {images:,} images | derived from |",
        "|---|---|---|",
        *(f"| {name} | {value} | {source} |" for name, value, source in rows),
    ]


def fleet_lines(fleet: Fleet, images: int, seed: int, repeats: int) -> list[str]:
    """Return the table of the simulations, the mean of some repeats each."""
    lines = [
        "| images a shard | seconds a shard | queue, minutes | of the ideal | shards lost | "
        "a partition a worker, minutes | of the ideal | four a worker, minutes | of the ideal |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for shard_size in SHARD_SIZES:
        seconds = fleet.seconds_per_shard + shard_size / fleet.images_per_second
        cells = [f"{shard_size:,}", f"{seconds:.1f}"]
        for partitions in (0, fleet.workers, 4 * fleet.workers):
            found = [
                simulate(fleet, images, shard_size, seed + repeat, partitions)
                for repeat in range(repeats)
            ]
            minutes = np.mean([each.seconds for each in found]) / 60
            share = np.mean([each.efficiency for each in found])
            cells += [f"{minutes:.1f}", f"{share:.0%}"]
            if not partitions:
                cells.append(f"{np.mean([each.lost for each in found]):,.0f}")
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=lambda text: int(float(text)), default=10**9)
    parser.add_argument("--workers", type=int, default=1000)
    parser.add_argument("--shard-size", type=int, default=30_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    facts = json.loads(RESULTS.read_text())
    fleet = Fleet(
        workers=options.workers,
        images_per_second=facts["images_per_second_and_core"],
        seconds_per_shard=facts["seconds_per_shard"],
        seconds_to_start=facts["seconds_to_start"],
    )
    print(*plan_lines(facts, options.images, options.workers, options.shard_size), sep="\n")
    print()
    print(*fleet_lines(fleet, options.images, options.seed, options.repeats), sep="\n")


if __name__ == "__main__":
    main()
