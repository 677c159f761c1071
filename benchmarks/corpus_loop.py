"""What each part of the corpus loop brings, measured on a labelled crawl. Prints Markdown tables.

    python -m benchmarks.corpus_loop [--data FOLDER] [--work FOLDER] [--only NAME ...]

`--data` (default: `$DSMATH_REAL_DATA`) is a folder with `crawl/*.warc.gz`, `crawl/labels.jsonl.gz` (url, domain,
is_math, confidence, language, ...) and `seed/openwebmath_like.jsonl.gz`. `--measure` (default:
`<data>/../tools/measure.py`) is the script whose function `ranking` computes average precision and recall at precision
0.90 on the pages whose labels are of high confidence.

Pages are extracted and deduplicated once; every variant then runs the whole loop of the preset `small_crawl` with one
part changed. Finished variants stay in `--work`, so a run that was stopped goes on. No setting was chosen by these
figures; the two halves (domains assigned by a hash, each half a crawl of its own) show how much they depend on the
crawl.

CPU seconds are those of the loop alone (training, scoring, collecting, labelling; children included) in one process.
"""

import argparse
import functools
import importlib.util
import json
import os
import re
import shutil
import sys
import tempfile
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import pyarrow as pa

from benchmarks.common import RESULTS, markdown_table, real_data, write_result
from dsmath_pipeline import stages, storage
from dsmath_pipeline.corpus.annotation import AUTO
from dsmath_pipeline.corpus.iteration import has_converged, iteration_folder, run_iteration, stage_held_out
from dsmath_pipeline.corpus.sampling import keyed_hash
from dsmath_pipeline.corpus.segmentation import segment_column
from dsmath_pipeline.corpus.urls import base_url
from dsmath_pipeline.recipe.presets import load_recipe
from dsmath_pipeline.stages import Inputs, Run
from dsmath_pipeline.text import CJK

PRESET = "small_crawl"
ORACLE = "oracle"
_TANGUT = 0x17000
"""Word characters that the segmenter does not set apart: stand-ins for CJK ones, of which there are fewer."""
_NUM_TANGUT = 6136


@dataclass(frozen=True)
class Variant:
    """The loop with one part changed."""

    name: str
    changed: str
    overrides: tuple[str, ...] = ()
    texts: Callable[[list[str]], list[str]] | None = None
    """What is done to all texts of seed and crawl before the loop."""
    labels: str = AUTO
    half: int | None = None
    """Only the pages whose domain is in this half."""


def without_formulas(texts: list[str]) -> list[str]:
    """Tokens of the texts without formulas and without a sign where they stood."""
    column = segment_column(pa.array(texts, pa.large_string()), mask_formulas=True)
    return [" ".join(token for token in text.split(" ") if token != "\\formula") for text in column.to_pylist()]


def with_cjk_unsegmented(texts: list[str]) -> list[str]:
    """CJK characters replaced one for one by letters that are not set apart: a run of them is one token."""
    return [text.translate(_stand_ins()) for text in texts]


@functools.cache
def _stand_ins() -> dict[int, int]:
    characters = re.compile(f"[{CJK}]")
    points = [point for point in range(0x3000, 0x31400) if characters.match(chr(point))]
    return {point: _TANGUT + keyed_hash(chr(point)) % _NUM_TANGUT for point in points}


VARIANTS = (
    Variant("everything on", "the preset `small_crawl`, labels by the rule `auto`"),
    Variant("formulas not kept", "formulas and their delimiters removed from seed and crawl", texts=without_formulas),
    Variant("formulas masked", "`seeds.mask_formulas`: where formulas stand counts, their content does not",
            ("seeds.mask_formulas=true",)),
    Variant("Chinese not segmented", "a run of CJK characters is one token, as between white space",
            texts=with_cjk_unsegmented),
    Variant("no labels", "no URL prefix is labelled math: nothing joins the seed",
            ("annotation.min_collected_share=1.01",)),
    Variant("oracle labels", "hosts labelled by the majority of their true labels: annotators without error",
            labels=ORACLE),
    Variant("half 1 of the domains", "a crawl of its own", half=0),
    Variant("half 2 of the domains", "a crawl of its own", half=1),
    Variant("formulas not kept, 10 epochs", "the same, with as many epochs in iteration 1 as later",
            ("classifier.epochs=10",), texts=without_formulas),
    Variant("no length balance", "training texts are never cut", ("seeds.max_chars=1000000",)),
    Variant("the paper's settings", "dimension 256, 3 epochs in all iterations, one classifier for all pages",
            ("seeds.num_folds=1", "seeds.num_positives=500000", "seeds.num_negatives=500000", "classifier.dim=256",
             "classifier.later_epochs=3")),
    Variant("one classifier for all pages", "`seeds.num_folds=1`", ("seeds.num_folds=1",)),
)  # fmt: skip


# the variants' inputs -------------------------------------------------------------------------------------------------


def folder_name(variant: Variant) -> str:
    """The variant's name as a file name."""
    return re.sub(r"\W+", "_", variant.name)


def half_of(domain: str) -> int:
    """0 or 1, by a hash of the domain's name."""
    return keyed_hash(f"half:{domain}") % 2


def prepare(data: Path, base: Path) -> None:
    """Seed and unique documents of the crawl, once for all variants."""
    crawl = tuple(str(path) for path in sorted((data / "crawl").glob("*.warc.gz")))
    run = Run(base, load_recipe(PRESET), Inputs(crawl, str(data / "seed" / "openwebmath_like.jsonl.gz")))
    for stage in (stages.seed, stages.documents, stages.unique_documents):
        stage(run)


def copy_inputs(base: Path, root: Path, variant: Variant, domains: dict[str, str]) -> None:
    """The seed and the unique documents of one variant."""
    for name in ("seed", "unique_documents"):
        source = base / name
        is_half = variant.half is not None and name == "unique_documents"
        change = {
            "texts": variant.texts.__name__ if variant.texts else "",
            "half": str(variant.half) if is_half else "",
        }
        with storage.stage(root / name, name, "benchmark 1", change, {"source": source}) as stage:
            if stage.artifact:
                for file in storage.parquet_files(source):
                    table = storage.read_table(file)
                    if is_half:
                        halves = [half_of(domains.get(url, base_url(url))) for url in table["url"].to_pylist()]
                        table = table.filter(pa.array([half == variant.half for half in halves]))
                    if variant.texts:
                        place = table.schema.get_field_index("text")
                        texts = pa.array(variant.texts(table["text"].to_pylist()), pa.large_string())
                        table = table.set_column(place, table.schema.field("text"), texts)
                    stage.artifact.write_table(file.name, table)


def oracle_labels(labels: Iterable[dict[str, Any]]) -> list[dict[str, str]]:
    """One row for each host: math when most of its pages with labels of high confidence are mathematics."""
    votes: dict[str, Counter[bool]] = defaultdict(Counter)
    for row in labels:
        if row["confidence"] == "high":
            votes[base_url(row["url"])][row["is_math"]] += 1
    return [
        {"url_prefix": host, "label": "math" if count[True] > count[False] else "not_math", "annotator": ORACLE}
        for host, count in sorted(votes.items())
    ]


# one variant ----------------------------------------------------------------------------------------------------------


def cpu_seconds() -> float:
    """Of this process and its finished children."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def run_variant(variant: Variant, base: Path, work: Path, labels: list[dict[str, Any]], measure: ModuleType) -> dict:
    """Run the loop and measure every iteration. A finished variant is read, not run again."""
    root = work / folder_name(variant)
    done = root / "figures.json"
    recipe = load_recipe(PRESET, list(variant.overrides))
    if done.exists():
        return json.loads(done.read_text())
    shutil.rmtree(root, ignore_errors=True)
    copy_inputs(base, root, variant, {row["url"]: row["domain"] for row in labels})
    label_file = _write_lines(root / "oracle.jsonl", oracle_labels(labels)) if variant.labels == ORACLE else AUTO
    known = [row for row in labels if variant.half is None or half_of(row["domain"]) == variant.half]
    truth = _write_lines(root / "labels.jsonl", known)
    shared = share_first_iteration(work, root, variant)
    stage_held_out(root, recipe)
    rows: list[dict[str, Any]] = []
    for k in range(1, recipe.iteration.max_iterations + 1):
        before = cpu_seconds()
        run_iteration(root, k, recipe, labels=label_file, workers=1)
        spent = cpu_seconds() - before + (shared if k == 1 else 0.0)
        rows.append({"iteration": k, **figures(root, k, truth, measure), "cpu_seconds": spent})
        print(f"{variant.name}: {rows[-1]}", file=sys.stderr, flush=True)
        if has_converged(root, k, recipe.iteration):
            break
    result = {"changed": variant.changed, "overrides": list(variant.overrides), "iterations": rows,
              "has_converged": has_converged(root, len(rows), recipe.iteration)}  # fmt: skip
    done.write_text(json.dumps(result, indent=1))
    return result


def share_first_iteration(work: Path, root: Path, variant: Variant) -> float:
    """Take the first iteration from the variant that has everything on where its classifier is the same.

    Keys decide: stages that differ are made again. Returns the CPU seconds that were saved.
    """
    finished = work / "everything_on" / "figures.json"
    changes_classifier = any(override.startswith(("seeds.", "classifier.")) for override in variant.overrides)
    if variant.texts or variant.half is not None or changes_classifier or not finished.exists():
        return 0.0
    shutil.copytree(finished.parent / "iteration_1", root / "iteration_1")
    return json.loads(finished.read_text())["iterations"][0]["cpu_seconds"]


def figures(root: Path, k: int, truth: str, measure: ModuleType) -> dict[str, Any]:
    """Ranking, convergence and held-out figures of one iteration."""
    scores = iteration_folder(root, k, "scores")
    found = measure.ranking(argparse.Namespace(scores=str(scores), labels=truth))
    languages = found["average_precision_by_language"]
    collected = storage.read_manifest(iteration_folder(root, k, "collected"))
    classifier = storage.read_manifest(iteration_folder(root, k, "classifier"))
    seed_set = storage.read_manifest(iteration_folder(root, k, "seed_set"))
    return {
        "average_precision": found["average_precision"],
        "average_precision_en": languages.get("en"),
        "average_precision_zh": languages.get("zh"),
        "recall_at_precision_0.90": found["recall_at_precision_0.90"],
        "math_pages": found["math_pages"],
        "pages_collected": collected.num_rows,
        "already_collected_pages_share": collected.counts["already_collected_pages_share"] if k > 1 else None,
        "num_joined": seed_set.counts["num_joined"],
        "held_out": classifier.counts["held_out"],
    }


def _write_lines(path: Path, rows: Iterable[dict[str, Any]]) -> str:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return str(path)


def load_measure(path: Path) -> ModuleType:
    """The measuring script as a module."""
    specification = importlib.util.spec_from_file_location("measure", path)
    assert specification and specification.loader
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


# tables ---------------------------------------------------------------------------------------------------------------


def variants_table(results: dict[str, dict]) -> str:
    """One row a variant: average precision first -> last (all, English, Chinese), recall, convergence, cost."""
    columns = ["variant", "AP, all", "English", "Chinese", "recall at precision 0.90", "iterations", "pages collected before", "CPU-s"]  # fmt: skip  # noqa: E501
    rows = []
    for name, result in results.items():
        first, last = result["iterations"][0], result["iterations"][-1]

        def both(key: str, first: dict = first, last: dict = last) -> str:
            return f"{_figure(first[key])} → {_figure(last[key])}"

        share = last["already_collected_pages_share"]
        rows.append([
            name, both("average_precision"), both("average_precision_en"), both("average_precision_zh"),
            both("recall_at_precision_0.90"), len(result["iterations"]),
            "–" if share is None else f"{share:.1%}", f"{sum(r['cpu_seconds'] for r in result['iterations']):.0f}",
        ])  # fmt: skip
    return markdown_table(columns, rows)


def _figure(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def main(argv: Sequence[str] | None = None) -> None:
    """Run the variants, print the table, write benchmarks/results/corpus_loop.json."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=real_data())
    parser.add_argument("--measure", type=Path, help="script with the function `ranking`")
    parser.add_argument("--work", type=Path, help="folder that keeps finished stages (default: a temporary one)")
    parser.add_argument("--only", nargs="+", choices=[variant.name for variant in VARIANTS], metavar="NAME")
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder of the result file")
    options = parser.parse_args(argv)
    if options.data is None or not (options.data / "crawl" / "labels.jsonl.gz").exists():
        parser.error(f"no crawl/labels.jsonl.gz in {options.data}: set DSMATH_REAL_DATA or give --data")
    script = options.measure or options.data / ".." / "tools" / "measure.py"
    if not script.exists():
        parser.error(f"no measuring script {script}: give --measure")
    measure = load_measure(script)
    labels = list(measure.lines(str(options.data / "crawl" / "labels.jsonl.gz")))
    with tempfile.TemporaryDirectory() as scratch:
        work = options.work or Path(scratch)
        prepare(options.data, work / "base")
        chosen = [variant for variant in VARIANTS if not options.only or variant.name in options.only]
        results = {variant.name: run_variant(variant, work / "base", work, labels, measure) for variant in chosen}
    print(f"\n{variants_table(results)}")
    write_result(options.out, "corpus_loop", {"variants": {"preset": PRESET, "by_variant": results}})


if __name__ == "__main__":
    main()
