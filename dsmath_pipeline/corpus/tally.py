"""Figures of the corpus as it is written: pages and tokens by language, iteration and domain, and what was dropped."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

from .dedup import dropped_row, smallest_ids

NEAR_DUPLICATE, CONTAMINATED = "near_duplicate", "contaminated"


class Tally:
    """Sums over the pages that are kept, and a sample of those that are not."""

    def __init__(self, num_sampled: int):
        self.num_tokens = self.num_segments_dropped = self.num_documents_cut = 0
        self.pages: dict[str, Counter] = {name: Counter() for name in ("languages", "iterations", "top_domains")}
        self.tokens: dict[str, Counter] = {name: Counter() for name in self.pages}
        self.dropped: Counter = Counter({NEAR_DUPLICATE: 0, CONTAMINATED: 0})
        self.sample: list[Mapping[str, Any]] = []
        self.num_sampled = num_sampled

    def keep(self, row: Mapping[str, Any]) -> None:
        self.num_tokens += row["num_tokens"]
        values = (row["language"], str(row["collection_iteration"]), row["domain"])
        for name, value in zip(self.pages, values, strict=True):
            self.pages[name][value] += 1
            self.tokens[name][value] += row["num_tokens"]

    def drop(self, row: Mapping[str, Any], reason: str, **why: Any) -> None:
        self.dropped[reason] += 1
        entry = {"id": row["id"], "url": row["url"], "drop_reason": reason, **why}
        self.sample.append(dropped_row(row["text"], entry))
        if len(self.sample) > 20 * self.num_sampled + 1000:
            self.sample = smallest_ids(self.sample, self.num_sampled)

    def counts(self) -> dict[str, Any]:
        plain: dict[str, Any] = {
            "dropped": dict(self.dropped),
            "num_tokens": self.num_tokens,
            "num_segments_dropped": self.num_segments_dropped,
            "num_documents_cut": self.num_documents_cut,
            "num_domains": len(self.pages["top_domains"]),
        }
        for name, pages in self.pages.items():
            ordered = sorted(pages, key=lambda value: (-pages[value], value))[:20]
            plain[name] = {v: {"num_pages": pages[v], "num_tokens": self.tokens[name][v]} for v in ordered}
        return plain
