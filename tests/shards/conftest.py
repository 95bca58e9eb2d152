"""Networks without TensorFlow: an image is a plain function of its latent and label."""

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pytest

from synthgen.config import BuildSettings, GanSettings
from synthgen.datasets.digits import Digits
from synthgen.datasets.framing import Framing
from synthgen.gan.checkpoint import Checkpoint
from synthgen.shards.build import BuildResult, build
from synthgen.shards.content import ShardContent
from synthgen.shards.generate import Networks, draw_shard
from synthgen.shards.plan import plan_set

REPOSITORY = Path(__file__).parents[2]


SHAPE = (8, 8, 1)


CLASSES = 3


LATENT = 4


# Dark ink on light paper of 12 x 10 pixels.
FRAMING = Framing(
    fit="mnist",
    polarity="dark-on-light",
    shape=SHAPE,
    size=(12, 10),
    several_sizes=False,
    channels=3,
    ground=(250, 240, 200),
    ink=(60, 40, 30),
    levels=0,
    stretched=False,
    box=(6.0, 4.0),
    long_side=6.0,
    long_side_spread=1.0,
    position=(0.5, -0.5),
    position_spread=(1.0, 1.0),
)


class FakeSampler:
    """Pixels from a fixed projection of latent and label; it takes whole batches, too."""

    latent = LATENT
    image_shape = SHAPE

    def __init__(self, batch: int) -> None:
        self.batch, self.calls = batch, 0

    def images(self, latents: np.ndarray, labels: np.ndarray) -> np.ndarray:
        """(n, 4) float32, (n,) -> (n, 8, 8, 1) uint8.

        The first pixel is the label, the second says how odd the latent is.
        """
        assert len(latents) == self.batch
        self.calls += 1
        projection = (
            np.random.Generator(np.random.Philox(key=1))
            .standard_normal((LATENT, 64))
            .astype(np.float32)
        )
        images = (
            np.rint(np.clip(128 + 40 * (latents @ projection), 0, 255))
            .astype(np.uint8)
            .reshape(-1, *SHAPE)
        )
        images[:, 0, 0, 0] = labels
        images[:, 0, 1, 0] = np.clip(100 + 50 * latents[:, 0], 0, 255)
        return images


class UnaskedSampler(FakeSampler):
    """A generator without a condition: a tenth of its images show class 0, half of them class 2."""

    def images(self, latents: np.ndarray, labels: np.ndarray) -> np.ndarray:
        """The class that is asked for is not looked at."""
        return super().images(latents, np.digitize(latents[:, 1], (-1.2816, 0.0)))


class FakeScreener:
    """Sure of the next class where the second pixel is bright, in about one image of six."""

    def probabilities(self, images: np.ndarray) -> np.ndarray:
        """(n, 8, 8, 1) uint8 -> (n, 3) float32."""
        shown = (images[:, 0, 0, 0] + (images[:, 0, 1, 0] > 150)) % CLASSES
        return np.where(np.arange(CLASSES) == shown[:, None], 0.96, 0.02).astype(np.float32)


def fake_networks(checkpoint: Checkpoint, batch: int) -> Networks:
    """Networks that ignore the checkpoint's weights."""
    sampler = FakeSampler if checkpoint.settings.conditional else UnaskedSampler
    return Networks(sampler(batch), FakeScreener() if checkpoint.screener else None)


def no_networks(checkpoint: Checkpoint, batch: int) -> Networks:
    """For builds that must not generate anything."""
    raise AssertionError("nothing was to be generated")


def make_checkpoint(
    weight: float = 0.0, screener: bool = True, condition: str = "projection"
) -> Checkpoint:
    """A checkpoint of three classes; another weight is another checkpoint."""
    return Checkpoint(
        settings=GanSettings(latent=LATENT, condition=condition),
        class_names=("zero", "one", "two"),
        image_shape=SHAPE,
        generator={"w": np.full(1, weight, np.float32)},
        screener={"w": np.zeros(1, np.float32)} if screener else {},
        record={
            "step": 0,
            "preset": "cdcgan",
            "training_data": {"source": "drawings", "sha256": "0" * 64},
        },
    )


def make_settings(**changes: Any) -> BuildSettings:
    """A small set: 25 images of each of 3 classes in shards of 30, so that the last is not full."""
    return BuildSettings(
        **({"per_class": 25, "shard_size": 30, "batch": 16, "name": "tiny"} | changes)
    )


def make(
    root: Path | str,
    overwrite: bool = False,
    reference: Digits | None = None,
    say: Callable[[str], object] = lambda _: None,
    framing: Framing | None = None,
    held_out: Digits | None = None,
    **changes: Any,
) -> BuildResult:
    """Build a small set with the fake networks.

    They know nothing of classes if the labels are to come from the classifier.
    """
    settings = make_settings(**changes)
    checkpoint = make_checkpoint(
        condition="none" if settings.labels == "classifier" else "projection"
    )
    return build(
        settings,
        str(root),
        checkpoint,
        reference,
        overwrite,
        progress=False,
        networks=fake_networks,
        say=say,
        framing=framing,
        held_out=held_out,
    )


def drawings(seed: int, per_class: int = 60) -> Digits:
    """Images as the fake generator draws them, of latents that no build uses."""
    labels = (np.arange(per_class * CLASSES) % CLASSES).astype(np.uint8)
    latents = np.random.default_rng(seed).standard_normal((len(labels), LATENT), np.float32)
    images = FakeSampler(len(labels)).images(latents, labels)
    return Digits(images, labels, ("zero", "one", "two"))


def files(root: Path | str) -> dict[str, bytes]:
    """All files below a folder; run records aside, which hold timings."""
    base = Path(root)
    return {
        str(path.relative_to(base)): path.read_bytes()
        for path in sorted(base.rglob("*"))
        if path.is_file() and path.suffix != ".json"
    }


def draw(number: int = 0, **changes: Any) -> tuple[ShardContent, Any]:
    """A drawn shard and its plan."""
    settings = make_settings(**changes)
    plan = plan_set(settings, make_checkpoint().class_names)
    return draw_shard(
        plan.shard(number), plan, settings, fake_networks(make_checkpoint(), settings.batch)
    ), plan


def sha256(content: bytes) -> str:
    """Hex digest."""
    return hashlib.sha256(content).hexdigest()


@pytest.fixture
def reference() -> Digits:
    """Twelve random training images, four a class."""
    images = np.random.Generator(np.random.Philox(key=3)).integers(0, 256, (12, *SHAPE), np.uint8)
    return Digits(images, np.arange(12, dtype=np.uint8) % CLASSES, ("zero", "one", "two"))


@pytest.fixture(params=["local", "memory"])
def root(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """An empty place on a disk and one in memory."""
    yield str(tmp_path / "root") if request.param == "local" else "memory://sets"
    memory = fsspec.filesystem("memory")
    memory.store.clear()
    memory.pseudo_dirs[:] = [""]


def stop(*_: Any, **__: Any) -> Any:
    raise RuntimeError("stop")


def fail_after(
    monkeypatch: pytest.MonkeyPatch, place: Any, name: str, calls: int, error: BaseException
) -> None:
    """Let a function work so many times and then raise."""
    work, done = getattr(place, name), []

    def limited(*args: Any, **options: Any) -> Any:
        done.append(1)
        if len(done) > calls:
            raise error
        return work(*args, **options)

    monkeypatch.setattr(place, name, limited)
