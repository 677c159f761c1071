"""What a page costs on this machine: the stages themselves run on sample WARC files, in processor seconds.

One process, no downloads: reading with extraction, deduplication, and what an iteration of the loop does once more
(training, scores, ranking, domains). The scorer gets tables of the real size with random values, which cost the same as
trained ones.

Not in the paper: it states no cost of the corpus.
"""

import resource
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from . import storage
from .corpus import extract, scoring
from .corpus.classifier import run_fasttext
from .corpus.collapse import MATH_LABEL, OTHER_LABEL, Collapsed, save_collapsed
from .corpus.dedup import deduplicate
from .corpus.domains import find_domains
from .corpus.near_dedup import find_near_duplicates
from .corpus.pages import extract_one_file
from .corpus.ranking import collect
from .corpus.scoring import score_documents
from .corpus.scoring_kernel import build_word_table
from .corpus.segmentation import segment_column
from .demo.mini_web import write_mini_web
from .progress import SILENT, Progress
from .recipe.schema import ClassifierSettings, MiniWebSettings, Recipe
from .storage import Folder

_GENERATED_PAGES = 1500
_NUM_WORDS = 1_000_000
_TRAINING_BUCKETS = 100_000
"""Enough that the vectors do not fit into a cache; the paper's two million would take 2 GB for a rate."""
_EPOCHS = (1, 5)
"""The rate is the difference between these trainings, so that starting fastText is not counted."""
_ROUNDS = 2
"""The first round loads code; the cheaper one counts."""


class SampleError(ValueError):
    """The sample WARC files give nothing to measure; the message says what to give instead."""


@dataclass(frozen=True)
class Rates:
    """What sample WARC files cost on this machine: processor seconds and bytes of all of them together."""

    num_bytes: int
    """Of the WARC files, compressed."""
    num_pages: int
    num_documents: int
    """Left after deduplication."""
    extract_seconds: float
    dedup_seconds: float
    iterate_seconds: float
    """Scores, ranking and domains."""
    train_seconds: float
    """One text in one epoch."""
    text_bytes: int
    """Parquet with the extracted text."""
    kept_bytes: int
    """Of it, left after deduplication."""
    signature_bytes: int
    sidecar_bytes: int
    """What one iteration writes."""

    @property
    def page_bytes(self) -> float:
        """Bytes of the WARC files for each page."""
        return self.num_bytes / self.num_pages

    def rows(self) -> list[dict[str, Any]]:
        """For a table: what a core does in a second, and bytes for a GB (10^9) of WARC files."""
        share = 1e9 / self.num_bytes
        return [
            {
                "rate": "MB of WARC files read and extracted a second",
                "value": self.num_bytes / 1e6 / self.extract_seconds,
            },
            {"rate": "pages read and extracted a second", "value": self.num_pages / self.extract_seconds},
            {"rate": "pages deduplicated a second", "value": self.num_pages / self.dedup_seconds},
            {
                "rate": "documents scored, ranked and counted a second",
                "value": self.num_documents / self.iterate_seconds,
            },
            {"rate": "texts trained on a second, in an epoch", "value": 1 / max(self.train_seconds, 1e-9)},
            {"rate": "bytes of a page in WARC files", "value": self.page_bytes},
            {"rate": "documents kept of a page", "value": self.num_documents / self.num_pages},
            {"rate": "GB of text for a GB of WARC files", "value": self.text_bytes * share / 1e9},
            {"rate": "GB kept after deduplication", "value": self.kept_bytes * share / 1e9},
            {"rate": "GB of signatures", "value": self.signature_bytes * share / 1e9},
            {"rate": "GB that an iteration writes", "value": self.sidecar_bytes * share / 1e9},
        ]


def measure_rates(samples: Sequence[Folder], recipe: Recipe, progress: Progress = SILENT) -> Rates:
    """Run the stages on sample WARC files (none: a generated one) and time them.

    Raises SampleError when no document is left of the sample, OSError when a file cannot be read.
    """
    with tempfile.TemporaryDirectory(prefix="dsmath-estimate-") as name:
        work = Path(name)
        files = list(samples) or _generated(work)
        num_pages, extract_seconds = _extract(files, work, recipe, progress)
        dedup_seconds = _cheapest(lambda: _deduplicate(work, recipe), "deduplicate", progress)
        unique = work / "unique_documents"
        num_documents = storage.read_manifest(unique).num_rows
        if not num_documents:
            raise SampleError("no document of the sample is left after deduplication: give larger files (--sample)")
        texts = storage.read_table(unique, ["text"])["text"]
        train_seconds = _training_seconds(texts, work, recipe, progress)
        _write_random_classifier(texts, work / "classifier", recipe.classifier)
        iterate_seconds = _cheapest(lambda: _iterate(work, recipe), "score, rank, count domains", progress)
        return Rates(
            num_bytes=sum(file.stat().st_size for file in files),
            num_pages=num_pages,
            num_documents=num_documents,
            extract_seconds=extract_seconds,
            dedup_seconds=dedup_seconds,
            iterate_seconds=iterate_seconds,
            train_seconds=train_seconds,
            text_bytes=_stored(work, "documents"),
            kept_bytes=_stored(work, "unique_documents"),
            signature_bytes=_stored(work, "near_duplicates"),
            sidecar_bytes=_stored(work, "scores", "collected", "domains"),
        )


def _generated(work: Path) -> list[Folder]:
    """One WARC file of the demonstration."""
    write_mini_web(work / "web", MiniWebSettings(num_pages=_GENERATED_PAGES, num_warc_files=1), 0)
    return sorted((work / "web" / "crawl").glob("*.warc.gz"))


def _stored(work: Path, *names: str) -> int:
    return sum(storage.read_manifest(work / name).num_bytes for name in names)


def _cpu_seconds() -> float:
    """Processor seconds of this process and of children that have ended."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


def _cheapest(function: Callable[[], object], what: str, progress: Progress) -> float:
    spent = []
    for number in range(_ROUNDS):
        progress.update(f"measure: {what}", number, _ROUNDS)
        started = _cpu_seconds()
        function()
        spent.append(_cpu_seconds() - started)
    progress.update(f"measure: {what}", _ROUNDS, _ROUNDS)
    return min(spent)


def _extract(files: Sequence[Folder], work: Path, recipe: Recipe, progress: Progress) -> tuple[int, float]:
    """Write the artifact `documents`; pages of the files and processor seconds."""
    extract.warm_up()
    scoring.warm_up()
    num_pages, seconds = 0, 0.0
    with storage.stage(work / "documents", "documents", "sample", None, {}) as run:
        assert run.artifact is not None
        for number, file in enumerate(files):
            progress.update("measure: read and extract", number, len(files))
            started = _cpu_seconds()
            table, counts = extract_one_file(file, recipe.extract, None, recipe.opt_out)
            run.artifact.write_table(f"part-{number:05d}.parquet", table)
            seconds += _cpu_seconds() - started
            num_pages += counts["num_pages"]
        progress.update("measure: read and extract", len(files), len(files))
    if not num_pages:
        raise SampleError(f"no HTML page in {', '.join(map(str, files))}: give WARC files of a crawl (--sample)")
    return num_pages, seconds


def _deduplicate(work: Path, recipe: Recipe) -> None:
    deduplicate(work / "documents", work / "unique_documents", recipe.dedup, force=True)
    find_near_duplicates(work / "unique_documents", work / "near_duplicates", recipe.dedup, force=True)


def _training_seconds(texts: pa.ChunkedArray, work: Path, recipe: Recipe, progress: Progress) -> float:
    """Processor seconds of fastText for one text in one epoch."""
    short = pa.array([text[: recipe.seeds.max_chars] for text in texts.to_pylist()], pa.large_string())
    lines = work / "train.txt"
    with lines.open("w", encoding="utf-8") as file:
        for number, text in enumerate(segment_column(short).to_pylist()):
            file.write(f"{MATH_LABEL if number % 2 else OTHER_LABEL} {text}\n")
        file.write(f"{MATH_LABEL} a\n{OTHER_LABEL} b\n")
    used = recipe.classifier
    arguments = {
        "dim": used.dim, "lr": used.learning_rate, "wordNgrams": used.word_ngrams, "minCount": 1,
        "bucket": _TRAINING_BUCKETS, "thread": 1, "loss": "softmax", "verbose": 0,
    }  # fmt: skip
    spent = []
    for number, epochs in enumerate(_EPOCHS):
        progress.update("measure: train", number, len(_EPOCHS))
        started = _cpu_seconds()
        run_fasttext(lines, work / "model.bin", {**arguments, "epoch": epochs})
        spent.append(_cpu_seconds() - started)
    progress.update("measure: train", len(_EPOCHS), len(_EPOCHS))
    return max(0.0, spent[1] - spent[0]) / (_EPOCHS[1] - _EPOCHS[0]) / len(texts)


def _write_random_classifier(texts: pa.ChunkedArray, path: Path, settings: ClassifierSettings) -> None:
    """A classifier artifact whose tables are as large as those of a trained one."""
    rng = np.random.default_rng(0)
    found = {word.encode() for text in segment_column(texts).to_pylist() for word in text.split()}
    words = sorted(found)[:_NUM_WORDS]
    words += [b"\0%d" % number for number in range(_NUM_WORDS - len(words))]
    table = build_word_table(words, rng.normal(size=len(words)))
    model = Collapsed(table, rng.normal(size=settings.num_buckets).astype(np.float32), settings.word_ngrams)
    with storage.stage(path, "classifier", "sample", None, {}) as run:
        assert run.artifact is not None
        save_collapsed(model, path / "model_0")


def _iterate(work: Path, recipe: Recipe) -> None:
    unique, scores, collected = work / "unique_documents", work / "scores", work / "collected"
    score_documents(unique, work / "classifier", scores, workers=1, force=True)
    collect(scores, collected, recipe.ranking, force=True)
    find_domains(scores, collected, unique, work / "domains", recipe.domains, force=True)
