"""A table as cloud inventories have them: 32 columns, three of JSON, about 1.9 kB a row in Arrow."""

from __future__ import annotations

import json
import random
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa

if TYPE_CHECKING:
    from collections.abc import Callable

TABLE: Final = "aws_ec2_assets"


def _extension(name: str) -> dict[str, str]:
    return {"ARROW:extension:name": name, "ARROW:extension:metadata": f"{name}-serialized"}


def _text(*names: str) -> list[pa.Field]:
    return [pa.field(name, pa.string()) for name in names]


_TIME: Final = pa.timestamp("us", "UTC")
_UUID: Final = _extension("uuid")
_JSON: Final = _extension("json")

SCHEMA: Final = pa.schema(
    [
        pa.field("_cq_sync_time", _TIME),
        pa.field("_cq_source_name", pa.string()),
        pa.field("_cq_id", pa.binary(16), nullable=False, metadata=_UUID),
        pa.field("_cq_parent_id", pa.binary(16), metadata=_UUID),
        *_text("account_id", "region"),
        pa.field("arn", pa.string(), nullable=False, metadata={"cq:extension:primary_key": "true"}),
        *_text("name", "id", "description", "status", "type"),
        *[pa.field(name, _TIME) for name in ("created_at", "updated_at")],
        *[pa.field(name, pa.bool_()) for name in ("enabled", "public")],
        *[pa.field(name, pa.int64()) for name in ("size_bytes", "member_count", "port")],
        pa.field("price", pa.float64()),
        *[pa.field(name, pa.binary(), metadata=_JSON) for name in ("tags", "config", "policy")],
        *[pa.field(name, pa.list_(pa.string())) for name in ("security_groups", "subnet_ids")],
        pa.field("endpoint", pa.struct([("address", pa.string()), ("port", pa.int64()), ("zone", pa.string())])),
        *_text("request_id", "owner", "vpc_id"),
        pa.field("private_ip", pa.binary(), metadata=_extension("inet")),
        pa.field("fingerprint", pa.binary()),
        *_text("kms_key_id"),
    ],
    metadata={"cq:table_name": TABLE, "cq:table_description": "Assets of a cloud account", "cq:table_title": "Assets"},
)

_NOW_US: Final = 1_760_000_000_000_000
_REGIONS: Final = ["us-east-1", "us-east-2", "eu-west-1", "eu-central-1", "ap-southeast-2"]
_WORDS: Final = (
    "alpha prod staging web api worker queue cache billing auth search export ingest report edge".split()  # noqa: SIM905 - a list of words reads best as a sentence
)
_ACTIONS: Final = [
    *("s3:GetObject", "s3:PutObject", "s3:ListBucket", "ec2:DescribeInstances", "kms:Decrypt"),
    *("kms:GenerateDataKey", "logs:PutLogEvents", "sts:AssumeRole", "sqs:SendMessage"),
]
_TAGS: Final = ["Name", "Environment", "Team", "CostCenter", "aws:cloudformation:stack-name", "Owner"]


@dataclass(frozen=True, slots=True)
class _Asset:
    """What the columns of one row have in common."""

    dice: random.Random
    account: str
    region: str
    word: str
    number: str
    name: str
    created_us: int

    def hex(self, digits: int) -> str:
        return f"{self.dice.getrandbits(4 * digits):0{digits}x}"

    def chance(self, probability: float) -> bool:
        return self.dice.random() < probability

    def maybe(self, probability: float, make: Callable[[], Any]) -> Any:
        return make() if self.chance(probability) else None

    def pick(self, *choices: Any) -> Any:
        return self.dice.choice(choices)


def _asset(dice: random.Random, accounts: list[str], row: int) -> _Asset:
    word = dice.choice(_WORDS)
    name = f"{word}-{dice.choice(_WORDS)}-{row % 9973}"
    if row % 50 == 0:
        name += ' "qüoted" 日本'  # a few cells need escaping, and are not ASCII
    created = _NOW_US - dice.randrange(10**14)
    return _Asset(
        dice, dice.choice(accounts), dice.choice(_REGIONS), word, f"{dice.getrandbits(68):017x}", name, created
    )


def _description(asset: _Asset) -> str:
    text = f"Managed by terraform module {asset.word}, owner team {asset.dice.choice(_WORDS)}"
    return text + '\nsecond line\twith tab \\ backslash "quote" \x01' if asset.chance(0.01) else text


def _compact(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def _tags(asset: _Asset) -> bytes:
    names = _TAGS[: asset.dice.randrange(3, 7)]
    return _compact({name: f"{asset.word}-{asset.hex(6)}" for name in names} | {"note": 'café & <b>"x"</b>'})


def _volume(asset: _Asset, number: int) -> dict[str, object]:
    attached = f"2024-0{asset.dice.randrange(1, 10)}-11T10:20:3{asset.dice.randrange(10)}Z"
    volume = f"vol-{asset.hex(17)}"
    ebs = {"AttachTime": attached, "DeleteOnTermination": True, "Status": "attached", "VolumeId": volume}
    return {"DeviceName": f"/dev/sd{'abcdefgh'[number]}", "Ebs": ebs}


def _config(asset: _Asset) -> bytes:
    address = "-".join(str(asset.dice.randrange(256)) for _ in range(3))
    return _compact(
        {
            "InstanceId": f"i-{asset.number}",
            "ImageId": f"ami-{asset.hex(17)}",
            "State": {"Code": 16, "Name": "running"},
            "Monitoring": {"State": "disabled"},
            "Placement": {"AvailabilityZone": f"{asset.region}a", "GroupName": "", "Tenancy": "default"},
            "BlockDeviceMappings": [_volume(asset, number) for number in range(asset.dice.randrange(1, 5))],
            "CpuOptions": {"CoreCount": asset.dice.randrange(1, 64), "ThreadsPerCore": 2},
            "PrivateDnsName": f"ip-10-{address}.ec2.internal",
        }
    )


def _statement(asset: _Asset) -> dict[str, object]:
    return {
        "Sid": f"Stmt{asset.hex(8)}",
        "Effect": "Allow",
        "Principal": {"AWS": f"arn:aws:iam::{asset.account}:role/{asset.dice.choice(_WORDS)}-role"},
        "Action": asset.dice.sample(_ACTIONS, 3),
        "Resource": f"arn:aws:s3:::{asset.word}-{asset.hex(8)}/*",
    }


def _policy(asset: _Asset) -> bytes:
    statements = [_statement(asset) for _ in range(asset.dice.randrange(1, 5))]
    return _compact({"Version": "2012-10-17", "Statement": statements})


def _endpoint(asset: _Asset) -> dict[str, object]:
    host = f"{asset.name.split(' ', maxsplit=1)[0]}.{asset.hex(8)}.{asset.region}.rds.amazonaws.com"
    return {"address": host, "port": 5432, "zone": f"{asset.region}a"}


def _random_uuid(asset: _Asset) -> str:
    return str(uuid.UUID(int=asset.dice.getrandbits(128)))


_COLUMNS: Final[dict[str, Callable[[_Asset], Any]]] = {
    "_cq_sync_time": lambda _: _NOW_US,
    "_cq_source_name": lambda _: "aws-main",
    "_cq_id": lambda a: a.dice.randbytes(16),
    "_cq_parent_id": lambda a: a.maybe(0.3, lambda: a.dice.randbytes(16)),
    "account_id": lambda a: a.account,
    "region": lambda a: a.region,
    "arn": lambda a: f"arn:aws:ec2:{a.region}:{a.account}:instance/i-{a.number}",
    "name": lambda a: a.name,
    "id": lambda a: f"i-{a.number}",
    "description": lambda a: a.maybe(0.7, lambda: _description(a)),
    "status": lambda a: a.pick("running", "stopped", "available", "pending"),
    "type": lambda a: a.pick("t3.micro", "m6i.large", "c7g.xlarge", "r6a.2xlarge", "db.t4g.medium"),
    "created_at": lambda a: a.created_us,
    "updated_at": lambda a: a.maybe(0.9, lambda: a.created_us + a.dice.randrange(10**12)),
    "enabled": lambda a: a.chance(0.8),
    "public": lambda a: a.maybe(0.9, lambda: a.chance(0.05)),
    "size_bytes": lambda a: a.dice.getrandbits(40),
    "member_count": lambda a: a.dice.randrange(100),
    "port": lambda a: a.pick(80, 443, 5432, 3306, None),
    "price": lambda a: a.maybe(0.95, lambda: a.dice.random() * 10),
    "tags": lambda a: a.maybe(0.9, lambda: _tags(a)),
    "config": _config,
    "policy": lambda a: a.maybe(0.7, lambda: _policy(a)),
    "security_groups": lambda a: [f"sg-{a.hex(17)}" for _ in range(a.dice.randrange(4))],
    "subnet_ids": lambda a: a.maybe(0.8, lambda: [f"subnet-{a.hex(17)}" for _ in range(a.dice.randrange(1, 3))]),
    "endpoint": lambda a: a.maybe(0.7, lambda: _endpoint(a)),
    "request_id": _random_uuid,
    "owner": lambda a: f"{a.dice.choice(_WORDS)}@example.com",
    "vpc_id": lambda a: f"vpc-{a.account}",
    "private_ip": lambda a: f"10.{a.dice.randrange(256)}.{a.dice.randrange(256)}.{a.dice.randrange(256)}/32".encode(),
    "fingerprint": lambda a: a.maybe(0.5, lambda: a.dice.randbytes(32)),
    "kms_key_id": lambda a: a.maybe(0.5, lambda: f"arn:aws:kms:{a.region}:{a.account}:key/{_random_uuid(a)}"),
}


def assets(rows: int, *, seed: int = 1) -> pa.RecordBatch:
    """Return rows of the table, the same ones for the same seed."""
    dice = random.Random(seed)  # noqa: S311 - reproducible data, no secret
    accounts = [f"{dice.randrange(10**12):012d}" for _ in range(20)]
    made = [_asset(dice, accounts, row) for row in range(rows)]
    return pa.record_batch(
        [pa.array([_COLUMNS[field.name](asset) for asset in made], field.type) for field in SCHEMA], schema=SCHEMA
    )
