"""Does the corpus teach? The same model trained for the same tokens on each corpus (section 2.2, table 1).

Corpora of a run: `none` (the model that training starts from, if one is named), `crawl` (every document, unfiltered),
`seed`, `iteration_1`, `iteration_2`, ..., `final`, and any other that people bring as name=path. All share one
tokenizer, the model's shape, the schedule and the random seeds; only the texts differ. Measured is the perplexity on
held-out mathematics (validation_texts); benchmarks are `evaluation`'s. The paper trains DeepSeek-LLM 1.3B for 150 B
tokens on each corpus and measures benchmarks only.
"""

import math

import torch
import torch.nn.functional as F

from .. import storage
from ..recipe.schema import MixtureSettings, ModelSettings, PretrainSettings, TokenizerSettings, ValidationSettings
from ..storage import Folder, Manifest, read_manifest, read_table
from ..tokens.hub import MODEL_FILES, TOKENIZER_FILES, local_or_hub
from ..tokens.inputs import stage_input
from ..tokens.packing import pack_tokens
from ..tokens.tokenizer import load_tokenizer, special_ids, train_tokenizer
from .models import load_model
from .pretrain import pretrain
from .validation_run import CRAWL, FINAL, NONE, SEED, Validation, corpus_names, repeated, seed_folders
from .validation_texts import hold_out_mathematics, write_corpus_texts

VALIDATION_VERSION = "1"
"""1 (2026-11): first version."""

_MIN_POSITIONS = 4096
"""Room for worked examples, whatever the training length."""


def validate_corpus(validation: Validation, name: str) -> Manifest:
    """Train on a corpus, once for each seed, and measure. Returns the manifest of the last measurement.

    What all corpora share (held-out texts, tokenizer) is made on the way. Raises ArtifactError when the run lacks an
    artifact, ValueError for an unknown corpus.
    """
    known = corpus_names(validation.recipe, validation.corpora)
    if name not in known:
        raise ValueError(f"unknown corpus {name!r}; corpora are {', '.join(known)}")
    name = repeated(validation, name)
    settings, seed = validation.settings, validation.recipe.seed
    _hold_out(validation)
    tokenizer = _tokenizer(validation)
    if name == NONE:
        out = validation.folder(NONE, "seed_0")
        return measure_perplexity(_init(settings), tokenizer, validation.folder("held_out"), out / "perplexity",
                                  settings, device=validation.device)  # fmt: skip
    texts = _texts(validation, name)
    manifest = None
    for number, out in enumerate(seed_folders(validation, name)):
        plan = _pretrain_settings(settings)
        pack_tokens({"corpus": texts}, tokenizer, out / "tokens", MixtureSettings(), plan, seed + number, workers=1)
        pretrain(
            out / "tokens", tokenizer, out / "model", _model_settings(settings), plan, seed + number,
            init=_init(settings) if settings.init else None, device=validation.device, progress=validation.progress,
        )  # fmt: skip
        manifest = measure_perplexity(
            out / "model", tokenizer, validation.folder("held_out"), out / "perplexity", settings,
            device=validation.device,
        )  # fmt: skip
        validation.progress.log(f"{name}, seed {number}: perplexity {manifest.counts['perplexity']}")
    assert manifest is not None
    return manifest


def measure_perplexity(
    model: Folder, tokenizer: Folder, held_out: Folder, out: Folder, settings: ValidationSettings, *, device: str = ""
) -> Manifest:
    """Write the artifact `validation_perplexity`. Counts: for each held-out set perplexity and targets (tokens that
    were predicted), and `mathematics`, the perplexity of the mean loss over the sets, each set with equal weight.

    Documents follow each other with an end token between them, cut to the training length, as in training.
    """
    identity = {"context_tokens": settings.context_tokens, "held_out_tokens": settings.held_out_tokens}
    inputs = {"model": stage_input(model), "tokenizer": stage_input(tokenizer), "held_out": held_out}
    with storage.stage(out, "validation_perplexity", VALIDATION_VERSION, identity, inputs) as run:
        if run.artifact:
            network = load_model(model, device)
            losses, perplexity, targets = [], {}, {}
            for name, windows in held_out_windows(held_out, tokenizer, settings).items():
                loss, targets[name] = mean_loss(network, windows, settings.micro_batch_sequences)
                losses.append(loss)
                perplexity[name] = round(math.exp(loss), 4)
            perplexity["mathematics"] = round(math.exp(sum(losses) / len(losses)), 4)
            run.artifact.counts |= {"perplexity": perplexity, "targets": targets}
    assert run.manifest is not None
    return run.manifest


def held_out_windows(held_out: Folder, tokenizer: Folder, settings: ValidationSettings) -> dict[str, list[list[int]]]:
    """Token ids of each held-out set, cut into rows of at most `context_tokens` (two or more)."""
    encoder = load_tokenizer(tokenizer)
    end, _ = special_ids(encoder, tokenizer)
    encoder.encode_special_tokens = True
    found: dict[str, list[int]] = {}
    for row in read_table(held_out, ["held_out", "text"]).to_pylist():
        ids = found.setdefault(row["held_out"], [])
        if len(ids) < settings.held_out_tokens:
            ids += [*encoder.encode(row["text"]).ids, end]
    windows = {}
    for name, ids in sorted(found.items()):
        size, ids = settings.context_tokens, ids[: settings.held_out_tokens]
        windows[name] = [ids[i : i + size] for i in range(0, len(ids), size) if len(ids) - i > 1]
    return windows


@torch.no_grad()
def mean_loss(model: torch.nn.Module, windows: list[list[int]], batch_rows: int) -> tuple[float, int]:
    """(mean next-token loss in nats over all targets, number of targets) of rows of token ids."""
    device = next(model.parameters()).device
    total, count = 0.0, 0
    by_length = sorted(windows, key=len)  # rows of one length share a batch: no padding
    start = 0
    while start < len(by_length):
        rows = [r for r in by_length[start : start + batch_rows] if len(r) == len(by_length[start])]
        start += len(rows)
        ids_BT = torch.tensor(rows, device=device)
        logits_BTV = model(input_ids=ids_BT, use_cache=False).logits[:, :-1].float()
        targets_BT = ids_BT[:, 1:]
        total += float(F.cross_entropy(logits_BTV.flatten(0, 1), targets_BT.flatten(), reduction="sum"))
        count += targets_BT.numel()
    return total / count, count


def _hold_out(validation: Validation) -> None:
    root = validation.root
    hold_out_mathematics(
        root / "seed", root / "unique_documents", validation.last_collected, validation.folder("held_out"),
        validation.settings.held_out_share, judged=validation.judged, progress=validation.progress,
    )  # fmt: skip


def _texts(validation: Validation, name: str) -> Folder:
    root, out = validation.root, validation.folder(name, "texts")
    own = {CRAWL: root / "unique_documents", SEED: root / "seed", FINAL: root / "math_corpus"}
    collected = None
    if name in own:
        source = own[name]
    elif name in validation.corpora:
        source = validation.corpora[name]
    else:
        source, collected = own[CRAWL], validation.collected(int(name.removeprefix("iteration_")))
    write_corpus_texts(
        source, out, validation.folder("held_out"), collected=collected, what=f"texts of {name}",
        progress=validation.progress,
    )  # fmt: skip
    return out


def _tokenizer(validation: Validation) -> Folder:
    """The tokenizer that every corpus is encoded with; trained on equal parts of crawl, seed and final if not given."""
    settings = validation.settings
    named = settings.tokenizer or settings.init
    if named:
        return local_or_hub(named, TOKENIZER_FILES)
    out = validation.folder("tokenizer")
    texts: dict[str, Folder | str] = {name: _texts(validation, name) for name in (CRAWL, SEED, FINAL)}
    least = min(read_manifest(storage.folder(str(path))).counts["num_bytes"] for path in texts.values())
    most = min(validation.recipe.tokenizer.max_training_bytes, len(texts) * least)  # split evenly over the texts
    used = TokenizerSettings(vocab_size=settings.vocab_size, max_training_bytes=most)
    train_tokenizer(None, out, used, validation.recipe.seed, extra=texts, progress=validation.progress)
    return out


def _init(settings: ValidationSettings) -> Folder:
    return local_or_hub(settings.init, MODEL_FILES)


def _model_settings(settings: ValidationSettings) -> ModelSettings:
    return ModelSettings(
        hidden_size=settings.hidden_size, intermediate_size=settings.intermediate_size,
        num_layers=settings.num_layers, num_heads=settings.num_heads, initializer_range=settings.initializer_range,
        max_positions=max(_MIN_POSITIONS, settings.context_tokens),
    )  # fmt: skip


def _pretrain_settings(settings: ValidationSettings) -> PretrainSettings:
    """The schedule of section 2.2 at this size; nothing is held out by packing, the texts came without."""
    return PretrainSettings(
        num_tokens=settings.num_tokens, batch_tokens=settings.batch_tokens, context_tokens=settings.context_tokens,
        peak_learning_rate=settings.peak_learning_rate, warmup_steps=settings.warmup_steps,
        micro_batch_sequences=settings.micro_batch_sequences, held_out_share=0.0,
    )  # fmt: skip
