"""Byte-level BPE: train it on the corpus, save it, load it.

Every digit is a token of its own, no byte is unknown, Chinese needs no dictionary. The artifact is a folder that
transformers' `AutoTokenizer.from_pretrained` reads as it is: `tokenizer.json` and `tokenizer_config.json`. Encoding
with special tokens puts `<bos>` in front; `<eos>` is added by whoever ends a text (packing, chat). It does not import
transformers.

Not in the paper: DeepSeekMath keeps the tokenizer of DeepSeek-Coder, which is not part of this project.
"""

import random
from collections.abc import Iterable, Iterator, Mapping

from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, processors, trainers

from ..progress import SILENT, Progress
from ..recipe.schema import TokenizerSettings
from ..storage import MANIFEST, Folder, Manifest, read_json, stage, write_bytes, write_json
from .chat import chat_text
from .inputs import stage_input, training_problems
from .sources import SourceError, read_texts, source_folder, source_parts

TOKENIZER_VERSION = "1"
"""1 (2026-11): first version."""

PAD, BOS, EOS = "<pad>", "<bos>", "<eos>"
SPECIAL_TOKENS = (PAD, BOS, EOS)
"""Their ids are 0, 1, 2."""
PAD_ID, BOS_ID, EOS_ID = 0, 1, 2


class TokenizerError(ValueError):
    """A tokenizer cannot be trained or read; the message says why."""


def train_tokenizer(
    corpus: Folder | None,
    out: Folder,
    settings: TokenizerSettings,
    seed: int,
    *,
    problems: Folder | None = None,
    extra: Mapping[str, Folder | str] | None = None,
    progress: Progress = SILENT,
) -> Manifest:
    """Train on the corpus, on the training problems in chat format, and on `extra` sources (see sources), by name.

    `problems` is an artifact with a `train.parquet` (records.PROBLEM_SCHEMA); its other files are never read. At most
    `max_training_bytes` of text are read, split evenly over the sources. Counts: vocabulary size, bytes by source.
    """
    others = {name: source_folder(path) for name, path in (extra or {}).items()}
    named = ({} if corpus is None else {"corpus": corpus}) | others
    named |= {} if problems is None else {"problems": problems}
    inputs = {name: stage_input(path) for name, path in named.items()}
    with stage(out, "tokenizer", TOKENIZER_VERSION, {**settings.model_dump(), "seed": seed}, inputs) as run:
        if run.artifact:
            budget = settings.max_training_bytes // len(named)
            used = dict.fromkeys(named, 0)

            def texts() -> Iterator[str]:
                for name, folder in named.items():
                    found = _problem_texts(folder) if name == "problems" else _texts(folder, seed)
                    for text, size in _take_bytes(found, budget):
                        used[name] += size
                        yield text
                progress.log(f"training a tokenizer on {sum(used.values())} bytes of text")

            tokenizer = train_bpe(texts(), settings)
            if not any(used.values()):
                raise TokenizerError(f"no text to train a tokenizer on in {', '.join(map(str, named.values()))}")
            run.artifact.counts |= {f"{name}_bytes": size for name, size in used.items()}
            save_tokenizer(tokenizer, run.artifact.path)
            run.artifact.counts["vocab_size"] = tokenizer.get_vocab_size()
    assert run.manifest is not None
    return run.manifest


def train_bpe(texts: Iterable[str], settings: TokenizerSettings) -> Tokenizer:
    """A byte-level BPE tokenizer with at most `vocab_size` tokens. The same texts give the same tokenizer."""
    tokenizer = Tokenizer(models.BPE())
    byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False)
    digits = pre_tokenizers.Split(Regex(r"\d"), "isolated")
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([digits, byte_level] if settings.split_digits else [byte_level])
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=settings.vocab_size,
        special_tokens=list(SPECIAL_TOKENS),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(single=f"{BOS} $A", special_tokens=[(BOS, BOS_ID)])
    return tokenizer


def save_tokenizer(tokenizer: Tokenizer, path: Folder) -> None:
    """Write the two files that both `load_tokenizer` and transformers read."""
    write_bytes(path / "tokenizer.json", tokenizer.to_str(pretty=True).encode())
    config = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "pad_token": PAD,
        "bos_token": BOS,
        "eos_token": EOS,
        "clean_up_tokenization_spaces": False,
        "padding_side": "left",
    }
    write_json(path / "tokenizer_config.json", config)


def load_tokenizer(path: Folder) -> Tokenizer:
    """The tokenizer of a tokenizer artifact or of a model folder.

    Works for any Hugging Face folder with a `tokenizer.json`; `hub.local_or_hub` fetches one by name. Raises
    TokenizerError when there is none.
    """
    file = path / "tokenizer.json"
    if not file.exists():
        raise TokenizerError(f"no tokenizer.json in {path}: run the tokenizer stage, or name a model folder")
    return Tokenizer.from_str(file.read_bytes().decode())


def special_ids(tokenizer: Tokenizer, path: Folder) -> tuple[int, int]:
    """(end id, padding id) of a tokenizer folder, by the names in its configuration; padding falls back to the end."""
    file = path / "tokenizer_config.json"
    config = read_json(file) if file.exists() else {}
    end = tokenizer.token_to_id(_token_name(config.get("eos_token")) or EOS)
    if end is None:
        raise TokenizerError(f"{path} names no end token that its vocabulary holds: set eos_token in {file.name}")
    padding = tokenizer.token_to_id(_token_name(config.get("pad_token")) or PAD)
    return end, end if padding is None else padding


def bos_id(tokenizer: Tokenizer, path: Folder) -> int | None:
    """The id of the token that starts a text, by the name in the folder's configuration; None where there is none."""
    file = path / "tokenizer_config.json"
    config = read_json(file) if file.exists() else {}
    return tokenizer.token_to_id(_token_name(config.get("bos_token")) or BOS)


def _token_name(value: object) -> str:
    """Hugging Face writes a special token as its text or as a dictionary with `content`."""
    return str(value.get("content", "")) if isinstance(value, dict) else str(value or "")


def _texts(folder: Folder, seed: int) -> Iterator[str]:
    """The texts of a source, files in seeded order, so that a byte budget does not always meet the same one."""
    try:
        parts = source_parts(folder)
    except SourceError:
        if (folder / MANIFEST).exists():  # an artifact without any text
            return
        raise
    random.Random(f"{seed}:tokenizer:{len(parts)}").shuffle(parts)
    for part in parts:
        yield from read_texts(part)


def _problem_texts(folder: Folder) -> Iterator[str]:
    for row in training_problems(folder):
        yield chat_text(row["problem"], row["solution"], row["method"], row["language"])


def _take_bytes(texts: Iterator[str], budget: int) -> Iterator[tuple[str, int]]:
    """Texts with their sizes in bytes, up to `budget` in all."""
    used = 0
    for text in texts:
        size = len(text.encode())
        used += size
        if used > budget:
            return
        yield text, size
