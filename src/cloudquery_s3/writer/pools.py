"""The threads. Arrow, compressors, hashes and sockets release the GIL, so they run beside each other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from cloudquery_s3.scope import Workers
from cloudquery_s3.writer.budget import usable_cores

_CLEANUPS: Final = 8


@dataclass(frozen=True, slots=True)
class Pools:
    """Who does an object's work, by stage; each pool first come, first served.

    Attributes:
        encode: decodes and encodes rows; a thread for each core.
        upload: sends objects, and mostly waits for the store.
        cleanup: takes back what is given up: this never stands behind work.
    """

    encode: Workers
    upload: Workers
    cleanup: Workers

    @classmethod
    def start(cls, *, uploads: int) -> Pools:
        """Return pools whose threads start as they are needed; `uploads` objects may go up at a time."""
        return cls(
            encode=Workers(usable_cores(), thread_name_prefix="encode"),
            upload=Workers(uploads, thread_name_prefix="upload"),
            cleanup=Workers(_CLEANUPS, thread_name_prefix="cleanup"),
        )

    def close(self) -> None:
        """Let running work end and start no more; does not wait."""
        for pool in (self.encode, self.upload, self.cleanup):
            pool.shutdown(wait=False, cancel_futures=True)
