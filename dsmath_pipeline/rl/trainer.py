"""Reinforcement learning: Algorithm 1 of the paper (section 4.1), for GRPO and every other method of the paradigm.

    for iteration = 1 .. I:         reference := policy
        for step = 1 .. M:          sample a group of completions for each question, reward them,
                                    update the policy mu times (methods/)
        retrain the reward model with a replay of earlier data

The reference of the first iteration is the SFT model. After the last iteration nothing is retrained: nothing would use
it. Runs on one device. A killed run goes on from its last checkpoint (checkpoint.py) and ends with the same weights.

Writes a Hugging Face model folder, metrics.parquet (METRICS_SCHEMA) and samples/*.parquet (SAMPLE_SCHEMA: every
completion with its reward).
"""

import contextlib
import time
from collections.abc import Callable
from typing import Any

import pyarrow as pa
import torch

from ..grading.answers import ANSWERS_VERSION
from ..grading.sandbox import Sandbox
from ..progress import SILENT, Progress
from ..recipe.schema import RlSettings
from ..records import Problem
from ..storage import Artifact, ArtifactError, Folder, Manifest, stage
from ..tokens.inputs import stage_input
from ..tokens.tokenizer import load_tokenizer, special_ids
from ..training.models import load_model, save_model
from .advantage import without_spread
from .checkpoint import checkpoint_file, resume, save_checkpoint
from .collapse import collapse_signs
from .explore import explore, held_out_share
from .learner import Batch, Learner, Phases
from .methods.base import Method
from .methods.registry import method as new_method
from .questions import load_questions, questions_of_step, split_held_out
from .replay import finish_iteration
from .reward_model import is_process_model, load_reward_model
from .rewards import Grader, format_rewards

RL_VERSION = f"5/answers {ANSWERS_VERSION}"
"""5 (2026-11): TRPO damps, radius falls. 4 (2026-11): samples by the inverse distribution function. 3 (2026-11): step
and outcome advantages normalised apart. 2 (2026-11): methods, iterations. 1 (2026-11): first version."""

METRICS_SCHEMA = pa.schema(
    [
        pa.field("step", pa.int64(), nullable=False),  # exploration stages done, from 1
        pa.field("iteration", pa.int64(), nullable=False),  # from 1
        pa.field("reward", pa.float64(), nullable=False),  # mean over the step's completions
        pa.field("correct_share", pa.float64(), nullable=False),  # 0-1, by the grader
        pa.field("held_out_correct", pa.float64()),  # 0-1, greedy, of the policy before this step's update
        pa.field("model_reward", pa.float64()),  # mean probability by the reward model (of the worst step)
        pa.field("format_share", pa.float64(), nullable=False),  # ended by itself with a boxed answer, 0-1
        pa.field("kl", pa.float64(), nullable=False),  # mean k3 to the reference, nats a token
        pa.field("clip_share", pa.float64(), nullable=False),  # of tokens, 0-1, mean over the mu updates
        pa.field("mean_logprob", pa.float64(), nullable=False),  # of the tokens trained on, under the policy
        pa.field("entropy", pa.float64(), nullable=False),  # of the sampler, estimated from its tokens, nats a token
        pa.field("completion_tokens", pa.float64(), nullable=False),  # mean length
        pa.field("truncated_share", pa.float64(), nullable=False),  # completions cut off, 0-1
        pa.field("no_spread_share", pa.float64(), nullable=False),  # groups with equal rewards, 0-1
        pa.field("grad_norm", pa.float64(), nullable=False),  # before clipping, mean over the mu updates
        pa.field("sampler_gap", pa.float64(), nullable=False),  # largest log-probability difference to the sampler
        pa.field("value_loss", pa.float64()),  # PPO
        pa.field("preference_accuracy", pa.float64()),  # DPO: pairs with a positive margin, 0-1
        pa.field("step_kl", pa.float64()),  # TRPO: exact divergence of the step, nats a token; 0: refused
        pa.field("rollout_seconds", pa.float64(), nullable=False),
        pa.field("reward_seconds", pa.float64(), nullable=False),
        pa.field("update_seconds", pa.float64(), nullable=False),
        pa.field("checkpoint_seconds", pa.float64(), nullable=False),  # 0 where none was written
    ]
)

SAMPLE_SCHEMA = pa.schema(
    [
        pa.field("step", pa.int64(), nullable=False),
        pa.field("problem_id", pa.string(), nullable=False),
        pa.field("sample", pa.int32(), nullable=False),  # number in the group, from 0
        pa.field("completion", pa.string(), nullable=False),
        pa.field("token_ids", pa.list_(pa.int32()), nullable=False),
        pa.field("answer", pa.string(), nullable=False),  # as extracted by the grader
        pa.field("verdict", pa.string(), nullable=False),
        pa.field("reward", pa.float64(), nullable=False),
        pa.field("step_rewards", pa.list_(pa.float64()), nullable=False),  # process supervision, else empty
        pa.field("advantage", pa.float64(), nullable=False),  # or the method's weight; a mean where tokens differ
        pa.field("num_tokens", pa.int32(), nullable=False),
        pa.field("finish", pa.string(), nullable=False),
    ]
)


def train_rl(
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
    on_phase: Phases | None = None,
    progress: Progress = SILENT,
) -> Manifest:
    """Train the model in `sft` on the questions of `problems` by `settings.method`.

    `reward_model` is needed when `model_reward_weight` is positive, and must be a process model for process
    supervision. `after_step(step, metrics)` is called after every step, before its checkpoint; `on_phase` see Phases.
    Counts: the last step's figures, the mean reward of the first and last ten steps, signs of collapse. Raises
    ValueError when batch and group size do not fit, or reward model and method do not.
    """
    method = new_method(settings.method)
    _check(settings, method, reward_model)
    inputs = {"sft": stage_input(sft), "problems": stage_input(problems)}
    if reward_model is not None:
        inputs["reward_model"] = stage_input(reward_model)
    identity = {**settings.model_dump(exclude={"micro_batch_completions", "save_steps"}), "seed": seed}
    with stage(out, "rl_model", RL_VERSION, identity, inputs) as run, contextlib.ExitStack() as opened:
        if run.artifact:
            questions, held_out = split_held_out(load_questions(problems), settings.held_out_questions)
            learner = _start(sft, reward_model, settings, seed, device)
            method.start(learner, sft, device)
            resume(learner, method, run.artifact, progress)
            sandbox = opened.enter_context(Sandbox()) if settings.solution == "tool" else None
            warned: set[str] = set()
            while learner.step < learner.num_steps:
                if learner.step == (learner.iterations_done + 1) * settings.num_steps:
                    finish_iteration(learner, questions, run.artifact.path / "samples", reward_model, grade, progress)
                    learner.iterations_done += 1
                _one_step(learner, method, questions, held_out, grade, sandbox, on_phase)
                if after_step:
                    after_step(learner.step, learner.metrics[-1])
                _report(learner, progress, warned)
                if learner.step % settings.save_steps == 0 or learner.step % settings.num_steps == 0:
                    started = time.perf_counter()
                    save_checkpoint(learner, method, run.artifact, SAMPLE_SCHEMA, on_phase)
                    learner.metrics[-1]["checkpoint_seconds"] = time.perf_counter() - started
            save_model(learner.policy, sft, out)
            run.artifact.write_table("metrics.parquet", pa.Table.from_pylist(learner.metrics, schema=METRICS_SCHEMA))
            checkpoint_file(run.artifact).unlink(missing_ok=True)
            _count(run.artifact, learner)
            if held_out:
                run.artifact.counts["held_out_correct"] = round(held_out_share(learner, held_out, grade), 4)
    assert run.manifest is not None
    return run.manifest


def _check(settings: RlSettings, method: Method, reward_model: Folder | None) -> None:
    if settings.batch_completions % settings.group_size:
        raise ValueError(
            f"rl.batch_completions={settings.batch_completions} is no multiple of rl.group_size={settings.group_size}"
        )
    if reward_model is not None and not (reward_model / "config.json").exists():
        raise ArtifactError(f"no reward model in {reward_model}: run the stage that writes it first")
    is_process = reward_model is not None and is_process_model(reward_model)
    is_used = settings.model_reward_weight > 0 or method.rewards_steps
    if is_used and reward_model is not None and is_process != method.rewards_steps:
        kind = "process" if method.rewards_steps else "outcome"
        raise ValueError(
            f"rl.method={settings.method} needs a reward model of kind {kind}, {reward_model} is another: "
            f"train one with reward_model.kind={kind}"
        )
    if method.rewards_steps and reward_model is None:
        raise ValueError(f"rl.method={settings.method} rewards steps: give a reward model of kind process")
    if method.rewards_steps and settings.solution == "tool":
        raise ValueError("process supervision of tool-integrated completions is not there: use rl.solution=cot")


def _start(sft: Folder, reward_model: Folder | None, settings: RlSettings, seed: int, device: str) -> Learner:
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
    return Learner(policy, reference, scorer, optimizer, tokenizer, end, pad, settings, seed)


def _one_step(
    learner: Learner, method: Method, questions: list[Problem], held_out: list[Problem], grade: Grader | None,
    sandbox: Sandbox | None, on_phase: Phases | None,
) -> None:  # fmt: skip
    """One exploration stage and its updates; appends to the run's metrics and samples."""
    settings, number = learner.settings, learner.step + 1
    is_measured = held_out and learner.step % settings.held_out_steps == 0
    solved = held_out_share(learner, held_out, grade) if is_measured else None
    num_questions = settings.batch_completions // settings.group_size
    chosen = questions_of_step(questions, learner.step, num_questions, learner.seed)
    if on_phase:
        on_phase(number, "rollout")
    batch = explore(
        learner, chosen, samples_from=method.samples_from, rewards_steps=method.rewards_steps, grade=grade,
        sandbox=sandbox,
    )  # fmt: skip
    if on_phase:
        on_phase(number, "update")
    started = time.perf_counter()
    figures, advantages = method.update(learner, batch)
    learner.step = number
    learner.metrics.append(
        {
            "step": number, "iteration": learner.iterations_done + 1, "held_out_correct": solved,
            **_batch_figures(batch), "value_loss": None, "preference_accuracy": None, "step_kl": None, **figures,
            "rollout_seconds": batch.rollout_seconds, "reward_seconds": batch.reward_seconds,
            "update_seconds": time.perf_counter() - started, "checkpoint_seconds": 0.0,
        }
    )  # fmt: skip
    learner.samples += _sample_rows(number, batch, advantages)


def _batch_figures(batch: Batch) -> dict[str, Any]:
    completions = batch.completions
    model_rewards = [value for row in batch.model_rewards or [] for value in row]
    sampled = [value for i in range(len(completions)) for value in batch.sampled_logprobs(i)]
    formats = [value for row in format_rewards(batch.groups) for value in row]
    verdicts = [verdict for row in batch.grades for verdict in row]
    return {
        "reward": float(batch.rewards_BG.mean()),
        "correct_share": sum(verdict.is_correct for verdict in verdicts) / len(verdicts),
        "model_reward": sum(model_rewards) / len(model_rewards) if model_rewards else None,
        "format_share": sum(formats) / len(formats),
        "entropy": -sum(sampled) / max(len(sampled), 1),
        "completion_tokens": sum(len(c.token_ids) for c in completions) / len(completions),
        "truncated_share": sum(c.finish == "length" for c in completions) / len(completions),
        "no_spread_share": float(without_spread(batch.rewards_BG).float().mean()),
    }


def _sample_rows(step: int, batch: Batch, advantages: list[float]) -> list[dict[str, Any]]:
    rows = []
    for b, (problem, group) in enumerate(zip(batch.problems, batch.groups, strict=True)):
        for g, completion in enumerate(group):
            verdict, n = batch.grades[b][g], b * len(group) + g
            rows.append(
                {
                    "step": step, "problem_id": problem.id, "sample": g, "completion": completion.text,
                    "token_ids": list(completion.token_ids), "answer": verdict.answer,
                    "verdict": verdict.verdict.value, "reward": float(batch.rewards_BG[b, g]),
                    "step_rewards": batch.step_rewards[n] if batch.step_rewards else [],
                    "advantage": advantages[n], "num_tokens": len(completion.token_ids), "finish": completion.finish,
                }
            )  # fmt: skip
    return rows


def _report(learner: Learner, progress: Progress, warned: set[str]) -> None:
    """Progress, and a line in the log for every new sign of collapse."""
    last = learner.metrics[-1]
    note = f"correct {last['correct_share']:.3f} kl {last['kl']:.4f}"
    progress.update("reinforcement learning", learner.step, learner.num_steps, note)
    for sign in collapse_signs(learner.metrics):
        kind = sign.split()[0]
        if kind not in warned:
            warned.add(kind)
            progress.log(f"warning, step {learner.step}: {sign}")


def _count(artifact: Artifact, learner: Learner) -> None:
    metrics = learner.metrics
    shares = [row["correct_share"] for row in metrics]
    first, last = shares[:10], shares[-10:]
    times = ("rollout_seconds", "reward_seconds", "update_seconds", "checkpoint_seconds")
    artifact.counts |= {
        "method": learner.settings.method, "steps": learner.step,
        "completions": learner.step * learner.settings.batch_completions,
        "first_correct_share": round(sum(first) / len(first), 4), "last_correct_share": round(sum(last) / len(last), 4),
        "last_kl": round(metrics[-1]["kl"], 5),
        "truncated_share": round(metrics[-1]["truncated_share"], 4),
        "no_spread_share": round(metrics[-1]["no_spread_share"], 4),
        "max_sampler_gap": max(row["sampler_gap"] for row in metrics),
        "seconds": round(sum(row[name] for row in metrics for name in times)),
        "collapse_signs": collapse_signs(metrics),
    }  # fmt: skip
