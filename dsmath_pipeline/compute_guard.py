"""What a shard function and the engines share: the guard around items, the errors, the verdict on a shard.

No engine is imported here; see compute.py for the calls that stages make.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

TIMEOUT, CRASH = "timeout", "crash"
MAX_TRIES = 3
"""Deaths of a shard's worker, without a guilty item, after which the shard is given up."""
MAX_BAD_ITEMS = 100
"""Items of one shard that may kill a worker; with more, something else is wrong than bad data."""
NO_ITEM = -1
ITEM, TURN, LIMIT = range(3)
"""What a worker's three shared integers hold: its item, how many it entered, the item's limit in microseconds."""
_MIN_LEFT_OUT = 3
_LEFT_OUT_SHARE = 0.01


class ShardError(RuntimeError):
    """A shard could not be processed; the message names it."""


class EngineError(RuntimeError):
    """The engine that the environment asks for cannot be used; the message says what to set or install."""


@dataclass(frozen=True)
class LeftOut:
    """Stands in the place of a shard's result: the shard killed its process each time. `reason` is one sentence."""

    reason: str


class ItemGuard:
    """What a guarded function tells about its progress through a shard, and learns about earlier tries.

    `bad_items`: items that killed a worker, with TIMEOUT or CRASH; the function leaves them out. Around the work on an
    item (a non-negative integer that is unique in the shard) it calls `enter` and `leave`; both cost microseconds.
    The plain `ItemGuard()` limits nothing: for calls in this process, where death would be the caller's.
    """

    def __init__(self, bad_items: Mapping[int, str] | None = None, place: Any = None) -> None:
        self.bad_items = dict(bad_items or {})
        self._place = place

    def enter(self, item: int, seconds: float) -> None:
        """Work on an item begins. The process is killed unless `leave` is called within `seconds` of processor time.

        Processor time, so that a busy machine drops no items; ten times that by the clock, for code that waits for
        ever. Checked four times a second.
        """
        if self._place is not None:
            self._place[LIMIT] = int(seconds * 1e6)
            self._place[TURN] += 1
            self._place[ITEM] = item

    def leave(self) -> None:
        """The item is done."""
        if self._place is not None:
            self._place[ITEM] = NO_ITEM


def describe(shard: Any, error: Exception) -> str:
    """One line: the shard and what was raised."""
    return f"{shard}: {type(error).__name__}: {error}"


def judge_left_out(shards: Sequence[Any], may_leave_out: bool, results: Mapping[int, Any]) -> None:
    """Raise ShardError when a shard was given up and the stage cannot, or should not, go on without it.

    A few poisoned shards are bad data; more than three and one in a hundred, or all there are, is a fault of the
    machine or the program, and leaving them out would hide it.
    """
    lost = {index: result for index, result in results.items() if isinstance(result, LeftOut)}
    if not lost:
        return
    index, first = next(iter(lost.items()))
    if not may_leave_out:
        raise ShardError(f"{shards[index]}: {first.reason}; start again: finished shards are kept")
    if len(lost) > max(_MIN_LEFT_OUT, _LEFT_OUT_SHARE * len(shards)) or len(lost) == len(shards):
        raise ShardError(
            f"{len(lost)} of {len(shards)} shards kill their process, the first is {shards[index]}: {first.reason}; "
            "too many for bad data: look for the cause, then start again: finished shards are kept"
        )
