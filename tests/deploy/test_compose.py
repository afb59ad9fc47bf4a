"""The recipe for docker compose: checked by the library that compose is made of, and its services' commands run."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from examples.demo import rclone_server

import inventory_sync as inventory
import recipes
from recipes import DEPLOY
from s3_servers import Bucket, S3Server, isolated_environment
from server_programs import free_port
from waiting import eventually

if TYPE_CHECKING:
    from pathlib import Path

FILE = DEPLOY / "compose" / "compose.yaml"


def project() -> dict[str, Any]:
    """The recipe as compose sees it: variables replaced, paths absolute."""
    done = recipes.run(recipes.tool("compose-go/cmd"), FILE, folder=FILE.parent)
    project: dict[str, Any] = yaml.safe_load(recipes.said_nothing_wrong(done))
    return project


def test_the_file_is_one_of_compose() -> None:
    """Compose's own library reads the file and finds it consistent; a misspelt field it would not let pass."""
    assert project()["services"].keys() == {"s3", "sync"}
    wrong = recipes.run(
        recipes.tool("compose-go/cmd"), "-", folder=FILE.parent, text=FILE.read_text().replace("tmpfs:", "tempfs:")
    )
    assert "tempfs" in wrong.stdout


def test_the_destination_can_work(tmp_path: Path) -> None:
    """`cloudquery-s3 check` finds no problem in the destination."""
    recipes.check_spec((FILE.parent / "specs" / "s3.yml").read_text(), tmp_path)


@pytest.mark.slow
@pytest.mark.cli
def test_the_services_sync(tmp_path: Path) -> None:
    """The commands of both services, run here: every table is in the bucket, and every object a file."""
    if not rclone_server.program():
        pytest.skip("there is no rclone: its package has no wheel for this platform")
    services = project()["services"]
    keys = services["s3"]["environment"]
    server = S3Server(
        "rclone", f"http://127.0.0.1:{free_port()}", keys["AWS_ACCESS_KEY_ID"], keys["AWS_SECRET_ACCESS_KEY"]
    )
    (script,) = services["s3"]["command"]
    script = script.replace("/data", str(tmp_path / "data")).replace(":9000", server.endpoint.removeprefix("http://"))
    folder = tmp_path / "config"
    folder.mkdir()
    environment = {**recipes.environment(tmp_path), **isolated_environment(), **keys}
    shutil.copy(str(rclone_server.program()), tmp_path / "bin" / "rclone")
    with (
        inventory.aws() as api,
        subprocess.Popen(
            [*services["s3"]["entrypoint"], script], env=os.environ | environment, stderr=subprocess.PIPE, text=True
        ) as rclone,
    ):
        try:
            assert rclone.stderr
            assert eventually(lambda: "Starting s3 server" in str(rclone.stderr and rclone.stderr.readline()))
            (folder / "source.yml").write_text(recipes.source_for(api))
            spec = (FILE.parent / "specs" / "s3.yml").read_text()
            (folder / "s3.yml").write_text(recipes.pointed_at(spec, Bucket(server, "lake")))
            command = [part.replace("/config", str(folder)) for part in services["sync"]["command"]]
            command = [re.sub("--cq-dir=.*", f"--cq-dir={tmp_path}/cq", part) for part in command]
            recipes.said_nothing_wrong(recipes.run(*command, folder=tmp_path, environment=environment))
        finally:
            rclone.kill()
    files = (tmp_path / "data" / "lake").rglob("*.parquet")
    assert {file.relative_to(tmp_path / "data" / "lake").parts[1] for file in files} == inventory.TABLES
