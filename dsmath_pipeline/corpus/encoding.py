"""Bytes of an HTML page to text, whatever the labels say.

Order: byte order mark, valid UTF-8, UTF-16 without a mark, the HTTP charset, the `meta` charset, detection
(charset_guess.py). A label is believed only when the bytes fit it; a Latin label on bytes that read as an East Asian
encoding is overruled. Names are mapped as browsers do (WHATWG Encoding: "gb2312" means GB18030, "iso-8859-1" means
windows-1252), with one exception: "shift_jis" is read as JIS X 0208 says where that reads every byte, because it has a
minus sign where windows-31j has a full-width hyphen.

Not in the paper: decoding is not described.
"""

import codecs
import re

import pyarrow as pa

from .charset_guess import guess_charset

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
    if _may_be_utf8(raw):
        try:
            return raw.decode("utf-8")
        except UnicodeDecodeError:
            pass  # not UTF-8: the labels and the detector decide
    return _decode_other(raw, content_type)


def decode_to_utf8(raw: bytes, content_type: str = "") -> bytes:
    """The page as valid UTF-8 without a byte order mark: `raw` itself when it is that already. Never raises."""
    if _may_be_utf8(raw) and is_utf8(raw):
        return raw
    return _decode_other(raw, content_type).encode("utf-8", "replace")


def is_utf8(raw: bytes) -> bool:
    """Would `raw.decode("utf-8")` succeed? Four times as fast on pages, because no text is made."""
    offsets = pa.py_buffer((0).to_bytes(8, "little") + len(raw).to_bytes(8, "little"))
    try:
        pa.Array.from_buffers(pa.large_utf8(), 1, [None, offsets, pa.py_buffer(raw)]).validate(full=True)
    except pa.ArrowInvalid:
        return False
    return True


def _may_be_utf8(raw: bytes) -> bool:
    """No byte order mark, and no sign of UTF-16 or ISO-2022-JP, whose bytes are valid UTF-8."""
    return raw[:1] not in (b"\xef", b"\xff", b"\xfe") and b"\0" not in raw[:4096] and b"\x1b$" not in raw


def _decode_other(raw: bytes, content_type: str) -> str:
    for mark, name in _BYTE_ORDER_MARKS:
        if raw.startswith(mark):
            return raw[len(mark) :].decode(name, "replace")
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
                return _decode(raw, detected)
        return _decode(raw, name)
    return _decode(raw, detected or _detect(raw))


def _decode(raw: bytes, name: str) -> str:
    if name == "cp932":
        try:
            return raw.decode("shift_jis")
        except UnicodeDecodeError:
            pass  # has one of the characters that only Microsoft's table holds
    return raw.decode(name, "replace")


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
    return python_codec(guess_charset(raw)) or "cp1252"


def _utf16_without_mark(raw: bytes) -> str:
    """UTF-16 markup has a zero in every second byte of its ASCII part."""
    head = raw[:400]
    if len(head) < 8 or head.count(0) < len(head) // 4:
        return ""
    return "utf-16-le" if head[1::2].count(0) > head[::2].count(0) else "utf-16-be"
