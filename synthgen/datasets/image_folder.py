"""A folder of pictures, one sub-folder a class: as torchvision, Keras and Hugging Face read it, and as synthgen writes it."""

from collections.abc import Sequence

import numpy as np
from tqdm import tqdm

from synthgen.datasets.digits import Digits, Images, Parts, to_digits
from synthgen.datasets.pixels import decode_png
from synthgen.errors import DataError
from synthgen.storage import Storage

LAYOUT = "a folder of PNG or JPEG files, one sub-folder a class [, all of that inside 'train' and 'test']"
SUFFIXES = (".png", ".jpg", ".jpeg")
TRAIN_FOLDERS = ("train", "training")
TEST_FOLDERS = ("test", "testing")


def matches(files: Sequence[str]) -> bool:
    """Whether there is a picture in a sub-folder."""
    return any("/" in file for file in _pictures(files))


def read(storage: Storage, files: Sequence[str]) -> Parts:
    """Read all pictures; the classes are the folder names, in order (of number, where all are numbers).

    Raises:
        DataError: if a picture is damaged, lies outside the sub-folders, or differs in shape from
            the others; if other folders lie beside 'train' and 'test'.
    """
    pictures = _pictures(files)
    loose = [file for file in pictures if "/" not in file]
    if loose:
        raise DataError(
            f"{loose[0]}: Expected every picture in the sub-folder of its class, found {len(loose)} beside the sub-folders."
        )
    parts: dict[str, list[str]] = {"train": [], "test": []}
    has_parts = _has_parts({file.split("/")[0] for file in pictures})
    for file in pictures:
        parts[
            "test" if has_parts and file.split("/")[0].lower() in TEST_FOLDERS else "train"
        ].append(file)
    names = _class_names([_class_of(file, has_parts) for file in pictures])
    if len(names) < 2:
        raise DataError(
            f"Expected the sub-folders of two classes or more, found only '{names[0]}'. Name the folder that holds the class folders."
        )
    train, test = (_read_part(storage, chosen, names, has_parts) for chosen in parts.values())
    return Parts(train, test if parts["test"] else None)


def _pictures(files: Sequence[str]) -> list[str]:
    return [file for file in files if file.lower().endswith(SUFFIXES)]


def _has_parts(folders: set[str]) -> bool:
    """Whether the top folders are training and test part; if not, they are classes."""
    parts = {folder for folder in folders if folder.lower() in (*TRAIN_FOLDERS, *TEST_FOLDERS)}
    others = sorted(folders - parts)
    if parts and others:
        found = ", ".join(others[:5]) + (f" and {len(others) - 5} more" if len(others) > 5 else "")
        raise DataError(
            f"Expected folders of classes, or only train and test with these inside, found {' and '.join(sorted(parts))} beside {found}. "
            "Move what is to be learnt from into train (validation images are set aside from it) and the rest away; "
            "if 'train' or 'test' is a class, rename its folder."
        )
    return bool(parts)


def _class_of(file: str, has_parts: bool) -> str:
    folders = file.split("/")[has_parts:-1]
    if not folders:
        raise DataError(f"{file}: Expected every picture in the sub-folder of its class.")
    return folders[0]


def _class_names(names: Sequence[str]) -> list[str]:
    numbers = all(name.isdecimal() for name in names)
    return sorted(set(names), key=lambda name: (int(name) if numbers else 0, name))


def _read_part(
    storage: Storage, files: Sequence[str], names: Sequence[str], has_parts: bool
) -> Digits:
    images: list[Images] = []
    for file in tqdm(files, desc="Reading pictures", unit=" images", disable=None, leave=False):
        images.append(_read_picture(storage, file))
        if images[-1].shape != images[0].shape:
            raise DataError(
                f"{file}: Expected the shape of {files[0]}, {images[0].shape}, received {images[-1].shape}. All must be of one shape."
            )
    labels = [names.index(_class_of(file, has_parts)) for file in files]
    stack = np.stack(images) if images else np.zeros((0, 1, 1, 1), np.uint8)
    return to_digits(stack, np.array(labels, np.int64), "the pictures", names)


def _read_picture(storage: Storage, file: str) -> Images:
    try:
        return decode_png(storage.read_bytes(file))
    except DataError as error:
        raise DataError(f"{file}: {error}") from error
