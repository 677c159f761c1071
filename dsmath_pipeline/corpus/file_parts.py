"""Crawl files as work for several processes: where files are few, some of them are read by several workers at once.

Each worker of a shared file reads all its records, which takes a sixteenth of the time, and extracts every n-th page:
so the pages, their numbers and what is said of lost bytes are those of a whole reading, whatever the file's state. What
they found is put together again in the order of the pages. Not in the paper.
"""

import heapq
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from ..lean_imports import to_arrow
from ..records import DOCUMENT_SCHEMA, Page

MAX_POLICIES = 100
MAX_SAMPLES = 50
"""URLs of documents whose LaTeX was not read, of each file and of an artifact."""
_READING = 1 / 16
"""Time to read a file's records, as a share of the time to extract its pages."""
_GOOD_ENOUGH = 1.03
"""Time of a plan, over that of work which could be divided at will."""
_MIN_PART_BYTES = 1 << 20
_FILES_OF_A_WORKER = 8
"""With more, an even division by whole files wastes little."""


@dataclass(frozen=True)
class Part:
    """Pages `number`, `number` + `of`, ... of a file."""

    number: int = 0
    of: int = 1

    def select(self, pages: Iterator[Page], numbers: dict[int, int]) -> Iterator[Page]:
        """The part's pages; `numbers` gets the number in the file of each, by its offset."""
        for number, page in enumerate(pages):
            if number % self.of == self.number:
                numbers[page.offset] = number
                yield page


def plan_parts(sizes: Sequence[int], workers: int) -> list[int]:
    """In how many parts each file is extracted, given the files' bytes, so that `workers` processes end together.

    Parts have at least a mebibyte of compressed pages. Files of unknown size (0) stay whole, and with eight files or
    more for each worker all do.
    """
    parts = [1] * len(sizes)
    if workers < 2 or not any(sizes) or len(sizes) >= _FILES_OF_A_WORKER * workers:
        return parts
    best, best_time = parts, _seconds(sizes, parts, workers)[0]
    for _ in range(_FILES_OF_A_WORKER * workers):
        if best_time <= _GOOD_ENOUGH * sum(sizes) / workers:
            break
        _, last = _seconds(sizes, parts, workers)
        can_split = [n for n in last if parts[n] < workers and sizes[n] >= (parts[n] + 1) * _MIN_PART_BYTES]
        if not can_split:
            break
        parts = list(parts)
        parts[min(can_split, key=lambda n: (parts[n] > 1, sizes[n] / parts[n]))] += 1
        time, _ = _seconds(sizes, parts, workers)
        if time < best_time:
            best, best_time = parts, time
    return best


def _seconds(sizes: Sequence[int], parts: Sequence[int], workers: int) -> tuple[float, list[int]]:
    """When the last worker is done, in bytes extracted, largest parts first; and the files it worked on."""
    tasks = []
    for index, (size, number) in enumerate(zip(sizes, parts, strict=True)):
        reading = size * _READING if number > 1 else 0.0
        tasks += [(size / number + reading, index)] * number
    loads: list[tuple[float, int, list[int]]] = [(0.0, worker, []) for worker in range(workers)]
    for seconds, index in sorted(tasks, key=lambda task: -task[0]):
        load, worker, done = heapq.heappop(loads)
        heapq.heappush(loads, (load + seconds, worker, [*done, index]))
    load, _, done = max(loads)
    return load, done


def merge_parts(tables: Sequence[pa.Table], counts: Sequence[Mapping[str, Any]]) -> tuple[pa.Table, dict[str, Any]]:
    """The table and the counts of a file, of those of all its parts: rows in the order of the pages.

    Counts of a part have what `file_counts` takes, and `page_numbers`, the page of each row.
    """
    numbers = np.array([number for part in counts for number in part["page_numbers"]], np.int64)
    table = pa.concat_tables(tables).take(to_arrow(np.argsort(numbers))).combine_chunks()
    columns = {name: table[name] for name in DOCUMENT_SCHEMA.names}
    columns["rules"] = _without_nulls(columns["rules"])
    return pa.table(columns, schema=DOCUMENT_SCHEMA), file_counts(counts)


def _without_nulls(maps: pa.ChunkedArray) -> pa.ChunkedArray:
    """The same maps as extraction makes them, with nothing said of nulls: what is written has the same bytes."""
    chunks = [pa.MapArray.from_arrays(chunk.offsets, chunk.keys, chunk.items, maps.type) for chunk in maps.chunks]
    return pa.chunked_array(chunks, maps.type)


def file_counts(counts: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Counts of a file, of those of all its parts: what reading found is the same in each, what extraction did adds up.

    `latex_without_formula` of a part lists [page number, URL].
    """
    whole = {name: counts[0][name] for name in ("num_records", "num_pages", "skipped", "lost", "lost_ranges")}
    for name in ("dropped", "tdm_policies", "rules"):
        total: Counter[str] = Counter()
        for part in counts:
            total.update(part[name])
        whole[name] = dict(sorted(total.items()))
    unread = sorted(found for part in counts for found in part["latex_without_formula"])
    return whole | {
        "num_formulas": sum(part["num_formulas"] for part in counts),
        "tdm_policies": most_common(whole["tdm_policies"], MAX_POLICIES),
        "latex_without_formula": len(unread),
        "latex_without_formula_samples": [url for _, url in unread[:MAX_SAMPLES]],
    }


def most_common(counts: Mapping[str, int], number: int) -> dict[str, int]:
    """The most frequent, those of equal frequency by name."""
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:number])
