"""Cut a completion into steps: where each ends, as a token position (section 4.1.3).

The paper does not say what ends a step. Here it is a regular expression (`step_pattern` in the recipe): a step ends
with the token that holds the end of a match. What follows the last match is a step of its own; white space alone is
none and belongs to the step before it. The end token belongs to the last step.
"""

import re
from collections.abc import Sequence
from functools import lru_cache

from tokenizers import Tokenizer


def step_ends(tokenizer: Tokenizer, token_ids: Sequence[int], pattern: str) -> list[int]:
    """Positions of the last token of every step, rising; the last one is the completion's last token.

    Empty for a completion without tokens. Tokens are decoded one by one, so a character that several tokens share
    reads as replacement characters: patterns of ASCII characters are exact, others as exact as the tokenizer is.
    """
    if not token_ids:
        return []
    pieces = [_piece(tokenizer, token) for token in token_ids]
    text = "".join(pieces)
    token_of: list[int] = []
    for position, piece in enumerate(pieces):
        token_of += [position] * len(piece)
    last = len(token_ids) - 1
    ends = sorted({token_of[match.end() - 1] for match in re.finditer(pattern, text) if match.end() > match.start()})
    begin = 0
    kept: list[int] = []
    for end in ends:
        if "".join(pieces[begin : end + 1]).strip():
            kept.append(end)
            begin = end + 1
    if kept and not "".join(pieces[kept[-1] + 1 :]).strip():
        kept.pop()
    return [end for end in kept if end < last] + [last]


def step_texts(tokenizer: Tokenizer, token_ids: Sequence[int], ends: Sequence[int]) -> list[str]:
    """The text of every step, without special tokens."""
    firsts = [0, *(end + 1 for end in ends[:-1])]
    return [tokenizer.decode(list(token_ids[a : b + 1])) for a, b in zip(firsts, ends, strict=True)]


@lru_cache(maxsize=200_000)
def _piece(tokenizer: Tokenizer, token: int) -> str:
    """The text of one token; "" for a special one."""
    return tokenizer.decode([token])
