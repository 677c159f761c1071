"""The cache of compiled kernels: new code is never run from an old cache."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import dsmath_pipeline.corpus.compiled as compiled_module


def run(folder: Path) -> str:
    script = "import sys; sys.path.insert(0, sys.argv[1]); from package.one_kernel import one; print(one(3))"
    done = subprocess.run(
        [sys.executable, "-c", script, str(folder)],
        capture_output=True,
        text=True,
        env={"HOME": str(folder)},
        check=True,
    )
    return done.stdout.strip()


@pytest.mark.slow
def test_a_change_in_an_imported_file_compiles_anew(tmp_path: Path) -> None:
    package = tmp_path / "package"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "compiled.py").write_text(Path(compiled_module.__file__).read_text())
    (package / "tables.py").write_text("FACTOR = 2\n")
    (package / "two_kernel.py").write_text(
        "from .compiled import compiled\nfrom .tables import FACTOR\n\n\n"
        "@compiled\ndef two(x):\n    return FACTOR * x\n"
    )
    (package / "one_kernel.py").write_text(
        "from .compiled import entry\nfrom .two_kernel import two\n\n\n@entry\ndef one(x):\n    return two(x) + 1\n"
    )
    assert run(tmp_path) == "7"
    cached = sorted(p.name for p in (tmp_path / ".cache").rglob("*.nbi"))
    assert len(cached) == 2
    assert run(tmp_path) == "7"
    assert sorted(p.name for p in (tmp_path / ".cache").rglob("*.nbi")) == cached
    (package / "tables.py").write_text("FACTOR = 5\n")
    assert run(tmp_path) == "16"


@pytest.mark.slow
def test_cached_kernels_load_without_the_compiler_and_others_compile_beside_them() -> None:
    script = """
import sys
import numba, numpy as np
from dsmath_pipeline.corpus.minhash_kernel import band_keys, flatten
values = np.arange(12, dtype=np.uint32).reshape(3, 4)
keys = band_keys(values, 2, 2)
print("numba.np.npyimpl" in sys.modules)
assert numba.njit(lambda x: np.sort(x)[::-1].copy())(np.array([2, 3, 1])).tolist() == [3, 2, 1]
forest = np.array([0, 0, 1], np.int32)
flatten(forest)
assert forest.tolist() == [0, 0, 0]
assert (band_keys(values, 2, 2) == keys).all() and (band_keys(values.astype(np.uint64), 2, 2) == keys).all()
"""
    told = [
        subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.strip()
        for _ in range(2)
    ]
    assert told[1] == "False"


def test_arrays_are_made_once_and_again_when_their_key_or_file_is_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compiled_module, "_cache_folder", lambda file: str(tmp_path))
    made = []

    def make() -> list[np.ndarray]:
        made.append(len(made))
        return [np.arange(3, dtype=np.int32) + len(made), np.array([7], np.uint64)]

    def kept(key: str) -> list[list[int]]:
        return [array.tolist() for array in compiled_module.kept_arrays(__file__, key, make)]

    assert kept("a") == [[1, 2, 3], [7]]
    assert kept("a") == [[1, 2, 3], [7]]
    assert len(made) == 1
    assert kept("b") == [[2, 3, 4], [7]]
    assert kept("a") == [[1, 2, 3], [7]]
    for broken in (b"", b"PK no archive", next(tmp_path.glob("*.npz")).read_bytes()[:-40]):
        for file in tmp_path.glob("*.npz"):
            file.write_bytes(broken)
        times = len(made)
        assert kept("a") == [[times + 1, times + 2, times + 3], [7]]
        assert len(made) == times + 1
        assert kept("a")[0][0] == times + 1
    assert compiled_module.kept_arrays(__file__, "a", make)[1].dtype == np.uint64
