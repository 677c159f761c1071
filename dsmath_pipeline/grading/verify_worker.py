"""The child interpreter of `verifier`: reads {reference, answer} lines, writes {verdict} lines.

Never imported by the library; runs as `python -m dsmath_pipeline.grading.verify_worker`. Answers are hostile text:
the process caps its own memory and, where the kernel offers it, gives up files, network and new processes after its
imports (`walls`).
"""

import json
import logging
import os
import re
import resource
import sys

from . import walls

MEMORY_BYTES = 2 << 30
"""Address space of one child."""

STEP_SECONDS = 3
"""math-verify's own limit for one parse or one comparison; the parent's deadline stands above it."""


_VARIABLE = re.compile(r"(?<=\d)([a-zA-Z])(?![a-zA-Z])")


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
            verdict = compare(request["reference"], request["answer"])
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


def compare(reference: str, answer: str) -> str:
    """Verdict of one pair, both directions: math-verify treats assignments and relations of one side differently."""
    from math_verify.errors import TimeoutException

    try:
        gold = _parse(reference)
        if not gold:
            return "gold_unparsable"
        target = _parse(answer)
        return "correct" if target and (_verify(gold, target) or _verify(target, gold)) else "wrong"
    except TimeoutException:
        return "timeout"


def _parse(text: str) -> list:
    """math-verify's reading of one answer; [] when it finds nothing. Raises its TimeoutException."""
    from math_verify import ExprExtractionConfig, LatexExtractionConfig, parse

    targets = [LatexExtractionConfig(boxed_match_priority=0), ExprExtractionConfig()]
    text = text.replace("\\$", "")  # a dollar sign, which would open a formula
    text = _VARIABLE.sub(r"\\cdot \1", text)  # math-verify drops the "t" of 4t as if it were a unit
    if "$" not in text and "\\(" not in text and "\\[" not in text:
        text = f"\\boxed{{{text}}}"
    try:
        return parse(text, targets, parsing_timeout=STEP_SECONDS, raise_on_error=True)
    except Exception:  # any text is allowed to be no mathematics; the verdict says so
        return []


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
