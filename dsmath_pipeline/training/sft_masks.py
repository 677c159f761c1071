"""Which tokens of a fine-tuning example are learned: what the model itself writes, and nothing else (section 3).

An example is a row of pieces, each written by one side: the prompt (not learned), the solution (learned) and, where
programs are run, what the interpreter puts in between (not learned). At sampling time a model stops after "```output";
the output, the closing fence and its line break are then put there for it. So "```output" is learned, everything from
there through the closing fence is not, and the rest is. The end token is learned.

Every piece is encoded apart, so that no token belongs to two sides, even where the tokenizer would merge over the
border, and the model meets the border as it does when it samples.

Not in the paper, which does not say what the loss covers.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from tokenizers import Tokenizer

from ..tokens.chat import completion_text, prompt_text

OUTPUT_CALL = "```output"
_OUTPUT = re.compile(
    r"(?<=```output)[ \t]*\n(?:.*?\n)??[ \t]*```[ \t]*(?:\n|\Z)|(?<=```output)(?:[ \t]*\n.*)?\Z", re.DOTALL
)
"""What is put behind a call: up to the first line that is a fence, or to the end when none closes it."""

_ANCHOR = "\n"
_PIECES_AT_ONCE = 4096


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of an example that one side wrote."""

    text: str
    is_learned: bool


@dataclass(frozen=True, slots=True)
class SftExample:
    """One encoded example: `ids` (int32 [tokens]) and which of them are targets of the loss (`learned`, bool)."""

    ids: np.ndarray
    learned: np.ndarray

    def __len__(self) -> int:
        return len(self.ids)


def pieces_of(row: Mapping[str, Any]) -> list[Piece]:
    """The pieces of a row of records.PROBLEM_SCHEMA, the prompt first. Empty ones are left out.

    Chain-of-thought has no interpreter: there a fence named output is the model's own text.
    """
    pieces = [Piece(prompt_text(with_options(row), row["method"], row["language"]), False)]
    text = completion_text(row["solution"])
    start = 0
    for match in _OUTPUT.finditer(text) if row["method"] != "cot" else ():
        pieces += [Piece(text[start : match.start()], True), Piece(match.group(), False)]
        start = match.end()
    pieces.append(Piece(text[start:], True))
    return [piece for piece in pieces if piece.text]


def with_options(row: Mapping[str, Any]) -> str:
    """The problem with the options of a multiple-choice question on the next line, as evaluation writes it."""
    options = row.get("options") or ()
    listed = " ".join(f"({letter}) {text}" for letter, text in zip("ABCDEFGHIJ", options, strict=False))
    return f"{row['problem']}\n{listed}" if listed else row["problem"]


def encode_example(row: Mapping[str, Any], tokenizer: Tokenizer, end: int) -> SftExample:
    """One row as tokens; `end` is the id of the end token."""
    return next(encode_examples([row], tokenizer, end))


def encode_examples(rows: Iterable[Mapping[str, Any]], tokenizer: Tokenizer, end: int) -> Iterator[SftExample]:
    """Rows as tokens, in order. The prompt gets the tokenizer's start token; text that spells a special token is
    encoded as plain text."""
    anchored = _needs_anchor(tokenizer)
    waiting: list[list[Piece]] = []
    was_plain = tokenizer.encode_special_tokens
    tokenizer.encode_special_tokens = True
    try:
        for row in rows:
            waiting.append(pieces_of(row))
            if len(waiting) * 4 >= _PIECES_AT_ONCE:
                yield from _encode(waiting, tokenizer, end, anchored)
                waiting = []
        yield from _encode(waiting, tokenizer, end, anchored)
    finally:
        tokenizer.encode_special_tokens = was_plain


def _encode(
    examples: Sequence[Sequence[Piece]], tokenizer: Tokenizer, end: int, anchored: bool
) -> Iterator[SftExample]:
    prompts = tokenizer.encode_batch([pieces[0].text for pieces in examples])
    texts = [piece.text for pieces in examples for piece in pieces[1:]]
    rest = iter(_continue(texts, tokenizer, anchored))
    for prompt, pieces in zip(prompts, examples, strict=True):
        parts = [prompt.ids, *(next(rest) for _ in pieces[1:]), [end]]
        learned = [False, *(piece.is_learned for piece in pieces[1:]), True]
        yield SftExample(
            np.concatenate([np.asarray(part, np.int32) for part in parts]),
            np.repeat(np.asarray(learned), [len(part) for part in parts]),
        )


def _continue(texts: Sequence[str], tokenizer: Tokenizer, anchored: bool) -> list[list[int]]:
    """Ids of texts that follow other text: no start token, and no space put in front by tokenizers that do so.

    Those encode a text behind a line break, whose ids are then cut off; where the two merge, the text alone counts.
    """
    plain = [encoding.ids for encoding in tokenizer.encode_batch(list(texts), add_special_tokens=False)]
    if not anchored:
        return plain
    anchor = tokenizer.encode(_ANCHOR, add_special_tokens=False).ids
    after = tokenizer.encode_batch([_ANCHOR + text for text in texts], add_special_tokens=False)
    return [
        encoding.ids[len(anchor) :] if encoding.ids[: len(anchor)] == anchor else ids
        for encoding, ids in zip(after, plain, strict=True)
    ]


def _needs_anchor(tokenizer: Tokenizer) -> bool:
    """Does the tokenizer encode the start of a text otherwise than its middle (SentencePiece's leading space)?"""
    anchor, alone, together = (
        tokenizer.encode(text, add_special_tokens=False).ids for text in (_ANCHOR, "x", f"{_ANCHOR}x")
    )
    return together != anchor + alone
