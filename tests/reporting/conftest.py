"""A made-up but realistic run: folders and manifests as the pipeline writes them."""

import json
import math
import random
import shutil
from pathlib import Path

import pyarrow as pa
import pytest

from dsmath_pipeline import storage
from dsmath_pipeline.recipe.presets import load_recipe
from dsmath_pipeline.records import CORPUS_SCHEMA, SCORE_SCHEMA

RECIPE = load_recipe("demo")
HOSTILE = "<script>alert('x')</script> & \"quotes\" </pre>"


def write(path, name, settings, table=None, counts=None, file="part-00000.parquet", inputs=None):
    with storage.stage(path, name, "1", settings, inputs or {"made": "up"}) as run:
        if table is not None:
            run.artifact.write_table(file, table)
        run.artifact.counts |= counts or {}
    return path


def write_crawl(root):
    """300 pages p0 ... p299; the first 90 are mathematics, p280 ... p299 are repetitions."""
    rng = random.Random(0)
    urls = [f"https://{'forum' if i < 90 else 'news'}{i % 7}.example.org/page/{i}" for i in range(300)]
    languages = ["zh" if i % 5 == 0 else "en" for i in range(300)]
    counts = {
        "num_files": 4, "num_records": 360, "num_pages": 330, "lost": 2, "num_formulas": 1234,
        "skipped": {"not_html": 18, "http_status": 10}, "dropped": {"empty_text": 25, "too_large": 5},
        "rules": {"katex_annotation": 800, "mathml": 300, "tex_in_text": 134},
    }  # fmt: skip
    documents = pa.table({"id": [f"p{i}" for i in range(300)], "url": urls, "language": languages})
    write(root / "documents", "documents", RECIPE.extract, documents, counts)
    unique = documents.slice(0, 280)
    path = root / "unique_documents"
    with storage.stage(path, "unique_documents", "1", RECIPE.dedup, {"documents": root / "documents"}) as run:
        run.artifact.write_table("part-00000.parquet", unique)
        run.artifact.counts |= {
            "num_read": 300, "num_kept": 280, "dropped": {"too_short": 0, "duplicate_url": 12, "duplicate_text": 8},
        }  # fmt: skip
        rows = [
            {"id": "p281", "url": "https://news1.example.org/?a=<b>", "drop_reason": "duplicate_url", "kept_id": "p3",
             "text": HOSTILE},
            {"id": "p290", "url": "https://news2.example.org/", "drop_reason": "duplicate_text", "kept_id": "p4",
             "text": "The same text again. " * 40},
        ]  # fmt: skip
        storage.write_bytes(path / "dropped" / "sample.jsonl", "\n".join(map(json.dumps, rows)).encode())
    return urls, rng


def write_iterations(root, urls, rng):
    """Iteration 1 collects p0-p79 and p100-p109, iteration 2 p0-p89 and p100-p104."""
    for number, chosen in ((1, [*range(80), *range(100, 110)]), (2, [*range(90), *range(100, 105)])):
        base = root / f"iteration_{number}"
        logits = [rng.gauss(3, 1.5) if i in set(chosen) else rng.gauss(-3, 1.5) for i in range(280)]
        scores = pa.table(
            {
                "id": [f"p{i}" for i in range(280)], "url": urls[:280], "domain": [u.split("/")[2] for u in urls[:280]],
                "num_tokens": [100 + i for i in range(280)], "logit": logits,
                "score": [1 / (1 + math.exp(-x)) for x in logits],
            },
            schema=SCORE_SCHEMA,
        )  # fmt: skip
        write(base / "seed_set", "seed_set", RECIPE.seeds, None, {"num_positives": 400 * number, "num_negatives": 400})
        held_out = [
            {"held_out": "seed and crawl", "language": "all", "num_texts": 50, "num_math": 20, "precision": 0.8,
             "recall": 0.7 + number / 10, "average_precision": 0.9, "called_math_share": 0.15},
            {"held_out": "judged", "language": "zh", "num_texts": 7, "num_math": 0, "precision": None, "recall": None,
             "average_precision": None, "called_math_share": 0.25},
        ]  # fmt: skip
        write(base / "classifier", "classifier", RECIPE.classifier, None, {"held_out": held_out})
        write(base / "scores", "scores", RECIPE.classifier, scores)
        write(base / "collected", "collected", RECIPE.ranking, scores.take(chosen))
        domains = [
            {"domain": f"forum{i}.example.org", "num_pages": 13, "num_collected": 12, "collected_share": 12 / 13,
             "is_math": True}
            for i in range(7)
        ] + [
            {"domain": f"news{i}.example.org", "num_pages": 30, "num_collected": 1, "collected_share": 1 / 30,
             "is_math": False}
            for i in range(7)
        ]  # fmt: skip
        write(base / "domains", "domains", RECIPE.domains, pa.Table.from_pylist(domains))
        labels = [
            {"url_prefix": f"forum{i}.example.org/page", "label": "math" if i < 5 else "unsure", "annotator": "auto"}
            for i in range(6)
        ]
        write(base / "annotations", "annotations", RECIPE.annotation, pa.Table.from_pylist(labels))


def write_corpus(root, urls):
    report = {
        "is_decontaminated": True, "benchmarks": {"num_texts": 1000, "num_items": 500}, "num_segments_dropped": 7,
        "num_documents_cut": 5, "num_documents_dropped": 1, "ignored_phrases": [],
        "items": [
            {"item": "word_problems/test:17", "kind": "question", "text": "A farmer ...", "num_pages": 3,
             "found": [{"id": "p3", "url": urls[3], "matched": "a farmer has seventeen cows and sells nine of them on",
                        "segment": "Exercise. A farmer has seventeen cows and sells nine of them on Monday."}]},
        ],
    }  # fmt: skip
    rows = [
        {"id": f"p{i}", "url": urls[i], "domain": "forum.example.org", "title": "", "text": "t", "language": "en",
         "score": 0.9, "collection_iteration": 1 if i < 80 else 2, "num_tokens": 100}
        for i in range(90)
    ]  # fmt: skip
    settings = {"dedup": RECIPE.dedup.model_dump(), "decontamination": RECIPE.decontamination.model_dump()}
    with storage.stage(root / "math_corpus", "math_corpus", "1", settings, {"made": "up"}) as run:
        run.artifact.write_table("part-00000.parquet", pa.Table.from_pylist(rows, CORPUS_SCHEMA))
        run.artifact.write_json("contamination/report.json", report)
        run.artifact.counts |= {
            "num_collected": 95, "num_kept": 90, "dropped": {"near_duplicate": 4, "contaminated": 1},
            "num_tokens": 9000, "num_segments_dropped": 7, "num_documents_cut": 5, "num_domains": 7,
            "languages": {"en": {"num_pages": 72, "num_tokens": 7200}, "zh": {"num_pages": 18, "num_tokens": 1800}},
            "iterations": {"1": {"num_pages": 80, "num_tokens": 8000}, "2": {"num_pages": 10, "num_tokens": 1000}},
            "top_domains": {f"forum{i}.example.org": {"num_pages": 13, "num_tokens": 1300} for i in range(7)},
        }  # fmt: skip


def write_models(root):
    rng = random.Random(1)
    for model, num_steps, start in (("base", 1600, 6.2), ("sft", 100, 1.4), ("reward", 120, 0.7)):
        steps = list(range(1, num_steps + 1))
        losses = [0.3 + start * math.exp(-4 * s / num_steps) + rng.gauss(0, 0.06) for s in steps]
        rates = [
            3e-3 * min(1, s / 20) * (1 if s < 0.8 * num_steps else 0.316 if s < 0.9 * num_steps else 0.1) for s in steps
        ]
        table = pa.table({"step": steps, "loss": losses, "learning_rate": rates})
        counts = {"parameters": 119_000, "tokens": 64 * num_steps, "seconds": 100}
        settings = {"base": RECIPE.pretrain, "sft": RECIPE.sft, "reward": RECIPE.reward_model}[model]
        write(root / "models" / model, model, settings, table, counts, file="metrics.parquet")
    steps = list(range(1, 81))
    rl = pa.table(
        {
            "step": steps,
            "reward": [0.4 + 0.5 * (1 - math.exp(-s / 25)) + rng.gauss(0, 0.03) for s in steps],
            "correct_share": [0.38 + 0.5 * (1 - math.exp(-s / 25)) + rng.gauss(0, 0.03) for s in steps],
            "kl": [0.002 * s + abs(rng.gauss(0, 0.005)) for s in steps],
            "completion_tokens": [22 - 0.05 * s + rng.gauss(0, 0.4) for s in steps],
        }
    )
    write(root / "models" / "rl", "rl", RECIPE.rl, rl, {"steps": 80, "last_kl": 0.16}, file="metrics.parquet")


def write_evaluations(root):
    problems = [f"Tom has {i} apples and buys {i + 2} more. How many apples has he now?" for i in range(20)]
    for model, greedy, maj, passed in (("base", 0.05, 0.1, 0.45), ("sft", 0.4, 0.5, 0.9), ("rl", 0.9, 0.95, 0.95)):
        rows = []
        for i, problem in enumerate(problems):
            right = i < 20 * greedy
            answer = str(2 * i + 2) if right else "" if i % 3 == 0 else str(i)
            text = f"Tom has {i} apples.\n{i} + {i + 2} = {answer}\nThe answer is {answer}." if i else HOSTILE
            rows.append(
                {"benchmark": "word_problems", "problem_id": f"w{i}", "problem": problem, "reference": str(2 * i + 2),
                 "decoding": "greedy", "completion": text, "answer": answer, "grade": right,
                 "verdict": "correct" if right else "wrong" if answer else "no_answer"}
            )  # fmt: skip
        figures = {"greedy": greedy, "maj_at_k": maj, "pass_at_k": passed, "k": 8, "num_problems": 20, "chance": 0.0,
                   "no_answer_share": 0.1}  # fmt: skip
        counts = {**figures, "by_benchmark": {"word_problems": figures}}
        path = root / "evaluation" / model
        write(path, "evaluation", RECIPE.evaluation, pa.Table.from_pylist(rows), counts, file="results.parquet")


def write_run(root):
    urls, rng = write_crawl(root)
    write_iterations(root, urls, rng)
    write_corpus(root, urls)
    write(root / "tokens", "tokens", RECIPE.mixture, None, {"tokens": 1_600_000, "sequences": 25_000})
    write_models(root)
    write_evaluations(root)
    truth = pa.table({"url": urls, "is_math": [i < 90 for i in range(300)]})
    storage.write_table(root / "truth" / "truth.parquet", truth)
    return root


@pytest.fixture(scope="session")
def finished_run(tmp_path_factory):
    """Shared: read it only."""
    return write_run(tmp_path_factory.mktemp("finished") / "run")


@pytest.fixture
def run_folder(finished_run, tmp_path):
    """A copy to change."""
    return Path(shutil.copytree(finished_run, tmp_path / "run"))
