"""Exact collapsed scoring against fastText's own predict: same model, same texts, one thread, one run.

    python benchmarks/scoring.py [--documents N]

Prints documents a second of both, their ratio and the largest difference, and writes benchmarks/results/scoring.json.
The model has the paper's settings (dim 256, n-grams 3, 2,000,000 buckets). Segmentation is the same for both and is
not timed.
"""

import argparse
import json
import random
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from dsmath_pipeline.corpus.classifier import run_fasttext
from dsmath_pipeline.corpus.collapse import MATH_LABEL, OTHER_LABEL
from dsmath_pipeline.corpus.scoring import load_classifier, score_segmented, to_scores
from dsmath_pipeline.demo.word_problems import worked_example
from dsmath_pipeline.text import segment

RESULTS = Path(__file__).parent / "results"
SETTINGS = {"dim": 256, "lr": 0.1, "wordNgrams": 3, "minCount": 3, "epoch": 3, "bucket": 2_000_000, "thread": 1}


def document(rng: random.Random, language: str) -> str:
    """About 6,000 characters of worked problems, segmented."""
    return " ".join(segment("\n".join(worked_example(rng, language) for _ in range(60))))


def seconds(function: Callable[[], np.ndarray]) -> tuple[float, np.ndarray]:
    """CPU seconds of one call, and its result."""
    started = time.process_time()
    result = function()
    return time.process_time() - started, result


def main() -> None:
    """Run both scorers in turns, three times each, and compare medians."""
    import fasttext

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--documents", type=int, default=1000)
    rng = random.Random(0)
    texts = [document(rng, "en" if n % 2 else "zh") for n in range(parser.parse_args().documents)]
    with tempfile.TemporaryDirectory() as folder:
        lines, model = Path(folder, "lines.txt"), Path(folder, "model.bin")
        labels = (MATH_LABEL, OTHER_LABEL)
        lines.write_text("".join(f"{labels[n % 2]} {text}\n" for n, text in enumerate(texts[:200])))
        run_fasttext(lines, model, SETTINGS)
        theirs, ours = fasttext.load_model(str(model)), load_classifier(model)
    score_segmented(ours, texts[:2])  # compile
    their_seconds, our_seconds = [], []
    for _ in range(3):
        spent, predicted = seconds(
            lambda: np.array([_math_probability(*row) for row in zip(*theirs.predict(texts, k=2), strict=True)])
        )
        their_seconds.append(spent)
        spent, scores = seconds(lambda: to_scores(score_segmented(ours, texts)))
        our_seconds.append(spent)
    result = {
        "documents": len(texts),
        "megabytes": round(sum(len(text.encode()) for text in texts) / 1e6, 1),
        "fasttext_documents_per_second": round(len(texts) / statistics.median(their_seconds)),
        "collapsed_documents_per_second": round(len(texts) / statistics.median(our_seconds)),
        "ratio": round(statistics.median(their_seconds) / statistics.median(our_seconds), 1),
        "largest_difference": float(np.abs(predicted - scores).max()),
    }
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "scoring.json").write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result, indent=1))


def _math_probability(labels: list[str], probabilities: np.ndarray) -> float:
    return float(dict(zip(labels, probabilities, strict=True))[MATH_LABEL])


if __name__ == "__main__":
    main()
