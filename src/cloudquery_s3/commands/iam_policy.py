"""The IAM permissions that a spec needs, as policy documents. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from cloudquery_s3.object_key import PLACEHOLDER_PATTERN

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from cloudquery_s3.spec import Spec

Policy = dict[str, Any]

_IN_BRACES: Final = re.compile(r"\{\{[^{}]*\}\}")
_WILDCARDS: Final = str.maketrans({"*": "${*}", "?": "${?}", "$": "${$}"})
_TEST: Final = {"{{TABLE}}": "TEST_TABLE", "{{TABLE_HYPHEN}}": "TEST-TABLE", "{{UUID}}": "TEST_UUID"}


@dataclass(frozen=True, slots=True)
class Policies:
    """What has to be allowed, and to whom.

    Attributes:
        needed: for whoever writes: without it a sync fails.
        helpful: for the same: removes the test object, finds uploads whose creation was not answered, and settles
            whether a large object arrived whose last answer was lost.
        assume: for whoever assumes the role that the spec names; None where it names none.
    """

    needed: Policy
    helpful: Policy
    assume: Policy | None


def policies(spec: Spec) -> Policies:
    """Return the policies for a spec: no wider than its path, its key and its role."""
    bucket, objects = _arns(spec)
    put = ["s3:PutObject", "s3:AbortMultipartUpload", *(["s3:PutObjectAcl"] if spec.acl else [])]
    needed = [_allow("WriteObjects", put, objects(_pattern(spec, {})))]
    if spec.manifest:
        documents = [spec.manifest.path, *([spec.manifest.latest] if spec.manifest.latest else [])]
        needed.append(_allow("WriteManifests", put[:1] + put[2:], [objects(_any(key)) for key in documents]))
    encryption = spec.server_side_encryption_configuration
    if encryption and encryption.server_side_encryption != "AES256":
        needed.append(_kms(encryption.sse_kms_key_id, spec.region))
    needed += _catalogs(spec, objects)
    helpful = [
        _allow("SettleLostAnswers", ["s3:GetObject"], objects(_pattern(spec, {}))),
        _allow("FindOpenUploads", ["s3:ListBucketMultipartUploads"], bucket),
    ]
    if spec.test_write:
        helpful.insert(0, _allow("RemoveTestObject", ["s3:DeleteObject"], objects(_pattern(spec, _TEST))))
    role = spec.credentials.role_arn if spec.credentials else ""
    assume = _document([_allow("AssumeWriter", ["sts:AssumeRole"], role)]) if role else None
    return Policies(_document(needed), _document(helpful), assume)


def _catalogs(spec: Spec, objects: Callable[[str], str]) -> list[Policy]:
    """Return what tables take: Glue's actions, and metadata of Iceberg tables in the bucket."""
    statements = []
    if spec.glue:
        actions = ["glue:CreateTable", "glue:GetTable", "glue:UpdateTable"]
        statements.append(_allow("KeepTables", actions, _glue_arns(spec.region, spec.glue.database)))
    if spec.iceberg:
        warehouse = spec.iceberg.catalog.get("warehouse", "")
        _, _, prefix = warehouse.partition(f"://{spec.bucket}/")
        actions = ["s3:PutObject", "s3:GetObject"]
        place = objects(f"{prefix.strip('/').translate(_WILDCARDS)}/*") if prefix else objects("*")
        statements.append(_allow("WriteTables", actions, place))
        if spec.iceberg.catalog.get("type") == "glue":
            actions = [
                "glue:GetDatabase",
                "glue:CreateDatabase",
                "glue:GetTable",
                "glue:CreateTable",
                "glue:UpdateTable",
            ]
            statements.append(_allow("CommitTables", actions, _glue_arns(spec.region, spec.iceberg.namespace)))
    return statements


def _glue_arns(region: str, database: str) -> list[str]:
    arn = f"arn:{_partition(region)}:glue:{region}:*"
    return [f"{arn}:catalog", f"{arn}:database/{database}", f"{arn}:table/{database}/*"]


def united(documents: Iterable[Mapping[str, Any]]) -> Policy:
    """Return one policy that allows what several allow; ids of statements stay unique, as IAM wants them."""
    statements: list[Policy] = []
    for statement in (part for document in documents for part in document["Statement"]):
        if any(_without_id(known) == _without_id(statement) for known in statements):
            continue
        alike = sum(known["Sid"].rstrip("0123456789") == statement["Sid"] for known in statements)
        statements.append({**statement, "Sid": f"{statement['Sid']}{alike + 1 if alike else ''}"})
    return _document(statements)


def _without_id(statement: Mapping[str, Any]) -> Policy:
    return {name: value for name, value in statement.items() if name != "Sid"}


def _arns(spec: Spec) -> tuple[str, Any]:
    if spec.bucket.startswith("arn:"):  # an access point
        return spec.bucket, lambda pattern: f"{spec.bucket}/object/{pattern}"
    bucket = f"arn:{_partition(spec.region)}:s3:::{spec.bucket}"
    return bucket, lambda pattern: f"{bucket}/{pattern}"


def _partition(region: str) -> str:
    if region.startswith("cn-"):
        return "aws-cn"
    return "aws-us-gov" if region.startswith("us-gov-") else "aws"


def _pattern(spec: Spec, known: Mapping[str, str]) -> str:
    """Return the path with `*` for what varies, as IAM matches keys."""
    values = {"{{FORMAT}}": spec.file_format, **known}
    fixed = PLACEHOLDER_PATTERN.split(spec.path)
    varying = [values.get(name, "*") for name in PLACEHOLDER_PATTERN.findall(spec.path)]
    parts = [fixed[0].translate(_WILDCARDS)]
    for value, literal in zip(varying, fixed[1:], strict=True):
        parts += [value, literal.translate(_WILDCARDS)]
    return re.sub(r"(?<!\{)\*{2,}", "*", "".join(parts))


def _any(key: str) -> str:
    """Return a manifest's key with `*` for each placeholder."""
    return "*".join(literal.translate(_WILDCARDS) for literal in _IN_BRACES.split(key))


def _kms(key: str, region: str) -> Policy:
    """Return what encrypting with a KMS key takes: GenerateDataKey, and Decrypt for the parts of an upload."""
    arn = f"arn:{_partition(region)}:kms:{region}:*"
    actions = ["kms:GenerateDataKey", "kms:Decrypt"]
    alias = key[key.find("alias/") :] if "alias/" in key else ""
    if alias:
        condition = {"ForAnyValue:StringEquals": {"kms:ResourceAliases": alias}}
        return _allow("Encrypt", actions, f"{arn}:key/*") | {"Condition": condition}
    if key:
        return _allow("Encrypt", actions, key if key.startswith("arn:") else f"{arn}:key/{key}")
    via = {"StringEquals": {"kms:ViaService": f"s3.{region}.amazonaws.com"}}
    return _allow("Encrypt", actions, f"{arn}:key/*") | {"Condition": via}


def _allow(name: str, actions: list[str], resource: str | list[str]) -> Policy:
    return {"Sid": name, "Effect": "Allow", "Action": actions, "Resource": resource}


def _document(statements: list[Policy]) -> Policy:
    return {"Version": "2012-10-17", "Statement": statements}
