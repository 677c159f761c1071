"""Compare two answers symbolically with math-verify, in worker processes that can be killed.

math-verify stops itself with signals, works on the main thread only, and an answer such as 9^9^9^9 can hold the
interpreter inside one long C call. So every comparison runs in a child interpreter that speaks one JSON line per
request (`verify_worker`); a child that misses the deadline is killed and replaced. Children start at first use,
hold no state between requests and end with this process.
"""

import atexit
import json
import queue
import select
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

from ..records import Verdict

START_SECONDS = 120.0
"""How long a child may take to import sympy on a busy machine."""

_IMPORT_ROOT = Path(__file__).parents[2]
"""The folder this package is imported from; `python -m` looks for it in the working folder."""


class VerifierError(RuntimeError):
    """The comparison processes cannot be started; the message holds what the child said."""


class VerifierPool:
    """Up to `workers` child interpreters, started when needed. Safe to use from several threads."""

    def __init__(self, workers: int = 1):
        self._idle: queue.LifoQueue[subprocess.Popen | None] = queue.LifoQueue()
        for _ in range(workers):
            self._idle.put(None)
        self._children: set[subprocess.Popen] = set()
        self._lock = threading.Lock()

    def compare(self, reference: str, answer: str, timeout_seconds: float, tolerance: float = 0.0) -> Verdict:
        """CORRECT, WRONG, GOLD_UNPARSABLE, or TIMEOUT when no result came within `timeout_seconds`.

        With a `tolerance` the values are compared instead, and may be that far apart (absolute). The time to start a
        child is not counted. A child that dies (memory limit) counts as TIMEOUT: the pair was too costly to compare.
        """
        child = self._idle.get()
        try:
            if child is None or child.poll() is not None:
                child = self._start()
            request = {"reference": reference, "answer": answer, "tolerance": tolerance}
            reply = _ask(child, request, timeout_seconds)
            if reply is None:
                self._kill(child)
                child = None
                return Verdict.TIMEOUT
            return Verdict(reply["verdict"])
        finally:
            self._idle.put(child)

    def close(self) -> None:
        """End all children; the next comparison starts new ones."""
        for child in list(self._children):
            self._kill(child)

    def _start(self) -> subprocess.Popen:
        child = subprocess.Popen(
            [sys.executable, "-m", "dsmath_pipeline.grading.verify_worker"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=_IMPORT_ROOT,
        )  # fmt: skip
        with self._lock:
            self._children.add(child)
        if _read_line(child, START_SECONDS) is None:
            self._kill(child)
            said = child.stderr.read().decode(errors="replace")[-500:] if child.stderr else ""
            raise VerifierError(
                f"the symbolic comparison (math-verify) did not start: {said.strip() or 'no reason given'}"
            )
        threading.Thread(target=_drain, args=(child,), daemon=True).start()
        return child

    def _kill(self, child: subprocess.Popen) -> None:
        child.kill()
        child.wait()
        with self._lock:
            self._children.discard(child)


_POOL: VerifierPool | None = None
_POOL_LOCK = threading.Lock()


def shared_pool(workers: int = 2) -> VerifierPool:
    """The pool of this process, made on first use and closed at exit."""
    global _POOL
    with _POOL_LOCK:
        if _POOL is None:
            _POOL = VerifierPool(workers)
            atexit.register(_POOL.close)
        return _POOL


def _ask(child: subprocess.Popen, request: dict[str, Any], timeout_seconds: float) -> dict[str, Any] | None:
    assert child.stdin is not None
    try:
        child.stdin.write(json.dumps(request).encode() + b"\n")
        child.stdin.flush()
    except BrokenPipeError:
        return None
    line = _read_line(child, timeout_seconds)
    return None if line is None else json.loads(line)


def _read_line(child: subprocess.Popen, timeout_seconds: float) -> bytes | None:
    """The next line of the child's output, None at the deadline or when it ended. Replies fit into one pipe write."""
    assert child.stdout is not None
    deadline = time.monotonic() + timeout_seconds
    ready, _, _ = select.select([child.stdout], [], [], max(0.0, deadline - time.monotonic()))
    if not ready:
        return None
    line = child.stdout.readline()
    return line if line.endswith(b"\n") else None


def _drain(child: subprocess.Popen) -> None:
    """Read the child's warnings away, so that a full pipe never stops it."""
    if child.stderr:
        while child.stderr.read(65536):
            pass
