"""The LaTeX of a `math` element: its TeX annotation, else its `data-latex` or `alttext`, else its MathML converted.

Paper: not stated; section 2.1 only says that the text comes from Common Crawl HTML.
"""

import re
from collections.abc import Iterable

from .formula_list import FoundFormulas
from .html_tree import Element, parse_fragment
from .mathml import math_node, mathml_to_latex
from .tex_plausibility import TEX_SIGN, is_prose

MATH_TAGS = frozenset(("math", "m:math", "mml:math", "mathml:math"))
_TEX_ENCODING = re.compile(r"(?:^|[-/])(?:la)?tex(?:$|[^a-z])", re.I)
"""application/x-tex, TeX, LaTeX; not text/plain, not MathType-MTEF."""
_WIRIS = str.maketrans({"«": "<", "»": ">", "¨": '"', "§": "&"})
_DISPLAY_VALUES = ("block", "true", "display")


def add_math(element: Element, found: FoundFormulas, rule: str, is_display: bool = False) -> str:
    """Keep the formula of a `math` element; the rule's name gets the kind of source added."""
    latex, displayed, kind = math_element_latex(element)
    return found.add(latex, is_display or displayed, f"{rule}_{kind}")


def math_element_latex(element: Element) -> tuple[str, bool, str]:
    """LaTeX of a `math` element, whether it is a display formula, and where the LaTeX comes from.

    The last is `annotation`, `data_latex`, `alttext`, `text` (TeX where MathML should be) or `converted`.
    """
    attributes = element.attributes
    is_display = attributes.get("display") in _DISPLAY_VALUES or attributes.get("mode") == "display"
    for annotation in _annotations(element):
        if _TEX_ENCODING.search(annotation.attributes.get("encoding", "")):
            source = annotation.text()
            if source.strip():
                return source, is_display, "annotation"
    for name in ("data-latex", "alttext"):
        source = attributes.get(name, "")
        if source.strip() and (TEX_SIGN.search(source) or (not is_prose(source) and not _is_speech(source))):
            return source, is_display, name.replace("-", "_")
    node = math_node(element)
    if not node.children and TEX_SIGN.search(node.text):
        return node.text, is_display, "text"
    return mathml_to_latex(node), is_display, "converted"


def _annotations(element: Element) -> Iterable[Element]:
    """The annotations below; their names have the prefix that the element has."""
    if element.tag == "math":
        return element.descendants("annotation")
    return [below for below in element.descendants() if below.tag.endswith(":annotation")]


def _is_speech(source: str) -> bool:
    """An alternative text in words, such as "x squared" or "Equation"."""
    return re.search(r"[A-Za-z]{3,}", source) is not None


def add_escaped_math(markup: str, found: FoundFormulas, rule: str, is_display: bool = False) -> str:
    """Keep the formula of MathML in an attribute (`data-mathml`); "" when there is no `math` in it."""
    if "«" in markup:
        markup = markup.translate(_WIRIS)
    if "<" not in markup and "&lt;" in markup:
        markup = markup.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", '"').replace("&amp;", "&")
    math = find_math(parse_fragment(markup))
    return add_math(math, found, rule, is_display) if math is not None else ""


def find_math(element: Element) -> Element | None:
    """The first `math` element below, with or without a prefix."""
    math = element.first("math")
    if math is not None:
        return math
    return next((below for below in element.descendants() if below.tag in MATH_TAGS), None)
