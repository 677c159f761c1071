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
Memory: about 600 bytes for each page of this crawl and each page kept of an earlier one.
"""

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from .. import storage
from ..compute import map_shards
from ..progress import SILENT, Progress
from ..recipe.schema import DedupSettings
from ..storage import ArtifactError, Folder, Manifest
from .dedup import dropped_row, smallest_ids, write_dropped_sample
from .minhash import MINHASH_VERSION, clusters_of, kept_pages, signatures

NEAR_DEDUP_VERSION = f"2/minhash {MINHASH_VERSION}"
"""Version of the rules above. 1 (2026-11): first version. 2 (2026-11): with URL and whether the kept page is of an
earlier crawl."""

NEAR_DUPLICATE, KNOWN_NEAR_DUPLICATE = "near_duplicate", "near_duplicate_of_earlier_crawl"
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


@dataclass
class _Pages:
    """The pages to compare, those of earlier crawls first."""

    ids: list[str]
    num_known: int
    lengths: list[int]
    """Characters; 0 for pages of earlier crawls."""
    signatures: np.ndarray
    bounds: list[int]
    """Where each shard of this crawl starts, and the end."""


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
    map_shards(sign, shards, workers=workers, what="signatures", progress=progress)
    pages = _read_pages(work, shards, known)
    clusters = clusters_of(pages.signatures, settings)
    first_known = [pages.num_known - page for page in range(pages.num_known)]
    scores = first_known + [0] * (len(pages.ids) - pages.num_known)
    kept = kept_pages(clusters, pages.signatures, scores, pages.lengths, pages.ids, settings)
    for number, shard in enumerate(shards):
        start, end = pages.bounds[number : number + 2]
        urls = storage.read_table(documents / f"{shard}.parquet", ["url"])["url"]
        artifact.write_table(f"{shard}.parquet", _rows(pages, kept, start, end).append_column("url", urls))
    _write_counts(documents, shards, artifact, settings, pages, kept)
    storage.remove(work)
    counts = artifact.counts
    progress.log(f"kept {counts['num_kept']:,} of {counts['num_read']:,} documents; dropped {counts['dropped']}")


def _sign_shard(shard: str, *, documents: Folder, out: Folder, key: str, settings: DedupSettings) -> None:
    if storage.finished_shard(out, shard, key):
        return
    table = storage.read_table(documents / f"{shard}.parquet", ["id", "text"])
    lengths = pc.utf8_length(table["text"]).cast(pa.int64())
    values = _pack(signatures(table["text"], settings))
    storage.commit_shard(out, shard, key, pa.table({"id": table["id"], "num_chars": lengths, "signature": values}), {})


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


def _read_pages(work: Folder, shards: Sequence[str], known: Sequence[Folder]) -> _Pages:
    ids: list[str] = []
    parts = []
    for path in known:
        table = storage.read_table(path, ["id", "is_kept", "signature"])
        table = table.filter(table["is_kept"])
        ids += table["id"].to_pylist()
        parts.append(_unpack(table["signature"]))
    num_known, bounds = len(ids), [len(ids)]
    lengths = [0] * num_known
    for shard in shards:
        table = storage.read_table(work / f"{shard}.parquet")
        ids += table["id"].to_pylist()
        lengths += table["num_chars"].to_pylist()
        parts.append(_unpack(table["signature"]))
        bounds.append(len(ids))
    return _Pages(ids, num_known, lengths, np.concatenate(parts), bounds)


def _rows(pages: _Pages, kept: np.ndarray, start: int, end: int) -> pa.Table:
    """The artifact's rows of the pages `start` to `end` - 1."""
    return pa.table(
        {
            "id": pa.array(pages.ids[start:end], pa.string()),
            "cluster_id": pa.array([pages.ids[page] for page in kept[start:end].tolist()], pa.string()),
            "is_kept": pa.array(kept[start:end] == np.arange(start, end)),
            "is_of_earlier_crawl": pa.array(kept[start:end] < pages.num_known),
            "signature": _pack(pages.signatures[start:end]),
        }
    )


def _write_counts(
    documents: Folder,
    shards: Sequence[str],
    artifact: storage.Artifact,
    settings: DedupSettings,
    pages: _Pages,
    kept: np.ndarray,
) -> None:
    """Counts of the manifest and the sample of dropped pages."""
    dropped = {NEAR_DUPLICATE: 0, KNOWN_NEAR_DUPLICATE: 0}
    sample: list[Any] = []
    for number, shard in enumerate(shards):
        start, end = pages.bounds[number : number + 2]
        entries = []
        for page in (np.flatnonzero(kept[start:end] != np.arange(start, end)) + start).tolist():
            reason = KNOWN_NEAR_DUPLICATE if kept[page] < pages.num_known else NEAR_DUPLICATE
            dropped[reason] += 1
            kept_id = pages.ids[kept[page]]
            entries.append(
                {"id": pages.ids[page], "url": "", "drop_reason": reason, "kept_id": kept_id, "row": page - start}
            )
        chosen = smallest_ids(entries, settings.num_sampled_drops)
        if chosen:
            table = storage.read_table(documents / f"{shard}.parquet", ["url", "text"])
            for entry in chosen:
                url = table["url"][entry["row"]].as_py()
                sample.append(dropped_row(table["text"][entry["row"]].as_py(), {**entry, "url": url}))
    write_dropped_sample(artifact, sample, settings.num_sampled_drops)
    num_read = len(pages.ids) - pages.num_known
    artifact.counts |= {
        "num_read": num_read,
        "num_kept": num_read - sum(dropped.values()),
        "dropped": dropped,
        "num_known": pages.num_known,
        "num_clusters": len(np.unique(kept[kept != np.arange(len(kept))])),
    }


def of_earlier_crawls(near_duplicates: Folder) -> dict[str, str]:
    """Id -> id of the page kept of an earlier crawl, of all pages that were dropped for one."""
    table = storage.read_table(near_duplicates, ["id", "cluster_id", "is_of_earlier_crawl"])
    gone = table.filter(table["is_of_earlier_crawl"])
    return dict(zip(gone["id"].to_pylist(), gone["cluster_id"].to_pylist(), strict=True))
