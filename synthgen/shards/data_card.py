"""data/NAME/README.md: what a set is, for people, as a data set card that Hugging Face reads.

Fields of its head: https://huggingface.co/docs/hub/datasets-cards
"""

import functools
import importlib.resources
from collections.abc import Sequence

import jinja2

from synthgen.shards.croissant import describe_for_machines
from synthgen.shards.formats import SHARD_FORMATS
from synthgen.shards.label_source import LABEL_SOURCES
from synthgen.shards.layout import card_path, croissant_path, parts_folder
from synthgen.shards.licence import known_licence
from synthgen.shards.marks import SOURCE_TYPE
from synthgen.shards.plan import FORMER_PNG_FOLDERS
from synthgen.shards.run_record import RunRecord, describe_nearness
from synthgen.storage import Storage
from synthgen.text import printable

# What `datasets.load_dataset("data/NAME")` reads: the first of these that the set has.
LOADED_FILES = {
    "parquet": "parquet/*.parquet",
    "webdataset": "webdataset/*.tar",
    "hdf5": "hdf5/*.h5",
    "png": "png/**/*.png",
}
SIZES = ((1e3, "n<1K"), (1e4, "1K<n<10K"), (1e5, "10K<n<100K"), (1e6, "100K<n<1M"))
LARGER_SIZES = ((1e7, "1M<n<10M"), (1e8, "10M<n<100M"), (1e9, "100M<n<1B"))


def describe_set(storage: Storage, record: RunRecord, verdict: Sequence[str] = ()) -> None:
    """Write what a set is beside it, for people and for machines, unless it stands there already.

    Args:
        storage: of the root.
        record: of the set, with the hashes of manifest and shards.
        verdict: lines of its evaluation, if there is one.

    Raises:
        StorageError: if it cannot be written.
    """
    name = record.settings.name
    contents = {
        croissant_path(name): describe_for_machines(record),
        card_path(name): describe_for_people(record, verdict).encode(),
    }
    for path, content in contents.items():
        if not storage.exists(path) or storage.read_bytes(path) != content:
            storage.write_bytes(path, content)


def describe_for_people(record: RunRecord, verdict: Sequence[str] = ()) -> str:
    """Return the data set card of a set; the same record gives the same text.

    Args:
        record: of the set.
        verdict: lines of its evaluation, if there is one.
    """
    trained_on = record.checkpoint.trained_on()
    learnt_from = "unknown digits"
    if trained_on:
        count = f"{trained_on['images']:,} images, " if "images" in trained_on else ""
        learnt_from = f"{count}{trained_on.get('source', 'of unknown source')}"
    screening = "none"
    if record.settings.rejects("mislabels") and record.acceptance:
        shares = sorted((share, name) for name, share in record.acceptance.items())
        screening = (
            f"clear mislabels were drawn again; {shares[0][0]:.2%} (class {shares[0][1]}) to "
            f"{shares[-1][0]:.2%} (class {shares[-1][1]}) of the draws were kept"
        )
    if record.nearness is not None:
        screening = f"{screening}; {describe_nearness(record)}".removeprefix("none; ")
    look = "as the generator draws them"
    if record.framing is not None:
        look = "like the pictures of whoever built the set: size, polarity, margins, colours"
    loaded = [files for kind, files in LOADED_FILES.items() if kind in record.formats]
    if record.png_folders == FORMER_PNG_FOLDERS:  # from which the class is not read
        loaded = [files for files in loaded if files != LOADED_FILES["png"]]
    sizes = [words for below, words in (*SIZES, *LARGER_SIZES) if record.count < below]
    return _template().render(
        record=record,
        name=record.settings.name,
        manifest=record.manifest.path,
        parts=parts_folder(record.settings.name),
        licence=known_licence(record),
        size_category=sizes[0] if sizes else "n>1T",
        data_files=loaded[0] if loaded else "",
        source_type=SOURCE_TYPE,
        formats=[(kind, SHARD_FORMATS[kind].WORDS) for kind in record.formats],
        learnt_from=learnt_from,
        labels=LABEL_SOURCES[record.label_source],
        screening=inert(screening),
        look=look,
        verdict=printable("\n".join(verdict)).replace("```", "'''"),
    )


def inert(text: str) -> str:
    """Return words of others as Markdown shows them: no markup, no table, no line of their own."""
    line = printable(" ".join(text.split()))
    return "".join(f"\\{sign}" if sign in r"\`*_[]<>|#" else sign for sign in line)


@functools.cache
def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        undefined=jinja2.StrictUndefined, keep_trailing_newline=True, autoescape=False
    )
    environment.filters["md"] = inert
    source = importlib.resources.files("synthgen.shards").joinpath("templates", "README.md.j2")
    return environment.from_string(source.read_text(encoding="utf-8"))
