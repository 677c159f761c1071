"""Coverage-guided fuzzing of page extraction with atheris (`pip install '.[fuzz]'`).

    python tests/fuzz/fuzz_extract.py CORPUS_FOLDER -max_total_time=300 -rss_limit_mb=2048 -timeout=10 -max_len=40000

Fills CORPUS_FOLDER with real pages (a fixed sample of the crawl in DSMATH_REAL_DATA) and made ones when it is empty;
besides libFuzzer's own mutations, pieces of markup are repeated and nested. Found are: exceptions, texts that break
what a document promises, and, by libFuzzer's own limits, hangs, crashes and memory. The extractor's compiled kernels
are not instrumented: there it is mutation without guidance.
"""

import random
import sys
from pathlib import Path

import atheris

sys.path[:0] = [str(Path(__file__).parents[2])]
_FOLDER = Path(__file__).parents[2] / "dsmath_pipeline/corpus"
_COMPILED = [f"dsmath_pipeline.corpus.{file.stem}" for file in _FOLDER.glob("*.py") if "numba" in file.read_text()]
_COMPILED += [
    f"dsmath_pipeline.corpus.{file.stem}" for file in _FOLDER.glob("*.py") if ".compiled import" in file.read_text()
]
with atheris.instrument_imports(include=["dsmath_pipeline.corpus"], exclude=_COMPILED):
    from dsmath_pipeline.corpus.encoding import decode_html, decode_to_utf8
    from dsmath_pipeline.corpus.extract import Dropped, extract
    from dsmath_pipeline.corpus.warc import ReadReport, read_pages
    from dsmath_pipeline.recipe.schema import ExtractSettings
    from dsmath_pipeline.records import Page
    from tests.corpus.crawl_files import REAL

SETTINGS = ExtractSettings(max_html_bytes=200_000)
ALL_TEXT = ExtractSettings(max_html_bytes=200_000, main_content=False)
CONTENT_TYPES = (
    "",
    "text/html; charset=utf-8",
    "text/html; charset=gbk",
    "text/html; charset=shift_jis",
    "charset=koi8-r",
)
PIECES = [
    b"<div>", b"</div>", b"<table><tr><td>", b"<math><mfrac><mi>x</mi>", b"</mfrac></math>", b"$x^2$", b"\\[", b"\\]",
    b"<script type='math/tex; mode=display'>", b"</script>", b"<span class='katex'>", b"<annotation encoding='x-tex'>",
    b"<!--", b"-->", b"<![CDATA[", b"<svg>", b"<template>", b"<select><option>", b"<frameset>", b"<plaintext>",
    b"&#x1d465;", b"&nbsp;", b"<img alt='\\frac{1}{2}' class='tex'>", b"\xff\xfe", b"\0", b"<a href=", b"<p", b"\"'>",
]  # fmt: skip


def mutate(data: bytes, max_size: int, seed: int) -> bytes:
    """libFuzzer's own mutation, or pieces of markup put in, repeated and nested."""
    rng = random.Random(seed)
    if rng.random() < 0.5 or len(data) < 2:
        return atheris.Mutate(data, max_size)
    at = rng.randrange(1, len(data))
    if rng.random() < 0.5:
        middle = rng.choice(PIECES) * rng.choice((1, 1, 3, 50, 1000))
    else:
        other = rng.randrange(1, len(data))
        middle = data[min(at, other) : max(at, other)] * rng.choice((1, 2, 20))
    return (data[:at] + middle + data[at:])[:max_size]


def check(data: bytes) -> None:
    content_type = CONTENT_TYPES[data[0] % len(CONTENT_TYPES)] if data else ""
    html = data[1:]
    assert decode_to_utf8(html, content_type).decode("utf-8") == decode_html(html, content_type)
    for settings in (SETTINGS, ALL_TEXT):
        found = extract(Page("https://example.org/", html, "a.warc.gz", 1, content_type=content_type), settings)
        if isinstance(found, Dropped):
            assert found.reason
            continue
        found.text.encode("utf-8")
        assert found.text.strip() and len(found.text) <= settings.max_text_chars
        assert all(isinstance(formula, str) for formula in found.formulas)
        assert sum(found.rules.values()) >= 0


def seeds(limit: int = 150) -> list[bytes]:
    found = [b"\0" + b"<html><body><main>" + b"".join(PIECES) + b"words " * 50]
    for file in sorted((REAL / "crawl").glob("*.warc.gz"))[:2]:
        for page in read_pages(file, SETTINGS, ReadReport()):
            if len(page.html) < 40_000:
                found.append(b"\1" + page.html)
    random.Random(7).shuffle(found)
    return found[:limit]


def main() -> None:
    folder = next((Path(a) for a in sys.argv[1:] if not a.startswith("-")), None)
    if folder is not None and not (folder.is_dir() and any(folder.iterdir())):
        folder.mkdir(parents=True, exist_ok=True)
        for number, seed in enumerate(seeds()):
            (folder / f"seed-{number:03}").write_bytes(seed)
    for seed in seeds(20):
        check(seed)  # compiles the kernels, which takes longer than an input may
    atheris.Setup(sys.argv, check, custom_mutator=mutate)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
