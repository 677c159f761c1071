"""Search for benchmark texts in documents: this project beside the rule in plain Python and datatrove.

    python -m benchmarks.decontamination [--files N] [--rounds N] [--texts N] [--quick]

20,000 benchmark texts, documents in memory as a Parquet file gives them, in turns, on one core; preparing the texts is
not timed, its CPU time and the memory are printed beside. The plain rule is runs of ten words in a Python set, whole
documents, no short texts and no guards. datatrove's NGramsDecontFilter with runs of ten: its tokenizers need spaCy and
its indexer lighteval, so here it splits at white space, which is faster, and reads an index made of its own hashes.
Prints a table and writes benchmarks/results/decontamination.json.
"""

import json
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from benchmarks import common
from benchmarks.common import Contender

OURS = "ours"

Timed = Callable[[], dict[str, Any]]


# --- contenders, called in a child process


def our_search(documents: str, texts: str, limit: int = 0) -> Timed:
    """corpus.decontaminate.decontaminate_column: segments found, confirmed and cut."""
    import pyarrow.parquet as pq

    from dsmath_pipeline.corpus.benchmark_index import build_index
    from dsmath_pipeline.corpus.benchmark_texts import BenchmarkText
    from dsmath_pipeline.corpus.decontaminate import decontaminate_column, decontaminate_text
    from dsmath_pipeline.recipe.schema import DecontaminationSettings

    settings = DecontaminationSettings()
    decontaminate_text("", build_index([], settings))  # compile, fill tables
    before = _resident_megabytes()
    given = [BenchmarkText(*entry) for entry in json.loads(Path(texts).read_text())]
    started = time.process_time()
    index = build_index(given, settings)
    preparing = time.process_time() - started
    indexed = _resident_megabytes()
    column = pq.read_table(documents, columns=["text"])["text"].slice(0, limit or None)

    def run() -> dict[str, Any]:
        found = [row for row, _, _ in decontaminate_column(column, index)]
        memory = {"index_megabytes": indexed - before, "process_megabytes": indexed}
        return {"documents": len(column), "found": len(found), "preparing_cpu_seconds": preparing, **memory}

    return run


def plain_search(documents: str, texts: str, limit: int = 0) -> Timed:
    """The rule of section 2.1 as one would write it first: documents that share ten words with a benchmark text."""
    import pyarrow.parquet as pq

    from tests.plain_text import words

    runs: set[tuple[str, ...]] = set()
    for _, _, text in json.loads(Path(texts).read_text()):
        tokens = words(text)
        runs.update(zip(*(tokens[i:] for i in range(10))))  # noqa: B905 - the runs end with the shortest
    column = pq.read_table(documents, columns=["text"])["text"].slice(0, limit or None)

    def run() -> dict[str, Any]:
        found = 0
        for value in column:
            tokens = words(value.as_py())
            found += any(run in runs for run in zip(*(tokens[i:] for i in range(10))))  # noqa: B905
        return {"documents": len(column), "found": found}

    return run


def datatrove_search(documents: str, texts: str, index: str, limit: int = 0) -> Timed:
    """datatrove's NGramsDecontFilter, the block called directly."""
    import numpy as np
    import pyarrow.parquet as pq
    from datatrove.data import Document
    from datatrove.pipeline.decont import n_grams
    from datatrove.utils.logging import logger
    from datatrove.utils.text import ngrams, simplify_text

    logger.remove()
    n_grams.load_word_tokenizer = lambda language: SimpleNamespace(word_tokenize=str.split)
    config = n_grams.NGramsDecontConfig(n_grams=10)
    block = n_grams.NGramsDecontFilter(index, config=config)
    if not limit or not Path(index).exists():
        hashes: set[int] = set()
        for _, _, text in json.loads(Path(texts).read_text()):
            tokens = block.tokenizer.word_tokenize(simplify_text(text, config.norm_config))
            hashes.update(map(block.hash_func, map(" ".join, ngrams(tokens, 10))))
        shutil.rmtree(index, ignore_errors=True)
        Path(index).mkdir(parents=True)
        np.array(list(hashes), dtype=config.hash_config.np_descr).tofile(f"{index}/all.index.hashes")
    block.load_index_hashes()
    values = pq.read_table(documents, columns=["text"])["text"].to_pylist()[: limit or None]

    def run() -> dict[str, Any]:
        found = sum(block.filter(Document(text=text, id=str(row))) is not True for row, text in enumerate(values))
        return {"documents": len(values), "found": found}

    return run


def _resident_megabytes() -> int:
    import resource

    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() // 1_000_000


# --- the script


def write_documents(files: Sequence[Path], out: Path) -> Any:
    """Texts of the crawl files, as a table and in the Parquet file `out`."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    from dsmath_pipeline.corpus.pages import extract_one_file
    from dsmath_pipeline.recipe.schema import ExtractSettings
    from dsmath_pipeline.storage import folder

    table = pa.concat_tables([extract_one_file(folder(file), ExtractSettings())[0] for file in files])
    table = table.select(["text"])
    pq.write_table(table, out)
    return table


def benchmark_texts(number: int) -> tuple[str, list[tuple[str, str, str]]]:
    """("real" or "generated", `number` texts as (item, kind, text)); fewer where the real folder holds fewer."""
    data = common.real_data()
    rng = random.Random(0)
    if data and (data / "benchmarks").exists():
        from dsmath_pipeline.corpus.benchmark_texts import load_benchmark_texts
        from dsmath_pipeline.storage import folder

        texts = load_benchmark_texts(folder(data / "benchmarks")).texts
        some = sorted(rng.sample(range(len(texts)), min(number, len(texts))))
        return "real", [(texts[i].item, texts[i].kind, texts[i].text) for i in some]
    from dsmath_pipeline.demo.word_problems import worked_example

    return "generated", [(f"own:{i}", "question", worked_example(rng, "en" if i % 2 else "zh")) for i in range(number)]


def main(argv: Sequence[str] | None = None) -> None:
    """Measure, print the table, write the result."""
    parser = common.arguments(__doc__, rounds=5, files=3)
    parser.add_argument("--texts", type=int, default=20_000, help="benchmark texts")
    options = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as scratch:
        kind, files = common.crawl_files(Path(scratch), options)
        table = write_documents(files, Path(scratch, "documents.parquet"))
        kind_of_texts, texts = benchmark_texts(options.texts // 10 if options.quick else options.texts)
        Path(scratch, "texts.json").write_text(json.dumps(texts))
        given = {"documents": f"{scratch}/documents.parquet", "texts": f"{scratch}/texts.json"}
        contenders = [
            Contender(
                "datatrove, split at white space", "benchmarks.decontamination:datatrove_search",
                {**given, "index": f"{scratch}/index"}, is_peer=True,
            ),
            Contender("plain Python", "benchmarks.decontamination:plain_search", given),
            Contender(OURS, "benchmarks.decontamination:our_search", given),
        ]  # fmt: skip
        rounds = common.take_turns(contenders, 2 if options.quick else options.rounds, {"limit": 20})
    megabytes = sum(len(text.encode()) for text in table["text"].to_pylist()) / 1e6
    amounts = {"documents": table.num_rows, "megabytes": megabytes}
    measured = {name: common.speeds(found, amounts) for name, found in rounds.items()}
    for name, found in rounds.items():
        measured[name]["documents_found"] = found[-1]["found"]
    ours = {
        name: common.rounded(value) for name, value in rounds[OURS][0].items() if name.endswith(("bytes", "seconds"))
    }
    ours = {name: ours[name] for name in ("preparing_cpu_seconds", "index_megabytes", "process_megabytes")}
    relative = common.ratios(measured, OURS)
    rows = [
        (name, row["documents_per_cpu_second"], row["megabytes_per_cpu_second"], row["documents_found"],
         relative.get(name, ""))
        for name, row in measured.items()
    ]  # fmt: skip
    print(
        f"{table.num_rows} {kind} documents, {megabytes:.1f} MB, {len(texts)} {kind_of_texts} benchmark texts, ", end=""
    )
    print(f"{len(rounds[OURS])} rounds; per CPU-second\n")
    columns = ("benchmark texts in documents", "documents/s", "MB/s", "documents found", "CPU time / ours")
    print(common.markdown_table(columns, rows))
    print(
        f"\nours: texts prepared in {ours['preparing_cpu_seconds']} s; {ours['index_megabytes']} MB for them, "
        f"{ours['process_megabytes']} MB in all"
    )
    part = {
        "pages": kind, "files": len(files), "documents": table.num_rows, "megabytes": common.rounded(megabytes),
        "benchmark_texts": len(texts), "rounds": len(rounds[OURS]), "measured": measured,
        "cpu_time_relative_to_ours": relative, **ours,
    }  # fmt: skip
    print(f"\nwritten to {common.write_result(options.out, 'decontamination', {'search': part})}", file=sys.stderr)


if __name__ == "__main__":
    main()
