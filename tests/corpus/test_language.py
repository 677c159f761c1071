"""Language identification on short, mathematical and mixed texts."""

import pytest

from dsmath_pipeline.corpus.language import detect_language


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("The derivative of a function at a point is the slope of its tangent line there.", "en"),
        ("Die Ableitung einer Funktion in einem Punkt ist die Steigung der Tangente in diesem Punkt.", "de"),
        (
            "Soit f une fonction continue sur un intervalle fermé. Alors elle est bornée et elle atteint ses bornes.",
            "fr",
        ),
        ("设函数在区间上连续，则存在一点使得导数为零。", "zh"),
        ("関数のある点における微分係数は、その点での接線の傾きである。", "ja"),
        ("함수의 한 점에서의 미분계수는 그 점에서의 접선의 기울기이다.", "ko"),
        ("", "und"),
        ("$x^2$ 1 2 3", "und"),
    ],
)
def test_the_main_language_is_found(text: str, language: str) -> None:
    assert detect_language(text) == language


def test_formulas_do_not_hide_chinese() -> None:
    # 9 Han characters among more than 60 Latin letters of TeX.
    assert (
        detect_language(
            r"若 $\operatorname{lim}_{n\to\infty} a_n = \alpha$ 则称数列收敛 \[\sum_{k=1}^{\infty} \frac{1}{k^2}\]"
        )
        == "zh"
    )


def test_a_chinese_name_does_not_make_an_english_text_chinese() -> None:
    text = (
        "The theorem of Hua (华罗庚) bounds exponential sums over prime numbers and is used in additive number theory."
    )
    assert detect_language(text) == "en"
