"""Grading beside plain comparison of texts and beside math-verify alone: agreement with judges, answers a second.

    python -m benchmarks.grading [--quick] [--out DIR]

Judged solutions come from `$DSMATH_REAL_DATA/benchmarks/grader_parity` (left out where the variable is not set): each
contender gets the whole solution and the reference. The hand-labelled pairs of tests/grading/labelled are answers only.
Contenders, each on the same answers, one after the other in one process:

- exact text: our extraction, then equality of the two texts;
- math-verify: its own extraction from the solution, its own comparison, its default settings;
- ours: `equality.decide`, its child processes counted.

Reported: agreement, false accepts and false rejects, answers a CPU-second (children included). Prints tables and writes
benchmarks/results/grading.json.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks import common
from benchmarks.worker import cpu_seconds
from dsmath_pipeline.grading.answers import extract_answer
from dsmath_pipeline.grading.equality import decide, reference_answer
from tests.grading.pairs import read_pairs

QUICK_ANSWERS = 40


class Judged(NamedTuple):
    """A reference, what was handed in, and what the judge said. `is_solution`: the answer must still be found in it."""

    reference: str
    text: str
    is_correct: bool
    is_solution: bool


def exact_text(item: Judged) -> bool:
    """Our extraction, and equal texts."""
    answer = extract_answer(item.text) if item.is_solution else item.text
    return bool(answer) and answer == reference_answer(item.reference)


def math_verify_alone(item: Judged) -> bool:
    """math-verify as its documentation shows it: the reference as a formula, the solution as it is."""
    from math_verify import parse, verify

    text = item.text if item.is_solution else f"${item.text}$"
    return verify(parse(f"${item.reference}$"), parse(text))


def ours(item: Judged) -> bool:
    """Our extraction and decision."""
    answer = extract_answer(item.text) if item.is_solution else item.text
    return decide(item.reference, answer).is_correct


CONTENDERS: dict[str, Callable[[Judged], bool]] = {
    "exact text": exact_text,
    "math-verify alone": math_verify_alone,
    "ours": ours,
}


def judged_solutions(data: Path, kind: str) -> list[Judged]:
    """The solutions of GSM8K or MATH problems with a judge's grade."""
    found = []
    path = data / "benchmarks" / "grader_parity" / f"{kind}_model_solutions_judged.jsonl"
    for line in path.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        if kind == "gsm8k":
            reference = row["ground_truth"].split("A:")[-1].strip()
            answers = [v for v in row.values() if isinstance(v, dict) and "is_correct" in v]
            found += [Judged(reference, v["solution"], bool(v["is_correct"]), True) for v in answers]
        else:
            pairs = zip(row["code"], row["score"], strict=True)
            found += [Judged(row["gt"], text, bool(score), True) for text, score in pairs]
    return found


def measure(items: list[Judged]) -> dict[str, dict[str, Any]]:
    """For each contender: agreement (0-1), false accepts and rejects, answers a CPU-second."""
    rows = {}
    for name, grade in CONTENDERS.items():
        grade(items[0])  # imports and child processes do not count
        decide("x+1", "1+x")
        started = cpu_seconds()
        grades = [grade(item) for item in items]
        seconds = max(cpu_seconds() - started, 1e-3)
        pairs = list(zip(grades, items, strict=True))
        rows[name] = {
            "agreement": round(sum(g == item.is_correct for g, item in pairs) / len(items), 4),
            "false_accepts": sum(g and not item.is_correct for g, item in pairs),
            "false_rejects": sum(item.is_correct and not g for g, item in pairs),
            "answers_per_cpu_second": common.rounded(len(items) / seconds),
        }
    return rows


def main(arguments: list[str] | None = None) -> None:
    options = common.arguments(__doc__).parse_args(arguments)
    sets: dict[str, list[Judged]] = {}
    data = common.real_data()
    if data:
        sets |= {f"{kind}_judged": judged_solutions(data, kind) for kind in ("gsm8k", "math")}
    for name in ("answer_pairs", "held_out_pairs"):
        pairs = read_pairs(f"{name}.txt")
        sets[name] = [Judged(pair.first, pair.second, pair.is_equal, False) for pair in pairs]
    results = {}
    for name, items in sets.items():
        chosen = items[:: max(1, len(items) // QUICK_ANSWERS)] if options.quick else items
        results[name] = {"answers": len(chosen), "measured": measure(chosen)}
        rows = [
            (contender, f"{100 * row['agreement']:.2f} %", row["false_accepts"], row["false_rejects"],
             row["answers_per_cpu_second"])
            for contender, row in results[name]["measured"].items()
        ]  # fmt: skip
        columns = ("grader", "agreement", "false accepts", "false rejects", "answers a CPU-second")
        print(f"\n{name}: {len(chosen)} answers\n\n{common.markdown_table(columns, rows)}")
    print(f"\nwritten: {common.write_result(options.out, 'grading', results)}")


if __name__ == "__main__":
    main()
