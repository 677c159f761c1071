"""HTTP responses as crawlers stored them: the head taken apart, the body unchunked and decompressed.

Headers lie: crawlers store bodies decoded and leave Transfer-Encoding and Content-Encoding in the head, servers name a
compression that they did not use. A body that is not what its header says is returned as it is, a damaged one gives
what can be had, and no body, whatever it claims, makes more than `limit` + 1 bytes. Transfer-Encoding chunked;
Content-Encoding gzip, deflate (zlib or raw), br, zstd; gzip also by its first bytes.

Not in the paper: decoding is not described.
"""

import contextlib
import io
import re
import zlib
from collections.abc import Callable
from typing import Any

from fastwarc.stream_io import BrotliReader, ZstdReader

from .framing import MAX_HEAD_BYTES, head_end, parse_fields

_STATUS = re.compile(rb"HTTP/\d(?:\.\d)?[ \t]+(\d{3})(?![0-9])", re.I)
_CHUNK_SIZE = re.compile(rb"[ \t]*([0-9a-fA-F]{1,16})[ \t]*(?:;[^\r\n]{0,200})?\r?\n")
_GZIP_MAGIC = b"\x1f\x8b\x08"
_INPUT = 4096
_OUTPUT = 1024
"""Small, because a FastWARC reader that meets damage keeps back what it has of a longer read."""
_MAX_GZIP_MEMBERS = 1000
_MAX_ENCODINGS = 4
"""More compressions on top of each other are an attack, not a page."""


def parse_response(block: bytes) -> tuple[int, dict[str, str], int] | None:
    """Status, header fields (names in lower case) and where the body begins; None without an HTTP status line.

    The head may lack its blank line when there is no body. Heads over 256 KiB count as unreadable (None).
    """
    status = _STATUS.match(block)
    if not status:
        return None
    end, body_start = head_end(block)
    if not body_start:
        return None if len(block) > MAX_HEAD_BYTES else (int(status[1]), parse_fields(block), len(block))
    return int(status[1]), parse_fields(block[:end]), body_start


def decode_body(raw: bytes, transfer_encoding: str, content_encoding: str, limit: int) -> bytes:
    """Undo chunking and compression of an HTTP body, at most `limit` + 1 bytes of it. Never raises."""
    body = _dechunk(raw) if "chunked" in transfer_encoding.lower() else raw
    if content_encoding:
        encodings = [name.strip() for name in content_encoding.lower().split(",")]
        for name in reversed(encodings[-_MAX_ENCODINGS:]):
            if unpack := _UNPACKERS.get(name):
                body = unpack(body, limit)
    if body[:3] == _GZIP_MAGIC:
        body = _gunzip(body, limit)
    return body[: limit + 1] if len(body) > limit else body


def _dechunk(raw: bytes) -> bytes:
    """The joined chunks; the input itself when it does not start with a chunk size."""
    parts: list[bytes] = []
    at = 0
    while match := _CHUNK_SIZE.match(raw, at):
        size = int(match[1], 16)
        if size == 0:
            return b"".join(parts)
        if match.end() + size > len(raw) and not parts and not _looks_cut(raw, match.end()):
            return raw
        parts.append(raw[match.end() : match.end() + size])
        at = match.end() + size
        if raw[at : at + 2] == b"\r\n":
            at += 2
        elif raw[at : at + 1] == b"\n":
            at += 1
    # The rest has no chunk size: the sizes lied from here on, the bytes are still the page's.
    return b"".join(parts) + raw[at:] if parts else raw


def _looks_cut(raw: bytes, start: int) -> bool:
    """A first chunk longer than the body: one that was cut, if markup or compressed data follows the size line."""
    return raw[start : start + 512].lstrip(b"\xef\xbb\xbf \t\r\n")[:1] == b"<" or raw[start : start + 2] == b"\x1f\x8b"


def _gunzip(body: bytes, limit: int) -> bytes:
    """gzip or zlib, also several members in a row; the input itself when it is neither."""
    return _inflate(body, limit, 47)[0] or body


def _undeflate(body: bytes, limit: int) -> bytes:
    """ "deflate" as found: zlib, raw deflate or gzip; the input itself when it is none of them.

    Raw deflate has no mark of its own, so it counts only when the body decodes without an error.
    """
    if body[:1] == b"<":
        return body
    found, _ = _inflate(body, limit, 47)
    if not found:
        found, is_sound = _inflate(body, limit, -15)
        found = found if is_sound else b""
    return found or body


def _inflate(body: bytes, limit: int, window_bits: int) -> tuple[bytes, bool]:
    """At most `limit` + 1 bytes, and whether no error was met. What came before an error is kept."""
    parts: list[bytes] = []
    have = at = num_members = 0
    unpacker: Any = None
    waiting = b""
    while have <= limit:
        if not waiting:
            waiting = body[at : at + _INPUT]
            at += len(waiting)
            if not waiting:
                break
        if unpacker is None:
            num_members += 1
            if num_members > _MAX_GZIP_MEMBERS:
                break
            unpacker = zlib.decompressobj(window_bits)
        before = unpacker.copy()
        try:
            part = unpacker.decompress(waiting, limit + 1 - have)
        except zlib.error:
            parts.append(_until_error(before, waiting, limit + 1 - have))
            return b"".join(parts), num_members > 1  # after a whole member only trailing bytes are wrong
        parts.append(part)
        have += len(part)
        waiting = unpacker.unused_data if unpacker.eof else unpacker.unconsumed_tail
        if unpacker.eof:
            unpacker = None
    return b"".join(parts), True


def _until_error(unpacker: Any, damaged: bytes, size: int) -> bytes:
    """What bytes with an error inside give before it, at most `size` bytes."""
    parts: list[bytes] = []
    have = 0
    with contextlib.suppress(zlib.error):
        for i in range(len(damaged)):
            if have >= size:
                break
            parts.append(unpacker.decompress(damaged[i : i + 1], size - have))
            have += len(parts[-1])
    return b"".join(parts)


def _read_all(reader: Any, body: bytes, limit: int) -> bytes:
    """At most `limit` + 1 bytes from a FastWARC reader; `body` itself when nothing comes out."""
    parts: list[bytes] = []
    have = 0
    try:
        while have <= limit and (part := reader.read(min(_OUTPUT, limit + 1 - have))):
            parts.append(part)
            have += len(part)
    except (OSError, ValueError, EOFError):
        pass  # the part before the damage is kept
    return b"".join(parts) if have else body


def _unbrotli(body: bytes, limit: int) -> bytes:
    return body if body[:1] == b"<" else _read_all(BrotliReader(io.BytesIO(body)), body, limit)


def _unzstd(body: bytes, limit: int) -> bytes:
    return _read_all(ZstdReader(io.BytesIO(body)), body, limit) if body[:4] == b"\x28\xb5\x2f\xfd" else body


_UNPACKERS: dict[str, Callable[[bytes, int], bytes]] = {
    "gzip": _gunzip, "x-gzip": _gunzip, "deflate": _undeflate, "br": _unbrotli, "zstd": _unzstd,
}  # fmt: skip
