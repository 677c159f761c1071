"""What the parser and the page walker know of each HTML tag, as tables that compiled code reads.

A tag is a number: TEXT (0) for a text node, 1 ... for the names below, UNKNOWN for any other name. `TAG_FLAGS[tag]`
holds the bits that say how the tag behaves in the tree (WHATWG HTML, section 13.2.6) and in the layout.
"""

import html.entities

import numpy as np

_NAMES = """
html head body title base link meta style script noscript template
address article aside blockquote center details dialog dd dir div dl dt fieldset figcaption figure footer form h1 h2 h3
h4 h5 h6 header hgroup hr li listing main menu nav ol p plaintext pre search section summary ul xmp
a abbr acronym b bdi bdo big cite code data del dfn em font i ins kbd label legend mark meter nobr output progress q
rb rp rt rtc ruby s samp small span strike strong sub sup time tt u var
br wbr img area map embed param source track audio video picture object applet iframe frame frameset noframes noembed
canvas input button select option optgroup textarea datalist keygen marquee bgsound image
table caption colgroup col tbody thead tfoot tr td th
svg foreignobject desc
math mi mn mo ms mtext mspace mrow mfrac msqrt mroot mstyle merror mpadded mphantom mfenced menclose msub msup msubsup
munder mover munderover mmultiscripts mprescripts none mtable mtr mtd mlabeledtr maction semantics annotation
annotation-xml mglyph malignmark mjx-container mjx-assistive-mml mjx-math d-math tex latex formula math-renderer
tex-math math-inline math-block slot
""".split()  # noqa: SIM905 - one line a name would hide the list
TAG_NAMES = ("", *_NAMES)
"""Name of each tag number; "" for a text node. UNKNOWN is one past the end."""
TAG_IDS = {name: number for number, name in enumerate(TAG_NAMES) if name}
TEXT = 0
UNKNOWN = len(TAG_NAMES)

VOID, RAW_TEXT, ESCAPABLE_TEXT, CLOSES_P, SPECIAL, SCOPE, FORMATTING, HEADING = (1 << i for i in range(8))
TABLE_PART, FOREIGN_BREAKOUT, TEXT_POINT, STRUCTURE, BLOCK, NEVER_TEXT, IS_CANDIDATE, KEEPS_CONTAINER = (
    1 << i for i in range(8, 16)
)
IS_CODE, LISTED = 1 << 16, 1 << 17

_FLAGGED = {
    VOID: "area base br col embed hr img input link meta param source track wbr keygen bgsound frame",
    RAW_TEXT: "style script xmp iframe noembed noframes",
    ESCAPABLE_TEXT: "title textarea",
    CLOSES_P: """address article aside blockquote center details dialog dir div dl dd dt fieldset figcaption figure
        footer form h1 h2 h3 h4 h5 h6 header hgroup hr li listing main menu nav ol p plaintext pre search section
        summary table ul xmp""",
    SPECIAL: """address applet area article aside base bgsound blockquote br button caption center col colgroup dd
        details dir div dl dt embed fieldset figcaption figure footer form frame frameset h1 h2 h3 h4 h5 h6 header
        hgroup hr iframe img input keygen li link listing main marquee menu meta nav noembed noframes noscript object
        ol p param plaintext pre script search section select source style summary table tbody td template textarea
        tfoot th thead title tr track ul wbr xmp foreignobject desc mi mo mn ms mtext annotation-xml""",
    SCOPE: "applet caption table td th marquee object template foreignobject desc mi mo mn ms mtext annotation-xml",
    FORMATTING: "a b big code em font i nobr s small strike strong tt u",
    HEADING: "h1 h2 h3 h4 h5 h6",
    TABLE_PART: "caption colgroup col tbody thead tfoot tr td th",
    FOREIGN_BREAKOUT: """b big blockquote br center code dd div dl dt em embed h1 h2 h3 h4 h5 h6 hr i img li listing
        menu meta nobr ol p pre ruby s small span strong strike sub sup table tt u ul var""",
    TEXT_POINT: "mi mo mn ms mtext annotation-xml foreignobject desc",
    STRUCTURE: "html head body frameset",
    BLOCK: """address article aside blockquote center dd details div dl dt fieldset figcaption figure footer form h1
        h2 h3 h4 h5 h6 header hgroup hr legend li main nav ol p pre section summary table tbody tfoot thead tr ul
        caption menu search noscript listing""",
    NEVER_TEXT: """style template iframe svg canvas object embed audio video select textarea input option datalist map
        title meta link button dialog progress meter applet frame noframes noembed script base""",
    IS_CANDIDATE: """math mjx-container mjx-assistive-mml d-math tex latex formula math-renderer tex-math math-inline
        math-block""",
    KEEPS_CONTAINER: "p li tr h1 h2 h3 h4 h5 h6 dt dd pre blockquote",
    IS_CODE: "code kbd samp tt pre listing xmp",
    LISTED: """nav footer aside header article main section form menu search table li ul ol dl blockquote pre figure
        figcaption details address noscript h1 h2 h3 h4 h5 h6 p tr dt dd""",
}  # fmt: skip


def _flag_table() -> np.ndarray:
    table = np.zeros(UNKNOWN + 1, np.int64)
    for flag, names in _FLAGGED.items():
        for name in names.split():
            table[TAG_IDS[name]] |= flag
    return table


TAG_FLAGS = _flag_table()


def name_hash(name: bytes) -> int:
    """64-bit FNV-1a of a name; compiled code computes the same of lower-cased bytes."""
    value = 0xCBF29CE484222325
    for byte in name:
        value = ((value ^ byte) * 0x100000001B3) & 0xFFFFFFFFFFFFFFFF
    return value


def hash_table(numbers: dict[bytes, int]) -> tuple[np.ndarray, np.ndarray]:
    """An open-addressing table from name_hash to a number: keys (uint64, 0 where empty) and values (int32).

    A power of two at least four times the entries; look-ups start at hash & (size - 1) and go on by one.
    """
    size = 1 << max(4, (4 * len(numbers) - 1).bit_length())
    keys, values = np.zeros(size, np.uint64), np.zeros(size, np.int32)
    for name, number in numbers.items():
        value = name_hash(name)
        at = value & (size - 1)
        while keys[at]:
            at = (at + 1) & (size - 1)
        keys[at], values[at] = value, number
    return keys, values


TAG_KEYS, TAG_VALUES = hash_table({name.encode(): number for name, number in TAG_IDS.items()})


def _character_references() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Named character references: hash table of names (with ";" where required) to rows of two code points."""
    names = sorted(html.entities.html5)
    points = np.zeros((len(names), 2), np.int32)
    for row, name in enumerate(names):
        for column, character in enumerate(html.entities.html5[name]):
            points[row, column] = ord(character)
    keys, values = hash_table({name.encode(): row for row, name in enumerate(names)})
    return keys, values, points


REFERENCE_KEYS, REFERENCE_ROWS, REFERENCE_POINTS = _character_references()
