"""Commands that look: `synthgen data` and `synthgen presets`."""

from pathlib import Path

import pytest

from synthgen.datasets import sources
from synthgen.datasets.sources import load_real
from synthgen.gan.recipes import PRESETS
from tests.cli.conftest import RunCommand


def test_only_mnist_is_said_to_lie_in_the_cache(
    drawings: str, tmp_path: Path, run_command: RunCommand, monkeypatch: pytest.MonkeyPatch
) -> None:
    digits = load_real(drawings)
    monkeypatch.setattr(sources, "load_real", lambda *_, **__: digits)
    of_mnist = run_command("data", "info", "mnist").out
    of_others = run_command("data", "info", drawings).out
    assert of_mnist == f"cache   {tmp_path}/cache/mnist\n{of_others}"
    assert of_others.startswith("source  ")


def test_presets_are_listed(run_command: RunCommand) -> None:
    result = run_command("presets")
    assert result.code == 0
    for name, preset in PRESETS.items():
        settings = preset.settings
        assert f"{name:<14}{preset.recipe}\n" in result.out
        assert (
            f"{settings.steps:,} steps of {settings.batch} images, latent {settings.latent}, "
            f"condition: {settings.condition}\n"
        ) in result.out
        assert f"{preset.reference}\n" in result.out
    assert "parameters: generator 2,343,681, discriminator 212,865\n" in result.out
    assert (
        "multiplications per image of 28 x 28: 51.7 M to generate, 217 M per training step\n"
        in result.out
    )
