"""Section: whether the labels can be trusted, which classes the generator cannot make, and the most doubtful images."""

from synthgen.evaluation.results import Doubtful, Evaluation
from synthgen.reports.images import Shown
from synthgen.reports.page.content import (
    Block,
    Column,
    Gallery,
    Paragraph,
    Picture,
    Section,
    Table,
)
from synthgen.reports.page.formats import half_width, percent_between
from synthgen.text import GAP, count, percent


def section(evaluation: Evaluation, shown: Shown | None) -> Section:
    """Label agreement.

    Args:
        evaluation: the figures.
        shown: the images, if the page is to have pictures.
    """
    blocks: list[Block] = [
        Paragraph(text=_agreement(evaluation)),
        Paragraph(text=_failed(evaluation)),
        _confusion(evaluation),
    ]
    if shown and evaluation.agreement.doubtful:
        blocks.append(_gallery(evaluation, shown))
    return Section(name="labels", title="Can the labels be trusted?", blocks=blocks)


def _agreement(evaluation: Evaluation) -> str:
    agreement, images = evaluation.agreement, evaluation.synthetic["images"]
    part = f" (the first of each class, of {count(images)})" if agreement.images < images else ""
    return (
        f"Classifiers that have seen real digits only see what the label says in {percent(agreement.share.mean)} {half_width(agreement.share)} of "
        f"{count(agreement.images)} synthetic digits{part}; {percent_between(agreement.sampling)} by the choice of these images. "
        "A disagreement is a wrong label, an ambiguous image or a mistake of the classifier."
    )


def _failed(evaluation: Evaluation) -> str:
    names = [evaluation.class_names[label] for label in evaluation.agreement.failed_classes]
    if not names:
        return "No class failed: the generator can make each of them."
    return f"Classes that the generator cannot make: {', '.join(names)}. Train it longer, or leave these classes out."


def _confusion(evaluation: Evaluation) -> Table:
    table = evaluation.agreement.confusion
    return Table(
        name="confusion",
        caption="Per 10,000 images of a label (row), how many are seen as each class (column)",
        columns=[
            Column(title="label"),
            *(Column(title=name, kind="confusion") for name in evaluation.class_names),
        ],
        rows=[
            [name, *(seen / max(1, sum(counts)) for seen in counts)]
            for name, counts in zip(evaluation.class_names, table, strict=True)
        ],
    )


def _gallery(evaluation: Evaluation, shown: Shown) -> Gallery:
    doubtful = evaluation.agreement.doubtful
    return Gallery(
        name="doubtful",
        caption=f"The {len(doubtful)} most doubtful images: label → what the classifiers see, and how probable they find the label. "
        "Open one to see its row of the manifest.",
        pictures=[_picture(one, evaluation, shown) for one in doubtful],
    )


def _picture(one: Doubtful, evaluation: Evaluation, shown: Shown) -> Picture:
    label, seen = evaluation.class_names[one.label], evaluation.class_names[one.seen_as]
    return Picture(
        name=str(one.position),
        images=(shown.synthetic.images[one.position],),
        alts=(f"Synthetic {label}, seen as {seen}",),
        note=f"{label} → {seen}\n{100 * one.probability:.1f}{GAP}%",
        facts={
            "label": label,
            "seen as": seen,
            "probability of the label": f"{one.probability:.4f}",
        }
        | shown.facts(one.position),
    )
