"""`cloudquery-s3 verify`."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.text import Text

from cloudquery_s3.commands import reading
from cloudquery_s3.commands.arguments import Destination, SpecFile
from cloudquery_s3.publication.amounts import amount, counted

if TYPE_CHECKING:
    from cloudquery_s3.publication.verify import Verification

_STYLES = {"missing": "bold red", "altered": "bold red", "replaced": "yellow", "unlisted": "yellow"}
_Deep = Annotated[
    bool, typer.Option("--deep", help="Count the rows too: reads Parquet's footers, and all of other formats.")
]


def verify(
    spec: SpecFile,
    *,
    sync: reading.SyncId = "",
    deep: _Deep = False,
    destination: Destination = "",
    as_json: reading.AsJson = False,
) -> None:
    """Compare the bucket with its manifests: is every object that they list there, as it was written?

    Says which objects are missing, altered, or replaced by a later sync (`no_rotate`); without --sync also which
    objects under the spec's path no manifest lists. Needs a reader's credentials: s3:ListBucket, s3:GetObject.

    Exit codes: 0 all that is listed is there, or was replaced by a later sync; 1 an object is missing or altered, or
    something cannot be read; 2 the command was called wrongly.
    """
    from cloudquery_s3.publication.verify import FAULTS  # noqa: PLC0415 -- Arrow and botocore: half a second
    from cloudquery_s3.publication.verify import verify as verified  # noqa: PLC0415 -- likewise

    with reading.opened(spec, destination) as (options, bucket), reading.TerminalProgress() as progress:
        found = verified(bucket, options, sync_id=sync or None, deep=deep, progress=progress)
    faults = sum(count for kind, count in found.counts().items() if kind in FAULTS)
    if as_json:
        reading.print_json({"ok": not faults, **asdict(found), "counts": found.counts()})
    else:
        _show(found)
    raise typer.Exit(1 if faults else 0)


def _show(found: Verification) -> None:
    console = Console(highlight=False, markup=False, emoji=False, soft_wrap=True)
    for finding in found.findings:
        console.print(Text.assemble((finding.kind, _STYLES[finding.kind]), f": {finding.key}: {finding.why}"))
    counts = ", ".join(f"{count} {kind}" for kind, count in found.counts().items())
    rows, size = counted(found.rows, "row"), amount(found.size_bytes)
    what = f"{counted(found.objects, 'object')} with {rows} in {size}, of {counted(found.syncs, 'sync')}"
    console.print(f"{what}: {counts}{'; rows counted' if found.is_deep else ''}")
