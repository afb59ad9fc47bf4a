"""The README and the quick start, as a new user follows them."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb
import pytest

import cloudquery_cli as cli
import program
import rows
from s3_servers import moto  # noqa: F401 -- a fixture

if TYPE_CHECKING:
    from s3_servers import S3Server

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
QUICK_START = (ROOT / "docs" / "quick-start.md").read_text(encoding="utf-8")

INSTALLS = {"pipx install ."}
RUN_BY_OTHER_TESTS = {"make demo", "make test"}
"""`make demo` by test_demo; `make test` is how this test is run."""


def commands_of(page: str) -> set[str]:
    """The lines of a page's shell blocks, without comments."""
    lines = "\n".join(re.findall(r"^```sh\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)).splitlines()
    return {line.partition(" #")[0].strip() for line in lines} - {""}


def spec_of(page: str) -> str:
    """A page's first YAML block."""
    found = re.search(r"^```yaml\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    assert found
    return found[1]


@pytest.mark.parametrize("page", [README, QUICK_START], ids=["readme", "quick-start"])
def test_every_command_is_known(page: str) -> None:
    """Every command is one that a test runs: here, in test_demo, or (installing) in test_wheel."""
    run_here = {"cloudquery-s3 check s3.yml", "cloudquery-s3 check s3.yml --connect", "cloudquery sync aws.yml s3.yml"}
    assert commands_of(page) <= RUN_BY_OTHER_TESTS | INSTALLS | run_here


def test_three_minutes() -> None:
    """The README is read in three minutes, at 250 words a minute: what is not code and not the list of links."""
    prose = re.sub(r"```.*?```|\]\([^)]*\)|[|`·-]+", " ", README, flags=re.DOTALL)
    assert len(prose.split()) <= 3 * 250


def test_a_place_for_figures() -> None:
    """The README shows measured figures, or the place for them."""
    assert re.search(r"<!-- figures -->|CPU-s", README)


@pytest.mark.cli
@pytest.mark.parametrize("page", [README, QUICK_START], ids=["readme", "quick-start"])
def test_the_steps(page: str, moto: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
    """The spec, checked, connected and synced by the page's own commands, brings every row into the bucket.

    Only what must differ here does: the program's path, the bucket, and that S3 is a local server.
    """
    bucket = moto.new_bucket()
    spec = spec_of(page).replace("/home/you/.local/bin/cloudquery-s3", str(program.PROGRAM))
    spec = spec.replace("bucket: my-bucket", f"bucket: {bucket.name}\n    endpoint: {moto.endpoint}")
    (tmp_path / "s3.yml").write_text(spec.replace("eu-central-1", "us-east-1"), encoding="utf-8")
    for name, value in {**moto.environment(), "CQ_TELEMETRY_LEVEL": "none"}.items():
        monkeypatch.setenv(name, value)
    checked = run(program.PROGRAM, "check", "s3.yml", "--connect", folder=tmp_path)
    assert checked.returncode == 0, checked.stdout
    batch = rows.batch("aws_regions", [1, 2, 3])
    with cli.scripted_source(lambda: iter([("migrate", batch.schema), ("insert", batch)]), [batch.schema]) as address:
        (tmp_path / "aws.yml").write_text(json.dumps(cli.source(address, destinations=("s3",))), encoding="utf-8")
        synced = run(cli.binary(), "sync", "aws.yml", "s3.yml", folder=tmp_path)
    assert synced.returncode == 0, synced.stdout
    (key,) = bucket.objects()
    assert re.fullmatch(r"cloudquery/aws_regions/dt=\d{4}-\d\d-\d\d/[0-9a-f-]{36}\.parquet", key)
    file = tmp_path / "my-bucket" / key
    file.parent.mkdir(parents=True)
    file.write_bytes(bucket.objects()[key])
    for sql in re.findall(r"```sql\n(.*?)```", page, re.DOTALL):
        query = sql.partition(";")[2].replace("s3://my-bucket", str(tmp_path / "my-bucket"))  # without CREATE SECRET
        assert len(duckdb.sql(query).fetchall()) == 3


def run(*command: str | Path, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a program to its end."""
    return subprocess.run(
        command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=100, check=False
    )
