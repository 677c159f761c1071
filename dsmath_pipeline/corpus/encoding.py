"""Bytes of an HTML page to text, whatever the labels say.

Order: byte order mark, valid UTF-8, UTF-16 without a mark, the HTTP charset, the `meta` charset, detection. A label is
believed only when the bytes fit it; a Latin label on bytes that read as an East Asian encoding is overruled. Names are
mapped as browsers do (WHATWG Encoding: "gb2312" means GB18030, "iso-8859-1" means windows-1252).

Not in the paper: decoding is not described.
"""

import codecs
import re

_BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF32_LE, "utf-32-le"), (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)  # fmt: skip
_BROWSER_NAMES = {
    "gb2312": "gb18030", "gbk": "gb18030", "x-gbk": "gb18030", "gb_2312-80": "gb18030", "iso-8859-1": "cp1252",
    "latin1": "cp1252", "latin-1": "cp1252", "us-ascii": "cp1252", "ascii": "cp1252", "iso8859-1": "cp1252",
    "windows-1252": "cp1252", "iso-8859-9": "cp1254", "shift_jis": "cp932", "shift-jis": "cp932", "sjis": "cp932",
    "x-sjis": "cp932", "windows-31j": "cp932", "euc-kr": "cp949", "ks_c_5601-1987": "cp949", "ksc5601": "cp949",
    "big5": "big5hkscs", "big5-hkscs": "big5hkscs", "x-euc-jp": "euc_jp", "tis-620": "cp874", "iso-8859-11": "cp874",
    "iso-8859-8-i": "iso-8859-8", "x-mac-cyrillic": "mac_cyrillic", "utf8": "utf-8",
}  # fmt: skip
_CHARSET = re.compile(r"charset\s*=\s*[\"']?\s*([A-Za-z0-9_:.\-]+)", re.I)
_META_CHARSET = re.compile(rb"<(?:meta|\?xml)[^>]{0,300}?(?:charset|encoding)\s*=\s*[\"']?\s*([A-Za-z0-9_:.\-]+)", re.I)
_META_BYTES = 8192
_WESTERN = ("cp1252", "cp1254", "iso8859-15")
_EAST_ASIAN = ("gb18030", "big5hkscs", "cp932", "euc_jp", "cp949")
_MAX_BAD_SHARE = 0.02
"""A label is believed although up to this share of the non-ASCII bytes does not fit it: pages are pasted together."""


def decode_html(raw: bytes, content_type: str = "") -> str:
    """The text of an HTML page; undecodable bytes become U+FFFD. Never raises."""
    for mark, name in _BYTE_ORDER_MARKS:
        if raw.startswith(mark):
            return raw[len(mark) :].decode(name, "replace")
    try:
        if b"\0" not in raw[:4096] and b"\x1b$" not in raw:
            return raw.decode("utf-8")
    except UnicodeDecodeError:
        pass  # not UTF-8: the labels and the detector decide
    if utf16 := _utf16_without_mark(raw):
        return raw.decode(utf16, "replace")
    labels = [m[1] for m in [_CHARSET.search(content_type)] if m]
    labels += [m[1].decode("ascii") for m in _META_CHARSET.finditer(raw[:_META_BYTES])]
    detected = ""
    for label in labels:
        name = python_codec(label)
        if not name or not _fits(raw, name):
            continue
        if name in _WESTERN:
            detected = detected or _detect(raw)
            if detected in _EAST_ASIAN and _fits(raw, detected):
                return raw.decode(detected, "replace")
        return raw.decode(name, "replace")
    return raw.decode(detected or _detect(raw), "replace")


def python_codec(label: str) -> str:
    """Python's name for an encoding label as a browser understands it; empty when unknown."""
    label = label.strip().lower()
    name = _BROWSER_NAMES.get(label, label)
    try:
        return codecs.lookup(name).name if name not in ("utf-16", "utf-7", "base64", "hex", "rot13") else ""
    except LookupError:
        return ""


def _fits(raw: bytes, name: str) -> bool:
    """Do (nearly) all bytes decode?"""
    try:
        text = raw.decode(name, "replace")
    except (LookupError, ValueError, TypeError, AssertionError):
        return False  # codecs that are not text encodings
    bad = text.count("\ufffd")
    return not bad or bad <= _MAX_BAD_SHARE * sum(1 for character in text if character > "\x7f")


def _detect(raw: bytes) -> str:
    from resiliparse.parse.encoding import detect_encoding

    return python_codec(detect_encoding(raw[:200_000], from_html_meta=False) or "") or "cp1252"


def _utf16_without_mark(raw: bytes) -> str:
    """UTF-16 markup has a zero in every second byte of its ASCII part."""
    head = raw[:400]
    if len(head) < 8 or head.count(0) < len(head) // 4:
        return ""
    return "utf-16-le" if head[1::2].count(0) > head[::2].count(0) else "utf-16-be"
