"""Score every document with an iteration's classifier (section 2.1).

A score is the classifier's exact log-odds of "math" (see collapse.py): probabilities saturate near 1, log-odds rank on.
Text is segmented with text.segment, as in training. With several folds a crawl page is scored by the one model that
was trained without it; texts of other origin (score_texts, score_file) get the mean of all models.

Writes the artifact `scores`: records.SCORE_SCHEMA, one Parquet sidecar for each shard of documents, never text.
"""

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from .. import storage
from ..compute import map_shards
from ..progress import SILENT, Progress, track
from ..records import SCORE_SCHEMA
from ..storage import ArtifactError, Folder, Manifest
from ..text import TEXT_VERSION, segment
from .collapse import Collapsed, collapse, load_collapsed
from .scoring_kernel import mean_values
from .seeds import fold_of

SCORING_VERSION = f"1/text {TEXT_VERSION}"
NO_EVIDENCE_LOGIT = -50.0
"""Log-odds of a text without one known token: it is ranked last and never collected."""
_TEXTS_AT_ONCE = 1024


@dataclass(frozen=True)
class Classifier:
    """The collapsed models of one iteration, one for each fold."""

    models: tuple[Collapsed, ...]


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
    return score_segmented(classifier, [" ".join(segment(text)) for text in texts])


def score_segmented(classifier: Classifier, texts: Sequence[str]) -> np.ndarray:
    """Log-odds for texts whose tokens are already separated by spaces, the mean over the classifier's models."""
    return np.mean([_logits(model, texts) for model in classifier.models], axis=0)


def to_scores(logits: np.ndarray) -> np.ndarray:
    """Probabilities, 0-1."""
    return 1.0 / (1.0 + np.exp(-logits))


def _logits(model: Collapsed, texts: Sequence[str]) -> np.ndarray:
    # Lone surrogates cannot be encoded; fastText never sees them either.
    encoded = [text.encode("utf-8", "replace") for text in texts]
    offsets = np.zeros(len(encoded) + 1, np.int64)
    np.cumsum([len(text) for text in encoded], out=offsets[1:])
    return _logits_of_bytes(model, np.frombuffer(b"".join(encoded) + b"\0", np.uint8), offsets)


def _logits_of_bytes(model: Collapsed, data: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    arrays = [_read_only(a) for a in (data, offsets, model.word_keys, model.word_values, model.ngram_values)]
    logits = mean_values(arrays[0], arrays[1], arrays[2], arrays[3], arrays[4], model.word_ngrams)
    return np.nan_to_num(logits, nan=NO_EVIDENCE_LOGIT)


def _read_only(array: np.ndarray) -> np.ndarray:
    """A read-only plain view: numba compiles once for mapped and for ordinary arrays."""
    view = np.asarray(array).view()
    view.flags.writeable = False
    return view


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
            score = functools.partial(_score_shard, classifier=classifier, out=out, key=run.artifact.key)
            shards = map_shards(score, files, workers=workers, what="scores", progress=progress)
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


def _score_shard(file: Folder, *, classifier: Folder, out: Folder, key: str) -> dict[str, Any]:
    done = storage.finished_shard(out, file.stem, key)
    if done is not None:
        return done
    table = score_parquet(load_classifier(classifier), file)
    logits = table["logit"].to_numpy()
    missing = int((logits == NO_EVIDENCE_LOGIT).sum())
    counts = {"logit_sum": float(logits.sum()), "num_without_evidence": missing}
    return storage.commit_shard(out, file.stem, key, table, counts)


def score_parquet(classifier: Classifier, file: Folder) -> pa.Table:
    """SCORE_SCHEMA rows of a document shard; page ids choose the model when there are several."""
    parts = []
    with file.open("rb") as source:
        for batch in pq.ParquetFile(source).iter_batches(
            batch_size=_TEXTS_AT_ONCE, columns=["id", "url", "domain", "num_tokens", "text"]
        ):
            logits = _logits_by_fold(classifier, batch["id"].to_pylist(), batch["text"].to_pylist())
            parts.append(_score_table(batch, logits))
    return pa.concat_tables(parts) if parts else SCORE_SCHEMA.empty_table()


def _logits_by_fold(classifier: Classifier, ids: list[str], texts: list[str]) -> np.ndarray:
    segmented = [" ".join(segment(text)) for text in texts]
    folds = [fold_of(ident, len(classifier.models)) for ident in ids]
    logits = np.empty(len(ids), np.float64)
    for number, model in enumerate(classifier.models):
        rows = [row for row, fold in enumerate(folds) if fold == number]
        logits[rows] = _logits(model, [segmented[row] for row in rows])
    return logits


def _score_table(batch: pa.RecordBatch, logits: np.ndarray) -> pa.Table:
    columns = {name: batch[name] for name in ("id", "url", "domain", "num_tokens")}
    return pa.table({**columns, "logit": logits, "score": to_scores(logits)}, schema=SCORE_SCHEMA)


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
        parquet = pq.ParquetFile(source)
        names = parquet.schema_arrow.names
        if "text" not in names:
            raise ArtifactError(f"{file} has no column `text`; its columns are {', '.join(names)}")
        kept = [name for name in ("id", "url") if name in names]
        parts = []
        for batch in parquet.iter_batches(batch_size=_TEXTS_AT_ONCE, columns=[*kept, "text"]):
            logits = score_texts(classifier, [text or "" for text in batch["text"].to_pylist()])
            columns = {name: batch[name] for name in kept}
            parts.append(pa.table({**columns, "logit": logits, "score": to_scores(logits)}))
    return (
        pa.concat_tables(parts)
        if parts
        else pa.table({"logit": pa.array([], pa.float64()), "score": pa.array([], pa.float64())})
    )
