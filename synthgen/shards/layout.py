"""Where the files of a set lie, and whether what a manifest names lies there.

All paths are relative to the root:

    data/NAME/hdf5/00000.h5               shards, one folder a format (see `formats.SHARD_FORMATS`)
    data/NAME/png/CLASS/BLOCK/CLASS/ID.png
    data/NAME/contact_sheet.png           the first images of each class
    data/NAME/README.md                   the data set card, for people
    data/NAME/croissant.json              the same for machines
    data/NAME/evaluation/                 report and figures; a set that changes loses this folder
    manifests/NAME.csv                    the manifest, one row an image; it appears last
    manifests/NAME/00000.csv              where these are too many for one file: the rows of the
                                          first shards; manifests/NAME.csv then lists such files
    manifests/NAME.json                   the run record
    manifests/.NAME.parts/                notes of an unfinished build
    manifests/.NAME.export/               notes of an unfinished export
    manifests/.NAME.lock                  is there while a build runs
    manifests/.NAME.locks/3-of-8.lock     is there while partition 3 of 8 is made
"""

import os
from collections.abc import Iterable

from synthgen.errors import ManifestError, StorageError
from synthgen.storage import Storage

# Files that earlier versions wrote into data/NAME itself instead of data/NAME/evaluation. They
# speak of the set as it was, so they are removed with that folder when it grows or is replaced.
FORMER_EVALUATION_FILES = (
    "report.html",
    "report.md",
    "evaluation.json",
    "evaluation.csv",
    "evaluation.cells.jsonl",
    "evaluation.measures.json",
)

NO_NAMES = frozenset(("", ".", ".."))  # parts of a path that lead elsewhere than down


def data_folder(name: str) -> str:
    """Return the folder that holds the images of a set and all that is said about them."""
    return f"data/{name}"


def contact_sheet_path(name: str) -> str:
    """Return where the contact sheet of a set lies."""
    return f"{data_folder(name)}/contact_sheet.png"


def croissant_path(name: str) -> str:
    """Return where the description of a set for machines lies."""
    return f"{data_folder(name)}/croissant.json"


def card_path(name: str) -> str:
    """Return where the description of a set for people lies."""
    return f"{data_folder(name)}/README.md"


def evaluation_folder(name: str) -> str:
    """Return the folder for everything that an evaluation of a set writes.

    A build that grows or replaces the set removes this folder as a whole.
    """
    return f"{data_folder(name)}/evaluation"


def manifest_path(name: str) -> str:
    """Return where the manifest of a set lies."""
    return f"manifests/{name}.csv"


def parts_folder(name: str) -> str:
    """Return the folder that holds the files of a manifest which has several."""
    return f"manifests/{name}"


def record_path(manifest: str) -> str:
    """Return where the run record that belongs to a manifest lies.

    Example:
        >>> record_path("manifests/digits.csv")
        'manifests/digits.json'
    """
    return f"{manifest.removesuffix('.csv')}.json"


def notes_folder(name: str) -> str:
    """Return the hidden folder in which an unfinished build keeps its notes."""
    return f"manifests/.{name}.parts"


def export_notes_folder(name: str) -> str:
    """Return the hidden folder in which an unfinished export keeps its notes."""
    return f"manifests/.{name}.export"


def lock_path(name: str) -> str:
    """Return the file that is there while a build of this name runs."""
    return f"manifests/.{name}.lock"


def locks_folder(name: str) -> str:
    """Return the folder that holds a lock file for each partition that is made now."""
    return f"manifests/.{name}.locks"


def check_links(storage: Storage, folder: str) -> None:
    """Make sure that a folder of the root is not a link to a place outside.

    What a build writes would lie there, and `load` and `verify` read nothing from outside the root.

    Raises:
        StorageError: naming the folder.
    """
    if storage.is_local and not _is_inside(storage, folder):
        raise StorageError(
            f"Expected {folder or 'the root'} to lie in {storage.url}, found a link to "
            f"{os.path.realpath(storage.full(folder))}. Name the place that holds it as --root."
        )


def check_named_files(storage: Storage, paths: Iterable[str]) -> None:
    """Make sure that the files which a manifest names are files below the root.

    On a disk of this machine links are followed: one that leads out of the root is refused. A file
    that is missing is no matter of this function.

    Args:
        storage: of the root.
        paths: as the manifest names them.

    Raises:
        ManifestError: naming the first path that leaves the root or is not that of a file.
    """
    by_folder: dict[str, list[str]] = {}
    for path in dict.fromkeys(paths):
        folder, _, name = path.rpartition("/")
        if name in NO_NAMES or "\\" in path:
            raise _leaves_root(storage, path)
        by_folder.setdefault(folder, []).append(name)

    for folder, names in by_folder.items():
        # The path itself goes down from the root, and no link in it leads elsewhere.
        goes_down = NO_NAMES.isdisjoint(folder.split("/"))
        if not goes_down or (storage.is_local and not _is_inside(storage, folder)):
            raise _leaves_root(storage, f"{folder}/{names[0]}")
        if not storage.is_local:
            continue

        # Of thousands of files only those that are no plain files are looked at one by one.
        try:
            with os.scandir(storage.full(folder)) as entries:
                unusual = {e.name for e in entries if not e.is_file(follow_symlinks=False)}
        except OSError:
            continue  # reading the files says why
        for name in unusual.intersection(names):
            path = f"{folder}/{name}"
            if not _is_inside(storage, path):
                raise _leaves_root(storage, path)
            if os.path.exists(storage.full(path)) and not os.path.isfile(storage.full(path)):
                raise ManifestError(
                    f"Expected a file at {storage.full(path)}, which the manifest names, found "
                    "something else. `synthgen verify` says what else is wrong with the set."
                )


def _is_inside(storage: Storage, path: str) -> bool:
    """Return whether a path lies below the root when all links are followed."""
    root = os.path.realpath(storage.full(""))
    return os.path.commonpath([root, os.path.realpath(storage.full(path))]) == root


def _leaves_root(storage: Storage, path: str) -> ManifestError:
    return ManifestError(
        f"Expected paths of files below {storage.url} in the manifest, received {path[:200]!r}, "
        "which leads out of it. Use the manifest as `synthgen build` wrote it."
    )
