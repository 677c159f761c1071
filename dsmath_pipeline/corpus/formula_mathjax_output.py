"""Read the output of MathJax 3 and 4 (CHTML and SVG) back as a MathML-like tree, for formulas without any source.

Both outputs mirror MathML: `mjx-msup` or `g[data-mml-node=msup]` around the parts, and the code point of every
character in a class (`mjx-c1D465`) or in `data-c`. Column alignment, spacing and `\\mathrm` on single letters are lost.

Not in the paper: section 2.1 does not name an extractor.
"""

import re

from .formula_tokens import MathNode
from .html_tree import Element

_CODE = re.compile(r"(?:^|\s)mjx-c([0-9A-F]+)(?:\s|$)")
_HEIGHT = re.compile(r"translate\(\s*-?[\d.]+\s*,\s*(-?[\d.]+)")
_PIECES = {
    "⎛": "(", "⎜": "", "⎝": "", "⎞": ")", "⎟": "", "⎠": "", "⎡": "[", "⎢": "", "⎣": "", "⎤": "]", "⎥": "", "⎦": "",
    "⎧": "{", "⎨": "", "⎩": "", "⎪": "", "⎫": "}", "⎬": "", "⎭": "", "\ue150": "⏞", "\ue151": "", "\ue152": "⏟",
    "\ue153": "", "\ue154": "", "\ue155": "", "\ue156": "",
}  # fmt: skip
"""Parts of tall brackets and wide braces: the first part stands for the whole."""
_LEAVES = frozenset(("mi", "mo", "mn", "ms", "mtext"))
_SCRIPTS = frozenset(("msub", "msup", "msubsup", "munder", "mover", "munderover"))
_PLAIN = frozenset(
    ("mjx-nstrut", "mjx-dstrut", "mjx-tstrut", "mjx-spacer", "mjx-line", "mjx-surd", "mjx-assistive-mml")
)
_WRAPPERS = frozenset(("base", "over", "under", "num", "den", "root", "script", "box"))
_BOXES = frozenset("mjx-row mjx-frac mjx-dbox mjx-dtable mjx-sqrt mjx-box mjx-munder".split())  # noqa: SIM905
_MAX_DEPTH = 100


def chtml_node(element: Element, depth: int = 0) -> MathNode:
    """The tree of a `mjx-math` element or a part of it."""
    tag = element.tag.removeprefix("mjx-").lower()
    if tag in _LEAVES or depth > _MAX_DEPTH:
        return MathNode(tag, {}, [], _joined(_chtml_characters(element)))
    children = [child for child in element.children() if child.tag not in _PLAIN]
    if tag == "mfrac":
        return _chtml_fraction(element, depth)
    if tag in ("msqrt", "mroot"):
        box, index = _below(element, "mjx-box"), _below(element, "mjx-root")
        parts = [chtml_node(part, depth + 1) for part in (box, index) if part is not None]
        return MathNode(tag, {}, parts)
    if tag in _SCRIPTS:
        return _chtml_scripts(element, tag, children, depth)
    if tag == "mtable":
        table = element.first("mjx-itable")
        children = table.children() if table is not None else children
        rows = [MathNode("mtr", {}, chtml_node(child, depth + 1).children) for child in children]
        return MathNode("mtable", {}, rows)
    nodes = [chtml_node(child, depth + 1) for child in children]
    return nodes[0] if tag in _WRAPPERS and len(nodes) == 1 else _with_fences(MathNode(tag, {}, nodes))


def _chtml_fraction(element: Element, depth: int) -> MathNode:
    parts = [_below(element, name) for name in ("mjx-num", "mjx-den")]
    is_stacked = _below(element, "mjx-line") is None
    nodes = [chtml_node(part, depth + 1) for part in parts if part is not None]
    return MathNode("mfrac", {"linethickness": "0"} if is_stacked else {}, nodes)


def _chtml_scripts(element: Element, tag: str, children: list[Element], depth: int) -> MathNode:
    """Base, sub and sup; MathJax puts the upper script first, and base and limits into rows of a table."""
    if len(children) > 1 and children[-1].tag == "mjx-script":
        scripts = [child for child in children[-1].children() if child.tag not in _PLAIN]
        nodes = [chtml_node(part, depth + 1) for part in [children[0], *reversed(scripts)]]
        names = {"munder": "msub", "mover": "msup", "munderover": "msubsup"}
        return MathNode(names.get(tag, tag), {}, nodes)
    parts = [_below(element, name) for name in ("mjx-base", "mjx-under", "mjx-over")]
    return MathNode(tag, {}, [chtml_node(part, depth + 1) for part in parts if part is not None])


def _below(element: Element, tag: str) -> Element | None:
    """The part of that name of a construct, looked for through the boxes around parts but not inside parts."""
    for child in element.children():
        if child.tag == tag:
            return child
        if child.tag in _BOXES and (part := _below(child, tag)) is not None:
            return part
    return None


def _chtml_characters(element: Element) -> list[str]:
    """The characters of a token element."""
    characters = []
    for part in element.children():
        if part.tag == "mjx-utext":
            characters.append(part.text())
        elif part.tag.startswith(("mjx-c", "mjx-stretchy")) and (
            code := _CODE.search(part.attributes.get("class", ""))
        ):
            characters.append(chr(int(code[1], 16)))
        elif part.children():
            characters += _chtml_characters(part)
        else:
            characters.append(part.text())
    return characters


def svg_node(element: Element, depth: int = 0) -> MathNode:
    """The tree of MathJax's `svg` element or a part of it."""
    tag = element.attributes.get("data-mml-node", "mrow").lower()
    if tag in _LEAVES or depth > _MAX_DEPTH:
        return MathNode(tag, {}, [], _joined(_svg_characters(element)))
    children = element.children()
    parts = [child for child in children if child.tag in ("g", "svg")]
    if tag == "mtable":
        return MathNode(tag, {}, [MathNode("mtr", {}, svg_node(row, depth + 1).children) for row in _svg_rows(parts)])
    if tag == "mfrac":
        is_stacked = not any(child.tag == "rect" for child in children)
        return MathNode(
            tag, {"linethickness": "0"} if is_stacked else {}, [svg_node(part, depth + 1) for part in parts]
        )
    if tag in ("msqrt", "mroot"):
        parts = [part for part in parts if part.attributes.get("data-mml-node") != "mo"]
    if tag in ("msubsup", "munderover") and len(parts) == 3:
        parts = [parts[0], *sorted(parts[1:], key=_svg_height)]
    return _with_fences(MathNode(tag, {}, [svg_node(part, depth + 1) for part in parts]))


def _svg_rows(parts: list[Element]) -> list[Element]:
    """The rows of a table; where it has labels they lie in a second drawing beside the rows."""
    for _ in range(4):
        rows = [part for part in parts if part.attributes.get("data-mml-node") in ("mtr", "mlabeledtr")]
        if rows or not parts:
            return rows
        parts = [child for child in parts[0].children() if child.tag in ("g", "svg")]
    return []


def _svg_height(element: Element) -> float:
    match = _HEIGHT.search(element.attributes.get("transform", ""))
    return float(match[1]) if match else 0.0


def _svg_characters(element: Element) -> list[str]:
    characters = []
    for part in element.children():
        if part.tag == "text":
            characters.append(part.text())
        elif code := part.attributes.get("data-c"):
            try:
                characters.append(chr(int(code, 16)))
            except ValueError:
                continue
        else:
            characters += _svg_characters(part)
    return characters


def _joined(characters: list[str]) -> str:
    """The characters, with the pieces of a tall bracket as the bracket."""
    return "".join(_PIECES.get(character, character) for character in characters)


def _with_fences(node: MathNode) -> MathNode:
    """MathJax makes a `mrow` only of `\\left ... \\right`: its outer operators are stretching fences."""
    if node.tag == "mrow" and len(node.children) > 1:
        for child in (node.children[0], node.children[-1]):
            if child.tag == "mo":
                child.attributes["fence"] = "true"
    return node
