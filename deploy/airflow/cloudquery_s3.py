"""One sync by several Airflow tasks, then its publication.

The workers have `cloudquery`, `cloudquery-s3`, the AWS credentials, and the folder CLOUDQUERY_SPECS with `source.yml`
and `s3.yml` (see deploy/specs). The sync's id is made from the run's, so that a task that is tried again, or cleared,
is the same shard of the same sync, and what its first try has written is published by nobody.
"""

from __future__ import annotations

import os
import uuid
from datetime import datetime, timedelta

from airflow.providers.standard.operators.bash import BashOperator
from airflow.sdk import dag

SHARDS = int(os.environ.get("CLOUDQUERY_SHARDS", "4"))
SPECS = os.environ.get("CLOUDQUERY_SPECS", "/etc/cloudquery")


def sync_id(dag_id: str, run_id: str) -> str:
    """Return the UUID of a run's sync."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"airflow:{dag_id}/{run_id}"))


@dag(
    schedule="15 3 * * *",
    start_date=datetime(2026, 1, 1),  # noqa: DTZ001 -- Airflow takes its own default zone
    catchup=False,
    max_active_runs=1,
    default_args={"retries": 2, "retry_delay": timedelta(minutes=5)},
    user_defined_macros={"sync_id": sync_id},
    doc_md=__doc__,
)
def cloudquery_s3() -> None:
    """Sync all shards side by side, then publish."""
    sync = BashOperator.partial(
        task_id="sync",
        bash_command=(
            'exec cloudquery sync "$SPECS/source.yml" "$SPECS/s3.yml" --shard "$SHARD/$SHARDS"'
            " --invocation-id {{ sync_id(dag.dag_id, run_id) }}"
            " --log-console --no-log-file --telemetry-level none"
        ),
        append_env=True,
    ).expand(env=[{"SPECS": SPECS, "SHARDS": str(SHARDS), "SHARD": str(shard)} for shard in range(1, SHARDS + 1)])
    publish = BashOperator(
        task_id="publish",
        bash_command=(
            'exec cloudquery-s3 publish "$SPECS/s3.yml" --sync {{ sync_id(dag.dag_id, run_id) }} --parts "$SHARDS"'
        ),
        env={"SPECS": SPECS, "SHARDS": str(SHARDS), "SHARD": "1"},  # s3.yml names SHARD; publishing does not use it
        append_env=True,
    )
    sync >> publish


cloudquery_s3()
