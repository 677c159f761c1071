"""Pages that refuse to be training data: headers, meta tags, and their counts in the artifact."""

import os
from collections import Counter
from pathlib import Path

import pytest

from dsmath_pipeline.corpus.extract import Dropped, extract
from dsmath_pipeline.corpus.optout_signals import robots_directive
from dsmath_pipeline.corpus.pages import extract_files, extract_to_file
from dsmath_pipeline.recipe.schema import ExtractSettings, OptOutSettings
from dsmath_pipeline.records import Document, Page
from tests.corpus.crawl_files import members, read_bytes, response

SETTINGS, ASKS = ExtractSettings(), OptOutSettings(agents=["CCBot", "gptbot"])
REAL = Path(__file__).parents[2] / os.environ.get("DSMATH_REAL_DATA", "../shared/data")
BODY = "<p>The sum of the first n odd numbers is a square, as one sees by induction on n in a few lines of text.</p>"


def page(head: str = "", headers: dict[str, str] | None = None) -> Page:
    html = f"<html><head><title>T</title>{head}</head><body>{BODY}</body></html>"
    return Page("https://example.org/", html.encode(), "a.warc.gz", headers=headers or {})


def reason(head: str = "", headers: dict[str, str] | None = None, settings: OptOutSettings = ASKS) -> str:
    found = extract(page(head, headers), SETTINGS, settings)
    return found.reason if isinstance(found, Dropped) else ""


@pytest.mark.parametrize(
    ("value", "directive"),
    [
        ("noai", "noai"),
        ("NOINDEX, NoAI", "noai"),
        ("noml", "noml"),
        ("noimageai, noindex, nofollow", ""),
        ("noaiplease", ""),
        ("ccbot: noai", "noai"),
        ("CCBOT : noai", "noai"),
        ("otherbot: noai", ""),
        ("otherbot: noindex, noai", ""),  # the agent's name holds for the rest of its line
        ("otherbot: noai, ccbot: noml", "noml"),
        ("ccbot: nofollow\nnoai", "noai"),
        ("otherbot: nofollow\nnoai", "noai"),
        ("unavailable_after: 25 Jun 2030 15:00:00 PST, noai", "noai"),
        ("max-snippet: 20, noai", "noai"),
        ("*: noai", "noai"),
        ("", ""),
    ],
)
def test_directives_of_the_header(value, directive):
    assert robots_directive(value, ["ccbot", "gptbot"]) == directive
    expected = f"opt-out: {directive} (header)" if directive else ""
    assert reason(headers={"x-robots-tag": value}) == expected


@pytest.mark.parametrize(
    ("head", "directive"),
    [
        ("<meta name=robots content=noai>", "noai"),
        ("<META NAME='Robots' CONTENT='index, NoAI, noimageai'/>", "noai"),
        ('<meta content="noml" name="robots">', "noml"),
        ('<meta name="ccbot" content="noai">', "noai"),
        ('<meta name="otherbot" content="noai">', ""),
        ('<meta name="robots" content="noimageai">', ""),
        ('<meta name="description" content="what noai and noml mean">', ""),
        ('<!-- <meta name="robots" content="noai"> -->', ""),
        ('<meta http-equiv="X-Robots-Tag" content="gptbot: noai">', "noai"),
        ('<meta http-equiv="X-Robots-Tag" content="otherbot: noai">', ""),
        ('<script>var s = \'<meta name="robots" content="noai">\';</script>', ""),
    ],
)
def test_directives_of_meta_elements(head, directive):
    assert reason(head) == (f"opt-out: {directive} (meta)" if directive else "")


def reserved(head: str = "", headers: dict[str, str] | None = None) -> tuple[str, str]:
    found = extract(page(head, headers), SETTINGS, ASKS)
    return (found.reason, found.tdm_policy) if isinstance(found, Dropped) else ("", "")


def test_reservations_come_with_their_policy():
    policy = "https://example.org/policy.json"
    meta = f'<meta name="tdm-reservation" content="1"><meta name="tdm-policy" content="{policy}">'
    assert reserved(meta) == ("opt-out: tdm-reservation (meta)", policy)
    assert reserved("", {"tdm-reservation": "1"}) == ("opt-out: tdm-reservation (header)", "")
    assert reserved("", {"tdm-reservation": "1", "tdm-policy": policy}) == (
        "opt-out: tdm-reservation (header)",
        policy,
    )
    assert reserved('<meta name="tdm-reservation" content="2">', {"tdm-reservation": "yes"}) == ("", "")


def test_a_page_lifts_the_reservation_of_its_header_and_not_the_other_way_round():
    assert reserved('<meta name="tdm-reservation" content="0">', {"tdm-reservation": "1"}) == ("", "")
    assert reserved('<meta name="tdm-reservation" content="1">', {"tdm-reservation": "0"})[0].endswith("(meta)")


def test_signals_are_read_only_where_the_settings_ask_for_it():
    refusing = page("<meta name=robots content=noai>", {"x-robots-tag": "noai", "tdm-reservation": "1"})
    assert isinstance(extract(refusing, SETTINGS), Document)
    assert isinstance(extract(refusing, SETTINGS, OptOutSettings(respect_page_signals=False)), Document)
    assert reason('<meta name="gptbot" content="noai">', settings=OptOutSettings(agents=["ccbot"])) == ""


def test_every_robots_field_of_a_response_is_kept():
    """A field may be repeated, once for each agent; the fields' dictionary would hold the last one alone."""
    http = b"Content-Type: text/html\r\nX-Robots-Tag: ccbot: noai\r\nX-ROBOTS-TAG:noarchive\r\nServer: a\r\n"
    pages, _ = read_bytes(members([response(1, b"<html>a x-robots-tag: noml", http=http)]))
    assert pages[0].headers["x-robots-tag"] == "ccbot: noai\nnoarchive"
    assert robots_directive(pages[0].headers["x-robots-tag"], ["ccbot"]) == "noai"


@pytest.mark.slow
def test_counts_add_up_and_settings_are_part_of_the_key(tmp_path):
    html = b"text/html\r\n"
    records = [
        response(1, page().html),
        response(2, page().html, http=b"X-Robots-Tag: noai\r\nContent-Type: " + html),
        response(3, page("<meta name=robots content=noai>").html),
        response(4, page().html, http=b"TDM-Reservation: 1\r\nTDM-Policy: https://e.org/p\r\nContent-Type: " + html),
        response(5, b"<html><body></body></html>"),
    ]
    (tmp_path / "a.warc.gz").write_bytes(members(records))
    manifest = extract_files([tmp_path / "a.warc.gz"], tmp_path / "out", SETTINGS, ASKS, workers=1)
    assert manifest.counts["dropped"] == {
        "no_text": 1,
        "opt-out: noai (header)": 1,
        "opt-out: noai (meta)": 1,
        "opt-out: tdm-reservation (header)": 1,
    }
    assert manifest.counts["num_pages"] == 5 == manifest.num_rows + sum(manifest.counts["dropped"].values())
    assert manifest.counts["tdm_policies"] == {"https://e.org/p": 1}
    # the converter gives all pages of a file unless it is asked to leave these out
    source, target = [tmp_path / "a.warc.gz"], tmp_path / "a.parquet"
    assert extract_to_file(source, target, SETTINGS, workers=1)["num_rows"] == 4
    assert extract_to_file(source, target, SETTINGS, ASKS, workers=1)["num_rows"] == 1
    deaf = OptOutSettings(respect_page_signals=False)
    other = extract_files([tmp_path / "a.warc.gz"], tmp_path / "deaf", SETTINGS, deaf, workers=1)
    assert (other.num_rows, other.counts["dropped"]) == (4, {"no_text": 1})
    assert other.key != manifest.key


@pytest.mark.slow
@pytest.mark.skipif(not (REAL / "crawl").exists(), reason=f"no real crawl in {REAL}: set DSMATH_REAL_DATA")
def test_signals_of_real_pages(tmp_path):
    """Counted by searching the bytes of all 3,426 pages for the words: the other finds are inside of data and names."""
    manifest = extract_files([REAL / "crawl"], tmp_path / "out", SETTINGS, OptOutSettings())
    found = Counter({n: c for n, c in manifest.counts["dropped"].items() if n.startswith("opt-out")})
    assert found == {"opt-out: noai (meta)": 10, "opt-out: tdm-reservation (meta)": 1}
    assert list(manifest.counts["tdm_policies"]) == ["https://s.ouest-france.fr/autopromo/tdm-policy/tdm-policy.json"]
