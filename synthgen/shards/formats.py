"""The file formats of shards.

A format is a module with the functions of `ShardFormat`, and one line in SHARD_FORMATS.
"""

import functools
import hashlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from synthgen.config import BuildSettings
from synthgen.datasets.digits import Images
from synthgen.datasets.files import is_hidden
from synthgen.datasets.framing import Framing
from synthgen.errors import StorageError
from synthgen.shards import hdf5, npz, parquet, png, tfrecord, webdataset
from synthgen.shards.content import ShardContent
from synthgen.shards.layout import data_folder
from synthgen.shards.marks import SOURCE_TYPE
from synthgen.shards.plan import SetPlan, Shard
from synthgen.shards.shard_file import import_package
from synthgen.storage import Storage

BYTES_A_ROW = 220  # of the manifest, generously


class ShardFormat(Protocol):
    """What a format module offers.

    `FOLDER` is its folder below data/NAME, `MEDIA_TYPE` and `WORDS` say what its files are, to
    machines and to people, and `REQUIRES` names packages that synthgen does not install by itself.
    """

    FOLDER: str
    MEDIA_TYPE: str
    WORDS: str
    REQUIRES: tuple[str, ...]

    def paths(self, shard: Shard, plan: SetPlan) -> list[str]:
        """Return the file of each row, relative to the root."""

    def expects(self, path: str, plan: SetPlan) -> bool:
        """Return whether a path is one of the set's."""

    def disk_bytes(self, pixels: int) -> int:
        """Estimate the bytes on the disk for an image of so many values."""

    def encode(
        self, content: ShardContent, plan: SetPlan, attributes: Mapping[str, Any]
    ) -> dict[str, bytes]:
        """Return the files of a shard, by path."""

    def decode(
        self, contents: Mapping[str, bytes], paths: Sequence[str], offsets: Sequence[int]
    ) -> tuple[Images, dict[str, Any]]:
        """Return images of a shard's rows and, by manifest column, what else the files say."""

    def read_attributes(self, contents: Mapping[str, bytes]) -> dict[str, Any]:
        """Return what the files of a shard say about their set, as far as they do."""


SHARD_FORMATS: dict[str, ShardFormat] = {
    "hdf5": hdf5,
    "png": png,
    "webdataset": webdataset,
    "tfrecord": tfrecord,
    "parquet": parquet,
    "npz": npz,
}


class ShardFiles:
    """The files of a shard in one format: all reading of shards goes through here.

    The HDF5 library can end the process, or keep it busy for ever, on a damaged file. So HDF5 files
    that are not those of the build are first read in a process of their own.

    Args:
        kind: the format, a key of SHARD_FORMATS.
        contents: the bytes of the files, by path, in the order of the shard's rows.
        sha256: of the files that the build wrote (see `digest`); None where it is not known.

    Raises:
        DataError: if a file ends the HDF5 library or keeps it busy.
    """

    def __init__(self, kind: str, contents: Mapping[str, bytes], sha256: str | None) -> None:
        self._kind = kind
        self._contents = contents
        self._sha256 = sha256
        if kind == "hdf5" and not self.are_as_built:
            hdf5.try_out(contents)

    @functools.cached_property
    def are_as_built(self) -> bool:
        """Whether they have the hash of the files that the build wrote."""
        return digest(self._contents.values()) == self._sha256

    def decode(
        self, paths: Sequence[str], offsets: Sequence[int], *, labels_only: bool = False
    ) -> tuple[Images, dict[str, Any]]:
        """Read rows of the shard.

        Args:
            paths: the file of each row.
            offsets: the place of each row in the shard.
            labels_only: whether, of columns that can be left out, no other is wanted.

        Returns:
            The images and, by manifest column, what else the files say about them.

        Raises:
            DataError: if a file is damaged or holds no such rows.
        """
        if self._kind == "hdf5" and labels_only:
            return hdf5.decode(self._contents, paths, offsets, data_sets=("labels",))
        return SHARD_FORMATS[self._kind].decode(self._contents, paths, offsets)

    def read_attributes(self) -> dict[str, Any]:
        """Read what the files say about their set.

        Raises:
            DataError: if a file is damaged.
        """
        return SHARD_FORMATS[self._kind].read_attributes(self._contents)


def check_packages(kinds: Iterable[str]) -> None:
    """Make sure that the packages which formats need are installed.

    Args:
        kinds: the formats.

    Raises:
        SettingsError: naming the first package that is missing, and the command that installs it.
    """
    for kind in kinds:
        for package in SHARD_FORMATS[kind].REQUIRES:
            import_package(package, kind)


def set_attributes(
    settings: BuildSettings, checkpoint_sha256: str, framing: Framing | None
) -> dict[str, Any]:
    """Return the attributes that all shards of a set carry, where their format has a place for it.

    Args:
        settings: of the build, with `labels` as they turned out.
        checkpoint_sha256: identity of the generator.
        framing: of images that look like a user's pictures; None for images as they are drawn.
    """
    polarity = framing.polarity.replace("-", " ") if framing else "white on black"
    return {
        "pixels": f"uint8, 0..255, {polarity}",
        "checkpoint_sha256": checkpoint_sha256,
        "seed": settings.seed,
        "label_source": settings.labels,
        "synthetic": True,
        "digital_source_type": SOURCE_TYPE,
    }


def digest(contents: Iterable[bytes]) -> str:
    """Return the hash of the files of a shard.

    Args:
        contents: of the files, in row order.

    Returns:
        The SHA-256 of a single file or, of several files, the SHA-256 of their SHA-256 digests; 64
        hex digits.
    """
    digests = [hashlib.sha256(content) for content in contents]
    if len(digests) == 1:
        return digests[0].hexdigest()
    return hashlib.sha256(b"".join(one.digest() for one in digests)).hexdigest()


def stored_digest(storage: Storage, kind: str, shard: Shard, plan: SetPlan) -> str | None:
    """Return the hash of a shard's files as they lie there; None if one is missing.

    Args:
        storage: of the root.
        kind: the format, a key of SHARD_FORMATS.
        shard: of the set.
        plan: of the set.
    """
    try:
        return digest(storage.read_many(SHARD_FORMATS[kind].paths(shard, plan)).values())
    except StorageError:
        return None


class StrayFiles(NamedTuple):
    """Files in the shard folders that belong to no image.

    Args:
        orphans: files that should not be there, by format.
        foreign: hidden files and those that file managers leave, which do no harm.
    """

    orphans: Mapping[str, Sequence[str]]
    foreign: Sequence[str]


def find_strays(storage: Storage, plan: SetPlan, kinds: Collection[str]) -> StrayFiles:
    """Find the files in the shard folders of a set that belong to none of its images.

    Args:
        storage: of the root.
        plan: of the set.
        kinds: the formats that it was written in.
    """
    orphans: dict[str, list[str]] = {}
    foreign: list[str] = []
    for kind, module in SHARD_FORMATS.items():
        folder = f"{data_folder(plan.name)}/{module.FOLDER}"
        for paths in storage.walk(folder):
            for path in paths:
                if kind in kinds and module.expects(path, plan):
                    continue
                inside = path.removeprefix(f"{folder}/")
                if is_hidden(inside) and not inside.endswith(".part"):
                    foreign.append(path)
                else:
                    orphans.setdefault(kind, []).append(path)
    return StrayFiles(orphans, foreign)


def disk_need(plan: SetPlan, formats: Iterable[str], pixels: int) -> int:
    """Estimate the bytes on the disk for all shards and the manifest.

    Args:
        plan: of the set.
        formats: that are to be written.
        pixels: values of an image.
    """
    shards = sum(SHARD_FORMATS[kind].disk_bytes(pixels) for kind in formats)
    return plan.count * (shards + 2 * BYTES_A_ROW)  # the rows exist twice for a moment
