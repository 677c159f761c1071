"""Training the fastText classifier of an iteration."""

import random

import pyarrow as pa
import pytest

from dsmath_pipeline import storage
from dsmath_pipeline.corpus.classifier import ClassifierError, run_fasttext, train_classifier
from dsmath_pipeline.corpus.held_out import HELD_OUT_SCHEMA
from dsmath_pipeline.corpus.scoring import load_classifier, score_segmented, score_texts
from dsmath_pipeline.corpus.seed_set import SEED_SET_SCHEMA
from dsmath_pipeline.recipe.schema import ClassifierSettings, SeedSettings

SMALL = ClassifierSettings(dim=8, epochs=5, learning_rate=0.5, min_count=1, num_buckets=500)


def artifact(path, rows, schema, settings=None):
    with storage.stage(path, path.name, "test", settings, {"rows": repr(rows)}) as run:
        assert run.artifact
        run.artifact.write_table("part-00000.parquet", pa.Table.from_pylist(rows, schema))
    return path


def some_text(rng, is_math):
    pool = [f"{'m' if is_math else 'o'}{i}" for i in range(20)] + ["the", "of"]
    return " ".join(rng.choice(pool) for _ in range(12))


def make_seed_set(root, *, folds=1, leak="", mask_formulas=False):
    """216 texts; words m0..m19 mark mathematics. `leak`: a word only in texts of fold 0."""
    rng = random.Random(3)
    rows = []
    for number in range(216):
        is_math = number % 2 == 0
        fold = -1 if is_math or folds == 1 else number // 2 % folds
        text = some_text(rng, is_math) + (f" {leak}" if leak and fold == 0 else "")
        rows.append({"id": f"{rng.getrandbits(128):032x}", "url": f"https://a.org/{number}",
                     "label": "math" if is_math else "other", "origin": "seed" if is_math else "crawl",
                     "fold": fold, "segmented": text})  # fmt: skip
    return artifact(root / "set", rows, SEED_SET_SCHEMA, SeedSettings(mask_formulas=mask_formulas))


def make_held_out(root):
    """12 seed texts and 12 crawl pages, one of the pages mathematics; 4 judged texts, two of them Chinese."""
    rng = random.Random(4)
    rows = [("seed", "math", "en", True)] * 12 + [("crawl", "unlabeled", "en", False)] * 11
    rows += [("crawl", "unlabeled", "en", True)]
    rows += [("judged", "math", "zh", True), ("judged", "other", "zh", False)]
    rows += [("judged", "math", "en", True), ("judged", "math", "en", False)]
    names = ("origin", "label", "language")
    table = [
        {"id": f"{i:032x}", "url": f"https://h.org/{i}", **dict(zip(names, row[:3], strict=True)),
         "text": some_text(rng, row[3])}
        for i, row in enumerate(rows)
    ]  # fmt: skip
    return artifact(root / "held_out", table, HELD_OUT_SCHEMA)


def train(root, name="classifier", settings=SMALL, seed=0, **options):
    seed_set = root / "set" if (root / "set").exists() else make_seed_set(root)
    held_out = root / "held_out" if (root / "held_out").exists() else make_held_out(root)
    return train_classifier(seed_set, held_out, root / name, settings, seed, **options)


def test_a_trained_classifier_tells_the_classes_apart(tmp_path):
    manifest = train(tmp_path)
    assert manifest.counts["num_texts"] == 216
    logits = score_segmented(load_classifier(tmp_path / "classifier"), ["m1 m2 m3", "o1 o2 o3"])
    assert logits[0] > 1 > -1 > logits[1]


def test_the_manifest_holds_the_figures_of_both_sets_by_language(tmp_path):
    counts = train(tmp_path).counts
    rows = {(row["held_out"], row["language"]): row for row in counts["held_out"]}
    assert set(rows) == {("seed and crawl", "all"), ("seed and crawl", "en"),
                         ("judged", "all"), ("judged", "en"), ("judged", "zh")}  # fmt: skip
    found = rows["seed and crawl", "all"]
    # All 12 seed texts are found, and the page of the crawl that nobody has read: 12 of 13 are known to be right.
    assert (found["num_texts"], found["num_math"], found["recall"]) == (24, 12, 1.0)
    assert found["precision"] == counts["held_out_precision"] == pytest.approx(12 / 13)
    assert found["called_math_share"] == pytest.approx(1 / 12)
    assert rows["judged", "zh"]["precision"] == rows["judged", "zh"]["recall"] == 1.0
    # of three judged mathematics texts the one without a word of mathematics is missed
    assert (counts["judged_precision"], counts["judged_recall"]) == (1.0, pytest.approx(2 / 3))


def test_training_twice_gives_the_same_file(tmp_path):
    for name in ("one", "two"):
        train(tmp_path, name, seed=7)
    assert (tmp_path / "one/model_0/model.bin").read_bytes() == (tmp_path / "two/model_0/model.bin").read_bytes()


def test_a_fold_s_model_never_sees_the_texts_of_that_fold(tmp_path):
    import fasttext

    make_seed_set(tmp_path, folds=2, leak="secret")
    assert train(tmp_path).counts["num_models"] == 2
    words = [set(fasttext.load_model(str(tmp_path / f"classifier/model_{k}/model.bin")).words) for k in (0, 1)]
    assert "secret" not in words[0] and "secret" in words[1]


def test_later_iterations_train_for_their_own_number_of_epochs(tmp_path):
    settings = SMALL.model_copy(update={"later_epochs": 9})
    assert train(tmp_path, "first", settings, iteration=1).counts["epochs"] == 5
    assert train(tmp_path, "second", settings, iteration=2).counts["epochs"] == 9


def test_a_classifier_remembers_whether_formulas_were_masked(tmp_path):
    make_seed_set(tmp_path, mask_formulas=True)
    train(tmp_path)
    classifier = load_classifier(tmp_path / "classifier")
    assert classifier.mask_formulas
    # the words of mathematics stand in a formula, whose content does not count
    inside, without = score_texts(classifier, ["the $m1 m2 m3$ of", "the $o1 o2 o3$ of"])
    assert inside == without
    storage.remove(tmp_path / "set")
    make_seed_set(tmp_path)
    train(tmp_path, "plain")
    inside, without = score_texts(load_classifier(tmp_path / "plain"), ["the $m1 m2 m3$ of", "the $o1 o2 o3$ of"])
    assert inside > without + 1


def test_a_classifier_that_learnt_nothing_is_an_error(tmp_path):
    settings = SMALL.model_copy(update={"learning_rate": 1e-9, "epochs": 1})
    with pytest.raises(ClassifierError, match="same score; train longer"):
        train(tmp_path, settings=settings)
    assert not (tmp_path / "classifier" / "manifest.json").exists()


def test_a_learning_rate_that_diverges_is_named(tmp_path):
    (tmp_path / "train.txt").write_text("__label__math a b c\n__label__other d e f\n" * 200)
    arguments = {"dim": 4, "lr": 1e30, "minCount": 1, "thread": 1, "bucket": 10, "wordNgrams": 2}
    with pytest.raises(ClassifierError, match=r"NaN; lower classifier.learning_rate"):
        run_fasttext(tmp_path / "train.txt", tmp_path / "model.bin", arguments)
