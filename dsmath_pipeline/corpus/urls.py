"""Hosts and prefixes of URLs, as section 2.1 groups pages."""

import re

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
