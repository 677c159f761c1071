"""General ability: MMLU, BBH, HumanEval and MBPP (section 2.3, table 4), asked through lm-evaluation-harness.

Writes `results.parquet` with the columns of `harness.RESULT_SCHEMA`, so that tables and pages read it like any other.
All answers are greedy and few-shot; the settings that matter are max_problems, max_completion_tokens (at most
`MAX_CODE_TOKENS`) and the limits of programs.
"""

import contextlib
from collections.abc import Sequence
from typing import Any, Unpack

from ...grading.sandbox import Sandbox
from ...progress import SILENT
from ...recipe.schema import EvaluationSettings
from ...records import Verdict
from ...storage import Folder, Manifest, file_key, stage
from ..chunks import Chosen, Execution, benchmark_names, choose_problems, evaluate_chunks, model_key
from ..harness import RESULT_SCHEMA
from ..summary import counts_of
from .harness_lm import ask, open_lm
from .items import GeneralItem, item_files, load_items
from .judge import Judgement, code_limits, judge

GENERAL_VERSION = "1"
"""1 (2026-11): first version. Prompts and judgement belong to it."""

METHOD = "general"
CHUNK_PROBLEMS = 256
MAX_CODE_TOKENS = 512


def evaluate_general(
    model: Folder, benchmark: str | Sequence[str], data: Folder, out: Folder, settings: EvaluationSettings,
    seed: int = 0, *, lm: Any = None, **execution: Unpack[Execution],
) -> Manifest:  # fmt: skip
    """Evaluate the model folder on `mmlu`, `bbh`, `humaneval`, `mbpp` or several of them.

    `lm` replaces the harness's model (an object with its methods). Counts are those of `harness.evaluate_model`
    (`greedy` weighs every question the same), and within by_benchmark `mean_of_subjects`, which weighs every subject
    the same. Raises HarnessUnavailable without lm_eval, SandboxUnavailable when programs cannot be run safely,
    BenchmarkError for an unknown or absent benchmark.
    """
    names = benchmark_names(benchmark)
    problems = {name: choose_problems(list(load_items(name, data)), settings, seed, name) for name in names}
    inputs = {"model": model_key(model), **{name: file_key(item_files(name, data)) for name in names}}
    identity = {**settings.model_dump(mode="json"), "method": METHOD, "seed": seed, "benchmarks": names}
    with stage(out, "general", GENERAL_VERSION, identity, inputs, force=execution.get("force", False)) as run:
        if run.artifact:
            engine = execution.get("engine", "transformers")
            if not isinstance(engine, str):
                raise ValueError("general ability is asked through lm_eval: pass `lm`, or the name of an engine")
            lm = lm if lm is not None else open_lm(engine, model, device=execution.get("device", ""))
            with contextlib.ExitStack() as stack:
                writes_code = any(item.test for some in problems.values() for item, _ in some)  # type: ignore[attr-defined]
                workers = execution.get("workers", 2)
                sandbox = stack.enter_context(Sandbox(workers)) if writes_code else None

                def make_rows(name: str, chunk: Chosen, chunk_seed: str) -> list[dict[str, Any]]:
                    items = [item for item, _ in chunk if isinstance(item, GeneralItem)]
                    responses = ask(lm, items, min(settings.max_completion_tokens, MAX_CODE_TOKENS))
                    judgements = judge(items, responses, sandbox, code_limits(settings))
                    return [_row(name, *parts) for parts in zip(items, responses, judgements, strict=True)]

                progress = execution.get("progress", SILENT)
                rows = evaluate_chunks(run.artifact, problems, CHUNK_PROBLEMS, RESULT_SCHEMA, make_rows, seed, progress)
            run.artifact.counts |= {**counts_of(rows, 1), "method": METHOD}
            for name, figures in run.artifact.counts["by_benchmark"].items():
                subjects = run.artifact.counts["by_subject"].get(name, {})
                shares = [some["greedy"] for some in subjects.values()]
                figures["mean_of_subjects"] = sum(shares) / len(shares) if shares else figures["greedy"]
                figures["num_subjects"] = len(subjects)
    assert run.manifest is not None
    return run.manifest


def _row(name: str, item: GeneralItem, response: str, judgement: Judgement) -> dict[str, Any]:
    verdict = Verdict.CORRECT if judgement.is_correct else Verdict.WRONG if judgement.answer else Verdict.NO_ANSWER
    shown = f"{response}\n```output\n{judgement.message}\n```\n" if judgement.message else response
    return {
        "benchmark": name, "problem_id": item.id, "language": item.language, "subject": item.subject, "level": "",
        "problem": item.problem, "reference": item.answer, "method": METHOD, "decoding": "greedy", "sample": 0,
        "completion": shown, "answer": judgement.answer, "verdict": str(verdict), "rule": judgement.rule,
        "grade": judgement.is_correct, "finish": "stop", "num_tokens": 0,
        "num_programs": int(bool(judgement.program_status)), "program_status": judgement.program_status,
        "chance": item.chance,
    }  # fmt: skip
