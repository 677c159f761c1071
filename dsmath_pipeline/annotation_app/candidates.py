"""What there is to annotate in one iteration: the queue of domains, their URL prefixes with counts, sample pages.

The queue is ordered by expected gain: pages that were not collected times the share of mathematics expected among them,
the mean of their scores; in other words the sum of their scores. Not in the paper. On the generated mini web, where the
truth is known, the first ten domains of this order hold nearly as much of what can be gained as the best ten do
(docs/annotation.md has the figures); ordering by size or by the domain's collected share holds less.
"""

import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from .. import storage
from ..corpus.iteration import iteration_folder
from ..progress import SILENT, Progress
from ..storage import ArtifactError, Folder
from .page_index import PageIndex, SamplePage, build_page_index

_FILE_NUMBER = re.compile(r"[-_.]\d*$")
_COLUMNS = ["url_prefix", "domain", "depth", "num_pages", "num_collected"]


@dataclass(frozen=True, slots=True)
class _Counted:
    """What follows from the numbers of pages and of collected pages."""

    num_pages: int
    num_collected: int

    @property
    def num_uncollected(self) -> int:
        return self.num_pages - self.num_collected

    @property
    def collected_share(self) -> float:
        return self.num_collected / self.num_pages if self.num_pages else 0.0


@dataclass(frozen=True, slots=True)
class Domain(_Counted):
    """A mathematical domain in the queue. `hosts` are several when pages are grouped by registered domain."""

    name: str
    hosts: tuple[str, ...]
    expected_gain: float
    """Mathematics pages expected among those that were not collected."""


@dataclass(frozen=True, slots=True)
class Prefix(_Counted):
    """A URL prefix with its counts; the counts include everything below it."""

    url_prefix: str
    depth: int


class Candidates:
    """Domains, prefixes and pages of iteration `iteration` of the run at `root`; read only."""

    def __init__(self, root: Folder, iteration: int, pages: PageIndex, crawl: str = ""):
        self.iteration = iteration
        self.crawl = crawl or crawl_name(root)
        domains = iteration_folder(root, iteration, "domains")
        self.seen = storage.read_manifest(domains).key
        self.pages = pages
        self._prefixes = storage.read_table(domains / "prefixes", _COLUMNS).combine_chunks()
        self._prefixes = self._prefixes.sort_by([("domain", "ascending"), ("url_prefix", "ascending")])
        self._slices = _slices(self._prefixes["domain"])
        self._domain_of_host = self._hosts()
        self.queue = self._queue(domains)
        self.by_name = {domain.name: domain for domain in self.queue}
        self.prefixes = lru_cache(maxsize=256)(self._read_prefixes)
        self.prefix = lru_cache(maxsize=200_000)(self._find_prefix)

    def domain_of(self, prefix: str) -> Domain | None:
        """The mathematical domain that a prefix belongs to, or None."""
        return self.by_name.get(self._domain_of_host.get(prefix.partition("/")[0], ""))

    def _find_prefix(self, url_prefix: str) -> Prefix | None:
        """One prefix with its counts, also a deeper one than the pipeline counts; None outside of the domains."""
        domain = self.domain_of(url_prefix)
        if domain is None:
            return None
        known = self.prefixes(domain.name).get(url_prefix)
        if known:
            return known
        num_pages, num_collected = self.pages.count(url_prefix)
        return Prefix(num_pages, num_collected, url_prefix, url_prefix.count("/"))

    def num_pages(self, url_prefix: str) -> int:
        found = self.prefix(url_prefix)
        return found.num_pages if found else 0

    def num_uncollected(self, url_prefix: str) -> int:
        found = self.prefix(url_prefix)
        return found.num_uncollected if found else 0

    def samples(self, url_prefix: str, is_collected: bool, limit: int, offset: int = 0) -> list[SamplePage]:
        """A fixed random sample of the pages below a prefix."""
        return self.pages.samples(url_prefix, is_collected, limit, offset)

    def _read_prefixes(self, domain: str) -> dict[str, Prefix]:
        start, length = self._slices.get(domain, (0, 0))
        rows = self._prefixes.slice(start, length).to_pylist()
        found = (Prefix(r["num_pages"], r["num_collected"], r["url_prefix"], r["depth"]) for r in rows)
        return {prefix.url_prefix: prefix for prefix in found}

    def _hosts(self) -> dict[str, str]:
        roots = self._prefixes.filter(pc.equal(self._prefixes["depth"], 0))
        return dict(zip(roots["url_prefix"].to_pylist(), roots["domain"].to_pylist(), strict=True))

    def _queue(self, domains: Folder) -> list[Domain]:
        hosts: dict[str, list[str]] = {}
        for host, domain in self._domain_of_host.items():
            hosts.setdefault(domain, []).append(host)
        expected = self.pages.expected_gain()
        found = [
            Domain(row["num_pages"], row["num_collected"], row["domain"], tuple(sorted(hosts.get(row["domain"], ()))),
                   expected.get(row["domain"], 0.0))
            for row in storage.read_table(domains).to_pylist() if row["is_math"]
        ]  # fmt: skip
        return sorted(found, key=lambda domain: (-domain.expected_gain, domain.name))


def open_candidates(
    root: Folder, cache: Path, iteration: int | None = None, crawl: str = "", *, progress: Progress = SILENT
) -> Candidates:
    """Candidates of an iteration (default: the last one whose domains are found). `cache` is a local folder.

    Raises ArtifactError when the run at `root` has no such iteration or no mathematical domain.
    """
    k = last_iteration_with_domains(root) if iteration is None else iteration
    storage.read_manifest(iteration_folder(root, k, "domains"))
    pages = build_page_index(root, k, cache / f"iteration_{k}", progress=progress)
    candidates = Candidates(root, k, pages, crawl)
    if not candidates.queue:
        raise ArtifactError(f"iteration {k} of {root} found no mathematical domain: there is nothing to annotate")
    return candidates


def last_iteration_with_domains(root: Folder) -> int:
    """The last iteration whose domains are found and that does not merely repeat the one before.

    Raises ArtifactError when there is none.
    """
    found = 0
    for path in root.glob("iteration_*"):
        number = path.name.removeprefix("iteration_")
        folder = path / "domains"
        if number.isdecimal() and (folder / storage.MANIFEST).exists():
            is_repeated = storage.read_manifest(folder).counts.get("carried_forward", False)
            found = found if is_repeated else max(found, int(number))
    if not found:
        raise ArtifactError(f"no iteration under {root} has domains yet: run the corpus stages first")
    return found


def crawl_name(root: Folder) -> str:
    """A readable name of the crawl: what the names of its files begin with, or their number."""
    stems = [file.name.removesuffix(".parquet") for file in storage.parquet_files(root / "unique_documents")]
    if len(stems) < 2:
        return "".join(stems) or "no files"
    first, last = stems[0], stems[-1]  # sorted: what these two share, all share
    length = next((i for i, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), len(first))
    return _FILE_NUMBER.sub("", first[:length]) or f"{len(stems)} files"


def _slices(domains: pa.ChunkedArray) -> dict[str, tuple[int, int]]:
    """Where each domain's rows lie in a sorted column: start and length."""
    if not len(domains):
        return {}
    runs = pc.run_end_encode(domains.combine_chunks())
    ends = np.asarray(runs.run_ends)
    starts = np.concatenate([[0], ends[:-1]])
    names = runs.values.to_pylist()
    return {n: (int(s), int(e - s)) for n, s, e in zip(names, starts, ends, strict=True)}
