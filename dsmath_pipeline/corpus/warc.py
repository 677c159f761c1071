"""Read HTML pages out of WARC and ARC files, whatever state the files are in.

This file says which records are pages; record_reader.py finds the records and goes on after damage, http_body.py
decodes them. None of them looks into the HTML.

Pages (nothing else is yielded):
- `response` records with HTTP status 200 and an HTML payload;
- `resource` records (they carry no HTTP status) with an HTML content type.
HTML means: WARC-Identified-Payload-Type or Content-Type names (X)HTML; where neither names a type, the body starts
like HTML. Every other record is skipped and counted by reason: `record_type`, `no_status` (a response without a
readable HTTP status line), `status` (any status but 200), `not_html`, `empty`, `too_large`. Bytes of which no record
can be made are lost and counted with their range: damaged records, records cut short, and what lies between records.

Memory is bounded by settings.max_html_bytes, whatever a file claims: a few times that for the record at hand.

Paper: section 2.1 starts from "all URL-based deduplicated Common Crawl HTML pages" and says nothing of reading.
"""

import io
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import BinaryIO

from ..recipe.schema import ExtractSettings
from ..records import Page
from ..storage import Folder
from .framing import Gap, Record
from .http_body import decode_body, parse_response
from .record_reader import read_records

_HTML_START = re.compile(
    rb"^(?:\xef\xbb\xbf)?\s*(?:<!--.{0,4096}?-->\s*|<\?xml[^>]*>\s*)*<(?:!doctype\s+html|html|head|body)\b", re.I | re.S
)
_ENVELOPE_BYTES = 1 << 20
"""Room for the HTTP head and the chunk sizes of a body as long as the limit."""
_USUAL_HEAD_BYTES = 4096
_ROBOTS_FIELD = re.compile(rb"^x-robots-tag[ \t]*:[ \t]*([^\r\n]*)", re.I | re.M)
_MAX_REASON_CHARS = 200


@dataclass(frozen=True, slots=True)
class LostRange:
    """Bytes [start, end) of a file that could not be read, and why.

    Exact to the record in uncompressed files and where each record has its own gzip member; inside a member that holds
    several records, rounded outward to what had been read.
    """

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
        self.lost.append(LostRange(start, max(end, start + 1), reason))


@dataclass(frozen=True)
class PartialFile:
    """A crawl file of which only some records are here: `pieces` maps offsets in the file to the bytes there.

    A piece is one gzip member, or several in a row. Its pages are those that the whole file gives, offsets included.
    """

    name: str
    pieces: dict[int, bytes]


def read_pages(path: Folder | PartialFile, settings: ExtractSettings, report: ReadReport) -> Iterator[Page]:
    """Yield the HTML pages of a WARC or ARC file in file order; `report` is filled on the way.

    `Page.offset` is the byte offset in the file of the record, or of the gzip member that holds only this record. Where
    a member holds several records it counts inflated bytes instead: in a file of one gzip member, the record's position
    in the inflated file (see record_reader.read_records). It is unique in its file in every case. Damage never raises.
    Raises OSError when the file cannot be opened or its disk fails.
    """
    if isinstance(path, PartialFile):
        for start, data in sorted(path.pieces.items()):
            yield from _pages_at(io.BytesIO(data), len(data), path.name, start, settings, report, is_end=False)
        return
    size = path.stat().st_size
    with path.open("rb") as file:
        yield from _pages_at(file, size, path.name, 0, settings, report, is_end=True)


def _pages_at(
    file: BinaryIO, size: int, name: str, base: int, settings: ExtractSettings, report: ReadReport, *, is_end: bool
) -> Iterator[Page]:
    """Pages of an open file that lies at `base` in the file `name`, and, with `is_end`, reaches to its end."""
    for found in read_records(file, size, settings.max_html_bytes + _ENVELOPE_BYTES):
        lost = found if isinstance(found, Gap) else found.cut
        if isinstance(found, Record):
            found.offset += base
        page = _page_of(found, name, settings.max_html_bytes) if isinstance(found, Record) else "lost"
        if lost and (isinstance(page, str) or not ((is_end and lost.end >= size) or _has_whole_body(found))):
            report.lose(base + lost.start, base + min(lost.end, size), lost.reason[:_MAX_REASON_CHARS])
        elif isinstance(page, Page):
            report.num_records += 1
            report.num_pages += 1
            yield page
        else:
            report.skip(page)


def _has_whole_body(record: Record | Gap) -> bool:
    """Has a record that was cut short nevertheless all the body that its HTTP head announces?

    Programs that rewrite line ends in heads make such records, and files whose last bytes are missing end in one.
    """
    response = _response_of(record) if isinstance(record, Record) else None
    if not isinstance(record, Record) or response is None:
        return False
    _, http, body_start = response
    announced = http.get("content-length", "")
    return announced.isascii() and announced.isdigit() and 0 < int(announced[:18]) <= record.size - body_start


def _names_html(media_type: str) -> bool:
    media_type = media_type.lower()
    return "text/html" in media_type or "application/xhtml" in media_type


def _response_of(record: Record) -> tuple[int, dict[str, str], int] | None:
    """Status, header fields and where the body begins in the block; the head is looked for in the block's start."""
    start = record.beginning(_USUAL_HEAD_BYTES)
    response = parse_response(start)
    if response and response[2] == len(start) < record.size:
        return parse_response(record.block_from(0))
    return response


def _page_of(record: Record, source: str, limit: int) -> Page | str:
    """The page in a record, or the reason why there is none."""
    headers = record.headers
    kind = headers.get("warc-type", "").lower()
    if kind == "response":
        response = _response_of(record)
        if response is None:
            return "no_status"
        status, http, body_start = response
        if status != 200:
            return "status"
        content_type = http.get("content-type", "")
    elif kind == "resource":
        http, body_start = {}, 0
        content_type = headers.get("content-type", "")
    else:
        return "record_type"
    identified = headers.get("warc-identified-payload-type", "")
    is_html = _names_html(identified) or _names_html(content_type)
    if not is_html and (identified or content_type):
        return "not_html"
    if record.length > record.size and not record.cut:
        return "too_large"
    html = decode_body(
        record.block_from(body_start), http.get("transfer-encoding", ""), http.get("content-encoding", ""), limit
    )
    if len(html) > limit:
        return "too_large"
    if not html or html.isspace():
        return "empty"
    if not is_html and not _HTML_START.match(html[:8192]):
        return "not_html"
    if "x-robots-tag" in http:  # repeated for several agents: a line of the value for each
        found = _ROBOTS_FIELD.findall(record.beginning(body_start)[:body_start])
        http["x-robots-tag"] = b"\n".join(found).decode("latin-1") or http["x-robots-tag"]
    url = headers.get("warc-target-uri", "").strip("<>").replace(" ", "%20")
    return Page(url, html, source, record.offset, headers.get("warc-date", ""), content_type, http)
