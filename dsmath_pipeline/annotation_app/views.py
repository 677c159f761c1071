"""What the templates show: plain values, computed from the board for one person and one address."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from ..corpus.urls import normal_prefix
from .agreement import mean_kappa
from .board import Board
from .candidates import Domain, Prefix
from .gain import deciding_prefix, pages_gained
from .label_store import Event
from .page_index import SamplePage
from .page_text import body_html, title_html, web_link, without_heading
from .votes import Votes

MIN_ROW_PAGES = 3
"""Prefixes with fewer pages are folded away, as the rule `auto` leaves them to their parent."""
MAX_ROWS = 400
MAX_QUEUE = 300
NUM_SAMPLES = 5
FILTERS = ("all", "todo", "started", "done", "disputed")


@dataclass(frozen=True)
class Place:
    """Where somebody is: what the address says."""

    domain: str = ""
    prefix: str = ""
    show: str = "all"
    find: str = ""
    small: bool = False
    """Show prefixes with few pages too."""
    offset: int = 0
    """Samples that were skipped."""

    @staticmethod
    def of(query: Mapping[str, str]) -> "Place":
        show = query.get("show", "")
        offset = query.get("offset", "")
        return Place(
            query.get("domain", ""), query.get("prefix", ""), show if show in FILTERS else "all",
            query.get("find", "").strip()[:100], query.get("small") == "1",
            int(offset) if offset.isdecimal() and len(offset) < 8 else 0,
        )  # fmt: skip

    def link(self, path: str = "/", **changes: Any) -> str:
        """The address of this place with some changes; values that are defaults are left out."""
        known = {"domain": self.domain, "prefix": self.prefix, "show": self.show, "find": self.find,
                 "small": int(self.small), "offset": self.offset} | changes  # fmt: skip
        shown = {name: value for name, value in known.items() if value and (name, value) != ("show", "all")}
        return f"{path}?{urlencode(shown)}" if shown else path


@dataclass(frozen=True, slots=True)
class QueueRow:
    name: str
    link: str
    state: str
    num_uncollected: int
    expected_gain: float
    is_open: bool
    is_current: bool


@dataclass(frozen=True, slots=True)
class TreeRow:
    prefix: Prefix
    depth: int
    """Indentation, 0-5."""
    text: str
    """Host, or what the prefix adds to the row that it hangs on."""
    link: str
    label: str
    """The person's own label here, or ""."""
    inherited: str
    """The person's label above, when there is none here."""
    others: tuple[Event, ...]
    """Other people's labels; only for those who have labelled the prefix themselves."""
    is_current: bool


@dataclass(frozen=True, slots=True)
class SampleView:
    title: Any
    text: Any
    url: str
    link: str | None
    score: float


def work_view(board: Board, me: str, place: Place) -> dict[str, Any]:
    """The page on which prefixes are labelled."""
    board.votes()
    states, disagreeing = board.states(me), board.disagreeing_domains()
    listed = [d for d in board.candidates.queue if _is_listed(d, place, states, disagreeing)]
    chosen = board.candidates.domain_of(normal_prefix(place.domain)) if place.domain else None
    domain = chosen or (listed[0] if listed else board.candidates.queue[0])
    position = listed.index(domain) if domain in listed else 0
    start = max(0, min(position - MAX_QUEUE // 2, len(listed) - MAX_QUEUE))
    follower = next((d for d in listed[position:] if d != domain and states.get(d.name) != "done"), None)
    view: dict[str, Any] = {
        "place": place, "filters": [(name, place.link(show=name, domain="", prefix="", offset=0)) for name in FILTERS],
        "queue": [_queue_row(d, place, states, disagreeing, d == domain) for d in listed[start : start + MAX_QUEUE]],
        "num_hidden_domains": max(0, len(listed) - MAX_QUEUE),
        "next_domain": follower and _queue_row(follower, place, states, disagreeing, False),
        "my_progress": {"done": sum(s == "done" for s in states.values()), "all": len(board.candidates.queue)},
    }  # fmt: skip
    return view | _domain_view(board, me, place, domain)


def _is_listed(domain: Domain, place: Place, states: Mapping[str, str], disagreeing: Collection[str]) -> bool:
    is_shown = place.show in ("all", states.get(domain.name, "todo"))
    is_shown = is_shown or (place.show == "disputed" and domain.name in disagreeing)
    return is_shown and place.find.lower() in domain.name


def _queue_row(
    domain: Domain, place: Place, states: Mapping[str, str], disagreeing: Collection[str], is_current: bool
) -> QueueRow:
    link = place.link(domain=domain.name, prefix="", small=0, offset=0)
    state, is_open = states.get(domain.name, "todo"), domain.name in disagreeing
    return QueueRow(domain.name, link, state, domain.num_uncollected, domain.expected_gain, is_open, is_current)


def _domain_view(board: Board, me: str, place: Place, domain: Domain) -> dict[str, Any]:
    labels = board.labels_in(domain, me)
    wanted = normal_prefix(place.prefix) if place.prefix else domain.hosts[0]
    selected = board.candidates.prefix(wanted) if board.candidates.domain_of(wanted) == domain else None
    selected = selected or board.candidates.prefix(domain.hosts[0])
    assert selected is not None
    here = Place(domain.name, selected.url_prefix, place.show, place.find, place.small)
    rows, num_hidden = _tree(board, me, here, domain, labels)
    position = next((i for i, row in enumerate(rows) if row.is_current), 0)
    follower = rows[position + 1].prefix.url_prefix if position + 1 < len(rows) else selected.url_prefix
    return {
        "domain": domain, "rows": rows, "num_hidden": num_hidden, "here": here,
        "figures": board.figures(domain, me),
        "next_link": here.link("/label", prefix=follower), "is_last": position + 1 == len(rows),
    } | _prefix_view(board, me, place, here, selected, labels)  # fmt: skip


def _tree(board: Board, me: str, here: Place, domain: Domain, labels: dict[str, str]) -> tuple[list[TreeRow], int]:
    """Rows of a domain's tree, parents before children, many uncollected pages first; and how many are folded away."""
    prefixes = dict(board.candidates.prefixes(domain.name))
    for label in labels:
        found = board.candidates.prefix(label)
        if found and found.num_pages:
            prefixes[label] = found
    keep = {*labels, here.prefix, *domain.hosts}
    shown = {
        name: prefix for name, prefix in prefixes.items()
        if here.small or prefix.num_pages >= MIN_ROW_PAGES or name in keep
    }  # fmt: skip
    children: dict[str | None, list[Prefix]] = {}
    parents: dict[str, str | None] = {}
    for name, prefix in shown.items():
        above, slash, _ = name.rpartition("/")
        parents[name] = deciding_prefix(above, shown) if slash else None
        children.setdefault(parents[name], []).append(prefix)
    ordered: list[Prefix] = []
    stack = sorted(children.get(None, ()), key=_tree_order, reverse=True)
    while stack:
        prefix = stack.pop()
        ordered.append(prefix)
        stack += sorted(children.get(prefix.url_prefix, ()), key=_tree_order, reverse=True)
    num_hidden = len(prefixes) - len(ordered[:MAX_ROWS])
    votes = board.votes()
    with board.lock:
        rows = [_tree_row(votes, me, here, p, parents[p.url_prefix], labels) for p in ordered[:MAX_ROWS]]
    return rows, num_hidden


def _tree_order(prefix: Prefix) -> tuple[int, str]:
    return -prefix.num_uncollected, prefix.url_prefix


def _tree_row(
    votes: Votes, me: str, here: Place, prefix: Prefix, parent: str | None, labels: dict[str, str]
) -> TreeRow:
    name = prefix.url_prefix
    own = labels.get(name, "")
    above = None if own else deciding_prefix(name, labels)
    others = tuple(vote for who, vote in votes.votes(name).items() if who != me) if own else ()
    depth = 0 if parent is None else min(prefix.depth, 5)
    return TreeRow(prefix, depth, name.removeprefix(parent or ""), here.link(prefix=name), own,
                   labels[above] if above else "", others, name == here.prefix)  # fmt: skip


def _prefix_view(
    board: Board, me: str, place: Place, here: Place, prefix: Prefix, labels: dict[str, str]
) -> dict[str, Any]:
    name = prefix.url_prefix
    without = {prefix: label for prefix, label in labels.items() if prefix != name or label != "math"}
    if_math = pages_gained(without | {name: "math"}, board.candidates.num_uncollected)
    if_math -= pages_gained(without, board.candidates.num_uncollected)
    above = None if name in labels else deciding_prefix(name, labels)
    votes = board.votes()
    with board.lock:
        own = votes.votes(name).get(me)
        history = [event for event in votes.history(name) if own or event.annotator == me]
        undone = {event.id for event in history if votes.is_undone(event)}
        num_others = sum(who != me for who in votes.votes(name))
        settled = votes.settled(name) if own else None
    left = board.candidates.samples(name, False, NUM_SAMPLES, place.offset)
    taken = board.candidates.samples(name, True, NUM_SAMPLES, place.offset)
    further = place.offset + NUM_SAMPLES
    has_more = further < max(prefix.num_uncollected, prefix.num_collected)
    return {
        "prefix": prefix, "own": own, "if_math": if_math, "above": labels[above] if above else "",
        "history": history, "undone": undone, "settled": settled,
        "num_others": num_others, "left": [_sample(page) for page in left], "taken": [_sample(page) for page in taken],
        "offset": place.offset, "more_link": here.link(offset=further) if has_more else None,
        "first_link": here.link() if place.offset else None,
    }  # fmt: skip


def _sample(page: SamplePage) -> SampleView:
    title = title_html(page.title.strip() or "(no title)")
    text = without_heading(page.text, page.title.strip()).strip()
    return SampleView(title, body_html(text, page.formulas), page.url, web_link(page.url), page.score)


def disagreements_view(board: Board) -> dict[str, Any]:
    """Open disagreements, and those that somebody settled."""
    votes = board.votes()
    found: dict[str, list[dict[str, Any]]] = {"open": [], "settled": []}
    with board.lock:
        for name in votes.prefixes():
            settled = votes.settled(name)
            if settled and (settled.is_open or settled.resolution):
                row = {"prefix": board.candidates.prefix(name), "name": name, "votes": list(votes.votes(name).values()),
                       "settled": settled, "link": Place(prefix=name, domain=name).link()}  # fmt: skip
                found["open" if settled.is_open else "settled"].append(row)
    found["open"].sort(key=lambda row: (-row["prefix"].num_uncollected if row["prefix"] else 0, row["name"]))
    return {"rows": found["open"], "settled_rows": found["settled"]}


def round_view(board: Board, me: str) -> dict[str, Any]:
    """Progress, agreement, and the rounds that were finished."""
    votes = board.votes()
    with board.lock:
        people, last_event = votes.annotators(), votes.number
        found = board.agreements()
    return {
        "team": board.progress(), "people": [(name, board.progress(name)) for name in people],
        "agreements": found, "mean_kappa": mean_kappa(found), "last_event": last_event,
        "round": board.store.current_round(), "finished": board.store.finished_rounds(), "me": me,
    }  # fmt: skip
