"""Downloads from a server that throttles, drops connections, truncates and lies: the same bytes, or a clear error."""

import gzip
import json
import multiprocessing
import os
import random
import signal
import time
from pathlib import Path

import pytest

from dsmath_pipeline.corpus.download import download
from dsmath_pipeline.corpus.download_cache import DownloadCache
from dsmath_pipeline.corpus.patience import Download, DownloadError
from dsmath_pipeline.corpus.rate_limit import RateLimiter
from dsmath_pipeline.recipe.schema import FetchSettings
from tests.corpus import misbehaving_server as bad
from tests.corpus.misbehaving_server import serve

SETTINGS = FetchSettings(
    requests_per_second=1000, timeout_seconds=2, max_wait_seconds=0.02, give_up_seconds=60, cache_bytes=1000
)
RNG = random.Random(0)
DATA = b"".join(gzip.compress(RNG.randbytes(40_000), mtime=0) for _ in range(30))


def fetch(server: bad.Server, target: Path, settings: FetchSettings = SETTINGS, **options) -> Download:
    return download(
        server.address + "a.warc.gz", target, settings, RateLimiter(target.parent / "rate", 1000), **options
    )


@pytest.mark.parametrize(
    ("faults", "problems"),
    [
        ([], {}),
        ([bad.status(503), bad.status(429), bad.status(500)], {"status 503": 1, "status 429": 1, "status 500": 1}),
        ([bad.status(429, Retry_After="0")], {"status 429": 1}),
        ([bad.cut_after(300_000), bad.cut_after(400_000), None], {"cut off": 2}),
        ([bad.cut_after(0), bad.hang_up], {"no connection": 2}),
        ([bad.error_page, bad.unlabelled_error_page], {"an error page": 1, "no gzip file": 1}),
        ([bad.cut_after(500_000), bad.wrong_range], {"cut off": 1, "another range than asked for": 1}),
        ([bad.truncated(700_000)], {"damaged": 1}),
        ([bad.truncated(len(DATA) - 1)], {"damaged": 1}),
        ([bad.status(403)], {"status 403": 1}),
    ],
)
def test_the_same_bytes_come_whatever_happens_on_the_way(tmp_path, faults, problems):
    with serve({"a.warc.gz": DATA}) as server:
        server.faults = list(faults)
        done = fetch(server, tmp_path / "a.warc.gz")
    assert (tmp_path / "a.warc.gz").read_bytes() == DATA
    assert (done.problems, done.num_requests, done.num_bytes) == (
        problems,
        len([f for f in faults if f]) + 1,
        len(DATA),
    )
    assert not done.is_damaged
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.warc.gz", "rate"]


def test_what_has_arrived_is_not_asked_for_again(tmp_path):
    with serve({"a.warc.gz": DATA}) as server:
        server.faults = [bad.cut_after(300_000), bad.cut_after(500_000)]
        fetch(server, tmp_path / "a.warc.gz")
        assert [asked for _, _, asked in server.requests] == ["", "bytes=300000-", "bytes=800000-"]


def test_a_file_that_changed_meanwhile_is_begun_again(tmp_path):
    other = b"".join(gzip.compress(RNG.randbytes(40_000), mtime=0) for _ in range(20))
    with serve({"a.warc.gz": DATA}) as server:
        server.faults = [bad.cut_after(900_000), *[bad.status(404)]]
        with pytest.raises(DownloadError, match="status 404"):
            fetch(server, tmp_path / "a.warc.gz")
        assert (tmp_path / "a.warc.gz.part").stat().st_size == 900_000
        server.files["a.warc.gz"] = other
        fetch(server, tmp_path / "a.warc.gz")
    assert (tmp_path / "a.warc.gz").read_bytes() == other


def test_without_an_etag_nothing_is_pieced_together(tmp_path):
    with serve({"a.warc.gz": DATA}, etag=False) as server:
        server.faults = [bad.cut_after(300_000)]
        fetch(server, tmp_path / "a.warc.gz")
        assert [asked for _, _, asked in server.requests] == ["", ""]
    assert (tmp_path / "a.warc.gz").read_bytes() == DATA


def test_a_file_that_is_damaged_at_its_origin_is_kept_after_a_second_look(tmp_path):
    damaged = DATA[:500_000] + b"\0" * 100 + DATA[500_100:]
    with serve({"a.warc.gz": damaged}) as server:
        done = fetch(server, tmp_path / "a.warc.gz")
    assert done.is_damaged and done.num_requests == 2
    assert (tmp_path / "a.warc.gz").read_bytes() == damaged


@pytest.mark.parametrize(
    ("faults", "patience", "message"),
    [
        ([bad.status(404)], 60, "status 404"),
        ([bad.status(403)] * 9, 60, r"403.*5 tries"),
        ([bad.error_page] * 9, 60, "error page: application/xml.*SlowDown"),
        ([bad.status(503)] * 10_000, 0.2, r"nothing came for 0 s \([0-9]+ x status 503\)"),
    ],
)
def test_what_cannot_be_had_ends_with_an_error_that_says_why(tmp_path, faults, patience, message):
    with serve({"a.warc.gz": DATA}) as server:
        server.faults = list(faults)
        with pytest.raises(DownloadError, match=message):
            fetch(server, tmp_path / "a.warc.gz", SETTINGS.model_copy(update={"give_up_seconds": patience}))
    assert not (tmp_path / "a.warc.gz").exists()


def fetch_slowly(address: str, target: Path) -> None:
    settings = SETTINGS.model_copy(update={"max_wait_seconds": 60.0, "give_up_seconds": 600.0})
    download(address + "a.warc.gz", target, settings, RateLimiter(target.parent / "rate", 1000))


def test_a_killed_download_is_continued(tmp_path):
    with serve({"a.warc.gz": DATA}) as server:
        server.faults = [bad.cut_after(600_000), *[bad.status(503)] * 50]
        child = multiprocessing.get_context("spawn").Process(
            target=fetch_slowly, args=(server.address, tmp_path / "a.warc.gz")
        )
        child.start()
        while len(server.requests) < 2:
            time.sleep(0.01)
        os.kill(child.pid, signal.SIGKILL)
        child.join()
        server.faults, server.requests = [], []
        fetch(server, tmp_path / "a.warc.gz")
        assert [asked for _, _, asked in server.requests] == ["bytes=600000-"]
    assert (tmp_path / "a.warc.gz").read_bytes() == DATA


# the rate -----------------------------------------------------------------------------------------------------------


class Clock:
    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def test_slots_are_given_out_one_after_the_other_and_a_pause_holds_for_all(tmp_path):
    clock = Clock()
    first, second = (RateLimiter(tmp_path / "rate", 2, clock=clock, sleep=clock.sleep) for _ in range(2))
    assert [first.wait(), second.wait(), first.wait()] == [0.0, 0.5, 0.5]
    second.pause(10)
    assert first.wait() == 10
    (tmp_path / "rate").write_bytes(b"")  # a process was killed while it wrote
    assert first.wait() == 0


def ask(state: Path, times: list[float]) -> None:
    limiter = RateLimiter(state, 20)
    for _ in range(10):
        limiter.wait()
        times.append(time.time())


@pytest.mark.slow
def test_processes_share_the_rate(tmp_path):
    context = multiprocessing.get_context("spawn")
    with context.Manager() as manager:
        times = manager.list()
        children = [context.Process(target=ask, args=(tmp_path / "rate", times)) for _ in range(2)]
        for child in children:
            child.start()
        for child in children:
            child.join()
        found = sorted(times)
    assert len(found) == 20
    assert found[-1] - found[0] >= 19 / 20 - 0.06


# the cache ----------------------------------------------------------------------------------------------------------


def test_the_cache_keeps_what_was_used_last_and_what_is_in_use(tmp_path):
    cache = DownloadCache(tmp_path, 1000)

    def hold(name: str):
        return cache.hold(f"http://e.org/{name}", lambda path: path.write_bytes(b"x" * 400))

    with hold("a") as a:
        for name in ("b", "c"):
            with hold(name):
                time.sleep(0.01)
        with hold("d") as d:
            assert a.exists() and d.exists()
            assert not cache.path_of("http://e.org/b").exists()
    assert sum(file.stat().st_size for file in (tmp_path / "files").glob("*/*")) <= 1200
    cache.shrink()
    assert sum(file.stat().st_size for file in (tmp_path / "files").glob("*/*")) <= 1000


@pytest.mark.slow
def test_a_file_is_fetched_once_for_all_who_wait(tmp_path):
    log = tmp_path / "log"
    context = multiprocessing.get_context("spawn")
    children = [context.Process(target=hold_one, args=(tmp_path / "cache", log)) for _ in range(3)]
    for child in children:
        child.start()
    for child in children:
        child.join()
    assert [child.exitcode for child in children] == [0, 0, 0]
    assert len(log.read_text().splitlines()) == 1


def hold_one(root: Path, log: Path) -> None:
    def make(path: Path) -> None:
        with log.open("a") as file:
            file.write(f"{os.getpid()}\n")
        time.sleep(0.3)
        path.write_text(json.dumps("made"))

    with DownloadCache(root, 1000).hold("http://e.org/a", make) as path:
        assert json.loads(path.read_text()) == "made"
