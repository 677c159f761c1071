"""How well reward models of each kind tell right from wrong on the demonstration's word problems.

    python -m benchmarks.reward_models --run runs/demo [--questions N] [--kinds NAME ...]

Trains them from the base model on graded samples of the SFT model, as the stage does, and prints the measures of
held-out questions (rl/reward_measures.py). The process model learns from Math-Shepherd's estimates; here it is also
measured against the truth: the first step whose equation is not that of the problem's own solution. Models lie below
--work and are not trained twice. Writes benchmarks/results/reward_models.json.
"""

import argparse
import re
import statistics
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from benchmarks import common
from dsmath_pipeline import storage
from dsmath_pipeline.recipe.presets import load_recipe
from dsmath_pipeline.recipe.schema import RewardModelSettings
from dsmath_pipeline.rl.reward_model import load_reward_model, score_steps, train_reward_model
from dsmath_pipeline.rl.rollout import Sequences
from dsmath_pipeline.rl.steps import step_texts
from dsmath_pipeline.tokens.inputs import training_problems
from dsmath_pipeline.tokens.tokenizer import load_tokenizer

KINDS: dict[str, dict[str, Any]] = {
    "pointwise": {"samples_per_question": 8, "num_epochs": 4},
    "pairwise": {"samples_per_question": 8, "num_epochs": 4, "loss": "pairwise"},
    "process": {"kind": "process", "num_epochs": 4},
}
_EQUATION = re.compile(r"\d+[-+*/]\d+=\d+")


def first_wrong_equation(reference: str, steps: Sequence[str]) -> int | None:
    """The first step that does not hold the reference solution's equation of the same number, or, of those behind the
    equations, the last step where an answer is missing its end; None where all equations agree.

    >>> first_wrong_equation("1+2=3; 3+4=7. The answer", [" 1+2=3;", " 3+4=8.", " The answer is 8."])
    1
    """
    right = _EQUATION.findall(reference)
    for n, equation in enumerate(right):
        if n >= len(steps) or _EQUATION.findall(steps[n]) != [equation]:
            return min(n, len(steps) - 1)
    return None


def against_truth(model: Path, tokenizer: Path, problems: Path) -> dict[str, Any]:
    """Of held-out solutions with a wrong equation: how often the first step below 0.5 (or the lowest) is that one."""
    references = {row["id"]: row["solution"] for row in training_problems(problems) if row["method"] == "cot"}
    rows = [row for row in storage.read_table(model / "solutions.parquet").to_pylist() if row["held_out"]]
    rows = [row for row in rows if row["problem_id"] in references]
    loaded, sequences = load_tokenizer(tokenizer), Sequences(
        [row["prompt_ids"] for row in rows], [row["completion_ids"] for row in rows]
    )  # fmt: skip
    scores = score_steps(load_reward_model(model, "cpu"), sequences, [row["step_ends"] for row in rows])
    hits, chances, first = [], [], []
    for row, found in zip(rows, scores, strict=True):
        truth = first_wrong_equation(
            references[row["problem_id"]], step_texts(loaded, row["completion_ids"], row["step_ends"])
        )
        if truth is None or len(found) < 2:
            continue
        low = [n for n, score in enumerate(found) if score < 0.5]
        guess = low[0] if low else min(range(len(found)), key=lambda n, f=found: f[n])
        hits.append(guess == truth)
        chances.append(1 / len(found))
        first.append(truth == 0)
    return {
        "solutions": len(hits), "found": round(statistics.fmean(hits), 4),
        "by_chance": round(statistics.fmean(chances), 4), "always_the_first": round(statistics.fmean(first), 4),
    }  # fmt: skip


def settings_of(kind: str, questions: int) -> RewardModelSettings:
    return load_recipe("demo").reward_model.model_copy(update={"num_questions": questions, **KINDS[kind]})


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", required=True, type=Path, help="folder of a finished `dsmath demo`, only read")
    parser.add_argument("--work", type=Path, default=Path("runs/reward_models"), help="folder of the trained models")
    parser.add_argument("--kinds", nargs="+", default=list(KINDS), choices=list(KINDS))
    parser.add_argument("--questions", type=int, default=1000)
    parser.add_argument("--out", type=Path, default=common.RESULTS / "reward_models.json")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    models, problems = options.run / "models", options.run / "word_problems"
    result: dict[str, Any] = {}
    for kind in options.kinds:
        out = options.work / kind
        settings = settings_of(kind, options.questions)
        manifest = train_reward_model(models / "sft", models / "base", problems, out, settings, 0, device="cpu")
        result[kind] = dict(manifest.counts)
        if kind == "process":
            result[kind]["first_wrong_equation"] = against_truth(out, models / "sft", problems)
        storage.write_json(options.out, result)
    columns = ("held_out_solutions", "held_out_pairwise_accuracy", "held_out_auc")
    print(common.markdown_table(("model", *columns), [[k, *(r[c] for c in columns)] for k, r in result.items()]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
