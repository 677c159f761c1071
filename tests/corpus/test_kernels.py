"""Compiling everything beforehand."""

import subprocess
import sys

import pytest

NOT_REACHED = """
import importlib, pkgutil
from numba.core.registry import CPUDispatcher
from dsmath_pipeline import corpus
from dsmath_pipeline.corpus.kernels import warm_up

warm_up()
for info in pkgutil.iter_modules(corpus.__path__):
    if info.name.endswith("_kernel"):
        module = importlib.import_module(f"dsmath_pipeline.corpus.{info.name}")
        for name, thing in vars(module).items():
            is_kernel = isinstance(thing, CPUDispatcher) and thing.__module__ == module.__name__
            if is_kernel and name[0] != "_" and "_nrt" not in thing.targetoptions and not thing.signatures:
                print(info.name, name)
"""


@pytest.mark.slow
def test_every_kernel_that_python_calls_is_reached():
    done = subprocess.run([sys.executable, "-c", NOT_REACHED], capture_output=True, text=True, timeout=500, check=True)
    assert done.stdout == "scoring_kernel remainders\n"  # which only its test calls
