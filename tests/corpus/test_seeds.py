"""Reading seed files and drawing the training set of an iteration."""

import gzip
import hashlib
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dsmath_pipeline import storage
from dsmath_pipeline.corpus.annotation import ANNOTATION_SCHEMA
from dsmath_pipeline.corpus.seeds import Previous, SeedError, build_seed_set, fold_of, is_held_out, write_seed
from dsmath_pipeline.recipe.schema import SeedSettings
from dsmath_pipeline.records import DOCUMENT_SCHEMA, SCORE_SCHEMA


def page_id(url):
    return hashlib.blake2b(url.encode(), digest_size=16).hexdigest()


def artifact(path, name, rows, schema):
    with storage.stage(path, name, "test", None, {"rows": repr(rows)}) as run:
        if run.artifact:
            run.artifact.write_table("part-00000.parquet", pa.Table.from_pylist(rows, schema))
    return path


def make_documents(path, urls):
    rows = [
        {"id": page_id(url), "url": url, "domain": url.split("/")[2], "source": "s", "offset": 0, "language": "en",
         "text": f"text of {url}", "num_tokens": 5}
        for url in urls
    ]  # fmt: skip
    return artifact(path, "unique_documents", rows, DOCUMENT_SCHEMA)


def make_collected(path, urls):
    rows = [
        {"id": page_id(url), "url": url, "domain": "d", "num_tokens": 5, "logit": 1.0, "score": 0.7} for url in urls
    ]
    return artifact(path, "collected", rows, SCORE_SCHEMA)


def make_annotations(path, labels):
    rows = [
        {"url_prefix": prefix, "label": label, "annotator": "ana", "iteration": 1, "note": ""}
        for prefix, label in labels.items()
    ]
    return artifact(path, "annotations", rows, ANNOTATION_SCHEMA)


def make_seed(root, num_texts=20):
    lines = [
        json.dumps({"url": f"https://seed.org/{i}", "text": f"theorem {i}", "date": "2020"}) for i in range(num_texts)
    ]
    (root / "seed.jsonl").write_text("\n".join(lines))
    write_seed(str(root / "seed.jsonl"), root / "seed")
    return root / "seed"


def seed_set(root, settings, urls, *, name="set", previous=None, iteration=1, random_seed=0):
    seed = root / "seed" if (root / "seed").exists() else make_seed(root)
    documents = make_documents(root / "documents", urls)
    build_seed_set(
        seed, documents, root / name, settings, random_seed, iteration=iteration, previous=previous
    )  # fmt: skip
    return storage.read_table(root / name).to_pylist()


ALL = SeedSettings(held_out_share=0.0)
CRAWL = [f"https://{host}.org/{part}/{i}" for host in "ab" for part in ("math", "news") for i in range(4)]


def urls_of(rows, origin):
    return {row["url"] for row in rows if row["origin"] == origin}


def test_bad_lines_are_skipped_counted_and_named(tmp_path):
    good = {"url": "https://a.org", "text": "x + 1", "date": None}
    lines = [json.dumps(good), "{", '"text"', json.dumps({"url": "u"}), json.dumps({"text": "t"}), "", json.dumps(good)]
    with gzip.open(tmp_path / "s.jsonl.gz", "wt") as file:
        file.write("\n".join(lines) + '\n{"url": "u", "text": "\\ud800"}\n')
    counts = write_seed(str(tmp_path / "s.jsonl.gz"), tmp_path / "seed").counts
    assert counts["num_texts"] == 1
    assert counts["skipped"] == {
        "not JSON": 1, "not a JSON object": 1, "no text": 1, "no url": 1, "duplicate text": 1, "lone surrogate": 1
    }  # fmt: skip
    assert counts["skipped_lines"][0] == "line 2: not JSON"
    assert counts["skipped_lines"][-1] == "line 8: lone surrogate"


def test_a_line_that_is_not_utf8_costs_only_itself(tmp_path):
    (tmp_path / "s.jsonl").write_bytes(b'{"url": "u", "text": "\xff"}\n{"url": "u", "text": "ok"}\n')
    counts = write_seed(str(tmp_path / "s.jsonl"), tmp_path / "seed").counts
    assert counts["num_texts"] == 1 and counts["skipped"] == {"not UTF-8": 1}


def test_a_parquet_seed_reads_like_a_jsonl_seed(tmp_path):
    pq.write_table(pa.table({"text": ["a b"], "url": ["https://a.org"], "extra": [1]}), tmp_path / "s.parquet")
    write_seed(str(tmp_path / "s.parquet"), tmp_path / "seed")
    assert storage.read_table(tmp_path / "seed").to_pylist() == [{"url": "https://a.org", "text": "a b", "date": None}]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("s.txt", b"x", "unknown format"),
        ("s.jsonl", b"{}\n", "no usable text.*line 1: no url"),
        ("s.jsonl.gz", gzip.compress(b'{"url": "u", "text": "ok"}\n' * 999, mtime=0)[:-12], "damaged or cut off"),
    ],
)
def test_a_seed_file_that_cannot_be_used_is_refused(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(SeedError, match=message):
        write_seed(str(tmp_path / name), tmp_path / "seed")
    assert not (tmp_path / "seed" / "manifest.json").exists()


def test_a_missing_seed_file_is_named(tmp_path):
    with pytest.raises(SeedError, match="does not exist"):
        write_seed(str(tmp_path / "none.jsonl"), tmp_path / "seed")


def test_the_first_iteration_takes_the_seed_against_all_pages(tmp_path):
    rows = seed_set(tmp_path, ALL, CRAWL)
    assert len(urls_of(rows, "seed")) == 20
    assert urls_of(rows, "crawl") == set(CRAWL) and not urls_of(rows, "joined")


def test_uncollected_pages_under_math_prefixes_join_and_leave_the_negatives(tmp_path):
    previous = Previous(
        [make_annotations(tmp_path / "labels", {"a.org/math": "math", "b.org": "not_math"})],
        make_collected(tmp_path / "collected", ["https://a.org/math/0", "https://b.org/news/3"]),
    )
    rows = seed_set(tmp_path, ALL, CRAWL, previous=previous, iteration=2)
    assert urls_of(rows, "joined") == {f"https://a.org/math/{i}" for i in (1, 2, 3)}
    # 16 pages without the 4 under the math prefix and without b.org/news/3, which was collected
    assert len(urls_of(rows, "crawl")) == 11 and "https://b.org/news/3" not in urls_of(rows, "crawl")
    everything = seed_set(
        tmp_path, ALL.model_copy(update={"joined_pages": "all"}), CRAWL, previous=previous, iteration=2, name="all"
    )
    assert urls_of(everything, "joined") == {f"https://a.org/math/{i}" for i in range(4)}


def test_held_out_texts_are_the_same_in_every_iteration_and_for_every_seed(tmp_path):
    settings = SeedSettings(held_out_share=0.3)
    first = seed_set(tmp_path, settings, CRAWL, name="first", random_seed=1)
    second = seed_set(tmp_path, settings, CRAWL, name="second", random_seed=2)
    held_out = [{r["url"] for r in rows if r["is_held_out"]} for rows in (first, second)]
    assert held_out[0] == held_out[1] != set()
    assert all(is_held_out(url, 0.3) for url in held_out[0])


def test_a_draw_depends_on_the_seed_and_iteration_and_is_as_large_as_asked(tmp_path):
    settings = SeedSettings(num_positives=7, num_negatives=5, held_out_share=0.0)
    draws = [
        seed_set(tmp_path, settings, CRAWL, name=f"set{n}", random_seed=seed, iteration=k)
        for n, (seed, k) in enumerate([(0, 1), (0, 1), (1, 1), (0, 2)])
    ]
    urls = [(urls_of(rows, "seed"), urls_of(rows, "crawl")) for rows in draws]
    assert len(urls[0][0]) == 7 and len(urls[0][1]) == 5
    assert urls[0] == urls[1] and urls[0] != urls[2] and urls[0] != urls[3]


def test_crawl_pages_have_the_fold_of_the_classifier_that_may_not_see_them(tmp_path):
    rows = seed_set(tmp_path, SeedSettings(num_folds=3, held_out_share=0.0), CRAWL)
    assert {row["fold"] for row in rows if row["origin"] == "seed"} == {-1}
    pages = [row for row in rows if row["origin"] == "crawl"]
    assert {row["fold"] for row in pages} == {0, 1, 2}
    assert all(row["fold"] == fold_of(row["id"], 3) for row in pages)


def test_texts_are_segmented_and_cut(tmp_path):
    rows = seed_set(tmp_path, SeedSettings(max_chars=8, held_out_share=0.0), CRAWL)
    assert {row["segmented"] for row in rows if row["origin"] == "seed"} == {"theorem "}  # "theorem 17" cut after 8


def test_no_negatives_left_is_an_error_that_says_what_to_change(tmp_path):
    previous = Previous(
        [make_annotations(tmp_path / "labels", {"a.org": "math", "b.org": "math"})],
        make_collected(tmp_path / "collected", CRAWL),
    )
    with pytest.raises(SeedError, match=r"no negative texts left.*min_score"):
        seed_set(tmp_path, ALL, CRAWL, previous=previous, iteration=2)
