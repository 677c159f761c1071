"""Decide whether a solution's answer equals the reference: one function for reward, evaluation and `dsmath grade`.

The cascade, cheapest first; each decision names its rule: text, choice, number, notation (times, ratios, bases, set
phrases), structure (lists, sets, intervals, matrices, equations, item by item), words, and last algebra, which asks
math-verify in killable processes. The paper's own grader also accepts answers off by a factor of 100 or by 10^-3; as a
reward that is exploitable, so it is `mode="paper"`, for reported numbers only.
"""

import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from ..records import Grade, Verdict
from . import paper_rules
from .algebra import algebra_text, compare_expressions, differ_in_case
from .answers import extract_answer, last_boxed
from .choices import is_bare_letter, read_choice
from .forms import Form, form_text, read_form
from .matching import match_all
from .notation import MAX_ANSWER_CHARS, canonical_text, unify
from .numbers import numbers_equal, parse_number
from .special_forms import compare_special

TIMEOUT_SECONDS = 6.0
"""Outer deadline of one decision, all symbolic comparisons in it together; real answers take milliseconds."""

MODES = ("strict", "paper")
_MAX_DEPTH = 6
_MATHEMATICAL = re.compile(r"[\d\\^_=+*/<>|{}()\[\]]|^[^\W\d_]$|^[a-zA-Z]{2,3}$")


@dataclass(frozen=True, slots=True)
class Decision:
    """A verdict and the rule that gave it: text, choice, option, number, notation, structure, words, algebra, length,
    missing, tolerance or paper.
    """

    verdict: Verdict
    rule: str

    @property
    def is_correct(self) -> bool:
        return self.verdict is Verdict.CORRECT


def grade(
    reference: str, solution: str, *, symbolic: bool = True, relative_tolerance: float = 0.0, mode: str = "strict",
    options: Sequence[str] = (),
) -> Grade:  # fmt: skip
    """Extract the answer of `solution` and compare it with `reference`; the settings are those of `decide`."""
    answer = extract_answer(solution)
    decision = decide(
        reference, answer, symbolic=symbolic, relative_tolerance=relative_tolerance, mode=mode, options=options
    )
    return Grade(answer, decision.verdict)


def is_equal(reference: str, answer: str, *, symbolic: bool = True, relative_tolerance: float = 0.0) -> Verdict:
    """The verdict of `decide`."""
    return decide(reference, answer, symbolic=symbolic, relative_tolerance=relative_tolerance).verdict


def decide(
    reference: str, answer: str, *, symbolic: bool = True, relative_tolerance: float = 0.0, mode: str = "strict",
    options: Sequence[str] = (),
) -> Decision:  # fmt: skip
    """Verdict on one answer. Symmetric but for a missing side (NO_ANSWER, GOLD_UNPARSABLE) and worked references.

    A reference may itself be a worked solution with `####` or `\\boxed{...}`; its answer is taken.

    - `symbolic=False` keeps to the exact comparisons (no child processes): answers that only algebra could prove equal
      are then WRONG. Enough for word problems, and what a reward that grades thousands of answers a minute wants.
    - `relative_tolerance` also accepts numbers that far from the reference: for physics results that benchmarks state
      with two digits (OCW), never for rewards.
    - `mode="paper"` adds the paper's looser rules (`paper_rules`), never for rewards.
    - `options`: the texts of options A, B, C, ...; an answer that states the right option's text is then correct.

    TIMEOUT means undecided: the comparison was too costly. Raises ValueError for an unknown mode.
    """
    if mode not in MODES:
        raise ValueError(f"unknown grading mode {mode!r}; use one of {', '.join(MODES)}")
    reference, answer = reference_answer(reference), _unboxed(answer)
    if not reference:
        return Decision(Verdict.GOLD_UNPARSABLE, "missing")
    if not answer:
        return Decision(Verdict.NO_ANSWER, "missing")
    if len(answer) > MAX_ANSWER_CHARS or len(reference) > MAX_ANSWER_CHARS:
        return Decision(Verdict.CORRECT if answer == reference else Verdict.WRONG, "length")
    comparison = _Comparison(symbolic, time.monotonic() + TIMEOUT_SECONDS)
    decision = comparison.decide(reference, answer, 0)
    if decision.is_correct:
        return decision
    if relative_tolerance and _is_near(reference, answer, relative_tolerance):
        return Decision(Verdict.CORRECT, "tolerance")
    if options and _is_right_option(reference, answer, options, comparison):
        return Decision(Verdict.CORRECT, "option")
    if mode == "paper" and paper_rules.is_close(reference, answer, symbolic, comparison.deadline):
        return Decision(Verdict.CORRECT, "paper")
    return decision


def reference_answer(reference: str) -> str:
    """The answer inside a reference: after `####`, inside the last box, or the reference itself."""
    if "####" in reference:
        return reference.rsplit("####", 1)[1].strip()
    return _unboxed(reference)


def _unboxed(text: str) -> str:
    """The content of the last box, or the text when there is none."""
    boxed = last_boxed(text) if "\\boxed" in text else None
    return (boxed if boxed is not None else text).strip()


@dataclass(frozen=True)
class _Comparison:
    """What one decision allows: algebra at all, and until when (time.monotonic)."""

    symbolic: bool
    deadline: float

    def decide(self, first: str, second: str, depth: int) -> Decision:
        simple = _decide_simply(first, second)
        if simple:
            return simple
        if depth < _MAX_DEPTH:
            verdict = self._compare_forms(read_form(unify(first)), read_form(unify(second)), depth + 1)
            if verdict is not None:
                return Decision(verdict, "structure")
        return self._ask_algebra(first, second)

    def _same(self, first: str, second: str, depth: int) -> Verdict:
        return self.decide(first, second, depth).verdict

    def _compare_forms(self, first: Form, second: Form, depth: int) -> Verdict | None:
        """Compare by shape; None when both are expressions that only algebra can compare."""
        if first.kind > second.kind:
            first, second = second, first  # half of the pairs are enough
        kinds = (first.kind, second.kind)
        if kinds == ("assignment", "assignment"):
            return self._compare_assignments(first, second, depth)
        if "rounded" in kinds:
            return self._compare_rounded(first, second, depth)
        if "chain" in kinds:
            chain, other = (first, second) if first.kind == "chain" else (second, first)
            whole = " = ".join(other.items) if other.kind == "chain" else form_text(other)
            others = other.items if other.kind == "chain" else (whole,)
            return _all(self._same(part, text, depth) for part in chain.items for text in others)
        if kinds == ("assignment", "equation"):
            return None
        if "assignment" in kinds:
            assignment, other = (first, second) if first.kind == "assignment" else (second, first)
            return self._same(assignment.items[0], form_text(other), depth)
        if kinds == ("equation", "equation"):
            is_plain = first.items[0].count("=") == second.items[0].count("=") == 1
            return None if is_plain else Verdict.WRONG
        if kinds == ("leaf", "leaf"):
            return None
        if "equation" in kinds:
            return Verdict.WRONG
        return self._compare_collections(first, second, depth)

    def _compare_rounded(self, first: Form, second: Form, depth: int) -> Verdict:
        """ "10/3 ≈ 3.33" counts by its exact side; two of them must agree in both."""
        if first.kind == second.kind:
            return _all(self._same(a, b, depth) for a, b in zip(first.items, second.items, strict=True))
        rounded, other = (first, second) if first.kind == "rounded" else (second, first)
        return self._same(rounded.items[0], form_text(other), depth)

    def _compare_assignments(self, first: Form, second: Form, depth: int) -> Verdict | None:
        values = first.items[0], second.items[0]
        if first.name == second.name:
            return self._same(*values, depth)
        if first.name in values[1] and second.name in values[0]:
            return None  # y = 2x and x = y/2
        return Verdict.WRONG

    def _compare_collections(self, first: Form, second: Form, depth: int) -> Verdict:
        kinds = {first.kind, second.kind}

        def same(a: str, b: str) -> Verdict:
            return self._same(a, b, depth)

        if "leaf" in kinds:
            leaf, other = (first, second) if first.kind == "leaf" else (second, first)
            is_single = other.kind in ("set", "row") and len(other.items) == 1
            return same(leaf.items[0], other.items[0]) if is_single else Verdict.WRONG
        if len(first.items) != len(second.items):
            return Verdict.WRONG
        if kinds == {"matrix"}:
            return _in_order(first, second, same) if first.num_columns == second.num_columns else Verdict.WRONG
        if "blanks" in kinds:
            return _in_order(first, second, same) if kinds <= {"blanks", "values"} else Verdict.WRONG
        if kinds <= {"row", "interval"}:
            return _compare_rows(first, second, same)
        if kinds <= {"values", "set"}:
            if _is_ordered(first) != _is_ordered(second):
                return _in_order(first, second, same)
            return match_all(first.items, second.items, same)
        if kinds == {"union"}:
            return match_all(first.items, second.items, same)
        if kinds == {"row", "values"}:
            return self._compare_row_with_values(first, second, depth)
        return Verdict.WRONG

    def _compare_row_with_values(self, first: Form, second: Form, depth: int) -> Verdict:
        """A Python list of three or more values is a list; "x=1, y=2" is the point (1, 2)."""
        row, values = (first, second) if first.kind == "row" else (second, first)
        if row.brackets == "[]" and len(row.items) > 2:
            return match_all(row.items, values.items, lambda a, b: self._same(a, b, depth))
        forms = [read_form(item) for item in values.items]
        names = [form.name for form in forms if form.kind == "assignment"]
        if row.brackets == "()" and len(names) == len(forms) and names == sorted(set(names)):
            return _all(self._same(a, f.items[0], depth) for a, f in zip(row.items, forms, strict=True))
        return Verdict.WRONG

    def _ask_algebra(self, first: str, second: str) -> Decision:
        plain = unify(first), unify(second)
        if not all(_MATHEMATICAL.search(text) for text in plain):
            return Decision(Verdict.WRONG, "words")
        one, two = algebra_text(plain[0]), algebra_text(plain[1])
        if one is None or two is None or differ_in_case(one, two):
            return Decision(Verdict.WRONG, "words")
        if not self.symbolic:
            return Decision(Verdict.WRONG, "algebra")
        return Decision(compare_expressions(one, two, self.deadline, TIMEOUT_SECONDS), "algebra")


def _decide_simply(first: str, second: str) -> Decision | None:
    """The rules that need neither structure nor algebra."""
    if canonical_text(first) == canonical_text(second):
        return Decision(Verdict.CORRECT, "text")
    choices = read_choice(first), read_choice(second)
    if choices[0] and choices[1]:
        return Decision(_verdict(choices[0] == choices[1]), "choice")
    same = compare_special(first, second)
    if same is not None:
        return Decision(_verdict(same), "notation")
    numbers = parse_number(first), parse_number(second)
    if numbers[0] and numbers[1]:
        return Decision(_verdict(numbers_equal(numbers[0], numbers[1])), "number")
    return None


def _is_right_option(reference: str, answer: str, options: Sequence[str], comparison: _Comparison) -> bool:
    """Does the answer state the text of the reference's option, and of no other?"""
    if not is_bare_letter(reference) or read_choice(answer):
        return False
    right = [i for i, option in enumerate(options) if comparison.decide(option, answer, 0).is_correct]
    return right == ["ABCDEFGHIJ".index(next(iter(read_choice(reference) or "J")))]


def _is_near(reference: str, answer: str, relative_tolerance: float) -> bool:
    wanted, given = parse_number(reference), parse_number(answer)
    if wanted is None or given is None:
        return False
    return abs(wanted.value - given.value) <= abs(wanted.value) * Fraction(relative_tolerance)


def _compare_rows(first: Form, second: Form, same) -> Verdict:
    """Tuples and intervals: ordered, brackets count for two items and are "( or [" for vectors of other lengths."""
    if len(first.items) == 2 and first.brackets != second.brackets:
        return Verdict.WRONG
    if first.name and second.name and first.name != second.name:
        return Verdict.WRONG
    return _in_order(first, second, same)


def _in_order(first: Form, second: Form, same) -> Verdict:
    return _all(same(a, b) for a, b in zip(first.items, second.items, strict=True))


def _is_ordered(form: Form) -> bool:
    """Do the values carry different names, as in "x=1, y=2"?"""
    forms = [read_form(item) for item in form.items]
    names = [_base_name(f.name) for f in forms if f.kind == "assignment"]
    return len(names) == len(forms) > 1 and len(set(names)) > 1


def _base_name(name: str) -> str:
    """Without a numeric index: x_1 and x_2 are solutions of one variable."""
    return re.sub(r"_\{?\d+\}?$", "", name)


def _all(verdicts) -> Verdict:
    """CORRECT when all are; the first WRONG ends it; else the undecided one."""
    worst = Verdict.CORRECT
    for verdict in verdicts:
        if verdict is Verdict.WRONG:
            return verdict
        worst = verdict if verdict is not Verdict.CORRECT else worst
    return worst


def _verdict(is_same: bool) -> Verdict:
    return Verdict.CORRECT if is_same else Verdict.WRONG
