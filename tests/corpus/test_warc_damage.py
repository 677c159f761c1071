"""Damaged crawl files: what is whole is read, what is not is named, reading goes on behind it."""

import gzip
import hashlib
import zlib

import pytest

from tests.corpus.crawl_files import ARC_HEAD, arc_record, members, read_bytes, read_carefully, response

BODIES = [b"<p>page %d %s</p>" % (i, b"%d " % i * 300) for i in range(6)]
RECORDS = [response(i, body) for i, body in enumerate(BODIES)]
STARTS = [len(members(RECORDS[:i])) for i in range(7)]
PLAIN_STARTS = [sum(map(len, RECORDS[:i])) for i in range(7)]
WHOLE = members(RECORDS)
PLAIN = b"".join(RECORDS)


def bodies(data: bytes) -> list[bytes]:
    return [page.html for page in read_bytes(data)[0]]


def lost(data: bytes) -> list[tuple[int, int]]:
    return [(gap.start, gap.end) for gap in read_bytes(data)[1].lost]


@pytest.mark.parametrize("data", [WHOLE, PLAIN, gzip.compress(PLAIN, mtime=0)], ids=["members", "plain", "one member"])
def test_undamaged_files_are_read_whole(data):
    assert bodies(data) == BODIES and lost(data) == []


def test_offsets_are_those_of_the_members_or_count_inflated_bytes_in_a_shared_member():
    assert [page.offset for page in read_bytes(WHOLE)[0]] == STARTS[:6]
    assert [page.offset for page in read_bytes(PLAIN)[0]] == PLAIN_STARTS[:6]
    assert [page.offset for page in read_bytes(gzip.compress(PLAIN, mtime=0))[0]] == PLAIN_STARTS[:6]


def test_offsets_stay_unique_where_members_with_one_and_with_several_records_meet():
    shared = gzip.compress(PLAIN, mtime=0)
    # One-record members first: shared ones count from the file's size on (read_bytes asserts that none repeats).
    mixed = WHOLE + shared + PLAIN
    expected = STARTS[:6] + [len(mixed) + start for start in PLAIN_STARTS[:6]]
    expected += [len(WHOLE + shared) + start for start in PLAIN_STARTS[:6]]
    assert [page.offset for page in read_bytes(mixed)[0]] == expected
    # A shared member first: all count inflated bytes.
    other = shared + WHOLE + PLAIN
    total = len(PLAIN)
    expected = [part * total + start for part in range(3) for start in PLAIN_STARTS[:6]]
    assert [page.offset for page in read_bytes(other)[0]] == expected


@pytest.mark.parametrize("at", range(0, STARTS[2] - STARTS[1], 7))
def test_a_file_cut_anywhere_keeps_the_records_before_and_names_the_rest(at):
    data = WHOLE[: STARTS[1] + at]
    first, *second = bodies(data)
    assert first == BODIES[0]
    if second:
        assert len(second) == 1 and BODIES[1].startswith(second[0]) and lost(data) == []
    elif at:
        assert lost(data) == [(STARTS[1], len(data))]


def test_a_page_that_misses_only_the_end_of_its_member_is_kept():
    assert bodies(WHOLE[:-5]) == BODIES


@pytest.mark.parametrize("at", range(0, STARTS[3] - STARTS[2], 11))
@pytest.mark.parametrize("noise", [b"\xff" * 9, b"\0" * 30, b"\x1f\x8b\x08\x00"])
def test_bytes_overwritten_in_one_member_cost_at_most_that_member(at, noise):
    at += STARTS[2]
    data = WHOLE[:at] + noise[: STARTS[3] - at] + WHOLE[at + len(noise[: STARTS[3] - at]) :]
    assert bodies(data) in (BODIES[:2] + BODIES[3:], BODIES)
    assert lost(data) in ([(STARTS[2], STARTS[3])], [])


@pytest.mark.parametrize("bit", range(0, 8 * (STARTS[3] - STARTS[2]), 37))
def test_a_flipped_bit_never_gives_a_page_with_another_text(bit):
    data = bytearray(WHOLE)
    data[STARTS[2] + bit // 8] ^= 1 << bit % 8
    # The checksum tells; only bits of the gzip head that mean nothing (time, system) leave the page as it was.
    assert bodies(bytes(data)) in (BODIES[:2] + BODIES[3:], BODIES)


def test_a_missing_member_leaves_no_trace_and_half_a_member_is_lost():
    assert bodies(WHOLE[: STARTS[2]] + WHOLE[STARTS[3] :]) == BODIES[:2] + BODIES[3:]
    middle = (STARTS[2] + STARTS[3]) // 2
    spliced = WHOLE[:middle] + WHOLE[STARTS[3] :]
    assert bodies(spliced) == BODIES[:2] + BODIES[3:]
    assert lost(spliced) == [(STARTS[2], middle)]


@pytest.mark.parametrize("between", [b"garbage " * 100, b"\x1f\x8b\x08 no member", b"<html>" * 30000])
def test_garbage_between_members_is_lost_with_its_range(between):
    data = WHOLE[: STARTS[2]] + between + WHOLE[STARTS[2] :]
    assert bodies(data) == BODIES
    assert lost(data) == [(STARTS[2], STARTS[2] + len(between))]


@pytest.mark.parametrize(
    "padding", [b"\0" * 5000, b"\r\n\r\n", gzip.compress(b"", mtime=0), gzip.compress(b"\r\n\r\n", mtime=0)]
)
def test_padding_and_empty_members_are_nothing(padding):
    for data in (WHOLE[: STARTS[2]] + padding + WHOLE[STARTS[2] :], WHOLE + padding, padding + WHOLE):
        assert bodies(data) == BODIES and lost(data) == []


def test_glued_files_are_read_one_after_the_other():
    single = gzip.compress(PLAIN, mtime=0)
    for data in (WHOLE + WHOLE, WHOLE + single, single + WHOLE, PLAIN + WHOLE, WHOLE + PLAIN, single + single):
        assert bodies(data) == BODIES * 2 and lost(data) == []


def test_a_record_that_runs_on_over_several_members_is_one_record():
    blocks = b"".join(gzip.compress(PLAIN[i : i + 700]) for i in range(0, len(PLAIN), 700))
    assert bodies(blocks) == BODIES and lost(blocks) == []


@pytest.mark.parametrize("length", [2_000_000_000, 10_000, b"999999999999999999", b"abc", b"-4", b""])
@pytest.mark.parametrize("pack", [members, b"".join, lambda parts: gzip.compress(b"".join(parts))])
def test_a_content_length_that_is_wrong_costs_only_its_record(length, pack):
    records = [*RECORDS[:2], response(2, BODIES[2], length=length), *RECORDS[3:]]
    assert bodies(pack(records)) == BODIES[:2] + BODIES[3:]
    assert len(lost(pack(records))) == 1


@pytest.mark.parametrize("pack", [members, b"".join, lambda parts: gzip.compress(b"".join(parts))])
def test_a_content_length_that_is_too_small_gives_the_bytes_it_counts(pack):
    head = len(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n")
    records = [*RECORDS[:2], response(2, BODIES[2], length=head + 50), *RECORDS[3:]]
    assert bodies(pack(records)) == [*BODIES[:2], BODIES[2][:50], *BODIES[3:]]
    assert len(lost(pack(records))) == 1  # the bytes behind it


def test_a_cut_record_is_a_page_as_far_as_it_goes():
    whole = b"Content-Type: text/html\r\nContent-Length: %d\r\n" % len(BODIES[5])
    record = response(5, BODIES[5], http=whole)
    assert bodies(record[:-4].replace(b"HTTP/1.1", b"HTTP/1")) == [BODIES[5]]  # two bytes less than announced
    assert bodies(record[:-40]) == [BODIES[5][:-36]] and lost(record[:-40]) == []
    assert bodies(record[:60]) == [] and len(lost(record[:60])) == 1


@pytest.mark.parametrize("line_end", [b"\r\n\r\n", b"\r\n", b"", b"\n\n"])
def test_records_are_found_whatever_separates_them(line_end):
    records = [record.removesuffix(b"\r\n\r\n") + line_end for record in RECORDS]
    for data in (members(records), b"".join(records)):
        assert bodies(data) == BODIES and lost(data) == []


def test_damage_inside_a_shared_member_keeps_what_was_inflated_before():
    digits = [b"<p>%d " % i + hashlib.sha512(b"%d" % i).hexdigest().encode() * 3 for i in range(200)]
    packer = zlib.compressobj(6, zlib.DEFLATED, 31)
    parts = [packer.compress(response(i, body)) + packer.flush(zlib.Z_FULL_FLUSH) for i, body in enumerate(digits)]
    at = sum(map(len, parts[:150]))
    data = bytearray(b"".join(parts) + packer.flush())
    data[at : at + 8] = b"\xff" * 8
    found = bodies(bytes(data))
    # One KiB of compressed bytes before the damage, here about five records, may be lost with it.
    assert 140 <= len(found) <= 150 and found == digits[: len(found)]
    [(start, end)] = lost(bytes(data))
    assert start <= at and end == len(data)


@pytest.mark.parametrize("pack", [b"".join, members, lambda parts: gzip.compress(b"".join(parts))])
def test_arc_files_are_read_and_damage_costs_one_record(pack):
    records = [ARC_HEAD, *(arc_record(i, body) for i, body in enumerate(BODIES))]
    pages, report = read_bytes(pack(records))
    assert [page.html for page in pages] == BODIES and report.skipped == {"record_type": 1}
    assert (pages[1].url, pages[1].date, pages[1].content_type) == (
        "http://example.org/1",
        "2005-06-07T08:09:10Z",
        "text/html",
    )
    records[3] = arc_record(2, BODIES[2], length=10**9)
    assert bodies(pack(records)) == BODIES[:2] + BODIES[3:]


def test_html_that_quotes_a_record_line_is_not_taken_apart():
    quoting = b"<p>\n\nWARC/1.0\r\nWARC-Type: response\r\nContent-Length: 3\r\n\r\nabc"
    records = [*RECORDS[:2], response(2, quoting), *RECORDS[3:]]
    for data in (members(records), b"".join(records)):
        assert bodies(data) == [*BODIES[:2], quoting, *BODIES[3:]]


def test_the_fast_and_the_careful_way_read_the_same():
    for data in (
        WHOLE,
        WHOLE[:-7],
        WHOLE[: STARTS[2]] + b"\0\1" + WHOLE[STARTS[2] :],
        WHOLE + gzip.compress(PLAIN, mtime=0),
    ):
        assert read_bytes(data) == read_carefully(data)
