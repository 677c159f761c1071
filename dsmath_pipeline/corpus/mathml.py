"""Presentation MathML to LaTeX: one recursive pass over a parsed tree.

Used only where a formula carries no LaTeX source (no TeX annotation, no alttext). Covers presentation MathML Core as
MathJax, KaTeX, Pandoc, Word converters and MathType write it; content MathML is not covered (its elements are walked
through). The result aims at the same symbols and structure, not at the author's spelling: `\\bmod` may come back as
`\\operatorname{mod}`.

Paper: not stated; section 2.1 only says that the text comes from Common Crawl HTML.
"""

import re
import unicodedata
from collections.abc import Callable

from selectolax.lexbor import LexborNode

_SYMBOL_NAMES = """
− - ∗ * ⋅ cdot · cdot × times ÷ div ± pm ∓ mp ∕ / ≤ le ≥ ge ≠ ne ≈ approx ≡ equiv ∼ sim ≃ simeq ≅ cong ∝ propto ≪ ll
≫ gg ≺ prec ≻ succ ⪯ preceq ⪰ succeq ≼ preccurlyeq ≽ succcurlyeq ⩽ leqslant ⩾ geqslant ≲ lesssim ≳ gtrsim ≮ nless ≯ ngtr
≰ nleq ≱ ngeq ≢ not\\equiv ≜ triangleq ≔ := ≐ doteq ∈ in ∉ notin ∋ ni ⊂ subset ⊃ supset ⊆ subseteq ⊇ supseteq
⊊ subsetneq ⊋ supsetneq ⊄ not\\subset ⊈ nsubseteq ∪ cup ∩ cap ⊎ uplus ⊔ sqcup ⊓ sqcap ∖ setminus ∅ emptyset
∀ forall ∃ exists ∄ nexists ¬ neg ∧ wedge ∨ vee ⊕ oplus ⊖ ominus ⊗ otimes ⊙ odot ⊢ vdash ⊣ dashv ⊨ models ⊤ top ⊥ bot
→ to ← leftarrow ↔ leftrightarrow ⇒ Rightarrow ⇐ Leftarrow ⇔ Leftrightarrow ⟶ longrightarrow ⟵ longleftarrow
⟷ longleftrightarrow ⟹ Longrightarrow ⟸ Longleftarrow ⟺ iff ↦ mapsto ⟼ longmapsto ↑ uparrow ↓ downarrow ↪ hookrightarrow
↠ twoheadrightarrow ⇌ rightleftharpoons ⇝ rightsquigarrow ↗ nearrow ↘ searrow ⇀ rightharpoonup ∞ infty ∂ partial ∇ nabla
∑ sum ∏ prod ∐ coprod ∫ int ∬ iint ∭ iiint
∮ oint ⋃ bigcup ⋂ bigcap ⨁ bigoplus ⨂ bigotimes ⋀ bigwedge ⋁ bigvee ⨆ bigsqcup
… ldots ⋯ cdots ⋮ vdots ⋱ ddots ⌊ lfloor ⌋ rfloor ⌈ lceil ⌉ rceil ⟨ langle ⟩ rangle 〈 langle 〉 rangle ∣ mid ∤ nmid
∥ parallel ∦ nparallel ‖ | ∠ angle ∡ measuredangle △ triangle ▵ triangle ▽ triangledown □ square ◻ square ■ blacksquare
◊ diamond ⋄ diamond ∘ circ ○ bigcirc • bullet ⋆ star ★ bigstar † dagger ‡ ddagger ∴ therefore ∵ because √ surd ℓ ell
ℏ hbar ℜ Re ℑ Im ℘ wp ℵ aleph ı imath ȷ jmath ♯ sharp ♭ flat ⌣ smile ⌢ frown ⋉ ltimes ⋊ rtimes ≀ wr ⊲ triangleleft
⊳ triangleright ⊴ trianglelefteq ⊵ trianglerighteq ⋈ bowtie ° circ § S ¶ P £ pounds
α alpha β beta γ gamma δ delta ϵ epsilon ε varepsilon ζ zeta η eta θ theta ϑ vartheta ι iota κ kappa ϰ varkappa
λ lambda μ mu µ mu ν nu ξ xi π pi ϖ varpi ρ rho ϱ varrho σ sigma ς varsigma τ tau υ upsilon ϕ phi φ varphi χ chi ψ psi
ω omega Γ Gamma Δ Delta Θ Theta Λ Lambda Ξ Xi Π Pi Σ Sigma Υ Upsilon Φ Phi Ψ Psi Ω Omega
"""
_PLAIN = frozenset("-*/:=")
_LITERAL = {
    "{": r"\{", "}": r"\}", "%": r"\%", "#": r"\#", "&": r"\&", "$": r"\$", "_": r"\_", "\\": r"\backslash ",
    "~": r"\sim ", "^": r"\hat{}", "‖": r"\|", "°": r"^{\circ}", "′": "'", "″": "''", "‴": "'''", "\u2061": "",
    "\u2062": "", "\u2063": ",", "\u2064": "", "\u200b": "", "\u200a": "", "\u2009": r"\,", "\u2003": r"\quad ",
    "\xa0": " ", "ﬁ": "fi",
}  # fmt: skip
_FUNCTIONS = set(
    """
    sin cos tan cot sec csc arcsin arccos arctan sinh cosh tanh coth log ln lg exp max min sup inf lim limsup
    liminf gcd det dim ker deg arg hom Pr
    """.split()  # noqa: SIM905 - one line a name would hide the list
)
_OVER = {
    "^": "hat", "ˆ": "hat", "~": "tilde", "˜": "tilde", "¯": "bar", "ˉ": "bar", "‾": "overline", "―": "overline",
    "_": "overline", "→": "vec", "⃗": "vec", "⟶": "overrightarrow", "˙": "dot", ".": "dot", "¨": "ddot", "ˇ": "check",
    "˘": "breve", "´": "acute", "`": "grave", "⏞": "overbrace", "︷": "overbrace",
}  # fmt: skip
_UNDER = {"⏟": "underbrace", "︸": "underbrace", "_": "underline", "‾": "underline", "̲": "underline"}
_WIDE = {"hat": "widehat", "tilde": "widetilde", "bar": "overline", "vec": "overrightarrow"}
_VARIANTS = {
    "normal": "mathrm", "bold": "mathbf", "bold-italic": "boldsymbol", "double-struck": "mathbb", "script": "mathcal",
    "bold-script": "mathcal", "fraktur": "mathfrak", "sans-serif": "mathsf", "monospace": "mathtt",
}  # fmt: skip
_TEXT_VARIANTS = {"bold": "textbf", "italic": "textit", "monospace": "texttt", "sans-serif": "textsf"}
_FENCES = {
    "(": "(", ")": ")", "[": "[", "]": "]", "{": r"\{", "}": r"\}", "|": "|", "∣": "|", "‖": r"\|", "∥": r"\|",
    "⟨": r"\langle", "⟩": r"\rangle", "〈": r"\langle", "〉": r"\rangle", "⌊": r"\lfloor", "⌋": r"\rfloor",
    "⌈": r"\lceil", "⌉": r"\rceil", "": ".",
}  # fmt: skip
_SPACES = re.compile(r"[ \t\r\n]+")
_SPACE_WIDTHS = {
    "0.1667em": r"\,", "0.167em": r"\,", "0.2222em": r"\:", "0.222em": r"\:", "0.2778em": r"\;", "0.278em": r"\;",
    "-0.1667em": r"\!", "-0.167em": r"\!", "1em": r"\quad ", "2em": r"\qquad ",
}  # fmt: skip
# MATHEMATICAL ... CAPITAL/SMALL letters: the style words of their Unicode names, longest first.
_STYLED = re.compile(
    r"^(?:MATHEMATICAL )?(SANS-SERIF|DOUBLE-STRUCK|BOLD ITALIC|BOLD SCRIPT|BOLD FRAKTUR|BOLD|ITALIC|SCRIPT|"
    r"FRAKTUR|BLACK-LETTER|MONOSPACE)(?: BOLD)?(?: ITALIC)? (?:CAPITAL|SMALL|DIGIT) "
)
_STYLES = {
    "SANS-SERIF": "mathsf", "DOUBLE-STRUCK": "mathbb", "BOLD ITALIC": "boldsymbol", "BOLD SCRIPT": "mathcal",
    "BOLD FRAKTUR": "mathfrak", "BOLD": "mathbf", "ITALIC": "", "SCRIPT": "mathcal", "FRAKTUR": "mathfrak",
    "BLACK-LETTER": "mathfrak", "MONOSPACE": "mathtt",
}  # fmt: skip


def _symbol_table() -> dict[str, str]:
    words = _SYMBOL_NAMES.split()
    table = {}
    for character, name in zip(words[::2], words[1::2], strict=True):
        table[character] = name if name[0] in _PLAIN else f"\\{name} "
    return table | _LITERAL


_SYMBOLS = _symbol_table()


def mathml_to_latex(math: LexborNode) -> str:
    """LaTeX of a `math` element, without delimiters; empty when the element shows nothing."""
    return _SPACES.sub(" ", _row(math)).strip()


def _convert(node: LexborNode) -> str:
    tag = (node.tag or "").rpartition(":")[2]
    handler = _HANDLERS.get(tag)
    return handler(node) if handler else _row(node)


def _children(node: LexborNode) -> list[LexborNode]:
    return list(node.iter())


def _row(node: LexborNode) -> str:
    children = _children(node)
    if not children and node.tag not in ("mrow", "mspace"):
        return _symbols(_text(node))
    return "".join(_fenced_row(children) or [_convert(child) for child in children])


def _fenced_row(children: list[LexborNode]) -> list[str] | None:
    """`\\left( ... \\right)` for a row whose first and last elements are stretchy fences."""
    if len(children) < 3 or children[0].tag != "mo" or children[-1].tag != "mo":
        return None
    first, last = children[0], children[-1]
    if first.attributes.get("fence") != "true" or last.attributes.get("fence") != "true":
        return None
    left, right = _FENCES.get(_text(first)), _FENCES.get(_text(last))
    if left is None or right is None:
        return None
    return [f"\\left{left} ", *(_convert(child) for child in children[1:-1]), f"\\right{right} "]


def _text(node: LexborNode) -> str:
    return _SPACES.sub(" ", node.text(deep=True) or "").strip()


def _symbols(text: str) -> str:
    return "".join(_symbol(character) for character in text)


def _symbol(character: str) -> str:
    known = _SYMBOLS.get(character)
    if known is not None:
        return known
    if character.isascii():
        return character
    match = _STYLED.match(unicodedata.name(character, ""))
    base = unicodedata.normalize("NFKD", character)
    if match and base != character:
        return _styled(_STYLES[match[1]], _symbols(base))
    return character


def _styled(style: str, latex: str) -> str:
    return f"\\{style}{{{latex.strip()}}}" if style and latex.strip() else latex


def _identifier(node: LexborNode) -> str:
    text = _text(node)
    variant = node.attributes.get("mathvariant") or ""
    if text in _FUNCTIONS:
        return f"\\{text} "
    if len(text) > 1 and text.isascii() and text.isalpha() and variant in ("", "normal"):
        return f"\\operatorname{{{text}}}"
    if variant == "normal" and not (len(text) == 1 and text.isascii() and text.isalpha()):
        return _symbols(text)
    return _styled(_VARIANTS.get(variant, ""), _symbols(text))


def _operator(node: LexborNode) -> str:
    text = _text(node)
    if len(text) > 1 and text.isascii() and text.isalpha():
        return f"\\{text} " if text in _FUNCTIONS else f"\\operatorname{{{text}}}"
    return _symbols(text)


def _number(node: LexborNode) -> str:
    variant = node.attributes.get("mathvariant") or "normal"
    latex = _symbols(_text(node))
    return latex if variant == "normal" else _styled(_VARIANTS.get(variant, ""), latex)


def _mtext(node: LexborNode) -> str:
    text = (node.text(deep=True) or "").replace("\xa0", " ").replace("\u200b", "")
    if not text.strip():
        return " " if text else ""
    if len(text.strip()) == 1 and not text.strip().isalnum():
        return _symbols(text.strip())
    escaped = re.sub(r"([{}%#&$_])", r"\\\1", text.replace("\\", r"\textbackslash "))
    return f"\\{_TEXT_VARIANTS.get(node.attributes.get('mathvariant') or '', 'text')}{{{escaped}}}"


def _argument(latex: str) -> str:
    """A script: braces unless it is a single character."""
    latex = latex.strip()
    return latex if len(latex) == 1 else f"{{{latex}}}"


def _base(latex: str) -> str:
    """What a script hangs on: braces unless it is one character or one command."""
    latex = latex.strip()
    return latex if len(latex) <= 1 or re.fullmatch(r"\\[A-Za-z]+(?:\{[^{}]*\})?", latex) else f"{{{latex}}}"


def _parts(node: LexborNode, count: int) -> list[str]:
    """LaTeX of the first `count` children; missing ones are empty."""
    latex = [_convert(child).strip() for child in _children(node)[:count]]
    return latex + [""] * (count - len(latex))


def _fraction(node: LexborNode) -> str:
    above, below = _parts(node, 2)
    if (node.attributes.get("linethickness") or "").startswith("0"):
        return f"{{{above} \\atop {below}}}"
    return f"\\frac{{{above}}}{{{below}}}"


def _root(node: LexborNode) -> str:
    radicand, index = _parts(node, 2)
    return f"\\sqrt[{index}]{{{radicand}}}"


def _sub(node: LexborNode) -> str:
    base, sub = _parts(node, 2)
    return f"{_base(base)}_{_argument(sub)}"


def _sup(node: LexborNode) -> str:
    base, sup = _parts(node, 2)
    return _base(base) + _superscript(sup)


def _superscript(latex: str) -> str:
    if latex and set(latex) == {"'"}:
        return latex
    return f"^{_argument(latex.removeprefix('^').strip('{}') if latex.startswith('^{') else latex)}"


def _subsup(node: LexborNode) -> str:
    base, sub, sup = _parts(node, 3)
    return f"{_base(base)}_{_argument(sub)}{_superscript(sup)}"


def _under(node: LexborNode) -> str:
    children = _children(node)
    base, below = _parts(node, 2)
    accent = _UNDER.get(_text(children[1])) if len(children) > 1 else None
    if accent:
        return f"\\{accent}{{{base}}}"
    if _takes_limits(children, base) or base.startswith("\\underbrace"):
        return f"{base}_{_argument(below)}"
    return f"\\underset{{{below}}}{{{base}}}"


def _over(node: LexborNode) -> str:
    children = _children(node)
    base, above = _parts(node, 2)
    accent = _OVER.get(_text(children[1])) if len(children) > 1 and children[1].tag == "mo" else None
    if accent:
        is_wide = children[1].attributes.get("stretchy") == "true" or len(_text(children[0])) > 1
        return f"\\{_WIDE.get(accent, accent) if is_wide else accent}{{{base}}}"
    if _takes_limits(children, base) or base.startswith("\\overbrace"):
        return f"{base}^{_argument(above)}"
    return f"\\overset{{{above}}}{{{base}}}"


def _under_over(node: LexborNode) -> str:
    base, below, above = _parts(node, 3)
    return f"{base}_{_argument(below)}^{_argument(above)}"


def _takes_limits(children: list[LexborNode], base: str) -> bool:
    return bool(children) and (
        base.lstrip("\\") in _FUNCTIONS
        or re.match(r"\\(?:big|sum|prod|coprod|int|oint|iint|lim|operatorname)", base) is not None
    )


def _multiscripts(node: LexborNode) -> str:
    children = _children(node)
    if not children:
        return ""
    before = after = ""
    is_before = False
    scripts = iter(children[1:])
    for sub in scripts:
        if sub.tag == "mprescripts":
            is_before = True
            continue
        sup = next(scripts, None)
        pair = "".join(
            mark + _argument(_convert(script))
            for mark, script in (("_", sub), ("^", sup))
            if script is not None and script.tag not in ("none", "mprescripts") and _convert(script).strip()
        )
        before, after = (before + pair, after) if is_before else (before, after + pair)
    return ("{}" + before if before else "") + _base(_convert(children[0])) + after


def _table(node: LexborNode) -> str:
    rows = []
    for row in _children(node):
        if row.tag in ("mtr", "mlabeledtr"):
            cells = _children(row)[1 if row.tag == "mlabeledtr" else 0 :]
            rows.append(" & ".join(_row(cell).strip() for cell in cells))
    return r"\begin{matrix} " + r" \\ ".join(rows) + r" \end{matrix} "


def _mfenced(node: LexborNode) -> str:
    opening = node.attributes.get("open")
    closing = node.attributes.get("close")
    opening, closing = "(" if opening is None else opening, ")" if closing is None else closing
    separators = node.attributes.get("separators")
    comma = "," if separators is None else separators.strip()[:1]
    inner = comma.join(_convert(child) for child in _children(node))
    return f"\\left{_FENCES.get(opening, opening)} {inner}\\right{_FENCES.get(closing, closing)} "


def _space(node: LexborNode) -> str:
    if node.attributes.get("linebreak") == "newline":
        return r"\\ "
    return _SPACE_WIDTHS.get(node.attributes.get("width") or "", " ")


def _semantics(node: LexborNode) -> str:
    children = _children(node)
    return _convert(children[0]) if children else ""


def _square_root(node: LexborNode) -> str:
    return f"\\sqrt{{{_row(node).strip()}}}"


def _nothing(node: LexborNode) -> str:
    return ""


_HANDLERS: dict[str, Callable[[LexborNode], str]] = {
    "mi": _identifier, "mo": _operator, "mn": _number, "ms": _mtext, "mtext": _mtext, "mfrac": _fraction,
    "msqrt": _square_root, "mroot": _root, "msub": _sub, "msup": _sup, "msubsup": _subsup, "munder": _under,
    "mover": _over, "munderover": _under_over, "mmultiscripts": _multiscripts, "mtable": _table,
    "mfenced": _mfenced, "mspace": _space, "semantics": _semantics, "annotation": _nothing,
    "annotation-xml": _nothing, "none": _nothing, "mprescripts": _nothing, "maligngroup": _nothing,
    "malignmark": _nothing, "mphantom": _nothing,
}  # fmt: skip
