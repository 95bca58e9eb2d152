"""The manifest, manifests/NAME.csv, one row an image: finding it, writing and reading its rows."""

import csv
import io
import itertools
import math
import os
import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import IO, TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from synthgen.config import BuildSettings
from synthgen.errors import ManifestError, StorageError
from synthgen.processes import interrupts_held
from synthgen.shards.content import ShardContent, hash_images
from synthgen.shards.formats import SHARD_FORMATS
from synthgen.shards.layout import manifest_path, record_path
from synthgen.shards.manifest_parts import ENCODINGS, dialect_of, parts_there, read_parts
from synthgen.shards.plan import SetPlan, parse_id
from synthgen.shards.run_record import ManifestPart, RunRecord, read_record
from synthgen.storage import Storage, open_storage

if TYPE_CHECKING:
    import pandas as pd

# The columns in their order, each with the type that pandas reads it as.
COLUMN_TYPES = {
    "id": "str",
    "label": "int64",
    "index": "int64",
    "seed": "int64",
    "attempt": "int64",
    "shard": "int64",
    "offset": "int64",
    "hdf5": "str",
    "png": "str",
    "sha256": "str",
    "predicted": "Int64",
    "confidence": "float64",
    "nearest_train_distance": "float64",
    "label_source": "str",
}
MANIFEST_COLUMNS = tuple(COLUMN_TYPES)
# Formats that came later: a manifest has a last column for each of them that its set was built in.
LATER_FORMATS = tuple(kind for kind in SHARD_FORMATS if kind not in COLUMN_TYPES)

# The columns that have decimals, and those that may be empty for want of a classifier or of
# training images.
MEASURED_COLUMNS = ("confidence", "nearest_train_distance")
OPTIONAL_COLUMNS = ("predicted", *MEASURED_COLUMNS)
# The numbers that a manifest can hold at most; whatever is larger is not from a build.
LARGEST_VALUES = {
    "label": 255,
    "index": 2**40,
    "seed": 2**63 - 1,
    "attempt": 2**40,
    "shard": 2**40,
    "offset": 2**40,
}

NUMBER_COLUMNS = tuple(name for name, kind in COLUMN_TYPES.items() if kind != "str")
NUMBER = re.compile(r" *[+-]?[0-9]*\.?[0-9]+(e[+-]?[0-9]+)? *", re.IGNORECASE)

ROWS_AT_ONCE = 10_000
LONGEST_SHOWN = 40  # characters of a value
LONGEST_LINE = 20_000  # characters: paths of six formats, of up to 255 in each of their parts
SNIFFED = 1 << 16  # characters from which separator and decimal sign are found out
SNIFFED_ROWS = 100
SEPARATORS = ',;\t"'  # of spreadsheets
EMPTY_LINES = re.compile(r'(?m)^[,;\t"]+(?=\r?$)')  # as spreadsheets leave them behind a table


def locate(manifest: str, root: str | None = None) -> tuple[str, str]:
    """Split the path of a manifest into the root of its set and the path from there.

    Args:
        manifest: path or URL.
        root: where data/ lies, if that is not the parent of the manifest's folder; a relative
            manifest path then begins there.

    Example:
        >>> locate("memory://sets/manifests/digits.csv")
        ('memory://sets', 'manifests/digits.csv')
    """
    is_url = "://" in manifest
    if root is not None:
        if is_url:
            return root, manifest.removeprefix(f"{root.rstrip('/')}/")
        return root, os.path.relpath(manifest, root) if os.path.isabs(manifest) else manifest
    path = manifest if is_url else os.path.abspath(manifest).replace(os.sep, "/")
    folder, _, file = path.rpartition("/")
    base, _, parent = folder.rpartition("/")
    above, _, grandparent = base.rpartition("/")
    if grandparent == "manifests" != parent and file.removesuffix(".csv").isdecimal():
        return above or "/", f"{grandparent}/{parent}/{file}"  # a part of a manifest
    return base or "/", f"{parent}/{file}"


def find_manifest(manifest: str, root: str | None = None) -> tuple[Storage, str]:
    """Find the set that a manifest lists.

    Args:
        manifest: path or URL of the CSV file.
        root: where data/ lies, if that is not the parent of the manifest's folder.

    Returns:
        The root of the set, and the path of the manifest from there.

    Raises:
        ManifestError: if the path is not that of a CSV file, or there is none.
    """
    base, relative = locate(manifest, root)
    storage = open_storage(base)
    if not relative.endswith(".csv"):
        raise ManifestError(
            f"Expected the path of a manifest, received {manifest!r}. Pass manifests/NAME.csv."
        )
    if not storage.exists(relative):
        raise ManifestError(
            f"Expected a manifest at {storage.url}/{relative}, found none. "
            "A set has one when its build has ended."
        )
    return storage, relative


def manifest_columns(formats: Collection[str]) -> list[str]:
    """Return the columns of a manifest in their order.

    Args:
        formats: that the set was built in, keys of SHARD_FORMATS.
    """
    return [*MANIFEST_COLUMNS, *(kind for kind in LATER_FORMATS if kind in formats)]


def manifest_header(formats: Collection[str]) -> bytes:
    """Return the first line of a manifest.

    Args:
        formats: that the set was built in, keys of SHARD_FORMATS.
    """
    return (",".join(manifest_columns(formats)) + "\n").encode()


def format_rows(
    content: ShardContent,
    plan: SetPlan,
    settings: BuildSettings,
    distances: NDArray[np.float64] | None,
) -> bytes:
    """Write the manifest rows of a shard as CSV without the header; equal content, equal bytes.

    Args:
        content: of the shard.
        plan: the set it belongs to.
        settings: formats that were written, and where the labels come from.
        distances: (n,) to the nearest training images, None if there were none to compare with.
    """
    count = len(content.labels)
    screening = content.screening
    nearest = [""] * count
    if distances is not None:
        nearest = [f"{distance:.4f}" for distance in distances.tolist()]
    values: dict[str, Iterable[Any]] = {
        "id": content.shard.ids(),
        "label": content.labels.tolist(),
        "index": content.indices.tolist(),
        "seed": content.seeds.tolist(),
        "attempt": content.attempts.tolist(),
        "shard": itertools.repeat(content.shard.number, count),
        "offset": range(count),
        "sha256": hash_images(content.images),
        "predicted": ["" if label < 0 else str(label) for label in screening.predicted.tolist()],
        "confidence": [
            "" if math.isnan(confidence) else f"{confidence:.6f}"
            for confidence in screening.confidence.tolist()
        ],
        "nearest_train_distance": nearest,
        "label_source": itertools.repeat(settings.labels, count),
    }
    for name, module in SHARD_FORMATS.items():
        written = name in settings.formats
        values[name] = module.paths(content.shard, plan) if written else itertools.repeat("", count)

    text = io.StringIO()
    columns = [values[name] for name in manifest_columns(settings.formats)]
    csv.writer(text, lineterminator="\n").writerows(zip(*columns, strict=True))
    return text.getvalue().encode()


def read_rows(
    storage: Storage,
    manifest: str,
    rows_at_once: int = ROWS_AT_ONCE,
    columns: Collection[str] | None = None,
    hash_type: str = "str",
    parts: Sequence[ManifestPart] | None = None,
) -> Iterator["pd.DataFrame"]:
    """Read a manifest piece by piece, one file or several, also as a spreadsheet has saved it.

    Commas, semicolons or tabs may stand between the values, a point or a comma in the decimals, and
    the text may be UTF-8 or UTF-16, and Windows may have turned the slashes of paths. Columns may
    have any order, and there may be others. Formats without a column get one that is empty, where
    all columns are wanted.

    Args:
        storage: of the root.
        manifest: path from there.
        rows_at_once: rows of a piece, at most.
        columns: that are wanted; None for all.
        hash_type: that pandas reads `sha256` as, for example "S65" for bytes, 65 at most.
        parts: which of its files are wanted, where it has several; None for all.

    Yields:
        Data frames in the order of the file.

    Raises:
        ManifestError: if it is missing, lacks a column, or holds a value of the wrong kind or size.
    """
    if parts is None:
        try:
            parts = read_parts(storage, manifest)
        except StorageError as error:
            raise ManifestError(
                f"Expected a manifest at {storage.url}/{manifest}: {error}"
            ) from error
    if not parts:
        yield from _read_file(storage, manifest, rows_at_once, columns, hash_type)
    for part in parts:
        found = 0
        for piece in _read_file(storage, part.path, rows_at_once, columns, hash_type, part.rows):
            found += len(piece)
            yield piece
        if found < part.rows:
            raise ManifestError(
                f"Expected {part.rows:,} rows in {storage.url}/{part.path}, as {manifest} says, "
                f"received {found:,}. Restore the file, or run the same `synthgen build` again."
            )


def _read_file(
    storage: Storage,
    path: str,
    rows_at_once: int,
    columns: Collection[str] | None,
    hash_type: str,
    most: int | None = None,
) -> Iterator["pd.DataFrame"]:
    """Read the rows of one file of a manifest, `most` of them at most; see `read_rows`."""
    import pandas as pd

    where = f"{storage.url}/{path}"
    try:
        with storage.open(path) as file:
            # What wrote it? A spreadsheet of another language takes other signs.
            text = _manifest_text(file)
            head = text.read(SNIFFED)
            text.seek(0)
            dialect = dialect_of(head)
            first = pd.read_csv(
                io.StringIO(head),
                sep=dialect.separator,
                skiprows=dialect.lines_before,
                dtype=str,
                nrows=SNIFFED_ROWS,
            )
            missing = [name for name in MANIFEST_COLUMNS if name not in first.columns]
            if missing:
                plural = "s" if len(missing) > 1 else ""
                raise ManifestError(
                    f"{where} lacks the column{plural} {', '.join(missing)}. Restore the file, "
                    "or run the same `synthgen build` again to make another."
                )

            has_comma = any(
                first[name].astype(str).str.contains(",", regex=False).any()
                for name in MEASURED_COLUMNS
            )
            types = COLUMN_TYPES | {kind: "str" for kind in LATER_FORMATS if kind in first.columns}
            types |= {"sha256": hash_type}
            if has_comma:
                types |= dict.fromkeys(MEASURED_COLUMNS, "str")
            wanted = [name for name in first.columns if columns is None or name in columns]
            # An interrupt would be taken by pandas for a failure of the disk.
            with interrupts_held():
                reader = pd.read_csv(
                    text,
                    sep=dialect.separator,
                    skiprows=dialect.lines_before,
                    dtype=types,
                    usecols=wanted,
                    chunksize=rows_at_once,
                    nrows=most,
                    keep_default_na=False,
                    na_values={name: [""] for name in OPTIONAL_COLUMNS},
                )
            while True:
                # what is no number of this size is refused, and need not be warned of
                with interrupts_held(), np.errstate(invalid="ignore"):
                    piece = next(reader, None)
                if piece is None:
                    return
                if has_comma:
                    for name in piece.columns.intersection(list(MEASURED_COLUMNS)):
                        piece[name] = pd.to_numeric(piece[name].str.replace(",", "."))
                for kind in LATER_FORMATS:
                    if kind not in types and columns is None:
                        piece[kind] = ""
                if "\\" in head:
                    for name in piece.columns.intersection(list(SHARD_FORMATS)):
                        piece[name] = piece[name].str.replace("\\", "/", regex=False)
                for name, largest in LARGEST_VALUES.items():
                    if name not in piece.columns:
                        continue
                    numbers = piece[name].to_numpy()
                    if len(piece) and (numbers.min() < 0 or numbers.max() > largest):
                        outside = numbers[(numbers < 0) | (numbers > largest)]
                        raise ManifestError(
                            f"{where}: expected numbers from 0 to {largest} in the column {name}, "
                            f"received {outside[0]}."
                        )
                if len(piece):
                    yield piece
    except StorageError as error:
        raise ManifestError(f"Expected a manifest at {where}: {error}") from error
    except UnicodeError as error:
        raise ManifestError(
            f"Expected the manifest {where} as UTF-8 text, received another encoding ({error}). "
            "Save it as 'CSV UTF-8', or use the file that `synthgen build` wrote."
        ) from error
    except (ValueError, TypeError, OverflowError) as error:
        wrong = _wrong_value(storage, path)
        if wrong:
            raise ManifestError(
                f"{where}: {wrong}. Drop that line if it belongs to no image, or use the file that "
                "`synthgen build` wrote."
            ) from error
        raise ManifestError(
            f"{where} is not a manifest: {error}. "
            f"Expected columns are {', '.join(MANIFEST_COLUMNS)}."
        ) from error


def _wrong_value(storage: Storage, path: str) -> str:
    """Say which value of a manifest that pandas refuses is no number.

    Returns:
        A sentence without its full stop; "" where it is something else that is wrong.
    """
    try:
        with storage.open(path) as file:
            text = _manifest_text(file)
            dialect = dialect_of(text.read(SNIFFED))
            text.seek(0)
            lines = itertools.islice(text, dialect.lines_before + 1, None)
            names = next(csv.reader([dialect.header], delimiter=dialect.separator))
            rows = (line for line in lines if not EMPTY_LINES.fullmatch(line.rstrip("\r\n")))
            for number, cells in enumerate(csv.reader(rows, delimiter=dialect.separator), 1):
                row = dict(itertools.zip_longest(names, cells, fillvalue=""))
                for name in filter(names.__contains__, NUMBER_COLUMNS):
                    value = row[name].replace(",", ".") if name in MEASURED_COLUMNS else row[name]
                    if (value or name not in OPTIONAL_COLUMNS) and not NUMBER.fullmatch(value):
                        return (
                            f"Expected a number in the column {name}, received "
                            f"{row[name][:LONGEST_SHOWN]!r} in row {number:,} (id "
                            f"{row.get('id', '')[:LONGEST_SHOWN]!r})"
                        )
    except (StorageError, ValueError, csv.Error, StopIteration):
        pass  # what pandas has said is all that is known
    return ""


def rows_by_shard(
    pieces: Iterable["pd.DataFrame"], in_order: bool = True
) -> Iterator["pd.DataFrame"]:
    """Join the rows of each shard.

    Args:
        pieces: of a manifest.
        in_order: whether the rows of a shard stand side by side; if not, all are held in memory.
    """
    import pandas as pd

    held: list[pd.DataFrame] = []
    if not in_order:
        held = list(pieces)
        pieces = [pd.concat(held, ignore_index=True)] if held else []
        held = []
    for piece in pieces:
        for number, rows in piece.groupby("shard"):
            if held and held[0]["shard"].iloc[0] != number:
                yield pd.concat(held)
                held = []
            held.append(rows)
    if held:
        yield pd.concat(held)


def find_row(storage: Storage, manifest: str, image_id: str, record: RunRecord) -> dict[str, Any]:
    """Find the row of an image.

    Args:
        storage: of the root.
        manifest: path from there.
        image_id: for example "3-0000017".
        record: of the set.

    Returns:
        Plain numbers and texts by column, "" where nothing is known.

    Raises:
        ManifestError: if the manifest cannot be read or has no such row.
    """
    # Of a manifest in several files one is read: that with the rows of the image's shard.
    parts = parts_there(storage, manifest)
    place = parse_id(image_id)
    if place is not None:
        shard = place[1] // record.plan.block
        parts = [part for part in parts if shard in part.numbers] or parts
    for rows in read_rows(storage, manifest, parts=parts or None):
        found = rows[rows["id"] == image_id]
        if len(found):
            row = {}
            for name in found.columns:
                value = found[name].iloc[0]
                plain = value.item() if hasattr(value, "item") else value  # NumPy's -> Python's
                known = isinstance(plain, int | str) or plain == plain  # pandas's NA is neither
                row[name] = plain if known is True else ""
            return row
    where = f"{storage.url}/{manifest}"
    if place is not None:
        raise ManifestError(
            f"Expected the id of an image in {where}, received {image_id!r}, which is that of no "
            "image there. Take one from its column id."
        )
    raise ManifestError(
        f"Expected an id of {where}, such as 3-0000017 (label-index), received {image_id!r}."
    )


class _ManifestText(io.TextIOWrapper):
    """The text of a manifest, without the separators of lines that hold nothing else.

    One with NUL characters, which no path or number has, or with a line that is longer than any of
    a manifest is refused, before pandas makes millions of columns of it.
    """

    def read(self, size: int | None = -1, /) -> str:
        # up to the end of a line, so that none is in two pieces
        text = super().read(size)
        if text and not text.endswith("\n"):
            text += self.readline(LONGEST_LINE + 1)
        if "\0" in text:
            raise ValueError("it holds NUL characters. Save it as 'CSV UTF-8'")
        begin = 0
        while len(text) - begin > LONGEST_LINE:
            begin = text.rfind("\n", begin, begin + LONGEST_LINE) + 1
            if not begin:
                raise ValueError(f"a line has more than {LONGEST_LINE:,} characters")
        # the search is slow, and what no row begins with is found at once
        found = [separator for separator in SEPARATORS if separator in text]
        may_be_empty = text[:1] in found or any(f"\n{separator}" in text for separator in found)
        return EMPTY_LINES.sub("", text) if may_be_empty else text


def _manifest_text(file: IO[bytes]) -> _ManifestText:
    """Open the text of a manifest in the encoding that its first bytes tell."""
    encoding = ENCODINGS.get(file.read(2), "utf-8-sig")
    file.seek(0)
    return _ManifestText(file, encoding=encoding, newline="\n")


def find_record(storage: Storage, manifest: str) -> RunRecord:
    """Find the run record of the set that a manifest, or a selection of its rows, belongs to.

    That is the record beside the manifest or, for a selection, the one of the set whose files the
    rows name.

    Args:
        storage: of the root.
        manifest: path from there.

    Raises:
        ManifestError: if there is neither, the rows are of several sets, or the record cannot be
            read.
    """
    if storage.exists(record_path(manifest)):
        return read_record(storage, manifest)

    names: set[str] = set()
    for rows in read_rows(storage, manifest):
        for kind in SHARD_FORMATS:
            for path in rows[kind].unique():
                parts = path.split("/")
                if parts[0] == "data" and len(parts) > 2:
                    names.add(parts[1])
    if len(names) != 1:
        raise ManifestError(
            f"Expected the run record of {manifest} at {storage.url}/{record_path(manifest)}, "
            "or rows that all name files of one set (data/NAME/...), received files of "
            f"{', '.join(sorted(names)) or 'none'}. Keep a selection to the rows of one manifest."
        )
    return read_record(storage, manifest_path(names.pop()))
