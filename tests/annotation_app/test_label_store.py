"""The label file: nothing acknowledged is lost, nothing is rewritten."""

import json
import sqlite3
import subprocess
import sys
from dataclasses import replace

import pytest

from dsmath_pipeline.annotation_app.label_store import (
    Event,
    LabelStore,
    LabelStoreError,
    annotator_name,
    finished_rounds,
)


def event(ident, prefix="a.org", label="math", who="ana", kind="label", note=""):
    return Event(ident, kind, prefix, label, who, note, crawl="C", iteration=2, seen="key")


def test_an_event_keeps_who_when_why_and_what_was_seen(database):
    LabelStore(database).add(event("1", note="lectures"))
    (stored,) = LabelStore(database).events()
    assert replace(stored, at="") == Event(
        "1", "label", "a.org", "math", "ana", "lectures", "", "C", 2, "key", 1, None, 1
    )
    assert stored.at[10] == "T" and stored.at.endswith("+00:00")


def test_the_same_request_twice_is_written_once(database):
    store = LabelStore(database)
    assert store.add(event("1")) == store.add(event("1"))
    assert len(store.events()) == 1


def test_an_id_cannot_be_used_for_something_else(database):
    store = LabelStore(database)
    store.add(event("1"))
    with pytest.raises(LabelStoreError, match="used for something else"):
        store.add(event("1", label="not_math"))


@pytest.mark.parametrize("statement", ["UPDATE events SET label = 'math'", "DELETE FROM events", "DELETE FROM rounds"])
def test_history_cannot_be_rewritten(database, statement):
    store = LabelStore(database)
    store.add(event("1", label="unsure"))
    store.finish_round(1, 1, "ana", 1, 1, 0)
    with sqlite3.connect(database) as connection, pytest.raises(sqlite3.IntegrityError, match="append-only"):
        connection.execute(statement)
    assert store.events()[0].label == "unsure"


def test_undo_takes_back_the_last_action_of_that_person_only(database):
    store = LabelStore(database)
    store.add(event("1", "a.org"))
    store.add(event("2", "a.org/x"))
    store.add(event("3", "b.org", who="ben"))
    assert store.undo("ana", "u1").id == "2"
    assert store.undo("ana", "u1").id == "2"  # the same request again undoes nothing more
    assert store.undo("ana", "u2").id == "1"
    assert store.undo("ana", "u3") is None
    assert [e.kind for e in store.events()] == ["label"] * 3 + ["undo"] * 2


def test_undo_does_not_reach_into_a_finished_round(database):
    store = LabelStore(database)
    store.add(event("1"))
    store.finish_round(1, 1, "ana", 1, 1, 0)
    assert store.undo("ana", "u1") is None


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"label": "maths"}, "label 'maths' is unknown"),
        ({"kind": "resolve", "label": "", "note": "n"}, "label '' is unknown"),
        ({"kind": "resolve", "note": "  "}, "gives the reason"),
        ({"annotator": " "}, "printable characters"),
        ({"annotator": "x" * 41}, "1 to 40"),
        ({"annotator": "Auto"}, "reserved"),
        ({"annotator": "a, b"}, "no comma"),
        ({"annotator": "a\x00b"}, "printable"),
        ({"url_prefix": "a.org/" + "x" * 2000}, "1 to 2000"),
        ({"note": "x" * 1001}, "at most 1000"),
        ({"id": ""}, "needs an id"),
    ],
)
def test_what_is_not_well_formed_is_refused_whole(database, changes, text):
    store = LabelStore(database)
    with pytest.raises(LabelStoreError, match=text):
        store.add_all([event("1"), replace(event("2"), **changes)])
    assert store.events() == []


def test_names_of_any_script_are_kept():
    assert annotator_name("  王 小明 ") == "王 小明"


def test_another_program_s_file_is_refused_untouched(tmp_path):
    other = tmp_path / "other.sqlite"
    with sqlite3.connect(other) as connection:
        connection.execute("CREATE TABLE t (a)")
    text = tmp_path / "text.sqlite"
    text.write_text("hello, this is no database at all")
    before = other.read_bytes(), text.read_bytes()
    with pytest.raises(LabelStoreError, match="of another program"):
        LabelStore(other)
    with pytest.raises(LabelStoreError, match="not a label file"):
        LabelStore(text)
    assert (other.read_bytes(), text.read_bytes()) == before


def test_a_finished_round_is_a_row_that_others_can_read(database):
    assert finished_rounds(database) == [] and not database.exists()
    store = LabelStore(database)
    store.add(event("1"))
    store.finish_round(1, 3, "ben", 1, 1, 0)
    store.add(event("2", "b.org"))
    (done,) = finished_rounds(database)
    assert (done.round, done.iteration, done.finished_by, done.last_event, done.num_labels) == (1, 3, "ben", 1, 1)
    assert [e.round for e in store.events()] == [1, 2]
    assert store.current_round() == 2


def test_a_round_is_finished_once_and_only_on_what_was_seen(database):
    store = LabelStore(database)
    store.add(event("1"))
    with pytest.raises(LabelStoreError, match="in the meantime"):
        store.finish_round(1, 1, "ana", 0, 0, 0)
    store.finish_round(1, 1, "ana", 1, 1, 0)
    with pytest.raises(LabelStoreError, match="round 1 is not open"):
        store.finish_round(1, 1, "ben", 1, 1, 0)
    assert len(store.finished_rounds()) == 1


WRITER = """
import sys
from pathlib import Path
from dsmath_pipeline.annotation_app.label_store import Event, LabelStore
database, who, number = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
store = LabelStore(database)
for i in range(number):
    done = store.add(Event(f"{who}-{i}", "label", f"a.org/{i}", "math", who))
    print(done.id, flush=True)
"""


def start_writer(database, who, number):
    command = [sys.executable, "-c", WRITER, str(database), who, str(number)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


@pytest.mark.slow
def test_four_writers_one_of_them_killed_lose_nothing_that_was_acknowledged(database):
    """All four make the file at once; the fourth would write forever and is killed in the middle (SIGKILL)."""
    writers = [start_writer(database, who, 50) for who in ("ana", "ben", "eve")]
    victim = start_writer(database, "dan", 10**9)
    acknowledged = [victim.stdout.readline().strip() for _ in range(20)]
    victim.kill()
    acknowledged += victim.stdout.read().split()
    victim.wait()
    for writer in writers:
        out, _ = writer.communicate(timeout=120)
        assert writer.returncode == 0
        acknowledged += out.split()
    events = LabelStore(database).events()
    stored = [e.id for e in events]
    assert len(acknowledged) >= 170 and set(acknowledged) <= set(stored)
    assert len(set(stored)) == len(stored)
    # what the victim wrote but did not live to acknowledge is at most its one last event
    assert len(stored) - len(acknowledged) <= 1
    assert [e.number for e in events] == list(range(1, len(events) + 1))
    with sqlite3.connect(database) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert json.dumps(connection.execute("PRAGMA journal_mode").fetchone()) == '["wal"]'
