"""An HTML parser over bytes, compiled by numba: one pass from UTF-8 to a table of nodes in document order.

It follows the tokenizer and the tree construction of WHATWG HTML (sections 13.2.5 and 13.2.6) as far as text depends
on them: implied end tags, scopes, tables, misnested forms and formatting, raw text, foreign content, with scripting
off. Left out, because no text depends on it: html, head and body as nodes, reconstruction of formatting elements,
foster parenting (stray text in a table stays where it stands), quirks. `html_tree.py` is the readable view of the
result.

Not in the paper: a parser. Python objects for each node cost more than everything else in extraction together.
"""

import numpy as np

from .compiled import compiled, entry
from .html_nodes import (
    BITS,
    CLOSED,
    END,
    IS_CANDIDATE_NODE,
    IS_SELF_CLOSED,
    MAX_DEPTH,
    NAME,
    NUM_COLUMNS,
    PARENT,
    START,
    STOP,
    TAG,
)
from .html_tags import (
    CLOSES_P,
    ESCAPABLE_TEXT,
    FOREIGN_BREAKOUT,
    FORMATTING,
    HEADING,
    IS_CANDIDATE,
    RAW_TEXT,
    SCOPE,
    SPECIAL,
    STRUCTURE,
    TABLE_PART,
    TAG_IDS,
    TEXT,
    TEXT_POINT,
    UNKNOWN,
    VOID,
)
from .markup_kernel import (
    FNV_PRIME,
    FNV_START,
    ends_with_math,
    find_cdata_end,
    find_end_tag,
    find_script_end,
    look_up,
    may_show_formula,
    read_attributes,
    skip_markup,
    skip_tag,
    starts_with_cdata,
)

_FAR = 2**31 - 1
_A, _ADDRESS, _APPLET, _BR, _BUTTON, _COL, _COLGROUP, _DD, _DIV, _DT, _FORM = (
    TAG_IDS[name] for name in ("a", "address", "applet", "br", "button", "col", "colgroup", "dd", "div", "dt", "form")
)
_HR, _IMAGE, _IMG, _INPUT, _KEYGEN, _LI, _MARQUEE, _MATH, _NOBR, _OBJECT, _OL = (
    TAG_IDS[name] for name in ("hr", "image", "img", "input", "keygen", "li", "marquee", "math", "nobr", "object", "ol")
)
_OPTGROUP, _OPTION, _P, _RP, _RT, _SCRIPT, _SELECT, _SVG, _TABLE, _TBODY, _TD = (
    TAG_IDS[name] for name in ("optgroup", "option", "p", "rp", "rt", "script", "select", "svg", "table", "tbody", "td")
)
_TEMPLATE, _TEXTAREA, _TFOOT, _TH, _THEAD, _TR, _UL = (
    TAG_IDS[name] for name in ("template", "textarea", "tfoot", "th", "thead", "tr", "ul")
)

# State of the parse: an int64 array, so that small compiled functions can change it.
_DEPTH, _COUNT, _FORM_NODE, _FOREIGN, _FULL = range(5)
_STATE_SIZE = 8


@entry
def parse(data, nodes, flags, tag_keys, tag_values, parts, part_starts, part_firsts, tex_keys, stack):
    """Fill `nodes` (int32, rows x NUM_COLUMNS) with the nodes of `data` (uint8); returns how many.

    Negative: the table was too small; minus the rows used. `flags`, `tag_keys`, `tag_values` are html_tags' tables.
    An element is a candidate when its class holds one of `parts` (uint8, lower case, part i from `part_starts[i]` to
    the next; `part_firsts`, bool of 256, says which bytes begin one) or an attribute's name hash is in `tex_keys`
    (uint64). `stack` is int64 scratch of (MAX_DEPTH + 2, 3).
    """
    state = np.zeros(_STATE_SIZE, np.int64)
    state[_FORM_NODE] = -1
    size = len(data)
    at = 0
    text_start = 0
    attributes = np.zeros(NUM_COLUMNS, np.int64)
    while at < size:
        if data[at] != 60:  # "<"
            at += 1
            continue
        following = data[at + 1] if at + 1 < size else 0
        is_end = following == 47  # "/"
        name_at = at + 2 if is_end else at + 1
        first = data[name_at] if name_at < size else 0
        is_name = (97 <= first <= 122) or (65 <= first <= 90)
        if not is_name and not (is_end or following == 33 or following == 63):  # "!", "?"
            at += 1
            continue
        if at > text_start:
            _add_text(nodes, state, stack, text_start, at)
        if state[_COUNT] + 4 >= len(nodes):
            state[_FULL] = 1
            break
        if not is_name:
            is_foreign = state[_FOREIGN] > 0
            if following == 33 and is_foreign and starts_with_cdata(data, at + 2):
                stop = find_cdata_end(data, at + 9)
                _add_text(nodes, state, stack, at + 9, min(stop, size))
                at = stop + 3
            else:
                at = skip_markup(data, at)
            text_start = min(at, size)
            continue
        name_stop = name_at
        value = FNV_START
        while name_stop < size:
            byte = data[name_stop]
            if byte <= 32 or byte == 47 or byte == 62:
                break
            if 65 <= byte <= 90:
                byte += 32
            value = (value ^ np.uint64(byte)) * FNV_PRIME
            name_stop += 1
        after = read_attributes(data, name_stop, is_end, attributes, parts, part_starts, part_firsts, tex_keys)
        if after < 0:  # the file ends inside a tag: the tag is dropped
            text_start = size
            break
        tag = look_up(value, tag_keys, tag_values)
        if tag < 0:
            tag = UNKNOWN
        if is_end:
            _end_tag(nodes, state, stack, flags, tag, value)
        else:
            attributes[NAME] = name_at
            attributes[START] = name_stop
            attributes[STOP] = after - 1
            if tag == UNKNOWN and ends_with_math(data, name_at, name_stop):
                attributes[BITS] |= IS_CANDIDATE_NODE
            after = _start_tag(data, nodes, state, stack, flags, tag, value, attributes, after)
        at = after
        text_start = at
    if not state[_FULL] and text_start < size:
        _add_text(nodes, state, stack, text_start, size)
    while state[_DEPTH] > 0:
        _pop(nodes, state, stack)
    return -state[_COUNT] if state[_FULL] else state[_COUNT]


@compiled
def _add_text(nodes, state, stack, start, stop):
    if stop <= start:
        return
    row = state[_COUNT]
    if row >= len(nodes):
        state[_FULL] = 1
        return
    nodes[row, TAG] = TEXT
    nodes[row, PARENT] = stack[state[_DEPTH] - 1, 0] if state[_DEPTH] else -1
    nodes[row, END] = row + 1
    nodes[row, START] = start
    nodes[row, STOP] = stop
    nodes[row, BITS] = 0
    state[_COUNT] = row + 1


@compiled
def _add_element(nodes, state, stack, tag, attributes):
    row = state[_COUNT]
    for column in range(NUM_COLUMNS):
        nodes[row, column] = attributes[column]
    nodes[row, TAG] = tag
    nodes[row, PARENT] = stack[state[_DEPTH] - 1, 0] if state[_DEPTH] else -1
    nodes[row, END] = row + 1
    nodes[row, CLOSED] = _FAR
    state[_COUNT] = row + 1
    return row


@compiled
def _add_bare_element(nodes, state, stack, tag, at):
    """An element that the page implies: no attributes."""
    row = state[_COUNT]
    for column in range(NUM_COLUMNS):
        nodes[row, column] = 0
    nodes[row, TAG] = tag
    nodes[row, PARENT] = stack[state[_DEPTH] - 1, 0] if state[_DEPTH] else -1
    nodes[row, END] = row + 1
    nodes[row, NAME] = nodes[row, START] = nodes[row, STOP] = at
    nodes[row, CLOSED] = _FAR
    state[_COUNT] = row + 1
    return row


@compiled
def _push(nodes, state, stack, row, tag, value):
    """Open an element. Columns of the stack: node, tag (negative once closed early), hash of the name."""
    depth = state[_DEPTH]
    if depth >= MAX_DEPTH:
        return
    stack[depth, 0] = row
    stack[depth, 1] = tag
    stack[depth, 2] = np.int64(value)
    state[_DEPTH] = depth + 1
    if (tag in (_MATH, _SVG)) and state[_FOREIGN] == 0:
        state[_FOREIGN] = depth + 1


@compiled
def _pop(nodes, state, stack):
    """Close the innermost element, and what had been closed early around it."""
    while True:
        depth = state[_DEPTH] - 1
        nodes[stack[depth, 0], END] = state[_COUNT]
        state[_DEPTH] = depth
        if state[_FOREIGN] > depth:
            state[_FOREIGN] = 0
        if depth == 0 or stack[depth - 1, 1] >= 0:
            return


@compiled
def _pop_to(nodes, state, stack, place):
    """Close everything down to and including the stack's entry `place`."""
    while state[_DEPTH] > place:
        _pop(nodes, state, stack)


@compiled
def _close_early(nodes, state, stack, place):
    """Close an element while others inside it stay open: misnested forms and formatting.

    In the tree it ends with its last descendant; CLOSED tells from which node on content is no longer its own.
    """
    if place == state[_DEPTH] - 1:
        _pop(nodes, state, stack)
        return
    nodes[stack[place, 0], CLOSED] = state[_COUNT]
    stack[place, 1] = -1 - stack[place, 1]


@compiled
def _in_scope(state, stack, flags, tag, boundary):
    """Place of the innermost open `tag` that no element with a flag of `boundary` hides; -1 if there is none."""
    at = state[_DEPTH] - 1
    while at >= 0:
        open_tag = stack[at, 1]
        if open_tag == tag:
            return at
        if open_tag >= 0 and flags[open_tag] & boundary:
            return np.int64(-1)
        at -= 1
    return np.int64(-1)


@compiled
def _button_scope(state, stack, flags, tag):
    at = state[_DEPTH] - 1
    while at >= 0:
        open_tag = stack[at, 1]
        if open_tag == tag:
            return at
        if open_tag == _BUTTON or (open_tag >= 0 and flags[open_tag] & SCOPE):
            return np.int64(-1)
        at -= 1
    return np.int64(-1)


@compiled
def _open_table(state, stack):
    """Place of the table that rows and cells would belong to; -1 outside any table."""
    at = state[_DEPTH] - 1
    while at >= 0:
        if stack[at, 1] == _TABLE:
            return at
        if stack[at, 1] == _TEMPLATE:
            return np.int64(-1)
        at -= 1
    return np.int64(-1)


@compiled
def _start_tag(data, nodes, state, stack, flags, tag, value, attributes, after):
    """Add the element of a start tag; returns where reading goes on (behind the content of raw text elements)."""
    flag = flags[tag]
    is_closed = (attributes[BITS] & IS_SELF_CLOSED) != 0
    if state[_FOREIGN]:
        top = stack[state[_DEPTH] - 1, 1]
        at_text_point = top >= 0 and (flags[top] & TEXT_POINT) != 0
        if not at_text_point or tag in (_SVG, _MATH):
            if flag & FOREIGN_BREAKOUT and not at_text_point:
                _pop_to(nodes, state, stack, state[_FOREIGN] - 1)
            else:
                row = _add_element(nodes, state, stack, tag, attributes)
                if not is_closed:
                    _push(nodes, state, stack, row, tag, value)
                return after
    if flag & STRUCTURE:
        return after
    if tag == _IMAGE:
        tag = _IMG
        flag = flags[tag]
    if not _make_room(nodes, state, stack, flags, tag, flag, attributes):
        return after
    row = _add_element(nodes, state, stack, tag, attributes)
    if flag & IS_CANDIDATE or (tag == _IMG and may_show_formula(data, attributes[START], attributes[STOP])):
        nodes[row, BITS] |= IS_CANDIDATE_NODE
    if flag & VOID:
        return after
    if flag & (RAW_TEXT | ESCAPABLE_TEXT):
        if tag == _SCRIPT:
            stop = find_script_end(data, after)
        else:
            stop = find_end_tag(data, after, np.int64(nodes[row, NAME]), np.int64(nodes[row, START]))
        if stop > after:
            text = state[_COUNT]
            _add_text(nodes, state, stack, after, stop)
            nodes[text, PARENT] = row
            nodes[row, END] = state[_COUNT]
        return skip_tag(data, stop)
    if is_closed and (tag in (_MATH, _SVG)):
        return after
    if tag == _FORM:
        state[_FORM_NODE] = row
    _push(nodes, state, stack, row, tag, value)
    return after


@compiled
def _make_room(nodes, state, stack, flags, tag, flag, attributes):
    """Close what a start tag closes; False when the tag itself is to be ignored."""
    select = _in_scope(state, stack, flags, _SELECT, SCOPE)
    if select >= 0:
        if tag in (_SELECT, _INPUT, _TEXTAREA, _KEYGEN, _TABLE) or flag & TABLE_PART:
            _pop_to(nodes, state, stack, select)
            if tag == _SELECT:
                return False
        elif tag != _OPTION and tag != _OPTGROUP and tag != _SCRIPT and tag != _TEMPLATE and tag != _HR:
            return False
    depth = state[_DEPTH]
    top = stack[depth - 1, 1] if depth else np.int64(-1)
    if (tag in (_OPTION, _OPTGROUP)) and top == _OPTION:
        _pop(nodes, state, stack)
    elif flag & TABLE_PART:
        return _make_table_room(nodes, state, stack, flags, tag, attributes)
    elif tag == _FORM and state[_FORM_NODE] >= 0:
        return False
    elif tag in (_LI, _DD, _DT):
        _close_item(nodes, state, stack, flags, tag)
    elif tag in (_A, _NOBR):
        _close_formatting(nodes, state, stack, flags, tag)
    elif tag == _BUTTON:
        place = _in_scope(state, stack, flags, _BUTTON, SCOPE)
        if place >= 0:
            _pop_to(nodes, state, stack, place)
    elif tag in (_RP, _RT):
        if top in (_RP, _RT):
            _pop(nodes, state, stack)
    elif tag == _TABLE and (top in (_TABLE, _TBODY, _THEAD, _TFOOT, _TR)):
        _pop_to(nodes, state, stack, _open_table(state, stack))
    if flag & CLOSES_P:
        paragraph = _button_scope(state, stack, flags, _P)
        if paragraph >= 0:
            _pop_to(nodes, state, stack, paragraph)
        if flag & HEADING and state[_DEPTH] > 0:
            top = stack[state[_DEPTH] - 1, 1]
            if top >= 0 and flags[top] & HEADING:
                _pop(nodes, state, stack)
    return True


@compiled
def _make_table_room(nodes, state, stack, flags, tag, attributes):
    table = _open_table(state, stack)
    if table < 0:
        return False
    if tag in (_TD, _TH):
        row = state[_DEPTH] - 1
        while row > table and stack[row, 1] != _TR:
            row -= 1
        if row > table:
            _pop_to(nodes, state, stack, row + 1)
        else:
            _pop_to_section(nodes, state, stack, table)
            row = _add_bare_element(nodes, state, stack, _TR, attributes[STOP])
            _push(nodes, state, stack, row, _TR, np.uint64(0))
    elif tag == _TR:
        _pop_to_section(nodes, state, stack, table)
    elif tag != _COL or stack[state[_DEPTH] - 1, 1] != _COLGROUP:
        _pop_to(nodes, state, stack, table + 1)
    return True


@compiled
def _pop_to_section(nodes, state, stack, table):
    """Close rows and cells; a tbody, thead or tfoot stays open."""
    while state[_DEPTH] - 1 > table:
        top = stack[state[_DEPTH] - 1, 1]
        if top in (_TBODY, _THEAD, _TFOOT):
            return
        _pop(nodes, state, stack)


@compiled
def _close_item(nodes, state, stack, flags, tag):
    """A new li closes an open li; a new dd or dt closes either."""
    at = state[_DEPTH] - 1
    while at >= 0:
        open_tag = stack[at, 1]
        if open_tag == tag or (tag != _LI and (open_tag in (_DD, _DT))):
            _pop_to(nodes, state, stack, at)
            return
        if open_tag >= 0 and flags[open_tag] & SPECIAL and open_tag != _ADDRESS and open_tag != _DIV and open_tag != _P:
            return
        at -= 1


@compiled
def _close_formatting(nodes, state, stack, flags, tag):
    """The end of a formatting element; whatever block is open inside it stays open (adoption agency, simplified)."""
    at = state[_DEPTH] - 1
    crosses = False
    while at >= 0:
        open_tag = stack[at, 1]
        if open_tag == tag:
            if crosses:
                _close_early(nodes, state, stack, at)
            else:
                _pop_to(nodes, state, stack, at)
            return
        if open_tag >= 0:
            if flags[open_tag] & SCOPE:
                return
            if flags[open_tag] & SPECIAL:
                crosses = True
        at -= 1


@compiled
def _end_tag(nodes, state, stack, flags, tag, value):
    flag = flags[tag]
    if flag & STRUCTURE:
        return
    if state[_FOREIGN]:
        at = state[_DEPTH] - 1
        while at >= state[_FOREIGN] - 1:
            if stack[at, 2] == np.int64(value):
                _pop_to(nodes, state, stack, at)
                return
            at -= 1
        if flag & FOREIGN_BREAKOUT or flag & TABLE_PART or tag == _TABLE:
            _pop_to(nodes, state, stack, state[_FOREIGN] - 1)
        else:
            return
    if tag in (_P, _BR):
        place = _button_scope(state, stack, flags, _P) if tag == _P else np.int64(-1)
        if place >= 0:
            _pop_to(nodes, state, stack, place)
        else:
            _add_bare_element(nodes, state, stack, tag, 0)
    elif flag & HEADING:
        at = state[_DEPTH] - 1
        while at >= 0 and not (stack[at, 1] >= 0 and flags[stack[at, 1]] & (HEADING | SCOPE)):
            at -= 1
        if at >= 0 and flags[stack[at, 1]] & HEADING:
            _pop_to(nodes, state, stack, at)
    elif tag == _FORM:
        place = _in_scope(state, stack, flags, _FORM, SCOPE)
        if place >= 0 and stack[place, 0] == state[_FORM_NODE]:
            _close_early(nodes, state, stack, place)
        state[_FORM_NODE] = -1
    elif flag & FORMATTING:
        _close_formatting(nodes, state, stack, flags, tag)
    elif tag == _TABLE:
        place = _open_table(state, stack)
        if place >= 0:
            _pop_to(nodes, state, stack, place)
    elif flag & TABLE_PART:
        table = _open_table(state, stack)
        at = state[_DEPTH] - 1
        while at > table and stack[at, 1] != tag:
            at -= 1
        if table >= 0 and at > table:
            _pop_to(nodes, state, stack, at)
    elif tag == _LI:
        at = state[_DEPTH] - 1
        while at >= 0 and stack[at, 1] != _LI:
            open_tag = stack[at, 1]
            if open_tag in (_OL, _UL) or (open_tag >= 0 and flags[open_tag] & SCOPE):
                return
            at -= 1
        if at >= 0:
            _pop_to(nodes, state, stack, at)
    elif flag & SPECIAL and not flag & VOID:
        is_boundary = tag in (_OBJECT, _MARQUEE, _APPLET, _TEMPLATE)
        place = _in_scope(state, stack, flags, tag, 0 if is_boundary else SCOPE)
        if place >= 0:
            _pop_to(nodes, state, stack, place)
    else:
        _end_other(nodes, state, stack, flags, value)


@compiled
def _end_other(nodes, state, stack, flags, value):
    """Any other end tag: it closes its element unless a special element is open inside."""
    at = state[_DEPTH] - 1
    while at >= 0:
        if stack[at, 1] >= 0:
            if stack[at, 2] == np.int64(value):
                _pop_to(nodes, state, stack, at)
                return
            if flags[stack[at, 1]] & SPECIAL:
                return
        at -= 1
