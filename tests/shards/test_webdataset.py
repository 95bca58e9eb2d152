import io
import json
import tarfile

import pytest

from synthgen.errors import DataError
from synthgen.shards import webdataset
from tests.shards.conftest import draw


def test_the_members_have_one_owner_and_no_time() -> None:
    content, plan = draw()
    (file,) = webdataset.encode(content, plan, {"seed": 3}).values()
    with tarfile.open(fileobj=io.BytesIO(file)) as archive:
        members = archive.getmembers()
        assert archive.pax_headers["SYNTHGEN.seed"] == "3"
        assert {(m.uid, m.gid, m.uname, m.mtime, m.mode) for m in members} == {(0, 0, "", 0, 0o644)}
        assert [m.name for m in members[3:6]] == [f"1-0000000.{s}" for s in ("png", "cls", "json")]
        facts = json.loads(archive.extractfile("1-0000000.json").read())
        assert facts["seed"] == int(content.seeds[1])
    assert len(file) % tarfile.RECORDSIZE == 0


def test_a_member_that_is_not_beside_its_image_is_refused() -> None:
    content, plan = draw()
    ((path, file),) = webdataset.encode(content, plan, {}).items()
    exchanged = file.replace(b"1-0000000.cls", b"1-0000009.cls")
    with pytest.raises(DataError, match="Expected a tar archive"):
        webdataset.decode({path: exchanged}, [path], [0])
