"""The seed file: mathematics texts that people bring, OpenWebMath in the paper (section 2.1).

Writes the artifact `seed`: the file's texts as Parquet, SEED_SCHEMA. Drawing a training set from it: seed_set.py.
"""

import gzip
import hashlib
import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from .. import storage
from ..progress import SILENT, Progress, track
from ..storage import Folder, Manifest

SEED_VERSION = "1"

SEED_SCHEMA = pa.schema(
    [
        pa.field("url", pa.string(), nullable=False),
        pa.field("text", pa.large_string(), nullable=False),
        pa.field("date", pa.string()),
    ]
)

_ROWS_IN_A_SHARD = 20_000
_MAX_LISTED_LINES = 20


class SeedError(ValueError):
    """The seed file cannot be used, or gives no training set; the message says why and what to do."""


def seed_text_id(url: str, text: str) -> str:
    """Identity of a seed text: 32 hexadecimal digits of URL and text."""
    return hashlib.blake2b(f"{url}\0{text}".encode(), digest_size=16).hexdigest()


def write_seed(seed_file: str, out: Folder, *, progress: Progress = SILENT, force: bool = False) -> Manifest:
    """Read a seed file (.jsonl, .jsonl.gz or .parquet with url, text and, if known, date) into the artifact `seed`.

    Lines that cannot be used are skipped and counted by reason in `skipped`; the first of them are listed with their
    line numbers in `skipped_lines`. Texts that occur twice are kept once.

    Raises SeedError when the file is missing, of another format, or holds no usable text.
    """
    path = storage.folder(seed_file)
    if not path.is_file():
        raise SeedError(f"the seed file {path} does not exist; give a .jsonl, .jsonl.gz or .parquet file")
    key = storage.file_key([path])
    with storage.stage(out, "seed", SEED_VERSION, None, {"file": key}, force=force) as run:
        if run.artifact:
            skipped, lines = _write_texts(path, run.artifact, progress)
            if not run.artifact.num_rows:
                seen_first = f"; first problems: {'; '.join(lines[:3])}" if lines else ""
                raise SeedError(f"{path} holds no usable text: every row needs url and text{seen_first}")
            run.artifact.counts |= {"num_texts": run.artifact.num_rows, "skipped": dict(skipped)}
            run.artifact.counts["skipped_lines"] = lines
    assert run.manifest is not None
    return run.manifest


def _write_texts(path: Folder, artifact: storage.Artifact, progress: Progress) -> tuple[Counter[str], list[str]]:
    """Write the usable rows. Returns how many others there were by reason, and the first of them."""
    skipped: Counter[str] = Counter()
    lines: list[str] = []
    rows: list[dict[str, Any]] = []
    seen: set[bytes] = set()
    for number, value in track(read_rows(path), "seed", progress):
        reason = _unusable(value, seen)
        if reason:
            skipped[reason] += 1
            if len(lines) < _MAX_LISTED_LINES:
                lines.append(f"line {number}: {reason}")
            continue
        assert isinstance(value, dict)
        rows.append({"url": value["url"], "text": value["text"], "date": _optional_text(value.get("date"))})
        if len(rows) == _ROWS_IN_A_SHARD:
            _write_rows(artifact, rows)
    _write_rows(artifact, rows)
    return skipped, lines


def read_rows(path: Folder) -> Iterator[tuple[int, dict[str, Any] | str]]:
    """Line (or row) number, counted from 1, and the row of a text file, or the reason why it could not be read.

    Raises SeedError for another format, for a Parquet file without url or text, and for a file that is cut off.
    """
    name = path.name.lower()
    if name.endswith(".parquet"):
        yield from _parquet_rows(path)
    elif name.endswith((".jsonl", ".jsonl.gz")):
        yield from _json_rows(path, is_packed=name.endswith(".gz"))
    else:
        raise SeedError(f"{path}: unknown format; give a .jsonl, .jsonl.gz or .parquet file with url, text and date")


def _parquet_rows(path: Folder) -> Iterator[tuple[int, dict[str, Any] | str]]:
    with path.open("rb") as file:
        table = pq.ParquetFile(file, pre_buffer=False)
        names = table.schema_arrow.names
        missing = {"url", "text"} - set(names)
        if missing:
            raise SeedError(f"{path} has no column {', '.join(sorted(missing))}; it needs url, text and date")
        number = 0
        columns = [column for column in SEED_SCHEMA.names if column in names]
        for batch in table.iter_batches(columns=columns, use_threads=False):
            for row in batch.to_pylist():
                number += 1
                yield number, row


def _json_rows(path: Folder, *, is_packed: bool) -> Iterator[tuple[int, dict[str, Any] | str]]:
    with path.open("rb") as raw, gzip.open(raw, "rb") if is_packed else raw as file:
        try:
            for number, line in enumerate(file, 1):
                if line.strip():
                    yield number, _parse_line(line)
        except (EOFError, gzip.BadGzipFile) as error:
            raise SeedError(f"{path} is damaged or cut off ({error}); copy it again") from error


def _parse_line(line: bytes) -> dict[str, Any] | str:
    try:
        value = json.loads(line)
    except UnicodeDecodeError:
        return "not UTF-8"
    except ValueError:
        return "not JSON"
    return value if isinstance(value, dict) else "not a JSON object"


def _unusable(value: dict[str, Any] | str, seen: set[bytes]) -> str:
    """Why a row is skipped; empty when it is used."""
    if isinstance(value, str):
        return value
    if not isinstance(value.get("url"), str) or not value["url"].strip():
        return "no url"
    if not isinstance(value.get("text"), str) or not value["text"].strip():
        return "no text"
    if any("\ud800" <= character <= "\udfff" for character in value["url"] + value["text"]):
        return "lone surrogate"
    digest = hashlib.blake2b(value["text"].encode(), digest_size=16).digest()
    if digest in seen:
        return "duplicate text"
    seen.add(digest)
    return ""


def _optional_text(value: Any) -> str | None:
    return None if value is None else str(value)


def _write_rows(artifact: storage.Artifact, rows: list[dict[str, Any]]) -> None:
    """Write the rows as the next part file and empty the list."""
    if rows:
        number = artifact.num_rows // _ROWS_IN_A_SHARD
        artifact.write_table(f"part-{number:05d}.parquet", pa.Table.from_pylist(rows, SEED_SCHEMA))
        rows.clear()
