"""Near-duplicates of more pages than one process bears: near_dedup.py's work in hash buckets, with the same result.

Pages are numbered through all sources, those of earlier crawls first. Sources form groups, LSH keys fall into
partitions by their value. In turn, each step over all groups or all partitions:

1. a group sends the LSH keys of its pages to their partitions;
2. a partition asks the groups for the signatures of pages in buckets of two or more;
3. a group sends them;
4. a partition compares the pages of its buckets and keeps the pairs that connect them;
5. the driver joins the pairs to clusters (9 bytes a page) and tells the groups;
6. a group sends the pages of clusters, with signature and length, to the cluster's partition;
7. a partition chooses which pages stay and tells the groups;
8. a group writes the rows of its shards.

A step's file is written once (exchange.py), so a killed run goes on where it was. Memory of a worker: its group's
signatures, or those of its partition's pages in buckets; a cluster is looked at by one worker. Not in the paper.
"""

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..compute import map_shards
from ..progress import Progress
from ..recipe.schema import DedupSettings
from ..storage import Folder
from . import minhash_kernel as kernel
from .dedup import smallest_ids
from .exchange import receive, send
from .minhash import kept_pages, least_equal

Arrays = tuple[np.ndarray, np.ndarray, dict[str, Any]]
_BUCKETED = np.dtype([("key", "<u8"), ("page", "<i8")])
_PAGE = np.dtype([("page", "<i8")])
_PAIR = np.dtype([("page", "<i8"), ("root", "<i8")])
_CLUSTERED = np.dtype([("page", "<i8"), ("cluster", "<i8")])


@dataclass(frozen=True)
class Source:
    """A Parquet file of signatures: of a shard of this crawl, or of what an earlier crawl kept (`shard` "")."""

    shard: str
    first: int
    """Number of its first page."""
    num_pages: int
    read: Callable[[], tuple[list[str], np.ndarray, np.ndarray]]
    """Ids, lengths in characters (0 for an earlier crawl) and signatures of its pages."""


@dataclass(frozen=True)
class Plan:
    """What every step knows."""

    work: Folder
    key: str
    groups: tuple[tuple[Source, ...], ...]
    num_partitions: int
    num_known: int
    max_id_bytes: int
    settings: DedupSettings
    write: Callable[[Source, np.ndarray, list[str]], dict[str, Any]]
    """Writes the rows of a shard, given the page kept for each page and that page's id; returns its counts."""

    @property
    def num_pages(self) -> int:
        return self.bounds()[-1][1]

    def bounds(self) -> list[tuple[int, int]]:
        """The first page of each group and the one after its last."""
        return [(group[0].first, group[-1].first + group[-1].num_pages) for group in self.groups]

    def group_of(self, pages: np.ndarray) -> np.ndarray:
        return np.searchsorted([first for first, _ in self.bounds()], pages, side="right") - 1

    def signed(self) -> np.dtype:
        return np.dtype([("page", "<i8"), ("signature", "<u4", (self.settings.num_bands * self.settings.num_rows,))])

    def member(self) -> np.dtype:
        fields = [("cluster", "<i8"), ("num_chars", "<i8"), ("id", f"S{self.max_id_bytes}")]
        return np.dtype([*self.signed().descr, *fields])

    def kept(self) -> np.dtype:
        return np.dtype([("page", "<i8"), ("kept", "<i8"), ("id", f"S{self.max_id_bytes}")])

    def files(self, step: str, number: int) -> list[Folder]:
        return [self.work / step / str(sender) for sender in range(number)]

    def send(self, step: str, sender: int, num_receivers: int, make: Callable[[], Arrays]) -> dict[str, Any]:
        return send(self.work / step / str(sender), f"{self.key} {num_receivers}", num_receivers, make)


def make_groups(sources: Sequence[Source], max_pages: int) -> tuple[tuple[Source, ...], ...]:
    """Consecutive sources together, at most `max_pages` in a group unless one source has more."""
    groups: list[list[Source]] = []
    room = 0
    for source in sources:
        if not groups or source.num_pages > room:
            groups.append([])
            room = max_pages
        groups[-1].append(source)
        room -= source.num_pages
    return tuple(tuple(group) for group in groups)


def find_kept(plan: Plan, workers: int, progress: Progress) -> tuple[dict[str, dict[str, Any]], int]:
    """Do all steps. Returns what `write` returned for each shard, and the number of clusters of two pages or more."""
    groups, partitions = range(len(plan.groups)), range(plan.num_partitions)

    def each(step: Callable[..., Any], numbers: range, what: str) -> list[Any]:
        return map_shards(functools.partial(step, plan=plan), numbers, workers=workers, what=what, progress=progress)

    each(_send_keys, groups, "near-duplicates: keys")
    each(_ask, partitions, "near-duplicates: buckets")
    each(_send_signatures, groups, "near-duplicates: signatures")
    each(_send_pairs, partitions, "near-duplicates: pairs")
    _send_clusters(plan)
    each(_send_members, groups, "near-duplicates: clusters")
    chosen = each(_send_kept, partitions, "near-duplicates: kept pages")
    written = each(_write, groups, "near-duplicates: rows")
    shards = {name: counts for group in written for name, counts in group.items()}
    return shards, sum(counts["num_clusters"] for counts in chosen)


def _send_keys(group: int, *, plan: Plan) -> None:
    def make() -> Arrays:
        parts = []
        for source in plan.groups[group]:
            keys = kernel.band_keys(source.read()[2], plan.settings.num_bands, plan.settings.num_rows)
            pages, bands = np.nonzero(keys)
            records = np.empty(len(pages), _BUCKETED)
            records["key"], records["page"] = keys[pages, bands], pages + source.first
            parts.append(records)
        records = np.concatenate(parts)
        return (records["key"] % np.uint64(plan.num_partitions)).astype(np.int64), records, {}

    plan.send("keys", group, plan.num_partitions, make)


def _buckets(partition: int, plan: Plan) -> tuple[np.ndarray, np.ndarray]:
    """Keys and pages of the partition's buckets of two pages or more, by key and page."""
    found = receive(plan.files("keys", len(plan.groups)), partition, _BUCKETED)
    found = found[np.argsort(found["key"], kind="stable")]  # pages come in rising order
    keys = found["key"]
    same = keys[1:] == keys[:-1]
    is_shared = np.zeros(len(keys), bool)
    is_shared[1:] |= same
    is_shared[:-1] |= same
    return np.ascontiguousarray(keys[is_shared]), np.ascontiguousarray(found["page"][is_shared])


def _ask(partition: int, *, plan: Plan) -> None:
    def make() -> Arrays:
        pages = np.unique(_buckets(partition, plan)[1])
        return plan.group_of(pages), pages.view(_PAGE), {}

    plan.send("wanted", partition, len(plan.groups), make)


def _send_signatures(group: int, *, plan: Plan) -> None:
    def make() -> Arrays:
        files = plan.files("wanted", plan.num_partitions)
        wanted = [receive([file], group, _PAGE)["page"] for file in files]
        receivers = np.repeat(np.arange(plan.num_partitions), [len(pages) for pages in wanted])
        records = np.empty(len(receivers), plan.signed())
        records["page"] = np.concatenate(wanted)
        for source in plan.groups[group]:
            places = np.flatnonzero(
                (records["page"] >= source.first) & (records["page"] < source.first + source.num_pages)
            )
            records["signature"][places] = source.read()[2][records["page"][places] - source.first]
        return receivers, records, {}

    plan.send("signatures", group, plan.num_partitions, make)


def _send_pairs(partition: int, *, plan: Plan) -> None:
    def make() -> Arrays:
        keys, pages = _buckets(partition, plan)
        signed = receive(plan.files("signatures", len(plan.groups)), partition, plan.signed())
        known = np.ascontiguousarray(signed["page"])
        parents = np.arange(len(known))
        values = np.ascontiguousarray(signed["signature"])
        places = np.searchsorted(known, pages)
        settings = plan.settings
        kernel.merge_buckets(keys, places, values, least_equal(settings), settings.max_bucket_pairs, parents)
        kernel.flatten(parents)
        moved = np.flatnonzero(parents != np.arange(len(parents)))
        records = np.empty(len(moved), _PAIR)
        records["page"], records["root"] = known[moved], known[parents[moved]]
        return np.zeros(len(moved), np.int64), records, {}

    plan.send("pairs", partition, 1, make)


def _send_clusters(plan: Plan) -> None:
    @functools.cache  # where all groups have theirs, nothing is joined again
    def clusters() -> tuple[np.ndarray, np.ndarray]:
        """The cluster of every page, and whether it has another page."""
        parents = np.arange(plan.num_pages)
        for file in plan.files("pairs", plan.num_partitions):
            pairs = receive([file], 0, _PAIR)
            kernel.connect(np.ascontiguousarray(pairs["page"]), np.ascontiguousarray(pairs["root"]), parents)
        kernel.flatten(parents)
        is_shared = np.zeros(len(parents), bool)
        for first, last in plan.bounds():
            moved = first + np.flatnonzero(parents[first:last] != np.arange(first, last))
            is_shared[moved] = is_shared[parents[moved]] = True
        return parents, is_shared

    def make(first: int, last: int) -> Arrays:
        found, is_shared = clusters()
        pages = first + np.flatnonzero(is_shared[first:last])
        records = np.empty(len(pages), _CLUSTERED)
        records["page"], records["cluster"] = pages, found[pages]
        return np.zeros(len(pages), np.int64), records, {}

    for group, (first, last) in enumerate(plan.bounds()):
        plan.send("clusters", group, 1, functools.partial(make, first, last))


def _send_members(group: int, *, plan: Plan) -> None:
    def make() -> Arrays:
        found = receive([plan.work / "clusters" / str(group)], 0, _CLUSTERED)
        parts = []
        for source in plan.groups[group]:
            first, last = np.searchsorted(found["page"], [source.first, source.first + source.num_pages])
            members = found[first:last]
            if not len(members):
                continue
            ids, lengths, values = source.read()
            rows = members["page"] - source.first
            records = np.empty(len(members), plan.member())
            records["page"], records["cluster"] = members["page"], members["cluster"]
            records["num_chars"], records["signature"] = lengths[rows], values[rows]
            records["id"] = [ids[row].encode("utf-8", "surrogatepass") for row in rows.tolist()]
            parts.append(records)
        records = np.concatenate(parts) if parts else np.empty(0, plan.member())
        return records["cluster"] % plan.num_partitions, records, {}

    plan.send("members", group, plan.num_partitions, make)


def _send_kept(partition: int, *, plan: Plan) -> dict[str, Any]:
    def make() -> Arrays:
        found = receive(plan.files("members", len(plan.groups)), partition, plan.member())
        pages = np.ascontiguousarray(found["page"])
        first_known = np.maximum(plan.num_known - pages, 0)
        ids = [ident.decode("utf-8", "surrogatepass") for ident in found["id"].tolist()]
        values = np.ascontiguousarray(found["signature"])
        clusters = np.ascontiguousarray(found["cluster"])
        kept = kept_pages(clusters, values, first_known, found["num_chars"], ids, plan.settings)
        gone = np.flatnonzero(kept != np.arange(len(kept)))
        records = np.empty(len(gone), plan.kept())
        records["page"], records["kept"], records["id"] = pages[gone], pages[kept[gone]], found["id"][kept[gone]]
        return plan.group_of(pages[gone]), records, {"num_clusters": len(np.unique(kept[gone]))}

    return plan.send("kept", partition, len(plan.groups), make)


def _write(group: int, *, plan: Plan) -> dict[str, dict[str, Any]]:
    found = receive(plan.files("kept", plan.num_partitions), group, plan.kept())
    found = found[np.argsort(found["page"])]
    counts = {}
    for source in plan.groups[group]:
        if not source.shard:
            continue
        first, last = np.searchsorted(found["page"], [source.first, source.first + source.num_pages])
        gone = found[first:last]
        rows = gone["page"] - source.first
        kept = np.arange(source.first, source.first + source.num_pages)
        kept[rows] = gone["kept"]
        kept_ids = list(source.read()[0])
        for row, ident in zip(rows.tolist(), gone["id"].tolist(), strict=True):
            kept_ids[row] = ident.decode("utf-8", "surrogatepass")
        counts[source.shard] = plan.write(source, kept, kept_ids)
    samples = [row for shard in counts.values() for row in shard["sample"]]
    chosen = smallest_ids(samples, plan.settings.num_sampled_drops)  # the driver gets no more than it may need
    return {
        name: {**shard, "sample": [row for row in shard["sample"] if row in chosen]} for name, shard in counts.items()
    }
