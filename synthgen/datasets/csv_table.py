"""CSV tables: a label and pixels in each line (Kaggle), or the path of a picture and its label.

    label,pixel0,pixel1,...        file,label[,split]
    7,0,0,...                      scans/0001.png,7

The column of labels comes first where a table of pixels has no header. Pixels are read by the
numbers in their columns' names, whatever order the columns have. A column, or the folder that a
picture lies in, may say train or test. Paths are relative to the folder of the table and
stay in it; a picture may be named without its folder or suffix where only one is called so.
"""

import csv
import itertools
import math
import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from synthgen.datasets.arrays import to_digits, to_labels
from synthgen.datasets.class_names import (
    MISSING_LABELS,
    PART_NAMES,
    TEST_NAMES,
    TRAIN_NAMES,
    class_name,
    order_notes,
)
from synthgen.datasets.digits import Reading
from synthgen.datasets.files import FILE_BYTES, Listing, check_array_bytes, list_files, suffix_of
from synthgen.datasets.image_folder import TABLE_SUFFIXES, read_pictures, take_pictures
from synthgen.datasets.pictures import is_picture, one_kind
from synthgen.errors import DataError
from synthgen.processes import interrupts_held
from synthgen.text import SEPARATOR_LINE, counted

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
ID_COLUMNS = ("id", "image_id", "imageid", "image_name", "img_name", "name")  # beside few others
SPLIT_COLUMNS = ("split", "part", "subset", "set")
PART_WORDS = {*PART_NAMES, "publictest", "privatetest"}
FEWEST_PIXELS = 16
LONGEST_NUMBER = 9  # digits
LINE_BYTES = 2_000_000
MOST_COLUMNS = 256 * 256 + 1
MOST_QUOTED = 4  # times as many separators as columns, for those in quoted cells
ROWS_AT_A_TIME = 2048
BLOCK_BYTES = 2**20


def matches(files: Collection[str]) -> bool:
    """Whether this is one CSV table, alone or with pictures that are not in class folders."""
    tables = [file for file in files if _is_table(file)]
    folders = {file.partition("/")[0] for file in files if "/" in file and is_picture(file)}
    loose = any("/" not in file and is_picture(file) for file in files)
    return len(tables) == 1 and len(folders) < 2 and (bool(folders) + loose < 2)


def read(listing: Listing) -> Reading:
    """Read a table and, if it names pictures, these.

    Raises:
        DataError: if it is damaged, has no column of labels, or names a picture that is not there
            or not below the folder of the table.
    """
    file = next(file for file in listing.files if _is_table(file))
    listing.check_size(file, FILE_BYTES)
    _check_lines(listing, file)
    table = _read_head(listing, file)
    columns = table.columns
    label = next((name for name in LABEL_COLUMNS if name in columns), None)
    path = next((name for name in PATH_COLUMNS if name in columns), None)
    if path is None and len(columns) <= FEWEST_PIXELS:
        path = next((name for name in ID_COLUMNS if name in columns), None)
    if label and path:
        _check_columns(listing, table, (1, MOST_QUOTED * len(columns)))
        return _read_paths(listing, table, columns.index(path), columns.index(label))
    first = f"{', '.join(columns[:5])}{', ...' if len(columns) > 5 else ''}"
    if table.has_header and label is None:
        raise DataError(
            f"{file}: Expected a column of labels ({', '.join(LABEL_COLUMNS)}), found {first}. "
            "Name it in the first line."
        )
    label_column = columns.index(label) if label and table.has_header else 0
    pixels = _pixel_columns(table, label_column)
    side = math.isqrt(len(pixels))
    if side < 2 or side * side != len(pixels):
        raise DataError(
            f"{file}: Expected a label and the pixels of a square image in each line, or a path "
            f"and a label, received {len(columns)} columns ({first})."
        )
    _check_columns(listing, table, (len(columns), len(columns)))
    return _read_pixels(listing, table, label_column, pixels)


@dataclass(frozen=True, kw_only=True)
class TableHead:
    """How the lines of a table are to be read.

    Args:
        file: its name.
        columns: the cells of its first line in lower case.
        separator: what parts the cells of a line.
        decimal: what parts the decimals of a number, a point or a comma.
        has_header: whether the first line names the columns.
        lines: how many lines come before the values.
    """

    file: str
    columns: tuple[str, ...]
    separator: str
    decimal: str
    has_header: bool
    lines: int


def _is_table(file: str) -> bool:
    return "/" not in file and suffix_of(file) in TABLE_SUFFIXES


def _read_head(listing: Listing, file: str) -> TableHead:
    """Find out from the first lines of a table how it is to be read."""
    with listing.open(file) as stream:
        begin = [stream.readline(LINE_BYTES) for _ in range(3)]
    try:
        lines = [
            line.decode("utf-8-sig" if not number else "utf-8") for number, line in enumerate(begin)
        ]
    except UnicodeDecodeError as error:
        raise _not_utf8(file) from error
    named = SEPARATOR_LINE.match(lines[0])
    if named:
        lines = lines[1:]
    separator = named[1] if named else max(",;\t|", key=lines[0].count)
    try:
        cells = next(csv.reader([lines[0]], delimiter=separator), [])
    except csv.Error as error:
        raise DataError(
            f"{file}: Expected column names or values in the first line, received another one "
            f"({error}). Save it as CSV UTF-8."
        ) from error
    if not 2 <= len(cells) <= MOST_COLUMNS:
        raise DataError(
            f"{file}: Expected 2 to {MOST_COLUMNS:,} columns, received {len(cells):,}. Each line "
            "should hold a label and pixels, or a path and a label."
        )
    columns = tuple(cell.strip().lower() for cell in cells)
    has_header = not all(_is_number(cell.replace(",", ".")) for cell in columns)
    values = lines[1] if has_header else lines[0]
    has_comma = separator != "," and "," in values and "." not in values
    return TableHead(
        file=file,
        columns=columns,
        separator=separator,
        decimal="," if has_comma else ".",
        has_header=has_header,
        lines=bool(named) + int(has_header),
    )


def _pixel_columns(table: TableHead, label_column: int) -> list[int]:
    """Return the places of the pixel columns in the order in which they make an image.

    Raises:
        DataError: if the numbers in their names leave one out, or do not tell their order.
    """
    others = [place for place in range(len(table.columns)) if place != label_column]
    forms = {place: re.sub(r"[0-9]+", "#", table.columns[place]) for place in others}
    form, count = Counter(forms.values()).most_common(1)[0]
    pixels = [place for place in others if forms[place] == form]
    numbers = {place: re.findall(r"[0-9]+", table.columns[place]) for place in pixels}
    longest = max((len(number) for found in numbers.values() for number in found), default=0)
    if not table.has_header or "#" not in form or 2 * count <= len(others):
        return others
    if longest > LONGEST_NUMBER:
        return others

    # columns called pixel0, pixel1, ...; or 1x1, 1x2, ...
    order = {place: tuple(map(int, found)) for place, found in numbers.items()}
    by_number = sorted(pixels, key=lambda place: order[place])
    if form.count("#") > 1 and by_number != pixels:
        misplaced = next(k for k, place in enumerate(pixels) if by_number[k] != place)
        raise DataError(
            f"{table.file}: Expected pixels row by row, received column "
            f"{table.columns[pixels[misplaced]]!r} where another one belongs: which number is the "
            "row cannot be told. Sort the columns."
        )
    if form.count("#") == 1:
        first = order[by_number[0]][0]  # 2 where the label was the first of R's V1, V2, ...
        expected = range(first, first + len(pixels))
        wrong = [k for k, place in zip(expected, by_number, strict=True) if order[place][0] != k]
        if wrong:
            raise DataError(
                f"{table.file}: Expected pixel columns with the numbers {expected[0]} to "
                f"{expected[-1]}, of which {wrong[0]} is missing or there twice. Write all pixels, "
                "those that are always 0 too."
            )
    return by_number


def _read_pixels(
    listing: Listing, table: TableHead, label_column: int, pixels: Sequence[int]
) -> Reading:
    """Read a table of which each line holds a label and the pixels of an image, row by row."""
    import pandas as pd

    others = {*range(len(table.columns))} - {label_column, *pixels}
    parts: dict[int, list[str]] = {place: [] for place in sorted(others)}
    missing: dict[Any, Sequence[str]] = {place: [*MISSING_LABELS] for place in pixels}
    blocks = []
    labels: list[str] = []
    total = 0
    try:
        # an interrupt within pandas would be taken for damage of the table
        with (
            interrupts_held() as let_through,
            listing.open(table.file) as stream,
            pd.read_csv(
                stream,
                sep=table.separator,
                decimal=table.decimal,
                header=None,
                skiprows=table.lines,
                converters={label_column: str.strip},
                keep_default_na=False,
                na_values=missing,  # labels are text
                encoding="utf-8-sig",
                chunksize=ROWS_AT_A_TIME,
            ) as chunks,
        ):
            for chunk in chunks:
                texts = chunk[label_column]
                is_empty = texts == ""
                if is_empty.any():  # lines of separators, which spreadsheets leave
                    is_value = ~is_empty | chunk[pixels].notna().any(axis=1)
                    chunk = chunk[is_value]
                    texts = texts[is_value]
                labels += [str(text) for text in texts]
                for place in [*parts]:
                    words = chunk[place].astype(str).str.strip()
                    if table.columns[place] in SPLIT_COLUMNS or {*words.str.lower()} <= PART_WORDS:
                        parts[place] += words.tolist()
                    else:
                        del parts[place]
                with np.errstate(over="ignore"):  # infinite values are refused as no pixels
                    blocks.append(chunk[pixels].to_numpy(np.float32))
                total += blocks[-1].nbytes
                check_array_bytes(total, table.file)
                let_through()
    except pd.errors.EmptyDataError:
        pass
    except UnicodeDecodeError as error:
        raise _not_utf8(table.file) from error
    except (ValueError, TypeError) as error:  # pandas' own are ValueErrors
        raise DataError(
            f"{table.file}: Expected a table of numbers with as many columns in each line, "
            f"received another one ({error})."
        ) from error
    if not labels:
        raise DataError(f"{table.file}: Expected lines of labels and pixels, received none.")
    digits = to_digits(np.concatenate(blocks), np.array(labels), table.file)
    split, of_test = _test_rows(parts, [""] * len(labels), table)
    left = [table.columns[place] for place in sorted(others) if place != split]
    notes = (_left_columns(left), *order_notes(digits.class_names))
    is_test = np.array(of_test)
    return Reading(
        digits.take(~is_test) if is_test.any() else digits,
        digits.take(is_test) if is_test.any() else None,
        tuple(note for note in notes if note),
    )


def _read_paths(listing: Listing, table: TableHead, path_column: int, label_column: int) -> Reading:
    """Read the pictures that a table names."""
    import pandas as pd

    try:
        with interrupts_held(), listing.open(table.file) as stream:
            rows = pd.read_csv(
                stream,
                sep=table.separator,
                names=range(len(table.columns)),
                skiprows=table.lines,
                dtype=str,
                keep_default_na=False,
                encoding="utf-8-sig",
            )
    except UnicodeDecodeError as error:
        raise _not_utf8(table.file) from error
    except ValueError as error:
        raise DataError(
            f"{table.file}: Expected a table of paths and labels, received another one ({error})."
        ) from error
    if listing.is_file:
        folder = list_files(listing.storage.root or "/")
        listing = Listing(storage=listing.storage, files=folder.files, hidden=folder.hidden)
    rows = rows[(rows != "").any(axis=1)]  # lines of separators
    if not len(rows):
        raise DataError(f"{table.file}: Expected lines of paths and labels, received none.")
    files = _find_files([name.strip() for name in rows[path_column]], listing, table.file)
    label_of: dict[str, str] = {}
    for file, value in zip(files, rows[label_column], strict=True):
        text = class_name(value)
        if label_of.setdefault(file, text) != text:
            raise DataError(
                f"{table.file}: Expected one label for each picture, received {label_of[file]!r} "
                f"and {text!r} for {file}. Correct or drop it."
            )

    cells = {
        place: [cell.strip() for cell in rows[place]]
        for place in range(len(table.columns))
        if place not in (path_column, label_column)
    }
    split, of_test = _test_rows(cells, files, table)
    part_of: dict[str, bool] = {}  # a picture that is named twice would come into both
    for file, is_test in zip(files, of_test, strict=True):
        if part_of.setdefault(file, is_test) != is_test:
            raise DataError(
                f"{table.file}: Expected each picture in one part, received {file} in both. Drop "
                "one of the lines."
            )

    labels, names = to_labels(np.array([label_of[file] for file in part_of]), table.file)
    images, colour_note = one_kind(read_pictures(listing, [*part_of]))
    chosen = np.array([*part_of.values()])
    left_out = sum(is_picture(file) for file in listing.files) - len(part_of)
    left_note = f"Passed over: {counted(left_out, 'picture')} that {table.file} does not name."
    twice = len(files) - len(part_of)
    twice_note = f"{counted(twice, 'line')} of {table.file} name a picture again and count once."
    notes = (
        left_note if left_out else "",
        twice_note if twice else "",
        _left_columns([table.columns[place] for place in cells if place != split]),
        colour_note,
        *order_notes(names),
    )
    return Reading(
        take_pictures(images, labels, names, ~chosen),
        take_pictures(images, labels, names, chosen) if chosen.any() else None,
        tuple(note for note in notes if note),
    )


def _test_rows(
    cells: Mapping[int, Sequence[str]], files: Sequence[str], table: TableHead
) -> tuple[int | None, list[bool]]:
    """Find out which pictures are of the test part.

    Args:
        cells: of each column but those of paths and labels, by its place.
        files: the picture of each line.
        table: its head.

    Returns:
        (the place of the column that says so or None, whether each line is of the test part).
    """
    words = {place: [cell.lower() for cell in column] for place, column in cells.items()}
    split = next((place for place in words if table.columns[place] in SPLIT_COLUMNS), None)
    if split is None:
        split = next(
            (
                place
                for place, found in words.items()
                if {*found} <= PART_WORDS and {*found} & {*TRAIN_NAMES}
            ),
            None,
        )
    folders = [file.partition("/")[0].lower() for file in files]
    parts = ["train"] * len(files)
    if split is not None:
        parts = words[split]
    elif {*folders} <= PART_WORDS and {*folders} & {*TRAIN_NAMES}:
        parts = folders
    unknown = sorted({*parts} - {*TRAIN_NAMES, *TEST_NAMES})
    if unknown:
        where = "the paths" if split is None else f"the column {table.columns[split]}"
        raise DataError(
            f"{table.file}: Expected train or test in {where}, received {unknown[0]!r}. "
            "Validation images are set aside from train."
        )
    return split, [part in TEST_NAMES for part in parts]


def _left_columns(names: Sequence[str]) -> str:
    """Say in a sentence which columns were not read; "" if all were."""
    if not names:
        return ""
    few = ", ".join(name or "without a name" for name in names[:5])
    return f"Passed over: {counted(len(names), 'column')} ({few}{', ...' if names[5:] else ''})."


def _find_files(names: Sequence[str], listing: Listing, table: str) -> list[str]:
    """Return the files that a table means: by path or, if that is one only, by its end."""
    paths = [class_name(name.replace("\\", "/")).removeprefix("./") for name in names]
    whole = {class_name(file): file for file in listing.files}
    ends: Mapping[str, Sequence[str]] = {}
    if not {*paths} <= {*whole}:
        ends = _by_end([file for file in listing.files if is_picture(file)])
    files = []
    for path, name in zip(paths, names, strict=True):
        alike = ends.get(path, ())
        if path in whole:
            files.append(whole[path])
        elif path.startswith("/") or ":" in path or ".." in path.split("/"):
            raise DataError(
                f"{table}: Expected paths below the folder of the table, received {name!r}. Copy "
                "the picture into it and name it from there."
            )
        elif len(alike) == 1:
            files.append(alike[0])
        else:
            raise DataError(
                f"{table}: Expected pictures that are there, received {name!r}, "
                f"{'of which there are several' if alike else 'which is not'}. Correct the path."
            )
    return files


def _by_end(files: Sequence[str]) -> dict[str, list[str]]:
    """Return the first two files of each end that a path can have: 'b/1.png', '1.png', '1'."""
    ends: dict[str, list[str]] = {}
    for file in files:
        folders = class_name(file).split("/")
        stem = folders[-1].rpartition(".")[0]
        for depth, last in itertools.product(range(len(folders)), (folders[-1], stem)):
            found = ends.setdefault("/".join((*folders[depth:-1], last)), [])
            if len(found) < 2:
                found.append(file)
    return ends


def _not_utf8(file: str) -> DataError:
    return DataError(
        f"{file}: Expected a table in UTF-8, received another encoding. Save it as CSV UTF-8."
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


def _check_columns(listing: Listing, table: TableHead, allowed: tuple[int, int]) -> None:
    """Refuse a line of fewer or more columns than allowed; empty lines are none."""
    with listing.open(table.file) as stream:
        for number, line in enumerate(stream, 1):
            received = line.count(table.separator.encode()) + 1
            is_value = number > table.lines and line.strip()
            if is_value and not allowed[0] <= received <= allowed[1]:
                raise DataError(
                    f"{table.file}: Expected {allowed[1]:,} columns in each line, received "
                    f"{received:,} in line {number:,}."
                )


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True
