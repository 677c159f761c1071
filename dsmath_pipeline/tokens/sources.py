"""Where the texts of a training source lie, in parts that are read one by one with bounded memory.

A source is an artifact of this pipeline, one file, or a folder (searched through) of Parquet and JSON-lines files,
plain, gzip or Zstandard; locally, on an object store, or a data set on the Hugging Face hub (`owner/name`, or
`hf://datasets/owner/name/folder`), of which only files are read and no code is run. Texts are in the column or field
`text`, or `content` as code collections name it.

Not in the paper: how its sources are stored. AlgebraicStack and arXiv are published as folders of such files.
"""

import gzip
import io
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from .. import storage
from ..storage import MANIFEST, Folder, parquet_files

TEXT_FIELDS = ("text", "content")
PARQUET = (".parquet",)
JSON_LINES = (".jsonl", ".jsonl.gz", ".jsonl.zst", ".json.gz", ".json.zst")
HUB = "hf://datasets/"

_PART_BYTES = 128 << 20
"""Row groups of a Parquet file are taken together up to this size of their texts."""
_READ_ROWS = 256
_HUB_NAME = re.compile(r"[\w-][\w.-]*/[\w.-]+")


class SourceError(ValueError):
    """A source cannot be found or read; the message names it."""


@dataclass(frozen=True, slots=True)
class TextPart:
    """A file, or some row groups of a Parquet file: what one worker reads."""

    file: str
    row_groups: tuple[int, ...] = ()
    """Of a Parquet file; empty for JSON lines."""
    num_bytes: int = 0
    """Size of the texts (Parquet, before compression) or of the file."""


def source_folder(name: str | Folder) -> Folder:
    """The folder or file of a source. `owner/name` that does not lie here is a data set on the hub."""
    path = storage.folder(str(name))
    if "://" not in str(name) and not path.exists() and _HUB_NAME.fullmatch(str(name)):
        return storage.folder(f"{HUB}{name}")
    return path


def source_parts(path: Folder) -> list[TextPart]:
    """The parts of a source, in the order of its files' names.

    Raises SourceError when there is no readable file, and when a hub or store cannot be reached.
    """
    try:
        files = _files(path)
        parts = [part for file in files for part in _parts(file)]
    except SourceError:
        raise
    except Exception as error:  # fsspec and the hub raise errors of many kinds
        raise SourceError(cannot_reach(path, error)) from error
    if not files:
        wanted = ", ".join(f"*{suffix}" for suffix in (*PARQUET, *JSON_LINES))
        raise SourceError(f"no text file in {path}: expected files named {wanted}")
    return parts


def read_texts(part: TextPart) -> Iterator[str]:
    """The texts of a part that are not empty. A line that is no JSON object with a text is left out.

    Raises SourceError when no line of a JSON-lines file has a text.
    """
    path = storage.folder(part.file)
    if part.file.endswith(PARQUET):
        with path.open("rb") as source:
            # buffered pages: a row group of gigabytes is never held whole
            file = pq.ParquetFile(source, buffer_size=1 << 20, pre_buffer=False)
            column = _text_column(file, part.file)
            groups = list(part.row_groups)
            for batch in file.iter_batches(_READ_ROWS, row_groups=groups, columns=[column], use_threads=False):
                yield from (text for text in batch.column(0).to_pylist() if text)
        return
    is_found = has_lines = False
    with path.open("rb") as raw, _decompressed(raw, part.file) as lines:
        for line in lines:
            has_lines = has_lines or bool(line.strip())
            text = _text_of_line(line)
            if text:
                is_found = True
                yield text
    if has_lines and not is_found:
        raise SourceError(f"no line of {part.file} is an object with a field {' or '.join(TEXT_FIELDS)}")


def _files(path: Folder) -> list[Folder]:
    if path.is_file():
        return [path]
    if not path.exists():
        raise SourceError(f"{path} does not exist")
    if (path / MANIFEST).exists():
        return parquet_files(path)
    suffixes = (*PARQUET, *JSON_LINES)
    found = [p for p in path.rglob("*") if p.name.endswith(suffixes) and not p.name.startswith(".") and p.is_file()]
    return sorted(found, key=str)


def _parts(file: Folder) -> list[TextPart]:
    name = str(file)
    if not name.endswith(PARQUET):
        if not name.endswith(JSON_LINES):
            raise SourceError(f"{name} is neither Parquet nor JSON lines ({', '.join(JSON_LINES)})")
        return [TextPart(name, (), file.stat().st_size)]
    with file.open("rb") as source:
        opened = pq.ParquetFile(source)
        metadata = opened.metadata
        column = metadata.schema.names.index(_text_column(opened, name))
        sizes = [metadata.row_group(i).column(column).total_uncompressed_size for i in range(metadata.num_row_groups)]
    parts: list[TextPart] = []
    groups: list[int] = []
    for i, size in enumerate(sizes):
        if groups and sum(sizes[g] for g in groups) + size > _PART_BYTES:
            parts.append(TextPart(name, tuple(groups), sum(sizes[g] for g in groups)))
            groups = []
        groups.append(i)
    return [*parts, TextPart(name, tuple(groups), sum(sizes[g] for g in groups))] if groups else parts


def _text_column(file: pq.ParquetFile, name: str) -> str:
    names = file.schema_arrow.names
    found = next((field for field in TEXT_FIELDS if field in names), None)
    if found is None:
        raise SourceError(f"{name} has no column {' or '.join(TEXT_FIELDS)}; its columns are {', '.join(names)}")
    return found


def _text_of_line(line: bytes) -> str:
    try:
        row: Any = json.loads(line)
    except ValueError:
        return ""
    found = next((row[field] for field in TEXT_FIELDS if field in row), "") if isinstance(row, dict) else ""
    # a lone surrogate is no character and cannot be encoded
    return found.encode("utf-8", "replace").decode() if isinstance(found, str) else ""


def _decompressed(raw: Any, name: str) -> Any:
    if name.endswith(".gz"):
        return gzip.GzipFile(fileobj=raw)
    if name.endswith(".zst"):
        return io.BufferedReader(pa.CompressedInputStream(pa.PythonFile(raw, mode="r"), "zstd"))  # type: ignore[arg-type]
    return io.BufferedReader(raw) if not hasattr(raw, "__iter__") else raw


def cannot_reach(path: Folder, error: Exception) -> str:
    """What to say when a hub or store does not answer."""
    hint = " (is the hub out of reach? download the data set and name its folder)" if "hf://" in str(path) else ""
    return f"cannot read {path}: {type(error).__name__}: {error}{hint}"
