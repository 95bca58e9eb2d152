from pathlib import Path

from tests.faults.flips import flip_bytes


def test_a_changed_byte_is_found_and_called_by_its_name(tmp_path: Path) -> None:
    flips = list(flip_bytes(tmp_path, tries=10))
    assert [flip for flip in flips if flip.outcome not in ("found", "harmless")] == []
