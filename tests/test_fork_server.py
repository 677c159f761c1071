"""How worker processes start: from a fork server, unless it has other surroundings than the process that asks."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from dsmath_pipeline import compute_local
from dsmath_pipeline.compute import ItemGuard

DRIVER = """
import os, sys
sys.path.insert(0, sys.argv[1])
import test_fork_server as test
from dsmath_pipeline.compute import map_shards

def told(what):
    print(what, *{parent == os.getpid() for parent, _ in found}, *{value for _, value in found})

found = map_shards(test.parent_and_setting, [1, 2], workers=2)
servers = {parent for parent, _ in found}
told("first")
found = map_shards(test.parent_and_setting, [1, 2, 3], workers=2)
told("again")
print("one server", servers == {parent for parent, _ in found})
os.environ["SETTING"] = "changed"
found = map_shards(test.parent_and_setting, [1, 2], workers=2)
told("environment")
os.environ["SETTING"] = "old"
with open(sys.argv[2], "w") as log:
    kept = os.dup(2)
    os.dup2(log.fileno(), 2)
    found = map_shards(test.parent_and_setting, [1, 2], workers=2)
    os.dup2(kept, 2)
told("output")
"""


KILLING = """
import sys
sys.path.insert(0, sys.argv[1])
import test_fork_server as test
from dsmath_pipeline.compute import map_guarded

print(map_guarded(test.takes_the_server_along_once, [sys.argv[2], "", "", ""], workers=2))
"""


def parent_and_setting(shard: int) -> tuple[int, str]:
    os.write(2, f"shard {shard}\n".encode())
    return os.getppid(), os.environ.get("SETTING", "")


def takes_the_server_along_once(note: str, guard: ItemGuard) -> dict[int, str]:
    guard.enter(3, 60)
    if note and not Path(note).exists():
        server = os.getppid()
        assert b"multiprocessing.forkserver" in Path(f"/proc/{server}/cmdline").read_bytes()
        Path(note).touch()
        os.kill(server, signal.SIGKILL)
        os.kill(os.getpid(), signal.SIGKILL)
    guard.leave()
    return dict(guard.bad_items)


@pytest.mark.slow
def test_a_killed_server_costs_no_item_and_another_takes_its_place(tmp_path):
    note = tmp_path / "note"
    surroundings = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    done = subprocess.run(
        [sys.executable, "-c", KILLING, str(Path(__file__).parent), str(note)],
        env=surroundings, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.stdout == "[{}, {}, {}, {}]\n", done.stderr
    assert note.exists()


@pytest.mark.slow
def test_workers_come_from_one_server_and_see_a_changed_environment_and_output(tmp_path):
    log = tmp_path / "log"
    done = subprocess.run(
        [sys.executable, "-c", DRIVER, str(Path(__file__).parent), str(log)],
        env={**os.environ, "SETTING": "old"}, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.stdout.splitlines() == [
        "first False old", "again False old", "one server True", "environment True changed", "output True old",
    ], done.stderr  # fmt: skip
    assert sorted(log.read_text().split("\n")) == ["", "shard 1", "shard 2"]


def test_the_processor_time_of_a_process_that_has_ended_is_not_the_clock():
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    seconds = compute_local._processor_seconds(process.pid)
    assert seconds is not None and seconds < 5
    process.communicate(b"\n")
    assert compute_local._processor_seconds(process.pid) is None
