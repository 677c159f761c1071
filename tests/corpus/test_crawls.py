"""Several crawls: the newest page of a URL, the first crawl's page of near-duplicates, every page counted once."""

import random

import pyarrow as pa
import pytest

from dsmath_pipeline import storage
from dsmath_pipeline.cli import main
from dsmath_pipeline.corpus.crawls import deduplicate_crawls
from dsmath_pipeline.recipe.schema import DedupSettings
from dsmath_pipeline.records import DOCUMENT_SCHEMA

SETTINGS = DedupSettings()


def prose(seed, num_words=300):
    rng = random.Random(seed)
    return " ".join(f"word{rng.randrange(10**6)}" for _ in range(num_words))


def document(id, url, text, date):
    return {
        "id": id, "url": f"https://e.org/{url}", "domain": "e.org", "source": "a.warc.gz", "offset": 0, "date": date,
        "title": "", "language": "en", "text": text, "formulas": [], "rules": [], "num_tokens": 1,
    }  # fmt: skip


OLD = [
    document("a", "1", prose("1"), "2024-02-01T10:00:00Z"),
    document("b", "2?utm_source=x", prose("2"), "2024-02-01T10:00:00Z"),
    document("c", "3", prose("3"), "2024-02-01T10:00:00Z"),
    document("d", "4", prose("4"), "2024-09-01T10:00:00Z"),
]
NEW = [
    document("e", "2#top", prose("2 of August"), "2024-08-01T10:00:00Z"),  # replaces b
    document("f", "5", prose("3") + " a new footer", "2024-08-01T10:00:00Z"),  # near-duplicate of c
    document("g", "4", prose("4 of August"), "2024-08-01T10:00:00Z"),  # older than d, though its crawl is the newer
    document("h", "6", prose("1"), "2024-08-01T10:00:00Z"),  # the text of a, under a new address
    document("i", "7", prose("7"), "2024-08-01T10:00:00Z"),
    document("j", "8", prose("7") + " again", "2024-08-01T10:00:00Z"),  # near-duplicate of i, and longer
]


@pytest.fixture
def crawls(tmp_path):
    for name, rows in (("old", OLD), ("new", NEW)):
        storage.write_table(tmp_path / name / "x.parquet", pa.Table.from_pylist(rows, DOCUMENT_SCHEMA))
    return [tmp_path / "old", tmp_path / "new"]


def ids(folder):
    return sorted(storage.read_table(folder, ["id"])["id"].to_pylist())


def test_of_urls_and_texts_the_newest_page_stays_and_of_near_duplicates_the_first_crawls(crawls, tmp_path):
    manifests = deduplicate_crawls(crawls, tmp_path / "out", SETTINGS)
    assert ids(tmp_path / "out" / "kept_documents") == ["c", "d", "e", "h", "j"]
    assert manifests["kept_documents"].counts == {
        "num_read": 10, "num_kept": 5,
        "dropped": {
            "too_short": 0, "duplicate_url": 2, "duplicate_text": 1, "near_duplicate": 1,
            "near_duplicate_of_earlier_crawl": 1,
        },
    }  # fmt: skip
    rows = storage.read_table(tmp_path / "out" / "near_duplicates" / "crawl_2", ["id", "cluster_id"]).to_pylist()
    assert {row["id"]: row["cluster_id"] for row in rows} == {"e": "e", "f": "c", "h": "h", "i": "j", "j": "j"}


def test_a_crawl_alone_against_the_signatures_of_an_earlier_one(crawls, tmp_path):
    deduplicate_crawls(crawls[:1], tmp_path / "first", SETTINGS)
    known = [tmp_path / "first" / "near_duplicates" / "crawl_1"]
    deduplicate_crawls(crawls[1:], tmp_path / "second", SETTINGS, known=known)
    # a is known by its signature, so h goes as its near-duplicate; URLs of the earlier crawl are not known
    assert ids(tmp_path / "second" / "kept_documents") == ["e", "g", "j"]


def test_a_second_run_changes_nothing_and_a_third_crawl_keeps_the_first_decisions(crawls, tmp_path):
    first = deduplicate_crawls(crawls, tmp_path / "out", SETTINGS)
    again = deduplicate_crawls(crawls, tmp_path / "out", SETTINGS)
    assert {name: m.created_seconds for name, m in first.items()} == {n: m.created_seconds for n, m in again.items()}
    third = tmp_path / "third.parquet"
    rows = [document("k", "9", prose("3") + " third", "2024-10-01T10:00:00Z")]
    storage.write_table(third, pa.Table.from_pylist(rows, DOCUMENT_SCHEMA))
    deduplicate_crawls([*crawls, third], tmp_path / "out", SETTINGS)
    assert ids(tmp_path / "out" / "kept_documents") == ["c", "d", "e", "h", "j"]


def test_folders_that_are_no_crawl_are_named(tmp_path):
    with pytest.raises(storage.ArtifactError, match="no crawl given"):
        deduplicate_crawls([], tmp_path / "out", SETTINGS)
    with pytest.raises(storage.ArtifactError, match=r"no Parquet file of documents in .*nothing"):
        deduplicate_crawls([tmp_path / "nothing"], tmp_path / "out", SETTINGS)
    storage.write_table(tmp_path / "bad" / "x.parquet", pa.table({"id": ["a"], "text": ["b"]}))
    with pytest.raises(storage.ArtifactError, match=r"x.parquet has no url, domain.*dsmath extract"):
        deduplicate_crawls([tmp_path / "bad"], tmp_path / "out", SETTINGS)


def test_the_command_prints_what_went_and_what_stayed(crawls, tmp_path, capsys):
    with pytest.raises(SystemExit) as done:
        main(["dedup", *map(str, crawls), "--out", str(tmp_path / "out"), "--workers", "1"])
    assert done.value.code == 0
    text = capsys.readouterr().out
    assert "near_duplicate_of_earlier_crawl" in text and "documents kept" in text
