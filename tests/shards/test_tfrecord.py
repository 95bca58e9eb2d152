import pytest

from synthgen.errors import DataError
from synthgen.shards import tfrecord
from tests.shards.conftest import draw

pytest.importorskip("google_crc32c")


def test_a_file_that_was_cut_is_refused_by_name() -> None:
    content, plan = draw()
    ((path, file),) = tfrecord.encode(content, plan, {}).items()
    with pytest.raises(DataError, match=r"the record at byte .* does not have its checksum"):
        tfrecord.decode({path: file[:-3]}, [path], [0])
