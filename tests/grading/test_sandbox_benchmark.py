"""The benchmark of the sandbox on a few programs: what it compares, never its speed."""

import json

import pytest

from benchmarks import sandbox as benchmark
from dsmath_pipeline.grading.sandbox import Sandbox, available_walls

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not available_walls()["bubblewrap"], reason="no bubblewrap jail on this machine"),
]


def test_the_fresh_interpreter_has_the_walls_it_is_said_to_have():
    program = (
        "import os\ntry:\n    os.fork() or os._exit(0)\n    print('forked')\nexcept OSError:\n    print('refused')"
    )
    assert benchmark.fresh(program, with_walls=True) == "refused\n"
    assert benchmark.fresh(program, with_walls=False) == "forked\n"
    assert benchmark.fresh("import sympy\nprint(sympy.factorint(12))", with_walls=True) == "{2: 2, 3: 1}\n"


def test_contenders_that_print_different_things_are_noticed():
    with Sandbox(2) as sandbox, pytest.raises(AssertionError, match="printed different things"):
        benchmark.measure(["import random\nprint(random.random())"], 1, 2, 2, sandbox)


def test_the_result_file_holds_every_contender(tmp_path):
    benchmark.main(["--quick", "--kinds", "plain", "--out", str(tmp_path)])
    measured = json.loads((tmp_path / "sandbox.json").read_text())["plain"]["measured"]
    assert set(measured) == {"warm", "fresh, same walls", "fresh, jail only"}
    assert all(row["cpu_milliseconds"] > 0 for row in measured.values())
