"""KaTeX in a page: its TeX annotation, else its MathML, else its HTML read back.

Not in the paper: section 2.1 builds on OpenWebMath, whose rules keep the annotation and drop the HTML.
"""

import re

from .formula_list import FoundFormulas
from .formula_mathml import add_math
from .formula_tokens import MathNode
from .html_tree import Element
from .mathml import mathml_to_latex

KATEX_CLASSES = frozenset(("katex", "katex-display", "katex-error", "katex-mathml", "katex-html", "math-katex"))
_TOP = re.compile(r"(?:^|;|\s)top:\s*(-?[\d.]+)em")
_HEIGHT = re.compile(r"height:\s*(-?[\d.]+)em")
_NOTHING = frozenset(
    """
    strut pstrut nulldelimiter vlist-s arraycolsep frac-line hide-tail rule overline-line underline-line
    katex-mathml tag vertical-separator hline
    """.split()  # noqa: SIM905 - one line a name would hide the list
)
_VARIANTS = {
    "mathbb": "double-struck", "mathbf": "bold", "boldsymbol": "bold-italic", "mathcal": "script",
    "mathscr": "script", "mathfrak": "fraktur", "mathsf": "sans-serif", "mathtt": "monospace", "mathrm": "normal",
    "amsrm": "double-struck",
}  # fmt: skip
_OPERATORS = frozenset(("mbin", "mrel", "mopen", "mclose", "mpunct", "minner", "delimsizing"))
_BRACKET_PIECES = {
    "⎛": "(", "⎜": "", "⎝": "", "⎞": ")", "⎟": "", "⎠": "", "⎡": "[", "⎢": "", "⎣": "", "⎤": "]", "⎥": "", "⎦": "",
    "⎧": "{", "⎨": "", "⎩": "", "⎪": "", "⎫": "}", "⎬": "", "⎭": "", "\u200b": "",
}  # fmt: skip
_DRAWN_BRACKETS = {"M863": "(", "M76,": ")", "M403": "[", "M347": "]", "M145": "|", "M367": "‖"}
_ARROW_START = "M0 241"
_SLASH = "\ue020"
"""KaTeX's fonts have the stroke of a negated relation here."""
_MAX_DEPTH = 150


def katex_formula(element: Element, name: str, found: FoundFormulas) -> str | None:
    """The formula of an element with a KaTeX class; None when it only wraps other content."""
    if name == "katex-error":
        return found.add(element.text(), False, "katex_error")
    is_display = name == "katex-display" or name == "katex--display"
    math = element.first("math")
    if math is not None:
        if element.tag not in ("span", "div", "eq", "eqn", "p") or _holds_more(element):
            return None
        return add_math(math, found, "katex", is_display)
    if name == "katex-mathml":
        return None
    visible = element if name == "katex-html" else element.first("span", class_name="katex-html")
    if visible is None or _holds_more(element):
        return None
    latex = mathml_to_latex(MathNode("mrow", {}, _rows(visible, 0))) or visible.text()
    return found.add(latex, is_display, "katex_html")


def _holds_more(element: Element) -> bool:
    """Is this a wrapper of several formulas or of text, and not one formula? Looks at its own children only."""
    children = element.children()
    if len(children) > 4 or any(child.tag in ("p", "div", "section", "article", "ul", "table") for child in children):
        return True
    return sum("katex" in child.classes or "katex-display" in child.classes for child in children) > 1


def _rows(element: Element, depth: int) -> list[MathNode]:
    """The nodes of an element's children, scripts hung on what stands before them."""
    nodes: list[MathNode] = []
    for child in element.children():
        classes = child.classes
        if "msupsub" in classes:
            base = nodes.pop() if nodes else MathNode("mrow")
            nodes.append(_with_scripts(base, child, depth))
        else:
            nodes += _nodes(child, classes, depth + 1)
            if len(nodes) > 1 and nodes[-2].tag == "not":
                negated = nodes.pop()
                nodes[-1] = _leaf("mo", negated.text + "\u0338")
    return nodes


def _row(element: Element, depth: int) -> MathNode:
    nodes = _rows(element, depth + 1)
    return nodes[0] if len(nodes) == 1 else MathNode("mrow", {}, nodes)


def _nodes(element: Element, classes: list[str], depth: int) -> list[MathNode]:
    if depth > _MAX_DEPTH or not _NOTHING.isdisjoint(classes):
        return []
    if "mspace" in classes:
        return _space(element)
    if "mfrac" in classes:
        return [_fraction(element, depth)]
    if "sqrt" in classes:
        return [_root(element, depth)]
    if "mtable" in classes:
        return [_table(element, depth)]
    if "op-limits" in classes or "accent" in classes or "overline" in classes or "underline" in classes:
        return [_stacked(element, classes, depth)]
    if "text" in classes:
        return [MathNode("mtext", {}, [], element.text())]
    if "rlap" in classes and _SLASH in element.text():
        return [MathNode("not")]
    children = element.children()
    if "mop" in classes and all(not child.classes for child in children):
        return _leaves(element.text(), classes)
    if "delimsizing" in classes and children:
        return [_leaf("mo", _bracket(element))]
    if children:
        if "vlist-t" in classes:
            return [_row(part, depth) for _, part in sorted(_levels(element), key=lambda level: level[0])]
        nodes = _rows(element, depth)
        if "minner" in classes:
            return [MathNode("mrow", {}, _with_fences(nodes))]
        return [MathNode("mrow", {}, nodes)] if len(nodes) > 1 and "mord" in classes else nodes
    return _leaves(element.text(), classes)


def _bracket(element: Element) -> str:
    """The bracket that is put together of pieces: characters, or a drawing whose first point tells which."""
    text = "".join(_BRACKET_PIECES.get(character, character) for character in element.text()).strip()
    path = None if text else element.first("path")
    start = path.attributes.get("d", "")[:4] if path is not None else ""
    return text or _DRAWN_BRACKETS.get(start, "")


def _leaf(tag: str, text: str, variant: str = "") -> MathNode:
    return MathNode(tag, {"mathvariant": variant} if variant else {}, [], text)


def _leaves(text: str, classes: list[str]) -> list[MathNode]:
    text = text.replace("\u200b", "")
    if not text:
        return []
    variant = next((_VARIANTS[name] for name in classes if name in _VARIANTS), "")
    if "mop" in classes:
        return [_leaf("mi" if len(text) > 1 else "mo", text)]
    if not _OPERATORS.isdisjoint(classes):
        return [_leaf("mo", text)]
    if text.replace(".", "").isdigit():
        return [_leaf("mn", text, variant)]
    if variant == "normal" and len(text) > 1:
        return [_leaf("mi", text)]
    return [_leaf("mi", character, variant) for character in text]


def _space(element: Element) -> list[MathNode]:
    width = re.search(r"margin-right:\s*([\d.]+)em", element.attributes.get("style", ""))
    if element.text().strip("\u200b"):
        return [MathNode("mspace")]
    return [MathNode("mspace", {"width": f"{width[1]}em"})] if width and float(width[1]) >= 1 else []


def _levels(element: Element) -> list[tuple[float, Element]]:
    """The parts of a vertical list with their shift in em, negative upwards; [] where there is no such list."""
    vertical = element if "vlist-t" in element.classes else element.first("span", class_name="vlist-t")
    column = vertical.first("span", class_name="vlist") if vertical is not None else None
    levels = []
    for part in column.children() if column is not None else ():
        top = _TOP.search(part.attributes.get("style", ""))
        strut = next((child for child in part.children() if "pstrut" in child.classes), None)
        height = _HEIGHT.search(strut.attributes.get("style", "")) if strut is not None else None
        if top and height:
            levels.append((float(top[1]) + float(height[1]), part))
    return levels


def _with_scripts(base: MathNode, element: Element, depth: int) -> MathNode:
    sub = sup = None
    for shift, part in _levels(element):
        if shift < 0:
            sup = _row(part, depth)
        else:
            sub = _row(part, depth)
    if sub is not None and sup is not None:
        return MathNode("msubsup", {}, [base, sub, sup])
    if sup is not None:
        return MathNode("msup", {}, [base, sup])
    return MathNode("msub", {}, [base, sub]) if sub is not None else base


def _has_class(element: Element, name: str) -> bool:
    return any(name in child.classes for child in element.children())


def _fraction(element: Element, depth: int) -> MathNode:
    levels = sorted(_levels(element), key=lambda level: level[0])
    parts = [part for _, part in levels if not _has_class(part, "frac-line")]
    nodes = [_row(part, depth) for part in parts]
    return MathNode("mfrac", {} if len(parts) < len(levels) else {"linethickness": "0"}, nodes)


def _root(element: Element, depth: int) -> MathNode:
    index = next((child for child in element.children() if "root" in child.classes), None)
    body = next((child for child in element.children() if "vlist-t" in child.classes), element)
    inside = [part for _, part in _levels(body) if not _has_class(part, "hide-tail")]
    content = _row(inside[0], depth) if inside else MathNode("mrow")
    if index is None:
        return MathNode("msqrt", {}, [content])
    return MathNode("mroot", {}, [content, MathNode("mrow", {}, [_row(part, depth) for _, part in _levels(index)])])


def _stacked(element: Element, classes: list[str], depth: int) -> MathNode:
    """Something over or under a base: accents, lines, limits."""
    levels = sorted(_levels(element), key=lambda level: level[0])
    if "overline" in classes or "underline" in classes:
        lines = {"overline-line", "underline-line"}
        parts = [part for _, part in levels if not any(lines & set(child.classes) for child in part.children())]
        base = _row(parts[0], depth) if parts else MathNode("mrow")
        return MathNode("mover" if "overline" in classes else "munder", {}, [base, _leaf("mo", "‾")])
    if "accent" in classes:
        return _accent([part for _, part in levels], depth)
    base = next((part for shift, part in levels if abs(shift) < 1e-6), None)
    if base is None:
        return MathNode("mrow", {}, [_row(part, depth) for _, part in levels])
    node = _row(base, depth)
    under = [_row(part, depth) for shift, part in levels if shift > 1e-6]
    over = [_row(part, depth) for shift, part in levels if shift < -1e-6]
    if under and over:
        return MathNode("munderover", {}, [node, under[0], over[0]])
    return MathNode("munder" if under else "mover", {}, [node, *under, *over]) if under or over else node


def _accent(parts: list[Element], depth: int) -> MathNode:
    """A letter under an accent; wide accents are drawings, only the arrow to the right is known by its first point."""
    marks = [part for part in parts if _has_class(part, "accent-body") or _has_class(part, "hide-tail")]
    base = next((part for part in parts if part not in marks), None)
    node = _row(base, depth) if base is not None else MathNode("mrow")
    if not marks:
        return node
    text = marks[0].text().strip().strip("\u200b")
    if text:
        return MathNode("mover", {}, [node, _leaf("mo", text)])
    path = marks[0].first("path")
    is_arrow = path is not None and path.attributes.get("d", "").startswith(_ARROW_START)
    is_vector = path is not None and _has_class(marks[0], "accent-body")
    if not is_arrow and not is_vector:
        return node
    accent = MathNode("mo", {} if is_vector else {"stretchy": "true"}, [], "→")
    return MathNode("mover", {}, [node, accent])


def _table(element: Element, depth: int) -> MathNode:
    """Columns of cells become rows; all cells of a row have the same height."""
    columns = [child for child in element.children() if any(name.startswith("col-align") for name in child.classes)]
    cells = [[_row(part, depth) for _, part in sorted(_levels(c), key=lambda level: level[0])] for c in columns]
    alignment = " ".join({"l": "left", "r": "right"}.get(c.classes[0][-1:], "center") for c in columns)
    rows = [
        MathNode("mtr", {}, [MathNode("mtd", {}, [column[i]]) for column in cells if i < len(column)])
        for i in range(max(map(len, cells), default=0))
    ]
    return MathNode("mtable", {"columnalign": alignment}, rows)


def _with_fences(nodes: list[MathNode]) -> list[MathNode]:
    """`\\left ... \\right`: the outer operators stretch."""
    for node in nodes[:1] + nodes[-1:]:
        if node.tag == "mo":
            node.attributes["fence"] = "true"
    return nodes
