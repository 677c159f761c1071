"""Collect the best documents up to a token budget, without sorting the crawl (section 2.1, step "rank").

Two passes over the score sidecars. The first adds up tokens in a histogram over logits and finds the bin in which the
budget ends; the second looks at that bin's rows one by one. The result equals a full sort by logit, highest first, ties
by page id, cut before the first document that does not fit. Documents below `min_score` are never collected.

Writes the artifact `collected`: records.SCORE_SCHEMA, one Parquet file per score sidecar.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from .. import storage
from ..progress import SILENT, Progress
from ..recipe.schema import RankingSettings
from ..storage import Folder, Manifest

RANKING_VERSION = "1"
NUM_BINS = 65_536


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
    progress: Progress = SILENT,
    force: bool = False,
) -> Manifest:
    """Write the artifact `collected`; `previous` is the one of the iteration before (None in the first).

    Counts: `num_pages`, `num_tokens`, `cut_logit`, `is_budget_reached`, and how much of this iteration was already in
    the previous one: `already_collected_pages_share`, `already_collected_tokens_share` (0-1; 0 in the first iteration).
    """
    inputs: dict[str, Folder | str] = {"scores": scores}
    if previous:
        inputs["previous"] = previous
    with storage.stage(out, "collected", RANKING_VERSION, settings, inputs, force=force) as run:
        if run.artifact:
            files = storage.parquet_files(scores)
            cut = find_cut(files, settings)
            before = storage.read_table(previous, ["id"])["id"].combine_chunks() if previous else None
            totals = np.zeros(4, np.int64)
            for done, file in enumerate(files, 1):
                table = _above_cut(file, cut)
                run.artifact.write_table(file.name, table)
                totals += _totals(table, before)
                progress.update("collect", done, len(files))
            pages, tokens, known_pages, known_tokens = totals.tolist()
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


def find_cut(files: Sequence[Folder], settings: RankingSettings, num_bins: int = NUM_BINS) -> Cut:
    """Where the ranking ends. `files` are score sidecars."""
    lowest = score_to_logit(settings.min_score)
    edges = _bin_edges(files, lowest, num_bins)
    tokens = np.zeros(num_bins, np.int64)
    for file in files:
        logits, _, sizes = _rows(file, lowest, with_ids=False)
        np.add.at(tokens, _bins(logits, edges), sizes)
    above = np.cumsum(tokens[::-1])[::-1]  # tokens in this bin and all better ones
    if above[0] <= settings.token_budget:
        return Cut(lowest, "\U0010ffff", False)
    boundary = int(np.flatnonzero(above > settings.token_budget)[-1])
    budget = settings.token_budget - int(above[boundary] - tokens[boundary])
    return _cut_in_bin(files, lowest, edges, boundary, budget)


def score_to_logit(score: float) -> float:
    """The logit of a probability; minus or plus infinity at 0 and 1."""
    if score <= 0 or score >= 1:
        return -math.inf if score <= 0 else math.inf
    return math.log(score / (1 - score))


def _bin_edges(files: Sequence[Folder], lowest: float, num_bins: int) -> np.ndarray:
    low, high = math.inf, -math.inf
    for file in files:
        logits, _, _ = _rows(file, lowest, with_ids=False)
        if len(logits):
            low, high = min(low, float(logits.min())), max(high, float(logits.max()))
    return np.linspace(low, high, num_bins + 1)[1:-1] if low < high else np.full(num_bins - 1, high)


def _bins(logits: np.ndarray, edges: np.ndarray) -> np.ndarray:
    return np.searchsorted(edges, logits, side="right")


def _rows(file: Folder, lowest: float, *, with_ids: bool = True) -> tuple[np.ndarray, list[str], np.ndarray]:
    """Logits, ids and tokens of the documents that may be collected at all."""
    table = storage.read_table(file, ["logit", "num_tokens", *(["id"] if with_ids else [])])
    table = table.filter(pc.greater_equal(table["logit"], lowest))
    ids = table["id"].to_pylist() if with_ids else []
    return table["logit"].to_numpy(), ids, table["num_tokens"].to_numpy()


def _cut_in_bin(files: Sequence[Folder], lowest: float, edges: np.ndarray, boundary: int, budget: int) -> Cut:
    """Rank the rows of the boundary bin and stop before the first that does not fit into what is left."""
    found = []
    for file in files:
        logits, ids, sizes = _rows(file, lowest)
        for row in np.flatnonzero(_bins(logits, edges) == boundary).tolist():
            found.append((-float(logits[row]), ids[row], int(sizes[row])))
    last = None
    for negative_logit, ident, size in sorted(found):
        budget -= size
        if budget < 0:
            break
        last = Cut(-negative_logit, ident, True)
    best = -min(found)[0]
    return last or Cut(best, "", True)  # nothing of the bin fits: ids are never empty, so this cuts above its best row


def _above_cut(file: Folder, cut: Cut) -> pa.Table:
    table = storage.read_table(file)
    ties = pc.and_(pc.equal(table["logit"], cut.logit), pc.less_equal(table["id"], cut.last_id))
    return table.filter(pc.or_(pc.greater(table["logit"], cut.logit), ties))


def _totals(table: pa.Table, before: pa.Array | None) -> np.ndarray:
    """Pages, tokens, pages collected before, tokens collected before."""
    sizes = table["num_tokens"].to_numpy()
    known = np.zeros(len(sizes), bool)
    if before is not None:
        known = pc.is_in(table["id"], value_set=before).to_numpy()
    return np.array([len(sizes), sizes.sum(), known.sum(), sizes[known].sum()], np.int64)
