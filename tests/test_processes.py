"""Jobs in processes of their own: who does what, what ends them, and that none is left behind."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from synthgen.errors import CheckFailed, DataError, Interrupted
from synthgen.processes import interrupts_held, run_side_by_side, use_one_thread, worker_count


@pytest.fixture(autouse=True)
def importable(monkeypatch: pytest.MonkeyPatch) -> None:
    """New processes import this module by name."""
    monkeypatch.syspath_prepend(str(Path(__file__).parents[1]))


def is_there(process: int) -> bool:
    """Whether a process of this number is running."""
    return Path(f"/proc/{process}").exists()


def work(job: str) -> Iterator[tuple[str, int, str]]:
    """Something that jobs may come to."""
    yield job, os.getpid(), os.environ.get("TF_NUM_INTRAOP_THREADS", "")
    if job == "fails":
        raise CheckFailed("not good enough")
    if job == "wrong":
        raise DataError("too few digits")
    if job == "interrupted":  # as by Ctrl-C, which is for the process that started this one
        os.kill(os.getpid(), signal.SIGINT)
    if job == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    if job == "long":
        time.sleep(100)
    yield job, os.getpid(), "end"


def test_without_processes_jobs_are_done_here_in_their_order() -> None:
    found = run_side_by_side(work, ["a", "fails", "b"], 0)
    assert [next(found)[::2] for _ in range(5)] == [
        ("a", os.environ.get("TF_NUM_INTRAOP_THREADS", "")),
        ("a", "end"),
        ("fails", os.environ.get("TF_NUM_INTRAOP_THREADS", "")),
        ("b", os.environ.get("TF_NUM_INTRAOP_THREADS", "")),
        ("b", "end"),
    ]
    with pytest.raises(CheckFailed, match="not good enough"):
        next(found)


@pytest.mark.slow
def test_processes_share_the_jobs_and_are_replaced() -> None:
    found = list(run_side_by_side(work, ["a", "b", "c", "d", "interrupted"], 2, jobs_each=2))
    assert sorted(job for job, _, _ in found) == [*"aabbccdd", "interrupted", "interrupted"]
    by_process: dict[int, set[str]] = {}
    for job, process, _ in found:
        by_process.setdefault(process, set()).add(job)
    assert os.getpid() not in by_process
    assert sorted(map(len, by_process.values())) == [1, 2, 2]
    assert {threads for _, _, threads in found} == {"1", "end"}

    # one check that fails ends one job
    rest = run_side_by_side(work, ["fails", "a", "b"], 1)
    assert [next(rest)[0] for _ in range(5)] == ["fails", "a", "a", "b", "b"]
    with pytest.raises(CheckFailed, match="not good enough"):
        next(rest)
    assert not any(map(is_there, by_process))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("job", "kind", "message"),
    [("wrong", DataError, "too few digits"), ("killed", Interrupted, "want of memory")],
)
def test_what_ends_a_process_ends_the_others(job: str, kind: type[Exception], message: str) -> None:
    found = run_side_by_side(work, ["long", job], 2)
    processes: list[int] = []
    with pytest.raises(kind, match=message):
        processes.extend(process for _, process, _ in found)
    assert processes
    assert not any(map(is_there, processes))


def test_processes_are_as_many_as_asked_for_or_as_cores_and_memory_allow(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("synthgen.processes.has_gpu", lambda: False)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(6)))
    sizes = {"SC_PAGE_SIZE": 4096, "SC_PHYS_PAGES": 2**30 // 4096 * 9}
    monkeypatch.setattr(os, "sysconf", sizes.__getitem__)
    assert (worker_count(), worker_count(3)) == (4, 3)
    sizes["SC_PHYS_PAGES"] = 1
    assert worker_count() == 1
    sizes["SC_PHYS_PAGES"] = 2**40
    assert worker_count() == 6
    monkeypatch.setattr("synthgen.processes.has_gpu", lambda: True)
    assert (worker_count(), worker_count(3)) == (1, 3)


def test_threads_set_for_other_programs_do_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("synthgen.processes.has_gpu", lambda: False)
    monkeypatch.setenv("TF_NUM_INTRAOP_THREADS", "4")
    monkeypatch.setenv("TF_NUM_INTEROP_THREADS", "")
    use_one_thread()
    assert os.environ["TF_NUM_INTRAOP_THREADS"] == "1"
    assert os.environ["TF_NUM_INTEROP_THREADS"] == "1"


@pytest.mark.slow
def test_a_script_needs_no_guard_and_its_processes_end_with_it(tmp_path: Path) -> None:
    """The script starts processes when it is imported, and is killed without a warning."""
    script = tmp_path / "parent.py"
    script.write_text(
        "from synthgen.processes import run_side_by_side\n"
        "from tests.test_processes import work\n"
        "for _, process, _ in run_side_by_side(work, ['long', 'long'], 2):\n"
        "    print(process, flush=True)\n"
    )
    command = [sys.executable, str(script)]
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[1])}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as parent:
        assert parent.stdout is not None
        processes = [int(parent.stdout.readline()) for _ in range(2)]
        parent.kill()
        # it ends when the last process that holds the pipe is gone
        assert parent.stdout.read() == ""
    assert len(set(processes)) == 2


def test_interrupts_wait_for_the_end_of_the_block() -> None:
    done = []

    def work() -> None:
        with interrupts_held():
            os.kill(os.getpid(), signal.SIGINT)
            done.append("rest of the block")

    with pytest.raises(KeyboardInterrupt):
        work()
    assert done == ["rest of the block"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_interrupts_end_a_long_block_where_it_says() -> None:
    done = []

    def work() -> None:
        with interrupts_held() as let_through:
            for piece in range(10):
                done.append(piece)
                if piece == 3:
                    os.kill(os.getpid(), signal.SIGINT)
                let_through()

    with pytest.raises(KeyboardInterrupt):
        work()
    assert done == [0, 1, 2, 3]


def test_other_threads_hold_nothing_back() -> None:
    def work() -> bool:
        with interrupts_held():
            return signal.getsignal(signal.SIGINT) is signal.default_int_handler

    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(work).result()
