"""Fingerprints, versions, and records: frozen dataclasses that survive a trip through JSON.

A record is written with `to_json` and read with `from_json`, which believes nothing that a file
says: every value is checked against the type hint of its field before a dataclass is made of it.

    @dataclass(frozen=True, kw_only=True)
    class Figure:
        name: str
        values: tuple[float, ...]

    content = to_json(Figure(name="accuracy", values=(0.5, 1.0)), format="figure/1")
    figure = from_json(Figure, content, format="figure/1")

Every refusal is a `RecordError` that names the place within the record, such as
"arms[3].accuracy.mean: expected a number, received 'high'." A reader turns it into the error of its
own kind of file, with the file's name and what to do about it.
"""

import contextlib
import dataclasses
import functools
import hashlib
import importlib.metadata
import json
import math
import os
import platform
import sys
import types
import typing
from collections.abc import Mapping
from typing import Any, TypeVar

from synthgen.errors import RecordError, SynthgenError
from synthgen.storage import Storage

Record = TypeVar("Record")

DEEPEST_NESTING = 64  # objects and lists within each other; the records of synthgen need about 8
HASHED_AT_ONCE = 1 << 20  # bytes
PLAIN_KINDS: Mapping[Any, tuple[Any, str]] = {  # type hint -> what JSON has, in words
    str: ((str,), "a text"),
    bool: ((bool,), "true or false"),
    int: ((int,), "a whole number"),
    float: ((int, float), "a number"),
}

# Environment variables that make TensorFlow and its libraries round otherwise. Where synthgen is
# the one that loads TensorFlow, they are removed before (networks/backend.py).
ARITHMETIC_VARIABLES = (
    "TF_ENABLE_ONEDNN_OPTS",
    "TF_XLA_FLAGS",
    "TF_ENABLE_AUTO_MIXED_PRECISION",
    "TF_SET_ONEDNN_FPMATH_MODE",
    "ONEDNN_DEFAULT_FPMATH_MODE",
    "DNNL_DEFAULT_FPMATH_MODE",
    "ONEDNN_MAX_CPU_ISA",
    "DNNL_MAX_CPU_ISA",
    "NVIDIA_TF32_OVERRIDE",
)
# The same of NumPy, which is loaded before anything could be removed.
NUMPY_VARIABLES = ("OPENBLAS_CORETYPE", "MKL_CBWR", "NPY_DISABLE_CPU_FEATURES")


def versions(*others: str) -> dict[str, str]:
    """Returns the version of everything that can change a pixel, by name.

    Environment variables that change how NumPy computes are among them, where they are set; in a
    program that loaded TensorFlow by itself, those of TensorFlow, too.

    Args:
        *others: names of further packages that can change one.
    """
    found = {"python": platform.python_version()}
    for name in ("synthgen", "tensorflow", "keras", "numpy", *others):
        found[name] = "not installed"
        for package in (name, f"{name}-cpu"):
            with contextlib.suppress(importlib.metadata.PackageNotFoundError):
                found[name] = importlib.metadata.version(package)
                break
    loaded = ARITHMETIC_VARIABLES if "tensorflow" in sys.modules else ()
    for name in (*NUMPY_VARIABLES, *loaded):
        if name in os.environ:
            found[name] = os.environ[name]
    return found


def fingerprint(content: Any) -> str:
    """Hashes a JSON-able value.

    Args:
        content: dictionaries, lists, tuples (which count as lists), strings, numbers, None.

    Returns:
        SHA-256 of its canonical JSON (sorted keys, no spaces), as 64 hex digits.
    """
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()


def file_sha256(storage: Storage, path: str) -> str:
    """Hashes a file piece by piece, so that it may be larger than the memory.

    Args:
        storage: the folder that holds the file.
        path: of the file, relative to that folder.

    Returns:
        SHA-256 of its content, as 64 hex digits.

    Raises:
        StorageError: if the file is missing or cannot be read.
    """
    digest = hashlib.sha256()
    with storage.open(path) as file:
        while piece := file.read(HASHED_AT_ONCE):
            digest.update(piece)
    return digest.hexdigest()


def to_json(record: Any, *, format: str | None = None, indent: int | None = None) -> bytes:
    """Writes a record as JSON.

    Args:
        record: a dataclass or a mapping; dataclasses, tuples and numbers may be nested in it.
        format: name and number of the file format, written first under the key "format"; None for
            a record without that key.
        indent: spaces of each level; None for one line.

    Returns:
        UTF-8 that ends in a line break.

    Raises:
        ValueError: if a number is not finite, which JSON cannot express.
    """
    plain = dict(record) if isinstance(record, Mapping) else dataclasses.asdict(record)
    if format is not None:
        plain = {"format": format} | plain
    text = json.dumps(plain, indent=indent, allow_nan=False, default=dataclasses.asdict)
    return f"{text}\n".encode()


def from_json(kind: type[Record], content: bytes, *, format: str | None = None) -> Record:
    """Reads a record that `to_json` wrote.

    Args:
        kind: the dataclass of the record (see `from_plain`).
        content: of the file, or one line of it.
        format: the name and number that must stand under the key "format"; None for a record
            without that key.

    Raises:
        RecordError: if the content is not JSON, has another format, or does not fit the dataclass.
    """
    plain = parse_json(content)
    if format is not None:
        if not isinstance(plain, dict) or plain.get("format") != format:
            found = plain.get("format") if isinstance(plain, dict) else plain
            raise RecordError(f"format: expected {format!r}, received {_shown(found)}.")
        del plain["format"]
    return typing.cast(Record, _restore(kind, plain, ""))


def parse_json(content: bytes) -> Any:
    """Parses JSON strictly, into dictionaries, lists, strings, numbers, booleans and None.

    Raises:
        RecordError: if the content is not UTF-8 or not JSON, if a key stands twice in an object, a
            number is not finite (NaN, 1e999), a text is not Unicode (half of a surrogate pair), or
            if objects and lists are nested more than 64 deep.
    """

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            raise ValueError(f"a key stands twice among {_shown([name for name, _ in pairs])}")
        return found

    try:
        plain = json.loads(content.decode(), object_pairs_hook=unique)
    except RecursionError as error:
        expected = f"JSON nested at most {DEEPEST_NESTING} deep"
        raise RecordError(f"Expected {expected}, received more.") from error
    except ValueError as error:  # of the encoding, the syntax or a key
        raise RecordError(f"Expected JSON, received something else: {error}.") from error
    _check_plain(plain, "", 0)
    return plain


def from_plain(kind: type[Record], plain: Any) -> Record:
    """Makes a value of a type hint from what JSON made of it.

    These hints are understood, and any others are a TypeError: dataclasses (from an object; only
    fields with a default may be missing, and no other key may be there), `tuple[X, ...]`,
    `tuple[X, Y]` and `list[X]` (from a list), `Mapping[str, X]` and `dict[str, X]` (from an
    object), `X | None` and other unions (the first alternative that fits), `Literal["a", "b"]`,
    `str`, `int`, `float` (a whole number fits, too, and stays one), `bool`, `None` and `Any`.

    Args:
        kind: the type hint, usually a dataclass.
        plain: what `parse_json` returned.

    Raises:
        RecordError: naming the first place that does not fit, what was expected there, and what was
            received. What the `__post_init__` of a dataclass raises becomes one, too.
    """
    _check_plain(plain, "", 0)
    return typing.cast(Record, _restore(kind, plain, ""))


def _check_plain(plain: Any, path: str, depth: int) -> None:
    """Refuses what no record may hold, whatever its types: deep nesting and values beyond JSON."""
    if depth == DEEPEST_NESTING and isinstance(plain, Mapping | list | tuple):
        expected = f"JSON nested at most {DEEPEST_NESTING} deep"
        raise RecordError(_located(path, f"expected {expected}, received more."))
    if isinstance(plain, Mapping):
        for name, value in plain.items():
            if not isinstance(name, str):
                raise _refusal(path, "keys that are texts", name)
            _check_plain(name, path, depth)
            _check_plain(value, _joined(path, name), depth + 1)
    elif isinstance(plain, list | tuple):
        for position, value in enumerate(plain):
            _check_plain(value, f"{path}[{position}]", depth + 1)
    elif isinstance(plain, float):
        if not math.isfinite(plain):
            raise _refusal(path, "a finite number", plain)
    elif isinstance(plain, str):
        try:
            plain.encode()
        except UnicodeEncodeError as error:
            raise _refusal(path, "Unicode text", plain) from error
    elif not isinstance(plain, int | None):
        raise _refusal(path, "a value of JSON", plain)


def _restore(kind: Any, plain: Any, path: str) -> Any:
    """Makes a value of a type hint; `path` is its place within the record, for messages."""
    if kind is Any:
        return plain
    if dataclasses.is_dataclass(kind):
        return _restore_dataclass(typing.cast(type, kind), plain, path)
    origin = typing.get_origin(kind)
    inner = typing.get_args(kind)

    # unions: the first alternative that fits; of one alternative beside None, its own message
    if origin in (types.UnionType, typing.Union):
        if plain is None and types.NoneType in inner:
            return None
        alternatives = [hint for hint in inner if hint is not types.NoneType]
        for hint in alternatives[:-1]:
            try:
                return _restore(hint, plain, path)
            except RecordError:
                continue
        return _restore(alternatives[-1], plain, path)

    # lists and objects
    if origin in (tuple, list):
        if not isinstance(plain, list | tuple):
            raise _refusal(path, "a list", plain)
        fixed = origin is tuple and Ellipsis not in inner
        hints = inner if fixed else inner[:1] * len(plain)
        if len(plain) != len(hints):
            raise _refusal(path, f"a list of {len(hints)}", plain)
        values = [
            _restore(hint, value, f"{path}[{position}]")
            for position, (hint, value) in enumerate(zip(hints, plain, strict=True))
        ]
        return origin(values)
    if origin in (Mapping, dict) and inner[0] is str:
        if not isinstance(plain, Mapping):
            raise _refusal(path, "an object", plain)
        return {
            name: _restore(inner[1], value, _joined(path, name)) for name, value in plain.items()
        }

    # plain values
    if origin is typing.Literal:
        # True == 1, and means something else
        if not any(plain == choice and type(plain) is type(choice) for choice in inner):
            raise _refusal(path, "one of " + ", ".join(map(repr, inner)), plain)
        return plain
    if kind in (None, types.NoneType):
        if plain is not None:
            raise _refusal(path, "null", plain)
        return None
    if kind not in PLAIN_KINDS:
        raise TypeError(f"Records cannot hold {kind!r}, which stands at {path or 'their root'}.")
    accepted, expected = PLAIN_KINDS[kind]
    if not isinstance(plain, accepted) or (isinstance(plain, bool) and kind is not bool):
        raise _refusal(path, expected, plain)
    if kind is float and abs(plain) > sys.float_info.max:  # a whole number of over 300 digits
        raise _refusal(path, f"a number up to {sys.float_info.max:.1e}", plain)
    return plain


def _restore_dataclass(kind: type, plain: Any, path: str) -> Any:
    """Makes a dataclass from an object that has its fields, and no other keys."""
    if not isinstance(plain, Mapping):
        raise _refusal(path, f"an object with the fields of a {kind.__name__}", plain)
    hints = _field_hints(kind)
    unknown = [name for name in plain if name not in hints]
    if unknown:
        expected = f"only the keys {', '.join(hints)}"
        raise RecordError(_located(path, f"expected {expected}, received {_shown(unknown[0])}."))
    values = {
        name: _restore(hints[name], value, _joined(path, name)) for name, value in plain.items()
    }
    missing = [
        field.name
        for field in dataclasses.fields(kind)
        if field.name in hints
        and field.name not in values
        and field.default is dataclasses.MISSING
        and field.default_factory is dataclasses.MISSING
    ]
    if missing:
        raise RecordError(_located(path, f"expected the key {missing[0]!r}, which is missing."))
    try:
        return kind(**values)
    except (SynthgenError, ValueError) as error:  # of its __post_init__
        raise RecordError(_located(path, str(error))) from error


@functools.cache
def _field_hints(kind: Any) -> Mapping[str, Any]:
    """Returns the type hints of the fields that a dataclass is made with, in their order."""
    hints = typing.get_type_hints(kind)
    return {field.name: hints[field.name] for field in dataclasses.fields(kind) if field.init}


def _refusal(path: str, expected: str, received: Any) -> RecordError:
    """Returns the error of a value that does not fit at its place."""
    return RecordError(_located(path, f"expected {expected}, received {_shown(received)}."))


def _located(path: str, message: str) -> str:
    """Returns a message that begins with the place that it is about, if that is not the root."""
    return f"{path[:200]}: {message}" if path else message[:1].upper() + message[1:]


def _joined(path: str, name: str) -> str:
    """Returns the place of a key: "arms.mean", or "arms['odd key']" where it is no plain name."""
    if not name.isidentifier() or len(name) > 60:
        return f"{path}[{_shown(name)}]"
    return f"{path}.{name}" if path else name


def _shown(value: Any) -> str:
    """Returns a value as Python writes it, in 60 characters of ASCII at most."""
    text = ascii(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
