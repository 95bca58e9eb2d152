"""Sets as PyTorch takes them. Imports PyTorch."""

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch.utils.data import Dataset, IterableDataset, get_worker_info

from synthgen.datasets.digits import Images

if TYPE_CHECKING:
    from synthgen.shards.digit_set import DigitSet
    from synthgen.shards.mix import Mix

Transform = Callable[[torch.Tensor], Any]


class TorchDigits(Dataset):
    """A map-style data set of (image, label).

    Args:
        digits: whose images are read when they are asked for.
        transform: is called with each image, a uint8 tensor (channels, height, width).
    """

    def __init__(self, digits: "DigitSet", transform: Transform | None = None) -> None:
        self.digits = digits
        self.transform = transform

    def __len__(self) -> int:
        return len(self.digits)

    def __getitem__(self, row: int) -> tuple[Any, int]:
        image, label = self.digits[row]
        tensor = channels_first(image[None])[0]
        return (self.transform(tensor) if self.transform else tensor), label

    def __getitems__(self, rows: Sequence[int]) -> list[tuple[Any, int]]:
        """Read the images of a whole batch at once, which DataLoader asks for where it can."""
        found = self.digits[list(rows)]
        tensors: Any = channels_first(found.images).unbind()
        if self.transform:
            tensors = map(self.transform, tensors)
        return list(zip(tensors, found.labels.tolist(), strict=True))


class TorchBatches(IterableDataset):
    """The batches of a mixture, for a `DataLoader` with `batch_size=None`.

    Several workers share the batches of an epoch: they are the same as without, in another order.

    Args:
        mixed: what to read.
        rank: of this process, 0 .. world_size - 1.
        world_size: processes that share the images.
    """

    def __init__(self, mixed: "Mix", rank: int = 0, world_size: int = 1) -> None:
        self.mixed = mixed
        self.rank = rank
        self.world_size = world_size
        self.epoch = 0

    def __len__(self) -> int:
        return self.mixed.steps(self.world_size)

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch, before each pass; without, each pass is the same one."""
        self.epoch = epoch

    def __iter__(self) -> Iterator[tuple[torch.Tensor, ...]]:
        worker = get_worker_info()
        number = worker.id if worker else 0
        workers = worker.num_workers if worker else 1
        steps = len(self)
        own = range(steps * number // workers, steps * (number + 1) // workers)
        batches = self.mixed.batches(
            self.epoch, rank=self.rank, world_size=self.world_size, steps=own
        )
        for images, labels, *weights in batches:
            tensors = (channels_first(images), torch.from_numpy(labels).long())
            yield (*tensors, *map(torch.from_numpy, weights))


def channels_first(images: Images) -> torch.Tensor:
    """(n, height, width, channels) uint8 -> a tensor (n, channels, height, width)."""
    tensor = torch.from_numpy(images)
    if images.shape[3] == 1:
        return tensor.reshape(len(images), 1, *images.shape[1:3])
    return tensor.permute(0, 3, 1, 2).contiguous()
