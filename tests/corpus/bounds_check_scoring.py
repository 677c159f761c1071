"""Run by test_segmentation.py in a process of its own with NUMBA_BOUNDSCHECK=1: segmentation and scoring kernels."""

import random

import numpy as np
import pyarrow as pa

from dsmath_pipeline.corpus.collapse import Collapsed
from dsmath_pipeline.corpus.scoring import Classifier, score_column, score_segmented
from dsmath_pipeline.corpus.scoring_kernel import build_word_table
from dsmath_pipeline.corpus.segmentation import segment_column

PIECES = [
    b"$", b"$$", b"\\(", b"\\]", b"\\", b"'", b"ab", b"7", b" ", b"\n", "设".encode(), "é".encode(), b"e\xcc\x81",
    b"\xcc\x81", "Σ".encode(), "\ufdfa".encode(), b"\xff", b"\xe4\xb8", b"\xf0", b"\x80", b"__label__x", b"</s>", b"_",
    b"x" * 60,
]  # fmt: skip


def main() -> None:
    rng = random.Random(1)
    texts = [b"".join(rng.choices(PIECES, k=rng.randrange(60))) for _ in range(3000)]
    texts += [b"".join(rng.choices(PIECES, k=8000)) for _ in range(4)] + [piece * 3000 for piece in PIECES]
    table = build_word_table([b"ab", b"</s>", b"7"], np.array([1.0, 2.0, 3.0]))
    for mask_formulas in (False, True):
        model = Collapsed(table, np.ones(101, np.float32), 4, mask_formulas)
        segmented = segment_column(pa.array(texts, pa.binary()), mask_formulas).to_pylist()
        raw = score_column(Classifier((model,)), pa.array(texts, pa.binary()))
        assert np.abs(raw - score_segmented(Classifier((model,)), segmented)).max() < 1e-9
    odd = [b"".join(rng.choices([*PIECES, b" "], k=rng.randrange(3000))) for _ in range(300)]
    score_segmented(Classifier((model,)), [text.decode("utf-8", "replace") for text in odd])
    print("checked")


if __name__ == "__main__":
    main()
