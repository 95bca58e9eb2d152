"""Section: whether the set holds copies of training images, each figure beside the same of real digits."""

from collections.abc import Sequence

from synthgen.evaluation.results import Evaluation
from synthgen.metrics.copying import Copying
from synthgen.metrics.memorisation import OTHERS, SEEN, UNKNOWN, ClosePair, Memorisation
from synthgen.reports.images import Shown
from synthgen.reports.page.content import (
    Block,
    Column,
    Figure,
    Gallery,
    Paragraph,
    Picture,
    Section,
    Table,
    Value,
)
from synthgen.reports.page.plots import Line, line_plot
from synthgen.text import MINUS, count, number

CAVEATS = {
    SEEN: "",
    OTHERS: "The generator was trained on other digits than these: this says nothing about copies of what it did see.",
    UNKNOWN: "It is not known what the generator was trained on: this says nothing about copies of other digits.",
}
# what each of metrics.copying.COPYING_TESTS has found
COPYING_FOUND = {
    "copies": "There are images whose pixels are those of a training image, more than among real "
    "digits.",
    "closer": "More than twice as many images as expected are as close to training images as "
    "hardly any held-out digit is.",
    "c_t": "The images are closer to the training images than held-out digits are: a data-copying "
    "statistic below -3 (Meehan et al. 2020).",
    "authenticity": "Fewer images than held-out digits, by over 5 points, are farther from a "
    "training image than another one is (Alaa et al. 2022).",
}


def section(evaluation: Evaluation, shown: Shown | None) -> Section:
    """Nearest neighbours, data copying, authenticity, duplicates.

    Args:
        evaluation: the figures.
        shown: the images, if the page is to have pictures.
    """
    found = evaluation.memorisation
    if found is None:
        blocks: list[Block] = [
            Paragraph(
                text=f"Memorisation was not measured. {evaluation.errors.get('memorisation', '')}".strip()
            )
        ]
    else:
        blocks = [
            *(Paragraph(text=text) for text in _words(found)),
            *(_distance_figure(space) for space in found.spaces),
            _table(found),
            _duplicates(found),
        ]
        blocks += [_class_table(found.spaces, evaluation.class_names)]
        blocks += [_gallery(found.closest, evaluation, shown)] if shown and found.closest else []
    return Section(name="memorisation", title="Are there copies of training images?", blocks=blocks)


def _words(found: Memorisation) -> list[str]:
    basis = (
        f"{count(found.images)} synthetic digits were compared with {count(found.train_images)} training digits, each with those of its class. "
        f"The measure is set by {count(found.held_out_images)} real digits that no training has seen; {count(found.control_images)} further "
        "real ones, treated like the synthetic ones, show what comes out where nothing was copied."
    )
    fired = " ".join(_explained(name) for name in found.fired)
    answer = (
        f"Signs of copying. {fired}" if fired else "No test found signs of copying of these digits."
    )
    return [text for text in (answer, basis, CAVEATS[found.generator_saw]) if text]


def _explained(fired: str) -> str:
    """What a test that found copying found, such as "c_t_pixels"."""
    test, _, space = fired.rpartition("_")
    return f"In {space}: {COPYING_FOUND[test]}" if test in COPYING_FOUND else COPYING_FOUND[fired]


def _distance_figure(space: Copying) -> Figure:
    """Shares of images by their distance to the nearest training image."""
    sets = (
        ("synthetic", space.synthetic, 1),
        ("real, validation", space.held_out, 0),
        ("real, test", space.control, 2),
    )
    levels = [100 * level for level in space.levels]
    lines = [
        Line(label=label, x=quantiles, y=levels, style=style) for label, quantiles, style in sets
    ]
    middle = len(levels) // 2
    words = "; ".join(f"{label} {number(quantiles[middle])}" for label, quantiles, _ in sets)
    pixels = space.space == "pixels"
    draw = line_plot(
        f"distances-{space.space}",
        f"Distance to the nearest training image, in {space.space}. Medians: {words}.",
        lines,
        f"distance to nearest training image ({'pixels, 0 to 1' if pixels else 'features'})",
        "share of images that are closer (%)",
        half=True,
        height=270,
    )
    caption = (
        "A copier's curve lies far to the left of the real ones."
        if pixels
        else "The same, as a digit classifier sees them."
    )
    return Figure(
        title=f"Nearest training image, in {space.space}", draw=draw, caption=caption, half=True
    )


def _table(found: Memorisation) -> Table:
    rows: list[list[Value]] = []
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
    close = f"{100 * max(space.close_level for space in found.spaces):g} %"
    return Table(
        name="copying",
        caption=f"Tests of copying, 95 % intervals. Without copying about {close} are that close, C_T is above {MINUS}3, and as many are "
        "authentic as of the real ones",
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


def _duplicates(found: Memorisation) -> Table:
    near = found.duplicates
    return Table(
        name="duplicates",
        caption="Images that are there twice. Near duplicates are closer to each other, in pixels, than "
        f"{number(near.near_distance, 2)}: as close as 1 % of real digits are",
        columns=[
            Column(title="what"),
            Column(title="synthetic", kind="count"),
            Column(title="of", kind="count"),
            Column(title="share", kind="percent"),
            Column(title="real control", kind="percent"),
        ],
        rows=[
            [
                "pixel-identical to a training image",
                found.copies,
                found.images,
                found.copies / found.images,
                found.copies_control / found.control_images,
            ],
            [
                "pixel-identical to another one of the set",
                near.exact,
                near.images,
                near.exact / near.images,
                None,
            ],
            [
                "near duplicate within the set",
                round(near.near.mean * near.near_images),
                near.near_images,
                near.near,
                near.near_control,
            ],
        ],
    )


def _class_table(spaces: Sequence[Copying], names: Sequence[str]) -> Table:
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


def _gallery(pairs: Sequence[ClosePair], evaluation: Evaluation, shown: Shown) -> Gallery:
    return Gallery(
        name="pairs",
        caption=f"The {len(pairs)} closest pairs: a synthetic digit, and beside it the real training digit that it is "
        "nearest to. Below: their distance in pixels.",
        pictures=[_picture(pair, evaluation.class_names[pair.label], shown) for pair in pairs],
    )


def _picture(pair: ClosePair, label: str, shown: Shown) -> Picture:
    known: dict[str, Value] = {
        "distance": f"{pair.distance:.3f}",
        "nearest training image": pair.train_position,
    }
    return Picture(
        name=str(pair.position),
        images=(shown.synthetic.images[pair.position], shown.train.images[pair.train_position]),
        alts=(f"Synthetic {label}", f"its nearest real {label}"),
        note=f"{label}: {pair.distance:.2f}",
        facts=known | shown.facts(pair.position),
    )
