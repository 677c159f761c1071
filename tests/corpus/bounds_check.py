"""Run by test_html_tree.py in a process of its own with NUMBA_BOUNDSCHECK=1: every kernel over mutated pages."""

import random
from pathlib import Path
from tempfile import TemporaryDirectory

from dsmath_pipeline.corpus.extract import extract
from dsmath_pipeline.corpus.warc import ReadReport, read_pages
from dsmath_pipeline.demo.mini_web import write_mini_web
from dsmath_pipeline.recipe.schema import ExtractSettings, MiniWebSettings
from dsmath_pipeline.records import Page

_PIECES = (
    b"<", b">", b"</", b"<!--", b"-->", b'"', b"'", b"&", b"&#x", b"&amp", b"<math>", b"<table>", b"<tr>",
    b"<pre>", b"\0", b"<sup>1</sup>", b"<a href=x>", b"</a>", b"\xe4\xb8", b"\xff", b"=", b"/", b"<svg>",
    b"<script>", b"$", b"\\(",
)  # fmt: skip


def mutate(raw: bytes, random_numbers: random.Random) -> bytes:
    for _ in range(random_numbers.randint(1, 12)):
        at = random_numbers.randrange(len(raw) + 1)
        kind = random_numbers.randrange(4)
        if kind == 0:
            raw = raw[:at] + random_numbers.choice(_PIECES) + raw[at:]
        elif kind == 1:
            raw = raw[:at] + raw[at + random_numbers.randrange(1, 80) :]
        elif kind == 2:
            raw = raw[:at]
        else:
            raw = raw[:at] + raw[at : at + random_numbers.randrange(1, 400)] * 2 + raw[at:]
    return raw


def main() -> None:
    random_numbers = random.Random(1)
    with TemporaryDirectory() as folder:
        write_mini_web(Path(folder) / "web", MiniWebSettings(num_pages=200, num_domains=30, num_warc_files=1), 1)
        file = next(Path(folder).rglob("*.warc.gz"))
        pages = [page.html for page in read_pages(file, ExtractSettings(), ReadReport())]
    for number in range(1500):
        raw = mutate(random_numbers.choice(pages), random_numbers)
        extract(Page(f"https://e.org/{number}", raw, "a.html"), ExtractSettings())
    print("checked")


if __name__ == "__main__":
    main()
