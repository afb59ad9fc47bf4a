"""The CloudFormation template: linted, deployed on moto, and synced into with the role that it makes.

moto makes no bucket policy, no lifecycle rule and no Glue database of a template: these are linted only.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
import yaml

import cloudquery_cli as cli
import recipes
import rows
from cloudquery_s3.commands.iam_policy import policies
from cloudquery_s3.spec import Spec
from recipes import DEPLOY
from s3_servers import REGION, enforced_permissions, isolated_environment, moto  # noqa: F401 -- the last is a fixture
from specs import INVOCATION_ID

if TYPE_CHECKING:
    from pathlib import Path

    from s3_servers import S3Server

TEMPLATE = DEPLOY / "aws" / "lake.yaml"
SPEC = (DEPLOY / "aws" / "s3.yml").read_text(encoding="utf-8")
BUCKET = "recipe-lake"
pytestmark = pytest.mark.filterwarnings("ignore:Tried to parse:UserWarning")

TRUSTS = {
    "account": {},
    "principal": {"TrustedPrincipal": "arn:aws:iam::123456789012:user/admin"},
    "eks": {"EksIssuer": "oidc.eks.us-east-1.amazonaws.com/id/0123456789ABCDEF"},
    "github": {"GitHubRepository": "owner/name"},
}


@pytest.fixture(scope="module")
def stack(request: pytest.FixtureRequest, moto: S3Server) -> Any:  # noqa: F811 -- the fixture's name
    """The bucket and the outputs of a stack; `request.param` names who is trusted."""
    bucket = f"{BUCKET}-{request.param}"
    parameters = {"BucketName": bucket, "DatabaseName": f"db_{request.param}", **TRUSTS[request.param]}
    formation = moto.client("cloudformation")
    formation.create_stack(
        StackName=f"lake-{request.param}",
        TemplateBody=TEMPLATE.read_text(encoding="utf-8"),
        Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()],
        Capabilities=["CAPABILITY_IAM"],
    )
    (made,) = formation.describe_stacks(StackName=f"lake-{request.param}")["Stacks"]
    assert made["StackStatus"] == "CREATE_COMPLETE", made
    return {"bucket": bucket} | {output["OutputKey"]: output["OutputValue"] for output in made["Outputs"]}


def wanted(bucket: str) -> dict[str, Any]:
    """The policy that `check` prints as needed for the recipe's spec."""
    text = SPEC.replace("${BUCKET}", bucket).replace("${AWS_REGION}", REGION)
    spec = Spec.parse(json.dumps(yaml.safe_load(text)["spec"]["spec"]).encode(), invocation_id=INVOCATION_ID)
    return policies(spec).needed


def written(iam: Any, role: str) -> Any:
    """The writer's policy; moto gives a template's as Python prints it, which is YAML as well."""
    document = iam.get_role_policy(RoleName=role, PolicyName="write")["PolicyDocument"]
    return yaml.safe_load(document) if isinstance(document, str) else document


def test_cfn_lint_finds_nothing() -> None:
    """cfn-lint has neither an error nor a warning about the template."""
    recipes.said_nothing_wrong(recipes.run(cli.PLUGIN.with_name("cfn-lint"), TEMPLATE))


@pytest.mark.parametrize("stack", ["account"], indirect=True)
def test_the_writer_may_do_what_check_prints(stack: dict[str, str], moto: S3Server) -> None:  # noqa: F811
    """The writer's policy is, statement by statement, what `cloudquery-s3 check` prints for the recipe's spec."""
    name = stack["WriterArn"].rpartition("/")[2]
    iam = moto.client("iam")
    assert iam.list_attached_role_policies(RoleName=name)["AttachedPolicies"] == []
    assert iam.list_role_policies(RoleName=name)["PolicyNames"] == ["write"]
    assert written(iam, name) == wanted(stack["bucket"])


@pytest.mark.parametrize("stack", ["principal", "eks", "github"], indirect=True)
def test_who_is_trusted(request: pytest.FixtureRequest, stack: dict[str, str], moto: S3Server) -> None:  # noqa: F811
    """Each way of trusting names who is trusted, and web identities are bound to one subject each."""
    kind = request.node.callspec.params["stack"]
    (value,) = TRUSTS[kind].values()
    for role, account in ((stack["WriterArn"], "cloudquery-sync"), (stack["PublisherArn"], "cloudquery-publish")):
        document = moto.client("iam").get_role(RoleName=role.rpartition("/")[2])["Role"]["AssumeRolePolicyDocument"]
        document = json.loads(document) if isinstance(document, str) else document
        (statement,) = document["Statement"]
        if kind == "principal":
            assert statement["Principal"] == {"AWS": value}
            continue
        subjects = {key.rpartition(":")[2]: one for key, one in statement["Condition"]["StringEquals"].items()}
        assert subjects["aud"] == "sts.amazonaws.com"
        expected = {"eks": f"system:serviceaccount:default:{account}", "github": f"repo:{value}:ref:refs/heads/main"}
        assert subjects["sub"] == expected[kind]


@pytest.mark.cli
@pytest.mark.parametrize("stack", ["account"], indirect=True)
def test_a_sync_into_the_stack(stack: dict[str, str], moto: S3Server, tmp_path: Path) -> None:  # noqa: F811
    """With the writer's credentials, and permissions enforced, a sync brings its rows into the bucket, encrypted."""
    name = stack["WriterArn"].rpartition("/")[2]
    iam = moto.client("iam")
    document = written(iam, name)
    # moto's check of permissions trips over a policy that came by a template: the same one, put by itself
    iam.put_role_policy(RoleName=name, PolicyName="write", PolicyDocument=json.dumps(document))
    assumed = moto.client("sts").assume_role(RoleArn=stack["WriterArn"], RoleSessionName="sync")["Credentials"]
    variables = {
        **isolated_environment(),
        "AWS_ACCESS_KEY_ID": assumed["AccessKeyId"],
        "AWS_SECRET_ACCESS_KEY": assumed["SecretAccessKey"],
        "AWS_SESSION_TOKEN": assumed["SessionToken"],
        "AWS_REGION": REGION,
        "AWS_ENDPOINT_URL_S3": moto.endpoint,
        "BUCKET": stack["bucket"],
    }
    destination = yaml.safe_load(SPEC)
    destination["spec"]["path"] = str(cli.PLUGIN)
    batch = rows.batch("aws_regions", [1, 2, 3])
    script = [("migrate", batch.schema), ("insert", batch)]
    with cli.scripted_source(lambda: iter(script), [batch.schema]) as address, enforced_permissions(moto):
        source = cli.source(address, destinations=("s3",))
        done = cli.run("sync", source, destination, folder=tmp_path, environment=variables)
    assert done.status == 0, done.output
    s3 = moto.client()
    keys = [item["Key"] for item in s3.list_objects_v2(Bucket=stack["bucket"])["Contents"]]
    assert [key.split("/")[1] for key in keys if key.endswith(".parquet")] == ["aws_regions"]
    for key in keys:
        assert s3.head_object(Bucket=stack["bucket"], Key=key)["ServerSideEncryption"] == "aws:kms"
