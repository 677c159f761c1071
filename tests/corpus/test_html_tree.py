"""The compiled parser: hand-made trees, Lexbor as the reference, hostile input."""

import html
import os
import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from selectolax.lexbor import LexborHTMLParser, LexborNode

from dsmath_pipeline.corpus.encoding import decode_to_utf8
from dsmath_pipeline.corpus.html_tags import TEXT
from dsmath_pipeline.corpus.html_tree import Candidates, Element, parse_fragment, parse_html
from dsmath_pipeline.corpus.warc import ReadReport, read_pages
from dsmath_pipeline.recipe.schema import ExtractSettings
from tests.corpus.bounds import run_with_bounds_checks

REAL = Path(__file__).parents[2] / os.environ.get("DSMATH_REAL_DATA", "../shared/data")


def tree(markup: str) -> str:
    """The tree in short: tag(children), texts quoted."""
    return _inside(parse_fragment(markup))


def _inside(element: Element) -> str:
    parts = []
    children = {child.row: child for child in element.children()}
    row = element.row + 1
    while row < element.end:
        if row in children:
            parts.append(f"{children[row].tag}({_inside(children[row])})")
            row = children[row].end
        else:
            parts.append(repr(element._text_of(row)))
            row += 1
    return " ".join(parts)


@pytest.mark.parametrize(
    ("markup", "expected"),
    [
        ("<html><head><title>t</title></head><body class=x>a</body></html>b", "title('t') 'a' 'b'"),
        ("<p>a<p>b<div>c</div>d", "p('a') p('b') div('c') 'd'"),
        ("<ul><li>a<li>b<ul><li>c</ul><li>d</ul>e", "ul(li('a') li('b' ul(li('c'))) li('d')) 'e'"),
        ("<dl><dt>a<dd>b<dt>c</dl>", "dl(dt('a') dd('b') dt('c'))"),
        ("<h1>a<h2>b</h1>c", "h1('a') h2('b') 'c'"),
        ("<table><tr><td>a<td>b<tr><th>c</table>d", "table(tr(td('a') td('b')) tr(th('c'))) 'd'"),
        ("<table><td>a</table>", "table(tr(td('a')))"),
        ("<table><tr><td><table><tr><td>a</table>b<td>c</table>", "table(tr(td(table(tr(td('a'))) 'b') td('c')))"),
        ("<tr><td>a</td></tr>", "'a'"),
        ("<b>a<i>b</b>c</i>d", "b('a' i('b')) 'c' 'd'"),
        ("<a href=x>a<a href=y>b</a>c", "a('a') a('b') 'c'"),
        ("<button>a<button>b</button>", "button('a') button('b')"),
        ("<span>a</div>b</span>c", "span('a' 'b') 'c'"),
        ("a</p>b", "'a' p() 'b'"),
        ("a</br>b", "'a' br() 'b'"),
        ("a<br/>b<img src=x>c<hr>d", "'a' br() 'b' img() 'c' hr() 'd'"),
        ("<div/>a", "div('a')"),
        ("<select><option>a<option>b<p>c</select>d", "select(option('a') option('b' 'c')) 'd'"),
        ("<select><div>a<input>b", "select('a') input() 'b'"),
        ("<form>a<form>b</form>c", "form('a' 'b') 'c'"),
        ("<script>if (a<b) '</p>'</script>c", "script(\"if (a<b) '</p>'\") 'c'"),
        ("<script><!-- <script>x</script> --></script>c", "script('<!-- <script>x</script> -->') 'c'"),
        ("<style>a>b{}</style><textarea><b>&amp;</textarea>c", "style('a>b{}') textarea('<b>&') 'c'"),
        ("a<!-- <p>b --->c<!-->d<!doctype x>e<?php f ?>g</ h>i", "'a' 'c' 'd' 'e' 'g' 'i'"),
        ("a < b <3 & c &lt; d &copy &nosuch;", "'a < b <3 & c < d © &nosuch;'"),
        ("<math><mi>x</mi><mspace/><mo>=</mo></math>y", "math(mi('x') mspace() mo('=')) 'y'"),
        ("<math><mo data-latex=/>/</mo></math>", "math(mo('/'))"),
        ("<math><mi>x<p>y</p></mi></math>", "math(mi('x' p('y')))"),
        ("<math><mi>x</mi><p>y", "math(mi('x')) p('y')"),
        ("<svg><title>a</title><path/><![CDATA[b<c]]></svg>d", "svg(title('a') path() 'b<c') 'd'"),
        ("<m:math><m:mi>x</m:mi></m:math>", "m:math(m:mi('x'))"),
        ("a<b", "'a'"),
        ("a<b c='d", "'a'"),
        ("a<", "'a<'"),
    ],
)
def test_trees_that_a_browser_makes(markup: str, expected: str) -> None:
    assert tree(markup) == expected


def test_attributes() -> None:
    element = parse_fragment(
        """<a HREF="x&amp;y" b='1>2' c=d/e f g = "h" HREF=later class="A b&nbsp;c"/>t"""
    ).children()[0]
    assert element.attributes == {
        "href": "x&y", "b": "1>2", "c": "d/e", "f": "", "g": "h", "class": "A b\xa0c",
    }  # fmt: skip
    assert element.classes == ["A", "b", "c"]
    assert element.text() == "t"


def test_looking_around() -> None:
    root = parse_fragment("<div id=1>a<b class='x y'>c</b>d<i q=1>e<u>f</u></i></div><p>g")
    div, paragraph = root.children()
    bold, italic = div.children()
    assert [e.tag for e in root.descendants()] == ["div", "b", "i", "u", "p"]
    assert div.text() == "acdef" and root.text() == "acdefg"
    assert div.first("i") == italic and div.first(class_name="y") == bold and div.first(attribute="q") == italic
    assert div.first("p") is None and root.first("p") == paragraph
    assert [x if isinstance(x, str) else x.tag for x in bold.following()] == ["d", "i"]
    assert bold.parent() == div and div.parent() is None
    assert list(paragraph.following()) == []


def test_candidates_are_marked() -> None:
    page = parse_html(
        b'<p class=MyKaTeX>a</p><p class=other>b</p><span data-tex=x>c</span><script type="math/tex">d</script>'
        b'<script type=module>e</script><math></math><img alt="$x$"><img alt=cat src=dog.png><x:math></x:math>',
        Candidates(("katex",), ("data-tex",)),
    )
    marked = [Element(page, row) for row in page.candidates()]
    assert [(e.tag, e.attributes.get("class", "")) for e in marked] == [
        ("p", "MyKaTeX"), ("span", ""), ("script", ""), ("math", ""), ("img", ""), ("x:math", ""),
    ]  # fmt: skip


_BLOCKS = ["p", "div", "ul", "li", "dl", "dt", "dd", "h1", "h2", "blockquote", "section", "pre", "button"]
_FORMATTING = ["b", "i", "a", "em", "font", "span"]
_SOUP = st.lists(
    st.sampled_from(
        [f"<{tag}>" for tag in [*_BLOCKS, *_FORMATTING, "br", "hr"]]
        + [f"</{tag}>" for tag in [*_BLOCKS, *_FORMATTING]]
        + ["<a href=x>", "<!-- c -->", "&amp;", "&lt;p&gt;"]
    )
    | st.text("xyz ", min_size=1, max_size=3),
    max_size=30,
)


def _lexbor_texts(node: LexborNode, found: list[str]) -> list[str]:
    """Each text with the tags of the blocks around it; formatting elements do not count (they are rebuilt there)."""
    child = node.first_child
    while child is not None:
        if child.is_text_node:
            around, up = [], child.parent
            while up is not None and up.tag != "body":
                if up.tag not in _FORMATTING:
                    around.append(up.tag)
                up = up.parent
            found += [f"{character}:{'<'.join(map(str, around))}" for character in child.text_content or ""]
        elif child.is_element_node:
            _lexbor_texts(child, found)
        child = child.next
    return found


def _our_texts(markup: str) -> list[str]:
    page = parse_html(markup.encode())
    found = []
    for row in range(page.num_nodes):
        if page.nodes[row, 0] == TEXT:
            around, element = [], Element(page, int(page.nodes[row, 1])) if page.nodes[row, 1] >= 0 else None
            while element is not None:
                if element.tag not in _FORMATTING:
                    around.append(element.tag)
                element = element.parent()
            text = Element(page, -1)._text_of(row)
            found += [f"{character}:{'<'.join(around)}" for character in text]
    return found


@settings(max_examples=400, deadline=None, derandomize=True)
@given(_SOUP)
def test_tag_soup_gives_the_text_and_blocks_of_the_reference_parser(soup: list[str]) -> None:
    markup = "<body>x" + "".join(soup)
    body = LexborHTMLParser(markup).body
    assert body is not None
    # A line break right after <pre> is dropped by parsers; none is generated here.
    assert _our_texts(markup) == _lexbor_texts(body, [])


@pytest.mark.slow
def test_real_pages_have_the_text_of_the_reference_parser() -> None:
    files = sorted((REAL / "crawl").glob("*.warc.gz"))
    if not files:
        pytest.skip(f"no real crawl at {REAL}")
    same = pages = 0
    for page in read_pages(files[0], ExtractSettings(), ReadReport()):
        data = decode_to_utf8(page.html, page.content_type).replace(b"\0", b"")
        reference = LexborHTMLParser(data).body
        if reference is None:
            continue
        pages += 1
        same += _letters(_our_visible(data)) == _letters(_lexbor_visible(reference, []))
    assert pages > 400
    assert same / pages >= 0.985


_UNSEEN = frozenset(("script", "style", "title", "noscript", "template", "textarea", "select", "iframe", "svg"))


def _letters(parts: list[str]) -> str:
    return re.sub(r"\s+", "", "".join(parts))


def _lexbor_visible(node: LexborNode, found: list[str]) -> list[str]:
    child = node.first_child
    while child is not None:
        if child.is_text_node:
            found.append(child.text_content or "")
        elif child.is_element_node and child.tag not in _UNSEEN:
            _lexbor_visible(child, found)
        child = child.next
    return found


def _our_visible(data: bytes) -> list[str]:
    page = parse_html(data)
    found, row = [], 0
    while row < page.num_nodes:
        element = Element(page, row)
        if page.nodes[row, 0] == TEXT:
            found.append(element._text_of(row))
        elif element.tag in _UNSEEN:
            row = element.end
            continue
        row += 1
    return found


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.binary(max_size=200) | st.text("<>/=\"' !-&;#xamp\0abc", max_size=200).map(str.encode))
def test_any_bytes_give_a_sound_table(data: bytes) -> None:
    page = parse_html(data.decode("utf-8", "replace").encode())
    open_ends = [page.num_nodes]
    for row in range(page.num_nodes):
        tag, parent, end = page.nodes[row, :3].tolist()
        while open_ends[-1] <= row:
            open_ends.pop()
        assert row < end <= open_ends[-1], "nodes are nested"
        assert -1 <= parent < row
        assert tag != TEXT or end == row + 1
        open_ends.append(end)


@pytest.mark.parametrize(
    "unit", ["<a>", "<div>", "<table><tr><td>", "<b><p>", "</p>", "<p", "<!--", "<svg>", "&#", "<x y="]
)
def test_endless_nesting_stays_bounded(unit: str) -> None:
    page = parse_html((unit * 300_000).encode())
    assert page.num_nodes <= 1 << 20
    depth = 0
    for row in range(min(page.num_nodes, 2000)):
        element, steps = Element(page, row).parent(), 0
        while element is not None:
            element, steps = element.parent(), steps + 1
        depth = max(depth, steps)
    assert depth <= 400


@pytest.mark.slow
def test_no_access_beyond_an_array(tmp_path: Path) -> None:
    """Compiled with bounds checks, in a cache of their own, the kernels run over mutated pages without an error."""
    run_with_bounds_checks("bounds_check.py", tmp_path)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(
    st.lists(
        st.sampled_from(
            ["&amp;", "&amp", "&lt", "&gt;", "&#65;", "&#x1F600;", "&#0;", "&#xD800;", "&#128;", "&notin;", "&notit;",
             "&#", "&NotEqualTilde;", "&hellip;", "&copy2", "&", "&#x", "&;", "a", "1", ";"]
        )
    )
)  # fmt: skip
def test_references_decode_as_in_the_standard_library(parts: list[str]) -> None:
    text = "".join(parts)
    assert parse_fragment(f"<p>{text}</p>").children()[0].text() == html.unescape(text)
