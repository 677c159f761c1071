"""Text from small grammars: word lists and sentence patterns in `grammars/*.txt`, expanded with a random generator.

A file holds lists. `= name: one | two | three` is a list on one line; `= name` starts a list with one entry a line. In
an entry `<name>` stands for a random entry of that list, `<2-9>` for a random whole number, `<A=name>` and `<A=2-9>`
remember what was drawn and `<A>` repeats it. Text between dollars is TeX (see `formula_markup`).

Not in the paper: the demonstration's own data. All texts were written for this project.
"""

import functools
import random
import re
from importlib import resources

Grammar = dict[str, list[str]]

_SLOT = re.compile(r"<(?:([A-Z])=)?(?:(\d+)-(\d+)|([a-z_]+))>|<([A-Z])>")


class GrammarError(ValueError):
    """A grammar file names a list that does not exist or has no lists."""


@functools.cache
def load_grammar(*names: str) -> Grammar:
    """The lists of the named files, merged; later files win."""
    grammar: Grammar = {}
    for name in names:
        text = (resources.files("dsmath_pipeline.demo") / "grammars" / f"{name}.txt").read_text(encoding="utf-8")
        grammar |= parse_grammar(text)
    return grammar


def parse_grammar(text: str) -> Grammar:
    """Lists by name. Raises GrammarError for an entry before the first list."""
    grammar: Grammar = {}
    entries: list[str] | None = None
    for line in filter(None, map(str.rstrip, text.splitlines())):
        if line.startswith("= "):
            name, colon, inline = line[2:].partition(":")
            entries = grammar[name.strip()] = [e.strip() for e in inline.split(" | ")] if colon else []
        elif entries is None:
            raise GrammarError(f"entry before the first list: {line!r}")
        else:
            entries.append(line)
    return grammar


def expand(rng: random.Random, grammar: Grammar, pattern: str) -> str:
    """`pattern` with every slot filled in."""
    return _expand(rng, grammar, pattern, {})


def _expand(rng: random.Random, grammar: Grammar, pattern: str, bound: dict[str, str]) -> str:
    def fill(match: re.Match[str]) -> str:
        name, low, high, list_name, known = match.groups()
        if known:
            return bound[known]
        if low:
            value = str(rng.randint(int(low), int(high)))
        elif list_name in grammar:
            value = _expand(rng, grammar, rng.choice(grammar[list_name]), bound)
        else:
            raise GrammarError(f"no list {list_name!r}, used in {pattern!r}")
        if name:
            bound[name] = value
        return value

    return _SLOT.sub(fill, pattern) if "<" in pattern else pattern


def draw(rng: random.Random, grammar: Grammar, name: str) -> str:
    """One entry of a list, expanded, its first letter in upper case."""
    text = expand(rng, grammar, rng.choice(grammar[name]))
    return text[:1].upper() + text[1:]


def paragraphs(rng: random.Random, grammar: Grammar, name: str, num_chars: int, glue: str = " ") -> list[str]:
    """Paragraphs of two to five sentences from a list until there are at least `num_chars` characters.

    No pattern is used again before all others were: pages differ, and no page repeats one sentence shape.
    """
    result: list[str] = []
    patterns: list[str] = []
    while num_chars > 0:
        sentences = []
        for _ in range(rng.randint(2, 5)):
            if not patterns:
                patterns = rng.sample(grammar[name], len(grammar[name]))
            text = expand(rng, grammar, patterns.pop())
            sentences.append(text[:1].upper() + text[1:])
        result.append(glue.join(sentences))
        num_chars -= len(result[-1])
    return result
