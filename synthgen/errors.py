"""Every error that synthgen raises on purpose, and the exit code each one ends a command with.

    SynthgenError
    |-- InputError                 2   what was given cannot be used
    |   |-- SettingsError          2   an option or a combination of options
    |   |-- DataError              2   real digits: missing, damaged or of the wrong shape
    |   |-- CheckpointError        2   a trained model: missing, damaged or of another kind
    |   |-- StorageError           2   a place to write: not writable, full, or not a folder
    |   |-- ManifestError          2   a manifest or run record that cannot be read
    |   |-- RecordError            2   stored JSON that does not hold what it should
    |   `-- ResumeError            2   something unfinished that was begun with other settings
    |-- CheckFailed                1   the work was done and a check of it failed
    |   |-- TrainingDiverged       1   losses that are not finite any more
    |   |-- ScreeningExhausted     1   a class that the generator cannot make
    |   `-- IncompleteSet          1   a set of which partitions are missing
    `-- Interrupted              130   stopped by the user; the same command goes on
        `-- WorkerLost           130   another machine or worker of a job is gone

A message says what was expected, what was received and what to do about it.
"""


class SynthgenError(Exception):
    """Base class: catching it catches everything that synthgen raises on purpose."""

    exit_code = 1


class InputError(SynthgenError):
    """What was given cannot be used."""

    exit_code = 2


class SettingsError(InputError, ValueError):
    """An option, or a combination of options, that is outside what is allowed."""


class DataError(InputError):
    """Real digits that are missing, damaged or of the wrong shape."""


class CheckpointError(InputError):
    """A trained model that is missing, damaged or of another kind than expected."""


class StorageError(InputError):
    """A place that cannot be written to or read from."""


class ManifestError(InputError):
    """A manifest or run record that cannot be read."""


class RecordError(InputError):
    """Stored JSON that does not hold what it should; the message names the place within it."""


class ResumeError(InputError):
    """Something unfinished, or finished, that was begun with other settings."""


class CheckFailed(SynthgenError):
    """The work was done, and a check of the result failed."""


class TrainingDiverged(CheckFailed):
    """Training produced losses that are not finite; the last good checkpoint is kept."""


class ScreeningExhausted(CheckFailed):
    """No acceptable image of a class within the allowed number of attempts."""


class IncompleteSet(CheckFailed):
    """A set of which partitions are missing or damaged; the others are kept."""


class Interrupted(SynthgenError):
    """Stopped by the user; running the same command again goes on from there."""

    exit_code = 130


class WorkerLost(Interrupted):
    """Another machine or worker of a job is gone; the same command goes on from there."""
