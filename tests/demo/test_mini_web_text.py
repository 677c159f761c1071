"""The parts the mini web is made of: grammars, formula markup, mathematical text."""

import html
import random
import re
from importlib import resources

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dsmath_pipeline.demo.formula_markup import MARKUPS, mathml, render
from dsmath_pipeline.demo.grammar import GrammarError, draw, expand, load_grammar, parse_grammar
from dsmath_pipeline.demo.math_text import exercise, theory

FILES = sorted(
    file.name.removesuffix(".txt") for file in (resources.files("dsmath_pipeline.demo") / "grammars").iterdir()
)


def test_slots_are_filled_remembered_and_repeated():
    grammar = parse_grammar("= fruit: pear\n= sentence\nOne <A=fruit>, <B=5-5> more, again <A> and <B>.")
    assert draw(random.Random(0), grammar, "sentence") == "One pear, 5 more, again pear and 5."


def test_an_unknown_list_and_an_entry_without_a_list_are_errors():
    with pytest.raises(GrammarError, match="no list 'fruit'"):
        expand(random.Random(0), {}, "a <fruit>")
    with pytest.raises(GrammarError, match="before the first list"):
        parse_grammar("lonely")


@pytest.mark.parametrize("name", FILES)
def test_every_entry_of_every_grammar_expands_and_leaves_no_slot(name: str):
    grammar = load_grammar("shared_en", name)
    rng = random.Random(1)
    for entries in grammar.values():
        for entry in entries:
            text = expand(rng, grammar, entry)
            assert not re.search(r"<[A-Za-z0-9_=-]+>", text), text


def test_mathml_of_a_formula_with_fraction_root_and_scripts():
    assert mathml(r"\frac{1}{x_i^2}") == (
        "<mfrac><mrow><mn>1</mn></mrow><mrow><msubsup><mi>x</mi><mi>i</mi><mn>2</mn></msubsup></mrow></mfrac>"
    )
    assert mathml(r"\sqrt{2} \le \pi") == "<msqrt><mrow><mn>2</mn></mrow></msqrt><mo>≤</mo><mi>π</mi>"


@pytest.mark.parametrize("markup", MARKUPS)
def test_every_markup_carries_the_formula_and_escapes_the_prose(markup: str):
    page = render("Fish & chips when $a_1 < 2$ holds.", markup)
    assert page.startswith("Fish &amp; chips when ") and page.endswith(" holds.")
    if markup == "bare_mathml":
        assert "<msub><mi>a</mi><mn>1</mn></msub><mo>&lt;</mo><mn>2</mn>" in page
    else:
        assert "a_1 < 2" in html.unescape(page)


@pytest.mark.parametrize("markup", MARKUPS)
def test_display_formulas_differ_from_inline_ones(markup: str):
    assert render("$$x$$", markup) != render("$x$", markup)


@given(st.integers(0, 10_000), st.sampled_from(("en", "zh")))
def test_dollars_are_balanced_in_theory_and_exercises(seed: int, language: str):
    rng = random.Random(seed)
    for text in [*theory(rng, language, "number", 300), exercise(rng, language)]:
        assert text.count("$") % 2 == 0
        assert text.count("{") == text.count("}")


def test_solutions_of_quadratic_exercises_solve_their_equations():
    found = 0
    for seed in range(300):
        text = exercise(random.Random(seed), "en")
        if match := re.search(r"x\^2 - (\d+) x \+ (\d+) = 0\$.*so \$x = (\d+)\$ or \$x = (\d+)\$", text):
            p, q, *roots = map(int, match.groups())
            assert all(root * root - p * root + q == 0 for root in roots)
            found += 1
    assert found > 10
