import copy
import dataclasses
import hashlib
import importlib.metadata
import json
import platform
import random
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pytest

from synthgen.config import BuildSettings
from synthgen.errors import DataError, RecordError, StorageError
from synthgen.records import (
    file_sha256,
    fingerprint,
    from_json,
    from_plain,
    parse_json,
    to_json,
    versions,
)
from synthgen.storage import open_storage


@dataclass(frozen=True, kw_only=True)
class Mean:
    mean: float
    low: float | None = None


@dataclass(frozen=True, kw_only=True)
class Study:
    """A record with every hint that records can hold."""

    name: str
    count: int
    done: bool
    verdict: Literal["helps", "hurts"]
    means: tuple[Mean, ...]
    ends: tuple[float, str]
    sizes: list[int]
    best: Mean | None
    by_class: Mapping[str, Mean]
    either: int | str
    nothing: None
    notes: dict[str, Any]
    share: float = 0.5

    def __post_init__(self) -> None:
        if self.count < 0:
            raise DataError(f"Expected a count of 0 or more, received {self.count}.")
        if self.name == "":
            raise ValueError("a name is needed")


STUDY = Study(
    name="digits",
    count=3,
    done=True,
    verdict="helps",
    means=(Mean(mean=0.5, low=0.25), Mean(mean=1.0)),
    ends=(0.5, "x"),
    sizes=[1, 2],
    best=Mean(mean=2.0),
    by_class={"0": Mean(mean=3.0), "a b": Mean(mean=4.0)},
    either="x",
    nothing=None,
    notes={"free": [1, {"deep": 2.5}], "none": None},
)
PLAIN = json.loads(to_json(STUDY))


def changed(place: str, value: Any) -> dict[str, Any]:
    """PLAIN with another value at a place such as "means/0/mean"."""
    plain = copy.deepcopy(PLAIN)
    *path, last = place.split("/")
    inside: Any = plain
    for name in path:
        inside = inside[int(name) if isinstance(inside, list) else name]
    inside[int(last) if isinstance(inside, list) else last] = value
    return dict(plain)


def test_a_record_survives_json() -> None:
    content = to_json(STUDY, format="study/1", indent=1)
    assert content.startswith(b'{\n "format": "study/1",\n "name": "digits",\n')
    again = from_json(Study, content, format="study/1")
    assert again == STUDY
    assert to_json(again, format="study/1", indent=1) == content


def test_one_line_of_json_ends_in_a_line_break() -> None:
    assert to_json({"a": (1, 2), "b": Mean(mean=0.5)}) == (
        b'{"a": [1, 2], "b": {"mean": 0.5, "low": null}}\n'
    )


def test_numbers_that_json_cannot_express_are_not_written() -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        to_json(Mean(mean=float("nan")))


def test_fields_with_a_default_may_be_missing() -> None:
    plain = {name: value for name, value in PLAIN.items() if name != "share"}
    assert from_plain(Study, plain) == STUDY


def test_a_whole_number_is_a_number_and_stays_whole() -> None:
    assert type(from_plain(Mean, {"mean": 2}).mean) is int


def test_plain_hints_work_without_a_dataclass() -> None:
    assert from_plain(tuple[Mean | None, ...], [None, {"mean": 1.0}]) == (None, Mean(mean=1.0))
    assert from_plain(Mean | None, None) is None  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("place", "value", "message"),
    [
        ("name", 5, "name: expected a text, received 5."),
        ("name", None, "name: expected a text, received None."),
        ("name", "\ud800", r"name: expected Unicode text, received '\ud800'."),
        ("count", 1.0, "count: expected a whole number, received 1.0."),
        ("count", True, "count: expected a whole number, received True."),
        ("done", 1, "done: expected true or false, received 1."),
        ("verdict", "maybe", "verdict: expected one of 'helps', 'hurts', received 'maybe'."),
        ("means/1/mean", "high", "means[1].mean: expected a number, received 'high'."),
        ("means/0/mean", True, "means[0].mean: expected a number, received True."),
        ("share", float("inf"), "share: expected a finite number, received inf."),
        ("share", 10**400, f"share: expected a number up to 1.8e+308, received 1{56 * '0'}...."),
        ("means", {}, "means: expected a list, received {}."),
        ("means/0", [1], "means[0]: expected an object with the fields of a Mean, received [1]."),
        ("means/0", {}, "means[0]: expected the key 'mean', which is missing."),
        ("ends", [0.5], "ends: expected a list of 2, received [0.5]."),
        ("best/high", 1, "best: expected only the keys mean, low, received 'high'."),
        ("by_class", [], "by_class: expected an object, received []."),
        ("by_class/a b", 1, "by_class['a b']: expected an object with the fields of a Mean, "),
        ("either", None, "either: expected a text, received None."),
        ("nothing", 0, "nothing: expected null, received 0."),
        ("notes/free/1/deep", float("nan"), "notes.free[1].deep: expected a finite number, "),
        ("extra", 1, "Expected only the keys name, count, done, "),
        ("count", -1, "Expected a count of 0 or more, received -1."),
        ("name", "", "A name is needed"),
    ],
)
def test_what_does_not_fit_is_refused_by_its_place(place: str, value: Any, message: str) -> None:
    with pytest.raises(RecordError) as caught:
        from_plain(Study, changed(place, value))
    assert str(caught.value).startswith(message)


def test_a_missing_key_is_refused() -> None:
    with pytest.raises(RecordError, match=r"^Expected the key 'count', which is missing\.$"):
        from_plain(Study, {name: value for name, value in PLAIN.items() if name != "count"})


def test_checks_of_a_nested_dataclass_name_its_place() -> None:
    with pytest.raises(RecordError, match=r"^\[0\]: --per-class: expected a number from 1"):
        from_plain(tuple[BuildSettings, ...], [{"per_class": 0}])


def test_hints_that_records_cannot_hold_are_a_type_error() -> None:
    for kind in (set, bytes, tuple, Mapping[int, str]):
        with pytest.raises(TypeError, match="Records cannot hold"):
            from_plain(kind, {})


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "Expected JSON, received something else"),
        (b"\xff", "Expected JSON, received something else"),
        (b'{"a": 1', "Expected JSON, received something else"),
        (b'{"a": 1, "a": 2}', "a key stands twice among ['a', 'a']"),
        (b'{"a": [NaN]}', "a[0]: expected a finite number, received nan."),
        (b'{"a": 1e999}', "a: expected a finite number, received inf."),
        (b'{"a": "\\ud800"}', "a: expected Unicode text"),
        (b'{"\\ud800": 1}', "Expected Unicode text"),
        (b"9" * 5000, "Expected JSON, received something else"),
        (b"[" * 65 + b"]" * 65, "expected JSON nested at most 64 deep, received more."),
        (b"[" * 100_000, "Expected JSON nested at most 64 deep, received more."),
        (b'{"a":' * 100_000, "Expected JSON nested at most 64 deep, received more."),
    ],
)
def test_what_is_not_strict_json_is_refused(content: bytes, message: str) -> None:
    with pytest.raises(RecordError) as caught:
        parse_json(content)
    assert message in str(caught.value)


def test_nesting_of_64_is_read() -> None:
    assert parse_json(b"[" * 64 + b"]" * 64)


@pytest.mark.parametrize(
    ("content", "received"),
    [(b"[]", "[]"), (b"{}", "None"), (b'{"format": "study/2"}', "'study/2'"), (b"7", "7")],
)
def test_another_format_is_refused(content: bytes, received: str) -> None:
    with pytest.raises(RecordError) as caught:
        from_json(Study, content, format="study/1")
    assert str(caught.value) == f"format: expected 'study/1', received {received}."


def mutate(plain: Any, chance: random.Random) -> Any:
    """A copy with one random place replaced, removed or doubled."""
    junk: list[Any] = [None, True, -1, 0.5, 1e308, 10**400, float("nan"), "", "\ud800", "x" * 999]
    junk += [[], {}, [[]], {"mean": 1}, b"", object(), {1: 2}, [None] * 9]
    if isinstance(plain, dict) and plain and chance.random() < 0.8:
        name = chance.choice(list(plain))
        if chance.random() < 0.2:
            return {key: value for key, value in plain.items() if key != name}
        if chance.random() < 0.1:
            return plain | {f"{name}_": plain[name]}
        return plain | {name: mutate(plain[name], chance)}
    if isinstance(plain, list) and plain and chance.random() < 0.8:
        place = chance.randrange(len(plain))
        changed = [mutate(plain[place], chance)] * chance.choice([0, 1, 1, 2])
        return plain[:place] + changed + plain[place + 1 :]
    return chance.choice(junk)


def test_mutated_values_are_refused_or_make_a_valid_record() -> None:
    """No mutation gets through as another error, or as a record that cannot be written again."""
    chance = random.Random(3)
    refusals = []
    for _ in range(3000):
        plain = PLAIN
        for _ in range(chance.choice([1, 1, 2])):
            plain = mutate(plain, chance)
        try:
            made = from_plain(Study, plain)
        except RecordError as error:
            refusals.append(str(error))
            continue
        assert from_json(Study, to_json(made)) == made
    assert 1500 < len(refusals) < 2900
    assert all(refusal.isascii() and len(refusal) < 500 for refusal in refusals)


def test_mutated_bytes_are_refused_or_make_a_valid_record() -> None:
    chance = random.Random(4)
    content = to_json(STUDY)
    for _ in range(3000):
        damaged = bytearray(content)
        for _ in range(chance.choice([1, 3])):
            damaged[chance.randrange(len(damaged))] = chance.choice(
                b'{}[]",:0123456789eE-\\ \x00\xff'
            )
        damaged = damaged[: chance.choice([len(content), chance.randrange(len(content))])]
        try:
            made = from_json(Study, bytes(damaged))
        except RecordError:
            continue
        assert from_json(Study, to_json(made)) == made


def test_fingerprint_is_the_hash_of_canonical_json() -> None:
    canonical = b'{"a":1,"b":[2,null]}'
    assert fingerprint({"b": [2, None], "a": 1}) == hashlib.sha256(canonical).hexdigest()
    assert fingerprint({"a": 1, "b": 2}) == fingerprint({"b": 2, "a": 1})
    assert fingerprint({"a": 1}) != fingerprint({"a": 2})
    assert fingerprint((1, 2)) == fingerprint([1, 2])


def test_versions_name_all_that_can_change_a_pixel() -> None:
    found = versions()
    assert list(found) == ["python", "synthgen", "tensorflow", "keras", "numpy"]
    assert found["python"] == platform.python_version()
    assert found["numpy"] == importlib.metadata.version("numpy")


def test_a_large_file_is_hashed_whole(tmp_path: Path) -> None:
    content = bytes(range(256)) * 5000  # more than one piece
    (tmp_path / "file").write_bytes(content)
    storage = open_storage(str(tmp_path))
    assert file_sha256(storage, "file") == hashlib.sha256(content).hexdigest()
    with pytest.raises(StorageError, match=r"Cannot read .*missing"):
        file_sha256(storage, "missing")


def test_the_records_of_this_test_are_dataclasses() -> None:
    assert {field.name for field in dataclasses.fields(Study)} == set(PLAIN)


def test_variables_that_change_arithmetic_are_among_the_versions(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """TensorFlow's only where it was loaded with them: synthgen removes them before."""
    monkeypatch.setenv("OPENBLAS_CORETYPE", "Nehalem")
    monkeypatch.setenv("TF_ENABLE_ONEDNN_OPTS", "0")
    monkeypatch.delitem(sys.modules, "tensorflow", raising=False)
    assert versions().keys() == {*versions("numpy"), "OPENBLAS_CORETYPE"}
    assert "TF_ENABLE_ONEDNN_OPTS" not in versions()
    monkeypatch.setitem(sys.modules, "tensorflow", sys)
    assert versions()["TF_ENABLE_ONEDNN_OPTS"] == "0"
