"""Tiny SVG pictures of under 1,000 characters: the Dagster UI draws those inline, longer ones hide behind a dialog.

No axes beyond the extreme values; the report page has the full figures (`reporting/plots.py`). Missing and infinite
values are left out; without a value left the picture says "no data".
"""

import html
import itertools
import math
from collections.abc import Sequence

BLUE, ORANGE, GREEN, RED, GREY = "#0072B2", "#E69F00", "#009E73", "#D55E00", "#666"
"""Colours that people with colour blindness can tell apart (Okabe and Ito)."""

MAX_CHARS = 999
_WIDTH, _HEIGHT = 240, 80
_MAX_POINTS = 60
_MAX_BINS = 40
_MAX_BARS = 8


def svg_histogram(values: Sequence[float | None], bins: int = 20) -> str:
    """How often values fall into `bins` equal ranges, with the smallest and largest value and the highest count."""
    found = _finite(values)
    if not found:
        return _empty()
    low, high = min(found), max(found)
    bins = max(1, min(bins, _MAX_BINS))
    counts = [0] * bins
    for value in found:
        counts[min(int((value - low) / (high - low) * bins), bins - 1) if high > low else 0] += 1
    width, top = _WIDTH / bins, max(counts)
    bars = ""
    for i, count in enumerate(counts):
        tall = round(count / top * 50)
        if tall:
            bars += f"M{round(i * width)} 65v-{tall}h{max(1, round(width) - 1)}v{tall}z"
    texts = _text(0, 78, _short(low)) + _text(_WIDTH, 78, _short(high), "end") + _text(0, 10, f"max {top:,} a bin")
    return _svg(f'<path fill="{BLUE}" d="{bars}"/>{texts}', _HEIGHT)


def svg_line(values: Sequence[float | None]) -> str:
    """Values in order as a line, thinned to 60 points (means of neighbours), with first, last and extreme values."""
    found = _finite(values)
    if not found:
        return _empty()
    count = min(len(found), _MAX_POINTS)
    edges = [round(i * len(found) / count) for i in range(count + 1)]
    points = [sum(found[a:b]) / (b - a) for a, b in itertools.pairwise(edges)]
    low, high = min(points), max(points)
    spread = (high - low) or 1.0
    step = _WIDTH / max(count - 1, 1)
    path = " ".join(f"{round(i * step)},{round(62 - (p - low) / spread * 46)}" for i, p in enumerate(points))
    texts = _text(0, 10, f"max {_short(high)}") + _text(0, 78, f"min {_short(low)}")
    texts += _text(_WIDTH, 78, f"{_short(found[0])} → {_short(found[-1])}", "end")
    return _svg(f'<polyline fill="none" stroke="{BLUE}" stroke-width="1.5" points="{path}"/>{texts}', _HEIGHT)


def svg_bars(labels: Sequence[str], values: Sequence[float | None]) -> str:
    """A horizontal bar for each label, with its value; the first ones only when there are too many."""
    pairs = [(label, v) for label, v in zip(labels, values, strict=True) if v is not None and math.isfinite(v)]
    if not pairs:
        return _empty()
    for shown in range(min(len(pairs), _MAX_BARS), 0, -1):
        picture = _bars(pairs[:shown])
        if len(picture) <= MAX_CHARS:
            return picture
    return _empty()


def _bars(pairs: Sequence[tuple[str, float]]) -> str:
    top = max(abs(value) for _, value in pairs) or 1.0
    bars = texts = ""
    for i, (label, value) in enumerate(pairs):
        wide = round(abs(value) / top * 100)
        bars += f"M85 {16 * i + 3}h{wide}v11h-{wide}z" if wide else ""
        texts += _text(0, 16 * i + 13, label[:14]) + _text(89 + wide, 16 * i + 13, _short(value))
    return _svg(f'<path fill="{BLUE}" d="{bars}"/>{texts}', 16 * len(pairs) + 4)


def _finite(values: Sequence[float | None]) -> list[float]:
    return [float(v) for v in values if v is not None and math.isfinite(v)]


def _short(value: float) -> str:
    """At most seven characters."""
    if value == round(value) and abs(value) < 1e6:
        return f"{round(value):,}"
    return f"{value:.3g}"


def _text(x: int, y: int, text: str, anchor: str = "") -> str:
    end = f' text-anchor="{anchor}"' if anchor else ""
    return f'<text x="{x}" y="{y}"{end}>{html.escape(text)}</text>'


def _svg(content: str, height: int) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{height}" font-size="10" '
        f'font-family="sans-serif" fill="{GREY}">{content}</svg>'
    )


def _empty() -> str:
    return _svg(_text(0, 12, "no data"), 20)
