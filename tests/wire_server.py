"""An S3 server that records every request and answers as a test tells it to, also badly."""

from __future__ import annotations

import datetime as dt
import ipaddress
import ssl
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from cloudquery_s3.cancellation import Cancellation

_UPLOAD_OPERATIONS = {"PUT": "UploadPart", "POST": "CompleteMultipartUpload", "DELETE": "AbortMultipartUpload"}
_UPLOADS_OPERATIONS = {"POST": "CreateMultipartUpload", "GET": "ListMultipartUploads"}
_OBJECT_OPERATIONS = {"PUT": "PutObject", "GET": "GetObject", "DELETE": "DeleteObject", "HEAD": "HeadObject"}


@dataclass(frozen=True)
class Recorded:
    """One request as it came over the wire; header names in lower case."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def operation(self) -> str:
        """The name that S3, STS, Glue or the sign-in service has for it."""
        if self.body.startswith(b"Action=AssumeRole"):
            return "AssumeRole"
        if urlsplit(self.target).path == "/v1/token":
            return "CreateOAuth2Token"
        if "x-amz-target" in self.headers:
            return self.headers["x-amz-target"].rpartition(".")[2]
        query = parse_qs(urlsplit(self.target).query, keep_blank_values=True)
        if "uploadId" in query:
            return _UPLOAD_OPERATIONS[self.method]
        if "uploads" in query:
            return _UPLOADS_OPERATIONS[self.method]
        return _OBJECT_OPERATIONS[self.method]


@dataclass(frozen=True)
class Reply:
    """An answer. `missing_bytes` of the body are announced and not sent, and the connection is closed.

    One that `ends_in_head` has its status and its own headers, and then the connection is closed.
    """

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    missing_bytes: int = 0
    ends_in_head: bool = False


CLOSE = Reply(status=0)
"""No answer: the connection is closed."""


def error(status: int, code: str, message: str = "said the store", **fields: str) -> Reply:
    """Return S3's error document as an answer."""
    more = "".join(f"<{name}>{value}</{name}>" for name, value in fields.items())
    return Reply(status, f"<Error><Code>{code}</Code><Message>{message}</Message>{more}</Error>".encode())


def sts_error(status: int, code: str, message: str = "said STS") -> Reply:
    """Return the error document of STS as an answer."""
    inner = f"<Error><Type>Sender</Type><Code>{code}</Code><Message>{message}</Message></Error>"
    return Reply(status, f"<ErrorResponse>{inner}<RequestId>r</RequestId></ErrorResponse>".encode())


def assumed_role(access_key: str, *, valid_s: float = 3600) -> Reply:
    """Return STS's answer with temporary credentials."""
    end = dt.datetime.now(dt.UTC) + dt.timedelta(seconds=valid_s)
    document = f"""<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleResult><Credentials>
        <AccessKeyId>{access_key}</AccessKeyId><SecretAccessKey>role-secret</SecretAccessKey>
        <SessionToken>role-token</SessionToken><Expiration>{end:%Y-%m-%dT%H:%M:%SZ}</Expiration>
        </Credentials></AssumeRoleResult></AssumeRoleResponse>"""
    return Reply(body=document.encode())


def success(request: Recorded) -> Reply:
    """Return what S3 answers when all is well."""
    if request.operation == "AssumeRole":
        return assumed_role("AKIDROLE")
    if request.operation == "CreateMultipartUpload":
        return Reply(body=b"<InitiateMultipartUploadResult><UploadId>u/1</UploadId></InitiateMultipartUploadResult>")
    if request.operation == "CompleteMultipartUpload":
        return Reply(body=b'<CompleteMultipartUploadResult><ETag>"whole-1"</ETag></CompleteMultipartUploadResult>')
    if request.operation == "ListMultipartUploads":
        return Reply(body=b"<ListMultipartUploadsResult></ListMultipartUploadsResult>")
    if request.method == "DELETE":
        return Reply(204)
    return Reply(headers={"ETag": '"e7a9"'})


@dataclass
class WireServer:
    """The running server.

    Attributes:
        endpoint: its URL.
        requests: all requests so far, in the order they arrived.
        answers: to the next requests of an operation, used up one by one; after them, and for others, `success`.
        before: called with each request when it is there whole, before it is answered.
        ahead: how much its time, which each answer names, is ahead of this machine's.
    """

    endpoint: str
    requests: list[Recorded] = field(default_factory=list)
    answers: dict[str, list[Reply]] = field(default_factory=dict)
    before: Callable[[Recorded], None] = lambda _request: None
    ahead: dt.timedelta = dt.timedelta()

    def of(self, operation: str) -> list[Recorded]:
        """Return the requests of one operation."""
        return [request for request in self.requests if request.operation == operation]

    @property
    def operations(self) -> list[str]:
        """The operations of all requests."""
        return [request.operation for request in self.requests]

    def reply(self, request: Recorded) -> Reply:
        """Record a request and return its answer."""
        self.requests.append(request)
        self.before(request)
        planned = self.answers.get(request.operation)
        return planned.pop(0) if planned else success(request)


@dataclass
class NoPause:
    """Retries without waiting.

    Attributes:
        slept_s: how long each retry would have waited.
    """

    slept_s: list[float] = field(default_factory=list)

    def sleep(self, seconds: float, _cancellation: Cancellation) -> None:
        """Note the wait."""
        self.slept_s.append(seconds)

    def random(self) -> float:
        """Throw always the same."""
        return 0.5


def _send(handler: BaseHTTPRequestHandler, reply: Reply) -> None:
    handler.close_connection = not reply.status or bool(reply.missing_bytes) or reply.ends_in_head
    if not reply.status:
        return
    handler.send_response(reply.status)
    for name, value in reply.headers.items():
        handler.send_header(name, value)
    if reply.ends_in_head:
        handler.flush_headers()
        return
    if reply.status != 204:
        handler.send_header("Content-Length", str(len(reply.body) + reply.missing_bytes))
    handler.end_headers()
    if handler.command != "HEAD":
        handler.wfile.write(reply.body)


@contextmanager
def wire_server(tls: ssl.SSLContext | None = None) -> Iterator[WireServer]:
    """Run a server on loopback at a free port."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            headers = {name.lower(): value for name, value in self.headers.items()}
            _send(self, wire.reply(Recorded(self.command, self.path, headers, body)))

        do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = answer  # noqa: N815 - the library's names

        def date_time_string(self, timestamp: float | None = None) -> str:
            return super().date_time_string((timestamp or time.time()) + wire.ahead.total_seconds())

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    if tls:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    wire = WireServer(f"{'https' if tls else 'http'}://127.0.0.1:{server.server_address[1]}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield wire
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def self_signed(folder: Path) -> tuple[ssl.SSLContext, Path]:
    """Return a TLS server context for 127.0.0.1 with a certificate that nobody trusts, and the certificate's file."""
    from cryptography import x509  # noqa: PLC0415 - comes with moto
    from cryptography.hazmat.primitives import hashes, serialization  # noqa: PLC0415 - likewise
    from cryptography.hazmat.primitives.asymmetric import ec  # noqa: PLC0415 - likewise
    from cryptography.x509.oid import NameOID  # noqa: PLC0415 - likewise

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    file = folder / "self-signed.pem"
    pem = serialization.Encoding.PEM
    unencrypted = serialization.NoEncryption()
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, unencrypted)
    file.write_bytes(certificate.public_bytes(pem) + private)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    return context, file
