"""The one spec that a command works on."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import TYPE_CHECKING

from cloudquery_s3.commands.destinations import contents
from cloudquery_s3.commands.spec_file import files_of, read_documents, read_file
from cloudquery_s3.errors import SpecError
from cloudquery_s3.spec import Spec

if TYPE_CHECKING:
    from cloudquery_s3.commands.destinations import PluginSpec


def one_spec(place: Path, *, sync_id: str = "") -> Spec:
    """Return the spec of the one S3 destination in a file or folder, as a sync would have it.

    Args:
        place: a CloudQuery YAML file, the plugin's bare spec, or a folder of files.
        sync_id: what `{{SYNC_ID}}` stands for; some id where none is given.

    Raises:
        SpecError: there is not exactly one S3 destination, or its spec cannot be used.
    """
    found: list[PluginSpec] = []
    for file in files_of(place):
        found += contents(read_documents(read_file(file)), Path.cwd()).specs
    if len(found) != 1:
        raise SpecError(f"{place} has {len(found)} S3 destinations; name a file with the one that is meant")
    (spec,) = found
    if spec.missing:
        raise SpecError(f"set the environment variables {', '.join(sorted(spec.missing))}, which the spec uses")
    return Spec.parse(spec.data, invocation_id=sync_id or str(uuid.UUID(int=0)))
