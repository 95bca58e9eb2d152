from dataclasses import replace
from pathlib import Path

import pytest

from synthgen.gan.checkpoint import TrainingData
from synthgen.shards.data_card import describe_for_people, describe_set, inert
from synthgen.shards.run_record import GeneratorOrigin
from synthgen.storage import open_storage
from tests.shards.conftest import make


def test_a_card_says_what_the_set_is(tmp_path: Path) -> None:
    made = make(tmp_path)
    card = (tmp_path / "data/tiny/README.md").read_text()
    assert card.startswith("---\nlicense: unknown\n")
    assert "75 images, 25 of each of 3 classes, 8 x 8 x 1. **All of them are synthetic**" in card
    assert f"| generator | `{made.record.checkpoint.sha256}`, recipe cdcgan |" in card
    assert "| it learnt from | drawings |" in card
    assert "Not measured. `synthgen evaluate manifests/tiny.csv`" in card
    assert "    path: hdf5/*.h5\n" in card


def test_the_licence_of_mnist_stands_in_the_head(tmp_path: Path) -> None:
    origin = GeneratorOrigin(
        sha256="0" * 64, training_data=TrainingData(source="MNIST, from the cache")
    )
    card = describe_for_people(replace(make(tmp_path).record, checkpoint=origin))
    assert card.startswith("---\nlicense: cc-by-sa-3.0\n")
    assert "[CC BY-SA 3.0](https://creativecommons.org/licenses/by-sa/3.0/)" in card


def test_a_card_is_renewed_with_the_verdict_and_as_the_set_grows(tmp_path: Path) -> None:
    made = make(tmp_path)
    describe_set(open_storage(str(tmp_path)), made.record, ["helps", "```"])
    card = (tmp_path / "data/tiny/README.md").read_text()
    assert "```text\nhelps\n'''\n```" in card
    make(tmp_path, per_class=40)
    card = (tmp_path / "data/tiny/README.md").read_text()
    assert "120 images, 40 of each of 3 classes" in card
    assert "Not measured" in card


def test_words_of_others_are_inert() -> None:
    assert inert("a|b\n# <i>`c`") == r"a\|b \# \<i\>\`c\`"


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("kind", ["hdf5", "png", "parquet", "webdataset"])
def test_hugging_face_loads_the_folder_by_its_card(tmp_path: Path, kind: str) -> None:
    datasets = pytest.importorskip("datasets", reason="pip install 'synthgen[ecosystem]'")
    make(tmp_path, formats=(kind,))
    table = datasets.load_dataset(
        str(tmp_path / "data/tiny"), split="train", cache_dir=str(tmp_path / "cache")
    )
    assert len(table) == 75
    labels = {"hdf5": "labels", "webdataset": "cls"}.get(kind, "label")
    assert sorted(set(table[labels])) == [0, 1, 2]
