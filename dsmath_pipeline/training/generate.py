"""Sample completions from any causal language model: batched, with a key-value cache.

Prompts are padded on the left, read once, and repeated in the cache for every sample of the group; rows that ended
leave the batch. On a CPU this is faster than `generate()` of transformers and it returns the log-probability of every
token under the distribution that was sampled from. It knows nothing of problems or rewards.

Tensor letters: B rows, T tokens, V vocabulary.
"""

from collections.abc import Sequence

import torch
from tokenizers import Tokenizer
from transformers import DynamicCache, PreTrainedModel

from ..progress import SILENT, Progress
from ..records import Completion

_STOP_WINDOW = 24
"""Tokens of a row's end that are searched for a stop text."""


@torch.inference_mode()
def generate(
    model: PreTrainedModel,
    tokenizer: Tokenizer,
    prompts: Sequence[str],
    *,
    max_new_tokens: int,
    end_id: int,
    pad_id: int,
    temperature: float = 0.0,
    num_samples: int = 1,
    seed: int = 0,
    batch_rows: int = 256,
    stop_texts: Sequence[str] = (),
    progress: Progress = SILENT,
) -> list[list[Completion]]:
    """`num_samples` completions of every prompt, grouped by prompt, in the order of the prompts.

    `temperature` 0 takes the most likely token; otherwise tokens are drawn from the softmax of logits / temperature.
    `finish` is `stop` after the end token (which is in `token_ids`, not in `text`) or after one of `stop_texts` (which
    stays in `text`), else `length`. The same arguments give the same samples on the same machine.
    Raises ValueError when several greedy samples are asked for, because they would be equal.
    """
    if num_samples > 1 and temperature == 0:
        raise ValueError("greedy completions of one prompt are all equal: set a temperature or num_samples=1")
    device = next(model.parameters()).device
    encoded = [encoding.ids for encoding in tokenizer.encode_batch(list(prompts))]
    # Prompts of like length share a batch, so that little is padding.
    by_length = sorted(range(len(encoded)), key=lambda i: (len(encoded[i]), i))
    step = max(1, batch_rows // num_samples)
    found: dict[int, list[Completion]] = {}
    was_training = model.training
    model.eval()
    for first in range(0, len(by_length), step):
        chosen = by_length[first : first + step]
        rng = torch.Generator(device).manual_seed(seed * 1_000_003 + first)
        rows = _Rows(model, [encoded[i] for i in chosen], num_samples, pad_id)
        completions = _sample(rows, tokenizer, max_new_tokens, end_id, temperature, rng, stop_texts)
        for n, i in enumerate(chosen):
            found[i] = completions[n * num_samples : (n + 1) * num_samples]
        progress.update("sampling", first + len(chosen), len(by_length))
    model.train(was_training)
    return [found[i] for i in range(len(prompts))]


class _Rows:
    """The rows of one batch that still grow, and their cache."""

    def __init__(self, model: PreTrainedModel, prompts: list[list[int]], num_samples: int, pad_id: int):
        self.model = model
        device = next(model.parameters()).device
        ids_BT, mask_BT = left_pad(prompts, pad_id)
        ids_BT, mask_BT = ids_BT.to(device), mask_BT.to(device)
        positions_BT = (mask_BT.cumsum(1) - 1).clamp(min=0)
        self.cache = DynamicCache(config=model.config)
        self.logits_BV = self._forward(ids_BT, mask_BT, positions_BT)
        if num_samples > 1:
            self.cache.batch_repeat_interleave(num_samples)
        self.logits_BV = self.logits_BV.repeat_interleave(num_samples, 0)
        self.mask_BT = mask_BT.repeat_interleave(num_samples, 0)
        self.position_B1 = positions_BT[:, -1:].repeat_interleave(num_samples, 0)

    def append(self, token_B: torch.Tensor) -> None:
        """Feed one token to every row."""
        self.mask_BT = torch.cat([self.mask_BT, self.mask_BT.new_ones(len(token_B), 1)], 1)
        self.position_B1 = self.position_B1 + 1
        self.logits_BV = self._forward(token_B[:, None], self.mask_BT, self.position_B1)

    def keep(self, index_B: torch.Tensor) -> None:
        """Let the other rows go."""
        self.cache.batch_select_indices(index_B)
        self.mask_BT, self.position_B1 = self.mask_BT[index_B], self.position_B1[index_B]

    def _forward(self, ids_BT: torch.Tensor, mask_BT: torch.Tensor, positions_BT: torch.Tensor) -> torch.Tensor:
        return self.model(
            input_ids=ids_BT, attention_mask=mask_BT, position_ids=positions_BT, past_key_values=self.cache,
            use_cache=True, logits_to_keep=1,
        ).logits[:, -1].float()  # fmt: skip


def _sample(
    rows: _Rows, tokenizer: Tokenizer, max_new_tokens: int, end_id: int, temperature: float, rng: torch.Generator,
    stop_texts: Sequence[str],
) -> list[Completion]:  # fmt: skip
    num_rows = len(rows.logits_BV)
    ids: list[list[int]] = [[] for _ in range(num_rows)]
    logprobs: list[list[float]] = [[] for _ in range(num_rows)]
    stopped = [False] * num_rows
    alive = list(range(num_rows))
    for step in range(max_new_tokens):
        token_B, logprob_B = _draw(rows.logits_BV, temperature, rng)
        for row, token, logprob in zip(alive, token_B.tolist(), logprob_B.tolist(), strict=True):
            ids[row].append(token)
            logprobs[row].append(logprob)
            stopped[row] = token == end_id or _ends_with_stop(tokenizer, ids[row], stop_texts)
        going = [n for n, row in enumerate(alive) if not stopped[row]]
        if not going or step + 1 == max_new_tokens:
            break
        if len(going) < len(alive):
            index_B = torch.tensor(going, device=token_B.device)
            rows.keep(index_B)
            token_B = token_B[index_B]
            alive = [alive[n] for n in going]
        rows.append(token_B)
    texts = tokenizer.decode_batch([[t for t in row if t != end_id] for row in ids])
    return [
        Completion(text, tuple(row), "stop" if done else "length", tuple(values))
        for text, row, done, values in zip(texts, ids, stopped, logprobs, strict=True)
    ]


def _draw(logits_BV: torch.Tensor, temperature: float, rng: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    """The next token of every row and its log-probability under the distribution it was drawn from."""
    logprobs_BV = torch.log_softmax(logits_BV / temperature if temperature else logits_BV, -1)
    if temperature:
        token_B = torch.multinomial(logprobs_BV.exp(), 1, generator=rng)[:, 0]
    else:
        token_B = logprobs_BV.argmax(-1)
    return token_B, logprobs_BV.gather(1, token_B[:, None])[:, 0]


def _ends_with_stop(tokenizer: Tokenizer, ids: list[int], stop_texts: Sequence[str]) -> bool:
    if not stop_texts:
        return False
    tail = tokenizer.decode(ids[-_STOP_WINDOW:])
    return any(text in tail for text in stop_texts)


def left_pad(rows: Sequence[Sequence[int]], pad_id: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Ids and attention mask, int64 [rows, longest row], padding on the left."""
    width = max(map(len, rows))
    ids_BT = torch.full((len(rows), width), pad_id)
    mask_BT = torch.zeros((len(rows), width), dtype=torch.long)
    for b, row in enumerate(rows):
        ids_BT[b, width - len(row) :] = torch.tensor(row)
        mask_BT[b, width - len(row) :] = 1
    return ids_BT, mask_BT
