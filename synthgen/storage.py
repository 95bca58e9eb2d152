"""Every file operation: reading, atomic writing, listing, free space, on any file system that fsspec knows."""

import contextlib
import errno
import os
import shutil
import tempfile
import uuid
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import filelock
import fsspec
import platformdirs
from fsspec.implementations.local import LocalFileSystem

from synthgen.errors import ResumeError, StorageError


@dataclass(frozen=True)
class Storage:
    """A folder on any file system; all paths given to its methods are relative to it, with '/' between parts.

    Where a file system fails, its methods raise a StorageError.

    Args:
        fs: the fsspec file system.
        root: the folder, in the file system's own form.
        url: how the user named it, for messages.
    """

    fs: Any
    root: str
    url: str

    @property
    def is_local(self) -> bool:
        """Whether the files lie on a disk of this machine."""
        return isinstance(self.fs, LocalFileSystem)

    def full(self, path: str) -> str:
        """The path in the file system's own form."""
        return f"{self.root}/{path}" if path else self.root or "/"

    def exists(self, path: str) -> bool:
        """Whether a file or folder is there."""
        with self._attempt(f"look for {self.full(path)}"):
            return bool(self.fs.exists(self.full(path)))

    def read_bytes(self, path: str) -> bytes:
        """The whole content of a file.

        Raises:
            StorageError: if it is missing or cannot be read.
        """
        with self._attempt(f"read {self.full(path)}"):
            return bytes(self.fs.cat_file(self.full(path)))

    def read_many(self, paths: Iterable[str]) -> dict[str, bytes]:
        """The contents of many files, each once, in the order in which they are named; an object store is asked for many at a time.

        Raises:
            StorageError: if one is missing or cannot be read.
        """
        wanted = list(dict.fromkeys(paths))
        if self.is_local:
            return {path: self.read_bytes(path) for path in wanted}
        with self._attempt(f"read {len(wanted):,} files of {self.full('')}"):
            contents = self.fs.cat_ranges(
                [self.full(path) for path in wanted], None, None, on_error="return"
            )
        for path, content in zip(wanted, contents, strict=True):
            # "raise" is not heeded by all versions of fsspec
            if isinstance(content, BaseException):
                raise StorageError(
                    f"Cannot read {self.full(path)}: {_reason(content)}."
                ) from content
        return dict(zip(wanted, map(bytes, contents), strict=True))

    def open(self, path: str) -> IO[bytes]:
        """A binary file opened for reading."""
        with self._attempt(f"read {self.full(path)}"):
            return self.fs.open(self.full(path), "rb")  # type: ignore[no-any-return]

    def write_bytes(self, path: str, content: bytes, durable: bool = True) -> None:
        """Write a file so that it is either wholly there or not at all.

        Args:
            path: where; missing folders are made.
            content: the bytes.
            durable: wait until the disk has it (fsync), so that it survives a power cut.

        Raises:
            StorageError: if the place is not writable or full; nothing is left behind.
        """
        with self.writing(path, durable) as file:
            file.write(content)

    @contextlib.contextmanager
    def writing(self, path: str, durable: bool = True) -> Iterator[IO[bytes]]:
        """Open a file for writing that appears under its name only when the block ends without an error."""
        final = self.full(path)
        with self._attempt(f"write {final}"):
            self.fs.makedirs(final.rpartition("/")[0], exist_ok=True)
        with (
            _attempt(f"write {final}", OSError),
            _replacing(final, durable) if self.is_local else self._uploading(final) as file,
        ):
            yield file  # of what the block raises, only an OSError is about the file

    @contextlib.contextmanager
    def _uploading(self, final: str) -> Iterator[IO[bytes]]:
        # Closing fsspec's own remote file publishes what it holds even after an error, so the
        # content waits here until it is whole.
        with tempfile.TemporaryDirectory() as folder:
            whole = Path(folder, "content")
            with whole.open("wb") as file:
                yield file
            with self._attempt(f"write {final}"):
                self.fs.put_file(str(whole), final)

    def write_many(self, files: Mapping[str, bytes]) -> None:
        """Write many small files, each atomically, without waiting for the disk after each (see `sync`)."""
        finals = {self.full(path): content for path, content in files.items()}
        with self._attempt(f"write to {self.full('')}"):
            for folder in {final.rpartition("/")[0] for final in finals}:
                self.fs.makedirs(folder, exist_ok=True)
            if not self.is_local:
                # all at once: object stores answer slowly, and publish whole objects only
                self.fs.pipe(finals)
            for final, content in finals.items() if self.is_local else ():
                with _replacing(final, durable=False) as file:
                    file.write(content)

    def sync(self) -> None:
        """Wait until the disk has everything that was written so far, where the operating system can (Windows cannot)."""
        if self.is_local and hasattr(os, "sync"):
            os.sync()

    def remove(self, path: str) -> None:
        """Remove a file or a folder with all it holds; a missing one is fine."""
        if self.exists(path):
            with self._attempt(f"remove {self.full(path)}"):
                self.fs.rm(self.full(path), recursive=True)

    def files(self, folder: str) -> list[str]:
        """All files below a folder, sorted, relative to the root; empty if the folder is missing."""
        if not self.exists(folder):
            return []
        base = self.fs._strip_protocol(self.full(""))
        with self._attempt(f"list {self.full(folder)}"):
            return sorted(
                str(found).removeprefix(base).lstrip("/")
                for found in self.fs.find(self.full(folder))
            )

    def walk(self, folder: str) -> Iterator[list[str]]:
        """The files below a folder, one list a folder, each sorted and relative to the root; nothing if it is missing."""
        base = self.fs._strip_protocol(self.full(""))
        if not self.exists(folder):
            return
        with self._attempt(f"list {self.full(folder)}"):
            for found, _, names in self.fs.walk(self.full(folder)):
                inside = self.fs._strip_protocol(found).removeprefix(base).lstrip("/")
                yield sorted(f"{inside}/{name}" for name in names)

    @contextlib.contextmanager
    def exclusive(self, path: str, busy: str) -> Iterator[None]:
        """Keep other processes out while the block runs; on disks of this machine only, object stores have no locks.

        Args:
            path: of the lock file, which is there as long as the block runs.
            busy: who is inside, and what to do, for the error.

        Raises:
            ResumeError: if another process is inside.
            StorageError: if the place is not writable.
        """
        if not self.is_local:
            yield
            return
        lock = filelock.FileLock(self.full(path))
        with self._attempt(f"write {self.full(path)}"):
            os.makedirs(os.path.dirname(self.full(path)), exist_ok=True)
            try:
                lock.acquire(timeout=0)
            except filelock.Timeout as error:
                raise ResumeError(busy) from error
        try:
            yield
        finally:
            with contextlib.suppress(OSError):
                os.remove(self.full(path))
            lock.release()

    def free_bytes(self) -> int | None:
        """Free space where the root lies (or will lie); None if the file system does not tell."""
        if not self.is_local:
            return None
        with self._attempt(f"find the free space of {self.url}"):
            return shutil.disk_usage(_nearest_folder(self.full(""))).free

    def check_folder(self, path: str) -> None:
        """Make sure that no file lies where a folder is or will be.

        Raises:
            StorageError: naming the file.
        """
        if self.is_local and os.path.exists(self.full(path)) and not os.path.isdir(self.full(path)):
            raise StorageError(
                f"Expected a folder at {self.full(path)}, found a file. Name another --root or move the file away."
            )

    def check_writable(self) -> None:
        """Make sure that the root is a folder in which files can be made.

        Raises:
            StorageError: saying which of the two it is not.
        """
        self.check_folder("")
        probe = f".synthgen-{uuid.uuid4().hex[:8]}"
        try:
            self.write_bytes(probe, b"", durable=False)
        except StorageError as error:
            why = _reason(error.__cause__ or error)
            raise StorageError(
                f"Cannot write to {self.url}: {why}. Name another folder, or make this one writable."
            ) from error
        self.remove(probe)

    def seems_writable(self) -> bool:
        """What the file system says of the root's permissions, without writing; only `check_writable` finds out. Object stores do not say."""
        return not self.is_local or os.access(_nearest_folder(self.full("")), os.W_OK | os.X_OK)

    def _attempt(self, action: str) -> AbstractContextManager[None]:
        """Say as a StorageError why something fails; other file systems raise whatever the library that they are made of does."""
        return _attempt(action, OSError if self.is_local else Exception)


def open_storage(url: str) -> Storage:
    """The folder that a path or any fsspec URL names.

    Args:
        url: for example "." or "s3://bucket/digits" (which needs the s3fs package).

    Raises:
        StorageError: if no file system for that kind of URL is installed, or it cannot be reached.
    """
    try:
        fs, root = fsspec.core.url_to_fs(url)
    except (ImportError, ValueError) as error:
        raise StorageError(
            f"Expected a folder or a URL of an installed fsspec file system, received {url!r}: {error}."
        ) from error
    except Exception as error:  # some connect here
        raise StorageError(f"Cannot reach {url}: {_reason(error)}.") from error
    return Storage(fs, root.rstrip("/"), url)


def cache_folder() -> str:
    """The folder for what can be fetched or made again: the platform's user cache, or the environment's `SYNTHGEN_CACHE`."""
    chosen = os.environ.get("SYNTHGEN_CACHE")
    return (
        os.path.abspath(os.path.expanduser(chosen))
        if chosen
        else platformdirs.user_cache_dir("synthgen", appauthor=False)
    )


def _nearest_folder(folder: str) -> str:
    """The folder or, as long as it is not there, the nearest one above it that is; a drive that is not there has none above it."""
    while not os.path.exists(folder) and os.path.dirname(folder) != folder:
        folder = os.path.dirname(folder)
    return folder


@contextlib.contextmanager
def _attempt(action: str, errors: type[Exception]) -> Iterator[None]:
    try:
        yield
    except errors as error:
        raise StorageError(f"Cannot {action}: {_reason(error)}.") from error


@contextlib.contextmanager
def _replacing(final: str, durable: bool) -> Iterator[IO[bytes]]:
    temporary = f"{final}.{uuid.uuid4().hex[:8]}.part"
    try:
        with Path(temporary).open("wb") as file:
            yield file
            _sync(file, durable)
        os.replace(temporary, final)
        _sync_folder(os.path.dirname(final), durable)
    except BaseException:
        with contextlib.suppress(OSError):
            os.remove(temporary)
        raise


def _sync(file: IO[bytes], durable: bool) -> None:
    if durable:
        file.flush()
        os.fsync(file.fileno())


def _sync_folder(folder: str, durable: bool) -> None:
    if durable and hasattr(os, "O_DIRECTORY"):  # Windows opens no folders
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _reason(error: BaseException) -> str:
    if getattr(error, "errno", None) == errno.ENOSPC:
        return "the disk is full. Free some space"
    unexplained = (
        "there is no such file"
        if isinstance(error, FileNotFoundError)
        else f"{type(error).__name__} {error}"
    )
    return getattr(error, "strerror", None) or unexplained
