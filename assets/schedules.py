"""The monthly run of the base corpus. Off until it is switched on in the UI.

New crawls are added by the code location `refresh` (assets/refresh.py), which leaves the base as it is.
"""

import dagster as dg


def schedules() -> list[dg.ScheduleDefinition]:
    """The base corpus is brought up to date with its own input on the fifth, 03:00 UTC."""
    return [
        dg.ScheduleDefinition(
            name="monthly_corpus_refresh", job_name="refresh_corpus", cron_schedule="0 3 5 * *",
            execution_timezone="UTC",
            description="Reads the files that DSMATH_CRAWL names again and rebuilds what changed, classifiers and all "
            "iterations included: for folders to which WARC files are added. Shards already extracted are kept; "
            "without new files nothing is done. New crawls: the schedule monthly_new_crawls of the location refresh.",
        )
    ]  # fmt: skip
