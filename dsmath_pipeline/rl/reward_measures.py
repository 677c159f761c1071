"""How well a reward model tells right from wrong on held-out questions. Pure functions of labels and scores."""

from collections.abc import Sequence
from typing import Any

import numpy as np


def measure_outcome(rows: Sequence[dict[str, Any]], scores: Sequence[float]) -> dict[str, Any]:
    """Of completions (rows with `problem_id` and `is_correct`) scored 0-1: accuracy at 0.5, that of always guessing the
    commoner class, AUC over all completions, and pairwise accuracy within questions; None without both classes."""
    labels = [row["is_correct"] for row in rows]
    right_share = float(np.mean(labels))
    return {
        "held_out_solutions": len(rows),
        "held_out_accuracy": round(float(np.mean([(s > 0.5) == y for s, y in zip(scores, labels, strict=True)])), 4),
        "held_out_majority_accuracy": round(max(right_share, 1 - right_share), 4),
        "held_out_auc": _rounded(area_under_curve(scores, labels)),
        "held_out_pairwise_accuracy": _rounded(pairwise_accuracy(rows, scores)),
    }


def measure_process(rows: Sequence[dict[str, Any]], scores: Sequence[Sequence[float]]) -> dict[str, Any]:
    """Of steps: accuracy at 0.5 against their labels and that of the commoner class, and the first wrong step of
    solutions with a step labelled below 0.5: how often it is found, and how often a step at random is it. Of
    completions, whose score is their worst step's (as in Math-Shepherd): AUC and pairwise accuracy."""
    labels = [label > 0.5 for row in rows for label in row["step_labels"]]
    found = [score > 0.5 for row in scores for score in row]
    worst = [min(row, default=0.0) for row in scores]
    right = [row["is_correct"] for row in rows]
    share, by_chance = first_wrong_step([row["step_labels"] for row in rows], scores)
    return {
        "held_out_solutions": len(rows),
        "held_out_steps": len(labels),
        "held_out_step_accuracy": round(float(np.mean([a == b for a, b in zip(found, labels, strict=True)])), 4),
        "held_out_majority_accuracy": round(max(float(np.mean(labels)), 1 - float(np.mean(labels))), 4),
        "held_out_first_wrong_step": _rounded(share),
        "held_out_first_wrong_step_chance": _rounded(by_chance),
        "held_out_auc": _rounded(area_under_curve(worst, right)),
        "held_out_pairwise_accuracy": _rounded(pairwise_accuracy(rows, worst)),
    }


def first_wrong_step(
    labels: Sequence[Sequence[float]], scores: Sequence[Sequence[float]]
) -> tuple[float | None, float | None]:
    """How often the first step with a label below 0.5 is found (0-1), and how often a random step would be it.

    The guess is the first step that scores below 0.5, or the lowest one where none does. Only solutions of two steps
    or more with a wrong one count; (None, None) without any.
    """
    hits, chances = [], []
    for truth, row in zip(labels, scores, strict=True):
        wrong = [n for n, label in enumerate(truth) if label < 0.5]
        if len(truth) < 2 or not wrong:
            continue
        low = [n for n, score in enumerate(row) if score < 0.5]
        guess = low[0] if low else min(range(len(row)), key=lambda n: row[n])
        hits.append(guess == wrong[0])
        chances.append(1 / len(truth))
    return (float(np.mean(hits)), float(np.mean(chances))) if hits else (None, None)


def pairwise_accuracy(rows: Sequence[dict[str, Any]], scores: Sequence[float]) -> float | None:
    """Share of (right, wrong) pairs of the same question in which the right one scores higher, ties counting half."""
    by_question: dict[str, list[tuple[bool, float]]] = {}
    for row, score in zip(rows, scores, strict=True):
        by_question.setdefault(row["problem_id"], []).append((row["is_correct"], score))
    wins, num = 0.0, 0
    for found in by_question.values():
        right, wrong = [s for y, s in found if y], [s for y, s in found if not y]
        wins += sum(1.0 if a > b else 0.5 if a == b else 0.0 for a in right for b in wrong)
        num += len(right) * len(wrong)
    return wins / num if num else None


def area_under_curve(scores: Sequence[float], labels: Sequence[bool]) -> float | None:
    """Probability that a right solution scores above a wrong one, ties counting half; None with one class only."""
    right = np.array([s for s, label in zip(scores, labels, strict=True) if label])
    wrong = np.sort([s for s, label in zip(scores, labels, strict=True) if not label])
    if not len(right) or not len(wrong):
        return None
    below = np.searchsorted(wrong, right, "left")
    at_most = np.searchsorted(wrong, right, "right")
    return float((below + at_most).mean() / 2 / len(wrong))


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)
