import pytest

from dsmath_pipeline.grading.sandbox import Sandbox, available_walls


@pytest.fixture(scope="module")
def jail():
    """A real sandbox with two workers."""
    walls = available_walls()
    if not (walls["bubblewrap"] and walls["seccomp"]):
        pytest.skip(f"no bubblewrap jail on this machine: {walls}")
    with Sandbox(2) as sandbox:
        yield sandbox
