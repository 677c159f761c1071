"""Columns and bits of the node table that html_kernel.py writes and everybody else reads."""

TAG, PARENT, END, NAME, START, STOP, BITS, CLASS, CLASS_STOP, ID, ID_STOP, ROLE, ROLE_STOP, CLOSED = range(14)
"""Columns (int32). TAG: number of the tag; PARENT: row, or -1; END: row behind the last node below; NAME: place of the
tag's name; START, STOP: bytes of the text, or of the attributes; CLASS ... ROLE_STOP: bytes of these attributes'
values (0 where there are none); CLOSED: content from this row on is no longer the element's own, although it stands
below it (misnested forms and formatting)."""
NUM_COLUMNS = 14

HAS_HREF, HIDDEN, IS_CANDIDATE_NODE, IS_SELF_CLOSED = (1 << i for i in range(4))
"""Bits of a node. A candidate may be a formula: see html_tree.Candidates."""

MAX_DEPTH = 400
"""Deeper elements become siblings, as in browsers (which stop at 512)."""
