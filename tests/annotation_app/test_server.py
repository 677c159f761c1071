"""The page as people use it: labelling, undo, agreement, disagreements, finishing a round."""

import html
import json
import re

from annotation_run import HOSTILE, Browser, make_board, message, write_run
from starlette.testclient import TestClient

from dsmath_pipeline.annotation_app.label_store import LabelStore, finished_rounds
from dsmath_pipeline.annotation_app.security import access_for
from dsmath_pipeline.annotation_app.server import create_app
from dsmath_pipeline.corpus.annotation import annotate, read_annotations
from dsmath_pipeline.corpus.urls import url_prefixes
from dsmath_pipeline.recipe.schema import AnnotationSettings
from dsmath_pipeline.storage import folder


def rows(reply):
    """URL prefixes of the tree, the rows of the table on the page, with their labels."""
    found = re.findall(r'<tr class=".*?</tr>', reply.text, re.S)
    text = re.compile(r"data-row[^>]*>([^<]*)<.*?<td class=\"labels\">(.*?)</td>", re.S)
    return {html.unescape(m[1]): " ".join(re.sub("<[^>]*>", " ", m[2]).split()) for m in map(text.search, found)}


def summary(reply):
    """Pages gained by the person, in the domain on the page."""
    return int(re.search(r'class="gain"><b>([^<]*)</b> gained', reply.text)[1].replace("−", "-"))


def selected(reply):
    return re.search(r'name="url_prefix" value="([^"]*)"', reply.text)[1]


def test_the_tree_shows_sections_with_many_uncollected_pages_first_and_folds_small_ones(ana):
    reply = ana.get("/")
    assert list(rows(reply)) == ["forum.example", "/questions", "/users"]
    assert "Show 11 more" in reply.text
    assert ana.get("/?small=1").text.count("data-row") == 14


def test_a_label_shows_its_gain_at_once(ana):
    assert message(ana.label("forum.example", "math")) == "forum.example: math (+7 pages)"
    assert message(ana.label("forum.example/users", "not_math")) == "forum.example/users: not math (−3 pages)"
    reply = ana.get("/")
    assert summary(reply) == 4 and "<b>4</b> pages gained" in reply.text
    assert rows(reply) == {"forum.example": "math", "/questions": "↳ math", "/users": "not math"}


def test_the_gain_equals_a_recount_after_every_step(ana, board):
    from annotation_run import PAGES

    from dsmath_pipeline.corpus.annotation import UrlLabels
    from dsmath_pipeline.records import UrlLabel

    labels = {}
    steps = [("forum.example/questions", "math"), ("forum.example", "not_math"), ("forum.example/users/1", "math"),
             ("forum.example/questions/5", "unsure"), ("forum.example/questions", ""), ("forum.example", "math"),
             ("notes.example/b", "math"), ("notes.example/b/x", "not_math")]  # fmt: skip
    for number, (prefix, label) in enumerate(steps):
        ana.label(prefix, label, ident=f"step-{number}")
        labels[prefix] = label
        lookup = UrlLabels(UrlLabel(p, x, "ana", 1) for p, x in labels.items() if x)
        expected = sum(lookup.label_of(url) == "math" for url, _, taken in PAGES if not taken)
        board.votes()
        assert board.team_gain() == expected, prefix


def test_after_a_label_the_next_prefix_is_selected(ana):
    ana.get("/")
    reply = ana.client.post(
        re.search(r'action="(/label\?[^"]*)"', ana.get("/").text)[1].replace("&amp;", "&"),
        data={"csrf": ana.csrf, "url_prefix": "forum.example", "label": "math", "id": "a1"},
        headers={"Origin": ana.origin, "X-Fragment": "1"},
    )
    assert selected(reply) == "forum.example/questions"


def test_without_the_script_a_form_leads_back_to_the_page(ana):
    data = {"csrf": ana.csrf, "url_prefix": "forum.example", "label": "math", "id": "a1"}
    reply = ana.client.post("/label?domain=forum.example", data=data, headers={"Origin": ana.origin})
    assert reply.status_code == 303 and reply.headers["location"] == "/?domain=forum.example"


def test_sending_the_same_form_twice_writes_once(ana, database):
    for _ in range(2):
        assert ana.label("forum.example", "math", ident="same-form").status_code == 200
    assert len(LabelStore(database).events()) == 1


def test_undo_takes_back_one_step_and_goes_there(ana):
    ana.label("forum.example/users", "not_math")
    ana.label("notes.example", "math")
    reply = ana.post("/undo", id="u1")
    assert message(reply) == "Undone: notes.example as math" and selected(reply) == "notes.example"
    assert message(ana.post("/undo", id="u2")) == "Undone: forum.example/users as not math"
    assert message(ana.post("/undo", id="u3")) == "Nothing to undo in this round."
    assert set(rows(ana.get("/?domain=forum.example")).values()) == {""}


def test_refused_labels_say_why_and_write_nothing(ana, database):
    for prefix, label, text in [
        ("news.example", "math", "lies in no mathematical domain"),
        ("forum.example", "maths", "label &#39;maths&#39; is unknown"),
        ("", "math", "lies in no mathematical domain"),
    ]:
        reply = ana.label(prefix, label)
        assert reply.status_code == 409 and text in message(reply)
    assert ana.post("/label", url_prefix="forum.example", label="math", id="").status_code == 409
    assert LabelStore(database).events() == []


def test_an_event_keeps_what_was_on_the_screen(ana, board, database):
    ana.label("https://www.Forum.example/users/*", "not_math", note=" profiles ")
    (event,) = LabelStore(database).events()
    assert (event.url_prefix, event.annotator, event.note) == ("forum.example/users", "Ana", "profiles")
    assert (event.iteration, event.crawl) == (1, "CC-TEST-2024-10-00000.warc.gz")
    assert event.seen == board.candidates.seen


def test_domains_are_done_when_every_page_is_decided(ana):
    def states(reply):
        return re.findall(r'id="domain-\d+" class="(\w+)"', reply.text)

    ana.label("forum.example/users", "not_math")
    assert states(ana.get("/")) == ["started", "todo"]
    ana.label("forum.example", "math")
    assert states(ana.get("/")) == ["done", "todo"]
    assert states(ana.get("/?show=todo")) == ["todo"] and states(ana.get("/?find=NOTES")) == ["todo"]
    assert "No domain is in this list" in ana.get("/?show=started").text


def test_others_labels_stay_hidden_until_one_has_given_one_s_own(ana, ben):
    ana.label("forum.example", "math", note="secret reason")
    reply = ben.get("/")
    assert (
        rows(reply)["forum.example"] == ""
        and "secret reason" not in reply.text
        and "Others have labelled" in reply.text
    )
    ben.label("forum.example", "unsure")
    reply = ben.get("/")
    assert rows(reply)["forum.example"] == "unsure Ana : math" and "secret reason" in reply.text


def test_a_disagreement_is_listed_settled_with_a_reason_and_opens_again_on_contradiction(ana, ben):
    ana.label("forum.example", "math")
    ben.label("forum.example", "not_math")
    reply = ana.get("/disagreements")
    assert re.findall(r"<li><span class=\"tag (\w+)\"", reply.text) == ["math", "not_math"]
    assert "<b>0</b> pages gained" in reply.text  # unsure for now
    settle = {"url_prefix": "forum.example", "label": "math"}
    assert ana.post("/resolve", id="r1", note=" ", **settle).status_code == 409
    assert message(ana.post("/resolve", id="r1", note="the archive", **settle)) == "Settled: forum.example is math"
    reply = ana.get("/disagreements")
    assert (
        "No open disagreement" in reply.text and "the archive" in reply.text and "<b>7</b> pages gained" in reply.text
    )
    ben.label("forum.example", "unsure")
    assert "No open disagreement" not in ana.get("/disagreements").text
    assert ana.post("/resolve", id="r2", url_prefix="notes.example", label="math", note="x").status_code == 409


def test_kappa_on_the_page_is_the_one_worked_out_by_hand(ana, ben):
    # math/math, not/not, not/math, math/math: 3 of 4 equal; expected 2/4*3/4 + 2/4*1/4 = 1/2; (3/4 - 1/2) / (1/2)
    given = [("forum.example", "math", "math"), ("forum.example/users", "not_math", "not_math"),
             ("notes.example", "not_math", "math"), ("notes.example/a", "math", "math")]  # fmt: skip
    for prefix, first, second in given:
        ana.label(prefix, first)
        ben.label(prefix, second)
    reply = ana.get("/round")
    assert "kappa <b>0.50</b>" in reply.text
    cells = re.search(r"<bdi>Ana</bdi> and <bdi>Ben</bdi></th>(.*?)</tr>", reply.text, re.S)[1]
    assert re.findall(r">([\d.]+)<", cells) == ["4", "3", "0.50"]


def fields(reply):
    return {name: re.search(f'name="{name}" value="(\\d+)"', reply.text)[1] for name in ("round", "last_event")}


def test_a_round_is_finished_once_disagreements_are_settled_or_left(ana, ben, database):
    ana.label("forum.example", "math")
    ben.label("forum.example", "not_math")
    form = fields(ana.get("/round"))
    reply = ana.post("/finish", **form)
    assert (
        reply.status_code == 409
        and "disagree on 1 of the prefixes" in message(reply)
        and finished_rounds(database) == []
    )
    assert message(ana.post("/finish", leave_open="1", **form)) == "Round 1 is finished, prefixes labelled: 1"
    (done,) = finished_rounds(database)
    assert (done.round, done.iteration, done.finished_by, done.num_disagreements) == (1, 1, "Ana", 1)
    assert ben.post("/finish", leave_open="1", **form).status_code == 409  # the same button, pressed by two
    assert len(finished_rounds(database)) == 1


def test_a_round_is_not_finished_over_labels_that_one_has_not_seen(ana, ben, database):
    ana.label("forum.example", "math")
    form = fields(ana.get("/round"))
    ben.label("notes.example", "math")
    assert "in the meantime" in message(ana.post("/finish", **form)) and finished_rounds(database) == []
    assert ana.post("/finish", round="1", last_event="x").status_code == 409


def test_the_labels_reach_the_pipeline(ana, run, tmp_path):
    ana.label("forum.example", "math")
    ana.label("forum.example/users", "not_math", note="profiles")
    file = tmp_path / "labels.jsonl"
    file.write_bytes(ana.get("/labels.jsonl").content)
    annotate(
        run / "iteration_1" / "domains", tmp_path / "annotations", AnnotationSettings(), labels=str(file), iteration=1
    )
    found = [(x.url_prefix, x.label, x.annotator, x.note) for x in read_annotations(folder(tmp_path / "annotations"))]
    assert found == [
        ("forum.example", "math", "Ana", ""), ("forum.example/users", "not_math", "Ana", "profiles"),
    ]  # fmt: skip


def test_labels_written_by_another_process_appear(ana, run, database):
    ana.get("/")
    other = Browser(create_app(make_board(run, database), access_for("127.0.0.1")), "Ben")
    other.label("forum.example", "math")
    assert "<b>7</b> pages gained" in ana.get("/").text


def test_labels_stay_from_one_iteration_to_the_next(ana, run, database):
    ana.label("forum.example", "math")
    write_run(run, k=2)
    later = Browser(create_app(make_board(run, database), access_for("127.0.0.1")), "Ana")
    reply = later.get("/")
    assert "iteration 2" in reply.text and rows(reply)["forum.example"] == "math"


def test_hostile_pages_names_and_notes_are_shown_as_text(tmp_path, database):
    url = "https://forum.example/q/\"><script>alert(1)</script>/'onmouseover='x"
    pages = [(url, 0.9, True), ("javascript:alert(1)//forum.example", 0.5, False)]
    pages += [(f"https://forum.example/q/{i}", 0.4, False) for i in range(4)]
    run = write_run(tmp_path / "run", pages, title=HOSTILE, text=HOSTILE * 3, formulas=["x"])
    app = create_app(make_board(run, database), access_for("127.0.0.1"))
    ana, mallory = Browser(app, "Ana"), Browser(app, "<b onclick=alert(1)>M</b>")
    prefix = url_prefixes(url)[-1]
    for browser, label in ((ana, "math"), (mallory, "not_math")):
        browser.label("forum.example", label, note=HOSTILE)
        browser.label(prefix, label, note=HOSTILE)
    assert ana.get("/disagreements").text.count("&lt;script&gt;") >= 4
    ana.post("/resolve", id="r", url_prefix="forum.example", label="math", note=HOSTILE)
    pages_seen = ["/", "/?small=1", "/?prefix=" + prefix, "/?find=" + HOSTILE, "/?domain=" + HOSTILE, "/disagreements"]
    for path in [*pages_seen, "/round"]:
        for text in (ana.get(path).text, ana.post("/label", url_prefix=HOSTILE, label=HOSTILE, id="h").text):
            assert re.findall(r"<(?:script(?! src=\"/static)|img|b onclick)", text) == [], path
            assert not re.search(r"<[^>]*\son\w+=", re.sub(r'"[^"]*"', '""', text)), path
            assert 'href="javascript' not in text
    assert 'href="https://forum.example/q/&#34;&gt;&lt;script' in ana.get("/?domain=forum.example").text


def test_links_to_pages_open_apart_and_tell_the_site_nothing(ana):
    links = re.findall(r'<a href="https?://[^>]*>', ana.get("/").text)
    assert len(links) == 10  # five samples of each kind
    assert all('rel="noopener noreferrer"' in link and 'target="_blank"' in link for link in links)


def test_formulas_in_samples_are_rendered(tmp_path, database):
    run = write_run(tmp_path / "run", text="Let $x^2$ be. It costs $5 and $6.", formulas=["x^2"], title="On $p$")
    text = Browser(create_app(make_board(run, database), access_for("127.0.0.1"))).get("/").text
    assert "Let <math" in text and "It costs $5 and $6." in text and "On <math" in text


def test_addresses_that_make_no_sense_show_the_first_domain(ana):
    for query in ("domain=nowhere.example", "prefix=nowhere/x", "show=x", "offset=-1", "offset=" + "9" * 30, "small=2"):
        reply = ana.get("/?" + query)
        assert reply.status_code == 200 and "<h1>forum.example</h1>" in reply.text


def test_other_samples_follow_the_first(ana):
    first, second = (ana.get(f"/?domain=forum.example&offset={n}").text for n in (0, 5))
    assert re.findall(r"forum.example/(users/\d)</a>", second) == ["users/1", "users/2"]
    assert "users/1</a>" not in first


def test_signing_out_ends_the_session(ana, app):
    cookie = ana.client.cookies
    assert ana.post("/sign-out").headers["location"] == "/sign-in"
    assert ana.get("/").status_code == 303
    assert TestClient(app, base_url=ana.origin, cookies=cookie, follow_redirects=False).get("/").status_code == 303


def test_the_download_is_json_lines(ana):
    ana.label("forum.example", "math")
    reply = ana.get("/labels.jsonl")
    assert reply.headers["content-disposition"].startswith("attachment")
    assert [json.loads(line)["label"] for line in reply.text.splitlines()] == ["math"]
