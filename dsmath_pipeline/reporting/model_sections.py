"""The report's chapters on the models: training curves, RL, accuracy beside the paper's, solved problems."""

from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from .. import storage
from ..storage import Folder
from . import plots
from .evaluation_tables import Evaluation, breakdowns, curves, read_evaluations
from .paper_results import BASE, GREEDY, INSTRUCT_AND_RL, NOT_COMPARABLE, TABLES
from .parts import details, escape, excerpt, figure, guarded, manifest_of, missing, paragraph, section, subtitle
from .tables import MODEL_NAMES, Row, accuracy_table, html_table

_STAGES = {
    "base": ("Pretraining", "from the corpus to the base model (section 2.3)"),
    "sft": ("Supervised fine-tuning", "on problems with solutions (section 3)"),
    "reward": ("Reward model", "on graded solutions of the base model (section 4)"),
    "rl": ("Reinforcement learning", "from the SFT model (section 4)"),
}
PROBLEMS_PAGE = "problems.html"
"""Lies beside the report."""
_HIDDEN_COUNTS = frozenset(["seconds", "by_benchmark", "by_language"])


def training_section(root: Folder) -> str:
    """Tokenizer and tokens, then the curves of every model."""
    parts = [_tokens(root)]
    for model, (title, what) in _STAGES.items():
        parts.append(subtitle(f"{title}: {what}"))
        manifest = manifest_of(root, "models", model)
        if manifest is None:
            parts.append(missing(title))
            continue
        figures = {name: value for name, value in manifest.counts.items() if _is_plain(name, value)}
        parts.append(html_table([figures]) if figures else "")
        parts += [paragraph(f"Sign of collapse: {sign}", "note") for sign in manifest.counts.get("collapse_signs", ())]
        parts.append(guarded(f"The metrics of {title}", lambda m=model, t=title: _curves(root, m, t)))
    return section("training", "Training", *parts)


def _is_plain(name: str, value: Any) -> bool:
    return name not in _HIDDEN_COUNTS and (isinstance(value, (int, float)) or name == "method")


def _tokens(root: Folder) -> str:
    manifest = manifest_of(root, "tokens")
    if manifest is None:
        return missing("The packed training data")
    rows = [{"figure": name.replace("_", " "), "value": value} for name, value in manifest.counts.items()]
    plain = [row for row in rows if isinstance(row["value"], (int, float, str))]
    return details("Tokens for pretraining", html_table(plain))


def _curves(root: Folder, model: str, title: str) -> str:
    table = storage.read_table(root / "models" / model / "metrics.parquet")
    columns = {name: table[name].to_pylist() for name in table.column_names}
    if "reward" in columns:
        caption = "Light: every exploration stage. Strong: running mean. KL is the paper's unbiased estimate."
        return figure(plots.rl_curves(columns), caption)
    rates = columns.get("learning_rate")
    svg = plots.loss_curve(title, columns["step"], columns["loss"], rates, "example" if model == "reward" else "token")
    shown = figure(svg, "Light: every optimizer step. Strong: running mean.")
    measured = root / "models" / model / "held_out.parquet"
    if measured.exists():
        held_out = storage.read_table(measured).to_pylist()
        shown += figure(plots.pretraining_figure(columns, held_out), "Held-out documents were never trained on.")
    return shown


def evaluation_section(root: Folder) -> str:
    """Accuracy of base, SFT and RL model beside the paper's, and some problems with what the models wrote."""
    rows = accuracy_table(root)
    if not rows:
        return section("evaluation", "Evaluation", missing("The evaluation"), _paper_tables())
    parts = [subtitle("This run"), html_table(rows), _meaning(rows)]
    for benchmark in dict.fromkeys(row["benchmark"] for row in rows):
        some = [row for row in rows if row["benchmark"] == benchmark]
        parts.append(
            figure(plots.k_bars(some), f"Benchmark: {benchmark}. Compare the shape with figure 7 of the paper.")
        )
    evaluations = run_evaluations(root)
    parts.append(guarded("The curves and breakdowns", lambda: curves(evaluations) + breakdowns(evaluations)))
    parts.append(f'<p><a href="{PROBLEMS_PAGE}">Every problem with what the models wrote and how it was graded</a></p>')
    parts += [subtitle("The paper's models beside it"), html_table(_beside(rows)), paragraph(NOT_COMPARABLE, "note")]
    parts.append(guarded("The sample problems", lambda: sample_problems(root)))
    parts.append(_paper_tables())
    return section("evaluation", "Evaluation", *parts)


def run_evaluations(root: Folder) -> list[Evaluation]:
    """The finished evaluations of a run's models, in the order of training."""
    folders = [root / "evaluation" / model for model in MODEL_NAMES]
    return read_evaluations([path for path in folders if manifest_of(root, "evaluation", path.name) is not None])


def _meaning(rows: Sequence[Row]) -> str:
    k = next((row["k"] for row in rows if row["k"]), "K")
    return paragraph(
        f"Greedy: one completion at temperature 0. Maj@{k}: the most frequent of {k} sampled answers is right; a "
        f"missing answer does not vote. Pass@{k}: at least one of {k} samples is right. Chance: accuracy of guessing.",
        "soft",
    )


def _beside(rows: Sequence[Row]) -> list[Row]:
    """Greedy accuracy by stage: this run's benchmarks, then the paper's."""
    benchmarks = list(dict.fromkeys(row["benchmark"] for row in rows))
    table = []
    for model, name in MODEL_NAMES.items():
        row: Row = {"model": name}
        for benchmark in benchmarks:
            found = [r["greedy"] for r in rows if r["model"] == name and r["benchmark"] == benchmark]
            row[f"this run, {benchmark}, %"] = round(100 * found[0], 1) if found and found[0] is not None else None
        table.append(row | {f"paper, {benchmark}, %": value for benchmark, value in GREEDY[model].items()})
    return table


def _paper_tables() -> str:
    body = "".join(
        html_table(table.rows, f"{table.title} ({table.source})")
        + (paragraph(table.note, "soft") if table.note else "")
        for table in TABLES
    )
    text = "Accuracies in percent, from arXiv 2402.03300. Used above: "
    text += f"{BASE.source} for the base model, {INSTRUCT_AND_RL.source} for SFT and RL."
    return details("The paper's published results", paragraph(text, "soft") + body)


def sample_problems(root: Folder, count: int = 6) -> str:
    """Some problems with the greedy completion, answer and grade of every model."""
    answers: dict[str, dict[str, dict[str, Any]]] = {}
    for model, name in MODEL_NAMES.items():
        path = root / "evaluation" / model / "results.parquet"
        if manifest_of(root, "evaluation", model) is None or not path.exists():
            continue
        for row in _greedy(storage.read_table(path)):
            answers.setdefault(row["problem"], {}).setdefault(name, row)
    chosen = _interesting(answers, count)
    if not chosen:
        return missing("The completions")
    return subtitle("Some problems and what the models wrote") + "".join(
        _problem_block(problem, answers[problem]) for problem in chosen
    )


def _greedy(table: pa.Table) -> list[dict[str, Any]]:
    names = ("problem", "reference", "completion", "answer", "grade", "verdict", "decoding")
    rows = table.select([name for name in names if name in table.column_names]).to_pylist()
    return [row for row in rows if row.get("decoding", "greedy") == "greedy"]


def _interesting(answers: Mapping[str, Mapping[str, Mapping[str, Any]]], count: int) -> list[str]:
    """Problems of different outcomes in turn: learnt, lost, always wrong, always right; in the order of the results."""
    kinds: dict[tuple[bool, ...], list[str]] = {}
    for problem, by_model in answers.items():
        kinds.setdefault(tuple(bool(row["grade"]) for row in by_model.values()), []).append(problem)
    ordered = sorted(kinds.values(), key=len, reverse=True)
    chosen: list[str] = []
    for place in range(count):
        chosen += [group[place] for group in ordered if place < len(group)]
    return chosen[:count]


def _problem_block(problem: str, by_model: Mapping[str, Mapping[str, Any]]) -> str:
    reference = next((row["reference"] for row in by_model.values() if row.get("reference")), None)
    head = f"<div><b>{escape(problem)}</b></div>"
    head += f'<div class="soft">Right answer: {escape(reference)}</div>' if reference is not None else ""
    cells = "".join(
        f"<div>{_verdict(name, row)}{excerpt(row['completion'].strip())}</div>" for name, row in by_model.items()
    )
    return f'<div class="problem">{head}<div class="answers">{cells}</div></div>\n'


def _verdict(name: str, row: Mapping[str, Any]) -> str:
    word, kind = ("right", "right") if row["grade"] else (str(row.get("verdict", "wrong")).replace("_", " "), "wrong")
    answer = f"answer {escape(row['answer'])}" if row.get("answer") else ""
    return f'{escape(name)}: <span class="grade {kind}">{escape(word)}</span> <span class="soft">{answer}</span>'
