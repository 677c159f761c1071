"""The lexical side of HTML, compiled by numba: attributes, comments, the ends of raw text.

WHATWG HTML, section 13.2.5. Functions take the page's bytes and a place in them and return the place behind what they
read. html_kernel.py builds the tree.
"""

import numpy as np

from .compiled import compiled
from .html_nodes import (
    BITS,
    CLASS,
    CLASS_STOP,
    CLOSED,
    HAS_HREF,
    HIDDEN,
    ID,
    ID_STOP,
    IS_CANDIDATE_NODE,
    IS_SELF_CLOSED,
    ROLE,
    ROLE_STOP,
)
from .html_tags import name_hash

FNV_START, FNV_PRIME = np.uint64(name_hash(b"")), np.uint64(0x100000001B3)
_NAMES = (b"class", b"id", b"role", b"href", b"hidden", b"aria-hidden", b"style", b"type")
_CLASS_NAME, _ID_NAME, _ROLE_NAME, _HREF_NAME, _HIDDEN_NAME, _ARIA_HIDDEN, _STYLE_NAME, _TYPE_NAME = (
    np.uint64(name_hash(name)) for name in _NAMES
)


@compiled
def read_attributes(data, at, is_end, attributes, parts, part_starts, part_firsts, tex_keys):
    """Read from behind the tag name to behind ">"; fills the columns from BITS on. -1 when the file ends before."""
    size = len(data)
    for column in range(BITS, CLOSED):
        attributes[column] = 0
    while at < size:
        byte = data[at]
        if byte == 62:
            return at + 1
        if byte <= 32 or byte == 47:
            at += 1
            if byte == 47 and at < size and data[at] == 62:
                attributes[BITS] |= IS_SELF_CLOSED
            continue
        value = FNV_START
        while at < size:
            byte = data[at]
            if byte <= 32 or byte == 47 or byte == 62 or (byte == 61 and value != FNV_START):
                break
            if 65 <= byte <= 90:
                byte += 32
            value = (value ^ np.uint64(byte)) * FNV_PRIME
            at += 1
        while at < size and data[at] <= 32:
            at += 1
        start = stop = at
        if at < size and data[at] == 61:  # "="
            at += 1
            while at < size and data[at] <= 32:
                at += 1
            if at >= size:
                return -1
            quote = data[at]
            if quote == 34 or quote == 39:
                start = at + 1
                at = start
                while at < size and data[at] != quote:
                    at += 1
                if at >= size:
                    return -1
                stop = at
                at += 1
            elif quote != 62:
                start = at
                while at < size and data[at] > 32 and data[at] != 62:
                    at += 1
                stop = at
            else:
                start = stop = at
        if not is_end:
            _note_attribute(data, value, start, stop, attributes, parts, part_starts, part_firsts, tex_keys)
    return -1


@compiled
def _note_attribute(data, value, start, stop, attributes, parts, part_starts, part_firsts, tex_keys):
    if value == _CLASS_NAME:
        if attributes[CLASS] == 0:
            attributes[CLASS], attributes[CLASS_STOP] = start, stop
            if _has_part(data, start, stop, parts, part_starts, part_firsts):
                attributes[BITS] |= IS_CANDIDATE_NODE
    elif value == _ID_NAME:
        if attributes[ID] == 0:
            attributes[ID], attributes[ID_STOP] = start, stop
    elif value == _ROLE_NAME:
        attributes[ROLE], attributes[ROLE_STOP] = start, stop
    elif value == _HREF_NAME:
        attributes[BITS] |= HAS_HREF
    elif value == _HIDDEN_NAME:
        attributes[BITS] |= HIDDEN
    elif value == _ARIA_HIDDEN:
        if stop - start == 4 and data[start] == 116:  # "t" of true
            attributes[BITS] |= HIDDEN
    elif value == _STYLE_NAME:
        if _hides(data, start, stop):
            attributes[BITS] |= HIDDEN
    elif value == _TYPE_NAME:
        if same_word(data, start, stop, b"math/"):
            attributes[BITS] |= IS_CANDIDATE_NODE
    else:
        for key in tex_keys:
            if key == value:
                attributes[BITS] |= IS_CANDIDATE_NODE


@compiled
def _lower(byte):
    return byte + 32 if 65 <= byte <= 90 else byte


@compiled
def _has_part(data, start, stop, parts, part_starts, part_firsts):
    """Does any of the lower-case substrings occur between start and stop?"""
    for at in range(start, stop):
        if not part_firsts[data[at]]:
            continue
        first = _lower(data[at])
        for part in range(len(part_starts) - 1):
            begin = part_starts[part]
            length = part_starts[part + 1] - begin
            if parts[begin] == first and at + length <= stop:
                same = 1
                while same < length and _lower(data[at + same]) == parts[begin + same]:
                    same += 1
                if same == length:
                    return True
    return False


@compiled
def _hides(data, start, stop):
    """`display: none` or `visibility: hidden` in a style."""
    at = start
    while at + 11 < stop:
        first = _lower(data[at])
        if first == 100 and same_word(data, at, stop, b"display"):
            at = _after_colon(data, at + 7, stop)
            if at > 0 and same_word(data, at, stop, b"none"):
                return True
        elif first == 118 and same_word(data, at, stop, b"visibility"):
            at = _after_colon(data, at + 10, stop)
            if at > 0 and same_word(data, at, stop, b"hidden"):
                return True
        if at <= 0:
            return False
        at += 1
    return False


@compiled
def _after_colon(data, at, stop):
    while at < stop and data[at] <= 32:
        at += 1
    if at >= stop or data[at] != 58:
        return at
    at += 1
    while at < stop and data[at] <= 32:
        at += 1
    return at


@compiled
def same_word(data, at, stop, word):
    if at + len(word) > stop:
        return False
    for i in range(len(word)):
        if _lower(data[at + i]) != word[i]:
            return False
    return True


@compiled
def ends_with_math(data, start, stop):
    """A prefixed name such as m:math or mml:math."""
    return stop - start > 5 and data[stop - 5] == 58 and same_word(data, stop - 4, stop, b"math")


@compiled
def starts_with_cdata(data, at):
    return same_word(data, at, len(data), b"[cdata[")


@compiled
def find_cdata_end(data, at):
    """Place of the "]]>" at or behind `at`; the page's size when it does not come."""
    size = len(data)
    while at + 2 < size:
        if data[at] == 93 and data[at + 1] == 93 and data[at + 2] == 62:
            return at
        at += 1
    return size


@compiled
def skip_markup(data, at):
    """Behind a comment, a doctype, a processing instruction or an end tag without a name."""
    size = len(data)
    if at + 3 < size and data[at + 1] == 33 and data[at + 2] == 45 and data[at + 3] == 45:  # "!--"
        at += 4
        if at < size and data[at] == 62:
            return at + 1
        if at + 1 < size and data[at] == 45 and data[at + 1] == 62:
            return at + 2
        while at + 2 < size:
            if data[at] == 45 and data[at + 1] == 45:
                if data[at + 2] == 62:
                    return at + 3
                if data[at + 2] == 33 and at + 3 < size and data[at + 3] == 62:
                    return at + 4
            at += 1
        return size
    at += 1
    while at < size and data[at] != 62:
        at += 1
    return at + 1


@compiled
def find_end_tag(data, at, name, name_stop):
    """Place of the "</name" that ends a raw text element; the file's size when it does not come."""
    size = len(data)
    length = name_stop - name
    while at + 2 + length <= size:
        if data[at] == 60 and data[at + 1] == 47:
            same = 0
            while same < length and _lower(data[at + 2 + same]) == _lower(data[name + same]):
                same += 1
            if same == length:
                after = data[at + 2 + length] if at + 2 + length < size else 62
                if after <= 32 or after == 47 or after == 62:
                    return at
        at += 1
    return size


@compiled
def find_script_end(data, at):
    """Place of the end tag of a script; after "<!--" a nested <script> ... </script> belongs to the script."""
    size = len(data)
    is_escaped = False
    depth = 0
    while at < size:
        byte = data[at]
        if byte == 60:
            if same_word(data, at, size, b"<!--"):
                is_escaped = True
                at += 4
                continue
            if same_word(data, at, size, b"</script") and _ends_name(data, at + 8):
                if depth == 0:
                    return at
                depth = 0
            elif is_escaped and same_word(data, at, size, b"<script") and _ends_name(data, at + 7):
                depth = 1
        elif byte == 45 and is_escaped and same_word(data, at, size, b"-->"):
            is_escaped = False
            depth = 0
        at += 1
    return size


@compiled
def _ends_name(data, at):
    return at >= len(data) or data[at] <= 32 or data[at] == 47 or data[at] == 62


@compiled
def may_show_formula(data, start, stop):
    """Do the attributes of an image hold a sign of TeX: "$", a backslash, or a name such as latex.php?"""
    for at in range(start, stop):
        byte = _lower(data[at])
        if byte == 36 or byte == 92:
            return True
        if byte == 116 and same_word(data, at, stop, b"tex"):
            return True
        if byte == 109 and same_word(data, at, stop, b"math"):
            return True
        if byte == 101 and (same_word(data, at, stop, b"eeimg") or same_word(data, at, stop, b"eq")):
            return True
        if byte == 102 and same_word(data, at, stop, b"formula"):
            return True
        if byte == 99 and (same_word(data, at, stop, b"cht=tx") or same_word(data, at, stop, b"codecogs")):
            return True
        if byte == 37 and same_word(data, at, stop, b"%5c"):
            return True
    return False


@compiled
def skip_tag(data, at):
    size = len(data)
    while at < size and data[at] != 62:
        at += 1
    return min(at + 1, size)


@compiled
def look_up(value, keys, values):
    mask = np.uint64(len(keys) - 1)
    at = value & mask
    while keys[at]:
        if keys[at] == value:
            return np.int64(values[at])
        at = (at + np.uint64(1)) & mask
    return np.int64(-1)
