"""Labelled synthetic digits from a conditional GAN, in files that any training job reads, and whether they help.

Example:
    >>> import synthgen
    >>> digits = synthgen.load("manifests/digits.csv")  # doctest: +SKIP
    >>> images, labels = digits.as_numpy()  # doctest: +SKIP
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from synthgen.datasets.digits import Digits
    from synthgen.shards.load import load

__version__ = "0.1.0"
__all__ = ["Digits", "load"]

_HOMES = {"Digits": "synthgen.datasets.digits", "load": "synthgen.shards.load"}


def __getattr__(name: str) -> Any:
    """Import what is asked for when it is asked for, so that `synthgen --help` stays quick."""
    if name not in _HOMES:
        raise AttributeError(f"module 'synthgen' has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(_HOMES[name]), name)
