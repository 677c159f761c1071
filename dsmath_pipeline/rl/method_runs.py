"""The runs of the comparison of methods (figures 5 and 6): their names, settings and figures.

They share the SFT model, the questions and the number of completions; `experiment` trains them. A name is a method of
the recipe, or `grpo_iterated`: GRPO in two iterations of half the length with the outcome reward model beside the rule,
so that there is a reward model to retrain. Importing this file imports no torch.
"""

from collections.abc import Sequence
from typing import Any, get_args

from .. import storage
from ..recipe.schema import RlMethod, RlSettings
from ..storage import Folder

ITERATED = "grpo_iterated"
RUNS: tuple[str, ...] = (*get_args(RlMethod), ITERATED)
HELD_OUT_QUESTIONS = 100
"""Solved greedily every few steps: the points of the curves. Not trained on, and the same for every method."""

MODEL_WEIGHT = 0.3
"""Of a reward model beside the rule; with 1 the demonstration's policy learns to please its process model
(docs/rl.md)."""

TRPO_BATCH = 5
"""Batches of the others in one of TRPO's, which then has a fifth of the stages: it averages over no stages but its own
(methods/trpo.py)."""


def method_settings(settings: RlSettings, name: str) -> RlSettings:
    """The recipe's settings for one of RUNS; they differ from method to method as little as can be."""
    if name not in RUNS:
        raise ValueError(f"unknown run {name!r}: choose one of {', '.join(RUNS)}")
    changes: dict[str, Any] = {"method": "grpo_outcome" if name == ITERATED else name}
    if name in ("grpo_process", ITERATED):
        changes["model_reward_weight"] = settings.model_reward_weight or MODEL_WEIGHT
    if name == ITERATED:
        changes |= {"num_iterations": 2, "num_steps": max(1, settings.num_steps // 2)}
    if name == "trpo":
        changes |= {
            "num_steps": max(1, settings.num_steps // TRPO_BATCH),
            "batch_completions": TRPO_BATCH * settings.batch_completions,
        }
    held_out = settings.held_out_questions or HELD_OUT_QUESTIONS
    return settings.model_copy(update={**changes, "held_out_questions": held_out})


def method_rows(root: Folder, names: Sequence[str] = RUNS) -> list[dict[str, Any]]:
    """One row for each finished policy: accuracy on held-out questions first and last, and the last step's figures."""
    rows = []
    for name in names:
        path = root / "methods" / name
        if not (path / storage.MANIFEST).exists():
            continue
        counts = storage.read_manifest(path).counts
        curve = method_curve(path)
        rows.append(
            {
                "method": name, "held_out_first": curve[0][1], "held_out_last": curve[-1][1],
                "correct_share": counts["last_correct_share"], "kl": counts["last_kl"],
                "signs of collapse": "; ".join(counts["collapse_signs"]),
            }
        )  # fmt: skip
    return rows


def method_curve(path: Folder) -> list[tuple[int, float]]:
    """(exploration stages done, share of held-out questions solved greedily) of a finished policy."""
    metrics = storage.read_table(path / "metrics.parquet", ["step", "held_out_correct"]).to_pylist()
    points = [(row["step"] - 1, row["held_out_correct"]) for row in metrics if row["held_out_correct"] is not None]
    return [*points, (len(metrics), storage.read_manifest(path).counts["held_out_correct"])]
