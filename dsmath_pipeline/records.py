"""The nouns of the pipeline: what passes from one stage to the next.

Tables on disk are Parquet with the column sets at the end of this file; the dataclasses are what functions exchange.
"""

from dataclasses import dataclass, field
from enum import StrEnum

import pyarrow as pa


@dataclass(frozen=True, slots=True)
class Page:
    """One HTML page as crawled. `offset` is the byte offset of its record in `source` (0 for a plain HTML file)."""

    url: str
    html: bytes
    source: str
    offset: int = 0
    date: str = ""
    content_type: str = ""
    """The HTTP Content-Type header, which may carry the charset."""
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Document:
    """The text extracted from one page. `formulas` are LaTeX without delimiters, in order of appearance."""

    url: str
    text: str
    title: str = ""
    language: str = "und"
    formulas: tuple[str, ...] = ()
    rules: dict[str, int] = field(default_factory=dict)
    """How often each formula rule fired."""
    source: str = ""
    offset: int = 0
    date: str = ""


@dataclass(frozen=True, slots=True)
class UrlLabel:
    """A label that a person (or the signed rule `auto`) gave to a URL prefix such as `mathoverflow.net/questions`."""

    url_prefix: str
    label: str
    """`math`, `not_math` or `unsure`."""
    annotator: str
    """A person's name; `auto` for the rule-based annotator."""
    iteration: int
    note: str = ""


@dataclass(frozen=True, slots=True)
class Problem:
    """One mathematics problem with its reference answer."""

    id: str
    problem: str
    answer: str
    solution: str = ""
    method: str = "cot"
    """How `solution` is written: `cot`, `pot` or `tool`."""
    language: str = "en"
    source: str = ""
    options: tuple[str, ...] = ()
    """Options of a multiple-choice problem, in the order A, B, C, ..."""


@dataclass(frozen=True, slots=True)
class Completion:
    """One model output. `finish` says why it ended: `stop` (end token) or `length` (cut off)."""

    text: str
    token_ids: tuple[int, ...] = ()
    finish: str = "stop"
    logprobs: tuple[float, ...] = ()
    """Log-probability of each token under the sampling policy."""


class Verdict(StrEnum):
    """Outcome of grading one solution."""

    CORRECT = "correct"
    WRONG = "wrong"
    NO_ANSWER = "no_answer"
    GOLD_UNPARSABLE = "gold_unparsable"
    TIMEOUT = "timeout"


@dataclass(frozen=True, slots=True)
class Grade:
    """A graded solution: the answer found in it (empty when none) and the verdict."""

    answer: str
    verdict: Verdict

    @property
    def is_correct(self) -> bool:
        return self.verdict is Verdict.CORRECT


DOCUMENT_SCHEMA = pa.schema(
    [
        pa.field("id", pa.string(), nullable=False),  # 32 hex digits, see corpus.pages.page_id
        pa.field("url", pa.string(), nullable=False),
        pa.field("domain", pa.string(), nullable=False),  # base URL: the host, lower case, without "www."
        pa.field("source", pa.string(), nullable=False),  # file name of the WARC or HTML file
        pa.field("offset", pa.int64(), nullable=False),  # byte offset of the record in that file
        pa.field("date", pa.string()),  # crawl date, ISO 8601
        pa.field("title", pa.string()),
        pa.field("language", pa.string(), nullable=False),  # ISO 639-1, `und` when unknown
        pa.field("text", pa.large_string(), nullable=False),
        pa.field("formulas", pa.list_(pa.string())),
        pa.field("rules", pa.map_(pa.string(), pa.int64())),
        pa.field("num_tokens", pa.int64(), nullable=False),  # text.estimate_tokens
    ]
)
"""What extraction writes, one row per page; dedup keeps the same columns."""

SCORE_SCHEMA = pa.schema(
    [
        pa.field("id", pa.string(), nullable=False),
        pa.field("url", pa.string(), nullable=False),
        pa.field("domain", pa.string(), nullable=False),
        pa.field("num_tokens", pa.int64(), nullable=False),
        pa.field("logit", pa.float64(), nullable=False),  # log-odds of "math"; ranking uses this
        pa.field("score", pa.float64(), nullable=False),  # sigmoid(logit), 0-1
    ]
)
"""Score sidecar of one iteration: one row per document that was kept after dedup."""

CORPUS_SCHEMA = pa.schema(
    [
        pa.field("id", pa.string(), nullable=False),
        pa.field("url", pa.string(), nullable=False),
        pa.field("domain", pa.string(), nullable=False),
        pa.field("title", pa.string()),
        pa.field("text", pa.large_string(), nullable=False),
        pa.field("language", pa.string(), nullable=False),
        pa.field("score", pa.float64(), nullable=False),
        pa.field("collection_iteration", pa.int32(), nullable=False),  # first iteration that collected the page
        pa.field("num_tokens", pa.int64(), nullable=False),
    ]
)
"""The mathematics corpus."""

PROBLEM_SCHEMA = pa.schema(
    [
        pa.field("id", pa.string(), nullable=False),
        pa.field("problem", pa.string(), nullable=False),
        pa.field("answer", pa.string(), nullable=False),
        pa.field("solution", pa.string()),
        pa.field("method", pa.string(), nullable=False),
        pa.field("language", pa.string(), nullable=False),
        pa.field("source", pa.string()),
        pa.field("options", pa.list_(pa.string())),
    ]
)
"""Problems with solutions: SFT examples, RL questions, benchmark items."""
