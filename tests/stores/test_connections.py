"""Proxies, certificates, and servers that do not speak as they should."""

from __future__ import annotations

import base64
import errno
import hashlib
import os
import socket
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from urllib3.exceptions import NewConnectionError, ProtocolError

from captured import capture_logs
from cloudquery_s3.cancellation import Cancellation
from cloudquery_s3.errors import SpecError, StoreError, StoreUnavailableError
from cloudquery_s3.stores.s3 import S3Store
from cloudquery_s3.stores.s3_settings import AssumedRole, S3Settings
from cloudquery_s3.stores.transport_errors import transport_failure
from wire_server import NoPause, WireServer, self_signed, wire_server

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterator
    from pathlib import Path

BUNDLES = ("AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR")
HOST = "s3.example.test"


def put(endpoint: str, **changes: Any) -> None:
    """Write one object; a request is tried three times."""
    options = {"bucket": "bkt", "region": "eu-west-1", "endpoint": endpoint, **changes}
    store = S3Store(S3Settings(**options), NoPause())
    writer = store.open("key", Cancellation())
    try:
        writer.write([b"x"])
        writer.commit()
    except StoreError:
        writer.abort()
        raise
    finally:
        store.close()


@pytest.fixture(autouse=True)
def plain_machine(static_keys: None, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: ARG001 - a fixture
    """No proxy and no authorities but the system's: a machine may name some for all."""
    for name in (*BUNDLES, "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@dataclass
class Listener:
    """A scripted TCP server.

    Attributes:
        port: where it listens.
        heard: what each connection sent first.
    """

    port: int
    heard: list[bytes] = field(default_factory=list)


@contextmanager
def listener(serve: Callable[[socket.socket, Listener], None]) -> Iterator[Listener]:
    """Serve each connection by a function, on loopback."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        running = Listener(server.getsockname()[1])

        def accept() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                with connection:
                    connection.settimeout(20)
                    serve(connection, running)

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        try:
            yield running
        finally:
            server.shutdown(socket.SHUT_RDWR)
            thread.join(20)


def answers(reply: bytes) -> Callable[[socket.socket, Listener], None]:
    """Return what reads a request's head and sends this."""

    def serve(connection: socket.socket, running: Listener) -> None:
        running.heard.append(connection.recv(65536))
        connection.sendall(reply)

    return serve


def socks5(target_port: int) -> Callable[[socket.socket, Listener], None]:
    """Return a SOCKS proxy without passwords that leads every name to a port of loopback."""

    def serve(connection: socket.socket, running: Listener) -> None:
        connection.recv(3)
        connection.sendall(b"\x05\x00")
        asked = connection.recv(512)
        running.heard.append(asked)
        with socket.create_connection(("127.0.0.1", target_port)) as target:
            connection.sendall(b"\x05\x00\x00\x01\x7f\x00\x00\x01\x00\x00")
            back = threading.Thread(target=pump, args=(target, connection), daemon=True)
            back.start()
            pump(connection, target)
            back.join(20)

    return serve


def pump(source: socket.socket, sink: socket.socket) -> None:
    """Copy bytes until the source ends."""
    try:
        while chunk := source.recv(65536):
            sink.sendall(chunk)
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        return


def test_a_socks_proxy_leads_to_the_store(monkeypatch: pytest.MonkeyPatch) -> None:
    """`socks5://` works, and the proxy resolves the store's name."""
    with wire_server() as s3, listener(socks5(int(s3.endpoint.rpartition(":")[2]))) as proxy:
        monkeypatch.setenv("HTTP_PROXY", f"socks5://127.0.0.1:{proxy.port}")
        put(f"http://{HOST}", path_style=True)
        assert s3.operations == ["PutObject"]
        assert HOST.encode() in proxy.heard[0]


def test_sts_goes_through_the_same_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Roles are assumed through the proxy that the store is reached by, SOCKS included."""
    with wire_server() as s3, listener(socks5(int(s3.endpoint.rpartition(":")[2]))) as proxy:
        monkeypatch.setenv("HTTP_PROXY", f"socks5h://127.0.0.1:{proxy.port}")
        monkeypatch.setenv("AWS_ENDPOINT_URL_STS", "http://sts.example.test")
        role = AssumedRole("arn:aws:iam::123456789012:role/writer")
        put(s3.endpoint, role=role)
        assert s3.operations == ["AssumeRole", "PutObject"]
        assert b"sts.example.test" in proxy.heard[0]


def test_a_proxy_gets_its_password(monkeypatch: pytest.MonkeyPatch) -> None:
    """User and password in HTTP_PROXY reach the proxy, and nothing else."""
    with wire_server() as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.endpoint.replace("//", "//me:pa%40ss@"))
        put(f"http://{HOST}")
        (request,) = proxy.requests
    assert request.headers["proxy-authorization"] == "Basic " + base64.b64encode(b"me:pa@ss").decode()
    assert request.target == f"http://bkt.{HOST}/key"


@pytest.mark.parametrize("status", ["403 Forbidden", "407 Proxy Authentication Required"])
def test_a_proxy_that_refuses_is_named(monkeypatch: pytest.MonkeyPatch, status: str) -> None:
    """A proxy that lets nobody through ends the request at once; its password is not shown."""
    with listener(answers(f"HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n".encode())) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"http://me:hidden@127.0.0.1:{proxy.port}")
        with pytest.raises(StoreUnavailableError, match=f"the proxy .* refuses .* {status}.*HTTPS_PROXY") as caught:
            put(f"https://{HOST}")
        assert len(proxy.heard) == 1
    assert "hidden" not in str(caught.value)


def test_a_proxy_of_an_unknown_kind_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy's URL of no known scheme is an error before anything is sent."""
    monkeypatch.setenv("HTTPS_PROXY", "gopher://proxy:70")
    with pytest.raises(SpecError, match=r"HTTPS_PROXY: gopher://proxy:70 is no proxy of a known kind"):
        put(f"https://{HOST}")


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[ssl.SSLContext, Path]:
    """A certificate for 127.0.0.1 that nobody trusts."""
    return self_signed(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def tls(certificate: tuple[ssl.SSLContext, Path]) -> Iterator[WireServer]:
    """A server with it."""
    with wire_server(certificate[0]) as server:
        yield server


@pytest.mark.parametrize("name", ["AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"])
def test_an_authority_is_trusted_by_file(
    tls: WireServer, certificate: tuple[ssl.SSLContext, Path], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Each variable that names a file of authorities makes theirs good."""
    monkeypatch.setenv(name, str(certificate[1]))
    put(tls.endpoint)
    assert tls.operations == ["PutObject"]


def test_an_authority_is_trusted_by_folder(
    tls: WireServer, certificate: tuple[ssl.SSLContext, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SSL_CERT_DIR, the system's folder, is trusted, as OpenSSL hashes it."""
    (tmp_path / f"{subject_hash()}.0").write_bytes(certificate[1].read_bytes())
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path))
    put(tls.endpoint)
    assert tls.operations == ["PutObject"]


def subject_hash() -> str:
    """Return the file name that OpenSSL looks a certificate of 127.0.0.1 up by."""
    # OpenSSL hashes the canonical form: the name's parts in UTF8String and lower case, without the outer sequence.
    canonical = b"\x31\x12\x30\x10\x06\x03\x55\x04\x03\x0c\x09127.0.0.1"
    return f"{int.from_bytes(hashlib.sha1(canonical, usedforsecurity=False).digest()[:4], 'little'):08x}"


def test_aws_ca_bundle_is_all_that_is_trusted(
    tls: WireServer, certificate: tuple[ssl.SSLContext, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where AWS_CA_BUNDLE names authorities, those of the system do not count."""
    _, other = self_signed(tmp_path)
    monkeypatch.setenv("AWS_CA_BUNDLE", str(other))
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate[1]))
    with pytest.raises(StoreUnavailableError, match="not trusted"):
        put(tls.endpoint)


@pytest.mark.parametrize("name", ["AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"])
def test_a_file_of_authorities_that_is_none_is_named(
    tls: WireServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """A file that is missing, or holds no certificate, is an error at once that names the variable."""
    monkeypatch.setenv(name, str(tmp_path / "missing.pem"))
    with pytest.raises(SpecError, match=rf"{name}: .*missing\.pem cannot be read"):
        put(tls.endpoint)
    (tmp_path / "text.pem").write_text("no certificate")
    monkeypatch.setenv(name, str(tmp_path / "text.pem"))
    with pytest.raises(SpecError, match=rf"{name}: .*text\.pem holds no certificate"):
        put(tls.endpoint)
    assert tls.requests == []


@pytest.mark.parametrize(("path_style", "advice"), [(False, "use_path_style: true"), (True, "the certificate has")])
def test_a_certificate_for_another_name_is_named(
    certificate: tuple[ssl.SSLContext, Path], monkeypatch: pytest.MonkeyPatch, *, path_style: bool, advice: str
) -> None:
    """A name that the certificate lacks is not tried again; the bucket's own host name leads to `use_path_style`."""
    monkeypatch.setenv("AWS_CA_BUNDLE", str(certificate[1]))
    with wire_server(certificate[0]) as server, listener(socks5(int(server.endpoint.rpartition(":")[2]))) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"socks5://127.0.0.1:{proxy.port}")
        with capture_logs() as logs, pytest.raises(StoreUnavailableError, match=f"is for another name .*{advice}"):
            put(f"https://{HOST}", path_style=path_style)
        assert server.requests == []
        assert len(proxy.heard) == 1
    assert [log for log in logs if log["log_level"] == "warning"] == []


def test_tls_to_a_plain_port_is_named(wire: WireServer) -> None:
    """An endpoint of https that answers without TLS is not tried again, and is not suspected to have the object."""
    with capture_logs() as logs, pytest.raises(StoreUnavailableError, match=r"does not speak TLS .*write http://"):
        put(wire.endpoint.replace("http:", "https:"))
    assert [log for log in logs if log["log_level"] == "warning"] == []


def test_a_bucket_without_a_host_name_leads_to_path_style() -> None:
    """Where the bucket's host name has no address, the error says `use_path_style`."""
    with pytest.raises(StoreUnavailableError, match=r"cannot be resolved .*set `use_path_style: true`"):
        put("http://no-such-host.invalid:9000")


@pytest.mark.parametrize("length", [b"0, 0", b"0\r\nContent-Length: 0", b"0,0,0"])
def test_a_length_that_is_said_twice_is_one_length(length: bytes) -> None:
    """`Content-Length: 0, 0` is 0, on a connection that stays open, too."""
    reply = b'HTTP/1.1 200 OK\r\nETag: "e"\r\nContent-Length: ' + length + b"\r\n\r\n"
    ended = threading.Event()

    def serve(connection: socket.socket, running: Listener) -> None:
        answers(reply)(connection, running)
        ended.wait(20)

    with listener(serve) as server:
        put(f"http://127.0.0.1:{server.port}", read_timeout_s=15)
        ended.set()


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 150 + b"\r\n", "got more than 100 headers"),
        (b"\x15\x03\x01 secret garbage\r\n\r\n", "the answer cannot be read"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort", "closed before a whole answer"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1, 2\r\n\r\n", ""),
        (b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n", ""),
    ],
)
def test_answers_that_are_not_http_are_named(reply: bytes, words: str) -> None:
    """Whatever comes in place of HTTP, the request ends as an error of the store in words that quote none of it."""
    with listener(answers(reply)) as server, pytest.raises(StoreError, match=words) as caught:
        put(f"http://127.0.0.1:{server.port}")
    assert "garbage" not in str(caught.value)


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.ENETUNREACH, "no route to the network"),
        (errno.EHOSTUNREACH, "no route to the host"),
        (errno.ECONNREFUSED, "connection refused"),
        (errno.EMFILE, "too many open files"),
        (errno.ENFILE, "too many open files"),
        (errno.EADDRNOTAVAIL, os.strerror(errno.EADDRNOTAVAIL).lower()),
        (errno.ENOBUFS, os.strerror(errno.ENOBUFS).lower()),
    ],
)
def test_what_the_system_says_is_said(number: int, words: str) -> None:
    """An error of the operating system is called by its name, may pass, and has sent nothing where it kept from it."""
    cause = OSError(number, os.strerror(number))
    error = NewConnectionError(None, "Failed to establish a new connection")  # type: ignore[arg-type] # no connection
    error.__cause__ = cause
    failure = transport_failure(error)
    assert words in str(failure)
    assert (failure.transient, failure.sent) == (True, False)
    assert words in str(transport_failure(ProtocolError("Connection aborted.", cause)))


def test_the_certificates_are_read_once(
    tls: WireServer, certificate: tuple[ssl.SSLContext, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The authorities are read when the store is made: their file may go away afterwards."""
    bundle = tmp_path / "bundle.pem"
    bundle.write_bytes(certificate[1].read_bytes())
    monkeypatch.setenv("AWS_CA_BUNDLE", str(bundle))
    options = S3Settings(bucket="bkt", region="eu-west-1", endpoint=tls.endpoint)
    store = S3Store(options, NoPause())
    bundle.unlink()
    writer = store.open("key", Cancellation())
    writer.commit()
    assert tls.operations == ["PutObject"]
