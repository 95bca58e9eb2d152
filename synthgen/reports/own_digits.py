"""What a set is worth beside own digits: for the terminal, and as a page."""

from synthgen.datasets.digits import Digits
from synthgen.evaluation.own_digits import (
    MOST_BESIDE_OWN,
    OWN_DIGITS_STEPS,
    OwnDigitsVerdict,
)
from synthgen.evaluation.tuning import FOLDS
from synthgen.metrics.intervals import HELPS
from synthgen.reports.page.blocks import (
    Block,
    CellValue,
    Column,
    Facts,
    Gallery,
    Headline,
    Page,
    Paragraph,
    Picture,
    Section,
    Table,
)
from synthgen.reports.page.html import to_html
from synthgen.reports.page.words import TONES, signed_between
from synthgen.text import count, signed

OWN_DIGITS_REPORT = "own-digits.html"
SHOWN = 5  # digits of each class, of either kind
PROTOCOL = (
    f"All own digits are dealt into {FOLDS} parts; none are set aside for tests. Classifiers learn "
    "from two of the parts, with and without the synthetic digits, and read the third; all images "
    "are distorted afresh in each "
    f"batch. Each classifier takes {OWN_DIGITS_STEPS:,} gradient steps. The strength of the "
    "distortions and the share of synthetic digits are chosen within the two parts. All of that is "
    "done again with other seeds, each of which deals anew. The interval covers the luck of the "
    "digits and that of the seeds, and is at least as wide as that of the exact test of McNemar."
)
TOP_UP_PROTOCOL = (
    "The set tops the own digits up until all classes are even: the share of synthetic digits is "
    "the one with which every image is shown once, and every class counts the same."
)


def own_digits_lines(found: OwnDigitsVerdict) -> list[str]:
    """Say what was found, and what to do, for the terminal.

    Args:
        found: the verdict.
    """
    if found.alone is None or found.together is None or found.difference is None:
        return [
            f"Your digits are too few to measure with: a class has fewer than {FOLDS}.",
            *_what_to_do(found),
        ]
    low = found.difference.low or 0.0
    high = found.difference.high or 0.0
    each = ", every class counting the same" if found.tops_up else ""
    return [
        f"Your {found.own:,} digits in {FOLDS} parts, each read by classifiers of the others, "
        f"dealt {found.seeds} times{each}:",
        f"  your digits, distorted          {found.alone:.1%}",
        f"  and synthetic ones              {found.together:.1%}   "
        f"{100 * found.difference.mean:+.1f} points ({100 * low:+.1f} to {100 * high:+.1f}): "
        f"{found.verdict}",
        *_what_to_do(found),
    ]


def _what_to_do(found: OwnDigitsVerdict) -> list[str]:
    """Say which digits to train on, in which share, and by which call."""
    if not found.share:
        return [
            f"What to do: train on your {found.own:,} digits alone, distorted. The synthetic ones "
            "add nothing that shows on them."
        ]
    what = (
        f"What to do: train on your {found.own:,} digits and these {found.synthetic:,}, "
        f"share {found.share:.2g} of each batch, all distorted"
    )
    if found.alone is None or found.together is None:
        what += ". No figure of your own stands behind this share."
    else:
        what += f": {found.together:.1%} instead of {found.alone:.1%}."
        if found.verdict != HELPS:
            what += " So few digits cannot tell this from chance."
    return [what, f"  {found.code}"] if found.code else [what]


def render_own_digits(
    found: OwnDigitsVerdict, own: Digits, synthetic: Digits, source: str, manifest: str
) -> str:
    """Report what a set is worth beside own digits, as a page of HTML.

    Args:
        found: the verdict.
        own: the own digits.
        synthetic: those of the set that were used.
        source: where the own digits come from.
        manifest: of the set.
    """
    return to_html(own_digits_page(found, own, synthetic, source, manifest))


def own_digits_page(
    found: OwnDigitsVerdict, own: Digits, synthetic: Digits, source: str, manifest: str
) -> Page:
    """Compose the report as a page.

    Args:
        found: the verdict.
        own: the own digits.
        synthetic: those of the set that were used.
        source: where the own digits come from.
        manifest: of the set.
    """
    figure = ""
    interval = ""
    if found.difference is not None:
        figure = f"{signed(found.difference.mean)} points of accuracy"
        interval = f"95 % interval {signed_between(found.difference)}"
    advice = _what_to_do(found)
    headline = Headline(
        word=found.verdict,
        tone=TONES[found.verdict],
        figure=figure,
        interval=interval,
        sentence=advice[0],
    )
    sections = [_figures_section(found)] if found.alone is not None else []
    sections.append(_images_section(own, synthetic))

    # how it was measured
    protocol: list[Block] = [Paragraph(text=PROTOCOL)]
    if found.tops_up:
        protocol.append(Paragraph(text=TOP_UP_PROTOCOL))
    facts = {
        "own digits": f"{source}: {count(found.own)}, SHA-256 `{own.sha256()}`",
        "set": f"`{manifest}`, its run record beside it; {count(found.synthetic)} images were "
        f"used, {count(MOST_BESIDE_OWN)} of each class at most",
        "share of synthetic images": f"{found.share:.2g} of each batch; the same as a weight of "
        f"{found.weight:.2g} of each if all images are shown once",
        "strength of the distortions": f"{found.strength:g}",
        "fingerprint": f"`{found.fingerprint}`",
    }
    if found.code:
        facts["for a training job"] = f"`{found.code}`"
    protocol.append(Facts(facts=facts))
    sections.append(Section(name="method", title="How it was measured", blocks=protocol))
    return Page(
        kind="Own digits",
        title="Do these synthetic digits help beside your own?",
        subtitle=f"“{manifest}” beside {count(found.own)} digits of {source}.",
        headline=headline,
        sections=sections,
    )


def _figures_section(found: OwnDigitsVerdict) -> Section:
    """Show the accuracies, seed by seed and class by class."""
    blocks: list[Block] = [
        Table(
            name="accuracy",
            caption="Accuracy on own digits that the classifiers have not seen",
            columns=[
                Column(title="trained on"),
                Column(title="accuracy", kind="percent"),
                Column(title="difference", kind="points"),
            ],
            rows=[
                ["own digits, distorted", found.alone, None],
                ["own and synthetic digits, distorted", found.together, found.difference],
            ],
        ),
        Table(
            name="repetitions",
            caption="Every repetition: the own digits dealt anew, other seeds",
            columns=[Column(title="repetition"), Column(title="difference", kind="points")],
            rows=[[str(place + 1), gain] for place, gain in enumerate(found.by_seed)],
        ),
    ]
    rows: list[list[CellValue]] = [
        [name, alone, together, together - alone]
        for name, (alone, together) in zip(found.class_names, found.by_class, strict=True)
    ]
    by_class = Table(
        name="classes",
        caption="Share of the digits of each class that are read rightly; no interval",
        columns=[
            Column(title="class"),
            Column(title="own digits", kind="percent"),
            Column(title="and synthetic ones", kind="percent"),
            Column(title="difference", kind="points"),
        ],
        rows=rows,
    )
    return Section(name="figures", title="What was measured", blocks=[*blocks, by_class])


def _images_section(own: Digits, synthetic: Digits) -> Section:
    """Show own digits and synthetic ones side by side, as classifiers see them.

    Each class has a row: its own digits from the left, a gap, the synthetic ones.
    """
    pictures = []
    for label, name in enumerate(own.class_names):
        for kind, digits, column in (("own", own, 1), ("synthetic", synthetic, SHOWN + 2)):
            positions = (digits.labels == label).nonzero()[0][:SHOWN].tolist()
            for place, position in enumerate(positions):
                picture = Picture(
                    name=f"{kind}-{position}",
                    images=(digits.images[position],),
                    alts=(f"{kind} {name}",),
                    note="",
                    facts={"class": str(name), "kind": kind},
                    column=column + place,
                )
                pictures.append(picture)
    caption = (
        f"The first {SHOWN} of each class, on the left your own, on the right synthetic ones, "
        "fitted to the generator, as the classifiers see them. Not selected."
    )
    sheet = Gallery(name="digits", caption=caption, pictures=pictures, columns=2 * SHOWN + 1)
    return Section(name="images", title="Your digits and the synthetic ones", blocks=[sheet])
