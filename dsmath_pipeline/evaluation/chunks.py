"""Evaluate benchmarks in chunks of problems, so that a killed run keeps what it finished.

Shared by questions (`harness`) and proofs (`formal.stage`): what may be named, which problems are taken, and the
committing of chunks. It neither asks a model nor grades.
"""

import contextlib
import hashlib
import random
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypedDict

import pyarrow as pa

from ..progress import SILENT, Progress
from ..recipe.schema import EvaluationSettings
from ..records import Problem
from ..storage import (
    MANIFEST,
    Artifact,
    Folder,
    commit_shard,
    file_key,
    finished_shard,
    read_manifest,
    read_table,
    remove,
)
from .engine import Engine, open_engine

Chosen = list[tuple[Problem, bool]]
"""Problems in order; the flag says whether the problem is also sampled K times."""

_CHUNKS = "_chunks"


class Execution(TypedDict, total=False):
    """How an evaluation runs, which does not change what it measures."""

    engine: Engine | str
    """A ready engine, or the name of one: `transformers` (default) or `vllm`."""
    device: str
    """`cpu`, `cuda`, ...; default: the first GPU, else the CPU."""
    workers: int
    """Programs or proof checks at the same time (default 2)."""
    progress: Progress
    force: bool
    """Evaluate again although the results are current."""


def execution_engine(execution: Execution, model: Folder, seed: int) -> Engine:
    """The engine that an execution names, loaded."""
    engine = execution.get("engine", "transformers")
    if not isinstance(engine, str):
        return engine
    return open_engine(engine, model, device=execution.get("device", ""), seed=seed)


def benchmark_names(benchmark: str | Sequence[str]) -> list[str]:
    """One name or several as a list."""
    return [benchmark] if isinstance(benchmark, str) else list(benchmark)


def model_key(model: Folder) -> str:
    """Identity of a model folder: its manifest's key, or a hash of the files of a foreign one."""
    if (model / MANIFEST).exists():
        return read_manifest(model).key
    files = [f for pattern in ("*.json", "*.safetensors", "*.bin") for f in model.glob(pattern)]
    return file_key(files)


def choose_problems(problems: list[Problem], settings: EvaluationSettings, seed: int, name: str) -> Chosen:
    """At most `max_problems` in file order, drawn by `seed`; the flag says whether the problem is also sampled."""
    rng = random.Random(f"{seed}:evaluation:{name}")
    chosen = list(range(len(problems)))
    if len(chosen) > settings.max_problems:
        chosen = sorted(rng.sample(chosen, settings.max_problems))
    sampled = set(chosen)
    if len(chosen) > settings.max_sampled_problems:
        sampled = set(rng.sample(chosen, settings.max_sampled_problems))
    return [(problems[i], i in sampled) for i in chosen]


def decodings(
    chunk: Chosen, settings: EvaluationSettings, seed: str
) -> list[tuple[str, list[Problem], float, int, int]]:
    """What a chunk is asked, greedily and then K times: (decoding, problems, temperature, samples of each, seed)."""
    asked = [
        ("greedy", [problem for problem, _ in chunk], 0.0, 1),
        ("sampled", [p for p, is_sampled in chunk if is_sampled], settings.sample_temperature, settings.num_samples),
    ]
    return [
        (decoding, problems, temperature, num_samples, _number(f"{seed}:{temperature}"))
        for decoding, problems, temperature, num_samples in asked
        if problems
    ]


def _number(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=4).digest())


def evaluate_chunks(
    artifact: Artifact, problems: Mapping[str, Chosen], size: int, schema: pa.Schema,
    make_rows: Callable[[str, Chosen, str], list[dict[str, Any]]], seed: int, progress: Progress = SILENT,
) -> list[dict[str, Any]]:  # fmt: skip
    """Write `results.parquet` with the rows of all benchmarks and return them.

    `make_rows` gets a benchmark's name, at most `size` of its problems and the text that seeds the chunk. A chunk that
    a killed run finished under the same key is not asked again.
    """
    folder, tables = artifact.path / _CHUNKS, [schema.empty_table()]
    for name, chosen in problems.items():
        for first in range(0, len(chosen), size):
            shard, key = f"{_file_name(name)}-{first:06d}", f"{artifact.key}:{name}:{first}"
            if finished_shard(folder, shard, key) is None:
                rows = make_rows(name, chosen[first : first + size], f"{seed}:{name}:{first}")
                commit_shard(folder, shard, key, pa.Table.from_pylist(rows, schema=schema), {})
            tables.append(read_table(folder / f"{shard}.parquet"))
            progress.update(f"evaluating {name}", min(first + size, len(chosen)), len(chosen))
    table = pa.concat_tables(tables)
    artifact.write_table("results.parquet", table)
    with contextlib.suppress(FileNotFoundError):
        remove(folder)
        folder.rmdir()
    return table.to_pylist()


def _file_name(benchmark: str) -> str:
    return "".join(c if c.isalnum() or c in "-_" else "_" for c in benchmark)
