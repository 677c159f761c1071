"""Training assets in child processes: launched by accelerate, stopped as Dagster stops them, resumed."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import dagster as dg
import pyarrow.parquet as pq
import pytest
from dagster_pipes import encode_param

from assets import child
from assets.resources import CHECKOUT, Pipeline
from assets.stage_asset import child_command
from assets.training import training_assets
from dsmath_pipeline.recipe.presets import load_recipe
from dsmath_pipeline.recipe.schema import MixtureSettings
from dsmath_pipeline.stages import Run
from dsmath_pipeline.tokens.packing import pack_tokens
from tests.tiny_model import build_tokens

CPU_2 = "deploy/accelerate/cpu_2_processes.yaml"
OVERRIDES = [
    "model.hidden_size=16", "model.intermediate_size=32", "model.num_heads=2", "pretrain.context_tokens=32",
    "pretrain.batch_tokens=256", "pretrain.micro_batch_sequences=4", "pretrain.save_steps=10",
]  # fmt: skip


def prepare(folder: Path, num_steps: int) -> list[str]:
    """Tokens in `folder` for that many steps; returns the overrides of the recipe."""
    overrides = [*OVERRIDES, f"pretrain.num_tokens={256 * num_steps}"]
    recipe = load_recipe("demo", overrides)
    build_tokens(folder)
    pack_tokens(
        {"corpus": folder / "corpus"}, folder / "tokenizer", folder / "tokens", MixtureSettings(), recipe.pretrain, 0
    )
    return overrides


def materialize_base(folder: Path, overrides: list[str], accelerate_config: str) -> dg.ExecuteInProcessResult:
    recipe = load_recipe("demo", overrides)
    base = next(a for a in training_assets(recipe) if a.key == dg.AssetKey(["models", "base"]))
    return dg.materialize(
        [base], resources={"pipeline": Pipeline(root=str(folder), preset="demo", overrides=overrides)},
        run_config={"ops": {"models__base": {"config": {"accelerate_config": accelerate_config}}}},
    )  # fmt: skip


@pytest.mark.slow
def test_the_asset_trains_in_two_processes_and_shows_what_was_measured(tmp_path, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    overrides = prepare(tmp_path, 4)
    result = materialize_base(tmp_path, overrides, CPU_2)
    assert result.success
    (event,) = result.get_asset_materialization_events()
    metadata = event.materialization.metadata
    assert metadata["tokens"].value == 4 * 256
    assert {"picture: loss", "picture: learning_rate", "picture: tokens_per_second"} <= set(metadata)
    assert "held_out_perplexity_corpus" in metadata and "picture: mfu" not in metadata  # a CPU's peak is not known
    assert all(len(metadata[f"picture: {name}"].value) < 2000 for name in ("loss", "tokens_per_second"))


@pytest.mark.slow
def test_an_interrupted_launch_ends_all_its_processes_and_the_next_one_resumes(tmp_path):
    num_steps = 400  # more than it can take until the interrupt comes
    overrides = prepare(tmp_path, num_steps)
    run = Run(tmp_path, load_recipe("demo", overrides))
    with started(run) as process:
        wait_for(lambda: list(tmp_path.glob("models/base/_checkpoints/*/checkpoint-*/trainer_state.json")), process)
        process.send_signal(signal.SIGINT)  # what Dagster sends when a run is terminated
        assert process.wait(30) == 130
    assert not processes_about(tmp_path) and not (tmp_path / "models" / "base" / "manifest.json").exists()
    with started(run) as process:
        assert process.wait(300) == 0
    metrics = pq.read_table(tmp_path / "models" / "base" / "metrics.parquet")
    assert metrics["step"].to_pylist() == list(range(1, num_steps + 1))


class started:
    """`python -m assets.child --accelerate ...` as the asset starts it, with the context that Pipes hands over."""

    def __init__(self, run: Run):
        unused = ("asset_keys", "code_version_by_asset_key", "provenance_by_asset_key", "partition_key",
                  "partition_key_range", "partition_time_window", "job_name")  # fmt: skip
        context = {**dict.fromkeys(unused), "run_id": "0", "retry_number": 0, "extras": run.to_json()}
        # the folder in the environment tells this test's processes from all others
        self.env = {
            **os.environ, "OMP_NUM_THREADS": "1", "ABOUT": str(run.root),
            "DAGSTER_PIPES_CONTEXT": encode_param({"data": context}),
            "DAGSTER_PIPES_MESSAGES": encode_param({"path": str(run.root / "messages")}),
        }  # fmt: skip

    def __enter__(self) -> subprocess.Popen:
        command = child_command("base_model", (), CPU_2)
        self.process = subprocess.Popen(command, cwd=CHECKOUT, env=self.env, stderr=subprocess.DEVNULL)
        return self.process

    def __exit__(self, *error: object) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            self.process.wait(60)


def wait_for(condition, process: subprocess.Popen, seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert process.poll() is None and time.monotonic() < end, "the child ended or is too slow"
        time.sleep(0.1)


def processes_about(folder: Path) -> list[str]:
    found = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        try:
            if f"ABOUT={folder}".encode() in path.read_bytes().split(b"\0"):
                found.append(path.parent.name)
        except OSError:
            continue
    return found


def test_the_command_is_the_plain_child_unless_a_config_is_named(tmp_path):
    assert child_command("sft_model", (1,), "") == [sys.executable, "-m", "assets.child", "sft_model", "1"]
    config = str(CHECKOUT / CPU_2)
    expected = [sys.executable, "-m", "assets.child", "--accelerate", config, "base_model"]
    assert child_command("base_model", (), CPU_2) == child_command("base_model", (), config) == expected
    with pytest.raises(dg.Failure, match="no accelerate config"):
        child_command("base_model", (), str(tmp_path / "none.yaml"))


def test_progress_is_reported_every_tenth_and_every_minute(monkeypatch):
    clock, messages = [0.0], []

    class Pipes:
        class log:
            info = staticmethod(messages.append)

    monkeypatch.setattr(child.time, "monotonic", lambda: clock[0])
    progress = child.PipesProgress(Pipes)  # type: ignore[arg-type]
    for step in range(1, 65):
        clock[0] += 1.0
        progress.update("training", step, 64)
    # a tenth of 64 steps is 6.4: the seventh step after the last message is the first that is so far
    assert [message.split()[1] for message in messages] == [f"{n}/64" for n in (1, 8, 15, 22, 29, 36, 43, 50, 57, 64)]
    messages.clear()
    for step in range(1, 181):
        clock[0] += 1.0
        progress.update("long", step, 100_000)
    assert [message.split()[1] for message in messages] == ["1/100000", "61/100000", "121/100000"]
