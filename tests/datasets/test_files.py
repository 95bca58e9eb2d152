import os
import subprocess
import sys
import zipfile
from pathlib import Path

import fsspec
import pytest

from synthgen.datasets.files import (
    is_document,
    is_hidden,
    list_files,
    place_below,
    suffix_of,
)
from synthgen.errors import DataError


def write(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"12345")


def test_files_folders_and_hidden_ones(tmp_path: Path) -> None:
    write(tmp_path, "b/2.png", "a/1.png", ".git/config", "a/Thumbs.db", "a/._1.png", "b/x.part")
    (tmp_path / "empty").mkdir()
    listing = list_files(str(tmp_path))
    assert dict(listing.files) == {"a/1.png": 5, "b/2.png": 5}
    assert listing.folders == ("a", "b", "empty")
    assert listing.hidden == (".git/config", "a/._1.png", "a/Thumbs.db", "b/x.part")
    assert not listing.is_file


def test_a_single_file(tmp_path: Path) -> None:
    write(tmp_path, "data.npz", "other.npz")
    listing = list_files(str(tmp_path / "data.npz"))
    assert (dict(listing.files), listing.is_file) == ({"data.npz": 5}, True)
    assert listing.read_bytes("data.npz") == b"12345"


def test_links_give_what_a_copy_gives(tmp_path: Path) -> None:
    write(tmp_path / "elsewhere", "1.png", "sub/2.png")
    (tmp_path / "data/a").mkdir(parents=True)
    (tmp_path / "data/b").symlink_to("../elsewhere")
    (tmp_path / "data/a/3.png").symlink_to("../../elsewhere/1.png")
    (tmp_path / "link").symlink_to("data")
    for name in ("data", "link"):
        listing = list_files(str(tmp_path / name))
        assert dict(listing.files) == {"a/3.png": 5, "b/1.png": 5, "b/sub/2.png": 5}
        assert listing.folders == ("a", "b", "b/sub")


def test_two_links_to_one_folder_are_no_loop(tmp_path: Path) -> None:
    write(tmp_path / "elsewhere", "1.png")
    (tmp_path / "data").mkdir()
    for name in "ab":
        (tmp_path / "data" / name).symlink_to("../elsewhere")
    assert list(list_files(str(tmp_path / "data")).files) == ["a/1.png", "b/1.png"]


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("nowhere", r"^a/x: Expected a link to something that is there, .* leads nowhere"),
        ("..", r"^a/x: Expected folders that end, received a link that leads back to a folder"),
        ("../a", r"^a/x: Expected folders that end"),
        ("x", r"^a/x: Expected a link to something that is there"),
        ("/dev/null", r"^a/x: Expected a file or a folder, received a pipe, socket or device"),
    ],
)
def test_links_that_no_copy_could_give(target: str, message: str, tmp_path: Path) -> None:
    write(tmp_path, "a/1.png")
    (tmp_path / "a/x").symlink_to(target)
    with pytest.raises(DataError, match=message):
        list_files(str(tmp_path))


def test_a_hidden_link_to_nothing_does_not_matter(tmp_path: Path) -> None:
    write(tmp_path, "a/1.png")
    (tmp_path / "a/.#lock").symlink_to("user@host.1234")
    assert list_files(str(tmp_path)).hidden == ("a/.#lock",)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_pipes_and_devices_are_not_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.npz")
    for path in (tmp_path / "pipe.npz", tmp_path, Path("/dev/zero")):
        with pytest.raises(DataError, match="Expected a file or a folder, received a pipe"):
            list_files(str(path))


def test_folders_without_end_are_refused(tmp_path: Path) -> None:
    (tmp_path / "/".join("a" * 30)).mkdir(parents=True)
    with pytest.raises(DataError, match="at most 20 folders inside one another"):
        list_files(str(tmp_path))


def test_names_are_utf8_whatever_the_locale_says(tmp_path: Path) -> None:
    (tmp_path / "\xdf").mkdir()
    (tmp_path / "\xdf/\u0663.png").write_bytes(b"content")
    program = (
        "from synthgen.datasets.files import list_files\n"
        f"listing = list_files({str(tmp_path)!r})\n"
        "print(ascii({path: listing.read_bytes(path) for path in listing.files}))"
    )
    locale = {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}
    found = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, env=os.environ | locale, check=True
    )
    assert found.stdout.decode().strip() == "{'\\xdf/\\u0663.png': b'content'}"


def test_names_in_another_encoding_are_refused(tmp_path: Path) -> None:
    try:
        (tmp_path / os.fsdecode(b"\xe9.png")).write_bytes(b"")
    except OSError:
        pytest.skip("this file system takes names in UTF-8 only")
    with pytest.raises(DataError, match="Expected names in UTF-8"):
        list_files(str(tmp_path))


def test_large_files_are_refused_before_they_are_read(tmp_path: Path) -> None:
    with (tmp_path / "sparse.npz").open("wb") as file:
        file.truncate(50 * 2**30)
    with pytest.raises(DataError, match=r"at most 536\.9 MB, received 53\.7 GB"):
        list_files(str(tmp_path / "sparse.npz")).read_bytes("sparse.npz")


def test_other_file_systems_are_listed_alike() -> None:
    memory = fsspec.filesystem("memory")
    memory.pipe({"/listing/a/1.png": b"12345", "/listing/.x/2.png": b"1", "/listing/b.npz": b"12"})
    listing = list_files("memory://listing")
    assert dict(listing.files) == {"a/1.png": 5, "b.npz": 2}
    assert (listing.folders, listing.hidden) == (("a",), (".x/2.png",))
    assert list_files("memory://listing/b.npz").files == {"b.npz": 2}


@pytest.mark.parametrize(
    "path",
    ["a/.x/b.png", "__MACOSX/b.png", "0/@eaDir/a.jpg", "Thumbs.db", "~$a.png", "a.png~", "b.part"],
)
def test_hidden_and_system_files(path: str) -> None:
    assert is_hidden(path)
    assert not is_hidden(path.replace(".x", "x").split("/")[-1].strip("~$").lower() + "y.png")


def test_what_disks_leave_behind_by_rule() -> None:
    folders = ("@tmp", "@Transcode", "~snapshot", "FOUND.000", "Temporary Items")
    assert all(is_hidden(f"3/{folder}/a.png") for folder in folders)
    streams = (":com.dropbox.attrs", ":Zone.Identifier", "@SynoEAStream", ":encryptable")
    assert all(is_hidden(f"3/a.png{stream}") for stream in streams)
    assert is_hidden("a/.x/")
    assert not is_hidden("7~/")
    assert not is_hidden("7~/a.png")
    pictures = ("@anna.png", "~a.png", "12:30.png", "jan.doe@mail.png", "@/a.png", "a@2x.png")
    assert not any(is_hidden(f"3/{picture}") for picture in pictures)


def test_documents_hold_no_data() -> None:
    assert all(map(is_document, ("LICENSE", "a/README", "readme.md", "x.JSON", "notes.txt")))
    assert not any(map(is_document, ("a.npz", "a.png", "a", "a.csv", "a.bin")))
    assert [suffix_of(path) for path in ("a/B.PNG", "a.b/c", "x.tar.gz")] == [".png", "", ".gz"]


def test_an_archive_is_listed_like_a_folder(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        for name in ("a/1.png", "a/b/2.png", "c/3.png"):
            archive.writestr(name, b"12345")
    listing = list_files(f"zip://::{tmp_path}/a.zip")
    assert dict(listing.files) == {"a/1.png": 5, "a/b/2.png": 5, "c/3.png": 5}
    assert listing.folders == ("a", "a/b", "c")
    assert listing.read_bytes("c/3.png") == b"12345"


@pytest.mark.parametrize(
    ("data", "named"),
    [
        ("a", "a/b/c"),
        ("a/", "a/b/c"),
        ("/", "/b/c"),
        ("s3://bucket", "s3://bucket/b/c"),
        ("zip://::a.zip", "zip://b/c::a.zip"),
        ("zip://x::a.zip", "zip://x/b/c::a.zip"),
    ],
)
def test_how_a_folder_below_is_named(data: str, named: str) -> None:
    assert place_below(data, "b/c") == named
