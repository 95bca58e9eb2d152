"""Orders in which training jobs read a set: another one in each epoch, the same in each run.

Images at random from all over a set that is larger than memory would unpack a shard for each of
them. There the shards come in random order, some of them are taken together as a window, and the
images of a window come in random order, as in WebDataset (Aizman, Maltby and Breuel 2019, "High
performance I/O for large scale deep learning").
"""

import numpy as np
from numpy.typing import NDArray

from synthgen.errors import SettingsError

Rows = NDArray[np.int64]


def shuffle(shards: NDArray[np.int32], window: int, random: np.random.Generator) -> Rows:
    """Return a random order of images in which few shards are needed at a time.

    Args:
        shards: (n,) integers, the shard in which each image lies.
        window: images that may be needed at a time. With n or more of them every order is as likely
            as any other.
        random: decides the order.

    Returns:
        (n,) positions in `shards`.
    """
    if len(shards) <= window:
        return random.permutation(len(shards))

    by_shard = np.argsort(shards, kind="stable")
    runs = np.split(by_shard, np.flatnonzero(np.diff(shards[by_shard])) + 1)
    pieces: list[Rows] = []
    together: list[Rows] = []
    for number in random.permutation(len(runs)).tolist():
        if together and sum(map(len, together)) + len(runs[number]) > window:
            pieces.append(random.permutation(np.concatenate(together)))
            together = []
        together.append(runs[number])
    pieces.append(random.permutation(np.concatenate(together)))
    return np.concatenate(pieces)


def balance(labels: NDArray[np.uint8], random: np.random.Generator) -> Rows:
    """Return rows with which every class that has images is as frequent as the largest one.

    The images of a smaller class are repeated; which of them come once more than others is random.

    Args:
        labels: (n,) uint8.
        random: decides.

    Returns:
        (classes with images * images of the largest class,) positions in `labels`.
    """
    most = int(np.bincount(labels).max())
    return np.concatenate(
        [
            np.resize(random.permutation(np.flatnonzero(labels == label)), most)
            for label in np.unique(labels)
        ]
    )


def part_of(count: int, rank: int, world_size: int) -> Rows:
    """Return the positions that one of several processes reads: a run, of one length for all.

    Runs, because in a shuffled order of windows these need few shards. Where the count is no
    multiple of the processes, the last ones go on with the first positions, as in PyTorch's
    DistributedSampler.

    Args:
        count: of all positions, 1 or more.
        rank: of the process, 0 .. world_size - 1.
        world_size: processes.

    Returns:
        (ceil(count / world_size),) positions.

    Raises:
        SettingsError: if there is no such rank.

    Example:
        >>> [part_of(5, rank, 2).tolist() for rank in (0, 1)]
        [[0, 1, 2], [3, 4, 0]]
    """
    if not 0 <= rank < world_size:
        raise SettingsError(
            f"Expected a rank from 0 to {world_size - 1} of {world_size} processes (one or more), "
            f"received {rank}."
        )
    length = -(-count // world_size)
    return (rank * length + np.arange(length)) % count
