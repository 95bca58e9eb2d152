"""Where the labels of a set come from: the condition that a generator obeys, one generator a class, or a classifier."""

from synthgen.errors import SettingsError

# what --labels may say for each kind of checkpoint (see `gan.checkpoint.Checkpoint.labels`)
FITTING = {
    "condition": ("auto", "condition"),
    "per-class": ("auto", "per-class"),
    "none": ("classifier",),
}
REASONS = {
    "condition": "it is told the class, so its labels come from that condition; leave --labels away",
    "per-class": "it is one generator a class, so labels come from them; leave --labels away",
    "none": "it knows nothing of classes. Train one generator a class (`synthgen train --labels per-class --preset NAME --out FOLDER`, "
    "or `synthgen build --train --labels per-class --preset NAME`), or let its screening classifier say what each image shows "
    "(`synthgen build --labels classifier`)",
}
DESCRIPTIONS = {
    "condition": "the condition of the generator",
    "per-class": "one generator a class",
    "classifier": "the screening classifier",
}


def label_source(asked: str, trained: str) -> str:
    """Decide where labels come from.

    Args:
        asked: `BuildSettings.labels`, one of `config.LABELS`.
        trained: `Checkpoint.labels`: "condition", "per-class" or "none".

    Returns:
        "condition", "per-class" or "classifier": a key of DESCRIPTIONS, and the manifest's
        `label_source`.

    Raises:
        SettingsError: if the generator cannot do what was asked for, with what can be done.

    Example:
        >>> label_source("auto", "condition"), label_source("classifier", "none")
        ('condition', 'classifier')
    """
    if asked not in FITTING[trained]:
        raise SettingsError(
            f"--labels {asked} does not go with this generator: {REASONS[trained]}."
        )
    return "classifier" if trained == "none" else trained


def trained_labels(conditional: bool, asked: str | None) -> str:
    """What `Checkpoint.labels` will be after a training, known before it.

    Args:
        conditional: whether the recipe tells the networks the class.
        asked: --labels, if given.

    Raises:
        SettingsError: if the recipe and --labels exclude each other.
    """
    trained = "condition" if conditional else "per-class" if asked == "per-class" else "none"
    if asked is not None and asked != "auto":
        label_source(asked, trained)
    return trained
