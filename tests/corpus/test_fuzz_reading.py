"""Random damage to crawl files: nothing raises, all is accounted for, and both ways of reading agree.

The long runs are those of tests/fuzz (coverage-guided); these are quick and always the same.
"""

import gzip

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dsmath_pipeline.corpus.record_reader import read_records
from dsmath_pipeline.recipe.schema import ExtractSettings
from tests.corpus.crawl_files import (
    ARC_HEAD,
    REAL,
    MemoryFile,
    arc_record,
    members,
    read_bytes,
    read_carefully,
    response,
)

BODIES = [b"<p>%d " % i + b"word %d " % i * 40 for i in range(5)]
RECORDS = [response(i, body) for i, body in enumerate(BODIES)]
ARC_RECORDS = [ARC_HEAD, *(arc_record(i, body) for i, body in enumerate(BODIES))]
FILES = {
    "members": members(RECORDS),
    "plain": b"".join(RECORDS),
    "one member": gzip.compress(b"".join(RECORDS), mtime=0),
    "arc": b"".join(ARC_RECORDS),
    "arc members": members(ARC_RECORDS),
    "mixed": members(RECORDS[:3]) + gzip.compress(b"".join(RECORDS), mtime=0) + b"".join(RECORDS),
}
TELLING = [b"WARC/1.0\r\n", b"\r\n\r\n", b"\x1f\x8b\x08", b"Content-Length: 9"]
EDITS = st.lists(
    st.tuples(
        st.sampled_from(["overwrite", "delete", "insert", "cut", "zeros", "repeat"]),
        st.floats(0, 1),
        st.one_of(st.binary(max_size=40), st.sampled_from(TELLING)),
    ),
    min_size=1,
    max_size=4,
)  # fmt: skip


def damaged(data: bytes, edits: list[tuple[str, float, bytes]]) -> bytes:
    for kind, where, noise in edits:
        at = int(where * len(data))
        size = len(noise) * 5
        data = {
            "overwrite": data[:at] + noise + data[at + len(noise) :],
            "delete": data[:at] + data[at + size :],
            "insert": data[:at] + noise + data[at:],
            "cut": data[:at],
            "zeros": data[:at] + bytes(size) + data[at:],
            "repeat": data[:at] + data[max(at - size, 0) :],
        }[kind]
    return data


@pytest.mark.parametrize("name", list(FILES))
@settings(max_examples=80, deadline=None, derandomize=True)
@given(edits=EDITS)
def test_damage_never_raises_and_both_ways_agree(name: str, edits: list[tuple[str, float, bytes]]) -> None:
    data = damaged(FILES[name], edits)
    assert read_bytes(data) == read_carefully(data)


@settings(max_examples=80, deadline=None, derandomize=True)
@given(edits=EDITS)
def test_damage_to_record_heads_inside_sound_members(edits: list[tuple[str, float, bytes]]) -> None:
    parts = [damaged(record, edits) for record in RECORDS[:2]]
    data = members([RECORDS[2], *parts, RECORDS[3]])
    pages, _ = read_bytes(data)
    assert (pages, _) == read_carefully(data)
    found = {page.html for page in pages}
    assert BODIES[3] in found  # what follows damaged records in members of their own is never lost


@settings(max_examples=100, deadline=None, derandomize=True)
@given(
    st.binary(max_size=2000),
    st.sampled_from([b"", b"\x1f\x8b\x08", b"WARC/1.0\r\n", b"filedesc://x 0.0.0.0 20050607080910 t 9\n"]),
)
def test_no_bytes_at_all_make_reading_raise(data: bytes, start: bytes) -> None:
    for file in (start + data, gzip.compress(start + data), start + data + FILES["members"]):
        assert read_bytes(file) == read_carefully(file)


@settings(max_examples=25, deadline=None, derandomize=True)
@given(edits=EDITS, limit=st.integers(0, 3000))
def test_no_limit_is_too_small_for_reading(edits: list[tuple[str, float, bytes]], limit: int) -> None:
    data = damaged(FILES["mixed"], edits)
    read_bytes(data, ExtractSettings(max_html_bytes=limit))
    for found in read_records(MemoryFile(data).open("rb"), len(data), limit):
        assert getattr(found, "size", 0) <= limit


@pytest.mark.slow
@pytest.mark.skipif(not (REAL / "warc_fixtures").exists(), reason=f"no real data at {REAL}")
@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.data(), EDITS)
def test_damage_to_real_files(data: st.DataObject, edits: list[tuple[str, float, bytes]]) -> None:
    files = sorted(p for p in (REAL / "warc_fixtures").glob("*/*.*arc*") if p.stat().st_size)
    whole = data.draw(st.sampled_from(files)).read_bytes()
    start = data.draw(st.floats(0, 1))
    content = damaged(whole[int(start * len(whole) * 0.5) :][:200_000], edits)
    assert read_bytes(content) == read_carefully(content)
