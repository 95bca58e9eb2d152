"""Single-byte changes of a published set: `verify` finds each, and calls it by its right name."""

import json
import random
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from synthgen.errors import SynthgenError
from synthgen.shards.verify import verify
from tests.shards.conftest import make

MANIFEST = "manifests/tiny.csv"
RECORD = "manifests/tiny.json"
KINDS = (MANIFEST, RECORD, "/hdf5/", "/png/", "contact_sheet.png")


class Flip(NamedTuple):
    """What became of one changed byte.

    Args:
        place: kind of the file, path, and number of the byte.
        outcome: "found", "found under another name", "not found", or "harmless" where the record
            says the same in other white space.
    """

    place: tuple[str, str, int]
    outcome: str


def flip_bytes(root: Path, tries: int, seed: int = 0) -> Iterator[Flip]:
    """Changes single bytes of a set, one at a time; each kind of file has its turn.

    Args:
        root: an empty folder, for the set.
        tries: number of bytes.
        seed: decides which ones.
    """
    make(root)
    files = sorted(path for path in root.rglob("*") if path.is_file())
    choose = random.Random(seed)
    for number in range(tries):
        # one byte of one file, any other value
        kind = KINDS[number % len(KINDS)]
        path = choose.choice([file for file in files if kind in str(file.relative_to(root))])
        whole = path.read_bytes()
        byte = choose.randrange(len(whole))
        changed = bytearray(whole)
        changed[byte] ^= choose.randrange(1, 256)
        path.write_bytes(changed)

        # what does verify say?
        relative = str(path.relative_to(root))
        yield Flip((kind, relative, byte), _outcome(root, kind, relative, whole, bytes(changed)))
        path.write_bytes(whole)
    assert verify(str(root / MANIFEST), progress=False).problems == []


def _outcome(root: Path, kind: str, relative: str, whole: bytes, changed: bytes) -> str:
    """Returns in a word or two what `verify` makes of a set of which one file was changed."""
    try:
        problems = verify(str(root / MANIFEST), progress=False).problems
    except SynthgenError as error:
        problems = [str(error)]
    if kind == "/hdf5/":
        name = f"shard {int(Path(relative).stem)}, hdf5"
    elif kind == "/png/":
        name = f"shard {int(Path(relative).stem[2:]) // 10}, png"
    else:
        name = relative
    if any(name in problem for problem in problems):
        return "found"
    if problems:
        return "found under another name"
    if kind == RECORD and json.loads(changed) == json.loads(whole):
        return "harmless"
    return "not found"


def count_outcomes(flips: Iterator[Flip]) -> Counter[tuple[str, str]]:
    """Counts what became of changes, by kind of file and outcome."""
    return Counter((flip.place[0], flip.outcome) for flip in flips)
