"""The commands `dsmath crawls`, `dsmath index` and `dsmath estimate`: what Common Crawl has, and what it would cost."""

import argparse
import json
import os
from collections.abc import Sequence

from .console import Bars, print_table
from .recipe.presets import PRESETS, load_recipe
from .recipe.schema import Recipe
from .storage import folder

_PATIENCE_SECONDS = 60.0
"""People wait for these commands; a run that is left alone waits for hours (fetch.give_up_seconds)."""


def add_crawl_commands(subparsers) -> None:
    """Add the three commands to the subcommands of `dsmath`."""
    _add_crawls(subparsers)
    _add_index(subparsers)
    _add_estimate(subparsers)


def _command(subparsers, name: str, function, text: str, preset: str = "") -> argparse.ArgumentParser:
    parser = subparsers.add_parser(name, help=text, description=text)
    parser.set_defaults(function=function)
    if preset:
        parser.add_argument("--preset", default=preset, choices=list(PRESETS), help=f"(default: {preset})")
    parser.add_argument(
        "--set", action="append", default=[], metavar="SECTION.FIELD=VALUE", dest="overrides",
        help="override one setting, such as fetch.base_url=s3://commoncrawl/; may be repeated",
    )  # fmt: skip
    return parser


def _recipe_of(args: argparse.Namespace) -> Recipe:
    recipe = load_recipe(getattr(args, "preset", "paper"), args.overrides)
    if any(given.startswith("fetch.give_up_seconds=") for given in args.overrides):
        return recipe
    hasty = {"give_up_seconds": _PATIENCE_SECONDS, "max_wait_seconds": _PATIENCE_SECONDS / 6}
    return recipe.model_copy(update={"fetch": recipe.fetch.model_copy(update=hasty)})


# dsmath crawls -------------------------------------------------------------------------------------------------------


def _add_crawls(subparsers) -> None:
    parser = _command(subparsers, "crawls", crawls, "the releases of Common Crawl, newest first")
    parser.add_argument("--json", action="store_true", help="as a JSON list: id, name, first, last")


def crawls(args: argparse.Namespace) -> None:
    """Print the list. Raises DownloadError."""
    from .corpus.commoncrawl import CommonCrawl

    found = CommonCrawl(_recipe_of(args).fetch).crawls()
    if args.json:
        rows = [{"id": c.id, "name": c.name, "first": c.first, "last": c.last} for c in found]
        print(json.dumps(rows, indent=1, ensure_ascii=False))
        return
    rows = [{"crawl": c.id, "name": c.name, "from": c.first[:10], "to": c.last[:10]} for c in found]
    print_table("Common Crawl", rows)


# dsmath index --------------------------------------------------------------------------------------------------------


def _add_index(subparsers) -> None:
    parser = _command(subparsers, "index", index, "pages of hosts and domains, or single records, from a crawl's index")
    parser.add_argument("--crawl", required=True, metavar="CRAWL", help="such as CC-MAIN-2024-10")
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--counts", type=folder, metavar="DIR", help="count the pages of every host and domain into DIR")
    what.add_argument(
        "--records", type=folder, metavar="FILE.parquet",
        help="write where the pages of --host lie; `dsmath extract cc-records:FILE.parquet` reads these records alone",
    )  # fmt: skip
    parser.add_argument(
        "--host", nargs="+", default=[], metavar="NAME",
        help="example.org (and below), or the beginning of an address: example.org/questions",
    )  # fmt: skip
    parser.add_argument("--languages", nargs="+", default=[], metavar="CODE", help="main language, ISO 639-3: eng zho")
    parser.add_argument("--workers", type=int, default=1, help="worker processes for --counts (default: 1)")


def index(args: argparse.Namespace) -> None:
    """Run the command. Raises IndexTableError, DownloadError, S3Error."""
    from . import storage
    from .corpus.columnar_index import count_pages, find_records
    from .corpus.commoncrawl import CommonCrawl

    fetch = load_recipe("paper", args.overrides).fetch
    if args.records:
        with Bars() as progress:
            source = CommonCrawl(fetch, progress=progress)
            found = find_records(source, args.crawl, args.host, languages=args.languages, progress=progress)
        storage.write_table(args.records, found)
        print(f"{found.num_rows:,} records in {len(found['warc_filename'].unique()):,} files: {args.records}")
        return
    with Bars() as progress:
        manifest = count_pages(
            CommonCrawl(fetch, progress=progress), args.crawl, args.counts, languages=args.languages,
            workers=args.workers, progress=progress,
        )  # fmt: skip
    rows = [{"what": name, "number": number} for name, number in manifest.counts.items()]
    print_table(f"Pages of {args.crawl}: {args.counts}", rows)


# dsmath estimate -----------------------------------------------------------------------------------------------------


def _add_estimate(subparsers) -> None:
    text = "core-hours, bytes and cost of a crawl, from its size and rates measured on this machine"
    parser = _command(subparsers, "estimate", estimate, text, "paper")
    parser.add_argument("--crawl", default="", metavar="CRAWL", help="such as CC-MAIN-2024-10: its size is asked for")
    parser.add_argument("--files", type=int, default=0, metavar="N", help="WARC files, instead of asking")
    parser.add_argument("--bytes", type=float, default=0, metavar="N", help="bytes of all files: 90e12")
    parser.add_argument("--pages", type=float, default=0, metavar="N", help="pages: 3e9")
    parser.add_argument("--sample", nargs="+", type=folder, default=[], metavar="FILE",
                        help="WARC files to measure on (default: a generated one)")  # fmt: skip
    parser.add_argument("--crawls", type=int, default=1, metavar="N", help="crawls of this size (default: 1)")
    parser.add_argument("--iterations", type=int, metavar="N", help="(default: iteration.max_iterations)")
    parser.add_argument("--cores", type=int, metavar="N", help="cores of the machine (default: of this one)")
    parser.add_argument("--gbit", type=float, default=0, metavar="N", help="network, gigabits a second")
    parser.add_argument("--price-core-hour", type=float, default=0, metavar="X")
    parser.add_argument("--price-gb-read", type=float, default=0, metavar="X", help="a GB of the crawl fetched")
    parser.add_argument("--price-gb-written", type=float, default=0, metavar="X", help="a GB stored")


def estimate(args: argparse.Namespace) -> None:
    """Run the command. Raises EstimateError, SampleError."""
    from .corpus.commoncrawl import CommonCrawl
    from .estimate import FORMULA, EstimateError, Prices, bill, crawl_size, least_hours, near_dedup_memory, total
    from .sample_rates import measure_rates

    if not args.crawl and not args.bytes and not args.pages:
        raise EstimateError("name a crawl (--crawl CC-MAIN-2024-10), or its size (--bytes, --pages)")
    recipe = _recipe_of(args)
    with Bars() as progress:
        rates = measure_rates(args.sample, recipe, progress)
        source = CommonCrawl(recipe.fetch, progress=progress) if args.crawl else None
        size = crawl_size(
            source, args.crawl, num_files=args.files, num_bytes=round(args.bytes), num_pages=round(args.pages),
            page_bytes=rates.page_bytes,
        )  # fmt: skip
    iterations = args.iterations if args.iterations is not None else recipe.iteration.max_iterations
    cores = args.cores or len(os.sched_getaffinity(0))
    steps = bill(size, rates, recipe, Prices(args.price_core_hour, args.price_gb_read, args.price_gb_written))
    sums = total(steps, iterations, args.crawls)
    hours = least_hours(size, sums, recipe.fetch, num_crawls=args.crawls, cores=cores, gigabits=args.gbit)
    print_table(f"Size of {args.crawl or 'the crawl'}", size.rows())
    print_table(
        f"One core of this machine, measured on {rates.num_pages:,} pages of {_named(args.sample)}", rates.rows()
    )
    print_table("Bill", [step.row(cores) for step in [*steps, sums]])
    print_table("What bounds it", [{"alone": name, "hours": value} for name, value in hours.items()])
    memory = near_dedup_memory(size, rates, args.crawls) / 1e9
    print(f"Memory: near-deduplication takes {memory:,.1f} GB in the driver, at most 1.7 in each worker.")
    print(FORMULA)
    crawl_page = size.num_bytes / size.num_pages
    if not 0.5 < crawl_page / rates.page_bytes < 2:
        print(
            f"Note: a page has {crawl_page:,.0f} bytes in the crawl and {rates.page_bytes:,.0f} in the sample: "
            "measure on files of the crawl (--sample)."
        )


def _named(samples: Sequence[object]) -> str:
    return ", ".join(str(sample) for sample in samples) or "a generated WARC file"
