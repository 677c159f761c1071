"""The outer form of an answer: list, set, tuple, interval, union, matrix, equation, blanks. One level at a time.

Only shape is read here: the items stay texts (in the notation of `unify`), and `equality` compares them.
"""

import re
from dataclasses import dataclass

MAX_ITEMS = 200
"""Longer lists are leaves: no benchmark has such an answer."""

_NAME = r"(?:[A-Za-z]|\\(?!infty|pi(?![a-z])|pm|frac|sqrt)[a-z]+)(?:\s*_\s*(?:\{[^{}]{1,12}\}|\w))?'*"
_VARIABLE = re.compile(_NAME)
_LEFT_SIDE = re.compile(
    rf"{_NAME}|{_NAME}\s*(?:\^\{{-1\}}|\^-1)?\s*\(\s*{_NAME}(?:\s*,\s*{_NAME})*\s*\)|\(\s*{_NAME}(?:\s*,\s*{_NAME})+\s*\)"
    r"|(?:m\s*)?\\angle\s*\{?\s*[A-Z]{1,3}\s*\}?|\|?\s*(?:\\(?:overline|vec|overrightarrow)\s*\{?\s*)?[A-Z]{2,3}\s*\}?\s*\|?"
    r"|[A-Za-z]{3,20}(?: [A-Za-z]{2,20}){0,3}|[\u4e00-\u9fff]{1,12}|(?:the )?[a-z]{3,20} of [a-zA-Z ]{1,30}"
    rf"|[A-Z]_\{{[^{{}}]{{1,30}}\}}|{_NAME}\s*\(\s*-?\d+\s*\)"
)
_RELATION = re.compile(r"\\le(?![a-z])|\\ge(?![a-z])|<|>")
_BUILDER = re.compile(r"\\?\{\s*(" + _NAME + r")\s*(?:\\in\s*\\mathbb\{?R\}?\s*)?[|:]\s*(.+?)\\?\}", re.DOTALL)
_MATRIX = re.compile(
    r"[(\[]?\s*\\begin\s*\{([bp]?matrix|array)\}(?:\s*\{[lcr| ]*\})?(.*)\\end\s*\{\1\}\s*[)\]]?", re.DOTALL
)
_SEPARATOR = re.compile(r",|、|\band\b|\bor\b|或者?|和|以及|且|\\(?:land|lor|wedge|vee)(?![a-z])")
_UNION = re.compile(r"\\cup(?![a-z])|(?<=[)\]])\s*U\s*(?=[(\[])")
_TOKENS = re.compile(r"\\[{}]|\\begin|\\end|\\[a-zA-Z]+|\\.|[(\[{}\])]|\\")
_GREEK_VARIABLES = ("alpha", "beta", "gamma", "delta", "theta", "lambda", "mu", "phi", "omega", "sigma", "epsilon")
_OPENING, _CLOSING = {"(", "[", "{", "\\{", "\\begin"}, {")", "]", "}", "\\}", "\\end"}


@dataclass(frozen=True, slots=True)
class Form:
    """`kind` and what it holds:

    leaf: items (text,) · rounded: items (exact value, rounding) · values, set, blanks, union, chain: their items ·
    row: items in `brackets` ("(]", "()") · interval: items (low, high) with `brackets`, of the variable `name` ·
    assignment: items (value,), `name` · equation: items (text,) · matrix: items row by row, `num_columns`.
    """

    kind: str
    items: tuple[str, ...]
    brackets: str = ""
    name: str = ""
    num_columns: int = 0
    is_alternative: bool = False
    """Were the values joined by "or"? Inequalities joined by "and" are no union."""


def read_form(text: str) -> Form:
    """The form of an answer in `unify`'s notation."""
    text = _outer_parentheses(text.strip())
    blanks = split_top(text, re.compile("[;；]"))
    if len(blanks) > 1:
        return Form("blanks", blanks)
    text = re.sub(rf"^{_NAME}\s*\\in(?![a-z])\s*", "", text)
    if re.search(r"\\pm|\\mp", text) and len(text) < 500:
        return _plus_minus(text)
    matrix = _matrix(text)
    if matrix:
        return matrix
    pieces = split_top(text, _UNION)
    if len(pieces) > 1:
        return Form("union", pieces)
    parts = split_top(text, _SEPARATOR)
    if 1 < len(parts) <= MAX_ITEMS:
        return _values(text, parts)
    return _bracketed(text) or _relation(text) or _equation(text) or Form("leaf", (text,))


def split_top(text: str, separator: re.Pattern) -> tuple[str, ...]:
    """The parts of a text between separators outside all brackets, without empty ones; (text,) when there is none."""
    inside = _bracket_spans(text)
    parts, start = [], 0
    for match in separator.finditer(text):
        if match.start() < start or inside[match.start()]:
            continue
        parts.append(text[start : match.start()])
        start = match.end()
    parts.append(text[start:])
    return tuple(part.strip() for part in parts if part.strip()) or (text,)


def _bracket_spans(text: str) -> bytearray:
    """For each character 1 when it stands inside brackets of any kind; unmatched closing ones are ignored."""
    inside = bytearray(len(text))
    depth, last = 0, 0
    for match in _TOKENS.finditer(text):
        if depth:
            inside[last : match.end()] = b"\x01" * (match.end() - last)
        token = match.group()
        depth = max(0, depth + (token in _OPENING) - (token in _CLOSING))
        last = match.end()
    if depth:
        inside[last:] = b"\x01" * (len(text) - last)
    return inside


def _is_enclosed(text: str) -> bool:
    """Does the first bracket close at the very end?"""
    return len(text) > 1 and all(_bracket_spans(text)[1:-1]) if text[-1:] in ")]}" else False


def _outer_parentheses(text: str) -> str:
    """Without parentheses or braces around all of it, up to eight pairs; those of tuples, sets and intervals stay."""
    for _ in range(8):
        if text[:1] + text[-1:] not in ("()", "{}") or not _is_enclosed(text):
            break
        inner = text[1:-1].strip()
        if not inner or len(split_top(inner, re.compile("[,:|]"))) > 1:
            break
        text = inner
    return text


def _plus_minus(text: str) -> Form:
    upper = text.replace("\\pm", "+").replace("\\mp", "-")
    lower = text.replace("\\pm", "-").replace("\\mp", "+")
    clean = [re.sub(r"(^|[=(,{\[])\s*\+\s*", r"\1", side) for side in (upper, lower)]
    parts = split_top(text, _SEPARATOR)
    if len(parts) > 1 and len(parts) <= MAX_ITEMS:
        return Form("values", tuple(item for part in parts for item in (_items(read_form(part)) or (part,))))
    return Form("values", tuple(clean), is_alternative=True)


def _items(form: Form) -> tuple[str, ...]:
    return form.items if form.kind == "values" else ()


def _values(text: str, parts: tuple[str, ...]) -> Form:
    """Several answers: "1, 2", "x=1 or x=2"; inequalities joined by "or" are a union of intervals."""
    is_alternative = bool(re.search(r"\bor\b|或|\\lor|\\vee", text))
    if is_alternative and all(_relation(part) for part in parts):
        return Form("union", parts)
    parts = tuple(re.sub(r"^(?:and|or|both|either)\s+", "", part) for part in parts)
    return Form("values", parts, is_alternative=is_alternative)


def _bracketed(text: str) -> Form | None:
    """Tuples, intervals and sets: brackets around everything, with or without commas inside."""
    builder = _BUILDER.fullmatch(text)
    if builder:
        condition = read_form(builder.group(2).strip())
        return condition if condition.kind in ("interval", "union") else Form("set", (f"|{builder.group(2).strip()}",))
    text = text.replace("\\{", "{").replace("\\}", "}") if text.startswith("\\{") and text.endswith("\\}") else text
    if text[:1] not in ("(", "[", "{") or text[-1:] not in (")", "]", "}") or not _is_enclosed(text):
        return None
    brackets, inner = text[0] + text[-1], text[1:-1]
    items = split_top(inner, re.compile("[,，、]"))
    if len(items) > MAX_ITEMS or not inner.strip():
        return None
    if brackets == "{}":
        return Form("set", items)
    if len(items) == 1:
        return Form("row", items, brackets) if brackets == "[]" else None
    rows = [_bracketed(item) for item in items] if brackets == "[]" else []
    if rows and all(r and r.kind == "row" and r.brackets == "[]" and len(r.items) == len(rows[0].items) for r in rows):  # type: ignore[union-attr]
        return Form("matrix", tuple(i for r in rows if r for i in r.items), num_columns=len(rows[0].items))  # type: ignore[union-attr]
    return Form("row", items, brackets)


def _matrix(text: str) -> Form | None:
    text = re.sub(r"^Matrix\s*\((\[\[.*\]\])\)$", r"\1", text)
    match = _MATRIX.fullmatch(text)
    if not match:
        return _bracketed(text) if text.startswith("[[") and text.endswith("]]") else None
    rows = [row.strip() for row in re.split(r"\\\\(?:\s*\[[^\]]*\])?", match.group(2))]
    cells = [[cell.strip() for cell in row.split("&")] for row in rows if row]
    if not cells or len({len(row) for row in cells}) != 1 or len(cells) * len(cells[0]) > MAX_ITEMS:
        return None
    return Form("matrix", tuple(cell for row in cells for cell in row), num_columns=len(cells[0]))


def _relation(text: str) -> Form | None:
    """An inequality of one variable as an interval; None for others."""
    sides = split_top(text, _RELATION)
    signs = [m.group() for m in _RELATION.finditer(text)]
    if len(signs) != len(sides) - 1 or len(signs) not in (1, 2):
        return None
    if signs[0] in (">", "\\ge"):  # read from the right
        sides, signs = sides[::-1], [{">": "<", "\\ge": "\\le"}.get(s, "?") for s in reversed(signs)]
    if not all(sign in ("<", "\\le") for sign in signs):
        return None
    closed = [sign == "\\le" for sign in signs]
    if len(sides) == 3:
        low, name, high = sides
        brackets = "[("[not closed[0]] + "])"[not closed[1]]
    elif _VARIABLE.fullmatch(sides[0]):
        (name, high), low, brackets = sides, "-\\infty", "(" + "])"[not closed[0]]
    else:
        (low, name), high, brackets = sides, "\\infty", "[("[not closed[0]] + ")"
    if not _VARIABLE.fullmatch(name) or has_variable(low) or has_variable(high):
        return None
    return Form("interval", (low, high), brackets, re.sub(r"\s", "", name))


def has_variable(text: str) -> bool:
    """Does a mathematical text hold a letter that stands for a number? (e, i and names of functions do not.)"""
    rest = re.sub(r"\\[a-zA-Z]+", lambda m: "x" if m.group()[1:] in _GREEK_VARIABLES else " ", text)
    return re.search(r"[a-df-hj-zA-Z]", rest) is not None


def _equation(text: str) -> Form | None:
    """ "x = 5" as an assignment, "3 + 4 = 7" as a chain of equal parts, everything else with "=" as an equation.

    "10/3 ≈ 3.33" is an exact value with its rounding.
    """
    exact, *rounded = split_top(text, re.compile(r"\\approx(?![a-z])"))
    if len(rounded) == 1 and "=" not in text:
        if _LEFT_SIDE.fullmatch(exact):
            return Form("assignment", (rounded[0],), name=re.sub(r"[\s{}]", "", exact))
        return Form("rounded", (exact, rounded[0]))
    if "=" not in text:
        return None
    parts = split_top(exact, re.compile(r"(?<![<>!:])="))
    if len(parts) < 2:
        return None
    if _LEFT_SIDE.fullmatch(parts[0]):
        return Form("assignment", (" = ".join(parts[1:]),), name=re.sub(r"[\s{}]", "", parts[0]))
    if len(parts) == 2 and _VARIABLE.fullmatch(parts[1]) and not has_variable(parts[0]):
        return Form("assignment", (parts[0],), name=re.sub(r"[\s{}]", "", parts[1]))
    if not any(has_variable(part) for part in parts):
        return Form("chain", parts)
    return Form("equation", (exact,))


def form_text(form: Form) -> str:
    """A text that reads as this form again."""
    joiner = {"values": " or " if form.is_alternative else ", ", "blanks": "; ", "union": " \\cup ", "chain": " = "}
    if form.kind in joiner:
        return joiner[form.kind].join(form.items)
    if form.kind == "set":
        return "\\{" + ", ".join(form.items) + "\\}"
    if form.kind in ("row", "interval"):
        return form.brackets[0] + ", ".join(form.items) + form.brackets[1]
    if form.kind == "matrix":
        width = form.num_columns
        rows = [" & ".join(form.items[i : i + width]) for i in range(0, len(form.items), width)]
        return "\\begin{pmatrix} " + " \\\\ ".join(rows) + " \\end{pmatrix}"
    return form.items[0]
