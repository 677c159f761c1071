"""A small run with two mathematical domains, and a browser that labels its prefixes."""

import re

import pyarrow as pa
from starlette.testclient import TestClient

from dsmath_pipeline import storage
from dsmath_pipeline.annotation_app.board import Board
from dsmath_pipeline.annotation_app.candidates import open_candidates
from dsmath_pipeline.annotation_app.label_store import LabelStore
from dsmath_pipeline.corpus.domains import find_domains
from dsmath_pipeline.recipe.schema import DomainSettings
from dsmath_pipeline.records import DOCUMENT_SCHEMA, SCORE_SCHEMA

HOST = "http://127.0.0.1:8710"
HOSTILE = """<script>alert('x')</script><img src=x onerror="alert(1)"> & 'q' "q" </bdi></p>"""

# (URL, score, collected). forum.example: 5 of 12 collected; notes.example: 2 of 4; news.example: none of 3.
PAGES = [
    *((f"https://forum.example/questions/{i}", 0.9 if i < 4 else 0.4, i < 4) for i in range(8)),
    *((f"https://forum.example/users/{i}", 0.1, False) for i in range(3)),
    ("https://www.forum.example/", 0.6, True),
    *((f"http://notes.example/a/{i}", 0.8, True) for i in range(2)),
    ("http://notes.example/b/x", 0.3, False),
    ("http://notes.example/c", 0.3, False),
    *((f"https://news.example/{i}", 0.1, False) for i in range(3)),
]


def write_table(path, name, rows, schema):
    with storage.stage(path, name, "test", None, {"rows": repr(rows)}) as run:
        if run.artifact:
            run.artifact.write_table("CC-TEST-2024-10-00000.warc.gz.parquet", pa.Table.from_pylist(rows, schema))


def write_run(root, pages=None, k=1, **texts):
    """A run whose iteration `k` has scores, collected pages and domains. `texts` replaces fields of every document."""
    documents, scores, collected = [], [], []
    for number, (url, score, taken) in enumerate(pages or PAGES):
        ident, domain = f"{number:032x}", re.sub(r"^https?://(www\.)?|/.*$", "", url)
        documents.append({
            "id": ident, "url": url, "domain": domain, "source": "s", "offset": 0, "language": "en",
            "title": f"page {number}", "text": f"text {number}", "num_tokens": 10, "formulas": [],
        } | texts)  # fmt: skip
        row = {"id": ident, "url": url, "domain": domain, "num_tokens": 10, "logit": 1.0, "score": score}
        scores.append(row)
        collected += [row] if taken else []
    base = root / f"iteration_{k}"
    write_table(root / "unique_documents", "unique_documents", documents, DOCUMENT_SCHEMA)
    write_table(base / "scores", "scores", scores, SCORE_SCHEMA)
    write_table(base / "collected", "collected", collected, SCORE_SCHEMA)
    find_domains(
        base / "scores", base / "collected", root / "unique_documents", base / "domains", DomainSettings(max_depth=2)
    )
    return root


class Browser:
    """A signed-in browser: keeps cookies and sends the CSRF token of the page it last saw."""

    def __init__(self, app, name="Ana", base_url=HOST, token=""):
        self.client = TestClient(app, base_url=base_url, follow_redirects=False)
        self.origin = base_url
        self.csrf = ""
        if name:
            self.get("/sign-in")
            assert self.post("/sign-in", name=name, token=token).status_code == 303
            self.get("/")

    def get(self, path, **headers):
        reply = self.client.get(path, headers=headers)
        if found := re.search('<meta name="csrf" content="([0-9a-f]+)">', reply.text):
            self.csrf = found[1]
        return reply

    def post(self, path, **form):
        headers = {"Origin": self.origin, "X-Fragment": "1"}
        return self.client.post(path, data={"csrf": self.csrf} | form, headers=headers)

    def label(self, prefix, label, ident=None, note=""):
        ident = ident or f"{prefix}:{label}:{id(self)}"
        return self.post("/label", url_prefix=prefix, label=label, note=note, id=ident)


def message(reply):
    """What the page says was done, or why it was refused."""
    return re.search(r'<p id="message"[^>]*>([^<]*)</p>', reply.text)[1]


def make_board(root, database):
    return Board(open_candidates(root, database.with_name("pages")), LabelStore(database))
