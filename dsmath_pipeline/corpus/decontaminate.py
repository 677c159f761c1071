"""Remove benchmark texts from documents: rule 7 of section 2.1.

A segment (a line of the text: paragraphs, list items and formulas stand on lines of their own) that shares a run of 10
grams with a benchmark text is dropped; a match reaches as far as both texts go on alike, and where it goes over line
ends, it drops every line it touches. A benchmark text of 3 to 9 grams is matched whole. grams.py says what a gram is:
case, spacing, width, punctuation and the ways to write a formula hide nothing. Only segments go; a document survives
while at least `min_kept_share` of its characters are left (`assemble_corpus` decides).

Not in the paper: guards against runs that say nothing about a benchmark (evidence.py, benchmark_index.py), and against
phrases: a match of fewer than 13 grams counts as weak, and weak matches of a benchmark text that is found so in more
than `max_phrase_documents` documents of the crawl ("let a, b, c be positive real numbers such that") are left alone.
The caller counts these documents and passes such texts as `ignored`.

Speed: a compiled pass over the column's bytes hashes the runs and looks them up (`candidates`); only documents in which
something was found are looked at again, and there every match is compared gram by gram before anything is dropped.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from . import grams_kernel
from . import runs_kernel as kernel
from .benchmark_index import BenchmarkIndex
from .evidence import EVIDENCE_VERSION
from .grams import GRAMS_VERSION, gram_names, literal, normalise_grams, split, tables

DECONTAMINATION_VERSION = f"4/grams {GRAMS_VERSION}/evidence {EVIDENCE_VERSION}"
"""Version of matching and guards.

1 (2026-11): first version. 2 (2026-11): compiled; guards by word lists and items. 3 (2026-11): new grams and counted
documents in place of the word lists. 4 (2026-11): questions of numbers and operators, literally.
"""

_EXCERPT_CHARS = 300
_MAX_OTHERS = 2
_WEAK_GRAMS = 13


@dataclass(frozen=True, slots=True)
class Hit:
    """One place of a document that repeats a benchmark text."""

    text_number: int
    """Index into `BenchmarkIndex.texts`; the first one in path order when several benchmark texts share the run."""
    item: str
    matched: str
    """The matching grams, as normalised."""
    segment: str
    """The dropped segment, cut to 300 characters."""
    is_weak: bool
    """Fewer than 13 grams match: a phrase, where many documents hold it."""
    segments: tuple[int, ...]
    """Numbers of the dropped segments, from 0."""


def candidates(texts: pa.Array | pa.ChunkedArray, index: BenchmarkIndex) -> np.ndarray:
    """Rows (int64, ascending) of a string column that may hold a benchmark text; all others hold none."""
    found, start = [np.empty(0, np.int64)], 0
    for chunk in texts.chunks if isinstance(texts, pa.ChunkedArray) else [texts]:
        answers = _scan(chunk.cast(pa.large_string()), index)
        for row in np.flatnonzero(answers == kernel.NEEDS_PYTHON).tolist():
            plain = normalise_grams(chunk[row].as_py() or "").encode("utf-8", "surrogatepass")
            _, hashes, _, _ = grams_kernel.split_text(np.frombuffer(plain, np.uint8), True, tables())
            answers[row] = kernel.FOUND if len(kernel.find_runs(hashes, index.runs)) else kernel.CLEAN
        found.append(np.flatnonzero(answers) + start)
        start += len(chunk)
    return np.concatenate(found)


def decontaminate_column(
    texts: pa.Array | pa.ChunkedArray, index: BenchmarkIndex, ignored: Collection[int] = ()
) -> Iterator[tuple[int, str, list[Hit]]]:
    """(row, text without contaminated segments, hits) of every contaminated text of a string column, in order."""
    for row in candidates(texts, index).tolist():
        kept, hits = decontaminate_text(texts[row].as_py(), index, ignored)
        if hits:
            yield row, kept, hits


def decontaminate_text(text: str, index: BenchmarkIndex, ignored: Collection[int] = ()) -> tuple[str, list[Hit]]:
    """The text without contaminated segments, and what was found in them.

    `ignored` are numbers of benchmark texts whose weak matches are phrases to leave alone. A clean text comes back
    unchanged with no hits.
    """
    document = _document(text)
    if not len(kernel.find_runs(document.hashes, index.runs)):
        return text, []
    hits: list[Hit] = []
    lines = text.split("\n")
    kept = np.ones(len(lines), bool)
    while True:  # lines that become neighbours when others go may form a new match
        matches = _groups(_matches(document, index))
        found = [_hit(m, lines, document, index) for m in matches if not (m.is_weak and m.text_number in ignored)]
        if not found:
            return "\n".join(line for line, is_kept in zip(lines, kept, strict=True) if is_kept), hits
        hits += found
        kept[[number for hit in found for number in hit.segments]] = False
        document = document.only(kept[document.line_of])


@dataclass(frozen=True)
class _Document:
    """The grams of a document and the line of each."""

    plain: bytes
    hashes: np.ndarray
    starts: np.ndarray
    stops: np.ndarray
    line_of: np.ndarray

    def only(self, wanted: np.ndarray) -> "_Document":
        parts = (part[wanted] for part in (self.hashes, self.starts, self.stops, self.line_of))
        return _Document(self.plain, *parts)

    def literal_lines(self, position: int, length: int) -> str:
        """What the lines of a run say, without spaces (grams.literal)."""
        first, last = self.line_of[position], self.line_of[position + length - 1]
        return literal(b"\n".join(self.plain.split(b"\n")[first : last + 1]).decode("utf-8", "replace"))

    def names(self, start: int, stop: int) -> list[str]:
        return gram_names(self.plain, self.starts[start:stop], self.stops[start:stop])


def _document(text: str) -> _Document:
    plain, hashes, starts, stops = split(text)
    line_ends = np.flatnonzero(np.frombuffer(plain, np.uint8) == 10)
    return _Document(plain, hashes, starts, stops, np.searchsorted(line_ends, starts))


@dataclass(frozen=True, slots=True)
class _Match:
    text_number: int
    start: int
    end: int

    @property
    def is_weak(self) -> bool:
        return self.end - self.start < _WEAK_GRAMS


def _matches(document: _Document, index: BenchmarkIndex) -> list[_Match]:
    """Matches, compared gram by gram, each as long as document and benchmark text go on alike."""
    found = []
    ends: dict[tuple[int, int], int] = {}
    for position, length, place in kernel.find_runs(document.hashes, index.runs).tolist():
        number = index.text_at(place)
        benchmark, first = index.grams_of(number), place - int(index.starts[number])
        if length == kernel.MAX_WHOLE != index.ngram_words:
            length = len(benchmark)
        if position < ends.get((number, position - first), 0):
            continue  # part of a match that is known
        if number in index.weakest:
            same = document.literal_lines(position, length)
            if same not in index.literals:
                continue
            number = index.literals[same]
            benchmark, first = index.grams_of(number), 0
        elif number in index.alone:
            num_others = _MAX_OTHERS if index.texts[number].kind == "question" else 0
            if _num_others(document, position, length) > num_others:
                continue
        if document.names(position, position + length) == benchmark[first : first + length]:
            before = _num_alike(document, position - 1, benchmark, first - 1, -1)
            after = _num_alike(document, position + length, benchmark, first + length, 1)
            found.append(_Match(number, position - before, position + length + after))
            ends[number, position - first] = found[-1].end
    return found


def _num_alike(document: _Document, position: int, benchmark: list[str], place: int, step: int) -> int:
    """How many grams are the same in both from these places on, forwards (`step` 1) or backwards (-1)."""
    count = 0
    while 0 <= position < len(document.hashes) and 0 <= place < len(benchmark):
        if document.names(position, position + 1)[0] != benchmark[place]:
            break
        position, place, count = position + step, place + step, count + 1
    return count


def _num_others(document: _Document, position: int, length: int) -> int:
    """How many other grams stand on the lines of this run."""
    lines = document.line_of
    first, last = lines[position], lines[position + length - 1]
    return int(np.searchsorted(lines, last, "right") - np.searchsorted(lines, first)) - length


def _groups(matches: list[_Match]) -> list[_Match]:
    """Overlapping matches of the same benchmark text as one; in order of position."""
    merged: list[_Match] = []
    for match in sorted(matches, key=lambda m: (m.text_number, m.start)):
        last = merged[-1] if merged else None
        if last and last.text_number == match.text_number and match.start <= last.end:
            merged[-1] = _Match(last.text_number, last.start, max(last.end, match.end))
        else:
            merged.append(match)
    return sorted(merged, key=lambda m: (m.start, m.end, m.text_number))


def _hit(match: _Match, lines: list[str], document: _Document, index: BenchmarkIndex) -> Hit:
    numbers = tuple(sorted(set(document.line_of[match.start : match.end].tolist())))
    return Hit(
        match.text_number,
        index.texts[match.text_number].item,
        " ".join(document.names(match.start, match.end))[:_EXCERPT_CHARS],
        "\n".join(lines[number].strip() for number in numbers)[:_EXCERPT_CHARS],
        match.is_weak,
        numbers,
    )


def _scan(chunk: pa.Array, index: BenchmarkIndex) -> np.ndarray:
    """The kernel's answer (uint8) for every text of a large_string array. Nulls are empty texts."""
    if not len(chunk):
        return np.empty(0, np.uint8)
    if chunk.null_count:
        chunk = chunk.fill_null("")
    _, offsets, data = chunk.buffers()
    places = np.frombuffer(offsets, np.int64, count=len(chunk) + 1, offset=8 * chunk.offset)
    plain = np.frombuffer(data, np.uint8) if data is not None and data.size else np.zeros(1, np.uint8)
    return kernel.scan_texts(plain, places, tables(), index.runs)
