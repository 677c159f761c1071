"""Find the formulas of a page: exactly one LaTeX source for each, siblings removed, inline and display told apart.

Two places hold formulas. *Elements*: MathJax scripts, rendered MathJax 2, 3 and 4, KaTeX, MathML, Wikipedia, images
that show LaTeX. `element_formula` is asked at every element that could be one. *Text*: TeX between delimiters or in
environments. `text_formulas` scans the text of a block, with a test that keeps prices out.

A formula found is kept in `FoundFormulas`; the text gets a placeholder of two private-use characters around its
number, so that no later step can damage it. `render` writes `$...$` or `$$...$$` at the end and lists the formulas
that are still there, in order. Every rule counts how often it fired.

Paper: section 2.1 builds on OpenWebMath, whose extractor misses `; mode=display` scripts, swaps `\\[ \\]` with
`\\( \\)` and drops aligned equations; these cases are tested here.
"""

import html
import re
from collections import Counter
from dataclasses import dataclass, field
from urllib.parse import unquote, unquote_plus

from selectolax.lexbor import LexborHTMLParser, LexborNode

from .mathml import mathml_to_latex

_OPEN, _CLOSE = "\ue000", "\ue001"
_PLACEHOLDER = re.compile(f"{_OPEN}(\\d+){_CLOSE}")
PLACEHOLDER = re.compile(f"{_OPEN}\\d+{_CLOSE}")
_PRIVATE_USE = re.compile("[\ue000-\uf8ff]+")
DOLLAR, BACKSLASH = "\ue002", "\ue003"
"""Stand for "$" and "\\" in code, so that no TeX is looked for there."""

FORMULA_TAGS = frozenset(("math", "script", "img", "mjx-container", "mjx-assistive-mml", "d-math", "tex", "latex"))
FORMULA_CLASS = re.compile(r"katex|mathjax|mwe-math|math|\btex\b|latex|formula|equation", re.I)
_TEX_ATTRIBUTES = ("data-latex", "data-tex", "data-katex", "data-formula", "data-math", "data-expr")
_MATH_CLASSES = frozenset(
    """
    math math-container arithmatex tex latex math-inline math-display inline-math display-math mathjax_process
    formula equation math-tex mathinline mathdisplay katex-math wp-katex-eq
    """.split()  # noqa: SIM905 - one line a name would hide the list
)
_IMAGE_SOURCE = re.compile(
    r"(?:latex\.php\?(?:.*?&)?latex=|codecogs\.com/\w+\.(?:latex|image|download)\?|\.latex\?|mimetex\.cgi\?|mathtex\.cgi\?|"
    r"/equation\?tex=|chart\?(?:.*?&)?cht=tx&(?:.*?&)?chl=|/math/render/\w+\?(?:.*?&)?tex=|latex\.action\?|/tex\?)(.*)$",
    re.I | re.S,
)
_IMAGE_PREFIX = re.compile(
    r"^(?:\\(?:inline|dpi\s*\{\d+\}|(?:bg|fg|fn)_\w+|(?:tiny|small|normal|large|LARGE|Large|huge)(?![A-Za-z])|"
    r"(?:bg|fg|fn)\{[^}]*\})\s*|\{\d+\}|&space;|\s)+"
)
_DISPLAYSTYLE = re.compile(r"^\{\s*\\(displaystyle|textstyle)\b(.*)\}\s*$", re.S)
_HAS_TEX_SOURCE = re.compile(r"tex", re.I)
_TEX_SIGN = re.compile(r"\\[A-Za-z]|[\^_{}]")

_ENVIRONMENTS = (
    "equation|align|alignat|aligned|gather|multline|eqnarray|flalign|displaymath|math|split|cases|array|pmatrix|"
    "bmatrix|matrix"
)
_DELIMITED = re.compile(
    r"(?P<dollars>(?<!\\)\$\$(?P<dollars_tex>(?:[^$\\]|\\.|\$(?!\$))+?)\$\$)"
    r"|(?P<bracket>(?<!\\)\\\[(?P<bracket_tex>.+?)\\\])"
    r"|(?P<paren>(?<!\\)\\\((?P<paren_tex>.+?)\\\))"
    rf"|(?P<environment>\\begin\s*\{{(?P<name>(?:{_ENVIRONMENTS})\*?)\}}.+?\\end\s*\{{(?P=name)\}})"
    r"|(?P<tag>\[(?P<tag_name>tex|latex|math|itex|imath|eqn)\](?P<tag_tex>.+?)\[/(?P=tag_name)\])"
    r"|(?P<wordpress>(?<![\\$])\$latex\s(?P<wordpress_tex>[^$]+)\$)"
    r"|(?P<dollar>(?<![\\$\w])\$(?!\$))",
    re.S | re.I,
)
_MAX_TEXT_FORMULA = 6000
_PROSE = re.compile(r"(?<![\\A-Za-z])[A-Za-z]{3,}(?![A-Za-z])")
_TEX_WORDS = re.compile(
    r"\\(?:text\w*|mathrm|mathbf|mathit|operatorname\*?|mbox|hbox|begin|end|label|tag|rm)\s*\{[^{}]*\}|\\[A-Za-z]+"
)
_AMOUNT = re.compile(r"\s*\d[\d,.]*\s+[A-Za-z]{2,}[^\\^_=<>]*$")
"""An amount followed by a word and no TeX sign: "5 each, "."""
_RENDERER_SIGNS = (
    b"mathjax", b"katex", b"tex2jax", b"jsmath", b"math/tex", b"text/tex", b"math-container", b"arithmatex",
    b'class="math', b"class='math", b"class=math", b"\\begin{equation", b"\\begin{align", b"\\begin{gather",
)  # fmt: skip


@dataclass
class FoundFormulas:
    """Formulas of one page, in the order they were met."""

    has_renderer: bool = False
    """Does the page load something that typesets TeX in its text? Then single dollars are read more trustingly."""
    sources: list[tuple[str, bool]] = field(default_factory=list)
    names: list[str] = field(default_factory=list)

    def add(self, latex: str, is_display: bool, rule: str) -> str:
        """Keep a formula; returns its placeholder, or nothing when it is empty."""
        latex, is_display = clean_latex(latex, is_display)
        if not latex or _is_only_definitions(latex):
            return ""
        self.sources.append((latex, is_display))
        self.names.append(rule)
        return f"{_OPEN}{len(self.sources) - 1}{_CLOSE}"


def has_tex_renderer(raw_html: bytes) -> bool:
    """Does the page load MathJax, KaTeX or the like, or mark mathematics in another unmistakable way?"""
    lower = raw_html.lower()
    return any(sign in lower for sign in _RENDERER_SIGNS)


def clean_latex(latex: str, is_display: bool) -> tuple[str, bool]:
    """LaTeX without delimiters, `{\\displaystyle ...}` wrapper and CDATA marks; and whether it is a display formula."""
    latex = _PRIVATE_USE.sub("", latex).replace("\xa0", " ").strip().strip("\u200b").strip()
    latex = re.sub(r"<br\s*/?>", "\n", latex, flags=re.I).strip()
    latex = re.sub(r"^(?:%\s*)?<!\[CDATA\[|(?:%\s*)?\]\]>$", "", latex).strip()
    for opening, closing, display in (("$$", "$$", True), ("\\[", "\\]", True), ("\\(", "\\)", None), ("$", "$", None)):
        if latex.startswith(opening) and latex.endswith(closing) and len(latex) > len(opening) + len(closing):
            latex = latex[len(opening) : -len(closing)].strip()
            is_display = is_display if display is None else display
            break
    if (match := _DISPLAYSTYLE.match(latex)) and match[2].count("{") == match[2].count("}"):
        latex = match[2].strip()
    return re.sub(r"[ \t]*\n\s*", "\n", latex).strip(), is_display


def _is_only_definitions(latex: str) -> bool:
    """Macro definitions such as `\\newcommand{\\R}{...}` that pages hide in an empty formula."""
    return latex.startswith(("\\newcommand", "\\def\\", "\\renewcommand", "\\DeclareMathOperator", "\\require{"))


def element_formula(node: LexborNode, tag: str, attributes: dict, found: FoundFormulas) -> str | None:
    """What stands in the text for this element: a placeholder, "" to drop it, None when it is no formula.

    `attributes` are the element's. The caller does not descend into the element unless the answer is None.
    """
    classes: list[str] = str(attributes.get("class") or "").split()
    if tag == "script":
        return _script(node, attributes, found)
    if tag == "math":
        return _math(node, attributes, found, "mathml")
    if tag == "img":
        return _image(attributes, classes, found)
    if tag == "mjx-container":
        return _mjx_container(node, attributes, found)
    if tag == "mjx-assistive-mml":
        return ""
    for name in classes:
        if name in ("katex", "katex-display", "katex-error"):
            return _katex(node, name, found)
        if name.startswith(("MathJax", "MJX")):
            return _mathjax_2(node, name, attributes, found)
        if name == "mwe-math-element":
            return _wikipedia(node, found)
    return _marked_element(node, tag, attributes, classes, found)


def _script(node: LexborNode, attributes: dict, found: FoundFormulas) -> str:
    kind = (attributes.get("type") or "").lower()
    text = node.text(deep=True) or ""
    if kind.startswith(("math/tex", "math/latex")):
        return found.add(text, "mode=display" in kind.replace(" ", ""), "mathjax_script")
    if kind.startswith("math/mml"):
        math = LexborHTMLParser(text).css_first("math")
        return _math(math, math.attributes, found, "mathjax_mml_script") if math else ""
    if kind.startswith("math/asciimath"):
        return found.add(text, False, "asciimath_script")
    return ""


def _math(node: LexborNode, attributes: dict, found: FoundFormulas, rule: str) -> str:
    is_display = attributes.get("display") == "block" or attributes.get("mode") == "display"
    for annotation in node.css("annotation"):
        if _HAS_TEX_SOURCE.search(annotation.attributes.get("encoding") or ""):
            return found.add(annotation.text(deep=True) or "", is_display, f"{rule}_annotation")
    for name in ("data-latex", "alttext"):
        source = attributes.get(name)
        if source and source.strip():
            return found.add(source, is_display, f"{rule}_{name.replace('-', '_')}")
    return found.add(mathml_to_latex(node), is_display, f"{rule}_converted")


def _katex(node: LexborNode, name: str, found: FoundFormulas) -> str:
    if name == "katex-error":
        return found.add(node.text(deep=True) or "", False, "katex_error")
    is_display = name == "katex-display"
    annotation = node.css_first("annotation")
    if annotation is not None:
        return found.add(annotation.text(deep=True) or "", is_display, "katex")
    math = node.css_first("math")
    if math is not None:
        return found.add(mathml_to_latex(math), is_display, "katex_converted")
    visible = node.css_first(".katex-html")
    return found.add((visible or node).text(deep=True) or "", is_display, "katex_html")


def _mjx_container(node: LexborNode, attributes: dict, found: FoundFormulas) -> str:
    is_display = attributes.get("display") in ("true", "block")
    for source in (
        attributes.get("data-latex"),
        *(n.attributes.get("data-latex") for n in node.css("mjx-math, svg > g > g")),
    ):
        if source:
            return found.add(source, is_display, "mathjax3_data_latex")
    math = node.css_first("math")
    if math is not None:
        return _math(math, dict(math.attributes) | ({"display": "block"} if is_display else {}), found, "mathjax3")
    if _next_math_script(node) is not None:
        return ""
    return found.add(node.text(deep=True) or "", is_display, "mathjax3_visible")


def _mathjax_2(node: LexborNode, name: str, attributes: dict, found: FoundFormulas) -> str:
    """Rendered MathJax 2: dropped when its script follows, else the MathML it carries."""
    if _next_math_script(node) is not None or name in ("MathJax_Preview", "MathJax_Processing", "MathJax_Processed"):
        return ""
    holder = node if attributes.get("data-mathml") else node.css_first("[data-mathml]")
    is_display = "isplay" in name
    if holder is not None:
        math = LexborHTMLParser(holder.attributes.get("data-mathml") or "").css_first("math")
        if math is not None:
            return _math(math, dict(math.attributes) | ({"display": "block"} if is_display else {}), found, "mathjax2")
    math = node.css_first("math")
    if math is not None:
        return _math(math, dict(math.attributes) | ({"display": "block"} if is_display else {}), found, "mathjax2")
    if node.css_first("script[type^='math/']") is not None or name in ("MathJax_Message", "MathJax_SVG_Hidden"):
        script = node.css_first("script[type^='math/']")
        return _script(script, script.attributes, found) if script is not None else ""
    return ""


def _next_math_script(node: LexborNode) -> LexborNode | None:
    """The `math/tex` script among the next element siblings (preview, rendered form and script stand in a row)."""
    sibling = node.next
    for _ in range(4):
        if sibling is None:
            return None
        if sibling.is_element_node:
            if sibling.tag == "script":
                return sibling if (sibling.attributes.get("type") or "").startswith("math/") else None
            if "MathJax" not in (sibling.attributes.get("class") or ""):
                return None
        elif (sibling.text(deep=False) or "").strip():
            return None
        sibling = sibling.next
    return None


def _wikipedia(node: LexborNode, found: FoundFormulas) -> str:
    math, image = node.css_first("math"), node.css_first("img")
    is_display = "-display" in (node.html or "")[:400] or (
        math is not None and math.attributes.get("display") == "block"
    )
    if math is not None:
        return _math(math, dict(math.attributes) | ({"display": "block"} if is_display else {}), found, "wikipedia")
    return found.add((image.attributes.get("alt") or "") if image is not None else "", is_display, "wikipedia_image")


def _image(attributes: dict, classes: list[str], found: FoundFormulas) -> str | None:
    alt = html.unescape(attributes.get("alt") or "").strip()
    source = attributes.get("src") or attributes.get("data-src") or ""
    if match := _IMAGE_SOURCE.search(html.unescape(source)):
        query = re.split(r"&(?:bg|fg|s|c|chs|chf|chco)=", match[1])[0]
        # A raw backslash or space shows that the query was never encoded: then "+" is a plus.
        latex = unquote(query) if "\\" in query or " " in query else unquote_plus(query)
        latex = latex.replace("&space;", " ").replace("\\space ", " ")
        use_alt = _TEX_SIGN.search(alt) is not None or not latex
        return found.add(_IMAGE_PREFIX.sub("", alt if use_alt else latex), False, "image_source")
    if attributes.get("eeimg"):
        return found.add(alt, attributes.get("eeimg") == "2", "image_alt")
    if any(name in ("latex", "tex", "mathtex", "math", "mwe-math-fallback-image-inline") for name in classes):
        return found.add(alt, "display" in " ".join(classes), "image_alt") if alt else None
    if "mwe-math-fallback-image-display" in classes:
        return found.add(alt, True, "image_alt")
    if len(alt) > 2 and (
        (alt[0] == "$" and alt[-1] == "$") or alt.startswith(("\\(", "\\[", "{\\displaystyle", "\\begin{"))
    ):
        return found.add(alt, alt.startswith(("$$", "\\[")), "image_alt")
    return None


def _marked_element(
    node: LexborNode, tag: str, attributes: dict, classes: list[str], found: FoundFormulas
) -> str | None:
    """Elements whose tag, class or attribute says that they hold TeX."""
    for name in _TEX_ATTRIBUTES:
        source = attributes.get(name)
        if source and (name in ("data-latex", "data-tex", "data-katex") or _TEX_SIGN.search(source)):
            return found.add(source, "display" in " ".join(classes), "attribute")
    if tag in ("d-math", "tex", "latex"):
        return found.add(node.text(deep=True) or "", "block" in attributes, "element")
    is_marked = any(name.lower() in _MATH_CLASSES for name in classes)
    if not is_marked or tag not in ("span", "div", "p", "code", "td"):
        return None
    if next(iter(node.iter()), None) is not None:
        return None
    text = (node.text(deep=True) or "").strip()
    is_block = tag in ("div", "p") or any("display" in name.lower() for name in classes)
    for opening, closing in (("$$", "$$"), ("\\[", "\\]"), ("\\(", "\\)"), ("$", "$"), ("\\begin{", "}")):
        if text.startswith(opening) and text.endswith(closing) and len(text) > len(opening) + len(closing):
            inner = text[len(opening) : -len(closing)]
            if opening != "\\begin{" and (opening in inner or ("$" in opening and "$" in inner)):
                return None
            is_display = opening in ("$$", "\\[", "\\begin{") or (is_block and opening == "$$")
            return found.add(text, is_display, "marked_element")
    if re.search(r"\\[A-Za-z]+", text) and not re.search(r"\\[(\[]|\$", text) and not _is_prose(text):
        return found.add(text, is_block, "marked_element")
    return None


def text_formulas(text: str, found: FoundFormulas) -> str:
    """Replace TeX in the text of one block by placeholders; prices and lone dollars stay as they are."""
    if "$" not in text and "\\" not in text and "[" not in text:
        return text
    out: list[str] = []
    at = 0
    while match := _DELIMITED.search(text, at):
        kind = match.lastgroup or ""
        kind = next(k for k in ("dollars", "bracket", "paren", "environment", "tag", "wordpress", "dollar") if match[k])
        end = match.end()
        replacement = None
        if kind == "dollar":
            latex = _single_dollar(text, match.end(), found.has_renderer)
            if latex is not None:
                end = match.end() + len(latex) + 1
                replacement = found.add(latex, False, "text_dollar")
        else:
            replacement = _delimited(match, kind, found)
        if replacement is None:
            out.append(text[at : match.start() + 1])
            at = match.start() + 1
            continue
        out += (text[at : match.start()], replacement)
        at = end
    out.append(text[at:])
    return "".join(out)


def _delimited(match: re.Match[str], kind: str, found: FoundFormulas) -> str | None:
    latex = match["environment"] if kind == "environment" else match[f"{kind}_tex"]
    if len(latex) > _MAX_TEXT_FORMULA or not latex.strip():
        return None
    if kind == "dollars" and not found.has_renderer and _is_prose(latex):
        return None
    if kind in ("bracket", "paren") and not found.has_renderer and not _TEX_SIGN.search(latex) and len(latex) > 40:
        return None
    latex = PLACEHOLDER.sub(lambda inner: _source_of(inner[0], found), latex)
    return found.add(latex, kind in ("dollars", "bracket", "environment"), f"text_{kind}")


def _source_of(placeholder: str, found: FoundFormulas) -> str:
    """LaTeX of a formula that an element rule found inside TeX delimiters: it is part of the larger formula."""
    return found.sources[int(placeholder[1:-1])][0]


def _single_dollar(text: str, start: int, has_renderer: bool) -> str | None:
    """The LaTeX between the dollar before `start` and its partner; None when the pair is not plausible."""
    end = _closing_dollar(text, start)
    if end is None:
        return None
    latex = text[start:end]
    after = text[end + 1 : end + 2]
    return latex if is_plausible_inline(latex, after, has_renderer) else None


def _closing_dollar(text: str, start: int) -> int | None:
    depth, at, stop = 0, start, min(len(text), start + 1500)
    while at < stop:
        character = text[at]
        if character == "\\":
            at += 1
        elif character == "{":
            depth += 1
        elif character == "}":
            depth -= 1
        elif character == "$" and depth <= 0:
            return at
        elif character == "\n" and text[at + 1 : at + 2] == "\n":
            return None
        at += 1
    return None


def is_plausible_inline(latex: str, after: str, has_renderer: bool) -> bool:
    """Is the text between two single dollars TeX, and not what stands between two prices?

    `after` is the character behind the closing dollar. A digit there means a second price. Without a renderer on the
    page the text must show a TeX sign or be a short expression; English words outside `\\text{}` speak against it.
    """
    if not latex.strip() or after.isdigit():
        return False
    if not has_renderer and (latex[0].isspace() or latex[-1].isspace()):
        return False
    if _is_prose(latex) or _AMOUNT.match(latex):
        return False
    if re.match(r"\s*\d[\d,.]*\s*(?:[A-Za-z]{2,}|[-–—(,;/])?\s*$", latex) and (
        latex[-1] in " -–—(,;/" or not has_renderer
    ):
        return False
    if has_renderer:
        return True
    if re.search(r"\\[A-Za-z]+|[\^_]", latex):
        return True
    return (
        re.fullmatch(r"[A-Za-z]'?|[-+(]?[A-Za-z0-9]{1,3}(?:\s*[-+*/=<>,()|!]\s*[A-Za-z0-9]{0,3}){1,6}", latex)
        is not None
    )


def _is_prose(latex: str) -> bool:
    """At least two ordinary words, more than its TeX signs could explain."""
    words = _PROSE.findall(_TEX_WORDS.sub(" ", latex))
    return len(words) >= 2 + 2 * len(re.findall(r"\\[A-Za-z]+|[\^_=]", latex))


def render(
    text: str, found: FoundFormulas, max_chars: int | None = None
) -> tuple[str, tuple[str, ...], dict[str, int]]:
    """The text with `$...$` and `$$...$$`, the formulas in it in order of appearance, and the count of each rule.

    The text ends before `max_chars`; a formula that would cross this limit is left out whole.
    """
    formulas: list[str] = []
    rules: Counter[str] = Counter()
    out: list[str] = []
    room = len(text) * 2 + sum(len(latex) + 4 for latex, _ in found.sources) if max_chars is None else max_chars
    # Splitting at the placeholders gives text, number, text, number, ..., text.
    for i, part in enumerate(_PLACEHOLDER.split(text)):
        if i % 2:
            latex, is_display = found.sources[int(part)]
            mark = "$$" if is_display else "$"
            written = f"{mark}{latex}{mark}"
            if len(written) > room:
                break
            formulas.append(latex)
            rules[found.names[int(part)]] += 1
        else:
            written = part[:room]
        out.append(written)
        room -= len(written)
        if not room:
            break
    body = "".join(out).replace(DOLLAR, "$").replace(BACKSLASH, "\\")
    return body, tuple(formulas), dict(sorted(rules.items()))
