"""Labels as JSON lines: the file that the pipeline reads, and that moves labels between label files.

Export writes one row per settled prefix, sorted: `url_prefix, label, annotator, note`, which
`corpus.annotation.read_label_file` reads, and beside them `when, crawl, iteration, is_open` and, so that nothing is
lost, `votes` and `resolution` with the same fields for each person. Import reads such rows, and plain ones as well.
"""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .. import storage
from ..corpus.annotation import AUTO, read_label_file
from ..corpus.urls import normal_prefix
from ..storage import Folder
from .label_store import Event, LabelStore, LabelStoreError, annotator_name, now
from .votes import Settled, Votes


@dataclass(frozen=True)
class Imported:
    """What an import did: events written, and rows of the rule `auto` or votes that were known or older."""

    num_added: int
    num_known: int
    num_auto: int


def export_rows(votes: Votes) -> Iterator[dict[str, Any]]:
    """The rows of the label file, one per prefix that somebody labels, sorted by prefix."""
    for prefix in votes.prefixes():
        if settled := votes.settled(prefix):
            yield _row(prefix, settled, list(votes.votes(prefix).values()))


def export_bytes(votes: Votes) -> bytes:
    """The whole label file."""
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in export_rows(votes)).encode()


def export_labels(database: Path, jsonl: Folder, *, until_round: int | None = None) -> int:
    """Write the label file and return its number of rows.

    With `until_round` only what was labelled before that round was finished counts, so that the file of a finished
    round never changes. Raises LabelStoreError when the label file or the round does not exist.
    """
    if not database.exists():
        raise LabelStoreError(f"the label file {database} does not exist; label something first, or import labels")
    store = LabelStore(database)
    last = None
    if until_round is not None:
        ends = {done.round: done.last_event for done in store.finished_rounds()}
        if until_round not in ends:
            raise LabelStoreError(f"round {until_round} of {database} is not finished")
        last = ends[until_round]
    data = export_bytes(Votes(store.events(until=last)))
    storage.write_bytes(jsonl, data)
    return data.count(b"\n")


def import_labels(database: Path, jsonl: Folder, *, iteration: int = 0, crawl: str = "") -> Imported:
    """Add the labels of a JSONL file to a label file, in one transaction; doing it again adds nothing.

    A vote that is older than what the same person says in the label file is left out. `iteration` and `crawl` stand in
    for rows that do not carry their own. Raises AnnotationError for a file that the pipeline could not read either,
    and LabelStoreError for names that cannot be used.
    """
    store = LabelStore(database)
    plain = read_label_file(jsonl, iteration)  # raises with file and line
    lines = [json.loads(line) for line in jsonl.read_bytes().splitlines() if line.strip()]
    kept = [row for row, label in zip(lines, plain, strict=True) if label.annotator != AUTO]
    events = [event for row in kept for event in _events_of(row, iteration, crawl)]
    known = Votes(store.events())
    seen = {_identity(event) for prefix in known.prefixes() for event in known.history(prefix)}
    new = [event for event in sorted(events, key=lambda e: e.at) if _is_new(event, known, seen)]
    before = known.number
    written = store.add_all([_with_id(event) for event in new])
    num_added = sum(event.number > before for event in written)
    return Imported(num_added, len(events) - num_added, len(lines) - len(kept))


def _row(prefix: str, settled: Settled, votes: list[Event]) -> dict[str, Any]:
    newest = settled.resolution or max(votes, key=lambda vote: vote.number)
    if settled.resolution or len(votes) == 1:
        annotator, note = newest.annotator, newest.note
    else:
        annotator = ", ".join(vote.annotator for vote in votes)
        note = "; ".join(f"{vote.annotator}: {vote.note}" for vote in votes if vote.note)
    if settled.is_open:
        note = "people disagree: " + "; ".join(f"{vote.annotator} {vote.label}" for vote in votes)
    row = {
        "url_prefix": prefix, "label": settled.label, "annotator": annotator, "note": note, "when": newest.at,
        "crawl": newest.crawl, "iteration": newest.iteration, "is_open": settled.is_open,
        "votes": [_vote(vote) for vote in votes],
    }  # fmt: skip
    return row | ({"resolution": _vote(settled.resolution)} if settled.resolution else {})


def _vote(event: Event) -> dict[str, Any]:
    return {"annotator": event.annotator, "label": event.label, "note": event.note, "when": event.at,
            "crawl": event.crawl, "iteration": event.iteration}  # fmt: skip


def _events_of(row: dict[str, Any], iteration: int, crawl: str) -> Iterator[Event]:
    """The events of a row: its votes and resolution, or the row itself when it has none."""
    prefix = normal_prefix(row["url_prefix"])
    parts = [("label", part) for part in row.get("votes") or [row]]
    if row.get("resolution"):
        parts.append(("resolve", row["resolution"]))
    for kind, part in parts:
        if not isinstance(part, dict):
            raise LabelStoreError(f"{prefix}: expected an object for each vote, not {part!r}")
        number = part.get("iteration", iteration)
        if not isinstance(number, int):
            raise LabelStoreError(f"{prefix}: iteration {number!r} is not a whole number")
        name = annotator_name(str(part.get("annotator", "")).replace(",", " and"))
        yield Event("", kind, prefix, str(part.get("label", "")), name, str(part.get("note") or ""),
                    str(part.get("when") or ""), str(part.get("crawl") or crawl), number)  # fmt: skip


def _is_new(event: Event, known: Votes, seen: set[tuple]) -> bool:
    if _identity(event) in seen:
        return False
    if event.kind == "label" and event.at:
        vote = known.votes(event.url_prefix).get(event.annotator)
        return vote is None or vote.at < event.at
    return True


def _identity(event: Event) -> tuple:
    return event.kind, event.url_prefix, event.annotator, event.label, event.note, event.at


def _with_id(event: Event) -> Event:
    """The event with an id made of its content, and a time."""
    identity = json.dumps([*_identity(event), event.iteration], ensure_ascii=False)
    digest = hashlib.blake2b(identity.encode(), digest_size=16).hexdigest()
    return Event(f"import-{digest}", event.kind, event.url_prefix, event.label, event.annotator, event.note,
                 event.at or now(), event.crawl, event.iteration)  # fmt: skip
