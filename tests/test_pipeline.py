"""The whole job as a Python call: what is trained, loaded, built, evaluated, and what is said."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from synthgen import pipeline
from synthgen.config import (
    BenchmarkSettings,
    BuildSettings,
    EvaluationSettings,
    GanSettings,
    TrainSettings,
)
from synthgen.datasets import mnist
from synthgen.datasets.digits import Digits, Images
from synthgen.datasets.framing import FramingSettings
from synthgen.datasets.pixels import encode_png
from synthgen.datasets.sources import DataSource, load_real
from synthgen.datasets.splits import RealDigits
from synthgen.errors import CheckpointError, DataError, Interrupted, ResumeError, SettingsError
from synthgen.gan.checkpoint import read_checkpoint, shipped_checkpoint, write_checkpoint
from synthgen.gan.job import TrainingJob
from synthgen.gan.presets import PRESETS, recipe_for
from synthgen.gan.resume import SavedRun, run_options, save_run
from synthgen.records import versions
from synthgen.storage import open_storage
from tests.evaluation.conftest import FakeJudge

SETTINGS = BuildSettings(per_class=2)


def copy_shipped(folder: str, **record: Any) -> None:
    """Write the shipped checkpoint to a folder, with some of its record changed."""
    shipped = read_checkpoint(shipped_checkpoint())
    write_checkpoint(folder, dataclasses.replace(shipped, record=dict(shipped.record) | record))


@pytest.fixture
def fake_training(monkeypatch: pytest.MonkeyPatch) -> list[tuple[GanSettings, TrainSettings]]:
    """The shipped generator in the place of trainings; the recipes that these were to have."""
    recipes = []

    def train(job: TrainingJob, **_: Any) -> str:
        recipes.append((job.gan, job.run))
        copy_shipped(job.out, step=job.gan.steps)
        return job.out

    monkeypatch.setattr("synthgen.gan.cache.train", train)
    monkeypatch.setattr("synthgen.gan.train.train", train)
    return recipes


@pytest.fixture
def fake_shards(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    """In the place of builds and dry runs: what they were given. 200 digits count as many."""
    monkeypatch.setattr(pipeline, "MOST_OWN_DIGITS", 100)
    given: list[tuple[Any, ...]] = []

    class Made:
        manifest = "manifests/digits.csv"
        manifest_path = "root/manifests/digits.csv"

    def build(settings: Any, root: str, checkpoint: Any, **options: Any) -> Made:
        given.append((settings, root, checkpoint, options))
        return Made()

    monkeypatch.setattr(pipeline, "build_set", build)
    monkeypatch.setattr(pipeline, "dry_run_set", build)
    monkeypatch.setattr(pipeline, "renew_description", lambda manifest, root: None)
    return given


@pytest.fixture
def fake_evaluation(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    """In the place of evaluations: what they were given."""
    given: list[tuple[Any, ...]] = []

    def evaluate(*arguments: Any, **options: Any) -> str:
        given.append((*arguments, options))
        return "evaluated"

    monkeypatch.setattr(pipeline, "evaluate_set", evaluate)
    return given


# build


def test_a_build_uses_the_shipped_generator_and_evaluates(
    drawings: str, fake_shards: list[Any], fake_evaluation: list[Any]
) -> None:
    said: list[str] = []
    done = pipeline.build(SETTINGS, root="root", data=drawings, overwrite=True, say=said.append)
    assert (done.set.manifest, done.evaluation, done.trained) == (
        "manifests/digits.csv",
        "evaluated",
        None,
    )
    settings, root, checkpoint, options = fake_shards[0]
    assert (settings, root, options["overwrite"]) == (SETTINGS, "root", True)
    assert checkpoint.sha256 == read_checkpoint(shipped_checkpoint()).sha256
    assert options["reference"] is None
    assert said[0] == (
        "NOTICE: no distances to training images, because the generator was not trained on these "
        f"digits ({drawings})."
    )
    assert said[1].startswith("NOTICE: the screening classifier of the generator reads 8")
    assert said[2] == "The set is complete: root/manifests/digits.csv. It is now evaluated."


def test_a_build_is_refused_for_classes_that_the_generator_does_not_draw(
    tiny_digits: Digits, drawings: str, tmp_path: Path, fake_shards: list[Any]
) -> None:
    """Shifted labels: what the classifier sees is the class before."""
    shifted = (tiny_digits.labels + 1) % 10
    np.savez(tmp_path / "shifted.npz", images=tiny_digits.images, labels=shifted)
    place = str(tmp_path / "shifted.npz")
    with pytest.raises(
        DataError, match=r"classifier reads \d+% of your 167 images as labelled"
    ) as e:
        pipeline.build(SETTINGS, data=place)
    assert f"data info {place} --picture" in str(e.value)
    assert "train a generator on them with --train." in str(e.value)
    np.savez(
        tmp_path / "letters.npz",
        images=tiny_digits.images,
        labels=["abcdefghij"[i] for i in tiny_digits.labels],
    )
    with pytest.raises(DataError, match="received some of 'a', 'b'"):
        pipeline.build(SETTINGS, data=str(tmp_path / "letters.npz"))
    assert fake_shards == []


def test_a_set_is_tried_beside_few_own_digits(
    drawings: str,
    fake_shards: list[Any],
    fake_evaluation: list[Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    given: list[Any] = []

    def try_beside_own(*arguments: Any, **options: Any) -> str:
        given.append((*arguments, options))
        return "tried"

    monkeypatch.setattr(pipeline, "MOST_OWN_DIGITS", 200)
    monkeypatch.setattr(pipeline, "try_beside_own", try_beside_own)
    real = load_real(drawings)
    said: list[str] = []
    done = pipeline.build(SETTINGS, root="root", data=real, say=said.append)
    assert (done.own_digits, done.evaluation, fake_evaluation) == ("tried", None, [])
    options = {"place": "", "workers": 0, "say": said.append}
    assert given == [("manifests/digits.csv", "root", real, options)]
    assert said[-1].endswith("It is now tried beside your own digits.")
    unmeasured = pipeline.build(SETTINGS, data=real, evaluation=None)
    assert (unmeasured.own_digits, unmeasured.measured_by) == (None, "build")

    def refuse(*_: Any, **__: Any) -> None:
        raise DataError("Other classes.")

    monkeypatch.setattr(pipeline, "try_beside_own", refuse)
    done = pipeline.build(SETTINGS, root="root", data=real, say=said.append)
    assert (done.own_digits, said[-1]) == (None, "NOTICE: not tried. Other classes.")


@pytest.mark.parametrize("measured", ["try_beside_own", "evaluate_set"])
def test_ctrl_c_while_a_set_is_measured_says_what_is_kept(
    measured: str, drawings: str, fake_shards: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(pipeline, measured, stop)
    monkeypatch.setattr(pipeline, "MOST_OWN_DIGITS", 200 if measured == "try_beside_own" else 1)
    message = r"The set is complete \(root/manifests/digits.csv\), .* kept\. Run the same command"
    with pytest.raises(Interrupted, match=message):
        pipeline.build(SETTINGS, root="root", data=drawings)


def test_only_what_can_measure_a_set_is_named(drawings: str, fake_shards: list[Any]) -> None:
    """Beside many own digits: `evaluate` needs ten of each class, synthetic and real ones."""
    real = load_real(drawings)
    twice = dataclasses.replace(real, test=real.train)
    found = [
        pipeline.build(
            dataclasses.replace(SETTINGS, per_class=per_class), data=digits, evaluation=None
        ).measured_by
        for digits, per_class in ((twice, 10), (twice, 9), (real, 10))
    ]
    assert found == ["evaluate", "", ""]


def test_a_set_that_tops_up_many_own_digits_is_tried_beside_them(
    drawings: str,
    fake_shards: list[Any],
    fake_evaluation: list[Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pipeline, "try_beside_own", lambda *_, **__: "tried")
    for counts in (("3=8", "7=5"), ("3=8",)):
        some = dataclasses.replace(SETTINGS, counts=counts)
        assert pipeline.build(some, data=drawings).own_digits == "tried"
    assert fake_evaluation == []
    # who asks for an evaluation gets one
    named = EvaluationSettings(seeds=2)
    assert pipeline.build(some, data=drawings, evaluation=named).evaluation == "evaluated"
    assert pipeline.build(SETTINGS, data=drawings).evaluation == "evaluated"


def test_an_uneven_folder_is_topped_up_and_tried_beside_it(
    tiny_digits: Digits, drawings: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From the pictures to the report: only the classifiers are stand-ins."""
    judge = FakeJudge()
    monkeypatch.setattr("synthgen.classifiers.judge.default_judge", judge.judge)
    is_missing = (np.isin(tiny_digits.labels, [4, 7])) & (np.arange(200) > 60)
    for row in np.flatnonzero(~is_missing).tolist():
        picture = tmp_path / f"my-digits/{tiny_digits.labels[row]}/{row:03d}.png"
        picture.parent.mkdir(parents=True, exist_ok=True)
        dark_on_light = 255 - np.pad(tiny_digits.images[row], ((4, 8), (2, 2), (0, 0)))
        picture.write_bytes(encode_png(dark_on_light))
    place = str(tmp_path / "my-digits")
    root = str(tmp_path / "root")
    settings = dataclasses.replace(SETTINGS, counts=pipeline.balancing_counts(place))
    assert settings.counts == ("4=14", "7=14")
    said: list[str] = []
    done = pipeline.build(settings, root=root, data=place, say=said.append)

    # how far it is, where no bar shows it
    total = said[-1].partition(" ")[0]
    begins = f"18 classifiers are tuned and trained, each kept as soon as it is done: {total} "
    assert any(line.startswith(begins) for line in said)
    assert sum(line.endswith("gradient steps are done.") for line in said) == 6
    assert said[-1] == f"{total} of {total} gradient steps are done."

    # the set has what is lacking, in the form of the pictures; all of both is learnt from in turn
    assert done.set.record.image_shape == (40, 32, 1)
    found = done.own_digits
    assert found is not None
    assert (found.tops_up, found.own, found.synthetic, found.seeds) == (True, 172, 28, 3)
    assert found.share in (0, pytest.approx(28 / 200))
    assert found.alone == pytest.approx(np.mean([alone for alone, _ in found.by_class]))
    assert {training.digits.image_shape for training in judge.trainings} == {(28, 28, 1)}

    # what is kept: the figures, a page that claims no test part, each classifier
    folder = tmp_path / "root/data/digits/evaluation"
    plain = json.loads((folder / "own-digits.json").read_text())
    assert (plain["tops_up"], plain["share"], plain["verdict"]) == (
        True,
        found.share,
        found.verdict,
    )
    page = (folder / "own-digits.html").read_text()
    assert "my-digits" in page
    assert "sixth" not in page
    assert len((folder / "cells.jsonl").read_text().splitlines()) == 18

    # a second build trains nothing
    trainings = len(judge.trainings)
    again = pipeline.build(settings, root=root, data=place, say=lambda _: None)
    assert again.own_digits == found
    assert len(judge.trainings) == trainings


def test_digits_that_the_generator_has_seen_are_not_tried_beside_it(
    drawings: str,
    tiny_digits: Digits,
    fake_shards: list[Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pipeline, "MOST_OWN_DIGITS", 200)
    real = load_real(drawings)
    monkeypatch.setattr(pipeline, "training_sha256", lambda _: real.train.sha256())
    said: list[str] = []
    assert pipeline.build(SETTINGS, data=real, say=said.append).own_digits is None
    assert said[-1].startswith("NOTICE: not tried. Your digits are among those that the generator")
    assert said[-1].endswith("Use other --data, or another --checkpoint.")


def test_a_subset_of_the_classes_is_enough(
    tiny_digits: Digits, drawings: str, tmp_path: Path, fake_shards: list[Any]
) -> None:
    some = np.isin(tiny_digits.labels, [3, 7])
    np.savez(
        tmp_path / "some.npz", images=tiny_digits.images[some], labels=tiny_digits.labels[some]
    )
    said: list[str] = []
    pipeline.build(SETTINGS, data=str(tmp_path / "some.npz"), evaluation=None, say=said.append)
    assert any(f"of your {some.sum()} images as labelled; guessing reads" in line for line in said)
    assert fake_shards[0][0].counts == ("3=2", "7=2")
    assert any("your pictures are of 3, 7, so images of these are made" in line for line in said)
    named = dataclasses.replace(SETTINGS, counts=("3=9",))
    pipeline.build(named, data=str(tmp_path / "some.npz"), evaluation=None, say=said.append)
    assert fake_shards[1][0].counts == ("3=9",)


def test_the_counts_that_balance_are_what_each_class_lacks(
    tiny_digits: Digits, tmp_path: Path
) -> None:
    kept = ~((tiny_digits.labels == 4) & (np.arange(200) > 60)) & (tiny_digits.labels != 9)
    place = str(tmp_path / "uneven.npz")
    np.savez(place, images=tiny_digits.images[kept], labels=tiny_digits.labels[kept])
    said: list[str] = []
    assert pipeline.balancing_counts(place, said.append) == ("4=14",)
    assert said == [
        f"NOTICE: {place} holds 6 to 20 images of a class; the set tops them up to 20 of each."
    ]
    np.savez(place, images=tiny_digits.images, labels=tiny_digits.labels)
    with pytest.raises(SettingsError, match="than of others, received 20 of each"):
        pipeline.balancing_counts(place)


def test_pictures_that_had_to_be_fitted_give_a_set_its_framing(
    tiny_digits: Digits, drawings: str, tmp_path: Path, fake_shards: list[Any]
) -> None:
    large = 255 - np.pad(tiny_digits.images, ((0, 0), (9, 11), (2, 2), (0, 0)))
    np.savez(tmp_path / "large.npz", images=large, labels=tiny_digits.labels)
    for like in ("data", "generator"):
        settings = dataclasses.replace(SETTINGS, like=like)
        said: list[str] = []
        place = str(tmp_path / "large.npz")
        pipeline.build(settings, data=place, evaluation=None, say=said.append)
        framing = fake_shards[-1][3]["framing"]
        if like == "data":
            assert framing.image_shape == (48, 32, 1)
            assert "look like your pictures: 48 x 32 x 1, dark on light. Use" in said[-1]
        else:
            assert framing is None
    pipeline.build(SETTINGS, data=drawings, evaluation=None, say=said.append)
    assert fake_shards[-1][3]["framing"] is None  # drawn as the generator draws


def test_dark_pictures_that_a_generator_learnt_from_are_not_inverted(
    tiny_digits: Digits,
    tmp_path: Path,
    fake_shards: list[Any],
    fake_evaluation: list[Any],
) -> None:
    """`train --data PATH` leaves pictures of one size as they are: so they are compared later."""
    place = str(tmp_path / "dark.npz")
    np.savez(place, images=255 - tiny_digits.images, labels=tiny_digits.labels)
    learnt = load_real(place).train
    training_data = {"source": "dark", "sha256": learnt.sha256(), "images": len(learnt)}
    copy_shipped(str(tmp_path / "generator"), training_data=training_data)

    # a build by that generator
    said: list[str] = []
    generator = str(tmp_path / "generator")
    pipeline.build(SETTINGS, data=place, generator=generator, evaluation=None, say=said.append)
    options = fake_shards[0][3]
    assert options["reference"].sha256() == learnt.sha256()
    assert options["framing"] is None
    assert not [line for line in said if "inverted" in line]

    # an evaluation of its set
    (tmp_path / "manifests").mkdir()
    example = Path(__file__).parents[1] / "manifests"
    record = json.loads((example / "example.json").read_text())
    record["checkpoint"]["training_data"] = training_data
    (tmp_path / "manifests/example.json").write_text(json.dumps(record))
    (tmp_path / "manifests/example.csv").write_bytes((example / "example.csv").read_bytes())
    pipeline.evaluate(str(tmp_path / "manifests/example.csv"), EvaluationSettings(), data=place)
    assert fake_evaluation[0][2].train.sha256() == learnt.sha256()


def test_a_build_leaves_a_fuller_evaluation_alone(
    drawings: str, fake_shards: list[Any], fake_evaluation: list[Any]
) -> None:
    real = load_real(drawings)
    pipeline.build(SETTINGS, root="root", data=real)
    manifest, root, digits, settings, options = fake_evaluation[0]
    assert (manifest, root) == ("manifests/digits.csv", "root")
    assert digits is real
    assert settings.arms == ("real", "real_synthetic", "synthetic")
    assert options == {"or_fuller": True}


def test_a_build_that_is_not_to_be_evaluated_is_not(
    drawings: str, fake_shards: list[Any], fake_evaluation: list[Any]
) -> None:
    assert pipeline.build(SETTINGS, data=drawings, evaluation=None).evaluation is None
    assert fake_evaluation == []


def test_a_set_that_is_too_small_to_be_measured_is_made(
    drawings: str, fake_shards: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise DataError("Too few.")

    monkeypatch.setattr(pipeline, "evaluate_set", refuse)
    said: list[str] = []
    done = pipeline.build(SETTINGS, data=drawings, say=said.append)
    assert done.evaluation is None
    assert done.set.manifest == "manifests/digits.csv"
    assert said[-1] == "NOTICE: not evaluated. Too few."


def test_a_build_goes_on_without_mnist_not_without_own_digits(
    fake_shards: list[Any], fake_evaluation: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mnist, "SOURCES", ())
    said: list[str] = []
    done = pipeline.build(SETTINGS, say=said.append)
    assert done.evaluation is None
    assert len(said) == 1
    assert said[0].startswith("NOTICE: no evaluation and no distances to training images, because")
    with pytest.raises(DataError):
        pipeline.build(SETTINGS, data="nowhere.npz")
    assert len(fake_shards) == 1
    assert fake_evaluation == []


def test_alarms_of_a_generator_are_said(
    drawings: str, tmp_path: Path, fake_shards: list[Any]
) -> None:
    alarms = [
        {"step": 1200, "name": "mode collapse", "message": "few."},
        {"step": 9, "name": "mode collapse", "message": "few.", "class": "3"},
    ]
    copy_shipped(str(tmp_path / "gan"), alarms=alarms)
    said: list[str] = []
    pipeline.dry_run(SETTINGS, data=drawings, generator=str(tmp_path / "gan"), say=said.append)
    assert said[:2] == [
        "NOTICE: the training of this generator raised an alarm at step 1,200, mode collapse: few.",
        "NOTICE: the training of this generator of class '3' raised an alarm at step 9, mode "
        "collapse: few.",
    ]
    said.clear()
    pipeline.dry_run(SETTINGS, data=drawings, say=said.append)
    assert not any("raised an alarm" in line for line in said)


# train first


def test_a_generator_that_is_trained_first_is_kept_and_named(
    drawings: str, fake_shards: list[Any], fake_training: list[Any]
) -> None:
    real = load_real(drawings)
    fitted = recipe_for(real.train.counts().tolist(), "cdcgan")
    said: list[str] = []
    train_first = pipeline.TrainFirst(preset="cdcgan")
    for _ in range(2):
        done = pipeline.build(
            SETTINGS, data=real, generator=train_first, evaluation=None, say=said.append
        )
        assert done.trained
        assert read_checkpoint(done.trained).record["step"] == fitted.steps
        assert fake_shards[-1][2].record["step"] == fitted.steps
    assert [gan for gan, _ in fake_training] == [fitted]  # once for both
    assert (
        f"cdcgan is trained with --steps {fitted.steps} --translation {fitted.translation};"
        in said[0]
    )


def test_a_dry_run_trains_nothing(
    drawings: str, fake_shards: list[Any], fake_training: list[Any]
) -> None:
    real = load_real(drawings)
    train_first = pipeline.TrainFirst(preset="cdcgan")
    with pytest.raises(CheckpointError, match="expected a generator of preset 'cdcgan' that is"):
        pipeline.dry_run(SETTINGS, data=real, generator=train_first)
    assert fake_training == []
    pipeline.build(SETTINGS, data=real, generator=train_first, evaluation=None)
    said: list[str] = []
    pipeline.dry_run(SETTINGS, data=real, generator=train_first, say=said.append)
    assert fake_shards[-1][2].record["step"] == fake_training[0][0].steps
    assert said[-1].startswith("The evaluation comes on top; it is not in this time.")


def test_what_stops_a_build_is_found_before_the_training(
    drawings: str, fake_training: list[Any], tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SettingsError, match="--labels auto does not go with this generator"):
        pipeline.build(SETTINGS, data=drawings, generator=pipeline.TrainFirst(preset="dcgan"))
    with pytest.raises(SettingsError, match="--preset: expected one of cdcgan"):
        pipeline.build(SETTINGS, data=drawings, generator=pipeline.TrainFirst(preset="other"))
    with pytest.raises(Exception, match="Expected a folder"):
        pipeline.build(
            SETTINGS,
            root=str(tmp_path / "file"),
            data=drawings,
            generator=pipeline.TrainFirst(),
        )
    photos = [np.zeros((5000, 100 + i, 1), np.uint8) for i in range(2)]
    for label in range(2):
        (tmp_path / f"photos/{label}").mkdir(parents=True)
        for i, photo in enumerate(photos):
            photo[2000 : 3000 + 100 * i, 20:60] = 255
            (tmp_path / f"photos/{label}/{i}.png").write_bytes(encode_png(photo, 1))
    with pytest.raises(SettingsError, match="--like data: expected pictures of at most 4096"):
        pipeline.build(SETTINGS, data=str(tmp_path / "photos"), generator=pipeline.TrainFirst())
    assert fake_training == []


# train


def test_a_recipe_is_fitted_to_few_images_but_for_what_is_named(
    drawings: str, tmp_path: Path, fake_training: list[Any]
) -> None:
    default = PRESETS["cdcgan"].settings
    fitted = recipe_for(load_real(drawings).train.counts().tolist(), "cdcgan")
    assert fitted.steps < default.steps
    said: list[list[str]] = [[], [], []]
    one = pipeline.train(str(tmp_path / "1"), data=drawings, say=said[0].append)
    named = {"steps": 7, "latent": 5, "seed": 3}
    pipeline.train(str(tmp_path / "2"), data=drawings, changes=named, say=said[1].append)
    other = pipeline.train(
        str(tmp_path / "3"),
        data=drawings,
        preset="dcgan",
        labels="classifier",
        say=said[2].append,
    )
    assert [gan for gan, _ in fake_training] == [
        fitted,
        dataclasses.replace(fitted, steps=7, latent=5),
        PRESETS["dcgan"].settings,
    ]
    assert [run.seed for _, run in fake_training] == [0, 3, 0]
    assert (one.labels, other.labels) == ("condition", "none")
    steps = f"--steps {fitted.steps} "
    translation = f"--translation {fitted.translation}; options that you name come before these."
    assert f"cdcgan is trained with {steps}{translation}" in said[0][0]
    assert f"cdcgan is trained with {translation}" in said[1][0]
    assert said[2] == []


def test_changes_that_no_settings_have_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"received speed, stepz\.$"):
        pipeline.train(str(tmp_path / "gan"), changes={"stepz": 1, "speed": 2})
    assert list(tmp_path.iterdir()) == []


def begin_per_class(folder: str) -> None:
    """Leave the state of a training of one dcgan a class."""
    identity = {
        "gan": dataclasses.asdict(PRESETS["dcgan"].settings),
        "seed": 0,
        "preset": "dcgan",
        "training_data": "",
        "labels": "per-class",
    }
    state = SavedRun({"step": np.array(0)}, {}, 0.0, {"log": [], "events": []})
    save_run(open_storage(folder), identity, state)


def test_a_training_of_one_generator_a_class_goes_on_as_one(
    drawings: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(name: str) -> Any:
        def train(job: TrainingJob, *, resume: bool, **_: Any) -> None:
            raise Interrupted(f"{name} {job.preset} {resume}")

        return train

    monkeypatch.setattr("synthgen.gan.per_class.train_per_class", stop("per class"))
    monkeypatch.setattr("synthgen.gan.train.train", stop("one"))
    out = str(tmp_path / "gan")
    begin_per_class(out)
    with pytest.raises(Interrupted, match="per class dcgan True"):
        pipeline.train(out, data=drawings, resume=True)
    with pytest.raises(Interrupted, match="per class dcgan True"):
        pipeline.train(out, data=drawings, preset="dcgan", resume=True)
    with pytest.raises(Interrupted, match="one dcgan True"):
        pipeline.train(out, data=drawings, labels="classifier", resume=True)
    with pytest.raises(ResumeError, match="--preset: expected dcgan, which the training in"):
        pipeline.train(out, data=drawings, preset="cdcgan", resume=True)


def test_a_resumed_training_has_its_digits_and_says_what_was_upgraded(
    drawings: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its --data and --fit need not be named again; other versions are said, not refused."""
    jobs: list[TrainingJob] = []

    def train(job: TrainingJob, *, resume: bool) -> None:
        jobs.append(job)
        options = run_options(job.run, job.data, job.fitting)
        state = SavedRun({"step": np.array(0)}, {}, 0.0, {"log": [], "events": []})
        save_run(open_storage(job.out), job.identity, state, options)
        raise Interrupted("stopped")

    monkeypatch.setattr("synthgen.gan.train.train", train)
    out = str(tmp_path / "gan")
    said: list[str] = []
    begun = DataSource(place=drawings, fitting=FramingSettings(fit="pad", polarity="dark-on-light"))
    for data in (begun, None, DataSource()):
        with pytest.raises(Interrupted):
            pipeline.train(out, data=data, resume=data is not begun, say=said.append)
    assert [job.identity for job in jobs] == [jobs[0].identity] * 3
    assert [job.fitting for job in jobs] == [begun.fitting] * 3
    assert "other versions" not in "".join(said)

    state = tmp_path / "gan/training/state.json"
    plain = json.loads(state.read_text())
    plain["versions"]["keras"] = "2.0"
    state.write_text(json.dumps(plain))
    with pytest.raises(Interrupted):
        pipeline.train(out, resume=True, say=said.append)
    assert f"saved with other versions (keras 2.0, now {versions()['keras']})." in "".join(said)


TRANSFER = BenchmarkSettings(scenarios=("transfer",), per_class=("2",), seeds=(1,))


def save_with_test(place: Path, images: Images, digits: Digits) -> None:
    """Write the first 80 of 200 images as training images, the others as test images."""
    np.savez(
        place,
        x_train=images[:80],
        y_train=digits.labels[:80],
        x_test=images[80:],
        y_test=digits.labels[80:],
    )


def test_transfer_takes_the_shipped_generator_and_frames_as_it_draws(
    tiny_digits: Digits, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pictures of 14 x 14, and no MNIST to be had."""
    monkeypatch.setenv("SYNTHGEN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(mnist, "SOURCES", ())
    save_with_test(tmp_path / "small.npz", tiny_digits.images[:, ::2, ::2], tiny_digits)
    said: list[str] = []
    job = pipeline.plan_benchmark_job(
        TRANSFER, str(tmp_path), str(tmp_path / "small.npz"), say=said.append
    )
    assert job.experiment.real.train.image_shape == (28, 28, 1)
    transfer = job.experiment.transfer
    assert transfer is not None
    assert transfer.real is None
    shipped = read_checkpoint(shipped_checkpoint())
    assert transfer.describe()["generator"]["checkpoint_sha256"] == shipped.sha256
    assert [key.arm for key in job.plan.keys] == [
        "classical",
        "source",
        "fine_tuned",
        "source_only",
    ]
    assert any(line.startswith("NOTICE: no control on real MNIST digits") for line in said)


def test_transfer_to_what_the_generator_was_trained_on_is_refused(mnist: RealDigits) -> None:
    with pytest.raises(DataError, match="Expected digits that the generator has not seen"):
        pipeline.plan_benchmark_job(TRANSFER, data=mnist)


def test_the_real_digits_of_the_generator_are_a_control(
    tiny_digits: Digits, mnist: RealDigits, tmp_path: Path
) -> None:
    place = tmp_path / "own.npz"
    save_with_test(place, tiny_digits.images, tiny_digits)
    job = pipeline.plan_benchmark_job(TRANSFER, data=str(place), say=lambda line: None)
    assert job.experiment.transfer is not None
    assert job.experiment.transfer.real_sha256 == mnist.train.sha256()
    assert "source_real" in {key.arm for key in job.plan.keys}
