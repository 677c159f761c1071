"""Runs a script with the kernels compiled for bounds checks: an access beyond an array raises."""

import os
import subprocess
import sys
from pathlib import Path


def run_with_bounds_checks(script: str, cache: Path) -> None:
    """Run tests/corpus/`script` in a process and a compilation cache of its own; it has to print `checked`."""
    environment = os.environ | {
        "NUMBA_BOUNDSCHECK": "1", "NUMBA_CACHE_DIR": str(cache), "PYTHONPATH": str(Path(__file__).parents[2]),
    }  # fmt: skip
    command = [sys.executable, str(Path(__file__).with_name(script))]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=580)
    assert done.returncode == 0, done.stderr[-2000:]
    assert "checked" in done.stdout
