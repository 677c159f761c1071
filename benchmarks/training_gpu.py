"""Pretraining speed and MFU of a 1B Llama in bf16 on one GPU.

    python -m benchmarks.training_gpu [--steps N] [--micro-batch N] [--compile] [--checkpoint]
    python -m benchmarks.training_gpu --tiny          # the same path in seconds, on a CPU too

Random tokens, the shape of a 1.2B Llama (16 layers x 2048, 32 heads, 8 of them for keys and values, vocabulary 32,000)
with a context of 4,096 tokens, through `pretrain`. The figures are medians over the steps after the first five: tokens
a second and model FLOPs utilisation (dsmath_pipeline/training/throughput.py states the formula). Prints a table and
writes benchmarks/results/training_gpu.json.
"""

import argparse
import json
import statistics
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import LlamaConfig

from benchmarks import common
from dsmath_pipeline import storage
from dsmath_pipeline.recipe.schema import ModelSettings, PretrainSettings, TokenizerSettings
from dsmath_pipeline.tokens.tokenizer import save_tokenizer, train_bpe
from dsmath_pipeline.training.pretrain import pretrain
from dsmath_pipeline.training.throughput import device_peak_flops

SHAPE = {
    "hidden_size": 2048, "intermediate_size": 8192, "num_hidden_layers": 16, "num_attention_heads": 32,
    "num_key_value_heads": 8, "vocab_size": 32_000, "max_position_embeddings": 4096, "tie_word_embeddings": True,
}  # fmt: skip
TINY_SHAPE = {
    "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4,
    "num_key_value_heads": 2, "vocab_size": 300, "max_position_embeddings": 64, "tie_word_embeddings": True,
}  # fmt: skip
WARM_UP_STEPS = 5


def prepare(folder: Path, shape: dict[str, Any], settings: PretrainSettings) -> ModelSettings:
    """A model configuration, a tokenizer and random packed tokens below `folder`."""
    LlamaConfig(**shape).save_pretrained(folder / "model")
    texts = ["the sum of 12 and 30 is 42"] * 10
    with storage.stage(folder / "tokenizer", "tokenizer", "1", {}, {}) as run:
        assert run.artifact is not None
        tokenizer = train_bpe(texts, TokenizerSettings(vocab_size=300))
        # the model takes its vocabulary's size from the tokenizer: filled up with entries that nothing encodes to
        tokenizer.add_tokens([f"<unused {i}>" for i in range(shape["vocab_size"] - tokenizer.get_vocab_size())])
        save_tokenizer(tokenizer, run.artifact.path)
    num_sequences = settings.num_tokens // settings.context_tokens
    with storage.stage(folder / "tokens", "tokens", "1", {}, {}) as run:
        assert run.artifact is not None
        ids = np.random.default_rng(0).integers(3, 290, settings.num_tokens, dtype=np.uint16)
        ids.tofile(folder / "tokens" / "corpus-00000.bin")
        first = np.arange(num_sequences) * settings.context_tokens
        np.save(folder / "tokens" / "order.npy", np.stack([np.zeros_like(first), first], axis=1))
        file = {"name": "corpus-00000.bin", "held_out": "", "num_tokens": len(ids), "held_out_tokens": 0}
        index = {"dtype": "uint16", "end_id": 2, "sources": [{"name": "corpus", "files": [file]}]}
        run.artifact.write_json("index.json", {"context_tokens": settings.context_tokens, **index})
    return ModelSettings(config_file=str(folder / "model"))


def measure(folder: Path, shape: dict[str, Any], settings: PretrainSettings, device: str) -> dict[str, Any]:
    """Train and return the figures of the steps that count."""
    model = prepare(folder, shape, settings)
    manifest = pretrain(folder / "tokens", folder / "tokenizer", folder / "out", model, settings, 0, device=device)
    rows = storage.read_table(folder / "out" / "metrics.parquet").to_pylist()[WARM_UP_STEPS:]
    used = [row["mfu"] for row in rows if row["mfu"] is not None]
    return {
        "parameters": manifest.counts["parameters"], "context_tokens": settings.context_tokens,
        "batch_tokens": settings.batch_tokens, "micro_batch_sequences": settings.micro_batch_sequences,
        "precision": settings.precision, "torch_compile": settings.torch_compile,
        "gradient_checkpointing": settings.gradient_checkpointing, "steps": len(rows),
        "tokens_per_second": common.rounded(statistics.median(row["tokens_per_second"] for row in rows)),
        "mfu": round(statistics.median(used), 4) if used else None,
        "last_loss": manifest.counts["last_loss"],
    }  # fmt: skip


def main(argv: Sequence[str] | None = None) -> int:
    """Exit code 1 where there is no GPU."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=25, help=f"steps, {WARM_UP_STEPS} of them not counted")
    parser.add_argument("--micro-batch", type=int, default=4, help="sequences in one forward pass")
    parser.add_argument("--compile", action="store_true", help="torch.compile")
    parser.add_argument("--checkpoint", action="store_true", help="gradient checkpointing")
    parser.add_argument("--tiny", action="store_true", help="a tiny model, on any device")
    parser.add_argument("--out", type=Path, default=common.RESULTS, help="folder of the result file")
    options = parser.parse_args(argv)
    if not torch.cuda.is_available() and not options.tiny:
        print("training_gpu: no GPU that PyTorch can use here. Run it on a machine with one, or try the path with "
              "--tiny.", file=sys.stderr)  # fmt: skip
        return 1
    context, batch = (64, 4) if options.tiny else (4096, 8)
    settings = PretrainSettings(
        num_tokens=options.steps * batch * context, batch_tokens=batch * context, context_tokens=context,
        warmup_steps=2, micro_batch_sequences=min(batch, options.micro_batch), precision="bf16",
        torch_compile=options.compile, gradient_checkpointing=options.checkpoint, held_out_share=0.0,
        save_steps=10 * options.steps,
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as scratch:
        found = measure(Path(scratch), TINY_SHAPE if options.tiny else SHAPE, settings, "")
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else "CPU"
    versions = common.versions(("torch", "transformers", "accelerate"))
    found |= {"device": device, "device_peak_flops": device_peak_flops(0.0, True), "versions": versions}
    print(common.markdown_table(("figure", "value"), [(name, str(value)) for name, value in found.items()]))
    if not options.tiny:
        print(f"\nwritten to {common.write_result(options.out, 'training_gpu', {device: found})}", file=sys.stderr)
    else:
        print(json.dumps(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
