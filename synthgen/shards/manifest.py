"""The manifest (one CSV row an image) and the run record beside it (JSON): paths, writing, reading."""

import dataclasses
import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from synthgen.config import BuildSettings
from synthgen.errors import ManifestError, SettingsError, StorageError
from synthgen.shards.formats import FORMATS
from synthgen.shards.plan import Drawn, Plan, make_plan
from synthgen.storage import Storage, open_storage

RECORD_FORMAT = "synthgen-run/2"
TYPES = {
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
COLUMNS = tuple(TYPES)
HEADER = (",".join(COLUMNS) + "\n").encode()
CHUNK = 10_000  # rows read at a time
RECORD_KEYS = (
    "format",
    "settings",
    "class_names",
    "image_shape",
    "label_source",
    "checkpoint",
    "versions",
    "shards",
    "manifest",
)
ENTRY_KEYS = {"shard", "rows", "sha256", "draws"}


def manifest_path(name: str) -> str:
    """Where the manifest of a set lies, relative to the root."""
    return f"manifests/{name}.csv"


def record_path(manifest: str) -> str:
    """Where the run record that belongs to a manifest lies."""
    return f"{manifest.removesuffix('.csv')}.json"


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
    if root is not None:
        inside = manifest.removeprefix(f"{root.rstrip('/')}/") if "://" in manifest else manifest
        return root, os.path.relpath(manifest, root) if os.path.isabs(manifest) else inside
    path = manifest if "://" in manifest else os.path.abspath(manifest).replace(os.sep, "/")
    folder, _, file = path.rpartition("/")
    base, _, parent = folder.rpartition("/")
    return base or "/", f"{parent}/{file}"


def find_manifest(manifest: str, root: str | None = None) -> tuple[Storage, str]:
    """The root of the set that a manifest lists, and the path of the manifest from there; arguments are those of `locate`.

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
            f"Expected a manifest at {storage.url}/{relative}, found none. A set has one when its build has ended."
        )
    return storage, relative


def format_rows(
    drawn: Drawn, plan: Plan, settings: BuildSettings, distances: NDArray[np.float64] | None
) -> bytes:
    """The manifest rows of a shard as CSV, without the header; the same bytes for the same content.

    Args:
        drawn: the shard's content.
        plan: the set it belongs to.
        settings: formats that were written, and where the labels come from.
        distances: (n,) to the nearest training images, None if there were none to compare with.
    """
    count, word = len(drawn.images), drawn.screening
    values: dict[str, Any] = {
        "id": drawn.shard.ids(),
        "label": drawn.labels,
        "index": drawn.indices,
        "seed": drawn.seeds,
        "attempt": drawn.attempts,
        "shard": drawn.shard.number,
        "offset": np.arange(count),
        "sha256": [
            hashlib.sha256(image.data).hexdigest() for image in np.ascontiguousarray(drawn.images)
        ],
        "predicted": ["" if label < 0 else str(label) for label in word.predicted.tolist()],
        "confidence": [
            "" if value != value else f"{value:.6f}" for value in word.confidence.tolist()
        ],
        "nearest_train_distance": ""
        if distances is None
        else [f"{distance:.4f}" for distance in distances.tolist()],
        "label_source": settings.labels,
    }
    values |= {
        kind: module.paths(drawn.shard, plan) if kind in settings.formats else ""
        for kind, module in FORMATS.items()
    }
    table = pd.DataFrame(values, columns=list(COLUMNS))
    return str(table.to_csv(None, header=False, index=False, lineterminator="\n")).encode()


def read_rows(storage: Storage, manifest: str) -> Iterator[Any]:
    """Read a manifest piece by piece.

    Yields:
        Data frames of at most 10,000 rows, each of one shard, in the order of the file.

    Raises:
        ManifestError: if it is missing, lacks a column, or holds a value of the wrong kind.
    """
    try:
        with storage.open(manifest) as file:
            for piece in pd.read_csv(
                file, dtype=TYPES, chunksize=CHUNK, keep_default_na=False, na_values=_empty()
            ):
                _check_columns(piece, storage, manifest)
                for _, rows in piece.groupby(
                    (piece["shard"] != piece["shard"].shift()).cumsum(), sort=True
                ):
                    yield rows
    except StorageError as error:
        raise ManifestError(f"Expected a manifest at {storage.url}/{manifest}: {error}") from error
    except (ValueError, TypeError, OverflowError) as error:
        raise ManifestError(
            f"{storage.url}/{manifest} is not a manifest: {error}. Expected columns are {', '.join(COLUMNS)}."
        ) from error


def _empty() -> dict[str, list[str]]:
    return {column: [""] for column in ("predicted", "confidence", "nearest_train_distance")}


def _check_columns(piece: Any, storage: Storage, manifest: str) -> None:
    missing = [column for column in COLUMNS if column not in piece.columns]
    if missing:
        raise ManifestError(
            f"{storage.url}/{manifest} lacks the column{'s' * (len(missing) > 1)} {', '.join(missing)}. "
            "Restore the file, or run the same `synthgen build` again to make it anew."
        )


def read_record(storage: Storage, manifest: str) -> dict[str, Any]:
    """The run record that belongs to a manifest.

    Raises:
        ManifestError: if it is missing, damaged, or of another format.
    """
    path = record_path(manifest)
    try:
        record = json.loads(storage.read_bytes(path))
    except StorageError as error:
        raise ManifestError(
            f"Expected the run record of {manifest} at {storage.url}/{path}: {error} Restore it, or run the same `synthgen build` again. "
            "A selection of a manifest's rows has none: name the manifest that it was made from."
        ) from error
    except ValueError as error:
        raise ManifestError(
            f"{storage.url}/{path} is not valid JSON ({error}). Restore it, or run `synthgen build --overwrite`."
        ) from error
    lacking = (
        [key for key in RECORD_KEYS if key not in record]
        if isinstance(record, dict)
        else list(RECORD_KEYS)
    )
    lacking += [
        f"sha256 of the {key}"
        for key in ("checkpoint", "manifest")
        if not lacking and "sha256" not in record[key]
    ]
    other = isinstance(record, dict) and record.get("format", RECORD_FORMAT) != RECORD_FORMAT
    if lacking or other:
        found = f"found format {record['format']!r}" if other else f"it lacks {', '.join(lacking)}"
        raise ManifestError(
            f"Expected a run record of format {RECORD_FORMAT!r} at {storage.url}/{path}: {found}. Restore it, or build the set anew (--overwrite)."
        )
    if not all(
        isinstance(entry, dict) and entry.keys() >= ENTRY_KEYS for entry in record["shards"]
    ):
        raise ManifestError(
            f"{storage.url}/{path} lacks one of {', '.join(sorted(ENTRY_KEYS))} of a shard. Restore it or build the set anew."
        )
    return dict(record)


def find_record(storage: Storage, manifest: str) -> dict[str, Any]:
    """The run record beside a manifest or, for a selection of a manifest's rows, that of the set whose files the rows name.

    Raises:
        ManifestError: if there is neither, the rows are of several sets, or the record cannot be
            read.
    """
    if storage.exists(record_path(manifest)):
        return read_record(storage, manifest)
    names = _sets_named(storage, manifest)
    if len(names) != 1:
        raise ManifestError(
            f"Expected the run record of {manifest} at {storage.url}/{record_path(manifest)}, or rows that all name files of one set "
            f"(data/NAME/...), received files of {', '.join(sorted(names)) or 'none'}. Keep a selection to the rows of one manifest."
        )
    return read_record(storage, manifest_path(names.pop()))


def _sets_named(storage: Storage, manifest: str) -> set[str]:
    """The sets whose files a manifest names."""
    names: set[str] = set()
    for rows in read_rows(storage, manifest):
        for kind in FORMATS:
            names |= {path.split("/")[1] for path in rows[kind] if path.startswith("data/")}
    return names


def write_record(storage: Storage, manifest: str, record: Mapping[str, Any]) -> None:
    """Write the run record that belongs to a manifest."""
    storage.write_bytes(record_path(manifest), (json.dumps(record, indent=2) + "\n").encode())


def recorded_settings(record: Mapping[str, Any]) -> BuildSettings:
    """The settings that a set was built with.

    Raises:
        ManifestError: if this version of synthgen does not know them.
    """
    known = {field.name for field in dataclasses.fields(BuildSettings)}
    given: dict[str, Any] = record["settings"]
    values: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in given.items()
    }
    try:
        if set(given) != known:
            raise ValueError(
                f"expected {', '.join(sorted(known))}, found {', '.join(sorted(given))}"
            )
        return BuildSettings(**values)
    except (ValueError, TypeError, SettingsError) as error:
        raise ManifestError(
            f"The run record's settings are not those of a build by this version of synthgen: {error}."
        ) from error


def recorded_plan(record: Mapping[str, Any]) -> Plan:
    """The plan that a set was built to."""
    settings = recorded_settings(record)
    return make_plan(settings, tuple(record["class_names"]))
