"""Find the final answer in a model's solution.

Looks at the text only: it neither simplifies the answer nor compares it (see `numbers` and `equality`). English and
Chinese. Every rule runs in linear time, so that a megabyte of braces costs milliseconds.

The paper's evaluation takes the boxed expression, else the words after "the answer is", else the last number; the
order here is the same with the benchmarks' own marks (`####`, `A:`, `故选`) and program output in between.
"""

import re
import unicodedata

ANSWERS_VERSION = "1"
"""Version of the rules below. 1 (2026-11): first version."""

MAX_ANSWER_CHARS = 2000
"""Longer finds are cut: no benchmark has such an answer, and comparing it would only cost time."""

_BOX = re.compile(r"\\(?:boxed|fbox)\s*")
_HASH = re.compile(r"####[ \t]*([^\n]*)")
_ENGLISH = (
    r"(?:the\s+)?(?:final\s+|correct\s+)?(?:answer|option|choice)\**(?:\s+is\b|\s+would\s+be\b|\s*[:=：])(?:\s*:)?"
)
_CHINESE = (
    r"(?:正确)?(?:答案|选项)(?:应该|应)?(?:是|为|选|[:：])[:：]?|(?<![回解])答[:：]|(?:故|因此|所以|应)选(?:择)?[:：]?"
)
_PHRASE = re.compile(f"(?:\\b{_ENGLISH}|{_CHINESE})", re.IGNORECASE)
_LETTER_LINE = re.compile(r"^[ \t]*([A-E])[ \t]*[:：][ \t]*(\S[^\n]*)?$", re.MULTILINE)
_OUTPUT_BLOCK = re.compile(r"```output[ \t]*\n(.*?)(?:```|\Z)", re.DOTALL)
_LAST_LETTER = re.compile(r"(?:^|[\s(（])([A-J])[)）.。]?\s*\Z")
_NUMBER = re.compile(r"(?<![\w.])-?[$¥￥]?(?:\d[\d,]*(?:\.\d+)?|\.\d+)(?:\s*/\s*\d+)?\s*%?")
_SENTENCE_END = re.compile(
    r"[。；\n]|[.!?](?=\s+[A-Z\u4e00-\u9fff]|\s*\Z)|\.(?=\s)(?<!\d\.)|,\s+(?:since|because|so|which)\b"
)
_DISPLAY = (("$$", "$$"), ("\\[", "\\]"), ("\\(", "\\)"))


def extract_answer(solution: str) -> str:
    """The final answer of a solution as it is written there, "" when there is none.

    In this order, the last occurrence of each:

    1. `\\boxed{...}` (nested braces; an unclosed one is a cut-off answer and does not count; an empty one is empty)
    2. `#### ...`
    3. "the answer is ...", "Answer: ...", "答案是...", "答：...", "故选 ..." and GSM8K's line "A: ..."
    4. the last line of the last ```output block, when nothing but white space follows it (program of thought)
    5. the last number of the last line that holds any text, or an option letter that ends it. Not a mark at all, but
       base models often end in "... so she has 5 apples left." A solution cut off in mid-sentence is caught here too;
       its last number is rarely right.
    6. the program output of 4. when the text behind it states nothing else ("Two people stay.")
    """
    boxed = last_boxed(solution)
    if boxed is not None:
        return _tidy(boxed)
    marks = _HASH.findall(solution)
    if marks:
        return _tidy(marks[-1])
    phrase = _after_phrase(solution)
    if phrase is not None:
        return _tidy(phrase)
    output, is_last = _program_output(solution)
    return _tidy(output if is_last else _last_number(solution) or output)


def last_boxed(text: str) -> str | None:
    """The content of the last closed `\\boxed{...}`, None when there is none. `\\boxed 5` gives "5"."""
    found = None
    end = -1
    for match in _BOX.finditer(text):
        start = match.end()
        if start < end:  # a box inside the box already taken
            continue
        if text[start : start + 1] != "{":
            bare = re.compile(r"-?[\w.]+").match(text, start)
            found = bare.group() if bare else found
            continue
        close = _closing_brace(text, start)
        if close < 0:
            break  # no later box can be closed either, except inside this one
        found, end = text[start + 1 : close], close
    return found


def _closing_brace(text: str, start: int) -> int:
    """Index of the brace that closes the one at `start`, -1 when it stays open."""
    depth = 0
    position = start
    for brace in re.compile(r"\\.|[{}]", re.DOTALL).finditer(text, start):
        mark = brace.group()
        depth += (mark == "{") - (mark == "}")
        position = brace.start()
        if depth == 0:
            return position
    return -1


def _after_phrase(text: str) -> str | None:
    """What follows the last "the answer is", "答案：" or line "A: ..."."""
    matches = list(_PHRASE.finditer(text))
    letters = list(_LETTER_LINE.finditer(text))
    if letters and all(m.group(1) == "A" for m in letters):  # with B: and C: they are options, not answers
        matches.append(letters[-1])
    if not matches:
        return None
    last = max(matches, key=lambda m: m.start())
    start = last.start(2) if last.re is _LETTER_LINE and last.group(2) else last.end()
    return _first_statement(text[start : start + 2 * MAX_ANSWER_CHARS])


def _first_statement(text: str) -> str:
    """The beginning of `text` up to the end of its formula or sentence."""
    text = text.lstrip(" \t\n\r*:：")
    for opening, closing in _DISPLAY:
        if text.startswith(opening):
            close = text.find(closing, len(opening))
            if close >= 0:
                return text[len(opening) : close]
    end = _SENTENCE_END.search(text)
    return text[: end.start()] if end else text


def _program_output(text: str) -> tuple[str, bool]:
    """The last line of the last output block ("" when there is none), and whether nothing follows the block."""
    blocks = list(_OUTPUT_BLOCK.finditer(text))
    if not blocks:
        return "", False
    lines = blocks[-1].group(1).strip().splitlines()
    return (lines[-1] if lines else ""), not text[blocks[-1].end() :].strip()


def _last_number(text: str) -> str:
    lines = text[-4 * MAX_ANSWER_CHARS :].rstrip().splitlines()
    if not lines:
        return ""
    line = unicodedata.normalize("NFKC", lines[-1])
    letter = _LAST_LETTER.search(line)
    if letter:
        return letter.group(1)
    numbers = _NUMBER.findall(line)
    return numbers[-1] if numbers else ""


def _tidy(answer: str) -> str:
    """Without surrounding space, emphasis marks and the full stop; at most MAX_ANSWER_CHARS characters."""
    answer = answer[: MAX_ANSWER_CHARS + 1].strip().strip("*").strip()
    answer = answer.rstrip(".。 \t,，;；")
    return answer[:MAX_ANSWER_CHARS]
