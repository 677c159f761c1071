"""Training beside a raw PyTorch loop and transformers.Trainer with padded batches: same model, one core, in turns.

    python -m benchmarks.training [--rounds N] [--steps N] [--quick] [--generated]

The texts are the training problems of GSM8K in `$DSMATH_REAL_DATA` (question and answer), or else generated word
problems; the tokenizer (4,096 entries) is trained on them. The model is a Llama of 4 layers x 256 with a context of 512
tokens, into which nearly all problems fit (195 tokens on average). Contenders, each with fused AdamW and clipping:

- ours: `pretrain` as a user runs it, 4 packed sequences a step, everything switched on that is on by default;
- raw loop: the same, from a memory-mapped token file at random places: forward, backward, clip, step, nothing else;
- Trainer, padded, 8 (its default) or 16 examples a step: padded to the longest (DataCollatorForLanguageModeling);
- Trainer, padded to the context: 8 rows of 512 tokens, as fixed shapes ask for.

Counted are tokens of texts, never padding, a CPU-second, over steps after the first two; `step_overhead` repeats ours
and the raw loop on a model so small that the loop's own work shows, in milliseconds a step. Ratios are medians over
the rounds. Prints tables and writes benchmarks/results/training.json.
"""

import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import torch
import torch.nn.functional as F
from transformers import (
    DataCollatorForLanguageModeling,
    PreTrainedTokenizerFast,
    PrinterCallback,
    Trainer,
    TrainerCallback,
    TrainingArguments,
)

from benchmarks import common
from dsmath_pipeline import storage
from dsmath_pipeline.recipe.schema import MixtureSettings, ModelSettings, PretrainSettings, TokenizerSettings
from dsmath_pipeline.tokens.packing import pack_tokens
from dsmath_pipeline.tokens.tokenizer import train_tokenizer
from dsmath_pipeline.training.models import build_model
from dsmath_pipeline.training.pretrain import pretrain

OURS, RAW, FIXED = "ours", "raw loop", "Trainer, padded to the context"
PADDED, PADDED_16 = "Trainer, padded, 8 a step", "Trainer, padded, 16 a step"
CONTEXT, BATCH, VOCABULARY = 512, 4, 4096
MODEL = ModelSettings(
    hidden_size=256, intermediate_size=688, num_layers=4, num_heads=4, max_positions=CONTEXT, initializer_range=0.02
)
SMALL_MODEL = MODEL.model_copy(update={"hidden_size": 16, "intermediate_size": 32, "num_layers": 1, "num_heads": 1})
WARM_UP_STEPS = 2


class Clock(TrainerCallback):
    """CPU seconds of this process after each update of the weights."""

    def __init__(self) -> None:
        self.times: list[float] = []

    def on_optimizer_step(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self.times.append(time.process_time())

    def seconds(self) -> float:
        return self.times[-1] - self.times[WARM_UP_STEPS - 1]


def texts(quick: bool, generated: bool) -> tuple[str, list[str]]:
    """("gsm8k" or "generated", the texts to train on)."""
    data = common.real_data()
    if data and not generated:
        lines = (data / "benchmarks" / "gsm8k" / "train.jsonl").read_text(encoding="utf-8").splitlines()
        rows = [json.loads(line) for line in lines]
        found = [f"{row['question']}\n{row['answer']}" for row in rows]
        return "gsm8k", found[:500] if quick else found
    from dsmath_pipeline.demo.word_problems import generate_problems

    problems = generate_problems(300 if quick else 3000, 0, "train")
    return "generated", [f"{problem.problem}\n{problem.solution}" for problem in problems]


def prepare(folder: Path, found: Sequence[str], num_steps: int) -> PretrainSettings:
    """Tokenizer and packed tokens in `folder`; returns the settings of a run of `num_steps` steps."""
    storage.write_table(folder / "texts" / "0.parquet", pa.table({"text": pa.array(found, pa.large_string())}))
    settings = PretrainSettings(
        num_tokens=num_steps * BATCH * CONTEXT, batch_tokens=BATCH * CONTEXT, context_tokens=CONTEXT,
        micro_batch_sequences=BATCH, warmup_steps=2, held_out_share=0.01, held_out_steps=num_steps,
    )  # fmt: skip
    train_tokenizer(None, folder / "tokenizer", TokenizerSettings(vocab_size=VOCABULARY), 0,
                    extra={"texts": folder / "texts"})  # fmt: skip
    pack_tokens({"corpus": folder / "texts"}, folder / "tokenizer", folder / "tokens", MixtureSettings(), settings, 0)
    return settings


def run_ours(folder: Path, model: ModelSettings, settings: PretrainSettings, num_steps: int) -> tuple[float, int]:
    """(CPU seconds, tokens) of the counted steps."""
    clock = Clock()
    out = folder / "ours"
    storage.remove(out)
    pretrain(folder / "tokens", folder / "tokenizer", out, model, settings, 0, device="cpu", callbacks=[clock])
    return clock.seconds(), (num_steps - WARM_UP_STEPS) * settings.batch_tokens


def run_raw(folder: Path, model: ModelSettings, settings: PretrainSettings, num_steps: int) -> tuple[float, int]:
    """The loop that a small training script has."""
    tokens = np.memmap(folder / "tokens" / "corpus-00000.bin", dtype="uint16", mode="r")
    network = _network(folder, model)
    optimizer = torch.optim.AdamW(
        network.parameters(), settings.peak_learning_rate, (settings.beta1, settings.beta2),
        weight_decay=settings.weight_decay, fused=True,
    )  # fmt: skip
    rng = np.random.default_rng(0)
    started = 0.0
    for step in range(num_steps):
        if step == WARM_UP_STEPS:
            started = time.process_time()
        firsts = rng.integers(0, len(tokens) - CONTEXT - 1, BATCH)
        ids = np.stack([tokens[first : first + CONTEXT + 1].astype(np.int64) for first in firsts])
        inputs_BT, targets_BT = torch.from_numpy(ids[:, :-1].copy()), torch.from_numpy(ids[:, 1:].copy())
        logits_BTV = network(input_ids=inputs_BT, use_cache=False).logits
        loss = F.cross_entropy(logits_BTV.view(-1, logits_BTV.shape[-1]), targets_BT.view(-1))
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), settings.max_grad_norm)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
    return time.process_time() - started, (num_steps - WARM_UP_STEPS) * BATCH * CONTEXT


def run_padded(
    folder: Path,
    model: ModelSettings,
    settings: PretrainSettings,
    num_steps: int,
    *,
    batch: int = 8,
    is_fixed: bool = False,
) -> tuple[float, int]:
    """transformers.Trainer with its default data path; longer examples are cut at the context."""
    tokenizer = PreTrainedTokenizerFast.from_pretrained(folder / "tokenizer", padding_side="right")
    found = storage.read_table(folder / "texts" / "0.parquet")["text"].to_pylist()
    rows = [ids[:CONTEXT] for ids in tokenizer(found)["input_ids"]]
    padded = DataCollatorForLanguageModeling(tokenizer, mlm=False, pad_to_multiple_of=CONTEXT if is_fixed else None)
    sizes: list[int] = []

    def collate(examples: list[dict]) -> Any:
        batch = padded(examples)
        sizes.append(int(batch["attention_mask"].sum()))
        return batch

    clock = Clock()
    arguments = TrainingArguments(
        output_dir=str(folder / "padded"), max_steps=num_steps, per_device_train_batch_size=batch, use_cpu=True,
        learning_rate=settings.peak_learning_rate, weight_decay=settings.weight_decay, report_to=[], disable_tqdm=True,
        save_strategy="no", dataloader_pin_memory=False,
    )  # fmt: skip
    trainer = Trainer(
        model=_network(folder, model), args=arguments, data_collator=collate, callbacks=[clock],
        train_dataset=[{"input_ids": ids} for ids in rows],  # type: ignore[arg-type]
    )  # fmt: skip
    trainer.remove_callback(PrinterCallback)
    trainer.train()
    return clock.seconds(), sum(sizes[WARM_UP_STEPS:num_steps])


def run_padded_16(folder: Path, model: ModelSettings, settings: PretrainSettings, num_steps: int) -> tuple[float, int]:
    return run_padded(folder, model, settings, num_steps, batch=16)


def run_fixed(folder: Path, model: ModelSettings, settings: PretrainSettings, num_steps: int) -> tuple[float, int]:
    return run_padded(folder, model, settings, num_steps, is_fixed=True)


def _network(folder: Path, model: ModelSettings) -> torch.nn.Module:
    size = storage.read_manifest(folder / "tokenizer").counts["vocab_size"]
    return build_model(model, size, 0).train()


def take_turns(
    contenders: dict[str, Callable[..., tuple[float, int]]], folder: Path, model: ModelSettings,
    settings: PretrainSettings, num_steps: int, rounds: int,
) -> dict[str, dict[str, Any]]:  # fmt: skip
    """Every contender `rounds` times, the order reversed every other round: CPU seconds a million tokens."""
    found: dict[str, list[tuple[float, int]]] = {name: [] for name in contenders}
    for number in range(rounds):
        for name in list(contenders) if number % 2 == 0 else list(contenders)[::-1]:
            seconds, tokens = contenders[name](folder, model, settings, num_steps)
            found[name].append((seconds, tokens))
            print(f"round {number + 1}: {name}: {tokens / seconds:,.0f} tokens/CPU-s", file=sys.stderr)
    return {
        name: {
            "tokens_per_cpu_second": common.rounded(statistics.median(n / s for s, n in runs)),
            "tokens_per_cpu_second_lowest": common.rounded(min(n / s for s, n in runs)),
            "tokens_per_cpu_second_highest": common.rounded(max(n / s for s, n in runs)),
            "cpu_seconds": [round(s / n * 1e6, 4) for s, n in runs],  # a million tokens: comparable between contenders
            "milliseconds_per_step": common.rounded(
                statistics.median(1000 * s / (num_steps - WARM_UP_STEPS) for s, _ in runs)
            ),
        }
        for name, runs in found.items()
    }


def main(argv: Sequence[str] | None = None) -> None:
    """Measure, print, write."""
    parser = common.arguments(__doc__)
    parser.add_argument("--steps", type=int, default=10, help="steps of each run, two of them not counted")
    options = parser.parse_args(argv)
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    torch.set_num_threads(1)
    num_steps, rounds = (4, 2) if options.quick else (options.steps, options.rounds)
    contenders = {OURS: run_ours, RAW: run_raw, PADDED: run_padded, PADDED_16: run_padded_16, FIXED: run_fixed}
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        kind, found = texts(options.quick, options.generated)
        settings = prepare(folder, found, num_steps)
        measured = take_turns(contenders, folder, MODEL, settings, num_steps, rounds)
        many = num_steps * 10
        settings = prepare(folder, found, many)
        small = take_turns({OURS: run_ours, RAW: run_raw}, folder, SMALL_MODEL, settings, many, rounds)
    slower = common.ratios(measured, OURS)
    part = {
        "input": kind, "texts": len(found), "model": f"4 layers x 256, context {CONTEXT}", "rounds": rounds,
        "steps": num_steps - WARM_UP_STEPS, "versions": common.versions(("torch", "transformers", "accelerate")),
        "measured": measured, "cpu_time_relative_to_ours": slower,
        "step_overhead": {
            "model": f"1 layer x 16, context {CONTEXT}", "measured": small,
            "milliseconds_more_than_raw": common.rounded(
                small[OURS]["milliseconds_per_step"] - small[RAW]["milliseconds_per_step"]
            ),
        },
    }  # fmt: skip
    rows = [(name, row["tokens_per_cpu_second"], slower.get(name, 1.0)) for name, row in measured.items()]
    print(f"{len(found)} texts ({kind})\n\n" + common.markdown_table(("", "tokens/CPU-s", "ours is faster by"), rows))
    print(f"\nours costs {part['step_overhead']['milliseconds_more_than_raw']} ms a step more than the raw loop")
    print(f"\nwritten to {common.write_result(options.out, 'training', {'training': part})}", file=sys.stderr)


if __name__ == "__main__":
    main()
