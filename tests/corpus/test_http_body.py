"""HTTP heads and bodies as crawlers store them, true and lying."""

import gzip
import zlib

import brotli
import pytest
from fastwarc.stream_io import ZstdWriter
from hypothesis import given, settings
from hypothesis import strategies as st

from dsmath_pipeline.corpus.http_body import decode_body, parse_response

HTML = b"<html><body><p>" + b"".join(b"word %d " % i for i in range(400)) + b"</p></body></html>"
LONG = b"<html><body><p>" + b"".join(b"word %d " % i for i in range(9000)) + b"</p></body></html>"
LIMIT = 1_000_000


class Sink:
    def __init__(self) -> None:
        self.data = b""

    def write(self, data: bytes) -> int:
        self.data += data
        return len(data)

    def flush(self) -> None:
        pass

    def close(self) -> None:
        pass


def zstd(data: bytes) -> bytes:
    sink = Sink()
    writer = ZstdWriter(sink)
    writer.write(data)
    writer.close()
    return sink.data


def chunked(data: bytes, size: int = 700, end: bytes = b"\r\n") -> bytes:
    parts = [data[i : i + size] for i in range(0, len(data), size)]
    return b"".join(b"%x%s%s%s" % (len(p), end, p, end) for p in parts) + b"0" + end + end


@pytest.mark.parametrize(
    ("body", "transfer", "content"),
    [
        (brotli.compress(HTML), "", "br"),
        (zstd(HTML), "", "zstd"),
        (chunked(brotli.compress(HTML)), "chunked", "br"),
        (gzip.compress(brotli.compress(HTML), mtime=0), "", "br, gzip"),
        (chunked(HTML, end=b"\n"), "chunked", ""),
        (chunked(HTML).replace(b"2bc\r\n", b"2bc;name=value\r\n"), "chunked", ""),  # 2bc is 700
        (gzip.compress(HTML[:900], mtime=0) + gzip.compress(HTML[900:], mtime=0), "", "gzip"),
        (gzip.compress(HTML, mtime=0) + b"trailing bytes", "", "gzip"),
        (HTML, "chunked", "br"),
        (HTML, "", "zstd"),
        (HTML, "", "deflate"),
        (HTML, "", "x-unknown"),
        (gzip.compress(HTML, mtime=0), "", "deflate"),
        (zlib.compress(HTML), "", "gzip"),
    ],
)
def test_bodies_are_decoded_whatever_the_headers_say(body: bytes, transfer: str, content: str) -> None:
    assert decode_body(body, transfer, content, LIMIT) == HTML


@pytest.mark.parametrize(
    ("body", "content"),
    [
        (gzip.compress(HTML, mtime=0)[:-40], "gzip"),
        (zlib.compress(HTML)[:-40], "deflate"),
        (brotli.compress(LONG)[:-400], "br"),
        (gzip.compress(HTML, mtime=0)[:-8] + b"\0" * 8, "gzip"),  # a wrong checksum
    ],
)
def test_a_damaged_body_gives_the_part_before_the_damage(body: bytes, content: str) -> None:
    part = decode_body(body, "", content, LIMIT)
    assert len(part) > 1000 and (HTML.startswith(part) or LONG.startswith(part))


def test_a_chunk_longer_than_the_body_gives_what_is_there() -> None:
    assert decode_body(b"fffffff\r\n<p>short", "chunked", "", LIMIT) == b"<p>short"
    assert decode_body(b"4\r\n<p>a\r\nffffffffffff\r\nbc", "chunked", "", LIMIT) == b"<p>abc"
    assert decode_body(b"Dead\r\nSouls, a poem", "chunked", "", LIMIT) == b"Dead\r\nSouls, a poem"  # a word, not a size


@pytest.mark.parametrize(
    ("block", "expected"),
    [
        (b"HTTP/1.1 200 OK\r\nA: b\r\nC: d\r\n\r\nbody", (200, {"a": "b", "c": "d"}, b"body")),
        (b"HTTP/1.0 404\nA: b\n\nbody", (404, {"a": "b"}, b"body")),
        (b"HTTP/2 200\r\nSet: a\r\n  folded\r\n\r\n", (200, {"set": "a folded"}, b"")),
        (b"HTTP/1.1 200 OK\r\nno colon\r\nA:b\r\nA: c\r\n\r\n\r\n", (200, {"a": "c"}, b"\r\n")),
        (b"HTTP/1.1 200 OK\r\nX-Caf\xe9: \xe9\r\n\r\n", (200, {"x-café": "é"}, b"")),
        (b"HTTP/1.1 200 OK\r\nA: b", (200, {"a": "b"}, b"")),
    ],
)
def test_heads_are_taken_apart(block: bytes, expected: tuple) -> None:
    found = parse_response(block)
    assert found is not None
    assert (found[0], found[1], block[found[2] :]) == expected


@pytest.mark.parametrize(
    "block", [b"", b"<html>", b"HTTP/1.1 OK\r\n\r\n", b"HTTP/1.1 2000 OK\r\n\r\n", b"GET / HTTP/1.1"]
)
def test_what_has_no_status_line_is_no_response(block: bytes) -> None:
    assert parse_response(block) is None


ENCODINGS = st.sampled_from(["", "gzip", "deflate", "br", "zstd", "gzip, br", "br,gzip,deflate,zstd,gzip,gzip"])


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.binary(max_size=3000), st.sampled_from(["", "chunked"]), ENCODINGS, st.sampled_from([0, 10, LIMIT]))
def test_no_bytes_make_decoding_raise_or_exceed_the_limit(raw: bytes, transfer: str, content: str, limit: int) -> None:
    assert len(decode_body(raw, transfer, content, limit)) <= limit + 1


@settings(max_examples=200, deadline=None, derandomize=True)
@given(
    st.sampled_from(
        [gzip.compress(HTML, mtime=0), zlib.compress(HTML), brotli.compress(HTML), zstd(HTML), chunked(HTML)]
    ),
    st.integers(0, 10_000),
    st.binary(max_size=8),
    ENCODINGS,
)
def test_no_damaged_body_makes_decoding_raise(body: bytes, at: int, noise: bytes, content: str) -> None:
    at %= len(body)
    assert len(decode_body(body[:at] + noise + body[at + len(noise) :], "chunked", content, 2000)) <= 2001
