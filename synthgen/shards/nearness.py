"""Nearness: images that repeat each other or a training image, found in a shard and drawn again.

How near is near? As near as one in a hundred real digits that no training has seen is to a
training image of its class: the limit of the class. An image is

    memorised     if it is nearer than that to a training image of its class;
    a duplicate   if it is nearer than that to an image of its class with a smaller index in its
                  shard.

Equal images are always both. The image of an index is the first draw of its seeds that is neither,
given the images of the smaller indices: so a shard knows nothing of other shards, of batches or of
threads, and its images stay as they are where more of their classes follow.
"""

import dataclasses
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from synthgen.config import BuildSettings
from synthgen.datasets.digits import Digits, Images
from synthgen.errors import DataError
from synthgen.metrics.neighbours import (
    Located,
    NearestTrain,
    NeighbourSearch,
    is_near,
    near_pairs,
)
from synthgen.shards.content import NearnessFigures, Screening, ShardContent

ONE_IN = 100  # unseen real digits is nearer to a training image than the limit
LEAST_UNSEEN = 50  # digits of each class that a limit can be taken from
COVERED_WITHIN = 5  # neighbours; see `coverage`
INDICES_AT_ONCE = 250  # of a class, whose duplicates are looked for together

# Does work piece by piece, in order: `map`, or that of a pool.
Mapper = Callable[[Callable[[Any], Any], Iterable[Any]], Iterable[Any]]


class NearnessLimits(NamedTuple):
    """How near is too near, and the digits that say so.

    Args:
        limits: distance of each class, Euclidean, pixels scaled to 0..1.
        unseen: real digits that no training has seen.
    """

    limits: tuple[float, ...]
    unseen: Digits


class Nearness(NamedTuple):
    """What images of a shard are held against.

    Args:
        limits: how near is too near.
        nearest: finds the distances to training images.
    """

    limits: NearnessLimits
    nearest: NearestTrain


def take_limits(nearest: NearestTrain, unseen: Digits) -> NearnessLimits:
    """Measure how near real digits come to training images that none of them was copied from.

    Args:
        nearest: finds the distances to the training images.
        unseen: real digits of the same kind that no training has seen.

    Raises:
        DataError: if there are too few of a class.
    """
    least = int(unseen.counts().argmin())
    if unseen.counts()[least] < LEAST_UNSEEN:
        raise DataError(
            f"Expected at least {LEAST_UNSEEN} validation digits of each class, to say how near "
            f"unseen digits come to training images; received {unseen.counts()[least]} of class "
            f"{str(unseen.class_names[least])!r}. Use --screen mislabels, or more digits."
        )
    limits = []
    for label in range(unseen.classes):
        distances = nearest.distances_in_class(unseen.images[unseen.labels == label], label)
        limits.append(float(np.sort(distances)[len(distances) // ONE_IN]))
    return NearnessLimits(tuple(limits), unseen)


def distances_of_shard(
    content: ShardContent, nearest: NearestTrain | None, run: Mapper = map
) -> NDArray[np.float64] | None:
    """Return how far the images of a shard are from the training images.

    Args:
        content: of the shard, with images as the generator draws them.
        nearest: finds the distances; None where there are no training images.
        run: does pieces of work, `map` or that of a pool.

    Returns:
        (n,) float64, those that its screening measured where it did; None without training images.
    """
    if content.nearness is not None and content.nearness.distances is not None:
        return content.nearness.distances
    return measure_distances(content, nearest, run) if nearest is not None else None


def measure_distances(
    content: ShardContent,
    nearest: NearestTrain,
    run: Mapper = map,
    rows: NDArray[np.int64] | None = None,
) -> NDArray[np.float64]:
    """Return how far images of a shard are from the training images.

    Args:
        content: of the shard, with images as the generator draws them.
        nearest: finds the distances.
        run: does pieces of work, `map` or that of a pool.
        rows: (m,) that are asked about; None for all.

    Returns:
        (m,) float64.
    """
    rows = np.arange(len(content.labels)) if rows is None else rows
    distances = np.empty(len(rows), np.float64)
    labels = np.unique(content.labels[rows]).tolist()
    places = {label: np.flatnonzero(content.labels[rows] == label) for label in labels}

    def measure(label: int) -> NDArray[np.float64]:
        return nearest.distances_in_class(content.images[rows[places[label]]], label)

    for label, found in zip(labels, run(measure, labels), strict=True):
        distances[places[label]] = found
    return distances


def screen_nearness(
    content: ShardContent,
    settings: BuildSettings,
    nearness: Nearness,
    redraw: Callable[[NDArray[np.int64]], None],
    run: Mapper = map,
) -> ShardContent:
    """Draw images again that are duplicates or memorised, until none is.

    Args:
        content: of the shard; each image has the class that it should have.
        settings: of the build, which say what is drawn again.
        nearness: what images are held against.
        redraw: replaces images of the shard, given their rows, by their next draws that have the
            class which they should have.
        run: does pieces of work, `map` or that of a pool.

    Returns:
        The content with other images in the place of these, and with the figures.

    Raises:
        ScreeningExhausted: by `redraw`, if an image was drawn too often.
    """
    limits = np.array(nearness.limits.limits)
    before = content.images.copy()
    distances = np.zeros(len(content.labels))
    memorised: list[_Draws] = []

    def draw_unmemorised(rows: NDArray[np.int64]) -> None:
        while settings.rejects("memorised") and len(rows):
            distances[rows] = measure_distances(content, nearness.nearest, run, rows)
            rows = rows[is_near(distances[rows], limits[content.labels[rows]])]
            memorised.append(_Draws(rows, content.attempts[rows]))
            redraw(rows)

    rows = np.arange(len(content.labels))
    draw_unmemorised(rows)
    duplicates: list[_Draws] = []
    if settings.rejects("duplicates"):
        # Draw until each index has a draw that is no duplicate. Those draws are kept that turn out
        # to be duplicates: they are none if the image before them becomes another.
        candidates = _Candidates.of(content, distances, rows)
        classes = [int(label) for label in np.unique(content.labels)]
        chosen: dict[int, NDArray[np.int64]] = {}
        while classes:
            known = candidates

            def choose(label: int, known: _Candidates = known) -> _Choice:
                return _choose(known, content.labels, label, limits[label], nearness)

            found = run(choose, classes)
            lacking = []
            for label, (kept, without) in zip(classes, list(found), strict=True):
                chosen[label] = kept
                lacking.append(without)
            rows = np.sort(np.concatenate(lacking))
            redraw(rows)
            draw_unmemorised(rows)
            candidates = candidates.joined(_Candidates.of(content, distances, rows))
            classes = [int(label) for label in np.unique(content.labels[rows])]

        # The shard consists of the chosen ones.
        kept = np.concatenate(list(chosen.values()))
        candidates.take(kept).store(content, distances)
        earlier = candidates.attempts < content.attempts[candidates.rows]
        duplicates.append(_Draws(candidates.rows[earlier], candidates.attempts[earlier]))

    changed = np.flatnonzero((content.images != before).any(axis=(1, 2, 3)))
    rejected = {}
    for reason, draws in (("duplicates", duplicates), ("memorised", memorised)):
        if settings.rejects(reason):
            rejected[reason] = _count(draws, content)
    figures = NearnessFigures(
        distances=distances if settings.rejects("memorised") else None,
        rejected=rejected,
        coverage=_coverage_before_and_after(content, before[changed], changed, nearness, run),
    )
    return dataclasses.replace(content, nearness=figures)


class _Draws(NamedTuple):
    """Draws of a shard: (m,) rows, and (m,) attempts."""

    rows: NDArray[np.int64]
    attempts: NDArray[np.int64]


def _count(draws: list[_Draws], content: ShardContent) -> tuple[int, ...]:
    """Count the draws of each class that came before the one which was kept."""
    counts = np.zeros(content.shard.classes, np.int64)
    for rows, attempts in draws:
        before = rows[attempts < content.attempts[rows]]
        counts += np.bincount(content.labels[before], minlength=len(counts))
    return tuple(counts.tolist())


class _Candidates(NamedTuple):
    """Draws that may become images of a shard, several for some of its rows.

    Args:
        rows: (m,) of the shard.
        images: (m, height, width, channels) uint8.
        seeds: (m,) uint64.
        attempts: (m,) int64.
        predicted: (m,) int16.
        confidence: (m,) float32.
        distances: (m,) float64 to the training images.
    """

    rows: NDArray[Any]
    images: NDArray[Any]
    seeds: NDArray[Any]
    attempts: NDArray[Any]
    predicted: NDArray[Any]
    confidence: NDArray[Any]
    distances: NDArray[Any]

    @classmethod
    def of(
        cls, content: ShardContent, distances: NDArray[np.float64], rows: NDArray[np.int64]
    ) -> "_Candidates":
        """Return what stands in some rows of a shard."""
        return cls(
            rows,
            content.images[rows],
            content.seeds[rows],
            content.attempts[rows],
            content.screening.predicted[rows],
            content.screening.confidence[rows],
            distances[rows],
        )

    def take(self, places: NDArray[np.int64]) -> "_Candidates":
        """Return some of them."""
        return _Candidates(*(values[places] for values in self))

    def joined(self, others: "_Candidates") -> "_Candidates":
        """Return these and others behind them."""
        if not len(others.rows):
            return self
        return _Candidates(*(np.concatenate(pair) for pair in zip(self, others, strict=True)))

    def store(self, content: ShardContent, distances: NDArray[np.float64]) -> None:
        """Put them into their rows of a shard."""
        accepted = np.ones(len(self.rows), np.bool_)
        screening = Screening(accepted, self.predicted, self.confidence)
        content.store(self.rows, self.images, self.seeds, self.attempts, screening)
        distances[self.rows] = self.distances


class _Choice(NamedTuple):
    """What is chosen of a class: (m,) places among the candidates; and (k,) rows without one."""

    chosen: NDArray[np.int64]
    lacking: NDArray[np.int64]


def _choose(
    candidates: _Candidates,
    labels: NDArray[Any],
    label: int,
    limit: float,
    nearness: Nearness,
) -> _Choice:
    """Choose the images of a class: of each index the first draw that is no duplicate.

    Args:
        candidates: of the shard.
        labels: (n,) of its rows.
        label: of the class.
        limit: of the class.
        nearness: what images are held against.
    """
    # In the order of rows, which is that of their indices, and of draws.
    places = np.flatnonzero(labels[candidates.rows] == label)
    places = places[np.lexsort((candidates.attempts[places], candidates.rows[places]))]
    rows = candidates.rows[places]
    pixels = candidates.images[places].reshape(len(places), -1)
    located = Located(pixels, nearness.nearest.coordinates.of(pixels))

    chosen: list[int] = []
    lacking: list[int] = []
    starts = np.flatnonzero(np.diff(rows, prepend=-1))  # the first draw of each row
    for block in np.split(starts, range(INDICES_AT_ONCE, len(starts), INDICES_AT_ONCE)):
        stop = np.searchsorted(starts, block[-1], "right")
        some = np.arange(block[0], starts[stop] if stop < len(starts) else len(rows))
        asked = located.take(some)

        # Those that repeat no image before this block; most rows then need their first draw alone.
        is_free = np.ones(len(some), np.bool_)
        if chosen:
            is_free[near_pairs(asked, located.take(np.array(chosen)), limit)[0]] = False
        free = np.flatnonzero(is_free)
        own_rows, firsts = np.unique(rows[some[free]], return_index=True)
        draws = dict(zip(own_rows.tolist(), np.split(free, firsts[1:]), strict=True))
        first = {row: place for place, row in enumerate(draws)}
        first_draws = asked.take(free[firsts])
        is_near_to = np.zeros((len(draws), len(draws)), np.bool_)
        if draws:
            is_near_to[near_pairs(first_draws, first_draws, limit)] = True

        # Row by row, the first draw that repeats no image of a row before it.
        repeats = np.zeros(len(draws), np.bool_)
        new: list[int] = []
        for row in rows[block].tolist():
            own = draws.get(row, free[:0])
            if len(own) and not repeats[first[row]]:
                repeats |= is_near_to[first[row]]
                new.append(int(own[0]))
                continue
            unlike = own[1:]
            if len(unlike):
                repeating = near_pairs(asked.take(unlike), asked.take(np.array(new)), limit)[0]
                unlike = np.delete(unlike, repeating)
            if len(unlike):
                repeats[near_pairs(first_draws, asked.take(unlike[:1]), limit)[0]] = True
                new.append(int(unlike[0]))
            else:
                lacking.append(row)
        chosen.extend(some[np.array(new, np.int64)].tolist())
    return _Choice(places[np.array(chosen, np.int64)], np.array(lacking, np.int64))


def _coverage_before_and_after(
    content: ShardContent,
    former: Images,
    changed: NDArray[np.int64],
    nearness: Nearness,
    run: Mapper,
) -> tuple[float, float]:
    """Measure the coverage of unseen real digits, of each class by itself.

    The share of them that have an image of the shard as near as their fifth neighbour among
    themselves (Naeem et al. 2020, https://arxiv.org/abs/2002.09797), in the coordinates in which
    `NearestTrain` compares images first.

    Args:
        content: of the shard as it is.
        former: (m, height, width, channels) uint8, images that were rejected.
        changed: (m,) the rows that they were in.
        nearness: what images are held against.
        run: does pieces of work, `map` or that of a pool.
    """
    coordinates = nearness.nearest.coordinates
    unseen = nearness.limits.unseen
    is_changed = np.zeros(len(content.labels), np.bool_)
    is_changed[changed] = True

    def count(label: int) -> NDArray[np.int64]:
        real = coordinates.of(unseen.images[unseen.labels == label])
        own = content.labels == label
        kept = content.images[own & ~is_changed]
        new = content.images[own & is_changed]
        old = former[content.labels[changed] == label]

        def covered(images: Images) -> NDArray[np.bool_]:
            nearest = np.full(len(real), np.inf)
            if len(images):
                search = NeighbourSearch(coordinates.of(images))
                for rows, squares, _ in search.blocks(real):
                    nearest[rows] = squares.min(axis=1)
            return nearest <= fellows

        fellows = np.concatenate(
            [
                np.partition(squares, COVERED_WITHIN, axis=1)[:, COVERED_WITHIN]
                for _, squares, _ in NeighbourSearch(real).blocks(real)
            ]
        )  # (unseen,) squared; the nearest one is the digit itself
        always = covered(kept)
        before = always | covered(old)
        after = always | covered(new)
        return np.array([before.sum(), after.sum(), len(real)])

    labels = np.unique(content.labels).tolist()
    before, after, all_of_them = np.sum(list(run(count, labels)), axis=0).tolist()
    return round(before / all_of_them, 6), round(after / all_of_them, 6)
