"""One HTML page of every evaluated problem: what was asked, what the models wrote, ran and answered, and the grades.

The page needs no network: style, script and data are inside, and its content policy forbids anything else. All texts
come from models and data sets; they travel as JSON and are shown as text, never as markup.
"""

import json
import re
from collections.abc import Mapping, Sequence
from importlib import resources
from typing import Any

from .. import storage
from ..storage import Folder
from .evaluation_tables import Evaluation, breakdowns, curves, paper_table, title
from .paper_results import NOT_COMPARABLE
from .parts import escape, paragraph
from .tables import html_table

MAX_PROBLEMS = 6000
"""Problems of the page, at most; a page of all of MATH by three models is 30 MB."""
MAX_CHARS = 4000
"""Longer completions are cut in the middle."""

_BLOCK = re.compile(r"```(python|output)[ \t]*\n(.*?)(?:```|\Z)", re.DOTALL)
_KINDS = {"python": "program", "output": "output"}


def write_problems_page(evaluations: Sequence[Evaluation], out: Folder, heading: str = "Evaluated problems") -> int:
    """Write the page. Returns the number of problems on it."""
    problems = problems_of(evaluations)
    storage.write_bytes(out, render(evaluations, problems[:MAX_PROBLEMS], len(problems), heading).encode())
    return min(len(problems), MAX_PROBLEMS)


def problems_of(evaluations: Sequence[Evaluation]) -> list[dict[str, Any]]:
    """One entry for each benchmark's problem, in the order of the results, with the attempts of every model."""
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for evaluation in evaluations:
        for row in storage.read_table(evaluation.path / "results.parquet").to_pylist():
            key = (row["benchmark"], row["problem_id"])
            entry = found.setdefault(key, _problem(row))
            attempts = entry["attempts"].setdefault(evaluation.name, {"samples": []})
            if row["decoding"] == "sampled":
                attempts["samples"].append([row.get("answer", row.get("status", "")), bool(row["grade"])])
            else:
                attempts |= _greedy(row)
    return list(found.values())


def _problem(row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "benchmark": title(row["benchmark"]), "id": row["problem_id"], "subject": row.get("subject") or "",
        "level": row.get("level") or "", "problem": row["problem"],
        "reference": row.get("reference", row.get("statement", "")), "attempts": {},
    }  # fmt: skip


def _greedy(row: Mapping[str, Any]) -> dict[str, Any]:
    """The attempt at temperature 0 as the page shows it; `status` of a proof stands where questions have a verdict."""
    return {
        "verdict": str(row.get("verdict", row.get("status", ""))).replace("_", " "), "grade": bool(row["grade"]),
        "answer": row.get("answer", ""), "rule": row.get("rule", ""), "finish": row.get("finish", ""),
        "program": row.get("program_status", ""), "pieces": pieces(row.get("proof") or row["completion"]),
    }  # fmt: skip


def pieces(completion: str) -> list[list[str]]:
    """A completion as [kind, text] pairs; kinds are `text`, `program` and `output`."""
    found, end = [], 0
    for match in _BLOCK.finditer(completion):
        found += [["text", completion[end : match.start()]], [_KINDS[match.group(1)], match.group(2)]]
        end = match.end()
    found.append(["text", completion[end:]])
    return [[kind, _shorten(text.strip("\n"))] for kind, text in found if text.strip()]


def _shorten(text: str) -> str:
    half = MAX_CHARS // 2
    return text if len(text) <= MAX_CHARS else f"{text[:half]}\n... {len(text) - MAX_CHARS:,} ...\n{text[-half:]}"


def as_script_data(value: Any) -> str:
    """JSON that may stand inside a script element: no text in it can end the element or open a comment."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    for sign in "<>&\u2028\u2029":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return text.encode("utf-8", "replace").decode()


def render(evaluations: Sequence[Evaluation], problems: Sequence[Mapping[str, Any]], num_all: int, heading: str) -> str:
    """The whole page as HTML."""
    files = resources.files("dsmath_pipeline.reporting")
    style, more_style, script = (
        files.joinpath(name).read_text(encoding="utf-8") for name in ("report.css", "problems.css", "problems.js")
    )
    left_out = (
        f"The first {len(problems):,} of {num_all:,} problems are on this page." if num_all > len(problems) else ""
    )
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta http-equiv="Content-Security-Policy" '
        "content=\"default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'\">"
        f"<title>{escape(heading)}</title><style>{style}{more_style}</style></head>\n<body>\n"
        f"<header><div><h1>{escape(heading)}</h1></div></header>\n<main>\n"
        f"<h2>Accuracy</h2>{html_table(paper_table(evaluations))}{paragraph(NOT_COMPARABLE, 'note')}"
        f"{curves(evaluations)}{breakdowns(evaluations)}\n<h2>Problems</h2>{paragraph(left_out) if left_out else ''}"
        '<form id="filters" onsubmit="return false"></form><p id="count" class="soft" aria-live="polite"></p>'
        '<div id="problems"></div><button id="more" type="button" hidden>Show more</button>\n'
        f'<script type="application/json" id="data">{as_script_data(list(problems))}</script>\n'
        f"<script>{script}</script>\n</main></body></html>\n"
    )
