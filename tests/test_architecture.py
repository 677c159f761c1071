"""The shape of the code base: layers, light imports, what the wheel holds."""

import ast
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
HEAVY = ("torch", "transformers", "fasttext", "sympy", "numba", "matplotlib", "math_verify")


def python(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.slow
def test_the_import_contracts_hold():
    done = subprocess.run(
        [str(Path(sys.executable).parent / "lint-imports"), "--no-cache"], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("module", ["assets.definitions", "dsmath_pipeline.cli"])
def test_loading_is_light(module):
    """Nothing heavy may be imported until a stage needs it."""
    code = f"import sys, {module}\n"
    if module == "assets.definitions":
        code += "assets = sys.modules['assets.definitions'].defs()\n"
    loaded = python(code + f"print([m for m in {HEAVY!r} if m in sys.modules])")
    assert loaded == "[]"


@pytest.mark.parametrize("package", ["dsmath_pipeline", "assets"])
def test_every_module_says_what_it_is_and_every_init_is_empty(package):
    for file in sorted((ROOT / package).rglob("*.py")):
        source = file.read_text()
        if file.name == "__init__.py":
            assert source == "", file
        else:
            assert ast.get_docstring(ast.parse(source)), f"{file} has no docstring"


def test_asset_modules_do_not_postpone_annotations():
    """Dagster resolves annotations of assets itself and fails on strings."""
    for file in (ROOT / "assets").rglob("*.py"):
        assert "from __future__ import annotations" not in file.read_text(), file


@pytest.mark.slow
def test_the_wheel_holds_the_library_alone(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "--no-deps", "--quiet", "--wheel-dir", str(tmp_path), "."],
        cwd=ROOT, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    (wheel,) = tmp_path.glob("*.whl")
    tops = {name.split("/")[0] for name in zipfile.ZipFile(wheel).namelist()}
    assert {t for t in tops if not t.endswith(".dist-info")} == {"dsmath_pipeline"}
