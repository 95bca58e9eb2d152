"""Section: whether the labels can be trusted, and which classes the generator cannot make."""

from synthgen.evaluation.results import Evaluation
from synthgen.reports.images import ShownImages
from synthgen.reports.page.blocks import (
    Block,
    Column,
    Gallery,
    Paragraph,
    Picture,
    Section,
    Table,
)
from synthgen.reports.page.words import half_width, percent_between
from synthgen.text import GAP, count, percent


def labels_section(evaluation: Evaluation, shown: ShownImages | None) -> Section:
    """Shows label agreement, confusions and the most doubtful images.

    Args:
        evaluation: the figures.
        shown: the images, if the page is to have pictures.
    """
    agreement = evaluation.agreement
    names = evaluation.class_names

    # how many labels classifiers agree with
    images = evaluation.synthetic.images
    part = f" (the first of each class, of {count(images)})" if agreement.images < images else ""
    share = f"{percent(agreement.share.mean)} {half_width(agreement.share)}"
    agreed = (
        f"Classifiers that have seen real digits only see what the label says in {share} of "
        f"{count(agreement.images)} synthetic digits{part}; "
        f"{percent_between(agreement.sampling)} by the choice of these images. "
        "A disagreement is a wrong label, an ambiguous image or a mistake of the classifier."
    )

    # classes that cannot be made
    failed = "No class failed: the generator can make each of them."
    if agreement.failed_classes:
        listed = ", ".join(names[label] for label in agreement.failed_classes)
        failed = (
            f"Classes that the generator cannot make: {listed}. "
            "Train it longer, or leave these classes out."
        )

    # what is seen in the place of what
    confusion = Table(
        name="confusion",
        caption="Per 10,000 images of a label (row), how many are seen as each class (column)",
        columns=[
            Column(title="label"),
            *(Column(title=name, kind="confusion") for name in names),
        ],
        rows=[
            [name, *(seen / max(1, sum(counts)) for seen in counts)]
            for name, counts in zip(names, agreement.confusion, strict=True)
        ],
    )

    blocks: list[Block] = [Paragraph(text=agreed), Paragraph(text=failed), confusion]
    if evaluation.synthetic.screening:
        blocks.insert(2, Paragraph(text=f"Screening: {evaluation.synthetic.screening}"))
    if not shown or not agreement.suspects:
        return Section(name="labels", title="Can the labels be trusted?", blocks=blocks)

    # the images that are least believed to be what their label says
    pictures = []
    for image in agreement.suspects:
        label = names[image.label]
        seen = names[image.seen_as]
        picture = Picture(
            name=str(image.position),
            images=(shown.synthetic.images[image.position],),
            alts=(f"Synthetic {label}, seen as {seen}",),
            note=f"{label} → {seen}\n{100 * image.probability:.1f}{GAP}%",
            facts={
                "label": label,
                "seen as": seen,
                "probability of the label": f"{image.probability:.4f}",
                **shown.facts(image.position),
            },
        )
        pictures.append(picture)
    gallery = Gallery(
        name="doubtful",
        caption=f"The {len(pictures)} most doubtful images: label → what the classifiers see, "
        "and how probable they find the label. Open one to see its row of the manifest.",
        pictures=pictures,
    )
    blocks.append(gallery)
    return Section(name="labels", title="Can the labels be trusted?", blocks=blocks)
