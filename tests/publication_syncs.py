"""What manifests and publications say, without a bucket."""

from __future__ import annotations

from typing import Any

from cloudquery_s3.publication.documents import Head
from reader import moment


def head(  # noqa: PLR0913 - what a manifest says
    sync_id: str,
    minute: int,
    status: str = "complete",
    *,
    part: str | None = None,
    sources: str = "a",
    kind: str = "write",
    of: Any = (),
    objects: int = 1,
) -> Head:
    """What a Write of a minute says, or a publication of some."""
    key = f"{sync_id}-{minute}-{part}-{sources}-{status}-{kind}"
    fields = {
        "kind": kind,
        "status": status,
        "sync_id": sync_id,
        "part": part,
        "sources": list(sources),
        "started_at": moment(minute),
        "ended_at": moment(minute + 1),
        "rows": objects,
        "bytes": objects,
        "objects": objects,
        "manifests": [{"key": one.key} for one in of],
    }
    return Head(key, "", fields)
