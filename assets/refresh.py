"""New crawls for a finished corpus, a code location of its own:
`dagster dev -w workspace.yaml -w deploy/refresh.yaml`.

One partition for each crawl, named as Common Crawl names it (`CC-MAIN-2024-18`, or `CC-MAIN-2024-18/0-9` for ten
files). They stay out of assets.definitions for the same reason as the experiments: a selection that mixes partitioned
with plain assets can no longer be materialized by one click or one command.

What asks the list of crawls goes to the network (`fetch.index_url`) and is off until it is switched on in the UI.
"""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import dagster as dg

from assets.metadata import figures, materialized
from assets.resources import Pipeline, pipeline_from_environment
from dsmath_pipeline import records
from dsmath_pipeline.corpus.commoncrawl import PREFIX, Crawl
from dsmath_pipeline.corpus.corpus_parts import FOLDER, WHOLE, part_folder, part_rows, write_whole_corpus
from dsmath_pipeline.corpus.freshness import corpus_age, listed_crawls, newer_crawls, newest_of_base
from dsmath_pipeline.corpus.refresh import READING, Refresh, Stage, join_corpus, part_name
from dsmath_pipeline.recipe.schema import Recipe
from dsmath_pipeline.stages import Run
from dsmath_pipeline.storage import ArtifactError, Manifest, folder

CRAWLS = dg.DynamicPartitionsDefinition(name="crawls")
PART = dg.AssetKey([FOLDER, "part"])
CORPUS = dg.AssetKey([FOLDER, WHOLE])
_ABOUT = {
    "documents": "Text of every HTML page of a new crawl, one Parquet shard per WARC file; extracted once.",
    "unique_documents": "The new crawl's documents without repeated URLs, exact duplicates, texts too short to judge, "
    "and pages that the opt-out list (DSMATH_OPTOUT) covers.",
    "scores": "Log-odds of the new crawl's documents by the last classifier of the base: nothing is trained.",
}


@dg.definitions
def defs() -> dg.Definitions:
    """Refreshes of the corpus that the main code location makes, with the same environment."""
    pipeline = pipeline_from_environment()
    recipe = pipeline.recipe()
    return dg.Definitions(
        assets=refresh_assets(recipe), asset_checks=[corpus_is_fresh()], jobs=[REFRESH_JOB, FRESHNESS_JOB],
        schedules=[monthly_new_crawls(), daily_freshness()], sensors=[new_crawl(recipe)],
        resources={"pipeline": pipeline}, executor=dg.in_process_executor,
    )  # fmt: skip


# assets --------------------------------------------------------------------------------------------------------------


def refresh_assets(recipe: Recipe) -> list[dg.AssetsDefinition]:
    """A new crawl from its WARC files to a part of the corpus, and the whole corpus."""
    last = f"iteration_{recipe.iteration.max_iterations}"
    uses = {"documents": ["math_corpus"], "unique_documents": [], "scores": [f"{last}/classifier"]}
    read = []
    before: list[str] = []
    for stage in READING:
        read.append(_partitioned(stage.__name__, stage, [*uses[stage.__name__], *before], _ABOUT[stage.__name__]))
        before = [f"{FOLDER}/{stage.__name__}"]
    part = _partitioned(
        "part", lambda refresh: join_corpus(refresh)["math_corpus"],
        ["math_corpus", "near_duplicates", f"{last}/collected", *before],
        "The part of the corpus that a new crawl adds: its pages above the base's cut, without URLs, texts and "
        "near-duplicates of the corpus so far, without benchmark texts. Nothing old is rewritten.",
    )  # fmt: skip
    return [*read, part, whole_corpus()]


def _partitioned(name: str, stage: Stage, deps: list[str], description: str) -> dg.AssetsDefinition:
    schema = {"scores": records.SCORE_SCHEMA, "part": records.CORPUS_SCHEMA}.get(name, records.DOCUMENT_SCHEMA)

    @dg.asset(
        key=[FOLDER, name], group_name=FOLDER, kinds={"parquet"}, owners=["team:corpus"], description=description,
        deps=[dg.AssetKey(dep.split("/")) for dep in deps], partitions_def=CRAWLS,
        backfill_policy=dg.BackfillPolicy.single_run(),
    )  # fmt: skip
    def made(context: dg.AssetExecutionContext, pipeline: Pipeline) -> dg.MaterializeResult:
        run = pipeline.run(context)
        manifests = {}
        for crawl in context.partition_keys:
            manifests[crawl] = stage(refresh_of(run, crawl))
            context.add_asset_metadata(figures(manifests[crawl]), partition_key=crawl)
        last = refresh_of(run, crawl)
        return _shown(manifests[crawl], str(last.folder("math_corpus" if name == "part" else name)), schema, run)

    return made


def _shown(manifest: Manifest, path: str, schema, run: Run) -> dg.MaterializeResult:
    is_corpus = schema is records.CORPUS_SCHEMA
    return materialized(manifest, path, schema, table=part_rows(run.root) if is_corpus else ())


def whole_corpus() -> dg.AssetsDefinition:
    """Base and parts as one artifact."""

    @dg.asset(
        key=CORPUS, group_name=FOLDER, kinds={"parquet"}, owners=["team:corpus"],
        deps=[dg.AssetKey("math_corpus"), PART],
        description="The whole corpus: the base and the parts of all crawls that were added, as one artifact.",
    )  # fmt: skip
    def corpus(context: dg.AssetExecutionContext, pipeline: Pipeline) -> dg.MaterializeResult:
        run = pipeline.run(context)
        out = part_folder(run.root, WHOLE)
        return _shown(write_whole_corpus(run.root, out), str(out), records.CORPUS_SCHEMA, run)

    return corpus


def refresh_of(run: Run, crawl: str) -> Refresh:
    """The refresh with one crawl (a partition key) of the corpus of a run."""
    inputs = run.inputs
    return Refresh(
        run.root, (PREFIX + crawl,), part_name([PREFIX + crawl]), folder(run.benchmarks), inputs.optout,
        inputs.earlier, run.recipe.fetch, run.workers, run.progress,
    )  # fmt: skip


REFRESH_JOB = dg.define_asset_job(
    "refresh_with_new_crawl", dg.AssetSelection.groups(FOLDER), partitions_def=CRAWLS,
    description="One new crawl, from its WARC files to the whole corpus.",
)  # fmt: skip
FRESHNESS_JOB = dg.define_asset_job(
    "corpus_freshness", dg.AssetSelection.checks_for_assets(CORPUS), description="Is the corpus too old?"
)


# what starts them ----------------------------------------------------------------------------------------------------


def crawls_to_add(pipeline: Pipeline) -> list[Crawl]:
    """The crawls in Common Crawl's list that are newer than the base, oldest first. Raises DownloadError."""
    newest = newest_of_base(folder(pipeline.root))
    return newer_crawls(listed_crawls(pipeline.recipe().fetch), newest)


def new_crawl(recipe: Recipe) -> dg.SensorDefinition:
    """Adds a partition for every crawl that is newer than the base, and requests its run, once."""

    @dg.sensor(
        name="new_crawl", job=REFRESH_JOB, default_status=dg.DefaultSensorStatus.STOPPED,
        minimum_interval_seconds=round(recipe.refresh.listing_interval_hours * 3600),
        description="Asks Common Crawl's list (fetch.index_url) for crawls that are newer than the base and not there "
        "yet; each becomes a partition and one run.",
    )  # fmt: skip
    def sensor(context: dg.SensorEvaluationContext, pipeline: Pipeline) -> dg.SensorResult | dg.SkipReason:
        known = set(context.instance.get_dynamic_partitions(str(CRAWLS.name)))
        try:
            new = [crawl.id for crawl in crawls_to_add(pipeline) if crawl.id not in known]
        except ArtifactError as error:
            return dg.SkipReason(f"there is no base yet: {error}")
        if not new:
            return dg.SkipReason("the list has no crawl that is newer than the corpus and not there yet")
        requests = [dg.RunRequest(run_key=f"refresh-{crawl}", partition_key=crawl) for crawl in new]
        return dg.SensorResult(requests, dynamic_partitions_requests=[CRAWLS.build_add_request(new)])

    return sensor


def monthly_new_crawls() -> dg.ScheduleDefinition:
    """Runs every crawl that has no part yet: new ones, and those whose run failed."""

    @dg.schedule(
        name="monthly_new_crawls", job=REFRESH_JOB, cron_schedule="0 3 5 * *", execution_timezone="UTC",
        default_status=dg.DefaultScheduleStatus.STOPPED,
        description="Adds the crawls that are newer than the base and runs all that have no part of the corpus yet, "
        "those whose run failed among them. What is there is not made again.",
    )  # fmt: skip
    def schedule(context: dg.ScheduleEvaluationContext, pipeline: Pipeline) -> Iterator[dg.RunRequest | dg.SkipReason]:
        name = str(CRAWLS.name)
        context.instance.add_dynamic_partitions(name, [crawl.id for crawl in crawls_to_add(pipeline)])
        done = context.instance.get_materialized_partitions(PART)
        missing = [crawl for crawl in context.instance.get_dynamic_partitions(name) if crawl not in done]
        if not missing:
            yield dg.SkipReason("every crawl has its part of the corpus")
        for crawl in missing:
            yield dg.RunRequest(run_key=f"{crawl} {context.scheduled_execution_time:%Y-%m}", partition_key=crawl)

    return schedule


def daily_freshness() -> dg.ScheduleDefinition:
    """Looks at the age of the corpus; needs no network."""
    return dg.ScheduleDefinition(
        name="daily_corpus_freshness", job=FRESHNESS_JOB, cron_schedule="0 6 * * *", execution_timezone="UTC",
        description="Runs the check corpus_is_fresh, which warns when no new crawl came for too long.",
    )  # fmt: skip


def corpus_is_fresh(now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> dg.AssetChecksDefinition:
    """Warns when the newest page of the corpus is older than the recipe's `refresh.max_age_days`."""

    @dg.asset_check(
        asset=CORPUS, name="corpus_is_fresh",
        description="Was the newest page of the corpus's newest crawl crawled less than refresh.max_age_days ago?",
    )  # fmt: skip
    def body(context: dg.AssetCheckExecutionContext, pipeline: Pipeline) -> dg.AssetCheckResult:
        age, limit = corpus_age(folder(pipeline.root), now()), pipeline.recipe().refresh.max_age_days
        return dg.AssetCheckResult(
            passed=age.days <= limit, severity=dg.AssetCheckSeverity.WARN,
            description=f"the newest part is {age.part}, its newest page {age.days:.0f} days old (limit {limit:.0f})",
            metadata={"part": age.part, "newest_page": age.newest_page, "age_days": age.days},
        )  # fmt: skip

    return body
