"""The reports in a real, headless Chromium: nothing fails, controls work, every screen is wide."""

import dataclasses
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest

from synthgen.datasets.digits import Digits
from synthgen.reports.benchmark import benchmark_page
from synthgen.reports.evaluation import evaluation_page
from synthgen.reports.images import ShownImages, shown_positions
from synthgen.reports.page.html import to_html
from synthgen.reports.training import training_page
from synthgen.reports.training_files import read_training
from tests.evaluation.benchmark_example import make_summary
from tests.evaluation.example import make_evaluation
from tests.reports.training_example import ALARM, make_run

CHROMIUM = os.environ.get("SYNTHGEN_CHROMIUM") or next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
QUIET = (
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
REPORTS = ("evaluation", "benchmark", "training")
pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.skipif(
        not CHROMIUM,
        reason="no Chromium is installed (Debian: apt-get install chromium), "
        "and SYNTHGEN_CHROMIUM names none",
    ),
]
Opener = Callable[..., AbstractContextManager[Any]]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    playwright = pytest.importorskip(
        "playwright.sync_api", reason="playwright is not installed (pip install playwright)"
    )
    with playwright.sync_playwright() as api:
        started = api.chromium.launch(
            executable_path=CHROMIUM, headless=True, args=["--no-sandbox", *QUIET]
        )
        yield started
        started.close()


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory, tiny_digits: Digits) -> dict[str, str]:
    """The address of each report."""
    folder, known = tmp_path_factory.mktemp("reports"), make_evaluation()
    rows = {
        position: {"id": f"row-{position}", "seed": 17}
        for position in shown_positions(known, tiny_digits)
    }
    shown = ShownImages(synthetic=tiny_digits, train=tiny_digits, rows=rows)
    training = read_training(make_run(folder / "run", events=[ALARM]))
    pages = {
        "evaluation": evaluation_page(known, shown),
        "benchmark": benchmark_page(make_summary()),
        "training": training_page(training),
    }
    for name, page in pages.items():
        (folder / f"{name}.html").write_text(to_html(page), encoding="utf-8")
    return {name: (folder / f"{name}.html").as_uri() for name in REPORTS}


@pytest.fixture
def opened(browser: Any, reports: dict[str, str]) -> Opener:
    """Opens a report in a new profile; fails on any message, error or further request."""

    @contextmanager
    def open_report(name: str, width: int = 1280, **options: Any) -> Iterator[Any]:
        context = browser.new_context(viewport={"width": width, "height": 800}, **options)
        page, trouble = context.new_page(), []
        page.on("console", lambda message: trouble.append(message.text))
        page.on("pageerror", lambda error: trouble.append(str(error)))
        page.on(
            "request",
            lambda request: (
                trouble.append(request.url)
                if not request.url.startswith(("data:", reports[name]))
                else None
            ),
        )
        page.goto(reports[name])
        yield page
        context.close()
        assert trouble == []

    return open_report


def column(page: Any, table: str, number: int) -> list[str]:
    """Texts of a column of the rows that are shown."""
    cells = page.locator(f"#{table} tbody tr:not([hidden]) > :nth-child({number})")
    return list(cells.all_inner_texts())


@pytest.mark.parametrize("name", REPORTS)
def test_no_screen_is_too_narrow(opened: Opener, name: str) -> None:
    with opened(name) as page:
        page.evaluate("document.querySelectorAll('details').forEach(part => { part.open = true; })")
        for width in (360, 600, 768, 1280, 1600):
            page.set_viewport_size({"width": width, "height": 800})
            assert page.evaluate("document.documentElement.scrollWidth") == width


def test_tables_fit_a_desktop_and_scroll_in_their_box_on_a_phone(
    opened: Opener,
) -> None:
    script = """[...document.querySelectorAll('.scroll')].map(
        box => [getComputedStyle(box).overflowX, box.clientWidth, box.scrollWidth]
    )"""
    with opened("evaluation", width=1200) as page:
        page.evaluate("document.querySelectorAll('details').forEach(part => { part.open = true; })")
        boxes = page.evaluate(script)
        assert len(boxes) > 5
        assert [box for box in boxes if box[2] > box[1]] == []
        page.set_viewport_size({"width": 360, "height": 800})
        wider = [box for box in page.evaluate(script) if box[2] > box[1]]
        assert wider
        assert {box[0] for box in wider} == {"auto"}


@pytest.mark.parametrize("name", REPORTS)
def test_dark_mode_has_light_words_and_plots_on_a_dark_ground(opened: Opener, name: str) -> None:
    script = """() => {
        const light = (colour) => {
            const [r, g, b] = colour.match(/[\\d.]+/g).map(Number);
            return (0.2126 * r + 0.7152 * g + 0.0722 * b) / 255;
        };
        const texts = [...document.querySelectorAll('svg text')];
        const plot = texts.find((one) => one.getClientRects().length);
        const body = getComputedStyle(document.body);
        return [body.backgroundColor, body.color, getComputedStyle(plot).fill].map(light);
    }"""
    with opened(name, color_scheme="dark") as page:
        ground, words, plot = page.evaluate(script)
        assert ground < 0.1
        assert min(words, plot) > 0.5
        page.emulate_media(color_scheme="light")
        ground, words, plot = page.evaluate(script)
        assert ground > 0.9
        assert max(words, plot) < 0.5


def test_the_drawing_that_fits_is_the_one_that_is_shown(opened: Opener) -> None:
    with opened("evaluation") as page:
        for width, fits in ((360, "narrow"), (1280, "wide")):
            page.set_viewport_size({"width": width, "height": 800})
            shown = page.evaluate("""[...document.querySelectorAll('svg[class]')]
                .filter(one => one.getClientRects().length)
                .map(one => one.classList[0])""")
            assert len(shown) == 4
            assert set(shown) == {fits}


def test_a_table_sorts_by_number_both_ways_and_by_keyboard(opened: Opener) -> None:
    with opened("evaluation") as page:
        head = page.locator("#arms th", has_text="accuracy, 95 %")
        head.locator("button").click()
        assert head.get_attribute("aria-sort") == "ascending"
        assert column(page, "arms", 1)[0] == "synthetic only"
        page.keyboard.press("Enter")  # the button has the focus
        assert head.get_attribute("aria-sort") == "descending"
        assert column(page, "arms", 1)[0] == "both + distortions"
        page.locator("#arms th", has_text="trained on").locator("button").press("Space")
        assert head.get_attribute("aria-sort") is None
        assert column(page, "arms", 1) == sorted(column(page, "arms", 1))
        assert "Sorted by trained on" in page.locator("#announce").inner_text()


def test_what_is_missing_comes_last_however_a_table_is_sorted(opened: Opener) -> None:
    with opened("benchmark") as page:
        button = page.locator("#arms-grid th", has_text="label agreement").locator("button")
        for _ in range(2):
            button.click()
            assert column(page, "arms-grid", 6)[0].startswith("99.00")
            assert column(page, "arms-grid", 6)[-1] == ""


def test_a_table_is_searched_by_words_and_by_choice(opened: Opener) -> None:
    with opened("benchmark") as page:
        tools = page.locator("#rows .tools")
        rows = len(column(page, "rows", 1))
        assert tools.locator("output").inner_text() == f"{rows} rows"
        # a plain hyphen finds a true minus
        tools.get_by_label("find rows").fill("on top of tuned -0.05")
        assert set(column(page, "rows", 1)) == {"all images"}
        assert tools.locator("output").inner_text() == f"2 of {rows} rows"
        tools.get_by_label("find rows").fill("")
        tools.get_by_label("verdict").select_option("hurts")
        assert {text.strip() for text in column(page, "rows", 3)} == {"▼ hurts"}
        tools.get_by_label("find rows").fill("no such words")
        assert column(page, "rows", 1) == []


def test_an_image_opens_with_its_row_and_closes_by_keyboard(opened: Opener) -> None:
    with opened("evaluation") as page:
        link, viewer = page.locator("#doubtful li a").first, page.locator("#viewer")
        link.focus()
        page.keyboard.press("Enter")
        assert viewer.evaluate("dialog => dialog.matches(':modal')")
        assert viewer.locator("h2").inner_text() == "Synthetic 0, seen as 3"
        assert "row-100" in viewer.locator("dl").inner_text()
        page.keyboard.press("ArrowRight")
        assert "row-101" in viewer.locator("dl").inner_text()
        assert viewer.locator(".steps span").inner_text() == "2 of 50"
        viewer.get_by_text("previous").click()
        page.keyboard.press("ArrowLeft")
        assert viewer.locator(".steps span").inner_text() == "50 of 50"
        page.keyboard.press("Escape")
        assert not viewer.is_visible()
        assert page.evaluate("document.activeElement.hash") == "#doubtful-149"


def test_a_pair_opens_with_both_images_and_closes_by_its_button(opened: Opener) -> None:
    with opened("evaluation", 360) as page:
        page.locator("#pairs li a").nth(1).click()
        viewer = page.locator("#viewer")
        assert [
            image.get_attribute("alt") for image in viewer.locator("img").element_handles()
        ] == ["Synthetic 1", "its nearest real 1"]
        assert page.evaluate("document.documentElement.scrollWidth") == 360
        viewer.get_by_label("Close").click()
        assert not viewer.is_visible()


def test_the_film_runs_by_its_slider_and_by_its_button(opened: Opener) -> None:
    with opened("training") as page:
        shown = "#film li:not([hidden])"
        assert page.locator(shown).inner_text().strip() == "step 300"
        slider = page.locator("#film input")
        slider.press("ArrowLeft")
        assert page.locator(shown).inner_text().strip() == "step 200"
        assert slider.get_attribute("aria-valuetext") == "step 200"
        slider.press("End")
        page.evaluate("""() => {
            const slider = document.querySelector("#film input");
            window.seen = [];
            const note = () => window.seen.push(slider.getAttribute("aria-valuetext"));
            new MutationObserver(note).observe(slider, { attributes: true });
        }""")
        page.locator("#film button").click()
        # it says "stop" until the last frame
        page.locator("#film button", has_text="play").wait_for()
        assert page.evaluate("window.seen") == ["step 100", "step 200", "step 300"]
        assert page.locator(shown).inner_text().strip() == "step 300"


def test_without_scripts_everything_is_there(opened: Opener) -> None:
    with opened("evaluation", java_script_enabled=False) as page:
        assert len(page.query_selector_all("#arms tbody tr")) == 5
        page.locator("#sheet li a").first.click()
        assert page.locator("#sheet-0").is_visible()  # the row opens in the table below
    with opened("training", java_script_enabled=False) as page:
        assert all(frame.is_visible() for frame in page.query_selector_all("#film li"))


def test_names_and_messages_with_markup_run_nothing(
    browser: Any, tmp_path: Path, tiny_digits: Digits
) -> None:
    evil = (
        '<img src=x onerror="window.ran = 1"><script>window.ran = 1</script>$\\undefined$\x1b[31m'
    )
    names = tuple(f"{digit}{evil}" for digit in "0123456789")
    digits = Digits(tiny_digits.images, tiny_digits.labels, names)
    known = dataclasses.replace(make_evaluation(), class_names=names, name=evil)
    rows = {position: {evil: evil} for position in shown_positions(known, digits)}
    summary = dataclasses.replace(make_summary(), class_names=names, name=evil, notes=(evil,))
    training = read_training(make_run(tmp_path / "run", events=[ALARM | {"message": evil}]))
    pages = [
        evaluation_page(known, ShownImages(synthetic=digits, train=digits, rows=rows)),
        benchmark_page(summary),
        training_page(training),
    ]
    for place, page in enumerate(pages):
        (tmp_path / f"{place}.html").write_text(to_html(page), encoding="utf-8")
        opened = browser.new_page()
        opened.goto((tmp_path / f"{place}.html").as_uri())
        assert opened.evaluate("window.ran") is None
        assert "onerror" in opened.inner_text("body")
        opened.close()


@pytest.mark.parametrize("name", REPORTS)
def test_paper_has_no_controls_and_all_frames(opened: Opener, name: str) -> None:
    with opened(name) as page:
        page.emulate_media(media="print", color_scheme="dark")
        assert not [
            tool
            for tool in page.query_selector_all(".tools, .reel, nav, dialog")
            if tool.is_visible()
        ]
        assert (
            page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
        )
        assert (
            page.evaluate(
                "getComputedStyle(document.querySelector('.answer')).getPropertyValue('print-color-adjust')"
            )
            == "exact"
        )
        assert all(frame.is_visible() for frame in page.query_selector_all("#film li"))
        assert page.pdf(format="A4").startswith(b"%PDF")
