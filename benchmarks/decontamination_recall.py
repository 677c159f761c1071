"""How many planted benchmark texts decontamination finds, and what it drops of pages in which nothing was planted.

    python -m benchmarks.decontamination_recall [--texts N] [--quick]

Needs the real data (DSMATH_REAL_DATA): benchmarks and crawl. Of every benchmark up to N texts of each kind are planted
one by one into a real page, changed as the kind says, and looked for with the index of all benchmarks. Found means:
the lines that hold the text are gone; lines that the page held before may stay. Prints two tables and writes
benchmarks/results/decontamination_recall.json.
"""

import collections
import html
import random
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from benchmarks import common

Plant = Callable[[str, random.Random], str]


# --- kinds: how a text is changed before it is planted


def as_is(text: str, rng: random.Random) -> str:
    return " ".join(text.split())


def changed_look(text: str, rng: random.Random) -> str:
    """Upper case in every other place, spaces doubled, full-width letters and digits, dashes strewn in."""
    words = as_is(text, rng).split(" ")
    changed = []
    for word in words:
        plain = "\\" not in word and "$" not in word
        choice = rng.randrange(5) if plain else 4
        if choice == 0:
            word = word.upper()
        elif choice == 1:
            word = "".join(chr(ord(c) + 0xFEE0) if "!" <= c <= "~" else c for c in word)
        elif choice == 2:
            word = f"-- {word} ..."
        changed.append(word)
    return rng.choice([" ", "  ", "\u3000", "\u00a0"]).join(changed)


def over_lines(text: str, rng: random.Random) -> str:
    """A line end in place of about every sixth space (in Chinese: after commas)."""
    parts = as_is(text, rng).replace("，", "，\n").split(" ")
    return "".join(part + ("\n" if rng.randrange(6) == 0 else " ") for part in parts)


def one_run(text: str, rng: random.Random) -> str:
    """Ten grams out of it, taken at random."""
    from dsmath_pipeline.corpus.grams import split

    plain, _, starts, stops = split(text)
    first = rng.randrange(len(starts) - 9)
    return " ".join(plain[starts[first] : stops[first + 9]].decode("utf-8", "replace").split())


def has_words(text: str) -> bool:
    from dsmath_pipeline.corpus.evidence import is_word
    from dsmath_pipeline.corpus.grams import RENAMED_COMMANDS, grams

    return any(is_word(gram) and gram not in RENAMED_COMMANDS.values() for gram in grams(text))


KINDS: dict[str, tuple[Callable[[str, str, int, bool], bool], Plant]] = {
    "question": (lambda kind, text, size, zh: kind == "question" and size >= 10, as_is),
    "answer": (lambda kind, text, size, zh: kind == "answer" and size >= 10, as_is),
    "text of 3 to 9 grams": (lambda kind, text, size, zh: kind == "question" and 3 <= size < 10, as_is),
    "Chinese question": (lambda kind, text, size, zh: kind == "question" and zh and size >= 3, as_is),
    "case, spacing, width": (lambda kind, text, size, zh: kind == "question" and size >= 10, changed_look),
    "over lines": (lambda kind, text, size, zh: kind == "question" and size >= 10, over_lines),
    "formulas alone": (lambda kind, text, size, zh: kind != "option" and size >= 10 and not has_words(text), as_is),
    "one run of ten grams": (lambda kind, text, size, zh: kind != "option" and size >= 10, one_run),
}
"""Name -> (which texts: kind, text, number of grams, is it Chinese; how it is planted)."""


# --- measuring


def planted_pages(pages: Sequence[str], text: str, rng: random.Random) -> tuple[str, dict[str, int]]:
    """A real page with the text in the middle, and how often it held the lines of the text that hold grams before."""
    from dsmath_pipeline.corpus.grams import grams

    lines = rng.choice(pages).split("\n")
    at = rng.randrange(len(lines) + 1)
    own = [line for line in text.split("\n") if line.strip()]
    return "\n".join([*lines[:at], *own, *lines[at:]]), {line: lines.count(line) for line in own if grams(line)}


def recall(texts: Sequence[Any], index: Any, pages: Sequence[str], limit: int) -> dict[str, dict[str, Any]]:
    """Found and planted of every kind and benchmark: {kind: {benchmark: [found, planted]}}."""
    from dsmath_pipeline.corpus.decontaminate import decontaminate_text
    from dsmath_pipeline.corpus.grams import grams

    rng = random.Random(0)
    chinese = frozenset(chr(point) for point in range(0x4E00, 0xA000))
    figures: dict[str, dict[str, Any]] = {kind: {} for kind in KINDS}
    groups = collections.defaultdict(list)
    for text in texts:
        groups[group_of(text.benchmark)].append(text)
    for name, members in sorted(groups.items()):
        rng.shuffle(members)
        sized = [(text, len(grams(text.text))) for text in members[: 12 * limit]]
        for kind, (fits, plant) in KINDS.items():
            chosen = []
            for text, size in sized:
                zh = sum(c in chinese for c in text.text) > 5
                if len(chosen) < limit and fits(text.kind, text.text, size, zh):
                    chosen.append(text)
            found = 0
            for text in chosen:
                page, own = planted_pages(pages, plant(text.text, rng), rng)
                left = decontaminate_text(page, index)[0].split("\n")
                found += all(left.count(line) <= before for line, before in own.items())
            if chosen:
                figures[kind][name] = [found, len(chosen)]
    return figures


def recall_in_lists(texts: Sequence[Any], index: Any, raw_pages: Sequence[bytes], limit: int) -> dict[str, Any]:
    """Questions as list items of real HTML pages, looked for after extraction; only those that extraction kept."""
    from dsmath_pipeline.corpus.decontaminate import decontaminate_text
    from dsmath_pipeline.corpus.extract import extract
    from dsmath_pipeline.corpus.grams import grams
    from dsmath_pipeline.recipe.schema import ExtractSettings
    from dsmath_pipeline.records import Page

    rng = random.Random(1)
    groups = collections.defaultdict(list)
    for text in texts:
        if text.kind == "question" and len(grams(text.text)) >= 10:
            groups[group_of(text.benchmark)].append(text.text)
    figures = {}
    for name, members in sorted(groups.items()):
        found = planted = 0
        for text in rng.sample(members, min(len(members), limit)):
            raw = rng.choice(raw_pages)
            parts = raw.split(b"</p>")
            middle = max(1, len(parts) // 2)
            items = "".join(f"<li>{html.escape(t)}</li>" for t in ("First do the reading.", text, "Then hand it in."))
            page = b"</p>".join(parts[:middle]) + f"</p><ol>{items}</ol>".encode() + b"</p>".join(parts[middle:])
            body = getattr(extract(Page("https://e.org/", page, "a.html"), ExtractSettings()), "text", "")
            if " ".join(grams(text)) not in " ".join(grams(body)):
                continue
            planted += 1
            kept, _ = decontaminate_text(body, index)
            found += " ".join(grams(text)) not in " ".join(grams(kept))
        figures[name] = [found, planted]
    return figures


def group_of(benchmark: str) -> str:
    """`math/test` -> `math`; BBH and the extra sets are one each."""
    return benchmark.split("/")[0]


def innocent_figures(table: Any, index: Any) -> dict[str, Any]:
    """What is dropped of the crawl as it is."""
    from dsmath_pipeline.corpus.decontaminate import decontaminate_column

    pages = segments = 0
    matches: dict[str, int] = collections.Counter()
    for _, _, hits in decontaminate_column(table["text"], index):
        pages += 1
        segments += len({number for hit in hits for number in hit.segments})
        for matched in {hit.matched for hit in hits}:
            matches[matched] += 1
    return {"documents": table.num_rows, "documents_cut": pages, "segments": segments, "matches": dict(matches)}


def rows_of(figures: dict[str, dict[str, Any]]) -> tuple[list[str], list[tuple]]:
    """The table: one row for each benchmark, one column for each kind."""
    names = sorted({name for by_name in figures.values() for name in by_name})
    rows = []
    for name in [*names, "all"]:
        cells = []
        for by_name in figures.values():
            some = [by_name[n] for n in (names if name == "all" else [name]) if n in by_name]
            found, planted = sum(f for f, _ in some), sum(p for _, p in some)
            cells.append(f"{found}/{planted}" if planted else "")
        rows.append((name, *cells))
    return ["benchmark", *figures], rows


def main(argv: Sequence[str] | None = None) -> None:
    """Measure, print the tables, write the result."""
    parser = common.arguments(__doc__, rounds=1, files=2)
    parser.add_argument("--texts", type=int, default=150, help="texts of each benchmark and kind")
    options = parser.parse_args(argv)
    limit = 20 if options.quick else options.texts
    data = common.real_data()
    if data is None or not (data / "crawl").exists():
        sys.exit("no real data: set DSMATH_REAL_DATA to a folder with benchmarks/ and crawl/")
    figures, innocent = measure(data, limit, options.files)
    columns, rows = rows_of(figures)
    print(common.markdown_table(columns, rows))
    print(f"\nof {innocent['documents']:,} real documents as they are {innocent['documents_cut']} are cut, by ", end="")
    print(f"{innocent['segments']} segments:\n")
    print(common.markdown_table(("matched", "documents"), sorted(innocent["matches"].items())))
    part = {"recall": {"texts_of_each": limit, **figures}, "innocent": innocent}
    print(f"\nwritten to {common.write_result(options.out, 'decontamination_recall', part)}", file=sys.stderr)


def measure(data: Path, limit: int, num_files: int) -> tuple[dict[str, dict[str, Any]], dict[str, Any]]:
    """Recall by kind and benchmark, and what is dropped of the whole crawl."""
    import pyarrow as pa

    from dsmath_pipeline.corpus.benchmark_index import build_index
    from dsmath_pipeline.corpus.benchmark_texts import load_benchmark_texts
    from dsmath_pipeline.corpus.pages import extract_one_file
    from dsmath_pipeline.recipe.schema import DecontaminationSettings, ExtractSettings
    from dsmath_pipeline.storage import folder

    texts = load_benchmark_texts(folder(data / "benchmarks")).texts
    index = build_index(texts, DecontaminationSettings())
    files = sorted((data / "crawl").glob("*.warc.gz"))
    table = pa.concat_tables([extract_one_file(folder(file), ExtractSettings())[0] for file in files])
    pages = [text for text in table["text"].to_pylist() if 2000 < len(text) < 50_000]
    figures = recall(texts, index, pages, limit)
    figures["item of an HTML list"] = recall_in_lists(texts, index, list(html_pages(files[:num_files])), limit)
    return figures, innocent_figures(table, index)


def html_pages(files: Sequence[Path]) -> Iterator[bytes]:
    """Real pages with running text."""
    from dsmath_pipeline.corpus.warc import ReadReport, read_pages
    from dsmath_pipeline.recipe.schema import ExtractSettings

    for file in files:
        for page in read_pages(file, ExtractSettings(), ReadReport()):
            if page.html.count(b"</p>") > 10 and len(page.html) < 200_000:
                yield page.html


if __name__ == "__main__":
    main()
