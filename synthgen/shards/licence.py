"""The licence of the digits that a generator learnt from, as far as it is known."""

from typing import NamedTuple

from synthgen.shards.run_record import RunRecord


class Licence(NamedTuple):
    """The licence of real digits.

    Args:
        of: whose it is, in words.
        name: as people write it.
        identifier: as Hugging Face writes it.
        url: of its text.
    """

    of: str
    name: str
    identifier: str
    url: str


MNIST_LICENCE = Licence(
    of="MNIST (Y. LeCun, C. Cortes, C. J. C. Burges)",
    name="CC BY-SA 3.0",
    identifier="cc-by-sa-3.0",
    url="https://creativecommons.org/licenses/by-sa/3.0/",
)
MNIST_SOURCE = "MNIST, from "  # begins the source of its digits in a checkpoint


def known_licence(record: RunRecord) -> Licence | None:
    """Return the licence of the digits that the generator of a set learnt from; None if unknown.

    Args:
        record: of the set.
    """
    source = record.checkpoint.trained_on().get("source", "")
    return MNIST_LICENCE if source.startswith(MNIST_SOURCE) else None
