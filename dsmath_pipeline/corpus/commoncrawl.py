"""Common Crawl's layout: which crawls there are, which files they have, and single files through a cache.

    <index_url>collinfo.json                          the crawls
    <base_url>crawl-data/<crawl>/warc.paths.gz        paths of the WARC files of one crawl, in 100 segments
    <base_url><path>                                  one WARC file, about 1 GB

A crawl is named in a run as `cc:CC-MAIN-2024-10`, some of its files as `cc:CC-MAIN-2024-10/0-9` (numbers in
warc.paths.gz, both ends included), single records as `cc-records:FILE.parquet` (columnar_index.py writes such files).
`base_url` and `index_url` may be web addresses, S3 prefixes (`s3://bucket/prefix`) or folders of the same layout.

Not in the paper: it names no release of Common Crawl.
"""

import contextlib
import gzip
import json
import os
import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, cast

import pyarrow as pa
import pyarrow.parquet as pq

from ..progress import SILENT, Progress
from ..recipe.schema import FetchSettings
from . import s3
from .download import download
from .download_cache import DownloadCache
from .patience import DownloadError
from .ranges import RangeFile, RangeReader
from .rate_limit import RateLimiter
from .warc import PartialFile

PREFIX = "cc:"
RECORDS_PREFIX = "cc-records:"
RECORD_COLUMNS = ("warc_filename", "warc_record_offset", "warc_record_length")
"""Where a record lies, as Common Crawl's own index names it."""
_SPEC = re.compile(r"cc:(?P<crawl>CC-MAIN-[0-9]{4}(?:-[0-9]{2,4})*)(?:/(?P<first>[0-9]+)(?:-(?P<last>[0-9]+))?)?")
_LISTING_SECONDS = 24 * 3600.0
"""The list of crawls changes once a month; asking once a day is polite."""


class CrawlError(ValueError):
    """A crawl or its files cannot be named so; the message says what to write."""


@dataclass(frozen=True, slots=True)
class Crawl:
    """One release."""

    id: str
    """Such as `CC-MAIN-2024-10`."""
    name: str
    first: str = ""
    """Time of the first page, ISO 8601; "" where the list does not say."""
    last: str = ""


@dataclass(frozen=True)
class _Remote:
    path: str
    """From the root of the layout: `crawl-data/CC-MAIN-2024-10/segments/.../CC-MAIN-...-00000.warc.gz`."""
    settings: FetchSettings
    cache: Path

    @property
    def name(self) -> str:
        return self.path.rpartition("/")[2]


@dataclass(frozen=True)
class CrawlFile(_Remote):
    """One WARC file of a crawl; small and picklable, so that workers fetch their own files."""

    @property
    def place(self) -> str:
        """The folder that it lies in: tells it from files of the same name."""
        return self.path.rpartition("/")[0]

    @property
    def identity(self) -> str:
        """What it is in the keys of artifacts."""
        return self.path

    def __str__(self) -> str:
        return self.path

    @contextlib.contextmanager
    def local(self, progress: Progress = SILENT) -> Iterator[Path]:
        """The file on local disk while the block runs. Raises DownloadError."""
        with CommonCrawl(self.settings, self.cache, progress).file(self.path) as path:
            yield path


@dataclass(frozen=True)
class CrawlRecords(_Remote):
    """Some records of one WARC file of a crawl; the worker that reads them asks for their bytes alone."""

    places: tuple[tuple[int, int], ...]
    """Offset in the file and length of each, in bytes, rising."""

    @property
    def place(self) -> str:
        """What tells it from other records of files of the same name."""
        return str((self.path, self.places))

    @property
    def identity(self) -> str:
        """What it is in the keys of artifacts."""
        return f"{self.path} {self.places}"

    def __str__(self) -> str:
        return f"{self.path} ({len(self.places)} records)"

    @contextlib.contextmanager
    def local(self, progress: Progress = SILENT) -> Iterator[PartialFile]:
        """The records while the block runs. Raises DownloadError."""
        source = CommonCrawl(self.settings, self.cache, progress)
        yield PartialFile(self.name, source.records(self.path, self.places))


def cache_folder() -> Path:
    """`$DSMATH_CACHE`, else `dsmath` in the user's cache folder."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(os.environ.get("DSMATH_CACHE") or Path(base) / "dsmath")


class CommonCrawl:
    """A mirror of Common Crawl's layout with a cache in front of it."""

    def __init__(self, settings: FetchSettings, cache: Path | None = None, progress: Progress = SILENT) -> None:
        root = cache or cache_folder()
        self.settings, self.cache, self.progress = settings, root, progress
        self._files = DownloadCache(root, settings.cache_bytes)
        self._limiter = RateLimiter(root / "rate", settings.requests_per_second)

    @property
    def is_remote(self) -> bool:
        """Are the files elsewhere than in a folder?"""
        return _is_remote(self.settings.base_url)

    def crawls(self) -> list[Crawl]:
        """Every release, newest first; the list is asked for once a day."""
        rows = json.loads(self._small("collinfo.json", self.settings.index_url, _LISTING_SECONDS, is_gzip=False))
        found = [
            Crawl(str(r["id"]), str(r.get("name", r["id"])), str(r.get("from") or ""), str(r.get("to") or ""))
            for r in rows
        ]
        return sorted(found, key=lambda c: (c.last or c.id.removeprefix("CC-MAIN-")[:4], c.id), reverse=True)

    def warc_paths(self, crawl: str) -> list[str]:
        """Paths of the WARC files of one crawl, in the order of the listing. Raises DownloadError."""
        return self.listing(crawl, "warc.paths.gz")

    def listing(self, crawl: str, name: str) -> list[str]:
        """The paths in one of a crawl's lists, such as `warc.paths.gz`. Raises DownloadError."""
        listing = self._small(f"crawl-data/{crawl}/{name}", self.settings.base_url, float("inf"), is_gzip=True)
        return gzip.decompress(listing).decode().split()

    def named(self, name: str) -> Sequence[CrawlFile | CrawlRecords]:
        """What a `cc:` or a `cc-records:` name stands for. Raises as `files` and `record_files` do."""
        if name.startswith(RECORDS_PREFIX):
            return self.record_files(Path(name.removeprefix(RECORDS_PREFIX)))
        return self.files(name)

    def files(self, spec: str) -> list[CrawlFile]:
        """The files that `cc:CRAWL` or `cc:CRAWL/FIRST-LAST` names. Raises CrawlError, DownloadError."""
        found = _SPEC.fullmatch(spec)
        if not found:
            raise CrawlError(
                f"{spec!r} names no crawl: write cc:CC-MAIN-2024-10, or cc:CC-MAIN-2024-10/0-9 for ten files"
            )
        paths = self.warc_paths(found["crawl"])
        if found["first"] is not None:
            first, last = int(found["first"]), int(found["last"] or found["first"])
            if not first <= last < len(paths):
                raise CrawlError(f"{spec!r}: {found['crawl']} has the files 0 to {len(paths) - 1}")
            paths = paths[first : last + 1]
        return [CrawlFile(path, self.settings, self.cache) for path in paths]

    def record_files(self, table: Path) -> list[CrawlRecords]:
        """The records that a Parquet file names in RECORD_COLUMNS, by WARC file. Raises CrawlError, OSError."""
        try:
            rows = pq.read_table(table, columns=list(RECORD_COLUMNS))
        except (pa.ArrowInvalid, KeyError) as error:
            raise CrawlError(f"{table} is no Parquet file with the columns {', '.join(RECORD_COLUMNS)}") from error
        if missing := set(RECORD_COLUMNS) - set(rows.column_names):
            raise CrawlError(f"{table} has no column {', '.join(sorted(missing))}")
        found: dict[str, set[tuple[int, int]]] = {}
        for path, start, size in zip(*(rows[name].to_pylist() for name in RECORD_COLUMNS), strict=True):
            if not path or path.startswith("/") or ".." in path.split("/") or start is None or start < 0 or not size:
                raise CrawlError(f"{table} names a record that cannot be: {path!r}, offset {start}, length {size}")
            found.setdefault(path, set()).add((start, size))
        return [CrawlRecords(path, self.settings, self.cache, tuple(sorted(found[path]))) for path in sorted(found)]

    def records(self, path: str, places: Sequence[tuple[int, int]]) -> dict[int, bytes]:
        """The bytes of records of one file by their offset: one request each. Raises DownloadError."""
        with contextlib.closing(RangeReader(self.settings, self._limiter, self.progress)) as reader:
            if self.is_remote:
                url = _address(self.settings.base_url, path)
                return {start: bytes(reader.fetch(url, start, size).data) for start, size in places}
        with _in_mirror(self.settings.base_url, path).open("rb") as file:
            return {start: _read_at(file, start, size) for start, size in places}

    @contextlib.contextmanager
    def open(self, path: str) -> Iterator[BinaryIO]:
        """A file of the layout to be read at random places, without fetching the rest. Raises DownloadError."""
        if not self.is_remote:
            with _in_mirror(self.settings.base_url, path).open("rb") as file:
                yield file
            return
        with contextlib.closing(RangeReader(self.settings, self._limiter, self.progress)) as reader:
            yield cast(BinaryIO, RangeFile(_address(self.settings.base_url, path), reader))

    def size_of(self, path: str) -> int:
        """Bytes of one file. Raises DownloadError."""
        if not self.is_remote:
            return _in_mirror(self.settings.base_url, path).stat().st_size
        with contextlib.closing(RangeReader(self.settings, self._limiter, self.progress)) as reader:
            return reader.fetch(_address(self.settings.base_url, path), 0, 1).file_bytes

    def list_folder(self, path: str) -> list[str]:
        """Paths directly below one of the layout's folders, sorted; web servers list none."""
        root = self.settings.base_url
        if s3.is_s3(root):
            start = len(root.rstrip("/")) + 1
            return [url[start:] for url in s3.list_folder(_address(root, path), self.settings.s3_anonymous)]
        if _is_remote(root):
            return []
        return sorted(f"{path}/{file.name}" for file in (_folder(root) / path).glob("*"))

    @contextlib.contextmanager
    def file(self, path: str) -> Iterator[Path]:
        """One file of the layout on local disk; in a mirror folder, the file itself."""
        if not self.is_remote:
            yield _in_mirror(self.settings.base_url, path)
            return
        url = _address(self.settings.base_url, path)
        with self._files.hold(url, lambda target: self._download(url, target, is_gzip=True)) as local:
            yield local

    def _small(self, path: str, root: str, max_age: float, *, is_gzip: bool) -> bytes:
        """A listing, kept in the cache for `max_age` seconds."""
        if not _is_remote(root):
            return _in_mirror(root, path).read_bytes()
        url = _address(root, path)
        local = self._files.path_of(url)
        if local.exists() and time.time() - local.stat().st_mtime > max_age:
            local.unlink(missing_ok=True)
        with self._files.hold(url, lambda target: self._download(url, target, is_gzip=is_gzip)) as found:
            return found.read_bytes()

    def _download(self, url: str, target: Path, *, is_gzip: bool) -> Any:
        done = download(url, target, self.settings, self._limiter, is_gzip=is_gzip, progress=self.progress)
        self.progress.log(f"fetched {url}: {done}")
        return done


def _is_remote(root: str) -> bool:
    return "://" in root and not root.startswith("file://")


def _address(root: str, path: str) -> str:
    return f"{root.rstrip('/')}/{path}"


def _folder(root: str) -> Path:
    return Path(root.removeprefix("file://"))


def _in_mirror(root: str, path: str) -> Path:
    file = _folder(root) / path
    if not file.exists():
        raise DownloadError(f"{file} does not exist: {root} is not a mirror of Common Crawl's layout")
    return file


def _read_at(file: BinaryIO, start: int, size: int) -> bytes:
    file.seek(start)
    return file.read(size)
