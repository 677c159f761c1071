"""Find the final answer in a model's solution: chain of thought, program of thought, tool-integrated; English, Chinese.

Looks at the text only: it neither simplifies the answer nor compares it (see `numbers` and `equality`). Every rule runs
in linear time, so that a megabyte of braces costs milliseconds.

The paper's evaluation takes the boxed expression, else the words after "the answer is", else the last number; the
order here is the same with the benchmarks' own marks (`####`, `A:`, `故选`) and program output in between. Code never
counts: what a program would print is not what it printed.
"""

import re
import unicodedata

from .notation import MAX_ANSWER_CHARS

ANSWERS_VERSION = "2"
"""Version of the rules below. 1 (2026-11): first version. 2 (2026-11): code is left out, the later of a phrase and a
program output wins, boxes inside an unclosed one count, formulas end a sentence as numbers do, more Chinese marks."""

_BOX = re.compile(r"\\(?:boxed|fbox|framebox)(?![a-zA-Z])\s*")
_HASH = re.compile(r"####[ \t]*([^\n]*)")
_IS = (
    r"(?:\**\s*(?:is|are|was|would\s+be|will\s+be|should\s+be|must\s+be|equals)\b"
    r"(?:\s+(?:therefore|thus|then|simply|just|also|indeed|equal\s+to)\b)?"
)
_ENGLISH = (
    r"(?:the\s+)?(?:(?:final|correct|right|best)\s+)?(?:answers?|options?|choices?)"
    r"(?:\s+(?:to|for|of)\s+(?:the|this|our|that)\s+(?:question|problem|exercise|equation))?"
    + _IS + r"|\**\s*[:=：]\**)\s*:?"
)  # fmt: skip
_CHINESE = (
    r"(?:正确|最终)?的?(?:答案|选项)(?:应该|应|就)?(?:是|为|选|[:：]|\s*=)\s*[:：]?|(?<![回解作])答[:：]"
    r"|(?:故|因此|所以|应|应该|我|本题|此题)(?:应)?选(?:择)?(?!项|手|出)[:：]?"
)
_PHRASE = re.compile(f"(?:\\b{_ENGLISH}|{_CHINESE})", re.IGNORECASE)
_CHOSEN = re.compile(
    r"\b(?:choose|select|pick)\s+(?:option\s+|choice\s+|answer\s+)?(\([A-J]\)|[A-J]\b)"
    r"|(?:\boption\s+|\bchoice\s+|\banswer\s+)?(\([A-J]\)|(?<=option )[A-J]|(?<=choice )[A-J])"
    r"\s+is\s+(?:the\s+)?(?:correct|right|true)\b"
    r"|(?:选项|选择)?\s*([A-J])\s*(?:项|选项)?(?:是)?正确(?!吗)", re.IGNORECASE
)  # fmt: skip
_LETTER_LINE = re.compile(r"^[ \t]*([A-E])[ \t]*[:：][ \t]*(\S[^\n]*)?$", re.MULTILINE)
_CODE_BLOCK = re.compile(r"```(?:python|py|Python)[ \t]*\n.*?(?:```|\Z)", re.DOTALL)
_OUTPUT_BLOCK = re.compile(r"```(?:output|text|console)[ \t]*\n(.*?)(?:```|\Z)", re.DOTALL)
_ERROR_LINE = re.compile(r"\w*(?:Error|Exception|Interrupt|Timeout|Timed out|Traceback)\b.*", re.IGNORECASE)
_LAST_LETTER = re.compile(r"(?:^|[\s(])([A-J])[).。\s]*\Z")
_LAST_FORMULA = re.compile(
    r"(?:\$\$([^$]+)\$\$|(?<!\\)\$([^$]+)\$|\\\(((?:[^\\]|\\(?!\)))+)\\\)|\\\[((?:[^\\]|\\(?!\]))+)\\\])[\s.。,*]*\Z"
)
_NUMBER = re.compile(r"(?<![A-Za-z0-9_.])-?(?:\\?[$¥])?(?:\d[\d,]*(?:\.\d+)?|\.\d+)(?:\s*/\s*\d+)?\s*%?")
_SENTENCE_END = re.compile(
    r"[。\n]|；(?!\s*[（(]?\d)|[!?](?=\s|\Z)|\.(?=\s)(?<!\d\.)(?<![ap]\.m\.)|\.(?=\s+[A-Z\u4e00-\u9fff])(?<!\b[A-Z]\.)|\.(?=\s*\Z)"
    r"|,?\s+(?:since|because|which|as\s+(?:required|desired|shown|claimed|needed))\b|,\s+so\b|，(?:因为|所以|即|其中|理由|选)"
)
_BARE_BOX = re.compile(r"-?\\?[\w.]+(?:\{[^{}]*\})*")
_DISPLAY = (("$$", "$$"), ("\\[", "\\]"), ("\\(", "\\)"))
_EXCEPT_LAST = 4 * MAX_ANSWER_CHARS


def extract_answer(solution: str) -> str:
    """The final answer of a solution as it is written there, "" when there is none.

    In this order, the last occurrence of each:

    1. `\\boxed{...}` (nested braces; an unclosed one is a cut-off answer and does not count; an empty one is empty)
    2. `#### ...`
    3. "the answer is ...", "Answer: ...", "答案是...", "答：...", "故选 ...", "option B is correct" and GSM8K's line
       "A: ...", unless a program's output stands behind it
    4. the last line of the last ```output block, when nothing but white space follows it (program of thought)
    5. the formula, option letter or last number that ends the last line that holds any text. Not a mark at all, but
       base models often end in "... so she has 5 apples left." Not done when a box was opened and never closed: what
       stands there is a part of an answer.
    6. the program output of 4. when the text behind it states nothing else ("Two people stay.")

    A program that ended in an error has no output.
    """
    prose = _CODE_BLOCK.sub("\n", solution) if "```" in solution else solution
    boxed = last_boxed(prose)
    if boxed is not None:
        return _tidy(boxed)
    marks = _HASH.findall(prose)
    if marks:
        return _tidy(marks[-1])
    output, output_end, is_last = _program_output(prose)
    phrase = _after_phrase(prose, output_end if is_last else 0)
    if phrase is not None:
        return _tidy(phrase)
    if is_last or _is_cut_off(prose):
        return _tidy(output)
    return _tidy(_last_statement(_OUTPUT_BLOCK.sub("", prose)) or output)


def last_boxed(text: str) -> str | None:
    """The content of the last closed `\\boxed{...}`, None when there is none. `\\boxed 5` gives "5".

    A box inside another closed box belongs to that one's content.
    """
    starts = {match.end(): match for match in _BOX.finditer(text)}
    if not starts:
        return None
    found: tuple[int, int] | None = None
    for start in starts:
        if text[start : start + 1] != "{":
            bare = _BARE_BOX.match(text, start)
            found = (start, bare.end()) if bare else found
    for start, end in _closed_spans(text, set(starts)):
        if found is None or start > found[0] or end > found[1]:
            found = (start + 1, end) if found is None or end > found[1] else found
    return text[found[0] : found[1]] if found else None


def _closed_spans(text: str, starts: set[int]) -> list[tuple[int, int]]:
    """(opening brace, closing brace) of the braces that open at `starts` and close, inner ones before outer ones."""
    spans, opened = [], []
    for brace in re.compile(r"\\.|[{}]", re.DOTALL).finditer(text, min(starts)):
        if brace.group() == "{":
            opened.append(brace.start())
        elif brace.group() == "}" and opened:
            start = opened.pop()
            if start in starts:
                spans.append((start, brace.start()))
    return spans


def _after_phrase(text: str, earliest: int) -> str | None:
    """What follows the last "the answer is", "答案：" or line "A: ..." behind `earliest`; None when there is none."""
    last: tuple[int, int, str] | None = None  # position, where the statement starts, the statement when it is known
    for match in _PHRASE.finditer(text, earliest):
        last = (match.start(), match.end(), "")
    for match in _CHOSEN.finditer(text, earliest):
        if last is None or match.start() > last[0]:
            # "the answer is: option B is correct" is one statement
            last = (match.start(), match.end(), next(group for group in match.groups() if group))
    letters = list(_LETTER_LINE.finditer(text, earliest))
    if letters and all(m.group(1) == "A" for m in letters):  # with B: and C: they are options, not answers
        line = letters[-1]
        if last is None or line.start() > last[0]:
            last = (line.start(), line.start(2) if line.group(2) else line.end(), "")
    if last is None:
        return None
    return last[2] or _first_statement(text[last[1] : last[1] + 2 * MAX_ANSWER_CHARS])


def _is_cut_off(text: str) -> bool:
    """Does the text end inside a box?"""
    return re.search(r"\\(?:boxed|fbox)\s*\{", text[-MAX_ANSWER_CHARS:]) is not None


def _first_statement(text: str) -> str:
    """The beginning of `text` up to the end of its formula or sentence."""
    text = text.lstrip(" \t\n\r*:：")
    for opening, closing in _DISPLAY:
        if text.startswith(opening):
            close = text.find(closing, len(opening))
            if close >= 0 and not re.match(r"\s*(?:and|or|,|和|或)", text[close + len(closing) :]):
                return text[len(opening) : close]
    end = _SENTENCE_END.search(text)
    return text[: end.start()] if end else text


def _program_output(text: str) -> tuple[str, int, bool]:
    """The last line of the last output block ("" for none or an error), where it starts, whether nothing follows it."""
    blocks = list(_OUTPUT_BLOCK.finditer(text))
    if not blocks:
        return "", 0, False
    lines = blocks[-1].group(1).strip().splitlines()
    line = lines[-1].strip() if lines else ""
    is_last = not text[blocks[-1].end() :].strip()
    return ("" if _ERROR_LINE.fullmatch(line) else line), blocks[-1].start(), is_last


def _last_statement(text: str) -> str:
    """The formula, option letter or number that ends the last line, "" when there is none."""
    lines = text[-_EXCEPT_LAST:].rstrip().splitlines()
    if not lines:
        return ""
    formula = _LAST_FORMULA.search(lines[-1][-MAX_ANSWER_CHARS:])
    if formula:
        return next(group for group in formula.groups() if group)
    line = unicodedata.normalize("NFKC", lines[-1])
    letter = _LAST_LETTER.search(line)
    if letter:
        return letter.group(1)
    numbers = _NUMBER.findall(line)
    return numbers[-1] if numbers else ""


def _tidy(answer: str) -> str:
    """Without surrounding space, emphasis marks and the full stop; at most MAX_ANSWER_CHARS characters."""
    answer = answer[: MAX_ANSWER_CHARS + 1].strip().strip("*").strip()
    answer = re.sub(r"([.。,，;；\s]+|\*\*)+\Z", "", answer) if answer[-1:] in ".。 \t,，;；*" else answer
    return answer[:MAX_ANSWER_CHARS]
