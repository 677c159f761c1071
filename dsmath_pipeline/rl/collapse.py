"""Early warning: signs in the metrics that a run collapses. Pure functions of rows of trainer.METRICS_SCHEMA.

Not in the paper. Each sign compares the mean of the last WINDOW steps with that of the first; a run shorter than three
windows shows none. Grading on held-out questions is compared twice: the last third of the measurements with the model
that the run began with (a fall in the first steps, which no later window shows), and the last three with the best three
in a row (a fall after a rise). The marks are far from what healthy runs of the demonstration do.
"""

from collections.abc import Sequence
from statistics import fmean
from typing import Any

WINDOW = 10
HELD_OUT_WINDOW = 3
"""Measurements on held-out questions that are averaged; fewer than four in all say nothing."""
MIN_ENTROPY_SHARE = 0.05
"""Of the first entropy: below, completions are all alike and groups lose their spread."""
MAX_LENGTH_FACTOR = 3.0
MIN_LENGTH_FACTOR = 0.2
MAX_TRUNCATED_GAIN = 0.25
MAX_GRADING_LOSS = 0.05
MIN_UNEXPLAINED_GAIN = 0.05
"""Grading that falls by more (of 1) while a reward gains so much more than the samples' grading is reward hacking."""
MAX_OVERFITTING_LOSS = 0.2
MIN_REWARD_GAIN = 0.02
"""A rise that the samples' grading shares is no hacking; held-out grading may fall by so much beside it, since greedy
answers of healthy runs do fall by up to 0.13 in the first stages, and come back."""


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
    """The reward, or the reward model's part of it, rises while grading falls: on held-out questions where they are
    measured, else of the samples."""
    measured = [row for row in metrics if row["held_out_correct"] is not None]
    if len(measured) > HELD_OUT_WINDOW:
        name, falls = "held_out_correct", _held_out_falls(measured)
    else:
        name, falls = "correct_share", [_fall_from_best(metrics, "correct_share", WINDOW)]
    for loss, step in falls:
        explained = max(0.0, _gain(metrics, "correct_share", step))
        for reward in ("reward", "model_reward"):
            gain = _gain(metrics, reward, step)
            is_gamed = loss > MAX_GRADING_LOSS and gain - explained > MIN_UNEXPLAINED_GAIN
            is_overfit = loss > MAX_OVERFITTING_LOSS and gain > MIN_REWARD_GAIN
            if is_gamed or is_overfit:
                what = "the reward is being gamed" if is_gamed else "what is learned does not carry over"
                return [f"{reward} rose by {gain:.3f} while {name} fell by {loss:.1%}: {what}"]
    return []


def _gain(metrics: Sequence[dict[str, Any]], name: str, step: int) -> float:
    """Mean of the last WINDOW steps minus that of the WINDOW from `step` on; 0 where the run has no such reward."""
    if metrics[0][name] is None:
        return 0.0
    return _mean(metrics[-WINDOW:], name) - _mean([row for row in metrics if row["step"] >= step][:WINDOW], name)


def _held_out_falls(measured: Sequence[dict[str, Any]]) -> list[tuple[float, int]]:
    """(how much lower the held-out share is now, since which step), from the run's start and from its best window."""
    name = "held_out_correct"
    last_third = measured[-max(HELD_OUT_WINDOW, len(measured) // 3) :]
    falls = [(measured[0][name] - _mean(last_third, name), measured[0]["step"])]
    if len(measured) >= 2 * HELD_OUT_WINDOW:
        falls.append(_fall_from_best(measured, name, HELD_OUT_WINDOW))
    return falls


def _fall_from_best(rows: Sequence[dict[str, Any]], name: str, width: int) -> tuple[float, int]:
    """(best mean of `width` rows minus that of the last ones, the step that the best ones begin with)."""
    windows = [_mean(rows[i : i + width], name) for i in range(len(rows) - width + 1)]
    best = max(range(len(windows)), key=lambda i: windows[i])
    return windows[best] - windows[-1], rows[best]["step"]


def _mean(rows: Sequence[dict[str, Any]], name: str) -> float:
    return fmean(row[name] for row in rows)
