"""Load and save models as Hugging Face folders: config.json, model.safetensors, tokenizer files.

A model artifact is such a folder with a manifest, so `AutoModelForCausalLM.from_pretrained(folder)` works on it, and
any model folder or hub name of that layout can start a stage.
"""

import os
from pathlib import Path
from typing import cast

import torch
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    LlamaConfig,
    LlamaForCausalLM,
    PretrainedConfig,
    PreTrainedModel,
)
from transformers.utils.logging import disable_progress_bar, set_verbosity_error

from ..recipe.schema import ModelSettings
from ..storage import Folder, write_bytes
from ..tokens.hub import TOKENIZER_FILES
from ..tokens.tokenizer import BOS_ID, EOS_ID, PAD_ID, bos_id, load_tokenizer, special_ids
from .distributed import is_main, num_processes


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


def build_model(
    settings: ModelSettings, vocab_size: int, seed: int, tokenizer: Folder | None = None
) -> PreTrainedModel:
    """A causal language model with random weights: a Llama whose embeddings and output share their matrix, or whatever
    `settings.config_file` describes, with `vocab_size` entries.

    `tokenizer` is the folder whose special tokens the model names; without one, those of our own tokenizers.
    """
    torch.manual_seed(seed)
    bos, end, pad = (BOS_ID, EOS_ID, PAD_ID) if tokenizer is None else _special_ids(tokenizer)
    tokens = {"vocab_size": vocab_size, "bos_token_id": bos, "eos_token_id": end, "pad_token_id": pad}
    if settings.config_file:
        config = foreign_config(settings)
        for name, value in tokens.items():
            setattr(config, name, value)
        return AutoModelForCausalLM.from_config(
            config, dtype=torch.float32, trust_remote_code=settings.trust_remote_code
        )
    config = LlamaConfig(
        hidden_size=settings.hidden_size, intermediate_size=settings.intermediate_size,
        num_hidden_layers=settings.num_layers, num_attention_heads=settings.num_heads,
        num_key_value_heads=settings.num_heads, max_position_embeddings=settings.max_positions,
        initializer_range=settings.initializer_range, tie_word_embeddings=True, **tokens,
    )  # fmt: skip
    return LlamaForCausalLM(config)


def foreign_config(settings: ModelSettings) -> PretrainedConfig:
    """The configuration in `settings.config_file`, a config.json or its folder. Raises ModelError when unreadable."""
    path = Path(settings.config_file)
    folder = path.parent if path.name == "config.json" else path
    if not (folder / "config.json").exists():
        raise ModelError(f"model.config_file={settings.config_file}: no such config.json")
    return AutoConfig.from_pretrained(folder, trust_remote_code=settings.trust_remote_code)


def load_model(folder: Folder, device: str = "", *, trust_remote_code: bool = False) -> PreTrainedModel:
    """A causal language model in evaluation mode, from safetensors only.

    Code that the folder brings runs with `trust_remote_code` alone. Raises ModelError when the folder holds none.
    """
    path = local_path(folder)
    if not (path / "config.json").exists():
        raise ModelError(f"no model in {path}: run the stage that writes it, or name a Hugging Face model folder")
    if not any(path.glob("*.safetensors")):
        raise ModelError(f"no *.safetensors in {path}: other formats can run code when they are loaded; convert them")
    be_quiet()
    model: PreTrainedModel = AutoModelForCausalLM.from_pretrained(
        path, use_safetensors=True, trust_remote_code=trust_remote_code
    )
    return to_device(model, device).eval()


def to_device(model: PreTrainedModel, device: str = "") -> PreTrainedModel:
    """The model on the device (see `pick_device`)."""
    torch.nn.Module.to(model, pick_device(device))
    return model


def save_model(model: PreTrainedModel, tokenizer: Folder, out: Folder) -> None:
    """Write weights, configuration and the tokenizer files into `out`.

    Where several processes trained the model, all must call this: sharded weights are gathered, the main process
    writes.
    """
    be_quiet()
    weights = _gathered(model) if num_processes() > 1 else None
    if not is_main():
        return
    model.save_pretrained(local_path(out), state_dict=weights)
    for name in TOKENIZER_FILES:
        if (tokenizer / name).exists():
            write_bytes(out / name, (tokenizer / name).read_bytes())


def _gathered(model: PreTrainedModel) -> dict[str, torch.Tensor]:
    from torch.distributed.checkpoint.state_dict import StateDictOptions, get_model_state_dict

    options = StateDictOptions(full_state_dict=True, cpu_offload=True)
    return cast(dict[str, torch.Tensor], get_model_state_dict(model, options=options))


def _special_ids(tokenizer: Folder) -> tuple[int | None, int, int]:
    loaded = load_tokenizer(tokenizer)
    end, pad = special_ids(loaded, tokenizer)
    return bos_id(loaded, tokenizer), end, pad


def num_parameters(model: torch.nn.Module) -> int:
    """Trainable and frozen weights, shared matrices counted once."""
    return sum(p.numel() for p in model.parameters())
