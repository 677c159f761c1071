"""Download one file over HTTP with patience: throttled, cut off, lied to or killed, it ends with the file or an error.

- What has arrived stays in `<target>.part` and is continued with a range request (`If-Range`, so that a file that
  changed meanwhile is begun again). A killed process loses nothing that it had written.
- 429, 5xx, dropped connections and silence are waited out: exponential back-off with full jitter, `Retry-After` obeyed,
  and obeyed by every process on the machine (rate_limit.py). A run gives up only when nothing has come for hours.
- A body that is not what was asked for (an XML or HTML error page under status 200) is never stored.
- The size must be the announced one; a gzip file must be whole, and have the MD5 that an S3 `ETag` states where it is
  one. A file that arrives twice with the same damage is damaged at its origin: it is kept, and the reader accounts for
  what cannot be read.

Not in the paper: fetching is not described.
"""

import email.utils
import hashlib
import json
import os
import random
import re
import time
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests
import urllib3

from ..progress import SILENT, Progress
from ..recipe.schema import FetchSettings
from .rate_limit import RateLimiter

USER_AGENT = "dsmath_pipeline (https://pypi.org/project/dsmath_pipeline/)"
_CHUNK = 1 << 18
_MAX_REFUSALS = 5
"""Tries that end in 403 or in an error page under status 200: a ban looks like this, but so does a wrong address."""
_CONTENT_RANGE = re.compile(r"bytes (\d+)-\d+/(\d+)")
_MD5 = re.compile(r'"?([0-9a-f]{32})"?')
_NEVER = frozenset([400, 401, 404, 405, 410, 451])


class DownloadError(RuntimeError):
    """A file cannot be had; the message says which, why and what to do."""


@dataclass
class Download:
    """What a download took."""

    num_bytes: int = 0
    num_requests: int = 0
    waited_seconds: float = 0.0
    problems: dict[str, int] = field(default_factory=dict)
    """How often what went wrong: `status 503`, `cut off`, `no connection`, ..."""
    is_damaged: bool = False
    """It arrived twice with the same damage."""

    def note(self, problem: str) -> None:
        self.problems[problem] = self.problems.get(problem, 0) + 1


class _Throttled(Exception):
    def __init__(self, reason: str, seconds: float | None = None):
        super().__init__(reason)
        self.seconds = seconds


class _Refused(Exception):
    """Not to be had so, perhaps never."""


def download(
    url: str,
    target: Path,
    settings: FetchSettings,
    limiter: RateLimiter,
    *,
    is_gzip: bool = True,
    progress: Progress = SILENT,
    sleep: Callable[[float], None] = time.sleep,
) -> Download:
    """Fetch `url` into `target`, which appears only when it is whole. Raises DownloadError.

    Continues what an earlier call left in `<target>.part`. One caller at a time for each target.
    """
    part = target.with_name(f"{target.name}.part")
    part.parent.mkdir(parents=True, exist_ok=True)
    done = Download()
    last_news, last_size = time.monotonic(), _size(part)
    damages: set[str] = set()
    failures = refusals = 0
    with requests.Session() as session:
        while True:
            done.waited_seconds += limiter.wait()
            done.num_requests += 1
            pause: float | None = None
            try:
                _request(session, url, part, settings, is_gzip)
                damage = _damage(part, settings) if is_gzip else ""
                if not damage or damage in damages:
                    done.is_damaged = bool(damage)
                    break
                damages.add(damage)
                done.note("damaged")
                _drop(part)
            except _Throttled as error:
                done.note(str(error))
                pause = error.seconds
                if pause is not None:
                    limiter.pause(min(pause, settings.max_wait_seconds))
            except _Refused as error:
                done.note(str(error).partition(":")[0])
                refusals += 1
                if refusals >= _MAX_REFUSALS:
                    told = f"{url}: {error} ({refusals} tries); check the address, or wait if it is a ban"
                    raise DownloadError(told) from error
            except requests.RequestException as error:
                done.note("cut off" if _size(part) > last_size else "no connection")
                progress.log(f"{url}: {type(error).__name__}, trying again")
            if _size(part) > last_size:
                last_news, failures = time.monotonic(), 0
            elif time.monotonic() - last_news > settings.give_up_seconds:
                raise DownloadError(
                    f"{url}: nothing came for {settings.give_up_seconds:.0f} s ({_told(done)}); what has arrived is in "
                    f"{part}: start again to go on"
                )
            last_size = _size(part)
            if pause is None:  # otherwise the limiter holds everybody back
                seconds = random.uniform(0, min(settings.max_wait_seconds, 2.0**failures))
                sleep(seconds)
                done.waited_seconds += seconds
            failures += 1
    done.num_bytes = _size(part)
    os.replace(part, target)
    _facts_file(part).unlink(missing_ok=True)
    return done


def _told(done: Download) -> str:
    return ", ".join(f"{n} x {problem}" for problem, n in sorted(done.problems.items())) or "no answer"


def _request(session: requests.Session, url: str, part: Path, settings: FetchSettings, is_gzip: bool) -> None:
    """One request; returns when the part is complete, raises otherwise. What came stays in the part."""
    facts = _facts(part, url)
    have = _size(part) if facts else 0
    headers = {"User-Agent": USER_AGENT, "Accept-Encoding": "identity"}
    if have:
        headers |= {"Range": f"bytes={have}-", "If-Range": facts["etag"]}
    with session.get(url, headers=headers, stream=True, timeout=settings.timeout_seconds) as response:
        if response.status_code == 416 and have == facts.get("size"):
            return
        start, size = _check_head(url, response, have)
        if start == 0:
            _drop(part)
        etag = response.headers.get("ETag", "")
        _write_facts(part, {"url": url, "etag": etag, "size": size, "md5": _md5_of(etag, response)})
        written = start
        with part.open("ab") as file:
            for chunk in _arriving(response):
                if written == 0 and is_gzip and chunk[:2] != b"\x1f\x8b":
                    raise _Refused(f"no gzip file: it begins {chunk[:120]!r}")
                file.write(chunk)
                written += len(chunk)
    if size is not None and written != size:
        if written > size:
            _drop(part)
        raise requests.ConnectionError(f"{written} bytes of {size} came")


def _arriving(response: requests.Response) -> Iterator[bytes]:
    """The body as it comes, whatever little of it, so that nothing that came is lost with the connection."""
    try:
        while chunk := response.raw.read1(_CHUNK):
            yield chunk
    except urllib3.exceptions.HTTPError as error:
        raise requests.ConnectionError(error) from error


def _check_head(url: str, response: requests.Response, have: int) -> tuple[int, int | None]:
    """Where the body begins, and the size of the whole file; raises when it is not the file."""
    status = response.status_code
    if status in _NEVER:
        raise DownloadError(f"{url}: status {status} {response.reason}; check the crawl's name and the path")
    if status == 403:
        raise _Refused("status 403: forbidden, or banned for a while")
    if status not in (200, 206):
        raise _Throttled(f"status {status}", _retry_after(response))
    kind = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if kind in ("text/html", "text/xml", "application/xml"):
        raise _Refused(f"an error page: {kind} {response.raw.read(200)!r}")
    if status == 206:
        found = _CONTENT_RANGE.match(response.headers.get("Content-Range", ""))
        if not found or int(found[1]) != have:
            raise _Refused(f"another range than asked for: {response.headers.get('Content-Range')}")
        return have, int(found[2])
    length = response.headers.get("Content-Length", "")
    return 0, int(length) if length.isdecimal() else None


def _retry_after(response: requests.Response) -> float | None:
    """Seconds of a Retry-After header, as a number or a date; None without one."""
    value = response.headers.get("Retry-After", "").strip()
    if value.isdecimal():
        return float(value)
    try:
        return max(0.0, email.utils.parsedate_to_datetime(value).timestamp() - time.time())
    except ValueError:
        return None


def _md5_of(etag: str, response: requests.Response) -> str:
    """The MD5 that S3 states as ETag for files uploaded in one part and not encrypted by a key; else ""."""
    if response.headers.get("x-amz-server-side-encryption", "").startswith("aws:kms"):
        return ""
    is_s3 = "s3" in response.headers.get("Server", "").lower() or "x-amz-request-id" in response.headers
    found = _MD5.fullmatch(etag)
    return found[1] if found and is_s3 else ""


# what has arrived ---------------------------------------------------------------------------------------------------


def _size(part: Path) -> int:
    return part.stat().st_size if part.exists() else 0


def _facts_file(part: Path) -> Path:
    return part.with_name(f"{part.name}.json")


def _facts(part: Path, url: str) -> dict[str, Any]:
    """What is known of the file that the part is a piece of; {} when it cannot be continued."""
    try:
        facts = json.loads(_facts_file(part).read_text())
    except (OSError, ValueError):
        return {}
    return facts if facts.get("url") == url and facts.get("etag") else {}


def _write_facts(part: Path, facts: dict[str, Any]) -> None:
    _facts_file(part).write_text(json.dumps(facts))


def _drop(part: Path) -> None:
    part.unlink(missing_ok=True)


def _damage(part: Path, settings: FetchSettings) -> str:
    """What is wrong with a complete gzip file; "" when nothing is. Two equal answers mean two equal files."""
    expected = json.loads(_facts_file(part).read_text()).get("md5", "")
    digest = hashlib.md5(usedforsecurity=False)
    is_whole, inflater, is_inside = True, zlib.decompressobj(31), False
    with part.open("rb") as file:
        while block := file.read(_CHUNK):
            digest.update(block)
            while is_whole and block and settings.verify_gzip:
                is_inside = True
                try:
                    inflater.decompress(block, _CHUNK)  # bounded: a bomb costs time, not memory
                except zlib.error:
                    is_whole = False
                block = inflater.unused_data if inflater.eof else inflater.unconsumed_tail
                if inflater.eof:
                    inflater, is_inside = zlib.decompressobj(31), False
    while is_inside and is_whole and inflater.decompress(b"", _CHUNK):
        pass
    if expected and digest.hexdigest() == expected:
        return ""
    if expected or not is_whole or (is_inside and not inflater.eof):
        return f"damaged, MD5 {digest.hexdigest()}"
    return ""
