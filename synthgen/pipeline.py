"""The whole job as a Python call: train or load a generator -> build -> evaluate -> report.

Each function does what the command of its name does: it takes values, writes files where the
command would, and returns a value. What loads TensorFlow is imported when it is needed.

Example:
    >>> import synthgen
    >>> result = synthgen.build(synthgen.BuildSettings(per_class=500))  # doctest: +SKIP
    >>> result.set.manifest_path, result.evaluation.verdicts            # doctest: +SKIP
"""

import contextlib
import os
import shlex
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import numpy as np

from synthgen.config import (
    BUILD_ARMS,
    DEFAULT_PRESET,
    LEAST_PER_CLASS,
    MOST_OWN_DIGITS,
    BenchmarkSettings,
    BuildSettings,
    EvaluationSettings,
    GanSettings,
    TrainSettings,
)
from synthgen.datasets.digits import Digits
from synthgen.datasets.framing import Framing
from synthgen.datasets.mnist import mnist_folder
from synthgen.datasets.sources import AS_NEEDED, MNIST, DataSource, load_real, read_named
from synthgen.datasets.splits import RealDigits
from synthgen.errors import (
    CheckpointError,
    DataError,
    Interrupted,
    RecordError,
    ResumeError,
    SettingsError,
)
from synthgen.gan.checkpoint import (
    SHIPPED,
    Checkpoint,
    find_checkpoint_folder,
    read_checkpoint,
    shipped_checkpoint,
)
from synthgen.gan.job import TrainingJob, TrainingResult
from synthgen.gan.presets import find_preset, fit_recipe
from synthgen.gan.resume import load_options
from synthgen.records import file_sha256, fingerprint, versions
from synthgen.shards.build import BuildResult, check_before_training
from synthgen.shards.build import build as build_set
from synthgen.shards.data_card import describe_set
from synthgen.shards.dry_run import DryRun, dry_run_set
from synthgen.shards.export import ExportResult, export_set
from synthgen.shards.job import prepare, training_images, training_sha256
from synthgen.shards.label_source import label_source, trained_labels
from synthgen.shards.layout import evaluation_folder
from synthgen.shards.manifest import find_manifest
from synthgen.shards.partitions import PartitionResult, make_partition, parse_partition
from synthgen.shards.run_record import RunRecord, read_record
from synthgen.storage import open_storage
from synthgen.text import as_python

if TYPE_CHECKING:
    from synthgen.classifiers.digitnet import Network
    from synthgen.classifiers.judge import Judge
    from synthgen.evaluation.benchmark import BenchmarkJob, BenchmarkRun
    from synthgen.evaluation.evaluate import Evaluated
    from synthgen.evaluation.gates import Gate
    from synthgen.evaluation.own_digits import OwnDigitsVerdict
    from synthgen.gan.known_classes import ClassReading
    from synthgen.gan.per_class import PerClassResult

# Of warnings, whatever the program has set: a rounding to 0 is no error.
NUMPY_DEFAULTS = np.errstate(divide="warn", over="warn", under="ignore", invalid="warn")
BUILD_EVALUATION = EvaluationSettings(arms=BUILD_ARMS)
LINES_OF_PROGRESS = 6  # of a comparison with own digits, where no bar shows how far it is
Say = Callable[[str], object]
Changed = TypeVar("Changed", GanSettings, TrainSettings)
# real digits, read already or still to be read; a text is the place of a DataSource
Data = str | DataSource | RealDigits


@dataclass(frozen=True, kw_only=True)
class TrainFirst:
    """A generator that is trained on the real digits before a build.

    The cache keeps it: the next build with the same digits and recipe finds it there, and a
    training that was stopped goes on.

    Args:
        preset: name of the recipe, see `synthgen presets`.
    """

    preset: str = DEFAULT_PRESET


@dataclass(frozen=True, kw_only=True)
class WholeBuild:
    """What a build came to.

    Args:
        set: what was made, and where it lies.
        evaluation: what it is worth, and where the report lies; None if that was not asked for or
            could not be measured, which a notice then said.
        trained: the checkpoint folder of the generator that was trained for it, if one was.
        own_digits: what the set is worth beside few digits of the user's own; None for others.
        measured_by: what can measure a set that was not to be measured: "evaluate", `build` with
            an evaluation ("build"), or nothing (""), where there are too few images of a class.
    """

    set: BuildResult
    evaluation: "Evaluated | None"
    trained: str | None = None
    own_digits: "OwnDigitsVerdict | None" = None
    measured_by: str = "evaluate"


@dataclass(frozen=True, kw_only=True)
class WholeTraining:
    """What a training came to.

    Args:
        training: steps, time, figures, alarms, and the checkpoint folder.
        labels: where the labels of a set will come from: "condition", "per-class" or "none", which
            needs BuildSettings(labels="classifier").
        data: where the real digits were read and how they were fitted; no place if they were handed
            over as values. Of a training that was resumed, those that it was begun with.
    """

    training: "TrainingResult | PerClassResult"
    labels: str
    data: DataSource


@NUMPY_DEFAULTS
def build(
    settings: BuildSettings,
    *,
    root: str = ".",
    data: Data = MNIST,
    generator: str | TrainFirst | None = None,
    evaluation: EvaluationSettings | None = BUILD_EVALUATION,
    overwrite: bool = False,
    engine: str = "local",
    say: Say = print,
) -> WholeBuild:
    """Make a labelled set and measure what it is worth: the whole job.

    What is there already and unharmed is kept, so that a stopped build goes on with the same call.

    Args:
        settings: the name of the set, how many images, in which files.
        root: folder or fsspec URL that holds data/ and manifests/.
        data: real digits: "mnist", the path of your own (see `load_real`), or a value.
        generator: a checkpoint folder; TrainFirst(preset=...) trains one on `data`; None: the
            generator that the package ships.
        evaluation: how to measure; None: do not. An evaluation that is there already and has more
            arms or seeds is left alone.
        overwrite: replace a set of this name that was built with other settings.
        engine: what makes the shards: "local", this machine, or "ray", the machines of the cluster
            that `RAY_ADDRESS` names (without one, this machine); they make the same files.
        say: receives notices, such as what was left out and why.

    Raises:
        InputError: if settings, digits, generator or root cannot be used.
        ScreeningExhausted: if the generator cannot make a class.
        Interrupted: after Ctrl-C; the same call goes on.
    """
    # train, or take what was trained
    trained = None
    if isinstance(generator, TrainFirst):
        from synthgen.gan.cache import train_into_cache

        job, data = _training_for(settings, generator.preset, data, say)
        framing = _framing(data, settings.like)
        check_before_training(settings, root, data.train, overwrite, framing)
        trained = train_into_cache(job, per_class=settings.labels == "per-class", say=say)
        generator = trained
    sources = _load(generator, data, settings, say)
    settings = _of_users_classes(settings, sources, data, say)

    # build
    made = build_set(
        settings,
        root,
        sources.checkpoint,
        reference=sources.learnt,
        overwrite=overwrite,
        say=say,
        framing=sources.framing,
        engine=engine,
        held_out=sources.held_out,
    )
    renew_description(made.manifest, root)

    # what it is worth
    evaluated = None
    own_digits = None
    real = sources.real
    if evaluation and real and _is_tried_beside_own(sources, data, settings, evaluation):
        say(f"The set is complete: {made.manifest_path}. It is now tried beside your own digits.")
        try:
            _check_unseen(sources.checkpoint, real)
            with _goes_on(made.manifest_path):
                own_digits = try_beside_own(
                    made.manifest,
                    root,
                    real,
                    place=_place(data),
                    workers=evaluation.workers,
                    say=say,
                )
        except DataError as error:
            say(f"NOTICE: not tried. {error}")
    elif evaluation and real:
        say(f"The set is complete: {made.manifest_path}. It is now evaluated.")
        try:
            with _goes_on(made.manifest_path):
                evaluated = evaluate_set(made.manifest, root, real, evaluation, or_fuller=True)
        except DataError as error:
            # a set that is too small to be measured is still a set
            say(f"NOTICE: not evaluated. {error}")
    return WholeBuild(
        set=made,
        evaluation=evaluated,
        trained=trained,
        own_digits=own_digits,
        measured_by="evaluate" if evaluation else _measured_by(sources, data, settings),
    )


@NUMPY_DEFAULTS
def build_partition(
    settings: BuildSettings,
    partition: str,
    *,
    root: str = ".",
    data: Data = MNIST,
    generator: str | None = None,
    say: Say = print,
) -> PartitionResult:
    """Make one partition of a set: for array jobs, which need no other coordination.

    When all partitions have been made, in any order and on any machines that see the root, `merge`
    publishes the set that one `build` would have made.

    Args:
        settings: as for `build`, the same ones for each partition.
        partition: "I/N", the I-th of N parts, counted from 1 (or from 0).
        root: folder or fsspec URL that holds data/ and manifests/.
        data: real digits: "mnist", the path of your own (see `load_real`), or a value.
        generator: a checkpoint folder; None: the generator that the package ships.
        say: receives notices, such as what was left out and why.

    Raises:
        InputError: if settings, digits, generator or root cannot be used.
        ResumeError: if what is there was made with other settings.
        ScreeningExhausted: if the generator cannot make a class.
        Interrupted: after Ctrl-C; the same call goes on.
    """
    chosen = parse_partition(partition)
    sources = _load(generator, data, settings, say)
    settings = _of_users_classes(settings, sources, data, say)
    job = prepare(
        settings,
        root,
        sources.checkpoint,
        sources.learnt,
        sources.framing,
        sources.held_out,
    )
    return make_partition(chosen, job)


@NUMPY_DEFAULTS
def dry_run(
    settings: BuildSettings,
    *,
    root: str = ".",
    data: Data = MNIST,
    generator: str | TrainFirst | None = None,
    evaluation: EvaluationSettings | None = BUILD_EVALUATION,
    overwrite: bool = False,
    say: Say = print,
) -> DryRun:
    """Say what `build` would make and how long that would take; only a preview picture is written.

    Args:
        settings: the name of the set, how many images, in which files.
        root: folder or fsspec URL that holds data/ and manifests/.
        data: real digits: "mnist", the path of your own (see `load_real`), or a value.
        generator: a checkpoint folder; TrainFirst(preset=...) finds the one that a build trained,
            nothing is trained here; None: the generator that the package ships.
        evaluation: how `build` would measure; its time is not part of what is said.
        overwrite: as if a set of this name with other settings were to be replaced.
        say: receives notices.

    Raises:
        InputError: if settings, digits, generator or root cannot be used.
    """
    if isinstance(generator, TrainFirst):
        from synthgen.gan.cache import find_in_cache

        job, data = _training_for(settings, generator.preset, data, say)
        generator = find_in_cache(job, per_class=settings.labels == "per-class")
    sources = _load(generator, data, settings, say)
    settings = _of_users_classes(settings, sources, data, say)
    forecast = dry_run_set(
        settings,
        root,
        sources.checkpoint,
        reference=sources.learnt,
        overwrite=overwrite,
        framing=sources.framing,
        held_out=sources.held_out,
    )
    if evaluation and sources.real:
        say("The evaluation comes on top; it is not in this time. --no-evaluate leaves it away.")
    return forecast


def find_generator(record: RunRecord, data: Data = MNIST) -> str:
    """Find the generator of a set that is to be built again from its run record.

    Args:
        record: of the set.
        data: the real digits that it is to be built with.

    Returns:
        Its checkpoint folder.

    Raises:
        CheckpointError: if it is neither the shipped one nor in the cache.
        SettingsError: if the images look like pictures, and none are named.
    """
    if record.framing is not None and record.settings.like == "data" and _place(data) == MNIST:
        raise SettingsError(
            "--data: expected the pictures that the images of the set look like "
            f"({' x '.join(map(str, record.image_shape))}, {record.framing.polarity}), of which "
            "its run record does not say where they lie, received none."
        )
    return find_checkpoint_folder(record.checkpoint.sha256)


def rebuild_differences(before: RunRecord, now: RunRecord) -> list[str]:
    """Say in words why the shards of a set differ from those of the record it was built from.

    Returns:
        What differs, one line each; none if all shards are the same, byte for byte.
    """
    shards = [dict(entry.sha256) for entry in before.shards]
    if shards == [dict(entry.sha256) for entry in now.shards]:
        return []
    lines = [
        f"{_option(field.name)} was {getattr(before.settings, field.name)}, "
        f"is {getattr(now.settings, field.name)}."
        for field in fields(BuildSettings)
        if field.name != "name"
        and getattr(before.settings, field.name) != getattr(now.settings, field.name)
    ]
    if before.checkpoint.sha256 != now.checkpoint.sha256:
        lines.append("the generator is another one.")
    if before.reference_sha256 != now.reference_sha256:
        lines.append("the training images that distances are measured to are others.")
    if before.framing != now.framing:
        lines.append("the pictures that the images look like are others.")
    lines += [
        f"{name} was {version}, is {now.versions.get(name, 'not installed')}."
        for name, version in before.versions.items()
        if now.versions.get(name) != version
    ]
    return lines or ["the same settings and versions on another machine, or files that changed."]


class _Sources(NamedTuple):
    """What a set is made of.

    Args:
        checkpoint: the generator.
        real: the real digits, if they can be had.
        reference: training images to measure distances to, if the generator learnt from these.
        framing: what the images shall look like; None for images as the generator draws them.
        originals: the digits that the generator learnt from, and others beside them, where
            duplicates or memorised images are drawn again.
    """

    checkpoint: Checkpoint
    real: RealDigits | None
    reference: Digits | None
    framing: Framing | None
    originals: RealDigits | None = None

    @property
    def learnt(self) -> Digits | None:
        """Training images that distances are measured to, if they can be had."""
        return self.originals.train if self.originals is not None else self.reference

    @property
    def held_out(self) -> Digits | None:
        """Real digits of the same kind that the generator has not seen, where they are needed."""
        return self.originals.validation if self.originals is not None else None


def _load(folder: str | None, data: Data, settings: BuildSettings, say: Say) -> _Sources:
    """Read the generator and the real digits, and say what a user should know about them.

    Args:
        folder: of the checkpoint; None: the shipped one.
        data: the real digits; MNIST that cannot be had is no error.
        settings: of the build, which say what the images shall look like and what is drawn again.
        say: receives notices.
    """
    checkpoint = read_checkpoint(folder or shipped_checkpoint())
    for alarm in checkpoint.record.get("alarms", ()):
        where = f" of class {alarm['class']!r}" if "class" in alarm else ""
        say(
            f"NOTICE: the training of this generator{where} raised an alarm at step "
            f"{alarm['step']:,}, {alarm['name']}: {alarm['message']}"
        )
    try:
        real = _real_as_drawn(data, say, checkpoint.image_shape, training_sha256(checkpoint))
    except DataError as error:
        if _place(data) != MNIST:
            raise
        say(
            "NOTICE: no evaluation and no distances to training images, because the real digits "
            f"cannot be had.\n{error}"
        )
        return _Sources(checkpoint, None, None, None)
    reference = training_images(checkpoint, real.train)
    if reference is None:
        # how they are fitted is said of pictures that are read from a path
        digits = real.whole_source if _place(data) in ("", MNIST) else _place(data)
        say(
            "NOTICE: no distances to training images, because the generator was not trained on "
            f"these digits ({digits})."
        )

    # Other digits than those that the generator was trained on: does it draw their classes?
    if reference is None and checkpoint.screener and _place(data) != MNIST:
        reading = read_classes(checkpoint, real)
        if not reading.is_clear:
            place = _place(data) or "PATH"
            raise DataError(
                "Expected pictures of classes that the generator draws, "
                f"{', '.join(checkpoint.class_names)}. Its screening classifier {reading}. If they "
                "are of these classes, look at how they are fitted "
                f"(`synthgen data info {place} --picture sheet.png`) and name --polarity or --fit. "
                "If not, train a generator on them with --train."
            )
        say(f"NOTICE: the screening classifier of the generator {reading}.")

    # Images that look like pictures which had to be fitted to the generator
    framing = _framing(real, settings.like)
    if framing is not None:
        pictures = " x ".join(map(str, framing.image_shape))
        median = ", the median of your sizes" if framing.several_sizes else ""
        say(
            f"NOTICE: the images will look like your pictures: {pictures}{median}, "
            f"{framing.polarity.replace('-', ' ')}. Use --like generator for "
            f"{' x '.join(map(str, checkpoint.image_shape))}, light on dark."
        )
    originals = None
    if settings.screens_nearness:
        originals = real if reference is not None else _find_originals(checkpoint)
    return _Sources(checkpoint, real, reference, framing, originals)


def _find_originals(checkpoint: Checkpoint) -> RealDigits | None:
    """Return the digits that a generator learnt from if these are those of MNIST, else None."""
    mnist = _real_as_drawn(
        MNIST, lambda _: None, checkpoint.image_shape, training_sha256(checkpoint)
    )
    return mnist if training_images(checkpoint, mnist.train) is not None else None


def _framing(real: RealDigits, like: str) -> Framing | None:
    """What images shall look like that look like pictures which had to be fitted; else None."""
    framing = real.framing
    return framing if like == "data" and framing is not None and framing.fit != "none" else None


def _of_users_classes(
    settings: BuildSettings, sources: _Sources, data: Data, say: Say
) -> BuildSettings:
    """Make images of the user's classes only, where these are fewer than those of the generator."""
    names = sources.checkpoint.class_names
    own = [str(name) for name in sources.real.train.class_names] if sources.real else []
    if settings.counts or _place(data) == MNIST or not set(own) < set(names):
        return settings
    say(
        f"NOTICE: your pictures are of {', '.join(own)}, so images of these are made, and none of "
        "the generator's other classes. Use --counts for others."
    )
    kept = [name for name in names if name in own]
    counts = tuple(f"{name}={settings.per_class}" for name in kept)
    return replace(settings, counts=counts)


def _is_tried_beside_own(
    sources: _Sources, data: Data, settings: BuildSettings, evaluation: EvaluationSettings
) -> bool:
    """Whether a set is measured by cross-validation of the user's own digits.

    Few of them have no test digits to spare, and a set that tops others up has no use by itself.
    Who names other settings of the evaluation gets that evaluation.
    """
    real = sources.real
    is_usual = replace(evaluation, workers=BUILD_EVALUATION.workers) == BUILD_EVALUATION
    if real is None or sources.reference is not None or _place(data) == MNIST or not is_usual:
        return False
    is_uneven = len({count.rpartition("=")[2] for count in settings.counts}) > 1
    lacks = bool(settings.counts) and len(settings.counts) < real.train.classes
    return are_few(real) or is_uneven or lacks


def _measured_by(sources: _Sources, data: Data, settings: BuildSettings) -> str:
    """What can measure a set that was not measured, see `WholeBuild`."""
    if _is_tried_beside_own(sources, data, settings, BUILD_EVALUATION):
        return "build"
    counts = settings.class_counts(sources.checkpoint.class_names)
    least = min(count for count in counts if count)
    if sources.real is not None:
        lacks = bool(settings.counts) and len(settings.counts) < sources.real.train.classes
        least = 0 if lacks else min(least, int(sources.real.test.counts().min()))
    return "evaluate" if least >= LEAST_PER_CLASS else ""


@contextlib.contextmanager
def _goes_on(manifest: str) -> Iterator[None]:
    """Say what is kept where the measuring of a set is stopped.

    Raises:
        Interrupted: in the place of a KeyboardInterrupt.
    """
    try:
        yield
    except KeyboardInterrupt as stopped:
        raise Interrupted(
            f"Interrupted. The set is complete ({manifest}), and every classifier that was "
            "trained is kept. Run the same command again to go on from there."
        ) from stopped


def _check_unseen(checkpoint: Checkpoint, real: RealDigits) -> None:
    """Make sure that a generator has not seen the digits that its set is tried beside.

    Raises:
        DataError: if one of them is among its training images, as far as these are at hand.
    """
    from synthgen.evaluation.generators import check_disjoint

    trained_on = training_sha256(checkpoint) or ""
    seen = None
    with contextlib.suppress(DataError):
        mnist = load_real(mnist_folder(), lambda _: None).train  # where it is in the cache
        seen = mnist if mnist.sha256() == trained_on else None
    try:
        check_disjoint(trained_on, seen, real)
    except DataError as error:
        raise DataError(
            "Your digits are among those that the generator was trained on: what it is worth for "
            "digits that it has not seen cannot be told. Use other --data, or another --checkpoint."
        ) from error


@NUMPY_DEFAULTS
def try_beside_own(
    manifest: str,
    root: str,
    real: RealDigits,
    *,
    place: str = "",
    workers: int = 0,
    judge: "Judge | None" = None,
    say: Say = print,
) -> "OwnDigitsVerdict":
    """Measure what a set is worth beside own digits, and write the report, unless both are there.

    Each classifier is kept as soon as it is trained, so that what was stopped goes on.

    Args:
        manifest: path relative to the root, such as manifests/digits.csv.
        root: the folder or fsspec URL that holds data/ and manifests/.
        real: the own digits, fitted as the generator's are. All of them are learnt from and asked
            about, in turn.
        place: where the own digits lie, for what a training job can use; "" where they do not.
        workers: processes that train side by side, see `EvaluationSettings`.
        judge: trains and asks the classifiers; None: the built-in one.
        say: receives how much there is to do and, where no bar shows it, how far it is.

    Raises:
        DataError: if the set has other classes.
        StorageError: if the result cannot be written.
        ResumeError: if another process is at it.
    """
    from tqdm import tqdm

    from synthgen.classifiers.judge import default_judge
    from synthgen.evaluation.cells import CellStore, exclusive_cells
    from synthgen.evaluation.evaluate import load_for
    from synthgen.evaluation.measure import first_rows
    from synthgen.evaluation.own_digits import (
        MOST_BESIDE_OWN,
        OWN_DIGITS_FILE,
        OWN_DIGITS_REVISION,
        OwnDigitsTrial,
        is_top_up,
        judge_own_digits,
        read_own_digits,
        steps_done,
        write_own_digits,
    )
    from synthgen.reports.own_digits import OWN_DIGITS_REPORT, render_own_digits

    judge = judge or default_judge()
    own = real.whole

    # what is known already
    storage = open_storage(root)
    name = manifest.rpartition("/")[2].removesuffix(".csv")
    folder = evaluation_folder(name)
    identity = fingerprint(
        {
            "revision": OWN_DIGITS_REVISION,
            "own": own.sha256(),
            "synthetic": file_sha256(storage, manifest),
            "classifier": dict(judge.recipe),
            "versions": versions(),
        }
    )
    files = (f"{folder}/{OWN_DIGITS_FILE}", f"{folder}/{OWN_DIGITS_REPORT}")
    if all(map(storage.exists, files)):
        with contextlib.suppress(RecordError):
            known = read_own_digits(storage.read_bytes(files[0]))
            if known.fingerprint == identity:
                renew_description(manifest, root)
                return replace(known, code=_mixing(known, real, place, root, manifest))

    # The set as it is compared: one that tops others up as it is, else the first of each class
    loaded = load_for(real, manifest, root, most=max(MOST_BESIDE_OWN, len(own)))
    synthetic = loaded.digits
    if list(synthetic.class_names) != list(own.class_names):
        synthetic = synthetic.numbered_as(own.class_names)
    tops_up = is_top_up(loaded.counts, real)
    if not tops_up:
        synthetic = synthetic.take(first_rows(synthetic.labels, MOST_BESIDE_OWN))

    # Each classifier is kept as soon as it is trained: what was stopped goes on
    trial = OwnDigitsTrial(
        own=own, synthetic=synthetic, judge=judge, fingerprint=identity, tops_up=tops_up
    )
    storage.check_writable(folder)
    total = trial.steps_in_all
    with exclusive_cells(storage, folder, "A comparison with own digits"):
        store = CellStore(storage, folder)
        done = steps_done(trial, store)
        if trial.classifiers:
            say(
                f"{trial.classifiers} classifiers are tuned and trained, each kept as soon as it "
                f"is done: {total:,} gradient steps, {done:,} of them done before. That takes "
                "minutes."
            )
        with tqdm(total=total, initial=done, unit="step", desc="compare", disable=None) as bar:

            def advance(steps: int) -> None:
                nonlocal done
                before = done * LINES_OF_PROGRESS // total
                done += steps
                bar.update(steps)
                if bar.disable and done * LINES_OF_PROGRESS // total > before:
                    say(f"{done:,} of {total:,} gradient steps are done.")

            found = judge_own_digits(trial, store, workers=workers, progress=advance)
        found = replace(found, code=_mixing(found, real, place, root, manifest))
        page = render_own_digits(found, own, synthetic, real.whole_source, manifest)
        storage.write_bytes(files[1], page.encode())
        storage.write_bytes(files[0], write_own_digits(found))
    renew_description(manifest, root)
    return found


def _mixing(
    found: "OwnDigitsVerdict", real: RealDigits, place: str, root: str, manifest: str
) -> str:
    """The call that gives a training job the advised mix; "" where there is nothing to mix."""
    if not found.share:
        return ""
    # pictures of several sizes must be brought to one by whoever trains on them
    several_sizes = real.framing is not None and real.framing.several_sizes
    own = f"synthgen.load_real({as_python(place)}).whole" if place and not several_sizes else "own"
    path = manifest if root == "." else os.path.join(root, manifest)
    return f"synthgen.mix({own}, synthgen.open_set({as_python(path)}), share={found.share:.2g})"


def balancing_counts(place: str, say: Say = print) -> tuple[str, ...]:
    """Return the `BuildSettings.counts` that top an uneven set up: what each class lacks.

    Images of the test part, where the files have one, are not counted: nothing learns from them.

    Args:
        place: "mnist", or the path or fsspec URL of the uneven set (see `load_real`).
        say: receives a notice of how many there are.

    Raises:
        DataError: if the set cannot be read.
        SettingsError: if it is even already.
    """
    train = read_named(place, lambda _: None).train
    counts = np.bincount(train.labels, minlength=len(train.class_names)).tolist()
    there = {name: count for name, count in zip(train.class_names, counts, strict=True) if count}
    most = max(there.values(), default=0)
    if min(there.values(), default=0) == most:
        raise SettingsError(
            f"--balance-with {place}: expected more images of some classes than of others, "
            f"received {most:,} of each. Use --per-class to add equally many."
        )
    say(
        f"NOTICE: {place} holds {min(there.values()):,} to {most:,} images of a class; the set "
        f"tops them up to {most:,} of each."
    )
    return tuple(f"{name}={most - count}" for name, count in there.items() if count < most)


def are_few(real: RealDigits) -> bool:
    """Whether real digits are so few that a build beside them sets none aside as a test part."""
    return len(real.whole) <= MOST_OWN_DIGITS


def read_classes(checkpoint: Checkpoint, real: RealDigits) -> "ClassReading":
    """Let the screening classifier of a generator read real digits.

    All of so few that a build sets none aside; of more, those that are not test digits.

    Args:
        checkpoint: generator and screening classifier.
        real: digits that are fitted to what the generator draws.

    Raises:
        DataError: if they have another shape, or are of a class that the generator has not.
    """
    from synthgen.gan.known_classes import read_labels

    known = None if are_few(real) else len(real.train) + len(real.validation)
    return read_labels(checkpoint, real.whole.take(slice(known)))


def describe_shipped(source: DataSource, real: RealDigits) -> str:
    """Say whether the shipped generator draws the classes of real digits.

    Args:
        source: where the digits lie, and how they are to be fitted.
        real: the digits, as far as they are fitted already.
    """
    checkpoint = read_checkpoint(shipped_checkpoint())
    if training_images(checkpoint, real.train) is not None:
        return "generator was trained on these digits"
    try:
        if source.place != MNIST:  # which is as the generator draws it
            real = _real(source, lambda _: None, checkpoint.image_shape)
        reading = read_classes(checkpoint, real)
    except DataError as error:
        return f"generator does not draw these classes. {error}"
    draws = "draws these classes" if reading.is_clear else "does not draw these classes"
    return f"generator {draws}: its classifier {reading}"


def _real(data: Data, say: Say, shape: tuple[int, int, int] | None = None) -> RealDigits:
    """The real digits, read if that is still to be done.

    Args:
        data: the digits, or where they lie.
        say: receives notices.
        shape: of the pictures that the generator draws, if there is a generator.
    """
    if isinstance(data, RealDigits):
        return data
    source = data if isinstance(data, DataSource) else DataSource(place=data)
    return load_real(source.place or MNIST, say, replace(source.fitting, shape=shape))


def _real_as_drawn(
    data: Data, say: Say, shape: tuple[int, int, int], trained_on: str | None
) -> RealDigits:
    """The real digits, fitted to what a generator draws.

    Pictures that it was trained on are as they were then: dark on light, for example.

    Args:
        data: the digits, or where they lie.
        say: receives notices.
        shape: of the pictures that the generator draws.
        trained_on: SHA-256 of the digits that it was trained on, if that is known.
    """
    if _place(data) in ("", MNIST):
        return _real(data, say, shape)
    notices: list[str] = []
    real = _real(data, notices.append, shape)
    framing = real.framing
    was_changed = framing is not None and framing.fit != "none" and framing.size == shape[:2]
    if was_changed and real.train.sha256() != trained_on:
        notices_unfitted: list[str] = []
        unfitted = _real(data, notices_unfitted.append)
        if unfitted.train.sha256() == trained_on:
            real = unfitted
            notices = notices_unfitted
    for line in notices:
        say(line)
    return real


@NUMPY_DEFAULTS
def export(
    manifest: str, formats: Sequence[str], *, root: str | None = None, progress: bool = True
) -> ExportResult:
    """Write a set that is there in further formats, from its files: no generator is needed.

    Args:
        manifest: path or URL of the manifest, such as manifests/digits.csv.
        formats: such as "parquet" and "webdataset"; those that are there are checked, and mended.
        root: where data/ lies, if that is not the parent of the manifest's folder.
        progress: show a bar if standard error is a terminal.

    Raises:
        SettingsError: if there is no such format, or a package that it needs is not installed.
        ManifestError: if the manifest is not that of a published set.
        DataError: if images of the set are damaged in all its formats.
        ResumeError: if a build of the set is running or unfinished.
        Interrupted: after Ctrl-C; the same call goes on.
    """
    done = export_set(manifest, formats, root, progress)
    renew_description(done.manifest, done.root)
    return done


def renew_description(manifest: str, root: str) -> None:
    """Write the card and the metadata of a set again, with the verdict of its evaluation if any.

    Args:
        manifest: path relative to the root, such as manifests/digits.csv.
        root: the folder or fsspec URL that holds data/ and manifests/.
    """
    storage = open_storage(root)
    record = read_record(storage, manifest)
    folder = evaluation_folder(record.settings.name)
    if not storage.exists(folder):  # to load what reads evaluations takes a quarter of a second
        describe_set(storage, record)
        return

    from synthgen.evaluation.own_digits import OWN_DIGITS_FILE, read_own_digits
    from synthgen.evaluation.results import EVALUATION_FILE, read_evaluation
    from synthgen.reports.evaluation import evaluation_lines
    from synthgen.reports.own_digits import own_digits_lines

    verdict: list[str] = []
    if storage.exists(f"{folder}/{EVALUATION_FILE}"):
        with contextlib.suppress(DataError):  # of an earlier version
            content = storage.read_bytes(f"{folder}/{EVALUATION_FILE}")
            verdict += evaluation_lines(read_evaluation(content))
    if storage.exists(f"{folder}/{OWN_DIGITS_FILE}"):
        with contextlib.suppress(RecordError):
            content = storage.read_bytes(f"{folder}/{OWN_DIGITS_FILE}")
            known = read_own_digits(content)
            verdict += own_digits_lines(replace(known, code=""))  # which names places of the user
    describe_set(storage, record, verdict)


def _place(data: Data) -> str:
    """Where real digits are to be read; "" for those that are read already."""
    if isinstance(data, RealDigits):
        return ""
    place = data.place if isinstance(data, DataSource) else data
    return place or MNIST


def _training_for(
    settings: BuildSettings, preset: str, data: Data, say: Say
) -> tuple[TrainingJob, RealDigits]:
    """The training, into the cache, that a build begins with, and the real digits.

    Raises:
        SettingsError: if there is no such preset, or it cannot make the labels that are asked for.
    """
    recipe = find_preset(preset)
    conditional = recipe.settings.conditional
    label_source(settings.labels, trained_labels(conditional, settings.labels))
    real = _real(data, say)
    job = TrainingJob(
        digits=real.train,
        out="",  # the cache knows its folder
        gan=_fit(recipe.settings, preset, real.train, (), say),
        run=recipe.run,
        preset=preset,
        source=real.source,
        command="synthgen build --train",
        validation=real.validation,
    )
    return job, real


def _fit(
    recipe: GanSettings, preset: str, digits: Digits, chosen: Sequence[str], say: Say
) -> GanSettings:
    """Fit a recipe to the number of training images, but for the options that the user chose."""
    counts = digits.counts().tolist()
    fitted, changes = fit_recipe(preset, counts, recipe, keep=chosen)
    if changes:
        options = " ".join(
            _option(name) if value is True else f"{_option(name)} {value}"
            for name, value in changes.items()
        )
        say(
            f"NOTICE: for {sum(counts):,} training images, {min(filter(None, counts)):,} to "
            f"{max(counts):,} a class, {preset} is trained with {options}; options that you name "
            "come before these."
        )
    return fitted


def _option(field: str) -> str:
    return "--" + field.replace("_", "-")


@NUMPY_DEFAULTS
def train(
    out: str,
    *,
    preset: str | None = None,
    data: Data | None = None,
    labels: str | None = None,
    changes: Mapping[str, Any] = MappingProxyType({}),
    resume: bool = False,
    say: Say = print,
) -> WholeTraining:
    """Train a generator; its folder can then be the `generator` of a build.

    Args:
        out: the checkpoint folder to make, path or fsspec URL.
        preset: name of the recipe, see `synthgen presets`; None: "cdcgan", or that of the training
            that is resumed.
        data: real digits: "mnist", the path of your own (see `load_real`), or a value; None: MNIST,
            or those of the training that is resumed.
        labels: for a recipe without a condition: "per-class" trains one generator a class,
            "classifier" one for all, whose images a classifier labels.
        changes: fields of GanSettings and TrainSettings that are to be other than in the preset,
            such as {"steps": 500}. Others are fitted to the number of training images.
        resume: go on with the training in `out`, exactly where it stopped.
        say: receives notices.

    Raises:
        SettingsError: if preset, labels or changes cannot be used.
        ResumeError: if `out` holds a training and `resume` is False, or one with other settings.
        TrainingDiverged: if the losses are not finite any more; the last good checkpoint is kept.
        Interrupted: after Ctrl-C; the state is saved.
    """
    known = [field.name for kind in (GanSettings, TrainSettings) for field in fields(kind)]
    unknown = sorted(set(changes) - set(known))
    if unknown:
        raise SettingsError(
            f"changes: expected fields of GanSettings and TrainSettings ({', '.join(known)}), "
            f"received {', '.join(unknown)}."
        )

    # what a training that is resumed was begun with need not be named again
    begun = load_options(open_storage(out)) if resume else None
    if begun:
        if preset not in (None, begun.preset):
            raise ResumeError(
                f"--preset: expected {begun.preset}, which the training in {out} was begun with, "
                f"received {preset}. Leave --preset away to go on with it, or name another --out."
            )
        preset = begun.preset
        labels = labels or begun.labels
        if data is None:
            data = DataSource()
        if isinstance(data, DataSource):
            chosen = begun.fitting if data.fitting == AS_NEEDED else data.fitting
            data = DataSource(place=data.place or begun.data or None, fitting=chosen)
        now = versions()
        other = [
            f"{name} {was}, now {now.get(name)}"
            for name, was in begun.versions.items()
            if now.get(name) != was
        ]
        if other:
            say(
                f"NOTICE: the training in {out} was saved with other versions "
                f"({', '.join(other)}). It goes on, and ends in other weights than it would have."
            )
    preset = preset or DEFAULT_PRESET
    recipe = find_preset(preset)
    gan = _changed(begun.gan if begun else recipe.settings, changes)
    run = _changed(begun.run if begun else recipe.run, changes)
    trained = trained_labels(gan.conditional, labels)

    # the digits, and the recipe for so many of them
    data = data or MNIST
    real = _real(data, say)
    if not begun:
        gan = _fit(gan, preset, real.train, list(changes), say)
    job = TrainingJob(
        digits=real.train,
        out=out,
        gan=gan,
        run=run,
        preset=preset,
        source=real.source,
        command=_command_line(),
        data=_found_from_anywhere(_place(data)),
        fitting=data.fitting if isinstance(data, DataSource) else AS_NEEDED,
        validation=real.validation,
    )
    done: TrainingResult | PerClassResult
    if trained == "per-class":
        from synthgen.gan.per_class import train_per_class

        done = train_per_class(job, resume=resume, say=say)
    else:
        from synthgen.gan.train import train as train_one

        done = train_one(job, resume=resume)
    used = DataSource(place=_place(data) or None, fitting=job.fitting)
    return WholeTraining(training=done, labels=trained, data=used)


def report_training(out: str) -> list[str]:
    """Write report.html into the folder of a training: curves, sample grids, alarms, record.

    Args:
        out: the folder, path or fsspec URL. With one generator a class, each has its own report.

    Returns:
        The paths of the reports; none on a machine that trained along with another.

    Raises:
        CheckpointError: if there is no training, or it has logged nothing yet.
        StorageError: if a report cannot be written.
    """
    from synthgen.gan.devices import find_devices
    from synthgen.reports.training import render_training
    from synthgen.reports.training_files import read_training

    if not find_devices().chief:
        return []
    storage = open_storage(out)
    logs = [path for path in storage.files("classes") if path.endswith("/training/log.csv")]
    folders = sorted({path.removesuffix("training/log.csv") for path in logs}) or [""]
    for folder in folders:
        report = render_training(read_training(f"{out}/{folder}".rstrip("/")))
        storage.write_bytes(f"{folder}report.html", report.html.encode())
    return [f"{out}/{folder}report.html" for folder in folders]


def _changed(settings: Changed, changes: Mapping[str, Any]) -> Changed:
    """The settings with those of the changes that are fields of theirs."""
    names = {field.name for field in fields(settings)}
    own = {name: value for name, value in changes.items() if name in names}
    return replace(settings, **own)


def _command_line() -> str:
    """What was called, for the record of a checkpoint."""
    program = os.path.basename(sys.argv[0])
    name = "synthgen" if program in ("synthgen", "__main__.py") else program
    line = os.fsencode(shlex.join([name, *sys.argv[1:]]))
    return line.decode(errors="replace")  # a path may be in any encoding, but no record


def _found_from_anywhere(place: str) -> str:
    """The place of real digits, as it is found from any current folder."""
    if place in ("", MNIST):
        return place
    storage = open_storage(place)
    return storage.full("") if storage.is_local else place


def evaluate(
    manifest: str,
    settings: EvaluationSettings,
    *,
    data: Data = MNIST,
    say: Say = print,
) -> "Evaluated":
    """Measure what a set is worth, and write the report beside it.

    What was measured before, of the same data, settings and versions, is read instead.

    Args:
        manifest: path of the manifest, such as manifests/digits.csv.
        settings: arms, seeds, training length, sample sizes.
        data: real digits: "mnist", the path of your own (see `load_real`), or a value.
        say: receives notices.

    Raises:
        ManifestError: if there is no such set.
        DataError: if the set and the real digits do not fit together, or are too few.
        Interrupted: after Ctrl-C; the same call goes on.
    """
    storage, relative = find_manifest(manifest)
    record = read_record(storage, relative)
    # pictures and images that look like them are compared as they were fitted to the generator
    shape = record.framing.shape if record.framing else record.image_shape
    trained = record.checkpoint.training_data
    real = _real_as_drawn(data, say, shape, trained.sha256 if trained else None)
    return evaluate_set(relative, storage.url, real, settings)


@NUMPY_DEFAULTS
def evaluate_set(
    manifest: str,
    root: str,
    real: RealDigits,
    settings: EvaluationSettings,
    *,
    judge: "Judge | None" = None,
    network: "Network | None" = None,
    or_fuller: bool = False,
) -> "Evaluated":
    """Evaluate the set that a manifest lists and write its pages, unless both are there already.

    Args:
        manifest: path relative to the root, such as manifests/digits.csv.
        root: the folder or fsspec URL that holds data/ and manifests/.
        real: real digits.
        settings: arms, seeds, training length, sample sizes.
        judge: trains and asks the classifiers; None: the built-in one.
        network: gives the feature network; None: the shipped one.
        or_fuller: whether an evaluation that is there may have more arms or seeds than these
            settings, if it is the same in all else.

    Raises:
        DataError: if the set and the real digits do not fit together, or are too few.
        StorageError: if something cannot be read or written.
        ResumeError: if another process evaluates this set.
    """
    from synthgen.classifiers.digitnet import feature_network
    from synthgen.evaluation.evaluate import evaluate_manifest, publish_evaluation
    from synthgen.evaluation.results import REPORT_FILE
    from synthgen.reports.evaluation import render_evaluation
    from synthgen.reports.images import ShownImages, shown_positions

    evaluated = evaluate_manifest(
        manifest,
        root,
        real,
        settings,
        judge=judge,
        network=network or feature_network,
        or_fuller=or_fuller,
    )
    if evaluated.used is None:  # it was there already, and its pages too
        renew_description(manifest, root)
        return evaluated

    # the pages show some images with their rows of the manifest
    rows: dict[int, Any] = {}
    if evaluated.rows is not None:
        for position in shown_positions(evaluated.evaluation, evaluated.used):
            rows[position] = evaluated.rows.iloc[position].to_dict()
    shown = ShownImages(synthetic=evaluated.used, train=real.train, rows=rows)
    report = render_evaluation(evaluated.evaluation, shown)
    pages = {
        REPORT_FILE: report.html,
        "report.md": report.markdown,
        "evaluation.csv": report.csv,
    }
    publish_evaluation(evaluated, pages)
    renew_description(manifest, root)
    return evaluated


def benchmark(
    settings: BenchmarkSettings,
    *,
    root: str = ".",
    data: Data = MNIST,
    generator: str | None = None,
    gates: "Sequence[Gate]" = (),
    say: Say = print,
) -> "BenchmarkRun":
    """Measure whether synthetic digits help, with how many real images, over augmentation.

    Cells that are finished are kept, so that a stopped benchmark goes on with the same call.

    Args:
        settings: scenarios, numbers of real images, arms, seeds.
        root: folder or fsspec URL that holds data/.
        data: real digits: "mnist", the path of your own (see `load_real`), or a value.
        generator: "shipped" or a checkpoint folder; None: one is trained on each cell's images, and
            for the scenario transfer the shipped one is taken.
        gates: whose figures the summary shows.
        say: receives notices.

    Raises:
        SettingsError: if nothing of what is asked for can be measured.
        DataError: if there are too few test digits.
        Interrupted: after Ctrl-C; the same call goes on.
    """
    return run_benchmark_job(plan_benchmark_job(settings, root, data, generator, say), gates)


def plan_benchmark_job(
    settings: BenchmarkSettings,
    root: str = ".",
    data: Data = MNIST,
    generator: str | None = None,
    say: Say = print,
) -> "BenchmarkJob":
    """Plan a benchmark and write nothing: `evaluation.benchmark.forecast_benchmark` tells its time.

    Args:
        settings: scenarios, numbers of real images, arms, seeds.
        root: folder or fsspec URL that holds data/.
        data: real digits: "mnist", the path of your own (see `load_real`), or a value.
        generator: "shipped" or a checkpoint folder; None: one is trained on each cell's images, and
            for the scenario transfer the shipped one is taken.
        say: receives notices.
    """
    from synthgen.evaluation.benchmark import prepare_benchmark
    from synthgen.evaluation.generators import named_generator, transfer_source
    from synthgen.evaluation.scenarios import RARE, TRANSFER

    # a generator that is named draws the digits of every scenario: the real ones are framed as its
    # own are
    is_transfer = TRANSFER in settings.scenarios
    if generator or is_transfer:
        folder = shipped_checkpoint() if generator in (None, SHIPPED) else generator
        checkpoint = read_checkpoint(folder)
        real = _real_as_drawn(data, say, checkpoint.image_shape, training_sha256(checkpoint))
    else:
        real = _real(data, say)
    source = named_generator(generator, real.train) if generator else None

    # digits of other hands: the generator's, and the real ones that it may have seen
    transfer = None
    is_rare = bool(set(RARE) & set(settings.scenarios)) and _place(data) != MNIST
    if is_transfer or is_rare:
        seen = None
        try:
            seen = load_real(MNIST, say).train
        except DataError as error:
            say(f"NOTICE: no control on real MNIST digits, which cannot be had.\n{error}")
        try:
            transfer = transfer_source(generator or SHIPPED, real, seen, settings.source_images)
        except (DataError, CheckpointError) as error:
            if is_transfer:
                raise
            say(f"NOTICE: no top-up by a generator of other hands. {error}")
    return prepare_benchmark(settings, root, real, source=source, transfer=transfer)


@NUMPY_DEFAULTS
def run_benchmark_job(job: "BenchmarkJob", gates: "Sequence[Gate]" = ()) -> "BenchmarkRun":
    """Run the missing cells of a benchmark, and write its summary and its pages.

    Args:
        job: the plan.
        gates: whose figures the summary shows; `evaluation.gates.check_gates` then decides.

    Raises:
        Interrupted: after Ctrl-C, or if a worker was killed; every finished cell is kept, and the
            summary is of these.
        TrainingDiverged: if a generator cannot be trained; the rest as with Interrupted.
        ScreeningExhausted: if a generator cannot make a class; the rest as with Interrupted.
        ResumeError: if the same benchmark is running already.
        StorageError: if something cannot be read or written.
    """
    from synthgen.evaluation.benchmark import publish_benchmark, run_benchmark
    from synthgen.evaluation.results import REPORT_FILE
    from synthgen.reports.benchmark import render_benchmark

    run = run_benchmark(job, gates)
    if run.summary:
        report = render_benchmark(run.summary)
        pages = {
            "benchmark.md": report.markdown,
            "benchmark.csv": report.csv,
            REPORT_FILE: report.html,
        }
        publish_benchmark(job, run.summary, pages)
    if run.error:
        raise run.error
    return run
