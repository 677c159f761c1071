"""One pretraining run in a process of its own: `python -m tests.training.pretrain_child ROOT OUT [JSON settings]`.

`kill_at` in the settings sends SIGKILL to this process in the middle of that step (after the optimizer, before the
checkpoint); the other settings override those of tests/tiny_model.py.
"""

import json
import os
import signal
import sys
from pathlib import Path

import torch
from transformers import TrainerCallback

from dsmath_pipeline.training.pretrain import pretrain
from tests.tiny_model import MODEL, PRETRAIN


class KillCallback(TrainerCallback):
    def __init__(self, step: int):
        self.step = step

    def on_optimizer_step(self, args, state, control, **kwargs):
        if state.global_step + 1 == self.step:
            os.kill(os.getpid(), signal.SIGKILL)


def main(root: str, out: str, options: str = "{}") -> None:
    torch.set_num_threads(1)
    torch.set_num_interop_threads(1)
    settings = json.loads(options)
    callbacks = [KillCallback(settings.pop("kill_at"))] if "kill_at" in settings else []
    folder = Path(root)
    pretrain(
        folder / "tokens", folder / "tokenizer", folder / out, MODEL, PRETRAIN.model_copy(update=settings), 0,
        device="cpu", callbacks=callbacks,
    )  # fmt: skip


if __name__ == "__main__":
    main(*sys.argv[1:])
