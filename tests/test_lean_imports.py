"""Packages that a process hides from the libraries it uses (child processes: what they import stays theirs)."""

import subprocess
import sys

import pytest


def run(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_arrow_takes_lists_without_pandas() -> None:
    pytest.importorskip("pandas")
    made = "import pyarrow as pa, sys; table = pa.Table.from_pylist([{'a': 'b'}]); print('pandas' in sys.modules, table.num_rows)"  # fmt: skip # noqa: E501
    assert run(made) == "True 1"
    assert run("from dsmath_pipeline.lean_imports import hide; hide('pandas', 'scipy');" + made) == "False 1"


def test_only_what_is_not_loaded_yet_is_hidden() -> None:
    code = """
import sys, wave
from dsmath_pipeline.lean_imports import hide
before = len(sys.meta_path)
hide("wave", "chunk", "email")
hide("wave", "chunk", "email")
assert len(sys.meta_path) == before + 1
import wave
for name in ("chunk", "email", "email.message"):
    sys.modules.pop(name, None)
    try:
        __import__(name)
    except ModuleNotFoundError as error:
        print(error)
"""
    told = run(code).splitlines()
    assert told[0] == "chunk is not loaded in this worker process" and "wave" not in " ".join(told)
