"""MinHash signatures and near-duplicates: this project beside datatrove, and what verifying pairs is worth.

    python -m benchmarks.dedup [--files N] [--rounds N] [--quick]

Speed: the signature step, texts in memory to signature files, same texts, in turns, on one core; both with 14 bands of
8 hashes over 5-grams. datatrove's MinhashDedupSignature runs as it comes and with its fastest hash (xxhash, 32 bit).
Quality, on the same pages: how many merged pairs have an exact Jaccard similarity below 0.5, 0.6 and 0.7 when shared
buckets alone decide, when signatures decide, when besides every dropped page must resemble the page kept in its place
(what this project does), and when exact sets decide; and, where the crawl has labels, how many labelled pairs are
found. Prints tables and writes benchmarks/results/dedup.json.
"""

import collections
import gzip
import itertools
import json
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from benchmarks import common
from benchmarks.common import Contender

OURS = "ours"


# --- contenders, called in a child process


def our_signatures(documents: str, out: str, limit: int = 0) -> Callable[[], dict[str, Any]]:
    """corpus.minhash.signatures, written as Parquet."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    from dsmath_pipeline import storage
    from dsmath_pipeline.corpus.minhash import signatures
    from dsmath_pipeline.recipe.schema import DedupSettings

    table = pq.read_table(documents).slice(0, limit or None)

    def run() -> dict[str, Any]:
        values = signatures(table["text"], DedupSettings())
        rows = pa.FixedSizeBinaryArray.from_buffers(pa.binary(448), len(values), [None, pa.py_buffer(values)])
        storage.write_table(storage.folder(out) / "signatures.parquet", pa.table({"signature": rows}))
        return {"documents": len(values)}

    return run


def datatrove_signatures(documents: str, out: str, limit: int = 0, **hashing: Any) -> Callable[[], dict[str, Any]]:
    """datatrove's MinhashDedupSignature, the block called directly; `hashing` goes to its HashConfig."""
    import pyarrow.parquet as pq
    from datatrove.data import Document
    from datatrove.pipeline.dedup import MinhashDedupSignature
    from datatrove.pipeline.dedup.minhash import MinhashConfig
    from datatrove.utils.hashing import HashConfig
    from datatrove.utils.logging import logger

    texts = pq.read_table(documents)["text"].to_pylist()[: limit or None]

    def rows() -> Iterator[Any]:
        for number, text in enumerate(texts):
            yield Document(text=text, id=str(number))

    def run() -> dict[str, Any]:
        logger.remove()
        shutil.rmtree(out, ignore_errors=True)
        config = MinhashConfig(n_grams=5, num_buckets=14, hashes_per_bucket=8, hash_config=HashConfig(**hashing))
        MinhashDedupSignature(out, config).run(rows())
        return {"documents": len(texts)}

    return run


# --- quality


def merge_quality(table: Any, labelled: Sequence[tuple[int, int]]) -> dict[str, dict[str, Any]]:
    """Merged pairs and how alike they are, for three ways to decide; `labelled` are pairs of row numbers."""
    from dsmath_pipeline.corpus.minhash import clusters_of, gram_set, jaccard, kept_pages, signatures
    from dsmath_pipeline.recipe.schema import DedupSettings

    settings = DedupSettings()
    values = signatures(table["text"], settings)
    texts = table["text"].to_pylist()
    sets: dict[int, Any] = {}

    def exact(i: int, j: int) -> float:
        for page in (i, j):
            if page not in sets:
                sets[page] = gram_set(texts[page], settings.ngram_words)
        return jaccard(sets[i], sets[j])

    any_pair = clusters_of(values, settings.model_copy(update={"min_jaccard": 1e-9})).tolist()
    candidates = [pair for pages in _members(any_pair) for pair in itertools.combinations(pages, 2)]
    by_sets = list(range(len(texts)))
    for i, j in candidates:  # all pairs of a cluster of buckets: never fewer than the buckets' own pairs
        if exact(i, j) >= settings.min_jaccard:
            old, new = max(by_sets[i], by_sets[j]), min(by_sets[i], by_sets[j])
            by_sets = [new if label == old else label for label in by_sets]
    clusters = clusters_of(values, settings)
    lengths, ids = [len(text) for text in texts], [f"{row:08}" for row in range(len(texts))]
    kept = kept_pages(clusters, values, [0] * len(ids), lengths, ids, settings)
    ways = {
        "shared buckets alone": any_pair,
        "signatures": clusters.tolist(),
        "signatures, and kept pages": kept.tolist(),
        "exact sets": by_sets,
    }
    found = {}
    for name, labels in ways.items():
        merged = [pair for pages in _members(labels) for pair in itertools.combinations(pages, 2)]
        likeness = [exact(i, j) for i, j in merged]
        found[name] = {"merged_pairs": len(merged), "least_jaccard": round(min(likeness, default=1.0), 3)}
        found[name] |= {f"below_{least}": sum(value < least for value in likeness) for least in (0.5, 0.6, 0.7)}
        if labelled:
            hits = sum(min(i, j) >= 0 and labels[i] == labels[j] for i, j in labelled)
            found[name] |= {"labelled_pairs": len(labelled), "recall": round(hits / len(labelled), 4)}
    return found


def _members(labels: Sequence[int]) -> list[list[int]]:
    groups = collections.defaultdict(list)
    for page, label in enumerate(labels):
        groups[label].append(page)
    return [pages for pages in groups.values() if len(pages) > 1]


def labelled_pairs(table: Any, files: Sequence[Path]) -> list[tuple[int, int]]:
    """Pairs of rows that the crawl's labels call near-duplicates, both in `files`; -1 for a page without a row."""
    labels = files[0].parent / "labels.jsonl.gz"
    if not labels.exists():
        return []
    places = zip(table["source"].to_pylist(), table["offset"].to_pylist())  # noqa: B905
    row_of = {place: row for row, place in enumerate(places)}
    groups = collections.defaultdict(list)
    names = {file.name for file in files}
    for line in gzip.decompress(labels.read_bytes()).splitlines():
        label = json.loads(line)
        if label["near_dup_group"] is not None and label["warc"] in names:
            groups[label["near_dup_group"]].append(row_of.get((label["warc"], label["offset"]), -1))
    return [pair for rows in groups.values() for pair in itertools.combinations(rows, 2)]


# --- the script


def write_documents(files: Sequence[Path], out: Path) -> Any:
    """Texts of the crawl files, as a table and in the Parquet file `out`."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    from dsmath_pipeline.corpus.pages import extract_one_file
    from dsmath_pipeline.recipe.schema import ExtractSettings
    from dsmath_pipeline.storage import folder

    table = pa.concat_tables([extract_one_file(folder(file), ExtractSettings())[0] for file in files])
    table = table.select(["source", "offset", "text"])
    pq.write_table(table, out)
    return table


def main(argv: Sequence[str] | None = None) -> None:
    """Measure, print the tables, write the result."""
    options = common.arguments(__doc__, rounds=5, files=2).parse_args(argv)
    with tempfile.TemporaryDirectory() as scratch:
        kind, files = common.crawl_files(Path(scratch), options)
        table = write_documents(files, Path(scratch, "documents.parquet"))
        given = {"documents": str(Path(scratch, "documents.parquet"))}
        peer, fast = f"{scratch}/peer", {"hash_fc": "xxhash", "precision": 32}
        contenders = [
            Contender("datatrove", "benchmarks.dedup:datatrove_signatures", {**given, "out": peer}, is_peer=True),
            Contender(
                "datatrove, xxhash", "benchmarks.dedup:datatrove_signatures", {**given, "out": peer, **fast},
                is_peer=True,
            ),
            Contender(OURS, "benchmarks.dedup:our_signatures", {**given, "out": f"{scratch}/ours"}),
        ]  # fmt: skip
        rounds = common.take_turns(contenders, 2 if options.quick else options.rounds, {"limit": 20})
        quality = merge_quality(table, labelled_pairs(table, files))
    megabytes = sum(len(text.encode()) for text in table["text"].to_pylist()) / 1e6
    amounts = {"documents": table.num_rows, "megabytes": megabytes}
    measured = {name: common.speeds(found, amounts) for name, found in rounds.items()}
    relative = common.ratios(measured, OURS)
    rows = [
        (name, row["documents_per_cpu_second"], row["megabytes_per_cpu_second"], relative.get(name, ""))
        for name, row in measured.items()
    ]
    print(f"{table.num_rows} {kind} documents, {megabytes:.1f} MB, {len(rounds[OURS])} rounds; per CPU-second\n")
    print(common.markdown_table(("signatures", "documents/s", "MB/s", "CPU time / ours"), rows))
    columns = ("pairs decided by", "merged", "below 0.5", "below 0.6", "below 0.7", "least", "recall")
    names = ("merged_pairs", "below_0.5", "below_0.6", "below_0.7", "least_jaccard", "recall")
    print("\n" + common.markdown_table(columns, [(way, *map(row.get, names)) for way, row in quality.items()]))
    speed = {
        "pages": kind, "files": len(files), "documents": table.num_rows, "megabytes": common.rounded(megabytes),
        "rounds": len(rounds[OURS]), "measured": measured, "cpu_time_relative_to_ours": relative,
    }  # fmt: skip
    parts = {"signatures": speed, "merged_pairs": {"pages": kind, "documents": table.num_rows, "ways": quality}}
    print(f"\nwritten to {common.write_result(options.out, 'dedup', parts)}", file=sys.stderr)


if __name__ == "__main__":
    main()
