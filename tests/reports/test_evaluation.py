import csv
import dataclasses
import io
from typing import Any

import pytest

from synthgen.datasets.digits import Digits
from synthgen.evaluation.arms import ARMS
from synthgen.evaluation.gates import EVALUATION_FIGURES, figures_of
from synthgen.evaluation.results import Evaluation
from synthgen.metrics.memorisation import OTHERS, UNKNOWN
from synthgen.reports.evaluation import (
    evaluation_facts,
    evaluation_lines,
    evaluation_method_section,
    evaluation_page,
    render_evaluation,
)
from synthgen.reports.images import ShownImages, shown_positions
from synthgen.reports.page.blocks import Table
from synthgen.reports.page.csv_file import to_csv
from synthgen.reports.page.html import to_html
from synthgen.reports.page.markdown import to_markdown
from synthgen.text import GAP, MINUS
from tests.evaluation.example import make_evaluation
from tests.reports.page.structure import Structure, check_page


@pytest.fixture(scope="module")
def known() -> Evaluation:
    return make_evaluation()


@pytest.fixture(scope="module")
def page(known: Evaluation, tiny_digits: Digits) -> str:
    return to_html(evaluation_page(known, shown_images(known, tiny_digits)))


@pytest.fixture(scope="module")
def structure(page: str) -> Structure:
    return check_page(page)


def copying_figures(known: Evaluation) -> list[float | None]:
    figures = figures_of(known, EVALUATION_FIGURES)
    return [figures["copies"].value, figures["memorised"].value]


def shown_images(known: Evaluation, digits: Digits) -> ShownImages:
    rows = {
        k: {"id": f"row-{k}", "seed": 17, "nearest_train_distance": float("nan")}
        for k in shown_positions(known, digits)
    }
    return ShownImages(synthetic=digits, train=digits, rows=rows)


def markdown(known: Evaluation) -> str:
    return to_markdown(evaluation_page(known))


def lines(known: Evaluation) -> str:
    return "\n".join(evaluation_lines(known))


def without(known: Evaluation, **parts: Any) -> Evaluation:
    return dataclasses.replace(known, **parts)


def measured(known: Evaluation, **parts: Any) -> Evaluation:
    return without(known, measures=dataclasses.replace(known.measures, **parts))


def test_the_verdict_comes_first_with_interval_and_meaning(structure: Structure) -> None:
    words = structure.words
    answer = words[words.index("● No effect") :]
    assert answer.startswith(
        f"● No effect +0.03 points of accuracy 95 % interval {MINUS}0.06 to +0.12 "
        "Added to real + distortions, the synthetic digits"
    )
    assert "3.6 errors on 1,000 unseen real digits, against 3.9 without them." in answer
    assert words.index("● No effect") < words.index("Accuracy of each arm")


def test_every_figure_stands_in_the_page(structure: Structure, known: Evaluation) -> None:
    words = structure.words
    for text in (
        *(f"{100 * arm.accuracy.mean:.2f} %" for arm in known.arms),
        "99.39 % of labels are what independent classifiers see; lowest: 98.33 % of class 7",
        "4.0 × the floor",  # noqa: RUF001
        "73.10 % of 4,000 others (95 % interval 71.90 to 74.30 %)",
        "precision precision_digitnet higher 0.930 0.884 to 0.977 0.950 0.902 to 0.997 10,000",
        "Frechet distance 1,000 too few images",
        "deviation over subsets 0.003000, of the floor 0.0005000",
        f"synthetic pixels 1.20 % 1.00 to 1.40 % {MINUS}1.20 {MINUS}0.90 47.00 % 46.00 to 48.00 %",
        "pixel-identical to another one of the set 3 50,000 0.01 %",
        "No test found signs of copying of these digits.",
        "a" * 64,
        "b" * 64,
        "d" * 64,
        "tensorflow 2.21.0",
        "1000, 1001, 1002",
        "9 min for 15 trainings",
    ):
        assert text in words.replace("\N{NO-BREAK SPACE}", " "), text


def test_each_comparison_has_its_word_and_its_sign(structure: Structure) -> None:
    assert (
        f"real + synthetic real ▼ hurts {MINUS}0.10 {MINUS}0.18 to {MINUS}0.02" in structure.words
    )
    assert "both + distortions real + distortions ● no effect +0.03" in structure.words


def test_pictures_are_those_of_the_set_and_open_with_their_row(
    structure: Structure, known: Evaluation, page: str
) -> None:
    links = [link["href"] for link in structure.all("a") if "-" in link["href"]]
    assert [link for link in links if link.startswith("#sheet-")][10:12] == [
        "#sheet-1",
        "#sheet-11",
    ]
    assert len([link for link in links if link.startswith("#doubtful-")]) == 50
    assert len([link for link in links if link.startswith("#pairs-")]) == 20
    assert len(structure.all("img")) == 100 + 50 + 2 * 20
    assert '<td class="text">row-140</td>' in page
    assert "nan" not in structure.words.split()


def test_doubtful_images_say_what_is_seen(structure: Structure) -> None:
    assert structure.words.count("0 → 3 1.0") == 1
    assert "Synthetic 0, seen as 3" in [image["alt"] for image in structure.all("img")]


def test_every_plot_has_words(structure: Structure) -> None:
    labels = {drawing["aria-label"] for drawing in structure.all("svg")}
    assert len(labels) == 8
    assert any(label.startswith("Test accuracy: real 99.48") for label in labels)


def test_without_a_manifest_the_position_is_what_is_known(
    known: Evaluation, tiny_digits: Digits
) -> None:
    gallery = (
        evaluation_page(known, ShownImages(synthetic=tiny_digits, train=tiny_digits, rows={}))
        .sections[2]
        .blocks[0]
    )
    assert gallery.pictures[0].facts == {"class": "0", "position": 0}  # type: ignore[union-attr]


def test_positions_of_all_pictures(known: Evaluation, tiny_digits: Digits) -> None:
    assert shown_positions(known, tiny_digits) == list(range(150))


def test_names_from_outside_are_escaped(known: Evaluation, tiny_digits: Digits) -> None:
    names = ("<script>alert(1)</script>", *known.class_names[1:])
    shown = Digits(tiny_digits.images, tiny_digits.labels, names)
    changed = without(known, name='<img src="http://x">', class_names=names)
    images = ShownImages(synthetic=shown, train=shown, rows={0: {"id": "<b>"}})
    page = to_html(evaluation_page(changed, images))
    assert page.count("<script>") == 1
    assert "&lt;script&gt;alert(1)" in page
    assert '<img src="http' not in page
    assert "MNIST &lt;official&gt; &amp; checked" in page


def test_the_same_evaluation_gives_the_same_page(
    known: Evaluation, tiny_digits: Digits, page: str
) -> None:
    assert render_evaluation(known, shown_images(known, tiny_digits)).html == page


def test_what_was_not_measured_is_said(known: Evaluation) -> None:
    reasons = {"two_sample": "Too few images.", "memorisation": "Too few digits."}
    bare = measured(
        known,
        two_sample=None,
        memorisation=None,
        errors=reasons,
        features={},
        seconds_measuring={},
    )
    bare = without(bare, comparisons=())
    text = markdown(bare)
    assert "**not judged**. No classifier was trained with the synthetic digits." in text
    assert "was not measured. Too few images." in text
    assert "Memorisation was not measured. Too few digits." in text


def test_signs_of_copying_are_named_and_a_class_that_failed_too(known: Evaluation) -> None:
    assert known.measures.memorisation
    copied = dataclasses.replace(
        known.measures.memorisation, fired=("copies", "c_t_pixels"), generator_saw="others"
    )
    failed = dataclasses.replace(known.agreement, failed_classes=(7,))
    text = markdown(without(measured(known, memorisation=copied), agreement=failed))
    assert "- Copies of training images? **yes**" in text
    assert (
        "In pixels: The images are closer to the training images than held-out digits are" in text
    )
    assert "this says nothing about copies of what it did see" in text
    assert "Classes that the generator cannot make: 7." in text


def test_copies_are_ruled_out_only_among_digits_it_has_seen(known: Evaluation) -> None:
    assert known.measures.memorisation
    clean = dataclasses.replace(known.measures.memorisation, fired=())
    assert "- Copies of training images? **none found**" in markdown(
        measured(known, memorisation=clean)
    )
    assert "copies of training images: none found" in lines(measured(known, memorisation=clean))
    for saw in (OTHERS, UNKNOWN):
        elsewhere = measured(known, memorisation=dataclasses.replace(clean, generator_saw=saw))
        assert "- Copies of training images? **not known**" in markdown(elsewhere)
        assert "copies of training images: not known." in lines(elsewhere)
        assert copying_figures(elsewhere) == [None, None]
    assert copying_figures(known) == [0, 0]


def test_markdown_and_csv_hold_the_same_figures(known: Evaluation) -> None:
    assert (
        "| real + synthetic | 105,000 | 99.38 % (99.28 to 99.48 %) | 99.23 to 99.53 % |"
        in markdown(known)
    )
    rows = {
        (row["table"], row["row"], row["figure"]): row
        for row in csv.DictReader(io.StringIO(to_csv(evaluation_page(known))))
    }
    accuracy = rows["arms", "real + synthetic", "accuracy, 95 % over seeds"]
    assert [float(accuracy[key]) for key in ("value", "low", "high")] == pytest.approx(
        [0.9938, 0.9928, 0.9948]
    )
    assert float(rows["fidelity-overall", "recall", "floor"]["value"]) == 0.94


def test_a_generator_that_saw_other_digits_is_a_warning(known: Evaluation) -> None:
    assert evaluation_page(known).warnings == []
    other = dataclasses.replace(
        known.synthetic,
        generator_trained_on={"images": 55, "source": "X"},
        generator_saw_only_real_train=False,
    )
    assert "has seen 55 digits (X)" in evaluation_page(without(known, synthetic=other)).warnings[0]


def test_the_terminal_table_fits_a_terminal(known: Evaluation) -> None:
    found = evaluation_lines(known)
    assert len(found) <= 25
    assert max(map(len, found)) <= 80
    assert "".join(found).encode("cp1252")


def test_the_terminal_table_holds_the_figures(known: Evaluation) -> None:
    table = " ".join(lines(known).split())
    for arm in known.arms:
        assert (
            f"{ARMS[arm.arm].title} {arm.train_images:,} {100 * arm.accuracy.mean:.2f} % ± 0.10"
            in table
        )
    assert "real + synthetic -0.10 -0.18 to -0.02 hurts" in table
    assert "99.39 % ± 0.10" in table
    assert "fd_digitnet 9.500 (2.400)" in table
    assert "told from real digits: 73.10 % rightly" in table
    assert "copies of training images: none found" in table


def test_what_there_were_too_few_images_for_is_said(known: Evaluation) -> None:
    error = "Expected at least 128 images of each side, received 100."
    lacking = tuple(
        dataclasses.replace(metric, images=100, synthetic=None, floor=None, error=error)
        if metric.metric == "fd" and metric.label is None
        else metric
        for metric in known.measures.fidelity
    )
    few = measured(known, fidelity=lacking)
    assert (
        "  fd_digitnet: too few images, needs 128 or more of each side, received 100"
        in lines(few).splitlines()
    )
    assert "fd_digitnet 9.500" not in lines(few)
    assert "precision_digitnet 0.9300 (0.9500)" in " ".join(lines(few).split())
    card = next(
        card for card in evaluation_page(few).cards if card.title == "How far from real digits?"
    )
    assert (card.value, card.note) == (
        "too few images",
        "fd_digitnet needs 128 or more of each side, received 100",
    )
    assert "too few images" not in lines(known)


KNOWN = make_evaluation()


def test_everything_that_is_needed_to_do_it_again_is_there() -> None:
    plain = {name: text.replace(GAP, " ") for name, text in evaluation_facts(KNOWN).items()}
    assert plain["training"] == "1,719 steps of 64 images; seeds 1000, 1001, 1002"
    assert plain["classifier"] == "kind small; channels 16, 32"
    assert plain["settings"].startswith("arms real, real_synthetic, synthetic, classical, both;")
    assert plain["synthetic set"] == f"digits: 50,000 images, SHA-256 `{'b' * 64}`"
    assert plain["feature network"] == f"digitnet, 64 features, SHA-256 `{'d' * 64}`"
    assert plain["time"].startswith(
        "9 min for 15 trainings and their predictions; features 12 s, fidelity 31 s; "
        "finished 2026-01-02"
    )


def test_a_part_of_a_set_is_named() -> None:
    part = dataclasses.replace(KNOWN.synthetic, used=10_000)
    text = evaluation_facts(dataclasses.replace(KNOWN, synthetic=part))["synthetic set"]
    assert "of which the first 10,000 (equally many of each class) were used" in text


def test_every_training_is_a_row() -> None:
    table = evaluation_method_section(KNOWN).blocks[-1]
    assert isinstance(table, Table)
    assert len(table.rows) == 15
    assert table.rows[0] == ["real", "1000", 55_000, 1719, 0.9948, 57.2]
