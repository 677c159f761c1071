import math

import torch
from transformers import LlamaConfig, LlamaForCausalLM

from dsmath_pipeline.training.throughput import device_peak_flops, flops_per_token


def llama(**changes):
    values = {
        "vocab_size": 100, "hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4,
        "num_key_value_heads": 2, "tie_word_embeddings": True, "max_position_embeddings": 64,
    }  # fmt: skip
    return LlamaForCausalLM(LlamaConfig(**(values | changes)))


def test_flops_of_a_token_are_those_counted_by_hand():
    # a layer: q 16*16, k and v 16*8 each, o 16*16, three feed-forward matrices 16*32, two norms of 16; the last norm
    layer = 256 + 2 * 128 + 256 + 3 * 512 + 2 * 16
    weights = 2 * layer + 16 + 100 * 16
    assert flops_per_token(llama(), 64) == 6 * weights + 12 * 2 * 16 * 64


def test_an_embedding_that_the_output_does_not_share_is_only_looked_up():
    tied, untied = llama(), llama(tie_word_embeddings=False)
    assert flops_per_token(untied, 64) == flops_per_token(tied, 64)


def test_the_formula_agrees_with_pytorchs_own_count_of_multiplications():
    from torch.utils.flop_counter import FlopCounterMode

    model = llama(hidden_size=64, intermediate_size=160, num_key_value_heads=4, vocab_size=512)
    model.config._attn_implementation = "eager"  # the counter sees its matrix products
    ids = torch.zeros(2, 64, dtype=torch.long)
    with FlopCounterMode(display=False) as counter:
        model(input_ids=ids, labels=ids, use_cache=False).loss.backward()
    # norms are weights without a product, the first layer's input needs no gradient: two per cent apart
    assert math.isclose(counter.get_total_flops() / ids.numel(), flops_per_token(model, 64), rel_tol=0.02)


def test_the_peak_is_what_was_named_or_that_of_a_known_gpu(monkeypatch):
    assert device_peak_flops(5e12, is_bf16=False) == 5e12
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    names = {"NVIDIA H100 80GB HBM3": 989e12, "NVIDIA A100-SXM4-80GB": 312e12, "NVIDIA H100 PCIe": None, "T4": None}
    for name, peak in names.items():
        monkeypatch.setattr(torch.cuda, "get_device_name", lambda name=name: name)
        assert device_peak_flops(0, is_bf16=True) == peak
        assert device_peak_flops(0, is_bf16=False) is None
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert device_peak_flops(0, is_bf16=True) is None
