"""What the history of labels means: who says what about a prefix now, and what is settled.

A person's label of a prefix is the last one that was not undone. Labels of all persons together settle a prefix when
they agree. Where they do not, the prefix stays open until a person settles it, with a reason; open ones count as
`unsure`, so no page joins the seed on disputed evidence. A settlement holds until somebody contradicts it afterwards.
The paper does not say how its annotators agreed.

No storage here: `Votes` is fed with events, in order, and can be fed with more later.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from .label_store import Event


@dataclass(frozen=True, slots=True)
class Settled:
    """The label of a prefix that the pipeline will use."""

    label: str
    """`math`, `not_math` or `unsure`."""
    is_open: bool
    """People disagree and nobody has settled it: the label is `unsure` for now."""
    resolution: Event | None = None
    """The event that settled a disagreement."""


class Votes:
    """The state after some events. `number` is that of the last one."""

    def __init__(self, events: Iterable[Event] = ()):
        self.number = 0
        self._events: dict[str, list[Event]] = {}
        self._prefixes_of_host: dict[str, set[str]] = {}
        self._undone: set[str] = set()
        self._settled: dict[str, Settled | None] = {}
        self.feed(events)

    def feed(self, events: Iterable[Event]) -> None:
        """Take in further events, oldest first."""
        for event in events:
            prefix = event.url_prefix
            self.number = event.number
            self._events.setdefault(prefix, []).append(event)
            self._prefixes_of_host.setdefault(prefix.partition("/")[0], set()).add(prefix)
            self._settled.pop(prefix, None)
            if event.undoes:
                self._undone.add(event.undoes)

    def prefixes(self, host: str | None = None) -> list[str]:
        """Every prefix that was ever labelled, or those of one host; sorted."""
        return sorted(self._events if host is None else self._prefixes_of_host.get(host, ()))

    def hosts(self) -> list[str]:
        """Every host below which something was ever labelled."""
        return sorted(self._prefixes_of_host)

    def history(self, prefix: str) -> list[Event]:
        """Everything that happened to a prefix, oldest first."""
        return list(self._events.get(prefix, ()))

    def is_undone(self, event: Event) -> bool:
        return event.id in self._undone

    def votes(self, prefix: str) -> dict[str, Event]:
        """The label event of every annotator who has a label there now, in the order of their names."""
        last = {event.annotator: event for event in self._valid(prefix, "label")}
        return {name: last[name] for name in sorted(last) if last[name].label}

    def first_votes(self, prefix: str) -> dict[str, str]:
        """The first label of every annotator who still has one: given before they could see the others' labels."""
        now = self.votes(prefix)
        first: dict[str, str] = {}
        for event in self._valid(prefix, "label"):
            if event.annotator in now and event.label:
                first.setdefault(event.annotator, event.label)
        return first

    def label_by(self, annotator: str, prefix: str) -> str:
        """One person's label of a prefix, or ""."""
        vote = self.votes(prefix).get(annotator)
        return vote.label if vote else ""

    def settled(self, prefix: str) -> Settled | None:
        """The label that holds for a prefix; None when nobody labels it."""
        if prefix not in self._settled:
            self._settled[prefix] = self._settle(prefix)
        return self._settled[prefix]

    def settled_labels(self, host: str | None = None) -> dict[str, str]:
        """Prefix -> settled label, of everything or of one host."""
        found = ((prefix, self.settled(prefix)) for prefix in self.prefixes(host))
        return {prefix: settled.label for prefix, settled in found if settled}

    def labels_by(self, annotator: str, host: str | None = None) -> dict[str, str]:
        """Prefix -> label of one person, of everything or of one host."""
        found = ((prefix, self.label_by(annotator, prefix)) for prefix in self.prefixes(host))
        return {prefix: label for prefix, label in found if label}

    def disagreements(self) -> list[str]:
        """Prefixes on which people disagree and nobody has settled it."""
        return [prefix for prefix in self.prefixes() if (settled := self.settled(prefix)) and settled.is_open]

    def annotators(self) -> list[str]:
        """Everybody who has a label somewhere."""
        return sorted({name for prefix in self._events for name in self.votes(prefix)})

    def _valid(self, prefix: str, kind: str) -> list[Event]:
        events = self._events.get(prefix, ())
        return [event for event in events if event.kind == kind and event.id not in self._undone]

    def _settle(self, prefix: str) -> Settled | None:
        votes = self.votes(prefix)
        labels = {vote.label for vote in votes.values()}
        if not labels:
            return None
        if len(labels) == 1:
            return Settled(labels.pop(), False)
        for decision in self._valid(prefix, "resolve")[-1:]:
            later = (vote for vote in votes.values() if vote.number > decision.number)
            if all(vote.label == decision.label for vote in later):
                return Settled(decision.label, False, decision)
        return Settled("unsure", True)
