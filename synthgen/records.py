"""TODO."""

import dataclasses
import hashlib
import importlib.resources
import json
import platform
import types
import typing
from collections.abc import Mapping
from typing import Any

from synthgen.storage import Storage


def versions() -> dict[str, str]:
    """Versions of everything that can change a pixel."""
    names = ("synthgen", "tensorflow", "keras", "numpy")
    return {"python": platform.python_version()} | {name: _version(name) for name in names}


def _version(name: str) -> str:
    for package in (name, f"{name}-cpu"):
        try:
            return importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return "not installed"


def fingerprint(content: Any) -> str:
    """SHA-256 of a JSON-able value in canonical form (sorted keys, no spaces), as 64 hex digits."""
    return hashlib.sha256(
        json.dumps(content, sort_keys=True, separators=(",", ":")).encode()
    ).hexdigest()


def restored(kind: Any, plain: Any) -> Any:
    """A value of a type hint from what JSON made of it: dictionaries become dataclasses, lists become tuples.

    Args:
        kind: a dataclass, `tuple[X, ...]`, `tuple[X, Y]`, `X | None`, a mapping or a plain type.
        plain: what `json.loads` gave.
    """
    if dataclasses.is_dataclass(kind):
        hints = typing.get_type_hints(kind)
        return kind(**{name: restored(hints[name], value) for name, value in plain.items()})  # type: ignore[operator]
    inner = typing.get_args(kind)
    if isinstance(kind, types.UnionType):
        return None if plain is None else restored(inner[0], plain)
    if typing.get_origin(kind) is tuple:
        each = inner[:1] * len(plain) if Ellipsis in inner else inner
        return tuple(restored(hint, value) for hint, value in zip(each, plain, strict=True))
    if typing.get_origin(kind) is Mapping:
        return {name: restored(inner[1], value) for name, value in plain.items()}
    return plain


def file_sha256(storage: Storage, path: str) -> str:
    """SHA-256 of a file that may be large, as 64 hex digits."""
    digest = hashlib.sha256()
    with storage.open(path) as file:
        while piece := file.read(1 << 20):
            digest.update(piece)
    return digest.hexdigest()
