"""The library's checks as Dagster asset checks: one each, on the artifact they read."""

import dagster as dg

from assets.resources import Pipeline
from dsmath_pipeline.checks import Check, checks
from dsmath_pipeline.recipe.schema import Recipe

SEVERITIES = {"error": dg.AssetCheckSeverity.ERROR, "warn": dg.AssetCheckSeverity.WARN}


def asset_checks(recipe: Recipe) -> list[dg.AssetChecksDefinition]:
    """Every check of the library for a run of this recipe."""
    return [_asset_check(check) for check in checks(recipe.iteration.max_iterations)]


def _asset_check(check: Check) -> dg.AssetChecksDefinition:
    @dg.asset_check(asset=dg.AssetKey(check.artifact.split("/")), name=check.name, description=check.description)
    def body(context: dg.AssetCheckExecutionContext, pipeline: Pipeline) -> dg.AssetCheckResult:
        outcome = check.run(pipeline.run(context))
        return dg.AssetCheckResult(
            passed=outcome.passed, severity=SEVERITIES[check.severity], description=outcome.message,
            metadata=outcome.figures,
        )  # fmt: skip

    return body
