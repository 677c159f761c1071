"""Gains on the tree of prefixes against a recount page by page."""

from hypothesis import given
from hypothesis import strategies as st

from dsmath_pipeline.annotation_app.gain import decided_pages, deciding_prefix, pages_covered, pages_gained
from dsmath_pipeline.corpus.annotation import UrlLabels
from dsmath_pipeline.corpus.urls import url_prefixes
from dsmath_pipeline.records import UrlLabel

paths = st.lists(st.sampled_from("abc"), max_size=4).map(lambda parts: "/".join(["x.org", *parts]))
labels_of_prefixes = st.dictionaries(paths, st.sampled_from(["math", "not_math", "unsure"]), max_size=8)


def counter(pages):
    return lambda prefix: sum(prefix in url_prefixes(f"https://{page}") for page in pages)


@given(st.lists(paths, max_size=30), labels_of_prefixes)
def test_the_gain_equals_a_recount_by_the_pipeline_s_own_rule(pages, labels):
    lookup = UrlLabels(UrlLabel(prefix, label, "ana", 1) for prefix, label in labels.items())
    found = [lookup.label_of(f"https://{page}") for page in pages]
    assert pages_gained(labels, counter(pages)) == found.count("math")
    assert pages_covered(labels, counter(pages)) == len(pages) - found.count("")


def test_a_prefix_decides_what_no_longer_one_decides():
    pages = ["x.org", "x.org/a", "x.org/a/b", "x.org/a/b/c", "x.org/c"]
    labels = {"x.org": "math", "x.org/a/b": "not_math"}
    assert decided_pages(labels, counter(pages)) == {"x.org": 3, "x.org/a/b": 2}
    assert pages_gained(labels, counter(pages)) == 3


def test_the_deciding_prefix_is_made_of_whole_segments():
    assert deciding_prefix("x.org/ab", {"x.org/a": "math"}) is None
    assert deciding_prefix("x.org/a/b", {"x.org/a": "math"}) == "x.org/a"
