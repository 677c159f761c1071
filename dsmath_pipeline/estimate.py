"""What a crawl would cost: core-hours, bytes and money, from its size and from rates measured on this machine.

A step's bill is that of the sample (sample_rates.py) times the bytes of the crawl by those of the sample: bytes tell
more of the work than pages do. It is linear, which holds for all steps but for the sorting inside deduplication.

Not in the paper: it states no cost of the corpus.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .corpus.columnar_index import IndexTableError, index_size
from .corpus.commoncrawl import CommonCrawl
from .corpus.near_dedup import driver_bytes
from .corpus.patience import DownloadError
from .corpus.s3 import S3Error
from .recipe.schema import FetchSettings, Recipe
from .sample_rates import Rates

_FILES_ASKED = 5

FORMULA = """\
n          = bytes of the crawl / bytes of the sample
core-hours = (n x (extract + deduplicate) + iterations x (texts x epochs x models x train + n x iterate)) / 3600
             in processor seconds of the sample; texts = seeds.num_positives + num_negatives, models = seeds.num_folds
GB written = n x (text + kept text + signatures + iterations x sidecars)
cost       = core-hours x --price-core-hour + GB of WARC files x --price-gb-read + GB written x --price-gb-written"""


class EstimateError(ValueError):
    """The size of the crawl is not known; the message says which number to give."""


@dataclass(frozen=True)
class CrawlSize:
    """How large a crawl is; `origins` says of `files`, `bytes` and `pages` where the number comes from.

    `num_files` is 0 where nobody knows it; it bounds only the number of requests.
    """

    num_files: int
    num_bytes: int
    num_pages: int
    origins: dict[str, str]

    def rows(self) -> list[dict[str, Any]]:
        """For a table."""
        numbers = {"files": self.num_files, "bytes": self.num_bytes, "pages": self.num_pages}
        return [{"what": k, "number": n, "from": self.origins.get(k, "not known")} for k, n in numbers.items()]


@dataclass(frozen=True)
class Prices:
    """In any currency; GB are 10^9 bytes."""

    core_hour: float = 0.0
    gb_read: float = 0.0
    """Of WARC files, which come over the network."""
    gb_written: float = 0.0


@dataclass(frozen=True)
class Step:
    """One line of the bill."""

    name: str
    core_hours: float
    bytes_read: float
    bytes_written: float
    cost: float

    def row(self, cores: int) -> dict[str, Any]:
        """For a table; GB of 10^9 bytes."""
        return {
            "step": self.name, "core hours": self.core_hours, f"hours on {cores} cores": self.core_hours / cores,
            "GB read": self.bytes_read / 1e9, "GB written": self.bytes_written / 1e9, "cost": self.cost,
        }  # fmt: skip


def crawl_size(
    source: CommonCrawl | None,
    crawl: str,
    *,
    num_files: int = 0,
    num_bytes: int = 0,
    num_pages: int = 0,
    page_bytes: float = 0.0,
) -> CrawlSize:
    """The size of a crawl: numbers that are given, else asked for (of `source`), else by `page_bytes` of a sample.

    Raises EstimateError when there are neither bytes nor pages.
    """
    size = {"files": num_files, "bytes": num_bytes, "pages": num_pages}
    origins = {name: "given" for name, number in size.items() if number}
    problems = []
    for ask in (_ask_files, _ask_index):
        if source is None:
            break
        try:
            for name, number, origin in ask(source, crawl, size):
                size[name], origins[name] = number, origin
        except (DownloadError, S3Error, IndexTableError) as error:
            problems.append(str(error))
    of_sample = "bytes of a page in the sample"
    if size["bytes"] and not size["pages"] and page_bytes:
        size["pages"], origins["pages"] = round(size["bytes"] / page_bytes), of_sample
    if size["pages"] and not size["bytes"] and page_bytes:
        size["bytes"], origins["bytes"] = round(size["pages"] * page_bytes), of_sample
    if not size["bytes"] or not size["pages"]:
        why = "; ".join(problems) or "nothing was given"
        raise EstimateError(f"the size of {crawl or 'the crawl'} is not known ({why}): give --bytes or --pages")
    return CrawlSize(size["files"], size["bytes"], size["pages"], origins)


def _ask_files(source: CommonCrawl, crawl: str, known: Mapping[str, int]) -> Iterator[tuple[str, int, str]]:
    if known["files"] and known["bytes"]:
        return
    paths = source.warc_paths(crawl)
    num_files = known["files"] or len(paths)
    if not known["files"]:
        yield "files", num_files, "warc.paths.gz"
    if not known["bytes"]:
        asked = paths[:: max(1, len(paths) // _FILES_ASKED)][:_FILES_ASKED]
        mean = sum(source.size_of(path) for path in asked) / len(asked)
        yield "bytes", round(mean * num_files), f"{len(asked)} of the files"


def _ask_index(source: CommonCrawl, crawl: str, known: Mapping[str, int]) -> Iterator[tuple[str, int, str]]:
    if not known["pages"]:
        index = index_size(source, crawl)
        yield "pages", index.num_captures, f"{index.num_asked} of {index.num_files} index files"


def bill(size: CrawlSize, rates: Rates, recipe: Recipe, prices: Prices) -> list[Step]:
    """The steps of one crawl: read and extract, deduplicate, and one iteration of the loop (FORMULA)."""
    n = size.num_bytes / rates.num_bytes
    texts = recipe.seeds.num_positives + recipe.seeds.num_negatives
    training = texts * recipe.classifier.epochs * recipe.seeds.num_folds * rates.train_seconds
    seconds = (n * rates.extract_seconds, n * rates.dedup_seconds, training + n * rates.iterate_seconds)
    read = (size.num_bytes, n * (2 * rates.text_bytes + rates.kept_bytes), n * (rates.kept_bytes + rates.sidecar_bytes))
    written = (n * rates.text_bytes, n * (rates.kept_bytes + rates.signature_bytes), n * rates.sidecar_bytes)
    names = ("read and extract", "deduplicate", "each iteration")
    steps = []
    for name, used, taken, put in zip(names, seconds, read, written, strict=True):
        fetched = size.num_bytes if not steps else 0
        cost = used / 3600 * prices.core_hour + fetched / 1e9 * prices.gb_read + put / 1e9 * prices.gb_written
        steps.append(Step(name, used / 3600, taken, put, cost))
    return steps


def total(steps: Sequence[Step], num_iterations: int, num_crawls: int = 1) -> Step:
    """The sum over crawls, with the last step `num_iterations` times in each."""
    times = [num_crawls] * (len(steps) - 1) + [num_crawls * num_iterations]

    def add(field: str) -> float:
        return sum(n * getattr(step, field) for n, step in zip(times, steps, strict=True))

    name = f"{num_crawls} x all, {num_iterations} iterations"
    return Step(name, add("core_hours"), add("bytes_read"), add("bytes_written"), add("cost"))


def least_hours(
    size: CrawlSize, sums: Step, fetch: FetchSettings, *, num_crawls: int, cores: int, gigabits: float = 0.0
) -> dict[str, float]:
    """The hours that each resource alone would take; the longest is what bounds the run.

    `gigabits` a second is the network, 0 where it is not known.
    """
    hours = {f"{cores} cores": sums.core_hours / cores}
    if size.num_files:
        name = f"{fetch.requests_per_second:g} requests a second"
        hours[name] = num_crawls * size.num_files / fetch.requests_per_second / 3600
    if gigabits:
        hours[f"network of {gigabits:g} Gbit/s"] = num_crawls * size.num_bytes * 8 / (gigabits * 1e9) / 3600
    return hours


def near_dedup_memory(size: CrawlSize, rates: Rates, num_crawls: int = 1) -> int:
    """Bytes that near-deduplication of the last of `num_crawls` takes in the driver: its documents and those before."""
    return driver_bytes(round(size.num_bytes / rates.num_bytes * rates.num_documents * num_crawls))
