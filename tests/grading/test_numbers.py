from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dsmath_pipeline.grading.numbers import Number, numbers_equal, parse_number


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("18", Fraction(18)), ("-4", Fraction(-4)), ("−4", Fraction(-4)), ("+3", Fraction(3)), ("2.50", Fraction(5, 2)),
        (".5", Fraction(1, 2)), ("1,234,567", Fraction(1234567)), ("1{,}234", Fraction(1234)),
        ("1 000", Fraction(1000)),
        ("3/4", Fraction(3, 4)), ("\\frac{3}{4}", Fraction(3, 4)), ("\\dfrac34", Fraction(3, 4)),
        ("-\\frac{1}{2}", Fraction(-1, 2)), ("\\frac{-1}{2}", Fraction(-1, 2)), ("12\\frac{3}{5}", Fraction(63, 5)),
        ("12 3/5", Fraction(63, 5)), ("1.2\\times10^{5}", Fraction(120000)), ("1.2e-3", Fraction(12, 10000)),
        ("10^{-6}", Fraction(1, 10**6)), ("x = 5", Fraction(5)), ("$\\$18.00$", Fraction(18)), ("¥30", Fraction(30)),
        ("18 dollars a day", Fraction(18)), ("She has 5 apples left", Fraction(5)), ("她有5个苹果", Fraction(5)),
        ("12\\text{ cm}^2", Fraction(12)), ("90^\\circ", Fraction(90)), ("10 m/s", Fraction(10)),
        ("2.5 million", Fraction(2500000)), ("3万", Fraction(30000)), ("seven", Fraction(7)), ("１２", Fraction(12)),
    ],
)  # fmt: skip
def test_numbers_are_read_exactly(text, value):
    number = parse_number(text)
    assert number is not None
    assert number.value == value


@pytest.mark.parametrize(
    "text",
    ["", "dog", "4t", "2x", "7\\pi", "12 or 13", "1 1", "3!", "2 sqrt 3", "half of 5", "5i", "1/0", "x=1 or x=2",
     "1,23,4", "(1,2)", "10^{10^{10}}", "1e999999999", "9" * 1000, "3 hundred", "1011_2", "2+3"],
)  # fmt: skip
def test_what_is_not_exactly_one_number_is_left_alone(text):
    assert parse_number(text) is None


def test_a_run_of_letters_costs_no_exponential_time():
    assert parse_number("a" * 290 + " 5 5 !") is None
    assert parse_number("ab-" * 90 + "(5") is None


@given(st.fractions(max_denominator=10**6), st.sampled_from(["{}", "\\frac{{{}}}{{{}}}", "$ {}/{} $"]))
def test_a_fraction_survives_writing_and_reading(value, shape):
    top, bottom = value.numerator, value.denominator
    text = shape.format(top, bottom) if shape != "{}" else f"{top}/{bottom}"
    assert parse_number(text) == Number(value)
    assert parse_number(f"x = {text}") == Number(value, name="x")


@given(st.integers(-(10**12), 10**12))
def test_thousands_separators_change_nothing(value):
    assert parse_number(f"{value:,}") == parse_number(str(value)) == Number(Fraction(value))


_NUMBERS = st.builds(Number, st.fractions(-10, 10, max_denominator=1000), st.booleans(), st.booleans())


@given(_NUMBERS, _NUMBERS)
def test_equality_is_reflexive_and_symmetric(first, second):
    assert numbers_equal(first, first)
    assert numbers_equal(first, second) == numbers_equal(second, first)


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [
        ("50%", "0.5", True), ("50%", "50", True), ("50%", "5000", False), ("50%", "50%", True), ("50%", "0.5%", False),
        ("0.30000000000000004", "0.3", True),
        ("0.3333333", "1/3", True),  # off by one in ten million, the bound
        ("0.333333", "1/3", False), ("12 cm", "0.12 m", True), ("12 cm", "12 m", False), ("12 cm", "12", True),
        ("2 hours", "120 minutes", True), ("x = 5", "y = 5", False), ("x = 5", "5", True), ("30 °", "30%", False),
        ("0.333", "1/3", False), ("1000.0005", "1000", False), ("0.0000000001", "0", False), ("5", "500", False),
    ],
)  # fmt: skip
def test_tolerance_forgives_noise_and_nothing_else(first, second, same):
    a, b = parse_number(first), parse_number(second)
    assert a and b
    assert numbers_equal(a, b) is same
