"""What the commands that read a bucket have in common: the spec they read it by, their errors, their progress."""

from __future__ import annotations

import json
import logging
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any, Final, Self

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from cloudquery_s3.commands.one_spec import several_in, specs_in
from cloudquery_s3.errors import PluginError, SpecError
from cloudquery_s3.server.logs import TextLine
from cloudquery_s3.spec import Spec

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from rich.progress import TaskID

    from cloudquery_s3.commands.destinations import PluginSpec
    from cloudquery_s3.stores.bucket import Bucket

_USED: Final = ("bucket", "region", "endpoint", "path", "manifest.path", "manifest.latest")
"""Options that decide what is read: their variables need values. That of `manifest.part` has one in its shard only."""

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document in place of text.")]
SyncId = Annotated[str, typer.Option("--sync", metavar="ID", help="The id of one sync, as `syncs` shows it.")]


@contextmanager
def opened(file: Path, destination: str) -> Iterator[tuple[Spec, Bucket]]:
    """Give the destination's spec and its bucket; an error of this plugin ends the command with 1 and one line."""
    from cloudquery_s3.formats import make_format  # noqa: PLC0415 -- Arrow and botocore: half a second
    from cloudquery_s3.stores.bucket import bucket_of  # noqa: PLC0415 -- likewise

    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(TextLine())
    own = logging.getLogger("cloudquery_s3")
    own.addHandler(handler)
    try:
        spec = _spec(file, destination)
        bucket = bucket_of(spec, content_type=make_format(spec).content_type)
        try:
            yield spec, bucket
        finally:
            bucket.close()
    except PluginError as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(1) from None
    finally:
        own.removeHandler(handler)


def _spec(file: Path, destination: str) -> Spec:
    """Return the spec of the one destination that writes manifests.

    Raises:
        SpecError: there is none, or more than one.
    """
    found = specs_in(file, destination)
    specs = {one.name: _parsed(one) for one in found}
    with_manifest = [spec for spec in specs.values() if spec.manifest is not None]
    if not with_manifest:
        raise SpecError(f"no destination in {file} writes manifests: set `manifest`, such as manifest: {{}}, and sync")
    if len(found) != len(specs) or len(with_manifest) > 1:
        raise several_in(file, specs)
    return with_manifest[0]


def _parsed(found: PluginSpec) -> Spec:
    for option in _USED:
        if found.awaits_variable(option):
            raise SpecError("holds a variable that the environment does not have", field=option)
    return Spec.parse(found.data, invocation_id="none")


def print_json(document: Any) -> None:
    """Print a document for programs."""
    typer.echo(json.dumps(document, indent=2, ensure_ascii=False))


class TerminalProgress:
    """A bar on stderr, where that is a terminal; see `publication.progress.Progress`."""

    def __init__(self) -> None:
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=Console(stderr=True),
            transient=True,
            disable=not sys.stderr.isatty(),
        )
        self._task: TaskID | None = None

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def begin(self, what: str, total: int | None = None) -> None:
        """Show a new bar in place of the last one."""
        if self._task is not None:
            self._bar.remove_task(self._task)
        self._task = self._bar.add_task(what, total=total)

    def advance(self, steps: int = 1) -> None:
        """Move the bar on."""
        if self._task is not None:
            self._bar.advance(self._task, steps)
