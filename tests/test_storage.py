import errno
import io
import os
import pwd
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import fsspec
import pytest
from fsspec.asyn import AsyncFileSystem

from synthgen.datasets.files import list_files
from synthgen.errors import ResumeError, StorageError
from synthgen.storage import Storage, cache_folder, make_homeless_cache, open_storage


class NoCredentialsError(Exception):
    """As botocore's: no OSError."""


class ObjectStore(AsyncFileSystem):
    """Like s3fs and gcsfs with an fsspec before 2026.6.

    What cannot be read of many files comes back as an exception in its place.
    """

    protocol = "objects"
    store: ClassVar[dict[str, bytes]] = {}
    closed: ClassVar[bool] = False  # then nothing works, as without credentials
    forbidden: ClassVar[str] = ""  # a folder that cannot be listed

    def _path(self, path: str) -> str:
        if self.closed:
            raise NoCredentialsError("Unable to locate credentials")
        return str(self._strip_protocol(path))

    async def _cat_file(
        self, path: str, start: int | None = None, end: int | None = None, **_: Any
    ) -> bytes:
        if self._path(path) not in self.store:
            raise FileNotFoundError(path)
        return self.store[self._path(path)][start:end]

    async def _cat_ranges(self, *args: Any, on_error: str = "return", **options: Any) -> list[Any]:
        return list(await super()._cat_ranges(*args, on_error="return", **options))

    async def _pipe_file(self, path: str, value: bytes, **_: Any) -> None:
        self.store[self._path(path)] = bytes(value)

    async def _put_file(self, lpath: str, rpath: str, **_: Any) -> None:
        self.store[self._path(rpath)] = Path(lpath).read_bytes()

    async def _rm_file(self, path: str, **_: Any) -> None:
        self.store.pop(self._path(path), None)

    async def _makedirs(self, path: str, exist_ok: bool = False) -> None:
        pass

    async def _exists(self, path: str, **_: Any) -> bool:
        found = self._path(path)
        return any(name == found or name.startswith(f"{found}/") for name in self.store)

    async def _info(self, path: str, **_: Any) -> dict[str, Any]:
        found = self._path(path)
        if found in self.store:
            return {"name": found, "size": len(self.store[found]), "type": "file"}
        if any(name.startswith(f"{found}/") for name in self.store):
            return {"name": found, "size": 0, "type": "directory"}
        raise FileNotFoundError(path)

    async def _ls(self, path: str, detail: bool = True, **_: Any) -> list[Any]:
        folder = self._path(path)
        if folder == self.forbidden:
            raise PermissionError(errno.EACCES, "Forbidden")
        inside = {
            name[len(folder) + 1 :].partition("/")
            for name in self.store
            if name.startswith(f"{folder}/")
        }
        entries = {
            first: {
                "name": f"{folder}/{first}",
                "size": 0,
                "type": "directory" if slash else "file",
            }
            for first, slash, _ in inside
        }
        return list(entries.values()) if detail else list(entries)

    def _open(self, path: str, mode: str = "rb", **_: Any) -> io.BytesIO:
        return io.BytesIO(self.cat_file(path))


fsspec.register_implementation("objects", ObjectStore, clobber=True)
ROOTS = {"memory": "memory://root", "objects": "objects://bucket/root"}


@pytest.fixture(params=["local", "memory", "objects"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Storage]:
    """An empty folder on a disk, one in memory and one in an object store: they behave alike."""
    yield open_storage(ROOTS.get(request.param, str(tmp_path / "root")))
    memory = fsspec.filesystem("memory")
    memory.store.clear()
    memory.pseudo_dirs[:] = [""]
    ObjectStore.store.clear()


FULL = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def raising(error: BaseException) -> Callable[..., Any]:
    def fail(*_: object, **__: object) -> None:
        raise error

    return fail


def write_half(storage: Storage, path: str, error: Exception) -> None:
    with storage.writing(path) as file:
        file.write(b"half")
        file.flush()
        raise error


def test_many_files_are_read_each_once_and_in_order(storage: Storage) -> None:
    storage.write_many({"d/b": b"2", "d/a": b"1", "d/[c]": b"3"})
    assert list(storage.read_many(["d/[c]", "d/a", "d/[c]", "d/b"]).items()) == [
        ("d/[c]", b"3"),
        ("d/a", b"1"),
        ("d/b", b"2"),
    ]
    with pytest.raises(
        StorageError,
        match=r"Cannot read .*root/d/missing: (No such file or directory|there is no such file)\.$",
    ):
        storage.read_many(["d/a", "d/missing"])


def test_many_files_replace_whole_ones_and_never_shorten_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage = open_storage(str(tmp_path))
    storage.write_many({"a": b"old", "b": b"old"})
    Path(tmp_path, "link").symlink_to(tmp_path / "b")
    with Path(tmp_path, "a").open("rb") as reading:
        storage.write_many({"a": b"new", "c": b"new", "link": b"new"})
        assert reading.read() == b"old"  # another file than the one that has the name now
    assert storage.read_many("abc") == {"a": b"new", "b": b"old", "c": b"new"}
    assert not Path(tmp_path, "link").is_symlink()

    # What cannot be written leaves nothing, and what was there as it was.
    monkeypatch.setattr(os, "write", raising(OSError(errno.ENOSPC, "")))
    with pytest.raises(StorageError, match=r"^Cannot write to .*: the disk is full"):
        storage.write_many({"d": b"new"})
    assert storage.files("") == ["a", "b", "c", "link"]


def test_written_bytes_come_back_and_folders_are_made(storage: Storage) -> None:
    storage.write_bytes("a/b/c.bin", b"\x00\x01")
    assert storage.read_bytes("a/b/c.bin") == b"\x00\x01"
    assert storage.open("a/b/c.bin").read() == b"\x00\x01"


def test_writing_again_replaces(storage: Storage) -> None:
    storage.write_bytes("a", b"long content")
    storage.write_bytes("a", b"new")
    assert storage.read_bytes("a") == b"new"
    assert storage.files("") == ["a"]


def test_exists_for_files_folders_and_nothing(storage: Storage) -> None:
    assert not storage.exists("")
    storage.write_bytes("a/b", b"")
    assert [storage.exists(path) for path in ("", "a", "a/b", "a/c", "b")] == [
        True,
        True,
        True,
        False,
        False,
    ]


def test_files_are_sorted_relative_and_of_one_folder(storage: Storage) -> None:
    storage.write_many({"b": b"", "a/2": b"", "a/10": b"", "a/c/d": b""})
    storage.sync()
    assert storage.files("") == ["a/10", "a/2", "a/c/d", "b"]
    assert storage.files("a") == ["a/10", "a/2", "a/c/d"]
    assert storage.files("missing") == []


def test_remove_takes_files_folders_and_what_is_not_there(storage: Storage) -> None:
    storage.write_many({"a/1": b"", "a/2": b"", "b": b""})
    storage.remove("a/1")
    assert storage.files("") == ["a/2", "b"]
    storage.remove("a")
    storage.remove("never was")
    assert storage.files("") == ["b"]


def test_a_block_that_raises_publishes_nothing_and_keeps_the_old(storage: Storage) -> None:
    storage.write_bytes("old", b"old")
    for path in ("old", "new"):
        with pytest.raises(ZeroDivisionError):
            write_half(storage, path, ZeroDivisionError())
    assert storage.files("") == ["old"]
    assert storage.read_bytes("old") == b"old"


def test_nothing_is_visible_under_the_name_before_the_block_ends(storage: Storage) -> None:
    with storage.writing("a") as file:
        file.write(b"whole")
        file.flush()
        assert not storage.exists("a")
    assert storage.files("") == ["a"]


def test_a_full_disk_is_named_and_leaves_nothing(storage: Storage) -> None:
    with pytest.raises(StorageError, match=r"the disk is full\. Free some space\.$"):
        write_half(storage, "a", FULL)
    assert storage.files("") == []


def test_a_disk_that_is_full_at_the_last_moment_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage = open_storage(str(tmp_path))
    monkeypatch.setattr(os, "fsync", raising(FULL))
    with pytest.raises(StorageError, match="the disk is full"):
        storage.write_bytes("a", b"content")
    assert os.listdir(tmp_path) == []


def test_only_durable_writing_waits_for_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[int] = []
    monkeypatch.setattr(os, "fsync", synced.append)
    open_storage(str(tmp_path)).write_bytes("a", b"", durable=False)
    assert len(synced) == 0
    open_storage(str(tmp_path)).write_bytes("a", b"", durable=True)
    assert len(synced) == 2  # the file and the folder that names it


def test_windows_syncs_files_but_neither_folders_nor_disks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[int] = []
    monkeypatch.setattr(os, "fsync", synced.append)
    monkeypatch.setattr(os, "open", raising(PermissionError(errno.EACCES, "Permission denied")))
    monkeypatch.delattr(os, "O_DIRECTORY")
    monkeypatch.delattr(os, "sync")
    storage = open_storage(str(tmp_path))
    storage.write_bytes("a", b"content")
    storage.sync()
    assert (storage.read_bytes("a"), len(synced)) == (b"content", 1)


def test_a_drive_that_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    storage = open_storage(str(tmp_path))
    monkeypatch.setattr(os.path, "exists", lambda _: False)
    monkeypatch.setattr(
        shutil,
        "disk_usage",
        raising(FileNotFoundError(errno.ENOENT, "The system cannot find the path specified")),
    )
    monkeypatch.setattr(os, "access", lambda folder, mode: folder != "/")
    assert not storage.seems_writable()
    with pytest.raises(
        StorageError,
        match=r"^Cannot find the free space of .*: The system cannot find the path specified\.$",
    ):
        storage.free_bytes()


def test_reading_what_is_not_there(storage: Storage) -> None:
    for read in (storage.read_bytes, storage.open):
        with pytest.raises(
            StorageError,
            match=r"Cannot read .*root/a: (No such file or directory|there is no such file)\.",
        ):
            read("a")


ATTEMPTS: dict[str, Callable[[Storage], Any]] = {
    "exists": lambda storage: storage.exists("a"),
    "read_bytes": lambda storage: storage.read_bytes("a"),
    "read_many": lambda storage: storage.read_many(["a"]),
    "open": lambda storage: storage.open("a"),
    "write_bytes": lambda storage: storage.write_bytes("a", b""),
    "write_many": lambda storage: storage.write_many({"a": b""}),
    "remove": lambda storage: storage.remove("a"),
    "files": lambda storage: storage.files(""),
    "walk": lambda storage: list(storage.walk("")),
    "check_writable": lambda storage: storage.check_writable(),
}


LOST = r"^Cannot .*bucket/root.*: NoCredentialsError Unable to locate credentials\."


@pytest.mark.parametrize("attempt", ATTEMPTS.values(), ids=ATTEMPTS)
def test_whatever_a_file_system_raises_is_a_storage_error(
    attempt: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    storage = open_storage("objects://bucket/root")
    monkeypatch.setattr(ObjectStore, "closed", True)
    with pytest.raises(StorageError, match=LOST):
        attempt(storage)


@pytest.mark.parametrize("name", ["remove", "files", "walk"])
def test_a_file_system_that_is_lost_between_two_questions(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage = open_storage("objects://bucket/root")
    monkeypatch.setattr(ObjectStore, "closed", True)
    monkeypatch.setattr(Storage, "exists", lambda *_: True)
    with pytest.raises(StorageError, match=LOST):
        ATTEMPTS[name](storage)


def test_what_a_block_raises_is_no_matter_of_the_file_system() -> None:
    storage = open_storage("objects://bucket/root")
    with pytest.raises(NoCredentialsError):
        write_half(storage, "a", NoCredentialsError())
    assert not storage.exists("a")


@pytest.mark.parametrize(
    "error",
    [
        ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused"),
        NoCredentialsError("none found"),
    ],
)
def test_a_file_system_that_cannot_be_reached(
    error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ObjectStore, "_get_kwargs_from_urls", raising(error))
    with pytest.raises(
        StorageError,
        match=r"^Cannot reach objects://bucket/root: "
        r"(Connection refused|NoCredentialsError none found)\.$",
    ):
        open_storage("objects://bucket/root")


def test_reading_a_folder_as_a_file(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="expected a file, found a folder"):
        open_storage(str(tmp_path.parent)).read_bytes(tmp_path.name)


def test_a_file_where_a_folder_should_be(tmp_path: Path) -> None:
    (tmp_path / "way").write_bytes(b"in the way")
    with pytest.raises(StorageError, match=r"Cannot write .*way/a"):
        open_storage(str(tmp_path)).write_bytes("way/a", b"")
    with pytest.raises(
        StorageError,
        match=r"Expected a folder at .*way, found a file\. "
        r"Name another --root or move the file away\.",
    ):
        open_storage(str(tmp_path / "way")).check_writable()
    with pytest.raises(
        StorageError, match=r"Cannot write to .*/way/below: Not a directory\. Name another folder"
    ):
        open_storage(str(tmp_path / "way" / "below")).check_writable()
    assert (tmp_path / "way").read_bytes() == b"in the way"


def test_a_folder_where_a_file_should_be_stays(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    with pytest.raises(StorageError, match=r"Cannot write .*a: Is a directory"):
        open_storage(str(tmp_path)).write_bytes("a", b"")
    assert os.listdir(tmp_path) == ["a"]


@pytest.mark.skipif(
    not os.path.isdir("/proc/self"), reason="needs a file system that nobody can write to"
)
def test_a_file_system_that_nobody_can_write_to() -> None:
    with pytest.raises(
        StorageError,
        match=r"^Cannot write to /proc/synthgen: [\w ]+\. "
        r"Name another folder, or make this one writable\.$",
    ):
        open_storage("/proc/synthgen").check_writable()


def test_a_check_of_writability_leaves_nothing_behind(storage: Storage) -> None:
    storage.check_writable()
    assert storage.files("") == []


def test_permissions_are_asked_of_the_nearest_folder_there_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert open_storage(str(tmp_path / "not" / "yet")).seems_writable()
    assert not (tmp_path / "not").exists()
    asked: list[str] = []
    monkeypatch.setattr(os, "access", lambda folder, mode: asked.append(folder))
    assert not open_storage(str(tmp_path / "not" / "yet")).seems_writable()
    assert asked == [str(tmp_path)]
    assert open_storage("memory://root").seems_writable()


def test_one_process_at_a_time_where_disks_are_local(tmp_path: Path) -> None:
    storage = open_storage(str(tmp_path))
    with storage.exclusive("new/.lock", "Another one is here."):
        assert storage.files("new") == ["new/.lock"]
        with storage.exclusive("old/.lock", "Another one is there."):
            pass
        with (
            pytest.raises(ResumeError, match=r"^Another one is here\.$"),
            storage.exclusive("new/.lock", "Another one is here."),
        ):
            pass
    with storage.exclusive("new/.lock", "Another one is here."):
        pass
    assert storage.files("") == []
    (tmp_path / "file").touch()
    with (
        pytest.raises(StorageError, match=r"Cannot write .*/file/\.lock"),
        storage.exclusive("file/.lock", ""),
    ):
        pass


@pytest.mark.parametrize("number", [errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP])
def test_one_process_at_a_time_where_disks_have_no_locks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    monkeypatch.setattr("fcntl.flock", raising(OSError(number, os.strerror(number))))
    storage = open_storage(str(tmp_path))
    for _ in range(2):
        with storage.exclusive("new/.lock", "Another one is here."):
            assert storage.files("new") == ["new/.lock"]
            with (
                pytest.raises(ResumeError, match=r"^Another one is here\.$"),
                storage.exclusive("new/.lock", "Another one is here."),
            ):
                pass
        assert storage.files("") == []


HOLDER = """
import fcntl, os, sys
def fail(*_): raise OSError(38, "Function not implemented")
fcntl.flock = fail
from synthgen.storage import open_storage
with open_storage(sys.argv[1]).exclusive(".lock", "busy"):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_lock_of_a_process_that_was_killed_is_void(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another process holds the lock on a disk without locks; killed, it cannot remove its file."""
    monkeypatch.setattr("fcntl.flock", raising(OSError(errno.ENOSYS, "Function not implemented")))
    storage = open_storage(str(tmp_path))
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(ResumeError, match="busy"), storage.exclusive(".lock", "busy"):
            pass
        holder.kill()
    assert storage.exists(".lock")
    with storage.exclusive(".lock", "busy"):
        pass
    assert not storage.exists(".lock")


def test_a_disk_that_cannot_sync_folders_is_written_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "fsync", raising(OSError(errno.EINVAL, "Invalid argument")))
    storage = open_storage(str(tmp_path))
    storage.write_bytes("a/b", b"content")
    assert storage.read_bytes("a/b") == b"content"
    monkeypatch.setattr(os, "fsync", raising(OSError(errno.EIO, "Input/output error")))
    with pytest.raises(StorageError, match="Input/output error"):
        storage.write_bytes("a/c", b"content")
    assert storage.files("") == ["a/b"]


def test_object_stores_have_no_locks() -> None:
    storage = open_storage("memory://nothing")
    with storage.exclusive(".lock", "busy"), storage.exclusive(".lock", "busy"):
        assert not storage.exists(".lock")


def test_free_space_is_that_of_the_nearest_folder_there_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    free = {str(tmp_path): SimpleNamespace(free=123)}
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: free[folder])
    assert open_storage(str(tmp_path / "not" / "yet")).free_bytes() == 123
    assert open_storage("memory://root").free_bytes() is None


def test_the_root_of_the_file_system(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir("/")
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: {"/": SimpleNamespace(free=5)}[folder])
    monkeypatch.setattr(os, "access", lambda folder, mode: folder == "/")
    for storage in (open_storage("/"), open_storage(".")):
        assert (storage.full(""), storage.full("a")) == ("/", "/a")
        assert storage.free_bytes() == 5
        assert storage.seems_writable()


def test_a_relative_root_is_the_current_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    open_storage(".").write_bytes("a", b"here")
    assert (tmp_path / "a").read_bytes() == b"here"


def test_an_unknown_kind_of_url() -> None:
    with pytest.raises(
        StorageError,
        match="Expected a folder or a URL of an installed fsspec file system, received 'nonsense://x'",
    ):
        open_storage("nonsense://x")


def test_only_disks_of_this_machine_are_local(tmp_path: Path) -> None:
    assert open_storage(str(tmp_path)).is_local
    assert not open_storage("memory://root").is_local


def test_without_a_home_the_cache_lies_in_a_folder_of_ones_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """As in a container whose user has no line in /etc/passwd."""

    def unknown(uid: int) -> None:
        raise KeyError(f"getpwuid(): uid not found: {uid}")

    for name in ("HOME", "XDG_CACHE_HOME", "SYNTHGEN_CACHE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(pwd, "getpwuid", unknown)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    folder = tmp_path / f"synthgen-{os.getuid()}"
    make_homeless_cache.cache_clear()
    assert cache_folder() == cache_folder() == str(folder)
    assert folder.stat().st_mode & 0o777 == 0o700
    assert [record.message.split(",")[0] for record in caplog.records] == [
        "NOTICE: no home folder can be found"
    ]

    # somebody else may have prepared a folder of that name
    folder.rmdir()
    (tmp_path / "theirs").mkdir()
    folder.symlink_to(tmp_path / "theirs")
    make_homeless_cache.cache_clear()
    other = Path(cache_folder())
    assert other.parent == tmp_path
    assert other.name not in (folder.name, "theirs")
    assert other.stat().st_mode & 0o777 == 0o700

    # a chosen cache in a home that is not there is not made in the current folder
    for chosen in ("~/chosen", "~nobody-of-this-name/chosen"):
        monkeypatch.setenv("SYNTHGEN_CACHE", chosen)
        with pytest.raises(StorageError, match="Name it by its whole path"):
            cache_folder()


def test_a_disk_without_inodes_is_not_called_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", str(tmp_path / "x.part"))

    monkeypatch.setattr(os, "replace", refuse)
    for free, said in ((0, "can hold no more files (no inodes)"), (5, "the disk is full")):
        found = SimpleNamespace(f_files=100, f_favail=free, f_bavail=7)
        monkeypatch.setattr(os, "statvfs", lambda _, found=found: found)
        with pytest.raises(StorageError, match=re.escape(said)):
            open_storage(str(tmp_path)).write_bytes("x", b"content")


def test_the_cache_folder_is_the_users_choice_or_the_platforms(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SYNTHGEN_CACHE", str(tmp_path))
    assert cache_folder() == str(tmp_path)
    monkeypatch.setenv("SYNTHGEN_CACHE", "~/chosen")
    assert cache_folder() == os.path.expanduser("~/chosen")
    monkeypatch.delenv("SYNTHGEN_CACHE")
    assert os.path.basename(cache_folder()) in ("synthgen", "Cache")


def test_pipes_and_devices_are_not_read(tmp_path: Path) -> None:
    """They may never end, or never begin."""
    storage = open_storage(str(tmp_path))
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "device").symlink_to("/dev/zero")
    for name in ("pipe", "device"):
        for read in (storage.read_bytes, storage.open, lambda path: storage.read_many([path])):
            with pytest.raises(
                StorageError, match=f"{name}: expected a file, found a pipe, a sock"
            ):
                read(name)
    with pytest.raises(StorageError, match="NUL character in its name"):
        storage.read_bytes("a\0b")


def test_the_size_of_a_file(storage: Storage) -> None:
    storage.write_bytes("a/b", b"123")
    assert storage.size("a/b") == 3
    with pytest.raises(StorageError, match="look at"):
        storage.size("a/c")


def test_leftovers_of_killed_processes_are_cleared(storage: Storage) -> None:
    unfinished = ["a.json.0123abcd.part", ".synthgen-0123abcd"]
    left = [".synthgen-mine", "a.json", "a.part", "b/x.0123abcd.part"]
    for name in unfinished + left:
        storage.write_bytes(f"here/{name}", b"")
    storage.clear_leftovers("here")
    storage.clear_leftovers("nowhere")
    assert storage.files("here") == [f"here/{name}" for name in left]


def test_a_folder_that_cannot_be_listed_is_not_empty(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(path: object) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO), str(path))

    storage = open_storage(str(tmp_path))
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "b").write_bytes(b"c")
    assert storage.files("a") == ["a/b"]
    monkeypatch.setattr(os, "scandir", broken)
    with pytest.raises(StorageError, match="Cannot list"):
        storage.files("a")
    with pytest.raises(StorageError, match="Cannot list"):
        list(storage.walk("a"))


@pytest.mark.parametrize(
    "list_all",
    [
        lambda storage: storage.files("a"),
        lambda storage: list(storage.walk("a")),
        lambda storage: list_files(storage.url),
    ],
)
def test_a_remote_folder_that_cannot_be_listed_is_not_empty(
    list_all: Callable[[Storage], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    """fsspec's own `find` and `walk` say nothing of it."""
    storage = open_storage(ROOTS["objects"])
    monkeypatch.setattr(ObjectStore, "store", {"bucket/root/a/b/c": b"", "bucket/root/a/d": b""})
    assert storage.files("a") == ["a/b/c", "a/d"]
    assert list(list_files(storage.url).files) == ["a/b/c", "a/d"]
    monkeypatch.setattr(ObjectStore, "forbidden", "bucket/root/a/b")
    with pytest.raises(StorageError, match=r"Cannot list .*a/b: Forbidden\."):
        list_all(storage)


@pytest.mark.parametrize("error", [OSError(errno.EIO, "Input/output error"), KeyboardInterrupt()])
def test_a_disk_that_does_not_answer_is_not_empty(
    error: BaseException, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage = open_storage(str(tmp_path))
    monkeypatch.setattr(os, "stat", raising(error))
    with pytest.raises((StorageError, KeyboardInterrupt), match=r"Cannot look for .*|^$"):
        storage.exists("a")
    monkeypatch.undo()
    assert not any(storage.exists(name) for name in ("a", "a\0", "a" * 300))
