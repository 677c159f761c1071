"""vLLM as an engine: continuous batching on a GPU, with a cache of prompt beginnings.

vLLM pins its own torch, so it has an environment of its own: install this project and vLLM into it without
constraints.txt. The prompts are tokenized by the model folder's tokenizer here, so both engines read the same tokens.
"""

import hashlib
from collections.abc import Sequence
from typing import Any

from ..records import Completion
from ..storage import Folder
from .engine import EngineUnavailable, no_room, room_limits


class VllmEngine:
    """An Engine over `vllm.LLM`. Log-probabilities are not asked for: `Completion.logprobs` stays empty."""

    def __init__(self, model: Folder, *, seed: int = 0, **options: Any):
        """Load the model; `options` go to `vllm.LLM` (tensor_parallel_size, gpu_memory_utilization, ...).

        Raises EngineUnavailable when vLLM is not installed or finds no device it can use.
        """
        from ..tokens.tokenizer import load_tokenizer

        try:
            import vllm  # type: ignore[import-not-found]
        except ImportError as error:
            raise EngineUnavailable(
                f"the engine vllm is not installed here ({error}): pip install vllm in an environment of its own (it "
                "pins another torch), or leave out --engine vllm for the built-in sampler"
            ) from error
        self.tokenizer = load_tokenizer(model)
        self.parameters = vllm.SamplingParams
        try:
            self.llm = vllm.LLM(str(model), seed=seed, enable_prefix_caching=True, **options)
        except (RuntimeError, ValueError) as error:
            raise EngineUnavailable(
                f"vLLM {getattr(vllm, '__version__', '')} cannot run {model} here: {error}. Leave out --engine vllm "
                "for the built-in sampler, which also runs on a CPU"
            ) from error
        self.max_positions = int(self.llm.llm_engine.model_config.max_model_len)

    def complete(
        self, prompts: Sequence[str], *, max_new_tokens: int | Sequence[int], temperature: float, num_samples: int,
        seed: int, stop_texts: Sequence[str] = (),
    ) -> list[list[Completion]]:  # fmt: skip
        """See Engine. Raises ValueError when several greedy samples are asked for."""
        if num_samples > 1 and temperature == 0:
            raise ValueError("greedy completions of one prompt are all equal: set a temperature or num_samples=1")
        ids = [encoding.ids for encoding in self.tokenizer.encode_batch(list(prompts))]
        limits = room_limits([len(row) for row in ids], max_new_tokens, self.max_positions)
        fitting = [i for i, limit in enumerate(limits) if limit > 0]
        parameters = [
            self.parameters(
                n=num_samples, temperature=temperature, max_tokens=limits[i], seed=_seed(seed, i),
                stop=list(stop_texts) or None, include_stop_str_in_output=True,
            )
            for i in fitting
        ]  # fmt: skip
        outputs = self.llm.generate([{"prompt_token_ids": ids[i]} for i in fitting], parameters, use_tqdm=False)
        found = [no_room(num_samples) for _ in prompts]
        for i, output in zip(fitting, outputs, strict=True):
            found[i] = [_completion(c) for c in sorted(output.outputs, key=lambda c: c.index)]
        return found


def _seed(seed: int, prompt: int) -> int:
    """A seed for each prompt: equal prompts of one call must not get equal samples."""
    return int.from_bytes(hashlib.blake2b(f"{seed}:{prompt}".encode(), digest_size=4).digest())


def _completion(output: Any) -> Completion:
    return Completion(output.text, tuple(output.token_ids), "length" if output.finish_reason == "length" else "stop")
