"""The seed, and the training set that each iteration makes of seed and crawl (section 2.1).

Two artifacts:
- `seed`: the seed file (OpenWebMath's schema: url, text, date) as Parquet, SEED_SCHEMA.
- `seed_set`: what one classifier is trained on, SEED_SET_SCHEMA. Positives are drawn from the seed and, from iteration
  2 on, from crawl pages under URL prefixes labelled math. Negatives are drawn anew from the crawl; from iteration 2 on
  pages under those prefixes and pages that were collected are no longer negatives: a mathematics page in the negatives
  teaches the classifier to reject its like.

A fixed part of seed and crawl, chosen by a hash of URL or page id, is held out in every iteration.

It does not train; see classifier.py.
"""

import gzip
import hashlib
import heapq
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from .. import storage
from ..progress import SILENT, Progress, track
from ..recipe.schema import SeedSettings
from ..storage import Folder, Manifest
from ..text import TEXT_VERSION, segment
from .annotation import UrlLabels, read_annotations

SEED_VERSION = "1"
SEED_SET_VERSION = f"1/text {TEXT_VERSION}"

SEED_SCHEMA = pa.schema(
    [
        pa.field("url", pa.string(), nullable=False),
        pa.field("text", pa.large_string(), nullable=False),
        pa.field("date", pa.string()),
    ]
)

SEED_SET_SCHEMA = pa.schema(
    [
        pa.field("id", pa.string(), nullable=False),  # page id; for seed texts a hash of URL and text
        pa.field("url", pa.string(), nullable=False),
        pa.field("label", pa.string(), nullable=False),  # math | other
        pa.field("origin", pa.string(), nullable=False),  # seed | joined (crawl page under a math prefix) | crawl
        pa.field("is_held_out", pa.bool_(), nullable=False),
        pa.field("fold", pa.int32(), nullable=False),  # classifier that must not see the text; -1: all may
        pa.field("segmented", pa.large_string(), nullable=False),  # tokens joined by single spaces, cut to max_chars
    ]
)

_ROWS_IN_A_SHARD = 20_000
_MAX_LISTED_LINES = 20


class SeedError(ValueError):
    """The seed file cannot be used; the message says why and what to do."""


@dataclass(frozen=True)
class Previous:
    """What the iterations before this one left: annotations of all of them (oldest first), pages of the last one."""

    annotations: Sequence[Folder]
    collected: Folder


# the seed file ------------------------------------------------------------------------------------------------------


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
            skipped: Counter[str] = Counter()
            lines: list[str] = []
            rows: list[dict[str, Any]] = []
            seen: set[bytes] = set()
            for number, value in track(_seed_lines(path), "seed", progress):
                reason = _unusable(value, seen)
                if reason:
                    skipped[reason] += 1
                    if len(lines) < _MAX_LISTED_LINES:
                        lines.append(f"line {number}: {reason}")
                    continue
                assert isinstance(value, dict)
                rows.append({"url": value["url"], "text": value["text"], "date": _optional_text(value.get("date"))})
                if len(rows) == _ROWS_IN_A_SHARD:
                    _write_rows(run.artifact, rows, SEED_SCHEMA)
            _write_rows(run.artifact, rows, SEED_SCHEMA)
            if not run.artifact.num_rows:
                seen_first = f"; first problems: {'; '.join(lines[:3])}" if lines else ""
                raise SeedError(f"{path} holds no usable text: every row needs url and text{seen_first}")
            run.artifact.counts |= {"num_texts": run.artifact.num_rows, "skipped": dict(skipped)}
            run.artifact.counts["skipped_lines"] = lines
    assert run.manifest is not None
    return run.manifest


def _seed_lines(path: Folder) -> Iterator[tuple[int, dict[str, Any] | str]]:
    """Line (or row) number, counted from 1, and the row, or the reason why it could not be read."""
    name = path.name.lower()
    if name.endswith(".parquet"):
        with path.open("rb") as file:
            table = pq.ParquetFile(file)
            missing = {"url", "text"} - set(table.schema_arrow.names)
            if missing:
                raise SeedError(f"{path} has no column {', '.join(sorted(missing))}; it needs url, text and date")
            number = 0
            for batch in table.iter_batches(columns=[c for c in SEED_SCHEMA.names if c in table.schema_arrow.names]):
                for row in batch.to_pylist():
                    number += 1
                    yield number, row
    elif name.endswith((".jsonl", ".jsonl.gz")):
        with path.open("rb") as raw, gzip.open(raw, "rb") if name.endswith(".gz") else raw as file:
            try:
                for number, line in enumerate(file, 1):
                    if line.strip():
                        yield number, _parse_line(line)
            except (EOFError, gzip.BadGzipFile) as error:
                raise SeedError(f"{path} is damaged or cut off ({error}); copy it again") from error
    else:
        raise SeedError(f"{path}: unknown format; give a .jsonl, .jsonl.gz or .parquet file with url, text and date")


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


def _write_rows(artifact: storage.Artifact, rows: list[dict[str, Any]], schema: pa.Schema) -> None:
    """Write the rows as the next part file and empty the list."""
    if rows:
        number = artifact.num_rows // _ROWS_IN_A_SHARD
        artifact.write_table(f"part-{number:05d}.parquet", pa.Table.from_pylist(rows, schema))
        rows.clear()


# the training set of an iteration -----------------------------------------------------------------------------------


def build_seed_set(
    seed: Folder,
    unique_documents: Folder,
    out: Folder,
    settings: SeedSettings,
    random_seed: int,
    *,
    iteration: int = 1,
    previous: Previous | None = None,
    progress: Progress = SILENT,
    force: bool = False,
) -> Manifest:
    """Write the artifact `seed_set` of one iteration. `previous` is None in iteration 1.

    At most `num_positives` texts are drawn from seed and joined pages together, `num_negatives` from the other crawl
    pages; the draw depends on ids, `random_seed` and `iteration`, never on the order of files. Counts: `num_positives`,
    `num_negatives` (both trained on), `num_joined`, `num_held_out` by label, `num_left_out_of_negatives`.

    Raises SeedError when one class would be empty.
    """
    inputs: dict[str, Folder | str] = {"seed": seed, "unique_documents": unique_documents}
    inputs["draw"] = f"{random_seed}:{iteration}"
    if previous:
        inputs |= {f"annotations_{k}": path for k, path in enumerate(previous.annotations, 1)}
        inputs["collected"] = previous.collected
    with storage.stage(out, "seed_set", SEED_SET_VERSION, settings, inputs, force=force) as run:
        if run.artifact:
            chosen = _Draw(settings, f"{random_seed}:seed_set:{iteration}")
            _draw_seed(chosen, seed)
            left_out = _draw_pages(chosen, unique_documents, previous)
            progress.log(f"training set: {len(chosen.positives)} positives, {len(chosen.negatives)} negatives")
            _write_seed_set(run.artifact, chosen, seed, unique_documents)
            run.artifact.counts["num_left_out_of_negatives"] = left_out
            _check_classes(run.artifact.counts, out)
    assert run.manifest is not None
    return run.manifest


class _Draw:
    """Two uniform samples without replacement: the smallest keyed hashes of all offered ids."""

    def __init__(self, settings: SeedSettings, name: str):
        self.settings, self.name = settings, name
        self.positives: list[tuple[int, str, str]] = []
        self.negatives: list[tuple[int, str, str]] = []

    def offer_positive(self, ident: str, origin: str) -> None:
        self._offer(self.positives, self.settings.num_positives, ident, origin)

    def offer_negative(self, ident: str) -> None:
        self._offer(self.negatives, self.settings.num_negatives, ident, "crawl")

    def _offer(self, heap: list[tuple[int, str, str]], size: int, ident: str, origin: str) -> None:
        entry = (-_hash(f"{self.name}:{ident}"), ident, origin)
        if len(heap) < size:
            heapq.heappush(heap, entry)
        elif entry > heap[0]:
            heapq.heapreplace(heap, entry)

    def origins(self) -> dict[str, str]:
        """Origin of every chosen id."""
        return {ident: origin for _, ident, origin in (*self.positives, *self.negatives)}


def _hash(value: str) -> int:
    return int.from_bytes(hashlib.blake2b(value.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big")


def seed_text_id(url: str, text: str) -> str:
    """Identity of a seed text: 32 hexadecimal digits of URL and text."""
    return hashlib.blake2b(f"{url}\0{text}".encode(), digest_size=16).hexdigest()


def is_held_out(url: str, share: float) -> bool:
    """Does the URL belong to the held-out part? The same in every iteration and for every random seed."""
    return _hash(f"held_out:{url}") < share * 2**64


def fold_of(ident: str, num_folds: int) -> int:
    """The classifier that never sees this crawl page and therefore scores it (0 when there is only one)."""
    return _hash(f"fold:{ident}") % num_folds


def _draw_seed(draw: _Draw, seed: Folder) -> None:
    for batch in _batches(seed, ["url", "text"]):
        for row in batch.to_pylist():
            draw.offer_positive(seed_text_id(row["url"], row["text"]), "seed")


def _draw_pages(draw: _Draw, unique_documents: Folder, previous: Previous | None) -> int:
    """Offer every crawl page to the class it may serve. Returns how many pages may not be negatives."""
    labels = UrlLabels([label for path in previous.annotations for label in read_annotations(path)] if previous else [])
    collected = storage.read_table(previous.collected, ["id"])["id"].combine_chunks() if previous else None
    left_out = 0
    for batch in _batches(unique_documents, ["id", "url"]):
        taken = pc.is_in(batch["id"], value_set=collected).to_pylist() if collected is not None else None
        for number, row in enumerate(batch.to_pylist()):
            was_collected = taken is not None and taken[number]
            is_marked = labels.label_of(row["url"]) == "math"
            if is_marked and (not was_collected or draw.settings.joined_pages == "all"):
                draw.offer_positive(row["id"], "joined")
            if is_marked or was_collected:
                left_out += 1
            else:
                draw.offer_negative(row["id"])
    return left_out


def _batches(path: Folder, columns: list[str]) -> Iterator[pa.RecordBatch]:
    for file in storage.parquet_files(path):
        with file.open("rb") as source:
            yield from pq.ParquetFile(source).iter_batches(batch_size=4096, columns=columns)


def _write_seed_set(artifact: storage.Artifact, draw: _Draw, seed: Folder, unique_documents: Folder) -> None:
    origins, rows, settings = draw.origins(), [], draw.settings
    counts: Counter[tuple[str, bool]] = Counter()
    num_joined = 0
    for row in _chosen_texts(origins, seed, unique_documents):
        origin = origins[row["id"]]
        label = "other" if origin == "crawl" else "math"
        held_out = origin != "joined" and is_held_out(row["url"], settings.held_out_share)
        fold = -1 if origin == "seed" or settings.num_folds == 1 else fold_of(row["id"], settings.num_folds)
        counts[label, held_out] += 1
        num_joined += origin == "joined"
        segmented = " ".join(segment(row["text"][: 4 * settings.max_chars]))[: settings.max_chars]
        rows.append({"id": row["id"], "url": row["url"], "label": label, "origin": origin, "is_held_out": held_out,
                     "fold": fold, "segmented": segmented})  # fmt: skip
        if len(rows) == _ROWS_IN_A_SHARD:
            _write_rows(artifact, rows, SEED_SET_SCHEMA)
    _write_rows(artifact, rows, SEED_SET_SCHEMA)
    artifact.counts |= {
        "num_positives": counts["math", False],
        "num_negatives": counts["other", False],
        "num_joined": num_joined,
        "num_held_out": {"math": counts["math", True], "other": counts["other", True]},
    }


def _chosen_texts(origins: dict[str, str], seed: Folder, unique_documents: Folder) -> Iterator[dict[str, str]]:
    """id, url and text of every chosen seed text, then of every chosen crawl page, in the order of the files."""
    for batch in _batches(seed, ["url", "text"]):
        for row in batch.to_pylist():
            ident = seed_text_id(row["url"], row["text"])
            if ident in origins:
                yield {"id": ident, **row}
    for batch in _batches(unique_documents, ["id", "url", "text"]):
        for row in batch.to_pylist():
            if row["id"] in origins:
                yield row


def _check_classes(counts: dict[str, Any], out: Folder) -> None:
    if not counts["num_positives"]:
        raise SeedError(f"{out}: no positive texts; the seed is too small for held_out_share")
    if not counts["num_negatives"]:
        raise SeedError(
            f"{out}: no negative texts left; every crawl page was collected or lies under a math prefix. "
            "Raise ranking.min_score or lower ranking.token_budget"
        )
