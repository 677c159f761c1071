"""What the methods of the unified paradigm learn on the demonstration's word problems, side by side.

    python -m benchmarks.rl_methods --run runs/demo [--steps N] [--completions N] [--seeds N] [--methods NAME ...]

Every method starts from the SFT model of a finished demonstration, sees the same questions in the same order with as
many completions, and differs as `dsmath_pipeline.rl.method_runs` says; the reward models of GRPO with process
supervision and of iterated GRPO are trained here. Measured by greedy accuracy on the held-out problems; figures 5 and 6
of the paper draw such curves. Runs go seed by seed and each is an artifact below --work: an interrupted benchmark goes
on where it stopped, and a later call with more seeds or methods adds to it. Prints a table and writes
benchmarks/results/rl_methods.json after every run.
"""

import argparse
import statistics
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from benchmarks import common
from dsmath_pipeline import storage
from dsmath_pipeline.recipe.presets import load_recipe
from dsmath_pipeline.recipe.schema import RlSettings
from dsmath_pipeline.records import Problem
from dsmath_pipeline.rl.method_runs import ITERATED, RUNS, method_settings
from dsmath_pipeline.rl.reward_model import train_reward_model
from dsmath_pipeline.rl.rewards import grade_completions
from dsmath_pipeline.rl.trainer import train_rl
from dsmath_pipeline.tokens.chat import prompt_text
from dsmath_pipeline.tokens.tokenizer import load_tokenizer, special_ids
from dsmath_pipeline.training.generate import generate
from dsmath_pipeline.training.models import load_model

REWARD_MODELS: dict[str, dict[str, Any]] = {
    "grpo_process": {"kind": "process", "num_questions": 2000, "num_epochs": 4},
    ITERATED: {"kind": "outcome", "num_questions": 1000, "samples_per_question": 8, "num_epochs": 4},
}
"""Settings of the reward model of each method that has one."""


def accuracy(model: Path, problems: Path, max_tokens: int, most: int) -> dict[str, float]:
    """Greedy accuracy on the held-out problems, and its standard error, both 0-1."""
    rows = storage.read_table(problems / "test.parquet").to_pylist()[:most]
    held_out = [Problem(row["id"], row["problem"], row["answer"], language=row["language"]) for row in rows]
    tokenizer = load_tokenizer(model)
    end, pad = special_ids(tokenizer, model)
    prompts = [prompt_text(problem.problem, "cot", problem.language) for problem in held_out]
    groups = generate(
        load_model(model, "cpu"), tokenizer, prompts, max_new_tokens=max_tokens, end_id=end, pad_id=pad
    )  # fmt: skip
    share = sum(row[0].is_correct for row in grade_completions(held_out, groups)) / len(held_out)
    return {"accuracy": share, "standard_error": (share * (1 - share) / len(held_out)) ** 0.5}


def reward_model(method: str, run: Path, work: Path) -> Path | None:
    """The method's reward model, trained with the demonstration's settings on more questions; None without one."""
    if method not in REWARD_MODELS:
        return None
    changes = REWARD_MODELS[method]
    settings = load_recipe("demo").reward_model.model_copy(update=changes)
    models, out = run / "models", work / f"{changes['kind']}_reward"
    train_reward_model(models / "sft", models / "base", run / "word_problems", out, settings, 0, device="cpu")
    return out


def settings_of(method: str, options: argparse.Namespace) -> RlSettings:
    """The demonstration's settings for the method; one without a reward model is rewarded by the rule."""
    settings = load_recipe("demo").rl.model_copy(
        update={
            "num_steps": options.steps, "batch_completions": options.completions,
            "held_out_questions": options.curve_problems,
        }
    )  # fmt: skip
    return method_settings(settings, method)


def measure(method: str, seed: int, options: argparse.Namespace) -> dict[str, Any]:
    """One training and its figures."""
    run, settings = options.run, settings_of(method, options)
    reward = reward_model(method, run, options.work)
    out = options.work / f"{method}-{seed}"
    manifest = train_rl(run / "models" / "sft", reward, run / "word_problems", out, settings, seed, device="cpu")
    metrics = storage.read_table(out / "metrics.parquet").to_pylist()
    curve = [[row["step"] - 1, row["held_out_correct"]] for row in metrics if row["held_out_correct"] is not None]
    if "held_out_correct" in manifest.counts:
        curve.append([options.steps, manifest.counts["held_out_correct"]])
    found = accuracy(out, run / "word_problems", settings.max_completion_tokens, options.problems)
    names = ("reward", "kl", "entropy", "completion_tokens", "truncated_share", "no_spread_share", "correct_share")
    head, tail = metrics[:10], metrics[-10:]
    return {
        "method": method, "seed": seed, **found, "curve": curve, "seconds": manifest.counts["seconds"],
        **{f"last_{name}": round(statistics.fmean(row[name] for row in tail), 4) for name in names},
        "first_reward": round(statistics.fmean(row["reward"] for row in head), 4),
        "largest_step_kl": max((row["step_kl"] for row in metrics if row["step_kl"] is not None), default=None),
        "collapse_signs": manifest.counts["collapse_signs"],
    }  # fmt: skip


def summary(sft: dict[str, float], runs: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """One row for each method, in percent: mean over its seeds, their standard deviation, and the mean's standard error
    (the deviation divided by the root of their number; missing of one seed)."""
    rows: list[dict[str, Any]] = [{"method": "sft", "seeds": 1, "accuracy": round(100 * sft["accuracy"], 1)}]
    for method in RUNS:
        found = [100 * run["accuracy"] for run in runs if run["method"] == method]
        if not found:
            continue
        mean = statistics.fmean(found)
        row = {"method": method, "seeds": len(found), "accuracy": round(mean, 1)}
        if len(found) > 1:
            deviation = statistics.stdev(found)
            row |= {"deviation": round(deviation, 2), "standard_error": round(deviation / len(found) ** 0.5, 2)}
        rows.append(row | {"over_sft": round(mean - 100 * sft["accuracy"], 1)})
    return rows


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", required=True, type=Path, help="folder of a finished `dsmath demo`, only read")
    parser.add_argument("--work", type=Path, default=Path("runs/rl_methods"), help="folder of the trained models")
    parser.add_argument("--methods", nargs="+", default=list(RUNS), choices=RUNS)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--completions", type=int, default=128, help="in one exploration stage")
    parser.add_argument("--problems", type=int, default=500, help="held-out problems of the final accuracy")
    parser.add_argument("--curve-problems", type=int, default=300, help="questions kept from training, for the curve")
    parser.add_argument("--out", type=Path, default=common.RESULTS / "rl_methods.json")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    most = load_recipe("demo").rl.max_completion_tokens
    sft = accuracy(options.run / "models" / "sft", options.run / "word_problems", most, options.problems)
    runs: list[dict[str, Any]] = []
    for seed in range(options.seeds):
        for method in options.methods:
            runs.append(measure(method, seed, options))
            print(f"{method} seed {seed}: {runs[-1]['accuracy']:.3f} (SFT {sft['accuracy']:.3f})", flush=True)
            result = {
                "steps": options.steps, "completions": options.completions, "problems": options.problems, "sft": sft,
                "summary": summary(sft, runs), "runs": runs,
            }  # fmt: skip
            storage.write_json(options.out, result)
    columns = ("method", "seeds", "accuracy", "deviation", "standard_error", "over_sft")
    print(common.markdown_table(columns, [[row.get(c, "") for c in columns] for row in summary(sft, runs)]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
