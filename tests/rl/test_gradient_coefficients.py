from dataclasses import replace

import pytest
import torch

from dsmath_pipeline.rl.advantage import outcome_advantages, process_advantages
from dsmath_pipeline.rl.gradient_coefficients import METHODS, MethodBatch, dpo_coefficients, grpo_coefficients
from dsmath_pipeline.rl.likelihood import weighted_likelihood_loss

B, T, V = 6, 5, 7


def random_logits(seed):
    return torch.randn(3, B, T, V, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def method_batch(name, seed, on_policy=False):
    """A batch of the method from random logits of policy, old policy and reference; the policy's take gradients."""
    rng = torch.Generator().manual_seed(seed + 1)
    logits, old, reference = random_logits(seed)
    logits.requires_grad_()
    tokens = torch.randint(V, (B, T), generator=rng)
    logprobs, old, reference = (
        torch.log_softmax(values, -1).gather(-1, tokens[..., None])[..., 0] for values in (logits, old, reference)
    )
    mask = torch.tensor([[float(t < 1 + b % T) for t in range(T)] for b in range(B)]).double()
    rewards = torch.rand(2, 3, generator=rng).double()
    advantages = outcome_advantages(rewards, 1e-6).flatten()
    if name == "grpo_process":
        ends = (torch.rand(B, T, generator=rng) < 0.5) & (mask > 0)
        steps = torch.rand(B, T, generator=rng).double()
        advantages = process_advantages(steps.view(2, 3, T), ends.view(2, 3, T), 1e-6).view(B, T)
    if name == "ppo":
        advantages = torch.randn(B, T, generator=rng).double()
    batch = MethodBatch(
        logprobs, mask, B // 2 if name == "dpo" else B, logprobs.detach() if on_policy else old, reference,
        advantages, rewards.flatten() > 0.5, clip_range=0.2, kl_coefficient=0.3,
    )  # fmt: skip
    return batch, logits


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("on_policy", [True, False])
@pytest.mark.parametrize("name", METHODS)
def test_every_coefficient_is_the_gradient_of_its_methods_loss(name, on_policy, seed):
    method = METHODS[name]
    batch, logits = method_batch(name, seed, on_policy)
    loss = method.loss(batch)
    coefficients = method.coefficients(batch)
    to_logprobs, to_logits = torch.autograd.grad(loss, [batch.policy_logprobs_BT, logits], retain_graph=True)
    weights = batch.mask_BT / batch.mask_BT.sum(1, keepdim=True) / batch.num_completions
    assert coefficients.shape == (B, T) and not coefficients.requires_grad
    assert (to_logprobs + coefficients * weights).abs().max() < 1e-12
    assert to_logprobs.abs().max() > 1e-3  # and there is a gradient
    # the paradigm's one loss with these weights moves the logits in the same way
    one = weighted_likelihood_loss(batch.policy_logprobs_BT, coefficients, batch.mask_BT, batch.num_completions)
    assert (torch.autograd.grad(one, logits)[0] - to_logits).abs().max() < 1e-12


@pytest.mark.parametrize("name", ["ppo", "grpo_outcome", "grpo_process"])
def test_off_policy_some_tokens_are_clipped_here(name):
    batch, _ = method_batch(name, 0)
    ppo = METHODS["ppo"].coefficients(batch)
    assert ((ppo == 0) & (batch.mask_BT > 0)).any() and (ppo != 0).any()


def test_equation_21_by_hand():
    # A = 2, beta 0.3, policy 1/2, reference 1/4: 2 + 0.3 (1/2 - 1) = 1.85
    half, quarter = torch.tensor([[0.5]]).log(), torch.tensor([[0.25]]).log()
    batch = MethodBatch(half, torch.ones(1, 1), 1, half, quarter, torch.tensor([2.0]), kl_coefficient=0.3)
    assert float(grpo_coefficients(batch)) == pytest.approx(1.85)


def test_the_pull_of_a_pair_by_hand():
    # beta 2, mean log-ratios ln 2 (chosen) and 0 (rejected): 2 sigmoid(-2 ln 2) = 2 / (1 + 4) = 0.4
    policy = torch.tensor([[0.5], [0.5]]).log()
    reference = torch.tensor([[0.25], [0.5]]).log()
    batch = MethodBatch(policy, torch.ones(2, 1), 1, reference_logprobs_BT=reference, kl_coefficient=2.0)
    assert dpo_coefficients(batch).flatten().tolist() == pytest.approx([0.4, -0.4])


def test_on_policy_without_kl_grpo_is_reinforce_and_with_one_advantage_for_all_it_is_online_rft():
    batch, _ = method_batch("grpo_outcome", 0, on_policy=True)
    no_kl = replace(batch, kl_coefficient=0.0)
    assert torch.equal(METHODS["grpo_outcome"].coefficients(no_kl), METHODS["reinforce"].coefficients(batch))
    assert batch.is_correct_B is not None
    as_rft = replace(no_kl, advantages=batch.is_correct_B.double())
    assert torch.equal(METHODS["grpo_outcome"].coefficients(as_rft), METHODS["online_rft"].coefficients(batch))


def test_the_table_has_the_papers_sources_and_rewards():
    # table 10, and the REINFORCE of the road to GRPO
    expected = {
        "sft": ("sft_data", "none"), "rft": ("sft_model", "rule"), "dpo": ("sft_model", "rule"),
        "online_rft": ("policy", "rule"), "reinforce": ("policy", "model"), "ppo": ("policy", "model"),
        "grpo_outcome": ("policy", "model"), "grpo_process": ("policy", "model"),
    }  # fmt: skip
    assert {name: (method.outputs_from, method.reward) for name, method in METHODS.items()} == expected


@pytest.mark.parametrize("name", ["rft", "dpo", "reinforce", "ppo", "grpo_outcome"])
def test_a_missing_field_is_named(name):
    bare = MethodBatch(torch.zeros(2, 3), torch.ones(2, 3), 2)
    for function in (METHODS[name].coefficients, METHODS[name].loss):
        with pytest.raises(ValueError, match="the batch has none"):
            function(bare)
