"""gRPC over `server.http2`: calls, messages, statuses.

What Write streams need: a message costs a few µs whatever its size, waits where it was received until the handler takes
it, and holds the client back while too many wait. One thread, one event loop, no compression.

Source: "gRPC over HTTP2" of the gRPC project.
"""

from cloudquery_s3.server.http2 import Peer
from cloudquery_s3.server.rpc.call import Call
from cloudquery_s3.server.rpc.server import Method, Server
from cloudquery_s3.server.rpc.services import methods_of
from cloudquery_s3.server.rpc.status import RpcError, Status

__all__ = ["Call", "Method", "Peer", "RpcError", "Server", "Status", "methods_of"]
