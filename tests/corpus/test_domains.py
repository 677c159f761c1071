"""Shares of domains and URL prefixes."""

import random

import pyarrow as pa
import pytest

import dsmath_pipeline.corpus.domains as domains_module
from dsmath_pipeline import storage
from dsmath_pipeline.corpus.domains import find_domains
from dsmath_pipeline.recipe.schema import DomainSettings
from dsmath_pipeline.records import DOCUMENT_SCHEMA, SCORE_SCHEMA


def artifact(path, name, rows, schema):
    with storage.stage(path, name, "test", None, {"rows": repr(rows)}) as run:
        assert run.artifact
        run.artifact.write_table("part-00000.parquet", pa.Table.from_pylist(rows, schema))
    return path


def make_run(root, urls, collected):
    """Documents at `urls`; `collected` are the indices of those collected. Page 3 has id 00..03 and title "page 3"."""
    documents, scores = [], []
    for number, url in enumerate(urls):
        domain = url.split("/")[2]
        ident = f"{number:032x}"
        documents.append({"id": ident, "url": url, "domain": domain, "source": "s", "offset": 0, "language": "en",
                          "title": f"page {number}", "text": "t", "num_tokens": 10})  # fmt: skip
        scores.append({"id": ident, "url": url, "domain": domain, "num_tokens": 10, "logit": 1.0, "score": 0.7})
    artifact(root / "unique_documents", "unique_documents", documents, DOCUMENT_SCHEMA)
    artifact(root / "scores", "scores", scores, SCORE_SCHEMA)
    artifact(root / "collected", "collected", [scores[i] for i in collected], SCORE_SCHEMA)
    return [root / name for name in ("scores", "collected", "unique_documents")]


def found(root, inputs, **settings):
    scores, collected, documents = inputs
    find_domains(scores, collected, documents, root / "domains", DomainSettings(**settings))
    domains = {row["domain"]: row for row in storage.read_table(root / "domains").to_pylist()}
    prefixes = {row["url_prefix"]: row for row in storage.read_table(root / "domains" / "prefixes").to_pylist()}
    return domains, prefixes


def test_a_domain_is_mathematical_above_the_share_not_at_it(tmp_path):
    # a.org: 1 of 10 pages is exactly 10 %, not more; b.org: 2 of 10.
    urls = [f"https://a.org/{i}" for i in range(10)] + [f"https://b.org/{i}" for i in range(10)]
    domains, prefixes = found(tmp_path, make_run(tmp_path, urls, [0, 10, 11]))
    assert not domains["a.org"]["is_math"] and domains["a.org"]["collected_share"] == 0.1
    assert domains["b.org"]["is_math"] and domains["b.org"]["num_tokens"] == 100
    assert {row["domain"] for row in prefixes.values()} == {"b.org"}


def test_a_domain_with_too_few_pages_is_not_mathematical(tmp_path):
    domains, _ = found(tmp_path, make_run(tmp_path, ["https://a.org/1", "https://a.org/2"], [0, 1]), min_pages=3)
    assert not domains["a.org"]["is_math"]


def test_prefixes_count_every_page_below_them(tmp_path):
    urls = ["https://a.org/q/1", "https://a.org/q/2/x", "https://a.org/blog", "https://a.org/"]
    _, prefixes = found(tmp_path, make_run(tmp_path, urls, [0, 1]), max_depth=1)
    counts = {name: (row["num_pages"], row["num_collected"], row["depth"]) for name, row in prefixes.items()}
    assert counts == {"a.org": (4, 2, 0), "a.org/q": (2, 2, 1), "a.org/blog": (1, 0, 1)}


def test_sample_titles_are_those_of_the_smallest_page_ids(tmp_path):
    urls = [f"https://a.org/{i}" for i in range(5)]
    _, prefixes = found(tmp_path, make_run(tmp_path, urls, [0]), max_depth=0, num_sample_titles=2)
    assert prefixes["a.org"]["sample_titles"] == ["page 0", "page 1"]


def test_hosts_of_one_registered_domain_count_together_when_asked(tmp_path):
    urls = ["https://math.a.co.uk/1", "https://blog.a.co.uk/2", "https://blog.a.co.uk/3"]
    domains, prefixes = found(tmp_path, make_run(tmp_path, urls, [0]), registered_domain=True)
    assert list(domains) == ["a.co.uk"] and domains["a.co.uk"]["num_pages"] == 3
    assert prefixes["math.a.co.uk"]["domain"] == "a.co.uk"


def test_no_collected_page_means_no_mathematical_domain(tmp_path):
    domains, prefixes = found(tmp_path, make_run(tmp_path, ["https://a.org/1"] * 3, []))
    assert not domains["a.org"]["is_math"] and prefixes == {}


@pytest.mark.parametrize("registered", [False, True])
def test_shards_workers_and_buckets_do_not_change_the_counts(tmp_path, monkeypatch, registered):
    rng = random.Random(0)
    hosts = [f"{sub}.{name}.org" for name in "abcdef" for sub in ("www2", "math", "blog")]
    urls = [f"https://{rng.choice(hosts)}/{rng.choice('xyz')}/{rng.choice('uv')}/{i}" for i in range(300)]
    chosen = rng.sample(range(300), 60)
    whole = found(tmp_path / "whole", make_run(tmp_path / "whole", urls, chosen), registered_domain=registered)
    split = make_run(tmp_path / "split", urls, chosen)
    for folder in split:
        table = storage.read_table(folder)
        (folder / "part-00000.parquet").unlink()
        numbers = [int(ident, 16) for ident in table["id"].to_pylist()]
        for shard in range(4):
            rows = table.filter(pa.array([number % 4 == shard for number in numbers]))
            storage.write_table(folder / f"shard-{shard}.parquet", rows)
    monkeypatch.setattr(domains_module, "_ROWS_IN_A_BUCKET", 7)
    assert found(tmp_path / "split", split, registered_domain=registered) == whole
    assert len(storage.parquet_files(tmp_path / "split" / "domains" / "prefixes")) > 5
    assert not list((tmp_path / "split" / "domains" / "_partial").rglob("*"))


def test_a_killed_run_counts_no_shard_twice(tmp_path, monkeypatch):
    inputs = make_run(tmp_path, [f"https://a.org/{i}" for i in range(9)], range(9))
    monkeypatch.setattr(domains_module, "_add_prefixes", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        found(tmp_path, inputs)
    assert (tmp_path / "domains" / "_partial").exists()
    monkeypatch.undo()
    domains, prefixes = found(tmp_path, inputs)
    assert domains["a.org"]["num_pages"] == prefixes["a.org"]["num_pages"] == 9
