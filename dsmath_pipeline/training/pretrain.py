"""Pretraining on packed tokens: from random weights, or continued from a model (sections 2.2 and 2.3).

Writes a Hugging Face model folder and metrics.parquet (see trainer).
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch.utils.data import Dataset

from ..progress import SILENT, Progress
from ..recipe.schema import ModelSettings, PretrainSettings
from ..storage import Folder, Manifest, stage
from ..tokens.inputs import stage_input
from ..tokens.packing import PackedTokens, num_training_steps, sequences_per_step
from ..tokens.tokenizer import load_tokenizer
from .models import ModelError, build_model, load_model, num_parameters, save_model
from .schedule import multi_step_factor
from .trainer import TrainingPlan, drop_checkpoints, run_trainer

PRETRAIN_VERSION = "1"
"""1 (2026-11): first version."""


class PackedDataset(Dataset):
    """Packed sequences as tensors, for a DataLoader."""

    def __init__(self, path: Folder):
        self.packed = PackedTokens(path)

    def __len__(self) -> int:
        return len(self.packed)

    def __getitem__(self, i: int) -> torch.Tensor:
        return torch.from_numpy(self.packed[i])


def pretrain(
    tokens: Folder,
    tokenizer: Folder,
    out: Folder,
    model: ModelSettings,
    settings: PretrainSettings,
    seed: int,
    *,
    init: Folder | None = None,
    device: str = "",
    callbacks: Sequence[Any] = (),
    progress: Progress = SILENT,
) -> Manifest:
    """Train on the packed sequences of `tokens`, once through, with next-token loss.

    Weights start at random in the shape `model`, or come from the model folder `init` (then `model` is not used and
    the vocabulary must be the tokenizer's). Counts: parameters, tokens, first and last loss, tokens a second. Raises
    ModelError when `tokens` was packed for another length.
    """
    inputs: dict[str, Folder | str] = {"tokens": tokens, "tokenizer": stage_input(tokenizer)}
    if init is not None:
        inputs["init"] = stage_input(init)
    identity = {**settings.model_dump(exclude={"micro_batch_sequences", "save_steps"}), "seed": seed}
    if init is None:
        identity["model"] = model.model_dump()
    with stage(out, "base_model", PRETRAIN_VERSION, identity, inputs) as run:
        if run.artifact:
            dataset = PackedDataset(tokens)
            num_steps, batch = num_training_steps(settings), sequences_per_step(settings)
            _check_tokens(dataset, num_steps * batch, settings, tokens)
            vocab_size = load_tokenizer(tokenizer).get_vocab_size()
            network = build_model(model, vocab_size, seed) if init is None else load_model(init, "cpu").train()
            if network.config.vocab_size < vocab_size:
                raise ModelError(f"{init} knows {network.config.vocab_size} tokens, the tokenizer has {vocab_size}")
            plan = TrainingPlan(
                num_steps, batch, min(batch, settings.micro_batch_sequences), settings.peak_learning_rate,
                lambda step: multi_step_factor(step, num_steps, settings), settings.beta1, settings.beta2,
                settings.weight_decay, settings.max_grad_norm, settings.save_steps, seed,
            )  # fmt: skip
            figures = run_trainer(
                network, dataset, _collate, plan, run.artifact, device=device, callbacks=callbacks,
                tokens_of_step=lambda step: settings.batch_tokens, what="pretraining", progress=progress,
            )  # fmt: skip
            save_model(network, tokenizer, out)
            drop_checkpoints(run.artifact)
            run.artifact.counts |= {
                "parameters": num_parameters(network), "tokens": num_steps * settings.batch_tokens, **figures,
            }  # fmt: skip
    assert run.manifest is not None
    return run.manifest


def _collate(rows: Sequence[torch.Tensor]) -> dict[str, torch.Tensor]:
    ids_BT = torch.stack(list(rows))
    return {"input_ids": ids_BT, "labels": ids_BT}


def _check_tokens(dataset: PackedDataset, needed: int, settings: PretrainSettings, tokens: Folder) -> None:
    packed = dataset.packed
    if packed.context_tokens != settings.context_tokens or len(packed) < needed:
        raise ModelError(
            f"{tokens} holds {len(packed)} sequences of {packed.context_tokens} tokens, training needs {needed} of "
            f"{settings.context_tokens}: pack the tokens again with these settings"
        )
