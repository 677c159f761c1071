"""The rows of a batch that still grow, with their key-value cache.

Prompts are padded on the left. Rows leave with `keep` and come with `join`; what all prompts have in front is read once
(`read_beginning`). Tensor letters: B rows, H heads, T tokens, D head size, V vocabulary.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from transformers import DynamicCache, PreTrainedModel
from transformers.cache_utils import DynamicLayer

SHARED_TOKENS = 64
"""Shortest common beginning that is worth reading apart from the rest of the prompts."""


@dataclass(frozen=True)
class Beginning:
    """Tokens that all prompts begin with, and their cache (one row); no tokens when there is too little to share."""

    num_tokens: int
    cache: DynamicCache | None
    can_join: bool


def read_beginning(model: PreTrainedModel, prompts: Sequence[Sequence[int]]) -> Beginning:
    """Read what all prompts have in front; every prompt keeps at least one token of its own."""
    cache = DynamicCache(config=model.config)
    can_join = all(type(layer) is DynamicLayer for layer in cache.layers)
    shared = _common_length(prompts) if can_join and len(prompts) > 1 else 0
    if shared < SHARED_TOKENS:
        return Beginning(0, None, can_join)
    ids_BT = torch.tensor([list(prompts[0][:shared])], device=next(model.parameters()).device)
    model(input_ids=ids_BT, past_key_values=cache, use_cache=True, logits_to_keep=1)
    return Beginning(shared, cache, can_join)


def _common_length(prompts: Sequence[Sequence[int]]) -> int:
    lists = [list(prompt) for prompt in prompts]
    first, last = min(lists), max(lists)  # the two that differ soonest
    length = min(map(len, prompts)) - 1
    return next((n for n in range(length) if first[n] != last[n]), length)


class Rows:
    """Some rows, the mask of their past (0 is padding) and the logits of their next token."""

    def __init__(self, model: PreTrainedModel, cache: DynamicCache, mask_BT: torch.Tensor, position_B1: torch.Tensor):
        self.model, self.cache, self.mask_BT, self.position_B1 = model, cache, mask_BT, position_B1
        self.logits_BV: torch.Tensor

    @classmethod
    def read(
        cls, model: PreTrainedModel, beginning: Beginning, prompts: Sequence[Sequence[int]], num_samples: int,
        pad_id: int,
    ) -> "Rows":  # fmt: skip
        """Read every prompt once and repeat it for its samples."""
        device = next(model.parameters()).device
        shared = beginning.num_tokens
        ids_BT, mask_BT = left_pad([prompt[shared:] for prompt in prompts], pad_id)
        ids_BT, mask_BT = ids_BT.to(device), F.pad(mask_BT, (shared, 0), value=1).to(device)
        positions_BT = (mask_BT.cumsum(1) - 1).clamp(min=0)[:, shared:]
        rows = cls(model, _repeated(beginning.cache, model, len(prompts)), mask_BT, positions_BT[:, -1:])
        rows._forward(ids_BT, positions_BT)
        if num_samples > 1:
            rows.cache.batch_repeat_interleave(num_samples)
            rows.mask_BT = mask_BT.repeat_interleave(num_samples, 0)
            rows.position_B1 = rows.position_B1.repeat_interleave(num_samples, 0)
            rows.logits_BV = rows.logits_BV.repeat_interleave(num_samples, 0)
        return rows

    def append(self, token_B: torch.Tensor) -> None:
        """Feed one token to every row."""
        self.mask_BT = torch.cat([self.mask_BT, self.mask_BT.new_ones(len(token_B), 1)], 1)
        self.position_B1 = self.position_B1 + 1
        self._forward(token_B[:, None], self.position_B1)

    def keep(self, index_B: torch.Tensor) -> None:
        """Let the other rows go."""
        self.cache.batch_select_indices(index_B)
        self.mask_BT, self.position_B1 = self.mask_BT[index_B], self.position_B1[index_B]

    def join(self, other: "Rows") -> "Rows":
        """These rows and the others, with padding that only the longer ones need. Both must be plain caches."""
        mine, theirs = self._without_padding(), other._without_padding()
        width = max(mine.mask_BT.shape[1], theirs.mask_BT.shape[1])
        cache = DynamicCache(config=self.model.config)
        for n, (a, b) in enumerate(zip(_layers(mine.cache), _layers(theirs.cache), strict=True)):
            keys, values = (
                torch.cat([F.pad(x, (0, 0, width - x.shape[2], 0)) for x in pair])
                for pair in ((a.keys, b.keys), (a.values, b.values))
            )
            cache.update(keys, values, n)
        mask_BT = torch.cat([F.pad(r.mask_BT, (width - r.mask_BT.shape[1], 0)) for r in (mine, theirs)])
        joined = Rows(self.model, cache, mask_BT, torch.cat([self.position_B1, other.position_B1]))
        joined.logits_BV = torch.cat([self.logits_BV, other.logits_BV])
        return joined

    def _without_padding(self) -> "Rows":
        """Without the columns that are padding in every row."""
        start = int(self.mask_BT.any(0).int().argmax())
        for layer in _layers(self.cache):
            layer.keys, layer.values = layer.keys[:, :, start:], layer.values[:, :, start:]
        self.mask_BT = self.mask_BT[:, start:]
        return self

    def _forward(self, ids_BT: torch.Tensor, positions_BT: torch.Tensor) -> None:
        self.logits_BV = self.model(
            input_ids=ids_BT, attention_mask=self.mask_BT, position_ids=positions_BT, past_key_values=self.cache,
            use_cache=True, logits_to_keep=1,
        ).logits[:, -1].float()  # fmt: skip


def _repeated(cache: DynamicCache | None, model: PreTrainedModel, num_rows: int) -> DynamicCache:
    """A cache of `num_rows` rows that all begin with the one row of `cache`; an empty one for None."""
    copy = DynamicCache(config=model.config)
    for n, layer in enumerate(_layers(cache) if cache is not None else ()):
        copy.update(layer.keys.expand(num_rows, -1, -1, -1), layer.values.expand(num_rows, -1, -1, -1), n)
    return copy


def _layers(cache: DynamicCache) -> list[Any]:
    """The layers, each with keys and values [B, H, T, D]: plain ones, see `Beginning.can_join`."""
    return cache.layers


def left_pad(rows: Sequence[Sequence[int]], pad_id: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Ids and attention mask, int64 [rows, longest row], padding on the left."""
    width = max(map(len, rows))
    ids_BT = torch.full((len(rows), width), pad_id)
    mask_BT = torch.zeros((len(rows), width), dtype=torch.long)
    for b, row in enumerate(rows):
        ids_BT[b, width - len(row) :] = torch.tensor(row)
        mask_BT[b, width - len(row) :] = 1
    return ids_BT, mask_BT
