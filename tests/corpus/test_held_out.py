"""The held-out set: what it holds, what may not be trained on because of it, and the figures on it."""

import gzip
import json
import random

import numpy as np
import pyarrow as pa
import pytest

from dsmath_pipeline import storage
from dsmath_pipeline.corpus.held_out import HeldOut, JudgedFileError, is_held_out, read_judged_file, write_held_out
from dsmath_pipeline.corpus.held_out_figures import average_precision, figures, figures_by_language
from dsmath_pipeline.corpus.seeds import SEED_SCHEMA
from dsmath_pipeline.recipe.schema import SeedSettings
from dsmath_pipeline.records import DOCUMENT_SCHEMA

ENGLISH = "The derivative of a product of two functions is found by the rule of Leibniz, which everybody learns. "
CHINESE = "设函数在闭区间上连续，则它在该区间上可积。我们证明这一定理，并给出若干例子。"
SETTINGS = SeedSettings(held_out_share=0.3)


def artifact(path, rows, schema):
    with storage.stage(path, path.name, "test", None, {"rows": repr(rows)}) as run:
        if run.artifact:
            run.artifact.write_table("part-00000.parquet", pa.Table.from_pylist(rows, schema))
    return path


def make_root(root, num_pages=60):
    """60 seed texts, every third of them Chinese, and as many crawl pages, in German."""
    seed = [
        {"url": f"https://seed.org/{i}", "text": f"{CHINESE if i % 3 == 0 else ENGLISH} {i}"} for i in range(num_pages)
    ]
    pages = [
        {"id": f"{i:032x}", "url": f"https://page.org/{i}", "domain": "page.org", "source": "s", "offset": 0,
         "language": "zh" if i % 4 == 0 else "de", "text": f"page {i}", "num_tokens": 3}
        for i in range(num_pages)
    ]  # fmt: skip
    artifact(root / "seed", seed, SEED_SCHEMA)
    artifact(root / "unique_documents", pages, DOCUMENT_SCHEMA)
    return root


def held_out(root, settings=SETTINGS, judged=""):
    write_held_out(root / "seed", root / "unique_documents", root / "held_out", settings, judged=judged)
    return storage.read_table(root / "held_out").to_pylist()


def judged_file(path, rows):
    path.write_text("\n".join(json.dumps(row) for row in rows))
    return str(path)


def test_the_set_is_the_share_of_urls_with_small_hashes_of_seed_and_crawl(tmp_path):
    rows = held_out(make_root(tmp_path))
    urls = [f"https://{host}.org/{i}" for host in ("seed", "page") for i in range(60)]
    assert {row["url"] for row in rows} == {url for url in urls if is_held_out(url, 0.3)}
    assert {(row["origin"], row["label"]) for row in rows} == {("seed", "math"), ("crawl", "unlabeled")}
    assert 20 < len(rows) < 52  # 36 expected of 120, within three standard deviations


def test_languages_are_detected_in_the_seed_and_taken_from_the_crawl(tmp_path):
    for row in held_out(make_root(tmp_path)):
        number = int(row["url"].rpartition("/")[2])
        chinese = number % 3 == 0 if row["origin"] == "seed" else number % 4 == 0
        assert row["language"] == ("zh" if chinese else "en" if row["origin"] == "seed" else "other")


def test_no_more_texts_are_held_out_than_asked_and_always_the_same(tmp_path):
    root = make_root(tmp_path)
    rows = held_out(root, SeedSettings(held_out_share=0.5, max_held_out=4))
    assert [row["origin"] for row in rows] == ["seed"] * 4 + ["crawl"] * 4
    more = held_out(root, SeedSettings(held_out_share=0.5, max_held_out=6))
    assert {row["id"] for row in rows} < {row["id"] for row in more}


def test_judged_texts_are_added_with_their_labels(tmp_path):
    rows = [
        {"url": "https://j.org/1", "text": CHINESE, "is_math": True},
        {"url": "https://j.org/2", "text": ENGLISH, "is_math": False, "language": "fr"},
    ]
    found = held_out(make_root(tmp_path), judged=judged_file(tmp_path / "judged.jsonl", rows))
    judged = {row["url"]: (row["label"], row["language"]) for row in found if row["origin"] == "judged"}
    assert judged == {"https://j.org/1": ("math", "zh"), "https://j.org/2": ("other", "other")}


def test_a_packed_judged_file_is_read(tmp_path):
    with gzip.open(tmp_path / "judged.jsonl.gz", "wt") as file:
        file.write(json.dumps({"url": "https://j.org", "text": ENGLISH, "is_math": True}) + "\n\n")
    (row,) = read_judged_file(tmp_path / "judged.jsonl.gz", 10)
    assert row["label"] == "math" and row["text"] == ENGLISH[:40]  # four times as many characters as tokens may fill


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", "line 2: not JSON"),
        ('{"url": "u", "text": "t"}', "line 2: expected an object with url, text and is_math"),
        ('{"url": "u", "text": "t", "is_math": "no"}', "line 2: expected an object"),
        ('{"url": "u", "text": " ", "is_math": true}', "line 2: no text"),
        ('{"text": "t", "is_math": true}', "line 2: no url"),
        ('{"url": "u", "text": "\\ud800", "is_math": true}', "line 2: text holds a lone surrogate"),
    ],
)
def test_a_judged_line_that_cannot_be_used_is_named(tmp_path, line, message):
    (tmp_path / "judged.jsonl").write_text('{"url": "u", "text": "t", "is_math": true}\n' + line)
    with pytest.raises(JudgedFileError, match=message):
        read_judged_file(tmp_path / "judged.jsonl", 3000)


def test_a_missing_or_empty_judged_file_is_named(tmp_path):
    with pytest.raises(JudgedFileError, match="does not exist"):
        read_judged_file(tmp_path / "none.jsonl", 3000)
    (tmp_path / "empty.jsonl").write_text("\n")
    with pytest.raises(JudgedFileError, match="holds no text"):
        read_judged_file(tmp_path / "empty.jsonl", 3000)


def test_urls_copies_and_near_copies_of_held_out_texts_are_refused(tmp_path):
    words = [f"w{i}" for i in range(200)]
    row = {"url": "https://j.org/a", "text": " ".join(words), "is_math": True}
    held_out(make_root(tmp_path), judged=judged_file(tmp_path / "judged.jsonl", [row]))
    near = [*words[:-5], *(f"n{i}" for i in range(5))]  # 191 of 201 shared 5-grams: 0.95
    far = [*words[:100], *(f"n{i}" for i in range(100))]  # 96 of 296: 0.32
    urls = ["HTTPS://j.org/a?utm_source=x", *(f"https://o.org/{i}" for i in range(4))]
    texts = ["something else", " ".join(words).upper(), " ".join(near), " ".join(far), ""]
    assert HeldOut(tmp_path / "held_out").reasons(urls, texts) == ["held_out", "copy", "near_copy", "", ""]


def test_without_a_held_out_set_nothing_is_refused(tmp_path):
    held_out(make_root(tmp_path), SeedSettings(held_out_share=0.0))
    assert HeldOut(tmp_path / "held_out").reasons(["https://page.org/1"], ["page 1"]) == [""]


def test_figures_of_a_worked_example():
    # by score: math, other, math | below 0.5: math, other
    logits, is_math = np.array([3.0, 2.0, 1.0, -1.0, -2.0]), np.array([True, False, True, True, False])
    assert figures(logits, is_math) == {
        "num_texts": 5, "num_math": 3, "precision": pytest.approx(2 / 3), "recall": pytest.approx(2 / 3),
        "average_precision": pytest.approx((1 / 1 + 2 / 3 + 3 / 4) / 3), "called_math_share": 0.5,
    }  # fmt: skip


def test_figures_without_a_meaning_are_none():
    nothing_to_find = figures(np.array([1.0, -1.0]), np.array([False, False]))
    assert [nothing_to_find[name] for name in ("precision", "recall", "average_precision")] == [None] * 3
    assert nothing_to_find["called_math_share"] == 0.5
    nothing_found = figures(np.array([-1.0]), np.array([True]))
    assert (nothing_found["precision"], nothing_found["recall"]) == (None, 0.0)
    assert nothing_found["called_math_share"] is None


def test_average_precision_is_that_of_a_slow_oracle_and_counts_ties_against_the_classifier():
    rng = random.Random(1)
    for _ in range(50):
        is_math = [rng.random() < 0.4 for _ in range(30)]
        logits = [rng.choice([-1.0, 0.0, 0.5, 2.0]) for _ in is_math]
        ranked = sorted(zip(logits, is_math, strict=True), key=lambda pair: (-pair[0], pair[1]))
        hits = [i for i, (_, found) in enumerate(ranked) if found]
        expected = sum((n + 1) / (i + 1) for n, i in enumerate(hits)) / len(hits) if hits else None
        assert average_precision(np.array(logits), np.array(is_math)) == pytest.approx(expected)


def test_figures_are_those_of_each_language_and_set():
    rows = [
        {"origin": "seed", "label": "math", "language": "en"},
        {"origin": "crawl", "label": "unlabeled", "language": "zh"},
        {"origin": "crawl", "label": "unlabeled", "language": "en"},
        {"origin": "judged", "label": "math", "language": "zh"},
    ]
    found = figures_by_language(rows, np.array([1.0, 2.0, -1.0, 3.0]))
    seen = [(row["held_out"], row["language"], row["num_texts"], row["precision"]) for row in found]
    assert seen == [
        ("seed and crawl", "all", 3, 0.5), ("seed and crawl", "en", 2, 1.0), ("seed and crawl", "zh", 1, None),
        ("judged", "all", 1, 1.0), ("judged", "zh", 1, 1.0),
    ]  # fmt: skip
