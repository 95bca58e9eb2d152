"""The report of an augmentation benchmark: one HTML page, and its curve as a file of its own. No TensorFlow."""

import csv
import io
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from synthgen.evaluation.benchmark_values import ArmFigure, BenchmarkSummary, Row
from synthgen.evaluation.wording import arm_name, budget
from synthgen.metrics.accuracy import METRICS
from synthgen.metrics.intervals import HELPS, HURTS, NO_EFFECT, UNDECIDED
from synthgen.reports.benchmark_plots import by_class, curve_figure, curves, forest
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
from synthgen.reports.page.plots import WIDE
from synthgen.reports.page.svg import on_white
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

WIDTH = 78


SHOWN = (  # tables of the one screen: scenarios and metric; the files hold every metric
    (("grid",), "accuracy"),
    (("imbalance", "long-tail"), "minority_recall"),
    (("stand-in",), "accuracy"),
)


NAMED = (
    "scenario",
    "question",
    "per_class",
    "share",
    "arm",
    "ratio",
    "baseline",
    "metric",
    "seeds",
    "verdict",
    "family",
    "confidence",
    "error_cut",
)


COLUMNS = (
    *NAMED,
    "difference",
    "low",
    "high",
    "corrected_low",
    "corrected_high",
    "primary",
    "mark",
)


TITLES = {
    "grid": "From few real images to all of them",
    "imbalance": "One class is rare",
    "long-tail": "A long tail of rare classes",
    "stand-in": "Synthetic digits in the place of real ones",
}
PROTOCOL = (
    "Both arms of a row train the same network with the same seeds, and read the same test digits; the steps of each arm are in the tables. "
    "Within a budget the generator, the screening and the tuning of the distortions see only that budget's images, except where a row says "
    "otherwise; what does not depend on a budget (networks, learning rates, numbers of steps, ranges) was fixed beforehand, without the test digits. "
    "A verdict is “helps” or “hurts” only if the interval, corrected for the number of rows that answer the same question "
    "(Holm), excludes 0. Intervals class by class are corrected for the number of classes."
)


def render_benchmark(summary: BenchmarkSummary) -> str:
    """The report as one HTML page that loads nothing.

    Args:
        summary: what the benchmark found.
    """
    return to_html(benchmark_page(summary))


def benchmark_curve(summary: BenchmarkSummary, kind: str = "svg") -> bytes:
    """Accuracy against real images per class, one curve an arm, as a file on a white ground.

    Args:
        summary: what the benchmark found; its scenario `grid` with at least two budgets.
        kind: "svg" or "png".
    """
    return on_white(curve_figure(summary), WIDE, kind)


def benchmark_page(summary: BenchmarkSummary) -> Page:
    """The report as a value; see `render_benchmark`."""
    scenarios = list(dict.fromkeys(arm.scenario for arm in summary.arms))
    return Page(
        kind="Benchmark",
        title="Do synthetic digits help a classifier, over what can be done without them?",
        subtitle=f"“{summary.name}”: {counted(len(summary.cells), 'trained classifier')}, measured on {count(summary.real['test'])} real test digits "
        f"of {summary.real['source']}; {duration(summary.seconds)} of work; {summary.created[:10]}.",
        headline=_headline(summary),
        warnings=list(dict.fromkeys([*_marks(summary), *summary.notes])),
        cards=[*_cards(summary), *_gate_cards(summary)],
        sections=[
            *(_scenario(summary, scenario) for scenario in scenarios),
            *_other_questions(summary),
            _comparisons(summary),
            *([_gates(summary)] if summary.gates else []),
            _method(summary),
        ],
    )


def _headline(summary: BenchmarkSummary) -> Headline:
    """The verdict on the first scenario that has one, with the row that shows it most."""
    rows = _primary(summary)
    first = [row for row in rows if row.scenario == rows[0].scenario] if rows else []
    word = common_word([row.verdict for row in first])
    shown = [row for row in first if row.verdict in (HELPS, HURTS)] or first
    if not shown:
        return Headline(word=word, tone="plain", figure="", interval="", sentence=summary.headline)
    most = max(shown, key=lambda row: abs(row.difference.mean))
    interval = (
        f"corrected interval {between(most.corrected)}" if most.corrected.low is not None else ""
    )
    where = budget(most) + (f", {most.ratio} synthetic for one real" if most.ratio else "")
    rank = f"the strongest of {counted(len(first), 'row')}" if len(first) > 1 else ""
    return Headline(
        word=word,
        tone=_tone(word),
        figure=f"{signed(most.difference.mean)} points of {METRICS[most.metric].title}",
        interval="; ".join(filter(None, [interval, where, rank])),
        sentence=summary.headline,
    )


def common_word(verdicts: Sequence[str]) -> str:
    """One word for several verdicts: theirs if they agree, else what they come to."""
    found = set(verdicts)
    if len(found) == 1:
        return verdicts[0]
    if {HELPS, HURTS} <= found:
        return "mixed"
    return (
        "helps in part"
        if HELPS in found
        else "hurts in part"
        if HURTS in found
        else NO_EFFECT
        if NO_EFFECT in found
        else UNDECIDED
    )


def _tone(word: str) -> str:
    return TONES.get(word) or {"helps in part": "good", "hurts in part": "bad"}.get(word, "plain")


def _primary(summary: BenchmarkSummary, scenario: str = "") -> list[Row]:
    """The rows of the headline's questions, each in its first metric."""
    rows = [row for row in summary.rows if row.primary and scenario in ("", row.scenario)]
    first = {row.scenario: row.metric for row in reversed(rows)}
    return [row for row in rows if row.metric == first[row.scenario]]


def _marks(summary: BenchmarkSummary) -> list[str]:
    marks = dict.fromkeys(arm.mark for arm in summary.arms if arm.mark)
    return [
        f"Rows marked “{mark}” use a generator that knows more than their classifiers: they do not hold for someone with only so few images."
        for mark in marks
    ]


def _cards(summary: BenchmarkSummary) -> list[Card]:
    """One card a scenario."""
    cards = []
    for scenario in dict.fromkeys(arm.scenario for arm in summary.arms):
        rows = _primary(summary, scenario)
        if rows:
            word = common_word([row.verdict for row in rows])
            counted_words = ", ".join(
                f"{sum(row.verdict == one for row in rows)} {one}"
                for one in dict.fromkeys(row.verdict for row in rows)
            )
            low, high = (
                min(row.difference.mean for row in rows),
                max(row.difference.mean for row in rows),
            )
            points = signed(low) if len(rows) == 1 else f"{signed(low)} to {signed(high)}"
            note = f"{points} points of {METRICS[rows[0].metric].title}; {counted(len(rows), 'row')}: {counted_words}"
            cards.append(
                Card(
                    title=TITLES[scenario], value=word, note=note, target=scenario, tone=_tone(word)
                )
            )
    return cards


def _gate_cards(summary: BenchmarkSummary) -> list[Card]:
    failed = [gate for gate in summary.gates if gate.failed]
    if not summary.gates:
        return []
    note = "; ".join(
        f"{gate.text}: {'not measured' if gate.figure is None else number(gate.figure)}"
        for gate in failed or summary.gates
    )
    value = f"{len(failed)} of {len(summary.gates)} failed" if failed else "all passed"
    return [
        Card(
            title="Gates", value=value, note=note, target="gates", tone="bad" if failed else "good"
        )
    ]


def _scenario(summary: BenchmarkSummary, scenario: str) -> Section:
    """A scenario: its curves, the comparisons of the headline, as a whole and class by class, and every arm."""
    arms = [arm for arm in summary.arms if arm.scenario == scenario]
    rows = _primary(summary, scenario)
    blocks: list[Block] = [
        *curves(summary, arms, scenario),
        *([forest(rows, scenario)] if rows else []),
    ]
    known = [
        row
        for row in rows
        if any(difference.low is not None for difference in row.per_class_difference)
    ]
    blocks += [
        by_class(row, summary.class_names, f"{scenario}-{number}")
        for number, row in enumerate(known)
    ]
    return Section(
        name=scenario,
        title=TITLES[scenario],
        blocks=[*blocks, _arm_table(arms, scenario), *_copying_table(arms, scenario)],
    )


def _other_questions(summary: BenchmarkSummary) -> list[Section]:
    """The questions that are not in the headline, each in its first figure; the table below holds the others too."""
    groups: dict[tuple[str, str], list[Row]] = {}
    for row in summary.rows:
        if not row.primary:
            groups.setdefault((row.scenario, row.question), []).append(row)
    firsts = [[row for row in group if row.metric == group[0].metric] for group in groups.values()]
    figures: list[Block] = [
        forest(group, f"other-{number}", half=True) for number, group in enumerate(firsts)
    ]
    return [Section(name="other", title="Other questions", blocks=figures)] if figures else []


def _arm_table(arms: Sequence[ArmFigure], scenario: str) -> Table:
    metrics = [metric for metric in METRICS if metric in arms[0].metrics]
    judged = any(arm.label_agreement for arm in arms)
    return Table(
        name=f"arms-{scenario}",
        caption="Every arm: means over the seeds with 95 % intervals over the seeds",
        columns=[
            Column(title="real digits", choice=True),
            Column(title="trained on", choice=True),
            *(Column(title=METRICS[metric].title, kind="percent") for metric in metrics),
            *([Column(title="label agreement", kind="percent")] if judged else []),
            Column(title="real", kind="count"),
            Column(title="synthetic", kind="count"),
            Column(title="seeds", kind="count"),
            Column(title="steps", kind="count"),
            Column(title="time", kind="duration"),
        ],
        rows=[
            [
                budget(arm),
                arm.title,
                *(arm.metrics[metric] for metric in metrics),
                *([arm.label_agreement] if judged else []),
                arm.real_images,
                arm.synthetic_images,
                len(arm.seeds),
                arm.steps,
                arm.seconds,
            ]
            for arm in arms
        ],
    )


def _copying_table(arms: Sequence[ArmFigure], scenario: str) -> list[Block]:
    """Copies of training images, where they were looked for."""
    found = [(arm, arm.memorisation) for arm in arms if arm.memorisation]
    if not found:
        return []
    names = list(dict.fromkeys(name for _, figures in found for name in figures))
    table = Table(
        name=f"copying-{scenario}",
        caption="Copies of training images, means over the seeds; each figure with its control on real digits",
        columns=[
            Column(title="real digits"),
            Column(title="synthetic"),
            *(Column(title=name.replace("_", " "), kind="number") for name in names),
        ],
        rows=[
            [budget(arm), arm.title, *(figures.get(name) for name in names)]
            for arm, figures in found
        ],
    )
    return [table]


def _comparisons(summary: BenchmarkSummary) -> Section:
    table = Table(
        name="rows",
        caption="Every comparison, in percentage points, with 95 % intervals; the corrected interval decides",
        columns=[
            Column(title="real digits", choice=True),
            Column(title="question", choice=True),
            Column(title="verdict", kind="verdict", choice=True),
            Column(title="difference", kind="points"),
            Column(title="corrected", kind="points"),
            Column(title="fewer errors", kind="percent"),
            Column(title="ratio", choice=True),
            Column(title="figure", choice=True),
            Column(title="seeds", kind="count"),
            Column(title="rows of the question", kind="count"),
            Column(title="remark"),
        ],
        rows=[
            [
                budget(row),
                row.question,
                row.verdict,
                row.difference,
                row.corrected,
                row.error_cut,
                str(row.ratio or "–"),  # noqa: RUF001 (a true dash)
                METRICS[row.metric].title,
                row.seeds,
                row.family,
                row.mark,
            ]
            for row in summary.rows
        ],
    )
    return Section(name="comparisons", title="All comparisons", blocks=[table])


def _gates(summary: BenchmarkSummary) -> Section:
    table = Table(
        name="gate-list",
        caption="Gates that the command was given: it ends with exit code 1 if one fails",
        columns=[
            Column(title="fails if"),
            Column(title="figure"),
            Column(title="value", kind="number"),
            Column(title="where"),
            Column(title="result"),
        ],
        rows=[
            [gate.text, gate.name, gate.figure, gate.where, "failed" if gate.failed else "passed"]
            for gate in summary.gates
        ],
    )
    return Section(name="gates", title="Gates", blocks=[table])


def _method(summary: BenchmarkSummary) -> Section:
    parts = {
        "settings": summary.settings,
        "real digits": summary.real,
        "generator": summary.generator,
        "classifier": summary.classifier,
    }
    parts |= {"versions": summary.versions, "machine": summary.machine}
    facts = {name: listed(part) for name, part in parts.items()}
    facts |= {
        "time": f"{duration(summary.seconds)} of all cells and generators; finished {summary.created}",
        "fingerprint": f"`{summary.fingerprint}`",
    }
    return Section(
        name="method",
        title="How it was measured",
        blocks=[Paragraph(text=PROTOCOL), Facts(facts=facts), _cell_table(summary.cells)],
    )


def _cell_table(cells: Sequence[Mapping[str, Any]]) -> Table:
    return Table(
        name="cells",
        caption=f"Every one of the {count(len(cells))} trained classifiers",
        columns=[
            Column(title="scenario", choice=True),
            Column(title="real digits", choice=True),
            Column(title="arm", choice=True),
            Column(title="ratio", choice=True),
            Column(title="seed"),
            Column(title="accuracy", kind="percent"),
            Column(title="steps", kind="count"),
            Column(title="seconds", kind="number"),
            Column(title="remark"),
        ],
        rows=[
            [
                cell["scenario"],
                f"{cell['share']:g} % of one class"
                if cell.get("share") is not None
                else str(cell["per_class"]),
                cell["arm"],
                str(cell["ratio"] or "–"),  # noqa: RUF001
                str(cell["seed"]),
                cell["accuracy"],
                cell["steps"],
                cell["seconds"],
                cell["mark"],
            ]
            for cell in cells
        ],
        folded=True,
    )


def terminal_lines(summary: BenchmarkSummary, folder: str) -> list[str]:
    """The answer and the figures behind it, at most 80 columns for up to seven budgets.

    Args:
        summary: of the benchmark.
        folder: where the files lie, as the user would name it.
    """
    lines = [
        f"Benchmark {summary.name}: {counted(len(summary.cells), 'cell')}, {summary.seconds / 60:,.0f} minutes of work"
    ]
    lines += [f"  {line}" for line in textwrap.wrap(summary.headline, WIDTH)]
    for scenarios, metric in SHOWN:
        if any(arm.scenario in scenarios for arm in summary.arms):
            lines += ["", *(f"  {line}" for line in _matrix(summary, scenarios, metric))]
    lines += ["", "  gain: what the headline is about; * its corrected interval excludes 0"]
    lines += [
        f"  {line}" for note in summary.notes for line in textwrap.wrap(f"NOTE: {note}", WIDTH)
    ]
    lines += [
        f"  gate {gate.text!r}: {'FAILED' if gate.failed else 'passed'}" for gate in summary.gates
    ]
    lines.append(f"  {folder}: report.html, cells.jsonl, benchmark.json, .csv, .md")
    return [
        line.replace(MINUS, "-").replace(GAP, " ").replace("±", "+-").replace(DASH, "-").rstrip()
        for line in lines
    ]


def markdown(summary: BenchmarkSummary) -> str:
    """The headline, the figures of every arm and every comparison, as Markdown."""
    settings = ", ".join(f"{name} {_plain(value)}" for name, value in summary.settings.items())
    parts = [
        f"# Benchmark {summary.name}",
        summary.headline,
        *(f"NOTE: {note}" for note in summary.notes),
    ]
    for scenario in dict.fromkeys(arm.scenario for arm in summary.arms):
        arms = [arm for arm in summary.arms if arm.scenario == scenario]
        metrics = [metric for metric in METRICS if metric in arms[0].metrics]
        head = [
            "real digits",
            "trained on",
            "real",
            "synthetic",
            "seeds",
            "steps",
            *(f"{METRICS[metric].title} (%)" for metric in metrics),
        ]
        parts += [f"## {scenario}", _markdown_table(head, [_arm_row(arm, metrics) for arm in arms])]
        if scenario == "stand-in":
            head = [
                "real digits",
                "synthetic",
                "repetitions in which a test found copies of real digits (%)",
            ]
            parts.append(
                _markdown_table(
                    head,
                    [
                        [budget(arm), arm.title, _copying(arm)]
                        for arm in arms
                        if arm.synthetic_images
                    ],
                )
            )
        for question in dict.fromkeys(
            row.question for row in summary.rows if row.scenario == scenario
        ):
            rows = [
                row for row in summary.rows if row.scenario == scenario and row.question == question
            ]
            head = [
                "real digits",
                "compared",
                "metric",
                "points",
                "95 % interval",
                f"corrected for {rows[0].family}",
                "fewer errors",
                "verdict",
            ]
            parts += [f"### {question}", _markdown_table(head, map(_comparison_row, rows))]
    real = f"Real digits: {summary.real['source']}, {summary.real['train']:,} for training, {summary.real['test']:,} test digits."
    parts += [
        real,
        f"Settings: {settings}.",
        f"Versions: {', '.join(f'{name} {value}' for name, value in summary.versions.items())}.",
    ]
    return "\n\n".join(parts) + "\n"


def to_csv(summary: BenchmarkSummary) -> str:
    """Every comparison, one a line; shares are 0..1."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for row in summary.rows:
        ends = (
            row.difference.mean,
            row.difference.low,
            row.difference.high,
            row.corrected.low,
            row.corrected.high,
        )
        writer.writerow([*(getattr(row, name) for name in NAMED), *ends, row.primary, row.mark])
    return text.getvalue()


def _matrix(summary: BenchmarkSummary, scenarios: Sequence[str], metric: str) -> list[str]:
    """Arms as lines, budgets as columns; below, the comparison of the headline and, of the stand-in, the tests for copies."""
    arms = [arm for arm in summary.arms if arm.scenario in scenarios]
    rows = [row for row in summary.rows if row.scenario in scenarios and row.primary]
    columns = list(dict.fromkeys(map(budget, arms)))
    width = max(26, *(len(arm.title) for arm in arms), *(len(_gain(row)) for row in rows)) + 1

    def line(label: str, found: Mapping[str, str]) -> str:
        return f"{label:<{width}}" + "".join(f" {found.get(column, ''):>6}" for column in columns)

    lines = [
        f"{METRICS[metric].title}, % of {summary.real['test']:,} test digits",
        line("", {column: _short(column) for column in columns}),
    ]
    for title in dict.fromkeys(arm.title for arm in arms):
        lines.append(
            line(
                title,
                {
                    budget(arm): f"{100 * arm.metrics[metric].mean:.2f}"
                    for arm in arms
                    if arm.title == title
                },
            )
        )
    for gain in dict.fromkeys(map(_gain, rows)):
        found = [row for row in rows if _gain(row) == gain]
        lines.append(line(gain, {budget(row): _points(row) for row in found}))
        lines.append(
            line(
                "",
                {
                    budget(row): half_width(row.difference).replace(GAP, "").replace("±", "+-")
                    for row in found
                },
            )
        )
    if "stand-in" in scenarios:
        lines.append(
            line(
                "copies real ones? % of seeds",
                {budget(arm): _copying(arm) for arm in arms if arm.synthetic_images},
            )
        )
    return lines


def _gain(row: Row) -> str:
    """What a line with differences is called."""
    return (
        "gain in points"
        + (f", x{row.ratio}" if row.ratio else "")
        + (f" ({row.mark})" if row.mark else "")
    )


def _copying(arm: ArmFigure) -> str:
    """In how many of the repetitions a test found that synthetic digits copy the real ones that their generator has seen."""
    return "?" if arm.memorisation is None else f"{100 * arm.memorisation['found']:.0f}"


def _short(column: str) -> str:
    """'20 images per class' -> '20', '2.5 % of one class' -> '2.5 %', 'a tail of 4000-40 images' -> 'tail'."""
    words = column.split()
    return words[1] if words[0] == "a" else " ".join(words[:2]) if words[1] == "%" else words[0]


def _points(row: Row) -> str:
    return signed(row.difference.mean) + ("*" if row.verdict in (HELPS, HURTS) else " ")


def _arm_row(arm: ArmFigure, metrics: Sequence[str]) -> list[str]:
    figures = [
        f"{percent(arm.metrics[metric].mean)} {half_width(arm.metrics[metric])}"
        for metric in metrics
    ]
    return [
        budget(arm),
        arm.title,
        f"{arm.real_images:,}",
        f"{arm.synthetic_images:,}",
        str(len(arm.seeds)),
        f"{arm.steps:,}",
        *figures,
    ]


def _comparison_row(row: Row) -> list[str]:
    arm = f"{arm_name(row.arm, row.ratio)} against {row.baseline}" + (
        f" ({row.mark})" if row.mark else ""
    )
    cut = DASH if row.error_cut is None else f"{100 * row.error_cut:.1f}{GAP}%".replace("-", MINUS)
    verdict = f"**{row.verdict}**"
    return [
        budget(row),
        arm,
        METRICS[row.metric].title,
        signed(row.difference.mean),
        between(row.difference),
        between(row.corrected),
        cut,
        verdict,
    ]


def _markdown_table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    return "\n".join(
        "| " + " | ".join(cells) + " |" for cells in (head, ["---"] * len(head), *rows)
    )


def _plain(value: Any) -> str:
    return ",".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
