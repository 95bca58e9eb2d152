"""Real digits from wherever they are: MNIST, or a path in one of the formats of the table."""

import dataclasses
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from synthgen.datasets import csv_table, hdf5, idx, image_folder, npz
from synthgen.datasets.class_names import look_notes
from synthgen.datasets.digits import DIGIT_NAMES, Digits, Pictures, Reading
from synthgen.datasets.files import Listing, is_document, list_files, place_below, suffix_of
from synthgen.datasets.findings import find_faults
from synthgen.datasets.framing import MNIST_SHAPE, FramingSettings, fit_reading
from synthgen.datasets.mnist import Log, fetch_mnist, is_official
from synthgen.datasets.pictures import is_picture
from synthgen.datasets.splits import RealDigits, split_parts
from synthgen.errors import DataError, StorageError
from synthgen.text import can_name_folder, counted, few_of

MNIST = "mnist"
FOLDERS_TRIED = 200
UNPACK = "Unpack it, and give the folder or file that is in it."
CONVERT = "Save images and labels as arrays of one .npz file (numpy.savez)."
OTHER_FORMATS = {  # suffix -> what to do
    **dict.fromkeys((".zip", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".7z", ".rar"), UNPACK),
    **dict.fromkeys((".npy", ".mat", ".pkl", ".pickle", ".parquet", ".arrow", ".pt"), CONVERT),
}
AS_NEEDED = FramingSettings()  # pictures are fitted where they have to be


class DataFormat(NamedTuple):
    """A format of real data.

    Args:
        layout: what files of it look like, for people.
        matches: whether files are of this format, told by their paths within the folder.
        read: reads them.
    """

    layout: str
    matches: Callable[[Collection[str]], bool]
    read: Callable[[Listing], Reading]


# The first format that matches is read.
DATA_FORMATS = (
    DataFormat(idx.IDX_LAYOUT, idx.matches, idx.read),
    DataFormat(npz.NPZ_LAYOUT, npz.matches, npz.read),
    DataFormat(hdf5.HDF5_LAYOUT, hdf5.matches, hdf5.read),
    DataFormat(csv_table.CSV_LAYOUT, csv_table.matches, csv_table.read),
    DataFormat(image_folder.IMAGE_FOLDER_LAYOUT, image_folder.matches, image_folder.read),
)


@dataclass(frozen=True, kw_only=True)
class DataSource:
    """Real digits that are still to be read.

    Args:
        place: "mnist", or the path or fsspec URL of a file or folder; None: MNIST, or the digits of
            the training that is resumed.
        fitting: how pictures are fitted to what a generator draws.
    """

    place: str | None = None
    fitting: FramingSettings = AS_NEEDED


def load_real(
    data: str = MNIST, log: Log = print, fitting: FramingSettings | None = None
) -> RealDigits:
    """Load real digits, fit them to a generator where that is asked for or needed, and split them.

    Args:
        data: "mnist" (the original, checked against its SHA-256 sums), or the path or fsspec URL of
            a file or folder in one of `DATA_FORMATS`; "./mnist" is a folder of that name.
        log: receives messages worth showing: what was passed over, what looks wrong, what was done
            to the pictures, a damaged cache that was replaced.
        fitting: how to fit the pictures; None leaves those of one size as they are.

    Raises:
        DataError: if the digits cannot be had, are damaged, or do not fit together.

    Example:
        >>> real = load_real("mnist")                          # doctest: +SKIP
        >>> len(real.train), len(real.validation), len(real.test)  # doctest: +SKIP
        (55000, 5000, 10000)
    """
    if data == MNIST:
        parts, place = fetch_mnist(log)
        return _finish(Reading(*parts), f"MNIST, from {place}", fitting, log, is_mnist=True)
    try:
        reading = read_data(data)
        if is_official(reading):
            return _finish(reading, f"MNIST, from {data}", fitting, log, is_mnist=True)
        return _finish(reading, f"{data} (not the original MNIST)", fitting, log, is_mnist=False)
    except (DataError, StorageError) as error:
        raise DataError(f"--data {data}: {error}") from error


def read_named(data: str, log: Log = print) -> Reading:
    """Read "mnist" or what lies at a path, without fitting or splitting it.

    Raises:
        DataError: if the digits cannot be had or are damaged.
    """
    if data == MNIST:
        return Reading(*fetch_mnist(log)[0])
    return read_data(data)


def read_data(data: str) -> Reading:
    """Read what lies at a path, in the first of `DATA_FORMATS` that it is in.

    Raises:
        DataError: if it is in none of them, or damaged.
    """
    listing = list_files(data)
    for layout in DATA_FORMATS:
        if layout.matches(listing.files):
            return layout.read(listing)

    # A data file with a licence or a description beside it
    documents = [file for file in listing.files if is_document(file)]
    others = {file: size for file, size in listing.files.items() if file not in {*documents}}
    for layout in DATA_FORMATS:
        if documents and layout.matches(others):
            reading = layout.read(dataclasses.replace(listing, files=others))
            note = f"Passed over: {counted(len(documents), 'file')} ({', '.join(documents[:3])})."
            return reading._replace(notes=(*reading.notes, note))

    if listing.files and all(map(is_picture, listing.files)):
        raise DataError(
            f"Expected pictures with labels, found {counted(len(listing.files), 'picture')} "
            f"({', '.join([*listing.files][:3])}) without. Put those of each class into a "
            "sub-folder, or name path and label of each in a .csv file beside them."
        )
    known = "".join(f"\n  {layout.layout}" for layout in DATA_FORMATS)
    found = few_of([*listing.files]) or "an empty folder"
    better = _place_with_data(listing)
    advice = f" Give {place_below(listing.storage.url, better)}." if better else ""
    if not better and len(listing.files) == 1:
        advice = " " + OTHER_FORMATS.get(suffix_of(next(iter(listing.files))), "")
    raise DataError(f"Expected '{MNIST}' or one of{known}\nfound {found}.{advice.rstrip()}")


def _place_with_data(listing: Listing) -> str | None:
    """Return the first file or sub-folder that is of a known format by itself."""
    alone = [file for file in listing.files if "/" not in file and not is_document(file)]
    readable = [
        file for file in alone[:FOLDERS_TRIED] if any(each.matches([file]) for each in DATA_FORMATS)
    ]
    if readable and not listing.is_file:
        return next((file for file in readable if "train" in file.lower()), readable[0])
    for folder in listing.folders[:FOLDERS_TRIED]:
        inside = [
            file.removeprefix(f"{folder}/")
            for file in listing.files
            if file.startswith(f"{folder}/") and not is_document(file)
        ]
        if any(layout.matches(inside) for layout in DATA_FORMATS):
            return folder
    return None


def _finish(
    reading: Reading, source: str, asked: FramingSettings | None, log: Log, is_mnist: bool
) -> RealDigits:
    """Fit and split what was read, and say what is worth knowing about it."""
    fitting = asked or FramingSettings()
    reading = _drop_empty_classes(reading)
    for name in reading.train.class_names:
        if not can_name_folder(str(name)):
            raise DataError(
                f"Expected class names that can name a folder of images, received {str(name)!r}. "
                "Rename that class."
            )
    train = reading.train
    test = reading.test
    findings: tuple[str, ...] = ()
    framing = None
    is_plain = fitting.fit in ("auto", "none") and fitting.polarity == "auto"
    keeps_mnist = is_mnist and is_plain and fitting.shape in (None, MNIST_SHAPE)
    if len(train) and not keeps_mnist:
        parts, framing = fit_reading(reading, fitting)
        findings = find_faults(
            reading,
            is_fitted=framing.fit != "none",
            polarity_is_named=fitting.polarity != "auto",
            scaled=Reading(*parts) if framing.fit in ("pad", "stretch") else None,
            in_python=asked is None,
        )
        train, test = parts
        if framing.fit != "none":
            source += f"; {framing}"
    if isinstance(train, Pictures) or isinstance(test, Pictures):
        raise DataError("Expected training pictures, received none.")
    real = split_parts(train, test, source)
    notes = (*reading.notes, *look_notes([str(name) for name in train.class_names]))
    if framing and framing.fit != "none":
        notes = (*notes, f"Pictures of {framing}.")
    for line in (*notes, *findings):
        log(f"NOTICE: {line}")
    return dataclasses.replace(real, findings=findings, notes=notes, framing=framing)


def _drop_empty_classes(reading: Reading) -> Reading:
    """Leave away the classes of which there is no image: somebody has only 3s and 7s."""
    parts = [part for part in (reading.train, reading.test) if part is not None]
    names = list(reading.train.class_names)
    present = np.unique(np.concatenate([part.labels for part in parts]))
    if len(present) == 1 < len(names):
        raise DataError(
            "Expected images of two classes or more, received "
            f"{counted(sum(map(len, parts)), 'image')} of class '{names[present[0]]}' alone. Check "
            "where the labels stand (in a table without column names they come first)."
        )
    digits = [name for name in DIGIT_NAMES if name not in names]
    if len(present) == len(names) and len(digits) == len(DIGIT_NAMES) - len(names):
        missing = f"No images of {', '.join(digits)}: the classes are {', '.join(names)}."
        return reading._replace(notes=(*reading.notes, missing)) if digits else reading
    if not 1 < len(present) < len(names):
        return reading
    kept = [names[label] for label in present]
    absent = [name for name in names if name not in kept]
    number = np.zeros(len(names), np.uint8)
    number[present] = np.arange(len(present))

    def keep(part: Digits | Pictures) -> Digits | Pictures:
        return dataclasses.replace(part, labels=number[part.labels], class_names=tuple(kept))

    note = (
        f"No images of {', '.join(absent)}: the classes are {', '.join(kept)}, and are numbered "
        "in this order."
    )
    test = None if reading.test is None else keep(reading.test)
    return Reading(keep(reading.train), test, (*reading.notes, note))


def describe(real: RealDigits) -> dict[str, Any]:
    """Return what `synthgen data info` shows, ready for JSON."""
    parts = {"train": real.train, "validation": real.validation, "test": real.test}
    images = [digits.images for digits in parts.values() if len(digits)]
    return {
        "source": real.source,
        "sha256": real.sha256,
        "image_shape": list(real.train.image_shape),
        "pixels": [min(int(i.min()) for i in images), max(int(i.max()) for i in images)],
        "images": {role: len(digits) for role, digits in parts.items()},
        "per_class": {
            name: {role: int(digits.counts()[label]) for role, digits in parts.items()}
            for label, name in enumerate(real.train.class_names)
        },
        "notes": list(real.notes),
        "findings": list(real.findings),
    }


def describe_text(real: RealDigits) -> str:
    """Return `describe` as lines for a terminal."""
    facts = describe(real)
    shape = " x ".join(str(size) for size in facts["image_shape"])
    least, most = facts["pixels"]
    lines = [
        f"source  {facts['source']}",
        f"sha256  {facts['sha256']}",
        f"images  {shape} uint8, {least}..{most}",
    ]
    rows = [*facts["per_class"].items(), ("all", facts["images"])]
    width = max(len("class"), *(len(name) for name, _ in rows))
    lines.append(f"  {'class':<{width}}" + "".join(f"{role:>12}" for role in facts["images"]))
    for name, counts in rows:
        lines.append(f"  {name:<{width}}" + "".join(f"{count:>12,}" for count in counts.values()))
    lines += [f"note    {note}" for note in facts["notes"]]
    lines += [f"check   {finding}" for finding in facts["findings"]]
    return "\n".join(lines)
