"""What a process says while TensorFlow is loaded; a small module fails in its place."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import tensorflow as tf

from synthgen.networks.backend import compute_repeatably

LOADS = "from synthgen.networks.backend import tf"
FAKE_TENSORFLOW = r"""
import os
os.write(2, b"WARNING: All log messages before absl::InitializeLog() is called are written to ")
os.write(2, b"STDERR\n")
os.write(2, b"I0000 00:00:1795670385.535819   18684 port.cc:153] oneDNN operations are on.\n")
os.write(2, b"2026-01-01 12:00:00.123456: W tensorflow/core/x.cc:1] Old form of a remark.\n")
os.write(2, b"E0000 00:00:1795670385.535819   18684 x.cc:1] Unable to register cuDNN factory: x\n")
os.write(2, b"E0000 00:00:1795670385.535819   18684 x.cc:1] A real error.\n")
os.write(2, b"A line of another library.\n")
os.abort()
"""


def run(code: str, *folders: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    paths = [*map(str, folders), *filter(None, sys.path)]
    return subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(paths)} | environment,
    )


@pytest.fixture
def fake(tmp_path: Path) -> Path:
    """A folder with a package `tensorflow` that writes lines of each kind and aborts."""
    (tmp_path / "tensorflow").mkdir()
    (tmp_path / "tensorflow" / "__init__.py").write_text(FAKE_TENSORFLOW)
    return tmp_path


@pytest.mark.slow
def test_loading_tensorflow_and_finding_its_devices_says_nothing() -> None:
    use = f"{LOADS}\nprint(float(tf.constant(1.0) + 1), tf.config.list_logical_devices('GPU'))"
    result = run(use, KERAS_BACKEND="torch")
    assert result.returncode == 0, result.stderr
    assert result.stdout == "2.0 []\n"
    assert result.stderr == ""


@pytest.mark.slow
def test_with_verbose_all_that_tensorflow_says_is_shown() -> None:
    assert "port.cc" in run(LOADS, SYNTHGEN_VERBOSE="1").stderr


def test_errors_come_through_also_of_a_process_that_aborts(fake: Path) -> None:
    result = run(LOADS, fake)
    assert result.returncode == -6
    assert result.stderr.splitlines() == [
        "E0000 00:00:1795670385.535819   18684 x.cc:1] A real error.",
        "A line of another library.",
    ]


def test_standard_error_is_as_before_afterwards(fake: Path) -> None:
    (fake / "tensorflow" / "__init__.py").write_text("raise ImportError('no such thing')")
    code = (
        "import os\nbefore = os.fstat(2)\n"
        f"try:\n    {LOADS}\nexcept ImportError as error:\n    print(error)\n"
        "print(os.path.samestat(before, os.fstat(2)))\nos.write(2, b'I0000 00:00:1 mine\\n')"
    )
    result = run(code, fake)
    assert result.stdout == "no such thing\nTrue\n"
    assert result.stderr == "I0000 00:00:1 mine\n"


def test_a_program_with_tensorflow_of_its_own_is_left_alone(fake: Path) -> None:
    (fake / "tensorflow" / "__init__.py").write_text("")
    (fake / "keras.py").write_text(
        "import os\nos.write(2, b'I0000 00:00:17 x.cc] told\\n')\nraise KeyError"
    )
    assert "told" in run(f"import tensorflow\n{LOADS}", fake).stderr
    assert "told" not in run(LOADS, fake).stderr


@pytest.mark.parametrize("gpus", [[], ["GPU:0"]])
def test_gpus_compute_the_same_each_time_in_full_float32(
    gpus: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[bool] = []
    monkeypatch.setattr(
        tf.config, "list_physical_devices", lambda kind: gpus if kind == "GPU" else []
    )
    monkeypatch.setattr(tf.config.experimental, "enable_op_determinism", lambda: asked.append(True))
    monkeypatch.setattr(tf.config.experimental, "enable_tensor_float_32_execution", asked.append)
    compute_repeatably()
    assert asked == [True, False] * len(gpus)
