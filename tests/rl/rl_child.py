"""A training in a process of its own, which kills itself: `python -m tests.rl.rl_child ROOT OUT METHOD STEP PHASE`.

ROOT holds base, problems and reward (`reward` is used where it is there); STEP 0 kills nothing.
"""

import os
import signal
import sys
from pathlib import Path

import torch

from dsmath_pipeline.recipe.schema import RlSettings
from dsmath_pipeline.records import Grade, Verdict
from dsmath_pipeline.rl.trainer import train_rl

SETTINGS = RlSettings(
    learning_rate=5e-3, value_learning_rate=5e-3, group_size=4, batch_completions=16, max_completion_tokens=8,
    num_steps=2, num_iterations=2, micro_batch_completions=8, save_steps=1, model_reward_weight=0.5,
    reward_learning_rate=1e-2, reward_batch_examples=8,
)  # fmt: skip


def no_digit(reference: str, solution: str) -> Grade:
    return Grade("", Verdict.WRONG if any(c.isdigit() for c in solution) else Verdict.CORRECT)


def main(root: Path, out: str, method: str, step: int, phase: str) -> None:
    torch.set_num_threads(1)

    def on_phase(number: int, name: str) -> None:
        if (number, name) == (step, phase):
            os.kill(os.getpid(), signal.SIGKILL)

    settings = SETTINGS.model_copy(update={"method": method})
    train_rl(
        root / "base", root / "reward", root / "problems", root / out, settings, 0, grade=no_digit, device="cpu",
        on_phase=on_phase,
    )  # fmt: skip


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], sys.argv[3], int(sys.argv[4]), sys.argv[5])
