import base64
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from synthgen.datasets.pixels import decode_png
from synthgen.errors import CheckpointError
from synthgen.reports.page.content import Filmstrip, Page
from synthgen.reports.training import MOST_FRAMES, open_alarms, render_run, run_page
from tests.evaluation.run_example import ALARM, RECORD, make_run
from tests.reports.page.structure import check_page


def blocks(page: Page, section: str) -> list[Any]:
    return [block for part in page.sections if part.name == section for block in part.blocks]


def test_a_finished_training(tmp_path: Path) -> None:
    structure = check_page(render_run(make_run(tmp_path / "my-run")))
    words = structure.words.replace("\N{NO-BREAK SPACE}", " ")
    assert (
        "How the training “my-run” went preset cdcgan, seed 0; 55,000 training digits (MNIST); 6 min"
        in words
    )
    assert (
        "Finished 99.12 % label agreement step 400 of 400 The screening classifier sees the digit that was asked for in 99.12 %"
        in words
    )
    assert "No alarm was raised." in words
    assert "Coverage 87.50 % of real digits have a sample near them" in words
    assert "Discriminator on generated ones 70.00 %" in words
    assert "Speed 201 images/s" in words
    assert "generator_channels 112, 96" in words
    assert "generator_rate 0.0003" in words
    assert "e" * 64 in words
    assert {drawing["aria-label"].split(" over ")[0] for drawing in structure.all("svg")} == {
        "Losses",
        "Accuracy of the discriminator",
        "Gradient norms",
        "Penalties",
        "Quality of the samples",
        "Speed",
        "Oddity",
    }


def test_grids_stand_in_order_at_their_own_size(tmp_path: Path) -> None:
    film = blocks(run_page(make_run(tmp_path)), "samples")[0]
    assert [frame.label for frame in film.frames] == ["step 100", "step 200", "step 300"]
    assert np.array_equal(decode_png(film.frames[1].content), np.full((40, 40, 1), 50, np.uint8))


def test_a_grid_that_was_not_enlarged_stays_as_it_is(tmp_path: Path) -> None:
    folder = make_run(tmp_path, grids=1)
    picture = np.arange(16, dtype=np.uint8).reshape(4, 4)
    Image.fromarray(picture).save(tmp_path / "samples/000100.png")
    (tmp_path / "samples/000200.png").write_bytes(b"damaged")
    (film, _) = blocks(run_page(folder), "samples")
    assert len(film.frames) == 1
    assert np.array_equal(decode_png(film.frames[0].content)[..., 0], picture)


def test_many_grids_are_thinned_out_from_the_first_to_the_last(tmp_path: Path) -> None:
    film = blocks(run_page(make_run(tmp_path, grids=5 * MOST_FRAMES)), "samples")[0]
    assert isinstance(film, Filmstrip)
    assert [film.frames[0].label, film.frames[-1].label] == [
        "step 100",
        f"step {500 * MOST_FRAMES:,}",
    ]
    assert len(film.frames) == MOST_FRAMES
    assert film.caption.startswith(f"{MOST_FRAMES} of {5 * MOST_FRAMES} sample grids")


def test_the_animation_is_on_the_page_with_a_still_for_those_who_want_no_motion(
    tmp_path: Path,
) -> None:
    structure = check_page(render_run(make_run(tmp_path)))
    moving = next(
        image for image in structure.all("img") if image["src"].startswith("data:image/webp")
    )
    with Image.open(io.BytesIO(base64.b64decode(moving["src"].partition(",")[2]))) as film:
        assert film.n_frames == 3  # type: ignore[attr-defined]
    assert structure.all("source")[0]["media"].startswith("(prefers-reduced-motion: reduce)")
    assert structure.all("source")[0]["srcset"].startswith("data:image/png")


def test_an_alarm_changes_the_answer_and_says_what_to_do(tmp_path: Path) -> None:
    page = render_run(
        make_run(
            tmp_path, events=[{"step": 0, "kind": "score", "usefulness": 0.5, "best": True}, ALARM]
        )
    )
    words = check_page(page).words
    assert "In trouble" in words
    assert "1 alarm: read below what to do." in words
    assert (
        "Step 300, mode collapse: Few samples are distinct. Lower --generator-rate <now>." in words
    )
    assert "0 score 0.5 yes" in words
    assert "<now>" not in page


def test_alarms_of_the_record_are_shown_where_there_are_no_events(tmp_path: Path) -> None:
    alarm = {name: value for name, value in ALARM.items() if name != "kind"}
    page = run_page(make_run(tmp_path, record=RECORD | {"alarms": [alarm]}))
    assert page.warnings == [
        "Step 300, mode collapse: Few samples are distinct. Lower --generator-rate <now>."
    ]


def test_a_training_that_recovered_is_not_in_trouble(tmp_path: Path) -> None:
    recovered = {"step": 350, "kind": "recovered", "name": "mode collapse"}
    assert open_alarms([ALARM, recovered]) == []
    assert open_alarms([ALARM, recovered, ALARM | {"step": 380}]) == [ALARM | {"step": 380}]
    page = run_page(make_run(tmp_path, events=[ALARM, recovered]))
    assert page.headline.word == "finished"
    assert page.headline.sentence.endswith("It recovered from all alarms.")


def test_a_training_under_way_has_a_page_before_its_first_checkpoint(tmp_path: Path) -> None:
    folder = make_run(tmp_path, grids=0)
    for file in ("checkpoint.json", "samples/animation.webp"):
        (tmp_path / file).unlink()
    page = run_page(folder)
    assert page.headline.word == "under way"
    assert page.subtitle == "No checkpoint has been saved yet."
    assert [section.name for section in page.sections] == ["curves"]
    check_page(render_run(folder))


def test_a_training_that_was_stopped_is_under_way(tmp_path: Path) -> None:
    stopped = RECORD | {"settings": {"steps": 1000}}
    assert run_page(make_run(tmp_path, record=stopped)).headline.word == "under way"


def test_a_folder_without_a_training_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"Expected a training in .* found none"):
        render_run(str(tmp_path))


@pytest.mark.parametrize("content", ["{", "[1]", "7"])
def test_a_damaged_record_is_refused(tmp_path: Path, content: str) -> None:
    folder = make_run(tmp_path)
    (tmp_path / "checkpoint.json").write_text(content)
    with pytest.raises(CheckpointError, match=r"checkpoint\.json is damaged"):
        render_run(folder)


def test_the_same_folder_gives_the_same_page(tmp_path: Path) -> None:
    folder = make_run(tmp_path, events=[ALARM])
    assert render_run(folder) == render_run(folder)
    assert json.loads((tmp_path / "checkpoint.json").read_text()) == RECORD
