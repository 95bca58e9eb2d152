"""Section: whether the set holds copies of training images, each figure beside real digits'."""

from collections.abc import Sequence

from synthgen.evaluation.results import Evaluation
from synthgen.metrics.copying import Copying
from synthgen.metrics.memorisation import OTHERS, SEEN, UNKNOWN, Memorisation
from synthgen.reports.images import ShownImages
from synthgen.reports.page.blocks import (
    Block,
    CellValue,
    Chart,
    Column,
    Gallery,
    Paragraph,
    Picture,
    Section,
    Table,
)
from synthgen.reports.page.plots import Curve, PlotText, curve_plot
from synthgen.text import MINUS, count, number

# What limits the answer, by what the generator has seen.
CAVEATS = {
    SEEN: "",
    OTHERS: "The generator was trained on other digits than these: "
    "this says nothing about copies of what it did see.",
    UNKNOWN: "It is not known what the generator was trained on: "
    "this says nothing about copies of other digits.",
}
# What each of metrics.copying.COPYING_TESTS has found.
COPYING_FOUND = {
    "copies": "There are images whose pixels are those of a training image, more than among real "
    "digits.",
    "closer": "More than twice as many images as expected are as close to a training image as only "
    "the closest held-out digits are.",
    "c_t": "The images are closer to the training images than held-out digits are: a data-copying "
    "statistic below -3 (Meehan et al. 2020).",
    "authenticity": "Fewer images than held-out digits, by over 5 points, are farther from a "
    "training image than another one is (Alaa et al. 2022).",
}


def memorisation_section(evaluation: Evaluation, shown: ShownImages | None) -> Section:
    """Shows nearest neighbours, tests of copying, authenticity and duplicates.

    Args:
        evaluation: the figures.
        shown: the images, if the page is to have pictures.
    """
    title = "Are there copies of training images?"
    found = evaluation.measures.memorisation
    if found is None:
        reason = evaluation.measures.errors.get("memorisation", "")
        paragraph = Paragraph(text=f"Memorisation was not measured. {reason}".strip())
        return Section(name="memorisation", title=title, blocks=[paragraph])

    # what was found, what was compared with what, and what limits the answer
    answer = "No test found signs of copying of these digits."
    if found.fired:
        answer = "Signs of copying."
        for name in found.fired:  # such as "copies" or "c_t_pixels"
            test, _, space = name.rpartition("_")
            if test in COPYING_FOUND:
                answer += f" In {space}: {COPYING_FOUND[test]}"
            else:
                answer += f" {COPYING_FOUND[name]}"
    basis = (
        f"{count(found.images)} synthetic digits were compared with {count(found.train_images)} "
        "training digits, each with those of its class. "
        f"The measure is set by {count(found.held_out_images)} real digits that no training has "
        f"seen; {count(found.control_images)} further real ones, treated like the synthetic ones, "
        "show what comes out where nothing was copied."
    )
    blocks: list[Block] = [Paragraph(text=answer), Paragraph(text=basis)]
    if CAVEATS[found.generator_saw]:
        blocks.append(Paragraph(text=CAVEATS[found.generator_saw]))

    blocks += [distance_chart(space) for space in found.spaces]
    blocks += [
        copying_table(found),
        duplicate_table(found),
        copying_by_class_table(found.spaces, evaluation.class_names),
    ]
    if shown and found.closest:
        blocks.append(pair_gallery(found, evaluation.class_names, shown))
    return Section(name="memorisation", title=title, blocks=blocks)


def distance_chart(space: Copying) -> Chart:
    """Plots the shares of images by their distance to the nearest training image.

    Args:
        space: the tests of copying in pixels or in features.
    """
    curves = []
    medians = []
    levels = [100 * level for level in space.levels]
    for label, quantiles, style in (
        ("synthetic", space.synthetic, 1),
        ("real, validation", space.held_out, 0),
        ("real, test", space.control, 2),
    ):
        curves.append(Curve(label=label, x=quantiles, y=levels, style=style))
        medians.append(f"{label} {number(quantiles[len(levels) // 2])}")
    in_pixels = space.space == "pixels"
    unit = "pixels, 0 to 1" if in_pixels else "features"
    text = PlotText(
        name=f"distances-{space.space}",
        alt=f"Distance to the nearest training image, in {space.space}. "
        f"Medians: {'; '.join(medians)}.",
        x=f"distance to nearest training image ({unit})",
        y="share of images that are closer (%)",
    )
    return Chart(
        title=f"Nearest training image, in {space.space}",
        draw=curve_plot(text, curves, half=True, height=270),
        caption="A copier's curve lies far to the left of the real ones."
        if in_pixels
        else "Distances as a digit classifier sees them.",
        half=True,
    )


def copying_table(found: Memorisation) -> Table:
    """Lists the tests of copying, each beside its control on real digits."""
    close = f"{100 * max(space.close_level for space in found.spaces):g} %"
    rows: list[list[CellValue]] = []
    for space in found.spaces:
        rows += [
            [
                "synthetic",
                space.space,
                space.closer,
                space.c_t,
                space.c_t_class_mean,
                space.authenticity,
            ],
            [
                "real, test",
                space.space,
                space.closer_control,
                space.c_t_control,
                space.c_t_class_mean_control,
                space.authenticity_control,
            ],
            ["real, validation", space.space, None, None, None, space.authenticity_held_out],
        ]
    return Table(
        name="copying",
        caption=f"Tests of copying, 95 % intervals. Without copying about {close} are that close, "
        f"C_T is above {MINUS}3, and as many are authentic as of the real ones",
        columns=[
            Column(title="images"),
            Column(title="distances in"),
            Column(title=f"as close as the closest {close} of unseen real digits", kind="percent"),
            Column(title="C_T, ranked within classes", kind="decimal"),
            Column(title="C_T, mean of the classes", kind="decimal"),
            Column(title="authentic", kind="percent"),
        ],
        rows=rows,
    )


def duplicate_table(found: Memorisation) -> Table:
    """Lists copies of training images, and images that are there twice."""
    near = found.duplicates
    copied: list[CellValue] = [
        "pixel-identical to a training image",
        found.copies,
        found.images,
        found.copies / found.images,
        found.copies_control / found.control_images,
    ]
    twice: list[CellValue] = [
        "pixel-identical to another one of the set",
        near.exact,
        near.images,
        near.exact / near.images,
        None,
    ]
    alike: list[CellValue] = [
        "near duplicate within the set",
        round(near.near.mean * near.near_images),
        near.near_images,
        near.near,
        near.near_control,
    ]
    return Table(
        name="duplicates",
        caption="Images that are there twice. Near duplicates are closer to each other, in pixels, "
        f"than {number(near.near_distance, 2)}: as close as 1 % of real digits are",
        columns=[
            Column(title="what"),
            Column(title="synthetic", kind="count"),
            Column(title="of", kind="count"),
            Column(title="share", kind="percent"),
            Column(title="real control", kind="percent"),
        ],
        rows=[copied, twice, alike],
    )


def copying_by_class_table(spaces: Sequence[Copying], names: Sequence[str]) -> Table:
    """Lists the data-copying statistic of each class.

    Args:
        spaces: the tests of copying in pixels and in features.
        names: of the classes.
    """
    return Table(
        name="copying-by-class",
        caption="Data-copying statistic C_T class by class (z-scores)",
        columns=[
            Column(title="class"),
            *(Column(title=f"in {space.space}", kind="decimal") for space in spaces),
        ],
        rows=[
            [name, *(space.c_t_by_class[label] for space in spaces)]
            for label, name in enumerate(names)
        ],
        folded=True,
    )


def pair_gallery(found: Memorisation, names: Sequence[str], shown: ShownImages) -> Gallery:
    """Shows the closest pairs of a synthetic digit and a training digit.

    Args:
        found: the pairs.
        names: of the classes.
        shown: the images.
    """
    pictures = []
    for pair in found.closest:
        name = names[pair.label]
        picture = Picture(
            name=str(pair.position),
            images=(
                shown.synthetic.images[pair.position],
                shown.train.images[pair.train_position],
            ),
            alts=(f"Synthetic {name}", f"its nearest real {name}"),
            note=f"{name}: {pair.distance:.2f}",
            facts={
                "distance": f"{pair.distance:.3f}",
                "nearest training image": pair.train_position,
                **shown.facts(pair.position),
            },
        )
        pictures.append(picture)
    return Gallery(
        name="pairs",
        caption=f"The {len(pictures)} closest pairs: a synthetic digit, and beside it the real "
        "training digit that it is nearest to. Below: their distance in pixels.",
        pictures=pictures,
    )
