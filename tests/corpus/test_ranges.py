"""Pieces of remote files: the bytes that a slice of the whole file gives, whatever happens on the way."""

import contextlib
import io
import random
import time

import pytest

from dsmath_pipeline.corpus import ranges
from dsmath_pipeline.corpus.patience import DownloadError
from dsmath_pipeline.corpus.ranges import RangeFile, RangeReader
from dsmath_pipeline.corpus.rate_limit import RateLimiter
from dsmath_pipeline.recipe.schema import FetchSettings
from tests.corpus import misbehaving_server as bad
from tests.corpus.misbehaving_server import serve

SETTINGS = FetchSettings(requests_per_second=1000, timeout_seconds=2, max_wait_seconds=0.02, give_up_seconds=60)
DATA = random.Random(0).randbytes(200_000)


@contextlib.contextmanager
def reader_of(tmp_path, per_second: float = 1000):
    with (
        serve({"a": DATA}) as server,
        contextlib.closing(RangeReader(SETTINGS, RateLimiter(tmp_path / "rate", per_second))) as reader,
    ):
        yield server, server.address + "a", reader


@pytest.mark.parametrize(
    ("start", "size", "first", "end"),
    [
        (0, 1, 0, 1),
        (1234, 50_000, 1234, 51_234),
        (199_990, 100, 199_990, 200_000),
        (-100, 100, 199_900, 200_000),
        (-500_000, 500_000, 0, 200_000),
    ],
)
@pytest.mark.parametrize(
    "faults",
    [
        [],
        [bad.status(503), bad.status(429, Retry_After="0"), bad.hang_up],
        [bad.error_page, bad.cut_after(0), bad.wrong_range],
    ],
)
def test_a_piece_is_what_a_slice_of_the_file_gives(tmp_path, start, size, first, end, faults):
    with reader_of(tmp_path) as (server, url, reader):
        server.faults = list(faults)
        piece = reader.fetch(url, start, size)
        assert not server.faults
    assert (bytes(piece.data), piece.start, piece.file_bytes) == (DATA[first:end], first, 200_000)


def test_what_came_of_a_piece_is_not_asked_for_again(tmp_path):
    with reader_of(tmp_path) as (server, url, reader):
        server.faults = [bad.cut_after(30_000), bad.cut_after(15_000)]
        piece = reader.fetch(url, 1000, 60_000)
        assert [asked for _, _, asked in server.requests] == [
            "bytes=1000-60999", "bytes=31000-60999", "bytes=46000-60999"
        ]  # fmt: skip
    assert bytes(piece.data) == DATA[1000:61_000]


@pytest.mark.parametrize(
    ("faults", "start", "etag", "message"),
    [
        ([bad.whole_file], 5, "", "gives no ranges"),
        ([], 200_000, "", "not in this file of 200000 bytes"),
        ([bad.status(404)], 5, "", "status 404"),
        ([], 5, '"older"', "changed while it was read"),
        ([bad.status(403)] * 9, 5, "", "403.*5 tries"),
    ],
)
def test_what_is_no_such_piece_ends_with_an_error_that_says_why(tmp_path, faults, start, etag, message):
    with reader_of(tmp_path) as (server, url, reader):
        server.faults = list(faults)
        with pytest.raises(DownloadError, match=message):
            reader.fetch(url, start, 10, etag)


def test_pieces_share_the_rate_of_downloads(tmp_path):
    with reader_of(tmp_path, per_second=20) as (_, url, reader):
        started = time.monotonic()
        for start in range(6):
            reader.fetch(url, start, 10)
        assert time.monotonic() - started >= 5 / 20 - 0.01  # five gaps of 50 ms between six requests


def test_a_file_read_at_random_is_the_file(tmp_path, monkeypatch):
    monkeypatch.setattr(ranges, "_TAIL_BYTES", 5000)
    rng = random.Random(1)
    plain = io.BytesIO(DATA)
    with reader_of(tmp_path) as (server, url, reader):
        file = RangeFile(url, reader)
        for _ in range(60):
            whence = rng.choice([io.SEEK_SET, io.SEEK_END])
            offset = rng.randrange(0, 210_000) if whence == io.SEEK_SET else -rng.randrange(0, 7000)
            size = rng.choice([-1, 0, 1, 700, 9000])
            assert file.seek(offset, whence) == plain.seek(offset, whence)
            assert file.read(size) == plain.read(size)
            assert file.tell() == plain.tell()
        server.requests.clear()
        file.seek(-4000, io.SEEK_END)
        file.read()
        assert server.requests == []  # the end came with the size


def test_a_file_that_changes_between_two_reads_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(ranges, "_TAIL_BYTES", 100)
    with reader_of(tmp_path) as (server, url, reader):
        file = RangeFile(url, reader)
        server.files["a"] = DATA[::-1]
        with pytest.raises(DownloadError, match="changed while it was read") as raised:
            file.read(10)
        assert file.error is raised.value
