"""The corpus: pages of the last iteration without near-duplicates and benchmark texts."""

import json
import random

import pyarrow as pa
import pytest

from dsmath_pipeline import storage
from dsmath_pipeline.corpus import contamination
from dsmath_pipeline.corpus.contamination import remaining_contamination
from dsmath_pipeline.corpus.final import assemble_corpus
from dsmath_pipeline.corpus.near_dedup import find_near_duplicates
from dsmath_pipeline.recipe.schema import DecontaminationSettings, DedupSettings
from dsmath_pipeline.records import CORPUS_SCHEMA, DOCUMENT_SCHEMA
from dsmath_pipeline.text import estimate_tokens

QUESTION = "A farmer has seventeen brown cows and sells nine of them on Monday morning. How many cows are left?"
DEDUP, DECONTAMINATION = DedupSettings(), DecontaminationSettings()


def prose(seed, num_words=300):
    rng = random.Random(seed)
    return " ".join(f"word{rng.randrange(10**6)}" for _ in range(num_words))


BODY = prose("near")
TEXTS = {
    "a": prose("a"),
    "b": BODY,
    "c": BODY + " a new footer",  # Jaccard with b: 296 / 299
    "d": f"{prose('d')}\n{QUESTION}\nlast line",
    "e": f"short intro\n{QUESTION}\n{QUESTION} And more.",
    "f": prose("f"),  # not collected by the last iteration
    "g": "数学" + "".join(random.Random(3).choices("函数的连续性与可导性证明如下设为", k=300)),
}


def document(id, text):
    return {
        "id": id, "url": f"https://example.org/{id}", "domain": "example.org", "source": "s", "offset": 0,
        "date": "", "title": id.upper(), "language": "zh" if id == "g" else "en", "text": text, "formulas": [],
        "rules": [], "num_tokens": estimate_tokens(text),
    }  # fmt: skip


@pytest.fixture
def inputs(tmp_path):
    with storage.stage(tmp_path / "unique", "unique_documents", "1", None, {"documents": "x"}) as run:
        for name, ids in (("s1", "abc"), ("s2", "defg"), ("s3", "")):
            rows = [document(id, TEXTS[id]) for id in ids]
            run.artifact.write_table(f"{name}.parquet", pa.Table.from_pylist(rows, DOCUMENT_SCHEMA))
    collected = []
    for number, scores in (
        (1, {"a": 0.9, "f": 0.8}),
        (2, {"a": 0.95, "b": 0.6, "c": 0.7, "d": 0.8, "e": 0.9, "g": 0.5}),
    ):
        path = tmp_path / f"collected_{number}"
        with storage.stage(path, "collected", "1", None, {"scores": str(number)}) as run:
            rows = [{"id": id, "url": f"https://example.org/{id}", "score": score} for id, score in scores.items()]
            run.artifact.write_table("part.parquet", pa.Table.from_pylist(rows))
        collected.append(path)
    benchmark = tmp_path / "benchmarks" / "gsm8k" / "test.jsonl"
    storage.write_bytes(benchmark, json.dumps({"question": QUESTION, "answer": "8"}).encode())
    return tmp_path / "unique", collected, tmp_path / "benchmarks"


def test_the_corpus_holds_the_right_pages_with_score_and_first_iteration(inputs, tmp_path):
    manifest = assemble_corpus(*inputs, tmp_path / "out", DEDUP, DECONTAMINATION)
    table = storage.read_table(tmp_path / "out")
    assert table.schema.equals(CORPUS_SCHEMA)
    rows = {row["id"]: row for row in table.to_pylist()}
    # b goes as near-duplicate of c (lower score), e as contaminated (over half is the question), f was not collected
    assert list(rows) == ["a", "c", "d", "g"]
    assert {id: row["collection_iteration"] for id, row in rows.items()} == {"a": 1, "c": 2, "d": 2, "g": 2}
    assert rows["a"]["score"] == 0.95
    assert rows["d"]["text"] == f"{prose('d')}\nlast line"
    assert rows["d"]["num_tokens"] == estimate_tokens(rows["d"]["text"])
    counts = manifest.counts
    assert (counts["num_collected"], counts["num_kept"]) == (6, 4)
    assert counts["dropped"] == {"near_duplicate": 1, "contaminated": 1}
    assert (counts["num_segments_dropped"], counts["num_documents_cut"]) == (1, 1)
    assert counts["languages"]["zh"] == {"num_pages": 1, "num_tokens": rows["g"]["num_tokens"]}
    assert counts["num_tokens"] == sum(row["num_tokens"] for row in rows.values())


def test_what_was_dropped_is_stored_beside_and_never_among_the_corpus_files(inputs, tmp_path):
    out = tmp_path / "out"
    assemble_corpus(*inputs, out, DEDUP, DECONTAMINATION)
    assert [p.name for p in out.rglob("*.parquet")] == ["part-00000.parquet"]
    sample = [json.loads(line) for line in (out / "dropped" / "sample.jsonl").read_text().splitlines()]
    assert [(row["id"], row["drop_reason"]) for row in sample] == [("e", "contaminated"), ("b", "near_duplicate")]
    assert sample[0]["items"] == ["gsm8k/test:1"]
    assert sample[1]["kept_id"] == "c"
    cluster = json.loads((out / "clusters" / "near_duplicates.jsonl").read_text())
    assert cluster == {"id": "b", "kept_id": "c", "cluster": "b"}
    report = storage.read_json(out / "contamination" / "report.json")
    assert [(item["item"], item["num_pages"]) for item in report["items"]] == [("gsm8k/test:1", 2)]
    assert report["num_documents_dropped"] == 1


def test_the_card_tells_the_numbers_and_the_settings(inputs, tmp_path):
    assemble_corpus(*inputs, tmp_path / "out", DEDUP, DECONTAMINATION)
    card = (tmp_path / "out" / "README.md").read_text()
    assert "4 web pages of 1 domains" in card
    assert "- en\n- zh\n" in card
    assert "| decontamination.ngram_words | 10 |" in card
    assert "2 texts of 1 benchmark items" in card


def test_without_benchmarks_the_corpus_says_that_it_is_not_decontaminated(inputs, tmp_path):
    unique, collected, _ = inputs
    manifest = assemble_corpus(unique, collected, None, tmp_path / "out", DEDUP, DECONTAMINATION)
    assert manifest.counts["num_kept"] == 5
    left = remaining_contamination(tmp_path / "out", inputs[2], DECONTAMINATION)
    assert {row["url"] for row in left} == {"https://example.org/d", "https://example.org/e"}
    assert "not decontaminated" in (tmp_path / "out" / "README.md").read_text()
    assert not storage.read_json(tmp_path / "out" / "contamination" / "report.json")["is_decontaminated"]


def test_a_short_text_on_many_pages_is_a_phrase_and_is_reported_as_ignored(inputs, tmp_path):
    unique, collected, benchmarks = inputs
    words = TEXTS["a"].split()[:4], TEXTS["g"][:6]
    lines = [json.dumps({"question": " ".join(words[0])}), json.dumps({"question": words[1]})]
    storage.write_bytes(benchmarks / "short.jsonl", "\n".join(lines).encode())
    settings = DECONTAMINATION.model_copy(update={"max_phrase_documents": 0})
    assemble_corpus(unique, collected, benchmarks, tmp_path / "out", DEDUP, settings)
    rows = {row["id"]: row["text"] for row in storage.read_table(tmp_path / "out").to_pylist()}
    assert rows["a"] == TEXTS["a"] and rows["g"] == TEXTS["g"]
    report = storage.read_json(tmp_path / "out" / "contamination" / "report.json")
    assert remaining_contamination(tmp_path / "out", benchmarks, settings) == []
    assert [(p["item"], p["num_pages"]) for p in report["ignored_phrases"]] == [("short:1", 1), ("short:2", 1)]


def test_pages_that_an_earlier_crawl_has_already_are_dropped_and_counted_apart(inputs, tmp_path):
    unique, collected, benchmarks = inputs
    with storage.stage(tmp_path / "before", "unique_documents", "1", None, {"documents": "before"}) as run:
        rows = [document("z", TEXTS["a"] + " of old"), document("y", prose("y"))]
        run.artifact.write_table("s.parquet", pa.Table.from_pylist(rows, DOCUMENT_SCHEMA))
    find_near_duplicates(tmp_path / "before", tmp_path / "near_before", DEDUP)
    find_near_duplicates(unique, tmp_path / "near", DEDUP, known=[tmp_path / "near_before"])
    manifest = assemble_corpus(
        unique, collected, benchmarks, tmp_path / "out", DEDUP, DECONTAMINATION, near_duplicates=tmp_path / "near"
    )
    assert storage.read_table(tmp_path / "out", ["id"])["id"].to_pylist() == ["c", "d", "g"]
    assert manifest.counts["dropped"] == {
        "near_duplicate": 1, "contaminated": 1, "near_duplicate_of_earlier_crawl": 1
    }  # fmt: skip
    sample = [json.loads(line) for line in (tmp_path / "out" / "dropped" / "sample.jsonl").read_text().splitlines()]
    assert [row["kept_id"] for row in sample if row["id"] == "a"] == ["z"]


@pytest.mark.slow
def test_two_workers_and_a_second_run_give_the_same_bytes(inputs, tmp_path, monkeypatch):
    monkeypatch.setattr(contamination, "_MIN_TEXTS_FOR_WORKERS", 0)
    one = assemble_corpus(*inputs, tmp_path / "one", DEDUP, DECONTAMINATION)
    two = assemble_corpus(*inputs, tmp_path / "two", DEDUP, DECONTAMINATION, workers=2)
    assert one.key == two.key
    for name in ("part-00000.parquet", "README.md", "contamination/report.json", "dropped/sample.jsonl"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()
    assert not (tmp_path / "one" / "_selected" / "s1.parquet").exists()
    assert assemble_corpus(*inputs, tmp_path / "one", DEDUP, DECONTAMINATION).created_seconds == one.created_seconds


def test_changed_benchmarks_make_the_corpus_again(inputs, tmp_path):
    first = assemble_corpus(*inputs, tmp_path / "out", DEDUP, DECONTAMINATION)
    storage.write_bytes(inputs[2] / "gsm8k" / "test.jsonl", json.dumps({"question": "Other?"}).encode())
    second = assemble_corpus(*inputs, tmp_path / "out", DEDUP, DECONTAMINATION)
    assert second.key != first.key
    assert second.counts["dropped"]["contaminated"] == 0


def test_collected_pages_without_a_document_and_a_missing_iteration_are_clear_errors(inputs, tmp_path):
    unique, collected, benchmarks = inputs
    with pytest.raises(storage.ArtifactError, match="no iteration"):
        assemble_corpus(unique, [], benchmarks, tmp_path / "out", DEDUP, DECONTAMINATION)
    with storage.stage(collected[1], "collected", "2", None, {"scores": "other"}) as run:
        run.artifact.write_table("part.parquet", pa.table({"id": ["a", "zz"], "score": [0.5, 0.5]}))
    with pytest.raises(storage.ArtifactError, match="1 of 2 collected pages are not in"):
        assemble_corpus(unique, collected, benchmarks, tmp_path / "out", DEDUP, DECONTAMINATION)
    assert not (tmp_path / "out" / storage.MANIFEST).exists()
