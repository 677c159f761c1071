"""The outcome reward model: the base model with a scalar head that says how likely a solution is right (section 4.2).

Trained on solutions that the SFT model samples and the grader labels, with binary cross-entropy on the score of the
last token. The paper says only that it starts from the base model at learning rate 2e-5 and that its data are made as
in Math-Shepherd; head and loss are our choice. The folder loads with AutoModelForSequenceClassification (one label).

Writes the model, metrics.parquet (see training.trainer) and solutions.parquet (SOLUTION_SCHEMA).
"""

from collections.abc import Sequence
from random import Random
from typing import Any

import numpy as np
import pyarrow as pa
import torch
import torch.nn.functional as F
from transformers import AutoModelForSequenceClassification, PreTrainedModel

from ..grading.answers import ANSWERS_VERSION
from ..progress import SILENT, Progress
from ..recipe.schema import RewardModelSettings
from ..storage import Artifact, Folder, Manifest, read_table, stage
from ..tokens.inputs import stage_input
from ..tokens.tokenizer import load_tokenizer, special_ids
from ..training.models import be_quiet, load_model, local_path, save_model, to_device
from ..training.schedule import constant_factor
from ..training.sft import EpochDataset
from ..training.trainer import TrainingPlan, drop_checkpoints, run_trainer
from .questions import load_questions
from .rewards import Grader, grade_completions
from .rollout import Sequences, micro_batches, sample_groups, to_sequences

REWARD_MODEL_VERSION = f"1/answers {ANSWERS_VERSION}"
"""1 (2026-11): first version."""

SOLUTION_SCHEMA = pa.schema(
    [
        pa.field("problem_id", pa.string(), nullable=False),
        pa.field("solution", pa.string(), nullable=False),  # as sampled from the SFT model
        pa.field("prompt_ids", pa.list_(pa.int32()), nullable=False),
        pa.field("completion_ids", pa.list_(pa.int32()), nullable=False),
        pa.field("is_correct", pa.bool_(), nullable=False),
        pa.field("held_out", pa.bool_(), nullable=False),  # measured on, never trained on
    ]
)


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

    Counts: solutions, share of correct ones, and on held-out questions accuracy, the accuracy of always guessing the
    commoner class, and AUC (None when only one class occurs).
    """
    identity = {**settings.model_dump(exclude={"micro_batch_examples", "save_steps"}), "seed": seed}
    inputs = {"sft": stage_input(sft), "base": stage_input(base), "problems": stage_input(problems)}
    with stage(out, "reward_model", REWARD_MODEL_VERSION, identity, inputs) as run:
        if run.artifact:
            solutions = _sample_solutions(run.artifact, sft, problems, settings, seed, grade, device, progress)
            torch.manual_seed(seed)
            be_quiet()  # the new head is reported as missing weights
            model = AutoModelForSequenceClassification.from_pretrained(local_path(base), num_labels=1)
            trained = [row for row in solutions if not row["held_out"]]
            num_steps = max(1, round(len(trained) * settings.num_epochs / settings.batch_examples))
            plan = TrainingPlan(
                num_steps, settings.batch_examples, min(settings.batch_examples, settings.micro_batch_examples),
                settings.learning_rate, constant_factor, settings.beta1, settings.beta2, settings.weight_decay,
                settings.max_grad_norm, settings.save_steps, seed,
            )  # fmt: skip
            dataset = EpochDataset(trained, num_steps * settings.batch_examples, seed)
            pad = model.config.pad_token_id
            figures = run_trainer(
                model, dataset, lambda rows: _collate(rows, pad), plan, run.artifact, device=device,
                callbacks=callbacks, loss=_loss, what="reward model", progress=progress,
            )  # fmt: skip
            save_model(model, base, out)
            drop_checkpoints(run.artifact)
            held_out = [row for row in solutions if row["held_out"]]
            run.artifact.counts |= {**_measure(model.eval(), held_out, settings.micro_batch_examples), **figures}
            run.artifact.counts["solutions"] = len(solutions)
            run.artifact.counts["correct_share"] = round(float(np.mean([r["is_correct"] for r in solutions])), 4)
    assert run.manifest is not None
    return run.manifest


def load_reward_model(folder: Folder, device: str = "") -> PreTrainedModel:
    """The scorer in evaluation mode."""
    model = AutoModelForSequenceClassification.from_pretrained(local_path(folder), num_labels=1)
    return to_device(model, device).eval()


@torch.inference_mode()
def score_sequences(model: PreTrainedModel, sequences: Sequences, batch_rows: int = 256) -> list[float]:
    """The probability (0-1) that each completion is right."""
    device = next(model.parameters()).device
    scores = [0.0] * len(sequences)
    for rows in micro_batches(sequences, batch_rows):
        batch = _pad([sequences.prompts[i] + sequences.completions[i] for i in rows], model.config.pad_token_id)
        logits_B = model(**{name: tensor.to(device) for name, tensor in batch.items()}).logits[:, 0]
        for i, value in zip(rows, torch.sigmoid(logits_B.float()).tolist(), strict=True):
            scores[i] = value
    return scores


def area_under_curve(scores: Sequence[float], labels: Sequence[bool]) -> float | None:
    """Probability that a right solution scores above a wrong one, ties counting half; None with one class only."""
    right = np.array([s for s, label in zip(scores, labels, strict=True) if label])
    wrong = np.sort([s for s, label in zip(scores, labels, strict=True) if not label])
    if not len(right) or not len(wrong):
        return None
    below = np.searchsorted(wrong, right, "left")
    at_most = np.searchsorted(wrong, right, "right")
    return float((below + at_most).mean() / 2 / len(wrong))


def _sample_solutions(
    artifact: Artifact, sft: Folder, problems: Folder, settings: RewardModelSettings, seed: int,
    grade: Grader | None, device: str, progress: Progress,
) -> list[dict[str, Any]]:  # fmt: skip
    """Graded samples of the SFT model; kept as a shard, so a killed training does not sample again."""

    def make() -> tuple[pa.Table, dict[str, Any]]:
        tokenizer = load_tokenizer(sft)
        end, pad = special_ids(tokenizer, sft)
        questions = load_questions(problems)
        Random(f"{seed}:reward_model:questions").shuffle(questions)
        questions = questions[: settings.num_questions]
        progress.log(f"sampling {settings.samples_per_question} solutions of {len(questions)} problems")
        groups = sample_groups(
            load_model(sft, device), tokenizer, questions, group_size=settings.samples_per_question,
            max_completion_tokens=settings.max_completion_tokens, temperature=settings.temperature,
            end_id=end, pad_id=pad, seed=seed,
        )  # fmt: skip
        grades = grade_completions(questions, groups, grade)
        sequences = to_sequences(tokenizer, questions, groups)
        num_held_out = max(1, round(len(questions) * settings.held_out_share))
        rows = []
        for n, (question, group, row) in enumerate(zip(questions, groups, grades, strict=True)):
            for k, (completion, verdict) in enumerate(zip(group, row, strict=True)):
                i = n * settings.samples_per_question + k
                rows.append(
                    {
                        "problem_id": question.id, "solution": completion.text, "prompt_ids": sequences.prompts[i],
                        "completion_ids": sequences.completions[i], "is_correct": verdict.is_correct,
                        "held_out": n < num_held_out,
                    }
                )  # fmt: skip
        return pa.Table.from_pylist(rows, schema=SOLUTION_SCHEMA), {}

    artifact.shard("solutions", artifact.key, make)
    return read_table(artifact.path / "solutions.parquet").to_pylist()


def _pad(rows: Sequence[list[int]], pad_id: int) -> dict[str, torch.Tensor]:
    width = max(map(len, rows))
    ids_BT = torch.full((len(rows), width), pad_id)
    mask_BT = torch.zeros((len(rows), width), dtype=torch.long)
    for b, row in enumerate(rows):
        ids_BT[b, : len(row)], mask_BT[b, : len(row)] = torch.tensor(row), 1
    return {"input_ids": ids_BT, "attention_mask": mask_BT}


def _collate(rows: Sequence[dict[str, Any]], pad_id: int) -> dict[str, torch.Tensor]:
    batch = _pad([row["prompt_ids"] + row["completion_ids"] for row in rows], pad_id)
    return {**batch, "labels": torch.tensor([float(row["is_correct"]) for row in rows])}


def _loss(outputs: Any, labels_B: torch.Tensor, num_items_in_batch: Any = None) -> torch.Tensor:
    losses = F.binary_cross_entropy_with_logits(outputs.logits[:, 0].float(), labels_B, reduction="sum")
    return losses / (len(labels_B) if num_items_in_batch is None else num_items_in_batch)


def _measure(model: PreTrainedModel, rows: Sequence[dict[str, Any]], batch_rows: int) -> dict[str, Any]:
    sequences = Sequences([r["prompt_ids"] for r in rows], [r["completion_ids"] for r in rows])
    scores = score_sequences(model, sequences, batch_rows)
    labels = [row["is_correct"] for row in rows]
    right_share = float(np.mean(labels))
    auc = area_under_curve(scores, labels)
    return {
        "held_out_solutions": len(rows),
        "held_out_accuracy": round(float(np.mean([(s > 0.5) == y for s, y in zip(scores, labels, strict=True)])), 4),
        "held_out_majority_accuracy": round(max(right_share, 1 - right_share), 4),
        "held_out_auc": None if auc is None else round(auc, 4),
    }
