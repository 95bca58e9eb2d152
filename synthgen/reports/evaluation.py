"""The report of an evaluation: a table for the terminal, and a page as HTML, Markdown and CSV, from an evaluation alone."""

import textwrap
from collections.abc import Mapping
from typing import Any

from synthgen.datasets.digits import Digits
from synthgen.evaluation.arms import ARMS, BASELINE
from synthgen.evaluation.results import Comparison, Evaluation
from synthgen.metrics.fidelity import METRICS, Metric
from synthgen.metrics.memorisation import SEEN, Memorisation
from synthgen.reports import evaluation as method
from synthgen.reports import fidelity, images, labels, memorisation, usefulness
from synthgen.reports import usefulness as wording
from synthgen.reports.images import Shown, shown_positions
from synthgen.reports.page.content import (
    Block,
    Card,
    Column,
    Facts,
    Headline,
    Page,
    Paragraph,
    Section,
    Table,
)
from synthgen.reports.page.formats import TONES, between, half_width
from synthgen.reports.page.html import to_html
from synthgen.reports.page.markdown import to_csv, to_markdown
from synthgen.text import (
    DASH,
    GAP,
    MINUS,
    count,
    counted,
    duration,
    listed,
    number,
    percent,
    signed,
)

PROTOCOL = (
    "Every arm trains the same small convolutional network for the same number of gradient steps, so that more images do not mean more training. "
    "Seed by seed the arms start from the same weights. Nothing was chosen on the test digits. A verdict is “helps” or “hurts” only if the 95 % "
    "interval of the paired difference, over seeds and test images together, excludes 0."
)


__all__ = ["render_csv", "render_markdown", "render_report", "shown_positions", "terminal_table"]


def render_report(
    evaluation: Evaluation, synthetic: Digits, train: Digits, rows: Mapping[int, Mapping[str, Any]]
) -> str:
    """The whole report as one HTML page that loads nothing.

    Args:
        evaluation: the figures.
        synthetic: the set, in the order in which it was evaluated.
        train: the real training digits.
        rows: the manifest's row of each of `shown_positions(evaluation, synthetic)`, by position;
            empty without a manifest.
    """
    return to_html(report_page(evaluation, Shown(synthetic=synthetic, train=train, rows=rows)))


def render_markdown(evaluation: Evaluation) -> str:
    """The words and tables of the report as Markdown."""
    return to_markdown(report_page(evaluation))


def render_csv(evaluation: Evaluation) -> str:
    """The figures of the report as CSV: table, row, figure, value, low, high."""
    return to_csv(report_page(evaluation))


def report_page(evaluation: Evaluation, shown: Shown | None = None) -> Page:
    """The report as a value.

    Args:
        evaluation: the figures.
        shown: the images, if the page is to have pictures.
    """
    main = main_comparison(evaluation)
    seeds, settings = len(evaluation.settings["seeds"]), evaluation.settings
    origin = wording.origin(evaluation)
    warned = origin.startswith(wording.WARNING)
    return Page(
        kind="Evaluation",
        title=f"Do the synthetic digits of “{evaluation.name}” help?",
        subtitle=f"{count(evaluation.synthetic['images'])} synthetic digits, measured on {count(evaluation.real['test'])} real test digits"
        + ("" if warned else " that no training has seen")
        + f"; {counted(seeds, 'paired seed')}, {count(settings['steps'])} gradient steps in every arm; {evaluation.created[:10]}."
        + ("" if warned else f" {origin}"),
        headline=_headline(evaluation, main),
        warnings=[origin] * warned,
        cards=[
            *_comparison_cards(evaluation, main),
            _label_card(evaluation),
            *_finding_cards(evaluation),
        ],
        sections=_sections(evaluation, shown),
    )


def main_comparison(evaluation: Evaluation) -> Comparison | None:
    """The one that answers the question: synthetic digits on top of augmentation, else added to real ones, else in their place; None without any."""
    if evaluation.beyond_classical:
        return evaluation.beyond_classical
    found = {comparison.arm: comparison for comparison in evaluation.comparisons}
    return found.get("real_synthetic") or found.get("synthetic")


def _sections(evaluation: Evaluation, shown: Shown | None) -> list[Section]:
    return [
        usefulness.section(evaluation),
        usefulness.class_section(evaluation),
        *([images.section(evaluation, shown)] if shown else []),
        labels.section(evaluation, shown),
        fidelity.section(evaluation),
        fidelity.pixel_section(evaluation),
        memorisation.section(evaluation, shown),
        method.section(evaluation),
    ]


def _headline(evaluation: Evaluation, main: Comparison | None) -> Headline:
    if main is None:
        return Headline(
            word="not judged",
            tone="plain",
            figure="",
            interval="",
            sentence="No classifier was trained with the synthetic digits.",
        )
    interval = between(main.difference)
    return Headline(
        word=main.verdict,
        tone=TONES[main.verdict],
        figure=f"{signed(main.difference.mean)} points of accuracy",
        interval="" if interval == DASH else f"95{GAP}% interval {interval}",
        sentence=wording.advice(evaluation, main),
    )


def _comparison_cards(evaluation: Evaluation, main: Comparison | None) -> list[Card]:
    return [
        Card(
            title=wording.question(comparison),
            value=comparison.verdict,
            note=f"{signed(comparison.difference.mean)} points against {ARMS[comparison.baseline].title}, "
            f"95{GAP}% interval {between(comparison.difference)}",
            target="usefulness",
            tone=TONES[comparison.verdict],
        )
        for comparison in usefulness.all_comparisons(evaluation)
        if comparison is not main
    ]


def _label_card(evaluation: Evaluation) -> Card:
    worst, share = wording.weakest_class(evaluation)
    failed = evaluation.agreement.failed_classes
    names = ", ".join(evaluation.class_names[label] for label in failed)
    note = (
        f"of labels are what independent classifiers see; lowest: {percent(share)} of class {worst}"
    )
    note += f". The generator cannot make: {names}" if failed else ""
    return Card(
        title="Can the labels be trusted?",
        value=percent(evaluation.agreement.share.mean),
        note=note,
        target="labels",
        tone="bad" if failed else "plain",
    )


def _finding_cards(evaluation: Evaluation) -> list[Card]:
    cards, distance, found = [], overall_metric(evaluation, "fd"), evaluation.memorisation
    if distance and distance.synthetic and distance.floor:
        times = f"{distance.synthetic.mean / distance.floor.mean:.1f}{GAP}× the floor"  # noqa: RUF001 (a true multiplication sign)
        note = f"{distance.name} {number(distance.synthetic.mean)}; real digits against real digits {number(distance.floor.mean)}"
        cards.append(
            Card(title="How far from real digits?", value=times, note=note, target="fidelity")
        )
    elif distance and distance.error:
        note = "; ".join(f"{name} {needs}" for name, needs in _too_few(evaluation))
        cards.append(
            Card(
                title="How far from real digits?",
                value="too few images",
                note=note,
                target="fidelity",
            )
        )
    if evaluation.two_sample:
        accuracy = percent(evaluation.two_sample.synthetic.mean)
        cards.append(
            Card(
                title="Can they be told from real ones?",
                value=accuracy,
                note="of images are told apart rightly; guessing: 50 %",
                target="pixels",
            )
        )
    return [*cards, _copying_card(found)] if found else cards


def _copying_card(found: Memorisation) -> Card:
    """What was found, and none found only if these are the digits that the generator has seen."""
    title, target = "Copies of training images?", "memorisation"
    if not found.fired and found.generator_saw != SEEN:
        return Card(
            title=title,
            value="not known",
            note=memorisation.CAVEATS[found.generator_saw],
            target=target,
        )
    note = f"{counted(found.copies, 'image')} pixel-identical to a training image; {counted(len(found.fired), 'test')} found signs of copying"
    return Card(
        title=title,
        value="yes" if found.fired else "none found",
        note=note,
        target=target,
        tone="bad" if found.fired else "good",
    )


def _too_few(evaluation: Evaluation) -> list[tuple[str, str]]:
    """Figures over all classes that could not be measured: name, and what they need."""
    overall = [metric for metric in evaluation.fidelity if metric.label is None and metric.error]
    return [
        (m.name, f"needs {METRICS[m.metric].least:,} or more of each side, received {m.images:,}")
        for m in overall
    ]


def overall_metric(evaluation: Evaluation, metric: str) -> Metric | None:
    """A figure of fidelity over all classes, if it was measured."""
    return next(
        (found for found in evaluation.fidelity if found.metric == metric and found.label is None),
        None,
    )


def terminal_table(evaluation: Evaluation, report: str = "") -> str:
    """The figures as plain text of at most 80 columns and one screen.

    Args:
        evaluation: the figures.
        report: where the HTML file lies, if it has been written.
    """
    settings, agreement = evaluation.settings, evaluation.agreement
    seeds, tested = len(settings["seeds"]), evaluation.real["test"]
    worst, share = wording.weakest_class(evaluation)
    lines = [
        f"Evaluation of {evaluation.name}: {evaluation.synthetic['images']:,} synthetic digits",
        f"  {counted(seeds, 'paired seed')}, {settings['steps']:,} gradient steps in every arm",
        *(f"  {line}" for line in textwrap.wrap(wording.origin(evaluation), 78)),
        "",
        f"  {'trained on':<22}{'images':>9}   accuracy on {tested:,} test digits",
        *(
            f"  {ARMS[a.arm].title:<22}{a.train_images:>9,}   {percent(a.accuracy.mean)} {half_width(a.accuracy)}"
            for a in evaluation.arms
        ),
        "",
        *_comparison_lines(evaluation),
        f"  label agreement of {agreement.images:,} synthetic digits: {percent(agreement.share.mean)} {half_width(agreement.share)}",
        f"    as seen by {counted(seeds, 'classifier')} trained on real digits; lowest: {percent(share)} of class {worst}",
        *_finding_lines(evaluation),
        *([f"  report: {report}"] if report else []),
    ]
    # what any terminal can show
    return "\n".join(lines).replace(MINUS, "-").replace(GAP, " ").replace(DASH, "-")


def _comparison_lines(evaluation: Evaluation) -> list[str]:
    """The differences, a line each; none where only real digits were learnt from."""
    comparisons = usefulness.all_comparisons(evaluation)
    titles = [
        ARMS[c.arm].title if c is not evaluation.beyond_classical else "  over classical"
        for c in comparisons
    ]
    rows = [
        f"  {t:<22}{signed(c.difference.mean):>9}   {between(c.difference):<19}{c.verdict}"
        for t, c in zip(titles, comparisons, strict=True)
    ]
    few = wording.few_seeds(evaluation)
    return (
        [
            f"  {'against real':<22}{'points':>9}   {'95 % interval':<19}verdict",
            *rows,
            *([f"  {few}"] if few else []),
            "",
        ]
        if rows
        else []
    )


def _finding_lines(evaluation: Evaluation) -> list[str]:
    """Fidelity beside its floor, what there were too few images for, the detector, and copies, in a line each."""
    found = [
        metric
        for key in ("fd", "precision", "recall")
        if (metric := overall_metric(evaluation, key)) and metric.synthetic and metric.floor
    ]
    figures = [
        f"{m.name} {number(m.synthetic.mean)} ({number(m.floor.mean)})"
        for m in found
        if m.synthetic and m.floor
    ]
    lines = (
        textwrap.wrap(
            f"fidelity (floor: real against real): {', '.join(figures)}", 76, subsequent_indent="  "
        )
        if figures
        else []
    )
    lines += [f"{name}: too few images, {needs}" for name, needs in _too_few(evaluation)]
    if evaluation.two_sample:
        lines.append(
            f"told from real digits: {percent(evaluation.two_sample.synthetic.mean)} rightly; guessing: 50 %"
        )
    if evaluation.memorisation:
        lines += textwrap.wrap(
            f"copies of training images: {_copying_words(evaluation.memorisation)}",
            76,
            subsequent_indent="  ",
        )
    return [f"  {line}" for line in lines]


def _copying_words(found: Memorisation) -> str:
    if found.fired:
        return f"signs found by {', '.join(found.fired)}"
    return (
        "none found"
        if found.generator_saw == SEEN
        else f"not known. {memorisation.CAVEATS[found.generator_saw]}"
    )


def section(evaluation: Evaluation) -> Section:
    """Everything that is needed to do it again."""
    judges = (
        f"The classifiers that judge the labels are those of the arm “{ARMS[BASELINE].title}”. They have another architecture and other seeds than "
        "the classifier that screens images while a set is built."
    )
    blocks: list[Block] = [
        Paragraph(text=PROTOCOL),
        Paragraph(text=judges),
        Facts(facts=_facts(evaluation)),
        _trainings(evaluation),
    ]
    return Section(name="method", title="How it was measured", blocks=blocks)


def _facts(evaluation: Evaluation) -> dict[str, str]:
    settings, real, synthetic = evaluation.settings, evaluation.real, evaluation.synthetic
    used = (
        f", of which the first {count(synthetic['used'])} (equally many of each class) were used"
        if synthetic["used"] < synthetic["images"]
        else ""
    )
    counts = ", ".join(
        f"{name}: {count(images)}"
        for name, images in zip(evaluation.class_names, synthetic["per_class"], strict=True)
    )
    features = evaluation.features
    network = (
        {
            "feature network": f"{features['name']}, {features['size']} features, SHA-256 `{features['sha256']}`"
        }
        if features
        else {}
    )
    measuring = ", ".join(
        f"{name.replace('_', ' ')} {duration(seconds)}"
        for name, seconds in evaluation.seconds_measuring.items()
    )
    return {
        "synthetic set": f"{evaluation.name}: {count(synthetic['images'])} images{used}, SHA-256 `{synthetic['sha256']}`",
        "images per class": counts,
        "real digits": f"{real['source']}: {count(real['train'])} to train on, {count(real['validation'])} for validation, "
        f"{count(real['test'])} to test on, SHA-256 `{real['sha256']}`",
        "training": f"{count(settings['steps'])} steps of {count(settings['batch'])} images; seeds {', '.join(map(str, settings['seeds']))}",
        "settings": listed(
            {
                name: value
                for name, value in settings.items()
                if name not in ("steps", "batch", "seeds", "classifier")
            }
        ),
        "classifier": listed(settings["classifier"]),
        **network,
        "versions": ", ".join(f"{name} {version}" for name, version in evaluation.versions.items()),
        "time": f"{duration(evaluation.seconds)} for {counted(len(evaluation.cells), 'training')} and their predictions"
        + (f"; {measuring}" if measuring else "")
        + f"; finished {evaluation.created}",
        "fingerprint": f"`{evaluation.fingerprint}`",
    }


def _trainings(evaluation: Evaluation) -> Table:
    return Table(
        name="trainings",
        caption="Every training",
        columns=[
            Column(title="trained on", choice=True),
            Column(title="seed", kind="text"),
            Column(title="images", kind="count"),
            Column(title="steps", kind="count"),
            Column(title="accuracy", kind="percent"),
            Column(title="seconds", kind="number"),
        ],
        rows=[
            [
                ARMS[cell["arm"]].title,
                str(cell["seed"]),
                cell["train_images"],
                cell["steps"],
                cell["accuracy"],
                cell["seconds"],
            ]
            for cell in evaluation.cells
        ],
        folded=True,
    )
