"""Reward models: the base model with a scalar head (section 4.2).

Outcome: one score for a completion, read at its last token (AutoModelForSequenceClassification, one label). Trained
pointwise, by binary cross-entropy on right and wrong, or pairwise, by -log sigmoid(right - wrong) on two solutions of
one problem. Process: one score for each step, read at the step's last token (AutoModelForTokenClassification, one
label), by binary cross-entropy on the step's label. `reward_data` makes the data.

The paper says only that the model starts from the base model at learning rate 2e-5 and that its data are made as in
Math-Shepherd; heads and losses are our choice. Writes the model, metrics.parquet (see training.trainer) and
solutions.parquet (reward_data.SOLUTION_SCHEMA).
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from transformers import (
    AutoConfig,
    AutoModelForSequenceClassification,
    AutoModelForTokenClassification,
    PreTrainedModel,
)

from ..grading.answers import ANSWERS_VERSION
from ..progress import SILENT, Progress
from ..recipe.schema import RewardModelSettings
from ..storage import Folder, Manifest, stage
from ..tokens.inputs import stage_input
from ..training.models import be_quiet, local_path, save_model, to_device
from ..training.schedule import constant_factor
from ..training.sft import EpochDataset
from ..training.trainer import TrainingPlan, drop_checkpoints, run_trainer
from .reward_data import preference_pairs, sample_solutions
from .reward_measures import measure_outcome, measure_process
from .rewards import Grader
from .rollout import Sequences, micro_batches

REWARD_MODEL_VERSION = f"3/answers {ANSWERS_VERSION}"
"""3 (2026-11): samples by the inverse distribution function. 2 (2026-11): process models, pairwise loss.
1 (2026-11): first version."""

IGNORED = -100.0
"""Label of tokens that end no step."""


def train_reward_model(
    sft: Folder,
    base: Folder,
    problems: Folder,
    out: Folder,
    settings: RewardModelSettings,
    seed: int,
    *,
    grade: Grader | None = None,
    device: str = "",
    callbacks: Sequence[Any] = (),
    progress: Progress = SILENT,
) -> Manifest:
    """Sample solutions of training problems with `sft`, grade them, and train a scorer that starts from `base`.

    Counts: solutions, share of correct ones, and the measures of held-out questions (reward_measures). Raises
    ValueError when a pairwise loss finds no question with right and wrong solutions.
    """
    identity = {**settings.model_dump(exclude={"micro_batch_examples", "save_steps"}), "seed": seed}
    inputs = {"sft": stage_input(sft), "base": stage_input(base), "problems": stage_input(problems)}
    with stage(out, "reward_model", REWARD_MODEL_VERSION, identity, inputs) as run:
        if run.artifact:
            solutions = sample_solutions(
                run.artifact, sft, problems, settings, seed, grade=grade, device=device, progress=progress
            )
            torch.manual_seed(seed)
            model = new_reward_model(base, settings.kind)
            trained = [row for row in solutions if not row["held_out"]]
            examples = _examples(trained, settings, seed)
            num_steps = max(1, round(len(examples) * settings.num_epochs / settings.batch_examples))
            plan = TrainingPlan(
                num_steps, settings.batch_examples, min(settings.batch_examples, settings.micro_batch_examples),
                settings.learning_rate, constant_factor, settings.beta1, settings.beta2, settings.weight_decay,
                settings.max_grad_norm, settings.save_steps, seed,
            )  # fmt: skip
            dataset = EpochDataset(examples, num_steps * settings.batch_examples, seed)
            pad = model.config.pad_token_id
            figures = run_trainer(
                model, dataset, lambda items: collate(items, pad, settings), plan, run.artifact, device=device,
                callbacks=callbacks, loss=loss_of(settings), what="reward model", progress=progress,
            )  # fmt: skip
            save_model(model, base, out)
            drop_checkpoints(run.artifact)
            held_out = [row for row in solutions if row["held_out"]]
            run.artifact.counts |= {**_measure(model.eval(), held_out, settings), **figures}
            run.artifact.counts["solutions"] = len(solutions)
            run.artifact.counts["correct_share"] = round(float(np.mean([r["is_correct"] for r in solutions])), 4)
    assert run.manifest is not None
    return run.manifest


def new_reward_model(base: Folder, kind: str) -> PreTrainedModel:
    """The model in `base` with a new scalar head, without dropout."""
    be_quiet()  # the new head is reported as missing weights
    family = AutoModelForTokenClassification if kind == "process" else AutoModelForSequenceClassification
    model: PreTrainedModel = family.from_pretrained(local_path(base), num_labels=1)
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    return model


def load_reward_model(folder: Folder, device: str = "") -> PreTrainedModel:
    """The scorer in evaluation mode, of either kind."""
    kind = "process" if is_process_model(folder) else "outcome"
    return to_device(new_reward_model(folder, kind), device).eval()


def is_process_model(model: Folder | PreTrainedModel) -> bool:
    """Does it score steps, not completions? Told by the architecture that its configuration names."""
    config = model.config if isinstance(model, PreTrainedModel) else AutoConfig.from_pretrained(local_path(model))
    return any("TokenClassification" in name for name in config.architectures or ())


@torch.inference_mode()
def score_sequences(model: PreTrainedModel, sequences: Sequences, batch_rows: int = 256) -> list[float]:
    """Outcome model: the probability (0-1) that each completion is right."""
    device = next(model.parameters()).device
    scores = [0.0] * len(sequences)
    for rows in micro_batches(sequences, batch_rows):
        batch = _pad([sequences.prompts[i] + sequences.completions[i] for i in rows], model.config.pad_token_id)
        logits_B = model(**{name: tensor.to(device) for name, tensor in batch.items()}).logits[:, 0]
        for i, value in zip(rows, torch.sigmoid(logits_B.float()).tolist(), strict=True):
            scores[i] = value
    return scores


@torch.inference_mode()
def score_steps(
    model: PreTrainedModel, sequences: Sequences, ends: Sequence[Sequence[int]], batch_rows: int = 256
) -> list[list[float]]:
    """Process model: the probability (0-1) of every step, read at its end (a token position in the completion)."""
    device = next(model.parameters()).device
    scores: list[list[float]] = [[] for _ in ends]
    for rows in micro_batches(sequences, batch_rows):
        batch = _pad([sequences.prompts[i] + sequences.completions[i] for i in rows], model.config.pad_token_id)
        logits_BT = model(**{name: tensor.to(device) for name, tensor in batch.items()}).logits[..., 0]
        chances_BT = torch.sigmoid(logits_BT.float()).cpu()
        for b, i in enumerate(rows):
            places = torch.tensor([len(sequences.prompts[i]) + end for end in ends[i]], dtype=torch.long)
            scores[i] = chances_BT[b, places].tolist()
    return scores


# --- examples and losses


def _examples(rows: list[dict[str, Any]], settings: RewardModelSettings, seed: int) -> list[Any]:
    if settings.kind == "process":
        return [row for row in rows if row["step_ends"]]
    if settings.loss == "pointwise":
        return rows
    pairs = preference_pairs(rows, seed)
    if not pairs:
        raise ValueError("no question has right and wrong solutions: sample more, or set reward_model.loss=pointwise")
    return pairs


def collate(items: Sequence[Any], pad_id: int, settings: RewardModelSettings) -> dict[str, torch.Tensor]:
    """A padded batch with labels: [B] right or wrong; [B, T] for steps; [P] ones for pairs, right ones first."""
    is_paired = settings.kind == "outcome" and settings.loss == "pairwise"
    rows = [pair[0] for pair in items] + [pair[1] for pair in items] if is_paired else list(items)
    batch = _pad([row["prompt_ids"] + row["completion_ids"] for row in rows], pad_id)
    if is_paired:
        return {**batch, "labels": torch.ones(len(items))}
    if settings.kind == "outcome":
        return {**batch, "labels": torch.tensor([float(row["is_correct"]) for row in rows])}
    labels_BT = torch.full(batch["input_ids"].shape, IGNORED)
    for b, row in enumerate(rows):
        places = torch.tensor(row["step_ends"], dtype=torch.long) + len(row["prompt_ids"])
        labels_BT[b, places] = torch.tensor(row["step_labels"], dtype=torch.float32)
    return {**batch, "labels": labels_BT}


def loss_of(settings: RewardModelSettings) -> Any:
    """The loss function of `run_trainer` for these settings."""
    if settings.kind == "process":
        return process_loss
    return pairwise_loss if settings.loss == "pairwise" else pointwise_loss


def pointwise_loss(outputs: Any, labels_B: torch.Tensor, num_items_in_batch: Any = None) -> torch.Tensor:
    """Binary cross-entropy, mean over completions."""
    losses = F.binary_cross_entropy_with_logits(outputs.logits[:, 0].float(), labels_B, reduction="sum")
    return losses / (len(labels_B) if num_items_in_batch is None else num_items_in_batch)


def pairwise_loss(outputs: Any, labels_P: torch.Tensor, num_items_in_batch: Any = None) -> torch.Tensor:
    """-log sigmoid(right - wrong), mean over pairs (Bradley and Terry); right ones are the first half of the rows."""
    right_P, wrong_P = outputs.logits[:, 0].float().chunk(2)
    return -F.logsigmoid(right_P - wrong_P).sum() / (
        len(labels_P) if num_items_in_batch is None else num_items_in_batch
    )


def process_loss(outputs: Any, labels_BT: torch.Tensor, num_items_in_batch: Any = None) -> torch.Tensor:
    """Binary cross-entropy with labels from 0 to 1, mean over steps."""
    is_end_BT = labels_BT != IGNORED
    losses = F.binary_cross_entropy_with_logits(
        outputs.logits[..., 0].float()[is_end_BT], labels_BT[is_end_BT], reduction="sum"
    )
    return losses / (is_end_BT.sum() if num_items_in_batch is None else num_items_in_batch)


def _pad(rows: Sequence[list[int]], pad_id: int) -> dict[str, torch.Tensor]:
    width = max(map(len, rows))
    ids_BT = torch.full((len(rows), width), pad_id)
    mask_BT = torch.zeros((len(rows), width), dtype=torch.long)
    for b, row in enumerate(rows):
        ids_BT[b, : len(row)], mask_BT[b, : len(row)] = torch.tensor(row), 1
    return {"input_ids": ids_BT, "attention_mask": mask_BT}


def _measure(model: PreTrainedModel, rows: list[dict[str, Any]], settings: RewardModelSettings) -> dict[str, Any]:
    sequences = Sequences([r["prompt_ids"] for r in rows], [r["completion_ids"] for r in rows])
    size = settings.micro_batch_examples
    if settings.kind == "outcome":
        return measure_outcome(rows, score_sequences(model, sequences, size))
    return measure_process(rows, score_steps(model, sequences, [r["step_ends"] for r in rows], size))
