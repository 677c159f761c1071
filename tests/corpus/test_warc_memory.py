"""Memory stays bounded whatever a file claims: each bomb is read in a process of its own that reports its peak."""

import subprocess
import sys
import zlib
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from tests.corpus.crawl_files import response

MIB = 1 << 20
MAX_GROWTH_MIB = 48
"""A few times max_html_bytes (5 MB) and 1 MiB envelope; every bomb here holds or claims 300 MiB and more."""
HEAD = b"WARC/1.0\r\nWARC-Type: response\r\nWARC-Target-URI: http://x/\r\n"
HTTP = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n"
BLOCK = b"a" * MIB
GOOD = response(7, b"<p>after the bomb</p>")

READER = """
import sys
from pathlib import Path
from dsmath_pipeline.corpus.warc import ReadReport, read_pages
from dsmath_pipeline.recipe.schema import ExtractSettings
def peak_mib():
    # Not ru_maxrss: that begins with the peak of the process which started this one.
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) // 1024
if sys.argv[1] == "300 MiB":
    before, held = peak_mib(), bytearray(300 << 20)
    print(peak_mib() - before)
else:
    before, report = peak_mib(), ReadReport()
    pages = list(read_pages(Path(sys.argv[1]), ExtractSettings(), report))
    print(peak_mib() - before, report.num_records, [page.url[-1] for page in pages], dict(report.skipped), report.lost)
"""


def packed(parts: Iterable[bytes], window_bits: int = 31) -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, window_bits)
    return b"".join([*(packer.compress(part) for part in parts), packer.flush()])


def repeated(part: bytes, times: int) -> Iterable[bytes]:
    return (part for _ in range(times))


def encoded(name: bytes, content: bytes) -> bytes:
    http = b"Content-Type: text/html\r\nContent-Encoding: " + name + b"\r\n"
    return packed([response(1, content, http=http)])


def html_body() -> bytes:
    return packed([b"<p>", *repeated(BLOCK, 400)])


LENGTH = b"Content-Length: %d\r\n\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n"
IN_GZIP = LENGTH % (300 * MIB + len(HTTP) + 2)
BOMBS: dict[str, Callable[[], bytes]] = {
    "body in gzip": lambda: packed([HEAD, IN_GZIP, HTTP, b"\r\n", *repeated(BLOCK, 300), b"\r\n\r\n"]),
    "record head line": lambda: packed([HEAD, b"X: ", *repeated(BLOCK, 300)]),
    "record head lines": lambda: packed([HEAD, *repeated(b"X-%d: y\r\n" % 7 * 100_000, 300)]),
    "http head line": lambda: packed([HEAD, LENGTH % (300 * MIB), HTTP, b"X: ", *repeated(BLOCK, 300)]),
    "http head lines": lambda: packed([HEAD, LENGTH % (300 * MIB), HTTP, *repeated(b"X-7: y\r\n" * 100_000, 300)]),
    "line ends": lambda: packed(repeated(b"\r\n" * (MIB // 2), 300)),
    "not a record": lambda: packed(repeated(BLOCK, 300)),
    "claimed length": lambda: packed([HEAD, LENGTH % (1 << 31), HTTP, b"\r\n<p>short"]),
    "arc length": lambda: packed([b"http://x/ 192.0.2.1 20050607080910 text/html 2147483648\n", HTTP, b"\r\n<p>short"]),
    "many empty members": lambda: packed([]) * 50_000,
    "chunk size": lambda: packed([response(1, b"7fffffff\r\n<p>" + b"x" * 100, http=CHUNKED)]),
    "one-byte chunks": lambda: packed([response(1, b"1\r\na\r\n" * MIB, http=CHUNKED)]),
    "tiny body members": lambda: packed([response(1, packed([]) * 100_000, http=b"Content-Encoding: gzip\r\n")]),
    "content encoding gzip": lambda: encoded(b"gzip", html_body()),
    "content encoding gzip, gzip": lambda: encoded(b"gzip, gzip", packed([html_body()])),
}


def read_in_child(path: Path | str) -> tuple[int, str]:
    ran = subprocess.run(
        [sys.executable, "-c", READER, str(path)], capture_output=True, text=True, timeout=120, check=True
    )
    growth, _, rest = ran.stdout.strip().partition(" ")
    return int(growth), rest


@pytest.mark.slow
def test_the_measure_sees_memory() -> None:
    assert read_in_child("300 MiB")[0] > 250


@pytest.mark.slow
@pytest.mark.parametrize("name", list(BOMBS))
def test_peak_memory_is_bounded_and_the_next_record_is_read(name: str, tmp_path: Path) -> None:
    path = tmp_path / "bomb.warc.gz"
    path.write_bytes(BOMBS[name]() + packed([GOOD]))
    growth, found = read_in_child(path)
    assert growth < MAX_GROWTH_MIB, found
    assert "'7'" in found


@pytest.mark.slow
def test_uncompressed_files_that_claim_gigabytes_are_bounded_too(tmp_path: Path) -> None:
    path = tmp_path / "bomb.warc"
    with path.open("wb") as file:
        file.write(HEAD + b"Content-Length: 9999999999\r\n\r\n" + HTTP + b"\r\n")
        for part in repeated(BLOCK, 300):
            file.write(part)
        file.write(b"\r\n\r\n" + GOOD)
    growth, _ = read_in_child(path)
    assert growth < MAX_GROWTH_MIB
