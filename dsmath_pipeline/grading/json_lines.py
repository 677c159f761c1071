"""Rows as JSON lines that can always be written."""

import json
from collections.abc import Mapping
from typing import Any


def json_line(row: Mapping[str, Any]) -> bytes:
    """The row as one line of UTF-8 JSON; escaped throughout where it holds half a surrogate pair, which only an escape
    can hold."""
    try:
        return json.dumps(row, ensure_ascii=False).encode() + b"\n"
    except UnicodeEncodeError:
        return json.dumps(row).encode() + b"\n"
