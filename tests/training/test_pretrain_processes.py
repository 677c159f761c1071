"""Pretraining in real child processes: killed and resumed, and shared by two processes."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import torch

from dsmath_pipeline.training.models import load_model
from tests.tiny_model import build_tokens

CHECKOUT = Path(__file__).parents[2]
CPU_2 = CHECKOUT / "deploy" / "accelerate" / "cpu_2_processes.yaml"
pytestmark = pytest.mark.slow


def run_child(root, out, launch=("-m",), module="tests.training.pretrain_child", **settings):
    return subprocess.run(
        [sys.executable, *launch, module, str(root), out, json.dumps(settings)], cwd=CHECKOUT, capture_output=True,
        text=True, env={**os.environ, "OMP_NUM_THREADS": "1", "TORCH_CPP_LOG_LEVEL": "ERROR"},
    )  # fmt: skip


def launched(config):
    return ("-m", "accelerate.commands.launch", "--config_file", str(config), "-m")


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    folder = build_tokens(tmp_path_factory.mktemp("processes"))
    assert run_child(folder, "unbroken", held_out_steps=3).returncode == 0
    return folder


def losses(root, out):
    return pq.read_table(root / out / "metrics.parquet").select(["step", "loss", "learning_rate", "grad_norm"])


def weights(root, out):
    return load_model(root / out, "cpu").state_dict()


def test_a_run_killed_at_three_steps_ends_as_the_unbroken_run_bit_for_bit(root):
    # 8 steps, a checkpoint after every second one: killed in step 2 (nothing saved), 5 (resumes at 2) and 8 (at 6)
    for step in (2, 5, 8):
        killed = run_child(root, "killed", held_out_steps=3, kill_at=step)
        assert killed.returncode == -signal.SIGKILL, killed.stderr
        assert not (root / "killed" / "manifest.json").exists()
    saved = sorted(path.name for path in (root / "killed" / "_checkpoints").glob("*/checkpoint-*"))
    assert saved == ["checkpoint-4", "checkpoint-6"]
    assert run_child(root, "killed", held_out_steps=3).returncode == 0
    assert losses(root, "killed").equals(losses(root, "unbroken"))
    first, second = weights(root, "unbroken"), weights(root, "killed")
    assert first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)
    measured = [pq.read_table(root / out / "held_out.parquet") for out in ("unbroken", "killed")]
    assert measured[0]["step"].to_pylist() == [3, 6, 8] and measured[0].equals(measured[1])


def test_two_processes_give_the_loss_curve_of_one_with_the_same_global_batch(root):
    shared = run_child(root, "shared", launched(CPU_2), held_out_steps=3, micro_batch_sequences=2)
    assert shared.returncode == 0, shared.stderr
    alone, both = losses(root, "unbroken").to_pydict(), losses(root, "shared").to_pydict()
    assert both["loss"] == pytest.approx(alone["loss"], abs=1e-4)
    assert both["grad_norm"] == pytest.approx(alone["grad_norm"], rel=1e-3)
    first, second = weights(root, "unbroken"), weights(root, "shared")
    assert all(torch.allclose(first[name], second[name], atol=1e-4) for name in first)
    measured = [pq.read_table(root / out / "held_out.parquet").to_pydict() for out in ("unbroken", "shared")]
    assert measured[0]["num_targets"] == measured[1]["num_targets"]
    assert measured[0]["loss"] == pytest.approx(measured[1]["loss"], abs=1e-4)


def test_two_processes_killed_together_resume_from_the_checkpoint(root):
    killed = run_child(root, "both_killed", launched(CPU_2), kill_at=5)
    assert killed.returncode != 0 and not (root / "both_killed" / "manifest.json").exists()
    again = run_child(root, "both_killed", launched(CPU_2))
    assert again.returncode == 0, again.stderr
    alone, both = losses(root, "unbroken").to_pydict(), losses(root, "both_killed").to_pydict()
    assert both["step"] == alone["step"] and both["loss"] == pytest.approx(alone["loss"], abs=1e-4)


def test_sharded_weights_are_gathered_before_they_are_saved(root):
    # accelerate shards on GPUs only; torch's own fully_shard, on which it is built, also works on CPUs
    saved = run_child(root, "sharded", launched(CPU_2), module="tests.training.pretrain_sharded_child")
    assert saved.returncode == 0, saved.stderr
    whole, gathered = weights(root, "sharded_reference"), weights(root, "sharded")
    assert whole.keys() == gathered.keys() and all(torch.equal(whole[name], gathered[name]) for name in whole)
