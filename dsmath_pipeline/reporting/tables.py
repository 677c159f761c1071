"""Tables of a run: what each iteration collected, how accurate each model is; and rows as Markdown, HTML or rich.

Rows are plain dictionaries with the same keys. Shares and accuracies are 0-1 in the rows; columns whose name says so
(`*_share`, precision, recall, greedy, *_at_k, ...) are printed in percent.
"""

import html
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from .. import storage
from ..storage import ArtifactError, Folder

if TYPE_CHECKING:
    pass

Row = dict[str, Any]

_PERCENT = frozenset(["precision", "recall", "greedy", "maj_at_k", "pass_at_k", "chance", "share"])
MODEL_NAMES = {"base": "base", "sft": "SFT", "rl": "RL"}


def iterations_table(root: Folder, truth: Folder | None) -> list[Row]:
    """One row for each finished iteration of the run, in order.

    `already_collected_*_share` is the share of this iteration's pages / tokens that the one before had (None for the
    first). `is_carried_forward`: the loop had converged and this iteration repeats the one before.

    With a truth (Parquet with url, is_math: a file, or a folder that holds it) `precision` is the share of mathematics
    among the collected pages whose URL the truth knows, `recall` the share of the mathematics among the unique
    documents that was collected. These columns are left out when `truth` is None or does not exist.
    """
    known = _truth(truth)
    candidates = _unique_math_urls(root, known) if known is not None else None
    rows: list[Row] = []
    before: pa.Table | None = None
    for number in iterations(root):
        path = root / f"iteration_{number}"
        if not (path / "collected" / storage.MANIFEST).exists():
            continue
        pages = storage.read_table(path / "collected", ["id", "url", "num_tokens"])
        row: Row = {
            "iteration": number,
            "num_pages": pages.num_rows,
            "num_tokens": pc.sum(pages["num_tokens"]).as_py() or 0,
            "already_collected_pages_share": None,
            "already_collected_tokens_share": None,
            "num_math_domains": _count_true(path / "domains", "is_math"),
            "num_math_prefixes": _count_equal(path / "annotations", "label", "math"),
            "is_carried_forward": bool(storage.read_manifest(path / "collected").counts.get("carried_forward")),
        }
        if before is not None and pages.num_rows:
            old = pages.filter(pc.is_in(pages["id"], value_set=before["id"].combine_chunks()))
            row["already_collected_pages_share"] = old.num_rows / pages.num_rows
            row["already_collected_tokens_share"] = (pc.sum(old["num_tokens"]).as_py() or 0) / max(row["num_tokens"], 1)
        if known is not None and candidates is not None:
            row |= _precision_and_recall(set(pages["url"].to_pylist()), known, candidates)
        rows.append(row)
        before = pages
    return rows


def held_out_table(root: Folder) -> list[Row]:
    """The held-out figures of every iteration that trained a classifier, by set and language (held_out_figures.py)."""
    rows: list[Row] = []
    for number in iterations(root):
        path = root / f"iteration_{number}" / "classifier"
        if not (path / storage.MANIFEST).exists():
            continue
        counts = storage.read_manifest(path).counts
        if not counts.get("carried_forward"):
            rows += [{"iteration": number, **row} for row in counts.get("held_out", ())]
    return rows


def iterations(root: Folder) -> list[int]:
    """Numbers of the iterations that have a folder, ascending."""
    names = [path.name.removeprefix("iteration_") for path in root.glob("iteration_*")]
    return sorted(int(name) for name in names if name.isdigit())


def _truth(truth: Folder | None) -> dict[str, bool] | None:
    if truth is None or not truth.exists():
        return None
    table = storage.read_table(truth, ["url", "is_math"])
    return dict(zip(table["url"].to_pylist(), table["is_math"].to_pylist(), strict=True))


def _unique_math_urls(root: Folder, known: Mapping[str, bool]) -> set[str]:
    """Mathematics pages that the loop could collect: those that survived extraction and dedup."""
    math = {url for url, is_math in known.items() if is_math}
    path = root / "unique_documents"
    if not (path / storage.MANIFEST).exists():
        return math
    return math & set(storage.read_table(path, ["url"])["url"].to_pylist())


def _precision_and_recall(urls: set[str], known: Mapping[str, bool], candidates: set[str]) -> Row:
    judged = [known[url] for url in urls if url in known]
    return {
        "precision": sum(judged) / len(judged) if judged else None,
        "recall": len(urls & candidates) / len(candidates) if candidates else None,
    }


def _count_true(path: Folder, column: str) -> int | None:
    if not (path / storage.MANIFEST).exists():
        return None
    return pc.sum(pc.cast(storage.read_table(path, [column])[column], pa.int64())).as_py() or 0


def _count_equal(path: Folder, column: str, value: str) -> int | None:
    if not (path / storage.MANIFEST).exists():
        return None
    return storage.read_table(path, [column])[column].to_pylist().count(value)


def accuracy_table(root: Folder) -> list[Row]:
    """One row for each evaluated model and benchmark, in the order base, SFT, RL.

    Accuracies 0-1; `maj_at_k` and `pass_at_k` are None when nothing was sampled.
    """
    rows: list[Row] = []
    for model, name in MODEL_NAMES.items():
        try:
            counts = storage.read_manifest(root / "evaluation" / model).counts
        except ArtifactError:
            continue
        for benchmark, figures in (counts.get("by_benchmark") or {"all": counts}).items():
            rows.append(
                {
                    "model": name,
                    "benchmark": benchmark.replace("_", " "),
                    "num_problems": figures.get("num_problems"),
                    "greedy": figures.get("greedy"),
                    "maj_at_k": figures.get("maj_at_k"),
                    "pass_at_k": figures.get("pass_at_k"),
                    "k": figures.get("k"),
                    "no_answer_share": figures.get("no_answer_share"),
                    "chance": figures.get("chance"),
                }
            )
    return rows


def format_cell(column: str, value: Any) -> str:
    """A value as text: thousands separated, shares in percent, None as a dash."""
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        if column in _PERCENT or column.endswith("_share"):
            return f"{value:.1%}"
        if column.endswith("%"):
            return f"{value:.1f}"
        return f"{value:,.1f}" if abs(value) >= 10 or value == round(value, 1) else f"{value:.4g}"
    return str(value)


def heading(column: str) -> str:
    """The name of a column for people: `num_pages` is "pages", `maj_at_k` is "Maj@K"."""
    special = {"maj_at_k": "Maj@K", "pass_at_k": "Pass@K", "k": "K", "id": "id", "url": "URL"}
    special["already_collected_pages_share"] = "pages collected before"
    special["already_collected_tokens_share"] = "tokens collected before"
    if column in special:
        return special[column]
    text = column.removeprefix("num_").removeprefix("is_").removesuffix("_share").replace("_", " ")
    return text + ", share" if column.endswith("_share") else text


def is_numeric(rows: Sequence[Mapping[str, Any]], column: str) -> bool:
    """Are all values of the column numbers or missing, and one a number?"""
    values = [row.get(column) for row in rows]
    plain = [v for v in values if v is not None]
    return bool(plain) and all(isinstance(v, (int, float)) and not isinstance(v, bool) for v in plain)


def markdown_table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Rows as a Markdown table; empty without rows. Cell text cannot break out of its cell."""
    if not rows:
        return ""
    columns = list(rows[0])
    lines = [
        "| " + " | ".join(_markdown_cell(heading(column)) for column in columns) + " |",
        "|" + "|".join("--:" if is_numeric(rows, column) else "---" for column in columns) + "|",
    ]
    for row in rows:
        lines.append("| " + " | ".join(_markdown_cell(format_cell(c, row.get(c))) for c in columns) + " |")
    return "\n".join(lines)


def _markdown_cell(text: str) -> str:
    return html.escape(text, quote=False).replace("|", "\\|").replace("\n", " ")


def html_table(rows: Sequence[Mapping[str, Any]], caption: str = "") -> str:
    """Rows as an HTML table, everything escaped; empty without rows."""
    if not rows:
        return ""
    columns = list(rows[0])
    kinds = {column: ' class="number"' if is_numeric(rows, column) else "" for column in columns}
    head = "".join(f"<th{kinds[column]}>{html.escape(heading(column))}</th>" for column in columns)
    body = "".join(
        "<tr>"
        + "".join(f"<td{kinds[column]}>{html.escape(format_cell(column, row.get(column)))}</td>" for column in columns)
        + "</tr>\n"
        for row in rows
    )
    title = f"<caption>{html.escape(caption)}</caption>" if caption else ""
    return f'<div class="scroll"><table>{title}<thead><tr>{head}</tr></thead>\n<tbody>{body}</tbody></table></div>\n'
