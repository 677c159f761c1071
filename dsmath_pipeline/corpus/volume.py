"""The volume experiment: the same ranking cut at several token budgets (section 2.1).

The paper pretrained on the best 40, 80, 120 and 160 B tokens of iteration 1's ranking and kept 40 B. No page is left
out for its score here: how far down a budget reaches is what the experiment shows.

Writes one artifact `collected` for each budget; see ranking.py.
"""

from collections.abc import Sequence
from typing import Any

from .. import storage
from ..progress import SILENT, Progress
from ..recipe.schema import RankingSettings
from ..storage import Folder, Manifest
from .ranking import collect

UNITS = (("B", 10**9), ("M", 10**6), ("K", 10**3))


def budget_name(tokens: int) -> str:
    """A budget as folders and partitions are named.

    >>> budget_name(40_000_000_000), budget_name(1_500), budget_name(7)
    ('40B', '1500', '7')
    """
    return next((f"{tokens // size}{unit}" for unit, size in UNITS if tokens % size == 0), str(tokens))


def collect_volume(
    scores: Folder,
    out: Folder,
    token_budget: int,
    *,
    workers: int = 1,
    progress: Progress = SILENT,
    force: bool = False,
) -> Manifest:
    """The best documents of a ranking up to `token_budget` tokens, whatever their score."""
    settings = RankingSettings(token_budget=token_budget, min_score=0.0)
    return collect(scores, out, settings, workers=workers, progress=progress, force=force)


def volume_rows(folders: Sequence[tuple[str, Folder]]) -> list[dict[str, Any]]:
    """One row for each finished budget: pages, tokens, domains, and the score (0-1) at which it ends."""
    rows = []
    for name, path in folders:
        if not (path / storage.MANIFEST).exists():
            continue
        counts = storage.read_manifest(path).counts
        table = storage.read_table(path, ["domain", "score"])
        rows.append({
            "budget": name, "num_pages": counts["num_pages"], "num_tokens": counts["num_tokens"],
            "num_domains": len(set(table["domain"].to_pylist())),
            "lowest_score": min(table["score"].to_pylist(), default=0.0),
            "is_budget_reached": counts["is_budget_reached"],
        })  # fmt: skip
    return rows
