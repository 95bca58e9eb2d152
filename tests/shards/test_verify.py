import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from synthgen.datasets.pixels import decode_png
from synthgen.errors import DataError, ManifestError
from synthgen.gan.checkpoint import read_checkpoint, shipped_checkpoint
from synthgen.shards.load import load
from synthgen.shards.png_codec import encode_unfiltered
from synthgen.shards.run_record import seal
from synthgen.shards.verify import REBUILD, verify
from tests.shards.conftest import make, sha256


@pytest.fixture
def built(tmp_path: Path) -> Path:
    """A published set."""
    make(tmp_path)
    return tmp_path


def problems(root: Path) -> list[str]:
    return verify(str(root / "manifests/tiny.csv")).problems


def edit_rows(root: Path, change: Callable[[list[str]], list[str]]) -> None:
    """Change the manifest's lines, and the record's hash with them, as a careful forger would."""
    path, record = root / "manifests/tiny.csv", root / "manifests/tiny.json"
    former = sha256(path.read_bytes())
    path.write_text("\n".join(change(path.read_text().splitlines())) + "\n")
    croissant = root / "data/tiny/croissant.json"
    croissant.write_text(croissant.read_text().replace(former, sha256(path.read_bytes())))
    content = json.loads(record.read_text())
    content["manifest"]["sha256"] = sha256(path.read_bytes())
    content["record_sha256"] = seal(content)
    record.write_text(json.dumps(content))


def test_an_unharmed_set_has_no_problems(built: Path) -> None:
    report = verify(str(built / "manifests/tiny.csv"))
    assert (report.problems, report.rows, report.shards) == ([], 75, 3)
    assert "nothing is missing" in report.lines()[0]
    assert report.lines()[1] == "Labels come from the condition of the generator."


def test_the_example_set_is_whole_and_of_the_shipped_generator() -> None:
    manifest = Path(__file__).parents[2] / "manifests/example.csv"
    assert verify(str(manifest)).problems == []
    assert (
        json.loads(manifest.with_suffix(".json").read_text())["checkpoint"]["sha256"]
        == read_checkpoint(shipped_checkpoint()).sha256
    )


def test_a_set_that_was_moved_is_unharmed(built: Path) -> None:
    built.rename(built.with_name("elsewhere"))
    assert problems(built.with_name("elsewhere")) == []


def test_any_change_of_the_manifest(built: Path) -> None:
    with (built / "manifests/tiny.csv").open("a") as file:
        file.write("\n")
    assert "its SHA-256 is" in problems(built)[0]


@pytest.mark.parametrize("column", ["sha256", "offset", "nearest_train_distance", "label_source"])
def test_a_missing_column(built: Path, column: str) -> None:
    def drop(lines: list[str]) -> list[str]:
        k = lines[0].split(",").index(column)
        return [
            ",".join(cells[:k] + cells[k + 1 :]) for cells in (line.split(",") for line in lines)
        ]

    edit_rows(built, drop)
    (problem,) = problems(built)
    assert f"lacks the column {column}" in problem


def test_a_value_of_the_wrong_kind(built: Path) -> None:
    edit_rows(
        built,
        lambda lines: [
            lines[0],
            lines[1].replace("0-0000000,0,0", "0-0000000,zero,0", 1),
            *lines[2:],
        ],
    )
    named = "a number in the column label, received 'zero' in row 1"
    assert any(named in problem for problem in problems(built))


def test_a_predicted_class_that_is_no_whole_number(built: Path) -> None:
    def halve(lines: list[str]) -> list[str]:
        cells = lines[5].split(",")
        cells[lines[0].split(",").index("predicted")] = "0.5"
        return [*lines[:5], ",".join(cells), *lines[6:]]

    edit_rows(built, halve)
    assert any("is not a manifest" in problem for problem in problems(built))


def test_a_missing_row_is_a_gap(built: Path) -> None:
    edit_rows(built, lambda lines: lines[:6] + lines[7:])
    assert problems(built) == ["class 'two': 24 of 25 images; the first missing index is 1."]


def test_a_repeated_row(built: Path) -> None:
    edit_rows(built, lambda lines: [*lines[:4], lines[3], *lines[4:]])
    assert any(
        "1 row of shard 0 with the label and index of another row" in problem
        and "'2-0000000'" in problem
        for problem in problems(built)
    )


def test_rows_that_name_an_impossible_image_shard_or_place(built: Path) -> None:
    def wrong(lines: list[str]) -> list[str]:
        cells = [line.split(",") for line in lines]
        cells[1][1], cells[32][5], cells[74][6] = "7", "9", "2"
        return [",".join(row) for row in cells]

    edit_rows(built, wrong)
    found = "\n".join(problems(built))
    for words in (
        "outside 0..2",
        "1 row in shard 9; there are shards 0 to 2",
        "in another place (shard and offset)",
        "of 25 images",
    ):
        assert words in found


def test_rows_with_another_id_or_file(built: Path) -> None:
    edit_rows(
        built,
        lambda lines: [
            lines[0],
            "5" + lines[1][1:],
            lines[2].replace("00000.h5", "00001.h5"),
            *lines[3:],
        ],
    )
    found = "\n".join(problems(built))
    assert "with another id than that of the label and index; the first is '5-0000000'" in found
    assert "with another hdf5 file than" in found


def test_a_seed_that_is_not_that_of_the_shard(built: Path) -> None:
    def reseed(lines: list[str]) -> list[str]:
        cells = lines[5].split(",")
        cells[3] = "17"
        return [*lines[:5], ",".join(cells), *lines[6:]]

    edit_rows(built, reseed)
    assert problems(built) == [
        "1 row of shard 0 with another seed than that of the run record's seed, 0, the label, "
        "index and attempt; the first is '1-0000001'.",
        "1 row of shard 0 with another seed than the hdf5 file; the first is '1-0000001'.",
        "1 row of shard 0 with another seed than the png file; the first is '1-0000001'.",
    ]


FORGERIES: dict[str, tuple[Callable[[dict[str, Any]], Any], str]] = {
    "seed": (
        lambda plain: plain["settings"].update(seed=9),
        "shard 0, hdf5: its attribute seed is 0, the run record says 9.",
    ),
    "seeds of rows": (
        lambda plain: plain["settings"].update(seed=9),
        "30 rows of shard 0 with another seed than that of the run record's seed, 9, the label",
    ),
    "generator": (
        lambda plain: plain["checkpoint"].update(sha256="1" * 64),
        f"the run record says {'1' * 64}.",
    ),
}


@pytest.mark.parametrize("what", FORGERIES)
def test_a_record_that_does_not_fit_the_shards(built: Path, what: str) -> None:
    """Even if somebody took the trouble to seal it again."""
    forge, expected = FORGERIES[what]
    path = built / "manifests/tiny.json"
    plain = json.loads(path.read_text())
    forge(plain)
    path.write_text(json.dumps(plain))
    assert problems(built)[0].startswith("manifests/tiny.json: it was changed since the build wro")
    plain["record_sha256"] = seal(plain)
    path.write_text(json.dumps(plain))
    assert expected in "\n".join(problems(built))


def test_a_class_of_another_name_than_the_shards_give(tmp_path: Path) -> None:
    make(tmp_path, formats=("hdf5",))
    path = tmp_path / "manifests/tiny.json"
    path.write_text(path.read_text().replace('"two"', '"three"'))
    assert (
        "shard 2, hdf5: its attribute class_names is ['zero', 'one', 'two'], the run record says "
        "['zero', 'one', 'three']."
    ) in problems(tmp_path)


def test_a_record_of_an_earlier_version_has_no_hash_of_its_own(built: Path) -> None:
    path = built / "manifests/tiny.json"
    plain = json.loads(path.read_text())
    del plain["record_sha256"], plain["contact_sheet_sha256"]
    path.write_text(json.dumps(plain))
    assert problems(built) == []
    assert make(built).unchanged


def test_labels_from_elsewhere_than_the_record_says(built: Path) -> None:
    edit_rows(
        built,
        lambda lines: [*lines[:5], lines[5].removesuffix("condition") + "classifier", *lines[6:]],
    )
    found = (
        "1 row of shard 0 with another label_source than the run record, which says "
        "'condition'; the first is '1-0000001'."
    )
    assert problems(built) == [found]
    path = built / "manifests/tiny.json"
    path.write_text(path.read_text().replace('"labels": "condition"', '"labels": "classifier"'))
    assert {
        found,
        "the run record gives 'condition' as label_source, its settings 'classifier'.",
        "shard 0, hdf5: its attribute label_source is condition, the run record says classifier.",
    } <= set(problems(built))


def test_a_missing_hdf5_shard(built: Path) -> None:
    (built / "data/tiny/hdf5/00001.h5").unlink()
    (problem,) = problems(built)
    assert "shard 1, hdf5: 1 file missing or unreadable, data/tiny/hdf5/00001.h5" in problem


def test_a_damaged_hdf5_shard(built: Path) -> None:
    path = built / "data/tiny/hdf5/00001.h5"
    path.write_bytes(path.read_bytes()[:500])
    found = problems(built)
    assert "do not have the hash" in found[0]
    assert "one that is damaged" in found[1]


def test_a_shard_that_ends_the_hdf5_library_does_not_end_verify(built: Path) -> None:
    """With h5py 3.16 this byte does; with others the damage may be read, or be another one."""
    path = built / "data/tiny/hdf5/00001.h5"
    content = bytearray(path.read_bytes())
    content[13837] = 221
    path.write_bytes(content)
    found = problems(built)
    assert "shard 1, hdf5: its files do not have the hash" in found[0]
    if len(found) > 1:
        assert "shard 1, hdf5: data/tiny/hdf5/00001.h5: Expected an HDF5 shard" in found[1]


def test_a_flipped_bit_in_an_id(built: Path) -> None:
    path = built / "data/tiny/hdf5/00001.h5"
    path.write_bytes(path.read_bytes().replace(b"1-0000013", b"\xb1-0000013"))
    hash_differs, damaged = problems(built)
    assert "shard 1, hdf5: its files do not have the hash" in hash_differs
    assert "data/tiny/hdf5/00001.h5: Expected an HDF5 shard" in damaged
    load(str(built / "manifests/tiny.csv"))  # images and labels are unharmed

    path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(
        DataError,
        match=r"data/tiny/hdf5/00001\.h5: Expected an HDF5 shard .* again, with the same versions, "
        r"makes what is damaged again\.$",
    ):
        load(str(built / "manifests/tiny.csv"))


def test_shards_that_changed_places(built: Path) -> None:
    first, second = built / "data/tiny/hdf5/00000.h5", built / "data/tiny/hdf5/00001.h5"
    content = first.read_bytes()
    first.write_bytes(second.read_bytes())
    second.write_bytes(content)
    found = "\n".join(problems(built))
    assert "30 rows of shard 0 with another SHA-256 than the pixels in the hdf5 file" in found
    assert "30 rows of shard 1 with another index than the hdf5 file" in found


def test_missing_damaged_and_altered_pngs(built: Path) -> None:
    folder = built / "data/tiny/png/one/00000/one"
    (folder / "1-0000003.png").unlink()
    altered = decode_png((folder / "1-0000013.png").read_bytes()).copy()
    altered[5, 5] ^= 1
    (folder / "1-0000013.png").write_bytes(encode_unfiltered(altered))
    for name in ("1-0000020", "1-0000023"):
        (folder / f"{name}.png").write_bytes(b"\x89PNG")
    altered = decode_png((folder / "1-0000024.png").read_bytes()) ^ 1
    (folder / "1-0000024.png").write_bytes(encode_unfiltered(altered))
    found = "\n".join(problems(built))
    assert (
        "shard 0, png: 1 file missing or unreadable, data/tiny/png/one/00000/one/1-0000003.png"
        in found
    )
    assert (
        "1 row of shard 1 with another SHA-256 than the pixels in the png file; the first is "
        "'1-0000013'" in found
    )
    for name in ("1-0000020", "1-0000023"):
        assert (
            f"shard 2, png: data/tiny/png/one/00000/one/{name}.png: Expected a whole PNG or JPEG "
            f"file, received 4 bytes" in found
        )
    assert (
        "1 row of shard 2 with another SHA-256 than the pixels in the png file; the first is "
        "'1-0000024'" in found
    )
    assert " at 0x" not in found


def test_pngs_that_decode_but_differ_in_shape(built: Path) -> None:
    path = built / "data/tiny/png/one/00000/one/1-0000003.png"
    path.write_bytes(encode_unfiltered(decode_png(path.read_bytes())[:4]))
    assert (
        "shard 0, png: Expected images of one shape, received [(4, 8, 1), (8, 8, 1)]"
        in "\n".join(problems(built))
    )


@pytest.mark.parametrize(
    "orphan",
    [
        "hdf5/00003.h5",
        "png/one/00000/one/1-0000025.png",
        "png/one/00001/one/1-0000001.png",
        "png/stray.txt",
        "hdf5/old/00000.h5",
    ],
)
def test_files_that_belong_to_no_row(built: Path, orphan: str) -> None:
    path = built / "data/tiny" / orphan
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"left over")
    report = verify(str(built / "manifests/tiny.csv"))
    assert report.problems == [
        f"1 file in {orphan.split('/')[0]} without a row, the first is data/tiny/{orphan}."
    ]
    assert report.hint == "Remove the files that belong to no row."
    again = make(built)
    assert (again.unchanged, again.orphans) == (True, (f"data/tiny/{orphan}",))
    assert (
        again.lines()[1]
        == f"Left over: 1 file without a row in the manifest, data/tiny/{orphan}. Remove what "
        f"`synthgen verify` names."
    )
    path.unlink()
    assert make(built).orphans == ()


def test_a_record_that_tells_other_counts(built: Path) -> None:
    path = built / "manifests/tiny.json"
    record = json.loads(path.read_text())
    record["count"] = 76
    record["shards"][2]["rows"] = 14
    path.write_text(json.dumps(record))
    found = "\n".join(problems(built))
    assert "gives 76 as count, its settings make 75" in found
    assert "gives 74 as rows of all shards" in found


def test_no_manifest_and_no_record(built: Path) -> None:
    with pytest.raises(ManifestError, match="found none"):
        verify(str(built / "manifests/other.csv"))
    (built / "manifests/tiny.json").unlink()
    with pytest.raises(ManifestError, match="Expected the run record"):
        problems(built)


def test_a_report_counts_its_problems(built: Path) -> None:
    (built / "data/tiny/hdf5/00001.h5").unlink()
    lines = verify(str(built / "manifests/tiny.csv")).lines()
    assert "1 problem." in lines[0]
    assert len(lines) == 2


def test_what_to_do_fits_the_problems_and_is_said_once(built: Path) -> None:
    for shard in ("00000", "00001"):
        (built / f"data/tiny/hdf5/{shard}.h5").unlink()
    report = verify(str(built / "manifests/tiny.csv"))
    assert len(report.problems) == 2
    assert report.hint == REBUILD
    assert "`synthgen build` again, with the versions that the run record names" in REBUILD
    assert "build" not in "".join(report.lines())
    (built / "data/tiny/hdf5/stray.h5").write_bytes(b"")
    hint = verify(str(built / "manifests/tiny.csv")).hint
    assert hint == f"{REBUILD} Remove the files that belong to no row."


def test_a_forged_manifest_is_not_to_be_built_again(built: Path) -> None:
    edit_rows(built, lambda lines: lines[:6] + lines[7:])
    assert "from a copy" in verify(str(built / "manifests/tiny.csv")).hint


def test_files_of_file_managers_are_mentioned_and_harmless(built: Path) -> None:
    """What Finder, Explorer, Jupyter, a NAS and NFS put into folders that somebody looks at."""
    folder = built / "data/tiny/png/one/00000/one"
    for path in (
        folder / ".DS_Store",
        folder / "Thumbs.db",
        folder / "._1-0000003.png",
        folder / "@eaDir/1-0000003.png/SYNOPHOTO_THUMB_M.jpg",
        folder / ".ipynb_checkpoints/1-0000003-checkpoint.png",
        built / "data/tiny/png/desktop.ini",
        built / "data/tiny/hdf5/.nfs000000000123abc",
        built / "data/tiny/hdf5/00000.h5:Zone.Identifier",
        folder / "1-0000003.png:com.dropbox.attrs",
        folder / "@SynoResource",
        built / "data/tiny/png/~snapshot/0-0000000.png",
    ):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"anything")
    report = verify(str(built / "manifests/tiny.csv"))
    assert report.problems == []
    assert len(report.foreign) == 11
    assert report.lines()[2].startswith(
        "Not of the set, and harmless: 11 files of a file manager or hidden, data/tiny/hdf5/.nfs"
    )
    assert make(built).orphans == ()
    (built / "data/tiny/hdf5/00000.h5.0123abcd.part").write_bytes(b"of a killed build")
    assert "1 file in hdf5 without a row" in verify(str(built / "manifests/tiny.csv")).problems[0]


def test_a_shuffled_manifest_is_checked_shard_by_shard(built: Path) -> None:
    edit_rows(built, lambda lines: [lines[0], *lines[:0:-1]])
    assert problems(built) == []
    path = built / "manifests/tiny.csv"
    lines = path.read_text().splitlines()
    path.write_text("\n".join([lines[0], *lines[1::2], *lines[2::2]]) + "\n")
    report = verify(str(path))
    assert len(report.problems) == 1
    assert "its SHA-256 is" in report.problems[0]
    assert (report.rows, report.shards) == (75, 3)


def test_shards_behind_a_link_out_of_the_root(built: Path, tmp_path_factory: Any) -> None:
    outside = tmp_path_factory.mktemp("outside") / "hdf5"
    (built / "data/tiny/hdf5").rename(outside)
    (built / "data/tiny/hdf5").symlink_to(outside)
    found = problems(built)
    assert [problem.partition(":")[0] for problem in found[:3]] == [
        f"shard {number}, hdf5" for number in range(3)
    ]
    assert all("which leads out of it" in problem for problem in found[:3])


def test_a_count_that_the_manifest_has_no_room_for(built: Path) -> None:
    """A record that promises a million million images takes no memory."""
    path = built / "manifests/tiny.json"
    plain = json.loads(path.read_text())
    plain["settings"]["per_class"] = 2**40
    plain["record_sha256"] = seal(plain)
    path.write_text(json.dumps(plain))
    (problem,) = problems(built)
    assert problem.endswith(
        "cannot list the 3,298,534,883,328 images that the settings in the run record make."
    )


def test_no_problem_is_longer_than_anybody_reads(built: Path) -> None:
    folder = built / "data/tiny/png"
    for _ in range(12):
        folder = folder / ("a" * 200)
    folder.mkdir(parents=True)
    (folder / "stray").touch()
    (problem,) = problems(built)
    assert len(problem) == 2000
    assert problem.endswith("aaa/stray.")
