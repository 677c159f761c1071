"""The texts of the validation: held-out mathematics, and every corpus without it.

No corpus may have been trained on what is measured. Documents of the seed and of the crawl's mathematics are held out
by a hash of their URL; texts that people judged to be mathematics are held out whole. Each corpus then loses the
documents with a held-out URL, exact copies of a held-out text and near-duplicates of one (MinHash, as in near-dedup),
whichever side they came from, and a user's corpus as well. Pages of one site can lie on both sides.

Not in the paper, which measures benchmarks only (section 2.2); its corpora are decontaminated against those.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

import pyarrow as pa

from .. import storage
from ..batches import batches
from ..corpus.held_out import COPIES_VERSION, HeldOut, is_held_out, read_judged_file
from ..progress import SILENT, Progress
from ..storage import ArtifactError, Folder, Manifest
from ..tokens.inputs import stage_input
from ..tokens.sources import read_texts, source_folder, source_parts

TEXTS_VERSION = f"1/copies {COPIES_VERSION}"
"""1 (2026-11): first version."""

HELD_OUT_SCHEMA = pa.schema(
    [
        pa.field("held_out", pa.string(), nullable=False),  # which set: seed | crawl | judged
        pa.field("url", pa.string(), nullable=False),
        pa.field("text", pa.large_string(), nullable=False),
    ]
)
TEXT_SCHEMA = pa.schema([pa.field("text", pa.large_string(), nullable=False)])

_BATCH_TEXTS = 1000
_PART_CHARS = 64_000_000
_ALL_CHARS = 10**9


def hold_out_mathematics(
    seed: Folder,
    unique_documents: Folder,
    collected: Folder,
    out: Folder,
    share: float,
    *,
    judged: str = "",
    progress: Progress = SILENT,
) -> Manifest:
    """Write the artifact `validation_held_out` (HELD_OUT_SCHEMA).

    `share` (0-1) of the seed's texts, and of the crawl's documents that the last iteration `collected`, by hash of the
    URL. Which of the crawl's pages are mathematics is then the loop's own opinion: the mathematics in a file of judged
    texts (JSONL: url, text, is_math) takes the place of those pages where one is given. Counts: texts of each set.
    Raises ArtifactError when nothing is held out.
    """
    inputs: dict[str, Folder | str] = {"seed": seed, "unique_documents": unique_documents, "collected": collected}
    file = storage.folder(judged) if judged else None
    inputs["judged"] = storage.file_key([file]) if file else ""
    with storage.stage(out, "validation_held_out", TEXTS_VERSION, {"held_out_share": share}, inputs) as run:
        if run.artifact:
            rows = [_row("seed", row) for row in _rows(seed) if is_held_out(row["url"], share)]
            if file:
                rows += [_row("judged", row) for row in read_judged_file(file, _ALL_CHARS) if row["label"] == "math"]
            else:
                ids = _ids(collected)
                for row in _rows(unique_documents, "id"):
                    if row["id"] in ids and is_held_out(row["url"], share):
                        rows.append(_row("crawl", row))
            if not rows:
                raise ArtifactError(
                    f"no text held out of {seed} and {unique_documents}: raise validation.held_out_share={share}"
                )
            run.artifact.write_table("part-00000.parquet", pa.Table.from_pylist(rows, HELD_OUT_SCHEMA))
            run.artifact.counts |= dict(sorted(Counter(row["held_out"] for row in rows).items()))
            progress.log(f"held-out mathematics: {run.artifact.counts}")
    assert run.manifest is not None
    return run.manifest


def write_corpus_texts(
    source: Folder | str, out: Folder, held_out: Folder, *, collected: Folder | None = None, what: str = "texts",
    progress: Progress = SILENT,
) -> Manifest:  # fmt: skip
    """Write the artifact `validation_texts`: the texts of one corpus (column text) that may be trained on.

    `source` is an artifact, or files of a user as `tokens.sources` reads them; of an artifact with ids, `collected`
    restricts it to the documents of an iteration. Counts: texts read and kept, dropped by reason (`held_out`, `copy`,
    `near_copy`), bytes. Raises ArtifactError when nothing is left.
    """
    path = source_folder(source)
    inputs: dict[str, Folder | str] = {"source": stage_input(path), "held_out": held_out}
    if collected is not None:
        inputs["collected"] = collected
    with storage.stage(out, "validation_texts", TEXTS_VERSION, None, inputs) as run:
        if run.artifact:
            unwanted = HeldOut(held_out)
            counts: Counter[str] = Counter()
            kept = _kept(_documents(path, collected), unwanted, counts, what, progress)
            parts = batches(kept, _PART_CHARS, len)
            num_bytes = 0
            for number, texts in enumerate(parts):
                num_bytes += sum(len(text.encode()) for text in texts)
                run.artifact.write_table(f"part-{number:05d}.parquet", pa.table([texts], schema=TEXT_SCHEMA))
            kept = counts.pop("", 0)
            if not kept:
                raise ArtifactError(f"no text of {path} is left to train on: {dict(counts) or 'it holds none'}")
            run.artifact.counts |= {
                "num_read": kept + counts.total(), "num_kept": kept, "dropped": dict(sorted(counts.items())),
                "num_bytes": num_bytes,
            }  # fmt: skip
    assert run.manifest is not None
    return run.manifest


def _documents(path: Folder, collected: Folder | None) -> Iterator[tuple[str, str]]:
    """(URL, text) of every document; files without URLs have empty ones."""
    if (path / storage.MANIFEST).exists():
        ids = _ids(collected) if collected is not None else None
        for row in _rows(path, *(["id"] if ids is not None else [])):
            if ids is None or row["id"] in ids:
                yield row["url"], row["text"]
        return
    for part in source_parts(path):
        for text in read_texts(part):
            yield "", text


def _kept(
    documents: Iterable[tuple[str, str]], unwanted: HeldOut, counts: Counter[str], what: str, progress: Progress
) -> Iterator[str]:
    """The texts that may be trained on; counts every text under its reason, "" when it is kept."""
    for batch in batches(documents, _BATCH_TEXTS, lambda _: 1):
        reasons = unwanted.reasons([url for url, _ in batch], [text for _, text in batch])
        counts.update(reasons)
        yield from (text for (_, text), reason in zip(batch, reasons, strict=True) if not reason)
        progress.update(what, counts.total())


def _ids(collected: Folder) -> set[str]:
    storage.read_manifest(collected)
    return set(storage.read_table(collected, ["id"])["id"].to_pylist())


def _rows(path: Folder, *more: str) -> Iterator[dict[str, Any]]:
    """Rows with url, text and the columns in `more`, file by file."""
    for file in storage.parquet_files(path):
        yield from storage.read_table(file, ["url", "text", *more]).to_pylist()


def _row(held_out: str, row: dict[str, Any]) -> dict[str, str]:
    return {"held_out": held_out, "url": row["url"], "text": row["text"]}
