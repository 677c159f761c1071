"""Who gets in: hosts, origins, tokens, sessions, sizes."""

import re

import pytest
from annotation_run import HOST, Browser
from starlette.testclient import TestClient

from dsmath_pipeline.annotation_app.label_store import LabelStore
from dsmath_pipeline.annotation_app.security import (
    CONTENT_SECURITY_POLICY,
    AccessError,
    Session,
    access_for,
    new_session,
    read_session,
)
from dsmath_pipeline.annotation_app.server import create_app

FORM = {"url_prefix": "forum.example", "label": "math", "id": "x1"}


@pytest.fixture
def writes(database):
    """How many events the label file holds."""
    return lambda: len(LabelStore(database).events())


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.1:8710", "localhost:9999", "[::1]:8710", "LOCALHOST"])
def test_names_of_this_machine_are_served(app, host):
    assert TestClient(app, base_url=HOST).get("/sign-in", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8710", "127.0.0.1.evil.example", "127.0.0.2", "", "[::2]"]
)
def test_a_foreign_host_name_is_refused_on_loopback(app, host):
    reply = TestClient(app, base_url=HOST).get("/sign-in", headers={"Host": host})
    assert reply.status_code == 403 and "csrf" not in reply.text


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "https://127.0.0.1:9999", "http://localhost:8710", "null", "", None]
)
def test_a_post_of_another_site_is_refused_even_with_session_and_token(ana, writes, origin):
    headers = {} if origin is None else {"Origin": origin}
    reply = ana.client.post("/label", data={"csrf": ana.csrf} | FORM, headers=headers)
    assert reply.status_code == 403 and writes() == 0


@pytest.mark.parametrize("token", ["", "0" * 64, "é"])
@pytest.mark.parametrize("path", ["/label", "/undo", "/resolve", "/finish", "/sign-out"])
def test_every_post_needs_the_csrf_token(ana, writes, path, token):
    reply = ana.client.post(path, data={"csrf": token} | FORM, headers={"Origin": HOST})
    assert reply.status_code == 403 and writes() == 0
    assert ana.get("/").status_code == 200  # still signed in


def test_the_token_of_another_session_is_refused(ana, ben, writes):
    reply = ana.client.post("/label", data={"csrf": ben.csrf} | FORM, headers={"Origin": HOST})
    assert reply.status_code == 403 and writes() == 0


def test_the_token_may_come_in_a_header(ana, writes):
    reply = ana.client.post("/label", data=FORM, headers={"Origin": HOST, "X-CSRF-Token": ana.csrf})
    assert reply.status_code == 303 and writes() == 1


def test_signing_in_needs_a_csrf_token_too(app):
    reply = TestClient(app, base_url=HOST).post("/sign-in", data={"name": "Ana"}, headers={"Origin": HOST})
    assert reply.status_code == 403


def test_nothing_is_shown_or_written_without_signing_in(app, writes):
    visitor = Browser(app, name="")
    for path in ("/", "/disagreements", "/round", "/labels.jsonl"):
        reply = visitor.get(path)
        assert reply.status_code == 303 and reply.headers["location"] == "/sign-in"
    visitor.get("/sign-in")
    assert visitor.post("/label", **FORM).status_code == 403 and writes() == 0


def test_reading_changes_nothing(ana, writes):
    for path in ("/label", "/undo", "/finish", "/resolve", "/sign-out"):
        assert ana.get(path).status_code == 405
    ana.label("forum.example", "math")
    before = writes()
    for path in ("/", "/?domain=forum.example&label=math", "/disagreements", "/round", "/labels.jsonl"):
        assert ana.get(path).status_code == 200
    assert writes() == before


def test_bodies_and_addresses_are_bounded(ana, writes):
    assert ana.post("/label", **(FORM | {"note": "x" * 20_000})).status_code == 413
    assert ana.get("/?find=" + "x" * 9000).status_code == 414
    json = ana.client.post("/label", json=FORM, headers={"Origin": HOST, "X-CSRF-Token": ana.csrf})
    assert json.status_code == 415
    headers = {"Origin": HOST, "X-CSRF-Token": ana.csrf, "Content-Type": "application/x-www-form-urlencoded"}
    for body in (b"\xff\xfe", b"a&b", b"&".join(b"a=1" for _ in range(50))):
        assert ana.client.post("/label", content=body, headers=headers).status_code == 400
    assert ana.client.put("/label").status_code == 405
    assert writes() == 0


def test_answers_carry_strict_headers(ana):
    for path in ("/", "/static/page.js", "/nowhere", "/sign-in"):
        headers = ana.get(path).headers
        assert headers["content-security-policy"] == CONTENT_SECURITY_POLICY
        assert headers["x-content-type-options"] == "nosniff" and headers["x-frame-options"] == "DENY"
    assert "unsafe" not in CONTENT_SECURITY_POLICY and "default-src 'none'" in CONTENT_SECURITY_POLICY


def test_pages_have_no_inline_script_or_style(ana):
    for path in ("/", "/disagreements", "/round", "/sign-in"):
        text = ana.get(path).text
        assert re.findall(r"<script(?! src=\"/static/)", text) == []
        assert re.findall(r"<style|\sstyle=|\son[a-z]+=|javascript:", text) == []


def test_files_outside_the_static_folder_are_not_served(ana):
    for path in ("/static/../server.py", "/static/%2e%2e/server.py", "/static//etc/passwd"):
        assert ana.get(path).status_code == 404


def test_the_session_cookie_is_closed_to_scripts_and_other_sites(app):
    cookie = TestClient(app, base_url=HOST).get("/sign-in").headers["set-cookie"].lower()
    assert "httponly" in cookie and "samesite=strict" in cookie and "path=/" in cookie and "secure" not in cookie
    assert "; secure" in TestClient(app, base_url="https://localhost").get("/sign-in").headers["set-cookie"].lower()


def test_a_cookie_counts_only_with_its_signature_and_for_a_while(monkeypatch):
    access = access_for("127.0.0.1")
    session = new_session("Ana")
    cookie = session.cookie(access)
    assert read_session(cookie, access) == session
    text, _, signature = cookie.rpartition(".")
    forged = Session(session.ident, "Eve").cookie(access_for("127.0.0.1"))  # signed with another key
    other = f"{text}.{signature[:-1]}{'1' if signature[-1] == '0' else '0'}"
    for bad in (text, f"{text}.", f"{text}x.{signature}", other, forged, "", ".", "é.é"):
        assert read_session(bad, access) is None
    monkeypatch.setattr("time.time", lambda: 10**12)
    assert read_session(cookie, access) is None


def test_signing_in_gives_a_session_of_its_own(app):
    browser = Browser(app, name="")
    browser.get("/sign-in")
    before = browser.csrf
    browser.post("/sign-in", name="Ana")
    browser.get("/")
    assert browser.csrf != before


@pytest.mark.parametrize("name", ["", " ", "a,b", "AUTO", "x" * 41, "a\x07b"])
def test_a_name_that_cannot_be_stored_is_refused_at_the_door(app, name):
    browser = Browser(app, name="")
    browser.get("/sign-in")
    assert browser.post("/sign-in", name=name).status_code == 422
    assert browser.get("/").status_code == 303


# off loopback --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1", "127.3.2.1"])
def test_loopback_needs_no_token(host):
    assert access_for(host).token is None


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "annotate.example", ""])
def test_elsewhere_a_token_is_made(host):
    access = access_for(host)
    assert len(access.token) >= 32 and access.token != access_for(host).token
    assert not access.is_token("") and not access.is_token(access.token + "x") and access.is_token(access.token)


def test_a_token_can_be_asked_for_on_loopback_and_behind_a_proxy():
    assert access_for("127.0.0.1", "s" * 16).token == "s" * 16
    behind = access_for("127.0.0.1", allow_hosts=("Annotate.example",))
    assert behind.token and behind.allows_host("annotate.example") and not behind.allows_host("evil.example")
    with pytest.raises(AccessError, match="at least 16"):
        access_for("0.0.0.0", "short")


def test_on_all_interfaces_addresses_are_fine_but_unknown_names_are_not():
    access = access_for("0.0.0.0")
    assert access.allows_host("192.168.1.5:8710") and access.allows_host("[fe80::1]:8710")
    assert not access.allows_host("evil.example:8710") and not access.allows_host("")
    assert not access_for("192.168.1.5").allows_host("192.168.1.6")


def test_off_loopback_nobody_gets_in_without_the_token(board):
    access = access_for("192.168.1.5")
    base = "http://192.168.1.5:8710"
    browser = Browser(create_app(board, access), name="", base_url=base)
    assert 'name="token"' in browser.get("/sign-in").text and access.token not in browser.get("/sign-in").text
    for token in ("", "wrong", access.token[:-1]):
        assert browser.post("/sign-in", name="Ana", token=token).status_code == 403
        assert browser.get("/").status_code == 303
    assert Browser(browser.client.app, "Ana", base, access.token).get("/").status_code == 200
