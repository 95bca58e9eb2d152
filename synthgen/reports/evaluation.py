"""The report of an evaluation: do the synthetic digits of a set help? No TensorFlow."""

from synthgen.evaluation.arms import ARMS, BASELINE
from synthgen.evaluation.results import Comparison, Evaluation
from synthgen.metrics.fidelity import FIDELITY_METRICS, FidelityFigure
from synthgen.metrics.memorisation import SEEN, Memorisation
from synthgen.reports.fidelity import fidelity_section, pixel_section
from synthgen.reports.images import ShownImages, images_section
from synthgen.reports.labels import labels_section
from synthgen.reports.memorisation import CAVEATS, memorisation_section
from synthgen.reports.page.blocks import (
    Block,
    Card,
    Column,
    Facts,
    Headline,
    Page,
    Paragraph,
    Report,
    Section,
    Table,
)
from synthgen.reports.page.csv_file import to_csv
from synthgen.reports.page.html import to_html
from synthgen.reports.page.markdown import to_markdown
from synthgen.reports.page.words import TONES, half_width, signed_between
from synthgen.reports.usefulness import (
    WARNING,
    advice,
    class_section,
    few_seeds,
    main_comparison,
    origin,
    usefulness_section,
    weakest_class,
)
from synthgen.text import (
    DASH,
    GAP,
    count,
    counted,
    duration,
    for_terminal,
    listed,
    number,
    percent,
    signed,
    wrapped,
)

EVALUATION_PROTOCOL = (
    "Every arm trains the same small convolutional network for the same number of gradient steps, "
    "so that more images do not mean more training. "
    "Seed by seed the arms start from the same weights. Nothing was chosen on the test digits. "
    "A verdict is “helps” or “hurts” only if the 95 % interval of the paired difference, "
    "over seeds and test images together, excludes 0."
)
# Settings that the report tells in a sentence of their own.
SETTINGS_APART = ("seeds",)


def render_evaluation(evaluation: Evaluation, shown: ShownImages | None = None) -> Report:
    """Reports an evaluation.

    Args:
        evaluation: the figures.
        shown: the images, if the page is to have pictures.
    """
    page = evaluation_page(evaluation, shown)
    return Report(
        html=to_html(page),
        markdown=to_markdown(page),
        csv=to_csv(page),
        lines=evaluation_lines(evaluation),
    )


def evaluation_page(evaluation: Evaluation, shown: ShownImages | None = None) -> Page:
    """Composes the report of an evaluation as a page.

    Args:
        evaluation: the figures.
        shown: the images, if the page is to have pictures.
    """
    main = main_comparison(evaluation)
    seen = origin(evaluation)
    warned = seen.startswith(WARNING)

    # of how many, against how many, how often, and when
    tested = f"measured on {count(evaluation.real.test)} real test digits"
    if not warned:
        tested += " that no training has seen"
    subtitle = (
        f"{count(evaluation.synthetic.images)} synthetic digits, {tested}; "
        f"{counted(len(evaluation.seeds), 'paired seed')}, "
        f"{count(evaluation.steps)} gradient steps in every arm; "
        f"{evaluation.created[:10]}."
    )

    sections = [usefulness_section(evaluation), class_section(evaluation)]
    if shown:
        sections.append(images_section(evaluation, shown))
    sections += [
        labels_section(evaluation, shown),
        fidelity_section(evaluation),
        pixel_section(evaluation),
        memorisation_section(evaluation, shown),
        evaluation_method_section(evaluation),
    ]
    return Page(
        kind="Evaluation",
        title=f"Do the synthetic digits of “{evaluation.name}” help?",
        subtitle=subtitle if warned else f"{subtitle} {seen}",
        headline=evaluation_headline(evaluation, main),
        warnings=[seen] if warned else [],
        cards=evaluation_cards(evaluation, main),
        sections=sections,
    )


def evaluation_lines(evaluation: Evaluation) -> tuple[str, ...]:
    """Writes the figures for a terminal: at most 80 columns wide and one screen long.

    Args:
        evaluation: the figures.
    """
    seeds = len(evaluation.seeds)
    agreement = evaluation.agreement

    # what was measured, and what the generator has seen
    lines = [
        f"Evaluation of {evaluation.name}: {evaluation.synthetic.images:,} synthetic digits",
        f"  {counted(seeds, 'paired seed')}, {evaluation.steps:,} gradient steps in every arm",
        *wrapped(origin(evaluation), "  "),
        "",
    ]

    # accuracy of each arm
    tested = f"accuracy on {evaluation.real.test:,} test digits"
    lines.append(f"  {'trained on':<22}{'images':>9}   {tested}")
    for arm in evaluation.arms:
        accuracy = f"{percent(arm.accuracy.mean)} {half_width(arm.accuracy)}"
        lines.append(f"  {ARMS[arm.arm].title:<22}{arm.train_images:>9,}   {accuracy}")
    lines.append("")

    # differences, unless only real digits were learnt from
    comparisons = evaluation.comparisons
    if comparisons:
        lines.append(f"  {'against real':<22}{'points':>9}   {'95 % interval':<19}verdict")
    for comparison in comparisons:
        title = ARMS[comparison.arm].title
        if comparison.baseline != BASELINE:
            title = f"  over {comparison.baseline}"
        points = signed(comparison.difference.mean)
        interval = signed_between(comparison.difference)
        lines.append(f"  {title:<22}{points:>9}   {interval:<19}{comparison.verdict}")
    if comparisons and few_seeds(evaluation):
        lines.append(f"  {few_seeds(evaluation)}")
    if comparisons:
        lines.append("")

    # labels
    worst, least = weakest_class(evaluation)
    share = f"{percent(agreement.share.mean)} {half_width(agreement.share)}"
    lines += [
        f"  label agreement of {agreement.images:,} synthetic digits: {share}",
        f"    as seen by {counted(seeds, 'classifier')} trained on real digits; "
        f"lowest: {percent(least)} of class {worst}",
    ]

    # fidelity beside its floor, and what there were too few images for
    figures = []
    for key in ("fd", "precision", "recall"):
        metric = overall_metric(evaluation, key)
        if metric and metric.synthetic and metric.floor:
            figure = number(metric.synthetic.mean)
            figures.append(f"{metric.name} {figure} ({number(metric.floor.mean)})")
    if figures:
        lines += wrapped(f"fidelity (floor: real against real): {', '.join(figures)}", "  ", "  ")
    for name, needs in _too_few_images(evaluation):
        lines.append(f"  {name}: too few images, {needs}")

    # giveaways and copies
    if evaluation.measures.two_sample:
        told_apart = percent(evaluation.measures.two_sample.synthetic.mean)
        lines.append(f"  told from real digits: {told_apart} rightly; guessing: 50 %")
    found = evaluation.measures.memorisation
    if found:
        copies = f"not known. {CAVEATS[found.generator_saw]}"
        if found.fired:
            copies = f"signs found by {', '.join(found.fired)}"
        elif found.generator_saw == SEEN:
            copies = "none found"
        lines += wrapped(f"copies of training images: {copies}", "  ", "  ")
    return for_terminal(lines)


def evaluation_headline(evaluation: Evaluation, main: Comparison | None) -> Headline:
    """Gives the verdict of an evaluation and what it means.

    Args:
        evaluation: the figures.
        main: the comparison that answers its question; None without one.
    """
    if main is None:
        return Headline(
            word="not judged",
            tone="plain",
            figure="",
            interval="",
            sentence="No classifier was trained with the synthetic digits.",
        )
    interval = signed_between(main.difference)
    return Headline(
        word=main.verdict,
        tone=TONES[main.verdict],
        figure=f"{signed(main.difference.mean)} points of accuracy",
        interval="" if interval == DASH else f"95{GAP}% interval {interval}",
        sentence=advice(evaluation, main),
    )


def evaluation_cards(evaluation: Evaluation, main: Comparison | None) -> list[Card]:
    """Makes a card for each finding beside the headline.

    Args:
        evaluation: the figures.
        main: the comparison of the headline; None without one.
    """
    # the other comparisons
    cards = [
        Card(
            title=comparison.question,
            value=comparison.verdict,
            note=f"{signed(comparison.difference.mean)} points against "
            f"{ARMS[comparison.baseline].title}, "
            f"95{GAP}% interval {signed_between(comparison.difference)}",
            target="usefulness",
            tone=TONES[comparison.verdict],
        )
        for comparison in evaluation.comparisons
        if comparison is not main
    ]

    # labels
    worst, share = weakest_class(evaluation)
    failed = [evaluation.class_names[label] for label in evaluation.agreement.failed_classes]
    agreed = (
        f"of labels are what independent classifiers see; lowest: {percent(share)} of class {worst}"
    )
    card = Card(
        title="Can the labels be trusted?",
        value=percent(evaluation.agreement.share.mean),
        note=f"{agreed}. The generator cannot make: {', '.join(failed)}" if failed else agreed,
        target="labels",
        tone="bad" if failed else "plain",
    )
    cards.append(card)

    # distance from real digits
    distance = overall_metric(evaluation, "fd")
    if distance and distance.synthetic and distance.floor:
        times = distance.synthetic.mean / distance.floor.mean
        card = Card(
            title="How far from real digits?",
            value=f"{times:.1f}{GAP}\N{MULTIPLICATION SIGN} the floor",
            note=f"{distance.name} {number(distance.synthetic.mean)}; "
            f"real digits against real digits {number(distance.floor.mean)}",
            target="fidelity",
        )
        cards.append(card)
    elif distance and distance.error:
        card = Card(
            title="How far from real digits?",
            value="too few images",
            note="; ".join(f"{name} {needs}" for name, needs in _too_few_images(evaluation)),
            target="fidelity",
        )
        cards.append(card)

    # giveaways and copies
    measures = evaluation.measures
    if measures.two_sample:
        card = Card(
            title="Can they be told from real ones?",
            value=percent(measures.two_sample.synthetic.mean),
            note="of images are told apart rightly; guessing: 50 %",
            target="pixels",
        )
        cards.append(card)
    if measures.memorisation:
        cards.append(copying_card(measures.memorisation))
    return cards


def copying_card(found: Memorisation) -> Card:
    """Says whether there are copies; "none found" only of digits that the generator has seen.

    Args:
        found: by the tests of copying.
    """
    value = "none found"
    tone = "good"
    note = (
        f"{counted(found.copies, 'image')} pixel-identical to a training image; "
        f"{counted(len(found.fired), 'test')} found signs of copying"
    )
    if found.fired:
        value = "yes"
        tone = "bad"
    elif found.generator_saw != SEEN:
        value = "not known"
        tone = "plain"
        note = CAVEATS[found.generator_saw]
    return Card(
        title="Copies of training images?", value=value, note=note, target="memorisation", tone=tone
    )


def overall_metric(evaluation: Evaluation, key: str) -> FidelityFigure | None:
    """Finds a figure of fidelity over all classes; None where it was not asked for.

    Args:
        evaluation: the figures.
        key: of the metric, such as "fd".
    """
    for metric in evaluation.measures.fidelity:
        if metric.metric == key and metric.label is None:
            return metric
    return None


def _too_few_images(evaluation: Evaluation) -> list[tuple[str, str]]:
    """Lists figures over all classes that could not be measured: name, and what they need."""
    return [
        (
            metric.name,
            f"needs {FIDELITY_METRICS[metric.metric].least:,} or more of each side, "
            f"received {metric.images:,}",
        )
        for metric in evaluation.measures.fidelity
        if metric.label is None and metric.error
    ]


def evaluation_method_section(evaluation: Evaluation) -> Section:
    """Shows the protocol, settings and identities, and every training.

    Args:
        evaluation: any.
    """
    judges = (
        "The classifiers that judge the labels are those of the arm "
        f"“{ARMS[BASELINE].title}”. They have another architecture and other seeds than the "
        "classifier that screens images while a set is built."
    )
    trainings = Table(
        name="trainings",
        caption="Every training",
        columns=[
            Column(title="trained on", choice=True),
            Column(title="seed"),
            Column(title="images", kind="count"),
            Column(title="steps", kind="count"),
            Column(title="accuracy", kind="percent"),
            Column(title="seconds", kind="number"),
        ],
        rows=[
            [
                ARMS[cell.arm].title,
                str(cell.seed),
                cell.train_images,
                cell.steps,
                cell.accuracy,
                cell.seconds,
            ]
            for cell in evaluation.cells
        ],
        folded=True,
    )
    blocks: list[Block] = [
        Paragraph(text=EVALUATION_PROTOCOL),
        Paragraph(text=judges),
        Facts(facts=evaluation_facts(evaluation)),
        trainings,
    ]
    return Section(name="method", title="How it was measured", blocks=blocks)


def evaluation_facts(evaluation: Evaluation) -> dict[str, str]:
    """Names identities, counts, settings, versions and times.

    Args:
        evaluation: any.

    Returns:
        A text for each name; hashes stand in backticks.
    """
    settings = evaluation.settings
    real = evaluation.real
    synthetic = evaluation.synthetic
    facts = {}

    # the synthetic set and the real digits
    used = ""
    if synthetic.used < synthetic.images:
        first = count(synthetic.used)
        used = f", of which the first {first} (equally many of each class) were used"
    facts["synthetic set"] = (
        f"{evaluation.name}: {count(synthetic.images)} images{used}, SHA-256 `{synthetic.sha256}`"
    )
    facts["images per class"] = ", ".join(
        f"{name}: {count(images)}"
        for name, images in zip(evaluation.class_names, synthetic.per_class, strict=True)
    )
    facts["real digits"] = (
        f"{real.source}: {count(real.train)} to train on, "
        f"{count(real.validation)} for validation, {count(real.test)} to test on, "
        f"SHA-256 `{real.sha256}`"
    )

    # how classifiers were trained, and which network the features are of
    seeds = ", ".join(map(str, evaluation.seeds))
    facts["training"] = (
        f"{count(evaluation.steps)} steps of {count(evaluation.batch)} images; seeds {seeds}"
    )
    facts["settings"] = listed(
        {name: value for name, value in vars(settings).items() if name not in SETTINGS_APART}
    )
    facts["classifier"] = listed(evaluation.classifier)
    features = evaluation.measures.features
    if features:
        facts["feature network"] = (
            f"{features['name']}, {features['size']} features, SHA-256 `{features['sha256']}`"
        )

    # versions, times, and the identity of it all
    facts["versions"] = ", ".join(
        f"{name} {version}" for name, version in evaluation.versions.items()
    )
    times = [
        f"{duration(evaluation.seconds)} for {counted(len(evaluation.cells), 'training')} "
        "and their predictions"
    ]
    if evaluation.measures.seconds_measuring:
        measuring = [
            f"{name.replace('_', ' ')} {duration(seconds)}"
            for name, seconds in evaluation.measures.seconds_measuring.items()
        ]
        times.append(", ".join(measuring))
    times.append(f"finished {evaluation.created}")
    facts["time"] = "; ".join(times)
    facts["fingerprint"] = f"`{evaluation.fingerprint}`"
    return facts
