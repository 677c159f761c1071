"""Reading WARC files: warcio, FastWARC and this project, same files, in turns, on one core.

    python -m benchmarks.reading [--files N] [--rounds N] [--quick]

Each gives the bodies of the HTML pages with transfer and content encoding undone. Prints a table and writes
benchmarks/results/reading.json: pages and megabytes (of the files, and of the bodies) per CPU-second.
"""

import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks import common
from benchmarks.common import Contender

OURS = "ours"


def main(argv: Sequence[str] | None = None) -> None:
    """Measure, print the table, write the result."""
    options = common.arguments(__doc__, rounds=7, files=0).parse_args(argv)
    with tempfile.TemporaryDirectory() as scratch:
        kind, files = common.crawl_files(Path(scratch), options)
        paths = {"files": [str(file) for file in files]}
        contenders = [
            Contender("warcio", "read_warcio", paths),
            Contender("FastWARC", "read_fastwarc", paths),
            Contender(OURS, "read_ours", paths),
        ]
        rounds = common.take_turns(contenders, 2 if options.quick else options.rounds, {"files": paths["files"][:1]})
        file_megabytes = sum(file.stat().st_size for file in files) / 1e6
    measured = {
        name: {
            "documents": found[0]["documents"],
            **common.speeds(
                found,
                {
                    "documents": found[0]["documents"],
                    "file_megabytes": file_megabytes,
                    "body_megabytes": found[0]["bytes"] / 1e6,
                },
            ),
        }
        for name, found in rounds.items()
    }
    relative = common.ratios(measured, OURS)
    columns = ("", "pages", "pages/s", "MB/s of the files", "MB/s of the bodies", "CPU time / ours")
    rows = [
        (
            name, row["documents"], row["documents_per_cpu_second"], row["file_megabytes_per_cpu_second"],
            row["body_megabytes_per_cpu_second"], relative.get(name, ""),
        )
        for name, row in measured.items()
    ]  # fmt: skip
    print(f"{len(files)} {kind} WARC files, {file_megabytes:.0f} MB, {len(rounds[OURS])} rounds; per CPU-second\n")
    print(common.markdown_table(columns, rows))
    part = {
        "pages": kind, "files": len(files), "file_megabytes": common.rounded(file_megabytes),
        "rounds": len(rounds[OURS]), "measured": measured, "cpu_time_relative_to_ours": relative,
    }  # fmt: skip
    print(f"\nwritten to {common.write_result(options.out, 'reading', {'reading': part})}", file=sys.stderr)


if __name__ == "__main__":
    main()
