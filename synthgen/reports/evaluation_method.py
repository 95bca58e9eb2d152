"""Section: how an evaluation was measured, with all that is needed to do it again."""

from synthgen.evaluation.arms import ARMS, BASELINE
from synthgen.evaluation.results import Evaluation
from synthgen.reports.page.blocks import Block, Column, Facts, Paragraph, Section, Table
from synthgen.text import count, counted, duration, listed

EVALUATION_PROTOCOL = (
    "Every arm trains the same small convolutional network for the same number of gradient steps, "
    "so that more images do not mean more training. "
    "Seed by seed the arms start from the same weights. Nothing was chosen on the test digits. "
    "A verdict is “helps” or “hurts” only if the 95 % interval of the paired difference, "
    "over seeds and test images together, excludes 0."
)
# Settings that the report tells in a sentence of their own.
SETTINGS_APART = ("seeds",)


def evaluation_method_section(evaluation: Evaluation) -> Section:
    """Shows the protocol, settings and identities, and every training.

    Args:
        evaluation: any.
    """
    judges = (
        "The classifiers that judge the labels are those of the arm "
        f"“{ARMS[BASELINE].title}”. They have another architecture and other seeds than the "
        "classifier that screens images while a set is built."
    )
    trainings = Table(
        name="trainings",
        caption="Every training",
        columns=[
            Column(title="trained on", choice=True),
            Column(title="seed"),
            Column(title="images", kind="count"),
            Column(title="steps", kind="count"),
            Column(title="accuracy", kind="percent"),
            Column(title="seconds", kind="number"),
        ],
        rows=[
            [
                ARMS[cell.arm].title,
                str(cell.seed),
                cell.train_images,
                cell.steps,
                cell.accuracy,
                cell.seconds,
            ]
            for cell in evaluation.cells
        ],
        folded=True,
    )
    blocks: list[Block] = [
        Paragraph(text=EVALUATION_PROTOCOL),
        Paragraph(text=judges),
        Facts(facts=evaluation_facts(evaluation)),
        trainings,
    ]
    return Section(name="method", title="How it was measured", blocks=blocks)


def evaluation_facts(evaluation: Evaluation) -> dict[str, str]:
    """Names identities, counts, settings, versions and times.

    Args:
        evaluation: any.

    Returns:
        A text for each name; hashes stand in backticks.
    """
    settings = evaluation.settings
    real = evaluation.real
    synthetic = evaluation.synthetic
    facts = {}

    # the synthetic set and the real digits
    used = ""
    if synthetic.used < synthetic.images:
        first = count(synthetic.used)
        used = f", of which the first {first} (equally many of each class) were used"
    facts["synthetic set"] = (
        f"{evaluation.name}: {count(synthetic.images)} images{used}, SHA-256 `{synthetic.sha256}`"
    )
    facts["images per class"] = ", ".join(
        f"{name}: {count(images)}"
        for name, images in zip(evaluation.class_names, synthetic.per_class, strict=True)
    )
    facts["real digits"] = (
        f"{real.source}: {count(real.train)} to train on, "
        f"{count(real.validation)} for validation, {count(real.test)} to test on, "
        f"SHA-256 `{real.sha256}`"
    )

    # how classifiers were trained, and which network the features are of
    seeds = ", ".join(map(str, evaluation.seeds))
    facts["training"] = (
        f"{count(evaluation.steps)} steps of {count(evaluation.batch)} images; seeds {seeds}"
    )
    facts["settings"] = listed(
        {name: value for name, value in vars(settings).items() if name not in SETTINGS_APART}
    )
    facts["classifier"] = listed(evaluation.classifier)
    features = evaluation.measures.features
    if features:
        facts["feature network"] = (
            f"{features['name']}, {features['size']} features, SHA-256 `{features['sha256']}`"
        )

    # versions, times, and the identity of it all
    facts["versions"] = ", ".join(
        f"{name} {version}" for name, version in evaluation.versions.items()
    )
    times = [
        f"{duration(evaluation.seconds)} for {counted(len(evaluation.cells), 'training')} "
        "and their predictions"
    ]
    if evaluation.measures.seconds_measuring:
        measuring = [
            f"{name.replace('_', ' ')} {duration(seconds)}"
            for name, seconds in evaluation.measures.seconds_measuring.items()
        ]
        times.append(", ".join(measuring))
    times.append(f"finished {evaluation.created}")
    facts["time"] = "; ".join(times)
    facts["fingerprint"] = f"`{evaluation.fingerprint}`"
    return facts
