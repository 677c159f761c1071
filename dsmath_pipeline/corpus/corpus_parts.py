"""The parts of a corpus: the one that a run made, and one for each crawl that was added to it since.

    <root>/math_corpus                        the base
           refresh/base/corpus_index          URLs, texts and signatures of its pages
           refresh/<crawl>/math_corpus        a part: records.CORPUS_SCHEMA
                           corpus_index       written last: a part without it is unfinished

A part names in its index what it was compared with. Two parts go together when one was compared with the other as it
is now. A part that does not go with those before it (the base was made anew, or two parts were made at the same time)
is out of date: it is left out of every comparison, and the corpus is not read with it.

The whole corpus as one artifact is `math_corpus` again: the files of the parts, linked where the disk allows.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa

from .. import storage
from ..storage import MANIFEST, ArtifactError, Folder, Manifest
from .card import dataset_card
from .iteration import link_or_copy
from .removal import without_removed
from .removal_requests import stored_requests
from .tally import Tally

FOLDER, BASE, EARLIER, WHOLE = "refresh", "base", "earlier-", "corpus"
WHOLE_VERSION = "1"
"""1 (2026-11): first version."""


@dataclass(frozen=True)
class Part:
    """One finished part."""

    name: str
    corpus: Folder
    index: Folder
    key: str
    """Of its index; "" for a base whose index is not there or out of date."""
    crawl: tuple[str, ...] = ()
    compared_with: tuple[tuple[str, str], ...] = ()
    """Name and key of the parts that it holds no duplicate of."""
    newest_page: str = ""
    """Latest crawl date of its crawl, ISO 8601; "" where no page has one."""
    cut_logit: float | None = None
    is_current: bool = True

    def goes_with(self, other: "Part") -> bool:
        """Was one of the two compared with the other as it is now?"""
        return (other.name, other.key) in self.compared_with or (self.name, self.key) in other.compared_with


def part_folder(root: Folder, name: str, *names: str) -> Folder:
    """`<root>/refresh/<name>`, or an artifact in it."""
    return root.joinpath(FOLDER, name, *names)


def read_parts(root: Folder) -> list[Part]:
    """The finished parts, the base first, then in the order they were finished.

    Raises ArtifactError when `root` holds no finished corpus.
    """
    parts = [_base(root)]
    found = []
    for file in (root / FOLDER).glob(f"*/corpus_index/{MANIFEST}") if (root / FOLDER).exists() else ():
        name = file.parent.parent.name
        if name != BASE and not name.startswith(EARLIER):
            found.append((storage.read_manifest(file.parent), name))
    for manifest, name in sorted(found, key=lambda pair: (pair[0].created_seconds, pair[1])):
        part = _part(root, name, manifest)
        is_current = all(part.goes_with(other) for other in parts if other.is_current)
        parts.append(_part(root, name, manifest, is_current))
    return parts


def _base(root: Folder) -> Part:
    corpus, index = root / "math_corpus", part_folder(root, BASE, "corpus_index")
    made = storage.read_manifest(corpus)
    if not (index / MANIFEST).exists():
        return Part(BASE, corpus, index, "")
    manifest = storage.read_manifest(index)
    key = manifest.key if manifest.inputs["math_corpus"] == made.key else ""
    return Part(BASE, corpus, index, key, newest_page=manifest.counts["newest_page"])


def _part(root: Folder, name: str, manifest: Manifest, is_current: bool = True) -> Part:
    counts = manifest.counts
    return Part(
        name, part_folder(root, name, "math_corpus"), part_folder(root, name, "corpus_index"), manifest.key,
        tuple(counts["crawl"]), tuple(counts["compared_with"].items()), counts["newest_page"], counts["cut_logit"],
        is_current,
    )  # fmt: skip


def current_parts(root: Folder) -> list[Part]:
    """All parts of the corpus. Raises ArtifactError when one is out of date, or `root` holds no finished corpus."""
    parts = read_parts(root)
    stale = [part for part in parts if not part.is_current]
    if stale:
        commands = "; ".join(f"dsmath refresh --out {root} --crawl {' '.join(p.crawl)} --name {p.name}" for p in stale)
        raise ArtifactError(
            f"{', '.join(part.name for part in stale)} may hold pages of the other parts, which were made anew or at "
            f"the same time: run {commands}; or delete the folder below {root / FOLDER}"
        )
    return parts


def corpus_files(root: Folder) -> list[Folder]:
    """The Parquet files of the whole corpus (records.CORPUS_SCHEMA), part by part. Raises as `current_parts` does."""
    return [file for part in current_parts(root) for file in storage.parquet_files(part.corpus)]


def corpus_batches(
    root: Folder, columns: Sequence[str] | None = None, max_rows: int = 1024
) -> Iterator[pa.RecordBatch]:
    """The rows of the whole corpus, at most `max_rows` at once. Raises as `current_parts` does."""
    for file in corpus_files(root):
        yield from storage.table_batches(file, columns, max_rows)


def part_rows(root: Folder) -> list[dict[str, Any]]:
    """The parts for a table: name, pages, tokens, newest page, when it was added, cut, state."""
    rows = []
    for part in read_parts(root):
        manifest = storage.read_manifest(part.corpus)
        rows.append(
            {
                "part": part.name, "crawl": " ".join(part.crawl), "pages": manifest.num_rows,
                "tokens": manifest.counts["num_tokens"], "newest page": part.newest_page[:10],
                "added": datetime.fromtimestamp(manifest.created_seconds, UTC).date().isoformat(),
                "cut (logit)": part.cut_logit, "state": "current" if part.is_current else "out of date",
            }
        )  # fmt: skip
    return rows


# the whole corpus as one artifact ------------------------------------------------------------------------------------


def write_whole_corpus(root: Folder, out: Folder) -> Manifest:
    """Write all parts as one artifact `math_corpus`: `part-<number>-<part>-<file>.parquet` and a dataset card.

    Counts: those of `assemble_corpus`, added up over the parts, and `parts`: what `part_rows` says. A folder outside of
    `root` is not reached by `dsmath remove`: write it again after a removal.

    Raises ArtifactError as `current_parts` does.
    """
    parts = current_parts(root)
    base = storage.read_manifest(parts[0].corpus)
    inputs: dict[str, Folder | str] = {part.name: part.corpus for part in parts}
    inputs |= {name: key for name, key in base.inputs.items() if name.startswith("collected_")}
    inputs["removals"] = " ".join(stored_requests(root))
    with storage.stage(out, "math_corpus", f"whole {WHOLE_VERSION}", base.settings, inputs) as run:
        if run.artifact:
            for number, part in enumerate(parts):
                for file in storage.parquet_files(part.corpus):
                    name = f"part-{number:03d}-{part.name}-{file.stem.removeprefix('part-')}"
                    link_or_copy(file, out / f"{name}.parquet")
                    run.artifact.add_shard(name, {"num_rows": len(storage.read_table(file, ["id"]))})
            run.artifact.counts |= _counts(parts) | {"num_kept": run.artifact.num_rows, "parts": part_rows(root)}
            run.artifact.write_json("parts.json", run.artifact.counts["parts"])
            num_iterations = sum(name.startswith("collected_") for name in inputs)
            card = dataset_card(run.artifact.counts, base.settings, num_iterations)
            storage.write_bytes(out / "README.md", card.encode())
    return without_removed(root, out)


def _counts(parts: Sequence[Part]) -> dict[str, Any]:
    """Counts of the whole corpus: those of rows from the rows, others as sums over the parts."""
    tally = Tally(0)
    for part in parts:
        for batch in storage.table_batches(part.corpus, ["language", "collection_iteration", "domain", "num_tokens"]):
            for row in batch.to_pylist():
                tally.keep(row)
    found = [storage.read_manifest(part.corpus).counts for part in parts]
    names = ("num_collected", "num_segments_dropped", "num_documents_cut", "num_contaminated_items")
    counts = tally.counts() | {name: sum(c[name] for c in found) for name in names}
    counts["dropped"] = _sums([c["dropped"] for c in found])
    is_clean = all(c["benchmarks"] for c in found)
    counts["benchmarks"] = found[0]["benchmarks"] if is_clean else {}
    if all("opt_out" in c for c in found):
        counts["opt_out"] = _opt_out([c["opt_out"] for c in found])
    return counts


def _opt_out(found: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """What was left out at the wish of owners, over all parts."""
    return found[-1] | {
        "respects_page_signals": all(c["respects_page_signals"] for c in found),
        "page_signals": _sums([c["page_signals"] for c in found]),
        "tdm_policies": _sums([c["tdm_policies"] for c in found]),
        "has_list": any(c["has_list"] for c in found),
        "num_rules": max(c["num_rules"] for c in found),
        "num_pages": sum(c["num_pages"] for c in found),
        "rules": _sums([c["rules"] for c in found]),
    }


def _sums(found: Sequence[dict[str, int]]) -> dict[str, int]:
    """Values added up by name."""
    total: dict[str, int] = {}
    for counts in found:
        for name, number in counts.items():
            total[name] = total.get(name, 0) + number
    return total
