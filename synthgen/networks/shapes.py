"""The sizes of images, and the stages that a network is a list of. No TensorFlow."""

from typing import NamedTuple

from synthgen.errors import DataError, SettingsError

ImageShape = tuple[int, int, int]  # (height, width, channels)
# of minibatch discrimination (see `layers.MinibatchDiscrimination`)
MINIBATCH_KERNELS = 16
MINIBATCH_SIZE = 8


class Stage(NamedTuple):
    """One stage of a network (see `GanSettings`).

    Args:
        kind: "dense", "same", "up", "down" or "pixels".
        side: of its kernel; 0 of a dense stage, which has none.
        name: of its layers: the kind, numbered where it occurs again ("up", "up_2").
    """

    kind: str
    side: int
    name: str

    @property
    def resizes(self) -> bool:
        """Whether one end has twice the height and width of the other."""
        return self.kind in ("up", "down", "pixels")


def parse_stages(stages: tuple[str, ...]) -> list[Stage]:
    """Parse the stages of a recipe.

    Example:
        >>> parse_stages(("up4", "pixels3"))
        [Stage(kind='up', side=4, name='up'), Stage(kind='pixels', side=3, name='pixels')]
    """
    parsed: list[Stage] = []
    for stage in stages:
        kind = stage.rstrip("0123456789")
        number = 1 + sum(before.kind == kind for before in parsed)
        name = kind if number == 1 else f"{kind}_{number}"
        parsed.append(Stage(kind, int(stage.removeprefix(kind) or 0), name))
    return parsed


def scale_of(stages: tuple[str, ...]) -> int:
    """Return how many times larger one end of a network is than the other, on each side.

    Example:
        >>> scale_of(("same3", "up4", "pixels3"))
        4
    """
    return int(2 ** sum(stage.resizes for stage in parse_stages(stages)))


def check_image_shape(shape: ImageShape) -> None:
    """Make sure that the networks can be derived from this image shape.

    Raises:
        DataError: naming the nearest legal size.
    """
    height, width, channels = shape
    if height % 4 or width % 4 or min(height, width) < 8 or channels not in (1, 3):
        nearest = [max(8, 4 * round(side / 4)) for side in (height, width)]
        raise DataError(
            "Expected images whose height and width are divisible by 4 (8 or more) "
            f"with 1 or 3 channels, received {height} x {width} x {channels}. "
            f"The nearest legal size is {nearest[0]} x {nearest[1]}: "
            "pad or resize the images to it."
        )


def check_scale(network: str, stages: tuple[str, ...], shape: ImageShape) -> None:
    """Make sure that the stages of a network end in, or begin with, images of this shape.

    Args:
        network: "generator" or "discriminator".
        stages: of the network.
        shape: of the images.

    Raises:
        SettingsError: if they halve or double it too often.
    """
    factor = scale_of(stages)
    height, width, _ = shape
    if height % factor or width % factor:
        kind = "up" if network == "generator" else "down"
        change = "doublings" if network == "generator" else "halvings"
        raise SettingsError(
            f"--{network}-stages: expected stages whose {change} divide the image, "
            f"received {','.join(stages)} ({factor} times) for {height} x {width}. "
            f"Use fewer {kind} and pixels stages."
        )
