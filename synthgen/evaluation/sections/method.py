"""Section: how it was measured: settings, data and their hashes, versions, seeds, times."""

from synthgen.evaluation.arms import ARMS, BASELINE
from synthgen.evaluation.page.content import Block, Column, Facts, Paragraph, Section, Table
from synthgen.evaluation.page.formats import count, duration, listed
from synthgen.evaluation.results import Evaluation
from synthgen.shards.wording import counted

PROTOCOL = (
    "Every arm trains the same small convolutional network for the same number of gradient steps, so that more images do not mean more training. "
    "Seed by seed the arms start from the same weights. Nothing was chosen on the test digits. A verdict is “helps” or “hurts” only if the 95 % "
    "interval of the paired difference, over seeds and test images together, excludes 0."
)


def section(evaluation: Evaluation) -> Section:
    """Everything that is needed to do it again."""
    judges = (
        f"The classifiers that judge the labels are those of the arm “{ARMS[BASELINE].title}”. They have another architecture and other seeds than "
        "the classifier that screens images while a set is built."
    )
    blocks: list[Block] = [
        Paragraph(text=PROTOCOL),
        Paragraph(text=judges),
        Facts(facts=_facts(evaluation)),
        _trainings(evaluation),
    ]
    return Section(name="method", title="How it was measured", blocks=blocks)


def _facts(evaluation: Evaluation) -> dict[str, str]:
    settings, real, synthetic = evaluation.settings, evaluation.real, evaluation.synthetic
    used = (
        f", of which the first {count(synthetic['used'])} (equally many of each class) were used"
        if synthetic["used"] < synthetic["images"]
        else ""
    )
    counts = ", ".join(
        f"{name}: {count(images)}"
        for name, images in zip(evaluation.class_names, synthetic["per_class"], strict=True)
    )
    features = evaluation.features
    network = (
        {
            "feature network": f"{features['name']}, {features['size']} features, SHA-256 `{features['sha256']}`"
        }
        if features
        else {}
    )
    measuring = ", ".join(
        f"{name.replace('_', ' ')} {duration(seconds)}"
        for name, seconds in evaluation.seconds_measuring.items()
    )
    return {
        "synthetic set": f"{evaluation.name}: {count(synthetic['images'])} images{used}, SHA-256 `{synthetic['sha256']}`",
        "images per class": counts,
        "real digits": f"{real['source']}: {count(real['train'])} to train on, {count(real['validation'])} for validation, "
        f"{count(real['test'])} to test on, SHA-256 `{real['sha256']}`",
        "training": f"{count(settings['steps'])} steps of {count(settings['batch'])} images; seeds {', '.join(map(str, settings['seeds']))}",
        "settings": listed(
            {
                name: value
                for name, value in settings.items()
                if name not in ("steps", "batch", "seeds", "classifier")
            }
        ),
        "classifier": listed(settings["classifier"]),
        **network,
        "versions": ", ".join(f"{name} {version}" for name, version in evaluation.versions.items()),
        "time": f"{duration(evaluation.seconds)} for {counted(len(evaluation.cells), 'training')} and their predictions"
        + (f"; {measuring}" if measuring else "")
        + f"; finished {evaluation.created}",
        "fingerprint": f"`{evaluation.fingerprint}`",
    }


def _trainings(evaluation: Evaluation) -> Table:
    return Table(
        name="trainings",
        caption="Every training",
        columns=[
            Column(title="trained on", choice=True),
            Column(title="seed", kind="text"),
            Column(title="images", kind="count"),
            Column(title="steps", kind="count"),
            Column(title="accuracy", kind="percent"),
            Column(title="seconds", kind="number"),
        ],
        rows=[
            [
                ARMS[cell["arm"]].title,
                str(cell["seed"]),
                cell["train_images"],
                cell["steps"],
                cell["accuracy"],
                cell["seconds"],
            ]
            for cell in evaluation.cells
        ],
        folded=True,
    )
