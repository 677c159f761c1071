"""The warm sandbox beside fresh interpreters: programs a minute and CPU time a program, all in bubblewrap jails.

    python -m benchmarks.sandbox [--quick] [--rounds N] [--out DIR]

Contenders, on the same programs, two at a time on two cores, in turns within every round:

- warm: `grading.sandbox`, a fork server in a jail for each of two workers;
- fresh, same walls: for each program a new jail and a new interpreter, which raises the same inner walls and runs it;
- fresh, jail only: the same without the inner walls.

Kinds of programs: plain (standard library only), sympy, numpy, and, where `$DSMATH_REAL_DATA` is set, programs of
published solutions: of GSM8K, and of MATH those with sympy. Reported for each kind: medians of programs a minute and of
CPU milliseconds a program (jails and their children included), and how many times as many programs a minute warm runs
as each of the others (median of the ratios within the rounds; other work on the machine slows all contenders of a round
alike). Prints tables and writes benchmarks/results/sandbox.json.
"""

import contextlib
import ctypes
import json
import os
import re
import statistics
import subprocess
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from typing import Any

from benchmarks import common
from benchmarks.worker import cpu_seconds
from dsmath_pipeline.grading.sandbox import Limits, Sandbox
from dsmath_pipeline.grading.sandbox_tiers import server_command

WORKERS = 2
WARM, SAME_WALLS, JAIL_ONLY = "warm", "fresh, same walls", "fresh, jail only"

PLAIN = [
    "def eggs():\n    laid, eaten, baked = 16, 3, 4\n    return (laid - eaten - baked) * 2\nprint(eggs())",
    "total = 0\nfor day in range(1, 31):\n    total += day * 3 if day % 7 else 0\nprint(total)",
    "import math\nprint(math.comb(52, 5), math.gcd(84, 126))",
    "from fractions import Fraction\nprint(sum(Fraction(1, n) for n in range(1, 20)))",
    "from itertools import permutations\nprint(sum(p[0] < p[-1] for p in permutations(range(6))))",
]
SYMPY = [
    "from sympy import *\nx = symbols('x')\nprint(solve(x**2 - 5*x + 6, x))",
    "from sympy import *\nx, y = symbols('x y')\nprint(solve((Eq(2*x + y, 11), Eq(x - y, 1)), (x, y)))",
    "from sympy import *\nx = symbols('x')\nprint(integrate(x * sin(x), x), diff(exp(x**2), x))",
    "import sympy\nprint(sympy.factorint(2**31 - 2), sympy.totient(360))",
    "from sympy import *\nx = symbols('x')\nprint(simplify((x**3 - 1) / (x - 1)), expand((x + 1)**5))",
]
NUMPY = [
    "import numpy as np\nprint(np.linalg.solve(np.array([[2.0, 1], [1, -1]]), np.array([11.0, 1])))",
    "import numpy as np\nprint(np.arange(1000).reshape(10, 100).sum(axis=1))",
]

# The fresh interpreter inside the jail: no fork, the walls go up around it.
_FRESH = """
import importlib.util, json, os, sys
config, limits = json.loads(sys.argv[1]), json.loads(sys.argv[2])
null = os.open("/dev/null", os.O_RDWR)
for number in range(3, 10):
    os.dup2(null, number)
spec = importlib.util.spec_from_file_location("inner", "/inner/sandbox_inner.py")
inner = importlib.util.module_from_spec(spec)
spec.loader.exec_module(inner)
sys.meta_path.insert(0, inner.Packages(config["packages"]))
if limits:
    inner.make_launcher(config).be_child(sys.argv[3], limits, [0, 1, 2, null])
exec(compile(sys.argv[3], "<program>", "exec"), {"__name__": "__main__"})
"""


def fresh(program: str, with_walls: bool) -> str:
    """Run one program in a jail and an interpreter of its own; returns what it printed."""
    command, environment = server_command("bubblewrap")
    config = command.pop()
    limits = json.dumps(asdict(Limits()) if with_walls else {})
    command = [*command[:-1], "-c", _FRESH, config, limits, program]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout


def run_fresh(programs: list[str], with_walls: bool) -> dict[str, Any]:
    """Run programs with `fresh`, WORKERS at a time, in a process of its own: outputs, cpu_seconds and wall_seconds.

    bubblewrap leaves the first process of each jail to others; here it comes to this process, which counts its time.
    """
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)  # orphans below become children of this process
        before, started = cpu_seconds(), time.perf_counter()
        with ThreadPoolExecutor(WORKERS) as threads:
            outputs = list(threads.map(lambda program: fresh(program, with_walls), programs))
        wall_seconds = time.perf_counter() - started
        with contextlib.suppress(ChildProcessError):
            while True:
                os.waitpid(-1, 0)
        answer = {"outputs": outputs, "cpu_seconds": cpu_seconds() - before, "wall_seconds": wall_seconds}
        with os.fdopen(writer, "w") as file:
            json.dump(answer, file)
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as file:
        answer = json.load(file)
    os.waitpid(child, 0)
    return answer


def run_warm(programs: list[str], sandbox: Sandbox) -> dict[str, Any]:
    """The same in the warm sandbox."""
    before, started = cpu_seconds(), time.perf_counter()
    outputs = [result.stdout for result in sandbox.run(programs)]
    return {
        "outputs": outputs, "cpu_seconds": cpu_seconds() - before, "wall_seconds": time.perf_counter() - started
    }  # fmt: skip


def published_programs(file: str) -> list[str]:
    """Programs of published solutions that printed something; [] without real data."""
    data = common.real_data()
    if data is None:
        return []
    text = (data / "benchmarks" / "grader_parity" / file).read_text(encoding="utf-8")
    found = []
    for row in map(json.loads, text.splitlines()):
        solution = row["code"][0] if "code" in row else row["messages"][1]["content"]
        match = re.search(r"```python[ \t]*\n(.*?)```\s*```output\n(?!.*Error)", solution, re.DOTALL)
        found += [match[1]] if match else []
    return found


def measure(programs: list[str], rounds: int, num_fresh: int, num_warm: int, sandbox: Sandbox) -> dict[str, Any]:
    """For each contender programs_per_minute and cpu_milliseconds; `times_as_many`: warm over each of the others.

    A round runs `num_fresh` programs in each fresh way and `num_warm` in the warm one. Raises AssertionError when two
    contenders print different things.
    """
    calls = {
        SAME_WALLS: (num_fresh, lambda chosen: run_fresh(chosen, True)),
        WARM: (num_warm, lambda chosen: run_warm(chosen, sandbox)),
        JAIL_ONLY: (num_fresh, lambda chosen: run_fresh(chosen, False)),
    }
    figures: dict[str, list[tuple[float, float]]] = {name: [] for name in calls}
    for _ in range(rounds):
        printed = []
        for name, (number, run) in calls.items():
            chosen = [programs[at % len(programs)] for at in range(number)]
            answer = run(chosen)
            printed.append(answer["outputs"][:num_fresh])
            per_minute = 60 * number / answer["wall_seconds"]
            figures[name].append((per_minute, 1000 * answer["cpu_seconds"] / number))
        assert all(outputs == printed[0] for outputs in printed), "contenders printed different things"
    found: dict[str, Any] = {
        name: {
            "programs_per_minute": common.rounded(statistics.median(rate for rate, _ in rows)),
            "cpu_milliseconds": common.rounded(statistics.median(cpu for _, cpu in rows)),
        }
        for name, rows in figures.items()
    }
    for name in (SAME_WALLS, JAIL_ONLY):
        pairs = list(zip(figures[WARM], figures[name], strict=True))
        found[name]["warm_runs_times_as_many"] = common.rounded(statistics.median(w[0] / f[0] for w, f in pairs))
        found[name]["warm_needs_cpu_share"] = common.rounded(statistics.median(w[1] / f[1] for w, f in pairs))
    return found


def short_programs(programs: list[str], sandbox: Sandbox) -> list[str]:
    """Those that end well, and soon: a program that computes for seconds says nothing about what surrounds it."""
    results = sandbox.run(programs)
    return [
        text for text, result in zip(programs, results, strict=True) if result.status == "ok" and result.seconds < 2
    ]


def main(arguments: list[str] | None = None) -> None:
    parser = common.arguments(__doc__, rounds=5)
    kinds: dict[str, Callable[[], list[str]]] = {
        "plain": lambda: PLAIN,
        "sympy": lambda: SYMPY,
        "numpy": lambda: NUMPY,
        "gsm8k": lambda: published_programs("gsm8k_tool_integrated_outputs.jsonl")[:300],
        "math_sympy": lambda: [p for p in published_programs("tool_integrated_examples.jsonl") if "sympy" in p],
    }
    parser.add_argument("--kinds", nargs="+", choices=list(kinds), default=list(kinds), help="default: all of them")
    options = parser.parse_args(arguments)
    rounds, num_fresh, num_warm = (1, 4, 20) if options.quick else (options.rounds, 20, 300)
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:WORKERS])
    written = options.out
    with Sandbox(WORKERS, accept="full") as sandbox:
        for kind in options.kinds:
            programs = short_programs(kinds[kind](), sandbox)
            if not programs:
                continue
            measured = measure(programs, rounds, num_fresh, num_warm, sandbox)
            columns = ("way", "programs a minute", "CPU ms a program", "warm runs times as many")
            rows = [
                (name, row["programs_per_minute"], row["cpu_milliseconds"], row.get("warm_runs_times_as_many", ""))
                for name, row in measured.items()
            ]
            print(f"\n{kind}\n\n{common.markdown_table(columns, rows)}", flush=True)
            result = {kind: {"programs": len(programs), "rounds": rounds, "measured": measured}}
            written = common.write_result(options.out, "sandbox", result)
    print(f"\nwritten: {written}")


if __name__ == "__main__":
    main()
