"""One bad page never costs its shard: the limits under which pages are extracted.

Extraction runs native code on pages of foreign origin. An exception is counted and the page dropped; a page that takes
longer than settings.page_seconds, or on which native code crashes, ends the worker process, and the shard is extracted
again without it (compute.map_guarded). Pages are independent, so the result is that of an undisturbed run less the bad
page. Both limits hold in worker processes only: in a call in the user's own process (`ItemGuard()`) a crash is a crash.

Compiling a kernel takes many times longer than a page and falls on the page that needs it first: it does not count.

Not in the paper: how a crawl of billions of pages survives its worst pages is not described.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from numba.core import event

from ..compute import TIMEOUT, ItemGuard
from ..records import Page

Found = TypeVar("Found")


def extract_guarded(
    pages: Iterable[Page],
    extract: Callable[[Page], Found],
    page_seconds: float,
    guard: ItemGuard,
    dropped: Counter[str],
) -> Iterator[Found]:
    """`extract(page)` for every page that survives it, in order.

    The others are counted in `dropped`: `page_timeout` and `page_crashed` when they ended a worker in an earlier try,
    `error_` and the exception's name when `extract` raised.
    """
    with event.install_listener("numba:compile", _CompilePause(guard, page_seconds)) as pause:
        for page in pages:
            if page.offset in guard.bad_items:
                is_timeout = guard.bad_items[page.offset] == TIMEOUT
                dropped["page_timeout" if is_timeout else "page_crashed"] += 1
                continue
            pause.offset = page.offset
            guard.enter(page.offset, page_seconds)
            try:
                found = extract(page)
            except Exception as error:  # the border of one page: its failure is counted and never costs the file
                dropped[f"error_{type(error).__name__}"] += 1
                continue
            finally:
                guard.leave()
                pause.offset = -1
            yield found


class _CompilePause(event.Listener):
    """While numba compiles for the page at `offset`, the page's time does not run (-1: there is none)."""

    def __init__(self, guard: ItemGuard, page_seconds: float) -> None:
        self._guard = guard
        self._page_seconds = page_seconds
        self.offset = -1

    def on_start(self, event: event.Event) -> None:
        self._guard.leave()

    def on_end(self, event: event.Event) -> None:
        if self.offset >= 0:
            self._guard.enter(self.offset, self._page_seconds)
