"""A small web in many files, and the run over it that nothing disturbs."""

import subprocess
from pathlib import Path

import pytest

from dsmath_pipeline.demo.mini_web import write_mini_web
from dsmath_pipeline.recipe.presets import load_recipe
from tests.faults import runs

NUM_FILES = 12


@pytest.fixture(scope="session")
def web(tmp_path_factory) -> Path:
    """600 pages in a dozen WARC files, a seed and benchmarks."""
    overrides = ["num_pages=600", "num_domains=40", f"num_warc_files={NUM_FILES}", "num_seed_texts=400",
                 "num_train_problems=100", "num_test_problems=20"]  # fmt: skip
    recipe = load_recipe("demo", [f"mini_web.{override}" for override in overrides])
    folder = tmp_path_factory.mktemp("web") / "web"
    write_mini_web(folder, recipe.mini_web, recipe.seed)
    return folder


@pytest.fixture(scope="session")
def unbroken(web, tmp_path_factory) -> Path:
    """Root of a corpus run from beginning to end."""
    root = tmp_path_factory.mktemp("unbroken") / "run"
    runs.finish(runs.corpus_command(web, root))
    return root


@pytest.fixture
def disk(tmp_path):
    """An empty disk of its own: a folder, and a function that changes its options."""
    folder = tmp_path / "disk"
    folder.mkdir()
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", str(folder)], capture_output=True)
    if made.returncode:
        pytest.skip(f"no file system can be mounted here: {made.stderr.decode().strip()}")

    def remount(options: str) -> None:
        subprocess.run(["mount", "-o", f"remount,{options}", str(folder)], check=True)

    yield folder, remount
    subprocess.run(["umount", "--lazy", str(folder)], check=True)
