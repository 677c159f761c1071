"""What a reinforcement learning run carries from step to step, and the batch that one exploration stage gives it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from tokenizers import Tokenizer
from transformers import PreTrainedModel

from ..recipe.schema import RlSettings
from ..records import Completion, Grade, Problem
from .rollout import Sequences

Phases = Callable[[int, str], None]
"""Called with the step (from 1) and `rollout`, `update` or `checkpoint` when that phase is under way."""


@dataclass
class Learner:
    """The models and what belongs to them."""

    policy: PreTrainedModel
    reference: PreTrainedModel
    """Frozen: the SFT model, from the second iteration on the policy that the last iteration ended with."""
    scorer: PreTrainedModel | None
    """Reward model of completions or of steps."""
    optimizer: torch.optim.Optimizer
    tokenizer: Tokenizer
    end_id: int
    pad_id: int
    settings: RlSettings
    seed: int
    step: int = 0
    """Exploration stages done, over all iterations."""
    iterations_done: int = 0
    """Iterations after which reference and reward model were renewed."""
    metrics: list[dict[str, Any]] = field(default_factory=list)
    samples: list[dict[str, Any]] = field(default_factory=list)
    """Since the last checkpoint."""

    @property
    def num_steps(self) -> int:
        """Exploration stages of all iterations."""
        return self.settings.num_steps * self.settings.num_iterations

    @property
    def device(self) -> torch.device:
        return next(self.policy.parameters()).device


@dataclass(frozen=True, slots=True)
class Batch:
    """One exploration stage: sampled, graded, rewarded. N completions in B groups of G."""

    samples_from: Literal["policy", "reference"]
    problems: list[Problem]
    sequences: Sequences
    groups: list[list[Completion]]
    grades: list[list[Grade]]
    rewards_BG: torch.Tensor
    """Of whole completions; where steps are rewarded, `model_reward_weight` times their mean, plus the
    other parts."""
    model_rewards: list[list[float]] | None
    step_rewards: list[list[float]] | None
    """One list for each of the N completions; None: completions are rewarded."""
    step_ends: list[list[int]] | None
    rollout_seconds: float
    reward_seconds: float

    @property
    def completions(self) -> list[Completion]:
        """All N, group after group."""
        return [completion for group in self.groups for completion in group]

    @property
    def is_correct_N(self) -> torch.Tensor:
        return torch.tensor([verdict.is_correct for row in self.grades for verdict in row])

    @property
    def is_truncated_N(self) -> torch.Tensor:
        return torch.tensor([completion.finish == "length" for completion in self.completions])

    @property
    def longest(self) -> int:
        """Tokens of the longest completion."""
        return max(map(len, self.sequences.completions))

    def sampled_logprobs(self, i: int) -> list[float]:
        """Of completion `i`'s tokens that the policy wrote, as the sampler noted them."""
        pairs = zip(self.completions[i].logprobs, self.sequences.mask(i), strict=True)
        return [logprob for logprob, is_own in pairs if is_own]
