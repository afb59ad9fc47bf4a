"""Where a bucket's objects are: S3's own endpoint rules, as botocore ships them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, urlsplit

from botocore.configprovider import ConfiguredEndpointProvider
from botocore.endpoint_provider import EndpointProvider
from botocore.exceptions import EndpointProviderError

from cloudquery_s3.errors import SpecError
from cloudquery_s3.spec.aws_names import region_faults, unsupported_kinds

if TYPE_CHECKING:
    from cloudquery_s3.stores.shared_configuration import SharedConfiguration

_RULES: Final = "endpoint-rule-set-1"


@dataclass(frozen=True, slots=True)
class BucketUrl:
    """A bucket's address.

    Attributes:
        url: without a trailing slash; an object's URL is this, a slash, and its quoted key.
        signing_region: the region that signatures name.
        is_custom: whether it is at an endpoint that the user named, and not at AWS's own.
    """

    url: str
    signing_region: str
    is_custom: bool = False

    @property
    def is_tls(self) -> bool:
        """Whether requests go through TLS."""
        return self.url.startswith("https:")

    @property
    def origin(self) -> str:
        """Scheme, host and port."""
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{parts.netloc}"

    def of(self, key: str) -> str:
        """Return an object's URL; every character of the key but unreserved ones and slashes is percent-encoded."""
        return f"{self.url}/{quote(key, safe='/-_.~')}"


def bucket_url(aws: SharedConfiguration, *, bucket: str, region: str, endpoint: str, path_style: bool) -> BucketUrl:
    """Return a bucket's address by S3's endpoint rules.

    The endpoint is the one given, or else AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL or the profile's `endpoint_url`, or
    else AWS's own for the region: every partition, FIPS and dual-stack hosts as configured, access point ARNs. The
    bucket goes into the host name, but into the path where `path_style` says so, where the endpoint is an IP address,
    and where the name does not fit into a host name (or into a certificate: dots over https).

    Raises:
        SpecError: bucket, region or endpoint cannot be a part of a URL, or the kind of bucket is not supported.
    """
    custom = endpoint or configured_endpoint(aws, "s3")
    for fault in (*unsupported_kinds(bucket), *(() if custom else region_faults(region))):
        raise fault
    rules = EndpointProvider(*endpoint_rules(aws))
    parameters: dict[str, Any] = {
        "Bucket": bucket,
        "Region": region,
        "ForcePathStyle": path_style,
        "UseFIPS": bool(aws.get_config_variable("use_fips_endpoint")),
        "UseDualStack": bool(aws.get_config_variable("use_dualstack_endpoint")),
        "Accelerate": False,
    }
    if custom:
        parameters["Endpoint"] = custom
    try:
        found = rules.resolve_endpoint(**parameters)
    except EndpointProviderError as error:
        raise SpecError(
            f"{error}: correct `bucket`, `region` or `endpoint`", field="endpoint" if custom else ""
        ) from None
    scheme = found.properties["authSchemes"][0]
    if scheme["name"] != "sigv4" or scheme["signingName"] != "s3":
        raise SpecError("this kind of bucket is not supported: write one of one region", field="bucket")
    return BucketUrl(url=found.url.rstrip("/"), signing_region=scheme["signingRegion"], is_custom=bool(custom))


def endpoint_rules(aws: SharedConfiguration) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return S3's endpoint rules and AWS's partitions."""
    loader = aws.new_loader()
    # not `load_service_model`: it lists the folders of all services first, which takes longer than all else here
    version = loader.determine_latest_version("s3", _RULES)
    return loader.load_data(f"s3/{version}/{_RULES}"), loader.load_data("partitions")


def configured_endpoint(aws: SharedConfiguration, service: str) -> str:
    """Return the endpoint URL that environment or profile set for a service, or ""."""
    if aws.get_config_variable("ignore_configured_endpoint_urls"):
        return ""
    provider = ConfiguredEndpointProvider(
        full_config=aws.full_config, scoped_config=aws.get_scoped_config(), client_name=service
    )
    return provider.provide() or ""
