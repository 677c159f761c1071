"""Labels out and in again, through the pipeline's own reader."""

import json

import pytest

from dsmath_pipeline.annotation_app.label_files import Imported, export_labels, import_labels
from dsmath_pipeline.annotation_app.label_store import Event, LabelStore, LabelStoreError
from dsmath_pipeline.annotation_app.votes import Votes
from dsmath_pipeline.corpus.annotation import AnnotationError, UrlLabels, read_label_file


@pytest.fixture
def store(database):
    """a.org: ana and ben agree; b.org: they do not; c.org: neither, but eve settled it; d.org: withdrawn."""
    store = LabelStore(database)
    rows = [
        ("label", "a.org/x", "math", "ana", "lectures"), ("label", "a.org/x", "math", "ben", ""),
        ("label", "b.org", "math", "ana", ""), ("label", "b.org", "not_math", "ben", "a shop"),
        ("label", "c.org", "math", "ana", ""), ("label", "c.org", "not_math", "ben", ""),
        ("resolve", "c.org", "math", "eve", "it is the archive"),
        ("label", "d.org", "math", "ana", ""), ("label", "d.org", "", "ana", ""),
        ("label", "e.org/数学", "unsure", "王 小明", "看不懂"),
    ]  # fmt: skip
    for number, (kind, prefix, label, who, note) in enumerate(rows):
        at = f"2024-03-01T10:00:{number:02d}.000+00:00"
        store.add(Event(f"id{number}", kind, prefix, label, who, note, at, "CC-1", 2, "seen"))
    return store


def rows_of(path):
    return {row["url_prefix"]: row for row in map(json.loads, path.read_text().splitlines())}


def test_the_pipeline_reads_what_is_exported(store, database, tmp_path):
    out = tmp_path / "labels.jsonl"
    assert export_labels(database, out) == 4
    labels = UrlLabels(read_label_file(out, iteration=2))
    assert labels.label_of("https://www.a.org/x/1") == "math"
    assert labels.label_of("https://b.org/") == "unsure"  # nobody settled it
    assert labels.label_of("https://c.org/2") == "math"
    assert labels.label_of("https://d.org/2") == ""
    assert labels.label_of("https://e.org/数学/3") == "unsure"


def test_each_row_says_who_when_why_and_what_they_saw(store, database, tmp_path):
    out = tmp_path / "labels.jsonl"
    export_labels(database, out)
    rows = rows_of(out)
    assert list(rows) == sorted(rows)
    a, b, c = (rows[name] for name in ("a.org/x", "b.org", "c.org"))
    assert (a["annotator"], a["note"], a["crawl"], a["iteration"]) == ("ana, ben", "ana: lectures", "CC-1", 2)
    assert a["when"] == "2024-03-01T10:00:01.000+00:00" and not a["is_open"]
    assert b["is_open"] and b["note"] == "people disagree: ana math; ben not_math"
    assert (c["annotator"], c["note"], c["resolution"]["annotator"]) == ("eve", "it is the archive", "eve")
    assert [vote["label"] for vote in c["votes"]] == ["math", "not_math"]


def test_export_and_import_give_the_same_labels(store, database, tmp_path):
    first, second, other = tmp_path / "1.jsonl", tmp_path / "2.jsonl", tmp_path / "other.sqlite"
    export_labels(database, first)
    # votes: 2 + 2 + 2 + 1, and one settlement
    assert import_labels(other, first) == Imported(8, 0, 0)
    export_labels(other, second)
    assert second.read_bytes() == first.read_bytes()


def test_importing_again_adds_nothing(store, database, tmp_path):
    out, other = tmp_path / "labels.jsonl", tmp_path / "other.sqlite"
    export_labels(database, out)
    assert import_labels(database, out).num_added == 0  # into the file it came from
    import_labels(other, out)
    assert import_labels(other, out) == Imported(0, 8, 0)


def test_an_older_vote_does_not_replace_a_newer_one(store, database, tmp_path):
    out = tmp_path / "labels.jsonl"
    export_labels(database, out)
    store.add(Event("new", "label", "a.org/x", "not_math", "ana"))
    assert import_labels(database, out).num_added == 0
    assert Votes(store.events()).label_by("ana", "a.org/x") == "not_math"


def test_a_vote_from_elsewhere_counts_when_it_is_newer(database, tmp_path):
    LabelStore(database).add(Event("1", "label", "a.org", "math", "ana", at="2024-03-02T00:00:00.000+00:00"))
    for day, added, label in [("01", 0, "math"), ("03", 1, "unsure")]:
        file = tmp_path / f"{day}.jsonl"
        row = {
            "url_prefix": "a.org",
            "label": "unsure",
            "annotator": "ana",
            "when": f"2024-03-{day}T00:00:00.000+00:00",
        }
        file.write_text(json.dumps(row))
        assert import_labels(database, file).num_added == added
        assert Votes(LabelStore(database).events()).label_by("ana", "a.org") == label


def test_plain_label_files_are_imported_too(database, tmp_path):
    file = tmp_path / "plain.jsonl"
    file.write_text(
        '{"url_prefix": "https://www.A.org/x/*", "label": "math", "annotator": "ana", "note": "n"}\n\n'
        '{"url_prefix": "b.org", "label": "not_math", "annotator": "auto"}\n'
    )
    assert import_labels(database, file, iteration=3, crawl="C") == Imported(1, 0, 1)
    (event,) = LabelStore(database).events()
    assert (event.url_prefix, event.label, event.annotator, event.note) == ("a.org/x", "math", "ana", "n")
    assert (event.iteration, event.crawl) == (3, "C") and event.at


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ('{"url_prefix": "b.org", "label": "maths", "annotator": "ana"}', AnnotationError),
        ('{"url_prefix": "b.org", "label": "math", "annotator": "ana", "votes": ["x"]}', LabelStoreError),
        ('{"url_prefix": "b.org", "label": "math", "annotator": "ana", "iteration": "2"}', LabelStoreError),
        ('{"url_prefix": "b.org", "label": "math", "annotator": "%s"}' % ("x" * 60), LabelStoreError),
    ],
)
def test_a_bad_row_imports_nothing(database, tmp_path, line, error):
    file = tmp_path / "bad.jsonl"
    file.write_text('{"url_prefix": "a.org", "label": "math", "annotator": "ana"}\n' + line + "\n")
    with pytest.raises(error):
        import_labels(database, file)
    assert LabelStore(database).events() == []


def test_the_file_of_a_finished_round_stays_the_same(store, database, tmp_path):
    before, after = tmp_path / "before.jsonl", tmp_path / "after.jsonl"
    export_labels(database, before)
    store.finish_round(1, 2, "eve", 10, 4, 1)
    store.add(Event("late", "label", "a.org/x", "not_math", "ana"))
    export_labels(database, after, until_round=1)
    assert after.read_bytes() == before.read_bytes()
    export_labels(database, after)
    assert after.read_bytes() != before.read_bytes()
    with pytest.raises(LabelStoreError, match=r"round 2 .* is not finished"):
        export_labels(database, after, until_round=2)


def test_exporting_from_nowhere_is_an_error(tmp_path):
    with pytest.raises(LabelStoreError, match="does not exist"):
        export_labels(tmp_path / "none.sqlite", tmp_path / "out.jsonl")
    assert not (tmp_path / "none.sqlite").exists()
