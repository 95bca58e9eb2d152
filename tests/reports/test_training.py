import base64
import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from synthgen.datasets.pixels import decode_png
from synthgen.reports.page.blocks import Filmstrip, Page
from synthgen.reports.page.html import to_html
from synthgen.reports.training import open_alarms, render_training, training_page
from synthgen.reports.training_files import MOST_GRIDS, read_training
from tests.reports.page.structure import check_page
from tests.reports.training_example import ALARM, RECORD, make_run


def page_of(folder: Path, **parts: Any) -> Page:
    return training_page(read_training(make_run(folder, **parts)))


def blocks(page: Page, section: str) -> list[Any]:
    return [block for part in page.sections if part.name == section for block in part.blocks]


def test_a_finished_training(tmp_path: Path) -> None:
    report = render_training(read_training(make_run(tmp_path / "my-run")))
    structure = check_page(report.html)
    words = structure.words.replace("\N{NO-BREAK SPACE}", " ")
    for text in (
        "How the training “my-run” went "
        "preset cdcgan, seed 0; 55,000 training digits (MNIST); 6 min",
        "Finished 99.12 % label agreement step 400 of 400 "
        "The screening classifier sees the digit that was asked for in 99.12 %",
        "No alarm was raised.",
        "Coverage 87.50 % of real digits have a sample near them",
        "Discriminator on generated ones 70.00 %",
        "Speed 201 images/s",
        "generator_channels 112, 96",
        "generator_rate 0.0003",
        "e" * 64,
    ):
        assert text in words
    assert {drawing["aria-label"].split(" over ")[0] for drawing in structure.all("svg")} == {
        "Losses",
        "Accuracy of the discriminator",
        "Gradient norms",
        "Penalties",
        "Quality of the samples",
        "Speed",
        "Oddity",
    }
    assert report.lines == (
        "Training my-run: finished, 99.12 % label agreement; step 400 of 400",
        "  The screening classifier sees the digit that was asked for in 99.12 % of its",
        "  samples. No alarm was raised.",
    )
    assert "**finished** (99.12 % label agreement, step 400 of 400)." in report.markdown
    assert "settings,generator_rate,value,0.0003,," in report.csv


def test_grids_stand_in_order_at_their_own_size(tmp_path: Path) -> None:
    film = blocks(page_of(tmp_path), "samples")[0]
    assert [frame.label for frame in film.frames] == ["step 100", "step 200", "step 300"]
    assert np.array_equal(decode_png(film.frames[1].content), np.full((40, 40, 1), 50, np.uint8))


def test_a_grid_that_was_not_enlarged_stays_as_it_is(tmp_path: Path) -> None:
    folder = make_run(tmp_path, grids=1)
    picture = np.arange(16, dtype=np.uint8).reshape(4, 4)
    Image.fromarray(picture).save(tmp_path / "samples/000100.png")
    (tmp_path / "samples/000200.png").write_bytes(b"damaged")
    (film, _) = blocks(training_page(read_training(folder)), "samples")
    assert len(film.frames) == 1
    assert np.array_equal(decode_png(film.frames[0].content)[..., 0], picture)


def test_a_film_of_some_of_the_grids_says_so(tmp_path: Path) -> None:
    film = blocks(page_of(tmp_path, grids=5 * MOST_GRIDS), "samples")[0]
    assert isinstance(film, Filmstrip)
    assert [film.frames[0].label, film.frames[-1].label] == [
        "step 100",
        f"step {500 * MOST_GRIDS:,}",
    ]
    assert film.caption.startswith(f"{MOST_GRIDS} of {5 * MOST_GRIDS} sample grids")


def test_the_animation_has_a_still_for_those_who_want_no_motion(tmp_path: Path) -> None:
    structure = check_page(to_html(page_of(tmp_path)))
    moving = next(
        image for image in structure.all("img") if image["src"].startswith("data:image/webp")
    )
    with Image.open(io.BytesIO(base64.b64decode(moving["src"].partition(",")[2]))) as film:
        assert film.n_frames == 3  # type: ignore[attr-defined]
    assert structure.all("source")[0]["media"].startswith("(prefers-reduced-motion: reduce)")
    assert structure.all("source")[0]["srcset"].startswith("data:image/png")


def test_an_alarm_changes_the_answer_and_says_what_to_do(tmp_path: Path) -> None:
    score = {"step": 0, "kind": "score", "usefulness": 0.5, "best": True}
    report = render_training(read_training(make_run(tmp_path, events=[score, ALARM])))
    words = check_page(report.html).words
    warning = "Step 300, mode collapse: Few samples are distinct. Lower --generator-rate <now>."
    assert "In trouble" in words
    assert "1 alarm: read below what to do." in words
    assert warning in words
    assert "0 score 0.5 yes" in words
    assert "<now>" not in report.html
    assert warning in " ".join(" ".join(report.lines).split())


def test_alarms_of_the_record_are_shown_without_events(tmp_path: Path) -> None:
    alarm = {name: value for name, value in ALARM.items() if name != "kind"}
    page = page_of(tmp_path, record=RECORD | {"alarms": [alarm]})
    assert page.headline.word == "in trouble"
    assert page.warnings == [
        "Step 300, mode collapse: Few samples are distinct. Lower --generator-rate <now>."
    ]


def test_an_alarm_that_passed_is_no_trouble(tmp_path: Path) -> None:
    recovered = {"step": 350, "kind": "recovered", "name": ALARM["name"]}
    assert open_alarms([ALARM, recovered]) == []
    assert open_alarms([ALARM, recovered, ALARM | {"step": 380}]) == [ALARM | {"step": 380}]
    page = page_of(tmp_path, events=[ALARM, recovered])
    assert page.headline.word == "finished"
    assert page.headline.sentence.endswith("It recovered from all alarms.")


def test_a_training_has_a_page_before_its_first_checkpoint(tmp_path: Path) -> None:
    folder = make_run(tmp_path, grids=0)
    for file in ("checkpoint.json", "samples/animation.webp"):
        (tmp_path / file).unlink()
    page = training_page(read_training(folder))
    assert page.headline.word == "under way"
    assert page.subtitle == "No checkpoint has been saved yet."
    assert [section.name for section in page.sections] == ["curves"]
    check_page(to_html(page))


def test_a_training_that_was_stopped_is_under_way(tmp_path: Path) -> None:
    stopped = RECORD | {"settings": {"steps": 1000}}
    assert page_of(tmp_path, record=stopped).headline.word == "under way"


@pytest.mark.parametrize("broken", [None, 7, "words", [1], {"steps": "many", "images": []}])
def test_a_record_of_other_types_has_a_page_all_the_same(tmp_path: Path, broken: Any) -> None:
    names = ("settings", "training_data", "measured", "seconds", "alarms", "sha256", "preset")
    page = page_of(tmp_path, record=dict.fromkeys(names, broken), events=[{"step": broken}])
    assert page.headline.word == "under way"
    check_page(to_html(page))


def test_the_same_folder_gives_the_same_page(tmp_path: Path) -> None:
    folder = make_run(tmp_path, events=[ALARM])
    first = render_training(read_training(folder))
    assert render_training(read_training(folder)) == first
