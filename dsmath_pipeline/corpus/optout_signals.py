"""Does a page itself refuse to be training data? Read where the page is extracted, from its HTTP head and its HTML.

Signals that count for text:
- `X-Robots-Tag: noai` or `noml`, for everyone or after the name of an agent (`ccbot: noai`), and the same directives in
  `<meta name="robots">` or `<meta name="ccbot">`. `noai` is DeviantArt's directive of November 2022 (img2dataset reads
  it), `noml` the same wish under another name; the form of header and tag, agents included, is that of search engines
  (developers.google.com/search/docs/crawling-indexing/robots-meta-tag). `noimageai` speaks of images, `noindex` of
  search: neither counts.
- `tdm-reservation: 1` as header or `<meta name="tdm-reservation" content="1">`: TDM Reservation Protocol, final report
  of the W3C community group (10 May 2024). What the HTML says, 0 included, overrides the header. `tdm-policy`, where
  there is one, is recorded: it may offer a licence. The site-wide file `/.well-known/tdmrep.json` is no part of a page
  and is not read; bring such reservations as a list (optout_list.py).

Not in the paper: opting out is not mentioned.
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np

from ..recipe.schema import OptOutSettings
from .html_nodes import START, STOP, TAG
from .html_tags import TAG_IDS
from .html_tree import Element, HtmlPage

OPT_OUT = "opt-out: "
"""How the drop reasons of all signals begin."""
_DIRECTIVES = frozenset(["noai", "noml"])
_WITH_VALUE = frozenset(["max-snippet", "max-image-preview", "max-video-preview", "unavailable_after"])
"""Directives with a colon of their own: what stands before it is no agent."""
_MARKS = (b"noai", b"noml", b"tdm-")
_SEPARATOR = re.compile(r"[\s,;]+")
_META = TAG_IDS["meta"]
_MAX_POLICY_CHARS = 300


@dataclass(frozen=True, slots=True)
class Signal:
    """Why a page is left out: `opt-out: noai (meta)`, `opt-out: tdm-reservation (header)`, ..."""

    reason: str
    policy: str = ""
    """URL of the tdm-policy, if the page names one."""


def header_signal(headers: Mapping[str, str], settings: OptOutSettings) -> Signal | None:
    """The refusal in `X-Robots-Tag`. Names of `headers` are lower case; repeated fields are lines of one value."""
    value = headers.get("x-robots-tag")
    directive = robots_directive(value, settings.agents) if value else ""
    return Signal(f"{OPT_OUT}{directive} (header)") if directive else None


def html_signal(tree: HtmlPage, headers: Mapping[str, str], settings: OptOutSettings) -> Signal | None:
    """The refusal in the `meta` elements, or the reservation in the headers that no element lifts."""
    found, policy = "", ""
    reservations: set[str] = set()
    for attributes in _telling_metas(tree):
        name = attributes.get("name", "").strip().lower()
        content = attributes.get("content", "").strip()
        if name == "tdm-reservation":
            reservations.add(content)
        elif name == "tdm-policy":
            policy = content
        elif name == "robots" or name in settings.agents:
            found = found or min(_DIRECTIVES.intersection(_SEPARATOR.split(content.lower())), default="")
        elif attributes.get("http-equiv", "").strip().lower() == "x-robots-tag":
            found = found or robots_directive(content, settings.agents)
    if found:
        return Signal(f"{OPT_OUT}{found} (meta)")
    where = "meta" if reservations & {"0", "1"} else "header"
    values = reservations if where == "meta" else {headers.get("tdm-reservation", "").strip()}
    if "1" not in values:
        return None
    policy = policy or headers.get("tdm-policy", "").strip()
    return Signal(f"{OPT_OUT}tdm-reservation ({where})", policy[:_MAX_POLICY_CHARS])


def robots_directive(value: str, agents: Collection[str]) -> str:
    """`noai` or `noml`, if a value of X-Robots-Tag says it to everyone or to one of `agents` (lower case); else "".

    An agent's name holds up to the next one of its line.

    >>> robots_directive("noarchive, ccbot: noindex, noai", ["ccbot"])
    'noai'
    >>> robots_directive("otherbot: noai", ["ccbot"])
    ''
    """
    for line in value.lower().split("\n"):
        is_ours = True
        for part in line.split(","):
            name, colon, rest = part.partition(":")
            if colon and name.strip() not in _WITH_VALUE:
                is_ours = name.strip() == "*" or name.strip() in agents
                part = rest
            if is_ours and (found := _DIRECTIVES.intersection(_SEPARATOR.split(part))):
                return min(found)
    return ""


def _telling_metas(tree: HtmlPage) -> list[dict[str, str]]:
    """Attributes of the `meta` elements where one of them holds a word of the signals: on few pages one does."""
    nodes = tree.nodes[: tree.num_nodes]
    rows = np.flatnonzero(nodes[:, TAG] == _META)
    texts = [tree.data[start:stop] for start, stop in nodes[rows][:, [START, STOP]].tolist()]
    together = b"\0".join(texts).lower()
    if not any(mark in together for mark in _MARKS):
        return []
    return [Element(tree, row).attributes for row in rows.tolist()]
