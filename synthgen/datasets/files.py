"""What lies at a path: its files and folders, listed and bounded before anything is read.

Links to files and folders are followed, so that a linked class gives what a plain copy gives. What
no copy could give is refused: a link to nothing, a folder that is linked into itself, a pipe or a
device in the place of a file. Hidden files and what operating systems leave behind are passed
over, and counted.
"""

import os
import re
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from typing import IO

from synthgen.errors import DataError
from synthgen.storage import Storage, open_storage
from synthgen.text import byte_size

ARRAY_BYTES = 384 * 2**20  # of one array, or of all pictures: 513,000 images of 28 x 28
FILE_BYTES = 512 * 2**20
FOLDER_DEPTH = 20
FILES_LISTED = 2_000_000
SYSTEM_FOLDERS = {
    "__macosx",
    "__pycache__",
    "@__thumb",
    "@eadir",
    "@recently-snapshot",
    "@recycle",
    "@tmp",
    "#recycle",
    "#snapshot",
    "$recycle.bin",
    "system volume information",
    "lost+found",
    "network trash folder",
    "temporary items",
    "_gsdata_",
}
SYSTEM_FILES = {
    "thumbs.db",
    "ehthumbs.db",
    "ehthumbs_vista.db",
    "desktop.ini",
    "icon\r",
    "zbthumbnail.info",
}
# Streams and attributes of a file, which disks that have none keep in a file beside it
SIDE_STREAM = re.compile(r":encryptable$|\.[A-Za-z][A-Za-z0-9]{1,5}(:[A-Za-z]|@Syno)[\w.]*$")
DISK_FOLDER = re.compile(r"[@~][A-Za-z][^.]*$|found\.[0-9]{3}$", re.IGNORECASE)  # as @eaDir
# fmt: off
DOCUMENT_SUFFIXES = {
    ".txt", ".md", ".rst", ".json", ".jsonl", ".yaml", ".yml", ".toml", ".xml", ".html",
    ".htm", ".pdf", ".log", ".xlsx", ".ods", ".py", ".ipynb", ".sh", ".bat", ".cfg", ".ini",
    ".url", ".lnk", ".nfo", ".md5", ".sha1", ".sha256", ".bib", ".cff",
}
DOCUMENT_NAMES = {
    "license", "licence", "copying", "readme", "authors", "notice", "changelog", "manifest",
}
# fmt: on


@dataclass(frozen=True, kw_only=True)
class Listing:
    """The files of a data set.

    Args:
        storage: the folder; for a path that names a file, the folder that the file lies in.
        files: bytes of each file by its path in the folder, in order of path; without hidden ones.
            Paths are read as UTF-8, whatever the locale says.
        folders: the path of each folder in it, empty ones too; without hidden ones.
        hidden: the paths of hidden, unfinished and system files, which are passed over.
        is_file: whether the path names a single file.
    """

    storage: Storage
    files: Mapping[str, int]
    folders: tuple[str, ...] = ()
    hidden: tuple[str, ...] = ()
    is_file: bool = False

    def read_bytes(self, path: str, limit: int = FILE_BYTES) -> bytes:
        """Return the whole content of a file.

        Raises:
            DataError: if the file is larger than `limit` bytes.
        """
        self.check_size(path, limit)
        return self.storage.read_bytes(self.place(path))

    def open(self, path: str) -> IO[bytes]:
        """Open a file for reading."""
        return self.storage.open(self.place(path))

    def place(self, path: str) -> str:
        """Return a path of a file as the storage takes it."""
        return os.fsdecode(path.encode()) if self.storage.is_local else path

    def check_size(self, path: str, limit: int) -> None:
        """Make sure that a file has at most `limit` bytes.

        Raises:
            DataError: naming the file and its size.
        """
        if self.files[path] > limit:
            raise DataError(
                f"{path}: Expected a file of at most {byte_size(limit)}, received "
                f"{byte_size(self.files[path])}. Give fewer or smaller images."
            )


def list_files(data: str) -> Listing:
    """List what lies at a path.

    Args:
        data: the path or fsspec URL of a file or a folder.

    Raises:
        DataError: if there is nothing of that name, if a link in it leads nowhere or back to a
            folder above it, or if something in it is neither a file nor a folder.
    """
    if not data.strip() or "\0" in data:
        raise DataError(
            f"Expected 'mnist', a file or a folder, received the name {data!r}. Name the current "
            "folder as '.'."
        )
    storage = open_storage(data)
    if not storage.exists(""):
        raise DataError("Expected 'mnist', a file or a folder, but there is nothing of that name.")
    if not storage.is_local:
        return _list_remote(storage)
    _read_name(os.fsencode(storage.root))
    kind = os.stat(storage.root or "/").st_mode
    if stat.S_ISDIR(kind):
        return _list_folder(storage)
    folder, _, name = storage.root.rpartition("/")
    _check_regular(kind, name)
    size = os.stat(storage.root).st_size
    return Listing(
        storage=Storage(storage.fs, folder, storage.url),
        files={_read_name(os.fsencode(name)): size},
        is_file=True,
    )


def place_below(data: str, path: str) -> str:
    """Name what lies below a folder, as people would have to.

    Args:
        data: the folder as they named it.
        path: from there.

    Example:
        >>> place_below("zip://::digits.zip", "mnist"), place_below("digits/", "mnist")
        ('zip://mnist::digits.zip', 'digits/mnist')
    """
    folder, chain, rest = data.partition("::")
    between = "" if folder.endswith("/") else "/"
    return f"{folder}{between}{path}{chain}{rest}"


def check_array_bytes(size: int, what: str) -> None:
    """Make sure that an array that a file declares may be allocated.

    Args:
        size: bytes of the array.
        what: the file and the array, for the message.

    Raises:
        DataError: if it has more than `ARRAY_BYTES`.
    """
    if size > ARRAY_BYTES:
        raise DataError(
            f"{what}: Expected at most {byte_size(ARRAY_BYTES)} of pixels, received "
            f"{byte_size(size)}. Give fewer or smaller images."
        )


def is_hidden(path: str) -> bool:
    """Whether a file is hidden, unfinished, or left behind by an operating system.

    Args:
        path: of the file, or that of a folder with a "/" at its end; what lies in a hidden folder
            is hidden.
    """
    *folders, name = path.split("/")
    return (
        any(part.startswith(".") for part in (*folders, name))
        or any(part.lower() in SYSTEM_FOLDERS for part in (*folders, name))
        or any(DISK_FOLDER.match(part) for part in (*folders, name))
        or name.lower() in SYSTEM_FILES
        or name.endswith((".part", ".crdownload", "~"))
        or name.startswith("~$")
        or SIDE_STREAM.search(name) is not None
    )


def is_document(path: str) -> bool:
    """Whether a file holds text about data and no data, such as a licence or a description."""
    name = path.rpartition("/")[2].lower()
    return suffix_of(name) in DOCUMENT_SUFFIXES or name.partition(".")[0] in DOCUMENT_NAMES


def suffix_of(path: str) -> str:
    """Return the suffix of a file's name in lower case: 'a/B.PNG' -> '.png'."""
    name = path.rpartition("/")[2]
    return f".{name.rpartition('.')[2].lower()}" if "." in name else ""


def _list_folder(storage: Storage) -> Listing:
    files: dict[str, int] = {}
    folders: list[str] = []
    hidden: list[str] = []
    root = os.stat(storage.root or "/")
    # a folder, and the identities of itself and of the folders above it
    waiting: list[tuple[str, tuple[tuple[int, int], ...]]] = [("", ((root.st_dev, root.st_ino),))]
    while waiting:
        folder, above = waiting.pop()
        if len(above) > FOLDER_DEPTH:
            raise DataError(
                f"{folder[:200]}: Expected at most {FOLDER_DEPTH} folders inside one another, "
                "received more. Name the folder that holds the class folders."
            )
        try:
            entries = list(os.scandir(storage.full(folder)))
        except OSError as error:
            raise DataError(
                f"{folder or storage.url}: Expected a folder that can be read, received one that "
                f"cannot be ({error.strerror}). Allow it, or move the folder away."
            ) from error
        for entry in entries:
            place = f"{folder}/{entry.name}" if folder else entry.name
            path = _read_name(os.fsencode(place))
            try:
                found = entry.stat()
            except OSError as error:
                if is_hidden(path):
                    hidden.append(path)
                    continue
                raise DataError(
                    f"{path}: Expected a link to something that is there, received one that leads "
                    f"nowhere ({error.strerror}). Bring back what it leads to, or remove it."
                ) from error
            if stat.S_ISDIR(found.st_mode):
                identity = (found.st_dev, found.st_ino)
                if identity in above:
                    raise DataError(
                        f"{path}: Expected folders that end, received a link that leads back to a "
                        "folder above it. Remove the link."
                    )
                waiting.append((place, (*above, identity)))
                if not is_hidden(f"{path}/"):
                    folders.append(path)
            elif is_hidden(path):
                hidden.append(path)
            else:
                _check_regular(found.st_mode, path)
                files[path] = found.st_size
            if len(files) + len(folders) + len(hidden) > FILES_LISTED:
                raise DataError(
                    f"Expected at most {FILES_LISTED:,} files and folders, received more. Name the "
                    "folder that holds the class folders."
                )
    return Listing(
        storage=storage,
        files=dict(sorted(files.items())),
        folders=tuple(sorted(folders)),
        hidden=tuple(sorted(hidden)),
    )


def _list_remote(storage: Storage) -> Listing:
    if storage.is_file(""):
        folder, _, name = storage.root.rpartition("/")
        size = storage.size("")
        listed = Storage(storage.fs, folder, storage.url)
        return Listing(storage=listed, files={name: size}, is_file=True)
    files: dict[str, int] = {}
    folders: list[str] = []
    hidden: list[str] = []
    for place, sizes in storage.walk_remote(""):
        folder = _read_name(place.encode(errors="surrogateescape"))
        if folder and not is_hidden(f"{folder}/"):
            folders.append(folder)
        for found, size in sizes.items():
            path = _read_name(found.encode(errors="surrogateescape"))
            if is_hidden(path):
                hidden.append(path)
            else:
                files[path] = size
    implied = {path.rpartition("/")[0] for path in files} - {""}  # object stores have no folders
    return Listing(
        storage=storage,
        files=dict(sorted(files.items())),
        folders=tuple(sorted({*folders, *implied})),
        hidden=tuple(sorted(hidden)),
    )


def _check_regular(kind: int, path: str) -> None:
    if not stat.S_ISREG(kind):
        raise DataError(
            f"{path}: Expected a file or a folder, received a pipe, socket or device. Give a "
            "copy of what it holds as a file."
        )


def _read_name(name: bytes) -> str:
    """Read the name of a file or folder as UTF-8, whatever encoding the locale says."""
    try:
        return name.decode()
    except UnicodeDecodeError:
        raise DataError(
            f"{name.decode(errors='replace')}: Expected names in UTF-8, received one in another "
            "encoding. Rename it."
        ) from None
