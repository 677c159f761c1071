"""Scoring beside fastText's own predict: same model, same documents, one thread, one core, in turns.

    python -m benchmarks.scoring [--documents N] [--rounds N] [--files N] [--quick] [--generated]

The model has the paper's settings (dim 256, n-grams of 3 words, 2,000,000 buckets). The documents are extracted from
the real crawl in `$DSMATH_REAL_DATA`, or else from a generated mini web. Measured, in documents a CPU-second (medians
of the rounds) and CPU time in relation to ours:

- scoring alone, of texts segmented before: `fasttext.predict` over the list, ours, and the floor of any scorer with
  fastText's hash, which is to pass the bytes through 32-bit FNV-1a;
- end to end, from the text column to the log-odds: text.segment and fastText, ours, and our segmentation alone.

Prints tables and writes benchmarks/results/scoring.json.
"""

import os
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numba
import numpy as np
import pyarrow as pa

from benchmarks import common
from dsmath_pipeline.corpus import scoring
from dsmath_pipeline.corpus.classifier import run_fasttext
from dsmath_pipeline.corpus.collapse import MATH_LABEL, OTHER_LABEL
from dsmath_pipeline.corpus.extract import extract
from dsmath_pipeline.corpus.segmentation import column_bytes, segment_column
from dsmath_pipeline.corpus.token_keys import FNV_PRIME, FNV_START
from dsmath_pipeline.recipe.schema import ExtractSettings
from dsmath_pipeline.records import Document
from dsmath_pipeline.text import segment

OURS_SEGMENTED, OURS = "ours, segmented text", "ours, end to end"
SEGMENTED = ("fastText predict", "only hashing the bytes")
RAW = ("text.segment + fastText predict", "our segmentation alone")
SETTINGS = {"dim": 256, "lr": 0.1, "wordNgrams": 3, "minCount": 3, "epoch": 1, "bucket": 2_000_000, "thread": 1}
_SLOW_EVERY = 8
"""Python segmentation is slow: it is timed on every eighth document."""


@numba.njit(nogil=True)
def hash_bytes(data: np.ndarray) -> np.uint32:
    """32-bit FNV-1a over all bytes: each needs the result of the one before."""
    value = FNV_START
    for byte in data:
        value = np.uint32((value ^ np.uint32(byte)) * FNV_PRIME)
    return value


def documents(scratch: Path, options: Any) -> tuple[str, list[str]]:
    """Where the documents come from ("real" or "generated"), and their texts."""
    kind, files = common.crawl_files(scratch, options)
    settings = ExtractSettings()
    found = (extract(page, settings) for file in files for page in common.read(file))
    texts = [document.text for document in found if isinstance(document, Document)]
    return kind, texts[: options.documents or None]


def trained_models(segmented: Sequence[str]) -> tuple[Any, scoring.Classifier]:
    """The same model for fastText and for us; the classes are texts with many formulas and the others."""
    import fasttext

    with tempfile.TemporaryDirectory() as folder:
        lines, model = Path(folder, "lines.txt"), Path(folder, "model.bin")
        half = np.median([text.count("\\formula") / (len(text) + 1) for text in segmented])
        with lines.open("w", encoding="utf-8") as file:
            for text in segmented:
                is_math = text.count("\\formula") / (len(text) + 1) > half
                file.write(f"{MATH_LABEL if is_math else OTHER_LABEL} {text[:3000]}\n")
            file.write(f"{MATH_LABEL} \\formula\n{OTHER_LABEL} the\n")
        run_fasttext(lines, model, SETTINGS)
        return fasttext.load_model(str(model)), scoring.load_classifier(model)


def take_turns(contenders: dict[str, Callable[[], Any]], rounds: int) -> tuple[dict[str, list[dict]], dict[str, Any]]:
    """CPU seconds of every call, the order reversed every other round, and what each returned last."""
    spent: dict[str, list[dict]] = {name: [] for name in contenders}
    results = {}
    for number in range(rounds):
        for name, function in list(contenders.items())[:: 1 if number % 2 == 0 else -1]:
            started = time.process_time()
            results[name] = function()
            spent[name].append({"cpu_seconds": time.process_time() - started})
        print(f"round {number + 1} of {rounds}", file=sys.stderr)
    return spent, results


def main(argv: Sequence[str] | None = None) -> None:
    """Run all contenders in turns and compare medians."""
    parser = common.arguments(__doc__, files=0)
    parser.add_argument("--documents", type=int, default=0, help="documents at most; 0: all there are")
    options = parser.parse_args(argv)
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    pa.set_cpu_count(1)
    with tempfile.TemporaryDirectory() as scratch:
        kind, texts = documents(Path(scratch), options)
    column = pa.array(texts, pa.large_string())
    segmented_column = segment_column(column)
    segmented = segmented_column.to_pylist()
    data, _ = column_bytes(segmented_column)
    theirs, ours = trained_models(segmented)
    some = texts[::_SLOW_EVERY]
    contenders = {
        SEGMENTED[0]: lambda: probabilities(theirs, segmented),
        OURS_SEGMENTED: lambda: scoring.score_segmented_column(ours, segmented_column),
        SEGMENTED[1]: lambda: hash_bytes(data),
        RAW[0]: lambda: probabilities(theirs, [" ".join(segment(text)) for text in some]),
        OURS: lambda: scoring.score_column(ours, column),
        RAW[1]: lambda: segment_column(column),
    }
    for name in (OURS_SEGMENTED, SEGMENTED[1], OURS):
        contenders[name]()  # load kernels and tables
    spent, results = take_turns(contenders, 2 if options.quick else options.rounds)
    for entry in spent[RAW[0]]:
        entry["cpu_seconds"] *= len(texts) / len(some)
    amounts = {"documents": len(texts), "megabytes": len(data) / 1e6}
    measured = {name: common.speeds(rounds, amounts) for name, rounds in spent.items()}
    predicted = results[SEGMENTED[0]]
    part = {
        "input": kind, **{name: common.rounded(value) for name, value in amounts.items()},
        "rounds": len(spent[OURS]), "measured": measured,
        "cpu_time_relative_to_ours": {
            **common.ratios({name: measured[name] for name in (*SEGMENTED, OURS_SEGMENTED)}, OURS_SEGMENTED),
            **common.ratios({name: measured[name] for name in (*RAW, OURS)}, OURS),
        },
        "largest_difference": max(
            float(np.abs(predicted - scoring.to_scores(results[name])).max()) for name in (OURS_SEGMENTED, OURS)
        ),
    }  # fmt: skip
    _print(part)
    print(f"\nwritten to {common.write_result(options.out, 'scoring', {'scoring': part})}", file=sys.stderr)


def probabilities(model: Any, texts: list[str]) -> np.ndarray:
    """fastText's probability of math for every text."""
    return np.array([
        float(values[0] if labels[0] == MATH_LABEL else values[1])
        for labels, values in zip(*model.predict(texts, k=2), strict=True)
    ])  # fmt: skip


def _print(part: dict[str, Any]) -> None:
    print(
        f"{part['documents']} documents ({part['input']}), {part['megabytes']} MB segmented; largest difference of the "
        f"probabilities {part['largest_difference']:.1e}\n"
    )
    for names in ((OURS_SEGMENTED, *SEGMENTED), (OURS, *RAW)):
        rows = []
        for name in names:
            row = part["measured"][name]
            ratio = part["cpu_time_relative_to_ours"].get(name, "")
            rows.append((name, row["documents_per_cpu_second"], row["megabytes_per_cpu_second"], ratio))
        print(common.markdown_table(("", "documents/CPU-s", "MB/CPU-s", "CPU time / ours"), rows), end="\n\n")


if __name__ == "__main__":
    main()
