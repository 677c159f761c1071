"""One stage of the pipeline as one software-defined asset.

Every asset of this code location has the same body: take the run with the launchpad's settings, call one function of
`dsmath_pipeline.stages` (training: in a child process through Dagster Pipes), report what it made.

Training on several devices: the run config `accelerate_config` of an asset, or the environment variable
`DSMATH_ACCELERATE` for all of them, names an accelerate config (deploy/accelerate/).
"""

import os
import sys
from collections.abc import Callable, Sequence
from typing import Any

import dagster as dg
import pyarrow as pa
from pydantic import Field, create_model

from assets.child import ACCELERATE
from assets.metadata import materialized
from assets.resources import CHECKOUT, Pipeline, sections_config
from dsmath_pipeline import stages, storage
from dsmath_pipeline.recipe.schema import Recipe
from dsmath_pipeline.stages import Run
from dsmath_pipeline.storage import Folder, Manifest

_LAUNCH: Any = {
    "accelerate_config": (
        str,
        Field("", description="accelerate config file of this training; empty: DSMATH_ACCELERATE, else one process"),
    )
}
Show = Callable[[Run, Folder, Manifest], dict[str, Any]]
"""Returns `picture` (SVG) and/or `table` (rows) for the asset's page; see show.py."""

FORCE_TAG = "dsmath/force"
"""A run with this tag set to "true" makes its artifacts again although they are current."""


def stage_asset(
    recipe: Recipe, key: str, *, group: str, kinds: set[str], description: str, deps: Sequence[str] = (), show: Show,
    stage: str = "", arguments: tuple = (), sections: Sequence[str] = (), schema: pa.Schema | None = None,
    in_child: bool = False, can_share: bool = False, owner: str = "team:corpus",
) -> dg.AssetsDefinition:  # fmt: skip
    """The asset `key` ("iteration_1/scores"), made by `stages.<stage>(run, *arguments)`.

    `sections` are the recipe sections that its run config offers, with the preset's values as defaults. `in_child`
    runs the stage in a process of its own: a training run may die or be killed without taking Dagster along, and
    goes on from its checkpoint. `can_share`: several processes may share that stage's work.
    """
    path = key.split("/")
    stage = stage or path[-1]
    Sections = sections_config("_".join(path), [(name, getattr(recipe, name)) for name in sections])
    Config = create_model(f"{Sections.__name__}_launch", __base__=Sections, **_LAUNCH) if can_share else Sections

    def body(context: dg.AssetExecutionContext, config: Config, pipeline: Pipeline) -> dg.MaterializeResult:  # type: ignore[valid-type]
        run = pipeline.run(context, {name: getattr(config, name) for name in sections}, is_forced(context))
        folder = run.folder(*path)
        if in_child:
            run_child(context, run, child_command(stage, arguments, _accelerate_config(config) if can_share else ""))
            manifest = storage.read_manifest(folder)
        else:
            manifest = getattr(stages, stage)(run, *arguments)
        return materialized(manifest, str(folder), schema, **show(run, folder, manifest))

    return dg.asset(
        key=path, group_name=group, kinds=kinds, owners=[owner], description=description,
        deps=[dg.AssetKey(dep.split("/")) for dep in deps],
    )(body)  # fmt: skip


def is_forced(context: dg.AssetExecutionContext) -> bool:
    """Is the artifact to be made again? A second try goes on with what the first has left."""
    return context.retry_number == 0 and context.run.tags.get(FORCE_TAG) == "true"


def run_child(context: dg.AssetExecutionContext, run: Run, command: list[str]) -> None:
    """A stage in a child process. One that dies is started once more and goes on from its checkpoint; one that is
    stopped is not, which Dagster's RetryPolicy would do with interrupted steps too."""
    try:
        dg.PipesSubprocessClient(cwd=str(CHECKOUT)).run(context=context, extras=run.to_json(), command=command)
    except Exception as died:  # an interrupt is none
        raise dg.RetryRequested(max_retries=1) from died


def child_command(stage: str, arguments: Sequence[Any], accelerate_config: str) -> list[str]:
    """The command of the child process. Raises dg.Failure when the config file does not exist."""
    launch: list[str] = []
    if accelerate_config:
        file = CHECKOUT / accelerate_config  # an absolute path stays as it is
        if not file.is_file():
            raise dg.Failure(f"no accelerate config {file}: name one of deploy/accelerate/ or your own")
        launch = [ACCELERATE, str(file)]
    return [sys.executable, "-m", "assets.child", *launch, stage, *map(str, arguments)]


def _accelerate_config(config: Any) -> str:
    return config.accelerate_config or os.environ.get("DSMATH_ACCELERATE", "")
