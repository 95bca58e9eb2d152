"""Where the files of a set lie below the root: the paths, and which of what is found there is not the set's.

data/NAME/hdf5/00000.h5               shards, one folder a format (see `formats.FORMATS`)
data/NAME/png/CLASS/BLOCK/ID.png
data/NAME/contact_sheet.png           the first images of each class
data/NAME/evaluation/                 report and figures; a set that changes loses this folder
manifests/NAME.csv                    the manifest, one row an image; it appears last
manifests/NAME.json                   the run record
manifests/.NAME.parts/                notes of an unfinished build
manifests/.NAME.lock                  is there while a build runs
"""

# Files that earlier versions wrote into data/NAME itself instead of data/NAME/evaluation. They speak
# of the set as it was, so they are removed together with that folder when a set grows or is replaced.
FORMER_EVALUATION_FILES = (
    "report.html",
    "report.md",
    "evaluation.json",
    "evaluation.csv",
    "evaluation.cells.jsonl",
    "evaluation.measures.json",
)


def data_folder(name: str) -> str:
    """Return the folder that holds the images of a set and all that is said about them."""
    return f"data/{name}"


def contact_sheet_path(name: str) -> str:
    """Return where the contact sheet of a set lies."""
    return f"{data_folder(name)}/contact_sheet.png"


def evaluation_folder(name: str) -> str:
    """Return the folder for everything that an evaluation of a set writes.

    A build that grows or replaces the set removes this folder as a whole.
    """
    return f"{data_folder(name)}/evaluation"


def manifest_path(name: str) -> str:
    """Return where the manifest of a set lies."""
    return f"manifests/{name}.csv"


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


def lock_path(name: str) -> str:
    """Return the file that is there while a build of this name runs."""
    return f"manifests/.{name}.lock"
