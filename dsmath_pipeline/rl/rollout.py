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
from .advantage import align_to_mask


@dataclass(frozen=True, slots=True)
class Sequences:
    """Prompts with completions as token ids, one entry for each completion; groups lie next to each other."""

    prompts: list[list[int]]
    completions: list[list[int]]
    masks: list[list[int]] | None = None
    """1 for a completion's tokens that the policy wrote, 0 for what a tool put in; None: it wrote all of them."""

    def __len__(self) -> int:
        return len(self.completions)

    def mask(self, i: int) -> list[int]:
        """Of completion `i`."""
        return [1] * len(self.completions[i]) if self.masks is None else self.masks[i]


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


def micro_batches(sequences: Sequences, size: int, chosen: Sequence[int] | None = None) -> Iterator[list[int]]:
    """Indices of at most `size` sequences each, like lengths together (little padding); ties by index.

    `chosen` are the sequences that take part, all of them without it.
    """
    order = sorted(
        range(len(sequences)) if chosen is None else chosen,
        key=lambda i: (len(sequences.prompts[i]) + len(sequences.completions[i]), i),
    )
    for first in range(0, len(order), size):
        yield order[first : first + size]


def completion_logprobs(
    model: PreTrainedModel, sequences: Sequences, rows: Sequence[int], temperature: float, pad_id: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Log-probabilities of completion tokens and their mask, both [B, T] for the B `rows`.

    T covers the longest prompt-and-completion from the shortest prompt's end on; the mask (float) is 1 on completion
    tokens that the policy wrote. Padding is on the right, where causal attention needs no mask.
    """
    logits_BTV, targets_BT, mask_BT = completion_logits(model, sequences, rows, temperature, pad_id)
    losses_BT = F.cross_entropy(logits_BTV.flatten(0, 1), targets_BT.flatten(), reduction="none").view(targets_BT.shape)
    return -losses_BT, mask_BT


def completion_logits(
    model: PreTrainedModel, sequences: Sequences, rows: Sequence[int], temperature: float, pad_id: int
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Logits / temperature [B, T, V] that predict the tokens [B, T], and their mask; see `completion_logprobs`."""
    ids_BT, mask_BT, kept = _padded(sequences, rows, pad_id, next(model.parameters()).device)
    logits_BTV = model(input_ids=ids_BT, logits_to_keep=kept + 1).logits[:, :-1].float() / temperature
    return logits_BTV, ids_BT[:, -kept:], mask_BT[:, -kept:]


def completion_values(model: PreTrainedModel, sequences: Sequences, rows: Sequence[int], pad_id: int) -> torch.Tensor:
    """What a value model (a scalar for each token) predicts before every completion token: [B, T], in the layout of
    `completion_logprobs`."""
    ids_BT, _, kept = _padded(sequences, rows, pad_id, next(model.parameters()).device)
    return model(input_ids=ids_BT).logits[:, -kept - 1 : -1, 0].float()


def by_position(values_BT: torch.Tensor, mask_BT: torch.Tensor, width: int) -> torch.Tensor:
    """Values of masked tokens moved to the front of their rows: [B, T] to [B, width]; `align_to_mask` undoes it."""
    front_BT = torch.zeros(len(values_BT), width, dtype=values_BT.dtype, device=values_BT.device)
    is_token_BT = mask_BT > 0
    position_BT = (mask_BT.cumsum(1) - 1).long()
    rows_BT = torch.arange(len(values_BT), device=values_BT.device)[:, None].expand_as(position_BT)
    front_BT[rows_BT[is_token_BT], position_BT[is_token_BT]] = values_BT[is_token_BT]
    return front_BT


def for_tokens(values: torch.Tensor, rows: Sequence[int], mask_BT: torch.Tensor) -> torch.Tensor:
    """The values of some completions as a loss reads them: [N] to [B]; [N, T] by position to the mask's [B, T]."""
    chosen = values[list(rows)].to(mask_BT.device)
    return chosen if chosen.dim() == 1 else align_to_mask(chosen, mask_BT)


def _padded(
    sequences: Sequences, rows: Sequence[int], pad_id: int, device: torch.device
) -> tuple[torch.Tensor, torch.Tensor, int]:
    """Token ids and mask of whole sequences, and how many columns at the end hold completions."""
    prompts, completions = [sequences.prompts[i] for i in rows], [sequences.completions[i] for i in rows]
    width = max(len(p) + len(c) for p, c in zip(prompts, completions, strict=True))
    ids_BT = torch.full((len(rows), width), pad_id)
    mask_BT = torch.zeros(len(rows), width)
    for b, (i, prompt, completion) in enumerate(zip(rows, prompts, completions, strict=True)):
        end = len(prompt) + len(completion)
        ids_BT[b, :end] = torch.tensor(prompt + completion)
        mask_BT[b, len(prompt) : end] = torch.tensor(sequences.mask(i), dtype=torch.float32)
    return ids_BT.to(device), mask_BT.to(device), width - min(map(len, prompts))


@torch.no_grad()
def sampler_gap(logprobs_BT: torch.Tensor, mask_BT: torch.Tensor, sampled: Sequence[Sequence[float]]) -> float:
    """Largest difference between a token's log-probability in training and at sampling time.

    Near 0 while both use the same weights; growth means that sampler and trainer have drifted apart.
    """
    gaps = []
    for b, values in enumerate(sampled):
        trained = logprobs_BT[b][mask_BT[b] > 0].cpu()
        if not len(trained):
            continue
        gaps.append(float((trained - torch.tensor(values)).abs().max()))
    return max(gaps, default=0.0)
