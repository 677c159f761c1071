"""The walk: white space, structure, scripts, links, code, path words; references against the standard library."""

import html
import re
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dsmath_pipeline.corpus.html_tree import parse_html
from dsmath_pipeline.corpus.layout import Blocks, walk_page, walk_tables
from dsmath_pipeline.corpus.layout_kernel import (
    B_BITS,
    B_CHARS,
    B_CONTAINER,
    B_DEPTH,
    B_FORMULAS,
    B_LINK_CHARS,
    B_LINKS,
    DROP,
)
from dsmath_pipeline.corpus.text_kernel import HOLDS_CODE, HOLDS_TEX_SIGN

WEIGHTS = {"<nav>": 1.0, "<li>": 2.0, "post": 4.0, "content": 8.0, "faq": 16.0, "role=main": 32.0, "hidden": 64.0}
TABLES = walk_tables(WEIGHTS)


def walk(markup: str, claims: dict[str, int] | None = None) -> Blocks:
    """Blocks of a page; `claims` by tag."""
    page = parse_html(markup.encode())
    numbers = np.zeros(page.num_nodes, np.int32)
    for tag, claim in (claims or {}).items():
        for element in page.elements(tag):
            numbers[element.row] = claim
    return walk_page(page, numbers, TABLES)


def texts(markup: str) -> list[tuple[str, str]]:
    blocks = walk(markup)
    return [(blocks.tag_of(i), blocks.text_of(i)) for i in range(len(blocks))]


@pytest.mark.parametrize(
    ("markup", "expected"),
    [
        ("  a \n\t b&nbsp; c\u3000d ", [("body", "a b c d")]),
        ("<p> a <b> b</b> </p>c", [("p", "a b"), ("body", "c")]),
        ("<p>a<br>b <br> <br><br> c<br></p>", [("p", "a\nb\n\nc")]),
        ("<div>a<div>b</div>c</div>", [("div", "a"), ("div", "b"), ("div", "c")]),
        ("<ul><li><p>a</p><div>b</div></li></ul>", [("li", "a"), ("li", "b")]),
        ("<table><tr><td>a</td><td> b </td></tr><tr><td></td><td>c</table>", [("tr", "a\tb"), ("tr", "c")]),
        ("<pre>\n a\n  b\t&lt;\n</pre>", [("pre", " a\n  b\t<")]),
        ("x<sup>2</sup> y<sub>ij</sub> 4<sup>th</sup> (a)<sup>&minus;1</sup>", [("body", "x^2 y_{ij} 4th (a)^{−1}")]),
        ("word<sup><a href=#n>1</a></sup> , <sup>2</sup>", [("body", "word1 , 2")]),
        ("<p>a<script>b</script><style>c</style><svg><text>d</text></svg><select><option>e</select>f", [("p", "af")]),
        ("<noscript>turn it on</noscript>a", [("body", "a")]),
        (f"<noscript>{'word ' * 60}</noscript>", [("noscript", ("word " * 60).strip())]),
        ("<h2>a</h2><blockquote>b</blockquote>", [("h2", "a"), ("blockquote", "b")]),
        ("a\ue000\uf8ffb\0c", [("body", "abc")]),
        ("<p> \n </p><div><br></div>", []),
        ("中文，<b>公式</b>。", [("body", "中文，公式。")]),
    ],
)
def test_text_and_blocks(markup: str, expected: list[tuple[str, str]]) -> None:
    assert texts(markup) == expected


def test_numbers_of_a_block() -> None:
    blocks = walk("<div><p>see <a href=x>the old page</a> or <a href=y>é</a><a>no link</a></p></div>")
    assert blocks.text_of(0) == "see the old page or éno link"
    row = blocks.rows[0]
    assert row[[B_CHARS, B_LINK_CHARS, B_LINKS, B_DEPTH]].tolist() == [28, 13, 2, 2]


def test_neighbours_share_a_container() -> None:
    rows = walk("<div><p>a<p>b</div><div><p>c</div>").rows[:, B_CONTAINER].tolist()
    assert rows[0] == rows[1] != rows[2]


def test_a_link_closed_across_a_block_ends_there() -> None:
    blocks = walk("<a href=x>in<div>side</a> outside</div>")
    assert [(blocks.text_of(i), int(blocks.rows[i, B_LINK_CHARS])) for i in range(2)] == [
        ("in", 2),
        ("side outside", 4),
    ]


def test_code_is_marked_and_its_tex_signs_are_hidden() -> None:
    blocks = walk("<p>a $x$ <code>$HOME\\n</code></p><p>b [tex]</p><p>c [1]</p><pre>$a &lt;math> [tex]</pre>")
    assert blocks.text_of(0) == "a $x$ \ue002HOME\ue003n"
    assert blocks.rows[:, B_BITS].tolist() == [HOLDS_CODE | HOLDS_TEX_SIGN, HOLDS_TEX_SIGN, 0, HOLDS_CODE]


def test_claimed_elements_become_placeholders_or_nothing() -> None:
    blocks = walk("<p>a <math><mi>x</mi></math> b <u>gone</u>c</p>", {"math": 124, "u": DROP})
    assert blocks.text_of(0) == "a \ue000123\ue001 b c"
    assert blocks.rows[0, [B_FORMULAS, B_CHARS]].tolist() == [1, len("a \ue000123\ue001 b c")]


@pytest.mark.parametrize(
    ("markup", "weight"),
    [
        ("<p>a", 0), ("<nav>a", 1), ("<nav><nav>a", 1), ("<nav></nav>a", 0), ("<ul><li>a", 2),
        ("<p class='postContent'>a", 12), ("<p class=post id=main-CONTENT>a", 12), ("<p class=FAQPost>a", 20),
        ("<p class=posts>a", 0), ("<p class=post2x>a", 4), ("<div class=post><p class=post>a", 4),
        ("<div role=main>a", 32), ("<div role=navigation>a", 0), ("<div hidden>a", 64), ("<p aria-hidden=true>a", 64),
        ("<p aria-hidden=false>a", 0), ("<p style='color:red; display : NONE'>a", 64), ("<p style=display:block>a", 0),
        ("<p style='visibility:hidden'>a", 64), ("<nav class=post>a</nav>", 5),
    ],
)  # fmt: skip
def test_words_around_a_block_are_weighed_once(markup: str, weight: float) -> None:
    assert walk(markup).weights[0] == pytest.approx(weight)


@settings(max_examples=500, deadline=None, derandomize=True)
@given(
    st.lists(
        st.sampled_from(["&amp;", "&amp", "&lt", "&gt;x", "&#65;", "&#x1F600;", "&#xD800;", "&#128;", "&#150;",
                         "&notin;",
                         "&notit;", "&NotEqualTilde;", "&hellip;", "&copy2", "&", "&#", "&#x", "&;", "é", "😀", "￿"])
        | st.text(min_size=1, max_size=4)
    )
)  # fmt: skip
def test_text_is_decoded_and_collapsed_as_a_slow_reading_would(parts: list[str]) -> None:
    markup = "x" + re.sub("[<\ue000-\uf8ff\x00-\x1f\x7f-\x9f\ud800-\udfff]", "", "".join(parts))
    expected = re.sub("[\ue000-\uf8ff\x00]", "", html.unescape(markup))
    expected = re.sub(r"[ \t\r\n\f\x0b\xa0\u3000\x00-\x1f]+", " ", expected).strip(" ")
    blocks = walk(markup)
    assert blocks.text_of(0) == expected
    assert blocks.rows[0, B_CHARS] == len(expected)


@pytest.mark.parametrize("attribute_bytes", [10, 5_000, 300_000])
def test_a_long_attribute_before_the_text_costs_no_text_whatever_the_reused_arrays_hold(attribute_bytes: int) -> None:
    def blocks() -> list[tuple[str, str]]:
        return texts(f"<div data-preloaded='{'a' * attribute_bytes}'></div><p>word")

    with ThreadPoolExecutor(1) as fresh:  # a thread has arrays of its own, so these are as small as the page allows
        alone = fresh.submit(blocks).result()
    walk("<p>" + "text " * 1_000_000)
    assert alone == blocks() == [("p", "word")]
