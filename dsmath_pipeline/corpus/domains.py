"""Which domains are mathematical, and how their pages spread over URL prefixes (section 2.1, step "domains").

A domain is all pages with the same base URL (host, or registered domain). One with more than `min_collected_share` of
its pages collected is mathematical. Counting runs in DuckDB, which streams the Parquet files; prefixes are counted only
inside mathematical domains.

Writes the artifact `domains`: DOMAIN_SCHEMA, and in the sub-folder `prefixes` PREFIX_SCHEMA, what annotators look at.
"""

import heapq
from dataclasses import dataclass, field
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.dataset as pads

from .. import storage
from ..progress import SILENT, Progress
from ..recipe.schema import DomainSettings
from ..storage import Folder, Manifest
from .urls import url_prefixes

DOMAINS_VERSION = "1"

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

_DOMAINS = """
    SELECT d.name AS domain, count(*) AS num_pages, count(c.id) AS num_collected,
           sum(s.num_tokens)::BIGINT AS num_tokens, count(c.id) / count(*) AS collected_share
    FROM scores s JOIN names d ON s.domain = d.host LEFT JOIN collected c ON s.id = c.id
    GROUP BY d.name ORDER BY d.name
"""
_PAGES = """
    SELECT s.id, s.url, d.name AS domain, c.id IS NOT NULL AS is_collected, coalesce(u.title, '') AS title
    FROM scores s JOIN names d ON s.domain = d.host JOIN math m ON d.name = m.name
         LEFT JOIN collected c ON s.id = c.id LEFT JOIN documents u ON s.id = u.id
"""


@dataclass
class _Prefix:
    """Running counts of one URL prefix; `titles` is a heap of the smallest page ids."""

    domain: str
    num_pages: int = 0
    num_collected: int = 0
    titles: list[tuple[int, str]] = field(default_factory=list)


def find_domains(
    scores: Folder,
    collected: Folder,
    unique_documents: Folder,
    out: Folder,
    settings: DomainSettings,
    *,
    progress: Progress = SILENT,
    force: bool = False,
) -> Manifest:
    """Write the artifact `domains`. Counts: `num_domains`, `num_math_domains`, `num_prefixes`."""
    inputs: dict[str, Folder | str] = {
        "scores": scores, "collected": collected, "unique_documents": unique_documents
    }  # fmt: skip
    with storage.stage(out, "domains", DOMAINS_VERSION, settings, inputs, force=force) as run:
        if run.artifact:
            with duckdb.connect() as database:
                database.register("scores", _dataset(scores))
                database.register("collected", _dataset(collected))
                database.register("documents", _dataset(unique_documents))
                database.register("names", _names(database, settings.registered_domain))
                rows = _count_domains(database, settings)
                math = pa.table({"name": pa.array([r["domain"] for r in rows if r["is_math"]], pa.string())})
                database.register("math", math)
                prefixes = _count_prefixes(database, settings)
            run.artifact.write_table("part-00000.parquet", pa.Table.from_pylist(rows, DOMAIN_SCHEMA))
            storage.write_table(out / "prefixes" / "part-00000.parquet", prefixes)
            run.artifact.counts |= {
                "num_domains": len(rows),
                "num_math_domains": math.num_rows,
                "num_prefixes": prefixes.num_rows,
            }
            progress.log(f"{math.num_rows} of {len(rows)} domains are mathematical")
    assert run.manifest is not None
    return run.manifest


def _suffix_list() -> Any:
    """The public suffix list that tldextract ships; nothing is fetched."""
    import tldextract

    return tldextract.TLDExtract(suffix_list_urls=(), cache_dir=None)


def _dataset(path: Folder) -> Any:
    """A folder's Parquet files as DuckDB streams them (needed columns only); works on object stores too."""
    files = [str(getattr(file, "path", file)) for file in storage.parquet_files(path)]
    return pads.dataset(files, format="parquet", filesystem=getattr(path, "fs", None))


def _names(database: duckdb.DuckDBPyConnection, by_registered_domain: bool) -> pa.Table:
    """Two columns: every host, and the name under which its pages are counted."""
    hosts = [host for (host,) in database.execute("SELECT DISTINCT domain FROM scores ORDER BY 1").fetchall()]
    names = hosts
    if by_registered_domain:
        extract = _suffix_list()
        names = [extract(host).top_domain_under_public_suffix or host for host in hosts]
    return pa.table({"host": pa.array(hosts, pa.string()), "name": pa.array(names, pa.string())})


def _count_domains(database: duckdb.DuckDBPyConnection, settings: DomainSettings) -> list[dict[str, Any]]:
    rows = database.sql(_DOMAINS).to_arrow_table().to_pylist()
    for row in rows:
        is_large = row["num_pages"] >= settings.min_pages
        row["is_math"] = is_large and row["collected_share"] > settings.min_collected_share
    return rows


def _count_prefixes(database: duckdb.DuckDBPyConnection, settings: DomainSettings) -> pa.Table:
    found: dict[str, _Prefix] = {}
    cursor = database.execute(_PAGES)
    while pages := cursor.fetchmany(10_000):
        for ident, url, domain, is_collected, title in pages:
            for prefix in url_prefixes(url, settings.max_depth):
                entry = found.setdefault(prefix, _Prefix(domain))
                entry.num_pages += 1
                entry.num_collected += is_collected
                _keep_title(entry.titles, (-int(ident, 16), title), settings.num_sample_titles)
    rows = [
        {"url_prefix": prefix, "domain": entry.domain, "depth": prefix.count("/"), "num_pages": entry.num_pages,
         "num_collected": entry.num_collected, "collected_share": entry.num_collected / entry.num_pages,
         "sample_titles": [title for _, title in sorted(entry.titles, reverse=True)]}
        for prefix, entry in sorted(found.items())
    ]  # fmt: skip
    return pa.Table.from_pylist(rows, PREFIX_SCHEMA)


def _keep_title(heap: list[tuple[int, str]], entry: tuple[int, str], size: int) -> None:
    """Keep the titles of the pages with the smallest ids: ids are hashes, so they are a fixed random sample."""
    if len(heap) < size:
        heapq.heappush(heap, entry)
    elif size and entry > heap[0]:
        heapq.heapreplace(heap, entry)
