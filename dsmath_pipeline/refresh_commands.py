"""The commands `dsmath refresh` and `dsmath parts`: add a new crawl to a finished corpus, read all of it as one."""

import argparse

from .console import Bars, print_table
from .recipe.presets import load_recipe
from .storage import folder


def add_refresh_commands(subparsers) -> None:
    """Add the two commands to the subcommands of `dsmath`."""
    _add_refresh(subparsers)
    _add_parts(subparsers)


def _add_refresh(subparsers) -> None:
    text = "add a new crawl to the corpus of a finished run; nothing that is there is made again"
    parser = subparsers.add_parser("refresh", help=text, description=text)
    parser.set_defaults(function=refresh)
    parser.add_argument("--out", required=True, type=folder, metavar="DIR", help="folder of the finished run")
    parser.add_argument(
        "--crawl", required=True, nargs="+", metavar="PATH",
        help="the new crawl: WARC files, folders of them, or cc:CC-MAIN-2024-18[/FIRST-LAST]",
    )  # fmt: skip
    parser.add_argument("--name", default="", help="of the new part, in DIR/refresh (default: that of the crawl)")
    parser.add_argument(
        "--benchmarks", type=folder, metavar="DIR", help="benchmark JSONL files (default: the mini web's)"
    )
    parser.add_argument("--optout", default="", metavar="FILE", help="domains and addresses that may not be used")
    parser.add_argument(
        "--earlier", nargs="+", default=[], metavar="DIR", help="the earlier runs that the run itself was compared with"
    )
    parser.add_argument(
        "--set", action="append", default=[], metavar="fetch.FIELD=VALUE", dest="overrides",
        help="how files are fetched, such as fetch.base_url=s3://commoncrawl/; every other setting is the run's",
    )  # fmt: skip
    parser.add_argument("--workers", type=int, default=0, help="worker processes (default: one per core)")


def refresh(args: argparse.Namespace) -> None:
    """Add the part and print what became of the crawl. Raises RefreshError, ArtifactError."""
    from .corpus.refresh import Refresh, RefreshError, part_name, refresh_corpus

    if other := [given for given in args.overrides if not given.startswith("fetch.")]:
        raise RefreshError(f"--set {other[0]}: the settings of a refresh are those of the run, but for fetch.*")
    with Bars() as progress:
        part = Refresh(
            args.out, tuple(args.crawl), args.name or part_name(args.crawl), args.benchmarks, args.optout,
            tuple(args.earlier), load_recipe("paper", args.overrides).fetch, args.workers, progress,
        )  # fmt: skip
        manifests = refresh_corpus(part)
    steps = ("unique_documents", "new_documents", "math_corpus")
    rows = [
        {"step": step, "what became of it": name, "pages": count}
        for step in steps
        if step in manifests
        for name, count in [*manifests[step].counts["dropped"].items(), ("kept", manifests[step].num_rows)]
    ]
    if rows:
        print_table(f"New pages of {part.name}", rows)
    print_table(f"The corpus of {args.out}", _part_rows(args.out))


def _add_parts(subparsers) -> None:
    text = "list the parts of a corpus that was refreshed, or write them as one"
    parser = subparsers.add_parser("parts", help=text, description=text)
    parser.set_defaults(function=parts)
    parser.add_argument("--root", required=True, type=folder, metavar="DIR", help="folder of the run")
    parser.add_argument(
        "--out", type=folder, metavar="DIR",
        help="write the whole corpus here as one artifact with a manifest and a dataset card (links where it can)",
    )  # fmt: skip


def parts(args: argparse.Namespace) -> None:
    """List and write. Raises ArtifactError."""
    from .corpus.corpus_parts import write_whole_corpus

    print_table(f"The corpus of {args.root}", _part_rows(args.root))
    if args.out:
        manifest = write_whole_corpus(args.root, args.out)
        print(f"{manifest.num_rows:,} pages, {manifest.counts['num_tokens']:,} tokens: {args.out}")


def _part_rows(root) -> list[dict]:
    from .corpus.corpus_parts import part_rows

    return part_rows(root)
