"""TensorFlow and Keras, loaded in one place: `from synthgen.networks.backend import keras, tf`.

While they are imported, TensorFlow writes to the file descriptor of standard error before it heeds
any setting: which instructions it was compiled for, that it found no GPU. Here these remarks are
dropped during the import; errors, and whatever else is written meanwhile, come through. Afterwards
standard error is what it was. SYNTHGEN_VERBOSE=1 (or `synthgen -v`) lets everything through, and a
program that has imported TensorFlow itself is left alone.
"""

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator

from synthgen.processes import has_gpu

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


@contextlib.contextmanager
def _on_tensorflow() -> Iterator[None]:
    """Let Keras be imported with its TensorFlow backend, whatever other programs run it on."""
    before = os.environ.get("KERAS_BACKEND")
    os.environ["KERAS_BACKEND"] = "tensorflow"
    try:
        yield
    finally:
        if before is None:
            del os.environ["KERAS_BACKEND"]
        else:
            os.environ["KERAS_BACKEND"] = before


_quiet = "tensorflow" not in sys.modules and not os.environ.get("SYNTHGEN_VERBOSE")
with _without_remarks() if _quiet else contextlib.nullcontext(), _on_tensorflow():
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

__all__ = ["keras", "layers", "tf"]
