"""Exact collapsed scoring against fastText's own predict: same model, same texts, one thread, one run.

    python -m benchmarks.scoring [--documents N] [--rounds N] [--quick]

Prints documents per CPU-second of both (medians of the rounds, in turns), their ratio and the largest difference, and
writes benchmarks/results/scoring.json. The model has the paper's settings (dim 256, n-grams 3, 2,000,000 buckets).
Segmentation is the same for both and is not timed.
"""

import os
import random
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from benchmarks import common
from dsmath_pipeline.corpus.classifier import run_fasttext
from dsmath_pipeline.corpus.collapse import MATH_LABEL, OTHER_LABEL
from dsmath_pipeline.corpus.scoring import load_classifier, score_segmented, to_scores
from dsmath_pipeline.demo.word_problems import worked_example
from dsmath_pipeline.text import segment

OURS = "ours, collapsed"
SETTINGS = {"dim": 256, "lr": 0.1, "wordNgrams": 3, "minCount": 3, "epoch": 3, "bucket": 2_000_000, "thread": 1}


def document(rng: random.Random, language: str) -> str:
    """About 6,000 characters of worked problems, segmented."""
    return " ".join(segment("\n".join(worked_example(rng, language) for _ in range(60))))


def seconds(function: Callable[[], np.ndarray]) -> tuple[float, np.ndarray]:
    """CPU seconds of one call, and its result."""
    started = time.process_time()
    result = function()
    return time.process_time() - started, result


def main(argv: Sequence[str] | None = None) -> None:
    """Run both scorers in turns and compare medians."""
    import fasttext

    parser = common.arguments(__doc__, files=0)
    parser.add_argument("--documents", type=int, default=1000)
    options = parser.parse_args(argv)
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    rng = random.Random(0)
    num_documents = 50 if options.quick else options.documents
    texts = [document(rng, "en" if n % 2 else "zh") for n in range(num_documents)]
    with tempfile.TemporaryDirectory() as folder:
        lines, model = Path(folder, "lines.txt"), Path(folder, "model.bin")
        labels = (MATH_LABEL, OTHER_LABEL)
        lines.write_text("".join(f"{labels[n % 2]} {text}\n" for n, text in enumerate(texts[:200])))
        run_fasttext(lines, model, SETTINGS)
        theirs, ours = fasttext.load_model(str(model)), load_classifier(model)

    def predict() -> np.ndarray:
        return np.array([_math_probability(*row) for row in zip(*theirs.predict(texts, k=2), strict=True)])

    def score() -> np.ndarray:
        return to_scores(score_segmented(ours, texts))

    score_segmented(ours, texts[:2])  # compile
    rounds: dict[str, list[dict[str, float]]] = {"fastText": [], OURS: []}
    largest = 0.0
    for number in range(2 if options.quick else options.rounds):
        found: dict[str, np.ndarray] = {}
        turns = [("fastText", predict), (OURS, score)]
        for name, function in turns if number % 2 == 0 else turns[::-1]:
            spent, found[name] = seconds(function)
            rounds[name].append({"cpu_seconds": spent})
        largest = max(largest, float(np.abs(found["fastText"] - found[OURS]).max()))
    measured = {name: common.speeds(spent, {"documents": len(texts)}) for name, spent in rounds.items()}
    ratio = common.ratios(measured, OURS)
    megabytes = common.rounded(sum(len(text.encode()) for text in texts) / 1e6)
    rows = [(name, row["documents_per_cpu_second"], ratio.get(name, "")) for name, row in measured.items()]
    print(f"{len(texts)} documents, {megabytes} MB; largest difference of the probabilities {largest:.1e}\n")
    print(common.markdown_table(("", "documents/CPU-s", "CPU time / ours"), rows))
    part = {
        "documents": len(texts), "megabytes": megabytes, "rounds": len(rounds[OURS]), "measured": measured,
        "cpu_time_relative_to_ours": ratio, "largest_difference": largest,
    }  # fmt: skip
    print(f"\nwritten to {common.write_result(options.out, 'scoring', {'scoring': part})}", file=sys.stderr)


def _math_probability(labels: list[str], probabilities: np.ndarray) -> float:
    return float(dict(zip(labels, probabilities, strict=True))[MATH_LABEL])


if __name__ == "__main__":
    main()
