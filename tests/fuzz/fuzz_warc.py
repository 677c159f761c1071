"""Coverage-guided fuzzing of the crawl file reader with atheris (`pip install '.[fuzz]'`).

    python tests/fuzz/fuzz_warc.py CORPUS_FOLDER -max_total_time=300 -rss_limit_mb=1024 -timeout=20

Fills CORPUS_FOLDER with seeds (real fixtures from DSMATH_REAL_DATA where it is set, and made ones) when it is empty.
The first byte of an input says how the rest becomes a file: as it is, as one gzip member, one member for each record
line, or damaged members. Found are: exceptions, broken invariants (tests/corpus/crawl_files.py), a fast way that reads
other pages than the careful one, and, by libFuzzer's own limits, hangs and memory.
"""

import gzip
import re
import sys
import zlib
from pathlib import Path

import atheris

sys.path[:0] = [str(Path(__file__).parents[2])]
with atheris.instrument_imports(include=["dsmath_pipeline.corpus"]):
    from dsmath_pipeline.corpus import warc  # noqa: F401
    from tests.corpus.crawl_files import ARC_HEAD, REAL, arc_record, members, read_bytes, read_carefully, response

_RECORD_START = re.compile(rb"(?=WARC/1\.)")


def file_of(data: bytes) -> bytes:
    """The crawl file that an input stands for."""
    how, rest = data[:1], data[1:]
    if how == b"1":
        return gzip.compress(rest, 1, mtime=0)
    if how == b"2":
        return members([part for part in _RECORD_START.split(rest) if part])
    if how == b"3" and len(rest) > 4:
        whole = bytearray(members([part for part in _RECORD_START.split(rest[4:]) if part]))
        at = int.from_bytes(rest[:3], "big") % max(len(whole), 1)
        whole[at : at + 1 + rest[3] % 40] = rest[4 : 4 + rest[3] % 7]
        return bytes(whole)
    return rest


def check(data: bytes) -> None:
    file = file_of(data)
    pages, report = read_bytes(file)
    other_pages, other_report = read_carefully(file)
    if (pages, report) != (other_pages, other_report):
        raise AssertionError(f"fast {report} {[p.offset for p in pages]} careful {other_report}")


def seeds() -> list[bytes]:
    page = b"<html><body>" + b"text " * 50 + b"</body></html>"
    bodies = {
        b"": page,
        b"Transfer-Encoding: chunked\r\n": b"5\r\n<html\r\n%x\r\n%s\r\n0\r\n\r\n" % (len(page), page),
        b"Content-Encoding: gzip\r\n": gzip.compress(page),
        b"Content-Encoding: deflate\r\n": zlib.compress(page),
        b"Content-Encoding: br\r\n": page,
        b"Content-Encoding: zstd\r\n": page,
    }
    html = b"Content-Type: text/html\r\n"
    made = b"".join(response(i, body, http=html + http) for i, (http, body) in enumerate(bodies.items()))
    old = ARC_HEAD + arc_record(0, page) + arc_record(1, page)
    found = [how + content for how in (b"0", b"1", b"2", b"3abcd") for content in (made, old)]
    for file in sorted((REAL / "warc_fixtures").glob("*/*")):
        if file.is_file() and file.stat().st_size < 40_000:
            data = file.read_bytes()
            found.append(b"0" + data)
            if not data.startswith(b"\x1f\x8b"):
                found += [b"1" + data, b"2" + data]
    return found


def main() -> None:
    folder = next((Path(a) for a in sys.argv[1:] if not a.startswith("-")), None)
    if folder is not None and not (folder.is_dir() and any(folder.iterdir())):
        folder.mkdir(parents=True, exist_ok=True)
        for number, seed in enumerate(seeds()):
            (folder / f"seed-{number:03}").write_bytes(seed)
    atheris.Setup(sys.argv, check)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
