"""Arrow IPC in: payloads become rows that stay bytes until a worker decodes them.

Receiving happens on one event loop for all tables, decoding on many threads: so `IpcReader.read` looks at message
headers alone (a few µs each) and `decode` does the rest, many messages at a time.
"""

from cloudquery_s3.ipc.answer import RequestedSchema
from cloudquery_s3.ipc.decoding import decode
from cloudquery_s3.ipc.reader import IpcReader
from cloudquery_s3.ipc.received import DecodedMessage, ReceivedBatch
from cloudquery_s3.ipc.undecoded import UndecodedPayload

__all__ = ["DecodedMessage", "IpcReader", "ReceivedBatch", "RequestedSchema", "UndecodedPayload", "decode"]
