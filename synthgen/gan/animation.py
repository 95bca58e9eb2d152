"""An animation of the sample grids of a training: the same latents, one grid after the other."""

import io
from collections.abc import Sequence

from PIL import Image

from synthgen.datasets.digits import Images
from synthgen.datasets.pixels import decode_png
from synthgen.storage import Storage

ANIMATION = "samples/animation.webp"
MOST_BYTES = 3_000_000
MILLISECONDS = 150  # a frame
LAST_MILLISECONDS = 2000


def write_animation(storage: Storage) -> None:
    """Make samples/animation.webp of the grids in samples/; nothing where there are fewer than two.

    Grids of another size than the last one (--grid was changed) are left out.
    """
    sheets = [decode_png(storage.read_bytes(file)) for file in sheet_files(storage)]
    # they are stored enlarged twice
    same = [sheet[::2, ::2] for sheet in sheets if sheet.shape == sheets[-1].shape]
    if len(same) > 1:
        storage.write_bytes(ANIMATION, encode_animation(same), durable=False)


def sheet_files(storage: Storage) -> list[str]:
    """The sample grids of a training, in the order of their steps."""
    return sorted(
        (file for file in storage.files("samples") if file.endswith(".png")),
        key=lambda file: (len(file), file),
    )


def encode_animation(frames: Sequence[Images], limit: int = MOST_BYTES) -> bytes:
    """Frames as an animated WebP that repeats for ever and rests on the last one.

    Args:
        frames: at least one, each (height, width, channels) uint8.
        limit: bytes; if they do not suffice, every other frame is left out, again and again.
    """
    chosen = list(frames)
    while len(content := _encode(chosen)) > limit and len(chosen) > 1:
        chosen = chosen[::-2][::-1]  # the last one stays
    return content


def _encode(frames: Sequence[Images]) -> bytes:
    pictures = [
        Image.fromarray(frame[..., 0] if frame.shape[-1] == 1 else frame).convert("RGB")
        for frame in frames
    ]
    durations = [MILLISECONDS] * (len(frames) - 1) + [LAST_MILLISECONDS]
    buffer = io.BytesIO()
    pictures[0].save(
        buffer,
        "WEBP",
        save_all=True,
        append_images=pictures[1:],
        duration=durations,
        loop=0,
        quality=75,
        method=4,
    )
    return buffer.getvalue()
