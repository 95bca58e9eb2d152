"""The whole job with the shipped generator, as a user runs it.

The images are the same whatever the size of the shards, a kill, or the number of images.
"""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest

import synthgen
from synthgen.gan.checkpoint import read_checkpoint, shipped_checkpoint
from synthgen.shards.show import rebuild
from synthgen.shards.verify import verify

pytestmark = pytest.mark.slow
COMMAND = [sys.executable, "-m", "synthgen", "build", "--no-evaluate", "--batch", "64"]


def build(root: Path, *options: str) -> None:
    subprocess.run([*COMMAND, "--root", str(root), *options], check=True, capture_output=True)


def files(root: Path) -> dict[str, bytes]:
    """Every file but the run record, which holds times."""
    return {
        str(path.relative_to(root)): path.read_bytes()
        for path in root.rglob("*")
        if path.is_file() and path.suffix != ".json"
    }


def rows(root: Path) -> pd.DataFrame:
    return (
        pd.read_csv(root / "manifests" / "digits.csv", dtype={"id": str})
        .set_index("id")
        .sort_index()
    )


@pytest.fixture(scope="module")
def whole(mnist: object, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("whole")
    build(root, "--per-class", "60", "--shard-size", "200")
    return root


def test_the_set_is_exact_whole_and_readable(whole: Path) -> None:
    assert verify(str(whole / "manifests" / "digits.csv")).problems == []
    digits = synthgen.load(str(whole / "manifests" / "digits.csv"))
    assert digits.counts().tolist() == [60] * 10
    assert digits.image_shape == (28, 28, 1)


def test_what_is_set_for_other_programs_changes_no_image(whole: Path, tmp_path: Path) -> None:
    """Keras's file and environment, TensorFlow's, NumPy's, the locale, the umask: all at once."""
    (tmp_path / "keras").mkdir()
    (tmp_path / "keras" / "keras.json").write_text(
        '{"floatx": "float16", "image_data_format": "channels_first", "epsilon": 1}'
    )
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text(
        "import decimal, os\nimport numpy as np\nnp.seterr(all='raise')\n"
        "np.set_printoptions(precision=1, threshold=2)\ndecimal.getcontext().prec = 3\n"
        "os.umask(0o077)\n"
    )
    hostile = {
        "KERAS_HOME": str(tmp_path / "keras"),
        "KERAS_BACKEND": "torch",
        "KERAS_MAX_EPOCHS": "none",
        "TF_ENABLE_ONEDNN_OPTS": "0",
        "TF_XLA_FLAGS": "--tf_xla_auto_jit=2 --tf_xla_cpu_global_jit",
        "ONEDNN_MAX_CPU_ISA": "SSE41",
        "MPLBACKEND": "nonsense",
        "PYTHONWARNINGS": "error",
        "PYTHONIOENCODING": "ascii",
        "LC_ALL": "C",
        "PYTHONPATH": os.pathsep.join([str(tmp_path / "site"), *filter(None, sys.path)]),
    }
    root = tmp_path / "root"
    command = [*COMMAND, "--root", str(root), "--per-class", "20", "--shard-size", "200"]
    done = subprocess.run(
        command, env=os.environ | hostile, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    shard = "data/digits/hdf5/00000.h5"
    assert (root / shard).read_bytes() == (whole / shard).read_bytes()


def test_shard_size_and_number_do_not_change_an_image(whole: Path, tmp_path: Path) -> None:
    build(tmp_path, "--per-class", "33", "--shard-size", "10000")
    few, many = rows(tmp_path), rows(whole)
    columns = [
        "label",
        "index",
        "seed",
        "attempt",
        "sha256",
        "predicted",
        "confidence",
        "nearest_train_distance",
    ]
    pd.testing.assert_frame_equal(few[columns], many.loc[few.index, columns])
    assert few["nearest_train_distance"].notna().all()


def test_any_row_is_rebuilt_to_its_exact_pixels(whole: Path) -> None:
    checkpoint = read_checkpoint(shipped_checkpoint())
    for image_id in ("0-0000000", "5-0000037", "9-0000059"):
        assert rebuild(str(whole / "manifests" / "digits.csv"), image_id, checkpoint).identical


def test_a_build_that_was_killed_ends_in_the_same_bytes(whole: Path, tmp_path: Path) -> None:
    arguments = [*COMMAND, "--root", str(tmp_path), "--per-class", "60", "--shard-size", "200"]
    process = subprocess.Popen(arguments, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while (
        process.poll() is None
        and not (tmp_path / "manifests" / ".digits.parts" / "00000.json").exists()
    ):
        time.sleep(0.005)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert not (tmp_path / "manifests" / "digits.csv").exists()
    build(tmp_path, "--per-class", "60", "--shard-size", "200")
    assert files(tmp_path) == files(whole)


def test_commands_say_only_their_own_words(drawings: str, tmp_path: Path) -> None:
    def stderr_of(*arguments: str) -> list[str]:
        command = [sys.executable, "-m", "synthgen", *arguments, "--data", drawings]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        return done.stderr.splitlines()

    root = str(tmp_path / "root")
    of_build = stderr_of("build", "--per-class", "2", "--no-evaluate", "--root", root)
    of_training = stderr_of("train", "--out", str(tmp_path / "gan"), "--steps", "2")
    assert len(of_build) == 2
    assert of_build[0].startswith("NOTICE: no distances to training images, because the generator")
    assert of_build[1].startswith("NOTICE: the screening classifier of the generator reads")
    assert all(line.startswith("NOTICE: ") for line in of_training), of_training
