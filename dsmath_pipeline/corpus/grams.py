"""What decontamination compares: the grams of a text. One rule for every language and for TeX.

A gram is a word, a number or a single CJK character (Chinese, Japanese, Korean: no dictionary, so that the rule is the
same everywhere and for ever) of the normalised text. Normalised means:

- invisible characters (soft hyphen, joiners, variation selectors) go; raised, lowered and fraction characters stand
  apart (`x²` is `x 2` as `x^2` is); then NFKC and lower case, so that width, ligatures and case hide nothing;
- letters and digits are apart (`2x` is `2 x`), punctuation, operators and spaces are left out, `1,000` is `1000`.

TeX and markup: the commands that only format (`\\left`, `\\mathbf`, `\\quad`, `\\begin{matrix}`) and those that are
operators or relations (`\\cdot`, `\\le`) are left out, just as `(`, `·` and `≤` are; variants (`\\dfrac`) get one name,
Greek letters are the letter, `\\frac12` is `\\frac{1}{2}`; any other command is a word. Plain HTML tags (`<b>`,
`<br/>`) and character references (`&nbsp;`) are left out.

Not in the paper: the paper does not say what a gram is.
"""

import functools
import re
import unicodedata

import numpy as np

from ..text import CJK
from . import grams_kernel as kernel
from .characters import stands_alone

GRAMS_VERSION = "2"
"""1 (2026-11): `text.words`. 2 (2026-11): TeX and markup, letters and digits apart."""

_FORMATTING = """
left right middle big bigg bigl bigr biggl biggr bigm biggm displaystyle textstyle scriptstyle scriptscriptstyle limits
nolimits quad qquad hspace vspace hfill hskip vskip kern mkern enspace thinspace medspace thickspace negthinspace
phantom hphantom vphantom mathstrut strut smash text textrm textbf textit texttt textsf textnormal textup emph mbox
hbox fbox underline mathrm mathbf mathit mathsf mathtt mathbb mathcal mathfrak mathscr mathnormal boldsymbol bm bf it rm
sf tt cal operatorname operatornamewithlimits mathop mathrel mathbin mathord mathopen mathclose mathpunct boxed fbox
color textcolor displaylimits nonumber notag newline par noindent item hline cline label tag
"""
_OPERATORS = """
cdot cdots ldots dots dotsc dotsb dotsm dotsi vdots ddots times div pm mp ast star circ bullet le leq leqslant ge geq
geqslant lt gt ne neq not equiv approx sim simeq cong propto mid nmid parallel perp colon to rightarrow leftarrow
leftrightarrow implies iff longrightarrow longleftarrow longleftrightarrow mapsto longmapsto degree prime backslash
lbrace rbrace lbrack rbrack langle rangle lvert rvert vert lfloor rfloor lceil rceil therefore because ll gg
"""
_TAGS = "b i u em strong br p sub sup span div tt code li ul ol hr td tr th table tbody font center small big"
_REFERENCES = "nbsp lt gt amp quot apos ldquo rdquo lsquo rsquo mdash ndash hellip times minus le ge ne middot"
_GREEK = {
    "alpha": "α", "beta": "β", "gamma": "γ", "delta": "δ", "epsilon": "ε", "varepsilon": "ε", "zeta": "ζ", "eta": "η",
    "theta": "θ", "vartheta": "θ", "iota": "ι", "kappa": "κ", "lambda": "λ", "mu": "μ", "nu": "ν", "xi": "ξ",
    "pi": "π", "varpi": "π", "rho": "ρ", "varrho": "ρ", "sigma": "σ", "varsigma": "σ", "tau": "τ", "upsilon": "υ",
    "phi": "φ", "varphi": "φ", "chi": "χ", "psi": "ψ", "omega": "ω",
}  # fmt: skip
DROPPED_COMMANDS = frozenset((_FORMATTING + _OPERATORS).split())
RENAMED_COMMANDS = _GREEK | {
    "surd": "sqrt", "tbinom": "binom", "dbinom": "binom", "choose": "binom", "dfrac": "frac", "tfrac": "frac",
    "cfrac": "frac", "frac": "frac", "binom": "binom", "widehat": "hat", "widetilde": "tilde", "bar": "overline",
    "overrightarrow": "vec",
}  # fmt: skip
"""TeX commands whose gram has another name; those of fractions and binomials take single digits as arguments."""
COMMANDS_WITH_DIGITS = frozenset(["frac", "dfrac", "tfrac", "cfrac", "binom", "dbinom", "tbinom"])
COMMANDS_WITH_ARGUMENT = frozenset(["begin", "end"])
TAGS, REFERENCES = frozenset(_TAGS.split()), frozenset(_REFERENCES.split())
SYMBOLS = {
    "√": "\\sqrt ", "∠": "\\angle ", "△": "\\triangle ", "∞": "\\infty ", "∑": "\\sum ", "∏": "\\prod ", "∫": "\\int ",
    "∂": "\\partial ", "ς": "σ", "ϵ": "ε", "ϑ": "θ", "ϕ": "φ", "ϖ": "π", "ϱ": "ρ",
}  # fmt: skip
"""After lower case: characters that are written as a command or in another form elsewhere."""
INVISIBLE = "\u00ad\u034f\u061c\u180b-\u180e\u200c-\u200f\u202a-\u202e\u2060-\u2064\ufe00-\ufe0f\ufeff"
_INVISIBLE = re.compile(f"[{INVISIBLE}]+")
_CJK = re.compile(f"[{CJK}]")
_SYMBOLS = str.maketrans(SYMBOLS)
_BETWEEN = re.compile(r"\\[()\[\]]|[\s$]+")


def is_script(character: str) -> bool:
    """Is a character raised, lowered or a fraction (`²`, `ₙ`, `½`) by its compatibility mapping?"""
    return unicodedata.decomposition(character).startswith(("<super>", "<sub>", "<fraction>"))


@functools.cache
def tables() -> kernel.GramTables:
    """The kernel's tables, made once in a process (a quarter of a second)."""
    classes = np.zeros(kernel.NUM_POINTS, np.uint8)
    rewrites = np.zeros(kernel.NUM_POINTS, np.int32)
    pool, starts = [b"", b""], [0, 0, 0]
    numbers = {b"": 1}
    for point in range(kernel.NUM_POINTS):
        character = chr(point)
        classes[point] = _class(character)
        if point < 0x80 or 0xAC00 <= point <= 0xD7A3 or 0x4E00 <= point <= 0x9FFF:
            continue
        if is_script(character):
            classes[point] |= kernel.SCRIPT
        if not stands_alone(unicodedata.normalize("NFKD", character)):
            rewrites[point] = kernel.IN_CONTEXT
            continue
        plain = "" if _INVISIBLE.match(character) else _plain(character)
        if plain == character:
            continue
        data = plain.encode("utf-8", "surrogatepass")
        if data not in numbers:
            numbers[data] = len(pool)
            pool.append(data)
            starts.append(starts[-1] + len(data))
        rewrites[point] = numbers[data]
    replacements = np.frombuffer(b"".join(pool) or b"\0", np.uint8)
    return kernel.GramTables(classes, rewrites, replacements, np.array(starts, np.int64), *_name_tables())


def grams(text: str) -> list[str]:
    """The grams of a text, in order.

    >>> grams("Let $\\\\left(2X\\\\right)\\\\le 1{,}000$ 设函数")
    ['let', '2', 'x', '1000', '设', '函', '数']
    """
    text_bytes, _, starts, stops = split(text)
    return gram_names(text_bytes, starts, stops)


def split(text: str) -> tuple[bytes, np.ndarray, np.ndarray, np.ndarray]:
    """Normalised text (UTF-8) and hashes (uint64), starts and stops (int32, bytes) of its grams.

    Line ends stay where they are and no gram goes over one.
    """
    data = np.frombuffer(text.encode("utf-8", "surrogatepass"), np.uint8)
    plain, hashes, starts, stops = kernel.split_text(data, False, tables())
    if len(data) and not len(plain):
        data = np.frombuffer(normalise_grams(text).encode("utf-8", "surrogatepass"), np.uint8)
        plain, hashes, starts, stops = kernel.split_text(data, True, tables())
    return plain.tobytes(), hashes, starts, stops


def gram_names(text: bytes, starts: np.ndarray, stops: np.ndarray) -> list[str]:
    """The grams at these places of a normalised text."""
    found = []
    for start, stop in zip(starts.tolist(), stops.tolist(), strict=True):
        gram = text[start:stop].decode("utf-8", "surrogatepass")
        if gram[0] == "\\":
            gram = RENAMED_COMMANDS.get(gram[1:], gram[1:])
        elif len(gram) > 4 and not gram.isalnum():  # a number with thousands apart
            gram = re.sub("[^0-9]", "", gram)
        found.append(gram)
    return found


def normalise_grams(text: str) -> str:
    """The normalised text, before grams are cut: what the kernel does for texts without combining characters."""
    text = _INVISIBLE.sub("", text)
    return _plain(_scripts().sub(r" \g<0> ", text))


def literal(plain: str) -> str:
    """A normalised text without white space, TeX delimiters and the punctuation at its ends; operators stay.

    >>> literal("$8 + 8 ÷ 2 + 2 =$ ?"), literal("8+8÷2+2 =")
    ('8+8÷2+2=', '8+8÷2+2=')
    """
    return _BETWEEN.sub("", plain).strip(".,;:?!")


def _plain(text: str) -> str:
    return unicodedata.normalize("NFKC", text).lower().translate(_SYMBOLS)


@functools.cache
def _scripts() -> re.Pattern[str]:
    scripts = "".join(chr(point) for point in range(0x80, kernel.NUM_POINTS) if is_script(chr(point)))
    return re.compile(f"[{re.escape(scripts)}]+")


def _class(character: str) -> int:
    if "0" <= character <= "9":
        return kernel.DIGIT
    if _CJK.match(character):
        return kernel.CJK_CHARACTER
    return kernel.LETTER if character.isalnum() else 0


def _name_tables() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Open-addressing table of TeX commands, tags and references: hashes, kinds, hashes of the grams they stand for."""
    names_dropped = [*DROPPED_COMMANDS, *(f"<{tag}" for tag in TAGS), *(f"&{name}" for name in REFERENCES)]
    rows = dict.fromkeys(names_dropped, (kernel.DROPPED, ""))
    rows |= dict.fromkeys(COMMANDS_WITH_ARGUMENT, (kernel.WITH_ARGUMENT, ""))
    rows |= {name: (kernel.RENAMED, gram) for name, gram in RENAMED_COMMANDS.items()}
    rows |= {name: (kernel.WITH_DIGITS, RENAMED_COMMANDS[name]) for name in COMMANDS_WITH_DIGITS}
    size = 1 << (4 * len(rows)).bit_length()
    names, kinds, values = np.zeros(size, np.uint64), np.zeros(size, np.uint8), np.zeros(size, np.uint64)
    for name, (kind, gram) in rows.items():
        key = gram_hash(name)
        slot = key % size
        while names[slot]:
            slot = (slot + 1) % size
        names[slot], kinds[slot], values[slot] = key, kind, gram_hash(gram)
    return names, kinds, values


def gram_hash(gram: str) -> int:
    """64-bit hash of one gram, as the kernel computes it."""
    return int(kernel.hash_name(np.frombuffer(gram.encode("utf-8", "surrogatepass"), np.uint8)))
