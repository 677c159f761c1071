"""Random inputs of the objectives, for tests."""

from typing import Any

import torch


def batch(rows=4, tokens=5, seed=0, spread=0.3) -> Any:
    """Random log-probabilities around each other, advantages of both signs, completions of different lengths:
    policy, old, reference [B, T], advantages [B], mask [B, T]."""
    rng = torch.Generator().manual_seed(seed)
    policy = -torch.rand(rows, tokens, generator=rng, dtype=torch.float64)
    old = policy + spread * torch.randn(rows, tokens, generator=rng, dtype=torch.float64)
    reference = policy + spread * torch.randn(rows, tokens, generator=rng, dtype=torch.float64)
    advantages = torch.randn(rows, generator=rng, dtype=torch.float64)
    mask = torch.tensor([[float(t < 1 + (b % tokens)) for t in range(tokens)] for b in range(rows)])
    return policy, old, reference, advantages, mask.double()


def gradient(tensor) -> torch.Tensor:
    assert tensor.grad is not None
    return tensor.grad
