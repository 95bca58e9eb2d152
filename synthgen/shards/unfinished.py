"""What an unfinished build keeps: manifests/.NAME.parts/ with its identity and, for each finished shard, rows and hashes."""

import dataclasses
import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from synthgen.config import BuildSettings
from synthgen.errors import StorageError
from synthgen.storage import Storage

REFERENCE = "training images"
NOT_CONTENT = ("name", "max_attempts")  # settings that change no file
Entry = dict[str, Any]


@dataclass(frozen=True)
class Parts:
    """The unfinished build of a set.

    Args:
        storage: of the root.
        name: of the set.
    """

    storage: Storage
    name: str

    @property
    def folder(self) -> str:
        """Hidden, beside the manifest."""
        return f"manifests/.{self.name}.parts"

    def begin(self, identity: Mapping[str, Any]) -> None:
        """Begin a build: forget what there was and note what this one is."""
        self.remove()
        self.storage.write_bytes(
            f"{self.folder}/identity.json", json.dumps(identity, indent=2).encode()
        )

    def identity(self) -> dict[str, Any] | None:
        """What the unfinished build is; None if there is none, or one that was killed as it began or ended."""
        return _read_json(self.storage, f"{self.folder}/identity.json")

    def rows_path(self, number: int) -> str:
        """Where the manifest rows of a shard wait."""
        return f"{self.folder}/{number:05d}.csv"

    def finish(self, number: int, entry: Mapping[str, Any], rows: bytes) -> Entry:
        """Note that the files of a shard are written: its manifest rows, then its entry with their hash."""
        whole = dict(entry) | {"rows_sha256": hashlib.sha256(rows).hexdigest()}
        self.storage.write_bytes(self.rows_path(number), rows, durable=False)
        self.storage.write_bytes(
            f"{self.folder}/{number:05d}.json", json.dumps(whole).encode(), durable=False
        )
        return whole

    def entry(self, number: int) -> Entry | None:
        """The entry of a finished shard; None if it is not finished or its notes are damaged."""
        entry = _read_json(self.storage, f"{self.folder}/{number:05d}.json")
        if entry is None or not self.storage.exists(self.rows_path(number)):
            return None
        rows = self.storage.read_bytes(self.rows_path(number))
        return entry if entry.get("rows_sha256") == hashlib.sha256(rows).hexdigest() else None

    def rows(self, entries: Iterable[Entry]) -> Iterator[bytes]:
        """The manifest rows of these shards, shard by shard.

        Raises:
            StorageError: if they are not those whose hash the entry holds.
        """
        for entry in entries:
            path = self.rows_path(entry["shard"])
            rows = self.storage.read_bytes(path)
            found = hashlib.sha256(rows).hexdigest()
            if found != entry["rows_sha256"]:
                raise StorageError(
                    f"{path}: Expected manifest rows with SHA-256 {entry['rows_sha256']}, found {found}: the file changed since it was written. "
                    "Run the same command again, which makes that shard anew."
                )
            yield rows

    def numbers(self) -> list[int]:
        """The shards that have an entry."""
        names = [path.rpartition("/")[2] for path in self.storage.files(self.folder)]
        return [
            int(name[:-5]) for name in names if name.endswith(".json") and name[:-5].isdecimal()
        ]

    def finished(self) -> int:
        """How many shards have an entry."""
        return len(self.numbers())

    def remove(self) -> None:
        """Forget the unfinished build."""
        self.storage.remove(self.folder)


def identity(
    settings: Mapping[str, Any] | BuildSettings,
    checkpoint: str,
    reference: str | None,
    versions: Mapping[str, str],
) -> dict[str, Any]:
    """Everything that decides the content of a set, under the names that messages use.

    Args:
        settings: of the build.
        checkpoint: SHA-256 of the checkpoint.
        reference: SHA-256 of the training images that distances are measured to.
        versions: of libraries.
    """
    values = dataclasses.asdict(settings) if isinstance(settings, BuildSettings) else dict(settings)
    options = {
        f"--{name.replace('_', '-')}": value
        for name, value in values.items()
        if name not in NOT_CONTENT
    }
    options["--formats"] = sorted(options["--formats"])
    return (
        options
        | {"checkpoint": checkpoint, REFERENCE: reference}
        | {f"version of {name}": value for name, value in versions.items()}
    )


def differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> dict[str, str]:
    """What differs between two identities, by name, in words; another patch level of Python changes nothing."""
    names = [
        name
        for name in dict(before) | dict(now)
        if _deciding(name, before.get(name)) != _deciding(name, now.get(name))
    ]
    return {
        name: f"{name} was {_short(before.get(name))}, is {_short(now.get(name))}" for name in names
    }


def _deciding(name: str, value: Any) -> Any:
    return value.split(".")[:2] if name == "version of python" and isinstance(value, str) else value


def _short(value: Any) -> str:
    text = ",".join(value) if isinstance(value, list) else "none" if value is None else str(value)
    return f"{text[:12]}..." if len(text) == 64 else text


def _read_json(storage: Storage, path: str) -> dict[str, Any] | None:
    try:
        found = json.loads(storage.read_bytes(path)) if storage.exists(path) else None
    except (ValueError, StorageError):
        return None  # torn by a power cut: as if it were not there
    return found if isinstance(found, dict) else None
