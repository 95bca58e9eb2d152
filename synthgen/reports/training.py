"""The report of a training: what it draws, its curves, what went wrong, and its record."""

import sys
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from synthgen.datasets.pixels import decode_png, encode_png
from synthgen.errors import DataError
from synthgen.reports.page.blocks import (
    Animation,
    Block,
    Card,
    CellValue,
    Column,
    Facts,
    Filmstrip,
    Frame,
    Headline,
    Page,
    Report,
    Section,
    Table,
)
from synthgen.reports.page.csv_file import to_csv
from synthgen.reports.page.html import to_html
from synthgen.reports.page.markdown import to_markdown
from synthgen.reports.training_curves import training_curves
from synthgen.reports.training_files import TrainingFiles
from synthgen.text import count, counted, duration, for_terminal, listed, percent, wrapped

LAST_PART = 0.1  # the share of the log, at its end, that "now" is the mean of

# Figures of the samples that get a card: keys of the record's `measured`, and what they mean.
QUALITY_CARDS = {
    "usefulness": "accuracy on validation digits of a small classifier trained on its samples",
    "coverage": "of real digits have a sample near them",
    "recall": "of real digits lie within what it draws",
}
# Columns of the log that get a card: its title, the column, and what the figure means.
LOG_CARDS = (
    (
        "Discriminator on real images",
        "real_accuracy",
        "judged real, mean of the last tenth; 50 % would be guessing",
    ),
    (
        "Discriminator on generated ones",
        "fake_accuracy",
        "judged generated, mean of the last tenth",
    ),
    ("Speed", "images_per_second", "mean of the last tenth"),
)
# Keys of the record that the page does not list among its facts: they have a place of their own,
# or tell a reader nothing.
RECORD_KEYS_APART = (
    "settings",
    "weights",
    "format",
    "sha256",
    "measured",
    "alarms",
    "class_names",
    "image_shape",
)


def render_training(training: TrainingFiles) -> Report:
    """Reports a training.

    Args:
        training: what it wrote, see `read_training`.
    """
    page = training_page(training)
    answer = page.headline
    figures = "; ".join(part for part in (answer.figure, answer.interval) if part)
    return Report(
        html=to_html(page),
        markdown=to_markdown(page),
        csv=to_csv(page),
        lines=for_terminal(
            [
                f"Training {training.name}: {answer.word}, {figures}",
                *wrapped(answer.sentence, "  "),
                *(line for warning in page.warnings for line in wrapped(warning, "  ", "  ")),
            ]
        ),
    )


def training_page(training: TrainingFiles) -> Page:
    """Composes the report of a training as a page.

    Args:
        training: what it wrote, see `read_training`.
    """
    # of which recipe, of how many digits, in how much time
    record = training.record
    about = []
    if record.get("preset"):
        about.append(f"preset {record['preset']}, seed {record.get('seed', 'unknown')}")
    data = _mapping(record.get("training_data"))
    images = _number(data.get("images"))
    if images:
        about.append(f"{count(images)} training digits ({data.get('source', 'unknown source')})")
    seconds = _number(record.get("seconds"))
    if seconds:
        about.append(duration(seconds))

    # alarms that are still open, each with what to do
    warnings = []
    for alarm in open_alarms(training.events):
        step = _number(alarm.get("step"))
        what = ": ".join(str(alarm[key]) for key in ("name", "message") if alarm.get(key))
        warnings.append(what if step is None else f"Step {count(step)}, {what}")

    sections = [
        Section(name="samples", title="What it draws", blocks=sample_blocks(training)),
        Section(name="curves", title="Curves", blocks=training_curves(training.log)),
        Section(name="events", title="Events and alarms", blocks=event_blocks(training.events)),
        Section(name="record", title="Settings and record", blocks=record_blocks(record)),
    ]
    return Page(
        kind="Training",
        title=f"How the training “{training.name}” went",
        subtitle="; ".join(about) or "No checkpoint has been saved yet.",
        headline=training_headline(training),
        cards=training_cards(training),
        warnings=warnings,
        sections=[section for section in sections if section.blocks],
    )


def open_alarms(events: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Finds the alarms that no later event says the training recovered from.

    Args:
        events: in the order in which they happened, each with its `kind`.
    """
    left: dict[str, Mapping[str, Any]] = {}
    for event in events:
        name = str(event.get("name"))
        if event.get("kind") == "alarm":
            left[name] = event
        elif event.get("kind") == "recovered":
            left.pop(name, None)
    return list(left.values())


def training_headline(training: TrainingFiles) -> Headline:
    """Says whether a training is finished, under way or in trouble, and what its samples show.

    Args:
        training: what it wrote.
    """
    step = int(training.log["step"][-1])
    steps = _number(_mapping(training.record.get("settings")).get("steps"))

    # one word, and its reason
    unsolved = len(open_alarms(training.events))
    raised = any(event.get("kind") == "alarm" for event in training.events)
    word = "under way"
    tone = "plain"
    trouble = "It recovered from all alarms." if raised else "No alarm was raised."
    if unsolved:
        word = "in trouble"
        tone = "bad"
        trouble = f"{counted(unsolved, 'alarm')}: read below what to do."
    elif steps and step >= steps:
        word = "finished"
        tone = "good"

    # what a classifier sees in the samples
    measured = _mapping(training.record.get("measured"))
    agreement = _number(measured.get("label_agreement_by_screener"))
    figure = ""
    sentence = trouble
    if agreement is not None:
        figure = f"{percent(agreement)} label agreement"
        sentence = (
            "The screening classifier sees the digit that was asked for in "
            f"{percent(agreement)} of its samples. {trouble}"
        )
    return Headline(
        word=word,
        tone=tone,
        figure=figure,
        interval=f"step {count(step)} of {count(steps)}" if steps else f"step {count(step)}",
        sentence=sentence,
    )


def training_cards(training: TrainingFiles) -> list[Card]:
    """Shows the figures of the samples in the record, and the means of the log's last tenth.

    Args:
        training: what it wrote.
    """
    cards = []
    measured = _mapping(training.record.get("measured"))
    for name, meaning in QUALITY_CARDS.items():
        value = _number(measured.get(name))
        if value is not None:
            title = name.capitalize()
            cards.append(Card(title=title, value=percent(value), note=meaning, target="curves"))
    for title, column, meaning in LOG_CARDS:
        values = training.log.get(column, np.array([]))
        last = values[-max(1, round(LAST_PART * len(values))) :]
        last = last[np.isfinite(last)]
        if len(last):
            mean = float(last.mean())
            now = f"{count(mean)} images/s" if column == "images_per_second" else percent(mean)
            cards.append(Card(title=title, value=now, note=meaning, target="curves"))
    return cards


def sample_blocks(training: TrainingFiles) -> list[Block]:
    """Shows the grids one after the other, and as a moving picture.

    Args:
        training: what it wrote; grids whose file is damaged are left out.
    """
    frames = []
    for name, content in training.grids.items():
        try:
            image = decode_png(content)
        except DataError:
            continue
        # trainings store grids at twice their size; on a page they stand at their own
        small = image[::2, ::2]
        if np.array_equal(small.repeat(2, axis=0).repeat(2, axis=1), image):
            content = encode_png(small)
        label = f"step {count(int(name))}" if name.isdecimal() else name
        alt = f"Grid of generated digits, {label}."
        frames.append(Frame(content=content, media="image/png", alt=alt, label=label))
    if not frames:
        return []
    grids = counted(training.grid_count, "sample grid")
    some = f"{len(frames)} of {grids}" if len(frames) < training.grid_count else grids
    caption = f"{some}, in order: what it draws for latents that stay the same."
    blocks: list[Block] = [Filmstrip(name="film", caption=caption, frames=frames)]
    if training.animation:
        media, content = training.animation
        moving = Frame(
            content=content,
            media=media,
            alt="The sample grids one after the other, as the generator learns.",
            label="animation",
        )
        caption = "The sample grids as a moving picture."
        blocks.append(Animation(moving=moving, still=frames[-1], caption=caption))
    return blocks


def event_blocks(events: Sequence[Mapping[str, Any]]) -> list[Block]:
    """Lists all events in a table with a column for each of their keys.

    Args:
        events: in the order in which they happened.

    Returns:
        The table; nothing without events.
    """
    if not events:
        return []
    names = ["step"]
    rows: list[dict[str, CellValue]] = []
    for event in events:
        cells: dict[str, CellValue] = {}
        for name, value in event.items():
            if value is True:
                cells[name] = "yes"
            elif value is not None and value is not False:
                cells[name] = value if isinstance(value, int) else listed(value)
        names += [name for name in cells if name not in names]
        rows.append(cells)
    table = Table(
        name="event-list",
        caption="What happened, in the order in which it was noticed",
        columns=[
            Column(title=name.replace("_", " "), kind="count" if name == "step" else "text")
            for name in names
        ],
        rows=[[cells.get(name) for name in names] for cells in rows],
    )
    return [table]


def record_blocks(record: Mapping[str, Any]) -> list[Block]:
    """Shows identity, origin, versions and figures of the checkpoint, and its settings.

    Args:
        record: content of checkpoint.json; may be empty.
    """
    facts = {}
    if record.get("sha256"):
        facts["identity of the checkpoint"] = f"`{record['sha256']}`"
    shown = {name: value for name, value in record.items() if name not in RECORD_KEYS_APART}
    for name, value in {**shown, **_mapping(record.get("measured"))}.items():
        facts[name.replace("_", " ")] = "not measured" if value is None else listed(value)
    blocks: list[Block] = [Facts(facts=facts)] if facts else []

    settings = _mapping(record.get("settings"))
    if settings:
        table = Table(
            name="settings",
            caption="Settings of the training",
            columns=[Column(title="setting"), Column(title="value")],
            rows=[[name, listed(value)] for name, value in settings.items()],
        )
        blocks.append(table)
    return blocks


def _mapping(value: Any) -> Mapping[str, Any]:
    """Takes a part of a record that should be an object; else gives an empty one."""
    return value if isinstance(value, Mapping) else {}


def _number(value: Any) -> float | None:
    """Takes a value of a record that should be a finite number; else gives None."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return value if is_number and abs(value) <= sys.float_info.max else None
