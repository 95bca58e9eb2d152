import errno
from pathlib import Path

import pytest

from tests.faults.disk import Disk, Killed, attempt
from tests.faults.jobs import EVALUATION, SETS, Job
from tests.faults.trials import try_faults


def test_after_a_kill_nothing_reaches_the_disk(tmp_path: Path) -> None:
    def write() -> None:
        try:
            (tmp_path / "a").write_bytes(b"1")
            (tmp_path / "b").write_bytes(b"2")
        finally:
            (tmp_path / "c").write_bytes(b"3")

    assert isinstance(attempt(Disk(str(tmp_path), "kill", 1), write), Killed)
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_a_full_disk_stays_full_and_other_faults_come_once(tmp_path: Path) -> None:
    def write() -> list[int | None]:
        seen = []
        for name in "abc":
            try:
                (tmp_path / name).write_bytes(b"1")
            except OSError as error:
                seen.append(error.errno)
            else:
                seen.append(None)
        raise ValueError(seen)

    full, broken = errno.ENOSPC, errno.EIO
    for fault, seen in (("full disk", [None, full, full]), ("I/O error", [None, broken, None])):
        assert str(attempt(Disk(str(tmp_path), fault, 1), write)) == str(seen)
    assert isinstance(attempt(Disk(str(tmp_path), "interrupt", 1), write), KeyboardInterrupt)


@pytest.mark.slow
@pytest.mark.parametrize("job", [*SETS, EVALUATION], ids=lambda job: job.name)
def test_a_job_survives_faults_at_some_of_its_operations(job: Job) -> None:
    """`python -m tests.faults --all` tries all of them."""
    trials = list(try_faults([job], every=97))
    assert len(trials) >= 4
    assert [trial for trial in trials if trial.words] == []
