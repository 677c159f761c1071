"""Assemble the mathematics corpus: the pages of the last iteration, without near-duplicates and benchmark texts.

Four passes, each shard by shard: select the collected pages and compute their LSH buckets; compare the pages that share
a bucket and keep the best of each cluster; look for benchmark texts; write. Sections 2.1 (collection, near-dedup,
decontamination). Memory grows with the number of collected pages (about 200 bytes each), not with their texts.

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
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
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
from .decontaminate import DECONTAMINATION_VERSION, BenchmarkIndex, Hit, build_index, decontaminate_text
from .dedup import dropped_row, smallest_ids, write_dropped_sample
from .minhash import MINHASH_VERSION, band_keys, bucket_mates, cluster, gram_set, survivors

CORPUS_VERSION = f"1/text {TEXT_VERSION}/minhash {MINHASH_VERSION}/decontamination {DECONTAMINATION_VERSION}"

NEAR_DUPLICATE, CONTAMINATED = "near_duplicate", "contaminated"
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


class _Work:
    """The arguments of one assembly, for the passes below."""

    def __init__(self, artifact, documents, collected, benchmarks, dedup, decontamination, workers):
        self.artifact: storage.Artifact = artifact
        self.documents: Folder = documents
        self.collected: list[Folder] = collected
        self.benchmarks: Folder | None = benchmarks
        self.dedup: DedupSettings = dedup
        self.decontamination: DecontaminationSettings = decontamination
        self.workers: int = workers
        self.selected: Folder = artifact.path / "_selected"
        self.shards = [file.stem for file in storage.parquet_files(documents)]


def _assemble(work: _Work, progress: Progress) -> None:
    keys = _select(work, progress)
    duplicates = _near_duplicates(work, keys)
    found = _find_contamination(work, duplicates, progress)
    counts, dropped = _write_parts(work, duplicates, found)
    _write_reports(work, duplicates, found, counts, dropped)
    storage.remove(work.selected)
    progress.log(f"kept {counts['num_kept']:,} of {counts['num_collected']:,} pages; dropped {counts['dropped']}")


# 1. the pages of the last iteration --------------------------------------------------------------------------------


def _select(work: _Work, progress: Progress) -> np.ndarray:
    """Write `_selected/<shard>.parquet` (corpus columns) and return the LSH buckets of all pages, in shard order."""
    wanted = _collected_pages(work.collected)
    storage.write_table(work.selected / "pages" / "wanted.parquet", wanted)
    select = functools.partial(
        _select_shard, documents=work.documents, out=work.selected, key=work.artifact.key, settings=work.dedup
    )
    keys = map_shards(select, work.shards, workers=work.workers, what="collected pages", progress=progress)
    total = sum(len(part) for part in keys)
    if total != wanted.num_rows:
        raise ArtifactError(
            f"{wanted.num_rows - total} of {wanted.num_rows} collected pages are not in {work.documents}: "
            "the scores were made from other documents; run the iterations again"
        )
    return np.concatenate(keys) if keys else np.empty((0, work.dedup.num_bands), np.uint64)


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
    return band_keys(_texts(out, shard), settings)


def _texts(selected: Folder, shard: str) -> Iterator[str]:
    for value in storage.read_table(selected / f"{shard}.parquet", ["text"])["text"]:
        yield value.as_py()


# 2. near-duplicates ------------------------------------------------------------------------------------------------


def _near_duplicates(work: _Work, keys: np.ndarray) -> dict[int, tuple[int, int]]:
    """Page number -> (cluster, page that is kept) of every page that is dropped."""
    mates = bucket_mates(keys)
    grams: dict[int, np.ndarray] = {}
    scores: list[float] = []
    lengths: list[int] = []
    ids: list[str] = []
    for shard in work.shards:
        table = storage.read_table(work.selected / f"{shard}.parquet", ["id", "score", "text"])
        for text in table["text"]:
            value = text.as_py()
            if mates[len(lengths)]:
                grams[len(lengths)] = gram_set(value, work.dedup.ngram_words)
            lengths.append(len(value))
        scores += table["score"].to_pylist()
        ids += table["id"].to_pylist()
    clusters = cluster(keys, grams.__getitem__, work.dedup)
    best = survivors(clusters, scores, lengths, ids)
    numbers = clusters.tolist()
    return {page: (number, best[number]) for page, number in enumerate(numbers) if best[number] != page}


# 3. benchmark texts ------------------------------------------------------------------------------------------------


class _Contamination:
    """What the third pass found: hits by page number, the texts ignored as phrases, the index they refer to."""

    def __init__(self):
        self.hits: dict[int, list[Hit]] = {}
        self.ignored: dict[int, int] = {}
        self.index: BenchmarkIndex | None = None
        self.read: dict[str, Any] = {}


def _find_contamination(work: _Work, duplicates: Mapping[int, Any], progress: Progress) -> _Contamination:
    found = _Contamination()
    if work.benchmarks is None:
        return found
    settings = work.decontamination
    found.index = _index(work.benchmarks, settings)
    texts = load_benchmark_texts(work.benchmarks)
    found.read = {name: value for name, value in asdict(texts).items() if name != "texts"}
    found.read["num_texts"] = len(texts.texts)
    search = functools.partial(_search_shard, selected=work.selected, benchmarks=work.benchmarks, settings=settings)
    results = map_shards(search, work.shards, workers=work.workers, what="decontamination", progress=progress)
    start = 0
    for num_rows, hits in results:
        found.hits |= {start + row: some for row, some in hits.items() if start + row not in duplicates}
        start += num_rows
    documents_of = Counter(n for hits in found.hits.values() for n in {h.text_number for h in hits if h.is_short})
    found.ignored = {number: count for number, count in documents_of.items() if count > settings.max_short_hits}
    return found


@functools.lru_cache(maxsize=1)
def _index(benchmarks: Folder, settings: DecontaminationSettings) -> BenchmarkIndex:
    return build_index(load_benchmark_texts(benchmarks).texts, settings)


def _search_shard(
    shard: str, *, selected: Folder, benchmarks: Folder, settings: DecontaminationSettings
) -> tuple[int, dict[int, list[Hit]]]:
    index = _index(benchmarks, settings)
    hits = {}
    row = -1
    for row, text in enumerate(_texts(selected, shard)):
        _, some = decontaminate_text(text, index)
        if some:
            hits[row] = some
    return row + 1, hits


# 4. write ----------------------------------------------------------------------------------------------------------


def _write_parts(work: _Work, duplicates: Mapping[int, Any], found: _Contamination) -> tuple[dict, list[dict]]:
    """Write the part files; return the counts and the rows of dropped pages."""
    dropped: list[dict[str, Any]] = []
    rows: list[dict[str, Any]] = []
    tally = _Tally()
    page = part = chars = 0
    for shard in work.shards:
        for row in storage.read_table(work.selected / f"{shard}.parquet").to_pylist():
            kept = _kept_row(row, page, duplicates, found, work.decontamination, dropped, tally)
            page += 1
            if kept is None:
                continue
            rows.append(kept)
            chars += len(kept["text"])
            if chars >= _PART_CHARS:
                work.artifact.write_table(f"part-{part:05d}.parquet", pa.Table.from_pylist(rows, CORPUS_SCHEMA))
                rows, part, chars = [], part + 1, 0
    if rows or not part:
        work.artifact.write_table(f"part-{part:05d}.parquet", pa.Table.from_pylist(rows, CORPUS_SCHEMA))
    reasons = Counter({NEAR_DUPLICATE: 0, CONTAMINATED: 0})
    reasons.update(entry["drop_reason"] for entry in dropped)
    counts = {"num_collected": page, "num_kept": work.artifact.num_rows, "dropped": dict(reasons), **tally.counts()}
    return counts, dropped


class _Tally:
    """Sums over the pages that are kept."""

    def __init__(self):
        self.num_tokens = self.num_segments_dropped = self.num_documents_cut = 0
        self.pages: dict[str, Counter] = {name: Counter() for name in ("languages", "iterations", "top_domains")}
        self.tokens: dict[str, Counter] = {name: Counter() for name in self.pages}

    def add(self, row: Mapping[str, Any]) -> None:
        self.num_tokens += row["num_tokens"]
        values = (row["language"], str(row["collection_iteration"]), row["domain"])
        for name, value in zip(self.pages, values, strict=True):
            self.pages[name][value] += 1
            self.tokens[name][value] += row["num_tokens"]

    def counts(self) -> dict[str, Any]:
        plain: dict[str, Any] = {
            "num_tokens": self.num_tokens,
            "num_segments_dropped": self.num_segments_dropped,
            "num_documents_cut": self.num_documents_cut,
            "num_domains": len(self.pages["top_domains"]),
        }
        for name, pages in self.pages.items():
            ordered = sorted(pages, key=lambda value: (-pages[value], value))[:20]
            plain[name] = {v: {"num_pages": pages[v], "num_tokens": self.tokens[name][v]} for v in ordered}
        return plain


def _kept_row(
    row: dict[str, Any],
    page: int,
    duplicates: Mapping[int, tuple[int, int]],
    found: _Contamination,
    settings: DecontaminationSettings,
    dropped: list[dict[str, Any]],
    tally: _Tally,
) -> dict[str, Any] | None:
    """The row as it enters the corpus, or None with an entry in `dropped`."""
    entry = {"id": row["id"], "url": row["url"], "page": page, "text": row["text"]}
    if page in duplicates:
        dropped.append({**entry, "drop_reason": NEAR_DUPLICATE, "kept_page": duplicates[page][1]})
        return None
    if page in found.hits and found.index is not None:
        text, hits = decontaminate_text(row["text"], found.index, found.ignored)
        tally.num_segments_dropped += len({number for hit in hits for number in hit.segments})
        if hits and len(text) < settings.min_kept_share * len(row["text"]):
            dropped.append({**entry, "drop_reason": CONTAMINATED, "items": sorted({hit.item for hit in hits})})
            return None
        if hits:
            tally.num_documents_cut += 1
            row = {**row, "text": text, "num_tokens": estimate_tokens(text)}
    tally.add(row)
    return row


def _write_reports(
    work: _Work,
    duplicates: Mapping[int, tuple[int, int]],
    found: _Contamination,
    counts: dict[str, Any],
    dropped: list[dict[str, Any]],
) -> None:
    artifact = work.artifact
    ids = _page_ids(work)
    lines = [
        {"id": ids[page], "kept_id": ids[kept], "cluster": ids[number]}
        for page, (number, kept) in sorted(duplicates.items())
    ]
    text = "".join(json.dumps(line) + "\n" for line in lines)
    storage.write_bytes(artifact.path / "clusters" / "near_duplicates.jsonl", text.encode())
    for entry in dropped:
        if entry["drop_reason"] == NEAR_DUPLICATE:
            entry["kept_id"] = ids[entry.pop("kept_page")]
    sample = []
    for entry in smallest_ids(dropped, work.dedup.num_sampled_drops):
        plain = {name: value for name, value in entry.items() if name not in ("page", "text")}
        sample.append(dropped_row(entry["text"], plain))
    write_dropped_sample(artifact, sample, work.dedup.num_sampled_drops)
    report = contamination_report(found.hits, found.index, found.ignored, found.read, ids, counts)
    artifact.write_json("contamination/report.json", report)
    artifact.counts |= counts | {"num_contaminated_items": len(report["items"]), "benchmarks": found.read}
    card = dataset_card(artifact.counts, artifact.settings, len(work.collected))
    storage.write_bytes(artifact.path / "README.md", card.encode())


def _page_ids(work: _Work) -> list[str]:
    ids: list[str] = []
    for shard in work.shards:
        ids += storage.read_table(work.selected / f"{shard}.parquet", ["id"])["id"].to_pylist()
    return ids


def contamination_report(
    hits: Mapping[int, Sequence[Hit]],
    index: BenchmarkIndex | None,
    ignored: Mapping[int, int],
    read: Mapping[str, Any],
    ids: Sequence[str],
    counts: Mapping[str, Any],
) -> dict[str, Any]:
    """What was found, by benchmark item: pages, segments, the matching words and up to five dropped segments."""
    items: dict[str, dict[str, Any]] = {}
    for page, some in sorted(hits.items()):
        for hit in some:
            if index is None or (hit.is_short and hit.text_number in ignored):
                continue
            text = index.texts[hit.text_number]
            fresh = {"item": hit.item, "kind": text.kind, "benchmark_text": text.text[:300], "num_pages": 0, "found": []}
            item = items.setdefault(hit.item, fresh)
            item["num_pages"] += ids[page] not in {place["id"] for place in item["found"]}
            if len(item["found"]) < 5:
                item["found"].append({"id": ids[page], "matched": hit.matched, "segment": hit.segment})
    phrases = [
        {"item": index.texts[n].item, "text": index.texts[n].text, "num_pages": count}
        for n, count in sorted(ignored.items())
        if index is not None
    ]
    return {
        "is_decontaminated": index is not None,
        "benchmarks": dict(read),
        "num_segments_dropped": counts["num_segments_dropped"],
        "num_documents_cut": counts["num_documents_cut"],
        "num_documents_dropped": counts["dropped"][CONTAMINATED],
        "ignored_phrases": phrases,
        "items": sorted(items.values(), key=lambda item: (-item["num_pages"], item["item"])),
    }
