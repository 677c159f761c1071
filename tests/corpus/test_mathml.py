"""MathML to LaTeX: hand-written cases."""

import pytest

from dsmath_pipeline.corpus.html_tree import parse_fragment
from dsmath_pipeline.corpus.mathml import math_node, mathml_to_latex


def convert(inner: str) -> str:
    math = parse_fragment(f"<math>{inner}</math>").first("math")
    assert math is not None
    return mathml_to_latex(math_node(math)).replace(" ", "")


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
        ("<mfenced open='[' close=')'><mi>a</mi><mi>b</mi></mfenced>", "[a,b)"),
        ("<mfenced><mfrac><mi>a</mi><mi>b</mi></mfrac></mfenced>", r"\left(\frac{a}{b}\right)"),
        ("<mfenced open='{' close=''><mtable><mtr><mtd><mn>1</mn></mtd></mtr><mtr><mtd><mn>2</mn></mtd></mtr></mtable>"
         "</mfenced>", r"\begin{cases}1\\2\end{cases}"),
        ("<mmultiscripts><mi>C</mi><mi>k</mi><none></none><mprescripts></mprescripts><none></none><mi>n</mi></mmultiscripts>",
         "{}^nC_k"),
        ("<mrow><mo>(</mo><mfrac><mi>a</mi><mi>b</mi></mfrac><mo>)</mo></mrow>", r"\left(\frac{a}{b}\right)"),
        ("<mrow><mo>(</mo><mi>a</mi><mo>)</mo></mrow>", "(a)"),
        ("<mrow><mo stretchy='false'>(</mo><mfrac><mi>a</mi><mi>b</mi></mfrac><mo stretchy='false'>)</mo></mrow>",
         r"(\frac{a}{b})"),
        ("<mrow><mo>(</mo><mtable><mtr><mtd><mn>1</mn></mtd><mtd><mn>2</mn></mtd></mtr></mtable><mo>)</mo></mrow>",
         r"\begin{pmatrix}1&2\end{pmatrix}"),
        ("<mrow><mo>{</mo><mtable><mtr><mtd><mn>1</mn></mtd></mtr><mtr><mtd><mn>2</mn></mtd></mtr></mtable></mrow>",
         r"\begin{cases}1\\2\end{cases}"),
        ("<mtable columnalign='right left'><mtr><mtd><mi>a</mi></mtd><mtd><mo>=</mo><mi>b</mi></mtd></mtr></mtable>",
         r"\begin{aligned}a&=b\end{aligned}"),
        ("<mi>𝜙</mi><mi>𝜕</mi><mi>ℎ</mi>", r"\phi\partialh"),
        ("<mover><mo stretchy='true'>→</mo><mi>f</mi></mover>", r"\xrightarrow{f}"),
        ("<mi>a</mi><mo>mod</mo><mi>b</mi>", r"a\bmodb"),
        ("<msup><mn>10</mn><mn>3</mn></msup>", "10^3"),
        ("<menclose notation='box'><mi>x</mi></menclose>", r"\boxed{x}"),
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
