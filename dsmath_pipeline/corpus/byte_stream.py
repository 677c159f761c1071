"""Bytes of a crawl file, inflated or as they lie, with bounded look-ahead and without a promise about what comes.

Sources give bytes piece by piece and end; `GzipMember` ends at the end of its member and notes damage instead of
raising. `ByteStream` adds looking ahead, skipping and searching. No call holds more than what the caller asked for plus
one piece, whatever a file claims. Nothing here knows what a record is.
"""

import re
import zlib
from collections.abc import Callable
from typing import BinaryIO, Protocol

GZIP_MAGIC = b"\x1f\x8b\x08"
_PIECE = 1 << 16
_GZIP_INPUT = 1024
"""Compressed bytes fed at once: what a damaged piece would have given is lost, so it is small."""
_MAX_MARKS = 2000


class Source(Protocol):
    """Where bytes come from. `end` is the offset in the file behind the bytes used so far."""

    end: int

    def read(self, size: int) -> bytes:
        """At most `size` bytes, b"" when there are no more."""
        ...

    def extend(self) -> bool:
        """Called at the end: go on past it, if what follows belongs to it."""
        ...


class PlainFile:
    """The bytes of an open file from `start` on."""

    def __init__(self, file: BinaryIO, start: int) -> None:
        self._file = file
        self.end = start

    def read(self, size: int) -> bytes:
        self._file.seek(self.end)
        data = self._file.read(size)
        self.end += len(data)
        return data

    def extend(self) -> bool:
        return False


class GzipMember:
    """The inflated bytes of the gzip member at `start`. After the last byte `damage` says why it is not whole.

    `belongs(offset)` says whether the next member carries on what this one began; without it no member does.
    """

    def __init__(self, file: BinaryIO, start: int, belongs: Callable[[int], bool] | None = None) -> None:
        self._file = file
        self._belongs = belongs
        self._unpacker = zlib.decompressobj(31)
        self._waiting = b""
        self._at = start
        self.end = start
        self.damage = ""
        """Empty when whole; `cut` when the file ends inside the member; else zlib's message."""
        self.is_checked = False
        """The end was reached, and length and checksum are right."""

    def read(self, size: int) -> bytes:
        parts: list[bytes] = []
        have = 0
        while have < size and not self.is_checked and not self.damage:
            if not self._waiting:
                self._file.seek(self._at)
                self._waiting = self._file.read(_PIECE)
                self._at += len(self._waiting)
                if not self._waiting:
                    self.damage = "cut"
                    break
            piece, self._waiting = self._waiting[:_GZIP_INPUT], self._waiting[_GZIP_INPUT:]
            part = self._inflate(piece, size - have)
            parts.append(part)
            have += len(part)
        self.end = self._at - len(self._waiting)
        return b"".join(parts)

    def extend(self) -> bool:
        if not self.is_checked or self._belongs is None or not self._belongs(self.end):
            return False
        self._unpacker = zlib.decompressobj(31)
        self.is_checked = False
        return True

    def _inflate(self, piece: bytes, size: int) -> bytes:
        try:
            part = self._unpacker.decompress(piece, size)
        except zlib.error as error:
            self.damage = str(error)
            self._waiting = piece + self._waiting  # what is lost begins here
            return b""
        if self._unpacker.eof:
            self.is_checked = True
            self._waiting = self._unpacker.unused_data + self._waiting
        else:
            self._waiting = self._unpacker.unconsumed_tail + self._waiting
        return part


class ByteStream:
    """Look-ahead over a source. `position` counts the bytes given out, from `position` of the first byte on."""

    def __init__(self, source: Source, position: int = 0) -> None:
        self.source = source
        self.position = position
        self._buffer = b""
        self._at = 0
        self._marks = [(position, source.end)]

    def peek(self, size: int) -> bytes:
        """The next `size` bytes, or fewer at the end; they stay."""
        self._fill(size)
        return self._buffer[self._at : self._at + size]

    def demand(self, size: int) -> bytes:
        """As `peek`, but past the end of the source where that can be extended."""
        while len(found := self.peek(size)) < size and self.source.extend():
            pass
        return found

    def take(self, size: int, beyond: bool = False) -> bytes:
        """The next `size` bytes, or fewer at the end. `beyond`: as `demand`."""
        data = self.demand(size) if beyond else self.peek(size)
        self._at += len(data)
        self.position += len(data)
        return data

    def skip(self, size: int) -> int:
        """Pass over `size` bytes, as `demand`, without keeping them. Returns how many there were."""
        left = size
        while left and (data := self.take(min(left, _PIECE), beyond=True)):
            left -= len(data)
        return size - left

    def push_back(self, data: bytes) -> None:
        """Put back the bytes that were taken last."""
        if self._at >= len(data):
            self._at -= len(data)
        else:
            self._buffer, self._at = data + self._buffer[self._at :], 0
        self.position -= len(data)

    def skip_all_of(self, unwanted: bytes) -> None:
        """Pass over any number of the byte values in `unwanted`."""
        size = 64  # mostly two line ends
        while block := self.peek(size):
            rest = len(block.lstrip(unwanted))
            self.take(len(block) - rest)
            if rest:
                return
            size = _PIECE

    def skip_to(self, pattern: re.Pattern[bytes], overlap: int = 4096) -> bool:
        """Pass over everything before the next match of `pattern`, which fits in `overlap` bytes. False: at the end.

        The pattern begins with a line end, to be found fast, which is passed over, too.
        """
        while block := self.peek(_PIECE):
            if match := pattern.search(block):
                self.take(match.start() + 1)
                return True
            self.take(len(block) if len(block) < _PIECE else _PIECE - overlap)
        return False

    def forget(self) -> None:
        """Offsets before this position will not be asked for."""
        while len(self._marks) > 1 and self._marks[1][0] <= self.position:
            del self._marks[0]

    def file_offset(self, position: int, round_up: bool = False) -> int:
        """The offset in the file of the byte at `position`: exact in a plain file, else at or before (after) it."""
        if isinstance(self.source, PlainFile):
            return self.source.end - (len(self._buffer) - self._at) + position - self.position
        if round_up:
            return self.source.end
        return max((raw for at, raw in self._marks if at <= position), default=self._marks[0][1])

    def _fill(self, size: int) -> None:
        have = len(self._buffer) - self._at
        if have >= size:
            return
        parts = [self._buffer[self._at :]]
        while have < size:
            raw = self.source.end
            part = self.source.read(min(max(size - have, _PIECE), 16 * _PIECE))
            if not part:
                break
            if len(self._marks) < _MAX_MARKS:  # without more marks an offset is only further from its byte
                self._marks.append((self.position + have, raw))
            parts.append(part)
            have += len(part)
        self._buffer, self._at = b"".join(parts), 0
