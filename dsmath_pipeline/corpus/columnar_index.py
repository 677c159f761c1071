"""Common Crawl's columnar index: pages of hosts and domains counted, and single records found, without a WARC file.

    cc-index/table/cc-main/warc/crawl=<crawl>/subset=warc/*.parquet     one row a capture, about 300 files, 1 GB each
    crawl-data/<crawl>/cc-index-table.paths.gz                          their paths

The files are read where they are, over HTTPS, from S3 or a folder: DuckDB asks for the columns it needs, pyarrow for
their byte ranges, RangeFile for these at the allowed rate. A page is what `warc.read_pages` takes for one: status 200
and a detected type of (X)HTML.

- `count_pages` writes the artifact `page_counts`: HOST_SCHEMA, and below `registered_domains` DOMAIN_SCHEMA. They are
  the denominators of section 2.1's rule ("over 10 % of the web pages of a domain") for a whole crawl.
- `find_records` writes RECORD_SCHEMA, which `cc-records:FILE.parquet` takes as an input of extraction.

Rows are sorted by SURT key, the address with its host turned round (`org,example)/path`), so the footer of a file tells
which of its row groups may hold a host; only those are asked for.

Paper: section 2.1 groups pages by base URL; the index is not in the paper.
"""

import functools
import hashlib
import math
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.dataset as pads
import pyarrow.parquet as pq

from .. import storage
from ..compute import map_shards
from ..progress import SILENT, Progress, track
from ..recipe.schema import FetchSettings
from ..storage import Folder, Manifest
from .commoncrawl import CommonCrawl
from .patience import DownloadError

PAGE_COUNTS_VERSION = "1"
"""1 (2026-11): first version."""
_ROWS_IN_A_BUCKET = 2_000_000
_HOLE_BYTES = 1 << 16
"""Ranges of columns that lie closer are asked for at once."""

HOST_SCHEMA = pa.schema(
    [
        pa.field("host", pa.string(), nullable=False),  # lower case, without "www.", as records' `domain`
        pa.field("registered_domain", pa.string(), nullable=False),  # as Common Crawl says; the host where it does not
        pa.field("num_pages", pa.int64(), nullable=False),
    ]
)
DOMAIN_SCHEMA = pa.schema(
    [
        pa.field("registered_domain", pa.string(), nullable=False),
        pa.field("num_hosts", pa.int64(), nullable=False),
        pa.field("num_pages", pa.int64(), nullable=False),
    ]
)
RECORD_SCHEMA = pa.schema(
    [
        pa.field("url", pa.string(), nullable=False),
        pa.field("url_host_name", pa.string(), nullable=False),
        pa.field("url_host_registered_domain", pa.string()),
        pa.field("content_languages", pa.string()),  # ISO 639-3, most frequent first: "zho,eng"
        pa.field("warc_filename", pa.string(), nullable=False),
        pa.field("warc_record_offset", pa.int64(), nullable=False),  # bytes
        pa.field("warc_record_length", pa.int64(), nullable=False),  # bytes, compressed
    ]
)

_IS_PAGE = """(fetch_status = 200 AND content_mime_detected IN ('text/html', 'application/xhtml+xml')
    AND url_host_name IS NOT NULL)"""
_HOST = r"regexp_replace(rtrim(lower(url_host_name), '.'), '^www\.', '')"
_COUNT = f"""
    SELECT {_HOST} AS host, coalesce(any_value(url_host_registered_domain), {_HOST}) AS registered_domain,
           count(*)::BIGINT AS num_pages
    FROM captures WHERE {_IS_PAGE} AND {{languages}} GROUP BY host
"""
_ADD_HOSTS = """
    SELECT host, min(registered_domain) AS registered_domain, sum(num_pages)::BIGINT AS num_pages
    FROM counts WHERE hash(registered_domain) % $num_buckets = $bucket GROUP BY host ORDER BY host
"""
_ADD_DOMAINS = """
    SELECT registered_domain, count(*)::BIGINT AS num_hosts, sum(num_pages)::BIGINT AS num_pages
    FROM hosts GROUP BY registered_domain ORDER BY registered_domain
"""
_FIND = f"""
    SELECT {
    ", ".join(
        f"{field.name}::{'BIGINT' if pa.types.is_int64(field.type) else 'VARCHAR'} AS {field.name}"
        for field in RECORD_SCHEMA
    )
}
    FROM captures WHERE {_IS_PAGE} AND {{languages}} AND {{places}}
    ORDER BY warc_filename, warc_record_offset
"""
_NEEDED = ("fetch_status", "content_mime_detected", "url_host_name", "url_surtkey")


class IndexTableError(ValueError):
    """The index of a crawl is not there or is not Common Crawl's table; the message says what is missing."""


@dataclass(frozen=True)
class IndexSize:
    """How large a crawl is by its index. `num_captures` is exact when every file was asked."""

    num_captures: int
    num_files: int
    num_asked: int


def index_files(source: CommonCrawl, crawl: str) -> list[str]:
    """Paths of the index of pages of one crawl. Raises IndexTableError, DownloadError."""
    folder = f"cc-index/table/cc-main/warc/crawl={crawl}/subset=warc"
    if not source.is_remote:  # a mirror may hold a part of it
        found = source.list_folder(folder)
    else:
        try:
            found = [path for path in source.listing(crawl, "cc-index-table.paths.gz") if "/subset=warc/" in path]
        except DownloadError:
            found = source.list_folder(folder)
            if not found:
                raise
    found = [path for path in found if path.endswith(".parquet")]
    if not found:
        raise IndexTableError(f"{crawl} has no columnar index in {source.settings.base_url}: no *.parquet in {folder}")
    return found


def index_size(source: CommonCrawl, crawl: str, ask: int = 3) -> IndexSize:
    """Captures of a crawl from the footers of `ask` index files spread over the list. Raises as `index_files`."""
    files = index_files(source, crawl)
    step = max(1, len(files) // max(1, ask))
    asked = files[step // 2 :: step][:ask] if ask < len(files) else files
    rows = 0
    for path in asked:
        with source.open(path) as file:
            rows += pq.read_metadata(file).num_rows
    return IndexSize(round(rows / len(asked) * len(files)), len(files), len(asked))


def count_pages(
    source: CommonCrawl,
    crawl: str,
    out: Folder,
    *,
    languages: Sequence[str] = (),
    workers: int = 1,
    progress: Progress = SILENT,
    force: bool = False,
) -> Manifest:
    """Write the artifact `page_counts` of a crawl: counts `num_pages`, `num_hosts`, `num_registered_domains`.

    `languages` (ISO 639-3, such as eng, zho): only pages that Common Crawl finds to be mainly in one of them. A killed
    run goes on file by file. Raises IndexTableError, DownloadError, S3Error.
    """
    files = index_files(source, crawl)
    identity = {"crawl": crawl, "languages": sorted(languages)}
    index = hashlib.blake2b("\0".join(sorted(files)).encode(), digest_size=16).hexdigest()
    with storage.stage(out, "page_counts", PAGE_COUNTS_VERSION, identity, {"index": index}, force=force) as run:
        if run.artifact:
            partial = out / "_partial"
            work = functools.partial(
                _count_file, settings=source.settings, cache=source.cache, out=partial, key=run.artifact.key,
                languages=tuple(languages),
            )  # fmt: skip
            sizes = map_shards(work, files, workers=workers, what="index files", progress=progress)
            run.artifact.counts |= {"num_pages": 0, "num_hosts": 0, "num_registered_domains": 0}
            for number, (hosts, domains) in enumerate(_added(partial, sum(sizes))):
                name = f"part-{number:05d}.parquet"
                run.artifact.write_table(name, hosts)
                storage.write_table(out / "registered_domains" / name, domains)
                run.artifact.counts["num_pages"] += sum(hosts["num_pages"].to_pylist())
                run.artifact.counts["num_hosts"] += hosts.num_rows
                run.artifact.counts["num_registered_domains"] += domains.num_rows
            storage.remove(partial)
    assert run.manifest is not None
    return run.manifest


def _count_file(
    path: str, *, settings: FetchSettings, cache: Path, out: Folder, key: str, languages: tuple[str, ...]
) -> int:
    """Counts of the hosts of one index file; returns how many there are."""
    name = hashlib.blake2b(path.encode(), digest_size=8).hexdigest()
    done = storage.finished_shard(out, name, key)
    if done is None:
        with _captures(CommonCrawl(settings, cache), path, languages=languages) as database:
            counts = database.sql(_COUNT.format(languages=_languages_sql(languages))).to_arrow_table()
        done = storage.commit_shard(out, name, key, counts.cast(HOST_SCHEMA), {})
    return done["num_rows"]


def _added(partial: Folder, num_counts: int) -> Iterator[tuple[pa.Table, pa.Table]]:
    """The sums by host and by registered domain, one pair for each hash bucket of registered domains."""
    files = [str(getattr(file, "path", file)) for file in storage.parquet_files(partial)]
    num_buckets = max(1, math.ceil(num_counts / _ROWS_IN_A_BUCKET))
    with tempfile.TemporaryDirectory() as spill, duckdb.connect() as database:
        database.execute(f"SET temp_directory = '{spill}'")
        counts = pads.dataset(files, format="parquet", filesystem=getattr(partial, "fs", None))
        database.register("counts", counts)
        for bucket in range(num_buckets):
            values = {"num_buckets": num_buckets, "bucket": bucket}
            hosts = database.sql(_ADD_HOSTS, params=values).to_arrow_table().cast(HOST_SCHEMA)
            database.register("hosts", hosts)
            yield hosts, database.sql(_ADD_DOMAINS).to_arrow_table().cast(DOMAIN_SCHEMA)


def find_records(
    source: CommonCrawl,
    crawl: str,
    names: Sequence[str],
    *,
    languages: Sequence[str] = (),
    progress: Progress = SILENT,
) -> pa.Table:
    """Where the pages of hosts lie: RECORD_SCHEMA, by WARC file and offset.

    `names` are hosts (`example.org`: it and everything below it, with `www.` and without) or beginnings of addresses
    (`example.org/questions`, whatever the case). Raises IndexTableError, DownloadError, S3Error.
    """
    if not names:
        raise IndexTableError("name at least one host or beginning of an address, such as example.org/questions")
    ranges = [surt_range(name) for name in names]
    query = _FIND.format(languages=_languages_sql(languages), places=_places_sql(ranges))
    found = [RECORD_SCHEMA.empty_table()]
    for path in track(index_files(source, crawl), "index files", progress):
        with _captures(source, path, ranges, languages) as database:
            found.append(database.sql(query).to_arrow_table().cast(RECORD_SCHEMA))
    return pa.concat_tables(found).sort_by([("warc_filename", "ascending"), ("warc_record_offset", "ascending")])


def surt_range(name: str) -> tuple[str, str]:
    """The SURT keys [first, last) of everything below a host or an address's beginning.

    >>> surt_range("www.Example.org")
    ('org,example)', 'org,example-')
    """
    host, slash, path = name.strip().lower().partition("://")[2 if "://" in name else 0].partition("/")
    labels = host.rstrip(".").removeprefix("www.").split(".")
    if not all(labels):
        raise IndexTableError(f"{name!r} is no host and no beginning of an address: write example.org/questions")
    key = ",".join(reversed(labels))
    if slash and path:
        return f"{key})/{path}", f"{key})/{path}\U0010ffff"
    return f"{key})", f"{key}-"  # ")" ends a host, "," goes on below it, "-" comes next


def _languages_sql(languages: Sequence[str]) -> str:
    if bad := [name for name in languages if not (name.isascii() and name.isalpha() and len(name) == 3)]:
        raise IndexTableError(f"{bad[0]!r} is no language of the index: ISO 639-3, such as eng, zho")
    listed = ", ".join(f"'{name.lower()}'" for name in languages)
    return f"split_part(content_languages, ',', 1) IN ({listed})" if languages else "true"


def _places_sql(ranges: Sequence[tuple[str, str]]) -> str:
    quoted = [tuple(end.replace("'", "''") for end in ends) for ends in ranges]
    return "(" + " OR ".join(f"url_surtkey >= '{first}' AND url_surtkey < '{last}'" for first, last in quoted) + ")"


@contextmanager
def _captures(
    source: CommonCrawl, path: str, ranges: Sequence[tuple[str, str]] = (), languages: Sequence[str] = ()
) -> Iterator[duckdb.DuckDBPyConnection]:
    """DuckDB with the rows of an index file as the table `captures`; with `ranges`, of row groups that may match."""
    with source.open(path) as file, duckdb.connect() as database:
        try:
            footer = pq.read_metadata(file)
            names = footer.schema.to_arrow_schema().names
            needed = [*_NEEDED, *(["content_languages"] if languages else [])]
            if missing := [name for name in needed if name not in names]:
                raise IndexTableError(f"{path} has no column {', '.join(missing)}: not Common Crawl's index table")
            groups = [n for n in range(footer.num_row_groups) if not ranges or _may_hold(footer.row_group(n), ranges)]
            empty = footer.schema.to_arrow_schema().empty_table()
            database.register("captures", _dataset(file, groups) if groups else empty)
            yield database
        except (duckdb.Error, pa.ArrowException, OSError) as error:
            if isinstance(cause := getattr(file, "error", None), Exception):
                raise cause from error
            raise


def _dataset(file: Any, row_groups: Sequence[int]) -> pads.Dataset:
    cache = pa.CacheOptions(hole_size_limit=_HOLE_BYTES)
    options = pads.ParquetFragmentScanOptions(pre_buffer=True, cache_options=cache)
    form = pads.ParquetFileFormat(default_fragment_scan_options=options)
    fragment = form.make_fragment(file, row_groups=list(row_groups))
    return pads.FileSystemDataset([fragment], schema=fragment.physical_schema, format=form)


def _may_hold(group: Any, ranges: Sequence[tuple[str, str]]) -> bool:
    """May a row group hold a key of one of the ranges? By its statistics; without them it may."""
    for number in range(group.num_columns):
        column = group.column(number)
        if column.path_in_schema == "url_surtkey":
            known = column.statistics
            if known is None or not known.has_min_max:
                return True
            return any(first <= known.max and known.min < last for first, last in ranges)
    return True
