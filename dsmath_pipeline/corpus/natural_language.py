"""Natural language for the pretraining mixture: pages of the crawl that were not collected.

Section 2.3 mixes in 10 % natural language from Common Crawl, English and Chinese. Which pages is not stated; taken here
are all documents in those languages that the last iteration did not collect.

Writes records.DOCUMENT_SCHEMA without formulas and rules, one shard for each document shard.
"""

import pyarrow as pa
import pyarrow.compute as pc

from ..progress import SILENT, Progress, track
from ..storage import Folder, Manifest, parquet_files, read_table, stage

NATURAL_LANGUAGE_VERSION = "1"
LANGUAGES = ("en", "zh")
COLUMNS = ["id", "url", "domain", "title", "language", "text", "num_tokens"]


def select_natural_language(
    unique_documents: Folder, collected: Folder, out: Folder, *, progress: Progress = SILENT, force: bool = False
) -> Manifest:
    """Write the English and Chinese documents that are not among the collected pages."""
    inputs = {"unique_documents": unique_documents, "collected": collected}
    with stage(out, "natural_language", NATURAL_LANGUAGE_VERSION, None, inputs, force=force) as run:
        if run.artifact:
            taken = read_table(collected, ["id"])["id"].combine_chunks()
            for file in track(parquet_files(unique_documents), "natural language", progress):
                table = read_table(file, COLUMNS)
                wanted = pc.and_(
                    pc.is_in(table["language"], value_set=pa.array(LANGUAGES)),
                    pc.invert(pc.is_in(table["id"], value_set=taken)),
                )
                run.artifact.write_table(file.name, table.filter(wanted))
    assert run.manifest is not None
    return run.manifest
