"""How old a corpus is, and which crawls it does not have yet.

A corpus is as old as the newest page of its newest crawl (WARC-Date), whenever it was read: that is what a reader of
the corpus can know of. Where no page has a date, the time at which the part was finished stands for it.
Not in the paper: its corpus has one state.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from .. import storage
from ..recipe.schema import FetchSettings
from ..storage import Folder
from .commoncrawl import CommonCrawl, Crawl
from .corpus_index import newest_page
from .corpus_parts import read_parts

_WEEK = re.compile(r"CC-MAIN-(\d{4})(?:-(\d{2}))?")


@dataclass(frozen=True)
class Age:
    """The newest part of a corpus and how long ago its newest page was crawled."""

    part: str
    newest_page: str
    """ISO 8601; "" where no page has a date."""
    days: float


def corpus_age(root: Folder, now: datetime) -> Age:
    """Age of the corpus in `root`. Raises ArtifactError when it is not finished."""
    found = []
    for part in read_parts(root):
        made = datetime.fromtimestamp(storage.read_manifest(part.corpus).created_seconds, UTC)
        newest = part.newest_page or (newest_of_base(root) if part.corpus.parent == root else "")
        found.append((_time(newest) or made, part.name, newest))
    when, name, newest = max(found)
    return Age(name, newest, (now - when).total_seconds() / 86_400)


def newest_of_base(root: Folder) -> str:
    """Latest crawl date of the crawl that the base is made of, ISO 8601; "" when no page has one."""
    base = read_parts(root)[0]
    return base.newest_page if base.key else newest_page(root / "unique_documents")


def listed_crawls(fetch: FetchSettings, patience_seconds: float = 30.0) -> list[Crawl]:
    """Every crawl in the list that `fetch.index_url` holds, newest first; asked for once a day.

    Gives up after `patience_seconds`: who looks again and again can wait for the next time. Raises DownloadError.
    """
    patience = {"give_up_seconds": patience_seconds, "max_wait_seconds": patience_seconds / 6}
    hasty = {name: min(limit, getattr(fetch, name)) for name, limit in patience.items()}
    return CommonCrawl(fetch.model_copy(update=hasty)).crawls()


def newer_crawls(crawls: Iterable[Crawl], newest: str) -> list[Crawl]:
    """The crawls whose first page is later than `newest` (ISO 8601), oldest first; none where `newest` is "".

    Of a crawl that the list gives no dates of, the year and week in its name count.
    """
    if not newest:
        return []  # a base whose pages have no date: people say which crawl is new
    return sorted((c for c in crawls if _is_newer(c, newest)), key=lambda c: (c.first or c.id, c.id))


def _is_newer(crawl: Crawl, newest: str) -> bool:
    if crawl.first:
        return crawl.first[:19] > newest[:19]
    named, last = _WEEK.match(crawl.id), _time(newest)
    if not named or not last:
        return False
    year, week, _ = last.isocalendar()
    return (int(named[1]), int(named[2] or 0)) > (year, week)


def _time(text: str) -> datetime | None:
    """A WARC-Date; None where it cannot be read."""
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        return None
    return when if when.tzinfo else when.replace(tzinfo=UTC)
