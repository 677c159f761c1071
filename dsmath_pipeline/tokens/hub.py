"""Tokenizers and models by their name on the Hugging Face hub: only data files are fetched, never code or pickles."""

import re
from collections.abc import Sequence
from pathlib import Path

from .. import storage
from ..storage import Folder

TOKENIZER_FILES = ("tokenizer.json", "tokenizer_config.json")
MODEL_FILES = ("*.safetensors", "*.safetensors.index.json", "config.json", "generation_config.json", *TOKENIZER_FILES)

_NAME = re.compile(r"(?P<name>[\w-][\w.-]*/[\w.-]+?)(@(?P<revision>[\w./-]+))?")


class HubError(RuntimeError):
    """A name is no folder here and could not be fetched; the message says what to do."""


def local_or_hub(name: str | Folder, files: Sequence[str], *, with_code: bool = False) -> Folder:
    """The folder `name`, or a local copy of the hub's `owner/name` (`owner/name@revision`) with these files.

    A name that is no path here and has not the form of a hub name is returned as it is, for the reader's own error.
    `with_code` fetches Python files too. Raises HubError when the hub cannot be reached or does not know the name.
    """
    path = storage.folder(str(name))
    matched = _NAME.fullmatch(str(name))
    if "://" in str(name) or path.exists() or not matched:
        return path
    from huggingface_hub import snapshot_download

    wanted = [*files, *(["*.py"] if with_code else [])]
    try:
        return Path(snapshot_download(matched["name"], revision=matched["revision"], allow_patterns=wanted))
    except Exception as error:  # the hub's client raises errors of many kinds
        raise HubError(
            f"{name} is no folder here and could not be fetched from the hub ({type(error).__name__}: {error}): "
            f"give an existing folder, or download {matched['name']} where the hub can be reached"
        ) from error
