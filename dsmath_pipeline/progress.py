"""How a long-running function tells its caller how far it is.

The library never prints. A function takes a `Progress` and calls it; the command line draws bars with it, the
Dagster assets write log lines with it, tests leave it out.
"""

from collections.abc import Iterable, Iterator
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
