"""Sets in the libraries of others: PyTorch, Hugging Face, WebDataset. All of it is slow."""

import operator
import re
import shlex
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

import synthgen
from synthgen.cli import cli
from synthgen.config import BuildSettings
from synthgen.gan.checkpoint import read_checkpoint, shipped_checkpoint
from synthgen.shards.build import build
from synthgen.shards.digit_set import DigitSet
from tests.shards.conftest import make
from tests.test_docs import write_own_digits

PAGE = Path(__file__).parent.parent / "docs" / "training-jobs.md"
EXAMPLES = re.findall(r"```py\n(.*?)```", PAGE.read_text(), re.S)
WHY = "pip install 'synthgen[ecosystem]'"
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> DigitSet:
    """75 images, of which less than a shard is kept, so that files are opened for few rows."""
    root = tmp_path_factory.mktemp("set")
    make(root)
    return synthgen.open_set(str(root / "manifests/tiny.csv"), cache_bytes=1)


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A root with a small set named `digits` in all formats, and digits of somebody's own."""
    pytest.importorskip("pyarrow", reason=WHY)
    root = tmp_path_factory.mktemp("workspace")
    settings = BuildSettings(
        per_class=12, shard_size=100, formats=("hdf5", "png", "webdataset", "parquet")
    )
    build(settings, str(root), read_checkpoint(shipped_checkpoint()), progress=False)
    write_own_digits(root)
    return root


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty cache of Hugging Face."""
    datasets = pytest.importorskip("datasets", reason=WHY)
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    datasets.disable_progress_bars()


halve = operator.methodcaller("__floordiv__", 2)  # a transform that any process can be sent


@pytest.mark.parametrize("method", [None, "fork", "spawn"])
def test_a_data_loader_gives_each_image_once(made: DigitSet, method: str | None) -> None:
    torch = pytest.importorskip("torch", reason=WHY)
    whole = made[:]
    made[0]  # a file is open when the workers begin
    loader = torch.utils.data.DataLoader(
        made.as_torch_dataset(halve),
        batch_size=16,
        shuffle=True,
        num_workers=2 if method else 0,
        multiprocessing_context=method,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # forking beside threads
        batches = list(loader)
    images = torch.cat([images for images, _ in batches]).numpy()
    labels = torch.cat([labels for _, labels in batches])
    assert images.shape == (75, 1, 8, 8)
    assert labels.dtype == torch.int64
    found = sorted(zip(map(bytes, images), labels.tolist(), strict=True))
    halved = map(bytes, whole.images // 2)
    assert found == sorted(zip(halved, whole.labels.tolist(), strict=True))


@pytest.mark.parametrize("workers", [0, 2])
def test_a_mixture_in_a_data_loader(made: DigitSet, workers: int) -> None:
    torch = pytest.importorskip("torch", reason=WHY)
    mixed = synthgen.mix(made[:20], made, share=0.5, batch=8, weight=0.5)
    dataset = mixed.as_torch_dataset()
    dataset.set_epoch(1)
    loader = torch.utils.data.DataLoader(dataset, batch_size=None, num_workers=workers)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        found = sorted(bytes(images.numpy()) for images, _, _ in loader)
    assert len(loader) == 5
    assert found == sorted(bytes(images) for images, _, _ in mixed.batches(1))


@pytest.mark.usefixtures("cache")
def test_hugging_face_reads_every_image_and_label(made: DigitSet) -> None:
    pytest.importorskip("datasets", reason=WHY)
    dataset = made.as_hugging_face()
    whole = made[:]
    assert dataset.features["label"].names == ["zero", "one", "two"]
    assert dataset["label"][:] == whole.labels.tolist()
    images = np.stack([np.asarray(row["image"]) for row in dataset])
    np.testing.assert_array_equal(images, whole.images[..., 0])


# webdataset leaves it to the garbage collector to close its files
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.usefixtures("cache")
@pytest.mark.parametrize("number", range(len(EXAMPLES)))
def test_every_example_of_other_libraries_runs(
    workspace: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    code = EXAMPLES[number]
    for package in ("torch", "datasets", "webdataset"):
        if package in code:
            pytest.importorskip(package, reason=WHY)
    monkeypatch.chdir(workspace)
    names: dict[str, Any] = {}
    exec(code, names)

    expected = synthgen.load("manifests/digits.csv")
    for kind in ("hdf5", "parquet", "folders", "tars"):
        if kind in names:
            read = names[kind]
            column = {"hdf5": "labels", "tars": "cls"}.get(kind, "label")
            assert sorted(read[column]) == sorted(expected.labels.tolist())
    if "loss" in names:
        assert names["loss"] < 2
    if "picture" in names:
        np.testing.assert_array_equal(np.asarray(names["picture"]), expected.images[3, ..., 0])
        assert names["label"] == expected.labels[3]


@pytest.mark.usefixtures("cache")
def test_the_journey_runs_from_top_to_bottom(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    for package in ("datasets", "sklearn"):
        pytest.importorskip(package, reason=WHY)
    torch = pytest.importorskip("torch", reason=WHY)
    threads = torch.get_num_threads()
    request.addfinalizer(lambda: torch.set_num_threads(threads))
    torch.set_num_threads(1)  # other tests are at work on the other cores
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    page = (PAGE.parent / "journey.md").read_text()
    for kind, code in re.findall(r"```(py|sh)\n(.*?)```", page, re.S):
        if kind == "py":
            exec(code, names)
            continue
        for line in code.splitlines():
            result = CliRunner().invoke(cli, shlex.split(line)[1:])
            assert result.exit_code == 0, result.output
    assert len(names["table"]) == 300
    assert names["both"].mean() > 0.5
    assert names["gained"] + names["lost"] <= len(names["test"])
