"""The spec that a command works on: of all S3 destinations in a file, or of the one that is named."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import TYPE_CHECKING

from cloudquery_s3.commands.destinations import contents
from cloudquery_s3.commands.spec_file import files_of, read_documents, read_file
from cloudquery_s3.errors import SpecError
from cloudquery_s3.spec import Spec

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cloudquery_s3.commands.destinations import PluginSpec


def one_spec(place: Path, destination: str = "", *, sync_id: str = "") -> Spec:
    """Return the spec of the one S3 destination in a file or folder, as a sync would have it.

    Args:
        place: a CloudQuery YAML file, the plugin's bare spec, or a folder of files.
        destination: the name of the one that is meant, whatever plugin its document names.
        sync_id: what `{{SYNC_ID}}` stands for; some id where none is given.

    Raises:
        SpecError: there is not exactly one S3 destination, or its spec cannot be used.
    """
    found = specs_in(place, destination)
    if len(found) > 1:
        raise several_in(place, [spec.name for spec in found])
    (spec,) = found
    if spec.missing:
        raise SpecError(f"set the environment variables {', '.join(sorted(spec.missing))}, which the spec uses")
    return Spec.parse(spec.data, invocation_id=sync_id or str(uuid.UUID(int=0)))


def specs_in(place: Path, destination: str = "") -> list[PluginSpec]:
    """Return the S3 destinations in a file or folder, or those of a name; at least one.

    Raises:
        SpecError: there is none, or a file cannot be read.
    """
    found = [contents(read_documents(read_file(file)), Path.cwd(), wanted=destination) for file in files_of(place)]
    specs = [spec for one in found for spec in one.specs]
    if not specs:
        what = f"destination {destination}" if destination else "S3 destination"
        others = ", ".join(name for one in found for name in one.others)
        raise SpecError(
            f"there is no {what} in {place}{f', only {others}: choose with --destination' if others else ''}"
        )
    return specs


def several_in(place: Path, names: Iterable[str]) -> SpecError:
    """Return the error that more than one destination is found where one is wanted."""
    return SpecError(f"there are several S3 destinations in {place} ({', '.join(names)}): choose with --destination")
