"""Presentation MathML to LaTeX: one recursive pass over a tree of `MathNode`.

Used only where a formula carries no LaTeX source (no TeX annotation, no alttext), and by the modules that read the
rendered output of MathJax back as such a tree. Covers presentation MathML Core as MathJax, KaTeX, Pandoc, Word
converters and MathType write it; content MathML is not covered (its elements are walked through). The result aims at
the same symbols and structure, not at the author's spelling: `\\bmod` may come back as `\\operatorname{mod}`.

Paper: not stated; section 2.1 only says that the text comes from Common Crawl HTML.
"""

import re
from collections.abc import Callable

from .formula_tokens import MathNode, identifier, math_text, number, operator, token_text
from .html_tree import Element
from .tex_symbols import FENCES, FUNCTIONS, MATRICES, OVER, SPACE_WIDTHS, UNDER, WIDE, XARROWS, latex_symbols

_SPACES = re.compile(r"[ \t\r\n]+")
_ONE_COMMAND = re.compile(r"\\[A-Za-z]+(?:\{[^{}]*\})?")
_LIMITS = re.compile(r"\\(?:big|sum|prod|coprod|int|oint|iint|iiint|lim|operatorname|inj|proj|under|over)")
_TALL = re.compile(r"\\(?:frac|begin|sum|prod|int|oint|big[a-z]|atop|under|over|stack|binom)|_\{?\\|\^\{?\\frac")
_LEAVES = frozenset(("mi", "mo", "mn", "ms", "mtext", "annotation", "annotation-xml"))
_GLUE_CLASSES = ("mtr-glue", "mml-eqn-num")
"""Cells in which KaTeX sets space and equation numbers."""
_BARE_WIDTH = re.compile(r"^0*(?:\.0*)?(?:[a-z%]*)$")
_MAX_DEPTH = 150


def math_node(element: Element, depth: int = 0) -> MathNode:
    """The tree below a `math` element (or any of its descendants)."""
    tag = element.tag.rpartition(":")[2]
    if tag in _LEAVES or depth > _MAX_DEPTH:
        return MathNode(tag, element.attributes, [], element.text())
    children = [math_node(child, depth + 1) for child in element.children()]
    return MathNode(tag, element.attributes, children, "" if children else element.text())


def mathml_to_latex(math: MathNode) -> str:
    """LaTeX of a tree, without delimiters; empty when it shows nothing."""
    return _SPACES.sub(" ", _row(math)).strip()


def _convert(node: MathNode) -> str:
    handler = _HANDLERS.get(node.tag)
    return handler(node) if handler else _row(node)


def _row(node: MathNode) -> str:
    children = node.children
    if not children:
        return latex_symbols(token_text(node)) if node.tag not in ("mrow", "mspace") else ""
    if len(children) == 1:
        return _convert(children[0])
    return _fenced_row(children) or "".join(map(_convert, children))


def _fenced_row(children: list[MathNode]) -> str | None:
    """`\\left( ... \\right)`, a matrix or cases, for a row that a stretching fence opens."""
    first, last = children[0], children[-1]
    if first.tag != "mo":
        return None
    opening = token_text(first)
    left = FENCES.get(opening)
    if left is None or not left.strip("."):
        return None
    if len(children) == 2 or (len(children) == 3 and last.tag == "mo" and not token_text(last)):
        table = _only_table(children[1])
        if table is not None and opening == "{":
            return _environment(table, "cases")
    if len(children) < 3 or last.tag != "mo":
        return None
    right = FENCES.get(token_text(last))
    if right is None or first.attributes.get("stretchy") == "false" or last.attributes.get("stretchy") == "false":
        return None
    matrix = MATRICES.get((opening, token_text(last)))
    if len(children) == 3 and matrix and (table := _only_table(children[1])) is not None:
        return _environment(table, matrix)
    inside = "".join(map(_convert, children[1:-1]))
    is_fence = first.attributes.get("fence") == "true" and last.attributes.get("fence") == "true"
    if is_fence or (
        opening in "([{" and token_text(last) in ")]}" and _TALL.search(inside) and _is_one_group(children)
    ):
        return f"\\left{left} {inside}\\right{right} "
    return None


def _is_one_group(children: list[MathNode]) -> bool:
    """Does the last fence of a row close its first one? "(a)(b)" does not."""
    depth = 0
    for i, child in enumerate(children):
        if child.tag == "mo":
            text = token_text(child)
            depth += (text in ("(", "[", "{")) - (text in (")", "]", "}"))
            if depth <= 0 and i < len(children) - 1:
                return False
    return True


def _only_table(node: MathNode) -> MathNode | None:
    """The table in a chain of rows and styles with nothing else in them."""
    for _ in range(6):
        if node.tag == "mtable":
            return node
        if node.tag not in ("mrow", "mstyle", "mpadded") or len(node.children) != 1:
            return None
        node = node.children[0]
    return None


def _argument(latex: str) -> str:
    """A script: braces unless it is a single character."""
    latex = latex.strip()
    return latex if len(latex) == 1 else f"{{{latex}}}"


def _base(latex: str) -> str:
    """What a script hangs on: braces unless it is one character or one command."""
    latex = latex.strip()
    if len(latex) <= 1 or latex.isdigit() or _ONE_COMMAND.fullmatch(latex) or _ends_with_fence(latex):
        return latex
    return f"{{{latex}}}"


def _ends_with_fence(latex: str) -> bool:
    """`\\left( ... \\right)` and environments carry scripts as they are."""
    return (latex.startswith("\\left") and latex.count("\\left") == 1 and latex[-8:-1] == "\\right") or (
        latex.startswith("\\begin") and latex.endswith("matrix}") and latex.count("\\begin") == 1
    )


def _parts(node: MathNode, count: int) -> list[str]:
    """LaTeX of the first `count` children; missing ones are empty."""
    latex = [_convert(child).strip() for child in node.children[:count]]
    return latex + [""] * (count - len(latex))


def _fraction(node: MathNode) -> str:
    above, below = _parts(node, 2)
    thickness = node.attributes.get("linethickness")
    if thickness and _BARE_WIDTH.match(thickness):
        return f"{{{above} \\atop {below}}}"
    return f"\\frac{{{above}}}{{{below}}}"


def _root(node: MathNode) -> str:
    radicand, index = _parts(node, 2)
    return f"\\sqrt[{index}]{{{radicand}}}" if index else f"\\sqrt{{{radicand}}}"


def _sub(node: MathNode) -> str:
    base, sub = _parts(node, 2)
    return f"{_base(base)}_{_argument(sub)}" if sub else base


def _sup(node: MathNode) -> str:
    base, sup = _parts(node, 2)
    return _base(base) + _superscript(sup)


def _superscript(latex: str) -> str:
    if not latex or set(latex) == {"'"}:
        return latex
    return f"^{_argument(latex.removeprefix('^').strip('{}') if latex.startswith('^{') else latex)}"


def _subsup(node: MathNode) -> str:
    base, sub, sup = _parts(node, 3)
    return f"{_base(base)}{f'_{_argument(sub)}' if sub else ''}{_superscript(sup)}"


def _under(node: MathNode) -> str:
    base, below = _parts(node, 2)
    accent = (
        UNDER.get(token_text(node.children[1])) if len(node.children) > 1 and node.children[1].tag == "mo" else None
    )
    if accent:
        return f"\\{accent}{{{base}}}"
    if _takes_limits(base):
        return f"{base}_{_argument(below)}"
    return f"\\underset{{{below}}}{{{base}}}"


def _over(node: MathNode) -> str:
    children = node.children
    base, above = _parts(node, 2)
    accent = OVER.get(token_text(children[1])) if len(children) > 1 and children[1].tag == "mo" else None
    if accent:
        is_wide = children[1].attributes.get("stretchy") == "true" or len(token_text(children[0])) > 1
        return f"\\{WIDE.get(accent, accent) if is_wide else accent}{{{base}}}"
    if (
        children
        and (arrow := XARROWS.get(token_text(children[0])))
        and children[0].attributes.get("stretchy") == "true"
    ):
        return f"\\{arrow}{{{above}}}"
    if _takes_limits(base):
        return f"{base}^{_argument(above)}"
    return f"\\overset{{{above}}}{{{base}}}"


def _under_over(node: MathNode) -> str:
    base, below, above = _parts(node, 3)
    children = node.children
    if (
        children
        and (arrow := XARROWS.get(token_text(children[0])))
        and children[0].attributes.get("stretchy") == "true"
    ):
        return f"\\{arrow}[{below}]{{{above}}}"
    return f"{base}_{_argument(below)}^{_argument(above)}"


def _takes_limits(base: str) -> bool:
    return base.lstrip("\\") in FUNCTIONS or _LIMITS.match(base) is not None


def _multiscripts(node: MathNode) -> str:
    if not node.children:
        return ""
    before = after = ""
    is_before = False
    scripts = iter(node.children[1:])
    for sub in scripts:
        if sub.tag == "mprescripts":
            is_before = True
            continue
        sup = next(scripts, None)
        pair = "".join(
            mark + _argument(latex)
            for mark, script in (("_", sub), ("^", sup))
            if script is not None and script.tag != "mprescripts" and (latex := _convert(script).strip())
        )
        before, after = (before + pair, after) if is_before else (before, after + pair)
        if sup is not None and sup.tag == "mprescripts":
            is_before = True
    return ("{}" + before if before else "") + _base(_convert(node.children[0])) + after


def _table(node: MathNode) -> str:
    rows = _cells(node)
    if len(rows) == 1 and len(rows[0]) == 1:
        return _row(rows[0][0])
    columns = (node.attributes.get("columnalign") or "").split()
    is_aligned = columns[:2] == ["right", "left"]
    return _environment(node, "aligned" if is_aligned else "matrix")


def _environment(table: MathNode, name: str) -> str:
    rows = [" & ".join(_row(cell).strip() for cell in row) for row in _cells(table)]
    return rf"\begin{{{name}}} " + r" \\ ".join(rows) + rf" \end{{{name}}} "


def _cells(table: MathNode) -> list[list[MathNode]]:
    """The cells of each row, without labels and glue."""
    rows = []
    for row in table.children:
        if row.tag in ("mtr", "mlabeledtr"):
            cells = row.children[1 if row.tag == "mlabeledtr" else 0 :]
            rows.append([cell for cell in cells if cell.attributes.get("class") not in _GLUE_CLASSES])
    return rows


def _mfenced(node: MathNode) -> str:
    opening, closing = node.attributes.get("open", "("), node.attributes.get("close", ")")
    comma = node.attributes.get("separators", ",").strip()[:1]
    inner = comma.join(map(_convert, node.children))
    left, right = FENCES.get(opening.strip(), opening), FENCES.get(closing.strip(), closing)
    if len(node.children) == 1 and (table := _only_table(node.children[0])) is not None:
        if opening == "{" and not closing.strip():
            return _environment(table, "cases")
        if matrix := MATRICES.get((opening, closing)):
            return _environment(table, matrix)
    if left == "." and right == ".":
        return inner
    if _TALL.search(inner) or "." in (left, right):
        return f"\\left{left} {inner}\\right{right} "
    return f"{left}{' ' if left[-1].isalpha() else ''}{inner}{right}{' ' if right[-1].isalpha() else ''}"


def _space(node: MathNode) -> str:
    if node.attributes.get("linebreak") == "newline":
        return r"\\ "
    # "<m:mspace/>" in HTML does not end there: what follows became its children.
    return SPACE_WIDTHS.get(node.attributes.get("width") or "", " ") + "".join(map(_convert, node.children))


def _semantics(node: MathNode) -> str:
    return _convert(node.children[0]) if node.children else ""


def _square_root(node: MathNode) -> str:
    return f"\\sqrt{{{_row(node).strip()}}}"


def _enclose(node: MathNode) -> str:
    notation = node.attributes.get("notation", "longdiv").split()
    inner = _row(node).strip()
    for name, command in _NOTATIONS.items():
        if name in notation:
            return f"\\{command}{{{inner}}}"
    return inner


def _nothing(node: MathNode) -> str:
    return ""


_NOTATIONS = {
    "box": "boxed", "roundedbox": "boxed", "updiagonalstrike": "cancel", "downdiagonalstrike": "bcancel",
    "radical": "sqrt", "top": "overline", "bottom": "underline",
}  # fmt: skip
_HANDLERS: dict[str, Callable[[MathNode], str]] = {
    "mi": identifier, "mo": operator, "mn": number, "ms": math_text, "mtext": math_text, "mfrac": _fraction,
    "msqrt": _square_root, "mroot": _root, "msub": _sub, "msup": _sup, "msubsup": _subsup, "munder": _under,
    "mover": _over, "munderover": _under_over, "mmultiscripts": _multiscripts, "mtable": _table,
    "mfenced": _mfenced, "mspace": _space, "semantics": _semantics, "menclose": _enclose, "annotation": _nothing,
    "annotation-xml": _nothing, "none": _nothing, "mprescripts": _nothing, "maligngroup": _nothing,
    "malignmark": _nothing, "mphantom": _nothing,
}  # fmt: skip
