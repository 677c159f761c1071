"""The segmentation kernel against text.segment: byte for byte, for any input."""

import itertools
import random
import unicodedata
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dsmath_pipeline.corpus.characters import canonical_pairs
from dsmath_pipeline.corpus.nfkc_kernel import NUM_POINTS
from dsmath_pipeline.corpus.segment_kernel import segment_texts
from dsmath_pipeline.corpus.segmentation import column_bytes, max_masked, segment_column, tables
from dsmath_pipeline.text import MAX_MASKED_CHARS, segment
from tests.corpus.bounds import run_with_bounds_checks
from tests.corpus.real_documents import needs_crawl, real_texts

PIECES = [
    "$", "$$", "\\(", "\\)", "\\[", "\\]", "\\", "\\\\", "\\frac", "\\$", "'", "’", "_", "x", "Word", "it's", "12", "5",
    " ", "\n", "\t", "\x1c", "\x85", "\u00a0", "\u2028", "\u3000", "设函数", "，", "ｆｕ", "＄", "＼", "＇", "カ", "ガ",
    "한", "é", "e\u0301", "\u0301", "\u0323\u0301", "<\u0338", "=", "ﬁ", "½", "²", "İ", "ΑΣ", "Σ", "ς", "\u02bc",
    "\u00b4", "K", "Å", "\U0001d6ba", "\U0001d400", "\U0001f600", "\ufe0f", "\u200d", "\U000e0041", "\u3131e", "٣", "3",
    "क्षि", "กำ", "\u1100\u1161\u11a8", "가\u11a8", "\ufdfa", "\0", "<b>", "</s>", "__label__math", "{", "}", "-",
]  # fmt: skip


def in_kernel(texts: list[str], mask_formulas: bool = False) -> tuple[list[str], np.ndarray]:
    """What the kernel itself makes of the texts, and which of them it left to Python."""
    data, offsets = column_bytes(pa.array(texts, pa.string()))
    out, ends, needs_python = segment_texts(data, offsets, tables(), max_masked(mask_formulas))
    content = out.tobytes()
    return [content[a:b].decode() for a, b in itertools.pairwise(ends)], needs_python


def expected(texts: list[str], mask_formulas: bool = False) -> list[str]:
    return [" ".join(segment(text, mask_formulas)) for text in texts]


def assert_equal(texts: list[str], mask_formulas: bool = False) -> None:
    """Equal wherever the kernel did it, and as a whole."""
    found, needs_python = in_kernel(texts, mask_formulas)
    right = expected(texts, mask_formulas)
    for text, mine, theirs, is_left in zip(texts, found, right, needs_python, strict=True):
        assert is_left or mine == theirs, ascii(text)
    assert segment_column(pa.array(texts, pa.string()), mask_formulas).to_pylist() == right


@pytest.mark.parametrize("mask_formulas", [False, True])
@settings(max_examples=100, deadline=None, derandomize=True)
@given(st.lists(st.sampled_from(PIECES), max_size=14).map("".join), st.text(max_size=20))
def test_any_text_is_segmented_as_in_python(mask_formulas, pieces, text):
    assert_equal([pieces, text, pieces + text, text + pieces], mask_formulas)


@pytest.mark.parametrize("mask_formulas", [False, True])
def test_random_mixtures_are_segmented_as_in_python(mask_formulas):
    rng = random.Random(1)
    texts = ["".join(rng.choices(PIECES, k=rng.randrange(40))) for _ in range(4000)]
    assert_equal(texts, mask_formulas)


@pytest.mark.slow
def test_every_character_in_every_place():
    """Alone in a word, behind and before a capital sigma, with a mark, at a formula's ends, behind an apostrophe."""
    points = [*range(0xD800), *range(0xE000, NUM_POINTS), *range(NUM_POINTS, 0x110000, 13)]
    for pattern in (
        "a{0}b {0}1 \\{0}",
        "a{0}Σ aΣ{0} aΣ{0}a 1{0}Σ",
        "{0}\u0301\u0323 {0}\u3099 ${0}$ $x{0}$ $x${0} a'{0}",
    ):
        texts = [pattern.format(chr(point)) for point in points]
        found, needs_python = in_kernel(texts)
        for text, mine, right, is_left in zip(texts, found, expected(texts), needs_python, strict=True):
            assert is_left or mine == right, ascii(text)
        # Only marks beside a capital sigma, characters beyond the tables there, and broken ones need Python.
        assert needs_python[: NUM_POINTS - 0x800].mean() < 0.02


def test_composition_is_unicodes():
    """Random towers of letters and marks: the kernel's NFKC is Python's."""
    rng = random.Random(2)
    halves = sorted({half for pair in canonical_pairs() for half in pair})
    jamo = [
        chr(point)
        for first, last in ((0x1100, 0x1113), (0x1161, 0x1176), (0x11A7, 0x11C3))
        for point in range(first, last)
    ]
    marks = [chr(point) for point in range(0x300, 0x370)] + ["\u0f71", "\u0f72", "\u3099", "\u093c", "\u05b7", "\u0e38"]
    pool = [*halves, *jamo, *marks, *marks, "가", "각", "ﬁ", "a", "'"]
    texts = ["".join(rng.choices(pool, k=rng.randrange(1, 8))) for _ in range(20_000)]
    found, needs_python = in_kernel(texts)
    for text, mine, right, is_left in zip(texts, found, expected(texts), needs_python, strict=True):
        assert is_left or mine == right, ascii(text)
    assert needs_python.mean() < 0.02
    assert sum(unicodedata.normalize("NFKC", text) != text for text in texts) > 3000


@pytest.mark.parametrize(
    "text",
    [
        "\\formula" * 3000, "$a$" * 3000, "\ufdfa" * 3000, "," * 10_000, "设" * 10_000, "a" * 100_000, "$" * 1001,
        " " * 5000, "$" + "a" * 402 + "$", "$" + "a" * 403 + "$", "$" + "设" * 402 + "$ 1", "$x \\(" + "y" * 390 + "$",
        "e" + "\u0301" * 40 + "x", "Σ" * 5, "Α" + "'" * 40 + "Σ", "ΑΣ" + "." * 40, "$$" + "b" * MAX_MASKED_CHARS + "$$",
        "$$" + "b" * (MAX_MASKED_CHARS + 1) + "$$", "\\(" + "é" * MAX_MASKED_CHARS + "\\)", "\\[\\]", "\\(\\\\)\\)",
    ],
)  # fmt: skip
def test_limits(text):
    for mask_formulas in (False, True):
        assert_equal([text, "a", text], mask_formulas)


def test_forms_of_columns():
    texts = ["Let $x$", None, "", "设 b", "e\u0301" + "\u0323" * 50]  # the last goes through Python
    right = expected([text or "" for text in texts])
    for column in (
        pa.array(texts), pa.array(texts, pa.large_string()), pa.chunked_array([texts[:2], texts[2:]]),
        pa.array([text and text.encode() for text in texts]), pa.array(["x", *texts, "y"])[1:-1],
    ):  # fmt: skip
        assert segment_column(column).to_pylist() == right
    assert segment_column(pa.array([], pa.string())).to_pylist() == []
    assert segment_column(pa.array(texts)[2:2]).to_pylist() == []


@pytest.mark.parametrize(
    "data", [b"\xff", b"a\xc3", b"\xe4\xb8", b"\x80", b"\xed\xa0\x80", b"\xc0\x80", b"\xf4\x90\x80\x80"]
)
def test_broken_utf8_becomes_replacement_characters(data):
    data = b"ab $x$ " + data + b" c"
    found = segment_column(pa.array([data, b"ok"], pa.binary())).to_pylist()
    assert found == [" ".join(segment(data.decode("utf-8", "replace"))), "ok"]


def test_masked_formulas_leave_one_token_each():
    texts = [r"so $x_1>2$ and \(a\) or \[b\] or $$c \$ d$$ end", r"open \( $$ x", "price $5 and $6", r"$a \(b\) c$"]
    assert segment_column(pa.array(texts), mask_formulas=True).to_pylist() == [
        r"so \formula and \formula or \formula or \formula end", r"open \formula \formula x", "price $ 5 and $ 6",
        r"\formula",
    ]  # fmt: skip


@pytest.mark.slow
@needs_crawl
def test_real_documents_are_segmented_as_in_python():
    texts = real_texts()
    for mask_formulas in (False, True):
        found, needs_python = in_kernel(texts, mask_formulas)
        right = expected(texts, mask_formulas)
        assert [mine for mine, is_left in zip(found, needs_python, strict=True) if not is_left] == [
            theirs for theirs, is_left in zip(right, needs_python, strict=True) if not is_left
        ]
        assert segment_column(pa.array(texts), mask_formulas).to_pylist() == right
        assert len(texts) > 3000 and needs_python.mean() < 0.01  # one of 3,315 when this was written


@pytest.mark.slow
def test_no_access_beyond_an_array(tmp_path: Path) -> None:
    """Compiled with bounds checks, in a cache of their own, the kernels run over mutated texts without an error."""
    run_with_bounds_checks("bounds_check_scoring.py", tmp_path)
