"""One call, as its handler sees it."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Final

from cloudquery_s3.server.http2 import ErrorCode
from cloudquery_s3.server.rpc.messages import MessageReader, framed
from cloudquery_s3.server.rpc.status import RpcError, Status, trailers

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cloudquery_s3.server.http2 import Peer, Stream
    from cloudquery_s3.server.limits import Limits
    from cloudquery_s3.server.rpc.large_messages import LargeMessages
    from cloudquery_s3.server.rpc.messages import Message

_HEAD: Final = [
    (":status", "200"),
    ("content-type", "application/grpc"),
    ("grpc-accept-encoding", "identity"),
]
_FEW: Final = 4
"""Fewer bytes than this part of the least window are not worth looking whether more may come."""

_MESSAGE_FIELD_BYTES: Final = 300
"""What the header list of a call's end takes beside the error's text."""


class Call:
    """A call that a client has made: messages in, messages out, one status at the end.

    Iterating gives the client's messages as they come, and ends with the last one; `ready` and `take` do the same in
    two steps. Messages that no one takes hold the client back: what waits is bounded by the stream's window, half as
    much again, and one message.

    Lives on the event loop.
    """

    def __init__(self, stream: Stream, limits: Limits, large_messages: LargeMessages) -> None:
        self._stream = stream
        self._limits = limits
        self._large_messages = large_messages
        self._large_bytes = 0
        self._counted_bytes = 0
        self._reader = MessageReader(limits.message_bytes)
        self._waiting: deque[Message] = deque()
        self._waiting_bytes = 0
        self._unreleased_bytes = 0
        self._complete = False
        self._fault: RpcError | None = None
        self._arrival: asyncio.Future[None] | None = None
        self._head_due = True
        self._task: asyncio.Task[None] | None = None

    @property
    def peer(self) -> Peer:
        """Who calls: the connection that the call came on."""
        return self._stream.peer

    @property
    def metadata(self) -> Mapping[str, str]:
        """What the client says beside its messages, by name in lower case."""
        return self._stream.request.headers

    def __aiter__(self) -> Call:
        return self

    async def __anext__(self) -> Message:
        """Return the next message.

        Raises:
            StopAsyncIteration: the client has sent its last one.
            RpcError: what comes next is not a message that is allowed here.
        """
        if not await self.ready():
            raise StopAsyncIteration
        return self.take()

    async def ready(self) -> bool:
        """Return True when there is a message to `take`, False when the client has sent its last one.

        Raises:
            RpcError: what comes next is not a message that is allowed here.
        """
        while not self._waiting:
            if self._fault is not None:
                raise self._fault
            if self._complete:
                return False
            self._arrival = asyncio.get_running_loop().create_future()
            await self._arrival
        return True

    def take(self) -> Message:
        """Return the message that waits: `ready` has returned True."""
        message = self._waiting.popleft()
        size = len(message)
        self._waiting_bytes -= size
        if size > self._limits.least_window_bytes:
            self._large_bytes -= size
            self._large_messages.taken(size)
        self.go_on()
        return message

    async def only_message(self) -> Message:
        """Return the one message of a call that has one.

        Raises:
            RpcError: there is none, or a second one, or it takes too long to come.
        """
        try:
            async with asyncio.timeout(self._limits.request_s):
                message = await anext(self, None)
                more = await anext(self, None)
        except TimeoutError:
            raise RpcError(Status.DEADLINE_EXCEEDED, "the call's message did not come whole in time") from None
        if message is None or more is not None:
            raise RpcError(Status.INTERNAL, "this call takes one message, no fewer and no more")
        return message

    async def send(self, message: bytes) -> None:
        """Send a message to the client, as fast as it takes them."""
        if self._head_due:
            self._head_due = False
            self._stream.send_headers(_HEAD)
        await self._stream.send_data(framed(message))

    def end(self, status: Status, message: str = "") -> None:
        """Tell the client how the call has ended, in as many words as it takes. No-op if it does not listen any more.

        Whatever happens, the call ends: where not even this can be told, its stream is reset.
        """
        try:
            takes = self._stream.header_bytes
            room = self._limits.error_bytes if takes is None else takes - _MESSAGE_FIELD_BYTES
            fields = trailers(status, message, min(self._limits.error_bytes, room))
            self._stream.send_headers([*_HEAD, *fields] if self._head_due else fields, end=True)
        except BaseException:
            self._stream.reset(ErrorCode.INTERNAL_ERROR)
            raise
        finally:
            self._drop()

    def run_by(self, task: asyncio.Task[None]) -> None:
        """Have the task cancelled that serves this call, when the client gives it up."""
        self._task = task

    def refuse(self, error: RpcError) -> None:
        """Have the handler see this error in place of the next message."""
        self._fault = error
        self._wake()

    def go_on(self) -> None:
        """Let the client send more, unless too much waits already."""
        if self._unreleased_bytes * _FEW < self._limits.least_window_bytes:
            return
        if self._waiting_bytes * 2 >= self._stream.window_bytes:
            return
        if self._reader.size > self._limits.least_window_bytes and not self._large_messages.may_go_on(self):
            return
        released, self._unreleased_bytes = self._unreleased_bytes, 0
        self._stream.release(released)

    # What the stream calls.

    def data_received(self, pieces: Sequence[memoryview]) -> None:
        """See `Exchange`."""
        if self._fault is not None:
            return
        messages: list[Message] = []
        try:
            for piece in pieces:
                messages += self._reader.feed(piece)
        except RpcError as error:
            self.refuse(error)
        if messages:
            self._waiting.extend(messages)
            self._waiting_bytes += sum(map(len, messages))
            self._wake()
        if messages or self._reader.filled - self._counted_bytes > self._limits.least_window_bytes:
            self._count(messages)
        self._unreleased_bytes += sum(map(len, pieces))
        self.go_on()

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

    def _count(self, messages: list[Message]) -> None:
        """Count what has come of large messages, in steps of the least window: less is part of the stream's own."""
        large = self._limits.least_window_bytes
        for message in messages:
            if len(message) > large:
                self._received(len(message) - self._counted_bytes, complete=True)
            self._counted_bytes = 0
        if self._reader.filled - self._counted_bytes > large:
            self._received(self._reader.filled - self._counted_bytes, complete=False)
            self._counted_bytes = self._reader.filled

    def _received(self, size_bytes: int, *, complete: bool) -> None:
        self._large_bytes += size_bytes
        self._large_messages.received(self, size_bytes, complete=complete)

    def _drop(self) -> None:
        dropped, self._large_bytes = self._large_bytes, 0
        self._waiting.clear()
        self._large_messages.dropped(self, dropped)

    def _wake(self) -> None:
        if self._arrival is not None and not self._arrival.done():
            self._arrival.set_result(None)
