"""The code location: every asset, check, job, schedule and resource, merged explicitly."""

import warnings
from pathlib import Path

import dagster as dg

import assets
from assets.checks import asset_checks
from assets.corpus import corpus_assets
from assets.evaluation import evaluation_assets
from assets.jobs import jobs
from assets.reporting import report_assets
from assets.resources import CHECKOUT, pipeline_from_environment
from assets.rl import rl_assets
from assets.schedules import schedules
from assets.sensors import sensors
from assets.training import training_assets


@dg.definitions
def defs() -> dg.Definitions:
    """Raises ImportError when another top-level package named `assets` shadows ours: Dagster would load nothing."""
    warnings.filterwarnings("ignore", category=dg.BetaWarning)
    found = Path(str(assets.__file__)).parent.parent
    if found != CHECKOUT:
        raise ImportError(f"`assets` comes from {found}, not from {CHECKOUT}: run from the checkout")
    pipeline = pipeline_from_environment()
    recipe = pipeline.recipe()
    return dg.Definitions(
        assets=[
            *corpus_assets(recipe), *training_assets(recipe), *rl_assets(recipe), *evaluation_assets(recipe),
            *report_assets(recipe),
        ],
        asset_checks=asset_checks(recipe),
        jobs=jobs(),
        schedules=schedules(),
        sensors=sensors(recipe),
        resources={"pipeline": pipeline},
        executor=dg.in_process_executor,
    )  # fmt: skip
