"""LaTeX names of mathematical characters, and the tables that MathML, KaTeX and MathJax output are read with."""

import functools
import re
import unicodedata

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
    "\u2062": "", "\u2063": "", "\u2064": "", "\u200b": "", "\u200a": "", "\u2009": r"\,", "\u2003": r"\quad ",
    "\xa0": " ", "ﬁ": "fi", "ℎ": "h", "ℯ": "e", "²": "^2", "³": "^3", "½": r"\frac{1}{2}", "¬": r"\neg ",
    "\uf8e7": "", "↵": "",
}  # fmt: skip
FUNCTIONS = set(
    """
    sin cos tan cot sec csc arcsin arccos arctan sinh cosh tanh coth log ln lg exp max min sup inf lim limsup
    liminf gcd det dim ker deg arg hom Pr injlim projlim
    """.split()  # noqa: SIM905 - one line a name would hide the list
)
OVER = {
    "^": "hat", "ˆ": "hat", "~": "tilde", "˜": "tilde", "¯": "bar", "ˉ": "bar", "‾": "overline", "―": "overline",
    "–": "overline",
    "_": "overline", "→": "vec", "⃗": "vec", "⟶": "overrightarrow", "˙": "dot", ".": "dot", "¨": "ddot", "ˇ": "check",
    "˘": "breve", "´": "acute", "`": "grave", "⏞": "overbrace", "︷": "overbrace",
}  # fmt: skip
UNDER = {"⏟": "underbrace", "︸": "underbrace", "_": "underline", "‾": "underline", "–": "underline", "̲": "underline"}
WIDE = {"hat": "widehat", "tilde": "widetilde", "bar": "overline", "vec": "overrightarrow"}
VARIANTS = {
    "normal": "mathrm", "bold": "mathbf", "bold-italic": "boldsymbol", "double-struck": "mathbb", "script": "mathcal",
    "bold-script": "mathcal", "fraktur": "mathfrak", "sans-serif": "mathsf", "monospace": "mathtt",
}  # fmt: skip
TEXT_VARIANTS = {"bold": "textbf", "italic": "textit", "monospace": "texttt", "sans-serif": "textsf"}
FENCES = {
    "(": "(", ")": ")", "[": "[", "]": "]", "{": r"\{", "}": r"\}", "|": "|", "∣": "|", "‖": r"\|", "∥": r"\|",
    "⟨": r"\langle", "⟩": r"\rangle", "〈": r"\langle", "〉": r"\rangle", "⌊": r"\lfloor", "⌋": r"\rfloor",
    "⌈": r"\lceil", "⌉": r"\rceil", "": ".",
}  # fmt: skip
SPACE_WIDTHS = {
    "0.1667em": r"\,", "0.167em": r"\,", "0.2222em": r"\:", "0.222em": r"\:", "0.2778em": r"\;", "0.278em": r"\;",
    "-0.1667em": r"\!", "-0.167em": r"\!", "1em": r"\quad ", "2em": r"\qquad ",
}  # fmt: skip
# MATHEMATICAL ... CAPITAL/SMALL letters: the style words of their Unicode names, longest first.
_STYLED = re.compile(
    r"^(?:MATHEMATICAL )?(SANS-SERIF|DOUBLE-STRUCK|BOLD ITALIC|BOLD SCRIPT|BOLD FRAKTUR|BOLD|ITALIC|SCRIPT|"
    r"FRAKTUR|BLACK-LETTER|MONOSPACE)(?: BOLD)?(?: ITALIC)? (?:CAPITAL|SMALL|DIGIT|"
    r"EPSILON|THETA|KAPPA|PHI|RHO|PI|PARTIAL|NABLA)"
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
XARROWS = {
    "→": "xrightarrow", "←": "xleftarrow", "⇒": "xRightarrow", "⇐": "xLeftarrow", "↔": "xleftrightarrow",
    "↦": "xmapsto", "⟶": "xrightarrow", "⟵": "xleftarrow", "⇌": "xrightleftharpoons", "↪": "xhookrightarrow",
}  # fmt: skip
MATRICES = {("(", ")"): "pmatrix", ("[", "]"): "bmatrix", ("|", "|"): "vmatrix", ("‖", "‖"): "Vmatrix",
            ("{", "}"): "Bmatrix", ("∣", "∣"): "vmatrix", ("∥", "∥"): "Vmatrix"}  # fmt: skip


@functools.lru_cache(maxsize=8192)
def latex_symbols(text: str) -> str:
    """LaTeX of a run of characters: commands for symbols, style commands for mathematical alphabets."""
    if len(text) == 2 and text[1] == "\u0338":
        composed = unicodedata.normalize("NFC", text)
        return latex_symbols(composed) if len(composed) == 1 else "\\not" + latex_symbols(text[0])
    return "".join(map(_symbol, text))


def _symbol(character: str) -> str:
    known = _SYMBOLS.get(character)
    if known is not None:
        return known
    if character.isascii():
        return character
    match = _STYLED.match(unicodedata.name(character, ""))
    kind, _, base = unicodedata.decomposition(character).partition(" ")
    if match and kind == "<font>":
        return styled(_STYLES[match[1]], latex_symbols(chr(int(base, 16))))
    return character


def styled(style: str, latex: str) -> str:
    """`\\style{latex}`; the LaTeX alone where the style is "" or there is nothing to style."""
    return f"\\{style}{{{latex.strip()}}}" if style and latex.strip() else latex


def escaped_text(text: str) -> str:
    """Plain text as it must stand inside `\\text{}`."""
    return _TEXT_SPECIAL.sub(r"\\\1", text.replace("\\", r"\textbackslash "))


_TEXT_SPECIAL = re.compile(r"([{}%#&$_])")
