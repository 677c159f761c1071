"""Read Coq text without Coq: comments, sentences, and which proofs may be shown to Coq at all.

A proof is a tactic script: what stands between `Proof.` and `Qed.`, in ASCII, without strings. Tactics can only build
a term that the kernel then checks; what could change the rules (axioms, options, notations, modules, plugins, files)
is a command, and every command begins with a capital letter or `#[`. So a script is refused unless each of its
sentences begins with a lower-case word or a bracket, wherever a sentence can begin: at the start, after a full stop,
a bullet, a brace or a goal selector. Comments are removed first, so Coq reads the very text that was judged.

It is the first of three walls; `coq` describes the others. Not in the paper, which used Isabelle.
"""

import re
from dataclasses import dataclass

_COMMANDS = """
Abort Add Admit Admitted Arguments Axiom Axioms Canonical Coercion Conjecture Conjectures Declare Defined Drop
Export Extract Extraction Fail From Hypotheses Hypothesis Import Instance Load Ltac Module Notation Obligation
Parameter Parameters Primitive Program Qed Quit Redirect Require Reset Save Scheme Time Timeout Undo Unset
Variable Variables
"""
COMMANDS = frozenset(_COMMANDS.split())
"""Words that no tactic needs: refused anywhere in a script, though as sentences they are refused already."""

UNSAFE_TACTICS = frozenset({"admit", "give_up", "native_compute", "native_cast_no_check"})
"""Goals given up, and a compiler that the jail does not hold."""

_WORD = re.compile(r"[A-Za-z_][\w']*")
_BEFORE_TACTIC = re.compile(r"(?:\s|[-+*{}]|(?:\d[\d\s,-]*|\[\s*\w+\s*\]\s*|(?:all|par|!)\s*):(?!=))*")
_TACTIC = re.compile(r"[a-z_(\[]")
_THEOREM = re.compile(r"(?:Theorem|Lemma|Example|Fact|Remark|Corollary|Proposition)\s+([A-Za-z_][\w']*)")
_OWN_THINGS = """
Inductive CoInductive Variant Record Structure Class Axiom Axioms Parameter Parameters Variable Variables Hypothesis
Hypotheses Conjecture Context Section Module
"""
_NOT_BEFORE_A_THEOREM = frozenset(_OWN_THINGS.split())

MAX_PROOF_CHARS = 50_000
"""Longer proofs are refused unread."""


class ScriptError(ValueError):
    """A proof or a statement that is not what it must be; the message says why."""


@dataclass(frozen=True, slots=True)
class Statement:
    """A theorem without its proof. `text` is everything before `Proof.`, without comments."""

    name: str
    text: str


def strip_comments(text: str) -> str:
    """The text with each comment replaced by a space. Comments nest; a string inside or outside hides their marks.

    Raises ScriptError for a comment or a string that never ends.
    """
    kept, position, depth = [], 0, 0
    while position < len(text):
        pair = text[position : position + 2]
        if pair == "(*":
            depth, position = depth + 1, position + 2
        elif pair == "*)" and depth:
            depth, position = depth - 1, position + 2
            kept.append("" if depth else " ")
        elif text[position] == '"':
            end = text.find('"', position + 1) + 1
            if not end:
                raise ScriptError("a string that never ends")
            kept.append("" if depth else text[position:end])
            position = end
        else:
            kept.append("" if depth else text[position])
            position += 1
    if depth:
        raise ScriptError("a comment that never ends")
    return "".join(kept)


def sentences(text: str) -> list[str]:
    """Coq's sentences: each ends with a full stop before white space or the end; a rest without one comes last.

    `text` has no comments. Full stops inside strings do not end a sentence.
    """
    found = re.findall(r'(?:"[^"]*"|[^".]|\.(?!\s|\Z))*\.(?=\s|\Z)|(?:"[^"]*"|[^"])+', text)
    return [sentence.strip() for sentence in found if sentence.strip()]


def read_statement(text: str) -> Statement:
    """The theorem of a Coq file and what stands before it; a proof behind it is dropped.

    Raises ScriptError when there is no theorem or more than one, or when an inductive type, an axiom or a section
    stands before it: compiled twice they are two things, and no proof of one theorem would be one of the other.
    """
    parts = sentences(strip_comments(text))
    theorems = [(index, match) for index, part in enumerate(parts) if (match := _THEOREM.match(part))]
    if len(theorems) != 1:
        raise ScriptError(f"a statement holds exactly one theorem, this text has {len(theorems)}")
    index, match = theorems[0]
    for part in parts[:index]:
        if _NOT_BEFORE_A_THEOREM.intersection(part.split(maxsplit=2)[:2]):
            raise ScriptError(f"`{part[:60]}` cannot stand before a theorem here")
    return Statement(match.group(1), "\n".join(parts[: index + 1]))


def read_proof(text: str) -> str:
    """The tactic script of a proof, without comments, `Proof.` and `Qed.`. Raises ScriptError when it is refused."""
    if len(text) > MAX_PROOF_CHARS:
        raise ScriptError(f"the proof has more than {MAX_PROOF_CHARS:,} characters")
    script = strip_comments(text)
    bad = next((c for c in script if not (c in "\n\t\r" or " " <= c <= "~")), "")
    if bad:
        raise ScriptError(f"the character {bad!r} is not allowed in a proof")
    for mark, what in (('"', "strings"), ("(*", "comment marks"), ("*)", "comment marks")):
        if mark in script:
            raise ScriptError(f"{what} are not allowed in a proof")
    script = re.sub(r"\A\s*Proof\.(?=\s|\Z)", "", script)
    parts = sentences(re.sub(r"(?:\A|(?<=[\s}]))Qed\.\s*\Z", "", script))
    if not parts:
        raise ScriptError("the proof is empty")
    for part in parts:
        _check_sentence(part)
    return "\n".join(parts)


def _check_sentence(sentence: str) -> None:
    begin = _BEFORE_TACTIC.match(sentence)
    rest = sentence[begin.end() if begin else 0 :]
    if rest and rest != "." and not _TACTIC.match(rest):
        raise ScriptError(f"`{rest[:40]}` is not a tactic: a proof holds tactics only, no commands")
    for word in _WORD.findall(sentence):
        if word in COMMANDS or word in UNSAFE_TACTICS:
            raise ScriptError(f"`{word}` is not allowed in a proof")


def cut_proof(text: str) -> str:
    """What a model wrote as a proof: the text before `Qed.`, without Markdown fences and a repeated statement."""
    text = re.sub(r"^```\w*\s*$", "", text, flags=re.MULTILINE)
    text = re.split(r"\bQed\s*\.", text, maxsplit=1)[0]
    head, mark, tail = text.partition("Proof.")
    return (tail if mark and (not head.strip() or _THEOREM.search(head)) else text).strip()
