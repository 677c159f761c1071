"""Pretraining on packed tokens: from random weights, or continued from a model (sections 2.2 and 2.3).

Writes a Hugging Face model folder, metrics.parquet (see trainer) and held_out.parquet (see held_out).
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch.utils.data import Dataset
from transformers import PreTrainedModel

from ..progress import SILENT, Progress
from ..recipe.schema import ModelSettings, PretrainSettings
from ..storage import Folder, Manifest, read_table
from ..tokens.hub import MODEL_FILES, TOKENIZER_FILES, local_or_hub
from ..tokens.inputs import stage_input
from ..tokens.packed import PackedTokens, document_positions
from ..tokens.packing import num_training_steps, sequences_per_step
from ..tokens.tokenizer import load_tokenizer
from .distributed import is_main, join, main_first, shared_stage
from .held_out import IGNORED, HeldOutCallback
from .models import ModelError, build_model, foreign_config, load_model, num_parameters, save_model
from .schedule import multi_step_factor
from .throughput import flops_per_token
from .trainer import Execution, TrainingPlan, drop_checkpoints, run_trainer

PRETRAIN_VERSION = "2"
"""1 (2026-11): first version. 2 (2026-11): held-out perplexity, documents apart as an option."""

_EXECUTION = {
    "micro_batch_sequences", "save_steps", "gradient_checkpointing", "torch_compile", "fsdp", "device_peak_flops",
}  # fmt: skip
"""Settings that decide how, not what is trained."""


class PackedDataset(Dataset):
    """Packed sequences as tensors, for a DataLoader."""

    def __init__(self, path: Folder):
        self.packed = PackedTokens(path)

    def __len__(self) -> int:
        return len(self.packed)

    def __getitem__(self, index: int) -> torch.Tensor:
        return torch.from_numpy(self.packed[index])


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

    Weights start at random in the shape `model`, or come from the model folder or hub name `init` (then only
    `model.trust_remote_code` is used, and the vocabulary must be the tokenizer's). Started by `accelerate launch`, all
    processes call this and share the work. Counts: parameters, tokens, first and last loss, tokens a second, MFU where
    the device's peak is known, last held-out perplexity of each source. Raises ModelError when `tokens` was packed for
    another length.
    """
    join(device)
    tokenizer = local_or_hub(tokenizer, TOKENIZER_FILES)
    inputs: dict[str, Folder | str] = {"tokens": tokens, "tokenizer": stage_input(tokenizer)}
    if init is not None:
        with main_first():
            init = local_or_hub(init, MODEL_FILES, with_code=model.trust_remote_code)
        inputs["init"] = stage_input(init)
    identity = {**settings.model_dump(exclude=_EXECUTION), "seed": seed}
    if init is None:
        identity["model"] = _model_identity(model)
    with shared_stage(out, "base_model", PRETRAIN_VERSION, identity, inputs) as run:
        if run.artifact:
            dataset = PackedDataset(tokens)
            num_steps, batch = num_training_steps(settings), sequences_per_step(settings)
            _check_tokens(dataset, num_steps * batch, settings, tokens)
            network = _network(model, tokenizer, init, seed)
            end = dataset.packed.end_id if settings.separate_documents else None
            collate = collator(end)
            measure = HeldOutCallback(
                held_out_rows(dataset.packed, settings.held_out_tokens), collate, settings.held_out_steps,
                settings.micro_batch_sequences,
            )  # fmt: skip
            plan = _plan(settings, network, num_steps, batch, seed)
            figures = run_trainer(
                network, dataset, collate, plan, run.artifact, device=device, callbacks=[measure, *callbacks],
                tokens_of_step=lambda step: settings.batch_tokens, what="pretraining", progress=progress,
            )  # fmt: skip
            save_model(network, tokenizer, out)
            drop_checkpoints(run.artifact)
            if is_main():
                run.artifact.counts |= {
                    "parameters": num_parameters(network), "tokens": num_steps * settings.batch_tokens, **figures,
                    **_last_perplexities(run.artifact.path),
                }  # fmt: skip
    assert run.manifest is not None
    return run.manifest


def collator(end_id: int | None) -> Callable[[Sequence[torch.Tensor]], dict[str, torch.Tensor]]:
    """A collate function: `input_ids` and `labels`, int64 [rows, tokens]; rows shorter than the longest are filled with
    tokens that are no target.

    With `end_id`, also `position_ids` that restart after each end token; without an attention mask that tells
    transformers to keep documents apart. The first token of a document is then no target: nothing before it is seen.
    """

    def collate(rows: Sequence[torch.Tensor]) -> dict[str, torch.Tensor]:
        ids_BT = torch.nn.utils.rnn.pad_sequence(list(rows), batch_first=True)
        labels_BT = torch.nn.utils.rnn.pad_sequence(list(rows), batch_first=True, padding_value=IGNORED)
        if end_id is None:
            return {"input_ids": ids_BT, "labels": labels_BT}
        positions_BT = torch.from_numpy(document_positions(ids_BT.numpy(), end_id))
        return {
            "input_ids": ids_BT, "position_ids": positions_BT,
            "labels": labels_BT.masked_fill(positions_BT == 0, IGNORED),
        }  # fmt: skip

    return collate


def held_out_rows(packed: PackedTokens, max_tokens: int) -> dict[str, list[torch.Tensor]]:
    """Held-out tokens of each source cut into sequences, int64 [tokens]; a last one of a single token has no target and
    is left out."""
    found = {}
    for name in packed.sources:
        tokens = torch.from_numpy(packed.held_out(name, max_tokens))
        found[name] = [row for row in tokens.split(packed.context_tokens) if len(row) > 1]
    return found


def _network(model: ModelSettings, tokenizer: Folder, init: Folder | None, seed: int) -> PreTrainedModel:
    vocab_size = max(load_tokenizer(tokenizer).get_vocab().values()) + 1
    if init is None:
        network = build_model(model, vocab_size, seed, tokenizer)
    else:
        network = load_model(init, "cpu", trust_remote_code=model.trust_remote_code).float()
    known = network.config.get_text_config().vocab_size
    if known < vocab_size:
        raise ModelError(f"{init} knows {known} tokens, the tokenizer has {vocab_size}: use the model's own tokenizer")
    return network.train()


def _plan(settings: PretrainSettings, network: PreTrainedModel, num_steps: int, batch: int, seed: int) -> TrainingPlan:
    execution = Execution(
        settings.precision, settings.gradient_checkpointing, settings.torch_compile, settings.fsdp,
        flops_per_token(network, settings.context_tokens), settings.device_peak_flops,
    )  # fmt: skip
    return TrainingPlan(
        num_steps, batch, min(batch, settings.micro_batch_sequences), settings.peak_learning_rate,
        lambda step: multi_step_factor(step, num_steps, settings), settings.beta1, settings.beta2,
        settings.weight_decay, settings.max_grad_norm, settings.save_steps, seed, execution,
    )  # fmt: skip


def _model_identity(model: ModelSettings) -> dict[str, Any]:
    if not model.config_file:
        return model.model_dump(exclude={"config_file", "trust_remote_code"})
    return {"config": foreign_config(model).to_dict()}


def _last_perplexities(out: Folder) -> dict[str, float]:
    rows = read_table(out / "held_out.parquet").to_pylist()
    return {f"held_out_perplexity_{row['source']}": round(row["perplexity"], 4) for row in rows}


def _check_tokens(dataset: PackedDataset, needed: int, settings: PretrainSettings, tokens: Folder) -> None:
    packed = dataset.packed
    if packed.context_tokens != settings.context_tokens or len(packed) < needed:
        raise ModelError(
            f"{tokens} holds {len(packed)} sequences of {packed.context_tokens} tokens, training needs {needed} of "
            f"{settings.context_tokens}: pack the tokens again with these settings"
        )
