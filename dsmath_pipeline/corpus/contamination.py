"""Benchmark texts in many documents: search them file by file, tell phrases from leaks, report by benchmark item.

Section 2.1, rule 7. `final.py` cuts what is found here out of the corpus and `remaining_contamination` looks at the
finished corpus again. `report_contamination` only looks: after every iteration at the pages that it collected, and once
at the seed, whose benchmark texts would teach the classifier to collect more of them. It writes the artifact
`contamination`, CONTAMINATION_SCHEMA: one row for each place where a benchmark text stands.
"""

import functools
from collections import Counter
from collections.abc import Container, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from .. import storage
from ..compute import map_shards
from ..progress import SILENT, Progress
from ..recipe.schema import DecontaminationSettings
from ..storage import Folder, Manifest
from .benchmark_index import BenchmarkIndex, build_index
from .benchmark_texts import benchmarks_key, load_benchmark_texts
from .decontaminate import DECONTAMINATION_VERSION, Hit, decontaminate_column

CONTAMINATION_VERSION = f"1/{DECONTAMINATION_VERSION}"
"""Version of the report. 1 (2026-11): first version."""

CONTAMINATION_SCHEMA = pa.schema(
    [
        pa.field("part", pa.string(), nullable=False),  # collected | seed
        pa.field("id", pa.string(), nullable=False),  # page id; empty for seed texts
        pa.field("url", pa.string(), nullable=False),
        pa.field("item", pa.string(), nullable=False),  # benchmark item, such as gsm8k/test:17
        pa.field("kind", pa.string(), nullable=False),  # question | answer | option
        pa.field("matched", pa.string(), nullable=False),  # the matching grams
        pa.field("segment", pa.string(), nullable=False),  # what decontamination would drop, up to 300 characters
    ]
)

_MIN_TEXTS_FOR_WORKERS = 20_000
"""Every worker process prepares the benchmarks again (seconds): below this, one process is faster."""
_MAX_PLACES = 5
_MAX_TEXT_CHARS = 300


@dataclass
class Contamination:
    """What was found in a sequence of texts, which are numbered from 0 over all files."""

    index: BenchmarkIndex | None = None
    hits: dict[int, list[Hit]] = field(default_factory=dict)
    """By number of the text; phrases are among them."""
    names: dict[int, tuple[str, str]] = field(default_factory=dict)
    """(id, url) of the texts with hits."""
    phrases: dict[int, int] = field(default_factory=dict)
    """Benchmark texts (numbers) of which weak matches are phrases, with the number of documents that hold them."""
    num_texts: int = 0
    read: dict[str, Any] = field(default_factory=dict)
    """What was read of the benchmarks."""

    def leaks(self) -> dict[int, list[Hit]]:
        """The hits that are no phrases, by number of the text."""
        found = {
            number: [hit for hit in hits if not (hit.is_weak and hit.text_number in self.phrases)]
            for number, hits in self.hits.items()
        }
        return {number: hits for number, hits in found.items() if hits}


def find_contamination(
    files: Sequence[Folder],
    benchmarks: Folder,
    settings: DecontaminationSettings,
    *,
    columns: Sequence[str] = ("id", "url", "text"),
    wanted: Folder | None = None,
    skipped: Container[int] = (),
    num_texts: int = 0,
    workers: int = 1,
    progress: Progress = SILENT,
) -> Contamination:
    """Search the `text` column of Parquet files, of which `columns` are read (seed texts have no id).

    `wanted` is a folder of Parquet files with a column id: other texts are left out and have no number. `skipped` are
    numbers of texts of which nothing counts. `num_texts`, about how many there are, decides whether `workers` pay.
    """
    key, plain = benchmarks_key(benchmarks), settings.model_dump_json()
    index, read = _index(benchmarks, key, plain)
    search = functools.partial(
        _search_file, columns=columns, wanted=wanted, benchmarks=benchmarks, key=key, settings_json=plain
    )
    workers = workers if num_texts >= _MIN_TEXTS_FOR_WORKERS else 1
    found = Contamination(index, read=read)
    for num_rows, hits, names in map_shards(search, files, workers=workers, what="decontamination", progress=progress):
        for row, some in hits.items():
            number = found.num_texts + row
            if number not in skipped:
                found.hits[number], found.names[number] = some, names[row]
        found.num_texts += num_rows
    weak = Counter(n for hits in found.hits.values() for n in {hit.text_number for hit in hits if hit.is_weak})
    found.phrases = {number: count for number, count in weak.items() if count > settings.max_phrase_documents}
    return found


@functools.lru_cache(maxsize=1)
def _index(benchmarks: Folder, key: str, settings_json: str) -> tuple[BenchmarkIndex, dict[str, Any]]:
    """The index and what was read for it, made once in a process; `key` is the content's identity."""
    settings = DecontaminationSettings.model_validate_json(settings_json)
    texts = load_benchmark_texts(benchmarks)
    read = {name: value for name, value in asdict(texts).items() if name != "texts"}
    return build_index(texts.texts, settings), {"num_texts": len(texts.texts), **read}


def _search_file(
    file: Folder, *, columns: Sequence[str], wanted: Folder | None, benchmarks: Folder, key: str, settings_json: str
) -> tuple[int, dict[int, list[Hit]], dict[int, tuple[str, str]]]:
    """Number of texts, hits by row, (id, url) of the rows with hits."""
    index, _ = _index(benchmarks, key, settings_json)
    table = storage.read_table(file, columns)
    if wanted is not None:
        ids = storage.read_table(wanted, ["id"])["id"].combine_chunks()
        table = table.filter(pc.is_in(table["id"], value_set=ids))
    hits = {row: hits for row, _, hits in decontaminate_column(table["text"], index)}
    names = {row: (table["id"][row].as_py() if "id" in columns else "", table["url"][row].as_py()) for row in hits}
    return table.num_rows, hits, names


def report_items(found: Contamination) -> list[dict[str, Any]]:
    """Leaks by benchmark item: the number of pages and up to five places with the matching words.

    Most pages first, then by item.
    """
    items: dict[str, dict[str, Any]] = {}
    for number, hits in sorted(found.leaks().items()):
        id, url = found.names[number]
        counted: set[str] = set()
        for hit in hits:
            assert found.index is not None
            text = found.index.texts[hit.text_number]
            fresh = {"item": hit.item, "kind": text.kind, "text": text.text[:_MAX_TEXT_CHARS], "num_pages": 0}
            item = items.setdefault(hit.item, {**fresh, "found": []})
            item["num_pages"] += hit.item not in counted
            counted.add(hit.item)
            if len(item["found"]) < _MAX_PLACES:
                item["found"].append({"id": id, "url": url, "matched": hit.matched, "segment": hit.segment})
    return sorted(items.values(), key=lambda item: (-item["num_pages"], item["item"]))


def phrase_rows(found: Contamination) -> list[dict[str, Any]]:
    """Benchmark texts whose weak matches were left alone as phrases: item, text, num_pages."""
    if found.index is None:
        return []
    texts = [(found.index.texts[number], count) for number, count in sorted(found.phrases.items())]
    return [{"item": text.item, "text": text.text, "num_pages": count} for text, count in texts]


def remaining_contamination(
    corpus: Folder, benchmarks: Folder, settings: DecontaminationSettings
) -> list[dict[str, str]]:
    """Benchmark texts that the finished corpus still holds: url, item, matched. Empty when decontamination worked.

    Phrases that the corpus's report lists as ignored do not count.
    """
    index, _ = _index(benchmarks, benchmarks_key(benchmarks), settings.model_dump_json())
    report = storage.read_json(corpus / "contamination" / "report.json")
    phrases = {(phrase["item"], phrase["text"]) for phrase in report["ignored_phrases"]}
    ignored = {number for number, text in enumerate(index.texts) if (text.item, text.text) in phrases}
    found = []
    for file in storage.parquet_files(corpus):
        table = storage.read_table(file, ["url", "text"])
        for row, _, hits in decontaminate_column(table["text"], index, ignored):
            url = table["url"][row].as_py()
            found += [{"url": url, "item": hit.item, "matched": hit.matched} for hit in hits]
    return found


# After every iteration ------------------------------------------------------------------------------------------------


def report_contamination(
    documents: Folder,
    collected: Folder,
    benchmarks: Folder,
    out: Folder,
    settings: DecontaminationSettings,
    *,
    seed: Folder | None = None,
    workers: int = 1,
    progress: Progress = SILENT,
    force: bool = False,
) -> Manifest:
    """Write the artifact `contamination`: benchmark texts in the collected pages of `documents`, and in `seed` texts.

    Nothing is changed; the corpus is cut when it is assembled. Counts, of the part `collected` and, where it was given,
    of `seed`: `num_texts`, `num_contaminated_texts`, `num_segments`, `num_items`, `num_phrases` (left alone), and
    `benchmarks`, contaminated texts by benchmark.

    Raises ArtifactError when an input is missing or unfinished or there is no benchmark file.
    """
    inputs: dict[str, Folder | str] = {"documents": documents, "collected": collected}
    inputs["benchmarks"] = benchmarks_key(benchmarks)
    if seed is not None:
        inputs["seed"] = seed
    with storage.stage(out, "contamination", CONTAMINATION_VERSION, settings, inputs, force=force) as run:
        if run.artifact:
            parts = {
                "collected": find_contamination(
                    storage.parquet_files(documents), benchmarks, settings, wanted=collected,
                    num_texts=storage.read_manifest(collected).num_rows, workers=workers, progress=progress,
                )
            }  # fmt: skip
            if seed is not None:
                num_texts = storage.read_manifest(seed).num_rows
                parts["seed"] = find_contamination(
                    storage.parquet_files(seed), benchmarks, settings, columns=("url", "text"), num_texts=num_texts,
                    workers=workers, progress=progress,
                )  # fmt: skip
            rows = [row for name, found in parts.items() for row in _places(name, found)]
            run.artifact.write_table("part-00000.parquet", pa.Table.from_pylist(rows, CONTAMINATION_SCHEMA))
            run.artifact.counts |= {name: _figures(found) for name, found in parts.items()}
    assert run.manifest is not None
    return run.manifest


def _places(part: str, found: Contamination) -> list[dict[str, Any]]:
    assert found.index is not None
    rows = []
    for number, hits in sorted(found.leaks().items()):
        id, url = found.names[number]
        for hit in hits:
            kind = found.index.texts[hit.text_number].kind
            place = {"part": part, "id": id, "url": url, "item": hit.item, "kind": kind}
            rows.append({**place, "matched": hit.matched, "segment": hit.segment})
    return rows


def _figures(found: Contamination) -> Mapping[str, Any]:
    leaks = found.leaks()
    by_benchmark = Counter(name for hits in leaks.values() for name in {hit.item.rpartition(":")[0] for hit in hits})
    return {
        "num_texts": found.num_texts,
        "num_contaminated_texts": len(leaks),
        "num_segments": sum(len({n for hit in hits for n in hit.segments}) for hits in leaks.values()),
        "num_items": len({hit.item for hits in leaks.values() for hit in hits}),
        "num_phrases": len(found.phrases),
        "benchmarks": dict(sorted(by_benchmark.items())),
    }
