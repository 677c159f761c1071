"""Texts as memory-mapped token files, and the order in which pretraining reads them.

All documents of a source, one after the other, are an endless stream: after the last token comes the first again.
Windows of `context_tokens` are cut from it without gap or overlap, epoch after epoch, so every token is used equally
often (the numbers differ by one at most), no position holds padding, and windows of later epochs are cut elsewhere
unless the source is a whole number of windows long. Within an epoch windows are shuffled; of an epoch that the run does
not finish, they are drawn from all of the source. The mixture holds in every part of the run, not only in its sum.
Documents are packed densely (`<eos>` marks their borders); whether they see each other is a setting of the training.

Writes <source>-00000.bin and .held_out.bin (see encoding), order.npy (int64 [num_sequences, 2]: source number, first
token in its stream) and index.json. Section 2.3 for the mixture; packing itself is not described in the paper.
"""

import io
import random
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from ..compute import map_shards
from ..progress import SILENT, Progress
from ..recipe.schema import MixtureSettings, PretrainSettings
from ..storage import Artifact, Folder, Manifest, stage, write_bytes, write_json
from .encoding import EncodingTask, encode_part, file_names, token_dtype
from .inputs import stage_input
from .mixture import MixtureError, SourceShare, plan_mixture
from .sources import SourceError, cannot_reach, source_folder, source_parts
from .tokenizer import load_tokenizer, special_ids

PACKING_VERSION = "3"
"""1 (2026-11): first version. 2 (2026-11): windows cover every token of an epoch, the mixture holds in every part of
the run, a part of each source is held out. 3 (2026-11): an unfinished epoch reads from all of its source."""

_BYTES_WORTH_A_POOL = 64 << 20
"""Less text than this is encoded before worker processes have started."""


def pack_tokens(
    sources: Mapping[str, Folder | str],
    tokenizer: Folder,
    out: Folder,
    mixture: MixtureSettings,
    pretrain: PretrainSettings,
    seed: int,
    *,
    workers: int = 0,
    progress: Progress = SILENT,
) -> Manifest:
    """Encode the texts of every source and fix the training order of `pretrain.num_tokens` tokens.

    `sources` maps fields of MixtureSettings to artifacts, folders, files or hub names (see sources). The run is a
    whole number of optimizer steps. Counts of each source: tokens, documents, share, sequences, epochs, and what is
    held out. Raises MixtureError for a source without a share or text, SourceError for one that cannot be read.
    """
    unknown = set(sources) - set(MixtureSettings.model_fields)
    if unknown:
        known = ", ".join(MixtureSettings.model_fields)
        raise MixtureError(f"no share in the mixture for {', '.join(sorted(unknown))}; sources are {known}")
    folders = {name: source_folder(sources[name]) for name in MixtureSettings.model_fields if name in sources}
    identity = {
        "mixture": mixture.model_dump(), "context_tokens": pretrain.context_tokens, "seed": seed,
        "num_tokens": pretrain.num_tokens, "batch_tokens": pretrain.batch_tokens,
        "held_out_share": pretrain.held_out_share,
    }  # fmt: skip
    inputs = {name: _input_key(path) for name, path in folders.items()} | {"tokenizer": stage_input(tokenizer)}
    with stage(out, "tokens", PACKING_VERSION, identity, inputs) as run:
        if run.artifact:
            if "://" in str(out):
                raise SourceError(f"{out} is not on a local disk: training maps token files into memory")
            index = _encode_sources(run.artifact, folders, tokenizer, pretrain, seed, workers, progress)
            order = _plan_order(run.artifact, index["sources"], mixture, pretrain, seed)
            buffer = io.BytesIO()
            np.save(buffer, order)
            write_bytes(out / "order.npy", buffer.getvalue())
            write_json(out / "index.json", {"context_tokens": pretrain.context_tokens, **index})
            run.artifact.num_rows = len(order)
    assert run.manifest is not None
    return run.manifest


def num_training_steps(settings: PretrainSettings) -> int:
    """Optimizer steps of a pretraining run (at least one)."""
    return max(1, settings.num_tokens // settings.batch_tokens)


def sequences_per_step(settings: PretrainSettings) -> int:
    """Sequences in one optimizer step; ValueError when the batch is no multiple of the context."""
    if settings.batch_tokens % settings.context_tokens:
        raise ValueError(
            f"pretrain.batch_tokens={settings.batch_tokens} is no multiple of "
            f"pretrain.context_tokens={settings.context_tokens}"
        )
    return settings.batch_tokens // settings.context_tokens


def training_order(
    num_tokens: Mapping[str, int], plan: Mapping[str, SourceShare], context_tokens: int, seed: int
) -> np.ndarray:
    """Rows (source number, first token) of all training sequences, int64 [sum of the plan's sequences, 2].

    `num_tokens` is the length of each source's stream; sources are numbered in its order. Any run of sequences holds
    each source in its share, up to one sequence for each source.
    """
    rows, times = [], []
    for number, (name, length) in enumerate(num_tokens.items()):
        if name not in plan:  # a share of zero
            continue
        rng = np.random.default_rng(random.Random(f"{seed}:order:{name}").getrandbits(64))
        window = _windows(plan[name].num_sequences, length, context_tokens, rng) * context_tokens
        shuffled = window[np.lexsort((rng.random(len(window)), window // length))]
        rows.append(np.stack([np.full_like(shuffled, number), shuffled % length], axis=1))
        # one sequence in each of as many equal spans of the run, at a random place in the span
        times.append((np.arange(len(window)) + rng.random(len(window))) / max(len(window), 1))
    return np.concatenate(rows)[np.argsort(np.concatenate(times), kind="stable")]


def _windows(count: int, length: int, context_tokens: int, rng: np.random.Generator) -> np.ndarray:
    """Numbers of the windows that a run reads of a stream, int64 [count]: all of its finished epochs, and of the last
    one as many as are left, drawn at random."""
    numbers = np.arange(count, dtype=np.int64)
    epoch = (count - 1) * context_tokens // length
    first = -(-epoch * length // context_tokens)
    inside = ((epoch + 1) * length - first * context_tokens) // context_tokens
    if 0 <= first < count <= first + inside:
        numbers[first:] = first + rng.choice(inside, count - first, replace=False)
    return numbers


def _input_key(path: Folder) -> Folder | str:
    if "://" not in str(path):
        return stage_input(path)
    try:
        return stage_input(path)
    except Exception as error:  # fsspec and the hub raise errors of many kinds
        raise SourceError(cannot_reach(path, error)) from error


def _encode_sources(
    artifact: Artifact, sources: Mapping[str, Folder], tokenizer: Folder, settings: PretrainSettings, seed: int,
    workers: int, progress: Progress,
) -> dict[str, Any]:  # fmt: skip
    """Write the token files of every part of every source. Returns the index: end id, dtype, files by source."""
    encoder = load_tokenizer(tokenizer)
    end, _ = special_ids(encoder, tokenizer)
    dtype = token_dtype(encoder)
    parts = [(name, i, part) for name, path in sources.items() for i, part in enumerate(source_parts(path))]
    if sum(part.num_bytes for _, _, part in parts) < _BYTES_WORTH_A_POOL or len(parts) == 1:
        workers = 1
    tasks = [
        EncodingTask(
            part, str(artifact.path), f"{name}-{i:05d}", str(tokenizer), end, dtype, settings.held_out_share, seed,
            artifact.key, is_alone=workers == 1,
        )
        for name, i, part in parts
    ]  # fmt: skip
    counts = map_shards(encode_part, tasks, workers=workers, what="token files", progress=progress)
    _drop_stale_files(Path(str(artifact.path)), {file for task in tasks for file in file_names(task.name)})
    found: list[dict[str, Any]] = [{"name": name, "files": []} for name in sources]
    for task, (name, _, _), figures in zip(tasks, parts, counts, strict=True):
        entry = next(source for source in found if source["name"] == name)
        trained, held_out = file_names(task.name)
        entry["files"].append({"name": trained, "held_out": held_out, **figures})
    return {"dtype": dtype, "end_id": end, "sources": found}


def _drop_stale_files(folder: Path, current: set[str]) -> None:
    """Files that a killed run with other inputs left."""
    for file in folder.glob("*.bin"):
        if file.name not in current:
            file.unlink()


def _plan_order(
    artifact: Artifact, sources: list[dict[str, Any]], mixture: MixtureSettings, settings: PretrainSettings, seed: int
) -> np.ndarray:
    totals = {
        source["name"]: {
            column: sum(file[column] for file in source["files"])
            for column in ("num_tokens", "num_documents", "held_out_documents", "held_out_tokens")
        }
        for source in sources
    }
    lengths = {name: total["num_tokens"] for name, total in totals.items()}
    num_sequences = num_training_steps(settings) * sequences_per_step(settings)
    plan = plan_mixture({name: n / settings.context_tokens for name, n in lengths.items()}, mixture, num_sequences)
    for name, total in totals.items():
        share = plan.get(name, SourceShare(0.0, 0, 0.0))
        artifact.counts[name] = {
            "tokens": total["num_tokens"], "documents": total["num_documents"],
            **{key: round(value, 6) for key, value in asdict(share).items() if key != "num_sequences"},
            "sequences": share.num_sequences, "held_out_documents": total["held_out_documents"],
            "held_out_tokens": total["held_out_tokens"],
        }  # fmt: skip
    return training_order(lengths, plan, settings.context_tokens, seed)
