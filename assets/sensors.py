"""What starts runs by itself: a round that people finished on the annotation page starts the next iteration."""

from collections.abc import Iterator

import dagster as dg

from assets.resources import Pipeline
from dsmath_pipeline.annotation_app.rounds import PEOPLE, all_finished_rounds
from dsmath_pipeline.recipe.schema import Recipe
from dsmath_pipeline.storage import folder

ROUND_TAG = "dsmath/annotation_round"


def sensors(recipe: Recipe) -> list[dg.SensorDefinition]:
    """Every sensor of a run of this recipe."""
    return [round_finished(recipe)]


def round_finished(recipe: Recipe) -> dg.SensorDefinition:
    """Runs the annotations that a finished round labelled and the stages that follow it; each round once."""
    last = recipe.iteration.max_iterations

    @dg.sensor(
        name="annotation_round_finished", target=dg.AssetSelection.all(), minimum_interval_seconds=30,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="A round marked finished on the annotation page takes its labels into the iteration that people "
        "saw and runs the next one; after the last iteration, the corpus.",
    )  # fmt: skip
    def sensor(context: dg.SensorEvaluationContext, pipeline: Pipeline) -> Iterator[dg.RunRequest | dg.SkipReason]:
        seen = int(context.cursor or 0)
        rounds = [done for done in all_finished_rounds(folder(pipeline.root)) if done.round > seen]
        if not rounds:
            yield dg.SkipReason("no round was finished since the last look")
            return
        if pipeline.annotations not in ("", PEOPLE):
            yield dg.SkipReason(f"labels come from {pipeline.annotations}, not from the annotation page")
            return
        done = rounds[-1]  # its labels hold those of the earlier rounds
        context.update_cursor(str(done.round))
        yield dg.RunRequest(
            run_key=f"round-{done.round}-{done.finished_at}",
            asset_selection=what_follows(done.iteration, last),
            tags={ROUND_TAG: str(done.round)},
        )

    return sensor


def what_follows(iteration: int, last: int) -> list[dg.AssetKey]:
    """The annotations of an iteration, and the next iteration up to its domains or, after the last one, the corpus."""
    keys = [["iteration_" + str(iteration), "annotations"]]
    if iteration < last:
        stages = ("seed_set", "classifier", "scores", "collected", "domains")
        keys += [[f"iteration_{iteration + 1}", stage] for stage in stages]
    else:
        keys.append(["math_corpus"])
    return [dg.AssetKey(key) for key in keys]
