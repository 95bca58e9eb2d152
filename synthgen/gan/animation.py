"""The sample grids of a training, and the animation that they make. No TensorFlow."""

import io
from collections.abc import Sequence

from PIL import Image

from synthgen.datasets.digits import Images
from synthgen.datasets.pixels import decode_png
from synthgen.storage import Storage

ANIMATION = "samples/animation.webp"
ANIMATION_BYTES = 3_000_000  # at most
FRAME_MILLISECONDS = 150
LAST_FRAME_MILLISECONDS = 2000


def sheet_file(step: int) -> str:
    """Return the path of the sample grid of a step within the folder of its training."""
    return f"samples/{step:06d}.png"


def sheet_files(storage: Storage) -> list[str]:
    """List the sample grids of a training in the order of their steps."""
    files = [file for file in storage.files("samples") if file.endswith(".png")]
    # from a million on, steps have more digits
    return sorted(files, key=lambda file: (len(file), file))


def write_animation(storage: Storage) -> None:
    """Make an animation of the sample grids; nothing where there are fewer than two.

    Grids of another size than the last one (--grid was changed) are left out.
    """
    sheets = [decode_png(storage.read_bytes(file)) for file in sheet_files(storage)]
    # they are stored enlarged twice
    frames = [sheet[::2, ::2] for sheet in sheets if sheet.shape == sheets[-1].shape]
    if len(frames) > 1:
        storage.write_bytes(ANIMATION, encode_animation(frames), durable=False)


def encode_animation(frames: Sequence[Images], limit: int = ANIMATION_BYTES) -> bytes:
    """Encode frames as an animated WebP that repeats for ever and rests on the last frame.

    Args:
        frames: at least one, each (height, width, channels) uint8.
        limit: bytes; if they do not suffice, every other frame is left out, again and again.
    """
    chosen = list(frames)
    while True:
        pictures = []
        for frame in chosen:
            pixels = frame[..., 0] if frame.shape[-1] == 1 else frame
            pictures.append(Image.fromarray(pixels).convert("RGB"))
        buffer = io.BytesIO()
        pictures[0].save(
            buffer,
            "WEBP",
            save_all=True,
            append_images=pictures[1:],
            duration=[FRAME_MILLISECONDS] * (len(chosen) - 1) + [LAST_FRAME_MILLISECONDS],
            loop=0,
            quality=75,
            method=4,
        )
        if len(buffer.getvalue()) <= limit or len(chosen) == 1:
            return buffer.getvalue()
        chosen = chosen[::-2][::-1]  # the last one stays
