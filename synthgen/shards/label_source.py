"""Where the labels of a set come from: the training of the generator and --labels decide it."""

from synthgen.errors import SettingsError

# For each kind of checkpoint (see `gan.checkpoint.Checkpoint.labels`): what --labels may say.
ACCEPTED_LABELS = {
    "condition": ("auto", "condition"),
    "per-class": ("auto", "per-class"),
    "none": ("classifier",),
}

# For each kind of checkpoint: what to do where --labels says something else.
LABEL_HINTS = {
    "condition": "it is told the class, so its labels come from that condition; "
    "leave --labels away",
    "per-class": "it is one generator a class, so labels come from them; leave --labels away",
    "none": "it knows nothing of classes. Train one generator a class "
    "(`synthgen train --labels per-class --preset NAME --out FOLDER`, "
    "or `synthgen build --train --labels per-class --preset NAME`), "
    "or let its screening classifier say what each image shows "
    "(`synthgen build --labels classifier`)",
}

# What the manifest's column `label_source` says, in words.
LABEL_SOURCES = {
    "condition": "the condition of the generator",
    "per-class": "one generator a class",
    "classifier": "the screening classifier",
}


def label_source(asked: str, trained: str) -> str:
    """Decide where labels come from.

    Args:
        asked: `BuildSettings.labels`, one of `config.LABEL_CHOICES`.
        trained: `Checkpoint.labels`: "condition", "per-class" or "none".

    Returns:
        "condition", "per-class" or "classifier": a key of LABEL_SOURCES.

    Raises:
        SettingsError: if the generator cannot do what was asked for, with what can be done.

    Example:
        >>> label_source("auto", "condition"), label_source("classifier", "none")
        ('condition', 'classifier')
    """
    if asked not in ACCEPTED_LABELS[trained]:
        raise SettingsError(
            f"--labels {asked} does not go with this generator: {LABEL_HINTS[trained]}."
        )
    return "classifier" if trained == "none" else trained


def trained_labels(conditional: bool, asked: str | None) -> str:
    """Return what `Checkpoint.labels` will be after a training, known before it.

    Args:
        conditional: whether the recipe tells the networks the class.
        asked: --labels, if given.

    Raises:
        SettingsError: if the recipe and --labels exclude each other.
    """
    if conditional:
        trained = "condition"
    elif asked == "per-class":
        trained = "per-class"
    else:
        trained = "none"
    if asked is not None and asked != "auto":
        label_source(asked, trained)
    return trained
