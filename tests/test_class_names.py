"""Clothes from IDX files: their names in training, set, shipped generator's refusal, evaluation."""

import gzip
from pathlib import Path

import pytest

import synthgen
from synthgen import pipeline
from synthgen.config import BuildSettings, EvaluationSettings
from synthgen.datasets import idx
from synthgen.datasets.digits import Digits
from synthgen.datasets.sources import load_real
from synthgen.errors import DataError
from tests.evaluation.conftest import FakeJudge, FakeNetwork

CLOTHES = (
    "T-shirt",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)
# dense layers, compiled in a moment
SMALL = {
    "steps": 2,
    "batch": 8,
    "latent": 6,
    "condition": "concat",
    "generator_stages": ("dense",),
    "generator_channels": (8,),
    "discriminator_stages": ("dense",),
    "discriminator_channels": (8,),
    "discriminator_dense": 0,
    "r1_gamma": 0.0,
}


@pytest.fixture
def clothes(tiny_digits: Digits, tmp_path: Path) -> str:
    """The four files of Fashion-MNIST's format, gzipped, and the names beside them."""
    folder = tmp_path / "clothes"
    folder.mkdir()
    for part, prefix in ((slice(0, 100), 0), (slice(100, 200), 2)):
        digits = tiny_digits.take(part)
        for name, array in zip(
            idx.IDX_NAMES[prefix : prefix + 2], (digits.images[..., 0], digits.labels), strict=True
        ):
            (folder / f"{name}.gz").write_bytes(gzip.compress(idx.to_idx(array)))
    (folder / "class_names.txt").write_text("\n".join(CLOTHES) + "\n")
    return str(folder)


@pytest.mark.slow
def test_clothes_keep_their_names_all_the_way(
    clothes: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("synthgen.classifiers.screener.SCREENER_LEAST_STEPS", 2)
    root = str(tmp_path)
    with pytest.raises(DataError, match="received some of 'T-shirt', 'Trouser'"):
        pipeline.build(BuildSettings(name="clothes"), root=root, data=clothes)

    said: list[str] = []
    pipeline.train(f"{root}/gan", data=clothes, changes=SMALL, say=said.append)
    settings = BuildSettings(name="clothes", per_class=12, screen="none")
    made = pipeline.build(
        settings,
        root=root,
        data=clothes,
        generator=f"{root}/gan",
        evaluation=None,
        say=said.append,
    )
    digits = synthgen.load(made.set.manifest_path)
    assert tuple(digits.class_names) == CLOTHES
    assert digits.counts().tolist() == [12] * 10
    assert len(list((tmp_path / "data/clothes/png/Ankle boot").glob("**/*.png"))) == 12
    assert '"Ankle boot"' in (tmp_path / "manifests/clothes.json").read_text()

    evaluated = pipeline.evaluate_set(
        made.set.manifest,
        root,
        load_real(clothes, said.append),
        EvaluationSettings(seeds=2, arms=("real", "synthetic")),
        judge=FakeJudge().judge(),
        network=FakeNetwork().network,
    )
    assert evaluated.evaluation.class_names == CLOTHES
    assert "Ankle boot" in (tmp_path / "data/clothes/evaluation/report.html").read_text()
