"""Commands that look: `synthgen data` and `synthgen presets`."""

import json
from pathlib import Path

import numpy as np
import pytest

from synthgen.datasets import sources
from synthgen.datasets.pixels import decode_png, encode_png
from synthgen.datasets.sources import load_real
from synthgen.gan.presets import PRESETS
from tests.cli.conftest import RunCommand


def test_only_mnist_is_said_to_lie_in_the_cache(
    drawings: str, tmp_path: Path, run_command: RunCommand, monkeypatch: pytest.MonkeyPatch
) -> None:
    digits = load_real(drawings)
    monkeypatch.setattr(sources, "load_real", lambda *_, **__: digits)
    of_mnist = run_command("data", "info", "mnist").out
    of_others = run_command("data", "info", drawings).out
    lines = of_others.splitlines(keepends=True)
    (note,) = [line for line in lines if line.startswith("note    The parts are those of `train`")]
    assert "sets none of so few digits aside" in note
    lines.remove(note)
    assert of_mnist == f"cache   {tmp_path}/cache/mnist\n{''.join(lines)}"
    assert of_others.startswith("source  ")
    assert "\nshipped generator draws these classes: its classifier reads 8" in of_others


def test_data_info_draws_pictures_before_and_after(tmp_path: Path, run_command: RunCommand) -> None:
    rng = np.random.default_rng(0)
    for label in range(10):
        (tmp_path / f"own/{label}").mkdir(parents=True)
        for number in range(12):
            paper = rng.integers(190, 210, (40, 30, 1)).astype(np.uint8)
            paper[8:32, 5 + label : 9 + label] = 30
            (tmp_path / f"own/{label}/{number}.png").write_bytes(encode_png(paper))
    sheet = tmp_path / "sheet.png"
    result = run_command("data", "info", str(tmp_path / "own"), "--picture", str(sheet))
    assert result.code == 0
    assert "images  40 x 30 x 1 uint8, 30..209\n" in result.out
    assert "check   The images are dark ink on a light ground" in result.out
    assert result.out.endswith(
        f"picture {sheet}: above as they are, below 40 x 30 x 1, dark on light, fitted to 28 x 28 "
        "x 1: ink scaled and centred as in MNIST and inverted\n"
    )
    assert decode_png(sheet.read_bytes()).shape == (1162, 582, 3)
    fitted = run_command("data", "info", str(tmp_path / "own"), "--fit", "mnist")
    assert "images  28 x 28 x 1 uint8, 0..255\n" in fitted.out
    assert "check" not in fitted.out


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


def test_presets_as_json(run_command: RunCommand) -> None:
    listed = json.loads(run_command("presets", "--json").out)["presets"]
    assert [preset["name"] for preset in listed] == list(PRESETS)
    dcgan = listed[list(PRESETS).index("dcgan")]
    assert dcgan["parameters"] == {"generator": 2_343_681, "discriminator": 212_865}
    assert round(dcgan["multiplications"]["generate"], -5) == 51_700_000
    assert dcgan["settings"]["steps"] == PRESETS["dcgan"].settings.steps
