"""Crawl files for the reading tests: written record by record, read with every invariant checked."""

import gzip
import io
import os
from pathlib import Path

from dsmath_pipeline.corpus.record_reader import _FileReader
from dsmath_pipeline.corpus.warc import ReadReport, read_pages
from dsmath_pipeline.recipe.schema import ExtractSettings
from dsmath_pipeline.records import Page

REAL = Path(__file__).parents[2] / os.environ.get("DSMATH_REAL_DATA", "../shared/data")
SETTINGS = ExtractSettings()


class MemoryFile:
    """A crawl file in memory, as far as read_pages looks at a path."""

    def __init__(self, data: bytes, name: str = "memory.warc.gz") -> None:
        self.name = name
        self._data = data
        self.st_size = len(data)

    def stat(self) -> "MemoryFile":
        return self

    def open(self, mode: str) -> io.BytesIO:
        assert mode == "rb"
        return io.BytesIO(self._data)


def response(
    number: int,
    body: bytes,
    *,
    http: bytes = b"Content-Type: text/html\r\n",
    length: int | bytes | None = None,
    status: bytes = b"200 OK",
) -> bytes:
    """One WARC response record of http://example.org/{number}; `length` replaces the right Content-Length."""
    block = b"HTTP/1.1 " + status + b"\r\n" + http + b"\r\n" + body
    shown = length if isinstance(length, bytes) else b"%d" % (len(block) if length is None else length)
    return (
        b"WARC/1.0\r\nWARC-Type: response\r\nWARC-Target-URI: http://example.org/%d\r\nWARC-Date: 2024-01-01T00:00:00Z"
        b"\r\nContent-Length: %s\r\n\r\n%s\r\n\r\n" % (number, shown, block)
    )


def arc_record(number: int, body: bytes, *, length: int | None = None) -> bytes:
    """One ARC version 1 record of http://example.org/{number}."""
    block = b"HTTP/1.0 200 OK\nContent-Type: text/html\n\n" + body
    shown = len(block) if length is None else length
    return b"http://example.org/%d 192.0.2.1 20050607080910 text/html %d\n%s\n" % (number, shown, block)


ARC_HEAD = b"filedesc://x.arc 0.0.0.0 20050607080910 text/plain 14\n1 0 Somebody\n\n\n"


def members(records: list[bytes]) -> bytes:
    """One gzip member for each record."""
    return b"".join(gzip.compress(record, 6, mtime=0) for record in records)


def read_bytes(data: bytes, settings: ExtractSettings = SETTINGS) -> tuple[list[Page], ReadReport]:
    """All pages of a file in memory; asserts what must hold of every file, damaged or not."""
    report = ReadReport()
    pages = list(read_pages(MemoryFile(data), settings, report))  # type: ignore[arg-type]
    assert report.num_records == report.num_pages + sum(report.skipped.values()) + len(report.lost)
    assert len(pages) == report.num_pages
    assert len({page.offset for page in pages}) == len(pages)
    assert all(0 < len(page.html) <= settings.max_html_bytes for page in pages)
    for lost in report.lost:
        assert 0 <= lost.start < lost.end <= len(data) and lost.reason
    return pages, report


def read_carefully(data: bytes) -> tuple[list[Page], ReadReport]:
    """As read_bytes, without the fast way through healthy members."""

    def no_fast_way(self: _FileReader, start: int):
        return start
        yield

    fast_way = _FileReader._read_fast
    _FileReader._read_fast = no_fast_way  # type: ignore[method-assign]
    try:
        return read_bytes(data)
    finally:
        _FileReader._read_fast = fast_way  # type: ignore[method-assign]
