"""HTTP/2 over cleartext, as far as a gRPC server needs it: RFC 9113 without TLS, push and priorities.

A library's event for each frame costs more than all that is done with a small message behind it, so frames are taken
apart here; header compression is `hpack`'s. `Connection` parses, `Stream` is one request and its answer, `Exchange` is
what serves it (`server.rpc`).
"""

from cloudquery_s3.server.http2.connection import Connection
from cloudquery_s3.server.http2.faults import StreamFault
from cloudquery_s3.server.http2.frames import ErrorCode
from cloudquery_s3.server.http2.request import Request
from cloudquery_s3.server.http2.stream import Exchange, Stream

__all__ = ["Connection", "ErrorCode", "Exchange", "Request", "Stream", "StreamFault"]
