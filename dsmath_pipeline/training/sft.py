"""Supervised fine-tuning on problems with solutions (section 3), at a constant learning rate.

The loss covers what the model writes (sft_masks); examples are concatenated up to the context length without seeing
each other (sft_packing), so a sequence of five examples gives the same losses as five sequences. It is the mean over
all learned tokens of an optimizer step. Data in other forms: sft_data.

Writes a Hugging Face model folder and metrics.parquet (see trainer). Started by `accelerate launch`, all processes
call `train_sft` and share the work.
"""

import random
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..progress import SILENT, Progress
from ..recipe.schema import SftSettings
from ..storage import Folder, Manifest
from ..tokens.inputs import stage_input, training_problems
from ..tokens.tokenizer import load_tokenizer, special_ids
from .distributed import is_main, join, shared_stage
from .models import ModelError, load_model, save_model
from .schedule import constant_factor
from .sft_masks import SftExample, encode_examples
from .sft_packing import IGNORED, EpochDataset, SequenceDataset, collate_sequences
from .throughput import flops_per_token
from .trainer import Execution, TrainingPlan, drop_checkpoints, run_trainer

__all__ = ["IGNORED", "EpochDataset", "train_sft"]

SFT_VERSION = "2"
"""1 (2026-11): first version. 2 (2026-11): program outputs are not learned, batches count sequences, best fit."""

_EXECUTION = {"micro_batch_sequences", "save_steps", "gradient_checkpointing", "fsdp"}
"""Settings that decide how, not what is trained."""


def train_sft(
    base: Folder,
    problems: Folder,
    out: Folder,
    settings: SftSettings,
    seed: int,
    *,
    device: str = "",
    callbacks: Sequence[Any] = (),
    progress: Progress = SILENT,
) -> Manifest:
    """Fine-tune the model in `base` on the solutions in `problems` (see `training_problems`).

    At most `max_examples` are used, drawn by the seed. Counts: examples used, dropped because they have no solution or
    are longer than the context (with the longest), epochs, share of padding, share of tokens that are learned, first
    and last loss, tokens a second. Raises ModelError when no example is left.
    """
    join(device)
    identity = {**settings.model_dump(exclude=_EXECUTION), "seed": seed}
    inputs = {"base": stage_input(base), "problems": stage_input(problems)}
    with shared_stage(out, "sft_model", SFT_VERSION, identity, inputs) as run:
        if run.artifact:
            examples, counts = load_examples(base, problems, settings, seed)
            if counts["too_long"]:
                progress.log(
                    f"{counts['too_long']} examples are longer than sft.context_tokens={settings.context_tokens} and "
                    f"left out, the longest has {counts['longest_tokens']} tokens"
                )
            batch = settings.batch_sequences
            dataset = SequenceDataset(examples, settings.context_tokens, settings.num_steps * batch, seed)
            model = load_model(base, "cpu").float().train()
            execution = Execution(
                settings.precision, settings.gradient_checkpointing, fsdp=settings.fsdp,
                flops_per_token=flops_per_token(model, settings.context_tokens),
            )  # fmt: skip
            plan = TrainingPlan(
                settings.num_steps, batch, min(batch, settings.micro_batch_sequences), settings.learning_rate,
                constant_factor, settings.beta1, settings.beta2, settings.weight_decay, settings.max_grad_norm,
                settings.save_steps, seed, execution,
            )  # fmt: skip
            figures = run_trainer(
                model, dataset, collate_sequences, plan, run.artifact, device=device, callbacks=callbacks,
                tokens_of_step=lambda step: dataset.num_tokens((step - 1) * batch, step * batch),
                what="fine-tuning", progress=progress,
            )  # fmt: skip
            save_model(model, base, out)
            drop_checkpoints(run.artifact)
            if is_main():
                run.artifact.counts |= {
                    **counts, "epochs": round(dataset.num_examples / len(examples), 2),
                    "padding_share": round(dataset.padding_share, 4),
                    "learned_share": round(_learned_share(examples), 4), **figures,
                }  # fmt: skip
    assert run.manifest is not None
    return run.manifest


def load_examples(
    base: Folder, problems: Folder, settings: SftSettings, seed: int
) -> tuple[list[SftExample], dict[str, int]]:
    """The examples that are trained on, with the tokenizer in `base`, and the counts `examples`, `without_solution`,
    `too_long`, `longest_tokens`."""
    tokenizer = load_tokenizer(base)
    end, _ = special_ids(tokenizer, base)
    rows = training_problems(problems)
    random.Random(f"{seed}:sft:examples").shuffle(rows)
    solved = [row for row in rows if row["solution"]]
    used: list[SftExample] = []
    too_long = longest = 0
    for example in encode_examples(solved, tokenizer, end):
        longest = max(longest, len(example))
        too_long += len(example) > settings.context_tokens
        if len(example) <= settings.context_tokens and len(used) < settings.max_examples:
            used.append(example)
    if not used:
        raise ModelError(
            f"no example of {problems} fits into sft.context_tokens={settings.context_tokens} tokens: {len(solved)} of "
            f"{len(rows)} have a solution, the longest is {longest} tokens long"
        )
    return used, {
        "examples": len(used), "without_solution": len(rows) - len(solved), "too_long": too_long,
        "longest_tokens": longest,
    }  # fmt: skip


def _learned_share(examples: Sequence[SftExample]) -> float:
    """Share of the examples' tokens that are learned, 0-1."""
    return float(sum(np.count_nonzero(e.learned) for e in examples) / sum(map(len, examples)))
