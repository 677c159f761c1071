"""Natural language is what is left of the crawl in English and Chinese."""

import pyarrow as pa

from dsmath_pipeline import records, storage
from dsmath_pipeline.corpus.natural_language import select_natural_language


def write(folder, name, table):
    with storage.stage(folder, name, "1", None, {}) as run:
        run.artifact.write_table("a.parquet", table)


def test_collected_pages_and_other_languages_are_left_out(tmp_path):
    rows = [
        {"id": i, "url": f"http://{i}", "domain": i, "source": "w", "offset": 0, "title": "", "language": language,
         "text": f"text {i}", "num_tokens": 2}
        for i, language in (("a", "en"), ("b", "zh"), ("c", "de"), ("d", "en"))
    ]  # fmt: skip
    write(tmp_path / "documents", "unique_documents", pa.Table.from_pylist(rows, schema=records.DOCUMENT_SCHEMA))
    write(tmp_path / "collected", "collected", pa.table({"id": ["d"]}))
    manifest = select_natural_language(tmp_path / "documents", tmp_path / "collected", tmp_path / "out")
    assert storage.read_table(tmp_path / "out")["id"].to_pylist() == ["a", "b"]
    assert manifest.num_rows == 2
