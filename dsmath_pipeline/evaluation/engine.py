"""The one thing evaluation asks of a model: complete these prompts.

`ModelEngine` is the built-in sampler over a Hugging Face folder; a faster server is another class with the same
method. Importing this file does not import torch.
"""

from collections.abc import Sequence
from typing import Protocol

from ..progress import SILENT, Progress
from ..records import Completion
from ..storage import Folder


class Engine(Protocol):
    """Something that completes prompts."""

    def complete(
        self, prompts: Sequence[str], *, max_new_tokens: int, temperature: float, num_samples: int, seed: int,
        stop_texts: Sequence[str] = (),
    ) -> list[list[Completion]]:  # fmt: skip
        """`num_samples` completions of each prompt, in order. Temperature 0 is greedy; the same seed, the same text."""
        ...


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
        self, prompts: Sequence[str], *, max_new_tokens: int, temperature: float, num_samples: int, seed: int,
        stop_texts: Sequence[str] = (),
    ) -> list[list[Completion]]:  # fmt: skip
        """See Engine. Prompts that leave no room in the model's context get empty completions cut off by length."""
        from ..training.generate import generate

        lengths = [len(encoding.ids) for encoding in self.tokenizer.encode_batch(list(prompts))]
        fitting = [i for i, length in enumerate(lengths) if length < self.max_positions]
        found: list[list[Completion]] = [[Completion("", (), "length")] * num_samples for _ in prompts]
        if not fitting:
            return found
        room = self.max_positions - max(lengths[i] for i in fitting)
        sampled = generate(
            self.model, self.tokenizer, [prompts[i] for i in fitting], max_new_tokens=min(max_new_tokens, room),
            end_id=self.end_id, pad_id=self.pad_id, temperature=temperature, num_samples=num_samples, seed=seed,
            batch_rows=self.batch_rows, stop_texts=stop_texts, progress=self.progress,
        )  # fmt: skip
        for i, completions in zip(fitting, sampled, strict=True):
            found[i] = completions
        return found
