"""Common Crawl's layout, from a server on loopback and from a mirror folder: the documents of the local files."""

import time
from pathlib import Path

import pytest

from dsmath_pipeline import storage
from dsmath_pipeline.corpus.commoncrawl import CommonCrawl, CrawlError, cache_folder
from dsmath_pipeline.corpus.pages import extract_files
from dsmath_pipeline.corpus.patience import DownloadError
from dsmath_pipeline.recipe.schema import ExtractSettings, FetchSettings, OptOutSettings
from tests.corpus import misbehaving_server as bad
from tests.corpus.crawl_layout import CRAWL, SEGMENT, fetch_settings, generated_layout, write_mirror
from tests.corpus.misbehaving_server import Server, serve


@pytest.fixture(scope="module")
def layout() -> dict[str, bytes]:
    """The mini web as one crawl of three files."""
    return generated_layout()


def settings_of(server: Server, **changed) -> FetchSettings:
    return fetch_settings(server.address, **changed)


def extracted(out: Path, fetch: FetchSettings, spec: str = f"cc:{CRAWL}", workers: int = 1):
    manifest = extract_files([spec], out, ExtractSettings(), OptOutSettings(), fetch=fetch, workers=workers)
    return manifest, storage.read_table(out).sort_by("id").to_pylist()


def test_crawls_and_paths_are_listed_newest_first_and_asked_for_once(layout, tmp_path):
    with serve(dict(layout)) as server:
        for _ in range(3):
            source = CommonCrawl(settings_of(server), tmp_path)
            assert [crawl.id for crawl in source.crawls()] == [CRAWL, "CC-MAIN-2023-50", "CC-MAIN-2012"]
            assert source.warc_paths(CRAWL) == [name for name in layout if name.startswith(SEGMENT)]
        assert sum(server.asked().values()) == 2


@pytest.mark.parametrize(("spec", "numbers"), [("", [0, 1, 2]), ("/1", [1]), ("/0-1", [0, 1]), ("/2-2", [2])])
def test_a_crawl_or_some_of_its_files(layout, tmp_path, spec, numbers):
    write_mirror(layout, tmp_path)
    source = CommonCrawl(FetchSettings(base_url=str(tmp_path)), tmp_path / "cache")
    paths = [name for name in layout if name.startswith(SEGMENT)]
    assert [file.path for file in source.files(f"cc:{CRAWL}{spec}")] == [paths[n] for n in numbers]


@pytest.mark.parametrize(
    ("spec", "message"),
    [("cc:2024-10", "write cc:CC-MAIN"), (f"cc:{CRAWL}/3", "files 0 to 2"), (f"cc:{CRAWL}/2-1", "files 0 to 2")],
)
def test_what_names_no_files_says_what_to_write(layout, tmp_path, spec, message):
    write_mirror(layout, tmp_path)
    with pytest.raises(CrawlError, match=message):
        CommonCrawl(FetchSettings(base_url=str(tmp_path)), tmp_path / "cache").files(spec)


def test_a_crawl_that_is_not_there(layout, tmp_path):
    with serve(dict(layout)) as server, pytest.raises(DownloadError, match=r"CC-MAIN-1999-01.*404.*check the crawl"):
        CommonCrawl(settings_of(server), tmp_path).files("cc:CC-MAIN-1999-01")


@pytest.mark.slow
def test_a_misbehaving_server_gives_the_documents_of_a_mirror(layout, tmp_path, monkeypatch):
    monkeypatch.setenv("DSMATH_CACHE", str(tmp_path / "cache"))
    write_mirror(layout, tmp_path / "mirror")
    _, expected = extracted(tmp_path / "of_mirror", FetchSettings(base_url=str(tmp_path / "mirror")))
    assert len(expected) > 80
    with serve(dict(layout)) as server:
        server.faults = [
            None, bad.status(503), bad.cut_after(200), bad.error_page, bad.truncated(5_000), bad.hang_up,
            bad.cut_after(9_000), bad.status(429, Retry_After="0"), bad.cut_after(20_000), bad.unlabelled_error_page,
        ]  # fmt: skip
        manifest, found = extracted(tmp_path / "of_server", settings_of(server), workers=2)
        assert not server.faults
    assert found == expected
    assert manifest.counts["lost"] == read_lost(tmp_path / "of_mirror")
    assert cache_folder() == tmp_path / "cache"


def read_lost(out: Path) -> int:
    return storage.read_manifest(out).counts["lost"]


@pytest.mark.slow
def test_the_allowed_rate_holds_for_all_workers(layout, tmp_path, monkeypatch):
    monkeypatch.setenv("DSMATH_CACHE", str(tmp_path / "cache"))
    with serve(dict(layout)) as server:
        server.faults = [bad.status(503)] * 8
        extracted(tmp_path / "out", settings_of(server, requests_per_second=5, verify_gzip=False), workers=2)
        times = [at for at, _, _ in server.requests]
    assert len(times) == 12  # one listing, three files, eight refusals
    # slots are 0.2 s apart; a request may start late, so windows are counted rather than gaps
    assert all(b - a >= 0.8 * 0.2 * 5 for a, b in zip(times, times[5:], strict=False))


@pytest.mark.slow
def test_finished_files_are_not_fetched_again(layout, tmp_path, monkeypatch):
    monkeypatch.setenv("DSMATH_CACHE", str(tmp_path / "cache"))
    paths = [name for name in layout if name.startswith(SEGMENT)]
    with serve({name: data for name, data in layout.items() if name != paths[2]}) as server:
        with pytest.raises(Exception, match="404"):
            extracted(tmp_path / "out", settings_of(server, cache_bytes=1))
        server.files, server.requests = dict(layout), []
        manifest, _ = extracted(tmp_path / "out", settings_of(server, cache_bytes=1))
        assert set(server.asked()) - {f"/crawl-data/{CRAWL}/warc.paths.gz"} == {f"/{paths[2]}"}
    assert manifest.counts["num_files"] == 3


@pytest.mark.slow
def test_a_storm_of_429_for_a_minute_loses_nothing(layout, tmp_path, monkeypatch):
    monkeypatch.setenv("DSMATH_CACHE", str(tmp_path / "cache"))
    write_mirror(layout, tmp_path / "mirror")
    _, expected = extracted(tmp_path / "of_mirror", FetchSettings(base_url=str(tmp_path / "mirror")))
    with serve(dict(layout)) as server:
        server.until = time.monotonic() + 60
        patient = settings_of(server, requests_per_second=2, max_wait_seconds=5, give_up_seconds=600)
        _, found = extracted(tmp_path / "of_server", patient, workers=2)
        refused = [at for at, _, _ in server.requests if at < server.until]
    assert found == expected
    assert 10 < len(refused) <= 121
