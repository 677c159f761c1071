"""How worker processes start: from a fork server, unless it has other surroundings than the process that asks."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from dsmath_pipeline import compute_local

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


def parent_and_setting(shard: int) -> tuple[int, str]:
    os.write(2, f"shard {shard}\n".encode())
    return os.getppid(), os.environ.get("SETTING", "")


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
