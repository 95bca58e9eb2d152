"""Trees of pictures as people leave them: read right, or refused with the folder to give."""

from pathlib import Path

import numpy as np
import pytest

from synthgen.datasets.digits import Digits, Pictures, Reading
from synthgen.datasets.files import list_files
from synthgen.datasets.image_folder import read
from synthgen.datasets.pixels import encode_png
from synthgen.errors import DataError


def write(root: Path, *folders: str, count: int = 2, size: int = 4) -> None:
    """Put `count` pictures into each folder; all pixels of one hold a number of their own."""
    for folder in folders:
        (root / folder).mkdir(parents=True, exist_ok=True)
        for number in range(count):
            shade = sum(map(ord, folder)) * 7 + number
            image = np.full((size, size, 1), shade % 256, np.uint8)
            (root / folder / f"{number}.png").write_bytes(encode_png(image))


def reading_of(root: Path) -> Reading:
    return read(list_files(str(root)))


DIGITS = [str(k) for k in range(10)]


def test_classes_are_in_natural_order(tmp_path: Path) -> None:
    write(tmp_path, *(str(k) for k in (10, 9, 2, 0, 1, 3)))
    reading = reading_of(tmp_path)
    assert isinstance(reading.train, Digits)
    assert reading.train.class_names == ("0", "1", "2", "3", "9", "10")
    assert reading.train.counts().tolist() == [2] * 6
    assert reading.notes == (
        "Classes are numbered in natural order (2 before 10). Readers that sort folder names as "
        "text (Keras, torchvision) give class '2' the number 3 instead of 2: name the classes to "
        "them.",
    )


@pytest.mark.parametrize(
    ("folders", "give"),
    [
        ([f"set/set/{k}" for k in DIGITS] + ["test/test"], None),
        (
            [f"trainingSet/trainingSet/{k}" for k in DIGITS] + ["testSet/testSet"],
            "trainingSet/trainingSet",
        ),
        ([f"writer_{w}/{k}" for w in "abc" for k in DIGITS], "writer_a"),
        (
            [f"mnist_png/{part}/{k}" for part in ("training", "testing") for k in DIGITS],
            "mnist_png",
        ),
        ([f"images/{k}" for k in DIGITS] + [f"masks/{k}" for k in DIGITS], "images"),
        (
            [f"data/digits/png/{k}/00000" for k in DIGITS] + ["data/digits/sheets"],
            "data/digits/png",
        ),
        (["set/cat", "set/dog"], "set"),
        (["a/b/cat", "a/b/dog"], "a/b"),
        ([f"fold1/digit_{k}" for k in DIGITS] + [f"fold2/digit_{k}" for k in DIGITS], "fold1"),
    ],
)
def test_a_wrong_level_is_refused_with_the_folder_to_give(
    folders: list[str], give: str | None, tmp_path: Path
) -> None:
    write(tmp_path, *folders)
    with pytest.raises(DataError) as caught:
        reading_of(tmp_path)
    if give:
        assert f"Give {tmp_path}/{give}" in str(caught.value)


@pytest.mark.parametrize(
    ("folders", "message"),
    [
        ([*DIGITS, "output"], "output: Expected a folder of a class, as 0, 1, 2, 3, 4 and 5 more"),
        ([*DIGITS, "runs/samples"], "runs: Expected a folder of a class"),
        ([*DIGITS, "lightning_logs/version_0"], "lightning_logs: Expected a folder of a class"),
        ([*DIGITS, "whatever"], "received one of another name with 2 pictures. Move it away"),
        (["cat", "dog", "output"], "output: Expected a folder of a class"),
        (["images", "masks"], "images: Expected a folder of a class"),
        (
            [*DIGITS, *(f"{k}/output" for k in DIGITS)],
            "0/output: Expected the pictures of a class in",
        ),
        (
            [*DIGITS, "3/extra"],
            "3/extra: Expected the pictures of a class in one folder, received 2",
        ),
        (
            [f"{k}/{part}" for k in DIGITS for part in ("train", "test")],
            "Turn the folders around: te",
        ),
        (
            [f"{k}/{part}" for k in DIGITS for part in ("train_set", "test_set")],
            "received the parts test_set, train_set inside",
        ),
        (
            [f"{k}/data/ann/{part}" for k in DIGITS for part in ("train", "test")],
            "0/data/ann: Expected pictures of one class, received the parts test, train inside",
        ),
        ([f"{k}/{part}" for k in DIGITS for part in ("images", "masks")], "0/images: Expected the"),
        (
            [f"{a}/{b}" for a in ("cat", "dog") for b in ("ann", "bob")],
            "which of the two levels is",
        ),
        ([f"{a}/{b}" for a in "012" for b in DIGITS], "which of the two levels is"),
        ([f"{a}/{b}" for a in "abc" for b in DIGITS], "which of the two levels is"),
        (["train/0", "train/1", "train/output"], "train/output: Expected a folder of a class"),
        (["train/0", "train/1", "valid/0", "valid/1"], "found train beside valid. Move what"),
        (["train/0", "train/1", "test/0", "test/2"], "received none of 2. Add some"),
        (["train/0", "train/1", "train"], "train: Expected every picture in the sub-folder of its"),
    ],
)
def test_folders_that_are_no_class_are_refused_by_name(
    folders: list[str], message: str, tmp_path: Path
) -> None:
    write(tmp_path, *folders)
    with pytest.raises(DataError) as caught:
        reading_of(tmp_path)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    "folders",
    [
        DIGITS,
        [f"{k}/00000" for k in DIGITS] + [f"{k}/00001" for k in DIGITS],
        [f"{k}/ann" for k in DIGITS] + [f"{k}/bob" for k in DIGITS],
        [f"{k}/images" for k in DIGITS],
        [*DIGITS, "unknown"],
        [*DIGITS, *"ABCDEF"],
        [f"Sample{k:03d}" for k in range(1, 11)],
        ["zero", "one", "two"],
        ["cat", "dog", "horse"],
        ["cat/00000", "cat/00001", "dog/00000", "dog/00001"],
        [f"{part}/{k}" for part in ("Training", "TESTING") for k in DIGITS],
    ],
)
def test_trees_that_a_person_would_read(folders: list[str], tmp_path: Path) -> None:
    write(tmp_path, *folders)
    reading = reading_of(tmp_path)
    assert len(reading.train) + len(reading.test or ()) == 2 * len(folders)


def test_an_empty_class_is_named(tmp_path: Path) -> None:
    write(tmp_path, *DIGITS[:8])
    (tmp_path / "8").mkdir()
    with pytest.raises(DataError, match=r"^8: Expected pictures of the class '8', received none"):
        reading_of(tmp_path)
    (tmp_path / "8/notes.txt").write_text("to be scanned")
    with pytest.raises(DataError, match=r"^8: Expected pictures of the class '8', received none"):
        reading_of(tmp_path)


@pytest.mark.parametrize("name", ["3/1.heic", "3/1.npy", "3/1.svg", "3/1", "1.xyz", "3/more.zip"])
def test_files_of_unknown_kinds_are_named(name: str, tmp_path: Path) -> None:
    write(tmp_path, *DIGITS)
    (tmp_path / name).write_bytes(b"something")
    with pytest.raises(DataError, match=f"^{name}: Expected pictures .* a file of another kind"):
        reading_of(tmp_path)


@pytest.mark.parametrize("name", ["@home", "~away", "found.001"])
@pytest.mark.parametrize("base", ["", "train/"])
def test_pictures_in_a_folder_like_those_of_disks_are_refused(
    tmp_path: Path, base: str, name: str
) -> None:
    write(tmp_path, f"{base}away", f"{base}left", f"{base}{name}")
    with pytest.raises(DataError, match=f"^{base}{name}: Expected class folders, received pict"):
        reading_of(tmp_path)


def test_what_is_passed_over_is_counted(tmp_path: Path) -> None:
    write(tmp_path, *DIGITS)
    before = reading_of(tmp_path)
    assert before.notes == ()
    write(tmp_path, "0/@eaDir/0.png", "@eaDir", "__MACOSX/3", ".ipynb_checkpoints", "5/.thumbs")
    (tmp_path / "docs").mkdir()
    for name in ("README.md", "labels.csv", "0/meta.json", "backup.zip", "docs/index.html"):
        (tmp_path / name).write_bytes(b"\0")
    for name in (".DS_Store", "3/Thumbs.db", "4/._1.png"):
        (tmp_path / name).write_bytes(b"\0")
    after = reading_of(tmp_path)
    assert after.notes == (
        "Passed over: 5 files beside the pictures (0/meta.json, README.md, backup.zip and 2 more) "
        "and 13 hidden or system files (.DS_Store, .ipynb_checkpoints/0.png, "
        ".ipynb_checkpoints/1.png and 10 more).",
    )
    assert isinstance(before.train, Digits)
    assert isinstance(after.train, Digits)
    assert after.train.sha256() == before.train.sha256()


def test_linked_classes_are_read(tmp_path: Path) -> None:
    write(tmp_path / "plain", *DIGITS)
    (tmp_path / "linked").mkdir()
    for name in DIGITS:
        (tmp_path / "linked" / name).symlink_to(f"../plain/{name}")
    plain, linked = (reading_of(tmp_path / name).train for name in ("plain", "linked"))
    assert isinstance(plain, Digits)
    assert isinstance(linked, Digits)
    assert linked.sha256() == plain.sha256()


def test_pictures_of_several_sizes_stay_as_they_are(tmp_path: Path) -> None:
    write(tmp_path, "0", "1", size=4)
    write(tmp_path, "2", size=5)
    train = reading_of(tmp_path).train
    assert isinstance(train, Pictures)
    assert [image.shape for image in train.images] == [(4, 4, 1)] * 4 + [(5, 5, 1)] * 2
    assert train.labels.tolist() == [0, 0, 1, 1, 2, 2]


def test_train_and_test_have_the_same_numbers(tmp_path: Path) -> None:
    write(tmp_path, "train/10", "train/2", "test/10")
    reading = reading_of(tmp_path)
    assert reading.test is not None
    assert reading.train.labels.tolist() == [1, 1, 0, 0]  # in the order of their paths
    assert reading.test.labels.tolist() == [1, 1]
    assert tuple(reading.test.class_names) == ("2", "10")


def test_names_that_are_written_in_two_ways(tmp_path: Path) -> None:
    write(tmp_path, "train/caf\u00e9 ", "train/the", "test/cafe\u0301")
    reading = reading_of(tmp_path)
    assert isinstance(reading.test, Digits)
    assert reading.train.class_names == ("caf\u00e9", "the")
    assert reading.test.labels.tolist() == [0, 0]
    write(tmp_path, "train/cafe\u0301")
    with pytest.raises(DataError, match=r"one folder for each class, received two of the same"):
        reading_of(tmp_path)


def test_parts_that_name_a_class_otherwise(tmp_path: Path) -> None:
    write(tmp_path, "train/01", "train/02", "test/1", "test/2")
    with pytest.raises(DataError, match=r"none of 1, 2\. .* '1' looks like '01': give both parts"):
        reading_of(tmp_path)


def test_two_training_parts_are_refused(tmp_path: Path) -> None:
    write(tmp_path, "train/1", "train/2", "Training/1", "Training/2")
    with pytest.raises(DataError, match=r"one folder 'train', received Training and train"):
        reading_of(tmp_path)


def test_writers_who_wrote_some_classes_are_no_classes(tmp_path: Path) -> None:
    write(tmp_path, "anna/cat", "anna/dog", "bob/cat", "bob/cow", "carl/cow", "carl/dog")
    with pytest.raises(DataError, match=r"anna, bob, carl, which have the sub-folders cat, cow"):
        reading_of(tmp_path)


def test_folders_inside_classes_are_said(tmp_path: Path) -> None:
    write(tmp_path, "cat/monday", "dog/tuesday", "dog/friday")
    assert reading_of(tmp_path).notes == (
        "Classes are the upper folders; read as parts of them: 3 folders inside (cat/monday, "
        "dog/friday, dog/tuesday).",
    )


def test_one_folder_of_pictures_has_no_labels(tmp_path: Path) -> None:
    write(tmp_path, "images")
    with pytest.raises(DataError, match=r"two classes or more, found only 'images'\. Put the"):
        reading_of(tmp_path)


@pytest.mark.parametrize("name", ["7.zip", "7.tar.gz", "7.lnk", "digit_7.npz"])
def test_a_class_that_is_packed_or_a_shortcut_is_refused(name: str, tmp_path: Path) -> None:
    write(tmp_path, *"012345689")
    (tmp_path / "backup.zip").write_bytes(b"PK")
    (tmp_path / "3.zip").write_bytes(b"PK")
    assert reading_of(tmp_path).notes[0].startswith("Passed over: 2 files beside the pictures")
    (tmp_path / name).write_bytes(b"PK")
    with pytest.raises(DataError, match=r"the pictures of class '(digit_)?7' in a folder, receiv"):
        reading_of(tmp_path)


@pytest.mark.parametrize("name", ["7~", "7.part", "7.crdownload"])
def test_folders_called_like_unfinished_files_are_no_secret(name: str, tmp_path: Path) -> None:
    """What ends a file's name says nothing of a folder."""
    write(tmp_path, *"012345689", name)
    with pytest.raises(DataError, match=rf"^{name}: Expected a folder of a class, as 0, 1, 2"):
        reading_of(tmp_path)


def test_the_training_part_is_named_first(tmp_path: Path) -> None:
    write(tmp_path, *(f"{part}/images/{k}" for part in ("test", "train") for k in DIGITS))
    with pytest.raises(DataError, match=r"Give .*/train/images, or"):
        reading_of(tmp_path)
