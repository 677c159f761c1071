"""Sample groups of completions for problems, and score sequences under a model.

Rollouts come from the policy in evaluation mode at the recipe's temperature; the same temperature is used in every
log-probability of training. Tensor letters: B completions, T tokens, V vocabulary.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from tokenizers import Tokenizer
from transformers import PreTrainedModel

from ..records import Completion, Problem
from ..tokens.chat import prompt_text
from ..training.generate import generate


@dataclass(frozen=True, slots=True)
class Sequences:
    """Prompts with completions as token ids, one entry for each completion; groups lie next to each other."""

    prompts: list[list[int]]
    completions: list[list[int]]

    def __len__(self) -> int:
        return len(self.completions)


def sample_groups(
    policy: PreTrainedModel,
    tokenizer: Tokenizer,
    problems: Sequence[Problem],
    *,
    group_size: int,
    max_completion_tokens: int,
    temperature: float,
    end_id: int,
    pad_id: int,
    seed: int,
    batch_rows: int = 256,
) -> list[list[Completion]]:
    """`group_size` chain-of-thought completions of every problem."""
    prompts = [prompt_text(problem.problem, "cot", problem.language) for problem in problems]
    return generate(
        policy, tokenizer, prompts, max_new_tokens=max_completion_tokens, end_id=end_id, pad_id=pad_id,
        temperature=temperature, num_samples=group_size, seed=seed, batch_rows=batch_rows,
    )  # fmt: skip


def to_sequences(
    tokenizer: Tokenizer, problems: Sequence[Problem], groups: Sequence[Sequence[Completion]]
) -> Sequences:
    """The token ids of groups, as sampled: completions are never decoded and encoded again."""
    prompts, completions = [], []
    for problem, group in zip(problems, groups, strict=True):
        ids = tokenizer.encode(prompt_text(problem.problem, "cot", problem.language)).ids
        prompts += [ids] * len(group)
        completions += [list(completion.token_ids) for completion in group]
    return Sequences(prompts, completions)


def micro_batches(sequences: Sequences, size: int) -> Iterator[list[int]]:
    """Indices of at most `size` sequences each, like lengths together (little padding); ties by index."""
    order = sorted(range(len(sequences)), key=lambda i: (len(sequences.prompts[i]) + len(sequences.completions[i]), i))
    for first in range(0, len(order), size):
        yield order[first : first + size]


def completion_logprobs(
    model: PreTrainedModel, sequences: Sequences, rows: Sequence[int], temperature: float, pad_id: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Log-probabilities of completion tokens and their mask, both [B, T] for the B `rows`.

    T covers the longest prompt-and-completion from the shortest prompt's end on; the mask (float) is 1 on completion
    tokens. Padding is on the right, where causal attention needs no mask.
    """
    device = next(model.parameters()).device
    prompts, completions = [sequences.prompts[i] for i in rows], [sequences.completions[i] for i in rows]
    width = max(len(p) + len(c) for p, c in zip(prompts, completions, strict=True))
    ids_BT = torch.full((len(rows), width), pad_id)
    mask_BT = torch.zeros(len(rows), width)
    for b, (prompt, completion) in enumerate(zip(prompts, completions, strict=True)):
        end = len(prompt) + len(completion)
        ids_BT[b, :end] = torch.tensor(prompt + completion)
        mask_BT[b, len(prompt) : end] = 1.0
    ids_BT, mask_BT = ids_BT.to(device), mask_BT.to(device)
    kept = width - min(map(len, prompts))
    logits_BTV = model(input_ids=ids_BT, logits_to_keep=kept + 1).logits[:, :-1].float() / temperature
    targets_BT = ids_BT[:, -kept:]
    losses_BT = F.cross_entropy(logits_BTV.flatten(0, 1), targets_BT.flatten(), reduction="none").view(targets_BT.shape)
    return -losses_BT, mask_BT[:, -kept:]


@torch.no_grad()
def sampler_gap(logprobs_BT: torch.Tensor, mask_BT: torch.Tensor, sampled: Sequence[Sequence[float]]) -> float:
    """Largest difference between a token's log-probability in training and at sampling time.

    Near 0 while both use the same weights; growth means that sampler and trainer have drifted apart.
    """
    gaps = []
    for b, values in enumerate(sampled):
        trained = logprobs_BT[b][mask_BT[b] > 0].cpu()
        gaps.append(float((trained - torch.tensor(values)).abs().max()))
    return max(gaps)
