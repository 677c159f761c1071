"""A finished run on a small mini web, and a second crawl that shares URLs, texts and near-duplicates with it."""

import dataclasses
import gzip
import hashlib
import json
import random
from datetime import UTC, datetime
from pathlib import Path
from unittest import mock

from dsmath_pipeline import storage
from dsmath_pipeline.demo import warc_files
from dsmath_pipeline.demo.mini_web import write_crawl
from dsmath_pipeline.demo.mini_web_pages import host_names, plan_pages, plan_sites
from dsmath_pipeline.demo.truth import WebPage
from dsmath_pipeline.demo.word_problems import generate_problems
from dsmath_pipeline.recipe.presets import load_recipe
from dsmath_pipeline.runs import build_corpus
from dsmath_pipeline.stages import Run

OVERRIDES = [
    "mini_web.num_pages=400", "mini_web.num_domains=30", "mini_web.num_warc_files=2", "mini_web.num_seed_texts=300",
    "mini_web.num_test_problems=20", "iteration.max_iterations=2", "classifier.dim=16", "classifier.epochs=20",
    "classifier.learning_rate=0.3", "classifier.min_count=1", "classifier.num_buckets=2000",
    "ranking.token_budget=80000",
]  # fmt: skip
"""The token budget is reached: the cut lies above the least score that counts."""
RECIPE = load_recipe("demo", OVERRIDES)
NEW_DATE = datetime(2024, 4, 12, tzinfo=UTC)
NEW, THIRD = "CC-MAIN-2024-18", "CC-MAIN-2024-22"


def build_base(root: Path) -> Run:
    run = Run(root, RECIPE, workers=1)
    build_corpus(run)
    return run


def web_pages(seed: int, num_pages: int) -> list[WebPage]:
    """The good pages of a mini web, copies among them left out."""
    settings = RECIPE.mini_web.model_copy(update={"num_pages": num_pages})
    rng = random.Random(f"{seed}:mini_web")
    problems = generate_problems(settings.num_test_problems, seed, "test")
    pages = plan_pages(settings, plan_sites(settings, host_names(rng), rng), problems, seed)
    return [page for page in pages if page.record == "ok" and not page.duplicate_of]


def collected_pages(run: Run) -> list[WebPage]:
    """The pages of the first web that are in the corpus, as they were crawled."""
    urls = set(storage.read_table(run.folder("math_corpus"), ["url"])["url"].to_pylist())
    return [page for page in web_pages(RECIPE.seed, RECIPE.mini_web.num_pages) if page.url in urls]


def moved(page: WebPage, host: str, change: bytes = b"") -> WebPage:
    """The page under another host; with `change`, a paragraph more after its title."""
    path = page.url.split("/", 3)[3]
    body = page.body.replace(b"</h1>", b"</h1>" + change, 1)
    return dataclasses.replace(page, url=f"https://{host}.example/{path}", body=body)


def second_crawl(run: Run) -> dict[str, list[WebPage]]:
    """Pages of the second crawl by what they are to the corpus of the first; ten of each kind that it knows."""
    known = collected_pages(run)
    assert len(known) >= 40
    tracked = [dataclasses.replace(page, url=f"{page.url}?utm_source=x") for page in known[5:10]]
    return {
        "new": web_pages(1, 160),
        "same_url": known[:5] + tracked,
        "same_text": [moved(page, "copied") for page in known[10:20]],
        "near_duplicate": [moved(page, "edited", b"<p>This page has been edited since.</p>") for page in known[20:30]],
        "removed": [dataclasses.replace(page, url=page.url) for page in known[30:32]],
    }


def write_layout(mirror: Path, crawl: str, pages: list[WebPage], seed: int = 9, num_files: int = 3) -> None:
    """The pages as a release in Common Crawl's layout."""
    folder = mirror / "crawl-data" / crawl / "segments" / "1" / "warc"
    with mock.patch.object(warc_files, "CRAWL_START", NEW_DATE):
        write_crawl(folder, pages, num_files, seed)
    paths = [f"crawl-data/{crawl}/segments/1/warc/{file.name}\n" for file in sorted(folder.iterdir())]
    (mirror / "crawl-data" / crawl / "warc.paths.gz").write_bytes(gzip.compress("".join(paths).encode(), mtime=0))


def listing(*crawls: tuple[str, str, str]) -> bytes:
    """collinfo.json; of every crawl id, first and last date."""
    return json.dumps([{"id": c, "name": c, "from": first, "to": last} for c, first, last in crawls]).encode()


def hashes(folder: Path, leave_out: str = "refresh") -> dict[str, str]:
    """Content of every file below a folder, without one of its folders."""
    files = (p for p in sorted(folder.rglob("*")) if p.is_file() and p.relative_to(folder).parts[0] != leave_out)
    return {str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}
