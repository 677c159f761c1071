"""Decide whether a solution's answer equals the reference: one function for reward, evaluation and `dsmath grade`.

Exact numbers are compared here in microseconds and without sympy (`numbers`), then option letters, clock times and
equal texts; only what is left goes to math-verify in killable processes (`verifier`). The paper's own grader also
accepts answers off by a factor of 100 or by 10^-3; as a reward that is exploitable, so it is not done here.

`grade_file` reads JSON lines {reference, solution, ...} and writes them with answer (str), grade (bool) and verdict.
"""

import functools
import json
import re
import unicodedata
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from typing import Any

from ..progress import SILENT, Progress
from ..records import Grade, Verdict
from ..storage import Folder
from . import verifier
from .answers import MAX_ANSWER_CHARS, extract_answer, last_boxed
from .numbers import numbers_equal, parse_number

TIMEOUT_SECONDS = 6.0
"""Outer deadline of one symbolic comparison. Above math-verify's limit for one step; real answers take milliseconds."""

_LETTER = re.compile(r"[(（]?\s*([A-Ja-j])\s*(?:[)）]|[.:：,，、](?:\s|$)|$|\s)")
_REFERENCE_LETTER = re.compile(r"[(（]?([A-J])[)）]?")
_REFERENCE_LETTERS = re.compile(r"[(（]?[A-E][)）]?(?:\s*[,，、]?\s*[(（]?[A-E][)）]?)+")
_TIME = re.compile(r"(\d{1,2}):(\d{2})\s*(?:([ap])\.?\s?m\.?)?", re.IGNORECASE)
_BASED = re.compile(r"([0-9a-z]+)_\{?(\d+)\}?")
_PARTS = re.compile(r"\s*[;；]\s*")
_LOOSE_PARTS = re.compile(r"\s*(?:[;；,，、]|\band\b|和)\s*")
_DECORATION = re.compile(
    r"\\left(?![a-z])|\\right(?![a-z])|\\[!,;: ]|\\displaystyle|\\\(|\\\)|\\\[|\\\]|(?<!\\)\$"
    r"|\\quad|\\big[lr]?(?![a-z])|\s+"
)
_TEXT_COMMAND = re.compile(r"\\(?:text|mathrm|textbf|mathbf|mbox|textit|mathit|operatorname|rm)\s*\{([^{}]*)\}")
_MATHEMATICAL = re.compile(r"[\d\\^_=+*/<>|π√∞]|^[^\W\d_]$")


def grade(reference: str, solution: str, *, symbolic: bool = True, relative_tolerance: float = 0.0) -> Grade:
    """Extract the answer of `solution` and compare it with `reference`.

    `symbolic=False` keeps to the exact comparisons (no child processes): answers that only algebra could prove equal
    are then WRONG. Enough for word problems, and what a reward that grades thousands of answers a minute wants.
    """
    answer = extract_answer(solution)
    return Grade(answer, is_equal(reference, answer, symbolic=symbolic, relative_tolerance=relative_tolerance))


def is_equal(reference: str, answer: str, *, symbolic: bool = True, relative_tolerance: float = 0.0) -> Verdict:
    """Verdict on one answer. Symmetric in its arguments except for option letters and empty texts.

    A reference may itself be a worked solution with `####` or `\\boxed{...}`; its answer is taken.
    `relative_tolerance` also accepts numbers that far from the reference: for physics results that benchmarks state
    with two digits (OCW), never for rewards.
    """
    reference = reference_answer(reference)
    answer = answer.strip()
    if not reference:
        return Verdict.GOLD_UNPARSABLE
    if not answer:
        return Verdict.NO_ANSWER
    if len(answer) > MAX_ANSWER_CHARS:
        return Verdict.WRONG
    if relative_tolerance and _is_near(reference, answer, relative_tolerance):
        return Verdict.CORRECT
    verdict = compare_exactly(reference, answer)
    if verdict is None:
        verdict = _compare_parts(reference, answer, symbolic)
    if verdict is None:
        verdict = compare_symbolically(reference, answer) if symbolic else Verdict.WRONG
    return verdict


def reference_answer(reference: str) -> str:
    """The answer inside a reference: after `####`, inside the last box, or the reference itself."""
    if "####" in reference:
        return reference.rsplit("####", 1)[1].strip()
    boxed = last_boxed(reference) if "\\boxed" in reference else None
    return (boxed if boxed is not None else reference).strip()


def compare_exactly(reference: str, answer: str) -> Verdict | None:
    """CORRECT or WRONG where numbers, letters, times or plain texts decide; None where only algebra can."""
    if canonical_text(reference) == canonical_text(answer):
        return Verdict.CORRECT
    chosen = _compare_letters(_undecorated(reference), _undecorated(answer))
    if chosen is not None:
        return chosen
    times = _TIME.fullmatch(_undecorated(reference)), _TIME.fullmatch(_undecorated(answer))
    if times[0] and times[1]:
        return _verdict(_same_time(times[0], times[1]))
    bases = _BASED.fullmatch(canonical_text(reference)), _BASED.fullmatch(canonical_text(answer))
    if bases[0] and bases[1]:
        return _verdict(bases[0].groups() == bases[1].groups())
    wanted, given = parse_number(reference), parse_number(answer)
    if wanted and given:
        return _verdict(numbers_equal(wanted, given))
    if not _MATHEMATICAL.search(_undecorated(answer)) or not _MATHEMATICAL.search(_undecorated(reference)):
        return Verdict.WRONG  # one side is words only, and the texts differ
    return None


@functools.lru_cache(maxsize=65536)
def compare_symbolically(reference: str, answer: str) -> Verdict:
    """math-verify's verdict, computed once for each pair in this process; at most TIMEOUT_SECONDS."""
    return verifier.shared_pool().compare(reference, answer, TIMEOUT_SECONDS)


def canonical_text(text: str) -> str:
    """A text without TeX decoration, spaces, case and the final full stop; equal texts are equal answers."""
    text = _undecorated(text)
    text = re.sub(r"\\[dt]frac", r"\\frac", text).replace("^\\circ", "").replace("^{\\circ}", "").replace("°", "")
    text = re.sub(r"\\frac(\d)(\d)", r"\\frac{\1}{\2}", text)
    text = re.sub(r"\^\{(\w)\}", r"^\1", text)
    text = text.replace("\\infty", "infinity").replace("∞", "infinity")
    text = re.sub(r"(?<!\d)\s+|\s+(?!\d)", "", text)  # "1 1" is not 11
    return text.rstrip(".。").casefold() if len(text) > 1 else text


def _undecorated(text: str) -> str:
    text = unicodedata.normalize("NFKC", text).replace("−", "-")
    text = _TEXT_COMMAND.sub(r" \1 ", text)
    return _DECORATION.sub(" ", text).strip()


def _compare_parts(reference: str, answer: str, symbolic: bool) -> Verdict | None:
    """Several blanks, "5; 10": every part must be right, in order. None when the reference is one part."""
    wanted = [part for part in _PARTS.split(reference) if part]
    if len(wanted) < 2:
        return None
    given = [part for part in _PARTS.split(answer) if part]
    if len(given) != len(wanted):
        given = [part for part in _LOOSE_PARTS.split(answer) if part]
    if len(given) != len(wanted):
        return Verdict.WRONG
    verdicts = [is_equal(w, g, symbolic=symbolic) for w, g in zip(wanted, given, strict=True)]
    return next((v for v in verdicts if v is not Verdict.CORRECT), Verdict.CORRECT)


def _compare_letters(reference: str, answer: str) -> Verdict | None:
    """Options: "B" against "(B) 42", "ACD" against "A, C, D". None when the reference is no option letter."""
    if _REFERENCE_LETTERS.fullmatch(reference):
        return _verdict(set(re.findall("[A-J]", reference)) == set(re.findall(r"(?<![a-z])[A-J](?![a-z])", answer)))
    letter = _REFERENCE_LETTER.fullmatch(reference)
    chosen = _LETTER.match(answer) if letter else None
    return _verdict(chosen.group(1).upper() == letter.group(1)) if letter and chosen else None


def _is_near(reference: str, answer: str, relative_tolerance: float) -> bool:
    wanted, given = parse_number(reference), parse_number(answer)
    if wanted is None or given is None:
        return False
    return abs(wanted.value - given.value) <= abs(wanted.value) * Fraction(relative_tolerance)


def _same_time(first: re.Match, second: re.Match) -> bool:
    """Equal clock times; the half of the day counts only when both state it."""
    halves = {m.group(3).lower() for m in (first, second) if m.group(3)}
    return (int(first.group(1)), first.group(2)) == (int(second.group(1)), second.group(2)) and len(halves) < 2


def _verdict(is_same: bool) -> Verdict:
    return Verdict.CORRECT if is_same else Verdict.WRONG


def grade_file(input_path: Folder, output_path: Folder, progress: Progress = SILENT) -> dict[str, Any]:
    """Grade JSON lines {reference, solution, ...}; write each row with `answer`, `grade` and `verdict` added.

    A line that is not such an object is written through with grade null and `error`, and reported in the returned
    counts: num_rows, num_correct, num_errors, verdicts, errors (the first 20, with line numbers).
    """
    counts: Counter[str] = Counter()
    errors: list[str] = []
    output_path.parent.mkdir(parents=True, exist_ok=True)
    with output_path.open("w", encoding="utf-8") as target, ThreadPoolExecutor(2) as threads:
        for first_line, lines in _chunks(input_path, 1000):
            for number, row in enumerate(threads.map(_grade_line, lines), first_line):
                if "error" in row and row.get("grade") is None:
                    errors.append(f"line {number}: {row['error']}")
                else:
                    counts[row["verdict"]] += 1
                target.write(json.dumps(row, ensure_ascii=False) + "\n")
            progress.update("grading", sum(counts.values()) + len(errors))
    return {
        "num_rows": sum(counts.values()) + len(errors),
        "num_correct": counts[Verdict.CORRECT],
        "num_errors": len(errors),
        "verdicts": dict(sorted(counts.items())),
        "errors": errors[:20],
    }


def _chunks(path: Folder, size: int) -> Iterator[tuple[int, list[bytes]]]:
    """Lists of lines with the number of their first line; blank lines are kept, so that numbers stay true."""
    with path.open("rb") as file:
        chunk, start = [], 1
        for number, line in enumerate(file, 1):
            chunk.append(line)
            if len(chunk) == size:
                yield start, chunk
                chunk, start = [], number + 1
        if chunk:
            yield start, chunk


def _grade_line(line: bytes) -> dict[str, Any]:
    text = line.decode("utf-8", "replace").rstrip("\n")
    try:
        row = json.loads(text)
    except ValueError as error:
        return {"line": text, "grade": None, "error": f"not JSON: {error}"}
    if not isinstance(row, dict):
        return {"line": text, "grade": None, "error": "not an object with reference and solution"}
    wrong = [name for name in ("reference", "solution") if not isinstance(row.get(name), str)]
    if wrong:
        return {**row, "grade": None, "error": f"{' and '.join(wrong)} missing or not a string"}
    result = grade(row["reference"], row["solution"])
    return {**row, "answer": result.answer, "grade": result.is_correct, "verdict": str(result.verdict)}
