"""Formats of real data: each is written with the library that users have, read, and damaged."""

import gzip
import hashlib
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from synthgen.datasets import hdf5, idx
from synthgen.datasets.arrays import to_parts
from synthgen.datasets.digits import Digits, Parts
from synthgen.datasets.framing import FramingSettings
from synthgen.datasets.mnist import is_official, mnist_folder
from synthgen.datasets.pixels import encode_png
from synthgen.datasets.sources import describe, describe_text, load_real
from synthgen.datasets.splits import RealDigits, split_parts, split_test, split_validation
from synthgen.errors import DataError


def halves(digits: Digits) -> tuple[Digits, Digits]:
    return digits.take(slice(0, 120)), digits.take(slice(120, 200))


def write_idx(path: Path, train: Digits, test: Digits | None) -> str:
    assert test is not None
    path.mkdir()
    arrays = (train.images[..., 0], train.labels, test.images[..., 0], test.labels)
    for name, array in zip(idx.IDX_NAMES, arrays, strict=True):
        (path / f"{name}.gz").write_bytes(gzip.compress(idx.to_idx(array)))
    return str(path)


def write_keras_npz(path: Path, train: Digits, test: Digits | None) -> str:
    assert test is not None
    file = path.with_suffix(".npz")
    np.savez(
        file,
        x_train=train.images[..., 0],
        y_train=train.labels,
        x_test=test.images[..., 0],
        y_test=test.labels.astype(np.int64),
    )
    return str(file)


def write_npz(path: Path, train: Digits, test: Digits | None) -> str:
    more: dict[str, Any] = (
        {} if test is None else {"test_images": test.images, "test_labels": test.labels}
    )
    file = path.with_suffix(".npz")
    np.savez(
        file,
        images=train.images,
        labels=train.labels,
        class_names=np.array(train.class_names),
        **more,
    )
    return str(file)


def write_small_npz(path: Path, train: Digits, test: Digits | None) -> str:
    np.savez_compressed(path.with_suffix(".npz"), images=train.images, labels=train.labels)
    return str(path.with_suffix(".npz"))


def write_hdf5(path: Path, train: Digits, test: Digits | None) -> str:
    file = path.with_suffix(".h5")
    with h5py.File(file, "w") as content:
        content["images"], content["labels"] = train.images, train.labels
        content.attrs["class_names"] = list(train.class_names)
        if test is not None:
            content["test_images"], content["test_labels"] = test.images, test.labels
    return str(file)


def write_pictures(path: Path, train: Digits, test: Digits | None) -> str:
    parts = {"": train} if test is None else {"train": train, "test": test}
    for prefix, part in parts.items():
        for row, label in enumerate(part.labels):
            folder = path / prefix / str(part.class_names[label])
            folder.mkdir(parents=True, exist_ok=True)
            (folder / f"{row:05d}.png").write_bytes(encode_png(part.images[row]))
    return str(path)


def by_class(digits: Digits) -> str:
    """Identity in an order that does not depend on how the files were laid out."""
    return digits.take(np.argsort(digits.labels, kind="stable")).sha256()


WITH_TEST = [write_idx, write_keras_npz, write_npz, write_hdf5, write_pictures]
WITHOUT_TEST = [write_npz, write_hdf5, write_pictures]


@pytest.mark.parametrize("write", WITH_TEST)
def test_every_format_reads_back_what_was_written(
    write: Callable[..., str], tiny_digits: Digits, tmp_path: Path
) -> None:
    train, test = halves(tiny_digits)
    path = write(tmp_path / "real", train, test)
    real = load_real(path)
    assert by_class(real.test) == by_class(test)
    train, validation = split_validation(
        train
        if write is not write_pictures
        else train.take(np.argsort(train.labels, kind="stable"))
    )
    assert (real.train.sha256(), real.validation.sha256()) == (
        train.sha256(),
        validation.sha256(),
    )
    assert (len(real.train), len(real.validation), len(real.test)) == (110, 10, 80)
    assert real.source == f"{path} (not the original MNIST)"
    assert real.train.class_names == tuple("0123456789")


@pytest.mark.parametrize("write", WITHOUT_TEST)
def test_without_a_test_part_a_sixth_is_set_aside_and_said_so(
    write: Callable[..., str], tiny_digits: Digits, tmp_path: Path
) -> None:
    path = write(tmp_path / "real", tiny_digits, None)
    real = load_real(path)
    stored = (
        tiny_digits
        if write is not write_pictures
        else tiny_digits.take(np.argsort(tiny_digits.labels, kind="stable"))
    )
    assert real.test.sha256() == split_test(stored)[1].sha256()
    assert (len(real.train), len(real.validation), len(real.test)) == (153, 14, 33)
    assert (
        real.source
        == f"{path} (not the original MNIST); it has no test part: a fixed, stratified sixth of "
        "it was set aside as test digits"
    )


def test_loading_twice_gives_the_same_digits(tiny_digits: Digits, tmp_path: Path) -> None:
    path = write_hdf5(tmp_path / "real", tiny_digits, None)
    assert load_real(path).sha256 == load_real(path).sha256


def test_the_identity_is_that_of_all_three_parts(tiny_digits: Digits) -> None:
    train, test = halves(tiny_digits)
    real = split_parts(train, test, "here")
    parts = real.train.sha256() + real.validation.sha256() + real.test.sha256()
    assert real.sha256 == hashlib.sha256(parts.encode()).hexdigest()
    assert split_parts(test, train, "here").sha256 != real.sha256


def test_a_folder_of_shards_is_read_as_one(tiny_digits: Digits, tmp_path: Path) -> None:
    first, second = halves(tiny_digits)
    for name, part in (("00000", first), ("00001", second)):
        write_hdf5(tmp_path / name, part, None)
    (tmp_path / "00002.h5.1234abcd.part").write_bytes(b"left by a killed writer")
    assert (
        load_real(str(tmp_path)).sha256
        == load_real(write_hdf5(tmp_path.parent / f"{tmp_path.name}-one", tiny_digits, None)).sha256
    )


def test_classes_are_named_by_the_folders(tmp_path: Path) -> None:
    for k, name in enumerate(["10", "9", "2"]):
        write_pictures(
            tmp_path,
            Digits(np.full((12, 3, 4, 3), k, np.uint8), np.zeros(12, np.uint8), (name,)),
            None,
        )
    real = load_real(str(tmp_path))
    assert list(real.train.class_names) == ["2", "9", "10"]
    assert [
        set(real.train.images[real.train.labels == label].ravel().tolist()) for label in range(3)
    ] == [{2}, {1}, {0}]
    assert real.train.image_shape == (3, 4, 3)
    (tmp_path / "2").rename(tmp_path / "two")
    assert list(load_real(str(tmp_path)).train.class_names) == ["9", "10", "two"]


def test_pictures_in_blocks_and_other_files_beside_them(
    tiny_digits: Digits, tmp_path: Path
) -> None:
    path = write_pictures(tmp_path / "real", tiny_digits, None)
    before = load_real(path).sha256
    for label in "0123456789":
        (tmp_path / "real" / label / "block").mkdir()
        for file in (tmp_path / "real" / label).glob("*.png"):
            file.rename(file.parent / "block" / file.name)
    (tmp_path / "real" / "notes.txt").write_text("not a picture")
    (tmp_path / "real" / ".thumbnails").mkdir()
    (tmp_path / "real" / ".thumbnails" / "a.png").write_bytes(b"not read")
    assert load_real(path).sha256 == before


def test_other_file_systems(tiny_digits: Digits, tmp_path: Path) -> None:
    import fsspec

    path = write_npz(tmp_path / "real", tiny_digits, None)
    fsspec.filesystem("memory").pipe_file("/somewhere/real.npz", Path(path).read_bytes())
    assert load_real("memory://somewhere/real.npz").sha256 == load_real(path).sha256


def save(tmp_path: Path, **arrays: Any) -> str:
    np.savez(tmp_path / "real.npz", **arrays)
    return str(tmp_path / "real.npz")


IMAGES = np.zeros((60, 4, 4), np.uint8)
LABELS = np.arange(60) % 10


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        (
            {"images": IMAGES, "labels": LABELS + 1},
            "real.npz: Expected labels from 0 to 9, received 10 for image 9 (6 in all).",
        ),
        (
            {"images": IMAGES, "labels": LABELS[:-1]},
            "real.npz: Expected one label for each image, received 60 images and 59 labels.",
        ),
        (
            {"images": IMAGES - 0.25, "labels": LABELS},
            "real.npz: Expected pixels of 0..255, 0..1 or -1..1, received float64 of -0.25..-0.25.",
        ),
        (
            {"images": IMAGES.reshape(60, 2, 8, 1, 1), "labels": LABELS},
            "Expected images of shape (n, height, width, 1 or 3) and dtype uint8, received "
            "(60, 2, 8, 1, 1) uint8.",
        ),
        (
            {"images": IMAGES},
            "real.npz: Expected an array 'labels', found images. Expected is an .npz file: x_train",
        ),
        (
            {"x_train": IMAGES, "y_train": LABELS, "x_test": IMAGES},
            "Expected an array 'y_test', found x_test, x_train, y_train.",
        ),
        ({"pictures": IMAGES}, "Expected an array 'images', found pictures."),
        (
            {"images": IMAGES[:0], "labels": LABELS[:0]},
            "Expected at least one training and one test image, received 0 and 0.",
        ),
        (
            {"images": IMAGES, "labels": LABELS, "test_images": IMAGES, "test_labels": LABELS - 1},
            "real.npz, test part: Expected labels from 0 to 9, received -1",
        ),
        (
            {"images": np.array([{}], object), "labels": LABELS},
            "'images': Expected numbers or text, received Python objects, which are not read",
        ),
    ],
)
def test_arrays_that_cannot_be_used(arrays: dict[str, Any], message: str, tmp_path: Path) -> None:
    path = save(tmp_path, **arrays)
    with pytest.raises(DataError) as caught:
        load_real(path)
    assert str(caught.value).startswith(f"--data {path}: ")
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("name", "kind"), [("real.npz", "an NPZ file"), ("real.h5", "an HDF5 file")]
)
@pytest.mark.parametrize("share", [0.0, 0.5, 0.99])
def test_files_that_are_cut_off(
    name: str, kind: str, share: float, tiny_digits: Digits, tmp_path: Path
) -> None:
    (write_npz if name.endswith("npz") else write_hdf5)(tmp_path / "real", tiny_digits, None)
    content = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(content[: int(len(content) * share)])
    with pytest.raises(DataError, match=f"{name}: Expected {kind}, received"):
        load_real(str(tmp_path / name))


def read_hdf5(path: str) -> Digits | None:
    arrays, _ = hdf5.read_file(path, f"--data {path}: real.h5")
    return to_parts((arrays["images"], arrays["labels"]), None, f"--data {path}: ")[0]


@pytest.mark.parametrize(
    ("name", "write", "load"),
    [
        ("real.npz", write_npz, lambda path: load_real(path).train),
        ("real.npz", write_small_npz, lambda path: load_real(path).train),
        ("real.h5", write_hdf5, read_hdf5),
    ],
)
def test_a_flipped_bit_is_another_value_or_a_data_error(
    name: str,
    write: Callable[..., str],
    load: Callable[[str], Digits],
    tiny_digits: Digits,
    tmp_path: Path,
) -> None:
    """HDF5 is read in this process, because 300 processes of their own take minutes."""
    # so that most bits are the format's
    write(tmp_path / "real", Digits(tiny_digits.images[:20, :2, :2], tiny_digits.labels[:20]), None)
    content, chance, said = (tmp_path / name).read_bytes(), random.Random(5), []
    for _ in range(300):
        flipped = bytearray(content)
        flipped[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
        (tmp_path / name).write_bytes(flipped)
        try:
            assert load(str(tmp_path / name)).classes
        except DataError as error:
            said.append(str(error))
    assert 20 < len(said) < 300
    assert all(words.startswith(f"--data {tmp_path / name}: ") for words in said)


def test_a_file_that_is_no_archive_is_not_to_be_unpickled(tmp_path: Path) -> None:
    (tmp_path / "real.npz").write_bytes(b"something else")
    with pytest.raises(
        DataError,
        match=r"received 14 bytes that are not one or are damaged \(they do not begin like a zip "
        r"archive\)\.$",
    ):
        load_real(str(tmp_path / "real.npz"))


def test_hdf5_without_what_is_needed(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "real.h5", "w") as content:
        content["images"] = IMAGES
        content.create_group("labels")
    with pytest.raises(DataError, match=r"real\.h5: Expected an array 'labels', found images\."):
        load_real(str(tmp_path / "real.h5"))


def test_hdf5_files_that_do_not_belong_together(tiny_digits: Digits, tmp_path: Path) -> None:
    write_hdf5(tmp_path / "a", tiny_digits, None)
    write_hdf5(tmp_path / "b", Digits(tiny_digits.images[:, :20], tiny_digits.labels), None)
    with pytest.raises(
        DataError,
        match=r"b\.h5: Expected image shape and classes of a\.h5, \(\(28, 28, 1\), .* received "
        r"\(\(20, 28, 1\), ",
    ):
        load_real(str(tmp_path))


def test_the_hdf5_file_with_other_test_digits_is_named(tiny_digits: Digits, tmp_path: Path) -> None:
    write_hdf5(tmp_path / "a", tiny_digits, None)
    write_hdf5(tmp_path / "b", tiny_digits, tiny_digits)
    write_hdf5(tmp_path / "c", tiny_digits, Digits(tiny_digits.images[:, :20], tiny_digits.labels))
    with pytest.raises(DataError, match=r"c\.h5: Expected image shape and classes of b\.h5, "):
        load_real(str(tmp_path))


def picture(height: int = 4) -> bytes:
    return encode_png(np.zeros((height, 4, 1), np.uint8))


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (
            {"a/1.png": picture(), "b/2.png": picture()[:30]},
            r"b/2\.png: Expected a picture \(png, .*\), received 30 bytes that do not begin like "
            r"one\.",
        ),
        (
            {"a/1.png": picture(), "sheet.png": picture()},
            r"sheet\.png: Expected every picture in the sub-folder of its class, found 1 beside",
        ),
        (
            {"a/1.png": picture(), "a/2.png": picture()},
            r"Expected the sub-folders of two classes or more, found only 'a'\.",
        ),
        (
            {"train/a/1.png": picture(), "test/1.png": picture()},
            r"test: Expected every picture in the sub-folder of its class, found 1 picture beside",
        ),
        (
            {"train/a/1.png": picture(), "test/a/1.png": picture(), "val/a/1.png": picture()},
            r"only train and test with these inside, found test and train beside val\. Move what",
        ),
        (
            {"test/1.png": picture(), **{f"{k}/1.png": picture() for k in range(7)}},
            r"found test beside 0, 1, 2, 3, 4 and 2 more\. .* rename its folder\.",
        ),
        (
            {"3_1.png": picture(), "7_1.png": picture()},
            r"pictures with labels, found 2 pictures \(3_1\.png, 7_1\.png\) without\. Put those",
        ),
        (
            {"sample.csv": b"id\n", "train.csv": b"label\n", "train-labels.csv": b""},
            r"found sample\.csv, train-labels\.csv, train\.csv\. Give .*/train-labels\.csv\.$",
        ),
        (
            {"test/a/1.png": picture(), "test/b/1.png": picture()},
            r"Expected training images of each of the 2 classes, received none of a, b\.",
        ),
    ],
)
def test_folders_of_pictures_that_cannot_be_used(
    files: dict[str, bytes], message: str, tmp_path: Path
) -> None:
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=message):
        load_real(str(tmp_path))


def test_the_names_of_the_parts_may_be_capitalised(tiny_digits: Digits, tmp_path: Path) -> None:
    path = write_pictures(tmp_path / "real", *halves(tiny_digits))
    expected = load_real(path).sha256
    (tmp_path / "real" / "train").rename(tmp_path / "real" / "Train")
    (tmp_path / "real" / "test").rename(tmp_path / "real" / "TESTING")
    assert load_real(path).sha256 == expected


def test_a_path_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(
        DataError,
        match=r"^--data .*gone: Expected 'mnist', a file or a folder, but there is nothing of "
        r"that name\.$",
    ):
        load_real(str(tmp_path / "gone"))


def test_a_kind_of_address_that_is_not_known() -> None:
    with pytest.raises(
        DataError,
        match=r"^--data nonsense://x: Expected a folder or a URL of an installed fsspec file "
        r"system",
    ):
        load_real("nonsense://x")


@pytest.mark.parametrize(
    ("names", "found"),
    [
        ([], "an empty folder"),
        ([f"{k}.txt" for k in range(7)], "0.txt, 1.txt, 2.txt, 3.txt, 4.txt and 2 more"),
    ],
)
def test_a_folder_of_no_known_format_is_told_all_of_them(
    names: list[str], found: str, tmp_path: Path
) -> None:
    for name in names:
        (tmp_path / name).write_bytes(b"")
    with pytest.raises(DataError) as caught:
        load_real(str(tmp_path))
    lines = str(caught.value).splitlines()
    assert lines[0] == f"--data {tmp_path}: Expected 'mnist' or one of"
    assert [line.split()[1].strip(":") for line in lines[1:6]] == [
        "folder",
        ".npz",
        ".h5",
        ".csv",
        "folder",
    ]
    assert lines[6:] == [f"found {found}."]


def test_three_of_the_four_idx_files_are_not_enough(tiny_digits: Digits, tmp_path: Path) -> None:
    path = write_idx(tmp_path / "real", *halves(tiny_digits))
    (tmp_path / "real" / "t10k-labels-idx1-ubyte.gz").unlink()
    with pytest.raises(
        DataError,
        match=r"found t10k-images-idx3-ubyte\.gz, train-images-idx3-ubyte\.gz, "
        r"train-labels-idx1-ubyte\.gz\.",
    ):
        load_real(path)


def test_description(tiny_digits: Digits) -> None:
    named = Digits(tiny_digits.images, tiny_digits.labels % 2, ("even", "odd"))
    real = split_parts(*halves(named), "here")
    assert describe(real) == {
        "source": "here",
        "sha256": real.sha256,
        "image_shape": [28, 28, 1],
        "pixels": [0, 255],
        "images": {"train": 110, "validation": 10, "test": 80},
        "per_class": {
            "even": {"train": 55, "validation": 5, "test": 40},
            "odd": {"train": 55, "validation": 5, "test": 40},
        },
        "notes": [],
        "findings": [],
    }
    assert describe_text(real).splitlines() == [
        "source  here",
        f"sha256  {real.sha256}",
        "images  28 x 28 x 1 uint8, 0..255",
        "  class       train  validation        test",
        "  even           55           5          40",
        "  odd            55           5          40",
        "  all           110          10          80",
    ]


@pytest.mark.mnist
def test_the_real_mnist(mnist: RealDigits) -> None:
    assert (len(mnist.train), len(mnist.validation), len(mnist.test)) == (55_000, 5_000, 10_000)
    assert (mnist.train.counts() + mnist.validation.counts()).tolist() == [
        5923,
        6742,
        5958,
        6131,
        5842,
        5421,
        5918,
        6265,
        5851,
        5949,
    ]
    assert mnist.test.counts().tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    assert mnist.train.image_shape == (28, 28, 1)
    assert mnist.sha256 == "2e178d8b667ec5f66f2a879208e3395ce96426021af505b55900ad3e06a30a22"
    assert mnist.source.startswith("MNIST, from the ")


@pytest.mark.mnist
def test_mnist_is_known_by_its_content_wherever_it_lies(mnist: RealDigits) -> None:
    again = load_real(mnist_folder())
    assert again.source == f"MNIST, from {mnist_folder()}"
    assert again.sha256 == mnist.sha256
    black = Digits(np.zeros((60_000, 28, 28, 1), np.uint8), np.zeros(60_000, np.uint8))
    assert not is_official(Parts(black, mnist.test))


def test_what_was_done_and_what_looks_wrong_is_said(tiny_digits: Digits, tmp_path: Path) -> None:
    paper = Digits(255 - tiny_digits.images, tiny_digits.labels)
    path = write_pictures(tmp_path / "real", paper, None)
    (tmp_path / "real/.DS_Store").write_bytes(b"")
    said: list[str] = []
    real = load_real(path, said.append)
    assert real.notes == ("Passed over: 1 hidden or system file (.DS_Store).",)
    ground = "The images are dark ink on a light ground; generators draw light on dark. "
    assert real.findings == (
        f"{ground}They are left as they are, which only matters to one who trains a generator on "
        "them: pass fitting=FramingSettings(polarity='dark-on-light') for that.",
    )
    for_commands = load_real(path, lambda _: None, FramingSettings())
    assert for_commands.findings == (
        f"{ground}`build` with the shipped generator inverts them by itself. To train a generator "
        "of your own, name --polarity dark-on-light or --fit mnist.",
    )
    assert said == [f"NOTICE: {line}" for line in (*real.notes, *real.findings)]
    assert describe_text(real).splitlines()[-2:] == [
        f"note    {real.notes[0]}",
        f"check   {real.findings[0]}",
    ]


def test_pictures_are_fitted_and_the_source_says_so(tiny_digits: Digits, tmp_path: Path) -> None:
    paper = Digits(255 - tiny_digits.images, tiny_digits.labels)
    path = write_npz(tmp_path / "real", paper, None)
    kept = load_real(path)
    turned = load_real(path, fitting=FramingSettings(polarity="dark-on-light"))
    fitted = load_real(path, fitting=FramingSettings(shape=(28, 28, 1)))
    assert kept.train.images.max() == 255
    assert (turned.train.images == 255 - kept.train.images).all()
    assert turned.findings == ()
    assert fitted.framing is not None
    assert fitted.framing.fit == "mnist"
    assert fitted.source == (
        f"{path} (not the original MNIST); {fitted.framing}; it has no test part: a fixed, "
        "stratified sixth of it was set aside as test digits"
    )
    assert len({kept.sha256, turned.sha256, fitted.sha256}) == 3


def test_pictures_of_several_sizes_become_one(tiny_digits: Digits, tmp_path: Path) -> None:
    path = write_pictures(tmp_path / "real", tiny_digits, None)
    cut = tiny_digits.images[0, 2:, 4:]
    (tmp_path / "real/0/00000.png").write_bytes(encode_png(cut))
    real = load_real(path)
    assert real.train.image_shape == (28, 28, 1)
    assert "several sizes (median 28 x 28 x 1)" in real.source


def test_documents_beside_a_data_file_are_passed_over(tiny_digits: Digits, tmp_path: Path) -> None:
    path = write_npz(tmp_path / "real", tiny_digits, None)
    (tmp_path / "LICENSE").write_text("CC0")
    real = load_real(str(tmp_path))
    assert real.sha256 == load_real(path).sha256
    assert real.notes == ("Passed over: 1 file (LICENSE).",)


def test_the_sub_folder_with_the_data_is_named(tiny_digits: Digits, tmp_path: Path) -> None:
    write_idx(tmp_path / "raw", *halves(tiny_digits))
    with pytest.raises(DataError, match=rf"Give {tmp_path}/raw\.$"):
        load_real(str(tmp_path))


def test_idx_files_may_have_class_names(tiny_digits: Digits, tmp_path: Path) -> None:
    path = write_idx(tmp_path / "real", *halves(tiny_digits))
    names = ["T-shirt", *(f"thing {k}" for k in range(1, 10))]
    (tmp_path / "real/class_names.txt").write_text("\n".join(names) + "\n")
    assert list(load_real(path).train.class_names) == names


@pytest.mark.parametrize("name", ["../x", "T-shirt/top", "a\0b", "\x1b[31mred", "con:"])
def test_classes_that_no_folder_can_be_named_by(
    name: str, tiny_digits: Digits, tmp_path: Path
) -> None:
    """They are refused before a generator is trained on them."""
    names = np.array([name, *"123456789"])
    content = {"images": tiny_digits.images, "labels": tiny_digits.labels, "class_names": names}
    np.savez(tmp_path / "a.npz", **content)
    with pytest.raises(DataError, match="that can name a folder of images, received"):
        load_real(str(tmp_path / "a.npz"))


def test_classes_without_images_are_left_away_and_said(tmp_path: Path) -> None:
    path = save(tmp_path, images=IMAGES, labels=LABELS % 2 * 4 + 3)
    real = load_real(path, log=lambda _: None)
    assert real.train.class_names == ("3", "7")
    assert real.train.counts().sum() == len(real.train)
    assert real.notes == (
        "No images of 0, 1, 2, 4, 5, 6, 8, 9: the classes are 3, 7, and are numbered in this "
        "order.",
    )


def test_a_class_of_the_test_part_alone_is_refused(tmp_path: Path) -> None:
    path = save(tmp_path, x_train=IMAGES, y_train=LABELS % 9, x_test=IMAGES, y_test=LABELS % 10)
    with pytest.raises(DataError, match="each of the 10 classes, received none of 9"):
        load_real(path, log=lambda _: None)


def test_labels_that_are_all_the_same_are_refused(tmp_path: Path) -> None:
    path = save(tmp_path, images=IMAGES, labels=LABELS * 0 + 3)
    with pytest.raises(DataError, match=rf"received {len(IMAGES)} images of class '3' alone"):
        load_real(path, log=lambda _: None)


def test_names_that_look_alike_are_said_in_every_format(tmp_path: Path) -> None:
    path = save(tmp_path, images=IMAGES, labels=LABELS % 2, class_names=np.array(["1", "01"]))
    (note,) = load_real(path, log=lambda _: None).notes
    assert note.startswith("1 and 01 are two classes, though they are the same number.")


@pytest.mark.parametrize(
    ("name", "advice"),
    [("a.zip", "Unpack it"), ("train.csv.gz", "Unpack it"), ("x.npy", "Save images and")],
)
def test_formats_that_are_not_read_are_told_what_to_do(
    name: str, advice: str, tmp_path: Path
) -> None:
    (tmp_path / name).write_bytes(b"anything")
    with pytest.raises(DataError, match=rf"\nfound {name}\. {advice}"):
        load_real(str(tmp_path / name))


@pytest.mark.parametrize("name", ["", " ", "a\0b"])
def test_an_empty_name_is_not_the_current_folder(name: str) -> None:
    """It is what a variable of a shell gives that was never set."""
    with pytest.raises(DataError, match=r"received the name '.*'\. Name the current folder"):
        load_real(name)
