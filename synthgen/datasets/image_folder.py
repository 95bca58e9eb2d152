"""A folder of pictures, one sub-folder a class: as torchvision and Keras read it.

No class may vanish and none may appear by mistake. So every sub-folder at the level of classes is
a class, hidden, or refused by name; every file is a picture that is read, known to be harmless, or
refused; and what was passed over is counted and said.
"""

import re
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from synthgen.datasets.arrays import MOST_CLASSES
from synthgen.datasets.class_names import (
    PART_NAMES,
    REST_CLASSES,
    TEST_NAMES,
    TRAIN_NAMES,
    class_name,
    is_like_a_class,
    natural_order,
    order_notes,
    shown_as,
)
from synthgen.datasets.digits import Digits, Images, Pictures, Reading
from synthgen.datasets.files import (
    DISK_FOLDER,
    SYSTEM_FOLDERS,
    Listing,
    check_array_bytes,
    is_document,
    place_below,
    suffix_of,
)
from synthgen.datasets.pictures import PICTURE_FORMATS, is_picture, one_kind, read_picture
from synthgen.errors import DataError
from synthgen.text import counted, few_of

IMAGE_FOLDER_LAYOUT = (
    "a folder of pictures (PNG, JPEG, BMP, GIF, WebP, TIFF), one sub-folder a class "
    "[, all of that inside 'train' and 'test']"
)
PART_OF_A_CLASS = re.compile(
    rf"({'|'.join(sorted(PART_NAMES))})([ _-]?(set|data|images?|imgs?|part|split))?",
    re.IGNORECASE,
)

# Folders that programs and people put beside classes, and that are never a class.
# fmt: off
NO_CLASS_FOLDERS = {
    "annotation", "annotations", "augmentation", "augmentations", "augmented", "backup",
    "backups", "bak", "cache", "checkpoint", "checkpoints", "copies", "copy", "data",
    "dataset", "deleted", "duplicates", "export", "exports", "figures", "generated",
    "image", "images", "img", "imgs", "label", "labels", "lightning_logs", "log", "logs",
    "mask", "masks", "mlruns", "model", "models", "old", "out", "output", "outputs",
    "plots", "predictions", "preview", "previews", "processed", "raw", "rejected", "result",
    "results", "run", "runs", "sample", "samples", "synthetic", "tensorboard", "thumbnail",
    "thumbnails", "thumbs", "temp", "tmp", "trash", "unlabeled", "unlabelled", "wandb",
    "weights",
}
# fmt: on
PICTURE_BYTES = 100_000_000  # of one picture file

BLOCK_FOLDER = re.compile(r"[0-9]{5,}")  # as synthgen parts the images of a class

TABLE_SUFFIXES = {".csv", ".tsv"}
# fmt: off
HARMLESS_AT_ROOT = {  # archives and data files beside the class folders
    ".zip", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".7z", ".rar", ".npz", ".npy", ".h5",
    ".hdf5", ".pkl", ".mat", ".db", ".sqlite",
}
# fmt: on


SHORTCUT_SUFFIXES = {".lnk", ".url", ".desktop", ".webloc"}  # which lead to a folder elsewhere


def matches(files: Collection[str]) -> bool:
    """Whether there is a picture in a sub-folder."""
    return any("/" in file and is_picture(file) for file in files)


def read(listing: Listing) -> Reading:
    """Read all pictures of a folder; the classes are the folder names in natural order.

    Raises:
        DataError: if a folder is neither a class nor known as none, if a class has no pictures,
            if another folder looks more like the one that holds the classes, or if a file cannot
            be read.
    """
    pictures = [file for file in listing.files if is_picture(file)]
    loose = [file for file in pictures if "/" not in file]
    if loose:
        raise DataError(
            f"{loose[0]}: Expected every picture in the sub-folder of its class, found "
            f"{len(loose)} beside the sub-folders. Move them into sub-folders, or away."
        )

    # Which folders hold classes: this one, or its training and test part
    tree = PictureTree.of(listing, pictures)
    parts = _part_folders(tree)
    bases = [(base, base.lower() in TEST_NAMES) for base in parts] or [("", False)]
    _check_hidden_classes(listing, [base for base, _ in bases])
    class_folders: dict[str, tuple[str, bool]] = {}  # path -> class, whether it is of the test part
    for base, is_test in bases:
        folders: dict[str, str] = {}  # class -> its folder
        for folder in _class_names(tree, base):
            name = class_name(folder)
            class_folders[_join(base, folder)] = (name, is_test)
            if folders.setdefault(name, folder) != folder:
                raise DataError(
                    f"{_join(base, folder)}: Expected one folder for each class, received two of "
                    f"the same name to see: {folders[name]!a} and {folder!a}. Put their "
                    "pictures into one folder."
                )
    names = sorted({name for name, _ in class_folders.values()}, key=natural_order)
    if len(names) < 2:
        raise DataError(
            f"Expected the sub-folders of two classes or more, found only '{names[0]}'. Name the "
            "folder that holds the class folders."
        )

    _check_packed_classes(listing, names, [base for base, _ in bases])

    # The class and the part of each picture
    depth = 2 if parts else 1
    labels = np.zeros(len(pictures), np.uint8)
    of_test = np.zeros(len(pictures), bool)
    if len(names) > MOST_CLASSES:
        raise DataError(
            f"Expected at most {MOST_CLASSES} classes (labels are uint8), received {len(names)}."
        )
    number = {name: label for label, name in enumerate(names)}
    for row, file in enumerate(pictures):
        name, of_test[row] = class_folders["/".join(file.split("/")[:depth])]
        labels[row] = number[name]
    untrained = [name for name, label in number.items() if label not in labels[~of_test]]
    if untrained:
        alike = [
            f"'{name}' looks like '{other}'"
            for name in untrained
            for other in names
            if other not in untrained and shown_as(other) == shown_as(name)
        ]
        raise DataError(
            f"Expected training images of each of the {len(names)} classes, received none of "
            f"{', '.join(untrained)}. Add some, or move the test images of these classes away."
            + (f" {alike[0]}: give both parts the same names." if alike else "")
        )

    images, colour_note = one_kind(read_pictures(listing, pictures))
    notes = (
        _passed_over(listing, pictures),
        _joined_folders(tree, [*class_folders]),
        colour_note,
        *order_notes(names),
    )
    return Reading(
        take_pictures(images, labels, names, ~of_test),
        take_pictures(images, labels, names, of_test) if of_test.any() else None,
        tuple(note for note in notes if note),
    )


@dataclass(frozen=True, kw_only=True)
class PictureTree:
    """Where the pictures of a folder lie.

    Args:
        url: the folder as the user named it.
        children: the names of the sub-folders of each folder, by its path ("" for the folder
            itself), those without pictures too.
        direct: the number of pictures in each folder itself.
        below: the number of pictures in each folder and all its sub-folders.
    """

    url: str
    children: dict[str, list[str]]
    direct: Counter[str]
    below: Counter[str]

    @classmethod
    def of(cls, listing: Listing, pictures: Sequence[str]) -> "PictureTree":
        """Return the tree of these pictures."""
        children: dict[str, list[str]] = {}
        for folder in listing.folders:
            parent, _, name = folder.rpartition("/")
            children.setdefault(parent, []).append(name)
        direct = Counter(file.rpartition("/")[0] for file in pictures)
        below: Counter[str] = Counter()
        for folder, count in direct.items():
            parts = folder.split("/")
            for depth in range(len(parts) + 1):
                below["/".join(parts[:depth])] += count
        return cls(url=listing.storage.url, children=children, direct=direct, below=below)

    def filled_children(self, folder: str) -> list[str]:
        """Return the names of the sub-folders of a folder that hold pictures at any depth."""
        return [name for name in self.children.get(folder, []) if self.below[_join(folder, name)]]


def _part_folders(tree: PictureTree) -> list[str]:
    """Return the folders of the training and test part; [] where the top folders are classes."""
    filled = tree.filled_children("")
    parts = [name for name in filled if name.lower() in TRAIN_NAMES]
    parts += [name for name in filled if name.lower() in TEST_NAMES]
    others = sorted({*filled} - {*parts})
    if parts and others:
        raise DataError(
            "Expected folders of classes, or only train and test with these inside, found "
            f"{' and '.join(sorted(parts))} beside {few_of(others)}. "
            "Move what is to be learnt from into train (validation images are set aside from it) "
            "and the rest away; if 'train' or 'test' is a class, rename its folder."
        )
    for kind in (TRAIN_NAMES, TEST_NAMES):
        same = [part for part in parts if part.lower() in kind]
        if len(same) > 1:
            raise DataError(
                f"Expected one folder '{kind[0]}', received {' and '.join(same)}. Put the pictures "
                "of the part into one of them, or move the other away."
            )
    for part in parts:
        if tree.direct[part]:
            raise DataError(
                f"{part}: Expected every picture in the sub-folder of its class, found "
                f"{counted(tree.direct[part], 'picture')} beside the sub-folders."
            )
    return parts


def _class_names(tree: PictureTree, base: str) -> list[str]:
    """Return the names of the class folders in a folder, once each of its sub-folders is known."""
    filled = tree.filled_children(base)
    if not base and len(filled) == 1 and not tree.filled_children(filled[0]):
        raise DataError(
            f"Expected the sub-folders of two classes or more, found only '{filled[0]}'. Put the "
            "pictures of each class into a sub-folder of its own, or name path and label of each "
            "in one .csv file beside them."
        )
    class_like = [name for name in filled if is_like_a_class(name)]
    numbered = len(class_like) >= 2 and 2 * len(class_like) > len(filled)
    if not numbered:
        _check_no_better_level(tree, base)
    _check_one_level(tree, base, numbered)
    names = []
    for name in tree.children.get(base, []):
        path = _join(base, name)
        pictures = counted(tree.below[path], "picture")
        is_stray = name.lower() in NO_CLASS_FOLDERS | PART_NAMES or (
            numbered and not is_like_a_class(name) and name.lower() not in REST_CLASSES
        )
        if is_stray and tree.below[path]:
            raise DataError(
                f"{path}: Expected a folder of a class, as {few_of(class_like or filled)} are, "
                f"received one of another name with {pictures}. Move it away; if it is a class, "
                "rename it."
            )
        if not is_stray and not tree.below[path]:
            raise DataError(
                f"{path}: Expected pictures of the class '{name}', received none that can be read "
                f"({few_of([suffix[1:] for suffix in PICTURE_FORMATS], 8)}). Add some, convert "
                "those that are there, or remove the folder."
            )
        if not is_stray:
            _check_inside(tree, path)
            names.append(name)
    return names


def _check_no_better_level(tree: PictureTree, base: str) -> None:
    """Refuse a folder if folders inside its sub-folders look more like classes than these do."""
    better = []
    waiting = [_join(base, name) for name in tree.filled_children(base)]
    while waiting:
        folder = waiting.pop()
        filled = tree.filled_children(folder)
        class_like = [name for name in filled if is_like_a_class(name)]
        is_parts = bool(filled) and all(name.lower() in PART_NAMES for name in filled)
        if (len(class_like) >= 2 and 2 * len(class_like) > len(filled)) or (
            is_parts and any(name.lower() in TRAIN_NAMES for name in filled)
        ):
            better.append(folder)
        else:
            waiting += [_join(folder, name) for name in filled]
    filled = tree.filled_children(base)
    if better:
        better.sort(key=lambda folder: (-tree.below[folder], folder))
        others = f" ({few_of(better[1:], 3)} look alike)" if better[1:] else ""
        raise DataError(
            f"Expected class folders, found {few_of(filled)}; the folders in {better[0]} "
            f"({few_of(tree.filled_children(better[0]))}) look more like classes. Give "
            f"{place_below(tree.url, better[0])}{others}, or put all pictures of a class into one "
            "folder."
        )
    if len(filled) == 1:
        inner_folder = _join(base, filled[0])
        while len(tree.filled_children(inner_folder)) == 1:
            inner_folder = _join(inner_folder, tree.filled_children(inner_folder)[0])
        if len(tree.filled_children(inner_folder)) > 1:
            raise DataError(
                f"Expected the sub-folders of two classes or more, found only '{filled[0]}'. Give "
                f"{place_below(tree.url, inner_folder)}, which holds "
                f"{few_of(tree.filled_children(inner_folder))}."
            )


def _check_one_level(tree: PictureTree, base: str, numbered: bool) -> None:
    """Refuse a folder of which most sub-folders have the same sub-folders: writers or classes?

    Args:
        tree: of the pictures.
        base: the folder.
        numbered: whether its sub-folders are named as digits or letters are; then only sub-folders
            that are so, too, are in doubt.
    """
    filled = tree.filled_children(base)
    inner = Counter(
        inside
        for name in filled
        for inside in tree.filled_children(_join(base, name))
        if not BLOCK_FOLDER.fullmatch(inside)
        and inside.lower() not in PART_NAMES
        and (not numbered or is_like_a_class(inside))
    )
    repeated = sorted(name for name, count in inner.items() if 2 * count > len(filled) > 1)
    if len(repeated) > 1:
        raise DataError(
            f"Expected class folders, found {few_of(filled)}, which have the sub-folders "
            f"{few_of(repeated)}: which of the two levels is that of classes cannot be told. Put "
            "all pictures of a class into one folder without sub-folders."
        )


def _check_inside(tree: PictureTree, path: str) -> None:
    """Refuse a class folder whose sub-folders hold something else than parts of the class."""
    waiting = [path]
    while waiting:
        folder = waiting.pop()
        inside = tree.filled_children(folder)
        parts = [name for name in inside if PART_OF_A_CLASS.fullmatch(name)]
        if parts:
            raise DataError(
                f"{folder}: Expected pictures of one class, received the parts {few_of(inside)} "
                f"inside. Turn the folders around: {parts[0]}/{path.rpartition('/')[2]}, and so on."
            )
        waiting += [_join(folder, name) for name in inside]
    filled = tree.filled_children(path)
    odd = [name for name in filled if name.lower() in NO_CLASS_FOLDERS]
    if odd and len(filled) == 1 and not tree.direct[path]:
        return  # CLASS/images/...
    if odd or (filled and tree.direct[path]):
        first = (odd or filled)[0]
        raise DataError(
            f"{_join(path, first)}: Expected the pictures of a class in one folder, received "
            f"{counted(tree.below[_join(path, first)], 'picture')} in a folder beside others. "
            "Move it away, or its pictures to the others if they belong to the class."
        )


def _check_packed_classes(listing: Listing, names: Sequence[str], bases: Sequence[str]) -> None:
    """Refuse a file that is named as a class is of which there is no folder: '7.zip', '7.lnk'."""
    if 2 * sum(map(is_like_a_class, names)) <= len(names):
        return
    for file in listing.files:
        folder, _, name = file.rpartition("/")
        stem = class_name(name.partition(".")[0])
        if (
            folder in bases
            and suffix_of(name) in HARMLESS_AT_ROOT | SHORTCUT_SUFFIXES
            and is_like_a_class(stem)
            and stem not in names
        ):
            raise DataError(
                f"{file}: Expected the pictures of class '{stem}' in a folder, received a file of "
                "that name. Unpack it, or put the folder that it leads to in its place; move it "
                "away if it is no class."
            )


def _check_hidden_classes(listing: Listing, bases: Sequence[str]) -> None:
    """Refuse pictures in the place of a class whose folder may be one of the system: '@home'."""
    for file in listing.hidden:
        base, _, name = file.rpartition("/")[0].rpartition("/")
        is_known = name.lower() in SYSTEM_FOLDERS
        if base in bases and is_picture(file) and DISK_FOLDER.match(name) and not is_known:
            raise DataError(
                f"{_join(base, name)}: Expected class folders, received pictures in a folder that "
                "is named as those which disks make for themselves. Rename it if it is a class, or "
                "move it away."
            )


def _joined_folders(tree: PictureTree, class_folders: Sequence[str]) -> str:
    """Say in a sentence which folders inside class folders were read with them; "" if none."""
    inside = [
        _join(folder, name)
        for folder in class_folders
        for name in tree.filled_children(folder)
        if not BLOCK_FOLDER.fullmatch(name)
    ]
    if not inside:
        return ""
    return (
        "Classes are the upper folders; read as parts of them: "
        f"{counted(len(inside), 'folder')} inside ({few_of(inside, 3)})."
    )


def _passed_over(listing: Listing, pictures: Sequence[str]) -> str:
    """Say in a sentence which files were not read; "" if all were.

    Raises:
        DataError: if one of them is not known to be harmless.
    """
    read_files = {*pictures}
    others = [file for file in listing.files if file not in read_files]
    for file in others:
        suffix = suffix_of(file)
        harmless_here = TABLE_SUFFIXES if "/" in file else TABLE_SUFFIXES | HARMLESS_AT_ROOT
        if not is_document(file) and suffix not in harmless_here:
            raise DataError(
                f"{file}: Expected pictures ({few_of([s[1:] for s in PICTURE_FORMATS], 8)}), "
                "received a file of another kind. Convert it, or move it away."
            )
    said = []
    if others:
        said.append(f"{counted(len(others), 'file')} beside the pictures ({few_of(others, 3)})")
    if listing.hidden:
        hidden = counted(len(listing.hidden), "hidden or system file")
        said.append(f"{hidden} ({few_of(listing.hidden, 3)})")
    return f"Passed over: {' and '.join(said)}." if said else ""


def take_pictures(
    images: Images | list[Images],
    labels: NDArray[np.uint8],
    names: Sequence[str],
    chosen: NDArray[np.bool_],
) -> Digits | Pictures:
    """Return the chosen pictures: as `Digits` where all pictures have one size.

    Args:
        images: (n, height, width, channels) uint8, or n pictures of several sizes.
        labels: (n,) uint8.
        names: one name a class.
        chosen: (n,) which to take.
    """
    if isinstance(images, np.ndarray):
        return Digits(images[chosen], labels[chosen], tuple(names))
    taken = [image for image, wanted in zip(images, chosen, strict=True) if wanted]
    return Pictures(taken, labels[chosen], tuple(names))


def read_pictures(listing: Listing, files: Sequence[str]) -> list[Images]:
    """Decode picture files, within the limits of one picture and of all.

    Returns:
        One (height, width, 1 or 3) uint8 array a file.

    Raises:
        DataError: naming the first file that cannot be read.
    """
    images: list[Images] = []
    total = 0
    for file in tqdm(files, desc="Reading pictures", unit=" images", disable=None, leave=False):
        images.append(read_picture(listing.read_bytes(file, PICTURE_BYTES), file))
        total += images[-1].nbytes
        check_array_bytes(total, f"{file} and {len(images) - 1:,} pictures before it")
    return images


def _join(folder: str, name: str) -> str:
    return f"{folder}/{name}" if folder else name
