"""A bucket of S3, or of a store that speaks its protocol."""

from __future__ import annotations

import logging
import random
import warnings
from functools import partial
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from urllib3.exceptions import InsecureRequestWarning

from cloudquery_s3.cancellation import Cancellation
from cloudquery_s3.scope import Workers
from cloudquery_s3.stores.aws_configuration import aws_configuration, sends_checksums
from cloudquery_s3.stores.clock import Clock
from cloudquery_s3.stores.endpoint import bucket_url
from cloudquery_s3.stores.multipart import MultipartUpload
from cloudquery_s3.stores.new_object import NewObject
from cloudquery_s3.stores.object_store import ROWS
from cloudquery_s3.stores.retry import RetryPolicy
from cloudquery_s3.stores.roles import credential_source
from cloudquery_s3.stores.s3_errors import Target
from cloudquery_s3.stores.s3_reader import S3Reader
from cloudquery_s3.stores.s3_requests import Request, S3Client
from cloudquery_s3.stores.s3_settings import SINGLE_PUT_MAX_BYTES, AssumedRole, S3Settings
from cloudquery_s3.stores.s3_writer import S3Writer
from cloudquery_s3.stores.sent_request import ignore
from cloudquery_s3.stores.transport import Transport
from cloudquery_s3.stores.trust import trusting_context

if TYPE_CHECKING:
    from cloudquery_s3.spec import Spec
    from cloudquery_s3.stores.credentials import CredentialSource
    from cloudquery_s3.stores.object_store import ObjectKind
    from cloudquery_s3.stores.retry import Pause
    from cloudquery_s3.stores.sent_request import RequestListener

log = logging.getLogger(__name__)

PART_THREADS: Final = 8
"""How many parts a store sends at the same time, over all its objects."""


class SystemPause:
    """The clock and the dice of production."""

    def sleep(self, seconds: float, cancellation: Cancellation) -> None:
        """Sleep, unless and until the object is given up."""
        cancellation.wait(seconds)

    def random(self) -> float:
        """Throw the dice."""
        return random.random()  # noqa: S311 - spreads retries, guards nothing


def s3_client(
    settings: S3Settings,
    pause: Pause | None = None,
    clock: Clock | None = None,
    listener: RequestListener = ignore,
) -> S3Client:
    """Return what sends requests to a bucket, and tells `listener` of each. Connects to nothing yet, has credentials.

    Raises:
        CredentialsError: there are none.
        StoreUnavailableError: what gives them cannot be reached.
        SpecError: bucket, region and endpoint make no address, or the environment's AWS settings cannot be used.
    """
    pause, clock = pause or SystemPause(), clock or Clock()
    aws = aws_configuration(settings)
    url = bucket_url(
        aws,
        bucket=settings.bucket,
        region=settings.region,
        endpoint=settings.endpoint,
        path_style=settings.path_style,
    )
    if settings.skip_tls_verify and url.is_tls:
        log.warning("TLS certificates are not verified", extra={"endpoint": url.origin})
        warnings.filterwarnings("ignore", category=InsecureRequestWarning)  # urllib3 would repeat it on stderr
    policy = RetryPolicy(settings.max_attempts, settings.max_backoff_s)
    own_hosts = {urlsplit(url.url).netloc, urlsplit(settings.endpoint).netloc}  # STS may be served there, too
    transport = Transport(
        partial(trusting_context, aws),
        unverified=own_hosts if settings.skip_tls_verify else (),
        connect_timeout_s=settings.connect_timeout_s,
        read_timeout_s=settings.read_timeout_s,
    )
    transport.prepare(url.url)
    credentials = credential_source(settings, transport, policy, pause, clock)
    credentials.current(Cancellation())
    return S3Client(
        url=url,
        target=Target(bucket=settings.bucket, endpoint=url.origin, region=settings.region),
        credentials=credentials,
        transport=transport,
        policy=policy,
        pause=pause,
        checksums=sends_checksums(aws, wanted=settings.checksums),
        clock=clock,
        listener=listener,
        log_requests=settings.log_requests,
    )


class S3Store:
    """One bucket. See `ObjectStore` for what it guarantees; safe to use from several threads.

    An object that fits into `single_put_max_bytes` is one PutObject: all or nothing, even if the process is killed.
    A larger one is a multipart upload. PutObject is the only permission that writing needs; AbortMultipartUpload,
    which comes with it on one's own uploads, and ListMultipartUploads serve to clean up after failures.
    """

    def __init__(
        self,
        settings: S3Settings,
        pause: Pause | None = None,
        clock: Clock | None = None,
        listener: RequestListener = ignore,
    ) -> None:
        """Connect to nothing yet, but have credentials.

        Raises:
            CredentialsError: there are none.
            StoreUnavailableError: what gives them cannot be reached.
            SpecError: bucket, region and endpoint make no address, or the environment's AWS settings cannot be used.
        """
        self._settings = settings
        self._client = s3_client(settings, pause, clock, listener)
        self._pool = Workers(PART_THREADS, thread_name_prefix="s3-part")
        self._uploads: set[MultipartUpload] = set()
        at_aws = not self._client.at_custom_endpoint
        self._creates_only = settings.create_only == "always" or (settings.create_only == "auto" and at_aws)

    @property
    def credentials(self) -> CredentialSource:
        """What signs the requests, for requests to other services of AWS."""
        return self._client.credentials

    def open(self, key: str, cancellation: Cancellation, *, unique: bool = False, kind: ObjectKind = ROWS) -> S3Writer:
        """Begin an object that `cancellation` may give up; sends nothing yet.

        Where the key is unique and `create_only` lets it, the object is created only if nothing is there.
        """
        target = NewObject(key, cancellation, create_only=unique and self._creates_only, kind=kind)
        return S3Writer(self._client, self._pool, self._settings, target, self._uploads)

    def read(self, key: str) -> S3Reader:
        """Return an object to be read in ranges.

        Raises:
            ObjectNotFoundError: there is none.
            StoreError: it could not be read.
        """
        return S3Reader(self._client, key)

    def delete(self, key: str) -> None:
        """Remove an object; that there is none is no error.

        Raises:
            StoreError: the store refuses.
        """
        self._client.send(Request("DeleteObject", "DELETE", key), Cancellation())

    def abandon(self) -> None:
        """Take back every upload that is open, without waiting for its parts: the process is about to end."""
        uploads = list(self._uploads)
        with Workers(PART_THREADS, thread_name_prefix="s3-abandon") as pool:
            list(pool.map(MultipartUpload.abandon, uploads))

    def close(self) -> None:
        """Release connections and threads; the store is not used after that."""
        self._client.credentials.close()
        self._pool.shutdown()
        self._client.close()


def s3_store(
    spec: Spec, *, content_type: str, pause: Pause | None = None, listener: RequestListener = ignore
) -> S3Store:
    """Return the store that a spec asks for; `content_type` is what its format writes, `listener` hears of requests.

    Raises:
        CredentialsError: there are no credentials.
        SpecError: bucket, region and endpoint make no address.
    """
    return S3Store(settings_of(spec, content_type=content_type), pause, listener=listener)


def settings_of(spec: Spec, *, content_type: str) -> S3Settings:
    """Translate the user's options."""
    encryption, credentials = spec.server_side_encryption_configuration, spec.credentials
    role = None
    if credentials and credentials.role_arn:
        role = AssumedRole(credentials.role_arn, credentials.role_session_name, credentials.external_id)
    return S3Settings(
        bucket=spec.bucket,
        region=spec.region,
        endpoint=spec.endpoint,
        path_style=spec.use_path_style,
        skip_tls_verify=spec.endpoint_skip_tls_verify,
        acl=spec.acl,
        encryption=encryption.server_side_encryption if encryption else "",
        kms_key_id=encryption.sse_kms_key_id if encryption else "",
        content_type=spec.content_type or content_type,
        checksums=spec.request_checksums == "when_supported",
        part_size_bytes=spec.part_size,
        single_put_max_bytes=max(SINGLE_PUT_MAX_BYTES, spec.part_size),
        create_only=spec.create_only,
        max_attempts=spec.max_retries,
        max_backoff_s=spec.max_backoff,
        profile=credentials.local_profile if credentials else "",
        role=role,
        log_requests=spec.aws_debug,
    )
