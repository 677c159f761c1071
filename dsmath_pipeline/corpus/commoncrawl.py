"""Common Crawl's layout: which crawls there are, which files they have, and single files through a cache.

    <index_url>collinfo.json                          the crawls
    <base_url>crawl-data/<crawl>/warc.paths.gz        paths of the WARC files of one crawl, in 100 segments
    <base_url><path>                                  one WARC file, about 1 GB

A crawl is named in a run as `cc:CC-MAIN-2024-10`, some of its files as `cc:CC-MAIN-2024-10/0-9` (numbers in
warc.paths.gz, both ends included). `base_url` and `index_url` may be folders with the same layout (a mirror).

Not in the paper: it names no release of Common Crawl.
"""

import contextlib
import gzip
import json
import os
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..progress import SILENT, Progress
from ..recipe.schema import FetchSettings
from .download import DownloadError, download
from .download_cache import DownloadCache
from .rate_limit import RateLimiter

PREFIX = "cc:"
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


@dataclass(frozen=True)
class CrawlFile:
    """One WARC file of a crawl; small and picklable, so that workers fetch their own files."""

    path: str
    """From the root of the layout: `crawl-data/CC-MAIN-2024-10/segments/.../CC-MAIN-...-00000.warc.gz`."""
    settings: FetchSettings
    cache: Path

    @property
    def name(self) -> str:
        return self.path.rpartition("/")[2]

    def __str__(self) -> str:
        return self.path

    @contextlib.contextmanager
    def local(self, progress: Progress = SILENT) -> Iterator[Path]:
        """The file on local disk while the block runs. Raises DownloadError."""
        with CommonCrawl(self.settings, self.cache, progress).file(self.path) as path:
            yield path


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

    def crawls(self) -> list[Crawl]:
        """Every release, newest first, as the server lists them; the list is asked for once a day."""
        rows = json.loads(self._small("collinfo.json", self.settings.index_url, _LISTING_SECONDS, is_gzip=False))
        return [Crawl(str(row["id"]), str(row.get("name", row["id"]))) for row in rows]

    def warc_paths(self, crawl: str) -> list[str]:
        """Paths of the WARC files of one crawl, in the order of the listing. Raises DownloadError."""
        path = f"crawl-data/{crawl}/warc.paths.gz"
        listing = self._small(path, self.settings.base_url, float("inf"), is_gzip=True)
        return gzip.decompress(listing).decode().split()

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

    @contextlib.contextmanager
    def file(self, path: str) -> Iterator[Path]:
        """One file of the layout on local disk; in a mirror folder, the file itself."""
        root = self.settings.base_url
        if "://" not in root:
            yield _in_mirror(root, path)
            return
        url = root.rstrip("/") + "/" + path
        with self._files.hold(url, lambda target: self._download(url, target, is_gzip=True)) as local:
            yield local

    def _small(self, path: str, root: str, max_age: float, *, is_gzip: bool) -> bytes:
        """A listing, kept in the cache for `max_age` seconds."""
        if "://" not in root:
            return _in_mirror(root, path).read_bytes()
        url = root.rstrip("/") + "/" + path
        local = self._files.path_of(url)
        if local.exists() and time.time() - local.stat().st_mtime > max_age:
            local.unlink(missing_ok=True)
        with self._files.hold(url, lambda target: self._download(url, target, is_gzip=is_gzip)) as found:
            return found.read_bytes()

    def _download(self, url: str, target: Path, *, is_gzip: bool) -> Any:
        done = download(url, target, self.settings, self._limiter, is_gzip=is_gzip, progress=self.progress)
        told = ", ".join(f"{n} x {problem}" for problem, n in sorted(done.problems.items()))
        self.progress.log(
            f"fetched {url}: {done.num_bytes:,} bytes, {done.num_requests} requests" + (f" ({told})" if told else "")
        )
        return done


def _in_mirror(root: str, path: str) -> Path:
    file = Path(root) / path
    if not file.exists():
        raise DownloadError(f"{file} does not exist: {root} is not a mirror of Common Crawl's layout")
    return file
