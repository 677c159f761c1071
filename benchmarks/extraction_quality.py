r"""What extractors keep and lose: formulas by kind of markup, content and navigation. Prints Markdown tables.

    python -m benchmarks.extraction_quality [--data FOLDER] [--only formulas|segments|cases]

`--data` (default: `$DSMATH_REAL_DATA`) is a folder with

- `extraction_gold/gold.jsonl` and `html.tar.gz`: pages with the formulas (LaTeX) that stand in them;
- `extraction_gold/general_gold.jsonl.gz` and `crawl/`: crawled pages with sentences that belong to the content
  (`must_have`) and others that do not (`must_not_have`), found by record_id in `crawl/labels.jsonl.gz`.

Without it only the constructed cases (formula_cases.py) are run.

How formulas are counted, the same for every extractor: a formula is *found* when its LaTeX occurs in the output text.
White space, outer delimiters, \displaystyle and the braces of one-character scripts are ignored on both sides. It is
*doubled* when it is found with a second copy right beside it, LaTeX again or its bare characters; else it is found
*once*; else it is *lost*. Formulas of one or two characters occur by chance in any text and are left out.
"""

import argparse
import gzip
import json
import re
import sys
import tarfile
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.common import RESULTS, Contender, MissingPackage, Worker, markdown_table, read, real_data, write_result
from benchmarks.formula_cases import CASES, LATEX
from benchmarks.formula_counting import KINDS, bare_characters, formula_fate, kind_of_markup, normal_latex, normal_text
from dsmath_pipeline.corpus.encoding import decode_html

EXTRACTORS = (
    Contender("Resiliparse", "resiliparse_text", {}),
    Contender("trafilatura", "trafilatura_text", {}),
    Contender("datatrove", "datatrove_text", {}, is_peer=True),
    Contender("ours", "our_text", {}),
)
MIN_FORMULA_CHARS = 3
_SPACES = re.compile(r"\s+")


def run_extractors(pages: list[dict[str, Any]], scratch: Path) -> dict[str, list[dict[str, Any]]]:
    """For each extractor that is installed: a row with `text` and `formulas` for each page, in order."""
    types = {"url": pa.string(), "html": pa.large_binary(), "content_type": pa.string(), "text": pa.large_string()}
    pq.write_table(pa.Table.from_pylist(pages, schema=pa.schema(list(types.items()))), scratch / "pages.parquet")
    found = {}
    for extractor in EXTRACTORS:
        out = scratch / f"{extractor.call}.parquet"
        print(f"{extractor.name}: {len(pages)} pages", file=sys.stderr)
        try:
            with Worker(extractor) as worker:
                worker.call(pages=str(scratch / "pages.parquet"), save=str(out))
        except MissingPackage as missing:
            print(f"left out: {missing}", file=sys.stderr)
            continue
        found[extractor.name] = pq.read_table(out).to_pylist()
    return found


def page_row(url: str, raw: bytes, content_type: str = "") -> dict[str, Any]:
    """A page as the extractors take it (contenders.py)."""
    text = decode_html(raw, content_type).replace("\0", "")
    return {"url": url, "html": raw, "content_type": content_type, "text": text}


def formula_results(data: Path, scratch: Path) -> dict[str, Any]:
    """Counts of once, doubled and lost by kind of markup and extractor, and of found formulas of any length."""
    gold = _lines(data / "extraction_gold" / "gold.jsonl")
    with tarfile.open(data / "extraction_gold" / "html.tar.gz") as archive:
        raw = {Path(m.name).name: archive.extractfile(m).read() for m in archive if m.isfile()}  # type: ignore[union-attr]
    pages = [page_row(row["url"], raw[Path(row["file"]).name]) for row in gold]
    results = run_extractors(pages, scratch)
    by_kind: dict[str, Any] = {}
    any_length: dict[str, Any] = {}
    for at, (row, page) in enumerate(zip(gold, pages, strict=True)):
        wanted = {normal_latex(latex) for latex in row["formulas"]} - {""}
        kind = by_kind.setdefault(kind_of_markup(page["text"]), {"pages": 0, "formulas": 0, "fates": {}})
        kind["pages"] += 1
        kind["formulas"] += sum(len(latex) >= MIN_FORMULA_CHARS for latex in wanted)
        for name, found in results.items():
            text = normal_text(found[at]["text"])
            fates = kind["fates"].setdefault(name, {"once": 0, "doubled": 0, "lost": 0})
            total = any_length.setdefault(name, {"found": 0, "formulas": 0})
            for latex in wanted:
                fate = formula_fate(latex, text)
                fates[fate] += len(latex) >= MIN_FORMULA_CHARS
                total["found"] += fate != "lost"
                total["formulas"] += 1
    return {"pages": len(pages), "by_kind": by_kind, "of_any_length": any_length}


def case_results(scratch: Path) -> dict[str, dict[str, str]]:
    """The fate of the formula in each constructed case, by extractor; `characters` where only those are left of it."""
    results = run_extractors(
        [page_row(f"https://example.org/{i}", c.html.encode()) for i, c in enumerate(CASES)], scratch
    )
    latex = normal_latex(LATEX)
    return {
        case.name: {name: _case_fate(latex, normal_text(found[at]["text"])) for name, found in results.items()}
        for at, case in enumerate(CASES)
    }


def _case_fate(latex: str, text: str) -> str:
    fate = formula_fate(latex, text)
    num_copies = text.count(bare_characters(latex) or latex)
    if fate != "lost" or not num_copies:
        return fate
    return "characters" if num_copies == 1 else f"characters, {num_copies} times"


def segment_results(data: Path, scratch: Path) -> dict[str, Any]:
    """Counts of content segments kept and of other segments absent, by extractor.

    A page without a document has lost its content and gets no credit for what is absent.
    """
    gold = {row["record_id"]: row for row in _lines(data / "extraction_gold" / "general_gold.jsonl.gz")}
    labels = _lines(data / "crawl" / "labels.jsonl.gz")
    wanted = {(row["warc"], row["offset"]): gold[row["record_id"]] for row in labels if row["record_id"] in gold}
    pages, rows = [], []
    for file in sorted({name for name, _ in wanted}):
        for page in read(data / "crawl" / file):
            if (file, page.offset) in wanted:
                pages.append(page_row(page.url, page.html, page.content_type))
                rows.append(wanted[file, page.offset])
    results = run_extractors(pages, scratch)
    counts: dict[str, Any] = {}
    for name, found in results.items():
        kept = absent = 0
        for row, document in zip(rows, found, strict=True):
            text = _SPACES.sub(" ", document["text"])
            kept += num_within(row["must_have"] or [], text)
            absent += (len(row["must_not_have"] or []) - num_within(row["must_not_have"] or [], text)) * bool(text)
        counts[name] = {"kept": kept, "absent": absent}
    return {
        "pages": len(pages),
        "must_have": sum(len(row["must_have"] or []) for row in rows),
        "must_not_have": sum(len(row["must_not_have"] or []) for row in rows),
        "by_extractor": counts,
    }


def num_within(segments: Iterable[str], text: str) -> int:
    """How many segments stand in a text whose white space is single spaces."""
    return sum(_SPACES.sub(" ", segment).strip() in text for segment in segments)


def _lines(path: Path) -> list[dict[str, Any]]:
    with gzip.open(path, "rt", encoding="utf-8") if path.suffix == ".gz" else path.open(encoding="utf-8") as file:
        return [json.loads(line) for line in file if line.strip()]


def formula_table(results: dict[str, Any]) -> str:
    """Rows: kinds of markup; cells: shares once / doubled / lost in per cent."""
    names = list(results["of_any_length"])
    rows = []
    order = [name for name, _ in KINDS if name in results["by_kind"]]
    for kind in order:
        part = results["by_kind"][kind]
        rows.append([kind, part["pages"], part["formulas"], *(_shares(part["fates"][name]) for name in names)])
    fates = [
        {
            fate: sum(results["by_kind"][kind]["fates"][name][fate] for kind in order)
            for fate in ("once", "doubled", "lost")
        }
        for name in names
    ]
    formulas = sum(results["by_kind"][kind]["formulas"] for kind in order)
    rows.append(["all", results["pages"], formulas, *map(_shares, fates)])
    return markdown_table(["markup", "pages", "formulas", *names], rows)


def _shares(fates: dict[str, int]) -> str:
    total = sum(fates.values()) or 1
    return " / ".join(f"{100 * fates[fate] / total:.1f}" for fate in ("once", "doubled", "lost"))


def case_table(results: dict[str, dict[str, str]]) -> str:
    """Rows: cases; cells: once, doubled or lost."""
    names = list(next(iter(results.values())))
    return markdown_table(
        ["case", *names], [[case, *(fates[name] for name in names)] for case, fates in results.items()]
    )


def segment_table(results: dict[str, Any]) -> str:
    """Rows: extractors; cells: content segments kept, other segments absent, in per cent."""
    rows = [
        [
            name,
            *(
                f"{100 * c[got] / results[of]:.1f} %"
                for got, of in (("kept", "must_have"), ("absent", "must_not_have"))
            ),
        ]
        for name, c in results["by_extractor"].items()
    ]
    return markdown_table(["extractor", "content kept", "navigation and the like absent"], rows)


def main(argv: Sequence[str] | None = None) -> None:
    """Run the extractors, print the tables, write benchmarks/results/extraction_quality.json."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=real_data())
    parser.add_argument("--only", choices=("formulas", "segments", "cases"))
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder of the result file")
    options = parser.parse_args(argv)
    data: Path = options.data or Path("no labelled pages")
    has_gold = (data / "extraction_gold").exists()
    if options.only in ("formulas", "segments") and not has_gold:
        parser.error(f"no extraction_gold/ in {data}: set DSMATH_REAL_DATA or give --data")
    parts = [options.only] if options.only else ["cases", *(["formulas", "segments"] if has_gold else [])]
    result: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as scratch:
        if "cases" in parts:
            result["cases"] = case_results(Path(scratch))
            print(f"\n{case_table(result['cases'])}")
        if "formulas" in parts:
            result["formulas"] = formula_results(data, Path(scratch))
            print(f"\nonce / doubled / lost, in per cent\n\n{formula_table(result['formulas'])}")
            found = {
                name: f"{c['found']} of {c['formulas']}" for name, c in result["formulas"]["of_any_length"].items()
            }
            print(f"\nformulas of any length found: {found}")
        if "segments" in parts:
            result["segments"] = segment_results(data, Path(scratch))
            print(f"\n{result['segments']['pages']} pages\n\n{segment_table(result['segments'])}")
    write_result(options.out, "extraction_quality", result)


if __name__ == "__main__":
    main()
