"""GRPO training: Algorithm 1 of the paper with one iteration and outcome supervision (section 4.1).

For every step: sample a group of completions for each question with the policy, reward them, turn rewards into
group-relative advantages, and update the policy mu times against the frozen reference (the model it started from).
Runs on one device. Checkpoints hold model, optimizer, random state and figures; a killed run goes on from the last one
and ends with the same weights.

Writes a Hugging Face model folder, metrics.parquet (METRICS_SCHEMA) and samples/*.parquet (SAMPLE_SCHEMA: every
completion with its reward).
"""

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import torch
from tokenizers import Tokenizer
from transformers import PreTrainedModel

from ..grading.answers import ANSWERS_VERSION
from ..progress import SILENT, Progress
from ..recipe.schema import RlSettings
from ..records import Completion, Grade, Problem
from ..storage import Artifact, Folder, Manifest, remove, stage, write_table
from ..tokens.inputs import stage_input
from ..tokens.tokenizer import load_tokenizer, special_ids
from ..training.models import load_model, local_path, save_model
from ..training.schedule import linear_tail_factor
from .advantage import outcome_advantages, without_spread
from .objective import grpo_loss
from .questions import load_questions, questions_of_step
from .reward_model import load_reward_model, score_sequences
from .rewards import Grader, grade_completions, mix_rewards, rule_rewards
from .rollout import Sequences, completion_logprobs, micro_batches, sample_groups, sampler_gap, to_sequences

GRPO_VERSION = f"1/answers {ANSWERS_VERSION}"
"""1 (2026-11): first version."""

METRICS_SCHEMA = pa.schema(
    [
        pa.field("step", pa.int64(), nullable=False),  # exploration stages done, from 1
        pa.field("reward", pa.float64(), nullable=False),  # mean over the step's completions
        pa.field("correct_share", pa.float64(), nullable=False),  # 0-1, by the grader
        pa.field("model_reward", pa.float64()),  # mean probability by the reward model
        pa.field("kl", pa.float64(), nullable=False),  # mean k3 to the reference, nats a token
        pa.field("clip_share", pa.float64(), nullable=False),  # of tokens, 0-1, mean over the mu updates
        pa.field("mean_logprob", pa.float64(), nullable=False),  # of sampled tokens: minus the entropy's estimate
        pa.field("completion_tokens", pa.float64(), nullable=False),  # mean length
        pa.field("truncated_share", pa.float64(), nullable=False),  # completions cut off, 0-1
        pa.field("no_spread_share", pa.float64(), nullable=False),  # groups with equal rewards, 0-1
        pa.field("grad_norm", pa.float64(), nullable=False),  # before clipping, mean over the mu updates
        pa.field("sampler_gap", pa.float64(), nullable=False),  # largest log-probability difference to the sampler
        pa.field("rollout_seconds", pa.float64(), nullable=False),
        pa.field("reward_seconds", pa.float64(), nullable=False),
        pa.field("update_seconds", pa.float64(), nullable=False),
    ]
)

SAMPLE_SCHEMA = pa.schema(
    [
        pa.field("step", pa.int64(), nullable=False),
        pa.field("problem_id", pa.string(), nullable=False),
        pa.field("sample", pa.int32(), nullable=False),  # number in the group, from 0
        pa.field("completion", pa.string(), nullable=False),
        pa.field("answer", pa.string(), nullable=False),  # as extracted by the grader
        pa.field("verdict", pa.string(), nullable=False),
        pa.field("reward", pa.float64(), nullable=False),
        pa.field("advantage", pa.float64(), nullable=False),
        pa.field("num_tokens", pa.int32(), nullable=False),
        pa.field("finish", pa.string(), nullable=False),
    ]
)


@dataclass
class GrpoState:
    """What a run carries from step to step."""

    policy: PreTrainedModel
    reference: PreTrainedModel
    reward_model: PreTrainedModel | None
    optimizer: torch.optim.Optimizer
    tokenizer: Tokenizer
    end_id: int
    pad_id: int
    step: int = 0
    """Exploration stages done."""
    metrics: list[dict[str, Any]] = field(default_factory=list)
    samples: list[dict[str, Any]] = field(default_factory=list)
    """Since the last checkpoint."""


@dataclass(frozen=True, slots=True)
class Batch:
    """One exploration stage: sampled, graded, rewarded."""

    sequences: Sequences
    groups: list[list[Completion]]
    grades: list[list[Grade]]
    model_rewards: list[list[float]] | None
    rewards_BG: torch.Tensor
    advantages_BG: torch.Tensor
    rollout_seconds: float
    reward_seconds: float


def train_grpo(
    sft: Folder,
    reward_model: Folder | None,
    problems: Folder,
    out: Folder,
    settings: RlSettings,
    seed: int,
    *,
    grade: Grader | None = None,
    device: str = "",
    after_step: Callable[[int, dict[str, Any]], None] | None = None,
    progress: Progress = SILENT,
) -> Manifest:
    """Train the model in `sft` on the questions of `problems`.

    `reward_model` is needed when `model_reward_weight` is positive and not asked otherwise.
    `after_step(step, metrics)` is called after every step, before its checkpoint. Counts: the last step's figures and
    the mean reward of the first and last ten steps. Raises ValueError when batch and group size do not fit.
    """
    if settings.batch_completions % settings.group_size:
        raise ValueError(
            f"rl.batch_completions={settings.batch_completions} is no multiple of rl.group_size={settings.group_size}"
        )
    inputs = {"sft": stage_input(sft), "problems": stage_input(problems)}
    if reward_model is not None:
        inputs["reward_model"] = stage_input(reward_model)
    identity = {**settings.model_dump(exclude={"micro_batch_completions", "save_steps"}), "seed": seed}
    with stage(out, "rl_model", GRPO_VERSION, identity, inputs) as run:
        if run.artifact:
            questions = load_questions(problems)
            state = _start(sft, reward_model, settings, device)
            _resume(state, run.artifact, progress)
            while state.step < settings.num_steps:
                _one_step(state, questions, settings, seed, grade)
                if after_step:
                    after_step(state.step, state.metrics[-1])
                last = state.metrics[-1]
                note = f"correct {last['correct_share']:.3f} kl {last['kl']:.4f}"
                progress.update("reinforcement learning", state.step, settings.num_steps, note)
                if state.step % settings.save_steps == 0 or state.step == settings.num_steps:
                    _checkpoint(state, run.artifact)
            save_model(state.policy, sft, out)
            run.artifact.write_table("metrics.parquet", pa.Table.from_pylist(state.metrics, schema=METRICS_SCHEMA))
            _checkpoint_file(run.artifact).unlink(missing_ok=True)
            _count(run.artifact, state, settings)
    assert run.manifest is not None
    return run.manifest


def _start(sft: Folder, reward_model: Folder | None, settings: RlSettings, device: str) -> GrpoState:
    policy, reference = load_model(sft, device), load_model(sft, device).requires_grad_(False)
    for module in policy.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0  # sampled and trained log-probabilities must agree
    optimizer = torch.optim.AdamW(
        policy.parameters(), settings.learning_rate, (settings.beta1, settings.beta2),
        weight_decay=settings.weight_decay,
    )  # fmt: skip
    tokenizer = load_tokenizer(sft)
    end, pad = special_ids(tokenizer, sft)
    scorer = None if reward_model is None else load_reward_model(reward_model, device)
    return GrpoState(policy, reference, scorer, optimizer, tokenizer, end, pad)


def _one_step(
    state: GrpoState, questions: list[Problem], settings: RlSettings, seed: int, grade: Grader | None
) -> None:
    """One exploration stage and its updates; appends to the state's metrics and samples."""
    num_questions = settings.batch_completions // settings.group_size
    chosen = questions_of_step(questions, state.step, num_questions, seed)
    batch = _explore(state, chosen, settings, seed, grade)
    started = time.perf_counter()
    figures = _update(state, batch, settings)
    state.step += 1
    completions = [completion for group in batch.groups for completion in group]
    grades = [verdict for row in batch.grades for verdict in row]
    model_rewards = [value for row in batch.model_rewards or [] for value in row]
    state.metrics.append(
        {
            "step": state.step,
            "reward": float(batch.rewards_BG.mean()),
            "correct_share": sum(verdict.is_correct for verdict in grades) / len(grades),
            "model_reward": sum(model_rewards) / len(model_rewards) if model_rewards else None,
            "completion_tokens": sum(len(c.token_ids) for c in completions) / len(completions),
            "truncated_share": sum(c.finish == "length" for c in completions) / len(completions),
            "no_spread_share": float(without_spread(batch.rewards_BG).float().mean()),
            **figures,
            "rollout_seconds": batch.rollout_seconds,
            "reward_seconds": batch.reward_seconds,
            "update_seconds": time.perf_counter() - started,
        }
    )
    state.samples += _sample_rows(state.step, chosen, batch)


def _explore(
    state: GrpoState, chosen: list[Problem], settings: RlSettings, seed: int, grade: Grader | None
) -> Batch:  # fmt: skip
    started = time.perf_counter()
    groups = sample_groups(
        state.policy, state.tokenizer, chosen, group_size=settings.group_size,
        max_completion_tokens=settings.max_completion_tokens, temperature=settings.temperature,
        end_id=state.end_id, pad_id=state.pad_id, seed=seed * 1_000_003 + state.step,
    )  # fmt: skip
    sampled = time.perf_counter()
    sequences = to_sequences(state.tokenizer, chosen, groups)
    grades = grade_completions(chosen, groups, grade)
    model_rewards = None
    if state.reward_model is not None and settings.model_reward_weight > 0:
        scores = score_sequences(state.reward_model, sequences)
        size = settings.group_size
        model_rewards = [scores[n * size : (n + 1) * size] for n in range(len(groups))]
    rewards_BG = torch.tensor(mix_rewards(rule_rewards(grades), model_rewards, settings))
    return Batch(
        sequences, groups, grades, model_rewards, rewards_BG, outcome_advantages(rewards_BG, settings.std_epsilon),
        sampled - started, time.perf_counter() - sampled,
    )  # fmt: skip


def _update(state: GrpoState, batch: Batch, settings: RlSettings) -> dict[str, float]:
    """mu updates of the policy on one batch; returns their figures."""
    device = next(state.policy.parameters()).device
    advantages_B = batch.advantages_BG.flatten().to(device)
    sampled = [completion.logprobs for group in batch.groups for completion in group]
    parts = list(micro_batches(batch.sequences, settings.micro_batch_completions))
    fixed: dict[int, tuple[torch.Tensor, torch.Tensor]] = {}  # old and reference log-probabilities by micro-batch
    totals = {"kl": 0.0, "clip_share": 0.0, "mean_logprob": 0.0, "grad_norm": 0.0}
    gap = 0.0
    for group in state.optimizer.param_groups:
        factor = linear_tail_factor(state.step, settings.num_steps, settings.decay_from)
        group["lr"] = settings.learning_rate * factor
    state.policy.train()
    for _ in range(settings.updates_per_exploration):
        state.optimizer.zero_grad()
        for n, rows in enumerate(parts):
            policy_BT, mask_BT = completion_logprobs(
                state.policy, batch.sequences, rows, settings.temperature, state.pad_id
            )
            if n not in fixed:
                # Before the first update the policy is the old policy: no second forward pass is needed.
                with torch.no_grad():
                    reference_BT, _ = completion_logprobs(
                        state.reference, batch.sequences, rows, settings.temperature, state.pad_id
                    )
                fixed[n] = policy_BT.detach(), reference_BT
                gap = max(gap, sampler_gap(policy_BT, mask_BT, [sampled[i] for i in rows]))
            old_BT, reference_BT = fixed[n]
            found = grpo_loss(
                policy_BT, old_BT, reference_BT, advantages_B[rows], mask_BT, len(batch.sequences),
                clip_range=settings.clip_range, kl_coefficient=settings.kl_coefficient,
            )  # fmt: skip
            found.loss.backward()
            for name in ("kl", "clip_share", "mean_logprob"):
                totals[name] += getattr(found, name)
        norm = torch.nn.utils.clip_grad_norm_(state.policy.parameters(), settings.max_grad_norm)
        totals["grad_norm"] += float(norm)
        state.optimizer.step()
    state.policy.eval()
    return {name: value / settings.updates_per_exploration for name, value in totals.items()} | {"sampler_gap": gap}


def _sample_rows(step: int, chosen: Sequence[Problem], batch: Batch) -> list[dict[str, Any]]:
    rows = []
    for b, (problem, group) in enumerate(zip(chosen, batch.groups, strict=True)):
        for g, completion in enumerate(group):
            verdict = batch.grades[b][g]
            rows.append(
                {
                    "step": step, "problem_id": problem.id, "sample": g, "completion": completion.text,
                    "answer": verdict.answer, "verdict": verdict.verdict.value,
                    "reward": float(batch.rewards_BG[b, g]), "advantage": float(batch.advantages_BG[b, g]),
                    "num_tokens": len(completion.token_ids), "finish": completion.finish,
                }
            )  # fmt: skip
    return rows


# --- checkpoints


def _checkpoint_file(artifact: Artifact) -> Any:
    return local_path(artifact.path) / "_checkpoint.pt"


def _checkpoint(state: GrpoState, artifact: Artifact) -> None:
    """Samples first, then one file that replaces the last checkpoint in a single rename."""
    table = pa.Table.from_pylist(state.samples, schema=SAMPLE_SCHEMA)
    write_table(artifact.path / "samples" / f"until-{state.step:06d}.parquet", table)
    state.samples.clear()
    file = _checkpoint_file(artifact)
    temporary = file.with_suffix(".tmp")
    content = {
        "key": artifact.key, "step": state.step, "metrics": state.metrics, "policy": state.policy.state_dict(),
        "optimizer": state.optimizer.state_dict(), "random_state": torch.get_rng_state(),
    }  # fmt: skip
    torch.save(content, temporary)
    os.replace(temporary, file)


def _resume(state: GrpoState, artifact: Artifact, progress: Progress) -> None:
    """Load the checkpoint of a killed run with the same key; clear what a run with another key left."""
    file = _checkpoint_file(artifact)
    content = torch.load(file, map_location="cpu", weights_only=True) if file.exists() else {}
    if content.get("key") != artifact.key:
        remove(artifact.path / "samples")
        return
    state.step, state.metrics = content["step"], content["metrics"]
    state.policy.load_state_dict(content["policy"])
    state.optimizer.load_state_dict(content["optimizer"])
    torch.set_rng_state(content["random_state"])
    progress.log(f"resuming after step {state.step}")


def _count(artifact: Artifact, state: GrpoState, settings: RlSettings) -> None:
    rewards = [row["correct_share"] for row in state.metrics]
    first, last = rewards[:10], rewards[-10:]
    artifact.counts |= {
        "steps": state.step, "completions": state.step * settings.batch_completions,
        "first_correct_share": round(sum(first) / len(first), 4), "last_correct_share": round(sum(last) / len(last), 4),
        "last_kl": round(state.metrics[-1]["kl"], 5),
        "truncated_share": round(state.metrics[-1]["truncated_share"], 4),
        "no_spread_share": round(state.metrics[-1]["no_spread_share"], 4),
        "max_sampler_gap": max(row["sampler_gap"] for row in state.metrics),
        "seconds": round(sum(r["rollout_seconds"] + r["reward_seconds"] + r["update_seconds"] for r in state.metrics)),
    }  # fmt: skip
