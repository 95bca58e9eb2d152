import dataclasses
from typing import Any

import pytest

from synthgen.config import (
    BenchmarkSettings,
    BuildSettings,
    EvaluationSettings,
    GanSettings,
    TrainSettings,
    between,
    one_of,
)
from synthgen.errors import SettingsError

SETTINGS = (GanSettings, TrainSettings, BuildSettings, EvaluationSettings, BenchmarkSettings)


@pytest.mark.parametrize("settings", SETTINGS)
def test_defaults_are_allowed_and_fields_have_help_and_a_check(settings: type) -> None:
    made = settings()
    for field in dataclasses.fields(made):
        assert field.metadata["help"].endswith("."), field.name
        check = field.metadata["check"]
        assert field.type is bool if check is None else check(getattr(made, field.name)) is None, (
            field.name
        )


@pytest.mark.parametrize("settings", SETTINGS)
def test_settings_are_frozen_and_keyword_only(settings: type) -> None:
    field = dataclasses.fields(settings)[0].name
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(settings(), field, 1)
    with pytest.raises(TypeError, match="positional"):
        settings(1)


@pytest.mark.parametrize(
    ("settings", "values", "message"),
    [
        (
            BuildSettings,
            {"per_class": 0},
            "--per-class: expected a number from 1 to 1,099,511,627,776, received 0.",
        ),
        (
            BuildSettings,
            {"per_class": -1},
            "--per-class: expected a number from 1 to 1,099,511,627,776, received -1.",
        ),
        (
            BuildSettings,
            {"seed": 2**63},
            "--seed: expected a number from 0 to 9,223,372,036,854,775,807, "
            "received 9223372036854775808.",
        ),
        (
            BenchmarkSettings,
            {"per_class": ("10", "10")},
            "--per-class: expected numbers of images of each class, or 'all', separated by commas, "
            "each once, received '10,10'.",
        ),
        (
            BenchmarkSettings,
            {"ratios": (5, 0)},
            "--ratios: expected numbers from 1 to 1,000, separated by commas, each once, "
            "received '5,0'.",
        ),
        (
            BenchmarkSettings,
            {"seeds": (0,)},
            "--seeds: expected numbers from 1 to 1,000, separated by commas, received '0'.",
        ),
        (
            BenchmarkSettings,
            {"majority": "most"},
            "--majority: expected a number of images, or 'all', received 'most'.",
        ),
        (
            BenchmarkSettings,
            {"engine": "spark"},
            "--engine: expected one of local, ray, received 'spark'.",
        ),
        (
            BuildSettings,
            {"screen": "all"},
            "--screen: expected one or more of mislabels, duplicates, memorised, "
            "separated by commas, each once, or none, received 'all'.",
        ),
        (
            BuildSettings,
            {"formats": ("hdf5", "gif")},
            "--formats: expected one or more of hdf5, png, webdataset, tfrecord, parquet, npz, "
            "separated by commas, each once, received 'hdf5,gif'.",
        ),
        (
            TrainSettings,
            {"save_minutes": -1},
            "--save-minutes: expected a number from 0 to 1,440, received -1.",
        ),
        (
            GanSettings,
            {"ema": float("nan")},
            "--ema: expected a number from 0 to 0.999999, received nan.",
        ),
        (
            EvaluationSettings,
            {"seeds": 0},
            "--seeds: expected a number from 1 to 1,000, received 0.",
        ),
        (
            EvaluationSettings,
            {"arms": ("synthetic",)},
            "--arms: expected 'real' among the arms: the others are compared with it, "
            "received 'synthetic'.",
        ),
        (BuildSettings, {"per_class": 2.5}, "--per-class: expected a whole number, received 2.5."),
        (BuildSettings, {"batch": True}, "--batch: expected a whole number, received True."),
        (
            BuildSettings,
            {"name": None},
            "--name: expected a file name of letters, digits, '-', '_' "
            "and '.', beginning with a letter or digit, received None.",
        ),
        (
            BuildSettings,
            {"shard_size": "10"},
            "--shard-size: expected a whole number, received '10'.",
        ),
        (
            GanSettings,
            {"ema": "most"},
            "--ema: expected a number from 0 to 0.999999, received 'most'.",
        ),
        (
            BenchmarkSettings,
            {"shares": 5},
            "--shares: expected numbers from 0.01 to 100, separated by commas, each once, "
            "received 5.",
        ),
        (
            BenchmarkSettings,
            {"per_class": ("10", "20"), "seeds": (1, 2, 3)},
            "--seeds: expected one number, or one for each of the 2 values of --per-class, "
            "received 3.",
        ),
    ],
)
def test_messages_name_the_option_the_expected_and_the_received(
    settings: type, values: dict[str, Any], message: str
) -> None:
    with pytest.raises(SettingsError) as caught:
        settings(**values)
    assert str(caught.value) == message


@pytest.mark.parametrize("formats", [(), ("png", "png"), ("jpeg",), "hdf5"])
def test_formats_are_known_and_each_once(formats: Any) -> None:
    with pytest.raises(SettingsError, match="--formats"):
        BuildSettings(formats=formats)


@pytest.mark.parametrize("formats", [("hdf5",), ("png",), ("png", "hdf5")])
def test_formats_in_any_order(formats: tuple[str, ...]) -> None:
    assert BuildSettings(formats=formats).formats == formats


@pytest.mark.parametrize(
    "name", ["", ".", "..", "../up", "a/b", "a b", "-a", "_a", "a\\b", "a\n", "a:b"]
)
def test_names_that_leave_the_folder_or_trouble_a_shell_fail(name: str) -> None:
    with pytest.raises(SettingsError, match="--name"):
        BuildSettings(name=name)


@pytest.mark.parametrize("name", ["digits", "0", "run-3_b.2"])
def test_names_that_are_fine(name: str) -> None:
    assert BuildSettings(name=name).name == name


@pytest.mark.parametrize("channels", [(), (8, 0, 8), (8, 8, 4097)])
def test_channel_counts_are_bounded(channels: tuple[int, ...]) -> None:
    with pytest.raises(
        SettingsError, match="--generator-channels: expected channel counts from 1 to 4096"
    ):
        GanSettings(generator_channels=channels)


@pytest.mark.parametrize("channels", [(8,), (8, 8), (8, 8, 8, 8)])
def test_every_stage_has_its_channels(channels: tuple[int, ...]) -> None:
    with pytest.raises(
        SettingsError,
        match="--generator-channels: expected one count for each of the 3 stages "
        f"same3,up4,pixels3, received {len(channels)}",
    ):
        GanSettings(generator_channels=channels)


@pytest.mark.parametrize(
    "stages",
    [(), ("up3", "same3", "same3"), ("down4", "same3", "same3"), ("pixels2", "same3", "same3")],
)
def test_stages_are_known(stages: tuple[str, ...]) -> None:
    with pytest.raises(
        SettingsError,
        match=r"--generator-stages: expected stages out of dense, same3, .*, up4, up5, pixels3",
    ):
        GanSettings(generator_stages=stages)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (
            {"generator_stages": ("dense", "up4", "same3")},
            "--generator-stages: expected either all dense or none",
        ),
        (
            {"discriminator_stages": ("dense",) * 3},
            "--discriminator-dense: expected 0 with dense stages",
        ),
        ({"loss": "hinge", "label_smoothing": 0.1}, "--label-smoothing goes with --loss bce alone"),
        ({"loss": "wasserstein", "probability": True}, "--probability goes with --loss bce alone"),
        (
            {"gradient_penalty": 10.0, "discriminator_norm": "batch"},
            "--gradient-penalty needs the gradient of each image by itself",
        ),
        (
            {"weight_clip": 0.01, "spectral_norm": True},
            "--weight-clip and --spectral-norm exclude each other",
        ),
    ],
)
def test_techniques_that_do_not_go_together_are_refused(
    values: dict[str, Any], message: str
) -> None:
    with pytest.raises(SettingsError, match=message):
        GanSettings(**values)


def test_between_includes_both_ends_and_nothing_else() -> None:
    check = between(1, 3)
    assert [
        check(value) is None for value in (0, 0.999, 1, 2, 3, 3.001, float("nan"), float("inf"))
    ] == [
        False,
        False,
        True,
        True,
        True,
        False,
        False,
        False,
    ]


def test_one_of() -> None:
    assert one_of(("a", "b"))("a") is None
    assert one_of(("a", "b"))("c") == "one of a, b"


@pytest.mark.parametrize(
    "option",
    [
        {"updates": "alternating"},
        {"loss": "hinge"},
        {"label_smoothing": 0.1},
        {"minibatch": "deviation"},
        {"discriminator_norm": "batch"},
    ],
)
def test_one_pass_serves_both_updates_of_independent_scores(
    option: dict[str, Any],
) -> None:
    assert GanSettings(updates="simultaneous").one_pass
    assert not GanSettings(**{"updates": "simultaneous"} | option).one_pass
