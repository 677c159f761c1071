"""Compiled scores against the slow oracle, and what is kept of a page."""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from slow_density import SlowBlock, slow_scores

from dsmath_pipeline.corpus.density import WALK_TABLES, block_scores, content_blocks
from dsmath_pipeline.corpus.html_tree import parse_html
from dsmath_pipeline.corpus.layout import Blocks, walk_page
from dsmath_pipeline.corpus.layout_kernel import (
    B_BITS,
    B_CHARS,
    B_CONTAINER,
    B_DEPTH,
    B_FORMULAS,
    B_LINK_CHARS,
    B_LINKS,
)
from dsmath_pipeline.corpus.text_kernel import HOLDS_CODE

_TEXTS = st.sampled_from(
    ["Home", "Share", "shares", "Sign up now", "LOG IN", "Login", "© 2024", "Posted by Ann, 12:30", "12:345", "1999",
     "0:0»", "« 12.30»", "é12:30", "版1999", "1999。", "Share»", "éshare", "»share", "分享share",
     "21999",
     "a 3.14 b", "Next page »", "one | two", "It ends.", "It ends.\")", "完成了。", "版权所有", "ALL CAPS", "ALL caps",
     "A1",
     "Comments", "Commentsx", "terms of use", "Tags: algebra", "stags: x", "a, b, c; d: e!", "Ünïcode ÉTÉ", "ÉTÉ",
     "menu",
     "mentions légales", "x" * 199 + "cookie", "word " * 45, "Long prose, with commas, that goes on. " * 9]
) | st.text("ab .,:|»版。1290/É", min_size=1, max_size=30)  # fmt: skip
_TAGS = ["p", "div", "li", "h1", "h2", "tr", "pre", "blockquote", "td", "span"]
_PIECES = st.tuples(_TEXTS, st.sampled_from(_TAGS), st.booleans(), st.sampled_from(["", "post", "footer", "nav"]))


def slow_blocks(blocks: Blocks) -> list[SlowBlock]:
    return [
        SlowBlock(
            blocks.text_of(i), blocks.tag_of(i), int(row[B_CHARS]), int(row[B_LINK_CHARS]), int(row[B_LINKS]),
            int(row[B_DEPTH]), int(row[B_CONTAINER]), int(row[B_FORMULAS]), bool(row[B_BITS] & HOLDS_CODE),
            float(blocks.weights[i]),
        )
        for i, row in enumerate(blocks.rows)
    ]  # fmt: skip


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.lists(_PIECES, min_size=1, max_size=12))
@example([("0:0»", "p", False, "")])
@example([("Share»", "p", False, ""), ("éshare", "p", False, ""), ("版1999", "p", False, "")])
def test_scores_equal_the_sum_over_named_features(pieces: list[tuple[str, str, bool, str]]) -> None:
    markup = "".join(
        f"<{tag} class='{name}'>{f'<a href=x>{text}</a>' if is_link else text}</{tag}>"
        for text, tag, is_link, name in pieces
    )
    page = parse_html(markup.encode())
    blocks = walk_page(page, np.zeros(page.num_nodes, np.int32), WALK_TABLES)
    if len(blocks):
        assert block_scores(blocks).tolist() == pytest.approx(slow_scores(slow_blocks(blocks)), abs=1e-9)


def test_the_best_block_stays_where_none_is_good() -> None:
    page = parse_html(b"<footer class=footer><a href=x>Privacy policy</a></footer><nav><a href=y>Login</a></nav>")
    blocks = walk_page(page, np.zeros(page.num_nodes, np.int32), WALK_TABLES)
    assert content_blocks(blocks) == [int(block_scores(blocks).argmax())]


def test_a_formula_speaks_for_a_block() -> None:
    page = parse_html(b"<div class=menu><p>x</p><p>a b c</p></div>" + b"<p>Some longer text, of a page.</p>" * 3)
    blocks = walk_page(page, np.zeros(page.num_nodes, np.int32), WALK_TABLES)
    assert 1 not in content_blocks(blocks)
    blocks.rows[1, B_FORMULAS] = 1
    assert 1 in content_blocks(blocks)
