"""Every file operation: reading, atomic writing, listing, locking, on any file system of fsspec."""

import contextlib
import errno
import functools
import itertools
import logging
import os
import re
import shutil
import stat
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
from fsspec.asyn import AsyncFileSystem
from fsspec.implementations.local import LocalFileSystem
from fsspec.spec import AbstractFileSystem

from synthgen.errors import ResumeError, StorageError

# What file systems answer to what they cannot do.
UNSUPPORTED = frozenset((errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOTSUP, errno.EINVAL))
LOCK_SECONDS = 0.3  # for which a lock is tried
LEASE_SECONDS = 60.0  # after which a lock of another machine that is not renewed is void

FSSPEC_FINDS = (AbstractFileSystem.find, AsyncFileSystem._find)  # those that every folder is asked

O_BINARY = getattr(os, "O_BINARY", 0)  # of Windows, which translates line ends without it
UNFINISHED = re.compile(r"\.[0-9a-f]{8}\.part$")  # ends the name of a file that is being written
SMALL_FILE = 1 << 16  # bytes; renaming a larger one costs little beside writing it
PROBE = ".synthgen-"  # begins the name of a file that `check_writable` makes for a moment


@dataclass(frozen=True)
class Storage:
    """A folder on any file system.

    All paths given to its methods are relative to it, with '/' between parts. Where a file system
    fails, its methods raise a StorageError.

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
        """Returns a path in the file system's own form; "" is the folder itself."""
        return f"{self.root}/{path}" if path else self.root or "/"

    # Reading

    def exists(self, path: str) -> bool:
        """Returns whether a file or folder is there.

        Raises:
            StorageError: if the file system does not say, which must not be taken for a no.
        """
        with self._attempt(f"look for {self.full(path)}"):
            if isinstance(self.fs, AsyncFileSystem):
                return bool(self.fs.exists(self.full(path)))
            # others take any failure, and an interrupt, for a no
            try:
                self.fs.info(self.full(path))
            except (FileNotFoundError, NotADirectoryError):
                return False
            except (ValueError, OSError) as error:
                if "\0" in path or getattr(error, "errno", None) == errno.ENAMETOOLONG:
                    return False
                raise
            return True

    def is_file(self, path: str) -> bool:
        """Returns whether something that is there is a file.

        Raises:
            StorageError: if it is missing, or the file system does not say.
        """
        with self._attempt(f"look at {self.full(path)}"):
            return bool(self.fs.info(self.full(path))["type"] == "file")

    def size(self, path: str) -> int:
        """Returns the length of a file in bytes.

        Raises:
            StorageError: if it is missing.
        """
        with self._attempt(f"look at {self.full(path)}"):
            return int(self.fs.size(self.full(path)))

    def read_bytes(self, path: str) -> bytes:
        """Reads the whole content of a file.

        Raises:
            StorageError: if it is missing or cannot be read.
        """
        with self._attempt(f"read {self.full(path)}"):
            self._check_regular(path)
            return bytes(self.fs.cat_file(self.full(path)))

    def read_many(self, paths: Iterable[str]) -> dict[str, bytes]:
        """Reads many files; an object store is asked for many at a time.

        Returns:
            The content of each file by its path, in the order in which they are named first.

        Raises:
            StorageError: if one is missing or cannot be read.
        """
        wanted = list(dict.fromkeys(paths))
        if self.is_local:
            return {path: self.read_bytes(path) for path in wanted}
        # Of a whole file s3fs asks for the length first, to read a large one in parts at once: with
        # many files, a second request for each. From a place on, it reads them as they are.
        start = 0 if len(wanted) > 1 else None
        with self._attempt(f"read {len(wanted):,} files of {self.full('')}"):
            contents = self.fs.cat_ranges(
                [self.full(path) for path in wanted], start, None, on_error="return"
            )
        found = {}
        for path, content in zip(wanted, contents, strict=True):
            # "raise" is not heeded by all versions of fsspec
            if isinstance(content, BaseException):
                # an empty file has no place to read from
                found[path] = self.read_bytes(path)
            else:
                found[path] = bytes(content)
        return found

    def open(self, path: str) -> IO[bytes]:
        """Opens a file for reading bytes.

        Raises:
            StorageError: if it is missing or cannot be read.
        """
        with self._attempt(f"read {self.full(path)}"):
            self._check_regular(path)
            return self.fs.open(self.full(path), "rb")  # type: ignore[no-any-return]

    def _check_regular(self, path: str) -> None:
        """Makes sure that nothing but a file is read: pipes and devices may have no end.

        Raises:
            OSError: if something else is there, or nothing.
        """
        if not self.is_local:
            return
        if "\0" in path:
            raise FileNotFoundError(errno.ENOENT, "no file has a NUL character in its name")
        mode = os.stat(self.full(path)).st_mode
        if stat.S_ISDIR(mode):
            raise IsADirectoryError(errno.EISDIR, "expected a file, found a folder")
        if not stat.S_ISREG(mode):
            raise OSError(errno.EINVAL, "expected a file, found a pipe, a socket or a device")

    # Writing

    def write_bytes(self, path: str, content: bytes, durable: bool = True) -> None:
        """Writes a file so that it is either wholly there or not at all.

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
        """Opens a file that appears under its name only when the block ends without an error.

        Args:
            path: where; missing folders are made.
            durable: wait until the disk has it (fsync), so that it survives a power cut.

        Raises:
            StorageError: if the place is not writable or full; nothing is left behind.
        """
        final = self.full(path)
        with self._attempt(f"write {final}"):
            self._make_folders([final])
        opened = _replacing(final, durable) if self.is_local else self._uploading(final)
        # of what the block raises, only an OSError is about the file
        with _attempt(f"write {final}", OSError), opened as file:
            yield file

    @contextlib.contextmanager
    def _uploading(self, final: str) -> Iterator[IO[bytes]]:
        """Opens a file of this machine that is uploaded when the block ends without an error.

        Closing fsspec's own remote file publishes what it holds even after an error, so the content
        waits here until it is whole.
        """
        with tempfile.TemporaryDirectory() as folder:
            whole = Path(folder, "content")
            with whole.open("wb") as file:
                yield file
            with self._attempt(f"write {final}"):
                self.fs.put_file(str(whole), final)

    def write_many(self, files: Mapping[str, bytes]) -> None:
        """Writes many small files, without waiting for the disk (see `sync`).

        A file that is there is replaced as a whole. A new small one has its name from the start:
        where the process is killed in that moment, it is empty or cut short. Only files that
        something else vouches for, once they are written, are written this way.

        Args:
            files: contents by path; missing folders are made.

        Raises:
            StorageError: if the place is not writable or full; some files may be there already.
        """
        finals = {self.full(path): content for path, content in files.items()}
        with self._attempt(f"write to {self.full('')}"):
            self._make_folders(finals)
            if self.is_local:
                for final, content in finals.items():
                    # there may be one of an earlier try, or of one that goes on beside this
                    if len(content) > SMALL_FILE or not _write_new(final, content):
                        with _replacing(final, durable=False) as file:
                            file.write(content)
            else:
                # all at once: object stores answer slowly, and publish whole objects only
                self.fs.pipe(finals)

    def _make_folders(self, finals: Iterable[str]) -> None:
        """Makes the folders of files. Object stores have none, and would make a missing bucket."""
        if isinstance(self.fs, AsyncFileSystem):
            return
        for folder in {final.rpartition("/")[0] for final in finals}:
            self.fs.makedirs(folder, exist_ok=True)

    def sync(self) -> None:
        """Waits until the disk has all that was written so far, where the system can do so.

        Windows cannot.
        """
        if self.is_local and hasattr(os, "sync"):
            os.sync()

    def remove(self, path: str) -> None:
        """Removes a file, or a folder with all it holds; a missing one is fine."""
        if self.exists(path):
            with self._attempt(f"remove {self.full(path)}"):
                self.fs.rm(self.full(path), recursive=True)

    # Listing

    def files(self, folder: str) -> list[str]:
        """Lists all files below a folder.

        Returns:
            Their paths, sorted; none if the folder is missing.
        """
        if self.is_local and not os.path.isfile(self.full(folder)):
            return sorted(itertools.chain.from_iterable(self.walk(folder)))
        if not self.exists(folder):
            return []
        kind = type(self.fs)
        if getattr(kind, "_find", kind.find) in FSSPEC_FINDS and not self.is_local:
            return sorted(itertools.chain.from_iterable(self.walk(folder)))
        base = self.fs._strip_protocol(self.full(""))
        with self._attempt(f"list {self.full(folder)}"):
            found = self.fs.find(self.full(folder))
        return sorted(str(path).removeprefix(base).lstrip("/") for path in found)

    def walk(self, folder: str) -> Iterator[list[str]]:
        """Lists the files below a folder, folder by folder, so that millions need no memory.

        Yields:
            The paths of the files of one folder, sorted; nothing if the folder is missing.
        """
        if not self.exists(folder):
            return
        if not self.is_local:
            for _, sizes in self.walk_remote(folder):
                yield sorted(sizes)
            return
        with self._attempt(f"list {self.full(folder)}"):
            for place, names in _walk_disk(self.full(folder)):
                inside = self.fs._strip_protocol(place).removeprefix(self.root).lstrip("/")
                yield sorted(f"{inside}/{name}".lstrip("/") for name in names)

    def walk_remote(self, folder: str) -> Iterator[tuple[str, dict[str, int]]]:
        """Lists the files below a folder that is not on a disk of this machine.

        fsspec's own `walk` and `find` pass over what cannot be listed.

        Yields:
            The path of each folder, and the bytes of each file in it by the file's path.

        Raises:
            StorageError: if a folder cannot be listed.
        """
        base = self.fs._strip_protocol(self.full(""))
        waiting = [(folder, self.full(folder))]
        while waiting:
            place, named = waiting.pop()
            entries = []
            gone = contextlib.suppress(FileNotFoundError)
            with self._attempt(f"list {self.full(place)}"), gone:
                entries = self.fs.ls(named, detail=True)
            sizes = {}
            for entry in entries:
                path = self.fs._strip_protocol(entry["name"]).removeprefix(base).strip("/")
                if entry["type"] != "directory" and not entry["name"].endswith("/"):
                    sizes[path] = int(entry.get("size") or 0)
                elif path != place:  # object stores may list a folder in itself
                    waiting.append((path, entry["name"]))
            yield place, sizes

    # Locks, space, permissions

    @contextlib.contextmanager
    def exclusive(self, path: str, busy: str, wait: float = 0) -> Iterator[None]:
        """Keeps other processes out while the block runs.

        On disks of this machine only: object stores have no locks. Where a disk has none either
        (network and user-space file systems), the lock is a file that names its process: it is
        renewed as long as the block runs, and void when its process is gone or, on another machine,
        when it was not renewed for LEASE_SECONDS.

        Args:
            path: of the lock file, which is there as long as the block runs.
            busy: who is inside, and what to do, for the error.
            wait: seconds to wait for another process to come out.

        Raises:
            ResumeError: if another process is inside.
            StorageError: if the place is not writable.
        """
        if not self.is_local:
            yield
            return
        place = self.full(path)
        with self._attempt(f"write {place}"):
            os.makedirs(os.path.dirname(place), exist_ok=True)
            lock = file_lock(place)
            try:
                # the first attempt may find the lock of a dead process, the next one finds none
                lock.acquire(timeout=max(wait, LOCK_SECONDS))
            except filelock.Timeout as error:
                raise ResumeError(busy) from error
        try:
            yield
        finally:
            if not isinstance(lock, filelock.SoftFileLease):  # which removes its file itself
                with contextlib.suppress(OSError):
                    os.remove(place)
            lock.release()

    def free_bytes(self) -> int | None:
        """Returns the free space where the root lies, or will lie.

        Returns:
            Bytes; None if the file system does not tell.
        """
        if not self.is_local:
            return None
        with self._attempt(f"find the free space of {self.url}"):
            return shutil.disk_usage(_nearest_folder(self.full(""))).free

    def check_folder(self, path: str) -> None:
        """Makes sure that no file lies where a folder is or will be.

        Raises:
            StorageError: naming the file.
        """
        place = self.full(path)
        if self.is_local and os.path.exists(place) and not os.path.isdir(place):
            raise StorageError(
                f"Expected a folder at {place}, found a file. Name another --root or move the "
                "file away."
            )

    def check_writable(self, folder: str = "") -> None:
        """Makes sure that a folder is one in which files can be made, by making one.

        On a disk of this machine that file has no name, so that nothing is left of it whatever
        happens.

        Args:
            folder: that is made if it is missing.

        Raises:
            StorageError: saying which of the two it is not.
        """
        self.check_folder(folder)
        place = self.full(folder)
        try:
            if self.is_local:
                with self._attempt(f"write to {place}"):
                    os.makedirs(place, exist_ok=True)
                    with tempfile.TemporaryFile(dir=place):
                        pass
            else:
                probe = f"{folder}/{PROBE}{uuid.uuid4().hex[:8]}".lstrip("/")
                self.write_bytes(probe, b"", durable=False)
                self.remove(probe)
        except StorageError as error:
            why = _reason(error.__cause__ or error)
            if not self.is_local and isinstance(error.__cause__, FileNotFoundError):
                why = "there is no such bucket"
            raise StorageError(
                f"Cannot write to {f'{self.url}/{folder}' if folder else self.url}: {why}. "
                "Name another folder, or make this one writable."
            ) from error

    def clear_leftovers(self, folder: str) -> None:
        """Removes what killed processes left half-written in a folder, not in folders within.

        Nobody else may be writing there.
        """
        for paths in self.walk(folder):
            for path in paths:
                name = path.rpartition("/")[2]
                if UNFINISHED.search(name) or (name.startswith(PROBE) and len(name) == 18):
                    self.remove(path)
            return

    def seems_writable(self) -> bool:
        """Returns what the file system says of the root's permissions, without writing.

        Only `check_writable` finds out. Object stores do not say: they seem writable.
        """
        return not self.is_local or os.access(_nearest_folder(self.full("")), os.W_OK | os.X_OK)

    def _attempt(self, action: str) -> AbstractContextManager[None]:
        """Turns the failure of an action into a StorageError.

        File systems that are not of this machine raise whatever the library that they are made of
        does.
        """
        return _attempt(action, OSError if self.is_local else Exception)


def open_storage(url: str) -> Storage:
    """Opens the folder that a path or any fsspec URL names; it need not be there yet.

    Args:
        url: for example "." or "s3://bucket/digits" (which needs the s3fs package).

    Raises:
        StorageError: if no file system for that kind of URL is installed, or it cannot be reached.
    """
    try:
        # other processes write there, too
        fs, root = fsspec.core.url_to_fs(url, use_listings_cache=False)
    except (ImportError, ValueError) as error:
        raise StorageError(
            f"Expected a folder or a URL of an installed fsspec file system, received {url!r}: "
            f"{error}."
        ) from error
    except Exception as error:  # some connect here
        raise StorageError(f"Cannot reach {url}: {_reason(error)}.") from error
    return Storage(fs, root.rstrip("/"), url)


def _walk_disk(folder: str) -> Iterator[tuple[str, list[str]]]:
    """Lists each folder's files and links; one that cannot be read is an error, never empty."""

    def fail(error: OSError) -> None:
        if not isinstance(error, FileNotFoundError | NotADirectoryError):
            raise error

    for place, folders, names in os.walk(folder, onerror=fail):
        links = [name for name in folders if os.path.islink(os.path.join(place, name))]
        yield place, names + links


def cache_folder() -> str:
    """Returns the folder for what can be fetched or made again.

    It is the environment's `SYNTHGEN_CACHE`, or else the platform's user cache. Where no home can
    be found (an unknown user in a container), it is a folder among the temporary files.

    Raises:
        StorageError: if `SYNTHGEN_CACHE` begins with "~" and that home cannot be found.
    """
    chosen = os.environ.get("SYNTHGEN_CACHE")
    if chosen:
        folder = os.path.expanduser(chosen)
        if folder.startswith("~"):  # it would become a folder of that name, wherever one is
            raise StorageError(
                f"Expected a folder in SYNTHGEN_CACHE, received {chosen!r}, and there is no such "
                "home folder. Name it by its whole path."
            )
        return os.path.abspath(folder)
    try:
        return platformdirs.user_cache_dir("synthgen", appauthor=False)
    except RuntimeError:
        return make_homeless_cache()


@functools.cache
def make_homeless_cache() -> str:
    """Makes the cache of a user without a home, among the temporary files.

    Returns:
        A folder that no other user can write to, the same one in every process if that can be.
    """
    folder = os.path.join(tempfile.gettempdir(), f"synthgen-{os.getuid()}")
    try:
        os.makedirs(folder, mode=0o700, exist_ok=True)
        found = os.lstat(folder)
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o022:
            folder = tempfile.mkdtemp(prefix="synthgen-")
    except OSError:  # where nothing can be written, nothing is kept
        pass
    logging.getLogger(__name__).warning(
        "NOTICE: no home folder can be found, so what is kept for next time lies in %s. Set "
        "SYNTHGEN_CACHE to keep it elsewhere.",
        folder,
    )
    return folder


def _nearest_folder(folder: str) -> str:
    """Returns the folder or, where it is not there yet, the nearest one above it that is.

    A drive that is not there has none above it, and is returned itself.
    """
    while not os.path.exists(folder) and os.path.dirname(folder) != folder:
        folder = os.path.dirname(folder)
    return folder


@contextlib.contextmanager
def _attempt(action: str, errors: type[Exception]) -> Iterator[None]:
    """Turns errors of some type into a StorageError that says what could not be done, and why."""
    try:
        yield
    except errors as error:
        raise StorageError(f"Cannot {action}: {_reason(error)}.") from error


@contextlib.contextmanager
def _replacing(final: str, durable: bool) -> Iterator[IO[bytes]]:
    """Opens a temporary file that takes its final name when the block ends without an error."""
    temporary = f"{final}.{uuid.uuid4().hex[:8]}.part"  # see UNFINISHED
    try:
        with Path(temporary).open("wb") as file:
            yield file
            if durable:
                file.flush()
                _sync(file.fileno())
        os.replace(temporary, final)

        # the folder that names it
        if durable and hasattr(os, "O_DIRECTORY"):  # Windows opens no folders
            handle = os.open(os.path.dirname(final), os.O_RDONLY)
            try:
                _sync(handle)
            finally:
                os.close(handle)
    except BaseException:
        with contextlib.suppress(OSError):
            os.remove(temporary)
        raise


def _write_new(path: str, content: bytes) -> bool:
    """Writes a small file where there is none, under its own name; returns False if there is one.

    That takes half of the time of a file that is renamed, which counts with a million of them.

    Raises:
        OSError: if it cannot be written; nothing is left behind.
    """
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | O_BINARY, 0o666)
    except FileExistsError:
        return False
    try:
        try:
            left = memoryview(content)
            while left:
                left = left[os.write(handle, left) :]
        finally:
            os.close(handle)
    except BaseException:
        with contextlib.suppress(OSError):
            os.remove(path)
        raise
    return True


def _sync(handle: int) -> None:
    """Waits until the disk has a file or folder, where its file system can do so."""
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in UNSUPPORTED:
            raise


def file_lock(place: str) -> filelock.BaseFileLock:
    """Returns a lock for processes of this machine and, on shared disks, of others.

    Where a disk keeps no locks, filelock's own way out would remove the file of whoever holds one.

    Args:
        place: of the lock file, in a folder that is there.

    Raises:
        OSError: if the folder is not writable.
    """
    if _has_locks(os.path.dirname(place)):
        return filelock.FileLock(place)
    return filelock.SoftFileLease(place, lease_duration=LEASE_SECONDS)


def _has_locks(folder: str) -> bool:
    """Returns whether the file system of a folder keeps locks (flock)."""
    try:
        import fcntl
    except ImportError:  # Windows, whose locks are others
        return True
    with tempfile.TemporaryFile(dir=folder) as probe:
        try:
            fcntl.flock(probe, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno not in UNSUPPORTED:
                raise
            return False
    return True


def _reason(error: BaseException) -> str:
    """Returns why something failed, in words for people."""
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        if _has_room_but_no_inodes(error.filename):
            return (
                "the disk has space left but can hold no more files (no inodes). Remove some; of "
                "the formats of a set, hdf5 has one file a shard"
            )
        return "the disk is full. Free some space"
    explained = getattr(error, "strerror", None)
    if explained:
        return str(explained)
    if isinstance(error, FileNotFoundError):
        return "there is no such file"
    return f"{type(error).__name__} {error}"


def _has_room_but_no_inodes(path: object) -> bool:
    """Returns whether the file system that a path lies on is out of inodes and not of space."""
    if not isinstance(path, str) or not hasattr(os, "statvfs"):
        return False
    try:
        found = os.statvfs(_nearest_folder(os.path.dirname(path)))
    except OSError:
        return False
    return bool(found.f_files and not found.f_favail and found.f_bavail)
