"""What `import synthgen` offers."""

import importlib

import pytest

import synthgen


@pytest.mark.parametrize("name", synthgen.__all__)
def test_every_name_is_the_one_of_its_module(name: str) -> None:
    found = getattr(synthgen, name)
    assert getattr(importlib.import_module(found.__module__), name) is found
    assert name in dir(synthgen)


def test_a_name_that_there_is_not() -> None:
    with pytest.raises(AttributeError, match="module 'synthgen' has no attribute 'biuld'"):
        synthgen.biuld  # noqa: B018
