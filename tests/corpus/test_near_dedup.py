"""Near-duplicates within a crawl and against the pages kept of earlier crawls."""

import json
import random

import numpy as np
import pyarrow as pa
import pytest

from dsmath_pipeline import storage
from dsmath_pipeline.corpus.minhash import signatures
from dsmath_pipeline.corpus.near_dedup import find_near_duplicates
from dsmath_pipeline.recipe.schema import DedupSettings
from tests.corpus import slow_minhash as slow

SETTINGS = DedupSettings()


def prose(seed, num_words=300):
    rng = random.Random(seed)
    return " ".join(f"word{rng.randrange(10**6)}" for _ in range(num_words))


def write_crawl(path, shards):
    """An artifact of documents; `shards` maps names to {id: text}."""
    with storage.stage(path, "unique_documents", "1", None, {"documents": path.name}, force=True) as run:
        for name, rows in shards.items():
            table = pa.table(
                {
                    "id": pa.array(rows, pa.string()),
                    "url": pa.array([f"https://e.org/{id}" for id in rows], pa.string()),
                    "text": pa.array(rows.values(), pa.large_string()),
                }
            )
            run.artifact.write_table(f"{name}.parquet", table)
    return path


def decisions(out):
    table = storage.read_table(out, ["id", "cluster_id", "is_kept"])
    return {row["id"]: (row["cluster_id"], row["is_kept"]) for row in table.to_pylist()}


def test_of_each_cluster_the_longest_text_stays_and_then_the_smallest_id(tmp_path):
    body = prose("body")
    docs = write_crawl(
        tmp_path / "docs",
        {
            "s1": {"d": body, "b": body + " and a footer", "x": prose("x"), "e1": "", "e2": "..."},
            "s2": {"a": body, "q": prose("q"), "p": prose("q")},
        },
    )
    manifest = find_near_duplicates(docs, tmp_path / "out", SETTINGS)
    assert decisions(tmp_path / "out") == {
        "d": ("b", False), "b": ("b", True), "x": ("x", True), "e1": ("e1", True), "e2": ("e2", True),
        "a": ("b", False), "q": ("p", False), "p": ("p", True),
    }  # fmt: skip
    assert manifest.counts == {
        "num_read": 8, "num_kept": 5, "dropped": {"near_duplicate": 3, "near_duplicate_of_earlier_crawl": 0},
        "num_known": 0, "num_clusters": 2,
    }  # fmt: skip
    sample = [json.loads(line) for line in (tmp_path / "out" / "dropped" / "sample.jsonl").read_text().splitlines()]
    assert [(row["id"], row["url"], row["kept_id"]) for row in sample] == [
        ("a", "https://e.org/a", "b"), ("d", "https://e.org/d", "b"), ("q", "https://e.org/q", "p"),
    ]  # fmt: skip
    assert sample[0]["text"] == body[:400]


def test_a_later_crawl_gives_way_to_what_earlier_ones_kept(tmp_path):
    old, older = prose("old"), prose("older")
    one = write_crawl(tmp_path / "one", {"s": {"a": older, "b": older + " twice"}})
    two = write_crawl(tmp_path / "two", {"s": {"c": old, "d": older + " a far longer copy of it"}})
    three = write_crawl(
        tmp_path / "three", {"s": {"e": old + " x", "f": prose("f"), "g": prose("f") + " x", "h": older}}
    )
    find_near_duplicates(one, tmp_path / "near_one", SETTINGS)
    find_near_duplicates(two, tmp_path / "near_two", SETTINGS, known=[tmp_path / "near_one"])
    known = [tmp_path / "near_one", tmp_path / "near_two"]
    manifest = find_near_duplicates(three, tmp_path / "near_three", SETTINGS, known=known)
    assert decisions(tmp_path / "near_one") == {"a": ("b", False), "b": ("b", True)}
    assert decisions(tmp_path / "near_two") == {"c": ("c", True), "d": ("b", False)}
    # cluster ids of earlier crawls live on; f gives way to the longer g of its own crawl
    assert decisions(tmp_path / "near_three") == {
        "e": ("c", False), "f": ("g", False), "g": ("g", True), "h": ("b", False),
    }  # fmt: skip
    assert manifest.counts["num_known"] == 2
    assert manifest.counts["dropped"] == {"near_duplicate": 1, "near_duplicate_of_earlier_crawl": 2}


def test_a_page_between_two_kept_pages_of_earlier_crawls_joins_the_first_and_changes_neither(tmp_path):
    words = prose("base", 400).split()
    # 396 grams each; left and right share 336 of 456 (0.74), middle and left 366 of 426 (0.86), middle and right 336 of
    # the beginning and 26 of the end, 362 of 430 (0.84)
    left, right = words[:340] + prose("l", 60).split(), words[:340] + prose("r", 60).split()
    middle = words[:340] + left[340:370] + right[370:]
    one = write_crawl(tmp_path / "one", {"s": {"left": " ".join(left), "right": " ".join(right)}})
    two = write_crawl(tmp_path / "two", {"s": {"middle": " ".join(middle)}})
    loose = SETTINGS.model_copy(update={"min_jaccard": 0.79, "num_bands": 56, "num_rows": 2})
    find_near_duplicates(one, tmp_path / "near_one", loose)
    assert {id for id, (_, kept) in decisions(tmp_path / "near_one").items() if kept} == {"left", "right"}
    find_near_duplicates(two, tmp_path / "near_two", loose, known=[tmp_path / "near_one"])
    assert decisions(tmp_path / "near_two") == {"middle": ("left", False)}


def test_stored_signatures_are_those_of_the_texts(tmp_path):
    texts = {"a": "设函数连续", "b": "", "c": prose("c")}
    docs = write_crawl(tmp_path / "docs", {"s": texts})
    find_near_duplicates(docs, tmp_path / "out", SETTINGS)
    stored = storage.read_table(tmp_path / "out")["signature"].to_pylist()
    assert [np.frombuffer(row, "<u4").tolist() for row in stored] == signatures(list(texts.values()), SETTINGS).tolist()
    assert np.frombuffer(stored[0], "<u4").tolist() == slow.signature(texts["a"], SETTINGS)


@pytest.mark.slow
def test_two_workers_and_a_second_run_give_the_same_bytes(tmp_path):
    rows = {f"{i:03}": prose(i % 37, 40) for i in range(100)}
    halves = {"s1": dict(list(rows.items())[:50]), "s2": dict(list(rows.items())[50:]), "s3": {}}
    docs = write_crawl(tmp_path / "docs", halves)
    one = find_near_duplicates(docs, tmp_path / "one", SETTINGS)
    two = find_near_duplicates(docs, tmp_path / "two", SETTINGS, workers=2)
    assert one.key == two.key
    for name in ("s1.parquet", "s2.parquet", "s3.parquet", "dropped/sample.jsonl"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()
    assert one.counts["num_kept"] == 37
    assert not list((tmp_path / "one" / "_signatures").rglob("*.parquet"))
    assert find_near_duplicates(docs, tmp_path / "one", SETTINGS).created_seconds == one.created_seconds


def test_signatures_of_other_settings_are_refused(tmp_path):
    one = write_crawl(tmp_path / "one", {"s": {"a": prose("a")}})
    two = write_crawl(tmp_path / "two", {"s": {"b": prose("b")}})
    find_near_duplicates(one, tmp_path / "near_one", SETTINGS.model_copy(update={"ngram_words": 3}))
    with pytest.raises(storage.ArtifactError, match=r"ngram_words.*write them again"):
        find_near_duplicates(two, tmp_path / "near_two", SETTINGS, known=[tmp_path / "near_one"])
    assert not (tmp_path / "near_two" / storage.MANIFEST).exists()
    with pytest.raises(storage.ArtifactError, match="does not exist"):
        find_near_duplicates(two, tmp_path / "near_two", SETTINGS, known=[tmp_path / "nothing"])


def test_other_earlier_crawls_give_another_key(tmp_path):
    one = write_crawl(tmp_path / "one", {"s": {"a": prose("a")}})
    two = write_crawl(tmp_path / "two", {"s": {"b": prose("a")}})
    find_near_duplicates(one, tmp_path / "near_one", SETTINGS)
    alone = find_near_duplicates(two, tmp_path / "near_two", SETTINGS)
    after = find_near_duplicates(two, tmp_path / "near_two", SETTINGS, known=[tmp_path / "near_one"])
    assert alone.key != after.key
    assert (alone.counts["num_kept"], after.counts["num_kept"]) == (1, 0)
