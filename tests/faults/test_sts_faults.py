"""STS failing in every way: at the start of a Write, and when a role has to be assumed again in its middle."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest

from cloudquery_s3.errors import CredentialsError, StoreUnavailableError
from faults.delivery import RETRY, SMALL, ReopeningPause, Way
from faults.proxy import Fault, Plan, fault_proxy
from s3_servers import moto  # noqa: F401 -- a fixture

if TYPE_CHECKING:
    from s3_servers import S3Server

ROLE: Final = "arn:aws:iam::123456789012:role/writer"
FAULTS: Final = tuple(fault for fault in Fault if fault not in {Fault.HELD, Fault.EXPIRED})


@pytest.mark.parametrize("always", [False, True], ids=["once", "always"])
@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
@pytest.mark.parametrize("call", [1, 2])
def test_a_fault_of_sts_loses_nothing(
    moto: S3Server,  # noqa: F811 -- the fixture's name
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    call: int,
    fault: Fault,
    always: bool,
) -> None:
    """A role that cannot be assumed ends the Write by that name; what may pass is asked again; no secret is logged."""
    for name, value in moto.environment().items():
        monkeypatch.setenv(name, value)
    bucket = moto.new_bucket()
    plans = [Plan("AssumeRole", fault, call, None if always else 1)]
    if call == 2:
        plans.append(Plan("PutObject", Fault.EXPIRED, 2))
    with fault_proxy(moto.endpoint, *plans) as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL_STS", proxy.endpoint)
        way = Way(
            bucket=bucket,
            endpoint=proxy.endpoint,
            file_format="json",
            options={"credentials": {"role_arn": ROLE}, "test_write": False, "batch_size": 10},
            settings={"read_timeout_s": 2.0} if fault is Fault.NO_ANSWER else {},
            pause=ReopeningPause(lambda: None if always else proxy.reopen()),
        )
        delivery = way.deliver(SMALL)
    assert proxy.injected["AssumeRole"] >= 1
    delivery.check(bucket)
    assert "SecretAccessKey" not in caplog.text
    if always or fault is Fault.FORBIDDEN:
        assert isinstance(delivery.error, StoreUnavailableError)
        assert isinstance(delivery.error, CredentialsError) == (fault is Fault.FORBIDDEN)
        assert ROLE in str(delivery.error)
    else:
        assert delivery.error is None
        assert delivery.warnings.of(RETRY)
