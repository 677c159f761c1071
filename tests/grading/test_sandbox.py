"""What programs get inside the sandbox, how their ends are named, and when the sandbox refuses to start."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from dsmath_pipeline.grading import bubblewrap, sandbox_tiers
from dsmath_pipeline.grading import sandbox as sandbox_module
from dsmath_pipeline.grading.sandbox import Limits, Sandbox, SandboxUnavailable, available_walls

WALLS = available_walls()
FAST = Limits(cpu_seconds=1, wall_seconds=20.0)
needs_jail = pytest.mark.skipif(
    not (WALLS["bubblewrap"] and WALLS["seccomp"]), reason=f"no bubblewrap jail on this machine: {WALLS}"
)


@pytest.fixture(scope="module")
def sandbox():
    if not (WALLS["bubblewrap"] and WALLS["seccomp"]):
        pytest.skip(f"no bubblewrap jail on this machine: {WALLS}")
    with Sandbox(workers=2) as running:
        yield running


def run_one(sandbox, program, limits=None, stdin=""):
    return sandbox.run([program], limits, stdins=[stdin])[0]


def test_programs_print_their_results_in_order(sandbox):
    results = sandbox.run([f"print({n} * {n})" for n in range(6)])
    assert [r.stdout for r in results] == ["0\n", "1\n", "4\n", "9\n", "16\n", "25\n"]
    assert {r.status for r in results} == {"ok"}


def test_numpy_and_sympy_work_inside(sandbox):
    (numbers, algebra, lazy) = sandbox.run(
        [
            "import numpy as np\nprint(round(float(np.linalg.det(np.diag([2.0, 3.0]))), 6))",
            "from sympy import *\nx = symbols('x')\nprint(solve(x**2 - 5*x + 6, x), integrate(x**2, x))",
            "print(__import__('sym' + 'py').factorint(12))",  # not named: the small server imports it itself
        ]
    )
    assert numbers.stdout == "6.0\n"
    assert algebra.stdout == "[2, 3] x**3/3\n"
    assert lazy.stdout == "{2: 2, 3: 1}\n"


def test_the_standard_library_can_be_imported_late(sandbox):
    names = "asyncio, calendar, csv, dataclasses, enum, json, sqlite3, unittest, zoneinfo, sympy.plotting, numpy.fft"
    assert run_one(sandbox, f"import {names}\nprint(7)").stdout == "7\n"
    with_classes = "import dataclasses\n@dataclasses.dataclass\nclass A:\n    x: 'int' = 3\nprint(A(), __name__)"
    assert run_one(sandbox, with_classes).stdout == "A(x=3) __main__\n"


def test_packages_beside_the_named_ones_cannot_be_imported(sandbox):
    for name in ("pytest", "pyarrow", "dsmath_pipeline", "pip"):
        result = run_one(sandbox, f"import {name}")
        assert result.status == "error" and "ModuleNotFoundError" in result.stderr


def test_programs_read_what_they_are_given_and_nothing_without_it(sandbox):
    program = "import sys\nprint(sum(int(word) for word in sys.stdin.read().split()))"
    results = sandbox.run([program] * 3, stdins=["1 2 3", "", "40\n2\n"])
    assert [r.stdout for r in results] == ["6\n", "0\n", "42\n"]
    assert run_one(sandbox, "print(input())", stdin="数学 é\nmore").stdout == "数学 é\n"
    assert "EOFError" in run_one(sandbox, "input()").stderr
    big = "x" * 3_000_000  # more than a pipe holds
    assert run_one(sandbox, "print(len(input()))", stdin=big).stdout == "3000000\n"
    assert "PermissionError" in run_one(sandbox, "import os\nos.write(0, b'y')", stdin="x").stderr
    with pytest.raises(ValueError, match="2 programs, but 1 texts"):
        sandbox.run(["1", "2"], stdins=[""])


def test_errors_are_reported_with_the_program_s_own_traceback(sandbox):
    result = run_one(sandbox, "print('before')\ndef f(x):\n    return 1 / x\nf(0)")
    assert (result.status, result.stdout) == ("error", "before\n")
    assert "ZeroDivisionError" in result.stderr and 'File "<program>", line 3, in f\n    return 1 / x' in result.stderr
    assert "sandbox" not in result.stderr
    assert "SyntaxError" in run_one(sandbox, "x = = 1").stderr


@pytest.mark.parametrize(
    ("program", "status", "stderr"),
    [
        ("raise SystemExit(0)", "ok", ""),
        ("raise SystemExit(3)", "error", ""),
        ("raise SystemExit('no solution')", "error", "no solution\n"),
        ("exit()", "ok", ""),
        ("import os\nos._exit(0)", "ok", ""),
        ("'\\ud800'.encode()", "error", None),
        ("x = '\ud800'", "error", None),
        ("x = 1\0", "error", None),
    ],
)
def test_exits_are_named(sandbox, program, status, stderr):
    result = run_one(sandbox, program)
    assert result.status == status
    assert stderr is None or result.stderr == stderr


@pytest.mark.parametrize("package", ["", "import sympy\n"])
@pytest.mark.parametrize(
    ("program", "status"),
    [
        # What the sandbox itself says about its walls, about memory: a program that says it is only a failed program.
        ("import sys\nsys.stderr.write('the walls could not be raised: x')\nsys.exit(96)", "error"),
        ("import sys\nsys.exit(97)", "error"),
        ('import os\nos.write(1, b"\\0\\0\\0\\x0e{\\"status\\": \\"infra\\"}")\nos._exit(96)', "error"),
        ("import os\nfor d in range(3, 99):\n    try: os.write(d, b'infra')\n    except OSError: pass", "ok"),
        ("import os\nos._exit = lambda code: None\nraise SystemExit(5)", "error"),
        ("class E:\n    def __str__(self): raise KeyboardInterrupt\nraise SystemExit(E())", "error"),
    ],
)
def test_a_program_cannot_pass_for_a_failure_of_the_sandbox(sandbox, package, program, status):
    result, alive = sandbox.run([package + program, "print(7)"])
    assert result.status == status, result
    assert alive.stdout == "7\n"


@pytest.mark.parametrize(
    ("program", "status"),
    [
        ("while True: pass", "timeout"),
        ("x = bytearray(8 << 30)", "memory"),
        ("import numpy as np\nnp.ones(1 << 30)", "memory"),
        ("while True: print('x' * 10000)", "output_limit"),
        ("import os\nfor i in range(10**6): os.close(os.open(f'f{i}', os.O_CREAT))", "file_limit"),
        ("import ctypes\nctypes.string_at(0)", "killed"),
        ("def f(n): return f(n + 1)\nf(0)", "error"),
    ],
)
def test_runaway_programs_are_stopped_and_named(sandbox, program, status):
    result, alive = sandbox.run([program, "print(7)"], FAST)
    assert result.status == status, result
    assert alive.stdout == "7\n"


def test_output_up_to_the_limit_is_kept_and_no_more(sandbox):
    limits = Limits(output_bytes=1000)
    assert run_one(sandbox, "print('x' * 999)", limits).status == "ok"
    result = run_one(sandbox, "import sys\nprint('x' * 999)\nprint('y' * 10, file=sys.stderr)", limits)
    assert result.status == "output_limit" and len(result.stdout) <= 1000


def test_a_sleeper_is_stopped_by_the_wall_clock(sandbox):
    short = Limits(wall_seconds=0.5)
    assert run_one(sandbox, "import time\ntime.sleep(60)", short).status == "timeout"
    assert run_one(sandbox, "import os, time\nos.close(1)\nos.close(2)\ntime.sleep(60)", short).status == "timeout"


def test_random_numbers_differ_from_program_to_program(sandbox):
    for program in ("import random\nprint(random.random())", "import numpy as np\nprint(np.random.rand())"):
        assert len({result.stdout for result in sandbox.run([program] * 4)}) == 4


@pytest.mark.slow
@needs_jail
def test_what_a_program_leaves_is_gone_even_if_it_cannot_be_removed():
    with Sandbox(workers=1) as single:
        (jail,) = single._all
        first = jail.process.pid
        listing = "import os\nprint(os.listdir('.'))"
        assert run_one(single, "open('note', 'w').write('x')\nprint(open('note').read())").stdout == "x\n"
        assert run_one(single, listing).stdout == "[]\n"
        deep = "import os\nfor _ in range(900):\n    os.mkdir('d')\n    os.chdir('d')\nprint('deep')"
        assert run_one(single, deep).stdout == "deep\n"
        assert run_one(single, listing).stdout == "[]\n"
        first = jail.process.pid
        assert run_one(single, "import os\nos.mkdir('d', 0o300)\nopen('d/f', 'w')\nprint('made')").stdout == "made\n"
        assert run_one(single, listing).stdout == "[]\n"
        assert jail.process.pid != first  # a folder that cannot be read cannot be emptied: the jail was replaced


@pytest.mark.slow
@needs_jail
def test_a_worker_replaced_in_a_thread_outlives_the_thread():
    with Sandbox(workers=1) as single:
        for jail in single._all:
            os.killpg(jail.process.pid, signal.SIGKILL)
            jail.process.wait()
        found = []
        thread = threading.Thread(target=lambda: found.extend(single.run(["print(1)"])))
        thread.start()
        thread.join()
        assert found[0].stdout == "1\n"  # run again on the new worker
        assert single.run(["print(2)"])[0].stdout == "2\n"


def processes_of_session(leader):
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            state, _, _, session = stat.read_text().rpartition(")")[2].split()[:4]
            found += [stat.parent.name] if int(session) == leader and state != "Z" else []
    return found


@needs_jail
@pytest.mark.slow
@pytest.mark.parametrize("accept", ["full", "weaker"])
def test_a_killed_parent_leaves_nothing_behind(accept):
    script = f"""
import time
from dsmath_pipeline.grading import bubblewrap
from dsmath_pipeline.grading.sandbox import Sandbox
if {accept == "weaker"}: bubblewrap.shutil.which = lambda _: None
sandbox = Sandbox(accept={accept!r})
print(sandbox._all[0].process.pid, flush=True)
time.sleep(60)
"""
    parent = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, cwd=Path(__file__).parents[2])
    assert parent.stdout
    jail = int(parent.stdout.readline())
    assert len(processes_of_session(jail)) >= 2
    parent.kill()
    parent.communicate()
    deadline = time.monotonic() + 10
    while processes_of_session(jail) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert processes_of_session(jail) == []


@needs_jail
def test_walls_that_cannot_be_raised_stop_the_program(monkeypatch, tmp_path):
    text = sandbox_tiers.WALLS_FILE.read_text()
    broken = f"{text}\n\ndef enter_seccomp():\n    raise WallError('no filter today')\n"
    (tmp_path / "walls.py").write_text(broken)
    monkeypatch.setattr(sandbox_tiers, "WALLS_FILE", tmp_path / "walls.py")
    with pytest.raises(SandboxUnavailable, match="no filter today"):
        Sandbox(accept="full")


def test_without_walls_nothing_runs_and_the_message_says_why(monkeypatch):
    monkeypatch.setattr(bubblewrap.shutil, "which", lambda _: None)
    monkeypatch.delenv(sandbox_tiers.SETTING, raising=False)
    with pytest.raises(SandboxUnavailable, match=r"bubblewrap .* not installed") as caught:
        Sandbox()
    assert "DSMATH_SANDBOX=weaker" in str(caught.value)
    assert available_walls()["bubblewrap"] is False


def test_weaker_walls_are_used_only_when_asked_for_and_said_aloud(monkeypatch, capfd):
    if not (WALLS["landlock"] and WALLS["seccomp"]):
        pytest.skip(f"no Landlock on this machine: {WALLS}")
    monkeypatch.setattr(bubblewrap.shutil, "which", lambda _: None)
    monkeypatch.setenv(sandbox_tiers.SETTING, "weaker")
    with Sandbox() as weaker:
        assert weaker.tier == "landlock"
        assert run_one(weaker, "print(7)").stdout == "7\n"
    assert "WARNING" in capfd.readouterr().err
    monkeypatch.setattr(sandbox_tiers.walls, "landlock_version", lambda: 0)
    with pytest.raises(SandboxUnavailable, match="Landlock is absent"):
        Sandbox()
    with Sandbox(accept="unisolated") as open_air:
        assert open_air.tier == "unisolated"
        assert run_one(open_air, "import os\nprint(len(os.listdir('/')) > 3)").stdout == "True\n"
    assert "UNISOLATED" in capfd.readouterr().err
    monkeypatch.setenv(sandbox_tiers.SETTING, "none")
    with pytest.raises(ValueError, match="unknown sandbox setting 'none'"):
        Sandbox()


@needs_jail
def test_a_failed_self_test_refuses(monkeypatch):
    monkeypatch.setattr(sandbox_module, "_SELF_TEST", "print(\"broken: ['network']\")")
    with pytest.raises(SandboxUnavailable, match="found holes"):
        Sandbox(accept="full")
