"""Bytes to text: labels true, missing and lying; detection; the way to UTF-8."""

import json
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dsmath_pipeline.corpus.encoding import decode_html, decode_to_utf8, is_utf8
from tests.corpus.crawl_files import REAL

CHINESE = "设函数在闭区间上连续，在开区间内可导，则至少存在一点使得等式成立。这就是拉格朗日中值定理的内容。"
TRADITIONAL = "設函數在閉區間上連續，在開區間內可導，則至少存在一點使得等式成立。這就是拉格朗日中值定理的內容。"
JAPANESE = "関数が閉区間で連続であり、開区間で微分可能であるとき、次の等式を満たす点が少なくとも一つ存在する。"
KOREAN = "함수가 닫힌 구간에서 연속이고 열린 구간에서 미분 가능하면 다음 등식을 만족하는 점이 적어도 하나 존재한다."
RUSSIAN = (
    "Если функция непрерывна на отрезке и дифференцируема внутри него, то найдётся такая точка, что верно равенство."
)
CZECH = "Je-li funkce spojitá na uzavřeném intervalu a diferencovatelná uvnitř, pak existuje bod, že platí následující."
GREEK = (
    "Αν η συνάρτηση είναι συνεχής στο κλειστό διάστημα και παραγωγίσιμη στο ανοικτό, υπάρχει ένα τουλάχιστον σημείο."
)
GERMAN = (
    "Ist die Funktion stetig und im Inneren differenzierbar, so gibt es mindestens eine Stelle für größere Flächen."
)

SAMPLES = [
    (CHINESE, "gb18030", "gbk"), (CHINESE, "gb2312", "gb2312"), (TRADITIONAL, "big5", "big5"),
    (JAPANESE, "shift_jis", "Shift_JIS"), (JAPANESE, "euc_jp", "EUC-JP"), (KOREAN, "euc_kr", "euc-kr"),
    (RUSSIAN, "cp1251", "windows-1251"), (RUSSIAN, "koi8_r", "koi8-r"), (RUSSIAN, "iso8859_5", "iso-8859-5"),
    (CZECH, "cp1250", "windows-1250"), (CZECH, "iso8859_2", "iso-8859-2"), (GREEK, "cp1253", "windows-1253"),
    (GERMAN, "cp1252", "iso-8859-1"),
]  # fmt: skip


def page(text: str, codec: str, label: str = "") -> bytes:
    meta = f'<meta charset="{label}">' if label else ""
    return f"<html><head>{meta}<title>x</title></head><body><p>{text}</p></body></html>".encode(codec)


@pytest.mark.parametrize(("text", "codec", "label"), SAMPLES)
def test_an_http_label_a_meta_label_and_no_label_give_the_same_text(text: str, codec: str, label: str) -> None:
    assert text in decode_html(page(text, codec), f"text/html; charset={label}")
    assert text in decode_html(page(text, codec, label))
    if text is not CZECH:  # too short to tell windows-1250 from ISO 8859-2
        assert text in decode_html(page(text, codec))


@pytest.mark.parametrize("codec", ["utf-16", "utf-16-le", "utf-16-be", "utf-8-sig", "utf-32"])
def test_unicode_with_and_without_a_mark(codec: str) -> None:
    assert text_of(page(CHINESE * 2 + "x" * 200, codec)) == page(CHINESE * 2 + "x" * 200, "utf-8").decode()


def text_of(raw: bytes, content_type: str = "") -> str:
    """decode_html, which decode_to_utf8 must agree with."""
    text = decode_html(raw, content_type)
    assert decode_to_utf8(raw, content_type).decode("utf-8") == text
    return text


@pytest.mark.parametrize(
    ("text", "codec", "content_type", "meta"),
    [
        (CHINESE, "utf-8", "text/html; charset=gbk", "gb2312"),
        (CHINESE, "gb18030", "text/html; charset=utf-8", ""),
        (CHINESE, "gb18030", "text/html; charset=iso-8859-1", ""),
        (JAPANESE, "shift_jis", "text/html; charset=windows-1252", ""),
        (RUSSIAN, "cp1251", "text/html; charset=nonsense", "windows-1251"),
        (RUSSIAN, "cp1251", "text/html; charset=utf-8", ""),
        (KOREAN, "euc_kr", "text/html; charset=utf-8", "utf-8"),
    ],
)
def test_a_label_that_does_not_fit_is_not_believed(text: str, codec: str, content_type: str, meta: str) -> None:
    assert text in text_of(page(text, codec, meta), content_type)


def test_signs_of_mathematics_survive_shift_jis() -> None:
    # JIS X 0208 row 1: 81 7C is the minus sign there, a full-width hyphen in Microsoft's table.
    assert "a−b" in decode_html(b"<p>a\x81\x7cb" + JAPANESE.encode("shift_jis"), "text/html; charset=shift_jis")
    assert r"\frac" in decode_html(rb"<p>\frac" + JAPANESE.encode("shift_jis"), "text/html; charset=shift_jis")
    # 87 40 is a circled one, which only Microsoft's table has.
    assert "①" in decode_html(b"<p>\x87\x40" + JAPANESE.encode("shift_jis"), "text/html; charset=shift_jis")


def test_quotation_marks_of_windows_are_not_control_characters() -> None:
    assert decode_html(b"<p>He said, \x93The names Bond\x94 and left") == "<p>He said, “The names Bond” and left"


def test_valid_utf8_is_handed_through_without_a_copy() -> None:
    for raw in (page(CHINESE, "utf-8"), page("plain", "ascii"), b""):
        assert decode_to_utf8(raw, "text/html; charset=gbk") is raw
    assert decode_to_utf8(b"\xef\xbb\xbf<p>") == b"<p>"


@settings(max_examples=500, deadline=None, derandomize=True)
@given(
    st.one_of(
        st.binary(max_size=40),
        st.text(max_size=20).map(lambda text: text.encode("utf-8", "surrogatepass")),
        st.lists(st.sampled_from([b"\xc0\x80", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xe4\xb8", b"a", b"\xf0"])).map(
            b"".join
        ),
    )
)
def test_the_quick_check_agrees_with_the_decoder(raw: bytes) -> None:
    try:
        raw.decode("utf-8")
    except UnicodeDecodeError:
        assert not is_utf8(raw)
    else:
        assert is_utf8(raw)


LABELS = st.sampled_from(
    ["", "utf-8", "gbk", "utf-16", "utf-7", "rot13", "base64", "idna", "unicode_escape", "big5", "x"]
)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.binary(max_size=300), LABELS, LABELS)
def test_no_bytes_and_no_label_make_decoding_raise(raw: bytes, http: str, meta: str) -> None:
    text_of(b'<meta charset="%s">' % meta.encode() + raw, f"text/html; charset={http}")


CODECS = {"GB2312": "gb18030", "TIS-620": "cp874", "MacCyrillic": "mac_cyrillic"}
"""Where browsers read a name as a larger encoding whose common part differs (a dash), that is the right text."""
ANY_LABEL = re.compile(rb"(charset|encoding)(\s*=\s*[\"']?\s*)[A-Za-z0-9_:.\-]+", re.I)
needs_real_data = pytest.mark.skipif(not (REAL / "warc_fixtures").exists(), reason=f"no real data at {REAL}")


def share_decoded(strip_labels: bool, as_browsers: bool) -> float:
    rows = [json.loads(line) for line in (REAL / "warc_fixtures/encodings_manifest.jsonl").open(encoding="utf-8")]
    good = 0
    for row in rows:
        codec = row["true_encoding"]
        if codec.count("-") > (2 if codec.startswith("iso") else 1):
            codec = codec.rpartition("-")[0]  # windows-1251-russian
        codec = CODECS.get(codec, codec) if as_browsers else codec
        raw = (REAL / "warc_fixtures" / row["file"]).read_bytes()
        expected = raw.decode(codec, "replace")
        if strip_labels:
            stripped = ANY_LABEL.sub(rb"\1\2", raw)
            raw, expected = stripped, stripped.decode(codec, "replace")
        good += text_of(raw, "text/html" if strip_labels else row["content_type"]).strip("\ufeff") == expected.strip(
            "\ufeff"
        )
    return good / len(rows)


@needs_real_data
@pytest.mark.parametrize(
    ("strip_labels", "as_browsers", "least"),
    [(False, False, 0.97), (False, True, 0.99), (True, False, 0.97), (True, True, 0.98)],
)
def test_real_files_in_38_encodings_decode_to_the_right_text(
    strip_labels: bool, as_browsers: bool, least: float
) -> None:
    assert share_decoded(strip_labels, as_browsers) >= least
