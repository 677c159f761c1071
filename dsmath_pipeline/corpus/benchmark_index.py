"""Benchmark texts prepared for look-up: which of their runs are evidence, and which texts are matched whole.

Of every text the runs of `ngram_words` grams that say enough (evidence.py: `min_new_words` new grams) and that are in
at most `max_gram_items` benchmark items (a run of more is a template of the benchmark, not one of its questions). A
text without such a run, because it is shorter or says too little, is matched whole from `min_short_words` grams on; a
question of numbers and operators ("8 + 8 / 2 + 2 =") only where a line repeats it to the letter.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from ..recipe.schema import DecontaminationSettings
from . import runs_kernel as kernel
from .benchmark_texts import BenchmarkText
from .evidence import MIN_LETTER_GRAMS, gram_facts, has_letter, is_letter, is_word, num_new
from .grams import gram_names, grams, literal, split

_MIN_NEW_ANYWHERE = {"question": 4, "answer": 5}
_MIN_WORDS = {"question": 1, "answer": 3}
_MAX_STRIDE = 4  # a look-up is a cache miss: a fourth of them, of parts that are long enough to be rare
NEVER, LITERAL, ALONE, ANYWHERE = 0, 1, 2, 3
"""Where a text that is matched whole counts: `ALONE` is where it is a whole segment, `LITERAL` where besides its signs
are the same (grams.literal)."""

_Parts = Sequence[tuple[bytes, np.ndarray, np.ndarray, np.ndarray]]
"""What `grams.split` gives for every text."""


@dataclass(frozen=True)
class BenchmarkIndex:
    """Benchmark texts prepared for look-up; made by `build_index`. About 30 bytes a benchmark word beside the texts."""

    texts: list[BenchmarkText]
    starts: np.ndarray
    """Number of the first gram of each text among all grams, with the end at last: int64 [number of texts + 1]."""
    runs: kernel.RunTable
    alone: frozenset[int]
    """Numbers of the texts that count only where they are a whole segment."""
    literals: dict[str, int]
    """What the texts say that count only where segments say literally the same (grams.literal): number of each."""
    weakest: frozenset[int]
    """Numbers of these texts."""
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
    """Index of all runs that are evidence and of the texts matched whole. About 5 microseconds a gram."""
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
    weakest = [number for number, where in whole.items() if where == LITERAL]
    literals = {literal(parts[number][0].decode("utf-8", "replace")): number for number in reversed(weakest)}
    return BenchmarkIndex(list(texts), starts, runs, alone, literals, frozenset(weakest), settings.ngram_words)


def whole_match(kind: str, text_grams: Sequence[str], ngram_words: int) -> int:
    """Where a text that is matched whole counts: NEVER, LITERAL, ALONE or ANYWHERE.

    A question counts anywhere when it has `ngram_words` grams or 4 new ones, an answer with 5, single letters aside;
    both need words (one, three) for that. Weaker ones ("does not exist") count alone on a segment, those without words
    ("3x^2 - 7x + 45 = 0") only when they have that many new grams or `ngram_words` in all. Questions with less count
    literally, answers with less ("x = 2") and options never.
    """
    weakest = LITERAL if kind == "question" else NEVER
    if kind not in _MIN_WORDS or len(set(text_grams)) < 3 or not any(map(has_letter, text_grams)):
        return weakest
    has_words = len({gram for gram in text_grams if is_word(gram)}) >= _MIN_WORDS[kind]
    is_long = len(text_grams) >= ngram_words
    is_strong = num_new(gram for gram in text_grams if not is_letter(gram)) >= _MIN_NEW_ANYWHERE[kind]
    if has_words and (is_strong or (is_long and kind == "question")):
        return ANYWHERE
    return ALONE if has_words or is_strong or is_long else weakest


def _telling_places(
    hashes: np.ndarray, starts: np.ndarray, parts: _Parts, settings: DecontaminationSettings
) -> np.ndarray:
    """Numbers (int64) of the grams that begin a run of `ngram_words` grams of one text that is evidence."""
    _, first, ids = np.unique(hashes, return_index=True, return_inverse=True)
    text_of = np.searchsorted(starts, first, side="right") - 1
    names = []
    for place, text in zip(first.tolist(), text_of.tolist(), strict=True):
        plain, _, begins, ends = parts[text]
        at = place - int(starts[text])
        names += gram_names(plain, begins[at : at + 1], ends[at : at + 1])
    new = kernel.new_grams(ids.astype(np.int32), starts, settings.ngram_words, *gram_facts(names), MIN_LETTER_GRAMS)
    return np.flatnonzero(new >= max(1, settings.min_new_words))


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
    numbers = np.array(sorted(whole, key=lambda number: (-whole[number], number)), np.int64)  # ANYWHERE first
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
