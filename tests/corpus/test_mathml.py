"""MathML to LaTeX: hand-written cases."""

import pytest
from selectolax.lexbor import LexborHTMLParser

from dsmath_pipeline.corpus.mathml import mathml_to_latex


def convert(inner: str) -> str:
    math = LexborHTMLParser(f"<math>{inner}</math>").css_first("math")
    assert math is not None
    return mathml_to_latex(math).replace(" ", "")


@pytest.mark.parametrize(
    ("mathml", "latex"),
    [
        ("<mi>x</mi><mo>+</mo><mn>1</mn>", "x+1"),
        ("<mfrac><mi>a</mi><mrow><mi>b</mi><mo>−</mo><mn>2</mn></mrow></mfrac>", r"\frac{a}{b-2}"),
        ("<msqrt><mi>x</mi><mo>+</mo><mi>y</mi></msqrt>", r"\sqrt{x+y}"),
        ("<mroot><mi>x</mi><mn>3</mn></mroot>", r"\sqrt[3]{x}"),
        ("<msubsup><mi>x</mi><mi>i</mi><mn>2</mn></msubsup>", "x_i^2"),
        ("<msup><mi>f</mi><mo>′</mo></msup>", "f'"),
        ("<msup><mrow><mo>(</mo><mi>a</mi><mo>)</mo></mrow><mn>10</mn></msup>", "{(a)}^{10}"),
        ("<munderover><mo>∑</mo><mrow><mi>i</mi><mo>=</mo><mn>1</mn></mrow><mi>n</mi></munderover>", r"\sum_{i=1}^n"),
        ("<munder><mi>lim</mi><mrow><mi>x</mi><mo>→</mo><mn>0</mn></mrow></munder>", r"\lim_{x\to0}"),
        ("<mover><mi>x</mi><mo>^</mo></mover>", r"\hat{x}"),
        ("<mi mathvariant='double-struck'>R</mi><mi>ℝ</mi><mi>𝒜</mi>", r"\mathbb{R}\mathbb{R}\mathcal{A}"),
        ("<mi>sin</mi><mi>α</mi>", r"\sin\alpha"),
        ("<mtext>if x</mtext>", r"\text{ifx}"),
        ("<mtable><mtr><mtd><mn>1</mn></mtd><mtd><mn>2</mn></mtd></mtr><mtr><mtd><mn>3</mn></mtd><mtd><mn>4</mn></mtd>"
         "</mtr></mtable>", r"\begin{matrix}1&2\\3&4\end{matrix}"),
        ("<mfenced open='[' close=')'><mi>a</mi><mi>b</mi></mfenced>", r"\left[a,b\right)"),
        ("<mmultiscripts><mi>C</mi><mi>k</mi><none></none><mprescripts></mprescripts><none></none><mi>n</mi></mmultiscripts>",
         "{}^nC_k"),
        ("<mfrac linethickness='0'><mi>n</mi><mi>k</mi></mfrac>", r"{n\atopk}"),
    ],
)  # fmt: skip
def test_presentation_elements_become_latex(mathml: str, latex: str) -> None:
    assert convert(mathml) == latex


def test_annotations_and_empty_elements_show_nothing() -> None:
    assert convert("<semantics><mi>x</mi><annotation>junk</annotation></semantics>") == "x"
    assert convert("") == ""


def test_missing_children_do_not_raise() -> None:
    for tag in (
        "mfrac",
        "msup",
        "msub",
        "msubsup",
        "munder",
        "mover",
        "munderover",
        "mroot",
        "mmultiscripts",
        "mtable",
    ):
        convert(f"<{tag}></{tag}>")
        convert(f"<{tag}><mi>x</mi></{tag}>")
