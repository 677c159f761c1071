"""The label file: what people decided about URL prefixes, as a history that only grows (section 2.1).

SQLite in WAL mode on a local disk. Nothing is ever changed or deleted in `events` (triggers refuse it): taking
something back adds an event, so every state can be audited and undone. A write is one short transaction that is on disk
before the writer is answered; several processes may write at once.

    events  number, id, kind (label | undo | resolve), url_prefix, label, annotator, note, at, crawl, iteration, seen,
            round, undoes. An empty label withdraws a label; `seen` is the key of the `domains` artifact on the screen.
    rounds  round, iteration, finished_at, finished_by, last_event, num_labels, num_disagreements

What the events mean together is in votes.py.
"""

import contextlib
import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from ..corpus.annotation import AUTO, LABELS

APPLICATION_ID = 0x64736D61
"""Marks the file as ours in SQLite's header ("dsma")."""
SCHEMA_VERSION = 1
BUSY_SECONDS = 15.0
MAX_NAME_CHARS = 40
MAX_NOTE_CHARS = 1000
MAX_PREFIX_CHARS = 2000

_EVENTS = """
CREATE TABLE events (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    kind TEXT NOT NULL CHECK (kind IN ('label', 'undo', 'resolve')),
    url_prefix TEXT NOT NULL,
    label TEXT NOT NULL CHECK (label IN ('', 'math', 'not_math', 'unsure')),
    annotator TEXT NOT NULL,
    note TEXT NOT NULL,
    at TEXT NOT NULL,
    crawl TEXT NOT NULL,
    iteration INTEGER NOT NULL,
    seen TEXT NOT NULL,
    round INTEGER NOT NULL,
    undoes TEXT UNIQUE REFERENCES events (id)
) STRICT
"""
_ROUNDS = """
CREATE TABLE rounds (
    round INTEGER PRIMARY KEY,
    iteration INTEGER NOT NULL,
    finished_at TEXT NOT NULL,
    finished_by TEXT NOT NULL,
    last_event INTEGER NOT NULL,
    num_labels INTEGER NOT NULL,
    num_disagreements INTEGER NOT NULL
) STRICT
"""
_KEEP = """
CREATE TRIGGER {table}_{action} BEFORE {action} ON {table}
BEGIN SELECT raise(ABORT, 'the history is append-only'); END
"""
_COLUMNS = "number, id, kind, url_prefix, label, annotator, note, at, crawl, iteration, seen, round, undoes"
_CURRENT_ROUND = "SELECT coalesce(max(round), 0) + 1 FROM rounds"
_LAST_OF_ANNOTATOR = f"""
SELECT {_COLUMNS} FROM events e
WHERE annotator = ? AND round = ({_CURRENT_ROUND}) AND kind <> 'undo'
      AND NOT EXISTS (SELECT 1 FROM events u WHERE u.undoes = e.id)
ORDER BY number DESC LIMIT 1
"""


class LabelStoreError(ValueError):
    """The label file cannot be used, or what was to be written is refused. The message says why."""


@dataclass(frozen=True, slots=True)
class Event:
    """One row of the history. `number` and `round` are given by the store; `at` too, when it is empty."""

    id: str
    kind: str
    """`label`, `undo` or `resolve`."""
    url_prefix: str
    label: str
    """`math`, `not_math`, `unsure`; empty: the annotator withdraws the label."""
    annotator: str
    note: str = ""
    at: str = ""
    """UTC, ISO 8601 with milliseconds."""
    crawl: str = ""
    iteration: int = 0
    seen: str = ""
    """Key of the `domains` artifact that the annotator saw."""
    round: int = 0
    undoes: str | None = None
    number: int = 0


@dataclass(frozen=True, slots=True)
class FinishedRound:
    """A round that people declared finished: the marker that an orchestrator waits for."""

    round: int
    iteration: int
    finished_at: str
    finished_by: str
    last_event: int
    """Number of the last event that belongs to the round."""
    num_labels: int
    num_disagreements: int
    """Disagreements left open; they count as `unsure`."""


def now() -> str:
    """The current time as events carry it."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def annotator_name(text: str) -> str:
    """A name as it is stored. Raises LabelStoreError for names that are empty, too long, reserved or unprintable."""
    name = " ".join(text.split())
    if not name or len(name) > MAX_NAME_CHARS or not name.isprintable() or "," in name:
        raise LabelStoreError(f"a name has 1 to {MAX_NAME_CHARS} printable characters and no comma")
    if name.casefold() == AUTO:
        raise LabelStoreError(f"the name {AUTO!r} is reserved for the rule-based annotator; choose another")
    return name


class LabelStore:
    """The label file at `path`; made when it does not exist. Every call opens its own connection."""

    def __init__(self, path: Path):
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        with self._connect() as database:
            with _transaction(database):
                _create_or_check(database, path)
            (mode,) = database.execute("PRAGMA journal_mode = WAL").fetchone()
            if mode != "wal":
                raise LabelStoreError(f"{path}: SQLite cannot use a write-ahead log there; give a path on a local disk")

    def add(self, event: Event) -> Event:
        """Write one `label` or `resolve` event; it is on disk on return. The same id twice is written once.

        Raises LabelStoreError for an event that is not well formed, or an id that was used for something else.
        """
        return self.add_all([event])[0]

    def add_all(self, events: Iterable[Event]) -> list[Event]:
        """Write several events in one transaction: all of them or none."""
        checked = [_checked(event) for event in events]
        with self._connect() as database, _transaction(database):
            return [_insert(database, event) for event in checked]

    def undo(self, annotator: str, ident: str) -> Event | None:
        """Take back the annotator's last event of the current round; the undone event, or None when there is none."""
        with self._connect() as database, _transaction(database):
            if known := _find(database, ident):  # the same request again
                return _find(database, known.undoes or "")
            row = database.execute(_LAST_OF_ANNOTATOR, (annotator,)).fetchone()
            if row is None:
                return None
            event = _event(row)
            undo = replace(event, id=ident, kind="undo", note="", at=now(), undoes=event.id, number=0)
            _insert(database, undo)
            return event

    def events(self, after: int = 0, until: int | None = None) -> list[Event]:
        """Events with `after` < number <= `until`, oldest first."""
        last = 2**62 if until is None else until
        query = f"SELECT {_COLUMNS} FROM events WHERE number > ? AND number <= ? ORDER BY number"
        with self._connect() as database:
            return [_event(row) for row in database.execute(query, (after, last))]

    def finish_round(
        self, round_number: int, iteration: int, annotator: str, last_event: int, num_labels: int, num_open: int
    ) -> FinishedRound:
        """Write the marker of a finished round. `last_event` is the last event that its author knew of.

        Raises LabelStoreError when that round is finished already or someone labelled since.
        """
        with self._connect() as database, _transaction(database):
            (current,) = database.execute(_CURRENT_ROUND).fetchone()
            if round_number != current:
                raise LabelStoreError(f"round {round_number} is not open: the current round is {current}")
            (newest,) = database.execute("SELECT coalesce(max(number), 0) FROM events").fetchone()
            if newest != last_event:
                raise LabelStoreError("someone labelled in the meantime; look at the round again, then finish it")
            done = FinishedRound(round_number, iteration, now(), annotator, last_event, num_labels, num_open)
            database.execute(
                "INSERT INTO rounds VALUES (?, ?, ?, ?, ?, ?, ?)",
                (done.round, iteration, done.finished_at, annotator, last_event, num_labels, num_open),
            )
            return done

    def finished_rounds(self) -> list[FinishedRound]:
        """All finished rounds, oldest first."""
        with self._connect() as database:
            return [FinishedRound(*row) for row in database.execute("SELECT * FROM rounds ORDER BY round")]

    def current_round(self) -> int:
        """The round that is open: one more than the last finished one."""
        with self._connect() as database:
            return database.execute(_CURRENT_ROUND).fetchone()[0]

    @contextlib.contextmanager
    def _connect(self) -> Iterator[sqlite3.Connection]:
        try:
            with contextlib.closing(sqlite3.connect(self.path, BUSY_SECONDS, isolation_level=None)) as database:
                database.execute("PRAGMA synchronous = FULL")  # acknowledged means on disk, even if the power fails
                database.execute("PRAGMA foreign_keys = ON")
                yield database
        except sqlite3.IntegrityError:
            raise
        except sqlite3.OperationalError as error:
            raise LabelStoreError(f"the label file {self.path} cannot be used now: {error}") from error
        except sqlite3.DatabaseError as error:
            raise LabelStoreError(f"{self.path} is not a label file of the annotation page: {error}") from error


def finished_rounds(database: Path) -> list[FinishedRound]:
    """Finished rounds of a label file, oldest first; none when the file does not exist yet. Creates nothing.

    Raises LabelStoreError when the file is something else.
    """
    return LabelStore(database).finished_rounds() if database.exists() else []


@contextlib.contextmanager
def _transaction(database: sqlite3.Connection) -> Iterator[None]:
    database.execute("BEGIN IMMEDIATE")  # wait for other writers here, not in the middle
    try:
        yield
    except BaseException:
        database.execute("ROLLBACK")
        raise
    database.execute("COMMIT")


def _create_or_check(database: sqlite3.Connection, path: Path) -> None:
    (application,) = database.execute("PRAGMA application_id").fetchone()
    (version,) = database.execute("PRAGMA user_version").fetchone()
    (num_tables,) = database.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if not num_tables:
        database.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        database.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
        database.execute(_EVENTS)
        database.execute("CREATE INDEX events_of_annotator ON events (annotator, round, number)")
        database.execute(_ROUNDS)
        for table in ("events", "rounds"):
            for action in ("UPDATE", "DELETE"):
                database.execute(_KEEP.format(table=table, action=action))
    elif application != APPLICATION_ID:
        raise LabelStoreError(f"{path} is an SQLite file of another program; give another path")
    elif version != SCHEMA_VERSION:
        raise LabelStoreError(f"{path} has version {version} of the label file, this program reads {SCHEMA_VERSION}")


def _checked(event: Event) -> Event:
    """The event as it is stored. Raises LabelStoreError when a field is out of bounds."""
    if event.kind not in ("label", "resolve") or event.label not in (*LABELS, *([""] if event.kind == "label" else [])):
        raise LabelStoreError(f"label {event.label!r} is unknown; use {', '.join(LABELS)}")
    if not 0 < len(event.id) <= 100:
        raise LabelStoreError("an event needs an id of 1 to 100 characters")
    if not event.url_prefix or len(event.url_prefix) > MAX_PREFIX_CHARS:
        raise LabelStoreError(f"a URL prefix has 1 to {MAX_PREFIX_CHARS} characters")
    if len(event.note) > MAX_NOTE_CHARS:
        raise LabelStoreError(f"a note has at most {MAX_NOTE_CHARS} characters")
    if event.kind == "resolve" and not event.note.strip():
        raise LabelStoreError("say in a note why: whoever settles a disagreement gives the reason")
    return replace(event, annotator=annotator_name(event.annotator), at=event.at or now())


def _insert(database: sqlite3.Connection, event: Event) -> Event:
    if known := _find(database, event.id):
        if _content(known) != _content(event):
            raise LabelStoreError(f"the event id {event.id} was used for something else")
        return known
    (number,) = database.execute(_CURRENT_ROUND).fetchone()
    cursor = database.execute(
        f"INSERT INTO events ({_COLUMNS}) VALUES (NULL, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (event.id, event.kind, event.url_prefix, event.label, event.annotator, event.note, event.at, event.crawl,
         event.iteration, event.seen, number, event.undoes),
    )  # fmt: skip
    return replace(event, round=number, number=int(cursor.lastrowid or 0))


def _find(database: sqlite3.Connection, ident: str) -> Event | None:
    row = database.execute(f"SELECT {_COLUMNS} FROM events WHERE id = ?", (ident,)).fetchone()
    return _event(row) if row else None


def _content(event: Event) -> tuple:
    return event.kind, event.url_prefix, event.label, event.annotator, event.note


def _event(row: tuple) -> Event:
    number, ident, kind, prefix, label, annotator, note, at, crawl, iteration, seen, round_number, undoes = row
    return Event(
        ident, kind, prefix, label, annotator, note, at, crawl, iteration, seen, round_number, undoes, number
    )  # fmt: skip
