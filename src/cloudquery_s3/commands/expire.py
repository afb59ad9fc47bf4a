"""`cloudquery-s3 expire`."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from cloudquery_s3.commands import reading
from cloudquery_s3.commands.arguments import Destination, SpecFile
from cloudquery_s3.publication.amounts import amount, counted

if TYPE_CHECKING:
    from cloudquery_s3.publication.expire import Deleted, Expiry

_UNITS: Final = {"d": timedelta(days=1), "h": timedelta(hours=1), "w": timedelta(weeks=1)}
_REASONS: Final = {
    "old": "newer syncs stay",
    "incomplete": "was never whole",
    "superseded": "of Writes that do not count: others of the same sync do",
}
_Keep = Annotated[
    int | None, typer.Option("--keep", metavar="N", min=1, help="Keep the N newest whole syncs of each set of sources.")
]
_OlderThan = Annotated[str, typer.Option("--older-than", metavar="AGE", help="What ended so long ago: 30d, 12h, 2w.")]
_Delete = Annotated[bool, typer.Option("--delete", help="Delete it. Without this nothing is changed.")]


def expire(
    spec: SpecFile,
    *,
    keep: _Keep = None,
    older_than: _OlderThan = "",
    really: _Delete = False,
    destination: Destination = "",
    as_json: reading.AsJson = False,
) -> None:
    """List the syncs that no reader needs, and with --delete delete their objects and manifests.

    Goes by manifests alone: an object that none lists is never touched. The newest whole sync of each set of sources
    always stays, and so does one that a latest document points to. Needs s3:ListBucket, s3:GetObject, and with --delete
    s3:DeleteObject.

    Exit codes: 0 done, 1 something cannot be read or deleted, 2 the command was called wrongly.
    """
    if (keep is None) == (not older_than):
        raise typer.BadParameter("say one of --keep and --older-than")
    from cloudquery_s3.publication.expire import delete, load_expiries  # noqa: PLC0415 -- Arrow and botocore: half a second
    from cloudquery_s3.publication.manifest import instant  # noqa: PLC0415 -- likewise

    before = instant(datetime.now(UTC) - _age(older_than)) if older_than else None
    deleted: Deleted | None = None
    with reading.opened(spec, destination) as (options, bucket), reading.TerminalProgress() as progress:
        found = load_expiries(bucket, options, keep=keep, before=before)
        if really:
            deleted = delete(bucket, options, found, progress)
    if as_json:
        reading.print_json(_document(found, deleted))
    else:
        _show(found, deleted)


def _age(text: str) -> timedelta:
    match = re.fullmatch(r"(\d{1,6})([dhw])", text)
    if match is None:
        raise typer.BadParameter("write a number and d, h or w: 30d", param_hint="--older-than")
    return int(match[1]) * _UNITS[match[2]]


def _document(found: list[Expiry], deleted: Deleted | None) -> dict[str, Any]:
    return {
        "expired": [
            {
                "sync_id": expiry.sync.sync_id,
                "status": expiry.sync.status,
                "reason": expiry.reason,
                "ended_at": expiry.sync.ended_at,
                **{name: expiry.total(name) for name in ("rows", "objects", "bytes")},
                "manifests": [head.key for head in expiry.documents],
            }
            for expiry in found
        ],
        "deleted": deleted
        and {"objects": deleted.objects, "documents": deleted.documents, "kept_keys": sorted(deleted.shared)},
    }


def _show(found: list[Expiry], deleted: Deleted | None) -> None:
    for expiry in found:
        what = f"{counted(expiry.total('objects'), 'object')}, {amount(expiry.total('bytes'))}"
        ended = f"ended {expiry.sync.ended_at}"
        typer.echo(f"{expiry.sync.sync_id}: {expiry.sync.status}, {ended}: {what}: {_REASONS[expiry.reason]}")
    if not found:
        typer.echo("nothing expires")
    elif deleted is None:
        objects = counted(sum(expiry.total("objects") for expiry in found), "object")
        typer.echo(f"{counted(len(found), 'sync')} with {objects} would be deleted: add --delete")
    else:
        stays = f"; {counted(len(deleted.shared), 'key')} kept for other syncs" if deleted.shared else ""
        objects, documents = counted(deleted.objects, "object"), counted(deleted.documents, "document")
        typer.echo(f"deleted {objects} and {documents}{stays}")
