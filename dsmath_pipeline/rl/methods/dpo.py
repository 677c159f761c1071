"""DPO on pairs of a right and a wrong completion of one group (appendix A.1, equation 12).

The SFT model samples, the rule says which completion is right. Of each group with both, at most `pairs_per_group` pairs
are drawn; equal texts count once. Groups without both teach nothing.
"""

from collections.abc import Sequence
from random import Random
from typing import Any

import torch

from ..learner import Batch, Learner
from ..preference import dpo_loss
from ..update import MicroBatch, update_policy
from .base import Sampler, Stateless


class Dpo(Stateless):
    """`dpo_beta` is beta; `kl_coefficient` is not read."""

    samples_from: Sampler = "reference"

    def update(self, learner: Learner, batch: Batch) -> tuple[dict[str, Any], list[float]]:
        settings = learner.settings
        pairs = pairs_of_groups(batch, settings.pairs_per_group, learner.seed * 1_000_003 + learner.step)
        size = max(1, settings.micro_batch_completions // 2)
        parts = [pairs[i : i + size] for i in range(0, len(pairs), size)]
        accuracy = 0.0

        def loss(micro: MicroBatch) -> tuple[torch.Tensor, float]:
            (chosen, rejected), (chosen_reference, rejected_reference), (chosen_mask, rejected_mask) = (
                values.chunk(2) for values in (micro.policy_BT, micro.reference_BT, micro.mask_BT)
            )
            found = dpo_loss(
                chosen, chosen_reference, chosen_mask, rejected, rejected_reference, rejected_mask, len(pairs),
                kl_coefficient=settings.dpo_beta,
            )  # fmt: skip
            nonlocal accuracy
            accuracy += found.accuracy / settings.updates_per_exploration
            return found.loss, 0.0

        figures: dict[str, Any] = update_policy(
            learner, batch, loss, micro=[[c for c, _ in part] + [r for _, r in part] for part in parts]
        )
        figures["preference_accuracy"] = accuracy if pairs else None
        weights = [0.0] * len(batch.sequences)
        for right, wrong in pairs:
            weights[right] += 1.0
            weights[wrong] -= 1.0
        return figures, weights


def pairs_of_groups(batch: Batch, per_group: int, seed: int) -> list[tuple[int, int]]:
    """(right, wrong) numbers of completions, group by group."""
    rng = Random(f"{seed}:dpo")
    pairs = []
    for b, (group, grades) in enumerate(zip(batch.groups, batch.grades, strict=True)):
        first = b * len(group)
        right = _distinct([(c.text, first + g) for g, c in enumerate(group) if grades[g].is_correct])
        wrong = _distinct([(c.text, first + g) for g, c in enumerate(group) if not grades[g].is_correct])
        both = [(r, w) for r in right for w in wrong]
        pairs += rng.sample(both, min(per_group, len(both)))
    return pairs


def _distinct(found: Sequence[tuple[str, int]]) -> list[int]:
    """The first number of every text."""
    return list(dict(reversed(found)).values())
