"""Every command that a page shows: run here, run by another test, or named with the reason why it cannot run."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import grpc
import pytest
import yaml

import cloudquery_s3
import program
from program import destination
from s3_servers import moto  # noqa: F401 -- a fixture
from specs import written

if TYPE_CHECKING:
    from s3_servers import S3Server

ROOT = Path(__file__).parents[2]
PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md", "examples/README.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
]

SYNC = "5f0bb06c-6b5c-4a35-9dd4-7a0a1e1f7f4b"
"""The id of the sync that the pages tell of."""

DDL = "tests/unit/catalogs/test_cli_tables.py"
TELEMETRY = "tests/contract/test_telemetry.py"

RUN_HERE = {
    "cloudquery-s3 check s3.yml",
    "cloudquery-s3 check specs/ other.yml --table aws_s3_buckets",
    "cloudquery-s3 check s3.yml --connect",
    "cloudquery-s3 check s3.yml --policy > policy.json",
    "cloudquery-s3 check s3.yml --json",
    "cloudquery-s3 check - < s3.yml",
    "cloudquery-s3 schema > schema.json",
    "cloudquery-s3 schema --whole-file > cloudquery.schema.json",
    'cloudquery-s3 package --team my-team -m "What is new" v1.2.3',
    "cloudquery-s3 version",
}
SERVED_HERE = {
    "cloudquery-s3 serve --address localhost:7777",
    "cloudquery-s3 serve --address 127.0.0.1:7777 --log-format json",
}
RUN_ELSEWHERE = {
    "cloudquery sync aws.yml s3.yml": "tests/contract/test_readme.py",
    f"cloudquery sync s3.yml --shard 1/4 --invocation-id {SYNC}": "tests/contract/test_shards.py",
    "cloudquery-s3 ddl s3.yml --dialect duckdb --object table.parquet": DDL,
    "cloudquery-s3 ddl --dialect duckdb --tables cq-docs/aws/__tables.json s3.yml": DDL,
    "cloudquery-s3 ddl --dialect athena --tables docs/aws/__tables.json --table 'aws_ec2_*' s3.yml > tables.sql": DDL,
    "cloudquery-s3 ddl --dialect athena --manifest _cloudquery/latest.json --namespace lake s3.yml": DDL,
    "cloudquery-s3 expire s3.yml --keep 7": "tests/publication/test_commands.py",
    "cloudquery-s3 expire s3.yml --older-than 30d --delete": "tests/publication/test_commands.py",
    f"cloudquery-s3 publish s3.yml --sync {SYNC} --parts 4": "tests/publication/test_commands.py",
    "cloudquery-s3 report s3.yml -o report.html": "tests/publication/test_report.py",
    "cloudquery-s3 syncs s3.yml": "tests/publication/test_commands.py",
    "cloudquery-s3 verify s3.yml": "tests/publication/test_commands.py",
    f"cloudquery-s3 verify s3.yml --sync {SYNC} --deep": "tests/publication/test_commands.py",
    "cloudquery-s3 serve --address 127.0.0.1:7777 --otel-endpoint localhost:4318 --otel-endpoint-insecure": TELEMETRY,
    "cloudquery-s3 serve --address 127.0.0.1:7777 --metrics-address 127.0.0.1:9464": TELEMETRY,
    "curl http://127.0.0.1:9464/metrics": TELEMETRY,
    "export OTEL_EXPORTER_OTLP_ENDPOINT=http://localhost:4318": TELEMETRY,
    "cloudquery sync aws_to_s3.yml": TELEMETRY,
    f"grep {SYNC} service.log": TELEMETRY,
    "make demo": "tests/contract/test_demo.py",
    "ENDPOINT=http://localhost:9000 BUCKET=my-bucket make demo": "tests/contract/test_demo.py",
    ".venv/bin/python -m examples.demo examples/aws_to_s3_csv.yml": "tests/contract/test_demo.py",
    "pipx install .": "tests/contract/test_wheel.py",
}
NOT_RUN = {
    "make test": "it runs this test",
    "make check": "it runs this test",
    "make help": "it prints the Makefile's own comments; test_docs compares the targets",
    ".venv/bin/python -m pytest -m slow --timeout 3600 -rA tests/faults/test_soak.py": "it is the slow suite",
    "aws s3api put-bucket-lifecycle-configuration --bucket my-bucket --lifecycle-configuration file://lifecycle.json":
        "the AWS CLI is not there; test_the_lifecycle_rule makes the same call",
    "docker run --rm -p 127.0.0.1:7777:7777 -e AWS_ACCESS_KEY_ID -e AWS_SECRET_ACCESS_KEY -e AWS_SESSION_TOKEN "
    "cloudquery-s3": "it needs Docker; CI builds the image and runs it",
    "docker buildx build --platform linux/amd64 --tag docker.cloudquery.io/my-team/destination-s3:v1.2.3-linux-amd64 "
    "--output type=docker,dest=dist/plugin-s3-v1.2.3-linux-amd64.tar .": "it needs Docker; a release does the same",
    "bq mk": "it needs an account of Google Cloud",
    "cloudquery tables config/ --output-dir docs": "tests/unit/catalogs/test_cli_tables.py reads what it has written",
    **dict.fromkeys(
        ("pip install 'cloudquery-destination-s3[iceberg]'", "pip install 'cloudquery-destination-s3[otel]'"),
        "the package is not published; test_wheel installs this one",
    ),
    "aws s3 cp s3://my-bucket/_cloudquery/latest/aws.json - | jq '{entries: .tables.aws_ec2_instances.entries | "
    "map({url, mandatory, meta})}' | aws s3 cp - s3://my-bucket/_cloudquery/copy/aws_ec2_instances.manifest":
        "neither the AWS CLI nor jq is there",
    "aws cloudformation deploy --template-file deploy/aws/lake.yaml --stack-name lake --capabilities CAPABILITY_IAM "
    "--parameter-overrides BucketName=my-bucket": "it needs an AWS account; tests/deploy/test_aws.py reads it",
    "ray job submit --working-dir deploy/ray -- python sync.py /etc/cloudquery --shards 8":
        "tests/deploy/test_ray.py runs the program on a cluster of its own",
    **dict.fromkeys(
        (
            "docker build -t cloudquery-s3 .",
            "docker build -t cloudquery-s3-sync -f deploy/image/Dockerfile deploy/image",
            "docker compose run --rm sync",
            "cd deploy/compose",
            'echo "SYNC_ID=$(uuidgen | tr A-Z a-z)" > sync.env',
        ),
        "it needs Docker; CI builds the image, and tests/deploy/test_compose.py reads the services",
    ),
    **dict.fromkeys(
        (
            "cd deploy/kubernetes/kustomize/sharded",
            "kubectl apply -k .",
            "kubectl wait --for=condition=complete --timeout=6h job/cloudquery-publish",
            'helm install nightly deploy/kubernetes/helm -f my-values.yaml --set schedule="15 3 * * *"',
            ("helm install tonight deploy/kubernetes/helm -f my-values.yaml --set shards=8 --wait --wait-for-jobs "
            "--timeout 6h"),
        ),
        "it needs a cluster; tests/deploy/test_kubernetes.py holds the manifests against the API's schemas",
    ),
    **dict.fromkeys(
        (
            "install -m 644 deploy/systemd/* /etc/systemd/system/",
            "systemctl daemon-reload",
            "systemctl enable --now cloudquery-sync.timer",
        ),
        "it changes the machine; tests/deploy/test_systemd.py reads the units",
    ),
    **dict.fromkeys(
        (
            (
                "aws s3 cp s3://my-bucket/_cloudquery/latest/aws.json - | jq -r '.tables.aws_ec2_instances."
                "entries[].url' | aws s3 cp - s3://my-bucket/_cloudquery/objects/aws_ec2_instances/objects."
                "txt"
            ),
            "aws s3 cp s3://my-bucket/_cloudquery/latest/aws.json latest.json",
            "jq -c '[.tables.aws_ec2_instances.entries[].url]' latest.json",
            (
                'jq -r "[.tables.aws_ec2_instances.entries[].key | ltrimstr(\\"cloudquery/\\") | \\"\'\\(.)\'\\"] '
                '| join(\\", \\")" latest.json'
            ),
        ),
        "neither the AWS CLI nor jq is there",
    ),
}  # fmt: skip


def commands() -> set[str]:
    """The commands of all pages, without comments."""
    found: list[str] = []
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        blocks = re.findall(r"^( *)```(?:sh|bash|console)\n(.*?)^\1```$", text, re.MULTILINE | re.DOTALL)
        lines = [line for _, block in blocks for line in re.sub(r"\\\n\s*", "", block).splitlines()]
        lines += re.findall(r"^    ((?:[A-Z]+=\S+ )*(?:make|\.venv/bin/\S+) .*)$", text, re.MULTILINE)
        found += [re.sub(r"\s+#.*", "", line).strip() for line in lines]
    return {re.sub(r"^bq mk .*", "bq mk", command) for command in found if command}


def test_every_command_is_known() -> None:
    """Each command of a page is in one of the lists, and no list has one that no page shows."""
    assert commands() == RUN_HERE | SERVED_HERE | RUN_ELSEWHERE.keys() | NOT_RUN.keys()
    assert all((ROOT / test).is_file() for test in RUN_ELSEWHERE.values())


@pytest.fixture
def folder(moto: S3Server, tmp_path: Path) -> Path:  # noqa: F811 -- the fixture
    """A folder with what the commands name: two specs, a folder of them, images to publish."""
    place = {"bucket": moto.new_bucket().name, "region": "us-east-1", "endpoint": moto.endpoint, "use_path_style": True}
    (tmp_path / "specs").mkdir()
    for name in ("s3.yml", "other.yml", "specs/one.yml"):
        (tmp_path / name).write_text(yaml.safe_dump(destination(written(**place))), encoding="utf-8")
    (tmp_path / "dist").mkdir()
    (tmp_path / "dist" / "plugin-s3-v1.2.3-linux-amd64.tar").write_bytes(b"image")
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "index.md").write_text("# Start\n", encoding="utf-8")
    return tmp_path


def shell(command: str, folder: Path, server: S3Server) -> subprocess.Popen[str]:
    """Start a command as its reader does, in a shell that finds the program."""
    path = os.pathsep.join((str(program.PROGRAM.parent), os.environ["PATH"]))
    environment = {**os.environ, **server.environment(), "PATH": path}
    return subprocess.Popen(  # noqa: S602 -- the page's own command
        f"exec {command}",
        shell=True,
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


@pytest.mark.parametrize("command", sorted(RUN_HERE))
def test_commands(command: str, folder: Path, moto: S3Server) -> None:  # noqa: F811 -- the fixture
    """The command ends well; what it writes as JSON is JSON."""
    with shell(command, folder, moto) as process:
        output, _ = process.communicate(timeout=60)
    assert process.returncode == 0, output
    for name in re.findall(r"> (\S+\.json)$", command):
        assert json.loads((folder / name).read_text(encoding="utf-8"))
    if command.endswith("version"):
        assert cloudquery_s3.__version__ in output


@pytest.mark.parametrize("command", sorted(SERVED_HERE))
def test_serving(command: str, folder: Path, moto: S3Server) -> None:  # noqa: F811 -- the fixture
    """The service answers, and ends well by Ctrl-C; its port is another here, since others may use the page's."""
    with shell(command.replace(":7777", ":0"), folder, moto) as process:
        assert process.stdout is not None
        serving = re.search(r"serving.*?((?:localhost|127\.0\.0\.1):\d+)", process.stdout.readline())
        assert serving
        with grpc.insecure_channel(serving[1]) as channel:
            grpc.channel_ready_future(channel).result(timeout=30)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
    assert process.returncode == 0


@pytest.mark.parametrize("page", ["operations.md", "guarantees.md"])
def test_the_lifecycle_rule(page: str, moto: S3Server) -> None:  # noqa: F811 -- the fixture
    """The rule against parts that stay behind is one that S3 takes."""
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    (rules,) = (block for block in re.findall(r"```json\n(.*?)```", text, re.DOTALL) if "AbortIncomplete" in block)
    bucket = moto.new_bucket()
    client = moto.client()
    client.put_bucket_lifecycle_configuration(Bucket=bucket.name, LifecycleConfiguration=json.loads(rules))
    (rule,) = client.get_bucket_lifecycle_configuration(Bucket=bucket.name)["Rules"]
    assert rule["AbortIncompleteMultipartUpload"] == {"DaysAfterInitiation": 1}
