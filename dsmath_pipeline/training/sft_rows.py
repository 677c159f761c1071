"""Rows of fine-tuning data from files of any common kind, each with its place; a row that cannot be read is a bad row.

JSON lines (also .gz), JSON (a list, one object, or an object with a list under `Instances` or `data`), Parquet, and
folders of these. It knows nothing of what the fields mean (sft_formats does).
"""

import gzip
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from .. import storage
from ..storage import MANIFEST, ArtifactError, Folder

SUFFIXES = (".jsonl", ".jsonl.gz", ".json", ".json.gz", ".parquet")
_LISTS = ("Instances", "data")


@dataclass(frozen=True, slots=True)
class RawRow:
    """One row of a file: `value`, or what is wrong with it in `error`. `line` counts from 1 (rows, where a file has no
    lines)."""

    file: str
    line: int
    value: dict[str, Any]
    error: str = ""


def data_files(path: Folder) -> list[Folder]:
    """The files of a source, sorted. Raises ArtifactError when there is none that can be read."""
    if path.is_file():
        found = [path]
    else:
        files = path.rglob("*") if path.exists() else ()
        found = sorted((p for p in files if p.is_file() and p.name != MANIFEST and not p.name.startswith(".")), key=str)
    readable = [file for file in found if file.name.endswith(SUFFIXES)]
    if not readable:
        raise ArtifactError(f"no data in {path}: expected a file or a folder of files named *{', *'.join(SUFFIXES)}")
    return readable


def read_rows(file: Folder) -> Iterator[RawRow]:
    """Every row of a file, good or bad. Blank lines are none."""
    name = str(file)
    if name.endswith(".parquet"):
        yield from _read_parquet(file)
    elif name.endswith((".json", ".json.gz")):
        yield from _read_json(file)
    else:
        with file.open("rb") as raw, gzip.GzipFile(fileobj=raw) if name.endswith(".gz") else raw as lines:
            number = 0
            try:
                for number, line in enumerate(lines, 1):
                    if line.strip():
                        yield _parsed(name, number, line)
            except (EOFError, gzip.BadGzipFile, OSError) as error:
                yield RawRow(name, number + 1, {}, f"the file is damaged or cut off: {error}")


def _parsed(name: str, number: int, line: bytes) -> RawRow:
    try:
        value = json.loads(line.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        return RawRow(name, number, {}, f"not JSON: {error}")
    return _row(name, number, value)


def _row(name: str, number: int, value: Any) -> RawRow:
    if not isinstance(value, dict):
        return RawRow(name, number, {}, "not an object with fields")
    return RawRow(name, number, value)


def _read_json(file: Folder) -> Iterator[RawRow]:
    data = file.read_bytes()
    try:
        value = json.loads((gzip.decompress(data) if str(file).endswith(".gz") else data).decode("utf-8-sig"))
    except (ValueError, RecursionError, EOFError, OSError) as error:
        yield RawRow(str(file), 1, {}, f"not JSON: {error}")
        return
    if isinstance(value, dict):
        value = next((value[name] for name in _LISTS if isinstance(value.get(name), list)), [value])
    if not isinstance(value, list):
        yield RawRow(str(file), 1, {}, "neither a list nor an object")
        return
    for number, row in enumerate(value, 1):
        yield _row(str(file), number, row)


def _read_parquet(file: Folder) -> Iterator[RawRow]:
    number = 0
    for batch in storage.table_batches(file):
        for value in batch.to_pylist():
            number += 1
            yield RawRow(str(file), number, value)
