"""The walk over a parsed page, compiled by numba: from the node table to the text of its blocks.

What each block holds and what is noted of it is described in layout.py, which is the readable side of this file;
text_kernel.py writes the text.
"""

import numpy as np

from .compiled import compiled, entry
from .html_nodes import (
    BITS,
    CLASS,
    CLASS_STOP,
    CLOSED,
    END,
    HAS_HREF,
    HIDDEN,
    ID,
    ID_STOP,
    MAX_DEPTH,
    PARENT,
    ROLE,
    ROLE_STOP,
    START,
    STOP,
    TAG,
)
from .html_tags import BLOCK, IS_CODE, KEEPS_CONTAINER, NEVER_TEXT, RAW_TEXT, TAG_IDS, TEXT, name_hash
from .markup_kernel import FNV_PRIME, FNV_START, look_up
from .text_kernel import (
    S_AT,
    S_BITS,
    S_BLOCK_START,
    S_CHARS,
    S_CONTAINER,
    S_CUR_CODE,
    S_CUR_CONTAINER,
    S_CUR_DEPTH,
    S_CUR_LINK,
    S_CUR_TAG,
    S_DEPTH,
    S_FORMULAS,
    S_LAST,
    S_LINK_CHARS,
    S_LINKS,
    S_NUM_BLOCKS,
    S_NUM_CONTAINERS,
    S_OPEN,
    S_PLACED,
    S_STATE_SIZE,
    S_TAG,
    S_WORDS,
    write_formula,
    write_newline,
    write_script,
    write_tab,
    write_text,
)

# Columns of the block table (int32).
B_START, B_STOP, B_TAG, B_CHARS, B_LINK_CHARS, B_LINKS, B_DEPTH, B_CONTAINER, B_FORMULAS, B_BITS = range(10)
NUM_BLOCK_COLUMNS = 10
DROP = -1
"""Claim on an element that leaves no text; claim n + 1 stands for formula n; 0 for no claim."""


_MIN_NOSCRIPT_BYTES = 200
_MAX_NAME_BYTES, _MIN_WORD, _MAX_WORD = 300, 2, 19
_MAX_WORDS = 16384
_ROLE_START = np.uint64(name_hash(b"role="))
_A, _BODY, _BR, _DIV, _IMG, _LI, _NOSCRIPT, _P, _PRE, _SUB, _SUP, _TBODY, _TD, _TH = (
    TAG_IDS[name]
    for name in ("a", "body", "br", "div", "img", "li", "noscript", "p", "pre", "sub", "sup", "tbody", "td", "th")
)


@entry
def walk(data, nodes, num_nodes, claims, tables, out, blocks, weights):
    """Write the blocks' text to `out` (uint8) and their rows to `blocks` (int32) and `weights` (float64).

    `claims` (int32 for each node): see DROP. Returns the number of blocks; -1 when `out` or `blocks` is too small.
    `weights` gets the summed weight of the path words around each block.
    """
    state = np.zeros(S_STATE_SIZE, np.int64)
    state[S_CUR_TAG] = _BODY
    state[S_CUR_LINK] = -1
    path = np.zeros(2, np.float64)  # weight here, weight at the block's first text
    active = np.zeros(len(tables.word_weights), np.int32)
    words = np.empty(_MAX_WORDS, np.int32)
    stack = np.empty((MAX_DEPTH + 4, 7), np.int64)
    flags, word_weights = tables.flags, tables.word_weights
    row = 0
    while row < num_nodes:
        while state[S_OPEN] > 0 and stack[state[S_OPEN] - 1, 0] <= row:
            _leave(state, stack, path, active, words, word_weights, out, blocks, weights)
        if state[S_AT] + 4 * (nodes[row, STOP] - nodes[row, START]) + 512 > len(out):
            return -1
        if state[S_NUM_BLOCKS] + 2 > len(blocks):
            return -1
        if nodes[row, TAG] == TEXT:
            in_link = state[S_CUR_LINK] >= 0 and row < nodes[state[S_CUR_LINK], CLOSED]
            parent = nodes[row, PARENT]
            is_raw = parent >= 0 and flags[nodes[parent, TAG]] & RAW_TEXT != 0
            write_text(data, nodes[row, START], nodes[row, STOP], in_link, is_raw, state, path, tables, out)
            row += 1
        else:
            row = _enter(data, nodes, row, claims, state, stack, path, active, words, tables, out, blocks, weights)
    while state[S_OPEN] > 0:
        _leave(state, stack, path, active, words, word_weights, out, blocks, weights)
    _flush(state, path, out, blocks, weights)
    return state[S_NUM_BLOCKS]


@compiled
def _enter(data, nodes, row, claims, state, stack, path, active, words, tables, out, blocks, weights):
    """Deal with the start of an element; returns the row to go on at."""
    tag = nodes[row, TAG]
    flag = tables.flags[tag]
    end = nodes[row, END]
    claim = claims[row]
    if claim != 0:
        if claim > 0:
            write_formula(claim - 1, state, path, out)
        return end
    if flag & NEVER_TEXT or tag == _IMG:
        return end
    if tag == _BR:
        write_newline(state, out)
        return end
    if tag == _NOSCRIPT and _text_bytes(nodes, row) < _MIN_NOSCRIPT_BYTES:
        return end
    if (tag == _SUP or tag == _SUB) and write_script(data, nodes, row, claims, state, path, tables, out):
        return end
    if tag == _TD or tag == _TH:
        write_tab(state, out)
    is_block = flag & BLOCK != 0
    if is_block:
        _flush(state, path, out, blocks, weights)
    depth = state[S_OPEN]
    stack[depth, 0] = end
    stack[depth, 1] = state[S_CUR_TAG]
    stack[depth, 2] = state[S_CUR_CONTAINER]
    stack[depth, 3] = state[S_CUR_CODE]
    stack[depth, 4] = state[S_CUR_LINK]
    stack[depth, 5] = state[S_WORDS]
    stack[depth, 6] = 1 if is_block else 0
    state[S_OPEN] = depth + 1
    state[S_CUR_DEPTH] += 1
    if flag & IS_CODE:
        state[S_CUR_CODE] = 1
    if is_block:
        state[S_NUM_CONTAINERS] += 1
        if not flag & KEEPS_CONTAINER:
            state[S_CUR_CONTAINER] = state[S_NUM_CONTAINERS]
        if tag != _TBODY and not (state[S_CUR_TAG] == _LI and (tag == _P or tag == _DIV)):
            state[S_CUR_TAG] = tag
    elif tag == _A and nodes[row, BITS] & HAS_HREF:
        state[S_LINKS] += 1
        state[S_CUR_LINK] = row
    _add_words(data, nodes, row, tag, state, path, active, words, tables)
    return row + 1


@compiled
def _leave(state, stack, path, active, words, word_weights, out, blocks, weights):
    depth = state[S_OPEN] - 1
    if stack[depth, 6]:
        _flush(state, path, out, blocks, weights)
    for at in range(stack[depth, 5], state[S_WORDS]):
        word = words[at]
        active[word] -= 1
        if active[word] == 0:
            path[0] -= word_weights[word]
    state[S_WORDS] = stack[depth, 5]
    state[S_CUR_TAG] = stack[depth, 1]
    state[S_CUR_CONTAINER] = stack[depth, 2]
    state[S_CUR_CODE] = stack[depth, 3]
    state[S_CUR_LINK] = stack[depth, 4]
    state[S_CUR_DEPTH] -= 1
    state[S_OPEN] = depth


@compiled
def _add_words(data, nodes, row, tag, state, path, active, words, tables):
    """Note the path words of an element: tag, role, hidden, and the words of its class and id."""
    if tables.tag_words[tag] >= 0:
        _add_word(tables.tag_words[tag], state, path, active, words, tables.word_weights)
    if nodes[row, BITS] & HIDDEN and tables.hidden_word >= 0:
        _add_word(tables.hidden_word, state, path, active, words, tables.word_weights)
    if nodes[row, ROLE]:
        value = _ROLE_START
        for at in range(nodes[row, ROLE], min(nodes[row, ROLE_STOP], nodes[row, ROLE] + 40)):
            value = (value ^ np.uint64(data[at])) * FNV_PRIME
        word = look_up(value, tables.word_keys, tables.word_rows)
        if word >= 0:
            _add_word(word, state, path, active, words, tables.word_weights)
    room = _MAX_NAME_BYTES
    if nodes[row, CLASS]:
        stop = min(nodes[row, CLASS_STOP], nodes[row, CLASS] + room)
        room -= stop - nodes[row, CLASS]
        _add_name_words(data, nodes[row, CLASS], stop, state, path, active, words, tables)
    if nodes[row, ID] and room > 0:
        stop = min(nodes[row, ID_STOP], nodes[row, ID] + room)
        _add_name_words(data, nodes[row, ID], stop, state, path, active, words, tables)


@compiled
def _add_name_words(data, at, stop, state, path, active, words, tables):
    """Words of a class or id value: "postContent main-nav" gives post, content, main, nav; "FAQList" faq, list."""
    while at < stop:
        byte = data[at]
        is_upper = 65 <= byte <= 90
        if not is_upper and not 97 <= byte <= 122:
            at += 1
            continue
        end = at + 1
        if is_upper and not (end < stop and 97 <= data[end] <= 122):
            while end < stop and 65 <= data[end] <= 90:
                end += 1
            if end < stop and 97 <= data[end] <= 122:
                end -= 1  # the last capital begins the next word
        else:
            while end < stop and 97 <= data[end] <= 122:
                end += 1
        if _MIN_WORD <= end - at <= _MAX_WORD:
            value = FNV_START
            for place in range(at, end):
                letter = data[place]
                value = (value ^ np.uint64(letter + 32 if letter < 97 else letter)) * FNV_PRIME
            word = look_up(value, tables.word_keys, tables.word_rows)
            if word >= 0:
                _add_word(word, state, path, active, words, tables.word_weights)
        at = end


@compiled
def _add_word(word, state, path, active, words, word_weights):
    if state[S_WORDS] >= len(words):
        return
    if active[word] == 0:
        path[0] += word_weights[word]
    active[word] += 1
    words[state[S_WORDS]] = word
    state[S_WORDS] += 1


@compiled
def _text_bytes(nodes, row):
    total = np.int64(0)
    for below in range(row + 1, nodes[row, END]):
        if nodes[below, TAG] == TEXT:
            total += nodes[below, STOP] - nodes[below, START]
    return total


@compiled
def _flush(state, path, out, blocks, weights):
    """End the block."""
    if state[S_PLACED]:
        at = state[S_AT]
        start = state[S_BLOCK_START]
        while at > start and (out[at - 1] == 32 or out[at - 1] == 10 or out[at - 1] == 9):
            at -= 1
            state[S_CHARS] -= 1
        row = state[S_NUM_BLOCKS]
        blocks[row, B_START] = start
        blocks[row, B_STOP] = at
        blocks[row, B_TAG] = state[S_TAG]
        blocks[row, B_CHARS] = state[S_CHARS]
        blocks[row, B_LINK_CHARS] = min(state[S_LINK_CHARS], state[S_CHARS])
        blocks[row, B_LINKS] = state[S_LINKS]
        blocks[row, B_DEPTH] = state[S_DEPTH]
        blocks[row, B_CONTAINER] = state[S_CONTAINER]
        blocks[row, B_FORMULAS] = state[S_FORMULAS]
        blocks[row, B_BITS] = state[S_BITS]
        weights[row] = path[1]
        state[S_AT] = at
        if at > start:
            state[S_NUM_BLOCKS] = row + 1
    else:
        state[S_AT] = state[S_BLOCK_START]
    state[S_BLOCK_START] = state[S_AT]
    for column in range(S_LAST, S_PLACED + 1):
        state[column] = 0
