"""Which blocks of a page are its content: an additive model over features that one can read.

Every block gets the sum of the weights of its features: length, share of links, tag, place on the page, what its
neighbours look like, and words of the tags, classes and ids around it (layout.py). Blocks above a threshold are kept.
Formulas speak for content, so mathematics is not lost with a short line. The sums are compiled (density_kernel.py);
this file says which features there are and turns the weights, which go by name, into tables.

Not in the paper: DeepSeekMath does not say how text was taken from HTML. The weights (density_weights.py) were fitted
by logistic regression on public extraction benchmarks (WCXB, CC BY 4.0; Trafilatura's evaluation set). No address of a
site is a feature, and a feature had to occur on at least 25 domains.
"""

import re

import numpy as np

from . import density_kernel as kernel
from .density_weights import WEIGHTS
from .html_tags import TAG_NAMES, UNKNOWN
from .layout import CHARACTERS, Blocks, walk_tables
from .layout_kernel import B_FORMULAS

THRESHOLD = -0.8
"""Below zero: a lost sentence costs the corpus more than a kept button."""
FORMULA_BONUS = 2.5
"""The benchmarks hold few formulas; on mathematical pages a formula is nearly always content."""

_CHAR_BINS = (8, 15, 25, 40, 60, 100, 160, 300, 700)
_SHARE_BINS = (0.001, 0.15, 0.33, 0.5, 0.75, 0.95)
_PLACE_BINS = (0.02, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 0.9, 0.95, 0.98)
_GROUP_BINS = (50, 150, 400, 1000, 3000)
_CHROME = (
    "copyright|©|all rights reserved|privacy policy|terms of use|terms of service|cookie|subscribe|newsletter|sign in|"
    "sign up|log in|login|<share>|tweet|facebook|instagram|linkedin|whatsapp|pinterest|read more|learn more|view all|"
    "show more|related|<comment>|<comments>|<reply>|add to cart|follow us|contact us|powered by|advertisement|<tag:|"
    "<tags:|posted in|posted by|filed under|previous|next post|next page|next article|back to top|skip to|<menu>|"
    "<search>|版权|登录|注册|下一篇|上一篇|datenschutz|impressum|<teilen>|kommentar|mentions légales|partager|"
    "commentaire"
)
"""Texts of menus and footers, apart by "|"; "<" must begin a word and ">" must end one."""
_PATH_WORD = re.compile(r"[a-z]{2,19}|<\w+>|role=.+")

WALK_TABLES = walk_tables({name: weight for name, weight in WEIGHTS.items() if _PATH_WORD.fullmatch(name)})


def _weights(names: list[str]) -> np.ndarray:
    return np.array([WEIGHTS.get(name, 0.0) for name in names], np.float64)


def _weights_of(rows: list[list[str]]) -> np.ndarray:
    return np.array([[WEIGHTS.get(name, 0.0) for name in names] for names in rows], np.float64)


def _tables() -> kernel.DensityTables:
    chars, shares, tags = range(10), range(7), [*TAG_NAMES, "unknown"]
    assert len(tags) == UNKNOWN + 1
    shapes = [f"{c}l{s}" for c in chars for s in shares]
    groups, offsets = range(len(_GROUP_BINS) + 1), (-2, -1, 1, 2)
    signs = ["@always", "@ends_sentence", "@chrome_short", "@chrome", "@short_date", "@formula", "@code", "@repeated",
             "@upper_case", "@many_links", "@separators"]  # fmt: skip
    chrome = sorted((text.strip("<>").encode(), text) for text in _CHROME.split("|"))
    pairs = np.zeros((256, 256), np.bool_)
    for text, _ in chrome:
        for one in text[:1] + text[:1].upper():
            pairs[one, list(text[1:2] + text[1:2].upper())] = True
    return kernel.DensityTables(
        chars_edges=np.array(_CHAR_BINS, np.float64),
        share_edges=np.array(_SHARE_BINS),
        place_edges=np.array(_PLACE_BINS),
        group_edges=np.array(_GROUP_BINS, np.float64),
        chars=_weights([f"chars{c}" for c in chars]),
        links=_weights([f"links{s}" for s in shares]),
        shape=_weights_of([[f"chars{c}links{s}" for s in shares] for c in chars]),
        tag=_weights([f"tag:{tag}" for tag in tags]),
        page_chars=_weights_of([[f"page{p}chars{c}" for c in chars] for p in range(5)]),
        place=_weights([f"place{p}" for p in range(len(_PLACE_BINS) + 1)]),
        group=_weights([f"group{g}" for g in groups]),
        group_chars=_weights_of([[f"group{g}chars{c}" for c in chars] for g in groups]),
        depth=_weights([f"depth{d}" for d in range(7)]),
        tag_links=_weights_of([[f"tag:{tag}links{s}" for s in shares] for tag in tags]),
        tag_chars=_weights_of([[f"tag:{tag}chars{c}" for c in chars] for tag in tags]),
        near=_weights_of([[f"near{offset}:{shape}" for shape in [*shapes, "none"]] for offset in offsets]),
        near_tag=_weights_of([[f"neartag{offset}:{tag}" for tag in tags] for offset in offsets]),
        title=_weights(["title:none", "title:before", *(f"title:{place}" for place in range(6))]),
        stops=_weights([f"stops{count}" for count in range(4)]),
        signs=_weights(signs),
        characters=CHARACTERS,
        chrome=np.frombuffer(b"".join(text for text, _ in chrome), np.uint8),
        chrome_starts=np.cumsum([0, *(len(text) for text, _ in chrome)]).astype(np.int64),
        chrome_bounds=np.array([text.startswith("<") + 2 * text.endswith(">") for _, text in chrome], np.int64),
        chrome_pairs=pairs,
    )


_TABLES = _tables()


def block_scores(blocks: Blocks) -> np.ndarray:
    """Summed weights of each block's features (float64); positive speaks for content."""
    return kernel.score_blocks(blocks.text, blocks.rows, len(blocks), blocks.weights, _TABLES)


def content_blocks(blocks: Blocks) -> list[int]:
    """Numbers of the blocks worth keeping, in page order; the best one alone where none reaches the threshold."""
    if not len(blocks):
        return []
    scores = block_scores(blocks) + FORMULA_BONUS * (blocks.rows[:, B_FORMULAS] > 0)
    kept = np.flatnonzero(scores > THRESHOLD)
    return kept.tolist() or [int(scores.argmax())]
