import json
from pathlib import Path

from synthgen.gan.log import EVENTS_FILE, LOG_COLUMNS, LOG_FILE, RunLog
from synthgen.storage import open_storage


def row(step: int) -> dict[str, float | None]:
    return dict.fromkeys(LOG_COLUMNS, 0.125) | {"step": step, "coverage": None, "usefulness": None}


def test_rows_of_all_runs_stand_in_one_file(
    tmp_path: Path,
) -> None:
    first = RunLog(open_storage(str(tmp_path)))
    first.add(row(10))
    first.add(row(20) | {"coverage": 1 / 3})
    second = RunLog(open_storage(str(tmp_path)), json.loads(json.dumps(first.content())))
    assert second.rows == first.rows
    second.add(row(30))
    second.write()
    header, *lines = (tmp_path / LOG_FILE).read_text().splitlines()
    assert header == ",".join(LOG_COLUMNS)
    assert [line.split(",")[LOG_COLUMNS.index("coverage")] for line in lines] == [
        "",
        "0.333333",
        "",
    ]
    assert [line.split(",")[0] for line in lines] == ["10", "20", "30"]
    assert "coverage" not in second.rows[0]
    assert second.rows[1]["coverage"] == 0.333333


def test_events_are_lines_of_json_with_alarms_among_them(tmp_path: Path) -> None:
    log = RunLog(open_storage(str(tmp_path)))
    log.note("score", 5, usefulness=0.5, best=True)
    log.note("alarm", 7, name="mode collapse", message="few")
    events = [json.loads(line) for line in (tmp_path / EVENTS_FILE).read_text().splitlines()]
    assert events == log.events == log.content()["events"]
    assert events[0] == {"step": 5, "kind": "score", "usefulness": 0.5, "best": True}
    assert log.alarms() == [{"step": 7, "name": "mode collapse", "message": "few"}]


def test_there_are_events_for_tensorboard(tmp_path: Path) -> None:
    log = RunLog(open_storage(str(tmp_path)))
    log.add(row(10))
    (board,) = (tmp_path / "training").glob("events.out.tfevents*")
    assert b"discriminator_gradient" in board.read_bytes()


def test_steps_beyond_a_million_keep_all_their_digits(tmp_path: Path) -> None:
    log = RunLog(open_storage(str(tmp_path)))
    log.add(row(1_234_560) | {"seconds": 1_234_560.7})
    log.write()
    assert (tmp_path / LOG_FILE).read_text().splitlines()[1].startswith("1234560,1.23456e+06,")
    assert RunLog(open_storage(str(tmp_path)), log.content()).rows[0]["step"] == 1_234_560
