"""The age of a corpus, and the crawls it does not have."""

from datetime import UTC, datetime

import pyarrow as pa
import pytest

from dsmath_pipeline import storage
from dsmath_pipeline.corpus.commoncrawl import Crawl
from dsmath_pipeline.corpus.freshness import corpus_age, newer_crawls, newest_of_base
from tests.corpus.test_corpus_parts import write_base, write_corpus, write_part

NOW = datetime(2024, 6, 1, 12, tzinfo=UTC)
LISTED = [
    Crawl("CC-MAIN-2024-22", "May", "2024-05-18T05:58:10", "2024-05-31T00:00:00"),
    Crawl("CC-MAIN-2024-18", "April", "2024-04-12T10:00:00", "2024-04-25T18:00:00"),
    Crawl("CC-MAIN-2024-10", "February", "2024-02-20T21:10:47", "2024-03-05T18:33:42"),
    Crawl("CC-MAIN-2012", "2012"),
]


def ids(newest):
    return [crawl.id for crawl in newer_crawls(LISTED, newest)]


def test_newer_crawls_begin_after_the_newest_page_oldest_first():
    assert ids("2024-03-04T23:00:00Z") == ["CC-MAIN-2024-18", "CC-MAIN-2024-22"]
    assert ids("2024-04-20T00:00:00Z") == ["CC-MAIN-2024-22"]  # a page of April's crawl itself
    assert ids("2024-06-01T00:00:00Z") == []
    assert ids("") == []  # pages without dates: nothing can be called newer


def test_a_crawl_without_dates_counts_by_the_week_in_its_name():
    undated = [Crawl(name, "") for name in ("CC-MAIN-2024-11", "CC-MAIN-2024-10", "CC-MAIN-2023-50", "CC-MAIN-2025")]
    # Monday, 4 March 2024 is in week 10
    found = newer_crawls(undated, "2024-03-04T23:00:00Z")
    assert [crawl.id for crawl in found] == ["CC-MAIN-2024-11", "CC-MAIN-2025"]
    assert newer_crawls(undated, "") == []


def test_the_age_is_that_of_the_newest_page_whenever_it_was_read(tmp_path):
    base = write_base(tmp_path)  # newest page: 1 March
    age = corpus_age(tmp_path, NOW)
    assert (age.part, age.newest_page) == ("base", "2024-03-01T00:00:00Z")
    assert age.days == pytest.approx(92.5)  # 30 days of March, 30, 31, 1, and half a day
    write_part(tmp_path, "A", {"base": base})
    manifest = tmp_path / "refresh" / "A" / "corpus_index" / "manifest.json"
    manifest.write_text(manifest.read_text().replace("2024-03-01", "2024-05-22"))
    assert corpus_age(tmp_path, NOW).part == "A" and corpus_age(tmp_path, NOW).days == pytest.approx(10.5)


def test_without_dates_the_time_it_was_finished_counts_and_without_an_index_the_documents(tmp_path):
    write_corpus(tmp_path / "math_corpus", ["a.org"])
    documents = tmp_path / "unique_documents" / "x.parquet"
    storage.write_table(documents, pa.table({"date": pa.array([None, ""], pa.string())}))
    made = datetime.fromtimestamp(storage.read_manifest(tmp_path / "math_corpus").created_seconds, UTC)
    assert corpus_age(tmp_path, made).days == pytest.approx(0.0) and newest_of_base(tmp_path) == ""
    storage.write_table(documents, pa.table({"date": ["2024-05-31T12:00:00Z", "2024-02-01T00:00:00Z", None]}))
    assert corpus_age(tmp_path, NOW).days == pytest.approx(1.0)
