"""Save a model whose weights are sharded over two processes: `... ROOT OUT {}`, started by accelerate."""

import sys
from pathlib import Path

import torch
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import DTensor

from dsmath_pipeline.training.distributed import is_main, join, num_processes, wait
from dsmath_pipeline.training.models import build_model, save_model
from tests.tiny_model import MODEL


def main(root: str, out: str, options: str) -> None:
    torch.set_num_threads(1)
    join("cpu")
    assert num_processes() == 2
    folder = Path(root)
    model = build_model(MODEL, 400, 0)
    if is_main():
        model.save_pretrained(folder / f"{out}_reference")
    mesh = torch.distributed.device_mesh.init_device_mesh("cpu", (2,))
    for layer in model.model.layers:
        fully_shard(layer, mesh=mesh)
    fully_shard(model, mesh=mesh)
    weight = model.model.layers[0].mlp.up_proj.weight
    assert isinstance(weight, DTensor) and weight.to_local().numel() * 2 == weight.numel()
    save_model(model, folder / "tokenizer", folder / out)
    wait()
    torch.distributed.destroy_process_group()


if __name__ == "__main__":
    main(*sys.argv[1:])
