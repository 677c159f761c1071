"""One form for all addresses of a page."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dsmath_pipeline.corpus.urls import normalise_url

# --- one address, many ways to write it: every row of a group has the form that stands first

FORMS = {
    "example.org/a?b=1": [
        "https://example.org/a?b=1",
        "http://WWW.Example.org:80/a/?b=1",
        "https://example.org:443/a?b=1#part",
        "https://example.org./a?b=1#",
        "https://user:password@example.org/a?b=1",
        "https://example.org/a?utm_source=x&b=1&utm_Medium=y&gclid=3&fbclid=4&srsltid=AfmBOoq",
        "https://example.org/a;jsessionid=0123ABC?b=1&PHPSESSID=abc",
        "https://example.org/a/?b=1&sid=0123456789abcdef0123456789abcdef",
        "https://example.org/(S(abcdefghij0123456789abcd))/a?b=1",
        "https://example.org/x/../a/./?b=1",
        "https://example.org/%61?%62=%31",
        "  https://example.org/a?b=1\n",
    ],
    "e.org/~me/x-y_z.html": ["http://e.org/%7Eme/x%2Dy%5fz%2ehtml", "http://e.org/~me/x-y_z.html?utm_campaign=1"],
    "e.org/%E6%95%B0": ["https://e.org/数", "https://e.org/%e6%95%b0/", "https://www.e.org/%E6%95%B0#x"],
    "e.org/a%2Fb%3F": ["https://e.org/a%2fb%3f"],  # reserved characters stay escaped: another path than /a/b?
    "e.org/100%25": ["https://e.org/100%", "https://e.org/100%25"],
    "e.org?a=1&a=2&b=": ["https://e.org/?b&a=2&a=1", "https://e.org?b=&a=1&a=2"],
    "e.org?q=a+b": ["https://e.org/?q=a%20b", "https://e.org/?q=a+b"],
    "e.org?q=%C4%E3": ["https://e.org/?q=%c4%e3"],  # GBK, not UTF-8
    "e.org?q=%E4%BD%A0": ["https://e.org/?q=你", "https://e.org/?q=%e4%bd%a0"],
    "xn--mnchen-3ya.de/b": ["https://münchen.de/b", "https://MÜNCHEN.de/b", "http://www.xn--mnchen-3ya.de/b"],
    "[2001:db8::1]:8080/a": ["http://[2001:DB8::1]:8080/a"],
    "e.org#!page/2": ["https://e.org/#!page/2"],
    "www.com/a": ["https://www.com/a"],  # a domain of that name
}


@pytest.mark.parametrize(("form", "url"), [(form, url) for form, urls in FORMS.items() for url in urls])
def test_addresses_of_the_same_page_are_one(form, url):
    assert normalise_url(url) == form


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("https://example.org/a", "https://example.org/A"),
        ("https://example.org/?id=1", "https://example.org/?id=2"),
        ("https://example.org/?sid=17", "https://example.org/?sid=18"),  # a story number, not a session
        ("https://example.org/?s=limit", "https://example.org/?s=sum"),  # a search
        ("https://example.org/#!a", "https://example.org/#!b"),
        ("https://en.example.org/", "https://de.example.org/"),
        ("https://example.org:8080/", "https://example.org/"),
        ("http://example.org:443/", "http://example.org/"),  # https's port on http
        ("https://e.org/?q=%C4%E3", "https://e.org/?q=%CA%C0"),  # two words in GBK, neither is UTF-8
        ("https://e.org/?q=a%26b=1", "https://e.org/?q=a&b=1"),
        ("https://e.org/a%2Fb", "https://e.org/a/b"),
        ("https://e.org/index.php", "https://e.org/index.html"),
    ],
)
def test_addresses_of_different_pages_stay_different(left, right):
    assert normalise_url(left) != normalise_url(right)


@pytest.mark.parametrize("url", ["http://[::1/x", "no url at all", "http://e.org:port/", "", "mailto:a@b.c"])
def test_what_is_no_address_of_a_page_is_kept_as_it_is(url):
    assert normalise_url(f" {url} ") == url


@given(
    st.text(alphabet="aB/?&=#%;1é数.!+ 4F~-", max_size=40),
    st.sampled_from(["http://", "https://www.", "http://u@", "https://WWW."]),
)
def test_normalising_a_normal_address_again_changes_nothing(rest, prefix):
    once = normalise_url(f"{prefix}example.org/{rest}")
    assert normalise_url(f"https://{once}") == once


@given(st.text(max_size=60))
def test_any_string_is_taken(text):
    assert isinstance(normalise_url(text), str)
    assert isinstance(normalise_url(f"http://e.org/{text}"), str)
