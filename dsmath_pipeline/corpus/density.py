"""Which blocks of a page are its content: an additive model over features that one can read.

Every block gets the sum of the weights of its features: length, share of links, tag, place on the page, what its
neighbours look like, and words of the tags, classes and ids around it (layout.py). A second pass adds what the first
pass said about the neighbourhood, because content comes in runs. Blocks above zero are kept. Formulas speak for
content, so mathematics is not lost with a short line.

Not in the paper: DeepSeekMath does not say how text was taken from HTML. The weights (density_weights.json) were fitted by logistic
regression on public extraction benchmarks (WCXB, CC BY 4.0; the Trafilatura evaluation set); no address of a site is a
feature.
"""

import re
from collections.abc import Mapping

from .layout import Block

_SENTENCE_END = re.compile(r"[.!?。！？…:;][\"'”’»)\]]*$")
_STOPS = re.compile(r"[,.;:!?，。、；：！？]")
_CHROME = re.compile(
    r"copyright|©|all rights reserved|privacy policy|terms of (?:use|service)|cookie|subscribe|newsletter|sign (?:in|up)|"
    r"log ?in|\bshare\b|tweet|facebook|instagram|linkedin|whatsapp|pinterest|read more|learn more|view all|show more|"
    r"related|\bcomments?\b|\breply\b|add to cart|follow us|contact us|powered by|advertisement|\btags?:|posted (?:in|by)|"
    r"filed under|previous|next (?:post|page|article)|back to top|skip to|\bmenu\b|\bsearch\b|版权|登录|注册|下一篇|上一篇|"
    r"datenschutz|impressum|\bteilen\b|kommentare?|mentions légales|partager|commentaires?",
    re.I,
)
_DATE = re.compile(r"\b(?:19|20)\d\d\b|\b\d{1,2}[:./]\d{1,2}\b")
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
            "always", f"chars{chars}", f"links{share}", f"chars{chars}links{share}", f"tag:{block.tag}", f"{page}chars{chars}",
            f"place{_bin(seen_chars / total, _PLACE_BINS)}", f"group{group}", f"group{group}chars{chars}",
            f"depth{min(block.depth // 4, 6)}", f"tag:{block.tag}links{share}", f"tag:{block.tag}chars{chars}",
        ]  # fmt: skip
        for offset in (-2, -1, 1, 2):
            at = i + offset
            near = f"{shapes[at][0]}l{shapes[at][1]}" if 0 <= at < len(blocks) else "none"
            names.append(f"near{offset}:{near}")
            if 0 <= at < len(blocks):
                names.append(f"neartag{offset}:{blocks[at].tag}")
        names.append(
            "title:none"
            if first_title is None
            else "title:before"
            if i < first_title
            else "title:" + str(_bin(i - first_title, (1, 2, 4, 10, 50)))
        )
        names += _text_features(block, repeats[block.text])
        names += sorted(block.path)
        seen_chars += block.num_chars
        features.append(names)
    return features


def _text_features(block: Block, repeats: int) -> list[str]:
    text = block.text
    names = [f"stops{_bin(len(_STOPS.findall(text)), (1, 2, 4))}"]
    if _SENTENCE_END.search(text):
        names.append("ends sentence")
    if match := _CHROME.search(text):
        names.append("chrome short" if len(text) < 60 else "chrome")
    if _DATE.search(text) and len(text) < 100:
        names.append("short date")
    if block.num_formulas:
        names.append("formula")
    if block.is_code:
        names.append("code")
    if repeats > 1:
        names.append("repeated")
    if text.isupper():
        names.append("upper case")
    if block.num_links > 3:
        names.append("many links")
    if "|" in text or "»" in text or "›" in text:
        names.append("separators")
    return names


def neighbourhood_features(blocks: list[Block], scores: list[float]) -> list[list[str]]:
    """Second pass: what the first pass said about the blocks around and about the container."""
    sums: dict[int, tuple[float, int]] = {}
    for block, score in zip(blocks, scores, strict=True):
        total, weight = sums.get(block.container, (0.0, 0))
        sums[block.container] = (total + max(-4.0, min(4.0, score)) * block.num_chars, weight + block.num_chars)
    edges = (-3.0, -1.5, -0.5, 0.0, 0.5, 1.5, 3.0)
    features = []
    for i, block in enumerate(blocks):
        names = [f"own{_bin(scores[i], edges)}"]
        for reach in (1, 3, 8):
            before, after = scores[max(0, i - reach) : i], scores[i + 1 : i + 1 + reach]
            for side, values in (("before", before), ("after", after)):
                mean = sum(max(-4.0, min(4.0, v)) for v in values) / len(values) if values else None
                names.append(f"{side}{reach}:{'none' if mean is None else _bin(mean, edges)}")
        total, weight = sums[block.container]
        names.append(f"container:{_bin(total / max(weight, 1), edges)}")
        names.append(f"heading:{block.tag[:1] == 'h'}:{names[2]}")
        features.append(names)
    return features


def score_blocks(features: list[list[str]], weights: Mapping[str, float]) -> list[float]:
    """Sum of the weights of each block's features; unknown features weigh nothing."""
    get = weights.get
    return [sum(get(name, 0.0) for name in names) for names in features]


def content_blocks(blocks: list[Block]) -> list[Block]:
    """The blocks worth keeping, in page order (interim rule)."""
    bad = {"<nav>", "<footer>", "<aside>", "role=navigation", "sidebar", "footer", "nav", "menu", "hidden"}
    return [
        b
        for b in blocks
        if not b.path & bad and b.link_chars <= 0.5 * b.num_chars and (b.num_chars >= 25 or b.num_formulas)
    ]
