"""TRPO: the largest step of a natural gradient that stays in a trust region. For small models; not in the paper.

    maximise    L(theta) = sum_n w_n  policy(a_n) / old(a_n)  A_n
    subject to  D(theta) = sum_n w_n  KL(old_n || policy_n)  <=  max_kl            over the visited states n

L is taken to first order (gradient g), D to second (Fisher matrix F): the step is sqrt(2 max_kl / x F x) x with
F x = g, which conjugate gradients solve from products F v alone. A backtracking line search then shortens the step
until the exact D holds its bound and L gains. PPO replaces all this by clipping, GRPO keeps PPO's clipping.

The functions work on a list of parameters and a closure that gives the policy's distributions in all visited states as
log-probabilities [N, V] with gradient, so any model fits. Products differentiate twice through the model: attention
is computed by its plain formula meanwhile.

Tensor letters: N visited states (completion tokens, padding left out), V vocabulary, P parameters in one vector.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel

from .kl import exact_kl

Distributions = Callable[[], torch.Tensor]
"""The policy's log-probabilities [N, V] under its present parameters."""


@dataclass(frozen=True, slots=True)
class TrpoStep:
    """What a step did; KL in nats, exact, averaged over the states by their weights."""

    is_accepted: bool
    """False: the parameters are as before (no gradient, or no shorter step held the bound and gained)."""
    kl: float
    gain: float
    """Surrogate after the step minus before."""
    expected_gain: float
    """First-order gain of the accepted step (of the full one when none was accepted)."""
    num_backtracks: int


def trpo_step(
    parameters: Sequence[torch.Tensor],
    distributions: Distributions,
    actions_N: torch.Tensor,
    advantages_N: torch.Tensor,
    weights_N: torch.Tensor,
    *,
    fisher_states: tuple[Distributions, torch.Tensor] | None = None,
    max_kl: float = 0.01,
    damping: float = 0.1,
    cg_iterations: int = 10,
    backtrack_factor: float = 0.5,
    max_backtracks: int = 10,
    min_gain_share: float = 0.1,
) -> TrpoStep:
    """Update `parameters` in place by one step of TRPO from the policy as it is now, which is the old one.

    `weights_N` sum to 1 (`objective.token_weights` of the completion tokens does). `fisher_states` are the states from
    which the Fisher matrix is made, as closure and weights: a share of all is enough for a direction and saves most of
    the time; the bound is checked on all. `damping` times the identity is added to the matrix, without which directions
    that the batch says little about would be taken farthest.

    A step is taken when the exact KL is at most `max_kl` and the surrogate gains more than `min_gain_share` of what its
    gradient promises; else it is multiplied by `backtrack_factor`, `max_backtracks` times. Defaults are usual values of
    TRPO. Raises ValueError for weights that do not sum to 1.
    """
    if abs(float(weights_N.sum()) - 1) > 1e-3:
        raise ValueError(f"state weights sum to {float(weights_N.sum()):.4g}, not to 1: divide them by their sum")
    with sdpa_kernel(SDPBackend.MATH):
        logprobs_NV = distributions()
        old_NV = logprobs_NV.detach()
        before = surrogate(logprobs_NV, old_NV, actions_N, advantages_N, weights_N)
        gradient_P = _flat_gradient(before, parameters)
        if not bool(gradient_P.any()):
            return TrpoStep(False, 0.0, 0.0, 0.0, 0)
        fisher_distributions, fisher_weights = fisher_states or (distributions, weights_N)
        product = fisher_product(parameters, fisher_distributions, fisher_weights, damping)
        direction_P = conjugate_gradient(product, gradient_P, cg_iterations)
        curvature = float(direction_P @ product(direction_P))
    if curvature <= 0:
        return TrpoStep(False, 0.0, 0.0, 0.0, 0)
    full_P = direction_P * (2 * max_kl / curvature) ** 0.5
    start_P = torch.cat([parameter.detach().flatten() for parameter in parameters])
    promised = float(gradient_P @ full_P)
    for n in range(max_backtracks + 1):
        share = backtrack_factor**n
        set_parameters(parameters, start_P + share * full_P)
        with torch.no_grad():
            new_NV = distributions()
            kl = float(weights_N @ exact_kl(old_NV, new_NV))
            gain = float(surrogate(new_NV, old_NV, actions_N, advantages_N, weights_N) - before)
        if kl <= max_kl and gain > min_gain_share * share * promised:
            return TrpoStep(True, kl, gain, share * promised, n)
    set_parameters(parameters, start_P)
    return TrpoStep(False, 0.0, 0.0, promised, max_backtracks)


def surrogate(
    logprobs_NV: torch.Tensor,
    old_NV: torch.Tensor,
    actions_N: torch.Tensor,
    advantages_N: torch.Tensor,
    weights_N: torch.Tensor,
) -> torch.Tensor:
    """L of the formula above: the policy's expected advantage, by importance weights from the old policy's samples."""
    rows = torch.arange(len(actions_N), device=logprobs_NV.device)
    ratio_N = (logprobs_NV[rows, actions_N] - old_NV[rows, actions_N]).exp()
    return weights_N @ (ratio_N * advantages_N)


def fisher_product(
    parameters: Sequence[torch.Tensor],
    distributions: Distributions,
    weights_N: torch.Tensor,
    damping: float = 0.0,
) -> Callable[[torch.Tensor], torch.Tensor]:
    """The function v -> (F + damping) v, [P] to [P], F the Hessian of D where the policy is now: its Fisher matrix."""
    with sdpa_kernel(SDPBackend.MATH):
        logprobs_NV = distributions()
        divergence = weights_N @ exact_kl(logprobs_NV.detach(), logprobs_NV)
        slope_P = _flat_gradient(divergence, parameters, create_graph=True)

    def product(vector_P: torch.Tensor) -> torch.Tensor:
        return _flat_gradient(slope_P @ vector_P, parameters, retain_graph=True) + damping * vector_P

    return product


def conjugate_gradient(
    product: Callable[[torch.Tensor], torch.Tensor],
    target_P: torch.Tensor,
    num_iterations: int,
    tolerance: float = 1e-10,
) -> torch.Tensor:
    """Solve M x = target for a symmetric positive matrix M given as v -> M v.

    Stops after `num_iterations`, or when the squared residual has shrunk to `tolerance` of the squared target. Exact
    after P iterations but for rounding.
    """
    solution_P = torch.zeros_like(target_P)
    residual_P, search_P = target_P.clone(), target_P.clone()
    squared = initial = float(residual_P @ residual_P)
    for _ in range(num_iterations):
        if squared <= tolerance * initial:
            break
        image_P = product(search_P)
        curvature = float(search_P @ image_P)
        if curvature <= 0:  # rounding: no matrix that is positive gives this
            break
        length = squared / curvature
        solution_P += length * search_P
        residual_P -= length * image_P
        previous, squared = squared, float(residual_P @ residual_P)
        search_P = residual_P + squared / previous * search_P
    return solution_P


@torch.no_grad()
def set_parameters(parameters: Sequence[torch.Tensor], vector_P: torch.Tensor) -> None:
    """Write one vector into the parameters, in their order."""
    for parameter, values in zip(parameters, vector_P.split([p.numel() for p in parameters]), strict=True):
        parameter.copy_(values.view_as(parameter))


def _flat_gradient(
    value: torch.Tensor, parameters: Sequence[torch.Tensor], *, create_graph: bool = False, retain_graph: bool = False
) -> torch.Tensor:
    gradients = torch.autograd.grad(
        value, list(parameters), create_graph=create_graph, retain_graph=retain_graph or create_graph,
        allow_unused=True, materialize_grads=True,
    )  # fmt: skip
    return torch.cat([gradient.flatten() for gradient in gradients])
