"""What an asset shows in the UI after it was materialized: rows, columns, counts, one picture or table."""

import base64
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import dagster as dg
import pyarrow as pa

from dsmath_pipeline.storage import Manifest


def materialized(
    manifest: Manifest, path: str, schema: pa.Schema | None = None, picture: str = "", table: Sequence[Mapping] = (),
    pictures: Mapping[str, str] | None = None,
) -> dg.MaterializeResult:  # fmt: skip
    """The result of an asset whose artifact has this manifest.

    `picture` is an SVG document, `pictures` are several by name. Numbers are metadata of their own, so that the UI
    plots them over materializations or partitions; nested counts are tables.
    """
    metadata = {**figures(manifest), "dagster/uri": path}
    if picture:
        metadata["picture"] = inline_svg(picture)
    metadata |= {f"picture: {name}": inline_svg(svg) for name, svg in (pictures or {}).items()}
    if table:
        metadata["table"] = markdown_table(table)
    if schema is not None:
        metadata["dagster/column_schema"] = column_schema(schema)
    return dg.MaterializeResult(metadata=metadata, data_version=dg.DataVersion(manifest.key))


def figures(manifest: Manifest) -> dict[str, Any]:
    """Rows, bytes, time, throughput, losses and counts of an artifact; numbers that the UI plots, and tables.

    `dropped_share`: of the rows that were looked at, those that a reason in `counts.dropped` kept out.
    """
    metadata: dict[str, Any] = {
        "dagster/row_count": manifest.num_rows,
        "size_bytes": manifest.num_bytes,
        "elapsed_seconds": manifest.elapsed_seconds,
    }
    counts = manifest.counts
    dropped = counts.get("dropped")
    if isinstance(dropped, Mapping) and all(isinstance(number, int) for number in dropped.values()):
        lost = sum(dropped.values())
        metadata |= {"num_dropped": lost, "dropped_share": lost / max(lost + manifest.num_rows, 1)}
    if manifest.elapsed_seconds > 0:
        seen = metadata.get("num_dropped", 0) + manifest.num_rows
        metadata["rows_per_second"] = seen / manifest.elapsed_seconds
    for name, value in counts.items():
        if isinstance(value, (bool, int, float, str)):
            metadata[name] = value
        elif isinstance(value, Mapping) and value and all(isinstance(v, (int, float, str)) for v in value.values()):
            metadata[name] = markdown_table([{name: key, "count": number} for key, number in value.items()])
    return metadata


def column_schema(schema: pa.Schema) -> dg.TableSchema:
    """Columns with types and non-null constraints."""
    return dg.TableSchema(
        columns=[
            dg.TableColumn(f.name, str(f.type), constraints=dg.TableColumnConstraints(nullable=f.nullable))
            for f in schema
        ]
    )


def inline_svg(svg: str) -> dg.MarkdownMetadataValue:
    """An SVG as a Markdown image; the UI draws it inline when the whole stays under 1,000 characters."""
    return dg.MetadataValue.md(f"![figure](data:image/svg+xml;base64,{base64.b64encode(svg.encode()).decode()})")


def markdown_table(rows: Iterable[Mapping[str, Any]]) -> dg.MarkdownMetadataValue:
    """Rows with equal keys as a Markdown table."""
    rows = list(rows)
    names = list(rows[0])
    lines = ["| " + " | ".join(n.replace("_", " ") for n in names) + " |", "|" + "---|" * len(names)]
    lines += ["| " + " | ".join(_cell(row[n]) for n in names) + " |" for row in rows]
    return dg.MetadataValue.md("\n".join(lines))


def _cell(value: Any) -> str:
    text = "" if value is None else f"{value:.4g}" if isinstance(value, float) else str(value)
    return text.replace("|", "\\|").replace("\n", " ")
