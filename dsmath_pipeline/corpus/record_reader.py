"""The records of one crawl file in file order, and the byte ranges that could not be read.

Files are uncompressed, or gzip with one member per record (Common Crawl), or with several records in a member (then
often one member for all), or these glued together; WARC or ARC.

Healthy one-record members take the fast way: FastWARC's inflater, and checks that the record fills its member exactly.
Whatever is not exactly so (damage, several records in a member, the last record of the file) is read again the careful
way, member by member, with zlib. Reading goes on at the next gzip member or record line that can be found.
"""

import re
import zlib
from collections.abc import Generator, Iterator
from typing import Any, BinaryIO

from fastwarc.stream_io import GzipReader

from .byte_stream import GZIP_MAGIC, ByteStream, GzipMember, PlainFile
from .framing import BLANK, WARC_LINE, Gap, Record, declared_length, head_end, parse_fields, read_run

_SEARCH_BLOCK = 1 << 20
_FAST_HEAD_BYTES = 1 << 16
_FAST_PIECE_BYTES = 1 << 17
_ARC_START = re.compile(rb"filedesc:|[a-z]{2,10}:[^\r\n ]+ [0-9.]+ \d{14} ")


def read_records(file: BinaryIO, size: int, max_block_bytes: int) -> Iterator[Record | Gap]:
    """Everything in an open, seekable file of `size` bytes: records, and gaps as byte ranges of the file.

    `Record.offset` is the byte offset in the file of the record or its gzip member. Where several records share a
    member, which leaves them no offset of their own, it counts inflated bytes: from the start when the file begins with
    such a member, otherwise from the file's size on, so that offsets never meet. Damage never raises.
    """
    yield from _FileReader(file, size, max_block_bytes).read()


class _FileReader:
    def __init__(self, file: BinaryIO, size: int, limit: int) -> None:
        self._file = file
        self._size = size
        self._limit = limit
        self._is_arc = True  # until the first readable record tells
        head = self._bytes_at(0, _SEARCH_BLOCK).lstrip(BLANK)
        if head.startswith(GZIP_MAGIC):
            head = ByteStream(GzipMember(file, self._next_member(0))).peek(512).lstrip(BLANK)
        self._is_arc = _ARC_START.match(head) is not None
        self._has_gzip = False
        self._num_records = 0
        self._inflated_base: int | None = None
        """Offset of the first inflated byte that is counted; None as long as every record had its own member."""
        self._inflated = 0

    def read(self) -> Iterator[Record | Gap]:
        at = 0
        while at < self._size:
            if self._bytes_at(at, 3) != GZIP_MAGIC:
                at = yield from self._read_plain(at)
                continue
            self._has_gzip = True
            if self._inflated_base != 0 and not self._is_arc:
                at = yield from self._read_fast(at)
            at = yield from self._read_member(at)

    def _read_fast(self, start: int) -> Generator[Record | Gap, None, int]:
        """Yield one-record members from `start` on; returns the first one that is to be read carefully.

        A record is given out when its member was left without an error, so that its checksum is right, and the first
        byte after the record is in another member.
        """
        self._file.seek(start)
        reader = GzipReader(self._file)
        pending: Record | None = None
        frame = start - 1
        try:
            while True:
                first_byte = reader.read(1)
                next_frame = reader.frame_start_position()
                if not first_byte or next_frame is None or next_frame <= frame:
                    break
                if pending:
                    self._num_records += 1
                    yield pending
                frame = next_frame
                pending = _read_fast_record(reader, first_byte, frame, self._limit)
                if pending is None:
                    break
        except (OSError, ValueError, EOFError):
            pass  # damage: the careful way finds out where and what
        return max(frame, start)

    def _read_member(self, start: int) -> Generator[Record | Gap, None, int]:
        """Yield what the member at `start` holds; returns where to go on."""
        member = GzipMember(self._file, start, belongs=self._carries_on)
        stream = ByteStream(member)
        first: Record | None = None
        gap: Gap | None = None
        num_records = 0
        for item in read_run(stream, self._limit, self._is_arc):
            if gap:
                yield gap
                gap = None
            if isinstance(item, Gap):
                gap = item
                continue
            num_records += 1
            if num_records == 1:
                first = item
                continue
            if first:
                yield self._with_offset(first, start, shares_member=True)
                first = None
            yield self._with_offset(item, start, shares_member=True)
        following = self._next_member(start + 1) if member.damage else member.end
        if member.damage:
            broken_at = member.end if num_records else start
            yield from self._end_of_damaged(member, start, broken_at, following, first, gap)
        else:
            if first:
                yield self._with_offset(first, start)
            if gap:
                yield gap
        if num_records > 1 or self._inflated_base == 0:
            self._inflated += stream.position
        return following

    def _end_of_damaged(
        self, member: GzipMember, start: int, broken_at: int, following: int, first: Record | None, gap: Gap | None
    ) -> Iterator[Record | Gap]:
        """What is left of a damaged member, whose bytes from `broken_at` to `following` are lost."""
        reason = "file ends inside a gzip member" if member.damage == "cut" else f"gzip member: {member.damage}"
        if first and not gap and member.damage == "cut":
            # Nothing contradicts it, only the member's checksum is missing.
            if first.cut:
                first.cut = Gap(start, following, f"{first.cut.reason}; {reason}")
            yield self._with_offset(first, start)
        elif first or (gap is None and broken_at < following and not self._is_blank(broken_at, following)):
            # The only record of a member whose checksum is wrong may be wrong anywhere.
            yield Gap(start if first else broken_at, following, reason)
        elif gap:
            yield Gap(min(gap.start, following - 1), following, f"{gap.reason}; {reason}")

    def _with_offset(self, record: Record, member_start: int, shares_member: bool = False) -> Record:
        if shares_member and self._inflated_base is None:
            self._inflated_base = self._size if self._num_records else 0
        if self._inflated_base is not None and (shares_member or self._inflated_base == 0):
            record.offset += self._inflated_base + self._inflated
        else:
            record.offset = member_start
        self._num_records += 1
        return record

    def _read_plain(self, start: int) -> Generator[Record | Gap, None, int]:
        """Yield the uncompressed records at `start`, or the gap up to the next gzip member; returns where to go on."""
        if self._has_gzip and not WARC_LINE.match(self._bytes_at(start, 4096).lstrip(BLANK)):
            following = self._next_member(start)
            if not self._is_blank(start, following):
                yield Gap(start, following, "bytes between gzip members")
            return following
        stream = ByteStream(PlainFile(self._file, start), start)
        for item in read_run(stream, self._limit, self._is_arc, is_plain=True):
            gap = item if isinstance(item, Gap) else item.cut
            if gap and (member := self._next_member(gap.start, gap.end)) < gap.end:
                yield Gap(gap.start, member, gap.reason)
                return member
            if isinstance(item, Record):
                self._num_records += 1
                if self._inflated_base == 0:
                    item.offset += self._inflated - start
            yield item
        if self._inflated_base == 0:
            self._inflated += stream.position - start
        return stream.position

    def _next_member(self, start: int, end: int | None = None) -> int:
        """Offset of the first gzip member in [start, end) that begins with a record; the file's size if none."""
        at = start
        while at < (self._size if end is None else end) and (block := self._bytes_at(at, _SEARCH_BLOCK)):
            found = block.find(GZIP_MAGIC)
            while found >= 0:
                if self._begins_record(at + found):
                    return at + found
                found = block.find(GZIP_MAGIC, found + 1)
            if len(block) < _SEARCH_BLOCK:
                break
            at += len(block) - 2
        return self._size

    def _carries_on(self, offset: int) -> bool:
        """Is there a gzip member that does not begin with a record?"""
        return self._bytes_at(offset, 3) == GZIP_MAGIC and not self._begins_record(offset)

    def _begins_record(self, offset: int) -> bool:
        """Do the first inflated bytes look like a record? (The magic bytes also occur by chance.)"""
        try:
            head = zlib.decompressobj(31).decompress(self._bytes_at(offset, 1024), 512).lstrip(BLANK)
        except zlib.error:
            return False
        return WARC_LINE.match(head) is not None or (self._is_arc and _ARC_START.match(head) is not None)

    def _is_blank(self, start: int, end: int) -> bool:
        while start < end and (block := self._bytes_at(start, min(end - start, _SEARCH_BLOCK))):
            if block.strip(BLANK):
                return False
            start += len(block)
        return True

    def _bytes_at(self, offset: int, size: int) -> bytes:
        self._file.seek(offset)
        return self._file.read(size)


def _read_fast_record(reader: Any, first_byte: bytes, frame: int, limit: int) -> Record | None:
    """The record that begins with `first_byte`; None unless it is regular and within the member at `frame`."""
    head = first_byte + reader.read(511)
    if not WARC_LINE.match(head):
        return None
    while (end := head_end(head))[1] == 0:
        more = reader.read(128)
        if not more or len(head) > _FAST_HEAD_BYTES:
            return None
        head += more
    headers = parse_fields(head[: end[0]])
    length = declared_length(headers)
    block = head[end[1] :]
    if length is None or length < len(block) or end[1] - end[0] != 4:
        return None
    kept = min(length, limit)
    pieces: list[bytes] = [block[:limit]]
    passed = min(len(block), limit)
    while passed < kept and (piece := reader.read(min(kept - passed, _FAST_PIECE_BYTES))):
        pieces.append(piece)
        passed += len(piece)
    if passed < kept:
        return None
    passed = max(passed, len(block))
    while passed < length and reader.frame_start_position() == frame:
        passed += len(skipped := reader.read(min(length - passed, _SEARCH_BLOCK)))
        if not skipped:
            return None
    if reader.read(4) != b"\r\n\r\n" or reader.frame_start_position() != frame:
        return None
    return Record(frame, headers, pieces, length)
