"""Speed and memory of reinforcement learning beside TRL's GRPOTrainer: one process each, one core, in turns.

    python -m benchmarks.rl_speed --run runs/demo [--rounds N] [--steps N] [--quick]

Both train the SFT model of a finished demonstration by GRPO at its settings (group size, completions in a stage, length
limit, KL coefficient, one update for each exploration), on the same questions in the same order, rewarded by the same
grading, in single precision. A stage is everything from the prompts to the new weights.

- ours: `train_rl` as a user runs it, with the demonstration's micro-batches (64) and with smaller ones (less memory);
- TRL: GRPOTrainer with generation by transformers, the paper's loss (`loss_type="grpo"`), no gradient checkpointing;
  with the same two sizes, and with the whole stage at once (its fastest here).

Two parts: `own_length`, where completions end when the model ends them, and `full_length`, where the end token is one
that the model hardly ever writes, so that both sample to the limit. Counted are completions and completion tokens a
CPU-second over the stages after the first two, and the peak resident memory of the process. Ratios are medians over the
rounds. Prints tables and writes benchmarks/results/rl_speed.json.
"""

import json
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from benchmarks import common

OURS, OURS_SMALL = "ours", "ours, micro-batches of 16"
TRL, TRL_SMALL, TRL_WHOLE = "TRL", "TRL, micro-batches of 16", "TRL, the whole stage at once"
WARM_UP_STAGES = 2
SEED = 0
NEVER_WRITTEN = "ÿ"
"""The byte 255 in the alphabet of byte-level BPE: no text in UTF-8 holds it."""


class Clock:
    """CPU and wall seconds of this process at the end of every stage."""

    def __init__(self) -> None:
        self.times: list[tuple[float, float]] = []

    def note(self) -> None:
        self.times.append((time.process_time(), time.perf_counter()))

    def counted(self) -> dict[str, float]:
        """Seconds of the stages after the warm-up."""
        first, last = self.times[WARM_UP_STAGES - 1], self.times[-1]
        return {"stage_cpu_seconds": last[0] - first[0], "stage_wall_seconds": last[1] - first[1]}


def ours(
    sft: str, problems: str, num_stages: int, settings: dict[str, Any], micro: int = 0
) -> Callable[[], dict[str, Any]]:
    """`train_rl` on a scratch folder; `micro` completions in a forward pass, 0: the demonstration's."""
    from dsmath_pipeline.rl.trainer import train_rl

    rl, clock, lengths = rl_settings(num_stages, settings), Clock(), []
    rl = rl.model_copy(update={"micro_batch_completions": micro or rl.micro_batch_completions})

    def after(stage: int, metrics: dict[str, Any]) -> None:
        clock.note()
        lengths.append(metrics["completion_tokens"])

    def call() -> dict[str, Any]:
        with tempfile.TemporaryDirectory() as out:
            train_rl(Path(sft), None, Path(problems), Path(out) / "rl", rl, SEED, device="cpu", after_step=after)
        return figures(clock, lengths, rl.batch_completions)

    return call


def trl(
    sft: str, problems: str, num_stages: int, settings: dict[str, Any], micro: int = 0
) -> Callable[[], dict[str, Any]]:
    """GRPOTrainer; `micro` completions in a forward pass, 0: as many as ours."""
    from transformers import TrainerCallback

    rl, clock, lengths = rl_settings(num_stages, settings), Clock(), []

    class Noted(TrainerCallback):
        def on_step_end(self, *args: Any, **kwargs: Any) -> None:
            clock.note()

    def call() -> dict[str, Any]:
        with tempfile.TemporaryDirectory() as out:
            trainer = trl_trainer(Path(sft), Path(problems), Path(out), rl, micro, lengths)
            trainer.add_callback(Noted())
            trainer.train()
        return figures(clock, lengths, rl.batch_completions)

    return call


def trl_trainer(
    sft: Path, problems: Path, out: Path, rl: Any, micro: int, lengths: list[float], **arguments: Any
) -> Any:
    """A GRPOTrainer that does what `train_rl` does at the settings `rl`; the mean length of every stage's completions
    goes to `lengths`. `arguments` of GRPOConfig win."""
    from datasets import Dataset
    from transformers import AutoModelForCausalLM, PreTrainedTokenizerFast, PrinterCallback
    from trl import GRPOConfig, GRPOTrainer

    from dsmath_pipeline.records import Completion, Problem
    from dsmath_pipeline.rl.questions import load_questions, questions_of_step
    from dsmath_pipeline.rl.rewards import grade_completions
    from dsmath_pipeline.tokens.chat import prompt_text

    num = rl.batch_completions // rl.group_size
    questions = load_questions(problems)
    chosen = [question for stage in range(rl.num_steps) for question in questions_of_step(questions, stage, num, SEED)]
    rows = [{"prompt": prompt_text(q.problem, "cot", q.language), "reference": q.answer} for q in chosen]

    def reward(completions: list[str], reference: list[str], completion_ids: list[list[int]], **_: Any) -> list[float]:
        lengths.append(sum(map(len, completion_ids)) / len(completion_ids))
        asked = [Problem("", "", answer) for answer in reference]
        grades = grade_completions(asked, [[Completion(text, (), "stop")] for text in completions])
        return [float(row[0].is_correct) for row in grades]

    micro = min(micro or rl.micro_batch_completions, rl.batch_completions)
    chosen_arguments: dict[str, Any] = {
        "output_dir": str(out), "max_steps": rl.num_steps, "per_device_train_batch_size": micro,
        "gradient_accumulation_steps": rl.batch_completions // micro, "num_generations": rl.group_size,
        "max_completion_length": rl.max_completion_tokens, "temperature": rl.temperature, "beta": rl.kl_coefficient,
        "epsilon": rl.clip_range, "loss_type": "grpo", "num_iterations": 1, "learning_rate": rl.learning_rate,
        "adam_beta1": rl.beta1, "adam_beta2": rl.beta2, "weight_decay": rl.weight_decay,
        "max_grad_norm": rl.max_grad_norm, "lr_scheduler_type": "constant", "shuffle_dataset": False,
        "gradient_checkpointing": False, "bf16": False, "use_cpu": True, "report_to": [], "save_strategy": "no",
        "disable_tqdm": True, "dataloader_pin_memory": False, "seed": SEED, "logging_steps": rl.num_steps,
    }  # fmt: skip
    trainer = GRPOTrainer(
        model=AutoModelForCausalLM.from_pretrained(sft), reward_funcs=reward,
        args=GRPOConfig(**chosen_arguments | arguments), train_dataset=Dataset.from_list(rows),
        processing_class=PreTrainedTokenizerFast.from_pretrained(sft, padding_side="left"),
    )  # fmt: skip
    trainer.remove_callback(PrinterCallback)
    return trainer


def rl_settings(num_stages: int, settings: dict[str, Any]) -> Any:
    """The demonstration's settings, with `settings` in place of some of them."""
    from dsmath_pipeline.recipe.presets import load_recipe

    changes = {"num_steps": num_stages, "decay_from": 1.0, "save_steps": 10 * num_stages} | settings
    return load_recipe("demo").rl.model_copy(update=changes)


def figures(clock: Clock, lengths: Sequence[float], batch: int) -> dict[str, Any]:
    """What a call answers."""
    counted = len(clock.times) - WARM_UP_STAGES
    tokens = sum(lengths[WARM_UP_STAGES:]) * batch
    return {**clock.counted(), "completions": counted * batch, "tokens": round(tokens), "peak_rss_bytes": peak_rss()}


def peak_rss() -> int:
    """Bytes: the largest resident memory this process ever had."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024


def endless(sft: Path, out: Path) -> Path:
    """A copy of a model of ours with an end token that it hardly ever writes: completions have full length."""
    from dsmath_pipeline.tokens.tokenizer import load_tokenizer

    shutil.copytree(sft, out)
    number = load_tokenizer(sft).token_to_id(NEVER_WRITTEN)
    end_of = {
        "config.json": ("eos_token_id", number), "generation_config.json": ("eos_token_id", number),
        "tokenizer_config.json": ("eos_token", NEVER_WRITTEN),
    }  # fmt: skip
    for name, (key, value) in end_of.items():
        values = json.loads((out / name).read_text(encoding="utf-8"))
        (out / name).write_text(json.dumps(values | {key: value}), encoding="utf-8")
    return out


def contenders(sft: Path, problems: Path, num_stages: int, settings: dict[str, Any]) -> list[common.Contender]:
    """Ours and TRL with several micro-batch sizes."""
    base = {"sft": str(sft), "problems": str(problems), "num_stages": num_stages, "settings": settings}
    whole = rl_settings(num_stages, settings).batch_completions
    small = {"micro": min(16, whole)}
    found = {OURS: ("ours", {}), OURS_SMALL: ("ours", small), TRL: ("trl", {}), TRL_SMALL: ("trl", small),
             TRL_WHOLE: ("trl", {"micro": whole})}  # fmt: skip
    return [
        common.Contender(name, f"benchmarks.rl_speed:{call}", base | micro) for name, (call, micro) in found.items()
    ]


def summary(rounds: dict[str, list[dict[str, Any]]]) -> dict[str, Any]:
    """Speeds, their ratios to ours round by round, and memory."""
    measured = {}
    for name, runs in rounds.items():
        per_completion = [run["stage_cpu_seconds"] / run["completions"] for run in runs]
        measured[name] = {
            "completions_per_cpu_second": common.rounded(statistics.median(1 / value for value in per_completion)),
            "completions_per_cpu_second_lowest": common.rounded(1 / max(per_completion)),
            "completions_per_cpu_second_highest": common.rounded(1 / min(per_completion)),
            "tokens_per_cpu_second": common.rounded(
                statistics.median(run["tokens"] / run["stage_cpu_seconds"] for run in runs)
            ),
            "completions_per_wall_second": common.rounded(
                statistics.median(run["completions"] / run["stage_wall_seconds"] for run in runs)
            ),
            "tokens_per_completion": common.rounded(statistics.median(r["tokens"] / r["completions"] for r in runs)),
            "peak_rss_megabytes": round(max(run["peak_rss_bytes"] for run in runs) / 1e6),
            "cpu_seconds": [round(value, 6) for value in per_completion],  # a completion
        }
    return {"measured": measured, "cpu_time_relative_to_ours": common.ratios(measured, OURS)}


def main(argv: Sequence[str] | None = None) -> None:
    """Measure, print, write."""
    parser = common.arguments(__doc__)
    parser.add_argument("--run", required=True, type=Path, help="folder of a finished `dsmath demo`, only read")
    parser.add_argument("--steps", type=int, default=10, help="exploration stages of a run, two of them not counted")
    options = parser.parse_args(argv)
    num_stages, rounds = (3, 1) if options.quick else (options.steps, options.rounds)
    sft, problems = options.run / "models" / "sft", options.run / "word_problems"
    settings = {"batch_completions": 32, "micro_batch_completions": 16} if options.quick else {}
    rl = rl_settings(num_stages, settings)
    shown = {name: getattr(rl, name) for name in ("group_size", "batch_completions", "max_completion_tokens",
                                                  "micro_batch_completions")}  # fmt: skip
    columns = ("completions_per_cpu_second", "tokens_per_cpu_second", "tokens_per_completion", "peak_rss_megabytes")
    warm_up = {"num_stages": WARM_UP_STAGES, "settings": settings | {"batch_completions": 16}}
    with tempfile.TemporaryDirectory() as scratch:
        for part, model in (("own_length", sft), ("full_length", endless(sft, Path(scratch) / "endless"))):
            turns = common.take_turns(contenders(model, problems, num_stages, settings), rounds, warm_up)
            found = {"rounds": rounds, "stages": num_stages - WARM_UP_STAGES, "settings": shown,
                     "versions": common.versions(("torch", "transformers", "trl")), **summary(turns)}  # fmt: skip
            slower = found["cpu_time_relative_to_ours"]
            rows = [
                (name, *(row[column] for column in columns), slower.get(name, 1.0))
                for name, row in found["measured"].items()
            ]
            print(f"\n{part}\n\n" + common.markdown_table(("", *columns, "ours is faster by"), rows), flush=True)
            print(f"written to {common.write_result(options.out, 'rl_speed', {part: found})}", file=sys.stderr)


if __name__ == "__main__":
    main()
