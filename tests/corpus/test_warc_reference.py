"""Against warcio: every page that it reads out of an undamaged file is read with the same body."""

import gzip
import io
from collections.abc import Iterator
from pathlib import Path

import pytest
from warcio.archiveiterator import ArchiveIterator
from warcio.exceptions import ArchiveLoadFailed

from dsmath_pipeline.corpus.warc import ReadReport, read_pages
from tests.corpus.crawl_files import REAL, SETTINGS, read_bytes, read_carefully

needs_real_data = pytest.mark.skipif(not (REAL / "warc_fixtures").exists(), reason=f"no real data at {REAL}")
UNDAMAGED = [
    "derived/chunked_gzip.warc.gz", "derived/gzip_encoded.warc.gz", "derived/uncompressed.warc",
    "derived/lying_gzip_header.warc.gz", "dolma/sample-0000.warc.gz", "dolma/sample-0001.warc.gz", "jwarc/cc.warc.gz",
    "jwarc/gzip_extra_sl.warc.gz", "warcio/example.warc", "warcio/example.warc.gz", "warcio/example.arc",
    "warcio/example.arc.gz", "warcio/example-iana.org-chunked.warc", "warcio/example-resource.warc.gz",
    "warcio/example-space-in-url.arc", "warcio/example-wget-bad-target-uri.warc.gz", "warcio/post-test.warc.gz",
    "webarchive-commons/IAH-urls-wget.warc", "webarchive-commons/IAH-urls-wget.warc.gz",
    "webarchive-commons/mutliple-headers.warc", "whirlwind/whirlwind.warc", "whirlwind/whirlwind.warc.gz",
]  # fmt: skip
DAMAGED = [
    "derived/corrupt_bytes.warc.gz", "derived/trailing_garbage.warc.gz", "derived/gzip_encoded_truncated.warc.gz",
    "warcio/example-trunc.warc", "webarchive-commons/link-extraction-test.warc", "warcio/bad.arc",
]  # fmt: skip


def reference_pages(data: bytes) -> Iterator[tuple[str, bytes]]:
    """URL and body of the HTML responses with status 200, up to where warcio gives up."""
    try:
        for record in ArchiveIterator(io.BytesIO(data), arc2warc=b"filedesc:" in data[:10] or is_gzipped_arc(data)):
            http = record.http_headers
            if record.rec_type == "response" and http and http.get_statuscode() == "200":
                body = record.content_stream().read()
                if "html" in (http.get_header("Content-Type") or "") and body.strip():
                    yield record.rec_headers.get_header("WARC-Target-URI"), body
    except ArchiveLoadFailed:
        return


def is_gzipped_arc(data: bytes) -> bool:
    return data[:2] == b"\x1f\x8b" and gzip.GzipFile(fileobj=io.BytesIO(data)).read(9) == b"filedesc:"


def responses(data: bytes) -> list[tuple[str, bytes]]:
    return [(page.url, page.html) for page in read_bytes(data)[0] if page.headers]


@needs_real_data
@pytest.mark.parametrize("name", UNDAMAGED)
def test_pages_of_an_undamaged_file_equal_the_reference(name: str) -> None:
    data = (REAL / "warc_fixtures" / name).read_bytes()
    assert responses(data) == list(reference_pages(data))
    assert read_bytes(data) == read_carefully(data)


@needs_real_data
@pytest.mark.parametrize("name", DAMAGED)
def test_out_of_a_damaged_file_comes_at_least_what_the_reference_reads(name: str) -> None:
    data = (REAL / "warc_fixtures" / name).read_bytes()
    assert set(reference_pages(data)) <= set(responses(data))


@needs_real_data
def test_a_file_cut_in_a_record_gives_what_the_reference_reads_half_page_included() -> None:
    data = (REAL / "warc_fixtures/derived/truncated_mid_record.warc.gz").read_bytes()
    assert responses(data) == list(reference_pages(data))


@needs_real_data
@pytest.mark.parametrize(
    ("name", "records", "pages", "lost"),
    [  # by hand from `zcat` and the file's own index of record lines
        ("derived/single_gzip_member.warc.gz", 48, 22, 0),
        ("derived/brotli.warc.gz", 1, 1, 0),
        ("derived/corrupt_bytes.warc.gz", 48, 21, 1),
        ("derived/truncated_mid_record.warc.gz", 39, 19, 0),
        ("warcio/example-wrong-chunks.warc.gz", 2, 1, 0),  # one record in two gzip members
        ("webarchive-commons/IAH-20080430204825-00000-blackbook-truncated.arc", 9, 2, 0),
    ],
)
def test_files_that_the_reference_cannot_read_whole(name: str, records: int, pages: int, lost: int) -> None:
    _, report = read_bytes((REAL / "warc_fixtures" / name).read_bytes())
    assert (report.num_records, report.num_pages, len(report.lost)) == (records, pages, lost)


@pytest.mark.slow
@needs_real_data
def test_every_page_of_the_real_crawl_equals_the_reference() -> None:
    files = sorted((REAL / "crawl").glob("*.warc.gz"))
    num_pages = 0
    for file in files:
        report = ReadReport()
        with file.open("rb") as stream:
            records = (record for record in ArchiveIterator(stream) if record.rec_type == "response")
            for page, record in zip(read_pages(Path(file), SETTINGS, report), records, strict=True):
                assert page.url == record.rec_headers.get_header("WARC-Target-URI")
                assert page.html == record.content_stream().read()
        assert not report.lost
        num_pages += report.num_pages
    assert num_pages == 3426
