"""One page to one document: decoding, structure, boilerplate, title, reasons for dropping."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dsmath_pipeline.corpus.encoding import decode_html
from dsmath_pipeline.corpus.extract import Dropped, extract
from dsmath_pipeline.recipe.schema import ExtractSettings
from dsmath_pipeline.records import Document, Page

REAL = Path(__file__).parents[2] / os.environ.get("DSMATH_REAL_DATA", "../shared/data")
SETTINGS = ExtractSettings()
PROSE = (
    "A group is a set with an associative operation, a neutral element and inverses for every element. "
    "Groups describe symmetry, and they are studied in algebra, geometry and physics alike. "
)


def document(html: str | bytes, content_type: str = "", **options: Any) -> Document:
    raw = html.encode() if isinstance(html, str) else html
    found = extract(Page("https://e.org/", raw, "a.html", content_type=content_type), ExtractSettings(**options))
    assert isinstance(found, Document), found
    return found


def test_navigation_and_footer_go_and_the_article_stays() -> None:
    html = f"""<html><head><title> Groups  and
    rings </title></head><body>
    <nav class="menu"><ul><li><a href=/>Home</a></li><li><a href=/a>About the site</a></li></ul></nav>
    <main><h1>Groups</h1><p>{PROSE}</p><p>{PROSE}</p>
    <ul><li>The neutral element is unique in every group.</li></ul></main>
    <footer class="footer"><p>Copyright 2026 <a href=/p>Privacy policy</a></p></footer></body></html>"""
    found = document(html)
    assert "# Groups" in found.text
    assert found.text.count("A group is a set") == 2
    assert "- The neutral element is unique" in found.text
    assert "About the site" not in found.text and "Copyright" not in found.text
    assert (found.title, found.language) == ("Groups and rings", "en")


def test_structure_is_kept() -> None:
    html = """<h2>Table</h2><table><tr><th>n</th><th>n!</th></tr><tr><td>3</td><td>6</td></tr></table>
    <p>one<br>two</p><ol><li>first</li><li>second</li></ol><pre>def f(x):
    return x</pre><p>2<sup>10</sup> and x<sub>i</sub>, the 4<sup>th</sup></p>"""
    assert document(html, main_content=False).text == (
        "## Table\n\nn\tn!\n3\t6\n\none\ntwo\n\n- first\n- second\n\ndef f(x):\n    return x\n\n2^{10} and x_i, the 4th"
    )


def test_scripts_styles_and_forms_are_never_text() -> None:
    html = "<p>text</p><script>var a='secret'</script><style>p{color:secret}</style><textarea>secret</textarea>"
    assert document(html, main_content=False).text == "text"


def test_text_is_cut_at_the_limit_and_lists_only_the_formulas_that_are_left() -> None:
    found = document("<p>$a^2$</p><p>" + "word " * 40 + "</p><p>$b^2$</p>", main_content=False, max_text_chars=50)
    assert len(found.text) <= 50
    assert found.formulas == ("a^2",)


@pytest.mark.parametrize(
    ("html", "reason"),
    [(b"", "empty_page"), (b"<html><body></body></html>", "no_text"), (b"<p>" + b"x" * 99, "too_large")],
)
def test_pages_without_a_document_say_why(html: bytes, reason: str) -> None:
    found = extract(Page("u", html, "a.html", 7), ExtractSettings(max_html_bytes=100))
    assert found == Dropped("u", reason, "a.html", 7)


@pytest.mark.parametrize(
    ("text", "codec", "content_type", "meta"),
    [
        ("Größe und Maß der Fläche", "utf-8", "", ""),
        ("Größe und Maß der Fläche", "cp1252", "text/html; charset=iso-8859-1", ""),
        ("设函数在区间上连续可导", "gb18030", "", "gb2312"),
        ("设函数在区间上连续可导，则存在一点", "utf-8", "text/html; charset=gbk", "gbk"),  # the labels lie
        ("Теорема о среднем значении", "cp1251", "text/html; charset=windows-1251", ""),
        ("Größe", "utf-16", "", ""),  # with a byte order mark
        ("<p>plain ascii text</p>", "utf-16-le", "", ""),  # without one
        ("関数の微分と積分", "shift_jis", "text/html; charset=Shift_JIS", ""),
    ],
)
def test_pages_decode_whatever_the_label(text: str, codec: str, content_type: str, meta: str) -> None:
    head = f"<meta charset='{meta}'>" if meta else ""
    assert text in decode_html((head + text).encode(codec), content_type)


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=400), st.sampled_from(["", "text/html; charset=utf-16", "x; charset=rot13", "charset=big5"]))
def test_no_bytes_make_decoding_or_extraction_raise(raw: bytes, content_type: str) -> None:
    decode_html(raw, content_type)
    extract(Page("u", raw, "s", content_type=content_type), SETTINGS)


@settings(max_examples=80, deadline=None)
@given(
    st.lists(
        st.sampled_from([*"<>/ps$\\()[]{}=ab1^_&; \n", "<div>", "</p>", "<math>", "<script type=math/tex>", "<sup>"])
    )
)
def test_no_markup_makes_extraction_raise(parts: list[str]) -> None:
    extract(Page("u", "".join(parts).encode(), "s"), ExtractSettings(main_content=False))


def test_deep_nesting_does_not_exhaust_the_stack() -> None:
    assert "deep" in document("<div>" * 5000 + "deep" + "</div>" * 5000, main_content=False).text


@pytest.mark.skipif(not (REAL / "warc_fixtures/encodings").exists(), reason=f"no real data at {REAL}")
def test_real_files_in_many_encodings_decode_without_labels() -> None:
    rows = [json.loads(line) for line in (REAL / "warc_fixtures/encodings_manifest.jsonl").open(encoding="utf-8")]
    good = bad = 0
    for row in rows:
        codec = row["true_encoding"].split("-hungarian")[0]
        for suffix in ("bulgarian", "russian", "greek", "hebrew", "turkish", "slovak", "czech", "croatian", "polish",
                       "slovene", "arabic", "romanian"):  # fmt: skip
            codec = codec.removesuffix(f"-{suffix}")
        raw = (REAL / "warc_fixtures" / row["file"]).read_bytes()
        try:
            expected = raw.decode({"GB2312": "gb18030", "MacCyrillic": "mac_cyrillic"}.get(codec, codec))
        except UnicodeDecodeError:
            continue
        same = decode_html(raw).strip("\ufeff") == expected.strip("\ufeff")
        good, bad = good + same, bad + (not same)
    assert good / (good + bad) > 0.6, (good, bad)
