from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from synthgen.errors import DataError
from synthgen.shards import png
from synthgen.shards.plan import SetPlan
from synthgen.shards.png_codec import encode_unfiltered
from tests.shards.conftest import make, sha256


def test_png_folders_hold_ten_thousand_files_at_most() -> None:
    plan = SetPlan(name="a", class_names="01", counts=(20_001, 20_001), shard_size=50_000)
    paths = png.paths(plan.shard(0), plan)
    assert paths[2 * 9_999] == "data/a/png/0/00000/0/0-0009999.png"
    assert paths[2 * 10_000 + 1] == "data/a/png/1/00001/1/1-0010000.png"
    assert paths[-1] == "data/a/png/1/00002/1/1-0020000.png"


def test_png_files_of_different_shapes_do_not_stack() -> None:
    files = {str(side): encode_unfiltered(np.zeros((side, side, 1), np.uint8)) for side in (4, 8)}
    with pytest.raises(DataError, match="one shape"):
        png.decode(files, ["4", "8"], [0, 0])


def test_every_reader_of_image_folders_sees_the_class(tmp_path: Path) -> None:
    """The first folder for torchvision and Keras, the last for Hugging Face, all equally deep."""
    make(tmp_path)
    root = tmp_path / "data/tiny/png"
    files = [path.relative_to(root).parts for path in root.rglob("*.png")]
    assert {(parts[0], parts[-2], len(parts)) for parts in files} == {
        (name, name, 4) for name in ("zero", "one", "two")
    }


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_three_readers_of_image_folders_give_every_label(tmp_path: Path) -> None:
    """By pixels, whose hash the manifest has; the classes sort as the readers number them."""
    datasets = pytest.importorskip("datasets", reason="pip install 'synthgen[ecosystem]'")
    import keras

    make(tmp_path)
    root = tmp_path / "data/tiny/png"
    rows = pd.read_csv(tmp_path / "manifests/tiny.csv")
    names = np.array(["zero", "one", "two"])[rows["label"]]
    wanted = dict(zip(rows["sha256"], names, strict=True))

    # Hugging Face
    table = datasets.load_dataset(
        "imagefolder", data_dir=str(root), split="train", cache_dir=str(tmp_path / "cache")
    )
    classes = table.features["label"].names
    assert {
        sha256(np.asarray(row["image"]).tobytes()): classes[row["label"]] for row in table
    } == wanted

    # Keras
    data = keras.utils.image_dataset_from_directory(
        str(root), image_size=(8, 8), color_mode="grayscale", batch_size=None, verbose=False
    )
    pictures = {sha256(image.numpy().astype(np.uint8).tobytes()): label for image, label in data}
    found = {name: data.class_names[int(label)] for name, label in pictures.items()}
    assert found == wanted

    # torchvision's ImageFolder, by its documentation: the folders of the root, sorted, are the
    # classes; every picture at any depth below one of them is of that class.
    # https://docs.pytorch.org/vision/stable/generated/torchvision.datasets.ImageFolder.html
    found = {}
    for folder in sorted(path for path in root.iterdir() if path.is_dir()):
        for path in sorted(folder.rglob("*.png")):
            with Image.open(path) as picture:
                found[sha256(np.asarray(picture.convert("RGB"))[..., 0].tobytes())] = folder.name
    assert found == wanted
