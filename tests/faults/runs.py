"""Runs that are made to fail: how they are started, watched and compared with an unbroken one."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

SETTINGS = ("iteration.max_iterations=1",)
_TIMES = ("created_seconds", "elapsed_seconds")


def corpus_command(web: Path, out: Path) -> list[str]:
    """The whole corpus loop over the files in `web`, as a user would start it."""
    options = [part for setting in SETTINGS for part in ("--set", setting)]
    return [
        sys.executable, "-m", "dsmath_pipeline.cli", "corpus", "--preset", "demo", "--workers", "2",
        "--crawl", str(web / "crawl"), "--seed", str(web / "seed" / "seed.jsonl.gz"),
        "--benchmarks", str(web / "benchmarks"), "--annotations", "auto", "--out", str(out), *options,
    ]  # fmt: skip


def documents_command(web: Path, out: Path) -> list[str]:
    """The stage `documents` alone, into the folder `out` / "documents"."""
    return [sys.executable, "-m", "tests.faults.extract", str(web / "crawl"), str(out / "documents")]


def start(command: list[str], **environment: str) -> subprocess.Popen:
    """The command as the leader of a process group of its own."""
    return subprocess.Popen(
        command, env={**os.environ, **environment}, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        start_new_session=True,
    )  # fmt: skip


def finish(command: list[str], **environment: str) -> None:
    """Run a command to its good end."""
    process = start(command, **environment)
    _, errors = process.communicate()
    assert process.returncode == 0, errors[-3000:]


def fail(command: list[str], **environment: str) -> str:
    """Run a command that must end with exit code 1. Returns what it says."""
    process = start(command, **environment)
    _, errors = process.communicate()
    assert process.returncode == 1, errors[-3000:]
    return errors


def wait_until(happened: Callable[[], Any], process: subprocess.Popen) -> None:
    """Watch until it happened; the process must still be running then."""
    while not happened():
        assert process.poll() is None, f"it ended first: {process.stderr.read()[-3000:]}"  # type: ignore[union-attr]
        time.sleep(0.002)
    assert process.poll() is None


def finished_shards(artifact: Path) -> list[Path]:
    """Shards that are finished with their record, by name."""
    records = sorted((artifact / "_shards").glob("*.json"))
    return [artifact / f"{record.stem}.parquet" for record in records]


def written_at(root: Path) -> dict[Path, int]:
    """When each finished file below `root` was written, in nanoseconds."""
    return {path: path.stat().st_mtime_ns for path in root.rglob("*") if path.is_file() and not is_temporary(path)}


def is_temporary(path: Path) -> bool:
    return path.name.startswith(".") and path.name.endswith(".tmp")


def snapshot(root: Path) -> dict[str, Any]:
    """What a run has written, by relative path: bytes, and manifests without their times and sizes on disk.

    `num_bytes` counts whatever lies in the folder; the files themselves are compared byte by byte.
    """
    found: dict[str, Any] = {}
    for path in sorted(root.rglob("*")):
        if not path.is_file() or is_temporary(path):
            continue
        name = str(path.relative_to(root))
        if path.name == "manifest.json":
            manifest: Mapping[str, Any] = json.loads(path.read_text())
            found[name] = {key: value for key, value in manifest.items() if key not in (*_TIMES, "num_bytes")}
        elif name != "report.json":  # the summary: manifests again, and how long each stage took
            found[name] = path.read_bytes()
    return found


def assert_same(broken: dict[str, Any], unbroken: dict[str, Any]) -> None:
    """Name the files that differ; a diff of their bytes helps nobody."""
    assert sorted(broken) == sorted(unbroken)
    assert [name for name in broken if broken[name] != unbroken[name]] == []


def children(pid: int) -> list[int]:
    """Processes that a process has started and that still run."""
    lists = Path(f"/proc/{pid}/task").glob("*/children")
    return [int(child) for file in lists for child in file.read_text().split()]


def is_alive(pid: int) -> bool:
    """Does the process run (a zombie does not)?"""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
