"""Segmentation and n-grams: what every stage sees of a text."""

from hypothesis import given
from hypothesis import strategies as st

from dsmath_pipeline import text


def test_segment_separates_tex_commands_punctuation_and_chinese_characters():
    assert text.segment("Let \\frac{a}{b} = 2，设函数f(x)") == [
        "let", "\\frac", "{", "a", "}", "{", "b", "}", "=", "2", ",", "设", "函", "数", "f", "(", "x", ")",
    ]  # fmt: skip


def test_a_masked_formula_is_one_token_whatever_marks_its_ends():
    found = text.segment(r"a \(b\) c $$d $ e$$ f \[ $g$ \] h $i_1$ $5 \( j", mask_formulas=True)
    assert " ".join(found) == r"a \formula c \formula f \formula h \formula $ 5 \formula j"


def test_token_estimate_counts_cjk_characters_and_quarters_of_the_rest():
    # 4 CJK characters + ceil(9 / 4) = 3 for the nine others
    assert text.estimate_tokens("设函数为 f(x)=x+1") == 4 + 3
    assert text.estimate_tokens("") == 0


def test_text_hash_ignores_case_and_spacing_only():
    assert text.text_hash("A  b\nc") == text.text_hash("a b C")
    assert text.text_hash("a b c") != text.text_hash("a b d")


@given(st.text())
def test_segmenting_twice_changes_nothing(value):
    once = text.segment(value)
    assert text.segment(" ".join(once)) == once


@given(st.text())
def test_no_letter_or_digit_is_lost_by_segmentation(value):
    # formula delimiters become one token of their own; everything else is kept
    kept = "".join(token for token in text.segment(value) if token != "\\formula")
    assert [c for c in text.normalise(value) if c.isalnum()] == [c for c in kept if c.isalnum()]
