from pathlib import Path

from synthgen.shards.unfinished import Parts, differences, identity
from synthgen.storage import open_storage
from tests.shards.conftest import make_settings


def test_finished_shards_are_found_again(tmp_path: Path) -> None:
    parts = Parts(open_storage(str(tmp_path)), "tiny")
    assert (parts.identity(), parts.entry(0), parts.finished()) == (None, None, 0)
    parts.begin({"--seed": 0})
    entry = parts.finish(7, {"shard": 7}, b"row\n")
    assert (parts.identity(), parts.numbers(), parts.finished(), list(parts.rows([entry]))) == (
        {"--seed": 0},
        [7],
        1,
        [b"row\n"],
    )
    assert (parts.entry(7) or {})["shard"] == 7
    parts.remove()
    assert list(tmp_path.rglob("*")) == [tmp_path / "manifests"]


def test_an_empty_folder_holds_no_finished_shard(tmp_path: Path) -> None:
    parts = Parts(open_storage(str(tmp_path)), "tiny")
    (tmp_path / parts.folder).mkdir(parents=True)
    assert parts.finished() == 0
    parts.begin({})
    assert parts.finished() == 0


def test_torn_notes_are_as_if_not_there(tmp_path: Path) -> None:
    parts = Parts(open_storage(str(tmp_path)), "tiny")
    parts.begin({})
    parts.finish(0, {"shard": 0}, b"row\n")
    (tmp_path / parts.rows_path(0)).write_bytes(b"ro")
    assert parts.entry(0) is None
    (tmp_path / parts.rows_path(0)).unlink()
    assert parts.entry(0) is None


def test_an_identity_leaves_out_what_changes_no_file() -> None:
    one = identity(make_settings(), "c", None, {})
    assert (
        identity(
            make_settings(name="other", max_attempts=99, formats=("png", "hdf5")), "c", None, {}
        )
        == one
    )
    assert identity(make_settings(seed=1), "c", None, {}) != one


def test_differences_are_told_in_words() -> None:
    before = identity(make_settings(), "a" * 64, None, {"numpy": "1"})
    now = identity(make_settings(seed=3), "b" * 64, "c" * 64, {"numpy": "2"})
    assert list(differences(before, now).values()) == [
        "--seed was 0, is 3",
        f"checkpoint was {'a' * 12}..., is {'b' * 12}...",
        f"training images was none, is {'c' * 12}...",
        "version of numpy was 1, is 2",
    ]
    assert differences(now, now) == {}


def test_patches_of_python_differ_in_nothing_that_matters() -> None:
    versions = ("3.11.7", "3.11.8", "3.12.7")
    old, patched, new = (
        identity(make_settings(), "c", None, {"python": version, "numpy": "2.0.0"})
        for version in versions
    )
    assert differences(old, patched) == {}
    assert old != patched  # each is recorded as it is
    assert differences(old, new) == {"version of python": "version of python was 3.11.7, is 3.12.7"}
    assert list(differences(old, old | {"version of numpy": "2.0.1"})) == ["version of numpy"]
