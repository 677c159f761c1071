"""The monthly corpus refresh. Off until it is switched on in the UI."""

import dagster as dg


def schedules() -> list[dg.ScheduleDefinition]:
    """Common Crawl publishes about once a month; the corpus is refreshed on the fifth, 03:00 UTC."""
    return [
        dg.ScheduleDefinition(
            name="monthly_corpus_refresh", job_name="refresh_corpus", cron_schedule="0 3 5 * *",
            execution_timezone="UTC",
            description="Reads the crawl again and rebuilds what changed; shards already extracted are kept.",
        )
    ]  # fmt: skip
