"""Opt-out lists: which addresses a rule covers, robots groups, and lists with mistakes."""

import re

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from dsmath_pipeline import storage
from dsmath_pipeline.corpus.dedup import deduplicate
from dsmath_pipeline.corpus.optout import AddressError, OptOutRules, normal_address
from dsmath_pipeline.corpus.optout_list import OptOutError, read_requests, read_rules
from dsmath_pipeline.corpus.optout_pages import find_opted_out
from dsmath_pipeline.corpus.urls import normalise_url
from dsmath_pipeline.recipe.schema import DedupSettings, OptOutSettings
from tests.corpus.test_dedup import document, kept_ids, write_documents


def rules_of(*addresses):
    rules = OptOutRules()
    for address in addresses:
        rules.add_address(address)
    return rules


@pytest.mark.parametrize(
    ("rule", "covered", "free"),
    [
        ("example.org", ["http://example.org", "https://www.EXAMPLE.org./a?b#c", "http://u:p@example.org:8080/x"],
         ["http://sub.example.org/", "http://example.org.evil.net/", "http://notexample.org/", "http://x.net/example.org"]),
        ("*.example.org", ["http://example.org/a", "http://a.b.example.org/"], ["http://badexample.org/"]),
        ("https://www.Example.org/~Ann/*", ["http://example.org/%7EAnn", "http://example.org/~Ann/p.html?q=1"],
         ["http://example.org/~Anna", "http://example.org/~ann/", "http://example.org/"]),
        ("example.org/a b/é", ["http://example.org/a%20b/%C3%A9/x", "http://example.org/a%20b/%c3%a9"],
         ["http://example.org/a"]),
        ("example.org/a/../b/", ["http://example.org/b", "http://example.org/c/../b/d"], ["http://example.org/a/b"]),
        ("example.org:8080/a", ["http://example.org:8080/a/b"], ["http://example.org/a", "http://example.org:80/a"]),
        ("example.org:443/a", ["https://example.org/a", "http://example.org/a"], []),
        ("example.org/v?id=5&x=1", ["http://example.org/v?x=1&id=5&utm_source=m"], ["http://example.org/v?id=5"]),
        ("münchen.de", ["http://xn--mnchen-3ya.de/a", "http://MÜNCHEN.de/"], ["http://munchen.de/"]),
        ("XN--MNCHEN-3YA.de", ["http://münchen.de/"], []),
        ("straße.de", ["http://xn--strae-oqa.de/", "http://straße.de/"], []),
        ("192.0.2.7/a", ["http://192.0.2.7/a/b"], ["http://192.0.2.8/a"]),
        ("[2001:DB8::1]", ["http://[2001:db8::1]:8080/a"], ["http://[2001:db8::2]/"]),
        ("//example.org/a", ["http://example.org/a"], []),
    ],
)  # fmt: skip
def test_what_an_address_covers(rule, covered, free):
    rules = rules_of(rule)
    assert [url for url in covered if rules.match(url) != rule] == []
    assert [url for url in free if rules.match(url)] == []


def test_the_most_specific_rule_is_named():
    rules = rules_of("*.example.org", "example.org", "example.org/a", "example.org/a/b", "example.org/a/b?c=1")
    found = [rules.match(f"http://example.org/{rest}") for rest in ("a/b?c=1", "a/b/c/d", "a/x", "x")]
    assert found == ["example.org/a/b?c=1", "example.org/a/b", "example.org/a", "example.org"]
    assert rules.match("http://s.example.org/a") == "*.example.org"


@pytest.mark.parametrize(
    "text",
    [
        "example.org", "www.example.org", "www.org", "https://www.example.org/a.b/~c/", "http://example.org/*",
        "example.org/a/*", "www.www.example.org/A_b", "a-b.example.org/-", "example.org/",
    ],
)  # fmt: skip
def test_the_quick_way_for_plain_addresses_gives_the_normal_form(text):
    assert rules_of(text).addresses == [normal_address(text)] == rules_of(text.upper()[:4] + text[4:]).addresses


@pytest.mark.parametrize("url", ["", "file:a.html", "http://", "mailto:a@example.org", "http://[", "no url at all"])
def test_strings_that_are_no_web_address_are_never_covered(url):
    assert rules_of("example.org", "*.example.com").match(url) == ""


def test_an_address_with_an_impossible_port_is_covered_by_its_host():
    assert rules_of("example.org").match("http://www.example.org:99999/a") == "example.org"


names = st.text(alphabet="ab", min_size=1, max_size=2)
paths = st.lists(names, max_size=4)


@hypothesis_settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(st.booleans(), names, paths), max_size=12), names, names, paths)
def test_the_lookup_finds_what_a_comparison_with_every_rule_finds(given_rules, sub, host, path):
    texts = [f"{'*.' if wide and not p else ''}{h}.org{''.join('/' + s for s in p)}" for wide, h, p in given_rules]
    url = f"http://{sub}.{host}.org{''.join('/' + s for s in path)}"
    for address in (url, f"http://{host}.org{''.join('/' + s for s in path)}"):
        plain = normalise_url(address)
        slow = False
        for text in texts:
            if text.startswith("*."):
                slow |= plain.split("/")[0] == text[2:] or plain.split("/")[0].endswith(text[1:])
            else:
                slow |= plain == text or plain.startswith(text + "/")
        assert bool(rules_of(*texts).match(address)) == slow


@pytest.mark.parametrize(
    "address",
    ["", "com", "*.com", "*", "http://", "/path", "exa*mple.org", "example.org/*/b", "*.example.org/a", "a b.org", "-"],
)
def test_addresses_of_which_no_rule_can_be_made_are_refused(address):
    with pytest.raises(AddressError):
        normal_address(address)


# lists --------------------------------------------------------------------------------------------------------------

AGENTS = ("ccbot", "gptbot")


def read(tmp_path, text, name="list.txt"):
    (tmp_path / name).write_bytes(text.encode() if isinstance(text, str) else text)
    return read_rules(tmp_path / name, AGENTS)


def test_simple_lines_with_comments_and_columns(tmp_path):
    rules = read(
        tmp_path,
        "\ufeff# people who asked\r\nexample.org  2026-03-01  by mail, twice\r\n\r\nexample.net/#!/a  # in the app\r\n"
        "*.example.com\tno date but a reason\r\n",
    )
    assert sorted(rules.addresses) == ["*.example.com", "example.net#!/a", "example.org"]


ROBOTS = """
Domain: example.org
User-agent: otherbot
Disallow: /

User-agent: CCBot
User-agent: somebot
Disallow: /private
Allow: /private/open/
Disallow: /*.pdf$
Disallow: /find?q=
Crawl-delay: 5

User-agent: gptbot
Disallow: /gpt/

User-agent: *
Disallow: /all/

Domain: www.example.net
User-agent: *
Disallow: /
Allow: /a
Allow: /b$

Domain: free.org
User-agent: ccbot
Disallow:
User-agent: *
Disallow: /

Domain: *.wide.org
Disallow: /x
"""


@pytest.mark.parametrize(
    ("url", "line"),
    [
        ("http://example.org/", ""),
        ("http://example.org/private", "Disallow: /private"),
        ("http://example.org/privateer", "Disallow: /private"),  # prefixes of characters, not of segments
        ("http://example.org/private/open", "Disallow: /private"),
        ("http://example.org/private/open/", ""),
        ("http://example.org/private/open/a", ""),
        ("http://example.org/a/b.pdf", "Disallow: /*.pdf$"),
        ("http://example.org/a/b.pdf?x", ""),
        ("http://example.org/find?q=a", "Disallow: /find?q="),
        ("http://example.org/gpt/a", "Disallow: /gpt/"),  # the groups of all our agents together
        ("http://example.org/all/a", ""),  # an own group makes the one for all others void
        ("https://example.net/c", "Disallow: /"),
        ("https://example.net", "Disallow: /"),
        ("https://example.net/ab", ""),
        ("https://example.net/b", ""),
        ("https://example.net/bc", "Disallow: /"),
        ("http://free.org/a", ""),
        ("http://deep.wide.org/xy", "Disallow: /x"),
        ("http://wide.org/y", ""),
        ("http://other.org/private", ""),
    ],
)
def test_robots_groups(tmp_path, url, line):
    assert read(tmp_path, ROBOTS).match(url).partition(" ")[2] == line


def test_of_an_equally_long_allow_and_disallow_the_allow_wins(tmp_path):
    for lines in ("Allow: /a\nDisallow: /a", "Disallow: /a\nAllow: /a"):
        assert read(tmp_path, f"Domain: example.org\n{lines}\n").match("http://example.org/a") == ""


def test_every_bad_line_is_named_at_once(tmp_path):
    with pytest.raises(OptOutError) as error:
        read(
            tmp_path, "example.org\nnodomain\nexample.com 2026-13-45 x\nDisallow: /a\nDomain: a.org\nDisallow: a\n*.b\n"
        )
    message = str(error.value)
    assert "list.txt: 5 line(s)" in message
    assert re.findall(r"line (\d+):", message) == ["2", "3", "4", "6", "7"]
    assert "write it as 2026-03-01" in message and "write `Domain: example.org` above" in message


def test_a_list_that_is_not_there_or_not_text_is_an_error(tmp_path):
    with pytest.raises(OptOutError, match=r"gone\.txt does not exist"):
        read_rules(tmp_path / "gone.txt", AGENTS)
    with pytest.raises(OptOutError, match=r"line 2: not UTF-8"):
        read(tmp_path, b"example.org\n\xff\xfe.org\n")


def test_requests_as_json_lines(tmp_path):
    path = tmp_path / "requests.jsonl"
    path.write_text(
        '{"url_prefix": "https://example.org/~ann", "requested_at": "2026-03-01", "requester": "Ann", "n": 1}\n\n'
        '{"domain": "*.example.com", "requested_at": "2026-03-01T10:00:00+00:00", "reason": "all"}\n'
    )
    first, second = read_requests(path)
    assert (first.address, first.requester, second.reason) == ("https://example.org/~ann", "Ann", "all")
    assert sorted(read_rules(path, AGENTS).addresses) == ["*.example.com", "example.org/~ann"]


@pytest.mark.parametrize(
    ("row", "what"),
    [
        ("{", "not JSON"),
        ("[1]", "not a JSON object"),
        ('{"requested_at": "2026-03-01"}', "url_prefix"),
        ('{"domain": "a.org", "url_prefix": "a.org/b", "requested_at": "2026-03-01"}', "url_prefix"),
        ('{"domain": "a.org"}', "requested_at"),
        ('{"domain": "a.org", "requested_at": "yesterday"}', "requested_at"),
        ('{"domain": "org", "requested_at": "2026-03-01"}', "no domain"),
        ('{"domain": "a.org", "requested_at": "2026-03-01", "reason": 5}', '"reason" is no text'),
    ],
)
def test_a_bad_request_is_named_with_its_line(tmp_path, row, what):
    path = tmp_path / "requests.jsonl"
    path.write_text('{"domain": "example.org", "requested_at": "2026-03-01"}\n' + row + "\n")
    with pytest.raises(OptOutError, match=re.escape("requests.jsonl")) as error:
        read_requests(path)
    assert "line 2: " in str(error.value) and what in str(error.value)


# pages --------------------------------------------------------------------------------------------------------------

SETTINGS = DedupSettings(min_text_chars=10)
PAGES = {
    "s1": [
        document("a", "https://example.org/1", "the text that two pages share", "2024-09-01"),
        document("b", "https://example.net/1", "the text that two pages share", "2024-01-01"),
    ],
    "s2": [document("c", "https://example.org/2", "another text that is long", "2024-01-01")],
}


def unique(tmp_path, documents, text):
    (tmp_path / "list.txt").write_text(text)
    found = find_opted_out(documents, tmp_path / "list.txt", tmp_path / "opt_out", OptOutSettings(), workers=1)
    manifest = deduplicate(documents, tmp_path / "unique", SETTINGS, opted_out=tmp_path / "opt_out")
    return found, manifest


def test_listed_pages_go_before_they_can_displace_others(tmp_path):
    documents = write_documents(tmp_path / "documents", PAGES)
    found, manifest = unique(tmp_path, documents, "example.org/1\n")
    assert kept_ids(tmp_path / "unique") == ["b", "c"]  # without the list, a (newer) would have displaced b
    assert manifest.counts["dropped"] == {"too_short": 0, "duplicate_url": 0, "duplicate_text": 0, "opt_out": 1}
    assert found.counts["rules"] == {"example.org/1": 1}
    assert manifest.counts["opt_out"]["num_pages"] == 1
    assert (tmp_path / "unique" / "dropped" / "sample.jsonl").read_text() == ""  # no text of theirs is kept


def test_only_a_change_of_the_covered_pages_changes_the_key(tmp_path):
    documents = write_documents(tmp_path / "documents", PAGES)
    without = deduplicate(documents, tmp_path / "unique", SETTINGS).key
    assert unique(tmp_path, documents, "nowhere.org\n")[1].key == without
    narrow = unique(tmp_path, documents, "example.org/1\n")[1].key
    assert unique(tmp_path, documents, "# again\nnowhere.org\nexample.org/1\n")[1].key == narrow != without
    assert unique(tmp_path, documents, "example.org\n")[1].key not in (narrow, without)


def test_a_change_in_the_middle_of_a_long_list_is_noticed(tmp_path):
    documents = write_documents(tmp_path / "documents", PAGES)
    filler = [f"host{i:06d}.net" for i in range(20_000)]
    assert unique(tmp_path, documents, "\n".join([*filler, "nowhere.org", *filler]))[0].num_rows == 0
    assert unique(tmp_path, documents, "\n".join([*filler, "example.org", *filler]))[0].num_rows == 2


def test_shards_without_a_covered_page_have_an_empty_table(tmp_path):
    documents = write_documents(tmp_path / "documents", PAGES)
    unique(tmp_path, documents, "example.net\n")
    assert storage.read_table(tmp_path / "opt_out" / "s2.parquet").num_rows == 0
    assert storage.read_table(tmp_path / "opt_out")["url"].to_pylist() == ["https://example.net/1"]
