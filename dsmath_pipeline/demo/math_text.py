"""Mathematical prose with TeX between dollars: definitions, theorems, proofs, and exercises with computed answers.

`theory` draws from the grammars math_en and math_zh; `exercise` computes its answer, so what a page says is true.
Worked word problems come from `word_problems`. Not in the paper: the demonstration's own data.
"""

import math
import random

from .grammar import draw, load_grammar, paragraphs
from .word_problems import worked_example

TOPICS = ("algebra", "number", "geometry", "calculus", "probability")


def title(rng: random.Random, language: str, topic: str) -> str:
    """Title of a page on a topic (Chinese pages: any school topic)."""
    if language == "zh":
        return draw(rng, load_grammar("math_zh"), "titles")
    return draw(rng, load_grammar("math_en"), f"{topic}_titles")


def theory(rng: random.Random, language: str, topic: str, num_chars: int) -> list[str]:
    """Paragraphs of definitions, theorems and proof steps of about `num_chars` characters in all."""
    if language == "zh":
        return _mix(rng, "math_zh", ("theory", "proof", "plain"), num_chars, "")
    return _mix(rng, "math_en", (topic, f"{topic}_proof", "remark"), num_chars, " ")


def _mix(rng: random.Random, grammar_name: str, lists: tuple[str, str, str], num_chars: int, glue: str) -> list[str]:
    """Statements, each followed by proof steps or a remark; half of the steps is an exercise with its answer."""
    grammar = load_grammar(grammar_name)
    language = "zh" if glue == "" else "en"
    result: list[str] = []
    statements: list[str] = []
    while num_chars > 0:
        if not statements:
            statements = paragraphs(rng, grammar, lists[0], 2500, glue)
        result.append(statements.pop())
        if rng.random() < 0.6:
            result.append(draw(rng, grammar, lists[1]) + glue + draw(rng, grammar, rng.choice(lists[1:])))
        if rng.random() < 0.6:
            result.append(exercise(rng, language))
        num_chars = num_chars - sum(map(len, result[-3:]))
    return result


def question(rng: random.Random, topic: str) -> list[str]:
    """The question of a question-and-answer page: a statement, what is unclear, an attempt."""
    grammar = load_grammar("math_en")
    return [draw(rng, grammar, topic), draw(rng, grammar, "question"), draw(rng, grammar, f"{topic}_proof")]


def answer_opening(rng: random.Random) -> str:
    return draw(rng, load_grammar("math_en"), "answer_open")


def comment(rng: random.Random) -> str:
    return draw(rng, load_grammar("math_en"), "comment")


def plain_lesson(rng: random.Random, language: str) -> str:
    """A sentence or two of a lesson without a formula."""
    grammar = load_grammar("math_zh" if language == "zh" else "math_en")
    name, glue = ("plain", "") if language == "zh" else ("remark", " ")
    return glue.join(draw(rng, grammar, name) for _ in range(rng.randint(1, 3)))


def worked_problems(rng: random.Random, language: str, num_chars: int) -> list[str]:
    """Worked word problems, one a paragraph, of about `num_chars` characters in all."""
    result = []
    while num_chars > 0:
        result.append(worked_example(rng, language))
        num_chars -= len(result[-1])
    return result


def exercise(rng: random.Random, language: str) -> str:
    """An exercise with its computed answer."""
    return rng.choice(_EXERCISES)(rng, language == "zh")


def _quadratic(rng: random.Random, chinese: bool) -> str:
    p, q = rng.randint(1, 12), rng.randint(1, 12)
    equation = f"$x^2 - {p + q} x + {p * q} = 0$"
    if chinese:
        return f"例：解方程 {equation}。解：因式分解得 $(x - {p})(x - {q}) = 0$，所以 $x_1 = {p}$，$x_2 = {q}$。"
    return f"Exercise. Solve {equation}. Solution. Factor: $(x - {p})(x - {q}) = 0$, so $x = {p}$ or $x = {q}$."


def _linear(rng: random.Random, chinese: bool) -> str:
    a, x, b = rng.randint(2, 12), rng.randint(1, 30), rng.randint(1, 40)
    equation, middle = f"${a} x + {b} = {a * x + b}$", f"${a} x = {a * x}$"
    if chinese:
        return f"例：解方程 {equation}。解：移项得 {middle}，所以 $x = {x}$。"
    return f"Example. Solve {equation}. Subtract to get {middle}, hence $x = {x}$."


def _derivative(rng: random.Random, chinese: bool) -> str:
    a, n, b = rng.randint(2, 12), rng.randint(2, 9), rng.randint(2, 20)
    function, derivative = f"$f(x) = {a} x^{n} - {b} x$", f"$f'(x) = {a * n} x^{{{n - 1}}} - {b}$"
    if chinese:
        return f"例：求函数 {function} 的导数。解：{derivative}。"
    return f"Exercise. Differentiate {function}. Solution. By the power rule {derivative}."


def _integral(rng: random.Random, chinese: bool) -> str:
    n, k = rng.randint(1, 6), rng.randint(1, 9)
    value = f"$$\\int_0^{{{k}}} {n + 1} x^{n} \\, dx = {k}^{{{n + 1}}} = {k ** (n + 1)}$$"
    return f"例：计算定积分。解：{value}" if chinese else f"Exercise. Compute the integral. {value}"


def _gcd(rng: random.Random, chinese: bool) -> str:
    a, b = rng.randint(20, 400), rng.randint(20, 400)
    lcm = f"$\\operatorname{{lcm}}({a}, {b}) = {math.lcm(a, b)}$"
    if chinese:
        return f"例：求 ${a}$ 和 ${b}$ 的最大公因数。解：$\\gcd({a}, {b}) = {math.gcd(a, b)}$，最小公倍数 {lcm}。"
    return f"Example. The Euclidean algorithm gives $\\gcd({a}, {b}) = {math.gcd(a, b)}$ and therefore {lcm}."


def _modular_power(rng: random.Random, chinese: bool) -> str:
    base, exponent, modulus = rng.randint(2, 12), rng.randint(5, 60), rng.randint(5, 40)
    result = f"${base}^{{{exponent}}} \\equiv {pow(base, exponent, modulus)} \\pmod{{{modulus}}}$"
    if chinese:
        return f"例：求 ${base}^{{{exponent}}}$ 除以 ${modulus}$ 的余数。解：{result}。"
    return f"Exercise. Find the remainder of ${base}^{{{exponent}}}$ modulo ${modulus}$. By repeated squaring {result}."


def _arithmetic_sum(rng: random.Random, chinese: bool) -> str:
    first, step, count = rng.randint(1, 20), rng.randint(2, 9), rng.randint(5, 40)
    total = count * first + step * count * (count - 1) // 2
    formula = f"$S_{{{count}}} = \\frac{{{count}({first} + {first + step * (count - 1)})}}{{2}} = {total}$"
    if chinese:
        return f"例：等差数列首项 $a_1 = {first}$，公差 $d = {step}$，求前 ${count}$ 项和。解：{formula}。"
    return f"Example. For the arithmetic progression with $a_1 = {first}$ and $d = {step}$ we get {formula}."


def _selections(rng: random.Random, chinese: bool) -> str:
    n = rng.randint(5, 16)
    k = rng.randint(2, n - 2)
    formula = f"$\\binom{{{n}}}{{{k}}} = \\frac{{{n}!}}{{{k}! \\cdot {n - k}!}} = {math.comb(n, k)}$"
    if chinese:
        return f"例：从 ${n}$ 人中选出 ${k}$ 人，共有多少种选法？解：{formula}。"
    return f"Exercise. In how many ways can a committee of ${k}$ be chosen from ${n}$ people? Solution. {formula}."


def _pythagoras(rng: random.Random, chinese: bool) -> str:
    m, n, k = rng.randint(3, 9), rng.randint(1, 2), rng.randint(1, 6)
    a, b, c = k * (m * m - n * n), 2 * k * m * n, k * (m * m + n * n)
    formula = f"$c = \\sqrt{{{a}^2 + {b}^2}} = {c}$"
    if chinese:
        return f"例：直角三角形的两直角边为 ${a}$ 和 ${b}$，求斜边。解：{formula}。"
    return f"Example. A right triangle has legs ${a}$ and ${b}$; its hypotenuse is {formula}."


_EXERCISES = (
    _quadratic, _linear, _derivative, _integral, _gcd, _modular_power, _arithmetic_sum, _selections, _pythagoras,
)  # fmt: skip
