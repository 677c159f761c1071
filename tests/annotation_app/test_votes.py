"""What labels mean together: current votes, settlement, disagreement."""

from dsmath_pipeline.annotation_app.label_store import Event
from dsmath_pipeline.annotation_app.votes import Votes


def votes_of(*rows):
    """Rows (who, prefix, label) are labels; ("undo", number) takes back an event; ("settle", prefix, label)."""
    events = []
    for number, row in enumerate(rows, 1):
        if row[0] == "undo":
            undone = events[row[1] - 1]
            events.append(Event(f"u{number}", "undo", undone.url_prefix, "", "x", undoes=undone.id, number=number))
        elif row[0] == "settle":
            events.append(Event(f"s{number}", "resolve", row[1], row[2], "judge", "why", number=number))
        else:
            events.append(Event(f"e{number}", "label", row[1], row[2], row[0], number=number))
    return Votes(events)


def labels(votes, prefix="a"):
    return {name: event.label for name, event in votes.votes(prefix).items()}


def test_a_later_label_replaces_an_earlier_one_of_the_same_person():
    votes = votes_of(("ana", "a", "math"), ("ben", "a", "unsure"), ("ana", "a", "not_math"))
    assert labels(votes) == {"ana": "not_math", "ben": "unsure"}


def test_undoing_brings_the_earlier_label_back():
    votes = votes_of(("ana", "a", "math"), ("ana", "a", "not_math"), ("undo", 2))
    assert labels(votes) == {"ana": "math"}


def test_an_empty_label_withdraws():
    votes = votes_of(("ana", "a", "math"), ("ana", "a", ""))
    assert labels(votes) == {} and votes.settled("a") is None and votes.annotators() == []


def test_people_who_agree_settle_a_prefix():
    settled = votes_of(("ana", "a", "math"), ("ben", "a", "math")).settled("a")
    assert settled.label == "math" and not settled.is_open


def test_a_disagreement_counts_as_unsure_until_somebody_settles_it():
    rows = [("ana", "a", "math"), ("ben", "a", "not_math")]
    votes = votes_of(*rows)
    assert votes.settled("a").label == "unsure" and votes.disagreements() == ["a"]
    votes = votes_of(*rows, ("settle", "a", "math"))
    assert votes.settled("a").label == "math" and votes.settled("a").resolution.annotator == "judge"
    assert votes.disagreements() == []


def test_a_settlement_holds_until_somebody_contradicts_it():
    rows = [("ana", "a", "math"), ("ben", "a", "not_math"), ("settle", "a", "math")]
    assert votes_of(*rows, ("eve", "a", "math")).settled("a").label == "math"
    assert votes_of(*rows, ("eve", "a", "not_math")).settled("a").is_open
    assert votes_of(*rows, ("eve", "a", "not_math"), ("undo", 4)).settled("a").label == "math"
    assert votes_of(*rows, ("undo", 3)).settled("a").is_open


def test_the_first_vote_is_the_one_given_blind():
    votes = votes_of(("ana", "a", "math"), ("ben", "a", "not_math"), ("ben", "a", "math"))
    assert votes.first_votes("a") == {"ana": "math", "ben": "not_math"}
    votes = votes_of(("ana", "a", "math"), ("undo", 1), ("ana", "a", "unsure"))
    assert votes.first_votes("a") == {"ana": "unsure"}


def test_feeding_bit_by_bit_equals_feeding_at_once():
    rows = [
        ("ana", "a", "math"),
        ("ben", "a", "not_math"),
        ("settle", "a", "math"),
        ("ana", "a/b", "unsure"),
        ("undo", 2),
    ]
    events = votes_of(*rows).history("a") + votes_of(*rows).history("a/b")
    events.sort(key=lambda event: event.number)
    slow = Votes()
    for event in events:
        slow.feed([event])
        slow.settled("a")  # fills the cache, which the next event has to clear
    whole = Votes(events)
    assert slow.settled_labels() == whole.settled_labels() == {"a": "math", "a/b": "unsure"}
    assert slow.number == 5
