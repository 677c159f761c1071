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


def test_columns_of_numbers_go_both_ways_without_pandas() -> None:
    code = """
import sys
import numpy as np, pyarrow as pa
from dsmath_pipeline.lean_imports import to_arrow, to_numpy
values = np.array([0.1, -3.0, 5e300, np.nan])
arrow = to_arrow(values)
assert arrow.type == pa.float64() and arrow.null_count == 0 and str(arrow.to_pylist()) == str(values.tolist())
assert to_arrow(np.arange(6)[::2]).to_pylist() == [0, 2, 4]
column = pa.chunked_array([arrow.slice(1, 2), arrow.slice(4), arrow])
assert np.array_equal(to_numpy(column), np.concatenate([values[1:3], values]), equal_nan=True)
assert to_numpy(pa.chunked_array([], pa.int64())).dtype == np.int64
print("pandas" in sys.modules)
"""
    assert run(code) == "False"
