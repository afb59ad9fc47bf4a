"""With manifests on, every request failing in every way: `complete` is said of what is complete, and nothing else."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING, Any, Final

import pytest
from jsonschema import Draft202012Validator

from cloudquery_s3.publication.manifest import json_schema
from faults.delivery import LARGE, MAY_BE_THERE, SMALL, Delivery, by_table, read
from faults.proxy import Fault, fault_proxy
from faults.test_faults import FAULTS, SOME, Case, credentials, every_case, way  # noqa: F401 -- one is a fixture
from s3_servers import Bucket, real_server  # noqa: F401 -- a fixture

if TYPE_CHECKING:
    import pyarrow as pa

    from s3_servers import S3Server

pytestmark = [pytest.mark.server]

VALIDATOR: Final = Draft202012Validator(json.loads(json_schema()))
HOME: Final = "_cloudquery/"
SOONER: Final = [case for case in SOME if case.operation in {"PutObject", "CompleteMultipartUpload"}]
OBJECTS: Final = 4
"""So many objects `SMALL` becomes: the next request is the manifest's."""


class DataOf(Bucket):
    """A bucket without the documents that are in it too."""

    def objects(self) -> dict[str, bytes]:
        return {key: data for key, data in super().objects().items() if not key.startswith(HOME)}


def manifests(bucket: Bucket) -> list[dict[str, Any]]:
    """The manifests of a bucket; each fits the schema."""
    found = [json.loads(data) for key, data in Bucket.objects(bucket).items() if key.startswith(HOME)]
    for one in found:
        VALIDATOR.validate(one)
    return found


def listed_rows(bucket: Bucket, manifest: dict[str, Any], file_format: str) -> dict[str, dict[int, str]]:
    """The rows of the objects that a manifest lists, by table; each is there once, and as large as it says."""
    objects = bucket.objects()
    tables: dict[str, dict[int, str]] = {}
    for name, table in manifest["tables"].items():
        for entry in table["entries"]:
            content = read(objects[entry["key"]], file_format)
            assert entry["meta"] == {"content_length": len(objects[entry["key"]]), "record_count": len(content)}
            assert not tables.setdefault(name, {}).keys() & content.keys(), "a row is listed twice"
            tables[name].update(content)
    return tables


def hold(delivery: Delivery, bucket: Bucket, sent: list[pa.RecordBatch]) -> None:
    """Hold what the manifest says against what was sent, and what the Write has answered."""
    delivery.check(bucket)
    found = manifests(bucket)
    if delivery.error is None:
        (manifest,) = found
        assert manifest["status"] == "complete"
        assert listed_rows(bucket, manifest, delivery.file_format) == by_table(sent)
        return
    for manifest in found:
        assert manifest["status"] == "failed"
        assert {table["status"] for table in manifest["tables"].values()} <= {"failed"}
        rows = listed_rows(bucket, manifest, delivery.file_format)
        expected = by_table(sent)
        assert all(rows[table].items() <= expected[table].items() for table in rows)
        listed = {entry["key"] for table in manifest["tables"].values() for entry in table["entries"]}
        unsure = {vars(record)["key"] for record in delivery.warnings.of(MAY_BE_THERE)}
        assert listed == bucket.objects().keys() - unsure


def run(server: S3Server, case: Case, **options: Any) -> None:
    """Deliver with manifests under the case's fault; `options` are added to the spec."""
    sent = SMALL if case.operation == "PutObject" else LARGE
    with fault_proxy(server.endpoint, *case.plans) as proxy:
        used = way(proxy, server, case)
        used = dataclasses.replace(used, options=used.options | {"manifest": {}} | options)
        delivery = used.deliver(sent)
    assert (delivery.error is None) == case.delivers, delivery.error
    hold(delivery, DataOf(server, used.bucket.name), sent)


@pytest.mark.parametrize("case", SOONER, ids=str)
def test_complete_is_complete(real_server: S3Server, case: Case) -> None:  # noqa: F811 -- the fixture's name
    """A manifest says `complete` exactly if every row sent is in the objects that it lists, once."""
    run(real_server, case)


@pytest.mark.parametrize("case", SOONER[::2], ids=str)
def test_complete_is_complete_of_objects_that_are_only_created(
    real_server: S3Server,  # noqa: F811 -- the fixture's name
    case: Case,
) -> None:
    """The same where no object is ever replaced, a manifest neither."""
    run(real_server, case, create_only="always")


@pytest.mark.slow
@pytest.mark.parametrize("case", [case for case in every_case() if case not in SOONER], ids=str)
def test_complete_is_complete_always(real_server: S3Server, case: Case) -> None:  # noqa: F811 -- the fixture's name
    """The same, of every call in every format."""
    run(real_server, case)


@pytest.mark.parametrize("always", [False, True], ids=["once", "always"])
@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_the_manifest_itself(real_server: S3Server, fault: Fault, *, always: bool) -> None:  # noqa: F811
    """Where the manifest's own request fails for good the Write fails, its rows in the bucket; else it is complete."""
    case = Case("PutObject", OBJECTS + 1, fault, always, "json")
    with fault_proxy(real_server.endpoint, *case.plans) as proxy:
        used = way(proxy, real_server, case)
        used = dataclasses.replace(used, options=used.options | {"manifest": {}})
        delivery = used.deliver(SMALL)
        assert proxy.injected["PutObject"] >= 1
    data = DataOf(real_server, used.bucket.name)
    assert (delivery.error is None) == case.delivers, delivery.error
    if delivery.error is None:
        hold(delivery, data, SMALL)
    else:
        assert str(delivery.error).startswith("the rows of this Write are in the bucket, but the manifest")
        assert len(data.objects()) == OBJECTS
        assert all(manifest["status"] == "complete" for manifest in manifests(data))
