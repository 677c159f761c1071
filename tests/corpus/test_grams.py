"""Equal texts give equal grams however they are written, and the kernel splits as the plain rule does."""

import sys
import unicodedata

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from dsmath_pipeline.corpus import grams_kernel as kernel
from dsmath_pipeline.corpus.grams import RENAMED_COMMANDS, gram_hash, grams, split, tables
from tests.corpus.slow_decontamination import slow_grams


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("$x+1$", "x 1"),
        ("$ x + 1 $", "x 1"),
        ("\\(x+1\\)", "x 1"),
        ("\\left( 2x \\right)\\,\\quad y", "2 x y"),
        ("\\dfrac{1}{2} \\tfrac12 \\frac 12", "frac 1 2 frac 1 2 frac 1 2"),
        ("\\frac123", "frac 1 2 3"),
        ("x² + x₁ 10² 3½", "x 2 x 1 10 2 3 1 2"),
        ("$1,000 1{,}000 10,\\!000 1000000 1,000,000", "1000 1000 10000 1000000 1000000"),
        ("1,0000 f(1,200,3) 1,00 12345,678", "1 0000 f 1200 3 1 00 12345 678"),
        ("ＡＢＣ１２３，ｘ", "abc 123 x"),
        ("3盒茶叶，一共", "3 盒 茶 叶 一 共"),
        ("Σ ς σ \\Sigma \\varsigma π \\pi", "σ σ σ σ σ π π"),
        ("√2 ≤ \\sqrt{2} \\le \\leqslant", "sqrt 2 sqrt 2"),
        ("\\begin{pmatrix} a & b \\\\c \\end{pmatrix} \\mathbf{v}", "a b c v"),
        ("<b>bold</b><br/> a<x>b &nbsp;&lt; &#39; R&D; <sup>2</sup>", "bold a x b r d 2"),
        ("co\u00adop\ufeff e\u0301te\u0301 été", "coop été été"),
        ("snake_case don’t don't", "snake case don t don t"),
        ("\\alphax \\", "alphax"),
        ("", ""),
        ("... !!! \\, & <", ""),
    ],
)
def test_grams(written, expected):
    assert grams(written) == expected.split()
    assert slow_grams(written) == expected.split()


ATOMS = [
    "\\", "\\\\", "frac", "\\frac", "\\dfrac", "begin", "\\begin", "{", "}", "{,}", ",", ",\\!", "000", "12",
    "1", " ", "\n", "\t", "<", ">", "/", "b", "br", "&", "nbsp", ";", "#", "x", "Ab", "中", "ﬁ", "²", "½", "ª",
    "é", "\u0301", "\u00ad", "\u200d", "İ", "Σ", "ß", "가", "\u1161", "\u11a8", "ｶ", "\uff9e", "𝑥", "①", "٣",
    "√", "ϕ", "_", "'", "🙂", "\u0958", "\U0002f800", "㍿", "ﷺ", "\u2126",
]  # fmt: skip


@settings(max_examples=600, deadline=None)
@given(st.lists(st.one_of(st.sampled_from(ATOMS), st.characters(exclude_categories=["Cs"])), max_size=30).map("".join))
@example("&" + "a" * 9 + ";<" + "b" * 9 + ">")
@example("²\u00ad³")
@example("\\frac\n12")
def test_the_kernel_splits_as_the_plain_rule(text):
    assert grams(text) == slow_grams(text)
    plain, hashes, starts, stops = split(text)
    assert hashes.tolist() == [gram_hash(gram) for gram in grams(text)]
    assert plain.count(b"\n") == text.count("\n")
    assert all(b"\n" not in plain[a:b] for a, b in zip(starts.tolist(), stops.tolist(), strict=True))


def test_every_character_alone_and_between_letters_is_what_nfkc_makes_of_it():
    points = [p for p in range(sys.maxunicode + 1) if p < 0x3100 or (p % 7 == 3 and not 0xD800 <= p < 0xE000)]
    points = [p for p in points if unicodedata.category(chr(p)) != "Cn"]
    for start in range(0, len(points), 2000):
        text = "\n".join(f"a{chr(p)}b" for p in points[start : start + 2000])
        assert grams(text) == slow_grams(text)


def test_texts_beyond_the_kernels_room_are_split_by_python():
    # U+FDFA is 3 bytes and becomes 33
    assert grams("ﷺ" * 500) == slow_grams("ﷺ" * 500)


def test_an_invalid_end_of_a_byte_sequence_is_not_read_over():
    data = np.frombuffer("aé中".encode()[:-1], np.uint8)
    plain, hashes, _, _ = kernel.split_text(data, False, tables())
    assert len(hashes) == 1 and plain.tobytes().startswith("aé".encode())


def test_no_renamed_command_points_at_another_one():
    assert all(RENAMED_COMMANDS.get(gram, gram) == gram for gram in RENAMED_COMMANDS.values())
