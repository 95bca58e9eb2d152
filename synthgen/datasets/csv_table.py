"""CSV tables: a label and pixels in each line (Kaggle), or the path of a picture and its label.

    label,pixel0,pixel1,...        file,label[,split]
    7,0,0,...                      scans/0001.png,7

The column of labels comes first where a table of pixels has no header. A column `split` may say
train or test. Paths are relative to the folder of the table and stay in it.
"""

import csv
import math
from collections.abc import Collection, Sequence

import numpy as np

from synthgen.datasets.arrays import to_digits, to_labels
from synthgen.datasets.class_names import order_notes
from synthgen.datasets.digits import Reading
from synthgen.datasets.files import FILE_BYTES, Listing, check_array_bytes, list_files
from synthgen.datasets.image_folder import read_pictures, take_pictures
from synthgen.datasets.pictures import is_picture, one_kind
from synthgen.errors import DataError
from synthgen.processes import interrupts_held
from synthgen.text import counted

CSV_LAYOUT = (
    "a .csv file, or a folder with one: label and pixel columns, or paths of pictures and labels"
)
LABEL_COLUMNS = ("label", "labels", "class", "class_name", "digit", "target", "y")
PATH_COLUMNS = (
    "file",
    "filename",
    "file_name",
    "path",
    "filepath",
    "file_path",
    "image",
    "image_path",
    "img",
    "picture",
)
SPLIT_COLUMNS = ("split", "part", "subset", "set")
LINE_BYTES = 2_000_000
MOST_COLUMNS = 256 * 256 + 1
MOST_QUOTED = 4  # times as many separators as columns, for those in quoted cells
ROWS_AT_A_TIME = 2048
BLOCK_BYTES = 2**20


def matches(files: Collection[str]) -> bool:
    """Whether this is one CSV table, alone or with pictures that are not in class folders."""
    tables = [file for file in files if "/" not in file and file.lower().endswith(".csv")]
    folders = {file.partition("/")[0] for file in files if "/" in file and is_picture(file)}
    loose = any("/" not in file and is_picture(file) for file in files)
    return len(tables) == 1 and len(folders) < 2 and (bool(folders) + loose < 2)


def read(listing: Listing) -> Reading:
    """Read a table and, if it names pictures, these.

    Raises:
        DataError: if it is damaged, has no column of labels, or names a picture that is not there
            or not below the folder of the table.
    """
    table = next(f for f in listing.files if "/" not in f and f.lower().endswith(".csv"))
    listing.check_size(table, FILE_BYTES)
    _check_lines(listing, table)
    with listing.open(table) as stream:
        first_line = stream.readline(LINE_BYTES)
    try:
        text = first_line.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(
            f"{table}: Expected a table in UTF-8, received another encoding. Save it as CSV UTF-8."
        ) from error
    separator = max(",;\t", key=text.count)
    try:
        cells = next(csv.reader([text], delimiter=separator), [])
    except csv.Error as error:
        raise DataError(
            f"{table}: Expected column names or values in the first line, received another one "
            f"({error}). Save it as CSV UTF-8."
        ) from error
    if not 2 <= len(cells) <= MOST_COLUMNS:
        raise DataError(
            f"{table}: Expected 2 to {MOST_COLUMNS:,} columns, received {len(cells):,}. Each line "
            "should hold a label and pixels, or a path and a label."
        )
    columns = [cell.strip().lower() for cell in cells]
    label = next((name for name in LABEL_COLUMNS if name in columns), None)
    path = next((name for name in PATH_COLUMNS if name in columns), None)
    has_header = not all(_is_number(cell) for cell in columns)
    if label and path:
        _check_columns(listing, table, separator, (1, MOST_QUOTED * len(cells)))
        return _read_paths(listing, table, columns, separator)
    if has_header and label is None:
        raise DataError(
            f"{table}: Expected a column of labels ({', '.join(LABEL_COLUMNS)}), found "
            f"{', '.join(cells[:5])}{', ...' if len(cells) > 5 else ''}. Name it in the first line."
        )
    side = math.isqrt(len(columns) - 1)
    if len(columns) < 5 or side * side != len(columns) - 1:
        raise DataError(
            f"{table}: Expected a label and the pixels of a square image in each line, or a path "
            f"and a label, received {len(columns)} columns "
            f"({', '.join(cells[:5])}{', ...' if len(cells) > 5 else ''})."
        )
    _check_columns(listing, table, separator, (len(cells), len(cells)))
    place = columns.index(label) if label and has_header else 0
    return _read_pixels(listing, table, place, has_header, separator)


def _read_pixels(
    listing: Listing, table: str, label_column: int, has_header: bool, separator: str
) -> Reading:
    """Read a table of which each line holds a label and the pixels of an image, row by row."""
    import pandas as pd

    blocks = []
    labels: list[str] = []
    total = 0
    try:
        # an interrupt within pandas would be taken for damage of the table
        with (
            interrupts_held() as let_through,
            listing.open(table) as stream,
            pd.read_csv(
                stream,
                sep=separator,
                header=None,
                skiprows=int(has_header),
                dtype={label_column: str},
                encoding="utf-8-sig",
                chunksize=ROWS_AT_A_TIME,
            ) as chunks,
        ):
            for chunk in chunks:
                labels += [str(label).strip() for label in chunk[label_column]]
                with np.errstate(over="ignore"):  # infinite values are refused as no pixels
                    blocks.append(chunk.drop(columns=label_column).to_numpy(np.float32))
                total += blocks[-1].nbytes
                check_array_bytes(total, table)
                let_through()
    except pd.errors.EmptyDataError:
        pass
    except (ValueError, TypeError) as error:  # pandas' own are ValueErrors
        raise DataError(
            f"{table}: Expected a table of numbers with as many columns in each line, received "
            f"another one ({error})."
        ) from error
    if not blocks:
        raise DataError(f"{table}: Expected lines of labels and pixels, received none.")
    digits = to_digits(np.concatenate(blocks), np.array(labels), table)
    return Reading(digits, None, order_notes(digits.class_names))


def _read_paths(listing: Listing, table: str, columns: Sequence[str], separator: str) -> Reading:
    """Read the pictures that a table names."""
    import pandas as pd

    try:
        with interrupts_held(), listing.open(table) as stream:
            rows = pd.read_csv(
                stream,
                sep=separator,
                names=list(columns),
                skiprows=1,
                dtype=str,
                keep_default_na=False,
                encoding="utf-8-sig",
            )
    except (ValueError, UnicodeDecodeError) as error:
        raise DataError(
            f"{table}: Expected a table of paths and labels, received another one ({error})."
        ) from error
    if listing.is_file:
        folder = list_files(listing.storage.root or "/")
        listing = Listing(storage=listing.storage, files=folder.files, hidden=folder.hidden)
    path_column = next(name for name in PATH_COLUMNS if name in columns)
    label_column = next(name for name in LABEL_COLUMNS if name in columns)
    texts = [label.strip() for label in rows[label_column]]
    files = [_file_of(name, listing, table) for name in rows[path_column]]
    if not files:
        raise DataError(f"{table}: Expected lines of paths and labels, received none.")
    label_of: dict[str, str] = {}
    for file, text in zip(files, texts, strict=True):
        if label_of.setdefault(file, text) != text:
            raise DataError(
                f"{table}: Expected one label for each picture, received {label_of[file]!r} and "
                f"{text!r} for {file}. Correct or drop it."
            )

    split = next((name for name in SPLIT_COLUMNS if name in columns), None)
    parts = [part.strip().lower() for part in rows[split]] if split else ["train"] * len(files)
    unknown = sorted({*parts} - {"train", "training", "test", "testing"})
    if unknown:
        raise DataError(
            f"{table}: Expected train or test in the column {split}, received {unknown[0]!r}. "
            "Validation images are set aside from train."
        )
    of_test = np.array([part.startswith("test") for part in parts])
    labels, names = to_labels(np.array(texts), table)
    images, colour_note = one_kind(read_pictures(listing, files))
    left_out = sum(is_picture(file) for file in listing.files) - len({*files})
    left_note = f"Passed over: {counted(left_out, 'picture')} that {table} does not name."
    notes = (left_note if left_out else "", colour_note, *order_notes(names))
    return Reading(
        take_pictures(images, labels, names, ~of_test),
        take_pictures(images, labels, names, of_test) if of_test.any() else None,
        tuple(note for note in notes if note),
    )


def _file_of(name: str, listing: Listing, table: str) -> str:
    """Return the file that a table means: by its path or, if that is one only, by its name."""
    path = name.strip().replace("\\", "/").removeprefix("./")
    if path in listing.files:
        return path
    if path.startswith("/") or ":" in path or ".." in path.split("/"):
        raise DataError(
            f"{table}: Expected paths below the folder of the table, received {name!r}. Copy the "
            "picture into it and name it from there."
        )
    alike = [file for file in listing.files if file.endswith(f"/{path}")]
    if len(alike) == 1:
        return alike[0]
    raise DataError(
        f"{table}: Expected pictures that are there, received {name!r}, "
        f"{f'of which there are {len(alike)}' if alike else 'which is not'}. Correct the path."
    )


def _check_lines(listing: Listing, table: str) -> None:
    """Refuse what is no text, or has a line that no image could have, before it is parsed."""
    length = 0
    with listing.open(table) as stream:
        while block := stream.read(BLOCK_BYTES):
            first, *rest = block.split(b"\n")
            longest = max(length + len(first), *map(len, rest), 0)
            length = len(rest[-1]) if rest else length + len(first)
            if b"\0" in block or longest > LINE_BYTES:
                what = "bytes that are no text" if b"\0" in block else "a line that is longer"
                raise DataError(
                    f"{table}: Expected a table in UTF-8 with lines of at most {LINE_BYTES:,} "
                    f"bytes, received {what}. Save it as CSV UTF-8."
                )


def _check_columns(listing: Listing, table: str, separator: str, allowed: tuple[int, int]) -> None:
    """Refuse a line of fewer or more columns than allowed; empty lines are none."""
    with listing.open(table) as stream:
        for number, line in enumerate(stream, 1):
            received = line.count(separator.encode()) + 1
            if line.strip() and not allowed[0] <= received <= allowed[1]:
                raise DataError(
                    f"{table}: Expected {allowed[1]:,} columns in each line, received "
                    f"{received:,} in line {number:,}."
                )


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True
