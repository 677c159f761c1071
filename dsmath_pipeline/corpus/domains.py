"""Which domains are mathematical, and how their pages spread over URL prefixes (section 2.1, step "domains").

A domain is all pages with the same base URL (host, or registered domain). One with more than `min_collected_share` of
its pages collected is mathematical. Each shard is counted by itself, domains first, then the prefixes inside
mathematical domains; DuckDB adds the counts up, prefixes in hash buckets, so that memory is bounded by a bucket and not
by the crawl.

Writes the artifact `domains`: DOMAIN_SCHEMA, and in the sub-folder `prefixes` PREFIX_SCHEMA, what annotators look at.
"""

import functools
import heapq
import math
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as pads

from .. import storage
from ..compute import map_shards, workers_worth
from ..progress import SILENT, Progress
from ..recipe.schema import DomainSettings
from ..storage import Folder, Manifest
from .urls import url_prefixes

DOMAINS_VERSION = "2"
_ROWS_IN_A_BUCKET = 2_000_000

DOMAIN_SCHEMA = pa.schema(
    [
        pa.field("domain", pa.string(), nullable=False),
        pa.field("num_pages", pa.int64(), nullable=False),
        pa.field("num_collected", pa.int64(), nullable=False),
        pa.field("num_tokens", pa.int64(), nullable=False),  # of all pages
        pa.field("collected_share", pa.float64(), nullable=False),  # of the pages, 0-1
        pa.field("is_math", pa.bool_(), nullable=False),
    ]
)

PREFIX_SCHEMA = pa.schema(
    [
        pa.field("url_prefix", pa.string(), nullable=False),
        pa.field("domain", pa.string(), nullable=False),
        pa.field("depth", pa.int32(), nullable=False),  # path segments
        pa.field("num_pages", pa.int64(), nullable=False),
        pa.field("num_collected", pa.int64(), nullable=False),
        pa.field("collected_share", pa.float64(), nullable=False),
        pa.field("sample_titles", pa.list_(pa.string())),  # of the pages with the smallest ids
    ]
)

_COUNTS_SCHEMA = pa.schema(
    [
        pa.field("domain", pa.string(), nullable=False),
        pa.field("num_pages", pa.int64(), nullable=False),
        pa.field("num_collected", pa.int64(), nullable=False),
        pa.field("num_tokens", pa.int64(), nullable=False),
    ]
)
_SAMPLE = pa.struct([pa.field("id", pa.string()), pa.field("title", pa.string())])
_PREFIX_COUNTS_SCHEMA = pa.schema(
    [
        pa.field("url_prefix", pa.string(), nullable=False),
        pa.field("domain", pa.string(), nullable=False),
        pa.field("num_pages", pa.int64(), nullable=False),
        pa.field("num_collected", pa.int64(), nullable=False),
        pa.field("samples", pa.list_(_SAMPLE), nullable=False),
    ]
)

_ADD_DOMAINS = """
    SELECT *, num_pages >= $min_pages AND collected_share > $min_share AS is_math FROM (
        SELECT domain, sum(num_pages)::BIGINT AS num_pages, sum(num_collected)::BIGINT AS num_collected,
               sum(num_tokens)::BIGINT AS num_tokens, sum(num_collected) / sum(num_pages) AS collected_share
        FROM counts GROUP BY domain
    ) ORDER BY domain
"""
_ADD_PREFIXES = """
    SELECT url_prefix, any_value(domain) AS domain, (len(url_prefix) - len(replace(url_prefix, '/', '')))::INT AS depth,
           sum(num_pages)::BIGINT AS num_pages, sum(num_collected)::BIGINT AS num_collected,
           sum(num_collected) / sum(num_pages) AS collected_share,
           list_transform(list_slice(list_sort(flatten(list(samples))), 1, $num_titles), lambda s: s.title)
               AS sample_titles
    FROM counts WHERE hash(url_prefix) % $num_buckets = $bucket GROUP BY url_prefix ORDER BY url_prefix
"""


@dataclass(frozen=True)
class _Inputs:
    """The three artifacts; shards of the same name hold the same pages."""

    scores: Folder
    collected: Folder
    unique_documents: Folder


@dataclass
class _Prefix:
    """Running counts of one URL prefix; `ids` is a heap of the smallest page ids (negated numbers)."""

    domain: str
    num_pages: int = 0
    num_collected: int = 0
    ids: list[int] = field(default_factory=list)


def find_domains(
    scores: Folder,
    collected: Folder,
    unique_documents: Folder,
    out: Folder,
    settings: DomainSettings,
    *,
    workers: int = 1,
    progress: Progress = SILENT,
    force: bool = False,
) -> Manifest:
    """Write the artifact `domains`. Counts: `num_domains`, `num_math_domains`, `num_prefixes`.

    A killed run goes on shard by shard. Raises ArtifactError when an input is missing or unfinished.
    """
    inputs: dict[str, Folder | str] = {
        "scores": scores, "collected": collected, "unique_documents": unique_documents
    }  # fmt: skip
    with storage.stage(out, "domains", DOMAINS_VERSION, settings, inputs, force=force) as run:
        if run.artifact:
            shards = [file.stem for file in storage.parquet_files(scores)]
            workers = workers_worth(storage.read_manifest(scores).num_rows, workers)
            partial, key = out / "_partial", run.artifact.key
            source = _Inputs(scores, collected, unique_documents)
            count = functools.partial(
                _count_shard, source=source, out=partial / "domains", key=key, registered=settings.registered_domain
            )
            map_shards(count, shards, workers=workers, what="domains", progress=progress)
            domains = _add_domains(partial / "domains", settings)
            run.artifact.write_table("part-00000.parquet", domains)
            found = domains.filter(domains["is_math"])
            storage.write_table(partial / "math" / "names.parquet", found.select(["domain"]))
            count = functools.partial(_count_prefixes, source=source, partial=partial, key=key, settings=settings)
            sizes = map_shards(count, shards, workers=workers, what="URL prefixes", progress=progress)
            num_prefixes = _add_prefixes(partial / "prefixes", out / "prefixes", sum(sizes), settings.num_sample_titles)
            storage.remove(partial)
            run.artifact.counts |= {
                "num_domains": domains.num_rows,
                "num_math_domains": found.num_rows,
                "num_prefixes": num_prefixes,
            }
            progress.log(f"{found.num_rows} of {domains.num_rows} domains are mathematical")
    assert run.manifest is not None
    return run.manifest


def _count_shard(shard: str, *, source: _Inputs, out: Folder, key: str, registered: bool) -> None:
    if storage.finished_shard(out, shard, key) is not None:
        return
    pages = storage.read_table(source.scores / f"{shard}.parquet", ["id", "domain", "num_tokens"])
    is_collected = _is_collected(pages, source.collected, shard)
    pages = pages.set_column(1, "domain", _names(pages["domain"], registered))
    pages = pages.append_column("is_collected", pc.cast(is_collected, pa.int64()))
    counts = pages.group_by("domain").aggregate([("id", "count"), ("is_collected", "sum"), ("num_tokens", "sum")])
    table = pa.table(
        [counts["domain"], counts["id_count"], counts["is_collected_sum"], counts["num_tokens_sum"]],
        schema=_COUNTS_SCHEMA,
    )
    storage.commit_shard(out, shard, key, table, {})


def _is_collected(pages: pa.Table, collected: Folder, shard: str) -> pa.ChunkedArray:
    ids = storage.read_table(collected / f"{shard}.parquet", ["id"])["id"]
    return pc.is_in(pages["id"], value_set=ids.combine_chunks())


def _names(hosts: pa.ChunkedArray, registered: bool) -> pa.Array:
    """The name under which each page is counted: its host, or the registered domain of it."""
    if not registered:
        return hosts.combine_chunks()
    encoded = hosts.combine_chunks().dictionary_encode()
    extract = _suffix_list()
    names = [extract(host).top_domain_under_public_suffix or host for host in encoded.dictionary.to_pylist()]
    return pa.array(names, pa.string()).take(encoded.indices)


@functools.cache
def _suffix_list() -> Any:
    """The public suffix list that tldextract ships; nothing is fetched."""
    import tldextract

    return tldextract.TLDExtract(suffix_list_urls=(), cache_dir=None)


def _add_domains(counts: Folder, settings: DomainSettings) -> pa.Table:
    limits = {"min_pages": settings.min_pages, "min_share": settings.min_collected_share}
    with _database(counts) as database:
        return database.sql(_ADD_DOMAINS, params=limits).to_arrow_table().cast(DOMAIN_SCHEMA)


def _count_prefixes(shard: str, *, source: _Inputs, partial: Folder, key: str, settings: DomainSettings) -> int:
    """Counts of a shard's prefixes inside mathematical domains. Returns the number of prefixes."""
    out = partial / "prefixes"
    done = storage.finished_shard(out, shard, key)
    if done is not None:
        return done["num_rows"]
    math_names = storage.read_table(partial / "math")["domain"].combine_chunks()
    pages = storage.read_table(source.scores / f"{shard}.parquet", ["id", "url", "domain"])
    pages = pages.set_column(2, "domain", _names(pages["domain"], settings.registered_domain))
    pages = pages.filter(pc.is_in(pages["domain"], value_set=math_names))
    is_collected = _is_collected(pages, source.collected, shard)
    columns = [pages["id"], pages["url"], pages["domain"], is_collected]
    rows = zip(*(column.to_pylist() for column in columns), strict=True)
    found = _prefixes_of(rows, settings.max_depth, settings.num_sample_titles)
    titles = _titles(source.unique_documents / f"{shard}.parquet", {i for entry in found.values() for i in entry.ids})
    table = [
        {"url_prefix": prefix, "domain": entry.domain, "num_pages": entry.num_pages,
         "num_collected": entry.num_collected,
         "samples": [{"id": ident, "title": title} for ident, title in sorted(titles[i] for i in entry.ids)]}
        for prefix, entry in sorted(found.items())
    ]  # fmt: skip
    storage.commit_shard(out, shard, key, pa.Table.from_pylist(table, _PREFIX_COUNTS_SCHEMA), {})
    return len(table)


def _prefixes_of(rows: Iterable[tuple[str, str, str, bool]], max_depth: int, num_samples: int) -> dict[str, _Prefix]:
    """Counts by prefix, over rows of id, URL, domain and whether the page was collected."""
    found: dict[str, _Prefix] = {}
    for ident, url, domain, is_collected in rows:
        number = -int(ident, 16)
        for prefix in url_prefixes(url, max_depth):
            entry = found.get(prefix) or found.setdefault(prefix, _Prefix(domain))
            entry.num_pages += 1
            entry.num_collected += is_collected
            _keep_smallest(entry.ids, number, num_samples)
    return found


def _keep_smallest(heap: list[int], number: int, size: int) -> None:
    """Keep the pages with the smallest ids: ids are hashes, so they are a fixed random sample."""
    if len(heap) < size:
        heapq.heappush(heap, number)
    elif size and number > heap[0]:
        heapq.heapreplace(heap, number)


def _titles(documents: Folder, wanted: set[int]) -> dict[int, tuple[str, str]]:
    """Id and title by negated number of the id."""
    table = storage.read_table(documents, ["id", "title"])
    pairs = zip(table["id"].to_pylist(), table["title"].to_pylist(), strict=True)
    return {number: (ident, title or "") for ident, title in pairs if (number := -int(ident, 16)) in wanted}


def _add_prefixes(counts: Folder, out: Folder, num_counts: int, num_titles: int) -> int:
    """Add up the shards' counts, one file for each hash bucket. Returns the number of prefixes."""
    num_buckets, num_prefixes = max(1, math.ceil(num_counts / _ROWS_IN_A_BUCKET)), 0
    with _database(counts) as database:
        for bucket in range(num_buckets):
            values = {"num_titles": num_titles, "num_buckets": num_buckets, "bucket": bucket}
            table = database.sql(_ADD_PREFIXES, params=values).to_arrow_table().cast(PREFIX_SCHEMA)
            storage.write_table(out / f"part-{bucket:05d}.parquet", table)
            num_prefixes += table.num_rows
    return num_prefixes


@contextmanager
def _database(counts: Folder) -> Iterator[duckdb.DuckDBPyConnection]:
    """DuckDB with a folder's Parquet files as the table `counts`, streamed; works on object stores too."""
    files = [str(getattr(file, "path", file)) for file in storage.parquet_files(counts)]
    with tempfile.TemporaryDirectory() as spill, duckdb.connect() as database:
        database.execute(f"SET temp_directory = '{spill}'")
        database.register("counts", pads.dataset(files, format="parquet", filesystem=getattr(counts, "fs", None)))
        yield database
