"""The child process of a benchmark: reads calls from stdin as JSON lines, answers on stdout, measures CPU time.

CPU time is user and system time of this process and of everything below it, children that still live included, because
some contenders work in a process of their own.
"""

import importlib
import json
import os
import resource
import sys
import time
import traceback
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")


def cpu_seconds() -> float:
    """CPU seconds of this process and all its descendants, living or reaped."""
    own = resource.getrusage(resource.RUSAGE_SELF)
    reaped = resource.getrusage(resource.RUSAGE_CHILDREN)
    return own.ru_utime + own.ru_stime + reaped.ru_utime + reaped.ru_stime + _living_descendants()


def _living_descendants() -> float:
    """CPU seconds of the processes below this one, and of the children that they have reaped."""
    parents: dict[int, tuple[int, float]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue  # it ended meanwhile
        ticks = sum(int(fields[at]) for at in (11, 12, 13, 14))  # utime, stime, cutime, cstime
        parents[int(stat.parent.name)] = (int(fields[1]), ticks / _TICKS)
    total, generation = 0.0, {os.getpid()}
    while generation:
        generation = {process for process, (parent, _) in parents.items() if parent in generation}
        total += sum(parents[process][1] for process in generation)
    return total


def main() -> None:
    """Answer calls until stdin ends."""
    core = os.environ.get("DSMATH_BENCH_CORE")
    if core:
        os.sched_setaffinity(0, {int(core)})
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever a library prints stays out of the answers
    for line in sys.stdin:
        request = json.loads(line)
        try:
            module, _, name = request["call"].rpartition(":")
            prepare = getattr(importlib.import_module(module or "benchmarks.contenders"), name)
            call = prepare(**request["arguments"])
            before, started = cpu_seconds(), time.perf_counter()
            answer = call()
            answer |= {"cpu_seconds": cpu_seconds() - before, "wall_seconds": time.perf_counter() - started}
        except ImportError as error:
            answer = {"missing": f"{error.name or error} is not installed"}
        except Exception as error:
            traceback.print_exc()
            answer = {"error": f"{type(error).__name__}: {error}"}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
