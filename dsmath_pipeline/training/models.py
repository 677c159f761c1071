"""Load and save models as Hugging Face folders: config.json, model.safetensors, tokenizer files.

A model artifact is such a folder with a manifest, so `AutoModelForCausalLM.from_pretrained(folder)` works on it, and
any model folder or hub name of that layout can start a stage.
"""

import os
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, LlamaConfig, LlamaForCausalLM, PreTrainedModel
from transformers.utils.logging import disable_progress_bar, set_verbosity_error

from ..recipe.schema import ModelSettings
from ..storage import Folder, write_bytes
from ..tokens.tokenizer import BOS_ID, EOS_ID, PAD_ID

TOKENIZER_FILES = ("tokenizer.json", "tokenizer_config.json")


class ModelError(RuntimeError):
    """A model folder is missing or cannot be used; the message says what to do."""


def be_quiet() -> None:
    """Keep transformers from drawing bars and printing notes: the library reports through `Progress` only."""
    disable_progress_bar()
    set_verbosity_error()


def pick_device(device: str = "") -> str:
    """The device as named, else the first GPU, else the CPU."""
    return device or ("cuda" if torch.cuda.is_available() else "cpu")


def local_path(folder: Folder) -> Path:
    """The folder as a local path; ModelError on an object store, where models cannot be read or written in place."""
    path = Path(os.fspath(folder)) if isinstance(folder, Path) and "://" not in str(folder) else None
    if path is None:
        raise ModelError(f"{folder} is not on a local disk: train on local disk and copy the finished folder")
    return path


def build_model(settings: ModelSettings, vocab_size: int, seed: int) -> PreTrainedModel:
    """A Llama with random weights; embeddings and output share their matrix."""
    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=vocab_size, hidden_size=settings.hidden_size, intermediate_size=settings.intermediate_size,
        num_hidden_layers=settings.num_layers, num_attention_heads=settings.num_heads,
        num_key_value_heads=settings.num_heads, max_position_embeddings=settings.max_positions,
        initializer_range=settings.initializer_range, tie_word_embeddings=True,
        bos_token_id=BOS_ID, eos_token_id=EOS_ID, pad_token_id=PAD_ID,
    )  # fmt: skip
    return LlamaForCausalLM(config)


def load_model(folder: Folder, device: str = "") -> PreTrainedModel:
    """A causal language model in evaluation mode. Raises ModelError when the folder holds none."""
    path = local_path(folder)
    if not (path / "config.json").exists():
        raise ModelError(f"no model in {path}: run the stage that writes it, or name a Hugging Face model folder")
    be_quiet()
    model: PreTrainedModel = AutoModelForCausalLM.from_pretrained(path)
    return to_device(model, device).eval()


def to_device(model: PreTrainedModel, device: str = "") -> PreTrainedModel:
    """The model on the device (see `pick_device`)."""
    torch.nn.Module.to(model, pick_device(device))
    return model


def save_model(model: PreTrainedModel, tokenizer: Folder, out: Folder) -> None:
    """Write weights, configuration and the tokenizer files into `out`."""
    be_quiet()
    model.save_pretrained(local_path(out))
    for name in TOKENIZER_FILES:
        if (tokenizer / name).exists():
            write_bytes(out / name, (tokenizer / name).read_bytes())


def num_parameters(model: torch.nn.Module) -> int:
    """Trainable and frozen weights, shared matrices counted once."""
    return sum(p.numel() for p in model.parameters())
