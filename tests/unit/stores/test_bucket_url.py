from __future__ import annotations

import pytest
from botocore.session import Session

from cloudquery_s3.errors import SpecError
from cloudquery_s3.stores.aws_configuration import aws_configuration
from cloudquery_s3.stores.endpoint import BucketUrl, bucket_url, endpoint_rules
from cloudquery_s3.stores.s3_settings import S3Settings
from s3_servers import isolated_environment


@pytest.fixture(autouse=True)
def _no_aws_configuration(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in isolated_environment().items():
        monkeypatch.setenv(name, value)


def resolve(
    bucket: str = "bkt", region: str = "eu-west-1", endpoint: str = "", *, path_style: bool = False
) -> BucketUrl:
    """Return where a bucket is."""
    aws = aws_configuration(S3Settings(bucket, region))
    return bucket_url(aws, bucket=bucket, region=region, endpoint=endpoint, path_style=path_style)


@pytest.mark.parametrize(
    ("region", "host"),
    [
        ("us-east-1", "s3.us-east-1.amazonaws.com"),
        ("eu-central-1", "s3.eu-central-1.amazonaws.com"),
        ("cn-north-1", "s3.cn-north-1.amazonaws.com.cn"),
        ("us-gov-west-1", "s3.us-gov-west-1.amazonaws.com"),
    ],
)
def test_aws_has_an_address_for_every_partition(region: str, host: str) -> None:
    """Without an endpoint the address is AWS's own for the region, with the bucket in the host or in the path."""
    assert resolve(region=region).url == f"https://bkt.{host}"
    assert resolve(region=region, path_style=True).url == f"https://{host}/bkt"
    assert resolve(region=region).signing_region == region


def test_the_rules_are_those_of_botocores_clients() -> None:
    """The endpoint rules, found without a look at other services, are those that botocore's own S3 client is given."""
    aws = aws_configuration(S3Settings("bkt", "eu-west-1"))
    loader = Session().get_component("data_loader")
    rules = loader.load_service_model("s3", "endpoint-rule-set-1")
    assert endpoint_rules(aws) == (rules, loader.load_data("partitions"))


@pytest.mark.parametrize("bucket", ["with.dots", "Upper_Case"])
def test_names_that_fit_no_certificate_go_into_the_path(bucket: str) -> None:
    """A bucket whose name cannot be a host name under AWS's certificate is in the path."""
    assert resolve(bucket).url == f"https://s3.eu-west-1.amazonaws.com/{bucket}"


@pytest.mark.parametrize(
    ("endpoint", "url"),
    [
        ("http://127.0.0.1:9000", "http://127.0.0.1:9000/bkt"),
        ("https://minio.example.com", "https://bkt.minio.example.com"),
        ("https://minio.example.com:9000/", "https://bkt.minio.example.com:9000"),
        ("https://example.com/s3", "https://bkt.example.com/s3"),
    ],
)
def test_an_endpoint_of_ones_own_takes_the_place_of_aws(endpoint: str, url: str) -> None:
    """A custom endpoint keeps its scheme, port and path; an IP address takes the bucket into the path."""
    assert resolve(endpoint=endpoint).url == url


def test_fips_and_dual_stack_follow_the_configuration(monkeypatch: pytest.MonkeyPatch) -> None:
    """The switches that other AWS tools read choose the host here, too."""
    monkeypatch.setenv("AWS_USE_FIPS_ENDPOINT", "true")
    monkeypatch.setenv("AWS_USE_DUALSTACK_ENDPOINT", "true")
    assert resolve().url == "https://bkt.s3-fips.dualstack.eu-west-1.amazonaws.com"


def test_an_access_point_is_a_bucket() -> None:
    """An access point's ARN is resolved to its host, and signed for its own region."""
    found = resolve("arn:aws:s3:eu-west-1:123456789012:accesspoint/mine", region="us-east-1")
    assert found.url == "https://mine-123456789012.s3-accesspoint.eu-west-1.amazonaws.com"
    assert found.signing_region == "eu-west-1"


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"endpoint": "localhost:9000"}, "endpoint"),
        ({"region": "not a region"}, "region"),
        ({"bucket": "mine--use1-az1--x-s3", "region": "us-east-1"}, "bucket"),
    ],
)
def test_what_is_no_address_is_a_spec_error(changes: dict[str, str], field: str) -> None:
    """What cannot become a URL is an error of the spec that names the field."""
    with pytest.raises(SpecError, match=field):
        resolve(**changes)


def test_keys_are_quoted() -> None:
    """A key's reserved characters are percent-encoded; slashes and unreserved ones are not."""
    assert resolve().of("a b/ü~-._+").endswith("/a%20b/%C3%BC~-._%2B")


@pytest.mark.parametrize("region", ["eu-central-1a", "us-west-2-lax-1a", "use1-az1"])
def test_zones_are_no_regions(region: str) -> None:
    """A zone in place of a region is named before a request is made; another store may call its regions anything."""
    with pytest.raises(SpecError, match=r"^region: "):
        resolve(region=region)
    assert resolve(region=region, endpoint="http://127.0.0.1:9000").signing_region == region
