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
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
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
from .benchmark_texts import benchmarks_key, load_benchmark_texts
from .card import dataset_card
from .decontaminate import (
    DECONTAMINATION_VERSION,
    BenchmarkIndex,
    Hit,
    build_index,
    decontaminate_column,
    decontaminate_text,
    report_items,
)
from .dedup import dropped_row, smallest_ids, write_dropped_sample
from .minhash import MINHASH_VERSION, clusters_of, kept_pages, signatures

CORPUS_VERSION = f"1/text {TEXT_VERSION}/minhash {MINHASH_VERSION}/decontamination {DECONTAMINATION_VERSION}"

NEAR_DUPLICATE, CONTAMINATED = "near_duplicate", "contaminated"
_MIN_PAGES_FOR_WORKERS = 20_000
"""Every worker process prepares the benchmarks again (seconds): below this, one process is faster."""
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
    workers: int = 1,
    progress: Progress = SILENT,
    force: bool = False,
) -> Manifest:
    """Write the artifact `math_corpus`.

    `collected` are the folders of iterations 1, 2, ..., last (columns id, score, ...); the pages of the last one make
    the corpus and `collection_iteration` is the first one that holds a page. `benchmarks` is a folder of JSONL files;
    None leaves decontamination out, which the card then says. Counts: `num_collected`, `num_kept`, `dropped` by reason
    (they add up), `num_tokens`, `num_segments_dropped`, pages and tokens by `languages`, `iterations`, `top_domains`.

    Raises ArtifactError when an input is missing, no iteration is given, or a collected page has no document.
    """
    if not collected:
        raise ArtifactError("no iteration given: the corpus is made of the pages that the last iteration collected")
    settings = {"dedup": storage.settings_dict(dedup), "decontamination": storage.settings_dict(decontamination)}
    inputs: dict[str, Folder | str] = {"unique_documents": unique_documents}
    inputs |= {f"collected_{number}": path for number, path in enumerate(collected, 1)}
    inputs["benchmarks"] = "none" if benchmarks is None else benchmarks_key(benchmarks)
    with storage.stage(out, "math_corpus", CORPUS_VERSION, settings, inputs, force=force) as run:
        if run.artifact:
            work = _Work(run.artifact, unique_documents, list(collected), benchmarks, dedup, decontamination, workers)
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
    found = _find_contamination(work, len(names), duplicates, progress)
    tally = _write_parts(work, names, duplicates, found)
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


# 3. benchmark texts ------------------------------------------------------------------------------------------------


@dataclass
class _Contamination:
    """What the third pass found."""

    index: BenchmarkIndex | None = None
    hits: dict[int, list[Hit]] = field(default_factory=dict)
    """By page number."""
    ignored: dict[int, int] = field(default_factory=dict)
    """Short benchmark texts (numbers) that are phrases, with the number of pages that hold them."""
    read: dict[str, Any] = field(default_factory=dict)
    """What was read of the benchmarks."""


def _find_contamination(
    work: _Work, num_pages: int, duplicates: Mapping[int, Any], progress: Progress
) -> _Contamination:
    if work.benchmarks is None:
        return _Contamination()
    key, plain = benchmarks_key(work.benchmarks), work.decontamination.model_dump_json()
    index, read = _index(work.benchmarks, key, plain)
    found = _Contamination(index, read=read)
    search = functools.partial(
        _search_shard, selected=work.selected, benchmarks=work.benchmarks, key=key, settings_json=plain
    )
    workers = work.workers if num_pages >= _MIN_PAGES_FOR_WORKERS else 1
    results = map_shards(search, work.shards, workers=workers, what="decontamination", progress=progress)
    start = 0
    for num_rows, hits in results:
        found.hits |= {start + row: some for row, some in hits.items() if start + row not in duplicates}
        start += num_rows
    limit = work.decontamination.max_short_hits
    pages_of = Counter(number for hits in found.hits.values() for number in {h.text_number for h in hits if h.is_short})
    found.ignored = {number: count for number, count in pages_of.items() if count > limit}
    return found


@functools.lru_cache(maxsize=1)
def _index(benchmarks: Folder, key: str, settings_json: str) -> tuple[BenchmarkIndex, dict[str, Any]]:
    """The index and what was read for it, made once in a process; `key` is the content's identity."""
    settings = DecontaminationSettings.model_validate_json(settings_json)
    texts = load_benchmark_texts(benchmarks)
    read = {name: value for name, value in asdict(texts).items() if name != "texts"}
    return build_index(texts.texts, settings), {"num_texts": len(texts.texts), **read}


def _search_shard(
    shard: str, *, selected: Folder, benchmarks: Folder, key: str, settings_json: str
) -> tuple[int, dict[int, list[Hit]]]:
    index, _ = _index(benchmarks, key, settings_json)
    texts = storage.read_table(selected / f"{shard}.parquet", ["text"])["text"]
    return len(texts), {row: hits for row, _, hits in decontaminate_column(texts, index)}


# 4. write ----------------------------------------------------------------------------------------------------------


class _Tally:
    """Sums over the pages that are kept, and a sample of those that are not."""

    def __init__(self, num_sampled: int):
        self.num_tokens = self.num_segments_dropped = self.num_documents_cut = 0
        self.pages: dict[str, Counter] = {name: Counter() for name in ("languages", "iterations", "top_domains")}
        self.tokens: dict[str, Counter] = {name: Counter() for name in self.pages}
        self.dropped: Counter = Counter({NEAR_DUPLICATE: 0, CONTAMINATED: 0})
        self.sample: list[Mapping[str, Any]] = []
        self.num_sampled = num_sampled

    def keep(self, row: Mapping[str, Any]) -> None:
        self.num_tokens += row["num_tokens"]
        values = (row["language"], str(row["collection_iteration"]), row["domain"])
        for name, value in zip(self.pages, values, strict=True):
            self.pages[name][value] += 1
            self.tokens[name][value] += row["num_tokens"]

    def drop(self, row: Mapping[str, Any], reason: str, **why: Any) -> None:
        self.dropped[reason] += 1
        entry = {"id": row["id"], "url": row["url"], "drop_reason": reason, **why}
        self.sample.append(dropped_row(row["text"], entry))
        if len(self.sample) > 20 * self.num_sampled + 1000:
            self.sample = smallest_ids(self.sample, self.num_sampled)

    def counts(self) -> dict[str, Any]:
        plain: dict[str, Any] = {
            "dropped": dict(self.dropped),
            "num_tokens": self.num_tokens,
            "num_segments_dropped": self.num_segments_dropped,
            "num_documents_cut": self.num_documents_cut,
            "num_domains": len(self.pages["top_domains"]),
        }
        for name, pages in self.pages.items():
            ordered = sorted(pages, key=lambda value: (-pages[value], value))[:20]
            plain[name] = {v: {"num_pages": pages[v], "num_tokens": self.tokens[name][v]} for v in ordered}
        return plain


def _write_parts(
    work: _Work, names: list[tuple[str, str]], duplicates: Mapping[int, tuple[int, int]], found: _Contamination
) -> _Tally:
    """Write the part files and count."""
    tally = _Tally(work.dedup.num_sampled_drops)
    rows: list[dict[str, Any]] = []
    page = part = chars = 0
    for shard in work.shards:
        for row in storage.read_table(work.selected / f"{shard}.parquet").to_pylist():
            if page in duplicates:
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
    row: dict[str, Any], has_hits: bool, found: _Contamination, settings: DecontaminationSettings, tally: _Tally
) -> dict[str, Any] | None:
    """The row without contaminated segments; None when too little of it is left."""
    if not has_hits or found.index is None:
        return row
    text, hits = decontaminate_text(row["text"], found.index, found.ignored)
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
    found: _Contamination,
    tally: _Tally,
) -> None:
    """Everything beside the corpus: clusters, dropped sample, contamination report, counts, dataset card."""
    artifact, counts = work.artifact, tally.counts()
    lines = [
        json.dumps({"id": names[page][0], "kept_id": names[kept][0], "cluster": names[number][0]})
        for page, (number, kept) in sorted(duplicates.items())
    ]
    storage.write_bytes(artifact.path / "clusters" / "near_duplicates.jsonl", "".join(f"{x}\n" for x in lines).encode())
    write_dropped_sample(artifact, tally.sample, tally.num_sampled)
    items = [] if found.index is None else report_items(found.hits, found.index, found.ignored, names)
    report = {
        "is_decontaminated": found.index is not None,
        "benchmarks": found.read,
        "num_segments_dropped": tally.num_segments_dropped,
        "num_documents_cut": tally.num_documents_cut,
        "num_documents_dropped": tally.dropped[CONTAMINATED],
        "ignored_phrases": [
            {"item": found.index.texts[n].item, "text": found.index.texts[n].text, "num_pages": count}
            for n, count in sorted(found.ignored.items())
            if found.index is not None
        ],
        "items": items,
    }
    artifact.write_json("contamination/report.json", report)
    artifact.counts |= {"num_collected": len(names), "num_kept": artifact.num_rows, **counts}
    artifact.counts |= {"num_contaminated_items": len(items), "benchmarks": found.read}
    card = dataset_card(artifact.counts, artifact.settings, len(work.collected))
    storage.write_bytes(artifact.path / "README.md", card.encode())


def _page_names(work: _Work) -> list[tuple[str, str]]:
    """(id, url) of every collected page, in shard order."""
    names: list[tuple[str, str]] = []
    for shard in work.shards:
        table = storage.read_table(work.selected / f"{shard}.parquet", ["id", "url"])
        names += zip(table["id"].to_pylist(), table["url"].to_pylist(), strict=True)
    return names


def remaining_contamination(
    corpus: Folder, benchmarks: Folder, settings: DecontaminationSettings
) -> list[dict[str, str]]:
    """Benchmark texts that the finished corpus still holds: url, item, matched. Empty when decontamination worked.

    Short texts that the corpus's report lists as ignored phrases do not count.
    """
    index, _ = _index(benchmarks, benchmarks_key(benchmarks), settings.model_dump_json())
    report = storage.read_json(corpus / "contamination" / "report.json")
    phrases = {(phrase["item"], phrase["text"]) for phrase in report["ignored_phrases"]}
    ignored = {number for number, text in enumerate(index.texts) if (text.item, text.text) in phrases}
    found = []
    table = storage.read_table(corpus, ["url", "text"])
    for row, _, hits in decontaminate_column(table["text"], index, ignored):
        url = table["url"][row].as_py()
        found += [{"url": url, "item": hit.item, "matched": hit.matched} for hit in hits]
    return found
