import re

import pytest

from synthgen import errors


def drawn_tree() -> dict[str, tuple[str | None, int | None]]:
    """Name -> (parent, exit code), as the module's docstring draws them."""
    tree: dict[str, tuple[str | None, int | None]] = {}
    path: list[str] = []
    for line in (errors.__doc__ or "").splitlines():
        match = re.match(r"    ([|` -]*)([A-Z]\w+)(?: +(\d+) .*)?$", line)
        if match:
            depth = len(match[1]) // 4
            path[depth:] = [match[2]]
            tree[match[2]] = (
                path[depth - 1] if depth else None,
                int(match[3]) if match[3] else None,
            )
    return tree


def defined_tree() -> dict[str, tuple[str | None, int | None]]:
    root = errors.SynthgenError
    classes = [
        value
        for value in vars(errors).values()
        if isinstance(value, type) and issubclass(value, root)
    ]
    return {
        c.__name__: (None, None) if c is root else (c.__bases__[0].__name__, c.exit_code)
        for c in classes
    }


def test_the_drawn_tree_is_the_defined_tree() -> None:
    assert drawn_tree() == defined_tree()
    assert len(drawn_tree()) == 15


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.DataError, 2),
        (errors.CheckFailed, 1),
        (errors.TrainingDiverged, 1),
        (errors.Interrupted, 130),
    ],
)
def test_exit_codes(error: type[errors.SynthgenError], code: int) -> None:
    assert error("why").exit_code == code


def test_a_wrong_setting_is_also_a_value_error() -> None:
    assert issubclass(errors.SettingsError, ValueError)
