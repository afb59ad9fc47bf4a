"""One call, as its handler sees it."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Final

from cloudquery_s3.server.rpc.messages import MessageReader, framed
from cloudquery_s3.server.rpc.status import RpcError, Status, trailers

if TYPE_CHECKING:
    from cloudquery_s3.server.http2 import Stream
    from cloudquery_s3.server.rpc.messages import Message

_MOST_WAITING_BYTES: Final = 2 << 20
"""While messages of so many bytes wait to be taken, the client's window is not widened."""

_HEAD: Final = [
    (":status", "200"),
    ("content-type", "application/grpc"),
    ("grpc-accept-encoding", "identity"),
]


class Call:
    """A call that a client has made: messages in, messages out, one status at the end.

    Iterating gives the client's messages as they come, and ends with the last one. Messages that no one takes hold the
    client back: what waits is bounded by the stream's window, 2 MiB, and one message.

    Lives on the event loop.
    """

    def __init__(self, stream: Stream, most_message_bytes: int) -> None:
        self._stream = stream
        self._reader = MessageReader(most_message_bytes)
        self._waiting: deque[Message] = deque()
        self._waiting_bytes = 0
        self._unreleased_bytes = 0
        self._complete = False
        self._fault: RpcError | None = None
        self._arrival: asyncio.Future[None] | None = None
        self._head_due = True
        self._task: asyncio.Task[None] | None = None

    def __aiter__(self) -> Call:
        return self

    async def __anext__(self) -> Message:
        """Return the next message.

        Raises:
            StopAsyncIteration: the client has sent its last one.
            RpcError: what comes next is not a message that is allowed here.
        """
        while not self._waiting:
            if self._fault is not None:
                raise self._fault
            if self._complete:
                raise StopAsyncIteration
            self._arrival = asyncio.get_running_loop().create_future()
            await self._arrival
        message = self._waiting.popleft()
        self._waiting_bytes -= len(message)
        if self._unreleased_bytes and self._waiting_bytes < _MOST_WAITING_BYTES:
            released, self._unreleased_bytes = self._unreleased_bytes, 0
            self._stream.release(released)
        return message

    async def only_message(self) -> Message:
        """Return the one message of a call that has one.

        Raises:
            RpcError: there is none, or a second one.
        """
        message = await anext(self, None)
        if message is None or await anext(self, None) is not None:
            raise RpcError(Status.INTERNAL, "this call takes one message, no fewer and no more")
        return message

    async def send(self, message: bytes) -> None:
        """Send a message to the client, as fast as it takes them."""
        if self._head_due:
            self._head_due = False
            self._stream.send_headers(_HEAD)
        await self._stream.send_data(framed(message))

    def end(self, status: Status, message: str = "") -> None:
        """Tell the client how the call has ended. No-op if it does not listen any more."""
        fields = trailers(status, message)
        self._stream.send_headers([*_HEAD, *fields] if self._head_due else fields, end=True)

    def run_by(self, task: asyncio.Task[None]) -> None:
        """Have the task cancelled that serves this call, when the client gives it up."""
        self._task = task

    def refuse(self, error: RpcError) -> None:
        """Have the handler see this error in place of the next message."""
        self._fault = error
        self._wake()

    # What the stream calls.

    def data_received(self, data: memoryview) -> None:
        """See `Exchange`."""
        if self._fault is not None:
            return
        try:
            messages = self._reader.feed(data)
        except RpcError as error:
            self.refuse(error)
            return
        if messages:
            self._waiting.extend(messages)
            self._waiting_bytes += sum(map(len, messages))
            self._wake()
        if self._waiting_bytes < _MOST_WAITING_BYTES:
            self._stream.release(len(data))
        else:
            self._unreleased_bytes += len(data)

    def end_received(self) -> None:
        """See `Exchange`."""
        self._complete = True
        if self._reader.within:
            self._fault = self._fault or RpcError(Status.INTERNAL, "the request ends within a message")
        self._wake()

    def aborted(self) -> None:
        """See `Exchange`."""
        if self._task is not None:
            self._task.cancel()

    def _wake(self) -> None:
        if self._arrival is not None and not self._arrival.done():
            self._arrival.set_result(None)
