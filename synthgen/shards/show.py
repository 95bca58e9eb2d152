"""Showing one image: rebuilt from its row of the manifest, compared with what is stored."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from synthgen.datasets.digits import Images
from synthgen.errors import CheckpointError, DataError, ManifestError, StorageError
from synthgen.gan.checkpoint import Checkpoint
from synthgen.records import versions
from synthgen.shards.formats import FORMATS
from synthgen.shards.generate import Networks, keys, run_batch
from synthgen.shards.job import load_networks
from synthgen.shards.manifest import find_manifest, find_record, read_rows, recorded_settings
from synthgen.storage import Storage

IDENTICAL = "identical"
UNREADABLE = "cannot be read"


@dataclass(frozen=True, eq=False)
class Shown:
    """An image that was rebuilt.

    Args:
        image: (height, width, channels) uint8, rebuilt.
        row: of the manifest, by column.
        stored: by format, in words, how the stored image compares.
        as_recorded: whether the rebuilt image has the SHA-256 and the seed of its row.
        changed: versions that differ from those of the build, in words.
    """

    image: Images
    row: Mapping[str, Any]
    stored: Mapping[str, str]
    as_recorded: bool
    changed: tuple[str, ...]

    @property
    def identical(self) -> bool:
        """Whether hash, seed and all stored images agree."""
        return self.as_recorded and set(self.stored.values()) == {IDENTICAL}

    @property
    def verdict(self) -> str:
        """How the rebuilt image compares, in a sentence or three."""
        unreadable = [kind for kind, words in self.stored.items() if words.startswith(UNREADABLE)]
        if any(words != IDENTICAL for kind, words in self.stored.items() if kind not in unreadable):
            return "Rebuilt: DIFFERS from the stored image."
        row = (
            "has the SHA-256 and seed" if self.as_recorded else "does NOT have the SHA-256 and seed"
        )
        if unreadable:
            remedy = "Running the same `synthgen build` again, with the same versions, makes the stored image anew."
            return f"The stored image cannot be read ({', '.join(unreadable)}). The rebuilt one {row} of its row in the manifest. {remedy}"
        return (
            "Rebuilt: identical to the stored image."
            if self.as_recorded
            else f"Rebuilt: identical to the stored image, but it {row} of its row."
        )

    def lines(self) -> list[str]:
        """A summary for the terminal, with a drawing of the image."""
        shades = np.array(list(" .:-=+*#%@"))
        drawing = [
            "".join(shades[row * 9 // 255].repeat(2))
            for row in self.image.mean(axis=2).astype(np.int64)
        ]
        facts = [f"{name:<23}{value}" for name, value in self.row.items() if value != ""]
        hint = (
            [
                f"Built with other versions ({'; '.join(self.changed)}); identical bytes are promised for the same ones."
            ]
            if self.changed
            else []
        )
        return [
            *drawing,
            *facts,
            *(f"{kind:<23}{words}" for kind, words in self.stored.items()),
            self.verdict,
            *(hint if not self.identical else []),
        ]


def rebuild(
    manifest: str,
    image_id: str,
    checkpoint: Checkpoint | None = None,
    root: str | None = None,
    networks: Callable[[Checkpoint, int], Networks] = load_networks,
) -> Shown:
    """Generate one image again and compare it with its row and files.

    Args:
        manifest: path or URL of the CSV.
        image_id: for example "3-0000017".
        checkpoint: the one that made the set; if not given, it is looked for in the package and in
            the user's cache.
        root: where data/ lies, if that is not the parent of the manifest's folder.
        networks: makes the sampler.

    Raises:
        ManifestError: if the manifest cannot be read or has no such row.
        CheckpointError: if the checkpoint is another one, or none was given and it is not found.
    """
    storage, relative = find_manifest(manifest, root)
    record = find_record(storage, relative)
    row = _find(storage, relative, image_id)
    checkpoint = _maker(record["checkpoint"]["sha256"], checkpoint)
    settings, classes = recorded_settings(record), len(record["class_names"])
    label, index, attempt = (np.array([row[name]]) for name in ("label", "index", "attempt"))
    seed, place = keys(settings, classes, label, index, attempt)
    sampler = networks(checkpoint, settings.batch).sampler
    image = run_batch(sampler, np.array([row["seed"]], np.uint64), label, place, settings.batch)[
        place[0]
    ]
    stored = {kind: _compare(storage, kind, row, image) for kind in settings.formats}
    agrees = (
        hashlib.sha256(image.tobytes()).hexdigest() == row["sha256"] and int(seed[0]) == row["seed"]
    )
    changed = tuple(
        f"{name} {was}, now {versions().get(name)}"
        for name, was in record["versions"].items()
        if versions().get(name) != was
    )
    return Shown(image, row, stored, agrees, changed)


def _maker(expected: str, given: Checkpoint | None) -> Checkpoint:
    """The checkpoint that made the set."""
    if given is None:
        from synthgen.gan.cache import find_checkpoint  # loads TensorFlow

        return find_checkpoint(expected)
    if given.sha256 != expected:
        raise CheckpointError(
            f"Expected the checkpoint that made the set, {expected}, received {given.sha256}. Name it with --checkpoint."
        )
    return given


def _find(storage: Storage, manifest: str, image_id: str) -> dict[str, Any]:
    for rows in read_rows(storage, manifest):
        found = rows[rows["id"] == image_id]
        if len(found):
            return {name: _plain(found[name].iloc[0]) for name in found.columns}
    raise ManifestError(
        f"Expected an id of {storage.url}/{manifest}, such as 3-0000017 (label-index), received {image_id!r}."
    )


def _plain(value: Any) -> Any:
    """A NumPy scalar -> int, float or str; a missing value -> ''."""
    plain = value.item() if hasattr(value, "item") else value
    return plain if isinstance(plain, int | str) or plain == plain else ""


def _compare(storage: Storage, kind: str, row: Mapping[str, Any], image: Images) -> str:
    try:
        stored = FORMATS[kind].decode(storage.read_many([row[kind]]), [row[kind]], [row["offset"]])[
            0
        ][0]
    except (StorageError, DataError) as error:
        return f"{UNREADABLE}: {error}"
    if stored.shape != image.shape:
        return f"of another shape, {stored.shape}"
    different = int((stored != image).sum())
    return IDENTICAL if not different else f"differs in {different} of {image.size} values"
