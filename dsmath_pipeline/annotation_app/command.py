"""The command `dsmath annotate`: serve the annotation page, or move labels in and out of its label file."""

import argparse
import os
import sys
from pathlib import Path

from ..storage import Folder, folder

TOKEN_VARIABLE = "DSMATH_ANNOTATION_TOKEN"
_DESCRIPTION = f"""
Serve the page on which people label URL prefixes of mathematical domains as math, not math or unsure. It is bound to
this machine unless --host says otherwise; then, and when {TOKEN_VARIABLE} is set, an access token is needed.
"""


def add_annotate_command(subparsers) -> argparse.ArgumentParser:
    """Add `annotate` to the subcommands of `dsmath`."""
    parser = subparsers.add_parser(
        "annotate", help="label URL prefixes of mathematical domains in the browser", description=_DESCRIPTION
    )
    parser.add_argument("--root", type=folder, default="runs/demo", help="folder of the run (default: runs/demo)")
    parser.add_argument("--labels", metavar="FILE.sqlite", help="label file (default: labels.sqlite in the run)")
    parser.add_argument("--iteration", type=int, metavar="K", help="iteration to annotate (default: the newest)")
    parser.add_argument("--crawl", default="", metavar="NAME", help="name stored with labels (default: of the files)")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: 127.0.0.1)")
    parser.add_argument("--port", type=int, default=8710, help="port to listen on (default: 8710)")
    parser.add_argument(
        "--allow-host", action="append", default=[], metavar="NAME", help="host name of a proxy; may be repeated"
    )
    moves = parser.add_mutually_exclusive_group()
    moves.add_argument("--export", type=folder, metavar="FILE.jsonl", help="write the labels and end")
    moves.add_argument("--import", type=folder, metavar="FILE.jsonl", dest="import_", help="read labels and end")
    parser.add_argument("--round", type=int, metavar="N", help="with --export: labels as of the end of this round")
    parser.set_defaults(function=annotate)
    return parser


def annotate(args: argparse.Namespace) -> None:
    """Run the command. Raises what `serve`, `export_labels` and `import_labels` raise."""
    from .label_files import export_labels, import_labels

    database = label_file(args.root, args.labels)
    if args.export:
        num = export_labels(database, args.export, until_round=args.round)
        print(f"{num:,} labels: {args.export}")
    elif args.import_:
        done = import_labels(database, args.import_, iteration=args.iteration or 0, crawl=args.crawl)
        print(f"{done.num_added:,} labels added, {done.num_known:,} known before or older, {done.num_auto:,} of auto")
    else:
        _serve(args, database)


def _serve(args: argparse.Namespace, database: Path) -> None:
    from .server import serve

    serve(
        args.root, database, args.host, args.port, iteration=args.iteration, crawl=args.crawl,
        token=os.environ.get(TOKEN_VARIABLE), allow_hosts=tuple(args.allow_host), progress=Lines(),
    )  # fmt: skip


class Lines:
    """`progress.Progress` that prints messages; there is only one short step to wait for."""

    def update(self, what: str, done: int, total: int | None = None, note: str = "") -> None:
        pass

    def log(self, message: str) -> None:
        print(message, file=sys.stderr, flush=True)


def label_file(root: Folder, given: str | None) -> Path:
    """The path of the label file of a run. Raises ValueError where a default cannot be on a local disk."""
    if given:
        return Path(given)
    if not isinstance(root, Path):
        raise ValueError(f"{root} is not on a local disk, where the label file has to be; give --labels FILE.sqlite")
    return root / "labels.sqlite"
