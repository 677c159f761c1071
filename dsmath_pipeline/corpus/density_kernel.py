"""Scores of the blocks of a page, compiled by numba: the additive model of density.py over the block table."""

from typing import NamedTuple

import numpy as np

from .compiled import compiled, entry
from .html_tags import TAG_IDS, name_hash
from .layout_kernel import (
    B_BITS,
    B_CHARS,
    B_CONTAINER,
    B_DEPTH,
    B_FORMULAS,
    B_LINK_CHARS,
    B_LINKS,
    B_START,
    B_STOP,
    B_TAG,
)
from .text_kernel import ALNUM, HOLDS_CODE, LOWER, UPPER

_SAMPLE_CHARS = 200
_END_CHARS = 8
_MAX_DATE_CHARS = 100
_MAX_SHORT_CHROME = 60
_PROSE_CHARS = 100
_H1 = TAG_IDS["h1"]
_FNV_START, _FNV_PRIME = np.uint64(name_hash(b"")), np.uint64(0x100000001B3)
ALWAYS, ENDS_SENTENCE, CHROME_SHORT, CHROME, SHORT_DATE, FORMULA, CODE, REPEATED, UPPER_CASE, MANY_LINKS, SEPARATORS = (
    range(11)
)
"""Rows of DensityTables.signs."""
NUM_SHAPES = 70
"""Bins of length (10) times bins of the share of links (7)."""


class DensityTables(NamedTuple):
    """Weights of the features, by bin and tag number; density.py fills them by name."""

    chars_edges: np.ndarray
    share_edges: np.ndarray
    place_edges: np.ndarray
    group_edges: np.ndarray
    chars: np.ndarray  # [chars bin]
    links: np.ndarray  # [share bin]
    shape: np.ndarray  # [chars bin, share bin]
    tag: np.ndarray  # [tag]
    page_chars: np.ndarray  # [page bin, chars bin]
    place: np.ndarray
    group: np.ndarray
    group_chars: np.ndarray  # [group bin, chars bin]
    depth: np.ndarray
    tag_links: np.ndarray  # [tag, share bin]
    tag_chars: np.ndarray  # [tag, chars bin]
    near: np.ndarray  # [-2, -1, 1, 2; shape, the last row for "none"]
    near_tag: np.ndarray  # [-2, -1, 1, 2; tag]
    title: np.ndarray  # none, before, bins after
    stops: np.ndarray
    signs: np.ndarray
    characters: np.ndarray
    """uint8 of 65,536, as in layout_kernel.WalkTables"""
    chrome: np.ndarray
    """Lower-case texts of menus and footers, one after the other (uint8)."""
    chrome_starts: np.ndarray
    chrome_bounds: np.ndarray
    """Bit 1: must begin a word; bit 2: must end a word."""
    chrome_pairs: np.ndarray
    """bool (256, 256): may one of them begin with these two bytes (capital letters too)?"""


@entry
def score_blocks(text, blocks, num_blocks, path_weights, tables):
    """Sum of the weights of each block's features (float64)."""
    scores = path_weights[:num_blocks].copy()
    total = np.int64(0)
    prose = np.int64(0)
    num_containers = np.int64(0)
    first_title = np.int64(-1)
    for i in range(num_blocks):
        chars = blocks[i, B_CHARS]
        total += chars
        num_containers = max(num_containers, blocks[i, B_CONTAINER])
        if chars >= _PROSE_CHARS and blocks[i, B_LINK_CHARS] < 0.33 * chars:
            prose += chars
        if first_title < 0 and blocks[i, B_TAG] == _H1:
            first_title = i
    in_container = np.zeros(num_containers + 1, np.int64)
    shapes = np.empty((num_blocks, 2), np.int64)
    for i in range(num_blocks):
        chars = blocks[i, B_CHARS]
        in_container[blocks[i, B_CONTAINER]] += chars - blocks[i, B_LINK_CHARS]
        shapes[i, 0] = _bin(chars, tables.chars_edges)
        shapes[i, 1] = _bin(blocks[i, B_LINK_CHARS] / max(chars, 1), tables.share_edges)
    page = 0
    for edge in (300, 1000, 3000, 8000):
        page += prose >= edge
    is_repeated = _repeated(text, blocks, num_blocks)
    seen = np.int64(0)
    for i in range(num_blocks):
        chars, share, tag = shapes[i, 0], shapes[i, 1], blocks[i, B_TAG]
        group = _bin(in_container[blocks[i, B_CONTAINER]], tables.group_edges)
        score = (
            tables.signs[ALWAYS]
            + tables.chars[chars]
            + tables.links[share]
            + tables.shape[chars, share]
            + tables.tag[tag]
            + tables.page_chars[page, chars]
            + tables.place[_bin(seen / max(total, 1), tables.place_edges)]
            + tables.group[group]
            + tables.group_chars[group, chars]
            + tables.depth[min(blocks[i, B_DEPTH] // 4, 6)]
            + tables.tag_links[tag, share]
            + tables.tag_chars[tag, chars]
        )
        for side in range(4):
            at = i + (side - 2 if side < 2 else side - 1)
            if 0 <= at < num_blocks:
                score += tables.near[side, shapes[at, 0] * 7 + shapes[at, 1]] + tables.near_tag[side, blocks[at, B_TAG]]
            else:
                score += tables.near[side, NUM_SHAPES]
        score += tables.title[_title(i, first_title)]
        if is_repeated[i]:
            score += tables.signs[REPEATED]
        scores[i] += score + _text_score(text, blocks, i, tables)
        seen += blocks[i, B_CHARS]
    return scores


@compiled
def _bin(value, edges):
    found = 0
    for edge in edges:
        found += value >= edge
    return found


@compiled
def _title(index, first_title):
    """Row of DensityTables.title: none, before, or how far behind the first h1."""
    if first_title < 0:
        return 0
    if index < first_title:
        return 1
    behind = index - first_title
    found = 2
    for edge in (1, 2, 4, 10, 50):
        found += behind >= edge
    return found


@entry
def _repeated(text, blocks, num_blocks):
    """Which blocks have a text that occurs more than once on the page."""
    repeated = np.zeros(num_blocks, np.bool_)
    size = 4
    while size < 2 * num_blocks:
        size *= 2
    keys = np.zeros(size, np.uint64)
    first = np.zeros(size, np.int32)
    mask = np.uint64(size - 1)
    for i in range(num_blocks):
        value = _FNV_START
        for at in range(blocks[i, B_START], blocks[i, B_STOP]):
            value = (value ^ np.uint64(text[at])) * _FNV_PRIME
        if value == 0:
            value = np.uint64(1)
        at = value & mask
        while keys[at] and keys[at] != value:
            at = (at + np.uint64(1)) & mask
        if keys[at]:
            repeated[i] = True
            repeated[first[at]] = True
        else:
            keys[at] = value
            first[at] = i
    return repeated


@compiled
def _text_score(text, blocks, i, tables):
    """Weights of what the block's own characters say."""
    start, stop = np.int64(blocks[i, B_START]), np.int64(blocks[i, B_STOP])
    signs = tables.signs
    characters, pairs = tables.characters, tables.chrome_pairs
    chrome, chrome_starts, chrome_bounds = tables.chrome, tables.chrome_starts, tables.chrome_bounds
    at = start
    chars = stops = 0
    kinds = 0
    has_separator = has_chrome = False
    while at < stop and chars < _SAMPLE_CHARS:
        byte = text[at]
        point, length = _point(text, at)
        kinds |= _kinds(point, characters)
        if _is_stop(point):
            stops += 1
        elif point == 0x7C or point == 0xBB or point == 0x203A:
            has_separator = True
        if not has_chrome and at + 1 < stop and pairs[byte, text[at + 1]]:
            has_chrome = _chrome_at(text, at, start, stop, chrome, chrome_starts, chrome_bounds, characters)
        chars += 1
        at += length
    score = tables.stops[(stops >= 1) + (stops >= 2) + (stops >= 4)]
    if _ends_sentence(text, start, stop):
        score += signs[ENDS_SENTENCE]
    if has_chrome:
        score += signs[CHROME_SHORT] if chars < _MAX_SHORT_CHROME else signs[CHROME]
    if chars < _MAX_DATE_CHARS and _has_date(text, start, stop, tables.characters):
        score += signs[SHORT_DATE]
    if blocks[i, B_FORMULAS]:
        score += signs[FORMULA]
    if blocks[i, B_BITS] & HOLDS_CODE:
        score += signs[CODE]
    if kinds & UPPER and not kinds & LOWER:
        score += signs[UPPER_CASE]
    if blocks[i, B_LINKS] > 3:
        score += signs[MANY_LINKS]
    if has_separator:
        score += signs[SEPARATORS]
    return score


@compiled
def _is_stop(point):
    """Comma, period, semicolon, colon, exclamation or question mark, ASCII or Chinese."""
    if point < 0x80:
        return point == 44 or point == 46 or point == 59 or point == 58 or point == 33 or point == 63
    return (
        point == 0xFF0C
        or point == 0x3002
        or point == 0x3001
        or point == 0xFF1B
        or point == 0xFF1A
        or point == 0xFF01
        or point == 0xFF1F
    )


@compiled
def _ends_sentence(text, start, stop):
    """A full stop, or a colon or semicolon, perhaps with closing quotes and brackets behind it."""
    at = stop
    for _ in range(_END_CHARS):
        at -= 1
        while at > start and 0x80 <= text[at] < 0xC0:
            at -= 1
        if at < start:
            return False
        point, _ = _point(text, at)
        if point == 46 or point == 33 or point == 63 or point == 58 or point == 59:
            return True
        if point == 0x3002 or point == 0xFF01 or point == 0xFF1F or point == 0x2026:
            return True
        is_closing = point == 34 or point == 39 or point == 41 or point == 93 or point == 0xBB
        if not is_closing and point != 0x201D and point != 0x2019:
            return False
    return False


@compiled
def _point(text, at):
    """Code point of the character that begins at `at`, and its number of bytes."""
    first = np.int64(text[at])
    if first < 0x80:
        return first, 1
    length = 2 if first < 0xE0 else 3 if first < 0xF0 else 4
    point = first & (0xFF >> (length + 1))
    for place in range(at + 1, at + length):
        point = (point << 6) | (np.int64(text[place]) & 0x3F)
    return point, length


@compiled
def _kinds(point, characters):
    """ALNUM, LOWER, UPPER and LETTER; nothing beyond the basic plane."""
    return characters[point] if point < len(characters) else np.uint8(0)


@compiled
def _is_word(text, at, start, stop, characters):
    """Is the character that holds the byte at `at` a letter, a digit or an underscore?"""
    if at < start or at >= stop:
        return False
    while 0x80 <= text[at] < 0xC0 and at > start:
        at -= 1
    point, _ = _point(text, at)
    return point == 95 or _kinds(point, characters) & ALNUM != 0


@compiled
def _chrome_at(text, at, start, stop, chrome, chrome_starts, chrome_bounds, characters):
    """Does one of the texts of menus and footers stand here?"""
    for number in range(len(chrome_bounds)):
        begin = chrome_starts[number]
        length = chrome_starts[number + 1] - begin
        if at + length > stop:
            continue
        same = 0
        while same < length:
            byte = text[at + same]
            if 65 <= byte <= 90:
                byte += 32
            if byte != chrome[begin + same]:
                break
            same += 1
        if same < length:
            continue
        bounds = chrome_bounds[number]
        if bounds & 1 and _is_word(text, at - 1, start, stop, characters):
            continue
        if bounds & 2 and _is_word(text, at + length, start, stop, characters):
            continue
        return True
    return False


@compiled
def _has_date(text, start, stop, characters):
    """A year 1900 to 2099, or two short numbers joined by a colon, a period or a slash."""
    at = start
    while at < stop:
        if not 48 <= text[at] <= 57 or _is_word(text, at - 1, start, stop, characters):
            at += 1
            continue
        end = _digits(text, at, stop)
        if end - at == 4 and not _is_word(text, end, start, stop, characters):
            century = (np.int64(text[at]) - 48) * 10 + np.int64(text[at + 1]) - 48
            if century == 19 or century == 20:
                return True
        if end - at <= 2 and end < stop and (text[end] == 58 or text[end] == 46 or text[end] == 47):
            last = _digits(text, end + 1, stop)
            if 1 <= last - end - 1 <= 2 and not _is_word(text, last, start, stop, characters):
                return True
        at = end
    return False


@compiled
def _digits(text, at, stop):
    while at < stop and 48 <= text[at] <= 57:
        at += 1
    return at
