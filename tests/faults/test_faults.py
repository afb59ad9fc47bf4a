"""Every request to S3 and STS, failing in every way that we can cause: what is said is what is in the bucket."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import pytest

from cloudquery_s3.errors import StoreError
from cloudquery_s3.stores.s3_settings import MIB
from faults.delivery import FORMATS, LARGE, LEFT_OPEN, MAY_BE_THERE, RETRY, SMALL, ReopeningPause, Way
from faults.proxy import Fault, FaultProxy, Plan, fault_proxy
from s3_servers import moto, real_server  # noqa: F401 -- fixtures

if TYPE_CHECKING:
    from s3_servers import S3Server

pytestmark = [pytest.mark.server]

LOST: Final = (Fault.DONE_AND_RESET, Fault.DONE_AND_TRUNCATED, Fault.DONE_AND_INTERNAL)
"""The store has done what was asked, and the client does not get to know."""

FAULTS: Final = tuple(fault for fault in Fault if fault not in {Fault.HELD, Fault.EXPIRED})
CALLS: Final = {
    "PutObject": (1, 3),
    "CreateMultipartUpload": (1,),
    "UploadPart": (1, 2, 3),
    "CompleteMultipartUpload": (1,),
    "AbortMultipartUpload": (1,),
}
"""Which call of each operation fails."""

TIMEOUT_S: Final = 0.4


@dataclass(frozen=True)
class Case:
    """A fault at the n-th call of an operation, once or from then on always."""

    operation: str
    call: int
    fault: Fault
    always: bool
    file_format: str

    def __str__(self) -> str:
        often = "always" if self.always else "once"
        return f"{self.operation}-{self.call}-{self.fault.value}-{often}-{self.file_format}".replace(" ", "_")

    @property
    def plans(self) -> tuple[Plan, ...]:
        """What the proxy does. An abort is only asked for when something else has failed."""
        plan = Plan(self.operation, self.fault, self.call, None if self.always else 1)
        if self.operation != "AbortMultipartUpload":
            return (plan,)
        return (Plan("UploadPart", Fault.FORBIDDEN, 2, None), plan)

    @property
    def delivers(self) -> bool:
        """Whether the Write must end with OK: every row is where it belongs in spite of the fault."""
        if self.operation == "AbortMultipartUpload":
            return False
        if self.always:
            # The store has the object; looked at, it is that of these bytes.
            return self.fault in LOST and self.operation in {"PutObject", "CompleteMultipartUpload"}
        return self.fault is not Fault.FORBIDDEN

    @property
    def must_be_looked_at(self) -> bool:
        """Whether the entity tag of an object of parts decides. Those of rclone are not S3's."""
        return self.operation == "CompleteMultipartUpload" and self.fault is Fault.DONE_AND_RESET

    @property
    def is_answered(self) -> bool:
        """Whether a PutObject's status arrives, whatever else of its answer does not: that is an acknowledgement."""
        return (self.operation, self.fault) == ("PutObject", Fault.DONE_AND_TRUNCATED)

    @property
    def can_clean_up(self) -> bool:
        """Whether an abort gets through to the server in the end."""
        if self.operation == "AbortMultipartUpload" and (self.always or self.fault is Fault.FORBIDDEN):
            return False
        return not (self.always and self.fault is Fault.REFUSED)


def every_case() -> list[Case]:
    """The full cross product."""
    return [
        Case(operation, call, fault, always, file_format)
        for operation, calls in CALLS.items()
        for call in calls
        for fault in FAULTS
        for always in (False, True)
        for file_format in FORMATS
    ]


def some_cases() -> list[Case]:
    """Each fault of each operation, once and always, with calls and formats in turns."""
    pairs = [(operation, fault, always) for operation in CALLS for fault in FAULTS for always in (False, True)]
    return [
        Case(operation, CALLS[operation][number % len(CALLS[operation])], fault, always, FORMATS[number // 2 % 3])
        for number, (operation, fault, always) in enumerate(pairs)
    ]


SOME: Final = some_cases()


def way(proxy: FaultProxy, server: S3Server, case: Case) -> Way:
    """Two tables: small objects one PUT each; or, of the operations of uploads, one of 12 MiB in parts of 5 MiB."""
    options: dict[str, Any] = {"max_retries": 3, "test_write": False}
    if case.operation == "PutObject":
        options["batch_size"] = 10
    settings = {"read_timeout_s": TIMEOUT_S} if case.fault is Fault.NO_ANSWER else {}
    return Way(
        bucket=server.new_bucket(),
        endpoint=proxy.endpoint,
        file_format=case.file_format,
        options=options,
        settings=settings,
        pause=ReopeningPause(lambda: None if case.always else proxy.reopen()),
    )


def run(server: S3Server, case: Case, **options: Any) -> None:
    """Deliver under the case's fault, and hold the outcome against the bucket; `options` are added to the spec."""
    with fault_proxy(server.endpoint, *case.plans) as proxy:
        used = way(proxy, server, case)
        used.options.update(options)
        delivery = used.deliver(SMALL if case.operation == "PutObject" else LARGE)
    assert proxy.injected[case.operation] >= 1
    delivers = case.delivers and not (case.must_be_looked_at and server.name == "rclone")
    assert (delivery.error is None) == delivers, delivery.error
    delivery.check(used.bucket)
    if delivers and not case.is_answered:
        assert delivery.warnings.of(RETRY)
    if case.can_clean_up:
        assert delivery.warnings.of(LEFT_OPEN) == []
        assert used.bucket.open_uploads() == []


@pytest.fixture(autouse=True)
def credentials(real_server: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811 -- the fixture's name
    """The administrator's keys in the environment, and no other credentials."""
    for name, value in real_server.environment().items():
        monkeypatch.setenv(name, value)


@pytest.mark.parametrize("case", SOME, ids=str)
def test_a_fault_loses_nothing(real_server: S3Server, case: Case) -> None:  # noqa: F811 -- the fixture's name
    """OK: every row once, in whole objects. Not OK: whole objects, no upload open, and a report of what exists."""
    run(real_server, case)


@pytest.mark.parametrize("case", SOME[::6], ids=str)
def test_a_fault_loses_nothing_of_sized_partitions(real_server: S3Server, case: Case) -> None:  # noqa: F811
    """The same of some faults with partitions by a column, and objects that end by their size where parts are sent."""
    column = "n" if case.operation == "PutObject" else "none"
    run(
        real_server,
        case,
        path=f"{{{{TABLE}}}}/{{{{COLUMN:{column}}}}}/{{{{UUID}}}}.{{{{FORMAT}}}}",
        object_size=11 * MIB,
    )


@pytest.mark.slow
@pytest.mark.parametrize("case", [case for case in every_case() if case not in SOME], ids=str)
def test_every_fault_loses_nothing(real_server: S3Server, case: Case) -> None:  # noqa: F811 -- the fixture's name
    """The same, of every call in every format."""
    run(real_server, case)


@pytest.mark.parametrize("operation", ["PutObject", "CompleteMultipartUpload"])
def test_an_object_that_cannot_be_looked_at_is_named(real_server: S3Server, operation: str) -> None:  # noqa: F811
    """Where all answers are lost and reading is forbidden, the Write fails, and a WARNING names what may be there."""
    plans = (Plan(operation, Fault.DONE_AND_RESET, 1, None), Plan("HeadObject", Fault.FORBIDDEN, 1, None))
    case = Case(operation, 1, Fault.DONE_AND_RESET, always=True, file_format="json")
    with fault_proxy(real_server.endpoint, *plans) as proxy:
        used = way(proxy, real_server, case)
        delivery = used.deliver(SMALL if operation == "PutObject" else LARGE)
    assert isinstance(delivery.error, StoreError)
    named = {vars(record)["key"] for record in delivery.warnings.of(MAY_BE_THERE)}
    assert named & used.bucket.objects().keys()
    delivery.check(used.bucket)


@pytest.mark.parametrize("fault", [Fault.RESET_IN_BODY, Fault.INTERNAL, Fault.FORBIDDEN], ids=lambda fault: fault.name)
@pytest.mark.parametrize("operation", ["PutObject", "UploadPart", "CompleteMultipartUpload"])
def test_a_fixed_key_keeps_its_object(real_server: S3Server, operation: str, fault: Fault) -> None:  # noqa: F811
    """With a fixed key, a Write that fails leaves the object of the last one as it was, byte by byte."""
    options = {"no_rotate": True, "path": "{{TABLE}}", "test_write": False}
    used = Way(real_server.new_bucket(), real_server.endpoint, "json", options)
    assert used.deliver(SMALL).error is None
    before = used.bucket.objects()
    with fault_proxy(real_server.endpoint, Plan(operation, fault, 1, None)) as proxy:
        failing = dataclasses.replace(used, endpoint=proxy.endpoint)
        delivery = failing.deliver([*SMALL, *LARGE] if operation != "PutObject" else SMALL[:1])
    assert delivery.error is not None
    assert used.bucket.objects()["one"] == before["one"]
    assert used.bucket.open_uploads() == []
