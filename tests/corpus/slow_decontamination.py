"""The rule of decontamination in plain Python, gram by gram: the oracle of the compiled one.

Only the name tables are shared with the product; normalising, splitting, guards, search and the dropping of lines are
written again here.
"""

import re
import unicodedata
from collections import defaultdict

from dsmath_pipeline.corpus import grams as tables
from dsmath_pipeline.text import CJK

_INVISIBLE = re.compile(f"[{tables.INVISIBLE}]")
_TOKEN = re.compile(
    r"(?P<line_break>\\\\)"
    r"|\\(?P<block>begin|end)(?![a-z])(?:\{[a-z*]*\})?"
    rf"|\\(?P<fraction>{'|'.join(sorted(tables.COMMANDS_WITH_DIGITS))})(?![a-z])"
    r"(?:[ \t]*(?P<one>[0-9]))?(?P<two>[0-9])?"
    r"|\\(?P<command>[a-z]+)"
    r"|(?P<thousands>[0-9]{1,3}(?:(?:\{,\}|,\\!|,)[0-9]{3})+(?![0-9]))"
    r"|(?P<number>[0-9]+)"
    rf"|</?(?P<tag>{'|'.join(sorted(tables.TAGS, key=len, reverse=True))}) ?/?>"
    rf"|&(?:#[0-9]{{1,7}}|(?P<reference>{'|'.join(tables.REFERENCES)}));"
    rf"|(?P<cjk>[{CJK}])"
    rf"|(?P<word>(?:(?![{CJK}_0-9])\w)+)"
)


def slow_grams(text):
    text = _INVISIBLE.sub("", text)
    spaced, was_script = [], False
    for character in text:
        decomposed = unicodedata.decomposition(character)
        is_script = decomposed.startswith(("<super>", "<sub>", "<fraction>"))
        spaced.append(" " * (is_script != was_script) + character)
        was_script = is_script
    text = unicodedata.normalize("NFKC", "".join(spaced)).lower()
    for symbol, plain in tables.SYMBOLS.items():
        text = text.replace(symbol, plain)
    found = []
    for match in _TOKEN.finditer(text):
        kind, value = match.lastgroup, match.group()
        if match["fraction"]:
            found.append(tables.RENAMED_COMMANDS[match["fraction"]])
            found += [digit for digit in (match["one"], match["two"]) if digit]
        elif kind == "command":
            if match["command"] not in tables.DROPPED_COMMANDS:
                found.append(tables.RENAMED_COMMANDS.get(match["command"], match["command"]))
        elif kind == "thousands":
            found.append(re.sub("[^0-9]", "", value))
        elif kind in ("number", "cjk", "word"):
            found.append(value)
    return found


def said(text):
    """The text without white space and dollars, the stops at its ends too."""
    text = unicodedata.normalize("NFKC", _INVISIBLE.sub("", text)).lower()
    return "".join(character for character in text if not character.isspace() and character != "$").strip(".,;:?!")


def new_grams(run):
    """Grams of which no earlier one is the same, or the number or the letter beside it."""
    letters = "abcdefghijklmnopqrstuvwxyz"

    def is_foretold(gram, earlier):
        if gram == earlier:
            return True
        if re.fullmatch("[0-9]{1,9}", gram):
            return earlier in {str(int(gram) + 1), str(int(gram) - 1)}
        return len(gram) == len(earlier) == 1 and (gram + earlier in letters or earlier + gram in letters)

    return sum(not any(is_foretold(gram, earlier) for earlier in run[:at]) for at, gram in enumerate(run))


class SlowRule:
    """Benchmark texts, and the runs of each that count as evidence."""

    def __init__(self, texts, settings):
        self.n = n = settings.ngram_words
        tokens = [slow_grams(text.text) for text in texts]
        runs = [[tuple(t[i : i + n]) for i in range(len(t) - n + 1)] for t in tokens]
        telling = [{run for run in some if self._says_enough(run, settings)} for some in runs]
        items = defaultdict(set)
        for text, some in zip(texts, telling, strict=True):
            for run in some:
                items[run].add(text.item)
        self.runs = {}  # run -> the first text that holds it, and where
        for own, some in zip(tokens, telling, strict=True):
            for at, run in enumerate(zip(*(own[i:] for i in range(n)), strict=False)):
                if run in some and len(items[run]) <= settings.max_gram_items:
                    self.runs.setdefault(run, (own, at))
        self.whole = {}  # grams -> how many others may be on the line; -1: any number, None: the line is in `literal`
        self.literal = set()
        for text, own, some in zip(texts, tokens, telling, strict=True):
            if len(own) < settings.min_short_words or any(run in self.runs for run in some):
                continue
            num_others = self._others(text.kind, own)
            if num_others is None and text.kind == "question":
                self.literal.add(said(text.text))
                self.whole.setdefault(tuple(own), None)
            elif num_others is not None:
                known = self.whole.get(tuple(own))
                self.whole[tuple(own)] = num_others if known is None else -1 if -1 in (known, num_others) else known
        self.lengths = defaultdict(set)  # first grams -> lengths of the whole texts that begin so
        self.prefix = settings.min_short_words
        for own in self.whole:
            self.lengths[own[: self.prefix]].add(len(own))

    @staticmethod
    def _says_enough(run, settings):
        letters = sum(any(c.isalpha() for c in gram) for gram in run)
        return letters >= 2 and new_grams(run) >= max(1, settings.min_new_words)

    def _others(self, kind, own):
        """How many other grams may stand beside a whole text; -1: any number; None: it is not matched."""
        words = {gram for gram in own if re.match(f"[{CJK}]", gram) or sum(map(str.isalpha, gram)) >= 2}
        if kind == "option" or len(set(own)) < 3 or not any(c.isalpha() for c in "".join(own)):
            return None
        new = new_grams([gram for gram in own if not re.fullmatch("[a-z]", gram)])
        is_long, beside = len(own) >= self.n, {"question": 2, "answer": 0}[kind]
        if len(words) < {"question": 1, "answer": 3}[kind]:
            return beside if is_long or new >= {"question": 4, "answer": 5}[kind] else None
        if kind == "question":
            return -1 if is_long or new >= 4 else beside
        return -1 if new >= 5 else beside

    def dropped(self, text):
        """Numbers of the lines that go."""
        lines = [slow_grams(line) for line in text.split("\n")]
        gone = set()
        while True:
            document = [(gram, number) for number, line in enumerate(lines) if number not in gone for gram in line]
            grams = [gram for gram, _ in document]
            new = set()
            for i in range(len(document)):
                for length in (self.n, *self.lengths.get(tuple(grams[i : i + self.prefix]), ())):
                    run = tuple(grams[i : i + length])
                    if len(run) < length:
                        continue
                    touched = {number for _, number in document[i : i + length]}
                    others = sum(len(lines[number]) for number in touched) - length
                    if length == self.n and run in self.runs:
                        new |= {number for _, number in self._alike(document, grams, i, *self.runs[run])}
                    elif run in self.whole and self._is_found(self.whole[run], others, touched, text):
                        new |= touched
            if not new:
                return gone
            gone |= new

    def _is_found(self, most, others, touched, text):
        if most is None:
            whole_lines = text.split("\n")[min(touched) : max(touched) + 1]
            return said("\n".join(whole_lines)) in self.literal
        return most < 0 or others <= most

    def _alike(self, document, grams, i, own, at):
        """The part of the document around gram `i` that goes on as the benchmark text does around its gram `at`."""
        first, last = i, i + self.n
        while first > 0 and first - i + at > 0 and grams[first - 1] == own[first - 1 - i + at]:
            first -= 1
        while last < len(grams) and last - i + at < len(own) and grams[last] == own[last - i + at]:
            last += 1
        return document[first:last]

    def decontaminate(self, text):
        gone = self.dropped(text)
        return "\n".join(line for number, line in enumerate(text.split("\n")) if number not in gone)
