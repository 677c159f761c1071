"""Formal proof, informal to formal: the model reads a problem, its proof in words and the formal statement, and writes
a proof that a checker accepts or not (section 2.3, table 3).

Writes `results.parquet` (PROOF_SCHEMA, one row for each attempt) and the figures in the manifest's counts. Method
`proof` is the model: one greedy attempt and K samples. Method `hammer` is the baseline without a model: the prover's
own automation on the bare statement. Few-shot prompts only, as in the paper; how many attempts it made it does not say.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Unpack

import pyarrow as pa

from ...progress import SILENT
from ...recipe.schema import EvaluationSettings
from ...records import Problem
from ...storage import Folder, Manifest, artifact_key, stage
from ..benchmarks.files import BenchmarkError
from ..benchmarks.registry import find_benchmark, load_benchmark
from ..chunks import (
    Chosen,
    Execution,
    benchmark_names,
    choose_problems,
    decodings,
    evaluate_chunks,
    execution_engine,
    model_key,
)
from ..engine import Engine
from ..metrics import Sample, accuracy, pass_at_k
from ..prompts import read_examples
from ..tools import cut_at
from .command import CommandProver
from .coq import CoqProver
from .coq_script import cut_proof
from .prover import ProofLimits, ProofResult, ProofStatus, Prover

PROOF_VERSION = "1"
"""1 (2026-11): first version. Prompts, what a script may hold and how it is checked belong to it."""

METHODS = ("proof", "hammer")
CHUNK_PROBLEMS = 16
"""Problems between two commits: a hammer call may take a minute."""

PROOF_SCHEMA = pa.schema(
    [
        pa.field("benchmark", pa.string(), nullable=False),
        pa.field("problem_id", pa.string(), nullable=False),
        pa.field("language", pa.string(), nullable=False),  # `coq` or `isabelle`
        pa.field("problem", pa.string(), nullable=False),  # informal
        pa.field("statement", pa.string(), nullable=False),
        pa.field("decoding", pa.string(), nullable=False),  # `greedy`, `sampled` or `hammer`
        pa.field("sample", pa.int32(), nullable=False),  # 0 to K-1 for `sampled`, else 0
        pa.field("completion", pa.string(), nullable=False),
        pa.field("proof", pa.string(), nullable=False),  # what the checker was given
        pa.field("status", pa.string(), nullable=False),  # prover.ProofStatus
        pa.field("message", pa.string(), nullable=False),
        pa.field("seconds", pa.float64(), nullable=False),  # wall time of the check
        pa.field("grade", pa.bool_(), nullable=False),  # accepted
        pa.field("finish", pa.string(), nullable=False),  # `stop` or `length`, "" for the hammer
        pa.field("num_tokens", pa.int32(), nullable=False),
    ]
)
_STOPS = {"coq": ("Qed.", "\n(* Problem", "\nTheorem"), "isabelle": ("\n(* Problem", "\ntheorem", "\nlemma")}


def open_prover(name: str, limits: ProofLimits | None = None) -> Prover:
    """`coq`, or a command line for `CommandProver`. Raises ProverUnavailable with what to install."""
    return CoqProver(limits) if name == "coq" else CommandProver(name, limits)


def evaluate_proofs(
    model: Folder | None, benchmark: str | Sequence[str], data: Folder, out: Folder, settings: EvaluationSettings,
    prover: Prover, method: str = "proof", seed: int = 0, **execution: Unpack[Execution],
) -> Manifest:  # fmt: skip
    """Prove the statements of one formal benchmark or several; `workers` checks run at the same time.

    `model` may be None for method `hammer`. Counts: greedy or hammer (share of problems proved, 0-1), pass_at_k, k,
    num_problems, num_sampled_problems, timeout_share, num_unavailable (attempts that could not be judged, graded as
    not proved), truncated_share, prover, by_benchmark. Raises BenchmarkError for a benchmark that is unknown, not
    formal or not in the prover's language.
    """
    if method not in METHODS or (method == "proof" and model is None):
        raise ValueError(f"method {method!r}: use `hammer`, or `proof` with a model")
    names = benchmark_names(benchmark)
    problems = {name: _load(name, data, prover, settings, seed) for name in names}
    inputs = {name: artifact_key(name, "", {"problems": repr(problems[name])}, {}) for name in names}
    if method == "proof" and model is not None:
        inputs["model"] = model_key(model)
    identity = {**settings.model_dump(mode="json"), "method": method, "seed": seed, "benchmarks": names,
                "prover": prover.version}  # fmt: skip
    force = execution.get("force", False)
    with stage(out, "proofs", PROOF_VERSION, identity, inputs, force=force) as run:
        if run.artifact:
            engine = execution_engine(execution, model, seed) if method == "proof" and model is not None else None

            def make_rows(name: str, chunk: Chosen, chunk_seed: str) -> list[dict[str, Any]]:
                rows = _attempts(name, chunk, engine, settings, chunk_seed) if engine else _hammer(name, chunk, prover)
                _check(rows, prover, execution.get("workers", 2))
                return rows

            progress = execution.get("progress", SILENT)
            rows = evaluate_chunks(run.artifact, problems, CHUNK_PROBLEMS, PROOF_SCHEMA, make_rows, seed, progress)
            run.artifact.counts |= summarise(rows, settings.num_samples)
            run.artifact.counts["by_benchmark"] = {
                name: summarise([row for row in rows if row["benchmark"] == name], settings.num_samples)
                for name in sorted({row["benchmark"] for row in rows})
            }
            run.artifact.counts |= {"prover": f"{prover.name}: {prover.version}", "method": method}
    assert run.manifest is not None
    return run.manifest


def _load(name: str, data: Folder, prover: Prover, settings: EvaluationSettings, seed: int) -> Chosen:
    if not find_benchmark(name).is_formal:
        raise BenchmarkError(f"{name} holds questions, not statements to prove: use method cot, pot or tool")
    problems = load_benchmark(name, data)
    language = problems[0].language if problems else prover.language
    if language != prover.language:
        raise BenchmarkError(
            f"{name} is written in {language}, the prover {prover.name} reads {prover.language}: choose another with "
            "--prover (a command that checks proofs, for Isabelle)"
        )
    return choose_problems(problems, settings, seed, name)


def _hammer(name: str, chunk: Chosen, prover: Prover) -> list[dict[str, Any]]:
    return [_row(name, problem, "hammer", 0, "", prover.hammer_proof, "", 0) for problem, _ in chunk]


def _attempts(
    name: str, chunk: Chosen, engine: Engine, settings: EvaluationSettings, seed: str
) -> list[dict[str, Any]]:
    """A greedy proof of every problem, then K samples of the chosen ones; not checked yet."""
    rows = []
    for decoding, problems, temperature, num_samples, number in decodings(chunk, settings, seed):
        stops = _STOPS[problems[0].language]
        groups = engine.complete(
            [proof_prompt(problem) for problem in problems], max_new_tokens=settings.max_completion_tokens,
            temperature=temperature, num_samples=num_samples, seed=number, stop_texts=stops,
        )  # fmt: skip
        for problem, completions in zip(problems, groups, strict=True):
            for index, completion in enumerate(completions):
                text = cut_at(completion.text, stops)
                proof = cut_proof(text) if problem.language == "coq" else text.strip()
                rows.append(
                    _row(name, problem, decoding, index, text, proof, completion.finish, len(completion.token_ids))
                )
    return rows


def proof_prompt(problem: Problem) -> str:
    """Worked examples, then the informal problem and proof as comments and the formal statement to go on from."""
    words = {"Problem": _informal(problem), "Proof": problem.solution.strip()}
    comments = [f"(* {mark}: {text.replace('*)', '* )')} *)" for mark, text in words.items() if text]
    begin = "\nProof.\n" if problem.language == "coq" else "\n"
    return "\n".join([f"{read_examples(f'proof_{problem.language}')}\n", *comments, problem.answer]) + begin


def _informal(problem: Problem) -> str:
    return problem.problem.removesuffix(problem.answer).strip()


def _row(
    name: str, problem: Problem, decoding: str, sample: int, completion: str, proof: str, finish: str, num_tokens: int
) -> dict[str, Any]:
    return {
        "benchmark": name, "problem_id": problem.id, "language": problem.language, "problem": _informal(problem),
        "statement": problem.answer, "decoding": decoding, "sample": sample, "completion": completion, "proof": proof,
        "finish": finish, "num_tokens": num_tokens,
    }  # fmt: skip


def _check(rows: list[dict[str, Any]], prover: Prover, workers: int) -> None:
    """Fill in the verdicts. Equal attempts are checked once."""
    attempts = list(dict.fromkeys((row["statement"], row["proof"]) for row in rows))
    with ThreadPoolExecutor(max(1, workers)) as threads:
        results = dict(zip(attempts, threads.map(lambda attempt: prover.check(*attempt), attempts), strict=True))
    for row in rows:
        result: ProofResult = results[row["statement"], row["proof"]]
        row |= {"status": str(result.status), "message": result.message, "seconds": result.seconds,
                "grade": result.status is ProofStatus.ACCEPTED}  # fmt: skip


def summarise(rows: list[dict[str, Any]], k: int) -> dict[str, Any]:
    """The figures of some rows of results.parquet; every problem weighs the same."""
    single = [row for row in rows if row["decoding"] != "sampled"]
    groups: dict[tuple[str, str], list[Sample]] = {}
    for row in rows:
        if row["decoding"] == "sampled":
            groups.setdefault((row["benchmark"], row["problem_id"]), []).append(Sample(row["proof"], row["grade"]))
    proved = accuracy([row["grade"] for row in single])
    is_hammer = any(row["decoding"] == "hammer" for row in single)
    return {
        "hammer" if is_hammer else "greedy": proved,
        "pass_at_k": pass_at_k(list(groups.values()), k) if groups else None,
        "k": k if groups else 1,
        "num_problems": len(single),
        "num_sampled_problems": len(groups),
        "timeout_share": accuracy([row["status"] == ProofStatus.TIMEOUT for row in single]),
        "num_unavailable": sum(row["status"] == ProofStatus.UNAVAILABLE for row in rows),
        "truncated_share": accuracy([row["finish"] == "length" for row in single]),
    }
