"""HDF5 files of others, and those that lie: about where their values are, and how many."""

import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from synthgen.datasets import hdf5
from synthgen.datasets.digits import Digits, Reading
from synthgen.datasets.files import list_files
from synthgen.errors import DataError

IMAGES = np.arange(30 * 4 * 4, dtype=np.uint16).astype(np.uint8).reshape(30, 4, 4)
LABELS = np.arange(30) % 10
TEXT = h5py.string_dtype()
WORDS = np.array(["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"])


def reading_of(path: Path) -> Reading:
    return hdf5.read(list_files(str(path)))


def write(path: Path, fill: Callable[[Any], None], labels: Any = LABELS) -> Path:
    with h5py.File(path, "w") as file:
        file["labels"] = labels
        fill(file)
    return path


def images(file: Any, **options: Any) -> None:
    file.create_dataset("images", data=IMAGES, **options)


def test_groups_names_and_ranges_of_others(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "usps.h5", "w") as file:
        for part, rows in (("train", slice(0, 20)), ("test", slice(20, 30))):
            group = file.create_group(part)
            group["data"] = (IMAGES[rows] / 255).astype(np.float32).reshape(-1, 16)
            group["target"] = LABELS[rows]
    reading = reading_of(tmp_path / "usps.h5")
    assert isinstance(reading.train, Digits)
    assert reading.test is not None
    assert (reading.train.images[..., 0] == IMAGES[:20]).all()
    assert (reading.test.images[3][..., 0] == IMAGES[23]).all()
    assert reading.test.labels.tolist() == LABELS[20:].tolist()


def test_a_part_in_each_file(tmp_path: Path) -> None:
    for part, rows in (("train", slice(0, 20)), ("test", slice(20, 30))):
        with h5py.File(tmp_path / f"{part}_signs.H5", "w") as file:
            file[f"{part}_set_x"] = np.repeat(IMAGES[rows][..., None], 3, 3)
            file[f"{part}_set_y"] = LABELS[rows] % 6
            file["list_classes"] = np.arange(6)
    reading = reading_of(tmp_path)
    assert isinstance(reading.train, Digits)
    assert reading.test is not None
    assert (reading.train.image_shape, len(reading.test)) == ((4, 4, 3), 10)
    assert reading.train.class_names == ("0", "1", "2", "3", "4", "5")
    (tmp_path / "train_signs.H5").unlink()
    with pytest.raises(DataError, match="Expected training images, found only test images"):
        reading_of(tmp_path)


@pytest.mark.parametrize(
    "names", [WORDS.astype("S"), WORDS.astype(TEXT), np.array(["é", *WORDS[1:]], TEXT)]
)
@pytest.mark.parametrize("as_attribute", [True, False])
def test_class_names_of_any_type_of_text(names: Any, as_attribute: bool, tmp_path: Path) -> None:
    def fill(file: Any) -> None:
        images(file)
        (file.attrs if as_attribute else file)["class_names"] = names

    train = reading_of(write(tmp_path / "names.h5", fill)).train
    expected = [name.decode() if isinstance(name, bytes) else name for name in names.tolist()]
    assert list(train.class_names) == expected


@pytest.mark.parametrize(
    "options",
    [
        {"compression": "gzip", "shuffle": True},
        {"compression": "lzf", "fletcher32": True, "chunks": (7, 4, 4)},
        {"chunks": (40, 4, 4), "maxshape": (None, 4, 4)},
        {},
    ],
)
def test_filters_and_layouts_that_every_h5py_has(options: Any, tmp_path: Path) -> None:
    train = reading_of(write(tmp_path / "x.h5", lambda file: images(file, **options))).train
    assert (np.asarray(train.images)[..., 0] == IMAGES).all()


def test_text_of_any_length_may_be_packed(tmp_path: Path) -> None:
    names = [str(label) for label in LABELS]
    with h5py.File(tmp_path / "x.h5", "w") as file:
        images(file)
        file.create_dataset("labels", data=names, dtype=TEXT, compression="gzip", chunks=(7,))
    assert reading_of(tmp_path / "x.h5").train.labels.tolist() == LABELS.tolist()


def test_soft_links_within_the_file_are_followed(tmp_path: Path) -> None:
    def fill(file: Any) -> None:
        file["deep/images"] = IMAGES
        file["images"] = h5py.SoftLink("/deep/images")

    train = reading_of(write(tmp_path / "soft.h5", fill)).train
    assert (np.asarray(train.images)[..., 0] == IMAGES).all()


def virtual(file: Any, sources: int, source: str) -> None:
    layout = h5py.VirtualLayout(shape=IMAGES.shape, dtype=np.uint8)
    for rows in np.array_split(np.arange(len(IMAGES)), sources):
        part = slice(rows[0], rows[-1] + 1)
        layout[part] = h5py.VirtualSource(source, "images", shape=IMAGES.shape)[part]
    file.create_virtual_dataset("images", layout, fillvalue=0)


def linked_group(file: Any, source: str) -> None:
    file["elsewhere"] = h5py.ExternalLink(source, "/")
    file["images"] = h5py.SoftLink("/elsewhere/images")


@pytest.mark.parametrize(
    ("fill", "message"),
    [
        (lambda file, source: virtual(file, 1, source), r"other files \(virtual or external\)"),
        (lambda file, source: virtual(file, 3, source), r"other files \(virtual or external\)"),
        (lambda file, source: virtual(file, 1, "gone.h5"), r"other files \(virtual or external\)"),
        (
            lambda file, source: file.create_dataset(
                "images", IMAGES.shape, np.uint8, external=[(source, 0, IMAGES.size)]
            ),
            r"other files \(virtual or external\)",
        ),
        (
            lambda file, source: file.__setitem__("images", h5py.ExternalLink(source, "images")),
            "received a link to another file, which is not followed",
        ),
        (linked_group, "received a link to another file, which is not followed"),
    ],
    ids=["virtual", "of three", "gone", "external", "link", "linked group"],
)
def test_values_in_other_files_are_not_read(fill: Any, message: str, tmp_path: Path) -> None:
    """A virtual data set with one source ends the HDF5 library when it is read from a stream."""
    source = write(tmp_path / "plain.h5", images)
    path = write(tmp_path / "x.h5", lambda file: fill(file, str(source)))
    with pytest.raises(DataError, match=rf"^x\.h5, 'images': Expected .* {message}"):
        hdf5.read_file(str(path), "x.h5")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"shape": (30, 4, 4)}, "of which 1 of 1 blocks were never written"),
        ({"shape": (30, 4, 4), "chunks": (10, 4, 4)}, "of which 3 of 3 blocks were never written"),
        ({"shape": (10**9, 4, 4), "chunks": (10, 4, 4)}, r"at most 402\.7 MB .* received 16\.0 GB"),
        (
            {"shape": (30, 4, 4), "chunks": (10**8, 4, 4), "maxshape": (None, 4, 4)},
            r"one chunk: Expected at most 402\.7 MB of pixels, received 1\.6 GB",
        ),
    ],
)
def test_sizes_are_checked_before_values_are_read(
    options: Any, message: str, tmp_path: Path
) -> None:
    path = write(
        tmp_path / "x.h5", lambda file: file.create_dataset("images", dtype="u1", **options)
    )
    with pytest.raises(DataError, match=message):
        hdf5.read_file(str(path), "x.h5")


def test_half_written_values_are_refused(tmp_path: Path) -> None:
    def fill(file: Any) -> None:
        data = file.create_dataset("images", (30, 4, 4), np.uint8, chunks=(10, 4, 4))
        data[:10] = IMAGES[:10]

    with pytest.raises(DataError, match="of which 2 of 3 blocks were never written"):
        hdf5.read_file(str(write(tmp_path / "x.h5", fill)), "x.h5")


def test_a_filter_that_is_not_installed_is_named(tmp_path: Path) -> None:
    def fill(file: Any) -> None:
        plan = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        plan.set_chunk((30, 4, 4))
        plan.set_filter(32001, h5py.h5z.FLAG_OPTIONAL, (2, 2, 1, 16, 5, 1, 0))
        space = h5py.h5s.create_simple(IMAGES.shape)
        data = h5py.h5d.create(file.id, b"images", h5py.h5t.NATIVE_UINT8, space, dcpl=plan)
        data.write_direct_chunk((0, 0, 0), bytes(100))

    with pytest.raises(DataError, match=r"that needs filter 32001 \(blosc\), which is not install"):
        hdf5.read_file(str(write(tmp_path / "x.h5", fill)), "x.h5")


@pytest.mark.parametrize(
    ("packed", "message"),
    [
        (zlib.compress(IMAGES.tobytes()[:100]), "that unpacks to fewer bytes: the file is damaged"),
        (zlib.compress(bytes(10**7)), "that unpacks to more bytes: the file is damaged"),
        (zlib.compress(IMAGES.tobytes())[:-9], "unpacks to fewer|that is damaged or of another"),
        (b"not packed", "that is damaged or of another kind"),
    ],
)
def test_a_chunk_that_lies_about_its_size_is_refused(
    packed: bytes, message: str, tmp_path: Path
) -> None:
    """For what a chunk lacks HDF5 returns whatever was in memory, another thing each time."""

    def fill(file: Any) -> None:
        data = file.create_dataset("images", (30, 4, 4), "u1", chunks=True, compression="gzip")
        data.id.write_direct_chunk((0, 0, 0), packed)

    with pytest.raises(DataError, match=message):
        reading_of(write(tmp_path / "x.h5", fill))


def test_values_of_other_types_are_refused(tmp_path: Path) -> None:
    def fill(file: Any) -> None:
        file["images"] = np.zeros(30, np.dtype([("a", "u1"), ("b", "u1")]))

    with pytest.raises(DataError, match="Expected numbers or text, received values of"):
        hdf5.read_file(str(write(tmp_path / "x.h5", fill)), "x.h5")


def test_a_thousand_data_sets_are_too_many(tmp_path: Path) -> None:
    def fill(file: Any) -> None:
        for number in range(1100):
            file[f"image_{number}"] = 0

    with pytest.raises(DataError, match="Expected at most 1,000 data sets"):
        hdf5.read_file(str(write(tmp_path / "x.h5", fill)), "x.h5")


def test_a_group_that_holds_itself_ends(tmp_path: Path) -> None:
    def fill(file: Any) -> None:
        images(file)
        file["loop/again"] = file["/"]

    arrays, _ = hdf5.read_file(str(write(tmp_path / "x.h5", fill)), "x.h5")
    assert set(arrays) == {"images", "labels"}


def test_the_name_of_a_file_says_its_part(tmp_path: Path) -> None:
    """The arrays have the same names in each."""
    for name, rows in (("mnist_train", slice(0, 20)), ("mnist-test", slice(20, 30))):
        with h5py.File(tmp_path / f"{name}.h5", "w") as file:
            file["images"] = IMAGES[rows]
            file["labels"] = LABELS[rows]
    reading = reading_of(tmp_path)
    assert isinstance(reading.train, Digits)
    assert reading.test is not None
    assert (reading.train.images[..., 0] == IMAGES[:20]).all()
    assert (np.stack(list(reading.test.images))[..., 0] == IMAGES[20:]).all()

    # one alone is all that there is; one of validation images is neither
    (tmp_path / "mnist_train.h5").rename(tmp_path / "contest.h5")
    assert reading_of(tmp_path / "mnist-test.h5").test is None
    assert reading_of(tmp_path).test is not None
    (tmp_path / "contest.h5").rename(tmp_path / "val.h5")
    with pytest.raises(DataError, match=r"^val\.h5: Expected files of training and test images"):
        reading_of(tmp_path)


def test_arrays_that_were_not_read_are_said(tmp_path: Path) -> None:
    def fill(file: Any) -> None:
        images(file)
        file["extra/images"] = IMAGES
        file["masks"] = h5py.ExternalLink("gone.h5", "masks")
        file["weights"] = LABELS

    notes = reading_of(write(tmp_path / "x.h5", fill)).notes
    assert notes == ("x.h5: Passed over: 2 arrays (extra/images, masks).",)


def test_a_reader_that_dies_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the place of a file that ends the HDF5 library: an interpreter that ends at once."""
    path = write(tmp_path / "x.h5", images)
    monkeypatch.setattr("sys.executable", "/bin/false")
    with pytest.raises(DataError, match=r"x\.h5: .* one that ends the HDF5 library .*exit code 1"):
        reading_of(path)


def test_remote_files_are_read(tmp_path: Path) -> None:
    import fsspec

    content = write(tmp_path / "x.h5", images).read_bytes()
    fsspec.filesystem("memory").pipe_file("/remote/x.h5", content)
    train = hdf5.read(list_files("memory://remote/x.h5")).train
    assert (np.asarray(train.images)[..., 0] == IMAGES).all()
