"""Assemble the mathematics corpus: the pages of the last iteration, without near-duplicates and benchmark texts.

Four passes, each shard by shard: select the collected pages and compute their signatures; keep the best pages of each
cluster of near-duplicates; look for benchmark texts; write. Sections 2.1 (collection, near-dedup, decontamination).
Memory grows with the number of collected pages (about 700 bytes each), not with their texts.

Writes the artifact `math_corpus`:
- `part-00000.parquet`, ...: `records.CORPUS_SCHEMA`, in the order of the input shards;
- `README.md`: the dataset card (`corpus/card.py`);
- `contamination/report.json`: what was found of which benchmark item, with the matching text;
- `dropped/sample.jsonl`: dropped pages with their reason; `clusters/near_duplicates.jsonl`: every page that was
  dropped as a near-duplicate with the page that was kept.
"""

import functools
import json
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from .. import storage
from ..compute import map_shards
from ..progress import SILENT, Progress
from ..recipe.schema import DecontaminationSettings, DedupSettings
from ..records import CORPUS_SCHEMA
from ..storage import ArtifactError, Folder, Manifest
from ..text import TEXT_VERSION, estimate_tokens
from .benchmark_texts import benchmarks_key
from .card import dataset_card
from .contamination import Contamination, find_contamination, phrase_rows, report_items
from .decontaminate import DECONTAMINATION_VERSION, decontaminate_text
from .dedup import write_dropped_sample
from .minhash import MINHASH_VERSION, clusters_of, kept_pages, signatures
from .near_dedup import KNOWN_NEAR_DUPLICATE, of_earlier_crawls
from .tally import CONTAMINATED, NEAR_DUPLICATE, Tally

CORPUS_VERSION = f"1/text {TEXT_VERSION}/minhash {MINHASH_VERSION}/decontamination {DECONTAMINATION_VERSION}"

_PART_CHARS = 256_000_000
"""A part file is closed when its texts reach this length."""


def assemble_corpus(
    unique_documents: Folder,
    collected: Sequence[Folder],
    benchmarks: Folder | None,
    out: Folder,
    dedup: DedupSettings,
    decontamination: DecontaminationSettings,
    *,
    near_duplicates: Folder | None = None,
    workers: int = 1,
    progress: Progress = SILENT,
    force: bool = False,
) -> Manifest:
    """Write the artifact `math_corpus`.

    `collected` are the folders of iterations 1, 2, ..., last (columns id, score, ...); the pages of the last one make
    the corpus and `collection_iteration` is the first one that holds a page. `benchmarks` is a folder of JSONL files;
    None leaves decontamination out, which the card then says. `near_duplicates` is the artifact of near_dedup.py that
    compared the documents with earlier crawls: pages of which the corpus so far holds a near-duplicate are dropped
    (`near_duplicate_of_earlier_crawl`). Counts: `num_collected`, `num_kept`, `dropped` by reason
    (they add up), `num_tokens`, `num_segments_dropped`, pages and tokens by `languages`, `iterations`, `top_domains`.

    Raises ArtifactError when an input is missing, no iteration is given, or a collected page has no document.
    """
    if not collected:
        raise ArtifactError("no iteration given: the corpus is made of the pages that the last iteration collected")
    settings = {"dedup": storage.settings_dict(dedup), "decontamination": storage.settings_dict(decontamination)}
    inputs: dict[str, Folder | str] = {"unique_documents": unique_documents}
    inputs |= {f"collected_{number}": path for number, path in enumerate(collected, 1)}
    if near_duplicates is not None:
        inputs["near_duplicates"] = near_duplicates
    inputs["benchmarks"] = "none" if benchmarks is None else benchmarks_key(benchmarks)
    with storage.stage(out, "math_corpus", CORPUS_VERSION, settings, inputs, force=force) as run:
        if run.artifact:
            work = _Work(
                run.artifact, unique_documents, list(collected), benchmarks, near_duplicates, dedup, decontamination,
                workers,
            )  # fmt: skip
            _assemble(work, progress)
    assert run.manifest is not None
    return run.manifest


@dataclass
class _Work:
    """The arguments of one assembly, for the passes below."""

    artifact: storage.Artifact
    documents: Folder
    collected: list[Folder]
    benchmarks: Folder | None
    near_duplicates: Folder | None
    dedup: DedupSettings
    decontamination: DecontaminationSettings
    workers: int

    @property
    def selected(self) -> Folder:
        return self.artifact.path / "_selected"

    @property
    def shards(self) -> list[str]:
        return [file.stem for file in storage.parquet_files(self.documents)]


def _assemble(work: _Work, progress: Progress) -> None:
    values = _select(work, progress)
    names = _page_names(work)
    duplicates = _near_duplicates(work, values)
    earlier = _of_earlier_crawls(work, names)
    found = _find_contamination(work, len(names), {*duplicates, *earlier}, progress)
    tally = _write_parts(work, names, duplicates, earlier, found)
    _write_reports(work, names, duplicates, found, tally)
    storage.remove(work.selected)
    progress.log(f"kept {work.artifact.num_rows:,} of {len(names):,} pages; dropped {dict(tally.dropped)}")


# 1. the pages of the last iteration --------------------------------------------------------------------------------


def _select(work: _Work, progress: Progress) -> np.ndarray:
    """Write `_selected/<shard>.parquet` (corpus columns) and return the signatures of all pages, in shard order."""
    wanted = _collected_pages(work.collected)
    storage.write_table(work.selected / "pages" / "wanted.parquet", wanted)
    select = functools.partial(
        _select_shard, documents=work.documents, out=work.selected, key=work.artifact.key, settings=work.dedup
    )
    values = map_shards(select, work.shards, workers=work.workers, what="collected pages", progress=progress)
    total = sum(len(part) for part in values)
    if total != wanted.num_rows:
        raise ArtifactError(
            f"{wanted.num_rows - total} of {wanted.num_rows} collected pages are not in {work.documents}: "
            "the scores were made from other documents; run the iterations again"
        )
    return np.concatenate(values) if values else np.empty((0, work.dedup.num_bands * work.dedup.num_rows), np.uint32)


def _collected_pages(collected: Sequence[Folder]) -> pa.Table:
    """id, score and collection_iteration of every page of the last iteration."""
    last = storage.read_table(collected[-1], ["id", "score"])
    if pc.count_distinct(last["id"]).as_py() != last.num_rows:
        raise ArtifactError(f"{collected[-1]} names a page twice: run the iteration again")
    first = np.full(last.num_rows, len(collected), np.int32)
    for number in range(len(collected) - 1, 0, -1):
        ids = storage.read_table(collected[number - 1], ["id"])["id"].combine_chunks()
        first[pc.is_in(last["id"], value_set=ids).to_numpy(zero_copy_only=False)] = number
    return last.append_column("collection_iteration", pa.array(first, pa.int32()))


def _select_shard(shard: str, *, documents: Folder, out: Folder, key: str, settings: DedupSettings) -> np.ndarray:
    if not storage.finished_shard(out, shard, key):
        columns = [name for name in CORPUS_SCHEMA.names if name not in ("score", "collection_iteration")]
        table = storage.read_table(documents / f"{shard}.parquet", columns)
        wanted = storage.read_table(out / "pages" / "wanted.parquet")
        at = pc.index_in(table["id"], value_set=wanted["id"].combine_chunks())
        table, at = table.filter(pc.is_valid(at)), pc.drop_null(at)
        for name in ("score", "collection_iteration"):
            table = table.append_column(name, wanted[name].take(at))
        storage.commit_shard(out, shard, key, table.select(CORPUS_SCHEMA.names).cast(CORPUS_SCHEMA), {})
    return signatures(storage.read_table(out / f"{shard}.parquet", ["text"])["text"], settings)


# 2. near-duplicates ------------------------------------------------------------------------------------------------


def _near_duplicates(work: _Work, values: np.ndarray) -> dict[int, tuple[int, int]]:
    """Page number -> (cluster, page that is kept) of every page that is dropped; `values` are all pages' signatures."""
    scores: list[float] = []
    lengths: list[int] = []
    ids: list[str] = []
    for shard in work.shards:
        table = storage.read_table(work.selected / f"{shard}.parquet", ["id", "score", "text"])
        lengths += pc.utf8_length(table["text"]).to_pylist()
        scores += table["score"].to_pylist()
        ids += table["id"].to_pylist()
    clusters = clusters_of(values, work.dedup)
    kept = kept_pages(clusters, values, scores, lengths, ids, work.dedup).tolist()
    numbers = clusters.tolist()
    return {page: (numbers[page], other) for page, other in enumerate(kept) if other != page}


def _of_earlier_crawls(work: _Work, names: list[tuple[str, str]]) -> dict[int, str]:
    """Page number -> id of the page of an earlier crawl that stands for it."""
    if work.near_duplicates is None:
        return {}
    stand_ins = of_earlier_crawls(work.near_duplicates)
    return {page: stand_ins[id] for page, (id, _) in enumerate(names) if id in stand_ins}


# 3. benchmark texts ------------------------------------------------------------------------------------------------


def _find_contamination(work: _Work, num_pages: int, skipped: Container[int], progress: Progress) -> Contamination:
    if work.benchmarks is None:
        return Contamination()
    files = [work.selected / f"{shard}.parquet" for shard in work.shards]
    return find_contamination(
        files, work.benchmarks, work.decontamination, skipped=skipped, num_texts=num_pages, workers=work.workers,
        progress=progress,
    )  # fmt: skip


# 4. write ----------------------------------------------------------------------------------------------------------


def _write_parts(
    work: _Work,
    names: list[tuple[str, str]],
    duplicates: Mapping[int, tuple[int, int]],
    earlier: Mapping[int, str],
    found: Contamination,
) -> Tally:
    """Write the part files and count."""
    tally = Tally(work.dedup.num_sampled_drops)
    rows: list[dict[str, Any]] = []
    page = part = chars = 0
    for shard in work.shards:
        for row in storage.read_table(work.selected / f"{shard}.parquet").to_pylist():
            if page in earlier:
                tally.drop(row, KNOWN_NEAR_DUPLICATE, kept_id=earlier[page])
                kept = None
            elif page in duplicates:
                tally.drop(row, NEAR_DUPLICATE, kept_id=names[duplicates[page][1]][0])
                kept = None
            else:
                kept = _decontaminated(row, bool(found.hits.get(page)), found, work.decontamination, tally)
            page += 1
            if kept is None:
                continue
            tally.keep(kept)
            rows.append(kept)
            chars += len(kept["text"])
            if chars >= _PART_CHARS:
                work.artifact.write_table(f"part-{part:05d}.parquet", pa.Table.from_pylist(rows, CORPUS_SCHEMA))
                rows, part, chars = [], part + 1, 0
    if rows or not part:
        work.artifact.write_table(f"part-{part:05d}.parquet", pa.Table.from_pylist(rows, CORPUS_SCHEMA))
    return tally


def _decontaminated(
    row: dict[str, Any], has_hits: bool, found: Contamination, settings: DecontaminationSettings, tally: Tally
) -> dict[str, Any] | None:
    """The row without contaminated segments; None when too little of it is left."""
    if not has_hits or found.index is None:
        return row
    text, hits = decontaminate_text(row["text"], found.index, found.phrases)
    if not hits:
        return row
    if len(text.strip()) < settings.min_kept_share * len(row["text"]):
        tally.drop(row, CONTAMINATED, items=sorted({hit.item for hit in hits}))
        return None
    tally.num_documents_cut += 1
    tally.num_segments_dropped += len({number for hit in hits for number in hit.segments})
    return {**row, "text": text, "num_tokens": estimate_tokens(text)}


def _write_reports(
    work: _Work,
    names: list[tuple[str, str]],
    duplicates: Mapping[int, tuple[int, int]],
    found: Contamination,
    tally: Tally,
) -> None:
    """Everything beside the corpus: clusters, dropped sample, contamination report, counts, dataset card."""
    artifact, counts = work.artifact, tally.counts()
    lines = [
        json.dumps({"id": names[page][0], "kept_id": names[kept][0], "cluster": names[number][0]})
        for page, (number, kept) in sorted(duplicates.items())
    ]
    storage.write_bytes(artifact.path / "clusters" / "near_duplicates.jsonl", "".join(f"{x}\n" for x in lines).encode())
    write_dropped_sample(artifact, tally.sample, tally.num_sampled)
    items = report_items(found)
    report = {
        "is_decontaminated": found.index is not None,
        "benchmarks": found.read,
        "num_segments_dropped": tally.num_segments_dropped,
        "num_documents_cut": tally.num_documents_cut,
        "num_documents_dropped": tally.dropped[CONTAMINATED],
        "ignored_phrases": phrase_rows(found),
        "items": items,
    }
    artifact.write_json("contamination/report.json", report)
    artifact.counts |= {"num_collected": len(names), "num_kept": artifact.num_rows, **counts}
    artifact.counts |= {"num_contaminated_items": len(items), "benchmarks": found.read}
    before = storage.read_manifest(work.documents).counts
    artifact.counts |= {name: before[name] for name in ("opt_out",) if name in before}
    card = dataset_card(artifact.counts, artifact.settings, len(work.collected))
    storage.write_bytes(artifact.path / "README.md", card.encode())


def _page_names(work: _Work) -> list[tuple[str, str]]:
    """(id, url) of every collected page, in shard order."""
    names: list[tuple[str, str]] = []
    for shard in work.shards:
        table = storage.read_table(work.selected / f"{shard}.parquet", ["id", "url"])
        names += zip(table["id"].to_pylist(), table["url"].to_pylist(), strict=True)
    return names
