"""Near-duplicates of one crawl, among its own pages and against the pages that were kept of earlier crawls.

Section 2.1 works on several crawls ("deduplicated and near-deduplicated"); not in the paper: how. Here every crawl is
compared once, against the signatures of what earlier crawls kept, never the other way round: a page that was kept stays
kept, and adding a crawl never reads an old text again. `corpus/minhash.py` says what a near-duplicate is.

The best page of a cluster: one of an earlier crawl before all others (of several the first in the order given),
then the longest text, then the smallest id.

Writes the artifact `near_duplicates`, one shard for each input shard:
- `<shard>.parquet`: id, cluster_id (the id of the page kept in its place), is_kept, signature (the MinHash values,
  uint32, little-endian), url;
- `dropped/sample.jsonl`: some dropped pages of either reason, as in `corpus/dedup.py`.
More than two million pages, of this crawl and kept of earlier ones, go by hash buckets (near_dedup_buckets.py), with
the same result: at most 1.7 GB in a worker, and `driver_bytes` in the driver.
"""

import functools
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from .. import storage
from ..compute import map_shards
from ..lean_imports import to_numpy
from ..progress import SILENT, Progress
from ..recipe.schema import DedupSettings
from ..storage import ArtifactError, Folder, Manifest
from .dedup import dropped_row, smallest_ids, write_dropped_sample
from .minhash import MINHASH_VERSION, clusters_of, kept_pages, signatures
from .near_dedup_buckets import Plan, Source, find_kept, make_groups

NEAR_DEDUP_VERSION = f"2/minhash {MINHASH_VERSION}"
"""Version of the rules above. 1 (2026-11): first version. 2 (2026-11): with URL and whether the kept page is of an
earlier crawl."""

NEAR_DUPLICATE, KNOWN_NEAR_DUPLICATE = "near_duplicate", "near_duplicate_of_earlier_crawl"
_PAGES_IN_MEMORY, _BYTES_IN_MEMORY, _BYTES_IN_BUCKETS = 2_000_000, 600, 9
"""How many pages are compared in memory, and what each takes in the driver, in memory and by hash buckets."""
_PAGES_OF_A_GROUP = 500_000
_PAGES_OF_A_PARTITION = 125_000
_SIGNATURE_SETTINGS = ("ngram_words", "num_bands", "num_rows")
_SETTINGS = {*_SIGNATURE_SETTINGS, "min_jaccard", "max_bucket_pairs", "num_sampled_drops"}


def find_near_duplicates(
    documents: Folder,
    out: Folder,
    settings: DedupSettings,
    *,
    known: Sequence[Folder] = (),
    shards: Sequence[str] | None = None,
    workers: int = 1,
    progress: Progress = SILENT,
    force: bool = False,
) -> Manifest:
    """Write the artifact `near_duplicates` of the crawl in `documents` (columns id, url, text).

    `known` are the artifacts that this function wrote for earlier crawls, oldest first. `shards` names the Parquet
    files that make the crawl, where `documents` holds more than one. Counts: `num_read`, `num_kept`,
    `dropped` by reason (they add up), `num_known` (pages kept of earlier crawls), `num_clusters` (of two pages or
    more). The result does not depend on `workers`.

    Raises ArtifactError when an input is missing or unfinished, or when an earlier crawl's signatures were made in
    another way.
    """
    used = settings.model_dump(include=_SETTINGS)
    if shards is None:
        shards = [file.stem for file in storage.parquet_files(documents)]
    else:
        used["shards"] = list(shards)
    inputs: dict[str, Folder | str] = {"documents": documents}
    inputs |= {f"known_{number}": path for number, path in enumerate(known, 1)}
    with storage.stage(out, "near_duplicates", NEAR_DEDUP_VERSION, used, inputs, force=force) as run:
        if run.artifact:
            for path in known:
                _check_comparable(path, settings)
            _write(documents, shards, known, run.artifact, settings, workers, progress)
    assert run.manifest is not None
    return run.manifest


def driver_bytes(num_pages: int) -> int:
    """Memory that find_near_duplicates takes in its own process for so many pages, those of earlier crawls included."""
    return num_pages * (_BYTES_IN_MEMORY if num_pages <= _PAGES_IN_MEMORY else _BYTES_IN_BUCKETS)


def _check_comparable(path: Folder, settings: DedupSettings) -> None:
    """Raise ArtifactError unless the artifact's signatures can be compared with those that `settings` give."""
    before, now = storage.read_manifest(path), settings.model_dump()
    changed = [name for name in _SIGNATURE_SETTINGS if before.settings.get(name) != now[name]]
    if before.version != NEAR_DEDUP_VERSION:
        changed.append(f"version {before.version}, now {NEAR_DEDUP_VERSION}")
    if changed:
        raise ArtifactError(
            f"the signatures in {path} cannot be compared with new ones ({', '.join(changed)}): write them again with "
            "the present settings, oldest crawl first"
        )


def _write(
    documents: Folder,
    shards: Sequence[str],
    known: Sequence[Folder],
    artifact: storage.Artifact,
    settings: DedupSettings,
    workers: int,
    progress: Progress,
) -> None:
    if not shards:
        raise ArtifactError(f"no Parquet file in {documents}")
    work = artifact.path / "_signatures"
    sign = functools.partial(_sign_shard, documents=documents, out=work, key=artifact.key, settings=settings)
    signed = map_shards(sign, shards, workers=workers, what="signatures", progress=progress)
    sources, num_known, max_id_bytes = _sources(work, shards, signed, known)
    write = functools.partial(
        _write_shard, documents=documents, out=artifact.path, num_known=num_known, sampled=settings.num_sampled_drops
    )
    num_pages = sources[-1].first + sources[-1].num_pages
    if num_pages <= _PAGES_IN_MEMORY:
        written, num_clusters = _find_kept_here(sources, num_known, settings, write)
    else:
        groups = make_groups(sources, _PAGES_OF_A_GROUP)
        num_partitions = -(-num_pages // _PAGES_OF_A_PARTITION)
        key = f"{artifact.key} {len(groups)} {num_partitions}"
        plan = Plan(work / "buckets", key, groups, num_partitions, num_known, max_id_bytes, settings, write)
        written, num_clusters = find_kept(plan, workers, progress)
    dropped = {NEAR_DUPLICATE: 0, KNOWN_NEAR_DUPLICATE: 0}
    for shard in shards:
        artifact.add_shard(shard, written[shard])
        for reason in dropped:
            dropped[reason] += written[shard]["dropped"][reason]
    sample = [row for shard in shards for row in written[shard]["sample"]]
    write_dropped_sample(artifact, sample, settings.num_sampled_drops)
    num_read = num_pages - num_known
    artifact.counts |= {
        "num_read": num_read,
        "num_kept": num_read - sum(dropped.values()),
        "dropped": dropped,
        "num_known": num_known,
        "num_clusters": num_clusters,
    }
    storage.remove(work)
    progress.log(f"kept {num_read - sum(dropped.values()):,} of {num_read:,} documents; dropped {dropped}")


def _sign_shard(shard: str, *, documents: Folder, out: Folder, key: str, settings: DedupSettings) -> dict[str, Any]:
    done = storage.finished_shard(out, shard, key)
    if done is not None:
        return done
    table = storage.read_table(documents / f"{shard}.parquet", ["id", "text"])
    lengths = pc.utf8_length(table["text"]).cast(pa.int64())
    values = _pack(signatures(table["text"], settings))
    signed = pa.table({"id": table["id"], "num_chars": lengths, "signature": values})
    return storage.commit_shard(out, shard, key, signed, {"max_id_bytes": _max_bytes(table["id"])})


def _max_bytes(ids: pa.ChunkedArray) -> int:
    return pc.max(pc.binary_length(ids)).as_py() or 0


def _sources(
    work: Folder, shards: Sequence[str], signed: Sequence[dict[str, Any]], known: Sequence[Folder]
) -> tuple[list[Source], int, int]:
    """All files of signatures, those of earlier crawls first; the pages of those; the bytes of the longest id."""
    sources: list[Source] = []
    first, longest = 0, 1
    for file in [file for path in known for file in storage.parquet_files(path)]:
        table = storage.read_table(file, ["id", "is_kept"])
        kept = table.filter(table["is_kept"])
        sources.append(Source("", first, kept.num_rows, functools.partial(_read_known, file)))
        first, longest = first + kept.num_rows, max(longest, _max_bytes(kept["id"]))
    num_known = first
    for shard, counts in zip(shards, signed, strict=True):
        read = functools.partial(_read_signed, work / f"{shard}.parquet")
        sources.append(Source(shard, first, counts["num_rows"], read))
        first, longest = first + counts["num_rows"], max(longest, counts["max_id_bytes"])
    return sources, num_known, longest


def _read_known(file: Folder) -> tuple[list[str], np.ndarray, np.ndarray]:
    table = storage.read_table(file, ["id", "is_kept", "signature"])
    table = table.filter(table["is_kept"])
    return table["id"].to_pylist(), np.zeros(table.num_rows, np.int64), _unpack(table["signature"])


def _read_signed(file: Folder) -> tuple[list[str], np.ndarray, np.ndarray]:
    table = storage.read_table(file)
    return table["id"].to_pylist(), to_numpy(table["num_chars"]), _unpack(table["signature"])


def _pack(values: np.ndarray) -> pa.Array:
    """Signatures (uint32 [N, K]) as an Arrow array of N binary values of 4 K bytes."""
    data = pa.py_buffer(np.ascontiguousarray(values, "<u4"))
    return pa.FixedSizeBinaryArray.from_buffers(pa.binary(4 * values.shape[1]), len(values), [None, data])


def _unpack(column: pa.ChunkedArray) -> np.ndarray:
    """What `_pack` packed."""
    width = column.type.byte_width
    parts = [
        np.frombuffer(chunk.buffers()[1] or b"", "<u4", len(chunk) * width // 4, chunk.offset * width)
        for chunk in column.chunks
        if len(chunk)
    ]
    flat = np.concatenate(parts) if parts else np.empty(0, "<u4")
    return flat.astype(np.uint32, copy=False).reshape(-1, width // 4)


def _find_kept_here(
    sources: Sequence[Source], num_known: int, settings: DedupSettings, write: Callable[..., dict[str, Any]]
) -> tuple[dict[str, dict[str, Any]], int]:
    """What near_dedup_buckets.find_kept does and returns, with all pages in memory."""
    read = [source.read() for source in sources]
    ids = [ident for part, _, _ in read for ident in part]
    lengths = np.concatenate([part for _, part, _ in read])
    values = np.concatenate([part for _, _, part in read])
    pages = np.arange(len(ids))
    kept = kept_pages(clusters_of(values, settings), values, np.maximum(num_known - pages, 0), lengths, ids, settings)
    written = {}
    for source in sources:
        if source.shard:
            of_source = kept[source.first : source.first + source.num_pages]
            written[source.shard] = write(source, of_source, [ids[page] for page in of_source.tolist()])
    return written, len(np.unique(kept[kept != pages]))


def _write_shard(
    source: Source,
    kept: np.ndarray,
    kept_ids: list[str],
    *,
    documents: Folder,
    out: Folder,
    num_known: int,
    sampled: int,
) -> dict[str, Any]:
    """Write the rows of a shard, given the page that is kept in each page's place and that page's id.

    Returns the counts num_rows, dropped (by reason) and a sample of dropped pages.
    """
    ids, _, values = source.read()
    is_kept = kept == np.arange(source.first, source.first + source.num_pages)
    is_earlier = kept < num_known
    file = documents / f"{source.shard}.parquet"
    columns = {
        "id": pa.array(ids, pa.string()),
        "cluster_id": pa.array(kept_ids, pa.string()),
        "is_kept": pa.array(is_kept),
        "is_of_earlier_crawl": pa.array(is_earlier),
        "signature": _pack(values),
    }
    urls = storage.read_table(file, ["url"])["url"]
    storage.write_table(out / f"{source.shard}.parquet", pa.table(columns).append_column("url", urls))
    reasons = [KNOWN_NEAR_DUPLICATE if earlier else NEAR_DUPLICATE for earlier in is_earlier.tolist()]
    entries = [
        {"id": ids[row], "url": "", "drop_reason": reasons[row], "kept_id": kept_ids[row], "row": row}
        for row in np.flatnonzero(~is_kept).tolist()
    ]
    dropped = Counter(entry["drop_reason"] for entry in entries)
    sample = []
    if chosen := smallest_ids(entries, sampled):
        texts = storage.read_table(file, ["text"])["text"]
        for entry in chosen:
            full = {**entry, "url": urls[entry["row"]].as_py()}
            sample.append(dropped_row(texts[entry["row"]].as_py(), full))
    counts = {reason: dropped[reason] for reason in (NEAR_DUPLICATE, KNOWN_NEAR_DUPLICATE)}
    return {"num_rows": source.num_pages, "dropped": counts, "sample": sample}


def of_earlier_crawls(near_duplicates: Folder) -> dict[str, str]:
    """Id -> id of the page kept of an earlier crawl, of all pages that were dropped for one."""
    table = storage.read_table(near_duplicates, ["id", "cluster_id", "is_of_earlier_crawl"])
    gone = table.filter(table["is_of_earlier_crawl"])
    return dict(zip(gone["id"].to_pylist(), gone["cluster_id"].to_pylist(), strict=True))
