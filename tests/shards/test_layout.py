import os
from pathlib import Path

import fsspec
import pytest

from synthgen.errors import ManifestError, StorageError
from synthgen.shards.layout import check_links, check_named_files, evaluation_folder, record_path
from synthgen.storage import Storage, open_storage


@pytest.fixture
def storage(tmp_path: Path) -> Storage:
    """A root with a file in a folder, beside a folder that is not of the root."""
    for folder in ("root/data/set", "outside"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "a.png").write_bytes(b"")
    return open_storage(str(tmp_path / "root"))


def test_paths_of_a_set() -> None:
    assert evaluation_folder("digits") == "data/digits/evaluation"
    assert record_path("manifests/digits.csv") == "manifests/digits.json"


@pytest.mark.parametrize(
    "path",
    [
        "../outside/a.png",
        "data/../../outside/a.png",
        "data/set/..",
        "/etc/passwd",
        "data//a.png",
        "data/./a.png",
        "data/set/",
        "",
        "data\\..\\..\\outside\\a.png",
    ],
)
def test_paths_that_lead_out_of_the_root_are_refused(storage: Storage, path: str) -> None:
    with pytest.raises(ManifestError, match="which leads out of it"):
        check_named_files(storage, ["data/set/a.png", path])
    memory = Storage(fsspec.filesystem("memory"), "/root", "memory://root")
    with pytest.raises(ManifestError, match="which leads out of it"):
        check_named_files(memory, [path])


def test_links_that_leave_the_root_are_refused(storage: Storage, tmp_path: Path) -> None:
    (tmp_path / "root/data/file.png").symlink_to(tmp_path / "outside/a.png")
    (tmp_path / "root/data/folder").symlink_to("../../outside")
    for path in ("data/file.png", "data/folder/a.png"):
        with pytest.raises(ManifestError, match=f"received '{path}', which leads out of it"):
            check_named_files(storage, ["data/set/a.png", path])
    with pytest.raises(StorageError, match=r"found a link to .*outside"):
        check_links(storage, "data/folder")


def test_links_within_the_root_are_followed(storage: Storage, tmp_path: Path) -> None:
    (tmp_path / "root/data/file.png").symlink_to("set/a.png")
    (tmp_path / "root/data/folder").symlink_to("set")
    check_named_files(storage, ["data/file.png", "data/folder/a.png", "data/missing/a.png"])
    check_links(storage, "data/folder")


def test_a_root_that_is_a_link_is_a_root(storage: Storage, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("root")
    linked = open_storage(str(tmp_path / "link"))
    check_named_files(linked, ["data/set/a.png"])
    check_links(linked, "")


def test_only_files_are_read(storage: Storage, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "root/data/set/pipe.png")
    (tmp_path / "root/data/set/folder.png").mkdir()
    for name in ("pipe.png", "folder.png"):
        with pytest.raises(ManifestError, match=f"Expected a file at .*{name}, which the manifest"):
            check_named_files(storage, [f"data/set/{name}"])
