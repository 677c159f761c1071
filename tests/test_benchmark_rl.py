"""The reinforcement learning benchmarks on tiny inputs: what they count, never how fast they are."""

import json

import pytest
import torch

from benchmarks import rl_gpu, rl_speed
from dsmath_pipeline.tokens.tokenizer import load_tokenizer, special_ids
from tests.tiny_model import build_model_artifact

SMALL = {"group_size": 4, "batch_completions": 8, "micro_batch_completions": 4, "max_completion_tokens": 6}


def test_the_counted_seconds_leave_the_warm_up_out():
    clock = rl_speed.Clock()
    clock.times = [(1.0, 10.0), (2.0, 30.0), (4.0, 60.0), (7.0, 100.0)]  # two stages warm up
    assert clock.counted() == {"stage_cpu_seconds": 5.0, "stage_wall_seconds": 70.0}
    found = rl_speed.figures(clock, [9.0, 9.0, 4.0, 5.0], batch=16)
    assert (found["completions"], found["tokens"]) == (32, 16 * 9) and found["peak_rss_bytes"] > 1e7


def test_speeds_are_medians_and_ratios_are_of_the_same_round():
    def run(seconds, rss):
        return {"stage_cpu_seconds": seconds, "stage_wall_seconds": 2 * seconds, "completions": 100, "tokens": 500,
                "peak_rss_bytes": rss}  # fmt: skip

    found = rl_speed.summary({"ours": [run(1.0, 5e8), run(2.0, 6e8), run(4.0, 6e8)],
                              "TRL": [run(3.0, 9e8), run(4.0, 9e8), run(20.0, 9e8)]})  # fmt: skip
    ours = found["measured"]["ours"]
    assert (ours["completions_per_cpu_second"], ours["tokens_per_cpu_second"]) == (50.0, 250)
    assert (ours["completions_per_wall_second"], ours["tokens_per_completion"]) == (25.0, 5.0)
    assert ours["peak_rss_megabytes"] == 600
    assert found["cpu_time_relative_to_ours"] == {"TRL": 3.0}  # of 3/1, 4/2 and 20/4


def test_the_endless_model_ends_with_another_token(tmp_path):
    model = build_model_artifact(tmp_path)
    end, pad = special_ids(load_tokenizer(model), model)
    other = rl_speed.endless(model, tmp_path / "endless")
    number = load_tokenizer(other).token_to_id("ÿ")
    assert number not in (end, pad, None) and special_ids(load_tokenizer(other), other) == (number, pad)
    for name in ("config.json", "generation_config.json"):
        assert json.loads((other / name).read_text())["eos_token_id"] == number


@pytest.mark.slow
def test_both_contenders_sample_train_and_count_the_same_amount(tmp_path):
    pytest.importorskip("trl")
    model = rl_speed.endless(build_model_artifact(tmp_path), tmp_path / "endless")
    arguments = {"sft": str(model), "problems": str(tmp_path / "problems"), "num_stages": 4, "settings": SMALL}
    for found in (rl_speed.ours(**arguments)(), rl_speed.ours(**arguments, micro=8)(), rl_speed.trl(**arguments)(),
                  rl_speed.trl(**arguments, micro=8)()):  # fmt: skip
        assert found["completions"] == 2 * 8  # two stages that count
        assert found["tokens"] <= 2 * 8 * 6 and found["tokens"] > 0.8 * 2 * 8 * 6  # nearly all to the limit
        assert found["stage_cpu_seconds"] > 0 and found["stage_wall_seconds"] > 0


def test_the_gpu_script_says_what_is_missing_without_a_gpu(monkeypatch, capsys):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert rl_gpu.main([]) == 1
    assert "no GPU" in capsys.readouterr().err


@pytest.mark.slow
def test_the_gpu_scripts_path_works_with_a_tiny_model(capsys, tmp_path):
    pytest.importorskip("trl")
    assert rl_gpu.main(["--tiny", "--steps", "4", "--out", str(tmp_path)]) == 0
    found = json.loads(capsys.readouterr().out.strip().splitlines()[-1])
    ours, trl = found["measured"]["ours"], found["measured"]["TRL"]
    assert found["steps"] == 2 and 7 <= ours["tokens_per_completion"] <= 8 and 7 <= trl["tokens_per_completion"] <= 8
    # two layers (q 32*32, k and v 32*16 each, o 32*32, three matrices 32*64, two norms), the last norm, 300 entries
    weights = 2 * (1024 + 2 * 512 + 1024 + 3 * 2048 + 64) + 32 + 300 * 32
    tokens = ours["update_tokens_per_second"] * ours["update_seconds"] / 16  # of one sequence
    flops = (6 * weights + 12 * 2 * 4 * 8 * tokens) * 4 / 3  # the reference's forward pass is a third more
    assert ours["update_flops_per_second"] == pytest.approx(ours["update_tokens_per_second"] * flops, rel=0.02)
    assert ours["update_mfu"] is None or 0 < ours["update_mfu"] < 1
    assert not list(tmp_path.iterdir())  # a tiny model's figures are no result
