"""The state behind the page: candidates, label file and votes together; every action and every figure.

Votes are kept in memory and fed with the events that any process wrote since the last look.
"""

import threading
from dataclasses import dataclass

from ..corpus.urls import normal_prefix
from .agreement import Agreement, agreements
from .candidates import Candidates, Domain
from .gain import pages_covered, pages_gained
from .label_store import Event, FinishedRound, LabelStore, LabelStoreError
from .votes import Votes


@dataclass(frozen=True, slots=True)
class Figures:
    """What the labels of one domain do: one person's, or what is settled."""

    gain: int
    """Pages that join the next seed."""
    num_covered: int
    """Pages that some label decides."""
    num_undecided: int
    """Pages that were not collected and that no label decides."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a round is."""

    num_domains: int
    num_done: int
    """Domains of which every page is decided by some label."""
    num_started: int
    num_labels: int
    num_disagreements: int
    pages_gained: int
    """Pages that would join the next seed now."""
    pages_to_decide: int
    """Pages of mathematical domains that were not collected and that no label decides."""


class Board:
    """What annotators work on together. Safe to use from several threads."""

    def __init__(self, candidates: Candidates, store: LabelStore):
        self.candidates, self.store = candidates, store
        self.lock = threading.RLock()
        self._votes = Votes()
        self._figures: dict[str, dict[str | None, Figures]] = {}
        self._agreements: list[Agreement] | None = None

    def votes(self) -> Votes:
        """The state of all labels, fed with what was written since the last call. Hold `lock` while reading it.

        The figures below count what the last call saw: one look at the label file serves a whole page.
        """
        with self.lock:
            new = self.store.events(after=self._votes.number)
            self._votes.feed(new)
            if new:
                self._agreements = None
            for event in new:
                if domain := self.candidates.domain_of(event.url_prefix):
                    self._figures.pop(domain.name, None)
            return self._votes

    def label(self, ident: str, annotator: str, url_prefix: str, label: str, note: str) -> int:
        """Write a label; returns how many more pages the annotator's own labels bring (negative: fewer).

        Raises LabelStoreError when the prefix lies outside the mathematical domains, or the label is not one.
        """
        prefix = normal_prefix(url_prefix)
        domain = self._domain(prefix)
        self.votes()
        before = self.figures(domain, annotator).gain
        self.store.add(self._event(ident, "label", prefix, label, annotator, note))
        self.votes()
        return self.figures(domain, annotator).gain - before

    def resolve(self, ident: str, annotator: str, url_prefix: str, label: str, note: str) -> None:
        """Settle a disagreement. Raises LabelStoreError when there is none, or the reason is missing."""
        prefix = normal_prefix(url_prefix)
        with self.lock:
            settled = self.votes().settled(prefix)
        if settled is None or not (settled.is_open or settled.resolution):
            raise LabelStoreError(f"nobody disagrees about {prefix} (any more)")
        self.store.add(self._event(ident, "resolve", prefix, label, annotator, note))

    def undo(self, ident: str, annotator: str) -> Event | None:
        """Take back the annotator's last action of this round."""
        return self.store.undo(annotator, ident)

    def finish(self, round_number: int, annotator: str, last_event: int, leave_open: bool) -> FinishedRound:
        """Write the marker of a finished round. Raises LabelStoreError while people disagree, unless `leave_open`."""
        votes = Votes(self.store.events(until=last_event))
        num_open = len(votes.disagreements())
        if num_open and not leave_open:
            raise LabelStoreError(f"people disagree on {num_open} of the prefixes: settle that, or leave it as unsure")
        num_labels = len(votes.settled_labels())
        return self.store.finish_round(
            round_number, self.candidates.iteration, annotator, last_event, num_labels, num_open
        )

    def labels_in(self, domain: Domain, annotator: str | None) -> dict[str, str]:
        """Prefix -> label in one domain: one person's, or (None) what is settled."""
        labels: dict[str, str] = {}
        with self.lock:
            for host in domain.hosts:
                found = (
                    self._votes.settled_labels(host) if annotator is None else self._votes.labels_by(annotator, host)
                )
                labels |= found
        return labels

    def figures(self, domain: Domain, annotator: str | None) -> Figures:
        """What the labels of a domain do: one person's, or (None) what is settled."""
        with self.lock:
            known = self._figures.setdefault(domain.name, {})
            if annotator not in known:
                labels = self.labels_in(domain, annotator)
                undecided = domain.num_uncollected - pages_covered(labels, self.candidates.num_uncollected)
                gain = pages_gained(labels, self.candidates.num_uncollected)
                known[annotator] = Figures(gain, pages_covered(labels, self.candidates.num_pages), undecided)
            return known[annotator]

    def agreements(self) -> list[Agreement]:
        """Agreement of every two annotators."""
        with self.lock:
            if self._agreements is None:
                self._agreements = agreements(self._votes)
            return self._agreements

    def states(self, annotator: str | None) -> dict[str, str]:
        """Domain -> `started` or `done`; domains without labels are left out. For one person, or (None) for all."""
        found = {}
        for domain in self._labelled_domains():
            if num_covered := self.figures(domain, annotator).num_covered:
                found[domain.name] = "done" if num_covered >= domain.num_pages else "started"
        return found

    def team_gain(self) -> int:
        """Pages that what is settled brings, over all domains."""
        return sum(self.figures(domain, None).gain for domain in self._labelled_domains())

    def disagreeing_domains(self) -> set[str]:
        """Domains in which people disagree about a prefix."""
        with self.lock:
            found = [self.candidates.domain_of(prefix) for prefix in self._votes.disagreements()]
        return {domain.name for domain in found if domain}

    def progress(self, annotator: str | None = None) -> Progress:
        """Figures of the round: of one person's labels, or (None) of what is settled."""
        states = self.states(annotator)
        undecided = sum(domain.num_uncollected for domain in self.candidates.queue)
        gained = 0
        for domain in self._labelled_domains():
            figures = self.figures(domain, annotator)
            gained += figures.gain
            undecided -= domain.num_uncollected - figures.num_undecided
        with self.lock:
            labels = self._votes.settled_labels() if annotator is None else self._votes.labels_by(annotator)
            num_open = len(self._votes.disagreements())
        done = sum(state == "done" for state in states.values())
        return Progress(
            len(self.candidates.queue), done, len(states) - done, len(labels), num_open, gained, undecided
        )  # fmt: skip

    def _labelled_domains(self) -> list[Domain]:
        with self.lock:
            found = {self.candidates.domain_of(host) for host in self._votes.hosts()}
        return [domain for domain in found if domain]

    def _domain(self, prefix: str) -> Domain:
        domain = self.candidates.domain_of(prefix)
        if domain is None:
            raise LabelStoreError(f"{prefix} lies in no mathematical domain of iteration {self.candidates.iteration}")
        return domain

    def _event(self, ident: str, kind: str, prefix: str, label: str, annotator: str, note: str) -> Event:
        c = self.candidates
        return Event(ident, kind, prefix, label, annotator, note.strip(), "", c.crawl, c.iteration, c.seen)
