"""Which blocks of a page are its content: an additive model over features that one can read.

Every block gets the sum of the weights of its features: length, share of links, tag, place on the page, what its
neighbours look like, and words of the tags, classes and ids around it (layout.py). Blocks above a threshold are kept.
Formulas speak for content, so mathematics is not lost with a short line.

Not in the paper: DeepSeekMath does not say how text was taken from HTML. The weights (density_weights.py) were fitted
by logistic regression on public extraction benchmarks (WCXB, CC BY 4.0; Trafilatura's evaluation set). No address of a
site is a feature, and a feature had to occur on at least 25 domains.
"""

import re
from collections.abc import Mapping

from .density_weights import WEIGHTS
from .layout import Block

_SENTENCE_END = re.compile(r"[.!?。！？…:;][\"'”’»)\]]*$")
_STOPS = re.compile(r"[,.;:!?，。、；：！？]")
_CHROME = re.compile(
    r"copyright|©|all rights reserved|privacy policy|terms of (?:use|service)|cookie|subscribe|newsletter"
    r"|sign (?:in|up)"
    r"|log ?in|\bshare\b|tweet|facebook|instagram|linkedin|whatsapp|pinterest|read more|learn more|view all"
    r"|show more"
    r"|related|\bcomments?\b|\breply\b|add to cart|follow us|contact us|powered by|advertisement|\btags?:"
    r"|posted (?:in|by)"
    r"|filed under|previous|next (?:post|page|article)|back to top|skip to|\bmenu\b|\bsearch\b"
    r"|版权|登录|注册|下一篇|上一篇"
    r"|datenschutz|impressum|\bteilen\b|kommentare?|mentions légales|partager|commentaires?",
    re.I,
)
_DATE = re.compile(r"\b(?:19|20)\d\d\b|\b\d{1,2}[:./]\d{1,2}\b")
_SAMPLE_CHARS = 200
VOCABULARY = frozenset(WEIGHTS)
"""The words around a block that say anything."""
THRESHOLD = -0.8
"""Below zero: a lost sentence costs the corpus more than a kept button."""
FORMULA_BONUS = 2.5
"""The benchmarks hold few formulas; on mathematical pages a formula is nearly always content."""
_CHAR_BINS = (8, 15, 25, 40, 60, 100, 160, 300, 700)
_SHARE_BINS = (0.001, 0.15, 0.33, 0.5, 0.75, 0.95)
_PLACE_BINS = (0.02, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 0.9, 0.95, 0.98)
_GROUP_BINS = (50, 150, 400, 1000, 3000)


def _bin(value: float, edges: tuple[float, ...]) -> int:
    return sum(value >= edge for edge in edges)


def block_features(blocks: list[Block]) -> list[list[str]]:
    """Names of the features of each block; each is present or not."""
    total = sum(block.num_chars for block in blocks) or 1
    in_container: dict[int, int] = {}
    repeats: dict[str, int] = {}
    for block in blocks:
        in_container[block.container] = in_container.get(block.container, 0) + block.num_chars - block.link_chars
        repeats[block.text] = repeats.get(block.text, 0) + 1
    prose = sum(b.num_chars for b in blocks if b.num_chars >= 100 and b.link_chars < 0.33 * b.num_chars)
    page = f"page{_bin(prose, (300, 1000, 3000, 8000))}"
    first_title = next((i for i, b in enumerate(blocks) if b.tag == "h1"), None)
    shapes = [(_bin(b.num_chars, _CHAR_BINS), _bin(b.link_chars / b.num_chars, _SHARE_BINS)) for b in blocks]
    seen_chars = 0
    features = []
    for i, block in enumerate(blocks):
        chars, share = shapes[i]
        group = _bin(in_container[block.container], _GROUP_BINS)
        names = [
            "@always", f"chars{chars}", f"links{share}", f"chars{chars}links{share}", f"tag:{block.tag}",
            f"{page}chars{chars}", f"place{_bin(seen_chars / total, _PLACE_BINS)}", f"group{group}",
            f"group{group}chars{chars}", f"depth{min(block.depth // 4, 6)}",
            f"tag:{block.tag}links{share}", f"tag:{block.tag}chars{chars}",
        ]  # fmt: skip
        for offset in (-2, -1, 1, 2):
            at = i + offset
            near = f"{shapes[at][0]}l{shapes[at][1]}" if 0 <= at < len(blocks) else "none"
            names.append(f"near{offset}:{near}")
            if 0 <= at < len(blocks):
                names.append(f"neartag{offset}:{blocks[at].tag}")
        names.append(_title_feature(i, first_title))
        names += _text_features(block, repeats[block.text])
        names += sorted(block.path)
        seen_chars += block.num_chars
        features.append(names)
    return features


def _title_feature(index: int, first_title: int | None) -> str:
    """Where the block stands to the page's first h1."""
    if first_title is None:
        return "title:none"
    return "title:before" if index < first_title else f"title:{_bin(index - first_title, (1, 2, 4, 10, 50))}"


def _text_features(block: Block, repeats: int) -> list[str]:
    text = block.text[:_SAMPLE_CHARS]
    names = [f"stops{_bin(len(_STOPS.findall(text)), (1, 2, 4))}"]
    if _SENTENCE_END.search(block.text[-8:]):
        names.append("@ends_sentence")
    if _CHROME.search(text):
        names.append("@chrome_short" if len(text) < 60 else "@chrome")
    if _DATE.search(text) and len(text) < 100:
        names.append("@short_date")
    if block.num_formulas:
        names.append("@formula")
    if block.is_code:
        names.append("@code")
    if repeats > 1:
        names.append("@repeated")
    if text.isupper():
        names.append("@upper_case")
    if block.num_links > 3:
        names.append("@many_links")
    if "|" in text or "»" in text or "›" in text:
        names.append("@separators")
    return names


def score_blocks(features: list[list[str]], weights: Mapping[str, float]) -> list[float]:
    """Sum of the weights of each block's features; unknown features weigh nothing."""
    get = weights.get
    return [sum(get(name, 0.0) for name in names) for names in features]


def content_blocks(blocks: list[Block]) -> list[Block]:
    """The blocks worth keeping, in page order; the best one alone where none reaches the threshold."""
    if not blocks:
        return []
    scores = score_blocks(block_features(blocks), WEIGHTS)
    scores = [s + FORMULA_BONUS * (b.num_formulas > 0) for s, b in zip(scores, blocks, strict=True)]
    kept = [block for block, score in zip(blocks, scores, strict=True) if score > THRESHOLD]
    return kept or [blocks[max(range(len(blocks)), key=scores.__getitem__)]]
