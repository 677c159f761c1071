"""Read HTML pages out of WARC files, whatever state the files are in.

WARC 1.0 and 1.1; one gzip member per record (Common Crawl), one member for all, or uncompressed. Bulk reading is
FastWARC's; this file adds what a crawl needs around it: which records are pages, HTTP body decoding that survives
lying headers, a bound on memory, and a way on after damage. It does not read ARC files (they count as lost) and does
not look into the HTML.

Which records are pages (nothing else is yielded):
- `response` records with HTTP status 200 and an HTML payload;
- `resource` records (they carry no HTTP status) with an HTML content type.
HTML means: WARC-Identified-Payload-Type or Content-Type names (X)HTML; where neither names a type, the body starts
like HTML. Every other record is skipped and counted by reason: `record_type`, `no_status` (a response without a
readable HTTP status line), `status` (any status but 200), `not_html`, `empty`, `too_large`. A record whose bytes cannot
be read is lost, and counted with its byte range; reading goes on at the next gzip member (or the next `WARC/` line).

Paper: section 2.1 starts from "all URL-based deduplicated Common Crawl HTML pages" and says nothing of reading.
"""

import re
import zlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from fastwarc.stream_io import BrotliReader
from fastwarc.warc import ArchiveIterator, WarcRecordType

from ..recipe.schema import ExtractSettings
from ..records import Page
from ..storage import Folder

_HTML_TYPE = re.compile(r"\b(?:text/html|application/xhtml)", re.I)
_HTML_START = re.compile(
    rb"^(?:\xef\xbb\xbf)?\s*(?:<!--.*?-->\s*|<\?xml[^>]*>\s*)*<(?:!doctype\s+html|html|head|body)\b", re.I | re.S
)
_GZIP_MEMBER = b"\x1f\x8b\x08"
_WARC_LINE = re.compile(rb"(?:^|\n)WARC/[01]\.")
_CHUNK_SIZE = re.compile(rb"\s*([0-9a-fA-F]{1,8})[^\r\n]{0,200}\r?\n")
_SEARCH_BLOCK = 1 << 20


@dataclass(frozen=True, slots=True)
class LostRange:
    """Bytes [start, end) of a file that could not be read, and why."""

    start: int
    end: int
    reason: str


@dataclass
class ReadReport:
    """What became of the records of one file: num_records = num_pages + sum(skipped) + len(lost)."""

    num_records: int = 0
    num_pages: int = 0
    skipped: Counter[str] = field(default_factory=Counter)
    lost: list[LostRange] = field(default_factory=list)

    def skip(self, reason: str) -> None:
        self.num_records += 1
        self.skipped[reason] += 1

    def lose(self, start: int, end: int, reason: str) -> None:
        self.num_records += 1
        self.lost.append(LostRange(start, max(end, start), reason))


def read_pages(path: Folder, settings: ExtractSettings, report: ReadReport) -> Iterator[Page]:
    """Yield the HTML pages of a WARC file in file order; `report` is filled on the way.

    `Page.offset` is the record's byte offset in the file as it lies on disk (a file compressed as one gzip member has
    no such offset; there it is the place the decompressor had reached, and not unique). Damage never raises. Raises
    OSError only when the file cannot be opened.
    """
    size = path.stat().st_size
    is_gzip = _starts_with_gzip(path)
    start = 0
    while start < size:
        state = _Position(start)
        try:
            yield from _read_until_damage(path, state, settings, report)
            if state.truncated_at is None:
                return
            damaged, reason = state.truncated_at, "record is shorter than its Content-Length"
        except (OSError, ValueError, EOFError) as error:
            damaged, reason = _damaged_record(path, state, size, is_gzip), f"{type(error).__name__}: {error}"
        start = _next_record(path, damaged + 1, size, is_gzip)
        if start >= size and not any(_has_content(path, damaged, size)):
            return
        report.lose(damaged, start, reason[:200])


@dataclass
class _Position:
    start: int
    last: int = -1
    """Offset of the last record that the iterator gave out; -1 before the first."""
    is_read: bool = True
    """Was the last record read to its end without an error?"""
    truncated_at: int | None = None


def _read_until_damage(path: Folder, state: _Position, settings: ExtractSettings, report: ReadReport) -> Iterator[Page]:
    with path.open("rb") as file:
        file.seek(state.start)
        for record in ArchiveIterator(file, record_types=WarcRecordType.any_type, parse_http=False):
            state.last, state.is_read = record.stream_pos, False
            result = _page_of(record, path.name, state.last, settings)
            state.is_read = True
            if result is _TRUNCATED:
                state.truncated_at = state.last
                return
            if isinstance(result, Page):
                report.num_records += 1
                report.num_pages += 1
                yield result
            else:
                report.skip(result)


_TRUNCATED = "truncated"


def _page_of(record: Any, source: str, offset: int, settings: ExtractSettings) -> Page | str:
    """The page in a record, or the reason why there is none."""
    is_response = record.record_type == WarcRecordType.response
    if not is_response and record.record_type != WarcRecordType.resource:
        return "record_type"
    declared = _declared_length(record)
    http: dict[str, str] = {}
    content_type = record.headers.get("Content-Type") or ""
    if is_response:
        try:
            record.parse_http(auto_decode="none", quirks_mode=True)
            status = record.http_headers.status_code if record.http_headers else None
        except (OSError, ValueError):
            status = None
        if status is None:
            return "no_status"
        if status != 200:
            return "status"
        http = {name.lower(): value for name, value in record.http_headers.asdict().items()}
        content_type = http.get("content-type", "")
    identified = record.headers.get("WARC-Identified-Payload-Type") or ""
    is_html = bool(_HTML_TYPE.search(identified) or _HTML_TYPE.search(content_type))
    if not is_html and (identified or content_type):
        return "not_html"
    limit = settings.max_html_bytes
    raw = record.reader.read(limit + 1)
    if len(raw) <= limit and declared is not None and len(raw) < min(declared, limit) and not is_response:
        return _TRUNCATED
    if is_response and len(raw) <= limit and _is_cut_short(record, raw):
        return _TRUNCATED
    html = decode_body(raw, http.get("transfer-encoding", ""), http.get("content-encoding", ""), limit)
    if len(html) > limit:
        return "too_large"
    if not html.strip():
        return "empty"
    if not is_html and not _HTML_START.match(html[:4096]):
        return "not_html"
    url = (record.headers.get("WARC-Target-URI") or "").strip().strip("<>")
    date = record.headers.get("WARC-Date") or ""
    return Page(url, html, source, offset, date, content_type, http)


def decode_body(raw: bytes, transfer_encoding: str, content_encoding: str, limit: int) -> bytes:
    """Undo chunking and compression of an HTTP body, at most `limit` + 1 bytes of it.

    Headers lie: a body that is not what its header says is returned as it is; a truncated compressed body gives the
    part that can be had. A gzip or brotli body is recognised by its header only, gzip also by its first bytes.
    """
    body = _dechunk(raw) if "chunked" in transfer_encoding.lower() else raw
    for encoding in reversed([e.strip() for e in content_encoding.lower().split(",")]):
        if encoding in ("gzip", "x-gzip", "deflate"):
            body = _inflate(body, limit)
        elif encoding == "br":
            body = _unbrotli(body, limit)
    if body[:3] == _GZIP_MEMBER:
        body = _inflate(body, limit)
    return body[: limit + 1]


def _dechunk(raw: bytes) -> bytes:
    """The joined chunks; the input itself when it does not start with a chunk size."""
    parts: list[bytes] = []
    at = 0
    while match := _CHUNK_SIZE.match(raw, at):
        size = int(match[1], 16)
        if size == 0:
            return b"".join(parts)
        if match.end() + size > len(raw) + 2 and not parts:
            # A first line that only looks like a size ("<" never does, but "Dead" would): keep the body.
            return raw if raw.lstrip()[:1] == b"<" else raw[match.end() :]
        parts.append(raw[match.end() : match.end() + size])
        at = match.end() + size
        if raw[at : at + 2] == b"\r\n":
            at += 2
    # The rest has no chunk size: the sizes lied from here on, the bytes are still the page's.
    return b"".join(parts) + raw[at:] if parts else raw


def _inflate(body: bytes, limit: int) -> bytes:
    """gzip, zlib or raw deflate, whichever fits; the input itself when none does."""
    for window in (47, -15) if body[:1] != b"<" else ():
        parts: list[bytes] = []
        have, rest = 0, body
        try:
            while rest and have <= limit:
                unpacker = zlib.decompressobj(window)
                part = unpacker.decompress(rest, limit + 1 - have)
                parts.append(part)
                have += len(part)
                rest = unpacker.unused_data if unpacker.eof else b""
        except zlib.error:
            pass  # what came out before the damage is kept; nothing at all means another format
        if have:
            return b"".join(parts)
    return body


def _unbrotli(body: bytes, limit: int) -> bytes:
    """Brotli; the input itself when it is not."""
    import io

    parts: list[bytes] = []
    have = 0
    reader = BrotliReader(io.BytesIO(body))
    try:
        while have <= limit and (part := reader.read(65536)):
            parts.append(part)
            have += len(part)
    except (OSError, ValueError, EOFError):
        pass  # as above: the part that could be decoded is kept
    return b"".join(parts) if have else body


def _declared_length(record: Any) -> int | None:
    text = (record.headers.get("Content-Length") or "").strip()
    return int(text) if text.isdigit() else None


def _is_cut_short(record: Any, raw: bytes) -> bool:
    """Did the file end inside this record? `record.content_length` is the payload's length after the HTTP head."""
    expected = record.content_length
    return expected is not None and len(raw) < expected


def _starts_with_gzip(path: Folder) -> bool:
    with path.open("rb") as file:
        return file.read(2) == _GZIP_MEMBER[:2]


def _damaged_record(path: Folder, state: _Position, size: int, is_gzip: bool) -> int:
    """Where the damaged record begins: the one being read, or the one after the last that was read."""
    if not state.is_read:
        return state.last
    return state.start if state.last < 0 else min(_next_record(path, state.last + 1, size, is_gzip), size)


def _has_content(path: Folder, start: int, end: int) -> Iterator[bool]:
    with path.open("rb") as file:
        file.seek(start)
        yield bool(file.read(min(end - start, 65536)).strip(b"\0\r\n "))


def _next_record(path: Folder, start: int, size: int, is_gzip: bool) -> int:
    """Offset of the first readable record start at or after `start`; `size` when there is none."""
    with path.open("rb") as file:
        at = start
        while at < size:
            file.seek(at)
            block = file.read(_SEARCH_BLOCK)
            if not block:
                break
            if is_gzip:
                found = block.find(_GZIP_MEMBER)
                while found >= 0:
                    if _begins_record(file, at + found):
                        return at + found
                    found = block.find(_GZIP_MEMBER, found + 1)
            elif match := _WARC_LINE.search(block, 0):
                return at + match.start() + (block[match.start() : match.start() + 1] == b"\n")
            at += max(len(block) - 16, 1) if at + len(block) < size else len(block)
    return size


def _begins_record(file: Any, offset: int) -> bool:
    """Does a gzip member start here whose first bytes are a WARC header? (The magic bytes also occur by chance.)"""
    file.seek(offset)
    try:
        return zlib.decompressobj(31).decompress(file.read(4096), 16).startswith(b"WARC/")
    except zlib.error:
        return False
