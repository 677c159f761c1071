"""The training benchmarks on tiny inputs: what they count, never how fast they are."""

import json

import pytest
import torch

from benchmarks import training, training_gpu


def test_the_counted_seconds_leave_the_warm_up_out():
    clock = training.Clock()
    clock.times = [10.0, 11.0, 13.0, 16.0]  # after steps 1 to 4; two of them warm up
    assert clock.seconds() == 5.0


@pytest.mark.slow
def test_every_contender_counts_tokens_of_texts_only(tmp_path):
    model = training.SMALL_MODEL
    texts = [f"problem {i}: what is {i} plus {i}? " * (1 + i % 3) for i in range(400)]
    settings = training.prepare(tmp_path, texts, 4)
    from dsmath_pipeline.tokens.tokenizer import load_tokenizer

    lengths = [len(e.ids) for e in load_tokenizer(tmp_path / "tokenizer").encode_batch(texts)]
    for run in (training.run_ours, training.run_raw):
        seconds, tokens = run(tmp_path, model, settings, 4)
        assert tokens == 2 * 4 * 512 and seconds > 0  # two counted steps of four sequences
    for run in (training.run_padded, training.run_fixed):
        _, tokens = run(tmp_path, model, settings, 4)
        assert 16 * min(lengths) <= tokens <= 16 * max(lengths)  # two steps of eight examples, none padded
        assert tokens != 16 * max(lengths)


def test_the_gpu_script_says_what_is_missing_without_a_gpu(monkeypatch, capsys):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert training_gpu.main([]) == 1
    assert "no GPU" in capsys.readouterr().err


@pytest.mark.slow
def test_the_gpu_scripts_path_works_with_a_tiny_model(capsys, tmp_path):
    assert training_gpu.main(["--tiny", "--steps", "8", "--checkpoint", "--out", str(tmp_path)]) == 0
    found = json.loads(capsys.readouterr().out.strip().splitlines()[-1])
    # two layers (q 32*32, k and v 32*16 each, o 32*32, three matrices 32*64, two norms), the last norm, 300 entries
    layer = 1024 + 2 * 512 + 1024 + 3 * 2048 + 64
    assert found["parameters"] == 2 * layer + 32 + 300 * 32
    assert found["steps"] == 3 and found["last_loss"] > 0
    assert not list(tmp_path.iterdir())  # a tiny model's figures are no result
