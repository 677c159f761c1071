"""Drawing the training set of an iteration."""

import hashlib
import json

import pyarrow as pa
import pytest

from dsmath_pipeline import storage
from dsmath_pipeline.corpus.annotation import ANNOTATION_SCHEMA
from dsmath_pipeline.corpus.held_out import is_held_out, write_held_out
from dsmath_pipeline.corpus.seed_set import Previous, build_seed_set, fold_of
from dsmath_pipeline.corpus.seeds import SeedError, write_seed
from dsmath_pipeline.recipe.schema import SeedSettings
from dsmath_pipeline.records import DOCUMENT_SCHEMA, SCORE_SCHEMA


def page_id(url):
    return hashlib.blake2b(url.encode(), digest_size=16).hexdigest()


def artifact(path, name, rows, schema):
    with storage.stage(path, name, "test", None, {"rows": repr(rows)}) as run:
        if run.artifact:
            run.artifact.write_table("part-00000.parquet", pa.Table.from_pylist(rows, schema))
    return path


def make_documents(path, urls, texts=None):
    rows = [
        {"id": page_id(url), "url": url, "domain": url.split("/")[2], "source": "s", "offset": 0, "language": "en",
         "text": (texts or {}).get(url, f"text of {url}"), "num_tokens": 5}
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


def seed_set(root, settings, urls, *, name="set", previous=None, iteration=1, random_seed=0, texts=None):
    seed = root / "seed" if (root / "seed").exists() else make_seed(root)
    documents = make_documents(root / "documents", urls, texts)
    write_held_out(seed, documents, root / "held_out", settings)
    build_seed_set(
        seed, documents, root / "held_out", root / name, settings, random_seed, iteration=iteration, previous=previous
    )
    return storage.read_table(root / name).to_pylist()


ALL = SeedSettings(held_out_share=0.0)
CRAWL = [f"https://{host}.org/{part}/{i}" for host in "ab" for part in ("math", "news") for i in range(4)]


def urls_of(rows, origin):
    return {row["url"] for row in rows if row["origin"] == origin}


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


def test_what_is_held_out_is_trained_on_in_no_iteration_and_not_as_a_joined_page(tmp_path):
    settings = SeedSettings(held_out_share=0.3, joined_pages="all")
    previous = Previous(
        [make_annotations(tmp_path / "labels", {"a.org": "math"})], make_collected(tmp_path / "collected", [])
    )
    first = seed_set(tmp_path, settings, CRAWL, name="first", random_seed=1)
    second = seed_set(tmp_path, settings, CRAWL, name="second", previous=previous, iteration=2, random_seed=2)
    of_a = {url for url in CRAWL if url.startswith("https://a.org")}
    held_out = {url for url in CRAWL if is_held_out(url, 0.3)}
    assert held_out & of_a and held_out - of_a  # else the test shows nothing
    assert urls_of(first, "crawl") == set(CRAWL) - held_out
    assert urls_of(second, "joined") == of_a - held_out
    assert urls_of(second, "crawl") == set(CRAWL) - of_a - held_out
    assert storage.read_manifest(tmp_path / "second").counts["left_out"]["held_out"] == len(held_out) + sum(
        is_held_out(f"https://seed.org/{i}", 0.3) for i in range(20)
    )


def test_copies_of_held_out_texts_are_not_trained_on(tmp_path):
    words = [f"w{i}" for i in range(300)]
    held_out = next(url for url in CRAWL if is_held_out(url, 0.05) or is_held_out(url, 0.3))
    others = [url for url in CRAWL if not is_held_out(url, 0.3)]
    texts = {held_out: " ".join(words)}
    texts[others[0]] = " ".join(words).upper() + "  "  # the same up to case and spacing
    texts[others[1]] = " ".join([*words[:290], "new", "end"])  # 286 of 5-grams shared: a Jaccard of 0.96
    texts[others[2]] = " ".join(words[:100]) + " " + " ".join(f"v{i}" for i in range(200))  # 96 of 496: 0.19
    rows = seed_set(tmp_path, SeedSettings(held_out_share=0.3), CRAWL, texts=texts)
    trained = urls_of(rows, "crawl")
    assert others[0] not in trained and others[1] not in trained and others[2] in trained
    left_out = storage.read_manifest(tmp_path / "set").counts["left_out"]
    assert left_out["copy"] == 1 and left_out["near_copy"] == 1


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


def test_masked_formulas_leave_one_token_each(tmp_path):
    text = {"url": "https://seed.org/f", "text": r"Let $x^2 + y$ and \[ z \] be given.", "date": None}
    (tmp_path / "seed.jsonl").write_text(json.dumps(text))
    write_seed(str(tmp_path / "seed.jsonl"), tmp_path / "seed")
    for mask_formulas, tokens in (
        (True, r"let \formula and \formula be given ."),
        (False, r"let \formula x ^ 2 + y \formula and \formula z \formula be given ."),
    ):
        settings = SeedSettings(held_out_share=0.0, mask_formulas=mask_formulas)
        rows = seed_set(tmp_path, settings, CRAWL, name=f"masked_{mask_formulas}")
        assert [row["segmented"] for row in rows if row["origin"] == "seed"] == [tokens]


def test_no_negatives_left_is_an_error_that_says_what_to_change(tmp_path):
    previous = Previous(
        [make_annotations(tmp_path / "labels", {"a.org": "math", "b.org": "math"})],
        make_collected(tmp_path / "collected", CRAWL),
    )
    with pytest.raises(SeedError, match=r"no negative texts left.*min_score"):
        seed_set(tmp_path, ALL, CRAWL, previous=previous, iteration=2)
