"""`cloudquery-s3 publish`."""

from __future__ import annotations

from typing import Annotated

import typer

from cloudquery_s3.commands import reading
from cloudquery_s3.commands.arguments import Destination, SpecFile
from cloudquery_s3.publication.amounts import amount, counted

_SyncId = Annotated[str, typer.Option("--sync", metavar="ID", help="The sync: the CLI's --invocation-id.")]
_Parts = Annotated[
    int | None,
    typer.Option("--parts", metavar="N", min=1, help="How many parts it was written in, with `manifest.part`."),
]
_LATEST = {
    "written": "points to this sync now",
    "unchanged": "pointed to this sync already",
    "newer": "points to a newer sync, and stays",
}


def publish(
    spec: SpecFile,
    *,
    sync: _SyncId,
    parts: _Parts = None,
    destination: Destination = "",
    as_json: reading.AsJson = False,
) -> None:
    """Declare a sync whole: check that every part is complete, look for every object, and write one document.

    The document is created and never replaced: publishing again changes nothing and says so. Then the latest document
    points to this sync, unless it points to a newer one. Needs s3:ListBucket, s3:GetObject, and s3:PutObject on the
    manifests' folder and the key of `latest` (and on the path, for the empty objects of a sync in parts).

    Exit codes: 0 the sync is published, now or before; 1 it is not whole, or something cannot be read or written; 2 the
    command was called wrongly.
    """
    from cloudquery_s3.publication.publish import publish as published  # noqa: PLC0415 -- Arrow and botocore: half a second

    with reading.opened(spec, destination) as (options, bucket), reading.TerminalProgress() as progress:
        outcome = published(bucket, options, sync_id=sync, parts=parts, progress=progress)
    document = outcome.document
    if as_json:
        kept = ("sync_id", "parts", "sources", "rows", "objects", "bytes")
        totals = {name: document[name] for name in kept}
        reading.print_json({"key": outcome.key, "created": outcome.created, **totals, "latest": dict(outcome.latest)})
        return
    rows, objects = counted(document["rows"], "row"), counted(document["objects"], "object")
    what = f"{rows} in {objects}, {amount(document['bytes'])}"
    done = "published" if outcome.created else "was published already, nothing is changed"
    typer.echo(f"sync {sync} {done}: {what}: s3://{options.bucket}/{outcome.key}")
    for key, became in outcome.latest.items():
        typer.echo(f"s3://{options.bucket}/{key} {_LATEST[became]}")
