"""Ask a server until it has answered: throttled, cut off or lied to, one gets the bytes or an error that says why.

429, 5xx, dropped connections and silence are waited out: exponential back-off with full jitter, `Retry-After` obeyed,
and obeyed by every process on the machine (rate_limit.py). It ends only when nothing has come for hours, or when a
server says clearly that it never will. download.py (whole files) and ranges.py (pieces of files) say what to ask.

Not in the paper: fetching is not described.
"""

import email.utils
import random
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import requests
import urllib3

from ..progress import SILENT, Progress
from ..recipe.schema import FetchSettings
from .rate_limit import RateLimiter
from .s3 import is_s3, web_address

USER_AGENT = "dsmath_pipeline (https://pypi.org/project/dsmath_pipeline/)"
CHUNK_BYTES = 1 << 18
_MAX_REFUSALS = 5
"""Tries that end in 403 or in an error page under status 200: a ban looks like this, but so does a wrong address."""
_NEVER = frozenset([400, 401, 404, 405, 410, 451])
_ERROR_PAGES = ("text/html", "text/xml", "application/xml")
_CONTENT_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+)")


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

    def __str__(self) -> str:
        told = ", ".join(f"{n} x {problem}" for problem, n in sorted(self.problems.items()))
        return f"{self.num_bytes:,} bytes, {self.num_requests} requests" + (f" ({told})" if told else "")


class Throttled(Exception):
    """Not now; `seconds` is what the server asks to wait, if it says so."""

    def __init__(self, reason: str, seconds: float | None = None):
        super().__init__(reason)
        self.seconds = seconds


class Refused(Exception):
    """Not to be had so, perhaps never."""


def persist(
    url: str,
    attempt: Callable[[Download], bool],
    arrived: Callable[[], int],
    settings: FetchSettings,
    limiter: RateLimiter,
    *,
    advice: str = "start again",
    progress: Progress = SILENT,
    sleep: Callable[[float], None] = time.sleep,
) -> Download:
    """Call `attempt`, which makes one request, until it returns True; between the calls wait as politeness asks.

    `arrived` gives the bytes that have come so far: as long as there are more after each try, patience begins anew.
    `attempt` raises Throttled, Refused or requests.RequestException for what may pass, DownloadError for what will not.
    Raises DownloadError when it is given up; the message ends in `advice`.
    """
    done = Download()
    last_news, last_size = time.monotonic(), arrived()
    failures = refusals = 0
    while True:
        done.waited_seconds += limiter.wait()
        done.num_requests += 1
        pause: float | None = None
        try:
            if attempt(done):
                return done
        except Throttled as error:
            done.note(str(error))
            pause = error.seconds
            if pause is not None:
                limiter.pause(min(pause, settings.max_wait_seconds))
        except Refused as error:
            done.note(str(error).partition(":")[0])
            refusals += 1
            if refusals >= _MAX_REFUSALS:
                check = "the address and your AWS credentials" if is_s3(url) else "the address"
                told = f"{url}: {error} ({refusals} tries); check {check}, or wait if it is a ban"
                raise DownloadError(told) from error
        except requests.RequestException as error:
            done.note("cut off" if arrived() > last_size else "no connection")
            progress.log(f"{url}: {type(error).__name__}, trying again")
        if arrived() > last_size:
            last_news, failures = time.monotonic(), 0
        elif time.monotonic() - last_news > settings.give_up_seconds:
            told = ", ".join(f"{n} x {problem}" for problem, n in sorted(done.problems.items())) or "no answer"
            raise DownloadError(f"{url}: nothing came for {settings.give_up_seconds:.0f} s ({told}); {advice}")
        last_size = arrived()
        if pause is None:  # otherwise the limiter holds everybody back
            seconds = random.uniform(0, min(settings.max_wait_seconds, 2.0**failures))
            sleep(seconds)
            done.waited_seconds += seconds
        failures += 1


def ask(session: requests.Session, url: str, headers: dict[str, str], settings: FetchSettings) -> requests.Response:
    """One request; the body is still to be read. Raises requests.RequestException, DownloadError."""
    address = web_address(url, settings.s3_anonymous)
    headers = {"User-Agent": USER_AGENT, "Accept-Encoding": "identity", **headers}
    return session.get(address, headers=headers, stream=True, timeout=settings.timeout_seconds)


def arriving(response: requests.Response) -> Iterator[bytes]:
    """The body as it comes, whatever little of it, so that nothing that came is lost with the connection."""
    try:
        while chunk := response.raw.read1(CHUNK_BYTES):
            yield chunk
    except urllib3.exceptions.HTTPError as error:
        raise requests.ConnectionError(error) from error


def check_status(url: str, response: requests.Response) -> None:
    """Raises DownloadError, Refused or Throttled unless the answer is a file or a piece of one."""
    status = response.status_code
    if status in _NEVER:
        raise DownloadError(f"{url}: status {status} {response.reason}; check the crawl's name and the path")
    if status == 403:
        raise Refused("status 403: forbidden, or banned for a while")
    if status not in (200, 206):
        raise Throttled(f"status {status}", _retry_after(response))
    kind = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if kind in _ERROR_PAGES:
        raise Refused(f"an error page: {kind} {response.raw.read(200)!r}")


def content_range(response: requests.Response) -> tuple[int, int, int]:
    """First byte, byte behind the last, and size of the whole file, of a piece. Raises Refused without them."""
    found = _CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", "").strip())
    if not found:
        raise Refused(f"another range than asked for: {response.headers.get('Content-Range')}")
    return int(found[1]), int(found[2]) + 1, int(found[3])


def _retry_after(response: requests.Response) -> float | None:
    """Seconds of a Retry-After header, as a number or a date; None without one."""
    value = response.headers.get("Retry-After", "").strip()
    if value.isdecimal():
        return float(value)
    try:
        return max(0.0, email.utils.parsedate_to_datetime(value).timestamp() - time.time())
    except ValueError:
        return None
