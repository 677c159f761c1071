"""The vLLM engine against a stand-in with vLLM's own signatures (vllm 0.10 to 0.14: entrypoints/llm.py, outputs.py)."""

import sys
from dataclasses import dataclass
from types import ModuleType, SimpleNamespace

import pytest

from dsmath_pipeline.evaluation.engine import EngineUnavailable, ModelEngine, open_engine
from tests.tiny_model import build_model_artifact


@dataclass
class SamplingParams:
    """The fields of vLLM's class that matter here; unknown names are an error there too."""

    n: int = 1
    temperature: float = 1.0
    seed: int | None = None
    stop: str | list[str] | None = None
    max_tokens: int | None = 16
    include_stop_str_in_output: bool = False

    def __post_init__(self):
        if self.temperature == 0 and self.n > 1:
            raise ValueError(f"n must be 1 when using greedy sampling, got {self.n}.")
        if self.max_tokens is not None and self.max_tokens < 1:
            raise ValueError(f"max_tokens must be at least 1, got {self.max_tokens}.")


@dataclass
class CompletionOutput:
    index: int
    text: str
    token_ids: list[int]
    cumulative_logprob: float | None
    logprobs: object | None
    finish_reason: str | None = None
    stop_reason: int | str | None = None


class LLM:
    """Answers with the seed and the first stop text; knows its context."""

    built = None

    def __init__(self, model, *, seed=0, dtype="auto", tensor_parallel_size=1, gpu_memory_utilization=0.9, **kwargs):
        assert kwargs == {"enable_prefix_caching": True}
        LLM.built = (model, seed)
        self.llm_engine = SimpleNamespace(model_config=SimpleNamespace(max_model_len=40))
        self.asked = []

    def generate(self, prompts, sampling_params=None, *, use_tqdm=True, lora_request=None, priority=None):
        assert isinstance(sampling_params, list) and len(sampling_params) == len(prompts) and use_tqdm is False
        self.asked = list(zip(prompts, sampling_params, strict=True))
        return [SimpleNamespace(outputs=self.answer(params)) for params in sampling_params]

    def answer(self, params):
        stop = (params.stop or [""])[0] if params.include_stop_str_in_output else ""
        outputs = [
            CompletionOutput(i, f" sample {i} of {params.seed}{stop}", [i, 1], None, None,
                             "length" if params.max_tokens < 3 else "stop", stop or None)
            for i in range(params.n)
        ]  # fmt: skip
        return outputs[::-1]  # in the order in which they finished


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return build_model_artifact(tmp_path_factory.mktemp("vllm"))


@pytest.fixture
def vllm(monkeypatch):
    module = ModuleType("vllm")
    module.LLM, module.SamplingParams, module.__version__ = LLM, SamplingParams, "0.0"  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "vllm", module)
    return module


def test_samples_come_in_order_with_limits_stops_and_reasons(vllm, folder):
    engine = open_engine("vllm", folder, seed=7)
    assert LLM.built == (str(folder), 7)
    first, second = engine.complete(
        ["1+1=", "2+2="], max_new_tokens=[9, 2], temperature=0.7, num_samples=3, seed=5, stop_texts=("```output",)
    )
    assert [c.text.split(" of ")[0] for c in first] == [" sample 0", " sample 1", " sample 2"]
    assert all(c.text.endswith("```output") for c in first)  # the tool call stays, as with the built-in sampler
    assert {c.finish for c in first} == {"stop"} and {c.finish for c in second} == {"length"}
    (prompt, params), (_, other) = engine.llm.asked
    assert prompt == {"prompt_token_ids": engine.tokenizer.encode("1+1=").ids}
    assert (params.n, params.temperature, params.max_tokens, other.max_tokens) == (3, 0.7, 9, 2)
    assert params.seed != other.seed  # equal prompts of one call must not get equal samples


def test_both_engines_treat_a_full_context_alike(vllm, folder):
    engine, built_in = open_engine("vllm", folder), ModelEngine(folder, device="cpu")
    built_in.max_positions = 40
    asked = {"max_new_tokens": 30, "temperature": 0.0, "num_samples": 1, "seed": 0}
    prompts = ["word " * 300, "1+1="]
    for completions in (engine.complete(prompts, **asked), built_in.complete(prompts, **asked)):
        assert (completions[0][0].text, completions[0][0].finish) == ("", "length")
        assert completions[1][0].token_ids
    length = len(engine.tokenizer.encode("1+1=").ids)
    assert engine.llm.asked[0][1].max_tokens == min(30, 40 - length)


def test_several_greedy_samples_are_refused_before_vllm_is_asked(vllm, folder):
    with pytest.raises(ValueError, match="all equal"):
        open_engine("vllm", folder).complete(["a"], max_new_tokens=3, temperature=0.0, num_samples=2, seed=0)


def test_without_vllm_the_error_says_what_to_do(monkeypatch, folder):
    monkeypatch.setitem(sys.modules, "vllm", None)  # import fails
    with pytest.raises(EngineUnavailable, match=r"vllm is not installed here.*environment of its own.*--engine vllm"):
        open_engine("vllm", folder)


def test_a_machine_that_vllm_cannot_use_is_named(vllm, folder, monkeypatch):
    def no_gpu(self, model, **options):
        raise RuntimeError("no CUDA device")

    monkeypatch.setattr(LLM, "__init__", no_gpu)
    with pytest.raises(EngineUnavailable, match=r"vLLM 0.0 cannot run .* here: no CUDA device"):
        open_engine("vllm", folder)


def test_other_engines_are_unknown(folder):
    with pytest.raises(ValueError, match="unknown engine 'sglang'; use transformers or vllm"):
        open_engine("sglang", folder)
