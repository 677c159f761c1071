"""Early warning: signs in the metrics that a run collapses. Pure functions of rows of trainer.METRICS_SCHEMA.

Not in the paper. Each sign compares the mean of the last WINDOW steps with that of the first; a run shorter than three
windows shows none. The marks are far from what healthy runs of the demonstration do.
"""

from collections.abc import Sequence
from statistics import fmean
from typing import Any

WINDOW = 10
MIN_ENTROPY_SHARE = 0.05
"""Of the first entropy: below, completions are all alike and groups lose their spread."""
MAX_LENGTH_FACTOR = 3.0
MIN_LENGTH_FACTOR = 0.2
MAX_TRUNCATED_GAIN = 0.25
MIN_REWARD_GAIN = 0.02
MAX_GRADING_LOSS = 0.05
"""Of 1: a rise of the reward while held-out grading falls by more is reward hacking."""


def collapse_signs(metrics: Sequence[dict[str, Any]]) -> list[str]:
    """What looks like a collapse, one sentence for each sign; empty for a healthy run."""
    if len(metrics) < 3 * WINDOW:
        return []
    first, last = metrics[:WINDOW], metrics[-WINDOW:]
    signs = []
    before, now = _mean(first, "entropy"), _mean(last, "entropy")
    if now < MIN_ENTROPY_SHARE * before:
        signs.append(f"entropy fell from {before:.3f} to {now:.4f} nats a token: completions are nearly all alike")
    before, now = _mean(first, "completion_tokens"), _mean(last, "completion_tokens")
    if now > MAX_LENGTH_FACTOR * before or now < MIN_LENGTH_FACTOR * before:
        signs.append(f"completions went from {before:.0f} to {now:.0f} tokens")
    before, now = _mean(first, "truncated_share"), _mean(last, "truncated_share")
    if now > before + MAX_TRUNCATED_GAIN:
        signs.append(f"{now:.0%} of the completions are cut off at the length limit ({before:.0%} at first)")
    return signs + _hacking(metrics)


def _hacking(metrics: Sequence[dict[str, Any]]) -> list[str]:
    """The reward rises while grading falls: on held-out questions where they are measured, else of the samples."""
    measured = [row for row in metrics if row["held_out_correct"] is not None]
    name = "held_out_correct" if len(measured) >= 3 else "correct_share"
    graded = measured if name == "held_out_correct" else metrics
    width = min(3, len(graded) // 3) if name == "held_out_correct" else WINDOW
    windows = [_mean(graded[i : i + width], name) for i in range(len(graded) - width + 1)]
    best = max(range(len(windows)), key=lambda i: windows[i])
    loss = windows[best] - windows[-1]
    gain = _mean(metrics[-WINDOW:], "reward") - _mean(_since(metrics, graded[best]["step"])[:WINDOW], "reward")
    if loss > MAX_GRADING_LOSS and gain > MIN_REWARD_GAIN:
        return [f"the reward rose by {gain:.3f} while {name} fell by {loss:.1%}: the reward is being gamed"]
    return []


def _since(metrics: Sequence[dict[str, Any]], step: int) -> list[dict[str, Any]]:
    return [row for row in metrics if row["step"] >= step]


def _mean(rows: Sequence[dict[str, Any]], name: str) -> float:
    return fmean(row[name] for row in rows)
