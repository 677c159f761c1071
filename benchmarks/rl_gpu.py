"""Reinforcement learning on one GPU in bf16, beside TRL's GRPOTrainer, and how well the update uses the device.

    python -m benchmarks.rl_gpu [--steps N] [--completions N] [--max-tokens N] [--micro-batch N]
    python -m benchmarks.rl_gpu --tiny          # the same path in a minute, on a CPU too

A Llama of 1.2B with random weights (the shape of benchmarks/training_gpu.py) learns by GRPO from generated word
problems. Random weights hardly ever write the end token, so both sides sample up to the limit. Weights are bf16 on both
sides; TRL generates with transformers. Counted are the stages after the first two: completions a second, the largest
GPU memory, and of ours tokens a second of sampling and model FLOPs utilisation of the update

    MFU = tokens * (forward and backward of the policy + forward of the reference) / seconds of the update / peak

with the FLOPs of dsmath_pipeline/training/throughput.py, tokens of prompts and completions, none of padding. Prints a
table and writes benchmarks/results/rl_gpu.json.
"""

import argparse
import gc
import json
import statistics
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from transformers import LlamaConfig, LlamaForCausalLM, TrainerCallback

from benchmarks import common
from benchmarks.rl_speed import SEED, WARM_UP_STAGES, Clock, rl_settings, trl_trainer
from benchmarks.training_gpu import SHAPE, TINY_SHAPE
from dsmath_pipeline import storage
from dsmath_pipeline.demo.word_problems import write_problems
from dsmath_pipeline.recipe.presets import load_recipe
from dsmath_pipeline.recipe.schema import RlSettings, TokenizerSettings
from dsmath_pipeline.rl.questions import load_questions, questions_of_step
from dsmath_pipeline.rl.trainer import train_rl
from dsmath_pipeline.tokens.chat import prompt_text
from dsmath_pipeline.tokens.tokenizer import load_tokenizer, save_tokenizer, train_bpe
from dsmath_pipeline.training.models import load_model
from dsmath_pipeline.training.throughput import device_peak_flops, flops_per_token

CONTEXT = 1024


def prepare(folder: Path, shape: dict[str, Any]) -> tuple[Path, Path]:
    """(model folder with random weights in bf16, problem folder) below `folder`."""
    problems, model = folder / "problems", folder / "model"
    write_problems(storage.folder(problems), load_recipe("demo").mini_web, SEED)
    tokenizer = train_bpe(
        [question.problem for question in load_questions(problems)], TokenizerSettings(vocab_size=300)
    )
    tokenizer.add_tokens([f"<unused {i}>" for i in range(shape["vocab_size"] - tokenizer.get_vocab_size())])
    model.mkdir()
    save_tokenizer(tokenizer, model)
    torch.manual_seed(SEED)
    config = LlamaConfig(**shape | {"max_position_embeddings": CONTEXT}, bos_token_id=1, eos_token_id=2, pad_token_id=0)
    LlamaForCausalLM(config).to(torch.bfloat16).save_pretrained(model)  # type: ignore[arg-type]
    return model, problems


def measure_ours(folder: Path, model: Path, problems: Path, rl: RlSettings, device: str) -> dict[str, Any]:
    """`train_rl`: figures of the counted stages."""
    _forget()
    train_rl(model, None, problems, folder / "ours", rl, SEED, device=device)
    rows = storage.read_table(folder / "ours" / "metrics.parquet").to_pylist()[WARM_UP_STAGES:]
    seconds = {n: statistics.fmean(row[f"{n}_seconds"] for row in rows) for n in ("rollout", "reward", "update")}
    written = statistics.fmean(row["completion_tokens"] for row in rows)
    read = _prompt_tokens(model, problems, rl)
    network = load_model(model, "cpu")
    per_token = flops_per_token(network, round(read + written)) * 4 / 3  # a forward pass is a third of a training step
    tokens = rl.batch_completions * (read + written)
    peak = device_peak_flops(0.0, True)
    return {
        "completions_per_second": common.rounded(rl.batch_completions / sum(seconds.values())),
        "tokens_per_completion": common.rounded(written),
        "rollout_tokens_per_second": common.rounded(rl.batch_completions * written / seconds["rollout"]),
        "update_tokens_per_second": common.rounded(tokens / seconds["update"]),
        "update_flops_per_second": common.rounded(tokens * per_token / seconds["update"]),
        "update_mfu": round(tokens * per_token / seconds["update"] / peak, 4) if peak else None,
        **{f"{name}_seconds": common.rounded(value) for name, value in seconds.items()}, **_memory(),
    }  # fmt: skip


def measure_trl(folder: Path, model: Path, problems: Path, rl: RlSettings, device: str) -> dict[str, Any]:
    """GRPOTrainer: figures of the counted stages."""
    _forget()
    lengths: list[float] = []
    clock, is_cpu = Clock(), device == "cpu"

    class Noted(TrainerCallback):
        def on_step_end(self, *args: Any, **kwargs: Any) -> None:
            if not is_cpu:
                torch.cuda.synchronize()
            clock.note()

    trainer = trl_trainer(model, problems, folder / "trl", rl, 0, lengths, use_cpu=is_cpu, bf16=True)
    trainer.add_callback(Noted())
    trainer.train()
    num = rl.batch_completions * (len(clock.times) - WARM_UP_STAGES)
    return {
        "completions_per_second": common.rounded(num / clock.counted()["stage_wall_seconds"]),
        "tokens_per_completion": common.rounded(statistics.fmean(lengths[WARM_UP_STAGES:])), **_memory(),
    }  # fmt: skip


def _prompt_tokens(model: Path, problems: Path, rl: RlSettings) -> float:
    """Mean over the prompts of the counted stages."""
    tokenizer, questions = load_tokenizer(model), load_questions(problems)
    num = rl.batch_completions // rl.group_size
    chosen = [
        q for stage in range(WARM_UP_STAGES, rl.num_steps) for q in questions_of_step(questions, stage, num, SEED)
    ]
    return statistics.fmean(len(tokenizer.encode(prompt_text(q.problem, "cot", q.language)).ids) for q in chosen)


def _forget() -> None:
    """Free what the run before left."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()


def _memory() -> dict[str, float | None]:
    """The most that tensors took, GB; None without a GPU."""
    taken = common.rounded(torch.cuda.max_memory_allocated() / 1e9) if torch.cuda.is_available() else None
    return {"peak_gpu_gigabytes": taken}


def main(argv: Sequence[str] | None = None) -> int:
    """Exit code 1 where there is no GPU."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--steps", type=int, default=8, help=f"exploration stages, {WARM_UP_STAGES} of them not counted"
    )
    parser.add_argument("--completions", type=int, default=256, help="in a stage, in groups of 8")
    parser.add_argument("--max-tokens", type=int, default=512, help="longest completion")
    parser.add_argument("--micro-batch", type=int, default=16, help="completions in one forward pass of the update")
    parser.add_argument("--tiny", action="store_true", help="a tiny model, on any device")
    parser.add_argument("--out", type=Path, default=common.RESULTS, help="folder of the result file")
    options = parser.parse_args(argv)
    if not torch.cuda.is_available() and not options.tiny:
        print("rl_gpu: no GPU that PyTorch can use here. Run it on a machine with one, or try the path with --tiny.",
              file=sys.stderr)  # fmt: skip
        return 1
    completions, most, micro = (16, 8, 8) if options.tiny else (
        options.completions, options.max_tokens, options.micro_batch
    )  # fmt: skip
    settings = {"batch_completions": completions, "max_completion_tokens": most, "micro_batch_completions": micro,
                "learning_rate": 1e-6}  # fmt: skip
    rl, device = rl_settings(options.steps, settings), "cuda" if torch.cuda.is_available() else "cpu"
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        model, problems = prepare(folder, TINY_SHAPE if options.tiny else SHAPE)
        found = {"ours": measure_ours(folder, model, problems, rl, device)}
        found["TRL"] = measure_trl(folder, model, problems, rl, device)
    name = torch.cuda.get_device_name() if torch.cuda.is_available() else "CPU"
    speed = {who: row["completions_per_second"] for who, row in found.items()}
    result = {
        "device": name, "steps": options.steps - WARM_UP_STAGES, "settings": settings | {"group_size": rl.group_size},
        "measured": found, "ours_is_faster_by": common.rounded(speed["ours"] / speed["TRL"]),
        "device_peak_flops": device_peak_flops(0.0, True),
        "versions": common.versions(("torch", "transformers", "trl")),
    }  # fmt: skip
    rows = [(figure, str(value), str(found["TRL"].get(figure, ""))) for figure, value in found["ours"].items()]
    print(common.markdown_table(("figure", "ours", "TRL"), rows))
    if options.tiny:
        print(json.dumps(result))
    else:
        print(f"\nwritten to {common.write_result(options.out, 'rl_gpu', {name: result})}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
