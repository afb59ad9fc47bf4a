"""`cloudquery-s3 syncs`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from cloudquery_s3.commands import reading
from cloudquery_s3.commands.arguments import Destination, SpecFile
from cloudquery_s3.publication.amounts import amount

if TYPE_CHECKING:
    from cloudquery_s3.publication.syncs import Sync

_STYLES = {"published": "green", "complete": "green", "parts": "yellow", "failed": "red", "interrupted": "red"}


def syncs(spec: SpecFile, *, destination: Destination = "", as_json: reading.AsJson = False) -> None:
    """List the syncs that are in the bucket, as their manifests tell, the newest first.

    Needs a reader's credentials: s3:ListBucket, and s3:GetObject on the manifests. In a pipe each sync is one line of
    fields with tabs between them, the sync's id first.

    Exit codes: 0 done, 1 the bucket or a manifest cannot be read, 2 the command was called wrongly.
    """
    from cloudquery_s3.publication.syncs import load_syncs  # noqa: PLC0415 -- Arrow and botocore: half a second

    with reading.opened(spec, destination) as (options, bucket):
        found = load_syncs(bucket, options)
    if as_json:
        reading.print_json([summary(sync) for sync in found])
        return
    console = Console(highlight=False, markup=False, emoji=False, soft_wrap=True)
    if not console.is_terminal:
        for sync in found:
            typer.echo("\t".join(_cells(sync)))  # rich would make spaces of tabs
        return
    table = Table()
    for name in ("sync", "status", "began", "sources", "parts"):
        table.add_column(name, overflow="fold")
    for name in ("rows", "objects", "size"):
        table.add_column(name, justify="right")
    for sync in found:
        sync_id, status, *rest = _cells(sync)
        size = amount(sync.total("bytes"))
        table.add_row(Text(sync_id), Text(status, _STYLES[status]), *map(Text, [*rest[:-1], size]))
    console.print(table, soft_wrap=False)


def summary(sync: Sync) -> dict[str, Any]:
    """Return a sync for programs."""
    return {
        "sync_id": sync.sync_id,
        "status": sync.status,
        "started_at": sync.started_at,
        "ended_at": sync.ended_at,
        "sources": sorted(sync.sources),
        "parts": sync.parts,
        **{name: sync.total(name) for name in ("rows", "objects", "bytes", "retries", "altered_cells")},
        "errors": [head.fields["error"] for head in sync.unresolved if head.fields.get("error")],
    }


def _cells(sync: Sync) -> list[str]:
    return [
        sync.sync_id,
        sync.status,
        sync.started_at,
        ",".join(sorted(sync.sources)),
        str(len(sync.parts) or 1),
        *(str(sync.total(name)) for name in ("rows", "objects", "bytes")),
    ]
