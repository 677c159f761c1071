"""The grader against people: two sets of pairs labelled by hand, and invariants over answers of every kind."""

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dsmath_pipeline.grading.equality import decide
from dsmath_pipeline.grading.notation import unify
from tests.grading.pairs import read_pairs


@pytest.mark.parametrize("name", ["answer_pairs.txt", "held_out_pairs.txt"])
@pytest.mark.slow
def test_the_grader_agrees_with_people_in_both_directions(name):
    wrong = [
        pair
        for pair in read_pairs(name)
        if not (
            decide(pair.first, pair.second).is_correct == decide(pair.second, pair.first).is_correct == pair.is_equal
        )
    ]
    assert wrong == []


def test_the_labelled_pairs_are_many_balanced_and_of_all_kinds():
    pairs = read_pairs("answer_pairs.txt")
    assert len(pairs) >= 300 and len(set(pairs)) == len(pairs)
    assert 0.4 < sum(pair.is_equal for pair in pairs) / len(pairs) < 0.6
    chinese = [p for p in pairs if any("\u4e00" <= c <= "\u9fff" for c in p.first + p.second)]
    assert len(chinese) >= 40
    assert set(Counter(p.kind for p in pairs)) >= {
        "number", "mixed", "percent", "currency", "unit", "degree", "scientific", "expression", "equation", "interval",
        "tuple", "set", "blanks", "matrix", "plus_minus", "choice", "words", "range", "thousands",
    }  # fmt: skip


def test_no_labelled_difference_is_accepted_without_algebra():
    accepted = [
        pair
        for name in ("answer_pairs.txt", "held_out_pairs.txt")
        for pair in read_pairs(name)
        if not pair.is_equal and decide(pair.first, pair.second, symbolic=False).is_correct
    ]
    assert accepted == []


@pytest.mark.slow
def test_whatever_strict_grading_accepts_the_paper_s_rules_accept_too():
    for pair in read_pairs("answer_pairs.txt"):
        if pair.is_equal:
            assert decide(pair.first, pair.second, mode="paper").is_correct, pair


_SMALL = st.integers(-99, 99)
_NUMBER = st.one_of(
    _SMALL.map(str),
    st.tuples(_SMALL, st.integers(1, 99)).map(lambda t: f"\\frac{{{t[0]}}}{{{t[1]}}}"),
    st.decimals(-99, 99, places=2).map(str),
    st.integers(0, 10**7).map(lambda n: f"{n:,}"),
    st.integers(0, 100).map(lambda n: f"{n}\\%"),
    st.tuples(_SMALL, st.sampled_from([" cm", " m", "^\\circ", " cm^2", "元", " 小时", " hours", " apples", "个"])).map(
        lambda t: f"{t[0]}{t[1]}"
    ),
    st.tuples(st.integers(1, 9), st.integers(-9, 9)).map(lambda t: f"{t[0]} \\times 10^{{{t[1]}}}"),
)
_LEAF = st.one_of(
    _NUMBER,
    st.sampled_from(["x", "2x", "\\sqrt{2}", "\\pi", "x+1", "(x+1)^2", "无解", "no solution", "East", "4:30 pm"]),
)
_MANY = st.lists(_LEAF, min_size=1, max_size=3)
_ANSWER = st.one_of(
    _LEAF,
    _MANY.map(", ".join),
    _MANY.map(" or ".join),
    _MANY.map("; ".join),
    _MANY.map(lambda items: "\\{" + ", ".join(items) + "\\}"),
    st.tuples(st.sampled_from("(["), _NUMBER, _NUMBER, st.sampled_from(")]")).map(
        lambda t: f"{t[0]}{t[1]}, {t[2]}{t[3]}"
    ),
    st.tuples(_NUMBER, st.sampled_from(["<", "\\le "]), _NUMBER).map(lambda t: f"{t[0]} {t[1]} x < {t[2]}"),
    st.tuples(st.sampled_from("xy"), _LEAF).map(lambda t: f"{t[0]} = {t[1]}"),
    _NUMBER.map(lambda n: f"\\pm {n}"),
    st.lists(_NUMBER, min_size=2, max_size=2).map(
        lambda t: f"\\begin{{pmatrix}} {t[0]} \\\\ {t[1]} \\end{{pmatrix}}"
    ),
    st.lists(st.sampled_from("ABCD"), min_size=1, max_size=3, unique=True).map("".join),
    st.tuples(st.sampled_from("ABCD"), _NUMBER).map(lambda t: f"({t[0]}) {t[1]}"),
    st.tuples(_SMALL, _SMALL).map(lambda t: f"{t[0]}:{t[1]}"),
    st.tuples(_SMALL, _SMALL).map(lambda t: f"{t[0]}-{t[1]}"),
)  # fmt: skip


@given(_ANSWER)
@settings(max_examples=300, deadline=None)
def test_every_answer_equals_itself_however_it_is_decorated(answer):
    for same in (answer, f"${answer}$", f" \\boxed{{{answer}}} ", f"**{answer}**"):
        assert decide(answer, same, symbolic=False).is_correct


@pytest.mark.slow
@given(_ANSWER, _ANSWER)
@settings(max_examples=600, deadline=None)
def test_the_exact_rules_are_symmetric(first, second):
    assert decide(first, second, symbolic=False).is_correct == decide(second, first, symbolic=False).is_correct
    paper = decide(first, second, symbolic=False, mode="paper").is_correct
    assert paper == decide(second, first, symbolic=False, mode="paper").is_correct
    assert paper or not decide(first, second, symbolic=False).is_correct


@pytest.mark.slow
@given(_ANSWER, _ANSWER)
@settings(max_examples=150, deadline=None)
def test_algebra_is_symmetric(first, second):
    assert decide(first, second).is_correct == decide(second, first).is_correct


@given(_ANSWER)
@settings(max_examples=300, deadline=None)
def test_rewriting_twice_is_rewriting_once(answer):
    assert unify(unify(answer)) == unify(answer)
