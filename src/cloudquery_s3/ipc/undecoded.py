"""A payload that only Arrow's own reader can read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloudquery_s3.errors import DecodeError
from cloudquery_s3.ipc import limits
from cloudquery_s3.ipc.expansion import cut
from cloudquery_s3.ipc.received import DecodedMessage, ReceivedBatch
from cloudquery_s3.ipc.sizes import PayloadSizes, payload_sizes
from cloudquery_s3.ipc.stream import decoded_batches
from cloudquery_s3.ipc.validation import of_table, require_map_keys, require_sound, require_sound_lists

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pyarrow as pa

    from cloudquery_s3.ipc.known_schema import KnownSchema
    from cloudquery_s3.ipc.stream import Payload


class UndecodedPayload:
    """A payload of which little is known before it is decoded. Both methods take their time: they are for a worker.

    What it takes can be far more than what it is: `measure` tells, and its memory should be counted before `decode`.

    Attributes:
        table: the table that its schema names; "" where it names none.
    """

    def __init__(self, known: KnownSchema, payload: Payload, *, memory_limit_bytes: int) -> None:
        self.table = known.table
        self._known = known
        self._payload = payload
        self._limit_bytes = memory_limit_bytes
        self._sizes = PayloadSizes()

    def measure(self) -> int:
        """Return how much memory `decode` takes, by the headers alone.

        Raises:
            PayloadError, DecodeError: that is more than the limit, and than twice what came; or a header is not sound.
        """
        try:
            self._sizes = payload_sizes(self._payload, self._known.shape)
            self._require_room("takes", self._sizes.decoded_bytes, "once it is decoded")
        except DecodeError as error:
            raise of_table(self.table, error) from error
        return self._sizes.decoded_bytes

    def decode(self) -> list[ReceivedBatch]:
        """Return every batch, in order; call it once `measure` has returned.

        A batch whose dictionaries, views or run-end encodings make it large once they are written out comes as several,
        and counts what it is then.

        Raises:
            PayloadError, DecodeError: it is not sound, or would become too large once it is written out.
        """
        try:
            return [ReceivedBatch(message, 0, message.rows) for message in self._messages()]
        except DecodeError as error:
            raise of_table(self.table, error) from error

    def _messages(self) -> Iterator[DecodedMessage]:
        for index, batch in enumerate(decoded_batches(self._payload)):
            require_sound(batch)
            require_sound_lists(batch, self._known.inner_lists)
            if self._known.shape is not None:
                size = self._sizes.batches[index]
                yield DecodedMessage(self._known, batch, arrow_bytes=size, held_bytes=size)
            else:
                require_map_keys(batch)
                yield from self._written_out(batch)

    def _written_out(self, batch: pa.RecordBatch) -> Iterator[DecodedMessage]:
        received_bytes = batch.get_total_buffer_size()
        whole = 0
        for part, size in cut(batch, limits.EXPANDED_BATCH_BYTES):
            whole += size
            self._require_room("has a row of", size, "once it is written out")
            if whole > limits.EXPANDED_MESSAGE_BYTES:
                raise DecodeError(
                    f"a record batch of {received_bytes} bytes grows to more than {limits.EXPANDED_MESSAGE_BYTES} once "
                    "its dictionaries, views or run-end encodings are written out: have the source send fewer rows in "
                    "one message"
                )
            share = received_bytes * part.num_rows // max(1, batch.num_rows)
            yield DecodedMessage(self._known, part, arrow_bytes=size, held_bytes=size + share)

    def _require_room(self, does: str, size: int, when: str) -> None:
        if size > max(self._limit_bytes, 2 * len(self._payload)):
            raise DecodeError(
                f"a payload of {len(self._payload)} bytes {does} {size} bytes {when}, and memory_budget is "
                f"{self._limit_bytes}: raise 'memory_budget', or have the source send smaller batches"
            )
