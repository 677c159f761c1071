"""Pictures on the pages of the assets, drawn small enough for the UI to show them inline."""

from collections.abc import Callable, Sequence
from typing import Any

from dsmath_pipeline import storage
from dsmath_pipeline.stages import Run
from dsmath_pipeline.storage import Manifest


def bars(labels: Sequence[str], values: Sequence[float]) -> str:
    """A bar chart as SVG."""
    from dsmath_pipeline.reporting.figures import svg_bars

    return svg_bars(list(labels), list(values))


def histogram(values: Sequence[float]) -> str:
    """A histogram as SVG."""
    from dsmath_pipeline.reporting.figures import svg_histogram

    return svg_histogram(list(values), 30)


def metric_curve(column: str) -> Callable[[Run, Manifest], dict[str, Any]]:
    """Shows one column of the artifact's metrics.parquet over the training steps, and the manifest's counts."""

    def show(run: Run, manifest: Manifest) -> dict[str, Any]:
        from dsmath_pipeline.reporting.figures import svg_line

        metrics = storage.read_table(run.folder("models", manifest.name) / "metrics.parquet", [column])
        return {"picture": svg_line([v for v in metrics[column].to_pylist() if v is not None])}

    return show
