from synthgen.shards.job import identity_differences, identity_of_set
from tests.shards.conftest import make_settings


def test_an_identity_leaves_out_what_changes_no_file() -> None:
    one = identity_of_set(make_settings(), "c", None, {})
    assert (
        identity_of_set(
            make_settings(name="other", max_attempts=99, formats=("png", "hdf5")), "c", None, {}
        )
        == one
    )
    assert identity_of_set(make_settings(seed=1), "c", None, {}) != one


def test_differences_are_told_in_words() -> None:
    before = identity_of_set(make_settings(), "a" * 64, None, {"numpy": "1"})
    now = identity_of_set(make_settings(seed=3), "b" * 64, "c" * 64, {"numpy": "2"})
    assert list(identity_differences(before, now).values()) == [
        "--seed was 0, is 3",
        f"checkpoint was {'a' * 12}..., is {'b' * 12}...",
        f"training images was none, is {'c' * 12}...",
        "version of numpy was 1, is 2",
    ]
    assert identity_differences(now, now) == {}


def test_patches_of_python_differ_in_nothing_that_matters() -> None:
    versions = ("3.11.7", "3.11.8", "3.12.7")
    old, patched, new = (
        identity_of_set(make_settings(), "c", None, {"python": version, "numpy": "2.0.0"})
        for version in versions
    )
    assert identity_differences(old, patched) == {}
    assert old != patched  # each is recorded as it is
    assert identity_differences(old, new) == {
        "version of python": "version of python was 3.11.7, is 3.12.7"
    }
    assert list(identity_differences(old, old | {"version of numpy": "2.0.1"})) == [
        "version of numpy"
    ]
