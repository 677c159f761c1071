"""Write pages as WARC files: WARC/1.0, one gzip member a record, a warcinfo record first, the same bytes every time.

Faulty records are written as crawls have them: cut off in the middle, overwritten, without a body, with a status or a
media type that is no page. Reading is `corpus.warc`'s work. Not in the paper: the demonstration's own data.
"""

import datetime
import hashlib
import io
import random
import uuid
from collections.abc import Sequence
from urllib.parse import urlsplit

from warcio.statusandheaders import StatusAndHeaders
from warcio.warcwriter import WARCWriter

from .truth import WebPage

CRAWL_START = datetime.datetime(2024, 2, 20, tzinfo=datetime.UTC)

_SOFTWARE = "software: dsmath_pipeline mini web\r\nformat: WARC File Format 1.0\r\n"


def warc_bytes(file_name: str, pages: Sequence[WebPage], seed: int) -> tuple[bytes, list[int]]:
    """The content of one WARC file and the byte offset of every page's record in it."""
    parts, offsets, position = [_member("", "warcinfo", _SOFTWARE.encode(), file_name, seed, 0)], [], 0
    for number, page in enumerate(pages, 1):
        member = _member(page.url, "response", _http_response(page), file_name, seed, number)
        rng = random.Random(f"{seed}:{file_name}:{number}")
        if page.record == "truncated":
            member = member[: int(len(member) * rng.uniform(0.3, 0.8))]
        elif page.record == "garbage":
            start, end = len(member) * 2 // 5, len(member) * 4 // 5
            member = member[:start] + rng.randbytes(end - start) + member[end:]
        position += len(parts[-1])
        offsets.append(position)
        parts.append(member)
    return b"".join(parts), offsets


def _http_response(page: WebPage) -> bytes:
    status = "404 Not Found" if page.record == "not_found" else "200 OK"
    server = hashlib.blake2b(urlsplit(page.url).netloc.encode(), digest_size=1).digest()[0]
    lines = (
        f"HTTP/1.1 {status}",
        f"Server: {('nginx', 'Apache/2.4.57', 'cloudfront')[server % 3]}",
        f"Content-Type: {page.content_type}",
        f"Content-Length: {len(page.body)}",
        "Connection: close",
    )
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + page.body


def _member(url: str, record_type: str, payload: bytes, file_name: str, seed: int, number: int) -> bytes:
    """One record as one gzip member. Its id and date follow from the seed, the file and its number."""
    digest = hashlib.blake2b(f"{seed}:{file_name}:{number}".encode(), digest_size=16).digest()
    date = CRAWL_START + datetime.timedelta(seconds=37 * number)
    headers = {
        "WARC-Type": record_type,
        "WARC-Record-ID": f"<urn:uuid:{uuid.UUID(bytes=digest, version=4)}>",
        "WARC-Date": date.strftime("%Y-%m-%dT%H:%M:%SZ"),
    }
    if record_type == "warcinfo":
        headers["WARC-Filename"] = file_name
    out = io.BytesIO()
    # warcio gives its own gzip header a zero time stamp, so equal records are equal bytes.
    writer = WARCWriter(out, gzip=True, warc_version="1.0")
    http = None
    if record_type == "response":
        head, _, payload = payload.partition(b"\r\n\r\n")
        status, *lines = head.decode().split("\r\n")
        protocol, _, status = status.partition(" ")
        http = StatusAndHeaders(status, [(k, v) for k, _, v in (line.partition(": ") for line in lines)], protocol)
    record = writer.create_warc_record(
        url, record_type, payload=io.BytesIO(payload), length=len(payload), http_headers=http, warc_headers_dict=headers
    )
    writer.write_record(record)
    return out.getvalue()
