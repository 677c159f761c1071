"""Remove benchmark texts from documents: rule 7 of section 2.1.

A segment (a line of the text: paragraphs, list items and formulas stand on lines of their own) that shares a run of 10
grams with a benchmark text is dropped; a match that goes over line ends drops every line it touches. A benchmark text
of 3 to 9 grams is matched whole. grams.py says what a gram is: case, spacing, width, punctuation and the ways to write
a formula hide nothing. Only segments go; a document survives while at least `min_kept_share` of its characters are
left (`assemble_corpus` decides).

Guards, not in the paper, against runs that say nothing about a benchmark (boilerplate.py has the word lists):

- a run of 10 needs `min_distinct_words` distinct words, two of them of two letters or CJK (no matrix rows and number
  lines), `min_telling_words` beyond the everyday words of problems (no "let a, b, c be real numbers such that"), and
  must not be in more than `max_gram_items` benchmark items (no template of a benchmark);
- a text of which no run passes is matched whole as the short ones are, so that no question is out of reach;
- a question matched whole counts anywhere when it has `ngram_words` grams or is worth 2.5 different words (an answer: 3
  words), where everyday words and single digits count half; weaker ones ("does not exist") count where they are a
  segment of their own, a question with two more grams at most ("Exercise 3. Evaluate ..."). Answers with fewer than
  three words ("x = 2") and options are not matched whole;
- short texts found in more than `max_short_hits` documents are phrases, not leaks: the caller counts documents and
  passes them as `ignored`.

Speed: a compiled pass over the column's bytes hashes the runs and looks them up (`candidates`); only documents in which
something was found are looked at again, and there every match is compared gram by gram before anything is dropped.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

from ..recipe.schema import DecontaminationSettings
from . import boilerplate
from . import decontaminate_kernel as kernel
from .benchmark_texts import BenchmarkText
from .grams import GRAMS_VERSION, gram_names, grams, normalise_grams, split, tables

DECONTAMINATION_VERSION = f"2/grams {GRAMS_VERSION}/boilerplate {boilerplate.BOILERPLATE_VERSION}"
"""Version of matching and guards. 1 (2026-11): first version. 2 (2026-11): compiled; guards by word lists and items."""

_EXCERPT_CHARS = 300
_MIN_REAL_WORDS = 2
_MIN_REAL = {"question": 1, "answer": 3}
_MIN_SIZE = {"question": 2.5, "answer": 3.0}
_MAX_OTHERS = 2
_MAX_STRIDE = 4  # a look-up is a cache miss: a fourth of them, of parts that are long enough to be rare
NEVER, ALONE, ANYWHERE = 0, 1, 2
"""Where a text that is matched whole counts: `ALONE` is where it is a whole segment."""


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
    is_short: bool
    """A benchmark text of fewer than `ngram_words` grams, matched whole."""
    segments: tuple[int, ...]
    """Numbers of the dropped segments, from 0."""


@dataclass(frozen=True)
class BenchmarkIndex:
    """Benchmark texts prepared for look-up; made by `build_index`. About 25 bytes a benchmark word beside the texts."""

    texts: list[BenchmarkText]
    starts: np.ndarray
    """Number of the first gram of each text among all grams, with the end at last: int64 [number of texts + 1]."""
    runs: kernel.RunTable
    alone: frozenset[int]
    """Numbers of the texts that count only where they are a whole segment."""
    ngram_words: int
    _grams: dict[int, list[str]] = field(default_factory=dict, repr=False)

    def grams_of(self, number: int) -> list[str]:
        """The grams of one text; remembered, as few texts are ever found."""
        if number not in self._grams:
            self._grams[number] = grams(self.texts[number].text)
        return self._grams[number]

    def text_at(self, place: int) -> int:
        """Number of the text that gram `place` belongs to."""
        return int(np.searchsorted(self.starts, place, side="right")) - 1


def build_index(texts: Sequence[BenchmarkText], settings: DecontaminationSettings) -> BenchmarkIndex:
    """Index of all telling runs of `ngram_words` grams and of the texts matched whole. About 1 microsecond a gram."""
    parts = [split(text.text) for text in texts]
    starts = np.cumsum([0, *(len(part[1]) for part in parts)]).astype(np.int64)
    hashes = np.concatenate([np.empty(0, np.uint64), *(part[1] for part in parts)])
    places = _telling_places(hashes, starts, parts, settings)
    keys = kernel.run_hashes(hashes, places, np.full(len(places), settings.ngram_words))
    text_of = np.searchsorted(starts, places, side="right") - 1
    is_template = _num_items(keys, _item_numbers(texts)[text_of]) > settings.max_gram_items
    has_run = np.zeros(len(texts), bool)
    has_run[text_of[~is_template]] = True
    whole: dict[int, int] = {}
    for number in np.flatnonzero(~has_run).tolist():
        plain, own, *at = parts[number]
        if len(own) >= settings.min_short_words:
            where = whole_match(texts[number].kind, gram_names(plain, *at), settings.ngram_words)
            if where != NEVER:
                whole[number] = where
    runs = _run_table(hashes, places[~is_template], keys[~is_template], starts, whole, settings)
    alone = frozenset(number for number, where in whole.items() if where == ALONE)
    return BenchmarkIndex(list(texts), starts, runs, alone, settings.ngram_words)


def whole_match(kind: str, text_grams: Sequence[str], ngram_words: int) -> int:
    """Where a text that is matched whole counts: NEVER, ALONE or ANYWHERE. See the guards in the module docstring."""
    num_real = len({gram for gram in text_grams if boilerplate.is_real(gram)})
    if kind not in _MIN_SIZE or num_real < _MIN_REAL[kind] or len(set(text_grams)) < 3:
        return NEVER
    is_long = kind == "question" and len(text_grams) >= ngram_words
    return ANYWHERE if is_long or boilerplate.size(text_grams) >= _MIN_SIZE[kind] else ALONE


# Documents -----------------------------------------------------------------------------------------------------------


def candidates(texts: pa.Array | pa.ChunkedArray, index: BenchmarkIndex) -> np.ndarray:
    """Rows (int64, ascending) of a string column that may hold a benchmark text; all others hold none."""
    found, start = [np.empty(0, np.int64)], 0
    for chunk in texts.chunks if isinstance(texts, pa.ChunkedArray) else [texts]:
        answers = _scan(chunk.cast(pa.large_string()), index)
        for row in np.flatnonzero(answers == kernel.NEEDS_PYTHON).tolist():
            plain = normalise_grams(chunk[row].as_py() or "").encode("utf-8", "surrogatepass")
            _, hashes, _, _ = kernel.split_text(np.frombuffer(plain, np.uint8), True, tables())
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

    `ignored` are numbers of short benchmark texts to leave alone. A clean text comes back unchanged with no hits.
    """
    document = _document(text)
    if not len(kernel.find_runs(document.hashes, index.runs)):
        return text, []
    hits: list[Hit] = []
    lines = text.split("\n")
    kept = np.ones(len(lines), bool)
    while True:  # lines that become neighbours when others go may form a new match
        found = [_hit(match, lines, document, index) for match in _groups(_matches(document, index, ignored))]
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
    is_short: bool


def _matches(document: _Document, index: BenchmarkIndex, ignored: Collection[int]) -> list[_Match]:
    """Matches, compared gram by gram."""
    found = []
    for position, length, place in kernel.find_runs(document.hashes, index.runs).tolist():
        number = index.text_at(place)
        benchmark, first = index.grams_of(number), place - int(index.starts[number])
        if length == kernel.MAX_WHOLE != index.ngram_words:
            length = len(benchmark)
        is_short = length < index.ngram_words
        if is_short and number in ignored:
            continue
        if number in index.alone:
            num_others = _MAX_OTHERS if index.texts[number].kind == "question" else 0
            if _num_others(document, position, length) > num_others:
                continue
        if document.names(position, position + length) == benchmark[first : first + length]:
            found.append(_Match(number, position, position + length, is_short))
    return found


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
            merged[-1] = _Match(last.text_number, last.start, max(last.end, match.end), last.is_short)
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


# The index -----------------------------------------------------------------------------------------------------------


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


def _telling_places(
    hashes: np.ndarray,
    starts: np.ndarray,
    parts: Sequence[tuple[bytes, np.ndarray, np.ndarray, np.ndarray]],
    settings: DecontaminationSettings,
) -> np.ndarray:
    """Numbers (int64) of the grams that begin a run of `ngram_words` grams of one text that is evidence."""
    distinct, first, ids = np.unique(hashes, return_index=True, return_inverse=True)
    signs = np.zeros((len(distinct), 3), np.bool_)
    text_of = np.searchsorted(starts, first, side="right") - 1
    for number, (place, text) in enumerate(zip(first.tolist(), text_of.tolist(), strict=True)):
        plain, _, begins, ends = parts[text]
        at = place - int(starts[text])
        (gram,) = gram_names(plain, begins[at : at + 1], ends[at : at + 1])
        signs[number] = boilerplate.has_letter(gram), boilerplate.is_real(gram), boilerplate.is_telling(gram)
    num_real = min(_MIN_REAL_WORDS, settings.min_distinct_words)
    is_telling = kernel.telling_runs(
        ids.astype(np.int32), starts, settings.ngram_words, signs, settings.min_distinct_words, num_real,
        settings.min_telling_words,
    )  # fmt: skip
    return np.flatnonzero(is_telling)


def _item_numbers(texts: Sequence[BenchmarkText]) -> np.ndarray:
    """A number for each text's item: int64, the same for the texts of one item."""
    numbers: dict[str, int] = {}
    return np.array([numbers.setdefault(text.item, len(numbers)) for text in texts], np.int64)


def _num_items(keys: np.ndarray, items: np.ndarray) -> np.ndarray:
    """For every run (uint64 hash) in how many different items it occurs: int64."""
    if not len(keys):
        return np.empty(0, np.int64)
    order = np.lexsort((items, keys))
    new_key = np.r_[True, np.diff(keys[order]) != 0]
    new_item = new_key | np.r_[True, np.diff(items[order]) != 0]
    counts = np.add.reduceat(new_item.astype(np.int64), np.flatnonzero(new_key))
    found = np.empty(len(keys), np.int64)
    found[order] = counts[np.cumsum(new_key) - 1]
    return found


def _run_table(
    hashes: np.ndarray,
    places: np.ndarray,
    keys: np.ndarray,
    starts: np.ndarray,
    whole: Mapping[int, int],
    settings: DecontaminationSettings,
) -> kernel.RunTable:
    """Sorted tables of the long runs and of the texts that are matched whole (`whole`: number -> where)."""
    distinct, first = np.unique(keys, return_index=True)
    numbers = np.array(sorted(whole, key=lambda number: (-whole[number], number)), np.int64)  # ANYWHERE before ALONE
    whole_places, lengths = starts[numbers], np.minimum(starts[numbers + 1] - starts[numbers], kernel.MAX_WHOLE)
    whole_keys, whole_first = np.unique(kernel.run_hashes(hashes, whole_places, lengths), return_index=True)
    n, prefix = settings.ngram_words, settings.min_short_words
    stride = max(1, min(_MAX_STRIDE, n // 2))
    part_starts = np.unique((places[first][:, None] + np.arange(stride)).ravel())
    part_keys = kernel.run_hashes(hashes, part_starts, np.full(len(part_starts), n - stride + 1))
    prefixes, prefix_of = np.unique(
        kernel.run_hashes(hashes, whole_places, np.full(len(numbers), prefix)), return_inverse=True
    )
    prefix_lengths = np.zeros(len(prefixes), np.uint64)
    np.bitwise_or.at(prefix_lengths, prefix_of, np.uint64(1) << lengths.astype(np.uint64))
    return kernel.RunTable(
        distinct, places[first].astype(np.int32), whole_keys, whole_places[whole_first].astype(np.int32),
        _filter(part_keys, 16), _filter(prefixes, 64), prefixes, prefix_lengths, n, stride, prefix,
    )  # fmt: skip


def _filter(keys: np.ndarray, bits: int) -> np.ndarray:
    """A bitmap with two bits set for every key, `bits` to twice as many bits a key in size."""
    words = np.zeros(1 << max(6, (len(keys) * bits // 64).bit_length()), np.uint64)
    kernel.fill_filter(keys, words)
    return words
