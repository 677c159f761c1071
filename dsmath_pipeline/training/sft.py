"""Supervised fine-tuning on problems with solutions (section 3).

Examples are concatenated in random order up to `context_tokens`. Positions start at 0 with every example and no token
sees another example, so a row of five examples gives the same losses as five rows. Only completion tokens (solution
and `<eos>`) are learned; the loss is their mean over the optimizer step. The paper concatenates too, but says neither
whether examples see each other nor whether prompts are learned.

Writes a Hugging Face model folder and metrics.parquet (see trainer).
"""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from tokenizers import Tokenizer
from torch.utils.data import Dataset

from ..progress import SILENT, Progress
from ..recipe.schema import SftSettings
from ..storage import Folder, Manifest, stage
from ..tokens.chat import completion_text, prompt_text
from ..tokens.inputs import stage_input, training_problems
from ..tokens.tokenizer import PAD_ID, load_tokenizer, special_ids
from .models import ModelError, load_model, save_model
from .schedule import constant_factor
from .trainer import TrainingPlan, drop_checkpoints, run_trainer

SFT_VERSION = "1"
"""1 (2026-11): first version."""

IGNORED = -100
"""Label of tokens that are not learned (PyTorch's default)."""


@dataclass(frozen=True, slots=True)
class SftExample:
    """One encoded example; `num_prompt` tokens of `ids` are the prompt, the rest is learned."""

    ids: tuple[int, ...]
    num_prompt: int


class EpochDataset(Dataset):
    """Examples epoch after epoch, each epoch in its own random order, `num_items` in all."""

    def __init__(self, examples: Sequence[Any], num_items: int, seed: int):
        self.examples = examples
        self.order: list[int] = []
        epoch = 0
        while len(self.order) < num_items:
            one = list(range(len(examples)))
            random.Random(f"{seed}:epoch:{epoch}").shuffle(one)
            self.order += one
            epoch += 1
        del self.order[num_items:]

    def __len__(self) -> int:
        return len(self.order)

    def __getitem__(self, i: int) -> Any:
        return self.examples[self.order[i]]


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

    At most `max_examples` are used, drawn by the seed. Counts: examples used and dropped (longer than the context),
    first and last loss, tokens a second. Raises ModelError when no example is left.
    """
    identity = {**settings.model_dump(exclude={"micro_batch_examples", "save_steps"}), "seed": seed}
    inputs = {"base": stage_input(base), "problems": stage_input(problems)}
    with stage(out, "sft_model", SFT_VERSION, identity, inputs) as run:
        if run.artifact:
            tokenizer = load_tokenizer(base)
            end, _ = special_ids(tokenizer, base)
            rows = training_problems(problems)
            random.Random(f"{seed}:sft:examples").shuffle(rows)
            encoded = [encode_example(row, tokenizer, end) for row in rows if row["solution"]]
            fitting = [example for example in encoded if len(example.ids) <= settings.context_tokens]
            examples = fitting[: settings.max_examples]
            if not examples:
                raise ModelError(
                    f"no example of {problems} fits into sft.context_tokens={settings.context_tokens} tokens"
                )
            dataset = EpochDataset(examples, settings.num_steps * settings.batch_examples, seed)
            batch, micro_batch = settings.batch_examples, min(settings.batch_examples, settings.micro_batch_examples)
            plan = TrainingPlan(
                settings.num_steps, batch, micro_batch, settings.learning_rate, constant_factor, settings.beta1,
                settings.beta2, settings.weight_decay, settings.max_grad_norm, settings.save_steps, seed,
            )  # fmt: skip
            model = load_model(base, "cpu").train()
            figures = run_trainer(
                model, dataset, row_collator(settings.context_tokens), plan, run.artifact, device=device,
                callbacks=callbacks, tokens_of_step=_token_counter(dataset, settings.batch_examples),
                what="fine-tuning", progress=progress,
            )  # fmt: skip
            save_model(model, base, out)
            drop_checkpoints(run.artifact)
            run.artifact.counts |= {
                "examples": len(examples), "too_long": len(encoded) - len(fitting),
                "epochs": round(len(dataset) / len(examples), 2), **figures,
            }  # fmt: skip
    assert run.manifest is not None
    return run.manifest


def encode_example(row: dict[str, Any], tokenizer: Tokenizer, end: int) -> SftExample:
    """Prompt and completion are encoded apart, as at sampling time, so both meet the same token border."""
    prompt = tokenizer.encode(prompt_text(row["problem"], row["method"], row["language"])).ids
    completion = tokenizer.encode(completion_text(row["solution"]), add_special_tokens=False).ids
    return SftExample((*prompt, *completion, end), len(prompt))


def row_collator(context_tokens: int) -> Callable[[Sequence[SftExample]], dict[str, torch.Tensor]]:
    """A collate function that puts examples one after the other into rows of at most `context_tokens` tokens.

    Gives `input_ids`, `position_ids` and `labels`, int64 [rows, longest row]. There is no attention mask: the
    restarting positions are what tells transformers to keep the examples of a row apart.
    """

    def collate(examples: Sequence[SftExample]) -> dict[str, torch.Tensor]:
        rows: list[list[SftExample]] = []
        free: list[int] = []
        for example in examples:  # first fit
            slot = next((i for i, left in enumerate(free) if left >= len(example.ids)), len(rows))
            if slot == len(rows):
                rows.append([])
                free.append(context_tokens)
            rows[slot].append(example)
            free[slot] -= len(example.ids)
        width = context_tokens - min(free)
        shape = (len(rows), width)
        ids_BT, labels_BT = torch.full(shape, PAD_ID), torch.full(shape, IGNORED)
        positions_BT = torch.zeros(shape, dtype=torch.long)
        for b, row in enumerate(rows):
            t = 0
            for example in row:
                n = len(example.ids)
                ids_BT[b, t : t + n] = torch.tensor(example.ids)
                labels_BT[b, t + example.num_prompt : t + n] = torch.tensor(example.ids[example.num_prompt :])
                positions_BT[b, t : t + n] = torch.arange(n)
                t += n
        return {"input_ids": ids_BT, "position_ids": positions_BT, "labels": labels_BT}

    return collate


def _token_counter(dataset: EpochDataset, batch: int) -> Callable[[int], int]:
    return lambda step: sum(len(dataset[i].ids) for i in range((step - 1) * batch, step * batch))
