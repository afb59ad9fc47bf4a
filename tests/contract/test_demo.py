"""The demo and the example specs, as a user runs them."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import boto3
import psutil
import pytest
from examples.demo import iceberg, rclone_server

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
DEMO = [sys.executable, "-m", "examples.demo"]
CLI = [sys.executable, "-m", "cloudquery"]

pytestmark = pytest.mark.cli


@pytest.fixture
def mark(monkeypatch: pytest.MonkeyPatch) -> str:
    """A value in the environment by which every process that a test starts can be told, however it was orphaned."""
    value = f"demo-test-{os.getpid()}-{os.urandom(4).hex()}"
    monkeypatch.setenv("DEMO_TEST_MARK", value)
    for variable in ("ENDPOINT", "BUCKET"):
        monkeypatch.delenv(variable, raising=False)
    return value


def marked(mark: str) -> Iterator[psutil.Process]:
    """Every living process with that value in its environment, but this one."""
    for process in psutil.process_iter():
        try:
            if process.environ().get("DEMO_TEST_MARK") == mark and process.pid != os.getpid():
                yield process
        except psutil.Error:
            continue  # another user's, or gone


def smaller(spec: Path, folder: Path, tables: str = "aws_regions, aws_ec2_vpcs, aws_ec2_images") -> Path:
    """Copy an example spec, with a few of its tables and one region, for the time that the whole takes."""
    text = spec.read_text()
    text = text.replace('tables: ["*"]', f"tables: [{tables}]")
    text = text.replace("tables: [aws_ec2_instance_*, aws_ec2_images, aws_iam_policies]", "tables: [aws_ec2_images]")
    text = text.replace('endpoint: "${AWS_API_ENDPOINT}"', 'endpoint: "${AWS_API_ENDPOINT}"\n    regions: [us-east-1]')
    copy = folder / spec.name
    copy.write_text(text)
    return copy


def rows_counted(output: str) -> int:
    """Return the figure of the line that says that all is well."""
    line = re.search(r"^Rows sent = rows counted: ([\d,]+) rows, in each of \d+ tables\.", output, re.MULTILINE)
    assert line, output
    return int(line[1].replace(",", ""))


def run_demo(folder: Path, *arguments: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the demo to its end, its objects in a folder of the test's."""
    env = os.environ | environment
    return subprocess.run(
        [*DEMO, "--folder", folder / "objects", *arguments],
        cwd=ROOT,
        env=env,
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )


def test_demo(tmp_path: Path, mark: str) -> None:
    """The demo puts every row of AWS's catalogues into the bucket, queries and verifies them, and leaves no process.

    It ends with partitions and Iceberg tables, which DuckDB reads where `make duckdb-iceberg` has been run. Where there
    is rclone, which serves S3 from a folder, every object is a file there.
    """
    done = run_demo(tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert rows_counted(done.stdout) > 50_000
    assert re.search(r"aws_iam_policies +aws/aws_iam_policies/.+\.parquet +1,\d{3} ", done.stdout), "no list of objects"
    keys = set(re.findall(r" (aws/\S+\.parquet) ", done.stdout))
    if rclone_server.program():
        bucket = tmp_path / "objects" / "inventory"
        files = {file.relative_to(bucket).as_posix() for file in bucket.glob("aws/**/*.parquet")}
        assert keys <= files
        assert {key for key in files if "/dt=" in key} <= keys, "more of the first sync than is listed"
    assert re.search(r"^\d+ objects with \d{5} rows .*: 0 missing, 0 altered", done.stdout, re.MULTILINE), done.stdout
    assert (tmp_path / "objects" / "report.html").is_file()
    assert re.search(r"aws_availability_zones/aws_region=us-east-1 +6 ", done.stdout), "no partitions"
    if iceberg.DUCKDB.is_dir():
        assert re.search(r"^ *us-east-1 +6 +6 ", done.stdout, re.MULTILINE), "no answer of the Iceberg tables"
        assert "Iceberg: 4 tables with 212 rows, as sent." in done.stdout
    assert "ERROR" not in done.stdout + done.stderr
    assert re.search(r"^ *ReadOnlyAccess ", done.stdout, re.MULTILINE), "no answer to the query"
    assert not list(marked(mark))


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["aws_to_s3_csv", "aws_to_s3_json", "aws_to_s3_no_rotate", "aws_to_s3_small_objects", "two_sources_to_s3"]
)
def test_each_variant(name: str, tmp_path: Path, mark: str) -> None:
    """Every other example spec that needs no server brings every row into the bucket as well."""
    spec = smaller(EXAMPLES / f"{name}.yml", tmp_path)
    done = run_demo(tmp_path, spec)
    assert done.returncode == 0, done.stdout + done.stderr
    assert rows_counted(done.stdout) > 1_000
    assert not list(marked(mark))


@pytest.mark.slow
def test_grpc_variant(tmp_path: Path, mark: str) -> None:
    """The spec whose destination is a server of its own brings every row into the bucket."""
    command = [Path(sys.executable).with_name("cloudquery-s3"), "serve", "--address", "127.0.0.1:0"]
    keys = {
        "AWS_ACCESS_KEY_ID": rclone_server.ACCESS_KEY,
        "AWS_SECRET_ACCESS_KEY": rclone_server.SECRET_KEY,
    }
    with subprocess.Popen(
        [*command, "--log-format", "json"], env=os.environ | keys, stdout=subprocess.PIPE, text=True
    ) as server:
        assert server.stdout
        address = next(json.loads(line)["address"] for line in server.stdout if '"serving"' in line)
        spec = smaller(EXAMPLES / "aws_to_s3_grpc.yml", tmp_path)
        spec.write_text(spec.read_text().replace("localhost:7777", address))
        done = run_demo(tmp_path, spec)
        server.terminate()
        assert done.returncode == 0, done.stdout + done.stderr
        assert rows_counted(done.stdout) > 1_000
    assert not list(marked(mark))


@pytest.mark.parametrize("number", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.slow)])
def test_interrupted(number: signal.Signals, tmp_path: Path, mark: str) -> None:
    """Ctrl-C in mid-sync ends the demo, and all that it has started, at once."""
    with subprocess.Popen(
        [*DEMO, "--folder", tmp_path / "objects"], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        for line in process.stdout:
            if "rows sent" in line:
                break
        process.send_signal(number)
        assert process.wait(timeout=30) == 130
    assert not list(marked(mark))


@pytest.mark.slow
def test_killed(tmp_path: Path, mark: str) -> None:
    """When the demo is killed in mid-sync, so that it cannot clean up, what it has started ends nevertheless."""
    with subprocess.Popen(
        [*DEMO, "--folder", tmp_path / "objects"], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        for line in process.stdout:
            if "rows sent" in line:
                break
        process.kill()
    left = list(marked(mark))
    _, alive = psutil.wait_procs(left, timeout=30)
    assert not alive


def test_endpoint_without_bucket(tmp_path: Path, mark: str) -> None:
    """With ENDPOINT and no BUCKET the demo does not guess, and names what is missing."""
    done = run_demo(tmp_path, ENDPOINT="http://127.0.0.1:1")
    assert done.returncode == 1
    assert "set BUCKET" in done.stdout
    assert not list(marked(mark))


@pytest.mark.slow
def test_users_own_server_twice(tmp_path: Path, mark: str) -> None:
    """With ENDPOINT and BUCKET the rows go to the user's server, and a second run tells its rows from the first's."""
    command = [sys.executable, "-m", "examples.demo.moto_server"]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout
        endpoint = server.stdout.readline().strip()
        own = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_REGION": "eu-west-1"}
        keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test", "region_name": "eu-west-1"}
        s3 = boto3.client("s3", endpoint_url=endpoint, **keys)
        s3.create_bucket(Bucket="mine", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
        counted = set()
        spec = smaller(EXAMPLES / "aws_to_s3.yml", tmp_path, "aws_regions, aws_ec2_vpcs")
        for objects in (2, 4):
            done = run_demo(tmp_path, spec, **own, ENDPOINT=endpoint, BUCKET="mine")
            assert done.returncode == 0, done.stdout + done.stderr
            counted.add(rows_counted(done.stdout))
            assert s3.list_objects_v2(Bucket="mine", Prefix="aws/")["KeyCount"] == objects
        assert len(counted) == 1
        server.kill()
        server.wait()
    assert not list(marked(mark))


def test_specs_are_valid() -> None:
    """`cloudquery validate-config` accepts every example spec; one that needs a server of its own is left out."""
    variables = {"AWS_API_ENDPOINT": "", "ENDPOINT": "", "BUCKET": "a-bucket", "AWS_REGION": "eu-west-1"}
    variables["CATALOG_URI"] = "sqlite://"
    flags = ["--no-log-file", "--telemetry-level", "none"]
    running = [
        subprocess.Popen(
            [*CLI, "validate-config", spec, *flags],
            cwd=ROOT,
            env=os.environ | variables,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for spec in sorted(EXAMPLES.glob("*.yml"))
        if "registry: grpc" not in spec.read_text()
    ]
    said = [process.communicate(timeout=100)[0] for process in running]
    assert [process.returncode for process in running] == [0] * len(running), said
