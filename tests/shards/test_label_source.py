from pathlib import Path

import pytest

from synthgen.config import LABEL_CHOICES
from synthgen.errors import SettingsError
from synthgen.shards.build import build
from synthgen.shards.label_source import (
    ACCEPTED_LABELS,
    LABEL_HINTS,
    LABEL_SOURCES,
    label_source,
    trained_labels,
)
from tests.shards.conftest import make_checkpoint, make_settings, no_networks


@pytest.mark.parametrize(
    ("asked", "trained", "source"),
    [
        ("auto", "condition", "condition"),
        ("condition", "condition", "condition"),
        ("auto", "per-class", "per-class"),
        ("per-class", "per-class", "per-class"),
        ("classifier", "none", "classifier"),
    ],
)
def test_labels_come_from_what_the_generator_was_trained_for(
    asked: str, trained: str, source: str
) -> None:
    assert label_source(asked, trained) == source
    assert source in LABEL_SOURCES


def test_everything_else_is_refused_with_what_can_be_done() -> None:
    allowed = {
        ("auto", "condition"),
        ("condition", "condition"),
        ("auto", "per-class"),
        ("per-class", "per-class"),
        ("classifier", "none"),
    }
    for trained in ACCEPTED_LABELS:
        for asked in set(LABEL_CHOICES) - {a for a, t in allowed if t == trained}:
            with pytest.raises(SettingsError) as caught:
                label_source(asked, trained)
            assert LABEL_HINTS[trained] in str(caught.value)


@pytest.mark.parametrize("asked", ["auto", "condition", "per-class"])
def test_a_generator_without_classes_is_refused_naming_both_ways(
    tmp_path: Path, asked: str
) -> None:
    with pytest.raises(SettingsError, match=r"train --labels per-class.*build --labels classifier"):
        build(
            make_settings(labels=asked),
            str(tmp_path / "root"),
            make_checkpoint(condition="none"),
            networks=no_networks,
        )
    assert not (tmp_path / "root").exists()


def test_a_condition_labels_already(tmp_path: Path) -> None:
    for asked in ("per-class", "classifier"):
        with pytest.raises(
            SettingsError, match="labels come from that condition; leave --labels away"
        ):
            build(
                make_settings(labels=asked),
                str(tmp_path / "root"),
                make_checkpoint(),
                networks=no_networks,
            )


def test_what_a_training_will_give_is_known_before_it() -> None:
    assert [trained_labels(True, asked) for asked in (None, "auto", "condition")] == [
        "condition"
    ] * 3
    assert [
        trained_labels(False, asked) for asked in (None, "auto", "classifier", "per-class")
    ] == ["none", "none", "none", "per-class"]
    for asked in ("per-class", "classifier"):
        with pytest.raises(SettingsError, match="leave --labels away"):
            trained_labels(True, asked)
