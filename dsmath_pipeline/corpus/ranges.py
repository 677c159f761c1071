"""Pieces of remote files: byte ranges, asked for with the patience and at the rate of whole downloads (patience.py).

Not in the paper: fetching is not described.
"""

import io
from dataclasses import dataclass

import requests

from ..progress import SILENT, Progress
from ..recipe.schema import FetchSettings
from .patience import Download, DownloadError, Refused, arriving, ask, check_status, content_range, persist
from .rate_limit import RateLimiter

_TAIL_BYTES = 1 << 20
"""The first piece of a file that is read at random is its end: its size comes with it, and so does a Parquet footer."""


@dataclass
class Piece:
    """Bytes [start, start + len(data)) of a file of `file_bytes` bytes."""

    data: bytearray
    start: int = 0
    file_bytes: int = 0
    etag: str = ""


class RangeReader:
    """Byte ranges of files over HTTP or from S3; keeps its connections. Not for several threads at a time."""

    def __init__(self, settings: FetchSettings, limiter: RateLimiter, progress: Progress = SILENT) -> None:
        self._settings, self._limiter, self._progress = settings, limiter, progress
        self._session = requests.Session()

    def close(self) -> None:
        self._session.close()

    def fetch(self, url: str, start: int, num_bytes: int, etag: str = "") -> Piece:
        """`num_bytes` bytes from `start` on, or as many as the file has; a negative `start` counts from its end.

        With `etag` the file must still be the one that had it. What came before a connection broke is kept. Raises
        DownloadError, S3Error.
        """
        piece = Piece(bytearray(), max(start, 0), etag=etag)

        def attempt(_: Download) -> bool:
            return self._attempt(url, start, num_bytes, piece)

        persist(url, attempt, lambda: len(piece.data), self._settings, self._limiter, progress=self._progress)
        return piece

    def _attempt(self, url: str, start: int, num_bytes: int, piece: Piece) -> bool:
        have = len(piece.data)
        if start < 0 and not have:
            asked = f"bytes={start}"
        else:
            asked = f"bytes={piece.start + have}-{piece.start + num_bytes - 1}"
        with ask(self._session, url, {"Range": asked}, self._settings) as response:
            if response.status_code == 416:
                size = response.headers.get("Content-Range", "").rpartition("/")[2] or "fewer"
                raise DownloadError(f"{url}: {asked} is not in this file of {size} bytes; does it belong to the index?")
            check_status(url, response)
            if response.status_code != 206:
                raise DownloadError(f"{url}: the server gives no ranges of files, only whole ones; use another mirror")
            first, end, size = content_range(response)
            if start < 0 and not have:
                piece.start = max(0, size + start)
            if (first, end) != (piece.start + have, min(piece.start + num_bytes, size)):
                raise Refused(f"another range than asked for: bytes {first}-{end - 1}, not {asked}")
            found = response.headers.get("ETag", "")
            if found and piece.etag and found != piece.etag:
                raise DownloadError(f"{url}: the file changed while it was read; start again")
            piece.etag, piece.file_bytes = found or piece.etag, size
            for chunk in arriving(response):
                piece.data += chunk[: end - piece.start - len(piece.data)]
        if piece.start + len(piece.data) < end:
            raise requests.ConnectionError(f"{len(piece.data)} bytes of {end - piece.start} came")
        return True


class RangeFile(io.RawIOBase):
    """A remote file that is read at random places, one request for each; its last mebibyte comes with the first.

    `error` holds what went wrong, for callers whose libraries hide it.
    """

    def __init__(self, url: str, reader: RangeReader) -> None:
        self.url, self._reader, self._at = url, reader, 0
        self.error: Exception | None = None
        self._tail = self._fetch(-_TAIL_BYTES, _TAIL_BYTES)

    @property
    def num_bytes(self) -> int:
        return self._tail.file_bytes

    def _fetch(self, start: int, num_bytes: int) -> Piece:
        try:
            return self._reader.fetch(self.url, start, num_bytes, self._tail.etag if start >= 0 else "")
        except Exception as error:
            self.error = error
            raise

    def read(self, size: int | None = -1) -> bytes:
        end = self.num_bytes if size is None or size < 0 else min(self._at + size, self.num_bytes)
        start, self._at = self._at, max(self._at, end)
        if end <= start:
            return b""
        if start >= self._tail.start:
            return bytes(self._tail.data[start - self._tail.start : end - self._tail.start])
        return bytes(self._fetch(start, end - start).data)

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self.num_bytes}[whence]
        self._at = max(0, base + offset)
        return self._at

    def tell(self) -> int:
        return self._at

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True
