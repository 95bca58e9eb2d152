"""A disk that fails: every file operation below a folder is counted, and one of them goes wrong.

Python tells its audit hooks of each operation before it is done
(https://docs.python.org/3/library/audit_events.html); what a hook raises stands in its place. So
nothing of the package is replaced, and nothing it does can pass unseen.
"""

import errno
import gc
import os
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

Fault = Literal["kill", "full disk", "I/O error", "interrupt", "two at once"]
FAULTS: tuple[Fault, ...] = ("kill", "full disk", "I/O error", "interrupt", "two at once")
WRITING = ("os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.link", "os.symlink", "os.truncate")
READING = ("os.listdir", "os.scandir")
WRITE_FLAGS = os.O_WRONLY | os.O_RDWR | os.O_CREAT


class Killed(BaseException):
    """Stands for the end of the process: whatever is done below the folder after it raises it."""


@dataclass(eq=False)
class Disk:
    """Counts the file operations below a folder, and lets one of them go wrong.

    Args:
        root: the folder.
        fault: what happens: "kill" ends all that follows, a "full disk" refuses all writing that
            follows, an "I/O error" and an "interrupt" come once; "two at once" does something else
            in that place, and goes on.
        at: number of the operation, from 0; None for a disk that works.
        beside: what is done there, if two are at it.
        operations: how many there were so far.
        outside: files elsewhere that were opened for writing, moved or removed; caches and
            temporary files aside.
    """

    root: str
    fault: Fault = "kill"
    at: int | None = None
    beside: Callable[[], object] = lambda: None
    operations: int = 0
    outside: list[str] = field(default_factory=list)
    _is_beside: bool = False

    def notice(self, event: str, arguments: tuple[Any, ...]) -> None:
        """Hears of an operation before it is done."""
        if event == "open":
            path, _, flags = arguments
            writes = bool((flags or 0) & WRITE_FLAGS)
        elif event in WRITING or event in READING:
            path = arguments[0]
            writes = event in WRITING
        else:
            return
        folder = arguments[-1] if event in ("os.remove", "os.rmdir", "os.mkdir") else -1
        if not self._is_below(path, folder):
            if writes and isinstance(path, str) and folder == -1 and is_elsewhere(path):
                self.outside.append(path)
            return
        if self._is_beside:
            return
        number = self.operations
        self.operations += 1
        if self.at is None or number < self.at:
            return
        if self.fault == "kill":
            raise Killed
        if self.fault == "full disk" and writes and event not in ("os.remove", "os.rmdir"):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        if number > self.at:
            return
        if self.fault == "I/O error":
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        if self.fault == "interrupt":
            raise KeyboardInterrupt
        if self.fault == "two at once":
            self._is_beside = True
            try:
                self.beside()
            finally:
                self._is_beside = False

    def _is_below(self, path: Any, folder: int) -> bool:
        """Returns whether an operation is about a path of the disk."""
        if not isinstance(path, str | bytes | os.PathLike):
            return False
        text = os.fsdecode(path)
        if folder != -1 and not os.path.isabs(text):
            text = os.path.join(os.readlink(f"/proc/self/fd/{folder}"), text)
        return text.startswith(self.root)


def is_elsewhere(path: str) -> bool:
    """Returns whether a path is neither among temporary files nor in a cache, nor a device."""
    real = os.path.realpath(path)
    usual = (tempfile.gettempdir(), os.environ.get("SYNTHGEN_CACHE", "/dev"), "/dev", "/proc")
    return not real.startswith(usual) and "__pycache__" not in real and "/.cache/" not in real


_watching: list[Disk] = []


def _hear(event: str, arguments: tuple[Any, ...]) -> None:
    for disk in _watching:
        disk.notice(event, arguments)


sys.addaudithook(_hear)  # there is no way to take it back; without a disk it does nothing


def attempt(disk: Disk, call: Callable[[], object]) -> BaseException | None:
    """Lets a disk fail while something is done; afterwards all is as after the end of a process.

    Returns:
        What it raised, without the frames that hold its files and locks; None if it ended well.
    """
    raised = None
    _watching.append(disk)
    try:
        call()
    except BaseException as error:
        raised = error.with_traceback(None)
        raised.__context__ = None
        raised.__cause__ = None
    finally:
        _watching.remove(disk)
    gc.collect()  # a process that ends gives its locks back
    return raised
