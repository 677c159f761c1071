"""Find the formulas of a page: exactly one LaTeX source for each, siblings removed, inline and display told apart.

Two places hold formulas. *Elements*: MathJax scripts, rendered MathJax 2, 3 and 4, KaTeX, MathML, Wikipedia, images
that show LaTeX, elements marked as TeX. `element_formula` is asked, in document order, at every element that could be
one. *Text*: TeX between delimiters or in environments; `text_formulas` (tex_in_text.py) scans the text of a block.
`FoundFormulas` and `render` (formula_list.py) keep what was found and write it into the text.

This file is the door: the page walker needs nothing of the other files. Which elements could be a formula: their tag
is in FORMULA_TAGS (`script` only with a type that begins with "math/"), or their class holds one of
FORMULA_CLASS_PARTS in any case, or they have one of TEX_ATTRIBUTES.

Not in the paper: section 2.1 builds on OpenWebMath and does not describe the extractor.
"""

from .formula_images import image_formula
from .formula_katex import KATEX_CLASSES, katex_formula
from .formula_list import BACKSLASH, DOLLAR, PLACEHOLDER, FoundFormulas, render
from .formula_marked import SOURCE_TAGS, TEX_ATTRIBUTES, marked_formula, wikipedia_formula
from .formula_mathjax import (
    MACHINERY_CLASSES,
    PREVIEW_CLASSES,
    RENDERED_CLASSES,
    mathjax_2,
    mathjax_3,
    script_formula,
)
from .formula_mathml import MATH_TAGS, add_math
from .html_tree import Element
from .tex_delimiters import has_tex_renderer, page_delimiters
from .tex_in_text import TEX_SIGNS, has_custom_signs, text_formulas
from .tex_plausibility import has_latex_evidence

__all__ = [
    "BACKSLASH",
    "DOLLAR",
    "FORMULA_CLASS_PARTS",
    "FORMULA_TAGS",
    "PLACEHOLDER",
    "TEX_ATTRIBUTES",
    "TEX_SIGNS",
    "FoundFormulas",
    "element_formula",
    "has_custom_signs",
    "has_latex_evidence",
    "has_tex_renderer",
    "page_delimiters",
    "render",
    "text_formulas",
]

FORMULA_TAGS = MATH_TAGS | SOURCE_TAGS | {"script", "img", "mjx-container", "mjx-assistive-mml"}
FORMULA_CLASS_PARTS = ("katex", "math", "mjx", "latex", "formula", "equation")
"""Lower-case parts of class names; in general pages they are rare ("math" covers MathJax and mwe-math)."""
_MATHJAX_2_CLASSES = RENDERED_CLASSES | PREVIEW_CLASSES | MACHINERY_CLASSES


def element_formula(element: Element, found: FoundFormulas) -> str | None:
    """What stands in the text for this element: a placeholder, "" to drop it, None when it is no formula.

    The caller does not look into the element unless the answer is None.
    """
    tag, attributes = element.tag, element.attributes
    if tag == "script":
        formula = script_formula(element, attributes, found)
        found.has_marks = found.has_marks or formula != ""
        return formula
    if tag == "img":
        return image_formula(element, attributes, found)
    if tag in MATH_TAGS:
        return add_math(element, found, "mathml")
    if tag == "mjx-container":
        return mathjax_3(element, attributes, found)
    if tag == "mjx-assistive-mml":
        math = element.first("math")
        return add_math(math, found, "mathjax3") if math is not None else ""
    classes = attributes.get("class", "").split()
    for name in classes:
        if name in KATEX_CLASSES or name.startswith("katex--"):
            formula = katex_formula(element, name, found)
            if formula is not None:
                return formula
        elif name in _MATHJAX_2_CLASSES:
            return mathjax_2(element, name, attributes, found)
        elif name == "mwe-math-element":
            return wikipedia_formula(element, found)
    return marked_formula(element, attributes, classes, found)
