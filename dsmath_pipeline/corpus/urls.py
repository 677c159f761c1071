"""URLs: one form for all addresses of a page, and the hosts and prefixes by which section 2.1 groups pages."""

import re
import string
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

URL_VERSION = "2"
"""Version of `normalise_url`.

1 (2026-11): first version. 2 (2026-11): escapes in any encoding are kept apart; needless escapes, dot segments and
international hosts have one form; more tracking parameters.
"""

# Not in the paper, which says "URL-based deduplication": parameters that the advertising and mail services document.
_TRACKING = frozenset([
    "gclid", "gclsrc", "dclid", "gbraid", "wbraid", "srsltid", "fbclid", "msclkid", "yclid", "ysclid", "twclid",
    "ttclid", "li_fat_id", "igshid", "igsh", "epik", "mc_cid", "mc_eid", "mkt_tok", "vero_id", "oly_enc_id",
    "oly_anon_id", "_ga", "_gl", "_hsenc", "_hsmi", "hsctatracking", "__s", "s_cid", "spm", "scm", "wt_mc", "icid",
    "_openstat",
])  # fmt: skip
_TRACKING_STARTS = ("utm_", "mtm_", "pk_", "piwik_", "matomo_", "aspsessionid")
_SESSION = frozenset(["phpsessid", "jsessionid", "sessionid", "session_id", "aspsessionid", "cfid", "cftoken"])
_MAYBE_SESSION = frozenset(["sid", "s", "zenid", "oscsid"])
_SESSION_VALUE = re.compile(r"[0-9a-fA-F]{16,}")
_PATH_SESSION = re.compile(r";(?:jsessionid|phpsessid)=[^/?#]*|/\([A-Za-z]\([0-9a-zA-Z]{20,}\)\)", re.IGNORECASE)
_ESCAPE = re.compile(r"%([0-9a-fA-F]{2})")
_LONE_PERCENT = re.compile(r"%(?![0-9a-fA-F]{2})")
_PLAIN_PATH = re.compile(r"(?:[A-Za-z0-9_~/-]|(?<!/)\.)*")
"""Paths that are normal already, but for slashes at the end."""
_UNRESERVED = frozenset(string.ascii_letters + string.digits + "-._~")
_DEFAULT_PORTS = {"http": 80, "https": 443}

_HOST = re.compile(r"^[A-Za-z][A-Za-z0-9+.\-]*://(?:[^/?#@]*@)?(\[[^\]/]*\]|[^/?#:]*)")


def base_url(url: str) -> str:
    """The domain of a URL: its host, lower case, without "www.", user and port; a URL without a host gives its scheme.

    >>> base_url("https://WWW.Example.org:8080/a?b")
    'example.org'
    """
    if match := _HOST.match(url.strip()):
        return match[1].lower().rstrip(".").removeprefix("www.")
    scheme, colon, _ = url.partition(":")
    return f"{scheme.lower()}:" if colon and scheme.isalnum() else ""


def url_prefixes(url: str, max_depth: int | None = None) -> list[str]:
    """All prefixes of a URL from its host down to `max_depth` path segments (None: all of them).

    >>> url_prefixes("https://www.Example.org/a/b?page=2", 1)
    ['example.org', 'example.org/a']
    """
    prefix = base_url(url)
    _, _, rest = url.strip().partition("://")
    path = rest.partition("#")[0].partition("?")[0].partition("/")[2]
    found = [prefix]
    for segment in [s for s in path.split("/") if s][:max_depth]:
        prefix = f"{prefix}/{segment}"
        found.append(prefix)
    return found


def normal_prefix(text: str) -> str:
    """A prefix as people type it ("https://www.Example.org/a/*") in the form that is compared ("example.org/a")."""
    text = text.strip().removesuffix("*")
    return url_prefixes(text if "://" in text else f"https://{text}")[-1]


def normalise_url(url: str) -> str:
    """The same string for addresses that serve the same page; only for comparison, it has no scheme.

    Left out: scheme, `www.`, default port, user name, fragment (but not `#!`, which selects content), session ids,
    tracking parameters (utm_*, gclid, fbclid, ...), a trailing slash. Host in lower case and in its ASCII form, dot
    segments resolved, escapes of letters and digits undone and all others in upper case, characters beyond ASCII
    escaped, parameters sorted. Path and parameter values keep their case. A string that is no URL comes back stripped.

    >>> normalise_url("HTTP://www.Example.org:80/%7Ea/?utm_source=x&b=2&a=%e9#top")
    'example.org/~a?a=%E9&b=2'
    """
    try:
        parts = urlsplit(url.strip())
        host, port = (parts.hostname or "").rstrip("."), parts.port
    except ValueError:
        return url.strip()
    if not host:
        return url.strip()
    if port is not None and port != _DEFAULT_PORTS.get(parts.scheme.lower()):
        port_text = f":{port}"
    else:
        port_text = ""
    query = _normal_query(parts.query)
    fragment = f"#{parts.fragment}" if parts.fragment.startswith("!") else ""
    return _normal_host(host) + port_text + _normal_path(parts.path) + (f"?{query}" if query else "") + fragment


def _normal_host(host: str) -> str:
    if ":" in host:
        return f"[{host}]"
    if not host.isascii():
        try:
            host = host.encode("idna").decode()
        except UnicodeError:
            return host
    rest = host.removeprefix("www.")
    return rest if "." in rest else host


def _normal_path(path: str) -> str:
    if _PLAIN_PATH.fullmatch(path):
        return path.rstrip("/")
    path = _LONE_PERCENT.sub("%25", path)
    path = quote(path, safe="%/:=&~+!$,;'@()*[]|", errors="surrogatepass")
    path = _PATH_SESSION.sub("", _ESCAPE.sub(_normal_escape, path))
    if "/." in path:
        kept: list[str] = []
        for segment in path.split("/")[1:]:
            if segment == "..":
                del kept[-1:]
            elif segment != ".":
                kept.append(segment)
        path = "".join(f"/{segment}" for segment in kept)
    return path.rstrip("/")


def _normal_escape(escape: re.Match[str]) -> str:
    character = chr(int(escape[1], 16))
    return character if character in _UNRESERVED else escape[0].upper()


def _normal_query(query: str) -> str:
    """Parameters sorted, without tracking and sessions. Latin-1 carries the escaped bytes of any encoding through."""
    if not query:
        return ""
    kept = []
    if not query.isascii():
        query = quote(query, safe=string.punctuation, errors="surrogatepass")
    for name, value in parse_qsl(query, keep_blank_values=True, encoding="latin-1"):
        lower = name.lower()
        if lower in _TRACKING or lower in _SESSION or lower.startswith(_TRACKING_STARTS):
            continue
        if lower in _MAYBE_SESSION and _SESSION_VALUE.fullmatch(value):
            continue
        kept.append((name, value))
    return urlencode(sorted(kept), encoding="latin-1")
