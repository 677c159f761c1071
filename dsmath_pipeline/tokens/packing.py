"""Texts as memory-mapped token files, and the order in which pretraining reads them.

Each Parquet file becomes one flat file of token ids: `<bos> text <eos>` after `<bos> text <eos>`, documents in seeded
order. A training sequence is a window of `context_tokens` of it; documents are not kept apart inside a window (as in
the paper's base models), `<eos>` marks their borders. The mixture decides how many windows each source gives; a source
that is used more than once starts every epoch at another offset, so that windows differ.

Writes <source>-00000.bin (uint16 or uint32), order.npy (int64 [num_sequences, 2]: file number, first token) and
index.json. Section 2.3 for the mixture; packing itself is not described in the paper.
"""

import io
import random
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from tokenizers import Tokenizer

from ..progress import SILENT, Progress, track
from ..recipe.schema import MixtureSettings, PretrainSettings
from ..storage import Artifact, Folder, Manifest, parquet_files, read_json, stage, write_bytes, write_json
from .inputs import stage_input
from .mixture import MixtureError, plan_mixture
from .tokenizer import load_tokenizer, special_ids

PACKING_VERSION = "1"
"""1 (2026-11): first version."""

_ENCODE_BATCH = 1000


def pack_tokens(
    sources: Mapping[str, Folder],
    tokenizer: Folder,
    out: Folder,
    mixture: MixtureSettings,
    pretrain: PretrainSettings,
    seed: int,
    *,
    progress: Progress = SILENT,
) -> Manifest:
    """Encode the `text` column of every source and fix the training order of `pretrain.num_tokens` tokens.

    `sources` maps fields of MixtureSettings to artifact folders. The run is a whole number of optimizer steps. Counts:
    tokens, sequences and epochs of each source. Raises MixtureError for a source without a share.
    """
    unknown = set(sources) - set(MixtureSettings.model_fields)
    if unknown:
        known = ", ".join(MixtureSettings.model_fields)
        raise MixtureError(f"no share in the mixture for {', '.join(sorted(unknown))}; sources are {known}")
    names = [name for name in MixtureSettings.model_fields if name in sources]
    identity = {
        "mixture": mixture.model_dump(), "context_tokens": pretrain.context_tokens, "seed": seed,
        "num_tokens": pretrain.num_tokens, "batch_tokens": pretrain.batch_tokens,
    }  # fmt: skip
    inputs = {name: stage_input(sources[name]) for name in names} | {"tokenizer": stage_input(tokenizer)}
    with stage(out, "tokens", PACKING_VERSION, identity, inputs) as run:
        if run.artifact:
            files = _encode_sources(run.artifact, {n: sources[n] for n in names}, tokenizer, seed, progress)
            order = _plan_order(run.artifact, files, mixture, pretrain, seed)
            buffer = io.BytesIO()
            np.save(buffer, order)
            write_bytes(out / "order.npy", buffer.getvalue())
            write_json(out / "index.json", {"context_tokens": pretrain.context_tokens, "files": files})
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


class PackedTokens:
    """The packed sequences of a token artifact, memory-mapped. `packed[i]` is the i-th sequence in training order,
    an int64 array of `context_tokens` ids."""

    def __init__(self, path: Folder):
        index = read_json(path / "index.json")
        self.context_tokens: int = index["context_tokens"]
        self.order: np.ndarray = np.load(Path(str(path)) / "order.npy", mmap_mode="r")
        self._files = [
            np.memmap(Path(str(path)) / file["name"], dtype=file["dtype"], mode="r") for file in index["files"]
        ]

    def __len__(self) -> int:
        return len(self.order)

    def __getitem__(self, i: int) -> np.ndarray:
        file, start = self.order[i]
        return self._files[file][start : start + self.context_tokens].astype(np.int64)


def _encode_sources(
    artifact: Artifact, sources: Mapping[str, Folder], tokenizer: Folder, seed: int, progress: Progress
) -> list[dict[str, Any]]:
    """Write one token file for each Parquet file; a file that a killed run finished is kept."""
    encoder = load_tokenizer(tokenizer)
    end, _ = special_ids(encoder, tokenizer)
    dtype = "uint16" if encoder.get_vocab_size() <= 1 << 16 else "uint32"
    files = []
    todo = [(name, i, file) for name, path in sources.items() for i, file in enumerate(parquet_files(path))]
    for name, i, file in track(todo, "token files", progress):
        target = artifact.path / f"{name}-{i:05d}.bin"
        record = artifact.path / "_files" / f"{target.name}.json"
        done = read_json(record) if record.exists() else {}
        if done.get("key") != artifact.key or not target.exists():
            rng = random.Random(f"{seed}:packing:{target.name}")
            tokens = np.fromiter(_token_stream(file, encoder, end, rng), dtype=dtype)
            write_bytes(target, tokens.tobytes())
            done = {"key": artifact.key, "num_tokens": len(tokens)}
            write_json(record, done)
        files.append({"name": target.name, "source": name, "dtype": dtype, "num_tokens": done["num_tokens"]})
    return files


def _token_stream(file: Folder, encoder: Tokenizer, end: int, rng: random.Random) -> Iterator[int]:
    with file.open("rb") as source:
        texts = [text for text in pq.read_table(source, columns=["text"]).column(0).to_pylist() if text]
    rng.shuffle(texts)
    for first in range(0, len(texts), _ENCODE_BATCH):
        for encoding in encoder.encode_batch(texts[first : first + _ENCODE_BATCH]):
            yield from encoding.ids
            yield end


def _plan_order(
    artifact: Artifact, files: list[dict[str, Any]], mixture: MixtureSettings, settings: PretrainSettings, seed: int
) -> np.ndarray:
    """Rows (file number, first token) of all training sequences, shuffled."""
    context = settings.context_tokens
    available: dict[str, int] = {}
    for file in files:
        available[file["source"]] = available.get(file["source"], 0) + file["num_tokens"] // context
    num_sequences = num_training_steps(settings) * sequences_per_step(settings)
    plan = plan_mixture(available, mixture, num_sequences)
    rows = []
    for name, share in plan.items():
        numbered = [(i, file["num_tokens"]) for i, file in enumerate(files) if file["source"] == name]
        rng = np.random.default_rng(random.Random(f"{seed}:order:{name}").getrandbits(64))
        rows.append(_windows(numbered, context, share.num_sequences, rng))
        tokens = sum(size for _, size in numbered)
        artifact.counts[name] = {
            "tokens": tokens, "share": round(share.share, 6), "sequences": share.num_sequences,
            "epochs": round(share.epochs, 3),
        }  # fmt: skip
    order = np.concatenate(rows)
    np.random.default_rng(random.Random(f"{seed}:order").getrandbits(64)).shuffle(order)
    return order


def _windows(files: list[tuple[int, int]], context: int, num: int, rng: np.random.Generator) -> np.ndarray:
    """`num` windows, epoch after epoch; from the second epoch on the windows start at a random offset."""
    rows: list[np.ndarray] = []
    found, epoch = 0, 0
    while found < num:
        starts = []
        for file, size in files:
            if size < context:
                continue
            offset = 0 if epoch == 0 else int(rng.integers(0, min(context, size - context) + 1))
            first = np.arange(offset, size - context + 1, context, dtype=np.int64)
            starts.append(np.stack([np.full_like(first, file), first], axis=1))
        windows = np.concatenate(starts)
        rng.shuffle(windows)
        rows.append(windows[: num - found])
        found += len(rows[-1])
        epoch += 1
    return np.concatenate(rows)
