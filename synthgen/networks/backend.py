"""TensorFlow and Keras, loaded in one place: `from synthgen.networks.backend import keras, tf`.

While they are imported, TensorFlow writes to the file descriptor of standard error before it heeds
any setting: which instructions it was compiled for, that it found no GPU. Here these remarks are
dropped during the import; errors, and whatever else is written meanwhile, come through. Afterwards
standard error is what it was. SYNTHGEN_VERBOSE=1 (or `synthgen -v`) lets everything through, and a
program that has imported TensorFlow itself is left alone.

What somebody has set for other programs does not change a result. Environment variables that make
TensorFlow compute in another way are removed from this process before it is imported (those of a
program that imported it before are noted by `records.versions`). Keras is imported without a
`keras.json` that departs from its defaults, and `keras_defaults` keeps what a program sets later
away from the networks of synthgen. GPUs are told to compute as CPUs do, see `compute_repeatably`.
"""

import contextlib
import json
import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from synthgen.processes import has_gpu
from synthgen.records import ARITHMETIC_VARIABLES
from synthgen.storage import cache_folder

# Reads standard error line by line until its writers are gone. A process of its own, because the
# import holds Python's lock, and because what TensorFlow writes before it aborts must not be lost.
_FILTER = r"""
import os, re, sys

remark = re.compile(rb"[IW]\d{4} \d\d:\d\d:\d\d|\d{4}-\d\d-\d\d [\d:.]+: [IW] ")
known = (
    b"WARNING: All log messages before absl::InitializeLog() is called are written to STDERR",
    b"To enable the following instructions: ",
)
harmless = rb"Unable to register cu\w+ factory|CUDA_ERROR_NO_DEVICE" + sys.argv[1].encode()
for line in iter(sys.stdin.buffer.readline, b""):
    if not (remark.match(line) or line.startswith(known) or re.search(harmless, line)):
        os.write(2, line)
"""
_NO_DRIVER = "|failed call to cuInit"


@contextlib.contextmanager
def _without_remarks() -> Iterator[None]:
    """Drop TensorFlow's remarks from what is written to file descriptor 2 while the block runs."""
    try:
        stderr = os.dup(2)
    except OSError:  # there is no standard error
        yield
        return
    reading, writing = os.pipe()
    harmless = "" if has_gpu() else _NO_DRIVER
    try:
        lines = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", _FILTER, harmless],
            stdin=reading,
            stdout=subprocess.DEVNULL,
            stderr=stderr,
            start_new_session=True,  # Ctrl-C is for the program, not for its standard error
        )
    except OSError:  # no process can be made: rather remarks than nothing
        for descriptor in (reading, writing, stderr):
            os.close(descriptor)
        yield
        return
    if sys.stderr is not None:
        sys.stderr.flush()
    os.dup2(writing, 2)
    os.close(reading)
    os.close(writing)
    try:
        yield
    finally:
        os.dup2(stderr, 2)
        os.close(stderr)
        with contextlib.suppress(subprocess.TimeoutExpired):
            lines.wait(timeout=10)  # until all that was written has come through


KERAS_DEFAULTS = {
    "floatx": "float32",
    "epsilon": 1e-7,
    "image_data_format": "channels_last",
    "nnx_enabled": False,
}


def _has_keras_json() -> bool:
    """Whether Keras would read a keras.json that departs from its defaults, or fail to."""
    home = os.environ.get("KERAS_HOME")
    if home is None:
        base = os.path.expanduser("~")
        home = os.path.join(base if os.access(base, os.W_OK) else "/tmp", ".keras")
    try:
        settings = json.loads(Path(home, "keras.json").expanduser().read_bytes())
    except (OSError, ValueError, RuntimeError):  # Keras takes its defaults then
        return False
    if not isinstance(settings, dict):
        return True
    return any(settings.get(name, value) != value for name, value in KERAS_DEFAULTS.items())


@contextlib.contextmanager
def _keras_environment() -> Iterator[None]:
    """Let Keras be imported as it comes, with its TensorFlow backend."""
    instead: dict[str, str | None] = {
        "KERAS_BACKEND": "tensorflow",
        "KERAS_NNX_ENABLED": None,
        "KERAS_MAX_EPOCHS": None,
        "KERAS_MAX_STEPS_PER_EPOCH": None,
    }
    if _has_keras_json():
        instead["KERAS_HOME"] = os.path.join(cache_folder(), "keras")
    before = {name: os.environ.get(name) for name in instead}
    try:
        _set_environment(instead)
        yield
    finally:
        _set_environment(before)


def _set_environment(values: dict[str, str | None]) -> None:
    """Set environment variables; None removes one."""
    for name, value in values.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value


def compute_repeatably() -> None:
    """Let the GPUs of this process compute the same each time, and with all digits of float32.

    By themselves they try several kernels and take the quickest of the moment, so that the same
    command gives other bytes, and they cut the factors of products to ten binary digits (TF32): one
    drawn pixel in a hundred then differs from what a CPU draws, and two devices no longer train as
    one does. Both together cost a sixth of the speed of a training (docs/scale.md). Without a GPU
    nothing is changed.
    """
    if tf.config.list_physical_devices("GPU"):
        tf.config.experimental.enable_op_determinism()
        tf.config.experimental.enable_tensor_float_32_execution(False)


_first = "tensorflow" not in sys.modules
_quiet = _first and not os.environ.get("SYNTHGEN_VERBOSE")
if _first:
    for _name in ARITHMETIC_VARIABLES:
        if os.environ.pop(_name, None) is not None:
            logging.getLogger(__name__).info(
                "%s is not heeded: it changes how TensorFlow computes.", _name
            )
with _without_remarks() if _quiet else contextlib.nullcontext(), _keras_environment():
    import keras
    import tensorflow as tf

    if not has_gpu():
        tf.config.list_physical_devices()  # remarks once that there is none
    layers = keras.layers

if keras.backend.backend() != "tensorflow":
    raise ImportError(
        f"Keras runs on {keras.backend.backend()!r} in this program, and synthgen needs "
        "TensorFlow. Set KERAS_BACKEND=tensorflow before Keras is imported."
    )
compute_repeatably()
if _first:
    for _gpu in tf.config.list_physical_devices("GPU"):
        # memory is taken as it is needed, and others may work beside this process
        tf.config.experimental.set_memory_growth(_gpu, True)


@contextlib.contextmanager
def keras_defaults() -> Iterator[None]:
    """Let networks be made and traced with Keras's defaults, whatever the program has set.

    The same weights then make the same images in every program: all networks compute in float32,
    channels last.
    """
    policy = keras.config.dtype_policy()
    floatx = keras.config.floatx()
    epsilon = keras.config.epsilon()
    data_format = keras.config.image_data_format()
    try:
        keras.config.set_floatx(KERAS_DEFAULTS["floatx"])
        keras.config.set_dtype_policy(KERAS_DEFAULTS["floatx"])
        keras.config.set_epsilon(KERAS_DEFAULTS["epsilon"])
        keras.config.set_image_data_format(KERAS_DEFAULTS["image_data_format"])
        yield
    finally:
        keras.config.set_floatx(floatx)
        keras.config.set_dtype_policy(policy)
        keras.config.set_epsilon(epsilon)
        keras.config.set_image_data_format(data_format)


__all__ = ["keras", "keras_defaults", "layers", "tf"]
