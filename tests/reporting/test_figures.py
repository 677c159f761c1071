"""Tiny pictures stay under 1,000 characters and are well-formed whatever they are given."""

import math
import re
import xml.etree.ElementTree as ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dsmath_pipeline.reporting.figures import svg_bars, svg_histogram, svg_line

VALUES = st.lists(st.one_of(st.none(), st.floats(width=32)), max_size=200)


def texts(picture):
    return [element.text for element in ElementTree.fromstring(picture).iter() if element.tag.endswith("text")]


@given(VALUES, st.integers(0, 200))
def test_every_picture_is_small_and_well_formed(values, bins):
    for picture in (
        svg_histogram(values, bins),
        svg_line(values),
        svg_bars([f"<label & {i}>" for i in range(len(values))], values),
    ):
        assert len(picture) < 1000
        ElementTree.fromstring(picture)
        assert not re.search(r"\bnan\b|\binf\b", picture)


def test_a_histogram_has_a_bar_for_every_filled_bin_in_proportion():
    # values 0, 0, 0, 1 in two bins: heights 50 and 50/3 = 17 pixels
    picture = svg_histogram([0, 0, 0, 1], 2)
    assert re.findall(r"v-(\d+)h", picture) == ["50", "17"]
    assert texts(picture) == ["0", "1", "max 3 a bin"]


def test_a_line_goes_from_the_first_to_the_last_value():
    picture = svg_line([2.0, 4.0, 3.0])
    # high values are up: y = 62 - (v - 2) / 2 * 46
    assert 'points="0,62 120,16 240,39"' in picture
    assert texts(picture) == ["max 4", "min 2", "2 → 3"]


def test_bars_are_as_long_as_their_values():
    picture = svg_bars(["base", "rl"], [0.25, 0.5])
    assert re.findall(r"h(\d+)v11", picture) == ["50", "100"]
    assert texts(picture) == ["base", "0.25", "rl", "0.5"]


@pytest.mark.parametrize("values", [[], [None], [math.nan, math.inf]])
def test_without_values_the_picture_says_so(values):
    assert texts(svg_line(values)) == texts(svg_histogram(values)) == ["no data"]
    assert texts(svg_bars(["x"] * len(values), values)) == ["no data"]
