"""Write text with TeX between dollars as HTML, in the ways real pages mark formulas up.

`render(text, markup)` escapes the prose and turns every `$...$` and `$$...$$` into one of MARKUPS. The redundant
parts that real pages carry are there too: KaTeX's visible HTML beside its annotation, MathJax's preview and frame
beside its script, the wiki's fallback image beside its MathML. An extractor must keep one of them.

The MathML converter covers the TeX of this package's grammars, not TeX. Not in the paper: the demonstration's own data.
"""

import functools
import hashlib
import re
from html import escape, unescape
from urllib.parse import quote

MARKUPS = ("dollars", "brackets", "katex", "mathml", "bare_mathml", "mathjax_script", "image_alt")

_FORMULA = re.compile(r"\$\$(.+?)\$\$|\$(.+?)\$")
_TOKEN = re.compile(r"\\[A-Za-z]+|\\.|\d+|\S")
_TAG = re.compile(r"<[^>]+>")
_SYMBOLS = {
    "alpha": "α", "beta": "β", "gamma": "γ", "delta": "δ", "Delta": "Δ", "Gamma": "Γ", "lambda": "λ", "pi": "π",
    "mu": "μ", "sigma": "σ", "varphi": "φ", "varepsilon": "ε", "eta": "η", "theta": "θ", "xi": "ξ", "ell": "ℓ",
    "infty": "∞", "dots": "…", "cdots": "⋯",
}  # fmt: skip
_OPERATORS = {
    "cdot": "⋅", "times": "×", "pm": "±", "le": "≤", "ge": "≥", "ne": "≠", "to": "→", "in": "∈", "cap": "∩",
    "cup": "∪", "circ": "∘", "mid": "∣", "nmid": "∤", "equiv": "≡", "angle": "∠", "langle": "⟨", "rangle": "⟩",
    "sum": "∑", "prod": "∏", "int": "∫", "implies": "⟹", "{": "{", "}": "}",
}  # fmt: skip
_LETTERS = {"Z": "ℤ", "R": "ℝ", "Q": "ℚ", "N": "ℕ", "C": "ℂ"}


def render(text: str, markup: str) -> str:
    """HTML of `text`. `markup` is one of MARKUPS."""
    write = _WRITERS[markup]
    html, end = [], 0
    for match in _FORMULA.finditer(text):
        html.append(escape(text[end : match.start()], quote=False))
        display = match.group(1) is not None
        html.append(write(match.group(1) or match.group(2), display))
        end = match.end()
    html.append(escape(text[end:], quote=False))
    return "".join(html)


def has_formula(text: str) -> bool:
    """Is there TeX between dollars?"""
    return _FORMULA.search(text) is not None


def _dollars(tex: str, display: bool) -> str:
    return f"$${escape(tex)}$$" if display else f"${escape(tex)}$"


def _brackets(tex: str, display: bool) -> str:
    return f"\\[{escape(tex)}\\]" if display else f"\\({escape(tex)}\\)"


def _katex(tex: str, display: bool) -> str:
    visible = escape(_visible_text(tex))
    html = (
        f'<span class="katex"><span class="katex-mathml"><math xmlns="http://www.w3.org/1998/Math/MathML"><semantics>'
        f'<mrow>{mathml(tex)}</mrow><annotation encoding="application/x-tex">{escape(tex)}</annotation></semantics>'
        f'</math></span><span class="katex-html" aria-hidden="true"><span class="base"><span class="strut" '
        f'style="height:1em;"></span><span class="mord mathnormal">{visible}</span></span></span></span>'
    )
    return f'<span class="katex-display">{html}</span>' if display else html


def _wiki_mathml(tex: str, display: bool) -> str:
    kind = "display" if display else "inline"
    styled = escape(f"{{\\displaystyle {tex}}}")
    return (
        f'<span class="mwe-math-element"><span class="mwe-math-mathml-{kind} mwe-math-mathml-a11y" '
        f'style="display: none;"><math xmlns="http://www.w3.org/1998/Math/MathML" alttext="{styled}"><semantics>'
        f'<mrow><mstyle displaystyle="true">{mathml(tex)}</mstyle></mrow>'
        f'<annotation encoding="application/x-tex">{styled}</annotation></semantics></math></span>'
        f'<img src="/media/math/render/svg/{_digest(tex)}" class="mwe-math-fallback-image-{kind}" aria-hidden="true" '
        f'alt="{styled}"></span>'
    )


def _bare_mathml(tex: str, display: bool) -> str:
    mode = "block" if display else "inline"
    return f'<math xmlns="http://www.w3.org/1998/Math/MathML" display="{mode}"><mrow>{mathml(tex)}</mrow></math>'


def _mathjax_script(tex: str, display: bool) -> str:
    visible, number = escape(_visible_text(tex)), int(_digest(tex)[:4], 16)
    frame = (
        f'<span class="MathJax_Preview"></span><span class="MathJax" id="MathJax-Element-{number}-Frame" tabindex="0">'
        f'<nobr><span class="math">{visible}</span></nobr></span>'
    )
    mode = "; mode=display" if display else ""
    script = f'<script type="math/tex{mode}" id="MathJax-Element-{number}">{tex}</script>'
    return f'<div class="MathJax_Display">{frame}</div>{script}' if display else frame + script


def _image_alt(tex: str, display: bool) -> str:
    source = f"https://s0.wp.com/latex.php?latex={quote(tex)}&amp;bg=ffffff&amp;fg=333333&amp;s=0"
    image = f'<img src="{source}" alt="{escape(tex)}" title="{escape(tex)}" class="latex" />'
    return f'<span style="display:block;text-align:center">{image}</span>' if display else image


_WRITERS = {
    "dollars": _dollars, "brackets": _brackets, "katex": _katex, "mathml": _wiki_mathml, "bare_mathml": _bare_mathml,
    "mathjax_script": _mathjax_script, "image_alt": _image_alt,
}  # fmt: skip


def _digest(tex: str) -> str:
    return hashlib.blake2b(tex.encode(), digest_size=20).hexdigest()


def _visible_text(tex: str) -> str:
    return unescape(_TAG.sub("", mathml(tex)))


@functools.lru_cache(maxsize=20_000)
def mathml(tex: str) -> str:
    """Presentation MathML of a formula, without the outer <math>.

    >>> mathml("x^2")
    '<msup><mi>x</mi><mn>2</mn></msup>'
    """
    return "".join(_row(_TOKEN.findall(tex)[::-1]))


def _row(tokens: list[str]) -> list[str]:
    """Consumes the reversed `tokens` up to a closing brace or the end."""
    row: list[str] = []
    while tokens and tokens[-1] != "}":
        if tokens[-1] in "^_":
            row.append(_scripted(row.pop() if row else "<mrow></mrow>", tokens))
        else:
            row.append(_atom(tokens))
    return row


def _scripted(base: str, tokens: list[str]) -> str:
    scripts: dict[str, str] = {}
    while tokens and tokens[-1] in "^_":
        mark = tokens.pop()
        scripts[mark] = _atom(tokens)
    if len(scripts) == 2:
        return f"<msubsup>{base}{scripts['_']}{scripts['^']}</msubsup>"
    [(mark, script)] = scripts.items()
    tag = "msup" if mark == "^" else "msub"
    return f"<{tag}>{base}{script}</{tag}>"


def _atom(tokens: list[str]) -> str:
    token = tokens.pop()
    if token == "{":
        inner = "".join(_row(tokens))
        if tokens:
            tokens.pop()
        return f"<mrow>{inner}</mrow>"
    if token[0] == "\\":
        return _command(token[1:], tokens)
    if token.isdigit():
        return f"<mn>{token}</mn>"
    return f"<mi>{token}</mi>" if token.isalpha() else f"<mo>{escape(token)}</mo>"


def _command(name: str, tokens: list[str]) -> str:
    if name == "frac":
        return f"<mfrac>{_atom(tokens)}{_atom(tokens)}</mfrac>"
    if name == "binom":
        return f'<mrow><mo>(</mo><mfrac linethickness="0">{_atom(tokens)}{_atom(tokens)}</mfrac><mo>)</mo></mrow>'
    if name == "sqrt":
        return f"<msqrt>{_atom(tokens)}</msqrt>"
    if name == "vec":
        return f"<mover>{_atom(tokens)}<mo>→</mo></mover>"
    if name == "pmod":
        return f"<mrow><mo>(</mo><mi>mod</mi>{_atom(tokens)}<mo>)</mo></mrow>"
    if name in ("mathbb", "operatorname"):
        letters = _TAG.sub("", _atom(tokens))
        return f"<mi>{_LETTERS.get(letters, letters)}</mi>"
    if name in ("left", "right", ",", "displaystyle"):
        return ""
    if name in _OPERATORS:
        return f"<mo>{_OPERATORS[name]}</mo>"
    return f"<mi>{_SYMBOLS.get(name, name)}</mi>"
