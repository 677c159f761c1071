"""The last resort of grading: two mathematical expressions, compared by math-verify in processes that can be killed.

Only texts whose every sign is known mathematics get there: words, quotation marks, dunders and unknown commands stop at
the gate (`algebra_text`). Verdicts are kept, so that a group of rollouts with one answer costs one comparison.
"""

import itertools
import re
import threading
import time

from ..records import Verdict
from . import verifier
from .units import take_unit

MAX_NESTING = 30
"""Deeper brackets are no answer, and only cost the parser its whole time."""

_FUNCTION_NAMES = """sin cos tan cot sec csc log ln lg exp sqrt arcsin arccos arctan sinh cosh tanh max min gcd lcm"""
_COMMAND_NAMES = f"""{_FUNCTION_NAMES}
frac pi cdot times binom infty le ge ne in cup cap setminus emptyset lfloor rfloor lceil rceil overline vec hat bar
angle triangle circ sum prod int lim to bmod pmod mod mathbb begin end pm mp approx ldots dots cdots backslash perp
parallel alpha beta gamma delta epsilon varepsilon zeta eta theta iota kappa lambda mu nu xi rho sigma tau upsilon phi
varphi chi psi omega Gamma Delta Theta Lambda Xi Pi Sigma Phi Psi Omega"""
_FUNCTIONS = frozenset(_FUNCTION_NAMES.split())
_COMMANDS = frozenset(_COMMAND_NAMES.split())
_ALLOWED = re.compile(r"[\sA-Za-z0-9+\-*/^_(){}\[\]|!<>=.,:'&%\\]*")
_TOKEN = re.compile(r"\\[a-zA-Z]+|\\.|[A-Za-z]+|[^A-Za-z\\]+|\\")
_TRIGONOMETRY = re.compile(r"\\?(?:sin|cos|tan|cot|sec|csc)(?![a-z])")
_DEGREES = re.compile(r"(\d+(?:\.\d+)?)\s*\^\\circ(?![a-zA-Z])")
_UNIT_START = re.compile(r"(?<=[\s}\d])(?=[a-zA-Z\u4e00-\u9fff^'])")
_GENERIC_UNITS = re.compile(r"\s(?:square |cubic |sq\.? )?(?:units?|个单位)(?:\s*\^\s*\{?[23]\}?)?$")
_MAX_CACHED = 65536
_CACHE: dict[tuple[str, str, float], Verdict] = {}
_CACHE_LOCK = threading.Lock()


def algebra_text(text: str) -> str | None:
    """An expression for math-verify out of `unify`'s notation: units cut off, products written out; None for no
    mathematics.
    """
    text = _without_unit(text)
    if not text or not _ALLOWED.fullmatch(text) or "__" in text or text.count("\\begin") != text.count("\\end"):
        return None
    if _nesting(text) > MAX_NESTING:
        return None
    if _TRIGONOMETRY.search(text):
        text = _DEGREES.sub(r"(\1 \\cdot \\pi /180)", text)
    text = re.sub(r"([\^_])\s*(\d+|[a-zA-Z](?![a-zA-Z]))", r"\1{\2}", text.replace("^\\circ", ""))
    pieces: list[str] = []
    in_name = False
    for match in _TOKEN.finditer(text):
        token = match.group()
        if token.startswith("\\"):
            if len(token) > 2 and token[1:] not in _COMMANDS:
                return None
            in_name = token in ("\\begin", "\\end", "\\mathbb")
            pieces.append(token + " ")
        elif token[0].isalpha() and token.isascii() and not in_name:
            word = _letters(token)
            if word is None:
                return None
            pieces.append(word)
        else:
            in_name = in_name and "}" not in token
            pieces.append(token)
    joined = "".join(pieces)
    joined = re.sub(r"(?<=\d)\s*(?=[a-zA-Z](?![a-zA-Z]))", r" \\cdot ", joined)
    return re.sub(r"\\cdot\s+([a-zA-Z])\s*$", r"\\cdot {\1}", joined)  # math-verify cuts off a last t or m as a unit


def _nesting(text: str) -> int:
    """The greatest depth of brackets of any kind."""
    depth = deepest = 0
    for char in text:
        depth += (char in "([{") - (char in ")]}")
        deepest = max(deepest, depth)
    return deepest


def _letters(run: str) -> str | None:
    """A run of letters as a function name or a product of variables; None for a word."""
    if run in _FUNCTIONS:
        return f"\\{run} "
    ordered = all(a < b for a, b in itertools.pairwise(run)) and ord(run[-1]) - ord(run[0]) <= len(run)
    if len(run) > 2 and not ordered and not (run.isupper() and len(run) <= 3):
        return None
    if run.lower() in ("is", "or", "at", "to", "no", "if", "so", "of", "in", "it", "as", "by", "we", "do"):
        return None
    return " \\cdot ".join(run)


def _without_unit(text: str) -> str:
    """Without a known unit at the end; a lone letter is a variable unless a space parts it from the expression."""
    text = _GENERIC_UNITS.sub("", text)
    for match in _UNIT_START.finditer(text):
        unit, rest = take_unit(text[match.start() :])
        tail = text[match.start() :].strip()
        if unit and not rest.strip() and (len(tail) > 1 or not tail.isalpha()):
            return text[: match.start()].strip()
    return text


def differ_in_case(first: str, second: str) -> bool:
    """Do two expressions hold the same letters, but some in another case (x and X)?"""
    a, b = (set(re.findall(r"[A-Za-z]", re.sub(r"\\[a-zA-Z]+", " ", text))) for text in (first, second))
    return a != b and {c.lower() for c in a} == {c.lower() for c in b}


def compare_expressions(first: str, second: str, deadline: float, timeout: float, tolerance: float = 0.0) -> Verdict:
    """math-verify's verdict on two texts that passed the gate, before `deadline` (time.monotonic).

    `timeout` is the caller's whole allowance, in seconds: a TIMEOUT is remembered only when all of it was left.
    """
    key = (min(first, second), max(first, second), tolerance)
    found = _CACHE.get(key)
    if found is not None:
        return found
    left = deadline - time.monotonic()
    if left <= 0.01:
        return Verdict.TIMEOUT
    verdict = verifier.shared_pool().compare(first, second, left, tolerance)
    if verdict is not Verdict.TIMEOUT or left > 0.9 * timeout:
        with _CACHE_LOCK:
            if len(_CACHE) >= _MAX_CACHED:
                _CACHE.clear()
            _CACHE[key] = verdict
    return verdict
