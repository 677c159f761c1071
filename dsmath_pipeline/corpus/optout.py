"""Rules that say which addresses may not be used, and the look-up that is fast for a million of them.

Two kinds of rules, both on normalised URLs (urls.normalise_url: scheme, `www.`, letter case of the host, international
names, default ports, needless escapes and tracking parameters make no difference):

- addresses: `example.org` covers the host on every port, `example.org:8080` that port alone, `*.example.org` the host
  and all below it, `example.org/a` that path and everything below it (not `/ab`), `example.org/a?id=5` that one
  address. They are absolute.
- robots groups (RFC 9309): `Disallow` and `Allow` prefixes of paths in a host's group; the longest match wins, `Allow`
  where two are equally long. `*` and `$` as in the RFC.

A look-up hashes the address and each of its prefixes, as deep as the deepest rule; nothing is scanned.
Not in the paper: opting out is not mentioned.
"""

import re
from dataclasses import dataclass, field
from typing import TypeVar
from urllib.parse import urlsplit

from .urls import base_url, normalise_url

Found = TypeVar("Found")

_AUTHORITY = re.compile(r"(\[[^\]]*\]|[^/?#:]*)(:\d+)?")
_HOST = re.compile(r"(?:[^\s/?#:@*.\[\]]{1,63}\.)+[^\s/?#:@*.\[\]]{2,63}\.?|localhost|\[[0-9a-fA-F:.]+\]")
_NUMERIC_HOST = re.compile(r"\d{1,3}(?:\.\d{1,3}){3}")
_PLAIN_ADDRESS = re.compile(
    r"(?:https?://)?(?:www\.)?((?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z][a-z0-9-]{0,61}[a-z0-9]"
    r"(?:/[A-Za-z0-9_~-][A-Za-z0-9_.~-]*)*)(?:/\*?)?"
)
"""Most lines of most lists: what stands in the group is the normal address."""
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*://|//")
_CHANGED_IN_IDNA_2008 = frozenset("ßς")


class AddressError(ValueError):
    """An address that no rule can be made of; the message says why and what to write instead."""


@dataclass(slots=True)
class RobotsGroup:
    """The `Disallow` and `Allow` lines for one host: path prefix -> (is it allowed?, name of the rule)."""

    prefixes: dict[str, tuple[bool, str]] = field(default_factory=dict)
    patterns: list[tuple[int, re.Pattern[str], bool, str]] = field(default_factory=list)
    lengths: tuple[int, ...] = ()

    def add(self, path: str, is_allowed: bool, name: str) -> None:
        """A line's path, as written (it begins with `/` or `*`). An `Allow` is stronger than the same `Disallow`."""
        plain = _normal_robots_path(path)
        if "*" in plain or plain.endswith("$"):
            body, end = (plain[:-1], r"\Z") if plain.endswith("$") else (plain, "")
            expression = ".*?".join(re.escape(part) for part in re.split(r"\*+", body)) + end
            self.patterns.append((len(plain), re.compile(expression, re.S), is_allowed, name))
        elif is_allowed or plain not in self.prefixes:
            self.prefixes[plain] = (is_allowed, name)
            self.lengths = tuple(sorted({*self.lengths, len(plain)}, reverse=True))

    def refuses(self, path: str) -> str:
        """Name of the line that forbids a path (with its query), or ""."""
        best: tuple[int, bool, str] = (-1, True, "")
        for length in self.lengths:
            if found := self.prefixes.get(path[:length]) if length <= len(path) else None:
                best = (length, *found)
                break
        for length, pattern, is_allowed, name in self.patterns:
            if (length, is_allowed) > best[:2] and pattern.match(path):
                best = (length, is_allowed, name)
        return "" if best[1] else best[2]


class OptOutRules:
    """A set of rules; fill it with `add_address` and `group`, then ask `match`."""

    def __init__(self) -> None:
        self._names: dict[str, str] = {}
        """Normal address ("example.org/a", "*.example.org") -> the rule as written."""
        self._groups: dict[str, RobotsGroup] = {}
        self._max_segments = 0
        self._has_parents = False
        self.num_lines = 0
        """`Disallow` and `Allow` lines."""

    def __len__(self) -> int:
        return len(self._names) + self.num_lines

    @property
    def addresses(self) -> list[str]:
        """The normal addresses, without the robots groups."""
        return list(self._names)

    def add_address(self, text: str) -> str:
        """Add the rule for an address as people write it, and return its normal form.

        Raises AddressError when there is no host in it, or a `*` elsewhere than in front or at the end of the path.
        """
        plain = _PLAIN_ADDRESS.fullmatch(text)
        address = plain[1] if plain else normal_address(text)
        self._names.setdefault(address, text)
        self._has_parents = self._has_parents or address.startswith("*.")
        for other in _other_idna_form(text) if not text.isascii() else []:
            self._names.setdefault(other, text)
        self._max_segments = max(self._max_segments, address.partition("?")[0].count("/"))
        return address

    def group(self, domain: str) -> RobotsGroup:
        """The robots group of a host or `*.host`, made when it is new. Raises AddressError as `add_address` does."""
        address = normal_address(domain)
        if "/" in address or "?" in address:
            raise AddressError(f"{domain!r} is no domain; write paths as Disallow lines below it")
        return self._groups.setdefault(address, RobotsGroup())

    def match(self, url: str) -> str:
        """The rule that covers a URL, as it was written, or "" when there is none: the most specific address rule."""
        address = normalise_url(url)
        if "://" in address and address == url.strip():  # no URL by the book, such as one with a port beyond 65535
            address = base_url(address)
        place = _AUTHORITY.match(address)
        assert place is not None
        host, port, rest = place[1], place[2] or "", address[place.end() :]
        if not host:
            return ""
        if self._names:
            for authority in (host + port, host) if port else (host,):
                if found := self._match_below(authority, rest):
                    return found
            if self._has_parents and (found := self._of_parents(host, self._names)):
                return found
        if self._groups:
            group = self._groups.get(host + port) or self._groups.get(host) or self._of_parents(host, self._groups)
            if group:
                return group.refuses(_robots_path(url, rest))
        return ""

    def _match_below(self, authority: str, rest: str) -> str:
        names = self._names
        if found := names.get(authority + rest):
            return found
        if self._max_segments and rest:
            path = rest.partition("?")[0].partition("#")[0]
            ends, end = [], 0
            while end >= 0 and len(ends) < self._max_segments:
                end = path.find("/", end + 1)
                ends.append(end if end >= 0 else len(path))
            for end in reversed(ends):
                if found := names.get(authority + path[:end]):
                    return found
        return names.get(authority, "")

    @staticmethod
    def _of_parents(host: str, rules: dict[str, Found]) -> Found | None:
        """What the nearest `*.domain` at or above a host says."""
        while host:
            if found := rules.get(f"*.{host}"):
                return found
            host = host.partition(".")[2]
        return None


def normal_address(text: str) -> str:
    """An address as people write it ("https://www.Example.org/a/*") in the form that is compared ("example.org/a").

    Raises AddressError as OptOutRules.add_address does.
    """
    rest = _SCHEME.sub("", text.strip(), count=1)
    wildcard = "*." if rest.startswith("*.") else ""
    rest = rest.removeprefix("*.")
    rest = rest.removesuffix("/*")
    authority = re.split(r"[/?#]", rest, maxsplit=1)[0]
    host = re.sub(r":\d*\Z", "", authority.rpartition("@")[2])
    if "*" in rest:
        raise AddressError(f"{text!r}: `*` stands only before a domain (*.example.org); for paths use a Disallow line")
    if wildcard and host and "." not in host:
        raise AddressError(f"{text!r} would cover a whole top-level domain; write *.example.org")
    if not (_HOST.fullmatch(host) or _NUMERIC_HOST.fullmatch(host)):
        raise AddressError(f"{text!r} begins with no domain; write example.org, *.example.org or example.org/path")
    if wildcard and rest != authority:
        raise AddressError(f"{text!r}: no path can follow *.; name each host, or use a group `Domain: *.example.org`")
    if not text.lower().startswith("https://") and authority.endswith((":80", ":443")):
        rest = host + rest[len(authority) :]
    scheme = "https" if text.lower().startswith("https://") else "http"
    address = normalise_url(f"{scheme}://{rest}")
    if not _AUTHORITY.match(address) or address.startswith((scheme, "/")):
        raise AddressError(f"{text!r} cannot be read as an address; write example.org or example.org/path")
    return wildcard + address


def _other_idna_form(text: str) -> list[str]:
    """The IDNA 2008 form of an address whose host holds one of the letters that IDNA 2003 spelled in another way."""
    host = re.split(r"[/?#:]", _SCHEME.sub("", text.strip(), count=1).removeprefix("*."), maxsplit=1)[0]
    if not _CHANGED_IN_IDNA_2008 & set(host):
        return []
    labels = [x if x.isascii() else "xn--" + x.lower().encode("punycode").decode() for x in host.split(".")]
    return [normal_address(text.replace(host, ".".join(labels), 1))]


def _normal_robots_path(path: str) -> str:
    """The path of a robots line with escapes in one form; the slash at its end, its wildcards and its query stay."""
    plain, mark, query = path.partition("?")
    normal = normalise_url(f"http://h{plain if plain.startswith('/') else '/' + plain}").removeprefix("h")
    if not plain.startswith("/"):
        normal = normal.removeprefix("/")
    if plain.endswith("/"):
        normal += "/"
    return normal + mark + query


def _robots_path(url: str, rest: str) -> str:
    """Path and query as robots lines are compared with them: normal, but with the slash that ends the path."""
    path, mark, query = rest.partition("?")
    try:
        ends_in_slash = urlsplit(url.strip()).path.endswith("/")
    except ValueError:
        ends_in_slash = False
    return path + ("/" if ends_in_slash or not path else "") + mark + query
