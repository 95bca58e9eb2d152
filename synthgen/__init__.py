"""Labelled synthetic digits from a conditional GAN, and whether they help.

The digits lie in files that any training job reads; the answer is measured on real digits.

Example:
    >>> import synthgen
    >>> result = synthgen.build(synthgen.BuildSettings(per_class=500))  # doctest: +SKIP
    >>> digits = synthgen.load(result.set.manifest_path)                # doctest: +SKIP
    >>> images, labels = digits.as_numpy()                              # doctest: +SKIP
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from synthgen.config import (
        BenchmarkSettings,
        BuildSettings,
        EvaluationSettings,
        GanSettings,
        TrainSettings,
    )
    from synthgen.datasets.digits import Digits
    from synthgen.datasets.sources import load_real
    from synthgen.datasets.splits import RealDigits
    from synthgen.errors import SynthgenError
    from synthgen.pipeline import (
        TrainFirst,
        benchmark,
        build,
        build_partition,
        evaluate,
        export,
        train,
    )
    from synthgen.shards.digit_set import DigitSet, open_set
    from synthgen.shards.generator import Generator
    from synthgen.shards.load import load
    from synthgen.shards.mix import Mix, mix
    from synthgen.shards.partitions import merge
    from synthgen.shards.verify import verify

__version__ = "0.1.0"
__all__ = [
    "BenchmarkSettings",
    "BuildSettings",
    "DigitSet",
    "Digits",
    "EvaluationSettings",
    "GanSettings",
    "Generator",
    "Mix",
    "RealDigits",
    "SynthgenError",
    "TrainFirst",
    "TrainSettings",
    "benchmark",
    "build",
    "build_partition",
    "evaluate",
    "export",
    "load",
    "load_real",
    "merge",
    "mix",
    "open_set",
    "train",
    "verify",
]

_HOMES = {
    "synthgen.config": "BenchmarkSettings BuildSettings EvaluationSettings GanSettings "
    "TrainSettings",
    "synthgen.datasets.digits": "Digits",
    "synthgen.datasets.sources": "load_real",
    "synthgen.datasets.splits": "RealDigits",
    "synthgen.errors": "SynthgenError",
    "synthgen.pipeline": "TrainFirst benchmark build build_partition evaluate export train",
    "synthgen.shards.partitions": "merge",
    "synthgen.shards.digit_set": "DigitSet open_set",
    "synthgen.shards.generator": "Generator",
    "synthgen.shards.load": "load",
    "synthgen.shards.mix": "Mix mix",
    "synthgen.shards.verify": "verify",
}


def __getattr__(name: str) -> Any:
    """Import what is asked for when it is asked for, so that `synthgen --help` stays quick."""
    for home, names in _HOMES.items():
        if name in names.split():
            return getattr(importlib.import_module(home), name)
    raise AttributeError(f"module 'synthgen' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
