"""How well a device is used: model FLOPs utilisation (MFU).

    MFU = tokens a second * FLOPs a token / (peak FLOP/s of one device * devices)
    FLOPs a token = 6 * N + 12 * layers * heads * head size * context

N counts the weights that are multiplied with every token: all of them, less the input embedding where the output does
not share it. Forward and backward pass; attention counts the whole square of the context, as PaLM's appendix B does.
Activations that gradient checkpointing computes again are no progress and are not counted. Mixture-of-experts models
count all experts, which overstates them. Not in the paper.
"""

import torch
from transformers import PretrainedConfig, PreTrainedModel

PEAK_BF16_FLOPS = {"A100": 312e12, "H100": 989e12, "H200": 989e12, "B200": 2250e12}
"""Dense bf16 peaks of NVIDIA's data sheets (SXM modules), FLOP/s, by a part of the device's name."""


def flops_per_token(model: PreTrainedModel, context_tokens: int) -> float:
    """FLOPs of one training token, forward and backward, in a sequence of `context_tokens`."""
    config: PretrainedConfig = model.config.get_text_config()
    weights = sum(p.numel() for p in model.parameters())
    embedding, output = model.get_input_embeddings(), model.get_output_embeddings()
    if embedding is not None and (output is None or output.weight is not embedding.weight):
        weights -= sum(p.numel() for p in embedding.parameters())
    heads = config.num_attention_heads
    head_size = getattr(config, "head_dim", None) or config.hidden_size // heads
    return 6.0 * weights + 12.0 * config.num_hidden_layers * heads * head_size * context_tokens


def device_peak_flops(named: float, is_bf16: bool) -> float | None:
    """The peak of one device, FLOP/s: as named, else by the GPU's name; None when unknown (CPUs, fp32)."""
    if named:
        return named
    if not is_bf16 or not torch.cuda.is_available():
        return None
    name = torch.cuda.get_device_name()
    if "PCIe" in name or "NVL" in name:  # lower clocks than the SXM modules
        return None
    return next((peak for part, peak in PEAK_BF16_FLOPS.items() if part in name), None)
