"""Collect the best documents up to a token budget, without sorting the crawl (section 2.1, step "rank").

Two passes over the score sidecars, each shard by itself. The first adds up tokens in a histogram over logits; the
merged histogram names the bin in which the budget ends, and the second looks at that bin's rows one by one. The result
equals a full sort by logit, highest first, ties by page id, cut before the first document that does not fit. Documents
below `min_score` are never collected.

Writes the artifact `collected`: records.SCORE_SCHEMA, one Parquet file per score sidecar.
"""

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from .. import storage
from ..compute import map_shards, num_slots, workers_worth
from ..progress import SILENT, Progress
from ..recipe.schema import RankingSettings
from ..storage import Folder, Manifest

RANKING_VERSION = "2"
NUM_BINS = 65_536
_LARGEST_LOGIT = 64.0
"""Bins are equally wide from minus to plus this value; logits beyond it share the outermost bins."""


@dataclass(frozen=True)
class Cut:
    """A document is collected when its logit is above `logit`, or equal and its id is at most `last_id`."""

    logit: float
    last_id: str
    is_budget_reached: bool


def collect(
    scores: Folder,
    out: Folder,
    settings: RankingSettings,
    *,
    previous: Folder | None = None,
    workers: int = 1,
    progress: Progress = SILENT,
    force: bool = False,
) -> Manifest:
    """Write the artifact `collected`; `previous` is the one of the iteration before (None in the first).

    Counts: `num_pages`, `num_tokens`, `cut_logit`, `is_budget_reached`, and how much of this iteration was already in
    the previous one: `already_collected_pages_share`, `already_collected_tokens_share` (0-1; 0 in the first iteration).
    A killed run goes on shard by shard.
    """
    inputs: dict[str, Folder | str] = {"scores": scores}
    if previous:
        inputs["previous"] = previous
    with storage.stage(out, "collected", RANKING_VERSION, settings, inputs, force=force) as run:
        if run.artifact:
            workers = workers_worth(storage.read_manifest(scores).num_rows, workers)
            files = storage.parquet_files(scores)
            cut = find_cut(files, settings, workers=workers, progress=progress)
            write = functools.partial(_write_shard, cut=cut, out=out, key=run.artifact.key, previous=previous)
            shards = map_shards(write, files, workers=workers, what="collect", progress=progress)
            for file, counts in zip(files, shards, strict=True):
                run.artifact.add_shard(file.stem, counts)
            pages, tokens, known_pages, known_tokens = np.sum([s["totals"] for s in shards], axis=0).tolist()
            run.artifact.counts |= {
                "num_pages": pages,
                "num_tokens": tokens,
                "cut_logit": cut.logit,
                "is_budget_reached": cut.is_budget_reached,
                "already_collected_pages_share": known_pages / max(pages, 1),
                "already_collected_tokens_share": known_tokens / max(tokens, 1),
            }
            progress.log(f"collected {pages:,} pages, {tokens:,} tokens")
    assert run.manifest is not None
    return run.manifest


def find_cut(
    files: Sequence[Folder],
    settings: RankingSettings,
    num_bins: int = NUM_BINS,
    *,
    workers: int = 1,
    progress: Progress = SILENT,
) -> Cut:
    """Where the ranking ends. `files` are score sidecars."""
    lowest = score_to_logit(settings.min_score)
    # A histogram for a group of files, not for each: what comes back is half a megabyte.
    num_groups = min(len(files), 4 * num_slots(workers))
    groups = [list(files[i::num_groups]) for i in range(num_groups)]
    count = functools.partial(_histogram, lowest=lowest, num_bins=num_bins)
    tokens = np.zeros(num_bins, np.int64)
    for histogram in map_shards(count, groups, workers=workers, what="rank", progress=progress):
        tokens += histogram
    above = np.cumsum(tokens[::-1])[::-1]  # tokens in this bin and all better ones
    if above[0] <= settings.token_budget:
        return Cut(lowest, "\U0010ffff", False)
    boundary = int(np.flatnonzero(above > settings.token_budget)[-1])
    pick = functools.partial(_rows_in_bin, lowest=lowest, num_bins=num_bins, boundary=boundary)
    rows = [row for part in map_shards(pick, groups, workers=workers, progress=progress) for row in part]
    return _cut_among(rows, settings.token_budget - int(above[boundary] - tokens[boundary]))


def score_to_logit(score: float) -> float:
    """The logit of a probability; minus or plus infinity at 0 and 1."""
    if score <= 0 or score >= 1:
        return -math.inf if score <= 0 else math.inf
    return math.log(score / (1 - score))


def _histogram(files: Sequence[Folder], *, lowest: float, num_bins: int) -> np.ndarray:
    """Tokens of the documents in each bin (int64 [num_bins])."""
    tokens = np.zeros(num_bins, np.int64)
    for file in files:
        logits, _, sizes = _rows(file, lowest, with_ids=False)
        np.add.at(tokens, _bins(logits, num_bins), sizes)
    return tokens


def _bins(logits: np.ndarray, num_bins: int) -> np.ndarray:
    places = (logits + _LARGEST_LOGIT) * (num_bins / (2 * _LARGEST_LOGIT))
    return np.clip(places, 0, num_bins - 1).astype(np.int64)


def _rows(
    file: Folder, lowest: float, *, with_ids: bool = True
) -> tuple[np.ndarray, pa.ChunkedArray | None, np.ndarray]:
    """Logits, ids and tokens of the documents that may be collected at all."""
    table = storage.read_table(file, ["logit", "num_tokens", *(["id"] if with_ids else [])])
    table = table.filter(pc.greater_equal(table["logit"], lowest))
    return table["logit"].to_numpy(), table["id"] if with_ids else None, table["num_tokens"].to_numpy()


def _rows_in_bin(
    files: Sequence[Folder], *, lowest: float, num_bins: int, boundary: int
) -> list[tuple[float, str, int]]:
    """Negative logit, id and tokens of the documents in one bin."""
    found = []
    for file in files:
        logits, ids, sizes = _rows(file, lowest)
        assert ids is not None
        for row in np.flatnonzero(_bins(logits, num_bins) == boundary).tolist():
            found.append((-float(logits[row]), ids[row].as_py(), int(sizes[row])))
    return found


def _cut_among(rows: list[tuple[float, str, int]], budget: int) -> Cut:
    """Rank the rows of the boundary bin and stop before the first that does not fit into what is left."""
    last = None
    for negative_logit, ident, size in sorted(rows):
        budget -= size
        if budget < 0:
            break
        last = Cut(-negative_logit, ident, True)
    best = -min(rows)[0]
    return last or Cut(best, "", True)  # nothing of the bin fits: ids are never empty, so this cuts above its best row


def _write_shard(file: Folder, *, cut: Cut, out: Folder, key: str, previous: Folder | None) -> dict[str, Any]:
    """Write what is collected of one sidecar; `totals`: see _totals."""
    done = storage.finished_shard(out, file.stem, key)
    if done is not None:
        return done
    table = storage.read_table(file)
    ties = pc.and_(pc.equal(table["logit"], cut.logit), pc.less_equal(table["id"], cut.last_id))
    table = table.filter(pc.or_(pc.greater(table["logit"], cut.logit), ties))
    return storage.commit_shard(out, file.stem, key, table, {"totals": _totals(table, previous, file.name)})


def _totals(table: pa.Table, previous: Folder | None, shard: str) -> list[int]:
    """Pages, tokens, pages collected before, tokens collected before. Shards of one name hold the same pages."""
    sizes = table["num_tokens"].to_numpy()
    known = np.zeros(len(sizes), bool)
    if previous is not None and (previous / shard).exists():
        before = storage.read_table(previous / shard, ["id"])["id"].combine_chunks()
        known = pc.is_in(table["id"], value_set=before).to_numpy()
    return [len(sizes), int(sizes.sum()), int(known.sum()), int(sizes[known].sum())]
