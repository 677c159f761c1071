"""Text made to be slow: the time of every rule stays in proportion to the length."""

import time

import pytest

from dsmath_pipeline.corpus.formula_asciimath import asciimath_to_latex
from dsmath_pipeline.corpus.formula_list import clean_latex
from dsmath_pipeline.corpus.formulas import FoundFormulas, has_latex_evidence, page_delimiters, text_formulas

CHARS = 200_000
BENIGN = "some words, a formula $x^2$, a price of $5 and more words "
HOSTILE = [
    "$", "$$", "$ ", "$a b ", "$5 ", "$x$", "$1,", "$中", "$}{", "$${", "$a\n\n",
    "\\", "\\[", "\\(", "\\\\[", "\\[{\\]",
    "\\(}\\)", "{", "a{", "^{", "_{", "x_{a}", "[tex]", "[tex][/TEX]", "[tex=", "[;", "$latex ", "<math>", "<math ",
    "\\begin", "\\begin{a", "\\begin{align}", "\\begin{align}\\end{align*}", "\\begin{align}x\\end{align}", "\\left(",
]  # fmt: skip


def seconds(text: str, *, has_renderer: bool) -> float:
    found = FoundFormulas(has_renderer=has_renderer)
    start = time.process_time()
    text_formulas(text, found)
    has_latex_evidence(text)
    clean_latex(text, False)
    return time.process_time() - start


@pytest.mark.slow
@pytest.mark.parametrize("has_renderer", [False, True])
def test_no_text_is_much_slower_than_a_plain_one_of_the_same_length(has_renderer: bool) -> None:
    # A quadratic rule would take 10,000 times as long; one formula in three characters, 20 times.
    plain = min(seconds((BENIGN * CHARS)[:CHARS], has_renderer=has_renderer) for _ in range(3))
    slow = {piece: seconds((piece * CHARS)[:CHARS], has_renderer=has_renderer) for piece in HOSTILE}
    assert {piece: taken for piece, taken in slow.items() if taken > 100 * plain} == {}


@pytest.mark.slow
@pytest.mark.parametrize(
    "piece", ["inlineMath:[", 'MathJax inlineMath: [["', 'delimiters:[{left:"', "MathJax //inlineMath:"]
)
def test_configurations_without_end_are_read_in_bounded_time(piece: str) -> None:
    start = time.process_time()
    page_delimiters((piece * CHARS)[: 5 * CHARS])
    assert time.process_time() - start < 2


@pytest.mark.parametrize("piece", ["(", "[", "{:", "|", "sqrt", "a/", '"', "_", "^", "((a,b),", "hat ", "|("])
def test_asciimath_of_any_nesting_neither_raises_nor_hangs(piece: str) -> None:
    source = (piece * 3000)[:3000]
    start = time.process_time()
    assert isinstance(asciimath_to_latex(source), str)
    assert time.process_time() - start < 2
