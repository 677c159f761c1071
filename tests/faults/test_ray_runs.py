"""The same bytes on local processes, on one Ray node, on two, and on two of which one is killed midway.

A cluster takes most of a minute to start, so these run where DSMATH_TEST_RAY=1 asks for them.
"""

import importlib.util
import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from dsmath_pipeline.compute import ShardError, map_guarded, map_shards
from tests import deadly, test_compute
from tests.faults import runs
from tests.faults.conftest import NUM_FILES

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.environ.get("DSMATH_TEST_RAY") != "1", reason="Ray clusters only with DSMATH_TEST_RAY=1"),
    pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="Ray is not installed: pip install '.[ray]'"),
]
QUIET = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_AUTH_MODE": "disabled", "RAY_worker_register_timeout_seconds": "180"}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Node:
    """One `ray start` in the foreground, in a process group of its own."""

    def __init__(self, log: Path, *options: str) -> None:
        self.log = log
        command = [sys.executable, "-c", "from ray.scripts.scripts import main; main()", "start", "--block",
                   "--num-cpus=1", "--object-store-memory=100000000", "--disable-usage-stats", *options]  # fmt: skip
        with log.open("w") as out:
            self.process = subprocess.Popen(
                command, stdout=out, stderr=subprocess.STDOUT, env={**os.environ, **QUIET}, start_new_session=True
            )
        until = time.monotonic() + 180
        while "Ray runtime started" not in log.read_text():
            assert self.process.poll() is None and time.monotonic() < until, log.read_text()[-2000:]
            time.sleep(0.2)

    def processes(self) -> list[int]:
        """This process and everything below it."""
        found = [self.process.pid]
        for pid in found:
            found += runs.children(pid)
        return found

    def raylet(self) -> int:
        names = {pid: Path(f"/proc/{pid}/cmdline").read_bytes() for pid in self.processes() if runs.is_alive(pid)}
        [found] = [pid for pid, name in names.items() if b"/raylet/raylet\0" in name]
        return found

    def stop(self) -> None:
        for pid in self.processes():
            if runs.is_alive(pid):
                os.kill(pid, signal.SIGKILL)
        self.process.wait()


@pytest.fixture(scope="module")
def head(tmp_path_factory):
    port = free_port()
    log = tmp_path_factory.mktemp("ray") / "head.log"
    node = Node(log, "--head", f"--port={port}", "--include-dashboard=false")
    found = re.search(r"--address='([^']+)'", log.read_text())
    yield found[1] if found else f"127.0.0.1:{port}"
    node.stop()


@pytest.fixture
def second(head, tmp_path):
    node = Node(tmp_path / "second.log", f"--address={head}")
    yield node
    node.stop()


def on_cluster(address: str) -> dict[str, str]:
    return {**QUIET, "DSMATH_ENGINE": "ray", "DSMATH_RAY_ADDRESS": address}


def test_the_corpus_on_one_node_is_that_of_local_processes(web, unbroken, head, tmp_path):
    started = time.monotonic()
    runs.finish(runs.corpus_command(web, tmp_path / "run"), **on_cluster(head))
    print(f"corpus on one Ray node: {time.monotonic() - started:.0f} s")
    runs.assert_same(runs.snapshot(tmp_path / "run"), runs.snapshot(unbroken))


def test_the_corpus_on_two_nodes_is_that_of_local_processes(web, unbroken, head, second, tmp_path):
    started = time.monotonic()
    runs.finish(runs.corpus_command(web, tmp_path / "run"), **on_cluster(head))
    print(f"corpus on two Ray nodes: {time.monotonic() - started:.0f} s")
    runs.assert_same(runs.snapshot(tmp_path / "run"), runs.snapshot(unbroken))


def test_a_node_that_is_killed_midway_costs_nothing_but_time(web, unbroken, head, second, tmp_path):
    started = time.monotonic()
    process = runs.start(runs.documents_command(web, tmp_path), **on_cluster(head))
    runs.wait_until(lambda: len(runs.finished_shards(tmp_path / "documents")) >= 3, process)
    before = {shard: shard.stat().st_mtime_ns for shard in runs.finished_shards(tmp_path / "documents")}
    os.kill(second.raylet(), signal.SIGKILL)
    assert len(before) < NUM_FILES
    _, errors = process.communicate()
    assert process.returncode == 0, errors[-3000:]
    print(f"documents on two Ray nodes, one killed: {time.monotonic() - started:.0f} s")
    runs.assert_same(runs.snapshot(tmp_path / "documents"), runs.snapshot(unbroken / "documents"))


def test_shards_and_items_that_kill_their_process_meet_the_rules_of_the_local_engine(head, monkeypatch):
    import ray

    for name, value in on_cluster(head).items():
        monkeypatch.setenv(name, value)
    try:
        assert map_shards(test_compute.square, [3, 1, 2], workers=2) == [9, 1, 4]
        with pytest.raises(ShardError, match=r"^3: ValueError: three is bad"):
            map_shards(test_compute.fail_on_three, [1, 2, 3])
        with pytest.raises(ShardError, match=r"^2: a worker process died while pages were processed.*exit code 9"):
            map_shards(test_compute.die_on_two, [1, 2, 3], what="pages")
        undisturbed = {item: item * item for item in deadly.ITEMS}
        assert map_guarded(deadly.squares, ["abort:3 loop:5", "none:0"]) == [
            undisturbed | {3: "crash", 5: "timeout"},
            undisturbed,
        ]
    finally:
        ray.shutdown()
