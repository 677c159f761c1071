"""Our losses beside TRL's own code, called on an object that has only the attributes it reads.

TRL's `_compute_loss` is private, so its version is pinned in constraints.txt; other versions are skipped.
"""

import importlib.util
from collections import defaultdict
from contextlib import nullcontext
from importlib.metadata import version
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from dsmath_pipeline.rl.advantage import align_to_mask, outcome_advantages, process_advantages
from dsmath_pipeline.rl.objective import PAPER, ObjectiveOptions, grpo_loss, mask_truncated
from dsmath_pipeline.rl.preference import dpo_loss
from dsmath_pipeline.rl.rollout import Sequences, completion_logprobs
from tests.rl.random_batch import batch, gradient

TRL = "1.16.0"
HAS_TRL = importlib.util.find_spec("trl") is not None and version("trl") == TRL
pytestmark = [
    pytest.mark.slow,  # TRL takes 9 seconds to import
    pytest.mark.skipif(not HAS_TRL, reason=f"compares with trl {TRL}, which is not installed: pip install '.[dev]'"),
]

ONE_PROCESS = SimpleNamespace(
    device=torch.device("cpu"), num_processes=1, is_main_process=True, gather=lambda x: x,
    gather_for_metrics=lambda x: x, reduce=lambda x, reduction: x, autocast=nullcontext,
)  # fmt: skip


def grpo_trainer(**options: Any) -> Any:
    """What GRPOTrainer._compute_loss reads, at the paper's settings."""
    from trl.trainer.grpo_trainer import GRPOTrainer

    settings = {
        "loss_type": "grpo",
        "beta": 0.04,
        "epsilon": 0.2,
        "epsilon_high": 0.2,
        "bias_correction": False,
    } | options
    trainer = SimpleNamespace(
        args=SimpleNamespace(use_bias_correction_kl=settings["bias_correction"], delta=None, steps_per_generation=1),
        loss_type=settings["loss_type"], beta=settings["beta"], epsilon_low=settings["epsilon"],
        epsilon_high=settings["epsilon_high"], max_completion_length=settings.get("max_completion_length", 5),
        importance_sampling_level="token", current_gradient_accumulation_steps=1, model=SimpleNamespace(training=True),
        aux_loss_enabled=False, top_entropy_quantile=1.0, off_policy_mask_threshold=None, use_vllm=False,
        _entropy_bonus_enabled=False, accelerator=ONE_PROCESS, _metrics={"train": defaultdict(list)},
    )  # fmt: skip
    trainer.loss = lambda model, inputs: GRPOTrainer._compute_loss(trainer, model, inputs)
    return trainer


def trl_grpo(logprobs, old, reference, advantages, mask, **options):
    """TRL's loss of given log-probabilities, in place of those of a model."""
    trainer = grpo_trainer(**options)
    trainer._get_per_token_logps_and_entropies = lambda *_, **__: (logprobs, torch.zeros_like(logprobs), None)
    ids = torch.zeros(mask.shape, dtype=torch.long)
    inputs = {
        "prompt_ids": ids[:, :1], "prompt_mask": ids[:, :1], "completion_ids": ids, "completion_mask": mask,
        "advantages": advantages, "old_per_token_logps": old, "ref_per_token_logps": reference,
        "num_items_in_batch": mask.sum(),
    }  # fmt: skip
    return trainer.loss(None, inputs), trainer._metrics["train"]


def advantages_of(kind, mask, seed):
    """Advantages of groups of 3, as TRL takes them: [B], or [B, T] for process supervision."""
    rng = torch.Generator().manual_seed(seed)
    rewards = torch.rand(len(mask) // 3, 3, generator=rng, dtype=torch.float64)
    if kind == "outcome":
        return outcome_advantages(rewards, 1e-4).flatten()
    ends = (torch.rand(mask.shape, generator=rng) < 0.5) & (mask > 0)
    steps = torch.rand(mask.shape, generator=rng, dtype=torch.float64)
    grouped = (values.view(-1, 3, mask.shape[1]) for values in (steps, ends))
    return process_advantages(*grouped, 1e-4).flatten(0, 1)


CASES = {
    "paper": (PAPER, {}),
    "clip higher": (ObjectiveOptions(clip_range_high=0.28), {"epsilon_high": 0.28}),
    "ratio-corrected KL": (ObjectiveOptions(kl_ratio_corrected=True), {"bias_correction": True}),
    "token": (ObjectiveOptions(normalization="token"), {"loss_type": "dapo"}),
    "constant": (
        ObjectiveOptions(normalization="constant", max_completion_tokens=8),
        {"loss_type": "dr_grpo", "max_completion_length": 8},
    ),
}


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("kind", ["outcome", "process"])
@pytest.mark.parametrize("case", CASES)
def test_the_grpo_loss_and_its_gradient_are_those_of_trl(case, kind, seed):
    options, theirs = CASES[case]
    policy, old, reference, _, mask = batch(rows=6, seed=seed, spread=0.6)
    advantages = advantages_of(kind, mask, seed)
    ours, others = policy.clone().requires_grad_(), policy.clone().requires_grad_()
    found = grpo_loss(ours, old, reference, advantages, mask, 6, clip_range=0.2, kl_coefficient=0.04, options=options,
                      num_tokens=int(mask.sum()))  # fmt: skip
    expected, metrics = trl_grpo(others, old, reference, advantages, mask, **theirs)
    found.loss.backward()
    expected.backward()
    assert float(found.loss.detach()) == pytest.approx(float(expected.detach()), abs=1e-12)
    assert torch.allclose(gradient(ours), gradient(others), rtol=0, atol=1e-12)
    assert gradient(ours).abs().max() > 1e-3 and found.clip_share > 0
    assert metrics["kl"]  # TRL's own figures were made: the whole function ran


def test_masked_truncated_completions_are_those_of_trl():
    # TRL zeroes the completion mask of truncated rows before its loss (mask_truncated_completions)
    policy, old, reference, _, mask = batch(rows=6, spread=0.6)
    masked = mask_truncated(mask, torch.tensor([False, True, False, False, False, True]))
    advantages = advantages_of("outcome", mask, 0)
    found = grpo_loss(policy, old, reference, advantages, masked, 6, clip_range=0.2, kl_coefficient=0.04)
    expected, _ = trl_grpo(policy, old, reference, advantages, masked)
    assert float(found.loss) == pytest.approx(float(expected), abs=1e-12)


def tiny_llama(seed=0):
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=29, hidden_size=16, intermediate_size=32, num_hidden_layers=2, num_attention_heads=2,
        max_position_embeddings=64, initializer_range=0.2, bos_token_id=1, eos_token_id=2, pad_token_id=0,
    )  # fmt: skip
    return LlamaForCausalLM(config)


def padded(sequences):
    """TRL's layout: prompts padded on the left, completions on the right, with their masks."""
    prompts, completions = sequences.prompts, sequences.completions
    width, length = max(map(len, prompts)), max(map(len, completions))
    prompt_ids = torch.tensor([[0] * (width - len(p)) + p for p in prompts])
    prompt_mask = torch.tensor([[0] * (width - len(p)) + [1] * len(p) for p in prompts])
    completion_ids = torch.tensor([c + [0] * (length - len(c)) for c in completions])
    completion_mask = torch.tensor([[1] * len(c) + [0] * (length - len(c)) for c in completions])
    return prompt_ids, prompt_mask, completion_ids, completion_mask


@pytest.mark.parametrize("kind", ["outcome", "process"])
def test_from_token_ids_to_the_gradients_of_a_model_like_trl(kind):
    """Scoring included: TRL's padding, temperature and log-probabilities beside ours, on the same weights."""
    from trl.trainer.grpo_trainer import GRPOTrainer
    from trl.trainer.utils import add_fused_lm_head

    rng = torch.Generator().manual_seed(0)

    def tokens(low, high):
        return torch.randint(3, 29, (int(torch.randint(low, high, (1,), generator=rng)),), generator=rng).tolist()

    prompts = [tokens(3, 8) for _ in range(2)]
    sequences = Sequences([prompts[n // 3] for n in range(6)], [tokens(2, 10) for _ in range(6)])
    policy, reference, theirs = tiny_llama(0), tiny_llama(1), tiny_llama(0)
    prompt_ids, prompt_mask, completion_ids, completion_mask = padded(sequences)
    theirs_advantages = advantages_of(kind, completion_mask, 0).float()

    logprobs, mask = completion_logprobs(policy, sequences, range(6), 0.7, 0)
    reference_logprobs, _ = completion_logprobs(reference, sequences, range(6), 0.7, 0)
    reference_logprobs = reference_logprobs.detach()
    old = logprobs.detach() + 0.2 * torch.randn(logprobs.shape, generator=rng)
    advantages = theirs_advantages if kind == "outcome" else align_to_mask(theirs_advantages, mask)
    found = grpo_loss(logprobs, old, reference_logprobs, advantages, mask, 6, clip_range=0.2, kl_coefficient=0.04)
    found.loss.backward()

    def aligned(values):  # from our layout (from the shortest prompt's end on) to TRL's (from the completion's start)
        rows = torch.zeros(completion_mask.shape)
        for b, row in enumerate(values):
            kept = row[mask[b] > 0]
            rows[b, : len(kept)] = kept
        return rows

    add_fused_lm_head(theirs, temperature=0.7, outputs=("log_probs", "entropy"))
    trainer = grpo_trainer()
    trainer._get_per_token_logps_and_entropies = lambda *given, **named: GRPOTrainer._get_per_token_logps_and_entropies(
        trainer, *given, **named
    )
    expected = trainer.loss(
        theirs,
        {
            "prompt_ids": prompt_ids, "prompt_mask": prompt_mask, "completion_ids": completion_ids,
            "completion_mask": completion_mask, "advantages": theirs_advantages, "old_per_token_logps": aligned(old),
            "ref_per_token_logps": aligned(reference_logprobs), "num_items_in_batch": completion_mask.sum(),
        },
    )  # fmt: skip
    expected.backward()
    assert float(found.loss.detach()) == pytest.approx(float(expected.detach()), abs=1e-6)
    for (name, ours), other in zip(policy.named_parameters(), theirs.parameters(), strict=True):
        assert torch.allclose(gradient(ours), gradient(other), rtol=0, atol=1e-6), name
    assert max(float(gradient(p).abs().max()) for p in policy.parameters()) > 1e-3


@pytest.mark.parametrize(("length_normalised", "loss_type"), [(False, "sigmoid"), (True, "sigmoid_norm")])
@pytest.mark.parametrize("seed", range(3))
def test_the_dpo_loss_and_its_gradient_are_those_of_trl(length_normalised, loss_type, seed):
    from trl.trainer.dpo_trainer import DPOTrainer

    policy, _, reference, _, mask = batch(rows=6, seed=seed, spread=0.6)
    chosen, rejected = slice(0, 3), slice(3, 6)
    ours, others = policy.clone().requires_grad_(), policy.clone().requires_grad_()
    sides = (x for side in (chosen, rejected) for x in (ours[side], reference[side], mask[side]))
    found = dpo_loss(*sides, 3, kl_coefficient=0.1, length_normalised=length_normalised)

    def outputs(logprobs):  # TRL's model gives 0 for tokens that are not scored
        zeros = torch.zeros_like(logprobs)
        return lambda **_: SimpleNamespace(
            log_probs=logprobs * mask, entropy=zeros, mean_logits=zeros, is_top1=zeros > 0
        )  # fmt: skip

    full_mask = torch.cat([torch.zeros(6, 1), mask], 1).long()  # with a prompt of one token
    inputs = {"input_ids": full_mask, "attention_mask": torch.ones_like(full_mask), "completion_mask": full_mask}
    ratio = (reference * mask).sum(1)
    inputs |= {"ref_chosen_logps": ratio[chosen], "ref_rejected_logps": ratio[rejected]}
    trainer = SimpleNamespace(
        model=SimpleNamespace(training=True), accelerator=ONE_PROCESS, aux_loss_enabled=False, ld_alpha=None,
        precompute_ref_logps=True, f_divergence_type="reverse_kl", loss_types=[loss_type], loss_weights=[1.0],
        beta=0.1, use_weighting=False, _metrics={"train": defaultdict(list)}, _total_train_tokens=0, _tp_size=1,
        label_smoothing=0.0, args=None,
    )  # fmt: skip
    expected = DPOTrainer._compute_loss(trainer, outputs(others), inputs, False)
    found.loss.backward()
    expected.backward()
    assert float(found.loss.detach()) == pytest.approx(float(expected.detach()), abs=1e-12)
    assert torch.allclose(gradient(ours), gradient(others), rtol=0, atol=1e-12)
    assert gradient(ours).abs().max() > 1e-3
