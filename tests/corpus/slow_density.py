"""The features of a block by name, one at a time, as density.py describes them: the oracle of the compiled scores."""

import re
from dataclasses import dataclass

from dsmath_pipeline.corpus.density_weights import WEIGHTS

_SENTENCE_END = re.compile(r"[.!?。！？…:;][\"'”’»)\]]*$")
_STOPS = re.compile(r"[,.;:!?，。、；：！？]")
_CHROME = re.compile(
    r"copyright|©|all rights reserved|privacy policy|terms of (?:use|service)|cookie|subscribe|newsletter"
    r"|sign (?:in|up)|log ?in|\bshare\b|tweet|facebook|instagram|linkedin|whatsapp|pinterest|read more|learn more"
    r"|view all|show more|related|\bcomments?\b|\breply\b|add to cart|follow us|contact us|powered by|advertisement"
    r"|\btags?:|posted (?:in|by)|filed under|previous|next (?:post|page|article)|back to top|skip to|\bmenu\b"
    r"|\bsearch\b|版权|登录|注册|下一篇|上一篇|datenschutz|impressum|\bteilen\b|kommentare?|mentions légales|partager"
    r"|commentaires?",
    re.I,
)
_DATE = re.compile(r"\b(?:19|20)\d\d\b|\b\d{1,2}[:./]\d{1,2}\b")
_BINS = {
    "chars": (8, 15, 25, 40, 60, 100, 160, 300, 700), "share": (0.001, 0.15, 0.33, 0.5, 0.75, 0.95),
    "place": (0.02, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 0.9, 0.95, 0.98), "group": (50, 150, 400, 1000, 3000),
    "page": (300, 1000, 3000, 8000), "title": (1, 2, 4, 10, 50), "stops": (1, 2, 4),
}  # fmt: skip


@dataclass
class SlowBlock:
    text: str
    tag: str
    num_chars: int
    link_chars: int
    num_links: int
    depth: int
    container: int
    num_formulas: int
    is_code: bool
    path_weight: float


def _bin(value: float, name: str) -> int:
    return sum(value >= edge for edge in _BINS[name])


def slow_scores(blocks: list[SlowBlock]) -> list[float]:
    total = sum(b.num_chars for b in blocks)
    prose = sum(b.num_chars for b in blocks if b.num_chars >= 100 and b.link_chars < 0.33 * b.num_chars)
    title = next((i for i, b in enumerate(blocks) if b.tag == "h1"), None)
    shapes = [f"{_bin(b.num_chars, 'chars')}l{_bin(b.link_chars / b.num_chars, 'share')}" for b in blocks]
    scores, seen = [], 0
    for i, b in enumerate(blocks):
        chars, share = shapes[i].split("l")
        group = _bin(sum(c.num_chars - c.link_chars for c in blocks if c.container == b.container), "group")
        names = [
            "@always", f"chars{chars}", f"links{share}", f"chars{chars}links{share}", f"tag:{b.tag}",
            f"page{_bin(prose, 'page')}chars{chars}", f"place{_bin(seen / total, 'place')}", f"group{group}",
            f"group{group}chars{chars}", f"depth{min(b.depth // 4, 6)}", f"tag:{b.tag}links{share}",
            f"tag:{b.tag}chars{chars}", *_near(blocks, shapes, i), *_text_features(b),
        ]  # fmt: skip
        if title is None or i < title:
            names.append("title:none" if title is None else "title:before")
        else:
            names.append(f"title:{_bin(i - title, 'title')}")
        if sum(c.text == b.text for c in blocks) > 1:
            names.append("@repeated")
        scores.append(b.path_weight + sum(WEIGHTS.get(name, 0.0) for name in names))
        seen += b.num_chars
    return scores


def _near(blocks: list[SlowBlock], shapes: list[str], i: int) -> list[str]:
    names = []
    for offset in (-2, -1, 1, 2):
        if 0 <= i + offset < len(blocks):
            names += [f"near{offset}:{shapes[i + offset]}", f"neartag{offset}:{blocks[i + offset].tag}"]
        else:
            names.append(f"near{offset}:none")
    return names


def _text_features(b: SlowBlock) -> list[str]:
    text = b.text[:200]
    present = {
        "@ends_sentence": _SENTENCE_END.search(b.text[-8:]),
        "@chrome_short" if len(text) < 60 else "@chrome": (found := _CHROME.search(b.text)) and found.start() < 200,
        "@short_date": len(text) < 100 and _DATE.search(text),
        "@formula": b.num_formulas,
        "@code": b.is_code,
        "@upper_case": text.isupper(),
        "@many_links": b.num_links > 3,
        "@separators": re.search("[|»›]", text),
    }
    return [
        f"stops{_bin(len(_STOPS.findall(text)), 'stops')}",
        *(name for name, is_there in present.items() if is_there),
    ]
