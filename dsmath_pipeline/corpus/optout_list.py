"""Read what people bring: lists of addresses that may not be used, and requests to remove pages.

A list is UTF-8 text; `#` begins a comment. Simple lines hold an address and, apart by white space, optionally a date
(2026-03-01) and a reason; the forms of addresses are those of optout.py:

    example.org               2026-03-01  asked by mail
    *.example.com
    example.net/~ann/papers

Robots groups name their domain and then read as in a robots.txt (RFC 9309). Of the groups of a domain those count that
name one of our agents (`opt_out.agents`), together; where there is none, the group of `*`:

    Domain: example.edu
    User-agent: ccbot
    Disallow: /private/
    Allow: /private/open/

Requests are JSON lines (a file whose first character is `{`): {"url_prefix" or "domain": ..., "requested_at":
"2026-03-01", "requester": ..., "reason": ...}, the last two optional, other keys ignored. Either form serves as list
and as requests, but requests hold no robots groups.

A line that cannot be read stops the reading: a wish that is passed over in silence would be broken.
Not in the paper: opting out is not mentioned.
"""

import hashlib
import json
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from ..storage import Folder
from .optout import AddressError, OptOutRules, RobotsGroup

_COMMENT = re.compile(r"(?:^|\s)#.*")
_FIELD = re.compile(r"(domain|user-agent|disallow|allow|crawl-delay|sitemap|host)[ \t]*:[ \t]*(.*)", re.I)
_LOOKS_LIKE_DATE = re.compile(r"\d{2,4}[-/.]\d{1,2}[-/.]\d{1,4}")
_MAX_SHOWN = 10


class OptOutError(ValueError):
    """An opt-out list or requests that cannot be used; the message names file and lines and says what to do."""


@dataclass(frozen=True, slots=True)
class Request:
    """One wish that pages are left out. `address` as written; the rest may be empty."""

    address: str
    requested_at: str = ""
    requester: str = ""
    reason: str = ""


def read_rules(path: Folder, agents: Collection[str]) -> OptOutRules:
    """The rules of a list. `agents` (lower case) choose among robots groups. Raises OptOutError."""
    rules = OptOutRules()
    problems: list[str] = []
    lines = _lines(path)
    if _is_json(lines):
        for _, request in _json_requests(lines, problems):
            rules.add_address(request.address)
    else:
        _ListReader(rules, frozenset(agents)).read(lines, problems)
    _raise_for(path, problems)
    return rules


def read_requests(path: Folder) -> list[Request]:
    """The requests of a file, in order. Raises OptOutError, also when there is none."""
    problems: list[str] = []
    lines = _lines(path)
    if _is_json(lines):
        found = [request for _, request in _json_requests(lines, problems)]
    else:
        found = []
        for number, line in _without_comments(lines):
            if _FIELD.fullmatch(line):
                problems.append(f"line {number}: robots groups belong into an opt-out list; write an address")
                continue
            request = _simple(line, number, problems)
            if request and _is_address(request.address, number, problems):
                found.append(request)
    _raise_for(path, problems)
    if not found:
        raise OptOutError(f"{path} holds no request: write one domain or URL prefix on each line")
    return found


def list_key(path: Folder) -> str:
    """Identity of a list: a hash of all its bytes."""
    return hashlib.blake2b(_bytes(path), digest_size=16).hexdigest()


def _bytes(path: Folder) -> bytes:
    if not path.is_file():
        raise OptOutError(f"the opt-out file {path} does not exist; give a text file or JSON lines")
    return path.read_bytes()


def _lines(path: Folder) -> list[str]:
    try:
        text = _bytes(path).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = error.object[: error.start].count(b"\n") + 1
        raise OptOutError(f"{path}, line {before}: not UTF-8; save the file as UTF-8") from error
    return re.split(r"\r\n|\n|\r", text)


def _is_json(lines: list[str]) -> bool:
    return next((line.lstrip().startswith("{") for line in lines if line.strip()), False)


def _raise_for(path: Folder, problems: list[str]) -> None:
    if problems:
        more = f"\n  and {len(problems) - _MAX_SHOWN:,} more" if len(problems) > _MAX_SHOWN else ""
        shown = "\n  ".join(problems[:_MAX_SHOWN])
        raise OptOutError(
            f"{path}: {len(problems):,} line(s) cannot be read; correct or delete them, nothing was left out:\n"
            f"  {shown}{more}"
        )


def _without_comments(lines: list[str]) -> Iterator[tuple[int, str]]:
    for number, line in enumerate(lines, 1):
        plain = (_COMMENT.sub("", line) if "#" in line else line).strip()
        if plain:
            yield number, plain


def _is_address(text: str, number: int, problems: list[str]) -> bool:
    try:
        OptOutRules().add_address(text)
    except AddressError as error:
        problems.append(f"line {number}: {error}")
        return False
    return True


def _simple(line: str, number: int, problems: list[str]) -> Request | None:
    """An address with its optional columns; None when the date is none."""
    address, *rest = line.split(maxsplit=1)
    first, *reason = rest[0].split(maxsplit=1) if rest else [""]
    if not _LOOKS_LIKE_DATE.fullmatch(first):
        return Request(address, reason=rest[0] if rest else "")
    if not _is_date(first):
        problems.append(f"line {number}: {first!r} is no date; write it as 2026-03-01")
        return None
    return Request(address, first, reason=reason[0] if reason else "")


def _is_date(text: str) -> bool:
    try:
        date.fromisoformat(text) if len(text) == 10 else datetime.fromisoformat(text)
    except ValueError:
        return False
    return True


def _json_requests(lines: list[str], problems: list[str]) -> Iterator[tuple[int, Request]]:
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError:
            problems.append(f"line {number}: not JSON; write one object on each line")
            continue
        found = _request_of(row)
        if isinstance(found, str):
            problems.append(f"line {number}: {found}")
        elif _is_address(found.address, number, problems):
            yield number, found


def _request_of(row: Any) -> Request | str:
    """The request in a JSON row, or what is wrong with it."""
    if not isinstance(row, dict):
        return "not a JSON object"
    named = [key for key in ("url_prefix", "domain") if row.get(key) is not None]
    if len(named) != 1 or not isinstance(row[named[0]], str):
        return 'needs one of "url_prefix" and "domain", a text'
    values = {key: row.get(key) or "" for key in ("requested_at", "requester", "reason")}
    if wrong := next((key for key, value in values.items() if not isinstance(value, str)), ""):
        return f'"{wrong}" is no text'
    if not _is_date(values["requested_at"]):
        return 'needs "requested_at", a date such as "2026-03-01"'
    return Request(row[named[0]].strip(), **values)


class _ListReader:
    """The state while the lines of a list are read: the domain and the agents of the robots group at hand."""

    def __init__(self, rules: OptOutRules, agents: frozenset[str]) -> None:
        self._rules = rules
        self._agents = agents
        self._domain = ""
        self._named: set[str] = set()
        self._has_lines = False
        self._lines: dict[str, dict[bool, list[tuple[bool, str, str]]]] = {}
        """Domain -> is it for our agents (else for `*`)? -> (is allowed, path, the rule's name)."""

    def read(self, lines: list[str], problems: list[str]) -> None:
        for number, line in _without_comments(lines):
            try:
                found = _FIELD.fullmatch(line)
                if found:
                    self._read_field(found[1].lower(), found[2].strip())
                elif request := _simple(line, number, problems):
                    self._rules.add_address(request.address)
            except AddressError as error:
                problems.append(f"line {number}: {error}")
        for domain, groups in self._lines.items():
            group: RobotsGroup = self._rules.group(domain)
            for is_allowed, path, name in groups[True] if True in groups else groups.get(False, []):
                group.add(path, is_allowed, name)
                self._rules.num_lines += 1

    def _read_field(self, name: str, value: str) -> None:
        if name == "domain":
            self._rules.group(value)
            self._domain, self._named, self._has_lines = value, set(), False
            self._lines.setdefault(value, {})
        elif name in ("user-agent", "allow", "disallow") and not self._domain:
            raise AddressError(f"{name} without a domain; write `Domain: example.org` above the group")
        elif name == "user-agent":
            if self._has_lines:
                self._named, self._has_lines = set(), False
            self._named.add(value.lower())
            if value.lower() in self._agents:
                self._lines[self._domain].setdefault(True, [])
        elif name in ("allow", "disallow"):
            self._has_lines = True
            self._add_line(name == "allow", value)

    def _add_line(self, is_allowed: bool, path: str) -> None:
        if path and not path.startswith(("/", "*")):
            raise AddressError(f"the path {path!r} does not begin with /")
        named = self._named or {"*"}
        for is_ours, applies in ((True, named & self._agents), (False, "*" in named)):
            if applies and path:
                name = f"{self._domain} {'Allow' if is_allowed else 'Disallow'}: {path}"
                self._lines[self._domain].setdefault(is_ours, []).append((is_allowed, path, name))
