"""What a new crawl has to know of a corpus that is there: its URLs, texts and signatures, never its texts themselves.

Writes the artifact `corpus_index`, one file for each file of the corpus, one row for each page:
- id, url, url_key, text_key (16 bytes each: the normalised URL, the text as `dedup.text_keys` compares it), signature
  (as `near_dedup.py` packs it), and for `find_near_duplicates(known=...)`, which reads it like an earlier crawl's
  artifact: cluster_id (the page itself), is_kept (true), is_of_earlier_crawl (false).

Text keys are those of the texts in the corpus. A page that lost benchmark lines is found again by its signature, which
is that of the whole page. About 600 bytes a page. Not in the paper: how crawls follow each other.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from .. import storage
from ..storage import ArtifactError, Folder, Manifest
from .dedup import text_keys
from .urls import URL_VERSION, normalise_url

INDEX_VERSION = f"1/url {URL_VERSION}"
"""1 (2026-11): first version."""

_SIGNATURE_SETTINGS = ("ngram_words", "num_bands", "num_rows")


@dataclass(frozen=True)
class KnownKeys:
    """Keys of the pages of a corpus, 16 bytes each."""

    urls: frozenset[bytes]
    texts: frozenset[bytes]


def write_corpus_index(
    corpus: Folder,
    near_duplicates: Folder,
    documents: Folder,
    out: Folder,
    *,
    counts: Mapping[str, Any] = MappingProxyType({}),
    inputs: Mapping[str, str] = MappingProxyType({}),
) -> Manifest:
    """Write the artifact `corpus_index` of the artifact `math_corpus` in `corpus`.

    `near_duplicates` holds the signatures of (at least) its pages, `documents` are all of the crawl that it comes from:
    the latest crawl date among them becomes the count `newest_page`. `counts` join it, `inputs` become part of the key.
    The manifest's version is that of the signatures, so that nobody compares other ones with them.

    Raises ArtifactError when an input is unfinished or a page of the corpus has no signature.
    """
    signed = storage.read_manifest(near_duplicates)
    used = {name: signed.settings.get(name) for name in _SIGNATURE_SETTINGS} | {"index": INDEX_VERSION}
    sources: dict[str, Folder | str] = {"math_corpus": corpus, "near_duplicates": near_duplicates, **inputs}
    with storage.stage(out, "corpus_index", signed.version, used, sources) as run:
        if run.artifact:
            files = storage.parquet_files(corpus)
            signatures = _signatures(near_duplicates, files)
            for file in files:
                run.artifact.write_table(file.name, _rows(file, signatures, near_duplicates))
            run.artifact.counts |= {**counts, "newest_page": newest_page(documents)}
    assert run.manifest is not None
    return run.manifest


def _signatures(near_duplicates: Folder, corpus_files: Sequence[Folder]) -> pa.Table:
    """id and signature of the pages of a corpus."""
    ids = [storage.read_table(file, ["id"])["id"] for file in corpus_files]
    wanted = pa.chunked_array([chunk for column in ids for chunk in column.chunks], pa.string()).combine_chunks()
    parts = []
    for file in storage.parquet_files(near_duplicates):
        table = storage.read_table(file, ["id", "signature"])
        parts.append(table.filter(pc.is_in(table["id"], value_set=wanted)))
    return pa.concat_tables(parts).combine_chunks()


def _rows(file: Folder, signatures: pa.Table, near_duplicates: Folder) -> pa.Table:
    table = storage.read_table(file, ["id", "url", "text"])
    known = signatures["id"].combine_chunks() if signatures.num_rows else pa.array([], pa.string())
    at = pc.index_in(table["id"], value_set=known)
    if at.null_count:
        raise ArtifactError(
            f"{at.null_count} of {table.num_rows} pages in {file} have no signature in {near_duplicates}: "
            "the two were made from other documents; run the corpus again"
        )
    return pa.table(
        {
            "id": table["id"],
            "url": table["url"],
            "url_key": pa.array(url_keys(table["url"].to_pylist()), pa.binary(16)),
            "text_key": pa.array(text_keys(table["text"]), pa.binary(16)),
            "signature": signatures["signature"].take(at),
            "cluster_id": table["id"],
            "is_kept": pa.array([True] * table.num_rows, pa.bool_()),
            "is_of_earlier_crawl": pa.array([False] * table.num_rows, pa.bool_()),
        }
    )


def url_keys(urls: Iterable[str]) -> list[bytes]:
    """16 bytes for every URL, the same for URLs that deduplication takes for one (urls.normalise_url)."""
    plain = (normalise_url(url).encode("utf-8", "surrogatepass") for url in urls)
    return [hashlib.blake2b(url, digest_size=16).digest() for url in plain]


def known_keys(indexes: Iterable[Folder]) -> KnownKeys:
    """URL and text keys of all pages in some `corpus_index` artifacts."""
    urls: set[bytes] = set()
    texts: set[bytes] = set()
    for path in indexes:
        for file in storage.parquet_files(path):
            table = storage.read_table(file, ["url_key", "text_key"])
            urls.update(table["url_key"].to_pylist())
            texts.update(table["text_key"].to_pylist())
    return KnownKeys(frozenset(urls), frozenset(texts))


def newest_page(documents: Folder) -> str:
    """The latest crawl date in an artifact of documents, ISO 8601; "" when no page has one."""
    dates = (pc.max(storage.read_table(file, ["date"])["date"]).as_py() for file in storage.parquet_files(documents))
    return max((date for date in dates if date), default="")
