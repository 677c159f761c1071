"""Perplexity on the held-out documents of each source, while a model is pretrained.

Held-out tokens are cut into sequences as in training; the loss is the mean over all their targets, so that a short last
sequence weighs as much as its tokens. Perplexity is exp(loss). Measuring draws no random numbers: a run that measures
more often trains the same model. Not in the paper, which measures benchmarks only.
"""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pyarrow as pa
import torch
import torch.nn.functional as F
from transformers import TrainerCallback

HELD_OUT_SCHEMA = pa.schema(
    [
        pa.field("step", pa.int64(), nullable=False),  # optimizer steps done
        pa.field("source", pa.string(), nullable=False),
        pa.field("num_targets", pa.int64(), nullable=False),  # tokens whose loss was measured
        pa.field("loss", pa.float64(), nullable=False),  # nats a token
        pa.field("perplexity", pa.float64(), nullable=False),
    ]
)
IGNORED = -100
_KEY = "held_out"


class HeldOutCallback(TrainerCallback):
    """Measures every `every_steps` optimizer steps and after the last. `sources` maps names to sequences, int64
    [tokens] each; `collate` makes batches of them as in training. The figures go into the trainer's log history, which
    its checkpoints keep."""

    def __init__(
        self,
        sources: Mapping[str, Sequence[torch.Tensor]],
        collate: Callable[[Sequence[torch.Tensor]], dict[str, torch.Tensor]],
        every_steps: int,
        batch_rows: int,
    ):
        self.sources = {name: rows for name, rows in sources.items() if rows}
        self.collate, self.every_steps, self.batch_rows = collate, every_steps, batch_rows
        self.trainer: Any = None
        """The PipelineTrainer; `run_trainer` sets it."""

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if state.global_step % self.every_steps and state.global_step < state.max_steps:
            return
        if torch.cuda.is_available():
            torch.cuda.synchronize()  # the step itself is still running
        started = time.perf_counter()
        for name, rows in self.sources.items():
            loss, num_targets = self._measure(rows)
            state.log_history.append(
                {_KEY: name, "step": state.global_step, "mean_nll": loss, "num_targets": num_targets}
            )
        self.trainer.paused_seconds += time.perf_counter() - started

    @torch.no_grad()
    def _measure(self, rows: Sequence[torch.Tensor]) -> tuple[float, int]:
        """(mean loss, number of targets). Every process takes its share, in equally many forward passes."""
        accelerator, model = self.trainer.accelerator, self.trainer.model_wrapped
        mine = list(rows[accelerator.process_index :: accelerator.num_processes])
        num_passes = math.ceil(math.ceil(len(rows) / accelerator.num_processes) / self.batch_rows)
        sums = torch.zeros(2, dtype=torch.float64)
        was_training = model.training
        model.eval()
        for n in range(num_passes):
            some = mine[n * self.batch_rows : (n + 1) * self.batch_rows]
            batch = self.collate(some or [rows[0]])  # sharded weights are gathered by all processes together
            batch = {name: tensor.to(accelerator.device) for name, tensor in batch.items()}
            labels_BT = batch.pop("labels")
            logits_BTV = model(**batch, use_cache=False).logits
            if some:
                sums += _sum_of_losses(logits_BTV, labels_BT)
        model.train(was_training)
        if accelerator.num_processes > 1:
            sums = accelerator.reduce(sums.to(accelerator.device), "sum").cpu()
        return float(sums[0] / sums[1]), int(sums[1])


def held_out_table(log_history: Sequence[Mapping[str, Any]]) -> pa.Table:
    """The measurements in a trainer's log history, rows of HELD_OUT_SCHEMA."""
    rows = [
        {
            "step": row["step"], "source": row[_KEY], "num_targets": row["num_targets"], "loss": row["mean_nll"],
            "perplexity": math.exp(min(row["mean_nll"], 700.0)),
        }
        for row in log_history
        if _KEY in row
    ]  # fmt: skip
    return pa.Table.from_pylist(rows, schema=HELD_OUT_SCHEMA)


def _sum_of_losses(logits_BTV: torch.Tensor, labels_BT: torch.Tensor) -> torch.Tensor:
    """(sum of the losses, number of targets), float64; row by row, because logits in float32 are large."""
    total, number = 0.0, 0
    for logits_TV, labels_T in zip(logits_BTV, labels_BT, strict=True):
        targets_T = labels_T[1:]
        total += float(F.cross_entropy(logits_TV[:-1].float(), targets_T, ignore_index=IGNORED, reduction="sum"))
        number += int((targets_T != IGNORED).sum())
    return torch.tensor([total, float(number)], dtype=torch.float64)
