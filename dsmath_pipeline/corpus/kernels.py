"""Compile every kernel of this package at once and keep the machine code, so that no later run waits for it.

python -m dsmath_pipeline.corpus.kernels        # what `make install` does; about two minutes, then seconds
"""

import numpy as np
import pyarrow as pa

from ..recipe.schema import DecontaminationSettings, DedupSettings
from . import extract, minhash_kernel, scoring
from .benchmark_index import build_index
from .benchmark_texts import BenchmarkText
from .decontaminate import decontaminate_column
from .dedup import text_keys
from .minhash import clusters_of, gram_set, jaccard, kept_pages, signatures

_QUESTION = (
    "A farmer sells 17 baskets of pears and 25 baskets of plums, each for 3 coins more than the baker paid last week; "
    "how many coins does he bring home if two baskets fall into the river?"
)


def warm_up() -> None:
    """Load the compiled kernels; those that were never compiled on this machine are, and kept."""
    extract.warm_up()
    scoring.warm_up()
    texts = pa.array([_QUESTION, f"{_QUESTION} 12x²", _QUESTION.upper()], pa.large_string())
    near = DedupSettings()
    text_keys(texts)
    signed = signatures(texts, near)
    kept_pages(clusters_of(signed, near), signed, [0.5] * 3, [1] * 3, ["a", "b", "c"], near)
    minhash_kernel.connect(np.array([0]), np.array([1]), np.arange(2))
    jaccard(gram_set(_QUESTION, near.ngram_words), gram_set("x", near.ngram_words))
    index = build_index([BenchmarkText("warm_up:1", "question", _QUESTION)], DecontaminationSettings())
    list(decontaminate_column(texts, index))


if __name__ == "__main__":
    warm_up()
