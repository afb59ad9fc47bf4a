"""An S3 server that accepts every write and keeps nothing: what is measured against it is the client's cost.

`GET /` tells how many bytes each object has, as JSON. Run as a process of its own, `python -m benchmarks.sink
[LATENCY_S [CERTIFICATE]]` prints its port, and ends with its input. With a certificate, a PEM file that holds the key
too, it speaks TLS.
"""

from __future__ import annotations

import asyncio
import functools
import json
import re
import ssl
import sys
from typing import Final

_BUFFER_BYTES: Final = 1 << 20
_LENGTH: Final = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_EXPECTS: Final = re.compile(rb"\r\nexpect: *100-continue", re.IGNORECASE)
_CREATED: Final = (
    b'<?xml version="1.0" encoding="UTF-8"?><InitiateMultipartUploadResult><Bucket>b</Bucket><Key>k</Key>'
    b"<UploadId>u</UploadId></InitiateMultipartUploadResult>"
)
_COMPLETED: Final = (
    b'<?xml version="1.0" encoding="UTF-8"?><CompleteMultipartUploadResult><Bucket>b</Bucket><Key>k</Key>'
    b'<ETag>"e-1"</ETag></CompleteMultipartUploadResult>'
)


class Sink(asyncio.BufferedProtocol):
    """One connection. Requests have a Content-Length, as every S3 client sends them that knows its sizes.

    Each is answered `latency_s` after its last byte has come. `sizes` are those of all objects, by the path of the key.
    """

    def __init__(self, latency_s: float = 0.0, sizes: dict[str, int] | None = None) -> None:
        self._latency_s = latency_s
        self._sizes = {} if sizes is None else sizes
        self._buffer = bytearray(_BUFFER_BYTES)
        self._view = memoryview(self._buffer)
        self._filled = 0
        self._body_left = 0
        self._head = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the way back."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - for the type checker
        self._transport = transport

    def get_buffer(self, _hint: int) -> memoryview:
        """Return where the next bytes go."""
        return self._view[self._filled :]

    def buffer_updated(self, count: int) -> None:
        """Take the bytes that came: heads are read, bodies dropped."""
        end, at = self._filled + count, 0
        while at < end or (self._head and not self._body_left):
            if not self._head:
                stop = self._buffer.find(b"\r\n\r\n", at, end)
                if stop < 0:
                    break
                self._begin(bytes(self._view[at:stop]))
                at = stop + 4
            dropped = min(self._body_left, end - at)
            self._body_left -= dropped
            at += dropped
            if not self._body_left:
                self._answer()
        self._buffer[: end - at] = bytes(self._view[at:end])
        self._filled = end - at

    def _begin(self, head: bytes) -> None:
        self._head = head
        length = _LENGTH.search(head)
        self._body_left = int(length[1]) if length else 0
        if head.startswith(b"PUT "):
            path = head.split(b" ", 2)[1].partition(b"?")[0].decode()
            self._sizes[path] = self._sizes.get(path, 0) + self._body_left  # parts add up
        if _EXPECTS.search(head):
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def _answer(self) -> None:
        method, path, _ = self._head.split(b"\r\n", 1)[0].split(b" ", 2)
        self._head = b""
        self._send(method, path)

    def _send(self, method: bytes, path: bytes) -> None:
        if method == b"GET":
            told = json.dumps(self._sizes).encode()
            self._transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(told), told))
            return
        if self._latency_s:
            asyncio.get_running_loop().call_later(self._latency_s, self._transport.write, reply(method, path))
        else:
            self._transport.write(reply(method, path))


def reply(method: bytes, path: bytes) -> bytes:
    """Return the answer to a write that is accepted."""
    if method == b"DELETE":
        return b"HTTP/1.1 204 No Content\r\n\r\n"
    body = b"" if method != b"POST" else _CREATED if b"uploads" in path else _COMPLETED
    return (
        b'HTTP/1.1 200 OK\r\nETag: "d41d8cd98f00b204e9800998ecf8427e"\r\nContent-Type: application/xml\r\n'
        b"Content-Length: %d\r\n\r\n%s" % (len(body), body)
    )


async def _serve(latency_s: float, certificate: str | None) -> None:
    loop = asyncio.get_running_loop()
    context = None
    if certificate:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(certificate)
    server = await loop.create_server(functools.partial(Sink, latency_s, {}), "127.0.0.1", 0, ssl=context)
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)
    server.close()


if __name__ == "__main__":
    asyncio.run(_serve(float(next(iter(sys.argv[1:]), 0)), next(iter(sys.argv[2:]), None)))
