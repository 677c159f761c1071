"""The collapsed scorer against fastText's own predictions."""

import os
import random
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dsmath_pipeline import storage
from dsmath_pipeline.corpus.classifier import run_fasttext
from dsmath_pipeline.corpus.collapse import Collapsed, ModelError, collapse, load_collapsed, save_collapsed
from dsmath_pipeline.corpus.scoring import (
    NO_EVIDENCE_LOGIT,
    Classifier,
    load_classifier,
    score_documents,
    score_file,
    score_segmented,
    score_texts,
    to_scores,
)
from dsmath_pipeline.corpus.scoring_kernel import build_word_table
from dsmath_pipeline.corpus.seeds import fold_of
from dsmath_pipeline.records import DOCUMENT_SCHEMA, SCORE_SCHEMA
from dsmath_pipeline.storage import ArtifactError
from dsmath_pipeline.text import segment

WORDS = [f"w{i}" for i in range(60)] + ["定", "理", "é", "ß", "\U0001d400", "\\frac", "$", "{", "}"]
ODD = [
    "", " ", "w1", "unknown words only", "w1 w2", "\tw1\x0bw2\x0cw3\rw4", "w1\x00w2", "</s> w1 w2", "w1 </s> w2",
    "__label__math w1", "w1 __label__nothing w2", "__label__", "定 理 é ß \U0001d400 \x7f \x80 \xff",
    "w1 " * 5000, "x" * 10_000, "\ufeffw1 \u3000w2 \u2028 w3", "w1  w2   w3 ", "-1 ﬁ ™", "label__math __label",
]  # fmt: skip


def write_lines(path, rng):
    lines = []
    for number in range(300):
        label = "__label__math" if number % 2 else "__label__other"
        pool = WORDS[20:] if number % 2 else WORDS[:40]
        lines.append(f"{label} {' '.join(rng.choice(pool) for _ in range(30))}")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


@pytest.fixture(scope="module", params=[1, 2, 3, 5])
def model(request, tmp_path_factory):
    """A small fastText model with n-grams up to `param`, and the path of its file."""
    import fasttext

    folder = tmp_path_factory.mktemp("fasttext")
    write_lines(folder / "train.txt", random.Random(1))
    arguments = {
        "dim": 8, "lr": 1.0, "epoch": 5, "wordNgrams": request.param, "minCount": 2, "bucket": 997, "thread": 1,
        "verbose": 0, "seed": 0, "loss": "softmax",
    }  # fmt: skip
    run_fasttext(folder / "train.txt", folder / "model.bin", arguments)
    return fasttext.load_model(str(folder / "model.bin")), folder / "model.bin"


def fasttext_scores(trained, texts):
    """fastText's probability of math; it adds 1e-5 inside its logarithm."""
    labels, probabilities = trained.predict(texts, k=2)
    return np.array([
        dict(zip(names, values, strict=True)).get("__label__math", np.nan) - 1e-5
        for names, values in zip(labels, probabilities, strict=True)
    ])  # fmt: skip


def test_scores_equal_fasttext_on_odd_texts(model):
    trained, path = model
    ours = to_scores(score_segmented(Classifier((collapse(path),)), ODD))
    theirs = fasttext_scores(trained, ODD)
    assert np.abs(ours - theirs).max() <= 1e-4


def test_scores_equal_fasttext_on_random_texts(model):
    trained, path = model
    rng = random.Random(2)
    pool = [*WORDS, "unknown", "</s", "s>", "__label_", "\x85", "\u200b"]
    texts = [" ".join(rng.choice(pool) for _ in range(rng.randrange(1, 60))) for _ in range(300)]
    ours = to_scores(score_segmented(Classifier((collapse(path),)), texts))
    theirs = fasttext_scores(trained, texts)
    assert np.abs(ours - theirs).max() <= 1e-4
    assert ours.std() > 0.1  # the model is not trivial


def test_scores_equal_fasttext_on_real_documents(model):
    root = Path(__file__).parents[2]
    data = (root / os.environ.get("DSMATH_REAL_DATA", "../shared/data")).resolve()
    files = [
        *sorted((data / "benchmarks" / "cmath").glob("*.jsonl")),
        *sorted((data / "benchmarks" / "bbh").glob("*.jsonl")),
    ]
    if not files:
        pytest.skip(f"no real texts in {data}; set DSMATH_REAL_DATA")
    trained, path = model
    lines = [line for name in files for line in name.read_text(encoding="utf-8").splitlines()[:200]]
    texts = [" ".join(segment(line)) for line in lines]
    ours = to_scores(score_segmented(Classifier((collapse(path),)), texts))
    assert np.abs(ours - fasttext_scores(trained, texts)).max() <= 1e-4


def test_a_text_without_any_evidence_ranks_last(model):
    # Without the end token in the vocabulary and without words nothing is left to average.
    collapsed = collapse(model[1])
    empty = Collapsed(np.zeros(8, np.uint64), np.zeros(8, np.float32), collapsed.ngram_values, 1)
    assert score_segmented(Classifier((empty,)), ["w1"])[0] == NO_EVIDENCE_LOGIT


def test_saved_tables_score_like_the_model_file(model, tmp_path):
    collapsed = collapse(model[1])
    save_collapsed(collapsed, tmp_path / "model_0")
    texts = ["w1 w50 w59", "w3 w4"]
    expected = score_segmented(Classifier((collapsed,)), texts)
    assert np.array_equal(score_segmented(Classifier((load_collapsed(tmp_path / "model_0"),)), texts), expected)
    assert np.array_equal(score_segmented(load_classifier(tmp_path), texts), expected)
    assert np.array_equal(score_segmented(load_classifier(model[1]), texts), expected)


def make_documents(path, texts):
    rows = [
        {"id": f"{n:032x}", "url": f"https://a.org/{n}", "domain": "a.org", "source": "s", "offset": n,
         "language": "en", "text": text, "num_tokens": 3}
        for n, text in enumerate(texts)
    ]  # fmt: skip
    with storage.stage(path, "unique_documents", "test", None, {}) as run:
        assert run.artifact
        run.artifact.write_table("part-0.parquet", pa.Table.from_pylist(rows[:2], DOCUMENT_SCHEMA))
        run.artifact.write_table("part-1.parquet", pa.Table.from_pylist(rows[2:], DOCUMENT_SCHEMA))
    return path


def make_classifier(path, models):
    with storage.stage(path, "classifier", "test", None, {}) as run:
        for number, collapsed in enumerate(models):
            save_collapsed(collapsed, path / f"model_{number}")
        assert run.artifact
    return path


def constant_model(value):
    """A model that gives every text the same logit: its only known word is the end token."""
    keys, values = build_word_table([b"</s>"], np.array([value], np.float32))
    return Collapsed(keys, values, np.zeros(0, np.float32), 1)


def test_each_page_is_scored_by_the_model_of_its_fold(tmp_path):
    texts = ["a", "b", "c", "d", "e", "f"]
    documents = make_documents(tmp_path / "documents", texts)
    classifier = make_classifier(tmp_path / "classifier", [constant_model(1.0), constant_model(3.0)])
    manifest = score_documents(documents, classifier, tmp_path / "scores", workers=1)
    table = storage.read_table(tmp_path / "scores")
    assert table.schema.names == SCORE_SCHEMA.names and manifest.num_rows == 6
    for row in table.to_pylist():
        assert row["logit"] == [1.0, 3.0][fold_of(row["id"], 2)]
    assert {row["logit"] for row in table.to_pylist()} == {1.0, 3.0}
    # a text of other origin: the mean of both
    assert score_texts(load_classifier(classifier), ["anything"])[0] == 2.0


@pytest.mark.slow
def test_sidecars_have_one_file_per_document_shard_and_do_not_depend_on_workers(model, tmp_path):
    documents = make_documents(tmp_path / "documents", ["w1 w2", "", "W59 w58, w40", "定理", "x"])
    classifier = make_classifier(tmp_path / "classifier", [collapse(model[1])])
    score_documents(documents, classifier, tmp_path / "one", workers=1)
    score_documents(documents, classifier, tmp_path / "two", workers=2)
    for name in ("part-0.parquet", "part-1.parquet"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_any_parquet_file_with_a_text_column_can_be_scored(model, tmp_path):
    pq.write_table(pa.table({"url": ["u", "v"], "text": ["w59 w58", None]}), tmp_path / "in.parquet")
    assert score_file(model[1], [tmp_path / "in.parquet"], tmp_path / "out.parquet") == 2
    table = pq.read_table(tmp_path / "out.parquet")
    assert table.column_names == ["url", "logit", "score"]
    assert np.allclose(table["score"], to_scores(table["logit"].to_numpy()))


def test_what_cannot_be_scored_is_named(model, tmp_path):
    with pytest.raises(ArtifactError, match="no such Parquet file"):
        score_file(model[1], [tmp_path / "none.parquet"], tmp_path / "out.parquet")
    pq.write_table(pa.table({"body": ["x"]}), tmp_path / "in.parquet")
    with pytest.raises(ArtifactError, match="no column `text`; its columns are body"):
        score_file(model[1], [tmp_path / "in.parquet"], tmp_path / "out.parquet")
    with pytest.raises(ArtifactError, match="holds no classifier"):
        load_classifier(tmp_path)


def test_a_file_that_is_no_model_is_refused(model, tmp_path):
    for content in (b"", b"not a model at all", model[1].read_bytes()[:600], model[1].read_bytes()[:-100]):
        (tmp_path / "model.bin").write_bytes(content)
        with pytest.raises(ModelError, match=r"model.bin"):
            collapse(tmp_path / "model.bin")


def test_a_model_with_other_labels_is_refused(tmp_path):
    (tmp_path / "train.txt").write_text("__label__a x y z\n__label__b u v w\n" * 50)
    run_fasttext(tmp_path / "train.txt", tmp_path / "model.bin", {"dim": 2, "minCount": 1, "bucket": 10, "thread": 1})
    with pytest.raises(ModelError, match="has the labels __label__a, __label__b"):
        collapse(tmp_path / "model.bin")
