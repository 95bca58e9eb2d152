import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from synthgen.datasets.digits import Images
from synthgen.datasets.pixels import encode_png
from synthgen.gan.log import (
    ANIMATION,
    EVENTS_FILE,
    FRAME_MILLISECONDS,
    LAST_FRAME_MILLISECONDS,
    LOG_COLUMNS,
    LOG_FILE,
    RunLog,
    encode_animation,
    sheet_files,
    write_animation,
)
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


def frames(count: int, size: int = 24, channels: int = 1) -> list[Images]:
    """Frames of one grey level each."""
    return [np.full((size, size, channels), 20 * k, np.uint8) for k in range(count)]


def levels(content: bytes) -> list[tuple[int, int]]:
    """Grey level and duration of each frame."""
    with Image.open(io.BytesIO(content)) as picture:
        found = []
        for k in range(picture.n_frames):
            picture.seek(k)
            picture.load()
            found.append(
                (int(np.asarray(picture.convert("L")).mean().round()), picture.info["duration"])
            )
        return found


@pytest.mark.parametrize("channels", [1, 3])
def test_frames_come_in_order_and_the_last_one_rests(channels: int) -> None:
    found = levels(encode_animation(frames(5, channels=channels)))
    assert [level for level, _ in found] == pytest.approx([0, 20, 40, 60, 80], abs=3)
    assert [duration for _, duration in found] == [FRAME_MILLISECONDS] * 4 + [
        LAST_FRAME_MILLISECONDS
    ]


def test_it_repeats_for_ever() -> None:
    with Image.open(io.BytesIO(encode_animation(frames(2)))) as picture:
        assert picture.info["loop"] == 0


def test_too_large_a_file_leaves_out_every_other_frame() -> None:
    rng = np.random.default_rng(0)
    noise = [rng.integers(0, 256, (64, 64, 1), dtype=np.uint8) for _ in range(9)]
    whole = len(encode_animation(noise))
    half = encode_animation(noise, limit=whole // 2 + 1000)
    assert len(half) <= whole // 2 + 1000
    assert len(levels(half)) in (3, 5)
    assert len(levels(encode_animation(noise, limit=1))) == 1


def test_it_is_made_of_the_grids_of_the_last_size(tmp_path: Path) -> None:
    storage = open_storage(str(tmp_path))
    write_animation(storage)
    storage.write_bytes("samples/000001.png", encode_png(frames(1, size=12)[0], zoom=2))
    write_animation(storage)
    assert not storage.exists(ANIMATION)
    for k, frame in enumerate(frames(4)[1:]):
        storage.write_bytes(f"samples/00001{k}.png", encode_png(frame, zoom=2))
    write_animation(storage)
    write_animation(storage)  # it does not take itself for a grid
    assert [level for level, _ in levels(storage.read_bytes(ANIMATION))] == pytest.approx(
        [20, 40, 60], abs=3
    )


def test_grids_are_in_the_order_of_their_steps(
    tmp_path: Path,
) -> None:
    (tmp_path / "samples").mkdir()
    for step in (1_000_000, 200, 999_800, 10_000_000):
        (tmp_path / "samples" / f"{step:06d}.png").write_bytes(b"")
    found = sheet_files(open_storage(str(tmp_path)))
    assert found == [f"samples/{step}.png" for step in ("000200", "999800", "1000000", "10000000")]
