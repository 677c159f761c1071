"""Near-duplicates against plain Python (slow_minhash.py), hand-computed values and the labels of real pages."""

import collections
import gzip
import hashlib
import itertools
import json
import os
import random
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from dsmath_pipeline.corpus import minhash_kernel as kernel
from dsmath_pipeline.corpus.minhash import (
    character_table,
    clusters_of,
    gram_set,
    jaccard,
    kept_pages,
    signatures,
)
from dsmath_pipeline.recipe.schema import DedupSettings
from tests.corpus import slow_minhash as slow
from tests.corpus.crawl_files import REAL
from tests.plain_text import ngrams

SETTINGS = DedupSettings()
SMALL = DedupSettings(ngram_words=2, num_bands=5, num_rows=2, min_jaccard=0.6)
SAMPLES = [
    "", "?! ...", "one", "Two words", "The quick brown fox jumps over the lazy dog, twice over.",
    "设函数f(x)在区间[a,b]上连续，则存在ξ使得", "数学mathematics数学 mixed 日本語のテキスト 한국어",
    "emoji 😀 splits 👍🏽 words ❤️ and flags 🇩🇪", "x² + y² = z², ½ of 𝑥 and ℝ, ﬁne", "Ünïcödé and Unicode",
    "naı̈ve cafe\u0301 café", "soft\u00adhyphen zero\u200bwidth non\u2060joiner", "ΑΒΓ αβγ ЁЖ ёж",
    "ﾃｽﾄ ＦＵＬＬ　ｗｉｄｔｈ１２３",
    "हिन्दी में पाठ و نص عربي עברית ไทย", "\U00020000\U0002a6d6 plane two \U0003134f", "豈更 compatibility", "a_b c-d e.f",
]  # fmt: skip


def prose(rng, num_words, vocabulary=5000):
    return [f"w{rng.randrange(vocabulary)}" for _ in range(num_words)]


# --- words, grams and signatures equal the plain ones


@pytest.mark.parametrize("text", SAMPLES)
def test_signatures_and_grams_of_samples_are_those_of_plain_python(text):
    assert signatures([text], SETTINGS)[0].tolist() == slow.signature(text, SETTINGS)
    for n in (1, 2, 5):
        assert gram_set(text, n).tolist() == sorted(set(slow.gram_hashes(text, n)))


@hypothesis_settings(max_examples=200, deadline=None)
@given(st.lists(st.text(max_size=60) | st.text(alphabet="abA éÉ数学。.　😀\u0301x²ﬁ", max_size=60), max_size=4))
def test_signatures_of_generated_texts_are_those_of_plain_python(texts):
    assert signatures(texts, SMALL).tolist() == [slow.signature(text, SMALL) for text in texts]


@pytest.mark.slow
def test_every_character_means_what_plain_python_says():
    wide = [0x20000, 0x2FFFF, 0x30000, 0x3134F, 0x31350, 0xE0100, 0x10FFFF]
    for point in itertools.chain(range(0x20000), wide):
        text = f"a{chr(point)}b"
        expected = sorted({slow.word_hash(word) for word in slow.plain_words(text)})
        assert sorted(set(gram_words(text))) == expected, hex(point)


def gram_words(text):
    """Hashes of the words: the grams of one word before the last mixing are the words themselves."""
    data = np.frombuffer(text.encode("utf-8", "surrogatepass"), np.uint8)
    found, at = [], 0
    while True:
        at, word = kernel._next_word(data, at, len(data), character_table())
        if word == 0:
            return found
        found.append(int(word))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Let f(x) = 2x_1", ["let", "f", "x", "2x", "1"]),
        ("设函数f连续", ["设", "函", "数", "f", "连", "续"]),
        ("Café CAFE\u0301", ["cafe", "cafe"]),
        ("ＡＢ１ x²", ["ab1", "x2"]),
        ("co\u00adoperate", ["cooperate"]),
        ("a😀b", ["a", "b"]),
        ("ｶﾅ", ["カ", "ナ"]),
    ],
)
def test_words_are_cut_and_folded_as_described(text, expected):
    assert gram_words(text) == [slow.word_hash(word) for word in expected]


def test_the_character_table_never_changes():
    # The table decides every signature ever stored: this digest was computed when version 2 was written.
    assert hashlib.blake2b(character_table().astype("<u4").tobytes(), digest_size=8).hexdigest() == TABLE_V2


def test_signatures_never_change():
    # hash family, word and gram hashes are part of the version: computed when version 2 was written
    assert gram_set("the quick brown fox jumps over", 5).tolist() == GRAMS_V2
    assert signatures(["the quick brown fox jumps over"], SETTINGS)[0, :3].tolist() == SIGNATURE_V2


def test_arrow_arrays_slices_nulls_chunks_and_threads_give_the_same_signatures():
    rng = random.Random(5)
    texts = [*SAMPLES, *(" ".join(prose(rng, 40)) for _ in range(30))]
    expected = signatures(texts, SETTINGS)
    for kind in (pa.string(), pa.large_string()):
        array = pa.array(["first", *texts, None], kind)
        assert np.array_equal(signatures(array[1:-1], SETTINGS), expected)
        assert (signatures(array[-1:], SETTINGS) == 0xFFFFFFFF).all()
        chunks = pa.chunked_array([array[1:7], array[7:7], array[7:-1]])
        for threads in (1, 2, 3):
            assert np.array_equal(signatures(chunks, SETTINGS, threads), expected)
    assert signatures(pa.array([], pa.string()), SETTINGS).shape == (0, 112)
    with pytest.raises(TypeError, match="int64"):
        signatures(pa.array([1]), SETTINGS)


@pytest.mark.slow
def test_no_kernel_reads_outside_a_text(tmp_path):
    # random bytes, most of them broken UTF-8, with numba's own checks of every index
    script = """
import random
import numpy as np
from dsmath_pipeline.corpus import minhash_kernel as kernel
from dsmath_pipeline.corpus.minhash import character_table, hash_family
rng = random.Random(0)
pieces = [bytes([b]) for b in range(256)] + [b"a", b" ", "数".encode(), "é".encode(), "\\U0001f600".encode()] * 40
for _ in range(3000):
    data = np.frombuffer(b"".join(rng.choices(pieces, k=rng.randrange(40))), np.uint8)
    cut = rng.randrange(len(data) + 1)
    bounds = np.array([0, cut, len(data)])
    out = np.empty((2, 8), np.uint32)
    kernel.write_signatures(data, bounds, 0, 2, character_table(), 3, *hash_family(8), out)
    kernel.grams(data, 0, len(data), character_table(), 1, np.empty(len(data) + 1, np.uint64))
    kernel.write_plain(data, bounds, np.empty(len(data), np.uint8), np.empty(3, np.int64))
    keys = kernel.band_keys(out, 4, 2)
    order = np.argsort(keys[:, 0], kind="stable")
    kernel.merge_buckets(keys[:, 0][order], order, out, 4, 2, np.arange(2))
print("checked")
"""
    environment = {**os.environ, "NUMBA_BOUNDSCHECK": "1", "NUMBA_CACHE_DIR": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=False)
    assert done.stdout == "checked\n", done.stderr[-2000:]


# --- similarity


def test_jaccard_of_two_sentences_is_the_hand_computed_share():
    # bigrams: {a b, b c, c d} and {b c, c d, d e}: 2 shared of 4
    assert jaccard(gram_set("a b c d", 2), gram_set("B, C d e!", 2)) == pytest.approx(0.5)
    # 设函 函数 数连 连续 and 设函 函数 数可 可导: 2 shared of 6
    assert jaccard(gram_set("设函数连续", 2), gram_set("设函数可导", 2)) == pytest.approx(2 / 6)
    assert jaccard(gram_set("", 5), gram_set("", 5)) == 0


def test_a_text_shorter_than_a_gram_is_one_gram_and_an_empty_one_has_none():
    assert len(gram_set("two words", 5)) == 1
    assert len(gram_set("?! ...", 5)) == 0


def test_the_share_of_equal_signature_values_estimates_jaccard():
    many = DedupSettings(ngram_words=1, num_bands=512, num_rows=8)
    # one-word grams: 1500 shared of 1500 + 750 + 750 = 3000, Jaccard 0.5; 4,096 hashes: standard error 0.008
    shared = [f"shared{i}" for i in range(1500)]
    left, right = (" ".join(shared + [f"{side}{i}" for i in range(750)]) for side in "ab")
    values = signatures([left, right], many)
    assert jaccard(gram_set(left, 1), gram_set(right, 1)) == 0.5
    assert np.mean(values[0] == values[1]) == pytest.approx(0.5, abs=0.04)


# --- clusters


SIGNATURES = st.lists(st.lists(st.integers(0, 3), min_size=6, max_size=6), max_size=14)


@hypothesis_settings(max_examples=150, deadline=None)
@given(SIGNATURES, st.sampled_from([0.3, 0.5, 0.7]))
def test_clusters_are_the_closure_of_all_pairs_and_kept_pages_those_of_plain_python(values, least):
    settings = DedupSettings(num_bands=3, num_rows=2, min_jaccard=least)
    table = np.array(values, np.uint32).reshape(-1, 6)
    clusters = clusters_of(table, settings)
    assert clusters.tolist() == slow.clusters(values, settings)
    scores, lengths = [value[0] / 2 for value in values], [value[1] for value in values]
    ids = [f"{(7 * page) % 15:02}" for page in range(len(values))]
    ranks = [(-score, -length, id) for score, length, id in zip(scores, lengths, ids, strict=True)]
    kept = kept_pages(clusters, table, scores, lengths, ids, settings)
    assert kept.tolist() == slow.kept(clusters.tolist(), values, ranks, settings)


def test_clusters_of_edited_texts_are_the_closure_of_all_pairs():
    rng = random.Random(1)
    texts = []
    for _ in range(12):
        base = prose(rng, 80)
        for share in (0, 0.02, 0.05, 0.1, 0.3):
            texts.append(" ".join(rng.choice(base) if rng.random() < share else word for word in base))
    settings = DedupSettings(num_bands=32, num_rows=3, min_jaccard=0.5)
    expected = slow.clusters([slow.signature(text, settings) for text in texts], settings)
    assert clusters_of(signatures(texts, settings), settings).tolist() == expected
    assert 12 < len(set(expected)) < 60  # some edits are pairs and some are not


def test_a_changed_footer_is_a_near_duplicate_and_a_half_new_page_is_not():
    body = prose(random.Random(2), 1000, 10**6)
    texts = [" ".join(body), " ".join(body[:-20] + ["new"] * 20), " ".join(body[:500] + prose(random.Random(3), 500))]
    values = signatures(texts, SETTINGS)
    assert clusters_of(values, SETTINGS).tolist() == [0, 0, 2]


def test_the_best_page_stays_by_score_then_length_then_id():
    values = np.zeros((5, 112), np.uint32)
    clusters = np.array([0, 0, 0, 3, 3])
    # cluster 0: score 0.9 twice, longer text wins; cluster 3: everything equal, smaller id wins
    scores, lengths = [0.8, 0.9, 0.9, 0.5, 0.5], [99, 10, 20, 7, 7]
    assert kept_pages(clusters, values, scores, lengths, ["a", "b", "c", "e", "d"], SETTINGS).tolist() == [
        2,
        2,
        2,
        4,
        4,
    ]


def test_a_chain_drops_only_what_resembles_a_page_that_stays():
    # pages 0 to 5, each with 20 of 112 values other than the one before: neighbours agree in 92 values, pages two
    # apart in 72, and 79 make a pair. All are one cluster; 0 stays and drops 1, 2 stays and drops 3, and so on.
    values = np.array([[k // 20 < page for k in range(112)] for page in range(6)], np.uint32)
    settings = SETTINGS.model_copy(update={"num_bands": 112, "num_rows": 1})
    clusters = clusters_of(values, settings)
    assert clusters.tolist() == [0] * 6
    assert kept_pages(clusters, values, [0] * 6, [0] * 6, list("abcdef"), settings).tolist() == [0, 0, 2, 2, 4, 4]


def test_pages_that_share_a_bucket_but_not_enough_values_stay_apart():
    # 2 bands of 2 rows: the first band is the same, and 3 of the 4 values
    values = np.array([[1, 2, 3, 4], [1, 2, 3, 5]], np.uint32)
    settings = DedupSettings(num_bands=2, num_rows=2, min_jaccard=0.75)
    assert clusters_of(values, settings).tolist() == [0, 0]
    assert clusters_of(values, settings.model_copy(update={"min_jaccard": 0.76})).tolist() == [0, 1]


def test_texts_without_words_are_no_duplicates_of_each_other_but_equal_short_texts_are():
    assert clusters_of(signatures(["...", "", "???", "a b", "A, b!"], SETTINGS), SETTINGS).tolist() == [0, 1, 2, 3, 3]


def test_a_page_is_compared_with_at_most_so_many_pages_of_its_bucket():
    # one band of 2 rows holds all; page 3 is like page 2 alone, which is the third of the bucket
    values = np.array([[7, 7, 1, 1], [7, 7, 2, 2], [7, 7, 3, 3], [7, 7, 3, 3]], np.uint32)
    settings = DedupSettings(num_bands=2, num_rows=2, min_jaccard=0.9)
    assert clusters_of(values[:, :2], DedupSettings(num_bands=1, num_rows=2)).tolist() == [0, 0, 0, 0]
    one_band = settings.model_copy(update={"max_bucket_pairs": 2})
    values[3, 3] = 4  # only the first band is shared
    loose = {"min_jaccard": 0.7}
    assert clusters_of(values, settings.model_copy(update=loose)).tolist() == [0, 1, 2, 2]
    assert clusters_of(values, one_band.model_copy(update=loose)).tolist() == [0, 1, 2, 3]


def test_no_texts_give_no_clusters():
    values = signatures([], SETTINGS)
    clusters = clusters_of(values, SETTINGS)
    assert len(clusters) == len(kept_pages(clusters, values, [], [], [], SETTINGS)) == 0


# --- sizes


def num_comparisons(values, settings):
    """Pairs of signatures that are compared, over all bands, and merges."""
    keys = kernel.band_keys(values, settings.num_bands, settings.num_rows)
    parents = np.arange(len(values))
    totals = np.zeros(2, np.int64)
    for band in range(settings.num_bands):
        of_band = np.ascontiguousarray(keys[:, band])
        order = np.argsort(of_band, kind="stable")
        totals += kernel.merge_buckets(of_band[order], order, values, 79, settings.max_bucket_pairs, parents)
    return totals.tolist()


@pytest.mark.slow
def test_a_hundred_thousand_like_texts_take_one_comparison_each():
    values = np.repeat(signatures(["the same template on a hundred thousand pages"], SETTINGS), 100_000, axis=0)
    # identical: each page but the first is compared once, in the first band, and merged
    assert num_comparisons(values, SETTINGS) == [99_999, 99_999]
    rng = np.random.default_rng(0)
    changed = values.copy()
    changed[rng.random(values.shape) < 0.1] += 1
    started = time.process_time()
    compared, merged = num_comparisons(changed, SETTINGS)
    # nine of ten values in common with the template: nearly all pairs pass, so comparisons stay near the merges
    assert merged <= 99_999 and compared < 40 * len(values)
    assert len(np.unique(clusters_of(changed, SETTINGS))) == 100_000 - merged
    assert time.process_time() - started < 60


@pytest.mark.slow
def test_a_text_of_ten_megabytes_is_one_document_like_any_other():
    words = prose(random.Random(4), 1_400_000, 10**6)
    text = " ".join(words)
    assert len(text) > 10_000_000
    values = signatures([text, " ".join(words[:-1000]), ""], SETTINGS)
    assert clusters_of(values, SETTINGS).tolist() == [0, 0, 2]
    lone = signatures(["x" * 1_000_000, "数" * 300_000], SETTINGS)
    assert lone[0].tolist() == slow.signature("x" * 1_000_000, SETTINGS)  # one word
    assert lone[1].tolist() == slow.signature("数" * 5, SETTINGS)  # one gram, again and again


# --- the real crawl


@pytest.mark.slow
@pytest.mark.skipif(not (REAL / "crawl").exists(), reason=f"no real crawl in {REAL}")
def test_labelled_near_duplicates_of_the_real_crawl_are_found_and_nothing_else_is_merged(tmp_path):
    from dsmath_pipeline.corpus.pages import extract_one_file
    from dsmath_pipeline.recipe.schema import ExtractSettings

    tables = [extract_one_file(file, ExtractSettings())[0] for file in sorted((REAL / "crawl").glob("*.warc.gz"))]
    table = pa.concat_tables(tables)
    places = zip(table["source"].to_pylist(), table["offset"].to_pylist(), strict=True)
    number = {place: i for i, place in enumerate(places)}
    groups = collections.defaultdict(list)
    for line in gzip.decompress((REAL / "crawl" / "labels.jsonl.gz").read_bytes()).splitlines():
        row = json.loads(line)
        if row["near_dup_group"] is not None:
            groups[row["near_dup_group"]].append(number.get((Path(row["warc"]).name, row["offset"]), -1))
    labelled = [pair for members in groups.values() for pair in itertools.combinations(members, 2)]
    values, texts, ids = signatures(table["text"], SETTINGS), table["text"].to_pylist(), table["id"].to_pylist()
    clusters = clusters_of(values, SETTINGS)
    kept = kept_pages(clusters, values, [0] * len(ids), [len(text) for text in texts], ids, SETTINGS).tolist()
    found = [min(i, j) >= 0 and kept[i] == kept[j] for i, j in labelled]
    assert sum(found) >= 0.9 * len(labelled) > 0
    members = collections.defaultdict(list)
    for page, other in enumerate(kept):
        members[other].append(page)
    merged = [pair for pages in members.values() for pair in itertools.combinations(pages, 2)]
    for i, j in random.Random(0).sample(merged, min(200, len(merged))):
        left, right = (set(ngrams(slow.plain_words(texts[page]), 5)) for page in (i, j))
        assert len(left & right) >= 0.6 * len(left | right), (table["url"][i], table["url"][j])


TABLE_V2 = "a3dc195aef163413"
GRAMS_V2 = [7058866846973086292, 16557124905821604976]
SIGNATURE_V2 = [1810174782, 896346645, 1131377579]
