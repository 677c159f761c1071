"""Crawls from S3: what a mirror folder gives, from moto's server on loopback, with credentials and without."""

import gzip
import json
import random
import sys

import boto3
import pytest
import requests
import s3fs
from moto.server import ThreadedMotoServer

from dsmath_pipeline import storage
from dsmath_pipeline.corpus import s3
from dsmath_pipeline.corpus.columnar_index import count_pages, find_records, index_files
from dsmath_pipeline.corpus.commoncrawl import CommonCrawl
from dsmath_pipeline.corpus.download import download
from dsmath_pipeline.corpus.pages import extract_files
from dsmath_pipeline.corpus.patience import DownloadError
from dsmath_pipeline.corpus.rate_limit import RateLimiter
from dsmath_pipeline.recipe.schema import ExtractSettings, FetchSettings, OptOutSettings
from tests.corpus.crawl_layout import CRAWL, SEGMENT, fetch_settings, generated_layout, write_mirror

BUCKET, ROOT = "crawls", "s3://crawls/mirror"
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "someone", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_DEFAULT_REGION": "us-east-1"}
RNG = random.Random(0)
DATA = b"".join(gzip.compress(RNG.randbytes(40_000), mtime=0) for _ in range(10))


@pytest.fixture(scope="module")
def layout() -> dict[str, bytes]:
    return generated_layout()


@pytest.fixture
def bucket(monkeypatch, tmp_path):
    """An empty bucket; its server is where AWS's own variables point to."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    for name, value in {**CREDENTIALS, "AWS_ENDPOINT_URL": f"http://{host}:{port}"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("DSMATH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    requests.post(f"http://{host}:{port}/moto-api/reset", timeout=10)  # servers of one process share their buckets
    client = boto3.client("s3")
    client.create_bucket(Bucket=BUCKET)
    s3fs.S3FileSystem.clear_instance_cache()
    yield client
    s3fs.S3FileSystem.clear_instance_cache()
    server.stop()


def put(client, files: dict[str, bytes], **options) -> None:
    for name, data in files.items():
        client.put_object(Bucket=BUCKET, Key=f"mirror/{name}", Body=data, **options)


def fetch(url: str, target, settings: FetchSettings | None = None):
    settings = settings or fetch_settings(ROOT)
    return download(url, target, settings, RateLimiter(target.parent / "rate", 1000))


def test_listings_files_and_index_are_those_of_a_folder(bucket, layout, tmp_path):
    put(bucket, layout)
    write_mirror(layout, tmp_path / "mirror")
    remote = CommonCrawl(fetch_settings(ROOT), tmp_path / "cache")
    local = CommonCrawl(fetch_settings(str(tmp_path / "mirror")), tmp_path / "cache")
    assert remote.crawls() == local.crawls()
    assert remote.warc_paths(CRAWL) == local.warc_paths(CRAWL)
    assert index_files(remote, CRAWL) == index_files(local, CRAWL)
    name = remote.warc_paths(CRAWL)[1]
    with remote.file(name) as found:
        assert found.read_bytes() == layout[name]
    assert remote.size_of(name) == len(layout[name])
    for source, out in ((remote, tmp_path / "a"), (local, tmp_path / "b")):
        count_pages(source, CRAWL, out)
    hosts = storage.read_table(tmp_path / "a")
    assert hosts.equals(storage.read_table(tmp_path / "b"))
    some = hosts["host"].to_pylist()[:3]
    records = find_records(remote, CRAWL, some)
    assert records.equals(find_records(local, CRAWL, some)) and records.num_rows
    places = [(records["warc_record_offset"][0].as_py(), records["warc_record_length"][0].as_py())]
    path = records["warc_filename"][0].as_py()
    assert remote.records(path, places) == local.records(path, places)


def test_an_index_without_a_list_is_found_by_its_folder(bucket, layout, tmp_path):
    put(bucket, {name: data for name, data in layout.items() if not name.endswith("cc-index-table.paths.gz")})
    source = CommonCrawl(fetch_settings(ROOT), tmp_path / "cache")
    assert index_files(source, CRAWL) == [name for name in layout if "/subset=warc/" in name]


@pytest.mark.slow
def test_a_crawl_on_s3_gives_the_documents_of_a_folder(bucket, layout, tmp_path):
    put(bucket, layout)
    write_mirror(layout, tmp_path / "mirror")
    found = {}
    for out, root in (("s3", ROOT), ("folder", str(tmp_path / "mirror"))):
        manifest = extract_files(
            [f"cc:{CRAWL}"], tmp_path / out, ExtractSettings(), OptOutSettings(), fetch=fetch_settings(root), workers=2
        )
        found[out] = (manifest.counts, storage.read_table(tmp_path / out).sort_by("id").to_pylist())
    assert found["s3"] == found["folder"]
    assert found["s3"][0]["lost"] == 2  # records that are damaged in the crawl are lost from either


def test_public_objects_need_no_credentials_and_private_ones_say_so(bucket, monkeypatch, tmp_path):
    put(bucket, {"public.gz": DATA}, ACL="public-read")
    put(bucket, {"private.gz": DATA})
    for name in CREDENTIALS:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    s3fs.S3FileSystem.clear_instance_cache()
    anonymous = fetch_settings(ROOT, s3_anonymous=True)
    fetch(f"{ROOT}/public.gz", tmp_path / "public.gz", anonymous)
    assert (tmp_path / "public.gz").read_bytes() == DATA
    with pytest.raises(DownloadError, match=r"s3://crawls/mirror/private.gz.*403.*AWS credentials"):
        fetch(f"{ROOT}/private.gz", tmp_path / "private.gz", anonymous)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    with pytest.raises(s3.S3Error, match=r"set AWS credentials.*or fetch.s3_anonymous=true"):
        fetch(f"{ROOT}/private.gz", tmp_path / "private.gz")


def test_a_download_that_was_cut_off_is_continued(bucket, tmp_path, monkeypatch):
    put(bucket, {"a.gz": DATA})
    etag = bucket.head_object(Bucket=BUCKET, Key="mirror/a.gz")["ETag"]
    (tmp_path / "a.gz.part").write_bytes(DATA[:150_000])
    write_facts(tmp_path, etag)
    asked = requests_to(monkeypatch)
    assert fetch(f"{ROOT}/a.gz", tmp_path / "a.gz").problems == {}
    assert (tmp_path / "a.gz").read_bytes() == DATA
    assert asked == ["bytes=150000-"]


def test_an_object_that_changed_meanwhile_is_begun_again(bucket, tmp_path, monkeypatch):
    put(bucket, {"a.gz": DATA})
    (tmp_path / "a.gz.part").write_bytes(b"\x1f\x8bolder bytes")
    write_facts(tmp_path, '"other"')
    asked = requests_to(monkeypatch)
    done = fetch(f"{ROOT}/a.gz", tmp_path / "a.gz")
    assert (tmp_path / "a.gz").read_bytes() == DATA
    assert (asked, done.problems) == (["bytes=13-", ""], {"the file changed meanwhile": 1})


def test_bytes_that_are_not_those_of_the_etag_are_seen(bucket, tmp_path, monkeypatch):
    """The part that lies there is gzip data of another file: only the MD5 that S3 states tells."""
    put(bucket, {"a.gz": DATA})
    etag = bucket.head_object(Bucket=BUCKET, Key="mirror/a.gz")["ETag"]
    (tmp_path / "a.gz.part").write_bytes(gzip.compress(RNG.randbytes(40_000), mtime=0))
    write_facts(tmp_path, etag)
    done = fetch(f"{ROOT}/a.gz", tmp_path / "a.gz")
    assert (done.problems, done.is_damaged) == ({"damaged": 1}, False)
    assert (tmp_path / "a.gz").read_bytes() == DATA


def test_an_object_that_is_not_there_ends_at_once(bucket, tmp_path):
    with pytest.raises(DownloadError, match=r"s3://crawls/mirror/a.gz: status 404"):
        fetch(f"{ROOT}/a.gz", tmp_path / "a.gz")


def test_no_message_and_no_file_holds_a_signature(bucket, layout, tmp_path):
    put(bucket, {"a.gz": DATA})
    fetch(f"{ROOT}/a.gz", tmp_path / "a.gz")
    bucket.delete_object(Bucket=BUCKET, Key="mirror/a.gz")
    (tmp_path / "b.gz.part").write_bytes(DATA[:100])
    with pytest.raises(DownloadError) as raised:
        fetch(f"{ROOT}/a.gz", tmp_path / "b.gz")
    kept = b"".join(file.read_bytes() for file in tmp_path.rglob("*.json"))
    assert "Signature" not in str(raised.value) and b"Signature" not in kept


def test_without_the_extra_the_message_names_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "s3fs", None)
    with pytest.raises(s3.S3Error, match=r"pip install 'dsmath-pipeline\[s3\]'"):
        s3.web_address(f"{ROOT}/{SEGMENT}", False)
    assert s3.web_address("https://e.org/a", False) == "https://e.org/a"


def write_facts(folder, etag: str) -> None:
    """What an earlier download noted about the part of `a.gz`."""
    facts = {"url": f"{ROOT}/a.gz", "etag": etag, "size": len(DATA), "md5": etag.strip('"')}
    (folder / "a.gz.part.json").write_text(json.dumps(facts))


def requests_to(monkeypatch) -> list[str]:
    """The Range headers of the requests from now on."""
    asked: list[str] = []
    get = requests.Session.get

    def noted(self, url, **options):
        asked.append(options["headers"].get("Range", ""))
        return get(self, url, **options)

    monkeypatch.setattr(requests.Session, "get", noted)
    return asked
