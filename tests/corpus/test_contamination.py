"""Contamination of many documents: phrases apart from leaks, the report after an iteration, the check at the end."""

import json

import pyarrow as pa
import pytest

from dsmath_pipeline import storage
from dsmath_pipeline.checks import checks
from dsmath_pipeline.corpus import contamination
from dsmath_pipeline.corpus.contamination import (
    CONTAMINATION_SCHEMA,
    find_contamination,
    phrase_rows,
    report_contamination,
    report_items,
)
from dsmath_pipeline.recipe.presets import load_recipe
from dsmath_pipeline.recipe.schema import DecontaminationSettings
from dsmath_pipeline.stages import Run

SETTINGS = DecontaminationSettings()
QUESTION = "A farmer has seventeen brown cows and sells nine of them on Monday morning. How many cows are left?"
PHRASED = "Let a, b, c be positive real numbers such that abc equals the price of an owl in Uppsala, in crowns."
PHRASE = "Let a, b, c be positive real numbers such that nothing is known"  # ten grams of it: let a b c be ... that
SHORT = "What is 7 times 8?"


@pytest.fixture
def benchmarks(tmp_path):
    rows = [{"question": text} for text in (QUESTION, PHRASED, SHORT)]
    storage.write_bytes(tmp_path / "bench" / "b" / "test.jsonl", "\n".join(map(json.dumps, rows)).encode())
    return tmp_path / "bench"


def write_documents(path, texts, columns=("id", "url", "text"), name="documents"):
    rows = [{"id": id, "url": f"https://e.org/{id}", "text": text, "date": ""} for id, text in texts.items()]
    with storage.stage(path, name, "1", None, {"x": str(path)}) as run:
        half = len(rows) // 2
        for number, part in enumerate((rows[:half], rows[half:])):
            table = pa.table({column: [row[column] for row in part] for column in columns})
            run.artifact.write_table(f"s{number}.parquet", table)
    return path


TEXTS = {
    "a": "clean", "b": f"{QUESTION}\nand {SHORT}", "c": PHRASE, "d": f"{PHRASE}\n{QUESTION}", "e": PHRASED, "f": "",
}  # fmt: skip


def test_weak_matches_in_many_documents_are_phrases_and_long_ones_never(benchmarks, tmp_path):
    files = storage.parquet_files(write_documents(tmp_path / "docs", TEXTS))
    all_count = find_contamination(files, benchmarks, SETTINGS)
    assert (all_count.num_texts, sorted(all_count.hits), all_count.phrases) == (6, [1, 2, 3, 4], {})
    found = find_contamination(files, benchmarks, SETTINGS.model_copy(update={"max_phrase_documents": 1}))
    # PHRASE stands in c and d by itself; in e, where PHRASED stands as a whole, the match is long and counts
    assert phrase_rows(found) == [{"item": "b/test:2", "text": PHRASED, "num_pages": 2}]
    assert {number: [hit.item for hit in hits] for number, hits in found.leaks().items()} == {
        1: ["b/test:1", "b/test:3"], 3: ["b/test:1"], 4: ["b/test:2"],
    }  # fmt: skip
    assert found.names[3] == ("d", "https://e.org/d")


def test_skipped_texts_and_those_not_wanted_do_not_count(benchmarks, tmp_path):
    files = storage.parquet_files(write_documents(tmp_path / "docs", TEXTS))
    wanted = write_documents(tmp_path / "wanted", {"b": "", "e": "", "a": ""}, ("id",))
    found = find_contamination(files, benchmarks, SETTINGS, wanted=wanted, skipped={2})
    assert found.num_texts == 3  # a b e, numbered 0 1 2
    assert list(found.hits) == [1]


def test_items_are_reported_with_pages_and_five_places(benchmarks, tmp_path):
    texts = {f"p{i}": f"{QUESTION}\nbetween\n{QUESTION} Again" for i in range(4)} | {"x": SHORT}
    files = storage.parquet_files(write_documents(tmp_path / "docs", texts))
    items = report_items(find_contamination(files, benchmarks, SETTINGS))
    assert [(item["item"], item["num_pages"], len(item["found"])) for item in items] == [
        ("b/test:1", 4, 5), ("b/test:3", 1, 1),
    ]  # fmt: skip
    assert items[0]["found"][2]["url"] == "https://e.org/p1"
    assert "seventeen brown cows" in items[0]["found"][0]["matched"]


def test_the_report_after_an_iteration_counts_collected_pages_and_seed_texts(benchmarks, tmp_path):
    documents = write_documents(tmp_path / "docs", TEXTS)
    collected = write_documents(tmp_path / "collected", {"a": "", "b": "", "d": ""}, ("id",))
    seed = write_documents(tmp_path / "seed", {"s": f"before\n{QUESTION}", "t": "clean"}, ("url", "text", "date"))
    out = tmp_path / "out"
    manifest = report_contamination(documents, collected, benchmarks, out, SETTINGS, seed=seed)
    # b: two segments; d: its PHRASE (weak, on one page alone) and the question
    assert manifest.counts["collected"] == {
        "num_texts": 3, "num_contaminated_texts": 2, "num_segments": 4, "num_items": 3, "num_phrases": 0,
        "benchmarks": {"b/test": 2},
    }  # fmt: skip
    assert manifest.counts["seed"]["num_contaminated_texts"] == 1
    table = storage.read_table(out)
    assert table.schema.equals(CONTAMINATION_SCHEMA)
    rows = [(row["part"], row["id"], row["url"][-1], row["item"]) for row in table.to_pylist()]
    assert rows == [
        ("collected", "b", "b", "b/test:1"), ("collected", "b", "b", "b/test:3"), ("collected", "d", "d", "b/test:2"),
        ("collected", "d", "d", "b/test:1"), ("seed", "", "s", "b/test:1"),
    ]  # fmt: skip
    assert report_contamination(documents, collected, benchmarks, out, SETTINGS, seed=seed) == manifest
    changed = SETTINGS.model_copy(update={"min_new_words": 6})
    assert report_contamination(documents, collected, benchmarks, out, changed, seed=seed).key != manifest.key


def test_the_check_fails_where_many_collected_pages_are_contaminated(benchmarks, tmp_path):
    run = Run(tmp_path / "run", load_recipe("demo", []))
    folder = run.folder("iteration_1", "contamination")
    collected = write_documents(tmp_path / "collected", dict.fromkeys(TEXTS, ""), ("id",))
    clean = dict.fromkeys(TEXTS, "clean")
    (check,) = (c for c in checks(1) if c.artifact == "iteration_1/contamination")
    for texts, passed in ((clean, True), (TEXTS, False)):
        documents = write_documents(tmp_path / f"docs_{passed}", texts)
        report_contamination(documents, collected, benchmarks, folder, SETTINGS)
        outcome = check.run(run)
        assert outcome.passed is passed
    assert outcome.figures == {"collected_share": round(4 / 6, 5)}


@pytest.mark.slow
def test_two_workers_find_what_one_finds(benchmarks, tmp_path, monkeypatch):
    monkeypatch.setattr(contamination, "_MIN_TEXTS_FOR_WORKERS", 0)
    files = storage.parquet_files(write_documents(tmp_path / "docs", TEXTS))
    one, two = (find_contamination(files, benchmarks, SETTINGS, workers=workers) for workers in (1, 2))
    assert (one.hits, one.names, one.num_texts) == (two.hits, two.names, two.num_texts)
