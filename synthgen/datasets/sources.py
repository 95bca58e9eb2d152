"""Real digits from wherever the user has them: MNIST, or a file or folder in one of the formats of the table."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from synthgen.datasets import hdf5, idx, image_folder, npz
from synthgen.datasets.digits import Parts
from synthgen.datasets.mnist import Log, fetch_mnist, is_official
from synthgen.datasets.splits import RealDigits, split_parts
from synthgen.errors import DataError, StorageError
from synthgen.storage import Storage, open_storage

MNIST = "mnist"


class Format(NamedTuple):
    """A format of real data: what it looks like, whether a listing of files is of it, and its reader."""

    layout: str
    matches: Callable[[Sequence[str]], bool]
    read: Callable[[Storage, Sequence[str]], Parts]


FORMATS = (
    Format(idx.LAYOUT, idx.matches, idx.read),
    Format(npz.LAYOUT, npz.matches, npz.read),
    Format(hdf5.LAYOUT, hdf5.matches, hdf5.read),
    Format(image_folder.LAYOUT, image_folder.matches, image_folder.read),
)


def load_real(data: str = MNIST, log: Log = print) -> RealDigits:
    """Load real digits and split them.

    Args:
        data: "mnist" (the original, checked against its MD5 sums), or the path or fsspec URL of a
            file or folder in one of `FORMATS`; "./mnist" is a folder of that name.
        log: receives messages worth showing, such as a damaged cache that was replaced.

    Raises:
        DataError: if the digits cannot be had, are damaged, or do not fit together.

    Example:
        >>> real = load_real("mnist")                          # doctest: +SKIP
        >>> len(real.train), len(real.validation), len(real.test)  # doctest: +SKIP
        (55000, 5000, 10000)
    """
    if data == MNIST:
        parts, name = fetch_mnist(log)
        return split_parts(parts.train, parts.test, f"MNIST, from {name}")
    try:
        parts = _read(data)
        return split_parts(
            parts.train,
            parts.test,
            f"MNIST, from {data}" if is_official(parts) else f"{data} (not the original MNIST)",
        )
    except (DataError, StorageError) as error:
        raise DataError(f"--data {data}: {error}") from error


def describe(real: RealDigits) -> dict[str, Any]:
    """What `synthgen data info` shows, ready for JSON."""
    parts = {"train": real.train, "validation": real.validation, "test": real.test}
    return {
        "source": real.source,
        "sha256": real.sha256,
        "image_shape": list(real.train.image_shape),
        "images": {role: len(digits) for role, digits in parts.items()},
        "per_class": {
            name: {role: int(digits.counts()[label]) for role, digits in parts.items()}
            for label, name in enumerate(real.train.class_names)
        },
    }


def describe_text(real: RealDigits) -> str:
    """`describe` as lines for a terminal."""
    facts = describe(real)
    rows = [*facts["per_class"].items(), ("all", facts["images"])]
    width = max(len("class"), *(len(name) for name, _ in rows))
    table = [f"  {'class':<{width}}" + "".join(f"{role:>12}" for role in facts["images"])]
    table += [
        f"  {name:<{width}}" + "".join(f"{count:>12,}" for count in counts.values())
        for name, counts in rows
    ]
    shape = " x ".join(str(size) for size in facts["image_shape"])
    head = [
        f"source  {facts['source']}",
        f"sha256  {facts['sha256']}",
        f"images  {shape} uint8, 0..255",
    ]
    return "\n".join(head + table)


def _read(data: str) -> Parts:
    storage, files = _listing(data)
    for layout in FORMATS:
        if layout.matches(files):
            return layout.read(storage, files)
    known = "".join(f"\n  {layout.layout}" for layout in FORMATS)
    found = ", ".join(files[:5]) + (f" and {len(files) - 5:,} more" if len(files) > 5 else "")
    raise DataError(f"Expected '{MNIST}' or one of{known}\nfound {found or 'an empty folder'}.")


def _listing(data: str) -> tuple[Storage, list[str]]:
    """The folder, and its files without hidden and unfinished ones; for a file, its folder and the file alone."""
    storage = open_storage(data)
    if not storage.exists(""):
        raise DataError(
            f"Expected '{MNIST}', a file or a folder, but there is nothing of that name."
        )
    if storage.fs.isfile(storage.root):
        folder, _, name = storage.root.rpartition("/")
        return Storage(storage.fs, folder, data), [name]
    files = storage.files("")
    return storage, [
        file
        for file in files
        if not file.endswith(".part") and not any(part.startswith(".") for part in file.split("/"))
    ]
