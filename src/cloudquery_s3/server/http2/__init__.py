"""HTTP/2 over cleartext, as far as a gRPC server needs it: RFC 9113 without TLS, push and priorities.

A library's event for each frame costs more than all that is done with a small message behind it, so frames are taken
apart here; header compression is `hpack`'s. `Connection` has the bytes and what concerns all streams, `Streams` knows
which frame concerns which stream, `Stream` is one request and its answer, `Exchange` is what serves it (`server.rpc`).
"""

from cloudquery_s3.server.http2.connection import Connection, Connections
from cloudquery_s3.server.http2.faults import ErrorCode, StreamFault
from cloudquery_s3.server.http2.open_connections import OpenConnections
from cloudquery_s3.server.http2.request import Request
from cloudquery_s3.server.http2.stream import Exchange, Peer, Stream

__all__ = [
    "Connection",
    "Connections",
    "ErrorCode",
    "Exchange",
    "OpenConnections",
    "Peer",
    "Request",
    "Stream",
    "StreamFault",
]
