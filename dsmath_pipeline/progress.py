"""How a long-running function tells its caller how far it is.

The library never prints. A function takes a `Progress` and calls it; the command line draws bars with it, the
Dagster assets write log lines with it, tests leave it out.
"""

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Protocol, TypeVar

T = TypeVar("T")


class Progress(Protocol):
    """Something that can be told about progress."""

    def update(self, what: str, done: int, total: int | None = None, note: str = "") -> None:
        """`what` is the stage in a few words, `done` of `total` units are finished; `note` holds current figures."""

    def log(self, message: str) -> None:
        """One line for the reader of the log."""


class Silent:
    """The default: says nothing."""

    def update(self, what: str, done: int, total: int | None = None, note: str = "") -> None:
        pass

    def log(self, message: str) -> None:
        pass


SILENT = Silent()


def track(items: Iterable[T], what: str, progress: Progress, total: int | None = None) -> Iterator[T]:
    """Yield `items` and report each finished one."""
    if total is None and hasattr(items, "__len__"):
        total = len(items)  # type: ignore[arg-type]
    progress.update(what, 0, total)
    for done, item in enumerate(items, 1):
        yield item
        progress.update(what, done, total)


class TimeLeft:
    """How long work will still take, at the pace of its last `window` updates.

    The pace of late, because a run that goes on after a stop passes over what is finished in no time.
    """

    def __init__(self, window: int = 50, clock: Callable[[], float] = time.monotonic) -> None:
        self._window = window
        self._clock = clock
        self._updates: dict[str, deque[tuple[float, int]]] = {}

    def seconds(self, what: str, done: int, total: int | None) -> float | None:
        """Seconds until `done` reaches `total`, noting that `done` units are finished now; None while unknown."""
        seen = self._updates.setdefault(what, deque(maxlen=self._window))
        if seen and done < seen[-1][1]:  # the same work anew
            seen.clear()
        seen.append((self._clock(), done))
        passed, units = seen[-1][0] - seen[0][0], seen[-1][1] - seen[0][1]
        if total is None or units <= 0 or passed <= 0:
            return None
        return (total - done) * passed / units

    def text(self, what: str, done: int, total: int | None) -> str:
        """As `seconds`, as ", 2 h 05 min left"; empty while unknown, when done, and under ten seconds."""
        seconds = self.seconds(what, done, total)
        return "" if seconds is None or seconds < 10 else f", {duration(seconds)} left"


def duration(seconds: float) -> str:
    """Seconds as people say them: 45 s, 12 min, 2 h 05 min, 3 d 04 h."""
    minutes = round(seconds / 60)
    if seconds < 90:
        return f"{seconds:.0f} s"
    if minutes < 60:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02} min" if hours < 48 else f"{hours // 24} d {hours % 24:02} h"
