import pytest


@pytest.fixture(autouse=True, scope="session")
def one_thread():
    """More threads than free cores make tiny models many times slower, and results depend on their number."""
    import torch

    torch.set_num_threads(1)
