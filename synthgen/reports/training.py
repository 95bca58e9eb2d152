"""The page of a training: what it draws, its curves, what went wrong, and its record. No TensorFlow."""

import csv
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from synthgen.datasets.pixels import decode_png, encode_png
from synthgen.errors import CheckpointError, DataError
from synthgen.gan.log import sheet_files
from synthgen.reports.page.content import (
    Animation,
    Block,
    Card,
    Column,
    Facts,
    Figure,
    Filmstrip,
    Frame,
    Headline,
    Page,
    Paragraph,
    Section,
    Table,
)
from synthgen.reports.page.html import to_html
from synthgen.reports.page.plots import Line, line_plot, log_y
from synthgen.storage import Storage, open_storage
from synthgen.text import count, counted, duration, listed, number, percent

# columns of equal length, NaN where a value was not measured
Log = Mapping[str, NDArray[np.float64]]


TIMES = ("step", "seconds")


MOST_POINTS = 60


BAND = (10, 90)  # percentiles of the values that one point of a curve stands for


@dataclass(frozen=True, kw_only=True)
class Family:
    """Columns that are drawn in one plot: those whose name has one of these parts.

    Args:
        title: of the plot.
        axis: label of its y axis, with the unit.
        parts: of column names.
        said: word at the end of a column's name that need not be repeated in the legend.
        share: whether values are shares 0..1, shown in percent.
        log: whether the axis is logarithmic where all values are positive.
    """

    title: str
    axis: str
    parts: tuple[str, ...]
    said: str = ""
    share: bool = False
    log: bool = False


FAMILIES = (
    Family(title="losses", axis="loss", parts=("loss",), said="loss"),
    Family(
        title="accuracy of the discriminator",
        axis="images judged rightly (%)",
        parts=("real_accuracy", "fake_accuracy"),
        said="accuracy",
        share=True,
    ),
    Family(
        title="gradient norms",
        axis="norm of the gradient, log scale",
        parts=("gradient",),
        said="gradient",
        log=True,
    ),
    Family(title="penalties", axis="penalty", parts=("penalty",)),
    Family(
        title="quality of the samples",
        axis="share (%)",
        parts=(
            "coverage",
            "recall",
            "precision",
            "agreement",
            "usefulness",
            "accuracy",
            "distinct",
            "diversity",
        ),
        share=True,
    ),
    Family(title="speed", axis="training images per second", parts=("per_second",)),
)


@dataclass(frozen=True, kw_only=True)
class Plot:
    """A plot of some columns of a log."""

    title: str
    axis: str
    lines: tuple[Line, ...]
    log: bool


LOG, RECORD, EVENTS = "training/log.csv", "checkpoint.json", "training/events.jsonl"
MOST_FRAMES = 30  # grids on the page; more are thinned out evenly
MOVING = {"webp": "image/webp", "gif": "image/gif"}
MOST_BYTES = 8_000_000  # of an animation that the page holds
TAIL = 0.1  # the share of the log, at its end, that "now" is the mean of
QUALITY = {
    "usefulness": "accuracy on validation digits of a small classifier trained on its samples",
    "coverage": "of real digits have a sample near them",
    "recall": "of real digits lie within what it draws",
}
APART = (
    "settings",
    "weights",
    "format",
    "sha256",
    "measured",
    "alarms",
    "class_names",
    "image_shape",
)  # keys of the record shown in a way of their own


def render_run(folder: str) -> str:
    """The page of a training as one HTML file that loads nothing.

    Args:
        folder: a training folder, path or fsspec URL; finished, stopped or still under way.

    Raises:
        CheckpointError: if there is no training in it, or its files are damaged.
        StorageError: if a file cannot be read.
    """
    return to_html(run_page(folder))


def run_page(folder: str) -> Page:
    """The page of a training as a value; see `render_run`."""
    storage = open_storage(folder)
    if not storage.exists(LOG):
        raise CheckpointError(
            f"Expected a training in {folder}, with {LOG}, found none. Name a folder that `synthgen train --out FOLDER` made."
        )
    log, record = read_log(storage.read_bytes(LOG).decode(), f"{folder}/{LOG}"), _record(storage)
    events = _events(storage) or _alarms(record)
    sections = [
        Section(name="samples", title="What it draws", blocks=_pictures(storage)),
        Section(name="curves", title="Curves", blocks=_curves(log)),
        Section(
            name="events",
            title="Events and alarms",
            blocks=[_event_table(events)] if events else [],
        ),
        Section(name="record", title="Settings and record", blocks=_record_blocks(record)),
    ]
    return Page(
        kind="Training",
        title=f"How the training “{folder.rstrip('/').rpartition('/')[2]}” went",
        subtitle=_subtitle(record),
        headline=_headline(record, log, events),
        cards=_cards(log, record),
        warnings=[_message(event) for event in open_alarms(events)],
        sections=[section for section in sections if section.blocks],
    )


def _record(storage: Storage) -> dict[str, Any]:
    """The checkpoint's record; before the first save there is none."""
    if not storage.exists(RECORD):
        return {}
    try:
        return dict(json.loads(storage.read_bytes(RECORD)))
    except (ValueError, TypeError) as error:
        raise CheckpointError(
            f"{storage.url}/{RECORD} is damaged: {error}. Restore it, or train into another folder."
        ) from error


def _events(storage: Storage) -> list[dict[str, Any]]:
    """Events of the training, one JSON object a line; a line that a crash cut off is left out."""
    events = []
    for line in storage.read_bytes(EVENTS).splitlines() if storage.exists(EVENTS) else ():
        try:
            events.append(dict(json.loads(line)))
        except (ValueError, TypeError):
            continue
    return events


def _alarms(record: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The alarms that the record holds, as events."""
    return [{"kind": "alarm"} | dict(alarm) for alarm in record.get("alarms") or ()]


def open_alarms(events: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The alarms that no later event says the training recovered from.

    Args:
        events: in the order in which they happened, each with its `kind`.
    """
    left: dict[Any, Mapping[str, Any]] = {}
    for event in events:
        if event.get("kind") == "alarm":
            left[event.get("name")] = event
        elif event.get("kind") == "recovered":
            left.pop(event.get("name"), None)
    return list(left.values())


def _message(event: Mapping[str, Any]) -> str:
    at = f"Step {count(event['step'])}, " if isinstance(event.get("step"), int | float) else ""
    return at + ": ".join(str(event[key]) for key in ("name", "message") if event.get(key))


def _subtitle(record: Mapping[str, Any]) -> str:
    data, parts = record.get("training_data") or {}, []
    if record.get("preset"):
        parts.append(f"preset {record['preset']}, seed {record.get('seed', 'unknown')}")
    if data.get("images"):
        parts.append(
            f"{count(data['images'])} training digits ({data.get('source', 'unknown source')})"
        )
    if record.get("seconds"):
        parts.append(duration(record["seconds"]))
    return "; ".join(parts) or "No checkpoint has been saved yet."


def _headline(record: Mapping[str, Any], log: Log, events: Sequence[Mapping[str, Any]]) -> Headline:
    step, steps = int(log["step"][-1]), (record.get("settings") or {}).get("steps")
    raised, alarms = sum(event.get("kind") == "alarm" for event in events), len(open_alarms(events))
    word = "in trouble" if alarms else "finished" if steps and step >= steps else "under way"
    measured = {
        name: value
        for name, value in (record.get("measured") or {}).items()
        if isinstance(value, int | float)
    }
    agreement = measured.get("label_agreement_by_screener")
    seen = (
        f"The screening classifier sees the digit that was asked for in {percent(agreement)} of its samples."
        if agreement is not None
        else ""
    )
    trouble = (
        f"{counted(alarms, 'alarm')}: read below what to do."
        if alarms
        else "It recovered from all alarms."
        if raised
        else "No alarm was raised."
    )
    return Headline(
        word=word,
        tone="bad" if alarms else "good" if word == "finished" else "plain",
        figure=f"{percent(agreement)} label agreement" if agreement is not None else "",
        interval=f"step {count(step)} of {count(steps)}" if steps else f"step {count(step)}",
        sentence=f"{seen} {trouble}".strip(),
    )


def _cards(log: Log, record: Mapping[str, Any]) -> list[Card]:
    """What the record says of the samples, and the log of its last tenth."""
    said = {
        "Discriminator on real images": (
            "real_accuracy",
            percent,
            "judged real, mean of the last tenth; 50 % would be guessing",
        ),
        "Discriminator on generated ones": (
            "fake_accuracy",
            percent,
            "judged generated, mean of the last tenth",
        ),
        "Speed": (
            "images_per_second",
            lambda value: f"{count(value)} images/s",
            "mean of the last tenth",
        ),
    }
    tail = max(1, round(TAIL * len(log["step"])))
    ends = {
        name: log[name][-tail:][np.isfinite(log[name][-tail:])]
        for name, _, _ in said.values()
        if name in log
    }
    measured = record.get("measured") or {}
    quality = [(name, measured[name]) for name in QUALITY if isinstance(measured.get(name), float)]
    return [
        Card(title=name.capitalize(), value=percent(value), note=QUALITY[name], target="curves")
        for name, value in quality
    ] + [
        Card(title=title, value=write(float(ends[name].mean())), note=note, target="curves")
        for title, (name, write, note) in said.items()
        if len(ends.get(name, ()))
    ]


def _curves(log: Log) -> list[Block]:
    """All plots, and how to read them where a point stands for several values."""
    plots = list(plots_of(log))
    banded = any(line.low for plot in plots for line in plot.lines)
    note = Paragraph(
        text="Line: median of neighbouring steps. Band: 80 % of their values lie in it.", soft=True
    )
    return [*([note] if banded else []), *map(_figure, plots)]


def _figure(plot: Plot) -> Figure:
    """One plot of the log beside the others."""
    ends = "; ".join(
        f"{line.label} from {number(line.y[0])} to {number(line.y[-1])}" for line in plot.lines
    )
    draw = line_plot(
        f"curve-{plot.title.replace(' ', '-')}",
        f"{plot.title.capitalize()} over the steps of the training: {ends}.",
        plot.lines,
        "training step",
        plot.axis,
        half=True,
        height=250,
        adjust=log_y if plot.log else None,
    )
    return Figure(title=plot.title.capitalize(), draw=draw, half=True)


def _pictures(storage: Storage) -> list[Block]:
    names = sheet_files(storage)
    chosen = (
        [
            names[k]
            for k in np.unique(
                np.linspace(0, len(names) - 1, min(MOST_FRAMES, len(names))).round().astype(int)
            )
        ]
        if names
        else []
    )
    frames = [frame for name in chosen if (frame := _frame(name, storage.read_bytes(name)))]
    if not frames:
        return []
    some = (
        f"{len(frames)} of {counted(len(names), 'sample grid')}"
        if len(frames) < len(names)
        else counted(len(names), "sample grid")
    )
    film = Filmstrip(
        name="film",
        caption=f"{some}, in order: what it draws for latents that stay the same.",
        frames=frames,
    )
    return [film, *_animations(storage, storage.files("samples"), frames[-1])]


def _animations(storage: Storage, files: Sequence[str], still: Frame) -> list[Block]:
    blocks: list[Block] = []
    for ending, media in MOVING.items():
        path = f"samples/animation.{ending}"
        content = storage.read_bytes(path) if path in files and not blocks else b""
        if content and len(content) <= MOST_BYTES:
            moving = Frame(
                content=content,
                media=media,
                alt="The sample grids one after the other, as the generator learns.",
                label="animation",
            )
            blocks.append(
                Animation(moving=moving, still=still, caption="The same as a moving picture.")
            )
    return blocks


def _frame(path: str, content: bytes) -> Frame | None:
    """A grid, at half its size where every pixel stands there twice; None if it is damaged or no grid of a step."""
    name = path.rpartition("/")[2].removesuffix(".png")
    try:
        image = decode_png(content)
    except DataError:
        return None
    small = image[::2, ::2]
    if (
        image.shape[0] % 2 == 0
        and image.shape[1] % 2 == 0
        and np.array_equal(small.repeat(2, axis=0).repeat(2, axis=1), image)
    ):
        content = encode_png(small)
    label = f"step {count(int(name))}" if name.isdigit() else name
    return Frame(
        content=content, media="image/png", alt=f"Grid of generated digits, {label}.", label=label
    )


def _event_table(events: Sequence[Mapping[str, Any]]) -> Table:
    plain = [
        {
            key: "yes" if value is True else value
            for key, value in event.items()
            if value is not None and value is not False
        }
        for event in events
    ]
    names = list(dict.fromkeys(["step", *(key for event in plain for key in event)]))
    return Table(
        name="event-list",
        caption="What happened, in the order in which it was noticed",
        columns=[
            Column(title=name.replace("_", " "), kind="count" if name == "step" else "text")
            for name in names
        ],
        rows=[
            [
                value
                if isinstance(value := event.get(name), int) or value is None
                else listed(value)
                for name in names
            ]
            for event in plain
        ],
    )


def _record_blocks(record: Mapping[str, Any]) -> list[Block]:
    settings, measured = record.get("settings") or {}, record.get("measured") or {}
    origin = {key: listed(value) for key, value in record.items() if key not in APART}
    shown = {"identity of the checkpoint": f"`{record['sha256']}`"} if record.get("sha256") else {}
    shown |= {key.replace("_", " "): text for key, text in origin.items()} | {
        key.replace("_", " "): listed(value) for key, value in measured.items()
    }
    table = Table(
        name="settings",
        caption="Settings of the training",
        columns=[Column(title="setting"), Column(title="value")],
        rows=[[name, listed(value)] for name, value in settings.items()],
    )
    return [*([Facts(facts=shown)] if shown else []), *([table] if settings else [])]


def read_log(text: str, path: str) -> Log:
    """A log.csv as columns.

    Args:
        text: content of the file.
        path: for messages.

    Raises:
        CheckpointError: if it is not a log with a column `step` and at least one whole row.
    """
    rows = list(csv.DictReader(io.StringIO(text)))
    try:
        # a killed writer may leave half a row
        whole = [row for row in rows if None not in row.values()]
        log = {name: np.array([float(row[name] or "nan") for row in whole]) for name in rows[0]}
    except (IndexError, KeyError, TypeError, ValueError) as error:
        raise CheckpointError(
            f"Expected a log of a training in {path}, with a header and numbers, received something else: {error}."
        ) from error
    if not len(log.get("step", ())):
        raise CheckpointError(
            f"Expected a log of a training in {path}, with a column 'step' and at least one row. Train for a few steps more."
        )
    return log


def plots_of(log: Log) -> Iterator[Plot]:
    """One plot for each family that is there, then one for each column that belongs to none; nothing of columns that are 0 or empty throughout."""
    # a penalty that is off is 0 all along
    left = [name for name in log if name not in TIMES and np.nan_to_num(log[name]).any()]
    for family in FAMILIES:
        columns = [name for name in left if any(part in name for part in family.parts)]
        left = [name for name in left if name not in columns]
        if columns:
            yield _plot(log, columns, family)
    for name in left:
        yield _plot(log, [name], Family(title=_words(name), axis=_words(name), parts=(name,)))


def binned(
    steps: NDArray[np.float64], values: NDArray[np.float64]
) -> tuple[list[float], list[float], list[float], list[float]]:
    """At most MOST_POINTS points: of equally many neighbouring values each the median, and between which ends most of them lie.

    Args:
        steps: (n,) ascending.
        values: (n,), NaN where there is none.

    Returns:
        Mean steps, medians, and the 10th and 90th percentiles; the last two are empty where each
        point is one value.

    Example:
        >>> binned(np.array([1.0, 2.0]), np.array([5.0, np.nan]))
        ([1.0], [5.0], [], [])
    """
    there = np.isfinite(values)
    steps, values = steps[there], values[there]
    if len(steps) <= MOST_POINTS:
        return steps.tolist(), values.tolist(), [], []
    pieces = np.array_split(np.arange(len(steps)), MOST_POINTS)
    low, middle, high = (
        np.array([np.percentile(values[piece], share) for piece in pieces]).tolist()
        for share in (BAND[0], 50, BAND[1])
    )
    return [float(steps[piece].mean()) for piece in pieces], middle, low, high


def _plot(log: Log, columns: Sequence[str], family: Family) -> Plot:
    share = family.share and all(np.nanmax(log[name]) <= 1 for name in columns)
    lines = [
        _line(log, name, style, 100.0 if share else 1.0, family)
        for style, name in enumerate(columns)
    ]
    positive = all(np.nanmin(log[name]) > 0 for name in columns)
    return Plot(
        title=family.title,
        axis=family.axis if share or not family.share else family.title,
        lines=tuple(lines),
        log=family.log and positive,
    )


def _line(log: Log, name: str, style: int, scale: float, family: Family) -> Line:
    x, y, low, high = binned(log["step"], log[name] * scale)
    return Line(
        label=_words(name).removesuffix(f" {family.said}"),
        x=x,
        y=y,
        low=low,
        high=high,
        style=style,
    )


def _words(name: str) -> str:
    return name.replace("_", " ")
