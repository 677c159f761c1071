"""Attacks on the sandbox. Each program prints ESCAPED when it got through; none may."""

import os
import signal
import threading

import pytest

from dsmath_pipeline.grading import sandbox as sandbox_module
from dsmath_pipeline.grading.sandbox import Limits, Sandbox, SandboxUnavailable, available_walls

WALLS = available_walls()
FAST = Limits(cpu_seconds=1, wall_seconds=20.0)


@pytest.fixture(scope="module")
def sandbox():
    if not (WALLS["bubblewrap"] and WALLS["seccomp"]):
        pytest.skip(f"no bubblewrap jail on this machine: {WALLS}")
    with Sandbox(workers=2) as running:
        yield running


@pytest.fixture(scope="module")
def landlock_sandbox():
    if not (WALLS["landlock"] and WALLS["seccomp"]):
        pytest.skip(f"no Landlock on this machine: {WALLS}")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sandbox_module.shutil, "which", lambda _: None)
        running = Sandbox(allow_weaker=True)
    with running:
        assert running.tier == "landlock"
        yield running


def test_programs_print_their_results_in_order(sandbox):
    results = sandbox.run([f"print({n} * {n})" for n in range(6)])
    assert [r.stdout for r in results] == ["0\n", "1\n", "4\n", "9\n", "16\n", "25\n"]
    assert {r.status for r in results} == {"ok"}


def test_numpy_and_sympy_work_inside(sandbox):
    (numbers, algebra) = sandbox.run(
        [
            "import numpy as np\nprint(round(float(np.linalg.det(np.diag([2.0, 3.0]))), 6))",
            "from sympy import *\nx = symbols('x')\nprint(solve(x**2 - 5*x + 6, x), integrate(x**2, x))",
        ]
    )
    assert numbers.stdout == "6.0\n"
    assert algebra.stdout == "[2, 3] x**3/3\n"


def test_errors_are_reported_with_the_program_s_own_traceback(sandbox):
    (result,) = sandbox.run(["print('before')\n1 / 0"])
    assert (result.status, result.stdout) == ("error", "before\n")
    assert "ZeroDivisionError" in result.stderr and 'File "<program>", line 2' in result.stderr
    assert "sandbox" not in result.stderr


ATTACKS = {
    "network socket": "import socket\nsocket.socket()",
    "network lookup": "import socket\nsocket.create_connection(('127.0.0.1', 22), 1)",
    "raw socket families": "import socket\nsocket.socket(40, socket.SOCK_STREAM)",
    "reading passwords": "open('/etc/passwd').read()",
    "reading the process list": "import os\nos.listdir('/proc')",
    "writing into the interpreter": "import sys\nopen(sys.prefix + '/x', 'w')",
    "writing into a package": "import sympy\nopen(sympy.__file__, 'a')",
    "writing to the root": "open('/x', 'w')",
    "fork": "import os\nif os.fork() == 0: os._exit(0)",
    "subprocess": "import subprocess\nsubprocess.run(['/bin/true'], check=True)",
    "exec": "import os\nos.execv('/bin/sh', ['sh', '-c', 'echo ESCAPED'])",
    "threads": "import threading\nthreading.Thread(target=print).start()",
    "signal to the fork server": "import os\nos.kill(os.getppid(), 9)",
    "signal by file owner": "import fcntl, os\nr, w = os.pipe()\nfcntl.fcntl(r, fcntl.F_SETOWN, os.getppid())",
    "limits of the fork server": "import os, resource\nresource.prlimit(os.getppid(), resource.RLIMIT_CPU, (1, 1))",
    "raised limits": "import resource\nresource.setrlimit(resource.RLIMIT_AS, (1 << 40, 1 << 40))",
    "memory files": "import os\nos.memfd_create('x')",
    "new namespaces": "import ctypes\nif ctypes.CDLL(None).unshare(0x10000000) < 0: raise OSError",
    "tracing": "import ctypes, os\nif ctypes.CDLL(None).ptrace(16, os.getppid(), 0, 0) < 0: raise OSError",
    "links out": "import os\nos.symlink('/etc/passwd', 'x')\nopen('x').read()",
}


@pytest.mark.parametrize("name", ATTACKS)
def test_an_attack_is_refused(sandbox, name):
    attack, alive = sandbox.run([ATTACKS[name] + "\nprint('ESCAPED')", "print(7)"], FAST)
    assert attack.status in ("error", "killed") and "ESCAPED" not in attack.stdout, attack
    assert alive.stdout == "7\n"


@pytest.mark.parametrize("name", ATTACKS)
def test_an_attack_is_refused_by_the_weaker_tier_too(landlock_sandbox, name):
    attack, alive = landlock_sandbox.run([ATTACKS[name] + "\nprint('ESCAPED')", "print(7)"], FAST)
    assert attack.status in ("error", "killed") and "ESCAPED" not in attack.stdout, attack
    assert alive.stdout == "7\n"


def test_secrets_of_the_parent_are_not_in_the_environment(sandbox, monkeypatch):
    monkeypatch.setenv("SECRET_TOKEN", "hunter2")
    with Sandbox() as fresh:
        (result,) = fresh.run(["import os\nprint(os.environ.get('SECRET_TOKEN'), len(os.environ) < 20)"])
    assert result.stdout == "None True\n"


@pytest.mark.parametrize(
    ("program", "status"),
    [
        ("while True: pass", "timeout"),
        ("import signal\nsignal.pthread_sigmask(signal.SIG_BLOCK, range(1, 65))\nwhile True: pass", "timeout"),
        ("x = bytearray(8 << 30)", "memory"),
        ("x = []\nwhile True: x.append(bytearray(1 << 24))", "memory"),
        ("while True: print('x' * 10000)", "output_limit"),
        ("import sys\nwhile True: sys.stderr.write('x' * 10000)", "output_limit"),
        ("import ctypes\nctypes.string_at(0)", "killed"),
        ("def f(n): return f(n + 1)\nf(0)", "error"),
        ("raise SystemExit(3)", "error"),
    ],
)
def test_runaway_programs_are_stopped_and_named(sandbox, program, status):
    result, alive = sandbox.run([program, "print(7)"], Limits() if status == "memory" else FAST)
    assert result.status == status, result
    assert alive.stdout == "7\n"


def test_a_sleeper_is_stopped_by_the_wall_clock(sandbox):
    (result,) = sandbox.run(["import time\ntime.sleep(60)"], Limits(wall_seconds=0.5))
    assert result.status == "timeout"
    (result,) = sandbox.run(["import os, time\nos.close(1)\nos.close(2)\ntime.sleep(60)"], Limits(wall_seconds=0.5))
    assert result.status == "timeout"


def test_nothing_is_left_for_the_next_program():
    if not (WALLS["bubblewrap"] and WALLS["seccomp"]):
        pytest.skip(f"no bubblewrap jail on this machine: {WALLS}")
    with Sandbox(workers=1) as single:
        first, second = single.run(
            [
                "import math, sympy\nopen('note', 'w').write('x')\nmath.pi = 3\nsympy.pi = 3\nprint('done')",
                "import math, os, sympy\nprint(os.listdir('.'), math.pi > 3, sympy.pi == 3)",
            ]
        )
        assert (first.stdout, second.stdout) == ("done\n", "[] True False\n")
        # A folder that cannot be read cannot be emptied: the jail is replaced.
        single.run(["import os\nos.mkdir('d', 0o700)\nopen('d/f', 'w')\nos.chmod('d', 0)"])
        (after,) = single.run(["import os\nprint(os.listdir('.'))"])
        assert after.stdout == "[]\n"


def test_a_worker_replaced_in_a_thread_outlives_the_thread():
    if not (WALLS["bubblewrap"] and WALLS["seccomp"]):
        pytest.skip(f"no bubblewrap jail on this machine: {WALLS}")
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


def test_without_walls_nothing_runs_and_the_message_says_why(monkeypatch):
    monkeypatch.setattr(sandbox_module.shutil, "which", lambda _: None)
    with pytest.raises(SandboxUnavailable, match=r"bubblewrap .* not installed") as caught:
        Sandbox()
    assert "allowed explicitly" in str(caught.value)
    assert available_walls()["bubblewrap"] is False


def test_a_failed_self_test_refuses(monkeypatch):
    if not (WALLS["bubblewrap"] and WALLS["seccomp"]):
        pytest.skip(f"no bubblewrap jail on this machine: {WALLS}")
    monkeypatch.setattr(sandbox_module, "_SELF_TEST", "print(\"broken: ['network']\")")
    with pytest.raises(SandboxUnavailable, match="found holes"):
        Sandbox()
