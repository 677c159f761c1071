"""Fine-tuning examples in sequences: random concatenation up to the context length (section 3).

In every epoch the examples come in a new random order, in blocks of a thousand, the long ones of a block first. Each
goes to the open sequence in which it leaves the least room (best fit); a new sequence is opened only when it fits
nowhere. The finished sequences are shuffled. No example is cut or lost, and the same seed gives the same sequences.
Which examples meet is chance; where in a sequence one stands makes no difference, because they do not see each other.

The attention of an example ends at its borders: positions restart at 0, and without an attention mask that is what
makes transformers keep examples apart (eager, sdpa and flash attention alike). Not in the paper: whether they are.
"""

import bisect
import random
from collections.abc import Sequence
from typing import Any

import torch
from torch.utils.data import Dataset

from ..tokens.tokenizer import PAD_ID
from .sft_masks import SftExample

IGNORED = -100
"""Label of tokens that are not learned (PyTorch's default)."""

_BLOCK_EXAMPLES = 1000


class EpochDataset(Dataset):
    """Examples epoch after epoch, each epoch in its own random order, `num_items` in all."""

    def __init__(self, examples: Sequence[Any], num_items: int, seed: int):
        self.examples = examples
        self.order: list[int] = []
        epoch = 0
        while len(self.order) < num_items:
            self.order += _shuffled(len(examples), seed, epoch)
            epoch += 1
        del self.order[num_items:]

    def __len__(self) -> int:
        return len(self.order)

    def __getitem__(self, index: int) -> Any:
        return self.examples[self.order[index]]


class SequenceDataset(Dataset):
    """Examples packed into sequences epoch after epoch, `num_sequences` in all. `dataset[i]` is a list of examples."""

    def __init__(self, examples: Sequence[SftExample], context_tokens: int, num_sequences: int, seed: int):
        self.examples, self.context_tokens = examples, context_tokens
        self.sequences: list[list[int]] = []
        lengths = [len(example) for example in examples]
        epoch = 0
        while len(self.sequences) < num_sequences:
            order = _long_first(_shuffled(len(examples), seed, epoch), lengths)
            packed = pack_best_fit([lengths[i] for i in order], context_tokens)
            random.Random(f"{seed}:sequences:{epoch}").shuffle(packed)
            self.sequences += [[order[i] for i in sequence] for sequence in packed]
            epoch += 1
        del self.sequences[num_sequences:]

    def __len__(self) -> int:
        return len(self.sequences)

    def __getitem__(self, index: int) -> list[SftExample]:
        return [self.examples[n] for n in self.sequences[index]]

    @property
    def num_examples(self) -> int:
        """How many examples are trained on, repeated ones counted again."""
        return sum(map(len, self.sequences))

    def num_tokens(self, first: int, last: int) -> int:
        """Tokens of the sequences `first` to `last` (exclusive), without padding."""
        return sum(len(self.examples[n]) for sequence in self.sequences[first:last] for n in sequence)

    @property
    def padding_share(self) -> float:
        """Share of all places in the sequences that hold no example, 0-1."""
        return 1 - self.num_tokens(0, len(self)) / (len(self) * self.context_tokens)


def pack_best_fit(lengths: Sequence[int], context_tokens: int) -> list[list[int]]:
    """Indices of `lengths` in sequences of at most `context_tokens`, taken in the order given.

    Raises ValueError for an example that is longer than a sequence.
    """
    if max(lengths, default=0) > context_tokens:
        raise ValueError(f"an example of {max(lengths)} tokens does not fit into {context_tokens}")
    shortest = min(lengths, default=1)
    sequences: list[list[int]] = []
    room: list[tuple[int, int]] = []  # (free tokens, sequence), ascending; only sequences that something fits into
    for i, length in enumerate(lengths):
        place = bisect.bisect_left(room, (length, -1))
        if place < len(room):
            free, sequence = room.pop(place)
        else:
            free, sequence = context_tokens, len(sequences)
            sequences.append([])
        sequences[sequence].append(i)
        if free - length >= shortest:
            bisect.insort(room, (free - length, sequence))
    return sequences


def collate_sequences(sequences: Sequence[Sequence[SftExample]]) -> dict[str, torch.Tensor]:
    """`input_ids`, `position_ids` and `labels`, int64 [sequences, longest sequence]; there is no attention mask."""
    width = max(sum(map(len, sequence)) for sequence in sequences)
    shape = (len(sequences), width)
    ids_BT, labels_BT = torch.full(shape, PAD_ID), torch.full(shape, IGNORED)
    positions_BT = torch.zeros(shape, dtype=torch.long)
    for b, sequence in enumerate(sequences):
        t = 0
        for example in sequence:
            n = len(example)
            ids_T = torch.from_numpy(example.ids).long()
            ids_BT[b, t : t + n] = ids_T
            labels_BT[b, t : t + n] = ids_T.masked_fill(~torch.from_numpy(example.learned), IGNORED)
            positions_BT[b, t : t + n] = torch.arange(n)
            t += n
    return {"input_ids": ids_BT, "position_ids": positions_BT, "labels": labels_BT}


def _long_first(order: list[int], lengths: Sequence[int]) -> list[int]:
    """The order with the longest example of each block first: short ones then fill what long ones leave."""
    blocks = (order[i : i + _BLOCK_EXAMPLES] for i in range(0, len(order), _BLOCK_EXAMPLES))
    return [i for block in blocks for i in sorted(block, key=lambda i: -lengths[i])]


def _shuffled(number: int, seed: int, epoch: int) -> list[int]:
    order = list(range(number))
    random.Random(f"{seed}:epoch:{epoch}").shuffle(order)
    return order
