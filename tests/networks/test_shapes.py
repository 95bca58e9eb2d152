import pytest

from synthgen.errors import SettingsError
from synthgen.networks.shapes import Stage, check_scale, parse_stages, scale_of


def test_stages_of_one_kind_are_numbered() -> None:
    stages = parse_stages(("same5", "up5", "up4", "dense"))
    assert stages == [
        Stage("same", 5, "same"),
        Stage("up", 5, "up"),
        Stage("up", 4, "up_2"),
        Stage("dense", 0, "dense"),
    ]


@pytest.mark.parametrize(
    ("stages", "scale"), [(("same3",), 1), (("up4", "pixels3"), 4), (("down5", "same3"), 2)]
)
def test_the_scale_doubles_with_each_stage_that_resizes(
    stages: tuple[str, ...], scale: int
) -> None:
    assert scale_of(stages) == scale


def test_stages_that_halve_too_often_are_refused() -> None:
    check_scale("discriminator", ("down4", "down4"), (12, 8, 1))
    with pytest.raises(SettingsError, match=r"halvings.*\(8 times\) for 12 x 8"):
        check_scale("discriminator", ("down4", "down4", "pixels3"), (12, 8, 1))
