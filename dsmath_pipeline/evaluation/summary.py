"""The figures of graded attempts: of all, by benchmark, language, subject and level, and by the number of samples.

Pure functions of the rows of `results.parquet`; every problem weighs the same.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ..records import Verdict
from .metrics import Sample, accuracy, maj_at_k, mean_maj_at_k, pass_at_k

Row = Mapping[str, Any]


def counts_of(rows: Sequence[Row], k: int) -> dict[str, Any]:
    """`summarise` of all rows and of their groups; see `harness.evaluate_model` for the names."""
    counts = summarise(rows, k)
    counts["by_benchmark"] = _by(rows, "benchmark", lambda some: summarise(some, k))
    counts["by_language"] = _by(rows, "language", lambda some: summarise(some, k))
    for group, column in (("by_subject", "subject"), ("by_level", "level")):
        sorted_rows = [row for row in rows if row[column]]
        counts[group] = _by(
            sorted_rows, "benchmark", lambda some, c=column: _by(some, c, lambda few: summarise(few, k))
        )
    counts["by_k"] = {name: curve for name, curve in _by(rows, "benchmark", k_curve).items() if curve}
    return counts


def summarise(rows: Sequence[Row], k: int) -> dict[str, Any]:
    """The figures of some rows of results.parquet."""
    greedy = [row for row in rows if row["decoding"] == "greedy"]
    samples = _samples(rows)
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


def k_curve(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Maj@k and Pass@k for k = 1, 2, 4, ... up to the number of samples (figure 7); empty without samples."""
    samples = _samples(rows)
    most = min((len(group) for group in samples), default=0)
    ks = [2**n for n in range(most.bit_length()) if 2**n < most] + [most] * (most > 0)
    return [{"k": k, "maj_at_k": mean_maj_at_k(samples, k), "pass_at_k": pass_at_k(samples, k)} for k in ks]


def _samples(rows: Sequence[Row]) -> list[list[Sample]]:
    groups: dict[tuple[str, str], list[Sample]] = {}
    for row in rows:
        if row["decoding"] == "sampled":
            key = (row["benchmark"], row["problem_id"])
            groups.setdefault(key, []).append(Sample(row["answer"], row["grade"]))
    return list(groups.values())


def _by(rows: Sequence[Row], column: str, summary: Callable[[list[Row]], Any]) -> dict[str, Any]:
    values = sorted({row[column] for row in rows})
    return {value: summary([row for row in rows if row[column] == value]) for value in values}
