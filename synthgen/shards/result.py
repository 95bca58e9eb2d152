"""What a build made, and what it says of that."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from synthgen.shards.labels import DESCRIPTIONS
from synthgen.shards.manifest import record_path
from synthgen.shards.wording import counted


@dataclass(frozen=True)
class BuildResult:
    """What a build made.

    Args:
        root: as the user named it.
        manifest: path of the manifest, relative to the root.
        record: the run record.
        skipped: numbers of the shards that were there already.
        seconds: it took.
        unchanged: whether everything was there already.
        made: images that were generated now.
        repaired: what was found damaged or missing and made again, in words.
        orphans: files in the shard folders that belong to no image of the set; `verify` counts them
            as problems.
    """

    root: str
    manifest: str
    record: Mapping[str, Any]
    skipped: tuple[int, ...]
    seconds: float
    unchanged: bool
    made: int = 0
    repaired: tuple[str, ...] = ()
    orphans: tuple[str, ...] = ()

    @property
    def manifest_path(self) -> str:
        """Path or URL of the manifest."""
        return self.manifest if self.root == "." else os.path.join(self.root, self.manifest)

    @property
    def count(self) -> int:
        """Images in the set."""
        return int(self.record["count"])

    @property
    def acceptance(self) -> dict[str, float]:
        """The share of draws that was kept, by class name."""
        return dict(self.record["acceptance"])

    def lines(self) -> list[str]:
        """A summary for the terminal."""
        name, settings = self.record["settings"]["name"], self.record["settings"]
        shards = counted(len(self.record["shards"]), "shard")
        what = f"{self.count:,} images, {settings['per_class']:,} of each of {len(self.acceptance)} classes, in {shards}"
        if self.unchanged:
            checked = f"Nothing to do: {what}, are in place and unharmed (checked in {self.seconds:.1f} s)."
            return [checked, *self._leftovers(), f"Manifest {self.manifest_path}"]
        return [
            self._made(what),
            *(
                [f"Found damaged or missing, and made again: {', '.join(self.repaired)}."]
                if self.repaired
                else []
            ),
            *self._labels(),
            f"Shards   {os.path.join(self.root, 'data', name)}: {', '.join(settings['formats'])}, contact_sheet.png",
            f"Manifest {self.manifest_path}, run record {record_path(self.manifest_path)}",
            *self._leftovers(),
        ]

    def _made(self, what: str) -> str:
        """How much of the set was made now; the rate is that of these images."""
        took = f"in {self.seconds:.1f} s"
        rate = f"{took} ({self.made / max(self.seconds, 1e-9):,.0f} images/s)"
        if not self.skipped:
            return f"Made {what}, {rate}."
        if not self.made:
            return f"Complete: {what}, which were all there already, {took}."
        return f"Complete: {what}; {counted(len(self.skipped), 'shard')} there already, {counted(self.made, 'image')} made now, {rate}."

    def _leftovers(self) -> list[str]:
        """What `verify` will find wrong, though all images are as they should be."""
        if not self.orphans:
            return []
        which = f"{self.orphans[0]}{' and others' * (len(self.orphans) > 1)}"
        return [
            f"Left over: {counted(len(self.orphans), 'file')} without a row in the manifest, {which}. Remove what `synthgen verify` names."
        ]

    def _labels(self) -> list[str]:
        """Where the labels come from, and how many draws they took."""
        source, shares = self.record["label_source"], self.acceptance
        least, most = (
            choose((share, class_name) for class_name, share in shares.items())
            for choose in (min, max)
        )
        said = f"Labels come from {DESCRIPTIONS[source]}"
        if source == "classifier":
            trained_on = (
                self.record["checkpoint"].get("training_data", {}).get("source", "unknown digits")
            )
            shares_of_draws = f"{least[0]:.2%} (class {least[1]!r}) to {most[0]:.2%} (class {most[1]!r}) of the draws"
            return [f"{said}, trained on {trained_on}; it saw each class in {shares_of_draws}."]
        overall = len(shares) / sum(1 / share for share in shares.values())
        return [
            f"{said}. Screening kept {overall:.2%} of all draws; least of class {least[1]!r}, {least[0]:.2%}."
        ]
