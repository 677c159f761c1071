"""Which labels an iteration gets: a file, the rule, or a finished round."""

import pytest

from dsmath_pipeline.annotation_app.label_store import Event, LabelStore, LabelStoreError
from dsmath_pipeline.annotation_app.rounds import labels_of_iteration
from dsmath_pipeline.corpus.annotation import read_label_file


def label(store, ident, prefix, iteration):
    store.add(Event(ident, "label", prefix, "math", "ana", "", "2024-03-01T10:00:00.000+00:00", "c", iteration, "k"))
    return len(store.events())


@pytest.fixture
def run(tmp_path):
    """Round 1 saw iteration 1 and labelled a.org; round 2 saw iteration 2 and added b.org; then c.org came."""
    store = LabelStore(tmp_path / "labels.sqlite")
    store.finish_round(1, 1, "ana", label(store, "1", "a.org", 1), 1, 0)
    store.finish_round(2, 2, "ana", label(store, "2", "b.org", 2), 2, 0)
    label(store, "3", "c.org", 3)
    return tmp_path


def prefixes(path):
    return [row.url_prefix for row in read_label_file(path, 1)]


def test_a_round_gives_what_was_labelled_until_it_was_finished(run):
    first, second = (run / "annotation_rounds" / f"round_{n}.jsonl" for n in (1, 2))
    for given in ("", "people"):
        assert labels_of_iteration(run, 1, given) == str(first)
        assert labels_of_iteration(run, 2, given) == str(second)
    assert prefixes(first) == ["a.org"] and prefixes(second) == ["a.org", "b.org"]


def test_the_file_of_a_round_is_not_written_again(run):
    path = labels_of_iteration(run, 1, "")
    before = (run / "annotation_rounds" / "round_1.jsonl").stat().st_mtime_ns
    assert labels_of_iteration(run, 1, "") == path
    assert (run / "annotation_rounds" / "round_1.jsonl").stat().st_mtime_ns == before


def test_without_a_round_the_rule_labels_unless_people_are_waited_for(run, tmp_path):
    assert labels_of_iteration(run, 3, "") == "auto"
    with pytest.raises(LabelStoreError, match=r"iteration 3 waits for people.*dsmath annotate --root"):
        labels_of_iteration(run, 3, "people")
    assert labels_of_iteration(tmp_path / "fresh", 1, "") == "auto"
    assert not (tmp_path / "fresh").exists()


def test_a_file_and_the_rule_are_taken_as_given(run):
    assert labels_of_iteration(run, 1, "auto") == "auto"
    assert labels_of_iteration(run, 1, "/some/labels.jsonl") == "/some/labels.jsonl"


def test_a_second_round_of_the_same_iteration_replaces_the_first(run):
    store = LabelStore(run / "labels.sqlite")
    store.finish_round(3, 1, "ben", len(store.events()), 3, 0)
    third = labels_of_iteration(run, 1, "")
    assert third.endswith("round_3.jsonl") and prefixes(run / third) == ["a.org", "b.org", "c.org"]
