"""Small pieces of HTML that the sections of the report are made of. Every text that comes from data is escaped here."""

import html
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from .. import storage
from ..storage import ArtifactError, Folder, Manifest
from .tables import html_table

EXCERPT_CHARS = 400


def escape(text: object) -> str:
    return html.escape(str(text))


def paragraph(text: str, kind: str = "") -> str:
    """A paragraph of plain text; `kind` is a CSS class."""
    attribute = f' class="{kind}"' if kind else ""
    return f"<p{attribute}>{escape(text)}</p>\n"


def missing(what: str, why: str = "was not made in this run") -> str:
    """The sentence that stands where a part is left out."""
    return paragraph(f"{what} {why}; this part of the report is left out.", "missing")


def section(anchor: str, title: str, *parts: str) -> str:
    return f'<section id="{escape(anchor)}"><h2>{escape(title)}</h2>\n{"".join(parts)}</section>\n'


def subtitle(text: str) -> str:
    return f"<h3>{escape(text)}</h3>\n"


def details(summary: str, body: str) -> str:
    """Something that opens on a click."""
    return f"<details><summary>{escape(summary)}</summary>\n{body}</details>\n"


def figure(svg: str, caption: str) -> str:
    """An SVG drawn by this project (never text from data) with its caption."""
    return f"<figure>{svg}<figcaption>{escape(caption)}</figcaption></figure>\n"


def side_by_side(*parts: str) -> str:
    return '<div class="columns">' + "".join(f"<div>{part}</div>" for part in parts if part) + "</div>\n"


def counts_table(what: str, counts: Mapping[str, Any], unit: str, caption: str = "") -> str:
    """A table of names and numbers, largest first, with shares."""
    total = sum(counts.values()) or 1
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    rows = [{what: name.replace("_", " "), unit: n, "share": n / total} for name, n in ordered]
    return html_table(rows, caption)


def excerpt(text: object) -> str:
    """The beginning of a text from data, in a box."""
    plain = str(text or "")
    short = plain if len(plain) <= EXCERPT_CHARS else plain[:EXCERPT_CHARS] + " ..."
    return f"<pre>{escape(short)}</pre>"


def manifest_of(root: Folder, *names: str) -> Manifest | None:
    """The manifest of an artifact of the run, None when it is missing or unfinished."""
    try:
        return storage.read_manifest(root.joinpath(*names))
    except ArtifactError:
        return None


def dropped_sample(path: Folder) -> list[dict[str, Any]]:
    """Rows of the stored sample of what an artifact dropped (`dropped/*.jsonl` or `dropped/*.parquet`)."""
    folder = path / "dropped"
    rows: list[dict[str, Any]] = []
    for file in sorted(folder.glob("*.jsonl"), key=lambda p: p.name):
        rows += [json.loads(line) for line in file.read_text(encoding="utf-8").split("\n") if line.strip()]
    if folder.exists() and storage.parquet_files(folder):
        rows += storage.read_table(folder).to_pylist()
    return rows


def dropped_block(rows: Sequence[Mapping[str, Any]], each: int = 3) -> str:
    """Some dropped pages of every reason, folded."""
    parts = []
    for reason in sorted({row["drop_reason"] for row in rows}):
        some = [row for row in rows if row["drop_reason"] == reason][:each]
        body = "".join(
            f'<p class="url">{escape(row.get("url", ""))}{_why(row)}</p>{excerpt(row.get("text", ""))}' for row in some
        )
        parts.append(details(f"Examples of what was dropped: {str(reason).replace('_', ' ')}", body))
    return "".join(parts)


def _why(row: Mapping[str, Any]) -> str:
    if row.get("items"):
        return f' <span class="soft">holds {escape(", ".join(row["items"][:3]))}</span>'
    if row.get("kept_id"):
        return f' <span class="soft">page {escape(row["kept_id"])} was kept instead</span>'
    return ""


def guarded(what: str, make: Callable[[], str]) -> str:
    """`make()`, or a sentence naming the problem when an artifact of the run cannot be read."""
    try:
        return make()
    except (ArtifactError, KeyError, OSError, ValueError) as error:
        return missing(what, f"could not be read ({type(error).__name__}: {error})")
