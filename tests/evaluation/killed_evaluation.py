"""Evaluate sums with a slow model, in a process that a test kills: `python -m tests.evaluation.killed_evaluation DIR`.

Every problem that the model is asked is noted in DIR/asked.txt.
"""

import sys
import time
from pathlib import Path

from dsmath_pipeline.evaluation import harness
from dsmath_pipeline.evaluation.harness import evaluate_model
from dsmath_pipeline.recipe.schema import EvaluationSettings
from dsmath_pipeline.records import Completion

SETTINGS = EvaluationSettings(num_samples=2, max_sampled_problems=1000)


class SlowSolver:
    """Right about every sum; takes `seconds` for each call."""

    def __init__(self, asked: Path, seconds: float):
        self.asked, self.seconds = asked, seconds

    def complete(self, prompts, *, max_new_tokens, temperature, num_samples, seed, stop_texts=()):
        time.sleep(self.seconds)
        numbers = [int(prompt.split("User: ")[1].split("+")[0]) for prompt in prompts]
        with self.asked.open("a") as file:
            file.writelines(f"{n}\n" for n in numbers)
        return [[Completion(f"\\boxed{{{2 * n}}}", (1,))] * num_samples for n in numbers]


def evaluate(folder: Path, out: str, seconds: float):
    harness.CHUNK_PROBLEMS = 2
    solver = SlowSolver(folder / "asked.txt", seconds)
    return evaluate_model(folder / "model", "jsonl:sums.jsonl", folder, folder / out, SETTINGS, engine=solver)


if __name__ == "__main__":
    evaluate(Path(sys.argv[1]), "out", 0.3)
