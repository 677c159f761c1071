"""Drop short texts, repeated URLs and exact repetitions of a text over the whole crawl.

Section 2.1: Common Crawl "after URL-based deduplication"; near-duplicates are removed on the collected set
(`corpus/final.py`), because near-dedup over a whole crawl keeps the worse pages (FineWeb). Order: pages that an opt-out
list covers go first (optout_pages.py), as if they had never been there; then texts that are too short, so that an empty
newer copy never displaces a full page; then of each URL the newest page stays; then of each text the newest page stays.
Ties go to the smallest page id.

Reads and writes `records.DOCUMENT_SCHEMA`, one output shard for each input shard with the same name. Beside them
`dropped/sample.jsonl`: some dropped pages of every reason (id, url, drop_reason, kept_id, num_chars, text excerpt);
JSON lines, so that nothing that reads the folder's Parquet files ever takes a dropped page for a kept one.

The key columns (16 bytes of URL hash and of text hash, date, id) go through DuckDB, which spills to disk; texts are
read twice, shard by shard, and never shuffled.
"""

import functools
import hashlib
import itertools
import json
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from .. import storage
from ..compute import map_shards, workers_worth
from ..progress import SILENT, Progress
from ..recipe.schema import DedupSettings
from ..records import DOCUMENT_SCHEMA
from ..storage import Folder, Manifest
from . import minhash_kernel as kernel
from .minhash import Texts, utf8_buffers
from .optout_pages import opt_out_counts
from .urls import URL_VERSION, normalise_url

DEDUP_VERSION = f"2/url {URL_VERSION}"
"""Version of the rules below.

1 (2026-11): first version. 2 (2026-11): texts are compared as bytes, without Unicode normalisation.
"""

TOO_SHORT, DUPLICATE_URL, DUPLICATE_TEXT = "too_short", "duplicate_url", "duplicate_text"
DROP_REASONS = (TOO_SHORT, DUPLICATE_URL, DUPLICATE_TEXT)
OPTED_OUT = "opt_out"
"""Drop reason of pages that the opt-out list covers; counted where there are such pages, never sampled."""
EXCERPT_CHARS = 400
_ROWS_WORTH_A_POOL = 20_000
"""Documents for which starting processes, twice, takes less time than it saves."""


def deduplicate(
    documents: Folder,
    out: Folder,
    settings: DedupSettings,
    *,
    opted_out: Folder | None = None,
    workers: int = 1,
    progress: Progress = SILENT,
    force: bool = False,
) -> Manifest:
    """Write the artifact `unique_documents`: of every URL and every text one page, nothing too short.

    `documents` is the extraction's artifact. Counts: `num_read`, `num_kept`, `dropped` by reason; they add up. The
    result does not depend on `workers`. Near-dedup settings are not used here and do not change the key.
    `opted_out` is the artifact `opt_out`: the pages in it are dropped, and only which pages these are changes the key.
    The count `opt_out` says what was left out so far at the wish of owners.

    Raises ArtifactError when `documents` is missing or unfinished.
    """
    used = settings.model_dump(include={"min_text_chars", "num_sampled_drops"})
    found = storage.read_manifest(opted_out) if opted_out is not None else None
    inputs: dict[str, Folder | str] = {"documents": documents}
    if found and found.counts["pages_key"]:
        inputs[OPTED_OUT] = found.counts["pages_key"]
    else:
        opted_out = None
    with storage.stage(out, "unique_documents", DEDUP_VERSION, used, inputs, force=force) as run:
        if run.artifact:
            read = storage.read_manifest(documents)
            workers = workers_worth(read.num_rows, workers, _ROWS_WORTH_A_POOL)
            _write_unique(documents, run.artifact, settings, opted_out, workers, progress)
            if found or "opt_out" in read.settings:
                run.artifact.counts["opt_out"] = opt_out_counts(read, found)
    assert run.manifest is not None
    return run.manifest


def _write_unique(
    documents: Folder,
    artifact: storage.Artifact,
    settings: DedupSettings,
    opted_out: Folder | None,
    workers: int,
    progress: Progress,
) -> None:
    shards = [file.stem for file in storage.parquet_files(documents)]
    keys = artifact.path / "_keys"
    read = functools.partial(_write_keys, documents=documents, opted_out=opted_out, out=keys, key=artifact.key)
    map_shards(read, shards, workers=workers, what="dedup keys", progress=progress)
    write_decisions(keys, shards, settings.min_text_chars)
    write = functools.partial(
        _write_kept, documents=documents, out=artifact.path, key=artifact.key, num_sampled=settings.num_sampled_drops
    )
    results = map_shards(write, shards, workers=workers, what="unique documents", progress=progress)
    for shard, counts in zip(shards, results, strict=True):
        artifact.add_shard(shard, counts)
    reasons = (*DROP_REASONS, OPTED_OUT) if opted_out is not None else DROP_REASONS
    dropped = {reason: sum(c["dropped"].get(reason, 0) for c in results) for reason in reasons}
    artifact.counts |= {
        "num_read": sum(c["num_read"] for c in results),
        "num_kept": artifact.num_rows,
        "dropped": dropped,
    }
    sample = [row for counts in results for row in counts["sample"]]
    write_dropped_sample(artifact, sample, settings.num_sampled_drops)
    storage.remove(keys)
    progress.log(f"kept {artifact.num_rows:,} of {artifact.counts['num_read']:,} documents; dropped {dropped}")


def write_dropped_sample(artifact: storage.Artifact, rows: Iterable[Mapping[str, Any]], num_sampled: int) -> None:
    """Write `dropped/sample.jsonl`: of every `drop_reason` the `num_sampled` rows with the smallest ids.

    Ids are hashes, so the smallest ones are a random sample that is the same in every run.
    """
    chosen = smallest_ids(rows, num_sampled)
    text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in chosen)
    storage.write_bytes(artifact.path / "dropped" / "sample.jsonl", text.encode("utf-8", "surrogatepass"))


def smallest_ids(rows: Iterable[Mapping[str, Any]], count: int) -> list[Mapping[str, Any]]:
    """Of every `drop_reason` the `count` rows with the smallest `id`, ordered by reason and id."""
    ordered = sorted(rows, key=lambda row: (row["drop_reason"], row["id"], row["url"]))
    taken: dict[str, int] = {}
    chosen = []
    for row in ordered:
        taken[row["drop_reason"]] = taken.get(row["drop_reason"], 0) + 1
        if taken[row["drop_reason"]] <= count:
            chosen.append(row)
    return chosen


def _write_keys(shard: str, *, documents: Folder, opted_out: Folder | None, out: Folder, key: str) -> None:
    if storage.finished_shard(out, shard, key):
        return
    left_out = pa.array([], pa.string())
    if opted_out is not None:
        left_out = storage.read_table(opted_out / f"{shard}.parquet", ["id"])["id"].combine_chunks()
    table = storage.read_table(documents / f"{shard}.parquet", ["id", "url", "date", "text"])
    num_rows, urls = table.num_rows, table["url"].to_pylist()
    keys = pa.table(
        {
            "shard": pa.array([shard] * num_rows, pa.string()),
            "row": pa.array(range(num_rows), pa.int64()),
            "id": table["id"],
            "is_opted_out": pc.is_in(table["id"], value_set=left_out),
            "date": pa.array([date or "" for date in table["date"].to_pylist()], pa.string()),
            "num_chars": pc.utf8_length(table["text"]).cast(pa.int64()),
            "url_hash": pa.array([_hash(normalise_url(url)) for url in urls], pa.binary(16)),
            "text_hash": pa.array(text_keys(table["text"]), pa.binary(16)),
        }
    )
    storage.commit_shard(out, shard, key, keys, {})


def text_keys(texts: Texts) -> list[bytes]:
    """16 bytes for every text, the same for two texts that differ in ASCII case and white space alone.

    BLAKE2b of the UTF-8 bytes with A to Z in lower case and every run of white space and control characters as one
    space. Composed and decomposed letters, full-width forms and capitals beyond ASCII stay different; near-dedup
    (`corpus/minhash.py`) takes them for the same.
    """
    keys = []
    for data, bounds in utf8_buffers(texts):
        plain = np.empty(int(bounds[-1] - bounds[0]), np.uint8)
        ends = np.empty(len(bounds), np.int64)
        kernel.write_plain(data, bounds, plain, ends)
        places, view = ends.tolist(), plain.data
        for start, end in itertools.pairwise(places):
            keys.append(hashlib.blake2b(view[start:end], digest_size=16).digest())
    return keys


def _hash(text: str) -> bytes:
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()


_DECIDE = """
with long as (select * from keys where num_chars >= $min_chars and not is_opted_out),
urls as (
    select *, first_value(id) over w as kept_id, row_number() over w as place from long
    window w as (partition by url_hash order by date desc, id, shard, row)
),
texts as (
    select * exclude (kept_id, place), first_value(id) over w as kept_id, row_number() over w as place
    from urls where place = 1
    window w as (partition by text_hash order by date desc, id, shard, row)
)
select shard, row, 'too_short' as reason, '' as kept_id from keys
    where num_chars < $min_chars and not is_opted_out
union all select shard, row, 'opt_out', '' from keys where is_opted_out
union all select shard, row, 'duplicate_url', kept_id from urls where place > 1
union all select shard, row, 'duplicate_text', kept_id from texts where place > 1
order by shard, row
"""


def write_decisions(keys: Folder, shards: list[str], min_chars: int) -> None:
    """Write `decisions/<shard>.parquet` (row, reason, kept_id) beside the key files: every row that is dropped."""
    import duckdb
    import pyarrow.dataset as ds

    paths = [keys / f"{shard}.parquet" for shard in shards]
    filesystem = getattr(keys, "fs", None)
    source = ds.dataset([str(getattr(p, "path", p)) for p in paths], format="parquet", filesystem=filesystem)
    with tempfile.TemporaryDirectory() as spill, duckdb.connect() as connection:
        connection.execute(f"set temp_directory = '{Path(spill).as_posix()}'")
        connection.register("keys", source)
        found = connection.sql(_DECIDE, params={"min_chars": min_chars}).to_arrow_table()
    bounds = _shard_bounds(found["shard"].to_pylist())
    for shard in shards:
        start, end = bounds.get(shard, (0, 0))
        storage.write_table(keys / "decisions" / f"{shard}.parquet", found.slice(start, end - start))


def _shard_bounds(names: list[str]) -> dict[str, tuple[int, int]]:
    bounds: dict[str, tuple[int, int]] = {}
    for row, name in enumerate(names):
        bounds[name] = (bounds.get(name, (row, row))[0], row + 1)
    return bounds


def _write_kept(shard: str, *, documents: Folder, out: Folder, key: str, num_sampled: int) -> dict[str, Any]:
    done = storage.finished_shard(out, shard, key)
    if done is not None:
        return done
    table = storage.read_table(documents / f"{shard}.parquet", DOCUMENT_SCHEMA.names)
    decisions = storage.read_table(out / "_keys" / "decisions" / f"{shard}.parquet").to_pylist()
    mask = [True] * table.num_rows
    dropped = dict.fromkeys(DROP_REASONS, 0)
    rows = []
    ids, urls = table["id"].to_pylist(), table["url"].to_pylist()
    for decision in decisions:
        row, reason = decision["row"], decision["reason"]
        mask[row] = False
        dropped[reason] = dropped.get(reason, 0) + 1
        if reason == OPTED_OUT:
            continue
        entry = {"id": ids[row], "url": urls[row], "drop_reason": reason, "kept_id": decision["kept_id"], "row": row}
        rows.append(entry)
    sample = [dropped_row(table["text"][entry["row"]].as_py(), entry) for entry in smallest_ids(rows, num_sampled)]
    kept = table.filter(pa.array(mask, pa.bool_())).cast(DOCUMENT_SCHEMA)
    counts = {"num_read": table.num_rows, "dropped": dropped, "sample": sample}
    return storage.commit_shard(out, shard, key, kept, counts)


def dropped_row(text: str, entry: Mapping[str, Any]) -> dict[str, Any]:
    """A row of the dropped sample: the entry without its row number, with length and beginning of the text."""
    plain = {name: value for name, value in entry.items() if name != "row"}
    return {**plain, "num_chars": len(text), "text": text[:EXCERPT_CHARS]}
