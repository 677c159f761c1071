"""Attacks on the sandbox (`attacks`), in every tier, as this user and as an ordinary one."""

import contextlib
import ctypes
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from dsmath_pipeline.grading.sandbox import available_walls
from tests.grading import attack_runner, attacks

pytestmark = pytest.mark.xdist_group("host")  # they compare what the whole machine holds before and after

ROOT = Path(__file__).parents[2]
WALLS = available_walls()
NEEDS = {"bubblewrap": "bubblewrap", "no landlock": "bubblewrap", "landlock": "landlock"}
NOBODY = 65534
QUICK = list(attacks.REFUSED)
"""Attacks that end at once when they are refused."""

# In a mount namespace of its own: show the interpreter to everybody, then become an ordinary user.
AS_NOBODY = """
set -e
if [ -n "$CLOSED" ]; then
    mount --bind "$BASE" "$STAGE"
    mount -t tmpfs -o mode=755 tmpfs "$CLOSED"
    mkdir -p "$BASE"
    mount --bind "$STAGE" "$BASE"
fi
exec setpriv --reuid=65534 --regid=65534 --clear-groups "$@"
"""


def report(command, **options):
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=300, check=False, **options)
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout.splitlines()[-1])


def need(tier):
    if not (WALLS[NEEDS[tier]] and WALLS["seccomp"]):
        pytest.skip(f"no such walls on this machine: {WALLS}")


def runner(tier, names=()):
    return [sys.executable, "-m", "tests.grading.attack_runner", tier, *names]


@contextlib.contextmanager
def queues_removed():
    """Remove the message queues that come up meanwhile: they outlive the process that makes them."""

    def queues():
        return {int(line.split()[1]) for line in Path("/proc/sysvipc/msg").read_text().splitlines()[1:]}

    before = queues()
    yield
    for queue in queues() - before:
        ctypes.CDLL(None).msgctl(queue, 0, None)


def test_there_are_enough_attacks_of_every_kind():
    assert len(attacks.ATTACKS) >= 40
    assert set(attacks.HARMLESS) | set(attacks.MUST_BE_STOPPED) <= set(attacks.ATTACKS)


@pytest.mark.slow
def test_attacks_are_refused_and_leave_nothing():
    need("bubblewrap")
    found = report(runner("bubblewrap", QUICK))
    assert found["problems"] == [] and found["attacks"] == len(QUICK)


@pytest.mark.slow
@pytest.mark.parametrize("tier", attack_runner.TIERS)
def test_every_attack_is_stopped(tier):
    need(tier)
    found = report(runner(tier))
    assert found["problems"] == [] and found["attacks"] == len(attacks.ATTACKS)


@pytest.mark.slow
@pytest.mark.parametrize("tier", attack_runner.TIERS)
def test_every_attack_is_stopped_for_an_ordinary_user(tier, tmp_path):
    need(tier)
    if os.getuid() != 0:
        pytest.skip("this is an ordinary user already")
    if not (shutil.which("unshare") and shutil.which("setpriv")):
        pytest.skip("no unshare or setpriv (util-linux)")
    closed = [p for p in reversed(Path(sys.base_prefix).parents) if not p.stat().st_mode & 0o001]
    if not all(p.stat().st_mode & 0o001 for p in [ROOT, *ROOT.parents]):
        pytest.skip(f"an ordinary user cannot read {ROOT}")
    environment = {**os.environ, "BASE": sys.base_prefix, "STAGE": str(tmp_path), "TMPDIR": "/tmp",
                   "CLOSED": str(closed[0]) if closed else ""}  # fmt: skip
    command = ["unshare", "--mount", "--propagation", "private", "sh", "-c", AS_NOBODY, "sh", *runner(tier)]
    found = report(command, env=environment)
    assert found["problems"] == [] and found["user"] == NOBODY and found["attacks"] == len(attacks.ATTACKS)


@pytest.mark.slow
@pytest.mark.parametrize("name", attacks.HARMLESS)
def test_the_attack_works_where_nothing_stands_in_its_way(name, tmp_path):
    with attack_runner.host() as target, queues_removed():
        program = attacks.with_prelude(attacks.ATTACKS[name], target)
        done = subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, cwd=tmp_path, timeout=120, check=False
        )
    for place in attack_runner.PLACES:
        for left in (Path(place) / attacks.MARK, Path(place) / f"{attacks.MARK}-folder"):
            if left.is_dir():
                left.rmdir()
            elif left.exists():
                left.unlink()
    assert "ESCAPED" in done.stdout, (done.stdout[-300:], done.stderr[-300:])
