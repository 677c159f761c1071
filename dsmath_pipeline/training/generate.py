"""Sample completions from any causal language model: batched, with a key-value cache.

A prompt is read once, whatever the number of its samples, and a long beginning that all prompts share (worked examples)
is read once for all of them. Rows that ended leave the batch; with `refill` waiting prompts take their places. On a CPU
this is faster than `generate()` of transformers, and it returns the log-probability of every token under the
distribution that was sampled from. It knows nothing of problems or rewards.

Tensor letters: B rows, T tokens, V vocabulary.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from tokenizers import Tokenizer
from transformers import PreTrainedModel

from ..progress import SILENT, Progress
from ..records import Completion
from .generate_rows import Rows, read_beginning

_STOP_WINDOW = 24
"""Tokens of a row's end that are searched for a stop text."""
_REFILL_SHARE = 0.25
"""Share of the batch that must be free before waiting prompts are read: reading a few at a time costs more."""


@dataclass(slots=True)
class _Row:
    """One completion in the making."""

    prompt: int
    limit: int
    token_ids: list[int] = field(default_factory=list)
    logprobs: list[float] = field(default_factory=list)
    is_stopped: bool = False

    @property
    def is_done(self) -> bool:
        return self.is_stopped or len(self.token_ids) >= self.limit


@torch.inference_mode()
def generate(
    model: PreTrainedModel,
    tokenizer: Tokenizer,
    prompts: Sequence[str],
    *,
    max_new_tokens: int | Sequence[int],
    end_id: int,
    pad_id: int,
    temperature: float = 0.0,
    num_samples: int = 1,
    seed: int = 0,
    batch_rows: int = 256,
    stop_texts: Sequence[str] = (),
    refill: bool = False,
    progress: Progress = SILENT,
) -> list[list[Completion]]:
    """`num_samples` completions of every prompt, grouped by prompt, in the order of the prompts.

    `max_new_tokens` is one limit or one for each prompt. `temperature` 0 takes the most likely token; otherwise tokens
    are drawn from the softmax of logits / temperature. `finish` is `stop` after the end token (which is in `token_ids`,
    not in `text`) or after one of `stop_texts` (which stays in `text`), else `length`. The same arguments give the same
    samples on the same machine; `batch_rows` and `refill` decide which of the equally likely ones.
    Raises ValueError when several greedy samples are asked for, because they would be equal.
    """
    if num_samples > 1 and temperature == 0:
        raise ValueError("greedy completions of one prompt are all equal: set a temperature or num_samples=1")
    limits = [max_new_tokens] * len(prompts) if isinstance(max_new_tokens, int) else list(max_new_tokens)
    encoded = [encoding.ids for encoding in tokenizer.encode_batch(list(prompts))]
    # Prompts of like length share a batch, so that little is padding.
    by_length = sorted(range(len(encoded)), key=lambda i: (len(encoded[i]), i))
    step = max(1, batch_rows // num_samples)
    was_training = model.training
    model.eval()
    sampler = _Sampler(model, tokenizer, encoded, limits, num_samples, pad_id, end_id, temperature, stop_texts)
    device = next(model.parameters()).device
    sampler.refills = refill and sampler.can_join
    batches = [by_length] if sampler.refills else [by_length[i : i + step] for i in range(0, len(by_length), step)]
    num_done = 0
    for n, batch in enumerate(batches):
        sampler.rng = torch.Generator(device).manual_seed(seed * 1_000_003 + n * step)
        sampler.run(batch, step)
        num_done += len(batch)
        progress.update("sampling", num_done, len(by_length))
    model.train(was_training)
    return [sampler.completions(i) for i in range(len(prompts))]


class _Sampler:
    """What one call of `generate` holds: prompts, the rows they became, and the random state."""

    rng: torch.Generator
    refills = False

    def __init__(
        self, model: PreTrainedModel, tokenizer: Tokenizer, prompts: list[list[int]], limits: list[int],
        num_samples: int, pad_id: int, end_id: int, temperature: float, stop_texts: Sequence[str],
    ):  # fmt: skip
        self.tokenizer, self.prompts, self.limits, self.num_samples = tokenizer, prompts, limits, num_samples
        self.model, self.pad_id, self.end_id = model, pad_id, end_id
        self.temperature, self.stop_texts = temperature, stop_texts
        self.beginning = read_beginning(model, prompts)
        self.found: dict[int, list[_Row]] = {}

    @property
    def can_join(self) -> bool:
        """Can rows be added to a batch? Not where layers keep a window of the past only."""
        return self.beginning.can_join

    def run(self, waiting: Sequence[int], at_once: int) -> None:
        """Complete the prompts `waiting`, at most `at_once` of them at a time."""
        waiting = list(waiting)
        batch, alive = self._read(waiting[:at_once])
        del waiting[:at_once]
        while alive:
            token_B = self._step(batch.logits_BV, alive)
            going = [n for n, row in enumerate(alive) if not row.is_done]
            if not going and not waiting:
                return
            if len(going) < len(alive):
                index_B = torch.tensor(going, device=token_B.device, dtype=torch.long)
                batch.keep(index_B)
                token_B = token_B[index_B]
                alive = [alive[n] for n in going]
            if alive:
                batch.append(token_B)
            free = at_once - len(alive) // self.num_samples
            if waiting and (not alive or free >= max(1, _REFILL_SHARE * at_once)):
                fresh, rows = self._read(waiting[:free])
                del waiting[:free]
                batch = batch.join(fresh) if alive else fresh
                alive = alive + rows

    def _read(self, chosen: Sequence[int]) -> tuple[Rows, list[_Row]]:
        """Read prompts, once each, and open their rows."""
        rows = [_Row(i, self.limits[i]) for i in chosen for _ in range(self.num_samples)]
        for row in rows:
            self.found.setdefault(row.prompt, []).append(row)
        prompts = [self.prompts[i] for i in chosen]
        return Rows.read(self.model, self.beginning, prompts, self.num_samples, self.pad_id), rows

    def _step(self, logits_BV: torch.Tensor, alive: Sequence[_Row]) -> torch.Tensor:
        """Draw the next token of every row and note it."""
        token_B, logprob_B = _draw(logits_BV, self.temperature, self.rng)
        for row, token, logprob in zip(alive, token_B.tolist(), logprob_B.tolist(), strict=True):
            row.token_ids.append(token)
            row.logprobs.append(logprob)
            row.is_stopped = token == self.end_id or _ends_with_stop(self.tokenizer, row.token_ids, self.stop_texts)
        return token_B

    def completions(self, prompt: int) -> list[Completion]:
        rows = self.found[prompt]
        texts = self.tokenizer.decode_batch([[t for t in row.token_ids if t != self.end_id] for row in rows])
        return [
            Completion(text, tuple(row.token_ids), "stop" if row.is_stopped else "length", tuple(row.logprobs))
            for text, row in zip(texts, rows, strict=True)
        ]


def _draw(logits_BV: torch.Tensor, temperature: float, rng: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    """The next token of every row and its log-probability under the distribution it was drawn from."""
    logprobs_BV = torch.log_softmax(logits_BV / temperature if temperature else logits_BV, -1)
    token_B = _inverse_cdf(logprobs_BV, rng) if temperature else logprobs_BV.argmax(-1)
    return token_B, logprobs_BV.gather(1, token_B[:, None])[:, 0]


def _inverse_cdf(logprobs_BV: torch.Tensor, rng: torch.Generator) -> torch.Tensor:
    """One token of every row, drawn with one random number each: on a CPU ten times as fast as `torch.multinomial`."""
    edges_BV = logprobs_BV.exp().cumsum(-1, dtype=torch.float64)
    shape, total_B1 = (len(edges_BV), 1), edges_BV[:, -1:]
    point_B1 = total_B1 * torch.rand(shape, generator=rng, dtype=torch.float64, device=edges_BV.device)
    # right: the first edge above the point, so that a token of probability 0 is never drawn
    return torch.searchsorted(edges_BV, point_B1, right=True)[:, 0].clamp(max=edges_BV.shape[1] - 1)


def _ends_with_stop(tokenizer: Tokenizer, ids: list[int], stop_texts: Sequence[str]) -> bool:
    if not stop_texts:
        return False
    tail = tokenizer.decode(ids[-_STOP_WINDOW:])
    return any(text in tail for text in stop_texts)
