"""How the work grows: with processes, with the size of the crawl, with the rows that one machine ranks and counts.

    python -m benchmarks.scaling processes            one process beside two, WARC files to scored Parquet
    python -m benchmarks.scaling copies               cost of a page over 1 to 30 copies of the crawl, and memory
    python -m benchmarks.scaling rows --rows 100e6    budget cut and domain counts over synthetic score rows
    python -m benchmarks.scaling near --rows 4e6      near-duplicates of synthetic pages, a fifth of them copies

Every measurement is a process of its own. `processes` takes turns, and wall time counts, so give it an idle machine.
The classifier's tables are random and of the paper's size, which score at the speed of trained ones. Copies differ in
their URLs only, so deduplication drops all but one: it does its work on each, and the stages after it are measured on
all documents, duplicates included. Results go to benchmarks/results/scaling.json.
"""

import argparse
import gzip
import json
import re
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import zlib
from collections.abc import Callable, Iterator
from multiprocessing import forkserver
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from benchmarks import common
from benchmarks.worker import cpu_seconds
from dsmath_pipeline import sample_rates, storage
from dsmath_pipeline.corpus.dedup import deduplicate
from dsmath_pipeline.corpus.domains import find_domains
from dsmath_pipeline.corpus.near_dedup import find_near_duplicates
from dsmath_pipeline.corpus.pages import extract_files
from dsmath_pipeline.corpus.ranking import collect
from dsmath_pipeline.corpus.scoring import score_documents
from dsmath_pipeline.recipe.presets import load_recipe
from dsmath_pipeline.recipe.schema import ClassifierSettings
from dsmath_pipeline.records import DOCUMENT_SCHEMA, SCORE_SCHEMA

ROWS_IN_A_SHARD = 1_000_000
NUM_DOMAINS = 1_000_000
TOKENS_IN_A_DOCUMENT = 900
COPIES = (1, 3, 10, 30)
RECIPE = load_recipe("small_crawl")


# The work, each call in a child process ------------------------------------------------------------------------------


def warc_to_scores(files: list[str], out: str, classifier: str, workers: int) -> dict[str, Any]:
    """Extract WARC files and score the documents."""
    root = Path(out)
    made = extract_files(files, root / "documents", RECIPE.extract, RECIPE.opt_out, workers=workers)
    scored = score_documents(root / "documents", Path(classifier), root / "scores", workers=workers)
    return {"num_pages": made.counts["num_pages"], "num_scored": scored.num_rows}


def crawl_to_domains(files: list[str], out: str, classifier: str, workers: int) -> dict[str, Any]:
    """Every stage of one iteration but training, each with its seconds."""
    root, seconds = Path(out), {}
    documents, scores, collected = root / "documents", root / "scores", root / "collected"
    steps: dict[str, Callable[[], storage.Manifest]] = {
        "extract": lambda: extract_files(files, documents, RECIPE.extract, RECIPE.opt_out, workers=workers),
        "deduplicate": lambda: deduplicate(documents, root / "unique_documents", RECIPE.dedup, workers=workers),
        "score": lambda: score_documents(documents, Path(classifier), scores, workers=workers),
        "rank": lambda: collect(scores, collected, RECIPE.ranking, workers=workers),
        "count domains": lambda: find_domains(
            scores, collected, documents, root / "domains", RECIPE.domains, workers=workers
        ),
    }
    for name, step in steps.items():
        started = cpu_seconds()
        step()
        seconds[name] = round(cpu_seconds() - started, 3)
    pages = storage.read_manifest(documents).counts["num_pages"]
    return {"num_pages": pages, "cpu_seconds_of_stages": seconds}


def rank_and_count(scores: str, documents: str, out: str, budget: int, workers: int) -> dict[str, Any]:
    """The budget's cut, the collected rows, and domains with their prefixes."""
    root, started = Path(out), time.perf_counter()
    settings = RECIPE.ranking.model_copy(update={"token_budget": budget})
    cut = collect(Path(scores), root / "collected", settings, workers=workers)
    ranked = time.perf_counter()
    found = find_domains(
        Path(scores), root / "collected", Path(documents), root / "domains", RECIPE.domains, workers=workers
    )
    return {
        "rank_seconds": round(ranked - started, 1), "domains_seconds": round(time.perf_counter() - ranked, 1),
        "rank_and_count_driver_peak_gib": peak_gib(), **cut.counts, **found.counts,
    }  # fmt: skip


def find_copies(documents: str, out: str, workers: int) -> dict[str, Any]:
    """Near-duplicates of a crawl."""
    return find_near_duplicates(Path(documents), Path(out), RECIPE.dedup, workers=workers).counts


CALLS = {call.__name__: call for call in (warc_to_scores, crawl_to_domains, rank_and_count, find_copies)}


def in_child(call: Callable[..., Any], **arguments: Any) -> dict[str, Any]:
    """What the call returns, and its wall_seconds, cpu_seconds and peak memory, in a process of its own."""
    code = "import sys, benchmarks.scaling; benchmarks.scaling.child(sys.argv[1])"  # workers import a main module again
    command = [sys.executable, "-c", code, json.dumps([call.__name__, arguments])]
    done = subprocess.run(command, cwd=common.ROOT, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{call.__name__} failed:\n{done.stderr[-3000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def child(request: str) -> None:
    """The other side of `in_child`."""
    name, arguments = json.loads(request)
    started = time.perf_counter()
    result = CALLS[name](**arguments)
    wall_seconds = time.perf_counter() - started
    forkserver._forkserver._stop()  # type: ignore[attr-defined]  # so that its processes count as this one's
    measured = {
        "wall_seconds": round(wall_seconds, 3), "cpu_seconds": round(cpu_seconds(), 3),
        "driver_peak_gib": peak_gib(),
        "largest_worker_peak_gib": round(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 2**20, 3),
    }  # fmt: skip
    print(json.dumps({**result, **measured}))


def peak_gib() -> float:
    """The most memory this process has had, in GiB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return round(next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 2**20, 3)


# The measurements ----------------------------------------------------------------------------------------------------


def processes(options: argparse.Namespace, scratch: Path) -> dict[str, Any]:
    """One process beside two, round by round, on the crawl and on a larger one, where starting up counts for less."""
    kind, files = common.crawl_files(scratch, options)
    classifier = random_classifier(files, scratch)
    ceiling = [common.rounded(2 * busy(1) / busy(2)) for _ in range(options.rounds)]
    rows = []
    for number in options.copies or (1, 4):
        folder = write_copies(files, number, scratch)
        found: dict[int, list[dict[str, Any]]] = {1: [], 2: []}
        for turn in range(options.rounds + 1):
            for workers in (1, 2) if turn % 2 else (2, 1):
                with tempfile.TemporaryDirectory(dir=scratch) as out:
                    measured = in_child(
                        warc_to_scores, files=[str(folder)], out=out, classifier=classifier, workers=workers
                    )
                told = f"{measured['wall_seconds']:.1f} s, {measured['num_scored']} documents"
                print(f"{number} copies, round {turn}: {workers} processes: {told}", file=sys.stderr)
                if turn:  # the first round fills caches
                    found[workers].append(measured)
        shutil.rmtree(folder)
        pairs = zip(found[1], found[2], strict=True)
        speedups = [common.rounded(one["wall_seconds"] / two["wall_seconds"]) for one, two in pairs]
        rows.append({"copies": number, "speedup": statistics.median(speedups), "speedups": speedups, "rounds": found})
    return {"processes": {"pages": kind, "speedups_of_two_that_share_nothing": ceiling, "rows": rows}}


def busy(num_processes: int) -> float:
    """Seconds until so many processes have each counted to twenty million: what the machine itself can gain."""
    started = time.perf_counter()
    code = "for number in range(20_000_000): pass"
    processes = [subprocess.Popen([sys.executable, "-c", code]) for _ in range(num_processes)]
    assert not any(process.wait() for process in processes)
    return time.perf_counter() - started


def copies(options: argparse.Namespace, scratch: Path) -> dict[str, Any]:
    """The crawl several times over, with distinct URLs: processor time of the stages for a page, medians of rounds."""
    kind, files = common.crawl_files(scratch, options)
    classifier = random_classifier(files, scratch)
    rows = []
    for number in options.copies or COPIES:
        folder = write_copies(files, number, scratch)
        rounds = []
        for turn in range(0 if not rows else 1, options.rounds + 1):
            with tempfile.TemporaryDirectory(dir=scratch) as out:
                measured = in_child(
                    crawl_to_domains, files=[str(folder)], out=out, classifier=classifier, workers=options.workers
                )
            print(f"{number} copies, round {turn}: {measured}", file=sys.stderr)
            if turn:  # the very first round fills caches
                rounds.append(measured)
        costs = [1000 * sum(one["cpu_seconds_of_stages"].values()) / one["num_pages"] for one in rounds]
        cost = common.rounded(statistics.median(costs))
        rows.append({"copies": number, "cpu_milliseconds_a_page": cost, "rounds": rounds})
        shutil.rmtree(folder)
    ratio = common.rounded(rows[-1]["cpu_milliseconds_a_page"] / rows[0]["cpu_milliseconds_a_page"])
    return {"copies": {"pages": kind, "cost_of_a_page_last_over_first": ratio, "rows": rows}}


def rows(options: argparse.Namespace, scratch: Path) -> dict[str, Any]:
    """Synthetic score rows, ranked and counted; the budget takes one token in twenty."""
    num_rows = int(options.rows)
    started = time.perf_counter()
    for shard, first in enumerate(range(0, num_rows, ROWS_IN_A_SHARD)):
        write_rows(scratch, shard, min(ROWS_IN_A_SHARD, num_rows - first))
    for name in ("scores", "documents"):
        with storage.stage(scratch / name, name, "synthetic", {"rows": num_rows}, {}) as run:
            assert run.artifact
            for file in storage.parquet_files(scratch / name):
                run.artifact.add_shard(file.stem, {"num_rows": min(ROWS_IN_A_SHARD, num_rows)})
    print(f"written in {time.perf_counter() - started:.0f} s", file=sys.stderr)
    measured = in_child(
        rank_and_count, scores=str(scratch / "scores"), documents=str(scratch / "documents"), out=str(scratch / "out"),
        budget=num_rows * TOKENS_IN_A_DOCUMENT // 20, workers=options.workers,
    )  # fmt: skip
    return {"rows": {"num_rows": num_rows, "workers": options.workers, **measured}}


def write_copies(files: list[Path], number: int, scratch: Path) -> Path:
    """A folder with so many copies of the files, whose pages all have URLs of their own."""
    folder = scratch / f"crawl-{number}"
    folder.mkdir()
    for copy in range(number):
        for file in files:
            write_copy(file, folder / f"{copy:03d}-{file.name}", copy)
    return folder


def write_copy(file: Path, out: Path, number: int) -> None:
    """A WARC file with a gzip member a record again, with another URL for each page unless `number` is 0."""
    with file.open("rb") as source, out.open("wb") as target:
        for member, record in gzip_members(source.read()):
            match = _URL.search(record) if number else None
            if match:
                mark = b"&" if b"?" in match[1] else b"?"
                url = match[1].partition(b"#")[0] + mark + b"copy=%d" % number
                member = gzip.compress(record[: match.start(1)] + url + record[match.end(1) :], 6, mtime=0)
            target.write(member)


_URL = re.compile(rb"^WARC-Target-URI: *([^\r\n]+)", re.M)


def gzip_members(data: bytes, at_once: int = 1 << 16) -> Iterator[tuple[bytes, bytes]]:
    """Each gzip member and what it holds; damaged bytes up to the next member hold nothing."""
    start = 0
    while start < len(data):
        reader, held, end = zlib.decompressobj(31), [], start
        try:
            while not reader.eof and end < len(data):
                held.append(reader.decompress(data[end : end + at_once]))
                end = min(end + at_once, len(data)) - len(reader.unused_data)
        except zlib.error:
            following = data.find(b"\x1f\x8b\x08", start + 1)
            held, end = [], following if following >= 0 else len(data)
        yield data[start:end], b"".join(held)
        start = end


def write_rows(folder: Path, shard: int, num_rows: int) -> None:
    """One shard of scores and of the documents' titles; domains are as unequal as on the web (Zipf)."""
    rng = np.random.default_rng(shard)
    ids = pa.array([value.hex() for value in np.split(np.frombuffer(rng.bytes(16 * num_rows), "V16"), 1)[0].tolist()])
    hosts = np.minimum(rng.zipf(1.3, num_rows), NUM_DOMAINS)
    paths = rng.integers(0, 30, (num_rows, 2))
    logits = rng.normal(np.where(hosts % 20 == 0, 0.5, -3.0), 2.0)
    domains = [f"site{host}.example" for host in hosts.tolist()]
    urls = [
        f"https://{domain}/{a}/{b}/{page}"
        for page, (domain, (a, b)) in enumerate(zip(domains, paths.tolist(), strict=True))
    ]
    sizes = rng.integers(100, 2 * TOKENS_IN_A_DOCUMENT - 100, num_rows)
    columns = [ids, pa.array(urls), pa.array(domains), sizes, logits, 1 / (1 + np.exp(-logits))]
    storage.write_table(folder / "scores" / f"part-{shard:05d}.parquet", pa.table(columns, schema=SCORE_SCHEMA))
    titles = pa.array([f"page {page}" for page in range(num_rows)])
    schema = pa.schema([DOCUMENT_SCHEMA.field("id"), DOCUMENT_SCHEMA.field("title")])
    storage.write_table(
        folder / "documents" / f"part-{shard:05d}.parquet", pa.table([ids, titles], schema=schema)
    )  # fmt: skip


def near(options: argparse.Namespace, scratch: Path) -> dict[str, Any]:
    """Near-duplicates of synthetic pages of forty words, a fifth of them copies with one word changed."""
    num_rows, size = int(options.rows), 50_000
    rng = np.random.default_rng(0)
    with storage.stage(scratch / "pages", "unique_documents", "synthetic", {"rows": num_rows}, {}) as run:
        assert run.artifact
        for shard, first in enumerate(range(0, num_rows, size)):
            number = np.arange(first, min(first + size, num_rows))
            source = np.where(rng.random(len(number)) < 0.2, rng.integers(0, np.maximum(number, 1)), number)
            texts = [
                " ".join(f"{page:x}w{word}" for word in range(40)) + ("" if page == own else f" copy{own}")
                for page, own in zip(source.tolist(), number.tolist(), strict=True)
            ]
            ids = [f"{own:032x}" for own in number.tolist()]
            table = pa.table({"id": ids, "url": [f"https://e.org/{own}" for own in ids], "text": texts})
            run.artifact.write_table(f"part-{shard:05d}.parquet", table)
    measured = in_child(
        find_copies, documents=str(scratch / "pages"), out=str(scratch / "out"), workers=options.workers
    )
    return {"near": {"num_rows": num_rows, "workers": options.workers, **measured}}


def random_classifier(files: list[Path], scratch: Path) -> str:
    """Tables of the paper's size over the words of the first file."""
    manifest = extract_files([str(files[0])], scratch / "words", RECIPE.extract, workers=1)
    assert manifest.num_rows, "the first WARC file holds no document"
    texts = storage.read_table(scratch / "words", ["text"])["text"]
    sample_rates._write_random_classifier(texts, scratch / "classifier", ClassifierSettings())
    return str(scratch / "classifier")


def main() -> None:
    parser = common.arguments(__doc__, rounds=3, files=0)
    parser.add_argument("what", choices=["processes", "copies", "rows", "near"])
    parser.add_argument("--copies", type=int, nargs="+", help="sizes of the crawl, in copies")
    parser.add_argument("--rows", type=float, default=100e6, help="synthetic score rows or pages")
    parser.add_argument("--workers", type=int, default=2, help="processes (copies, rows, near)")
    parser.add_argument("--scratch", type=Path, help="folder for files in between: 100 bytes a row (default: TMPDIR)")
    options = parser.parse_args()
    measure = {"processes": processes, "copies": copies, "rows": rows, "near": near}[options.what]
    with tempfile.TemporaryDirectory(dir=options.scratch) as scratch:
        result = measure(options, Path(scratch))
    print(json.dumps(result, indent=1))
    if not options.quick:
        print(common.write_result(options.out, "scaling", result))


if __name__ == "__main__":
    main()
