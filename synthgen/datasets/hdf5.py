"""HDF5: one file, or a folder of files such as synthgen's own shards, with images and labels.

The HDF5 library can crash or loop for ever on a damaged file, and a file can name any other file
of the machine as the place of its data. So files are read in a process of its own, with limits on
memory and time, and only data sets are read that lie in their file as a whole: not external, not
virtual, not linked to another file, written at all, and of a size that was checked beforehand.
"""

import contextlib
import json
import math
import os
import re
import subprocess
import sys
import tempfile
import zlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

import h5py
import numpy as np
from numpy.typing import NDArray

from synthgen.datasets.arrays import decode_text, find_keys, left_arrays, to_parts
from synthgen.datasets.class_names import TEST_NAMES, TRAIN_NAMES, VALIDATION_NAMES
from synthgen.datasets.digits import Digits, Reading
from synthgen.datasets.files import FILE_BYTES, Listing, check_array_bytes
from synthgen.errors import DataError
from synthgen.text import byte_size

HDF5_LAYOUT = (
    "an .h5 or .hdf5 file, or a folder of them (synthgen's shards): images, labels "
    "[, test_images, test_labels; attribute class_names]"
)
GROUP_DEPTH = 4
SIZE_KEEPING_FILTERS = (h5py.h5z.FILTER_SHUFFLE, h5py.h5z.FILTER_FLETCHER32)
MOST_NAMES = 1000
READER_BYTES = 1_000_000_000  # of address space; a reader without a file has 250 million
READER_SECONDS = 8  # of processor time, beside what the size of the files takes
READER_BYTES_A_SECOND = 20e6
FILTER_NAMES = {  # registered filters, https://github.com/HDFGroup/hdf5_plugins
    305: "lzo",
    307: "bzip2",
    32001: "blosc",
    32004: "lz4",
    32008: "bitshuffle",
    32013: "zfp",
    32015: "zstd",
    32026: "blosc2",
}


def matches(files: Collection[str]) -> bool:
    """Whether these are HDF5 files and nothing else."""
    return bool(files) and all(file.lower().endswith((".h5", ".hdf5")) for file in files)


def read(listing: Listing) -> Reading:
    """Read HDF5 files, one after the other.

    Raises:
        DataError: if one is damaged, lacks a data set or does not fit the others, or if none has
            training images.
    """
    train: dict[str, Digits] = {}
    test: dict[str, Digits] = {}
    notes: list[str] = []
    part_of = _parts_by_name([*listing.files])
    for file, arrays, left in _read_in_process(listing):
        parts = to_parts(
            (arrays["images"], arrays["labels"]) if "images" in arrays else None,
            (arrays["test_images"], arrays["test_labels"]) if "test_images" in arrays else None,
            file,
            arrays.get("class_names"),
        )
        notes += [f"{file}: {left}"] if left else []
        if part_of.get(file) == "test":
            if parts[0] is not None and parts[1] is not None:
                raise DataError(
                    f"{file}: Expected test images alone, as its name says, received training "
                    "images beside them. Rename the file, or move it away."
                )
            parts = (None, parts[0] if parts[1] is None else parts[1])
        for part, found in zip((train, test), parts, strict=True):
            if found is not None:
                part[file] = found
    if not train:
        raise DataError(
            f"{next(iter(test))}: Expected training images, found only test images. Name them "
            "images and labels: a test part is set aside from these."
        )
    return Reading(_concatenate(train), _concatenate(test) if test else None, tuple(notes))


def _parts_by_name(files: Sequence[str]) -> dict[str, str]:
    """Find out from the names of files, where some differ in that, which part each one is.

    Returns:
        "train" or "test" for each file that has the word in its path; {} if no file is for training
        then.

    Raises:
        DataError: if a file is called one of validation images beside others.
    """
    parts: dict[str, str] = {}
    for file in files:
        words = {word for word in re.split(r"[^a-z]+", file.lower().rpartition(".")[0]) if word}
        for part, known in (
            ("train", TRAIN_NAMES),
            ("test", TEST_NAMES),
            ("validation", VALIDATION_NAMES),
        ):
            if words & {*known}:
                parts[file] = part
    validation = [file for file, part in parts.items() if part == "validation"]
    if validation and len(files) > 1:
        raise DataError(
            f"{validation[0]}: Expected files of training and test images only, received one of "
            "validation images by its name. Rename it to train, of which validation images are set "
            "aside, or move it away."
        )
    return parts if any(parts.get(file) != "test" for file in files) else {}


def _concatenate(parts: Mapping[str, Digits]) -> Digits:
    """Join the digits of several files, each under the name of its file."""
    first_file = next(iter(parts))
    digits = list(parts.values())
    expected = (digits[0].image_shape, tuple(digits[0].class_names))
    for file, part in parts.items():
        received = (part.image_shape, tuple(part.class_names))
        if received != expected:
            raise DataError(
                f"{file}: Expected image shape and classes of {first_file}, {expected}, received "
                f"{received}."
            )
    if len(digits) == 1:
        return digits[0]
    return Digits(
        np.concatenate([part.images for part in digits]),
        np.concatenate([part.labels for part in digits]),
        digits[0].class_names,
    )


# The reading process: a request comes in as JSON; out goes a line of JSON a file, and its arrays


def _read_in_process(listing: Listing) -> Iterator[tuple[str, dict[str, NDArray[Any]], str]]:
    """Yield each file, its arrays and what was left out, read by a process with limits."""
    for file in listing.files:
        listing.check_size(file, FILE_BYTES)
    with contextlib.ExitStack() as stack:
        paths = [_local_path(listing, file, stack) for file in listing.files]
        seconds = READER_SECONDS + sum(listing.files.values()) / READER_BYTES_A_SECOND
        process = stack.enter_context(reading_process("synthgen.datasets.hdf5"))
        if process.stdin is None or process.stdout is None:
            raise DataError("Expected a process with open streams to read HDF5 files with.")
        request = {"seconds": math.ceil(seconds), "paths": paths, "names": list(listing.files)}
        with contextlib.suppress(BrokenPipeError):
            process.stdin.write(json.dumps(request).encode())
            process.stdin.close()
        for file in listing.files:
            try:
                answer = json.loads(process.stdout.readline())
                arrays = {
                    key: _receive(process.stdout, np.empty(shape, np.dtype(kind)))
                    for key, kind, shape in answer.get("arrays", ())
                }
            except (ValueError, EOFError) as error:
                raise DataError(
                    f"{file}: Expected an HDF5 file, received one that ends the HDF5 library or "
                    f"keeps it busy for more than {seconds:.0f} s (exit code {process.wait()}): "
                    "it is damaged. Replace it."
                ) from error
            if "error" in answer:
                raise DataError(answer["error"])
            yield file, arrays, answer.get("left", "")


def _receive(stream: IO[bytes], array: NDArray[Any]) -> NDArray[Any]:
    """Fill an array with the bytes that a stream brings.

    Raises:
        EOFError: if it ends before the array is full.
    """
    missing = memoryview(array.reshape(-1).view(np.uint8).data)
    while missing:
        block = stream.read(min(len(missing), 2**24))
        if not block:
            raise EOFError
        missing[: len(block)] = block
        missing = missing[len(block) :]
    return array


def _local_path(listing: Listing, file: str, stack: contextlib.ExitStack) -> str:
    """Return where a file lies on a disk of this machine, if need be as a temporary copy."""
    if listing.storage.is_local:
        return listing.storage.full(listing.place(file))
    folder = stack.enter_context(tempfile.TemporaryDirectory())
    path = Path(folder, "file.h5")
    path.write_bytes(listing.read_bytes(file))
    return str(path)


@contextlib.contextmanager
def reading_process(module: str) -> Iterator[subprocess.Popen[bytes]]:
    """Start a process that reads a file for this one, which a crash or a loop then does not harm.

    Args:
        module: that it runs; it calls `limit_process` before it reads anything.

    Yields:
        The process, with pipes to write to and to read from; it is killed when the block ends.
    """
    package = str(Path(__file__).parents[2])
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join(filter(None, (package, os.environ.get("PYTHONPATH")))),
        "OPENBLAS_NUM_THREADS": "1",  # each thread would reserve address space
    }
    with subprocess.Popen(
        [sys.executable, "-P", "-m", module],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=environment,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def limit_process(seconds: int, memory: int = READER_BYTES) -> None:
    """Limit what this process may take, where the system can do so; Windows cannot.

    Args:
        seconds: of processor time, after which it is killed.
        memory: bytes of address space.
    """
    with contextlib.suppress(ImportError):
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
        resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def answer_request() -> None:
    """Answer the request on standard input; what the reading process runs."""
    request = json.load(sys.stdin)
    limit_process(request["seconds"])
    for path, name in zip(request["paths"], request["names"], strict=True):
        try:
            arrays, left = read_file(path, name)
        except DataError as error:
            sys.stdout.write(json.dumps({"error": str(error)}) + "\n")
            return
        header = [[key, array.dtype.str, array.shape] for key, array in arrays.items()]
        sys.stdout.write(json.dumps({"arrays": header, "left": left}) + "\n")
        sys.stdout.flush()
        for array in arrays.values():
            if array.size:
                sys.stdout.buffer.write(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)
        sys.stdout.buffer.flush()


def read_file(path: str, where: str) -> tuple[dict[str, NDArray[Any]], str]:
    """Read the arrays of one HDF5 file.

    Args:
        path: the file, on a disk of this machine.
        where: how to name it in messages.

    Returns:
        (the arrays that there are of "images", "labels", "test_images", "test_labels" and
        "class_names", as they are stored; which others were left out, in a sentence or "").

    Raises:
        DataError: if the file is damaged, lacks one of the data sets that belong together, or one
            of them does not lie in the file as a whole.
    """
    try:
        with h5py.File(path, "r", locking=False) as content:
            names = _data_set_names(content, where)
            keys = find_keys(names, where, HDF5_LAYOUT)
            wanted: dict[str, str] = {}
            if keys.train:
                wanted |= {"images": keys.train[0], "labels": keys.train[1]}
            if keys.test:
                wanted |= {"test_images": keys.test[0], "test_labels": keys.test[1]}
            if keys.class_names:
                wanted["class_names"] = keys.class_names
            arrays = {
                role: _read_data_set(content, key, names[key], where)
                for role, key in wanted.items()
            }
            if "class_names" in content.attrs:
                arrays["class_names"] = _storable(np.atleast_1d(content.attrs["class_names"]))
            shapes = {key: _shape_of(content, key, link) for key, link in names.items()}
            return arrays, left_arrays(shapes, keys.used)
    except DataError:
        raise
    except MemoryError as error:
        raise DataError(
            f"{where}: Expected an HDF5 file of images, received one that needs more memory than "
            f"{READER_BYTES // 2**20:,} MiB to be read. Give fewer or smaller images."
        ) from error
    except Exception as error:  # damaged bytes make h5py and NumPy raise nearly anything
        raise DataError(
            f"{where}: Expected an HDF5 file, received one that is damaged or of another kind "
            f"({error})."
        ) from error


def _data_set_names(content: Any, where: str) -> dict[str, Any]:
    """Find all data sets of a file without opening one: path -> its link."""
    names: dict[str, Any] = {}
    waiting = [("", 0)]
    while waiting:
        group, depth = waiting.pop()
        for name in content[group] if group else content:
            path = f"{group}/{name}" if group else name
            link = content.get(path, getlink=True)
            if not isinstance(link, h5py.HardLink) or (
                content.get(path, getclass=True) is h5py.Dataset
            ):
                names[path] = link
            elif depth < GROUP_DEPTH:
                waiting.append((path, depth + 1))
            if len(names) + len(waiting) > MOST_NAMES:
                raise DataError(
                    f"{where}: Expected at most {MOST_NAMES:,} data sets, received more. Expected "
                    f"is {HDF5_LAYOUT}."
                )
    return names


def _shape_of(content: Any, key: str, link: Any) -> Sequence[int]:
    """Return the shape of a data set of this file; (0, 0) of what lies elsewhere or is damaged."""
    if not isinstance(link, h5py.HardLink):
        return (0, 0)
    try:
        return content[key].shape or ()
    except Exception:  # whatever it is, it is not read
        return (0, 0)


def _read_data_set(content: Any, key: str, link: Any, where: str) -> NDArray[Any]:
    """Read a data set, once it is known to lie in this file and not to be too large."""
    place = f"{where}, {key!r}"
    if isinstance(link, h5py.SoftLink):
        key = link.path.strip("/")
        link = _link_within(content, key)
    if not isinstance(link, h5py.HardLink):
        raise DataError(
            f"{place}: Expected a data set in this file, received a link to another file, which is "
            "not followed. Copy the data into one file (h5repack, or h5py's copy)."
        )
    data = content[key]
    if not isinstance(data, h5py.Dataset) or data.shape is None:
        raise DataError(f"{place}: Expected a data set with values, received {data!r}.")
    plan = data.id.get_create_plist()
    if data.is_virtual or plan.get_layout() == h5py.h5d.VIRTUAL or plan.get_external_count():
        raise DataError(
            f"{place}: Expected a data set in this file, received one whose values lie in other "
            "files (virtual or external), which are not read. Copy them into one file."
        )
    for number in range(plan.get_nfilters()):
        code = plan.get_filter(number)[0]
        if not h5py.h5z.filter_avail(code):
            name = FILTER_NAMES.get(code, "unknown")
            raise DataError(
                f"{place}: Expected a data set that this HDF5 library can decompress, received one "
                f"that needs filter {code} ({name}), which is not installed. Write it again with "
                "gzip, or without compression."
            )
    text = h5py.check_string_dtype(data.dtype)
    if data.dtype.kind not in "biufS" and text is None:
        raise DataError(f"{place}: Expected numbers or text, received values of {data.dtype}.")
    check_array_bytes(data.size * data.dtype.itemsize, place)
    if data.chunks:
        check_array_bytes(math.prod(data.chunks) * data.dtype.itemsize, f"{place}, one chunk")

    # for values that were never written HDF5 would return zeros
    if data.size and plan.get_layout() != h5py.h5d.COMPACT:
        needed = 1
        if data.chunks:
            needed = math.prod(
                math.ceil(size / chunk) for size, chunk in zip(data.shape, data.chunks, strict=True)
            )
            written = data.id.get_num_chunks()
        else:
            written = int(data.id.get_offset() is not None)
        if written < needed:
            raise DataError(
                f"{place}: Expected values, received a data set of which {needed - written:,} of "
                f"{needed:,} blocks were never written. Write the file again."
            )
        if data.chunks:
            _check_chunks(data, place)
    return _storable(data[()]) if text else np.asarray(data[()])


def _check_chunks(data: Any, place: str) -> None:
    """Refuse blocks that unpack to another size than theirs.

    HDF5 hands out whatever was in memory for what a block lacks, and takes memory for all that it
    has too much. Of the filters that pack, deflate is looked into; blocks that no filter packed
    have their size on the disk.
    """
    plan = data.id.get_create_plist()
    filters = [plan.get_filter(number)[0] for number in range(plan.get_nfilters())]
    has_checksum = filters[-1:] == [h5py.h5z.FILTER_FLETCHER32]
    packing = [code for code in filters if code not in SIZE_KEEPING_FILTERS]
    if packing not in ([], [h5py.h5z.FILTER_DEFLATE]):
        return
    size_of_value = data.dtype.itemsize
    if data.dtype.kind == "O":  # text of any length: its length, and where in a heap it lies
        size_of_value = 8 + data.file.id.get_create_plist().get_sizes()[0]
    expected = math.prod(data.chunks) * size_of_value
    found: list[Any] = []
    data.id.chunk_iter(found.append)
    for block in found:
        size = block.size - 4 * has_checksum
        if packing and not block.filter_mask:
            _, content = data.id.read_direct_chunk(block.chunk_offset)
            inflating = zlib.decompressobj()
            size = len(inflating.decompress(content[:size], expected + 1))
        if size != expected and (size < expected or packing):
            raise DataError(
                f"{place}: Expected blocks of {byte_size(expected)}, received one at "
                f"{block.chunk_offset} that unpacks to {'fewer' if size < expected else 'more'} "
                "bytes: the file is damaged. Write it again."
            )


def _link_within(content: Any, key: str) -> Any:
    """Return the link of a path of which each part lies in this file; None if one does not."""
    parts = key.split("/")
    link = None
    for number in range(1, len(parts) + 1):
        link = content.get("/".join(parts[:number]), getlink=True)
        if not isinstance(link, h5py.HardLink):
            return None
    return link


def _storable(values: Any) -> NDArray[Any]:
    """Text and bytes of any length -> an array that needs no pickling; numbers as they are."""
    array = np.atleast_1d(np.asarray(values))
    if array.dtype.kind != "O":
        return array
    texts = [
        decode_text(value) if isinstance(value, bytes) else str(value)
        for value in array.ravel().tolist()
    ]
    return np.array(texts, str).reshape(array.shape)


if __name__ == "__main__":
    answer_request()
