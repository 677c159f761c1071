"""transformers.Trainer, set up once for pretraining, fine-tuning and the reward model.

What it adds to Trainer: the paper's AdamW and schedule, the data in the order the stage decided, checkpoints inside
the artifact under the artifact's key, resuming from the last complete one, and metrics of every step that survive a
kill. Trainer brings accelerate: several GPUs, FSDP and mixed precision through `accelerate launch`.

Writes metrics.parquet: step, loss, learning_rate, grad_norm, tokens_per_second, mfu.
"""

import shutil
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
import torch
from torch.optim.lr_scheduler import LambdaLR
from torch.utils.data import Dataset, SequentialSampler
from transformers import PreTrainedModel, PrinterCallback, Trainer, TrainerCallback, TrainingArguments
from transformers.trainer_utils import set_seed

from ..progress import SILENT, Progress
from ..storage import Artifact
from .distributed import is_main, num_processes
from .held_out import HeldOutCallback, held_out_table
from .models import be_quiet, local_path
from .throughput import device_peak_flops

METRICS_SCHEMA = pa.schema(
    [
        pa.field("step", pa.int64(), nullable=False),  # optimizer steps done, from 1
        pa.field("loss", pa.float64(), nullable=False),  # mean over the step's target tokens (or examples), nats
        pa.field("learning_rate", pa.float64(), nullable=False),  # that the step used
        pa.field("grad_norm", pa.float64()),  # before clipping
        pa.field("tokens_per_second", pa.float64()),  # over all devices, without padding, measuring and checkpoints
        pa.field("mfu", pa.float64()),  # 0-1, see throughput; null where the device's peak is not known
    ]
)


@dataclass(frozen=True, slots=True)
class Execution:
    """How a training run uses its devices; nothing here but the precision changes results beyond rounding."""

    precision: Literal["auto", "bf16", "fp32"] = "auto"
    """auto: bf16 on a GPU, fp32 on a CPU."""
    gradient_checkpointing: bool = False
    torch_compile: bool = False
    fsdp: bool = False
    """Shard over the devices although accelerate's config does not say so."""
    flops_per_token: float = 0.0
    """0: no MFU."""
    device_peak_flops: float = 0.0
    """0: by the device's name."""


@dataclass(frozen=True, slots=True)
class TrainingPlan:
    """What one training run needs beside model and data."""

    num_steps: int
    batch_rows: int
    """Items of the dataset in one optimizer step, over all devices."""
    micro_batch_rows: int
    """Items in one forward pass on one device."""
    learning_rate: float
    factor: Callable[[int], float]
    """Share of the learning rate in step n, from 0."""
    beta1: float
    beta2: float
    weight_decay: float
    max_grad_norm: float
    save_steps: int
    seed: int
    execution: Execution = Execution()


class PipelineTrainer(Trainer):
    """Trainer with the stage's own order of examples and own schedule. `peak_flops` is that of all devices."""

    def __init__(
        self, *args: Any, factor: Callable[[int], float], tokens_of_step: Callable[[int], int],
        flops_per_token: float = 0.0, peak_flops: float | None = None, **kwargs: Any,
    ):  # fmt: skip
        super().__init__(*args, **kwargs)
        self._factor, self._tokens_of_step = factor, tokens_of_step
        self._flops_per_token, self._peak_flops = flops_per_token, peak_flops
        self._last_time = time.perf_counter()
        self.paused_seconds = 0.0
        """Of the running step, spent on other things than training (measuring)."""

    def _get_train_sampler(self, train_dataset: Any = None) -> SequentialSampler:
        dataset: Any = train_dataset if train_dataset is not None else self.train_dataset
        return SequentialSampler(dataset)

    def create_scheduler(self, num_training_steps: int, optimizer: Any = None) -> LambdaLR:
        chosen: Any = optimizer if optimizer is not None else self.optimizer
        if self.lr_scheduler is None:
            self.lr_scheduler = LambdaLR(chosen, self._factor)
        return self.lr_scheduler

    def log(self, logs: dict[str, float], *args: Any, **kwargs: Any) -> None:
        if "loss" in logs:
            seconds = time.perf_counter() - self._last_time - self.paused_seconds
            speed = self._tokens_of_step(self.state.global_step) / max(seconds, 1e-9)
            logs["tokens_per_second"] = speed
            if self._peak_flops and self._flops_per_token:
                logs["mfu"] = speed * self._flops_per_token / self._peak_flops
        super().log(logs, *args, **kwargs)

    def _maybe_log_save_evaluate(self, *args: Any, **kwargs: Any) -> None:
        super()._maybe_log_save_evaluate(*args, **kwargs)
        self._last_time, self.paused_seconds = time.perf_counter(), 0.0  # saving is no training time

    def floating_point_ops(self, inputs: Any) -> int:
        """Not counted: it walks through all weights in every forward pass; throughput.py counts once."""
        return 0


class _Reporter(TrainerCallback):
    def __init__(self, what: str, progress: Progress):
        self.what, self.progress = what, progress

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, float] | None = None, **kwargs: Any) -> None:
        if logs and "loss" in logs:
            figures = f"loss {logs['loss']:.3f}, {logs['tokens_per_second']:,.0f} tokens/s"
            if "mfu" in logs:
                figures += f", MFU {logs['mfu']:.1%}"
            self.progress.update(self.what, state.global_step, state.max_steps, figures)


def run_trainer(
    model: PreTrainedModel,
    dataset: Dataset,
    collate: Callable[[Sequence[Any]], dict[str, torch.Tensor]],
    plan: TrainingPlan,
    artifact: Artifact,
    *,
    device: str = "",
    tokens_of_step: Callable[[int], int] = lambda step: 0,
    loss: Callable[..., torch.Tensor] | None = None,
    callbacks: Sequence[TrainerCallback] = (),
    what: str = "training",
    progress: Progress = SILENT,
) -> dict[str, float]:
    """Train `model` in place on `dataset`, item after item, and write metrics.parquet into the artifact.

    `dataset` must hold `num_steps * batch_rows` items or more. A run that was killed goes on from its last complete
    checkpoint with bit-identical results. `loss(outputs, labels, num_items_in_batch)` replaces the model's own loss
    and must divide by `num_items_in_batch`, the number of labels of the whole step.

    Returns the first and last loss and the median of tokens a second. Raises ValueError when the batch does not
    divide into micro-batches over the devices.
    """
    checkpoints = local_path(artifact.path) / "_checkpoints" / artifact.key
    set_seed(plan.seed)
    be_quiet()
    uses_cache = model.config.use_cache  # Trainer changes it; the saved model must keep it
    arguments = _arguments(plan, checkpoints, device)
    peak = device_peak_flops(plan.execution.device_peak_flops, arguments.bf16)
    trainer = PipelineTrainer(
        model=model, args=arguments, train_dataset=dataset, data_collator=collate,
        callbacks=[_Reporter(what, progress), *callbacks], factor=plan.factor, tokens_of_step=tokens_of_step,
        flops_per_token=plan.execution.flops_per_token, peak_flops=peak and peak * arguments.world_size,
        compute_loss_func=loss,
    )  # fmt: skip
    trainer.remove_callback(PrinterCallback)  # the library never prints
    for callback in callbacks:
        if isinstance(callback, HeldOutCallback):
            callback.trainer = trainer
    if plan.execution.gradient_checkpointing:
        model.gradient_checkpointing_enable({"use_reentrant": False})
    resume = last_checkpoint(checkpoints)
    if resume:
        progress.log(f"{what}: resuming from {resume.name}")
    trainer.train(resume_from_checkpoint=str(resume) if resume else None)
    model.config.use_cache = uses_cache
    rows = [row for row in trainer.state.log_history if "loss" in row]
    columns = {name: [row.get(name) for row in rows] for name in METRICS_SCHEMA.names}
    if is_main():
        artifact.write_table("metrics.parquet", pa.table(columns, schema=METRICS_SCHEMA))
        if any(isinstance(callback, HeldOutCallback) for callback in callbacks):
            artifact.write_table("held_out.parquet", held_out_table(trainer.state.log_history))
    return _figures(rows)


def _figures(rows: Sequence[dict[str, Any]]) -> dict[str, float]:
    figures: dict[str, float] = {
        "first_loss": round(rows[0]["loss"], 4), "last_loss": round(rows[-1]["loss"], 4),
        "median_tokens_per_second": round(statistics.median_high(row["tokens_per_second"] for row in rows)),
    }  # fmt: skip
    used = [row["mfu"] for row in rows if row.get("mfu") is not None]
    return {**figures, "median_mfu": round(statistics.median(used), 4)} if used else figures


def drop_checkpoints(artifact: Artifact) -> None:
    """Delete the checkpoints; call it once the finished model is saved, so that a kill in between loses nothing."""
    if is_main():
        shutil.rmtree(local_path(artifact.path) / "_checkpoints", ignore_errors=True)


def last_checkpoint(folder: Path) -> Path | None:
    """The checkpoint with the highest step that is complete: its trainer_state.json, written last, is there."""
    found = [p for p in folder.glob("checkpoint-*") if (p / "trainer_state.json").exists()]
    return max(found, key=lambda p: int(p.name.rpartition("-")[2]), default=None)


def _arguments(plan: TrainingPlan, checkpoints: Path, device: str) -> TrainingArguments:
    on_cpu = device == "cpu" or not torch.cuda.is_available()
    how = plan.execution
    is_bf16 = how.precision == "bf16" or (how.precision == "auto" and not on_cpu)
    arguments = TrainingArguments(
        output_dir=str(checkpoints), max_steps=plan.num_steps, per_device_train_batch_size=plan.micro_batch_rows,
        learning_rate=plan.learning_rate, adam_beta1=plan.beta1, adam_beta2=plan.beta2,
        weight_decay=plan.weight_decay, max_grad_norm=plan.max_grad_norm,
        logging_steps=1, save_steps=plan.save_steps, save_total_limit=2, seed=plan.seed, data_seed=plan.seed,
        report_to=[], disable_tqdm=True, use_cpu=on_cpu, bf16=is_bf16, remove_unused_columns=False,
        dataloader_num_workers=0, dataloader_pin_memory=not on_cpu, dataloader_drop_last=True, log_level="error",
        logging_nan_inf_filter=False,  # a loss that is no number must be seen; the filter also waits for the device
        use_cache=False,  # with a cache transformers would not keep the examples of a row apart
        torch_compile=how.torch_compile,
        fsdp="full_shard" if how.fsdp and num_processes() > 1 else None, ddp_find_unused_parameters=False,
    )  # fmt: skip
    rows = plan.micro_batch_rows * arguments.world_size
    if plan.batch_rows % rows:
        raise ValueError(
            f"a step of {plan.batch_rows} rows does not divide into forward passes of {plan.micro_batch_rows} rows "
            f"on {arguments.world_size} device(s): change the batch or the micro-batch"
        )
    arguments.gradient_accumulation_steps = plan.batch_rows // rows
    return arguments
