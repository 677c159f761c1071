"""A model and a sandbox that say what a test prepared."""

from collections.abc import Sequence

from dsmath_pipeline.grading.sandbox import ProgramResult
from dsmath_pipeline.records import Completion


class ScriptedEngine:
    """Answers each call with the next list of texts and remembers the prompts."""

    def __init__(self, *calls: Sequence[str]):
        self.calls = list(calls)
        self.prompts: list[list[str]] = []
        self.limits: list[int | list[int]] = []

    def complete(self, prompts, *, max_new_tokens, temperature, num_samples, seed, stop_texts=()):
        self.prompts.append(list(prompts))
        self.limits.append(max_new_tokens)
        texts = iter(self.calls.pop(0))
        return [[Completion(next(texts), tuple(range(10))) for _ in range(num_samples)] for _ in prompts]


class FakeSandbox:
    """Evaluates nothing: maps programs to prepared results."""

    def __init__(self, results):
        self.results = results

    def run(self, programs, limits=None):
        return [self.results.get(p, ProgramResult("error", "", "KeyError: no such program", 0.0)) for p in programs]


def ok(stdout):
    return ProgramResult("ok", stdout, "", 0.0)
