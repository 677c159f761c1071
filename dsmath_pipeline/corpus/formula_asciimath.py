"""AsciiMath to LaTeX: the notation of `math/asciimath` scripts and of backticks where a page configures them.

Covers the notation of asciimath.org: symbols and Greek letters, functions, `^` and `_`, fractions by `/`, brackets
(invisible around an argument), roots, accents, fonts, text, and matrices. What it does not know it copies.

Not in the paper: section 2.1 does not name an extractor.
"""

import functools
import re

_NAMES = """
alpha beta gamma Gamma delta Delta epsilon varepsilon zeta eta theta Theta vartheta iota kappa lambda Lambda mu nu xi
Xi pi Pi rho sigma Sigma tau upsilon phi Phi varphi chi psi Psi omega Omega
sin cos tan sec csc cot arcsin arccos arctan sinh cosh tanh coth exp log ln det dim lim gcd min max inf sup ker deg
sum prod int oint cup cap wedge vee forall exists bot top vdash models partial nabla infty aleph angle therefore because
cdots vdots ddots ldots quad square diamond triangle cdot times div circ oplus otimes ast star setminus
subset supset subseteq supseteq in notin ni ne le ge leq geq lt gt prec succ equiv cong approx propto sim
uparrow downarrow rightarrow to leftarrow leftrightarrow Rightarrow Leftarrow Leftrightarrow mapsto hbar ell pm mp neg
lfloor rfloor lceil rceil langle rangle implies iff
"""
_SYMBOLS = {name: f"\\{name}" for name in _NAMES.split()} | {
    "**": r"\ast", "***": r"\star", "//": "/", "\\\\": r"\backslash", "xx": r"\times", "-:": r"\div", "o+": r"\oplus",
    "ox": r"\otimes", "o.": r"\odot", "^^": r"\wedge", "^^^": r"\bigwedge", "vv": r"\vee", "vvv": r"\bigvee",
    "nn": r"\cap", "nnn": r"\bigcap", "uu": r"\cup", "uuu": r"\bigcup", "!=": r"\ne", "<=": r"\le", ">=": r"\ge",
    "-<": r"\prec", ">-": r"\succ", "!in": r"\notin", "sub": r"\subset", "sup": r"\supset", "sube": r"\subseteq",
    "supe": r"\supseteq", "-=": r"\equiv", "~=": r"\cong", "~~": r"\approx", "~": r"\sim", "prop": r"\propto",
    "not": r"\neg", "=>": r"\Rightarrow", "<=>": r"\Leftrightarrow", "AA": r"\forall", "EE": r"\exists",
    "_|_": r"\bot", "TT": r"\top", "|--": r"\vdash", "|==": r"\models", "del": r"\partial", "grad": r"\nabla",
    "+-": r"\pm", "-+": r"\mp", "O/": r"\emptyset", "oo": r"\infty", "...": r"\ldots", ":.": r"\therefore",
    ":'": r"\because", "/_": r"\angle", "->": r"\to", "<-": r"\leftarrow", "|->": r"\mapsto", "rarr": r"\rightarrow",
    "rArr": r"\Rightarrow", "lArr": r"\Leftarrow", "hArr": r"\Leftrightarrow", "larr": r"\leftarrow", "@": r"\circ",
    "CC": r"\mathbb{C}", "NN": r"\mathbb{N}", "QQ": r"\mathbb{Q}", "RR": r"\mathbb{R}", "ZZ": r"\mathbb{Z}",
    "and": r"\text{ and }", "or": r"\text{ or }", "if": r"\text{if }", "lcm": r"\operatorname{lcm}",
    "mod": r"\bmod", "%": r"\%", "#": r"\#", "&": r"\&", "$": r"\$", "\\ ": r"\ ", "dx": "dx", "dy": "dy", "dz": "dz",
    "dt": "dt", "<<": r"\ll", ">>": r"\gg", "abs": r"\operatorname{abs}", "grad f": r"\nabla f",
    "infin": r"\infty", "emptyset": r"\emptyset", "qquad": r"\qquad", "frown": r"\frown",
}  # fmt: skip
_OPENING = {"(": "(", "[": "[", "{": r"\{", "(:": r"\langle ", "<<": r"\langle ", "{:": "."}
_CLOSING = {")": ")", "]": "]", "}": r"\}", ":)": r"\rangle ", ">>": r"\rangle ", ":}": "."}
_UNARY = {
    "sqrt": "sqrt", "hat": "hat", "bar": "overline", "vec": "vec", "dot": "dot", "ddot": "ddot", "tilde": "tilde",
    "ul": "underline", "underline": "underline", "overline": "overline", "ubrace": "underbrace", "obrace": "overbrace",
    "bb": "mathbf", "bbb": "mathbb", "cc": "mathcal", "tt": "mathtt", "fr": "mathfrak", "sf": "mathsf",
    "cancel": "cancel",
    "mathbf": "mathbf", "mathbb": "mathbb", "mathcal": "mathcal", "mathrm": "mathrm", "mathsf": "mathsf",
    "mathfrak": "mathfrak", "mathtt": "mathtt",
}  # fmt: skip
_FENCED = {
    "abs": ("|", "|"),
    "floor": (r"\lfloor ", r"\rfloor "),
    "ceil": (r"\lceil ", r"\rceil "),
    "norm": (r"\|", r"\|"),
}
_BINARY = {"frac": "frac", "root": "root", "stackrel": "stackrel", "overset": "overset", "underset": "underset"}
_MATRIX_ENDS = {("(", ")"): "pmatrix", ("[", "]"): "bmatrix", ("|", "|"): "vmatrix"}
_ENDS_IN_COMMAND = re.compile(r"\\[A-Za-z]+$")
_MAX_CHARS, _MAX_DEPTH = 3000, 60


@functools.lru_cache(maxsize=1)
def _tokens() -> re.Pattern[str]:
    names = {*_SYMBOLS, *_OPENING, *_CLOSING, *_UNARY, *_FENCED, *_BINARY}
    known = "|".join(re.escape(name) for name in sorted(names, key=lambda name: (-len(name), name)))
    return re.compile(
        rf'"(?P<quoted>[^"]*)"|(?:text|mbox)\s*\((?P<text>[^()]*)\)|(?P<number>\d+(?:\.\d+)?)|(?P<known>{known})|(?P<other>\S)'
    )


def asciimath_to_latex(source: str) -> str:
    """LaTeX of an AsciiMath formula. Never raises; text that is too long or too deeply nested is copied."""
    source = source.strip().strip("`").strip()
    if len(source) > _MAX_CHARS:
        return source
    items = [(match.lastgroup or "other", match[match.lastgroup or 0]) for match in _tokens().finditer(source)]
    parser = _Parser(items)
    try:
        return _joined(parser.expressions(()))
    except RecursionError:
        return source


def _joined(parts: list[str]) -> str:
    """LaTeX parts one after the other, a space only where a command would swallow the next letter."""
    out: list[str] = []
    for part in parts:
        if out and part[:1].isalpha() and _ENDS_IN_COMMAND.search(out[-1][-20:]):
            out.append(" ")
        out.append(part)
    return "".join(out).strip()


class _Parser:
    """Recursive descent over AsciiMath tokens: expression = part [/ part], part = simple [_ simple] [^ simple]."""

    def __init__(self, items: list[tuple[str, str]]) -> None:
        self.items = items
        self.at = 0
        self.depth = 0

    def peek(self) -> str:
        return self.items[self.at][1] if self.at < len(self.items) and self.items[self.at][0] != "quoted" else ""

    def expressions(self, ends: tuple[str, ...]) -> list[str]:
        parts: list[str] = []
        while self.at < len(self.items) and self.peek() not in ends:
            if self.peek() in _CLOSING and not ends:
                parts.append(_CLOSING[self.peek()].replace(".", ""))
                self.at += 1
                continue
            parts.append(self.fraction())
        return parts

    def fraction(self) -> str:
        above, bare = self.scripted()
        if self.peek() == "/" and self.at + 1 < len(self.items):
            self.at += 1
            _, below = self.scripted()
            return f"\\frac{{{bare}}}{{{below}}}"
        return above

    def scripted(self) -> tuple[str, str]:
        """LaTeX of a part, and the same without its outer brackets."""
        base, bare = self.simple()
        scripts = ""
        for mark in ("_", "^"):
            if self.peek() == mark and self.at + 1 < len(self.items):
                self.at += 1
                _, inside = self.simple()
                scripts += f"{mark}{{{inside}}}" if len(inside) != 1 else f"{mark}{inside}"
        return (base + scripts, base + scripts) if scripts else (base, bare)

    def simple(self) -> tuple[str, str]:
        if self.at >= len(self.items):
            return "", ""
        kind, token = self.items[self.at]
        self.at += 1
        if kind in ("quoted", "text"):
            text = f"\\text{{{token}}}"
            return text, text
        self.depth += 1
        if self.depth > _MAX_DEPTH:
            raise RecursionError
        latex = self.bracketed(token) if token in _OPENING and token != "<<" else self.command(token)
        self.depth -= 1
        return latex

    def command(self, token: str) -> tuple[str, str]:
        if token in _UNARY:
            latex = f"\\{_UNARY[token]}{{{self.simple()[1]}}}"
        elif token in _FENCED and self.peek() in _OPENING:
            left, right = _FENCED[token]
            latex = f"\\left{left}{self.simple()[1]}\\right{right}"
        elif token in _BINARY:
            first, second = self.simple()[1], self.simple()[1]
            latex = f"\\sqrt[{first}]{{{second}}}" if token == "root" else f"\\{_BINARY[token]}{{{first}}}{{{second}}}"
        elif token == "|":
            return self.bars()
        else:
            latex = _SYMBOLS.get(token, token)
        return latex, latex

    def bars(self) -> tuple[str, str]:
        """`|x|` where a second bar follows; a bar alone stays."""
        rest = [token for _, token in self.items[self.at : self.at + 200]]
        if "|" not in rest:
            return "|", "|"
        inside = _joined(self.expressions(("|", *_CLOSING)))
        if self.peek() != "|":
            return f"|{inside}", f"|{inside}"
        self.at += 1
        return f"\\left|{inside}\\right|", f"\\left|{inside}\\right|"

    def bracketed(self, opening: str) -> tuple[str, str]:
        start = self.at
        matrix = self.matrix(opening)
        if matrix is not None:
            return matrix, matrix
        self.at = start
        inside = _joined(self.expressions(tuple(_CLOSING)))
        closing = self.peek()
        left, right = _OPENING[opening], _CLOSING.get(closing, "")
        self.at += closing in _CLOSING
        if opening == "{:" or closing == ":}":
            return f"\\left{left}{inside}\\right{right or '.'}" if (left, right) != (".", ".") else inside, inside
        is_tall = "\\frac" in inside or "\\sum" in inside or "\\begin" in inside
        whole = f"\\left{left}{inside}\\right{right}" if is_tall and right else f"{left}{inside}{right}"
        return whole, inside

    def matrix(self, opening: str) -> str | None:
        """`[[a,b],[c,d]]`: rows of equal length in brackets of one kind."""
        row_opening = self.peek()
        if row_opening not in ("(", "["):
            return None
        rows: list[list[str]] = []
        while self.peek() == row_opening:
            self.at += 1
            rows.append(self.cells())
            if self.peek() not in (")", "]"):
                return None
            self.at += 1
            if self.peek() != ",":
                break
            self.at += 1
        closing = self.peek()
        if len(rows) < 2 or len({len(row) for row in rows}) != 1 or closing not in _CLOSING:
            return None
        self.at += 1
        body = r" \\ ".join(" & ".join(row) for row in rows)
        if opening == "{" and closing == ":}":
            return rf"\begin{{cases}} {body} \end{{cases}}"
        name = _MATRIX_ENDS.get((opening, closing), "matrix")
        return rf"\begin{{{name}}} {body} \end{{{name}}}"

    def cells(self) -> list[str]:
        cells = [_joined(self.expressions((",", *_CLOSING)))]
        while self.peek() == ",":
            self.at += 1
            cells.append(_joined(self.expressions((",", *_CLOSING))))
        return cells
