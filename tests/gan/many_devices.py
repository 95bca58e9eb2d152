"""Trainings that test_devices.py starts in processes of their own.

python many_devices.py virtual FOLDER    on two devices of one process
python many_devices.py machine FOLDER    with TF_CONFIG as one of two machines: trainings, the last
                                         one stopped, and then without one of its machines
python many_devices.py resume FOLDER     with TF_CONFIG: goes on with the latter
"""

import json
import os
import signal
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from synthgen.classifiers.networks import build_screener
from synthgen.config import GanSettings, TrainSettings
from synthgen.datasets.digits import Digits
from synthgen.errors import Interrupted, SynthgenError, WorkerLost
from synthgen.gan.devices import Devices, find_devices
from synthgen.gan.job import TrainingJob
from synthgen.gan.machines import Follower
from synthgen.gan.presets import PRESETS
from synthgen.gan.run import Run
from synthgen.gan.state import GanState
from synthgen.gan.step import make_runner
from synthgen.gan.train import train
from synthgen.networks.layers import get_weights

STEPS = 6
TINY: dict[str, Any] = {
    "steps": 24,
    "batch": 8,
    "latent": 6,
    "generator_bias": False,
    "generator_channels": (8,),
    "discriminator_channels": (4,),
}
# Adam would hide a factor of the gradients
PLAIN: dict[str, Any] = {"optimizer": "sgd", "generator_rate": 0.05, "discriminator_rate": 0.05}
CONV: dict[str, Any] = TINY | {"generator_stages": ("up4",), "discriminator_stages": ("down4",)}
DENSE: dict[str, Any] = (
    TINY | PLAIN | {"generator_stages": ("dense",), "discriminator_stages": ("dense",)}
)
RECIPES = {
    "cdcgan": replace(
        PRESETS["cdcgan"].settings,
        **CONV,
        **PLAIN,
        label_embedding=3,
        discriminator_dense=0,
        r1_every=1,
        translation=0.125,
    ),
    "dcgan": replace(PRESETS["dcgan"].settings, **CONV, **PLAIN, label_smoothing=0.1),
    "wgan-gp": replace(PRESETS["wgan-gp"].settings, **CONV, critic_steps=1),
}
FC = replace(PRESETS["fc"].settings, **DENSE)
MORE = {
    "tables with Adam": replace(
        PRESETS["cdcgan"].settings, **CONV, label_embedding=3, discriminator_dense=0, r1_gamma=0.0
    ),
    "RMSprop": replace(PRESETS["wgan"].settings, **CONV, critic_steps=2),
    "hinge": replace(PRESETS["sngan"].settings, **CONV, **PLAIN),
    "lazy R1": replace(FC, generator_norm="none", r1_gamma=0.5, r1_every=4, critic_steps=2),
    "minibatch discrimination": replace(
        FC, minibatch="discrimination", spectral_norm=True, cutout=0.25
    ),
    "minibatch deviation": replace(
        FC, minibatch="deviation", discriminator_norm="batch", weight_clip=0.05
    ),
}
WHOLE = replace(FC, dropout=0.3)  # what is trained from beginning to end
RUN = TrainSettings(log_every=6, samples_every=24, watch_every=24)


def trained(
    settings: GanSettings, digits: Digits, strategy: Any
) -> tuple[GanState, Any, dict[str, Any]]:
    """Train STEPS steps.

    Returns:
        State, runner, and the metrics of each step with the arrays of the state in the middle and
        at the end.
    """
    state = GanState(settings, digits, 0, strategy)
    run = make_runner(state, digits)
    rows = []
    middle: dict[str, Any] = {}
    for step in range(STEPS):
        middle = state.export() if step == STEPS // 2 else middle
        rows.append(run(tf.constant(1)).numpy())
    return state, run, {"metrics": np.stack(rows), "middle": middle, "end": state.export()}


def save(file: Path, results: Mapping[str, Mapping[str, Any]]) -> None:
    """Write results so that `load` of test_devices.py reads them: NAME|end|generator/..."""
    arrays = {}
    for name, result in results.items():
        arrays[f"{name}|metrics"] = result["metrics"]
        arrays |= {f"{name}|end|{path}": array for path, array in result["end"].items()}
    np.savez(file, **arrays)


def virtual(folder: Path, digits: Digits, devices: Devices) -> None:
    """Train each recipe on one device, on two, on one and then two; and one to its end on two."""
    one, two, moved = {}, {}, {}
    for name, settings in (RECIPES | MORE).items():
        one[name] = trained(settings, digits, None)[2]
        state, run, two[name] = trained(settings, digits, devices.strategy)
        state.restore(one[name]["middle"])
        rows = [run(tf.constant(1)).numpy() for _ in range(STEPS - STEPS // 2)]
        moved[name] = {"metrics": np.stack(rows), "end": state.export()}
    for kind, results in {"one": one, "two": two, "moved": moved}.items():
        save(folder / f"{kind}.npz", results)
    train_in(folder / "whole", digits, devices, "whole")


def machine(folder: Path, digits: Digits, devices: Devices) -> None:
    """The recipes, and a training that is stopped and then loses machine 1."""
    save(
        folder / f"machine-{devices.worker}.npz",
        {
            name: trained(settings, digits, devices.strategy)[2]
            for name, settings in RECIPES.items()
        },
    )
    at_step(Follower, 6, signal.SIGTERM)
    train_in(folder / "lost", digits, devices, "stopped")
    at_step(Follower, 12, signal.SIGKILL)
    train_in(folder / "lost", digits, devices, "lost", resume=True)


def resume(folder: Path, digits: Digits, devices: Devices) -> None:
    """Begin where only the chief sees what was saved, go on with the training, lose the chief."""
    train_in(
        folder / ("lost" if devices.chief else "elsewhere"),
        digits,
        devices,
        "unshared",
        resume=devices.chief,
    )
    train_in(folder / "lost", digits, devices, "resumed", resume=True)
    at_step(Run, 6, signal.SIGKILL)
    train_in(folder / "orphaned", digits, devices, "orphaned")


def train_in(out: Path, digits: Digits, devices: Devices, name: str, resume: bool = False) -> None:
    """Train as the command does, and note in a file how it ended."""
    # an untrained one will do
    screener = get_weights(build_screener(digits.image_shape, digits.classes))
    job = TrainingJob(
        digits=digits,
        out=str(out),
        gan=WHOLE,
        run=RUN,
        preset="fc",
        source="test",
        screener=screener,
    )
    try:
        ended: dict[str, Any] = {"lines": train(job, resume=resume).lines()}
    except SynthgenError as error:
        ended = {"error": type(error).__name__, "message": str(error), "exit_code": error.exit_code}
    (out.parent / f"{name}-{devices.worker}.json").write_text(json.dumps(ended))
    if ended.get("error") == WorkerLost.__name__:
        sys.exit(Interrupted.exit_code)


def at_step(machine: type[Run | Follower], step: int, number: signal.Signals) -> None:
    """Send the chief (Run) or the other machine (Follower) a signal after a step."""
    advance = machine.advance

    def advance_and_send(self: Any, bar: Any) -> None:
        advance(self, bar)
        if self.step == step:
            os.kill(os.getpid(), number)

    machine.advance = advance_and_send  # type: ignore[method-assign]


def main() -> None:
    """Do what the command line says on the digits in FOLDER/digits.npz."""
    mode, folder = sys.argv[1], Path(sys.argv[2])
    if mode == "virtual":
        tf.config.set_logical_device_configuration(
            tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * 2
        )
        # as on GPUs: refuses what is random without a seed
        tf.config.experimental.enable_op_determinism()
    devices = find_devices()
    with np.load(folder / "digits.npz") as arrays:
        digits = Digits(arrays["images"], arrays["labels"], ("a", "b", "c"))
    {"virtual": virtual, "machine": machine, "resume": resume}[mode](folder, digits, devices)


if __name__ == "__main__":
    main()
