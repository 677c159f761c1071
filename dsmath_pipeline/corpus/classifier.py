"""Train the fastText classifier of one iteration (section 2.1).

Reads a `seed_set`, writes the artifact `classifier`: one folder `model_<fold>` per fold with fastText's own `model.bin`
and the collapsed tables with which scoring.py computes the same probabilities fast (see collapse.py). With one fold
(the paper) there is one model; with K folds model k was trained without the crawl pages of fold k, and scores those.
The figures of every iteration are measured on the same held-out texts (held_out_figures.py).

fastText 0.9.3 reads memory that it never set, and now and then stops with "Encountered NaN" whatever the learning rate.
Training therefore runs in a fresh process whose allocator hands out zeroed memory: the result is the same every time.
"""

import dataclasses
import functools
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from .. import storage
from ..compute import map_shards
from ..progress import SILENT, Progress
from ..recipe.schema import ClassifierSettings
from ..storage import Folder, Manifest
from ..text import TEXT_VERSION
from .collapse import COLLAPSE_VERSION, LABEL_PREFIX, MATH_LABEL, OTHER_LABEL, collapse, save_collapsed
from .held_out_figures import FIGURES, figures_by_language, held_out_logits
from .scoring import load_classifier
from .seed_set import SEED_SET_SCHEMA

CLASSIFIER_VERSION = f"2/collapse {COLLAPSE_VERSION}/text {TEXT_VERSION}"
_MIN_SPREAD = 1e-3
"""A classifier whose held-out log-odds all lie within this distance has learnt nothing."""


class ClassifierError(RuntimeError):
    """fastText could not train a usable classifier; the message says what to change."""


def train_classifier(
    seed_set: Folder,
    held_out: Folder,
    out: Folder,
    settings: ClassifierSettings,
    random_seed: int,
    *,
    iteration: int = 1,
    workers: int = 1,
    progress: Progress = SILENT,
    force: bool = False,
) -> Manifest:
    """Write the artifact `classifier` from the artifacts `seed_set` and `held_out`.

    Counts: `num_models`, `num_texts`, `epochs`; `held_out`: the rows of held_out_figures.figures_by_language; and of
    the rows for all languages `held_out_*` (precision, recall, average_precision) and, where people brought judged
    texts, `judged_*`.

    Raises ClassifierError when training fails or the classifier does not tell the texts apart.
    """
    inputs: dict[str, Folder | str] = {"seed_set": seed_set, "held_out": held_out}
    inputs["random"] = f"{random_seed}:{iteration > 1}"
    with storage.stage(out, "classifier", CLASSIFIER_VERSION, settings, inputs, force=force) as run:
        if run.artifact:
            folds = _folds(seed_set)
            epochs = settings.epochs if iteration == 1 else settings.later_epochs
            train = functools.partial(
                _train_fold, seed_set=seed_set, out=out, settings=settings, epochs=epochs, seed=random_seed
            )
            sizes = map_shards(train, folds, workers=workers, what="classifiers", progress=progress)
            run.artifact.num_rows = len(folds)
            run.artifact.counts |= {"num_models": len(folds), "num_texts": max(sizes), "epochs": epochs}
            run.artifact.counts |= _held_out_counts(out, seed_set, held_out)
            progress.log(f"classifier: {run.artifact.counts}")
    assert run.manifest is not None
    return run.manifest


def _folds(seed_set: Folder) -> list[int]:
    column = storage.read_table(seed_set, ["fold"])["fold"]
    last = max(column.to_pylist(), default=-1)
    return list(range(max(last, 0) + 1))


def _train_fold(
    fold: int, *, seed_set: Folder, out: Folder, settings: ClassifierSettings, epochs: int, seed: int
) -> int:
    """Train model `fold` and write its folder. Returns the number of training texts."""
    with tempfile.TemporaryDirectory() as work:
        lines, model = Path(work, "train.txt"), Path(work, "model.bin")
        num_texts = _write_lines(lines, seed_set, fold)
        arguments = {
            "dim": settings.dim, "lr": settings.learning_rate, "wordNgrams": settings.word_ngrams,
            "minCount": settings.min_count, "epoch": epochs, "bucket": settings.num_buckets,
            "thread": settings.num_threads, "seed": seed, "loss": "softmax", "verbose": 0,
        }  # fmt: skip
        run_fasttext(lines, model, arguments)
        path = out / f"model_{fold}"
        mask_formulas = storage.read_manifest(seed_set).settings["mask_formulas"]
        save_collapsed(dataclasses.replace(collapse(model), mask_formulas=mask_formulas), path)
        storage.write_bytes(path / "model.bin", model.read_bytes())
    return num_texts


def _write_lines(path: Path, seed_set: Folder, fold: int) -> int:
    """fastText's training file, in an order that depends on ids alone (ids are hashes, so the classes are mixed)."""
    rows = []
    for row in _rows(seed_set):
        if row["fold"] != fold or row["fold"] < 0:
            label = MATH_LABEL if row["label"] == "math" else OTHER_LABEL
            rows.append((row["id"], f"{label} {row['segmented']}\n"))
    rows.sort()
    with path.open("w", encoding="utf-8") as file:
        file.writelines(line for _, line in rows)
    return len(rows)


def _rows(seed_set: Folder) -> Iterator[dict[str, Any]]:
    for batch in storage.table_batches(seed_set, SEED_SET_SCHEMA.names, max_rows=4096):
        yield from batch.to_pylist()


def run_fasttext(lines: Path, model: Path, arguments: dict[str, Any]) -> None:
    """Train on a file of labelled lines in a fresh process and write the model file.

    `arguments` are those of fasttext.train_supervised. Raises ClassifierError when training fails.
    """
    # glibc fills new memory with the complement of this byte: 255 gives zeros.
    environment = {**os.environ, "MALLOC_PERTURB_": "255"}
    command = [sys.executable, "-c", _CHILD, str(lines), str(model), json.dumps(arguments)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode == 0:
        return
    last = done.stderr.strip().splitlines()[-1:] or [f"exit status {done.returncode}"]
    if "NaN" in last[0]:
        raise ClassifierError(f"fastText ended in NaN; lower classifier.learning_rate ({arguments['lr']})")
    raise ClassifierError(f"fastText could not train: {last[0]}; are there enough texts for classifier.min_count?")


_CHILD = f"""
import json, sys, fasttext
model = fasttext.train_supervised(sys.argv[1], label={LABEL_PREFIX!r}, **json.loads(sys.argv[3]))
model.save_model(sys.argv[2])
"""


def _held_out_counts(classifier: Folder, seed_set: Folder, held_out: Folder) -> dict[str, Any]:
    """Figures on the held-out texts. Raises ClassifierError for a classifier that gives all of them one score."""
    max_chars = storage.read_manifest(seed_set).settings["max_chars"]
    rows, logits = held_out_logits(load_classifier(classifier), held_out, max_chars)
    if len(rows) > 1 and (not np.isfinite(logits).all() or np.ptp(logits) < _MIN_SPREAD):
        raise ClassifierError(
            "the classifier gives every held-out text the same score; train longer (classifier.epochs) or faster "
            "(classifier.learning_rate), or check that seed and crawl differ"
        )
    found = figures_by_language(rows, logits)
    counts: dict[str, Any] = {"held_out": found}
    for row in found:
        if row["language"] == "all":
            name = "judged" if row["held_out"] == "judged" else "held_out"
            counts |= {f"{name}_{figure}": row[figure] for figure in FIGURES[2:5] if row[figure] is not None}
    return counts
