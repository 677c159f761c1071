"""Evaluate a model on benchmarks: greedy accuracy, Maj@K and Pass@K (sections 2.3, 3 and 5.2.2).

Writes `results.parquet` (RESULT_SCHEMA, one row for each completion) and the figures in the manifest's counts. The
problems are worked on in chunks; a killed run keeps its finished chunks. It trains nothing and draws nothing.
"""

import contextlib
import functools
import hashlib
import random
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pyarrow as pa

from ..grading.answers import ANSWERS_VERSION
from ..grading.equality import decide
from ..grading.sandbox import Sandbox
from ..progress import SILENT, Progress
from ..recipe.schema import EvaluationSettings
from ..records import Problem, Verdict
from ..storage import (
    MANIFEST,
    Artifact,
    Folder,
    Manifest,
    commit_shard,
    file_key,
    finished_shard,
    read_manifest,
    read_table,
    remove,
    stage,
)
from .benchmarks.files import BenchmarkError
from .benchmarks.registry import benchmark_files, find_benchmark, load_benchmark
from .engine import Engine, ModelEngine
from .metrics import Sample, accuracy, maj_at_k, pass_at_k
from .prompts import chat_prompt, few_shot_prompt, stop_texts
from .solve import Solution, solve

EVALUATION_VERSION = f"2/answers {ANSWERS_VERSION}"
"""1 (2026-11): first version. Prompts, extraction and grading belong to it."""

CHUNK_PROBLEMS = 64
"""Problems between two commits: minutes of work for a large model."""

RESULT_SCHEMA = pa.schema(
    [
        pa.field("benchmark", pa.string(), nullable=False),
        pa.field("problem_id", pa.string(), nullable=False),
        pa.field("language", pa.string(), nullable=False),
        pa.field("problem", pa.string(), nullable=False),
        pa.field("reference", pa.string(), nullable=False),
        pa.field("decoding", pa.string(), nullable=False),  # `greedy` or `sampled`
        pa.field("sample", pa.int32(), nullable=False),  # 0 to K-1 for `sampled`, 0 for `greedy`
        pa.field("completion", pa.string(), nullable=False),
        pa.field("answer", pa.string(), nullable=False),  # "" when there is none
        pa.field("verdict", pa.string(), nullable=False),  # records.Verdict
        pa.field("rule", pa.string(), nullable=False),  # which comparison decided
        pa.field("grade", pa.bool_(), nullable=False),
        pa.field("finish", pa.string(), nullable=False),  # `stop` or `length`
        pa.field("num_tokens", pa.int32(), nullable=False),
        pa.field("program_status", pa.string(), nullable=False),  # of the last program, "" when none ran
        pa.field("chance", pa.float64(), nullable=False),  # accuracy of guessing: 1/options, 0 for open questions
    ]
)
_CHUNKS = "_chunks"


def evaluate_model(
    model: Folder,
    benchmark: str | Sequence[str],
    data: Folder,
    out: Folder,
    settings: EvaluationSettings,
    method: str = "cot",
    seed: int = 0,
    *,
    engine: Engine | None = None,
    device: str = "",
    workers: int = 2,
    progress: Progress = SILENT,
    force: bool = False,
) -> Manifest:
    """Evaluate the model folder on one benchmark or several.

    `data` is the folder of the benchmarks' folders (for `word_problems`, the artifact itself). `engine` replaces the
    built-in sampler. Counts: greedy, maj_at_k, pass_at_k (0-1; None without samples), k, num_problems,
    num_sampled_problems, chance, no_answer_share, truncated_share, num_sandbox_failures, by_benchmark, by_language.
    Raises BenchmarkError for an unknown, absent or malformed benchmark, SandboxUnavailable when `method` runs programs
    and no safe way to do so exists.
    """
    names = [benchmark] if isinstance(benchmark, str) else list(benchmark)
    for name in names:
        if find_benchmark(name).is_formal:
            raise BenchmarkError(f"{name} holds proofs: evaluate it with the method `proof` or `hammer`")
    problems = {name: choose_problems(load_benchmark(name, data), settings, seed, name) for name in names}
    inputs = {"model": model_key(model), **{name: file_key(benchmark_files(name, data)) for name in names}}
    identity = {**settings.model_dump(mode="json"), "method": method, "seed": seed, "benchmarks": names}
    with stage(out, "evaluation", EVALUATION_VERSION, identity, inputs, force=force) as run:
        if run.artifact:
            with contextlib.ExitStack() as stack:
                sandbox = stack.enter_context(Sandbox(workers)) if method != "cot" else None
                solver = engine or ModelEngine(model, device=device)
                shards = [
                    shard
                    for name in names
                    for shard in _evaluate_benchmark(
                        run.artifact, name, problems[name], solver, sandbox, settings, method, seed, progress
                    )
                ]
            _finish(run.artifact, shards, settings.num_samples)
    assert run.manifest is not None
    return run.manifest


def model_key(model: Folder) -> str:
    """Identity of a model folder: its manifest's key, or a hash of the files of a foreign one."""
    if (model / MANIFEST).exists():
        return read_manifest(model).key
    files = [f for pattern in ("*.json", "*.safetensors", "*.bin") for f in model.glob(pattern)]
    return file_key(files)


def choose_problems(
    problems: list[Problem], settings: EvaluationSettings, seed: int, name: str
) -> list[tuple[Problem, bool]]:
    """At most `max_problems` in file order, drawn by `seed`; the flag says whether the problem is also sampled."""
    rng = random.Random(f"{seed}:evaluation:{name}")
    chosen = list(range(len(problems)))
    if len(chosen) > settings.max_problems:
        chosen = sorted(rng.sample(chosen, settings.max_problems))
    sampled = set(chosen)
    if len(chosen) > settings.max_sampled_problems:
        sampled = set(rng.sample(chosen, settings.max_sampled_problems))
    return [(problems[i], i in sampled) for i in chosen]


def _evaluate_benchmark(
    artifact: Artifact, name: str, problems: list[tuple[Problem, bool]], engine: Engine, sandbox: Sandbox | None,
    settings: EvaluationSettings, method: str, seed: int, progress: Progress,
) -> list[str]:  # fmt: skip
    """Write one shard for each chunk of problems that has none yet. Returns the shards' names."""
    shards = []
    for first in range(0, len(problems), CHUNK_PROBLEMS):
        chunk = problems[first : first + CHUNK_PROBLEMS]
        shard, key = f"{_file_name(name)}-{first:06d}", f"{artifact.key}:{name}:{first}"
        folder = artifact.path / _CHUNKS
        if finished_shard(folder, shard, key) is None:
            rows = _evaluate_chunk(name, chunk, engine, sandbox, settings, method, f"{seed}:{name}:{first}")
            commit_shard(folder, shard, key, pa.Table.from_pylist(rows, schema=RESULT_SCHEMA), {})
        shards.append(shard)
        progress.update(f"evaluating {name}", min(first + CHUNK_PROBLEMS, len(problems)), len(problems))
    return shards


def _evaluate_chunk(
    name: str, chunk: list[tuple[Problem, bool]], engine: Engine, sandbox: Sandbox | None,
    settings: EvaluationSettings, method: str, seed: str,
) -> list[dict[str, Any]]:  # fmt: skip
    """Greedy solutions of every problem, then K samples of the chosen ones."""

    def run(problems: list[Problem], temperature: float, num_samples: int) -> list[list[Solution]]:
        if not problems:
            return []
        prompts = [make_prompt(problem, name, method, settings.prompt) for problem in problems]
        number = int.from_bytes(hashlib.blake2b(f"{seed}:{temperature}".encode(), digest_size=4).digest())
        return solve(
            engine, prompts, method, settings, temperature=temperature, num_samples=num_samples, seed=number,
            stop_texts=stop_texts(settings.prompt, method), sandbox=sandbox,
        )  # fmt: skip

    everyone = [problem for problem, _ in chunk]
    sampled = [problem for problem, is_sampled in chunk if is_sampled]
    attempts = [(p, "greedy", s) for p, s in zip(everyone, run(everyone, 0.0, 1), strict=True)]
    drawn = run(sampled, settings.sample_temperature, settings.num_samples)
    attempts += [(p, "sampled", s) for p, s in zip(sampled, drawn, strict=True)]
    rows = [
        _row(name, problem, decoding, index, solution)
        for problem, decoding, solutions in attempts
        for index, solution in enumerate(solutions)
    ]
    options = [problem.options for problem, _, solutions in attempts for _ in solutions]
    tolerance = find_benchmark(name).relative_tolerance
    compare = functools.partial(decide, relative_tolerance=tolerance, mode=settings.grading)
    with ThreadPoolExecutor(2) as threads:  # the symbolic comparison waits for its own processes
        decisions = threads.map(
            lambda row, texts: compare(row["reference"], row["answer"], options=texts), rows, options
        )
        for row, decision in zip(rows, decisions, strict=True):
            row["verdict"], row["rule"], row["grade"] = str(decision.verdict), decision.rule, decision.is_correct
    return rows


def make_prompt(problem: Problem, benchmark: str, method: str, style: str) -> str:
    """The prompt of one problem; `style` is `chat` or `few_shot`."""
    if style == "chat":
        return chat_prompt(problem, method)
    return few_shot_prompt(problem, find_benchmark(benchmark), method)


def _row(name: str, problem: Problem, decoding: str, index: int, solution: Solution) -> dict[str, Any]:
    return {
        "benchmark": name, "problem_id": problem.id, "language": problem.language, "problem": problem.problem,
        "reference": problem.answer, "decoding": decoding, "sample": index, "completion": solution.text,
        "answer": solution.answer, "finish": solution.finish, "num_tokens": solution.num_tokens,
        "program_status": solution.program_status,
        "chance": 1 / len(problem.options) if problem.options else 0.0,
    }  # fmt: skip


def _file_name(benchmark: str) -> str:
    return "".join(c if c.isalnum() or c in "-_" else "_" for c in benchmark)


def _finish(artifact: Artifact, shards: list[str], k: int) -> None:
    """Join the chunks into results.parquet and count."""
    folder = artifact.path / _CHUNKS
    tables = [read_table(folder / f"{shard}.parquet") for shard in shards]
    table = pa.concat_tables([RESULT_SCHEMA.empty_table(), *tables])
    artifact.write_table("results.parquet", table)
    artifact.counts |= summarise(table.to_pylist(), k)
    for group, column in (("by_benchmark", "benchmark"), ("by_language", "language")):
        artifact.counts[group] = _by(table.to_pylist(), column, lambda rows: summarise(rows, k))
    if shards:
        remove(folder)
        folder.rmdir()


def _by(rows: list[dict[str, Any]], column: str, summary: Callable[[list[dict[str, Any]]], dict]) -> dict[str, dict]:
    values = sorted({row[column] for row in rows})
    return {value: summary([row for row in rows if row[column] == value]) for value in values}


def summarise(rows: list[dict[str, Any]], k: int) -> dict[str, Any]:
    """The figures of some rows of results.parquet; every problem weighs the same."""
    greedy = [row for row in rows if row["decoding"] == "greedy"]
    groups: dict[tuple[str, str], list[Sample]] = {}
    for row in rows:
        if row["decoding"] == "sampled":
            key = (row["benchmark"], row["problem_id"])
            groups.setdefault(key, []).append(Sample(row["answer"], row["grade"]))
    samples = list(groups.values())
    return {
        "greedy": accuracy([row["grade"] for row in greedy]),
        "maj_at_k": maj_at_k(samples, k) if samples else None,
        "pass_at_k": pass_at_k(samples, k) if samples else None,
        "k": k,
        "num_problems": len(greedy),
        "num_sampled_problems": len(samples),
        "chance": sum(row["chance"] for row in greedy) / len(greedy) if greedy else 0.0,
        "no_answer_share": accuracy([row["verdict"] == Verdict.NO_ANSWER for row in greedy]),
        "truncated_share": accuracy([row["finish"] == "length" for row in greedy]),
        "num_sandbox_failures": sum(row["program_status"] == "infra" for row in rows),
    }
