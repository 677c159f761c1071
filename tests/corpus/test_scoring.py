"""The collapsed scorer against fastText's own predictions."""

import dataclasses
import random
import subprocess
import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dsmath_pipeline import storage
from dsmath_pipeline.compute import ShardError
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
from dsmath_pipeline.corpus.scoring_kernel import WORD_DTYPE, build_word_table, remainders
from dsmath_pipeline.corpus.seed_set import fold_of
from dsmath_pipeline.records import DOCUMENT_SCHEMA, SCORE_SCHEMA
from dsmath_pipeline.storage import ArtifactError
from dsmath_pipeline.text import segment
from tests.corpus.real_documents import needs_crawl, real_texts

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


def test_scores_equal_fasttext_at_the_borders_of_blocks(model):
    """Texts are scored in blocks of about a thousand tokens; nothing may be lost or doubled between them."""
    trained, path = model
    rng = random.Random(3)
    tails = ["", "</s> w2 w3", "__label__a w5", "__label__" + "x" * 3000 + " w7", "w" * 3000 + " w8", " " * 3000 + "w9"]
    texts = []
    for length in (*range(340, 400), *range(1015, 1100), 2048, 2175, 5000):
        text = " ".join(rng.choice(WORDS) for _ in range(length))
        texts += [text, f"{text} {rng.choice(tails)} w4", text + rng.choice(tails)]
    ours = to_scores(score_segmented(Classifier((collapse(path),)), texts))
    assert np.abs(ours - fasttext_scores(trained, texts)).max() <= 1e-4


def test_fasttext_has_no_limit_of_a_line_and_neither_have_we(model):
    """One megabyte of words, one word of a megabyte, a megabyte of spaces."""
    trained, path = model
    rng = random.Random(4)
    texts = [" ".join(rng.choices(WORDS, k=400_000)), "w" * 1_000_000, " " * 1_000_000, "w1 " * 333_000 + "w59"]
    assert len(texts[0].encode()) > 1_000_000
    ours = to_scores(score_segmented(Classifier((collapse(path),)), texts))
    assert np.abs(ours - fasttext_scores(trained, texts)).max() <= 1e-4


RAW = [
    "", "word", "😀 👩\u200d🔬\ufe0f", "设函数 f(x) 的值，求 x。", "Ａ ﬁ ½ e\u0301 Σ ΑΣ", "   \n\t ", "\0 a\0b",
    "__label__math a __label__x", "</s> a </s> b", r"Let $x_1$ be $$y$$ \(z\) for $5 and $6.", "w1 w2 " * 3000,
    "e" + "\u0301" * 80 + " w1", "\ud800 w1",
]  # fmt: skip


def test_raw_texts_score_as_fasttext_does_once_they_are_segmented(model):
    trained, path = model
    segmented = [" ".join(segment(text)).encode("utf-8", "replace").decode() for text in RAW]
    classifier = Classifier((collapse(path),))
    ours = score_texts(classifier, RAW)
    assert np.abs(to_scores(ours) - fasttext_scores(trained, segmented)).max() <= 1e-4
    assert np.abs(ours - score_segmented(classifier, segmented)).max() < 1e-12


def test_a_model_of_masked_formulas_sees_masked_formulas(model):
    masked = dataclasses.replace(collapse(model[1]), mask_formulas=True)
    texts = [*RAW, "w1 $w59 + w58$ w2", r"w1 \(w3\) w2"]
    expected = score_segmented(Classifier((masked,)), [" ".join(segment(text, mask_formulas=True)) for text in texts])
    found = score_texts(Classifier((masked,)), texts)
    assert np.abs(found - expected).max() < 1e-12
    assert found[-1] == found[-2]  # only where the formula stands counts


@pytest.mark.slow
@needs_crawl
def test_scores_and_ranking_equal_fasttext_on_every_real_document(model):
    trained, path = model
    texts = real_texts()
    ours = to_scores(score_texts(Classifier((collapse(path),)), texts))
    theirs = fasttext_scores(trained, [" ".join(segment(text)) for text in texts])
    assert np.abs(ours - theirs).max() <= 1e-4
    steps = np.diff(theirs[np.argsort(ours, kind="stable")])
    assert steps.min() > -2e-6  # fastText rounds to single precision and adds 1e-5: closer scores are ties


@pytest.mark.parametrize("divisor", [1, 2, 3, 997, 2_000_000, 2**31 - 1])
def test_remainders_without_division(divisor):
    rng = random.Random(divisor)
    values = [0, 1, divisor - 1, divisor, divisor + 1, 2**63, 2**64 - 1, (2**64 - 1) // divisor * divisor]
    values += [rng.getrandbits(rng.randrange(1, 65)) for _ in range(5000)]
    values += [min(k * divisor + d, 2**64 - 1) for k in rng.sample(range(2**32), 500) for d in (0, divisor - 1)]
    assert remainders(np.array(values, np.uint64), divisor).tolist() == [value % divisor for value in values]


def test_words_of_one_key_are_refused():
    with pytest.raises(ValueError, match="same 64-bit key"):
        build_word_table([b"twice", b"twice"], np.zeros(2))


def test_a_text_without_any_evidence_ranks_last(model):
    # Without the end token in the vocabulary and without words nothing is left to average.
    collapsed = collapse(model[1])
    empty = Collapsed(np.zeros(8, WORD_DTYPE), collapsed.ngram_values, 1)
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
    return Collapsed(build_word_table([b"</s>"], np.array([value])), np.zeros(0, np.float32), 1)


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


def test_a_shard_that_cannot_be_read_is_named(tmp_path):
    documents = make_documents(tmp_path / "documents", ["a", "b", "c"])
    (documents / "part-1.parquet").write_bytes(b"PAR1 no more PAR1")
    classifier = make_classifier(tmp_path / "classifier", [constant_model(1.0)])
    with pytest.raises(ShardError, match=r"part-1\.parquet: Arrow"):
        score_documents(documents, classifier, tmp_path / "scores", workers=2)


@pytest.mark.slow
def test_a_further_worker_costs_little_memory(tmp_path):
    """Peak memory of three workers and of one, in fresh processes, over the same shards: below 50 MB a worker."""
    text = "Let $x_1$ be the square root of 设函数 and so on. " * 160  # 8 kB, as a page has
    fixed = {"url": "https://a.org/1", "domain": "a.org", "source": "s", "language": "en", "num_tokens": 3}
    rows = [{**fixed, "id": f"{n:032x}", "offset": n, "text": f"{n} {text}"} for n in range(2000)]
    with storage.stage(tmp_path / "documents", "unique_documents", "test", None, {}) as run:
        assert run.artifact
        for number in range(3):
            run.artifact.write_table(f"part-{number}.parquet", pa.Table.from_pylist(rows, DOCUMENT_SCHEMA))
    make_classifier(tmp_path / "classifier", [constant_model(1.0)])
    peaks = {}
    for workers in (1, 3):
        script = (
            "import resource, sys; from pathlib import Path; from dsmath_pipeline.corpus import scoring;"
            "path, workers = Path(sys.argv[1]), int(sys.argv[2]);"
            "scoring.score_documents(path / 'documents', path / 'classifier', path / f'out{workers}', workers=workers);"
            "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)"
        )
        command = [sys.executable, "-c", script, str(tmp_path), str(workers)]
        peaks[workers] = float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    assert (peaks[3] - peaks[1]) / 2 < 50, peaks


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
