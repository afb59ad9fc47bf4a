"""`cloudquery-s3 report`."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from cloudquery_s3.commands import reading
from cloudquery_s3.commands.arguments import Destination, SpecFile

_Output = Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help="Where the page goes.")]


def report(
    spec: SpecFile,
    *,
    sync: reading.SyncId = "",
    output: _Output = Path("report.html"),
    destination: Destination = "",
    as_json: reading.AsJson = False,
) -> None:
    """Make a page about a sync, the newest unless --sync names another: one HTML file that needs no network.

    It shows tables by rows, bytes and objects, the sizes of objects, the last syncs, failures, and cells that were
    altered, all by the manifests. Needs a reader's credentials: s3:ListBucket, and s3:GetObject on the manifests.

    Exit codes: 0 done, 1 there is nothing to report or it cannot be read, 2 the command was called wrongly.
    """
    from cloudquery_s3.publication.report.figures import gather  # noqa: PLC0415 -- Arrow and botocore: half a second
    from cloudquery_s3.publication.report.page import page  # noqa: PLC0415 -- likewise

    with reading.opened(spec, destination) as (options, bucket), reading.TerminalProgress() as progress:
        figures = gather(bucket, options, sync_id=sync or None, progress=progress)
    made_at = f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC"
    try:
        output.write_text(page(figures, made_at=made_at), encoding="utf-8")
    except OSError as error:
        typer.echo(f"error: the report cannot be written: {error}", err=True)
        raise typer.Exit(1) from None
    if as_json:
        reading.print_json({"file": str(output), "sync_id": figures.sync.sync_id, "status": figures.sync.status})
    else:
        typer.echo(f"{output}: sync {figures.sync.sync_id}, {figures.sync.status}")
