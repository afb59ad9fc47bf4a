"""The Airflow recipe, run by `airflow dags test`."""

from __future__ import annotations

import re
import uuid
from typing import TYPE_CHECKING

import pytest

import cloudquery_cli as cli
import inventory_sync as inventory
import recipes
from recipes import DEPLOY

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.slow, pytest.mark.cli]

SHARDS = 2
STARTED = "2026-11-01T03:15:00+00:00"


def test_the_dag_syncs_what_one_sync_would(tmp_path: Path) -> None:
    """A run of the DAG syncs every shard under the id that its run has, and publishes the rows of one sync."""
    airflow = recipes.tool("airflow/bin/airflow", "airflow-env")
    specs = tmp_path / "specs"
    specs.mkdir()
    with inventory.aws() as api:
        whole, shared = api.new_bucket(), api.new_bucket()
        done = cli.run("sync", inventory.source(api), inventory.destination(whole), folder=tmp_path)
        assert done.status == 0, done.output
        (specs / "source.yml").write_text(recipes.source_for(api))
        (specs / "s3.yml").write_text(recipes.pointed_at((DEPLOY / "specs" / "s3.yml").read_text(), shared))
        environment = {
            **recipes.environment(tmp_path),
            "AIRFLOW_HOME": str(tmp_path / "airflow"),
            "AIRFLOW__CORE__DAGS_FOLDER": str(DEPLOY / "airflow"),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
            "CLOUDQUERY_SPECS": str(specs),
            "CLOUDQUERY_SHARDS": str(SHARDS),
        }

        def run(*arguments: str) -> str:
            done = recipes.run(airflow, *arguments, folder=tmp_path, environment=environment, timeout=280)
            return recipes.said_nothing_wrong(done)

        run("db", "migrate")
        said = run("dags", "test", "cloudquery_s3", STARTED)
        expected, found = inventory.rows(whole), inventory.published(shared)
        ids = inventory.sync_ids(shared)
    assert expected.keys() == found.keys(), said
    assert all(found[table].equals(rows) for table, rows in expected.items())
    run_id = re.search(r"manual__[^\s,>'\"\]]+", said)
    assert run_id, said
    assert ids == {f"sync_id={uuid.uuid5(uuid.NAMESPACE_URL, f'airflow:cloudquery_s3/{run_id[0]}')}"}
