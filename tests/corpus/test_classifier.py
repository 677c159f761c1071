"""Training the fastText classifier of an iteration."""

import random

import numpy as np
import pyarrow as pa
import pytest

from dsmath_pipeline import storage
from dsmath_pipeline.corpus.classifier import (
    ClassifierError,
    precision_recall,
    run_fasttext,
    train_classifier,
)
from dsmath_pipeline.corpus.scoring import load_classifier, score_segmented
from dsmath_pipeline.corpus.seeds import SEED_SET_SCHEMA
from dsmath_pipeline.recipe.schema import ClassifierSettings

SMALL = ClassifierSettings(dim=8, epochs=5, learning_rate=0.5, min_count=1, num_buckets=500)


def make_seed_set(path, *, folds=1, informative=True, leak=""):
    """240 texts, a tenth held out. Words m0..m19 mark mathematics. `leak`: a word only in texts of fold 0."""
    rng = random.Random(3)
    rows = []
    for number in range(240):
        is_math = number % 2 == 0
        pool = [f"{'m' if is_math and informative else 'o'}{i}" for i in range(20)] + ["the", "of"]
        fold = -1 if is_math or folds == 1 else number // 2 % folds
        words = [rng.choice(pool) for _ in range(12)] + ([leak] if leak and fold == 0 else [])
        rows.append({"id": f"{rng.getrandbits(128):032x}", "url": f"https://a.org/{number}",
                     "label": "math" if is_math else "other", "origin": "seed" if is_math else "crawl",
                     "is_held_out": number % 20 in (0, 1), "fold": fold, "segmented": " ".join(words)})  # fmt: skip
    with storage.stage(path, "seed_set", "test", None, {"rows": repr(rows)}) as run:
        assert run.artifact
        run.artifact.write_table("part-00000.parquet", pa.Table.from_pylist(rows, SEED_SET_SCHEMA))
    return path


def test_a_trained_classifier_tells_the_classes_apart(tmp_path):
    manifest = train_classifier(make_seed_set(tmp_path / "set"), tmp_path / "classifier", SMALL, 0)
    assert manifest.counts["held_out_precision"] == manifest.counts["held_out_recall"] == 1.0
    assert manifest.counts["num_texts"] == 216  # 240 less a tenth
    logits = score_segmented(load_classifier(tmp_path / "classifier"), ["m1 m2 m3", "o1 o2 o3"])
    assert logits[0] > 1 > -1 > logits[1]


def test_training_twice_gives_the_same_file(tmp_path):
    seed_set = make_seed_set(tmp_path / "set")
    for name in ("one", "two"):
        train_classifier(seed_set, tmp_path / name, SMALL, 7)
    assert (tmp_path / "one/model_0/model.bin").read_bytes() == (tmp_path / "two/model_0/model.bin").read_bytes()


def test_a_fold_s_model_never_sees_the_texts_of_that_fold(tmp_path):
    import fasttext

    seed_set = make_seed_set(tmp_path / "set", folds=2, leak="secret")
    manifest = train_classifier(seed_set, tmp_path / "classifier", SMALL, 0)
    assert manifest.counts["num_models"] == 2
    words = [set(fasttext.load_model(str(tmp_path / f"classifier/model_{k}/model.bin")).words) for k in (0, 1)]
    assert "secret" not in words[0] and "secret" in words[1]


def test_later_iterations_train_for_their_own_number_of_epochs(tmp_path):
    settings = SMALL.model_copy(update={"later_epochs": 9})
    seed_set = make_seed_set(tmp_path / "set")
    assert train_classifier(seed_set, tmp_path / "first", settings, 0, iteration=1).counts["epochs"] == 5
    assert train_classifier(seed_set, tmp_path / "second", settings, 0, iteration=2).counts["epochs"] == 9


def test_a_classifier_that_learnt_nothing_is_an_error(tmp_path):
    settings = SMALL.model_copy(update={"learning_rate": 1e-9, "epochs": 1})
    with pytest.raises(ClassifierError, match="same score; train longer"):
        train_classifier(make_seed_set(tmp_path / "set"), tmp_path / "classifier", settings, 0)
    assert not (tmp_path / "classifier" / "manifest.json").exists()


def test_a_learning_rate_that_diverges_is_named(tmp_path):
    (tmp_path / "train.txt").write_text("__label__math a b c\n__label__other d e f\n" * 200)
    arguments = {"dim": 4, "lr": 1e30, "minCount": 1, "thread": 1, "bucket": 10, "wordNgrams": 2}
    with pytest.raises(ClassifierError, match=r"NaN; lower classifier.learning_rate"):
        run_fasttext(tmp_path / "train.txt", tmp_path / "model.bin", arguments)


def test_precision_and_recall_of_a_worked_example():
    # predicted 3, of them 2 right; 4 are there to find
    figures = precision_recall(np.array([True, True, True, False, False]), [True, True, False, True, True])
    assert figures == {"held_out_precision": pytest.approx(2 / 3), "held_out_recall": 0.5}
    assert precision_recall([False], [False]) == {"held_out_precision": 0.0, "held_out_recall": 0.0}
