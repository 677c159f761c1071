"""The documents of a new crawl that may join a corpus: good enough by its classifier, and not there yet.

Two passes: the first, shard by shard, keeps the documents whose log-odds reach the cut and computes the keys of their
URLs and texts; the second drops those that the corpus so far knows. The page that is in the corpus stays, although the
new one is newer: nothing old is rewritten. A page that was read earlier but not collected is no part of the corpus; it
is scored anew, as its text may have changed.

Writes the artifact `new_documents`: records.DOCUMENT_SCHEMA and logit, score; one file for each shard of documents.
`dropped/sample.jsonl`: some of the pages that are known, by reason. Section 2.1 (deduplication, ranking); the
paper says nothing of crawls that come later.
"""

import functools
from collections.abc import Mapping
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from .. import storage
from ..compute import map_shards, workers_worth
from ..progress import SILENT, Progress
from ..records import DOCUMENT_SCHEMA, SCORE_SCHEMA
from ..storage import ArtifactError, Folder, Manifest
from .corpus_index import INDEX_VERSION, known_keys, url_keys
from .dedup import dropped_row, smallest_ids, text_keys, write_dropped_sample

NEW_DOCUMENTS_VERSION = f"1/{INDEX_VERSION}"
"""1 (2026-11): first version."""

BELOW_CUT, KNOWN_URL, KNOWN_TEXT = "below_cut", "url_in_corpus", "text_in_corpus"
NEW_DOCUMENTS_SCHEMA = pa.schema([*DOCUMENT_SCHEMA, SCORE_SCHEMA.field("logit"), SCORE_SCHEMA.field("score")])


def select_new_documents(
    documents: Folder,
    scores: Folder,
    out: Folder,
    known: Mapping[str, Folder],
    *,
    cut_logit: float,
    num_sampled: int = 100,
    workers: int = 1,
    progress: Progress = SILENT,
) -> Manifest:
    """Write the artifact `new_documents`.

    `documents` are unique among themselves and `scores` their sidecars; `known` names the parts of the corpus so
    far and their `corpus_index` artifacts. A document joins when its logit is at least `cut_logit`. Counts:
    `num_scored`, `num_kept`, `dropped` by reason (they add up), `cut_logit`, `compared_with` (part -> key of
    its index).

    Raises ArtifactError when an input is missing or unfinished, or when a document has no score.
    """
    used = {"cut_logit": cut_logit, "num_sampled": num_sampled}
    inputs: dict[str, Folder | str] = {"documents": documents, "scores": scores}
    inputs |= {f"known {name}": path for name, path in known.items()}
    with storage.stage(out, "new_documents", NEW_DOCUMENTS_VERSION, used, inputs) as run:
        if run.artifact:
            shards = [file.stem for file in storage.parquet_files(documents)]
            select = functools.partial(
                _select_shard, documents=documents, scores=scores, out=out / "_selected", cut_logit=cut_logit,
                key=run.artifact.key,
            )  # fmt: skip
            workers = workers_worth(storage.read_manifest(documents).num_rows, workers)
            scored = map_shards(select, shards, workers=workers, what="documents above the cut", progress=progress)
            _write_unknown(run.artifact, shards, known, num_sampled)
            dropped = run.artifact.counts["dropped"]
            dropped[BELOW_CUT] = sum(scored) - run.artifact.num_rows - sum(dropped.values())
            run.artifact.counts |= {
                "num_scored": sum(scored),
                "num_kept": run.artifact.num_rows,
                "cut_logit": cut_logit,
                "compared_with": {name: storage.read_manifest(path).key for name, path in known.items()},
            }
            read = storage.read_manifest(documents).counts
            run.artifact.counts |= {name: read[name] for name in ("opt_out",) if name in read}
            storage.remove(out / "_selected")
            progress.log(f"{run.artifact.num_rows:,} of {sum(scored):,} documents are new; dropped {dropped}")
    assert run.manifest is not None
    return run.manifest


def _select_shard(shard: str, *, documents: Folder, scores: Folder, out: Folder, cut_logit: float, key: str) -> int:
    """Write the documents of a shard above the cut, with their keys. Returns how many were scored."""
    if done := storage.finished_shard(out, shard, key):
        return done["num_scored"]
    sidecar = storage.read_table(scores / f"{shard}.parquet", ["id", "logit", "score"])
    above = sidecar.filter(pc.greater_equal(sidecar["logit"], cut_logit))
    table = storage.read_table(documents / f"{shard}.parquet", DOCUMENT_SCHEMA.names)
    if table.num_rows != sidecar.num_rows:
        raise ArtifactError(
            f"{documents / shard} has {table.num_rows} documents and {sidecar.num_rows} scores: score them again"
        )
    at = pc.index_in(table["id"], value_set=above["id"].combine_chunks())
    table, at = table.filter(pc.is_valid(at)), pc.drop_null(at)
    for name in ("logit", "score"):
        table = table.append_column(name, above[name].take(at))
    keys = {"url_key": url_keys(table["url"].to_pylist()), "text_key": text_keys(table["text"])}
    for name, values in keys.items():
        table = table.append_column(name, pa.array(values, pa.binary(16)))
    storage.commit_shard(out, shard, key, table, {"num_scored": sidecar.num_rows})
    return sidecar.num_rows


def _write_unknown(
    artifact: storage.Artifact, shards: list[str], known: Mapping[str, Folder], num_sampled: int
) -> None:
    """Write the selected documents without those that the corpus knows, and count these."""
    keys = known_keys(known.values())
    dropped = {KNOWN_URL: 0, KNOWN_TEXT: 0}
    sample: list[Any] = []
    for shard in shards:
        table = storage.read_table(artifact.path / "_selected" / f"{shard}.parquet")
        reasons = [
            KNOWN_URL if url in keys.urls else KNOWN_TEXT if text in keys.texts else ""
            for url, text in zip(table["url_key"].to_pylist(), table["text_key"].to_pylist(), strict=True)
        ]
        for row, reason in enumerate(reasons):
            if reason:
                dropped[reason] += 1
                entry = {"id": table["id"][row].as_py(), "url": table["url"][row].as_py(), "drop_reason": reason}
                sample.append(dropped_row(table["text"][row].as_py(), entry))
        sample = list(smallest_ids(sample, num_sampled))
        kept = table.filter(pa.array([not reason for reason in reasons], pa.bool_()))
        artifact.write_table(f"{shard}.parquet", kept.select(NEW_DOCUMENTS_SCHEMA.names).cast(NEW_DOCUMENTS_SCHEMA))
    artifact.counts["dropped"] = dropped
    write_dropped_sample(artifact, sample, num_sampled)
