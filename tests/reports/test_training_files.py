import json
import math
from pathlib import Path

import pytest

from synthgen.errors import CheckpointError
from synthgen.reports.training_files import MOST_GRIDS, read_log, read_training
from tests.reports.training_example import ALARM, RECORD, make_run


def test_a_folder_is_read_as_it_was_written(tmp_path: Path) -> None:
    training = read_training(make_run(tmp_path / "my-run", events=[ALARM]))
    assert training.name == "my-run"
    assert training.record == RECORD
    assert training.events == (ALARM,)  # a line that was cut off is passed over
    assert list(training.grids) == ["000100", "000200", "000300"]
    assert training.grid_count == 3
    assert training.log["step"][-1] == 400
    content = (tmp_path / "my-run/samples/animation.webp").read_bytes()
    assert training.animation == ("image/webp", content)


def test_many_grids_are_thinned_out_from_the_first_to_the_last(tmp_path: Path) -> None:
    training = read_training(make_run(tmp_path, grids=5 * MOST_GRIDS))
    names = list(training.grids)
    assert len(names) == MOST_GRIDS
    assert (names[0], names[-1]) == ("000100", f"{500 * MOST_GRIDS:06d}")
    assert training.grid_count == 5 * MOST_GRIDS


def test_alarms_of_the_record_stand_in_where_there_are_no_events(tmp_path: Path) -> None:
    alarm = {name: value for name, value in ALARM.items() if name != "kind"}
    training = read_training(make_run(tmp_path, record=RECORD | {"alarms": [alarm, "broken"]}))
    assert training.events == (ALARM,)


def test_before_the_first_save_there_is_no_record(tmp_path: Path) -> None:
    folder = make_run(tmp_path, grids=0)
    for file in ("checkpoint.json", "samples/animation.webp"):
        (tmp_path / file).unlink()
    training = read_training(folder)
    assert (training.record, training.grids, training.animation) == ({}, {}, None)


def test_a_folder_without_a_training_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"Expected a training in .* found none"):
        read_training(str(tmp_path))


@pytest.mark.parametrize("content", ["{", "[1]", "7", "[" * 100_000])
def test_a_damaged_record_is_refused(tmp_path: Path, content: str) -> None:
    folder = make_run(tmp_path)
    (tmp_path / "checkpoint.json").write_text(content)
    with pytest.raises(CheckpointError, match=r"checkpoint\.json is damaged"):
        read_training(folder)


def test_reading_changes_nothing(tmp_path: Path) -> None:
    read_training(make_run(tmp_path, events=[ALARM]))
    assert json.loads((tmp_path / "checkpoint.json").read_text()) == RECORD


def test_an_empty_cell_is_a_value_that_was_not_measured() -> None:
    log = read_log(b"step,coverage,loss\n10,,0.5\n20,0.25,\n", "log.csv")
    assert log["step"].tolist() == [10, 20]
    assert math.isnan(log["coverage"][0])
    assert log["coverage"][1] == 0.25


def test_half_a_row_of_a_killed_writer_is_left_out() -> None:
    assert read_log(b"step,loss\n10,1\n20\n", "log.csv")["step"].tolist() == [10]


@pytest.mark.parametrize(
    "content",
    [b"", b"step,loss\n", b"loss\n1\n", b"step,loss\nten,1\n", b"\x89PNG", b"step\nnan\n"],
)
def test_what_is_no_log_is_refused(content: bytes) -> None:
    with pytest.raises(CheckpointError, match=r"Expected a log of a training in here\.csv"):
        read_log(content, "here.csv")
