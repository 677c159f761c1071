"""Runs killed by SIGKILL in every phase end with the weights, rewards and metrics of one that was not killed."""

import signal
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import torch

from dsmath_pipeline import storage
from dsmath_pipeline.recipe.schema import RewardModelSettings
from dsmath_pipeline.rl.replay import with_replay
from dsmath_pipeline.rl.reward_model import load_reward_model, train_reward_model
from dsmath_pipeline.rl.trainer import train_rl
from dsmath_pipeline.training.models import load_model
from tests.rl.rl_child import SETTINGS, no_digit
from tests.tiny_model import build_model_artifact

REPO = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    base = build_model_artifact(tmp_path_factory.mktemp("resume"))
    settings = RewardModelSettings(
        learning_rate=1e-3, num_questions=8, samples_per_question=2, batch_examples=8, max_completion_tokens=8,
        micro_batch_examples=8,
    )  # fmt: skip
    out = base.parent / "reward"
    train_reward_model(base, base, base.parent / "problems", out, settings, 0, grade=no_digit, device="cpu")
    return base.parent


def run_child(root, out, method="grpo_outcome", step=0, phase="none"):
    command = [sys.executable, "-m", "tests.rl.rl_child", str(root), out, method, str(step), phase]
    return subprocess.run(command, cwd=REPO, capture_output=True, text=True, timeout=300, check=False)


def outcome(folder):
    """Everything that must be equal: weights, metrics without times, samples."""
    weights = {name: value.tolist() for name, value in load_model(folder, "cpu").state_dict().items()}
    rows = pq.read_table(folder / "metrics.parquet").to_pylist()
    metrics = [{n: v for n, v in row.items() if not n.endswith("_seconds")} for row in rows]
    return weights, metrics, storage.read_table(folder / "samples").to_pylist()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("method", "kills"),
    [
        # a checkpoint is killed between its file and the renaming; that of step 2 is the last one before the reward
        # model learns
        ("grpo_outcome", [(2, "rollout"), (2, "update"), (2, "checkpoint"), (4, "checkpoint")]),
        ("ppo", [(3, "update")]),
    ],
)
def test_a_run_killed_in_any_phase_ends_like_an_unkilled_one(root, method, kills):
    plain = run_child(root, f"plain-{method}", method)
    assert plain.returncode == 0, plain.stderr
    expected = outcome(root / f"plain-{method}")
    for step, phase in kills:
        killed = run_child(root, f"killed-{method}", method, step, phase)
        assert killed.returncode == -signal.SIGKILL, killed.stderr
        assert not (root / f"killed-{method}" / "manifest.json").exists()
    last = run_child(root, f"killed-{method}", method)
    assert last.returncode == 0, last.stderr
    assert outcome(root / f"killed-{method}") == expected


def test_a_new_iteration_resets_the_reference_and_retrains_the_reward_model(root, monkeypatch):
    from dsmath_pipeline.rl import replay

    seen = {}
    real = replay.retrain

    def spy(scorer, rows, settings, pad_id):
        before = {name: value.clone() for name, value in scorer.state_dict().items()}
        real(scorer, rows, settings, pad_id)
        seen["rows"] = rows
        seen["changed"] = any(not torch.equal(before[n], v) for n, v in scorer.state_dict().items())

    monkeypatch.setattr(replay, "retrain", spy)
    out = root / "iterations"
    train_rl(root / "base", root / "reward", root / "problems", out, SETTINGS, 0, grade=no_digit, device="cpu")
    metrics = pq.read_table(out / "metrics.parquet").to_pylist()
    assert [row["iteration"] for row in metrics] == [1, 1, 2, 2]
    # the divergence from the reference starts again at nothing
    assert metrics[1]["kl"] > 1e-6 and metrics[2]["kl"] == pytest.approx(0, abs=1e-9) and metrics[3]["kl"] > 1e-6
    # 32 new completions; a tenth of the whole is historical: 0.1 / 0.9 * 32 = 3.6, so 4 of the 14 trained on before
    old = [row for row in seen["rows"] if "step" not in row]
    assert seen["changed"] and len(seen["rows"]) == 36 and len(old) == 4
    assert all(row["is_correct"] == no_digit("", row["solution"]).is_correct for row in seen["rows"])
    samples = storage.read_table(out / "samples").to_pylist()
    stored = {(row["problem_id"], tuple(row["token_ids"])) for row in samples if row["step"] <= 2}
    assert {(r["problem_id"], tuple(r["completion_ids"])) for r in seen["rows"] if "step" in r} == stored


def test_replay_takes_its_share_as_far_as_history_goes():
    new, old = [{"n": i} for i in range(90)], [{"o": i} for i in range(50)]
    mixed = with_replay(new, old, 0.1, 0)
    assert len(mixed) == 100 and sum("o" in row for row in mixed) == 10
    assert mixed == with_replay(new, old, 0.1, 0) != with_replay(new, old, 0.1, 1)
    assert len(with_replay(new, old[:3], 0.1, 0)) == 93
    assert with_replay(new, old, 0.0, 0) != new and len(with_replay(new, old, 0.0, 0)) == 90  # shuffled


def test_the_reward_model_folder_is_not_touched(root):
    before = load_reward_model(root / "reward", "cpu").state_dict()
    out = root / "untouched"
    train_rl(root / "base", root / "reward", root / "problems", out, SETTINGS, 1, grade=no_digit, device="cpu")
    after = load_reward_model(root / "reward", "cpu").state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)
