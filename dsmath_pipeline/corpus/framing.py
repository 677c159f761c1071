"""Where records begin and end in one run of bytes: a gzip member, or an uncompressed file.

WARC (any 0.x and 1.x version line) and ARC records; a record's block is kept up to a limit and passed over beyond it.
Whatever lies between records, and records whose head or length is wrong, come out as gaps: after one, reading goes on
at the next record line of the same run. This file decides nothing about pages.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from . import arc
from .byte_stream import GZIP_MAGIC, ByteStream

MAX_HEAD_BYTES = 1 << 18
"""Longer WARC record heads are damage; the longest URLs that crawlers keep have about 64 KB."""
BLANK = b"\r\n\0 \t"
WARC_LINE = re.compile(rb"WARC/[01]\.\d{1,2}[ \t]*\r?\n")
_NEXT_WARC = re.compile(rb"\nWARC/[01]\.\d{1,2}[ \t]*\r?\n[A-Za-z][A-Za-z\-]{1,40}:")
_SHORTER = "record is shorter than its Content-Length"


@dataclass(slots=True)
class Gap:
    """Bytes [start, end) of the file, rounded outward in a compressed run, that belong to no readable record."""

    start: int
    end: int
    reason: str


@dataclass(slots=True)
class Record:
    """One record. `pieces` joined are its block, what follows its head, at most as long as the reader's limit."""

    offset: int
    """Position in the run; the file reader makes it the page's offset."""
    headers: dict[str, str]
    """WARC header fields, names in lower case; ARC fields under their WARC names."""
    pieces: Sequence[bytes]
    length: int
    """Declared length of the block, bytes; more than it has where the limit cut it."""
    cut: Gap | None = None
    """The file's bytes of a record that ends before its declared length; None for a whole record."""

    @property
    def size(self) -> int:
        """Bytes of the block that were kept."""
        return sum(map(len, self.pieces))

    def block_from(self, position: int) -> bytes:
        """The block from `position` on."""
        pieces: list[bytes | memoryview] = list(self.pieces)
        while len(pieces) > 1 and position >= len(pieces[0]):
            position -= len(pieces.pop(0))
        pieces[0] = memoryview(pieces[0])[position:]
        return b"".join(pieces)

    def beginning(self, size: int) -> bytes:
        """At least the first `size` bytes of the block, or all of a shorter one."""
        found = b""
        for piece in self.pieces:
            found += piece[:size]
            if len(found) >= size:
                break
        return found


def read_run(
    stream: ByteStream, max_block_bytes: int, is_arc: bool = False, is_plain: bool = False
) -> Iterator[Record | Gap]:
    """The records of a run in order, with the gaps between them. Never raises for what the bytes say.

    `is_arc`: lines of ARC records are records, too (in WARC files they are text). `is_plain`: the run is uncompressed,
    and ends before a gzip member that begins where a record should.
    """
    next_record = arc.NEXT_RECORD if is_arc else _NEXT_WARC
    is_blank = True
    while True:
        stream.skip_all_of(BLANK)
        stream.forget()
        start = stream.position
        view = stream.peek(32)
        if not view and is_blank and stream.demand(1):
            continue  # an empty member, and one that does not begin a record either
        if not view or (is_plain and view.startswith(GZIP_MAGIC)):
            return
        is_blank = False
        if len(view) < 32:
            stream.demand(32)
        file_start = stream.file_offset(start)
        found = _read_record(stream, max_block_bytes, is_arc, is_plain)
        if isinstance(found, Record):
            if found.cut:
                found.cut.start = file_start
            yield found
            continue
        stream.skip_to(next_record)
        yield Gap(file_start, stream.file_offset(stream.position, round_up=True), found)


def _read_record(stream: ByteStream, limit: int, is_arc: bool, is_plain: bool) -> Record | str:
    """The record that begins here, or why there is none; then the stream stands where the search should begin."""
    offset = stream.position
    if WARC_LINE.match(stream.peek(32)):
        head = _take_head(stream)
        if head is None:
            stream.take(5)
            return "record head has no end"
        headers = parse_fields(head)
        length = declared_length(headers)
        if length is None:
            return "record head has no Content-Length"
    elif is_arc and (line := arc.RECORD_LINE.match(stream.peek(1 << 17))):
        stream.take(line.end())
        headers = arc.warc_fields(line)
        length = int(headers["content-length"])
    else:
        stream.take(1)
        return "no record begins here"
    next_record = arc.NEXT_RECORD if is_arc else _NEXT_WARC
    block = stream.take(min(length, limit), beyond=True)
    is_whole = len(block) == length
    if length > limit and not next_record.search(block):  # a record inside would mean that the length is wrong
        is_whole = len(block) + stream.skip(length - len(block)) == length
    if is_whole and _at_boundary(stream, is_arc, is_plain):
        return Record(offset, headers, (block,), length)
    if swallowed := next_record.search(block):
        stream.push_back(block)
        stream.take(swallowed.start())
        return "Content-Length leads past the next record"
    if is_whole:
        return Record(offset, headers, (block,), length)
    if length > limit:
        return _SHORTER
    end = stream.file_offset(stream.position, round_up=True)
    return Record(offset, headers, (block,), length, Gap(end, end, _SHORTER))


def _at_boundary(stream: ByteStream, is_arc: bool, is_plain: bool) -> bool:
    """Does the run end here, or do line ends and a record line follow?"""
    following = stream.peek(64).lstrip(BLANK)
    if len(following) < 32:
        following = stream.peek(1 << 16).lstrip(BLANK)
    if not following or WARC_LINE.match(following) or (is_plain and following.startswith(GZIP_MAGIC)):
        return True
    return is_arc and arc.RECORD_LINE.match(stream.peek(1 << 16).lstrip(BLANK)) is not None


def _take_head(stream: ByteStream) -> bytes | None:
    """The head of a WARC record, its blank line taken with it; None when there is none within the limit."""
    size = 2048
    while True:
        view = stream.peek(size)
        end, behind = head_end(view)
        if behind == 0 and len(view) < size:
            view = stream.demand(size)
            end, behind = head_end(view)
        if behind:
            stream.take(behind)
            return view[:end]
        if len(view) < size or size >= MAX_HEAD_BYTES:
            return None
        size = min(size * 8, MAX_HEAD_BYTES)


def head_end(data: bytes, limit: int = MAX_HEAD_BYTES) -> tuple[int, int]:
    """Where the last line of a head ends and where its blank line does; (0, 0) when there is none within `limit`."""
    crlf = data.find(b"\n\r\n", 0, limit)
    bare = data.find(b"\n\n", 0, crlf if crlf >= 0 else limit)
    line_end, behind = (bare, bare + 2) if bare >= 0 else (crlf, crlf + 3)
    if line_end < 0:
        return 0, 0
    return line_end - (data[line_end - 1 : line_end] == b"\r"), behind


def parse_fields(head: bytes) -> dict[str, str]:
    """Header fields after the first line of `head`: names in lower case, folded lines joined, the last of a name wins.

    Lines without a colon are passed over. Bytes that are not UTF-8 are read as Latin-1.
    """
    try:
        text = head.decode("utf-8")
    except UnicodeDecodeError:
        text = head.decode("latin-1")
    if "\n " not in text and "\n\t" not in text and " :" not in text:
        found = (line.partition(":") for line in text.split("\n")[1:])
        return {name.lower(): value.strip() for name, colon, value in found if name and colon}
    return _parse_unusual_fields(text)


def _parse_unusual_fields(text: str) -> dict[str, str]:
    """Fields with folded lines or spaces before a colon; on all others the same as the quick way above."""
    fields: dict[str, str] = {}
    name = ""
    lines = text.split("\n")
    del lines[0]
    for line in lines:
        if line.startswith((" ", "\t")):
            if name:
                fields[name] += " " + line.strip()
            continue
        name, colon, value = line.partition(":")
        name = name.rstrip().lower() if colon else ""
        if name:
            fields[name] = value.strip()
    return fields


def declared_length(headers: dict[str, str]) -> int | None:
    """Content-Length in bytes; None when it is missing or no number."""
    text = headers.get("content-length", "")
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 18 else None
