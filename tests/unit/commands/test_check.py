"""`check`: what it finds, what it shows, how it ends."""

from __future__ import annotations

import json
import re
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
import yaml

import program
from program import as_yaml, destination
from s3_servers import moto  # noqa: F401 -- a fixture
from specs import LEFT_OUT, written

if TYPE_CHECKING:
    from pathlib import Path

    from s3_servers import S3Server


def check(folder: Path, *documents: object, **environment: str) -> program.Said:
    """Check these documents."""
    return program.run("check", as_yaml(folder, *documents), folder=folder, **environment)


def test_good_spec(tmp_path: Path) -> None:
    """A good spec ends with 0, and shows the example table's key and the test object's."""
    said = check(tmp_path, destination(written(path="a/{{TABLE}}/{{UUID}}.{{FORMAT}}", compression="gzip")))
    assert said.status == 0
    assert re.search(r"s3://b/a/aws_ec2_instances/[0-9a-f-]{36}\.json\.gz$", said.output, re.MULTILINE)
    assert "s3://b/a/TEST_TABLE/TEST_UUID.json.gz\n" in said.output
    assert said.output.endswith("1 S3 destination checked: 0 problems, 0 warnings\n")


def test_table_option(tmp_path: Path) -> None:
    """`--table` chooses the table whose key is shown."""
    spec = as_yaml(tmp_path, written(path="{{TABLE_HYPHEN}}/{{UUID}}"))
    assert "s3://b/my-table/" in program.run("check", spec, "--table", "my_table").output


def test_keys_with_partitions(tmp_path: Path) -> None:
    """Of a path with columns, a key with values is shown, and one of rows that have none."""
    path = "{{TABLE}}/r={{COLUMN:region}}/d={{DATE:created_at}}/x={{COLUMN:x}}/{{UUID}}"
    said = check(tmp_path, destination(written(path=path)))
    assert said.status == 0
    assert re.search(
        r"s3://b/aws_ec2_instances/r=eu-west-1/d=\d{4}-\d\d-\d\d/x=some-x/[0-9a-f-]{36}$", said.output, re.MULTILINE
    )
    nowhere = "__HIVE_DEFAULT_PARTITION__"
    assert f"s3://b/aws_ec2_instances/r={nowhere}/d={nowhere}/x={nowhere}/" in said.output


@pytest.mark.parametrize(("column", "warnings"), [("_cq_id", 1), ("arn", 0), ("name", 0), ("_cq_source_name", 0)])
def test_partitions_that_are_surely_many(column: str, warnings: int, tmp_path: Path) -> None:
    """A column that is another in every row is warned of as a partition; of others nothing is known."""
    said = check(tmp_path, destination(written(path=f"{{{{TABLE}}}}/{{{{COLUMN:{column}}}}}/{{{{UUID}}}}")))
    assert said.status == 0
    found = [warning for warning in said.findings("warning") if "is another in every row" in warning]
    assert len(found) == warnings


def test_everything_at_once(tmp_path: Path) -> None:
    """All problems are said, around the plugin's spec and in it, and the exit code is 1."""
    spec = written(bucket=LEFT_OUT, path="/x", acl="open", batch_timeout="soon", part_size="5", nonsense=1)
    said = check(tmp_path, destination(spec, write_mode="overwrite-delete-stale", batch_size=1))
    assert said.status == 1
    fields = {problem.partition(":")[0] for problem in said.findings("problem")}
    assert fields == {"batch_size", "write_mode", "part_size", "batch_timeout", "bucket", "path", "acl"}
    assert [warning.partition(":")[0] for warning in said.findings("warning")] == ["nonsense"]


@pytest.mark.parametrize(
    ("mode", "problems", "warnings"),
    [("append", 0, 0), ("overwrite", 0, 1), ("overwrite-delete-stale", 1, 0), (None, 1, 0)],
)
def test_write_mode(mode: str | None, problems: int, warnings: int, tmp_path: Path) -> None:
    """Only `append` goes without saying; a mode that deletes, as the CLI's default does, is a problem."""
    document: dict[str, Any] = destination(written())
    document["spec"].pop("write_mode")
    document["spec"] |= {"write_mode": mode} if mode else {}
    said = check(tmp_path, document)
    assert (len(said.findings("problem")), len(said.findings("warning"))) == (problems, warnings)


@pytest.mark.parametrize("mode", ["append", "overwrite", "overwrite-delete-stale", None])
def test_write_mode_with_tables(mode: str | None, tmp_path: Path) -> None:
    """With Iceberg tables every mode is well, the CLI's default included."""
    document: dict[str, Any] = destination(written(format="parquet", iceberg={"catalog": {"type": "glue"}}))
    document["spec"].pop("write_mode")
    document["spec"] |= {"write_mode": mode} if mode else {}
    said = check(tmp_path, document)
    assert said.status == 0, said.output
    assert "glue:UpdateTable" in said.output


def test_other_documents_are_passed_over(tmp_path: Path) -> None:
    """Sources, and destinations that the CLI downloads by another name, are not this plugin's."""
    others = [
        {"name": "pg", "path": "cloudquery/postgresql", "spec": {}},
        {"name": "pg2", "registry": "local", "path": "/opt/s3/postgresql", "spec": {"connection_string": "x"}},
        {"name": "gcs", "registry": "grpc", "path": "localhost:1", "spec": written()},
    ]
    documents = [{"kind": "destination", "spec": other} for other in others]
    said = check(tmp_path, {"kind": "source", "spec": {}}, *documents, destination(written()))
    assert said.status == 0
    assert "1 S3 destination checked: 0 problems, 0 warnings" in said.output
    alone = check(tmp_path, *documents)
    assert alone.findings("problem") == [
        "there is no S3 destination in it; passed over: pg, pg2, gcs; choose one with --destination"
    ]
    assert alone.findings("note") == said.findings("note")


def test_destinations_that_could_be_ours(tmp_path: Path) -> None:
    """What the CLI does not download and is not called s3 is not checked, whatever its spec says; a note says how."""
    places = [("local", "/opt/writer"), ("grpc", "localhost:1"), ("docker", "images/writer:v1")]
    documents = [destination(written(), name=f"x-{one}", registry=one, path=path) for one, path in places]
    said = check(tmp_path, *documents, destination(written()))
    assert said.status == 0
    assert "1 S3 destination checked: 0 problems, 0 warnings" in said.output
    assert [note.split("with ")[1] for note in said.findings("note")] == [
        f"--destination x-{registry}" for registry, _ in places
    ]
    found = json.loads(program.run("check", as_yaml(tmp_path, *documents), "--json").output)
    assert [one["level"] for one in found["findings"]] == ["note"] * 3 + ["problem"]


def test_one_destination_by_name(tmp_path: Path) -> None:
    """`--destination` has that one checked, whatever it is called, and no other; one that is not there is a problem."""
    file = as_yaml(
        tmp_path, destination(written(region=LEFT_OUT), path="localhost:7777"), destination(written(), name="s3")
    )
    for name, problem in [("lake", "region: is missing"), ("s3", None)]:
        said = program.run("check", file, "--destination", name)
        assert said.output.endswith(
            f"1 S3 destination checked: {1 if problem else 0} problem{'' if problem else 's'}, 0 warnings\n"
        )
        assert [one.partition(";")[0] for one in said.findings("problem")] == ([problem] if problem else [])
        assert not said.findings("note")
    (missing,) = program.run("check", file, "--destination", "lakes").findings("problem")
    assert missing == "there is no destination lakes in it; passed over: lake, s3; choose one with --destination"


@pytest.mark.parametrize(
    "outer",
    [
        {"name": "my-s3"},
        {"name": "S3"},
        {"registry": "local", "path": "/opt/cloudquery-s3"},
        {"registry": "docker", "path": "images/plugin-s3:v1"},
        {"registry": "grpc", "path": "s3.plugins.svc:7777"},
    ],
)
def test_named_s3(outer: dict[str, Any], tmp_path: Path) -> None:
    """A destination whose name or program has s3 in it is this plugin's, however little its spec says."""
    assert (
        "bucket: is missing"
        in check(tmp_path, destination({}, **{"name": "lake", "path": "localhost:7777", **outer})).output
    )


def test_nothing_to_check(tmp_path: Path) -> None:
    """A file without an S3 destination is a problem, not silence."""
    said = check(tmp_path, {"kind": "source", "spec": {}})
    assert said.status == 1
    assert "there is no S3 destination in it" in said.output


def test_the_go_plugin(tmp_path: Path) -> None:
    """A spec that would start the Go plugin is checked, with a warning that it does."""
    said = check(tmp_path, destination(written(), registry="cloudquery", path="cloudquery/s3", version="v7.0.0"))
    assert said.status == 0
    assert "starts the Go plugin" in said.findings("warning")[0]


def test_local_path(tmp_path: Path) -> None:
    """`registry: local` with a path that is no program from here is a problem; the program's own is none."""
    for path in ("cloudquery-s3", str(tmp_path), __file__):
        missing = check(tmp_path, destination(written(), name="s3", registry="local", path=path))
        assert "is not a program" in missing.findings("problem")[0]
    assert check(tmp_path, destination(written(), registry="local", path=str(program.PROGRAM))).status == 0


@pytest.mark.parametrize(
    ("outer", "problem"),
    [
        ({"write_mod": "append"}, "write_mod: is not a key of a destination; did you mean write_mode?"),
        ({"write_mode": "merge"}, "write_mode: merge is not a mode"),
        ({"registry": "locale"}, "registry: locale is not one of"),
        ({"registry": "cloudquery", "path": "cloudquery/s3"}, "version: is missing"),
        ({"name": ""}, "name: is missing"),
    ],
)
def test_around_the_spec(outer: dict[str, Any], problem: str, tmp_path: Path) -> None:
    """What the CLI refuses around the plugin's spec is a problem."""
    (found,) = check(tmp_path, destination(written(), **outer)).findings("problem")
    assert found.startswith(problem)


def test_two_of_one_name(tmp_path: Path) -> None:
    """Two destinations of one name are a problem; an unknown kind is one too."""
    twice = check(tmp_path, destination(written()), destination(written()))
    assert twice.findings("problem") == ["name: two destinations are called lake; give each its own"]
    assert "did you mean destination?" in check(tmp_path, {"kind": "destinaton", "spec": {}}).findings("problem")[0]


@pytest.mark.parametrize(
    ("place", "problem"),
    [
        ({"bucket": "my-bucket/prefix"}, 'bucket: is the bucket\'s name alone; write "my-bucket"'),
        ({"bucket": "arn:aws:s3:::my-bucket"}, "bucket: is a bucket's ARN"),
        ({"bucket": "s3a://my-bucket/x"}, "bucket: is the bucket's name alone; remove"),
        ({"bucket": "my-bucket\n"}, "bucket: must not contain a space or a line end"),
        ({"bucket": "MyBucket"}, "bucket: MyBucket cannot be"),
        ({"bucket": "my_bucket"}, "bucket: my_bucket cannot be"),
        ({"bucket": "my-bucket.s3.eu-west-1.amazonaws.com"}, "bucket: is a host's name"),
        ({"bucket": "lake--use1-az4--x-s3"}, "bucket: directory buckets"),
        ({"bucket": "arn:aws:s3::123456789012:accesspoint/x.mrap"}, "bucket: multi-region access points"),
        ({"region": "eu-central-1a"}, 'region: "eu-central-1a" is a zone; write its region, eu-central-1'),
        ({"region": "us-west-2-lax-1a"}, 'region: "us-west-2-lax-1a" is a zone; write its region, us-west-2'),
        ({"region": "use1-az1"}, 'region: "use1-az1" is a zone'),
        ({"region": "EU_CENTRAL_1"}, 'region: EU_CENTRAL_1 is no region; write "eu-central-1"'),
        ({"region": "eu-central-1\n"}, "region: must not contain a space"),
    ],
)
def test_places_that_cannot_be(place: dict[str, str], problem: str, tmp_path: Path) -> None:
    """A bucket or a region that cannot be is a problem, with the name that was meant."""
    (found,) = check(tmp_path, destination(written(**place))).findings("problem")
    assert found.startswith(problem)


@pytest.mark.parametrize(
    "place",
    [
        {"bucket": "arn:aws:s3:eu-west-1:123456789012:accesspoint/ap"},
        {"bucket": "my.bucket-1"},
        {"bucket": "Old_Bucket", "region": "us-east-1"},
        {"bucket": "MyBucket", "region": "fsn1-a", "endpoint": "https://store.example"},
        {"region": "us-gov-west-1"},
        {"region": "cn-north-1"},
    ],
)
def test_places_that_can_be(place: dict[str, str], tmp_path: Path) -> None:
    """Access points, old names in us-east-1, and whatever another store may call its own are taken."""
    assert check(tmp_path, destination(written(**place))).status == 0


def test_another_store_by_the_environment(tmp_path: Path) -> None:
    """What AWS cannot have is no problem where the environment names another store."""
    spec = destination(written(bucket="MyBucket"))
    assert check(tmp_path, spec, AWS_ENDPOINT_URL_S3="https://store.example").status == 0


def test_warnings_beside_problems(tmp_path: Path) -> None:
    """A problem hides no warning, of the path or of another option."""
    path = "_x/date={{YEAR}}/{{TABLE}}/{{UUID}}.parquet"
    said = check(tmp_path, destination(written(path=path, acl="open", batch_size_bytes=2**40, gzip_level=1)))
    assert [problem.partition(":")[0] for problem in said.findings("problem")] == ["acl"]
    fields = [warning.partition(":")[0] for warning in said.findings("warning")]
    assert fields == ["path", "path", "batch_size_bytes", "gzip_level", "path"]


def test_variables_of_other_documents(tmp_path: Path) -> None:
    """A variable that a source lacks is a warning: the spec of the destination is complete."""
    said = check(tmp_path, {"kind": "source", "spec": {"name": "src", "spec": {"a": "${NO}"}}}, destination(written()))
    assert said.status == 0
    assert said.findings("warning") == ["src: ${NO}: the environment has no such variable"]


def test_unset_variables(tmp_path: Path) -> None:
    """Every variable without a value is named, and nothing else is said of the options that hold them."""
    said = check(tmp_path, destination(written(endpoint="${NO_A}", acl="${NO_B}")))
    assert said.status == 1
    assert said.findings("problem") == [
        "${NO_B}: the environment has no such variable",
        "${NO_A}: the environment has no such variable",
    ]
    assert check(tmp_path, destination(written(bucket="${SOME}")), SOME="x").status == 0


def test_several_files(tmp_path: Path) -> None:
    """Several files and folders are checked, each of which has to have an S3 destination."""
    good = as_yaml(tmp_path, destination(written())).rename(tmp_path / "good.yml")
    empty = as_yaml(tmp_path, {"kind": "source", "spec": {}})
    said = program.run("check", good, empty)
    assert said.status == 1
    assert "1 S3 destination checked: 1 problem" in said.output
    assert f"{empty}: problem: there is no S3 destination" in said.output


def test_standard_input() -> None:
    """`-` reads a file from standard input."""
    text = yaml.safe_dump(destination(written()))
    done = subprocess.run([program.PROGRAM, "check", "-"], input=text, capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert "standard input: lake: key of" in done.stdout


def test_json(tmp_path: Path) -> None:
    """`--json` prints one document with every finding, key and policy."""
    spec = as_yaml(tmp_path, destination(written(gzip_level=1)), destination(written(acl="x"), name="other"))
    said = program.run("check", spec, "--json")
    found = json.loads(said.output)
    assert (said.status, found["destinations"], found["problems"], found["warnings"]) == (1, 2, 1, 1)
    assert [(one["level"], one["where"]) for one in found["findings"]] == [
        ("warning", f"{spec}: lake"),
        ("problem", f"{spec}: other"),
    ]
    assert found["keys"][f"{spec}: lake"]["the test object"] == "s3://b/TEST_TABLE/TEST_UUID.json"
    assert found["policies"][f"{spec}: lake"]["needed"]["Version"] == "2012-10-17"


def test_policy(tmp_path: Path) -> None:
    """`--policy` prints the one policy that all destinations need, and findings to stderr."""
    encryption = {"server_side_encryption": "aws:kms"}
    spec = as_yaml(
        tmp_path,
        destination(written(gzip_level=1)),
        destination(written(bucket="c", server_side_encryption_configuration=encryption), name="two"),
        destination(written(), name="three"),
    )
    said = program.run("check", spec, "--policy")
    assert said.status == 0
    statements = json.loads(said.output)["Statement"]
    assert [part["Sid"] for part in statements] == ["WriteObjects", "WriteObjects2", "Encrypt"]
    assert "gzip_level" in said.errors
    broken = program.run("check", as_yaml(tmp_path, destination(written(acl="x"))), "--policy")
    assert (broken.status, broken.output) == (1, "")
    assert program.run("check", spec, "--policy", "--json").status == 2


def test_folder(tmp_path: Path) -> None:
    """A folder stands for all the YAML files in it."""
    for name in ("a.yml", "b.yaml", "c.txt", ".d.yml"):
        as_yaml(tmp_path, written()).rename(tmp_path / name)
    assert "2 S3 destinations checked" in program.run("check", tmp_path).output


def test_no_yaml(tmp_path: Path) -> None:
    """A file that is not YAML is a problem at a line, with no word of its content."""
    file = tmp_path / "spec.yml"
    file.write_text("bucket: secret\npath: {{TABLE}}/{{UUID}}\n", encoding="utf-8")
    said = program.run("check", file)
    assert said.status == 1
    assert "line 2" in said.output
    assert "put quotes around a value that begins with {{" in said.output
    assert "secret" not in said.output


def test_broken_documents_hide_no_others(tmp_path: Path) -> None:
    """Of a file with documents that are not YAML each is a problem at its line, and the others are checked."""
    file = tmp_path / "spec.yml"
    good = yaml.safe_dump(destination(written(acl="x")))
    file.write_text(f"a: [\n---\n{good}\n---\nb: {{{{x\n", encoding="utf-8")
    first, last, of_spec = sorted(program.run("check", file).findings("problem"), key=lambda text: "acl" in text)
    assert "is not YAML" in first
    assert "is not YAML" in last
    assert of_spec.startswith("acl: x is not one of")


def test_no_secrets(tmp_path: Path) -> None:
    """An external id and the value of a variable never appear."""
    credentials = {"role_arn": "arn:aws:iam::123456789012:role/w", "external_id": "${EXTERNAL}"}
    said = check(tmp_path, destination(written(credentials=credentials)), EXTERNAL="very-secret")
    assert said.status == 0
    assert "very-secret" not in said.output


def test_key_too_long(tmp_path: Path) -> None:
    """A table whose key S3 would refuse is a problem."""
    spec = as_yaml(tmp_path, written(path="{{TABLE}}/{{UUID}}"))
    said = program.run("check", spec, "--table", "x" * 1000)
    assert said.status == 1
    assert "1024" in said.findings("problem")[0]


def test_policies_are_json(tmp_path: Path) -> None:
    """Without a terminal each policy is JSON that can be cut out of the output."""
    said = check(tmp_path, written(credentials={"role_arn": "arn:aws:iam::123456789012:role/w"}))
    documents = re.findall(r"^\{$.*?^\}$", said.output, re.MULTILINE | re.DOTALL)
    actions = [{action for part in json.loads(text)["Statement"] for action in part["Action"]} for text in documents]
    assert actions == [
        {"s3:PutObject", "s3:AbortMultipartUpload"},
        {"s3:DeleteObject", "s3:GetObject", "s3:ListBucketMultipartUploads"},
        {"sts:AssumeRole"},
    ]


def test_connect(tmp_path: Path, moto: S3Server) -> None:  # noqa: F811 -- the fixture
    """`--connect` writes the test object into the bucket and removes it, even where a sync would not write one."""
    bucket = moto.new_bucket()
    spec = written(
        bucket=bucket.name, region="us-east-1", endpoint=moto.endpoint, use_path_style=True, test_write=False
    )
    said = program.run("check", as_yaml(tmp_path, spec), "--connect", **moto.environment())
    assert said.status == 0, said.output
    assert said.findings("ok") == ["the test object was written"]
    assert not bucket.objects()


def test_connect_fails(tmp_path: Path, moto: S3Server) -> None:  # noqa: F811 -- the fixture
    """`--connect` says why a bucket cannot be written to, and ends with 1."""
    spec = written(bucket="no-such-bucket", region="us-east-1", endpoint=moto.endpoint, use_path_style=True)
    said = program.run("check", as_yaml(tmp_path, spec), "--connect", **moto.environment())
    assert said.status == 1
    assert 'bucket "no-such-bucket" does not exist' in said.findings("problem")[0]


def test_connect_tries_glue(tmp_path: Path, moto: S3Server) -> None:  # noqa: F811 -- the fixture
    """`--connect` asks Glue for a table: a database that is missing is a problem where Glue is required."""
    place = {"bucket": moto.new_bucket().name, "region": "us-east-1", "endpoint": moto.endpoint}
    environment = {**moto.environment(), "AWS_ENDPOINT_URL_GLUE": moto.endpoint}
    moto.client("glue").create_database(DatabaseInput={"Name": "present"})

    def said(**glue: Any) -> program.Said:
        spec = written(**place, use_path_style=True, format="parquet", glue=glue)
        return program.run("check", as_yaml(tmp_path, spec), "--connect", **environment)

    assert said(database="present", required=True).findings("ok") == ["the test object was written", "Glue answered"]
    assert said(database="absent").findings("warning")[0].startswith("Glue has no database absent in us-east-1: create")
    missing = said(database="absent", required=True)
    assert (missing.status, len(missing.findings("problem"))) == (1, 1)
    environment["AWS_ENDPOINT_URL_GLUE"] = "http://127.0.0.1:1"
    refused = said(database="present", required=True)
    assert refused.findings("problem")[0].startswith("Glue cannot be asked for tables of database present: ")


def test_connect_tries_the_iceberg_catalogue(tmp_path: Path, moto: S3Server) -> None:  # noqa: F811 -- the fixture
    """`--connect` asks the Iceberg catalogue for the namespace: one that cannot be opened is a problem."""
    place = {"bucket": moto.new_bucket().name, "region": "us-east-1", "endpoint": moto.endpoint}
    uris = {f"sqlite:///{tmp_path}/catalog.db": 0, f"sqlite:///{tmp_path}/no/catalog.db": 1}
    for uri, status in uris.items():
        iceberg = {"catalog": {"type": "sql", "uri": uri}}
        spec = written(**place, use_path_style=True, format="parquet", iceberg=iceberg)
        said = program.run("check", as_yaml(tmp_path, spec), "--connect", **moto.environment())
        assert said.status == status, said.output
        if status:
            assert said.findings("problem")[0].startswith("the Iceberg catalogue ")
        else:
            assert said.findings("ok") == ["the test object was written", "the Iceberg catalogue answered"]


def test_nothing_is_sent_without_connect(tmp_path: Path) -> None:
    """Without `--connect` a good spec passes though nobody listens at its endpoint."""
    assert check(tmp_path, destination(written(endpoint="http://127.0.0.1:1"))).status == 0
