"""One request rate for all processes of a machine: who asks gets a time slot, and a server's "wait" holds for everyone.

The state is one number in a locked file, so that worker processes, several runs and Dagster steps that share the file
share the rate. Not in the paper: fetching is not described; Common Crawl asks for one try a second at most.
"""

import contextlib
import fcntl
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO


class RateLimiter:
    """At most `per_second` requests a second over every process that uses the file `state`.

    `clock` and `sleep` are replaced in tests; `clock` gives Unix time, which processes agree on.
    """

    def __init__(
        self,
        state: Path,
        per_second: float,
        *,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.interval = 1.0 / per_second
        self._state, self._clock, self._sleep = state, clock, sleep
        state.parent.mkdir(parents=True, exist_ok=True)

    def wait(self) -> float:
        """Sleep until it is this caller's turn; seconds slept.

        A pause that comes meanwhile holds for those who sleep already, too.
        """
        slept = 0.0
        with self._locked() as file:
            slot = max(self._clock(), self._read(file))
            self._write(file, slot + self.interval)
        while (left := slot - self._clock()) > 0:
            self._sleep(left)
            slept += left
            with self._locked() as file:
                pause = self._read_pause(file)
            if pause > slot:
                return slept + self.wait()
        return slept

    def pause(self, seconds: float) -> None:
        """Nobody asks for the next `seconds`: a server said so."""
        with self._locked() as file:
            until = self._clock() + seconds
            self._write(file, max(until, self._read(file)), max(until, self._read_pause(file)))

    @contextlib.contextmanager
    def _locked(self) -> Iterator[BinaryIO]:
        with self._state.open("a+b") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield file

    def _read(self, file: BinaryIO) -> float:
        return self._numbers(file)[0]

    def _read_pause(self, file: BinaryIO) -> float:
        return self._numbers(file)[1]

    def _write(self, file: BinaryIO, slot: float, pause: float | None = None) -> None:
        kept = self._read_pause(file) if pause is None else pause
        file.seek(0)
        file.truncate()
        file.write(f"{slot!r} {kept!r}".encode())

    @staticmethod
    def _numbers(file: BinaryIO) -> tuple[float, float]:
        file.seek(0)
        try:
            slot, pause = map(float, file.read().split())
        except ValueError:  # a new file, or one that a killed process left empty
            return 0.0, 0.0
        return slot, pause
