"""How well a classifier does on the held-out set: precision, recall and average precision by language.

Two sets are reported side by side, each as rows of `FIGURES`:
- `seed and crawl`: seed texts are what should be found. Crawl pages count as not mathematics although nobody has read
  them; those that are mathematics make precision and average precision lower bounds. Compare iterations with them,
  never one crawl with another. Recall says how much of the seed's own kind is found.
- `judged`: texts that people judged. Precision and recall are estimates for pages like those.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from .. import storage
from ..storage import Folder
from .held_out import LANGUAGES
from .scoring import Classifier, score_segmented
from .seed_set import training_texts

FIGURES = ("num_texts", "num_math", "precision", "recall", "average_precision", "called_math_share")
SETS: Mapping[str, tuple[str, ...]] = {"seed and crawl": ("seed", "crawl"), "judged": ("judged",)}
"""Name of a set, and the origins of its texts."""


def held_out_logits(
    classifier: Classifier, held_out: Folder, max_chars: int
) -> tuple[list[dict[str, Any]], np.ndarray]:
    """Origin, label and language of every held-out text, and its log-odds (float64 [N]): the mean of all models.

    No model was trained on any of these texts, so none has to be spared one.
    """
    table = storage.read_table(held_out, ["origin", "label", "language", "text"])
    texts = training_texts(table["text"].to_pylist(), max_chars, classifier.mask_formulas)
    logits = score_segmented(classifier, texts) if texts else np.empty(0)
    return table.drop(["text"]).to_pylist(), logits


def figures_by_language(rows: Sequence[Mapping[str, Any]], logits: np.ndarray) -> list[dict[str, Any]]:
    """One row for each set and language that has texts: `held_out` (the set), `language` (or `all`) and FIGURES."""
    found = []
    for name, origins in SETS.items():
        for language in ("all", *LANGUAGES):
            chosen = [
                i for i, row in enumerate(rows) if row["origin"] in origins and language in ("all", row["language"])
            ]
            if chosen:
                is_math = np.array([rows[i]["label"] == "math" for i in chosen])
                found.append({"held_out": name, "language": language, **figures(logits[chosen], is_math)})
    return found


def figures(logits: np.ndarray, is_math: np.ndarray) -> dict[str, Any]:
    """FIGURES of texts with these log-odds: shares 0-1, at score 0.5 where a threshold is needed.

    `called_math_share` is the share of the texts not known to be mathematics that score above 0.5. Figures without a
    meaning are None: nothing to find, or nothing found.
    """
    called = logits > 0
    hits, num_math, num_called = int((called & is_math).sum()), int(is_math.sum()), int(called.sum())
    num_others = len(is_math) - num_math
    return {
        "num_texts": len(is_math),
        "num_math": num_math,
        "precision": hits / num_called if num_math and num_called else None,
        "recall": hits / num_math if num_math else None,
        "average_precision": average_precision(logits, is_math),
        "called_math_share": (num_called - hits) / num_others if num_others else None,
    }


def average_precision(logits: np.ndarray, is_math: np.ndarray) -> float | None:
    """Mean, over the mathematics texts, of the precision at their rank; None without one.

    Texts of equal score count against the classifier: those that are not mathematics rank first.
    """
    order = np.lexsort((is_math, -logits))
    hits = is_math[order]
    if not hits.any():
        return None
    precision = np.cumsum(hits) / np.arange(1, len(hits) + 1)
    return float(precision[hits].mean())
