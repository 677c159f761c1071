"""Evaluate a model on benchmarks: greedy accuracy, Maj@K and Pass@K (sections 2.3, 3 and 5.2.2).

Writes `results.parquet` (RESULT_SCHEMA, one row for each completion) and the figures in the manifest's counts. The
problems are worked on in chunks; a killed run keeps its finished chunks. It trains nothing and draws nothing.
"""

import contextlib
import functools
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Unpack

import pyarrow as pa

from ..grading.answers import ANSWERS_VERSION
from ..grading.equality import decide
from ..grading.sandbox import Sandbox
from ..progress import SILENT
from ..recipe.schema import EvaluationSettings
from ..records import Problem
from ..storage import Folder, Manifest, file_key, stage
from .benchmarks.files import BenchmarkError, subject_and_level
from .benchmarks.registry import benchmark_files, find_benchmark, load_benchmark
from .chunks import (
    Chosen,
    Execution,
    benchmark_names,
    choose_problems,
    decodings,
    evaluate_chunks,
    execution_engine,
    model_key,
)
from .engine import Engine
from .prompts import chat_prompt, few_shot_prompt, statement, stop_texts
from .solve import METHODS, Solution, solve
from .summary import counts_of

EVALUATION_VERSION = f"4/answers {ANSWERS_VERSION}"
"""1 (2026-11): first version. 2 (2026-11): the rule that graded. 3 (2026-11): subjects, levels and program outputs; a
corrected program no longer runs behind the one that failed. 4 (2026-11): samples by the inverse distribution function.
Prompts, extraction and grading belong to it."""

CHUNK_PROBLEMS = 64
"""Problems between two commits: minutes of work for a large model."""

RESULT_SCHEMA = pa.schema(
    [
        pa.field("benchmark", pa.string(), nullable=False),
        pa.field("problem_id", pa.string(), nullable=False),
        pa.field("language", pa.string(), nullable=False),
        pa.field("subject", pa.string(), nullable=False),  # "" where the benchmark has none
        pa.field("level", pa.string(), nullable=False),  # "" where the benchmark has none
        pa.field("problem", pa.string(), nullable=False),  # with its options
        pa.field("reference", pa.string(), nullable=False),
        pa.field("method", pa.string(), nullable=False),  # cot, pot or tool
        pa.field("decoding", pa.string(), nullable=False),  # `greedy` or `sampled`
        pa.field("sample", pa.int32(), nullable=False),  # 0 to K-1 for `sampled`, 0 for `greedy`
        pa.field("completion", pa.string(), nullable=False),  # with the outputs of programs in ```output blocks
        pa.field("answer", pa.string(), nullable=False),  # "" when there is none
        pa.field("verdict", pa.string(), nullable=False),  # records.Verdict
        pa.field("rule", pa.string(), nullable=False),  # which comparison decided
        pa.field("grade", pa.bool_(), nullable=False),
        pa.field("finish", pa.string(), nullable=False),  # `stop` or `length`
        pa.field("num_tokens", pa.int32(), nullable=False),
        pa.field("num_programs", pa.int32(), nullable=False),
        pa.field("program_status", pa.string(), nullable=False),  # of the last program, "" when none ran
        pa.field("chance", pa.float64(), nullable=False),  # accuracy of guessing: 1/options, 0 for open questions
    ]
)


def evaluate_model(
    model: Folder, benchmark: str | Sequence[str], data: Folder, out: Folder, settings: EvaluationSettings,
    method: str = "cot", seed: int = 0, **execution: Unpack[Execution],
) -> Manifest:  # fmt: skip
    """Evaluate the model folder on one benchmark or several.

    `data` is the folder of the benchmarks' folders (for `word_problems`, the artifact itself). Counts: greedy,
    maj_at_k, pass_at_k (0-1; None without samples), k, num_problems, num_sampled_problems, chance, no_answer_share,
    truncated_share, num_sandbox_failures; the same by_benchmark, by_language, by_subject and by_level (the last two
    within a benchmark); by_k (the curves of figure 7) within a benchmark.
    Raises BenchmarkError for an unknown, absent or malformed benchmark, SandboxUnavailable when `method` runs programs
    and no safe way to do so exists, EngineUnavailable when the engine that is named cannot run here.
    """
    if method not in METHODS:
        raise ValueError(f"unknown method {method!r}; use {', '.join(METHODS)}")
    names = benchmark_names(benchmark)
    for name in names:
        if find_benchmark(name).is_formal:
            raise BenchmarkError(f"{name} holds proofs: evaluate it with the method `proof` or `hammer`")
    problems = {name: choose_problems(load_benchmark(name, data), settings, seed, name) for name in names}
    inputs = {"model": model_key(model), **{name: file_key(benchmark_files(name, data)) for name in names}}
    identity = {**settings.model_dump(mode="json"), "method": method, "seed": seed, "benchmarks": names}
    force = execution.get("force", False)
    with stage(out, "evaluation", EVALUATION_VERSION, identity, inputs, force=force) as run:
        if run.artifact:
            with contextlib.ExitStack() as stack:
                sandbox = stack.enter_context(Sandbox(execution.get("workers", 2))) if method != "cot" else None
                solver = _Solver(execution_engine(execution, model, seed), sandbox, settings, method)
                progress = execution.get("progress", SILENT)
                rows = evaluate_chunks(
                    run.artifact, problems, CHUNK_PROBLEMS, RESULT_SCHEMA, solver.solve_chunk, seed, progress
                )
            run.artifact.counts |= {**counts_of(rows, settings.num_samples), "method": method}
            if sandbox is not None:
                run.artifact.counts["sandbox"] = sandbox.tier  # which walls model-written programs ran behind
    assert run.manifest is not None
    return run.manifest


@dataclass(frozen=True)
class _Solver:
    """A model with what it needs to answer and to be graded."""

    engine: Engine
    sandbox: Sandbox | None
    settings: EvaluationSettings
    method: str

    def solve_chunk(self, name: str, chunk: Chosen, seed: str) -> list[dict[str, Any]]:
        """Greedy solutions of every problem, then K samples of the chosen ones, graded."""
        rows, options = [], []
        for decoding, problems, temperature, num_samples, number in decodings(chunk, self.settings, seed):
            prompts = [make_prompt(problem, name, self.method, self.settings.prompt) for problem in problems]
            solutions = solve(
                self.engine, prompts, self.method, self.settings, temperature=temperature, num_samples=num_samples,
                seed=number, stop_texts=stop_texts(self.settings.prompt, self.method), sandbox=self.sandbox,
            )  # fmt: skip
            for problem, group in zip(problems, solutions, strict=True):
                rows += [_row(name, problem, self.method, decoding, *numbered) for numbered in enumerate(group)]
                options += [problem.options] * len(group)
        _grade(rows, options, find_benchmark(name).relative_tolerance, self.settings.grading)
        return rows


def make_prompt(problem: Problem, benchmark: str, method: str, style: str) -> str:
    """The prompt of one problem; `style` is `chat` or `few_shot`."""
    if style == "chat":
        return chat_prompt(problem, method)
    return few_shot_prompt(problem, find_benchmark(benchmark), method)


def _row(name: str, problem: Problem, method: str, decoding: str, sample: int, solution: Solution) -> dict[str, Any]:
    subject, level = subject_and_level(problem)
    return {
        "benchmark": name, "problem_id": problem.id, "language": problem.language, "subject": subject, "level": level,
        "problem": statement(problem), "reference": problem.answer, "method": method, "decoding": decoding,
        "sample": sample, "completion": solution.text, "answer": solution.answer, "finish": solution.finish,
        "num_tokens": solution.num_tokens, "num_programs": solution.num_programs,
        "program_status": solution.program_status,
        "chance": 1 / len(problem.options) if problem.options else 0.0,
    }  # fmt: skip


def _grade(rows: list[dict[str, Any]], options: Sequence[Sequence[str]], tolerance: float, mode: str) -> None:
    """Fill in verdict, rule and grade."""
    compare = functools.partial(decide, relative_tolerance=tolerance, mode=mode)
    with ThreadPoolExecutor(2) as threads:  # the symbolic comparison waits for its own processes
        decisions = threads.map(
            lambda row, texts: compare(row["reference"], row["answer"], options=texts), rows, options
        )
        for row, decision in zip(rows, decisions, strict=True):
            row["verdict"], row["rule"], row["grade"] = str(decision.verdict), decision.rule, decision.is_correct
