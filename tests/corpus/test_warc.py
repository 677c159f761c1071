"""Reading WARC files: which records are pages, HTTP body encodings, damage."""

import gzip
import io
import os
import zlib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from warcio.archiveiterator import ArchiveIterator as ReferenceReader
from warcio.statusandheaders import StatusAndHeaders
from warcio.warcwriter import WARCWriter

from dsmath_pipeline.corpus.http_body import decode_body
from dsmath_pipeline.corpus.warc import ReadReport, read_pages
from dsmath_pipeline.recipe.schema import ExtractSettings
from dsmath_pipeline.records import Page

REAL = Path(__file__).parents[2] / os.environ.get("DSMATH_REAL_DATA", "../shared/data")
SETTINGS = ExtractSettings()
HTML = b"<html><body><p>Hello</p></body></html>"


def write_warc(path: Path, records: list[dict], gzipped: bool = True) -> Path:
    with path.open("wb") as file:
        writer = WARCWriter(file, gzip=gzipped)
        for number, record in enumerate(records):
            http = None
            if record.get("kind", "response") == "response":
                headers = [("Content-Type", "text/html"), *record.get("headers", [])]
                http = StatusAndHeaders(record.get("status", "200 OK"), headers, protocol="HTTP/1.1")
            writer.write_record(
                writer.create_warc_record(
                    f"https://example.org/{number}",
                    record.get("kind", "response"),
                    payload=io.BytesIO(record.get("body", HTML)),
                    http_headers=http,
                    warc_content_type=record.get("type", ""),
                )
            )
    return path


def read(path: Path, limits: ExtractSettings = SETTINGS) -> tuple[list[Page], ReadReport]:
    report = ReadReport()
    pages = list(read_pages(path, limits, report))
    assert report.num_records == report.num_pages + sum(report.skipped.values()) + len(report.lost)
    assert len(pages) == report.num_pages
    return pages, report


@pytest.mark.parametrize("gzipped", [True, False])
def test_html_responses_with_status_200_are_pages_and_the_rest_is_counted(tmp_path: Path, gzipped: bool) -> None:
    records = [
        {"kind": "warcinfo", "body": b"software: x\r\n", "type": "application/warc-fields"},
        {},
        {"status": "404 Not Found"},
        {"status": "301 Moved"},
        {"headers": [("Content-Type", "text/html; charset=x")], "body": b"<p>two</p>"},
        {"kind": "resource", "type": "text/html", "body": b"<p>resource</p>"},
        {"kind": "resource", "type": "image/png", "body": b"\x89PNG"},
        {"body": b"   "},
    ]
    pages, report = read(write_warc(tmp_path / "a.warc.gz", records, gzipped))
    assert [page.html for page in pages] == [HTML, b"<p>two</p>", b"<p>resource</p>"]
    assert report.skipped == {"record_type": 1, "status": 2, "not_html": 1, "empty": 1}


def test_offset_points_at_the_records_gzip_member(tmp_path: Path) -> None:
    path = write_warc(tmp_path / "a.warc.gz", [{}, {"body": b"<p>second</p>"}])
    pages, _ = read(path)
    member = zlib.decompressobj(31).decompress(path.read_bytes()[pages[1].offset :])
    assert member.startswith(b"WARC/1.0") and member.rstrip().endswith(b"<p>second</p>")


def test_one_gzip_member_for_the_whole_file_is_read(tmp_path: Path) -> None:
    plain = write_warc(tmp_path / "a.warc", [{}, {}, {}], gzipped=False)
    single = tmp_path / "single.warc.gz"
    single.write_bytes(gzip.compress(plain.read_bytes()))
    assert len(read(single)[0]) == 3


def test_a_page_over_the_limit_is_skipped_not_read(tmp_path: Path) -> None:
    path = write_warc(tmp_path / "a.warc.gz", [{"body": b"<p>" + b"x" * 5000}, {}])
    pages, report = read(path, ExtractSettings(max_html_bytes=1000))
    assert [page.html for page in pages] == [HTML]
    assert report.skipped == {"too_large": 1}


def test_damage_in_one_record_loses_that_record_with_its_byte_range(tmp_path: Path) -> None:
    body = os.urandom(3000).hex().encode()
    path = write_warc(tmp_path / "a.warc.gz", [{"body": b"<p>%d" % i + body} for i in range(5)])
    offsets = [page.offset for page in read(path)[0]]
    data = bytearray(path.read_bytes())
    middle = (offsets[2] + offsets[3]) // 2
    data[middle : middle + 40] = b"\xff" * 40
    path.write_bytes(bytes(data))
    pages, report = read(path)
    assert [page.html[:4] for page in pages] == [b"<p>0", b"<p>1", b"<p>3", b"<p>4"]
    assert [(lost.start, lost.end) for lost in report.lost] == [(offsets[2], offsets[3])]


def test_damage_in_several_records_of_a_file_loses_only_those(tmp_path: Path) -> None:
    body = os.urandom(3000).hex().encode()
    path = write_warc(tmp_path / "a.warc.gz", [{"body": b"<p>%d" % i + body} for i in range(6)])
    offsets = [page.offset for page in read(path)[0]]
    data = bytearray(path.read_bytes())
    for damaged in (1, 3):
        middle = (offsets[damaged] + offsets[damaged + 1]) // 2
        data[middle : middle + 40] = b"\xff" * 40
    path.write_bytes(bytes(data))
    pages, report = read(path)
    assert [page.offset for page in pages] == [offsets[i] for i in (0, 2, 4, 5)]
    assert [lost.start for lost in report.lost] == [offsets[1], offsets[3]]


def test_a_file_cut_in_a_page_keeps_what_there_is_of_it(tmp_path: Path) -> None:
    path = write_warc(tmp_path / "a.warc.gz", [{"body": b"<p>" + os.urandom(2000).hex().encode()} for _ in range(3)])
    data, whole = path.read_bytes(), read(path)[0]
    path.write_bytes(data[: whole[2].offset + 700])
    pages, report = read(path)
    assert [page.html for page in pages[:2]] == [page.html for page in whole[:2]]
    assert len(pages) == 3 and 100 < len(pages[2].html) < 4000 and whole[2].html.startswith(pages[2].html)
    assert report.lost == []
    path.write_bytes(data[: whole[2].offset + 30])
    pages, report = read(path)
    assert len(pages) == 2
    assert [(lost.start, lost.end) for lost in report.lost] == [(whole[2].offset, whole[2].offset + 30)]


@settings(max_examples=30, deadline=None, derandomize=True)
@given(st.integers(0, 2000), st.binary(min_size=1, max_size=60))
def test_no_overwritten_bytes_make_reading_raise(tmp_path_factory, at: int, noise: bytes) -> None:
    path = write_warc(tmp_path_factory.mktemp("w") / "a.warc.gz", [{}, {"body": b"<p>" + b"ab" * 300}, {}, {}])
    data = bytearray(path.read_bytes())
    at %= len(data)
    data[at : at + len(noise)] = noise
    path.write_bytes(bytes(data))
    read(path)


def chunked(data: bytes) -> bytes:
    parts = [data[i : i + 10] for i in range(0, len(data), 10)]
    return b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"


@pytest.mark.parametrize(
    ("body", "transfer", "content"),
    [
        (HTML, "", ""),
        (chunked(HTML), "chunked", ""),
        (gzip.compress(HTML, mtime=0), "", "gzip"),
        (zlib.compress(HTML), "", "deflate"),
        (zlib.compress(HTML)[2:-4], "", "deflate"),  # raw deflate: zlib without its 2-byte head and 4-byte checksum
        (chunked(gzip.compress(HTML, mtime=0)), "chunked", "gzip"),
        (HTML, "chunked", "gzip"),  # both headers lie
        (HTML, "", "br"),
        (gzip.compress(HTML, mtime=0), "", ""),  # compressed, but no header says so
    ],
)
def test_http_bodies_are_decoded_whatever_the_headers_say(body: bytes, transfer: str, content: str) -> None:
    assert decode_body(body, transfer, content, 10_000) == HTML


def test_a_truncated_gzip_body_gives_what_it_holds() -> None:
    data = os.urandom(5000).hex().encode()
    part = decode_body(gzip.compress(data, mtime=0)[:2000], "", "gzip", 100_000)
    assert len(part) > 100 and data.startswith(part)


def test_decompression_stops_at_the_limit() -> None:
    assert len(decode_body(gzip.compress(b"a" * 10_000_000), "", "gzip", 1000)) == 1001


needs_real_data = pytest.mark.skipif(not (REAL / "warc_fixtures").exists(), reason=f"no real data at {REAL}")


@needs_real_data
def test_no_fixture_makes_reading_raise_and_every_byte_lost_is_named() -> None:
    files = [p for p in (REAL / "warc_fixtures").rglob("*") if p.is_file() and "encodings/" not in str(p)]
    assert len(files) > 40
    for file in files:
        _, report = read(file)
        for lost in report.lost:
            assert 0 <= lost.start < lost.end <= file.stat().st_size


@needs_real_data
@pytest.mark.parametrize("name", ["dolma/sample-0000.warc.gz", "dolma/sample-0001.warc.gz", "jwarc/cc.warc.gz"])
def test_pages_equal_those_of_the_reference_reader(name: str) -> None:
    expected = []
    with (REAL / "warc_fixtures" / name).open("rb") as file:
        for record in ReferenceReader(file):
            kind = record.http_headers.get_header("Content-Type") if record.http_headers else ""
            if (
                record.rec_type == "response"
                and record.http_headers.get_statuscode() == "200"
                and "html" in (kind or "")
            ):
                expected.append((record.rec_headers.get_header("WARC-Target-URI"), record.content_stream().read()))
    pages, _ = read(REAL / "warc_fixtures" / name)
    assert [(page.url, page.html) for page in pages if page.headers] == expected


@needs_real_data
def test_corrupt_bytes_cost_one_record_of_48() -> None:
    _, whole = read(REAL / "warc_fixtures/dolma/sample-0000.warc.gz")
    _, damaged = read(REAL / "warc_fixtures/derived/corrupt_bytes.warc.gz")
    assert (whole.num_records, whole.num_pages, len(whole.lost)) == (48, 22, 0)
    assert (damaged.num_records, damaged.num_pages, len(damaged.lost)) == (48, 21, 1)
