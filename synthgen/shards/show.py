"""Showing one image: rebuilt from its row of the manifest, compared with what is stored."""

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from synthgen.datasets.digits import Images
from synthgen.datasets.framing import like_data
from synthgen.errors import CheckpointError, DataError, ManifestError, StorageError
from synthgen.gan.checkpoint import Checkpoint, find_checkpoint
from synthgen.processes import one_blas_thread
from synthgen.shards.content import hash_images
from synthgen.shards.formats import SHARD_FORMATS, ShardFiles
from synthgen.shards.generate import (
    Networks,
    arithmetic_of,
    drawing_versions,
    load_networks,
    run_batch,
    seeds_and_slots,
)
from synthgen.shards.layout import check_named_files
from synthgen.shards.manifest import find_manifest, find_record, find_row
from synthgen.storage import Storage

IDENTICAL = "identical"
UNREADABLE = "cannot be read"
SHADES = " .:-=+*#%@"  # from black to white
MOST_DRAWN_SIDE = (
    64  # pixels of an image drawn in the terminal; of larger ones every other, or fewer
)


@dataclass(frozen=True, kw_only=True, eq=False)
class RebuiltImage:
    """An image that was made again.

    Args:
        image: (height, width, channels) uint8, as it was made now.
        row: of the manifest, by column.
        stored: by format, in words, how the stored image compares.
        as_recorded: whether the image has the SHA-256 and the seed of its row.
        changed: versions that differ from those of the build, in words.
        unrounded_seed: the seed that the image was made with, where a spreadsheet has rounded the
            one of its row to 15 digits.
    """

    image: Images
    row: Mapping[str, Any]
    stored: Mapping[str, str]
    as_recorded: bool
    changed: tuple[str, ...]
    unrounded_seed: int | None = None

    @property
    def identical(self) -> bool:
        """Whether hash, seed and all stored images agree."""
        return self.as_recorded and set(self.stored.values()) == {IDENTICAL}

    @property
    def verdict(self) -> str:
        """How the image compares, in a sentence or three."""
        unreadable = [kind for kind, words in self.stored.items() if words.startswith(UNREADABLE)]
        if any(words != IDENTICAL for kind, words in self.stored.items() if kind not in unreadable):
            return "Rebuilt: DIFFERS from the stored image."
        has = "has" if self.as_recorded else "does NOT have"
        if unreadable:
            return (
                f"The stored image cannot be read ({', '.join(unreadable)}). "
                f"The rebuilt one {has} the SHA-256 and seed of its row in the manifest. "
                "Running the same `synthgen build` again, with the same versions, "
                "makes the stored image again."
            )
        if self.as_recorded:
            return "Rebuilt: identical to the stored image."
        return (
            f"Rebuilt: identical to the stored image, but it {has} the SHA-256 and seed of its row."
        )

    def lines(self) -> list[str]:
        """Return a summary for the terminal, with a drawing of the image."""
        shades = np.array(list(SHADES))
        step = -(-max(self.image.shape[:2]) // MOST_DRAWN_SIDE)
        grey = self.image[::step, ::step].mean(axis=2).astype(np.int64)
        lines = ["".join(shades[row * 9 // 255].repeat(2)) for row in grey]
        lines += [f"{name:<23}{value}" for name, value in self.row.items() if value != ""]
        lines += [f"{kind:<23}{words}" for kind, words in self.stored.items()]
        lines.append(self.verdict)
        if self.unrounded_seed is not None:
            lines.append(
                f"The seed in the manifest was rounded, as spreadsheets do: it is "
                f"{self.row['seed']}, and was {self.unrounded_seed}. Take the manifest as it was "
                "built, or build it again."
            )
        if self.changed and not self.identical:
            lines.append(
                f"Built with other versions ({'; '.join(self.changed)}); "
                "identical bytes are promised for the same ones."
            )
        return lines


def rebuild(
    manifest: str,
    image_id: str,
    checkpoint: Checkpoint | None = None,
    root: str | None = None,
    networks: Callable[[Checkpoint, int], Networks] | None = None,
) -> RebuiltImage:
    """Generate one image again and compare it with its row and files.

    Args:
        manifest: path or URL of the CSV.
        image_id: for example "3-0000017".
        checkpoint: the one that made the set; if not given, it is looked for in the package and in
            the user's cache.
        root: where data/ lies, if that is not the parent of the manifest's folder.
        networks: makes the sampler; None: `load_networks`, with the arithmetic of the set.

    Raises:
        ManifestError: if the manifest cannot be read, has no such row, or names files outside the
            root.
        CheckpointError: if the checkpoint is another one, or none was given and it is not found.
    """
    storage, relative = find_manifest(manifest, root)
    record = find_record(storage, relative)
    row = find_row(storage, relative, image_id, record)
    classes = len(record.class_names)
    if row["label"] >= classes:
        raise ManifestError(
            f"Expected a label from 0 to {classes - 1} for {image_id!r} in "
            f"{storage.url}/{relative}, received {row['label']}."
        )

    # The generator that made the set.
    expected = record.checkpoint.sha256
    if checkpoint is None:
        checkpoint = find_checkpoint(expected)
    elif checkpoint.sha256 != expected:
        raise CheckpointError(
            f"Expected the checkpoint that made the set, {expected}, "
            f"received {checkpoint.sha256}. Name it with --checkpoint."
        )

    # Make the image from what its row says.
    label = np.array([row["label"]])
    index = np.array([row["index"]])
    attempt = np.array([row["attempt"]])
    seeds, slots = seeds_and_slots(record.settings, classes, label, index, attempt)
    arithmetic = arithmetic_of(record.versions)
    load = networks or functools.partial(load_networks, arithmetic=arithmetic)
    sampler = load(checkpoint, record.settings.batch).sampler
    seed = int(seeds[0])
    rounded = is_rounded(row["seed"], seed)
    recorded_seed = np.array([seed if rounded else row["seed"]], np.uint64)
    with one_blas_thread():
        batch = run_batch(sampler, recorded_seed, label, slots, record.settings.batch)
    image = batch[slots[0]]
    if record.framing is not None:
        image = like_data(image[np.newaxis], record.framing, recorded_seed)[0]

    # Compare it.
    has_hash = hash_images(image[np.newaxis]) == [row["sha256"]]
    has_seed = int(seeds[0]) == row["seed"]
    stored = {}
    hashes = {entry.shard: entry.sha256 for entry in record.shards}.get(row["shard"], {})
    for kind in record.formats:
        path = row[kind]
        if kind in record.exported:  # of which the manifest says nothing
            paths = SHARD_FORMATS[kind].paths(record.plan.shard(row["shard"]), record.plan)
            path = paths[row["offset"]] if row["offset"] < len(paths) else ""
        stored[kind] = _compare(storage, kind, path, row["offset"], image, hashes.get(kind))
    # of which Pillow and SciPy matter only to sets like a user's pictures
    now = drawing_versions(arithmetic, "pillow", "scipy")
    changed = tuple(
        f"{name} {was}, now {now.get(name)}"
        for name, was in record.versions.items()
        if now.get(name) != was
    )
    return RebuiltImage(
        image=image,
        row=row,
        stored=stored,
        as_recorded=has_hash and has_seed,
        changed=changed,
        unrounded_seed=seed if rounded else None,
    )


def is_rounded(written: int, number: int) -> bool:
    """Return whether a number was cut or rounded as tables are: to 15 digits, to a double, or both.

    A spreadsheet may also save what it shows, such as 5.80988E+18.
    """
    if written == number:
        return False
    unit = 10 ** max(0, len(str(number)) - 15)
    is_cut = written % unit == 0 and abs(written - number) < unit
    return is_cut or written in [int(float(f"{number:.{digits}e}")) for digits in range(2, 17)]


def _compare(
    storage: Storage, kind: str, path: str, offset: int, image: Images, sha256: str | None
) -> str:
    """Say in words how the image that is stored in one format compares."""
    check_named_files(storage, [path])
    try:
        files = ShardFiles(kind, storage.read_many([path]), sha256)
        images, _ = files.decode([path], [offset])
    except (StorageError, DataError) as error:
        return f"{UNREADABLE}: {error}"
    stored = images[0]
    if stored.shape != image.shape:
        return f"of another shape, {stored.shape}"
    different = int((stored != image).sum())
    return f"differs in {different} of {image.size} values" if different else IDENTICAL
