"""Score every document with an iteration's classifier (section 2.1).

A score is the classifier's exact log-odds of "math" (see collapse.py): probabilities saturate near 1, log-odds rank on.
Text is segmented as in training (segmentation.py) and scored by one compiled pass over the bytes of an Arrow column; no
document becomes a Python object. With several folds a crawl page is scored by the one model that was trained without
it; texts of other origin (score_texts, score_file) get the mean of all models.

The workers are threads: the kernels release the interpreter's lock, and a thread needs one batch of documents where a
process would need an interpreter with all its libraries.

Writes the artifact `scores`: records.SCORE_SCHEMA, one Parquet sidecar for each shard of documents, never text.
"""

import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from .. import storage
from ..compute import map_threads
from ..lean_imports import to_arrow, to_numpy
from ..progress import SILENT, Progress, track
from ..records import SCORE_SCHEMA
from ..storage import ArtifactError, Folder, Manifest
from ..text import TEXT_VERSION
from . import scoring_kernel as kernel
from .collapse import Collapsed, collapse, load_collapsed
from .seed_set import fold_of
from .segmentation import column_bytes, max_masked, read_only, segment_bytes, segment_column, tables

SCORING_VERSION = f"2/text {TEXT_VERSION}"
"""1 (2026-11): first version. 2 (2026-11): values of words in double precision, which moves the last digits."""
NO_EVIDENCE_LOGIT = -50.0
"""Log-odds of a text without one known token: it is ranked last and never collected."""
_TEXTS_AT_ONCE = 256
_BYTES_AT_ONCE = 1 << 20
"""Bytes of a Parquet column read at once."""


@dataclass(frozen=True)
class Classifier:
    """The collapsed models of one iteration, one for each fold."""

    models: tuple[Collapsed, ...]

    @property
    def mask_formulas(self) -> bool:
        """Are texts segmented without the content of formulas, as they were in training?"""
        return self.models[0].mask_formulas


def load_classifier(path: Folder) -> Classifier:
    """A classifier from a `classifier` artifact, from a folder of one model, or from a fastText model.bin file.

    Raises ArtifactError when there is nothing of the kind, ModelError when a model file cannot be used.
    """
    if path.is_file():
        return Classifier((collapse(Path(str(path))),))
    if (path / "collapsed.json").exists():
        return Classifier((load_collapsed(path),))
    folders = sorted(path.glob("model_*"), key=lambda p: int(p.name.removeprefix("model_")))
    if folders:
        return Classifier(tuple(load_collapsed(folder) for folder in folders))
    if (path / "model.bin").is_file():
        return Classifier((collapse(Path(str(path / "model.bin"))),))
    raise ArtifactError(f"{path} holds no classifier: give a `classifier` folder of a run or a fastText model.bin")


def score_texts(classifier: Classifier, texts: Sequence[str]) -> np.ndarray:
    """Log-odds of "math" for raw texts (float64), the mean over the classifier's models."""
    return score_column(classifier, _column(texts))


def score_segmented(classifier: Classifier, texts: Sequence[str]) -> np.ndarray:
    """Log-odds for texts whose tokens are already separated by spaces, the mean over the classifier's models."""
    return score_segmented_column(classifier, _column(texts))


def score_segmented_column(classifier: Classifier, texts: pa.Array | pa.ChunkedArray) -> np.ndarray:
    """As score_segmented, for a column."""
    data, offsets = column_bytes(texts)
    return np.mean([_logits_of_segmented(model, data, offsets) for model in classifier.models], axis=0)


def score_column(classifier: Classifier, texts: pa.Array | pa.ChunkedArray) -> np.ndarray:
    """Log-odds for a column of raw texts (nulls count as empty), the mean over the classifier's models."""
    data, offsets = column_bytes(texts)
    rows = np.arange(len(offsets) - 1)
    return np.mean([_logits(model, data, offsets, rows) for model in classifier.models], axis=0)


def to_scores(logits: np.ndarray) -> np.ndarray:
    """Probabilities, 0-1."""
    return 1.0 / (1.0 + np.exp(-logits))


def warm_up() -> None:
    """Load the compiled kernels; where they were never compiled, compile and keep them (about a minute)."""
    model = Collapsed(kernel.build_word_table([b"a"], np.zeros(1)), np.zeros(1, np.float32), 2)
    score_texts(Classifier((model,)), ["a b"])
    score_segmented(Classifier((model,)), ["a b"])
    segment_column(pa.array(["a b"]))


def _column(texts: Sequence[str]) -> pa.Array:
    """Lone surrogates cannot be encoded and become "?"; fastText never sees them either."""
    return pa.array([text.encode("utf-8", "replace") for text in texts], pa.large_binary())


def _logits(model: Collapsed, data: np.ndarray, offsets: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Log-odds of the raw texts `rows` of a column."""
    masked = max_masked(model.mask_formulas)
    logits, needs_python = kernel.score_texts(
        data, offsets, read_only(rows), tables(), masked, *_tables_of(model), model.word_ngrams
    )
    slow = np.flatnonzero(needs_python)
    if len(slow):
        texts = [segment_bytes(data[offsets[row] : offsets[row + 1]], model.mask_formulas) for row in rows[slow]]
        logits[slow] = _logits_of_segmented(model, *column_bytes(_column(texts)))
    return np.nan_to_num(logits, nan=NO_EVIDENCE_LOGIT)


def _logits_of_segmented(model: Collapsed, data: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    rows = read_only(np.arange(len(offsets) - 1))
    logits, _ = kernel.score_texts(data, offsets, rows, None, 0, *_tables_of(model), model.word_ngrams)
    return np.nan_to_num(logits, nan=NO_EVIDENCE_LOGIT)


def _tables_of(model: Collapsed) -> tuple[np.ndarray, np.ndarray]:
    return read_only(model.words), read_only(model.ngram_values)


def score_documents(
    unique_documents: Folder,
    classifier: Folder,
    out: Folder,
    *,
    workers: int = 0,
    progress: Progress = SILENT,
    force: bool = False,
) -> Manifest:
    """Write the artifact `scores`: one sidecar for each document shard. A killed run goes on shard by shard.

    Counts: `num_documents`, `mean_logit`, `num_without_evidence`.
    """
    inputs: dict[str, Folder | str] = {"unique_documents": unique_documents, "classifier": classifier}
    with storage.stage(out, "scores", SCORING_VERSION, None, inputs, force=force) as run:
        if run.artifact:
            files = storage.parquet_files(unique_documents)
            loaded = load_classifier(classifier)
            score = functools.partial(_score_shard, classifier=loaded, out=out, key=run.artifact.key)
            shards = map_threads(score, files, workers=workers, what="scores", progress=progress)
            for file, counts in zip(files, shards, strict=True):
                run.artifact.add_shard(file.stem, counts)
            total = max(run.artifact.num_rows, 1)
            run.artifact.counts |= {
                "num_documents": run.artifact.num_rows,
                "mean_logit": sum(counts["logit_sum"] for counts in shards) / total,
                "num_without_evidence": sum(counts["num_without_evidence"] for counts in shards),
            }
    assert run.manifest is not None
    return run.manifest


def _score_shard(file: Folder, *, classifier: Classifier, out: Folder, key: str) -> dict[str, Any]:
    done = storage.finished_shard(out, file.stem, key)
    if done is not None:
        return done
    table = score_parquet(classifier, file)
    logits = to_numpy(table["logit"])
    missing = int((logits == NO_EVIDENCE_LOGIT).sum())
    counts = {"logit_sum": float(logits.sum()), "num_without_evidence": missing}
    return storage.commit_shard(out, file.stem, key, table, counts)


def score_parquet(classifier: Classifier, file: Folder) -> pa.Table:
    """SCORE_SCHEMA rows of a document shard; page ids choose the model when there are several."""
    parts = []
    with file.open("rb") as source:
        for batch in _batches(
            pq.ParquetFile(source, buffer_size=_BYTES_AT_ONCE, pre_buffer=False), ["id", "url", "domain", "num_tokens"]
        ):
            parts.append(_score_table(batch, _logits_by_fold(classifier, batch)))
    return pa.concat_tables(parts) if parts else SCORE_SCHEMA.empty_table()


def _batches(file: pq.ParquetFile, columns: list[str]) -> Iterator[pa.RecordBatch]:
    return file.iter_batches(batch_size=_TEXTS_AT_ONCE, columns=[*columns, "text"], use_threads=False)


def _logits_by_fold(classifier: Classifier, batch: pa.RecordBatch) -> np.ndarray:
    if len(classifier.models) == 1:
        return score_column(classifier, batch["text"])
    data, offsets = column_bytes(batch["text"])
    folds = np.array([fold_of(ident, len(classifier.models)) for ident in batch["id"].to_pylist()], np.int64)
    logits = np.empty(len(folds), np.float64)
    for number, model in enumerate(classifier.models):
        rows = np.flatnonzero(folds == number)
        logits[rows] = _logits(model, data, offsets, rows)
    return logits


def _score_table(batch: pa.RecordBatch, logits: np.ndarray) -> pa.Table:
    columns = {name: batch[name] for name in ("id", "url", "domain", "num_tokens")}
    return pa.table({**columns, "logit": to_arrow(logits), "score": to_arrow(to_scores(logits))}, schema=SCORE_SCHEMA)


def score_file(
    classifier_path: Folder, inputs: Sequence[Folder], out_file: Folder, *, progress: Progress = SILENT
) -> int:
    """Score Parquet files or folders with a `text` column into one Parquet file. Returns the number of rows.

    The output has the columns id and url where the input has them, then logit and score, rows in the input's order.
    Raises ArtifactError when an input is missing or has no `text` column.
    """
    classifier = load_classifier(classifier_path)
    files = [file for path in inputs for file in _existing_files(path)]
    tables = [_score_any(classifier, file) for file in track(files, "score", progress)]
    table = pa.concat_tables(tables, promote_options="default")
    storage.write_table(out_file, table)
    return table.num_rows


def _existing_files(path: Folder) -> list[Folder]:
    files = storage.parquet_files(path) if path.exists() else []
    if not files:
        raise ArtifactError(f"{path}: no such Parquet file or folder of Parquet files")
    return files


def _score_any(classifier: Classifier, file: Folder) -> pa.Table:
    with file.open("rb") as source:
        parquet = pq.ParquetFile(source, buffer_size=_BYTES_AT_ONCE, pre_buffer=False)
        names = parquet.schema_arrow.names
        if "text" not in names:
            raise ArtifactError(f"{file} has no column `text`; its columns are {', '.join(names)}")
        kept = [name for name in ("id", "url") if name in names]
        parts = []
        for batch in _batches(parquet, kept):
            logits = score_column(classifier, batch["text"])
            columns = {name: batch[name] for name in kept}
            parts.append(pa.table({**columns, "logit": logits, "score": to_scores(logits)}))
    return (
        pa.concat_tables(parts)
        if parts
        else pa.table({"logit": pa.array([], pa.float64()), "score": pa.array([], pa.float64())})
    )
