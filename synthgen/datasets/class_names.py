"""Names of classes and parts: how they are written, ordered, and told from other names."""

import re
import unicodedata
from collections.abc import Sequence
from typing import Any

# Names of the parts of a data set, in lower case
TRAIN_NAMES = ("train", "training")
TEST_NAMES = ("test", "testing")
VALIDATION_NAMES = ("val", "valid", "validation", "dev")
PART_NAMES = {*TRAIN_NAMES, *TEST_NAMES, *VALIDATION_NAMES}

# fmt: off
NUMBER_WORDS = {
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten",
}
REST_CLASSES = {
    "unknown", "none", "other", "others", "blank", "background", "noise",
}
MISSING_LABELS = {  # what programs write where a value is missing, as pandas reads it
    "", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN",
    "<NA>", "N/A", "NA", "NULL", "NaN", "NaT", "None", "n/a", "nan", "null",
}
# fmt: on
NUMBERED_CLASS = re.compile(r"(class|digit|label|number|sample)?[ _-]?[0-9]{1,4}", re.IGNORECASE)


def class_name(text: str) -> str:
    r"""Return the name of a class as it is compared and shown.

    Accents are written in one way (Unicode's form NFC: macOS and Windows differ), and blanks
    around the name, which no one sees and Windows drops, are left away.

    Example:
        >>> name = class_name("cafe\N{COMBINING ACUTE ACCENT} ")
        >>> len(name)
        4
    """
    return unicodedata.normalize("NFC", text).strip()


def natural_order(name: str) -> tuple[Any, ...]:
    """Return a key that sorts names as people do: numbers in them by value, so that 2 is before 10.

    Example:
        >>> sorted(["b", "a10", "10", "a2", "2"], key=natural_order)
        ['2', '10', 'a2', 'a10', 'b']
    """
    parts: list[tuple[int, int, str]] = []
    for piece in re.split(r"([0-9]+)", name):
        if piece.isdecimal():
            digits = piece.lstrip("0")  # of two numbers the longer one is larger
            parts.append((0, len(digits), digits))
        elif piece:
            parts.append((1, 0, piece))
    return (*parts, (2, 0, name))  # the name itself, so that "1" and "01" have an order


def is_like_a_class(name: str) -> bool:
    """Whether a name is like those of classes of digits or letters: '7', 'digit_7', 'seven'."""
    return (
        len(name) == 1 or name.lower() in NUMBER_WORDS or NUMBERED_CLASS.fullmatch(name) is not None
    )


def shown_as(name: str) -> str:
    r"""Return what people see in a name: two names of one look are easily taken for one.

    Upper and lower case, forms of a letter, invisible characters and zeros in front of a number do
    not count.

    Example:
        >>> shown_as("Cat"), shown_as("07"), shown_as("\N{FULLWIDTH DIGIT SEVEN}")
        ('cat', '7', '7')
    """
    seen = unicodedata.normalize("NFKC", name).casefold()
    seen = "".join(each for each in seen if unicodedata.category(each) not in ("Cf", "Cc"))
    words = " ".join(seen.split())
    if words.isdecimal():
        return "".join(str(unicodedata.decimal(each)) for each in words).lstrip("0") or "0"
    return words


def order_notes(names: Sequence[str]) -> tuple[str, ...]:
    """Say where readers that number classes by folder name give other numbers than the labels.

    Args:
        names: the class names in the order of their labels.
    """
    by_text = sorted(names)
    if by_text == list(names):
        return ()
    label = next(k for k, name in enumerate(names) if by_text[k] != name)
    return (
        "Classes are numbered in natural order (2 before 10). Readers that sort folder names "
        f"as text (Keras, torchvision) give class '{names[label]}' the number "
        f"{by_text.index(names[label])} instead of {label}: name the classes to them.",
    )


def look_notes(names: Sequence[str]) -> tuple[str, ...]:
    """Say which classes people or file systems would take for one.

    Args:
        names: the class names.
    """
    by_look: dict[str, list[str]] = {}
    for name in names:
        by_look.setdefault(shown_as(name), []).append(name)
    notes = []
    numbers = []
    cased = False
    for seen, same in by_look.items():
        if len(same) < 2:
            continue
        if seen.isdecimal():
            numbers.append(" and ".join(same))
        elif len({name.casefold() for name in same}) < len(same):
            cased = True
        else:
            shown = " and ".join(ascii(name) for name in same)
            notes.append(
                f"{shown} are two classes, though they look the same. Give all their images one of "
                "these names if they are one."
            )
    if numbers:
        more = f" (so are {len(numbers) - 1} more)" if numbers[1:] else ""
        notes.append(
            f"{numbers[0]} are two classes, though they are the same number{more}. Put their "
            "pictures into one folder if they are one."
        )
    if cased:
        notes.append(
            "Some class names differ in upper and lower case only: on disks of Windows and macOS "
            "their folders are one."
        )
    return tuple(notes)
