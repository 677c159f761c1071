"""Write the mini web: the input on which `dsmath demo` runs the whole pipeline without a network.

About 3,000 pages on 150 domains as real WARC files, a seed of mathematical texts in OpenWebMath's schema, and held-out
word problems as a benchmark:

    out/crawl/MINI-2024-10-00000.warc.gz ...        WARC/1.0, one gzip member a record
    out/seed/seed.jsonl.gz                          one JSON object a line: url, text, date
    out/benchmarks/word_problems/test.jsonl         id, problem, answer, solution, language
    truth/truth.parquet                             truth.TRUTH_SCHEMA; for measuring, the pipeline never reads it

The seed knows question-and-answer pages, wikis and lecture notes, mostly English. The crawl also has Chinese school
sites, practice pages and blogs, partly without a single formula: a first classifier misses them, and the domain rule
of section 2.1 is what can bring them in.

Not in the paper: the demonstration's own data; the shape of the seed and the loop follow section 2.1.
"""

import gzip
import json
import random
from collections.abc import Iterator

from ..progress import SILENT, Progress, track
from ..recipe.schema import MiniWebSettings
from ..records import Problem
from ..storage import Folder, Manifest, settings_dict, stage, write_bytes
from .math_sites import seed_text
from .mini_web_pages import host_names, plan_pages, plan_sites
from .truth import WebPage, truth_counts, truth_table
from .warc_files import warc_bytes
from .word_problems import generate_problems

MINI_WEB_VERSION = "1"
"""1 (2026-11): first version."""

SEED_KINDS = {"qa": 36, "wiki": 32, "lecture": 28, "school_zh": 4}
"""What the seed consists of, weights."""
SEED_WORKED_SHARE = 0.3
"""Share of worked problems in a seed text: less than half of what pages of the crawl have."""


def write_mini_web(
    out: Folder, settings: MiniWebSettings, seed: int, *, truth: Folder | None = None, progress: Progress = SILENT,
    force: bool = False,
) -> Manifest:  # fmt: skip
    """Write crawl, seed texts and benchmark below `out`, and the truth into `truth` (default: `<out>_truth` beside it).

    The same settings and seed give the same bytes. Rows: pages of the crawl. The counts of the
    truth are `truth.truth_counts`.
    """
    identity = {**settings_dict(settings), "seed": seed}
    truth = truth if truth is not None else out.parent / f"{out.name}_truth"
    with (
        stage(out, "mini_web", MINI_WEB_VERSION, identity, {}, force=force) as web_run,
        stage(truth, "mini_web_truth", MINI_WEB_VERSION, identity, {}, force=force) as truth_run,
    ):
        if web_run.artifact or truth_run.artifact:
            problems = generate_problems(settings.num_test_problems, seed, "test")
            rng = random.Random(f"{seed}:mini_web")
            hosts = host_names(rng)
            pages = plan_pages(settings, plan_sites(settings, hosts, rng), problems, seed)
            progress.log(f"{len(pages)} pages generated")
            pages, places = write_crawl(out / "crawl", pages, settings.num_warc_files, seed, progress)
            write_seed(out / "seed" / "seed.jsonl.gz", settings.num_seed_texts, hosts, seed)
            write_benchmark(out / "benchmarks" / "word_problems" / "test.jsonl", problems)
            counts = truth_counts(pages)
            if web_run.artifact:
                web_run.artifact.num_rows = len(pages)
                web_run.artifact.counts |= {
                    "pages": len(pages), "warc_files": settings.num_warc_files,
                    "seed_texts": settings.num_seed_texts, "problems": len(problems),
                }  # fmt: skip
            if truth_run.artifact:
                truth_run.artifact.write_table("truth.parquet", truth_table(pages, places))
                truth_run.artifact.counts |= counts
    assert web_run.manifest is not None
    return web_run.manifest


def write_crawl(
    folder: Folder, pages: list[WebPage], num_files: int, seed: int, progress: Progress = SILENT
) -> tuple[list[WebPage], list[tuple[str, int]]]:
    """Write the WARC files. Returns the pages in the order written and the file name and offset of each."""
    written: list[WebPage] = []
    places: list[tuple[str, int]] = []
    for number in track(range(num_files), "write WARC files", progress):
        name = f"MINI-2024-10-{number:05}.warc.gz"
        share = _faults_inside(pages[number::num_files])
        data, offsets = warc_bytes(name, share, seed)
        write_bytes(folder / name, data)
        written += share
        places += [(name, offset) for offset in offsets]
    return written, places


def _faults_inside(pages: list[WebPage]) -> list[WebPage]:
    """The same pages with good records at both ends, so that good records follow every faulty one."""
    good = [page for page in pages if page.record == "ok"]
    if len(good) < 2:
        return pages
    first, last = good[0], good[-1]
    return [first, *(page for page in pages if page is not first and page is not last), last]


def write_seed(path: Folder, num_texts: int, hosts: Iterator[str], seed: int) -> None:
    """Write the seed: texts of sites that are not in the crawl (`hosts` continues after the crawl's)."""
    rng = random.Random(f"{seed}:mini_web:seed")
    sites = [next(hosts) for _ in range(max(4, num_texts // 20))]
    lines = []
    for number in range(num_texts):
        kind = rng.choices(list(SEED_KINDS), list(SEED_KINDS.values()))[0]
        text = seed_text(rng, kind, SEED_WORKED_SHARE)
        date = f"2023-{rng.randint(1, 12):02}-{rng.randint(1, 28):02}T00:00:00Z"
        row = {"url": f"https://{rng.choice(sites)}/{kind}/{number}", "text": text, "date": date}
        lines.append(json.dumps(row, ensure_ascii=False))
    write_bytes(path, gzip.compress(("\n".join(lines) + "\n").encode(), 6, mtime=0))


def write_benchmark(path: Folder, problems: list[Problem]) -> None:
    """Write the held-out problems as JSON lines, as benchmarks are published."""
    rows = [{name: getattr(p, name) for name in ("id", "problem", "answer", "solution", "language")} for p in problems]
    write_bytes(path, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode())
