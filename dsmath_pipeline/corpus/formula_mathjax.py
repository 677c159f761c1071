"""MathJax in a page: its scripts, and what MathJax 2, 3 and 4 leave in a page that was saved after rendering.

Around one formula stand up to four things that say the same: a preview, the rendered form, MathML for screen readers,
and the script with the source. Exactly one is kept, the one nearest to the author's LaTeX; the others are dropped.

Not in the paper: section 2.1 builds on OpenWebMath, whose extractor misses `; mode=display` scripts and keeps the
rendered form beside its source.
"""

from .formula_asciimath import asciimath_to_latex
from .formula_list import FoundFormulas
from .formula_mathjax_output import chtml_node, svg_node
from .formula_mathml import add_escaped_math, add_math, find_math
from .html_tree import Element, parse_fragment
from .mathml import mathml_to_latex
from .tex_plausibility import TEX_SIGN, is_short_expression

RENDERED_CLASSES = frozenset(
    """
    MathJax MathJax_Display MathJax_CHTML MathJax_PHTML MathJax_SVG MathJax_SVG_Display MathJax_MathML mjx-chtml
    MathJax_FullWidth MJXc-display MJXp-math MJXp-display MJX_Assistive_MathML MathJax_Error MathJax_PlainSource
    """.split()  # noqa: SIM905 - one line a name would hide the list
)
PREVIEW_CLASSES = frozenset(("MathJax_Preview", "MathJax_Processing", "MathJax_Processed"))
MACHINERY_CLASSES = frozenset(
    "MathJax_Message MathJax_Hidden MathJax_SVG_Hidden MathJax_Font_Test MathJax_Hover_Frame MathJax_Zoom".split()  # noqa: SIM905
)
_MAX_SIBLINGS = 6
_MAX_SOURCE_DEPTH = 4


def script_formula(script: Element, attributes: dict[str, str], found: FoundFormulas) -> str:
    """The formula in a script of type `math/tex`, `math/mml` or `math/asciimath`; "" for other scripts."""
    kind = attributes.get("type", "").lower().replace(" ", "")
    if not kind.startswith("math/"):
        return ""
    source, is_display = script.text(), "mode=display" in kind
    if kind.startswith(("math/tex", "math/latex")):
        return found.add(source, is_display, "mathjax_script")
    if kind.startswith("math/mml"):
        math = find_math(parse_fragment(source))
        return add_math(math, found, "mathjax_mml_script", is_display) if math is not None else ""
    if kind.startswith("math/asciimath"):
        return found.add(asciimath_to_latex(source), is_display, "asciimath_script")
    return ""


def mathjax_3(container: Element, attributes: dict[str, str], found: FoundFormulas) -> str | None:
    """A `mjx-container` of MathJax 3 or 4: `data-latex`, else its MathML, else its output read back."""
    is_display = attributes.get("display") in ("true", "block")
    if source := _data_latex(container, attributes):
        return found.add(source, is_display, "mathjax3_data_latex")
    math = container.first("math")
    if math is not None:
        return add_math(math, found, "mathjax3", is_display)
    if _script_follows(container):
        return ""
    for child in container.children():
        if child.tag == "mjx-math":
            return found.add(mathml_to_latex(chtml_node(child)), is_display, "mathjax3_chtml")
        if child.tag == "svg":
            return found.add(mathml_to_latex(svg_node(child)), is_display, "mathjax3_svg")
    return None


def _data_latex(container: Element, attributes: dict[str, str]) -> str:
    """The source that MathJax 4 writes on the outermost element of its output."""
    level = [container]
    if source := attributes.get("data-latex", "").strip():
        return source
    for _ in range(_MAX_SOURCE_DEPTH):
        level = [
            child for element in level[:3] for child in element.children() if child.tag in ("mjx-math", "svg", "g")
        ]
        for element in level:
            if source := element.attributes.get("data-latex", "").strip():
                return source
        if level and level[0].tag == "mjx-math":
            break
    return ""


def mathjax_2(element: Element, name: str, attributes: dict[str, str], found: FoundFormulas) -> str | None:
    """Rendered MathJax 2: dropped when its script follows, else the MathML it carries.

    None where neither is there: its visible characters stay in the text, once.
    """
    if name in MACHINERY_CLASSES:
        return ""
    if name in PREVIEW_CLASSES:
        return _preview(element, found)
    if _script_follows(element):
        return ""
    is_display = "isplay" in name or "isplay" in attributes.get("class", "")
    script = element.first("script")
    if script is not None and script.attributes.get("type", "").startswith("math/"):
        return script_formula(script, script.attributes, found)
    holder = element if "data-mathml" in attributes else element.first(attribute="data-mathml")
    if holder is not None:
        formula = add_escaped_math(holder.attributes.get("data-mathml", ""), found, "mathjax2", is_display)
        if formula:
            return formula
    math = element.first("math")
    return add_math(math, found, "mathjax2", is_display) if math is not None else None


def _preview(preview: Element, found: FoundFormulas) -> str:
    """The preview: dropped, unless it is all that is left of a formula and shows its source."""
    for sibling in preview.following():
        if isinstance(sibling, str):
            if sibling.strip():
                break
        else:
            classes = sibling.classes
            if sibling.tag == "script" or not RENDERED_CLASSES.isdisjoint(classes):
                return ""
            if PREVIEW_CLASSES.isdisjoint(classes):
                break
    source = preview.text()
    is_tex = TEX_SIGN.search(source) is not None or (source[:1] != "[" and is_short_expression(source.strip()))
    return found.add(source, False, "mathjax_preview") if is_tex else ""


def _script_follows(element: Element) -> bool:
    """Does the script with the source follow? Preview, rendered form and script stand in a row."""
    for i, sibling in enumerate(element.following()):
        if i >= _MAX_SIBLINGS:
            return False
        if isinstance(sibling, str):
            if sibling.strip():
                return False
        elif sibling.tag == "script":
            return sibling.attributes.get("type", "").startswith("math/")
        elif "MathJax" not in sibling.attributes.get("class", ""):
            return False
    return False
