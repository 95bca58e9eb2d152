import json
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from synthgen.gan.checkpoint import TrainingData
from synthgen.shards.croissant import describe_for_machines
from synthgen.shards.run_record import GeneratorOrigin
from synthgen.shards.verify import verify
from tests.shards.conftest import make, sha256


def test_every_shard_stands_there_with_its_hash(tmp_path: Path) -> None:
    made = make(tmp_path, formats=("hdf5", "npz", "png"))
    folder = tmp_path / "data/tiny"
    about = json.loads((folder / "croissant.json").read_text())
    files = {entry["@id"]: entry for entry in about["distribution"]}
    assert files.pop("manifest")["contentUrl"] == "../../manifests/tiny.csv"
    assert files.pop("png")["@type"] == "cr:FileSet"
    assert sorted(files) == [
        f"{k}/0000{n}.{s}" for k, s in (("hdf5", "h5"), ("npz", "npz")) for n in range(3)
    ]
    for path, entry in files.items():
        assert entry["sha256"] == sha256((folder / path).read_bytes())
    generator = about["prov:wasGeneratedBy"]["prov:used"][0]
    assert generator["identifier"] == f"sha256:{made.record.checkpoint.sha256}"
    assert generator["prov:wasDerivedFrom"]["name"] == "drawings"


def test_the_licence_of_mnist_is_named_and_no_other_guessed(tmp_path: Path) -> None:
    record = make(tmp_path).record
    assert "license" not in json.loads(describe_for_machines(record))
    origin = GeneratorOrigin(
        sha256="0" * 64, training_data=TrainingData(source="MNIST, from the cache")
    )
    about = json.loads(describe_for_machines(replace(record, checkpoint=origin)))
    assert about["license"] == "https://creativecommons.org/licenses/by-sa/3.0/"


def test_a_description_of_another_set_is_a_problem(tmp_path: Path) -> None:
    made = make(tmp_path)
    stale = (tmp_path / "data/tiny/croissant.json").read_bytes()
    make(tmp_path, per_class=40)
    assert verify(made.manifest_path).problems == []
    (tmp_path / "data/tiny/croissant.json").write_bytes(stale)
    (problem,) = verify(made.manifest_path).problems
    assert problem == "data/tiny/croissant.json gives another hash of the manifest."


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_mlcroissant_accepts_it_and_reads_the_records(tmp_path: Path) -> None:
    mlcroissant = pytest.importorskip("mlcroissant", reason="pip install 'synthgen[ecosystem]'")
    make(tmp_path, formats=("hdf5", "png", "parquet"))
    dataset = mlcroissant.Dataset(str(tmp_path / "data/tiny/croissant.json"))
    assert not dataset.metadata.ctx.issues.errors
    rows = pd.read_csv(tmp_path / "manifests/tiny.csv", dtype={"id": str})
    records = list(dataset.records("images"))
    assert [record["images/id"].decode() for record in records] == rows["id"].tolist()
    assert [record["images/seed"] for record in records] == rows["seed"].tolist()
    assert [record["images/label"] for record in records] == rows["label"].tolist()
    names = [record["classes/name"] for record in dataset.records("classes")]
    assert names == ["zero", "one", "two"]
