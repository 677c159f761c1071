"""The child interpreter of `verifier`: reads {reference, answer, tolerance} lines, writes {verdict} lines.

Only math-verify's TeX grammar reads the answers; its reader of plain expressions, which ends in Python's `eval`, is
left out. Never imported by the library; runs as `python -m dsmath_pipeline.grading.verify_worker`. Answers are hostile
text: the process caps its own memory and, where the kernel offers it, gives up files, network and new processes after
its imports (`walls`).
"""

import json
import logging
import math
import os
import resource
import sys

from . import walls

MEMORY_BYTES = 2 << 30
"""Address space of one child."""

STEP_SECONDS = 3
"""math-verify's own limit for one parse or one comparison; the parent's deadline stands above it."""

NOISE = 1e-7
"""Relative difference that rounding explains; as in `numbers`."""

POINTS = ((0.31830988618, 0.1352813), (0.61803398875, 0.0771429), (2.23606797750, 0.5181727))
"""Where expressions are evaluated: the first variable's value and the step to the next one's. Positive, inside and
outside of (0, 1), so that roots, logarithms and inverse functions have values somewhere."""


def main() -> None:
    requests, replies = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever the libraries print must not look like a reply
    logging.disable(logging.CRITICAL)
    import math_verify

    warm = math_verify.parse("$x^2+\\frac{1}{2}$")
    math_verify.verify(warm, warm)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    _raise_walls()
    _send(replies, {"ready": True})
    for line in requests:
        request = json.loads(line)
        try:
            verdict = compare(request["reference"], request["answer"], request["tolerance"])
        except (MemoryError, RecursionError):
            verdict = "timeout"
        _send(replies, {"verdict": verdict})


def _raise_walls() -> None:
    """Give up writing, network, new processes and every privilege, as far as this kernel can enforce it."""
    walls.forbid_new_privileges()
    if walls.landlock_version() > 0:
        readable = [sys.prefix, sys.base_prefix, "/usr/lib", "/usr/local/lib", "/lib", "/lib64", "/etc/ld.so.cache"]
        walls.enter_landlock(walls.landlock_rules(readable, []))
    if walls.has_seccomp():
        walls.enter_seccomp()


def compare(reference: str, answer: str, tolerance: float = 0.0) -> str:
    """Verdict of one pair. With a `tolerance`, values may be that far apart (absolute).

    Values at a few points come first: where they differ the answer is wrong, whatever rounding math-verify forgives and
    however long it would search for a proof. Then math-verify in both directions, because it treats assignments and
    relations of one side differently.
    """
    from math_verify.errors import TimeoutException

    try:
        gold = _parse(reference)
        if not gold:
            return "gold_unparsable"
        target = _parse(answer)
        if not target:
            return "wrong"
        if tolerance:
            return "correct" if _is_near(gold[0], target[0], tolerance) else "wrong"
        decided = _compare_equations(gold[0], target[0])
        if decided is None and _differ_everywhere(gold[0], target[0]):
            decided = False
        if decided is None:
            decided = _verify(gold, target) or _verify(target, gold)
        return "correct" if decided else "wrong"
    except TimeoutException:
        return "timeout"


def _parse(text: str) -> list:
    """math-verify's reading of one answer; [] when it finds nothing. Raises its TimeoutException."""
    from math_verify import LatexExtractionConfig, parse
    from math_verify.errors import TimeoutException

    targets = [LatexExtractionConfig(boxed_match_priority=0)]
    try:
        return parse(f"\\boxed{{{text}}}", targets, "no_fallback", parsing_timeout=STEP_SECONDS, raise_on_error=True)
    except TimeoutException:
        raise
    except Exception:  # any text is allowed to be no mathematics; the verdict says so
        return []


def _is_near(gold, target, tolerance: float) -> bool:
    """Do two expressions without variables have values at most `tolerance` apart?"""
    values = _value(gold, {}), _value(target, {})
    return values[0] is not None and values[1] is not None and abs(values[0] - values[1]) <= tolerance


def _differ_everywhere(gold, target) -> bool:
    """Do two expressions differ in value at every point where both have one (and there is such a point)?"""
    pairs = _value_pairs(gold, target)
    return bool(pairs) and all(abs(a - b) > NOISE * max(abs(a), abs(b)) for a, b in pairs)


def _compare_equations(gold, target) -> bool | None:
    """Two equations are one when the differences of their sides are in a constant ratio, or when they agree side by
    side; None for anything else than equations.

    math-verify itself takes what it can for an assignment and compares right sides only; and every identity, which
    sympy turns into True, would equal every other.
    """
    from sympy import Eq
    from sympy.logic.boolalg import BooleanAtom

    if isinstance(gold, BooleanAtom) or isinstance(target, BooleanAtom):
        return False
    if not (isinstance(gold, Eq) and isinstance(target, Eq)):
        return None
    values = _value_pairs(gold.lhs - gold.rhs, target.lhs - target.rhs)  # type: ignore[operator]
    if len(values) == len(POINTS) and all(abs(a) > NOISE and abs(b) > NOISE for a, b in values):
        ratios = [a / b for a, b in values]
        if all(abs(ratio - ratios[0]) <= NOISE * abs(ratios[0]) for ratio in ratios):
            return True
    sides = ((gold.lhs, target.lhs, gold.rhs, target.rhs), (gold.lhs, target.rhs, gold.rhs, target.lhs))
    return any(_same_value(a, b) and _same_value(c, d) for a, b, c, d in sides)


def _same_value(first, second) -> bool:
    return not _differ_everywhere(first, second) and _verify([first], [second])


def _value_pairs(first, second) -> list[tuple[complex, complex]]:
    """Both expressions' values at the points of POINTS where both have one; variables are taken in order of name."""
    from sympy import Expr

    if not isinstance(first, Expr) or not isinstance(second, Expr):
        return []
    names = sorted(first.free_symbols | second.free_symbols, key=str)
    places = [{s: start + i * step for i, s in enumerate(names)} for start, step in POINTS]
    pairs = [(_value(first, place), _value(second, place)) for place in places]
    return [(a, b) for a, b in pairs if a is not None and b is not None]


def _value(expression, places: dict) -> complex | None:
    """The value with numbers for the variables; None when it has none (sets, matrices, divergent sums, infinity)."""
    try:
        value = complex(expression.evalf(15, subs=places))
    except (AttributeError, ArithmeticError, TypeError, ValueError, NotImplementedError):
        return None
    return value if math.isfinite(value.real) and math.isfinite(value.imag) else None


def _verify(gold: list, target: list) -> bool:
    """math-verify's comparison; errors inside sympy mean "not shown equal". Raises its TimeoutException."""
    from math_verify import verify

    try:
        return verify(gold, target, timeout_seconds=STEP_SECONDS, raise_on_error=True)
    except Exception:
        return verify(gold, target, timeout_seconds=STEP_SECONDS)


def _send(replies, value: dict) -> None:
    replies.write(json.dumps(value).encode() + b"\n")
    replies.flush()


if __name__ == "__main__":
    sys.setrecursionlimit(3000)
    main()
