import itertools

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import LlamaConfig, LlamaForCausalLM

from dsmath_pipeline.rl.kl import exact_kl
from dsmath_pipeline.rl.objective import token_weights
from dsmath_pipeline.rl.trpo import conjugate_gradient, fisher_product, set_parameters, surrogate, trpo_step
from tests.rl.random_batch import gradient


@given(st.integers(0, 100), st.integers(1, 8))
def test_conjugate_gradients_solve_the_system(seed, size):
    rng = torch.Generator().manual_seed(seed)
    root = torch.randn(size, size, generator=rng, dtype=torch.float64)
    matrix = root @ root.T + 0.1 * torch.eye(size, dtype=torch.float64)
    target = torch.randn(size, generator=rng, dtype=torch.float64)
    found = conjugate_gradient(lambda v: matrix @ v, target, 4 * size, tolerance=1e-24)
    assert torch.allclose(found, torch.linalg.solve(matrix, target), atol=1e-6)


def test_fewer_iterations_come_less_close():
    matrix = torch.diag(torch.tensor([1.0, 4.0, 9.0, 16.0], dtype=torch.float64))
    target = torch.ones(4, dtype=torch.float64)
    errors = [float((matrix @ conjugate_gradient(lambda v: matrix @ v, target, n) - target).norm()) for n in range(5)]
    assert errors[0] == 2.0 and errors[4] < 1e-9 and errors[3] > 1e-3


class Softmax:
    """A linear softmax policy on N states of F features: small enough for its whole Fisher matrix."""

    def __init__(self, seed=0, states=6, features=3, actions=4):
        rng = torch.Generator().manual_seed(seed)
        self.features = torch.randn(states, features, generator=rng, dtype=torch.float64)
        self.matrix = torch.randn(features, actions, generator=rng, dtype=torch.float64).requires_grad_()
        self.bias = torch.zeros(actions, dtype=torch.float64, requires_grad=True)
        self.parameters = [self.matrix, self.bias]
        self.actions = torch.randint(actions, (states,), generator=rng)
        self.advantages = torch.randn(states, generator=rng, dtype=torch.float64)
        weights = torch.rand(states, generator=rng, dtype=torch.float64)
        self.weights = weights / weights.sum()

    def __call__(self):
        return torch.log_softmax(self.features @ self.matrix + self.bias, -1)

    def step(self, **options):
        return trpo_step(self.parameters, self, self.actions, self.advantages, self.weights, **options)

    def fisher(self):
        """sum_n w_n E over actions of (score score^T), action by action."""
        logprobs = self()
        total = torch.zeros(16, 16, dtype=torch.float64)
        for n in range(len(self.features)):
            for a in range(4):
                parts = torch.autograd.grad(logprobs[n, a], self.parameters, retain_graph=True)
                score = torch.cat([part.flatten() for part in parts])
                total += self.weights[n] * logprobs[n, a].exp().detach() * torch.outer(score, score)
        return total


def test_products_with_the_fisher_matrix_equal_the_matrix_of_scores():
    policy = Softmax()
    product = fisher_product(policy.parameters, policy, policy.weights, damping=0.5)
    found = torch.stack([product(v) for v in torch.eye(16, dtype=torch.float64)])
    assert torch.allclose(found, policy.fisher() + 0.5 * torch.eye(16), atol=1e-12)


def test_the_step_is_the_natural_gradient_on_the_edge_of_the_trust_region():
    policy = Softmax()
    start = torch.cat([p.detach().flatten() for p in policy.parameters])
    surrogate(policy(), policy().detach(), policy.actions, policy.advantages, policy.weights).backward()
    slope = torch.cat([gradient(p).flatten() for p in policy.parameters])
    matrix = policy.fisher() + 0.1 * torch.eye(16)
    direction = torch.linalg.solve(matrix, slope)
    # a small region, where the second order is exact: no backtracking. x F x / 2 = max_kl
    expected = direction * (2e-6 / (direction @ matrix @ direction)).sqrt()
    report = policy.step(max_kl=1e-6, damping=0.1, cg_iterations=40)
    moved = torch.cat([p.detach().flatten() for p in policy.parameters]) - start
    assert report.num_backtracks == 0 and torch.allclose(moved, expected, rtol=1e-3, atol=1e-9)
    assert report.expected_gain == pytest.approx(float(slope @ expected), rel=1e-4)
    assert report.gain == pytest.approx(report.expected_gain, rel=1e-2)


def test_the_fisher_matrix_may_be_that_of_some_of_the_states():
    policy, some = Softmax(), Softmax()
    some.matrix, some.bias, some.parameters = policy.matrix, policy.bias, policy.parameters
    some.features, some.weights = policy.features[:2], torch.tensor([0.25, 0.75], dtype=torch.float64)
    start = torch.cat([p.detach().flatten() for p in policy.parameters])
    surrogate(policy(), policy().detach(), policy.actions, policy.advantages, policy.weights).backward()
    slope = torch.cat([gradient(p).flatten() for p in policy.parameters])
    shares = zip(some.weights, some.features, strict=True)
    singles = [(weight, one_state(policy, features)) for weight, features in shares]
    matrix = sum(weight * single.fisher() for weight, single in singles) + 0.1 * torch.eye(16)
    direction = torch.linalg.solve(matrix, slope)
    expected = direction * (2e-6 / (direction @ matrix @ direction)).sqrt()
    old = policy().detach()
    report = policy.step(fisher_states=(some, some.weights), max_kl=1e-6, damping=0.1, cg_iterations=40)
    moved = torch.cat([p.detach().flatten() for p in policy.parameters]) - start
    # the states left out may move farther than the matrix knows, so that the line search shortens the step
    assert torch.allclose(moved, expected * 0.5**report.num_backtracks, rtol=1e-3, atol=1e-9)
    assert float(policy.weights @ exact_kl(old, policy().detach())) <= 1e-6


def one_state(policy, features):
    """The policy in one state, with weight 1."""
    single = Softmax(states=1)
    single.matrix, single.bias, single.parameters = policy.matrix, policy.bias, policy.parameters
    single.features, single.weights = features[None], torch.ones(1, dtype=torch.float64)
    return single


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("max_kl", [1e-3, 0.05, 2.0])
def test_every_step_holds_its_bound_and_improves_the_surrogate(seed, max_kl):
    policy = Softmax(seed)
    for _ in range(4):
        old = policy().detach()
        report = policy.step(max_kl=max_kl)
        new = policy().detach()
        kl = float(policy.weights @ exact_kl(old, new))
        value = (surrogate(x, old, policy.actions, policy.advantages, policy.weights) for x in (old, new))
        before, after = map(float, value)
        assert kl == pytest.approx(report.kl, abs=1e-12) and kl <= max_kl
        assert after - before == pytest.approx(report.gain, abs=1e-12)
        assert report.gain > 0 if report.is_accepted else torch.equal(old, new)
    # a large region is too large for its own approximation: somewhere the line search had to act
    assert report.is_accepted or max_kl == 2.0


def test_the_line_search_shortens_a_step_that_leaves_the_region():
    reports = [Softmax(seed).step(max_kl=2.0) for seed in range(8)]
    assert any(report.num_backtracks > 0 and report.is_accepted for report in reports)


def test_a_step_that_never_holds_leaves_the_parameters_as_they_were():
    policy = Softmax()
    before = [p.detach().clone() for p in policy.parameters]
    report = policy.step(max_kl=0.01, min_gain_share=1e9)  # no step gains that much
    assert not report.is_accepted and report.kl == 0 and report.num_backtracks == 10
    assert all(torch.allclose(a, b, atol=0) for a, b in zip(before, policy.parameters, strict=True))


def test_without_advantages_nothing_moves():
    policy = Softmax()
    policy.advantages = torch.zeros_like(policy.advantages)
    before = policy().detach()
    assert not policy.step().is_accepted and torch.equal(before, policy())


def test_the_expected_reward_of_a_small_policy_rises_to_the_best():
    # advantages are exact (every state with every action), so the reward must rise in every step
    policy = Softmax(states=6)
    reward = torch.randn(6, 4, generator=torch.Generator().manual_seed(5), dtype=torch.float64)
    features = policy.features

    def expected_reward():
        return float((policy().detach().exp() * reward).sum(1).mean())

    values = [expected_reward()]
    for _ in range(30):
        policy.features = features.repeat_interleave(4, 0)  # every action of every state, weighted by its probability
        probabilities = policy().exp()[::4].detach()
        advantages = reward - (probabilities * reward).sum(1, keepdim=True)
        report = trpo_step(policy.parameters, policy, torch.arange(4).repeat(6), advantages.flatten(),
                           probabilities.flatten() / 6, max_kl=0.05)  # fmt: skip
        policy.features = features
        values.append(expected_reward())
        assert report.is_accepted
    assert all(b > a for a, b in itertools.pairwise(values))
    best = float(reward.max(1).values.mean())
    assert values[0] < 0.5 * best < 0.7 * best < values[-1]


def test_weights_that_do_not_sum_to_one_are_refused():
    policy = Softmax()
    policy.weights = policy.weights * 3
    with pytest.raises(ValueError, match="sum to 3, not to 1"):
        policy.step()


def test_parameters_are_written_in_their_order():
    first, second = torch.zeros(2, 2), torch.zeros(3)
    set_parameters([first, second], torch.arange(7.0))
    assert first.tolist() == [[0, 1], [2, 3]] and second.tolist() == [4, 5, 6]


def tiny_transformer():
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=23, hidden_size=16, intermediate_size=32, num_hidden_layers=2, num_attention_heads=2,
        max_position_embeddings=32, initializer_range=0.2, bos_token_id=1, eos_token_id=2, pad_token_id=0,
    )  # fmt: skip
    return LlamaForCausalLM(config).eval()


def test_a_tiny_transformer_steps_inside_the_region_and_gains():
    model = tiny_transformer()
    parameters = [p for p in model.parameters() if p.requires_grad]
    rng = torch.Generator().manual_seed(1)
    ids = torch.randint(3, 23, (6, 9), generator=rng)
    mask = torch.zeros(6, 8)  # of the predictions of tokens 1 to 8
    for b in range(6):
        mask[b, 3 : 4 + b % 5] = 1
    advantages = torch.randn(6, generator=rng)[:, None].expand(6, 8)
    kept = mask > 0

    def distributions():
        return torch.log_softmax(model(input_ids=ids).logits[:, :-1][kept], -1)

    actions, weights = ids[:, 1:][kept], token_weights(mask, 6)[kept]
    gains = []
    for _ in range(3):
        old = distributions().detach()
        report = trpo_step(parameters, distributions, actions, advantages[kept], weights, max_kl=0.02, damping=1e-2)
        new = distributions().detach()
        assert report.is_accepted
        assert float(weights @ exact_kl(old, new)) == pytest.approx(report.kl, abs=1e-6) and 0.001 < report.kl <= 0.02
        gains.append(
            float(surrogate(new, old, actions, advantages[kept], weights) - (weights * advantages[kept]).sum())
        )
        assert gains[-1] == pytest.approx(report.gain, abs=1e-5) and report.gain > 0
    assert min(gains) > 0.01


def test_the_natural_gradient_gains_more_than_the_plain_one_at_the_same_divergence():
    for seed in range(5):
        natural, plain = Softmax(seed), Softmax(seed)
        report = natural.step(max_kl=0.01)
        old = plain().detach()
        value = surrogate(plain(), old, plain.actions, plain.advantages, plain.weights)
        value.backward()
        start = torch.cat([p.detach().flatten() for p in plain.parameters])
        slope = torch.cat([gradient(p).flatten() for p in plain.parameters])
        low, high = 0.0, 100.0
        for _ in range(60):  # the plain step with the divergence of the natural one, by bisection
            middle = (low + high) / 2
            set_parameters(plain.parameters, start + middle * slope)
            within = float(plain.weights @ exact_kl(old, plain().detach())) <= report.kl
            low, high = (middle, high) if within else (low, middle)
        set_parameters(plain.parameters, start + low * slope)
        gain = surrogate(plain().detach(), old, plain.actions, plain.advantages, plain.weights) - value.detach()
        assert report.gain > float(gain)
