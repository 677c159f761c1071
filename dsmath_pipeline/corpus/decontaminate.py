"""Remove benchmark texts from documents: rule 7 of section 2.1.

A segment (a line of the text: paragraphs, list items and formulas stand on lines of their own) that shares a run of 10
grams with a benchmark text is dropped. A benchmark text of 3 to 9 grams is matched whole. A gram is one word, number
or CJK character of `text.words`, so case, spacing and punctuation hide nothing. A match that runs over line ends drops
every line it touches.

Guards, not in the paper, against runs that say nothing about a benchmark:

- a run of 10 with fewer than `min_distinct_words` distinct words that are not numbers is no evidence (matrix rows,
  tables, "1, 2, 3, ..."), nor is one whose words are mostly single Latin letters ("a b c d e f g h i");
- a short question needs three distinct words, one of them a real word (two letters or a CJK character); a short
  answer needs three real words, because "x = 2 y" is on half the web; short options ("root cap cell") are not matched;
- short texts found in more than `max_short_hits` documents are phrases, not leaks: the caller counts documents and
  passes them as `ignored`.

Matching is a look-up of 64-bit gram hashes, and every hit is compared word by word before anything is dropped.
"""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..recipe.schema import DecontaminationSettings
from ..text import CJK, words
from .benchmark_texts import BenchmarkText
from .minhash import word_hashes

DECONTAMINATION_VERSION = "1"
"""Version of matching and guards. 1 (2026-11): first version."""

_CJK_WORD = re.compile(f"[{CJK}]")
_BASE = np.uint64(0x9E3779B97F4A7C15)
_EXCERPT_CHARS = 300
_MIN_REAL_WORDS = 2


@dataclass(frozen=True, slots=True)
class Hit:
    """One place of a document that repeats a benchmark text."""

    text_number: int
    """Index into `BenchmarkIndex.texts`; the first one in path order when several benchmark texts share the run."""
    item: str
    matched: str
    """The matching words, as normalised."""
    segment: str
    """The dropped segment, cut to 300 characters."""
    is_short: bool
    """A short benchmark text matched whole."""
    segments: tuple[int, ...]
    """Numbers of the dropped segments, from 0."""


@dataclass(frozen=True)
class _Runs:
    """Hashes of runs of `length` words, sorted, with the place of each in the index's word sequence."""

    length: int
    hashes: np.ndarray
    places: np.ndarray
    filter: np.ndarray
    """bool [2^bits]: is there any hash with these upper bits? Saves most binary searches."""
    shift: np.uint64

    def find(self, hashes: np.ndarray) -> list[tuple[int, int]]:
        """(position, place) of every document run whose hash is known."""
        maybe = np.flatnonzero(self.filter[hashes >> self.shift])
        if not len(maybe):
            return []
        at = np.minimum(np.searchsorted(self.hashes, hashes[maybe]), len(self.hashes) - 1)
        same = self.hashes[at] == hashes[maybe]
        return list(zip(maybe[same].tolist(), self.places[at[same]].tolist(), strict=True))


@dataclass(frozen=True)
class BenchmarkIndex:
    """Benchmark texts prepared for look-up; made by `build_index`."""

    texts: list[BenchmarkText]
    vocabulary: list[str]
    word_ids: np.ndarray
    """All words of all texts one after the other, int32 into `vocabulary`."""
    starts: np.ndarray
    """Where each text begins in `word_ids`, with the end at last: int64 [number of texts + 1]."""
    runs: dict[int, _Runs]
    """By length in words."""
    ngram_words: int

    def words_at(self, place: int, length: int) -> list[str]:
        return [self.vocabulary[i] for i in self.word_ids[place : place + length]]

    def text_at(self, place: int) -> int:
        return int(np.searchsorted(self.starts, place, side="right")) - 1


def build_index(texts: Sequence[BenchmarkText], settings: DecontaminationSettings) -> BenchmarkIndex:
    """Index of all runs of `ngram_words` words and of all short texts. About 2 microseconds a word."""
    vocabulary: dict[str, int] = {}
    ids: list[int] = []
    starts = [0]
    for text in texts:
        ids.extend(vocabulary.setdefault(word, len(vocabulary)) for word in words(text.text))
        starts.append(len(ids))
    names = list(vocabulary)
    word_ids, text_starts = np.array(ids, np.int32), np.array(starts, np.int64)
    n = settings.ngram_words
    short: dict[int, list[int]] = {}
    for number, text in enumerate(texts):
        start, length = starts[number], starts[number + 1] - starts[number]
        short_words = [names[i] for i in ids[start : start + length]] if length < n else []
        if length >= settings.min_short_words and is_telling_short(text.kind, short_words):
            short.setdefault(length, []).append(start)
    places = {length: np.array(found, np.int64) for length, found in short.items()}
    places[n] = _telling_runs(word_ids, text_starts, names, settings)
    hashes = word_hashes(names)[word_ids] if names else np.empty(0, np.uint64)
    tables = {}
    for length, run_hashes in _run_hashes(hashes, n):
        at = places.get(length)
        if at is not None and len(at):
            tables[length] = _table(length, run_hashes[at], at)
    return BenchmarkIndex(list(texts), names, word_ids, text_starts, tables, n)


def is_telling_short(kind: str, text_words: Sequence[str]) -> bool:
    """May a short benchmark text be matched whole? See the guards in the module docstring."""
    real = {word for word in text_words if _is_real(word)}
    if kind == "question":
        return len(set(text_words)) >= 3 and len(real) >= 1
    return kind == "answer" and len(real) >= 3


def decontaminate_text(text: str, index: BenchmarkIndex, ignored: Collection[int] = ()) -> tuple[str, list[Hit]]:
    """The text without contaminated segments, and what was found in them.

    `ignored` are numbers of short benchmark texts to leave alone. A clean text comes back unchanged with no hits.
    """
    if not _matches(words(text), index, ignored):
        return text, []
    lines = text.split("\n")
    line_words = [words(line) for line in lines]
    kept = list(range(len(lines)))
    hits: list[Hit] = []
    while True:  # lines that become neighbours when others go may form a new match
        document = [word for number in kept for word in line_words[number]]
        line_of = np.repeat(np.array(kept, np.int64), [len(line_words[number]) for number in kept])
        found = [_hit(match, lines, line_of, document, index) for match in _groups(_matches(document, index, ignored))]
        if not found:
            return "\n".join(lines[number] for number in kept), hits
        hits += found
        dropped = {number for hit in found for number in hit.segments}
        kept = [number for number in kept if number not in dropped]


@dataclass(frozen=True, slots=True)
class _Match:
    text_number: int
    start: int
    end: int
    is_short: bool


def _matches(document: list[str], index: BenchmarkIndex, ignored: Collection[int]) -> list[_Match]:
    """Verified matches. A document without words has none."""
    hashes = word_hashes(document)
    found = []
    for length, run_hashes in _run_hashes(hashes, index.ngram_words):
        runs = index.runs.get(length)
        for position, place in runs.find(run_hashes) if runs else ():
            number, is_short = index.text_at(place), length < index.ngram_words
            if is_short and number in ignored:
                continue
            if document[position : position + length] == index.words_at(place, length):
                found.append(_Match(number, position, position + length, is_short))
    return found


def _groups(matches: list[_Match]) -> list[_Match]:
    """Overlapping matches of the same benchmark text as one; in order of position."""
    merged: list[_Match] = []
    for match in sorted(matches, key=lambda m: (m.text_number, m.start)):
        last = merged[-1] if merged else None
        if last and last.text_number == match.text_number and match.start <= last.end:
            merged[-1] = _Match(last.text_number, last.start, max(last.end, match.end), last.is_short)
        else:
            merged.append(match)
    return sorted(merged, key=lambda m: (m.start, m.end, m.text_number))


def _hit(match: _Match, lines: list[str], line_of: np.ndarray, document: list[str], index: BenchmarkIndex) -> Hit:
    numbers = tuple(sorted(set(line_of[match.start : match.end].tolist())))
    return Hit(
        match.text_number,
        index.texts[match.text_number].item,
        " ".join(document[match.start : match.end])[:_EXCERPT_CHARS],
        "\n".join(lines[number].strip() for number in numbers)[:_EXCERPT_CHARS],
        match.is_short,
        numbers,
    )


def report_items(
    hits: Mapping[int, Sequence[Hit]],
    index: BenchmarkIndex,
    ignored: Collection[int],
    names: Sequence[tuple[str, str]],
) -> list[dict[str, Any]]:
    """What was found, by benchmark item: the number of pages and up to five places with the matching words.

    `hits` by page number, `names` the (id, url) of every page. Most pages first, then by item.
    """
    items: dict[str, dict[str, Any]] = {}
    pages: dict[str, set[int]] = {}
    for page, some in sorted(hits.items()):
        for hit in some:
            if hit.is_short and hit.text_number in ignored:
                continue
            text = index.texts[hit.text_number]
            fresh = {
                "item": hit.item,
                "kind": text.kind,
                "text": text.text[:_EXCERPT_CHARS],
                "num_pages": 0,
                "found": [],
            }
            item = items.setdefault(hit.item, fresh)
            pages.setdefault(hit.item, set()).add(page)
            if len(item["found"]) < 5:
                id, url = names[page]
                item["found"].append({"id": id, "url": url, "matched": hit.matched, "segment": hit.segment})
    for name, item in items.items():
        item["num_pages"] = len(pages[name])
    return sorted(items.values(), key=lambda item: (-item["num_pages"], item["item"]))


def _telling_runs(
    word_ids: np.ndarray, starts: np.ndarray, names: list[str], settings: DecontaminationSettings
) -> np.ndarray:
    """Places (int64) of the runs of `ngram_words` words that lie in one text and say enough to be evidence."""
    n = settings.ngram_words
    count = len(word_ids) - n + 1
    if count <= 0:
        return np.empty(0, np.int64)
    text_of = np.repeat(np.arange(len(starts) - 1), np.diff(starts))
    inside = text_of[:count] == text_of[n - 1 :]
    has_letter = np.array([any(c.isalpha() for c in name) for name in names], bool)[word_ids]
    is_real = np.array([_is_real(name) for name in names], bool)[word_ids]
    previous = _previous_occurrence(word_ids)
    places = np.arange(count)
    distinct, real = np.zeros(count, np.int32), np.zeros(count, np.int32)
    for i in range(n):
        is_first = previous[i : i + count] < places
        distinct += has_letter[i : i + count] & is_first
        real += is_real[i : i + count] & is_first
    enough = (distinct >= settings.min_distinct_words) & (real >= min(_MIN_REAL_WORDS, settings.min_distinct_words))
    return np.flatnonzero(inside & enough).astype(np.int64)


def _previous_occurrence(word_ids: np.ndarray) -> np.ndarray:
    """For every position the last earlier position with the same word, -1 where there is none."""
    order = np.argsort(word_ids, kind="stable")
    previous = np.full(len(word_ids), -1, np.int64)
    same = word_ids[order[1:]] == word_ids[order[:-1]]
    previous[order[1:][same]] = order[:-1][same]
    return previous


def _is_real(word: str) -> bool:
    """A word of two letters or more, or a CJK character; single Latin letters and numbers are not."""
    return _CJK_WORD.match(word) is not None or sum(c.isalpha() for c in word) >= 2


def _table(length: int, hashes: np.ndarray, places: np.ndarray) -> _Runs:
    distinct, first = np.unique(hashes, return_index=True)
    bits = min(24, max(10, len(distinct).bit_length() + 4))
    shift = np.uint64(64 - bits)
    known = np.zeros(1 << bits, bool)
    known[distinct >> shift] = True
    return _Runs(length, distinct, places[first], known, shift)


def _run_hashes(hashes: np.ndarray, longest: int) -> Iterator[tuple[int, np.ndarray]]:
    """(length, hashes of all runs of that length) for 1 to `longest`, each made from the one before."""
    total = hashes
    yield 1, total
    with np.errstate(over="ignore"):
        for length in range(2, min(longest, len(hashes)) + 1):
            total = total[:-1] * _BASE + hashes[length - 1 :]
            yield length, total
