"""URL prefixes, label files and the rule-based annotator."""

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dsmath_pipeline import storage
from dsmath_pipeline.corpus.annotation import (
    AnnotationError,
    UrlLabels,
    annotate,
    auto_labels,
    read_annotations,
    read_label_file,
)
from dsmath_pipeline.corpus.domains import PREFIX_SCHEMA
from dsmath_pipeline.corpus.urls import base_url, normal_prefix, url_prefixes
from dsmath_pipeline.recipe.schema import AnnotationSettings
from dsmath_pipeline.records import UrlLabel


def label(prefix, value, annotator="ana", iteration=1):
    return UrlLabel(prefix, value, annotator, iteration)


def prefix_row(prefix, pages, collected):
    return {"url_prefix": prefix, "domain": prefix.partition("/")[0], "depth": prefix.count("/"), "num_pages": pages,
            "num_collected": collected, "collected_share": collected / pages, "sample_titles": []}  # fmt: skip


def test_a_url_has_one_prefix_for_its_host_and_each_path_segment():
    assert url_prefixes("https://www.MathOverflow.net:443/questions//12/Title?tab=x#top") == [
        "mathoverflow.net", "mathoverflow.net/questions", "mathoverflow.net/questions/12",
        "mathoverflow.net/questions/12/Title",
    ]  # fmt: skip


def test_what_people_type_becomes_the_compared_form():
    assert normal_prefix(" HTTPS://www.a.org/Sec/* ") == "a.org/Sec"
    assert normal_prefix("a.org/") == "a.org"


def test_the_longest_matching_prefix_decides():
    labels = UrlLabels([label("a.org", "math"), label("a.org/news", "not_math"), label("a.org/news/pi", "math")])
    assert labels.label_of("https://www.a.org/x") == "math"
    assert labels.label_of("https://a.org/news/today") == "not_math"
    assert labels.label_of("https://a.org/news/pi/2") == "math"
    assert labels.label_of("https://b.org/news") == ""


def test_a_prefix_covers_whole_segments_only():
    assert UrlLabels([label("a.org/question", "math")]).label_of("https://a.org/questions") == ""


def test_a_person_beats_the_rule_and_later_beats_earlier():
    labels = [
        label("a.org", "math", "ana", 1),
        label("a.org", "not_math", "auto", 2),
        label("b.org", "math", "auto", 1),
    ]
    found = UrlLabels([*labels, label("b.org", "not_math", "auto", 2)])
    assert found.label_of("https://a.org/") == "math"
    assert found.label_of("https://b.org/") == "not_math"


@given(st.lists(st.from_regex(r"[a-z]{1,3}", fullmatch=True), max_size=5))
def test_every_prefix_of_a_url_matches_the_url(segments):
    url = "https://a.org/" + "/".join(segments)
    prefixes = url_prefixes(url)
    assert len(prefixes) == len(segments) + 1
    assert all(UrlLabels([label(prefix, "math")]).label_of(url) == "math" for prefix in prefixes)


def test_hosts_lose_port_user_and_www():
    assert base_url("http://u:p@WWW.Example.org.:80/x") == "example.org"
    assert base_url("file:///a/b.html") == ""  # no host: an empty authority
    assert base_url("file:a") == "file:"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", "line 2: not JSON"),
        ("[1]", "line 2: expected an object"),
        ('{"url_prefix": "a.org", "label": "math"}', "line 2: no annotator"),
        ('{"url_prefix": "a.org", "label": "maths", "annotator": "b"}', "line 2: label 'maths' is unknown"),
        ('{"url_prefix": " ", "label": "math", "annotator": "b"}', "line 2: no url_prefix"),
        ('{"url_prefix": "/a", "label": "math", "annotator": "b"}', "line 2: url_prefix '/a' has no host"),
    ],
)
def test_a_bad_line_of_a_label_file_is_named(tmp_path, line, message):
    file = tmp_path / "labels.jsonl"
    file.write_text('{"url_prefix": "a.org", "label": "math", "annotator": "ana"}\n' + line + "\n")
    with pytest.raises(AnnotationError, match=message):
        read_label_file(file)


def test_a_missing_label_file_is_named(tmp_path):
    with pytest.raises(AnnotationError, match=r"nowhere.jsonl does not exist"):
        read_label_file(tmp_path / "nowhere.jsonl")


def test_the_rule_labels_prefixes_by_their_collected_share_and_leaves_small_ones():
    settings = AnnotationSettings(min_prefix_pages=3, min_collected_share=0.4)
    rows = [prefix_row("a.org", 10, 4), prefix_row("a.org/x", 5, 1), prefix_row("a.org/y", 2, 2)]
    assert [(x.url_prefix, x.label, x.annotator) for x in auto_labels(rows, settings, 2)] == [
        ("a.org", "math", "auto"),  # 4 of 10 is exactly 0.4
        ("a.org/x", "not_math", "auto"),  # 0.2
    ]


def make_domains(path, rows):
    with storage.stage(path, "domains", "test", None, {}) as run:
        assert run.artifact
        storage.write_table(path / "prefixes" / "part-00000.parquet", pa.Table.from_pylist(rows, PREFIX_SCHEMA))
    return path


def test_the_stage_signs_what_the_rule_labelled(tmp_path):
    domains = make_domains(tmp_path / "domains", [prefix_row("a.org", 4, 4)])
    manifest = annotate(domains, tmp_path / "out", AnnotationSettings(), iteration=3)
    assert read_annotations(tmp_path / "out") == [UrlLabel("a.org", "math", "auto", 3, "4 of 4 pages collected")]
    assert manifest.counts["num_math"] == 1


def test_labels_of_people_outside_mathematical_domains_are_counted_not_used(tmp_path):
    domains = make_domains(tmp_path / "domains", [prefix_row("a.org", 4, 4)])
    file = tmp_path / "labels.jsonl"
    file.write_text(
        '{"url_prefix": "https://a.org/b/", "label": "math", "annotator": "ana", "note": "lectures"}\n'
        '{"url_prefix": "z.org", "label": "math", "annotator": "ana"}\n'
    )
    manifest = annotate(domains, tmp_path / "out", AnnotationSettings(), labels=str(file), iteration=1)
    assert read_annotations(tmp_path / "out") == [UrlLabel("a.org/b", "math", "ana", 1, "lectures")]
    assert manifest.counts["num_outside_domains"] == 1
