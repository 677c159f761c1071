"""Extraction: this project beside Resiliparse, trafilatura and datatrove, on the same pages, in turns, on one core.

    python -m benchmarks.extraction [--files N] [--rounds N] [--part alone|whole|start] [--quick]

1. Extraction alone: HTML in memory to text. The others get decoded HTML; ours decodes it and also finds the title, the
   language and the list of formulas.
2. The whole way: WARC files to Parquet files. datatrove runs as its users run it (LocalPipelineExecutor) and with its
   blocks called directly; both are shown, the ratio to be quoted is that to the faster one.
   The executor gives every page one second of wall time, so on a busy machine it loses pages (column "documents").
3. Start-up: a fresh process until its first document is done.

Speeds are pages put in per CPU-second (all processes of a contender counted), medians of the rounds. Prints tables and
writes benchmarks/results/extraction.json, each part as soon as it is there; parts that were not asked for keep their
former figures. About 40 minutes with the default two files. datatrove and the trafilatura it needs live in an
environment of their own (benchmarks/requirements.txt); what is not installed is left out.
"""

import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks import common
from benchmarks.common import Contender
from dsmath_pipeline.corpus.encoding import decode_html

OURS = "ours"


def alone(pages: str) -> list[Contender]:
    """HTML in memory to text."""
    html = {"pages": pages}
    return [
        Contender("Resiliparse, main content", "resiliparse_text", html),
        Contender("trafilatura", "trafilatura_text", html),
        Contender("trafilatura, fast", "trafilatura_text", {**html, "fast": True}),
        Contender("trafilatura, favor recall", "trafilatura_text", {**html, "favor_recall": True}),
        Contender("datatrove's Trafilatura block", "datatrove_text", html, is_peer=True),
        Contender(OURS, "our_text", html),
    ]


def whole_way(files: list[str], out: str) -> list[Contender]:
    """WARC files to Parquet files."""
    paths = {"files": files, "out": out}
    return [
        Contender("datatrove, executor", "whole_datatrove", {**paths, "in_process": False}, is_peer=True),
        Contender("datatrove, blocks called directly", "whole_datatrove", {**paths, "in_process": True}, is_peer=True),
        Contender("FastWARC + Resiliparse + pyarrow", "whole_resiliparse", paths),
        Contender(OURS, "whole_ours", paths),
    ]


def write_pages(files: Sequence[Path], out: Path) -> int:
    """Write the pages of WARC files as the Parquet file that contenders.py describes. Returns their number."""
    rows = [
        {"url": page.url, "html": page.html, "content_type": page.content_type, "text": text}
        for file in files
        for page in common.read(file)
        if (text := decode_html(page.html, page.content_type).replace("\0", "")).strip()
    ]
    types = {"url": pa.string(), "html": pa.large_binary(), "content_type": pa.string(), "text": pa.large_string()}
    pq.write_table(pa.Table.from_pylist(rows, schema=pa.schema(list(types.items()))), out)
    return len(rows)


def measure(contenders: list[Contender], num_pages: int, rounds: int, warm_up: dict[str, Any]) -> dict[str, Any]:
    """Speeds of the contenders that can run here and the ratios to ours."""
    found = common.take_turns(contenders, rounds, warm_up)
    measured = {
        name: {
            **{key: value for key, value in runs[-1].items() if key in ("documents", "characters", "failures")},
            **common.speeds(runs, {"pages": num_pages}),
        }
        for name, runs in found.items()
    }
    return {"rounds": rounds, "measured": measured, "cpu_time_relative_to_ours": common.ratios(measured, OURS)}


def print_table(title: str, part: dict[str, Any]) -> None:
    """One table: speed, range, how much more CPU time than ours."""
    rows = []
    for name, row in part["measured"].items():
        span = f"{row['pages_per_cpu_second_lowest']} - {row['pages_per_cpu_second_highest']}"
        share = part["cpu_time_relative_to_ours"].get(name, "")
        rows.append((name, row["pages_per_cpu_second"], span, share, row["documents"]))
    columns = ("", "pages/CPU-s", "lowest - highest", "CPU time / ours", "documents")
    print(f"\n{title}: {part['num_pages']} {part['pages']} pages, {part['rounds']} rounds")
    print(f"\n{common.markdown_table(columns, rows)}")


def main(argv: Sequence[str] | None = None) -> None:
    """Measure, print the tables, write the result."""
    parser = common.arguments(__doc__, rounds=5, files=2)
    parser.add_argument("--part", choices=("alone", "whole", "start"), help="one part only")
    options = parser.parse_args(argv)
    rounds = 2 if options.quick else options.rounds
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        kind, files = common.crawl_files(scratch, options)
        first = common.first_pages(files[0], scratch / "one_page.warc.gz", 1)
        about = {"pages": kind, "files": len(files), "num_pages": write_pages(files, scratch / "pages.parquet")}
        write_pages([first], scratch / "one_page.parquet")
        one_file = {"files": [str(first)]}
        extractors = alone(str(scratch / "pages.parquet"))
        pipelines = whole_way([str(file) for file in files], str(scratch / "out"))
        if options.part in (None, "alone"):
            part = {**about, **measure(extractors, about["num_pages"], rounds, {"limit": 20})}
            print_table("Extraction alone, HTML in memory to text", part)
            common.write_result(options.out, "extraction", {"extraction_alone": part})
        if options.part in (None, "whole"):
            part = {**about, **measure(pipelines, about["num_pages"], rounds, one_file)}
            print_table("The whole way, WARC to Parquet", part)
            common.write_result(options.out, "extraction", {"whole_way": part})
        if options.part in (None, "start"):
            begun = {c.name: common.start_up(c, one_file, rounds) for c in pipelines}
            begun = {name: seconds for name, seconds in begun.items() if seconds}
            rows = [(name, *seconds.values()) for name, seconds in begun.items()]
            print(f"\nStart-up, a fresh process until its first document is written, {rounds} rounds\n")
            print(common.markdown_table(("", "seconds", "CPU-s"), rows))
            path = common.write_result(options.out, "extraction", {"start_up": {"rounds": rounds, **begun}})
            print(f"\nwritten to {path}", file=sys.stderr)


if __name__ == "__main__":
    main()
