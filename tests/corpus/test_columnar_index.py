"""The columnar index: counts and records of the generated crawl, from a folder, a server and S3's layout."""

import gzip
import io
import random
from collections import Counter
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dsmath_pipeline import storage
from dsmath_pipeline.compute import ShardError
from dsmath_pipeline.corpus import ranges
from dsmath_pipeline.corpus.columnar_index import (
    IndexTableError,
    count_pages,
    find_records,
    index_files,
    index_size,
    surt_range,
)  # fmt: skip
from dsmath_pipeline.corpus.commoncrawl import CommonCrawl, CrawlError
from dsmath_pipeline.corpus.inputs import input_files, input_key, shard_names
from dsmath_pipeline.corpus.pages import base_url, extract_files
from dsmath_pipeline.corpus.patience import DownloadError
from dsmath_pipeline.corpus.warc import PartialFile, ReadReport, read_pages
from dsmath_pipeline.recipe.schema import ExtractSettings, FetchSettings, OptOutSettings
from tests.corpus import crawl_layout
from tests.corpus import misbehaving_server as bad
from tests.corpus.crawl_layout import (
    CRAWL,
    SEGMENT,
    TABLE,
    fetch_settings,
    generated_layout,
    parquet_bytes,
    write_mirror,
)
from tests.corpus.misbehaving_server import serve


@pytest.fixture(scope="module")
def layout() -> dict[str, bytes]:
    return generated_layout()


@pytest.fixture(scope="module")
def rows(layout) -> list[dict]:
    return crawl_layout.index_rows({path: data for path, data in layout.items() if path.startswith(SEGMENT)})


@pytest.fixture
def mirror(layout, tmp_path) -> CommonCrawl:
    write_mirror(layout, tmp_path / "mirror")
    return CommonCrawl(FetchSettings(base_url=str(tmp_path / "mirror")), tmp_path / "cache")


def is_page(row: dict) -> bool:
    return row["fetch_status"] == 200 and row["content_mime_detected"] == "text/html"


def counts_of(folder: Path, column: str) -> dict[str, int]:
    table = storage.read_table(folder).to_pylist()
    return {row[column]: row["num_pages"] for row in table}


# counts ---------------------------------------------------------------------------------------------------------------


def test_counts_are_those_of_reading_every_file(mirror, layout, tmp_path):
    manifest = count_pages(mirror, CRAWL, tmp_path / "counts")
    expected, report = Counter(), ReadReport()
    for name in (name for name in layout if name.startswith(SEGMENT)):
        expected.update(base_url(p.url) for p in read_pages(tmp_path / "mirror" / name, ExtractSettings(), report))
    found = Counter(counts_of(tmp_path / "counts", "host"))
    assert not expected - found
    # the index does not know that a body is empty; what is damaged or no HTML it does not count either
    assert (found - expected).total() == report.skipped["empty"] == 1
    num = len(found)
    assert manifest.counts == {"num_pages": found.total(), "num_hosts": num, "num_registered_domains": num}


def table_of(hosts: list[tuple[str, str, int, str, str]]) -> bytes:
    """Host, registered domain, status, type and languages of captures."""
    names = (
        "url_host_name",
        "url_host_registered_domain",
        "fetch_status",
        "content_mime_detected",
        "content_languages",
    )
    place = {"url": "https://a/", "warc_filename": "f", "warc_record_offset": 0, "warc_record_length": 1}
    return parquet_bytes([{"url_surtkey": row[0], **place, **dict(zip(names, row, strict=True))} for row in hosts])


def test_hosts_and_registered_domains_over_several_files(tmp_path):
    html, xhtml = "text/html", "application/xhtml+xml"
    files = {
        "part-0.parquet": table_of([
            ("www.a.org", "a.org", 200, html, "eng"), ("a.org", "a.org", 200, xhtml, "zho,eng"),
            ("m.a.org", "a.org", 200, html, "eng,zho"), ("m.a.org", "a.org", 404, html, "eng"),
            ("b.org", "b.org", 200, "application/pdf", "eng"),
        ]),
        "part-1.parquet": table_of([
            ("M.A.org.", "a.org", 200, html, "zho"), ("10.0.0.1", None, 200, html, None),
        ]),
    }  # fmt: skip
    write_mirror({f"{TABLE}/subset=warc/{name}": data for name, data in files.items()}, tmp_path / "mirror")
    source = CommonCrawl(FetchSettings(base_url=str(tmp_path / "mirror")), tmp_path / "cache")
    count_pages(source, CRAWL, tmp_path / "all")
    assert counts_of(tmp_path / "all", "host") == {"a.org": 2, "m.a.org": 2, "10.0.0.1": 1}
    assert storage.read_table(tmp_path / "all" / "registered_domains").to_pylist() == [
        {"registered_domain": "10.0.0.1", "num_hosts": 1, "num_pages": 1},
        {"registered_domain": "a.org", "num_hosts": 2, "num_pages": 4},
    ]
    count_pages(source, CRAWL, tmp_path / "chinese", languages=["zho"])
    assert counts_of(tmp_path / "chinese", "host") == {"a.org": 1, "m.a.org": 1}


def test_a_misbehaving_server_gives_the_counts_of_a_folder(mirror, layout, tmp_path, monkeypatch):
    monkeypatch.setattr(ranges, "_TAIL_BYTES", 6000)
    count_pages(mirror, CRAWL, tmp_path / "of_folder")
    faults = [None, bad.status(503), bad.cut_after(300), bad.error_page, None, bad.hang_up, bad.cut_after(10)]
    with serve(dict(layout)) as server:
        server.faults = faults
        source = CommonCrawl(fetch_settings(server.address), tmp_path / "cache")
        count_pages(source, CRAWL, tmp_path / "of_server")
        assert not server.faults
    assert counts_of(tmp_path / "of_server", "host") == counts_of(tmp_path / "of_folder", "host")


def test_only_the_needed_columns_and_row_groups_are_asked_for(tmp_path, monkeypatch):
    monkeypatch.setattr(ranges, "_TAIL_BYTES", 70_000)
    rng = random.Random(0)
    rows = [
        {"url_surtkey": f"org,h{n:05d})/", "url": f"https://h{n:05d}.org/{rng.randbytes(200).hex()}",
         "url_host_name": f"h{n:05d}.org", "url_host_registered_domain": f"h{n:05d}.org", "fetch_status": 200,
         "content_mime_detected": "text/html", "warc_filename": "f", "warc_record_offset": n, "warc_record_length": 1}
        for n in range(8000)
    ]  # fmt: skip
    path = f"{TABLE}/subset=warc/part-0.parquet"
    listing = {f"crawl-data/{CRAWL}/cc-index-table.paths.gz": gzip.compress(path.encode())}
    file = parquet_bytes(rows, rows_in_a_group=1000)
    with serve({path: file, **listing}) as server:
        source = CommonCrawl(fetch_settings(server.address), tmp_path / "cache")
        assert count_pages(source, CRAWL, tmp_path / "counts").counts["num_pages"] == 8000
        assert asked_bytes(server) < 0.25 * len(file)  # 200 of about 230 bytes a row are random addresses
        server.requests.clear()
        found = find_records(source, CRAWL, ["h01234.org"])
        assert found["warc_record_offset"].to_pylist() == [1234]
        assert asked_bytes(server) < 0.2 * len(file)  # one of eight row groups, and the footer


def asked_bytes(server) -> int:
    ends = [asked.removeprefix("bytes=").split("-") for _, _, asked in server.requests if asked]
    return sum(int(last) - int(first) + 1 if first else int(last) for first, last in ends)


def test_a_killed_count_goes_on_with_the_files_that_are_left(mirror, layout, tmp_path):
    first, second = index_files(mirror, CRAWL)
    with serve({name: data for name, data in layout.items() if name != second}) as server:
        source = CommonCrawl(fetch_settings(server.address), tmp_path / "cache")
        with pytest.raises(ShardError, match="404"):
            count_pages(source, CRAWL, tmp_path / "counts")
        server.files, server.requests = dict(layout), []
        count_pages(source, CRAWL, tmp_path / "counts")
        assert set(server.asked()) == {f"/{second}"}
    count_pages(mirror, CRAWL, tmp_path / "of_folder")
    assert counts_of(tmp_path / "counts", "host") == counts_of(tmp_path / "of_folder", "host")
    assert first != second


def test_the_size_of_a_crawl_comes_from_footers(mirror, rows, layout):
    assert index_size(mirror, CRAWL).num_captures == len(rows)
    one = index_size(mirror, CRAWL, ask=1)
    tables = [pq.read_metadata(io.BytesIO(data)).num_rows for name, data in layout.items() if "/subset=warc/" in name]
    assert (one.num_asked, one.num_files) == (1, 2)
    assert one.num_captures in [2 * n for n in tables]


# records --------------------------------------------------------------------------------------------------------------


def extracted(spec: str, out: Path, fetch: FetchSettings) -> tuple[storage.Manifest, list[dict]]:
    manifest = extract_files([spec], out, ExtractSettings(), OptOutSettings(), fetch=fetch, workers=1)
    return manifest, storage.read_table(out).sort_by("id").to_pylist()


@pytest.mark.slow
def test_single_records_give_the_documents_of_the_whole_files(mirror, layout, rows, tmp_path, monkeypatch):
    monkeypatch.setenv("DSMATH_CACHE", str(tmp_path / "cache"))
    hosts = sorted({row["url_host_name"] for row in rows})[::4]
    _, everything = extracted(f"cc:{CRAWL}", tmp_path / "whole", mirror.settings)
    expected = [row for row in everything if row["domain"] in {base_url(f"https://{host}") for host in hosts}]
    assert 10 < len(expected) < len(everything) / 2
    with serve(dict(layout)) as server:
        fetch = fetch_settings(server.address)
        found = find_records(CommonCrawl(fetch, tmp_path / "cache"), CRAWL, hosts)
        storage.write_table(tmp_path / "records.parquet", found)
        server.requests.clear()
        server.faults = [bad.status(503), bad.cut_after(200), bad.hang_up]
        manifest, documents = extracted(f"cc-records:{tmp_path / 'records.parquet'}", tmp_path / "single", fetch)
        asked = [asked for _, _, asked in server.requests if asked]
    assert documents == expected
    assert len(asked) == found.num_rows + 3
    assert (manifest.counts["num_pages"], manifest.counts["lost"]) == (found.num_rows, 0)
    _, of_mirror = extracted(f"cc-records:{tmp_path / 'records.parquet'}", tmp_path / "mirrored", mirror.settings)
    assert of_mirror == expected


def test_records_are_those_whose_address_begins_so(mirror, rows):
    row = next(row for row in rows if is_page(row) and row["url_path"].count("/") > 1)
    section = row["url_path"].split("/")[1]
    name = f"{row['url_host_name']}/{section}"
    expected = [
        (r["url"], r["warc_filename"], r["warc_record_offset"], r["warc_record_length"])
        for r in rows
        if is_page(r) and r["url_host_name"] == row["url_host_name"] and r["url_path"].startswith(f"/{section}")
    ]
    found = find_records(mirror, CRAWL, [name]).to_pylist()
    columns = ("url", "warc_filename", "warc_record_offset", "warc_record_length")
    assert sorted(tuple(r[c] for c in columns) for r in found) == sorted(expected)


@pytest.mark.parametrize(
    ("name", "inside", "outside"),
    [
        ("Example.org", ["org,example)/", "org,example)/a", "org,example,m)/"], ["org,example-a)/", "org,examplf)/"]),
        ("https://www.example.org/Math", ["org,example)/math", "org,example)/math/1"],
         ["org,example)/mat", "org,example,m)/math"]),
    ],
)  # fmt: skip
def test_a_name_covers_what_lies_below_it(name, inside, outside):
    first, last = surt_range(name)
    assert all(first <= key < last for key in inside)
    assert not any(first <= key < last for key in outside)


def test_a_range_that_ends_inside_its_record_is_lost_and_never_half_a_page(mirror, rows):
    row = next(row for row in rows if is_page(row))
    start, size = row["warc_record_offset"], row["warc_record_length"]
    for cut, num_pages in ((size, 1), (size - size // 4, 0), (20, 0)):
        report = ReadReport()
        piece = PartialFile("a.warc.gz", mirror.records(row["warc_filename"], [(start, cut)]))
        pages = list(read_pages(piece, ExtractSettings(), report))
        assert (len(pages), report.num_records) == (num_pages, 1)
        if not num_pages:
            assert [(lost.start, lost.end) for lost in report.lost] == [(start, start + cut)]


def test_records_beyond_a_file_and_tables_of_other_kinds_are_refused(mirror, layout, tmp_path):
    path = next(name for name in layout if name.startswith(SEGMENT))

    def write(**columns: list) -> Path:
        storage.write_table(tmp_path / "r.parquet", pa.table(columns))
        return tmp_path / "r.parquet"

    with pytest.raises(CrawlError, match="columns warc_filename"):
        mirror.record_files(write(url=["a"]))
    for name, start, size in (("/etc/passwd", 0, 5), ("a/../../b", 0, 5), (path, -1, 5), (path, 0, 0)):
        with pytest.raises(CrawlError, match="cannot be"):
            mirror.record_files(write(warc_filename=[name], warc_record_offset=[start], warc_record_length=[size]))
    table = write(warc_filename=[path], warc_record_offset=[10**9], warc_record_length=[5])
    with serve(dict(layout)) as server, pytest.raises(DownloadError, match="is not in this file"):
        source = CommonCrawl(fetch_settings(server.address), tmp_path / "cache")
        source.records(path, source.record_files(table)[0].places)


def test_a_file_and_records_of_it_are_two_inputs(mirror, rows, tmp_path):
    found = find_records(mirror, CRAWL, [rows[0]["url_host_name"]])
    storage.write_table(tmp_path / "r.parquet", found)
    some = input_files([f"cc-records:{tmp_path / 'r.parquet'}"], mirror.settings)
    both = input_files([f"cc:{CRAWL}", f"cc-records:{tmp_path / 'r.parquet'}"], mirror.settings)
    assert len(set(shard_names(both))) == len(both) == 3 + len(some)
    whole = input_files([f"cc:{CRAWL}"], mirror.settings)
    assert len({input_key(whole), input_key(some), input_key(both)}) == 3


# what is not there ----------------------------------------------------------------------------------------------------


def test_what_is_no_index_says_so(mirror, tmp_path):
    with pytest.raises(IndexTableError, match=r"CC-MAIN-1999-01 has no columnar index in .*mirror"):
        index_files(mirror, "CC-MAIN-1999-01")
    with serve({}) as server, pytest.raises(DownloadError, match=r"cc-index-table.*404"):
        index_files(CommonCrawl(fetch_settings(server.address), tmp_path / "cache"), CRAWL)
    other = parquet_bytes([], pa.schema([("url", pa.string())]))
    write_mirror({f"{TABLE.replace('2024-10', '2012')}/subset=warc/a.parquet": other}, tmp_path / "mirror")
    with pytest.raises(IndexTableError, match="no column fetch_status"):
        find_records(mirror, "CC-MAIN-2012", ["a.org"])
    with pytest.raises(IndexTableError, match="at least one host"):
        find_records(mirror, CRAWL, [])
    with pytest.raises(IndexTableError, match="no host"):
        find_records(mirror, CRAWL, ["a..org"])
    with pytest.raises(IndexTableError, match="ISO 639-3"):
        find_records(mirror, CRAWL, ["a.org"], languages=["e'n"])
