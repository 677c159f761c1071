"""The one thing evaluation asks of a model: complete these prompts.

`ModelEngine` is the built-in sampler over a Hugging Face folder, `vllm_engine.VllmEngine` the same over vLLM. Importing
this file does not import torch.
"""

from collections.abc import Sequence
from typing import Protocol

from ..progress import SILENT, Progress
from ..records import Completion
from ..storage import Folder

ENGINES = ("transformers", "vllm")
REFILL_TOKENS = 128
"""From this length on, rows that ended give their places to waiting prompts; shorter ones end almost together."""


class EngineUnavailable(RuntimeError):
    """The engine's package is not installed or cannot run here; the message says what to do."""


class Engine(Protocol):
    """Something that completes prompts."""

    def complete(
        self, prompts: Sequence[str], *, max_new_tokens: int | Sequence[int], temperature: float, num_samples: int,
        seed: int, stop_texts: Sequence[str] = (),
    ) -> list[list[Completion]]:  # fmt: skip
        """`num_samples` completions of each prompt, in order.

        `max_new_tokens` is one limit or one for each prompt. Temperature 0 is greedy; the same seed, the same text. A
        completion ends after the first of `stop_texts`, which stays in its text. Prompts that leave no room in the
        model's context get empty completions cut off by `length`.
        """
        ...


def open_engine(name: str, model: Folder, *, device: str = "", seed: int = 0, progress: Progress = SILENT) -> Engine:
    """`transformers` (the built-in sampler) or `vllm`.

    Raises EngineUnavailable when vLLM is not installed, ValueError for another name.
    """
    if name == "vllm":
        from .vllm_engine import VllmEngine

        return VllmEngine(model, seed=seed)
    if name != "transformers":
        raise ValueError(f"unknown engine {name!r}; use {' or '.join(ENGINES)}")
    return ModelEngine(model, device=device, progress=progress)


class ModelEngine:
    """The built-in sampler (`training.generate`) over a model folder with its tokenizer."""

    def __init__(self, model: Folder, *, device: str = "", batch_rows: int = 256, progress: Progress = SILENT):
        """Load the model. Raises ModelError or TokenizerError when the folder lacks either."""
        from ..tokens.tokenizer import load_tokenizer
        from ..training.models import load_model

        self.tokenizer = load_tokenizer(model)
        self.model = load_model(model, device)
        self.batch_rows = batch_rows
        self.progress = progress
        end = self.model.generation_config.eos_token_id if self.model.generation_config else None
        end = end if end is not None else self.model.config.eos_token_id
        self.end_id = int(end[0] if isinstance(end, list) else end)
        pad = self.model.config.pad_token_id
        self.pad_id = int(pad if pad is not None else self.end_id)
        self.max_positions = int(getattr(self.model.config, "max_position_embeddings", 0) or 1 << 30)

    def complete(
        self, prompts: Sequence[str], *, max_new_tokens: int | Sequence[int], temperature: float, num_samples: int,
        seed: int, stop_texts: Sequence[str] = (),
    ) -> list[list[Completion]]:  # fmt: skip
        """See Engine."""
        from ..training.generate import generate

        lengths = [len(encoding.ids) for encoding in self.tokenizer.encode_batch(list(prompts))]
        limits = room_limits(lengths, max_new_tokens, self.max_positions)
        fitting = [i for i, limit in enumerate(limits) if limit > 0]
        found = [no_room(num_samples) for _ in prompts]
        if not fitting:
            return found
        sampled = generate(
            self.model, self.tokenizer, [prompts[i] for i in fitting], max_new_tokens=[limits[i] for i in fitting],
            end_id=self.end_id, pad_id=self.pad_id, temperature=temperature, num_samples=num_samples, seed=seed,
            batch_rows=self.batch_rows, stop_texts=stop_texts, progress=self.progress,
            refill=max(limits) >= REFILL_TOKENS,
        )  # fmt: skip
        for i, completions in zip(fitting, sampled, strict=True):
            found[i] = completions
        return found


def room_limits(lengths: Sequence[int], max_new_tokens: int | Sequence[int], max_positions: int) -> list[int]:
    """How many tokens may follow each prompt of `lengths` tokens; 0 or less where the context is full."""
    wanted = [max_new_tokens] * len(lengths) if isinstance(max_new_tokens, int) else max_new_tokens
    return [min(limit, max_positions - length) for limit, length in zip(wanted, lengths, strict=True)]


def no_room(num_samples: int) -> list[Completion]:
    """What a prompt gets that fills the model's context."""
    return [Completion("", (), "length")] * num_samples
