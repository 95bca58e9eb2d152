"""Sets in an S3 server of its own process, over HTTP that fails now and then.

Between the two stands a proxy, which answers some requests with an error, some never, and cuts the
connection of others in the middle of an upload.
"""

import http.client
import http.server
import itertools
import re
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar

import fsspec
import pytest

from synthgen import pipeline
from synthgen.config import EvaluationSettings
from synthgen.datasets.digits import Digits
from synthgen.datasets.splits import RealDigits
from synthgen.errors import StorageError
from synthgen.shards.job import prepare
from synthgen.shards.load import load
from synthgen.shards.partitions import make_partition, merge, parse_partition
from synthgen.shards.verify import verify
from synthgen.storage import open_storage
from tests.evaluation.conftest import FakeJudge, FakeNetwork
from tests.shards.conftest import fake_networks, files, make, make_checkpoint, make_settings

pytestmark = pytest.mark.slow
pytest.importorskip("moto", reason="moto's S3 server is not installed (pip install '.[dev]')")
pytest.importorskip("s3fs", reason="s3fs is not installed (pip install 's3fs')")

ROOT = "s3://bucket/some/digits"
FEW = {"per_class": 22, "shard_size": 15}  # five shards, the last one not full
READ_TIMEOUT = 4.0  # seconds that a client waits for an answer


class FaultyProxy(http.server.BaseHTTPRequestHandler):
    """Hands requests on to the S3 server, but for those that the plan of faults names."""

    server_port: ClassVar[int]  # of the S3 server
    fault: ClassVar[Callable[[str, str], str]]  # of method and path; "" for none
    seen: ClassVar[list[tuple[str, str, str]]] = []  # method, path, fault
    protocol_version = "HTTP/1.1"

    def serve(self) -> None:
        fault = type(self).fault(self.command, self.path)
        self.seen.append((self.command, self.path, fault))
        length = int(self.headers.get("Content-Length", 0))
        if fault == "cut":  # half of what was to come, and the connection is reset
            self.rfile.read(length // 2)
            reset = struct.pack("ii", 1, 0)
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, reset)
            self.connection.close()
            self.close_connection = True
            return
        body = self.rfile.read(length)
        if fault == "silence":
            time.sleep(READ_TIMEOUT + 0.5)
            self.close_connection = True
            return
        if fault:
            self.answer(int(fault), b"<Error><Code>InternalError</Code></Error>", {})
            return
        there = http.client.HTTPConnection("127.0.0.1", self.server_port)
        there.request(self.command, self.path, body, dict(self.headers.items()))
        found = there.getresponse()
        self.answer(found.status, found.read(), dict(found.getheaders()))
        there.close()

    def answer(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response_only(status)
        length = headers.pop("Content-Length", str(len(body)))  # of a HEAD, that of a GET
        for name, value in headers.items():
            if name not in ("Transfer-Encoding", "Connection"):
                self.send_header(name, value)
        self.send_header("Content-Length", length)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Be quiet."""


for method in ("GET", "PUT", "POST", "HEAD", "DELETE"):
    setattr(FaultyProxy, f"do_{method}", FaultyProxy.serve)


def no_fault(method: str, path: str) -> str:
    return ""


@pytest.fixture(scope="module")
def s3_server() -> Iterator[int]:
    """The port of moto's S3 server, a process of its own."""
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", "0"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as server:
        assert server.stderr is not None
        for line in server.stderr:
            found = re.search(r"Running on http://127\.0\.0\.1:(\d+)", line)
            if found:
                break
        threading.Thread(target=server.stderr.read, daemon=True).start()
        assert found
        yield int(found[1])
        server.kill()


@pytest.fixture
def proxy(s3_server: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[type[FaultyProxy]]:
    """The way to an empty bucket; without faults, unless a test plans some."""
    FaultyProxy.server_port = s3_server
    FaultyProxy.fault = staticmethod(no_fault)
    FaultyProxy.seen.clear()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), FaultyProxy)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "anybody")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "anything")
    monkeypatch.setitem(
        fsspec.config.conf,
        "s3",
        {
            "endpoint_url": f"http://127.0.0.1:{server.server_port}",
            "config_kwargs": {"read_timeout": READ_TIMEOUT},
        },
    )
    store = fsspec.filesystem("s3", skip_instance_cache=True, use_listings_cache=False)
    store.mkdir("bucket")
    FaultyProxy.seen.clear()
    yield FaultyProxy
    FaultyProxy.fault = staticmethod(no_fault)
    store.rm("bucket", recursive=True)
    server.shutdown()
    server.server_close()


def objects() -> dict[str, bytes]:
    """All objects of the set but the run record, which holds timings."""
    storage = open_storage(ROOT)
    paths = [path for path in storage.files("") if not path.endswith(".json")]
    return storage.read_many(paths)


def test_faults_are_made_up_for(proxy: type[FaultyProxy], tmp_path: Path) -> None:
    """Every fifteenth request fails: errors of the server, time-outs, connections that are cut."""
    make(tmp_path, **FEW)
    errors = itertools.cycle(["500", *14 * [""], "cut", *14 * [""], "503", *14 * [""]])
    plan = itertools.chain(["silence"], errors)
    proxy.fault = staticmethod(lambda *_: next(plan))
    make(ROOT, **FEW)
    assert {fault for _, _, fault in proxy.seen} == {"", "500", "503", "cut", "silence"}
    report = verify(f"{ROOT}/manifests/tiny.csv", progress=False)
    loaded = load(f"{ROOT}/manifests/tiny.csv")
    proxy.fault = staticmethod(no_fault)
    assert objects() == files(tmp_path)
    assert report.problems == []
    assert (loaded.images == load(str(tmp_path / "manifests/tiny.csv")).images).all()


def test_a_store_that_fails_for_good_publishes_nothing_and_is_resumed(
    proxy: type[FaultyProxy], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(tmp_path, **FEW)
    whole = files(tmp_path)
    impatient = {"read_timeout": READ_TIMEOUT, "retries": {"max_attempts": 0}}
    monkeypatch.setitem(fsspec.config.conf["s3"], "config_kwargs", impatient)
    broken = "/data/tiny/hdf5/00004.h5"
    proxy.fault = staticmethod(
        lambda method, path: "cut" if method == "PUT" and path.endswith(broken) else ""
    )
    with pytest.raises(StorageError, match=r"Cannot write to bucket/some/digits: "):
        make(ROOT, **FEW)
    # what is there is whole, and nothing says that the set is
    proxy.fault = staticmethod(no_fault)
    there = objects()
    assert "manifests/tiny.csv" not in there
    assert "data/tiny/hdf5/00000.h5" in there
    assert all(whole[path] == content for path, content in there.items() if "parts" not in path)

    # the next one goes on, by the listing: finished shards are neither written nor read again
    proxy.seen.clear()
    assert make(ROOT, **FEW).skipped[:3] == (0, 1, 2)
    shard = "/data/tiny/hdf5/00002.h5"  # the first two have images of the contact sheet
    assert [seen for seen in proxy.seen if seen[1].endswith(shard)] == []
    assert objects() == whole
    # the manifest is written last
    written = [path for method, path, _ in proxy.seen if method == "PUT"]
    assert written[-1].endswith("/manifests/tiny.csv")


def test_partitions_meet_in_an_object_store(proxy: type[FaultyProxy], tmp_path: Path) -> None:
    make(tmp_path, **FEW)
    for text in ("2/2", "1/2"):
        job = prepare(make_settings(**FEW), ROOT, make_checkpoint())
        make_partition(parse_partition(text), job, networks=fake_networks, progress=False)
    merge("tiny", ROOT, progress=False)
    assert objects() == files(tmp_path)


def test_many_files_are_read_with_a_request_for_each(proxy: type[FaultyProxy]) -> None:
    make(ROOT, **FEW)
    proxy.seen.clear()
    assert verify(f"{ROOT}/manifests/tiny.csv", progress=False).problems == []
    asked = [
        (method, path) for method, path, _ in proxy.seen if "/png/" in path and "?" not in path
    ]
    assert len(asked) == len(set(asked)) == 3 * FEW["per_class"]
    assert {method for method, _ in asked} == {"GET"}

    storage = open_storage(ROOT)
    storage.write_many({"empty": b"", "full": b"a"})
    assert storage.read_many(["empty", "full"]) == {"empty": b"", "full": b"a"}
    with pytest.raises(StorageError, match=r"Cannot read .*/missing: "):
        storage.read_many(["full", "missing"])


def test_a_bucket_that_is_not_there_is_not_made(proxy: type[FaultyProxy]) -> None:
    with pytest.raises(
        StorageError, match="Cannot write to s3://other/digits: there is no such bucket"
    ):
        make("s3://other/digits")
    assert fsspec.filesystem("s3", use_listings_cache=False).ls("") == ["bucket"]


def test_a_split_set_is_evaluated_where_it_is(proxy: type[FaultyProxy], tmp_path: Path) -> None:
    """Every 20th request fails; the figures are those of the same set on a disk."""
    split = FEW | {"manifest_rows": 30}
    make(tmp_path, **split)
    make(ROOT, **split)
    digits = load(str(tmp_path / "manifests/tiny.csv"))
    train = Digits(255 - digits.images, digits.labels, digits.class_names)
    real = RealDigits(train=train, validation=train, test=digits, source="drawn", sha256="a" * 64)

    def figures(root: str) -> tuple[Any, ...]:
        found = pipeline.evaluate_set(
            "manifests/tiny.csv",
            root,
            real,
            EvaluationSettings(arms=("real", "real_synthetic"), seeds=1, resamplings=2),
            judge=FakeJudge().judge(),
            network=FakeNetwork().network,
        ).evaluation
        return ([arm.accuracy for arm in found.arms], found.measures.fidelity, found.agreement)

    errors = itertools.cycle(["500", *19 * [""]])
    proxy.fault = staticmethod(lambda *_: next(errors))
    there = figures(ROOT)
    proxy.fault = staticmethod(no_fault)
    assert "500" in {fault for _, _, fault in proxy.seen}
    assert there == figures(str(tmp_path))
    written = {path.rpartition("/")[2] for path in objects() if "evaluation" in path}
    assert written == {"cells.jsonl", "evaluation.csv", "report.html", "report.md"}
